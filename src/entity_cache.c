/*-------------------------------------------------------------------------
 *
 * entity_cache.c
 *	  Entities that outlive the statement that read them.
 *
 * Entities are data, so nothing is believed from one snapshot to the next but
 * what the heap itself confirms.  Kept beside the parsed form is which row it
 * came from: the table's file, the TID and the raw xmin.  To use it, that TID
 * is fetched under the current snapshot; the row there must be visible, be a
 * row of that transaction, and have the entity's id.  Each part is needed:
 *
 *	 - visible: the row may have been updated, deleted, or never have been
 *	   there for this snapshot.  Where a HOT chain led to the row, the TID is
 *	   that of the version itself, not of the chain;
 *	 - raw xmin: VACUUM gives the places of dead rows to new ones.  No
 *	   transaction can put two rows at one place, because VACUUM removes only
 *	   rows whose transaction has ended.  Freezing keeps the raw xmin;
 *	 - file: VACUUM FULL and CLUSTER keep xmin and choose places anew: after an
 *	   insert and an update in one transaction another version of the row, or
 *	   another row, can stand where the old one was;
 *	 - relcache invalidation: a file's number may be given to another file
 *	   when the table is rewritten; and the columns' types may change.  It
 *	   drops everything of a table; the table's lock is taken before, so that it
 *	   has arrived;
 *	 - the distance in transactions: an xmin means another transaction after
 *	   2^32; an entry expires after 2^31;
 *	 - own and unfinished transactions' rows are not kept: they may be rolled
 *	   back, and their place given away;
 *	 - only heap tables with a unique, immediate index on the id: that another
 *	   row has the id then takes this one's being gone.
 *
 * An entity that was not there says nothing about the next snapshot; nor does
 * a set of rows (memberships): both are looked up in every one.
 *
 * All that an entity is in (its closure) is kept with the rows that say so, and
 * is believed when all of them are confirmed, page by page.
 *
 * Memory: a generation has one context under CacheMemoryContext.  It grows to
 * authz.entity_cache_size; then a new one begins and the old one goes with its
 * last user.  An entry is never changed: a newer one takes its place in the
 * hash table, and closures that hold the old one fail to be confirmed.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"
#include "compat.h"

#include "access/heapam.h"
#include "access/htup_details.h"
#include "access/transam.h"
#include "access/xact.h"
#include "storage/bufmgr.h"
#include "utils/inval.h"
#include "utils/memutils.h"

#include "entity_cache.h"
#include "host.h"

#define EXPIRE_AFTER	(UINT64CONST(1) << 31)

int			authz_entity_cache_size = 32768;

typedef struct CacheSlot
{
	const CedarUid *uid;
	AuthzCachedEntity *entry;
	char		status;
} CacheSlot;

#define SH_PREFIX cache
#define SH_ELEMENT_TYPE CacheSlot
#define SH_KEY_TYPE const CedarUid *
#define SH_KEY uid
#define SH_HASH_KEY(tb, key) ((key)->hash)
#define SH_EQUAL(tb, a, b) cedar_uid_equal(a, b)
#define SH_SCOPE static inline
#define SH_DECLARE
#define SH_DEFINE
#include "lib/simplehash.h"

/* How often a table was invalidated; never forgotten, tables are few. */
typedef struct TableEpoch
{
	Oid			relid;
	uint64		epoch;
} TableEpoch;

static TableEpoch *epochs = NULL;
static int	n_epochs = 0;
static int	epoch_capacity = 0;
static uint64 last_epoch = 0;

static AuthzEntityCache *current = NULL;

static void
cache_invalidated(Datum arg, Oid relid)
{
	for (int i = 0; i < n_epochs; i++)
	{
		if (relid == InvalidOid || epochs[i].relid == relid)
			epochs[i].epoch = ++last_epoch;
	}
}

void
authz_cache_init(void)
{
	CacheRegisterRelcacheCallback(cache_invalidated, (Datum) 0);
}

uint64
authz_cache_epoch(Oid relid)
{
	for (int i = 0; i < n_epochs; i++)
	{
		if (epochs[i].relid == relid)
			return epochs[i].epoch;
	}
	if (n_epochs == epoch_capacity)
	{
		int			capacity = Max(16, 2 * epoch_capacity);

		if (epochs == NULL)
			epochs = MemoryContextAlloc(TopMemoryContext, capacity * sizeof(TableEpoch));
		else
			epochs = repalloc(epochs, capacity * sizeof(TableEpoch));
		epoch_capacity = capacity;
	}
	epochs[n_epochs].relid = relid;
	epochs[n_epochs].epoch = ++last_epoch;
	return epochs[n_epochs++].epoch;
}

