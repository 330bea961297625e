/*-------------------------------------------------------------------------
 *
 * filter.c
 *	  What may be seen: decisions about all rows of an entity type at once.
 *
 * The policies are evaluated without the resource (or the principal), and what
 * is left of each becomes a condition of SQL over the rows (filter_sql.c).  A
 * policy of which SQL cannot say what is left stays a call for each row, of
 * that policy alone.  A row is allowed when one of the permits is satisfied
 * and none of the forbids, as a decision about it would find under the same
 * snapshot.
 *
 * Lists are read by a query of that condition: as the owner of the mapping,
 * with the rights that decisions read with; as the caller where the mapping
 * says so.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"
#include "compat.h"

#include "access/table.h"
#include "access/xact.h"
#include "catalog/pg_type.h"
#include "common/int.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/date.h"
#include "utils/guc.h"
#include "utils/jsonb.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/numeric.h"
#include "utils/rel.h"
#include "utils/timestamp.h"

#include "cedar/conform.h"
#include "check.h"
#include "entity.h"
#include "entity_plan.h"
#include "entity_uid.h"
#include "error.h"
#include "filter.h"
#include "filter_sql.h"
#include "host.h"
#include "json.h"
#include "policy.h"
#include "policy_schema.h"
#include "protect.h"
#include "relation.h"
#include "statement.h"

PG_FUNCTION_INFO_V1(authz_filter);
PG_FUNCTION_INFO_V1(authz_explain_filter);
PG_FUNCTION_INFO_V1(authz_resources);
PG_FUNCTION_INFO_V1(authz_principals);
PG_FUNCTION_INFO_V1(authz_actions);
PG_FUNCTION_INFO_V1(authz_filter_in);
PG_FUNCTION_INFO_V1(authz_filter_policy);
PG_FUNCTION_INFO_V1(authz_filter_add);
PG_FUNCTION_INFO_V1(authz_filter_subtract);
PG_FUNCTION_INFO_V1(authz_filter_multiply);
PG_FUNCTION_INFO_V1(authz_filter_negate);
PG_FUNCTION_INFO_V1(authz_filter_long);
PG_FUNCTION_INFO_V1(authz_filter_milliseconds_timestamp);
PG_FUNCTION_INFO_V1(authz_filter_milliseconds_date);
PG_FUNCTION_INFO_V1(authz_filter_milliseconds_interval);
PG_FUNCTION_INFO_V1(authz_filter_fits_timestamp);
PG_FUNCTION_INFO_V1(authz_filter_fits_date);
PG_FUNCTION_INFO_V1(authz_filter_fits_numeric);
PG_FUNCTION_INFO_V1(authz_filter_fits_array);
PG_FUNCTION_INFO_V1(authz_filter_fits_json);

/* ------------------------------------------------------------- the question */

/* Which rows, and what is known of the request. */
typedef struct Question
{
	CedarArena *arena;
	CedarError	err;
	const AuthzPolicyVersion *version;
	AuthzEntityReader *reader;
	CedarEntitySource source;
	CedarRequest request;
	Jsonb	   *context;
	CedarPartial partial;
	AuthzFilterRows rows;
} Question;

static void
require(FunctionCallInfo fcinfo, int n, const char *name)
{
	if (PG_ARGISNULL(n))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("argument \"%s\" must not be null", name)));
}

/* alias NULL: the table's own name */
static void
question_begin(Question *q, FunctionCallInfo fcinfo, CedarVar var, text *type,
			   Jsonb *context, int set_argument, const char *alias, bool base)
{
	AuthzStatement *statement = authz_statement();
	CedarUnknown unknown = {.is = {var == CEDAR_VAR_PRINCIPAL, false, var == CEDAR_VAR_RESOURCE}};
	const char *name = VARDATA_ANY(type);
	size_t		len = VARSIZE_ANY_EXHDR(type);
	const CedarUid *probe;
	CedarRequest asked;

	/* The type as a uid's is: a name in normal form. */
	if (cedar_uid_make(q->arena, name, len, "", 0, &probe, &q->err) != CEDAR_OK)
		authz_raise(&q->err, AUTHZ_TEXT_UID, NULL, 0, "entity type", NULL);
	q->rows.type = cedar_str_make(q->arena, name, len);
	if (q->rows.type == NULL)
		ereport(ERROR, (errcode(ERRCODE_OUT_OF_MEMORY), errmsg("out of memory")));
	unknown.type[var] = q->rows.type;
	q->version = authz_check_version(fcinfo, set_argument, statement);
	q->context = context;
	q->request.context = authz_check_context(q->arena, context, 0, authz_check_schema(q->version),
											 q->request.action);
	/* A row's type decides whether it fits, not which row it is. */
	asked = q->request;
	if (var == CEDAR_VAR_RESOURCE)
		asked.resource = probe;
	else
		asked.principal = probe;
	authz_check_fits(authz_check_schema(q->version), q->arena, &asked, 0);
	q->reader = authz_entity_begin(statement, NULL, &q->source);
	authz_schema_overlay(q->version->schema, q->arena, &q->source);
	if (cedar_partial(q->arena, &q->version->policies, &q->source, &q->request, &unknown,
					  &q->partial, &q->err) != CEDAR_OK)
		authz_raise(&q->err, AUTHZ_TEXT_UID, NULL, 0, NULL,
					psprintf("Policy set \"%s\".", q->version->set));
	q->rows.var = var;
	q->rows.maps = authz_maps_acquire(CurrentMemoryContext);
	q->rows.mapping = q->rows.maps == NULL ? NULL : authz_maps_find(q->rows.maps, probe);
	q->rows.base = base && q->rows.mapping != NULL;
	/* Every column is qualified: a subquery may have one of the same name. */
	if (alias == NULL)
		alias = authz_filter_default_alias(&q->rows);
	if (strncmp(alias, "authz$", 6) == 0)
		ereport(ERROR,
				(errcode(ERRCODE_RESERVED_NAME),
				 errmsg("table alias \"%s\" is reserved", alias),
				 errhint("Names that begin with \"authz$\" are used inside the filter.")));
	q->rows.alias_name = alias;
	q->rows.alias = quote_identifier(alias);
	q->rows.source = &q->source;
	q->rows.arena = q->arena;
	q->rows.err = &q->err;
}

