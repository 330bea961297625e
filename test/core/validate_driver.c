/*-------------------------------------------------------------------------
 *
 * validate_driver.c
 *	  cedar-validate-driver: a schema, policies and requests as one JSON line
 *	  on standard input, what the library says of them as one JSON line on
 *	  standard output.
 *
 * A line has "schema" (a text), perhaps "format" ("cedar", "json"; else what
 * the text looks like), "policies" (texts of one policy or template each), and
 * perhaps
 *	"links"		[{"template": number of a policy, "id",
 *				"principal": {"type", "id"}, "resource": {"type", "id"}}]
 *	"levels"	numbers: validate with these levels, too
 *	"entities", "requests"	a text, a list of texts, both JSON
 *
 * The answer has
 *	"schema"	does it make one?  "json": its JSON form, a text
 *	"parses"	of each policy
 *	"forms"		of each: its JSON form, a text; null when it does not parse
 *	"findings"	[[policy, code, is it a warning?, start, end]], start and end
 *				in bytes of this policy's text; "levels": the same of each level
 *	"links"		[[number of the link, code, is it a warning?]]
 *	"plain", "typed"	without and with the schema: {"entities": are they
 *				read?, "requests": [{"fits", "decision", "reason", "errors"}]};
 *				reason and errors name policies by "policy" and number, links
 *				by their id
 *	"errors"	messages of what was refused, for people
 *	"fault"		when the library broke a promise of its headers
 *
 * Exit status 1 when a line is not a case or an answer has a fault.
 *
 *-------------------------------------------------------------------------
 */
#define _POSIX_C_SOURCE 200809L

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "conform.h"
#include "harness.h"
#include "policy_json.h"
#include "validate.h"

typedef struct Case
{
	Host		host;
	CedarArena *arena;
	json_t	   *input;
	json_t	   *answer;
	json_t	   *errors;
	const CedarSchema *schema;	/* NULL: there is none */
	CedarAst   *ast;			/* the policies that parse, in one text */
	size_t	   *starts;			/* of each in that text */
	size_t	   *numbers;		/* of each in "policies" */
	uint32_t   *places;			/* of each in ast, UINT32_MAX when it does not parse */
	char	   *text;
	size_t		text_len;
	CedarPolicy *policies;		/* of ast, then the links */
	uint32_t	n_policies;
} Case;

static void
fault(Case *c, const char *what, const CedarError *err)
{
	char		buf[400];

	snprintf(buf, sizeof(buf), "%s%s%s", what, err != NULL ? ": " : "",
			 err != NULL ? err->message : "");
	json_object_set_new(c->answer, "fault", json_string(buf));
}

/* Keep the message; was it refused? */
static bool
refused(Case *c, const char *what, CedarCode code, const CedarError *err, size_t len)
{
	char		buf[400];

	if (code == CEDAR_OK)
		return false;
	if (code != err->code)
		fault(c, "the code is not the error's", err);
	if (err->has_position && (err->offset > len || err->length > len - err->offset))
		fault(c, "a position is outside of the text", err);
	if (err->message[0] == '\0')
		fault(c, "an error has no message", NULL);
	snprintf(buf, sizeof(buf), "%s: %s: %s", what, code_name(code), err->message);
	json_array_append_new(c->errors, json_string(buf));
	return true;
}

static bool
failed_for_limits(CedarCode code)
{
	return code == CEDAR_ERR_LIMIT || code == CEDAR_ERR_STACK || code == CEDAR_ERR_NOMEM;
}

/* ----------------------------------------------------------------- schema */

static void
read_schema(Case *c)
{
	json_t	   *text = json_object_get(c->input, "schema");
	const char *format = json_string_value(json_object_get(c->input, "format"));
	CedarSchemaFormat f = format == NULL ? CEDAR_SCHEMA_AUTO :
		strcmp(format, "json") == 0		 ? CEDAR_SCHEMA_JSON :
										   CEDAR_SCHEMA_CEDAR;
	CedarError	err;
	CedarCode	code;
	const char *json;
	size_t		len;

	memset(&err, 0, sizeof(err));
	if (!json_is_string(text))
		return;
	code = cedar_schema_parse(c->arena, json_string_value(text), json_string_length(text), f,
							  &c->schema, &err);
	if (refused(c, "schema", code, &err, json_string_length(text)))
		c->schema = NULL;
	json_object_set_new(c->answer, "schema", json_boolean(code == CEDAR_OK));
	if (code != CEDAR_OK)
		return;
	if (cedar_schema_to_json(c->arena, json_string_value(text), json_string_length(text), f,
							 &json, &len, &err) != CEDAR_OK)
		fault(c, "a schema has no JSON form", &err);
	else
		json_object_set_new(c->answer, "json", json_stringn(json, len));
}