static void
cache_unref(AuthzEntityCache *cache)
{
	if (--cache->users == 0)
		MemoryContextDelete(cache->cxt);
}

AuthzEntityCache *
authz_cache_acquire(void)
{
	if (current != NULL &&
		MemoryContextMemAllocated(current->cxt, true) > (Size) authz_entity_cache_size * 1024)
	{
		cache_unref(current);
		current = NULL;
	}
	if (authz_entity_cache_size == 0)
		return NULL;
	if (current == NULL)
	{
		MemoryContext cxt = AllocSetContextCreate(CurrentMemoryContext, "authz entity cache",
												  ALLOCSET_DEFAULT_SIZES);
		AuthzEntityCache *cache = MemoryContextAllocZero(cxt, sizeof(AuthzEntityCache));

		cache->cxt = cxt;
		cache->arena = authz_arena_create(cxt);
		cache->hash = cache_create(cxt, 256, NULL);
		cache->users = 1;
		MemoryContextSetParent(cxt, CacheMemoryContext);
		current = cache;
	}
	current->users++;
	return current;
}

void
authz_cache_release(AuthzEntityCache *cache)
{
	cache_unref(cache);
}

AuthzCachedEntity *
authz_cache_find(AuthzEntityCache *cache, const CedarUid *uid)
{
	CacheSlot  *slot = cache_lookup(cache->hash, uid);

	return slot != NULL ? slot->entry : NULL;
}

bool
authz_cache_serves(Relation heap)
{
	return heap->rd_tableam == GetHeapamTableAmRoutine() &&
		heap->rd_rel->relkind == RELKIND_RELATION &&
		!RelationUsesLocalBuffers(heap);
}

/* Pin the page that the entry's row was on. */
static Buffer
entry_page(AuthzCachedEntity *entry, Relation heap)
{
	BlockNumber block = ItemPointerGetBlockNumber(&entry->tid);

	if (ReadRecentBuffer(authz_rel_locator(heap), MAIN_FORKNUM, block, entry->buffer))
		return entry->buffer;
	/* VACUUM may have cut the file off. */
	if (block >= RelationGetNumberOfBlocks(heap))
		return InvalidBuffer;
	return entry->buffer = ReadBuffer(heap, block);
}

/* The page is pinned and locked. */
static bool
entry_is_there(AuthzCachedEntity *entry, Relation heap, Buffer buffer,
			   Snapshot snapshot, AuthzRowCheck check, void *arg)
{
	Page		page = BufferGetPage(buffer);
	OffsetNumber offset = ItemPointerGetOffsetNumber(&entry->tid);
	ItemId		item;
	HeapTupleData tuple;

	if (offset > PageGetMaxOffsetNumber(page))
		return false;
	item = PageGetItemId(page, offset);
	if (!ItemIdIsNormal(item))
		return false;
	tuple.t_data = (HeapTupleHeader) PageGetItem(page, item);
	tuple.t_len = ItemIdGetLength(item);
	tuple.t_tableOid = RelationGetRelid(heap);
	tuple.t_self = entry->tid;
	return HeapTupleHeaderGetRawXmin(tuple.t_data) == entry->xmin &&
		HeapTupleSatisfiesVisibility(&tuple, snapshot, buffer) &&
		check(&tuple, RelationGetDescr(heap), entry->uid, arg);
}

bool
authz_cache_confirm(AuthzCachedEntity **entries, int n, Relation heap,
					uint64 serial, Snapshot snapshot, uint64 now,
					AuthzRowCheck check, void *arg)
{
	uint32		filenumber = authz_rel_filenumber(heap);
	uint64		epoch = authz_cache_epoch(RelationGetRelid(heap));
	Buffer		buffer = InvalidBuffer;
	BlockNumber block = InvalidBlockNumber;
	bool		there = true;

	for (int i = 0; i < n && there; i++)
	{
		AuthzCachedEntity *entry = entries[i];

		if (entry->filenumber != filenumber || entry->epoch != epoch ||
			entry->serial != serial || now - entry->xid >= EXPIRE_AFTER)
		{
			there = false;
			break;
		}
		if (ItemPointerGetBlockNumber(&entry->tid) != block)
		{
			if (BufferIsValid(buffer))
				UnlockReleaseBuffer(buffer);
			buffer = entry_page(entry, heap);
			if (!BufferIsValid(buffer))
				return false;
			block = ItemPointerGetBlockNumber(&entry->tid);
			LockBuffer(buffer, BUFFER_LOCK_SHARE);
		}
		there = entry_is_there(entry, heap, buffer, snapshot, check, arg);
	}
	if (BufferIsValid(buffer))
		UnlockReleaseBuffer(buffer);
	return there;
}

