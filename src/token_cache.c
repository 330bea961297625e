/*-------------------------------------------------------------------------
 *
 * token_cache.c
 *	  Which tokens were found good before.
 *
 * What is remembered is one fact: the key with this tag has found the
 * signature of this whole token good.  It is kept as the SHA-256 of both, so
 * it cannot be taken for another token's or another key's, and it stays true
 * whatever happens to keys and issuers.  Everything that can change is looked
 * at in each call, hit or miss: whether the key is still there and not
 * retired, whom it belongs to, the token's type, and all claims, `exp` first.
 * The entry's own limits (its age, the time since it was last used, the
 * token's exp) only make room.
 *
 * Where.  Preloaded (shared_preload_libraries), all backends share one table
 * in shared memory, made with the number of entries set at that time;
 * otherwise each backend has its own, made at the first use.  It is an array
 * of buckets of WAYS entries; the digest chooses the bucket.  A full bucket
 * gives up the entry that was used least recently.
 *
 * Locking.  The shared table has LOCKS locks, each for the buckets of one
 * remainder: shared to look, exclusive to add.  The time of last use is
 * atomic and written under the shared lock.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"
#include "compat.h"

#include <openssl/evp.h>

#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "port/atomics.h"
#include "storage/ipc.h"
#include "storage/lwlock.h"
#include "storage/shmem.h"
#include "utils/builtins.h"
#include "utils/memutils.h"

#include "token_cache.h"
#include "token_key.h"

#define WAYS	8
#define LOCKS	16
#define SEGMENT "authz token cache"

typedef struct CacheEntry
{
	unsigned char digest[AUTHZ_TOKEN_DIGEST_BYTES];
	int64		added;			/* 0: free */
	int64		exp;
	pg_atomic_uint64 used;
} CacheEntry;

typedef struct TokenCache
{
	uint32		n_buckets;
	pg_atomic_uint64 hits;
	pg_atomic_uint64 misses;
	CacheEntry	entries[FLEXIBLE_ARRAY_MEMBER];
} TokenCache;

int			authz_token_cache_entries = 10000;
int			authz_token_cache_ttl = 300;
int			authz_token_cache_idle = 60;

static TokenCache *shared_cache = NULL;
static TokenCache *own_cache = NULL;
static LWLockPadded *locks = NULL;
static uint32 shared_buckets = 0;	/* as requested; the setting may change */
static shmem_startup_hook_type prev_shmem_startup = NULL;
static shmem_request_hook_type prev_shmem_request = NULL;

PG_FUNCTION_INFO_V1(authz_token_cache_stats);

/* --------------------------------------------------------------- the table */

static uint32
cache_buckets(void)
{
	return Max(1, (authz_token_cache_entries + WAYS - 1) / WAYS);
}

static Size
cache_size(uint32 n_buckets)
{
	return add_size(offsetof(TokenCache, entries),
					mul_size(mul_size(n_buckets, WAYS), sizeof(CacheEntry)));
}

static void
cache_init(TokenCache *cache, uint32 n_buckets)
{
	memset(cache, 0, cache_size(n_buckets));
	cache->n_buckets = n_buckets;
	pg_atomic_init_u64(&cache->hits, 0);
	pg_atomic_init_u64(&cache->misses, 0);
	for (uint32 i = 0; i < n_buckets * WAYS; i++)
		pg_atomic_init_u64(&cache->entries[i].used, 0);
}

/* NULL when it is off. */
static TokenCache *
cache_get(void)
{
	if (authz_token_cache_entries == 0)
		return NULL;
	if (shared_cache != NULL)
		return shared_cache;
	if (own_cache != NULL && own_cache->n_buckets != cache_buckets())
	{
		pfree(own_cache);
		own_cache = NULL;
	}
	if (own_cache == NULL)
	{
		TokenCache *cache = MemoryContextAllocHuge(CacheMemoryContext,
												   cache_size(cache_buckets()));

		cache_init(cache, cache_buckets());
		own_cache = cache;
	}
	return own_cache;
}

static CacheEntry *
cache_bucket(TokenCache *cache, const unsigned char *digest, uint32 *number)
{
	uint32		hash;

	memcpy(&hash, digest, sizeof(hash));
	*number = hash % cache->n_buckets;
	return &cache->entries[(Size) *number * WAYS];
}

static void
cache_lock(TokenCache *cache, uint32 bucket, LWLockMode mode)
{
	if (cache == shared_cache)
		LWLockAcquire(&locks[bucket % LOCKS].lock, mode);
}

static void
cache_unlock(TokenCache *cache, uint32 bucket)
{
	if (cache == shared_cache)
		LWLockRelease(&locks[bucket % LOCKS].lock);
}

/* Is there something in it that may still be used? */
static bool
entry_is_live(CacheEntry *entry, int64 now)
{
	return entry->added != 0 && entry->added <= now && now < entry->exp &&
		now - entry->added < authz_token_cache_ttl &&
		now - (int64) pg_atomic_read_u64(&entry->used) < authz_token_cache_idle;
}

/* -------------------------------------------------------------- its digest */

