/*-------------------------------------------------------------------------
 *
 * schema_unit_test.c
 *	  Schemas: formats, encodings, limits with the value next to them allowed,
 *	  what is shared, and a host that refuses or jumps away at every call.
 *
 *-------------------------------------------------------------------------
 */
#define _POSIX_C_SOURCE 200809L

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "faults.h"
#include "internal.h"
#include "schema.h"

typedef enum Entry
{
	PARSE = 0,
	TO_JSON,
	TO_TEXT,
	N_ENTRIES
} Entry;

static const char *const entry_names[N_ENTRIES] = {"parse", "to_json", "to_text"};

/* One of the three; what it gives goes to *out, a schema or a text. */
static CedarCode
call(Entry entry, CedarArena *arena, const char *text, size_t len, CedarSchemaFormat format,
	 const void **out, size_t *out_len, CedarError *err)
{
	const CedarSchema *schema = NULL;
	const char *s = NULL;
	CedarCode	code;

	*out_len = 0;
	if (entry == PARSE)
	{
		code = cedar_schema_parse(arena, text, len, format, &schema, err);
		*out = schema;
		return code;
	}
	if (entry == TO_JSON)
		code = cedar_schema_to_json(arena, text, len, format, &s, out_len, err);
	else
		code = cedar_schema_to_text(arena, text, len, format, &s, out_len, err);
	*out = s;
	return code;
}

/* All three say this. */
static void
all_say(int line, const char *text, size_t len, CedarSchemaFormat format, CedarCode want)
{
	for (int e = 0; e < N_ENTRIES; e++)
	{
		Bench		b;
		const void *out;
		size_t		out_len;
		CedarCode	code;

		bench_open(&b);
		code = call((Entry) e, b.arena, text, len, format, &out, &out_len, &b.err);
		check_at(__FILE__, line, code == want, "%s: %s (%s)", entry_names[e], code_name(code),
				 code == CEDAR_OK ? "" : b.err.message);
		if (code != CEDAR_OK)
			check_at(__FILE__, line, b.err.code == code && b.err.message[0] != '\0' &&
					 (!b.err.has_position ||
					  (b.err.offset <= len && b.err.length <= len - b.err.offset)),
					 "%s: %s at %zu+%zu of %zu", entry_names[e], b.err.message, b.err.offset,
					 b.err.length, len);
		bench_close(&b);
	}
}

#define ALL_SAY(text, format, want) all_say(__LINE__, (text).data, (text).len, format, want)
#define ALL_SAY_LIT(text, format, want) all_say(__LINE__, LIT(text), format, want)

/* ---------------------------------------------------------------- formats */

static void
test_formats(void)
{
	ALL_SAY_LIT(" \t\r\n{\"\": {\"entityTypes\": {}, \"actions\": {}}}", CEDAR_SCHEMA_AUTO, CEDAR_OK);
	ALL_SAY_LIT("entity A { a: Long };", CEDAR_SCHEMA_AUTO, CEDAR_OK);
	ALL_SAY_LIT("// {\nentity A;", CEDAR_SCHEMA_AUTO, CEDAR_OK);
	ALL_SAY_LIT("", CEDAR_SCHEMA_AUTO, CEDAR_OK);
	ALL_SAY_LIT("", CEDAR_SCHEMA_JSON, CEDAR_ERR_JSON);
	ALL_SAY_LIT("entity A;", CEDAR_SCHEMA_JSON, CEDAR_ERR_JSON);
	ALL_SAY_LIT("{}", CEDAR_SCHEMA_JSON, CEDAR_OK);
	ALL_SAY_LIT("{}", CEDAR_SCHEMA_CEDAR, CEDAR_ERR_SYNTAX);
	ALL_SAY_LIT("{} {}", CEDAR_SCHEMA_AUTO, CEDAR_ERR_JSON);
	ALL_SAY_LIT("{\"\": {\"entityTypes\": {\"A\": {}, \"A\": {}}, \"actions\": {}}}",
				CEDAR_SCHEMA_AUTO, CEDAR_ERR_DUPLICATE);
	ALL_SAY_LIT("entity A; // \xff", CEDAR_SCHEMA_AUTO, CEDAR_ERR_ENCODING);
	ALL_SAY_LIT("{\"\xc0\x80\": {}}", CEDAR_SCHEMA_AUTO, CEDAR_ERR_ENCODING);
	ALL_SAY_LIT("entity A\0;", CEDAR_SCHEMA_AUTO, CEDAR_ERR_SYNTAX);
}

