/*-------------------------------------------------------------------------
 *
 * faults.c
 *	  See faults.h.
 *
 *-------------------------------------------------------------------------
 */
#include "faults.h"

#include <string.h>

static CedarCode
right_code(FaultRun run, const void *what)
{
	Bench		b;
	CedarCode	code;

	bench_open(&b);
	code = run(what, b.arena, &b.err);
	bench_close(&b);
	return code;
}

/* Bytes that a new arena gives before it asks the host again. */
static size_t
first_block(void)
{
	Bench		b;
	size_t		size = 0;
	long		calls;

	bench_open(&b);
	cedar_arena_alloc(b.arena, 8);
	calls = b.host.alloc_calls;
	for (; b.host.alloc_calls == calls; size += 8)
		cedar_arena_alloc(b.arena, 8);
	bench_close(&b);
	return size;
}

/*
 * Memory fails at every call of the host, with the blocks' borders at many
 * places: so every allocation of the library fails once.
 */
long
faults_memory(const char *name, FaultRun run, const void *what)
{
	CedarCode	right = right_code(run, what);
	size_t		block = first_block();
	long		injected = 0;

	for (size_t pad = 8; pad <= block; pad += 40)
	{
		bool		hit = true;

		for (long n = 1; hit; n++)
		{
			Bench		b;
			CedarCode	code;

			bench_open(&b);
			cedar_arena_alloc(b.arena, pad);
			b.host.fail_at = b.host.alloc_calls + n;
			b.host.fail_after = n % 2 == 0;
			code = run(what, b.arena, &b.err);
			hit = b.host.alloc_calls >= b.host.fail_at;
			if (hit)
			{
				injected++;
				CHECKF(code == CEDAR_ERR_NOMEM && b.err.code == code && b.err.message[0] != '\0',
					   "%s, pad %zu, call %ld: %s", name, pad, n, code_name(code));
				/* the arena can be used again */
				b.host.fail_at = 0;
				b.host.fail_after = false;
				code = run(what, b.arena, &b.err);
			}
			CHECKF(code == right, "%s, then with memory: %s", name, code_name(code));
			bench_close(&b);
		}
	}
	return injected;
}

long
faults_stack(const char *name, FaultRun run, const void *what)
{
	CedarCode	right = right_code(run, what);
	bool		done = false;
	long		n;

	for (n = 1; !done; n++)
	{
		Bench		b;
		CedarCode	code;

		bench_open(&b);
		b.host.stack_at = n;
		code = run(what, b.arena, &b.err);
		done = b.host.stack_calls < n;
		CHECKF(code == (done ? right : CEDAR_ERR_STACK) && (code == CEDAR_OK || b.err.code == code),
			   "%s, call %ld: %s", name, n, code_name(code));
		bench_close(&b);
	}
	return n - 2;
}

/* Run until the n-th look for an interrupt, which jumps away: then false. */
static bool
run_until(FaultRun run, const void *what, long n, CedarCode *code)
{
	static Bench b;
	volatile bool done = false;

	bench_open(&b);
	b.host.interrupt_at = n;
	if (setjmp(b.host.interrupt) == 0)
	{
		*code = run(what, b.arena, &b.err);
		done = true;
	}
	bench_close(&b);
	return done;
}

/* A callback may leave by longjmp at any time: the arena is all there is. */
long
faults_interrupts(const char *name, FaultRun run, const void *what)
{
	CedarCode	right = right_code(run, what);
	CedarCode	code = CEDAR_OK;
	long		n = 1;

	while (!run_until(run, what, n, &code))
		n++;
	CHECKF(code == right, "%s: %s", name, code_name(code));
	CHECKF(n > 1, "%s never looks for interrupts", name);
	return n - 1;
}
