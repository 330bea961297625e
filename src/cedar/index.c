/*-------------------------------------------------------------------------
 *
 * index.c
 *	  The scope index: which policies can apply to a request.
 *
 * Policies are grouped by the actions that their scopes name (group 0 holds
 * those that name none), and within a group filed under one key: the uid or
 * the type that the principal's or the resource's scope asks for, whichever
 * of the two fewer policies ask for.  A policy whose scope says nothing of
 * the kind stands in the group's list of those that are always looked at; so
 * do all policies of a small group, where looking is cheaper than finding.
 *
 * Beside each number stands a uid that the other side's scope asks for, so that
 * most policies which cannot apply are passed over without a look at them.
 *
 * Keys are hashes and are not compared further: a policy that was found has
 * its scope tested all the same, so a collision costs time and nothing else.
 *
 * The block refers to everything by its offset from the start of the block.
 *
 *-------------------------------------------------------------------------
 */
#include "index.h"

/* Groups up to this size have no table. */
#define SMALL_GROUP 4

typedef enum KeyKind
{
	KEY_NONE = 0,
	KEY_PRINCIPAL_EQ = 1,
	KEY_PRINCIPAL_IN = 2,
	KEY_PRINCIPAL_IS = 3,
	KEY_RESOURCE_EQ = 4,
	KEY_RESOURCE_IN = 5,
	KEY_RESOURCE_IS = 6
} KeyKind;

/* CedarFiled[n], ascending by policy. */
typedef struct List
{
	uint32_t	n;
	uint32_t	filed;			/* offset */
} List;

typedef struct Bucket
{
	uint32_t	hash;			/* of kind and key */
	List		list;			/* n is 0 in an empty bucket */
} Bucket;

typedef struct Group
{
	uint32_t	hash;			/* of the action's uid; group 0: of none */
	uint32_t	kinds;			/* bits of the KeyKinds that occur */
	List		always;
	uint32_t	cap;			/* of the table: a power of two, or 0 */
	uint32_t	buckets;		/* offset */
} Group;

struct CedarIndex
{
	uint32_t	magic;
	uint32_t	format;
	uint64_t	checksum;		/* of everything behind it */
	uint32_t	size;			/* of the whole block */
	uint32_t	n_policies;
	uint32_t	n_groups;		/* at least 1; from 1 on ascending by hash */
	uint32_t	groups;			/* offset */
	uint32_t	flags;			/* ACTIONS_* */
	uint32_t	unused;
};

#define ACTIONS_IN		1		/* a policy says `action in` */
#define ACTIONS_SEVERAL	2		/* a policy names several actions */

#define INDEX_MAGIC		0x31584443	/* "CDX1", little-endian */
#define INDEX_FORMAT	4

CEDAR_STATIC_ASSERT(sizeof(Bucket) == 12 && sizeof(Group) == 24 &&
					sizeof(CedarFiled) == 8 && sizeof(struct CedarIndex) == 40, "the index has no padding");

CEDAR_STATIC_ASSERT(offsetof(struct CedarIndex, checksum) == CEDAR_CHECKSUM_AT,
					"the checksum is where cedar_block_checksum expects it");

/* Hashes are spread well already; the kinds have to be kept apart. */
static inline uint32_t
key_hash(KeyKind kind, uint32_t hash)
{
	return hash + (uint32_t) kind * UINT32_C(0x9E3779B9);
}

/* --------------------------------------------------------------- building */

/* One policy filed under one key in one group. */
typedef struct Entry
{
	uint32_t	named;			/* 0: for any action, sorts first */
	uint32_t	group;			/* hash of the named action */
	uint32_t	filed;			/* has a key; those without sort first */
	uint32_t	key;			/* hash of kind and key */
	uint32_t	kind;
	uint32_t	policy;
} Entry;

static int
entry_compare(const void *a, const void *b)
{
	const Entry *x = a;
	const Entry *y = b;

	if (x->named != y->named)
		return x->named < y->named ? -1 : 1;
	if (x->group != y->group)
		return x->group < y->group ? -1 : 1;
	if (x->filed != y->filed)
		return x->filed < y->filed ? -1 : 1;
	if (x->key != y->key)
		return x->key < y->key ? -1 : 1;
	return x->policy < y->policy ? -1 : x->policy > y->policy;
}

/* How many policies ask for a key: counts by hash, collisions added up. */
typedef struct Counts
{
	uint32_t	mask;
	uint32_t   *count;
} Counts;

/* The key that one side of the scope offers. */
static KeyKind
side_key(const CedarPolicy *policy, CedarVar side, uint32_t *hash)
{
	const CedarPiece *piece = policy->piece;
	const CedarScope *s = &piece->scope[side];
	bool		principal = side == CEDAR_VAR_PRINCIPAL;
	const CedarStr *type;

	*hash = 0;
	switch ((CedarScopeOp) s->op)
	{
		case CEDAR_SCOPE_ANY:
			return KEY_NONE;
		case CEDAR_SCOPE_EQ:
			*hash = cedar_scope_uid(policy, side, 0)->hash;
			return principal ? KEY_PRINCIPAL_EQ : KEY_RESOURCE_EQ;
		case CEDAR_SCOPE_IN:
		case CEDAR_SCOPE_IS_IN:
			*hash = cedar_scope_uid(policy, side, 0)->hash;
			return principal ? KEY_PRINCIPAL_IN : KEY_RESOURCE_IN;
		case CEDAR_SCOPE_IS:
			type = (const CedarStr *) ((const char *) piece + s->type);
			*hash = type->hash;
			return principal ? KEY_PRINCIPAL_IS : KEY_RESOURCE_IS;
	}
	return KEY_NONE;
}

