/*-------------------------------------------------------------------------
 *
 * jws.c
 *	  JSON Web Signatures, compact serialization (RFC 7515).
 *
 * A token is checked in full form (three segments, base64url, the header's
 * JSON) before any cryptography.  The header decides nothing: it has to name
 * the algorithm that the key is for.
 *
 * Tokens of one issuer share their header to the letter.  The key remembers
 * the encoded header of the last token that it made and of the last that it
 * found good, so that equal ones are neither built nor read again.  What a
 * header says does not depend on anything but its text.
 *
 *-------------------------------------------------------------------------
 */
#include "internal.h"

#define MAX_HEADER_JSON JOSE_BASE64URL_BYTES(JOSE_MAX_HEADER_BYTES)

/* What the longest header of ours takes: every byte of kid and typ escaped. */
#define MAX_OWN_HEADER (64 + 6 * (JOSE_MAX_KID_BYTES + JOSE_MAX_TYP_BYTES))

_Static_assert(JOSE_BASE64URL_LEN(MAX_OWN_HEADER) <= JOSE_MAX_HEADER_BYTES,
			   "what is written here can be read here");

/* The segments of a token, still encoded. */
typedef struct Segments
{
	const char *header;
	size_t		header_len;
	const char *payload;
	size_t		payload_len;
	const char *signature;
	size_t		signature_len;
} Segments;

static JoseCode
split(const char *token, size_t len, Segments *s, JoseError *err)
{
	const char *end,
			   *first,
			   *second;

	if (len > JOSE_MAX_TOKEN_BYTES)
		return jose_fail(err, JOSE_ERR_LIMIT, "token has more than %d bytes", JOSE_MAX_TOKEN_BYTES);
	if (len == 0)
		return jose_fail(err, JOSE_ERR_MALFORMED, "token is malformed: it is empty");
	end = token + len;
	first = memchr(token, '.', len);
	second = first != NULL ? memchr(first + 1, '.', (size_t) (end - first - 1)) : NULL;
	if (second == NULL || memchr(second + 1, '.', (size_t) (end - second - 1)) != NULL)
	{
		jose_fail(err, JOSE_ERR_MALFORMED, "token is malformed: not three segments");
		return jose_detail(err, "The compact serialization has a header, a payload and a signature, with dots between.");
	}
	s->header = token;
	s->header_len = (size_t) (first - token);
	s->payload = first + 1;
	s->payload_len = (size_t) (second - first - 1);
	s->signature = second + 1;
	s->signature_len = (size_t) (end - second - 1);
	if (s->header_len > JOSE_MAX_HEADER_BYTES)
		return jose_fail(err, JOSE_ERR_LIMIT, "token header has more than %d bytes",
						 JOSE_MAX_HEADER_BYTES);
	if (JOSE_BASE64URL_BYTES(s->signature_len) > JOSE_MAX_SIGNATURE_BYTES)
		return jose_fail(err, JOSE_ERR_LIMIT, "token signature has more than %d bytes",
						 JOSE_MAX_SIGNATURE_BYTES);
	return JOSE_OK;
}

static JoseCode
not_base64url(JoseError *err, const char *what)
{
	return jose_fail(err, JOSE_ERR_MALFORMED, "token is malformed: the %s is not base64url", what);
}

/* ----------------------------------------------------------------- headers */

static JoseCode
copy_member(const JoseJson *object, const char *name, char *buf, size_t size,
			bool *has, JoseError *err)
{
	const JoseJson *value = jose_json_get(object, name);

	if (value == NULL)
		return JOSE_OK;
	if (value->type != JOSE_JSON_STRING)
		return jose_fail(err, JOSE_ERR_MALFORMED,
						 "token is malformed: \"%s\" of the header is not a string", name);
	if (value->len >= size)
		return jose_fail(err, JOSE_ERR_LIMIT, "\"%s\" of the token header has more than %zu bytes",
						 name, size - 1);
	memcpy(buf, value->text, value->len);
	buf[value->len] = '\0';
	*has = true;
	return JOSE_OK;
}

