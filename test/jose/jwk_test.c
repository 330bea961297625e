/*-------------------------------------------------------------------------
 *
 * jwk_test.c
 *	  Keys: what is read comes back when written, and what is no sound key
 *	  for signatures is refused with the code that says why.
 *
 * Most cases are a good key with one member replaced.
 *
 *-------------------------------------------------------------------------
 */
#include "harness.h"

#include <jansson.h>
#include <openssl/bn.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include "internal.h"

static const JoseAlg algs[] = {
	JOSE_HS256, JOSE_HS384, JOSE_HS512, JOSE_RS256, JOSE_RS384, JOSE_RS512,
	JOSE_PS256, JOSE_PS384, JOSE_PS512, JOSE_ES256, JOSE_ES384, JOSE_ES512, JOSE_EDDSA
};

#define N_ALGS (sizeof(algs) / sizeof(algs[0]))

static char *private_jwk[JOSE_ALG_COUNT];
static char *public_jwk[JOSE_ALG_COUNT];

static void
parse_is(const char *jwk, size_t len, JoseAlg alg, JoseCode want, const char *what)
{
	JoseKey    *key = NULL;
	JoseError	err;
	char	   *copy = malloc(len > 0 ? len : 1);
	long		live = host.live;
	JoseCode	code;

	memcpy(copy, jwk, len);
	code = jose_jwk_parse(HOST, copy, len, alg, &key, &err);
	CHECK_CODE(code, want, &err, "%s", what);
	CHECK((code == JOSE_OK) == (key != NULL), "%s: a key on failure", what);
	CHECK(host.live == live + (key != NULL), "%s: %ld blocks", what, host.live - live);
	jose_key_free(key);
	free(copy);
}

#define IS(jwk, alg, want) parse_is(jwk, strlen(jwk), alg, want, jwk)

/* The key with a member set to a JSON value, or away when it is NULL. */
static char *
with(const char *jwk, const char *member, const char *value)
{
	json_t	   *object = json_loads(jwk, 0, NULL);
	char	   *text;

	if (value == NULL)
		json_object_del(object, member);
	else
		json_object_set_new(object, member, json_loads(value, JSON_DECODE_ANY, NULL));
	text = json_dumps(object, JSON_COMPACT);
	json_decref(object);
	return text;
}

static void
with_is(const char *jwk, const char *member, const char *value, JoseCode want)
{
	char	   *text = with(jwk, member, value);
	char		what[300];

	snprintf(what, sizeof(what), "%.60s with \"%s\": %.200s", jwk, member, value != NULL ? value : "(none)");
	parse_is(text, strlen(text), JOSE_ALG_UNSPECIFIED, want, what);
	free(text);
}

static char *
member(const char *jwk, const char *name)
{
	json_t	   *object = json_loads(jwk, 0, NULL);
	char	   *text = strdup(json_string_value(json_object_get(object, name)));

	json_decref(object);
	return text;
}

static char *
quoted(const char *text)
{
	char	   *q = malloc(strlen(text) + 3);

	sprintf(q, "\"%s\"", text);
	return q;
}

/* ------------------------------------------------------------ round trips */

static void
test_round_trips(void)
{
	for (size_t i = 0; i < N_ALGS; i++)
	{
		JoseAlg		alg = algs[i];
		JoseKey    *key = must_generate(alg);
		char		print[JOSE_THUMBPRINT_SIZE],
					again[JOSE_THUMBPRINT_SIZE];
		JoseKey    *priv,
				   *pub = NULL;
		JoseError	err;
		char	   *text,
				   *token;

		CHECK(jose_jwk_algorithm(key) == alg && jose_jwk_is_private(key) && jose_jwk_can_sign(key) &&
			  jose_jwk_can_verify(key), "%s", jose_alg_name(alg));
		CHECK_CODE(jose_jwk_thumbprint(key, print, &err), JOSE_OK, &err, "thumbprint");
		CHECK(jose_jwk_kid(key) != NULL && strcmp(jose_jwk_kid(key), print) == 0, "kid %s", jose_jwk_kid(key));
		CHECK_CODE(jose_jwk_validate(key, &err), JOSE_OK, &err, "validate");

		text = must_export(key, JOSE_PRIVATE);
		private_jwk[alg] = strdup(text);
		priv = must_parse(text, JOSE_ALG_UNSPECIFIED);
		drop(text);
		text = must_export(priv, JOSE_PRIVATE);
		CHECK(strcmp(text, private_jwk[alg]) == 0, "%s does not come back", jose_alg_name(alg));
		drop(text);
		CHECK(jose_jwk_bits(key) == jose_jwk_bits(priv), "bits");
		token = must_sign(priv, NULL, "{}");
		CHECK_CODE(verify(key, token, &err), JOSE_OK, &err, "verify");

		if (jose_alg_is_symmetric(alg))
		{
			CHECK_CODE(jose_jwk_to_json(HOST, key, JOSE_PUBLIC, &text, &(size_t) { 0 }, &err),
					   JOSE_ERR_ARGUMENT, &err, "public form of a secret");
		}
		else
		{
			text = must_export(key, JOSE_PUBLIC);
			public_jwk[alg] = strdup(text);
			CHECK(strstr(text, "\"d\"") == NULL && strstr(text, "\"p\"") == NULL, "private parts: %s", text);
			pub = must_parse(text, alg);
			drop(text);
			CHECK(!jose_jwk_is_private(pub) && !jose_jwk_can_sign(pub) && jose_jwk_can_verify(pub), "public");
			CHECK_CODE(jose_jwk_thumbprint(pub, again, &err), JOSE_OK, &err, "thumbprint");
			CHECK(strcmp(print, again) == 0, "%s: two thumbprints", jose_alg_name(alg));
			CHECK_CODE(jose_jwk_validate(pub, &err), JOSE_OK, &err, "validate");
			CHECK_CODE(verify(pub, token, &err), JOSE_OK, &err, "verify with the public key");
			CHECK_CODE(jose_jwk_to_json(HOST, pub, JOSE_PRIVATE, &text, &(size_t) { 0 }, &err),
					   JOSE_ERR_ARGUMENT, &err, "private form of a public key");
			CHECK_CODE(jose_jws_sign(HOST, pub, NULL, "", 0, &text, &(size_t) { 0 }, &err),
					   JOSE_ERR_ARGUMENT, &err, "signing with a public key");
		}
		drop(token);
		jose_key_free(key);
		jose_key_free(priv);
		jose_key_free(pub);
	}
}