static inline bool
is_type_key(KeyKind kind)
{
	return kind == KEY_PRINCIPAL_IS || kind == KEY_RESOURCE_IS;
}

static inline bool
is_eq_key(KeyKind kind)
{
	return kind == KEY_PRINCIPAL_EQ || kind == KEY_RESOURCE_EQ;
}

/* Policies under one key that are looked at rather than to go through ancestors. */
#define FEW_UNDER_KEY 16

/*
 * Uids before types; a uid that must be equal, which is one look-up, before one
 * that may be any ancestor, as long as few policies ask for it; else the rarer.
 */
static KeyKind
best_key(const CedarPolicy *policy, const Counts *counts, uint32_t *hash)
{
	uint32_t	p_hash,
				r_hash;
	KeyKind		p = side_key(policy, CEDAR_VAR_PRINCIPAL, &p_hash);
	KeyKind		r = side_key(policy, CEDAR_VAR_RESOURCE, &r_hash);
	uint32_t	p_count = counts->count[key_hash(p, p_hash) & counts->mask];
	uint32_t	r_count = counts->count[key_hash(r, r_hash) & counts->mask];
	bool		take_r;

	if (p == KEY_NONE || r == KEY_NONE)
		take_r = p == KEY_NONE;
	else if (is_type_key(p) != is_type_key(r))
		take_r = is_type_key(p);
	else if (is_eq_key(p) != is_eq_key(r) && (is_eq_key(p) ? p_count : r_count) <= FEW_UNDER_KEY)
		take_r = is_eq_key(r);
	else
		take_r = r_count < p_count;
	*hash = take_r ? r_hash : p_hash;
	return take_r ? r : p;
}

static CedarCode
count_keys(CedarArena *arena, const CedarPolicy *policies, uint32_t n,
		   Counts *counts, size_t *n_entries, uint32_t *flags, CedarError *err)
{
	uint32_t	cap = 64;

	while (cap < n && cap < UINT32_C(1) << 30)
		cap *= 2;
	counts->mask = cap - 1;
	counts->count = cedar_arena_zalloc(arena, cap * sizeof(uint32_t));
	if (counts->count == NULL)
		return cedar_nomem(err);
	for (uint32_t i = 0; i < n; i++)
	{
		const CedarPiece *piece = policies[i].piece;
		const CedarScope *action = &piece->scope[CEDAR_VAR_ACTION];

		if (i % 1024 == 0)
			cedar_arena_check_interrupt(arena);
		if (!cedar_policy_is_linked(&policies[i]))
			continue;
		for (CedarVar side = CEDAR_VAR_PRINCIPAL; side <= CEDAR_VAR_RESOURCE; side++)
		{
			uint32_t	hash;
			KeyKind		kind;

			if (side == CEDAR_VAR_ACTION)
				continue;
			kind = side_key(&policies[i], side, &hash);
			if (kind != KEY_NONE)
				counts->count[key_hash(kind, hash) & counts->mask]++;
		}
		*n_entries += action->op == CEDAR_SCOPE_ANY ? 1 : action->n;
		if (action->op == CEDAR_SCOPE_IN)
			*flags |= action->n > 1 ? ACTIONS_IN | ACTIONS_SEVERAL : ACTIONS_IN;
	}
	return CEDAR_OK;
}

static uint32_t
table_size(uint32_t keys)
{
	uint32_t	cap = 4;

	while (cap < 2 * keys)
		cap *= 2;
	return cap;
}

/* Entries [from, to) are of one group: how many have no key, how many keys. */
static void
group_shape(const Entry *entries, size_t from, size_t to, uint32_t *always, uint32_t *keys)
{
	*always = 0;
	*keys = 0;
	if (to - from <= SMALL_GROUP)
	{
		*always = (uint32_t) (to - from);
		return;
	}
	for (size_t i = from; i < to; i++)
	{
		if (!entries[i].filed)
			(*always)++;
		else if (i == from || !entries[i - 1].filed || entries[i - 1].key != entries[i].key)
			(*keys)++;
	}
}

static size_t
group_end(const Entry *entries, size_t n, size_t from)
{
	size_t		to = from;

	while (to < n && entries[to].named == entries[from].named &&
		   entries[to].group == entries[from].group)
		to++;
	return to;
}

/* A scope may name an action twice. */
static size_t
drop_duplicates(Entry *entries, size_t n)
{
	size_t		kept = 0;

	for (size_t i = 0; i < n; i++)
		if (kept == 0 || entry_compare(&entries[kept - 1], &entries[i]) != 0)
			entries[kept++] = entries[i];
	return kept;
}

int
cedar_number_compare(const void *a, const void *b)
{
	uint32_t	x = *(const uint32_t *) a;
	uint32_t	y = *(const uint32_t *) b;

	return x < y ? -1 : x > y;
}

/* What can be said of the policy besides the key of this kind. */
static uint32_t
what_also(const CedarPolicy *policy, KeyKind kind)
{
	bool		resource = kind >= KEY_PRINCIPAL_EQ && kind <= KEY_PRINCIPAL_IS;
	uint32_t	hash;
	KeyKind		other = side_key(policy, resource ? CEDAR_VAR_RESOURCE : CEDAR_VAR_PRINCIPAL, &hash);

	if (other == KEY_NONE || is_type_key(other))
		return 0;
	return hash << CEDAR_ALSO_SHIFT | (resource ? CEDAR_ALSO_RESOURCE : 0) |
		(is_eq_key(other) ? CEDAR_ALSO_EQ : 0);
}

