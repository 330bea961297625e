/*-------------------------------------------------------------------------
 *
 * bench.c
 *	  The Cedar core under the benchmark's clock: cedar-bench.
 *
 * Reads commands on standard input, one a line, and answers each with one line
 * of JSON on standard output.  bench/peers/cedar answers the same commands for
 * the Rust crate.
 *
 *	 run PREFIX PASSES	 read PREFIX.cedar, PREFIX.entities and PREFIX.requests,
 *				 decide every request, then take times in this many passes
 *	 count PREFIX PASSES the same without a clock; for callgrind, toggled on
 *				 authorize_one()
 *
 * Everything but authorize_one() is outside of the times: policies compiled,
 * the scope index built, entities and requests read.  One arena holds what is
 * loaded and is dropped with it, another is reset for each request.  The host
 * callbacks do what the server's do, a comparison of addresses and a look at a
 * flag.
 *
 *-------------------------------------------------------------------------
 */
#define _POSIX_C_SOURCE 200809L

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "cedar.h"

#define CLOCK_SAMPLES 1001

typedef struct World
{
	CedarArena *arena;
	uint32_t	n_policies;
	CedarPolicy *policies;
	const CedarIndex *index;
	CedarEntitySource source;
	uint32_t	n_requests;
	CedarRequest *requests;
} World;

/* ------------------------------------------------------------------- host */

static const char *stack_base;
static volatile int interrupted;

static void *
host_alloc(void *userdata, size_t size)
{
	(void) userdata;
	return malloc(size);
}

static void
host_release(void *userdata, void *block)
{
	(void) userdata;
	free(block);
}

static bool
host_stack_is_too_deep(void *userdata)
{
	char		here;
	ptrdiff_t	depth = stack_base - &here;

	(void) userdata;
	return (depth < 0 ? -depth : depth) > 2 * 1024 * 1024;
}

static void
host_check_interrupt(void *userdata)
{
	(void) userdata;
	if (interrupted)
		exit(1);
}

static void die(const char *fmt,...) __attribute__((format(printf, 1, 2), noreturn));

static void
die(const char *fmt,...)
{
	va_list		args;

	fputs("cedar-bench: ", stderr);
	va_start(args, fmt);
	vfprintf(stderr, fmt, args);
	va_end(args);
	fputc('\n', stderr);
	exit(1);
}

static void
must(CedarCode code, const CedarError *err, const char *what)
{
	if (code == CEDAR_OK)
		return;
	if (err->has_position)
		die("%s: %s at byte %zu", what, err->message, err->offset);
	die("%s: %s", what, err->message);
}

static CedarArena *
make_arena(void)
{
	CedarHost	host = {host_alloc, host_release, host_stack_is_too_deep, host_check_interrupt, NULL};
	CedarArena *arena = cedar_arena_create(&host);

	if (arena == NULL)
		die("out of memory");
	return arena;
}

static void *
must_alloc(CedarArena *arena, size_t size)
{
	void	   *p = cedar_arena_alloc(arena, size);

	if (p == NULL)
		die("out of memory");
	return p;
}

/* ---------------------------------------------------------------- loading */

static const char *
read_file(CedarArena *arena, const char *prefix, const char *suffix, size_t *len)
{
	char		path[4096];
	FILE	   *f;
	long		size;
	char	   *text;

	if (snprintf(path, sizeof(path), "%s%s", prefix, suffix) >= (int) sizeof(path))
		die("path is too long");
	f = fopen(path, "rb");
	if (f == NULL)
		die("%s: %s", path, strerror(errno));
	if (fseek(f, 0, SEEK_END) != 0 || (size = ftell(f)) < 0)
		die("%s: %s", path, strerror(errno));
	rewind(f);
	text = must_alloc(arena, (size_t) size + 1);
	if (fread(text, 1, (size_t) size, f) != (size_t) size)
		die("%s: cannot read", path);
	text[size] = '\0';
	fclose(f);
	*len = (size_t) size;
	return text;
}

