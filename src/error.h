/*-------------------------------------------------------------------------
 *
 * error.h
 *	  Failures of the Cedar library as PostgreSQL errors.
 *
 *-------------------------------------------------------------------------
 */
#ifndef AUTHZ_ERROR_H
#define AUTHZ_ERROR_H

#include "cedar/cedar.h"
#include "cedar/validate.h"
#include "jose/jose.h"

/* SQLSTATEs of our own: class JW, tokens.  docs/token.md has the table. */
#define AUTHZ_ERRCODE_TOKEN_MALFORMED		MAKE_SQLSTATE('J', 'W', '0', '0', '1')
#define AUTHZ_ERRCODE_TOKEN_ALGORITHM		MAKE_SQLSTATE('J', 'W', '0', '0', '2')
#define AUTHZ_ERRCODE_TOKEN_CRITICAL		MAKE_SQLSTATE('J', 'W', '0', '0', '3')
#define AUTHZ_ERRCODE_TOKEN_UNKNOWN_KEY		MAKE_SQLSTATE('J', 'W', '0', '0', '4')
#define AUTHZ_ERRCODE_TOKEN_SIGNATURE		MAKE_SQLSTATE('J', 'W', '0', '0', '5')
#define AUTHZ_ERRCODE_TOKEN_TYPE			MAKE_SQLSTATE('J', 'W', '0', '0', '6')
#define AUTHZ_ERRCODE_TOKEN_MISSING_CLAIM	MAKE_SQLSTATE('J', 'W', '0', '0', '7')
#define AUTHZ_ERRCODE_TOKEN_ISSUER			MAKE_SQLSTATE('J', 'W', '0', '0', '8')
#define AUTHZ_ERRCODE_TOKEN_AUDIENCE		MAKE_SQLSTATE('J', 'W', '0', '0', '9')
#define AUTHZ_ERRCODE_TOKEN_SUBJECT			MAKE_SQLSTATE('J', 'W', '0', '1', '0')
#define AUTHZ_ERRCODE_TOKEN_EXPIRED			MAKE_SQLSTATE('J', 'W', '0', '1', '1')
#define AUTHZ_ERRCODE_TOKEN_NOT_YET_VALID	MAKE_SQLSTATE('J', 'W', '0', '1', '2')
#define AUTHZ_ERRCODE_TOKEN_ROLE			MAKE_SQLSTATE('J', 'W', '0', '1', '3')
#define AUTHZ_ERRCODE_NO_SIGNING_KEY		MAKE_SQLSTATE('J', 'W', '1', '0', '1')

/* What the positions of a CedarError count in. */
typedef enum AuthzTextKind
{
	AUTHZ_TEXT_POLICY,			/* shown under the error: LINE n, caret */
	AUTHZ_TEXT_JSON,			/* told in DETAIL */
	AUTHZ_TEXT_UID				/* one short line: the message says it all */
} AuthzTextKind;

/*
 * Raise a failure.  The primary message is `invalid WHAT: message`, or the
 * message alone when what is NULL; detail may be NULL.  text is what was given to the library.
 */
pg_noreturn extern void authz_raise(const CedarError *err, AuthzTextKind kind,
						const char *text, size_t len,
						const char *what, const char *detail);

/*
 * Raise a failure of the JOSE library.  The primary message is `WHAT:
 * message`, or the message alone when what is NULL.
 */
pg_noreturn extern void authz_raise_jose(const JoseError *err, const char *what);

/* What PostgREST answers with this HTTP status. */
#define AUTHZ_ERRCODE_HTTP_401	MAKE_SQLSTATE('P', 'T', '4', '0', '1')
#define AUTHZ_ERRCODE_HTTP_403	MAKE_SQLSTATE('P', 'T', '4', '0', '3')

/*
 * The same for a token that was handed in.  Over HTTP the SQLSTATE is PT401,
 * and the DETAIL begins with the one that it would have been.
 */
pg_noreturn extern void authz_raise_token(const JoseError *err, bool over_http);

/* Is it the token's fault, rather than a failure of the machine? */
extern bool authz_token_is_at_fault(JoseCode code);

/*
 * Raise the errors among the findings of a validation, if there are any: the
 * first as the message with its position, all of them in the DETAIL.  text may
 * be NULL: then there are no positions.
 */
extern void authz_raise_findings(const CedarFinding *findings, uint32 n,
								 const char *text, size_t len,
								 const char *what, const char *detail);

/* Line and column of an offset, both from 1, columns in characters. */
extern void authz_line_column(const char *text, size_t offset, int *line, int *column);

#endif							/* AUTHZ_ERROR_H */