/* Of a header's JSON object.  unsupported is its `alg` for a message. */
static JoseCode
read_members(const JoseJson *object, JoseHeader *header, JoseQuote *unsupported, JoseError *err)
{
	const JoseJson *alg = jose_json_get(object, "alg");

	memset(header, 0, sizeof(*header));
	if (alg == NULL || alg->type != JOSE_JSON_STRING)
		return jose_fail(err, JOSE_ERR_MALFORMED,
						 "token is malformed: \"alg\" of the header is missing or not a string");
	header->alg = jose_alg_from_name(alg->text, alg->len);
	jose_quote(unsupported, alg->text, alg->len);
	header->has_crit = jose_json_get(object, "crit") != NULL;
	TRY(copy_member(object, "kid", header->kid, sizeof(header->kid), &header->has_kid, err));
	return copy_member(object, "typ", header->typ, sizeof(header->typ), &header->has_typ, err);
}

static JoseCode
read_header(const JoseHost *host, const char *json, size_t len,
			JoseHeader *header, JoseQuote *unsupported, JoseError *err)
{
	JoseJsonDoc doc;
	JoseCode	code;

	TRY(jose_json_parse(host, json, len, JOSE_ERR_MALFORMED, "token header", &doc, err));
	code = read_members(doc.root, header, unsupported, err);
	jose_json_free(host, &doc);
	return code;
}

static char
lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (char) (c - 'A' + 'a') : c;
}

/* RFC 7515 section 4.1.9: without a slash, `application/` is understood. */
static const char *
subtype(const char *typ)
{
	static const char prefix[] = "application/";
	size_t		i = 0;

	while (prefix[i] != '\0' && lower(typ[i]) == prefix[i])
		i++;
	return prefix[i] == '\0' && strchr(typ + i, '/') == NULL ? typ + i : typ;
}

static bool
same_type(const char *a, const char *b)
{
	a = subtype(a);
	b = subtype(b);
	while (*a != '\0' && lower(*a) == lower(*b))
		a++, b++;
	return *a == '\0' && *b == '\0';
}

/* ----------------------------------------------------------------- signing */

static bool
same_text(bool has, const char *have, const char *want)
{
	return want == NULL ? !has : has && strcmp(have, want) == 0;
}

static JoseCode
check_text(const char *name, const char *text, size_t max, JoseError *err)
{
	size_t		len = strlen(text);

	if (len > max)
		return jose_fail(err, JOSE_ERR_LIMIT, "\"%s\" of a token header has more than %zu bytes", name, max);
	if (!jose_is_utf8(text, len))
		return jose_fail(err, JOSE_ERR_ARGUMENT, "\"%s\" of a token header is not UTF-8", name);
	return JOSE_OK;
}

/*
 * The encoded header: from the cache, which *encoded then points to, or made
 * in buf, which has room for the largest.
 */
static JoseCode
make_header(JoseKey *key, const char *typ, const char *kid,
			char *buf, const char **encoded, size_t *len, JoseError *err)
{
	JoseHeaderCache *cache = &key->signed_header;
	char		json[MAX_OWN_HEADER];
	JoseOut		out = { .buf = json, .size = sizeof(json) };

	if (cache->len > 0 &&
		same_text(cache->header.has_typ, cache->header.typ, typ) &&
		same_text(cache->header.has_kid, cache->header.kid, kid))
	{
		*encoded = cache->encoded;
		*len = cache->len;
		return JOSE_OK;
	}

	jose_out_str(&out, "{\"alg\":\"");
	jose_out_str(&out, key->info->name);
	jose_out_str(&out, "\"");
	if (typ != NULL)
	{
		TRY(check_text("typ", typ, JOSE_MAX_TYP_BYTES, err));
		jose_out_str(&out, ",\"typ\":");
		jose_out_json(&out, typ, strlen(typ));
	}
	if (kid != NULL)
	{
		TRY(check_text("kid", kid, JOSE_MAX_KID_BYTES, err));
		jose_out_str(&out, ",\"kid\":");
		jose_out_json(&out, kid, strlen(kid));
	}
	jose_out_str(&out, "}");
	if (out.len > sizeof(json))
		return jose_fail(err, JOSE_ERR_LIMIT, "token header is too long");

	*len = JOSE_BASE64URL_LEN(out.len);
	jose_base64url_encode(buf, json, out.len);
	*encoded = buf;
	if (*len <= sizeof(cache->encoded))
	{
		memcpy(cache->encoded, buf, *len);
		cache->len = *len;
		memset(&cache->header, 0, sizeof(cache->header));
		cache->header.alg = key->alg;
		cache->header.has_typ = typ != NULL;
		if (typ != NULL)
			memcpy(cache->header.typ, typ, strlen(typ) + 1);
		cache->header.has_kid = kid != NULL;
		if (kid != NULL)
			memcpy(cache->header.kid, kid, strlen(kid) + 1);
	}
	return JOSE_OK;
}

