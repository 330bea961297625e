/*-------------------------------------------------------------------------
 *
 * policy_shared.h
 *	  Images of policy sets in shared memory.
 *
 * Everything here does nothing, or finds nothing, in a server that has not
 * preloaded the library.
 *
 *-------------------------------------------------------------------------
 */
#ifndef AUTHZ_POLICY_SHARED_H
#define AUTHZ_POLICY_SHARED_H

#include "cedar/cedar.h"
#include "policy_store.h"

/* A version in shared memory, and which of those that had its place. */
typedef struct AuthzSharedRef
{
	int			slot;			/* -1: none */
	uint32		generation;
} AuthzSharedRef;

/* Its policies; valid while it is pinned. */
typedef struct AuthzSharedView
{
	AuthzVersionRow row;
	bool		asked;			/* has a reader wanted it? */
	uint32		n_layers;
	CedarLayer	layers[AUTHZ_MAX_LAYERS];
} AuthzSharedView;

extern bool authz_shared_enabled(void);

/* Find and pin this version, or with row NULL the newest of the set. */
extern bool authz_shared_find(const char *set, Oid relid, const AuthzVersionRow *row,
							  AuthzSharedRef *ref, AuthzSharedView *view);

/* Pin one that was found before; false when it is no longer there. */
extern bool authz_shared_pin(AuthzSharedRef ref);
extern void authz_shared_unpin(AuthzSharedRef ref);

/*
 * Publish a version, read under this snapshot, over the pinned one below (or
 * none) and pin it.  False when there is no room.  Without a snapshot it is the
 * version that this transaction is about to commit; then it has to be settled.
 */
extern bool authz_shared_publish(const char *set, Oid relid, AuthzVersionRow row,
								 Snapshot snapshot, AuthzSharedRef below, const AuthzNewLayers *layers,
								 AuthzSharedRef *ref, AuthzSharedView *view);

/* Whether what was published ahead is committed; unpins it.  Does not fail. */
extern void authz_shared_settle(AuthzSharedRef ref, bool committed);

/*
 * Be the only one that builds a version of the set: waits, interruptibly, while
 * another is.  May give up waiting, so this spares work and proves nothing.
 * Held until released, or until the (sub)transaction aborts.
 */
extern void authz_shared_claim(const char *set);
extern void authz_shared_release(void);

/* One line of authz.policy_images. */
typedef struct AuthzSharedLine
{
	char	   *set;
	int64		version;
	uint32		policies;
	uint32		layers;
	uint64		bytes;
	uint32		pins;
	bool		newest;
} AuthzSharedLine;

/* Those of this database, in the caller's memory context. */
extern List *authz_shared_lines(void);

/* The GUC authz.shared_memory, in megabytes. */
extern int	authz_shared_memory;

extern void authz_shared_init(void);

#endif							/* AUTHZ_POLICY_SHARED_H */