static void
test_position_of_encoding(void)
{
	Bench		b;
	const CedarSchema *schema;

	bench_open(&b);
	CHECK(cedar_schema_parse(b.arena, LIT("entity A;\xe9"), CEDAR_SCHEMA_AUTO, &schema,
							 &b.err) == CEDAR_ERR_ENCODING);
	CHECK(b.err.has_position && b.err.offset == 9 && b.err.length == 1);
	bench_close(&b);
}

/* What a schema without anything gives can be used, too. */
static void
test_nothing(void)
{
	Bench		b;
	const CedarSchema *schema;
	const char *out = NULL;
	size_t		len = 1;
	const CedarUid *uid;
	const CedarStr *name;

	bench_open(&b);
	CHECK(cedar_schema_parse(b.arena, LIT("{}"), CEDAR_SCHEMA_AUTO, &schema, &b.err) == CEDAR_OK);
	CHECK(schema->n_entities == 0 && schema->n_actions == 0);
	CHECK(cedar_uid_parse(b.arena, LIT("Action::\"a\""), &uid, &b.err) == CEDAR_OK);
	name = cedar_str_make(b.arena, "A", 1);
	CHECK(cedar_schema_entity(schema, name) == NULL && cedar_schema_action(schema, uid) == NULL);
	CHECK(cedar_schema_to_text(b.arena, LIT("{}"), CEDAR_SCHEMA_AUTO, &out, &len, &b.err) == CEDAR_OK);
	CHECK(out != NULL && len == 0);
	CHECK(cedar_schema_to_json(b.arena, LIT(""), CEDAR_SCHEMA_AUTO, &out, &len, &b.err) == CEDAR_OK);
	CHECK(len == 2 && memcmp(out, "{}", 2) == 0);
	bench_close(&b);
}

/* ----------------------------------------------------------------- limits */

/* before, open n times, middle, close n times, after */
static Text
nested(const char *before, const char *open, long n, const char *middle, const char *close,
	   const char *after)
{
	Text		t = {NULL, 0, 0};

	text_adds(&t, before);
	text_times(&t, open, n);
	text_adds(&t, middle);
	text_times(&t, close, n);
	text_adds(&t, after);
	return t;
}