/* ------------------------------------------------------------------ kinds */

static void
test_algorithm(void)
{
	const char *rsa = public_jwk[JOSE_RS256];
	const char *ec = public_jwk[JOSE_ES256];
	const char *ed = public_jwk[JOSE_EDDSA];
	char	   *text;

	/* one for all of its type, when the caller says so */
	text = with(rsa, "alg", NULL);
	parse_is(text, strlen(text), JOSE_ALG_UNSPECIFIED, JOSE_ERR_KEY_MALFORMED, "RSA without alg");
	parse_is(text, strlen(text), JOSE_PS512, JOSE_OK, "RSA for PS512");
	parse_is(text, strlen(text), JOSE_ES256, JOSE_ERR_KEY_MISMATCH, "RSA for ES256");
	parse_is(text, strlen(text), JOSE_HS256, JOSE_ERR_KEY_MISMATCH, "RSA for HS256");
	free(text);
	text = with(private_jwk[JOSE_HS512], "alg", NULL);
	parse_is(text, strlen(text), JOSE_ALG_UNSPECIFIED, JOSE_ERR_KEY_MALFORMED, "oct without alg");
	parse_is(text, strlen(text), JOSE_HS256, JOSE_OK, "oct for HS256");
	parse_is(text, strlen(text), JOSE_RS256, JOSE_ERR_KEY_MISMATCH, "oct for RS256");
	free(text);
	text = with(ec, "alg", NULL);
	parse_is(text, strlen(text), JOSE_ALG_UNSPECIFIED, JOSE_OK, "P-256 without alg");
	parse_is(text, strlen(text), JOSE_ES384, JOSE_ERR_KEY_MISMATCH, "P-256 for ES384");
	parse_is(text, strlen(text), JOSE_EDDSA, JOSE_ERR_KEY_MISMATCH, "P-256 for EdDSA");
	free(text);
	text = with(ed, "alg", NULL);
	parse_is(text, strlen(text), JOSE_ALG_UNSPECIFIED, JOSE_OK, "Ed25519 without alg");
	parse_is(text, strlen(text), JOSE_ES256, JOSE_ERR_KEY_MISMATCH, "Ed25519 for ES256");
	free(text);

	parse_is(rsa, strlen(rsa), JOSE_RS256, JOSE_OK, "RS256 for RS256");
	parse_is(rsa, strlen(rsa), JOSE_RS512, JOSE_ERR_KEY_MISMATCH, "RS256 for RS512");
	parse_is(rsa, strlen(rsa), JOSE_PS256, JOSE_ERR_KEY_MISMATCH, "RS256 for PS256");
	parse_is(rsa, strlen(rsa), (JoseAlg) JOSE_ALG_COUNT, JOSE_ERR_ARGUMENT, "no algorithm");
	parse_is(rsa, strlen(rsa), (JoseAlg) -1, JOSE_ERR_ARGUMENT, "no algorithm");

	with_is(rsa, "alg", "\"none\"", JOSE_ERR_KEY_UNSUPPORTED);
	with_is(rsa, "alg", "\"rs256\"", JOSE_ERR_KEY_UNSUPPORTED);
	with_is(rsa, "alg", "\"RSA-OAEP\"", JOSE_ERR_KEY_UNSUPPORTED);
	with_is(rsa, "alg", "\"RS256 \"", JOSE_ERR_KEY_UNSUPPORTED);
	with_is(rsa, "alg", "\"HS256\"", JOSE_ERR_KEY_MISMATCH);
	with_is(rsa, "alg", "\"ES256\"", JOSE_ERR_KEY_MISMATCH);
	with_is(rsa, "alg", "null", JOSE_ERR_KEY_MALFORMED);
	with_is(rsa, "alg", "[\"RS256\"]", JOSE_ERR_KEY_MALFORMED);
	with_is(ec, "alg", "\"ES512\"", JOSE_ERR_KEY_MISMATCH);
	with_is(ec, "alg", "\"ES256K\"", JOSE_ERR_KEY_UNSUPPORTED);
	with_is(ed, "alg", "\"Ed448\"", JOSE_ERR_KEY_UNSUPPORTED);
	with_is(ed, "alg", "\"ES256\"", JOSE_ERR_KEY_MISMATCH);

	with_is(rsa, "kty", NULL, JOSE_ERR_KEY_MALFORMED);
	with_is(rsa, "kty", "1", JOSE_ERR_KEY_MALFORMED);
	with_is(rsa, "kty", "\"rsa\"", JOSE_ERR_KEY_UNSUPPORTED);
	with_is(rsa, "kty", "\"AKP\"", JOSE_ERR_KEY_UNSUPPORTED);
	with_is(rsa, "kty", "\"oct\"", JOSE_ERR_KEY_MISMATCH);
	with_is(rsa, "kty", "\"EC\"", JOSE_ERR_KEY_MALFORMED);
	with_is(ec, "crv", NULL, JOSE_ERR_KEY_MALFORMED);
	with_is(ec, "crv", "256", JOSE_ERR_KEY_MALFORMED);
	with_is(ec, "crv", "\"secp256k1\"", JOSE_ERR_KEY_UNSUPPORTED);
	with_is(ec, "crv", "\"P-224\"", JOSE_ERR_KEY_UNSUPPORTED);
	with_is(ec, "crv", "\"prime256v1\"", JOSE_ERR_KEY_UNSUPPORTED);
	with_is(ec, "crv", "\"Ed25519\"", JOSE_ERR_KEY_UNSUPPORTED);
	with_is(ec, "crv", "\"P-384\"", JOSE_ERR_KEY_MISMATCH);
	with_is(ed, "crv", "\"X25519\"", JOSE_ERR_KEY_UNSUPPORTED);
	with_is(ed, "crv", "\"Ed448\"", JOSE_ERR_KEY_UNSUPPORTED);
	with_is(ed, "crv", "\"P-256\"", JOSE_ERR_KEY_UNSUPPORTED);

	CHECK(jose_alg_from_name("none", 4) == JOSE_ALG_UNSPECIFIED, "none is an algorithm");
	CHECK(jose_alg_from_name("", 0) == JOSE_ALG_UNSPECIFIED, "the empty name is an algorithm");
	CHECK(jose_alg_from_name("HS2567", 5) == JOSE_HS256, "the length counts");
	CHECK(jose_alg_name(JOSE_ALG_UNSPECIFIED) == NULL && jose_alg_name((JoseAlg) 99) == NULL, "a name");
	for (size_t i = 0; i < N_ALGS; i++)
		CHECK(jose_alg_from_name(jose_alg_name(algs[i]), strlen(jose_alg_name(algs[i]))) == algs[i],
			  "%s", jose_alg_name(algs[i]));
}

