/*-------------------------------------------------------------------------
 *
 * policy_schema.h
 *	  Schemas in force: what policies, links, entities and requests must fit.
 *
 *-------------------------------------------------------------------------
 */
#ifndef AUTHZ_POLICY_SCHEMA_H
#define AUTHZ_POLICY_SCHEMA_H

#include "lib/ilist.h"
#include "utils/jsonb.h"
#include "utils/snapshot.h"

#include "cedar/schema.h"

/* A schema's text, parsed; shared by all that use the text. */
typedef struct AuthzSchema
{
	dlist_node	node;
	int			pins;
	size_t		len;
	const char *text;
	const CedarSchema *schema;
	CedarEntities *actions;		/* its actions, as entities */
	MemoryContext cxt;			/* holds all of it, this struct too */
} AuthzSchema;

/*
 * The schema in force for a set under this snapshot, or NULL.  It lasts as
 * long as the memory context.
 */
extern const AuthzSchema *authz_schema_get(MemoryContext cxt, Snapshot snapshot,
										   const char *set);

/*
 * The same as of now, for who writes policies and so holds off other writers.
 * Valid until the next call.
 */
extern const AuthzSchema *authz_schema_now(const char *set);

/*
 * Refuse (23514) a policy or template, number 0 of the ast of its text, that
 * does not validate; the same for the values of a link of it.
 */
extern void authz_schema_check_policy(const AuthzSchema *schema, CedarArena *arena,
									  const CedarAst *ast, const char *set,
									  const char *id, const char *text);
extern void authz_schema_check_link(const AuthzSchema *schema, CedarArena *arena,
									const CedarAst *ast, const char *set, const char *id,
									const char *template_id, const CedarUid *principal,
									const CedarUid *resource);

/* Refuse (22023) a stored entity that does not fit the schemas in force. */
extern void authz_schema_check_entity(CedarArena *arena, const CedarEntity *entity);

/*
 * The GUC authz.validate_requests: a request's context is read by the schema,
 * and what does not fit it is refused (22023).
 */
extern bool authz_validate_requests;

/* Let the schema's actions, if there is one, go before those of the source. */
extern void authz_schema_overlay(const AuthzSchema *schema, CedarArena *arena,
								 CedarEntitySource *source);

#endif							/* AUTHZ_POLICY_SCHEMA_H */