/* Write one group's lists and table; *used is where free space begins. */
static void
write_group(const CedarArena *arena, const CedarPolicy *policies, char *block, Group *group,
			const Entry *entries, size_t from, size_t to, uint32_t *used)
{
	uint32_t	n_always,
				keys;
	CedarFiled *always = (CedarFiled *) (block + *used);
	Bucket	   *buckets;
	size_t		i = from;

	group_shape(entries, from, to, &n_always, &keys);
	group->hash = entries[from].group;
	group->always.n = n_always;
	group->always.filed = *used;
	*used += n_always * (uint32_t) sizeof(CedarFiled);
	for (; i < from + n_always; i++)
		always[i - from] = (CedarFiled) {
			entries[i].policy, what_also(&policies[entries[i].policy], KEY_NONE)
		};
	cedar_sort(arena, always, n_always, sizeof(CedarFiled), cedar_number_compare);
	if (keys == 0)
		return;

	group->cap = table_size(keys);
	group->buckets = *used;
	buckets = (Bucket *) (block + *used);
	*used += group->cap * (uint32_t) sizeof(Bucket);
	while (i < to)
	{
		uint32_t	h = entries[i].key & (group->cap - 1);
		Bucket	   *b;

		while (buckets[h].list.n != 0)
			h = (h + 1) & (group->cap - 1);
		b = &buckets[h];
		b->hash = entries[i].key;
		b->list.filed = *used;
		do
		{
			*(CedarFiled *) (block + *used) = (CedarFiled) {
				entries[i].policy,
				what_also(&policies[entries[i].policy], (KeyKind) entries[i].kind)
			};
			*used += (uint32_t) sizeof(CedarFiled);
			b->list.n++;

			/* keys of two kinds may have one hash */
			group->kinds |= UINT32_C(1) << entries[i].kind;
		} while (++i < to && entries[i].key == b->hash);
	}
}

CedarCode
cedar_index_build(CedarArena *arena, const CedarPolicy *policies, uint32_t n,
				  const CedarIndex **index, size_t *size, CedarError *err)
{
	Counts		counts;
	Entry	   *entries;
	size_t		n_entries = 0,
				filled = 0;
	uint64_t	total = sizeof(CedarIndex) + sizeof(Group);
	uint32_t	used;
	uint32_t	flags = 0;
	char	   *block;
	CedarIndex *head;
	Group	   *groups;
	bool		any_group;

	TRY(count_keys(arena, policies, n, &counts, &n_entries, &flags, err));
	if (n_entries > UINT32_MAX / 64)
		return cedar_fail(err, CEDAR_ERR_LIMIT, "too many policies for an index");
	entries = cedar_arena_alloc(arena, n_entries * sizeof(Entry));
	if (entries == NULL)
		return cedar_nomem(err);
	for (uint32_t i = 0; i < n; i++)
	{
		const CedarPiece *piece = policies[i].piece;
		const CedarScope *action = &piece->scope[CEDAR_VAR_ACTION];
		Entry		e = {0, 0, 0, 0, 0, i};
		uint32_t	hash;

		if (i % 1024 == 0)
			cedar_arena_check_interrupt(arena);
		if (!cedar_policy_is_linked(&policies[i]))
			continue;
		e.kind = best_key(&policies[i], &counts, &hash);
		e.filed = e.kind != KEY_NONE;
		e.key = e.filed ? key_hash((KeyKind) e.kind, hash) : 0;
		if (action->op == CEDAR_SCOPE_ANY)
			entries[filled++] = e;
		for (uint32_t k = 0; action->op != CEDAR_SCOPE_ANY && k < action->n; k++)
		{
			e.named = 1;
			e.group = cedar_scope_uid(&policies[i], CEDAR_VAR_ACTION, k)->hash;
			entries[filled++] = e;
		}
	}
	cedar_sort(arena, entries, (uint32_t) filled, sizeof(Entry), entry_compare);
	filled = drop_duplicates(entries, filled);

	/* measure, then write: the block has no slack */
	any_group = filled > 0 && !entries[0].named;
	for (size_t from = 0, to; from < filled; from = to)
	{
		uint32_t	always,
					keys;

		to = group_end(entries, filled, from);
		group_shape(entries, from, to, &always, &keys);
		total += (to - from) * sizeof(CedarFiled);
		if (keys > 0)
			total += table_size(keys) * (uint64_t) sizeof(Bucket);
		if (from > 0 || !any_group)
			total += sizeof(Group);
	}
	total = (total + 7) & ~(uint64_t) 7;
	if (total > UINT32_MAX / 2)
		return cedar_fail(err, CEDAR_ERR_LIMIT, "too many policies for an index");
	block = cedar_arena_zalloc(arena, (size_t) total);
	if (block == NULL)
		return cedar_nomem(err);

	head = (CedarIndex *) block;
	head->magic = INDEX_MAGIC;
	head->format = INDEX_FORMAT;
	head->size = (uint32_t) total;
	head->n_policies = n;
	head->groups = sizeof(CedarIndex);
	head->flags = flags;
	head->n_groups = 1;
	for (size_t from = 0, to; from < filled; from = to)
	{
		to = group_end(entries, filled, from);
		if (from > 0 || !any_group)
			head->n_groups++;
	}
	groups = (Group *) (block + head->groups);
	used = head->groups + head->n_groups * (uint32_t) sizeof(Group);
	groups[0].always.filed = used;
	for (size_t from = 0, to, g = any_group ? 0 : 1; from < filled; from = to, g++)
	{
		to = group_end(entries, filled, from);
		write_group(arena, policies, block, &groups[g], entries, from, to, &used);
	}
	head->checksum = cedar_block_checksum(block, (size_t) total);
	*index = head;
	*size = (size_t) total;
	return CEDAR_OK;
}

/* --------------------------------------------------------------- checking */