static void
test_use(void)
{
	const char *pub = public_jwk[JOSE_ES256];
	const char *priv = private_jwk[JOSE_ES256];
	JoseKey    *key;
	JoseError	err;
	char	   *text,
			   *token;
	size_t		len;

	with_is(pub, "use", "\"enc\"", JOSE_ERR_KEY_USE);
	with_is(pub, "use", "\"SIG\"", JOSE_ERR_KEY_USE);
	with_is(pub, "use", "[\"sig\"]", JOSE_ERR_KEY_MALFORMED);
	with_is(pub, "use", NULL, JOSE_OK);
	with_is(pub, "key_ops", "[\"verify\"]", JOSE_OK);
	with_is(pub, "key_ops", "[\"verify\",\"x\"]", JOSE_OK);
	with_is(pub, "key_ops", "[\"sign\"]", JOSE_ERR_KEY_USE);
	with_is(pub, "key_ops", "[\"encrypt\"]", JOSE_ERR_KEY_USE);
	with_is(pub, "key_ops", "[\"sign, verify\"]", JOSE_ERR_KEY_USE);
	with_is(pub, "key_ops", "[]", JOSE_ERR_KEY_USE);
	with_is(pub, "key_ops", "[\"verify\",\"verify\"]", JOSE_ERR_KEY_MALFORMED);
	with_is(pub, "key_ops", "[\"verify\",1]", JOSE_ERR_KEY_MALFORMED);
	with_is(pub, "key_ops", "\"verify\"", JOSE_ERR_KEY_MALFORMED);
	with_is(pub, "key_ops", "null", JOSE_ERR_KEY_MALFORMED);
	with_is(priv, "key_ops", "[\"sign\"]", JOSE_OK);

	/* sign only */
	text = with(priv, "key_ops", "[\"sign\"]");
	key = must_parse(text, JOSE_ALG_UNSPECIFIED);
	free(text);
	CHECK(jose_jwk_can_sign(key) && !jose_jwk_can_verify(key), "key_ops sign");
	token = must_sign(key, NULL, "{}");
	CHECK_CODE(verify(key, token, &err), JOSE_ERR_KEY_USE, &err, "verify with a key that signs only");
	drop(token);
	text = must_export(key, JOSE_PRIVATE);
	CHECK(strstr(text, "\"key_ops\":[\"sign\"]") != NULL && strstr(text, "\"use\"") == NULL, "%s", text);
	drop(text);
	text = must_export(key, JOSE_PUBLIC);
	CHECK(strstr(text, "\"key_ops\"") == NULL, "%s", text);
	IS(text, JOSE_ES256, JOSE_OK);
	drop(text);
	jose_key_free(key);

	/* verify only, though private */
	text = with(priv, "key_ops", "[\"verify\"]");
	key = must_parse(text, JOSE_ALG_UNSPECIFIED);
	free(text);
	CHECK(!jose_jwk_can_sign(key) && jose_jwk_can_verify(key), "key_ops verify");
	CHECK_CODE(jose_jws_sign(HOST, key, NULL, "", 0, &token, &len, &err), JOSE_ERR_KEY_USE, &err,
			   "sign with a key that verifies only");
	jose_key_free(key);
}

