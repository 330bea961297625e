/*-------------------------------------------------------------------------
 *
 * policy_json.h
 *	  Policies and templates in the reference's JSON form.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CEDAR_POLICY_JSON_H
#define CEDAR_POLICY_JSON_H

#include "cedar.h"

/*
 * Policy or template i of a parsed text as JSON, in the arena: {"effect",
 * "principal", "action", "resource", "conditions", "annotations"}; annotations
 * are left out when there are none.  Fails for want of memory or stack alone.
 */
extern CedarCode cedar_policy_to_json(CedarArena *arena, const CedarAst *ast, uint32_t i,
									  const char **json, size_t *len, CedarError *err);

#endif
