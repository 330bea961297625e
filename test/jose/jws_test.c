/*-------------------------------------------------------------------------
 *
 * jws_test.c
 *	  Tokens: what is signed verifies, and the known attacks do not.
 *
 * forge() signs any header with the real key, so that a refusal is for the
 * header and not for a signature that would not have been right anyway.
 *
 *-------------------------------------------------------------------------
 */
#include "harness.h"

#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>

#include "internal.h"

static const JoseAlg algs[] = {
	JOSE_HS256, JOSE_HS384, JOSE_HS512, JOSE_RS256, JOSE_RS384, JOSE_RS512,
	JOSE_PS256, JOSE_PS384, JOSE_PS512, JOSE_ES256, JOSE_ES384, JOSE_ES512, JOSE_EDDSA
};

#define N_ALGS (sizeof(algs) / sizeof(algs[0]))

static JoseKey *keys[JOSE_ALG_COUNT];	/* private */

static const char claims[] = "{\"sub\":\"alice\",\"exp\":1700000000}";

static void
token_is(JoseKey *key, const char *token, JoseCode want, const char *what)
{
	JoseError	err;
	long		live = host.live;

	CHECK_CODE(verify(key, token, &err), want, &err, "%.100s", what);
	CHECK(host.live == live, "%.100s: %ld blocks", what, host.live - live);
}

/* A token with this header, signed with the key all the same. */
static void
header_is(JoseKey *key, const char *header, JoseCode want)
{
	char	   *token = forge(key, header, claims);

	token_is(key, token, want, header);
	free(token);
}

/* Three segments of text, joined. */
static char *
join(const char *a, const char *b, const char *c)
{
	char	   *token = malloc(strlen(a) + strlen(b) + strlen(c) + 3);

	sprintf(token, "%s.%s.%s", a, b, c);
	return token;
}

/* Segment i of a token, in a block of malloc. */
static char *
segment(const char *token, int i)
{
	const char *end;

	while (i-- > 0)
		token = strchr(token, '.') + 1;
	end = strchr(token, '.');
	return strndup(token, end != NULL ? (size_t) (end - token) : strlen(token));
}

/* -------------------------------------------------------------- good ones */

