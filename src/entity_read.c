/*-------------------------------------------------------------------------
 *
 * entity_read.c
 *	  How a decision reads entities: stored ones, mapped ones, handed-in ones.
 *
 * Entities are data: a decision reads them under the calling statement's
 * snapshot, so it agrees with the rows that the same statement sees.  Each is
 * looked up once and remembered, in parsed form, for the statement
 * (statement.c): a filter over a million rows loads the principal once.  That
 * an entity is absent is remembered too.  A scan's rows are not, beyond the
 * first thousands.  What is kept beyond the statement is
 * entity_cache.c's, and is confirmed once a statement.  Under SERIALIZABLE
 * nothing is: every look-up goes through an index and is predicate-locked like a
 * query's.
 *
 * A memo is one memory context under CacheMemoryContext.  It goes with its
 * statement; at most MEMOS_MAX exist, and between two decisions one beyond
 * MEMO_BYTES_MAX is emptied.  Nothing is remembered
 *
 *	 - with an overlay (entities handed in by the caller), because the
 *	   ancestors of stored entities then depend on it;
 *	 - while a command of this transaction is writing entities: an inner
 *	   statement sees its rows so far, and the next one, under the same
 *	   snapshot, more of them.  For authz.entities this rests on its statement
 *	   triggers.  Mapped tables have none; there, where types are mapped, a
 *	   transaction that has written anything remembers only for a query that is
 *	   its portal's own, not one inside of a function or a command.
 *
 * A query that a look-up runs (entity_row.c) may ask for decisions in turn, so a
 * memo in use is neither freed nor emptied.
 *
 * Tables are read without permission checks, but for what mappings say: who
 * may execute a decision function gets an answer, not the rows.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"
#include "compat.h"

#include "access/transam.h"
#include "access/xact.h"
#include "miscadmin.h"
#include "tcop/pquery.h"
#include "utils/memutils.h"
#include "utils/portal.h"
#include "utils/snapmgr.h"

#include "entity.h"
#include "entity_cache.h"
#include "entity_map.h"
#include "entity_row.h"
#include "entity_uid.h"
#include "host.h"
#include "relation.h"

#define MEMOS_MAX		4
#define MEMO_BYTES_MAX	((size_t) 64 * 1024 * 1024)
#define DECISIONS_PER_LOOK 64	/* at a memo's size */

/* A statement that reads more than this is a scan, and would fill the cache. */
#define KEPT_PER_STATEMENT_MAX 2048

/* What a decision of a scan asks for besides what others asked: few. */
#define LOOSE_MAX 8

typedef struct MemoEntry
{
	const CedarUid *uid;
	CedarEntity *entity;		/* NULL: there is none */
	AuthzCachedEntity *cached;	/* where it came from, when that is all of it */
	AuthzCachedEntity *linked;	/* where its own row came from, when other tables say more */
	const CedarUidSet *with_self;	/* it and all that it is in; NULL: not known */
	uint32		hash;			/* the uid's, so that only the one asked for is looked at */
	char		status;
} MemoEntry;

#define SH_PREFIX entry
#define SH_ELEMENT_TYPE MemoEntry
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

/* What a decision leaves for the next one of the same key. */
typedef struct MemoKept
{
	AuthzKeptKey key;
	CedarArena *arena;			/* NULL: asked for once only */
	CedarKept  *kept;
} MemoKept;

#define MEMO_KEPT_MAX 4			/* a row may be asked about several times */

typedef struct AuthzEntityMemo
{
	dlist_node	node;			/* in memos, unless private */
	AuthzStatement *statement;	/* NULL: private to one decision */
	int			users;			/* decisions that are reading */
	MemoryContext cxt;			/* holds all of it, this struct too */
	MemoryContextCallback let_go;
	CedarArena *arena;
	CedarArena *loose;			/* emptied between decisions; NULL: not needed yet */
	entry_hash *hash;
	AuthzMaps  *maps;			/* NULL: no type is mapped */
	AuthzEntityCache *cache;	/* NULL: not to be used */
	uint64		now;			/* the next transaction's id, 64 bits */
	bool		had_xid;		/* made after the transaction's first write */
	uint32		decisions;
	struct AuthzEntityReader *reader;	/* in use unless there are no users */
	MemoKept	kept[MEMO_KEPT_MAX];
	int			n_kept;
	int			next_kept;		/* the one that goes when there are too many */
} AuthzEntityMemo;

