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

/* A uid and what is known of its entity, which is filled at first use. */
typedef struct CedarAsked
{
	const CedarUid *uid;
	CedarEntity *entity;		/* NULL when there is none */
	const CedarUidSet *ancestors;	/* NULL for none */
	bool		found;			/* entity is filled */
	bool		climbed;		/* ancestors is filled */
} CedarAsked;

#define CEDAR_ASKED_OTHER 3

/* Lives on the stack of cedar_authorize; begins with cedar_eval_init. */
typedef struct CedarEval
{
	CedarArena *arena;
	const CedarEntitySource *source;
	const CedarRequest *request;
	CedarError *err;
	CedarCode	code;			/* of the evaluation that failed last */

	/* the policy at hand */
	const char *block;
	const CedarNode *nodes;

	/* principal, action, resource; the last one that is none of those */
	CedarAsked	asked[CEDAR_ASKED_OTHER + 1];
	CedarValue	vars[4];		/* values of the variables */

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

extern void cedar_eval_init(CedarEval *e, CedarArena *arena,
							const CedarEntitySource *source,
							const CedarRequest *request, CedarError *err);

/* Fill asked->ancestors. */
extern CedarCode cedar_eval_climb(CedarEval *e, CedarAsked *asked);

/* The ancestors of principal, action or resource, NULL when it has none. */
static inline CedarCode
cedar_eval_ancestors(CedarEval *e, CedarVar var, const CedarUidSet **ancestors)
{
	CedarAsked *asked = &e->asked[var];

	if (CEDAR_UNLIKELY(!asked->climbed))
		TRY(cedar_eval_climb(e, asked));
	*ancestors = asked->ancestors;
	return CEDAR_OK;
}

/* Is principal, action or resource the same as, or a descendant of, the other? */
static inline CedarCode
cedar_eval_in(CedarEval *e, CedarVar var, const CedarUid *other, bool *result)
{
	const CedarUidSet *ancestors;

	*result = true;
	if (cedar_uid_same(e->asked[var].uid, other))
		return CEDAR_OK;
	TRY(cedar_eval_ancestors(e, var, &ancestors));
	*result = ancestors != NULL && cedar_uidset_has(ancestors, other);
	return CEDAR_OK;
}

/*
 * Apply an operator that evaluates all of its operands (not `if`, `&&`, `||`,
 * `is`) to their values, which may be reordered.
 */
extern CedarCode cedar_eval_apply(CedarEval *e, const CedarNode *n,
								  CedarValue *args, CedarValue *out);

/* Does principal, action or resource match the scope?  Cannot fail by itself. */
extern CedarCode cedar_scope_matches(CedarEval *e, const CedarPolicy *policy,
									 CedarVar side, bool *matches);

/* Evaluate the condition of a piece, which has one, to whatever it gives. */
extern CedarCode cedar_eval_value(CedarEval *e, const CedarPiece *piece,
								  CedarValue *out);

/*
 * Does the condition of the policy at hand, which has one, hold?  False, too,
 * when its evaluation fails: e->code is then not CEDAR_OK.
 */
extern bool cedar_eval_condition(CedarEval *e, const CedarPiece *piece);

/*
 * Evaluate one node of it again, behind cedar_eval_condition.  What the node
 * takes is taken from e->steps.
 */
extern CedarCode cedar_eval_node(CedarEval *e, uint32_t node, CedarValue *result);

#endif							/* CEDAR_EVAL_H */