static void
test_good(void)
{
	char		bytes[3000];

	for (size_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = (char) (i * 31);
	for (size_t i = 0; i < N_ALGS; i++)
	{
		JoseKey    *key = keys[algs[i]];
		const char *name = jose_alg_name(algs[i]);

		for (size_t len = 0; len < sizeof(bytes); len = len * 2 + 1)
		{
			JoseSignOptions options = { .typ = len % 3 ? "JWT" : NULL, .kid = len % 5 ? NULL : "a \"k\"\n\xc3\xa9" };
			JoseVerifyOptions want = { .typ = options.typ };
			JoseHeader	header,
						decoded_header;
			JoseDecoded decoded;
			JoseError	err;
			char	   *token,
					   *payload;
			size_t		token_len,
						n;

			if (!CHECK_CODE(jose_jws_sign(HOST, key, &options, bytes, len, &token, &token_len, &err),
							JOSE_OK, &err, "%s: sign", name))
				continue;
			CHECK(strlen(token) == token_len, "%s: length", name);
			memset(&header, 0xa5, sizeof(header));
			CHECK_CODE(jose_jws_verify(HOST, key, token, token_len, &want, &header, &payload, &n, &err),
					   JOSE_OK, &err, "%s: verify", name);
			CHECK(n == len && memcmp(payload, bytes, n) == 0 && payload[n] == '\0', "%s: payload", name);
			CHECK(header.alg == algs[i] && !header.has_crit && header.has_typ == (options.typ != NULL) &&
				  header.has_kid && strcmp(header.kid, options.kid != NULL ? options.kid : jose_jwk_kid(key)) == 0,
				  "%s: header", name);
			CHECK_CODE(jose_jws_decode(HOST, token, token_len, &decoded_header, &decoded, &err),
					   JOSE_OK, &err, "%s: decode", name);
			CHECK(memcmp(&header, &decoded_header, sizeof(header)) == 0, "%s: two headers", name);
			CHECK(decoded.payload_len == len && memcmp(decoded.payload, bytes, len) == 0, "%s: decoded", name);
			drop(decoded.header_json);
			drop(payload);
			drop(token);
		}
	}
}

/* The header that comes first and the one that is remembered are the same. */
static void
test_remembered_headers(void)
{
	JoseKey    *key = keys[JOSE_EDDSA];
	const char *typs[] = { "JWT", NULL, "at+jwt", "JWT", "JWT" };
	const char *kids[] = { "1", "1", NULL, NULL, "2" };

	for (int round = 0; round < 20; round++)
	{
		const char *typ = typs[round % 5];
		const char *kid = kids[(round * 3) % 5];
		JoseSignOptions options = { .typ = typ, .kid = kid };
		JoseVerifyOptions want = { .typ = typ };
		JoseHeader	header;
		JoseError	err;
		char	   *token = must_sign(key, &options, claims);
		char	   *payload;
		size_t		len;

		for (int again = 0; again < 2; again++)
		{
			CHECK_CODE(jose_jws_verify(HOST, key, token, strlen(token), &want, &header, &payload, &len, &err),
					   JOSE_OK, &err, "round %d", round);
			CHECK(header.has_typ == (typ != NULL) && (typ == NULL || strcmp(header.typ, typ) == 0) &&
				  header.has_kid && strcmp(header.kid, kid != NULL ? kid : jose_jwk_kid(key)) == 0, "round %d", round);
			drop(payload);
		}
		drop(token);
	}

	/* a header too long to remember */
	for (int round = 0; round < 3; round++)
	{
		char		kid[JOSE_MAX_KID_BYTES + 1];
		char		typ[JOSE_MAX_TYP_BYTES + 1];
		JoseSignOptions options = { .typ = typ, .kid = kid };
		char	   *token;

		memset(kid, '\1', sizeof(kid));
		kid[JOSE_MAX_KID_BYTES] = '\0';
		memset(typ, '"', sizeof(typ));
		typ[JOSE_MAX_TYP_BYTES] = '\0';
		kid[0] = (char) ('0' + round);
		token = must_sign(key, &options, claims);
		token_is(key, token, JOSE_OK, "the longest header");
		drop(token);
	}
}

static void
test_sign_options(void)
{
	JoseKey    *key = keys[JOSE_EDDSA];
	char		long_kid[JOSE_MAX_KID_BYTES + 2];
	char		long_typ[JOSE_MAX_TYP_BYTES + 2];
	JoseError	err;
	char	   *token,
			   *payload;
	size_t		len;
	const size_t overhead = 200;

	memset(long_kid, 'k', sizeof(long_kid) - 1);
	long_kid[sizeof(long_kid) - 1] = '\0';
	memset(long_typ, 't', sizeof(long_typ) - 1);
	long_typ[sizeof(long_typ) - 1] = '\0';
#define SIGN(...) jose_jws_sign(HOST, key, &(JoseSignOptions) { __VA_ARGS__ }, "", 0, &token, &len, &err)
	CHECK_CODE(SIGN(.kid = "\xff"), JOSE_ERR_ARGUMENT, &err, "kid");
	CHECK_CODE(SIGN(.typ = "\xc0\x80"), JOSE_ERR_ARGUMENT, &err, "typ");
	CHECK_CODE(SIGN(.kid = long_kid), JOSE_ERR_LIMIT, &err, "kid");
	CHECK_CODE(SIGN(.typ = long_typ), JOSE_ERR_LIMIT, &err, "typ");
#undef SIGN

	/* what could not be verified is not signed */
	payload = calloc(1, JOSE_MAX_TOKEN_BYTES * 2);
	for (size_t n = JOSE_MAX_TOKEN_BYTES / 4 * 3 - overhead; n < JOSE_MAX_TOKEN_BYTES / 4 * 3; n++)
	{
		JoseCode	code = jose_jws_sign(HOST, key, NULL, payload, n, &token, &len, &err);

		if (code == JOSE_OK)
		{
			CHECK(len <= JOSE_MAX_TOKEN_BYTES, "%zu bytes", len);
			token_is(key, token, JOSE_OK, "a long token");
			drop(token);
		}
		else
			CHECK_CODE(code, JOSE_ERR_LIMIT, &err, "%zu bytes of payload", n);
	}
	CHECK_CODE(jose_jws_sign(HOST, key, NULL, payload, JOSE_MAX_TOKEN_BYTES * 2, &token, &len, &err),
			   JOSE_ERR_LIMIT, &err, "payload");
	CHECK_CODE(jose_jws_sign(HOST, key, NULL, payload, SIZE_MAX, &token, &len, &err),
			   JOSE_ERR_LIMIT, &err, "payload");
	free(payload);
}

/* ------------------------------------------------------------------- none */

static void
test_none(void)
{
	static const char *const spellings[] = {
		"none", "None", "NONE", "nOnE", "nonE", "NoNe", "noNE", " none", "none ", "none\\u0000",
		"n\\u006fne", "\\u006eone", "none\\n", "", "null", "NULL", "nil", "\xd0\xbdone", "n\xc5\x8dne",
		"HS", "HS256 ", " HS256", "hs256", "Hs256", "HS-256", "HS1", "HS128", "sha256", "EdDsa", "Ed25519", "ES256K",
		"RS1", "RSA", "RS256,none", "HS256\\u0000", "dir", "A128KW", "HS257", "HS25", "HS2566",
	};
	static const char *const not_strings[] = {
		"null", "0", "[]", "{}", "[\"HS256\"]", "true", "false", "256"
	};

	for (size_t a = 0; a < N_ALGS; a++)
		for (size_t i = 0; i < sizeof(spellings) / sizeof(spellings[0]); i++)
		{
			JoseKey    *key = keys[algs[a]];
			char		header[100];
			char	   *h,
					   *p,
					   *token;
			JoseCode	want = strstr(spellings[i], "u0000") != NULL ? JOSE_ERR_MALFORMED : JOSE_ERR_ALGORITHM;

			sprintf(header, "{\"alg\":\"%s\"}", spellings[i]);
			header_is(key, header, want);
			sprintf(header, "{\"alg\":\"%s\",\"typ\":\"JWT\"}", spellings[i]);
			header_is(key, header, want);

			/* as the attacker sends it: without a signature */
			h = encode(header, strlen(header));
			p = encode(claims, strlen(claims));
			token = join(h, p, "");
			token_is(key, token, want, header);
			free(token);
			free(h);
			free(p);
		}
	for (size_t i = 0; i < sizeof(not_strings) / sizeof(not_strings[0]); i++)
	{
		char		header[100];

		sprintf(header, "{\"alg\":%s}", not_strings[i]);
		header_is(keys[JOSE_HS256], header, JOSE_ERR_MALFORMED);
	}
	header_is(keys[JOSE_HS256], "{}", JOSE_ERR_MALFORMED);
	header_is(keys[JOSE_HS256], "{\"typ\":\"JWT\"}", JOSE_ERR_MALFORMED);
	header_is(keys[JOSE_HS256], "{\"ALG\":\"HS256\"}", JOSE_ERR_MALFORMED);
	header_is(keys[JOSE_HS256], "{\"alg \":\"HS256\"}", JOSE_ERR_MALFORMED);

	/* the algorithm is there, its signature is not */
	for (size_t a = 0; a < N_ALGS; a++)
	{
		char	   *token = must_sign(keys[algs[a]], NULL, claims);

		strrchr(token, '.')[1] = '\0';
		token_is(keys[algs[a]], token, JOSE_ERR_SIGNATURE, "no signature");
		drop(token);
	}
}

/* -------------------------------------------------------------- confusion */

/* A token signed by HMAC with any bytes as its secret. */
static char *
forge_hmac(const char *header, const char *md, const void *secret, size_t secret_len)
{
	char	   *h = encode(header, strlen(header));
	char	   *p = encode(claims, strlen(claims));
	char	   *input = malloc(strlen(h) + strlen(p) + 2);
	unsigned char mac[64];
	size_t		len;
	char	   *s,
			   *token;

	sprintf(input, "%s.%s", h, p);
	if (EVP_Q_mac(NULL, "HMAC", NULL, md, NULL, secret, secret_len, (unsigned char *) input,
				  strlen(input), mac, sizeof(mac), &len) == NULL)
		exit(1);
	s = encode(mac, len);
	token = join(h, p, s);
	free(h);
	free(p);
	free(s);
	free(input);
	return token;
}

static void
confuse(JoseKey *key, const void *secret, size_t len)
{
	static const char *const hs[][2] = { { "HS256", "SHA256" }, { "HS384", "SHA384" }, { "HS512", "SHA512" } };
	const char *own = jose_alg_name(jose_jwk_algorithm(key));

	for (int i = 0; i < 3; i++)
	{
		char		header[100];
		char	   *token;

		sprintf(header, "{\"alg\":\"%s\"}", hs[i][0]);
		token = forge_hmac(header, hs[i][1], secret, len);
		token_is(key, token, JOSE_ERR_KEY_MISMATCH, "HMAC with the public key");
		free(token);
		sprintf(header, "{\"alg\":\"%s\"}", own);
		token = forge_hmac(header, hs[i][1], secret, len);
		token_is(key, token, JOSE_ERR_SIGNATURE, "HMAC with the public key under its own algorithm");
		free(token);
	}
}

/* The public key in the forms in which a service may have it at hand. */
static void
test_confusion(void)
{
	static const JoseAlg publics[] = { JOSE_RS256, JOSE_PS256, JOSE_ES256, JOSE_ES384, JOSE_ES512, JOSE_EDDSA };
	static const char *const spaces[] = { "", " ", "\n", "\r\n", "\t ", "\v", "  \n\n " };

	for (size_t i = 0; i < sizeof(publics) / sizeof(publics[0]); i++)
	{
		JoseKey    *key = keys[publics[i]];
		JoseKey    *pub;
		BIO		   *bio = BIO_new(BIO_s_mem());
		unsigned char *der = NULL;
		char	   *pem,
				   *jwk;
		long		n;
		int			len;

		jwk = must_export(key, JOSE_PUBLIC);
		pub = must_parse(jwk, JOSE_ALG_UNSPECIFIED);
		confuse(pub, jwk, strlen(jwk));
		drop(jwk);
		PEM_write_bio_PUBKEY(bio, key->pkey);
		n = BIO_get_mem_data(bio, &pem);
		for (size_t s = 0; s < sizeof(spaces) / sizeof(spaces[0]); s++)
		{
			char		text[2048];

			sprintf(text, "%s%.*s", spaces[s], (int) n, pem);
			confuse(pub, text, strlen(text));
			confuse(pub, text, strlen(text) - 1);
		}
		len = i2d_PUBKEY(key->pkey, &der);
		confuse(pub, der, (size_t) len);
		{
			/* the same bytes as an SSH key's text: algorithm, base64, comment */
			char		text[2048];
			int			k = sprintf(text, " ssh-rsa ");

			k += EVP_EncodeBlock((unsigned char *) text + k, der, len);
			k += sprintf(text + k, " me@example.com\n");
			confuse(pub, text, (size_t) k);
			confuse(pub, text + 1, (size_t) k - 1);
		}
		OPENSSL_free(der);
		if (publics[i] <= JOSE_PS512)
		{
			der = NULL;
			len = i2d_PublicKey(key->pkey, &der);
			confuse(pub, der, (size_t) len);
			OPENSSL_free(der);
		}
		confuse(pub, "", 0);
		BIO_free(bio);
		jose_key_free(pub);
	}

	/* every algorithm against every other's key */
	for (size_t a = 0; a < N_ALGS; a++)
		for (size_t b = 0; b < N_ALGS; b++)
		{
			char		header[100];
			char	   *token = must_sign(keys[algs[a]], NULL, claims);

			if (a != b)
				token_is(keys[algs[b]], token, JOSE_ERR_KEY_MISMATCH, "another algorithm's key");
			drop(token);

			/* the key's own signature under another name */
			sprintf(header, "{\"alg\":\"%s\"}", jose_alg_name(algs[b]));
			header_is(keys[algs[a]], header, a == b ? JOSE_OK : JOSE_ERR_KEY_MISMATCH);
		}
}

/* The same RSA key for another algorithm: it is still another key. */
static void
test_same_key_other_algorithm(void)
{
	JoseKey    *rs = keys[JOSE_RS256];
	char	   *jwk = must_export(rs, JOSE_PRIVATE);
	char	   *alg = strstr(jwk, "RS256");
	JoseKey    *ps;
	char	   *token,
			   *s,
			   *h,
			   *p,
			   *mixed;
	static const char header[] = "{\"alg\":\"PS256\"}";

	memcpy(alg, "PS256", 5);
	ps = must_parse(jwk, JOSE_ALG_UNSPECIFIED);
	token = must_sign(rs, NULL, claims);
	token_is(ps, token, JOSE_ERR_KEY_MISMATCH, "RS256 with the same key for PS256");
	/* a PKCS #1 signature under the name of PSS */
	s = segment(token, 2);
	h = encode(header, strlen(header));
	p = segment(token, 1);
	mixed = join(h, p, s);
	token_is(ps, mixed, JOSE_ERR_SIGNATURE, "RS256's signature as PS256");
	free(mixed);
	free(s);
	free(h);
	free(p);
	drop(token);
	drop(jwk);
	jose_key_free(ps);
}

/* RFC 7518 section 3.5 fixes the salt's length and the hash of MGF1. */
static void
pss_is(JoseKey *key, int salt, const char *mgf1, JoseCode want)
{
	char	   *token = must_sign(key, NULL, claims);
	size_t		signed_len = (size_t) (strrchr(token, '.') - token);
	EVP_MD	   *md = EVP_MD_fetch(NULL, key->info->md, NULL);
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_pkey(NULL, key->pkey, NULL);
	unsigned char digest[64],
				sig[512];
	size_t		n = sizeof(sig);
	char		what[64];
	char	   *h,
			   *p,
			   *s,
			   *t;

	if (EVP_Digest(token, signed_len, digest, NULL, md, NULL) != 1 ||
		EVP_PKEY_sign_init(ctx) <= 0 ||
		EVP_PKEY_CTX_set_signature_md(ctx, md) <= 0 ||
		EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_PKCS1_PSS_PADDING) <= 0 ||
		EVP_PKEY_CTX_set_rsa_mgf1_md_name(ctx, mgf1, NULL) <= 0 ||
		EVP_PKEY_CTX_set_rsa_pss_saltlen(ctx, salt) <= 0 ||
		EVP_PKEY_sign(ctx, sig, &n, digest, (size_t) key->info->md_len) <= 0)
		exit(1);
	h = segment(token, 0);
	p = segment(token, 1);
	s = encode(sig, n);
	t = join(h, p, s);
	sprintf(what, "PSS with a salt of %d, MGF1 with %s", salt, mgf1);
	token_is(key, t, want, what);
	free(h);
	free(p);
	free(s);
	free(t);
	drop(token);
	EVP_MD_free(md);
	EVP_PKEY_CTX_free(ctx);
}

