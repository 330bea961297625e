/*-------------------------------------------------------------------------
 *
 * schema_test.c
 *	  Runs the cases of schema_cases/<name>.jsonl, one JSON object a line.
 *
 * A case has "schema" (a text), perhaps "format" ("cedar", "json"; else what
 * the text looks like) and "expect", which the reference filled in:
 *	"parses"	does it make a schema?
 *	"json"		its JSON form
 *	"resolved"	what its names mean: types written out, hierarchies closed
 *	"text"		has it a form in the Cedar syntax?
 *	"text_json"	the JSON form of that, where it is not "json"; null where the
 *				reference writes what it does not read
 * and by hand "code", "offset", "length", "message", "hint" of an error; a
 * message or a hint needs to be a part only.
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

#include "schema.h"
#include "unit.h"

/* ---------------------------------------------------------------- answers */

static json_t *
json_of_str(const CedarStr *s)
{
	return json_stringn(s->bytes, s->len);
}

/* What a type written out may take; beyond that the answer has no "resolved". */
#define DUMP_LIMIT 20000

static json_t *
dump_type(const CedarType *t, long *left)
{
	json_t	   *out = json_object();

	if (--*left < 0)
		return out;
	switch (t->kind)
	{
		case CEDAR_TYPE_BOOL:
			json_object_set_new(out, "type", json_string("Boolean"));
			break;
		case CEDAR_TYPE_LONG:
			json_object_set_new(out, "type", json_string("Long"));
			break;
		case CEDAR_TYPE_STRING:
			json_object_set_new(out, "type", json_string("String"));
			break;
		case CEDAR_TYPE_ENTITY:
			json_object_set_new(out, "type", json_string("Entity"));
			json_object_set_new(out, "name", json_of_str(t->name));
			break;
		case CEDAR_TYPE_SET:
			json_object_set_new(out, "type", json_string("Set"));
			json_object_set_new(out, "element", dump_type(t->elem, left));
			break;
		case CEDAR_TYPE_RECORD:
			{
				/* a list: keys of jansson's objects hold no NUL */
				json_t	   *attrs = json_array();

				json_object_set_new(out, "type", json_string("Record"));
				for (uint32_t i = 0; i < t->n_attrs; i++)
				{
					const CedarAttrType *a = &t->attrs[i];
					json_t	   *attr;

					if (*left < 0)
						break;
					attr = json_array();
					json_array_append_new(attr, json_of_str(a->name));
					json_array_append_new(attr, json_boolean(a->required));
					json_array_append_new(attr, dump_type(a->type, left));
					json_array_append_new(attrs, attr);
				}
				json_object_set_new(out, "attributes", attrs);
				break;
			}
		case CEDAR_TYPE_DECIMAL:
		case CEDAR_TYPE_IPADDR:
		case CEDAR_TYPE_DATETIME:
		case CEDAR_TYPE_DURATION:
			{
				static const char *const names[] = {"decimal", "ipaddr", "datetime", "duration"};

				json_object_set_new(out, "type", json_string("Extension"));
				json_object_set_new(out, "name", json_string(names[t->kind - CEDAR_TYPE_DECIMAL]));
				break;
			}
		default:
			json_object_set_new(out, "type", json_string("a type of the validator alone"));
	}
	return out;
}

static json_t *
dump_strs(const CedarStr *const *list, uint32_t n)
{
	json_t	   *out = json_array();

	for (uint32_t i = 0; i < n; i++)
		json_array_append_new(out, json_of_str(list[i]));
	return out;
}

static json_t *
dump_uid(const CedarUid *uid)
{
	json_t	   *out = json_array();

	json_array_append_new(out, json_stringn(uid->bytes, uid->type_len));
	json_array_append_new(out, json_stringn(uid->bytes + uid->type_len, uid->id_len));
	return out;
}

