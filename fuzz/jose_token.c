/*-------------------------------------------------------------------------
 *
 * jose_token.c
 *	  Fuzz target: tokens and claims.
 *
 * The first byte of the input says what the rest is: a whole token, or a
 * header and a payload (0xff between them) that are signed here with the
 * first key, so that what lies behind a good signature is reached too.  What
 * verifies must be what its segments say, by another base64url and by
 * jansson; what the JSON reader takes or refuses, jansson must take or refuse.
 *
 *-------------------------------------------------------------------------
 */
#include "jose_fuzz.h"

static JoseKey *keys[4];

static const char *const key_texts[] = {
	"{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"alg\":\"EdDSA\",\"d\":\"nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A\","
	"\"x\":\"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo\"}",
	"{\"kty\":\"oct\",\"alg\":\"HS256\",\"k\":\"AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0i"
	"PS4hcgUuTwjAzZr1Z9CAow\"}",
	"{\"kty\":\"EC\",\"crv\":\"P-256\",\"alg\":\"ES256\",\"x\":\"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU\","
	"\"y\":\"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0\"}",
	"{\"kty\":\"RSA\",\"alg\":\"RS256\",\"n\":\"ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Va"
	"w-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSX"
	"ndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWN"
	"moudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ\",\"e\":\"AQAB\"}",
};

#define N_KEYS (sizeof(keys) / sizeof(keys[0]))

const char *const fuzz_seeds[] = {
	"teyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc.hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4"
	"ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg",
	"teyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLm"
	"NvbS9pc19yb290Ijp0cnVlfQ.dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk",
	"teyJhbGciOiJFUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cn"
	"VlfQ.DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q",
	"teyJhbGciOiJub25lIn0.e30.",
	"s{\"alg\":\"EdDSA\",\"typ\":\"at+jwt\",\"kid\":\"a\\u0062\\ud83d\\ude00\"}\xff{\"iss\":\"joe\",\"aud\":[\"api\",\"x\"],"
	"\"exp\":1.7e9,\"nbf\":0,\"iat\":1699999999.5,\"sub\":\"\",\"jti\":\"1\"}",
	"s{\"alg\":\"EdDSA\",\"crit\":[\"exp\"]}\xff{}",
	"s{\"alg\":\"HS256\",\"jwk\":{\"kty\":\"oct\",\"k\":\"AA\"}}\xff[1,2]",
	"s{\"alg\":\"EdDSA\",\"typ\":null}\xff{\"aud\":\"api\",\"exp\":\"1\"}",
};

const size_t fuzz_n_seeds = sizeof(fuzz_seeds) / sizeof(fuzz_seeds[0]);

/* Segment i of a token: start and length. */
static const char *
segment(const char *token, size_t len, int i, size_t *n)
{
	const char *end = token + len;
	const char *dot;

	while (i-- > 0)
		token = (const char *) memchr(token, '.', (size_t) (end - token)) + 1;
	dot = memchr(token, '.', (size_t) (end - token));
	*n = (size_t) ((dot != NULL ? dot : end) - token);
	return token;
}

