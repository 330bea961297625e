/*-------------------------------------------------------------------------
 *
 * audit.h
 *	  Audit records that must outlive the transaction that they are about.
 *
 *-------------------------------------------------------------------------
 */
#ifndef AUTHZ_AUDIT_H
#define AUTHZ_AUDIT_H

#include "nodes/pg_list.h"
#include "portability/instr_time.h"
#include "utils/rel.h"

#include "cedar/cedar.h"
#include "policy.h"

/* Is this decision, whatever it will be, perhaps to be recorded?  Asked before it. */
extern bool authz_audit_wanted(void);

/* Record it, if its outcome is of those wanted; it took since started. */
extern void authz_audit_decision(const AuthzPolicyVersion *version,
								 const CedarRequest *request,
								 const CedarDecision *decision,
								 instr_time started);

/*
 * Record that an attempt to sign in failed: wrong, throttled, busy.  account
 * and address are text; address may be NULL.
 */
extern void authz_audit_attempt(const char *result, const text *account,
								const text *address);

/*
 * Record as failed (rolled_back) an attempt that was right, should the
 * transaction or subtransaction that it is in abort.
 */
extern void authz_audit_right(const text *account, const text *address);

/* As many names of changed policies does a record have at most. */
#define AUTHZ_AUDIT_IDS 100

/*
 * Record, in this transaction, that rows of a table of the policy store were
 * written: INSERT, UPDATE, DELETE, or TRUNCATE of all of it, with set NULL.
 * ids are the names (char *) of the first of them; they are put in order.
 */
extern void authz_audit_policy_change(Relation rel, const char *action, const char *set,
									  int64 version, int64 rows, List *ids);

/* Before the GUC prefix is reserved. */
extern void authz_audit_init(void);

/* worker.c: the background workers, registered at the server's start. */
extern void authz_worker_init(void);

/* Has the ring of this database something to drain? Notes the caller as its drainer. */
extern bool authz_audit_pending(void);

/*
 * Take, until the transaction ends, the lock of a job of this database that only
 * one does at a time; false when another has it, unless it is to be waited for.
 * It is no advisory lock: anybody could hold those, and keep the audit ring from
 * being drained.
 */
extern bool authz_job_lock(const char *job, bool wait);

#endif							/* AUTHZ_AUDIT_H */
