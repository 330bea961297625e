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
#include "utils/rel.h"
#include "utils/snapshot.h"

#include "cedar/cedar.h"

/* A version row in hand. */
typedef struct AuthzVersionRow
{
	int64		version;		/* 0: there is none */
	TransactionId xmin;			/* the raw one */
} AuthzVersionRow;

extern AuthzVersionRow authz_version_row_read(Relation versions, Oid pkey,
											  Snapshot snapshot, const char *set);

/* A key column as a string, in the current memory context. */
extern char *authz_policy_column(HeapTuple tuple, TupleDesc desc, int column);

/*
 * Compile the text of one policy or template; raises when it is none.  The
 * piece is the arena's.
 */
extern const CedarPiece *authz_policy_compile(CedarArena *arena, const char *set,
											  const char *id, const char *text,
											  size_t len, bool *is_template,
											  size_t *size);

#endif							/* AUTHZ_POLICY_STORE_H */
