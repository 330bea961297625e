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
 *	   2^32.  A row is kept while the next transaction of that number is 2^31 or
 *	   more ahead (rows frozen long ago may be nearer), and expires after 2^31;
 *	 - labels of enums: a row has their number, an entity their text;
 *	 - own and unfinished transactions' rows are not kept: they may be rolled
 *	   back, and their place given away;
 *	 - only heap tables with a unique, immediate index on the id: that another
 *	   row has the id then takes this one's being gone.
 *
 * An entity that was not there says nothing about the next snapshot; nor does
 * a set of rows (memberships): both are looked up in every one.
 *
 * The same holds a row that no one has kept but that stands beside the last one
 * found (authz_near_find): it is visible, and its id is the one asked for, so no
 * other row can be.  That spares a scan in the table's order the index.
 *
 * All that an entity is in (its closure) is kept with the rows that say so, and
 * is believed when all of them are confirmed, page by page.  Where memberships
 * say what it is in, its closure is that of the very parents which they gave.
 *
 * A page on which nothing has happened since needs no look at its rows: its LSN
 * says so (page_is_settled).
 *
 * With a closure's set the core keeps what it has found for who is in exactly
 * that (CedarUidSet.lasting): it goes with the generation, as the set does.
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
#include "access/xlog.h"
#include "storage/bufmgr.h"
#include "utils/inval.h"
#include "utils/memutils.h"
#include "utils/syscache.h"

#include "entity_cache.h"
#include "host.h"

#define EXPIRE_AFTER	(UINT64CONST(1) << 31)

int			authz_entity_cache_size = 32768;

typedef struct CacheSlot
{
	const CedarUid *uid;
	AuthzCachedEntity *entry;
	uint32		hash;
	char		status;
} CacheSlot;

#define SH_PREFIX cache
#define SH_ELEMENT_TYPE CacheSlot
#define SH_KEY_TYPE const CedarUid *
#define SH_KEY uid
#define SH_HASH_KEY(tb, key) ((key)->hash)
#define SH_EQUAL(tb, a, b) cedar_uid_equal(a, b)
#define SH_STORE_HASH
#define SH_GET_HASH(tb, a) (a)->hash
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

/* A label means another text; which tables have it is not worth finding out. */
static void
enum_changed(Datum arg, int cacheid, uint32 hash)
{
	cache_invalidated(arg, InvalidOid);
}

