/*-------------------------------------------------------------------------
 *
 * password.c
 *	  Hashing passwords, and verifying hashes that others made.
 *
 * Every form is first parsed into a Parsed, whose costs are held against the
 * limits below; only then is anything computed.  That way a hash can be
 * checked when it is imported, without the time that a verification takes.
 *
 *-------------------------------------------------------------------------
 */
#include "password.h"

#include <crypt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/kdf.h>
#include <openssl/params.h>
#include <openssl/rand.h>
#ifdef USE_LIBSODIUM
#include <sodium.h>
#endif

/* More than this no hash may ask for: it would be a way to stop the server. */
#define MEMORY_MAX		(UINT64_C(1) << 30) /* bytes */
#define ARGON2_WORK_MAX (UINT64_C(1) << 24) /* KiB times passes */
#define SCRYPT_WORK_MAX (UINT64_C(1) << 26) /* N times r times p */
#define PBKDF2_ROUNDS_MAX 10000000
#define BCRYPT_COST_MAX 16
#define SHACRYPT_ROUNDS_MAX 10000000

#define SALT_SIZE 16
#define KEY_SIZE 32
#define BYTES_MAX 192

typedef enum Scheme
{
	SCHEME_ARGON2ID,
	SCHEME_ARGON2I,
	SCHEME_CRYPT,
	SCHEME_CRYPT_SHA256,		/* of the SHA-256 of the password, in hex */
	SCHEME_SCRYPT,
	SCHEME_FIREBASE,
	SCHEME_PBKDF2
} Scheme;

typedef struct Bytes
{
	unsigned char data[BYTES_MAX];
	size_t		len;
} Bytes;

typedef struct Parsed
{
	Scheme		scheme;
	const char *text;			/* what libsodium or libcrypt takes */
	uint64_t	n;				/* scrypt's N; rounds of PBKDF2 */
	uint64_t	r;
	uint64_t	p;
	uint32_t	memory;			/* KiB, of Argon2 */
	uint32_t	iterations;
	const char *digest;
	Bytes		salt;
	Bytes		hash;
	Bytes		separator;		/* Firebase */
	Bytes		signer;
} Parsed;

/* ---------------------------------------------- Argon2, of whichever library */

#ifdef USE_LIBSODIUM

const char *
password_argon2(void)
{
	return "libsodium";
}

#else

/* OpenSSL has it from 3.2 on; the one that runs counts, not its headers. */
const char *
password_argon2(void)
{
	EVP_KDF    *kdf = EVP_KDF_fetch(NULL, "ARGON2ID", NULL);

	EVP_KDF_free(kdf);
	return kdf != NULL ? "OpenSSL" : NULL;
}

static bool
argon2(Scheme scheme, const char *password, size_t len, const Bytes *salt,
	   uint32_t memory, uint32_t iterations, uint32_t lanes,
	   unsigned char *key, size_t key_len)
{
	EVP_KDF    *kdf = EVP_KDF_fetch(NULL, scheme == SCHEME_ARGON2ID ? "ARGON2ID" : "ARGON2I", NULL);
	EVP_KDF_CTX *ctx = kdf == NULL ? NULL : EVP_KDF_CTX_new(kdf);
	OSSL_PARAM	params[] = {
		OSSL_PARAM_construct_octet_string("pass", (void *) password, len),
		OSSL_PARAM_construct_octet_string("salt", (void *) salt->data, salt->len),
		OSSL_PARAM_construct_uint32("memcost", &memory),
		OSSL_PARAM_construct_uint32("iter", &iterations),
		OSSL_PARAM_construct_uint32("lanes", &lanes),
		OSSL_PARAM_construct_end()
	};
	bool		done = ctx != NULL && EVP_KDF_derive(ctx, key, key_len, params) == 1;

	EVP_KDF_CTX_free(ctx);
	EVP_KDF_free(kdf);
	return done;
}

#endif

/* ---------------------------------------------------------------- reading */

static bool
skip(const char **s, const char *prefix)
{
	size_t		len = strlen(prefix);

	if (strncmp(*s, prefix, len) != 0)
		return false;
	*s += len;
	return true;
}

