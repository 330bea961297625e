/*-------------------------------------------------------------------------
 *
 * statement.c
 *	  What identifies a statement, and what is remembered for one.
 *
 * A decision asked for each row of a scan must use one version of the
 * policies and may remember the entities it has read.  Both hang on the
 * statement, and PostgreSQL has no name for that.  Ours is
 *
 *	 - the contents of the active snapshot, its curcid included.  Under READ
 *	   COMMITTED every statement takes a snapshot, and two with the same
 *	   contents have no commit between them;
 *	 - under REPEATABLE READ and SERIALIZABLE, where all statements of a
 *	   transaction share a snapshot, also the time at which the portal was
 *	   made (the statement's timestamp, and the same for each FETCH from a
 *	   cursor) and the statement's place in a query string of several;
 *	 - what an aborted subtransaction may have shown goes with it: two
 *	   statements around a ROLLBACK TO can have identical snapshots and
 *	   different contents.  Whatever was remembered since the subtransaction
 *	   began is forgotten; what is older cannot have seen its changes, and a
 *	   statement that goes on after a nested block's failure keeps its
 *	   version.
 *
 * Memory: one context under TopMemoryContext, emptied when the transaction
 * ends.  Beyond STATEMENTS_MAX the least recently used is dropped, unless it is
 * the query of a portal that is still open: a cursor, or the loop of a
 * function over a query, comes back between other statements.  What is dropped
 * may still be running, inside of a function.  It can be told when it comes
 * back, because snapshots, command ids and portals of statements that begin
 * are newer than those of all before; policy.c then sees to it that it does
 * not change over to another version.
 *
 * A command that is still writing shows an inner statement (of a function
 * that it calls) its rows so far, and the next inner statement more of them,
 * under the same key.  AuthzWrite is there for that: while one is open nothing
 * read from its table is remembered.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"
#include "compat.h"

#include "access/xact.h"
#include "executor/execdesc.h"
#include "nodes/plannodes.h"
#include "tcop/pquery.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/portal.h"
#include "utils/snapmgr.h"

#include "entity.h"
#include "policy.h"
#include "statement.h"

#define STATEMENTS_MAX 256

static dlist_head statements = DLIST_STATIC_INIT(statements);
static int	statement_count = 0;
static slist_head writes = SLIST_STATIC_INIT(writes);
static MemoryContext statement_cxt = NULL;

/* An open portal whose query is the statement; in the portal's memory. */
typedef struct StatementHold
{
	MemoryContextCallback callback;
	Portal		portal;
	AuthzStatement *statement;	/* NULL: it is gone */
	dlist_node	node;			/* in the statement's holds */
} StatementHold;

/*
 * When a statement began.  None of these goes back from one that begins to the
 * next; under one and the same xmax, fewer and fewer transactions are in
 * progress.
 */
typedef struct StatementAge
{
	TransactionId xmax;
	int64		running;
	CommandId	curcid;
	TimestampTz started;
	int			location;
} StatementAge;

/* The newest of all that was dropped in this transaction. */
static StatementAge dropped_age;
static bool dropped_any = false;

static void
hold_end(void *arg)
{
	StatementHold *hold = arg;

	if (hold->statement != NULL)
		dlist_delete(&hold->node);
	hold->statement = NULL;
}

/* Hold it for the active portal, if the snapshot is that of its query. */
static void
statement_hold(AuthzStatement *statement, Snapshot snapshot)
{
	Portal		portal = ActivePortal;
	StatementHold *hold;
	dlist_iter	iter;

	if (portal == NULL || portal->queryDesc == NULL ||
		portal->queryDesc->snapshot != snapshot)
		return;
	dlist_foreach(iter, &statement->holds)
	{
		if (dlist_container(StatementHold, node, iter.cur)->portal == portal)
			return;
	}
	hold = MemoryContextAllocZero(portal->portalContext, sizeof(StatementHold));
	hold->portal = portal;
	hold->statement = statement;
	hold->callback.func = hold_end;
	hold->callback.arg = hold;
	MemoryContextRegisterResetCallback(portal->portalContext, &hold->callback);
	dlist_push_head(&statement->holds, &hold->node);
}