static void
test_text(void)
{
	const char *ed = public_jwk[JOSE_EDDSA];
	char		big[400];
	char	   *text = malloc(JOSE_MAX_JWK_BYTES + 10);

	IS("", JOSE_EDDSA, JOSE_ERR_KEY_MALFORMED);
	IS("null", JOSE_EDDSA, JOSE_ERR_KEY_MALFORMED);
	IS("[]", JOSE_EDDSA, JOSE_ERR_KEY_MALFORMED);
	IS("{}", JOSE_EDDSA, JOSE_ERR_KEY_MALFORMED);
	IS("{\"keys\":[]}", JOSE_EDDSA, JOSE_ERR_KEY_MALFORMED);
	IS("{\"kty\":\"OKP\",\"kty\":\"EC\"}", JOSE_EDDSA, JOSE_ERR_KEY_MALFORMED);
	IS("{\"kty\":\"OKP\",\"crv\":\"Ed25519\"}", JOSE_EDDSA, JOSE_ERR_KEY_MALFORMED);
	IS("-----BEGIN PUBLIC KEY-----", JOSE_EDDSA, JOSE_ERR_KEY_MALFORMED);

	/* members that mean nothing here, as RFC 7517 wants */
	with_is(ed, "x5c", "[\"AAAA\"]", JOSE_OK);
	with_is(ed, "x5u", "\"https://example.com/\"", JOSE_OK);
	with_is(ed, "unknown", "{\"a\":[1]}", JOSE_OK);

	with_is(ed, "kid", "\"\"", JOSE_ERR_KEY_MALFORMED);
	with_is(ed, "kid", "7", JOSE_ERR_KEY_MALFORMED);
	with_is(ed, "kid", "null", JOSE_ERR_KEY_MALFORMED);
	with_is(ed, "kid", "\"'; drop table keys; --\"", JOSE_OK);
	with_is(ed, "kid", "\"../../etc/passwd\"", JOSE_OK);
	memset(big, 'k', sizeof(big));
	big[0] = big[JOSE_MAX_KID_BYTES + 1] = '"';
	big[JOSE_MAX_KID_BYTES + 2] = '\0';
	with_is(ed, "kid", big, JOSE_OK);
	big[JOSE_MAX_KID_BYTES + 1] = 'k';
	big[JOSE_MAX_KID_BYTES + 2] = '"';
	big[JOSE_MAX_KID_BYTES + 3] = '\0';
	with_is(ed, "kid", big, JOSE_ERR_KEY_MALFORMED);

	/* the limit of the text */
	memset(text, ' ', JOSE_MAX_JWK_BYTES + 10);
	memcpy(text, ed, strlen(ed));
	parse_is(text, JOSE_MAX_JWK_BYTES, JOSE_EDDSA, JOSE_OK, "the largest text");
	parse_is(text, JOSE_MAX_JWK_BYTES + 1, JOSE_EDDSA, JOSE_ERR_LIMIT, "a text too large");
	free(text);
}

static void
test_kid(void)
{
	JoseKey    *key = must_parse(public_jwk[JOSE_EDDSA], JOSE_ALG_UNSPECIFIED);
	JoseError	err;
	char		big[JOSE_MAX_KID_BYTES + 2];
	char	   *text;

	CHECK_CODE(jose_jwk_set_kid(key, "a\"\\\n\xc3\xa9", &err), JOSE_OK, &err, "kid");
	text = must_export(key, JOSE_PUBLIC);
	CHECK(strstr(text, "\"kid\":\"a\\\"\\\\\\u000a\xc3\xa9\"") != NULL, "%s", text);
	drop(text);
	CHECK_CODE(jose_jwk_set_kid(key, jose_jwk_kid(key), &err), JOSE_OK, &err, "its own kid");
	CHECK(strcmp(jose_jwk_kid(key), "a\"\\\n\xc3\xa9") == 0, "its own kid");
	CHECK_CODE(jose_jwk_set_kid(key, "", &err), JOSE_ERR_ARGUMENT, &err, "empty kid");
	CHECK_CODE(jose_jwk_set_kid(key, "\xff", &err), JOSE_ERR_ARGUMENT, &err, "kid is not UTF-8");
	memset(big, 'x', sizeof(big));
	big[JOSE_MAX_KID_BYTES + 1] = '\0';
	CHECK_CODE(jose_jwk_set_kid(key, big, &err), JOSE_ERR_LIMIT, &err, "kid is too long");
	CHECK(strcmp(jose_jwk_kid(key), "a\"\\\n\xc3\xa9") == 0, "a refused kid is taken");
	big[JOSE_MAX_KID_BYTES] = '\0';
	CHECK_CODE(jose_jwk_set_kid(key, big, &err), JOSE_OK, &err, "longest kid");
	CHECK_CODE(jose_jwk_set_kid(key, NULL, &err), JOSE_OK, &err, "no kid");
	CHECK(jose_jwk_kid(key) == NULL, "kid");
	text = must_export(key, JOSE_PUBLIC);
	CHECK(strstr(text, "kid") == NULL, "%s", text);
	drop(text);
	jose_key_free(key);
}

/* -------------------------------------------------------------------- oct */

static void
oct_is(const void *secret, size_t len, JoseAlg alg, JoseCode want, const char *what)
{
	char	   *k = encode(secret, len);
	char	   *jwk = malloc(strlen(k) + 100);

	sprintf(jwk, "{\"kty\":\"oct\",\"k\":\"%s\"}", k);
	parse_is(jwk, strlen(jwk), alg, want, what);
	free(jwk);
	free(k);
}

/* What a confused service could have as its secret. */
static void
public_as_secret(JoseAlg alg)
{
	JoseKey    *key = must_parse(public_jwk[alg], JOSE_ALG_UNSPECIFIED);
	BIO		   *bio = BIO_new(BIO_s_mem());
	char	   *pem;
	char		text[4096];
	unsigned char *der = NULL;
	long		n;
	int			len;

	PEM_write_bio_PUBKEY(bio, key->pkey);
	n = BIO_get_mem_data(bio, &pem);
	oct_is(pem, (size_t) n, JOSE_HS256, JOSE_ERR_KEY_INVALID, "PEM as a secret");
	oct_is(pem, (size_t) n - 1, JOSE_HS256, JOSE_ERR_KEY_INVALID, "PEM without the last newline");
	for (size_t i = 0; i < 8; i++)
	{
		static const char *const spaces[] = { " ", "\n", "\t", "\r\n", "\v\f", "  \n \n", "\xef\xbb\xbf", " \xef\xbb\xbf" };

		sprintf(text, "%s%.*s", spaces[i], (int) n, pem);
		oct_is(text, strlen(text), JOSE_HS256, JOSE_ERR_KEY_INVALID, "PEM behind white space");
	}
	BIO_free(bio);
	len = i2d_PUBKEY(key->pkey, &der);
	oct_is(der, (size_t) len, JOSE_HS256, JOSE_ERR_KEY_INVALID, "SubjectPublicKeyInfo as a secret");
	OPENSSL_free(der);
	der = NULL;
	if (alg == JOSE_RS256)
	{
		len = i2d_PublicKey(key->pkey, &der);
		oct_is(der, (size_t) len, JOSE_HS256, JOSE_ERR_KEY_INVALID, "RSAPublicKey as a secret");
		OPENSSL_free(der);
	}
	oct_is(public_jwk[alg], strlen(public_jwk[alg]), JOSE_HS256, JOSE_ERR_KEY_INVALID, "a JWK as a secret");
	jose_key_free(key);
}

