/*-------------------------------------------------------------------------
 *
 * driver.c
 *	  cedar-driver: cases as JSON lines on standard input, answers as JSON
 *	  lines on standard output (see run_case() in harness.h).
 *
 * Exit status 1 when a line is not a case or an answer has a fault.
 *
 *-------------------------------------------------------------------------
 */
#define _POSIX_C_SOURCE 200809L

#include <stdio.h>
#include <stdlib.h>

#include "harness.h"

int
main(void)
{
	char	   *line = NULL;
	size_t		cap = 0;
	ssize_t		len;
	int			status = 0;

	while ((len = getline(&line, &cap, stdin)) > 0)
	{
		json_error_t jerr;
		json_t	   *input = json_loadb(line, (size_t) len, JSON_ALLOW_NUL, &jerr);
		json_t	   *result;

		if (!json_is_object(input))
		{
			result = json_pack("{ss}", "fault", "the line is not a JSON object");
			status = 1;
		}
		else
		{
			result = run_case(input);
			if (json_object_get(result, "fault") != NULL)
				status = 1;
		}
		json_dumpf(result, stdout, JSON_COMPACT);
		putchar('\n');
		json_decref(result);
		json_decref(input);
	}
	free(line);
	return status;
}
