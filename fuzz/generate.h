/*-------------------------------------------------------------------------
 *
 * generate.h
 *	  Policies, entities and a request made from arbitrary bytes: always
 *	  well-formed, mostly well-typed, over a small vocabulary so that they
 *	  often speak of the same things.
 *
 * The same bytes make the same texts.  The caller frees the three texts with
 * generated_free.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CEDAR_FUZZ_GENERATE_H
#define CEDAR_FUZZ_GENERATE_H

#include <stddef.h>
#include <stdint.h>

typedef struct GeneratedText
{
	char	   *data;
	size_t		len;
	size_t		cap;
} GeneratedText;

typedef struct Generated
{
	GeneratedText policies;
	GeneratedText entities;
	GeneratedText request;
} Generated;

extern void generate(const uint8_t *data, size_t len, Generated *out);
extern void generated_free(Generated *out);

#endif							/* CEDAR_FUZZ_GENERATE_H */
