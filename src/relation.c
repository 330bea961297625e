/*-------------------------------------------------------------------------
 *
 * relation.c
 *	  Where the extension's tables and indexes are, and how triggers write to
 *	  them.
 *
 * The OIDs are found by name once and kept until a relcache invalidation of
 * one of them (or of everything) says that they may have changed: DROP
 * EXTENSION and CREATE EXTENSION in one backend, or the rollback of either.
 * The callback does nothing but clear a flag.  It is registered once a
 * backend; such slots are few.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"
#include "compat.h"

#include "catalog/namespace.h"
#include "catalog/pg_class.h"
#include "commands/trigger.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/guc.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"

#include "relation.h"

static AuthzRelations relations;
static bool relations_valid = false;

static void
relation_invalidated(Datum arg, Oid relid)
{
	if (!relations_valid)
		return;
	if (relid == InvalidOid ||
		relid == relations.policies ||
		relid == relations.policies_pkey ||
		relid == relations.policy_links ||
		relid == relations.policy_links_pkey ||
		relid == relations.policy_links_template ||
		relid == relations.schema ||
		relid == relations.schema_pkey ||
		relid == relations.policy_tests ||
		relid == relations.policy_versions ||
		relid == relations.policy_versions_pkey ||
		relid == relations.policy_changes ||
		relid == relations.policy_changes_key ||
		relid == relations.entities ||
		relid == relations.entities_pkey ||
		relid == relations.entity_mappings ||
		relid == relations.sessions ||
		relid == relations.sessions_pkey ||
		relid == relations.users ||
		relid == relations.users_pkey ||
		relid == relations.session_changes ||
		relid == relations.user_stats ||
		relid == relations.user_stats_pkey ||
		relid == relations.audit_logs ||
		relid == relations.gateway_roles ||
		relid == relations.gateway_roles_pkey ||
		relid == relations.signing_keys ||
		relid == relations.signing_keys_pkey ||
		relid == relations.signing_keys_active_key ||
		relid == relations.trusted_issuers ||
		relid == relations.trusted_issuers_pkey ||
		relid == relations.issuer_subjects ||
		relid == relations.issuer_subjects_pkey)
		relations_valid = false;
}

void
authz_relation_init(void)
{
	CacheRegisterRelcacheCallback(relation_invalidated, (Datum) 0);
}

static Oid
relation_find(Oid schema, const char *name)
{
	Oid			relid = get_relname_relid(name, schema);

	if (!OidIsValid(relid))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_TABLE),
				 errmsg("relation \"%s.%s\" does not exist", AUTHZ_SCHEMA, name),
				 errhint("Create the extension authz in this database.")));
	return relid;
}

const AuthzRelations *
authz_relations(void)
{
	AuthzRelations found;
	Oid			schema;

	if (relations_valid)
		return &relations;

	/* The look-ups may process invalidations: take a copy, then publish. */
	schema = get_namespace_oid(AUTHZ_SCHEMA, true);
	if (!OidIsValid(schema))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_SCHEMA),
				 errmsg("schema \"%s\" does not exist", AUTHZ_SCHEMA),
				 errhint("Create the extension authz in this database.")));
	found.policies = relation_find(schema, "policies");
	found.policies_pkey = relation_find(schema, "policies_pkey");
	found.policy_links = relation_find(schema, "policy_links");
	found.policy_links_pkey = relation_find(schema, "policy_links_pkey");
	found.policy_links_template = relation_find(schema, "policy_links_template");
	found.schema = relation_find(schema, "schema");
	found.schema_pkey = relation_find(schema, "schema_pkey");
	found.policy_tests = relation_find(schema, "policy_tests");
	found.policy_versions = relation_find(schema, "policy_versions");
	found.policy_versions_pkey = relation_find(schema, "policy_versions_pkey");
	found.policy_changes = relation_find(schema, "policy_changes");
	found.policy_changes_key = relation_find(schema, "policy_changes_key");
	found.policy_proxy = relation_find(schema, "policy_proxy");
	found.entities = relation_find(schema, "entities");
	found.entities_pkey = relation_find(schema, "entities_pkey");
	found.entity_mappings = relation_find(schema, "entity_mappings");
	found.gateway_roles = relation_find(schema, "gateway_roles");
	found.gateway_roles_pkey = relation_find(schema, "gateway_roles_pkey");
	found.sessions = relation_find(schema, "sessions");
	found.sessions_pkey = relation_find(schema, "sessions_pkey");
	found.users = relation_find(schema, "users");
	found.users_pkey = relation_find(schema, "users_pkey");
	found.session_changes = relation_find(schema, "session_changes");
	found.user_stats = relation_find(schema, "user_stats");
	found.user_stats_pkey = relation_find(schema, "user_stats_pkey");
	found.audit_logs = relation_find(schema, "audit_logs");
	found.signing_keys = relation_find(schema, "signing_keys");
	found.signing_keys_pkey = relation_find(schema, "signing_keys_pkey");
	found.signing_keys_active_key = relation_find(schema, "signing_keys_active_key");
	found.trusted_issuers = relation_find(schema, "trusted_issuers");
	found.trusted_issuers_pkey = relation_find(schema, "trusted_issuers_pkey");
	found.issuer_subjects = relation_find(schema, "issuer_subjects");
	found.issuer_subjects_pkey = relation_find(schema, "issuer_subjects_pkey");
	relations = found;
	relations_valid = true;
	return &relations;
}

bool
authz_is_restoring(Oid relid)
{
	return !check_function_bodies && !InLocalUserIdChange() &&
		authz_owns_relation(relid, GetUserId());
}

void
authz_check_trigger(FunctionCallInfo fcinfo, Oid relid, const char *function)
{
	TriggerData *trigdata = (TriggerData *) fcinfo->context;

	if (!CALLED_AS_TRIGGER(fcinfo))
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("function \"%s\" was not called by trigger manager",
						function)));
	if (RelationGetRelid(trigdata->tg_relation) != relid)
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("function \"%s\" belongs to another table", function)));
}

void
authz_execute_as_owner_of(Relation rel, SPIPlanPtr *plan, const char *command,
						  int nargs, Oid *types, Datum *values, const char *nulls)
{
	SPIPlanPtr	prepared = plan != NULL ? *plan : NULL;
	Oid			user;
	int			context;
	int			rc;

	GetUserIdAndSecContext(&user, &context);
	SetUserIdAndSecContext(rel->rd_rel->relowner, context | SECURITY_LOCAL_USERID_CHANGE);
	SPI_connect();
	if (prepared == NULL)
	{
		prepared = SPI_prepare(command, nargs, types);
		if (prepared == NULL)
			elog(ERROR, "SPI_prepare: %s", SPI_result_code_string(SPI_result));
		if (plan != NULL)
		{
			if (SPI_keepplan(prepared) != 0)
				elog(ERROR, "SPI_keepplan failed");
			*plan = prepared;
		}
	}
	rc = SPI_execute_plan(prepared, values, nulls, false, 0);
	if (rc < 0)
		elog(ERROR, "SPI_execute_plan: %s", SPI_result_code_string(rc));
	SPI_finish();
	SetUserIdAndSecContext(user, context);
}
