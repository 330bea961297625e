/*-------------------------------------------------------------------------
 *
 * audit.c
 *	  Audit records that must outlive the transaction that they are about.
 *
 * Changes are recorded by triggers, in their own transaction (sql/audit.sql).
 * Failed attempts and decisions must survive a rollback, and come from
 * read-only transactions too.  Where the library is preloaded, they go into a
 * ring in shared memory, one for each database, which audit_drain() writes to
 * authz.audit_logs: attempts as JSON, decisions packed (audit_decision.c).
 * What is drained leaves the ring when that transaction commits, so nothing is
 * lost by its rollback.  A record that finds the ring full is counted; the
 * drain writes the count as a record.
 *
 * A right password is recorded by the session that it began, and so would be
 * tried unseen by who rolls that back: the record of it waits here for the end
 * of its transaction, and is kept when that, or its subtransaction, aborts.
 *
 * On a standby and where the library is not preloaded, a record is a line of
 * the server's log.
 *
 * Locking: rings_lock guards which ring belongs to whom, a ring's own lock its
 * positions and content.  Nothing that can raise runs under the latter.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"
#include "compat.h"

#include "access/xact.h"
#include "access/xlog.h"
#include "catalog/pg_type.h"
#include "commands/dbcommands.h"
#include "common/pg_prng.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "funcapi.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "port/atomics.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "storage/lwlock.h"
#include "storage/proc.h"
#include "storage/shmem.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/datetime.h"
#include "utils/fmgrprotos.h"
#include "utils/guc.h"
#include "utils/json.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/syscache.h"
#include "utils/timestamp.h"
#include "utils/typcache.h"

#include "audit.h"
#include "audit_decision.h"
#include "relation.h"

/* Databases of one server that have a ring; those that come later use the log. */
#define RINGS 16

/* Bytes of an account's name that are recorded: what an email may have. */
#define MAX_ACCOUNT 254

typedef struct Ring
{
	Oid			database;		/* InvalidOid: free */
	LWLock	   *lock;
	uint64		head;			/* bytes ever written */
	uint64		tail;			/* bytes ever drained */
	uint64		lost;			/* records that found it full, since the last drain */
	uint64		lost_ever;
	Latch	   *drainer;		/* to wake when it fills; may be out of date */
	int			drainer_pid;	/* of the worker that asked last */
	TimestampTz drained_at;
} Ring;

typedef struct AuditControl
{
	LWLock	   *rings_lock;
	Ring		rings[RINGS];
} AuditControl;

typedef enum AuditMode
{
	AUDIT_NONE,
	AUDIT_DENY,
	AUDIT_SAMPLED,
	AUDIT_ALL
} AuditMode;

static const struct config_enum_entry audit_modes[] = {
	{"none", AUDIT_NONE, false},
	{"deny", AUDIT_DENY, false},
	{"sampled", AUDIT_SAMPLED, false},
	{"all", AUDIT_ALL, false},
	{NULL, 0, false}
};

static int	audit_decisions = AUDIT_NONE;
static double audit_sample_rate = 0.01;
static int	audit_ring_size = 1024;
static int	audit_retention = 0;

static AuditControl *control = NULL;
static shmem_request_hook_type former_request = NULL;
static shmem_startup_hook_type former_startup = NULL;

/* What this transaction has drained, until it commits. */
static Ring *draining = NULL;
static uint64 drained_to;
static uint64 drained_lost;
static SubTransactionId drained_in;

/* A record to keep when its transaction aborts; in TopTransactionContext. */
typedef struct IfAborted
{
	struct IfAborted *next;
	SubTransactionId in;
	uint32		len;
	char		json[FLEXIBLE_ARRAY_MEMBER];
} IfAborted;

/* The newest first. */
static IfAborted *if_aborted = NULL;

PG_FUNCTION_INFO_V1(authz_audit_keep_sql);
PG_FUNCTION_INFO_V1(authz_audit_drain);
PG_FUNCTION_INFO_V1(authz_audit_state);

/* ---------------------------------------------------------------- the ring */

static Size
ring_bytes(void)
{
	return (Size) audit_ring_size * 1024;
}

static char *
ring_data(Ring *ring)
{
	return (char *) control + MAXALIGN(sizeof(AuditControl)) +
		(ring - control->rings) * ring_bytes();
}

