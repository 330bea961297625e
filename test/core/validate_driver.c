/*-------------------------------------------------------------------------
 *
 * validate_driver.c
 *	  cedar-validate-driver: cases as JSON lines on standard input, answers as
 *	  JSON lines on standard output.
 *
 * A case is {"schema", "policies", "level"}, texts and a number or null; the
 * answer is {"findings": [{"policy", "code", "warning", "offset", "length",
 * "message", "hint"}]} or {"error": message, "of": "schema" or "policies"}.
 *
 *-------------------------------------------------------------------------
 */
#define _POSIX_C_SOURCE 200809L

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cedar.h"
#include "validate.h"

static void *
driver_alloc(void *userdata, size_t size)
{
	(void) userdata;
	return malloc(size);
}

static void
driver_release(void *userdata, void *block)
{
	(void) userdata;
	free(block);
}

static json_t *
refusal(const CedarError *err, const char *of)
{
	return json_pack("{ss, ss}", "error", err->message, "of", of);
}

static json_t *
run(CedarArena *arena, json_t *input)
{
	json_t	   *schema_text = json_object_get(input, "schema");
	json_t	   *policy_text = json_object_get(input, "policies");
	json_t	   *level = json_object_get(input, "level");
	json_t	   *list = json_array();
	const CedarSchema *schema;
	CedarAst   *ast;
	const CedarFinding *findings;
	uint32_t	n;
	CedarError	err;

	memset(&err, 0, sizeof(err));
	if (cedar_schema_parse(arena, json_string_value(schema_text), json_string_length(schema_text),
						   CEDAR_SCHEMA_AUTO, &schema, &err) != CEDAR_OK)
		return refusal(&err, "schema");
	if (cedar_parse(arena, json_string_value(policy_text), json_string_length(policy_text),
					&ast, &err) != CEDAR_OK)
		return refusal(&err, "policies");
	if (cedar_validate(arena, schema, ast, 0, cedar_ast_count(ast),
					   json_is_integer(level) ? (uint32_t) json_integer_value(level) : CEDAR_NO_LEVEL,
					   &findings, &n, &err) != CEDAR_OK)
		return refusal(&err, "validation");
	for (uint32_t i = 0; i < n; i++)
	{
		const CedarFinding *f = &findings[i];

		json_array_append_new(list, json_pack("{si, ss, sb, si, si, ss, ss}",
											  "policy", (int) f->policy,
											  "code", cedar_finding_name(f->code),
											  "warning", f->warning,
											  "offset", (int) f->offset,
											  "length", (int) f->length,
											  "message", f->message,
											  "hint", f->hint));
	}
	return json_pack("{so}", "findings", list);
}

int
main(void)
{
	CedarHost	host = {.alloc = driver_alloc, .release = driver_release};
	char	   *line = NULL;
	size_t		cap = 0;
	ssize_t		len;

	while ((len = getline(&line, &cap, stdin)) > 0)
	{
		json_error_t jerr;
		json_t	   *input = json_loadb(line, (size_t) len, JSON_ALLOW_NUL, &jerr);
		CedarArena *arena = cedar_arena_create(&host);
		json_t	   *output;

		if (input == NULL || arena == NULL)
		{
			fprintf(stderr, "not a case: %s\n", jerr.text);
			return 1;
		}
		output = run(arena, input);
		json_dumpf(output, stdout, JSON_COMPACT);
		putchar('\n');
		json_decref(output);
		json_decref(input);
		cedar_arena_destroy(arena);
	}
	free(line);
	return 0;
}
