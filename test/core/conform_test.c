/*-------------------------------------------------------------------------
 *
 * conform_test.c
 *	  Data read by a schema: the cases of conform_cases/<name>.jsonl, values
 *	  checked without JSON, and a host that refuses or jumps away at every call.
 *
 * A case has "schema" (a text in either form), and some of "entities",
 * "request" (JSON values; as texts "entities_text", "request_text") and
 * "policies" (a text); "expect" was filled in by
 * the reference: "entities" and "request" say whether they fit, and where both
 * do, "decision", "reason" and "errors" what the policies decide.  By hand it
 * may have "entities_error" or "request_error" with some of "code", "message",
 * "hint" (parts of the texts), and "at", the JSON at the error's position.
 *
 * The first line of a file may be {"defaults": {...}}: what its cases have
 * when they have nothing of their own.
 *
 * Arguments: files to run instead of all of them; or --answer, to answer
 * cases from standard input, one a line.
 *
 *-------------------------------------------------------------------------
 */
#define _POSIX_C_SOURCE 200809L

#include <glob.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "conform.h"
#include "entity.h"
#include "unit.h"

/* ---------------------------------------------------------------- answers */

static void
set_fault(json_t *answer, const char *fmt,...)
{
	char		buf[512];
	va_list		args;

	va_start(args, fmt);
	vsnprintf(buf, sizeof(buf), fmt, args);
	va_end(args);
	json_object_set_new(answer, "fault", json_string(buf));
}

static json_t *
error_of(json_t *answer, CedarCode code, const CedarError *err, const char *text, size_t len)
{
	json_t	   *out = json_object();

	if (err->code != code || err->message[0] == '\0')
		set_fault(answer, "returned %s, the error says %s", code_name(code), code_name(err->code));
	json_object_set_new(out, "code", json_string(code_name(code)));
	json_object_set_new(out, "message", json_string(err->message));
	json_object_set_new(out, "hint", json_string(err->hint));
	if (!err->has_position)
		return out;
	if (err->offset > len || err->length > len - err->offset)
		set_fault(answer, "position %zu+%zu of %zu", err->offset, err->length, len);
	else
		json_object_set_new(out, "at", json_stringn(text + err->offset, err->length));
	return out;
}

static bool
same_record(const CedarRecord *a, const CedarRecord *b)
{
	CedarValue	x,
				y;

	if (a == NULL || b == NULL || a->n == 0 || b->n == 0)
		return (a == NULL || a->n == 0) && (b == NULL || b->n == 0);
	x = cedar_value_rec(a);
	y = cedar_value_rec(b);
	return cedar_value_equal(&x, &y);
}

/*
 * What was read by the schema fits it; what was read without it and fits is
 * the same.
 */
static void
check_entities(CedarArena *arena, const CedarSchema *schema, const char *text, size_t len,
			   CedarEntities *es, json_t *answer)
{
	CedarEntities *plain;
	CedarError	err;
	bool		fits = true;

	memset(&err, 0, sizeof(err));
	for (uint32_t i = 0; es != NULL && i < es->cap; i++)
		if (es->table[i] != NULL &&
			cedar_conform_entity(arena, schema, es->table[i], &err) != CEDAR_OK)
			set_fault(answer, "an entity that was read does not fit: %s", err.message);
	for (uint32_t i = 0; es != NULL && i < schema->n_actions; i++)
	{
		CedarEntity *action = *cedar_entities_place(es, schema->actions[i].uid);

		if (action == NULL || action->n_parents != schema->actions[i].n_ancestors)
			set_fault(answer, "an action of the schema is not there");
	}
	if (cedar_entities_from_json(arena, text, len, &plain, &err) != CEDAR_OK)
		return;
	for (uint32_t i = 0; i < plain->cap && fits; i++)
	{
		CedarEntity *e = plain->table[i];
		CedarEntity *typed;

		if (e == NULL)
			continue;
		if (cedar_conform_entity(arena, schema, e, &err) != CEDAR_OK)
		{
			/* given alone, an action has all its groups as parents */
			fits = cedar_uid_is_action(e->uid);
			continue;
		}
		typed = es == NULL ? NULL : *cedar_entities_place(es, e->uid);
		if (typed != NULL && (!same_record(e->attrs, typed->attrs) || !same_record(e->tags, typed->tags)))
			set_fault(answer, "an entity is another when it is read by the schema");
	}
	/* actions aside, all of them fit: so they must as a whole */
	for (uint32_t i = 0; i < plain->cap; i++)
		if (plain->table[i] != NULL && cedar_uid_is_action(plain->table[i]->uid))
			fits = false;
	if (fits && es == NULL)
		set_fault(answer, "each entity fits, all of them do not");
}

