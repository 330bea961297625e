/*-------------------------------------------------------------------------
 *
 * token_key.h
 *	  Keys that sign and verify tokens.
 *
 *-------------------------------------------------------------------------
 */
#ifndef AUTHZ_TOKEN_KEY_H
#define AUTHZ_TOKEN_KEY_H

#include "utils/jsonb.h"

#include "jose/jose.h"

/*
 * The GUCs authz.key_pending_period, authz.key_rotation_period and
 * authz.token_max_lifetime, in seconds; sql/token.sql reads them.
 */
extern int	authz_key_pending_period;
extern int	authz_key_rotation_period;
extern int	authz_token_max_lifetime;

/*
 * What tells a key from every other, in contents: a key with the same tag is
 * the same key.
 */
#define AUTHZ_KEY_TAG_BYTES 48

typedef struct AuthzKey
{
	unsigned char tag[AUTHZ_KEY_TAG_BYTES];
	JoseKey    *jose;
	MemoryContext cxt;			/* frees the key when it goes */
} AuthzKey;

/*
 * Blocks of CurrentMemoryContext for the library, NULL instead of an error
 * where there is no memory.
 */
extern JoseHost authz_jose_host(void);

/*
 * The keys below are valid until the next call of one of these functions.
 * They are looked up as of now (a fresh snapshot), in every isolation level.
 */

/* A signing key of this database, to sign with; its longest token in seconds. */
typedef struct AuthzSigner
{
	AuthzKey   *key;
	int			max_lifetime;
} AuthzSigner;

/*
 * The active key of a purpose: with this kid, of this algorithm (names, NULL
 * for any).  Raises when there is none.
 */
extern AuthzSigner authz_key_signer(const char *kid, const char *alg,
									const char *purpose);

/*
 * The key of this database with this kid, to verify with, unless it is
 * retired or for another purpose: then NULL, and *detail says why.
 */
extern AuthzKey *authz_key_verifier(const char *kid, const char *purpose,
									const char **detail);

/* A key of another issuer's, by its JWK. */
extern AuthzKey *authz_key_foreign(const JsonbValue *jwk, JoseAlg alg, JoseError *err);

#endif							/* AUTHZ_TOKEN_KEY_H */
