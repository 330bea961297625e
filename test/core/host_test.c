/*-------------------------------------------------------------------------
 *
 * host_test.c
 *	  The library and its host: callbacks that refuse, fail or jump away, at
 *	  every place where they are called.
 *
 *-------------------------------------------------------------------------
 */
#define _POSIX_C_SOURCE 200809L

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "internal.h"
#include "unit.h"

/* ----------------------------------------------------------------- memory */

/* One run with an allocator that fails; true when nothing failed. */
static bool
run_failing(long fail_at, bool fail_after, size_t pad)
{
	Host		host;
	CedarArena *arena;
	CedarError	err;
	CedarCode	code;
	bool		right = false;
	bool		clean;

	host_open(&host);
	memset(&err, 0, sizeof(err));
	host.fail_at = fail_at;
	host.fail_after = fail_after;
	arena = cedar_arena_create(&host.vtable);
	if (arena == NULL)
	{
		CHECKF(fail_at == 1, "no arena though the allocator gave");
		CHECK(host_close(&host));
		return false;
	}
	code = pad == 0 || cedar_arena_alloc(arena, pad) != NULL ?
		big_run(arena, &err, &right) : cedar_nomem(&err);
	cedar_arena_destroy(arena);
	clean = host_close(&host);
	if (host.alloc_calls < fail_at)
	{
		CHECKF(code == CEDAR_OK && right && clean, "nothing failed: %s %s", code_name(code), err.message);
		return true;
	}
	CHECKF(code == CEDAR_ERR_NOMEM && err.code == CEDAR_ERR_NOMEM && err.message[0] != '\0' && clean,
		   "allocation %ld%s fails, pad %zu: %s (%s)%s", fail_at, fail_after ? " and later" : "",
		   pad, code_name(code), err.message, clean ? "" : ", memory left");
	return false;
}

static void
test_out_of_memory(void)
{
	Bench		b;
	size_t		block;

	/* the first block's size: the bytes until the host is asked again */
	bench_open(&b);
	{
		long		calls = b.host.alloc_calls;

		/* an arena may take its first block only now */
		cedar_arena_alloc(b.arena, 8);
		calls = b.host.alloc_calls;
		for (block = 8; b.host.alloc_calls == calls; block += 8)
			cedar_arena_alloc(b.arena, 8);
	}
	bench_close(&b);

	/*
	 * The library allocates from blocks, so the host's n-th call is reached
	 * from few places; the pad moves the border over all of them.
	 */
	for (size_t pad = 0; pad <= block; pad += 40)
		for (int after = 0; after < 2; after++)
			for (long n = 1; n < 200; n++)
				if (run_failing(n, after == 1, pad))
					break;
}

static void
test_stack_callback(void)
{
	bool		done = false;
	long		n;

	for (n = 1; n < 100000 && !done; n++)
	{
		Bench		b;
		CedarCode	code;
		bool		right;

		bench_open(&b);
		b.host.stack_at = n;
		code = big_run(b.arena, &b.err, &right);
		done = b.host.stack_calls < n;
		if (done)
			CHECKF(code == CEDAR_OK && right, "stack was never too deep: %s", code_name(code));
		else
			CHECKF(code == CEDAR_ERR_STACK && b.err.code == code && b.err.message[0] != '\0',
				   "too deep at call %ld: %s (%s)", n, code_name(code), b.err.message);
		bench_close(&b);
	}
	CHECKF(done && n > 10, "the host's stack check was asked %ld times", n);
}

/* ------------------------------------------------------------- interrupts */

/* One decision, step by step; what a step needs is made by those before it. */
typedef struct Whole
{
	CedarArena *arena;
	CedarAst   *ast;
	CedarPolicy *policies;
	size_t	   *sizes;
	uint32_t	n;
	const CedarIndex *index;
	size_t		index_size;
	CedarEntities *entities;
	CedarEntitySource source;
	CedarRequest request;
	CedarDecision decision;
	CedarError	err;
} Whole;

