/*-------------------------------------------------------------------------
 *
 * jwk.c
 *	  JSON Web Keys: reading, writing, thumbprints.
 *
 * Nothing leaves this file as a key that was not checked: sizes, the public
 * exponent, the point on its curve, the private part against the public one.
 * Only the primality of RSA's primes, which costs tens of milliseconds, is
 * left to jose_jwk_validate.
 *
 * Secrets pass through buffers on the stack and through BIGNUMs; both are
 * overwritten before the function that has them returns.
 *
 *-------------------------------------------------------------------------
 */
#include "internal.h"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/param_build.h>

#define MAX_RSA_BYTES		(JOSE_MAX_RSA_BITS / 8)
#define MAX_COORD_LEN		66
#define ED25519_KEY_LEN		32

/* A JWK being read. */
typedef struct Source
{
	const JoseHost *host;
	const JoseJson *object;
	JoseAlg		alg;
	const JoseAlgInfo *info;
	bool		is_private;
	JoseError  *err;
} Source;

/* --------------------------------------------------------------- members */

/* NULL in *string where there is no such member; it must be a string. */
static JoseCode
get_string(const Source *s, const char *name, const JoseJson **string)
{
	*string = jose_json_get(s->object, name);
	if (*string != NULL && (*string)->type != JOSE_JSON_STRING)
		return jose_fail(s->err, JOSE_ERR_KEY_MALFORMED,
						 "JWK is malformed: \"%s\" is not a string", name);
	return JOSE_OK;
}

/* Decode a member that must be there, into at most max bytes. */
static JoseCode
get_bytes(const Source *s, const char *name, unsigned char *buf, size_t max, size_t *len)
{
	const JoseJson *string;

	TRY(get_string(s, name, &string));
	if (string == NULL)
		return jose_fail(s->err, JOSE_ERR_KEY_MALFORMED,
						 "JWK is malformed: \"%s\" is missing", name);
	if (JOSE_BASE64URL_BYTES(string->len) > max)
		return jose_fail(s->err, JOSE_ERR_KEY_MALFORMED,
						 "JWK is malformed: \"%s\" is too long", name);
	if (!jose_base64url_decode_secret(buf, len, string->text, string->len))
		return jose_fail(s->err, JOSE_ERR_KEY_MALFORMED,
						 "JWK is malformed: \"%s\" is not base64url", name);
	return JOSE_OK;
}

/* A member of exactly len bytes: coordinates and scalars (RFC 7518, 6.2). */
static JoseCode
get_fixed(const Source *s, const char *name, unsigned char *buf, size_t len)
{
	size_t		n;

	TRY(get_bytes(s, name, buf, len + 2, &n));
	if (n != len)
		return jose_fail(s->err, JOSE_ERR_KEY_MALFORMED,
						 "JWK is malformed: \"%s\" must have %zu bytes", name, len);
	return JOSE_OK;
}

/*
 * A Base64urlUInt: big-endian, without leading zeros.  The number is of
 * secure memory where it is secret, which OpenSSL clears.
 */
static JoseCode
get_number(const Source *s, const char *name, bool secret, BIGNUM **number)
{
	unsigned char buf[MAX_RSA_BYTES + 2];
	size_t		len;
	JoseCode	code = get_bytes(s, name, buf, sizeof(buf), &len);

	if (code == JOSE_OK && (len == 0 || buf[0] == 0))
		code = jose_fail(s->err, JOSE_ERR_KEY_MALFORMED,
						 "JWK is malformed: \"%s\" is empty or has leading zeros", name);
	if (code == JOSE_OK)
	{
		*number = secret ? BN_secure_new() : BN_new();
		if (*number == NULL || BN_bin2bn(buf, (int) len, *number) == NULL)
			code = jose_crypto_fail(s->err, JOSE_ERR_CRYPTO, "reading a JWK");
		else if (secret)
			BN_set_flags(*number, BN_FLG_CONSTTIME);
	}
	jose_cleanse(buf, sizeof(buf));
	return code;
}

/* -------------------------------------------------------------------- oct */

/*
 * Is the text a public key?  A service that verifies HS* with the public key
 * it verifies RS* or ES* with can be given tokens that anyone signs.
 */
static bool
is_public_key(const unsigned char *p, size_t n)
{
	static const char *const marks[] = {
		"-----BEGIN ", "---- BEGIN ", "ssh-", "ecdsa-sha2-", "sk-ssh-", "sk-ecdsa-",
		"AAAAB3NzaC1", "AAAAC3NzaC1", "AAAAE2VjZHNhLXNoYTIt", "{\"kty\""
	};
	const unsigned char *q = p;
	size_t		left = n;

	while (left > 0 && (*q == ' ' || (*q >= '\t' && *q <= '\r')))
		q++, left--;
	if (left >= 3 && memcmp(q, "\xef\xbb\xbf", 3) == 0)
		q += 3, left -= 3;
	for (size_t i = 0; i < sizeof(marks) / sizeof(marks[0]); i++)
		if (left >= strlen(marks[i]) && memcmp(q, marks[i], strlen(marks[i])) == 0)
			return true;

	/*
	 * DER of a SubjectPublicKeyInfo, a certificate or an RSAPublicKey: a
	 * SEQUENCE that is the whole and begins with a SEQUENCE, whose own first
	 * member is an OID or another SEQUENCE, or with a long INTEGER.  A random
	 * secret looks so once in 2^40.
	 */
	if (n >= 4 && p[0] == 0x30)
	{
		size_t		head = p[1] < 0x80 ? 2 : 2 + (size_t) (p[1] & 0x7f);
		size_t		content = p[1];

		if (head > 4 || n < head + 4)
			return false;
		if (p[1] >= 0x80)
		{
			content = 0;
			for (size_t i = 2; i < head; i++)
				content = content << 8 | p[i];
		}
		if (content != n - head)
			return false;
		p += head;
		if (p[0] == 0x30 && p[1] < 0x80 && p[2] == 0x06)
			return true;
		if (p[0] == 0x30 && p[1] >= 0x81 && p[1] <= 0x82)
			return true;
		return p[0] == 0x02 && p[1] == 0x82;
	}
	return false;
}