static void
check_request(CedarArena *arena, const CedarSchema *schema, const char *text, size_t len,
			  const CedarRequest *request, json_t *answer)
{
	CedarRequest plain;
	CedarError	err;
	bool		fits;

	memset(&err, 0, sizeof(err));
	if (request != NULL && cedar_conform_request(arena, schema, request, &err) != CEDAR_OK)
		set_fault(answer, "a request that was read does not fit: %s", err.message);
	if (cedar_request_from_json(arena, text, len, &plain, &err) != CEDAR_OK)
		return;
	fits = cedar_conform_request(arena, schema, &plain, &err) == CEDAR_OK;
	if (fits && request == NULL)
		set_fault(answer, "a request fits, but not when it is read by the schema");
	if (fits && request != NULL && !same_record(plain.context, request->context))
		set_fault(answer, "a context is another when it is read by the schema");
}

static json_t *
sorted(json_t *list)
{
	/* few: by insertion */
	for (size_t i = 1; i < json_array_size(list); i++)
	{
		for (size_t k = i; k > 0 && strcmp(json_string_value(json_array_get(list, k - 1)),
										   json_string_value(json_array_get(list, k))) > 0; k--)
		{
			json_t	   *low = json_incref(json_array_get(list, k));

			json_array_set(list, k, json_array_get(list, k - 1));
			json_array_set_new(list, k - 1, low);
		}
	}
	return list;
}

static void
decide_case(Bench *b, const char *text, CedarEntities *entities, const CedarRequest *request,
			json_t *answer)
{
	CedarAst   *ast;
	CedarPolicy policies[64];
	CedarDecision d;
	CedarEntitySource source = cedar_entities_source(entities);
	json_t	   *reason = json_array();
	json_t	   *errors = json_array();
	CedarCode	code = cedar_parse(b->arena, text, strlen(text), &ast, &b->err);
	char		id[32];

	if (code == CEDAR_OK && cedar_ast_count(ast) > LENGTH(policies))
		code = CEDAR_ERR_LIMIT;
	for (uint32_t i = 0; code == CEDAR_OK && i < cedar_ast_count(ast); i++)
	{
		size_t		size;

		policies[i].id = "";
		policies[i].id_len = 0;
		code = cedar_compile(b->arena, ast, i, &policies[i].piece, &size, &b->err);
	}
	if (code == CEDAR_OK)
		code = cedar_authorize(b->arena, policies, cedar_ast_count(ast), NULL, &source, request,
							   true, &d, &b->err);
	if (code != CEDAR_OK)
		set_fault(answer, "%s: %s", code_name(code), b->err.message);
	else
	{
		for (uint32_t i = 0; i < d.n_reasons; i++)
		{
			snprintf(id, sizeof(id), "policy%u", (unsigned) d.reasons[i]);
			json_array_append_new(reason, json_string(id));
		}
		for (uint32_t i = 0; i < d.n_errors; i++)
		{
			snprintf(id, sizeof(id), "policy%u", (unsigned) d.errors[i].policy);
			json_array_append_new(errors, json_string(id));
		}
		json_object_set_new(answer, "decision", json_string(d.allow ? "allow" : "deny"));
	}
	json_object_set_new(answer, "reason", sorted(reason));
	json_object_set_new(answer, "errors", sorted(errors));
}

/*
 * A member as a text of exactly its size, or the text that is given in its
 * place; NULL when there is neither.
 */
static char *
member_text(json_t *input, const char *key, const char *text_key, size_t *len)
{
	json_t	   *value = json_object_get(input, key);
	json_t	   *text = json_object_get(input, text_key);
	char	   *dumped,
			   *copy;

	*len = 0;
	if (value == NULL && text == NULL)
		return NULL;
	dumped = text != NULL ? strdup(json_string_value(text)) :
		json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY);
	*len = strlen(dumped);
	copy = malloc(*len);
	memcpy(copy, dumped, *len);
	free(dumped);
	return copy;
}

