/*-------------------------------------------------------------------------
 *
 * stats.c
 *	  authz.user_stats, kept equal to the query authz.user_stats_full.
 *
 * A row trigger on authz.sessions queues the user of each change in
 * authz.session_changes, in the changing transaction.  A refresh takes the
 * queue, adds the users with a session between the old and the new start of
 * the window, and computes those users anew.  All of that is one statement
 * under one snapshot: a change that the snapshot does not see stays queued
 * for the next refresh, and computing a user twice gives the same.  So no
 * change is lost or counted twice whatever commits beside it, and an error or
 * a crash in the middle leaves everything as it was.
 *
 * Sessions older than window and margin queue nothing, so that removing old
 * ones costs nothing.  A refresh whose former window reaches that far back
 * therefore computes all users.
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
#include "utils/rel.h"
#include "utils/timestamp.h"
#include "utils/uuid.h"

#include "relation.h"

/* As in authz.user_stats_full. */
#define WINDOW (INT64CONST(30) * USECS_PER_DAY)
#define MARGIN (INT64CONST(7) * USECS_PER_DAY)

PG_FUNCTION_INFO_V1(authz_sessions_changed);
PG_FUNCTION_INFO_V1(authz_user_stats_refresh);

static void
queue_put(Relation queue, const Datum *user)
{
	Datum		value = user == NULL ? (Datum) 0 : *user;
	bool		isnull = user == NULL;
	HeapTuple	tuple = heap_form_tuple(RelationGetDescr(queue), &value, &isnull);

	CatalogTupleInsert(queue, tuple);
	heap_freetuple(tuple);
}

/* Is the session one that no window can reach any more? */
static bool
is_old(HeapTuple tuple, TupleDesc desc)
{
	bool		isnull;
	TimestampTz created = DatumGetTimestampTz(heap_getattr(tuple, Anum_sessions_created_at,
														   desc, &isnull));

	return created < GetCurrentTransactionStartTimestamp() - WINDOW - MARGIN;
}

/* Trigger AFTER INSERT, UPDATE, DELETE (row), TRUNCATE (statement) on authz.sessions. */
Datum
authz_sessions_changed(PG_FUNCTION_ARGS)
{
	AuthzRelations rels = *authz_relations();
	TriggerData *trigdata = (TriggerData *) fcinfo->context;
	HeapTuple	tuples[2];
	int			n = 0;
	Datum		last = (Datum) 0;
	Relation	queue;
	TupleDesc	desc;

	authz_check_trigger(fcinfo, rels.sessions, "sessions_changed");
	desc = RelationGetDescr(trigdata->tg_relation);
	if (TRIGGER_FIRED_FOR_ROW(trigdata->tg_event))
	{
		tuples[n++] = trigdata->tg_trigtuple;
		if (TRIGGER_FIRED_BY_UPDATE(trigdata->tg_event))
			tuples[n++] = trigdata->tg_newtuple;
		if (is_old(tuples[0], desc) && is_old(tuples[n - 1], desc))
			return PointerGetDatum(NULL);
	}
	queue = table_open(rels.session_changes, RowExclusiveLock);
	if (n == 0)
		queue_put(queue, NULL);
	for (int i = 0; i < n; i++)
	{
		bool		isnull;
		Datum		user = heap_getattr(tuples[i], Anum_sessions_user_id, desc, &isnull);

		/* An update seldom changes whose a session is. */
		if (i > 0 && memcmp(DatumGetUUIDP(user), DatumGetUUIDP(last), UUID_LEN) == 0)
			continue;
		queue_put(queue, &user);
		last = user;
	}
	table_close(queue, NoLock);
	return PointerGetDatum(NULL);
}

/* $1: from when on sessions count; $2, $3: what the window's start passed over. */
#define TAKE \
	"WITH taken AS (DELETE FROM authz.session_changes RETURNING user_id), "

#define WRITE \
	", written AS (INSERT INTO authz.user_stats AS u" \
	"  SELECT f.user_id, f.login_count, f.last_login, f.average FROM fresh f WHERE f.login_count > 0" \
	"  ON CONFLICT (user_id) DO UPDATE SET login_count = excluded.login_count," \
	"    last_login = excluded.last_login, avg_session_duration = excluded.avg_session_duration" \
	"  WHERE (u.login_count, u.last_login, u.avg_session_duration)" \
	"    IS DISTINCT FROM (excluded.login_count, excluded.last_login, excluded.avg_session_duration)) "

static const char *const refresh_changed =
TAKE
"changed AS (SELECT user_id FROM taken WHERE user_id IS NOT NULL UNION"
"  SELECT user_id FROM authz.sessions WHERE created_at > $2 AND created_at <= $3), "
"fresh AS MATERIALIZED (SELECT c.user_id, s.* FROM changed c CROSS JOIN LATERAL"
"  (SELECT count(*) AS login_count, max(s.created_at) AS last_login, avg(s.duration) AS average"
"   FROM authz.sessions s WHERE s.user_id = c.user_id AND s.created_at > $1) s), "
"gone AS (DELETE FROM authz.user_stats u USING fresh f WHERE f.user_id = u.user_id AND f.login_count = 0)"
WRITE
"SELECT (SELECT count(*) FROM fresh), EXISTS (SELECT FROM taken WHERE user_id IS NULL)";

static const char *const refresh_full =
TAKE
"fresh AS MATERIALIZED (SELECT s.user_id, count(*) AS login_count, max(s.created_at) AS last_login,"
"  avg(s.duration) AS average"
"  FROM authz.sessions s WHERE s.created_at > $1 AND $2 IS NOT NULL AND $3 IS NOT NULL GROUP BY s.user_id), "
"gone AS (DELETE FROM authz.user_stats u WHERE NOT EXISTS (SELECT FROM fresh f WHERE f.user_id = u.user_id))"
WRITE
"SELECT (SELECT count(*) FROM fresh), false";

/* Run it; says how many users it looked at, and whether all have to be. */
static int64
refresh_run(const char *command, TimestampTz start, TimestampTz former, bool *all)
{
	Oid			types[3] = {TIMESTAMPTZOID, TIMESTAMPTZOID, TIMESTAMPTZOID};
	Datum		values[3] = {
		TimestampTzGetDatum(start),
		TimestampTzGetDatum(Min(start, former)),
		TimestampTzGetDatum(Max(start, former))
	};
	bool		isnull;
	int			rc = SPI_execute_with_args(command, 3, types, values, NULL, false, 0);

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
	rc = SPI_execute("SELECT as_of FROM authz.user_stats_state", false, 1);
	if (rc != SPI_OK_SELECT)
		elog(ERROR, "SPI_execute: %s", SPI_result_code_string(rc));
	if (SPI_processed == 1)
	{
		bool		isnull;

		former = DatumGetTimestampTz(SPI_getbinval(SPI_tuptable->vals[0],
												   SPI_tuptable->tupdesc, 1, &isnull)) - WINDOW;
	}
	if (Min(start, former) < GetCurrentTimestamp() - WINDOW - MARGIN)
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
	SPI_finish();
	PG_RETURN_INT64(looked);
}
