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
 * The numbers, ascending and without duplicates, of all policies that can
 * apply to the request; others may be among them.  In the eval's arena.
 */
extern CedarCode cedar_index_search(CedarEval *e, const CedarIndex *index,
									const uint32_t **numbers, uint32_t *n);

#endif							/* CEDAR_INDEX_H */