static void
load_policies(World *w, const char *prefix)
{
	CedarError	err;
	CedarAst   *ast;
	size_t		len,
				size;
	const char *text = read_file(w->arena, prefix, ".cedar", &len);

	must(cedar_parse(w->arena, text, len, &ast, &err), &err, "policies");
	w->n_policies = cedar_ast_count(ast);
	w->policies = must_alloc(w->arena, w->n_policies * sizeof(CedarPolicy));
	for (uint32_t i = 0; i < w->n_policies; i++)
	{
		/* the benchmark knows policies by their number */
		w->policies[i] = (CedarPolicy) {.piece = NULL};
		must(cedar_compile(w->arena, ast, i, &w->policies[i].piece, &size, &err), &err, "policies");
	}
	must(cedar_index_build(w->arena, w->policies, w->n_policies, &w->index, &size, &err), &err,
		 "index");
}

static void
load_entities(World *w, const char *prefix)
{
	CedarError	err;
	CedarEntities *entities;
	size_t		len;
	const char *text = read_file(w->arena, prefix, ".entities", &len);

	must(cedar_entities_from_json(w->arena, text, len, &entities, &err), &err, "entities");
	w->source = cedar_entities_source(entities);
}

/* One request a line. */
static void
load_requests(World *w, const char *prefix)
{
	CedarError	err;
	size_t		len;
	const char *text = read_file(w->arena, prefix, ".requests", &len);
	const char *end = text + len;

	w->n_requests = 0;
	for (const char *p = text; p < end; p++)
		w->n_requests += *p == '\n';
	if (w->n_requests == 0)
		die("no requests");
	w->requests = must_alloc(w->arena, w->n_requests * sizeof(CedarRequest));
	for (uint32_t i = 0; i < w->n_requests; i++)
	{
		const char *newline = memchr(text, '\n', (size_t) (end - text));

		must(cedar_request_from_json(w->arena, text, (size_t) (newline - text), &w->requests[i],
									 &err), &err, "request");
		text = newline + 1;
	}
}

static World
load(const char *prefix)
{
	World		w = {.arena = make_arena()};

	load_policies(&w, prefix);
	load_entities(&w, prefix);
	load_requests(&w, prefix);
	return w;
}

/* ----------------------------------------------------------------- timing */

static inline CedarDecision
decide(CedarArena *arena, const World *w, const CedarRequest *request)
{
	CedarDecision decision;
	CedarError	err;

	must(cedar_authorize(arena, w->policies, w->n_policies, w->index, &w->source, request,
						 true, &decision, &err), &err, "authorize");
	return decision;
}

/*
 * What is timed: one decision with its reasons, and giving up what it took.
 * Not inlined, for callgrind to find it.
 */
static __attribute__((noinline)) bool
authorize_one(CedarArena *arena, const World *w, const CedarRequest *request)
{
	bool		allow = decide(arena, w, request).allow;

	cedar_arena_reset(arena);
	return allow;
}

static inline int64_t
now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t) t.tv_sec * 1000000000 + t.tv_nsec;
}

static int
compare_times(const void *a, const void *b)
{
	int64_t		x = *(const int64_t *) a;
	int64_t		y = *(const int64_t *) b;

	return x < y ? -1 : x > y;
}

static int64_t
median(int64_t *times, size_t n)
{
	qsort(times, n, sizeof(int64_t), compare_times);
	return times[n / 2];
}

/* What two readings of the clock with nothing between them are apart. */
static int64_t
clock_cost(void)
{
	static int64_t times[CLOCK_SAMPLES];

	for (int i = 0; i < CLOCK_SAMPLES; i++)
	{
		int64_t		start = now();

		times[i] = now() - start;
	}
	return median(times, CLOCK_SAMPLES);
}

/* ---------------------------------------------------------------- answers */

static void
print_numbers(const char *key, const uint32_t *numbers, uint32_t n)
{
	printf(",\"%s\":[", key);
	for (uint32_t i = 0; i < n; i++)
		printf("%s%u", i > 0 ? "," : "", (unsigned) numbers[i]);
	putchar(']');
}

