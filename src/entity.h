/*-------------------------------------------------------------------------
 *
 * entity.h
 *	  The entity store as a decision uses it.
 *
 *-------------------------------------------------------------------------
 */
#ifndef AUTHZ_ENTITY_H
#define AUTHZ_ENTITY_H

#include "access/htup.h"
#include "access/tupdesc.h"

#include "cedar/cedar.h"
#include "entity_row.h"
#include "statement.h"

typedef struct AuthzEntityReader AuthzEntityReader;

/*
 * Begin to read entities for one decision, under the active snapshot.
 * overlay, where not NULL, is merged over the store (cedar_entity_merge); what
 * is then read is not remembered, for its ancestors depend on the overlay.
 * *source serves cedar_authorize until authz_entity_end; overlay is not to be
 * used after it.
 */
extern AuthzEntityReader *authz_entity_begin(AuthzStatement *statement,
											 CedarEntities *overlay,
											 CedarEntitySource *source);
extern void authz_entity_end(AuthzEntityReader *reader);

/* Whose decisions have what CedarKept keeps in common; no padding. */
typedef struct AuthzKeptKey
{
	uint64		policies;		/* serial of the version */
	uint64		uids[2];		/* serials of the two uids */
	const CedarUid *principal;
	const CedarUid *action;
} AuthzKeptKey;

/*
 * What decisions of this statement with the same key have kept so far, for
 * cedar_decide_kept of the decision that has begun; NULL: nothing, as for the
 * first one of a key.
 */
extern CedarKept *authz_entity_kept(AuthzEntityReader *reader, const AuthzKeptKey *key);

/* The entity of a stored row; raises when it is none. */
extern CedarEntity *authz_entity_from_row(CedarArena *arena, HeapTuple tuple, TupleDesc desc);

/* For statement.c; one that is in use must not end before its transaction. */
extern void authz_entity_statement_end(AuthzStatement *statement);
extern bool authz_entity_statement_in_use(const AuthzStatement *statement);

/* For entity_read.c: the rows of authz.entities. */
extern void authz_stored_scan_open(AuthzScan *scan, Snapshot snapshot);
extern TupleTableSlot *authz_stored_find(AuthzScan *scan, const CedarUid *uid);
extern CedarEntity *authz_stored_entity(TupleTableSlot *slot, CedarArena *arena,
										const CedarUid *uid);

#endif							/* AUTHZ_ENTITY_H */
