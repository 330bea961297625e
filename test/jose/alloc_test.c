/*-------------------------------------------------------------------------
 *
 * alloc_test.c
 *	  Every entry point of jose.h that allocates, under allocators that fail:
 *	  the host's and OpenSSL's, each call in turn, alone and with all later
 *	  ones.
 *
 * A call that fails says so with a code of its own failure, or with what
 * OpenSSL takes it for (jose.h names these cases), leaves no block behind, and
 * the same key serves the same call when there is memory again.  A call may
 * also succeed, where OpenSSL can do without what it did not get; then its
 * result is right.
 *
 *-------------------------------------------------------------------------
 */
#include "harness.h"

#include <openssl/crypto.h>
#include <openssl/err.h>

#include "internal.h"

/* ---------------------------------------------- OpenSSL's memory, counted */

static long ossl_calls;
static long ossl_live;
static long ossl_fail_at;		/* this call gives nothing, 0: none */
static bool ossl_fail_after;	/* and so do all later ones */

static bool
ossl_fails(void)
{
	ossl_calls++;
	return ossl_fail_at > 0 &&
		(ossl_calls == ossl_fail_at || (ossl_fail_after && ossl_calls > ossl_fail_at));
}

static void *
ossl_malloc(size_t size, const char *file, int line)
{
	void	   *p;

	(void) file;
	(void) line;
	if (size == 0 || ossl_fails())
		return NULL;
	p = malloc(size);
	ossl_live += p != NULL;
	return p;
}

static void
ossl_free(void *p, const char *file, int line)
{
	(void) file;
	(void) line;
	ossl_live -= p != NULL;
	free(p);
}

static void *
ossl_realloc(void *p, size_t size, const char *file, int line)
{
	if (p == NULL)
		return ossl_malloc(size, file, line);
	if (size == 0)
	{
		ossl_free(p, file, line);
		return NULL;
	}
	if (ossl_fails())
		return NULL;
	return realloc(p, size);
}

/* ---------------------------------------------------------- entry points */

/* The others differ in the name of a hash alone. */
static const JoseAlg algs[] = {
	JOSE_HS256, JOSE_RS256, JOSE_PS256, JOSE_ES256, JOSE_ES384, JOSE_ES512, JOSE_EDDSA
};

#define N_ALGS (sizeof(algs) / sizeof(algs[0]))

static const char payload[] = "{\"iss\":\"\\u006de\",\"aud\":[\"x\",\"y\"],\"exp\":2000000000}";

/* What the entry points work on; new_key is freed after each call. */
typedef struct Fixture
{
	JoseAlg		alg;
	char	   *private_jwk;
	char	   *public_jwk;
	char	   *token;
	char		thumbprint[JOSE_THUMBPRINT_SIZE];
	JoseKey    *key;			/* kept over failures */
	JoseKey    *new_key;
} Fixture;

typedef JoseCode (*EntryFn) (Fixture *f, bool *right, JoseError *err);

static JoseCode
do_parse_private(Fixture *f, bool *right, JoseError *err)
{
	JoseCode	code = jose_jwk_parse(HOST, f->private_jwk, strlen(f->private_jwk), JOSE_ALG_UNSPECIFIED,
									  &f->new_key, err);

	*right = code == JOSE_OK && jose_jwk_is_private(f->new_key);
	return code;
}

static JoseCode
do_parse_public(Fixture *f, bool *right, JoseError *err)
{
	JoseCode	code = jose_jwk_parse(HOST, f->public_jwk, strlen(f->public_jwk), JOSE_ALG_UNSPECIFIED,
									  &f->new_key, err);

	*right = code == JOSE_OK && jose_jwk_algorithm(f->new_key) == f->alg;
	return code;
}

static JoseCode
do_generate(Fixture *f, bool *right, JoseError *err)
{
	JoseCode	code = jose_jwk_generate(HOST, f->alg, 0, &f->new_key, err);

	*right = code == JOSE_OK && jose_jwk_is_private(f->new_key) && jose_jwk_kid(f->new_key) != NULL;
	return code;
}

