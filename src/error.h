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

#endif							/* AUTHZ_ERROR_H */
