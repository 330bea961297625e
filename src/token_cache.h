/*-------------------------------------------------------------------------
 *
 * token_cache.h
 *	  Which tokens were found good before.
 *
 *-------------------------------------------------------------------------
 */
#ifndef AUTHZ_TOKEN_CACHE_H
#define AUTHZ_TOKEN_CACHE_H

/* The GUCs authz.token_cache_entries, _ttl and _idle (seconds). */
extern int	authz_token_cache_entries;
extern int	authz_token_cache_ttl;
extern int	authz_token_cache_idle;

#define AUTHZ_TOKEN_DIGEST_BYTES 32

/* Of a whole token and the key for it. */
typedef struct AuthzTokenDigest
{
	bool		valid;			/* the cache is on */
	unsigned char bytes[AUTHZ_TOKEN_DIGEST_BYTES];
} AuthzTokenDigest;

/*
 * Has the key with this tag found this token's signature good before?  *digest
 * is for authz_token_cache_add.  Says nothing about the claims.
 */
extern bool authz_token_cache_find(const unsigned char *tag, const char *token,
								   size_t len, int64 now, AuthzTokenDigest *digest);

/* It has, now; exp is the token's. */
extern void authz_token_cache_add(const AuthzTokenDigest *digest, int64 now, int64 exp);

extern void authz_token_cache_init(void);

#endif							/* AUTHZ_TOKEN_CACHE_H */
