/*-------------------------------------------------------------------------
 *
 * limits_test.c
 *	  Limits on texts and data: nesting, the length of a policy, the size of a
 *	  set, the steps of an evaluation, with the value next to the limit
 *	  allowed; membership in large sets.
 *
 *-------------------------------------------------------------------------
 */
#define _POSIX_C_SOURCE 200809L

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "unit.h"

static void
check(bool ok, const char *what, const CedarError *err)
{
	CHECKF(ok, "%s: %s", what, err->message);
}

/* {"s": [0, step, 2 * step, ...]} */
static char *
context_of(long n, long step, size_t *len)
{
	char	   *text;
	FILE	   *f = open_memstream(&text, len);

	fprintf(f, "{\"s\":[");
	for (long i = 0; i < n; i++)
		fprintf(f, "%s%ld", i > 0 ? "," : "", i * step);
	fprintf(f, "]}");
	fclose(f);
	return text;
}

static CedarCode
decide_with(CedarArena *arena, const char *policy, const char *context, size_t context_len,
	   CedarDecision *d, CedarError *err)
{
	CedarAst   *ast;
	CedarPolicy p = {.id = "p", .id_len = 1};
	CedarEntities *entities;
	CedarEntitySource source;
	CedarRequest request;
	size_t		size;
	CedarCode	code;

	if ((code = cedar_parse_one(arena, policy, strlen(policy), &ast, err)) != CEDAR_OK ||
		(code = cedar_compile(arena, ast, 0, &p.piece, &size, err)) != CEDAR_OK ||
		(code = cedar_entities_from_json(arena, "[]", 2, &entities, err)) != CEDAR_OK ||
		(code = cedar_uid_parse(arena, "U::\"a\"", 6, &request.principal, err)) != CEDAR_OK ||
		(code = cedar_context_from_json(arena, context, context_len, &request.context, err)) != CEDAR_OK)
		return code;
	request.action = request.resource = request.principal;
	source = cedar_entities_source(entities);
	return cedar_authorize(arena, &p, 1, NULL, &source, &request, true, d, err);
}

/* ----------------------------------------------------------------- texts */

/* usual: a hundred of them is a policy the reference takes. */
static const struct
{
	const char *before;
	const char *open;
	const char *middle;
	const char *close;
	bool		usual;
}			nestings[] = {
	{"", "(", "true", ")", true},
	{"", "[", "1", "]", true},
	{"", "{a:", "1", "}", true},
	{"", "if true then ", "true", " else true", true},
	{"", "if ", "true", " then true else true", true},
	{"", "if true then true else ", "true", "", true},
	{"", "!", "true", "", false},
	{"", "-", "1", "", false},
	{"", "!(", "true", ")", true},
	{"", "-(", "1", ")", true},
	{"", "ip(", "\"::1\"", ")", true},
	{"", "1 + ", "1", "", true},
	{"", "1 * (1 + ", "1", ")", true},
	{"", "true && ", "true", "", true},
	{"", "true || ", "true", "", true},
	{"", "true || (false && ", "true", ")", true},
	{"[1]", ".contains([1]", "", ")", true},
	{"[1]", ".contains(1)", "", "", true},
	{"principal", ".a", "", "", true},
	{"principal", "[\"a\"]", "", "", true},
	{"principal", "[", "1", "]", false},
	{"principal has a", ".a", "", "", true},
	{"[principal", ".a", "]", "", true},
	{"{a: principal", ".a", "}", "", true},
	{"ip(principal", ".a", ")", "", true},
	{"", "principal.hasTag(", "\"a\"", ")", true},
	{"1", " == (1", "", ")", true},
	{"1", " == 1", "", "", false},
	{"1", " < 1", "", "", false},
	{"principal", " is A in (principal", "", ")", true},
};

static void
nested(Text *t, size_t i, long depth)
{
	t->len = 0;
	text_adds(t, ANY " when { ");
	text_adds(t, nestings[i].before);
	text_times(t, nestings[i].open, depth);
	text_adds(t, nestings[i].middle);
	text_times(t, nestings[i].close, depth);
	text_adds(t, " };");
}

