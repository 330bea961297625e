/*-------------------------------------------------------------------------
 *
 * policy_schema.c
 *	  Schemas in force: what policies, links, entities and requests must fit.
 *
 * authz.schema holds at most one schema for a policy set.  A policy, template
 * or link that does not validate is refused when it is written; a schema that
 * would leave stored ones invalid is refused as well.  Writers of all of them
 * queue up behind one lock and look with fresh snapshots, at every isolation
 * level, so the stored set always validates.
 *
 * Entities.  The table is shared by all policy sets.  With check_entities, a
 * schema speaks for the entity types and actions that it declares: a stored
 * entity must fit every such schema that declares its type, and one of them
 * must declare it.  Writers of entities hold a RowExclusiveLock on the table;
 * who changes schemas takes a ShareLock on it and then looks at all entities,
 * so here, too, neither misses the other.
 *
 * While a dump is restored, an entity whose type no schema declares passes:
 * another schema may be to come.  An apply worker's rows are not checked.
 *
 * Requests.  A version of a policy set has the schema that was in force with
 * it (policy_cache.c).  The schema's actions and their groups are entities,
 * and go before those of the store.
 *
 * Memory: a parsed schema has its own context under CacheMemoryContext and is
 * found by its text.  It stays while it is pinned; of the others the last
 * SCHEMAS_KEPT are kept.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"
#include "compat.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "storage/lmgr.h"
#include "storage/proc.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

#include "cedar/conform.h"
#include "cedar/validate.h"
#include "entity.h"
#include "entity_uid.h"
#include "error.h"
#include "host.h"
#include "policy_link.h"
#include "policy_schema.h"
#include "policy_store.h"
#include "relation.h"

#define SCHEMAS_KEPT	16		/* parsed schemas that nobody uses */
#define MISFITS_SHOWN	50		/* in the DETAIL of an error */

bool		authz_validate_requests = true;

static dlist_head schemas = DLIST_STATIC_INIT(schemas); /* last used first */

PG_FUNCTION_INFO_V1(authz_schema_before_statement);
PG_FUNCTION_INFO_V1(authz_schema_before_row);
PG_FUNCTION_INFO_V1(authz_schema_after_row);
PG_FUNCTION_INFO_V1(authz_schema_after_statement);

/* ---------------------------------------------------------- parsed schemas */

/* Drop what nobody uses, but for the last ones. */
static void
schemas_limit(void)
{
	dlist_mutable_iter iter;
	int			kept = 0;

	dlist_foreach_modify(iter, &schemas)
	{
		AuthzSchema *schema = dlist_container(AuthzSchema, node, iter.cur);

		if (schema->pins > 0 || kept++ < SCHEMAS_KEPT)
			continue;
		dlist_delete(&schema->node);
		MemoryContextDelete(schema->cxt);
	}
}

static AuthzSchema *
schema_parse(const char *set, const char *text, size_t len)
{
	MemoryContext cxt = AllocSetContextCreate(CurrentMemoryContext, "authz schema",
											  ALLOCSET_DEFAULT_SIZES);
	AuthzSchema *schema = MemoryContextAllocZero(cxt, sizeof(AuthzSchema));
	CedarArena *arena = authz_arena_create(cxt);
	char	   *copy = MemoryContextAllocHuge(cxt, len + 1);
	CedarError	err;

	memcpy(copy, text, len);
	copy[len] = '\0';
	schema->cxt = cxt;
	schema->len = len;
	schema->text = copy;
	if (cedar_schema_parse(arena, copy, len, CEDAR_SCHEMA_AUTO, &schema->schema, &err) != CEDAR_OK ||
		cedar_conform_actions(arena, schema->schema, &schema->actions, &err) != CEDAR_OK)
		authz_raise(&err, AUTHZ_TEXT_POLICY, copy, len, "schema",
					psprintf("Policy set \"%s\".", set));
	return schema;
}

/* The parsed form of a text, not pinned: valid until the next call. */
static AuthzSchema *
schema_of(const char *set, const char *text, size_t len)
{
	AuthzSchema *schema;
	dlist_iter	iter;

	dlist_foreach(iter, &schemas)
	{
		schema = dlist_container(AuthzSchema, node, iter.cur);
		if (schema->len == len && memcmp(schema->text, text, len) == 0)
		{
			dlist_move_head(&schemas, &schema->node);
			return schema;
		}
	}
	schema = schema_parse(set, text, len);
	MemoryContextSetParent(schema->cxt, CacheMemoryContext);
	dlist_push_head(&schemas, &schema->node);
	schemas_limit();
	return schema;
}

