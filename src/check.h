/*-------------------------------------------------------------------------
 *
 * check.h
 *	  What the decision functions share: arguments and parts of answers.
 *
 *-------------------------------------------------------------------------
 */
#ifndef AUTHZ_CHECK_H
#define AUTHZ_CHECK_H

#include "utils/jsonb.h"

#include "cedar/cedar.h"
#include "policy.h"

/* Arguments of what decides one request. */
enum
{
	AUTHZ_ARG_PRINCIPAL,
	AUTHZ_ARG_ACTION,
	AUTHZ_ARG_RESOURCE,
	AUTHZ_ARG_CONTEXT,
	AUTHZ_ARG_ENTITIES,
	AUTHZ_ARG_POLICY_SET
};

/* Read all but the policy set; *overlay is NULL where there are no entities. */
extern void authz_check_request(FunctionCallInfo fcinfo, CedarArena *arena,
								CedarRequest *request, CedarEntities **overlay);

/*
 * A context and entities as the library has them; raise when malformed.  n,
 * unless 0, is the number of the request that the context belongs to.
 */
extern const CedarRecord *authz_check_context(CedarArena *arena, Jsonb *jsonb, uint32 n);
extern CedarEntities *authz_check_entities(CedarArena *arena, Jsonb *jsonb);

/* The version that argument n, a policy set's name or null, asks for. */
extern const AuthzPolicyVersion *authz_check_version(FunctionCallInfo fcinfo, int n,
													 struct AuthzStatement *statement);

/* The ids of the policies that determined a decision, as text[]. */
extern Datum authz_check_reasons(const CedarDecision *decision,
								 const AuthzPolicyVersion *version);

/* [{"policyId": …, "error": {"message": …, …}}], as jsonb. */
extern Datum authz_check_errors(const CedarDecision *decision,
								const AuthzPolicyVersion *version);

#endif							/* AUTHZ_CHECK_H */
