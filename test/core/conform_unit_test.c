/*-------------------------------------------------------------------------
 *
 * conform_unit_test.c
 *	  Data and a schema: entities that are built or there already, large sets
 *	  and enumerations, and a host that fails at every call.
 *
 *-------------------------------------------------------------------------
 */
#define _POSIX_C_SOURCE 200809L

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "conform.h"
#include "entity.h"
#include "faults.h"

static const char schema_text[] =
"entity User in [Group] { n: Long, ip?: ipaddr, t?: datetime, u?: User, us?: Set<User>,"
" r?: { a: Long, b?: { c?: Color } } } tags Set<String>;\n"
"entity Group in [Group]; entity Color enum [\"red\", \"green\"];\n"
"action view in [read] appliesTo { principal: User, resource: [Group, Color], context: { ip?: ipaddr, n: Long } };\n"
"action read in [all]; action all;";

static const char entities_text[] =
"[{\"uid\":{\"type\":\"User\",\"id\":\"x\"},\"attrs\":{\"n\":1,\"ip\":\"10.0.0.1\",\"u\":{\"type\":\"User\",\"id\":\"y\"},"
"\"t\":{\"fn\":\"offset\",\"args\":[\"2024-01-01\",\"1h\"]},\"us\":[{\"__entity\":{\"type\":\"User\",\"id\":\"z\"}}],"
"\"r\":{\"a\":1,\"b\":{\"c\":{\"type\":\"Color\",\"id\":\"red\"}}}},\"parents\":[{\"type\":\"Group\",\"id\":\"g\"}],\"tags\":{\"a\":[\"b\",\"c\"]}},"
"{\"uid\":{\"type\":\"Group\",\"id\":\"g\"},\"attrs\":{},\"parents\":[{\"type\":\"Group\",\"id\":\"h\"}]},"
"{\"uid\":{\"type\":\"Action\",\"id\":\"view\"},\"attrs\":{},\"parents\":[{\"type\":\"Action\",\"id\":\"read\"}]},"
"{\"uid\":{\"type\":\"Action\",\"id\":\"read\"},\"attrs\":{},\"parents\":[{\"type\":\"Action\",\"id\":\"all\"}]}]";

static const char request_text[] =
"{\"principal\":{\"type\":\"User\",\"id\":\"x\"},\"action\":{\"type\":\"Action\",\"id\":\"view\"},"
"\"resource\":{\"type\":\"Color\",\"id\":\"red\"},\"context\":{\"n\":1,\"ip\":{\"fn\":\"ip\",\"arg\":\"::1\"}}}";

static const CedarSchema *
parse_schema(Bench *b, const char *text, size_t len)
{
	const CedarSchema *schema = NULL;

	CHECKF(cedar_schema_parse(b->arena, text, len, CEDAR_SCHEMA_AUTO, &schema, &b->err) == CEDAR_OK,
		   "%s", b->err.message);
	return schema;
}

static const CedarUid *
uid(Bench *b, const char *text)
{
	const CedarUid *u = NULL;

	CHECKF(cedar_uid_parse(b->arena, text, strlen(text), &u, &b->err) == CEDAR_OK, "%s", text);
	return u;
}

/* ------------------------------------------------------------ one entity */