static const char *policies_text;
static size_t policies_len;

static CedarCode
step_parse(Whole *w)
{
	return cedar_parse(w->arena, policies_text, policies_len, &w->ast, &w->err);
}

static CedarCode
step_compile(Whole *w)
{
	w->n = cedar_ast_count(w->ast);
	w->policies = cedar_arena_zalloc(w->arena, w->n * sizeof(CedarPolicy));
	w->sizes = cedar_arena_zalloc(w->arena, w->n * sizeof(size_t));
	for (uint32_t i = 0; i < w->n; i++)
		TRY(cedar_compile(w->arena, w->ast, i, &w->policies[i].piece, &w->sizes[i], &w->err));
	return CEDAR_OK;
}

static CedarCode
step_verify(Whole *w)
{
	for (uint32_t i = 0; i < w->n; i++)
		TRY(cedar_piece_verify(w->arena, w->policies[i].piece, w->sizes[i], &w->err));
	return CEDAR_OK;
}

static CedarCode
step_index(Whole *w)
{
	return cedar_index_build(w->arena, w->policies, w->n, &w->index, &w->index_size, &w->err);
}

static CedarCode
step_verify_index(Whole *w)
{
	return cedar_index_verify(w->arena, w->index, w->index_size, w->n, &w->err);
}

static CedarCode
step_entities(Whole *w)
{
	TRY(cedar_entities_from_json(w->arena, big_entities, strlen(big_entities), &w->entities, &w->err));
	w->source = cedar_entities_source(w->entities);
	return CEDAR_OK;
}

static CedarCode
step_entity(Whole *w)
{
	const CedarUid *uid;
	CedarEntity *e;
	const char *fault;

	TRY(cedar_uid_parse(w->arena, LIT("App::User::\"a\""), &uid, &w->err));
	return cedar_entity_build(w->arena, uid, LIT("{\"a\": [1, {}]}"), LIT("{\"t\": \"u\"}"), &uid, 1, &e,
							  &fault, &w->err);
}

static CedarCode
step_request(Whole *w)
{
	return cedar_request_from_json(w->arena, big_request, strlen(big_request), &w->request, &w->err);
}

static CedarCode
step_authorize(Whole *w)
{
	return cedar_authorize(w->arena, w->policies, w->n, NULL, &w->source, &w->request, true,
						   &w->decision, &w->err);
}

static CedarCode
step_authorize_index(Whole *w)
{
	return cedar_authorize(w->arena, w->policies, w->n, w->index, &w->source, &w->request, true,
						   &w->decision, &w->err);
}

static CedarCode
step_response(Whole *w)
{
	const char *json;
	size_t		len;

	return cedar_decision_to_json(w->arena, &w->decision, w->policies, &json, &len, &w->err);
}

static const struct
{
	const char *name;
	CedarCode	(*run) (Whole *w);
}			steps[] = {
	{"parse", step_parse},
	{"compile", step_compile},
	{"verify", step_verify},
	{"index", step_index},
	{"verify the index", step_verify_index},
	{"entities", step_entities},
	{"entity", step_entity},
	{"request", step_request},
	{"authorize with an index", step_authorize_index},
	{"entities again, without ancestors", step_entities},
	{"authorize", step_authorize},
	{"response", step_response},
};

/*
 * Run all steps, with a jump out of this one at the n-th look for an interrupt
 * in it; then it runs again, in the same arena.  False when there was no jump.
 */
