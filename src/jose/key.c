/*-------------------------------------------------------------------------
 *
 * key.c
 *	  Key objects: the algorithms' facts, making and freeing keys, raw
 *	  signing and verifying.
 *
 * A JoseKey owns its OpenSSL objects.  The contexts are made at first use and
 * kept, because setting one up costs as much as a tenth of an RSA
 * verification.  After a failure inside OpenSSL they are thrown away, so that
 * the next call starts from a clean one.
 *
 *-------------------------------------------------------------------------
 */
#include "internal.h"

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/rand.h>
#include <openssl/rsa.h>

/* ------------------------------------------------------------- algorithms */

/* Orders of the curves' groups (FIPS 186-4 appendix D.1.2). */
static const unsigned char order_p256[32] = {
	0xff, 0xff, 0xff, 0xff, 0x00, 0x00, 0x00, 0x00,
	0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
	0xbc, 0xe6, 0xfa, 0xad, 0xa7, 0x17, 0x9e, 0x84,
	0xf3, 0xb9, 0xca, 0xc2, 0xfc, 0x63, 0x25, 0x51
};

static const unsigned char order_p384[48] = {
	0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
	0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
	0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
	0xc7, 0x63, 0x4d, 0x81, 0xf4, 0x37, 0x2d, 0xdf,
	0x58, 0x1a, 0x0d, 0xb2, 0x48, 0xb0, 0xa7, 0x7a,
	0xec, 0xec, 0x19, 0x6a, 0xcc, 0xc5, 0x29, 0x73
};

static const unsigned char order_p521[66] = {
	0x01, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
	0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
	0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
	0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
	0xff, 0xfa, 0x51, 0x86, 0x87, 0x83, 0xbf, 0x2f,
	0x96, 0x6b, 0x7f, 0xcc, 0x01, 0x48, 0xf7, 0x09,
	0xa5, 0xd0, 0x3b, 0xb5, 0xc9, 0xb8, 0x89, 0x9c,
	0x47, 0xae, 0xbb, 0x6f, 0xb7, 0x1e, 0x91, 0x38,
	0x64, 0x09
};

#define HS(name, md, len) { name, JOSE_KTY_OCT, md, len, false, NULL, 0, 0, NULL }
#define RS(name, md, len, pss) { name, JOSE_KTY_RSA, md, len, pss, NULL, 0, 0, NULL }
#define ES(name, md, len, crv, bits, order) \
	{ name, JOSE_KTY_EC, md, len, false, crv, bits, sizeof(order), order }

static const JoseAlgInfo algs[] = {
	[JOSE_HS256] = HS("HS256", "SHA256", 32),
	[JOSE_HS384] = HS("HS384", "SHA384", 48),
	[JOSE_HS512] = HS("HS512", "SHA512", 64),
	[JOSE_RS256] = RS("RS256", "SHA256", 32, false),
	[JOSE_RS384] = RS("RS384", "SHA384", 48, false),
	[JOSE_RS512] = RS("RS512", "SHA512", 64, false),
	[JOSE_PS256] = RS("PS256", "SHA256", 32, true),
	[JOSE_PS384] = RS("PS384", "SHA384", 48, true),
	[JOSE_PS512] = RS("PS512", "SHA512", 64, true),
	[JOSE_ES256] = ES("ES256", "SHA256", 32, "P-256", 256, order_p256),
	[JOSE_ES384] = ES("ES384", "SHA384", 48, "P-384", 384, order_p384),
	[JOSE_ES512] = ES("ES512", "SHA512", 64, "P-521", 521, order_p521),
	[JOSE_EDDSA] = { "EdDSA", JOSE_KTY_OKP, NULL, 0, false, "Ed25519", 256, 32, NULL },
};

_Static_assert(sizeof(algs) / sizeof(algs[0]) == JOSE_ALG_COUNT, "algs follows JoseAlg");

#define MAX_COORD_LEN 66
#define ED25519_SIGNATURE_LEN 64

const JoseAlgInfo *
jose_alg_info(JoseAlg alg)
{
	return &algs[alg];
}

const char *
jose_alg_name(JoseAlg alg)
{
	return (unsigned) alg < JOSE_ALG_COUNT ? algs[alg].name : NULL;
}

