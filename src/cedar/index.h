/*-------------------------------------------------------------------------
 *
 * index.h
 *	  Searching the scope index, for the authorizer.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CEDAR_INDEX_H
#define CEDAR_INDEX_H

#include "eval.h"

/*
 * A policy as it is filed, with a condition that its scope must meet besides
 * what it is filed under: a look at it spares most looks at policies.
 */
typedef struct CedarFiled
{
	uint32_t	policy;			/* number; first, for cedar_number_compare */
	uint32_t	also;			/* CEDAR_ALSO_* and 30 bits of a uid's hash, or 0 */
} CedarFiled;

#define CEDAR_ALSO_RESOURCE	1	/* the uid is the resource's, else the principal's */
#define CEDAR_ALSO_EQ		2	/* and that itself, else it or an ancestor */
#define CEDAR_ALSO_SHIFT	2	/* where the hash begins */

/* Ascending by number. */
typedef struct CedarFiledList
{
	const CedarFiled *at;
	uint32_t	n;
} CedarFiledList;

/* Order of numbers of policies, for cedar_sort. */
extern int	cedar_number_compare(const void *a, const void *b);

/*
 * What a search finds: lists as they lie in the index, no policy in two of
 * them.  Lives on a stack and is not to be copied: lists may point to few.
 */
typedef struct CedarCandidates
{
	uint32_t	n;
	uint32_t	cap;
	CedarFiledList *lists;
	CedarFiledList few[8];
} CedarCandidates;

/*
 * Find all policies that can apply to the request; others may be among them.
 * What does not fit the struct is in the eval's arena.
 */
extern CedarCode cedar_index_search(CedarEval *e, const CedarIndex *index,
									CedarCandidates *found);

/* What is found for resources in exactly these. */
typedef struct CedarKeptAbove
{
	const CedarUidSet *set;		/* NULL: the place is free */
	CedarFiled *list;			/* NULL: not made before it is met twice */
	uint32_t	n;
} CedarKeptAbove;

/* Sets that are kept at most. */
#define CEDAR_KEPT_SETS		8192

/* What stays of a search while principal, action and policies do. */
typedef struct CedarKeptSearch
{
	const CedarIndex *index;	/* NULL: nothing is kept yet */
	bool		whole;			/* nothing can be: search anew */
	bool		asks_above;		/* for what the resource is in */
	uint32_t	n_groups;
	uint32_t	cap;
	const void **groups;		/* those of the action */
	/* filed under no key, or one of the principal: */
	CedarFiledList any;			/* whatever the resource is */
	CedarFiled *some;			/* by what it is, or is in: in buckets by the uid's hash */
	uint32_t	n_some;
	uint32_t	n_buckets;		/* a power of two, or 0 */
	uint32_t   *bucket_ends;	/* in some */
	bool		sets_go;		/* other sets will be at their addresses */
	CedarKeptAbove *above;		/* by the set's address */
	uint32_t	n_above;
	uint32_t	above_cap;		/* a power of two, or 0 */
} CedarKeptSearch;

struct CedarKept
{
	CedarArena *arena;
	CedarAsked	principal;		/* its uid is NULL at first */
	CedarAsked	action;
	uint32_t	n;				/* indexes */
	CedarKeptSearch *searches;
};

/* The same; what is kept lies in the arena, and is filled when it is not. */
extern CedarCode cedar_index_search_kept(CedarEval *e, const CedarIndex *index,
										 CedarArena *arena, CedarKeptSearch *kept,
										 CedarCandidates *found);

/*
 * Does a search ask for what the principal is in?  What the action is in is
 * asked for if the search does.
 */
extern CedarCode cedar_index_asks_principal(CedarEval *e, const CedarIndex *index, bool *asks);

/* Searches for one principal and one action, in one set of policies. */
typedef struct CedarLastingSearches
{
	uint64_t	serial;			/* of the policies */
	const CedarUid *principal;
	const CedarUid *action;
	uint32_t	n_above;		/* what the action is in */
	const CedarUid **above;
	uint32_t	n;				/* indexes */
	uint32_t	asked;			/* how often in vain since it is of these policies */
	uint32_t	filled;			/* how often it was, for whatever policies */
	CedarKeptSearch *searches;	/* NULL: not filled */
} CedarLastingSearches;

#define CEDAR_LASTING_MAX	8

/* What is kept with a set that lasts. */
typedef struct CedarLasting
{
	CedarArena *arena;
	uint32_t	n;
	CedarLastingSearches at[CEDAR_LASTING_MAX];
} CedarLasting;

static inline bool
cedar_also_is(uint32_t also, const CedarUid *uid)
{
	return uid->hash << CEDAR_ALSO_SHIFT == also >> CEDAR_ALSO_SHIFT << CEDAR_ALSO_SHIFT;
}

/* May the policy apply, by what is filed with it?  A no is sure. */
static inline CedarCode
cedar_filed_may_apply(CedarEval *e, uint32_t also, bool *result)
{
	CedarVar	var = also & CEDAR_ALSO_RESOURCE ? CEDAR_VAR_RESOURCE : CEDAR_VAR_PRINCIPAL;
	const CedarUidSet *ancestors;

	*result = also == 0 || cedar_also_is(also, e->asked[var].uid);
	if (*result || (also & CEDAR_ALSO_EQ))
		return CEDAR_OK;
	TRY(cedar_eval_ancestors(e, var, &ancestors));
	if (ancestors == NULL || ancestors->n == 0)
		return CEDAR_OK;
	for (uint32_t h = also >> CEDAR_ALSO_SHIFT;; h++)
	{
		const CedarUid *u = ancestors->slots[h & (ancestors->cap - 1)];

		if (u == NULL)
			return CEDAR_OK;
		if (cedar_also_is(also, u))
		{
			*result = true;
			return CEDAR_OK;
		}
	}
}

/* The i-th uid that a policy's scope names, or the value of its slot. */
static inline const CedarUid *
cedar_scope_uid(const CedarPolicy *policy, CedarVar side, uint32_t i)
{
	const char *block = (const char *) policy->piece;
	const CedarScope *s = &policy->piece->scope[side];
	const uint32_t *uids = (const uint32_t *) (block + s->uids);

	if (s->slot)
		return side == CEDAR_VAR_PRINCIPAL ? policy->principal : policy->resource;
	return (const CedarUid *) (block + uids[i]);
}

/* Does this part of the policy's scope match?  The policy is the one at hand. */
extern CedarCode cedar_scope_matches(CedarEval *e, const CedarPolicy *policy,
									 CedarVar side, bool *matches);

/* How many uids it names; a slot is one. */
static inline uint32_t
cedar_scope_count(const CedarScope *s)
{
	return s->slot ? 1 : s->n;
}

#endif							/* CEDAR_INDEX_H */
