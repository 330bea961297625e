/*-------------------------------------------------------------------------
 *
 * worker.c
 *	  The background workers: one for each database of authz.worker_databases.
 *
 * A worker drains the audit ring as soon as something waits in it, and calls
 * authz.maintain() every authz.worker_interval, and again at once while that
 * says that there is more to do.  Each pass is one transaction.
 * An error ends the pass, not the worker.  Where the extension is not there,
 * it waits for it.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"
#include "compat.h"

#include "access/xact.h"
#include "access/xlog.h"
#include "commands/extension.h"
#include "common/hashfn.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "postmaster/bgworker.h"
#include "postmaster/interrupt.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "storage/lock.h"
#include "tcop/tcopprot.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"
#include "utils/varlena.h"
#include "utils/wait_event.h"

#include "audit.h"

#define AUDIT_NAP_MS 1000

/* Tells our locks from advisory ones, whose fourth field is 1 or 2; see identity.c. */
#define JOB_LOCK_FIELD4 0xA3
#define JOB_LOCK_FIELD2 0x61757468

static char *worker_databases;
static int	worker_interval;

extern PGDLLEXPORT void authz_worker_main(Datum arg);

PG_FUNCTION_INFO_V1(authz_job_lock_sql);

PG_FUNCTION_INFO_V1(authz_wal_flush);

/* wal_flush() → void */
Datum
authz_wal_flush(PG_FUNCTION_ARGS)
{
	XLogFlush(XactLastRecEnd);
	PG_RETURN_VOID();
}

bool
authz_job_lock(const char *job, bool wait)
{
	LOCKTAG		tag = {
		.locktag_field1 = MyDatabaseId,
		.locktag_field2 = JOB_LOCK_FIELD2,
		.locktag_field3 = hash_bytes((const unsigned char *) job, strlen(job)),
		.locktag_field4 = JOB_LOCK_FIELD4,
		.locktag_type = LOCKTAG_ADVISORY,
		.locktag_lockmethodid = USER_LOCKMETHOD
	};

	return LockAcquire(&tag, ExclusiveLock, false, !wait) != LOCKACQUIRE_NOT_AVAIL;
}

/* job_lock(job text, wait boolean) → boolean */
Datum
authz_job_lock_sql(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(authz_job_lock(text_to_cstring(PG_GETARG_TEXT_PP(0)), PG_GETARG_BOOL(1)));
}

static void
worker_query(const char *command)
{
	pgstat_report_activity(STATE_RUNNING, command);
	if (SPI_execute(command, false, 0) != SPI_OK_SELECT)
		elog(ERROR, "unexpected result of \"%s\"", command);
}

/* One transaction; says whether there is more of it to do at once. */
static bool
worker_pass(bool maintain)
{
	bool		more = false;

	SetCurrentStatementStartTimestamp();
	StartTransactionCommand();
	PushActiveSnapshot(GetTransactionSnapshot());
	if (OidIsValid(get_extension_oid("authz", true)))
	{
		SPI_connect();
		if (maintain)
		{
			worker_query("SELECT task, result, more FROM authz.maintain()");
			for (uint64 i = 0; i < SPI_processed; i++)
			{
				HeapTuple	row = SPI_tuptable->vals[i];
				TupleDesc	desc = SPI_tuptable->tupdesc;
				bool		isnull;

				more |= DatumGetBool(SPI_getbinval(row, desc, 3, &isnull));
				ereport(LOG,
						(errmsg("authz maintenance, %s: %s",
								SPI_getvalue(row, desc, 1), SPI_getvalue(row, desc, 2))));
			}
		}
		else
			worker_query("SELECT authz.audit_drain()");
		SPI_finish();
	}
	PopActiveSnapshot();
	CommitTransactionCommand();
	pgstat_report_stat(true);
	pgstat_report_activity(STATE_IDLE, NULL);
	return more;
}

static TimestampTz
interval_from_now(void)
{
	return TimestampTzPlusMilliseconds(GetCurrentTimestamp(), (int64) worker_interval * 1000);
}

void
authz_worker_main(Datum arg)
{
	TimestampTz next = GetCurrentTimestamp();
	MemoryContext cxt = AllocSetContextCreate(TopMemoryContext, "authz worker", ALLOCSET_DEFAULT_SIZES);

	pqsignal(SIGHUP, SignalHandlerForConfigReload);
	pqsignal(SIGTERM, die);
	BackgroundWorkerUnblockSignals();
	BackgroundWorkerInitializeConnection(MyBgworkerEntry->bgw_extra, NULL, 0);
	pgstat_report_appname(MyBgworkerEntry->bgw_name);

	for (;;)
	{
		bool		maintain;
		volatile bool more = false;

		CHECK_FOR_INTERRUPTS();
		if (ConfigReloadPending)
		{
			ConfigReloadPending = false;
			ProcessConfigFile(PGC_SIGHUP);
			next = Min(next, interval_from_now());
		}
		MemoryContextSwitchTo(cxt);
		maintain = GetCurrentTimestamp() >= next;
		if (maintain)
			next = interval_from_now();
		if (authz_audit_pending() || maintain)
		{
			PG_TRY();
			{
				more = worker_pass(maintain);
			}
			PG_CATCH();
			{
				/* Ended on purpose: not here. */
				if (ProcDiePending)
					PG_RE_THROW();
				HOLD_INTERRUPTS();
				EmitErrorReport();
				AbortCurrentTransaction();
				MemoryContextSwitchTo(cxt);
				FlushErrorState();
				pgstat_report_activity(STATE_IDLE, NULL);
				RESUME_INTERRUPTS();
			}
			PG_END_TRY();
			MemoryContextReset(cxt);
		}
		if (more)
			next = GetCurrentTimestamp();
		(void) WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH,
						 more ? 0 : Min(AUDIT_NAP_MS, (long) worker_interval * 1000),
						 PG_WAIT_EXTENSION);
		ResetLatch(MyLatch);
	}
}

void
authz_worker_init(void)
{
	List	   *names;
	ListCell   *lc;

	DefineCustomStringVariable("authz.worker_databases",
							   "The databases that a background worker maintains, separated by commas.",
							   NULL,
							   &worker_databases,
							   "",
							   PGC_POSTMASTER, GUC_LIST_INPUT,
							   NULL, NULL, NULL);
	DefineCustomIntVariable("authz.worker_interval",
							"The time between two calls of maintain() by a background worker.",
							NULL,
							&worker_interval,
							60, 1, SECS_PER_DAY,
							PGC_SIGHUP, GUC_UNIT_S,
							NULL, NULL, NULL);
	if (!SplitGUCList(pstrdup(worker_databases), ',', &names))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("invalid list syntax in parameter \"%s\"", "authz.worker_databases")));
	foreach(lc, names)
	{
		BackgroundWorker worker = {
			.bgw_flags = BGWORKER_SHMEM_ACCESS | BGWORKER_BACKEND_DATABASE_CONNECTION,
			.bgw_start_time = BgWorkerStart_RecoveryFinished,
			.bgw_restart_time = 10
		};

		strlcpy(worker.bgw_library_name, "authz", sizeof(worker.bgw_library_name));
		strlcpy(worker.bgw_function_name, "authz_worker_main", sizeof(worker.bgw_function_name));
		strlcpy(worker.bgw_type, "authz worker", sizeof(worker.bgw_type));
		snprintf(worker.bgw_name, sizeof(worker.bgw_name), "authz worker for %s", (char *) lfirst(lc));
		strlcpy(worker.bgw_extra, lfirst(lc), sizeof(worker.bgw_extra));
		RegisterBackgroundWorker(&worker);
	}
}