static void
question_end(Question *q)
{
	authz_entity_end(q->reader);
}

/* ------------------------------------------------------------ the condition */

static char *
uid_literal(const CedarUid *uid)
{
	if (memchr(uid->bytes, '\0', uid->type_len + uid->id_len) != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_UNTRANSLATABLE_CHARACTER),
				 errmsg("an entity uid with a NUL character cannot be part of a filter")));
	return psprintf("authz.entity_uid(%s, %s)",
					quote_literal_cstr(pnstrdup(uid->bytes, uid->type_len)),
					quote_literal_cstr(pnstrdup(uid->bytes + uid->type_len, uid->id_len)));
}

/* One policy, asked for each row. */
static char *
policy_call(Question *q, const CedarPolicy *policy)
{
	char	   *row = authz_filter_uid(&q->rows);
	bool		principal = q->rows.var == CEDAR_VAR_PRINCIPAL;

	if (q->rows.at_run_time)
	{
		char	   *id = pnstrdup(policy->id, policy->id_len);
		char	   *type = pnstrdup(q->rows.type->bytes, q->rows.type->len);

		return psprintf("authz.protected_policy(%s, %s, " INT64_FORMAT ", %s, %s, %s, %s)",
						authz_protect_seal(authz_filter_sealed_text(q->version->set, q->version->version, id,
																	q->request.action, type)),
						quote_literal_cstr(q->version->set), q->version->version, quote_literal_cstr(id),
						uid_literal(q->request.action), quote_literal_cstr(type), q->rows.alias);
	}
	return psprintf("authz.filter_policy(%s, %s, %s, %s, %s, %s::jsonb)",
					quote_literal_cstr(q->version->set),
					quote_literal_cstr(pnstrdup(policy->id, policy->id_len)),
					principal ? row : uid_literal(q->request.principal),
					uid_literal(q->request.action),
					principal ? uid_literal(q->request.resource) : row,
					quote_literal_cstr(JsonbToCString(NULL, &q->context->root, VARSIZE(q->context))));
}

/* When a row satisfies what is left of a policy; *why is NULL where SQL says it. */
static char *
residual_condition(Question *q, const CedarResidual *r, AuthzFilterEquality *equality, const char **why)
{
	char	   *condition = NULL;
	CedarPolicy policy;

	*why = NULL;
	equality->left = NULL;
	if (r->state == CEDAR_RESIDUAL_TRUE)
		return pstrdup("true");
	if (r->state == CEDAR_RESIDUAL_ERROR)
		return pstrdup("false");
	condition = authz_filter_condition(&q->rows, r->expr, equality, why);
	if (condition != NULL)
		return condition;
	cedar_policies_get(&q->version->policies, r->policy, &policy);
	return policy_call(q, &policy);
}

/* Conditions of which one has to hold. */
typedef struct Alternatives
{
	bool		certain;		/* one of them always holds */
	StringInfoData text;
	List	   *equalities;		/* Equality: of many policies, one for each grant */
} Alternatives;

typedef struct Equality
{
	char	   *left;
	int			n;
	StringInfoData rights;
} Equality;

static void
alternatives_add(Alternatives *a, const char *condition, const AuthzFilterEquality *equality)
{
	ListCell   *lc;
	Equality   *e;

	if (strcmp(condition, "false") == 0)
		return;
	a->certain = a->certain || strcmp(condition, "true") == 0;
	if (equality == NULL || equality->left == NULL)
	{
		appendStringInfo(&a->text, "%s%s", a->text.len > 0 ? " OR " : "", condition);
		return;
	}
	foreach(lc, a->equalities)
	{
		e = lfirst(lc);
		if (strcmp(e->left, equality->left) == 0)
		{
			appendStringInfo(&e->rights, ", %s", equality->right);
			e->n++;
			return;
		}
	}
	e = palloc(sizeof(Equality));
	e->left = equality->left;
	e->n = strchr(equality->right, ',') == NULL ? 1 : 2;
	initStringInfo(&e->rights);
	appendStringInfoString(&e->rights, equality->right);
	a->equalities = lappend(a->equalities, e);
}