static JoseCode
read_oct(const Source *s, JoseKey **key)
{
	unsigned char secret[JOSE_MAX_SECRET_BYTES + 2];
	size_t		len;
	JoseCode	code = get_bytes(s, "k", secret, sizeof(secret), &len);

	if (code == JOSE_OK && len > JOSE_MAX_SECRET_BYTES)
		code = jose_fail(s->err, JOSE_ERR_KEY_UNSUPPORTED,
						 "a secret has more than %d bytes", JOSE_MAX_SECRET_BYTES);
	if (code == JOSE_OK && len < (size_t) s->info->md_len)
	{
		jose_fail(s->err, JOSE_ERR_KEY_WEAK, "the secret is too short for %s", s->info->name);
		code = jose_detail(s->err, "It has %zu bytes; RFC 7518 section 3.2 asks for at least %d.",
						   len, s->info->md_len);
	}
	if (code == JOSE_OK && is_public_key(secret, len))
	{
		jose_fail(s->err, JOSE_ERR_KEY_INVALID, "the secret is a public key");
		code = jose_detail(s->err, "Whoever knows a public key could sign with it.");
	}
	if (code == JOSE_OK)
		code = jose_key_new(s->host, s->alg, len, key, s->err);
	if (code == JOSE_OK)
		memcpy((*key)->secret, secret, len);
	jose_cleanse(secret, sizeof(secret));
	return code;
}

/* -------------------------------------------------------------------- RSA */

enum
{
	RSA_N, RSA_E, RSA_D, RSA_P, RSA_Q, RSA_DP, RSA_DQ, RSA_QI, RSA_PARTS
};

static const struct
{
	const char *jwk;
	const char *openssl;
}			rsa_names[] = {
	[RSA_N] = { "n", OSSL_PKEY_PARAM_RSA_N },
	[RSA_E] = { "e", OSSL_PKEY_PARAM_RSA_E },
	[RSA_D] = { "d", OSSL_PKEY_PARAM_RSA_D },
	[RSA_P] = { "p", OSSL_PKEY_PARAM_RSA_FACTOR1 },
	[RSA_Q] = { "q", OSSL_PKEY_PARAM_RSA_FACTOR2 },
	[RSA_DP] = { "dp", OSSL_PKEY_PARAM_RSA_EXPONENT1 },
	[RSA_DQ] = { "dq", OSSL_PKEY_PARAM_RSA_EXPONENT2 },
	[RSA_QI] = { "qi", OSSL_PKEY_PARAM_RSA_COEFFICIENT1 },
};

_Static_assert(sizeof(rsa_names) / sizeof(rsa_names[0]) == RSA_PARTS,
			   "rsa_names follows the enum");

static JoseCode
check_rsa_public(const Source *s, BIGNUM *const *v)
{
	int			bits = BN_num_bits(v[RSA_N]);

	if (bits < JOSE_MIN_RSA_BITS)
	{
		jose_fail(s->err, JOSE_ERR_KEY_WEAK, "the RSA key is too short");
		return jose_detail(s->err, "It has %d bits; RFC 7518 section 3.3 asks for at least %d.",
						   bits, JOSE_MIN_RSA_BITS);
	}
	if (bits > JOSE_MAX_RSA_BITS)
		return jose_fail(s->err, JOSE_ERR_KEY_UNSUPPORTED,
						 "the RSA key has more than %d bits", JOSE_MAX_RSA_BITS);
	if (!BN_is_odd(v[RSA_N]))
		return jose_fail(s->err, JOSE_ERR_KEY_INVALID, "the RSA modulus is even");
	if (!BN_is_odd(v[RSA_E]) || BN_num_bits(v[RSA_E]) < 17 || BN_num_bits(v[RSA_E]) > 32)
	{
		jose_fail(s->err, JOSE_ERR_KEY_WEAK, "the RSA public exponent is unfit");
		return jose_detail(s->err, "It must be odd, at least 65537 and of at most 32 bits.");
	}
	return JOSE_OK;
}

/*
 * n = p q, d e = 1 modulo p - 1 and q - 1, dp = d mod p - 1, dq = d mod q - 1,
 * q qi = 1 mod p.
 */
