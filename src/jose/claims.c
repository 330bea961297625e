/*-------------------------------------------------------------------------
 *
 * claims.c
 *	  The registered claims of a JSON Web Token (RFC 7519 section 4.1).
 *
 * Types first, then what must be there, then who it is from and for, then
 * time: a token that never was ours is not said to have expired.
 *
 *-------------------------------------------------------------------------
 */
#include "internal.h"

#include <inttypes.h>

/* Dates and leeways are within +-2^62, so that two of them have a sum. */
#define MAX_DATE ((int64_t) 1 << 62)

typedef struct Claims
{
	const JoseJson *object;
	const JoseJson *iss;
	const JoseJson *sub;
	const JoseJson *aud;
	JoseTimes	times;
	JoseError  *err;
} Claims;

static JoseCode
wrong_type(const Claims *c, const char *name, const char *type)
{
	return jose_fail(c->err, JOSE_ERR_MALFORMED, "claims are malformed: \"%s\" is not %s", name, type);
}

/* ------------------------------------------------------------------- types */

static JoseCode
read_string(Claims *c, const char *name, const JoseJson **string)
{
	*string = jose_json_get(c->object, name);
	if (*string != NULL && (*string)->type != JOSE_JSON_STRING)
		return wrong_type(c, name, "a string");
	return JOSE_OK;
}

static JoseCode
read_date(Claims *c, const char *name, bool up, bool *has, int64_t *date)
{
	const JoseJson *number = jose_json_get(c->object, name);

	if (number == NULL)
		return JOSE_OK;
	if (number->type != JOSE_JSON_NUMBER)
		return wrong_type(c, name, "a number");
	*has = true;
	*date = jose_json_integer(number, up);
	return JOSE_OK;
}

static JoseCode
read_claims(Claims *c)
{
	const JoseJson *jti;

	TRY(read_string(c, "iss", &c->iss));
	TRY(read_string(c, "sub", &c->sub));
	TRY(read_string(c, "jti", &jti));
	c->aud = jose_json_get(c->object, "aud");
	if (c->aud != NULL && c->aud->type != JOSE_JSON_STRING)
	{
		if (c->aud->type != JOSE_JSON_ARRAY)
			return wrong_type(c, "aud", "a string or an array of strings");
		for (const JoseJson *a = c->aud->child; a != NULL; a = a->next)
			if (a->type != JOSE_JSON_STRING)
				return wrong_type(c, "aud", "a string or an array of strings");
	}
	TRY(read_date(c, "exp", false, &c->times.has_exp, &c->times.exp));
	TRY(read_date(c, "nbf", true, &c->times.has_nbf, &c->times.nbf));
	return read_date(c, "iat", true, &c->times.has_iat, &c->times.iat);
}

/* ------------------------------------------------------------ expectations */

static JoseCode
missing(const Claims *c, const char *name)
{
	JoseQuote	quote;

	return jose_fail(c->err, JOSE_ERR_MISSING_CLAIM, "token has no claim \"%s\"",
					 jose_quote(&quote, name, strlen(name)));
}

static JoseCode
check_string(const Claims *c, const char *name, const JoseJson *have, const char *want,
			 JoseCode code)
{
	JoseQuote	a,
				b;

	if (want == NULL)
		return JOSE_OK;
	if (have == NULL)
		return missing(c, name);
	if (jose_json_is(have, want))
		return JOSE_OK;
	jose_fail(c->err, code, code == JOSE_ERR_ISSUER ? "token has another issuer" :
			  "token has another subject");
	return jose_detail(c->err, "\"%s\" is \"%s\", expected \"%s\".", name,
					   jose_quote(&a, have->text, have->len),
					   jose_quote(&b, want, strlen(want)));
}

static bool
is_one_of(const JoseJson *have, const JoseExpectations *want)
{
	for (size_t i = 0; i < want->n_audiences; i++)
		if (jose_json_is(have, want->audiences[i]))
			return true;
	return false;
}

static JoseCode
check_audience(const Claims *c, const JoseExpectations *want)
{
	if (want->any_audience)
		return JOSE_OK;
	if (c->aud == NULL)
		return want->n_audiences == 0 ? JOSE_OK : missing(c, "aud");
	if (c->aud->type == JOSE_JSON_STRING)
	{
		if (is_one_of(c->aud, want))
			return JOSE_OK;
	}
	else
		for (const JoseJson *a = c->aud->child; a != NULL; a = a->next)
			if (is_one_of(a, want))
				return JOSE_OK;
	jose_fail(c->err, JOSE_ERR_AUDIENCE, "token is for another audience");
	if (want->n_audiences == 0)
		jose_detail(c->err, "It has an \"aud\", and no audience was given to compare it with.");
	return JOSE_ERR_AUDIENCE;
}