/*
 * Entities met on a walk.  What it makes outlives the decision, so none of them
 * is forgotten with it.
 */
typedef struct Walk
{
	bool		keepable;
	bool		nested;			/* through one that other tables say more of */
	AuthzCachedEntity **members;
	int			n_members;
	const CedarUid **absent;
	int			n_absent;
	int			capacity;		/* of both */
} Walk;

struct AuthzEntityReader
{
	AuthzEntityMemo *memo;
	AuthzRowReader rows;
	AuthzScan	stored;
	CedarEntitySource source;
	Walk	   *walk;			/* the one that is going on, or NULL */
	const AuthzKeptKey *kept;	/* whose entities stay with the memo, or NULL */
	int			n_loose;		/* entities of this decision alone */
	MemoEntry	loose[LOOSE_MAX];
	bool		overlaid;
	CedarEntitySource overlay;
};

static dlist_head memos = DLIST_STATIC_INIT(memos);	/* last used first */
static int	memo_count = 0;

/*
 * The context of a memo that is gone, empty: the next one needs no memory of the
 * system's, if the first block is enough.
 */
#define MEMO_BLOCK_SIZE	((size_t) 32 * 1024)
static MemoryContext spare_cxt = NULL;

/* ---------------------------------------------------------------- the memo */

/* When the memo's context goes, by whatever way. */
static void
memo_let_go(void *arg)
{
	AuthzEntityMemo *memo = arg;

	if (memo->cache != NULL)
		authz_cache_release(memo->cache);
}

static AuthzEntityMemo *
memo_create(AuthzStatement *statement)
{
	MemoryContext cxt;
	AuthzEntityMemo *memo;

	cxt = spare_cxt;
	spare_cxt = NULL;
	if (cxt != NULL)
		MemoryContextSetParent(cxt, CurrentMemoryContext);
	else
		cxt = AllocSetContextCreate(CurrentMemoryContext, "authz entities",
									MEMO_BLOCK_SIZE, MEMO_BLOCK_SIZE, ALLOCSET_DEFAULT_MAXSIZE);
	memo = MemoryContextAllocZero(cxt, sizeof(AuthzEntityMemo));
	memo->cxt = cxt;
	memo->let_go.func = memo_let_go;
	memo->let_go.arg = memo;
	MemoryContextRegisterResetCallback(cxt, &memo->let_go);
	memo->arena = authz_arena_create(cxt);
	memo->hash = entry_create(cxt, 24, NULL);
	memo->had_xid = TransactionIdIsValid(GetTopTransactionIdIfAny());
	memo->maps = authz_maps_acquire(cxt);
	if (!IsolationIsSerializable())
	{
		memo->cache = authz_cache_acquire();
		memo->now = U64FromFullTransactionId(ReadNextFullTransactionId());
	}
	if (statement != NULL)
	{
		MemoryContextSetParent(cxt, CacheMemoryContext);
		memo->statement = statement;
		statement->memo = memo;
		dlist_push_head(&memos, &memo->node);
		memo_count++;
	}
	return memo;
}

/* No other decision is to find it. */
static void
memo_detach(AuthzEntityMemo *memo)
{
	if (memo->statement == NULL)
		return;
	memo->statement->memo = NULL;
	memo->statement = NULL;
	dlist_delete(&memo->node);
	memo_count--;
}

static void
memo_free(AuthzEntityMemo *memo)
{
	MemoryContext cxt = memo->cxt;

	memo_detach(memo);
	if (spare_cxt != NULL)
	{
		MemoryContextDelete(cxt);
		return;
	}
	MemoryContextReset(cxt);
	MemoryContextSetParent(cxt, CacheMemoryContext);
	spare_cxt = cxt;
}

/* Make room, if there is a memo that nobody reads. */
static void
memos_limit(void)
{
	dlist_iter	iter;

	if (memo_count < MEMOS_MAX)
		return;
	dlist_reverse_foreach(iter, &memos)
	{
		AuthzEntityMemo *memo = dlist_container(AuthzEntityMemo, node, iter.cur);

		if (memo->users == 0)
		{
			memo_free(memo);
			return;
		}
	}
}

/*
 * May inner statements that share a key see different rows?  Not while the
 * transaction has written nothing, and not for a portal's own query: what that
 * sees was there when it began.  SPI never leaves a portal's name empty.
 */