static JoseCode
check_rsa_private(BIGNUM *const *v, JoseError *err)
{
	BN_CTX	   *ctx = BN_CTX_secure_new();
	BIGNUM	   *p1,
			   *q1,
			   *t,
			   *dp,
			   *dq,
			   *dep,
			   *deq,
			   *qi,
			   *pq;
	bool		computed = false;
	bool		matches = false;

	/* nothing is divided by zero or one below */
	if (BN_num_bits(v[RSA_P]) < 2 || BN_num_bits(v[RSA_Q]) < 2)
	{
		BN_CTX_free(ctx);
		return jose_fail(err, JOSE_ERR_KEY_INVALID, "the parts of the RSA key do not match");
	}
	if (ctx != NULL)
	{
		BN_CTX_start(ctx);
		p1 = BN_CTX_get(ctx);
		q1 = BN_CTX_get(ctx);
		t = BN_CTX_get(ctx);
		dp = BN_CTX_get(ctx);
		dq = BN_CTX_get(ctx);
		dep = BN_CTX_get(ctx);
		deq = BN_CTX_get(ctx);
		qi = BN_CTX_get(ctx);
		pq = BN_CTX_get(ctx);
		/* when one is NULL the last is */
		computed = pq != NULL &&
			BN_mul(pq, v[RSA_P], v[RSA_Q], ctx) &&
			BN_copy(p1, v[RSA_P]) != NULL && BN_sub_word(p1, 1) &&
			BN_copy(q1, v[RSA_Q]) != NULL && BN_sub_word(q1, 1) &&
			BN_nnmod(dp, v[RSA_D], p1, ctx) &&
			BN_nnmod(dq, v[RSA_D], q1, ctx) &&
			BN_mul(t, v[RSA_D], v[RSA_E], ctx) &&
			BN_nnmod(dep, t, p1, ctx) &&
			BN_nnmod(deq, t, q1, ctx) &&
			BN_mod_mul(qi, v[RSA_Q], v[RSA_QI], v[RSA_P], ctx);
		if (computed)
			matches = BN_cmp(pq, v[RSA_N]) == 0 &&
				BN_cmp(v[RSA_D], v[RSA_N]) < 0 &&
				BN_is_one(dep) && BN_is_one(deq) &&
				BN_cmp(dp, v[RSA_DP]) == 0 &&
				BN_cmp(dq, v[RSA_DQ]) == 0 &&
				BN_cmp(v[RSA_QI], v[RSA_P]) < 0 &&
				BN_is_one(qi);
		BN_CTX_end(ctx);
		BN_CTX_free(ctx);
	}
	if (!computed)
		return jose_crypto_fail(err, JOSE_ERR_CRYPTO, "checking an RSA key");
	if (!matches)
		return jose_fail(err, JOSE_ERR_KEY_INVALID, "the parts of the RSA key do not match");
	return JOSE_OK;
}

/*
 * Make an EVP_PKEY of what was collected; takes bld.  refused is the code for
 * when OpenSSL does not want it.
 */
static JoseCode
from_params(const Source *s, const char *type, OSSL_PARAM_BLD *bld, JoseCode refused,
			EVP_PKEY **pkey)
{
	OSSL_PARAM *params = OSSL_PARAM_BLD_to_param(bld);
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, type, NULL);
	bool		ready = params != NULL && ctx != NULL && EVP_PKEY_fromdata_init(ctx) > 0;
	bool		ok = ready &&
		EVP_PKEY_fromdata(ctx, pkey, s->is_private ? EVP_PKEY_KEYPAIR : EVP_PKEY_PUBLIC_KEY, params) > 0;

	EVP_PKEY_CTX_free(ctx);
	OSSL_PARAM_free(params);
	OSSL_PARAM_BLD_free(bld);
	if (ok)
		return JOSE_OK;
	return jose_crypto_fail(s->err, ready ? refused : JOSE_ERR_CRYPTO, "making a key of a JWK");
}

static JoseCode
make_rsa(const Source *s, BIGNUM *const *v, EVP_PKEY **pkey)
{
	OSSL_PARAM_BLD *bld = OSSL_PARAM_BLD_new();
	bool		ok = bld != NULL;

	for (int i = 0; ok && i < RSA_PARTS; i++)
		if (v[i] != NULL)
			ok = OSSL_PARAM_BLD_push_BN(bld, rsa_names[i].openssl, v[i]);
	if (!ok)
	{
		OSSL_PARAM_BLD_free(bld);
		return jose_crypto_fail(s->err, JOSE_ERR_CRYPTO, "making a key of a JWK");
	}

	/* the parts were checked: a refusal is not theirs */
	return from_params(s, "RSA", bld, JOSE_ERR_CRYPTO, pkey);
}

static JoseCode
read_rsa(const Source *s, JoseKey **key)
{
	BIGNUM	   *v[RSA_PARTS] = { NULL };
	EVP_PKEY   *pkey = NULL;
	int			parts = s->is_private ? RSA_PARTS : RSA_D;
	JoseCode	code = JOSE_OK;

	if (jose_json_get(s->object, "oth") != NULL)
		return jose_fail(s->err, JOSE_ERR_KEY_UNSUPPORTED,
						 "an RSA key with more than two primes is not supported");
	for (int i = 0; code == JOSE_OK && i < parts; i++)
		code = get_number(s, rsa_names[i].jwk, i >= RSA_D, &v[i]);
	if (code == JOSE_OK)
		code = check_rsa_public(s, v);
	if (code == JOSE_OK && s->is_private)
		code = check_rsa_private(v, s->err);
	if (code == JOSE_OK)
		code = make_rsa(s, v, &pkey);
	if (code == JOSE_OK)
		code = jose_key_new(s->host, s->alg, 0, key, s->err);
	if (code == JOSE_OK)
		(*key)->pkey = pkey;
	else
		EVP_PKEY_free(pkey);
	for (int i = 0; i < RSA_PARTS; i++)
		BN_clear_free(v[i]);
	return code;
}

