/*-------------------------------------------------------------------------
 *
 * entity.c
 *	  The entity store: what may be written, and how a decision reads it.
 *
 * Entities are data: a decision reads them under the calling statement's
 * snapshot, so it agrees with the rows that the same statement sees.  Each is
 * looked up by the primary key and remembered, in parsed form, for the
 * statement (statement.c): a filter over a million rows loads the principal
 * once.  That an entity is absent is remembered too.  Under SERIALIZABLE the
 * look-ups are predicate-locked like a query's.
 *
 * A memo is one memory context under CacheMemoryContext.  It goes with its
 * statement; at most MEMOS_MAX exist, and between two decisions one beyond
 * MEMO_BYTES_MAX is emptied.  Nothing is remembered
 *
 *	 - with an overlay (entities handed in by the caller), because the
 *	   ancestors of stored entities then depend on it;
 *	 - while a command of this transaction is writing entities: an inner
 *	   statement sees its rows so far, and the next one, under the same
 *	   snapshot, more of them.  This rests on the statement triggers.
 *
 * Triggers refuse an entity that is malformed or closes a cycle of parents.
 * The cycle check walks the ancestors under a fresh snapshot after the
 * statement's rows are in place, so they may come in any order; two
 * transactions can still each add half of a cycle, which a decision that
 * walks it then refuses.
 *
 * Tables are read without permission checks: who may execute a decision
 * function gets an answer, not the rows.
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
#include "catalog/pg_type.h"
#include "commands/trigger.h"
#include "executor/tuptable.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/jsonb.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

#include "entity.h"
#include "entity_uid.h"
#include "error.h"
#include "host.h"
#include "relation.h"

#define MEMOS_MAX		4
#define MEMO_BYTES_MAX	((size_t) 64 * 1024 * 1024)

typedef struct MemoEntry
{
	const CedarUid *uid;
	CedarEntity *entity;		/* NULL: not in the store */
	char		status;
} MemoEntry;

#define SH_PREFIX entry
#define SH_ELEMENT_TYPE MemoEntry
#define SH_KEY_TYPE const CedarUid *
#define SH_KEY uid
#define SH_HASH_KEY(tb, key) ((key)->hash)
#define SH_EQUAL(tb, a, b) cedar_uid_equal(a, b)
#define SH_SCOPE static inline
#define SH_DECLARE
#define SH_DEFINE
#include "lib/simplehash.h"

typedef struct AuthzEntityMemo
{
	dlist_node	node;			/* in memos, unless private */
	AuthzStatement *statement;	/* NULL: private to one decision */
	MemoryContext cxt;			/* holds all of it, this struct too */
	CedarArena *arena;
	entry_hash  *hash;
} AuthzEntityMemo;

/* Index look-ups on the entity table. */
typedef struct EntityScan
{
	Relation	heap;			/* NULL until the first look-up */
	Relation	index;
	IndexScanDesc scan;
	TupleTableSlot *slot;
	ScanKeyData key;
	Snapshot	snapshot;
} EntityScan;

struct AuthzEntityReader
{
	AuthzEntityMemo *memo;
	EntityScan	scan;
	bool		overlaid;
	CedarEntitySource overlay;
};

static dlist_head memos = DLIST_STATIC_INIT(memos);	/* last used first */
static int	memo_count = 0;

PG_FUNCTION_INFO_V1(authz_entities_before_statement);
PG_FUNCTION_INFO_V1(authz_entities_before_row);
PG_FUNCTION_INFO_V1(authz_entities_after_row);
PG_FUNCTION_INFO_V1(authz_entities_after_statement);

/* ----------------------------------------------------------------- reading */

static void
entity_scan_open(EntityScan *scan)
{
	AuthzRelations rels = *authz_relations();
	Oid			family;
	Oid			type;
	Oid			equal;

	/* Locks last until the transaction ends, as for any table read. */
	scan->heap = table_open(rels.entities, AccessShareLock);
	scan->index = index_open(rels.entities_pkey, AccessShareLock);
	family = scan->index->rd_opfamily[0];
	type = scan->index->rd_opcintype[0];
	equal = get_opcode(get_opfamily_member(family, type, type,
										   BTEqualStrategyNumber));
	ScanKeyInit(&scan->key, 1, BTEqualStrategyNumber, equal, (Datum) 0);
	scan->slot = table_slot_create(scan->heap, NULL);
	scan->scan = authz_index_beginscan(scan->heap, scan->index,
									   scan->snapshot, 1);
}

static void
entity_scan_close(EntityScan *scan)
{
	if (scan->heap == NULL)
		return;
	index_endscan(scan->scan);
	ExecDropSingleTupleTableSlot(scan->slot);
	index_close(scan->index, NoLock);
	table_close(scan->heap, NoLock);
	scan->heap = NULL;
}

