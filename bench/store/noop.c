/*
 * noop.c
 *	  A function of authz_check's arguments that looks at nothing: what calling
 *	  takes.
 */
#include "postgres.h"

#include "fmgr.h"

PG_MODULE_MAGIC;

PG_FUNCTION_INFO_V1(noop);

Datum
noop(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(true);
}