/* --------------------------------------------------------------------- EC */

static JoseCode
make_ec(const Source *s, const unsigned char *point, size_t point_len,
		const unsigned char *d, EVP_PKEY **pkey)
{
	OSSL_PARAM_BLD *bld = OSSL_PARAM_BLD_new();
	BIGNUM	   *priv = NULL;
	bool		ok;
	JoseCode	code;

	ok = bld != NULL &&
		OSSL_PARAM_BLD_push_utf8_string(bld, OSSL_PKEY_PARAM_GROUP_NAME, s->info->crv, 0) &&
		OSSL_PARAM_BLD_push_octet_string(bld, OSSL_PKEY_PARAM_PUB_KEY, point, point_len);
	if (ok && d != NULL)
	{
		priv = BN_secure_new();
		ok = priv != NULL && BN_bin2bn(d, s->info->coord_len, priv) != NULL;
		if (ok)
		{
			BN_set_flags(priv, BN_FLG_CONSTTIME);
			ok = OSSL_PARAM_BLD_push_BN_pad(bld, OSSL_PKEY_PARAM_PRIV_KEY, priv,
											(size_t) s->info->coord_len);
		}
	}
	if (ok)
		code = from_params(s, "EC", bld, JOSE_ERR_KEY_INVALID, pkey);
	else
	{
		OSSL_PARAM_BLD_free(bld);
		code = jose_crypto_fail(s->err, JOSE_ERR_CRYPTO, "making a key of a JWK");
	}
	BN_clear_free(priv);
	return code;
}

/* The point is on the curve; the private scalar in range and the point's. */
static JoseCode
check_pkey(const Source *s, EVP_PKEY *pkey)
{
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_pkey(NULL, pkey, NULL);
	int			ok = 0;

	if (ctx != NULL)
		ok = s->is_private ? EVP_PKEY_check(ctx) : EVP_PKEY_public_check(ctx);
	EVP_PKEY_CTX_free(ctx);
	if (ok != 1)
		return jose_crypto_fail(s->err, ctx != NULL ? JOSE_ERR_KEY_INVALID : JOSE_ERR_CRYPTO,
								"checking a key");
	return JOSE_OK;
}

static JoseCode
read_ec(const Source *s, JoseKey **key)
{
	size_t		len = (size_t) s->info->coord_len;
	unsigned char point[1 + 2 * (MAX_COORD_LEN + 2)];
	unsigned char d[MAX_COORD_LEN + 2];
	EVP_PKEY   *pkey = NULL;
	JoseCode	code;

	point[0] = 0x04;			/* uncompressed */
	code = get_fixed(s, "x", point + 1, len);
	if (code == JOSE_OK)
		code = get_fixed(s, "y", point + 1 + len, len);
	if (code == JOSE_OK && s->is_private)
		code = get_fixed(s, "d", d, len);
	if (code == JOSE_OK)
		code = make_ec(s, point, 1 + 2 * len, s->is_private ? d : NULL, &pkey);
	jose_cleanse(d, sizeof(d));
	if (code == JOSE_OK)
		code = check_pkey(s, pkey);
	if (code == JOSE_OK)
		code = jose_key_new(s->host, s->alg, 0, key, s->err);
	if (code == JOSE_OK)
		(*key)->pkey = pkey;
	else
		EVP_PKEY_free(pkey);
	return code;
}

/* ---------------------------------------------------------------- Ed25519 */

/*
 * Is it the canonical encoding of a point of large order?  OpenSSL looks at
 * a public key only when it verifies, and then takes points of small order,
 * for which anybody can make signatures.
 *
 * On the curve -x^2 + y^2 = 1 + d x^2 y^2 an x for this y exists when
 * (y^2 - 1) / (d y^2 + 1) is a square, that is, when the product of the two
 * is one.
 */