static Size
control_size(void)
{
	return add_size(MAXALIGN(sizeof(AuditControl)), mul_size(RINGS, ring_bytes()));
}

static void
audit_request(void)
{
	if (former_request != NULL)
		former_request();
	if (audit_ring_size == 0)
		return;
	RequestAddinShmemSpace(control_size());
	RequestNamedLWLockTranche("authz audit", RINGS + 1);
}

static void
audit_startup(void)
{
	bool		found;

	if (former_startup != NULL)
		former_startup();
	control = NULL;
	if (audit_ring_size == 0)
		return;
	LWLockAcquire(AddinShmemInitLock, LW_EXCLUSIVE);
	control = ShmemInitStruct("authz audit", control_size(), &found);
	if (!found)
	{
		LWLockPadded *locks = GetNamedLWLockTranche("authz audit");

		MemSet(control, 0, sizeof(AuditControl));
		control->rings_lock = &locks[RINGS].lock;
		for (int i = 0; i < RINGS; i++)
			control->rings[i].lock = &locks[i].lock;
	}
	LWLockRelease(AddinShmemInitLock);
}

/* Give the ring of a database that was dropped back, with what waits in it. */
static void
ring_reclaim(void)
{
	Oid			databases[RINGS];

	LWLockAcquire(control->rings_lock, LW_SHARED);
	for (int i = 0; i < RINGS; i++)
		databases[i] = control->rings[i].database;
	LWLockRelease(control->rings_lock);
	for (int i = 0; i < RINGS; i++)
	{
		Ring	   *ring = &control->rings[i];

		if (!OidIsValid(databases[i]) || SearchSysCacheExists1(DATABASEOID, ObjectIdGetDatum(databases[i])))
			continue;
		LWLockAcquire(control->rings_lock, LW_EXCLUSIVE);
		if (ring->database == databases[i])
		{
			ring->database = InvalidOid;
			ring->head = ring->tail = 0;
			ring->lost = ring->lost_ever = 0;
			ring->drainer = NULL;
			ring->drainer_pid = 0;
			ring->drained_at = 0;
		}
		LWLockRelease(control->rings_lock);
		return;
	}
}

/* This database's ring, made when it is missing; NULL: there is none to have. */
static Ring *
ring_find(void)
{
	Ring	   *empty = NULL;

	LWLockAcquire(control->rings_lock, LW_EXCLUSIVE);
	for (int i = 0; i < RINGS; i++)
	{
		Ring	   *ring = &control->rings[i];

		if (ring->database == MyDatabaseId)
		{
			empty = ring;
			break;
		}
		if (empty == NULL && ring->database == InvalidOid)
			empty = ring;
	}
	if (empty != NULL)
		empty->database = MyDatabaseId;
	LWLockRelease(control->rings_lock);
	return empty;
}

static Ring *
ring_get(void)
{
	static Ring *mine = NULL;

	if (control == NULL || RecoveryInProgress())
		return NULL;
	if (mine != NULL)
		return mine;
	mine = ring_find();
	if (mine == NULL && IsTransactionState())
	{
		ring_reclaim();
		mine = ring_find();
	}
	return mine;
}

/* Copy to a position, around the end. */
static void
ring_write(Ring *ring, uint64 at, const void *bytes, uint32 len)
{
	Size		offset = at % ring_bytes();
	Size		first = Min(len, ring_bytes() - offset);

	memcpy(ring_data(ring) + offset, bytes, first);
	memcpy(ring_data(ring), (const char *) bytes + first, len - first);
}

static void
ring_read(Ring *ring, uint64 at, void *bytes, uint32 len)
{
	Size		offset = at % ring_bytes();
	Size		first = Min(len, ring_bytes() - offset);

	memcpy(bytes, ring_data(ring) + offset, first);
	memcpy((char *) bytes + first, ring_data(ring), len - first);
}

/* A record in the ring: the length of what follows, what it is, its bytes. */
typedef enum RecordKind
{
	RECORD_JSON = 'j',
	RECORD_DECISION = 'd'
} RecordKind;

typedef struct RecordHead
{
	uint32		len;
	uint32		kind;
} RecordHead;