/* Look a uid up; true when the slot holds its row. */
static bool
entity_scan_find(EntityScan *scan, const CedarUid *uid)
{
	Datum		key;
	bool		found;

	if (scan->heap == NULL)
		entity_scan_open(scan);

	/* An id that the type cannot hold is not in the table. */
	if (memchr(uid->bytes + uid->type_len, '\0', uid->id_len) != NULL)
		return false;

	key = authz_uid_from_cedar(uid);
	scan->key.sk_argument = key;
	index_rescan(scan->scan, &scan->key, 1, NULL, 0);
	found = index_getnext_slot(scan->scan, ForwardScanDirection, scan->slot);
	pfree(DatumGetPointer(key));
	return found;
}

/* The uids of a parents array, in an arena. */
static const CedarUid **
entity_parents(CedarArena *arena, Datum value, uint32 *n)
{
	ArrayType  *array = DatumGetArrayTypeP(value);
	Datum	   *elems;
	bool	   *nulls;
	int			count;
	const CedarUid **parents;

	*n = 0;
	if (ARR_NDIM(array) == 0)
		return NULL;
	if (ARR_NDIM(array) != 1)
		ereport(ERROR,
				(errcode(ERRCODE_ARRAY_SUBSCRIPT_ERROR),
				 errmsg("parents must be a one-dimensional array")));
	deconstruct_array(array, ARR_ELEMTYPE(array), -1, false, TYPALIGN_INT,
					  &elems, &nulls, &count);
	parents = cedar_arena_alloc(arena, count * sizeof(CedarUid *));
	if (parents == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_OUT_OF_MEMORY),
				 errmsg("out of memory")));
	for (int i = 0; i < count; i++)
	{
		if (nulls[i])
			ereport(ERROR,
					(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
					 errmsg("parents must not contain nulls")));
		parents[i] = authz_uid_to_cedar(arena, elems[i]);
	}
	pfree(elems);
	pfree(nulls);
	*n = count;
	return parents;
}

static char *
entity_json(Datum value)
{
	Jsonb	   *jsonb = DatumGetJsonbP(value);

	/* Most entities have no tags: spare them the conversion. */
	if (JB_ROOT_IS_OBJECT(jsonb) && JB_ROOT_COUNT(jsonb) == 0)
		return pstrdup("{}");
	return JsonbToCString(NULL, &jsonb->root, VARSIZE(jsonb));
}

/* Build an entity of its columns; refuses what Cedar has no value for. */
static CedarEntity *
entity_build(CedarArena *arena, const CedarUid *uid,
			 Datum attrs, Datum tags, Datum parents)
{
	char	   *attrs_json = entity_json(attrs);
	char	   *tags_json = entity_json(tags);
	const CedarUid **parent_uids;
	uint32		n_parents;
	CedarEntity *entity;
	const char *fault = NULL;
	CedarError	err;

	parent_uids = entity_parents(arena, parents, &n_parents);
	if (cedar_entity_build(arena, uid, attrs_json, strlen(attrs_json),
						   tags_json, strlen(tags_json),
						   parent_uids, n_parents,
						   &entity, &fault, &err) != CEDAR_OK)
	{
		bool		in_tags = fault != NULL && strcmp(fault, "tags") == 0;
		const char *json = in_tags ? tags_json : attrs_json;
		char	   *detail = NULL;

		if (fault != NULL)
			detail = psprintf("In column \"%s\".", fault);
		authz_raise(&err, AUTHZ_TEXT_JSON, fault != NULL ? json : NULL,
					strlen(json),
					psprintf("entity %s", authz_uid_display(uid)), detail);
	}
	pfree(attrs_json);
	pfree(tags_json);
	return entity;
}

static Datum
slot_column(TupleTableSlot *slot, int column)
{
	bool		isnull;
	Datum		value = slot_getattr(slot, column, &isnull);

	if (isnull)
		elog(ERROR, "null in column %d of an entity", column);
	return value;
}

/* -------------------------------------------------------------- the memo */

static AuthzEntityMemo *
memo_create(AuthzStatement *statement)
{
	MemoryContext cxt;
	AuthzEntityMemo *memo;

	cxt = AllocSetContextCreate(CurrentMemoryContext, "authz entities",
								ALLOCSET_DEFAULT_SIZES);
	memo = MemoryContextAllocZero(cxt, sizeof(AuthzEntityMemo));
	memo->cxt = cxt;
	memo->arena = authz_arena_create(cxt);
	memo->hash = entry_create(cxt, 64, NULL);
	if (statement != NULL)
	{
		MemoryContextSetParent(cxt, CacheMemoryContext);
		memo->statement = statement;
		statement->memo = memo;
		dlist_push_head(&memos, &memo->node);
		memo_count++;
	}
	return memo;
}

