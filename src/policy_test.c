/*-------------------------------------------------------------------------
 *
 * policy_test.c
 *	  Tests of policy sets that have to hold at COMMIT.
 *
 * With authz.enforce_policy_tests, a transaction that changes a policy set, or
 * its tests, does not commit (or prepare) while one of them is broken.  The
 * tests run when nothing of the transaction's can run any more, after all
 * deferred triggers, so nothing is changed behind them; they cannot write.
 * Sets noted in a subtransaction that was rolled back are tested all the same.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"
#include "compat.h"

#include "access/xact.h"
#include "catalog/pg_collation.h"
#include "catalog/pg_type.h"
#include "commands/trigger.h"
#include "fmgr.h"
#include "nodes/value.h"
#include "parser/parse_func.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

#include "policy_store.h"
#include "policy_test.h"
#include "relation.h"

bool		authz_enforce_policy_tests = false;

static List *noted = NIL;		/* char *, in TopTransactionContext */

PG_FUNCTION_INFO_V1(authz_policy_tests_after_row);

void
authz_policy_test_note(const char *set)
{
	MemoryContext old;
	ListCell   *lc;

	/* Also when nothing is enforced: it may be before the transaction ends. */
	foreach(lc, noted)
	{
		if (strcmp(lfirst(lc), set) == 0)
			return;
	}
	old = MemoryContextSwitchTo(TopTransactionContext);
	noted = lappend(noted, pstrdup(set));
	MemoryContextSwitchTo(old);
}

Datum
authz_policy_tests_after_row(PG_FUNCTION_ARGS)
{
	TriggerData *trigdata = (TriggerData *) fcinfo->context;
	char	   *set;

	authz_check_trigger(fcinfo, authz_relations()->policy_tests, "policy_tests_after_row");
	set = authz_policy_column(authz_store_new_tuple(trigdata),
							  RelationGetDescr(trigdata->tg_relation),
							  Anum_policy_tests_policy_set);
	authz_policy_test_note(set);
	return PointerGetDatum(NULL);
}

/* Before the transaction commits: refuse that when tests are broken. */
static void
tests_enforce(void)
{
	Oid			argtypes[1] = {TEXTOID};
	bool		read_only = XactReadOnly;
	Oid			function;
	ListCell   *lc;

	if (noted == NIL || !authz_enforce_policy_tests || !authz_store_is_checked())
		return;
	function = LookupFuncName(list_make2(makeString(AUTHZ_SCHEMA),
										 makeString("policy_test_broken")),
							  1, argtypes, true);
	if (!OidIsValid(function))
		return;					/* the extension is gone */

	PushActiveSnapshot(GetTransactionSnapshot());
	XactReadOnly = true;
	foreach(lc, noted)
	{
		const char *set = lfirst(lc);
		char	   *broken;

		broken = TextDatumGetCString(OidFunctionCall1Coll(function, DEFAULT_COLLATION_OID,
														  CStringGetTextDatum(set)));
		if (*broken != '\0')
			ereport(ERROR,
					(errcode(ERRCODE_INTEGRITY_CONSTRAINT_VIOLATION),
					 errmsg("tests of policy set \"%s\" are broken", set),
					 errdetail_internal("%s", broken),
					 errhint("Change the policies or the tests in the same transaction; authz.policy_test shows all of them.")));
	}
	XactReadOnly = read_only;
	PopActiveSnapshot();
}

static void
test_xact_callback(XactEvent event, void *arg)
{
	switch (event)
	{
		case XACT_EVENT_PRE_COMMIT:
		case XACT_EVENT_PRE_PREPARE:
			tests_enforce();
			break;
		case XACT_EVENT_COMMIT:
		case XACT_EVENT_ABORT:
		case XACT_EVENT_PREPARE:
			noted = NIL;		/* the memory goes with the transaction */
			break;
		default:
			break;
	}
}

void
authz_policy_test_init(void)
{
	RegisterXactCallback(test_xact_callback, NULL);
}
