/*-------------------------------------------------------------------------
 *
 * entity.c
 *	  The entity store: what may be written into authz.entities, and its rows.
 *
 * Triggers refuse an entity that is malformed or closes a cycle of parents.
 * The cycle check walks the ancestors under a fresh snapshot after the
 * statement's rows are in place, so they may come in any order; two
 * transactions can still each add half of a cycle, which a decision that
 * walks it then refuses.  What one row's walk has gone through the next row's
 * passes over, as long as nothing else writes entities in between.
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
#include "json.h"
#include "policy_schema.h"
#include "relation.h"

/* Beyond it, walks begin anew. */
#define CYCLE_CHECK_BYTES_MAX ((size_t) 64 * 1024 * 1024)

PG_FUNCTION_INFO_V1(authz_entities_before_statement);
PG_FUNCTION_INFO_V1(authz_entities_before_row);
PG_FUNCTION_INFO_V1(authz_entities_after_row);
PG_FUNCTION_INFO_V1(authz_entities_after_statement);

/* ----------------------------------------------------------------- reading */

void
authz_stored_scan_open(AuthzScan *scan, Snapshot snapshot)
{
	const AuthzRelations *rels = authz_relations();

	authz_scan_open(scan, rels->entities, rels->entities_pkey, 1, snapshot);
}

static bool
near_has_uid(HeapTuple tuple, void *arg)
{
	return authz_row_has_uid(tuple->t_data, arg);
}

TupleTableSlot *
authz_stored_find(AuthzScan *scan, const CedarUid *uid)
{
	AuthzNear  *near = &scan->near[uid->type_hash % AUTHZ_NEARS];
	Datum		key;
	bool		found;

	/* An id that the type cannot hold is not in the table. */
	if (memchr(uid->bytes + uid->type_len, '\0', uid->id_len) != NULL)
		return NULL;

	if (scan->look_near &&
		authz_near_find(near, scan->heap, scan->snapshot, near_has_uid,
						unconstify(CedarUid *, uid), authz_scan_slot(scan)))
		return scan->slot;
	key = authz_uid_from_cedar(uid);
	authz_scan_start(scan, &key);
	found = authz_scan_next(scan);
	pfree(DatumGetPointer(key));
	if (found)
		authz_near_note(near, scan->slot);
	return found ? scan->slot : NULL;
}

/* Room for a small value, so that it need not be allocated. */
typedef union SmallValue
{
	char		bytes[512];
	int64		align;
} SmallValue;

/* The value with a full header, aligned; in the room, if it is small and has no such. */
static struct varlena *
plain_value(Datum value, SmallValue *room)
{
	struct varlena *packed = (struct varlena *) DatumGetPointer(value);
	Size		size;

	if (!VARATT_IS_SHORT(packed) || VARATT_IS_EXTERNAL(packed))
		return PG_DETOAST_DATUM(value);
	size = VARSIZE_SHORT(packed) - VARHDRSZ_SHORT;
	Assert(size + VARHDRSZ <= sizeof(room->bytes));
	SET_VARSIZE(room->bytes, size + VARHDRSZ);
	memcpy(VARDATA(room->bytes), VARDATA_SHORT(packed), size);
	return (struct varlena *) room->bytes;
}

