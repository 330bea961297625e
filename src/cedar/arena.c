/*-------------------------------------------------------------------------
 *
 * arena.c
 *	  Memory of the Cedar library: blocks from the host, given back together.
 *
 * An arena owns its blocks and itself lies in the first.  It is not locked:
 * one arena, one thread.
 *
 *-------------------------------------------------------------------------
 */
#include "internal.h"

#define FIRST_BLOCK_SIZE	8192
#define MAX_BLOCK_SIZE		((size_t) 1024 * 1024)
#define ALIGN8(n)			(((n) + 7) & ~(size_t) 7)

/* Bytes of the first block that the arena itself takes. */
#define FIRST_USED ALIGN8(sizeof(CedarArena))

static inline char *
block_data(CedarBlock *b)
{
	return (char *) b + ALIGN8(sizeof(CedarBlock));
}

CedarArena *
cedar_arena_create(const CedarHost *host)
{
	size_t		total = FIRST_BLOCK_SIZE;
	CedarBlock *b = host->alloc(host->userdata, total);
	CedarArena *arena;

	if (b == NULL)
		return NULL;
	b->prev = NULL;
	b->size = total - ALIGN8(sizeof(CedarBlock));
	arena = (CedarArena *) block_data(b);
	arena->host = *host;
	arena->block = b;
	arena->used = FIRST_USED;
	arena->bytes = total;
	return arena;
}

void
cedar_arena_drop_blocks(CedarArena *arena, const CedarBlock *keep)
{
	while (arena->block != keep)
	{
		CedarBlock *b = arena->block;

		arena->block = b->prev;
		arena->bytes -= b->size + ALIGN8(sizeof(CedarBlock));
		if (arena->host.release)
			arena->host.release(arena->host.userdata, b);
	}
}

void
cedar_arena_destroy(CedarArena *arena)
{
	CedarHost	host;
	CedarBlock *first;

	if (arena == NULL)
		return;
	host = arena->host;
	for (first = arena->block; first->prev != NULL; first = first->prev)
		;
	cedar_arena_drop_blocks(arena, first);
	if (host.release)
		host.release(host.userdata, first);
}

void
cedar_arena_reset(CedarArena *arena)
{
	CedarBlock *first;

	for (first = arena->block; first->prev != NULL; first = first->prev)
		;
	cedar_arena_drop_blocks(arena, first);
	arena->used = FIRST_USED;
}

void *
cedar_arena_alloc(CedarArena *arena, size_t size)
{
	void	   *p;

	if (size > SIZE_MAX / 2)
		return NULL;
	size = ALIGN8(size);
	if (CEDAR_UNLIKELY(size > arena->block->size - arena->used))
	{
		size_t		want = arena->block->size * 2;
		size_t		total;
		CedarBlock *b;

		if (want > MAX_BLOCK_SIZE)
			want = MAX_BLOCK_SIZE;
		if (want < size)
			want = size;
		total = want + ALIGN8(sizeof(CedarBlock));
		b = arena->host.alloc(arena->host.userdata, total);
		if (b == NULL)
			return NULL;
		b->prev = arena->block;
		b->size = want;
		arena->block = b;
		arena->used = 0;
		arena->bytes += total;
	}
	p = block_data(arena->block) + arena->used;
	arena->used += size;
	return p;
}

void *
cedar_arena_zalloc(CedarArena *arena, size_t size)
{
	void	   *p = cedar_arena_alloc(arena, size);

	if (p != NULL)
		memset(p, 0, size);
	return p;
}

void *
cedar_arena_copy(CedarArena *arena, const void *src, size_t size)
{
	void	   *p = cedar_arena_alloc(arena, size);

	if (p != NULL && size > 0)
		memcpy(p, src, size);
	return p;
}

size_t
cedar_arena_bytes(const CedarArena *arena)
{
	return arena->bytes;
}

bool
cedar_arena_stack_is_too_deep(const CedarArena *arena)
{
	return arena->host.stack_is_too_deep != NULL &&
		arena->host.stack_is_too_deep(arena->host.userdata);
}

void
cedar_arena_check_interrupt(const CedarArena *arena)
{
	if (arena->host.check_interrupt != NULL)
		arena->host.check_interrupt(arena->host.userdata);
}

/*
 * Make room for need elements; the old array is left in the arena.  False
 * when out of memory.
 */
bool
cedar_grow(CedarArena *arena, void **array, uint32_t *cap, uint32_t need,
		   size_t elem)
{
	uint32_t	newcap;
	void	   *p;

	if (need <= *cap)
		return true;
	newcap = *cap ? *cap : 8;
	while (newcap < need)
	{
		if (newcap > UINT32_MAX / 2)
			return false;
		newcap *= 2;
	}
	p = cedar_arena_alloc(arena, newcap * elem);
	if (p == NULL)
		return false;
	if (*cap > 0)
		memcpy(p, *array, *cap * elem);
	*array = p;
	*cap = newcap;
	return true;
}
