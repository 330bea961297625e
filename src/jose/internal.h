/*-------------------------------------------------------------------------
 *
 * internal.h
 *	  What the files of the JOSE library share.
 *
 *-------------------------------------------------------------------------
 */
#ifndef JOSE_INTERNAL_H
#define JOSE_INTERNAL_H

/* Only what OpenSSL 3 itself wants to be used. */
#define OPENSSL_API_COMPAT 30000
#define OPENSSL_NO_DEPRECATED

#include <string.h>

#include <openssl/evp.h>

#include "jose.h"

#if defined(__GNUC__)
#define JOSE_PRINTF(fmt, args) __attribute__((format(printf, fmt, args)))
#else
#define JOSE_PRINTF(fmt, args)
#endif

/* Leave the function with the code of a failed call. */
#define TRY(call) \
	do { \
		JoseCode	try_code = (call); \
		if (try_code != JOSE_OK) \
			return try_code; \
	} while (0)

/* ------------------------------------------------------------------ util.c */

/* Fill the error, detail empty; returns its code. */
extern JoseCode jose_fail(JoseError *err, JoseCode code,
						  const char *fmt,...) JOSE_PRINTF(3, 4);

/* Add a detail to a filled error; returns its code. */
extern JoseCode jose_detail(JoseError *err, const char *fmt,...) JOSE_PRINTF(2, 3);

extern JoseCode jose_nomem(JoseError *err);

/* Empty OpenSSL's error queue, so that what lies there later is of this call. */
extern void jose_crypto_begin(void);

/*
 * The error for a call of OpenSSL that failed, from its queue, which is empty
 * afterwards: out of memory, an algorithm that is not there, else code.
 */
extern JoseCode jose_crypto_fail(JoseError *err, JoseCode code, const char *what);

/* The static analyzer must be told that none of these gives JOSE_OK. */
#if defined(__clang_analyzer__) && !defined(JOSE_UTIL_C)
#define jose_fail(err, code, ...) (jose_fail(err, code, __VA_ARGS__), (code))
#define jose_detail(...) (jose_detail(__VA_ARGS__), JOSE_ERR_MALFORMED)
#define jose_nomem(err) (jose_nomem(err), JOSE_ERR_NOMEM)
#define jose_crypto_fail(err, code, what) (jose_crypto_fail(err, code, what), (code))
#endif

extern void *jose_alloc(const JoseHost *host, size_t size);
extern void jose_release(const JoseHost *host, void *block);

/* Is every sequence UTF-8 (RFC 3629)? */
extern bool jose_is_utf8(const char *text, size_t len);

/* Bytes of the UTF-8 sequence at p (at most n), 0 when it is none. */
extern size_t jose_utf8_sequence(const unsigned char *p, size_t n);

/* Room for a quotation of up to 40 bytes. */
typedef struct JoseQuote
{
	char		text[48];
} JoseQuote;

/* Foreign text for a message: printable ASCII, cut short. */
extern const char *jose_quote(JoseQuote *quote, const char *text, size_t len);

/*
 * Text of bounded size.  With buf NULL it only counts.  A writer runs twice:
 * once to count, once into a block of that size.
 */
typedef struct JoseOut
{
	char	   *buf;
	size_t		size;
	size_t		len;
} JoseOut;

extern void jose_out(JoseOut *out, const char *text, size_t len);
extern void jose_out_str(JoseOut *out, const char *text);

/* A JSON string with its quotes; text is UTF-8. */
extern void jose_out_json(JoseOut *out, const char *text, size_t len);

/* ------------------------------------------------------------------ json.c */

typedef enum JoseJsonType
{
	JOSE_JSON_NULL,
	JOSE_JSON_FALSE,
	JOSE_JSON_TRUE,
	JOSE_JSON_NUMBER,
	JOSE_JSON_STRING,
	JOSE_JSON_ARRAY,
	JOSE_JSON_OBJECT
} JoseJsonType;

typedef struct JoseJson JoseJson;

struct JoseJson
{
	JoseJsonType type;
	uint32_t	n;				/* elements or members */
	const char *name;			/* of a member, decoded */
	size_t		name_len;
	const char *text;			/* of a string, decoded; of a number as it is */
	size_t		len;
	JoseJson   *child;			/* the first */
	JoseJson   *next;
};