static bool
range_ok(const CedarIndex *x, uint32_t offset, uint64_t size)
{
	return offset % 4 == 0 && offset <= x->size && size <= x->size - offset;
}

typedef struct Checker
{
	const CedarArena *arena;	/* for its host's checks */
	uint64_t	budget;			/* bytes left to look at */
	uint64_t	next_check;		/* of interrupts: when the budget is here */
} Checker;

/* Parts may overlap: no more is read than the block has bytes. */
static bool
spend(Checker *c, uint64_t bytes)
{
	if (bytes > c->budget)
		return false;
	c->budget -= bytes;
	if (c->budget <= c->next_check)
	{
		c->next_check = c->budget > CEDAR_BYTES_PER_CHECK ? c->budget - CEDAR_BYTES_PER_CHECK : 0;
		cedar_arena_check_interrupt(c->arena);
	}
	return true;
}

static bool
list_ok(Checker *c, const CedarIndex *x, const List *list)
{
	const CedarFiled *filed = (const CedarFiled *) ((const char *) x + list->filed);
	uint64_t	size = list->n * (uint64_t) sizeof(CedarFiled);

	if (!range_ok(x, list->filed, size) || !spend(c, size))
		return false;
	for (uint32_t i = 0; i < list->n; i++)
		if (filed[i].policy >= x->n_policies ||
			(i > 0 && filed[i].policy <= filed[i - 1].policy))
			return false;
	return true;
}

static bool
group_ok(Checker *c, const CedarIndex *x, const Group *group)
{
	const Bucket *buckets = (const Bucket *) ((const char *) x + group->buckets);
	uint32_t	empty = 0;

	if (!spend(c, sizeof(Group)) || !list_ok(c, x, &group->always))
		return false;
	if (group->cap == 0)
		return true;
	if ((group->cap & (group->cap - 1)) != 0 ||
		!range_ok(x, group->buckets, group->cap * (uint64_t) sizeof(Bucket)) ||
		!spend(c, group->cap * (uint64_t) sizeof(Bucket)))
		return false;
	for (uint32_t i = 0; i < group->cap; i++)
	{
		if (buckets[i].list.n == 0)
			empty++;
		else if (!list_ok(c, x, &buckets[i].list))
			return false;
	}

	/* without a hole a look-up would not end */
	return empty > 0;
}

CedarCode
cedar_index_verify(const CedarArena *arena, const void *block, size_t size, uint32_t n,
				   CedarError *err)
{
	const CedarIndex *x = block;
	const Group *groups;
	Checker		c = {arena, size, size};

	if ((uintptr_t) block % 8 != 0 || size < sizeof(*x) || x->magic != INDEX_MAGIC)
		return cedar_fail(err, CEDAR_ERR_IMAGE, "not a scope index");
	if (x->format != INDEX_FORMAT)
		return cedar_fail(err, CEDAR_ERR_IMAGE,
						  "scope index has format %u, this library reads %d",
						  (unsigned) x->format, INDEX_FORMAT);
	if (x->size != size || x->checksum != cedar_block_checksum(block, size))
		return cedar_fail(err, CEDAR_ERR_IMAGE, "scope index has a wrong checksum");
	if (x->n_policies != n || x->n_groups < 1 || x->flags > (ACTIONS_IN | ACTIONS_SEVERAL) || x->unused != 0 ||
		!range_ok(x, x->groups, x->n_groups * (uint64_t) sizeof(Group)))
		return cedar_fail(err, CEDAR_ERR_IMAGE, "scope index has a damaged header");
	groups = (const Group *) ((const char *) x + x->groups);
	for (uint32_t i = 0; i < x->n_groups; i++)
		if ((i > 1 && groups[i].hash <= groups[i - 1].hash) ||
			!group_ok(&c, x, &groups[i]))
			return cedar_fail(err, CEDAR_ERR_IMAGE, "scope index has a damaged group");
	return CEDAR_OK;
}

/* -------------------------------------------------------------- searching */

typedef struct Search
{
	CedarEval  *eval;
	const CedarIndex *index;
	CedarCandidates *found;
	uint32_t	actions;		/* whose groups were taken */
	CedarKeptSearch *kept;		/* being filled, in this arena; or NULL */
	CedarArena *arena;
} Search;

static CEDAR_COLD CedarCode
found_grow(CedarEval *e, CedarCandidates *found)
{
	void	   *lists = found->lists;

	if (!cedar_grow(e->arena, &lists, &found->cap, found->n + 1, sizeof(CedarFiledList)))
		return cedar_nomem(e->err);
	found->lists = lists;
	return CEDAR_OK;
}

static inline CedarCode
found_add(CedarEval *e, CedarCandidates *found, CedarFiledList list)
{
	if (list.n == 0)
		return CEDAR_OK;
	if (CEDAR_UNLIKELY(found->n == found->cap))
		TRY(found_grow(e, found));
	found->lists[found->n++] = list;
	return CEDAR_OK;
}

static inline CedarCode
take_list(Search *s, const List *list)
{
	const CedarFiled *at = (const CedarFiled *) ((const char *) s->index + list->filed);

	return found_add(s->eval, s->found, (CedarFiledList) {at, list->n});
}

static inline CedarCode
take_key(Search *s, const Group *group, KeyKind kind, uint32_t hash)
{
	const Bucket *buckets = (const Bucket *) ((const char *) s->index + group->buckets);
	uint32_t	key = key_hash(kind, hash);
	uint32_t	h = key & (group->cap - 1);

	for (; buckets[h].list.n != 0; h = (h + 1) & (group->cap - 1))
		if (buckets[h].hash == key)
			return take_list(s, &buckets[h].list);
	return CEDAR_OK;
}

/* Look-ups whose memory is fetched together. */
#define AHEAD 32

