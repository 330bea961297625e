/*-------------------------------------------------------------------------
 *
 * policy.c
 *	  The policy store: what may be written, and the version rows.
 *
 * Policies are catalog-like: a check sees the latest committed version plus
 * its own transaction's changes in every isolation level, as GRANT does.
 * policy_cache.c is the half that reads them.
 *
 * The version row.  authz.policy_versions holds one row per policy set.
 * Triggers advance it in the transaction that changes the set: once a
 * statement per set, or once a row where statement triggers do not fire (an
 * apply worker).  Writers serialise on a ShareRowExclusiveLock on
 * authz.policy_proxy, which the BEFORE STATEMENT trigger takes before a row is
 * touched.  The row is written as a catalog row would be, under a fresh
 * snapshot, so that a writer in REPEATABLE READ does not fail for another's
 * change of the version; it is made by the first change, and inserting one
 * that exists (a restore) raises the existing row to the greater version.
 * The version decides, whether triggers fire or not: who changes policies
 * with triggers disabled has to call authz.policy_touch.
 *
 * A set is rows of several tables (policies, links, a schema); all of this holds
 * for each of them, and their triggers share what is here.
 *
 * Restoring.  The rows of all tables come in any order, by sessions at once
 * even (pg_restore -j knows of no order between tables of an extension, not
 * even that of foreign keys).  A version row that says that a table has rows of the set while there
 * are none has been restored ahead of them; the command that brings them
 * leaves the number as it is.  The row is written all the same, so that its
 * xmin tells the two apart.
 *
 * Changes.  authz.policy_changes says which policies and links a version changed (with
 * a template, its links), so
 * that who has compiled one version compiles only what is new in the next
 * (policy_cache.c).  A row is written with the version row and so has its raw
 * xmin; it names the raw xmin of the version before, which makes the rows a
 * chain: where a link is missing (many policies at once, TRUNCATE, a version
 * that was touched, restored or replicated), all of the set is compiled.  No
 * SQL statement, restore or apply worker can add a row, and rows of versions
 * that are long past are deleted on the way.
 *
 * Invalidation.  Each advance raises a relcache invalidation of the proxy
 * relation, in WAL with the commit.  Nothing here waits for it: the version
 * row alone decides.  It is there for plans that had a policy planned into
 * them.
 *
 * Access.  Tables are read and written without permission checks: who may
 * execute a decision function gets an answer, not the rows.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"
#include "compat.h"

#include "access/genam.h"
#include "access/heapam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "catalog/indexing.h"
#include "catalog/pg_class.h"
#include "catalog/pg_type.h"
#include "commands/trigger.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "storage/bufmgr.h"
#include "storage/lmgr.h"
#include "utils/acl.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/datum.h"
#include "utils/fmgroids.h"
#include "utils/guc.h"
#include "utils/inval.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

#include "audit.h"
#include "error.h"
#include "host.h"
#include "policy.h"
#include "policy_history.h"
#include "policy_link.h"
#include "policy_schema.h"
#include "policy_store.h"
#include "policy_test.h"
#include "relation.h"

#define CHANGED_MAX		1000	/* ids in one row of policy_changes */
#define CHANGES_KEPT	4096	/* versions; the last ones */
#define CHANGES_PRUNED	64		/* at each of so many versions */

char	   *authz_policy_set = NULL;

/* Where a version row says that a table has rows of the set. */
static const int version_columns[] = {
	Anum_policy_versions_populated,
	Anum_policy_versions_has_links,
	Anum_policy_versions_has_schema
};

StaticAssertDecl(lengthof(version_columns) == AUTHZ_STORE_TABLES,
				 "version_columns has one line for each AuthzStoreTable");

PG_FUNCTION_INFO_V1(authz_policies_before_statement);
PG_FUNCTION_INFO_V1(authz_policies_before_row);
PG_FUNCTION_INFO_V1(authz_policies_after_row);
PG_FUNCTION_INFO_V1(authz_policies_after_statement);
PG_FUNCTION_INFO_V1(authz_policy_versions_before_row);
PG_FUNCTION_INFO_V1(authz_policy_changes_before_row);
PG_FUNCTION_INFO_V1(authz_policy_version);
PG_FUNCTION_INFO_V1(authz_policy_touch);

/* ------------------------------------------------------- rows as they are */

/* Scan for a set's version row; the caller ends the scan. */
static SysScanDesc
version_row_scan(Relation versions, Oid pkey, Snapshot snapshot, const char *set)
{
	ScanKeyData key;

	ScanKeyInit(&key, Anum_policy_versions_policy_set, BTEqualStrategyNumber,
				F_TEXTEQ, CStringGetTextDatum(set));
	return systable_beginscan(versions, pkey, true, snapshot, 1, &key);
}