static void
test_pss(void)
{
	for (int alg = JOSE_PS256; alg <= JOSE_PS512; alg++)
	{
		JoseKey    *key = keys[alg];
		int			len = key->info->md_len;

		pss_is(key, len, key->info->md, JOSE_OK);
		pss_is(key, 0, key->info->md, JOSE_ERR_SIGNATURE);
		pss_is(key, len - 1, key->info->md, JOSE_ERR_SIGNATURE);
		pss_is(key, len + 1, key->info->md, JOSE_ERR_SIGNATURE);
		pss_is(key, RSA_PSS_SALTLEN_MAX, key->info->md, JOSE_ERR_SIGNATURE);
		pss_is(key, len, "SHA1", JOSE_ERR_SIGNATURE);
		pss_is(key, len, alg == JOSE_PS256 ? "SHA512" : "SHA256", JOSE_ERR_SIGNATURE);
	}
}

/* ----------------------------------------------------------------- headers */

static void
test_headers(void)
{
	JoseKey    *key = keys[JOSE_ES256];
	char		text[20000];
	char	   *token;

	/* keys and places of keys are not looked at; the signature is by our key */
	header_is(key, "{\"alg\":\"ES256\",\"jwk\":{\"kty\":\"oct\",\"k\":\"AA\"}}", JOSE_OK);
	header_is(key, "{\"alg\":\"ES256\",\"jku\":\"https://evil.example/keys\"}", JOSE_OK);
	header_is(key, "{\"alg\":\"ES256\",\"x5u\":\"file:///etc/passwd\"}", JOSE_OK);
	header_is(key, "{\"alg\":\"ES256\",\"x5c\":[\"AAAA\"]}", JOSE_OK);
	header_is(key, "{\"alg\":\"ES256\",\"x5t\":17}", JOSE_OK);
	header_is(key, "{\"alg\":\"ES256\",\"zip\":\"DEF\"}", JOSE_OK);

	/* a kid is text and nothing else */
	header_is(key, "{\"alg\":\"ES256\",\"kid\":\"' or 1=1; drop table signing_keys; --\"}", JOSE_OK);
	header_is(key, "{\"alg\":\"ES256\",\"kid\":\"x' union select 'secret' --\"}", JOSE_OK);
	header_is(key, "{\"alg\":\"ES256\",\"kid\":\"../../../../dev/null\"}", JOSE_OK);
	header_is(key, "{\"alg\":\"ES256\",\"kid\":\"/proc/sys/kernel/randomize_va_space\"}", JOSE_OK);
	header_is(key, "{\"alg\":\"ES256\",\"kid\":\"|cat /etc/passwd\"}", JOSE_OK);
	header_is(key, "{\"alg\":\"ES256\",\"kid\":\"%s%n%99999d\"}", JOSE_OK);
	header_is(key, "{\"alg\":\"ES256\",\"kid\":\"\\u202e\\ud83d\\ude00\\u0001\"}", JOSE_OK);
	header_is(key, "{\"alg\":\"ES256\",\"kid\":\"\"}", JOSE_OK);
	header_is(key, "{\"alg\":\"ES256\",\"kid\":\"a\\u0000b\"}", JOSE_ERR_MALFORMED);
	header_is(key, "{\"alg\":\"ES256\",\"kid\":7}", JOSE_ERR_MALFORMED);
	header_is(key, "{\"alg\":\"ES256\",\"kid\":null}", JOSE_ERR_MALFORMED);
	header_is(key, "{\"alg\":\"ES256\",\"kid\":[\"a\"]}", JOSE_ERR_MALFORMED);
	header_is(key, "{\"alg\":\"ES256\",\"typ\":1}", JOSE_ERR_MALFORMED);

	/* crit, whatever it says */
	header_is(key, "{\"alg\":\"ES256\",\"crit\":[\"exp\"],\"exp\":1}", JOSE_ERR_CRITICAL);
	header_is(key, "{\"alg\":\"ES256\",\"crit\":[\"b64\"],\"b64\":true}", JOSE_ERR_CRITICAL);
	header_is(key, "{\"alg\":\"ES256\",\"crit\":[]}", JOSE_ERR_CRITICAL);
	header_is(key, "{\"alg\":\"ES256\",\"crit\":null}", JOSE_ERR_CRITICAL);
	header_is(key, "{\"alg\":\"ES256\",\"crit\":\"exp\"}", JOSE_ERR_CRITICAL);
	header_is(key, "{\"alg\":\"none\",\"\\u0063rit\":[\"x\"]}", JOSE_ERR_CRITICAL);
	header_is(key, "{\"alg\":\"ES256\",\"Crit\":[\"exp\"]}", JOSE_OK);

	/* not sound */
	header_is(key, "", JOSE_ERR_MALFORMED);
	header_is(key, "{", JOSE_ERR_MALFORMED);
	header_is(key, "null", JOSE_ERR_MALFORMED);
	header_is(key, "[]", JOSE_ERR_MALFORMED);
	header_is(key, "[{\"alg\":\"ES256\"}]", JOSE_ERR_MALFORMED);
	header_is(key, "\"ES256\"", JOSE_ERR_MALFORMED);
	header_is(key, "{\"alg\":\"ES256\"}x", JOSE_ERR_MALFORMED);
	header_is(key, "{\"alg\":\"ES256\"}{}", JOSE_ERR_MALFORMED);
	header_is(key, "{\"alg\":\"ES256\",}", JOSE_ERR_MALFORMED);
	header_is(key, "{'alg':'ES256'}", JOSE_ERR_MALFORMED);
	header_is(key, "\xef\xbb\xbf{\"alg\":\"ES256\"}", JOSE_ERR_MALFORMED);
	header_is(key, "{\"alg\":\"ES256\",\"alg\":\"ES256\"}", JOSE_ERR_MALFORMED);
	header_is(key, "{\"alg\":\"none\",\"alg\":\"ES256\"}", JOSE_ERR_MALFORMED);
	header_is(key, "{\"alg\":\"ES256\",\"\\u0061lg\":\"none\"}", JOSE_ERR_MALFORMED);
	header_is(key, "{\"alg\":\"ES256\",\"x\":{\"a\":1,\"a\":2}}", JOSE_ERR_MALFORMED);
	header_is(key, "{\"alg\":\"ES256\",\"x\":1e400}", JOSE_ERR_MALFORMED);
	header_is(key, "{\"alg\":\"ES256\",\"x\":\"\xff\"}", JOSE_ERR_MALFORMED);
	header_is(key, "{\"alg\":\"ES256\",\"x\":\"\xc0\x80\"}", JOSE_ERR_MALFORMED);
	header_is(key, " {\t\"alg\"\r\n:\"ES\\u0032\\u00356\"} ", JOSE_OK);

	/* limits */
	memset(text, '[', sizeof(text));
	memcpy(text, "{\"alg\":\"ES256\",\"x\":", 19);
	text[19 + JOSE_MAX_JSON_DEPTH] = '\0';
	header_is(key, text, JOSE_ERR_LIMIT);
	sprintf(text, "{\"alg\":\"ES256\",\"kid\":\"%0*d\"}", JOSE_MAX_KID_BYTES, 0);
	header_is(key, text, JOSE_OK);
	sprintf(text, "{\"alg\":\"ES256\",\"kid\":\"%0*d\"}", JOSE_MAX_KID_BYTES + 1, 0);
	header_is(key, text, JOSE_ERR_LIMIT);
	sprintf(text, "{\"alg\":\"ES256\",\"typ\":\"%0*d\"}", JOSE_MAX_TYP_BYTES + 1, 0);
	header_is(key, text, JOSE_ERR_LIMIT);
	sprintf(text, "{\"alg\":\"ES256\",\"x\":\"%0*d\"}", JOSE_MAX_HEADER_BYTES / 4 * 3 - 22, 0);
	header_is(key, text, JOSE_OK);
	sprintf(text, "{\"alg\":\"ES256\",\"x\":\"%0*d\"}", JOSE_MAX_HEADER_BYTES / 4 * 3 - 21, 0);
	header_is(key, text, JOSE_ERR_LIMIT);

	/* a good header is remembered; that must not let a bad signature by */
	token = must_sign(key, NULL, claims);
	token_is(key, token, JOSE_OK, "good");
	{
		char	   *c = &token[strlen(token) - 4];

		*c = *c == 'A' ? 'B' : 'A';
	}
	token_is(key, token, JOSE_ERR_SIGNATURE, "changed");
	drop(token);
}