static bool
clean_limit(CedarCode code)
{
	return code == CEDAR_ERR_LIMIT || code == CEDAR_ERR_STACK || code == CEDAR_ERR_SYNTAX;
}

static void
test_texts(void)
{
	Bench		b;
	Text		t = {0};
	static const long depths[] = {100, 200, 990, 998, 999, 1000, 1001, 1002, 5000, 100000};

	for (size_t i = 0; i < LENGTH(nestings); i++)
		for (size_t k = 0; k < LENGTH(depths); k++)
		{
			CedarDecision d;
			CedarCode	code;

			bench_open(&b);
			nested(&t, i, depths[k]);
			code = decide(&b, t.data, t.len, "[]", &d);
			CHECKF(code == CEDAR_OK || clean_limit(code), "%s x %ld: %s (%s)",
				   nestings[i].open, depths[k], code_name(code), b.err.message);
			CHECKF(code == CEDAR_OK || (b.err.code == code && b.err.message[0] != '\0' &&
										b.err.offset + b.err.length <= t.len),
				   "%s x %ld: error is not filled well", nestings[i].open, depths[k]);
			if (depths[k] == 100)
				CHECKF((code == CEDAR_OK) == nestings[i].usual, "%s x 100: %s",
					   nestings[i].open, b.err.message);
			bench_close(&b);

			/* never closed */
			bench_open(&b);
			code = parse(&b, t.data, t.len - 3 - strlen(nestings[i].close) * (size_t) depths[k]);
			CHECKF(clean_limit(code), "%s x %ld, open: %s", nestings[i].open, depths[k], code_name(code));
			bench_close(&b);
		}

	/* 100,000 deep says which limit it was */
	for (size_t i = 0; i < 6; i++)
	{
		bench_open(&b);
		nested(&t, i, 100000);
		CHECKF(parse(&b, t.data, t.len) == CEDAR_ERR_LIMIT, "%s x 100000: %s",
			   nestings[i].open, code_name(b.err.code));
		bench_close(&b);
	}

	/* a policy of 10 MB */
	for (int kind = 0; kind < 4; kind++)
	{
		CedarAst   *ast;

		bench_open(&b);
		t.len = 0;
		if (kind == 1)
			text_adds(&t, "@a(\"b\")");
		text_adds(&t, ANY " when { ");
		if (kind == 0)
		{
			text_adds(&t, "\"");
			text_times(&t, "0123456789", 1024 * 1024);
			text_adds(&t, "\" == \"\"");
		}
		else if (kind == 1)
		{
			text_times(&t, "          ", 1024 * 1024);
			text_adds(&t, "true");
		}
		else if (kind == 2)
		{
			text_times(&t, "true || ", 1280 * 1024);
			text_adds(&t, "true");
		}
		else
		{
			text_adds(&t, "[");
			text_times(&t, "123456789,", 1024 * 1024);
			text_adds(&t, "1].contains(1)");
		}
		text_adds(&t, " };");
		CHECKF(parse(&b, t.data, t.len) == CEDAR_ERR_LIMIT, "10 MB, kind %d: %s", kind,
			   code_name(b.err.code));
		CHECK(cedar_parse_one(b.arena, t.data, t.len, &ast, &b.err) == CEDAR_ERR_LIMIT);
		bench_close(&b);
	}

	/* parentheses in a scope */
	for (long depth = 20; depth < 20000; depth *= 100)
	{
		bench_open(&b);
		t.len = 0;
		text_adds(&t, "permit(principal == ");
		text_times(&t, "(", depth);
		text_adds(&t, "U::\"a\"");
		text_times(&t, ")", depth);
		text_adds(&t, ", action, resource);");
		CHECKF(parse(&b, t.data, t.len) == (depth == 20 ? CEDAR_OK : CEDAR_ERR_LIMIT), "%ld: %s", depth,
			   b.err.message);
		bench_close(&b);
	}

	/* the limit is each policy's, not the text's */
	{
		CedarAst   *ast;
		long		n = 5 * 1024 * 1024 / (long) strlen(ANY ";\n");

		bench_open(&b);
		t.len = 0;
		text_times(&t, ANY ";\n", n);
		CHECKF(cedar_parse(b.arena, t.data, t.len, &ast, &b.err) == CEDAR_OK &&
			   cedar_ast_count(ast) == (uint32_t) n, "5 MB of policies: %s", b.err.message);
		bench_close(&b);
	}

	/* wide is not deep */
	{
		static const char *const wide[][3] = {
			{"", "true && ", "true"},
			{"", "false || ", "true"},
			{"[", "1,", "2].contains(2)"},
		};

		for (size_t i = 0; i < LENGTH(wide); i++)
		{
			CedarDecision d;
			CedarCode	code;

			bench_open(&b);
			t.len = 0;
			text_adds(&t, ANY " when { ");
			text_adds(&t, wide[i][0]);
			text_times(&t, wide[i][1], 5000);
			text_adds(&t, wide[i][2]);
			text_adds(&t, " };");
			code = decide(&b, t.data, t.len, "[]", &d);
			CHECKF(code == CEDAR_OK && d.allow, "5,000 x %s: %s", wide[i][1], b.err.message);
			bench_close(&b);
		}
	}

	/* JSON */
	for (int kind = 0; kind < 6; kind++)
	{
		CedarEntities *entities;
		CedarRequest request;
		const CedarRecord *context;
		CedarCode	code;
		bool		objects = (kind & 1) != 0;

		bench_open(&b);
		t.len = 0;
		text_adds(&t, kind < 2 ? "[{\"uid\":{\"type\":\"U\",\"id\":\"a\"},\"parents\":[],\"attrs\":{\"a\":" :
			 kind < 4 ? "{\"context\":{\"a\":" : "{\"a\":");
		text_times(&t, objects ? "{\"a\":" : "[", 100000);
		text_adds(&t, "1");
		text_times(&t, objects ? "}" : "]", 100000);
		text_adds(&t, kind < 2 ? "}}]" : kind < 4 ? "}}" : "}");
		for (int open = 0; open < 2; open++)
		{
			size_t		len = open ? t.len - 60000 : t.len;

			code = kind < 2 ? cedar_entities_from_json(b.arena, t.data, len, &entities, &b.err) :
				kind < 4 ? cedar_request_from_json(b.arena, t.data, len, &request, &b.err) :
				cedar_context_from_json(b.arena, t.data, len, &context, &b.err);
			CHECKF(code == CEDAR_ERR_LIMIT, "JSON 100,000 deep, kind %d: %s", kind, code_name(code));
		}
		bench_close(&b);
	}
	{
		/* half of the limit is fine */
		const CedarRecord *context;

		bench_open(&b);
		t.len = 0;
		text_adds(&t, "{\"a\":");
		text_times(&t, "[", CEDAR_MAX_JSON_DEPTH / 2);
		text_times(&t, "]", CEDAR_MAX_JSON_DEPTH / 2);
		text_adds(&t, "}");
		CHECKF(cedar_context_from_json(b.arena, t.data, t.len, &context, &b.err) == CEDAR_OK,
			   "%s", b.err.message);
		bench_close(&b);
	}

	/* a chain of 100,000 parents: the walk does not recurse */
	{
		CedarDecision d;
		CedarCode	code;
		char		buf[200];

		bench_open(&b);
		t.len = 0;
		text_adds(&t, "[{\"uid\":{\"type\":\"U\",\"id\":\"a\"},\"attrs\":{},\"parents\":[{\"type\":\"G\",\"id\":\"0\"}]}");
		for (int i = 0; i < 100000; i++)
		{
			snprintf(buf, sizeof(buf), ",{\"uid\":{\"type\":\"G\",\"id\":\"%d\"},\"attrs\":{},"
					 "\"parents\":[{\"type\":\"G\",\"id\":\"%d\"}]}", i, i + 1);
			text_adds(&t, buf);
		}
		text_add(&t, "]", 2);
		code = decide(&b, LIT("permit(principal in G::\"100000\", action, resource);"), t.data, &d);
		CHECKF(code == CEDAR_OK && d.allow, "chain of parents: %s", b.err.message);
		bench_close(&b);

		/* and the same as a cycle */
		bench_open(&b);
		t.len -= 2;
		text_adds(&t, ",{\"uid\":{\"type\":\"G\",\"id\":\"100000\"},\"attrs\":{},\"parents\":[{\"type\":\"U\",\"id\":\"a\"}]}");
		text_add(&t, "]", 2);
		code = decide(&b, LIT("permit(principal in G::\"x\", action, resource);"), t.data, &d);
		CHECKF(code == CEDAR_ERR_CYCLE, "cycle of 100,001: %s", code_name(code));
		bench_close(&b);
	}
	free(t.data);
}