/* What is filed under any of a set; the look-ups do not wait for each other. */
static CedarCode
take_set(Search *s, const Group *group, KeyKind kind, const CedarUidSet *set)
{
	const Bucket *buckets = (const Bucket *) ((const char *) s->index + group->buckets);
	uint32_t	cap = set == NULL ? 0 : set->cap;

	for (uint32_t i = 0; i < cap;)
	{
		const CedarUid *uids[AHEAD];
		uint32_t	n = 0;

		cedar_arena_check_interrupt(s->eval->arena);
		for (; i < cap && n < AHEAD; i++)
			if (set->slots[i] != NULL)
			{
				uids[n++] = set->slots[i];
				CEDAR_PREFETCH(set->slots[i]);
			}
		for (uint32_t k = 0; k < n; k++)
			CEDAR_PREFETCH(&buckets[key_hash(kind, uids[k]->hash) & (group->cap - 1)]);
		for (uint32_t k = 0; k < n; k++)
			TRY(take_key(s, group, kind, uids[k]->hash));
	}
	return CEDAR_OK;
}

/* What the entity's ancestors are filed under, itself included. */
static CedarCode
take_ancestors(Search *s, const Group *group, KeyKind kind, CedarVar var)
{
	const CedarUidSet *ancestors;

	TRY(take_key(s, group, kind, s->eval->asked[var].uid->hash));
	TRY(cedar_eval_ancestors(s->eval, var, &ancestors));
	return take_set(s, group, kind, ancestors);
}

static CedarCode
take_by_principal(Search *s, const Group *group)
{
	const CedarRequest *request = s->eval->request;
	uint32_t	kinds = group->kinds;

	if (kinds & (1 << KEY_PRINCIPAL_EQ))
		TRY(take_key(s, group, KEY_PRINCIPAL_EQ, request->principal->hash));
	if (kinds & (1 << KEY_PRINCIPAL_IN))
		TRY(take_ancestors(s, group, KEY_PRINCIPAL_IN, CEDAR_VAR_PRINCIPAL));
	if (kinds & (1 << KEY_PRINCIPAL_IS))
		TRY(take_key(s, group, KEY_PRINCIPAL_IS, request->principal->type_hash));
	return CEDAR_OK;
}

/* What is filed under the resource itself, but for `in`; and under its type. */
static CedarCode
take_resource(Search *s, const Group *group)
{
	const CedarUid *resource = s->eval->request->resource;
	uint32_t	kinds = group->kinds;

	if (kinds & (1 << KEY_RESOURCE_EQ))
		TRY(take_key(s, group, KEY_RESOURCE_EQ, resource->hash));
	if (kinds & (1 << KEY_RESOURCE_IS))
		TRY(take_key(s, group, KEY_RESOURCE_IS, resource->type_hash));
	return CEDAR_OK;
}

static CedarCode
take_by_resource(Search *s, const Group *group)
{
	if (group->cap == 0)
		return CEDAR_OK;
	if (group->kinds & (1 << KEY_RESOURCE_IN))
		TRY(take_ancestors(s, group, KEY_RESOURCE_IN, CEDAR_VAR_RESOURCE));
	return take_resource(s, group);
}

static CedarCode
keep_group(Search *s, const Group *group)
{
	CedarKeptSearch *kept = s->kept;
	void	   *groups = kept->groups;

	if (!cedar_grow(s->arena, &groups, &kept->cap, kept->n_groups + 1, sizeof(void *)))
		return cedar_nomem(s->eval->err);
	kept->groups = groups;
	kept->groups[kept->n_groups++] = group;
	return CEDAR_OK;
}

/*
 * What is filed in a group under no key and by both, or by the principal alone
 * where the group is kept.
 */
static inline CedarCode
take_group(Search *s, const Group *group)
{
	TRY(take_list(s, &group->always));
	if (group->cap != 0)
		TRY(take_by_principal(s, group));
	if (s->kept != NULL)
		return keep_group(s, group);
	return group->cap == 0 ? CEDAR_OK : take_by_resource(s, group);
}

/* What is filed for an action, or NULL. */
static const Group *
action_group(const CedarIndex *index, uint32_t hash)
{
	const Group *groups = (const Group *) ((const char *) index + index->groups);
	uint32_t	lo = 1;
	uint32_t	hi = index->n_groups;

	while (lo < hi)
	{
		uint32_t	mid = lo + (hi - lo) / 2;

		if (groups[mid].hash == hash)
			return &groups[mid];
		if (groups[mid].hash < hash)
			lo = mid + 1;
		else
			hi = mid;
	}
	return NULL;
}

static CedarCode
take_action(Search *s, uint32_t hash)
{
	const Group *group = action_group(s->index, hash);

	if (group == NULL)
		return CEDAR_OK;
	s->actions++;
	return take_group(s, group);
}

CedarCode
cedar_index_asks_principal(CedarEval *e, const CedarIndex *index, bool *asks)
{
	const Group *group = action_group(index, e->request->action->hash);
	uint32_t	kinds = ((const Group *) ((const char *) index + index->groups))->kinds;
	const CedarUidSet *ancestors = NULL;

	if (group != NULL)
		kinds |= group->kinds;
	if (index->flags & ACTIONS_IN)
		TRY(cedar_eval_ancestors(e, CEDAR_VAR_ACTION, &ancestors));
	for (uint32_t i = 0; ancestors != NULL && i < ancestors->cap; i++)
	{
		if (i % 64 == 63)
			cedar_arena_check_interrupt(e->arena);
		group = ancestors->slots[i] == NULL ? NULL : action_group(index, ancestors->slots[i]->hash);
		if (group != NULL)
			kinds |= group->kinds;
	}
	*asks = (kinds & (1 << KEY_PRINCIPAL_IN)) != 0;
	return CEDAR_OK;
}

