/*-------------------------------------------------------------------------
 *
 * unavailable_test.c
 *	  An OpenSSL without algorithms: every call that needs one says so, and
 *	  nothing is signed, verified or taken as a key.
 *
 * The null provider, loaded before anything else, keeps the default one away.
 *
 *-------------------------------------------------------------------------
 */
#include "harness.h"

#include <openssl/err.h>
#include <openssl/provider.h>

int
main(void)
{
	static const char *const jwks[] = {
		"{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU\","
		"\"y\":\"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0\"}",
		"{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo\"}",
		"{\"kty\":\"RSA\",\"alg\":\"RS256\",\"e\":\"AQAB\",\"n\":\"0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4c"
		"bbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4Qy"
		"Q5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6We"
		"Zu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw\"}",
	};
	JoseKey    *key = NULL;
	JoseError	err;
	char	   *text = NULL;
	size_t		len;
	OSSL_PROVIDER *provider = OSSL_PROVIDER_load(NULL, "null");
	char		thumbprint[JOSE_THUMBPRINT_SIZE];

	if (provider == NULL)
	{
		printf("no null provider\n");
		return 1;
	}
	ERR_clear_error();
	for (int alg = JOSE_HS384; alg < JOSE_ALG_COUNT; alg++)
		CHECK_CODE(jose_jwk_generate(HOST, (JoseAlg) alg, 0, &key, &err), JOSE_ERR_UNAVAILABLE, &err, "generate %s",
				   jose_alg_name((JoseAlg) alg));
	for (size_t i = 0; i < sizeof(jwks) / sizeof(jwks[0]); i++)
		CHECK_CODE(jose_jwk_parse(HOST, jwks[i], strlen(jwks[i]), JOSE_ALG_UNSPECIFIED, &key, &err),
				   JOSE_ERR_UNAVAILABLE, &err, "%s", jwks[i]);
	CHECK(key == NULL, "a key");

	/* a secret needs nothing until it is used */
	key = must_parse("{\"kty\":\"oct\",\"alg\":\"HS256\",\"k\":\"AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75a"
					 "KtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow\"}", JOSE_ALG_UNSPECIFIED);
	CHECK_CODE(jose_jws_sign(HOST, key, NULL, "{}", 2, &text, &len, &err), JOSE_ERR_UNAVAILABLE, &err, "sign");
	CHECK(text == NULL, "a token");
	CHECK_CODE(verify(key, "eyJhbGciOiJIUzI1NiJ9.e30.dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk", &err),
			   JOSE_ERR_UNAVAILABLE, &err, "verify");
	CHECK_CODE(jose_jwk_thumbprint(key, thumbprint, &err), JOSE_ERR_UNAVAILABLE, &err, "thumbprint");
	jose_key_free(key);
	OSSL_PROVIDER_unload(provider);
	return finish();
}