static bool
rows_are_settled(Snapshot snapshot)
{
	return !TransactionIdIsValid(GetTopTransactionIdIfAny()) ||
		(ActivePortal != NULL && ActivePortal->name[0] == '\0' &&
		 ActivePortal->queryDesc != NULL &&
		 ActivePortal->queryDesc->snapshot == snapshot);
}

static AuthzEntityMemo *
memo_get(AuthzStatement *statement, Snapshot snapshot)
{
	AuthzEntityMemo *memo = statement->memo;

	if (memo != NULL && memo->maps != NULL)
	{
		if (!rows_are_settled(snapshot))
			return memo_create(NULL);
	}
	if (memo != NULL &&
		((memo->maps != NULL && !memo->had_xid &&
		  TransactionIdIsValid(GetTopTransactionIdIfAny())) ||
		 (memo->decisions++ % DECISIONS_PER_LOOK == 0 &&
		  MemoryContextMemAllocated(memo->cxt, true) > MEMO_BYTES_MAX)))
	{
		/* In use: by the decision around this one, or by one that has failed. */
		if (memo->users > 0)
			return memo_create(NULL);
		memo_free(memo);
		memo = NULL;
	}
	if (memo == NULL)
	{
		memos_limit();
		memo = memo_create(statement);
		/* Now that it is known whether there are mappings. */
		if (memo->maps != NULL && !rows_are_settled(snapshot))
		{
			memo_detach(memo);
			MemoryContextSetParent(memo->cxt, CurrentMemoryContext);
		}
		return memo;
	}
	dlist_move_head(&memos, &memo->node);
	return memo;
}

void
authz_entity_statement_end(AuthzStatement *statement)
{
	if (statement->memo != NULL)
		memo_free(statement->memo);
}

bool
authz_entity_statement_in_use(const AuthzStatement *statement)
{
	return statement->memo != NULL && statement->memo->users > 0;
}

/* ----------------------------------------------------------------- look-ups */

static void
out_of_memory(void)
{
	ereport(ERROR, (errcode(ERRCODE_OUT_OF_MEMORY), errmsg("out of memory")));
}

static const CedarUid *
uid_copy(CedarArena *arena, const CedarUid *uid)
{
	size_t		size = offsetof(CedarUid, bytes) + uid->type_len + uid->id_len;
	void	   *copy = cedar_arena_alloc(arena, size);

	if (copy == NULL)
		out_of_memory();
	return memcpy(copy, uid, size);
}

/* The table that an entity is looked up in; NULL: through the executor. */
static AuthzScan *
reader_scan(AuthzEntityReader *reader, AuthzMapping *mapping)
{
	if (mapping != NULL)
		return mapping->table->direct ? authz_row_scan(&reader->rows, mapping->table) : NULL;
	if (reader->stored.heap == NULL)
	{
		authz_stored_scan_open(&reader->stored, reader->rows.snapshot);
		reader->stored.look_near = reader->rows.look_near &&
			authz_cache_serves(reader->stored.heap);
	}
	return &reader->stored;
}

/* AuthzRowCheck: arg is the mapping's table. */
static bool
row_check(HeapTuple tuple, TupleDesc desc, const CedarUid *uid, void *arg)
{
	return authz_row_has_id(arg, tuple, desc, uid);
}

static bool
reader_confirm(AuthzEntityReader *reader, AuthzMapping *mapping, AuthzScan *scan,
			   const AuthzCachedTable *table, AuthzCachedPage *pages, int n_pages,
			   const AuthzCachedRow *rows)
{
	return authz_cache_confirm(table, pages, n_pages, rows, scan->heap,
							   mapping != NULL ? mapping->serial : 0,
							   reader->rows.snapshot, reader->memo->now, row_check,
							   mapping != NULL ? mapping->table : NULL);
}

/*
 * What the entity's own row says, from the cache or from the table; NULL:
 * there is no row.  *cached is where it is kept.
 */