static JoseCode
do_export(Fixture *f, bool *right, JoseError *err)
{
	char	   *text;
	size_t		len;
	JoseCode	code = jose_jwk_to_json(HOST, f->key, JOSE_PRIVATE, &text, &len, err);

	if (code == JOSE_OK)
	{
		*right = strcmp(text, f->private_jwk) == 0;
		drop(text);
	}
	return code;
}

static JoseCode
do_thumbprint(Fixture *f, bool *right, JoseError *err)
{
	char		thumbprint[JOSE_THUMBPRINT_SIZE];
	JoseCode	code = jose_jwk_thumbprint(f->key, thumbprint, err);

	*right = code == JOSE_OK && strcmp(thumbprint, f->thumbprint) == 0;
	return code;
}

static JoseCode
do_validate(Fixture *f, bool *right, JoseError *err)
{
	*right = true;
	return jose_jwk_validate(f->key, err);
}

static bool
is_good(JoseKey *key, const char *token)
{
	JoseError	err;

	return verify(key, token, &err) == JOSE_OK;
}

/* With contexts that are ready. */
static JoseCode
do_sign(Fixture *f, bool *right, JoseError *err)
{
	JoseSignOptions options = { .typ = "JWT" };
	char	   *token;
	size_t		len;
	JoseCode	code = jose_jws_sign(HOST, f->key, &options, payload, strlen(payload), &token, &len, err);

	if (code == JOSE_OK)
	{
		long		ossl = ossl_calls;
		long		ours = host.calls;
		long		at = ossl_fail_at;

		/* the look at the result is not part of the call */
		ossl_fail_at = 0;
		*right = is_good(f->key, token);
		ossl_fail_at = at;
		ossl_calls = ossl;
		host.calls = ours;
		drop(token);
	}
	return code;
}

static JoseCode
verify_with(Fixture *f, JoseKey *key, bool *right, JoseError *err)
{
	JoseVerifyOptions options = { .typ = "JWT" };
	JoseHeader	header;
	char	   *text;
	size_t		len;
	JoseCode	code = jose_jws_verify(HOST, key, f->token, strlen(f->token), &options, &header, &text, &len, err);

	if (code == JOSE_OK)
	{
		*right = strcmp(text, payload) == 0 && header.alg == f->alg;
		drop(text);
	}
	return code;
}

static JoseCode
do_verify(Fixture *f, bool *right, JoseError *err)
{
	return verify_with(f, f->key, right, err);
}

/* With a key that has made no contexts and seen no header yet. */
static void
renew(Fixture *f)
{
	jose_key_free(f->key);
	f->key = must_parse(f->private_jwk, JOSE_ALG_UNSPECIFIED);
}

static JoseCode
do_decode(Fixture *f, bool *right, JoseError *err)
{
	JoseHeader	header;
	JoseDecoded d;
	JoseCode	code = jose_jws_decode(HOST, f->token, strlen(f->token), &header, &d, err);

	if (code == JOSE_OK)
	{
		*right = strcmp(d.payload, payload) == 0 && header.alg == f->alg;
		drop(d.header_json);
	}
	return code;
}

static JoseCode
do_claims(Fixture *f, bool *right, JoseError *err)
{
	static const char *const audience[] = { "y" };
	JoseExpectations want = { .issuer = "me", .audiences = audience, .n_audiences = 1 };
	JoseTimes	times;
	JoseCode	code = jose_claims_check(HOST, payload, strlen(payload), &want, 1999999999, &times, err);

	(void) f;
	*right = code == JOSE_OK && times.exp == 2000000000;
	return code;
}

static JoseCode
do_claims_string(Fixture *f, bool *right, JoseError *err)
{
	char	   *issuer = NULL;
	JoseCode	code = jose_claims_string(HOST, payload, strlen(payload), "iss", &issuer, err);

	(void) f;
	*right = code == JOSE_OK && strcmp(issuer, "me") == 0;
	if (code == JOSE_OK)
		drop(issuer);
	return code;
}

