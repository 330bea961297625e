/*-------------------------------------------------------------------------
 *
 * entity_cache.h
 *	  Entities that outlive the statement that read them.
 *
 *-------------------------------------------------------------------------
 */
#ifndef AUTHZ_ENTITY_CACHE_H
#define AUTHZ_ENTITY_CACHE_H

#include "access/htup.h"
#include "access/xlogdefs.h"
#include "executor/tuptable.h"
#include "storage/itemptr.h"
#include "storage/buf.h"
#include "utils/rel.h"
#include "utils/snapshot.h"

#include "cedar/build.h"

typedef struct AuthzCachedClosure AuthzCachedClosure;

/* A page that rows are on. */
typedef struct AuthzCachedPage
{
	BlockNumber block;
	Buffer		buffer;			/* where it was */
	int			n;				/* rows */
	TransactionId newest;		/* of those that wrote them */
	XLogRecPtr	lsn;			/* see page_is_settled; 0: it is not */
} AuthzCachedPage;

/* Which row of a page. */
typedef struct AuthzCachedRow
{
	OffsetNumber offset;
	TransactionId xmin;
	uint32		image_size;
	const char *image;			/* as authz.entities holds the uid; NULL: mapped */
	const CedarUid *uid;
	AttrNumber	key_column;		/* of a mapped row whose id is one integer; else 0 */
	int16		key_size;		/* of it: 2, 4 or 8 */
	int64		key;
} AuthzCachedRow;

/* What must not have changed about the table that rows are of. */
typedef struct AuthzCachedTable
{
	uint64		serial;			/* of the mapping; 0: authz.entities */
	uint64		epoch;
	uint64		xid;			/* the next transaction's id, 64 bits, when read */
	uint32		filenumber;
} AuthzCachedTable;

/* What a row said, and which row that was. */
typedef struct AuthzCachedEntity
{
	const CedarUid *uid;
	CedarEntity *entity;		/* its ancestors are never filled */
	AuthzCachedClosure *closure;	/* of what the row says; NULL: not known */
	struct AuthzCachedLinks *links; /* where other tables say more; NULL: not known */
	AuthzCachedTable table;
	AuthzCachedPage page;
	AuthzCachedRow row;
} AuthzCachedEntity;

/* Rows of one table, page by page. */
typedef struct AuthzCachedRows
{
	AuthzCachedTable table;
	int			n_pages;
	AuthzCachedPage *pages;
	const AuthzCachedRow *rows;
} AuthzCachedRows;

/* All that an entity is in, and the rows that say so. */
struct AuthzCachedClosure
{
	CedarUidSet *set;
	const CedarUidSet *with_self;	/* and the entity itself; NULL: not asked yet */
	int			n_tables;
	AuthzCachedRows *tables;
	int			n_absent;
	const CedarUid **absent;	/* uids that no row was found for */
};

/* What an entity is in that has exactly these parents. */
typedef struct AuthzCachedLinks
{
	uint32		n_parents;
	const CedarUid **parents;
	AuthzCachedClosure *closure;	/* NULL: it cannot be kept */
} AuthzCachedLinks;

/* A generation of the cache: it grows, and goes as a whole. */
typedef struct AuthzEntityCache
{
	int			users;			/* being the current one counts as one */
	MemoryContext cxt;
	CedarArena *arena;
	struct cache_hash *hash;
} AuthzEntityCache;

/*
 * The current generation, held until it is released; NULL: nothing may be kept
 * (authz.entity_cache_size is 0).
 */
extern AuthzEntityCache *authz_cache_acquire(void);
extern void authz_cache_release(AuthzEntityCache *cache);

/* The entity that was read last under this uid, or NULL.  Not confirmed. */
extern AuthzCachedEntity *authz_cache_find(AuthzEntityCache *cache, const CedarUid *uid);

/*
 * Is each row of these pages of one table still the one that was read, under this
 * snapshot?  now is the next transaction's id, 64 bits.  check looks at the id of
 * a mapped row.
 */
typedef bool (*AuthzRowCheck) (HeapTuple tuple, TupleDesc desc, const CedarUid *uid, void *arg);

extern bool authz_cache_confirm(const AuthzCachedTable *table, AuthzCachedPage *pages,
								int n_pages, const AuthzCachedRow *rows, Relation heap, uint64 serial, Snapshot snapshot, uint64 now,
								AuthzRowCheck check, void *arg);

/* Where the last row of a kind was found. */
typedef struct AuthzNear
{
	BlockNumber block;
	OffsetNumber offset;		/* InvalidOffsetNumber: nothing was found yet */
	Buffer		buffer;			/* where its page was */
	int			misses;			/* looks beside it that found nothing, in a row */
} AuthzNear;

/*
 * Look for a row at the place of the last one and shortly behind it, where a
 * scan's next row often is.  True: it is in the slot, which is of the table's
 * kind.  Only of a table that authz_cache_serves, with a unique, immediate index
 * on what `is` compares: then the row that it finds and the snapshot sees is the
 * one.
 */
extern bool authz_near_find(AuthzNear *near, Relation heap, Snapshot snapshot,
							bool (*is) (HeapTuple tuple, void *arg), void *arg,
							TupleTableSlot *slot);

/* The row in the slot was found otherwise. */
extern void authz_near_note(AuthzNear *near, TupleTableSlot *slot);

/* Is this uid the first column, which is never null and of type entity_uid? */
extern bool authz_row_has_uid(HeapTupleHeader tuple, const CedarUid *uid);

/* May rows of this table be kept at all? */
extern bool authz_cache_serves(Relation heap);

/* May this row of the slot be kept?  Not one that a transaction is writing. */
extern bool authz_cache_may_keep(TupleTableSlot *slot, uint64 now);

/*
 * Keep what a row said; uid and entity are in the cache's arena.  Who has called
 * authz_cache_epoch before reading the row keeps nothing that is older than a
 * change of the table.
 */
extern AuthzCachedEntity *authz_cache_put(AuthzEntityCache *cache, const CedarUid *uid,
										  CedarEntity *entity, Relation heap,
										  TupleTableSlot *slot, uint64 serial,
										  uint64 epoch, uint64 now);
extern uint64 authz_cache_epoch(Oid relid);

/*
 * Keep a set of all that an entity is in, and the rows and uids that it comes
 * from; what is given is copied.  NULL: a table changed between them.
 */
extern AuthzCachedClosure *authz_cache_closure(AuthzEntityCache *cache, const CedarUidSet *set,
											   AuthzCachedEntity **members, int n_members,
											   const CedarUid **absent, int n_absent);

/* Keep it, or that it cannot be kept, for the parents that the entity has now. */
extern void authz_cache_put_links(AuthzEntityCache *cache, AuthzCachedEntity *entry,
								  const CedarEntity *entity, AuthzCachedClosure *closure);
extern bool authz_cache_links_are(const AuthzCachedLinks *links, const CedarEntity *entity);

extern void authz_cache_init(void);

/* The GUC authz.entity_cache_size, in kB. */
extern int	authz_entity_cache_size;

#endif							/* AUTHZ_ENTITY_CACHE_H */
