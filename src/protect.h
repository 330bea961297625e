/*-------------------------------------------------------------------------
 *
 * protect.h
 *	  Row-level security from policies.
 *
 *-------------------------------------------------------------------------
 */
#ifndef AUTHZ_PROTECT_H
#define AUTHZ_PROTECT_H

#include "cedar/cedar.h"

/*
 * A compiled expression as a literal of SQL, sealed: the functions that evaluate
 * it in a plan take no other.  The seal is this session's.
 */
extern char *authz_protect_token(const CedarPiece *piece, size_t size);

/* The seal of a text, as a literal of SQL. */
extern char *authz_protect_seal(const char *text);

#endif							/* AUTHZ_PROTECT_H */
