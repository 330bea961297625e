/*-------------------------------------------------------------------------
 *
 * policy_cache.c
 *	  Compiled policy sets: which version a check uses, loading, pins.
 *
 * Reading.  The first check of a statement reads the version row under a
 * fresh registered snapshot and compares (version, raw xmin of the row, OID
 * of the table) with the cached entry.  It is the raw xmin that tells a
 * version that was rolled back from another transaction's of the same
 * number.  On a miss, the tables are locked first (TRUNCATE is not visible to
 * snapshots alone), then one new registered snapshot serves the version row,
 * the policies and the links together.  The active snapshot is never used:
 * in REPEATABLE READ it is old.  An entry is built in a context under the
 * caller's and reparented when it is complete.
 *
 * Shared memory.  A version that is committed is published there, and taken
 * from there (policy_shared.c); what the session has of it is a handle, which
 * pins it for as long as a statement of the transaction uses it.  It is
 * committed when its version row is not this transaction's, and when this
 * transaction has no lock on the policies as their writers have: then there can
 * be no change of its own in what it reads, with triggers or without.  Where
 * there is no room, or no shared memory, the session has layers of its own.
 *
 * Ahead of a commit.  A transaction that has changed a set publishes its last
 * version just before it commits, where what it changed is known and the
 * version before is in shared memory and was asked for: that is one policy
 * compiled by the writer, instead of by all readers at once.  All of its
 * changes are in by then, and it keeps other writers out until it has ended.
 * No lock is waited for: there, that could be a deadlock.
 *
 * Transactions.  An entry that is not committed in this sense remembers the
 * subtransaction that loaded it; if that aborts, or any around it, the entry
 * goes, because it may show what was rolled back under a key that did not
 * change.  PREPARE TRANSACTION counts as an abort here: this backend does not
 * see the changes until COMMIT PREPARED.  After COMMIT it goes to where others
 * find it, if there is shared memory.  Nothing is cached from a set without a
 * version row.  While a
 * command of this transaction is writing policies, its triggers' checks see
 * what is written so far: the version row moves at its end only, so nothing
 * is taken from the cache, put there or pinned.
 *
 * One statement, one version.  The entry is pinned to the statement
 * (statement.c says what that is) until the transaction ends or the pin is
 * the least recently used of many.  An entry that left the cache lives on
 * while pinned.  Of those at most RETAINED_MAX are kept.  A statement that has
 * lost its version this way, or because the statement itself was dropped to
 * make room, goes on if the version is still that of the set; otherwise it
 * raises, it does not change over to another one.
 *
 * Memory: an entry has its own context under CacheMemoryContext, and so has
 * each layer of the session's own, which versions share.  The cache keeps the
 * CACHED_MAX sets last used.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"
#include "compat.h"

#include "access/table.h"
#include "access/xact.h"
#include "fmgr.h"
#include "funcapi.h"
#include "storage/lmgr.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/syscache.h"

#include "policy.h"
#include "policy_schema.h"
#include "relation.h"

#define CACHED_MAX		64		/* policy sets */
#define RETAINED_MAX	8		/* versions pinned but not cached */
#define AHEAD_MAX		4		/* sets that a transaction publishes */

/* One set's version as one statement uses it. */
typedef struct AuthzPolicyPin
{
	struct AuthzPolicyPin *next;
	AuthzPolicyVersion *version;	/* NULL: given up, see RETAINED_MAX */
	AuthzVersionRow row;		/* which one it is, or was */
	Oid			relid;
	SubTransactionId subid;		/* where it was pinned */
	char		set[FLEXIBLE_ARRAY_MEMBER];
} AuthzPolicyPin;

/* A layer of this session's own; versions have it together. */
typedef struct AuthzPolicyBlock
{
	int			versions;
	MemoryContext cxt;			/* holds the image, this struct too */
	CedarImage *image;
} AuthzPolicyBlock;

static dlist_head cached = DLIST_STATIC_INIT(cached);	/* last used first */
static int	cached_count = 0;
static int	retained_count = 0; /* versions pinned but not cached */
static uint64 last_serial = 0;