static void
test_build(void)
{
	static const struct
	{
		const char *uid,
				   *attrs,
				   *tags;
		const char *parents[3];
		const char *fault;		/* NULL: it fits */
		CedarCode	code;
	}			cases[] = {
		{"User::\"x\"", "{\"n\":1,\"ip\":\"::1\"}", "{\"a\":[\"b\"]}", {"Group::\"g\""}, NULL, CEDAR_OK},
		{"User::\"x\"", "{\"n\":1}", NULL, {NULL}, NULL, CEDAR_OK},
		{"Group::\"x\"", "{}", "{}", {"Group::\"g\"", "Group::\"h\""}, NULL, CEDAR_OK},
		{"Color::\"red\"", "{}", NULL, {NULL}, NULL, CEDAR_OK},
		{"Color::\"blue\"", "{}", NULL, {NULL}, "uid", CEDAR_ERR_SCHEMA},
		{"Nothing::\"x\"", "{}", NULL, {NULL}, "uid", CEDAR_ERR_SCHEMA},
		{"User::\"x\"", "{}", NULL, {NULL}, "attrs", CEDAR_ERR_SCHEMA},
		{"User::\"x\"", "{\"n\":null}", NULL, {NULL}, "attrs", CEDAR_ERR_ENTITY},
		{"User::\"x\"", "{\"n\":1", NULL, {NULL}, "attrs", CEDAR_ERR_JSON},
		{"User::\"x\"", "[]", NULL, {NULL}, "attrs", CEDAR_ERR_ENTITY},
		{"User::\"x\"", "{\"n\":1}", "{\"a\":1}", {NULL}, "tags", CEDAR_ERR_SCHEMA},
		{"User::\"x\"", "{\"n\":1}", "[]", {NULL}, "tags", CEDAR_ERR_ENTITY},
		{"User::\"x\"", "{\"n\":1}", "{", {NULL}, "tags", CEDAR_ERR_JSON},
		{"Group::\"x\"", "{}", "{\"a\":1}", {NULL}, "tags", CEDAR_ERR_SCHEMA},
		{"User::\"x\"", "{\"n\":1}", NULL, {"Group::\"g\"", "User::\"y\""}, "parents", CEDAR_ERR_SCHEMA},
		{"User::\"x\"", "{\"n\":1}", NULL, {"Action::\"view\""}, "parents", CEDAR_ERR_SCHEMA},
		{"Action::\"view\"", "{}", NULL, {"Action::\"read\"", "Action::\"all\""}, NULL, CEDAR_OK},
		{"Action::\"all\"", "{}", "{}", {NULL}, NULL, CEDAR_OK},
		{"Action::\"view\"", "{}", NULL, {"Action::\"read\""}, "parents", CEDAR_ERR_SCHEMA},
		{"Action::\"all\"", "{\"a\":1}", NULL, {NULL}, "parents", CEDAR_ERR_SCHEMA},
		{"Action::\"all\"", "{}", "{\"a\":1}", {NULL}, "parents", CEDAR_ERR_SCHEMA},
		{"Action::\"nothing\"", "{}", NULL, {NULL}, "parents", CEDAR_ERR_SCHEMA},
		{"N::Action::\"all\"", "{}", NULL, {NULL}, "parents", CEDAR_ERR_SCHEMA},
	};

	for (size_t i = 0; i < LENGTH(cases); i++)
	{
		Bench		b;
		const CedarSchema *schema;
		const CedarUid *parents[3];
		uint32_t	n = 0;
		CedarEntity *e = NULL;
		const char *fault = NULL;
		CedarCode	code;

		bench_open(&b);
		schema = parse_schema(&b, LIT(schema_text));
		for (; n < 3 && cases[i].parents[n] != NULL; n++)
			parents[n] = uid(&b, cases[i].parents[n]);
		code = cedar_conform_entity_build(b.arena, schema, uid(&b, cases[i].uid),
										  cases[i].attrs, strlen(cases[i].attrs),
										  cases[i].tags, cases[i].tags ? strlen(cases[i].tags) : 0,
										  parents, n, &e, &fault, &b.err);
		CHECKF(code == cases[i].code, "case %zu: %s %s", i, code_name(code), b.err.message);
		if (code == CEDAR_OK)
			CHECKF(cedar_conform_entity(b.arena, schema, e, &b.err) == CEDAR_OK, "case %zu: %s", i,
				   b.err.message);
		else
			CHECKF(fault != NULL && strcmp(fault, cases[i].fault) == 0, "case %zu: fault %s", i, fault);
		bench_close(&b);
	}
}