static void
test_type(void)
{
	static const struct
	{
		const char *have;
		const char *want;
		bool		same;
	}			cases[] = {
		{ "JWT", "JWT", true },
		{ "jwt", "JWT", true },
		{ "application/jwt", "JWT", true },
		{ "APPLICATION/JWT", "jwt", true },
		{ "JWT", "application/jwt", true },
		{ "at+jwt", "at+jwt", true },
		{ "application/at+jwt", "at+JWT", true },
		{ "at+jwt", "jwt", false },
		{ "JWT", "at+jwt", false },
		{ "JWT ", "JWT", false },
		{ "JW", "JWT", false },
		{ "JWTT", "JWT", false },
		{ "", "JWT", false },
		{ "application/", "JWT", false },
		{ "text/jwt", "jwt", false },
		{ "x/application/jwt", "jwt", false },
		{ "application/x/jwt", "x/jwt", false },
		{ "applicatio/jwt", "jwt", false },
	};
	JoseKey    *key = keys[JOSE_HS256];
	JoseError	err;
	char	   *payload,
			   *token;
	size_t		len;
	JoseVerifyOptions options = { .typ = "JWT" };

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
	{
		JoseSignOptions sign = { .typ = cases[i].have };
		JoseVerifyOptions verify_options = { .typ = cases[i].want };
		JoseCode	code;

		token = must_sign(key, &sign, claims);
		code = jose_jws_verify(HOST, key, token, strlen(token), &verify_options, NULL, &payload, &len, &err);
		CHECK_CODE(code, cases[i].same ? JOSE_OK : JOSE_ERR_TYPE, &err, "typ \"%s\" for \"%s\"", cases[i].have,
				   cases[i].want);
		if (code == JOSE_OK)
			drop(payload);
		drop(token);
	}
	token = must_sign(key, NULL, claims);
	CHECK_CODE(jose_jws_verify(HOST, key, token, strlen(token), &options, NULL, &payload, &len, &err),
			   JOSE_ERR_TYPE, &err, "no typ");
	drop(token);
}