static void
memo_free(AuthzEntityMemo *memo)
{
	if (memo->statement != NULL)
	{
		memo->statement->memo = NULL;
		dlist_delete(&memo->node);
		memo_count--;
	}
	MemoryContextDelete(memo->cxt);
}

static AuthzEntityMemo *
memo_get(AuthzStatement *statement)
{
	AuthzEntityMemo *memo = statement->memo;

	if (memo != NULL && MemoryContextMemAllocated(memo->cxt, true) > MEMO_BYTES_MAX)
	{
		memo_free(memo);
		memo = NULL;
	}
	if (memo == NULL)
	{
		while (memo_count >= MEMOS_MAX)
			memo_free(dlist_tail_element(AuthzEntityMemo, node, &memos));
		return memo_create(statement);
	}
	dlist_move_head(&memos, &memo->node);
	return memo;
}

void
authz_entity_statement_end(AuthzStatement *statement)
{
	if (statement->memo != NULL)
		memo_free(statement->memo);
}

/*
 * CedarEntitySource.find.  Raises instead of giving a code back: nothing of
 * the library's is held but arena memory.
 */
static CedarCode
entity_find(void *userdata, const CedarUid *uid, CedarEntity **entity,
			CedarError *err)
{
	AuthzEntityReader *reader = userdata;
	AuthzEntityMemo *memo = reader->memo;
	MemoEntry  *entry;
	CedarUid   *key;
	CedarEntity *built = NULL;
	size_t		size;
	bool		found;

	entry = entry_lookup(memo->hash, uid);
	if (entry != NULL)
	{
		*entity = entry->entity;
		return CEDAR_OK;
	}

	size = offsetof(CedarUid, bytes) + uid->type_len + uid->id_len;
	key = cedar_arena_alloc(memo->arena, size);
	if (key == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_OUT_OF_MEMORY),
				 errmsg("out of memory")));
	memcpy(key, uid, size);
	if (entity_scan_find(&reader->scan, key))
	{
		TupleTableSlot *slot = reader->scan.slot;

		built = entity_build(memo->arena, key,
							 slot_column(slot, Anum_entities_attrs),
							 slot_column(slot, Anum_entities_tags),
							 slot_column(slot, Anum_entities_parents));
	}
	if (reader->overlaid)
	{
		CedarEntity *handed_in;
		CedarCode	code;

		code = reader->overlay.find(reader->overlay.userdata, uid, &handed_in, err);
		if (code == CEDAR_OK && handed_in != NULL)
		{
			if (built == NULL)
				built = handed_in;
			else
				code = cedar_entity_merge(memo->arena, handed_in, built, &built, err);
		}
		if (code != CEDAR_OK)
			return code;
	}
	entry = entry_insert(memo->hash, key, &found);
	entry->entity = built;
	*entity = built;
	return CEDAR_OK;
}

AuthzEntityReader *
authz_entity_begin(AuthzStatement *statement, CedarEntities *overlay,
				   CedarEntitySource *source)
{
	AuthzEntityReader *reader = palloc0(sizeof(AuthzEntityReader));

	if (overlay != NULL || authz_write_current(authz_relations()->entities) != NULL)
		reader->memo = memo_create(NULL);
	else
		reader->memo = memo_get(statement);
	reader->scan.snapshot = GetActiveSnapshot();
	if (overlay != NULL)
	{
		reader->overlaid = true;
		reader->overlay = cedar_entities_source(overlay);
	}
	source->find = entity_find;
	source->userdata = reader;
	source->arena = reader->memo->arena;
	return reader;
}

void
authz_entity_end(AuthzEntityReader *reader)
{
	entity_scan_close(&reader->scan);
	if (reader->memo->statement == NULL)
		memo_free(reader->memo);
	pfree(reader);
}

/* --------------------------------------------------------------- triggers */

static HeapTuple
trigger_new_tuple(TriggerData *trigdata)
{
	return TRIGGER_FIRED_BY_UPDATE(trigdata->tg_event) ?
		trigdata->tg_newtuple : trigdata->tg_trigtuple;
}

Datum
authz_entities_before_statement(PG_FUNCTION_ARGS)
{
	Oid			relid = authz_relations()->entities;

	authz_check_trigger(fcinfo, relid, "entities_before_statement");
	authz_write_begin(relid);
	return PointerGetDatum(NULL);
}

