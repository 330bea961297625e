/*-------------------------------------------------------------------------
 *
 * policy_link.h
 *	  Links: stored templates with values for their slots.
 *
 *-------------------------------------------------------------------------
 */
#ifndef AUTHZ_POLICY_LINK_H
#define AUTHZ_POLICY_LINK_H

#include "commands/trigger.h"
#include "nodes/pg_list.h"
#include "utils/snapshot.h"

#include "cedar/cedar.h"

typedef struct AuthzPolicyLink
{
	const char *id;
	const char *template_id;
	const CedarUid *principal;	/* NULL: no value */
	const CedarUid *resource;
	bool		enabled;
} AuthzPolicyLink;

/*
 * The links of a set, in the order of their ids' bytes; all of it is in the
 * arena.  The table has to be locked before the snapshot is taken.
 */
extern const AuthzPolicyLink *authz_policy_links_read(CedarArena *arena, Snapshot snapshot,
													  const char *set, uint32 *n);

/* The one with this id, if it is there: n is 0 or 1. */
extern const AuthzPolicyLink *authz_policy_links_named(CedarArena *arena, Snapshot snapshot,
													   const char *set, const char *id,
													   uint32 *n);

/* Those of one template, in no order. */
extern const AuthzPolicyLink *authz_policy_links_of(CedarArena *arena, Snapshot snapshot,
													const char *set, const char *template_id,
													uint32 *n);

/* The ids (char *) of a template's links, as of now; NIL for what is none. */
extern List *authz_policy_link_ids(const char *set, const char *template_id);

/*
 * AFTER ROW on policies: refuse an id that a link has, and that a template
 * goes or changes that has links which do not fit any more.
 */
extern void authz_policy_link_check_policy(const TriggerData *trigdata);

/* Policies were truncated: refuse that when links remain. */
extern void authz_policy_link_check_truncate(void);

#endif							/* AUTHZ_POLICY_LINK_H */
