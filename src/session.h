/*-------------------------------------------------------------------------
 *
 * session.h
 *	  Sessions: what SQL cannot do for them.
 *
 *-------------------------------------------------------------------------
 */
#ifndef AUTHZ_SESSION_H
#define AUTHZ_SESSION_H

#include "fmgr.h"
#include "utils/jsonb.h"

/*
 * Raise PT401, which PostgREST answers as 401, when claims of this database
 * name a session (sid, sub) that has ended or expired, or that has not issued
 * this token (jti).  One look-up by primary key that sees the latest committed state; reads only.
 */
extern void authz_session_require_live(Jsonb *claims);

/*
 * Raise PT401 when a principal, a uid that another issuer's subject is mapped to,
 * is a user who is not active.  One look-up by primary key, as above.
 */
extern void authz_session_require_active(Datum principal);

/* SQL's session_check(): that of the claims of who is asking. */
extern Datum authz_session_check(PG_FUNCTION_ARGS);

extern void authz_session_init(void);

#endif							/* AUTHZ_SESSION_H */