/* NULL: none of them ever holds. */
static char *
alternatives_end(Alternatives *a)
{
	ListCell   *lc;

	if (a->certain)
		return pstrdup("true");
	foreach(lc, a->equalities)
	{
		Equality   *e = lfirst(lc);

		appendStringInfo(&a->text, e->n == 1 ? "%s%s = %s" : "%s%s IN (%s)", a->text.len > 0 ? " OR " : "",
						 e->left, e->rights.data);
	}
	return a->text.len == 0 ? NULL : a->text.data;
}

/* The rows that are allowed, as a condition of SQL; with the mapping's own. */
static char *
question_condition(Question *q, bool with_where)
{
	Alternatives all[2] = {{0}, {0}};	/* permits, forbids */
	char	   *where = with_where ? authz_filter_where(&q->rows) : NULL;
	char	   *permits;
	char	   *forbids;

	if (q->partial.decision == CEDAR_PARTIAL_DENY)
		return pstrdup("false");
	initStringInfo(&all[0].text);
	initStringInfo(&all[1].text);
	for (uint32 i = 0; i < q->partial.n; i++)
	{
		const CedarResidual *r = &q->partial.residuals[i];
		AuthzFilterEquality equality;
		const char *why;
		char	   *condition;

		CHECK_FOR_INTERRUPTS();
		if (all[r->forbid].certain)
			continue;
		condition = residual_condition(q, r, &equality, &why);
		alternatives_add(&all[r->forbid], condition, &equality);
	}
	permits = alternatives_end(&all[0]);
	forbids = alternatives_end(&all[1]);
	if (all[1].certain || permits == NULL)
		return pstrdup("false");
	if (forbids != NULL && all[0].certain)
		permits = psprintf("(%s) IS NOT TRUE", forbids);
	else if (forbids != NULL)
		permits = psprintf("(%s) AND (%s) IS NOT TRUE", permits, forbids);
	return where == NULL ? permits : psprintf("(%s) AND (%s)", where, permits);
}

char *
authz_filter_sealed_text(const char *set, int64 version, const char *id, const CedarUid *action, const char *type)
{
	/* Quoted, so that no two calls have one text. */
	return psprintf("%s " INT64_FORMAT " %s %s %s", quote_literal_cstr(set), version, quote_literal_cstr(id),
					uid_literal(action), quote_literal_cstr(type));
}

char *
authz_filter_mapping_where(const char *type)
{
	CedarArena *arena = authz_arena_create(CurrentMemoryContext);
	CedarError	err;
	AuthzFilterRows rows = {.maps = authz_maps_acquire(CurrentMemoryContext),.base = true,.alias = ""};
	const CedarUid *probe;

	if (cedar_uid_make(arena, type, strlen(type), "", 0, &probe, &err) != CEDAR_OK)
		authz_raise(&err, AUTHZ_TEXT_UID, NULL, 0, "entity type", NULL);
	rows.mapping = rows.maps == NULL ? NULL : authz_maps_find(rows.maps, probe);
	if (rows.mapping == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("entity type \"%s\" is not mapped", type)));
	rows.alias_name = authz_filter_default_alias(&rows);
	return authz_filter_where(&rows);
}

/* Has the table the columns that the mapping's table has? */
static bool
has_columns(Oid relid, AuthzMapTable *table)
{
	for (int i = 0; i < table->n_columns; i++)
	{
		AttrNumber	attnum = get_attnum(relid, authz_filter_base_column(table, &table->columns[i]));

		if (attnum == InvalidAttrNumber ||
			!authz_column_has_type(&table->columns[i], get_atttype(relid, attnum)))
			return false;
	}
	return true;
}

char *
authz_filter_for_anyone(Datum action, const char *type, Oid relid, const char *alias, Oid *check_as)
{
	Question	q = {.arena = authz_arena_create(CurrentMemoryContext)};
	CedarUnknown unknown = {.is = {true, false, true}};
	AuthzStatement *statement = authz_statement();
	const CedarUid *probe;
	char	   *condition = NULL;

	if (cedar_uid_make(q.arena, type, strlen(type), "", 0, &probe, &q.err) != CEDAR_OK)
		return NULL;
	q.rows.maps = authz_maps_acquire(CurrentMemoryContext);
	q.rows.mapping = q.rows.maps == NULL ? NULL : authz_maps_find(q.rows.maps, probe);
	if (q.rows.mapping != NULL && has_columns(relid, q.rows.mapping->table))
	{
		q.rows.type = unknown.type[CEDAR_VAR_RESOURCE] = cedar_str_make(q.arena, type, strlen(type));
		q.request.action = authz_uid_to_cedar(q.arena, action);
		q.request.context = cedar_record_make(q.arena, NULL, 0, NULL);
		if (q.rows.type == NULL || q.request.context == NULL)
			ereport(ERROR, (errcode(ERRCODE_OUT_OF_MEMORY), errmsg("out of memory")));
		q.version = authz_policy_get(statement, authz_policy_set);
		q.reader = authz_entity_begin(statement, NULL, &q.source);
		authz_schema_overlay(q.version->schema, q.arena, &q.source);
		if (cedar_partial(q.arena, &q.version->policies, &q.source, &q.request, &unknown,
						  &q.partial, &q.err) != CEDAR_OK)
			authz_raise(&q.err, AUTHZ_TEXT_UID, NULL, 0, NULL, psprintf("Policy set \"%s\".", q.version->set));
		q.rows.var = CEDAR_VAR_RESOURCE;
		q.rows.alias_name = alias;
		q.rows.alias = quote_identifier(alias);
		q.rows.base = true;
		q.rows.at_run_time = true;
		q.rows.source = &q.source;
		q.rows.arena = q.arena;
		q.rows.err = &q.err;
		*check_as = q.rows.mapping->table->invoker ? InvalidOid : q.rows.mapping->table->owner;
		condition = psprintf("authz.run_time_asked(%s, " INT64_FORMAT ", " INT64_FORMAT ") AND (%s)",
							 quote_literal_cstr(q.version->set), q.version->version,
							 (int64) GetCurrentStatementStartTimestamp(), question_condition(&q, false));
		authz_entity_end(q.reader);
	}
	return condition;
}