static void
test_nesting(void)
{
	static const struct
	{
		const char *before,
				   *open,
				   *middle,
				   *close,
				   *after;
	}			texts[] = {
		{"type T = ", "Set<", "Long", ">", ";"},
		{"type T = ", "{a: ", "Long", "}", ";"},
		{"entity A {a: ", "{\"b c\"?: ", "Long", ",}", "};"},
		{"entity A tags ", "Set<{a: ", "Long", "}>", ";"},
		{"entity A; action a appliesTo {principal: A, resource: A, context: {a: ", "Set<", "A", ">", "}};"},
	};
	static const struct
	{
		const char *before,
				   *open,
				   *middle,
				   *close,
				   *after;
	}			jsons[] = {
		{"{\"\":{\"entityTypes\":{},\"actions\":{},\"commonTypes\":{\"T\":",
		"{\"type\":\"Set\",\"element\":", "{\"type\":\"Long\"}", "}", "}}}"},
		{"{\"\":{\"entityTypes\":{},\"actions\":{},\"commonTypes\":{\"T\":",
		"{\"type\":\"Record\",\"attributes\":{\"a\":", "{\"type\":\"Long\"}", "}}", "}}}"},
		{"", "{\"\":", "{}", "}", ""},
		{"", "[", "", "]", ""},
	};
	Text		t;

	for (size_t i = 0; i < LENGTH(texts); i++)
	{
		long		deepest = i == 3 ? 499 : i == 4 || i == 2 ? 998 : 999;

		/* the limit counts the innermost type, and a record about it */
		t = nested(texts[i].before, texts[i].open, deepest, texts[i].middle, texts[i].close,
				   texts[i].after);
		ALL_SAY(t, CEDAR_SCHEMA_AUTO, CEDAR_OK);
		free(t.data);
		for (int k = 0; k < 3; k++)
		{
			static const long beyond[] = {1001, 5000, 100000};

			t = nested(texts[i].before, texts[i].open, beyond[k], texts[i].middle,
					   texts[i].close, texts[i].after);
			ALL_SAY(t, CEDAR_SCHEMA_AUTO, CEDAR_ERR_LIMIT);
			free(t.data);
			/* nor does it matter that it does not end */
			t = nested(texts[i].before, texts[i].open, beyond[k], "", "", "");
			ALL_SAY(t, CEDAR_SCHEMA_AUTO, CEDAR_ERR_LIMIT);
			free(t.data);
		}
	}
	for (size_t i = 0; i < LENGTH(jsons); i++)
	{
		t = nested(jsons[i].before, jsons[i].open, 100000, jsons[i].middle, jsons[i].close,
				   jsons[i].after);
		ALL_SAY(t, CEDAR_SCHEMA_JSON, CEDAR_ERR_LIMIT);
		free(t.data);
	}
	/* as deep as JSON goes */
	t = nested(jsons[0].before, jsons[0].open, 123, jsons[0].middle, jsons[0].close, jsons[0].after);
	ALL_SAY(t, CEDAR_SCHEMA_AUTO, CEDAR_OK);
	free(t.data);
	t = nested(jsons[0].before, jsons[0].open, 124, jsons[0].middle, jsons[0].close, jsons[0].after);
	ALL_SAY(t, CEDAR_SCHEMA_AUTO, CEDAR_ERR_LIMIT);
	free(t.data);
}

/* n common types, each a set of the next; forwards or backwards. */
static Text
chain(long n, bool backwards)
{
	Text		t = {NULL, 0, 0};
	char		line[80];

	for (long i = 0; i < n; i++)
	{
		long		k = backwards ? n - 1 - i : i;

		if (k == n - 1)
			snprintf(line, sizeof(line), "type T%ld = Long;", k);
		else
			snprintf(line, sizeof(line), "type T%ld = Set<T%ld>;", k, k + 1);
		text_adds(&t, line);
	}
	return t;
}

static void
test_chains(void)
{
	Text		t;

	/* depth is that of the type written out, whoever refers to whom first */
	for (int backwards = 0; backwards < 2; backwards++)
	{
		t = chain(CEDAR_MAX_DEPTH, backwards);
		ALL_SAY(t, CEDAR_SCHEMA_AUTO, CEDAR_OK);
		free(t.data);
		t = chain(CEDAR_MAX_DEPTH + 1, backwards);
		ALL_SAY(t, CEDAR_SCHEMA_AUTO, CEDAR_ERR_LIMIT);
		free(t.data);
	}
	/* other names of one type do not nest it */
	t = (Text) {NULL, 0, 0};
	for (long i = 0; i < 50000; i++)
	{
		char		line[80];

		snprintf(line, sizeof(line), "type T%ld = T%ld;", i, i + 1);
		text_adds(&t, line);
	}
	text_adds(&t, "type T50000 = Long; entity A { a: T0 };");
	ALL_SAY(t, CEDAR_SCHEMA_AUTO, CEDAR_OK);
	free(t.data);
	/* a cycle of as many */
	t = (Text) {NULL, 0, 0};
	for (long i = 0; i < 50000; i++)
	{
		char		line[80];

		snprintf(line, sizeof(line), "type T%ld = Set<T%ld>;", i, (i + 1) % 50000);
		text_adds(&t, line);
	}
	ALL_SAY(t, CEDAR_SCHEMA_AUTO, CEDAR_ERR_SCHEMA);
	free(t.data);
}