static int64
version_row_number(Relation versions, HeapTuple tuple)
{
	bool		isnull;
	Datum		value = heap_getattr(tuple, Anum_policy_versions_version,
									 RelationGetDescr(versions), &isnull);

	if (isnull)
		elog(ERROR, "null version of a policy set");
	return DatumGetInt64(value);
}

/*
 * Does the row say that a table has rows of the set, when it has none?  Not a
 * row of this transaction: the number would stay, and so would its xmin.
 */
static bool
version_row_is_ahead(Relation versions, HeapTuple tuple, AuthzStoreTable table)
{
	bool		isnull;

	return DatumGetBool(heap_getattr(tuple, version_columns[table],
									 RelationGetDescr(versions), &isnull)) &&
		!TransactionIdIsCurrentTransactionId(HeapTupleHeaderGetRawXmin(tuple->t_data));
}

AuthzVersionRow
authz_version_row_read(Relation versions, Oid pkey, Snapshot snapshot, const char *set,
					   AuthzVersionPlace *place)
{
	AuthzVersionRow row = {0, InvalidTransactionId};
	SysScanDesc scan = version_row_scan(versions, pkey, snapshot, set);
	HeapTuple	tuple = systable_getnext(scan);

	if (place != NULL)
		place->buffer = InvalidBuffer;
	if (HeapTupleIsValid(tuple))
	{
		row.version = version_row_number(versions, tuple);
		row.xmin = HeapTupleHeaderGetRawXmin(tuple->t_data);
		if (place != NULL && versions->rd_tableam == GetHeapamTableAmRoutine())
		{
			place->tid = tuple->t_self;
			place->buffer = ReadBuffer(versions, ItemPointerGetBlockNumber(&place->tid));
			ReleaseBuffer(place->buffer);
		}
	}
	systable_endscan(scan);
	return row;
}

bool
authz_version_row_confirm(Relation versions, Snapshot snapshot, const char *set,
						  const AuthzVersionPlace *place, AuthzVersionRow *row)
{
	OffsetNumber offset = ItemPointerGetOffsetNumber(&place->tid);
	HeapTupleData tuple;
	Page		page;
	ItemId		item;
	bool		found = false;

	/* Does the buffer still have that page of that file?  It may be gone. */
	if (!BufferIsValid(place->buffer) ||
		!ReadRecentBuffer(authz_rel_locator(versions), MAIN_FORKNUM,
						  ItemPointerGetBlockNumber(&place->tid), place->buffer))
		return false;
	LockBuffer(place->buffer, BUFFER_LOCK_SHARE);
	page = BufferGetPage(place->buffer);
	item = offset <= PageGetMaxOffsetNumber(page) ? PageGetItemId(page, offset) : NULL;
	if (item != NULL && ItemIdIsNormal(item))
	{
		tuple.t_data = (HeapTupleHeader) PageGetItem(page, item);
		tuple.t_len = ItemIdGetLength(item);
		tuple.t_tableOid = RelationGetRelid(versions);
		tuple.t_self = place->tid;
		if (HeapTupleSatisfiesVisibility(&tuple, snapshot, place->buffer))
		{
			bool		isnull;
			Datum		name = heap_getattr(&tuple, Anum_policy_versions_policy_set,
											RelationGetDescr(versions), &isnull);

			/* One that is stored elsewhere is not worth it. */
			found = !VARATT_IS_EXTERNAL(DatumGetPointer(name)) &&
				strcmp(TextDatumGetCString(name), set) == 0;
			row->version = version_row_number(versions, &tuple);
			row->xmin = HeapTupleHeaderGetRawXmin(tuple.t_data);
		}
	}
	UnlockReleaseBuffer(place->buffer);
	return found;
}

char *
authz_policy_column(HeapTuple tuple, TupleDesc desc, int column)
{
	bool		isnull;
	Datum		value = heap_getattr(tuple, column, desc, &isnull);

	if (isnull)
		elog(ERROR, "null in column %d of a policy", column);
	return TextDatumGetCString(value);
}

const CedarAst *
authz_policy_parse(CedarArena *arena, const char *set, const char *id,
				   const char *text, size_t len)
{
	CedarAst   *ast;
	CedarError	err;

	if (cedar_parse_one(arena, text, len, &ast, &err) != CEDAR_OK)
		authz_raise(&err, AUTHZ_TEXT_POLICY, text, len,
					psprintf("policy \"%s\"", id),
					psprintf("Policy set \"%s\".", set));
	return ast;
}