/*
 * authz_filter(principal, action, resource_type, context, table_alias,
 * policy_set) → text: the condition, for a query on the mapped table.
 */
Datum
authz_filter(PG_FUNCTION_ARGS)
{
	Question	q = {.arena = authz_arena_create(CurrentMemoryContext)};
	char	   *condition;

	require(fcinfo, 0, "principal");
	require(fcinfo, 1, "action");
	require(fcinfo, 2, "resource_type");
	require(fcinfo, 3, "context");
	q.request.principal = authz_uid_to_cedar(q.arena, PG_GETARG_DATUM(0));
	q.request.action = authz_uid_to_cedar(q.arena, PG_GETARG_DATUM(1));
	question_begin(&q, fcinfo, CEDAR_VAR_RESOURCE, PG_GETARG_TEXT_PP(2), PG_GETARG_JSONB_P(3), 5,
				   PG_ARGISNULL(4) ? NULL : text_to_cstring(PG_GETARG_TEXT_PP(4)), true);
	condition = question_condition(&q, true);
	question_end(&q);
	PG_RETURN_TEXT_P(cstring_to_text(condition));
}

/*
 * authz_explain_filter(principal, action, resource_type, context, policy_set) →
 * one row a policy that can still matter
 */
Datum
authz_explain_filter(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	Question	q = {.arena = authz_arena_create(CurrentMemoryContext)};

	require(fcinfo, 0, "principal");
	require(fcinfo, 1, "action");
	require(fcinfo, 2, "resource_type");
	require(fcinfo, 3, "context");
	InitMaterializedSRF(fcinfo, 0);
	q.request.principal = authz_uid_to_cedar(q.arena, PG_GETARG_DATUM(0));
	q.request.action = authz_uid_to_cedar(q.arena, PG_GETARG_DATUM(1));
	question_begin(&q, fcinfo, CEDAR_VAR_RESOURCE, PG_GETARG_TEXT_PP(2), PG_GETARG_JSONB_P(3), 4, NULL, true);
	for (uint32 i = 0; i < q.partial.n; i++)
	{
		const CedarResidual *r = &q.partial.residuals[i];
		CedarPolicy policy;
		const char *why;
		AuthzFilterEquality equality;
		char	   *condition = residual_condition(&q, r, &equality, &why);
		Datum		values[5];
		bool		nulls[5] = {false};

		cedar_policies_get(&q.version->policies, r->policy, &policy);
		values[0] = PointerGetDatum(cstring_to_text_with_len(policy.id, policy.id_len));
		values[1] = CStringGetTextDatum(r->forbid ? "forbid" : "permit");
		values[2] = CStringGetTextDatum(r->state == CEDAR_RESIDUAL_TRUE ? "always" :
										r->state == CEDAR_RESIDUAL_ERROR ? "error" :
										why == NULL ? "native" : "call");
		values[3] = CStringGetTextDatum(condition);
		nulls[4] = why == NULL;
		values[4] = why == NULL ? (Datum) 0 : CStringGetTextDatum(why);
		tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
	}
	question_end(&q);
	return (Datum) 0;
}

/* ------------------------------------------------------------------- lists */

/* Who owns authz.entities. */
static Oid
entities_owner(void)
{
	Relation	entities = table_open(authz_relations()->entities, AccessShareLock);
	Oid			owner = entities->rd_rel->relowner;

	table_close(entities, NoLock);
	return owner;
}

/* Run the list's query, as this user unless it is InvalidOid, and give its uids back. */
static void
list_run(FunctionCallInfo fcinfo, Oid as, const char *query)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	MemoryContext cxt = CurrentMemoryContext;
	Oid			user;
	int			security;
	int			level;
	const char *outer = authz_plan_as_owner(query);

	GetUserIdAndSecContext(&user, &security);
	PG_TRY();
	{
		if (OidIsValid(as))
			SetUserIdAndSecContext(as, security | SECURITY_LOCAL_USERID_CHANGE | SECURITY_RESTRICTED_OPERATION);
		/* No operator or function of the caller's gets these rights. */
		level = authz_settings_pin();
		if (SPI_connect() != SPI_OK_CONNECT)
			elog(ERROR, "SPI_connect failed");
		if (SPI_execute(query, true, 0) != SPI_OK_SELECT)
			elog(ERROR, "could not list: %s", SPI_result_code_string(SPI_result));
		MemoryContextSwitchTo(cxt);
		for (uint64 i = 0; i < SPI_processed; i++)
		{
			bool		isnull;
			Datum		uid = SPI_getbinval(SPI_tuptable->vals[i], SPI_tuptable->tupdesc, 1, &isnull);

			tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, &uid, &isnull);
		}
		SPI_finish();
		authz_settings_unpin(level);
	}
	PG_FINALLY();
	{
		SetUserIdAndSecContext(user, security);
		(void) authz_plan_as_owner(outer);
	}
	PG_END_TRY();
}

