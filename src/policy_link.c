/*-------------------------------------------------------------------------
 *
 * policy_link.c
 *	  Links: stored templates with values for their slots.
 *
 * A link is a policy of its own: it has an id in the same space, decides and
 * is reported by it.  What a link and its template owe each other is checked
 * when a command's rows are in place (AFTER ROW, under a fresh snapshot):
 * writers of policies and of links queue up behind one lock, so nobody else
 * can be adding the other half.  There is no foreign key: its check would look
 * with the old snapshot of REPEATABLE READ, and pg_restore -j does not heed
 * its order.
 *
 * While a dump is restored a link may come before its template; the template
 * is checked against it then.  A check in between raises.
 *
 * An apply worker (session_replication_role = replica) brings rows that were
 * checked where they come from, table by table: they are not checked again,
 * as foreign keys are not.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"
#include "compat.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "access/xact.h"
#include "miscadmin.h"
#include "storage/bufmgr.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

#include "entity_uid.h"
#include "error.h"
#include "host.h"
#include "policy_link.h"
#include "policy_schema.h"
#include "policy_store.h"
#include "relation.h"

PG_FUNCTION_INFO_V1(authz_policy_links_before_statement);
PG_FUNCTION_INFO_V1(authz_policy_links_before_row);
PG_FUNCTION_INFO_V1(authz_policy_links_after_row);
PG_FUNCTION_INFO_V1(authz_policy_links_after_statement);

/* ----------------------------------------------------------------- reading */

static void *
link_alloc(CedarArena *arena, size_t size)
{
	void	   *p = cedar_arena_alloc(arena, size);

	if (p == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_OUT_OF_MEMORY),
				 errmsg("out of memory")));
	return p;
}

static const char *
link_column(CedarArena *arena, HeapTuple tuple, TupleDesc desc, int column)
{
	char	   *value = authz_policy_column(tuple, desc, column);
	size_t		size = strlen(value) + 1;
	char	   *copy = memcpy(link_alloc(arena, size), value, size);

	pfree(value);
	return copy;
}

static const CedarUid *
link_value(CedarArena *arena, HeapTuple tuple, TupleDesc desc, int column)
{
	bool		isnull;
	Datum		value = heap_getattr(tuple, column, desc, &isnull);

	return isnull ? NULL : authz_uid_to_cedar(arena, value);
}

static AuthzPolicyLink
link_read(CedarArena *arena, HeapTuple tuple, TupleDesc desc)
{
	AuthzPolicyLink link;
	bool		isnull;

	link.id = link_column(arena, tuple, desc, Anum_policy_links_link_id);
	link.template_id = link_column(arena, tuple, desc, Anum_policy_links_template_id);
	link.principal = link_value(arena, tuple, desc, Anum_policy_links_principal);
	link.resource = link_value(arena, tuple, desc, Anum_policy_links_resource);
	link.enabled = DatumGetBool(heap_getattr(tuple, Anum_policy_links_enabled,
											 desc, &isnull));
	return link;
}

/* Links by an index; with an order by the primary key. */
static const AuthzPolicyLink *
links_scan(CedarArena *arena, Snapshot snapshot, Oid indexid, ScanKey keys,
		   int n_keys, uint32 *n)
{
	Relation	rel = table_open(authz_relations()->policy_links, AccessShareLock);
	Relation	index = index_open(indexid, AccessShareLock);
	TupleDesc	desc = RelationGetDescr(rel);
	AuthzPolicyLink *links = palloc(16 * sizeof(AuthzPolicyLink));
	AuthzPolicyLink *result;
	uint32		capacity = 16;
	SysScanDesc scan;
	HeapTuple	tuple;

	*n = 0;
	scan = systable_beginscan_ordered(rel, index, snapshot, n_keys, keys);
	while (HeapTupleIsValid(tuple = systable_getnext_ordered(scan, ForwardScanDirection)))
	{
		CHECK_FOR_INTERRUPTS();
		if (*n == capacity)
		{
			capacity *= 2;
			links = repalloc_huge(links, capacity * sizeof(AuthzPolicyLink));
		}
		links[(*n)++] = link_read(arena, tuple, desc);
	}
	systable_endscan_ordered(scan);
	index_close(index, AccessShareLock);
	table_close(rel, NoLock);

	result = link_alloc(arena, Max(*n, 1) * sizeof(AuthzPolicyLink));
	memcpy(result, links, *n * sizeof(AuthzPolicyLink));
	pfree(links);
	return result;
}

