/*-------------------------------------------------------------------------
 *
 * cases_test.c
 *	  Runs the cases of cases/<name>.jsonl, one JSON object a line, and
 *	  compares each answer with the case's "expect" (cases/README.md).
 *
 * expect is {"parses": bool}, {"refused": "entities" | "request"} or
 * {"decision", "reason", "errors"} with sorted ids and, for each policy that
 * fails, its error in "codes"; it may also name the error's "code", "offset",
 * "length", and every member it has must agree.
 *
 * Arguments: files to run instead of all of them.
 *
 *-------------------------------------------------------------------------
 */
#define _POSIX_C_SOURCE 200809L

#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness.h"

static long passed;
static long failed;

/* What each failing policy failed with: messages are "id: code: text". */
static json_t *
failure_codes(json_t *answer)
{
	json_t	   *codes = json_object();
	json_t	   *messages = json_object_get(answer, "messages");
	json_t	   *message;
	size_t		i;

	json_array_foreach(messages, i, message)
	{
		const char *id = json_string_value(message);
		const char *code = strstr(id, ": ");
		const char *end = code ? strstr(code + 2, ": ") : NULL;

		if (end != NULL)
			json_object_setn_new(codes, id, (size_t) (code - id),
								 json_stringn(code + 2, (size_t) (end - code - 2)));
	}
	return codes;
}

/* The answer's member that an expected member is compared with; borrowed. */
static json_t *
answer_member(json_t *answer, const char *key)
{
	json_t	   *error = json_object_get(answer, "error");

	if (strcmp(key, "code") == 0 || strcmp(key, "offset") == 0 || strcmp(key, "length") == 0)
		return json_object_get(error, key);
	if (strcmp(key, "codes") == 0)
		json_object_set_new(answer, key, failure_codes(answer));
	return json_object_get(answer, key);
}

static bool
as_expected(json_t *expect, json_t *answer)
{
	const char *key;
	json_t	   *value;

	if (!json_is_object(expect) || json_object_size(expect) == 0 ||
		json_object_get(answer, "fault") != NULL)
		return false;
	json_object_foreach(expect, key, value)
	{
		if (!json_equal(value, answer_member(answer, key)))
			return false;
	}
	return true;
}

static void
run_file(const char *path)
{
	json_t	   *defaults = json_object();
	FILE	   *f = fopen(path, "r");
	char	   *line = NULL;
	size_t		cap = 0;
	ssize_t		len;
	long		number = 0;
	long		before = passed + failed;

	if (f == NULL)
	{
		printf("%s: cannot be opened\n", path);
		failed++;
		return;
	}
	while ((len = getline(&line, &cap, f)) > 0)
	{
		json_error_t jerr;
		json_t	   *test;
		json_t	   *answer;

		number++;
		if (strspn(line, " \t\r\n") == (size_t) len)
			continue;
		test = json_loadb(line, (size_t) len, JSON_ALLOW_NUL | JSON_REJECT_DUPLICATES, &jerr);
		if (!json_is_object(test))
		{
			printf("%s:%ld: not a JSON object: %s\n", path, number,
				   test ? "" : jerr.text);
			failed++;
			json_decref(test);
			continue;
		}
		if (json_object_get(test, "defaults") != NULL)
		{
			json_decref(defaults);
			defaults = json_incref(json_object_get(test, "defaults"));
			json_decref(test);
			continue;
		}
		complete_case(test, defaults);
		answer = run_case(test);
		if (as_expected(json_object_get(test, "expect"), answer))
			passed++;
		else
		{
			const char *name = json_string_value(json_object_get(test, "name"));

			failed++;
			printf("%s:%ld: %s\n  case: ", path, number, name ? name : "");
			json_object_del(test, "name");
			json_dumpf(test, stdout, JSON_COMPACT);
			printf("\n  answer: ");
			json_dumpf(answer, stdout, JSON_COMPACT);
			printf("\n");
		}
		json_decref(answer);
		json_decref(test);
	}
	json_decref(defaults);
	free(line);
	fclose(f);
	printf("%s: %ld cases\n", path, passed + failed - before);
}

int
main(int argc, char **argv)
{
	if (argc > 1)
	{
		for (int i = 1; i < argc; i++)
			run_file(argv[i]);
	}
	else
	{
		glob_t		files;

		if (glob("cases/*.jsonl", 0, NULL, &files) != 0)
		{
			printf("no cases/*.jsonl in the current folder\n");
			failed++;
		}
		else
		{
			for (size_t i = 0; i < files.gl_pathc; i++)
				run_file(files.gl_pathv[i]);
			globfree(&files);
		}
	}
	printf("%ld passed, %ld failed\n", passed, failed);
	return failed == 0 && passed > 0 ? 0 : 1;
}