/* Decide all requests: this warms up, and is what the engines must agree on. */
static void
print_decisions(const World *w, CedarArena *arena)
{
	fputs("\"decisions\":[", stdout);
	for (uint32_t i = 0; i < w->n_requests; i++)
	{
		CedarDecision decision = decide(arena, w, &w->requests[i]);
		uint32_t   *failed;

		printf("%s{\"allow\":%s", i > 0 ? "," : "", decision.allow ? "true" : "false");
		print_numbers("reasons", decision.reasons, decision.n_reasons);
		failed = must_alloc(arena, decision.n_errors * sizeof(uint32_t));
		for (uint32_t k = 0; k < decision.n_errors; k++)
			failed[k] = decision.errors[k].policy;
		print_numbers("errors", failed, decision.n_errors);
		putchar('}');
		cedar_arena_reset(arena);
	}
	putchar(']');
}

/* A request's time is the median of its times in all passes. */
static void
run(const char *prefix, size_t passes)
{
	World		w = load(prefix);
	CedarArena *arena = make_arena();
	int64_t		cost = clock_cost();
	int64_t    *times = must_alloc(w.arena, w.n_requests * passes * sizeof(int64_t));
	int64_t		row = INT64_MAX;
	uint32_t	allowed = 0;

	printf("{\"policies\":%u,", (unsigned) w.n_policies);
	print_decisions(&w, arena);

	/* each request by itself */
	for (size_t pass = 0; pass < passes; pass++)
		for (uint32_t i = 0; i < w.n_requests; i++)
		{
			int64_t		start = now();

			allowed += authorize_one(arena, &w, &w.requests[i]);
			times[i * passes + pass] = now() - start - cost;
		}

	/* all of them in a row, with no clock in between */
	for (size_t pass = 0; pass < passes; pass++)
	{
		int64_t		start = now();

		for (uint32_t i = 0; i < w.n_requests; i++)
			allowed += authorize_one(arena, &w, &w.requests[i]);
		start = now() - start;
		row = start < row ? start : row;
	}
	fputs(",\"times\":[", stdout);
	for (uint32_t i = 0; i < w.n_requests; i++)
		printf("%s%lld", i > 0 ? "," : "", (long long) median(times + i * passes, passes));
	printf("],\"row\":%lld,\"clock\":%lld,\"allowed\":%u}\n", (long long) row,
		   (long long) cost, (unsigned) allowed);
	cedar_arena_destroy(arena);
	cedar_arena_destroy(w.arena);
}

static void
count(const char *prefix, size_t passes)
{
	World		w = load(prefix);
	CedarArena *arena = make_arena();
	uint32_t	allowed = 0;

	/* the first time an entity is asked `in`, its ancestors are gathered */
	for (uint32_t i = 0; i < w.n_requests; i++)
	{
		decide(arena, &w, &w.requests[i]);
		cedar_arena_reset(arena);
	}
	for (size_t pass = 0; pass < passes; pass++)
		for (uint32_t i = 0; i < w.n_requests; i++)
			allowed += authorize_one(arena, &w, &w.requests[i]);
	printf("{\"requests\":%zu,\"allowed\":%u}\n", w.n_requests * passes, (unsigned) allowed);
	cedar_arena_destroy(arena);
	cedar_arena_destroy(w.arena);
}

int
main(void)
{
	char		base;
	char		line[4096];
	char		verb[16];
	char		prefix[4096];
	size_t		passes;

	stack_base = &base;
	while (fgets(line, sizeof(line), stdin) != NULL)
	{
		if (sscanf(line, "%15s %4095s %zu", verb, prefix, &passes) != 3 || passes == 0)
			die("not a command: %s", line);
		if (strcmp(verb, "run") == 0)
			run(prefix, passes);
		else if (strcmp(verb, "count") == 0)
			count(prefix, passes);
		else
			die("no such command: %s", verb);
		if (fflush(stdout) != 0)
			die("cannot write the answer");
	}
	return 0;
}