/* Given-up pins of statements dropped in this transaction, one for each set. */
static AuthzPolicyPin *dropped = NULL;

/* Pinned for a version that is being made. */
static AuthzSharedRef pending = {-1, 0};

/* A set that this transaction has changed. */
typedef struct ChangedSet
{
	Oid			relid;			/* policy_versions, then */
	char		name[FLEXIBLE_ARRAY_MEMBER];
} ChangedSet;

/* In TopTransactionContext, those of subtransactions that aborted as well. */
static List *changed_sets = NIL;

/* Published ahead of the commit. */
static AuthzSharedRef ahead[AHEAD_MAX];
static int	n_ahead = 0;

PG_FUNCTION_INFO_V1(authz_policy_images);

/* ----------------------------------------------------------- the versions */

/* Is what it has in shared memory still there?  Then it stays for now. */
static bool
version_hold(AuthzPolicyVersion *version)
{
	if (version->shared.slot >= 0 && !version->held)
		version->held = authz_shared_pin(version->shared);
	return version->shared.slot < 0 || version->held;
}

static void
version_unhold(AuthzPolicyVersion *version)
{
	if (version->held)
		authz_shared_unpin(version->shared);
	version->held = false;
}

static void
version_free(AuthzPolicyVersion *version)
{
	version_unhold(version);
	for (uint32 i = 0; i < version->policies.n_layers; i++)
	{
		if (version->blocks[i] != NULL && --version->blocks[i]->versions == 0)
			MemoryContextDelete(version->blocks[i]->cxt);
	}
	MemoryContextDelete(version->cxt);
}

/* From the memory of the call to that of the session. */
static void
version_adopt(AuthzPolicyVersion *version)
{
	MemoryContextSetParent(version->cxt, CacheMemoryContext);
	for (uint32 i = 0; i < version->policies.n_layers; i++)
	{
		if (version->blocks[i] != NULL)
			MemoryContextSetParent(version->blocks[i]->cxt, CacheMemoryContext);
	}
}

static void
version_uncache(AuthzPolicyVersion *version)
{
	Assert(version->cached);
	dlist_delete(&version->node);
	cached_count--;
	version->cached = false;
	if (version->pins > 0)
		retained_count++;
	else
		version_free(version);
}

static bool
version_is(const AuthzPolicyVersion *version, Oid relid, AuthzVersionRow row)
{
	return version->version == row.version && version->xmin == row.xmin &&
		version->relid == relid;
}

static AuthzPolicyVersion *
version_cached(const char *set)
{
	dlist_iter	iter;

	dlist_foreach(iter, &cached)
	{
		AuthzPolicyVersion *version = dlist_container(AuthzPolicyVersion, node, iter.cur);

		if (strcmp(version->set, set) == 0)
		{
			dlist_move_head(&cached, &version->node);
			return version;
		}
	}
	return NULL;
}
static void
version_cache(AuthzPolicyVersion *version)
{
	AuthzPolicyVersion *former = version_cached(version->set);

	if (former != NULL)
		version_uncache(former);
	else if (cached_count >= CACHED_MAX)
		version_uncache(dlist_tail_element(AuthzPolicyVersion, node, &cached));
	version_adopt(version);
	version->cached = true;
	dlist_push_head(&cached, &version->node);
	cached_count++;
}

/* ----------------------------------------------------------------- making */

/* In a context under the caller's. */
static AuthzPolicyVersion *
version_create(const char *set, Oid relid, AuthzVersionRow row)
{
	MemoryContext cxt = AllocSetContextCreate(CurrentMemoryContext, "authz policy set",
											  ALLOCSET_SMALL_SIZES);
	AuthzPolicyVersion *version = MemoryContextAllocZero(cxt, sizeof(AuthzPolicyVersion));

	version->cxt = cxt;
	version->set = MemoryContextStrdup(cxt, set);
	version->relid = relid;
	version->version = row.version;
	version->xmin = row.xmin;
	version->policies.serial = ++last_serial;
	version->shared.slot = -1;
	version->policies.layers = version->layers;
	return version;
}

