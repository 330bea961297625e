/*-------------------------------------------------------------------------
 *
 * token.c
 *	  Who is asking: the principal of the request at hand.
 *
 * A session can SET any parameter, so the claims that PostgREST leaves in
 * request.jwt.claims are believed only when the session was opened by a
 * registered gateway role (authz.gateway_roles).  It is session_user that
 * counts: SET ROLE and SECURITY DEFINER do not change it.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"
#include "compat.h"

#include "access/genam.h"
#include "access/table.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/guc.h"
#include "utils/jsonb.h"
#include "utils/snapmgr.h"

#include "entity_uid.h"
#include "relation.h"
#include "token.h"

#define CLAIMS_SETTING "request.jwt.claims"

char	   *authz_principal_type = NULL;

PG_FUNCTION_INFO_V1(authz_current_principal);

/* Is the role that opened the session a gateway, as of now? */
static bool
token_is_gateway(void)
{
	AuthzRelations rels = *authz_relations();
	Relation	gateways;
	Snapshot	snapshot;
	SysScanDesc scan;
	ScanKeyData key;
	NameData	name;
	bool		found;

	namestrcpy(&name, GetUserNameFromId(GetSessionUserId(), false));
	gateways = table_open(rels.gateway_roles, AccessShareLock);
	snapshot = RegisterSnapshot(GetCatalogSnapshot(rels.gateway_roles));
	ScanKeyInit(&key, Anum_gateway_roles_role_name, BTEqualStrategyNumber,
				F_NAMEEQ, NameGetDatum(&name));
	scan = systable_beginscan(gateways, rels.gateway_roles_pkey, true,
							  snapshot, 1, &key);
	found = HeapTupleIsValid(systable_getnext(scan));
	systable_endscan(scan);
	UnregisterSnapshot(snapshot);
	table_close(gateways, NoLock);
	return found;
}

/* A claim that is a string; NULL when it is absent. */
static JsonbValue *
token_claim(Jsonb *claims, const char *name)
{
	JsonbValue *value = getKeyJsonValueFromContainer(&claims->root, name,
													 strlen(name), NULL);

	if (value == NULL)
		return NULL;
	if (value->type != jbvString)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("claim \"%s\" is not a string", name)));
	return value;
}

/*
 * current_principal() → entity_uid: the claim "principal" as it is, else the
 * claim "sub" as the id of an authz.principal_type.  NULL when nobody known is
 * asking.  Claims of a gateway that are malformed raise.
 */
Datum
authz_current_principal(PG_FUNCTION_ARGS)
{
	const char *setting = GetConfigOption(CLAIMS_SETTING, true, false);
	Jsonb	   *claims;
	JsonbValue *claim;

	if (setting == NULL || setting[0] == '\0' || !token_is_gateway())
		PG_RETURN_NULL();

	claims = DatumGetJsonbP(DirectFunctionCall1(jsonb_in, CStringGetDatum(setting)));
	if (!JB_ROOT_IS_OBJECT(claims))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("the claims of the request are not a JSON object")));

	claim = token_claim(claims, "principal");
	if (claim != NULL)
		return authz_uid_from_text(claim->val.string.val, claim->val.string.len,
								   "claim \"principal\"");
	claim = token_claim(claims, "sub");
	if (claim != NULL)
		return authz_uid_from_parts(authz_principal_type,
									strlen(authz_principal_type),
									claim->val.string.val, claim->val.string.len);
	PG_RETURN_NULL();
}