/* The uids of a parents array, in an arena. */
static const CedarUid **
entity_parents(CedarArena *arena, Datum value, uint32 *n)
{
	SmallValue	room;
	ArrayType  *array = (ArrayType *) plain_value(value, &room);
	Datum	   *elems;
	bool	   *nulls;
	int			count;
	const CedarUid **parents;

	*n = 0;
	if (ARR_NDIM(array) == 0)
		return NULL;
	if (ARR_NDIM(array) == 1 && ARR_DIMS(array)[0] == 1 && !ARR_HASNULL(array))
	{
		/* Most entities have one. */
		parents = cedar_arena_alloc(arena, sizeof(CedarUid *));
		if (parents == NULL)
			ereport(ERROR,
					(errcode(ERRCODE_OUT_OF_MEMORY),
					 errmsg("out of memory")));
		parents[0] = authz_uid_to_cedar(arena, PointerGetDatum(ARR_DATA_PTR(array)));
		*n = 1;
		return parents;
	}
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

/* One column's value by way of its text: for whatever json.c leaves alone. */
static void
entity_build_text(CedarArena *arena, const CedarUid *uid, Jsonb *attrs, Jsonb *tags,
				  CedarEntity **entity)
{
	char	   *attrs_json = authz_jsonb_text(attrs);
	char	   *tags_json = authz_jsonb_text(tags);
	const char *fault = NULL;
	CedarError	err;

	if (cedar_entity_build(arena, uid, attrs_json, strlen(attrs_json),
						   tags_json, strlen(tags_json), NULL, 0,
						   entity, &fault, &err) != CEDAR_OK)
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
}

/* Build an entity of its columns; refuses what Cedar has no value for. */
static CedarEntity *
entity_build(CedarArena *arena, const CedarUid *uid,
			 Datum attrs, Datum tags, Datum parents)
{
	SmallValue	attrs_room;
	SmallValue	tags_room;
	Jsonb	   *attrs_jsonb = (Jsonb *) plain_value(attrs, &attrs_room);
	Jsonb	   *tags_jsonb = (Jsonb *) plain_value(tags, &tags_room);
	CedarEntity *entity = cedar_arena_alloc(arena, sizeof(CedarEntity));

	if (entity == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_OUT_OF_MEMORY),
				 errmsg("out of memory")));
	memset(entity, 0, sizeof(CedarEntity));
	entity->uid = uid;
	entity->attrs = authz_jsonb_record(arena, attrs_jsonb);
	if (entity->attrs != NULL)
		entity->tags = authz_jsonb_record(arena, tags_jsonb);
	if (entity->tags == NULL)
		entity_build_text(arena, uid, attrs_jsonb, tags_jsonb, &entity);
	entity->parents = entity_parents(arena, parents, &entity->n_parents);
	for (uint32 i = 0; i < entity->n_parents && cedar_uid_is_action(uid); i++)
	{
		if (!cedar_uid_is_action(entity->parents[i]))
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("invalid entity %s: an action's parent must be an action",
							authz_uid_display(uid)),
					 errdetail("In column \"%s\".", "parents")));
	}
	if ((Pointer) attrs_jsonb != DatumGetPointer(attrs) && (Pointer) attrs_jsonb != attrs_room.bytes)
		pfree(attrs_jsonb);
	if ((Pointer) tags_jsonb != DatumGetPointer(tags) && (Pointer) tags_jsonb != tags_room.bytes)
		pfree(tags_jsonb);
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

CedarEntity *
authz_stored_entity(TupleTableSlot *slot, CedarArena *arena, const CedarUid *uid)
{
	return entity_build(arena, uid,
						slot_column(slot, Anum_entities_attrs),
						slot_column(slot, Anum_entities_tags),
						slot_column(slot, Anum_entities_parents));
}

/* --------------------------------------------------------------- triggers */

/* What walks of one command have gone through; in the memory of cxt. */
typedef struct CycleCheck
{
	MemoryContext cxt;
	CedarArena *arena;
	CedarUidSet *done;			/* on no cycle, nor are their ancestors */
	AuthzScan	scan;			/* heap is NULL when closed */
} CycleCheck;

static HeapTuple
trigger_new_tuple(TriggerData *trigdata)
{
	return TRIGGER_FIRED_BY_UPDATE(trigdata->tg_event) ?
		trigdata->tg_newtuple : trigdata->tg_trigtuple;
}

static void
cycle_checks_forget(Oid relid)
{
	AuthzWrite *write = authz_write_current(relid);

	for (; write != NULL; write = authz_write_outer(write))
	{
		CycleCheck *check = write->work;

		write->work = NULL;
		if (check != NULL)
			MemoryContextDelete(check->cxt);
	}
}