/* One context, made once a backend. */
static bool
digest_make(const unsigned char *tag, const char *token, size_t len, unsigned char *bytes)
{
	static EVP_MD *md = NULL;
	static EVP_MD_CTX *ctx = NULL;

	if (md == NULL)
		md = EVP_MD_fetch(NULL, "SHA256", NULL);
	if (ctx == NULL)
		ctx = EVP_MD_CTX_new();
	return md != NULL && ctx != NULL &&
		EVP_DigestInit_ex2(ctx, md, NULL) == 1 &&
		EVP_DigestUpdate(ctx, tag, AUTHZ_KEY_TAG_BYTES) == 1 &&
		EVP_DigestUpdate(ctx, token, len) == 1 &&
		EVP_DigestFinal_ex(ctx, bytes, NULL) == 1;
}

/* ------------------------------------------------------------------ its use */

bool
authz_token_cache_find(const unsigned char *tag, const char *token, size_t len,
					   int64 now, AuthzTokenDigest *digest)
{
	TokenCache *cache = cache_get();
	CacheEntry *entry;
	uint32		bucket;
	bool		found = false;

	digest->valid = false;
	if (cache == NULL || !digest_make(tag, token, len, digest->bytes))
		return false;
	digest->valid = true;
	entry = cache_bucket(cache, digest->bytes, &bucket);
	cache_lock(cache, bucket, LW_SHARED);
	for (int i = 0; i < WAYS && !found; i++)
	{
		if (memcmp(entry[i].digest, digest->bytes, AUTHZ_TOKEN_DIGEST_BYTES) == 0 &&
			entry_is_live(&entry[i], now))
		{
			if (pg_atomic_read_u64(&entry[i].used) != (uint64) now)
				pg_atomic_write_u64(&entry[i].used, (uint64) now);
			found = true;
		}
	}
	cache_unlock(cache, bucket);
	pg_atomic_fetch_add_u64(found ? &cache->hits : &cache->misses, 1);
	return found;
}

void
authz_token_cache_add(const AuthzTokenDigest *digest, int64 now, int64 exp)
{
	TokenCache *cache = cache_get();
	CacheEntry *entry;
	CacheEntry *victim;
	uint32		bucket;

	if (cache == NULL || !digest->valid || exp <= now)
		return;
	entry = cache_bucket(cache, digest->bytes, &bucket);
	cache_lock(cache, bucket, LW_EXCLUSIVE);
	victim = &entry[0];
	for (int i = 0; i < WAYS; i++)
	{
		/* The same again, e.g. from another backend. */
		if (memcmp(entry[i].digest, digest->bytes, AUTHZ_TOKEN_DIGEST_BYTES) == 0)
		{
			victim = &entry[i];
			break;
		}
		if (!entry_is_live(victim, now))
			continue;
		if (!entry_is_live(&entry[i], now) ||
			pg_atomic_read_u64(&entry[i].used) < pg_atomic_read_u64(&victim->used))
			victim = &entry[i];
	}
	memcpy(victim->digest, digest->bytes, AUTHZ_TOKEN_DIGEST_BYTES);
	victim->added = now;
	victim->exp = exp;
	pg_atomic_write_u64(&victim->used, (uint64) now);
	cache_unlock(cache, bucket);
}

/* token_cache_stats() → (hits, misses, entries, capacity, shared) */
Datum
authz_token_cache_stats(PG_FUNCTION_ARGS)
{
	TokenCache *cache = cache_get();
	TupleDesc	desc;
	Datum		values[5];
	bool		nulls[5] = {false};
	int64		entries = 0;

	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	for (uint32 b = 0; cache != NULL && b < cache->n_buckets; b++)
	{
		cache_lock(cache, b, LW_SHARED);
		for (int i = 0; i < WAYS; i++)
			entries += cache->entries[(Size) b * WAYS + i].added != 0;
		cache_unlock(cache, b);
	}
	values[0] = Int64GetDatum(cache == NULL ? 0 : (int64) pg_atomic_read_u64(&cache->hits));
	values[1] = Int64GetDatum(cache == NULL ? 0 : (int64) pg_atomic_read_u64(&cache->misses));
	values[2] = Int64GetDatum(entries);
	values[3] = Int64GetDatum(cache == NULL ? 0 : (int64) cache->n_buckets * WAYS);
	values[4] = BoolGetDatum(cache != NULL && cache == shared_cache);
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(desc, values, nulls)));
}

/* ------------------------------------------------------------ shared memory */

static void
cache_shmem_request(void)
{
	if (prev_shmem_request != NULL)
		prev_shmem_request();
	if (authz_token_cache_entries == 0)
		return;
	shared_buckets = cache_buckets();
	RequestAddinShmemSpace(cache_size(shared_buckets));
	RequestNamedLWLockTranche(SEGMENT, LOCKS);
}

static void
cache_shmem_startup(void)
{
	bool		found;
	TokenCache *cache;

	if (prev_shmem_startup != NULL)
		prev_shmem_startup();
	if (shared_buckets == 0)
		return;
	LWLockAcquire(AddinShmemInitLock, LW_EXCLUSIVE);
	cache = ShmemInitStruct(SEGMENT, cache_size(shared_buckets), &found);
	if (!found)
		cache_init(cache, shared_buckets);
	locks = GetNamedLWLockTranche(SEGMENT);
	shared_cache = cache;
	LWLockRelease(AddinShmemInitLock);
}

void
authz_token_cache_init(void)
{
	if (!process_shared_preload_libraries_in_progress)
		return;
	prev_shmem_request = shmem_request_hook;
	shmem_request_hook = cache_shmem_request;
	prev_shmem_startup = shmem_startup_hook;
	shmem_startup_hook = cache_shmem_startup;
}