static void
pending_unpin(void)
{
	if (pending.slot >= 0)
		authz_shared_unpin(pending);
	pending.slot = -1;
}

/* The pin goes over to the version. */
static void
pending_hand_over(AuthzPolicyVersion *version)
{
	version->shared = pending;
	version->held = true;
	pending.slot = -1;
}

/* A handle on what is pinned in shared memory. */
static AuthzPolicyVersion *
version_of_view(const char *set, Oid relid, const AuthzSharedView *view)
{
	AuthzPolicyVersion *version = version_create(set, relid, view->row);

	version->policies.n_layers = view->n_layers;
	memcpy(version->layers, view->layers, view->n_layers * sizeof(CedarLayer));
	pending_hand_over(version);
	version_cache(version);
	return version;
}

/* The version from shared memory, if it is there. */
static AuthzPolicyVersion *
version_shared(const char *set, Oid relid, AuthzVersionRow row)
{
	AuthzSharedView view;

	if (!authz_shared_find(set, relid, &row, &pending, &view))
		return NULL;
	return version_of_view(set, relid, &view);
}

/* A version of layers of one below and of this session's own. */
static AuthzPolicyVersion *
version_private(const char *set, Oid relid, AuthzVersionRow row,
				const AuthzPolicyVersion *former, const AuthzBelow *below,
				const AuthzNewLayers *new)
{
	AuthzPolicyVersion *version = version_create(set, relid, row);
	AuthzPolicyBlock *block = NULL;
	uint32		n;

	if (new->plan != NULL)
	{
		MemoryContext cxt = AllocSetContextCreate(CurrentMemoryContext, "authz policies",
												  ALLOCSET_SMALL_SIZES);

		block = MemoryContextAllocZero(cxt, sizeof(AuthzPolicyBlock));
		block->cxt = cxt;
		block->image = MemoryContextAllocHuge(cxt, new->size);
		cedar_image_write(new->plan, block->image);
	}
	Assert(new->kept <= below->n_layers);
	for (n = 0; n < Min(new->kept, below->n_layers); n++)
	{
		Size		size = AUTHZ_GONE_BYTES(cedar_image_count(below->layers[n].image));

		version->layers[n].image = below->layers[n].image;
		if (new->gone[n] != NULL)
			version->layers[n].gone = memcpy(MemoryContextAlloc(version->cxt, size),
											 new->gone[n], size);
	}

	/* Nothing fails from here on. */
	for (n = 0; n < new->kept; n++)
	{
		version->blocks[n] = former == NULL ? NULL : former->blocks[n];
		if (version->blocks[n] != NULL)
			version->blocks[n]->versions++;
		else if (pending.slot >= 0)
			pending_hand_over(version);
	}
	if (block != NULL)
	{
		version->blocks[n] = block;
		block->versions = 1;
		version->layers[n++].image = block->image;
	}
	version->policies.n_layers = n;
	return version;
}

/*
 * What to build on: the newest version in shared memory, or what this session
 * has, if it can be used where the result is to go.  What is shared is pinned.
 */
static void
below_find(const char *set, Oid relid, bool publish, AuthzPolicyVersion **former,
		   AuthzBelow *below)
{
	AuthzPolicyVersion *version = publish ? NULL : version_cached(set);
	AuthzSharedView view;

	*former = NULL;
	below->n_layers = 0;
	if (version != NULL && version->relid == relid && version_hold(version))
	{
		if (version->held && authz_shared_pin(version->shared))
			pending = version->shared;
		*former = version;
		below->row.version = version->version;
		below->row.xmin = version->xmin;
		below->n_layers = version->policies.n_layers;
		below->layers = version->layers;
	}
	else if (authz_shared_find(set, relid, NULL, &pending, &view))
	{
		below->row = view.row;
		below->n_layers = view.n_layers;
		below->layers = memcpy(palloc(sizeof(view.layers)), view.layers, sizeof(view.layers));
	}
}

