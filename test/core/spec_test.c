/*-------------------------------------------------------------------------
 *
 * spec_test.c
 *	  The library against the executable specification: each case of
 *	  cases/<name>.jsonl, the fuzzer's seeds, and cases from a generator.
 *
 * Both must give the same decision, the same reasons, and the same policies
 * in error for the same cause; the library with an index and without.
 *
 * Arguments: files of cases to run instead.
 *
 *-------------------------------------------------------------------------
 */
#define _POSIX_C_SOURCE 200809L

#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../fuzz/generate.h"
#include "harness.h"
#include "spec_eval.h"

#define LENGTH(a) (sizeof(a) / sizeof((a)[0]))
#define GENERATED_CASES 3000

static long passed;
static long failed;
static long refused;
static long reasons;
static long errors[CEDAR_EVAL_UNLINKED + 1];
static long allowed;

static bool
agrees(const SpecDecision *spec, CedarArena *arena, const CedarPolicy *policies, uint32_t n,
	   const CedarIndex *index, const CedarEntitySource *source,
	   const CedarRequest *request, char *why, size_t size)
{
	CedarDecision d;
	CedarError	err;
	CedarCode	code;

	memset(&err, 0, sizeof(err));
	code = cedar_authorize(arena, policies, n, index, source, request, true, &d, &err);
	if (code != CEDAR_OK)
	{
		snprintf(why, size, "%s: %s", code_name(code), err.message);
		return false;
	}
	if (!spec_agrees(spec, &d, why, size))
		return false;
	code = cedar_authorize(arena, policies, n, index, source, request, false, &d, &err);
	if (code != CEDAR_OK || d.allow != spec->allow)
	{
		snprintf(why, size, "without reasons: %s, %s", code_name(code),
				 d.allow ? "allow" : "deny");
		return false;
	}
	return true;
}

/* One case; false, with why, when the two differ. */
static bool
run(CedarArena *arena, const char *policies_text, size_t policies_len,
	const char *entities_text, size_t entities_len,
	const char *request_text, size_t request_len, char *why, size_t size)
{
	CedarAst   *ast;
	CedarPolicy *policies;
	CedarEntities *entities,
			   *fresh;
	CedarEntitySource source,
				fresh_source;
	CedarRequest request;
	SpecDecision spec;
	CedarError	err;
	CedarCode	code;
	const CedarIndex *index;
	size_t		bytes;
	uint32_t	n;

	memset(&err, 0, sizeof(err));
	if (cedar_parse(arena, policies_text, policies_len, &ast, &err) != CEDAR_OK ||
		cedar_entities_from_json(arena, entities_text, entities_len, &entities, &err) != CEDAR_OK ||
		cedar_entities_from_json(arena, entities_text, entities_len, &fresh, &err) != CEDAR_OK ||
		cedar_request_from_json(arena, request_text, request_len, &request, &err) != CEDAR_OK)
	{
		refused++;
		return true;
	}
	source = cedar_entities_source(entities);
	fresh_source = cedar_entities_source(fresh);
	code = spec_authorize(arena, ast, &source, &request, &spec, &err);
	if (code == CEDAR_ERR_STACK)
	{
		refused++;
		return true;
	}
	if (code != CEDAR_OK)
	{
		snprintf(why, size, "specification: %s: %s", code_name(code), err.message);
		return false;
	}
	n = cedar_ast_count(ast);
	policies = cedar_arena_alloc(arena, (n + 1) * sizeof(CedarPolicy));
	for (uint32_t i = 0; i < n; i++)
	{
		policies[i] = (CedarPolicy) {.id = "p", .id_len = 1};
		code = cedar_compile(arena, ast, i, &policies[i].piece, &bytes, &err);
		if (code != CEDAR_OK)
		{
			snprintf(why, size, "policy %u: %s: %s", i, code_name(code), err.message);
			return false;
		}
	}
	code = cedar_index_build(arena, policies, n, &index, &bytes, &err);
	if (code != CEDAR_OK)
	{
		snprintf(why, size, "index: %s: %s", code_name(code), err.message);
		return false;
	}
	reasons += spec.n_reasons;
	allowed += spec.allow;
	for (uint32_t i = 0; i < spec.n_errors; i++)
		errors[spec.codes[i]]++;
	return agrees(&spec, arena, policies, n, NULL, &source, &request, why, size) &&
		agrees(&spec, arena, policies, n, index, &fresh_source, &request, why, size);
}