static CedarCode
found_count(CedarEval *e, const CedarCandidates *found, uint32_t *n)
{
	uint64_t	sum = 0;

	for (uint32_t i = 0; i < found->n; i++)
		sum += found->lists[i].n;
	*n = (uint32_t) sum;
	return sum <= UINT32_MAX / 4 ? CEDAR_OK :
		cedar_fail(e->err, CEDAR_ERR_LIMIT, "too many candidate policies");
}

/* Make one list of all, each policy once. */
static CedarCode
merge(CedarEval *e, CedarCandidates *found)
{
	uint32_t	n;
	uint32_t	kept = 0;
	CedarFiled *merged;

	TRY(found_count(e, found, &n));
	merged = cedar_arena_alloc(e->arena, (size_t) n * sizeof(CedarFiled));
	if (merged == NULL)
		return cedar_nomem(e->err);
	n = 0;
	for (uint32_t i = 0; i < found->n; i++)
	{
		memcpy(merged + n, found->lists[i].at, found->lists[i].n * sizeof(CedarFiled));
		n += found->lists[i].n;
	}
	cedar_sort(e->arena, merged, (uint32_t) n, sizeof(CedarFiled), cedar_number_compare);
	for (uint32_t i = 0; i < n; i++)
		if (i == 0 || merged[i].policy != merged[i - 1].policy)
			merged[kept++] = merged[i];
	found->lists[0] = (CedarFiledList) {merged, kept};
	found->n = 1;
	return CEDAR_OK;
}

static void
found_begin(CedarCandidates *found)
{
	found->n = 0;
	found->cap = sizeof(found->few) / sizeof(found->few[0]);
	found->lists = found->few;
}

/* Take from the groups of the action; *overlap says that a policy may be in two. */
static CedarCode
take_groups(Search *s, bool *overlap)
{
	CedarEval  *e = s->eval;
	const CedarIndex *index = s->index;

	found_begin(s->found);
	TRY(take_group(s, (const Group *) ((const char *) index + index->groups)));
	TRY(take_action(s, e->request->action->hash));
	if (index->flags & ACTIONS_IN)
	{
		const CedarUidSet *ancestors;

		TRY(cedar_eval_ancestors(e, CEDAR_VAR_ACTION, &ancestors));
		for (uint32_t i = 0; ancestors != NULL && i < ancestors->cap; i++)
		{
			if (i % 64 == 63)
				cedar_arena_check_interrupt(e->arena);
			if (ancestors->slots[i] != NULL)
				TRY(take_action(s, ancestors->slots[i]->hash));
		}
	}

	/* A policy is filed once a group, but may be in several. */
	*overlap = s->actions > 1 && (index->flags & ACTIONS_SEVERAL);
	return CEDAR_OK;
}

CedarCode
cedar_index_search(CedarEval *e, const CedarIndex *index, CedarCandidates *found)
{
	Search		s = {.eval = e,.index = index,.found = found};
	bool		overlap;

	TRY(take_groups(&s, &overlap));
	return overlap ? merge(e, found) : CEDAR_OK;
}

static inline uint32_t
also_bucket(const CedarKeptSearch *kept, uint32_t also)
{
	return (also >> CEDAR_ALSO_SHIFT) & (kept->n_buckets - 1);
}

/* Room for n entries in the buckets, which are empty. */
static CedarCode
some_create(CedarEval *e, CedarArena *arena, CedarKeptSearch *kept, uint32_t n)
{
	uint32_t	n_buckets = 0;

	if (n > 0)
		for (n_buckets = 8; n_buckets < n;)
			n_buckets *= 2;
	kept->some = cedar_arena_alloc(arena, n * sizeof(CedarFiled));
	kept->bucket_ends = cedar_arena_zalloc(arena, n_buckets * sizeof(uint32_t));
	if (kept->some == NULL || kept->bucket_ends == NULL)
		return cedar_nomem(e->err);
	kept->n_some = n;
	kept->n_buckets = n_buckets;
	return CEDAR_OK;
}

/*
 * Keep what was found by the principal, but what cannot apply to it: what is
 * for any resource in a list, the rest in buckets.
 */
static CedarCode
keep_by_principal(CedarEval *e, CedarArena *arena, const CedarCandidates *found,
				  CedarKeptSearch *kept)
{
	uint32_t	n;
	uint32_t	n_some = 0;
	uint32_t	sum = 0;
	CedarFiled *any;

	TRY(found_count(e, found, &n));
	for (uint32_t i = 0; i < found->n; i++)
		for (uint32_t k = 0; k < found->lists[i].n; k++)
			n_some += (found->lists[i].at[k].also & CEDAR_ALSO_RESOURCE) != 0;
	TRY(some_create(e, arena, kept, n_some));
	any = cedar_arena_alloc(arena, (n - n_some) * sizeof(CedarFiled));
	if (any == NULL)
		return cedar_nomem(e->err);
	kept->any = (CedarFiledList) {any, 0};
	for (uint32_t i = 0; i < found->n; i++)
		for (uint32_t k = 0; k < found->lists[i].n; k++)
		{
			CedarFiled	filed = found->lists[i].at[k];
			bool		may_apply;

			if (k % 1024 == 0)
				cedar_arena_check_interrupt(e->arena);
			if (filed.also & CEDAR_ALSO_RESOURCE)
			{
				kept->bucket_ends[also_bucket(kept, filed.also)]++;
				kept->asks_above |= !(filed.also & CEDAR_ALSO_EQ);
				continue;
			}
			TRY(cedar_filed_may_apply(e, filed.also, &may_apply));
			if (may_apply)
				any[kept->any.n++] = (CedarFiled) {filed.policy, 0};
		}
	cedar_sort(e->arena, any, kept->any.n, sizeof(CedarFiled), cedar_number_compare);

	/* Where each bucket begins; filling it moves that to its end. */
	for (uint32_t b = 0; b < kept->n_buckets; b++)
	{
		uint32_t	count = kept->bucket_ends[b];

		kept->bucket_ends[b] = sum;
		sum += count;
	}
	for (uint32_t i = 0; i < found->n; i++)
		for (uint32_t k = 0; k < found->lists[i].n; k++)
		{
			CedarFiled	filed = found->lists[i].at[k];

			if (filed.also & CEDAR_ALSO_RESOURCE)
				kept->some[kept->bucket_ends[also_bucket(kept, filed.also)]++] = filed;
		}
	return CEDAR_OK;
}