Datum
authz_entities_before_statement(PG_FUNCTION_ARGS)
{
	Oid			relid = authz_relations()->entities;

	authz_check_trigger(fcinfo, relid, "entities_before_statement");
	/* What commands around this one have found may not hold after it. */
	cycle_checks_forget(relid);
	authz_write_begin(relid);
	return PointerGetDatum(NULL);
}

Datum
authz_entities_after_statement(PG_FUNCTION_ARGS)
{
	Oid			relid = authz_relations()->entities;
	AuthzWrite *write;

	authz_check_trigger(fcinfo, relid, "entities_after_statement");
	cycle_checks_forget(relid);
	write = authz_write_current(relid);
	if (write != NULL)
		authz_write_end(write);
	return PointerGetDatum(NULL);
}

CedarEntity *
authz_entity_from_row(CedarArena *arena, HeapTuple tuple, TupleDesc desc)
{
	Datum		values[4];
	bool		isnull;

	for (int i = 0; i < lengthof(values); i++)
		values[i] = heap_getattr(tuple, i + 1, desc, &isnull);
	return entity_build(arena, authz_uid_to_cedar(arena, values[Anum_entities_uid - 1]),
						values[Anum_entities_attrs - 1],
						values[Anum_entities_tags - 1],
						values[Anum_entities_parents - 1]);
}

/* BEFORE ROW, INSERT or UPDATE: refuse what is no Cedar entity, or fits no schema. */
Datum
authz_entities_before_row(PG_FUNCTION_ARGS)
{
	TriggerData *trigdata = (TriggerData *) fcinfo->context;
	HeapTuple	tuple;
	TupleDesc	desc;
	static CedarArena *arena = NULL;
	bool		isnull;

	authz_check_trigger(fcinfo, authz_relations()->entities, "entities_before_row");
	tuple = trigger_new_tuple(trigdata);
	desc = RelationGetDescr(trigdata->tg_relation);

	/* Nulls are for the NOT NULL constraints, which come after us. */
	for (int i = 0; i < 4; i++)
	{
		heap_getattr(tuple, i + 1, desc, &isnull);
		if (isnull)
			return PointerGetDatum(tuple);
	}

	/* Kept, and emptied before use: an error may leave by longjmp. */
	if (arena == NULL)
		arena = authz_arena_create(AllocSetContextCreate(TopMemoryContext,
														 "authz entity to be written",
														 ALLOCSET_DEFAULT_SIZES));
	cedar_arena_reset(arena);
	authz_schema_check_entity(arena, authz_entity_from_row(arena, tuple, desc));
	return PointerGetDatum(tuple);
}

static CycleCheck *
cycle_check_create(MemoryContext parent)
{
	MemoryContext cxt = AllocSetContextCreate(parent, "authz cycle check",
											  ALLOCSET_DEFAULT_SIZES);
	CycleCheck *check = MemoryContextAllocZero(cxt, sizeof(CycleCheck));

	check->cxt = cxt;
	check->arena = authz_arena_create(cxt);
	check->done = cedar_uidset_create(check->arena);
	return check;
}

/* CedarEntitySource.find, parents alone. */
static CedarCode
cycle_find(void *userdata, const CedarUid *uid, CedarEntity **entity, CedarError *err)
{
	CycleCheck *check = userdata;

	*entity = NULL;
	if (authz_stored_find(&check->scan, uid) != NULL)
	{
		*entity = cedar_arena_alloc(check->arena, sizeof(CedarEntity));
		if (*entity == NULL)
			ereport(ERROR, (errcode(ERRCODE_OUT_OF_MEMORY), errmsg("out of memory")));
		memset(*entity, 0, sizeof(CedarEntity));
		(*entity)->uid = uid;
		(*entity)->parents = entity_parents(check->arena,
											slot_column(check->scan.slot, Anum_entities_parents),
											&(*entity)->n_parents);
	}
	return CEDAR_OK;
}