/* --------------------------------------------------------------- policies */

/* The JSON form of the one policy in ast. */
static json_t *
policy_form(Case *c)
{
	const char *json;
	size_t		len;
	CedarError	err;

	if (cedar_policy_to_json(c->arena, c->ast, 0, &json, &len, &err) == CEDAR_OK)
		return json_stringn(json, len);
	fault(c, "a policy has no JSON form", &err);
	return json_null();
}

/* All policies in one text. */
static void
read_text(Case *c)
{
	json_t	   *text = json_object_get(c->input, "text");
	CedarError	err;
	CedarCode	code;
	uint32_t	n;

	memset(&err, 0, sizeof(err));
	c->text_len = json_string_length(text);
	c->text = malloc(c->text_len + 1);
	memcpy(c->text, json_string_value(text), c->text_len);
	code = cedar_parse(c->arena, c->text, c->text_len, &c->ast, &err);
	if (refused(c, "policies", code, &err, c->text_len))
	{
		c->ast = NULL;
		return;
	}
	n = cedar_ast_count(c->ast);
	c->starts = calloc(n + 1, sizeof(size_t));
	c->numbers = calloc(n + 1, sizeof(size_t));
	c->places = calloc(n + 1, sizeof(uint32_t));
	for (uint32_t i = 0; i < n; i++)
		c->numbers[i] = c->places[i] = i;
}

static void
read_policies(Case *c)
{
	json_t	   *list = json_object_get(c->input, "policies");
	json_t	   *parses = json_array();
	json_t	   *forms = json_array();
	size_t		n = json_array_size(list);
	size_t		total = 0;
	uint32_t	n_good = 0;
	CedarError	err;

	memset(&err, 0, sizeof(err));
	if (list == NULL)
	{
		read_text(c);
		return;
	}
	c->starts = calloc(n + 1, sizeof(size_t));
	c->numbers = calloc(n + 1, sizeof(size_t));
	c->places = calloc(n + 1, sizeof(uint32_t));
	for (size_t i = 0; i < n; i++)
		total += json_string_length(json_array_get(list, i)) + 1;
	c->text = malloc(total + 1);
	for (size_t i = 0; i < n; i++)
	{
		json_t	   *text = json_array_get(list, i);
		CedarCode	code = cedar_parse_one(c->arena, json_string_value(text),
										 json_string_length(text), &c->ast, &err);

		json_array_append_new(parses, json_boolean(code == CEDAR_OK));
		c->places[i] = UINT32_MAX;
		if (refused(c, "policy", code, &err, json_string_length(text)))
		{
			json_array_append_new(forms, json_null());
			continue;
		}
		json_array_append_new(forms, policy_form(c));
		c->places[i] = n_good;
		c->numbers[n_good] = i;
		c->starts[n_good++] = c->text_len;
		memcpy(c->text + c->text_len, json_string_value(text), json_string_length(text));
		c->text_len += json_string_length(text);
		/* a comment may end the text */
		c->text[c->text_len++] = '\n';
	}
	json_object_set_new(c->answer, "parses", parses);
	json_object_set_new(c->answer, "forms", forms);
	if (cedar_parse(c->arena, c->text, c->text_len, &c->ast, &err) != CEDAR_OK)
	{
		fault(c, "policies that parse do not parse together", &err);
		c->ast = NULL;
	}
	else if (cedar_ast_count(c->ast) != n_good)
	{
		fault(c, "policies that are parsed together have another number", NULL);
		c->ast = NULL;
	}
}

/* -------------------------------------------------------------- validation */

static json_t *
findings_json(Case *c, const CedarFinding *findings, uint32_t n)
{
	json_t	   *list = json_array();

	for (uint32_t i = 0; i < n; i++)
	{
		const CedarFinding *f = &findings[i];
		size_t		offset,
			length;
		size_t		start;

		if (f->policy >= cedar_ast_count(c->ast))
		{
			fault(c, "a finding's policy does not exist", NULL);
			continue;
		}
		cedar_ast_range(c->ast, f->policy, &offset, &length);
		if (f->offset < offset || f->length > length || f->offset - offset > length - f->length ||
			f->length == 0)
			fault(c, "a finding's position is not within its policy", NULL);
		if (i > 0 && (f->policy < f[-1].policy || (f->policy == f[-1].policy && f->offset < f[-1].offset)))
			fault(c, "findings are out of order", NULL);
		if (f->message[0] == '\0')
			fault(c, "a finding has no message", NULL);
		start = c->starts[f->policy];
		json_array_append_new(list, json_pack("[IsbII]", (json_int_t) c->numbers[f->policy], cedar_finding_name(f->code), f->warning, (json_int_t) (f->offset - start), (json_int_t) (f->offset + f->length - start)));
	}
	return list;
}

