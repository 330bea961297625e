/*-------------------------------------------------------------------------
 *
 * throttle.h
 *	  Failed attempts, counted where no rollback reaches them.
 *
 *-------------------------------------------------------------------------
 */
#ifndef AUTHZ_THROTTLE_H
#define AUTHZ_THROTTLE_H

/* What is counted; the number is part of the file's format. */
typedef enum AuthzThrottleKind
{
	AUTHZ_THROTTLE_ACCOUNT = 1, /* passwords for an email */
	AUTHZ_THROTTLE_ADDRESS = 2, /* passwords from an address */
	AUTHZ_THROTTLE_FACTOR = 3,	/* codes of a second factor, for a user */
	AUTHZ_THROTTLE_REQUEST = 4	/* registrations and resets, from an address */
} AuthzThrottleKind;

/* What authz_throttle_reserve answers instead of seconds. */
#define AUTHZ_THROTTLE_LOCKED (-1)

/*
 * Count an attempt as a failure, before it is made.  Returns 0 when it may be
 * made; else it is not counted, and the answer is the seconds to wait, or
 * AUTHZ_THROTTLE_LOCKED.  The subject is an email, an address, a user's id.
 */
extern int	authz_throttle_reserve(AuthzThrottleKind kind,
								   const char *subject, size_t len);

/* The attempt was none, or no failure: take it back. */
extern void authz_throttle_release(AuthzThrottleKind kind,
								   const char *subject, size_t len);

/* Forget all failures; false when there were none. */
extern bool authz_throttle_clear(AuthzThrottleKind kind,
								 const char *subject, size_t len);

extern void authz_throttle_init(void);

#endif							/* AUTHZ_THROTTLE_H */
