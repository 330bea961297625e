/*-------------------------------------------------------------------------
 *
 * partial.h
 *	  Partial evaluation: what is left of policies when parts of a request are
 *	  not known yet.
 *
 * A residual keeps Cedar's meaning, errors included: put the unknown values
 * in, and it is satisfied, not satisfied or fails exactly as its policy would
 * be.  It is an expression as the parser makes them (internal.h), over the
 * variables that are unknown; what is known of the request and of the entities
 * has become literals.  Of an unknown principal, action or resource nothing
 * but the type is known: its attributes, tags and ancestors stay in the residual.
 *
 * An expression that is sure to fail is cedar_residual_fails().
 *
 *-------------------------------------------------------------------------
 */
#ifndef CEDAR_PARTIAL_H
#define CEDAR_PARTIAL_H

#include "internal.h"

/* What is unknown; all of it zeroed is nothing. */
typedef struct CedarUnknown
{
	bool		is[3];			/* by CedarVar: principal, action, resource */
	const CedarStr *type[3];	/* its entity type; NULL: that is unknown, too */
	bool		context;		/* any member of it, present or not */
	uint32_t	n_members;		/* these members of it, present or not */
	const CedarStr *const *members;
} CedarUnknown;

typedef enum CedarResidualState
{
	CEDAR_RESIDUAL_TRUE = 0,	/* satisfied, whatever the unknown is */
	CEDAR_RESIDUAL_ERROR,		/* fails, whatever the unknown is */
	CEDAR_RESIDUAL_OPEN			/* expr tells */
} CedarResidualState;

/* A policy that can still be satisfied or fail; in the arena. */
typedef struct CedarResidual
{
	uint32_t	policy;			/* its number */
	bool		forbid;
	CedarResidualState state;
	const CedarExpr *expr;		/* NULL unless open */
} CedarResidual;

typedef enum CedarPartialDecision
{
	CEDAR_PARTIAL_DENY = 0,
	CEDAR_PARTIAL_ALLOW,
	CEDAR_PARTIAL_OPEN
} CedarPartialDecision;

typedef struct CedarPartial
{
	CedarPartialDecision decision;	/* open: it depends on the unknown */
	uint32_t	n;
	const CedarResidual *residuals; /* ascending by policy; those that are
									 * not satisfied for sure are left out */
} CedarPartial;

/*
 * Evaluate policies as far as the request is known.  Of what is unknown the
 * request's uid is not looked at and may be NULL.  Codes as of cedar_decide.
 * Residuals refer to the policies' pieces.
 */
extern CedarCode cedar_partial(CedarArena *arena, const CedarPolicies *policies,
							   const CedarEntitySource *source,
							   const CedarRequest *request,
							   const CedarUnknown *unknown,
							   CedarPartial *partial, CedarError *err);

/* Is the expression one that fails, whatever the unknown is? */
extern bool cedar_residual_fails(const CedarExpr *expr);

/*
 * The residual as a policy of its own, of the same effect and with nothing in
 * its scope.
 */
extern CedarCode cedar_residual_policy(CedarArena *arena, const CedarResidual *residual,
									   CedarAstPolicy *policy, CedarError *err);

/* The same, compiled. */
extern CedarCode cedar_residual_compile(CedarArena *arena, const CedarResidual *residual,
										const CedarPiece **piece, size_t *size,
										CedarError *err);

/*
 * All of it as JSON: {"decision": "allow", "deny" or null, "satisfied", "errored":
 * ids, "residuals": {id: policy}}, a policy in the reference's form.  What is
 * unknown is a variable in it.
 */
extern CedarCode cedar_partial_to_json(CedarArena *arena, const CedarPartial *partial,
									   const CedarPolicies *policies,
									   const char **json, size_t *len, CedarError *err);

#endif							/* CEDAR_PARTIAL_H */