JoseCode
jose_jws_sign(const JoseHost *host, JoseKey *key, const JoseSignOptions *options,
			  const void *payload, size_t payload_len,
			  char **token, size_t *token_len, JoseError *err)
{
	const char *typ = options != NULL ? options->typ : NULL;
	const char *kid = options != NULL && options->kid != NULL ? options->kid : jose_jwk_kid(key);
	unsigned char signature[JOSE_MAX_SIGNATURE_BYTES];
	char		buf[JOSE_BASE64URL_LEN(MAX_OWN_HEADER)];
	const char *header = NULL;
	size_t		header_len = 0;
	size_t		signed_len,
				total;
	char	   *block;
	JoseCode	code;

	if (!key->is_private)
		return jose_fail(err, JOSE_ERR_ARGUMENT, "a public key cannot sign");
	if (!key->may_sign)
		return jose_fail(err, JOSE_ERR_KEY_USE, "the key must not sign (\"key_ops\")");
	TRY(make_header(key, typ, kid, buf, &header, &header_len, err));

	/* the first test keeps the sum from overflowing */
	if (payload_len > JOSE_MAX_TOKEN_BYTES)
		return jose_fail(err, JOSE_ERR_LIMIT, "token would have more than %d bytes", JOSE_MAX_TOKEN_BYTES);
	signed_len = header_len + 1 + JOSE_BASE64URL_LEN(payload_len);
	total = signed_len + 1 + JOSE_BASE64URL_LEN(key->signature_len);
	if (total > JOSE_MAX_TOKEN_BYTES)
		return jose_fail(err, JOSE_ERR_LIMIT, "token would have more than %d bytes", JOSE_MAX_TOKEN_BYTES);

	block = jose_alloc(host, total + 1);
	if (block == NULL)
		return jose_nomem(err);
	memcpy(block, header, header_len);
	block[header_len] = '.';
	jose_base64url_encode(block + header_len + 1, payload, payload_len);
	code = jose_key_sign(key, block, signed_len, signature, err);
	if (code != JOSE_OK)
	{
		jose_release(host, block);
		return code;
	}
	block[signed_len] = '.';
	jose_base64url_encode(block + signed_len + 1, signature, key->signature_len);
	block[total] = '\0';
	*token = block;
	*token_len = total;
	return JOSE_OK;
}

/* ----------------------------------------------------------------- reading */

JoseCode
jose_jws_decode(const JoseHost *host, const char *token, size_t token_len,
				JoseHeader *header, JoseDecoded *decoded, JoseError *err)
{
	Segments	s;
	unsigned char signature[JOSE_MAX_SIGNATURE_BYTES];
	size_t		signature_len,
				header_len,
				payload_len;
	char	   *block,
			   *payload;
	JoseHeader	local;
	JoseQuote	unsupported;
	JoseCode	code;

	TRY(split(token, token_len, &s, err));
	block = jose_alloc(host, JOSE_BASE64URL_BYTES(s.header_len) + 1 +
					   JOSE_BASE64URL_BYTES(s.payload_len) + 1);
	if (block == NULL)
		return jose_nomem(err);
	payload = block + JOSE_BASE64URL_BYTES(s.header_len) + 1;
	if (!jose_base64url_decode(block, &header_len, s.header, s.header_len))
		code = not_base64url(err, "header");
	else if (!jose_base64url_decode(payload, &payload_len, s.payload, s.payload_len))
		code = not_base64url(err, "payload");
	else if (!jose_base64url_decode(signature, &signature_len, s.signature, s.signature_len))
		code = not_base64url(err, "signature");
	else
		code = read_header(host, block, header_len, &local, &unsupported, err);
	if (code != JOSE_OK)
	{
		jose_release(host, block);
		return code;
	}
	block[header_len] = '\0';
	payload[payload_len] = '\0';
	if (header != NULL)
		*header = local;
	if (decoded != NULL)
	{
		decoded->header_json = block;
		decoded->header_len = header_len;
		decoded->payload = payload;
		decoded->payload_len = payload_len;
	}
	else
		jose_release(host, block);
	return JOSE_OK;
}

