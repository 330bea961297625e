/*-------------------------------------------------------------------------
 *
 * policy_load.c
 *	  From rows to images: a version of a policy set, read and compiled.
 *
 * A version is made of layers (docs/image.md): images, the largest at the
 * bottom, each with a bitmap of its policies that are gone.  Where the chain of
 * authz.policy_changes leads from a version that is compiled already to the one
 * that is wanted, only the policies named there are read and compiled: they are
 * a new layer, and their former selves below are gone.  A new layer takes in
 * those under it that are not much larger, by copying what is compiled, so that
 * there are few layers and a policy is copied a few times, not at each change.
 *
 * Nothing here decides what is valid: policy_cache.c does.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"
#include "compat.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "port/pg_bitutils.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

#include "error.h"
#include "host.h"
#include "policy_link.h"
#include "policy_store.h"
#include "relation.h"

#define SMALL_LAYER		64		/* is taken in by the next one */
#define LAYER_FACTOR	16		/* so is one that is this much larger, or less */

/* Policies by id, as they are gathered for an image. */
typedef struct PolicyList
{
	CedarPolicy *at;
	uint32		n;
	uint32		capacity;
} PolicyList;

typedef struct Load
{
	const char *set;
	Relation	policies;
	Snapshot	snapshot;
	CedarArena *work;			/* emptied after each policy */
	CedarArena *kept;			/* pieces and ids until the image is written */
	bool		ahead;			/* of a commit, which must not fail for it */
	bool		misfit;			/* that is what it would do */
} Load;

static void
list_add(PolicyList *list, const CedarPolicy *policy)
{
	if (list->n == list->capacity)
	{
		list->capacity = Max(16, list->capacity * 2);
		list->at = list->at == NULL ?
			palloc(list->capacity * sizeof(CedarPolicy)) :
			repalloc_huge(list->at, list->capacity * sizeof(CedarPolicy));
	}
	list->at[list->n++] = *policy;
}

static int
id_compare(const char *a, uint32 a_len, const char *b, uint32 b_len)
{
	int			c = memcmp(a, b, Min(a_len, b_len));

	return c != 0 ? c : a_len < b_len ? -1 : a_len > b_len;
}

/* ---------------------------------------------------------------- the rows */

static void *
load_keep(Load *load, const void *bytes, Size size)
{
	void	   *copy = cedar_arena_alloc(load->kept, size);

	if (copy == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_OUT_OF_MEMORY),
				 errmsg("out of memory")));
	return memcpy(copy, bytes, size);
}

/* Compile the policy of a row, unless it is disabled. */
static void
load_row(Load *load, HeapTuple tuple, PolicyList *list)
{
	TupleDesc	desc = RelationGetDescr(load->policies);
	CedarPolicy policy = {0};
	const CedarPiece *piece;
	bool		isnull;
	bool		is_template;
	size_t		size;
	char	   *id;
	char	   *text;

	CHECK_FOR_INTERRUPTS();
	if (!DatumGetBool(heap_getattr(tuple, Anum_policies_enabled, desc, &isnull)))
		return;
	id = authz_policy_column(tuple, desc, Anum_policies_policy_id);
	text = authz_policy_column(tuple, desc, Anum_policies_policy);
	piece = authz_policy_compile(load->work, load->set, id, text, strlen(text),
								 &is_template, &size);
	policy.piece = load_keep(load, piece, size);
	policy.id_len = strlen(id);
	policy.id = load_keep(load, id, policy.id_len);
	list_add(list, &policy);
	pfree(id);
	pfree(text);
	cedar_arena_reset(load->work);
}

