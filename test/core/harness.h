/*-------------------------------------------------------------------------
 *
 * harness.h
 *	  What the test programs of the Cedar library share: a host that keeps
 *	  accounts, and the way of one case through the whole library.
 *
 * A Host owns the blocks it gave out until they are released; host_close
 * says whether any are left.  Not thread-safe.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CEDAR_TEST_HARNESS_H
#define CEDAR_TEST_HARNESS_H

#include <jansson.h>
#include <setjmp.h>

#include "cedar.h"

typedef struct HostBlock HostBlock;

typedef struct Host
{
	CedarHost	vtable;
	HostBlock  *blocks;			/* given out, not yet released */
	size_t		live_bytes;
	size_t		live_blocks;
	long		allocs;			/* successful calls so far */
	long		bad_releases;	/* of blocks that were not live */

	long		fail_at;		/* this call of alloc fails (1-based), 0: none */
	bool		fail_after;		/* so do all calls after it */
	long		alloc_calls;

	const char *stack_base;
	size_t		stack_limit;	/* bytes below stack_base, 0: no limit */
	long		stack_at;		/* this and later calls say "too deep", 0: none */
	long		stack_calls;

	long		interrupt_at;	/* this call jumps away, 0: none */
	long		interrupt_calls;
	jmp_buf		interrupt;
} Host;

/* PostgreSQL's default max_stack_depth; sanitized frames are larger. */
#if defined(__SANITIZE_ADDRESS__)
#define HOST_SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define HOST_SANITIZED 1
#endif
#endif
#ifdef HOST_SANITIZED
#define HOST_STACK_LIMIT ((size_t) 7 * 1024 * 1024)
#else
#define HOST_STACK_LIMIT ((size_t) 2 * 1024 * 1024)
#endif

extern void host_open(Host *host);

/* Releases what is left; false when anything was, or a release was wrong. */
extern bool host_close(Host *host);

/* "CEDAR_ERR_SYNTAX" and so on. */
extern const char *code_name(CedarCode code);

/*
 * Spell out the shorthands of a line of cases/<name>.jsonl: members that the
 * file's line of defaults has, and "expr", the condition of the one policy.
 */
extern void complete_case(json_t *test, json_t *defaults);

/*
 * Put one case through the library.  input has policies (text), entities or
 * entities_text, request or request_text; the answer is one of
 *	{"parses": false, "error": {...}}
 *	{"parses": true}						there was no request
 *	{"refused": "entities" | "request" | "authorize", "error": {...}}
 *	{"decision", "reason", "errors", "messages"}
 * and has "fault" when the library broke a promise of its header on the way.
 */
extern json_t *run_case(json_t *input);

#endif							/* CEDAR_TEST_HARNESS_H */
