/*-------------------------------------------------------------------------
 *
 * jose.h
 *	  Signed tokens as a plain C11 library on OpenSSL 3: base64url, JSON Web
 *	  Keys (RFC 7517, 7518, 7638, 8037), JSON Web Signatures in the compact
 *	  serialization (RFC 7515), and the registered claims of JSON Web Tokens
 *	  (RFC 7519), with the advice of RFC 8725.
 *
 * What it refuses by design: `none`, the JSON serializations, any `crit`, and
 * the choice of an algorithm by the token.  A key knows its one algorithm, and
 * the token's header must agree.  `jwk`, `jku`, `x5c`, `x5u` in a header are
 * never looked at.
 *
 * The library knows nothing of PostgreSQL.
 *
 * Memory.  What a call hands out (text, payloads) is one block of the host
 * given in that call and belongs to the caller.  A JoseKey is the only thing
 * that holds OpenSSL objects beyond a call: whoever made one owes it a
 * jose_key_free, e.g. from a memory context callback.  Working copies of
 * private keys and secrets are overwritten before they are released.
 *
 * Failures come back as a JoseCode, with the facts in a JoseError that the
 * caller owns; whatever the call would have handed out is then not touched.
 * The calling thread's OpenSSL error queue is empty after a failed call, and
 * errors that lay there before may be gone after any call.  OpenSSL does not
 * always tell that it is out of memory: a good signature may then be refused
 * as JOSE_ERR_SIGNATURE, a good EC or Ed25519 key as JOSE_ERR_KEY_INVALID.
 * Nothing is ever accepted for want of memory.
 *
 * One key, one thread at a time: signing and verifying use contexts that the
 * key keeps ready.  Different keys may be used at the same time.
 *
 *-------------------------------------------------------------------------
 */
#ifndef JOSE_H
#define JOSE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Limits; beyond them is JOSE_ERR_LIMIT. */
#define JOSE_MAX_TOKEN_BYTES	65536	/* a whole token */
#define JOSE_MAX_HEADER_BYTES	8192	/* its header segment, encoded */
#define JOSE_MAX_JWK_BYTES		65536	/* text of a JWK */
#define JOSE_MAX_JSON_DEPTH		32	/* nesting of a JSON document */
#define JOSE_MAX_JSON_MEMBERS	1000	/* members of one JSON object */
#define JOSE_MAX_KID_BYTES		255
#define JOSE_MAX_TYP_BYTES		127
#define JOSE_MAX_SECRET_BYTES	1024	/* of an HMAC key */
#define JOSE_MIN_RSA_BITS		2048
#define JOSE_MAX_RSA_BITS		8192

typedef enum JoseCode
{
	JOSE_OK = 0,

	/* failures of the call */
	JOSE_ERR_NOMEM,				/* the host's or OpenSSL's allocator gave nothing */
	JOSE_ERR_CANCELLED,			/* the host said so */
	JOSE_ERR_ARGUMENT,			/* the caller asked what the key cannot do */
	JOSE_ERR_LIMIT,				/* one of the limits above */
	JOSE_ERR_UNAVAILABLE,		/* OpenSSL's configuration lacks the algorithm */
	JOSE_ERR_CRYPTO,			/* OpenSSL failed in another way */

	/* what is wrong with a JWK */
	JOSE_ERR_KEY_MALFORMED,		/* not JSON, or members are missing or wrong */
	JOSE_ERR_KEY_UNSUPPORTED,	/* key type, curve or algorithm is not ours */
	JOSE_ERR_KEY_WEAK,			/* shorter than its algorithm allows */
	JOSE_ERR_KEY_INVALID,		/* no key: off its curve, parts do not match */
	JOSE_ERR_KEY_USE,			/* `use`, `key_ops` do not allow it */

	/* what is wrong with a token */
	JOSE_ERR_MALFORMED,			/* not a compact JWS, or its JSON is not sound */
	JOSE_ERR_ALGORITHM,			/* `alg` is not one of ours (`none` never is) */
	JOSE_ERR_CRITICAL,			/* the header has `crit` */
	JOSE_ERR_UNKNOWN_KEY,		/* for hosts that look keys up: none is the token's */
	JOSE_ERR_KEY_MISMATCH,		/* algorithm of the key is another one */
	JOSE_ERR_SIGNATURE,			/* the signature is not this key's */
	JOSE_ERR_TYPE,				/* `typ` is another one */

	/* what is wrong with its claims */
	JOSE_ERR_MISSING_CLAIM,
	JOSE_ERR_ISSUER,
	JOSE_ERR_AUDIENCE,
	JOSE_ERR_SUBJECT,
	JOSE_ERR_EXPIRED,			/* `exp` is over, or the token is too old */
	JOSE_ERR_NOT_YET_VALID		/* before `nbf`, or `iat` is to come */
} JoseCode;

