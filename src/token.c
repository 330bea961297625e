/*-------------------------------------------------------------------------
 *
 * token.c
 *	  Tokens in SQL: signing, verifying, taking apart.
 *
 * The order in which a token is verified (RFC 8725): its form; the key, by the
 * kid of its header among the keys of the issuer that is asked for, never by
 * what else the header says; the signature, with the algorithm of that key;
 * its type; its claims.  `exp` must be there.  A token of type at+jwt must
 * have the claims of RFC 9068.
 *
 * Time is the machine's clock at the call, not the transaction's.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"
#include "compat.h"

#include <time.h>

#include "fmgr.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/jsonb.h"
#include "utils/numeric.h"

#include "error.h"
#include "token.h"
#include "token_cache.h"
#include "token_key.h"

char	   *authz_issuer = NULL;
char	   *authz_audience = NULL;
int			authz_token_lifetime = 900;
int			authz_token_clock_offset = 0;

PG_FUNCTION_INFO_V1(authz_jwt_sign);
PG_FUNCTION_INFO_V1(authz_jwt_verify);
PG_FUNCTION_INFO_V1(authz_jwt_verify_or_null);
PG_FUNCTION_INFO_V1(authz_jwt_decode);
PG_FUNCTION_INFO_V1(authz_token_setting);

/* RFC 9068 section 2.2. */
static const char *const access_token_claims[] = {
	"iss", "exp", "aud", "sub", "client_id", "iat", "jti"
};

static const char *const token_claims[] = {"exp"};

/* A leeway, in seconds, with which no time matters. */
#define FOREVER (INT64CONST(1) << 40)

static int64
token_now(void)
{
	return (int64) time(NULL) + authz_token_clock_offset;
}

/* Is it the type of RFC 9068, as a media type? */
static bool
is_access_token_type(const char *typ)
{
	return typ != NULL && (pg_strcasecmp(typ, "at+jwt") == 0 ||
						   pg_strcasecmp(typ, "application/at+jwt") == 0);
}

static char *
text_argument(FunctionCallInfo fcinfo, int n)
{
	return PG_ARGISNULL(n) ? NULL : text_to_cstring(PG_GETARG_TEXT_PP(n));
}

/* ----------------------------------------------------------- claims as JSON */

/* A JSON string; text is UTF-8 without NUL. */
static void
json_string(StringInfo out, const char *text, size_t len)
{
	const char *end = text + len;

	appendStringInfoCharMacro(out, '"');
	while (text < end)
	{
		const char *plain = text;

		while (text < end && (unsigned char) *text >= ' ' && *text != '"' && *text != '\\')
			text++;
		appendBinaryStringInfo(out, plain, (int) (text - plain));
		if (text < end)
		{
			if (*text == '"' || *text == '\\')
				appendStringInfo(out, "\\%c", *text);
			else
				appendStringInfo(out, "\\u%04x", (unsigned char) *text);
			text++;
		}
	}
	appendStringInfoCharMacro(out, '"');
}

static void
json_scalar(StringInfo out, const JsonbValue *value)
{
	switch (value->type)
	{
		case jbvNull:
			appendStringInfoString(out, "null");
			break;
		case jbvString:
			json_string(out, value->val.string.val, value->val.string.len);
			break;
		case jbvNumeric:
			appendStringInfoString(out, DatumGetCString(DirectFunctionCall1(numeric_out,
																			NumericGetDatum(value->val.numeric))));
			break;
		case jbvBool:
			appendStringInfoString(out, value->val.boolean ? "true" : "false");
			break;
		default:
			elog(ERROR, "unexpected value in claims: %d", value->type);
	}
}

/* Without white space, and without the last brace, so that members can follow. */
static void
json_open_object(StringInfo out, Jsonb *claims)
{
	JsonbIterator *it = JsonbIteratorInit(&claims->root);
	JsonbIteratorToken token;
	JsonbValue	value;
	bool		first = true;

	while ((token = JsonbIteratorNext(&it, &value, false)) != WJB_DONE)
	{
		if (token != WJB_END_ARRAY && token != WJB_END_OBJECT && token != WJB_VALUE && !first)
			appendStringInfoCharMacro(out, ',');
		switch (token)
		{
			case WJB_BEGIN_ARRAY:
				appendStringInfoCharMacro(out, '[');
				break;
			case WJB_BEGIN_OBJECT:
				appendStringInfoCharMacro(out, '{');
				break;
			case WJB_KEY:
				json_string(out, value.val.string.val, value.val.string.len);
				appendStringInfoCharMacro(out, ':');
				break;
			case WJB_VALUE:
			case WJB_ELEM:
				json_scalar(out, &value);
				break;
			case WJB_END_ARRAY:
				appendStringInfoCharMacro(out, ']');
				break;
			case WJB_END_OBJECT:
				appendStringInfoCharMacro(out, '}');
				break;
			default:
				elog(ERROR, "unexpected token in claims: %d", token);
		}
		first = token == WJB_BEGIN_ARRAY || token == WJB_BEGIN_OBJECT || token == WJB_KEY;
	}
	out->data[--out->len] = '\0';
}

