/*-------------------------------------------------------------------------
 *
 * entity_row.h
 *	  Rows as entities: look-ups in tables, and what the columns' values are.
 *
 *-------------------------------------------------------------------------
 */
#ifndef AUTHZ_ENTITY_ROW_H
#define AUTHZ_ENTITY_ROW_H

#include "access/genam.h"
#include "access/relscan.h"
#include "executor/tuptable.h"

#include "entity_cache.h"
#include "entity_map.h"

#define AUTHZ_NEARS 4			/* places beside which rows are looked for */

/* A table, open or not, and look-ups by one of its indexes. */
typedef struct AuthzScan
{
	Relation	heap;			/* NULL: closed */
	Relation	index;			/* NULL until the first look-up */
	IndexScanDesc scan;
	Snapshot	snapshot;
	bool		look_near;		/* may rows be found without the index? */
	AuthzNear	near[AUTHZ_NEARS];

	/* what stays when it is closed, in the memory of cxt */
	MemoryContext cxt;			/* NULL: the current one, when it is opened */
	Oid			table;
	SubTransactionId locked_in; /* has the table's lock; Invalid: none is known */
	uint64		epoch;			/* of the table */
	Oid			index_oid;
	int			n_keys;
	ScanKeyData *keys;			/* NULL: not made yet */
	TupleTableSlot *slot;		/* the same */
} AuthzScan;

/*
 * Open a table; the lock lasts until the transaction ends.  The struct is zero
 * but for cxt, or was closed in this transaction.
 */
extern void authz_scan_open(AuthzScan *scan, Oid table, Oid index, int n_keys,
							Snapshot snapshot);
extern void authz_scan_close(AuthzScan *scan);

/* Close it and give back what stays. */
extern void authz_scan_end(AuthzScan *scan);

/* A slot for its rows. */
extern TupleTableSlot *authz_scan_slot(AuthzScan *scan);

/* Start a look-up by these keys, in the order of the index. */
extern void authz_scan_start(AuthzScan *scan, const Datum *keys);

/* The next row, in scan->slot. */
extern bool authz_scan_next(AuthzScan *scan);

/* Reads mapped tables during one decision, under one snapshot. */
typedef struct AuthzRowReader
{
	Snapshot	snapshot;
	bool		look_near;		/* may rows be found without an index? */
	MemoryContext cxt;			/* of what stays from call to call; NULL: the current one */
	List	   *open;			/* OpenTable, though its table may be closed */
} AuthzRowReader;

/*
 * The row of an entity in its mapping's table, or NULL.  The slot is valid until
 * the next row of that table is asked for.
 */
extern TupleTableSlot *authz_row_find(AuthzRowReader *reader, AuthzMapping *mapping,
									  const CedarUid *uid);

/* The open table of a mapping that is read directly. */
extern AuthzScan *authz_row_scan(AuthzRowReader *reader, AuthzMapTable *table);

/* Has this tuple of the table the uid's id? */
extern bool authz_row_has_id(AuthzMapTable *table, HeapTuple tuple, TupleDesc desc,
							 const CedarUid *uid);

/* The same of rows whose id is one integer, for authz_cache_confirm. */
extern void authz_row_integer_key(AuthzMapTable *table, AuthzCachedRow *row);

/* The segments of an id of n columns, which holds no NUL; false: no row can have it. */
extern bool authz_id_split(const CedarUid *uid, int n, char **segments);

/* The uid of a row of a mapping's table; raises when its id is null. */
extern const CedarUid *authz_row_uid(AuthzMapping *mapping, TupleTableSlot *slot,
									 CedarArena *arena);

/*
 * Build of the row what it says of the entity: attributes, tags in a column,
 * parents in columns.  Raises for a value that Cedar does not have.
 */
extern CedarEntity *authz_row_entity(AuthzMapping *mapping, TupleTableSlot *slot,
									 CedarArena *arena, const CedarUid *uid);

/* Add what other tables say of it: memberships and tags. */
extern void authz_row_links(AuthzRowReader *reader, AuthzMapping *mapping,
							CedarArena *arena, CedarEntity *entity);

/* Close its tables, which are opened again when they are needed; and for good. */
extern void authz_row_close(AuthzRowReader *reader);
extern void authz_row_end(AuthzRowReader *reader);

/* Is a query running on behalf of a decision?  Then one may be asked inside it. */
extern bool authz_row_is_executing(void);

#endif							/* AUTHZ_ENTITY_ROW_H */
