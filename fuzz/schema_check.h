/*-------------------------------------------------------------------------
 *
 * schema_check.h
 *	  What must hold for whatever is given as a schema, in either form.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CEDAR_FUZZ_SCHEMA_CHECK_H
#define CEDAR_FUZZ_SCHEMA_CHECK_H

#include "fuzz.h"
#include "schema.h"

extern void schema_check(CedarArena *arena, const char *text, size_t len,
						 CedarSchemaFormat format);

#endif							/* CEDAR_FUZZ_SCHEMA_CHECK_H */