/* NULL when it is too large to be written out. */
static json_t *
dump_schema(const CedarSchema *s)
{
	json_t	   *out = json_object();
	json_t	   *entities = json_object();
	json_t	   *actions = json_array();
	long		left = DUMP_LIMIT;

	json_object_set_new(out, "entities", entities);
	json_object_set_new(out, "actions", actions);
	for (uint32_t i = 0; i < s->n_entities; i++)
	{
		const CedarEntityType *e = &s->entities[i];
		json_t	   *entity = json_object();
		char		name[1024];

		left -= e->n_ancestors;
		if (left < 0)
			break;
		json_object_set_new(entity, "ancestors", dump_strs(e->ancestors, e->n_ancestors));
		json_object_set_new(entity, "shape", dump_type(e->shape, &left));
		if (e->tags != NULL)
			json_object_set_new(entity, "tags", dump_type(e->tags, &left));
		if (e->is_enum)
			json_object_set_new(entity, "enum", dump_strs(e->ids, e->n_ids));
		snprintf(name, sizeof(name), "%.*s", (int) e->name->len, e->name->bytes);
		json_object_set_new(entities, name, entity);
	}
	for (uint32_t i = 0; i < s->n_actions && left > 0; i++)
	{
		const CedarActionType *a = &s->actions[i];
		json_t	   *action = json_object();
		json_t	   *ancestors = json_array();

		left -= a->n_ancestors;
		if (left < 0)
			break;
		for (uint32_t k = 0; k < a->n_ancestors; k++)
			json_array_append_new(ancestors, dump_uid(a->ancestors[k]));
		json_object_set_new(action, "uid", dump_uid(a->uid));
		json_object_set_new(action, "ancestors", ancestors);
		json_object_set_new(action, "principals", dump_strs(a->principals, a->n_principals));
		json_object_set_new(action, "resources", dump_strs(a->resources, a->n_resources));
		json_object_set_new(action, "context", dump_type(a->context, &left));
		json_array_append_new(actions, action);
	}
	if (left < 0)
	{
		json_decref(out);
		return NULL;
	}
	return out;
}

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
dump_error(json_t *answer, CedarCode code, const CedarError *err, size_t text_len)
{
	json_t	   *out = json_object();

	if (err->code != code || err->message[0] == '\0')
		set_fault(answer, "returned %s, the error says %s", code_name(code), code_name(err->code));
	if (err->has_position && (err->offset > text_len || err->length > text_len - err->offset))
		set_fault(answer, "position %zu+%zu of %zu", err->offset, err->length, text_len);
	json_object_set_new(out, "code", json_string(code_name(code)));
	json_object_set_new(out, "message", json_string(err->message));
	if (err->hint[0] != '\0')
		json_object_set_new(out, "hint", json_string(err->hint));
	if (err->has_position)
	{
		json_object_set_new(out, "offset", json_integer((json_int_t) err->offset));
		json_object_set_new(out, "length", json_integer((json_int_t) err->length));
	}
	return out;
}

/* A copy of exactly this size, so that reading beyond it is seen. */
static char *
exact_copy(const char *s, size_t len)
{
	char	   *copy = malloc(len > 0 ? len : 1);

	if (copy == NULL)
		abort();
	memcpy(copy, s, len);
	return copy;
}

/* The lists of a schema must be as schema.h says. */
static const char *
check_lists(const CedarSchema *s)
{
	for (uint32_t i = 0; i < s->n_entities; i++)
	{
		const CedarEntityType *e = &s->entities[i];

		if (cedar_schema_entity(s, e->name) != e)
			return "an entity type is not found by its name";
		if (e->shape == NULL || e->shape->kind != CEDAR_TYPE_RECORD || e->shape->open)
			return "a shape is no closed record";
		if (e->is_enum != (e->n_ids > 0) || (e->is_enum && e->tags != NULL))
			return "an enumeration has ids and no tags";
		for (uint32_t k = 0; k < e->n_ancestors; k++)
			if (!cedar_schema_type_in(e, e->ancestors[k]))
				return "an ancestor is not found";
		for (uint32_t k = 0; k < e->shape->n_attrs; k++)
			if (cedar_type_attr(e->shape, e->shape->attrs[k].name) != &e->shape->attrs[k])
				return "an attribute is not found";
	}
	for (uint32_t i = 0; i < s->n_actions; i++)
	{
		const CedarActionType *a = &s->actions[i];

		if (cedar_schema_action(s, a->uid) != a)
			return "an action is not found by its uid";
		if (a->context == NULL || a->context->kind != CEDAR_TYPE_RECORD)
			return "a context is no record";
		for (uint32_t k = 0; k < a->n_ancestors; k++)
			if (!cedar_schema_action_in(a, a->ancestors[k]))
				return "a group is not found";
		if (cedar_schema_action_in(a, a->uid))
			return "an action is its own group";
	}
	return NULL;
}

static CedarSchemaFormat
format_of(json_t *input)
{
	const char *format = json_string_value(json_object_get(input, "format"));

	if (format == NULL)
		return CEDAR_SCHEMA_AUTO;
	return strcmp(format, "json") == 0 ? CEDAR_SCHEMA_JSON : CEDAR_SCHEMA_CEDAR;
}

