/*-------------------------------------------------------------------------
 *
 * token.h
 *	  Who is asking.
 *
 *-------------------------------------------------------------------------
 */
#ifndef AUTHZ_TOKEN_H
#define AUTHZ_TOKEN_H

/* The GUC authz.principal_type. */
extern char *authz_principal_type;

#endif							/* AUTHZ_TOKEN_H */