/* Digits up to the character that ends them, which is skipped too. */
static bool
read_number(const char **s, char end, uint64_t *value)
{
	const char *at = *s;
	uint64_t	v = 0;

	while (*at >= '0' && *at <= '9')
	{
		if (v > UINT32_MAX)
			return false;
		v = v * 10 + (uint64_t) (*at++ - '0');
	}
	if (at == *s || *at != end)
		return false;
	*value = v;
	*s = end == '\0' ? at : at + 1;
	return true;
}

/* 0 to 63, or -1.  passlib writes a dot for the plus. */
static int
base64_value(char c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	if (c == '+' || c == '.' || c == '-')
		return 62;
	if (c == '/' || c == '_')
		return 63;
	return -1;
}

/* Base64 in any of its spellings, up to the character that ends it. */
static bool
read_base64(const char **s, char end, Bytes *out)
{
	const char *at = *s;
	uint32_t	bits = 0;
	int			nbits = 0;

	out->len = 0;
	for (; base64_value(*at) >= 0; at++)
	{
		bits = (bits << 6 | (uint32_t) base64_value(*at)) & 0xffff;
		nbits += 6;
		if (nbits >= 8)
		{
			nbits -= 8;
			if (out->len == BYTES_MAX)
				return false;
			out->data[out->len++] = (unsigned char) (bits >> nbits);
		}
	}
	while (*at == '=')
		at++;
	if (*at != end || nbits == 6 || (bits & ((1U << nbits) - 1)) != 0)
		return false;
	*s = end == '\0' ? at : at + 1;
	return true;
}

/* The characters themselves, up to the next dollar. */
static bool
read_text(const char **s, Bytes *out)
{
	const char *end = strchr(*s, '$');
	size_t		len;

	if (end == NULL)
		return false;
	len = (size_t) (end - *s);
	if (len > BYTES_MAX)
		return false;
	memcpy(out->data, *s, len);
	out->len = len;
	*s = end + 1;
	return true;
}

static PasswordCode
parse_argon2(const char *s, Parsed *parsed)
{
	uint64_t	version,
				memory,
				iterations,
				lanes;

	if (!skip(&s, "v=") || !read_number(&s, '$', &version) || version != 19 ||
		!skip(&s, "m=") || !read_number(&s, ',', &memory) ||
		!skip(&s, "t=") || !read_number(&s, ',', &iterations) ||
		!skip(&s, "p=") || !read_number(&s, '$', &lanes) ||
		!read_base64(&s, '$', &parsed->salt) || parsed->salt.len < 8 ||
		!read_base64(&s, '\0', &parsed->hash) || parsed->hash.len < 16 ||
		lanes < 1 || iterations < 1 || memory < 8 * lanes)
		return PASSWORD_MALFORMED;
	if (lanes > 64 || memory > MEMORY_MAX / 1024 ||
		memory * iterations > ARGON2_WORK_MAX)
		return PASSWORD_COSTLY;
	parsed->memory = (uint32_t) memory;
	parsed->iterations = (uint32_t) iterations;
	parsed->p = lanes;
	return password_argon2() != NULL ? PASSWORD_OK : PASSWORD_UNSUPPORTED;
}

static PasswordCode
parse_bcrypt(const char *s, Parsed *parsed)
{
	uint64_t	cost;

	parsed->text = s;
	if (strlen(s) != 60 || (s[2] != 'a' && s[2] != 'b' && s[2] != 'y'))
		return PASSWORD_MALFORMED;
	s += 4;
	if (!read_number(&s, '$', &cost) || cost < 4)
		return PASSWORD_MALFORMED;
	return cost > BCRYPT_COST_MAX ? PASSWORD_COSTLY : PASSWORD_OK;
}

static PasswordCode
parse_shacrypt(const char *s, Parsed *parsed)
{
	uint64_t	rounds;

	parsed->text = s;
	s += 3;
	if (skip(&s, "rounds="))
	{
		if (!read_number(&s, '$', &rounds))
			return PASSWORD_MALFORMED;
		if (rounds > SHACRYPT_ROUNDS_MAX)
			return PASSWORD_COSTLY;
	}
	return strchr(s, '$') != NULL ? PASSWORD_OK : PASSWORD_MALFORMED;
}