static json_t *
validate(Case *c, uint32_t level)
{
	const CedarFinding *findings;
	uint32_t	n;
	CedarError	err;
	CedarCode	code;

	memset(&err, 0, sizeof(err));
	code = cedar_validate(c->arena, c->schema, c->ast, 0, cedar_ast_count(c->ast), level,
						  &findings, &n, &err);
	if (refused(c, "validation", code, &err, c->text_len))
	{
		if (!failed_for_limits(code))
			fault(c, "validation failed", &err);
		return json_null();
	}
	return findings_json(c, findings, n);
}

/* The value of a slot, or NULL. */
static const CedarUid *
link_value(Case *c, json_t *link, const char *key)
{
	json_t	   *value = json_object_get(link, key);
	json_t	   *type = json_object_get(value, "type");
	json_t	   *id = json_object_get(value, "id");
	const CedarUid *uid = NULL;
	CedarError	err;

	if (value != NULL &&
		cedar_uid_make(c->arena, json_string_value(type), json_string_length(type),
					   json_string_value(id), json_string_length(id), &uid, &err) != CEDAR_OK)
		fault(c, "the value of a slot is no uid", &err);
	return uid;
}

static void
validate_all(Case *c)
{
	json_t	   *levels = json_object_get(c->input, "levels");
	json_t	   *links = json_object_get(c->input, "links");
	json_t	   *of_levels = json_array();
	json_t	   *of_links = json_array();
	json_t	   *item;
	size_t		i;

	json_object_set_new(c->answer, "findings", validate(c, CEDAR_NO_LEVEL));
	json_array_foreach(levels, i, item)
		json_array_append_new(of_levels, validate(c, (uint32_t) json_integer_value(item)));
	json_object_set_new(c->answer, "levels", of_levels);
	json_array_foreach(links, i, item)
	{
		uint32_t	place = c->places[json_integer_value(json_object_get(item, "template"))];
		const CedarFinding *findings;
		uint32_t	n = 0;
		CedarError	err;

		if (place != UINT32_MAX &&
			cedar_validate_link(c->arena, c->schema, c->ast, place,
								link_value(c, item, "principal"), link_value(c, item, "resource"),
								&findings, &n, &err) != CEDAR_OK)
			fault(c, "validation of a link failed", &err);
		json_decref(findings_json(c, findings, n));
		for (uint32_t k = 0; k < n; k++)
			json_array_append_new(of_links, json_pack("[isb]", (int) i, cedar_finding_name(findings[k].code), findings[k].warning));
	}
	json_object_set_new(c->answer, "links", of_links);
}

/* ----------------------------------------------------------- authorization */

static bool
compile_all(Case *c)
{
	json_t	   *links = json_object_get(c->input, "links");
	uint32_t	n = cedar_ast_count(c->ast);
	json_t	   *link;
	size_t		i;
	CedarError	err;

	c->policies = calloc(n + json_array_size(links) + 1, sizeof(CedarPolicy));
	for (uint32_t k = 0; k < n; k++)
	{
		size_t		size;
		char	   *id = cedar_arena_alloc(c->arena, 32);

		if (cedar_compile(c->arena, c->ast, k, &c->policies[k].piece, &size, &err) != CEDAR_OK)
		{
			fault(c, "a policy does not compile", &err);
			return false;
		}
		snprintf(id, 32, "policy%zu", c->numbers[k]);
		c->policies[k].id = id;
		c->policies[k].id_len = (uint32_t) strlen(id);
	}
	c->n_policies = n;
	json_array_foreach(links, i, link)
	{
		uint32_t	place = c->places[json_integer_value(json_object_get(link, "template"))];
		CedarPolicy *p = &c->policies[c->n_policies];

		if (place == UINT32_MAX)
			continue;
		p->piece = c->policies[place].piece;
		p->id = json_string_value(json_object_get(link, "id"));
		p->id_len = (uint32_t) strlen(p->id);
		p->principal = link_value(c, link, "principal");
		p->resource = link_value(c, link, "resource");
		c->n_policies++;
	}
	return true;
}