static void
ring_put(Ring *ring, RecordKind kind, const char *bytes, uint32 len)
{
	RecordHead	head = {len, kind};
	bool		first_lost = false;
	Latch	   *wake = NULL;

	LWLockAcquire(ring->lock, LW_EXCLUSIVE);
	if (ring_bytes() - (ring->head - ring->tail) < sizeof(head) + len)
	{
		first_lost = ring->lost++ == 0;
		ring->lost_ever++;
	}
	else
	{
		ring_write(ring, ring->head, &head, sizeof(head));
		ring_write(ring, ring->head + sizeof(head), bytes, len);
		ring->head += sizeof(head) + len;
		if (ring->head - ring->tail > ring_bytes() / 2)
			wake = ring->drainer;
	}
	LWLockRelease(ring->lock);
	if (wake != NULL)
		SetLatch(wake);
	if (first_lost)
		ereport(LOG_SERVER_ONLY,
				(errmsg("the audit ring of database \"%s\" is full",
						/* No catalog is read while a transaction aborts. */
						IsTransactionState() ? get_database_name(MyDatabaseId) : psprintf("OID %u", MyDatabaseId)),
				 errdetail("Records are lost, and counted, until it is drained."),
				 errhint("Name the database in authz.worker_databases, call authz.maintain() more often, or raise authz.audit_ring_size.")));
}

static void
log_record(const char *json)
{
	ereport(LOG_SERVER_ONLY,
			(errmsg("authz audit: %s", json), errhidestmt(true), errhidecontext(true)));
}

/* Keep a record whatever becomes of the transaction; false: only in the log. */
static bool
audit_keep(const char *json, uint32 len)
{
	Ring	   *ring = ring_get();

	if (ring == NULL)
	{
		log_record(json);
		return false;
	}
	ring_put(ring, RECORD_JSON, json, len);
	return true;
}

bool
authz_audit_pending(void)
{
	Ring	   *ring = ring_get();
	bool		pending;

	if (ring == NULL)
		return false;
	LWLockAcquire(ring->lock, LW_EXCLUSIVE);
	ring->drainer = &MyProc->procLatch;
	ring->drainer_pid = MyProcPid;
	pending = ring->head != ring->tail || ring->lost > 0;
	LWLockRelease(ring->lock);
	return pending;
}

/* -------------------------------------------------------------- the records */

static void
put_member(StringInfo buf, const char *name, const char *value, int len)
{
	appendStringInfo(buf, "%s\"%s\": ", buf->len > 1 ? ", " : "", name);
	escape_json(buf, len < 0 ? value : pnstrdup(value, len));
}

static void
record_begin(StringInfo buf, const char *event)
{
	char		stamp[MAXDATELEN + 1];
	char	   *role;

	initStringInfo(buf);
	appendStringInfoChar(buf, '{');
	JsonEncodeDateTime(stamp, TimestampTzGetDatum(GetCurrentTimestamp()), TIMESTAMPTZOID, NULL);
	put_member(buf, "created_at", stamp, -1);
	put_member(buf, "event", event, -1);
	role = GetUserNameFromId(GetSessionUserId(), true);
	put_member(buf, "role_name", role == NULL ? "" : role, -1);
}

bool
authz_audit_wanted(void)
{
	switch ((AuditMode) audit_decisions)
	{
		case AUDIT_NONE:
			return false;
		case AUDIT_SAMPLED:
			return pg_prng_double(&pg_global_prng_state) < audit_sample_rate;
		case AUDIT_DENY:
		case AUDIT_ALL:
			break;
	}
	return true;
}

/* The rows of authz.audit_logs. */
static TupleDesc
audit_logs_desc(void)
{
	return lookup_rowtype_tupdesc_copy(get_rel_type_id(authz_relations()->audit_logs), -1);
}

/* Where there is no ring: a line of JSON, of the row's columns. */
static void
log_decision(const char *bytes)
{
	HeapTuple	row = authz_audit_unpack(bytes, audit_logs_desc());
	Datum		json = DirectFunctionCall1(row_to_json, HeapTupleHeaderGetDatum(row->t_data));

	log_record(TextDatumGetCString(DirectFunctionCall1(json_strip_nulls, json)));
}

