/*-------------------------------------------------------------------------
 *
 * jose_jwk.c
 *	  Fuzz target: JWKs.  What is taken as a key comes back from its own text
 *	  with the same thumbprint, and what it signs it verifies; the JSON
 *	  reader's verdict is jansson's.
 *
 *-------------------------------------------------------------------------
 */
#include "jose_fuzz.h"

const char *const fuzz_seeds[] = {
	"{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"d\":\"nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A\","
	"\"x\":\"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo\"}",
	"{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"use\":\"sig\",\"kid\":\"k\","
	"\"x\":\"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo\"}",
	"{\"kty\":\"oct\",\"alg\":\"HS256\",\"key_ops\":[\"sign\",\"verify\"],\"k\":\"AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-"
	"EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow\"}",
	"{\"kty\":\"EC\",\"crv\":\"P-256\",\"d\":\"jpsQnnGQmL-YBIffH1136cspYG6-0iY7X1fCE9-E9LI\","
	"\"x\":\"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU\",\"y\":\"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0\"}",
	"{\"kty\":\"EC\",\"crv\":\"P-521\",\"x\":\"AekpBQ8ST8a8VcfVOTNl353vSrDCLLJXmPk06wTjxrrjcBpXp5EOnYG_NjFZ6OvLFV1jS"
	"fS9tsz4qUxcWceqwQGk\",\"y\":\"ADSmRA43Z1DSNx_RvcLI87cdL07l6jQyyBXMoxVg_l2Th-x3S1WDhjDly79ajL4Kkd0AZMaZmh9ubmf63"
	"e3kyMj2\",\"d\":\"AY5pb7A0UFiB3RELSD64fTLOSV_jazdF7fLYyuTw8lOfRhWg6Y6rUrPAxerEzgdRhajnu0ferB0d53vM9mE15j2C\"}",
	"{\"kty\":\"RSA\",\"alg\":\"RS256\",\"n\":\"ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Va"
	"w-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSX"
	"ndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWN"
	"moudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ\",\"e\":\"AQAB\","
	"\"d\":\"Eq5xpGnNCivDflJsRQBXHx1hdR1k6Ulwe2JZD50LpXyWPEAeP88vLNO97IjlA7_GQ5sLKMgvfTeXZx9SE-7YwVol2NXOoAJe46sui3"
	"95IW_GO-pWJ1O0BkTGoVEn2bKVRUCgu-GjBVaYLU6f3l9kJfFNS3E0QbVdxzubSu3Mkqzjkn439X0M_V51gfpRLI9JYanrC4D4qAdGcopV_0ZH"
	"HzQlBjudU2QvXt4ehNYTCBr6XCLQUShb1juUO1ZdiYoFaFQT5Tw8bGUl_x_jTj3ccPDVZFD9pIuhLhBOneufuBiB4cS98l2SR_RQyGWSeWjncz"
	"T0QU91p1DhOVRuOopznQ\","
	"\"p\":\"4BzEEOtIpmVdVEZNCqS7baC4crd0pqnRH_5IB3jw3bcxGn6QLvnEtfdUdiYrqBdss1l58BQ3KhooKeQTa9AB0Hw_Py5PJdTJNPY8cQ"
	"n7ouZ2KKDcmnPGBY5t7yLc1QlQ5xHdwW1VhvKn-nXqhJTBgIPgtldC-KDV5z-y2XDwGUc\","
	"\"q\":\"uQPEfgmVtjL0Uyyx88GZFF1fOunH3-7cepKmtH4pxhtCoHqpWmT8YAmZxaewHgHAjLYsp1ZSe7zFYHj7C6ul7TjeLQeZD_YwD66t62"
	"wDmpe_HlB-TnBA-njbglfIsRLtXlnDzQkv5dTltRJ11BKBBypeeF6689rjcJIDEz9RWdc\","
	"\"dp\":\"BwKfV3Akq5_MFZDFZCnW-wzl-CCo83WoZvnLQwCTeDv8uzluRSnm71I3QCLdhrqE2e9YkxvuxdBfpT_PI7Yz-FOKnu1R6HsJeDCjn"
	"12Sk3vmAktV2zb34MCdy7cpdTh_YVr7tss2u6vneTwrA86rZtu5Mbr1C1XsmvkxHQAdYo0\","
	"\"dq\":\"h_96-mK1R_7glhsum81dZxjTnYynPbZpHziZjeeHcXYsXaaMwkOlODsWa7I9xXDoRwbKgB719rrmI2oKr6N3Do9U0ajaHF-NKJnwg"
	"jMd2w9cjz3_-kyNlxAr2v4IKhGNpmM5iIgOS1VZnOZ68m6_pbLBSp3nssTdlqvd0tIiTHU\","
	"\"qi\":\"IYd7DHOhrWvxkwPQsRM2tOgrjbcrfvtQJipd-DlcxyVuuM9sQLdgjVk2oy26F0EmpScGLq2MowX7fhd_QJQ3ydy5cY7YIBi87w93I"
	"KLEdfnbJtoOPLUW0ITrJReOgo1cq9SbsxYawBgfp_gh6A5603k2-ZQwVK0JKSHuLFkuQ3U\"}",
};

