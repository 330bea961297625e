/*-------------------------------------------------------------------------
 *
 * token_principal.c
 *	  Who is asking: the principal of the transaction at hand.
 *
 * It is known in one of two ways.
 *
 * Pinned.  set_principal(token) verifies a token and pins its claims, and the
 * principal that they name, in this process's memory until the transaction
 * ends.  SQL can neither read nor write that memory: SET, RESET, set_config,
 * SET ROLE and SECURITY DEFINER do not change the answer.  Nor does a
 * subtransaction that rolls back, even the one that set_principal was called
 * in: who speaks is a fact about the caller, not data.  A second token of
 * somebody else is refused until the transaction has ended, so that nobody
 * becomes another in the middle of one.  COMMIT, ROLLBACK and PREPARE
 * TRANSACTION unpin, so the next client of a pooled connection begins as
 * nobody.
 *
 * By a gateway.  A session can SET any parameter, so the claims that PostgREST
 * leaves in request.jwt.claims are believed only when the session was opened
 * by a registered gateway role (authz.gateway_roles).  It is session_user that
 * counts: SET ROLE and SECURITY DEFINER do not change it.  Once issuers other
 * than this database are trusted, that is not enough: PostgREST takes any key
 * of its JWKS for any issuer, so a foreign issuer could sign what it likes in
 * our name.  Then the token itself is asked for: http_pre_request() takes it
 * from the request's headers and pins it.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"
#include "compat.h"

#include "access/genam.h"
#include "access/table.h"
#include "access/xact.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/guc.h"
#include "utils/jsonb.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"

#include "entity_uid.h"
#include "error.h"
#include "relation.h"
#include "session.h"
#include "token.h"

#define CLAIMS_SETTING "request.jwt.claims"

char	   *authz_principal_type = NULL;

PG_FUNCTION_INFO_V1(authz_set_principal);
PG_FUNCTION_INFO_V1(authz_http_pre_request);
PG_FUNCTION_INFO_V1(authz_current_principal);
PG_FUNCTION_INFO_V1(authz_claims);

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
JsonbValue *
authz_token_claim(Jsonb *claims, const char *name)
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
 * The principal that claims name, in the current memory context: the claim
 * "principal" as it is, else the claim "sub" as the id of an
 * authz.principal_type.  Of another issuer's claims it is what its subject is
 * mapped to.  False when they name nobody.
 */
static bool
claims_principal(Jsonb *claims, const AuthzIssuer *issuer, Datum *principal)
{
	JsonbValue *claim;

	if (issuer == NULL)
	{
		claim = authz_token_claim(claims, "principal");
		if (claim != NULL)
		{
			*principal = authz_uid_from_text(claim->val.string.val,
											 claim->val.string.len,
											 "claim \"principal\"");
			return true;
		}
	}
	claim = authz_token_claim(claims, "sub");
	if (claim == NULL)
		return false;
	if (issuer != NULL)
		return authz_issuer_principal(issuer, claim->val.string.val,
									  claim->val.string.len, principal);
	*principal = authz_uid_from_parts(authz_principal_type,
									  strlen(authz_principal_type),
									  claim->val.string.val, claim->val.string.len);
	return true;
}

/* ------------------------------------------------------------------ pinned */

static MemoryContext pinned_cxt = NULL;
static Jsonb *pinned_claims = NULL; /* NULL: nothing is pinned */
static Datum pinned_principal = (Datum) 0;	/* 0: the claims name nobody */

static void
principal_unpin(void)
{
	pinned_claims = NULL;
	pinned_principal = (Datum) 0;
	if (pinned_cxt != NULL)
		MemoryContextReset(pinned_cxt);
}

static void
principal_pin(Jsonb *claims, Datum principal)
{
	MemoryContext old;
	Jsonb	   *claims_copy;

	if (pinned_cxt == NULL)
		pinned_cxt = AllocSetContextCreate(TopMemoryContext, "authz principal",
										   ALLOCSET_SMALL_SIZES);
	old = MemoryContextSwitchTo(pinned_cxt);
	claims_copy = (Jsonb *) PG_DETOAST_DATUM_COPY(JsonbPGetDatum(claims));
	if (principal != (Datum) 0)
		principal = PointerGetDatum(PG_DETOAST_DATUM_COPY(principal));
	MemoryContextSwitchTo(old);
	pinned_claims = claims_copy;
	pinned_principal = principal;
}

static bool
principals_equal(Datum a, Datum b)
{
	if (a == (Datum) 0 || b == (Datum) 0)
		return a == b;
	return DatumGetBool(DirectFunctionCall2(authz_entity_uid_eq, a, b));
}

static void
check_role(const AuthzToken *token, bool over_http)
{
	JsonbValue *role;

	if (token->issuer == NULL)
		return;
	role = authz_token_claim(token->claims, "role");
	if (role != NULL &&
		!authz_issuer_allows_role(token->issuer, role->val.string.val, role->val.string.len))
		ereport(ERROR,
				(errcode(over_http ? AUTHZ_ERRCODE_HTTP_403 : AUTHZ_ERRCODE_TOKEN_ROLE),
				 errmsg("role of the token is not allowed to its issuer"),
				 errdetail("Issuer \"%s\" may not send role \"%.*s\".", token->issuer->issuer,
						   role->val.string.len, role->val.string.val),
				 errhint("Add the role to the issuer's row in authz.trusted_issuers, if it shall.")));
}