typedef struct SchemaPin
{
	MemoryContextCallback callback;
	AuthzSchema *schema;
} SchemaPin;

static void
schema_unpin(void *arg)
{
	((SchemaPin *) arg)->schema->pins--;
}

static void
schema_pin(AuthzSchema *schema, MemoryContext cxt)
{
	SchemaPin  *pin = MemoryContextAlloc(cxt, sizeof(SchemaPin));

	pin->schema = schema;
	pin->callback.func = schema_unpin;
	pin->callback.arg = pin;
	MemoryContextRegisterResetCallback(cxt, &pin->callback);
	schema->pins++;
}

static AuthzSchema *
schema_of_row(MemoryContext cxt, HeapTuple tuple, TupleDesc desc)
{
	bool		isnull;
	text	   *value = DatumGetTextPP(heap_getattr(tuple, Anum_schema_schema, desc, &isnull));
	char	   *set = authz_policy_column(tuple, desc, Anum_schema_policy_set);
	AuthzSchema *schema = schema_of(set, VARDATA_ANY(value), VARSIZE_ANY_EXHDR(value));

	schema_pin(schema, cxt);
	pfree(set);
	return schema;
}

const AuthzSchema *
authz_schema_get(MemoryContext cxt, Snapshot snapshot, const char *set)
{
	const AuthzRelations *rels = authz_relations();
	Oid			pkey = rels->schema_pkey;
	Relation	rel = table_open(rels->schema, AccessShareLock);
	const AuthzSchema *schema = NULL;
	SysScanDesc scan;
	ScanKeyData key;
	HeapTuple	tuple;

	ScanKeyInit(&key, Anum_schema_policy_set, BTEqualStrategyNumber,
				F_TEXTEQ, CStringGetTextDatum(set));
	scan = systable_beginscan(rel, pkey, true, snapshot, 1, &key);
	tuple = systable_getnext(scan);
	if (HeapTupleIsValid(tuple))
		schema = schema_of_row(cxt, tuple, RelationGetDescr(rel));
	systable_endscan(scan);
	table_close(rel, NoLock);
	return schema;
}

/*
 * What is looked up once for the rows of one command.  Nobody else can change
 * it meanwhile; a command of this transaction within that command can, but
 * then the command id has moved on.
 */
typedef struct CommandCache
{
	MemoryContext cxt;			/* NULL: empty */
	LocalTransactionId lxid;
	SubTransactionId subid;
	CommandId	cid;
} CommandCache;

static bool
command_cache_is_valid(const CommandCache *cache)
{
	return cache->cxt != NULL && cache->lxid == authz_my_lxid() &&
		cache->subid == GetCurrentSubTransactionId() &&
		cache->cid == GetCurrentCommandId(false);
}

/* Empty it; command_cache_fill is to follow once the memory is filled. */
static MemoryContext
command_cache_reset(CommandCache *cache)
{
	if (cache->cxt != NULL)
		MemoryContextDelete(cache->cxt);
	cache->lxid = InvalidLocalTransactionId;
	cache->cxt = NULL;
	cache->cxt = AllocSetContextCreate(CacheMemoryContext, "authz schemas of a command",
									   ALLOCSET_SMALL_SIZES);
	return cache->cxt;
}

static void
command_cache_fill(CommandCache *cache)
{
	cache->lxid = authz_my_lxid();
	cache->subid = GetCurrentSubTransactionId();
	cache->cid = GetCurrentCommandId(false);
}

const AuthzSchema *
authz_schema_now(const char *set)
{
	static CommandCache cache;
	static const AuthzSchema *schema;
	static char *for_set;

	if (!command_cache_is_valid(&cache) || for_set == NULL || strcmp(for_set, set) != 0)
	{
		MemoryContext cxt = command_cache_reset(&cache);
		Snapshot	snapshot;

		for_set = MemoryContextStrdup(cxt, set);
		snapshot = RegisterSnapshot(GetCatalogSnapshot(authz_relations()->schema));
		schema = authz_schema_get(cxt, snapshot, set);
		UnregisterSnapshot(snapshot);
		command_cache_fill(&cache);
	}
	return schema;
}

/* ------------------------------------------------------ policies and links */

