/*-------------------------------------------------------------------------
 *
 * schema_json.c
 *	  Fuzz target: the JSON form of schemas.
 *
 *-------------------------------------------------------------------------
 */
#include "schema_check.h"

void
fuzz_one(CedarArena *arena, const uint8_t *data, size_t size)
{
	schema_check(arena, fuzz_copy(data, size), size, CEDAR_SCHEMA_JSON);
}