static void
statement_free(AuthzStatement *statement)
{
	while (!dlist_is_empty(&statement->holds))
		hold_end(dlist_head_element(StatementHold, node, &statement->holds));
	dlist_delete(&statement->node);
	statement_count--;
	authz_policy_statement_end(statement);
	authz_entity_statement_end(statement);
	if (statement->xip != NULL)
		pfree(statement->xip);
	if (statement->subxip != NULL)
		pfree(statement->subxip);
	pfree(statement);
}

/* The half of the key that the snapshot does not hold. */
static void
statement_started(TimestampTz *started, int *location)
{
	*started = 0;
	*location = -1;
	if (!IsolationUsesXactSnapshot())
		return;
	if (ActivePortal == NULL)
	{
		*started = GetCurrentStatementStartTimestamp();
		return;
	}
	*started = ActivePortal->creation_time;
	if (ActivePortal->stmts != NIL)
		*location = linitial_node(PlannedStmt, ActivePortal->stmts)->stmt_location;
}

static bool
xids_equal(const TransactionId *a, const TransactionId *b, int n)
{
	return n <= 0 || memcmp(a, b, n * sizeof(TransactionId)) == 0;
}

static inline bool
statement_matches(const AuthzStatement *statement, Snapshot snapshot,
				  TimestampTz started, int location)
{
	return statement->curcid == snapshot->curcid &&
		statement->xmax == snapshot->xmax &&
		statement->xmin == snapshot->xmin &&
		statement->xcnt == snapshot->xcnt &&
		statement->subxcnt == snapshot->subxcnt &&
		statement->suboverflowed == snapshot->suboverflowed &&
		statement->recovery == snapshot->takenDuringRecovery &&
		statement->started == started &&
		statement->location == location &&
		xids_equal(statement->xip, snapshot->xip, snapshot->xcnt) &&
		xids_equal(statement->subxip, snapshot->subxip, snapshot->subxcnt);
}

static TransactionId *
xids_copy(const TransactionId *xids, int n)
{
	TransactionId *copy;

	if (n <= 0)
		return NULL;
	copy = MemoryContextAlloc(statement_cxt, n * sizeof(TransactionId));
	memcpy(copy, xids, n * sizeof(TransactionId));
	return copy;
}

static StatementAge
statement_age(const AuthzStatement *statement)
{
	StatementAge age = {
		.xmax = statement->xmax,
		.running = (int64) statement->xcnt + statement->subxcnt,
		.curcid = statement->curcid,
		.started = statement->started,
		.location = statement->location
	};

	return age;
}

static bool
age_is_newer(StatementAge a, StatementAge b)
{
	return TransactionIdFollows(a.xmax, b.xmax) ||
		(a.xmax == b.xmax && a.running < b.running) ||
		a.curcid > b.curcid ||
		a.started > b.started ||
		(a.started == b.started && a.location > b.location);
}

/* In each respect the newer of the two. */
static StatementAge
age_newest(StatementAge a, StatementAge b)
{
	if (a.xmax == b.xmax)
		a.running = Min(a.running, b.running);
	else if (TransactionIdFollows(b.xmax, a.xmax))
	{
		a.xmax = b.xmax;
		a.running = b.running;
	}
	a.curcid = Max(a.curcid, b.curcid);
	if (a.started == b.started)
		a.location = Max(a.location, b.location);
	else if (b.started > a.started)
	{
		a.started = b.started;
		a.location = b.location;
	}
	return a;
}

/* Make room for one more, if there is one that no portal holds. */
static void
statements_limit(void)
{
	dlist_iter	iter;

	if (statement_count < STATEMENTS_MAX)
		return;
	dlist_reverse_foreach(iter, &statements)
	{
		AuthzStatement *statement = dlist_container(AuthzStatement, node, iter.cur);
		StatementAge age;

		if (!dlist_is_empty(&statement->holds) ||
			authz_entity_statement_in_use(statement))
			continue;
		age = statement_age(statement);
		dropped_age = dropped_any ? age_newest(dropped_age, age) : age;
		dropped_any = true;
		authz_policy_statement_drop(statement);
		statement_free(statement);
		return;
	}
}