/* Read and compile; publish it, or else it is this session's own. */
static AuthzPolicyVersion *
version_build(Relation policies, Snapshot snapshot, const char *set, Oid relid,
			  AuthzVersionRow row, bool alone, bool publish)
{
	MemoryContext scratch = AllocSetContextCreate(CurrentMemoryContext, "authz policy load",
												  ALLOCSET_DEFAULT_SIZES);
	MemoryContext old = MemoryContextSwitchTo(scratch);
	AuthzPolicyVersion *former = NULL;
	AuthzPolicyVersion *version;
	AuthzBelow	below = {0};
	AuthzNewLayers new;
	AuthzSharedRef ref;
	AuthzSharedView view;

	if (!alone)
		below_find(set, relid, publish, &former, &below);
	(void) authz_policy_load(policies, snapshot, set, row, &below, false, &new);
	MemoryContextSwitchTo(old);
	if (publish &&
		authz_shared_publish(set, relid, row, snapshot, pending, &new, &ref, &view))
	{
		pending_unpin();
		pending = ref;
		version = version_of_view(set, relid, &view);
	}
	else
	{
		version = version_private(set, relid, row, former, &below, &new);
		pending_unpin();
	}
	MemoryContextDelete(scratch);
	return version;
}

/*
 * The schema that is in force with it.  It is not part of what is shared: each
 * session has its own, parsed.
 */
static void
version_take_schema(AuthzPolicyVersion *version, Snapshot snapshot)
{
	version->schema = authz_schema_get(version->cxt, snapshot, version->set);
	version->schema_taken = true;
}

/* The version that is valid now; cached where that is safe. */
static AuthzPolicyVersion *
version_get(const char *set)
{
	AuthzRelations rels = *authz_relations();
	AuthzPolicyVersion *version;
	bool		writing = authz_store_is_writing();
	bool		committed;
	Relation	versions;
	Relation	policies;
	Relation	links;
	Snapshot	snapshot;
	AuthzVersionRow row;

	/* The lock first: it processes invalidations, and the snapshot is newer. */
	versions = table_open(rels.policy_versions, AccessShareLock);
	version = version_cached(set);
	snapshot = RegisterSnapshot(GetCatalogSnapshot(rels.policy_versions));
	if (version == NULL ||
		!authz_version_row_confirm(versions, snapshot, set, &version->place, &row))
		row = authz_version_row_read(versions, rels.policy_versions_pkey, snapshot, set,
									 version == NULL ? NULL : &version->place);

	if (!writing && version != NULL &&
		version_is(version, rels.policy_versions, row))
	{
		if (version->schema_taken && version_hold(version))
		{
			UnregisterSnapshot(snapshot);
			table_close(versions, NoLock);
			return version;
		}
		version_uncache(version);
	}
	if (!writing && row.version != 0 &&
		(version = version_shared(set, rels.policy_versions, row)) != NULL)
	{
		version_take_schema(version, snapshot);
		UnregisterSnapshot(snapshot);
		table_close(versions, NoLock);
		return version;
	}
	UnregisterSnapshot(snapshot);

	policies = table_open(rels.policies, AccessShareLock);
	links = table_open(rels.policy_links, AccessShareLock);
	LockRelationOid(rels.schema, AccessShareLock);
	LockRelationOid(rels.policy_changes, AccessShareLock);
	committed = !writing && !CheckRelationLockedByMe(policies, RowExclusiveLock, true) &&
		!CheckRelationLockedByMe(links, RowExclusiveLock, true);
	/* Nobody who waits for us has a lock that we still want. */
	if (committed)
		authz_shared_claim(set);
	snapshot = RegisterSnapshot(GetCatalogSnapshot(rels.policies));
	row = authz_version_row_read(versions, rels.policy_versions_pkey, snapshot, set, NULL);
	committed = committed && row.version != 0 && !TransactionIdIsCurrentTransactionId(row.xmin);
	version = NULL;
	if (committed)				/* Another may have been at it until now. */
		version = version_shared(set, rels.policy_versions, row);
	if (version == NULL)
	{
		version = version_build(policies, snapshot, set, rels.policy_versions, row,
								writing || row.version == 0,
								committed && authz_shared_enabled());
		version->loaded_in = committed ? InvalidSubTransactionId : GetCurrentSubTransactionId();
		if (!writing && row.version != 0 && !version->cached)
			version_cache(version);
	}
	authz_shared_release();
	if (!version->schema_taken)
		version_take_schema(version, snapshot);
	UnregisterSnapshot(snapshot);
	table_close(links, NoLock);
	table_close(policies, NoLock);
	table_close(versions, NoLock);
	return version;
}

