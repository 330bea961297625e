/*-------------------------------------------------------------------------
 *
 * restore.c
 *	  Rows of a dump that come ahead of those that they refer to.
 *
 * The data of an extension's tables is restored when their foreign keys are
 * there already, by jobs at once (pg_restore -j) in any order.  A statement by
 * which the owner of the tables restores rows of one with foreign keys is
 * therefore executed as on a replica, where foreign keys are not checked: the
 * dump is of a database where they held.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"
#include "compat.h"

#include "commands/trigger.h"
#include "fmgr.h"
#include "storage/proc.h"
#include "utils/guc.h"
#include "utils/rel.h"

#include "relation.h"

/* The transaction with a statement that goes without foreign keys. */
static LocalTransactionId relaxed = InvalidLocalTransactionId;

PG_FUNCTION_INFO_V1(authz_restore_before_statement);
PG_FUNCTION_INFO_V1(authz_restore_after_statement);

static const TriggerData *
trigger_data(FunctionCallInfo fcinfo, const char *function)
{
	if (!CALLED_AS_TRIGGER(fcinfo))
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("function \"%s\" was not called by trigger manager", function)));
	return (const TriggerData *) fcinfo->context;
}

static void
set_role(const char *role)
{
	set_config_option("session_replication_role", role, PGC_SUSET, PGC_S_SESSION,
					  GUC_ACTION_LOCAL, true, 0, false);
}

Datum
authz_restore_before_statement(PG_FUNCTION_ARGS)
{
	const TriggerData *trigdata = trigger_data(fcinfo, "restore_before_statement");

	if (!authz_is_restoring(RelationGetRelid(trigdata->tg_relation)))
		relaxed = InvalidLocalTransactionId;
	else if (SessionReplicationRole == SESSION_REPLICATION_ROLE_ORIGIN)
	{
		set_role("replica");
		relaxed = authz_my_lxid();
	}
	return PointerGetDatum(NULL);
}

Datum
authz_restore_after_statement(PG_FUNCTION_ARGS)
{
	trigger_data(fcinfo, "restore_after_statement");
	if (relaxed == authz_my_lxid())
	{
		set_role("origin");
		relaxed = InvalidLocalTransactionId;
	}
	return PointerGetDatum(NULL);
}
