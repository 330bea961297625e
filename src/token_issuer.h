/*-------------------------------------------------------------------------
 *
 * token_issuer.h
 *	  Issuers other than this database, and whom their subjects are here.
 *
 *-------------------------------------------------------------------------
 */
#ifndef AUTHZ_TOKEN_ISSUER_H
#define AUTHZ_TOKEN_ISSUER_H

#include "token_key.h"

/* An enabled row of authz.trusted_issuers. */
typedef struct AuthzIssuer
{
	char	   *issuer;
	Jsonb	   *jwks;
	char	   *audience;
	char	   *principal_type; /* NULL: only subjects that are mapped */
	Datum		roles;			/* name[] */
} AuthzIssuer;

/* As of now, in the current memory context; NULL when it is not trusted. */
extern AuthzIssuer *authz_issuer_find(const char *issuer);

/* Is any issuer trusted, as of now? */
extern bool authz_issuer_any(void);

/*
 * Its key for a token with this header, valid as those of token_key.h are.
 * NULL with *err when there is none.
 */
extern AuthzKey *authz_issuer_key(const AuthzIssuer *issuer,
								  const JoseHeader *header, JoseError *err);

/* The local principal of a subject; false when it has none. */
extern bool authz_issuer_principal(const AuthzIssuer *issuer,
								   const char *subject, size_t len,
								   Datum *principal);

/* May its tokens carry this role? */
extern bool authz_issuer_allows_role(const AuthzIssuer *issuer,
									 const char *role, size_t len);

#endif							/* AUTHZ_TOKEN_ISSUER_H */