JoseAlg
jose_alg_from_name(const char *name, size_t len)
{
	for (int i = JOSE_ALG_UNSPECIFIED + 1; i < JOSE_ALG_COUNT; i++)
		if (strlen(algs[i].name) == len && memcmp(algs[i].name, name, len) == 0)
			return (JoseAlg) i;
	return JOSE_ALG_UNSPECIFIED;
}

bool
jose_alg_is_symmetric(JoseAlg alg)
{
	return alg >= JOSE_HS256 && alg <= JOSE_HS512;
}

/* ------------------------------------------------------------- life cycle */

JoseCode
jose_key_new(const JoseHost *host, JoseAlg alg, size_t secret_len,
			 JoseKey **out, JoseError *err)
{
	JoseKey    *key = jose_alloc(host, sizeof(JoseKey) + secret_len);

	if (key == NULL)
		return jose_nomem(err);
	memset(key, 0, sizeof(JoseKey) + secret_len);
	key->host = *host;
	key->alg = alg;
	key->info = jose_alg_info(alg);
	key->may_sign = key->may_verify = true;
	if (secret_len > 0)
	{
		key->secret = (unsigned char *) (key + 1);
		key->secret_len = secret_len;
	}
	*out = key;
	return JOSE_OK;
}

/* The prepared contexts, not the key. */
static void
drop_contexts(JoseKey *key)
{
	EVP_MAC_CTX_free(key->mac);
	EVP_MD_CTX_free(key->md_ctx);
	EVP_MD_free(key->md);
	EVP_PKEY_CTX_free(key->sign_ctx);
	EVP_PKEY_CTX_free(key->verify_ctx);
	EVP_MD_CTX_free(key->ed_ctx);
	key->mac = NULL;
	key->md_ctx = NULL;
	key->md = NULL;
	key->sign_ctx = NULL;
	key->verify_ctx = NULL;
	key->ed_ctx = NULL;
}

void
jose_key_free(JoseKey *key)
{
	JoseHost	host;

	if (key == NULL)
		return;
	host = key->host;
	drop_contexts(key);
	EVP_PKEY_free(key->pkey);
	jose_cleanse(key, sizeof(JoseKey) + key->secret_len);
	jose_release(&host, key);
}

JoseCode
jose_key_finish(JoseKey *key, JoseError *err)
{
	switch (key->info->kty)
	{
		case JOSE_KTY_OCT:
			key->signature_len = (size_t) key->info->md_len;
			key->bits = (int) key->secret_len * 8;
			break;
		case JOSE_KTY_RSA:
			key->bits = EVP_PKEY_get_bits(key->pkey);
			if (key->bits <= 0 || key->bits > JOSE_MAX_RSA_BITS)
				return jose_crypto_fail(err, JOSE_ERR_CRYPTO, "reading the size of an RSA key");
			key->signature_len = ((size_t) key->bits + 7) / 8;
			break;
		case JOSE_KTY_EC:
			key->signature_len = 2 * (size_t) key->info->coord_len;
			key->bits = key->info->bits;
			break;
		case JOSE_KTY_OKP:
			key->signature_len = ED25519_SIGNATURE_LEN;
			key->bits = key->info->bits;
			break;
	}
	return JOSE_OK;
}

/* -------------------------------------------------------------- generation */

static int
on_progress(EVP_PKEY_CTX *ctx)
{
	const JoseHost *host = EVP_PKEY_CTX_get_app_data(ctx);

	return !host->is_cancelled(host->userdata);
}

static JoseCode
generate_pkey(const JoseHost *host, JoseKey *key, int bits, JoseError *err)
{
	const JoseAlgInfo *info = key->info;
	const char *type = info->kty == JOSE_KTY_RSA ? "RSA" :
		info->kty == JOSE_KTY_EC ? "EC" : "ED25519";
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, type, NULL);
	bool		ok;

	ok = ctx != NULL && EVP_PKEY_keygen_init(ctx) > 0;
	if (ok && info->kty == JOSE_KTY_RSA)
		ok = EVP_PKEY_CTX_set_rsa_keygen_bits(ctx, bits) > 0;
	if (ok && info->kty == JOSE_KTY_EC)
		ok = EVP_PKEY_CTX_set_group_name(ctx, info->crv) > 0;
	if (ok && host->is_cancelled != NULL)
	{
		EVP_PKEY_CTX_set_app_data(ctx, (void *) host);
		EVP_PKEY_CTX_set_cb(ctx, on_progress);
	}
	ok = ok && EVP_PKEY_generate(ctx, &key->pkey) > 0;
	EVP_PKEY_CTX_free(ctx);
	if (!ok && host->is_cancelled != NULL && host->is_cancelled(host->userdata))
	{
		ERR_clear_error();
		return jose_fail(err, JOSE_ERR_CANCELLED, "making a key was cancelled");
	}
	if (!ok)
		return jose_crypto_fail(err, JOSE_ERR_CRYPTO, "making a key");
	return JOSE_OK;
}