static PasswordCode
check_scrypt(const Parsed *parsed)
{
	if (parsed->n < 2 || (parsed->n & (parsed->n - 1)) != 0 ||
		parsed->r < 1 || parsed->p < 1 || parsed->hash.len < 16)
		return PASSWORD_MALFORMED;
	if (parsed->r > 1024 || parsed->p > 1024 ||
		parsed->n > SCRYPT_WORK_MAX ||
		parsed->n * parsed->r * 128 > MEMORY_MAX ||
		parsed->n * parsed->r * parsed->p > SCRYPT_WORK_MAX)
		return PASSWORD_COSTLY;
	return PASSWORD_OK;
}

static PasswordCode
parse_scrypt(const char *s, Parsed *parsed)
{
	uint64_t	ln;

	if (!skip(&s, "ln=") || !read_number(&s, ',', &ln) || ln > 31 ||
		!skip(&s, "r=") || !read_number(&s, ',', &parsed->r) ||
		!skip(&s, "p=") || !read_number(&s, '$', &parsed->p) ||
		!read_base64(&s, '$', &parsed->salt) ||
		!read_base64(&s, '\0', &parsed->hash))
		return PASSWORD_MALFORMED;
	parsed->n = UINT64_C(1) << ln;
	return check_scrypt(parsed);
}

static PasswordCode
parse_django_scrypt(const char *s, Parsed *parsed)
{
	if (!read_number(&s, '$', &parsed->n) ||
		!read_text(&s, &parsed->salt) ||
		!read_number(&s, '$', &parsed->r) ||
		!read_number(&s, '$', &parsed->p) ||
		!read_base64(&s, '\0', &parsed->hash))
		return PASSWORD_MALFORMED;
	return check_scrypt(parsed);
}

static PasswordCode
parse_firebase(const char *s, Parsed *parsed)
{
	uint64_t	ln;

	if (!skip(&s, "v=1,n=") || !read_number(&s, ',', &ln) || ln > 31 ||
		!skip(&s, "r=") || !read_number(&s, ',', &parsed->r) ||
		!skip(&s, "p=") || !read_number(&s, ',', &parsed->p) ||
		!skip(&s, "ss=") || !read_base64(&s, ',', &parsed->separator) ||
		!skip(&s, "sk=") || !read_base64(&s, '$', &parsed->signer) ||
		!read_base64(&s, '$', &parsed->salt) ||
		!read_base64(&s, '\0', &parsed->hash) ||
		parsed->hash.len != parsed->signer.len ||
		parsed->salt.len + parsed->separator.len > BYTES_MAX)
		return PASSWORD_MALFORMED;
	parsed->n = UINT64_C(1) << ln;
	return check_scrypt(parsed);
}

static PasswordCode
check_pbkdf2(const Parsed *parsed)
{
	if (parsed->n < 1 || parsed->hash.len < 16)
		return PASSWORD_MALFORMED;
	return parsed->n > PBKDF2_ROUNDS_MAX ? PASSWORD_COSTLY : PASSWORD_OK;
}

/* After the algorithm: `i=1000,l=32$` or `1000$`, salt, hash. */
static PasswordCode
parse_pbkdf2(const char *s, Parsed *parsed)
{
	uint64_t	len = 0;

	if (skip(&s, "i="))
	{
		if (read_number(&s, ',', &parsed->n))
		{
			if (!skip(&s, "l=") || !read_number(&s, '$', &len))
				return PASSWORD_MALFORMED;
		}
		else if (!read_number(&s, '$', &parsed->n))
			return PASSWORD_MALFORMED;
	}
	else if (!read_number(&s, '$', &parsed->n))
		return PASSWORD_MALFORMED;
	if (!read_base64(&s, '$', &parsed->salt) ||
		!read_base64(&s, '\0', &parsed->hash) ||
		(len != 0 && len != parsed->hash.len))
		return PASSWORD_MALFORMED;
	return check_pbkdf2(parsed);
}

static PasswordCode
parse_django_pbkdf2(const char *s, Parsed *parsed)
{
	if (!read_number(&s, '$', &parsed->n) ||
		!read_text(&s, &parsed->salt) ||
		!read_base64(&s, '\0', &parsed->hash))
		return PASSWORD_MALFORMED;
	return check_pbkdf2(parsed);
}