static bool
run_interrupted(size_t interrupted, long n)
{
	Host		host;
	Whole		w;
	CedarArena *volatile arena;
	volatile bool jumped = false;
	volatile bool ok = true;

	host_open(&host);
	memset(&w, 0, sizeof(w));
	w.arena = arena = cedar_arena_create(&host.vtable);
	for (volatile size_t i = 0; i < LENGTH(steps) && ok; i++)
	{
		CedarCode	code;

		if (i == interrupted)
		{
			host.interrupt_at = host.interrupt_calls + n;
			if (setjmp(host.interrupt) != 0)
				jumped = true;
			else
				(void) steps[i].run(&w);
			host.interrupt_at = 0;
		}
		code = steps[i].run(&w);
		ok = code == CEDAR_OK;
		CHECKF(ok, "%s, after a jump at look %ld in %s: %s", steps[i].name, n,
			   steps[interrupted].name, w.err.message);
	}
	if (ok)
		CHECKF(big_answer(&w.decision), "another decision after a jump at look %ld in %s", n,
			   steps[interrupted].name);
	cedar_arena_destroy(arena);
	CHECKF(host_close(&host), "memory left after a jump at look %ld in %s", n,
		   steps[interrupted].name);
	return jumped;
}

static void
test_interrupts(void)
{
	policies_text = big_policies;
	policies_len = strlen(big_policies);
	for (size_t i = 0; i < LENGTH(steps); i++)
	{
		long		n = 1;

		while (n < 100000 && run_interrupted(i, n))
			n++;
		CHECKF(n > 1 && n < 100000, "%s looked for interrupts %ld times", steps[i].name, n - 1);
	}
}

/*
 * Long work, of one kind each, must look for interrupts in proportion: at
 * least once for so many units of it.
 */
typedef CedarCode (*LongFn) (Bench *b, const Text *t);

static CedarCode
long_parse(Bench *b, const Text *t)
{
	return parse(b, t->data, t->len);
}

static CedarCode
long_uid(Bench *b, const Text *t)
{
	const CedarUid *uid;

	return cedar_uid_parse(b->arena, t->data, t->len, &uid, &b->err);
}

static CedarCode
long_context(Bench *b, const Text *t)
{
	const CedarRecord *context;

	return cedar_context_from_json(b->arena, t->data, t->len, &context, &b->err);
}

static CedarCode
long_entities(Bench *b, const Text *t)
{
	CedarEntities *entities;

	return cedar_entities_from_json(b->arena, t->data, t->len, &entities, &b->err);
}

/* The texts' common form: this, then so many of the middle, then the end. */
static const struct
{
	const char *what;
	LongFn		run;
	const char *start;
	const char *middle;
	long		times;
	const char *end;
	long		looks;			/* at least */
}			long_texts[] = {
	{"policies without conditions", long_parse, "", ANY ";", 20000, "", 100000},
	{"white space", long_parse, "", " ", 1000000, ANY ";", 20},
	{"a comment", long_parse, "//", "x", 1000000, "\n" ANY ";", 20},
	{"a list of actions", long_parse, "permit(principal, action in [", "Action::\"a\",", 50000, "], resource);", 150000},
	{"a string", long_parse, ANY " when { \"", "x", 1000000, "\" == 1 };", 20},
	{"escapes", long_parse, ANY " when { \"", "\\n", 500000, "\" == 1 };", 20},
	{"an identifier", long_parse, ANY " when { context.", "x", 1000000, " };", 20},
	{"digits", long_parse, ANY " when { ", "0", 1000000, " == 0 };", 20},
	{"a chain", long_parse, ANY " when { ", "1 +", 900, " 1 == 0 };", 1800},
	{"a uid", long_uid, "U::\"", "x", 1000000, "\"", 20},
	{"white space in JSON", long_context, "", " ", 1000000, "{}", 20},
	{"a JSON string", long_context, "{\"a\":\"", "x", 1000000, "\"}", 20},
	{"a JSON string with escapes", long_context, "{\"a\":\"", "\\n", 500000, "\"}", 20},
	{"a JSON number", long_context, "{\"a\":0.", "0", 1000000, "}", 15},
	{"a JSON exponent", long_context, "{\"a\":0e", "0", 1000000, "}", 15},
	{"a JSON integer", long_context, "{\"a\":1", "0", 1000000, "}", 15},
	{"a set", long_context, "{\"a\":[", "1,", 50000, "2]}", 150000},
	{"a nested set", long_context, "{\"a\":[", "[[]],", 50000, "[]]}", 250000},
	{"parents", long_entities, "[{\"uid\":{\"type\":\"U\",\"id\":\"a\"},\"attrs\":{},\"parents\":[",
	"{\"type\":\"G\",\"id\":\"a\"},", 20000, "{\"type\":\"G\",\"id\":\"b\"}]}]", 80000},
};