static bool
claims_have(Jsonb *claims, const char *name)
{
	return getKeyJsonValueFromContainer(&claims->root, name, strlen(name), NULL) != NULL;
}

/* Begin a member behind others. */
static void
json_member(StringInfo out, const char *name)
{
	if (out->data[out->len - 1] != '{')
		appendStringInfoCharMacro(out, ',');
	appendStringInfo(out, "\"%s\":", name);
}

/* The payload: the claims, and what belongs into every token. */
static void
payload_build(StringInfo out, Jsonb *claims, const int32 *expires_in,
			  const char *typ, int64 now)
{
	json_open_object(out, claims);
	if (expires_in != NULL && claims_have(claims, "exp"))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("expires_in given for claims that have \"exp\""),
				 errhint("Leave out one of the two.")));
	if (!claims_have(claims, "iss") && authz_issuer[0] != '\0')
	{
		json_member(out, "iss");
		json_string(out, authz_issuer, strlen(authz_issuer));
	}
	if (!claims_have(claims, "aud") && authz_audience[0] != '\0')
	{
		json_member(out, "aud");
		json_string(out, authz_audience, strlen(authz_audience));
	}
	if (!claims_have(claims, "iat"))
	{
		json_member(out, "iat");
		appendStringInfo(out, INT64_FORMAT, now);
	}
	if (!claims_have(claims, "exp"))
	{
		json_member(out, "exp");
		appendStringInfo(out, INT64_FORMAT,
						 now + (expires_in != NULL ? *expires_in : authz_token_lifetime));
	}
	if (is_access_token_type(typ) && !claims_have(claims, "jti"))
	{
		json_member(out, "jti");
		appendStringInfo(out, "\"%s\"",
						 DatumGetCString(DirectFunctionCall1(uuid_out,
															 DirectFunctionCall1(gen_random_uuid, (Datum) 0))));
	}
	appendStringInfoCharMacro(out, '}');
}

/*
 * jwt_sign(claims jsonb, kid text, alg text, expires_in integer, typ text,
 * purpose text) → text
 */
Datum
authz_jwt_sign(PG_FUNCTION_ARGS)
{
	Jsonb	   *claims;
	char	   *kid = text_argument(fcinfo, 1);
	char	   *alg = text_argument(fcinfo, 2);
	int32		expires_in = PG_ARGISNULL(3) ? 0 : PG_GETARG_INT32(3);
	char	   *typ = text_argument(fcinfo, 4);
	char	   *purpose = text_argument(fcinfo, 5);
	JoseExpectations want = {.any_audience = true};
	JoseSignOptions options = {.typ = typ};
	JoseHost	host = authz_jose_host();
	JoseError	err;
	JoseTimes	times;
	StringInfoData payload;
	AuthzSigner signer;
	int64		now = token_now();
	char	   *token;
	size_t		len;

	if (PG_ARGISNULL(0))
		PG_RETURN_NULL();
	claims = PG_GETARG_JSONB_P(0);
	if (!JB_ROOT_IS_OBJECT(claims))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("claims are not a JSON object")));
	if (purpose == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("purpose must not be null")));

	initStringInfo(&payload);
	payload_build(&payload, claims, PG_ARGISNULL(3) ? NULL : &expires_in, typ, now);

	/* What is signed here shall be verified here. */
	want.required = is_access_token_type(typ) ? access_token_claims : token_claims;
	want.n_required = is_access_token_type(typ) ? lengthof(access_token_claims) : lengthof(token_claims);
	want.leeway = FOREVER; /* a token may be for later, or for tests be old */
	if (jose_claims_check(&host, payload.data, payload.len, &want, now, &times, &err) != JOSE_OK)
		authz_raise_jose(&err, "claims cannot be signed");

	signer = authz_key_signer(kid, alg, purpose);
	if (times.exp > now + signer.max_lifetime)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("token would be valid for longer than its key's tokens may be"),
				 errdetail("It would expire in " INT64_FORMAT " seconds, the key allows %d.",
						   times.exp - now, signer.max_lifetime),
				 errhint("A key verifies tokens for that long after its last one. Create keys with a longer max_lifetime.")));
	if (jose_jws_sign(&host, signer.key->jose, &options, payload.data, payload.len,
					  &token, &len, &err) != JOSE_OK)
		authz_raise_jose(&err, NULL);
	PG_RETURN_TEXT_P(cstring_to_text_with_len(token, (int) len));
}