static JoseCode
check_times(const Claims *c, const JoseExpectations *want, int64_t now)
{
	const JoseTimes *t = &c->times;

	if (t->has_nbf && now < t->nbf - want->leeway)
	{
		jose_fail(c->err, JOSE_ERR_NOT_YET_VALID, "token is not yet valid");
		return jose_detail(c->err, "\"nbf\" is %" PRId64 ", now is %" PRId64 ".", t->nbf, now);
	}
	if (t->has_exp && now >= t->exp + want->leeway)
	{
		jose_fail(c->err, JOSE_ERR_EXPIRED, "token has expired");
		return jose_detail(c->err, "\"exp\" is %" PRId64 ", now is %" PRId64 ".", t->exp, now);
	}
	if (want->max_age > 0)
	{
		if (t->iat - want->leeway > now)
		{
			jose_fail(c->err, JOSE_ERR_NOT_YET_VALID, "token was issued in the future");
			return jose_detail(c->err, "\"iat\" is %" PRId64 ", now is %" PRId64 ".", t->iat, now);
		}
		if (now - want->leeway > t->iat + want->max_age)
		{
			jose_fail(c->err, JOSE_ERR_EXPIRED, "token is too old");
			return jose_detail(c->err, "\"iat\" is %" PRId64 ", now is %" PRId64 ".", t->iat, now);
		}
	}
	return JOSE_OK;
}

static JoseCode
check_claims(Claims *c, const JoseExpectations *want, int64_t now)
{
	for (size_t i = 0; i < want->n_required; i++)
	{
		const JoseJson *claim = jose_json_get(c->object, want->required[i]);

		if (claim == NULL || claim->type == JOSE_JSON_NULL)
			return missing(c, want->required[i]);
	}
	if (want->max_age > 0 && !c->times.has_iat)
		return missing(c, "iat");
	TRY(check_string(c, "iss", c->iss, want->issuer, JOSE_ERR_ISSUER));
	TRY(check_audience(c, want));
	TRY(check_string(c, "sub", c->sub, want->subject, JOSE_ERR_SUBJECT));
	return check_times(c, want, now);
}

JoseCode
jose_claims_check(const JoseHost *host, const char *payload, size_t payload_len,
				  const JoseExpectations *want, int64_t now, JoseTimes *times,
				  JoseError *err)
{
	static const JoseExpectations nothing;
	JoseJsonDoc doc;
	Claims		c = { .err = err };
	JoseCode	code;

	if (want == NULL)
		want = &nothing;
	if (want->leeway < 0 || want->leeway > MAX_DATE / 2 ||
		want->max_age < 0 || want->max_age > MAX_DATE / 2 ||
		now < -MAX_DATE / 2 || now > MAX_DATE / 2)
		return jose_fail(err, JOSE_ERR_ARGUMENT, "a time is out of range");
	if (payload_len > JOSE_MAX_TOKEN_BYTES)
		return jose_fail(err, JOSE_ERR_LIMIT, "claims have more than %d bytes", JOSE_MAX_TOKEN_BYTES);
	TRY(jose_json_parse(host, payload, payload_len, JOSE_ERR_MALFORMED, "claims", &doc, err));
	c.object = doc.root;
	code = read_claims(&c);
	if (code == JOSE_OK && times != NULL)
		*times = c.times;
	if (code == JOSE_OK)
		code = check_claims(&c, want, now);
	jose_json_free(host, &doc);
	return code;
}

JoseCode
jose_claims_string(const JoseHost *host, const char *payload, size_t payload_len,
				   const char *name, char **value, JoseError *err)
{
	JoseJsonDoc doc;
	const JoseJson *claim;
	char	   *copy = NULL;
	JoseCode	code = JOSE_OK;

	if (payload_len > JOSE_MAX_TOKEN_BYTES)
		return jose_fail(err, JOSE_ERR_LIMIT, "claims have more than %d bytes", JOSE_MAX_TOKEN_BYTES);
	TRY(jose_json_parse(host, payload, payload_len, JOSE_ERR_MALFORMED, "claims", &doc, err));
	claim = jose_json_get(doc.root, name);
	if (claim != NULL && claim->type != JOSE_JSON_STRING)
		code = jose_fail(err, JOSE_ERR_MALFORMED, "claims are malformed: \"%s\" is not a string", name);
	else if (claim != NULL)
	{
		copy = jose_alloc(host, claim->len + 1);
		if (copy == NULL)
			code = jose_nomem(err);
		else
		{
			memcpy(copy, claim->text, claim->len);
			copy[claim->len] = '\0';
		}
	}
	jose_json_free(host, &doc);
	if (code == JOSE_OK)
		*value = copy;
	return code;
}