static bool
run_texts(const char *policies, size_t policies_len, const char *entities, size_t entities_len,
		  const char *request, size_t request_len, char *why, size_t size)
{
	Host		host;
	CedarArena *arena;
	bool		ok;

	host_open(&host);
	arena = cedar_arena_create(&host.vtable);
	ok = run(arena, policies, policies_len, entities, entities_len, request, request_len, why, size);
	cedar_arena_destroy(arena);
	if (!host_close(&host))
	{
		snprintf(why, size, "memory is left");
		ok = false;
	}
	return ok;
}

/* A member given as text, or as a value. */
static char *
text_of(json_t *test, const char *member, const char *raw, const char *absent)
{
	json_t	   *text = json_object_get(test, raw);
	json_t	   *value = json_object_get(test, member);

	if (json_is_string(text))
	{
		/* texts with NUL end there, which makes them other cases, no worse */
		return strdup(json_string_value(text));
	}
	if (value == NULL)
		return strdup(absent);
	return json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY);
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
		json_t	   *test = json_loadb(line, (size_t) len, JSON_ALLOW_NUL, NULL);
		char	   *policies,
				   *entities,
				   *request;
		char		why[512] = "";

		number++;
		if (strspn(line, " \t\r\n") == (size_t) len)
			continue;
		if (!json_is_object(test))
		{
			printf("%s:%ld: not a JSON object\n", path, number);
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
		policies = text_of(test, "", "policies", "");
		entities = text_of(test, "entities", "entities_text", "[]");
		request = text_of(test, "request", "request_text", "");
		if (run_texts(policies, strlen(policies), entities, strlen(entities),
					  request, strlen(request), why, sizeof(why)))
			passed++;
		else
		{
			failed++;
			printf("%s:%ld: %s\n", path, number, why);
		}
		free(policies);
		free(entities);
		free(request);
		json_decref(test);
	}
	free(line);
	json_decref(defaults);
	fclose(f);
	printf("%s: %ld cases\n", path, passed + failed - before);
}

/* The same pseudo-random bytes in every run. */
static uint32_t
next_random(uint32_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 17;
	*state ^= *state << 5;
	return *state;
}

static void
run_generated(void)
{
	uint32_t	state = 1;
	long		before = failed;
	long		errors_before[LENGTH(errors)];
	long		allowed_before = allowed;
	long		reasons_before = reasons;

	memcpy(errors_before, errors, sizeof(errors));
	for (int i = 0; i < GENERATED_CASES; i++)
	{
		uint8_t		bytes[2000];
		size_t		len = 40 + next_random(&state) % (sizeof(bytes) - 40);
		Generated	g;
		char		why[512] = "";
		long		refused_before = refused;

		for (size_t k = 0; k < len; k++)
			bytes[k] = (uint8_t) (next_random(&state) >> 11);
		generate(bytes, len, &g);
		if (run_texts(g.policies.data, g.policies.len, g.entities.data, g.entities.len,
					  g.request.data, g.request.len, why, sizeof(why)) &&
			refused == refused_before)
			passed++;
		else if (++failed < before + 5)
			printf("generated case %d: %s\n%s\n%s\n%s\n", i, why, g.policies.data,
				   g.entities.data, g.request.data);
		generated_free(&g);
	}
	printf("%d generated cases\n", GENERATED_CASES);

	/* a generator that went stale would make all of this worth nothing */
	for (int code = CEDAR_EVAL_TYPE; code < CEDAR_EVAL_UNLINKED; code++)
	{
		if (code == CEDAR_EVAL_ARITY || errors[code] > errors_before[code])
			passed++;
		else
		{
			printf("no generated policy failed with %s\n", code_name((CedarCode) code));
			failed++;
		}
	}
	if (allowed - allowed_before > GENERATED_CASES / 10 && reasons - reasons_before > GENERATED_CASES)
		passed++;
	else
	{
		printf("only %ld of the generated decisions allow, with %ld reasons\n",
			   allowed - allowed_before, reasons - reasons_before);
		failed++;
	}
}

int
main(int argc, char **argv)
{
	glob_t		files;

	for (int i = 1; i < argc; i++)
		run_file(argv[i]);
	if (argc == 1)
	{
		if (glob("cases/*.jsonl", 0, NULL, &files) == 0)
		{
			for (size_t i = 0; i < files.gl_pathc; i++)
				run_file(files.gl_pathv[i]);
			globfree(&files);
		}
		run_file("../../fuzz/seeds.jsonl");
		run_generated();
	}
	printf("%ld allowed, %ld reasons, %ld refused before a decision; errors:", allowed, reasons, refused);
	for (int code = CEDAR_EVAL_TYPE; code <= CEDAR_EVAL_UNLINKED; code++)
		printf(" %s %ld", code_name((CedarCode) code), errors[code]);
	printf("\n%ld passed, %ld failed\n", passed, failed);
	return failed == 0 && passed > 0 ? 0 : 1;
}
