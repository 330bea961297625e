/*-------------------------------------------------------------------------
 *
 * spi_limit.c
 *	  For test/recovery/policy_catalog alone: spi_limit(command, n) executes a
 *	  command that stops at n rows, as PL/Perl's spi_exec_query(command, n) and
 *	  PL/Python's plpy.execute(command, n) do.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "executor/spi.h"
#include "fmgr.h"
#include "utils/builtins.h"

PG_MODULE_MAGIC;

PG_FUNCTION_INFO_V1(spi_limit);

Datum
spi_limit(PG_FUNCTION_ARGS)
{
	int64		n;

	SPI_connect();
	if (SPI_execute(text_to_cstring(PG_GETARG_TEXT_PP(0)), false, PG_GETARG_INT32(1)) < 0)
		elog(ERROR, "the command was not executed");
	n = SPI_processed;
	SPI_finish();
	PG_RETURN_INT64(n);
}