/* A cycle was met: refuse the row if it is on it. */
static void
entity_refuse_own_cycle(CycleCheck *check, const CedarUid *uid,
						const CedarUid *const *parents, uint32 n_parents)
{
	CedarUidSet *seen = cedar_uidset_create(check->arena);
	CedarEntity *entity;
	CedarError	err;
	bool		added;

	for (uint32 i = 0; i < n_parents; i++)
	{
		List	   *todo = list_make1(unconstify(CedarUid *, parents[i]));

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
			if (seen == NULL || cedar_uidset_add(check->arena, seen, at, &added) != CEDAR_OK)
				ereport(ERROR, (errcode(ERRCODE_OUT_OF_MEMORY), errmsg("out of memory")));
			if (!added)
				continue;
			cycle_find(check, at, &entity, &err);
			for (uint32 k = 0; entity != NULL && k < entity->n_parents; k++)
				todo = lappend(todo, unconstify(CedarUid *, entity->parents[k]));
		}
	}
}

/* Refuse a row whose ancestors hold the row itself. */
static void
entity_refuse_cycle(CycleCheck *check, const CedarUid *uid,
					const CedarUid *const *parents, uint32 n_parents)
{
	CedarEntitySource source = {
		.find = cycle_find,
		.userdata = check,
		.arena = check->arena
	};
	CedarEntity entity = {
		.uid = uid,
		.parents = parents,
		.n_parents = n_parents
	};
	Snapshot	snapshot;
	CedarCode	code;
	CedarError	err;

	/* Rows of this command become visible, others' commits are. */
	CommandCounterIncrement();
	snapshot = RegisterSnapshot(GetCatalogSnapshot(authz_relations()->entities));
	authz_stored_scan_open(&check->scan, snapshot);
	code = cedar_entity_walk(&source, &entity, check->done, &err);
	if (code == CEDAR_ERR_CYCLE)
		entity_refuse_own_cycle(check, uid, parents, n_parents);
	else if (code != CEDAR_OK)
		authz_raise(&err, AUTHZ_TEXT_UID, NULL, 0, NULL, NULL);
	authz_scan_end(&check->scan);
	UnregisterSnapshot(snapshot);
}

/* AFTER ROW, INSERT or UPDATE: all rows of the statement are in place. */
Datum
authz_entities_after_row(PG_FUNCTION_ARGS)
{
	TriggerData *trigdata = (TriggerData *) fcinfo->context;
	Oid			relid = authz_relations()->entities;
	AuthzWrite *write = authz_write_current(relid);
	TupleDesc	desc;
	CycleCheck *check;
	const CedarUid *uid;
	const CedarUid **parents;
	uint32		n_parents;
	bool		todo = false;
	bool		isnull;
	Datum		value;

	authz_check_trigger(fcinfo, relid, "entities_after_row");
	desc = RelationGetDescr(trigdata->tg_relation);
	value = heap_getattr(trigger_new_tuple(trigdata), Anum_entities_parents, desc, &isnull);
	if (ARR_NDIM(DatumGetArrayTypeP(value)) == 0)
		return PointerGetDatum(NULL);

	check = write != NULL ? write->work : NULL;
	if (check != NULL && cedar_arena_bytes(check->arena) > CYCLE_CHECK_BYTES_MAX)
	{
		MemoryContextDelete(check->cxt);
		check = write->work = NULL;
	}
	if (check == NULL)
		check = cycle_check_create(write != NULL ? TopTransactionContext : CurrentMemoryContext);
	if (write != NULL)
		write->work = check;

	/* A cycle that this row closes goes through one of its parents. */
	parents = entity_parents(check->arena, value, &n_parents);
	for (uint32 i = 0; i < n_parents && !todo; i++)
		todo = !cedar_uidset_has(check->done, parents[i]);
	if (todo)
	{
		uid = authz_uid_to_cedar(check->arena,
								 heap_getattr(trigger_new_tuple(trigdata),
											  Anum_entities_uid, desc, &isnull));
		entity_refuse_cycle(check, uid, parents, n_parents);
	}
	if (write == NULL)
		MemoryContextDelete(check->cxt);
	return PointerGetDatum(NULL);
}
