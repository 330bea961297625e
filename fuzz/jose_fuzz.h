/*-------------------------------------------------------------------------
 *
 * jose_fuzz.h
 *	  What the fuzz targets of the JOSE library share.
 *
 * A target has fuzz_one, run with a host that keeps accounts, and seeds.  The
 * seeds come in by way of the mutator, so that an empty corpus will do.
 *
 *-------------------------------------------------------------------------
 */
#ifndef JOSE_FUZZ_H
#define JOSE_FUZZ_H

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "internal.h"

/* The target's own part. */
extern void fuzz_setup(void);
extern void fuzz_one(const uint8_t *data, size_t size);
extern const char *const fuzz_seeds[];
extern const size_t fuzz_n_seeds;

extern const JoseHost fuzz_host;

/* Give a block back that a call handed out. */
extern void fuzz_release(void *block);

/* A block of malloc that is freed after the input. */
extern void *fuzz_keep(void *block);

/* A copy in a block of exactly this size, so that reading beyond it is seen. */
extern char *fuzz_copy(const void *data, size_t size);

/* Is the error of a call what jose.h says? */
extern void fuzz_check_error(JoseCode code, const JoseError *err);

/* The object of a text by jansson, as strict as it can be; or NULL. */
extern json_t *fuzz_jansson(const char *text, size_t len);

/* Say what is wrong and abort. */
#define FUZZ_REQUIRE(cond, ...) \
	do { \
		if (!(cond)) \
		{ \
			fprintf(stderr, "%s:%d: %s: ", __FILE__, __LINE__, #cond); \
			fprintf(stderr, __VA_ARGS__); \
			fprintf(stderr, "\n"); \
			abort(); \
		} \
	} while (0)

#endif							/* JOSE_FUZZ_H */