/* ------------------------------------------------------------------ data */

static void
test_data(void)
{
	Host		host;
	CedarArena *arena;
	CedarDecision d;
	CedarError	err = {0};
	size_t		len;
	char	   *text;
	char	   *policy;
	size_t		policy_len;
	FILE	   *f;

	host_open(&host);
	arena = cedar_arena_create(&host.vtable);

	/* the size of a set */
	text = context_of(CEDAR_MAX_SET_SIZE, 1, &len);
	check(decide_with(arena, "permit(principal,action,resource) when { context.s.contains(999999) "
				 "&& !context.s.contains(1000000) };", text, len, &d, &err) == CEDAR_OK && d.allow,
		  "a set of the largest size", &err);
	free(text);
	cedar_arena_reset(arena);
	text = context_of(CEDAR_MAX_SET_SIZE + 1, 1, &len);
	check(decide_with(arena, "permit(principal,action,resource);", text, len, &d, &err) == CEDAR_ERR_LIMIT &&
		  err.has_position && err.offset == 5, "a larger set", &err);
	free(text);
	cedar_arena_reset(arena);

	/* each member is found, and nothing between two members */
	for (long n = 1; n < 3000; n = n * 2 + 1)
	{
		bool		ok = true;

		text = context_of(n, 10, &len);
		for (long i = 0; i < n && ok; i += 1 + n / 50)
		{
			char		one[200];

			snprintf(one, sizeof(one), "permit(principal,action,resource) when { "
					 "context.s.contains(%ld) && !context.s.contains(%ld) };", i * 10, i * 10 + 1);
			ok = decide_with(arena, one, text, len, &d, &err) == CEDAR_OK && d.allow;
			cedar_arena_reset(arena);
		}
		check(ok, "membership in a set", &err);
		free(text);
	}

	/* steps: ten walks over 100,000 elements are fine, a thousand are not */
	for (int times = 10; times <= 1000; times *= 100)
	{
		CedarCode	want = times == 10 ? CEDAR_OK : CEDAR_ERR_LIMIT;

		text = context_of(100000, 1, &len);
		f = open_memstream(&policy, &policy_len);
		fprintf(f, "permit(principal,action,resource) when { true");
		for (int i = 0; i < times; i++)
			fprintf(f, " && context.s.containsAll(context.s)");
		fprintf(f, " };");
		fclose(f);
		check(decide_with(arena, policy, text, len, &d, &err) == want, "evaluation steps", &err);
		free(policy);
		free(text);
		cedar_arena_reset(arena);
	}
	check(host.interrupt_calls > 1000, "long work looks for interrupts", &err);

	cedar_arena_destroy(arena);
	check(host_close(&host), "memory left", &err);
}

int
main(void)
{
	setvbuf(stdout, NULL, _IOLBF, 0);
	test_texts();
	test_data();
	return checks_end();
}
