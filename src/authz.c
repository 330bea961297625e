/*-------------------------------------------------------------------------
 *
 * authz.c
 *	  The module: what is registered when the library is loaded.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"
#include "compat.h"

#include <limits.h>

#include "fmgr.h"
#include "miscadmin.h"
#include "utils/guc.h"

#include "audit.h"
#include "entity_cache.h"
#include "entity_map.h"
#include "entity_plan.h"
#include "identity.h"
#include "policy.h"
#include "policy_schema.h"
#include "policy_test.h"
#include "relation.h"
#include "statement.h"
#include "token.h"
#include "token_cache.h"
#include "token_key.h"
#include "token_master.h"

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

/*
 * Who could change these in a session could choose whom it believes, and for
 * how long.
 */
static void
token_guc_init(void)
{
	DefineCustomStringVariable("authz.audience",
							   "The audience (aud) of tokens that are signed and verified here.",
							   NULL,
							   &authz_audience,
							   "",
							   PGC_SUSET, 0,
							   NULL, NULL, NULL);
	DefineCustomStringVariable("authz.issuer",
							   "The issuer (iss) of tokens that are signed here.",
							   NULL,
							   &authz_issuer,
							   "",
							   PGC_SUSET, 0,
							   NULL, NULL, NULL);
	DefineCustomIntVariable("authz.key_pending_period",
							"How long a signing key is published before it signs.",
							"Longer than verifiers take to fetch the key set.",
							&authz_key_pending_period,
							300, 0, INT_MAX,
							PGC_SUSET, GUC_UNIT_S,
							NULL, NULL, NULL);
	DefineCustomIntVariable("authz.key_rotation_period",
							"How long a signing key signs before signing_keys_maintain() rotates it; 0 for ever.",
							NULL,
							&authz_key_rotation_period,
							90 * 24 * 3600, 0, INT_MAX,
							PGC_SUSET, GUC_UNIT_S,
							NULL, NULL, NULL);
	DefineCustomStringVariable("authz.master_key_command",
							   "A command that prints the master keys, instead of the file.",
							   NULL,
							   &authz_master_key_command,
							   "",
							   PGC_SIGHUP, GUC_SUPERUSER_ONLY,
							   NULL, NULL, NULL);
	DefineCustomStringVariable("authz.master_key_file",
							   "The file with the master keys that private signing keys are encrypted under.",
							   "By default beside the data directory, under its name followed by .authz_master_key.",
							   &authz_master_key_file,
							   "",
							   PGC_SIGHUP, GUC_SUPERUSER_ONLY,
							   NULL, NULL, NULL);
	DefineCustomIntVariable("authz.token_cache_entries",
							"How many verified tokens are remembered; 0 for none.",
							"For all backends together where authz is preloaded, else for each.",
							&authz_token_cache_entries,
							10000, 0, 10 * 1000 * 1000,
							PGC_SUSET, 0,
							NULL, NULL, NULL);
	DefineCustomIntVariable("authz.token_cache_idle",
							"How long a verified token is remembered without being used.",
							NULL,
							&authz_token_cache_idle,
							60, 1, INT_MAX,
							PGC_SUSET, GUC_UNIT_S,
							NULL, NULL, NULL);
	DefineCustomIntVariable("authz.token_cache_ttl",
							"How long a verified token is remembered.",
							NULL,
							&authz_token_cache_ttl,
							300, 1, INT_MAX,
							PGC_SUSET, GUC_UNIT_S,
							NULL, NULL, NULL);
	DefineCustomIntVariable("authz.token_clock_offset",
							"Moves the clock of tokens, for tests.",
							NULL,
							&authz_token_clock_offset,
							0, -INT_MAX, INT_MAX,
							PGC_SUSET, GUC_UNIT_S | GUC_NO_SHOW_ALL | GUC_NOT_IN_SAMPLE | GUC_DISALLOW_IN_FILE,
							NULL, NULL, NULL);
	DefineCustomIntVariable("authz.token_lifetime",
							"How long a token is valid when jwt_sign is not told.",
							NULL,
							&authz_token_lifetime,
							900, 1, INT_MAX,
							PGC_SUSET, GUC_UNIT_S,
							NULL, NULL, NULL);
	DefineCustomIntVariable("authz.token_max_lifetime",
							"How long a token of a new signing key may be valid at most.",
							"A key goes on verifying for that long after its last token.",
							&authz_token_max_lifetime,
							24 * 3600, 1, INT_MAX,
							PGC_SUSET, GUC_UNIT_S,
							NULL, NULL, NULL);
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
	token_guc_init();
	authz_identity_init();
	authz_audit_init();
	if (process_shared_preload_libraries_in_progress)
	{
		DefineCustomIntVariable("authz.shared_memory",
								"Memory for compiled policies that all sessions share.",
								"Asked for at the server's start; what is not used costs nothing. 0 turns it off.",
								&authz_shared_memory,
								256, 0, 1024 * 1024,
								PGC_POSTMASTER, GUC_UNIT_MB,
								NULL, NULL, NULL);
		authz_shared_init();
	}
	DefineCustomIntVariable("authz.entity_cache_size",
							"Memory of a backend for entities that are kept between statements.",
							"0 keeps none.  Beyond it, all of them are read anew.",
							&authz_entity_cache_size,
							32768, 0, MAX_KILOBYTES,
							PGC_USERSET, GUC_UNIT_KB,
							NULL, NULL, NULL);
	DefineCustomBoolVariable("authz.validate_requests",
							 "Whether a request must fit the schema in force for its policy set.",
							 NULL,
							 &authz_validate_requests,
							 true,
							 PGC_SUSET, 0,
							 NULL, NULL, NULL);
	DefineCustomBoolVariable("authz.enforce_policy_tests",
							 "Whether a transaction that changes a policy set must keep its tests.",
							 "A COMMIT that would break one of authz.policy_tests fails.",
							 &authz_enforce_policy_tests,
							 false,
							 PGC_SUSET, 0,
							 NULL, NULL, NULL);
	MarkGUCPrefixReserved("authz");

	authz_relation_init();
	authz_statement_init();
	authz_policy_test_init();
	authz_principal_init();
	authz_token_cache_init();
	authz_map_init();
	authz_plan_init();
	authz_cache_init();
}
