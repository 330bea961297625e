/*-------------------------------------------------------------------------
 *
 * stats.c
 *	  authz.user_stats, kept equal to the query authz.user_stats_full.
 *
 * A row trigger on authz.sessions writes each change as a difference to
 * authz.session_changes, in the changing transaction: whose session, when it
 * began, how many sessions and how much duration more or less.  A refresh takes
 * these rows away, adds what the start of the window passed over, and applies
 * the sums to authz.user_stats.  All of that is read under one snapshot, so
 * what it adds up is exactly what became visible since the one before: a
 * transaction still open then is not in its snapshot, and stays queued.  An
 * error or a crash in the middle leaves everything as it was.
 *
 * Intervals are added and subtracted by their fields, which are integers, so
 * sums are exact whatever their order.  A maximum cannot be subtracted from:
 * only where the newest session of a user went away without falling out of the
 * window is that user computed from the sessions.
 *
 * Sessions older than window and margin queue nothing, so that removing old
 * ones costs nothing.  A refresh whose former window reaches that far back
 * therefore computes all users, as does one that finds the triggers off.
 *
 * Refreshes follow each other by a lock on authz.user_stats.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"
#include "compat.h"

#include "access/genam.h"
#include "access/heapam.h"
#include "access/htup_details.h"
#include "access/skey.h"
#include "access/stratnum.h"
#include "access/table.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "catalog/indexing.h"
#include "catalog/pg_type.h"
#include "commands/trigger.h"
#include "executor/executor.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "storage/lmgr.h"
#include "utils/fmgroids.h"
#include "utils/fmgrprotos.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"
#include "utils/uuid.h"

#include "relation.h"

/* As in authz.user_stats_full. */
#define WINDOW (INT64CONST(30) * USECS_PER_DAY)
#define MARGIN (INT64CONST(7) * USECS_PER_DAY)

PG_FUNCTION_INFO_V1(authz_sessions_changed);
PG_FUNCTION_INFO_V1(authz_user_stats_refresh);

/* One row of authz.session_changes; no user: all of them. */
static void
queue_put(Relation queue, Datum *values)
{
	bool		nulls[Natts_session_changes] = {false};
	Datum		none[Natts_session_changes] = {0};
	HeapTuple	tuple;

	if (values == NULL)
		memset(nulls, true, sizeof(nulls));
	tuple = heap_form_tuple(RelationGetDescr(queue), values == NULL ? none : values, nulls);
	CatalogTupleInsert(queue, tuple);
	heap_freetuple(tuple);
}

/* Queue n sessions of this user and beginning more, unless no window reaches them. */
static void
queue_sessions(Relation queue, Datum user, Datum created, int16 n, Datum duration)
{
	Datum		values[Natts_session_changes];

	if (DatumGetTimestampTz(created) < GetCurrentTransactionStartTimestamp() - WINDOW - MARGIN)
		return;
	values[Anum_session_changes_user_id - 1] = user;
	values[Anum_session_changes_created_at - 1] = created;
	values[Anum_session_changes_sessions - 1] = Int16GetDatum(n);
	values[Anum_session_changes_duration - 1] = duration;
	queue_put(queue, values);
}

/* Trigger AFTER INSERT, UPDATE, DELETE (row), TRUNCATE (statement) on authz.sessions. */
Datum
authz_sessions_changed(PG_FUNCTION_ARGS)
{
	AuthzRelations rels = *authz_relations();
	TriggerData *trigdata = (TriggerData *) fcinfo->context;
	Datum		users[2],
				created[2],
				durations[2];
	int			former = -1,
				latter = -1;
	Relation	queue;

	authz_check_trigger(fcinfo, rels.sessions, "sessions_changed");
	queue = table_open(rels.session_changes, RowExclusiveLock);
	if (!TRIGGER_FIRED_FOR_ROW(trigdata->tg_event))
		queue_put(queue, NULL);
	else
	{
		HeapTuple	tuples[2];
		int			n = 0;
		TupleDesc	desc = RelationGetDescr(trigdata->tg_relation);
		bool		isnull;

		if (!TRIGGER_FIRED_BY_INSERT(trigdata->tg_event))
			tuples[former = n++] = trigdata->tg_trigtuple;
		if (!TRIGGER_FIRED_BY_DELETE(trigdata->tg_event))
			tuples[latter = n++] = TRIGGER_FIRED_BY_UPDATE(trigdata->tg_event) ?
				trigdata->tg_newtuple : trigdata->tg_trigtuple;
		for (int i = 0; i < n; i++)
		{
			users[i] = heap_getattr(tuples[i], Anum_sessions_user_id, desc, &isnull);
			created[i] = heap_getattr(tuples[i], Anum_sessions_created_at, desc, &isnull);
			durations[i] = heap_getattr(tuples[i], Anum_sessions_duration, desc, &isnull);
		}
		if (n == 2 &&
			memcmp(DatumGetUUIDP(users[0]), DatumGetUUIDP(users[1]), UUID_LEN) == 0 &&
			DatumGetTimestampTz(created[0]) == DatumGetTimestampTz(created[1]))
		{
			/* The usual update: it lasts longer, or nothing that counts changed. */
			if (memcmp(DatumGetIntervalP(durations[0]), DatumGetIntervalP(durations[1]),
					   sizeof(Interval)) != 0)
				queue_sessions(queue, users[0], created[0], 0,
							   DirectFunctionCall2(interval_mi, durations[1], durations[0]));
		}
		else
		{
			if (former >= 0)
				queue_sessions(queue, users[former], created[former], -1,
							   DirectFunctionCall1(interval_um, durations[former]));
			if (latter >= 0)
				queue_sessions(queue, users[latter], created[latter], 1, durations[latter]);
		}
	}
	table_close(queue, NoLock);
	return PointerGetDatum(NULL);
}