AuthzStatement *
authz_statement(void)
{
	Snapshot	snapshot;
	AuthzStatement *statement;
	TimestampTz started;
	int			location;
	dlist_iter	iter;

	if (!ActiveSnapshotSet())
		elog(ERROR, "no active snapshot for an authorization decision");
	snapshot = GetActiveSnapshot();
	if (snapshot->snapshot_type != SNAPSHOT_MVCC)
		elog(ERROR, "unsupported snapshot for an authorization decision");
	statement_started(&started, &location);

	dlist_foreach(iter, &statements)
	{
		statement = dlist_container(AuthzStatement, node, iter.cur);
		if (statement_matches(statement, snapshot, started, location))
		{
			dlist_move_head(&statements, &statement->node);
			statement_hold(statement, snapshot);
			return statement;
		}
	}

	statements_limit();
	if (statement_cxt == NULL)
		statement_cxt = AllocSetContextCreate(TopMemoryContext,
											  "authz statements",
											  ALLOCSET_SMALL_SIZES);
	statement = MemoryContextAllocZero(statement_cxt, sizeof(AuthzStatement));
	statement->xmin = snapshot->xmin;
	statement->xmax = snapshot->xmax;
	statement->xcnt = snapshot->xcnt;
	statement->xip = xids_copy(snapshot->xip, snapshot->xcnt);
	statement->subxcnt = snapshot->subxcnt;
	statement->subxip = xids_copy(snapshot->subxip, snapshot->subxcnt);
	statement->suboverflowed = snapshot->suboverflowed;
	statement->recovery = snapshot->takenDuringRecovery;
	statement->curcid = snapshot->curcid;
	statement->started = started;
	statement->location = location;
	statement->subid = GetCurrentSubTransactionId();
	statement->again = dropped_any &&
		!age_is_newer(statement_age(statement), dropped_age);
	dlist_init(&statement->holds);
	dlist_push_head(&statements, &statement->node);
	statement_count++;
	statement_hold(statement, snapshot);
	return statement;
}

void
authz_statement_walk(void (*fn) (AuthzStatement *statement, void *arg),
					 void *arg)
{
	for (int held = 0; held <= 1; held++)
	{
		dlist_iter	iter;

		dlist_reverse_foreach(iter, &statements)
		{
			AuthzStatement *statement = dlist_container(AuthzStatement, node, iter.cur);

			if (!dlist_is_empty(&statement->holds) == (bool) held)
				fn(statement, arg);
		}
	}
}

void
authz_write_begin(Oid relid)
{
	AuthzWrite *write = MemoryContextAllocZero(TopTransactionContext,
											   sizeof(AuthzWrite));

	write->relid = relid;
	write->subid = GetCurrentSubTransactionId();
	slist_push_head(&writes, &write->node);
}

AuthzWrite *
authz_write_current(Oid relid)
{
	slist_iter	iter;

	slist_foreach(iter, &writes)
	{
		AuthzWrite *write = slist_container(AuthzWrite, node, iter.cur);

		if (write->relid == relid)
			return write;
	}
	return NULL;
}

AuthzWrite *
authz_write_outer(AuthzWrite *write)
{
	slist_iter	iter;
	bool		passed = false;

	slist_foreach(iter, &writes)
	{
		AuthzWrite *each = slist_container(AuthzWrite, node, iter.cur);

		if (passed && each->relid == write->relid)
			return each;
		passed = passed || each == write;
	}
	return NULL;
}