static PasswordCode
parse(const char *s, Parsed *parsed)
{
	static const struct
	{
		const char *prefix;
		size_t		keep;		/* characters of it that the parser wants */
		Scheme		scheme;
		PasswordCode (*parser) (const char *, Parsed *);
		const char *digest;
	}			forms[] = {
		{"$argon2id$", 0, SCHEME_ARGON2ID, parse_argon2, NULL},
		{"$argon2i$", 0, SCHEME_ARGON2I, parse_argon2, NULL},
		{"argon2$argon2id$", 0, SCHEME_ARGON2ID, parse_argon2, NULL},
		{"argon2$argon2i$", 0, SCHEME_ARGON2I, parse_argon2, NULL},
		{"$2", 2, SCHEME_CRYPT, parse_bcrypt, NULL},
		{"bcrypt$$2", 2, SCHEME_CRYPT, parse_bcrypt, NULL},
		{"bcrypt_sha256$$2", 2, SCHEME_CRYPT_SHA256, parse_bcrypt, NULL},
		{"$5$", 3, SCHEME_CRYPT, parse_shacrypt, NULL},
		{"$6$", 3, SCHEME_CRYPT, parse_shacrypt, NULL},
		{"$scrypt$", 0, SCHEME_SCRYPT, parse_scrypt, NULL},
		{"scrypt$", 0, SCHEME_SCRYPT, parse_django_scrypt, NULL},
		{"$fbscrypt$", 0, SCHEME_FIREBASE, parse_firebase, NULL},
		{"$pbkdf2$", 0, SCHEME_PBKDF2, parse_pbkdf2, "SHA1"},
		{"$pbkdf2-sha1$", 0, SCHEME_PBKDF2, parse_pbkdf2, "SHA1"},
		{"$pbkdf2-sha256$", 0, SCHEME_PBKDF2, parse_pbkdf2, "SHA256"},
		{"$pbkdf2-sha512$", 0, SCHEME_PBKDF2, parse_pbkdf2, "SHA512"},
		{"pbkdf2_sha256$", 0, SCHEME_PBKDF2, parse_django_pbkdf2, "SHA256"},
		{"pbkdf2_sha1$", 0, SCHEME_PBKDF2, parse_django_pbkdf2, "SHA1"},
	};

	memset(parsed, 0, sizeof(*parsed));
	if (strlen(s) > PASSWORD_HASH_MAX)
		return PASSWORD_MALFORMED;
	for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++)
	{
		const char *rest = s;

		if (!skip(&rest, forms[i].prefix))
			continue;
		parsed->scheme = forms[i].scheme;
		parsed->digest = forms[i].digest;
		/* libsodium takes the PHC string whole. */
		parsed->text = s[0] == '$' ? s : strchr(s, '$');
		return forms[i].parser(rest - forms[i].keep, parsed);
	}
	return PASSWORD_MALFORMED;
}

/* -------------------------------------------------------------- computing */

static PasswordCode
compare(const void *computed, const Bytes *stored)
{
	return CRYPTO_memcmp(computed, stored->data, stored->len) == 0 ?
		PASSWORD_OK : PASSWORD_WRONG;
}

static PasswordCode
verify_argon2(const char *password, const Parsed *parsed)
{
#ifdef USE_LIBSODIUM
	int			rc;

	if (sodium_init() < 0)
		return PASSWORD_MEMORY;
	if (parsed->scheme == SCHEME_ARGON2ID)
		rc = crypto_pwhash_argon2id_str_verify(parsed->text, password,
											   strlen(password));
	else
		rc = crypto_pwhash_argon2i_str_verify(parsed->text, password,
											  strlen(password));
	/* It does not say whether the memory was there: a failure is a no. */
	return rc == 0 ? PASSWORD_OK : PASSWORD_WRONG;
#else
	unsigned char key[BYTES_MAX];
	PasswordCode code = PASSWORD_MEMORY;

	if (argon2(parsed->scheme, password, strlen(password), &parsed->salt,
			   parsed->memory, parsed->iterations, (uint32_t) parsed->p,
			   key, parsed->hash.len))
		code = compare(key, &parsed->hash);
	OPENSSL_cleanse(key, sizeof(key));
	return code;
#endif
}