/*
 * A document.  Text without escapes is not copied: the document must not
 * outlive its source.
 */
typedef struct JoseJsonDoc
{
	JoseJson   *root;
	void	   *block;
	size_t		size;
} JoseJsonDoc;

/*
 * Read one JSON object (RFC 8259), strictly.  bad is the code for text that
 * is not that, what its name in messages ("token header").
 */
extern JoseCode jose_json_parse(const JoseHost *host,
								const char *text, size_t len,
								JoseCode bad, const char *what,
								JoseJsonDoc *doc, JoseError *err);

/* Overwrites the document too: it may have held a secret. */
extern void jose_json_free(const JoseHost *host, JoseJsonDoc *doc);

/* NULL where there is no such member. */
extern const JoseJson *jose_json_get(const JoseJson *object, const char *name);

/* Is it the string? */
extern bool jose_json_is(const JoseJson *string, const char *text);

/* A number rounded down or up to whole ones, kept within +-2^62. */
extern int64_t jose_json_integer(const JoseJson *number, bool up);

/* ------------------------------------------------------------------- key.c */

typedef enum JoseKeyType
{
	JOSE_KTY_OCT,
	JOSE_KTY_RSA,
	JOSE_KTY_EC,
	JOSE_KTY_OKP
} JoseKeyType;

/* The facts of RFC 7518 about an algorithm. */
typedef struct JoseAlgInfo
{
	const char *name;
	JoseKeyType kty;
	const char *md;				/* OpenSSL's name of the hash, or NULL */
	int			md_len;
	bool		pss;
	const char *crv;			/* JOSE's and OpenSSL's name of the curve */
	int			bits;			/* of the curve */
	int			coord_len;		/* bytes of a coordinate and a scalar */
	const unsigned char *order; /* of the curve, coord_len bytes */
} JoseAlgInfo;

/* Never NULL; alg is one of ours. */
extern const JoseAlgInfo *jose_alg_info(JoseAlg alg);

/* The largest signature: RSA's. */
#define JOSE_MAX_SIGNATURE_BYTES (JOSE_MAX_RSA_BITS / 8)

/* An encoded header that is known to be good, and what it says. */
#define JOSE_CACHED_HEADER_BYTES 512

typedef struct JoseHeaderCache
{
	size_t		len;			/* 0: nothing here */
	char		encoded[JOSE_CACHED_HEADER_BYTES];
	JoseHeader	header;
} JoseHeaderCache;

struct JoseKey
{
	JoseHost	host;
	JoseAlg		alg;
	const JoseAlgInfo *info;
	bool		is_private;
	bool		restricted;		/* the two below come from key_ops */
	bool		may_sign;
	bool		may_verify;
	bool		has_kid;
	char		kid[JOSE_MAX_KID_BYTES + 1];
	size_t		signature_len;
	int			bits;

	unsigned char *secret;		/* HS*: behind this struct */
	size_t		secret_len;
	EVP_PKEY   *pkey;			/* others */

	/* made at first use, NULL before and after a failure */
	EVP_MAC_CTX *mac;			/* HS*: has the key */
	EVP_MD	   *md;				/* RS*, PS*, ES* */
	EVP_MD_CTX *md_ctx;
	EVP_PKEY_CTX *sign_ctx;
	EVP_PKEY_CTX *verify_ctx;
	EVP_MD_CTX *ed_ctx;			/* EdDSA */

	JoseHeaderCache signed_header;	/* of the last token made */
	JoseHeaderCache verified_header;	/* of the last token that was good */
};

/*
 * A key with nothing in it but room for the secret, all zero.  Whoever gets
 * one frees it with jose_key_free.
 */
extern JoseCode jose_key_new(const JoseHost *host, JoseAlg alg,
							 size_t secret_len, JoseKey **key, JoseError *err);

/* Fill what follows from pkey (signature_len, bits). */
extern JoseCode jose_key_finish(JoseKey *key, JoseError *err);

/* Sign; sig has key->signature_len bytes. */
extern JoseCode jose_key_sign(JoseKey *key, const void *data, size_t len,
							  unsigned char *sig, JoseError *err);

/* JOSE_OK when sig is a signature of data. */
extern JoseCode jose_key_verify(JoseKey *key, const void *data, size_t len,
								const unsigned char *sig, size_t sig_len,
								JoseError *err);

#endif							/* JOSE_INTERNAL_H */