void
authz_audit_decision(const AuthzPolicyVersion *version, const CedarRequest *request,
					 const CedarDecision *decision, instr_time started)
{
	instr_time	took;
	const char *bytes;
	uint32		len;
	Ring	   *ring;

	if (audit_decisions == AUDIT_DENY && decision->allow)
		return;
	INSTR_TIME_SET_CURRENT(took);
	INSTR_TIME_SUBTRACT(took, started);
	bytes = authz_audit_pack(version, request, decision, (int64) INSTR_TIME_GET_MICROSEC(took), &len);
	ring = ring_get();
	if (ring != NULL)
		ring_put(ring, RECORD_DECISION, bytes, len);
	else
		log_decision(bytes);
}

/* Write one record in this transaction. */
static void
audit_write(const char *json)
{
	Oid			types[1] = {TEXTOID};
	Datum		values[1] = {CStringGetTextDatum(json)};
	int			rc;

	SPI_connect();
	rc = SPI_execute_with_args("SELECT authz.audit_write(json_build_array($1::json))",
							   1, types, values, NULL, false, 0);
	if (rc != SPI_OK_SELECT)
		elog(ERROR, "SPI_execute_with_args: %s", SPI_result_code_string(rc));
	SPI_finish();
}

static void
attempt_record(StringInfo buf, const char *result, const text *account, const text *address)
{
	record_begin(buf, "login_failed");
	appendStringInfo(buf, ", \"details\": {\"result\": \"%s\"}", result);
	put_member(buf, "account", VARDATA_ANY(account),
			   pg_mbcliplen(VARDATA_ANY(account), VARSIZE_ANY_EXHDR(account), MAX_ACCOUNT));
	if (address != NULL)
		put_member(buf, "address", VARDATA_ANY(address), VARSIZE_ANY_EXHDR(address));
	appendStringInfoChar(buf, '}');
}

void
authz_audit_attempt(const char *result, const text *account, const text *address)
{
	StringInfoData buf;

	attempt_record(&buf, result, account, address);
	if (!audit_keep(buf.data, buf.len) && !XactReadOnly && !IsInParallelMode())
		audit_write(buf.data);
}

/* Keep those of this subtransaction and of those within it, which began later. */
static void
keep_aborted(SubTransactionId from)
{
	for (; if_aborted != NULL && if_aborted->in >= from; if_aborted = if_aborted->next)
		(void) audit_keep(if_aborted->json, if_aborted->len);
}

static void
attempt_ended(XactEvent event, void *arg)
{
	if (event == XACT_EVENT_COMMIT || event == XACT_EVENT_PARALLEL_COMMIT)
		if_aborted = NULL;
	else if (event == XACT_EVENT_ABORT || event == XACT_EVENT_PARALLEL_ABORT)
		keep_aborted(TopSubTransactionId);
	else if (event == XACT_EVENT_PRE_PREPARE && if_aborted != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("cannot PREPARE a transaction that has verified a password")));
}

static void
attempt_subtransaction_ended(SubXactEvent event, SubTransactionId mine,
							 SubTransactionId parent, void *arg)
{
	if (event == SUBXACT_EVENT_ABORT_SUB)
		keep_aborted(mine);
}

void
authz_audit_right(const text *account, const text *address)
{
	static bool registered = false;
	StringInfoData buf;
	IfAborted  *record;

	attempt_record(&buf, "rolled_back", account, address);
	if (!registered)
	{
		RegisterXactCallback(attempt_ended, NULL);
		RegisterSubXactCallback(attempt_subtransaction_ended, NULL);
		registered = true;
	}
	/* Now, while the catalog can be read. */
	(void) ring_get();
	record = MemoryContextAlloc(TopTransactionContext, offsetof(IfAborted, json) + buf.len + 1);
	record->next = if_aborted;
	record->in = GetCurrentSubTransactionId();
	record->len = buf.len;
	memcpy(record->json, buf.data, buf.len + 1);
	if_aborted = record;
}

static int
id_compare(const ListCell *a, const ListCell *b)
{
	return strcmp(lfirst(a), lfirst(b));
}

