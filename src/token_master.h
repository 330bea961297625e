/*-------------------------------------------------------------------------
 *
 * token_master.h
 *	  The master keys, and what is encrypted under them.
 *
 *-------------------------------------------------------------------------
 */
#ifndef AUTHZ_TOKEN_MASTER_H
#define AUTHZ_TOKEN_MASTER_H

/* The GUCs authz.master_key_file and authz.master_key_command. */
extern char *authz_master_key_file;
extern char *authz_master_key_command;

/* The row that a private part belongs to; it opens for no other. */
typedef struct AuthzSealedFor
{
	const char *kid;
	const char *alg;
	const char *purpose;
} AuthzSealedFor;

/*
 * Encrypt under the first master key.  With may_create, a master key file that
 * is not there is made.  Raises.
 */
extern bytea *authz_master_seal(const AuthzSealedFor *row, bool may_create,
								const char *plain, size_t len);

/*
 * Decrypt; *len bytes in the current memory context, with a NUL behind.  The
 * caller overwrites them before they are released.  Raises.
 */
extern char *authz_master_open(const AuthzSealedFor *row, const bytea *sealed,
							   size_t *len);

/* Is this encrypted under the first master key?  Raises. */
extern bool authz_master_is_current(const bytea *sealed);

#endif							/* AUTHZ_TOKEN_MASTER_H */