/* Verify a token, of any issuer that is trusted, and pin it. */
static Datum
pin_token(const char *text, size_t len, bool over_http)
{
	AuthzTokenCheck check = {
		.any_issuer = true,
		.purpose = "access"
	};
	AuthzToken	token;
	JoseError	err;
	Datum		principal = (Datum) 0;

	if (authz_token_verify(text, len, &check, &token, &err) != JOSE_OK)
		authz_raise_token(&err, over_http);
	check_role(&token, over_http);
	if (token.issuer == NULL)
		authz_session_require_live(token.claims);
	if (!claims_principal(token.claims, token.issuer, &principal))
	{
		/* A service may have a role and no name; a foreign subject has one. */
		if (!over_http || token.issuer != NULL)
			ereport(ERROR,
					(errcode(over_http ? AUTHZ_ERRCODE_HTTP_403 : AUTHZ_ERRCODE_TOKEN_SUBJECT),
					 errmsg("token names no principal of this database"),
					 token.issuer != NULL ?
					 errdetail("The subject is not mapped, and issuer \"%s\" has no principal type.", token.issuer->issuer) :
					 errdetail("It has neither a claim \"principal\" nor a claim \"sub\".")));
		principal = (Datum) 0;
	}

	if (pinned_claims == NULL)
		principal_pin(token.claims, principal);
	else if (!principals_equal(pinned_principal, principal))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("the principal of this transaction is set already"),
				 errdetail("It stays until the transaction ends.")));
	return principal;
}

/*
 * set_principal(token) → entity_uid: from now to the end of the transaction the
 * principal is the token's.
 */
Datum
authz_set_principal(PG_FUNCTION_ARGS)
{
	text	   *token = PG_GETARG_TEXT_PP(0);

	PG_RETURN_DATUM(pin_token(VARDATA_ANY(token), VARSIZE_ANY_EXHDR(token), false));
}

/*
 * http_pre_request(): pin the bearer token of the request's headers.  It is
 * for PostgREST's db-pre-request; without a token it does nothing.
 */
Datum
authz_http_pre_request(PG_FUNCTION_ARGS)
{
	static const char scheme[] = "bearer ";
	const char *setting = GetConfigOption("request.headers", true, false);
	Jsonb	   *headers;
	JsonbValue *value;
	const char *text;
	int			len;

	if (setting == NULL || setting[0] == '\0')
		PG_RETURN_VOID();
	headers = DatumGetJsonbP(DirectFunctionCall1(jsonb_in, CStringGetDatum(setting)));
	if (!JB_ROOT_IS_OBJECT(headers))
		PG_RETURN_VOID();
	value = authz_token_claim(headers, "authorization");
	if (value == NULL)
		PG_RETURN_VOID();
	text = value->val.string.val;
	len = value->val.string.len;
	if (len < (int) strlen(scheme) || pg_strncasecmp(text, scheme, strlen(scheme)) != 0)
		PG_RETURN_VOID();
	text += strlen(scheme);
	len -= (int) strlen(scheme);
	while (len > 0 && *text == ' ')
		text++, len--;
	pin_token(text, len, true);
	PG_RETURN_VOID();
}

/* ----------------------------------------------------------------- answers */

/* The claims of the request that a gateway has left here, or NULL. */
static Jsonb *
gateway_claims(void)
{
	const char *setting = GetConfigOption(CLAIMS_SETTING, true, false);
	Jsonb	   *claims;

	if (setting == NULL || setting[0] == '\0' || !token_is_gateway())
		return NULL;
	claims = DatumGetJsonbP(DirectFunctionCall1(jsonb_in, CStringGetDatum(setting)));
	if (!JB_ROOT_IS_OBJECT(claims))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("the claims of the request are not a JSON object")));
	if (authz_issuer_any())
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("the claims of the request do not tell whose they are"),
				 errdetail("Issuers other than this database are trusted, and a gateway takes any of their keys for any claim."),
				 errhint("Set authz.http_pre_request as PostgREST's db-pre-request, or call authz.set_principal(token).")));
	return claims;
}

bool
authz_principal_now(Datum *principal)
{
	Jsonb	   *claims;

	if (pinned_claims != NULL)
	{
		if (pinned_principal == (Datum) 0)
			return false;
		*principal = PointerGetDatum(PG_DETOAST_DATUM_COPY(pinned_principal));
		return true;
	}
	claims = gateway_claims();
	return claims != NULL && claims_principal(claims, NULL, principal);
}

/* current_principal() → entity_uid: NULL when nobody known is asking. */
Datum
authz_current_principal(PG_FUNCTION_ARGS)
{
	Datum		principal;

	if (!authz_principal_now(&principal))
		PG_RETURN_NULL();
	PG_RETURN_DATUM(principal);
}

/* claims() → jsonb: all claims of who is asking; NULL when nobody is. */
Datum
authz_claims(PG_FUNCTION_ARGS)
{
	Jsonb	   *claims = pinned_claims;

	if (claims == NULL)
		claims = gateway_claims();
	if (claims == NULL)
		PG_RETURN_NULL();
	PG_RETURN_DATUM(PointerGetDatum(PG_DETOAST_DATUM_COPY(JsonbPGetDatum(claims))));
}

static void
principal_xact_callback(XactEvent event, void *arg)
{
	switch (event)
	{
		case XACT_EVENT_COMMIT:
		case XACT_EVENT_ABORT:
		case XACT_EVENT_PREPARE:
		case XACT_EVENT_PARALLEL_COMMIT:
		case XACT_EVENT_PARALLEL_ABORT:
			principal_unpin();
			break;
		case XACT_EVENT_PRE_COMMIT:
		case XACT_EVENT_PRE_PREPARE:
		case XACT_EVENT_PARALLEL_PRE_COMMIT:
			break;
	}
}

void
authz_principal_init(void)
{
	RegisterXactCallback(principal_xact_callback, NULL);
}