/* ------------------------------------------------------- ahead of a commit */

void
authz_policy_changed(const char *set)
{
	size_t		size = strlen(set) + 1;
	MemoryContext old;
	ChangedSet *changed;
	Oid			relid;
	ListCell   *lc;

	if (!authz_shared_enabled() || list_length(changed_sets) > AHEAD_MAX)
		return;
	relid = authz_relations()->policy_versions;
	foreach(lc, changed_sets)
	{
		changed = lfirst(lc);
		if (changed->relid == relid && strcmp(changed->name, set) == 0)
			return;
	}
	old = MemoryContextSwitchTo(TopTransactionContext);
	changed = palloc(offsetof(ChangedSet, name) + size);
	changed->relid = relid;
	memcpy(changed->name, set, size);
	changed_sets = lappend(changed_sets, changed);
	MemoryContextSwitchTo(old);
}

static void
publish_ahead(const ChangedSet *changed, const AuthzRelations *rels, Snapshot snapshot)
{
	Relation	versions = table_open(rels->policy_versions, NoLock);
	Relation	policies = table_open(rels->policies, NoLock);
	AuthzVersionRow row = authz_version_row_read(versions, rels->policy_versions_pkey,
												 snapshot, changed->name, NULL);
	AuthzSharedView view;
	AuthzNewLayers new;

	/* Its own, that is to say: not rolled back to what was there before. */
	if (row.version != 0 && TransactionIdIsCurrentTransactionId(row.xmin) &&
		authz_shared_find(changed->name, rels->policy_versions, NULL, &pending, &view))
	{
		AuthzBelow	below = {
			.row = view.row,
			.n_layers = view.n_layers,
			.layers = view.layers
		};

		/* What nobody asks for is not worth it. */
		if (view.asked &&
			authz_policy_load(policies, snapshot, changed->name, row, &below, true, &new) &&
			authz_shared_publish(changed->name, rels->policy_versions, row, NULL, pending,
								 &new, &ahead[n_ahead], &view))
			n_ahead++;
		pending_unpin();
	}
	table_close(policies, NoLock);
	table_close(versions, NoLock);
}

/* Locks as a check that loads a version has them, where they can be had. */
static bool
lock_ahead(const AuthzRelations *rels)
{
	return ConditionalLockRelationOid(rels->policy_versions, AccessShareLock) &&
		ConditionalLockRelationOid(rels->policies, AccessShareLock) &&
		ConditionalLockRelationOid(rels->policy_links, AccessShareLock) &&
		ConditionalLockRelationOid(rels->schema, AccessShareLock) &&
		ConditionalLockRelationOid(rels->policy_changes, AccessShareLock);
}