static void
test_oct(void)
{
	static const char *const texts[] = {
		"ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAABAQC7 me@example.com",
		"\n ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGPk0pTDGO2Zq5p3",
		"ecdsa-sha2-nistp256 AAAAE2VjZHNhLXNoYTItbmlzdHAyNTYAAAA",
		"AAAAB3NzaC1yc2EAAAADAQABAAABAQC7AAAAAAAAAAAAAAAAAAAAAAA",
		"AAAAC3NzaC1lZDI1NTE5AAAAIGPk0pTDGO2Zq5p3AAAAAAAAAAAAAA",
		"AAAAE2VjZHNhLXNoYTItbmlzdHAyNTYAAAAIbmlzdHAyNTYAAABBBA",
		"---- BEGIN SSH2 PUBLIC KEY ----\nAAAAB3NzaC1yc2EAAAADAQAB",
		"-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----",
		"-----BEGIN RSA PUBLIC KEY-----\nMIIB",
	};
	unsigned char secret[JOSE_MAX_SECRET_BYTES + 10];
	const char *hs = private_jwk[JOSE_HS256];

	for (size_t i = 0; i < sizeof(secret); i++)
		secret[i] = (unsigned char) (i * 7 + 1);
	oct_is(secret, 31, JOSE_HS256, JOSE_ERR_KEY_WEAK, "31 bytes for HS256");
	oct_is(secret, 32, JOSE_HS256, JOSE_OK, "32 bytes for HS256");
	oct_is(secret, 47, JOSE_HS384, JOSE_ERR_KEY_WEAK, "47 bytes for HS384");
	oct_is(secret, 48, JOSE_HS384, JOSE_OK, "48 bytes for HS384");
	oct_is(secret, 63, JOSE_HS512, JOSE_ERR_KEY_WEAK, "63 bytes for HS512");
	oct_is(secret, 64, JOSE_HS512, JOSE_OK, "64 bytes for HS512");
	oct_is(secret, 0, JOSE_HS256, JOSE_ERR_KEY_WEAK, "no bytes");
	oct_is(secret, JOSE_MAX_SECRET_BYTES, JOSE_HS256, JOSE_OK, "the longest secret");
	oct_is(secret, JOSE_MAX_SECRET_BYTES + 1, JOSE_HS256, JOSE_ERR_KEY_UNSUPPORTED, "a longer secret");
	oct_is(secret, JOSE_MAX_SECRET_BYTES + 3, JOSE_HS256, JOSE_ERR_KEY_MALFORMED, "a much longer secret");
	with_is(hs, "k", NULL, JOSE_ERR_KEY_MALFORMED);
	with_is(hs, "k", "1", JOSE_ERR_KEY_MALFORMED);
	with_is(hs, "k", "\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\"", JOSE_ERR_KEY_MALFORMED);
	with_is(hs, "k", "\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAB\"", JOSE_ERR_KEY_MALFORMED);
	with_is(hs, "k", "\"AAAAAAAAAAAAAAAAAAAAA+AAAAAAAAAAAAAAAAAAAAA\"", JOSE_ERR_KEY_MALFORMED);

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		oct_is(texts[i], strlen(texts[i]), JOSE_HS256, JOSE_ERR_KEY_INVALID, texts[i]);
	public_as_secret(JOSE_RS256);
	public_as_secret(JOSE_ES256);
	public_as_secret(JOSE_ES384);
	public_as_secret(JOSE_ES512);
	public_as_secret(JOSE_EDDSA);

	/* the beginning of a certificate */
	secret[0] = secret[4] = 0x30;
	secret[1] = secret[5] = 0x82;
	secret[2] = 0x01;
	secret[3] = 0x0c;
	oct_is(secret, 4 + 0x10c, JOSE_HS256, JOSE_ERR_KEY_INVALID, "a certificate as a secret");

	/* bytes that only begin like DER */
	memset(secret, 0x30, sizeof(secret));
	oct_is(secret, 32, JOSE_HS256, JOSE_OK, "0x30 over and over");
	secret[1] = 62;
	oct_is(secret, 64, JOSE_HS256, JOSE_OK, "a SEQUENCE of nothing known");
	secret[1] = 0xff;
	oct_is(secret, 64, JOSE_HS256, JOSE_OK, "a length of lengths");
	secret[1] = 0x80;
	oct_is(secret, 64, JOSE_HS256, JOSE_OK, "an indefinite length");
}

/* -------------------------------------------------------------------- RSA */

static BIGNUM *
number_of(const char *jwk, const char *name)
{
	char	   *text = member(jwk, name);
	unsigned char bytes[2048];
	size_t		len;

	if (!jose_base64url_decode(bytes, &len, text, strlen(text)))
		exit(1);
	free(text);
	return BN_bin2bn(bytes, (int) len, NULL);
}

/* A number's member, changed by a function. */
static void
number_is(const char *jwk, const char *name, void (*change) (BIGNUM *n), JoseCode want)
{
	BIGNUM	   *n = number_of(jwk, name);
	unsigned char bytes[2048];
	size_t		len;
	char	   *text,
			   *value;

	change(n);
	len = (size_t) BN_bn2bin(n, bytes);
	text = encode(bytes, len);
	value = quoted(text);
	with_is(jwk, name, value, want);
	BN_free(n);
	free(text);
	free(value);
}

static void
add_one(BIGNUM *n)
{
	BN_add_word(n, 1);
}

static void
add_two(BIGNUM *n)
{
	BN_add_word(n, 2);
}

static void
sub_two(BIGNUM *n)
{
	BN_sub_word(n, 2);
}

static void
double_it(BIGNUM *n)
{
	BN_lshift1(n, n);
}

