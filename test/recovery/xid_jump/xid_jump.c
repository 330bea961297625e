/*-------------------------------------------------------------------------
 *
 * xid_jump.c
 *	  For test/recovery/entity_cache alone: lets 2^32 transactions pass at
 *	  once.
 *
 * A transaction's number is 32 bits in a row, and comes again.  The server
 * does not let that happen while a row of the first round could be mistaken
 * for one of the second, and has all tables frozen before; a cache in a session
 * has to keep up by itself.  xid_jump(n) makes n, 64 bits, the number of the
 * next transaction.  It goes forward by less than a round as to the low 32
 * bits: all that commit logs have to say of the numbers is there.  All rows
 * must be frozen.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/transam.h"
#include "fmgr.h"
#include "storage/lwlock.h"

#if PG_VERSION_NUM >= 170000
#define SHARED TransamVariables
#else
#define SHARED ShmemVariableCache
#endif

PG_MODULE_MAGIC;

PG_FUNCTION_INFO_V1(xid_jump);

Datum
xid_jump(PG_FUNCTION_ARGS)
{
	FullTransactionId next = FullTransactionIdFromU64(PG_GETARG_INT64(0));
	FullTransactionId completed = next;

	FullTransactionIdRetreat(&completed);
	LWLockAcquire(XidGenLock, LW_EXCLUSIVE);
	LWLockAcquire(ProcArrayLock, LW_EXCLUSIVE);
	SHARED->nextXid = next;
	SHARED->latestCompletedXid = completed;
	SHARED->xactCompletionCount++;
	LWLockRelease(ProcArrayLock);
	LWLockRelease(XidGenLock);
	PG_RETURN_VOID();
}