/* All policies of the set, or those with these ids (in ascending order). */
static void
load_rows(Load *load, const List *ids, PolicyList *list)
{
	Oid			pkey = authz_relations()->policies_pkey;
	Relation	index = index_open(pkey, AccessShareLock);
	ScanKeyData key[2];
	ListCell   *lc = list_head(ids);

	ScanKeyInit(&key[0], Anum_policies_policy_set, BTEqualStrategyNumber,
				F_TEXTEQ, CStringGetTextDatum(load->set));
	do
	{
		int			nkeys = 1;
		SysScanDesc scan;
		HeapTuple	tuple;

		if (lc != NULL)
			ScanKeyInit(&key[nkeys++], Anum_policies_policy_id, BTEqualStrategyNumber,
						F_TEXTEQ, CStringGetTextDatum(lfirst(lc)));
		/* In index order, which is that of the ids' bytes. */
		scan = systable_beginscan_ordered(load->policies, index, load->snapshot, nkeys, key);
		while (HeapTupleIsValid(tuple = systable_getnext_ordered(scan, ForwardScanDirection)))
			load_row(load, tuple, list);
		systable_endscan_ordered(scan);
	} while (lc != NULL && (lc = lnext(ids, lc)) != NULL);
	index_close(index, AccessShareLock);
}

/* --------------------------------------------------------------- the links */

/*
 * The piece of an enabled policy: among the first n of the list, which are
 * in order, or in the layers below.
 */
static const CedarPiece *
find_piece(const PolicyList *list, uint32 n, const AuthzBelow *below,
		   uint32 *const *gone, const char *id)
{
	uint32		len = strlen(id);
	uint32		low = 0;
	uint32		high = n;

	while (low < high)
	{
		uint32		middle = low + (high - low) / 2;
		int			c = id_compare(list->at[middle].id, list->at[middle].id_len, id, len);

		if (c == 0)
			return list->at[middle].piece;
		if (c < 0)
			low = middle + 1;
		else
			high = middle;
	}
	for (uint32 i = below == NULL ? 0 : below->n_layers; i > 0; i--)
	{
		const CedarImage *image = below->layers[i - 1].image;
		CedarPolicy policy;
		uint32		number;

		if (!cedar_image_find(image, id, len, &number) ||
			(gone[i - 1] != NULL && (gone[i - 1][number / 32] >> number % 32 & 1) != 0))
			continue;
		cedar_image_policy(image, number, &policy);
		return policy.piece;
	}
	return NULL;
}

static int
policy_compare(const void *a, const void *b)
{
	const CedarPolicy *x = a;
	const CedarPolicy *y = b;

	return id_compare(x->id, x->id_len, y->id, y->id_len);
}

/*
 * Add the links of the set, or those with these ids.  They share their
 * template's piece; those of a disabled one are disabled.
 */
static void
load_links(Load *load, const List *ids, const AuthzBelow *below, uint32 *const *gone,
		   PolicyList *list)
{
	uint32		n_policies = list->n;
	ListCell   *lc = list_head(ids);

	do
	{
		const AuthzPolicyLink *links;
		uint32		n;

		links = lc == NULL ?
			authz_policy_links_read(load->kept, load->snapshot, load->set, &n) :
			authz_policy_links_named(load->kept, load->snapshot, load->set, lfirst(lc), &n);
		for (uint32 i = 0; i < n; i++)
		{
			const AuthzPolicyLink *link = &links[i];
			CedarPolicy policy = {
				.id = link->id,
				.id_len = strlen(link->id),
				.principal = link->principal,
				.resource = link->resource
			};

			if (!link->enabled)
				continue;
			policy.piece = find_piece(list, n_policies, below, gone, link->template_id);
			if (policy.piece == NULL &&
				authz_store_find(RelationGetRelid(load->policies), authz_relations()->policies_pkey,
								 load->snapshot, load->set, link->template_id, 0, NULL))
				continue;			/* it is disabled */
			if (policy.piece == NULL || !cedar_piece_is_template(policy.piece) ||
				!cedar_policy_is_linked(&policy))
			{
				load->misfit = true;
				if (load->ahead)
					return;
				ereport(ERROR,
						(errcode(ERRCODE_DATA_CORRUPTED),
						 errmsg("link \"%s\" does not fit a template \"%s\"",
								link->id, link->template_id),
						 errdetail("Policy set \"%s\".", load->set),
						 errhint("A restore or a replica has still to bring it, or triggers were disabled.")));
			}
			list_add(list, &policy);
		}
	} while (lc != NULL && (lc = lnext(ids, lc)) != NULL);
	if (list->n > n_policies && n_policies > 0)
		qsort(list->at, list->n, sizeof(CedarPolicy), policy_compare);
}