/* Fill the part of what is kept that does not depend on the resource. */
static CedarCode
keep_search(CedarEval *e, const CedarIndex *index, CedarArena *arena, CedarKeptSearch *kept,
			CedarCandidates *found)
{
	Search		s = {.eval = e,.index = index,.found = found,.kept = kept,.arena = arena};

	kept->n_groups = 0;
	kept->asks_above = false;
	TRY(take_groups(&s, &kept->whole));
	for (uint32_t i = 0; i < kept->n_groups; i++)
		kept->asks_above |= (((const Group *) kept->groups[i])->kinds & (1 << KEY_RESOURCE_IN)) != 0;
	if (!kept->whole)
		TRY(keep_by_principal(e, arena, found, kept));
	kept->index = index;
	return CEDAR_OK;
}

static inline bool
set_has_also(const CedarUidSet *set, uint32_t also)
{
	if (set == NULL || set->n == 0)
		return false;
	for (uint32_t h = also >> CEDAR_ALSO_SHIFT;; h++)
	{
		const CedarUid *u = set->slots[h & (set->cap - 1)];

		if (u == NULL || cedar_also_is(also, u))
			return u != NULL;
	}
}

/* Does an entry of the buckets ask for one of the set? */
static inline bool
some_is_above(uint32_t also, const CedarUidSet *set)
{
	return !(also & CEDAR_ALSO_EQ) && set_has_also(set, also);
}

/* What may apply because of the set, for whatever is in exactly it. */
static CedarCode
keep_above(Search *s, CedarArena *arena, CedarKeptSearch *kept, CedarKeptAbove *above)
{
	CedarEval  *e = s->eval;
	CedarCandidates *found = s->found;
	uint32_t	n;
	CedarFiled *list;

	found_begin(found);
	for (uint32_t i = 0; i < kept->n_groups; i++)
	{
		const Group *group = kept->groups[i];

		if (group->kinds & (1 << KEY_RESOURCE_IN))
			TRY(take_set(s, group, KEY_RESOURCE_IN, above->set));
	}
	TRY(found_count(e, found, &n));
	for (uint32_t i = 0; i < kept->n_some; i++)
		n += some_is_above(kept->some[i].also, above->set);
	list = cedar_arena_alloc(arena, (size_t) n * sizeof(CedarFiled));
	if (list == NULL)
		return cedar_nomem(e->err);
	n = 0;
	for (uint32_t i = 0; i < kept->n_some; i++)
		if (some_is_above(kept->some[i].also, above->set))
			list[n++] = (CedarFiled) {kept->some[i].policy, 0};
	for (uint32_t i = 0; i < found->n; i++)
		for (uint32_t k = 0; k < found->lists[i].n; k++)
		{
			CedarFiled	filed = found->lists[i].at[k];
			bool		may_apply;

			if (k % 1024 == 0)
				cedar_arena_check_interrupt(e->arena);
			TRY(cedar_filed_may_apply(e, filed.also, &may_apply));
			if (may_apply)
				list[n++] = (CedarFiled) {filed.policy, 0};
		}
	cedar_sort(e->arena, list, n, sizeof(CedarFiled), cedar_number_compare);
	above->list = list;
	above->n = n;
	return CEDAR_OK;
}

static CedarKeptAbove *
above_place(CedarKeptAbove *table, uint32_t cap, const CedarUidSet *set)
{
	uint64_t	hash = (uint64_t) (uintptr_t) set * UINT64_C(0x9E3779B97F4A7C15);

	for (uint32_t h = (uint32_t) (hash >> 32);; h++)
	{
		CedarKeptAbove *at = &table[h & (cap - 1)];

		if (at->set == set || at->set == NULL)
			return at;
	}
}

static CedarCode
above_grow(CedarEval *e, CedarArena *arena, CedarKeptSearch *kept)
{
	uint32_t	cap = kept->above_cap == 0 ? 64 : kept->above_cap * 2;
	CedarKeptAbove *table = cedar_arena_zalloc(arena, cap * sizeof(CedarKeptAbove));

	if (table == NULL)
		return cedar_nomem(e->err);
	for (uint32_t i = 0; i < kept->above_cap; i++)
		if (kept->above[i].set != NULL)
			*above_place(table, cap, kept->above[i].set) = kept->above[i];
	kept->above = table;
	kept->above_cap = cap;
	return CEDAR_OK;
}

/* What is kept of the set; NULL: nothing is yet, go through it. */
static CedarCode
find_above(Search *s, CedarArena *arena, CedarKeptSearch *kept, const CedarUidSet *set,
		   const CedarKeptAbove **result)
{
	CedarKeptAbove *above;

	*result = NULL;
	if (kept->n_above * 2 >= kept->above_cap && kept->n_above < CEDAR_KEPT_SETS)
		TRY(above_grow(s->eval, arena, kept));
	above = above_place(kept->above, kept->above_cap, set);
	if (above->set == NULL)
	{
		if (kept->n_above < CEDAR_KEPT_SETS)
		{
			above->set = set;
			kept->n_above++;
		}
		return CEDAR_OK;
	}
	if (above->list == NULL)
		TRY(keep_above(s, arena, kept, above));
	*result = above;
	return CEDAR_OK;
}