/* -------------------------------------------------------------------- form */

static void
test_form(void)
{
	JoseKey    *key = keys[JOSE_HS256];
	char	   *token = must_sign(key, NULL, claims);
	char	   *h = segment(token, 0);
	char	   *p = segment(token, 1);
	char	   *s = segment(token, 2);
	char	   *t;
	static const char *const forms[] = {
		"", ".", "..", "...", "....", "a", "a.b", "a.b.c.d", "..a", ".a.", "a..", "null", "{}",
	};
	static const char *const ends[] = { "=", "==", "====", " ", "\n", "\r\n", "\t", "%3D", "+", "/", "&", "\x80" };

	for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++)
		token_is(key, forms[i], JOSE_ERR_MALFORMED, forms[i]);

	/* segments missing, repeated, exchanged */
	t = join(h, p, "");
	token_is(key, t, JOSE_ERR_SIGNATURE, "no signature");
	t[strlen(t) - 1] = '\0';
	token_is(key, t, JOSE_ERR_MALFORMED, "two segments");
	free(t);
	t = join("", p, s);
	token_is(key, t, JOSE_ERR_MALFORMED, "no header");
	token_is(key, t + 1, JOSE_ERR_MALFORMED, "no header, no dot");
	free(t);
	t = join(h, "", s);
	token_is(key, t, JOSE_ERR_SIGNATURE, "no payload");
	free(t);
	t = join(p, h, s);
	token_is(key, t, JOSE_ERR_MALFORMED, "exchanged");
	free(t);
	t = join(token, p, s);
	token_is(key, t, JOSE_ERR_MALFORMED, "five segments");
	free(t);
	t = join(h, p, "");
	t = realloc(t, strlen(t) + strlen(s) + 3);
	strcat(t, ".");
	strcat(t, s);
	token_is(key, t, JOSE_ERR_MALFORMED, "four segments");
	free(t);

	/* something at the end or the beginning of each segment */
	for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++)
		for (int k = 0; k < 6; k++)
		{
			char		a[200],
						b[200],
						c[200];

			sprintf(a, "%s%s%s", k == 3 ? ends[i] : "", h, k == 0 ? ends[i] : "");
			sprintf(b, "%s%s%s", k == 4 ? ends[i] : "", p, k == 1 ? ends[i] : "");
			sprintf(c, "%s%s%s", k == 5 ? ends[i] : "", s, k == 2 ? ends[i] : "");
			t = join(a, b, c);
			token_is(key, t, JOSE_ERR_MALFORMED, t);
			free(t);
		}

	/* the other alphabet, where the token has a character of ours */
	for (int round = 0; round < 200; round++)
	{
		char		payload[40];
		char	   *c;
		char	   *u;

		sprintf(payload, "{\"n\":%d}\xff\xfe?>~%d", round, round);
		u = must_sign(key, NULL, payload);
		c = strpbrk(strchr(u, '.'), "-_");
		if (c != NULL)
		{
			*c = *c == '-' ? '+' : '/';
			token_is(key, u, JOSE_ERR_MALFORMED, "the other alphabet");
		}
		drop(u);
	}

	/* the bits behind the last byte: 43 characters are 256 bits and two more */
	for (int bits = 1; bits < 4; bits++)
	{
		static const char order[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
		char	   *last = &s[strlen(s) - 1];
		char		was = *last;

		*last = order[(strchr(order, was) - order) + bits];
		t = join(h, p, s);
		token_is(key, t, JOSE_ERR_MALFORMED, "unused bits");
		free(t);
		*last = was;
	}

	/* JSON serializations */
	t = malloc(1000);
	sprintf(t, "{\"protected\":\"%s\",\"payload\":\"%s\",\"signature\":\"%s\"}", h, p, s);
	token_is(key, t, JOSE_ERR_MALFORMED, "flattened JSON");
	sprintf(t, "{\"payload\":\"%s\",\"signatures\":[{\"protected\":\"%s\",\"signature\":\"%s\"}]}", p, h, s);
	token_is(key, t, JOSE_ERR_MALFORMED, "general JSON");
	free(t);

	/* a NUL ends nothing */
	{
		size_t		n = strlen(token);
		char	   *nul = malloc(n + 2);
		char	   *payload;
		size_t		len;
		JoseError	err;

		memcpy(nul, token, n + 1);
		nul[n + 1] = 'x';
		CHECK_CODE(jose_jws_verify(HOST, key, nul, n + 1, NULL, NULL, &payload, &len, &err),
				   JOSE_ERR_MALFORMED, &err, "NUL behind the token");
		CHECK_CODE(jose_jws_verify(HOST, key, NULL, 0, NULL, NULL, &payload, &len, &err),
				   JOSE_ERR_MALFORMED, &err, "nothing");
		free(nul);
	}
	free(h);
	free(p);
	free(s);
	drop(token);

	/* limits */
	t = malloc(JOSE_MAX_TOKEN_BYTES + 10);
	memset(t, 'A', JOSE_MAX_TOKEN_BYTES + 1);
	t[JOSE_MAX_TOKEN_BYTES + 1] = '\0';
	t[10] = t[20] = '.';
	token_is(key, t, JOSE_ERR_LIMIT, "a token too long");
	t[JOSE_MAX_TOKEN_BYTES] = '\0';
	token_is(key, t, JOSE_ERR_LIMIT, "a signature too long");
	t[20] = 'A';
	t[JOSE_MAX_TOKEN_BYTES - 44] = '.';
	token_is(key, t, JOSE_ERR_MALFORMED, "the longest token");
	t[JOSE_MAX_TOKEN_BYTES] = 'A';
	token_is(key, t, JOSE_ERR_LIMIT, "one byte more");
	t[JOSE_MAX_TOKEN_BYTES] = '\0';
	t[10] = 'A';
	t[JOSE_MAX_HEADER_BYTES + 1] = '.';
	token_is(key, t, JOSE_ERR_LIMIT, "a header too long");
	free(t);
}