static JoseCode
check_ed25519_point(const Source *s, const unsigned char point[ED25519_KEY_LEN])
{
	static const char *const constants[] = {
		/* p = 2^255 - 19, and d */
		"7fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffed",
		"52036cee2b6ffe738cc740797779e89800700a4d4141d8ab75eb4dca135978a3",
		/* y of the points of order 4, 1, 2, 8 and 8 */
		"0",
		"1",
		"7fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffec",
		"05fc536d880238b13933c6d305acdfd5f098eff289f4c345b027b2c28f95e826",
		"7a03ac9277fdc74ec6cc392cfa53202a0f67100d760b3cba4fd84d3d706a17c7",
	};
	enum
	{
		N_CONSTANTS = sizeof(constants) / sizeof(constants[0])
	};
	unsigned char y_bytes[ED25519_KEY_LEN];
	BN_CTX	   *ctx = BN_CTX_new();
	BIGNUM	   *k[N_CONSTANTS] = { NULL };
	BIGNUM	   *y,
			   *yy,
			   *u,
			   *v;
	int			legendre = -2;	/* an error */
	bool		ok = ctx != NULL;
	bool		small = false;

	memcpy(y_bytes, point, sizeof(y_bytes));
	y_bytes[ED25519_KEY_LEN - 1] &= 0x7f;	/* the sign of x */
	for (int i = 0; ok && i < N_CONSTANTS; i++)
		ok = BN_hex2bn(&k[i], constants[i]) > 0;
	if (ok)
	{
		BN_CTX_start(ctx);
		y = BN_CTX_get(ctx);
		yy = BN_CTX_get(ctx);
		u = BN_CTX_get(ctx);
		v = BN_CTX_get(ctx);
		ok = v != NULL &&
			BN_lebin2bn(y_bytes, sizeof(y_bytes), y) != NULL &&
			BN_mod_sqr(yy, y, k[0], ctx) &&
			BN_copy(u, yy) != NULL && BN_sub_word(u, 1) &&
			BN_mod_mul(v, yy, k[1], k[0], ctx) && BN_add_word(v, 1) &&
			BN_nnmod(u, u, k[0], ctx) &&
			BN_mod_mul(u, u, v, k[0], ctx);
		if (ok)
		{
			legendre = BN_kronecker(u, k[0], ctx);
			small = BN_cmp(y, k[0]) >= 0;
			for (int i = 2; i < N_CONSTANTS; i++)
				small = small || BN_cmp(y, k[i]) == 0;
		}
		BN_CTX_end(ctx);
	}
	for (int i = 0; i < N_CONSTANTS; i++)
		BN_free(k[i]);
	BN_CTX_free(ctx);
	if (!ok || legendre == -2)
		return jose_crypto_fail(s->err, JOSE_ERR_CRYPTO, "checking a key");
	if (small || legendre != 1)
		return jose_fail(s->err, JOSE_ERR_KEY_INVALID, "\"x\" is not a point of the curve that can be a key");
	return JOSE_OK;
}

static JoseCode
make_ed25519(const Source *s, const unsigned char *x, const unsigned char *d, EVP_PKEY **pkey)
{
	unsigned char own[ED25519_KEY_LEN];
	size_t		len = sizeof(own);

	*pkey = d != NULL ?
		EVP_PKEY_new_raw_private_key_ex(NULL, "ED25519", NULL, d, ED25519_KEY_LEN) :
		EVP_PKEY_new_raw_public_key_ex(NULL, "ED25519", NULL, x, ED25519_KEY_LEN);
	if (*pkey == NULL || EVP_PKEY_get_raw_public_key(*pkey, own, &len) != 1 || len != sizeof(own))
		return jose_crypto_fail(s->err, JOSE_ERR_CRYPTO, "making a key of a JWK");
	if (memcmp(own, x, sizeof(own)) != 0)
		return jose_fail(s->err, JOSE_ERR_KEY_INVALID, "\"x\" and \"d\" do not match");
	return JOSE_OK;
}

static JoseCode
read_okp(const Source *s, JoseKey **key)
{
	unsigned char x[ED25519_KEY_LEN + 2];
	unsigned char d[ED25519_KEY_LEN + 2];
	EVP_PKEY   *pkey = NULL;
	JoseCode	code;

	code = get_fixed(s, "x", x, ED25519_KEY_LEN);
	if (code == JOSE_OK && s->is_private)
		code = get_fixed(s, "d", d, ED25519_KEY_LEN);
	if (code == JOSE_OK)
		code = check_ed25519_point(s, x);
	if (code == JOSE_OK)
		code = make_ed25519(s, x, s->is_private ? d : NULL, &pkey);
	jose_cleanse(d, sizeof(d));
	if (code == JOSE_OK)
		code = jose_key_new(s->host, s->alg, 0, key, s->err);
	if (code == JOSE_OK)
		(*key)->pkey = pkey;
	else
		EVP_PKEY_free(pkey);
	return code;
}

/* ---------------------------------------------------------------- reading */

/* What `use` and `key_ops` leave of signing and verifying. */
static JoseCode
read_use(const Source *s, bool *restricted, bool *may_sign, bool *may_verify)
{
	const JoseJson *use,
			   *ops;

	*restricted = false;
	*may_sign = *may_verify = true;
	TRY(get_string(s, "use", &use));
	if (use != NULL && !jose_json_is(use, "sig"))
		return jose_fail(s->err, JOSE_ERR_KEY_USE, "the key is not for signatures (\"use\")");
	ops = jose_json_get(s->object, "key_ops");
	if (ops == NULL)
		return JOSE_OK;
	if (ops->type != JOSE_JSON_ARRAY)
		return jose_fail(s->err, JOSE_ERR_KEY_MALFORMED, "JWK is malformed: \"key_ops\" is not an array");
	*restricted = true;
	*may_sign = *may_verify = false;
	for (const JoseJson *op = ops->child; op != NULL; op = op->next)
	{
		bool	   *which = NULL;

		if (op->type != JOSE_JSON_STRING)
			return jose_fail(s->err, JOSE_ERR_KEY_MALFORMED,
							 "JWK is malformed: \"key_ops\" has what is not a string");
		if (jose_json_is(op, "sign"))
			which = may_sign;
		else if (jose_json_is(op, "verify"))
			which = may_verify;
		if (which != NULL && *which)
			return jose_fail(s->err, JOSE_ERR_KEY_MALFORMED,
							 "JWK is malformed: \"key_ops\" says something twice");
		if (which != NULL)
			*which = true;
	}
	if (!*may_verify && !(*may_sign && s->is_private))
		return jose_fail(s->err, JOSE_ERR_KEY_USE, "the key is not for signatures (\"key_ops\")");
	return JOSE_OK;
}