void
authz_schema_check_policy(const AuthzSchema *schema, CedarArena *arena, const CedarAst *ast,
						  const char *set, const char *id, const char *text)
{
	const CedarFinding *findings;
	uint32		n;
	CedarError	err;
	char	   *what = psprintf("policy \"%s\"", id);
	char	   *detail = psprintf("Policy set \"%s\".", set);

	if (cedar_validate(arena, schema->schema, ast, 0, 1, CEDAR_NO_LEVEL,
					   &findings, &n, &err) != CEDAR_OK)
		authz_raise(&err, AUTHZ_TEXT_POLICY, text, strlen(text), what, detail);
	authz_raise_findings(findings, n, text, strlen(text), what, detail);
	pfree(what);
	pfree(detail);
}

void
authz_schema_check_link(const AuthzSchema *schema, CedarArena *arena, const CedarAst *ast,
						const char *set, const char *id, const char *template_id,
						const CedarUid *principal, const CedarUid *resource)
{
	const CedarFinding *findings;
	uint32		n;
	CedarError	err;
	char	   *what = psprintf("link \"%s\"", id);
	char	   *detail = psprintf("Template \"%s\" of policy set \"%s\".", template_id, set);

	if (cedar_validate_link(arena, schema->schema, ast, 0, principal, resource,
							&findings, &n, &err) != CEDAR_OK)
		authz_raise(&err, AUTHZ_TEXT_UID, NULL, 0, what, detail);
	/* The positions are the template's. */
	authz_raise_findings(findings, n, NULL, 0, what, detail);
	pfree(what);
	pfree(detail);
}

/* What a new schema would leave invalid. */
typedef struct Misfits
{
	StringInfoData list;
	uint32		n;
} Misfits;

static void
misfits_add(Misfits *misfits, const char *kind, const char *id, const char *text,
			const CedarFinding *findings, uint32 n)
{
	for (uint32 i = 0; i < n; i++)
	{
		int			line;
		int			column;

		if (findings[i].warning)
			continue;
		if (misfits->n++ >= MISFITS_SHOWN)
			continue;
		appendStringInfo(&misfits->list, "\n%s \"%s\"", kind, id);
		if (text != NULL)
		{
			authz_line_column(text, findings[i].offset, &line, &column);
			appendStringInfo(&misfits->list, ", line %d, column %d", line, column);
		}
		appendStringInfo(&misfits->list, ": %s", findings[i].message);
	}
}

/* Refuse a schema that a stored policy or link of its set does not fit. */
static void
schema_check_set(const AuthzSchema *schema, const char *set)
{
	AuthzRelations rels = *authz_relations();
	Relation	policies = table_open(rels.policies, AccessShareLock);
	TupleDesc	desc = RelationGetDescr(policies);
	CedarArena *arena = authz_arena_create(CurrentMemoryContext);
	Misfits		misfits = {.n = 0};
	Snapshot	snapshot;
	Relation	index;
	SysScanDesc scan;
	ScanKeyData key;
	HeapTuple	tuple;

	initStringInfo(&misfits.list);
	LockRelationOid(rels.policy_links, AccessShareLock);
	snapshot = RegisterSnapshot(GetCatalogSnapshot(rels.policies));
	index = index_open(rels.policies_pkey, AccessShareLock);
	ScanKeyInit(&key, Anum_policies_policy_set, BTEqualStrategyNumber,
				F_TEXTEQ, CStringGetTextDatum(set));
	scan = systable_beginscan_ordered(policies, index, snapshot, 1, &key);
	while (HeapTupleIsValid(tuple = systable_getnext_ordered(scan, ForwardScanDirection)))
	{
		char	   *id = authz_policy_column(tuple, desc, Anum_policies_policy_id);
		char	   *text = authz_policy_column(tuple, desc, Anum_policies_policy);
		const CedarFinding *findings;
		CedarAst   *ast;
		CedarError	err;
		uint32		n;

		CHECK_FOR_INTERRUPTS();
		if (cedar_parse_one(arena, text, strlen(text), &ast, &err) != CEDAR_OK ||
			cedar_validate(arena, schema->schema, ast, 0, 1, CEDAR_NO_LEVEL,
						   &findings, &n, &err) != CEDAR_OK)
			authz_raise(&err, AUTHZ_TEXT_POLICY, text, strlen(text),
						psprintf("policy \"%s\"", id), psprintf("Policy set \"%s\".", set));
		misfits_add(&misfits, "policy", id, text, findings, n);
		if (cedar_ast_is_template(ast, 0))
		{
			uint32		n_links;
			const AuthzPolicyLink *links = authz_policy_links_of(arena, snapshot, set, id,
																 &n_links);

			for (uint32 i = 0; i < n_links; i++)
			{
				if (cedar_validate_link(arena, schema->schema, ast, 0, links[i].principal,
										links[i].resource, &findings, &n, &err) != CEDAR_OK)
					authz_raise(&err, AUTHZ_TEXT_UID, NULL, 0,
								psprintf("link \"%s\"", links[i].id),
								psprintf("Policy set \"%s\".", set));
				misfits_add(&misfits, "link", links[i].id, NULL, findings, n);
			}
		}
		pfree(id);
		pfree(text);
		cedar_arena_reset(arena);
	}
	systable_endscan_ordered(scan);
	index_close(index, AccessShareLock);
	UnregisterSnapshot(snapshot);
	table_close(policies, NoLock);
	cedar_arena_destroy(arena);

	if (misfits.n > MISFITS_SHOWN)
		appendStringInfo(&misfits.list, "\nand %u more", misfits.n - MISFITS_SHOWN);
	if (misfits.n > 0)
		ereport(ERROR,
				(errcode(ERRCODE_CHECK_VIOLATION),
				 errmsg("stored policies of policy set \"%s\" do not validate against the schema",
						set),
				 errdetail_internal("%s", misfits.list.data + 1),
				 errhint("Change or delete them first, or apply both together with authz.policies_apply.")));
	pfree(misfits.list.data);
}