static PasswordCode
verify_crypt(const char *password, const Parsed *parsed)
{
	struct crypt_data *data = calloc(1, sizeof(*data));
	const char *computed;
	char		hex[65];
	char		start[CRYPT_MAX_PASSPHRASE_SIZE];
	bool		too_long = false;
	PasswordCode code = PASSWORD_MEMORY;
	size_t		len = strlen(parsed->text);

	if (data == NULL)
		return PASSWORD_MEMORY;
	if (parsed->scheme == SCHEME_CRYPT_SHA256)
	{
		unsigned char digest[32];

		if (EVP_Digest(password, strlen(password), digest, NULL,
					   EVP_sha256(), NULL) != 1)
			goto done;
		for (int i = 0; i < 32; i++)
			snprintf(hex + (size_t) 2 * i, 3, "%02x", digest[i]);
		OPENSSL_cleanse(digest, sizeof(digest));
		password = hex;
	}
	/*
	 * libcrypt refuses longer ones.  Of bcrypt's only the first 72 bytes count;
	 * others are wrong, at the cost of a shorter one.
	 */
	if (strlen(password) >= sizeof(start))
	{
		too_long = parsed->text[1] != '2';
		memcpy(start, password, sizeof(start) - 1);
		start[sizeof(start) - 1] = '\0';
		password = start;
	}
	computed = crypt_r(password, parsed->text, data);
	/* A failure token begins with an asterisk and is short. */
	if (computed == NULL || computed[0] == '*')
		code = PASSWORD_MALFORMED;
	else if (!too_long && strlen(computed) == len &&
			 CRYPTO_memcmp(computed, parsed->text, len) == 0)
		code = PASSWORD_OK;
	else
		code = PASSWORD_WRONG;
done:
	OPENSSL_cleanse(data, sizeof(*data));
	OPENSSL_cleanse(hex, sizeof(hex));
	OPENSSL_cleanse(start, sizeof(start));
	free(data);
	return code;
}

static bool
scrypt(const char *password, size_t len, const unsigned char *salt,
	   size_t salt_len, uint64_t n, uint64_t r, uint64_t p,
	   unsigned char *key, size_t key_len)
{
	return EVP_PBE_scrypt(password, len, salt, salt_len, n, r, p,
						  MEMORY_MAX + (64 << 20), key, key_len) == 1;
}

static PasswordCode
verify_scrypt(const char *password, const Parsed *parsed)
{
	unsigned char key[BYTES_MAX];
	PasswordCode code = PASSWORD_MEMORY;

	if (scrypt(password, strlen(password), parsed->salt.data,
			   parsed->salt.len, parsed->n, parsed->r, parsed->p,
			   key, parsed->hash.len))
		code = compare(key, &parsed->hash);
	OPENSSL_cleanse(key, sizeof(key));
	return code;
}

/*
 * Firebase's: the hash is the project's signer key encrypted by AES-256-CTR
 * under the first half of scrypt(password, salt || separator).
 */
static PasswordCode
verify_firebase(const char *password, const Parsed *parsed)
{
	unsigned char salt[BYTES_MAX];
	unsigned char key[64];
	unsigned char iv[16] = {0};
	unsigned char out[BYTES_MAX + 16];
	int			outlen = 0;
	EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
	PasswordCode code = PASSWORD_MEMORY;

	memcpy(salt, parsed->salt.data, parsed->salt.len);
	memcpy(salt + parsed->salt.len, parsed->separator.data,
		   parsed->separator.len);
	if (ctx != NULL &&
		scrypt(password, strlen(password), salt,
			   parsed->salt.len + parsed->separator.len,
			   parsed->n, parsed->r, parsed->p, key, sizeof(key)) &&
		EVP_EncryptInit_ex(ctx, EVP_aes_256_ctr(), NULL, key, iv) == 1 &&
		EVP_EncryptUpdate(ctx, out, &outlen, parsed->signer.data,
						  (int) parsed->signer.len) == 1 &&
		(size_t) outlen == parsed->hash.len)
		code = compare(out, &parsed->hash);
	EVP_CIPHER_CTX_free(ctx);
	OPENSSL_cleanse(key, sizeof(key));
	OPENSSL_cleanse(out, sizeof(out));
	return code;
}

static PasswordCode
verify_pbkdf2(const char *password, const Parsed *parsed)
{
	unsigned char key[BYTES_MAX];
	EVP_MD	   *md = EVP_MD_fetch(NULL, parsed->digest, NULL);
	PasswordCode code = PASSWORD_MEMORY;

	if (md != NULL &&
		PKCS5_PBKDF2_HMAC(password, (int) strlen(password),
						  parsed->salt.data, (int) parsed->salt.len,
						  (int) parsed->n, md,
						  (int) parsed->hash.len, key) == 1)
		code = compare(key, &parsed->hash);
	EVP_MD_free(md);
	OPENSSL_cleanse(key, sizeof(key));
	return code;
}