static const char *const kty_names[] = {
	[JOSE_KTY_OCT] = "oct", [JOSE_KTY_RSA] = "RSA", [JOSE_KTY_EC] = "EC", [JOSE_KTY_OKP] = "OKP"
};

static JoseCode
read_type(const Source *s, JoseKeyType *type)
{
	JoseQuote	quote;
	const JoseJson *kty;

	TRY(get_string(s, "kty", &kty));
	if (kty == NULL)
		return jose_fail(s->err, JOSE_ERR_KEY_MALFORMED, "JWK is malformed: \"kty\" is missing");
	for (int i = JOSE_KTY_OCT; i <= JOSE_KTY_OKP; i++)
		if (jose_json_is(kty, kty_names[i]))
		{
			*type = (JoseKeyType) i;
			return JOSE_OK;
		}
	return jose_fail(s->err, JOSE_ERR_KEY_UNSUPPORTED, "key type \"%s\" is not supported",
					 jose_quote(&quote, kty->text, kty->len));
}

/* The algorithm, from the JWK and the caller; the two, `kty` and `crv` agree. */
static JoseCode
read_alg(Source *s, JoseKeyType type, JoseAlg wanted)
{
	JoseQuote	quote;
	const JoseJson *crv,
			   *alg;
	JoseAlg		of_curve = JOSE_ALG_UNSPECIFIED;

	if (type == JOSE_KTY_EC || type == JOSE_KTY_OKP)
	{
		TRY(get_string(s, "crv", &crv));
		if (crv == NULL)
			return jose_fail(s->err, JOSE_ERR_KEY_MALFORMED, "JWK is malformed: \"crv\" is missing");
		for (int i = JOSE_ES256; i <= JOSE_EDDSA; i++)
			if (jose_alg_info((JoseAlg) i)->kty == type &&
				jose_json_is(crv, jose_alg_info((JoseAlg) i)->crv))
				of_curve = (JoseAlg) i;
		if (of_curve == JOSE_ALG_UNSPECIFIED)
			return jose_fail(s->err, JOSE_ERR_KEY_UNSUPPORTED, "curve \"%s\" is not supported",
							 jose_quote(&quote, crv->text, crv->len));
	}

	TRY(get_string(s, "alg", &alg));
	if (alg != NULL)
	{
		s->alg = jose_alg_from_name(alg->text, alg->len);
		if (s->alg == JOSE_ALG_UNSPECIFIED)
			return jose_fail(s->err, JOSE_ERR_KEY_UNSUPPORTED,
							 "key algorithm \"%s\" is not supported",
							 jose_quote(&quote, alg->text, alg->len));
		if (wanted != JOSE_ALG_UNSPECIFIED && wanted != s->alg)
			return jose_fail(s->err, JOSE_ERR_KEY_MISMATCH, "the key is for %s, not %s",
							 jose_alg_name(s->alg), jose_alg_name(wanted));
	}
	else
		s->alg = wanted != JOSE_ALG_UNSPECIFIED ? wanted : of_curve;
	if (s->alg == JOSE_ALG_UNSPECIFIED)
	{
		jose_fail(s->err, JOSE_ERR_KEY_MALFORMED, "JWK is malformed: \"alg\" is missing");
		return jose_detail(s->err, "A key of type %s can be for several algorithms.", kty_names[type]);
	}
	s->info = jose_alg_info(s->alg);
	if (s->info->kty != type || (of_curve != JOSE_ALG_UNSPECIFIED && of_curve != s->alg))
		return jose_fail(s->err, JOSE_ERR_KEY_MISMATCH, "%s does not go with this type of key or curve",
						 s->info->name);
	return JOSE_OK;
}

static JoseCode
read_jwk(Source *s, JoseAlg wanted, JoseKey **out)
{
	JoseKey    *key = NULL;
	JoseKeyType type = JOSE_KTY_OCT;
	const JoseJson *kid;
	bool		restricted,
				may_sign,
				may_verify;
	JoseCode	code = JOSE_OK;

	TRY(read_type(s, &type));
	s->is_private = type == JOSE_KTY_OCT || jose_json_get(s->object, "d") != NULL;
	TRY(read_use(s, &restricted, &may_sign, &may_verify));
	TRY(read_alg(s, type, wanted));
	if (!s->is_private && s->info->kty == JOSE_KTY_RSA)
		for (int i = RSA_P; i < RSA_PARTS; i++)
			if (jose_json_get(s->object, rsa_names[i].jwk) != NULL)
				return jose_fail(s->err, JOSE_ERR_KEY_MALFORMED, "JWK is malformed: \"d\" is missing");
	TRY(get_string(s, "kid", &kid));
	if (kid != NULL && (kid->len == 0 || kid->len > JOSE_MAX_KID_BYTES))
		return jose_fail(s->err, JOSE_ERR_KEY_MALFORMED,
						 "JWK is malformed: \"kid\" is empty or has more than %d bytes",
						 JOSE_MAX_KID_BYTES);

	switch (s->info->kty)
	{
		case JOSE_KTY_OCT:
			code = read_oct(s, &key);
			break;
		case JOSE_KTY_RSA:
			code = read_rsa(s, &key);
			break;
		case JOSE_KTY_EC:
			code = read_ec(s, &key);
			break;
		case JOSE_KTY_OKP:
			code = read_okp(s, &key);
			break;
	}
	if (code != JOSE_OK)
		return code;
	key->is_private = s->is_private;
	key->restricted = restricted;
	key->may_sign = may_sign;
	key->may_verify = may_verify;
	if (kid != NULL)
	{
		memcpy(key->kid, kid->text, kid->len);
		key->has_kid = true;
	}
	code = jose_key_finish(key, s->err);
	if (code != JOSE_OK)
	{
		jose_key_free(key);
		return code;
	}
	*out = key;
	return JOSE_OK;
}

