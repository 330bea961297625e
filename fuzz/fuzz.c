/*-------------------------------------------------------------------------
 *
 * fuzz.c
 *	  The host of the fuzz targets and the checks they share.
 *
 * The host limits memory, stack and the number of interrupt checks: an input
 * that needs more is left by longjmp or gets an error, as a server would do.
 * An input that runs long without checking for interrupts is caught by the
 * fuzzer's timeout.
 *
 *-------------------------------------------------------------------------
 */
#include "fuzz.h"

#include <setjmp.h>

#include "internal.h"

#define MEMORY_LIMIT	((size_t) 512 * 1024 * 1024)
#define STACK_LIMIT		((intptr_t) 4 * 1024 * 1024)
#define INTERRUPT_LIMIT 3000000
#define KEPT_MAX		64

static jmp_buf leave;
static long interrupts;
static size_t live_bytes;
static long live_blocks;
static const char *stack_base;
static void *kept[KEPT_MAX];
static int	n_kept;

static void *
host_alloc(void *userdata, size_t size)
{
	size_t	   *block;

	(void) userdata;
	if (size > MEMORY_LIMIT || live_bytes + size > MEMORY_LIMIT)
		return NULL;
	block = malloc(size + 16);
	if (block == NULL)
		return NULL;
	block[0] = size;
	live_bytes += size;
	live_blocks++;
	return block + 2;
}

static void
host_release(void *userdata, void *ptr)
{
	size_t	   *block = (size_t *) ptr - 2;

	(void) userdata;
	live_bytes -= block[0];
	live_blocks--;
	free(block);
}

static bool
host_stack_is_too_deep(void *userdata)
{
	(void) userdata;
	return stack_base - (const char *) __builtin_frame_address(0) > STACK_LIMIT;
}

static void
host_check_interrupt(void *userdata)
{
	(void) userdata;
	if (++interrupts > INTERRUPT_LIMIT)
		longjmp(leave, 1);
}

void *
fuzz_keep(void *block)
{
	if (block == NULL || n_kept == KEPT_MAX)
		abort();
	kept[n_kept++] = block;
	return block;
}

char *
fuzz_copy(const void *data, size_t size)
{
	char	   *copy = fuzz_keep(malloc(size > 0 ? size : 1));

	if (size > 0)
		memcpy(copy, data, size);
	return copy;
}

int			LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const CedarHost host = {
		host_alloc, host_release, host_stack_is_too_deep, host_check_interrupt, NULL
	};
	CedarArena *arena;

	stack_base = __builtin_frame_address(0);
	interrupts = 0;
	n_kept = 0;
	arena = cedar_arena_create(&host);
	if (arena == NULL)
		abort();
	if (setjmp(leave) == 0)
		fuzz_one(arena, data, size);
	cedar_arena_destroy(arena);
	FUZZ_REQUIRE(live_blocks == 0 && live_bytes == 0, "%ld blocks are left", live_blocks);
	while (n_kept > 0)
		free(kept[--n_kept]);
	return 0;
}

void
fuzz_check_error(CedarCode code, const CedarError *err, size_t text_len)
{
	size_t		len = strnlen(err->message, sizeof(err->message));
	size_t		hint = strnlen(err->hint, sizeof(err->hint));

	FUZZ_REQUIRE(err->code == code, "returned %d, error says %d", (int) code, (int) err->code);
	FUZZ_REQUIRE(len > 0 && len < sizeof(err->message) && hint < sizeof(err->hint),
				 "code %d: message of %zu bytes", (int) code, len);
	FUZZ_REQUIRE(cedar_utf8_invalid_at(err->message, len) == len &&
				 cedar_utf8_invalid_at(err->hint, hint) == hint, "message is not UTF-8");
	if (err->has_position)
		FUZZ_REQUIRE(err->offset <= text_len && err->length <= text_len - err->offset,
					 "position %zu+%zu of %zu: %s", err->offset, err->length, text_len,
					 err->message);
}

/* Failures that an input may have anywhere. */
static bool
is_limit(CedarCode code)
{
	return code == CEDAR_ERR_NOMEM || code == CEDAR_ERR_STACK || code == CEDAR_ERR_LIMIT;
}

