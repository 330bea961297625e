/*-------------------------------------------------------------------------
 *
 * authz.c
 *	  The module: what is registered when the library is loaded.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"
#include "compat.h"

#include "fmgr.h"
#include "utils/guc.h"

#include "policy.h"
#include "relation.h"
#include "statement.h"
#include "token.h"

AUTHZ_MODULE_MAGIC;

extern PGDLLEXPORT void _PG_init(void);

static bool
policy_set_check(char **newval, void **extra, GucSource source)
{
	if (**newval == '\0')
	{
		GUC_check_errdetail("A policy set has a name.");
		return false;
	}
	return true;
}

static bool
principal_type_check(char **newval, void **extra, GucSource source)
{
	if (!cedar_is_name(*newval, strlen(*newval)))
	{
		GUC_check_errdetail("An entity type is a name such as User or App::User.");
		return false;
	}
	return true;
}

void
_PG_init(void)
{
	/*
	 * Both are for superusers, and for whom they grant SET on them: who could
	 * change them in a session could choose the policies that judge it, or
	 * what kind of principal it is.
	 */
	DefineCustomStringVariable("authz.policy_set",
							   "The policy set that checks ask when they name none.",
							   NULL,
							   &authz_policy_set,
							   "default",
							   PGC_SUSET, 0,
							   policy_set_check, NULL, NULL);
	DefineCustomStringVariable("authz.principal_type",
							   "The entity type of a principal whose token names it by the claim sub alone.",
							   NULL,
							   &authz_principal_type,
							   "User",
							   PGC_SUSET, 0,
							   principal_type_check, NULL, NULL);
	MarkGUCPrefixReserved("authz");

	authz_relation_init();
	authz_statement_init();
}