JoseCode
jose_jwk_generate(const JoseHost *host, JoseAlg alg, int bits,
				  JoseKey **out, JoseError *err)
{
	JoseKey    *key;
	const JoseAlgInfo *info;
	char		thumbprint[JOSE_THUMBPRINT_SIZE];
	JoseCode	code;

	jose_crypto_begin();
	if (alg <= JOSE_ALG_UNSPECIFIED || alg >= JOSE_ALG_COUNT)
		return jose_fail(err, JOSE_ERR_ARGUMENT, "an algorithm is needed to make a key");
	info = jose_alg_info(alg);
	if (info->kty == JOSE_KTY_RSA)
	{
		if (bits == 0)
			bits = JOSE_MIN_RSA_BITS;
		if (bits < JOSE_MIN_RSA_BITS || bits > JOSE_MAX_RSA_BITS || bits % 8 != 0)
			return jose_fail(err, JOSE_ERR_ARGUMENT,
							 "an RSA key has %d to %d bits, in steps of 8",
							 JOSE_MIN_RSA_BITS, JOSE_MAX_RSA_BITS);
	}
	else if (bits != 0)
		return jose_fail(err, JOSE_ERR_ARGUMENT, "a key for %s has only one size", info->name);

	TRY(jose_key_new(host, alg,
					 info->kty == JOSE_KTY_OCT ? (size_t) info->md_len : 0, &key, err));
	key->is_private = true;
	if (info->kty != JOSE_KTY_OCT)
		code = generate_pkey(host, key, bits, err);
	else if (RAND_priv_bytes(key->secret, (int) key->secret_len) == 1)
		code = JOSE_OK;
	else
		code = jose_crypto_fail(err, JOSE_ERR_CRYPTO, "making random bytes");
	if (code == JOSE_OK)
		code = jose_key_finish(key, err);
	if (code == JOSE_OK)
		code = jose_jwk_thumbprint(key, thumbprint, err);
	if (code == JOSE_OK)
		code = jose_jwk_set_kid(key, thumbprint, err);
	if (code != JOSE_OK)
	{
		jose_key_free(key);
		return code;
	}
	*out = key;
	return JOSE_OK;
}

/* ------------------------------------------------------- reading a key out */

JoseAlg
jose_jwk_algorithm(const JoseKey *key)
{
	return key->alg;
}

bool
jose_jwk_is_private(const JoseKey *key)
{
	return key->is_private;
}

bool
jose_jwk_can_sign(const JoseKey *key)
{
	return key->is_private && key->may_sign;
}

bool
jose_jwk_can_verify(const JoseKey *key)
{
	return key->may_verify;
}

int
jose_jwk_bits(const JoseKey *key)
{
	return key->bits;
}

const char *
jose_jwk_kid(const JoseKey *key)
{
	return key->has_kid ? key->kid : NULL;
}

JoseCode
jose_jwk_set_kid(JoseKey *key, const char *kid, JoseError *err)
{
	size_t		len = kid != NULL ? strlen(kid) : 0;

	if (kid != NULL && (len == 0 || !jose_is_utf8(kid, len)))
		return jose_fail(err, JOSE_ERR_ARGUMENT, "a kid must be UTF-8 text that is not empty");
	if (len > JOSE_MAX_KID_BYTES)
		return jose_fail(err, JOSE_ERR_LIMIT, "a kid has more than %d bytes", JOSE_MAX_KID_BYTES);
	if (len > 0)
		memmove(key->kid, kid, len);
	key->kid[len] = '\0';
	key->has_kid = kid != NULL;
	return JOSE_OK;
}

