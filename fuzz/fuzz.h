/*-------------------------------------------------------------------------
 *
 * fuzz.h
 *	  What the fuzz targets share: a host with limits, and the promises of
 *	  cedar.h that every call must keep.
 *
 * A target is one function, fuzz_one, run inside an arena of its own.  It may
 * be left by longjmp at any callback, so it must hold nothing but arena memory
 * and what it gave to fuzz_keep.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CEDAR_FUZZ_H
#define CEDAR_FUZZ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cedar.h"

/* The target's own part. */
extern void fuzz_one(CedarArena *arena, const uint8_t *data, size_t size);

/* A block of malloc that is freed after the input, however it ended. */
extern void *fuzz_keep(void *block);

/* A copy in a block of exactly this size, so that reading beyond it is seen. */
extern char *fuzz_copy(const void *data, size_t size);

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

/* Is the error of a failed call what cedar.h says?  text_len bytes were given. */
extern void fuzz_check_error(CedarCode code, const CedarError *err, size_t text_len);

/* Compile and verify all policies of an AST; NULL when a limit said no. */
extern CedarPolicy *fuzz_compile(CedarArena *arena, const CedarAst *ast,
								 size_t text_len);

/*
 * Authorize with reasons and without, with an index and without: one decision.
 * False when there is none (a limit), else *decision has it.
 */
extern bool fuzz_authorize(CedarArena *arena, const CedarPolicy *policies,
						   uint32_t n, CedarEntities *entities,
						   const CedarRequest *request, CedarDecision *decision,
						   size_t text_len);

/* Policies that put every operator to principal, resource and context. */
extern const char fuzz_policies[];

/* Entities and a request that fit them. */
extern const char fuzz_entities[];
extern const char fuzz_request[];

#endif							/* CEDAR_FUZZ_H */