/* ---------------------------------------------------------------- verifying */

static JoseCode
fail(JoseError *err, JoseCode code, const char *message, const char *detail)
{
	memset(err, 0, sizeof(*err));
	err->code = code;
	strlcpy(err->message, message, sizeof(err->message));
	strlcpy(err->detail, detail, sizeof(err->detail));
	return code;
}

/*
 * Is the issuer that is asked for this database?  Unless it has a name of its
 * own, it is every issuer that is not a trusted one.
 */
static bool
issuer_is_own(const char *issuer)
{
	return issuer == NULL || strcmp(issuer, authz_issuer) == 0;
}

/*
 * A token's header.  Tokens of one issuer share it to the letter, so the last
 * one is kept; what it says depends on its text alone.  The rest of the token
 * is looked at where *decoded is wanted, else by jose_jws_verify.
 */
static JoseCode
token_header(const char *text, size_t len, JoseHeader *header,
			 JoseDecoded *decoded, JoseError *err)
{
	static char last_text[512];
	static size_t last_len = 0;
	static JoseHeader last;
	const char *dot = memchr(text, '.', len);
	size_t		header_len = dot != NULL ? dot - text : 0;
	JoseHost	host = authz_jose_host();
	JoseCode	code;

	if (decoded == NULL && header_len > 0 && header_len == last_len &&
		memcmp(text, last_text, last_len) == 0)
	{
		*header = last;
		return JOSE_OK;
	}
	code = jose_jws_decode(&host, text, len, header, decoded, err);
	if (code == JOSE_OK && header_len <= sizeof(last_text))
	{
		memcpy(last_text, text, header_len);
		last_len = header_len;
		last = *header;
	}
	return code;
}

/* The key for the token, and its issuer where that is another. */
static JoseCode
token_key(const char *text, size_t len, const AuthzTokenCheck *check,
		  AuthzKey **key, AuthzIssuer **issuer, JoseError *err)
{
	JoseHost	host = authz_jose_host();
	JoseHeader	header;
	JoseDecoded decoded;
	JoseCode	code;
	const char *name = check->issuer;
	const char *detail = "No key of this database has this kid.";

	code = token_header(text, len, &header, check->any_issuer ? &decoded : NULL, err);
	if (code != JOSE_OK)
		return code;

	/* The library's order; what is no token of ours needs no key. */
	if (header.has_crit)
		return fail(err, JOSE_ERR_CRITICAL, "token header has \"crit\"",
					"No extension is supported (RFC 7515 section 4.1.11).");
	if (header.alg == JOSE_ALG_UNSPECIFIED)
		return fail(err, JOSE_ERR_ALGORITHM, "algorithm of the token is not supported", "");

	*issuer = NULL;
	if (check->any_issuer)
	{
		char	   *iss;

		code = jose_claims_string(&host, decoded.payload, decoded.payload_len,
								  "iss", &iss, err);
		if (code != JOSE_OK)
			return code;
		name = iss;
	}
	if (!issuer_is_own(name))
		*issuer = authz_issuer_find(name);
	if (*issuer != NULL)
	{
		*key = authz_issuer_key(*issuer, &header, err);
		return *key != NULL ? JOSE_OK : err->code;
	}

	*key = NULL;
	if (!header.has_kid)
		detail = "Its header has no \"kid\".";
	else
		*key = authz_key_verifier(header.kid, check->purpose, &detail);
	if (*key == NULL)
		return fail(err, JOSE_ERR_UNKNOWN_KEY, "key of the token is not known",
					detail != NULL ? detail : "No key of this database has this kid.");
	return JOSE_OK;
}