const size_t fuzz_n_seeds = sizeof(fuzz_seeds) / sizeof(fuzz_seeds[0]);

static char *
export_part(const JoseKey *key, JosePart part, size_t *len)
{
	char	   *text;
	JoseError	err;
	JoseCode	code = jose_jwk_to_json(&fuzz_host, key, part, &text, len, &err);

	FUZZ_REQUIRE(code == JOSE_OK, "export: %s", err.message);
	return text;
}

/* The key and the one read from its text: one key. */
static void
check_copy(JoseKey *key, JosePart part)
{
	JoseKey    *copy;
	JoseError	err;
	char		a[JOSE_THUMBPRINT_SIZE],
				b[JOSE_THUMBPRINT_SIZE];
	size_t		len,
				again_len;
	char	   *text = export_part(key, part, &len);
	char	   *again;
	JoseCode	code = jose_jwk_parse(&fuzz_host, text, len, jose_jwk_algorithm(key), &copy, &err);

	/* a private key for signing alone is for verifying as a public one */
	FUZZ_REQUIRE(code == JOSE_OK, "%s does not come back: %s", text, err.message);
	again = export_part(copy, part, &again_len);
	FUZZ_REQUIRE(len == again_len && memcmp(text, again, len) == 0, "%s\n%s", text, again);
	FUZZ_REQUIRE(jose_jwk_thumbprint(key, a, &err) == JOSE_OK && jose_jwk_thumbprint(copy, b, &err) == JOSE_OK &&
				 strcmp(a, b) == 0, "thumbprints");
	FUZZ_REQUIRE(jose_jwk_is_private(copy) == (part == JOSE_PRIVATE), "private");
	fuzz_release(text);
	fuzz_release(again);

	if (jose_jwk_can_sign(key) && jose_jwk_can_verify(copy))
	{
		char	   *token,
				   *payload;

		code = jose_jws_sign(&fuzz_host, key, NULL, "{}", 2, &token, &len, &err);
		/* RSA parts may match and yet not be of primes; OpenSSL then sees it */
		FUZZ_REQUIRE(code == JOSE_OK || jose_jwk_algorithm(key) <= JOSE_PS512, "sign: %s", err.message);
		if (code == JOSE_OK)
		{
			code = jose_jws_verify(&fuzz_host, copy, token, len, NULL, NULL, &payload, &len, &err);
			FUZZ_REQUIRE(code == JOSE_OK, "verify: %s", err.message);
			fuzz_release(payload);
			fuzz_release(token);
		}
	}
	jose_key_free(copy);
}

void
fuzz_setup(void)
{
}

void
fuzz_one(const uint8_t *data, size_t size)
{
	const char *text = fuzz_copy(data, size);
	bool		parsed = false;

	for (int alg = JOSE_ALG_UNSPECIFIED; alg < JOSE_ALG_COUNT; alg += 3)
	{
		JoseKey    *key;
		JoseError	err;
		JoseCode	code = jose_jwk_parse(&fuzz_host, text, size, (JoseAlg) alg, &key, &err);

		fuzz_check_error(code, &err);
		if (code != JOSE_OK)
			continue;
		parsed = true;
		FUZZ_REQUIRE(alg == JOSE_ALG_UNSPECIFIED || (int) jose_jwk_algorithm(key) == alg, "algorithm");
		FUZZ_REQUIRE(jose_jwk_can_sign(key) || jose_jwk_can_verify(key), "a key for nothing");
		if (!jose_alg_is_symmetric(jose_jwk_algorithm(key)))
			check_copy(key, JOSE_PUBLIC);
		if (jose_jwk_is_private(key))
			check_copy(key, JOSE_PRIVATE);
		jose_key_free(key);
	}
	if (parsed)
	{
		json_t	   *object = fuzz_jansson(text, size);

		FUZZ_REQUIRE(object != NULL, "jansson does not take it");
		json_decref(object);
	}
}
