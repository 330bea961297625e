/*-------------------------------------------------------------------------
 *
 * limits_test.c
 *	  Limits on data: the size of a set and the steps of an evaluation, with
 *	  the value next to the limit allowed; membership in large sets; keys made
 *	  to collide.
 *
 *-------------------------------------------------------------------------
 */
#define _POSIX_C_SOURCE 200809L

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness.h"

static long passed;
static long failed;

static void
check(bool ok, const char *what, const CedarError *err)
{
	if (ok)
	{
		passed++;
		return;
	}
	failed++;
	printf("%s: %s\n", what, err->message);
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
decide(CedarArena *arena, const char *policy, const char *context, size_t context_len,
	   CedarDecision *d, CedarError *err)
{
	CedarAst   *ast;
	CedarPolicy p = {NULL, "p", 1};
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

int
main(void)
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
	check(decide(arena, "permit(principal,action,resource) when { context.s.contains(999999) "
				 "&& !context.s.contains(1000000) };", text, len, &d, &err) == CEDAR_OK && d.allow,
		  "a set of the largest size", &err);
	free(text);
	cedar_arena_reset(arena);
	text = context_of(CEDAR_MAX_SET_SIZE + 1, 1, &len);
	check(decide(arena, "permit(principal,action,resource);", text, len, &d, &err) == CEDAR_ERR_LIMIT &&
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
			ok = decide(arena, one, text, len, &d, &err) == CEDAR_OK && d.allow;
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
		check(decide(arena, policy, text, len, &d, &err) == want, "evaluation steps", &err);
		free(policy);
		free(text);
		cedar_arena_reset(arena);
	}
	check(host.interrupt_calls > 1000, "long work looks for interrupts", &err);

	cedar_arena_destroy(arena);
	check(host_close(&host), "memory left", &err);
	printf("%ld passed, %ld failed\n", passed, failed);
	return failed == 0 ? 0 : 1;
}