#define JOSE_CODE_COUNT (JOSE_ERR_NOT_YET_VALID + 1)

/*
 * Facts about a failure: a short message and, where there is more to say, a
 * detail.  Both are UTF-8 and NUL-terminated; what they quote of a token or
 * key is short, never secret, and printable ASCII.
 */
typedef struct JoseError
{
	JoseCode	code;
	char		message[160];
	char		detail[192];	/* a full sentence, or empty */
} JoseError;

/*
 * What the library needs of its host.  Callbacks must return: a jump out of
 * one would leave OpenSSL objects behind.  release may be NULL where blocks
 * are freed by other means; is_cancelled may be NULL and is asked while an
 * RSA key is being made, which can take seconds.
 */
typedef struct JoseHost
{
	void	   *(*alloc) (void *userdata, size_t size); /* NULL: out of memory */
	void		(*release) (void *userdata, void *block);
	bool		(*is_cancelled) (void *userdata);
	void	   *userdata;
} JoseHost;

/* "JOSE_ERR_EXPIRED" and so on. */
extern const char *jose_code_name(JoseCode code);

/* Overwrite memory that held a secret, in a way no compiler leaves out. */
extern void jose_cleanse(void *block, size_t size);

/* ------------------------------------------------------------- base64url */

/* Characters that n bytes take (RFC 4648 section 5, no padding). */
#define JOSE_BASE64URL_LEN(n)	((n) / 3 * 4 + ((n) % 3 * 4 + 2) / 3)

/* The most bytes that n characters can stand for. */
#define JOSE_BASE64URL_BYTES(n) ((n) / 4 * 3 + (n) % 4 * 3 / 4)

/* Writes JOSE_BASE64URL_LEN(n) characters, no terminator. */
extern void jose_base64url_encode(char *dst, const void *src, size_t n);

/*
 * Writes at most JOSE_BASE64URL_BYTES(n) bytes and says how many.  False when
 * the text is not what the encoder writes: a character outside of the
 * alphabet, padding or white space anywhere, a length that no bytes have, or
 * bits set beyond the last byte.  dst is then of no meaning.
 */
extern bool jose_base64url_decode(void *dst, size_t *dst_len,
								  const char *src, size_t n);

/*
 * The same, in a time and with memory accesses that depend on the length
 * alone; slower, for secrets.
 */
extern void jose_base64url_encode_secret(char *dst, const void *src, size_t n);
extern bool jose_base64url_decode_secret(void *dst, size_t *dst_len,
										 const char *src, size_t n);

/* ------------------------------------------------------------ algorithms */

/* RFC 7518 section 3.1, RFC 8037 section 3.1. */
typedef enum JoseAlg
{
	JOSE_ALG_UNSPECIFIED = 0,	/* none named, or one that is not ours */
	JOSE_HS256,
	JOSE_HS384,
	JOSE_HS512,
	JOSE_RS256,
	JOSE_RS384,
	JOSE_RS512,
	JOSE_PS256,
	JOSE_PS384,
	JOSE_PS512,
	JOSE_ES256,
	JOSE_ES384,
	JOSE_ES512,
	JOSE_EDDSA					/* with Ed25519 alone */
} JoseAlg;

#define JOSE_ALG_COUNT (JOSE_EDDSA + 1)

/* Names are case-sensitive; JOSE_ALG_UNSPECIFIED for any that is not ours. */
extern JoseAlg jose_alg_from_name(const char *name, size_t len);

/* "ES256"; NULL for JOSE_ALG_UNSPECIFIED. */
extern const char *jose_alg_name(JoseAlg alg);

/* Is the key that verifies also the one that signs (HS*)? */
extern bool jose_alg_is_symmetric(JoseAlg alg);

/* ------------------------------------------------------------------ keys */

/*
 * A key for one algorithm, private or public, sound (see jose_jwk_parse) and
 * ready for use.  Made once, used often.  It keeps a copy of the host struct
 * it was made with and takes its own memory from there.
 */
typedef struct JoseKey JoseKey;

typedef enum JosePart
{
	JOSE_PUBLIC,
	JOSE_PRIVATE
} JosePart;