/* ---------------------------------------------------------------- entities */

/* The schemas that check entities, and their sets. */
typedef struct EntitySchemas
{
	int			n;
	const AuthzSchema **schemas;
	char	  **sets;
} EntitySchemas;

/* As of now, in a memory context that pins them. */
static EntitySchemas
entity_schemas(MemoryContext cxt)
{
	EntitySchemas found = {0};
	Oid			relid = authz_relations()->schema;
	MemoryContext old = MemoryContextSwitchTo(cxt);
	Relation	rel = table_open(relid, AccessShareLock);
	TupleDesc	desc = RelationGetDescr(rel);
	Snapshot	snapshot = RegisterSnapshot(GetCatalogSnapshot(relid));
	SysScanDesc scan = systable_beginscan(rel, InvalidOid, false, snapshot, 0, NULL);
	HeapTuple	tuple;
	int			capacity = 0;

	while (HeapTupleIsValid(tuple = systable_getnext(scan)))
	{
		bool		isnull;

		if (!DatumGetBool(heap_getattr(tuple, Anum_schema_check_entities, desc, &isnull)))
			continue;
		if (found.n == capacity)
		{
			capacity = Max(2 * capacity, 4);
			found.schemas = found.n == 0 ? palloc(capacity * sizeof(AuthzSchema *)) :
				repalloc(found.schemas, capacity * sizeof(AuthzSchema *));
			found.sets = found.n == 0 ? palloc(capacity * sizeof(char *)) :
				repalloc(found.sets, capacity * sizeof(char *));
		}
		found.schemas[found.n] = schema_of_row(cxt, tuple, desc);
		found.sets[found.n++] = authz_policy_column(tuple, desc, Anum_schema_policy_set);
	}
	systable_endscan(scan);
	UnregisterSnapshot(snapshot);
	table_close(rel, NoLock);
	MemoryContextSwitchTo(old);
	return found;
}

/*
 * Does the entity fit?  If not, what it does not fit is in *err, and *set is
 * the policy set of that schema; NULL when no schema declares the entity.
 */
static bool
entity_fits(const EntitySchemas *all, CedarArena *arena, const CedarEntity *entity,
			const char **set, CedarError *err)
{
	bool		is_action = cedar_uid_is_action(entity->uid);
	bool		declared = false;

	*set = NULL;
	for (int i = 0; i < all->n; i++)
	{
		const CedarSchema *schema = all->schemas[i]->schema;

		if (is_action ? cedar_schema_action(schema, entity->uid) == NULL :
			cedar_schema_entity_of(schema, entity->uid) == NULL)
			continue;
		declared = true;
		*set = all->sets[i];
		if (cedar_conform_entity(arena, schema, entity, err) != CEDAR_OK)
			return false;
	}
	if (declared || all->n == 0 || authz_store_is_restoring())
		return true;
	memset(err, 0, sizeof(*err));
	err->code = CEDAR_ERR_SCHEMA;
	strlcpy(err->message, is_action ? "no schema in force declares the action" :
			"no schema in force declares the entity type", sizeof(err->message));
	strlcpy(err->hint, "Schemas whose check_entities is false do not count.", sizeof(err->hint));
	return false;
}