/*
 * $1: where the window starts now; $2: where it started at the last refresh.
 * The sums of the differences, in the order of the index that they are looked
 * up by; no user: all have to be computed.
 */
static const char *const sum_differences =
	"WITH taken AS (DELETE FROM authz.session_changes RETURNING user_id, created_at, sessions, duration), "
	"differences AS ("
	"  SELECT user_id, created_at, sessions, duration, sessions < 0 AS removed FROM taken WHERE created_at > $2 OR user_id IS NULL"
	"  UNION ALL SELECT user_id, created_at, -1, - duration, false FROM authz.sessions WHERE created_at > $2 AND created_at <= $1"
	"  UNION ALL SELECT user_id, created_at, 1, duration, false FROM authz.sessions WHERE created_at > $1 AND created_at <= $2) "
	"SELECT user_id, sum(sessions), sum(duration),"
	"  max(created_at) FILTER (WHERE sessions > 0), max(created_at) FILTER (WHERE removed)"
	" FROM differences GROUP BY user_id ORDER BY user_id NULLS FIRST";

/* $1: the start of the window; $2: the user. */
static const char *const compute_user =
	"SELECT count(*), sum(duration), max(created_at) FROM authz.sessions WHERE user_id = $2 AND created_at > $1";

/* The bits count: '1 day' equals '24:00:00'. */
static const char *const compute_all =
	"WITH taken AS (DELETE FROM authz.session_changes), "
	"fresh AS MATERIALIZED (SELECT f.* FROM authz.user_stats_full($1) f ORDER BY f.user_id), "
	"gone AS (DELETE FROM authz.user_stats u WHERE NOT EXISTS (SELECT FROM fresh f WHERE f.user_id = u.user_id)), "
	"written AS (INSERT INTO authz.user_stats AS u SELECT f.* FROM fresh f"
	"  ON CONFLICT (user_id) DO UPDATE SET login_count = excluded.login_count, last_login = excluded.last_login,"
	"    avg_session_duration = excluded.avg_session_duration, total_session_duration = excluded.total_session_duration"
	"  WHERE u.* *<> excluded.*) "
	"SELECT count(*) FROM fresh";

/* One user, as far as it is known. */
typedef struct UserStats
{
	int64		n;
	Interval	total;
	TimestampTz newest;
} UserStats;

/* What user_stats is changed with; the lock keeps all others from it. */
typedef struct StatsWriter
{
	Relation	rel;
	Relation	pkey;
	CatalogIndexState indexes;
	IndexScanDesc scan;
	TupleTableSlot *slot;
} StatsWriter;

static void
writer_open(StatsWriter *writer, const AuthzRelations *rels, Snapshot snapshot)
{
	writer->rel = table_open(rels->user_stats, RowExclusiveLock);
	writer->pkey = index_open(rels->user_stats_pkey, RowExclusiveLock);
	writer->indexes = CatalogOpenIndexes(writer->rel);
	writer->scan = authz_index_beginscan(writer->rel, writer->pkey, snapshot, 1);
	writer->slot = table_slot_create(writer->rel, NULL);
}

static void
writer_close(StatsWriter *writer)
{
	ExecDropSingleTupleTableSlot(writer->slot);
	index_endscan(writer->scan);
	CatalogCloseIndexes(writer->indexes);
	index_close(writer->pkey, NoLock);
	table_close(writer->rel, NoLock);
}