/* Of what the next function adds. */
static BIGNUM *addend;

static void
add_addend(BIGNUM *n)
{
	BN_add(n, n, addend);
}

static void
make_one(BIGNUM *n)
{
	BN_one(n);
}

static char *
rsa_with_bits(int bits, const char *e)
{
	BIGNUM	   *n = BN_new();
	unsigned char bytes[2048];
	char	   *text,
			   *jwk;

	BN_rand(n, bits, BN_RAND_TOP_ONE, BN_RAND_BOTTOM_ODD);
	text = encode(bytes, (size_t) BN_bn2bin(n, bytes));
	jwk = malloc(strlen(text) + 200);
	sprintf(jwk, "{\"kty\":\"RSA\",\"alg\":\"RS256\",\"n\":\"%s\",\"e\":\"%s\"}", text, e);
	BN_free(n);
	free(text);
	return jwk;
}

static void
rsa_is(int bits, const char *e, JoseCode want)
{
	char	   *jwk = rsa_with_bits(bits, e);
	char		what[64];

	sprintf(what, "RSA of %d bits, e %s", bits, e);
	parse_is(jwk, strlen(jwk), JOSE_ALG_UNSPECIFIED, want, what);
	free(jwk);
}

static void
test_rsa(void)
{
	static const char *const members[] = { "n", "e", "d", "p", "q", "dp", "dq", "qi" };
	const char *pub = public_jwk[JOSE_RS256];
	const char *priv = private_jwk[JOSE_RS256];
	char	   *text,
			   *other,
			   *p,
			   *q,
			   *value;

	rsa_is(512, "AQAB", JOSE_ERR_KEY_WEAK);
	rsa_is(1024, "AQAB", JOSE_ERR_KEY_WEAK);
	rsa_is(2047, "AQAB", JOSE_ERR_KEY_WEAK);
	rsa_is(2048, "AQAB", JOSE_OK);
	rsa_is(2049, "AQAB", JOSE_OK);
	rsa_is(4096, "AQAB", JOSE_OK);
	rsa_is(JOSE_MAX_RSA_BITS, "AQAB", JOSE_OK);
	rsa_is(JOSE_MAX_RSA_BITS + 1, "AQAB", JOSE_ERR_KEY_UNSUPPORTED);
	rsa_is(JOSE_MAX_RSA_BITS + 64, "AQAB", JOSE_ERR_KEY_MALFORMED);

	rsa_is(2048, "AQ", JOSE_ERR_KEY_WEAK);	/* 1 */
	rsa_is(2048, "Aw", JOSE_ERR_KEY_WEAK);	/* 3 */
	rsa_is(2048, "EQ", JOSE_ERR_KEY_WEAK);	/* 17 */
	rsa_is(2048, "__8", JOSE_ERR_KEY_WEAK); /* 65535 */
	rsa_is(2048, "AQAA", JOSE_ERR_KEY_WEAK);	/* 65536 */
	rsa_is(2048, "AQAC", JOSE_ERR_KEY_WEAK);	/* 65538 */
	rsa_is(2048, "AQAD", JOSE_OK);	/* 65539 */
	rsa_is(2048, "_____w", JOSE_OK);	/* 2^32 - 1 */
	rsa_is(2048, "AQAAAAE", JOSE_ERR_KEY_WEAK); /* 2^32 + 1 */
	rsa_is(2048, "", JOSE_ERR_KEY_MALFORMED);
	rsa_is(2048, "AA", JOSE_ERR_KEY_MALFORMED); /* 0 */
	rsa_is(2048, "AAEAAQ", JOSE_ERR_KEY_MALFORMED); /* a leading zero */
	rsa_is(2048, "AQAB=", JOSE_ERR_KEY_MALFORMED);
	number_is(pub, "n", add_one, JOSE_ERR_KEY_INVALID);

	for (size_t i = 0; i < sizeof(members) / sizeof(members[0]); i++)
	{
		const char *m = members[i];

		with_is(priv, m, NULL, JOSE_ERR_KEY_MALFORMED);
		with_is(priv, m, "\"\"", JOSE_ERR_KEY_MALFORMED);
		with_is(priv, m, "\"AA\"", JOSE_ERR_KEY_MALFORMED);
		with_is(priv, m, "65537", JOSE_ERR_KEY_MALFORMED);
		with_is(priv, m, "null", JOSE_ERR_KEY_MALFORMED);
		if (i != 0 && i != 1)
		{
			number_is(priv, m, add_two, JOSE_ERR_KEY_INVALID);
			number_is(priv, m, sub_two, JOSE_ERR_KEY_INVALID);
			number_is(priv, m, add_one, JOSE_ERR_KEY_INVALID);
			number_is(priv, m, double_it, JOSE_ERR_KEY_INVALID);
			number_is(priv, m, make_one, JOSE_ERR_KEY_INVALID);
		}
	}
	number_is(priv, "n", add_two, JOSE_ERR_KEY_INVALID);
	number_is(priv, "e", add_two, JOSE_ERR_KEY_INVALID);

	/* another key's parts */
	text = member(private_jwk[JOSE_RS384], "d");
	value = quoted(text);
	with_is(priv, "d", value, JOSE_ERR_KEY_INVALID);
	free(text);
	free(value);
	/* the same modulo what counts, but not the canonical number */
	{
		BN_CTX	   *ctx = BN_CTX_new();
		BIGNUM	   *p_number = number_of(priv, "p");
		BIGNUM	   *q_number = number_of(priv, "q");

		addend = p_number;
		number_is(priv, "qi", add_addend, JOSE_ERR_KEY_INVALID);
		BN_sub_word(p_number, 1);
		number_is(priv, "dp", add_addend, JOSE_ERR_KEY_INVALID);
		addend = q_number;
		BN_sub_word(q_number, 1);
		number_is(priv, "dq", add_addend, JOSE_ERR_KEY_INVALID);
		addend = BN_new();
		BN_mul(addend, p_number, q_number, ctx);
		BN_lshift1(addend, addend);
		number_is(priv, "d", add_addend, JOSE_ERR_KEY_INVALID);
		BN_free(addend);
		BN_free(p_number);
		BN_free(q_number);
		BN_CTX_free(ctx);
	}

	/* p and q exchanged, the rest left */
	text = member(priv, "p");
	p = quoted(text);
	free(text);
	text = member(priv, "q");
	q = quoted(text);
	free(text);
	text = with(priv, "p", q);
	other = with(text, "q", p);
	parse_is(other, strlen(other), JOSE_ALG_UNSPECIFIED, JOSE_ERR_KEY_INVALID, "p and q exchanged");
	free(text);
	free(other);
	free(p);
	free(q);

	with_is(priv, "oth", "[]", JOSE_ERR_KEY_UNSUPPORTED);
	with_is(pub, "p", "\"AQAB\"", JOSE_ERR_KEY_MALFORMED);
	with_is(pub, "qi", "\"AQAB\"", JOSE_ERR_KEY_MALFORMED);
}