static const CedarPiece *
policy_compile(CedarArena *arena, const CedarAst *ast, const char *set, const char *id,
			   const char *text, size_t len, size_t *size)
{
	const CedarPiece *piece;
	CedarError	err;

	if (cedar_compile(arena, ast, 0, &piece, size, &err) != CEDAR_OK)
		authz_raise(&err, AUTHZ_TEXT_POLICY, text, len,
					psprintf("policy \"%s\"", id),
					psprintf("Policy set \"%s\".", set));
	return piece;
}

const CedarPiece *
authz_policy_compile(CedarArena *arena, const char *set, const char *id,
					 const char *text, size_t len, bool *is_template, size_t *size)
{
	const CedarAst *ast = authz_policy_parse(arena, set, id, text, len);

	*is_template = cedar_ast_is_template(ast, 0);
	return policy_compile(arena, ast, set, id, text, len, size);
}

/* -------------------------------------------------------------- advancing */

/* The table and its primary key. */
static void
store_relations(AuthzStoreTable table, Oid *relid, Oid *pkey)
{
	const AuthzRelations *rels = authz_relations();

	switch (table)
	{
		case AUTHZ_STORE_POLICIES:
			*relid = rels->policies;
			*pkey = rels->policies_pkey;
			return;
		case AUTHZ_STORE_LINKS:
			*relid = rels->policy_links;
			*pkey = rels->policy_links_pkey;
			return;
		case AUTHZ_STORE_SCHEMA:
			*relid = rels->schema;
			*pkey = rels->schema_pkey;
			return;
	}
	elog(ERROR, "unknown table of the policy store: %d", (int) table);
}

bool
authz_store_is_writing(void)
{
	for (AuthzStoreTable table = 0; table < AUTHZ_STORE_TABLES; table++)
	{
		Oid			relid;
		Oid			pkey;

		store_relations(table, &relid, &pkey);
		if (authz_write_current(relid) != NULL)
			return true;
	}
	return false;
}

bool
authz_store_is_checked(void)
{
	return SessionReplicationRole != SESSION_REPLICATION_ROLE_REPLICA;
}

bool
authz_store_is_restoring(void)
{
	return authz_is_restoring(authz_relations()->policies);
}

bool
authz_store_has_rows(AuthzStoreTable table, const char *set)
{
	Oid			relid;
	Oid			pkey;
	Relation	rel;
	Snapshot	snapshot;
	SysScanDesc scan;
	ScanKeyData key;
	bool		found;

	store_relations(table, &relid, &pkey);
	rel = table_open(relid, AccessShareLock);
	snapshot = RegisterSnapshot(GetCatalogSnapshot(relid));
	if (set != NULL)
		ScanKeyInit(&key, Anum_store_policy_set, BTEqualStrategyNumber,
					F_TEXTEQ, CStringGetTextDatum(set));
	scan = systable_beginscan(rel, pkey, set != NULL, snapshot, set != NULL ? 1 : 0, &key);
	found = HeapTupleIsValid(systable_getnext(scan));
	systable_endscan(scan);
	UnregisterSnapshot(snapshot);
	table_close(rel, NoLock);
	return found;
}

typedef enum VersionWrite
{
	VERSION_NEXT,
	VERSION_FILLS,				/* the next, unless the row came ahead of this
								 * table's rows */
	VERSION_AT_LEAST			/* raise a row that is there */
} VersionWrite;

/* A version row as it is to become. */
typedef struct VersionChange
{
	VersionWrite how;
	AuthzStoreTable table;		/* VERSION_FILLS */
	int64		at_least;		/* VERSION_AT_LEAST */
	bool		has[AUTHZ_STORE_TABLES];	/* the same: in addition */
	List	   *ids;			/* what changed; NIL: that is not known */
} VersionChange;