/* The user's row, if there is one; its place stays in the slot. */
static bool
writer_find(StatsWriter *writer, Datum user, UserStats *stats)
{
	ScanKeyData key;
	bool		isnull;

	ScanKeyInit(&key, 1, BTEqualStrategyNumber, F_UUID_EQ, user);
	index_rescan(writer->scan, &key, 1, NULL, 0);
	if (!index_getnext_slot(writer->scan, ForwardScanDirection, writer->slot))
		return false;
	stats->n = DatumGetInt64(slot_getattr(writer->slot, Anum_user_stats_login_count, &isnull));
	stats->newest = DatumGetTimestampTz(slot_getattr(writer->slot, Anum_user_stats_last_login, &isnull));
	stats->total = *DatumGetIntervalP(slot_getattr(writer->slot, Anum_user_stats_total_session_duration, &isnull));
	return true;
}

static void
writer_put(StatsWriter *writer, Datum user, bool found, UserStats *stats)
{
	Datum		values[Natts_user_stats];
	bool		nulls[Natts_user_stats] = {false};
	ItemPointerData old = writer->slot->tts_tid;
	HeapTuple	tuple;

	if (stats->n == 0)
	{
		if (found)
			CatalogTupleDelete(writer->rel, &old);
		return;
	}
	values[Anum_user_stats_user_id - 1] = user;
	values[Anum_user_stats_login_count - 1] = Int64GetDatum(stats->n);
	values[Anum_user_stats_last_login - 1] = TimestampTzGetDatum(stats->newest);
	/* As avg() divides. */
	values[Anum_user_stats_avg_session_duration - 1] =
		DirectFunctionCall2(interval_div, IntervalPGetDatum(&stats->total), Float8GetDatum((double) stats->n));
	values[Anum_user_stats_total_session_duration - 1] = IntervalPGetDatum(&stats->total);
	tuple = heap_form_tuple(RelationGetDescr(writer->rel), values, nulls);
	if (found)
		CatalogTupleUpdateWithInfo(writer->rel, &old, tuple, writer->indexes);
	else
		CatalogTupleInsertWithInfo(writer->rel, tuple, writer->indexes);
}

/* Apply the sums of one user; false: adding does not tell what there is now. */
static bool
apply_sums(HeapTuple sums, TupleDesc desc, bool found, UserStats *stats)
{
	bool		isnull;
	Datum		total = SPI_getbinval(sums, desc, 3, &isnull);
	Datum		added,
				removed;

	stats->n += DatumGetInt64(SPI_getbinval(sums, desc, 2, &isnull));
	if (found)
		total = DirectFunctionCall2(interval_pl, IntervalPGetDatum(&stats->total), total);
	stats->total = *DatumGetIntervalP(total);
	added = SPI_getbinval(sums, desc, 4, &isnull);
	if (!isnull)
		stats->newest = Max(stats->newest, DatumGetTimestampTz(added));
	removed = SPI_getbinval(sums, desc, 5, &isnull);
	if (stats->n <= 0)
		return stats->n == 0;
	/* Without a row before, or an addition, there cannot be any now. */
	return stats->newest != DT_NOBEGIN && (isnull || DatumGetTimestampTz(removed) < stats->newest);
}

static SPIPlanPtr
prepare(const char *command, Oid second)
{
	Oid			types[2] = {TIMESTAMPTZOID, second};
	SPIPlanPtr	plan = SPI_prepare(command, 2, types);

	if (plan == NULL)
		elog(ERROR, "SPI_prepare: %s", SPI_result_code_string(SPI_result));
	return plan;
}

/* Run under this snapshot. */
static void
execute(SPIPlanPtr plan, TimestampTz first, Datum second, Snapshot snapshot, bool read_only)
{
	Datum		values[2] = {TimestampTzGetDatum(first), second};
	int			rc = SPI_execute_snapshot(plan, values, NULL, snapshot, InvalidSnapshot, read_only, false, 0);

	if (rc != SPI_OK_SELECT)
		elog(ERROR, "SPI_execute_snapshot: %s", SPI_result_code_string(rc));
}