JoseCode
authz_token_verify(const char *text, size_t len, const AuthzTokenCheck *check,
				   AuthzToken *token, JoseError *err)
{
	JoseHost	host = authz_jose_host();
	JoseVerifyOptions options = {.typ = check->typ};
	JoseExpectations want = {
		.issuer = check->issuer,
		.leeway = check->leeway,
		.required = token_claims,
		.n_required = lengthof(token_claims)
	};
	AuthzTokenDigest digest;
	const char *audience = check->audience;
	JoseTimes	times;
	JoseCode	code;
	AuthzKey   *key;
	char	   *payload;
	size_t		payload_len;
	int64		now = token_now();

	code = token_key(text, len, check, &key, &token->issuer, err);
	if (code != JOSE_OK)
		return code;

	options.known_good = authz_token_cache_find(key->tag, text, len, now, &digest);
	code = jose_jws_verify(&host, key->jose, text, len, &options, NULL,
						   &payload, &payload_len, err);
	if (code != JOSE_OK)
		return code;

	if (want.issuer == NULL && token->issuer != NULL)
		want.issuer = token->issuer->issuer;
	else if (want.issuer == NULL && authz_issuer[0] != '\0')
		want.issuer = authz_issuer;
	if (audience == NULL && token->issuer != NULL)
		audience = token->issuer->audience;
	else if (audience == NULL && authz_audience[0] != '\0')
		audience = authz_audience;
	if (audience != NULL)
	{
		want.audiences = &audience;
		want.n_audiences = 1;
	}
	if (is_access_token_type(check->typ))
	{
		want.required = access_token_claims;
		want.n_required = lengthof(access_token_claims);
	}
	code = jose_claims_check(&host, payload, payload_len, &want, now, &times, err);
	if (code != JOSE_OK)
		return code;
	if (!options.known_good)
		authz_token_cache_add(&digest, now, times.exp);

	token->claims = DatumGetJsonbP(DirectFunctionCall1(jsonb_in, CStringGetDatum(payload)));
	return JOSE_OK;
}

/* (token, issuer, audience, typ, leeway, purpose); false for a null token. */
static bool
verify_arguments(FunctionCallInfo fcinfo, AuthzToken *token, JoseCode *code,
				 JoseError *err)
{
	AuthzTokenCheck check = {
		.issuer = text_argument(fcinfo, 1),
		.audience = text_argument(fcinfo, 2),
		.typ = text_argument(fcinfo, 3),
		.leeway = PG_ARGISNULL(4) ? 0 : PG_GETARG_INT32(4),
		.purpose = text_argument(fcinfo, 5)
	};
	text	   *value;

	if (PG_ARGISNULL(0))
		return false;
	if (check.purpose == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("purpose must not be null")));
	if (check.leeway < 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("leeway must not be negative")));
	value = PG_GETARG_TEXT_PP(0);
	*code = authz_token_verify(VARDATA_ANY(value), VARSIZE_ANY_EXHDR(value),
							   &check, token, err);
	return true;
}

/* jwt_verify(token, issuer, audience, typ, leeway, purpose) → jsonb */
Datum
authz_jwt_verify(PG_FUNCTION_ARGS)
{
	AuthzToken	token;
	JoseCode	code;
	JoseError	err;

	if (!verify_arguments(fcinfo, &token, &code, &err))
		PG_RETURN_NULL();
	if (code != JOSE_OK)
		authz_raise_token(&err, false);
	PG_RETURN_JSONB_P(token.claims);
}

/* The same, NULL for a token that jwt_verify refuses. */
Datum
authz_jwt_verify_or_null(PG_FUNCTION_ARGS)
{
	AuthzToken	token;
	JoseCode	code;
	JoseError	err;

	if (!verify_arguments(fcinfo, &token, &code, &err))
		PG_RETURN_NULL();
	if (code != JOSE_OK)
	{
		if (!authz_token_is_at_fault(code))
			authz_raise_token(&err, false);
		PG_RETURN_NULL();
	}
	PG_RETURN_JSONB_P(token.claims);
}

/* jwt_decode(token) → jsonb: what a token says, believed by nobody. */
Datum
authz_jwt_decode(PG_FUNCTION_ARGS)
{
	text	   *token = PG_GETARG_TEXT_PP(0);
	JoseHost	host = authz_jose_host();
	JoseDecoded decoded;
	char	   *unused;
	JoseError	err;
	StringInfoData out;

	if (jose_jws_decode(&host, VARDATA_ANY(token), VARSIZE_ANY_EXHDR(token),
						NULL, &decoded, &err) != JOSE_OK)
		authz_raise_token(&err, false);
	/* One sound JSON object; that is all that is asked of it. */
	if (jose_claims_string(&host, decoded.payload, decoded.payload_len, "",
						   &unused, &err) != JOSE_OK)
		authz_raise_token(&err, false);
	initStringInfo(&out);
	appendStringInfo(&out, "{\"verified\": false, \"header\": %s, \"claims\": %s}",
					 decoded.header_json, decoded.payload);
	PG_RETURN_DATUM(DirectFunctionCall1(jsonb_in, CStringGetDatum(out.data)));
}

/*
 * token_setting(name) → text: current_setting('authz.' || name), which knows
 * nothing of a setting before the library is loaded.
 */
Datum
authz_token_setting(PG_FUNCTION_ARGS)
{
	char	   *name = psprintf("authz.%s", text_to_cstring(PG_GETARG_TEXT_PP(0)));

	PG_RETURN_TEXT_P(cstring_to_text(GetConfigOptionByName(name, NULL, false)));
}