enum
{
	FRESH = 1,					/* renew the key before each call */
	ASYMMETRIC = 2,				/* only where there is a public key */
	ONCE = 4,					/* the same for all algorithms */
	LONG_FOR_RSA = 8			/* thousands of allocations: take a sample */
};

static const struct
{
	const char *name;
	EntryFn		run;
	int			flags;
}			entries[] = {
	{ "parse private", do_parse_private, 0 },
	{ "parse public", do_parse_public, ASYMMETRIC },
	{ "generate", do_generate, LONG_FOR_RSA },
	{ "export", do_export, 0 },
	{ "thumbprint", do_thumbprint, 0 },
	{ "validate", do_validate, LONG_FOR_RSA },
	{ "sign", do_sign, 0 },
	{ "sign, first", do_sign, FRESH },
	{ "verify", do_verify, 0 },
	{ "verify, first", do_verify, FRESH },
	{ "decode", do_decode, ONCE },
	{ "claims", do_claims, ONCE },
	{ "claims, a string", do_claims_string, ONCE },
};

/* ------------------------------------------------------------------- runs */

static long failures_seen;
static long successes_seen;
static long misread;			/* by OpenSSL, as a bad signature or key */

static bool
is_own_failure(JoseCode code, const Fixture *f, size_t entry)
{
	bool		curve = f->alg >= JOSE_ES256;

	switch (code)
	{
		case JOSE_ERR_NOMEM:
		case JOSE_ERR_CRYPTO:
		case JOSE_ERR_UNAVAILABLE:
			return true;
		case JOSE_ERR_SIGNATURE:
			misread++;
			return entries[entry].run == do_verify;
		case JOSE_ERR_KEY_INVALID:
			misread++;
			return entries[entry].run == do_validate ||
				(curve && (entries[entry].run == do_parse_private || entries[entry].run == do_parse_public));
		default:
			return false;
	}
}

static JoseCode
call(Fixture *f, size_t entry, bool *right, JoseError *err)
{
	JoseCode	code;

	*right = false;
	f->new_key = NULL;
	code = entries[entry].run(f, right, err);
	/* freeing needs no memory, so it may be done while there is none */
	jose_key_free(f->new_key);
	return code;
}

static void
inject(Fixture *f, size_t entry, bool in_host, long at, bool after)
{
	const char *name = entries[entry].name;
	const char *alg = jose_alg_name(f->alg);
	const char *where = in_host ? "host" : "OpenSSL";
	JoseError	err;
	JoseCode	code;
	long		live;
	bool		right;

	if (entries[entry].flags & FRESH)
		renew(f);
	live = host.live;
	host.calls = 0;
	ossl_calls = 0;
	host.fail_at = in_host ? at : 0;
	ossl_fail_at = in_host ? 0 : at;
	ossl_fail_after = after;
	code = call(f, entry, &right, &err);
	host.fail_at = 0;
	ossl_fail_at = 0;
	CHECK(host.live == live, "%s, %s, %s %ld: %ld blocks", name, alg, where, at, host.live - live);
	if (code == JOSE_OK)
	{
		successes_seen++;
		CHECK(right, "%s, %s, %s %ld: wrong result", name, alg, where, at);
		CHECK(!in_host, "%s, %s, %s %ld: success without memory", name, alg, where, at);
	}
	else
	{
		failures_seen++;
		CHECK(in_host ? code == JOSE_ERR_NOMEM : is_own_failure(code, f, entry), "%s, %s, %s %ld%s: %s: %s %s", name, alg,
			  where, at, after ? " and later" : "", jose_code_name(code), err.message, err.detail);
		CHECK(error_is_sound(code, &err), "%s, %s, %s %ld: error", name, alg, where, at);
	}

	/* as if nothing had been */
	code = call(f, entry, &right, &err);
	CHECK(code == JOSE_OK && right, "%s, %s, after %s %ld%s: %s: %s", name, alg, where, at,
		  after ? " and later" : "", jose_code_name(code), code != JOSE_OK ? err.message : "");
}

