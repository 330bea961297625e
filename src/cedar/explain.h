/*-------------------------------------------------------------------------
 *
 * explain.h
 *	  Why a request is decided as it is: policy by policy, what did not match
 *	  and which values were looked at.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CEDAR_EXPLAIN_H
#define CEDAR_EXPLAIN_H

#include "cedar.h"

typedef enum CedarOutcome
{
	CEDAR_SATISFIED,			/* the policy counts */
	CEDAR_UNSATISFIED,
	CEDAR_FAILED				/* its evaluation failed, it counts for nothing */
} CedarOutcome;

/* Parts of a policy, in the order in which they are looked at. */
typedef enum CedarPart
{
	CEDAR_PART_PRINCIPAL,
	CEDAR_PART_ACTION,
	CEDAR_PART_RESOURCE,
	CEDAR_PART_WHEN,
	CEDAR_PART_UNLESS,
	CEDAR_PART_NONE
} CedarPart;

/* At most so many values are told for one policy. */
#define CEDAR_MAX_SEEN 64

/* A value that an evaluation met, and the expression that gave it. */
typedef struct CedarSeen
{
	const char *name;			/* of what is in no text, or NULL */
	uint32_t	offset;			/* bytes in the policy's text */
	uint32_t	length;
	CedarValue	value;
} CedarSeen;

/*
 * What became of one policy.  part is the first that does not match, or in
 * which evaluation failed; for a satisfied policy NONE.  With has_position,
 * offset and length are the expression in the policy's text: the smallest that
 * is why its condition does not hold, or the one that failed; for a satisfied
 * policy all of its condition.  A scope part has no position here: see
 * cedar_ast_scope_range.
 *
 * missed counts what is missing for the policy to be satisfied: the parts of
 * the scope that do not match or, when all do, 1 for the condition.
 */
typedef struct CedarExplanation
{
	uint32_t	policy;			/* number */
	CedarOutcome outcome;
	CedarPart	part;
	uint32_t	missed;
	bool		has_position;
	bool		cut;			/* not all values are told */
	uint32_t	offset;
	uint32_t	length;
	uint32_t	n_seen;
	const CedarSeen *seen;
	const CedarError *error;	/* of a FAILED one, else NULL */
} CedarExplanation;

/*
 * Explain the decision of a request: one explanation for each policy that the
 * scope index names (whose scope need not match all the same), or with all for
 * each there is, templates without values excepted; in the order of their ids,
 * or of the array.  The decision follows from the outcomes as Cedar defines.
 */
extern CedarCode cedar_explain(CedarArena *arena, const CedarPolicies *policies,
							   bool all, const CedarEntitySource *source,
							   const CedarRequest *request,
							   CedarExplanation **explanations, uint32_t *n,
							   CedarError *err);

/* "principal", "action", "resource", "when", "unless", "". */
extern const char *cedar_part_name(CedarPart part);

/* Byte range of a part of policy i's scope in the text. */
extern void cedar_ast_scope_range(const CedarAst *ast, uint32_t i, CedarPart part,
								  size_t *offset, size_t *length);

/*
 * The values seen as a JSON object by expression, as they stand in the
 * policy's text; each is written as cedar_value_to_json does, of at most 100
 * elements.
 */
extern CedarCode cedar_seen_to_json(CedarArena *arena, const CedarExplanation *explanation,
									const char *text, size_t text_len,
									const char **json, size_t *len, CedarError *err);

/*
 * A value as JSON, in the form in which entities have it.  Beyond max elements
 * and members in all the rest of a set or record is a string that begins with
 * an ellipsis; strings are cut at 1,000 bytes.
 */
extern CedarCode cedar_value_to_json(CedarArena *arena, const CedarValue *value, uint32_t max,
									 const char **json, size_t *len, CedarError *err);

/* The same as an expression of the language. */
extern CedarCode cedar_value_to_text(CedarArena *arena, const CedarValue *value, uint32_t max,
									 const char **text, size_t *len, CedarError *err);

#endif							/* CEDAR_EXPLAIN_H */
