/*-------------------------------------------------------------------------
 *
 * jose_bench.c
 *	  How many tokens a second the JOSE library signs and verifies.
 *
 *	  jose_bench ALG sign|verify|bare-sign|bare-verify SECONDS
 *
 * Prints the rate, counted in user time as `openssl speed` does, and the bytes
 * that are signed.  Each call is a whole one: claims to token, token to claims,
 * with memory of malloc; the key is made once.  The bare ones, for PS* alone,
 * are OpenSSL's call for one digest.  bench/token/run puts it beside `openssl
 * speed`.
 *
 *-------------------------------------------------------------------------
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include <openssl/evp.h>
#include <openssl/rsa.h>

#include "jose.h"

static const char claims[] =
"{\"iss\":\"https://auth.example.com\",\"sub\":\"0b9f5b1e-6b0c-4c0e-8f60-3d9d1f1c2a77\",\"aud\":\"api\","
"\"role\":\"web_user\",\"iat\":1700000000,\"exp\":1700000900,\"jti\":\"5f0c5e2e-6f43-4d1c-9c57-d4a1c6a4b9a1\"}";

static void *
host_alloc(void *userdata, size_t size)
{
	(void) userdata;
	return malloc(size);
}

static void
host_release(void *userdata, void *block)
{
	(void) userdata;
	free(block);
}

static const JoseHost host = { host_alloc, host_release, NULL, NULL };

static double
user_seconds(void)
{
	struct rusage usage;

	getrusage(RUSAGE_SELF, &usage);
	return (double) usage.ru_utime.tv_sec + (double) usage.ru_utime.tv_usec * 1e-6;
}

static void
must(JoseCode code, const JoseError *err)
{
	if (code == JOSE_OK)
		return;
	fprintf(stderr, "jose_bench: %s: %s %s\n", jose_code_name(code), err->message, err->detail);
	exit(1);
}

/* What is measured: n calls of it. */
typedef struct Bench
{
	JoseKey    *key;
	char	   *token;
	size_t		len;
	EVP_PKEY_CTX *bare;
	unsigned char digest[64];
	size_t		digest_len;
	unsigned char sig[256];
	size_t		sig_len;
} Bench;

static void
run_sign(Bench *b, long n)
{
	static const JoseSignOptions options = { .typ = "at+jwt" };
	JoseError	err;
	char	   *token;
	size_t		len;

	while (n-- > 0)
	{
		must(jose_jws_sign(&host, b->key, &options, claims, sizeof(claims) - 1, &token, &len, &err), &err);
		free(token);
	}
}

static void
run_verify(Bench *b, long n)
{
	static const JoseVerifyOptions options = { .typ = "at+jwt" };
	JoseError	err;
	char	   *payload;
	size_t		len;

	while (n-- > 0)
	{
		must(jose_jws_verify(&host, b->key, b->token, b->len, &options, NULL, &payload, &len, &err), &err);
		free(payload);
	}
}

static void
run_bare_sign(Bench *b, long n)
{
	while (n-- > 0)
	{
		b->sig_len = sizeof(b->sig);
		if (EVP_PKEY_sign(b->bare, b->sig, &b->sig_len, b->digest, b->digest_len) <= 0)
			abort();
	}
}

static void
run_bare_verify(Bench *b, long n)
{
	while (n-- > 0)
		if (EVP_PKEY_verify(b->bare, b->sig, b->sig_len, b->digest, b->digest_len) != 1)
			abort();
}

static bool
set_pss(EVP_PKEY_CTX *ctx, const EVP_MD *md)
{
	return EVP_PKEY_CTX_set_signature_md(ctx, md) > 0 &&
		EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_PKCS1_PSS_PADDING) > 0 &&
		EVP_PKEY_CTX_set_rsa_pss_saltlen(ctx, EVP_MD_get_size(md)) > 0;
}

static void
open_bare(Bench *b, const char *alg, bool verify)
{
	char		name[] = "SHA256";
	EVP_PKEY   *pkey = EVP_RSA_gen(2048);
	EVP_MD	   *md;

	memcpy(name + 3, alg + 2, 3);
	md = EVP_MD_fetch(NULL, name, NULL);
	b->bare = EVP_PKEY_CTX_new_from_pkey(NULL, pkey, NULL);
	if (md == NULL || b->bare == NULL || EVP_PKEY_sign_init(b->bare) <= 0 || !set_pss(b->bare, md))
		abort();
	b->digest_len = (size_t) EVP_MD_get_size(md);
	run_bare_sign(b, 1);
	if (verify && (EVP_PKEY_verify_init(b->bare) <= 0 || !set_pss(b->bare, md)))
		abort();
	EVP_PKEY_free(pkey);
	EVP_MD_free(md);
}

static const struct
{
	const char *name;
	void		(*run) (Bench *b, long n);
}			ops[] = {
	{ "sign", run_sign },
	{ "verify", run_verify },
	{ "bare-sign", run_bare_sign },
	{ "bare-verify", run_bare_verify },
};

int
main(int argc, char **argv)
{
	static const JoseSignOptions options = { .typ = "at+jwt" };
	Bench		b = { 0 };
	JoseError	err;
	size_t		op = 0;
	double		seconds,
				start,
				spent;
	long		n = 0;
	long		batch = 1;

	while (argc == 4 && op < 4 && strcmp(argv[2], ops[op].name) != 0)
		op++;
	if (argc != 4 || op == 4 || (op > 1 && strncmp(argv[1], "PS", 2) != 0))
	{
		fprintf(stderr, "usage: jose_bench ALG sign|verify|bare-sign|bare-verify SECONDS\n");
		return 2;
	}
	seconds = atof(argv[3]);
	must(jose_jwk_generate(&host, jose_alg_from_name(argv[1], strlen(argv[1])), 0, &b.key, &err), &err);
	must(jose_jws_sign(&host, b.key, &options, claims, sizeof(claims) - 1, &b.token, &b.len, &err), &err);
	if (op > 1)
		open_bare(&b, argv[1], op == 3);

	start = user_seconds();
	do
	{
		ops[op].run(&b, batch);
		n += batch;
		spent = user_seconds() - start;
		if (spent < seconds / 100)
			batch *= 2;
	} while (spent < seconds);
	printf("%.1f %zu\n", (double) n / spent, (size_t) (strrchr(b.token, '.') - b.token));
	free(b.token);
	jose_key_free(b.key);
	EVP_PKEY_CTX_free(b.bare);
	return 0;
}
