/*-------------------------------------------------------------------------
 *
 * entity_plan.c
 *	  Planning and running queries on the tables that entities are mapped to.
 *
 * The planner evaluates immutable functions of constants, also those that the
 * owner of a table has written into the predicate of an index, a constraint, a
 * partition key or statistics.  A query that runs with the rights of who mapped
 * the table, often a superuser, would lend them to that code.  So it is planned
 * with the rights of the tables' owner; of several owners' tables, with those of
 * a role that may do nothing.  What it needs of rights on tables and functions is
 * looked at when it runs.
 *
 * What a view calls is called when the query runs, so a superuser's query reads
 * no views of others.  entity_map.c says so when a table is mapped; here it is
 * looked at each time that a plan is made, because a table can become a view
 * (before PostgreSQL 16) and a view change hands.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"
#include "compat.h"

#include "access/htup_details.h"
#include "catalog/pg_authid.h"
#include "catalog/pg_class.h"
#include "miscadmin.h"
#include "nodes/nodeFuncs.h"
#include "nodes/parsenodes.h"
#include "optimizer/planner.h"
#include "utils/acl.h"
#include "utils/guc.h"
#include "utils/syscache.h"

#include "entity_plan.h"

typedef struct Owners
{
	Oid			owner;			/* of tables, who is neither the user nor a superuser */
	bool		several;
} Owners;

static const char *guarded = NULL;
static planner_hook_type former_planner = NULL;

const char *
authz_plan_as_owner(const char *query)
{
	const char *former = guarded;

	guarded = query;
	return former;
}

static bool
owners_find(Node *node, void *context)
{
	Owners	   *owners = context;
	RangeTblEntry *rte = (RangeTblEntry *) node;
	HeapTuple	tuple;
	Form_pg_class form;

	if (node == NULL)
		return false;
	if (IsA(node, Query))
		return query_tree_walker((Query *) node, owners_find, context, QTW_EXAMINE_RTES_BEFORE);
	if (!IsA(node, RangeTblEntry))
		return expression_tree_walker(node, owners_find, context);
	if (!OidIsValid(rte->relid))
		return false;
	tuple = SearchSysCache1(RELOID, ObjectIdGetDatum(rte->relid));
	if (!HeapTupleIsValid(tuple))
		return false;
	form = (Form_pg_class) GETSTRUCT(tuple);
	if (form->relowner != GetUserId() && !superuser_arg(form->relowner))
	{
		if (form->relkind == RELKIND_VIEW && superuser())
			ereport(ERROR,
					(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
					 errmsg("what the view \"%s\" of \"%s\" calls would run with the rights of the superuser \"%s\"",
							NameStr(form->relname), GetUserNameFromId(form->relowner, true),
							GetUserNameFromId(GetUserId(), true)),
					 errhint("Let the view's owner map it (authz.entity_mapper_grant), or give the view to a superuser.")));
		if (OidIsValid(owners->owner) && owners->owner != form->relowner)
			owners->several = true;
		owners->owner = form->relowner;
	}
	ReleaseSysCache(tuple);
	return false;
}

/*
 * The planner looks at the rights on views, as whoever will look at them when
 * the query runs.
 */
static bool
check_as_user(Node *node, void *context)
{
	ListCell   *lc;

	if (node == NULL)
		return false;
	if (!IsA(node, Query))
		return expression_tree_walker(node, check_as_user, context);
	foreach(lc, AUTHZ_PERMISSIONS((Query *) node))
	{
		AuthzPermission *permission = lfirst(lc);

		if (!OidIsValid(permission->checkAsUser))
			permission->checkAsUser = GetUserId();
	}
	return query_tree_walker((Query *) node, check_as_user, context, 0);
}

static PlannedStmt *
plan_next(Query *query, const char *text, int options, ParamListInfo params)
{
	return former_planner != NULL ? former_planner(query, text, options, params) :
		standard_planner(query, text, options, params);
}

static PlannedStmt *
plan_guarded(Query *query, const char *text, int options, ParamListInfo params)
{
	Owners		owners = {0};
	PlannedStmt *plan;
	Oid			user;
	int			security;
	int			level;

	if (guarded == NULL || text == NULL || strcmp(text, guarded) != 0)
		return plan_next(query, text, options, params);
	(void) owners_find((Node *) query, &owners);
	if (!OidIsValid(owners.owner))
		return plan_next(query, text, options, params);
	(void) check_as_user((Node *) query, NULL);
	GetUserIdAndSecContext(&user, &security);
	SetUserIdAndSecContext(owners.several ? ROLE_PG_CHECKPOINT : owners.owner,
						   security | SECURITY_LOCAL_USERID_CHANGE | SECURITY_RESTRICTED_OPERATION);
	level = NewGUCNestLevel();
	plan = plan_next(query, text, options, params);
	AtEOXact_GUC(false, level);
	SetUserIdAndSecContext(user, security);
	return plan;
}

int
authz_settings_pin(void)
{
	int			level = NewGUCNestLevel();

	(void) set_config_option("search_path", "pg_catalog, pg_temp", PGC_USERSET, PGC_S_SESSION,
							 GUC_ACTION_SAVE, true, 0, false);
	return level;
}

void
authz_settings_unpin(int level)
{
	AtEOXact_GUC(false, level);
}

void
authz_plan_init(void)
{
	former_planner = planner_hook;
	planner_hook = plan_guarded;
}