/* Which policies a new version changed; under the proxy lock. */
static void
changes_write(const char *set, int64 version, TransactionId former, List *ids)
{
	AuthzRelations rels = *authz_relations();
	Relation	changes = table_open(rels.policy_changes, RowExclusiveLock);
	Datum		values[Natts_policy_changes];
	bool		nulls[Natts_policy_changes] = {0};
	Datum	   *elems = palloc(list_length(ids) * sizeof(Datum));
	HeapTuple	tuple;
	ListCell   *lc;
	int			n = 0;

	foreach(lc, ids)
		elems[n++] = CStringGetTextDatum(lfirst(lc));
	values[Anum_policy_changes_policy_set - 1] = CStringGetTextDatum(set);
	values[Anum_policy_changes_version - 1] = Int64GetDatum(version);
	values[Anum_policy_changes_former - 1] = TransactionIdGetDatum(former);
	values[Anum_policy_changes_policy_ids - 1] =
		PointerGetDatum(construct_array(elems, n, TEXTOID, -1, false, TYPALIGN_INT));
	tuple = heap_form_tuple(RelationGetDescr(changes), values, nulls);
	CatalogTupleInsert(changes, tuple);
	heap_freetuple(tuple);

	if (version % CHANGES_PRUNED == 0)
	{
		Snapshot	snapshot = RegisterSnapshot(GetCatalogSnapshot(rels.policy_changes));
		SysScanDesc scan;
		ScanKeyData key[2];

		ScanKeyInit(&key[0], Anum_policy_changes_policy_set, BTEqualStrategyNumber,
					F_TEXTEQ, CStringGetTextDatum(set));
		ScanKeyInit(&key[1], Anum_policy_changes_version, BTLessEqualStrategyNumber,
					F_INT8LE, Int64GetDatum(version - CHANGES_KEPT));
		scan = systable_beginscan(changes, rels.policy_changes_key, true, snapshot, 2, key);
		while (HeapTupleIsValid(tuple = systable_getnext(scan)))
			CatalogTupleDelete(changes, &tuple->t_self);
		systable_endscan(scan);
		UnregisterSnapshot(snapshot);
	}
	table_close(changes, NoLock);
}

/*
 * Write a set's version row.  Under the proxy lock, so nobody else is at it.
 * Gives the version; 0 when there is none, and VERSION_AT_LEAST does not make
 * one.
 */
static int64
version_row_write(const char *set, const VersionChange *change)
{
	AuthzRelations rels = *authz_relations();
	Relation	versions;
	Snapshot	snapshot;
	SysScanDesc scan;
	HeapTuple	tuple;
	HeapTuple	changed = NULL;
	Datum		values[Natts_policy_versions] = {0};
	bool		nulls[Natts_policy_versions] = {0};
	bool		replace[Natts_policy_versions] = {0};
	int64		version = 1;

	LockRelationOid(rels.policy_proxy, ShareRowExclusiveLock);
	if (change->how != VERSION_AT_LEAST)
	{
		authz_policy_test_note(set);
		/* This command's rows are to count. */
		CommandCounterIncrement();
		for (AuthzStoreTable table = 0; table < AUTHZ_STORE_TABLES; table++)
		{
			values[version_columns[table] - 1] = BoolGetDatum(authz_store_has_rows(table, set));
			replace[version_columns[table] - 1] = true;
		}
	}

	versions = table_open(rels.policy_versions, RowExclusiveLock);
	snapshot = RegisterSnapshot(GetCatalogSnapshot(rels.policy_versions));
	scan = version_row_scan(versions, rels.policy_versions_pkey, snapshot, set);
	tuple = systable_getnext(scan);
	if (HeapTupleIsValid(tuple))
	{
		version = version_row_number(versions, tuple);
		if (change->how == VERSION_AT_LEAST)
		{
			version = Max(version, change->at_least);
			for (AuthzStoreTable table = 0; table < AUTHZ_STORE_TABLES; table++)
			{
				values[version_columns[table] - 1] = BoolGetDatum(true);
				replace[version_columns[table] - 1] = change->has[table];
			}
		}
		else if (change->how == VERSION_FILLS &&
				 version_row_is_ahead(versions, tuple, change->table))
		{
			/* What it says of the other tables, too, is still to come true. */
			memset(replace, 0, sizeof(replace));
		}
		else
			version++;
		values[Anum_policy_versions_version - 1] = Int64GetDatum(version);
		replace[Anum_policy_versions_version - 1] = true;
		if (change->how != VERSION_AT_LEAST && change->ids != NIL &&
			list_length(change->ids) <= CHANGED_MAX &&
			version > version_row_number(versions, tuple))
			changes_write(set, version, HeapTupleHeaderGetRawXmin(tuple->t_data), change->ids);
		changed = heap_modify_tuple(tuple, RelationGetDescr(versions),
									values, nulls, replace);
		CatalogTupleUpdate(versions, &changed->t_self, changed);
	}
	else if (change->how != VERSION_AT_LEAST)
	{
		values[Anum_policy_versions_policy_set - 1] = CStringGetTextDatum(set);
		values[Anum_policy_versions_version - 1] = Int64GetDatum(version);
		changed = heap_form_tuple(RelationGetDescr(versions), values, nulls);
		CatalogTupleInsert(versions, changed);
	}
	systable_endscan(scan);
	UnregisterSnapshot(snapshot);
	table_close(versions, NoLock);
	if (changed == NULL)
		return 0;

	heap_freetuple(changed);
	CacheInvalidateRelcacheByRelid(rels.policy_proxy);
	authz_policy_changed(set);
	/* The next write of the row, and the next check, see this one. */
	CommandCounterIncrement();
	return version;
}