/* What is read without a schema is checked as it is. */
static void
test_there(void)
{
	static const struct
	{
		const char *json;
		const char *message;	/* NULL: it fits */
	}			cases[] = {
		{"{\"uid\":{\"type\":\"User\",\"id\":\"x\"},\"attrs\":{\"n\":1,\"u\":{\"__entity\":{\"type\":\"User\",\"id\":\"y\"}}},\"parents\":[]}", NULL},
		{"{\"uid\":{\"type\":\"User\",\"id\":\"x\"},\"attrs\":{\"n\":1,\"us\":[]},\"parents\":[],\"tags\":{\"t\":[]}}", NULL},
		{"{\"uid\":{\"type\":\"User\",\"id\":\"x\"},\"attrs\":{\"n\":1,\"u\":{\"type\":\"User\",\"id\":\"y\"}},\"parents\":[]}",
		"attribute \"u\" must be an entity of type User, not a record"},
		{"{\"uid\":{\"type\":\"User\",\"id\":\"x\"},\"attrs\":{\"n\":1,\"ip\":\"::1\"},\"parents\":[]}",
		"attribute \"ip\" must be an ipaddr, not the string \"::1\""},
		{"{\"uid\":{\"type\":\"User\",\"id\":\"x\"},\"attrs\":{\"n\":1,\"us\":[1]},\"parents\":[]}", "an element of the set"},
		{"{\"uid\":{\"type\":\"User\",\"id\":\"x\"},\"attrs\":{\"n\":1,\"r\":{\"a\":1,\"b\":{\"c\":{\"__entity\":{\"type\":\"Color\",\"id\":\"blue\"}}}}},\"parents\":[]}", "none of its enumeration"},
		{"{\"uid\":{\"type\":\"User\",\"id\":\"x\"},\"attrs\":{\"n\":1,\"r\":{}},\"parents\":[]}", "attribute \"r\" needs the attribute \"a\""},
		{"{\"uid\":{\"type\":\"User\",\"id\":\"x\"},\"attrs\":{\"n\":1,\"z\":1},\"parents\":[]}", "the entity has no attribute \"z\""},
		{"{\"uid\":{\"type\":\"User\",\"id\":\"x\"},\"attrs\":{},\"parents\":[]}", "the entity needs the attribute \"n\""},
		{"{\"uid\":{\"type\":\"User\",\"id\":\"x\"},\"attrs\":{\"n\":1},\"parents\":[],\"tags\":{\"t\":\"x\"}}", "tag \"t\" must be a set"},
		{"{\"uid\":{\"type\":\"Group\",\"id\":\"x\"},\"attrs\":{},\"parents\":[],\"tags\":{\"t\":1}}", "has no tags"},
		{"{\"uid\":{\"type\":\"Group\",\"id\":\"x\"},\"attrs\":{},\"parents\":[{\"type\":\"User\",\"id\":\"y\"}]}", "cannot be in one of type User"},
		{"{\"uid\":{\"type\":\"G\",\"id\":\"x\"},\"attrs\":{},\"parents\":[]}", "the schema has no entity type G"},
	};

	for (size_t i = 0; i < LENGTH(cases); i++)
	{
		Bench		b;
		const CedarSchema *schema;
		Text		t = {NULL, 0, 0};
		CedarEntities *es = NULL;
		CedarCode	code;

		bench_open(&b);
		schema = parse_schema(&b, LIT(schema_text));
		text_adds(&t, "[");
		text_adds(&t, cases[i].json);
		text_adds(&t, "]");
		CHECKF(cedar_entities_from_json(b.arena, t.data, t.len, &es, &b.err) == CEDAR_OK, "%s", b.err.message);
		for (uint32_t k = 0; es != NULL && k < es->cap; k++)
		{
			if (es->table[k] == NULL)
				continue;
			code = cedar_conform_entity(b.arena, schema, es->table[k], &b.err);
			if (cases[i].message == NULL)
				CHECKF(code == CEDAR_OK, "case %zu: %s", i, b.err.message);
			else
				CHECKF(code == CEDAR_ERR_SCHEMA && !b.err.has_position &&
					   strstr(b.err.message, cases[i].message) != NULL, "case %zu: %s %s", i,
					   code_name(code), b.err.message);
		}
		free(t.data);
		bench_close(&b);
	}
}