/* Parts that match, of primes that are none: only the slow check sees it. */
static void
test_rsa_validate(void)
{
	static const char *const names[] = { "n", "e", "d", "p", "q", "dp", "dq", "qi" };
	BN_CTX	   *ctx = BN_CTX_new();
	BIGNUM	   *v[8];
	json_t	   *object = json_pack("{s:s,s:s}", "kty", "RSA", "alg", "RS256");
	char	   *text;
	JoseKey    *key;
	JoseError	err;
	BIGNUM	   *p1 = BN_new();
	BIGNUM	   *q1 = BN_new();
	BIGNUM	   *l = BN_new();
	BIGNUM	   *g = BN_new();

	for (int i = 0; i < 8; i++)
		v[i] = BN_new();
	BN_set_word(v[1], 65537);
	do
	{
		BN_rand(v[3], 1024, BN_RAND_TOP_TWO, BN_RAND_BOTTOM_ODD);
		BN_rand(v[4], 1024, BN_RAND_TOP_TWO, BN_RAND_BOTTOM_ODD);
		BN_copy(p1, v[3]);
		BN_sub_word(p1, 1);
		BN_copy(q1, v[4]);
		BN_sub_word(q1, 1);
		BN_mul(l, p1, q1, ctx);
		BN_gcd(g, v[3], v[4], ctx);
	} while (BN_mod_inverse(v[2], v[1], l, ctx) == NULL || !BN_is_one(g));
	BN_mul(v[0], v[3], v[4], ctx);
	BN_nnmod(v[5], v[2], p1, ctx);
	BN_nnmod(v[6], v[2], q1, ctx);
	BN_mod_inverse(v[7], v[4], v[3], ctx);
	for (int i = 0; i < 8; i++)
	{
		unsigned char bytes[512];
		char	   *b64 = encode(bytes, (size_t) BN_bn2bin(v[i], bytes));

		json_object_set_new(object, names[i], json_string(b64));
		free(b64);
		BN_free(v[i]);
	}
	text = json_dumps(object, JSON_COMPACT);
	key = must_parse(text, JOSE_ALG_UNSPECIFIED);
	CHECK_CODE(jose_jwk_validate(key, &err), JOSE_ERR_KEY_INVALID, &err, "primes that are none");
	jose_key_free(key);
	free(text);
	json_decref(object);
	BN_free(p1);
	BN_free(q1);
	BN_free(l);
	BN_free(g);
	BN_CTX_free(ctx);
}

/* ------------------------------------------------------------- EC and OKP */

static void
set_bytes(const char *jwk, const char *name, const unsigned char *bytes, size_t len, JoseCode want)
{
	char	   *text = encode(bytes, len);
	char	   *value = quoted(text);

	with_is(jwk, name, value, want);
	free(text);
	free(value);
}

static void
test_ec(JoseAlg alg)
{
	const char *pub = public_jwk[alg];
	const char *priv = private_jwk[alg];
	const JoseAlgInfo *info = jose_alg_info(alg);
	size_t		len = (size_t) info->coord_len;
	unsigned char bytes[80] = { 0 };
	unsigned char long_bytes[80] = { 0 };
	char	   *x = member(pub, "x");
	char	   *d = member(priv, "d");
	size_t		n;

	with_is(pub, "x", NULL, JOSE_ERR_KEY_MALFORMED);
	with_is(pub, "y", NULL, JOSE_ERR_KEY_MALFORMED);
	with_is(pub, "y", "true", JOSE_ERR_KEY_MALFORMED);
	with_is(pub, "x", "\"\"", JOSE_ERR_KEY_MALFORMED);
	jose_base64url_decode(bytes, &n, x, strlen(x));
	bytes[len - 1] ^= 1;
	set_bytes(pub, "x", bytes, len, JOSE_ERR_KEY_INVALID);
	memset(bytes, 0, len);
	set_bytes(pub, "x", bytes, len, JOSE_ERR_KEY_INVALID);
	set_bytes(pub, "y", bytes, len, JOSE_ERR_KEY_INVALID);
	set_bytes(pub, "x", bytes, len - 1, JOSE_ERR_KEY_MALFORMED);
	set_bytes(pub, "x", bytes, len + 1, JOSE_ERR_KEY_MALFORMED);
	memset(bytes, 0xff, len);
	set_bytes(pub, "x", bytes, len, JOSE_ERR_KEY_INVALID);	/* beyond the field */

	/* the point at infinity has no such form; (0, 0) is not on the curve */
	memset(bytes, 0, len);
	set_bytes(priv, "d", bytes, len, JOSE_ERR_KEY_INVALID);
	set_bytes(priv, "d", info->order, len, JOSE_ERR_KEY_INVALID);
	bytes[len - 1] = 1;
	set_bytes(priv, "d", bytes, len, JOSE_ERR_KEY_INVALID); /* another key's */
	jose_base64url_decode(long_bytes + 1, &n, d, strlen(d));
	set_bytes(priv, "d", long_bytes, len + 1, JOSE_ERR_KEY_MALFORMED);
	set_bytes(priv, "d", long_bytes + 1, len, JOSE_OK);
	long_bytes[len] ^= 1;
	set_bytes(priv, "d", long_bytes + 1, len, JOSE_ERR_KEY_INVALID);
	free(x);
	free(d);
}