static void
version_advance(const char *set, List *ids)
{
	VersionChange change = {.how = VERSION_NEXT, .ids = ids};

	version_row_write(set, &change);
}

/* TRUNCATE does not say which sets it touched: all that there are. */
static void
version_advance_all(void)
{
	AuthzRelations rels = *authz_relations();
	Relation	versions = table_open(rels.policy_versions, AccessShareLock);
	Snapshot	snapshot = RegisterSnapshot(GetCatalogSnapshot(rels.policy_versions));
	SysScanDesc scan;
	HeapTuple	tuple;
	List	   *sets = NIL;
	ListCell   *lc;

	scan = systable_beginscan(versions, InvalidOid, false, snapshot, 0, NULL);
	while (HeapTupleIsValid(tuple = systable_getnext(scan)))
		sets = lappend(sets, authz_policy_column(tuple, RelationGetDescr(versions),
										   Anum_policy_versions_policy_set));
	systable_endscan(scan);
	UnregisterSnapshot(snapshot);
	table_close(versions, NoLock);

	foreach(lc, sets)
		version_advance(lfirst(lc), NIL);
}

/* ------------------------------------- triggers, as all of the tables have them */

static AuthzWrite *
store_write(AuthzStoreTable table)
{
	Oid			relid;
	Oid			pkey;

	store_relations(table, &relid, &pkey);
	return authz_write_current(relid);
}

void
authz_store_check_trigger(FunctionCallInfo fcinfo, AuthzStoreTable table,
						  const char *function)
{
	Oid			relid;
	Oid			pkey;

	store_relations(table, &relid, &pkey);
	authz_check_trigger(fcinfo, relid, function);
}

HeapTuple
authz_store_new_tuple(const TriggerData *trigdata)
{
	return TRIGGER_FIRED_BY_UPDATE(trigdata->tg_event) ?
		trigdata->tg_newtuple : trigdata->tg_trigtuple;
}

void
authz_store_before_statement(const TriggerData *trigdata, AuthzStoreTable table)
{
	Oid			relid;
	Oid			pkey;

	LockRelationOid(authz_relations()->policy_proxy, ShareRowExclusiveLock);
	store_relations(table, &relid, &pkey);
	authz_write_begin(relid);
	if (TRIGGER_FIRED_BY_TRUNCATE(trigdata->tg_event))
		authz_policy_history_before_truncate(trigdata, table);
}

int64
authz_store_next_version(AuthzStoreTable table, const char *set)
{
	AuthzWrite *write = store_write(table);
	AuthzWriteSet *written;
	bool		found;

	if (write == NULL)
		return authz_policy_version_now(set) + 1;
	written = authz_write_set(write, set, &found);
	if (written->next == 0)
		written->next = authz_policy_version_now(set) + 1;
	return written->next;
}

HeapTuple
authz_store_before_row(const TriggerData *trigdata, AuthzStoreTable table)
{
	AuthzWrite *write = store_write(table);

	if (write != NULL && TRIGGER_FIRED_BY_INSERT(trigdata->tg_event))
	{
		bool		found;
		const char *set = authz_policy_column(trigdata->tg_trigtuple,
											  RelationGetDescr(trigdata->tg_relation),
											  Anum_store_policy_set);
		AuthzWriteSet *written = authz_write_set(write, set, &found);

		/* The first row for this set: afterwards nobody can tell any more. */
		if (!found)
			written->was_empty = !authz_store_has_rows(table, set);
	}
	return authz_policy_history_before_row(trigdata, table);
}

/* Ids that a command has changed; one more than are written down: too many. */
static void
store_note_ids(AuthzWriteSet *written, List *ids)
{
	MemoryContext old = MemoryContextSwitchTo(TopTransactionContext);
	ListCell   *lc;

	foreach(lc, ids)
	{
		const char *id = lfirst(lc);

		if (list_length(written->ids) > CHANGED_MAX)
			break;
		/* An update comes twice. */
		if (written->ids == NIL || strcmp(llast(written->ids), id) != 0)
			written->ids = lappend(written->ids, pstrdup(id));
	}
	MemoryContextSwitchTo(old);
}