static void
test_context(void)
{
	Bench		b;
	const CedarSchema *schema;
	const CedarRecord *context;
	CedarRequest request;

	bench_open(&b);
	schema = parse_schema(&b, LIT(schema_text));
	CHECK(cedar_conform_context_from_json(b.arena, schema, uid(&b, "Action::\"view\""),
										  LIT("{\"n\":1,\"ip\":\"::1\"}"), &context, &b.err) == CEDAR_OK &&
		  context->n == 2);
	CHECK(cedar_conform_context_from_json(b.arena, schema, uid(&b, "Action::\"view\""), LIT("{}"),
										  &context, &b.err) == CEDAR_ERR_SCHEMA && b.err.has_position);
	CHECK(cedar_conform_context_from_json(b.arena, schema, uid(&b, "Action::\"all\""), LIT("{}"),
										  &context, &b.err) == CEDAR_OK && context->n == 0);
	CHECK(cedar_conform_context_from_json(b.arena, schema, uid(&b, "Action::\"nothing\""), LIT("{}"),
										  &context, &b.err) == CEDAR_ERR_SCHEMA && !b.err.has_position);
	CHECK(cedar_conform_context_from_json(b.arena, schema, uid(&b, "Action::\"view\""), LIT("{"),
										  &context, &b.err) == CEDAR_ERR_JSON);
	/* a request may be without a context, unless one is needed */
	CHECK(cedar_conform_request_from_json(b.arena, schema, LIT("{\"principal\":\"User::\\\"x\\\"\","
															   "\"action\":\"Action::\\\"view\\\"\",\"resource\":\"Group::\\\"g\\\"\"}"),
										  &request, &b.err) == CEDAR_ERR_SCHEMA);
	CHECK(strstr(b.err.message, "the context needs the attribute \"n\"") != NULL);
	bench_close(&b);
}

/* ------------------------------------------------------------------ large */

/* An enumeration of n ids and a set of all of them: no id is compared with all. */
static void
test_large(void)
{
	static const char attrs_end[] = "]},\"parents\":[]}]";
	const long	n = 20000;
	Text		schema_t = {NULL, 0, 0};
	Text		t = {NULL, 0, 0};
	Bench		b;
	const CedarSchema *schema;
	CedarEntities *es;
	CedarCode	code;
	char		buf[80];

	text_adds(&schema_t, "entity A { s: Set<E> }; entity E enum [\"x\"");
	text_adds(&t, "[{\"uid\":{\"type\":\"A\",\"id\":\"a\"},\"attrs\":{\"s\":[{\"type\":\"E\",\"id\":\"x\"}");
	for (long i = 0; i < n; i++)
	{
		snprintf(buf, sizeof(buf), ",\"id%ld\"", i * 7919 % n);
		text_adds(&schema_t, buf);
		snprintf(buf, sizeof(buf), ",{\"type\":\"E\",\"id\":\"id%ld\"}", i);
		text_adds(&t, buf);
	}
	text_adds(&schema_t, "];");
	bench_open(&b);
	schema = parse_schema(&b, schema_t.data, schema_t.len);
	CHECK(schema->entities[1].n_ids == n + 1);
	{
		Text		whole = {NULL, 0, 0};

		text_add(&whole, t.data, t.len);
		text_adds(&whole, attrs_end);
		code = cedar_conform_entities_from_json(b.arena, schema, whole.data, whole.len, &es, &b.err);
		CHECKF(code == CEDAR_OK, "%s", b.err.message);
		free(whole.data);
	}
	text_adds(&t, ",{\"type\":\"E\",\"id\":\"id20000\"}");
	text_adds(&t, attrs_end);
	code = cedar_conform_entities_from_json(b.arena, schema, t.data, t.len, &es, &b.err);
	CHECKF(code == CEDAR_ERR_SCHEMA && strstr(b.err.message, "id20000") != NULL, "%s", b.err.message);
	bench_close(&b);
	free(t.data);
	free(schema_t.data);
}