CedarPolicy *
fuzz_compile(CedarArena *arena, const CedarAst *ast, size_t text_len)
{
	uint32_t	n = cedar_ast_count(ast);
	CedarPolicy *policies = cedar_arena_zalloc(arena, (n + 1) * sizeof(CedarPolicy));
	CedarError	err;

	if (policies == NULL)
		return NULL;
	memset(&err, 0, sizeof(err));
	for (uint32_t i = 0; i < n; i++)
	{
		size_t		size,
					offset,
					length;
		CedarCode	code = cedar_compile(arena, ast, i, &policies[i].piece, &size, &err);

		if (code != CEDAR_OK)
		{
			fuzz_check_error(code, &err, text_len);
			FUZZ_REQUIRE(is_limit(code), "policy %u does not compile: %s", i, err.message);
			return NULL;
		}
		code = cedar_piece_verify(arena, policies[i].piece, size, &err);
		FUZZ_REQUIRE(code == CEDAR_OK, "policy %u does not verify: %s", i, err.message);
		FUZZ_REQUIRE(size == cedar_piece_size(policies[i].piece), "policy %u", i);
		FUZZ_REQUIRE(cedar_piece_is_template(policies[i].piece) == cedar_ast_is_template(ast, i),
					 "policy %u", i);
		cedar_ast_range(ast, i, &offset, &length);
		FUZZ_REQUIRE(offset <= text_len && length <= text_len - offset, "policy %u", i);
		policies[i].id = "policy";
		policies[i].id_len = 6;
	}
	return policies;
}

static void
require_same(const CedarDecision *a, const CedarDecision *b, const char *what)
{
	FUZZ_REQUIRE(a->allow == b->allow && a->n_reasons == b->n_reasons && a->n_errors == b->n_errors,
				 "%s: allow %d and %d, reasons %u and %u, errors %u and %u", what, a->allow,
				 b->allow, a->n_reasons, b->n_reasons, a->n_errors, b->n_errors);
	for (uint32_t i = 0; i < a->n_reasons; i++)
		FUZZ_REQUIRE(a->reasons[i] == b->reasons[i], "%s: reason %u", what, i);
	for (uint32_t i = 0; i < a->n_errors; i++)
		FUZZ_REQUIRE(a->errors[i].policy == b->errors[i].policy &&
					 a->errors[i].error.code == b->errors[i].error.code, "%s: error %u", what, i);
}

bool
fuzz_authorize(CedarArena *arena, const CedarPolicy *policies, uint32_t n,
			   CedarEntities *entities, const CedarRequest *request,
			   CedarDecision *decision, size_t text_len)
{
	CedarEntitySource source = cedar_entities_source(entities);
	CedarDecision other;
	CedarError	err;
	CedarCode	code;
	const CedarIndex *index;
	size_t		size;
	const char *json;
	void	   *copy;

	memset(&err, 0, sizeof(err));
	code = cedar_authorize(arena, policies, n, NULL, &source, request, true, decision, &err);
	if (code != CEDAR_OK)
	{
		fuzz_check_error(code, &err, text_len);
		FUZZ_REQUIRE(is_limit(code), "authorize: %s", err.message);
		return false;
	}
	for (uint32_t i = 0; i < decision->n_errors; i++)
		fuzz_check_error(decision->errors[i].error.code, &decision->errors[i].error, text_len);

	code = cedar_authorize(arena, policies, n, NULL, &source, request, false, &other, &err);
	if (is_limit(code))
		return false;
	FUZZ_REQUIRE(code == CEDAR_OK, "without reasons: %s", err.message);
	FUZZ_REQUIRE(other.allow == decision->allow && other.n_reasons == 0 && other.n_errors == 0,
				 "without reasons the answer is another");

	code = cedar_index_build(arena, policies, n, &index, &size, &err);
	if (is_limit(code))
		return false;
	FUZZ_REQUIRE(code == CEDAR_OK, "index: %s", err.message);
	code = cedar_index_verify(arena, index, size, n, &err);
	FUZZ_REQUIRE(code == CEDAR_OK, "index does not verify: %s", err.message);
	copy = fuzz_copy(index, size);
	code = cedar_authorize(arena, policies, n, copy, &source, request, true, &other, &err);
	if (is_limit(code))
		return false;
	FUZZ_REQUIRE(code == CEDAR_OK, "with an index: %s", err.message);
	require_same(decision, &other, "with an index");
	code = cedar_authorize(arena, policies, n, copy, &source, request, false, &other, &err);
	if (is_limit(code))
		return false;
	FUZZ_REQUIRE(code == CEDAR_OK && other.allow == decision->allow,
				 "with an index, without reasons: %s", err.message);

	code = cedar_decision_to_json(arena, decision, policies, &json, &size, &err);
	FUZZ_REQUIRE(code == CEDAR_OK || is_limit(code), "response: %s", err.message);
	return true;
}