static CedarEntity *
reader_row(AuthzEntityReader *reader, AuthzMapping *mapping, const CedarUid *uid,
		   CedarArena *arena, AuthzCachedEntity **cached)
{
	AuthzEntityMemo *memo = reader->memo;
	AuthzEntityCache *cache = memo->cache;
	AuthzScan  *scan = reader_scan(reader, mapping);
	TupleTableSlot *slot;
	CedarEntity *entity;
	uint64		epoch = 0;
	bool		keep;

	*cached = NULL;
	if (scan == NULL || cache == NULL || arena == memo->loose ||
		!authz_cache_serves(scan->heap))
		cache = NULL;
	if (cache != NULL)
	{
		AuthzCachedEntity *entry = authz_cache_find(cache, uid);

		if (entry != NULL &&
			reader_confirm(reader, mapping, scan, &entry->table, &entry->page, 1, &entry->row))
		{
			*cached = entry;
			return entry->entity;
		}
		epoch = authz_cache_epoch(RelationGetRelid(scan->heap));
	}

	if (mapping != NULL)
		slot = authz_row_find(&reader->rows, mapping, uid);
	else
		slot = authz_stored_find(scan, uid);
	if (slot == NULL)
		return NULL;
	keep = cache != NULL && memo->hash->members < KEPT_PER_STATEMENT_MAX &&
		authz_cache_may_keep(slot, memo->now);
	if (keep)
		arena = cache->arena;
	uid = uid_copy(arena, uid);
	entity = mapping != NULL ? authz_row_entity(mapping, slot, arena, uid) :
		authz_stored_entity(slot, arena, uid);
	if (keep)
	{
		*cached = authz_cache_put(cache, uid, entity, scan->heap, slot,
								  mapping != NULL ? mapping->serial : 0, epoch, memo->now);
		if (mapping != NULL)
			authz_row_integer_key(mapping->table, &(*cached)->row);
	}
	return entity;
}

static void
walk_note(AuthzEntityReader *reader, const MemoEntry *entry)
{
	Walk	   *walk = reader->walk;

	if (walk == NULL)
		return;
	walk->nested |= entry->linked != NULL;
	if (!walk->keepable)
		return;
	if (walk->n_members + walk->n_absent == walk->capacity)
	{
		walk->capacity *= 2;
		walk->members = repalloc(walk->members, walk->capacity * sizeof(AuthzCachedEntity *));
		walk->absent = repalloc(walk->absent, walk->capacity * sizeof(CedarUid *));
	}
	if (entry->cached != NULL)
		walk->members[walk->n_members++] = entry->cached;
	else if (entry->entity == NULL)
		walk->absent[walk->n_absent++] = entry->uid;
	else
		walk->keepable = false;
}

/* Read an entity; what of it is not kept in the cache goes into the arena. */
static MemoEntry
reader_read(AuthzEntityReader *reader, const CedarUid *uid, CedarArena *arena)
{
	AuthzEntityMemo *memo = reader->memo;
	AuthzMapping *mapping = memo->maps != NULL ? authz_maps_find(memo->maps, uid) : NULL;
	MemoEntry	entry = {0};
	CedarEntity *row = reader_row(reader, mapping, uid, arena, &entry.cached);

	if (row == NULL)
	{
		entry.uid = uid_copy(arena, uid);
		return entry;
	}
	/* A copy: its ancestors are those of this snapshot. */
	entry.uid = row->uid;
	entry.entity = cedar_arena_alloc(arena, sizeof(CedarEntity));
	if (entry.entity == NULL)
		out_of_memory();
	*entry.entity = *row;
	if (mapping != NULL && (mapping->n_links > 0 || mapping->tags_table != NULL))
	{
		authz_row_links(&reader->rows, mapping, arena, entry.entity);
		entry.linked = entry.cached;
		entry.cached = NULL;
	}
	return entry;
}

/* Look an entity up in the memo, or read it. */
static MemoEntry *
reader_get(AuthzEntityReader *reader, const CedarUid *uid)
{
	AuthzEntityMemo *memo = reader->memo;
	MemoEntry  *entry = entry_lookup(memo->hash, uid);
	MemoEntry	read;
	bool		found;

	if (entry != NULL)
		return entry;
	read = reader_read(reader, uid, memo->arena);
	entry = entry_insert(memo->hash, read.uid, &found);
	read.hash = entry->hash;
	read.status = entry->status;
	*entry = read;
	return entry;
}

/*
 * The same for what a decision itself asks for.  When a statement has asked
 * for so many that it must be a scan, each row's own entity is forgotten with
 * its decision.
 */
