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
 * Transactions.  An entry remembers the subtransaction that loaded it; if
 * that aborts, or any around it, the entry goes, because it may show what was
 * rolled back under a key that did not change.  PREPARE TRANSACTION counts as
 * an abort here: this backend does not see the changes until COMMIT
 * PREPARED.  Nothing is cached from a set without a version row.  While a
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
 * Memory: an entry has its own context under CacheMemoryContext.  The cache
 * keeps the CACHED_MAX sets last used.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"
#include "compat.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "access/xact.h"
#include "miscadmin.h"
#include "storage/lmgr.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

#include "error.h"
#include "host.h"
#include "policy.h"
#include "policy_link.h"
#include "policy_store.h"
#include "relation.h"

#define CACHED_MAX		64		/* policy sets */
#define RETAINED_MAX	8		/* versions pinned but not cached */

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

static dlist_head cached = DLIST_STATIC_INIT(cached);	/* last used first */
static int	cached_count = 0;
static int	retained_count = 0; /* versions pinned but not cached */

/* Given-up pins of statements dropped in this transaction, one for each set. */
static AuthzPolicyPin *dropped = NULL;

/* ----------------------------------------------------------- the versions */

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
		MemoryContextDelete(version->cxt);
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
/* The image of policies, in cxt; arena is for the work. */
static const CedarImage *
image_build(MemoryContext cxt, CedarArena *arena, const CedarPolicy *policies,
			uint32 n, const char *set)
{
	CedarImagePlan *plan;
	void	   *block;
	size_t		size;
	CedarError	err;

	if (cedar_image_plan(arena, policies, n, &plan, &size, &err) != CEDAR_OK)
		authz_raise(&err, AUTHZ_TEXT_UID, NULL, 0, NULL,
					psprintf("Policy set \"%s\".", set));
	block = MemoryContextAllocHuge(cxt, size);
	cedar_image_write(plan, block);
	return block;
}

/* What a load has found so far, in the memory context of the load. */
typedef struct Loading
{
	const char *set;
	CedarArena *arena;			/* emptied for each policy */
	CedarArena *kept;			/* until the load ends */
	CedarPolicy *policies;		/* in the order of their ids */
	uint32		n;
	uint32		capacity;
	struct LoadedTemplate *templates;	/* the same */
	uint32		n_templates;
	uint32		templates_capacity;
} Loading;

typedef struct LoadedTemplate
{
	char	   *id;
	const CedarPiece *piece;	/* NULL: disabled, and may be no template */
} LoadedTemplate;

static CedarPolicy *
loading_add(Loading *loading, const char *id, const CedarPiece *piece)
{
	CedarPolicy *policy;

	if (loading->n == loading->capacity)
	{
		loading->capacity *= 2;
		loading->policies = repalloc_huge(loading->policies,
										  loading->capacity * sizeof(CedarPolicy));
	}
	policy = &loading->policies[loading->n++];
	memset(policy, 0, sizeof(CedarPolicy));
	policy->piece = piece;
	policy->id = pstrdup(id);
	policy->id_len = strlen(id);
	return policy;
}

static void
loading_add_template(Loading *loading, const char *id, const CedarPiece *piece)
{
	LoadedTemplate *template;

	if (loading->n_templates == loading->templates_capacity)
	{
		loading->templates_capacity *= 2;
		loading->templates = repalloc_huge(loading->templates,
										   loading->templates_capacity * sizeof(LoadedTemplate));
	}
	template = &loading->templates[loading->n_templates++];
	template->id = pstrdup(id);
	template->piece = piece;
}