JoseCode
jose_jwk_validate(const JoseKey *key, JoseError *err)
{
	EVP_PKEY_CTX *ctx;
	int			ok = 0;

	if (key->pkey == NULL)
		return JOSE_OK;
	jose_crypto_begin();
	ctx = EVP_PKEY_CTX_new_from_pkey(NULL, key->pkey, NULL);
	if (ctx != NULL)
		ok = key->is_private ? EVP_PKEY_check(ctx) : EVP_PKEY_public_check(ctx);
	EVP_PKEY_CTX_free(ctx);
	if (ok != 1)
		return jose_crypto_fail(err, JOSE_ERR_KEY_INVALID, "the check of a key");
	return JOSE_OK;
}

/* ------------------------------------------------------- prepared contexts */

static JoseCode
prepare_mac(JoseKey *key, JoseError *err)
{
	EVP_MAC    *mac = EVP_MAC_fetch(NULL, "HMAC", NULL);
	OSSL_PARAM	params[2] = {
		OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, (char *) key->info->md, 0),
		OSSL_PARAM_construct_end()
	};

	if (mac != NULL)
		key->mac = EVP_MAC_CTX_new(mac);
	EVP_MAC_free(mac);
	if (key->mac != NULL &&
		EVP_MAC_init(key->mac, key->secret, key->secret_len, params) == 1)
		return JOSE_OK;
	drop_contexts(key);
	return jose_crypto_fail(err, JOSE_ERR_CRYPTO, key->info->name);
}

static bool
set_padding(const JoseKey *key, EVP_PKEY_CTX *ctx)
{
	if (EVP_PKEY_CTX_set_signature_md(ctx, key->md) <= 0)
		return false;
	if (key->info->kty != JOSE_KTY_RSA)
		return true;
	if (!key->info->pss)
		return EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_PKCS1_PADDING) > 0;

	/* RFC 7518 section 3.5: the same hash in MGF1, a salt of its length */
	return EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_PKCS1_PSS_PADDING) > 0 &&
		EVP_PKEY_CTX_set_rsa_mgf1_md(ctx, key->md) > 0 &&
		EVP_PKEY_CTX_set_rsa_pss_saltlen(ctx, key->info->md_len) > 0;
}

static JoseCode
prepare_pkey(JoseKey *key, bool sign, JoseError *err)
{
	EVP_PKEY_CTX **ctx = sign ? &key->sign_ctx : &key->verify_ctx;

	if (key->md == NULL)
		key->md = EVP_MD_fetch(NULL, key->info->md, NULL);
	if (key->md != NULL && key->md_ctx == NULL)
		key->md_ctx = EVP_MD_CTX_new();
	if (key->md != NULL && key->md_ctx != NULL)
		*ctx = EVP_PKEY_CTX_new_from_pkey(NULL, key->pkey, NULL);
	if (*ctx != NULL &&
		(sign ? EVP_PKEY_sign_init(*ctx) : EVP_PKEY_verify_init(*ctx)) > 0 &&
		set_padding(key, *ctx))
		return JOSE_OK;
	drop_contexts(key);
	return jose_crypto_fail(err, JOSE_ERR_CRYPTO, key->info->name);
}

static JoseCode
hash(JoseKey *key, const void *data, size_t len,
	 unsigned char digest[EVP_MAX_MD_SIZE], JoseError *err)
{
	unsigned	n = 0;

	if (EVP_DigestInit_ex2(key->md_ctx, key->md, NULL) == 1 &&
		EVP_DigestUpdate(key->md_ctx, data, len) == 1 &&
		EVP_DigestFinal_ex(key->md_ctx, digest, &n) == 1 &&
		n == (unsigned) key->info->md_len)
		return JOSE_OK;
	drop_contexts(key);
	return jose_crypto_fail(err, JOSE_ERR_CRYPTO, key->info->md);
}

/* --------------------------------------------------------------- ECDSA */

/*
 * JOSE has r and s side by side, OpenSSL wants them in DER:
 * SEQUENCE { INTEGER r, INTEGER s }.
 */
#define MAX_DER_LEN (3 + 2 * (2 + 1 + MAX_COORD_LEN))

/* 0 < v < order, all in len bytes, big-endian; v is public. */
static bool
is_scalar(const unsigned char *v, const unsigned char *order, size_t len)
{
	size_t		i = 0;

	while (i < len && v[i] == 0)
		i++;
	return i < len && memcmp(v, order, len) < 0;
}

