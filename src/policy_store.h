/*-------------------------------------------------------------------------
 *
 * policy_store.h
 *	  The policy store's rows, for the two halves of it: policy.c writes them,
 *	  policy_cache.c loads them.
 *
 *-------------------------------------------------------------------------
 */
#ifndef AUTHZ_POLICY_STORE_H
#define AUTHZ_POLICY_STORE_H

#include "access/htup.h"
#include "access/tupdesc.h"
#include "commands/trigger.h"
#include "storage/buf.h"
#include "storage/itemptr.h"
#include "utils/rel.h"
#include "utils/snapshot.h"

#include "cedar/cedar.h"

/* The tables whose rows are a policy set; each has policy_set first. */
typedef enum AuthzStoreTable
{
	AUTHZ_STORE_POLICIES,
	AUTHZ_STORE_LINKS,
	AUTHZ_STORE_SCHEMA
} AuthzStoreTable;

#define AUTHZ_STORE_TABLES (AUTHZ_STORE_SCHEMA + 1)
#define Anum_store_policy_set	1
#define Anum_store_id			2	/* of policies and links */

/* A version row in hand. */
typedef struct AuthzVersionRow
{
	int64		version;		/* 0: there is none */
	TransactionId xmin;			/* the raw one */
} AuthzVersionRow;

/* Where a version row was found. */
typedef struct AuthzVersionPlace
{
	ItemPointerData tid;
	Buffer		buffer;			/* that had its page; InvalidBuffer: nowhere */
} AuthzVersionPlace;

/* place may be NULL. */
extern AuthzVersionRow authz_version_row_read(Relation versions, Oid pkey,
											  Snapshot snapshot, const char *set,
											  AuthzVersionPlace *place);

/*
 * Is the set's version row still there?  Whatever visible row of the set is
 * found is the right one, since there is but one, so the place is no more than
 * a hint; false when none is.  Takes a tenth of the time of a look-up.
 */
extern bool authz_version_row_confirm(Relation versions, Snapshot snapshot,
									  const char *set, const AuthzVersionPlace *place,
									  AuthzVersionRow *row);

/* A key column as a string, in the current memory context. */
extern char *authz_policy_column(HeapTuple tuple, TupleDesc desc, int column);

/* Parse the text of one policy or template; raises when it is none. */
extern const CedarAst *authz_policy_parse(CedarArena *arena, const char *set, const char *id,
										  const char *text, size_t len);

/*
 * Compile the text of one policy or template; raises when it is none.  The
 * piece is the arena's.
 */
extern const CedarPiece *authz_policy_compile(CedarArena *arena, const char *set,
											  const char *id, const char *text,
											  size_t len, bool *is_template,
											  size_t *size);

/* Is a command of this transaction writing one of the tables just now? */
extern bool authz_store_is_writing(void);

/*
 * Is what is written to be checked against other rows?  Not by an apply
 * worker: that is done where the rows come from.
 */
extern bool authz_store_is_checked(void);

/*
 * Is a dump being restored, whose rows come in any order?  Then what a row
 * refers to may still be to come.
 */
extern bool authz_store_is_restoring(void);

/* The version of the set that the command that is writing the table makes. */
extern int64 authz_store_next_version(AuthzStoreTable table, const char *set);

/* Does an update leave the column as it is, byte for byte? */
extern bool authz_store_column_is_same(const TriggerData *trigdata, int column);

/* Has the table rows of the set (NULL: of any), as of now? */
extern bool authz_store_has_rows(AuthzStoreTable table, const char *set);

/*
 * The row of policies or policy_links with this set and id, or false; text, unless
 * NULL, takes that column's text, in the current memory context.
 */
extern bool authz_store_find(Oid relid, Oid pkey, Snapshot snapshot, const char *set,
							 const char *id, int column, char **text);

/*
 * What the triggers of all of them do; the function is one of this
 * table's.  Before a statement: queue up behind other writers.  Before a row
 * that is complete, or goes: note whether its set was empty, keep the former row;
 * gives the row to write, with the version since which it holds.  After a row:
 * note that its set has changed.  After the statement: advance each set touched,
 * and record that.
 */
extern void authz_store_check_trigger(FunctionCallInfo fcinfo, AuthzStoreTable table,
									  const char *function);
extern HeapTuple authz_store_new_tuple(const TriggerData *trigdata);
extern void authz_store_before_statement(const TriggerData *trigdata, AuthzStoreTable table);
extern HeapTuple authz_store_before_row(const TriggerData *trigdata, AuthzStoreTable table);
extern void authz_store_after_row(const TriggerData *trigdata, AuthzStoreTable table);
extern void authz_store_after_statement(const TriggerData *trigdata, AuthzStoreTable table);

/* Layers of images that a version is made of. */
#define AUTHZ_MAX_LAYERS 6

/* A version that is compiled already. */
typedef struct AuthzBelow
{
	AuthzVersionRow row;
	uint32		n_layers;		/* 0: there is none */
	const CedarLayer *layers;
} AuthzBelow;

/* What a version has that the one below it has not. */
typedef struct AuthzNewLayers
{
	uint32		kept;			/* layers of the one below, from the bottom */
	uint32	   *gone[AUTHZ_MAX_LAYERS]; /* their bitmaps; NULL: nothing is gone */
	CedarImagePlan *plan;		/* of one more layer; NULL: none */
	size_t		size;
} AuthzNewLayers;

/* A bitmap's size in bytes, for CedarLayer.gone. */
#define AUTHZ_GONE_BYTES(n) (((Size) (n) + 31) / 32 * sizeof(uint32))

/* Policies in layers that are not gone. */
extern uint32 authz_layers_policies(const CedarLayer *layers, uint32 n_layers);

/*
 * Read and compile a version: what has changed since the one below, where that
 * is known, else all of it.  One snapshot for the row and the policies; the
 * caller has locked the tables.  The result is in the current memory context
 * and refers to the layers below.
 *
 * Ahead of the version's commit only its changes are read.  False, which is for
 * then alone: they are not known, or such that a check raises.
 */
extern bool authz_policy_load(Relation policies, Snapshot snapshot, const char *set,
							  AuthzVersionRow row, const AuthzBelow *below,
							  bool ahead, AuthzNewLayers *result);

#endif							/* AUTHZ_POLICY_STORE_H */