static json_t *
run_conform(json_t *input)
{
	json_t	   *answer = json_object();
	const char *schema_text = json_string_value(json_object_get(input, "schema"));
	const char *policies = json_string_value(json_object_get(input, "policies"));
	size_t		entities_len,
				request_len;
	char	   *entities_text = member_text(input, "entities", "entities_text", &entities_len);
	char	   *request_text = member_text(input, "request", "request_text", &request_len);
	const CedarSchema *schema;
	CedarEntities *entities = NULL;
	CedarRequest request;
	bool		asked = false;
	Bench		b;
	CedarCode	code;

	bench_open(&b);
	if (schema_text == NULL)
		set_fault(answer, "there is no \"schema\"");
	else if (cedar_schema_parse(b.arena, schema_text, strlen(schema_text), CEDAR_SCHEMA_AUTO,
								&schema, &b.err) != CEDAR_OK)
		set_fault(answer, "schema: %s", b.err.message);
	else
	{
		if (entities_text != NULL)
		{
			code = cedar_conform_entities_from_json(b.arena, schema, entities_text, entities_len,
													&entities, &b.err);
			json_object_set_new(answer, "entities", json_boolean(code == CEDAR_OK));
			if (code != CEDAR_OK)
			{
				json_object_set_new(answer, "entities_error",
									error_of(answer, code, &b.err, entities_text, entities_len));
				entities = NULL;
			}
			check_entities(b.arena, schema, entities_text, entities_len, entities, answer);
		}
		if (request_text != NULL)
		{
			code = cedar_conform_request_from_json(b.arena, schema, request_text, request_len,
												   &request, &b.err);
			asked = code == CEDAR_OK;
			json_object_set_new(answer, "request", json_boolean(asked));
			if (!asked)
				json_object_set_new(answer, "request_error",
									error_of(answer, code, &b.err, request_text, request_len));
			check_request(b.arena, schema, request_text, request_len, asked ? &request : NULL,
						  answer);
		}
		if (entities != NULL && asked && policies != NULL)
			decide_case(&b, policies, entities, &request, answer);
	}
	bench_close(&b);
	free(entities_text);
	free(request_text);
	return answer;
}

static int
answer_lines(void)
{
	char	   *line = NULL;
	size_t		cap = 0;
	ssize_t		len;
	int			status = 0;

	while ((len = getline(&line, &cap, stdin)) > 0)
	{
		json_error_t jerr;
		json_t	   *input = json_loadb(line, (size_t) len, JSON_ALLOW_NUL, &jerr);
		json_t	   *answer = run_conform(input);

		if (json_object_get(answer, "fault") != NULL)
			status = 1;
		json_dumpf(answer, stdout, JSON_COMPACT);
		putchar('\n');
		fflush(stdout);
		json_decref(answer);
		json_decref(input);
	}
	free(line);
	return status;
}

/* ------------------------------------------------------------------ cases */

static bool
contains(json_t *said, json_t *part)
{
	return json_is_string(said) && json_is_string(part) &&
		strstr(json_string_value(said), json_string_value(part)) != NULL;
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
		json_t	   *got = json_object_get(answer, key);
		const char *part;
		json_t	   *want;

		if (!json_is_object(value))
		{
			if (!json_equal(got, value))
				return false;
			continue;
		}
		json_object_foreach(value, part, want)
		{
			json_t	   *said = json_object_get(got, part);

			if (strcmp(part, "code") == 0 || strcmp(part, "at") == 0 ?
				!json_equal(said, want) : !contains(said, want))
				return false;
		}
	}
	return true;
}

static void
run_file(const char *path)
{
	FILE	   *f = fopen(path, "r");
	char	   *line = NULL;
	size_t		cap = 0;
	ssize_t		len;
	long		number = 0;
	json_t	   *defaults = json_object();

	CHECKF(f != NULL, "%s cannot be opened", path);
	if (f == NULL)
		return;
	while ((len = getline(&line, &cap, f)) > 0)
	{
		json_error_t jerr;
		json_t	   *test = json_loadb(line, (size_t) len, JSON_ALLOW_NUL | JSON_REJECT_DUPLICATES,
									  &jerr);
		json_t	   *answer;

		number++;
		if (!json_is_object(test))
		{
			CHECKF(false, "%s:%ld: not a JSON object: %s", path, number, test ? "" : jerr.text);
			json_decref(test);
			continue;
		}
		if (json_object_get(test, "defaults") != NULL)
		{
			json_object_update(defaults, json_object_get(test, "defaults"));
			json_decref(test);
			continue;
		}
		json_object_update_missing(test, defaults);
		answer = run_conform(test);
		if (as_expected(json_object_get(test, "expect"), answer))
			CHECK(true);
		else
		{
			char	   *said = json_dumps(answer, JSON_COMPACT);

			CHECKF(false, "%s:%ld:\n  case: %s  answer: %s", path, number, line, said);
			free(said);
		}
		json_decref(answer);
		json_decref(test);
	}
	json_decref(defaults);
	free(line);
	fclose(f);
	printf("%s: %ld lines\n", path, number);
}

static void
run_cases(void)
{
	glob_t		files;

	if (glob("conform_cases/*.jsonl", 0, NULL, &files) != 0)
	{
		CHECKF(false, "no conform_cases/*.jsonl in the current folder");
		return;
	}
	for (size_t i = 0; i < files.gl_pathc; i++)
		run_file(files.gl_pathv[i]);
	globfree(&files);
}

int
main(int argc, char **argv)
{
	if (argc == 2 && strcmp(argv[1], "--answer") == 0)
		return answer_lines();
	for (int i = 1; i < argc; i++)
		run_file(argv[i]);
	if (argc == 1)
		run_cases();
	return checks_end();
}