static size_t
der_integer(unsigned char *out, const unsigned char *v, size_t len)
{
	size_t		n = 0;
	size_t		content;

	while (len > 1 && v[0] == 0)
		v++, len--;
	content = len + (v[0] >> 7);
	out[n++] = 0x02;
	out[n++] = (unsigned char) content; /* at most 67 */
	if (v[0] >> 7)
		out[n++] = 0;
	memcpy(out + n, v, len);
	return n + len;
}

/* Bytes written to der, which has room for MAX_DER_LEN. */
static size_t
raw_to_der(unsigned char *der, const unsigned char *raw, size_t len)
{
	unsigned char body[MAX_DER_LEN];
	size_t		n = der_integer(body, raw, len);
	size_t		head = 0;

	n += der_integer(body + n, raw + len, len);
	der[head++] = 0x30;
	if (n > 127)
		der[head++] = 0x81;
	der[head++] = (unsigned char) n;	/* at most 138 */
	memcpy(der + head, body, n);
	return head + n;
}

/* One INTEGER at p into len bytes; the bytes it took, 0 when it does not fit. */
static size_t
read_der_integer(const unsigned char *p, size_t n, unsigned char *out, size_t len)
{
	size_t		content,
				skip = 0;

	if (n < 3 || p[0] != 0x02 || p[1] > 127 || p[1] == 0 || p[1] > n - 2)
		return 0;
	content = p[1];
	if (p[2] == 0)
		skip = 1;
	if (content - skip > len)
		return 0;
	memset(out, 0, len);
	memcpy(out + len - (content - skip), p + 2 + skip, content - skip);
	return 2 + content;
}

static bool
der_to_raw(unsigned char *raw, size_t len, const unsigned char *der, size_t n)
{
	size_t		head = 2;
	size_t		a,
				b;

	if (n < 3 || der[0] != 0x30)
		return false;
	if (der[1] == 0x81)
		head = 3;
	if (der[head - 1] != n - head)
		return false;
	a = read_der_integer(der + head, n - head, raw, len);
	if (a == 0)
		return false;
	b = read_der_integer(der + head + a, n - head - a, raw + len, len);
	return b != 0 && head + a + b == n;
}

/* -------------------------------------------------------- sign and verify */

static JoseCode
compute_mac(JoseKey *key, const void *data, size_t len,
			unsigned char mac[EVP_MAX_MD_SIZE], JoseError *err)
{
	size_t		n = 0;

	if (key->mac == NULL)
		TRY(prepare_mac(key, err));
	if (EVP_MAC_init(key->mac, NULL, 0, NULL) == 1 &&
		EVP_MAC_update(key->mac, data, len) == 1 &&
		EVP_MAC_final(key->mac, mac, &n, EVP_MAX_MD_SIZE) == 1 &&
		n == key->signature_len)
		return JOSE_OK;
	drop_contexts(key);
	return jose_crypto_fail(err, JOSE_ERR_CRYPTO, key->info->name);
}

/* EdDSA hashes by itself and needs its context set up each time. */
static bool
ed_init(JoseKey *key, bool sign)
{
	if (key->ed_ctx == NULL)
		key->ed_ctx = EVP_MD_CTX_new();
	return key->ed_ctx != NULL &&
		(sign ? EVP_DigestSignInit_ex(key->ed_ctx, NULL, NULL, NULL, NULL, key->pkey, NULL) :
		 EVP_DigestVerifyInit_ex(key->ed_ctx, NULL, NULL, NULL, NULL, key->pkey, NULL)) == 1;
}

/*
 * A wrong RSA signature can give the private key away, so none leaves before
 * it is verified; that takes a fifteenth of the time.  It is not only about
 * faults of the machine: when memory fails inside OpenSSL 3.5 at the wrong
 * moment, the key's blinding is spoilt, and every later signature is wrong
 * without an error.  A copy of the key has a blinding of its own.
 */
static JoseCode
check_rsa_signature(JoseKey *key, const unsigned char *digest, unsigned char *sig, JoseError *err)
{
	EVP_PKEY   *copy;

	if (key->verify_ctx == NULL)
		TRY(prepare_pkey(key, false, err));
	if (EVP_PKEY_verify(key->verify_ctx, sig, key->signature_len, digest,
						(size_t) key->info->md_len) == 1)
		return JOSE_OK;
	jose_cleanse(sig, key->signature_len);
	drop_contexts(key);
	copy = EVP_PKEY_dup(key->pkey);
	if (copy != NULL)
	{
		EVP_PKEY_free(key->pkey);
		key->pkey = copy;
	}
	return jose_crypto_fail(err, JOSE_ERR_CRYPTO, key->info->name);
}

