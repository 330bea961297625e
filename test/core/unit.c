/*-------------------------------------------------------------------------
 *
 * unit.c
 *	  See unit.h.
 *
 *-------------------------------------------------------------------------
 */
#include "unit.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static long passed;
static long failed;

void
check_at(const char *file, int line, bool ok, const char *fmt,...)
{
	va_list		args;

	if (ok)
	{
		passed++;
		return;
	}
	failed++;
	printf("%s:%d: ", file, line);
	va_start(args, fmt);
	vprintf(fmt, args);
	va_end(args);
	printf("\n");
}

int
checks_end(void)
{
	printf("%ld passed, %ld failed\n", passed, failed);
	return failed == 0 && passed > 0 ? 0 : 1;
}

/* ------------------------------------------------------- one test's arena */

void
bench_open(Bench *b)
{
	host_open(&b->host);
	memset(&b->err, 0, sizeof(b->err));
	b->arena = cedar_arena_create(&b->host.vtable);
	if (b->arena == NULL)
	{
		printf("no arena\n");
		exit(1);
	}
}

void
bench_close_at(const char *file, int line, Bench *b)
{
	cedar_arena_destroy(b->arena);
	check_at(file, line, host_close(&b->host), "memory left, or released twice");
}

/* ---------------------------------------------------------- growing texts */

void
text_add(Text *t, const char *s, size_t len)
{
	if (t->len + len > t->cap)
	{
		t->cap = (t->len + len) * 2;
		t->data = realloc(t->data, t->cap);
		if (t->data == NULL)
			abort();
	}
	if (len > 0)
		memcpy(t->data + t->len, s, len);
	t->len += len;
}

void
text_adds(Text *t, const char *s)
{
	text_add(t, s, strlen(s));
}

void
text_times(Text *t, const char *s, long n)
{
	while (n-- > 0)
		text_adds(t, s);
}

/* -------------------------------------------------------------- decisions */

CedarCode
parse(Bench *b, const char *text, size_t len)
{
	CedarAst   *ast;

	memset(&b->err, 0, sizeof(b->err));
	return cedar_parse(b->arena, text, len, &ast, &b->err);
}

CedarCode
decide(Bench *b, const char *text, size_t len, const char *entities_text,
	   CedarDecision *d)
{
	CedarAst   *ast;
	CedarCode	code;
	CedarPolicy *policies;
	CedarEntities *entities;
	CedarEntitySource source;
	CedarRequest request;
	uint32_t	n;

	memset(&b->err, 0, sizeof(b->err));
	code = cedar_parse(b->arena, text, len, &ast, &b->err);
	if (code != CEDAR_OK)
		return code;
	n = cedar_ast_count(ast);
	policies = calloc(n + 1, sizeof(CedarPolicy));
	for (uint32_t i = 0; i < n && code == CEDAR_OK; i++)
	{
		size_t		size;

		policies[i].id = "p";
		policies[i].id_len = 1;
		code = cedar_compile(b->arena, ast, i, &policies[i].piece, &size, &b->err);
	}
	if (code == CEDAR_OK)
		code = cedar_entities_from_json(b->arena, entities_text, strlen(entities_text),
										&entities, &b->err);
	if (code == CEDAR_OK)
		code = cedar_request_from_json(b->arena, REQUEST, strlen(REQUEST),
									   &request, &b->err);
	if (code == CEDAR_OK)
	{
		source = cedar_entities_source(entities);
		code = cedar_authorize(b->arena, policies, n, NULL, &source, &request, true, d, &b->err);
	}
	free(policies);
	return code;
}

const char	big_policies[] =
"@id(\"p\") permit(principal in G::\"g\", action in [Action::\"v\", Action::\"w\"], resource is D)\n"
"when { principal.n * 2 + 1 == 7 && principal.s.containsAll([\"a\", \"b\", {k: [1, 2]}]) }\n"
"unless { context has a.b && context.a.b like \"x*\\*y\" };\n"
"permit(principal, action, resource) when { ip(\"10.0.0.0/8\").isInRange(ip(\"10.0.0.0/7\")) || principal.hasTag(\"t\") && principal.getTag(\"t\") == [1] };\n"
"permit(principal, action, resource) when { if datetime(\"2024-01-01\").toDate() < datetime(\"2025-01-01T00:00:00Z\").offset(duration(\"-1d2h\")) then decimal(\"1.5\").lessThan(decimal(\"2.0\")) else false };\n"
"permit(principal, action, resource) when { resource.missing == 1 };\n"
"forbid(principal == U::\"a\", action, resource) when { -principal.n > 0 || !([1, 2].isEmpty() == false) };\n"
"permit(principal == ?principal, action, resource);\n";