const AuthzPolicyLink *
authz_policy_links_read(CedarArena *arena, Snapshot snapshot, const char *set, uint32 *n)
{
	ScanKeyData key;

	ScanKeyInit(&key, Anum_policy_links_policy_set, BTEqualStrategyNumber,
				F_TEXTEQ, CStringGetTextDatum(set));
	return links_scan(arena, snapshot, authz_relations()->policy_links_pkey, &key, 1, n);
}

const AuthzPolicyLink *
authz_policy_links_named(CedarArena *arena, Snapshot snapshot, const char *set,
						 const char *id, uint32 *n)
{
	ScanKeyData keys[2];

	ScanKeyInit(&keys[0], Anum_policy_links_policy_set, BTEqualStrategyNumber,
				F_TEXTEQ, CStringGetTextDatum(set));
	ScanKeyInit(&keys[1], Anum_policy_links_link_id, BTEqualStrategyNumber,
				F_TEXTEQ, CStringGetTextDatum(id));
	return links_scan(arena, snapshot, authz_relations()->policy_links_pkey, keys, 2, n);
}

const AuthzPolicyLink *
authz_policy_links_of(CedarArena *arena, Snapshot snapshot, const char *set,
					  const char *template_id, uint32 *n)
{
	ScanKeyData keys[2];

	ScanKeyInit(&keys[0], Anum_policy_links_policy_set, BTEqualStrategyNumber,
				F_TEXTEQ, CStringGetTextDatum(set));
	ScanKeyInit(&keys[1], Anum_policy_links_template_id, BTEqualStrategyNumber,
				F_TEXTEQ, CStringGetTextDatum(template_id));
	return links_scan(arena, snapshot, authz_relations()->policy_links_template,
					  keys, 2, n);
}

List *
authz_policy_link_ids(const char *set, const char *template_id)
{
	CedarArena *arena = authz_arena_create(CurrentMemoryContext);
	const AuthzPolicyLink *links;
	Snapshot	snapshot;
	List	   *ids = NIL;
	uint32		n;

	CommandCounterIncrement();
	snapshot = RegisterSnapshot(GetCatalogSnapshot(authz_relations()->policy_links));
	links = authz_policy_links_of(arena, snapshot, set, template_id, &n);
	for (uint32 i = 0; i < n; i++)
		ids = lappend(ids, pstrdup(links[i].id));
	UnregisterSnapshot(snapshot);
	cedar_arena_destroy(arena);
	return ids;
}

bool
authz_store_find(Oid relid, Oid pkey, Snapshot snapshot, const char *set, const char *id,
				 int column, char **text)
{
	Relation	rel = table_open(relid, AccessShareLock);
	SysScanDesc scan;
	ScanKeyData keys[2];
	HeapTuple	tuple;
	bool		found;

	ScanKeyInit(&keys[0], Anum_store_policy_set, BTEqualStrategyNumber,
				F_TEXTEQ, CStringGetTextDatum(set));
	ScanKeyInit(&keys[1], Anum_store_id, BTEqualStrategyNumber,
				F_TEXTEQ, CStringGetTextDatum(id));
	scan = systable_beginscan(rel, pkey, true, snapshot, 2, keys);
	tuple = systable_getnext(scan);
	found = HeapTupleIsValid(tuple);
	if (found && text != NULL)
		*text = authz_policy_column(tuple, RelationGetDescr(rel), column);
	systable_endscan(scan);
	table_close(rel, NoLock);
	return found;
}

/* ---------------------------------------------------------------- checking */

/* Both of them would have the id. */
pg_noreturn static void
refuse_id(const char *set, const char *id, const char *other)
{
	ereport(ERROR,
			(errcode(ERRCODE_UNIQUE_VIOLATION),
			 errmsg("policy set \"%s\" already has a %s \"%s\"", set, other, id),
			 errdetail("Policies and links share one space of ids.")));
	pg_unreachable();
}

/*
 * What is wrong with the values that a link gives a template's slots; NULL
 * when they fit.
 */
static const char *
link_misfit(const CedarAst *ast, const AuthzPolicyLink *link)
{
	if (!cedar_ast_is_template(ast, 0))
		return "it has no slots";
	for (int i = 0; i < 2; i++)
	{
		const char *slot = i == 0 ? "?principal" : "?resource";
		bool		wanted = cedar_ast_has_slot(ast, 0, i == 0 ? CEDAR_SLOT_PRINCIPAL :
												CEDAR_SLOT_RESOURCE);
		bool		given = (i == 0 ? link->principal : link->resource) != NULL;

		if (wanted && !given)
			return psprintf("%s has no value", slot);
		if (!wanted && given)
			return psprintf("it has no %s", slot);
	}
	return NULL;
}

