/*-------------------------------------------------------------------------
 *
 * password.h
 *	  Hashing passwords, and verifying hashes that others made.
 *
 * Plain C11 on OpenSSL, libcrypt and, where it is built in (USE_LIBSODIUM),
 * libsodium.  Nothing of PostgreSQL: failures come back as a code.  No state,
 * no memory that outlives a call; what was secret is overwritten.
 *
 * New hashes are Argon2id (RFC 9106) as PHC strings, or scrypt (RFC 7914).
 * Argon2 is libsodium's; where that is not built in, OpenSSL's (from 3.2 on);
 * with neither there is none.  Verified are, beside those:
 *
 *	 $argon2id$, $argon2i$				PHC
 *	 $2a$, $2b$, $2y$					bcrypt
 *	 $5$, $6$						SHA-crypt
 *	 $scrypt$ln=,r=,p=$salt$hash		PHC, passlib
 *	 $pbkdf2-sha256$i=,l=$salt$hash		and -sha1, -sha512; passlib writes the
 *										rounds alone
 *	 $fbscrypt$v=1,n=,r=,p=,ss=,sk=$salt$hash	Firebase
 *	 argon2$, bcrypt$, bcrypt_sha256$, pbkdf2_sha256$, pbkdf2_sha1$, scrypt$
 *										Django
 *
 *-------------------------------------------------------------------------
 */
#ifndef PASSWORD_H
#define PASSWORD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef enum PasswordCode
{
	PASSWORD_OK = 0,			/* hashed; the password is this hash's */
	PASSWORD_WRONG,				/* it is not */
	PASSWORD_MALFORMED,			/* no hash in any of the forms above */
	PASSWORD_UNSUPPORTED,		/* one whose algorithm is not built in */
	PASSWORD_COSTLY,			/* its parameters ask for too much */
	PASSWORD_MEMORY				/* no memory, or the library failed */
} PasswordCode;

typedef enum PasswordAlgorithm
{
	PASSWORD_ARGON2ID,
	PASSWORD_SCRYPT
} PasswordAlgorithm;

typedef struct PasswordParams
{
	PasswordAlgorithm algorithm;
	uint32_t	argon2_memory;	/* KiB */
	uint32_t	argon2_iterations;
	uint32_t	scrypt_ln;		/* log2 of N */
	uint32_t	scrypt_r;
	uint32_t	scrypt_p;
} PasswordParams;

/* Room for any hash that password_hash writes, with its terminator. */
#define PASSWORD_HASH_SIZE 160

/* The longest hash that is read. */
#define PASSWORD_HASH_MAX 1024

/* The library that computes Argon2; NULL: none. */
extern const char *password_argon2(void);

/* Hash with a new random salt. */
extern PasswordCode password_hash(const char *password, size_t len,
								  const PasswordParams *params,
								  char out[PASSWORD_HASH_SIZE]);

/* Both texts are NUL-terminated.  PASSWORD_OK, PASSWORD_WRONG or a failure. */
extern PasswordCode password_verify(const char *password, const char *hash);

/* Is this a hash that password_verify could answer for?  Without hashing. */
extern PasswordCode password_check_hash(const char *hash);

/* Was this hash made with these parameters? */
extern bool password_is_current(const char *hash, const PasswordParams *params);

#endif							/* PASSWORD_H */