/* A schema's actions as entities: in their groups, and nothing is left to add. */
static void
test_actions(void)
{
	static const char text[] = "action all; action some in all; action view, edit in some;";
	static const char *const names[] = {"all", "some", "view", "edit"};
	Bench		b;
	const CedarSchema *schema;
	CedarEntities *actions;
	CedarEntitySource source;

	bench_open(&b);
	schema = parse_schema(&b, text, sizeof(text) - 1);
	CHECK(cedar_conform_actions(b.arena, schema, &actions, &b.err) == CEDAR_OK);
	source = cedar_entities_source(actions);
	for (size_t i = 0; i < LENGTH(names); i++)
	{
		const CedarUid *uid;
		CedarEntity *entity;
		size_t		n_groups = i < 2 ? i : 2;

		CHECK(cedar_uid_make(b.arena, LIT("Action"), names[i], strlen(names[i]), &uid, &b.err) == CEDAR_OK);
		CHECK(source.find(source.userdata, uid, &entity, &b.err) == CEDAR_OK && entity != NULL);
		CHECK(entity->ancestors != NULL && entity->n_parents == n_groups);
		for (size_t k = 0; k < LENGTH(names); k++)
		{
			CHECK(cedar_uid_make(b.arena, LIT("Action"), names[k], strlen(names[k]), &uid, &b.err) == CEDAR_OK);
			CHECKF(cedar_uidset_has(entity->ancestors, uid) == (k < n_groups), "%s in %s", names[i], names[k]);
		}
	}
	bench_close(&b);
}

/* ------------------------------------------------------------------ faults */

typedef enum What
{
	ENTITIES = 0,
	REQUEST_ALONE,
	BUILD,
	ACTIONS,
	BAD_ENTITIES,
	BAD_REQUEST,
	N_WHAT
} What;

static CedarCode
run(const void *what, CedarArena *arena, CedarError *err)
{
	static const char bad_request[] =
	"{\"principal\":{\"type\":\"User\",\"id\":\"x\"},\"action\":{\"type\":\"Action\",\"id\":\"viewer\"},"
	"\"resource\":{\"type\":\"Group\",\"id\":\"x\"},\"context\":{}}";
	static const char bad_entities[] =
	"[{\"uid\":{\"type\":\"User\",\"id\":\"x\"},\"attrs\":{\"n\":1,\"uss\":[]},\"parents\":[]}]";
	const CedarSchema *schema;
	CedarEntities *entities;
	CedarEntity *entity;
	CedarRequest request;
	const CedarUid *u,
			   *parent;
	const char *fault;
	CedarCode	code;

	code = cedar_schema_parse(arena, LIT(schema_text), CEDAR_SCHEMA_CEDAR, &schema, err);
	if (code != CEDAR_OK)
		return code;
	switch (*(const What *) what)
	{
		case ENTITIES:
			return cedar_conform_entities_from_json(arena, schema, LIT(entities_text), &entities, err);
		case ACTIONS:
			return cedar_conform_actions(arena, schema, &entities, err);
		case BAD_ENTITIES:
			return cedar_conform_entities_from_json(arena, schema, LIT(bad_entities), &entities, err);
		case BAD_REQUEST:
			return cedar_conform_request_from_json(arena, schema, LIT(bad_request), &request, err);
		case REQUEST_ALONE:
			code = cedar_conform_request_from_json(arena, schema, LIT(request_text), &request, err);
			return code != CEDAR_OK ? code : cedar_conform_request(arena, schema, &request, err);
		default:
			if ((code = cedar_uid_parse(arena, LIT("Action::\"read\""), &u, err)) != CEDAR_OK ||
				(code = cedar_uid_parse(arena, LIT("Action::\"all\""), &parent, err)) != CEDAR_OK)
				return code;
			return cedar_conform_entity_build(arena, schema, u, LIT("{}"), LIT("{}"), &parent, 1,
											  &entity, &fault, err);
	}
}

static void
test_faults(void)
{
	static const char *const names[N_WHAT] = {
		"entities", "request", "build", "actions", "bad entities", "bad request"
	};

	for (int i = 0; i < N_WHAT; i++)
	{
		What		what = (What) i;
		Bench		b;
		CedarCode	code;

		bench_open(&b);
		code = run(&what, b.arena, &b.err);
		CHECKF(code == (i < BAD_ENTITIES ? CEDAR_OK : CEDAR_ERR_SCHEMA), "%s: %s", names[i], b.err.message);
		bench_close(&b);
		faults_memory(names[i], run, &what);
		faults_stack(names[i], run, &what);
		faults_interrupts(names[i], run, &what);
	}
}

int
main(void)
{
	test_build();
	test_there();
	test_context();
	test_large();
	test_actions();
	test_faults();
	return checks_end();
}
