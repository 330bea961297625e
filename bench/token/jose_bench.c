/*-------------------------------------------------------------------------
 *
 * jose_bench.c
 *	  How many tokens a second the JOSE library signs and verifies.
 *
 *	  jose_bench ALG sign|verify SECONDS
 *
 * Prints the rate, counted in user time as `openssl speed` does, and the bytes
 * that are signed.  Each call is a whole one: claims to token, token to claims,
 * with memory of malloc; the key is made once.  bench/token/run puts it beside
 * `openssl speed`.
 *
 *-------------------------------------------------------------------------
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

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

int
main(int argc, char **argv)
{
	static const JoseSignOptions sign = { .typ = "at+jwt" };
	static const JoseVerifyOptions check = { .typ = "at+jwt" };
	JoseKey    *key;
	JoseError	err;
	char	   *token,
			   *text;
	size_t		len,
				text_len;
	double		seconds,
				start,
				spent;
	long		n = 0;
	long		batch = 1;
	bool		verify;

	if (argc != 4 || (strcmp(argv[2], "sign") != 0 && strcmp(argv[2], "verify") != 0))
	{
		fprintf(stderr, "usage: jose_bench ALG sign|verify SECONDS\n");
		return 2;
	}
	verify = strcmp(argv[2], "verify") == 0;
	seconds = atof(argv[3]);
	must(jose_jwk_generate(&host, jose_alg_from_name(argv[1], strlen(argv[1])), 0, &key, &err), &err);
	must(jose_jws_sign(&host, key, &sign, claims, sizeof(claims) - 1, &token, &len, &err), &err);

	start = user_seconds();
	do
	{
		for (long i = 0; i < batch; i++)
		{
			if (verify)
				must(jose_jws_verify(&host, key, token, len, &check, NULL, &text, &text_len, &err), &err);
			else
				must(jose_jws_sign(&host, key, &sign, claims, sizeof(claims) - 1, &text, &text_len, &err), &err);
			free(text);
		}
		n += batch;
		spent = user_seconds() - start;
		if (spent < seconds / 100)
			batch *= 2;
	} while (spent < seconds);
	printf("%.1f %zu\n", (double) n / spent, (size_t) (strrchr(token, '.') - token));
	free(token);
	jose_key_free(key);
	return 0;
}