void
authz_schema_check_entity(CedarArena *arena, const CedarEntity *entity)
{
	static CommandCache cache;
	static EntitySchemas all;
	const char *set;
	CedarError	err;

	if (!authz_store_is_checked())
		return;
	if (!command_cache_is_valid(&cache))
	{
		all = entity_schemas(command_cache_reset(&cache));
		command_cache_fill(&cache);
	}
	if (all.n > 0 && !entity_fits(&all, arena, entity, &set, &err))
		authz_raise(&err, AUTHZ_TEXT_UID, NULL, 0,
					psprintf("entity %s", authz_uid_display(entity->uid)),
					set == NULL ? NULL : psprintf("Schema of policy set \"%s\".", set));
}

static int
misfit_cmp(const ListCell *a, const ListCell *b)
{
	return strcmp(lfirst(a), lfirst(b));
}

/* Refuse a change of the schemas that stored entities do not fit. */
static void
schemas_check_entities(void)
{
	AuthzRelations rels = *authz_relations();
	MemoryContext cxt = AllocSetContextCreate(CurrentMemoryContext, "authz entity schemas",
											  ALLOCSET_SMALL_SIZES);
	EntitySchemas all;
	StringInfoData list;
	CedarArena *arena;
	Relation	rel;
	Snapshot	snapshot;
	SysScanDesc scan;
	HeapTuple	tuple;
	List	   *misfits = NIL;
	ListCell   *lc;
	int			n = 0;

	CommandCounterIncrement();
	all = entity_schemas(cxt);
	if (all.n == 0)
	{
		MemoryContextDelete(cxt);
		return;
	}
	arena = authz_arena_create(CurrentMemoryContext);
	/* Wait for writers of entities; those to come wait for us. */
	rel = table_open(rels.entities, ShareLock);
	snapshot = RegisterSnapshot(GetCatalogSnapshot(rels.entities));
	scan = systable_beginscan(rel, InvalidOid, false, snapshot, 0, NULL);
	while (n <= MISFITS_SHOWN && HeapTupleIsValid(tuple = systable_getnext(scan)))
	{
		const CedarEntity *entity;
		const char *set;
		CedarError	err;

		CHECK_FOR_INTERRUPTS();
		cedar_arena_reset(arena);
		entity = authz_entity_from_row(arena, tuple, RelationGetDescr(rel));
		if (entity_fits(&all, arena, entity, &set, &err))
			continue;
		n++;
		misfits = lappend(misfits, set == NULL ?
						  psprintf("%s: %s", authz_uid_display(entity->uid), err.message) :
						  psprintf("%s: %s (policy set \"%s\")",
								   authz_uid_display(entity->uid), err.message, set));
	}
	systable_endscan(scan);
	UnregisterSnapshot(snapshot);
	table_close(rel, NoLock);
	cedar_arena_destroy(arena);
	MemoryContextDelete(cxt);
	if (n == 0)
		return;

	/* In an order that does not depend on where the rows lie. */
	list_sort(misfits, misfit_cmp);
	initStringInfo(&list);
	foreach(lc, misfits)
	{
		if (foreach_current_index(lc) == MISFITS_SHOWN)
			appendStringInfoString(&list, "\nand more");
		else
			appendStringInfo(&list, "\n%s", (char *) lfirst(lc));
	}
	ereport(ERROR,
			(errcode(ERRCODE_CHECK_VIOLATION),
			 errmsg("stored entities do not fit the schemas in force"),
			 errdetail_internal("%s", list.data + 1),
			 errhint("Change or delete them first, or set check_entities to false.")));
}

/* ---------------------------------------------------------------- requests */

typedef struct SchemaOverlay
{
	CedarEntitySource actions;
	CedarEntitySource below;
} SchemaOverlay;

static CedarCode
overlay_find(void *userdata, const CedarUid *uid, CedarEntity **entity, CedarError *err)
{
	SchemaOverlay *overlay = userdata;
	CedarCode	code;

	if (cedar_uid_is_action(uid))
	{
		code = overlay->actions.find(overlay->actions.userdata, uid, entity, err);
		if (code != CEDAR_OK || *entity != NULL)
			return code;
	}
	return overlay->below.find(overlay->below.userdata, uid, entity, err);
}