/* A row that a command has written, for the audit record. */
static void
store_note_row(const TriggerData *trigdata, AuthzStoreTable table)
{
	AuthzWrite *write = store_write(table);
	HeapTuple	tuple = authz_store_new_tuple(trigdata);
	TupleDesc	desc = RelationGetDescr(trigdata->tg_relation);
	AuthzWriteOp op = AUTHZ_WRITE_DELETE;
	AuthzWriteSet *written;
	AuthzWriteRows *rows;
	MemoryContext old;
	bool		found;

	if (write == NULL)
		return;
	if (TRIGGER_FIRED_BY_INSERT(trigdata->tg_event))
		op = AUTHZ_WRITE_INSERT;
	else if (TRIGGER_FIRED_BY_UPDATE(trigdata->tg_event))
		op = AUTHZ_WRITE_UPDATE;
	written = authz_write_set(write, authz_policy_column(tuple, desc, Anum_store_policy_set), &found);
	rows = &written->rows[op];
	if (rows->n++ >= AUTHZ_AUDIT_IDS)
		return;
	old = MemoryContextSwitchTo(TopTransactionContext);
	rows->ids = lappend(rows->ids,
						authz_policy_column(tuple, desc, table == AUTHZ_STORE_SCHEMA ?
											Anum_store_policy_set : Anum_store_id));
	MemoryContextSwitchTo(old);
}

static void
store_row_changed(AuthzStoreTable table, HeapTuple tuple, TupleDesc desc, bool is_new)
{
	AuthzWrite *write = store_write(table);
	char	   *set = authz_policy_column(tuple, desc, Anum_store_policy_set);
	List	   *ids = NIL;
	bool		found;

	/* A schema changes no compiled policy; that all are compiled again is rare. */
	if (table != AUTHZ_STORE_SCHEMA)
		ids = list_make1(authz_policy_column(tuple, desc, Anum_store_id));
	/* A new policy has no links, but for those restored ahead of it. */
	if (table == AUTHZ_STORE_POLICIES &&
		(!is_new || authz_store_is_restoring() || !authz_store_is_checked()))
		ids = list_concat(ids, authz_policy_link_ids(set, linitial(ids)));
	if (write != NULL)
	{
		AuthzWriteSet *written = authz_write_set(write, set, &found);

		written->changed = true;
		store_note_ids(written, ids);
	}
	else
		version_advance(set, ids);
	list_free_deep(ids);
	pfree(set);
}

bool
authz_store_column_is_same(const TriggerData *trigdata, int column)
{
	TupleDesc	desc = RelationGetDescr(trigdata->tg_relation);
	Form_pg_attribute attribute = TupleDescAttr(desc, column - 1);
	bool		old_null;
	bool		new_null;
	Datum		old;
	Datum		new;

	if (attribute->attisdropped)
		return true;
	old = heap_getattr(trigdata->tg_trigtuple, column, desc, &old_null);
	new = heap_getattr(trigdata->tg_newtuple, column, desc, &new_null);
	return old_null == new_null &&
		(old_null || datum_image_eq(old, new, attribute->attbyval, attribute->attlen));
}

/* Is all that an update changes a policy's place in the file? */
static bool
only_ordinal_changed(const TriggerData *trigdata)
{
	int			natts = RelationGetDescr(trigdata->tg_relation)->natts;

	for (int column = 1; column <= natts; column++)
	{
		if (authz_store_column_is_same(trigdata, column) == (column == Anum_policies_ordinal))
			return false;
	}
	return true;
}

void
authz_store_after_row(const TriggerData *trigdata, AuthzStoreTable table)
{
	TupleDesc	desc = RelationGetDescr(trigdata->tg_relation);

	store_note_row(trigdata, table);
	if (table == AUTHZ_STORE_POLICIES && TRIGGER_FIRED_BY_UPDATE(trigdata->tg_event) &&
		only_ordinal_changed(trigdata))
		return;

	store_row_changed(table, trigdata->tg_trigtuple, desc,
					  TRIGGER_FIRED_BY_INSERT(trigdata->tg_event));
	if (TRIGGER_FIRED_BY_UPDATE(trigdata->tg_event))
		store_row_changed(table, trigdata->tg_newtuple, desc, false);
}

static const char *const write_ops[] = {"INSERT", "UPDATE", "DELETE"};

StaticAssertDecl(lengthof(write_ops) == AUTHZ_WRITE_OPS,
				 "write_ops has one line for each AuthzWriteOp");

void
authz_store_after_statement(const TriggerData *trigdata, AuthzStoreTable table)
{
	AuthzWrite *write = store_write(table);
	ListCell   *lc;

	if (TRIGGER_FIRED_BY_TRUNCATE(trigdata->tg_event))
	{
		version_advance_all();
		authz_audit_policy_change(trigdata->tg_relation, "TRUNCATE", NULL, 0, 0, NIL);
	}
	else if (write != NULL)
	{
		foreach(lc, write->sets)
		{
			AuthzWriteSet *set = lfirst(lc);
			VersionChange change = {
				.how = set->was_empty ? VERSION_FILLS : VERSION_NEXT,
				.table = table,
				.ids = set->ids
			};
			int64		version;

			version = set->changed ? version_row_write(set->name, &change) :
				authz_policy_version_now(set->name);
			for (AuthzWriteOp op = 0; op < AUTHZ_WRITE_OPS; op++)
			{
				if (set->rows[op].n > 0)
					authz_audit_policy_change(trigdata->tg_relation, write_ops[op], set->name,
											  version, set->rows[op].n, set->rows[op].ids);
			}
		}
	}
	if (write != NULL)
		authz_write_end(write);
}