/* ------------------------------------------------------------- the changes */

static int
string_compare(const ListCell *a, const ListCell *b)
{
	return strcmp(lfirst(a), lfirst(b));
}

/*
 * The ids that changed from one version to another, ascending, each once.
 * False when the chain between them is not whole, or they are more than max.
 */
static bool
changes_read(Load *load, AuthzVersionRow from, AuthzVersionRow to, int max, List **ids)
{
	AuthzRelations rels = *authz_relations();
	Relation	changes;
	Relation	index;
	SysScanDesc scan;
	ScanKeyData key[2];
	HeapTuple	tuple;
	AuthzVersionRow at = from;
	List	   *all = NIL;
	ListCell   *lc;
	bool		whole = true;

	*ids = NIL;
	if (to.version <= from.version)
		return false;
	changes = table_open(rels.policy_changes, AccessShareLock);
	index = index_open(rels.policy_changes_key, AccessShareLock);
	ScanKeyInit(&key[0], Anum_policy_changes_policy_set, BTEqualStrategyNumber,
				F_TEXTEQ, CStringGetTextDatum(load->set));
	ScanKeyInit(&key[1], Anum_policy_changes_version, BTGreaterStrategyNumber,
				F_INT8GT, Int64GetDatum(from.version));
	scan = systable_beginscan_ordered(changes, index, load->snapshot, 2, key);
	while (whole && at.version < to.version &&
		   HeapTupleIsValid(tuple = systable_getnext_ordered(scan, ForwardScanDirection)))
	{
		TupleDesc	desc = RelationGetDescr(changes);
		bool		isnull;
		Datum	   *elems;
		int			n;
		int64		version = DatumGetInt64(heap_getattr(tuple, Anum_policy_changes_version,
														 desc, &isnull));
		TransactionId former = DatumGetTransactionId(heap_getattr(tuple, Anum_policy_changes_former,
																  desc, &isnull));

		whole = version == at.version + 1 && former == at.xmin;
		at.version = version;
		at.xmin = HeapTupleHeaderGetRawXmin(tuple->t_data);
		deconstruct_array(DatumGetArrayTypeP(heap_getattr(tuple, Anum_policy_changes_policy_ids,
														  desc, &isnull)),
						  TEXTOID, -1, false, TYPALIGN_INT, &elems, NULL, &n);
		for (int i = 0; i < n; i++)
			all = lappend(all, TextDatumGetCString(elems[i]));
		whole = whole && list_length(all) <= max;
	}
	systable_endscan_ordered(scan);
	index_close(index, AccessShareLock);
	table_close(changes, AccessShareLock);
	if (!whole || at.version != to.version || at.xmin != to.xmin)
		return false;

	list_sort(all, string_compare);
	foreach(lc, all)
	{
		if (*ids == NIL || strcmp(llast(*ids), lfirst(lc)) != 0)
			*ids = lappend(*ids, lfirst(lc));
	}
	return true;
}

/* -------------------------------------------------------------- the layers */

static uint32
layer_policies(const CedarImage *image, const uint32 *gone)
{
	uint32		n = cedar_image_count(image);

	return gone == NULL ? n :
		n - (uint32) pg_popcount((const char *) gone, (int) AUTHZ_GONE_BYTES(n));
}

uint32
authz_layers_policies(const CedarLayer *layers, uint32 n_layers)
{
	uint32		n = 0;

	for (uint32 i = 0; i < n_layers; i++)
		n += layer_policies(layers[i].image, layers[i].gone);
	return n;
}

/* The bitmaps of a layer and the policies with these ids; NULL when empty. */
static uint32 *
layer_gone(const CedarLayer *layer, const List *ids)
{
	Size		size = AUTHZ_GONE_BYTES(cedar_image_count(layer->image));
	uint32	   *gone = NULL;
	ListCell   *lc;

	if (layer->gone != NULL)
		gone = memcpy(palloc(size), layer->gone, size);
	foreach(lc, ids)
	{
		const char *id = lfirst(lc);
		uint32		number;

		if (!cedar_image_find(layer->image, id, strlen(id), &number))
			continue;
		if (gone == NULL)
			gone = palloc0(size);
		gone[number / 32] |= UINT32_C(1) << number % 32;
	}
	return gone;
}

