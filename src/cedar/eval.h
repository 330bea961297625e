/*-------------------------------------------------------------------------
 *
 * eval.h
 *	  One authorization at work: shared by the evaluator (eval.c) and the
 *	  authorizer (authorize.c).
 *
 *-------------------------------------------------------------------------
 */
#ifndef CEDAR_EVAL_H
#define CEDAR_EVAL_H

#include "internal.h"

/* Lives on the stack of cedar_authorize. */
typedef struct CedarEval
{
	CedarArena *arena;
	const CedarEntitySource *source;
	const CedarRequest *request;
	CedarError *err;

	/* the policy at hand */
	const char *block;
	const CedarNode *nodes;

	/* entities of principal, action and resource, looked up at first use */
	CedarEntity *known[3];
	bool		looked_up[3];

	uint64_t	steps;			/* left to do */
} CedarEval;

/* Nodes and elements worked on between two looks for an interrupt. */
#define CEDAR_STEPS_PER_CHECK 1024

static inline const CedarStr *
cedar_eval_str(const CedarEval *e, uint32_t offset)
{
	return (const CedarStr *) (e->block + offset);
}

static inline const uint32_t *
cedar_eval_list(const CedarEval *e, uint32_t offset)
{
	return (const uint32_t *) (e->block + offset);
}

/* Codes that end the evaluation of one policy, not the whole call. */
static inline bool
cedar_is_policy_error(CedarCode code)
{
	return code >= CEDAR_EVAL_TYPE;
}

/* The entity, or NULL when the source has none of this uid. */
extern CedarCode cedar_eval_find(CedarEval *e, const CedarUid *uid,
								 CedarEntity **entity);

/* The ancestors of an entity, NULL when it has none. */
extern CedarCode cedar_eval_ancestors(CedarEval *e, const CedarUid *uid,
									  const CedarUidSet **ancestors);

/* Is uid the same as, or a descendant of, the other? */
extern CedarCode cedar_eval_in(CedarEval *e, const CedarUid *uid,
							   const CedarUid *other, bool *result);

/* Evaluate the condition of the policy at hand, which has one. */
extern CedarCode cedar_eval_condition(CedarEval *e, const CedarPiece *piece,
									  bool *result);

#endif							/* CEDAR_EVAL_H */