static MemoEntry *
reader_get_asked(AuthzEntityReader *reader, const CedarUid *uid)
{
	AuthzEntityMemo *memo = reader->memo;
	MemoEntry  *entry;

	if (memo->hash->members < KEPT_PER_STATEMENT_MAX || reader->walk != NULL ||
		(reader->kept != NULL && (uid == reader->kept->principal || uid == reader->kept->action)))
		return reader_get(reader, uid);
	entry = entry_lookup(memo->hash, uid);
	if (entry != NULL)
		return entry;
	for (int i = 0; i < reader->n_loose; i++)
	{
		if (cedar_uid_equal(reader->loose[i].uid, uid))
			return &reader->loose[i];
	}
	if (reader->n_loose == LOOSE_MAX)
		return reader_get(reader, uid);
	if (memo->loose == NULL)
		memo->loose = authz_arena_create(memo->cxt);
	reader->loose[reader->n_loose] = reader_read(reader, uid, memo->loose);
	return &reader->loose[reader->n_loose++];
}

/* The same with what was handed in merged over it; kept in the memo, too. */
static CedarCode
overlaid_find(AuthzEntityReader *reader, const CedarUid *uid, CedarEntity **entity,
			  CedarError *err)
{
	AuthzEntityMemo *memo = reader->memo;
	MemoEntry  *entry = entry_lookup(memo->hash, uid);
	CedarEntity *handed_in;
	CedarEntity *merged;
	CedarCode	code;

	if (entry != NULL)
	{
		*entity = entry->entity;
		return CEDAR_OK;
	}
	code = reader->overlay.find(reader->overlay.userdata, uid, &handed_in, err);
	if (code != CEDAR_OK)
		return code;
	entry = reader_get(reader, uid);
	merged = entry->entity;
	if (handed_in != NULL && merged == NULL)
		merged = handed_in;
	else if (handed_in != NULL)
	{
		code = cedar_entity_merge(memo->arena, handed_in, merged, &merged, err);
		if (code != CEDAR_OK)
		{
			entry_delete(memo->hash, uid);
			return code;
		}
	}
	*entity = entry->entity = merged;
	return CEDAR_OK;
}

/*
 * CedarEntitySource.find.  Raises instead of giving most codes back: nothing of
 * the library's is held but arena memory.
 */
static CedarCode
entity_find(void *userdata, const CedarUid *uid, CedarEntity **entity,
			CedarError *err)
{
	AuthzEntityReader *reader = userdata;
	MemoEntry  *entry;

	if (reader->overlaid)
		return overlaid_find(reader, uid, entity, err);
	entry = reader_get_asked(reader, uid);
	walk_note(reader, entry);
	*entity = entry->entity;
	return CEDAR_OK;
}

/* ---------------------------------------------------------------- closures */

/* Are all rows that a closure was made of still what they were? */
static bool
closure_confirm(AuthzEntityReader *reader, const AuthzCachedClosure *closure)
{
	for (int i = 0; i < closure->n_tables; i++)
	{
		AuthzCachedRows *rows = &closure->tables[i];
		AuthzMapping *mapping = NULL;
		AuthzScan  *scan;

		if (reader->memo->maps != NULL)
			mapping = authz_maps_find(reader->memo->maps, rows->rows[0].uid);
		scan = reader_scan(reader, mapping);
		if (scan == NULL ||
			!reader_confirm(reader, mapping, scan, &rows->table, rows->pages, rows->n_pages,
							rows->rows))
			return false;
	}
	for (int i = 0; i < closure->n_absent; i++)
	{
		if (reader_get(reader, closure->absent[i])->entity != NULL)
			return false;
	}
	return true;
}

/* Where an entity's closure is kept, or would be; both are NULL: nowhere. */
typedef struct ClosurePlace
{
	AuthzCachedEntity *cached;
	AuthzCachedEntity *linked;
} ClosurePlace;

static ClosurePlace
closure_place(const MemoEntry *entry, const CedarEntity *entity)
{
	ClosurePlace place = {NULL, NULL};

	if (entry != NULL && entry->entity == entity)
	{
		place.cached = entry->cached;
		place.linked = entry->linked;
	}
	return place;
}

/* False: it is known that it cannot be kept. */
static bool
may_keep_closure(ClosurePlace place, const CedarEntity *entity)
{
	if (place.cached != NULL)
		return true;
	return place.linked != NULL &&
		(place.linked->links == NULL || place.linked->links->closure != NULL ||
		 !authz_cache_links_are(place.linked->links, entity));
}