static void
test_long_texts(void)
{
	Text		t = {0};

	for (size_t i = 0; i < LENGTH(long_texts); i++)
	{
		Bench		b;
		CedarCode	code;

		t.len = 0;
		text_adds(&t, long_texts[i].start);
		text_times(&t, long_texts[i].middle, long_texts[i].times);
		text_adds(&t, long_texts[i].end);
		bench_open(&b);
		code = long_texts[i].run(&b, &t);
		/* a number with a fraction is refused in the end, as is a policy beyond its limit */
		CHECKF(code == CEDAR_OK || code == CEDAR_ERR_REQUEST || code == CEDAR_ERR_LIMIT,
			   "%s: %s", long_texts[i].what, b.err.message);
		CHECKF(b.host.interrupt_calls >= long_texts[i].looks,
			   "%s: %ld looks for interrupts", long_texts[i].what, b.host.interrupt_calls);
		bench_close(&b);
	}
	free(t.data);
}

/*
 * Conditions that are true and long work, over a context with two equal sets
 * and two equal strings, all large, and a large set of entities whose last is
 * the principal.
 */
static const struct
{
	const char *condition;
	long		looks;			/* at least, beyond those of `true` */
}			long_conditions[] = {
	{"context.a == context.b", 1},
	{"{x: context.a, y: context.b} == {y: context.a, x: context.b}", 1},
	{"context.a.containsAll(context.b)", 15},
	{"!context.a.containsAny(context.entities)", 15},
	{"[context.a].contains(context.b)", 1},
	{"[context.a, context.b, context.a, context.b].contains(context.b)", 4},
	{"[context.a, context.b, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17].contains(17)", 15},
	{"principal in context.entities", 15},
	{"!(context.s like \"*x\")", 1},
	{"context.s == context.t", 1},
};

static void
test_long_conditions(void)
{
	Text		t = {0};
	Bench		b;
	CedarRequest request;
	CedarEntities *entities;
	CedarEntitySource source;
	long		plain = 0;

	bench_open(&b);
	for (int k = 0; k < 2; k++)
	{
		text_adds(&t, k == 0 ? "{\"n\":\"n\",\"a\":[0" : "],\"b\":[0");
		for (int i = 1; i < 20000; i++)
		{
			char		number[16];

			snprintf(number, sizeof(number), ",%d", k == 0 ? i : 20000 - i);
			text_adds(&t, number);
		}
	}
	for (int k = 0; k < 2; k++)
	{
		text_adds(&t, k == 0 ? "],\"s\":\"" : "\",\"t\":\"");
		text_times(&t, "y", 1000000);
	}
	text_adds(&t, "\",\"entities\":[");
	for (int i = 0; i < 20000; i++)
	{
		char		uid[80];

		snprintf(uid, sizeof(uid), "{\"__entity\":{\"type\":\"G\",\"id\":\"%d\"}},", i);
		text_adds(&t, uid);
	}
	text_adds(&t, "{\"__entity\":{\"type\":\"U\",\"id\":\"a\"}}]}");
	CHECK(cedar_entities_from_json(b.arena, LIT("[]"), &entities, &b.err) == CEDAR_OK);
	CHECK(cedar_request_from_json(b.arena, LIT(REQUEST), &request, &b.err) == CEDAR_OK);
	CHECKF(cedar_context_from_json(b.arena, t.data, t.len, &request.context, &b.err) == CEDAR_OK,
		   "%s", b.err.message);
	source = cedar_entities_source(entities);
	for (size_t i = 0; i <= LENGTH(long_conditions); i++)
	{
		const char *condition = i == 0 ? "true" : long_conditions[i - 1].condition;
		char		text[200];
		CedarAst   *ast;
		CedarPolicy policy = {.id = "p", .id_len = 1};
		CedarDecision d;
		CedarCode	code;
		size_t		size;
		long		looks;

		snprintf(text, sizeof(text), ANY " when { %s };", condition);
		CHECKF(cedar_parse_one(b.arena, text, strlen(text), &ast, &b.err) == CEDAR_OK &&
			   cedar_compile(b.arena, ast, 0, &policy.piece, &size, &b.err) == CEDAR_OK,
			   "%s: %s", condition, b.err.message);
		looks = b.host.interrupt_calls;
		code = cedar_authorize(b.arena, &policy, 1, NULL, &source, &request, true, &d, &b.err);
		looks = b.host.interrupt_calls - looks;
		CHECKF(code == CEDAR_OK && d.allow, "%s: %s", condition,
			   code != CEDAR_OK ? b.err.message : d.n_errors > 0 ? d.errors[0].error.message : "false");
		if (i == 0)
			plain = looks;
		else
			CHECKF(looks - plain >= long_conditions[i - 1].looks, "%s: %ld looks for interrupts",
				   condition, looks - plain);
	}
	free(t.data);
	bench_close(&b);
}