/* Do the link's values validate against the schema in force? */
static void
check_schema(CedarArena *arena, const char *set, const AuthzPolicyLink *link, const CedarAst *ast)
{
	const AuthzSchema *schema = authz_schema_now(set);

	if (schema != NULL)
		authz_schema_check_link(schema, arena, ast, set, link->id, link->template_id,
								link->principal, link->resource);
}

static void
check_link(CedarArena *arena, Snapshot snapshot, const char *set, const AuthzPolicyLink *link)
{
	const AuthzRelations *rels = authz_relations();
	const CedarAst *ast;
	const char *misfit;
	char	   *text;

	if (authz_store_find(rels->policies, rels->policies_pkey, snapshot, set, link->id, 0, NULL))
		refuse_id(set, link->id, "policy");
	if (!authz_store_find(rels->policies, rels->policies_pkey, snapshot, set,
						  link->template_id, Anum_policies_policy, &text))
	{
		if (authz_store_is_restoring())
			return;
		ereport(ERROR,
				(errcode(ERRCODE_FOREIGN_KEY_VIOLATION),
				 errmsg("policy set \"%s\" has no template \"%s\"",
						set, link->template_id),
				 errdetail("Link \"%s\".", link->id)));
	}
	ast = authz_policy_parse(arena, set, link->template_id, text, strlen(text));
	misfit = link_misfit(ast, link);
	if (misfit != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_CHECK_VIOLATION),
				 errmsg("link \"%s\" does not fit template \"%s\": %s",
						link->id, link->template_id, misfit),
				 errdetail("Policy set \"%s\".", set),
				 errhint("A link gives a value to each slot of its template, and to no other.")));
	check_schema(arena, set, link, ast);
}

/* A template with other text: do its links still fit? */
static void
check_template(CedarArena *arena, Snapshot snapshot, const char *set, const char *id,
			   const char *text)
{
	uint32		n;
	const AuthzPolicyLink *links = authz_policy_links_of(arena, snapshot, set, id, &n);
	const CedarAst *ast;

	if (n == 0)
		return;
	ast = authz_policy_parse(arena, set, id, text, strlen(text));
	for (uint32 i = 0; i < n; i++)
	{
		const char *misfit = link_misfit(ast, &links[i]);

		if (misfit != NULL)
			ereport(ERROR,
					(errcode(ERRCODE_CHECK_VIOLATION),
					 errmsg("policy \"%s\" does not fit its link \"%s\": %s",
							id, links[i].id, misfit),
					 errdetail("Policy set \"%s\"; links: %u.", set, n),
					 errhint("Delete the links first.")));
		check_schema(arena, set, &links[i], ast);
	}
}

/* A template that goes must leave no links. */
static void
check_template_gone(CedarArena *arena, Snapshot snapshot, const char *set, const char *id)
{
	uint32		n;
	const AuthzPolicyLink *links = authz_policy_links_of(arena, snapshot, set, id, &n);

	if (n > 0)
		ereport(ERROR,
				(errcode(ERRCODE_FOREIGN_KEY_VIOLATION),
				 errmsg("template \"%s\" still has links", id),
				 errdetail("Policy set \"%s\"; links: %u, one of them is \"%s\".",
						   set, n, links[0].id),
				 errhint("Delete the links first, or in the same command.")));
}

/* A file without a block has no row, visible to anybody or not. */
static bool
links_are_empty(void)
{
	Relation	links = table_open(authz_relations()->policy_links, AccessShareLock);
	bool		empty = RelationGetNumberOfBlocks(links) == 0;

	table_close(links, NoLock);
	return empty;
}