/* The page of a list: arguments after, limit. */
static void
list_page(FunctionCallInfo fcinfo, Question *q, int after, int limit)
{
	char	   *condition = question_condition(q, true);
	char	   *uid = authz_filter_uid(&q->rows);
	char	   *order = authz_filter_order(&q->rows);
	int64		n = PG_ARGISNULL(limit) ? 0 : PG_GETARG_INT32(limit);
	StringInfoData s;

	if (!PG_ARGISNULL(limit) && n < 1)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_ROW_COUNT_IN_LIMIT_CLAUSE),
				 errmsg("limit must be at least 1"),
				 errhint("Leave it null for all.")));
	if (strcmp(condition, "false") == 0)
		return;
	initStringInfo(&s);
	appendStringInfo(&s, "SELECT %s FROM %s AS %s WHERE (%s)", uid, authz_filter_relation(&q->rows),
					 q->rows.alias, condition);
	if (!PG_ARGISNULL(after))
	{
		char	   *next = authz_filter_after(&q->rows, authz_uid_to_cedar(q->arena, PG_GETARG_DATUM(after)));

		if (next == NULL)
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("argument \"after\" is no entity of this type"),
					 errhint("Pass the last entity of the page before.")));
		appendStringInfo(&s, " AND %s", next);
	}
	appendStringInfo(&s, " ORDER BY %s", order);
	if (n > 0)
		appendStringInfo(&s, " LIMIT " INT64_FORMAT, n);
	list_run(fcinfo, q->rows.mapping == NULL ? entities_owner() : authz_map_table_user(q->rows.mapping->table),
			 s.data);
}

/*
 * authz_resources(principal, action, resource_type, context, after, limit,
 * policy_set) → setof entity_uid
 */
Datum
authz_resources(PG_FUNCTION_ARGS)
{
	Question	q = {.arena = authz_arena_create(CurrentMemoryContext)};

	require(fcinfo, 0, "principal");
	require(fcinfo, 1, "action");
	require(fcinfo, 2, "resource_type");
	require(fcinfo, 3, "context");
	InitMaterializedSRF(fcinfo, MAT_SRF_USE_EXPECTED_DESC);
	q.request.principal = authz_uid_to_cedar(q.arena, PG_GETARG_DATUM(0));
	q.request.action = authz_uid_to_cedar(q.arena, PG_GETARG_DATUM(1));
	question_begin(&q, fcinfo, CEDAR_VAR_RESOURCE, PG_GETARG_TEXT_PP(2), PG_GETARG_JSONB_P(3), 6, "r", false);
	list_page(fcinfo, &q, 4, 5);
	question_end(&q);
	return (Datum) 0;
}

/*
 * authz_principals(action, resource, principal_type, context, after, limit,
 * policy_set) → setof entity_uid
 */
Datum
authz_principals(PG_FUNCTION_ARGS)
{
	Question	q = {.arena = authz_arena_create(CurrentMemoryContext)};

	require(fcinfo, 0, "action");
	require(fcinfo, 1, "resource");
	require(fcinfo, 2, "principal_type");
	require(fcinfo, 3, "context");
	InitMaterializedSRF(fcinfo, MAT_SRF_USE_EXPECTED_DESC);
	q.request.action = authz_uid_to_cedar(q.arena, PG_GETARG_DATUM(0));
	q.request.resource = authz_uid_to_cedar(q.arena, PG_GETARG_DATUM(1));
	question_begin(&q, fcinfo, CEDAR_VAR_PRINCIPAL, PG_GETARG_TEXT_PP(2), PG_GETARG_JSONB_P(3), 6, "r", false);
	list_page(fcinfo, &q, 4, 5);
	question_end(&q);
	return (Datum) 0;
}

/* ----------------------------------------------------------------- actions */

static int
uid_order(const void *a, const void *b)
{
	const CedarUid *x = *(const CedarUid *const *) a;
	const CedarUid *y = *(const CedarUid *const *) b;
	size_t		x_len = (size_t) x->type_len + x->id_len;
	size_t		y_len = (size_t) y->type_len + y->id_len;
	int			order = memcmp(x->bytes, y->bytes, Min(x_len, y_len));

	return order != 0 ? order : x_len < y_len ? -1 : x_len > y_len;
}

