/*-------------------------------------------------------------------------
 *
 * audit.h
 *	  Audit records that must outlive the transaction that they are about.
 *
 *-------------------------------------------------------------------------
 */
#ifndef AUTHZ_AUDIT_H
#define AUTHZ_AUDIT_H

#include "portability/instr_time.h"

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

/* Before the GUC prefix is reserved. */
extern void authz_audit_init(void);

/* worker.c: the background workers, registered at the server's start. */
extern void authz_worker_init(void);

/* Has the ring of this database something to drain? Notes the caller as its drainer. */
extern bool authz_audit_pending(void);

#endif							/* AUTHZ_AUDIT_H */
