/*-------------------------------------------------------------------------
 *
 * policy_history.c
 *	  What a policy set was before: since when a row holds, and rows that no
 *	  longer do.
 *
 * Part of the BEFORE triggers of the store's tables (policy.c), so that the
 * version that a row holds from and the one that the former row holds to are
 * the same, whatever else the command changes.  INSERT writes no history: a
 * dump that is restored holds it.  An apply worker of logical replication gets
 * both from the publisher, and leaves them as they are.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"
#include "compat.h"

#include "access/htup_details.h"
#include "catalog/pg_type.h"
#include "commands/trigger.h"
#include "executor/spi.h"
#include "replication/logicalworker.h"
#include "utils/builtins.h"
#include "utils/datum.h"
#include "utils/jsonb.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"

#include "policy_history.h"
#include "relation.h"

/* How each table is written down. */
typedef struct HistoryTable
{
	const char *kind;
	int			id;				/* column; 0: it has none */
	int			since;
	int			ordinal;		/* which says nothing; 0: it has none */
	const char *truncate;		/* command that keeps all of its rows */
} HistoryTable;

#define HISTORY_COLUMNS \
	"INSERT INTO authz.policy_history (policy_set, kind, id, content, valid_from, valid_to, author, changed_at, transaction_id) "

/* Who deletes version rows begins anew. */
#define HISTORY_CONFLICT \
	" ON CONFLICT ON CONSTRAINT policy_history_pkey DO UPDATE" \
	" SET content = excluded.content, valid_from = excluded.valid_from, author = excluded.author," \
	" changed_at = excluded.changed_at, transaction_id = excluded.transaction_id"

#define HISTORY_WHO "session_user, pg_catalog.now(), pg_catalog.pg_current_xact_id()"

#define HISTORY_TRUNCATE(kind, id, table) \
	HISTORY_COLUMNS \
	"SELECT t.policy_set, '" kind "', " id ", authz.policy_row_content(pg_catalog.to_jsonb(t)), t.since," \
	" authz.policy_version(t.policy_set) OPERATOR(pg_catalog.+) 1, " HISTORY_WHO \
	" FROM authz." table " t WHERE t.since OPERATOR(pg_catalog.<=) authz.policy_version(t.policy_set)" \
	HISTORY_CONFLICT

static const HistoryTable history_tables[] = {
	[AUTHZ_STORE_POLICIES] = {"policy", Anum_policies_policy_id, Anum_policies_since,
	Anum_policies_ordinal, HISTORY_TRUNCATE("policy", "t.policy_id", "policies")},
	[AUTHZ_STORE_LINKS] = {"link", Anum_policy_links_link_id, Anum_policy_links_since,
	0, HISTORY_TRUNCATE("link", "t.link_id", "policy_links")},
	[AUTHZ_STORE_SCHEMA] = {"schema", 0, Anum_schema_since,
	0, HISTORY_TRUNCATE("schema", "''", "schema")}
};

StaticAssertDecl(lengthof(history_tables) == AUTHZ_STORE_TABLES,
				 "history_tables has one line for each AuthzStoreTable");

static SPIPlanPtr history_plan = NULL;

/* Do the row and the one that replaces it say the same, but for since and ordinal? */
static bool
row_says_the_same(const TriggerData *trigdata, const HistoryTable *how)
{
	int			natts = RelationGetDescr(trigdata->tg_relation)->natts;

	for (int column = 1; column <= natts; column++)
	{
		if (column != how->since && column != how->ordinal &&
			!authz_store_column_is_same(trigdata, column))
			return false;
	}
	return true;
}

static void
push_string(JsonbParseState **state, JsonbIteratorToken token, char *text)
{
	JsonbValue	value = {.type = jbvString};

	value.val.string.val = text;
	value.val.string.len = strlen(text);
	pushJsonbValue(state, token, &value);
}