static void
test_decode(void)
{
	static const char none[] = "eyJhbGciOiJub25lIiwia2lkIjoieCIsImNyaXQiOltdfQ.e30.";
	JoseHeader	header;
	JoseDecoded d;
	JoseError	err;

	/* {"alg":"none","kid":"x","crit":[]}: shown, though never accepted */
	if (CHECK_CODE(jose_jws_decode(HOST, none, strlen(none), &header, &d, &err), JOSE_OK, &err, "none"))
	{
		CHECK(header.alg == JOSE_ALG_UNSPECIFIED && header.has_crit && header.has_kid &&
			  strcmp(header.kid, "x") == 0 && !header.has_typ, "header");
		CHECK(strcmp(d.header_json, "{\"alg\":\"none\",\"kid\":\"x\",\"crit\":[]}") == 0 &&
			  strlen(d.header_json) == d.header_len && strcmp(d.payload, "{}") == 0 && d.payload_len == 2, "%s",
			  d.header_json);
		drop(d.header_json);
	}
	CHECK_CODE(jose_jws_decode(HOST, none, strlen(none), NULL, NULL, &err), JOSE_OK, &err, "form only");
	CHECK_CODE(jose_jws_decode(HOST, none, strlen(none) - 1, &header, &d, &err), JOSE_ERR_MALFORMED, &err, "cut");
	CHECK_CODE(jose_jws_decode(HOST, "e3*.e30.", 8, &header, &d, &err), JOSE_ERR_MALFORMED, &err, "header");
	CHECK_CODE(jose_jws_decode(HOST, "e30.e30.", 8, &header, &d, &err), JOSE_ERR_MALFORMED, &err, "no alg");
	CHECK_CODE(jose_jws_decode(HOST, "W10.e30.", 8, &header, &d, &err), JOSE_ERR_MALFORMED, &err, "array");
	CHECK_CODE(jose_jws_decode(HOST, "eyJhbGciOiJub25lIn0.e3.", 23, &header, &d, &err), JOSE_ERR_MALFORMED, &err,
			   "payload");
	CHECK_CODE(jose_jws_decode(HOST, "eyJhbGciOiJub25lIn0.e30.=", 25, &header, &d, &err), JOSE_ERR_MALFORMED, &err,
			   "signature");
}

