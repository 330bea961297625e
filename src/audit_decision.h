/*-------------------------------------------------------------------------
 *
 * audit_decision.h
 *	  The record of a decision: packed by who decides, unpacked by who drains.
 *
 *-------------------------------------------------------------------------
 */
#ifndef AUTHZ_AUDIT_DECISION_H
#define AUTHZ_AUDIT_DECISION_H

#include "access/htup.h"
#include "access/tupdesc.h"

#include "cedar/cedar.h"
#include "policy.h"

/* Columns of authz.audit_logs, by number. */
#define Anum_audit_logs_id				1
#define Anum_audit_logs_created_at		2
#define Anum_audit_logs_event			3
#define Anum_audit_logs_actor			4
#define Anum_audit_logs_target			5
#define Anum_audit_logs_action			6
#define Anum_audit_logs_role_name		7
#define Anum_audit_logs_session_id		8
#define Anum_audit_logs_decision		9
#define Anum_audit_logs_reasons			10
#define Anum_audit_logs_errors			11
#define Anum_audit_logs_policy_set		12
#define Anum_audit_logs_policy_version	13
#define Anum_audit_logs_snapshot		14
#define Anum_audit_logs_duration		15
#define Anum_audit_logs_details			16
#define Natts_audit_logs				16

/*
 * The record of a decision that took so many microseconds; *len is its length.
 * It lives until the next call, at most as long as the current memory context.
 */
extern const char *authz_audit_pack(const AuthzPolicyVersion *version,
									const CedarRequest *request,
									const CedarDecision *decision,
									int64 took, uint32 *len);

/* The row of authz.audit_logs that it is, without an id. */
extern HeapTuple authz_audit_unpack(const char *bytes, TupleDesc desc);

#endif							/* AUTHZ_AUDIT_DECISION_H */