/* The header of a token that is to be verified with the key. */
static JoseCode
accept_header(const JoseHost *host, const JoseKey *key, const Segments *s,
			  JoseHeader *header, JoseError *err)
{
	char		json[MAX_HEADER_JSON];
	size_t		len;
	JoseQuote	unsupported;

	if (!jose_base64url_decode(json, &len, s->header, s->header_len))
		return not_base64url(err, "header");
	TRY(read_header(host, json, len, header, &unsupported, err));
	if (header->has_crit)
	{
		jose_fail(err, JOSE_ERR_CRITICAL, "token header has \"crit\"");
		return jose_detail(err, "No extension is supported (RFC 7515 section 4.1.11).");
	}
	if (header->alg == JOSE_ALG_UNSPECIFIED)
		return jose_fail(err, JOSE_ERR_ALGORITHM, "token algorithm \"%s\" is not supported",
						 unsupported.text);
	if (header->alg != key->alg)
	{
		jose_fail(err, JOSE_ERR_KEY_MISMATCH, "token algorithm and key do not agree");
		return jose_detail(err, "The token says %s, the key is for %s.",
						   jose_alg_name(header->alg), key->info->name);
	}
	return JOSE_OK;
}

static JoseCode
verify_into(const JoseHost *host, JoseKey *key, const char *token, const Segments *s,
			const JoseVerifyOptions *options, JoseHeader *header_out,
			char *block, size_t *payload_len, JoseError *err)
{
	JoseHeaderCache *cache = &key->verified_header;
	bool		known = cache->len > 0 && cache->len == s->header_len &&
		memcmp(cache->encoded, s->header, s->header_len) == 0;
	unsigned char signature[JOSE_MAX_SIGNATURE_BYTES];
	size_t		signature_len;
	JoseHeader	local;
	const JoseHeader *header = &cache->header;

	if (!jose_base64url_decode(block, payload_len, s->payload, s->payload_len))
		return not_base64url(err, "payload");
	if (!jose_base64url_decode(signature, &signature_len, s->signature, s->signature_len))
		return not_base64url(err, "signature");
	if (!known)
	{
		TRY(accept_header(host, key, s, &local, err));
		header = &local;
	}
	if (!key->may_verify)
		return jose_fail(err, JOSE_ERR_KEY_USE, "the key must not verify (\"key_ops\")");
	if (options == NULL || !options->known_good)
		TRY(jose_key_verify(key, token, s->header_len + 1 + s->payload_len,
							signature, signature_len, err));

	if (!known && s->header_len <= sizeof(cache->encoded))
	{
		memcpy(cache->encoded, s->header, s->header_len);
		cache->len = s->header_len;
		cache->header = local;
	}
	if (options != NULL && options->typ != NULL &&
		!(header->has_typ && same_type(header->typ, options->typ)))
	{
		JoseQuote	have;
		JoseQuote	want;

		jose_fail(err, JOSE_ERR_TYPE, "token has another type");
		if (!header->has_typ)
			return jose_detail(err, "It has no \"typ\", expected \"%s\".",
							   jose_quote(&want, options->typ, strlen(options->typ)));
		return jose_detail(err, "Its \"typ\" is \"%s\", expected \"%s\".",
						   jose_quote(&have, header->typ, strlen(header->typ)),
						   jose_quote(&want, options->typ, strlen(options->typ)));
	}
	if (header_out != NULL)
		*header_out = *header;
	return JOSE_OK;
}

JoseCode
jose_jws_verify(const JoseHost *host, JoseKey *key, const char *token, size_t token_len,
				const JoseVerifyOptions *options, JoseHeader *header,
				char **payload, size_t *payload_len, JoseError *err)
{
	Segments	s;
	char	   *block;
	size_t		len;
	JoseCode	code;

	TRY(split(token, token_len, &s, err));
	block = jose_alloc(host, JOSE_BASE64URL_BYTES(s.payload_len) + 1);
	if (block == NULL)
		return jose_nomem(err);
	code = verify_into(host, key, token, &s, options, header, block, &len, err);
	if (code != JOSE_OK)
	{
		jose_release(host, block);
		return code;
	}
	block[len] = '\0';
	*payload = block;
	*payload_len = len;
	return JOSE_OK;
}