/* The actions to ask about: the schema's, or those that policies' scopes name. */
static CedarUidSet *
actions_known(CedarArena *arena, const AuthzPolicyVersion *version)
{
	CedarUidSet *known = cedar_uidset_create(arena);
	const CedarSchema *schema = version->schema == NULL ? NULL : version->schema->schema;
	uint32		n = schema != NULL ? 0 : cedar_policies_count(&version->policies);
	CedarCode	code = known == NULL ? CEDAR_ERR_NOMEM : CEDAR_OK;
	bool		added;

	for (uint32 i = 0; schema != NULL && code == CEDAR_OK && i < schema->n_actions; i++)
		code = cedar_uidset_add(arena, known, schema->actions[i].uid, &added);
	for (uint32 i = 0; code == CEDAR_OK && i < n; i++)
	{
		CedarPolicy policy;
		const CedarScope *scope;
		const uint32 *uids;

		if (!cedar_policies_get(&version->policies, i, &policy))
			continue;
		scope = &policy.piece->scope[CEDAR_VAR_ACTION];
		uids = (const uint32 *) ((const char *) policy.piece + scope->uids);
		for (uint32 k = 0; k < scope->n && code == CEDAR_OK; k++)
			code = cedar_uidset_add(arena, known, (const CedarUid *) ((const char *) policy.piece + uids[k]),
									&added);
	}
	if (code != CEDAR_OK)
		ereport(ERROR, (errcode(ERRCODE_OUT_OF_MEMORY), errmsg("out of memory")));
	return known;
}

/*
 * authz_actions(principal, resource, context, policy_set) → setof entity_uid: the
 * actions that are known and allowed.
 */
Datum
authz_actions(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	CedarArena *arena = authz_arena_create(CurrentMemoryContext);
	CedarArena *one = authz_arena_create(CurrentMemoryContext);
	AuthzStatement *statement = authz_statement();
	const AuthzPolicyVersion *version = authz_check_version(fcinfo, 3, statement);
	const AuthzSchema *schema = authz_check_schema(version);
	AuthzEntityReader *reader;
	CedarEntitySource source;
	CedarRequest request;
	CedarError	err;
	CedarUidSet *known;
	const CedarUid **actions;
	char	   *json = NULL;
	uint32		n = 0;

	require(fcinfo, 0, "principal");
	require(fcinfo, 1, "resource");
	require(fcinfo, 2, "context");
	InitMaterializedSRF(fcinfo, MAT_SRF_USE_EXPECTED_DESC);
	request.principal = authz_uid_to_cedar(arena, PG_GETARG_DATUM(0));
	request.resource = authz_uid_to_cedar(arena, PG_GETARG_DATUM(1));
	if (schema == NULL)
		request.context = authz_check_context(arena, PG_GETARG_JSONB_P(2), 0, NULL, NULL);
	else
		json = authz_jsonb_text(PG_GETARG_JSONB_P(2));
	known = actions_known(arena, version);
	actions = palloc(Max(known->n, 1) * sizeof(CedarUid *));
	for (uint32 i = 0; i < known->cap; i++)
		if (known->slots[i] != NULL)
			actions[n++] = known->slots[i];
	qsort(actions, n, sizeof(CedarUid *), uid_order);

	reader = authz_entity_begin(statement, NULL, &source);
	authz_schema_overlay(version->schema, arena, &source);
	for (uint32 i = 0; i < n; i++)
	{
		CedarDecision decision;
		Datum		uid;
		bool		isnull = false;

		CHECK_FOR_INTERRUPTS();
		cedar_arena_reset(one);
		request.action = actions[i];
		/* With this context, or this principal, it is no request: not allowed. */
		if (schema != NULL &&
			(cedar_conform_context_from_json(one, schema->schema, request.action, json, strlen(json),
											 &request.context, &err) != CEDAR_OK ||
			 cedar_conform_request(one, schema->schema, &request, &err) != CEDAR_OK))
		{
			if (err.code == CEDAR_ERR_NOMEM || err.code == CEDAR_ERR_STACK)
				authz_raise(&err, AUTHZ_TEXT_UID, NULL, 0, NULL, NULL);
			continue;
		}
		if (cedar_decide(one, &version->policies, &source, &request, false, &decision, &err) != CEDAR_OK)
			authz_raise(&err, AUTHZ_TEXT_UID, NULL, 0, NULL, psprintf("Policy set \"%s\".", version->set));
		if (!decision.allow)
			continue;
		uid = authz_uid_from_cedar(actions[i]);
		tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, &uid, &isnull);
	}
	authz_entity_end(reader);
	return (Datum) 0;
}

/* ------------------------------------------------- what conditions are made of */