static void
decide(Case *c, CedarEntities *entities, const CedarRequest *request, json_t *out)
{
	CedarEntitySource source = cedar_entities_source(entities);
	CedarDecision d,
		indexed;
	CedarError	err;
	CedarCode	code;
	const CedarIndex *index;
	size_t		size;
	json_t	   *reason = json_array();
	json_t	   *errors = json_array();

	json_object_set_new(out, "reason", reason);
	json_object_set_new(out, "errors", errors);
	code = cedar_authorize(c->arena, c->policies, c->n_policies, NULL, &source, request, true,
						   &d, &err);
	if (code != CEDAR_OK)
	{
		fault(c, "no decision", &err);
		return;
	}
	json_object_set_new(out, "decision", json_string(d.allow ? "allow" : "deny"));
	for (uint32_t i = 0; i < d.n_reasons; i++)
		json_array_append_new(reason, json_string(c->policies[d.reasons[i]].id));
	for (uint32_t i = 0; i < d.n_errors; i++)
		json_array_append_new(errors, json_string(c->policies[d.errors[i].policy].id));

	if (cedar_index_build(c->arena, c->policies, c->n_policies, &index, &size, &err) != CEDAR_OK)
		fault(c, "no index", &err);
	else if (cedar_authorize(c->arena, c->policies, c->n_policies, index, &source, request, true,
							 &indexed, &err) != CEDAR_OK)
		fault(c, "no decision with an index", &err);
	else if (indexed.allow != d.allow || indexed.n_reasons != d.n_reasons ||
			 indexed.n_errors != d.n_errors)
		fault(c, "with an index the decision is another", NULL);
}

static json_t *
authorize(Case *c, const CedarSchema *schema)
{
	json_t	   *text = json_object_get(c->input, "entities");
	json_t	   *requests = json_object_get(c->input, "requests");
	json_t	   *out = json_object();
	json_t	   *list = json_array();
	json_t	   *item;
	size_t		i;
	CedarEntities *entities;
	CedarError	err;
	CedarCode	code;
	const char *s = json_string_value(text);
	size_t		len = json_string_length(text);

	memset(&err, 0, sizeof(err));
	code = schema == NULL ? cedar_entities_from_json(c->arena, s, len, &entities, &err) :
							cedar_conform_entities_from_json(c->arena, schema, s, len, &entities, &err);
	json_object_set_new(out, "entities",
						json_boolean(!refused(c, schema == NULL ? "entities" : "entities by schema",
											  code, &err, len)));
	if (code != CEDAR_OK)
		entities = NULL;
	json_object_set_new(out, "requests", list);
	json_array_foreach(requests, i, item)
	{
		json_t	   *one = json_object();
		CedarRequest request;

		s = json_string_value(item);
		len = json_string_length(item);
		code = schema == NULL ? cedar_request_from_json(c->arena, s, len, &request, &err) :
								cedar_conform_request_from_json(c->arena, schema, s, len, &request, &err);
		json_object_set_new(one, "fits",
							json_boolean(!refused(c, schema == NULL ? "request" : "request by schema",
												  code, &err, len)));
		if (code == CEDAR_OK && entities != NULL)
			decide(c, entities, &request, one);
		json_array_append_new(list, one);
	}
	return out;
}

/* -------------------------------------------------------------------- case */

static json_t *
run(json_t *input)
{
	Case		c;

	memset(&c, 0, sizeof(c));
	c.input = input;
	c.answer = json_object();
	c.errors = json_array();
	json_object_set_new(c.answer, "errors", c.errors);
	host_open(&c.host);
	c.arena = cedar_arena_create(&c.host.vtable);
	read_schema(&c);
	read_policies(&c);
	if (c.schema != NULL && c.ast != NULL)
		validate_all(&c);
	if (c.ast != NULL && json_object_get(input, "requests") != NULL && compile_all(&c))
	{
		json_object_set_new(c.answer, "plain", authorize(&c, NULL));
		if (c.schema != NULL)
			json_object_set_new(c.answer, "typed", authorize(&c, c.schema));
	}
	cedar_arena_destroy(c.arena);
	if (!host_close(&c.host))
		fault(&c, "memory was not released, or released twice", NULL);
	free(c.starts);
	free(c.numbers);
	free(c.places);
	free(c.text);
	free(c.policies);
	return c.answer;
}

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
		json_t	   *output;

		if (!json_is_object(input))
			output = json_pack("{ss}", "fault", "the line is not a JSON object");
		else
			output = run(input);
		if (json_object_get(output, "fault") != NULL)
			status = 1;
		json_dumpf(output, stdout, JSON_COMPACT);
		putchar('\n');
		fflush(stdout);
		json_decref(output);
		json_decref(input);
	}
	free(line);
	return status;
}
