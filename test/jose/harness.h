/*-------------------------------------------------------------------------
 *
 * harness.h
 *	  What the test programs of the JOSE library share: a host that keeps
 *	  accounts, and checks that count.
 *
 * The host owns the blocks it gave out until they are released; finish() says
 * whether any are left.  Not thread-safe.
 *
 *-------------------------------------------------------------------------
 */
#ifndef JOSE_TEST_HARNESS_H
#define JOSE_TEST_HARNESS_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "jose.h"

typedef struct Host
{
	JoseHost	vtable;
	long		live;			/* blocks given out, not yet released */
	long		calls;			/* of alloc */
	long		fail_at;		/* this call gives nothing (1-based), 0: none */
	bool		cancelled;
} Host;

extern Host host;

#define HOST (&host.vtable)

/* Sanitized programs are slower; some loops take fewer rounds there. */
#if defined(__SANITIZE_ADDRESS__)
#define SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define SANITIZED 1
#endif
#endif

/* One check; what it says on failure is a printf format and its arguments. */
#define CHECK(cond, ...) \
	check((cond), __FILE__, __LINE__, __VA_ARGS__)

extern bool check(bool ok, const char *file, int line, const char *fmt,...)
	__attribute__((format(printf, 4, 5)));

/* The code is as expected, and for a failure the error is as jose.h says. */
#define CHECK_CODE(code, want, err, ...) \
	check_code((code), (want), (err), __FILE__, __LINE__, __VA_ARGS__)

extern bool check_code(JoseCode code, JoseCode want, const JoseError *err,
					   const char *file, int line, const char *fmt,...)
	__attribute__((format(printf, 6, 7)));

/* Is the error of a failed call one that jose.h promises? */
extern bool error_is_sound(JoseCode code, const JoseError *err);

/* Print the counts; the value is for main to return. */
extern int	finish(void);

/* Give a block back to the host. */
extern void drop(void *block);

/* What must work; ends the program when it does not. */
extern JoseKey *must_parse(const char *jwk, JoseAlg alg);
extern JoseKey *must_generate(JoseAlg alg);
extern char *must_sign(JoseKey *key, const JoseSignOptions *options, const char *payload);
extern char *must_export(const JoseKey *key, JosePart part);

/* Signs any header and any payload, as an attacker with the key could. */
extern char *forge(JoseKey *key, const char *header_json, const char *payload);

/* Encode into a block of malloc, with a NUL. */
extern char *encode(const void *bytes, size_t len);

/* Verify and drop what comes; the code, and the error in *err. */
extern JoseCode verify(JoseKey *key, const char *token, JoseError *err);

#endif							/* JOSE_TEST_HARNESS_H */