void
authz_cache_init(void)
{
	CacheRegisterSyscacheCallback(ENUMOID, enum_changed, (Datum) 0);
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

/* Pin a page; *buffer is where it was, or Invalid, and becomes where it is. */
static Buffer
page_pin(Relation heap, BlockNumber block, Buffer *buffer)
{
	if (BufferIsValid(*buffer) &&
		ReadRecentBuffer(authz_rel_locator(heap), MAIN_FORKNUM, block, *buffer))
		return *buffer;
	/* VACUUM may have cut the file off. */
	if (block >= RelationGetNumberOfBlocks(heap))
		return InvalidBuffer;
	return *buffer = ReadBuffer(heap, block);
}

/* The same uid in the first column, which is never null? */
static inline bool
row_has_image(HeapTupleHeader tuple, const AuthzCachedRow *row)
{
	struct varlena *value = (struct varlena *) ((char *) tuple + tuple->t_hoff);

	/* One that is compressed or elsewhere is too long to be worth it. */
	return !VARATT_IS_EXTERNAL(value) && !VARATT_IS_COMPRESSED(value) &&
		VARSIZE_ANY_EXHDR(value) == row->image_size &&
		memcmp(VARDATA_ANY(value), row->image, row->image_size) == 0;
}

/* Does the snapshot see the tuple?  Its page is pinned and locked. */
static inline bool
tuple_is_visible(HeapTuple tuple, Snapshot snapshot, Buffer buffer)
{
	HeapTupleHeader header = tuple->t_data;

	/* Frozen and never touched since: every snapshot sees it. */
	return (HeapTupleHeaderXminFrozen(header) && (header->t_infomask & HEAP_XMAX_INVALID)) ||
		HeapTupleSatisfiesVisibility(tuple, snapshot, buffer);
}

/* Has a mapped row its id still?  Integers, which are most, need no parsing. */
static inline bool
row_has_key(HeapTuple tuple, Relation heap, const AuthzCachedRow *row, AuthzRowCheck check,
			void *arg)
{
	bool		isnull;
	Datum		value;

	if (row->key_column == 0)
		return check(tuple, RelationGetDescr(heap), row->uid, arg);
	value = heap_getattr(tuple, row->key_column, RelationGetDescr(heap), &isnull);
	if (isnull)
		return false;
	return row->key == (row->key_size == sizeof(int32) ? DatumGetInt32(value) :
						row->key_size == sizeof(int64) ? DatumGetInt64(value) :
						DatumGetInt16(value));
}

/*
 * Nothing has happened on the page since all of the rows were found there, none
 * deleted by anybody, their transactions known to have committed?
 * Then each snapshot that began later than those committed sees them.  Who
 * changes a tuple, other than by hints, sets the page's LSN, if the change is
 * logged; one that the snapshot has to see did so before it committed.  Who sets a
 * hint may be setting it, under the lock that we have.
 */
static inline bool
page_is_settled(const AuthzCachedPage *page, Relation heap, Buffer buffer, Snapshot snapshot)
{
	return page->lsn != InvalidXLogRecPtr &&
		page->lsn == BufferGetLSNAtomic(buffer) &&
		RelationNeedsWAL(heap) &&
		(page->newest == InvalidTransactionId ||
		 TransactionIdPrecedes(page->newest, snapshot->xmin));
}

/* The page is pinned and locked; tuple is what stands where the row was. */
static bool
row_is_there(const AuthzCachedRow *row, BlockNumber block, Relation heap, Buffer buffer,
			 ItemId item, HeapTupleHeader header, Snapshot snapshot, AuthzRowCheck check, void *arg)
{
	HeapTupleData tuple;

	if (HeapTupleHeaderGetRawXmin(header) != row->xmin)
		return false;
	tuple.t_data = header;
	tuple.t_len = ItemIdGetLength(item);
	tuple.t_tableOid = RelationGetRelid(heap);
	ItemPointerSet(&tuple.t_self, block, row->offset);
	if (!tuple_is_visible(&tuple, snapshot, buffer))
		return false;
	return row->image != NULL ? row_has_image(header, row) :
		row_has_key(&tuple, heap, row, check, arg);
}

/* Rows whose tuples are fetched from memory while earlier ones are looked at. */
#define ROWS_AHEAD 16

/*
 * All of n rows of one page, which is pinned and locked.  *settled becomes false
 * where page_is_settled cannot be told of them.
 */
static bool
rows_are_there(const AuthzCachedRow *rows, int n, BlockNumber block, Relation heap,
			   Buffer buffer, Snapshot snapshot, AuthzRowCheck check, void *arg,
			   TransactionId *newest, bool *settled)
{
	Page		page = BufferGetPage(buffer);
	ItemId		items[ROWS_AHEAD];
	HeapTupleHeader headers[ROWS_AHEAD];

	for (int i = 0; i < n; i++)
	{
		if (rows[i].offset > PageGetMaxOffsetNumber(page))
			return false;
		items[i] = PageGetItemId(page, rows[i].offset);
		if (!ItemIdIsNormal(items[i]))
			return false;
		headers[i] = (HeapTupleHeader) PageGetItem(page, items[i]);
		__builtin_prefetch(headers[i]);
	}
	for (int i = 0; i < n; i++)
	{
		if (!row_is_there(&rows[i], block, heap, buffer, items[i], headers[i], snapshot,
						  check, arg))
			return false;
		if (!HeapTupleHeaderXminCommitted(headers[i]) ||
			!(headers[i]->t_infomask & HEAP_XMAX_INVALID ||
			  HEAP_XMAX_IS_LOCKED_ONLY(headers[i]->t_infomask)))
			*settled = false;
		else if (!HeapTupleHeaderXminFrozen(headers[i]) &&
				 (*newest == InvalidTransactionId ||
				  TransactionIdFollows(rows[i].xmin, *newest)))
			*newest = rows[i].xmin;
	}
	return true;
}

/* All of the rows of a page, which is pinned and locked. */
static bool
page_rows_are_there(AuthzCachedPage *page, const AuthzCachedRow *rows, Relation heap,
					Buffer buffer, Snapshot snapshot, AuthzRowCheck check, void *arg)
{
	TransactionId newest = InvalidTransactionId;
	bool		settled = RelationNeedsWAL(heap);

	if (page_is_settled(page, heap, buffer, snapshot))
		return true;
	page->lsn = InvalidXLogRecPtr;
	for (int i = 0; i < page->n; i += ROWS_AHEAD)
	{
		if (!rows_are_there(&rows[i], Min(page->n - i, ROWS_AHEAD), page->block, heap, buffer,
							snapshot, check, arg, &newest, &settled))
			return false;
	}
	if (settled)
	{
		page->newest = newest;
		page->lsn = BufferGetLSNAtomic(buffer);
	}
	return true;
}

bool
authz_cache_confirm(const AuthzCachedTable *table, AuthzCachedPage *pages, int n_pages,
					const AuthzCachedRow *rows, Relation heap, uint64 serial,
					Snapshot snapshot, uint64 now, AuthzRowCheck check, void *arg)
{
	if (table->filenumber != authz_rel_filenumber(heap) || table->serial != serial ||
		table->epoch != authz_cache_epoch(RelationGetRelid(heap)) ||
		now - table->xid >= EXPIRE_AFTER)
		return false;
	for (int i = 0; i < n_pages; i++)
	{
		if (BufferIsValid(pages[i].buffer))
			__builtin_prefetch(BufferGetBlock(pages[i].buffer));
	}
	for (int i = 0; i < n_pages; i++)
	{
		Buffer		buffer = page_pin(heap, pages[i].block, &pages[i].buffer);
		bool		there;

		if (!BufferIsValid(buffer))
			return false;
		LockBuffer(buffer, BUFFER_LOCK_SHARE);
		there = page_rows_are_there(&pages[i], rows, heap, buffer, snapshot, check, arg);
		UnlockReleaseBuffer(buffer);
		if (!there)
			return false;
		rows += pages[i].n;
	}
	return true;
}

bool
authz_row_has_uid(HeapTupleHeader tuple, const CedarUid *uid)
{
	struct varlena *value = (struct varlena *) ((char *) tuple + tuple->t_hoff);
	uint32		bytes = uid->type_len + uid->id_len;

	return !VARATT_IS_EXTERNAL(value) && !VARATT_IS_COMPRESSED(value) &&
		VARSIZE_ANY_EXHDR(value) == sizeof(uint32) + bytes &&
		memcmp(VARDATA_ANY(value), &uid->type_len, sizeof(uint32)) == 0 &&
		memcmp(VARDATA_ANY(value) + sizeof(uint32), uid->bytes, bytes) == 0;
}

/* Tuples looked at beside the last one, and looks in vain before they end. */
#define NEAR_ROWS		32
#define NEAR_MISSES_MAX 8

/* In what is left of a page, from *offset on; *seen counts tuples. */
static bool
near_on_page(Relation heap, Snapshot snapshot, Buffer buffer, OffsetNumber *offset, int *seen,
			 bool (*is) (HeapTuple tuple, void *arg), void *arg, HeapTuple tuple)
{
	Page		page = BufferGetPage(buffer);
	OffsetNumber max = PageGetMaxOffsetNumber(page);

	for (; *offset <= max && *seen < NEAR_ROWS; (*offset)++)
	{
		ItemId		item = PageGetItemId(page, *offset);

		if (!ItemIdIsNormal(item))
			continue;
		(*seen)++;
		tuple->t_data = (HeapTupleHeader) PageGetItem(page, item);
		tuple->t_len = ItemIdGetLength(item);
		tuple->t_tableOid = RelationGetRelid(heap);
		ItemPointerSet(&tuple->t_self, BufferGetBlockNumber(buffer), *offset);
		/* In this order: what nobody sees may refer to what is no longer there. */
		if (tuple_is_visible(tuple, snapshot, buffer) && is(tuple, arg))
			return true;
	}
	return false;
}

bool
authz_near_find(AuthzNear *near, Relation heap, Snapshot snapshot,
				bool (*is) (HeapTuple tuple, void *arg), void *arg, TupleTableSlot *slot)
{
	HeapTuple	tuple = &((BufferHeapTupleTableSlot *) slot)->base.tupdata;
	BlockNumber block = near->block;
	OffsetNumber offset = near->offset;
	Buffer		recent = near->buffer;
	int			seen = 0;

	if (offset == InvalidOffsetNumber || near->misses >= NEAR_MISSES_MAX ||
		!TTS_IS_BUFFERTUPLE(slot))
		return false;
	/* The tuple is the slot's own. */
	ExecClearTuple(slot);
	while (seen < NEAR_ROWS && block <= near->block + 1)
	{
		Buffer		buffer = page_pin(heap, block, &recent);
		bool		found;

		if (!BufferIsValid(buffer))
			break;
		LockBuffer(buffer, BUFFER_LOCK_SHARE);
		found = near_on_page(heap, snapshot, buffer, &offset, &seen, is, arg, tuple);
		LockBuffer(buffer, BUFFER_LOCK_UNLOCK);
		if (found)
		{
			*near = (AuthzNear) {block, offset, buffer, 0};
			ExecStorePinnedBufferHeapTuple(tuple, slot, buffer);
			return true;
		}
		ReleaseBuffer(buffer);
		recent = InvalidBuffer;
		offset = FirstOffsetNumber;
		block++;
	}
	near->misses++;
	return false;
}

void
authz_near_note(AuthzNear *near, TupleTableSlot *slot)
{
	HeapTuple	tuple;
	BlockNumber block;
	OffsetNumber offset;

	if (!TTS_IS_BUFFERTUPLE(slot))
		return;
	tuple = ((BufferHeapTupleTableSlot *) slot)->base.tuple;
	block = ItemPointerGetBlockNumber(&tuple->t_self);
	offset = ItemPointerGetOffsetNumber(&tuple->t_self);

	/* In the table's order after all? */
	if ((block == near->block && offset > near->offset && offset - near->offset < NEAR_ROWS) ||
		(block == near->block + 1 && offset < NEAR_ROWS))
		near->misses = 0;
	near->block = block;
	near->offset = offset;
	near->buffer = ((BufferHeapTupleTableSlot *) slot)->buffer;
}

bool
authz_cache_may_keep(TupleTableSlot *slot, uint64 now)
{
	HeapTuple	tuple;
	TransactionId xmin;

	if (!TTS_IS_BUFFERTUPLE(slot))
		return false;
	tuple = ((BufferHeapTupleTableSlot *) slot)->base.tuple;
	xmin = HeapTupleHeaderGetRawXmin(tuple->t_data);
	/* One frozen in an earlier round may be about to be given to a transaction again. */
	return TransactionIdIsNormal(xmin) && !TransactionIdIsCurrentTransactionId(xmin) &&
		TransactionIdPrecedes(xmin, (TransactionId) now);
}

AuthzCachedEntity *
authz_cache_put(AuthzEntityCache *cache, const CedarUid *uid, CedarEntity *entity,
				Relation heap, TupleTableSlot *slot, uint64 serial, uint64 epoch, uint64 now)
{
	HeapTuple	tuple = ((BufferHeapTupleTableSlot *) slot)->base.tuple;
	AuthzCachedEntity *entry = MemoryContextAllocZero(cache->cxt, sizeof(AuthzCachedEntity));
	AuthzCachedRow *row = &entry->row;
	CacheSlot  *place;
	bool		found;

	entry->uid = uid;
	entry->entity = entity;
	entry->table.serial = serial;
	entry->table.epoch = epoch;
	entry->table.xid = now;
	entry->table.filenumber = authz_rel_filenumber(heap);
	entry->page.block = ItemPointerGetBlockNumber(&tuple->t_self);
	entry->page.buffer = ((BufferHeapTupleTableSlot *) slot)->buffer;
	entry->page.n = 1;
	row->offset = ItemPointerGetOffsetNumber(&tuple->t_self);
	row->xmin = HeapTupleHeaderGetRawXmin(tuple->t_data);
	row->uid = uid;
	if (serial == 0)
	{
		char	   *image = MemoryContextAlloc(cache->cxt, sizeof(uint32) + uid->type_len + uid->id_len);

		memcpy(image, &uid->type_len, sizeof(uint32));
		memcpy(image + sizeof(uint32), uid->bytes, uid->type_len + uid->id_len);
		row->image = image;
		row->image_size = sizeof(uint32) + uid->type_len + uid->id_len;
	}
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

	if (x->table.serial != y->table.serial)
		return x->table.serial < y->table.serial ? -1 : 1;
	if (x->page.block != y->page.block)
		return x->page.block < y->page.block ? -1 : 1;
	return x->row.offset < y->row.offset ? -1 : x->row.offset > y->row.offset;
}

/*
 * The rows of one table, in one place, for they are gone through in one go.
 * False when the table changed between them.
 */
static bool
rows_gather(AuthzCachedRows *gathered, AuthzCachedEntity **members, int n)
{
	AuthzCachedRow *rows = palloc(n * sizeof(AuthzCachedRow));
	AuthzCachedPage *page = NULL;
	Size		size = 0;
	char	   *image;

	gathered->table = members[0]->table;
	gathered->rows = rows;
	gathered->n_pages = 0;
	for (int i = 0; i < n; i++)
	{
		const AuthzCachedTable *table = &members[i]->table;

		if (table->epoch != gathered->table.epoch ||
			table->filenumber != gathered->table.filenumber)
			return false;
		gathered->table.xid = Min(gathered->table.xid, table->xid);
		gathered->n_pages += i == 0 || members[i]->page.block != members[i - 1]->page.block;
		rows[i] = members[i]->row;
		size += members[i]->row.image_size;
	}
	gathered->pages = palloc(gathered->n_pages * sizeof(AuthzCachedPage));
	for (int i = 0; i < n; i++)
	{
		if (page != NULL && page->block == members[i]->page.block)
			page->n++;
		else
		{
			page = page == NULL ? gathered->pages : page + 1;
			*page = members[i]->page;
			page->lsn = InvalidXLogRecPtr;
		}
	}
	image = palloc(Max(size, 1));
	for (int i = 0; i < n; i++)
	{
		if (rows[i].image == NULL)
			continue;
		rows[i].image = memcpy(image, rows[i].image, rows[i].image_size);
		image += rows[i].image_size;
	}
	return true;
}

/* The same set, its uids being those that the cache holds.  It lasts. */
static CedarUidSet *
set_copy(CedarArena *arena, const CedarUidSet *set, const CedarUid *const *uids, int n)
{
	CedarUidSet *copy = palloc0(sizeof(CedarUidSet));

	if (!cedar_uidset_last(copy, arena))
		ereport(ERROR, (errcode(ERRCODE_OUT_OF_MEMORY), errmsg("out of memory")));

	copy->n = set->n;
	copy->cap = set->cap;
	copy->slots = palloc0(Max(set->cap, 1) * sizeof(CedarUid *));
	for (int i = 0; i < n; i++)
	{
		for (uint32 h = uids[i]->hash;; h++)
		{
			uint32		at = h & (set->cap - 1);

			if (cedar_uid_equal(set->slots[at], uids[i]))
			{
				copy->slots[at] = uids[i];
				break;
			}
		}
	}
	return copy;
}

static const CedarUid *
uid_copy(const CedarUid *uid)
{
	size_t		size = offsetof(CedarUid, bytes) + uid->type_len + uid->id_len;

	return memcpy(palloc(size), uid, size);
}

AuthzCachedClosure *
authz_cache_closure(AuthzEntityCache *cache, const CedarUidSet *set,
					AuthzCachedEntity **members, int n_members,
					const CedarUid **absent, int n_absent)
{
	MemoryContext old = MemoryContextSwitchTo(cache->cxt);
	AuthzCachedClosure *closure = palloc0(sizeof(AuthzCachedClosure));
	const CedarUid **uids = palloc(Max(n_members + n_absent, 1) * sizeof(CedarUid *));
	bool		settled = true;

	qsort(members, n_members, sizeof(AuthzCachedEntity *), member_compare);
	closure->n_absent = n_absent;
	closure->absent = &uids[n_members];
	for (int i = 0; i < n_absent; i++)
		uids[n_members + i] = uid_copy(absent[i]);
	closure->tables = palloc(Max(n_members, 1) * sizeof(AuthzCachedRows));
	for (int i = 0; i < n_members;)
	{
		int			n = 1;

		while (i + n < n_members && members[i + n]->table.serial == members[i]->table.serial)
			n++;
		settled = settled && rows_gather(&closure->tables[closure->n_tables++], &members[i], n);
		i += n;
	}
	for (int i = 0; i < n_members; i++)
		uids[i] = members[i]->uid;
	closure->set = set_copy(cache->arena, set, uids, n_members + n_absent);
	MemoryContextSwitchTo(old);
	return settled ? closure : NULL;
}

void
authz_cache_put_links(AuthzEntityCache *cache, AuthzCachedEntity *entry,
					  const CedarEntity *entity, AuthzCachedClosure *closure)
{
	MemoryContext old = MemoryContextSwitchTo(cache->cxt);
	AuthzCachedLinks *links = palloc(sizeof(AuthzCachedLinks));

	links->closure = closure;
	links->n_parents = entity->n_parents;
	links->parents = palloc(Max(entity->n_parents, 1) * sizeof(CedarUid *));
	for (uint32 i = 0; i < entity->n_parents; i++)
		links->parents[i] = uid_copy(entity->parents[i]);
	MemoryContextSwitchTo(old);
	entry->links = links;
}

bool
authz_cache_links_are(const AuthzCachedLinks *links, const CedarEntity *entity)
{
	if (links->n_parents != entity->n_parents)
		return false;
	for (uint32 i = 0; i < links->n_parents; i++)
	{
		if (!cedar_uid_equal(links->parents[i], entity->parents[i]))
			return false;
	}
	return true;
}
