/*-------------------------------------------------------------------------
 *
 * link.h
 *	  Links of templates, written as JSON.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CEDAR_LINK_H
#define CEDAR_LINK_H

#include "cedar.h"

typedef struct CedarLink
{
	const CedarStr *id;
	uint32_t	policy;			/* number of its template in the text */
	const CedarUid *principal;	/* NULL: the template has no such slot */
	const CedarUid *resource;
} CedarLink;

/*
 * Read links of the templates in a parsed text, in the reference's form:
 * [{"templateId": "policy0", "newId": …, "values": {"?principal": uid, …}}].
 * Policies of the text are policy0, policy1, …; ids of policies, templates and
 * links must all be different (CEDAR_ERR_DUPLICATE).  Each slot of a template
 * needs a value, and no other may have one (CEDAR_ERR_ENTITY).  Positions are
 * bytes in the JSON text; the links live in the arena.
 */
extern CedarCode cedar_links_from_json(CedarArena *arena, const CedarAst *ast,
									   const char *text, size_t len,
									   CedarLink **links, uint32_t *n, CedarError *err);

#endif
