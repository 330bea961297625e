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
PG_FUNCTION_INFO_V1(authz_pre_request);
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
static bool pinned_foreign = false; /* they are of another issuer's token */
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
principal_pin(Jsonb *claims, bool foreign, Datum principal)
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
	pinned_foreign = foreign;
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
pin_token(const char *text, size_t len, bool over_http, AuthzToken *token)
{
	AuthzTokenCheck check = {
		.any_issuer = true,
		.purpose = "access"
	};
	JoseError	err;
	Datum		principal = (Datum) 0;

	if (authz_token_verify(text, len, &check, token, &err) != JOSE_OK)
		authz_raise_token(&err, over_http);
	check_role(token, over_http);
	if (token->issuer == NULL)
		authz_session_require_live(token->claims);
	if (!claims_principal(token->claims, token->issuer, &principal))
	{
		/* A service may have a role and no name; a foreign subject has one. */
		if (!over_http || token->issuer != NULL)
			ereport(ERROR,
					(errcode(over_http ? AUTHZ_ERRCODE_HTTP_403 : AUTHZ_ERRCODE_TOKEN_SUBJECT),
					 errmsg("token names no principal of this database"),
					 token->issuer != NULL ?
					 errdetail("The subject is not mapped, and issuer \"%s\" has no principal type.", token->issuer->issuer) :
					 errdetail("It has neither a claim \"principal\" nor a claim \"sub\".")));
		principal = (Datum) 0;
	}

	if (token->issuer != NULL)
		authz_session_require_active(principal);

	if (pinned_claims == NULL)
		principal_pin(token->claims, token->issuer != NULL, principal);
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
	text	   *text_token = PG_GETARG_TEXT_PP(0);
	AuthzToken	token;

	PG_RETURN_DATUM(pin_token(VARDATA_ANY(text_token), VARSIZE_ANY_EXHDR(text_token), false, &token));
}

/* ---------------------------------------------------------------- over HTTP */

/* A parameter that a gateway has set to a JSON object; NULL: it has not. */
static Jsonb *
gateway_object(const char *name)
{
	const char *setting = GetConfigOption(name, true, false);
	Jsonb	   *object;

	if (setting == NULL || setting[0] == '\0')
		return NULL;
	object = DatumGetJsonbP(DirectFunctionCall1(jsonb_in, CStringGetDatum(setting)));
	return JB_ROOT_IS_OBJECT(object) ? object : NULL;
}

static Jsonb *
object_without(Jsonb *object, const char *name)
{
	return DatumGetJsonbP(DirectFunctionCall2(jsonb_delete, JsonbPGetDatum(object),
											  CStringGetTextDatum(name)));
}

/*
 * Is the token that was pinned (NULL: none) the one that the gateway took role
 * and claims from?  A request may have several Authorization headers: PostgREST
 * verifies the first and hands on the last.  It adds the claim "role" where the
 * token has none, and without a token has no claims but that.
 */
static void
require_gateways_token(const AuthzToken *token)
{
	Jsonb	   *theirs = gateway_object(CLAIMS_SETTING);
	Jsonb	   *ours = token != NULL ? token->claims : NULL;

	if (theirs == NULL)
		return;
	/* Without foreign issuers, who has a role to give has an own key. */
	if (ours == NULL ||
		(authz_token_claim(ours, "role") == NULL && !authz_issuer_any()))
		theirs = object_without(theirs, "role");
	if (ours == NULL ? JB_ROOT_COUNT(theirs) == 0 :
		compareJsonbContainers(&object_without(ours, "aud")->root,
							   &object_without(theirs, "aud")->root) == 0)
		return;
	ereport(ERROR,
			(errcode(AUTHZ_ERRCODE_HTTP_401),
			 errmsg("the request's token is not the one that the gateway verified"),
			 errhint("Send one header \"Authorization: Bearer <token>\". Where other issuers are trusted, a token needs a claim \"role\".")));
}

/* The bearer token of an Authorization header, as PostgREST finds it there. */
static const char *
bearer_token(const JsonbValue *header, size_t *len)
{
	static const char scheme[] = "bearer";
	static const char space[] = " \t\n\v\f\r";
	const char *text = header->val.string.val;
	const char *end = text + header->val.string.len;

	if (end - text <= (int) strlen(scheme) ||
		pg_strncasecmp(text, scheme, strlen(scheme)) != 0)
		return NULL;
	text += strlen(scheme);
	if (strchr(space, *text) == NULL)
		return NULL;
	while (text < end && strchr(space, *text) != NULL)
		text++;
	*len = end - text;
	return text;
}

/*
 * http_pre_request(): pin the bearer token of the request's headers.  It is
 * for PostgREST's db-pre-request; without a token there is nothing to pin.
 */
Datum
authz_http_pre_request(PG_FUNCTION_ARGS)
{
	Jsonb	   *headers = gateway_object("request.headers");
	JsonbValue *header = headers != NULL ? authz_token_claim(headers, "authorization") : NULL;
	size_t		len;
	const char *text = header != NULL ? bearer_token(header, &len) : NULL;
	AuthzToken	token;

	if (text != NULL)
		pin_token(text, len, true, &token);
	require_gateways_token(text != NULL ? &token : NULL);
	PG_RETURN_VOID();
}

/*
 * pre_request(): as http_pre_request where the token has to say whose it is,
 * for others are trusted; everywhere, the session of the claims has to live.
 */
Datum
authz_pre_request(PG_FUNCTION_ARGS)
{
	if (authz_issuer_any())
		authz_http_pre_request(fcinfo);
	return authz_session_check(fcinfo);
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
	/* Of a request without a token they are the role alone, and name nobody. */
	if (JB_ROOT_COUNT(object_without(claims, "role")) > 0 && authz_issuer_any())
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("the claims of the request do not tell whose they are"),
				 errdetail("Issuers other than this database are trusted, and a gateway takes any of their keys for any claim."),
				 errhint("Set authz.http_pre_request as PostgREST's db-pre-request, or call authz.set_principal(token).")));
	return claims;
}

Jsonb *
authz_own_claims(void)
{
	if (pinned_claims != NULL)
		return pinned_foreign ? NULL : pinned_claims;
	return gateway_claims();
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