/* Never of an action of the schema: its ancestors are known. */
static CedarCode
overlay_climb(void *userdata, CedarEntity *entity, CedarError *err)
{
	SchemaOverlay *overlay = userdata;

	return overlay->below.climb(overlay->below.userdata, entity, err);
}

void
authz_schema_overlay(const AuthzSchema *schema, CedarArena *arena, CedarEntitySource *source)
{
	SchemaOverlay *overlay;

	if (schema == NULL)
		return;
	overlay = cedar_arena_alloc(arena, sizeof(SchemaOverlay));
	if (overlay == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_OUT_OF_MEMORY),
				 errmsg("out of memory")));
	overlay->actions = cedar_entities_source(schema->actions);
	overlay->below = *source;
	source->find = overlay_find;
	if (source->climb != NULL)
		source->climb = overlay_climb;
	source->userdata = overlay;
}

/* ---------------------------------------------------------------- triggers */

Datum
authz_schema_before_statement(PG_FUNCTION_ARGS)
{
	authz_store_check_trigger(fcinfo, AUTHZ_STORE_SCHEMA, "schema_before_statement");
	authz_store_before_statement((TriggerData *) fcinfo->context, AUTHZ_STORE_SCHEMA);
	return PointerGetDatum(NULL);
}

/* BEFORE ROW, INSERT or UPDATE: refuse what is no schema. */
Datum
authz_schema_before_row(PG_FUNCTION_ARGS)
{
	TriggerData *trigdata = (TriggerData *) fcinfo->context;
	HeapTuple	tuple;
	TupleDesc	desc;
	bool		set_null;
	bool		isnull;
	char	   *set;
	text	   *value;

	authz_store_check_trigger(fcinfo, AUTHZ_STORE_SCHEMA, "schema_before_row");
	if (TRIGGER_FIRED_BY_DELETE(trigdata->tg_event))
		return PointerGetDatum(authz_store_before_row(trigdata, AUTHZ_STORE_SCHEMA));
	tuple = authz_store_new_tuple(trigdata);
	desc = RelationGetDescr(trigdata->tg_relation);

	/* Nulls are for the NOT NULL constraints, which come after us. */
	heap_getattr(tuple, Anum_schema_policy_set, desc, &set_null);
	heap_getattr(tuple, Anum_schema_schema, desc, &isnull);
	if (set_null || isnull)
		return PointerGetDatum(tuple);

	set = authz_policy_column(tuple, desc, Anum_schema_policy_set);
	value = DatumGetTextPP(heap_getattr(tuple, Anum_schema_schema, desc, &isnull));
	schema_of(set, VARDATA_ANY(value), VARSIZE_ANY_EXHDR(value));
	return PointerGetDatum(authz_store_before_row(trigdata, AUTHZ_STORE_SCHEMA));
}

/* AFTER ROW: refuse what stored policies do not fit. */
Datum
authz_schema_after_row(PG_FUNCTION_ARGS)
{
	TriggerData *trigdata = (TriggerData *) fcinfo->context;

	authz_store_check_trigger(fcinfo, AUTHZ_STORE_SCHEMA, "schema_after_row");
	if (!TRIGGER_FIRED_BY_DELETE(trigdata->tg_event) && authz_store_is_checked())
	{
		MemoryContext cxt = AllocSetContextCreate(CurrentMemoryContext, "authz schema check",
												  ALLOCSET_DEFAULT_SIZES);
		MemoryContext old = MemoryContextSwitchTo(cxt);
		HeapTuple	tuple = authz_store_new_tuple(trigdata);
		TupleDesc	desc = RelationGetDescr(trigdata->tg_relation);

		/* Policies of this command become visible, others' commits are. */
		CommandCounterIncrement();
		schema_check_set(schema_of_row(cxt, tuple, desc),
						 authz_policy_column(tuple, desc, Anum_schema_policy_set));
		MemoryContextSwitchTo(old);
		MemoryContextDelete(cxt);
	}
	authz_store_after_row(trigdata, AUTHZ_STORE_SCHEMA);
	return PointerGetDatum(NULL);
}

/* AFTER STATEMENT: refuse what stored entities do not fit; advance. */
Datum
authz_schema_after_statement(PG_FUNCTION_ARGS)
{
	authz_store_check_trigger(fcinfo, AUTHZ_STORE_SCHEMA, "schema_after_statement");
	if (authz_store_is_checked())
		schemas_check_entities();
	authz_store_after_statement((TriggerData *) fcinfo->context, AUTHZ_STORE_SCHEMA);
	return PointerGetDatum(NULL);
}
