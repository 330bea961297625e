/*-------------------------------------------------------------------------
 *
 * filter.h
 *	  Conditions about all rows of an entity type, as row-level security uses
 *	  them.
 *
 *-------------------------------------------------------------------------
 */
#ifndef AUTHZ_FILTER_H
#define AUTHZ_FILTER_H

#include "policy.h"

/*
 * The condition, for rows of relid under this alias, that whoever asks when the
 * query runs may do the action (an entity_uid).  NULL when the type is not mapped
 * to a table of such columns.  *check_as is with whose rights other tables are to
 * be read, or InvalidOid: the caller's.
 */
extern char *authz_filter_for_anyone(Datum action, const char *type, Oid relid,
									 const char *alias, Oid *check_as);

/* The own condition of a type's mapping, for its table by name, or NULL. */
extern char *authz_filter_mapping_where(const char *type);

/* What is sealed of a call of protected_policy. */
extern char *authz_filter_sealed_text(const char *set, int64 version, const char *id,
									  const CedarUid *action, const char *type);

/* The policy with this id, in the version; false when there is none. */
extern bool authz_filter_find_policy(const AuthzPolicyVersion *version, text *id,
									 CedarPolicy *policy);

#endif							/* AUTHZ_FILTER_H */
