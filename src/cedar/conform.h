/*-------------------------------------------------------------------------
 *
 * conform.h
 *	  Entities and requests that must fit a schema.
 *
 * What is refused is what the reference refuses (cedar-policy 4.13, with a
 * schema and validateRequest), but for `unknown` values, which are for partial
 * evaluation.  In JSON read by a schema, escapes may be left out where the
 * schema says what is meant: {"type", "id"} for an entity, the argument of the
 * constructor or {"fn", "arg"} for an extension value.
 *
 * Data that do not fit are CEDAR_ERR_SCHEMA, with the position in the JSON
 * text where there is one; malformed data are as in cedar.h.  What is made
 * refers to the schema, which must live as long.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CEDAR_CONFORM_H
#define CEDAR_CONFORM_H

#include "schema.h"

/*
 * Read entities as cedar_entities_from_json does.  Each must have the
 * attributes and tags that its type has, parents of the types it may be in,
 * and an id of its enumeration.  The schema's actions with their groups are
 * added; an action that is given must be the same.
 */
extern CedarCode cedar_conform_entities_from_json(CedarArena *arena,
												  const CedarSchema *schema,
												  const char *text, size_t len,
												  CedarEntities **entities,
												  CedarError *err);

/*
 * The schema's actions as entities, their ancestors known: nothing is added to
 * them when they are asked.
 */
extern CedarCode cedar_conform_actions(CedarArena *arena, const CedarSchema *schema,
									   CedarEntities **actions, CedarError *err);

/*
 * Build one entity as cedar_entity_build does; *fault may also be "uid".  An
 * action must have all its groups as parents.
 */
extern CedarCode cedar_conform_entity_build(CedarArena *arena,
											const CedarSchema *schema,
											const CedarUid *uid,
											const char *attrs, size_t attrs_len,
											const char *tags, size_t tags_len,
											const CedarUid *const *parents,
											uint32_t n_parents,
											CedarEntity **entity,
											const char **fault, CedarError *err);

/* Does an entity that is there fit?  Actions as in cedar_conform_entity_build. */
extern CedarCode cedar_conform_entity(CedarArena *arena, const CedarSchema *schema,
									  const CedarEntity *entity, CedarError *err);

/* Read the context of a request for the action. */
extern CedarCode cedar_conform_context_from_json(CedarArena *arena,
												 const CedarSchema *schema,
												 const CedarUid *action,
												 const char *text, size_t len,
												 const CedarRecord **context,
												 CedarError *err);

/*
 * Read a request as cedar_request_from_json does.  The action must be
 * declared, apply to the types of principal and resource, and have the
 * context's attributes.
 */
extern CedarCode cedar_conform_request_from_json(CedarArena *arena,
												 const CedarSchema *schema,
												 const char *text, size_t len,
												 CedarRequest *request,
												 CedarError *err);

/* Does a request that is there fit? */
extern CedarCode cedar_conform_request(CedarArena *arena, const CedarSchema *schema,
									   const CedarRequest *request, CedarError *err);

#endif							/* CEDAR_CONFORM_H */
