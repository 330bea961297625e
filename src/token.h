/*-------------------------------------------------------------------------
 *
 * token.h
 *	  Tokens that are verified, and who is asking.
 *
 *-------------------------------------------------------------------------
 */
#ifndef AUTHZ_TOKEN_H
#define AUTHZ_TOKEN_H

#include "utils/jsonb.h"

#include "jose/jose.h"
#include "token_issuer.h"

/* The GUCs authz.issuer and authz.audience: empty for none. */
extern char *authz_issuer;
extern char *authz_audience;

/* The GUCs authz.token_lifetime and authz.token_clock_offset, in seconds. */
extern int	authz_token_lifetime;
extern int	authz_token_clock_offset;

/* The GUC authz.principal_type. */
extern char *authz_principal_type;

/* What a token has to be. */
typedef struct AuthzTokenCheck
{
	const char *issuer;			/* NULL: this database itself */
	bool		any_issuer;		/* itself, or the trusted one that `iss` names */
	const char *audience;		/* NULL: what is set for the issuer */
	const char *typ;			/* NULL: any */
	const char *purpose;		/* of the signing key */
	int			leeway;			/* seconds */
} AuthzTokenCheck;

typedef struct AuthzToken
{
	Jsonb	   *claims;
	AuthzIssuer *issuer;		/* NULL: this database */
} AuthzToken;

/*
 * Verify a token; results are in the current memory context.  What is wrong
 * with the token is returned, everything else raises.
 */
extern JoseCode authz_token_verify(const char *text, size_t len,
								   const AuthzTokenCheck *check,
								   AuthzToken *token, JoseError *err);

/* A claim that is a string; NULL when it is absent.  Raises for others. */
extern JsonbValue *authz_token_claim(Jsonb *claims, const char *name);

/* Who is asking, as an entity_uid; false when nobody known is. */
extern bool authz_principal_now(Datum *principal);

/*
 * The claims of who is asking; NULL when nobody is, or by the token of another
 * issuer.  Valid until the transaction ends.
 */
extern Jsonb *authz_own_claims(void);

extern void authz_principal_init(void);

#endif							/* AUTHZ_TOKEN_H */
