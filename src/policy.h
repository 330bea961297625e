/*-------------------------------------------------------------------------
 *
 * policy.h
 *	  The policy store as a decision uses it.
 *
 *-------------------------------------------------------------------------
 */
#ifndef AUTHZ_POLICY_H
#define AUTHZ_POLICY_H

#include "access/xact.h"

#include "cedar/cedar.h"
#include "policy_shared.h"
#include "policy_store.h"
#include "statement.h"

struct AuthzPolicyBlock;		/* policy_cache.c */

/* One version of one policy set, compiled. */
typedef struct AuthzPolicyVersion
{
	dlist_node	node;			/* in the cache, when cached */
	bool		cached;
	int			pins;			/* statements that use it */
	SubTransactionId loaded_in; /* Invalid: all in it is committed */

	/* key */
	char	   *set;
	Oid			relid;			/* policy_versions */
	int64		version;		/* 0: the set has no version row */
	TransactionId xmin;
	AuthzVersionPlace place;	/* where its version row was */

	const struct AuthzSchema *schema;	/* in force with it, or NULL */
	bool		schema_taken;
	CedarPolicies policies;		/* what cedar_decide asks; no other of this session had the serial */
	CedarLayer	layers[AUTHZ_MAX_LAYERS];
	struct AuthzPolicyBlock *blocks[AUTHZ_MAX_LAYERS];	/* NULL: shared memory's */
	AuthzSharedRef shared;		/* what has the shared layers, if any has */
	bool		held;			/* this session has pinned it */
	MemoryContext cxt;			/* holds this struct, and bitmaps */
} AuthzPolicyVersion;

/*
 * The version that this statement uses.  The first call for a statement
 * confirms it against the version row under a fresh snapshot.  Valid in the
 * memory context of the call and as long as the statement, whichever ends first.
 */
extern const AuthzPolicyVersion *authz_policy_get(AuthzStatement *statement,
												  const char *set);

/* The set's version row as of now; 0 when there is none. */
extern int64 authz_policy_version_now(const char *set);

/*
 * For statement.c.  A statement that is dropped may come back; one that ends
 * does not.
 */
extern void authz_policy_statement_drop(AuthzStatement *statement);
extern void authz_policy_statement_end(AuthzStatement *statement);
extern void authz_policy_subxact_abort(AuthzStatement *statement,
									   SubTransactionId subid);
extern void authz_policy_pre_commit(void);
extern void authz_policy_xact_end(bool committed);

/* This transaction has advanced the version of the set. */
extern void authz_policy_changed(const char *set);

/* The GUC authz.policy_set. */
extern char *authz_policy_set;

#endif							/* AUTHZ_POLICY_H */
