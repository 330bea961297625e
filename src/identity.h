/*-------------------------------------------------------------------------
 *
 * identity.h
 *	  Users' passwords and what goes with them.
 *
 *-------------------------------------------------------------------------
 */
#ifndef AUTHZ_IDENTITY_H
#define AUTHZ_IDENTITY_H

extern void authz_identity_init(void);

#endif							/* AUTHZ_IDENTITY_H */