/* -------------------------------------------------------------- signatures */

/* Each bit of the signature and of the header and payload; each truncation. */
static void
test_flips(JoseAlg alg)
{
	JoseKey    *key = keys[alg];
	char	   *token = must_sign(key, NULL, "{\"a\":1}");
	char	   *h = segment(token, 0);
	char	   *p = segment(token, 1);
	char	   *s = segment(token, 2);
	unsigned char sig[JOSE_MAX_SIGNATURE_BYTES + 2];
	unsigned char payload[100];
	size_t		sig_len,
				len;
	/* the slow ones take a sample */
	size_t		step = alg >= JOSE_ES256 ? 7 : 3;

#ifdef SANITIZED
	step *= 5;
#endif
	if (!jose_base64url_decode(sig, &sig_len, s, strlen(s)) || !jose_base64url_decode(payload, &len, p, strlen(p)))
		exit(1);
	for (size_t bit = 0; bit < sig_len * 8; bit += step)
	{
		char	   *c,
				   *t;

		sig[bit / 8] ^= (unsigned char) (1 << bit % 8);
		c = encode(sig, sig_len);
		t = join(h, p, c);
		token_is(key, t, JOSE_ERR_SIGNATURE, "a bit of the signature");
		free(c);
		free(t);
		sig[bit / 8] ^= (unsigned char) (1 << bit % 8);
	}
	for (size_t bit = 0; bit < len * 8; bit += step)
	{
		char	   *c,
				   *t;

		payload[bit / 8] ^= (unsigned char) (1 << bit % 8);
		c = encode(payload, len);
		t = join(h, c, s);
		token_is(key, t, JOSE_ERR_SIGNATURE, "a bit of the payload");
		free(c);
		free(t);
		payload[bit / 8] ^= (unsigned char) (1 << bit % 8);
	}
	for (size_t n = 0; n < sig_len + 2; n += n + 8 < sig_len ? 5 : 1)
	{
		char	   *c,
				   *t;

		if (n == sig_len)
			continue;
		sig[sig_len] = sig[sig_len + 1] = 0;
		c = encode(sig, n);
		t = join(h, p, c);
		token_is(key, t, JOSE_ERR_SIGNATURE, "another length of the signature");
		free(c);
		free(t);
	}

	/* leading zeros put before */
	{
		unsigned char padded[JOSE_MAX_SIGNATURE_BYTES + 2] = { 0 };
		char	   *c,
				   *t;

		memcpy(padded + 1, sig, sig_len);
		c = encode(padded, sig_len + 1);
		t = join(h, p, c);
		token_is(key, t, sig_len + 1 > JOSE_MAX_SIGNATURE_BYTES ? JOSE_ERR_LIMIT : JOSE_ERR_SIGNATURE, "a leading zero");
		free(c);
		free(t);
		memset(padded, 0, sizeof(padded));
		c = encode(padded, sig_len);
		t = join(h, p, c);
		token_is(key, t, JOSE_ERR_SIGNATURE, "all zero");
		free(c);
		free(t);
		memset(padded, 0xff, sizeof(padded));
		c = encode(padded, sig_len);
		t = join(h, p, c);
		token_is(key, t, JOSE_ERR_SIGNATURE, "all ones");
		free(c);
		free(t);
	}

	/* another token's signature, another header of the same meaning */
	{
		char	   *other = must_sign(key, NULL, "{\"a\":2}");
		char	   *c = segment(other, 2);
		char	   *t = join(h, p, c);

		token_is(key, t, JOSE_ERR_SIGNATURE, "another token's signature");
		free(t);
		free(c);
		drop(other);
	}
	token_is(key, token, JOSE_OK, "the token itself, after all");
	free(h);
	free(p);
	free(s);
	drop(token);
}

static void
raw_is(JoseKey *key, const unsigned char *r, const unsigned char *s, JoseCode want, const char *what)
{
	size_t		len = (size_t) key->info->coord_len;
	unsigned char raw[2 * 66];
	char	   *token = must_sign(key, NULL, claims);
	char	   *h = segment(token, 0);
	char	   *p = segment(token, 1);
	char	   *c,
			   *t;

	memcpy(raw, r, len);
	memcpy(raw + len, s, len);
	c = encode(raw, 2 * len);
	t = join(h, p, c);
	token_is(key, t, want, what);
	free(c);
	free(t);
	free(h);
	free(p);
	drop(token);
}

/* r and s at the edges of their range (CVE-2022-21449 and its like). */
static void
test_ecdsa_range(JoseAlg alg)
{
	JoseKey    *key = keys[alg];
	size_t		len = (size_t) key->info->coord_len;
	unsigned char edges[6][66] = { { 0 } };
	char	   *token,
			   *h,
			   *p,
			   *s;
	unsigned char raw[132],
				changed[132];
	size_t		n;
	BIGNUM	   *a,
			   *order;

	edges[1][len - 1] = 1;
	memcpy(edges[2], key->info->order, len);
	edges[2][len - 1]--;		/* n - 1 */
	memcpy(edges[3], key->info->order, len);
	memcpy(edges[4], key->info->order, len);
	edges[4][len - 1]++;		/* n + 1 */
	memset(edges[5], 0xff, len);
	for (int i = 0; i < 6; i++)
		for (int k = 0; k < 6; k++)
			raw_is(key, edges[i], edges[k], JOSE_ERR_SIGNATURE, "r or s at an edge");

	/* a good signature with n added to s or r where there is room for it */
	token = must_sign(key, NULL, claims);
	h = segment(token, 0);
	p = segment(token, 1);
	s = segment(token, 2);
	if (!jose_base64url_decode(raw, &n, s, strlen(s)))
		exit(1);
	order = BN_bin2bn(key->info->order, (int) len, NULL);
	for (size_t at = 0; at < 2 * len; at += len)
	{
		char	   *c,
				   *t;

		a = BN_bin2bn(raw + at, (int) len, NULL);
		BN_add(a, a, order);
		memcpy(changed, raw, sizeof(raw));
		if (BN_num_bytes(a) <= (int) len)
		{
			BN_bn2binpad(a, changed + at, (int) len);
			c = encode(changed, n);
			t = join(h, p, c);
			token_is(key, t, JOSE_ERR_SIGNATURE, "n added");
			free(c);
			free(t);
		}
		BN_free(a);

		/* zero in one half of a good one */
		memcpy(changed, raw, sizeof(raw));
		memset(changed + at, 0, len);
		c = encode(changed, n);
		t = join(h, p, c);
		token_is(key, t, JOSE_ERR_SIGNATURE, "half of it zero");
		free(c);
		free(t);
	}

	/* n - s is a signature too: ECDSA has it so, and JOSE does not forbid it */
	a = BN_bin2bn(raw + len, (int) len, NULL);
	BN_sub(a, order, a);
	memcpy(changed, raw, sizeof(raw));
	BN_bn2binpad(a, changed + len, (int) len);
	{
		char	   *c = encode(changed, n);
		char	   *t = join(h, p, c);

		token_is(key, t, JOSE_OK, "n - s");
		free(c);
		free(t);
	}
	BN_free(a);
	BN_free(order);

	/* DER instead of r and s side by side */
	{
		unsigned char der[200];
		size_t		der_len = sizeof(der);
		EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_pkey(NULL, key->pkey, NULL);
		unsigned char digest[64] = { 1 };
		char	   *c,
				   *t;

		EVP_PKEY_sign_init(ctx);
		EVP_PKEY_sign(ctx, der, &der_len, digest, (size_t) key->info->md_len);
		EVP_PKEY_CTX_free(ctx);
		c = encode(der, der_len);
		t = join(h, p, c);
		token_is(key, t, JOSE_ERR_SIGNATURE, "DER");
		free(c);
		free(t);
	}
	free(h);
	free(p);
	free(s);
	drop(token);
}