static void
run(Fixture *f, size_t entry)
{
	JoseError	err;
	JoseCode	code = JOSE_OK;
	long		host_calls = 0,
				ossl_total = 0,
				live = 0,
				step = 1;
	bool		right;

	/* warm up what OpenSSL keeps for ever; the last round counts */
	for (int i = 0; i < 4; i++)
	{
		if (entries[entry].flags & FRESH)
			renew(f);
		host.calls = ossl_calls = 0;
		live = ossl_live;
		code = call(f, entry, &right, &err);
		host_calls = host.calls;
		ossl_total = ossl_calls;
		if (entries[entry].flags & FRESH)
			live = ossl_live;	/* the key has made its contexts */
	}
	CHECK(code == JOSE_OK && right, "%s, %s: %s: %s", entries[entry].name, jose_alg_name(f->alg),
		  jose_code_name(code), code != JOSE_OK ? err.message : "");
	CHECK(ossl_live == live, "%s, %s: %ld blocks of OpenSSL", entries[entry].name, jose_alg_name(f->alg),
		  ossl_live - live);

	for (long at = 1; at <= host_calls; at++)
		inject(f, entry, true, at, false);
	if ((entries[entry].flags & LONG_FOR_RSA) && f->alg >= JOSE_RS256 && f->alg <= JOSE_PS512)
		step = ossl_total / 20 + 1;
#ifdef SANITIZED
	else
		step = ossl_total / 60 + 1;
#endif
	for (int after = 0; after < 2; after++)
		for (long at = 1; at <= ossl_total; at += step)
			inject(f, entry, false, at, after);
	ossl_fail_after = false;
}

static void
open_fixture(Fixture *f, JoseAlg alg)
{
	JoseSignOptions options = { .typ = "JWT" };
	JoseError	err;
	char	   *text;

	memset(f, 0, sizeof(*f));
	f->alg = alg;
	f->key = must_generate(alg);
	text = must_export(f->key, JOSE_PRIVATE);
	f->private_jwk = strdup(text);
	drop(text);
	if (!jose_alg_is_symmetric(alg))
	{
		text = must_export(f->key, JOSE_PUBLIC);
		f->public_jwk = strdup(text);
		drop(text);
	}
	text = must_sign(f->key, &options, payload);
	f->token = strdup(text);
	drop(text);
	CHECK_CODE(jose_jwk_thumbprint(f->key, f->thumbprint, &err), JOSE_OK, &err, "thumbprint");
}

static void
close_fixture(Fixture *f)
{
	jose_key_free(f->key);
	free(f->private_jwk);
	free(f->public_jwk);
	free(f->token);
}

int
main(void)
{
	if (!CRYPTO_set_mem_functions(ossl_malloc, ossl_realloc, ossl_free))
	{
		printf("OpenSSL took its own memory already\n");
		return 1;
	}
	for (size_t a = 0; a < N_ALGS; a++)
	{
		Fixture		f;

		open_fixture(&f, algs[a]);
		for (size_t i = 0; i < sizeof(entries) / sizeof(entries[0]); i++)
		{
			if ((entries[i].flags & ASYMMETRIC) && jose_alg_is_symmetric(algs[a]))
				continue;
			if ((entries[i].flags & ONCE) && a > 0)
				continue;
			/* the RSA algorithms share their keys' ways */
			if ((entries[i].flags & LONG_FOR_RSA) && algs[a] > JOSE_RS256 && algs[a] <= JOSE_PS512)
				continue;
			run(&f, i);
		}
		close_fixture(&f);
	}
	printf("%ld calls failed, %ld of them as a bad signature or key; %ld succeeded all the same\n",
		   failures_seen, misread, successes_seen);
	CHECK(failures_seen > 100, "nothing failed");
	return finish();
}