/*
 * Read a JWK, public or private.
 *
 * alg is the algorithm that the key shall be for.  JOSE_ALG_UNSPECIFIED takes
 * the JWK's own `alg`, or for EC and OKP keys the only one that fits; an RSA
 * or oct key that names none is then refused (JOSE_ERR_KEY_MALFORMED).  Where
 * both name one they must agree (JOSE_ERR_KEY_MISMATCH).
 *
 * Refused as JOSE_ERR_KEY_WEAK: RSA under 2048 bits or with a public exponent
 * that is even, below 65537 or of more than 32 bits, an HMAC secret shorter
 * than its hash.  As JOSE_ERR_KEY_INVALID: a point that is not on the curve
 * or has a small order, a private part that does not belong to the public
 * one, an HMAC secret that is a public key in PEM, DER, SSH or JWK form.  As
 * JOSE_ERR_KEY_USE: `use` other than "sig", `key_ops` with neither "sign" nor
 * "verify".  A private RSA key needs p, q, dp, dq and qi; more than two primes
 * (`oth`) are JOSE_ERR_KEY_UNSUPPORTED.  Other members are ignored, as RFC
 * 7517 asks.
 */
extern JoseCode jose_jwk_parse(const JoseHost *host,
							   const char *text, size_t len, JoseAlg alg,
							   JoseKey **key, JoseError *err);

/*
 * Make a key.  bits is the size of an RSA modulus (a multiple of 8; 0 is
 * 2048) and must be 0 for other algorithms.  HMAC secrets are as long as the
 * hash.  The key's kid is its thumbprint.
 */
extern JoseCode jose_jwk_generate(const JoseHost *host, JoseAlg alg, int bits,
								  JoseKey **key, JoseError *err);

/*
 * Frees the OpenSSL objects, overwrites secrets, gives the memory back to the
 * host that the key was made with.  NULL is fine.
 */
extern void jose_key_free(JoseKey *key);

/*
 * Write the key as a JWK with `alg`, `use` (or `key_ops`, where the key was
 * read with one that allows less) and `kid`.  JOSE_PUBLIC of a symmetric key
 * and JOSE_PRIVATE of a public one are JOSE_ERR_ARGUMENT.  Text of a private
 * key deserves jose_cleanse before it is released.
 */
extern JoseCode jose_jwk_to_json(const JoseHost *host, const JoseKey *key,
								 JosePart part, char **text, size_t *len,
								 JoseError *err);

#define JOSE_THUMBPRINT_SIZE 44 /* 43 characters and a NUL */

/*
 * The RFC 7638 thumbprint (SHA-256, base64url) of the public key; of a
 * symmetric key that of its secret, which says nothing about a random one.
 */
extern JoseCode jose_jwk_thumbprint(const JoseKey *key,
									char thumbprint[JOSE_THUMBPRINT_SIZE],
									JoseError *err);

/*
 * The slow part of mistrust, for a key that comes from outside: OpenSSL's own
 * checks, including that the primes of a private RSA key are prime (tens of
 * milliseconds).  JOSE_ERR_KEY_INVALID when they fail.
 */
extern JoseCode jose_jwk_validate(const JoseKey *key, JoseError *err);

extern JoseAlg jose_jwk_algorithm(const JoseKey *key);
extern bool jose_jwk_is_private(const JoseKey *key);	/* symmetric ones too */
extern bool jose_jwk_can_sign(const JoseKey *key);
extern bool jose_jwk_can_verify(const JoseKey *key);

/* Size of the modulus, the field or the secret. */
extern int	jose_jwk_bits(const JoseKey *key);

/* NULL where the key has none. */
extern const char *jose_jwk_kid(const JoseKey *key);

/* Valid UTF-8, 1 to JOSE_MAX_KID_BYTES bytes, or NULL for none. */
extern JoseCode jose_jwk_set_kid(JoseKey *key, const char *kid, JoseError *err);

/* ---------------------------------------------------------------- tokens */

typedef struct JoseHeader
{
	JoseAlg		alg;			/* JOSE_ALG_UNSPECIFIED: not one of ours */
	bool		has_kid;
	bool		has_typ;
	bool		has_crit;
	char		kid[JOSE_MAX_KID_BYTES + 1];	/* any UTF-8 without NUL */
	char		typ[JOSE_MAX_TYP_BYTES + 1];
} JoseHeader;

typedef struct JoseSignOptions
{
	const char *typ;			/* NULL: no `typ` */
	const char *kid;			/* NULL: the key's, if it has one */
} JoseSignOptions;

/*
 * Sign a payload of any bytes.  options may be NULL.  JOSE_ERR_ARGUMENT for a
 * key without a private part, JOSE_ERR_KEY_USE for one that must not sign.
 * The token is handed out with a NUL behind it.
 */
extern JoseCode jose_jws_sign(const JoseHost *host, JoseKey *key,
							  const JoseSignOptions *options,
							  const void *payload, size_t payload_len,
							  char **token, size_t *token_len, JoseError *err);