/* Each type twice in the one before it: 2^60 of them when written out. */
static void
test_doubling(void)
{
	Text		t = {NULL, 0, 0};
	Bench		b;
	const CedarSchema *schema;
	const CedarType *type;
	CedarCode	code;

	for (int i = 0; i < 60; i++)
	{
		char		line[80];

		snprintf(line, sizeof(line), "type T%d = {l: T%d, r?: Set<T%d>};", i, i + 1, i + 1);
		text_adds(&t, line);
	}
	text_adds(&t, "type T60 = {x: Long}; entity A { a: T0, b: { l: T1, r?: Set<T1> } };");
	bench_open(&b);
	code = cedar_schema_parse(b.arena, t.data, t.len, CEDAR_SCHEMA_AUTO, &schema, &b.err);
	CHECKF(code == CEDAR_OK, "%s", b.err.message);
	CHECKF(cedar_arena_bytes(b.arena) < 1000000, "%zu bytes", cedar_arena_bytes(b.arena));
	type = schema->entities[0].shape;
	CHECK(type->n_attrs == 2 && type->attrs[0].type == type->attrs[1].type);
	type = type->attrs[0].type;
	for (int i = 0; i < 60; i++)
	{
		CHECK(type->n_attrs == 2 && type->attrs[1].type->elem == type->attrs[0].type);
		CHECK(type->attrs[0].required && !type->attrs[1].required);
		type = type->attrs[0].type;
	}
	bench_close(&b);
	free(t.data);
}

/* Equal types are one object, others are not. */
static void
test_sharing(void)
{
	static const char text[] =
		"type R = { a: Long, b?: String };"
		"entity A { p: R, q: { b?: String, a: Long }, r: { a: Long, b: String }, s: { a: Long },"
		" t: Set<R>, u: Set<{ a: Long, b?: String }>, v: B, w: Set<B>, x: C } tags R; entity B, C;";
	Bench		b;
	const CedarSchema *schema;
	const CedarType *shape;
	const CedarType *t[9];

	bench_open(&b);
	CHECK(cedar_schema_parse(b.arena, LIT(text), CEDAR_SCHEMA_AUTO, &schema, &b.err) == CEDAR_OK);
	shape = schema->entities[0].shape;
	CHECK(shape->n_attrs == 9);
	for (int i = 0; i < 9; i++)
		t[i] = shape->attrs[i].type;
	CHECK(t[0] == t[1] && t[0] == schema->entities[0].tags && t[4] == t[5]);
	CHECK(t[0] != t[2] && t[0] != t[3] && t[2] != t[3]);
	CHECK(t[7]->elem == t[6] && t[6] != t[8]);
	CHECK(schema->entities[1].shape == schema->entities[2].shape);
	CHECK(t[6]->name == schema->entities[1].name);
	CHECK(!shape->open && shape->attrs[0].name->len == 1 && shape->attrs[0].name->bytes[0] == 'p');
	bench_close(&b);
}

static void
test_long_text(void)
{
	Text		t = {NULL, 0, 0};

	text_adds(&t, "entity A; //");
	text_times(&t, " ", CEDAR_MAX_SCHEMA_BYTES - (long) t.len);
	ALL_SAY(t, CEDAR_SCHEMA_AUTO, CEDAR_OK);
	text_adds(&t, " ");
	ALL_SAY(t, CEDAR_SCHEMA_AUTO, CEDAR_ERR_LIMIT);
	ALL_SAY(t, CEDAR_SCHEMA_JSON, CEDAR_ERR_LIMIT);
	free(t.data);
}

/* A chain of n entity types takes about n * n / 2 steps to walk. */
static void
test_hierarchy(void)
{
	static const long sizes[] = {1000, 6000};

	for (size_t i = 0; i < LENGTH(sizes); i++)
	{
		for (int actions = 0; actions < 2; actions++)
		{
			Text		t = {NULL, 0, 0};

			for (long k = 0; k < sizes[i]; k++)
			{
				char		line[80];

				snprintf(line, sizeof(line), actions ? "action e%ld in e%ld;" : "entity e%ld in e%ld;",
						 k, k + 1);
				text_adds(&t, line);
			}
			text_adds(&t, actions ? "action e" : "entity e");
			{
				char		last[40];

				snprintf(last, sizeof(last), "%ld;", sizes[i]);
				text_adds(&t, last);
			}
			ALL_SAY(t, CEDAR_SCHEMA_AUTO, i == 0 ? CEDAR_OK : CEDAR_ERR_LIMIT);
			free(t.data);
		}
	}
}