static void
test_ed25519(void)
{
	/* little-endian: encodings of points of small order, and of none */
	static const char *const points[] = {
		"0000000000000000000000000000000000000000000000000000000000000000",
		"0000000000000000000000000000000000000000000000000000000000000080",
		"0100000000000000000000000000000000000000000000000000000000000000",
		"0100000000000000000000000000000000000000000000000000000000000080",
		"ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
		"ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
		"26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
		"26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85",
		"c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
		"c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa",
		"edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",	/* p */
		"eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
		"eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
		"ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
		"0200000000000000000000000000000000000000000000000000000000000000",	/* off the curve */
		"0200000000000000000000000000000000000000000000000000000000000080",
	};
	const char *pub = public_jwk[JOSE_EDDSA];
	const char *priv = private_jwk[JOSE_EDDSA];
	unsigned char bytes[40] = { 0 };
	char	   *x = member(pub, "x");
	char	   *value;
	size_t		n;

	for (size_t i = 0; i < sizeof(points) / sizeof(points[0]); i++)
	{
		for (size_t k = 0; k < 32; k++)
			sscanf(points[i] + 2 * k, "%2hhx", &bytes[k]);
		set_bytes(pub, "x", bytes, 32, JOSE_ERR_KEY_INVALID);
	}
	/* y = 3 is on the curve */
	memset(bytes, 0, sizeof(bytes));
	bytes[0] = 3;
	set_bytes(pub, "x", bytes, 32, JOSE_OK);
	set_bytes(pub, "x", bytes, 31, JOSE_ERR_KEY_MALFORMED);
	set_bytes(pub, "x", bytes, 33, JOSE_ERR_KEY_MALFORMED);
	with_is(pub, "x", NULL, JOSE_ERR_KEY_MALFORMED);
	with_is(priv, "x", NULL, JOSE_ERR_KEY_MALFORMED);
	set_bytes(priv, "x", bytes, 32, JOSE_ERR_KEY_INVALID);	/* not d's */
	set_bytes(priv, "d", bytes, 32, JOSE_ERR_KEY_INVALID);
	set_bytes(priv, "d", bytes, 31, JOSE_ERR_KEY_MALFORMED);
	set_bytes(priv, "d", bytes, 33, JOSE_ERR_KEY_MALFORMED);

	/* the other point of the same y */
	jose_base64url_decode(bytes, &n, x, strlen(x));
	bytes[31] ^= 0x80;
	value = encode(bytes, 32);
	set_bytes(priv, "x", bytes, 32, JOSE_ERR_KEY_INVALID);
	free(value);
	free(x);
}

/* ------------------------------------------------------------- generation */

static void
test_generate(void)
{
	JoseKey    *key = NULL;
	JoseError	err;

#define GENERATE(alg, bits) jose_jwk_generate(HOST, alg, bits, &key, &err)
	CHECK_CODE(GENERATE(JOSE_ALG_UNSPECIFIED, 0), JOSE_ERR_ARGUMENT, &err, "no algorithm");
	CHECK_CODE(GENERATE((JoseAlg) JOSE_ALG_COUNT, 0), JOSE_ERR_ARGUMENT, &err, "no algorithm");
	CHECK_CODE(GENERATE((JoseAlg) -1, 0), JOSE_ERR_ARGUMENT, &err, "no algorithm");
	CHECK_CODE(GENERATE(JOSE_RS256, 1024), JOSE_ERR_ARGUMENT, &err, "1024 bits");
	CHECK_CODE(GENERATE(JOSE_RS256, 2040), JOSE_ERR_ARGUMENT, &err, "2040 bits");
	CHECK_CODE(GENERATE(JOSE_RS256, 2049), JOSE_ERR_ARGUMENT, &err, "2049 bits");
	CHECK_CODE(GENERATE(JOSE_RS256, -1), JOSE_ERR_ARGUMENT, &err, "-1 bits");
	CHECK_CODE(GENERATE(JOSE_RS256, JOSE_MAX_RSA_BITS + 8), JOSE_ERR_ARGUMENT, &err, "too many bits");
	CHECK_CODE(GENERATE(JOSE_ES256, 256), JOSE_ERR_ARGUMENT, &err, "bits of a curve");
	CHECK_CODE(GENERATE(JOSE_HS256, 512), JOSE_ERR_ARGUMENT, &err, "bits of a secret");
	CHECK(key == NULL, "a key on failure");

	CHECK_CODE(GENERATE(JOSE_PS256, 3072), JOSE_OK, &err, "3072 bits");
	CHECK(jose_jwk_bits(key) == 3072, "%d bits", jose_jwk_bits(key));
	jose_key_free(key);

	/* making an RSA key can be left in the middle */
	host.cancelled = true;
	CHECK_CODE(GENERATE(JOSE_RS256, 4096), JOSE_ERR_CANCELLED, &err, "cancelled");
	host.cancelled = false;
#undef GENERATE
	jose_key_free(NULL);
}

int
main(void)
{
	test_round_trips();
	test_algorithm();
	test_use();
	test_text();
	test_kid();
	test_oct();
	test_rsa();
	test_rsa_validate();
	test_ec(JOSE_ES256);
	test_ec(JOSE_ES384);
	test_ec(JOSE_ES512);
	test_ed25519();
	test_generate();
	for (int i = 0; i < JOSE_ALG_COUNT; i++)
	{
		free(private_jwk[i]);
		free(public_jwk[i]);
	}
	return finish();
}
