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

/* Numbers of policies, ascending. */
typedef struct CedarNumbers
{
	const uint32_t *at;
	uint32_t	n;
} CedarNumbers;

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
	CedarNumbers *lists;
	CedarNumbers few[8];
} CedarCandidates;

/*
 * Find all policies that can apply to the request; others may be among them.
 * What does not fit the struct is in the eval's arena.
 */
extern CedarCode cedar_index_search(CedarEval *e, const CedarIndex *index,
									CedarCandidates *found);

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

/* How many uids it names; a slot is one. */
static inline uint32_t
cedar_scope_count(const CedarScope *s)
{
	return s->slot ? 1 : s->n;
}

#endif							/* CEDAR_INDEX_H */