/* ----------------------------------------------------------------- source */

/* A source whose look-up fails ends the authorization. */
static CedarCode
find_fails(void *userdata, const CedarUid *uid, CedarEntity **entity, CedarError *err)
{
	(void) uid;
	*entity = NULL;
	++*(int *) userdata;
	memset(err, 0, sizeof(*err));
	err->code = CEDAR_ERR_HOST;
	strcpy(err->message, "the table is gone");
	return CEDAR_ERR_HOST;
}

static void
test_host_source(void)
{
	static const char *const texts[] = {
		"permit(principal in G::\"g\", action, resource);",
		ANY " when { principal.a };",
		ANY " when { principal has a };",
		ANY " when { principal.hasTag(\"a\") };",
		ANY " when { true || false };" ANY " when { resource in [G::\"g\"] };",
	};

	for (size_t i = 0; i < LENGTH(texts); i++)
		for (int wanted = 1; wanted >= 0; wanted--)
		{
			Bench		b;
			CedarAst   *ast;
			CedarPolicy policies[2] = {0};
			CedarRequest request;
			CedarDecision d;
			CedarEntitySource source;
			CedarCode	code;
			int			calls = 0;
			size_t		size;

			bench_open(&b);
			source.find = find_fails;
			source.climb = NULL;
			source.userdata = &calls;
			source.arena = b.arena;
			CHECK(cedar_parse(b.arena, texts[i], strlen(texts[i]), &ast, &b.err) == CEDAR_OK);
			for (uint32_t k = 0; k < cedar_ast_count(ast); k++)
			{
				CHECK(cedar_compile(b.arena, ast, k, &policies[k].piece, &size, &b.err) == CEDAR_OK);
				policies[k].id = "p";
				policies[k].id_len = 1;
			}
			CHECK(cedar_request_from_json(b.arena, LIT(REQUEST), &request, &b.err) == CEDAR_OK);
			code = cedar_authorize(b.arena, policies, cedar_ast_count(ast), NULL, &source,
								   &request, wanted == 1, &d, &b.err);
			/* the last text may be answered by its first policy alone */
			if (i + 1 == LENGTH(texts) && !wanted && code == CEDAR_OK && calls == 0)
				CHECK(d.allow);
			else
				CHECKF(code == CEDAR_ERR_HOST && b.err.code == code &&
					   strcmp(b.err.message, "the table is gone") == 0,
					   "%s: %s (%s)", texts[i], code_name(code), b.err.message);
			bench_close(&b);
		}
}

int
main(void)
{
	setvbuf(stdout, NULL, _IOLBF, 0);
	test_host_source();
	test_stack_callback();
	test_interrupts();
	test_long_texts();
	test_long_conditions();
	test_out_of_memory();
	return checks_end();
}