void
authz_policy_pre_commit(void)
{
	MemoryContext scratch;
	MemoryContext old;
	ListCell   *lc;

	/* In SERIALIZABLE, what is read here could make it fail. */
	if (changed_sets == NIL || list_length(changed_sets) > AHEAD_MAX ||
		IsolationIsSerializable())
		return;
	scratch = AllocSetContextCreate(CurrentMemoryContext, "authz policy load",
									ALLOCSET_DEFAULT_SIZES);
	old = MemoryContextSwitchTo(scratch);
	foreach(lc, changed_sets)
	{
		const ChangedSet *changed = lfirst(lc);
		AuthzRelations rels;
		Snapshot	snapshot;

		/* The transaction may have dropped the extension. */
		if (!SearchSysCacheExists1(RELOID, ObjectIdGetDatum(changed->relid)))
			continue;
		rels = *authz_relations();
		if (rels.policy_versions != changed->relid || !lock_ahead(&rels))
			continue;
		snapshot = RegisterSnapshot(GetCatalogSnapshot(rels.policies));
		publish_ahead(changed, &rels, snapshot);
		UnregisterSnapshot(snapshot);
	}
	MemoryContextSwitchTo(old);
	MemoryContextDelete(scratch);
}

/* --------------------------------------------------------------- the pins */

static AuthzPolicyPin *
pin_find(AuthzPolicyPin *pin, const char *set)
{
	while (pin != NULL && strcmp(pin->set, set) != 0)
		pin = pin->next;
	return pin;
}

static void
pin_acquire(AuthzPolicyPin *pin, AuthzPolicyVersion *version)
{
	pin->version = version;
	pin->row.version = version->version;
	pin->row.xmin = version->xmin;
	pin->relid = version->relid;
	pin->subid = GetCurrentSubTransactionId();
	version_adopt(version);
	if (version->pins++ == 0 && !version->cached)
		retained_count++;
}

static void
pin_release(AuthzPolicyPin *pin)
{
	AuthzPolicyVersion *version = pin->version;

	pin->version = NULL;
	if (version == NULL || --version->pins > 0)
		return;
	version_unhold(version);
	if (!version->cached)
	{
		retained_count--;
		version_free(version);
	}
}

/* Give versions up that pins alone keep, while there are too many. */
static void
retained_limit(AuthzStatement *statement, void *arg)
{
	for (AuthzPolicyPin *pin = statement->policies; pin != NULL; pin = pin->next)
	{
		if (retained_count > RETAINED_MAX && pin != arg &&
			pin->version != NULL && !pin->version->cached)
			pin_release(pin);
	}
}

const AuthzPolicyVersion *
authz_policy_get(AuthzStatement *statement, const char *set)
{
	AuthzPolicyPin *pin = pin_find(statement->policies, set);
	AuthzPolicyPin *former = pin;
	AuthzPolicyVersion *version;

	if (pin != NULL && pin->version != NULL)
		return pin->version;
	if (pin == NULL && statement->again)
		former = pin_find(dropped, set);

	version = version_get(set);
	if (former != NULL && !version_is(version, former->relid, former->row))
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("policies changed too often within one statement"),
				 errdetail("The version of policy set \"%s\" that the statement began with is no longer kept.",
						   set),
				 errhint("Change policies, or run so many other statements, when it has ended.")));

	/* Not while policies are being written: it stays with the caller. */
	if (authz_store_is_writing())
		return version;

	if (pin == NULL)
	{
		pin = MemoryContextAllocZero(CacheMemoryContext,
									 offsetof(AuthzPolicyPin, set) + strlen(set) + 1);
		memcpy(pin->set, set, strlen(set) + 1);
		pin->next = statement->policies;
		statement->policies = pin;
	}
	pin_acquire(pin, version);
	if (retained_count > RETAINED_MAX)
		authz_statement_walk(retained_limit, pin);
	return version;
}

/*
 * Keep in mind which version each set had.  Where statements had different
 * ones, none of them can go on.
 */
void
authz_policy_statement_drop(AuthzStatement *statement)
{
	AuthzPolicyPin *pin;

	while ((pin = statement->policies) != NULL)
	{
		AuthzPolicyPin *former = pin_find(dropped, pin->set);

		statement->policies = pin->next;
		pin_release(pin);
		if (former == NULL)
		{
			pin->next = dropped;
			dropped = pin;
			continue;
		}
		if (former->row.version != pin->row.version ||
			former->row.xmin != pin->row.xmin || former->relid != pin->relid)
			former->relid = InvalidOid;
		pfree(pin);
	}
}