/* As authz.policy_row_content has it. */
static Jsonb *
row_content(HeapTuple tuple, TupleDesc desc, const HistoryTable *how)
{
	JsonbParseState *state = NULL;

	pushJsonbValue(&state, WJB_BEGIN_OBJECT, NULL);
	for (int column = 1; column <= desc->natts; column++)
	{
		Form_pg_attribute attribute = TupleDescAttr(desc, column - 1);
		JsonbValue	value = {.type = jbvNull};
		Datum		datum;
		bool		isnull;

		if (attribute->attisdropped || column == Anum_store_policy_set ||
			column == how->id || column == how->since || column == how->ordinal)
			continue;
		push_string(&state, WJB_KEY, NameStr(attribute->attname));
		datum = heap_getattr(tuple, column, desc, &isnull);
		if (!isnull && attribute->atttypid != BOOLOID)
		{
			Oid			output;
			bool		is_varlena;

			getTypeOutputInfo(attribute->atttypid, &output, &is_varlena);
			push_string(&state, WJB_VALUE, OidOutputFunctionCall(output, datum));
			continue;
		}
		if (!isnull)
		{
			value.type = jbvBool;
			value.val.boolean = DatumGetBool(datum);
		}
		pushJsonbValue(&state, WJB_VALUE, &value);
	}
	return JsonbValueToJsonb(pushJsonbValue(&state, WJB_END_OBJECT, NULL));
}

/* Keep the row that is there, unless it came within the version that is being made. */
static void
former_row_keep(const TriggerData *trigdata, AuthzStoreTable table)
{
	const HistoryTable *how = &history_tables[table];
	TupleDesc	desc = RelationGetDescr(trigdata->tg_relation);
	HeapTuple	tuple = trigdata->tg_trigtuple;
	Oid			types[6] = {TEXTOID, TEXTOID, TEXTOID, JSONBOID, INT8OID, INT8OID};
	Datum		values[6];
	int64		next;
	bool		isnull;

	values[4] = heap_getattr(tuple, how->since, desc, &isnull);
	next = authz_store_next_version(table, authz_policy_column(tuple, desc, Anum_store_policy_set));
	/* What comes and goes within one version was never there. */
	if (isnull || DatumGetInt64(values[4]) >= next)
		return;
	values[0] = heap_getattr(tuple, Anum_store_policy_set, desc, &isnull);
	values[1] = CStringGetTextDatum(how->kind);
	values[2] = how->id != 0 ? heap_getattr(tuple, how->id, desc, &isnull) : CStringGetTextDatum("");
	values[3] = JsonbPGetDatum(row_content(tuple, desc, how));
	values[5] = Int64GetDatum(next);
	authz_execute_as_owner_of(trigdata->tg_relation, &history_plan,
							  HISTORY_COLUMNS "VALUES ($1, $2, $3, $4, $5, $6, " HISTORY_WHO ")" HISTORY_CONFLICT,
							  lengthof(types), types, values, NULL);
}

HeapTuple
authz_policy_history_before_row(const TriggerData *trigdata, AuthzStoreTable table)
{
	HeapTuple	tuple = authz_store_new_tuple(trigdata);
	TupleDesc	desc = RelationGetDescr(trigdata->tg_relation);
	const HistoryTable *how = &history_tables[table];
	int			column = how->since;
	bool		isnull;
	Datum		since = heap_getattr(tuple, column, desc, &isnull);

	/* A dump knows since when, and so does a publisher. */
	if (TRIGGER_FIRED_BY_INSERT(trigdata->tg_event))
	{
		if (!isnull && (authz_store_is_restoring() || !authz_store_is_checked()))
			return tuple;
	}
	else if (IsLogicalWorker())
		return tuple;

	if (TRIGGER_FIRED_BY_UPDATE(trigdata->tg_event) && row_says_the_same(trigdata, how))
	{
		if (authz_store_column_is_same(trigdata, column))
			return tuple;
		since = heap_getattr(trigdata->tg_trigtuple, column, desc, &isnull);
		return heap_modify_tuple_by_cols(tuple, desc, 1, &column, &since, &isnull);
	}
	if (!TRIGGER_FIRED_BY_INSERT(trigdata->tg_event))
		former_row_keep(trigdata, table);
	if (TRIGGER_FIRED_BY_DELETE(trigdata->tg_event))
		return tuple;
	since = Int64GetDatum(authz_store_next_version(table,
												   authz_policy_column(tuple, desc,
																	   Anum_store_policy_set)));
	isnull = false;
	return heap_modify_tuple_by_cols(tuple, desc, 1, &column, &since, &isnull);
}

void
authz_policy_history_before_truncate(const TriggerData *trigdata, AuthzStoreTable table)
{
	if (!IsLogicalWorker())
		authz_execute_as_owner_of(trigdata->tg_relation, NULL, history_tables[table].truncate,
								  0, NULL, NULL, NULL);
}