/* By the rules of RFC 4648 and nothing of ours; the bytes in a kept block. */
static char *
slow_decode(const char *text, size_t len, size_t *n)
{
	static const char order[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
	char	   *out = fuzz_keep(malloc(len + 1));
	unsigned	bits = 0;
	int			have = 0;

	*n = 0;
	for (size_t i = 0; i < len; i++)
	{
		const char *at = text[i] != '\0' ? strchr(order, text[i]) : NULL;

		if (at == NULL)
			return NULL;
		bits = (bits << 6 | (unsigned) (at - order)) & 0xffff;
		have += 6;
		if (have >= 8)
		{
			have -= 8;
			out[(*n)++] = (char) (bits >> have);
		}
	}
	if (have >= 6 || (bits & ((1u << have) - 1)) != 0)
		return NULL;
	return out;
}

static void
check_claims(const char *payload, size_t len)
{
	static const char *const audiences[] = { "api" };
	static const char *const required[] = { "jti" };
	static const int64_t now = 1700000000;
	JoseExpectations want[] = {
		{ .any_audience = true },
		{ .issuer = "joe", .audiences = audiences, .n_audiences = 1, .leeway = 30 },
		{ .subject = "", .required = required, .n_required = 1, .max_age = 60, .any_audience = true },
	};
	JoseTimes	times;
	JoseError	err;
	JoseCode	code;
	char	   *issuer;

	for (size_t i = 0; i < sizeof(want) / sizeof(want[0]); i++)
	{
		code = jose_claims_check(&fuzz_host, payload, len, &want[i], now, &times, &err);
		fuzz_check_error(code, &err);
		if (code != JOSE_OK)
			continue;
		FUZZ_REQUIRE(!times.has_exp || now < times.exp + want[i].leeway, "expired, accepted");
		FUZZ_REQUIRE(!times.has_nbf || now >= times.nbf - want[i].leeway, "not yet valid, accepted");
	}
	code = jose_claims_string(&fuzz_host, payload, len, "iss", &issuer, &err);
	fuzz_check_error(code, &err);
	if (code == JOSE_OK)
	{
		json_t	   *object = fuzz_jansson(payload, len);
		json_t	   *iss = json_object_get(object, "iss");

		FUZZ_REQUIRE(object != NULL, "jansson does not take the claims");
		FUZZ_REQUIRE(issuer == NULL ? iss == NULL : iss != NULL && strcmp(json_string_value(iss), issuer) == 0, "iss");
		json_decref(object);
		if (issuer != NULL)
			fuzz_release(issuer);
	}
	code = jose_claims_check(&fuzz_host, payload, len, &want[0], now, NULL, &err);
	if (code != JOSE_ERR_LIMIT)
	{
		json_t	   *object = fuzz_jansson(payload, len);
		json_t	   *exp = json_object_get(object, "exp");

		if (code == JOSE_OK)
		{
			FUZZ_REQUIRE(object != NULL, "jansson does not take the claims");
			FUZZ_REQUIRE(exp == NULL || (json_is_real(exp) && json_real_value(exp) >= (double) now), "exp");
		}
		json_decref(object);
	}
}

static void
check_token(const char *token, size_t len)
{
	JoseHeader	header,
				seen;
	JoseDecoded d;
	JoseError	err;
	JoseCode	code = jose_jws_decode(&fuzz_host, token, len, &header, &d, &err);
	JoseVerifyOptions known_good = { .known_good = true };
	int			verified = 0;

	fuzz_check_error(code, &err);
	if (code == JOSE_OK)
	{
		size_t		n;
		const char *part = segment(token, len, 0, &n);
		char	   *plain;
		json_t	   *object;

		plain = slow_decode(part, n, &n);
		FUZZ_REQUIRE(plain != NULL && n == d.header_len && memcmp(plain, d.header_json, n) == 0, "header");
		part = segment(token, len, 1, &n);
		plain = slow_decode(part, n, &n);
		FUZZ_REQUIRE(plain != NULL && n == d.payload_len && memcmp(plain, d.payload, n) == 0, "payload");
		part = segment(token, len, 2, &n);
		FUZZ_REQUIRE(slow_decode(part, n, &n) != NULL, "signature");
		object = fuzz_jansson(d.header_json, d.header_len);
		FUZZ_REQUIRE(object != NULL, "jansson does not take the header");
		FUZZ_REQUIRE(json_is_string(json_object_get(object, "alg")), "alg");
		FUZZ_REQUIRE((json_object_get(object, "crit") != NULL) == header.has_crit, "crit");
		FUZZ_REQUIRE(header.has_kid ? strcmp(json_string_value(json_object_get(object, "kid")), header.kid) == 0 :
					 json_object_get(object, "kid") == NULL, "kid");
		FUZZ_REQUIRE(header.alg == JOSE_ALG_UNSPECIFIED ||
					 strcmp(json_string_value(json_object_get(object, "alg")), jose_alg_name(header.alg)) == 0, "alg");
		json_decref(object);
		check_claims(d.payload, d.payload_len);
	}
	for (size_t i = 0; i < N_KEYS; i++)
	{
		char	   *payload;
		size_t		n;
		JoseCode	result = jose_jws_verify(&fuzz_host, keys[i], token, len, NULL, &seen, &payload, &n, &err);

		fuzz_check_error(result, &err);
		if (result != JOSE_OK)
			continue;
		verified++;
		FUZZ_REQUIRE(code == JOSE_OK, "verified, but not decoded");
		FUZZ_REQUIRE(seen.alg == jose_jwk_algorithm(keys[i]) && !seen.has_crit, "header");
		FUZZ_REQUIRE(memcmp(&seen, &header, sizeof(seen)) == 0, "two headers");
		FUZZ_REQUIRE(n == d.payload_len && memcmp(payload, d.payload, n) == 0 && payload[n] == '\0', "payload");
		fuzz_release(payload);
		/* what is good once is good again, without a look at the signature */
		result = jose_jws_verify(&fuzz_host, keys[i], token, len, &known_good, &seen, &payload, &n, &err);
		FUZZ_REQUIRE(result == JOSE_OK && n == d.payload_len && memcmp(payload, d.payload, n) == 0, "known good");
		fuzz_release(payload);
	}
	FUZZ_REQUIRE(verified <= 1, "verified by %d keys", verified);
	if (code == JOSE_OK)
		fuzz_release(d.header_json);
}

static void
check_signed(const char *text, size_t size)
{
	const char *cut = size > 0 ? memchr(text, 0xff, size) : NULL;
	size_t		header_len = cut != NULL ? (size_t) (cut - text) : size;
	const char *payload = cut != NULL ? cut + 1 : text;
	size_t		payload_len = cut != NULL ? size - header_len - 1 : 0;
	size_t		n = JOSE_BASE64URL_LEN(header_len) + 1 + JOSE_BASE64URL_LEN(payload_len);
	char	   *token = fuzz_keep(malloc(n + 1 + JOSE_BASE64URL_LEN(64)));
	unsigned char signature[64];
	JoseError	err;
	json_t	   *object;
	char	   *out;
	size_t		len;
	JoseCode	code;

	jose_base64url_encode(token, text, header_len);
	token[JOSE_BASE64URL_LEN(header_len)] = '.';
	jose_base64url_encode(token + JOSE_BASE64URL_LEN(header_len) + 1, payload, payload_len);
	FUZZ_REQUIRE(jose_key_sign(keys[0], token, n, signature, &err) == JOSE_OK, "%s", err.message);
	token[n++] = '.';
	jose_base64url_encode(token + n, signature, 64);
	n += JOSE_BASE64URL_LEN(64);

	/* with this signature only the header can be a reason to refuse */
	code = jose_jws_verify(&fuzz_host, keys[0], token, n, NULL, NULL, &out, &len, &err);
	FUZZ_REQUIRE(code != JOSE_ERR_SIGNATURE, "its own signature");
	if (code == JOSE_OK)
	{
		FUZZ_REQUIRE(len == payload_len && memcmp(out, payload, len) == 0, "payload");
		fuzz_release(out);
	}
	if (code == JOSE_ERR_MALFORMED && memchr(text, '\0', header_len) == NULL)
	{
		/* not an object, or a member that is no string */
		object = fuzz_jansson(text, header_len);
		FUZZ_REQUIRE(object == NULL || !json_is_string(json_object_get(object, "alg")) ||
					 (json_object_get(object, "kid") != NULL && !json_is_string(json_object_get(object, "kid"))) ||
					 (json_object_get(object, "typ") != NULL && !json_is_string(json_object_get(object, "typ"))),
					 "jansson takes the header: %s", err.detail);
		json_decref(object);
	}
	check_token(fuzz_copy(token, n), n);
}

void
fuzz_setup(void)
{
	JoseError	err;

	for (size_t i = 0; i < N_KEYS; i++)
		if (jose_jwk_parse(&fuzz_host, key_texts[i], strlen(key_texts[i]), JOSE_ALG_UNSPECIFIED, &keys[i],
						   &err) != JOSE_OK)
		{
			fprintf(stderr, "key %zu: %s %s\n", i, err.message, err.detail);
			abort();
		}
}

void
fuzz_one(const uint8_t *data, size_t size)
{
	const char *text;

	if (size == 0)
		return;
	text = fuzz_copy(data + 1, size - 1);
	if (data[0] == 's')
		check_signed(text, size - 1);
	else
		check_token(text, size - 1);
}