/* Segments of a token, decoded; each is followed by a NUL. */
typedef struct JoseDecoded
{
	char	   *header_json;
	size_t		header_len;
	char	   *payload;
	size_t		payload_len;
} JoseDecoded;

/*
 * Take a token apart without verifying anything: nothing in it may be
 * believed.  It is for finding the key (kid) and for showing a token.  The
 * form is checked as strictly as for verifying, but any algorithm and `crit`
 * pass.  With decoded not NULL the segments are handed out; both pointers lie
 * in one block, released by way of decoded->header_json.
 */
extern JoseCode jose_jws_decode(const JoseHost *host,
								const char *token, size_t token_len,
								JoseHeader *header, JoseDecoded *decoded,
								JoseError *err);

typedef struct JoseVerifyOptions
{
	/*
	 * `typ` that the header must have; NULL: none asked.  Compared as media
	 * types: without case, and with `application/` where there is no slash.
	 */
	const char *typ;

	/*
	 * The caller has it on record that this very key has found this very token
	 * good before: leave out the signature, and check everything else.
	 */
	bool		known_good;
} JoseVerifyOptions;

/*
 * Verify a token with a key.  Only JOSE_OK hands out the payload (followed by
 * a NUL) and, where header is not NULL, the header.  options may be NULL.
 * The order of the checks: form (JOSE_ERR_LIMIT, JOSE_ERR_MALFORMED),
 * JOSE_ERR_CRITICAL, JOSE_ERR_ALGORITHM, JOSE_ERR_KEY_MISMATCH,
 * JOSE_ERR_KEY_USE, JOSE_ERR_SIGNATURE, JOSE_ERR_TYPE.
 */
extern JoseCode jose_jws_verify(const JoseHost *host, JoseKey *key,
								const char *token, size_t token_len,
								const JoseVerifyOptions *options,
								JoseHeader *header,
								char **payload, size_t *payload_len,
								JoseError *err);

/* ---------------------------------------------------------------- claims */

/* What the claims must say.  All zero asks for nothing but sound claims. */
typedef struct JoseExpectations
{
	const char *issuer;			/* `iss` must be this; NULL: any */
	const char *subject;		/* `sub` must be this; NULL: any */

	/*
	 * `aud` must name one of these.  With none given, a token that has an
	 * `aud` is for somebody else and refused (RFC 7519 section 4.1.3), unless
	 * any_audience says that the caller does not care.
	 */
	const char *const *audiences;
	size_t		n_audiences;
	bool		any_audience;

	const char *const *required;	/* claims that must be there, not null */
	size_t		n_required;

	int64_t		leeway;			/* seconds of clock skew, at least 0 */
	int64_t		max_age;		/* seconds since `iat`; 0: any, else needs `iat` */
} JoseExpectations;

/* Times of a token, in whole seconds since 1970-01-01T00:00:00Z. */
typedef struct JoseTimes
{
	bool		has_exp;
	bool		has_nbf;
	bool		has_iat;
	int64_t		exp;
	int64_t		nbf;
	int64_t		iat;
} JoseTimes;

/*
 * Check the claims of a payload that was verified.  now is the caller's clock
 * in seconds; times may be NULL, and is filled where the claims are sound,
 * even if they are refused.
 *
 * JOSE_ERR_MALFORMED: the payload is not one JSON object, or a registered
 * claim has the wrong type: exp, nbf, iat are numbers, iss, sub, jti strings,
 * aud a string or an array of strings.
 *
 * A NumericDate may have a fraction; a fraction never lengthens a token's
 * life: exp is rounded down, nbf and iat up.  Dates beyond what 62 bits hold
 * are taken as the farthest date that they do.  The token is expired from the
 * second `exp + leeway` on, and valid from `nbf - leeway` on.  With max_age it
 * is too old when more than `max_age + leeway` seconds have gone since iat,
 * and not yet valid while iat is more than leeway ahead; without, iat is only
 * checked to be a number.
 */
extern JoseCode jose_claims_check(const JoseHost *host,
								  const char *payload, size_t payload_len,
								  const JoseExpectations *expectations,
								  int64_t now, JoseTimes *times,
								  JoseError *err);

/*
 * A claim that is a string, NUL-terminated; NULL where it is absent.
 * JOSE_ERR_MALFORMED: the payload is not one JSON object, or the claim is of
 * another type.  Of a payload that was not verified it says nothing more than
 * where to look for the key.
 */
extern JoseCode jose_claims_string(const JoseHost *host,
								   const char *payload, size_t payload_len,
								   const char *name, char **value,
								   JoseError *err);

#endif							/* JOSE_H */