/* Fill an entity's ancestors by a walk, and keep them if that can be. */
static CedarCode
climb_walk(AuthzEntityReader *reader, CedarEntity *entity, ClosurePlace place,
		   CedarError *err)
{
	AuthzEntityCache *cache = reader->memo->cache;
	AuthzCachedClosure *closure = NULL;
	bool		keep = may_keep_closure(place, entity);
	Walk		walk = {0};
	CedarCode	code;

	if (keep)
	{
		walk.keepable = true;
		walk.capacity = 64;
		walk.members = palloc(walk.capacity * sizeof(AuthzCachedEntity *));
		walk.absent = palloc(walk.capacity * sizeof(CedarUid *));
	}
	reader->walk = &walk;
	code = cedar_entity_ancestors(&reader->source, entity, err);
	reader->walk = NULL;
	if (!keep)
		return code;
	if (code == CEDAR_OK && walk.keepable)
		closure = authz_cache_closure(cache, entity->ancestors, walk.members, walk.n_members,
									  walk.absent, walk.n_absent);
	if (place.cached != NULL && closure != NULL)
		place.cached->closure = closure;
	else if (place.cached == NULL && code == CEDAR_OK && (closure != NULL || walk.nested))
		authz_cache_put_links(cache, place.linked, entity, closure);
	pfree(walk.members);
	pfree(walk.absent);
	return code;
}

/* From what was kept, when all of it is still so. */
static bool
climb_kept(AuthzEntityReader *reader, CedarEntity *entity, ClosurePlace place)
{
	const AuthzCachedClosure *closure = NULL;

	if (place.cached != NULL)
		closure = place.cached->closure;
	else if (place.linked != NULL && place.linked->links != NULL &&
			 authz_cache_links_are(place.linked->links, entity))
		closure = place.linked->links->closure;
	if (closure == NULL || !closure_confirm(reader, closure))
		return false;
	entity->ancestors = closure->set;
	return true;
}

static void
set_add(CedarArena *arena, CedarUidSet *set, const CedarUid *uid)
{
	bool		added;

	if (set == NULL || cedar_uidset_add(arena, set, uid, &added) != CEDAR_OK)
		out_of_memory();
}

static void
set_add_all(CedarArena *arena, CedarUidSet *set, const CedarUidSet *other)
{
	for (uint32 i = 0; i < other->cap; i++)
	{
		if (other->slots[i] != NULL)
			set_add(arena, set, other->slots[i]);
	}
}

static CedarUidSet *
set_with(CedarArena *arena, const CedarUidSet *above, const CedarUid *uid)
{
	CedarUidSet *set = cedar_uidset_create(arena);

	set_add(arena, set, uid);
	if (above != NULL)
		set_add_all(arena, set, above);
	return set;
}

/* A parent and all that it is in: worked out once for all its children. */
static CedarCode
parent_set(AuthzEntityReader *reader, const CedarUid *uid, const CedarUidSet **set,
		   CedarError *err)
{
	MemoEntry  *entry = reader_get(reader, uid);
	CedarEntity *entity = entry->entity;
	ClosurePlace place = closure_place(entry, entity);
	AuthzCachedEntity *cached = entry->cached;
	const CedarUidSet *above = NULL;

	*set = entry->with_self;
	if (*set != NULL)
		return CEDAR_OK;
	uid = entry->uid;
	if (entity != NULL && entity->n_parents > 0)
	{
		if (entity->ancestors == NULL && !climb_kept(reader, entity, place))
		{
			CedarCode	code = climb_walk(reader, entity, place, err);

			if (code != CEDAR_OK)
				return code;
		}
		above = entity->ancestors;
	}
	if (cached != NULL && cached->closure != NULL && cached->closure->set == above)
	{
		if (cached->closure->with_self == NULL)
			cached->closure->with_self = set_with(reader->memo->cache->arena, above, uid);
		*set = cached->closure->with_self;
	}
	else
		*set = set_with(reader->memo->arena, above, uid);
	/* Where it is may have changed. */
	entry_lookup(reader->memo->hash, uid)->with_self = *set;
	return CEDAR_OK;
}

