/*-------------------------------------------------------------------------
 *
 * jose_fuzz.c
 *	  The host of the fuzz targets of the JOSE library, and their mutator.
 *
 *-------------------------------------------------------------------------
 */
#include "jose_fuzz.h"

#include <openssl/err.h>

#define KEPT_MAX 16

static long live_blocks;
static void *kept[KEPT_MAX];
static int	n_kept;

static void *
host_alloc(void *userdata, size_t size)
{
	void	   *block = malloc(size);

	(void) userdata;
	live_blocks += block != NULL;
	return block;
}

static void
host_release(void *userdata, void *block)
{
	(void) userdata;
	live_blocks--;
	free(block);
}

const JoseHost fuzz_host = { host_alloc, host_release, NULL, NULL };

void
fuzz_release(void *block)
{
	host_release(NULL, block);
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

void
fuzz_check_error(JoseCode code, const JoseError *err)
{
	size_t		n,
				d;

	FUZZ_REQUIRE(code != JOSE_ERR_NOMEM && code != JOSE_ERR_CRYPTO && code != JOSE_ERR_UNAVAILABLE &&
				 code != JOSE_ERR_ARGUMENT && code != JOSE_ERR_CANCELLED && (unsigned) code < JOSE_CODE_COUNT,
				 "%s: %s %s", jose_code_name(code), err->message, err->detail);
	if (code == JOSE_OK)
		return;
	n = strnlen(err->message, sizeof(err->message));
	d = strnlen(err->detail, sizeof(err->detail));
	FUZZ_REQUIRE(err->code == code && n > 0 && n < sizeof(err->message) && d < sizeof(err->detail), "%d", (int) code);
	for (size_t i = 0; i < n; i++)
		FUZZ_REQUIRE(err->message[i] >= 0x20 && err->message[i] < 0x7f, "%s", err->message);
	for (size_t i = 0; i < d; i++)
		FUZZ_REQUIRE(err->detail[i] >= 0x20 && err->detail[i] < 0x7f, "%s", err->detail);
	FUZZ_REQUIRE(ERR_peek_error() == 0, "OpenSSL's queue after %s", jose_code_name(code));
}

json_t *
fuzz_jansson(const char *text, size_t len)
{
	json_t	   *object = json_loadb(text, len, JSON_REJECT_DUPLICATES | JSON_DECODE_INT_AS_REAL, NULL);

	if (object != NULL && !json_is_object(object))
	{
		json_decref(object);
		object = NULL;
	}
	return object;
}

int			LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
size_t		LLVMFuzzerMutate(uint8_t *data, size_t size, size_t max_size);
size_t		LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned seed);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static bool ready;
	long		live;

	if (!ready)
		fuzz_setup();
	ready = true;
	live = live_blocks;
	fuzz_one(data, size);
	FUZZ_REQUIRE(live_blocks == live, "%ld blocks are left", live_blocks - live);
	while (n_kept > 0)
		free(kept[--n_kept]);
	return 0;
}

/* Now and then one of the seeds, else what the fuzzer does by itself. */
size_t
LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned seed)
{
	if (seed % 200 == 0)
	{
		const char *text = fuzz_seeds[seed / 200 % fuzz_n_seeds];

		size = strlen(text);
		if (size > max_size)
			size = max_size;
		memcpy(data, text, size);
		if (seed / 200 % 2 == 0)
			return size;
	}
	return LLVMFuzzerMutate(data, size, max_size);
}
