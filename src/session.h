/*-------------------------------------------------------------------------
 *
 * session.h
 *	  Sessions: what SQL cannot do for them.
 *
 *-------------------------------------------------------------------------
 */
#ifndef AUTHZ_SESSION_H
#define AUTHZ_SESSION_H

extern void authz_session_init(void);

#endif							/* AUTHZ_SESSION_H */