PasswordCode
password_check_hash(const char *hash)
{
	Parsed		parsed;

	return parse(hash, &parsed);
}

PasswordCode
password_verify(const char *password, const char *hash)
{
	Parsed		parsed;
	PasswordCode code = parse(hash, &parsed);

	if (code != PASSWORD_OK)
		return code;
	switch (parsed.scheme)
	{
		case SCHEME_ARGON2ID:
		case SCHEME_ARGON2I:
			return verify_argon2(password, &parsed);
		case SCHEME_CRYPT:
		case SCHEME_CRYPT_SHA256:
			return verify_crypt(password, &parsed);
		case SCHEME_SCRYPT:
			return verify_scrypt(password, &parsed);
		case SCHEME_FIREBASE:
			return verify_firebase(password, &parsed);
		case SCHEME_PBKDF2:
			return verify_pbkdf2(password, &parsed);
	}
	return PASSWORD_MALFORMED;
}

/* Base64 without padding, as PHC strings have it. */
static char *
put_base64(char *out, const unsigned char *data, size_t len)
{
	int			n = EVP_EncodeBlock((unsigned char *) out, data, (int) len);

	while (n > 0 && out[n - 1] == '=')
		n--;
	out[n] = '\0';
	return out + n;
}

PasswordCode
password_hash(const char *password, size_t len, const PasswordParams *params,
			  char out[PASSWORD_HASH_SIZE])
{
	Bytes		salt = {.len = SALT_SIZE};
	unsigned char key[KEY_SIZE];
	char	   *at = out;
	bool		done;

	if (params->algorithm == PASSWORD_ARGON2ID && password_argon2() == NULL)
		return PASSWORD_UNSUPPORTED;
#ifdef USE_LIBSODIUM
	if (params->algorithm == PASSWORD_ARGON2ID)
	{
		char		phc[crypto_pwhash_argon2id_STRBYTES];

		if (sodium_init() < 0 ||
			crypto_pwhash_argon2id_str(phc, password, len,
									   params->argon2_iterations,
									   (size_t) params->argon2_memory * 1024) != 0)
			return PASSWORD_MEMORY;
		snprintf(out, PASSWORD_HASH_SIZE, "%s", phc);
		return PASSWORD_OK;
	}
#endif

	if (RAND_bytes(salt.data, SALT_SIZE) != 1)
		return PASSWORD_MEMORY;
#ifndef USE_LIBSODIUM
	if (params->algorithm == PASSWORD_ARGON2ID)
	{
		done = argon2(SCHEME_ARGON2ID, password, len, &salt,
					  params->argon2_memory, params->argon2_iterations, 1,
					  key, sizeof(key));
		at += snprintf(out, PASSWORD_HASH_SIZE, "$argon2id$v=19$m=%u,t=%u,p=1$",
					   params->argon2_memory, params->argon2_iterations);
	}
	else
#endif
	{
		done = scrypt(password, len, salt.data, SALT_SIZE,
					  UINT64_C(1) << params->scrypt_ln, params->scrypt_r,
					  params->scrypt_p, key, sizeof(key));
		at += snprintf(out, PASSWORD_HASH_SIZE, "$scrypt$ln=%u,r=%u,p=%u$",
					   params->scrypt_ln, params->scrypt_r,
					   params->scrypt_p);
	}
	at = put_base64(at, salt.data, SALT_SIZE);
	*at++ = '$';
	put_base64(at, key, sizeof(key));
	OPENSSL_cleanse(key, sizeof(key));
	return done ? PASSWORD_OK : PASSWORD_MEMORY;
}

bool
password_is_current(const char *hash, const PasswordParams *params)
{
	Parsed		parsed;

	if (parse(hash, &parsed) != PASSWORD_OK || hash[0] != '$')
		return false;
	if (params->algorithm == PASSWORD_ARGON2ID)
		return parsed.scheme == SCHEME_ARGON2ID &&
			parsed.memory == params->argon2_memory &&
			parsed.iterations == params->argon2_iterations && parsed.p == 1;
	return parsed.scheme == SCHEME_SCRYPT &&
		parsed.n == UINT64_C(1) << params->scrypt_ln &&
		parsed.r == params->scrypt_r && parsed.p == params->scrypt_p;
}
