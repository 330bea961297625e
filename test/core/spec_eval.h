/*-------------------------------------------------------------------------
 *
 * spec_eval.h
 *	  Cedar's evaluation and authorization as an executable specification: a
 *	  plain walk over the AST, written to be read.
 *
 * It shares the parser, the reading of JSON and the extension functions with
 * the library, and nothing else: no compiled form, no index, no hashes, no
 * order of set elements.  It is slow, on purpose.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CEDAR_TEST_SPEC_EVAL_H
#define CEDAR_TEST_SPEC_EVAL_H

#include "cedar.h"

typedef struct SpecDecision
{
	bool		allow;
	uint32_t	n_reasons;
	uint32_t   *reasons;		/* ascending */
	uint32_t	n_errors;
	uint32_t   *errors;			/* policies, ascending */
	CedarCode  *codes;			/* of each of the errors */
} SpecDecision;

/*
 * Decide the request by the policies of the AST.  Everything is allocated in
 * the arena.  Any code but CEDAR_OK leaves no decision.
 */
extern CedarCode spec_authorize(CedarArena *arena, const CedarAst *ast,
								const CedarEntitySource *source,
								const CedarRequest *request,
								SpecDecision *decision, CedarError *err);

/*
 * Is this the same decision?  policies[i] of the library is policy i of the
 * AST.  The first difference is written to why.
 */
extern bool spec_agrees(const SpecDecision *spec, const CedarDecision *decision,
						char *why, size_t size);

#endif							/* CEDAR_TEST_SPEC_EVAL_H */