void
authz_audit_policy_change(Relation rel, const char *action, const char *set,
						  int64 version, int64 rows, List *ids)
{
	static SPIPlanPtr plan = NULL;
	Oid			types[4] = {TEXTOID, TEXTOID, INT8OID, JSONBOID};
	Datum		values[4] = {CStringGetTextDatum(action)};
	StringInfoData details;

	initStringInfo(&details);
	appendStringInfoString(&details, "{\"table\": ");
	escape_json(&details, RelationGetRelationName(rel));
	if (set != NULL)
	{
		ListCell   *lc;

		values[1] = CStringGetTextDatum(set);
		values[2] = Int64GetDatum(version);
		appendStringInfo(&details, ", \"rows\": " INT64_FORMAT ", \"ids\": [", rows);
		list_sort(ids, id_compare);
		foreach(lc, ids)
		{
			if (lc != list_head(ids))
				appendStringInfoChar(&details, ',');
			escape_json(&details, lfirst(lc));
		}
		appendStringInfoChar(&details, ']');
	}
	appendStringInfoChar(&details, '}');
	values[3] = DirectFunctionCall1(jsonb_in, CStringGetDatum(details.data));
	authz_execute_as_owner_of(rel, &plan,
							  "INSERT INTO authz.audit_logs (event, action, target, policy_set, policy_version, details)"
							  " VALUES ('policy_change', $1, $2, $2, $3, $4)",
							  lengthof(types), types, values, set != NULL ? NULL : " nn ");
}

/* audit_keep(record json) → boolean: false: it is only in the server's log. */
Datum
authz_audit_keep_sql(PG_FUNCTION_ARGS)
{
	text	   *json = PG_GETARG_TEXT_PP(0);

	PG_RETURN_BOOL(audit_keep(text_to_cstring(json), VARSIZE_ANY_EXHDR(json)));
}

/* ---------------------------------------------------------------- draining */

static void
drain_ended(XactEvent event, void *arg)
{
	if (draining == NULL)
		return;
	if (event == XACT_EVENT_COMMIT)
	{
		LWLockAcquire(draining->lock, LW_EXCLUSIVE);
		draining->tail = drained_to;
		draining->lost -= drained_lost;
		draining->drained_at = GetCurrentTimestamp();
		LWLockRelease(draining->lock);
		draining = NULL;
	}
	else if (event == XACT_EVENT_ABORT)
		draining = NULL;
	else if (event == XACT_EVENT_PRE_PREPARE)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("cannot PREPARE a transaction that has drained the audit ring")));
}

static void
drain_subtransaction_ended(SubXactEvent event, SubTransactionId mine,
						   SubTransactionId parent, void *arg)
{
	/* A subtransaction that began after the drain is not one it was in. */
	if (event == SUBXACT_EVENT_ABORT_SUB && draining != NULL && mine <= drained_in)
		draining = NULL;
}

/* audit_drain(max_records integer) → bigint: those written */
Datum
authz_audit_drain(PG_FUNCTION_ARGS)
{
	static bool registered = false;
	int32		most = PG_GETARG_INT32(0);
	Ring	   *ring = ring_get();
	StringInfoData json;
	TupleDesc	desc;
	Oid			row_type;
	Datum	   *decisions;
	int			n_decisions = 0;
	int			room = 1024;
	Size		bytes = 0;
	uint64		at,
				head,
				lost;
	int64		n = 0;
	Oid			types[3] = {TEXTOID, INT8OID};
	Datum		values[3];

	if (ring == NULL || draining != NULL)
		PG_RETURN_INT64(0);
	/* One drains at a time; the other need not wait. */
	if (!authz_job_lock("audit_drain", false))
		PG_RETURN_INT64(0);
	SPI_connect();
	if (!registered)
	{
		RegisterXactCallback(drain_ended, NULL);
		RegisterSubXactCallback(drain_subtransaction_ended, NULL);
		registered = true;
	}
	LWLockAcquire(ring->lock, LW_SHARED);
	at = ring->tail;
	head = ring->head;
	lost = ring->lost;
	LWLockRelease(ring->lock);
	/* Nobody else moves the tail, so what lies behind the head stays. */
	initStringInfo(&json);
	desc = audit_logs_desc();
	row_type = desc->tdtypeid;
	decisions = palloc(room * sizeof(Datum));
	while (at < head && n < most && bytes < (Size) 16 * 1024 * 1024)
	{
		RecordHead	record;

		ring_read(ring, at, &record, sizeof(record));
		at += sizeof(record);
		if (record.kind == RECORD_DECISION)
		{
			char	   *packed = palloc(record.len);

			ring_read(ring, at, packed, record.len);
			if (n_decisions == room)
				decisions = repalloc(decisions, (room *= 2) * sizeof(Datum));
			decisions[n_decisions++] = HeapTupleHeaderGetDatum(authz_audit_unpack(packed, desc)->t_data);
			pfree(packed);
		}
		else
		{
			enlargeStringInfo(&json, record.len + 2);
			appendStringInfoChar(&json, json.len == 0 ? '[' : ',');
			ring_read(ring, at, json.data + json.len, record.len);
			json.len += record.len;
			json.data[json.len] = '\0';
		}
		at += record.len;
		bytes += record.len;
		n++;
	}
	appendStringInfoString(&json, json.len == 0 ? "[]" : "]");
	if (n > 0 || lost > 0)
	{
		types[2] = get_array_type(row_type);
		values[0] = CStringGetTextDatum(json.data);
		values[1] = Int64GetDatum((int64) lost);
		values[2] = PointerGetDatum(construct_array(decisions, n_decisions, row_type, -1, false, TYPALIGN_DOUBLE));
		if (SPI_execute_with_args("SELECT authz.audit_write_drained($1::json, $2, $3)",
								  3, types, values, NULL, false, 0) != SPI_OK_SELECT)
			elog(ERROR, "could not write audit records");
	}
	SPI_finish();
	draining = ring;
	drained_to = at;
	drained_lost = lost;
	drained_in = GetCurrentSubTransactionId();
	PG_RETURN_INT64(n);
}