/* Many of everything, and long names. */
static void
test_many(void)
{
	Text		t = {NULL, 0, 0};
	Bench		b;
	const CedarSchema *schema;
	CedarCode	code;
	bool		found = true;

	for (int i = 0; i < 5000; i++)
	{
		char		line[200];

		snprintf(line, sizeof(line),
				 "namespace N%d { entity E%d { a%d: Long }; type T%d = E%d; action a%d appliesTo "
				 "{ principal: E%d, resource: E%d, context: { t: T%d } }; }\n",
				 i, i, i, i, i, i, i, i, i);
		text_adds(&t, line);
	}
	text_adds(&t, "entity ");
	text_times(&t, "x", 100000);
	text_adds(&t, " { \"");
	text_times(&t, "\xc3\xa9", 100000);
	text_adds(&t, "\": ipaddr };");
	bench_open(&b);
	code = cedar_schema_parse(b.arena, t.data, t.len, CEDAR_SCHEMA_AUTO, &schema, &b.err);
	CHECKF(code == CEDAR_OK, "%s", b.err.message);
	CHECK(schema->n_entities == 5001 && schema->n_actions == 5000);
	for (uint32_t i = 0; i < schema->n_entities; i++)
		if (cedar_schema_entity(schema, schema->entities[i].name) != &schema->entities[i])
			found = false;
	for (uint32_t i = 0; i < schema->n_actions; i++)
		if (cedar_schema_action(schema, schema->actions[i].uid) != &schema->actions[i])
			found = false;
	CHECK(found);
	CHECK(schema->entities[5000].name->len == 100000 &&
		  schema->entities[5000].shape->attrs[0].name->len == 200000);
	bench_close(&b);
	free(t.data);
	/* the same attribute many times: the last counts */
	t = (Text) {NULL, 0, 0};
	text_adds(&t, "entity A { ");
	text_times(&t, "a: Long, ", 100000);
	text_adds(&t, "a?: String };");
	bench_open(&b);
	code = cedar_schema_parse(b.arena, t.data, t.len, CEDAR_SCHEMA_AUTO, &schema, &b.err);
	CHECKF(code == CEDAR_OK, "%s", b.err.message);
	CHECK(schema->entities[0].shape->n_attrs == 1 && !schema->entities[0].shape->attrs[0].required &&
		  schema->entities[0].shape->attrs[0].type->kind == CEDAR_TYPE_STRING);
	bench_close(&b);
	free(t.data);
}

/* ------------------------------------------------------------------- host */

static const char big_text[] =
"@doc(\"a \\u{e9}\") namespace App::One {\n"
"  type Ctx = { ip: ipaddr, when?: datetime, @note tags: Set<Tag> };\n"
"  type Tag = { name: String, by?: User }; type Other = Ctx;\n"
"  entity User, Group in [Group, Two::Org] { name: String, \"a b\"?: Set<{ x: __cedar::Long }> } tags Tag;\n"
"  entity Color enum [\"red\", \"green\\n\", \"red\"];\n"
"  action read, \"write all\" in [all, Action::\"more\"] appliesTo { principal: [User, Group], resource: Two::Doc, context: Other };\n"
"  action all; action more in all appliesTo { principal: User, resource: Color, context: { d: decimal, e: Set<duration> } };\n"
"}\n"
"namespace Two { entity Org; entity Doc in Doc { owner: App::One::User, a: App::One::Action }; type L = Long; }\n"
"entity Top { b: Bool }; type B = __cedar::Bool; action go in App::One::Action::\"all\";\n";

static const char *const broken_texts[] = {
	"entity User; entity A { u: Usr };",
	"namespace N { action all; } action view in all;",
	"type A = { a: Set<B> }; type B = C; type C = A;",
	"entity A; entity A;",
	"entity A { a: \"x };",
};