/* CedarEntitySource.climb, without an overlay. */
static CedarCode
entity_climb(void *userdata, CedarEntity *entity, CedarError *err)
{
	AuthzEntityReader *reader = userdata;
	CedarArena *arena = reader->memo->arena;
	ClosurePlace place = closure_place(entry_lookup(reader->memo->hash, entity->uid), entity);
	CedarUidSet *all;
	CedarCode	code;

	if (climb_kept(reader, entity, place))
		return CEDAR_OK;
	if (entity->n_parents == 1)
		return parent_set(reader, entity->parents[0], &entity->ancestors, err);
	if (may_keep_closure(place, entity))
		return climb_walk(reader, entity, place, err);

	all = cedar_uidset_create(arena);
	if (all == NULL)
		out_of_memory();
	for (uint32 i = 0; i < entity->n_parents; i++)
	{
		const CedarUidSet *set;

		code = parent_set(reader, entity->parents[i], &set, err);
		if (code != CEDAR_OK)
			return code;
		set_add_all(arena, all, set);
	}
	entity->ancestors = all;
	return CEDAR_OK;
}

/* ------------------------------------------------------------------ readers */

/* A reader that is closed: the memo's, unless an outer decision has it. */
static AuthzEntityReader *
reader_create(AuthzEntityMemo *memo)
{
	AuthzEntityReader *reader = memo->users == 0 ? memo->reader : NULL;
	MemoryContext cxt = memo->users == 0 ? memo->cxt : CurrentMemoryContext;

	if (reader == NULL)
	{
		reader = MemoryContextAllocZero(cxt, sizeof(AuthzEntityReader));
		reader->memo = memo;
		reader->rows.cxt = cxt;
		reader->rows.look_near = !IsolationIsSerializable();
		reader->stored.cxt = cxt;
		if (memo->users == 0)
			memo->reader = reader;
	}
	reader->walk = NULL;
	reader->kept = NULL;
	reader->n_loose = 0;
	return reader;
}

AuthzEntityReader *
authz_entity_begin(AuthzStatement *statement, CedarEntities *overlay,
				   CedarEntitySource *source)
{
	Snapshot	snapshot = GetActiveSnapshot();
	AuthzEntityMemo *memo;
	AuthzEntityReader *reader;

	if (overlay != NULL || authz_write_current(authz_relations()->entities) != NULL)
		memo = memo_create(NULL);
	else
		memo = memo_get(statement, snapshot);
	reader = reader_create(memo);
	reader->rows.snapshot = snapshot;
	if (memo->users++ == 0 && memo->loose != NULL)
		cedar_arena_reset(memo->loose);
	source->find = entity_find;
	source->climb = overlay == NULL ? entity_climb : NULL;
	source->userdata = reader;
	source->arena = memo->arena;
	reader->overlaid = overlay != NULL;
	if (overlay != NULL)
		reader->overlay = cedar_entities_source(overlay);
	reader->source = *source;
	return reader;
}

CedarKept *
authz_entity_kept(AuthzEntityReader *reader, const AuthzKeptKey *key)
{
	AuthzEntityMemo *memo = reader->memo;
	MemoKept   *kept = NULL;

	/* One decision's own, or another is just using it. */
	if (memo->statement == NULL || memo->users > 1)
		return NULL;
	for (int i = 0; i < memo->n_kept && kept == NULL; i++)
	{
		if (memcmp(&memo->kept[i].key, key, sizeof(AuthzKeptKey)) == 0)
			kept = &memo->kept[i];
	}
	if (kept == NULL)
	{
		kept = &memo->kept[memo->n_kept < MEMO_KEPT_MAX ? memo->n_kept++ :
						   memo->next_kept++ % MEMO_KEPT_MAX];
		kept->key = *key;
		if (kept->arena != NULL)
			cedar_arena_destroy(kept->arena);
		kept->arena = NULL;
		return NULL;
	}
	if (kept->arena == NULL)
	{
		kept->arena = authz_arena_create(memo->cxt);
		kept->kept = cedar_kept_create(kept->arena);
		if (kept->kept == NULL)
			out_of_memory();
	}
	reader->kept = &kept->key;
	return kept->kept;
}

void
authz_entity_end(AuthzEntityReader *reader)
{
	AuthzEntityMemo *memo = reader->memo;

	if (reader == memo->reader)
	{
		authz_row_close(&reader->rows);
		if (reader->stored.heap != NULL)
			authz_scan_close(&reader->stored);
	}
	else
	{
		authz_row_end(&reader->rows);
		authz_scan_end(&reader->stored);
		pfree(reader);
	}
	if (--memo->users == 0 && memo->statement == NULL)
		memo_free(memo);
}