/*
 * audit_state() → (sink text, ring_bytes bigint, used bigint, lost bigint,
 * worker integer, drained_at timestamptz)
 */
Datum
authz_audit_state(PG_FUNCTION_ARGS)
{
	Ring	   *ring = ring_get();
	TupleDesc	desc;
	Datum		values[6] = {0};
	bool		nulls[6] = {false, true, true, true, true, true};

	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	values[0] = CStringGetTextDatum(ring == NULL ? "server log" : "ring");
	if (ring != NULL)
	{
		LWLockAcquire(ring->lock, LW_SHARED);
		values[1] = Int64GetDatum((int64) ring_bytes());
		values[2] = Int64GetDatum((int64) (ring->head - ring->tail));
		values[3] = Int64GetDatum((int64) ring->lost_ever);
		values[4] = Int32GetDatum(ring->drainer_pid);
		values[5] = TimestampTzGetDatum(ring->drained_at);
		nulls[1] = nulls[2] = nulls[3] = false;
		nulls[4] = ring->drainer_pid == 0;
		nulls[5] = ring->drained_at == 0;
		LWLockRelease(ring->lock);
	}
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(desc), values, nulls)));
}

void
authz_audit_init(void)
{
	DefineCustomEnumVariable("authz.audit_decisions",
							 "Which decisions of authz_check and its relatives are audited.",
							 NULL,
							 &audit_decisions,
							 AUDIT_NONE,
							 audit_modes,
							 PGC_SUSET, 0,
							 NULL, NULL, NULL);
	DefineCustomIntVariable("authz.audit_retention",
							"How many days audit records are kept; 0: for ever.",
							"maintain() drops months that are older as a whole.",
							&audit_retention,
							0, 0, 36600,
							PGC_SUSET, 0,
							NULL, NULL, NULL);
	DefineCustomRealVariable("authz.audit_sample_rate",
							 "The share of decisions that are audited with authz.audit_decisions = sampled.",
							 NULL,
							 &audit_sample_rate,
							 0.01, 0, 1,
							 PGC_SUSET, 0,
							 NULL, NULL, NULL);
	if (!process_shared_preload_libraries_in_progress)
		return;
	DefineCustomIntVariable("authz.audit_ring_size",
							"Memory for audit records that wait to be written, for each of 16 databases.",
							"0: they go to the server's log.",
							&audit_ring_size,
							1024, 0, 1024 * 1024,
							PGC_POSTMASTER, GUC_UNIT_KB,
							NULL, NULL, NULL);
	former_request = shmem_request_hook;
	shmem_request_hook = audit_request;
	former_startup = shmem_startup_hook;
	shmem_startup_hook = audit_startup;
	authz_worker_init();
}