AuthzWriteSet *
authz_write_set(AuthzWrite *write, const char *name, bool *found)
{
	AuthzWriteSet *set;
	MemoryContext old;
	ListCell   *lc;
	size_t		size;

	foreach(lc, write->sets)
	{
		set = lfirst(lc);
		*found = true;
		if (strcmp(set->name, name) == 0)
			return set;
	}
	*found = false;
	old = MemoryContextSwitchTo(TopTransactionContext);
	size = strlen(name) + 1;
	set = palloc0(offsetof(AuthzWriteSet, name) + size);
	memcpy(set->name, name, size);
	write->sets = lappend(write->sets, set);
	MemoryContextSwitchTo(old);
	return set;
}

void
authz_write_end(AuthzWrite *write)
{
	ListCell   *lc;

	slist_delete(&writes, &write->node);
	foreach(lc, write->sets)
	{
		AuthzWriteSet *set = lfirst(lc);

		list_free_deep(set->ids);
		for (AuthzWriteOp op = 0; op < AUTHZ_WRITE_OPS; op++)
			list_free_deep(set->rows[op].ids);
	}
	list_free_deep(write->sets);
	pfree(write);
}

/*
 * AFTER STATEMENT triggers fire of a command that has run to its end.  Not to
 * its end comes one with RETURNING that procedural languages are to take so
 * many rows of: it would count as no change of the policies.
 */
static void
writes_refuse_unfinished(void)
{
	slist_iter	iter;

	slist_foreach(iter, &writes)
	{
		AuthzWrite *write = slist_container(AuthzWrite, node, iter.cur);

		if (write->sets != NIL)
			ereport(ERROR,
					(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
					 errmsg("a command that wrote authz.%s did not run to its end",
							get_rel_name(write->relid)),
					 errhint("Let no limit of rows stop INSERT, UPDATE or DELETE with RETURNING.")));
	}
}

static void
statement_xact_callback(XactEvent event, void *arg)
{
	switch (event)
	{
		case XACT_EVENT_COMMIT:
		case XACT_EVENT_PARALLEL_COMMIT:
		case XACT_EVENT_ABORT:
		case XACT_EVENT_PARALLEL_ABORT:
		case XACT_EVENT_PREPARE:
			while (!dlist_is_empty(&statements))
				statement_free(dlist_head_element(AuthzStatement, node, &statements));
			dropped_any = false;
			slist_init(&writes);	/* the memory goes with the transaction */
			if (statement_cxt != NULL)
				MemoryContextReset(statement_cxt);

			/* After PREPARE this backend does not see the changes any more. */
			authz_policy_xact_end(event == XACT_EVENT_COMMIT ||
								  event == XACT_EVENT_PARALLEL_COMMIT);
			break;
		case XACT_EVENT_PRE_COMMIT:
			writes_refuse_unfinished();
			authz_policy_pre_commit();
			break;
		case XACT_EVENT_PRE_PREPARE:
			writes_refuse_unfinished();
			break;
		case XACT_EVENT_PARALLEL_PRE_COMMIT:
			break;
	}
}

static void
statement_subxact_callback(SubXactEvent event, SubTransactionId mySubid,
						   SubTransactionId parentSubid, void *arg)
{
	dlist_mutable_iter iter;
	slist_mutable_iter witer;

	if (event != SUBXACT_EVENT_ABORT_SUB)
		return;

	/*
	 * Ids grow within a transaction, so those from mySubid on are this
	 * subtransaction and what was nested in it.
	 */
	dlist_foreach_modify(iter, &statements)
	{
		AuthzStatement *statement = dlist_container(AuthzStatement, node, iter.cur);

		if (statement->subid >= mySubid)
			statement_free(statement);
		else
			authz_policy_subxact_abort(statement, mySubid);
	}
	slist_foreach_modify(witer, &writes)
	{
		AuthzWrite *write = slist_container(AuthzWrite, node, witer.cur);

		if (write->subid >= mySubid)
			slist_delete_current(&witer);
	}
	authz_policy_subxact_abort(NULL, mySubid);
}

void
authz_statement_init(void)
{
	RegisterXactCallback(statement_xact_callback, NULL);
	RegisterSubXactCallback(statement_subxact_callback, NULL);
}