static const char big_json[] =
"{\"App::One\": {\"commonTypes\": {\"T\": {\"type\": \"Record\", \"attributes\": {\"a\": {\"type\": \"Set\", \"element\": {\"type\": \"Long\"}},"
" \"b\": {\"type\": \"U\", \"required\": false, \"annotations\": {\"doc\": \"x\", \"n\": null}}}}, \"U\": {\"type\": \"Extension\", \"name\": \"ipaddr\"}},"
" \"entityTypes\": {\"User\": {\"memberOfTypes\": [\"Group\"], \"shape\": {\"type\": \"Record\", \"attributes\": {\"t\": {\"type\": \"T\"}, \"g\": {\"type\": \"Entity\", \"name\": \"Group\"}}}, \"tags\": {\"type\": \"String\"}},"
" \"Group\": {}, \"Color\": {\"enum\": [\"red\", \"blue\"]}},"
" \"actions\": {\"read\": {\"memberOf\": [{\"id\": \"all\"}, [\"all\", \"Action\"]], \"appliesTo\": {\"principalTypes\": [\"User\"], \"resourceTypes\": [\"Color\"],"
" \"context\": {\"type\": \"EntityOrCommon\", \"name\": \"T\"}}}, \"all\": []}, \"annotations\": {\"a\": \"b\"}}}";

static const char *const broken_jsons[] = {
	"{\"\": {\"entityTypes\": {\"A\": {\"shpe\": {}}}, \"actions\": {}}}",
	"{\"\": {\"entityTypes\": {\"A\": {\"memberOfTypes\": [\"Bb\"]}, \"BB\": {}}, \"actions\": {}}}",
	"{\"\": {\"entityTypes\": {}, \"actions\": {\"a\": {\"memberOf\": [{\"id\": \"aa\"}]}}}}",
};

/* The first two are schemas, the others are not. */
#define N_TEXTS (2 + LENGTH(broken_texts) + LENGTH(broken_jsons))

static const char *
text_at(size_t i)
{
	if (i < 2)
		return i == 0 ? big_text : big_json;
	if (i < 2 + LENGTH(broken_texts))
		return broken_texts[i - 2];
	return broken_jsons[i - 2 - LENGTH(broken_texts)];
}

typedef struct Call
{
	Entry		entry;
	size_t		text;
} Call;

static CedarCode
run(const void *what, CedarArena *arena, CedarError *err)
{
	const Call *c = what;
	const char *text = text_at(c->text);
	const void *out;
	size_t		len;

	return call(c->entry, arena, text, strlen(text), CEDAR_SCHEMA_AUTO, &out, &len, err);
}

static void
test_faults(void)
{
	for (int e = 0; e < N_ENTRIES; e++)
	{
		for (size_t i = 0; i < N_TEXTS; i++)
		{
			Call		c = {(Entry) e, i};
			char		name[40];

			snprintf(name, sizeof(name), "%s of text %zu", entry_names[e], i);
			CHECKF(faults_memory(name, run, &c) > 20, "%s asks for little memory", name);
			faults_interrupts(name, run, &c);
			if (i < 2)
				CHECKF(faults_stack(name, run, &c) > 20, "%s looks at the stack seldom", name);
		}
	}
}

/* The library works without callbacks. */
static void
test_bare_host(void)
{
	Bench		b;

	bench_open(&b);
	cedar_arena_destroy(b.arena);
	b.host.vtable.stack_is_too_deep = NULL;
	b.host.vtable.check_interrupt = NULL;
	b.arena = cedar_arena_create(&b.host.vtable);
	for (int e = 0; e < N_ENTRIES; e++)
	{
		Call		c = {(Entry) e, 1};

		CHECK(run(&c, b.arena, &b.err) == CEDAR_OK);
	}
	bench_close(&b);
}

int
main(void)
{
	test_formats();
	test_position_of_encoding();
	test_nothing();
	test_nesting();
	test_chains();
	test_doubling();
	test_sharing();
	test_long_text();
	test_hierarchy();
	test_many();
	test_faults();
	test_bare_host();
	return checks_end();
}