/* How many users had changes; -1: all have to be computed. */
static int64
refresh_changed(const AuthzRelations *rels, TimestampTz start, TimestampTz former)
{
	/* These lock the tables, which has to be before the snapshot. */
	SPIPlanPtr	sum = prepare(sum_differences, TIMESTAMPTZOID);
	SPIPlanPtr	compute = prepare(compute_user, UUIDOID);
	Snapshot	snapshot,
				latest;
	SPITupleTable *sums;
	uint64		n;
	StatsWriter writer;
	MemoryContext row_cxt,
				old_cxt;

	CommandCounterIncrement();
	snapshot = RegisterSnapshot(GetTransactionSnapshot());
	execute(sum, start, TimestampTzGetDatum(former), snapshot, false);
	sums = SPI_tuptable;
	n = SPI_processed;
	latest = RegisterSnapshot(GetLatestSnapshot());
	writer_open(&writer, rels, latest);
	row_cxt = AllocSetContextCreate(CurrentMemoryContext, "authz user_stats row", ALLOCSET_DEFAULT_SIZES);
	for (uint64 i = 0; i < n; i++)
	{
		UserStats	stats = {.newest = DT_NOBEGIN};
		bool		isnull,
					found;
		Datum		user = SPI_getbinval(sums->vals[i], sums->tupdesc, 1, &isnull);

		CHECK_FOR_INTERRUPTS();
		if (isnull)
		{
			n = (uint64) -1;
			break;
		}
		/* Before: the scan keeps what it allocates when it first meets a dead entry. */
		found = writer_find(&writer, user, &stats);
		old_cxt = MemoryContextSwitchTo(row_cxt);
		if (!apply_sums(sums->vals[i], sums->tupdesc, found, &stats))
		{
			Datum		total,
						newest;

			execute(compute, start, user, snapshot, true);
			stats.n = DatumGetInt64(SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &isnull));
			total = SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 2, &isnull);
			newest = SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 3, &isnull);
			if (stats.n > 0)
			{
				stats.total = *DatumGetIntervalP(total);
				stats.newest = DatumGetTimestampTz(newest);
			}
			SPI_freetuptable(SPI_tuptable);
		}
		writer_put(&writer, user, found, &stats);
		MemoryContextSwitchTo(old_cxt);
		MemoryContextReset(row_cxt);
	}
	writer_close(&writer);
	UnregisterSnapshot(latest);
	UnregisterSnapshot(snapshot);
	SPI_freetuptable(sums);
	CommandCounterIncrement();
	return (int64) n;
}

static int64
refresh_all(TimestampTz as_of)
{
	Oid			types[1] = {TIMESTAMPTZOID};
	Datum		values[1] = {TimestampTzGetDatum(as_of)};
	bool		isnull;
	int			rc = SPI_execute_with_args(compute_all, 1, types, values, NULL, false, 0);

	if (rc != SPI_OK_SELECT || SPI_processed != 1)
		elog(ERROR, "SPI_execute_with_args: %s", SPI_result_code_string(rc));
	return DatumGetInt64(SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &isnull));
}

/* user_stats_refresh(as_of timestamptz, "full" boolean) → bigint */
Datum
authz_user_stats_refresh(PG_FUNCTION_ARGS)
{
	TimestampTz as_of = PG_GETARG_TIMESTAMPTZ(0);
	bool		full = PG_GETARG_BOOL(1);
	AuthzRelations rels = *authz_relations();
	Oid			types[2] = {TIMESTAMPTZOID, TIMESTAMPTZOID};
	Datum		values[2];
	TimestampTz start;
	TimestampTz former = DT_NOBEGIN;
	Datum		last;
	bool		isnull,
				watched;
	int64		looked;
	int			rc;

	if (TIMESTAMP_NOT_FINITE(as_of))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("statistics need a finite point in time")));
	start = as_of - WINDOW;

	/* Before any snapshot is taken, so that it sees what the one before did. */
	LockRelationOid(rels.user_stats, ShareRowExclusiveLock);
	SPI_connect();
	rc = SPI_execute("SELECT (SELECT as_of FROM authz.user_stats_state),"
					 " (SELECT count(*) = 2 FROM pg_trigger WHERE tgrelid = 'authz.sessions'::regclass AND tgenabled = 'A'"
					 "  AND tgname IN ('sessions_changed', 'sessions_truncated'))", false, 1);
	if (rc != SPI_OK_SELECT || SPI_processed != 1)
		elog(ERROR, "SPI_execute: %s", SPI_result_code_string(rc));
	last = SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &isnull);
	if (!isnull)
		former = DatumGetTimestampTz(last) - WINDOW;
	watched = DatumGetBool(SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 2, &isnull));
	if (!watched || Min(start, former) < GetCurrentTimestamp() - WINDOW - MARGIN)
		full = true;
	/* First, so that an older snapshot than the last refresh fails here. */
	values[0] = TimestampTzGetDatum(as_of);
	values[1] = TimestampTzGetDatum(GetCurrentTimestamp());
	rc = SPI_execute_with_args("INSERT INTO authz.user_stats_state (as_of, refreshed_at) VALUES ($1, $2)"
							   " ON CONFLICT (only_row) DO UPDATE SET as_of = excluded.as_of,"
							   " refreshed_at = excluded.refreshed_at",
							   2, types, values, NULL, false, 0);
	if (rc != SPI_OK_INSERT)
		elog(ERROR, "SPI_execute_with_args: %s", SPI_result_code_string(rc));
	looked = full ? -1 : refresh_changed(&rels, start, former);
	if (looked < 0)
		looked = refresh_all(as_of);

	/* Nobody knows what changes until the triggers are on again. */
	if (!watched && SPI_execute("DELETE FROM authz.user_stats_state", false, 0) != SPI_OK_DELETE)
		elog(ERROR, "could not forget up to when the statistics are");
	SPI_finish();
	PG_RETURN_INT64(looked);
}