static void
pins_free(AuthzPolicyPin *pin)
{
	while (pin != NULL)
	{
		AuthzPolicyPin *next = pin->next;

		pin_release(pin);
		pfree(pin);
		pin = next;
	}
}

void
authz_policy_statement_end(AuthzStatement *statement)
{
	pins_free(statement->policies);
	statement->policies = NULL;
}

/* With a statement: forget its pins; without: the cached entries. */
void
authz_policy_subxact_abort(AuthzStatement *statement, SubTransactionId subid)
{
	dlist_mutable_iter iter;

	if (statement != NULL)
	{
		AuthzPolicyPin **link = &statement->policies;

		while (*link != NULL)
		{
			AuthzPolicyPin *pin = *link;

			if (pin->subid >= subid)
			{
				*link = pin->next;
				pin_release(pin);
				pfree(pin);
			}
			else
				link = &pin->next;
		}
		return;
	}

	pending_unpin();
	authz_shared_release();
	dlist_foreach_modify(iter, &cached)
	{
		AuthzPolicyVersion *version = dlist_container(AuthzPolicyVersion, node, iter.cur);

		if (version->loaded_in != InvalidSubTransactionId &&
			version->loaded_in >= subid)
			version_uncache(version);
	}
}

void
authz_policy_xact_end(bool committed)
{
	dlist_mutable_iter iter;

	pins_free(dropped);
	dropped = NULL;
	pending_unpin();
	authz_shared_release();
	changed_sets = NIL;			/* the memory goes with the transaction */
	while (n_ahead > 0)
		authz_shared_settle(ahead[--n_ahead], committed);

	dlist_foreach_modify(iter, &cached)
	{
		AuthzPolicyVersion *version = dlist_container(AuthzPolicyVersion, node, iter.cur);

		if (version->pins == 0)
			version_unhold(version);
		if (version->loaded_in == InvalidSubTransactionId)
			continue;
		if (committed && !authz_shared_enabled())
			version->loaded_in = InvalidSubTransactionId;
		else
			version_uncache(version);
	}
}

/* --------------------------------------------------------------- the view */

static void
images_put(ReturnSetInfo *rsinfo, const char *set, int64 version, uint32 policies,
		   uint32 layers, uint64 bytes, int64 pins, bool shared, bool newest)
{
	Datum		values[8];
	bool		nulls[8] = {false};

	values[0] = CStringGetTextDatum(set);
	values[1] = Int64GetDatum(version);
	values[2] = Int64GetDatum(policies);
	values[3] = Int32GetDatum((int32) layers);
	values[4] = Int64GetDatum((int64) bytes);
	values[5] = Int64GetDatum(pins);
	values[6] = BoolGetDatum(shared);
	values[7] = BoolGetDatum(newest);
	tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
}

/* The images in shared memory of this database, and this session's own. */
Datum
authz_policy_images(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	List	   *lines = authz_shared_lines();
	ListCell   *lc;
	dlist_iter	iter;

	InitMaterializedSRF(fcinfo, 0);
	foreach(lc, lines)
	{
		const AuthzSharedLine *line = lfirst(lc);

		images_put(rsinfo, line->set, line->version, line->policies, line->layers,
				   line->bytes, line->pins, true, line->newest);
	}
	dlist_foreach(iter, &cached)
	{
		AuthzPolicyVersion *version = dlist_container(AuthzPolicyVersion, node, iter.cur);
		uint64		bytes = 0;
		bool		own = false;

		for (uint32 i = 0; i < version->policies.n_layers; i++)
		{
			if (version->blocks[i] == NULL)
				continue;
			own = true;
			bytes += cedar_image_size(version->layers[i].image);
		}
		if (own && version_hold(version))
			images_put(rsinfo, version->set, version->version,
					   authz_layers_policies(version->layers, version->policies.n_layers),
					   version->policies.n_layers, bytes, version->pins, false, true);
	}
	return (Datum) 0;
}