/* --------------------------------------------------------------- policies */

/* BEFORE STATEMENT: queue up behind other writers before a row is locked. */
Datum
authz_policies_before_statement(PG_FUNCTION_ARGS)
{
	authz_store_check_trigger(fcinfo, AUTHZ_STORE_POLICIES, "policies_before_statement");
	authz_store_before_statement((TriggerData *) fcinfo->context, AUTHZ_STORE_POLICIES);
	return PointerGetDatum(NULL);
}

/* BEFORE ROW: refuse what does not compile; keep what there was. */
Datum
authz_policies_before_row(PG_FUNCTION_ARGS)
{
	TriggerData *trigdata = (TriggerData *) fcinfo->context;
	HeapTuple	tuple;
	TupleDesc	desc;
	CedarArena *arena;
	bool		isnull;
	bool		set_null;
	bool		id_null;
	const CedarAst *ast;
	size_t		size;
	char	   *set;
	char	   *id;
	char	   *text;

	authz_store_check_trigger(fcinfo, AUTHZ_STORE_POLICIES, "policies_before_row");
	if (TRIGGER_FIRED_BY_DELETE(trigdata->tg_event))
		return PointerGetDatum(authz_store_before_row(trigdata, AUTHZ_STORE_POLICIES));
	tuple = authz_store_new_tuple(trigdata);
	desc = RelationGetDescr(trigdata->tg_relation);

	/* Nulls are for the NOT NULL constraints, which come after us. */
	heap_getattr(tuple, Anum_policies_policy_set, desc, &set_null);
	heap_getattr(tuple, Anum_policies_policy_id, desc, &id_null);
	heap_getattr(tuple, Anum_policies_policy, desc, &isnull);
	if (set_null || id_null || isnull)
		return PointerGetDatum(tuple);

	set = authz_policy_column(tuple, desc, Anum_policies_policy_set);
	id = authz_policy_column(tuple, desc, Anum_policies_policy_id);
	text = authz_policy_column(tuple, desc, Anum_policies_policy);
	arena = authz_arena_create(CurrentMemoryContext);
	ast = authz_policy_parse(arena, set, id, text, strlen(text));
	policy_compile(arena, ast, set, id, text, strlen(text), &size);
	cedar_arena_destroy(arena);

	return PointerGetDatum(authz_store_before_row(trigdata, AUTHZ_STORE_POLICIES));
}

/*
 * Refuse a policy that does not validate against the schema in force.  When
 * the command's rows are in place, for it may have changed the schema too.
 */
static void
policy_validate(HeapTuple tuple, TupleDesc desc)
{
	char	   *set = authz_policy_column(tuple, desc, Anum_policies_policy_set);
	const AuthzSchema *schema;

	CommandCounterIncrement();
	schema = authz_schema_now(set);
	if (schema != NULL)
	{
		CedarArena *arena = authz_arena_create(CurrentMemoryContext);
		char	   *id = authz_policy_column(tuple, desc, Anum_policies_policy_id);
		char	   *text = authz_policy_column(tuple, desc, Anum_policies_policy);

		authz_schema_check_policy(schema, arena,
								  authz_policy_parse(arena, set, id, text, strlen(text)),
								  set, id, text);
		cedar_arena_destroy(arena);
		pfree(id);
		pfree(text);
	}
	pfree(set);
}

/* AFTER ROW: what links and the schema have to say; the set has changed. */
Datum
authz_policies_after_row(PG_FUNCTION_ARGS)
{
	TriggerData *trigdata = (TriggerData *) fcinfo->context;

	authz_store_check_trigger(fcinfo, AUTHZ_STORE_POLICIES, "policies_after_row");
	authz_policy_link_check_policy(trigdata);
	if (!TRIGGER_FIRED_BY_DELETE(trigdata->tg_event) && authz_store_is_checked())
		policy_validate(authz_store_new_tuple(trigdata), RelationGetDescr(trigdata->tg_relation));
	authz_store_after_row(trigdata, AUTHZ_STORE_POLICIES);
	return PointerGetDatum(NULL);
}