/* filter_in(entity, targets entity_uid[]) → boolean: is it one of them, or in one? */
Datum
authz_filter_in(PG_FUNCTION_ARGS)
{
	CedarArena *arena = authz_arena_create(CurrentMemoryContext);
	const CedarUid *uid = authz_uid_to_cedar(arena, PG_GETARG_DATUM(0));
	ArrayType  *array = PG_GETARG_ARRAYTYPE_P(1);
	AuthzEntityReader *reader;
	CedarEntitySource source;
	CedarEntity *entity;
	CedarError	err;
	CedarCode	code;
	Datum	   *elems;
	bool	   *nulls;
	int			n;
	bool		found = false;

	deconstruct_array(array, ARR_ELEMTYPE(array), -1, false, TYPALIGN_INT, &elems, &nulls, &n);
	reader = authz_entity_begin(authz_statement(), NULL, &source);
	code = source.find(source.userdata, uid, &entity, &err);
	if (code == CEDAR_OK && entity != NULL && entity->n_parents > 0 && entity->ancestors == NULL)
		code = cedar_entity_ancestors(&source, entity, &err);
	if (code != CEDAR_OK)
		authz_raise(&err, AUTHZ_TEXT_UID, NULL, 0, NULL, NULL);
	for (int i = 0; i < n && !found; i++)
	{
		const CedarUid *target;

		if (nulls[i])
			continue;
		target = authz_uid_to_cedar(arena, elems[i]);
		found = cedar_uid_equal(uid, target) ||
			(entity != NULL && entity->ancestors != NULL && cedar_uidset_has(entity->ancestors, target));
	}
	authz_entity_end(reader);
	cedar_arena_destroy(arena);
	PG_RETURN_BOOL(found);
}

bool
authz_filter_find_policy(const AuthzPolicyVersion *version, text *id, CedarPolicy *policy)
{
	for (uint32 i = 0; i < version->policies.n_layers; i++)
	{
		const CedarLayer *layer = &version->policies.layers[i];
		uint32		number;

		if (!cedar_image_find(layer->image, VARDATA_ANY(id), VARSIZE_ANY_EXHDR(id), &number) ||
			(layer->gone != NULL && (layer->gone[number / 32] >> number % 32 & 1) != 0))
			continue;
		cedar_image_policy(layer->image, number, policy);
		return true;
	}
	return false;
}

/*
 * filter_policy(policy_set, policy_id, principal, action, resource, context) →
 * boolean: does the request satisfy this one policy?
 */
Datum
authz_filter_policy(PG_FUNCTION_ARGS)
{
	CedarArena *arena = authz_arena_create(CurrentMemoryContext);
	text	   *id = PG_GETARG_TEXT_PP(1);
	AuthzStatement *statement = authz_statement();
	const AuthzPolicyVersion *version = authz_check_version(fcinfo, 0, statement);
	AuthzEntityReader *reader;
	CedarEntitySource source;
	CedarRequest request;
	CedarDecision decision;
	CedarPolicy policy;
	CedarError	err;
	bool		satisfied;

	if (!authz_filter_find_policy(version, id, &policy))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("policy \"%s\" is gone", text_to_cstring(id)),
				 errdetail("Policy set \"%s\" has changed since the filter was made.", version->set),
				 errhint("Ask authz_filter again.")));
	request.principal = authz_uid_to_cedar(arena, PG_GETARG_DATUM(2));
	request.action = authz_uid_to_cedar(arena, PG_GETARG_DATUM(3));
	request.resource = authz_uid_to_cedar(arena, PG_GETARG_DATUM(4));
	request.context = authz_check_context(arena, PG_GETARG_JSONB_P(5), 0,
										  authz_check_schema(version), request.action);
	reader = authz_entity_begin(statement, NULL, &source);
	authz_schema_overlay(version->schema, arena, &source);
	if (cedar_authorize(arena, &policy, 1, NULL, &source, &request, true, &decision, &err) != CEDAR_OK)
		authz_raise(&err, AUTHZ_TEXT_UID, NULL, 0, NULL, NULL);
	authz_entity_end(reader);
	satisfied = decision.n_reasons > 0;
	cedar_arena_destroy(arena);
	PG_RETURN_BOOL(satisfied);
}

/* Checked 64-bit arithmetic: null where Cedar's fails. */
Datum
authz_filter_add(PG_FUNCTION_ARGS)
{
	int64		result;

	if (pg_add_s64_overflow(PG_GETARG_INT64(0), PG_GETARG_INT64(1), &result))
		PG_RETURN_NULL();
	PG_RETURN_INT64(result);
}

Datum
authz_filter_subtract(PG_FUNCTION_ARGS)
{
	int64		result;

	if (pg_sub_s64_overflow(PG_GETARG_INT64(0), PG_GETARG_INT64(1), &result))
		PG_RETURN_NULL();
	PG_RETURN_INT64(result);
}

Datum
authz_filter_multiply(PG_FUNCTION_ARGS)
{
	int64		result;

	if (pg_mul_s64_overflow(PG_GETARG_INT64(0), PG_GETARG_INT64(1), &result))
		PG_RETURN_NULL();
	PG_RETURN_INT64(result);
}

Datum
authz_filter_negate(PG_FUNCTION_ARGS)
{
	if (PG_GETARG_INT64(0) == PG_INT64_MIN)
		PG_RETURN_NULL();
	PG_RETURN_INT64(-PG_GETARG_INT64(0));
}

/* The value that JSON is; raises when it is none of Cedar's. */
static CedarValue
json_value(CedarArena *arena, Jsonb *jsonb)
{
	CedarValue	value;
	CedarError	err;
	char	   *json;

	if (authz_jsonb_value(arena, jsonb, &value))
		return value;
	json = authz_jsonb_text(jsonb);
	if (cedar_value_parse_json(arena, json, strlen(json), &value, &err) != CEDAR_OK)
		authz_raise(&err, AUTHZ_TEXT_JSON, json, strlen(json), "value in JSON", NULL);
	return value;
}

