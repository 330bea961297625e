/*-------------------------------------------------------------------------
 *
 * host.c
 *	  The server as a host of the Cedar library.
 *
 * An arena's blocks live in the memory context it was made over: deleting or
 * resetting that context frees them, without cedar_arena_destroy.  The
 * allocator gives NULL instead of raising, so the library can report out of
 * memory in its own way; the interrupt check may leave by longjmp, which is
 * allowed because the library holds nothing but arena memory.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"
#include "compat.h"

#include "miscadmin.h"
#include "utils/memutils.h"

#include "host.h"

static void *
host_alloc(void *userdata, size_t size)
{
	if (!AllocHugeSizeIsValid(size))
		return NULL;
	return MemoryContextAllocExtended((MemoryContext) userdata, size,
									  MCXT_ALLOC_NO_OOM | MCXT_ALLOC_HUGE);
}

static void
host_release(void *userdata, void *block)
{
	pfree(block);
}

static bool
host_stack_is_too_deep(void *userdata)
{
	return stack_is_too_deep();
}

static void
host_check_interrupt(void *userdata)
{
	CHECK_FOR_INTERRUPTS();
}

CedarArena *
authz_arena_create(MemoryContext cxt)
{
	CedarHost	host = {
		.alloc = host_alloc,
		.release = host_release,
		.stack_is_too_deep = host_stack_is_too_deep,
		.check_interrupt = host_check_interrupt,
		.userdata = cxt
	};
	CedarArena *arena = cedar_arena_create(&host);

	if (arena == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_OUT_OF_MEMORY),
				 errmsg("out of memory"),
				 errdetail("Could not make an arena in memory context \"%s\".",
						   cxt->name)));
	return arena;
}