void
authz_policy_link_check_policy(const TriggerData *trigdata)
{
	const AuthzRelations *rels;
	TupleDesc	desc = RelationGetDescr(trigdata->tg_relation);
	Snapshot	snapshot;
	CedarArena *arena;
	char	   *old_set = NULL;
	char	   *old_id = NULL;

	if (!authz_store_is_checked() || links_are_empty())
		return;

	/* Rows of this command become visible, others' commits are. */
	CommandCounterIncrement();
	arena = authz_arena_create(CurrentMemoryContext);
	rels = authz_relations();
	snapshot = RegisterSnapshot(GetCatalogSnapshot(rels->policy_links));
	if (!TRIGGER_FIRED_BY_INSERT(trigdata->tg_event))
	{
		old_set = authz_policy_column(trigdata->tg_trigtuple, desc, Anum_policies_policy_set);
		old_id = authz_policy_column(trigdata->tg_trigtuple, desc, Anum_policies_policy_id);
	}
	if (TRIGGER_FIRED_BY_DELETE(trigdata->tg_event))
		check_template_gone(arena, snapshot, old_set, old_id);
	else
	{
		HeapTuple	tuple = authz_store_new_tuple(trigdata);
		char	   *set = authz_policy_column(tuple, desc, Anum_policies_policy_set);
		char	   *id = authz_policy_column(tuple, desc, Anum_policies_policy_id);
		char	   *text = authz_policy_column(tuple, desc, Anum_policies_policy);

		if (authz_store_find(rels->policy_links, rels->policy_links_pkey, snapshot, set, id, 0, NULL))
			refuse_id(set, id, "link");
		if (old_id != NULL && (strcmp(old_id, id) != 0 || strcmp(old_set, set) != 0))
			check_template_gone(arena, snapshot, old_set, old_id);
		/* Also of a new one: links may have been restored ahead of it. */
		check_template(arena, snapshot, set, id, text);
	}
	UnregisterSnapshot(snapshot);
	cedar_arena_destroy(arena);
}

void
authz_policy_link_check_truncate(void)
{
	if (!authz_store_is_checked())
		return;
	CommandCounterIncrement();
	if (authz_store_has_rows(AUTHZ_STORE_LINKS, NULL))
		ereport(ERROR,
				(errcode(ERRCODE_FOREIGN_KEY_VIOLATION),
				 errmsg("templates still have links"),
				 errhint("Truncate authz.policy_links in the same command.")));
}

/* --------------------------------------------------------------- triggers */

Datum
authz_policy_links_before_statement(PG_FUNCTION_ARGS)
{
	authz_store_check_trigger(fcinfo, AUTHZ_STORE_LINKS, "policy_links_before_statement");
	authz_store_before_statement((TriggerData *) fcinfo->context, AUTHZ_STORE_LINKS);
	return PointerGetDatum(NULL);
}

Datum
authz_policy_links_before_row(PG_FUNCTION_ARGS)
{
	TriggerData *trigdata = (TriggerData *) fcinfo->context;
	HeapTuple	tuple;
	TupleDesc	desc;
	bool		isnull;

	authz_store_check_trigger(fcinfo, AUTHZ_STORE_LINKS, "policy_links_before_row");
	tuple = authz_store_new_tuple(trigdata);
	desc = RelationGetDescr(trigdata->tg_relation);
	heap_getattr(tuple, Anum_policy_links_policy_set, desc, &isnull);
	if (!isnull)
		tuple = authz_store_before_row(trigdata, AUTHZ_STORE_LINKS);
	return PointerGetDatum(tuple);
}

Datum
authz_policy_links_after_row(PG_FUNCTION_ARGS)
{
	TriggerData *trigdata = (TriggerData *) fcinfo->context;

	authz_store_check_trigger(fcinfo, AUTHZ_STORE_LINKS, "policy_links_after_row");
	if (!TRIGGER_FIRED_BY_DELETE(trigdata->tg_event) && authz_store_is_checked())
	{
		CedarArena *arena = authz_arena_create(CurrentMemoryContext);
		HeapTuple	tuple = authz_store_new_tuple(trigdata);
		TupleDesc	desc = RelationGetDescr(trigdata->tg_relation);
		AuthzPolicyLink link = link_read(arena, tuple, desc);
		char	   *set = authz_policy_column(tuple, desc, Anum_policy_links_policy_set);
		Snapshot	snapshot;

		/* Rows of this command become visible, others' commits are. */
		CommandCounterIncrement();
		snapshot = RegisterSnapshot(GetCatalogSnapshot(authz_relations()->policies));
		check_link(arena, snapshot, set, &link);
		UnregisterSnapshot(snapshot);
		cedar_arena_destroy(arena);
	}
	authz_store_after_row(trigdata, AUTHZ_STORE_LINKS);
	return PointerGetDatum(NULL);
}

Datum
authz_policy_links_after_statement(PG_FUNCTION_ARGS)
{
	authz_store_check_trigger(fcinfo, AUTHZ_STORE_LINKS, "policy_links_after_statement");
	authz_store_after_statement((TriggerData *) fcinfo->context, AUTHZ_STORE_LINKS);
	return PointerGetDatum(NULL);
}