JoseCode
jose_jwk_parse(const JoseHost *host, const char *text, size_t len, JoseAlg alg,
			   JoseKey **key, JoseError *err)
{
	Source		s = { .host = host, .err = err };
	JoseJsonDoc doc;
	JoseCode	code;

	jose_crypto_begin();
	if ((unsigned) alg >= JOSE_ALG_COUNT)
		return jose_fail(err, JOSE_ERR_ARGUMENT, "unknown algorithm");
	if (len > JOSE_MAX_JWK_BYTES)
		return jose_fail(err, JOSE_ERR_LIMIT, "JWK has more than %d bytes", JOSE_MAX_JWK_BYTES);
	TRY(jose_json_parse(host, text, len, JOSE_ERR_KEY_MALFORMED, "JWK", &doc, err));
	s.object = doc.root;
	code = read_jwk(&s, alg, key);
	jose_json_free(host, &doc);
	return code;
}

/* ---------------------------------------------------------------- writing */

/* The parts of a key, as bytes. */
typedef struct Parts
{
	int			n;
	struct
	{
		const char *name;
		size_t		len;
		unsigned char bytes[MAX_RSA_BYTES];
	}			part[RSA_PARTS];
} Parts;

/* pad is the length in bytes, 0 for as few as it takes. */
static bool
add_number(Parts *parts, const char *name, const BIGNUM *number, int pad)
{
	int			len = pad > 0 ? pad : BN_num_bytes(number);

	if (len > MAX_RSA_BYTES || BN_bn2binpad(number, parts->part[parts->n].bytes, len) != len)
		return false;
	parts->part[parts->n].name = name;
	parts->part[parts->n].len = (size_t) len;
	parts->n++;
	return true;
}

/*
 * The private parts are checked to match: where memory fails at the wrong
 * moment, OpenSSL 3.0 gives q for p and says nothing.
 */
static JoseCode
get_rsa_parts(const EVP_PKEY *pkey, JosePart part, Parts *parts, JoseError *err)
{
	BIGNUM	   *v[RSA_PARTS] = { NULL };
	int			n = part == JOSE_PRIVATE ? RSA_PARTS : RSA_D;
	bool		ok = true;
	JoseCode	code;

	for (int i = 0; ok && i < n; i++)
		ok = EVP_PKEY_get_bn_param(pkey, rsa_names[i].openssl, &v[i]) == 1 &&
			add_number(parts, rsa_names[i].jwk, v[i], 0);
	if (!ok)
		code = jose_crypto_fail(err, JOSE_ERR_CRYPTO, "reading a key");
	else
		code = part == JOSE_PRIVATE ? check_rsa_private(v, err) : JOSE_OK;
	for (int i = 0; i < n; i++)
		BN_clear_free(v[i]);
	return code == JOSE_ERR_KEY_INVALID ? jose_crypto_fail(err, JOSE_ERR_CRYPTO, "reading a key") : code;
}

static bool
add_param(Parts *parts, const EVP_PKEY *pkey, const char *name, const char *param, int pad)
{
	BIGNUM	   *number = NULL;
	bool		ok = EVP_PKEY_get_bn_param(pkey, param, &number) == 1 &&
		add_number(parts, name, number, pad);

	BN_clear_free(number);
	return ok;
}

static bool
add_raw(Parts *parts, const EVP_PKEY *pkey, bool is_private)
{
	size_t		len = ED25519_KEY_LEN;
	unsigned char *bytes = parts->part[parts->n].bytes;

	if ((is_private ? EVP_PKEY_get_raw_private_key(pkey, bytes, &len) :
		 EVP_PKEY_get_raw_public_key(pkey, bytes, &len)) != 1 || len != ED25519_KEY_LEN)
		return false;
	parts->part[parts->n].name = is_private ? "d" : "x";
	parts->part[parts->n].len = len;
	parts->n++;
	return true;
}

static JoseCode
get_parts(const JoseKey *key, JosePart part, Parts *parts, JoseError *err)
{
	int			pad = key->info->coord_len;
	bool		ok = true;

	parts->n = 0;
	switch (key->info->kty)
	{
		case JOSE_KTY_OCT:
			parts->n = 1;
			parts->part[0].name = "k";
			parts->part[0].len = key->secret_len;
			memcpy(parts->part[0].bytes, key->secret, key->secret_len);
			break;
		case JOSE_KTY_RSA:
			return get_rsa_parts(key->pkey, part, parts, err);
		case JOSE_KTY_EC:
			ok = add_param(parts, key->pkey, "x", OSSL_PKEY_PARAM_EC_PUB_X, pad) &&
				add_param(parts, key->pkey, "y", OSSL_PKEY_PARAM_EC_PUB_Y, pad) &&
				(part == JOSE_PUBLIC || add_param(parts, key->pkey, "d", OSSL_PKEY_PARAM_PRIV_KEY, pad));
			break;
		case JOSE_KTY_OKP:
			ok = add_raw(parts, key->pkey, false) &&
				(part == JOSE_PUBLIC || add_raw(parts, key->pkey, true));
			break;
	}
	return ok ? JOSE_OK : jose_crypto_fail(err, JOSE_ERR_CRYPTO, "reading a key");
}

