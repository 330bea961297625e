/*-------------------------------------------------------------------------
 *
 * stats.c
 *	  authz.user_stats, kept equal to the query authz.user_stats_full.
 *
 * A row trigger on authz.sessions writes each change as a difference to
 * authz.session_changes, in the changing transaction: whose session, when it
 * began, how many sessions and how much duration more or less.  A refresh takes
 * these rows away, adds what the start of the window passed over, and applies
 * the sums to authz.user_stats.  All of that is one statement under one
 * snapshot, so what it adds up is exactly what became visible since the one
 * before: a transaction still open then is not in its snapshot, and stays
 * queued.  An error or a crash in the middle leaves everything as it was.
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

#include "access/heapam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "access/xact.h"
#include "catalog/indexing.h"
#include "catalog/pg_type.h"
#include "commands/trigger.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "storage/lmgr.h"
#include "utils/fmgrprotos.h"
#include "utils/rel.h"
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
 *
 * What is looked up for each user lies behind OFFSET 0: by index then, whatever
 * the planner believes of their number.
 */
#define TAKE \
	"WITH taken AS (DELETE FROM authz.session_changes RETURNING user_id, created_at, sessions, duration), "

/* The bits count: '1 day' equals '24:00:00'. */
#define WRITE \
	", written AS (INSERT INTO authz.user_stats AS u" \
	"  (user_id, login_count, last_login, avg_session_duration, total_session_duration)" \
	"  SELECT f.user_id, f.n, f.newest, f.total / f.n::double precision, f.total FROM fresh f WHERE f.n > 0" \
	"  ON CONFLICT (user_id) DO UPDATE SET login_count = excluded.login_count, last_login = excluded.last_login," \
	"    avg_session_duration = excluded.avg_session_duration, total_session_duration = excluded.total_session_duration" \
	"  WHERE u.* *<> excluded.*) "

static const char *const refresh_changed =
TAKE
"differences AS ("
"  SELECT user_id, created_at, sessions, duration, sessions < 0 AS removed FROM taken WHERE created_at > $2"
"  UNION ALL SELECT user_id, created_at, -1, - duration, false FROM authz.sessions WHERE created_at > $2 AND created_at <= $1"
"  UNION ALL SELECT user_id, created_at, 1, duration, false FROM authz.sessions WHERE created_at > $1 AND created_at <= $2), "
"sums AS (SELECT user_id, sum(sessions) AS n, sum(duration) AS total,"
"   max(created_at) FILTER (WHERE sessions > 0) AS added, max(created_at) FILTER (WHERE removed) AS removed"
"  FROM differences GROUP BY user_id), "
"applied AS (SELECT s.user_id, u.tid AS old, coalesce(u.login_count, 0) + s.n AS n,"
"   coalesce(u.total_session_duration + s.total, s.total) AS total, greatest(u.last_login, s.added) AS newest, s.removed"
"  FROM sums s LEFT JOIN LATERAL (SELECT x.ctid AS tid, x.* FROM authz.user_stats x"
"   WHERE x.user_id = s.user_id OFFSET 0) u ON true), "
/* Not known by adding: the newest went away, or the row was not there. */
"judged AS (SELECT *, n < 0 OR (n > 0 AND coalesce(removed >= newest, newest IS NULL)) AS unknown FROM applied), "
"fresh AS MATERIALIZED (SELECT user_id, old, n, total, newest FROM judged WHERE NOT unknown"
"  UNION ALL SELECT j.user_id, j.old, s.n, s.total, s.newest FROM judged j CROSS JOIN LATERAL"
"   (SELECT count(*) AS n, sum(s.duration) AS total, max(s.created_at) AS newest FROM authz.sessions s"
"    WHERE s.user_id = j.user_id AND s.created_at > $1) s WHERE j.unknown), "
"gone AS (DELETE FROM authz.user_stats u WHERE u.ctid = ANY (ARRAY(SELECT f.old FROM fresh f WHERE f.n = 0)))"
WRITE
"SELECT (SELECT count(*) FROM fresh), EXISTS (SELECT FROM taken WHERE user_id IS NULL)";

static const char *const refresh_full =
TAKE
"fresh AS MATERIALIZED (SELECT s.user_id, count(*) AS n, sum(s.duration) AS total, max(s.created_at) AS newest"
"  FROM authz.sessions s WHERE s.created_at > $1 AND $2 IS NOT NULL GROUP BY s.user_id), "
"gone AS (DELETE FROM authz.user_stats u WHERE NOT EXISTS (SELECT FROM fresh f WHERE f.user_id = u.user_id))"
WRITE
"SELECT (SELECT count(*) FROM fresh), false";

/* Run it; says how many users it looked at, and whether all have to be. */
static int64
refresh_run(const char *command, TimestampTz start, TimestampTz former, bool *all)
{
	Oid			types[2] = {TIMESTAMPTZOID, TIMESTAMPTZOID};
	Datum		values[2] = {TimestampTzGetDatum(start), TimestampTzGetDatum(former)};
	bool		isnull;
	int			rc = SPI_execute_with_args(command, 2, types, values, NULL, false, 0);

	if (rc != SPI_OK_SELECT || SPI_processed != 1)
		elog(ERROR, "SPI_execute_with_args: %s", SPI_result_code_string(rc));
	*all = DatumGetBool(SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 2, &isnull));
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
	looked = refresh_run(full ? refresh_full : refresh_changed, start, former, &full);
	if (full)
		looked = refresh_run(refresh_full, start, former, &full);

	values[0] = TimestampTzGetDatum(as_of);
	values[1] = TimestampTzGetDatum(GetCurrentTimestamp());
	rc = SPI_execute_with_args("INSERT INTO authz.user_stats_state (as_of, refreshed_at) VALUES ($1, $2)"
							   " ON CONFLICT (only_row) DO UPDATE SET as_of = excluded.as_of,"
							   " refreshed_at = excluded.refreshed_at",
							   2, types, values, NULL, false, 0);
	if (rc != SPI_OK_INSERT)
		elog(ERROR, "SPI_execute_with_args: %s", SPI_result_code_string(rc));
	/* Nobody knows what changes until the triggers are on again. */
	if (!watched && SPI_execute("DELETE FROM authz.user_stats_state", false, 0) != SPI_OK_DELETE)
		elog(ERROR, "could not forget up to when the statistics are");
	SPI_finish();
	PG_RETURN_INT64(looked);
}
