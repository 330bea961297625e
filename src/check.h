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

/*
 * Read all but the policy set, for the version of that; *overlay is NULL where
 * there are no entities.
 */
extern void authz_check_request(FunctionCallInfo fcinfo, CedarArena *arena,
								const AuthzPolicyVersion *version,
								CedarRequest *request, CedarEntities **overlay);

/*
 * A context and entities as the library has them; raise when malformed.  n,
 * unless 0, is the number of the request that the context belongs to.  The
 * context is read by a schema, where there is one, for the action.
 */
extern const CedarRecord *authz_check_context(CedarArena *arena, Jsonb *jsonb, uint32 n,
											  const struct AuthzSchema *schema,
											  const CedarUid *action);

/* The schema that requests to this version have to fit, or NULL. */
extern const struct AuthzSchema *authz_check_schema(const AuthzPolicyVersion *version);

/* Refuse a request, number n unless 0, that does not fit the schema. */
extern void authz_check_fits(const struct AuthzSchema *schema, CedarArena *arena,
							 const CedarRequest *request, uint32 n);
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