JoseCode
jose_key_sign(JoseKey *key, const void *data, size_t len,
			  unsigned char *sig, JoseError *err)
{
	unsigned char digest[EVP_MAX_MD_SIZE];
	unsigned char der[MAX_DER_LEN];
	size_t		n;
	bool		ok = false;

	jose_crypto_begin();
	switch (key->info->kty)
	{
		case JOSE_KTY_OCT:
			TRY(compute_mac(key, data, len, digest, err));
			memcpy(sig, digest, key->signature_len);
			return JOSE_OK;
		case JOSE_KTY_OKP:
			n = key->signature_len;
			ok = ed_init(key, true) &&
				EVP_DigestSign(key->ed_ctx, sig, &n, data, len) == 1 &&
				n == key->signature_len;
			break;
		case JOSE_KTY_RSA:
		case JOSE_KTY_EC:
			if (key->sign_ctx == NULL)
				TRY(prepare_pkey(key, true, err));
			TRY(hash(key, data, len, digest, err));
			if (key->info->kty == JOSE_KTY_RSA)
			{
				n = key->signature_len;
				ok = EVP_PKEY_sign(key->sign_ctx, sig, &n, digest, (size_t) key->info->md_len) > 0 &&
					n == key->signature_len;
				if (ok)
					return check_rsa_signature(key, digest, sig, err);
			}
			else
			{
				n = sizeof(der);
				ok = EVP_PKEY_sign(key->sign_ctx, der, &n, digest, (size_t) key->info->md_len) > 0 &&
					der_to_raw(sig, (size_t) key->info->coord_len, der, n);
			}
			break;
	}
	if (ok)
		return JOSE_OK;
	drop_contexts(key);
	return jose_crypto_fail(err, JOSE_ERR_CRYPTO, key->info->name);
}

JoseCode
jose_key_verify(JoseKey *key, const void *data, size_t len,
				const unsigned char *sig, size_t sig_len, JoseError *err)
{
	unsigned char digest[EVP_MAX_MD_SIZE];
	unsigned char der[MAX_DER_LEN];
	bool		good = false;

	/* also what keeps sig within bounds below */
	if (sig_len != key->signature_len)
	{
		jose_fail(err, JOSE_ERR_SIGNATURE, "signature verification failed");
		return jose_detail(err, "The signature has %zu bytes, one of this key has %zu.",
						   sig_len, key->signature_len);
	}

	jose_crypto_begin();
	switch (key->info->kty)
	{
		case JOSE_KTY_OCT:
			TRY(compute_mac(key, data, len, digest, err));
			good = CRYPTO_memcmp(digest, sig, sig_len) == 0;
			jose_cleanse(digest, sizeof(digest));
			break;
		case JOSE_KTY_OKP:
			if (!ed_init(key, false))
			{
				drop_contexts(key);
				return jose_crypto_fail(err, JOSE_ERR_CRYPTO, key->info->name);
			}
			good = EVP_DigestVerify(key->ed_ctx, sig, sig_len, data, len) == 1;
			break;
		case JOSE_KTY_RSA:
		case JOSE_KTY_EC:
			if (key->verify_ctx == NULL)
				TRY(prepare_pkey(key, false, err));
			if (key->info->kty == JOSE_KTY_EC)
			{
				size_t		n = (size_t) key->info->coord_len;

				if (!is_scalar(sig, key->info->order, n) ||
					!is_scalar(sig + n, key->info->order, n))
					break;
				sig_len = raw_to_der(der, sig, n);
				sig = der;
			}
			TRY(hash(key, data, len, digest, err));
			good = EVP_PKEY_verify(key->verify_ctx, sig, sig_len, digest,
								   (size_t) key->info->md_len) == 1;
			break;
	}
	if (good)
		return JOSE_OK;

	/* what is in OpenSSL's queue tells a bad signature from a bad day */
	jose_crypto_fail(err, JOSE_ERR_SIGNATURE, "signature verification");
	if (err->code != JOSE_ERR_SIGNATURE)
	{
		drop_contexts(key);
		return err->code;
	}
	return jose_fail(err, JOSE_ERR_SIGNATURE, "signature verification failed");
}