/* Entries of the buckets that were picked, in the eval's arena. */
typedef struct Picked
{
	CedarFiled *at;
	uint32_t	n;
	uint32_t	cap;
} Picked;

static CedarCode
picked_add(CedarEval *e, Picked *picked, uint32_t policy)
{
	void	   *at = picked->at;

	if (!cedar_grow(e->arena, &at, &picked->cap, picked->n + 1, sizeof(CedarFiled)))
		return cedar_nomem(e->err);
	picked->at = at;
	picked->at[picked->n++] = (CedarFiled) {policy, 0};
	return CEDAR_OK;
}

/* A uid's bucket, from *begin to before *end. */
static inline void
uid_bucket(const CedarKeptSearch *kept, const CedarUid *uid, uint32_t *begin, uint32_t *end)
{
	uint32_t	b = uid->hash & (kept->n_buckets - 1);

	*begin = b == 0 ? 0 : kept->bucket_ends[b - 1];
	*end = kept->bucket_ends[b];
}

/* Those that ask for the resource itself, and for none that is above it. */
static CedarCode
pick_itself(CedarEval *e, const CedarKeptSearch *kept, const CedarUidSet *above, Picked *picked)
{
	const CedarUid *resource = e->request->resource;
	uint32_t	i;
	uint32_t	end;

	for (uid_bucket(kept, resource, &i, &end); i < end; i++)
		if (cedar_also_is(kept->some[i].also, resource) &&
			!some_is_above(kept->some[i].also, above))
			TRY(picked_add(e, picked, kept->some[i].policy));
	return CEDAR_OK;
}

/* Those that ask for one of the set. */
static CedarCode
pick_above(CedarEval *e, const CedarKeptSearch *kept, const CedarUidSet *set, Picked *picked)
{
	if (set->cap > kept->n_some)
	{
		for (uint32_t i = 0; i < kept->n_some; i++)
			if (some_is_above(kept->some[i].also, set))
				TRY(picked_add(e, picked, kept->some[i].policy));
		return CEDAR_OK;
	}
	for (uint32_t k = 0; k < set->cap; k++)
	{
		const CedarUid *uid = set->slots[k];
		uint32_t	i;
		uint32_t	end;

		if (k % 1024 == 1023)
			cedar_arena_check_interrupt(e->arena);
		if (uid == NULL)
			continue;
		for (uid_bucket(kept, uid, &i, &end); i < end; i++)
			if (!(kept->some[i].also & CEDAR_ALSO_EQ) && cedar_also_is(kept->some[i].also, uid))
				TRY(picked_add(e, picked, kept->some[i].policy));
	}
	return CEDAR_OK;
}

/*
 * Of what goes by the resource, what may apply to it: by itself, and, unless
 * there is a list of that, by what it is in.
 */
static CedarCode
add_some(CedarEval *e, const CedarKeptSearch *kept, const CedarUidSet *set, bool listed,
		 CedarCandidates *found)
{
	Picked		picked = {0};
	uint32_t	n = 0;

	if (kept->n_some == 0)
		return CEDAR_OK;
	TRY(pick_itself(e, kept, set, &picked));
	if (!listed && set != NULL && set->n > 0)
		TRY(pick_above(e, kept, set, &picked));
	if (picked.n > 1)
	{
		/* Once each: hashes of two uids may agree. */
		cedar_sort(e->arena, picked.at, picked.n, sizeof(CedarFiled), cedar_number_compare);
		for (uint32_t i = 0; i < picked.n; i++)
			if (i == 0 || picked.at[i].policy != picked.at[n - 1].policy)
				picked.at[n++] = picked.at[i];
		picked.n = n;
	}
	return found_add(e, found, (CedarFiledList) {picked.at, picked.n});
}

CedarCode
cedar_index_search_kept(CedarEval *e, const CedarIndex *index, CedarArena *arena,
						CedarKeptSearch *kept, CedarCandidates *found)
{
	Search		s = {.eval = e,.index = index,.found = found};
	const CedarUidSet *set = NULL;
	const CedarKeptAbove *above = NULL;

	if (kept->index == NULL)
		TRY(keep_search(e, index, arena, kept, found));
	if (kept->whole || kept->index != index)
		return cedar_index_search(e, index, found);
	if (kept->asks_above)
		TRY(cedar_eval_ancestors(e, CEDAR_VAR_RESOURCE, &set));
	if (set != NULL && set->n > 0 && !kept->sets_go)
		TRY(find_above(&s, arena, kept, set, &above));

	found_begin(found);
	TRY(found_add(e, found, kept->any));
	TRY(add_some(e, kept, set, above != NULL, found));
	if (set != NULL && set->n > 0 && above == NULL)
	{
		for (uint32_t i = 0; i < kept->n_groups; i++)
			TRY(take_by_resource(&s, kept->groups[i]));
		return CEDAR_OK;
	}
	if (above != NULL)
		TRY(found_add(e, found, (CedarFiledList) {above->list, above->n}));
	for (uint32_t i = 0; i < kept->n_groups; i++)
	{
		const Group *group = kept->groups[i];

		if (group->cap == 0)
			continue;
		if (group->kinds & (1 << KEY_RESOURCE_IN))
			TRY(take_key(&s, group, KEY_RESOURCE_IN, e->request->resource->hash));
		TRY(take_resource(&s, group));
	}
	return CEDAR_OK;
}