/* "json" and "text" come as strings: their objects may have any keys. */
static json_t *
run_schema(json_t *input)
{
	json_t	   *schema = json_object_get(input, "schema");
	json_t	   *answer = json_object();
	CedarSchemaFormat format = format_of(input);
	size_t		len = json_string_length(schema);
	char	   *text;
	Host		host;
	CedarArena *arena;
	CedarError	err;
	CedarCode	code,
				other;
	const CedarSchema *parsed;
	const char *json,
			   *out;
	size_t		json_len,
				out_len;

	if (!json_is_string(schema))
	{
		set_fault(answer, "there is no \"schema\"");
		return answer;
	}
	text = exact_copy(json_string_value(schema), len);
	memset(&err, 0, sizeof(err));
	host_open(&host);
	arena = cedar_arena_create(&host.vtable);
	code = cedar_schema_parse(arena, text, len, format, &parsed, &err);
	json_object_set_new(answer, "parses", json_boolean(code == CEDAR_OK));
	if (code != CEDAR_OK)
	{
		json_object_set_new(answer, "error", dump_error(answer, code, &err, len));
		other = cedar_schema_to_json(arena, text, len, format, &json, &json_len, &err);
		if (other != code)
			set_fault(answer, "parse says %s, to_json %s", code_name(code), code_name(other));
		other = cedar_schema_to_text(arena, text, len, format, &json, &json_len, &err);
		if (other != code)
			set_fault(answer, "parse says %s, to_text %s", code_name(code), code_name(other));
	}
	else
	{
		const char *fault = check_lists(parsed);
		json_t	   *resolved = dump_schema(parsed);

		if (fault != NULL)
			set_fault(answer, "%s", fault);
		if (resolved != NULL)
			json_object_set_new(answer, "resolved", resolved);
		code = cedar_schema_to_json(arena, text, len, format, &json, &json_len, &err);
		if (code != CEDAR_OK)
			set_fault(answer, "it parses, but to_json says %s", err.message);
		else
			json_object_set_new(answer, "json", json_stringn(json, json_len));
		code = cedar_schema_to_text(arena, text, len, format, &out, &out_len, &err);
		json_object_set_new(answer, "text", json_boolean(code == CEDAR_OK));
		if (code != CEDAR_OK)
			json_object_set_new(answer, "text_error", dump_error(answer, code, &err, len));
		else
		{
			char	   *copy = exact_copy(out, out_len);

			json_object_set_new(answer, "text_out", json_stringn(out, out_len));
			code = cedar_schema_to_json(arena, copy, out_len, CEDAR_SCHEMA_CEDAR, &json, &json_len,
										&err);
			if (code != CEDAR_OK)
				json_object_set_new(answer, "text_json_error",
									dump_error(answer, code, &err, out_len));
			else
				json_object_set_new(answer, "text_json", json_stringn(json, json_len));
			free(copy);
		}
	}
	cedar_arena_destroy(arena);
	if (!host_close(&host))
		set_fault(answer, "memory is left");
	free(text);
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
		json_t	   *answer = run_schema(input);

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

/* Is the text the JSON value? */
static bool
text_is(json_t *text, json_t *value)
{
	json_error_t jerr;
	json_t	   *parsed;
	bool		same;

	if (!json_is_string(text))
		return false;
	parsed = json_loadb(json_string_value(text), json_string_length(text),
						JSON_ALLOW_NUL | JSON_REJECT_DUPLICATES, &jerr);
	same = json_equal(parsed, value);
	json_decref(parsed);
	return same;
}

static bool
as_expected(json_t *expect, json_t *answer)
{
	json_t	   *error = json_object_get(answer, "error");
	const char *key;
	json_t	   *value;

	if (!json_is_object(expect) || json_object_get(expect, "parses") == NULL ||
		json_object_get(answer, "fault") != NULL)
		return false;
	json_object_foreach(expect, key, value)
	{
		if (strcmp(key, "text_json") == 0 && json_is_null(value))
			continue;
		if (strcmp(key, "json") == 0 || strcmp(key, "text_json") == 0)
		{
			if (!text_is(json_object_get(answer, key), value))
				return false;
		}
		else if (strcmp(key, "code") == 0 || strcmp(key, "offset") == 0 || strcmp(key, "length") == 0)
		{
			if (!json_equal(json_object_get(error, key), value))
				return false;
		}
		else if (strcmp(key, "message") == 0 || strcmp(key, "hint") == 0)
		{
			const char *said = json_string_value(json_object_get(error, key));

			if (said == NULL || !json_is_string(value) ||
				strstr(said, json_string_value(value)) == NULL)
				return false;
		}
		else if (!json_equal(json_object_get(answer, key), value))
			return false;
	}
	/* what the syntax can say comes back as it was, unless "text_json" says else */
	if (json_is_true(json_object_get(expect, "text")) &&
		json_object_get(expect, "text_json") == NULL)
		return text_is(json_object_get(answer, "text_json"), json_object_get(expect, "json"));
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
		answer = run_schema(test);
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
	free(line);
	fclose(f);
	printf("%s: %ld cases\n", path, number);
}

static void
run_cases(int n, char **paths)
{
	glob_t		files;

	for (int i = 0; i < n; i++)
		run_file(paths[i]);
	if (n > 0)
		return;
	if (glob("schema_cases/*.jsonl", 0, NULL, &files) != 0)
	{
		CHECKF(false, "no schema_cases/*.jsonl in the current folder");
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
	run_cases(argc - 1, argv + 1);
	return checks_end();
}