Datum
authz_entities_after_statement(PG_FUNCTION_ARGS)
{
	Oid			relid = authz_relations()->entities;
	AuthzWrite *write;

	authz_check_trigger(fcinfo, relid, "entities_after_statement");
	write = authz_write_current(relid);
	if (write != NULL)
		authz_write_end(write);
	return PointerGetDatum(NULL);
}

/* BEFORE ROW, INSERT or UPDATE: refuse what is no Cedar entity. */
Datum
authz_entities_before_row(PG_FUNCTION_ARGS)
{
	TriggerData *trigdata = (TriggerData *) fcinfo->context;
	HeapTuple	tuple;
	TupleDesc	desc;
	CedarArena *arena;
	const CedarUid *uid;
	Datum		values[4];
	bool		isnull;

	authz_check_trigger(fcinfo, authz_relations()->entities, "entities_before_row");
	tuple = trigger_new_tuple(trigdata);
	desc = RelationGetDescr(trigdata->tg_relation);

	/* Nulls are for the NOT NULL constraints, which come after us. */
	for (int i = 0; i < 4; i++)
	{
		values[i] = heap_getattr(tuple, i + 1, desc, &isnull);
		if (isnull)
			return PointerGetDatum(tuple);
	}

	arena = authz_arena_create(CurrentMemoryContext);
	uid = authz_uid_to_cedar(arena, values[Anum_entities_uid - 1]);
	entity_build(arena, uid,
				 values[Anum_entities_attrs - 1],
				 values[Anum_entities_tags - 1],
				 values[Anum_entities_parents - 1]);
	cedar_arena_destroy(arena);
	return PointerGetDatum(tuple);
}

/* Refuse a row whose ancestors hold the row itself. */
static void
entity_refuse_cycle(const CedarUid *uid, const CedarUid *const *parents,
					uint32 n_parents, CedarArena *arena)
{
	EntityScan	scan = {0};
	entry_hash  *seen = entry_create(CurrentMemoryContext, 16, NULL);
	List	   *todo = NIL;
	bool		found;

	/* Rows of this command become visible, others' commits are. */
	CommandCounterIncrement();
	scan.snapshot = RegisterSnapshot(GetCatalogSnapshot(authz_relations()->entities));

	for (uint32 i = 0; i < n_parents; i++)
	{
		todo = lappend(NIL, unconstify(CedarUid *, parents[i]));
		while (todo != NIL)
		{
			const CedarUid *at = llast(todo);

			todo = list_delete_last(todo);
			CHECK_FOR_INTERRUPTS();
			if (cedar_uid_equal(at, uid))
				ereport(ERROR,
						(errcode(ERRCODE_CHECK_VIOLATION),
						 errmsg("entity %s would be its own ancestor",
								authz_uid_display(uid)),
						 errdetail("The cycle goes through its parent %s.",
								   authz_uid_display(parents[i])),
						 errhint("Parents must not form a cycle.")));
			entry_insert(seen, at, &found);
			if (found)
				continue;
			if (entity_scan_find(&scan, at))
			{
				const CedarUid **next;
				uint32		n_next;

				next = entity_parents(arena,
									  slot_column(scan.slot, Anum_entities_parents),
									  &n_next);
				for (uint32 k = 0; k < n_next; k++)
					todo = lappend(todo, unconstify(CedarUid *, next[k]));
			}
		}
	}
	entity_scan_close(&scan);
	UnregisterSnapshot(scan.snapshot);
}

/* AFTER ROW, INSERT or UPDATE: all rows of the statement are in place. */
Datum
authz_entities_after_row(PG_FUNCTION_ARGS)
{
	TriggerData *trigdata = (TriggerData *) fcinfo->context;
	TupleDesc	desc;
	CedarArena *arena;
	const CedarUid *uid;
	const CedarUid **parents;
	uint32		n_parents;
	bool		isnull;

	authz_check_trigger(fcinfo, authz_relations()->entities, "entities_after_row");
	desc = RelationGetDescr(trigdata->tg_relation);
	arena = authz_arena_create(CurrentMemoryContext);
	parents = entity_parents(arena,
							 heap_getattr(trigger_new_tuple(trigdata),
										  Anum_entities_parents, desc, &isnull),
							 &n_parents);
	/* A cycle that this row closes goes through one of its parents. */
	if (n_parents > 0)
	{
		uid = authz_uid_to_cedar(arena,
								 heap_getattr(trigger_new_tuple(trigdata),
											  Anum_entities_uid, desc, &isnull));
		entity_refuse_cycle(uid, parents, n_parents, arena);
	}
	cedar_arena_destroy(arena);
	return PointerGetDatum(NULL);
}