/* The list and what a layer has, by id. */
static void
list_merge(PolicyList *list, const CedarImage *image, const uint32 *gone)
{
	PolicyList	merged = {0};
	uint32		n = cedar_image_count(image);
	uint32		k = 0;

	merged.capacity = Max(1, list->n + layer_policies(image, gone));
	merged.at = MemoryContextAllocHuge(CurrentMemoryContext,
									   merged.capacity * sizeof(CedarPolicy));
	for (uint32 i = 0; i < n; i++)
	{
		CedarPolicy policy;

		if (i % 1024 == 0)
			CHECK_FOR_INTERRUPTS();
		if (gone != NULL && (gone[i / 32] >> i % 32 & 1) != 0)
			continue;
		cedar_image_policy(image, i, &policy);
		while (k < list->n && id_compare(list->at[k].id, list->at[k].id_len,
										 policy.id, policy.id_len) < 0)
			list_add(&merged, &list->at[k++]);
		list_add(&merged, &policy);
	}
	while (k < list->n)
		list_add(&merged, &list->at[k++]);
	if (list->at != NULL)
		pfree(list->at);
	*list = merged;
}

/* Does the new layer, of so many policies until now, take in layer i as well? */
static bool
layer_is_taken(const CedarImage *image, uint32 i, uint32 above)
{
	uint32		n = cedar_image_count(image);

	return n <= SMALL_LAYER || n <= LAYER_FACTOR * (uint64) above ||
		i + 1 >= AUTHZ_MAX_LAYERS;
}

/* The changes since the version below as a layer; false when all must be read. */
static bool
load_changes(Load *load, AuthzVersionRow row, const AuthzBelow *below,
			 AuthzNewLayers *result, PolicyList *list)
{
	List	   *ids;
	uint32		kept = below->n_layers;
	uint32		sparse = kept;	/* the lowest layer that is mostly gone */

	if (below->n_layers == 0 ||
		!changes_read(load, below->row, row,
					  authz_layers_policies(below->layers, below->n_layers) / 2 + SMALL_LAYER,
					  &ids))
		return false;
	for (uint32 i = 0; i < below->n_layers; i++)
	{
		const CedarImage *image = below->layers[i].image;

		result->gone[i] = layer_gone(&below->layers[i], ids);
		if (sparse == below->n_layers &&
			layer_policies(image, result->gone[i]) < cedar_image_count(image) / 2)
			sparse = i;
	}
	if (ids != NIL)
	{
		load_rows(load, ids, list);
		load_links(load, ids, below, result->gone, list);
		if (load->misfit)
			return false;
	}
	while (kept > sparse ||
		   (kept > 0 && layer_is_taken(below->layers[kept - 1].image, kept - 1, list->n)))
	{
		kept--;
		list_merge(list, below->layers[kept].image, result->gone[kept]);
	}
	result->kept = kept;
	return true;
}

bool
authz_policy_load(Relation policies, Snapshot snapshot, const char *set, AuthzVersionRow row,
				  const AuthzBelow *below, bool ahead, AuthzNewLayers *result)
{
	Load		load = {
		.set = set,
		.policies = policies,
		.snapshot = snapshot,
		.work = authz_arena_create(CurrentMemoryContext),
		.kept = authz_arena_create(CurrentMemoryContext),
		.ahead = ahead
	};
	PolicyList	list = {0};
	CedarError	err;

	memset(result, 0, sizeof(*result));
	if (!load_changes(&load, row, below, result, &list))
	{
		if (ahead)
			return false;
		load_rows(&load, NIL, &list);
		load_links(&load, NIL, NULL, NULL, &list);
	}
	if (list.n == 0 && result->kept > 0)
		return true;
	if (cedar_image_plan(load.kept, list.at, list.n, &result->plan, &result->size,
						 &err) != CEDAR_OK)
		authz_raise(&err, AUTHZ_TEXT_UID, NULL, 0, NULL,
					psprintf("Policy set \"%s\".", set));
	return true;
}