static void
load_policy(Loading *loading, HeapTuple tuple, TupleDesc desc)
{
	bool		isnull;
	char	   *id = authz_policy_column(tuple, desc, Anum_policies_policy_id);

	if (DatumGetBool(heap_getattr(tuple, Anum_policies_enabled, desc, &isnull)))
	{
		char	   *text = authz_policy_column(tuple, desc, Anum_policies_policy);
		bool		is_template;
		size_t		size;
		const CedarPiece *piece = authz_policy_compile(loading->arena, loading->set, id,
													   text, strlen(text),
													   &is_template, &size);

		piece = memcpy(MemoryContextAllocHuge(CurrentMemoryContext, size), piece, size);
		if (is_template)
			loading_add_template(loading, id, piece);
		else
			loading_add(loading, id, piece);
		cedar_arena_reset(loading->arena);
		pfree(text);
	}
	else
		loading_add_template(loading, id, NULL);
	pfree(id);
}

static const LoadedTemplate *
loading_find_template(const Loading *loading, const char *id)
{
	uint32		low = 0;
	uint32		high = loading->n_templates;

	while (low < high)
	{
		uint32		middle = low + (high - low) / 2;
		int			c = strcmp(loading->templates[middle].id, id);

		if (c == 0)
			return &loading->templates[middle];
		if (c < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return NULL;
}

static int
policy_cmp(const void *a, const void *b)
{
	return strcmp(((const CedarPolicy *) a)->id, ((const CedarPolicy *) b)->id);
}

/* Links share their template's piece; those of a disabled one are disabled. */
static void
load_links(Loading *loading, Snapshot snapshot)
{
	uint32		n_policies = loading->n;
	uint32		n;
	const AuthzPolicyLink *links = authz_policy_links_read(loading->kept, snapshot,
														   loading->set, &n);

	for (uint32 i = 0; i < n; i++)
	{
		const LoadedTemplate *template;
		CedarPolicy *policy;

		if (!links[i].enabled)
			continue;
		template = loading_find_template(loading, links[i].template_id);
		if (template != NULL && template->piece == NULL)
			continue;
		if (template != NULL)
		{
			policy = loading_add(loading, links[i].id, template->piece);
			policy->principal = links[i].principal;
			policy->resource = links[i].resource;
		}
		if (template == NULL || !cedar_policy_is_linked(policy))
			ereport(ERROR,
					(errcode(ERRCODE_DATA_CORRUPTED),
					 errmsg("link \"%s\" does not fit a template \"%s\"",
							links[i].id, links[i].template_id),
					 errdetail("Policy set \"%s\".", loading->set),
					 errhint("A restore or a replica has still to bring it, or triggers were disabled.")));
	}
	if (loading->n > n_policies && n_policies > 0)
		qsort(loading->policies, loading->n, sizeof(CedarPolicy), policy_cmp);
}

/*
 * Load a set's enabled policies and links under this snapshot, in a context
 * under the caller's.
 */
static AuthzPolicyVersion *
version_load(Relation policies, Oid pkey, Snapshot snapshot, Oid relid,
			 const char *set, AuthzVersionRow row)
{
	MemoryContext cxt;
	MemoryContext scratch;
	MemoryContext old;
	AuthzPolicyVersion *version;
	Loading		loading = {.set = set, .capacity = 16, .templates_capacity = 16};
	Relation	index;
	SysScanDesc scan;
	ScanKeyData key;
	HeapTuple	tuple;

	cxt = AllocSetContextCreate(CurrentMemoryContext, "authz policy set",
								ALLOCSET_DEFAULT_SIZES);
	scratch = AllocSetContextCreate(CurrentMemoryContext, "authz policy load",
									ALLOCSET_DEFAULT_SIZES);
	old = MemoryContextSwitchTo(cxt);
	version = palloc0(sizeof(AuthzPolicyVersion));
	version->set = pstrdup(set);
	version->relid = relid;
	version->version = row.version;
	version->xmin = row.xmin;
	version->loaded_in = GetCurrentSubTransactionId();
	version->cxt = cxt;
	MemoryContextSwitchTo(scratch);
	loading.policies = palloc(loading.capacity * sizeof(CedarPolicy));
	loading.templates = palloc(loading.templates_capacity * sizeof(LoadedTemplate));
	loading.arena = authz_arena_create(scratch);
	loading.kept = authz_arena_create(scratch);

	/* In index order: the ids' bytes decide the order of the reasons. */
	index = index_open(pkey, AccessShareLock);
	ScanKeyInit(&key, Anum_policies_policy_set, BTEqualStrategyNumber,
				F_TEXTEQ, CStringGetTextDatum(set));
	scan = systable_beginscan_ordered(policies, index, snapshot, 1, &key);
	while (HeapTupleIsValid(tuple = systable_getnext_ordered(scan, ForwardScanDirection)))
	{
		CHECK_FOR_INTERRUPTS();
		load_policy(&loading, tuple, RelationGetDescr(policies));
	}
	systable_endscan_ordered(scan);
	index_close(index, AccessShareLock);
	load_links(&loading, snapshot);

	version->layer.image = image_build(cxt, loading.arena, loading.policies, loading.n, set);
	version->policies.n_layers = 1;
	version->policies.layers = &version->layer;

	MemoryContextSwitchTo(old);
	MemoryContextDelete(scratch);
	return version;
}

/* The version that is valid now; cached where that is safe. */
static AuthzPolicyVersion *
version_get(const char *set)
{
	AuthzRelations rels = *authz_relations();
	AuthzPolicyVersion *version;
	bool		writing = authz_store_is_writing();
	Relation	versions;
	Relation	policies;
	Snapshot	snapshot;
	AuthzVersionRow	row;

	/* The lock first: it processes invalidations, and the snapshot is newer. */
	versions = table_open(rels.policy_versions, AccessShareLock);
	snapshot = RegisterSnapshot(GetCatalogSnapshot(rels.policy_versions));
	row = authz_version_row_read(versions, rels.policy_versions_pkey, snapshot, set);
	UnregisterSnapshot(snapshot);

	version = version_cached(set);
	if (!writing && version != NULL &&
		version_is(version, rels.policy_versions, row))
	{
		table_close(versions, NoLock);
		return version;
	}

	policies = table_open(rels.policies, AccessShareLock);
	LockRelationOid(rels.policy_links, AccessShareLock);
	snapshot = RegisterSnapshot(GetCatalogSnapshot(rels.policies));
	row = authz_version_row_read(versions, rels.policy_versions_pkey, snapshot, set);
	version = version_load(policies, rels.policies_pkey, snapshot,
						   rels.policy_versions, set, row);
	UnregisterSnapshot(snapshot);
	table_close(policies, NoLock);
	table_close(versions, NoLock);

	if (!writing && row.version != 0)
	{
		AuthzPolicyVersion *former = version_cached(set);

		if (former != NULL)
			version_uncache(former);
		else if (cached_count >= CACHED_MAX)
			version_uncache(dlist_tail_element(AuthzPolicyVersion, node, &cached));
		MemoryContextSetParent(version->cxt, CacheMemoryContext);
		version->cached = true;
		dlist_push_head(&cached, &version->node);
		cached_count++;
	}
	return version;
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
	MemoryContextSetParent(version->cxt, CacheMemoryContext);
	if (version->pins++ == 0 && !version->cached)
		retained_count++;
}

static void
pin_release(AuthzPolicyPin *pin)
{
	AuthzPolicyVersion *version = pin->version;

	pin->version = NULL;
	if (version != NULL && --version->pins == 0 && !version->cached)
	{
		retained_count--;
		MemoryContextDelete(version->cxt);
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
		strcpy(pin->set, set);
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

	dlist_foreach_modify(iter, &cached)
	{
		AuthzPolicyVersion *version = dlist_container(AuthzPolicyVersion, node, iter.cur);

		if (version->loaded_in == InvalidSubTransactionId)
			continue;
		if (committed)
			version->loaded_in = InvalidSubTransactionId;
		else
			version_uncache(version);
	}
}