/* A long in JSON; null for any other value. */
Datum
authz_filter_long(PG_FUNCTION_ARGS)
{
	CedarArena *arena = authz_arena_create(CurrentMemoryContext);
	CedarValue	value = json_value(arena, PG_GETARG_JSONB_P(0));

	cedar_arena_destroy(arena);
	if (value.kind != CEDAR_LONG)
		PG_RETURN_NULL();
	PG_RETURN_INT64(value.u.i);
}

/* ---------------------------------------------- values that Cedar has not */

static inline int64
floor_to_ms(int64 us)
{
	return us / 1000 - (us % 1000 < 0);
}

static void
refuse_infinite(bool infinite)
{
	if (infinite)
		ereport(ERROR,
				(errcode(ERRCODE_DATETIME_VALUE_OUT_OF_RANGE),
				 errmsg("an infinite date or time has no value in Cedar")));
}

#define UNIX_EPOCH_DAYS (POSTGRES_EPOCH_JDATE - UNIX_EPOCH_JDATE)
#define MSECS_PER_DAY	INT64CONST(86400000)

Datum
authz_filter_milliseconds_timestamp(PG_FUNCTION_ARGS)
{
	Timestamp	at = PG_GETARG_TIMESTAMP(0);

	refuse_infinite(TIMESTAMP_NOT_FINITE(at));
	PG_RETURN_INT64(floor_to_ms(at) + UNIX_EPOCH_DAYS * MSECS_PER_DAY);
}

Datum
authz_filter_milliseconds_date(PG_FUNCTION_ARGS)
{
	DateADT		day = PG_GETARG_DATEADT(0);

	refuse_infinite(DATE_NOT_FINITE(day));
	PG_RETURN_INT64(((int64) day + UNIX_EPOCH_DAYS) * MSECS_PER_DAY);
}

Datum
authz_filter_milliseconds_interval(PG_FUNCTION_ARGS)
{
	Interval   *interval = PG_GETARG_INTERVAL_P(0);

	if (interval->month != 0)
		ereport(ERROR,
				(errcode(ERRCODE_DATETIME_VALUE_OUT_OF_RANGE),
				 errmsg("an interval with months, or without end, has no value in Cedar")));
	PG_RETURN_INT64((int64) interval->day * MSECS_PER_DAY + floor_to_ms(interval->time));
}

Datum
authz_filter_fits_timestamp(PG_FUNCTION_ARGS)
{
	refuse_infinite(TIMESTAMP_NOT_FINITE(PG_GETARG_TIMESTAMP(0)));
	PG_RETURN_BOOL(true);
}

Datum
authz_filter_fits_date(PG_FUNCTION_ARGS)
{
	refuse_infinite(DATE_NOT_FINITE(PG_GETARG_DATEADT(0)));
	PG_RETURN_BOOL(true);
}

/* Four digits behind the point, and 64 bits with them. */
Datum
authz_filter_fits_numeric(PG_FUNCTION_ARGS)
{
	Numeric		n = PG_GETARG_NUMERIC(0);
	Datum		scaled;
	bool		fits = !numeric_is_nan(n) && !numeric_is_inf(n);

	if (fits)
	{
		Datum		limit = DirectFunctionCall3(numeric_in, CStringGetDatum("9223372036854775807"),
												ObjectIdGetDatum(InvalidOid), Int32GetDatum(-1));
		Datum		least = DirectFunctionCall3(numeric_in, CStringGetDatum("-9223372036854775808"),
												ObjectIdGetDatum(InvalidOid), Int32GetDatum(-1));

		scaled = DirectFunctionCall2(numeric_mul, NumericGetDatum(n),
									 NumericGetDatum(int64_to_numeric(10000)));
		fits = DatumGetBool(DirectFunctionCall2(numeric_eq, scaled,
												DirectFunctionCall2(numeric_trunc, scaled, Int32GetDatum(0)))) &&
			DatumGetBool(DirectFunctionCall2(numeric_le, scaled, limit)) &&
			DatumGetBool(DirectFunctionCall2(numeric_ge, scaled, least));
	}
	if (!fits)
		ereport(ERROR,
				(errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
				 errmsg("a numeric is beyond what a decimal of Cedar can hold")));
	PG_RETURN_BOOL(true);
}

Datum
authz_filter_fits_array(PG_FUNCTION_ARGS)
{
	AnyArrayType *array = PG_GETARG_ANY_ARRAY_P(0);

	if (AARR_NDIM(array) > 1)
		ereport(ERROR,
				(errcode(ERRCODE_ARRAY_SUBSCRIPT_ERROR),
				 errmsg("an array of more than one dimension has no value in Cedar")));
	if (AARR_HASNULL(array) && array_contains_nulls(DatumGetArrayTypeP(PG_GETARG_DATUM(0))))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("an array with null among its elements has no value in Cedar")));
	PG_RETURN_BOOL(true);
}

Datum
authz_filter_fits_json(PG_FUNCTION_ARGS)
{
	CedarArena *arena = authz_arena_create(CurrentMemoryContext);

	json_value(arena, PG_GETARG_JSONB_P(0));
	cedar_arena_destroy(arena);
	PG_RETURN_BOOL(true);
}