/* AFTER STATEMENT: advance each set touched. */
Datum
authz_policies_after_statement(PG_FUNCTION_ARGS)
{
	TriggerData *trigdata = (TriggerData *) fcinfo->context;

	authz_store_check_trigger(fcinfo, AUTHZ_STORE_POLICIES, "policies_after_statement");
	if (TRIGGER_FIRED_BY_TRUNCATE(trigdata->tg_event))
		authz_policy_link_check_truncate();
	authz_store_after_statement(trigdata, AUTHZ_STORE_POLICIES);
	return PointerGetDatum(NULL);
}

/*
 * BEFORE ROW on the version rows themselves.  A restore inserts rows that the
 * policies' triggers may have made already; an apply worker updates rows that
 * ours have advanced.  Neither may fail, and a version never goes back.
 */
Datum
authz_policy_versions_before_row(PG_FUNCTION_ARGS)
{
	TriggerData *trigdata = (TriggerData *) fcinfo->context;
	AuthzRelations rels = *authz_relations();
	TupleDesc	desc;
	HeapTuple	tuple;
	int64		version;
	bool		isnull;

	authz_check_trigger(fcinfo, rels.policy_versions, "policy_versions_before_row");
	desc = RelationGetDescr(trigdata->tg_relation);
	tuple = TRIGGER_FIRED_BY_UPDATE(trigdata->tg_event) ?
		trigdata->tg_newtuple : trigdata->tg_trigtuple;

	LockRelationOid(rels.policy_proxy, ShareRowExclusiveLock);
	CacheInvalidateRelcacheByRelid(rels.policy_proxy);

	heap_getattr(tuple, Anum_policy_versions_policy_set, desc, &isnull);
	if (isnull)
		return PointerGetDatum(tuple);	/* NOT NULL refuses it */
	version = DatumGetInt64(heap_getattr(tuple, Anum_policy_versions_version,
										 desc, &isnull));
	if (isnull || version < 1)
		ereport(ERROR,
				(errcode(ERRCODE_CHECK_VIOLATION),
				 errmsg("version of a policy set must be at least 1")));

	if (TRIGGER_FIRED_BY_INSERT(trigdata->tg_event))
	{
		char	   *set = authz_policy_column(tuple, desc, Anum_policy_versions_policy_set);
		VersionChange change = {.how = VERSION_AT_LEAST, .at_least = version};

		for (AuthzStoreTable table = 0; table < AUTHZ_STORE_TABLES; table++)
			change.has[table] = DatumGetBool(heap_getattr(tuple, version_columns[table],
														  desc, &isnull)) && !isnull;
		if (version_row_write(set, &change) != 0)
			return PointerGetDatum(NULL);
	}
	else
	{
		int64		former = version_row_number(trigdata->tg_relation,
												trigdata->tg_trigtuple);

		if (version <= former)
		{
			Datum		values[Natts_policy_versions] = {0};
			bool		nulls[Natts_policy_versions] = {0};
			bool		replace[Natts_policy_versions] = {0};

			values[Anum_policy_versions_version - 1] = Int64GetDatum(former + 1);
			replace[Anum_policy_versions_version - 1] = true;
			tuple = heap_modify_tuple(tuple, desc, values, nulls, replace);
		}
	}
	return PointerGetDatum(tuple);
}

/* BEFORE ROW on the changes: none of them but those that changes_write makes. */
Datum
authz_policy_changes_before_row(PG_FUNCTION_ARGS)
{
	authz_check_trigger(fcinfo, authz_relations()->policy_changes,
						"policy_changes_before_row");
	return PointerGetDatum(NULL);
}

/* -------------------------------------------------------------- functions */

int64
authz_policy_version_now(const char *set)
{
	AuthzRelations rels = *authz_relations();
	Relation	versions = table_open(rels.policy_versions, AccessShareLock);
	Snapshot	snapshot = RegisterSnapshot(GetCatalogSnapshot(rels.policy_versions));
	AuthzVersionRow row = authz_version_row_read(versions, rels.policy_versions_pkey,
												 snapshot, set, NULL);

	UnregisterSnapshot(snapshot);
	table_close(versions, NoLock);
	return row.version;
}

Datum
authz_policy_version(PG_FUNCTION_ARGS)
{
	const char *set = PG_ARGISNULL(0) ? authz_policy_set :
		text_to_cstring(PG_GETARG_TEXT_PP(0));

	PG_RETURN_INT64(authz_policy_version_now(set));
}

/* For those who changed policies while triggers were disabled. */
Datum
authz_policy_touch(PG_FUNCTION_ARGS)
{
	const char *set = PG_ARGISNULL(0) ? authz_policy_set :
		text_to_cstring(PG_GETARG_TEXT_PP(0));

	version_advance(set, NIL);
	PG_RETURN_INT64(authz_policy_version_now(set));
}