bool
authz_cache_may_keep(TupleTableSlot *slot)
{
	HeapTuple	tuple;
	TransactionId xmin;

	if (!TTS_IS_BUFFERTUPLE(slot))
		return false;
	tuple = ((BufferHeapTupleTableSlot *) slot)->base.tuple;
	xmin = HeapTupleHeaderGetRawXmin(tuple->t_data);
	return TransactionIdIsNormal(xmin) && !TransactionIdIsCurrentTransactionId(xmin);
}

AuthzCachedEntity *
authz_cache_put(AuthzEntityCache *cache, const CedarUid *uid, CedarEntity *entity,
				Relation heap, TupleTableSlot *slot, uint64 serial, uint64 epoch, uint64 now)
{
	HeapTuple	tuple = ((BufferHeapTupleTableSlot *) slot)->base.tuple;
	AuthzCachedEntity *entry = MemoryContextAllocZero(cache->cxt, sizeof(AuthzCachedEntity));
	CacheSlot  *place;
	bool		found;

	entry->uid = uid;
	entry->entity = entity;
	entry->relid = RelationGetRelid(heap);
	entry->filenumber = authz_rel_filenumber(heap);
	entry->tid = tuple->t_self;
	entry->xmin = HeapTupleHeaderGetRawXmin(tuple->t_data);
	entry->buffer = ((BufferHeapTupleTableSlot *) slot)->buffer;
	entry->serial = serial;
	entry->epoch = epoch;
	entry->xid = now;
	place = cache_insert(cache->hash, uid, &found);
	place->uid = uid;
	place->entry = entry;
	return entry;
}

static int
member_compare(const void *a, const void *b)
{
	const AuthzCachedEntity *x = *(AuthzCachedEntity *const *) a;
	const AuthzCachedEntity *y = *(AuthzCachedEntity *const *) b;

	if (x->serial != y->serial)
		return x->serial < y->serial ? -1 : 1;
	return ItemPointerCompare((ItemPointer) &x->tid, (ItemPointer) &y->tid);
}

void
authz_cache_put_closure(AuthzEntityCache *cache, AuthzCachedEntity *entry,
						const CedarUidSet *set, AuthzCachedEntity **members, int n_members,
						const CedarUid **absent, int n_absent)
{
	MemoryContext old = MemoryContextSwitchTo(cache->cxt);
	AuthzCachedClosure *closure = palloc0(sizeof(AuthzCachedClosure));

	closure->n_members = n_members;
	closure->members = palloc(Max(n_members, 1) * sizeof(AuthzCachedEntity *));
	memcpy(closure->members, members, n_members * sizeof(AuthzCachedEntity *));
	qsort(closure->members, n_members, sizeof(AuthzCachedEntity *), member_compare);
	closure->n_absent = n_absent;
	closure->absent = palloc(Max(n_absent, 1) * sizeof(CedarUid *));
	for (int i = 0; i < n_absent; i++)
	{
		size_t		size = offsetof(CedarUid, bytes) + absent[i]->type_len + absent[i]->id_len;

		closure->absent[i] = memcpy(palloc(size), absent[i], size);
	}

	/* The uids of the set are those of the rows, and of those not there. */
	closure->set = palloc(sizeof(CedarUidSet));
	closure->set->n = set->n;
	closure->set->cap = set->cap;
	closure->set->slots = palloc0(Max(set->cap, 1) * sizeof(CedarUid *));
	for (int k = 0; k < n_members + n_absent; k++)
	{
		const CedarUid *uid = k < n_members ? members[k]->uid : closure->absent[k - n_members];

		for (uint32 h = uid->hash;; h++)
		{
			uint32		at = h & (set->cap - 1);

			if (set->slots[at] == NULL)
				break;			/* not in the set: where the walk began */
			if (set->slots[at] == uid || cedar_uid_equal(set->slots[at], uid))
			{
				closure->set->slots[at] = uid;
				break;
			}
		}
	}
	MemoryContextSwitchTo(old);
	entry->closure = closure;
}
