/*-------------------------------------------------------------------------
 *
 * relation.h
 *	  Where the extension's tables and indexes are.
 *
 *-------------------------------------------------------------------------
 */
#ifndef AUTHZ_RELATION_H
#define AUTHZ_RELATION_H

#include "executor/spi.h"
#include "utils/rel.h"

#define AUTHZ_SCHEMA "authz"

typedef struct AuthzRelations
{
	Oid			policies;
	Oid			policies_pkey;
	Oid			policy_links;
	Oid			policy_links_pkey;
	Oid			policy_links_template;
	Oid			schema;
	Oid			schema_pkey;
	Oid			policy_tests;
	Oid			policy_versions;
	Oid			policy_versions_pkey;
	Oid			policy_changes;
	Oid			policy_changes_key;
	Oid			policy_proxy;
	Oid			entities;
	Oid			entities_pkey;
	Oid			entity_mappings;
	Oid			gateway_roles;
	Oid			gateway_roles_pkey;
	Oid			sessions;
	Oid			sessions_pkey;
	Oid			users;
	Oid			users_pkey;
	Oid			session_changes;
	Oid			user_stats;
	Oid			user_stats_pkey;
	Oid			audit_logs;
	Oid			signing_keys;
	Oid			signing_keys_pkey;
	Oid			signing_keys_active_key;
	Oid			trusted_issuers;
	Oid			trusted_issuers_pkey;
	Oid			issuer_subjects;
	Oid			issuer_subjects_pkey;
} AuthzRelations;

/* Columns, by number. */
#define Anum_policies_policy_set	1
#define Anum_policies_policy_id		2
#define Anum_policies_policy		3
#define Anum_policies_enabled		4
#define Anum_policies_ordinal		5
#define Anum_policies_since			6

#define Anum_policy_versions_policy_set	1
#define Anum_policy_versions_version	2
#define Anum_policy_versions_populated	3
#define Anum_policy_versions_has_links	4
#define Anum_policy_versions_has_schema	5
#define Natts_policy_versions			5

#define Anum_policy_links_policy_set	1
#define Anum_policy_links_link_id		2
#define Anum_policy_links_template_id	3
#define Anum_policy_links_principal		4
#define Anum_policy_links_resource		5
#define Anum_policy_links_enabled		6
#define Anum_policy_links_since			7

#define Anum_policy_tests_policy_set	1

#define Anum_schema_policy_set		1
#define Anum_schema_schema			2
#define Anum_schema_check_entities	3
#define Anum_schema_since			4


#define Anum_policy_changes_policy_set	1
#define Anum_policy_changes_version		2
#define Anum_policy_changes_former		3
#define Anum_policy_changes_policy_ids	4
#define Natts_policy_changes			4

#define Anum_entities_uid		1
#define Anum_entities_attrs		2
#define Anum_entities_tags		3
#define Anum_entities_parents	4

#define Anum_entity_mappings_entity_type	1
#define Anum_entity_mappings_id			3
#define Anum_entity_mappings_attrs		4
#define Anum_entity_mappings_parents	5
#define Anum_entity_mappings_tags		6
#define Anum_entity_mappings_view_name	9
#define Natts_entity_mappings			9

#define Anum_gateway_roles_role_name	1

#define Anum_sessions_id			1
#define Anum_sessions_user_id		2
#define Anum_sessions_created_at	3
#define Anum_sessions_expires_at	4
#define Anum_sessions_ended_at		7
#define Anum_sessions_access_jtis	14
#define Anum_sessions_duration		9

#define Anum_users_id		1
#define Anum_users_active	8

#define Anum_user_stats_user_id					1
#define Anum_user_stats_login_count				2
#define Anum_user_stats_last_login				3
#define Anum_user_stats_avg_session_duration	4
#define Anum_user_stats_total_session_duration	5
#define Natts_user_stats						5

#define Anum_session_changes_user_id	1
#define Anum_session_changes_created_at	2
#define Anum_session_changes_sessions	3
#define Anum_session_changes_duration	4
#define Natts_session_changes			4

#define Anum_signing_keys_kid			1
#define Anum_signing_keys_alg			2
#define Anum_signing_keys_purpose		3
#define Anum_signing_keys_state			4
#define Anum_signing_keys_public_jwk	5
#define Anum_signing_keys_private_key	6
#define Anum_signing_keys_max_lifetime	7

/* signing_keys_active_key */
#define Anum_active_key_purpose	1
#define Anum_active_key_alg		2

#define Anum_trusted_issuers_issuer		1
#define Anum_trusted_issuers_jwks		2
#define Anum_trusted_issuers_audience	3
#define Anum_trusted_issuers_principal_type	4
#define Anum_trusted_issuers_roles		5
#define Anum_trusted_issuers_enabled	6

#define Anum_issuer_subjects_issuer		1
#define Anum_issuer_subjects_subject	2
#define Anum_issuer_subjects_principal	3

/*
 * The OIDs as of now.  The result is valid until the next call; copy what has
 * to outlive it.  Raises when the extension is not there.
 */
extern const AuthzRelations *authz_relations(void);

/*
 * Does the table's owner restore a dump?  pg_dump's scripts, and every
 * connection of pg_restore, set check_function_bodies to off for that very
 * reason: what a definition refers to may not be there yet.  Anybody can set
 * it, also around a function that runs with the owner's rights: that is no
 * restore.
 */
extern bool authz_is_restoring(Oid relid);

/* Is one of the triggers' functions called by this table's trigger? */
extern void authz_check_trigger(FunctionCallInfo fcinfo, Oid relid,
								const char *function);

/*
 * Execute a command of one's own with the rights of the table's owner, as
 * foreign keys do.  The plan is kept in *plan, NULL at first, for the next
 * time; plan may be NULL.  All names in the command are qualified: it runs
 * with the caller's search_path.
 */
extern void authz_execute_as_owner_of(Relation rel, SPIPlanPtr *plan, const char *command,
									  int nargs, Oid *types, Datum *values, const char *nulls);

extern void authz_relation_init(void);

#endif							/* AUTHZ_RELATION_H */