_Static_assert(JOSE_MAX_SECRET_BYTES <= MAX_RSA_BYTES, "a secret fits into a part");

/* Characters of a part, encoded. */
#define MAX_PART_TEXT (JOSE_BASE64URL_LEN(MAX_RSA_BYTES))

/* A comma where it is not the first, the name, the colon. */
static void
out_name(JoseOut *out, const char *name)
{
	jose_out_str(out, out->len > 1 ? ",\"" : "\"");
	jose_out_str(out, name);
	jose_out_str(out, "\":");
}

static void
out_member(JoseOut *out, const char *name, const char *value)
{
	out_name(out, name);
	jose_out_json(out, value, strlen(value));
}

static void
out_part(JoseOut *out, const Parts *parts, int i)
{
	char		text[MAX_PART_TEXT];
	size_t		len = JOSE_BASE64URL_LEN(parts->part[i].len);

	jose_base64url_encode_secret(text, parts->part[i].bytes, parts->part[i].len);
	out_name(out, parts->part[i].name);
	jose_out_str(out, "\"");
	jose_out(out, text, len);
	jose_out_str(out, "\"");
	jose_cleanse(text, len);
}

static void
out_jwk(JoseOut *out, const JoseKey *key, const Parts *parts, JosePart part)
{
	out->len = 0;
	jose_out_str(out, "{");
	out_member(out, "kty", kty_names[key->info->kty]);
	if (key->info->crv != NULL)
		out_member(out, "crv", key->info->crv);
	out_member(out, "alg", key->info->name);
	if (key->restricted && part == JOSE_PRIVATE)
	{
		out_name(out, "key_ops");
		jose_out_str(out, !key->may_verify ? "[\"sign\"]" :
					 !key->may_sign ? "[\"verify\"]" : "[\"sign\",\"verify\"]");
	}
	else
		out_member(out, "use", "sig");
	if (key->has_kid)
		out_member(out, "kid", key->kid);
	for (int i = 0; i < parts->n; i++)
		out_part(out, parts, i);
	jose_out_str(out, "}");
}

JoseCode
jose_jwk_to_json(const JoseHost *host, const JoseKey *key, JosePart part,
				 char **text, size_t *len, JoseError *err)
{
	Parts		parts;
	JoseOut		out = { 0 };
	char	   *block = NULL;
	JoseCode	code;

	jose_crypto_begin();
	if (part == JOSE_PUBLIC && key->info->kty == JOSE_KTY_OCT)
		return jose_fail(err, JOSE_ERR_ARGUMENT, "a symmetric key has no public part");
	if (part == JOSE_PRIVATE && !key->is_private)
		return jose_fail(err, JOSE_ERR_ARGUMENT, "the key has no private part");
	code = get_parts(key, part, &parts, err);
	if (code == JOSE_OK)
	{
		out_jwk(&out, key, &parts, part);
		block = jose_alloc(host, out.len + 1);
		if (block == NULL)
			code = jose_nomem(err);
	}
	if (code == JOSE_OK)
	{
		out.buf = block;
		out.size = out.len;
		out_jwk(&out, key, &parts, part);
		block[out.len] = '\0';
		*text = block;
		*len = out.len;
	}
	jose_cleanse(&parts, sizeof(parts));
	return code;
}

/* RFC 7638 section 3.2: the required members, in the order of their names. */
JoseCode
jose_jwk_thumbprint(const JoseKey *key, char thumbprint[JOSE_THUMBPRINT_SIZE], JoseError *err)
{
	Parts		parts;
	char		text[2 * MAX_PART_TEXT];
	JoseOut		out = { .buf = text, .size = sizeof(text) };
	unsigned char digest[EVP_MAX_MD_SIZE];
	size_t		n = 0;
	JoseCode	code;

	jose_crypto_begin();
	code = get_parts(key, JOSE_PUBLIC, &parts, err);
	if (code == JOSE_OK)
	{
		jose_out_str(&out, "{");
		switch (key->info->kty)
		{
			case JOSE_KTY_OCT:
				out_part(&out, &parts, 0);
				out_member(&out, "kty", "oct");
				break;
			case JOSE_KTY_RSA:
				out_part(&out, &parts, RSA_E);
				out_member(&out, "kty", "RSA");
				out_part(&out, &parts, RSA_N);
				break;
			case JOSE_KTY_EC:
			case JOSE_KTY_OKP:
				out_member(&out, "crv", key->info->crv);
				out_member(&out, "kty", kty_names[key->info->kty]);
				for (int i = 0; i < parts.n; i++)
					out_part(&out, &parts, i);
				break;
		}
		jose_out_str(&out, "}");
		if (out.len > sizeof(text) ||
			EVP_Q_digest(NULL, "SHA256", NULL, text, out.len, digest, &n) != 1 || n != 32)
			code = jose_crypto_fail(err, JOSE_ERR_CRYPTO, "hashing a key");
		else
		{
			jose_base64url_encode(thumbprint, digest, n);
			thumbprint[JOSE_THUMBPRINT_SIZE - 1] = '\0';
		}
	}
	jose_cleanse(&parts, sizeof(parts));
	jose_cleanse(text, sizeof(text));
	return code;
}