/* S + L is no signature of Ed25519: RFC 8032 wants the canonical S. */
static void
test_ed25519_malleability(void)
{
	static const unsigned char order[32] = {
		0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14,
		0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10
	};
	JoseKey    *key = keys[JOSE_EDDSA];
	char	   *token = must_sign(key, NULL, claims);
	char	   *h = segment(token, 0);
	char	   *p = segment(token, 1);
	char	   *s = segment(token, 2);
	unsigned char sig[64];
	size_t		n;
	int			carry = 0;
	char	   *c,
			   *t;

	if (!jose_base64url_decode(sig, &n, s, strlen(s)))
		exit(1);
	for (int i = 0; i < 32; i++)
	{
		carry += sig[32 + i] + order[i];
		sig[32 + i] = (unsigned char) carry;
		carry >>= 8;
	}
	c = encode(sig, n);
	t = join(h, p, c);
	token_is(key, t, JOSE_ERR_SIGNATURE, "S + L");
	free(c);
	free(t);
	free(h);
	free(p);
	free(s);
	drop(token);
}

/* A key whose numbers have zero bytes in front: the raw form keeps its width. */
static void
test_many_signatures(void)
{
#ifdef SANITIZED
	const int	rounds = 300;
#else
	const int	rounds = 3000;
#endif
	JoseKey    *key = keys[JOSE_ES256];
	int			short_ones = 0;

	for (int i = 0; i < rounds; i++)
	{
		char		payload[20];
		char	   *token,
				   *s;
		unsigned char raw[64];
		size_t		n;

		sprintf(payload, "{\"n\":%d}", i);
		token = must_sign(key, NULL, payload);
		s = segment(token, 2);
		if (!jose_base64url_decode(raw, &n, s, strlen(s)))
			exit(1);
		short_ones += raw[0] == 0 || raw[32] == 0;
		token_is(key, token, JOSE_OK, "one of many");
		free(s);
		drop(token);
	}
	CHECK(short_ones > 0 || rounds < 1000, "no number of fewer bytes in %d", rounds);
}

/* With known_good all but the signature is checked. */
static void
test_known_good(void)
{
	JoseKey    *key = keys[JOSE_EDDSA];
	JoseSignOptions sign = { .typ = "JWT" };
	char	   *token = must_sign(key, &sign, "{\"a\":1}");
	size_t		len = strlen(token);
	char	   *payload;
	size_t		n;
	JoseHeader	header;
	JoseError	err;

	for (int known = 0; known <= 1; known++)
	{
		JoseVerifyOptions options = { .typ = "JWT", .known_good = known };
		JoseVerifyOptions other = { .typ = "at+jwt", .known_good = known };
		char	   *changed = strdup(token);

		CHECK_CODE(jose_jws_verify(HOST, key, token, len, &options, &header, &payload, &n, &err), JOSE_OK, &err, "good");
		CHECK(n == 7 && memcmp(payload, "{\"a\":1}", 8) == 0 && header.alg == JOSE_EDDSA, "what it hands out");
		drop(payload);
		CHECK_CODE(jose_jws_verify(HOST, key, token, len, &other, NULL, &payload, &n, &err), JOSE_ERR_TYPE, &err, "type");
		CHECK_CODE(jose_jws_verify(HOST, keys[JOSE_ES256], token, len, &options, NULL, &payload, &n, &err),
				   JOSE_ERR_KEY_MISMATCH, &err, "another algorithm");
		CHECK_CODE(jose_jws_verify(HOST, key, token, len - 1, &options, NULL, &payload, &n, &err),
				   JOSE_ERR_MALFORMED, &err, "form");
		changed[len - 3] = changed[len - 3] == 'A' ? 'B' : 'A';
		CHECK_CODE(jose_jws_verify(HOST, key, changed, len, &options, NULL, &payload, &n, &err),
				   known ? JOSE_OK : JOSE_ERR_SIGNATURE, &err, "a changed signature");
		if (known)
			drop(payload);
		free(changed);
	}
	drop(token);
}

int
main(void)
{
	for (size_t i = 0; i < N_ALGS; i++)
		keys[algs[i]] = must_generate(algs[i]);
	test_good();
	test_remembered_headers();
	test_sign_options();
	test_none();
	test_confusion();
	test_same_key_other_algorithm();
	test_pss();
	test_headers();
	test_type();
	test_form();
	test_decode();
	for (size_t i = 0; i < N_ALGS; i++)
		test_flips(algs[i]);
	test_ecdsa_range(JOSE_ES256);
	test_ecdsa_range(JOSE_ES384);
	test_ecdsa_range(JOSE_ES512);
	test_ed25519_malleability();
	test_many_signatures();
	test_known_good();
	for (size_t i = 0; i < N_ALGS; i++)
		jose_key_free(keys[algs[i]]);
	return finish();
}