const char	big_entities[] =
"[{\"uid\":{\"type\":\"U\",\"id\":\"a\"},\"attrs\":{\"n\":3,\"s\":[\"b\",\"a\",\"c\",{\"k\":[2,1]}],"
"\"ip\":{\"__extn\":{\"fn\":\"ip\",\"arg\":\"10.1.2.3\"}},\"e\":{\"__entity\":{\"type\":\"U\",\"id\":\"b\"}}},"
"\"parents\":[{\"type\":\"G\",\"id\":\"f\"},{\"type\":\"G\",\"id\":\"h\"}],\"tags\":{\"t\":[1,1]}},"
"{\"uid\":{\"type\":\"G\",\"id\":\"f\"},\"attrs\":{},\"parents\":[{\"type\":\"G\",\"id\":\"g\"}]},"
"{\"uid\":{\"type\":\"D\",\"id\":\"d\"},\"attrs\":{},\"parents\":[]}]";

const char	big_request[] =
"{\"principal\":{\"type\":\"U\",\"id\":\"a\"},\"action\":\"Action::\\\"v\\\"\","
"\"resource\":{\"__entity\":{\"type\":\"D\",\"id\":\"d\"}},\"context\":{\"a\":{\"b\":\"nothing\"},\"l\":[1,2,[3]]}}";

bool
big_answer(const CedarDecision *d)
{
	return d->allow && d->n_reasons == 3 && d->reasons[0] == 0 &&
		d->reasons[1] == 1 && d->reasons[2] == 2 && d->n_errors == 1 &&
		d->errors[0].policy == 3 && d->errors[0].error.code == CEDAR_EVAL_NO_ATTR;
}

CedarCode
big_run(CedarArena *arena, CedarError *err, bool *right)
{
	CedarCode	code;
	CedarAst   *ast;
	CedarPolicy policies[BIG_COUNT] = {0};
	const CedarIndex *index;
	CedarEntities *entities;
	CedarEntitySource source;
	CedarRequest request;
	CedarDecision d;
	const CedarUid *uid;
	const char *json;
	size_t		len;

	*right = false;
	if ((code = cedar_uid_parse(arena, LIT("App::User::\"a\\nb\""), &uid, err)) != CEDAR_OK)
		return code;
	if ((code = cedar_parse(arena, big_policies, strlen(big_policies), &ast, err)) != CEDAR_OK)
		return code;
	for (uint32_t i = 0; i < BIG_COUNT; i++)
	{
		size_t		size;

		if ((code = cedar_compile(arena, ast, i, &policies[i].piece, &size, err)) != CEDAR_OK)
			return code;
		if ((code = cedar_piece_verify(arena, policies[i].piece, size, err)) != CEDAR_OK)
			return code;
		policies[i].id = "p";
		policies[i].id_len = 1;
	}
	if ((code = cedar_index_build(arena, policies, BIG_COUNT, &index, &len, err)) != CEDAR_OK ||
		(code = cedar_index_verify(arena, index, len, BIG_COUNT, err)) != CEDAR_OK)
		return code;
	if ((code = cedar_entities_from_json(arena, big_entities, strlen(big_entities), &entities, err)) != CEDAR_OK)
		return code;
	if ((code = cedar_request_from_json(arena, big_request, strlen(big_request), &request, err)) != CEDAR_OK)
		return code;
	source = cedar_entities_source(entities);
	if ((code = cedar_authorize(arena, policies, BIG_COUNT, index, &source, &request, true, &d, err)) != CEDAR_OK)
		return code;
	if ((code = cedar_decision_to_json(arena, &d, policies, &json, &len, err)) != CEDAR_OK)
		return code;
	*right = big_answer(&d);
	return CEDAR_OK;
}
