/*-------------------------------------------------------------------------
 *
 * check_batch.c
 *	  Many decisions in one call.
 *
 * A batch is one call: one snapshot, one version of the policies, each entity
 * loaded once, entities handed in read once.  Its requests come as parallel
 * arrays or as JSON; a request that cannot be decided ends the whole with its
 * number, counted from 1.  What decisions for one principal and one action have
 * in common is found once.
 *
 * Memory: requests live in an arena of the call, each decision in another
 * that is emptied before the next.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"
#include "compat.h"

#include "catalog/pg_type.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/jsonb.h"
#include "utils/lsyscache.h"

#include "audit.h"
#include "check.h"
#include "entity.h"
#include "entity_uid.h"
#include "error.h"
#include "host.h"
#include "policy.h"
#include "policy_schema.h"
#include "statement.h"

#define BATCH_MAX	10000

typedef struct Batch
{
	CedarArena *arena;
	const AuthzSchema *schema;	/* that requests have to fit, or NULL */
	CedarRequest *requests;
	uint32		n;
} Batch;

/* One of the parallel arrays. */
typedef struct BatchColumn
{
	const char *name;
	bool		given;
	int			n;
	Datum	   *values;
	bool	   *nulls;
} BatchColumn;

enum
{
	COLUMN_PRINCIPALS,
	COLUMN_ACTIONS,
	COLUMN_RESOURCES,
	COLUMN_CONTEXTS,
	COLUMN_COUNT
};

static const char *const column_names[COLUMN_COUNT] = {
	"principals", "actions", "resources", "contexts"
};

PG_FUNCTION_INFO_V1(authz_check_batch_arrays);
PG_FUNCTION_INFO_V1(authz_check_batch_json);
PG_FUNCTION_INFO_V1(authz_decide_batch_arrays);
PG_FUNCTION_INFO_V1(authz_decide_batch_json);

static void
batch_limit(int64 n)
{
	if (n > BATCH_MAX)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("too many requests in a batch: " INT64_FORMAT, n),
				 errdetail("At most %d are decided in one call.", BATCH_MAX),
				 errhint("Split them over several calls; in one transaction under REPEATABLE READ they see the same entities.")));
}

static BatchColumn
batch_column(FunctionCallInfo fcinfo, int arg)
{
	BatchColumn column = {.name = column_names[arg]};
	ArrayType  *array;
	int16		typlen;
	bool		typbyval;
	char		typalign;

	if (PG_ARGISNULL(arg))
	{
		if (arg == COLUMN_CONTEXTS)
			return column;
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("argument \"%s\" must not be null", column.name)));
	}
	array = PG_GETARG_ARRAYTYPE_P(arg);
	if (ARR_NDIM(array) > 1)
		ereport(ERROR,
				(errcode(ERRCODE_ARRAY_SUBSCRIPT_ERROR),
				 errmsg("argument \"%s\" must be a one-dimensional array", column.name)));
	batch_limit(ArrayGetNItems(ARR_NDIM(array), ARR_DIMS(array)));
	get_typlenbyvalalign(ARR_ELEMTYPE(array), &typlen, &typbyval, &typalign);
	deconstruct_array(array, ARR_ELEMTYPE(array), typlen, typbyval, typalign,
					  &column.values, &column.nulls, &column.n);
	column.given = arg != COLUMN_CONTEXTS || column.n > 0;
	return column;
}

/*
 * The column's value for request i, from 0; *fresh says that it is another
 * one than the last.
 */
static Datum
batch_value(const BatchColumn *column, uint32 i, bool *fresh)
{
	uint32		k = column->n == 1 ? 0 : i;

	if (column->nulls[k])
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("element %u of argument \"%s\" must not be null", k + 1, column->name)));
	*fresh = i == 0 || column->n > 1;
	return column->values[k];
}

/* Requests of parallel arrays; an array of one element counts for all. */
static void
batch_from_arrays(FunctionCallInfo fcinfo, Batch *batch)
{
	BatchColumn columns[COLUMN_COUNT];
	const BatchColumn *longest = NULL;
	CedarError	err;
	const CedarRecord *none;

	for (int c = 0; c < COLUMN_COUNT; c++)
	{
		columns[c] = batch_column(fcinfo, c);
		if (!columns[c].given || columns[c].n == 1)
			continue;
		if (longest == NULL)
			longest = &columns[c];
		else if (columns[c].n != longest->n)
			ereport(ERROR,
					(errcode(ERRCODE_ARRAY_SUBSCRIPT_ERROR),
					 errmsg("arrays of a batch must have the same length"),
					 errdetail("\"%s\" has %d elements, \"%s\" has %d.",
							   longest->name, longest->n, columns[c].name, columns[c].n),
					 errhint("An array of one element counts for all requests; null contexts are empty.")));
	}
	batch->n = longest == NULL ? 1 : longest->n;
	batch->requests = palloc0(Max(batch->n, 1) * sizeof(CedarRequest));
	if (cedar_context_from_json(batch->arena, "{}", 2, &none, &err) != CEDAR_OK)
		authz_raise(&err, AUTHZ_TEXT_JSON, NULL, 0, "context", NULL);

	for (uint32 i = 0; i < batch->n; i++)
	{
		CedarRequest *request = &batch->requests[i];
		const CedarUid **uids[3] = {&request->principal, &request->action, &request->resource};
		bool		fresh;
		Datum		value;

		CHECK_FOR_INTERRUPTS();
		if (i > 0)
			*request = batch->requests[i - 1];
		for (int c = 0; c < lengthof(uids); c++)
		{
			value = batch_value(&columns[c], i, &fresh);
			if (fresh)
				*uids[c] = authz_uid_to_cedar(batch->arena, value);
		}
		if (!columns[COLUMN_CONTEXTS].given)
		{
			request->context = none;
			continue;
		}
		value = batch_value(&columns[COLUMN_CONTEXTS], i, &fresh);
		/* By a schema, another action may read it otherwise. */
		if (fresh || batch->schema != NULL)
			request->context = authz_check_context(batch->arena, DatumGetJsonbP(value), i + 1,
												   batch->schema, request->action);
	}
}

/* Requests of a JSON array, each as cedar_authorize has it. */
static void
batch_from_json(FunctionCallInfo fcinfo, Batch *batch)
{
	Jsonb	   *jsonb;
	char	   *json;
	uint32		fault;
	CedarError	err;

	if (PG_ARGISNULL(0))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("argument \"requests\" must not be null")));
	jsonb = PG_GETARG_JSONB_P(0);
	if (JB_ROOT_IS_ARRAY(jsonb))
		batch_limit(JB_ROOT_COUNT(jsonb));
	json = JsonbToCString(NULL, &jsonb->root, VARSIZE(jsonb));
	if (cedar_requests_from_json(batch->arena, json, strlen(json), &batch->requests,
								 &batch->n, &fault, &err) != CEDAR_OK)
		authz_raise(&err, AUTHZ_TEXT_JSON, json, strlen(json),
					fault == CEDAR_NO_REQUEST ? "requests" : psprintf("request %u", fault + 1),
					NULL);
	pfree(json);
}

/* Principals and actions whose decisions have something in common. */
#define KEPT_MAX 8

typedef struct BatchKept
{
	const CedarUid *principal;
	const CedarUid *action;
	CedarArena *arena;
	CedarKept  *kept;			/* NULL: asked about once only */
} BatchKept;

typedef struct BatchKepts
{
	BatchKept	at[KEPT_MAX];
	int			n;
	int			next;			/* the one that goes when there are too many */
} BatchKepts;

/*
 * What decisions for the request's principal and action have kept so far, or
 * NULL.  They become those of the first such request, for what is kept goes by
 * their place.  All that was read stays until the batch has ended.
 */
static CedarKept *
batch_kept(BatchKepts *kepts, CedarRequest *request)
{
	BatchKept  *kept;

	for (int i = 0; i < kepts->n; i++)
	{
		kept = &kepts->at[i];
		if (!cedar_uid_equal(kept->principal, request->principal) ||
			!cedar_uid_equal(kept->action, request->action))
			continue;
		request->principal = kept->principal;
		request->action = kept->action;
		if (kept->kept == NULL)
		{
			if (kept->arena == NULL)
				kept->arena = authz_arena_create(CurrentMemoryContext);
			kept->kept = cedar_kept_create(kept->arena);
		}
		return kept->kept;
	}
	kept = &kepts->at[kepts->n < KEPT_MAX ? kepts->n++ : kepts->next++ % KEPT_MAX];
	if (kept->arena != NULL)
		cedar_arena_reset(kept->arena);
	kept->kept = NULL;
	kept->principal = request->principal;
	kept->action = request->action;
	return NULL;
}

/*
 * Decide them all into the call's result set, one row (n, …) for each in
 * order.  The arguments after the requests are entities and policy_set.
 */
static Datum
batch_run(FunctionCallInfo fcinfo, void (*read) (FunctionCallInfo, Batch *),
		  int n_read, bool reasons_wanted)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	Batch		batch = {.arena = authz_arena_create(CurrentMemoryContext)};
	CedarArena *arena = authz_arena_create(CurrentMemoryContext);
	AuthzStatement *statement;
	const AuthzPolicyVersion *version;
	AuthzEntityReader *reader;
	CedarEntitySource source;
	CedarEntities *overlay = NULL;
	BatchKepts	kepts = {0};

	InitMaterializedSRF(fcinfo, 0);
	statement = authz_statement();
	version = authz_check_version(fcinfo, n_read + 1, statement);
	batch.schema = authz_check_schema(version);
	read(fcinfo, &batch);
	if (!PG_ARGISNULL(n_read))
		overlay = authz_check_entities(batch.arena, PG_GETARG_JSONB_P(n_read));

	reader = authz_entity_begin(statement, overlay, &source);
	authz_schema_overlay(version->schema, batch.arena, &source);
	for (uint32 i = 0; i < batch.n; i++)
	{
		CedarDecision decision;
		CedarError	err;
		bool		audit;
		instr_time	started;
		Datum		values[5];
		bool		nulls[5] = {false};

		CHECK_FOR_INTERRUPTS();
		cedar_arena_reset(arena);
		authz_check_fits(batch.schema, arena, &batch.requests[i], i + 1);
		audit = authz_audit_wanted();
		if (audit)
			INSTR_TIME_SET_CURRENT(started);
		if (cedar_decide_kept(arena, &version->policies, &source, &batch.requests[i],
							  batch_kept(&kepts, &batch.requests[i]),
							  reasons_wanted || audit, &decision, &err) != CEDAR_OK)
			authz_raise(&err, AUTHZ_TEXT_UID, NULL, 0, psprintf("request %u", i + 1),
						psprintf("Policy set \"%s\".", version->set));
		if (audit)
			authz_audit_decision(version, &batch.requests[i], &decision, started);
		values[0] = Int32GetDatum((int32) i + 1);
		if (reasons_wanted)
		{
			values[1] = CStringGetTextDatum(decision.allow ? "allow" : "deny");
			values[2] = authz_check_reasons(&decision, version);
			values[3] = authz_check_errors(&decision, version);
			values[4] = Int64GetDatum(version->version);
		}
		else
			values[1] = BoolGetDatum(decision.allow);
		tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
	}
	authz_entity_end(reader);
	for (int i = 0; i < kepts.n; i++)
		cedar_arena_destroy(kepts.at[i].arena);
	cedar_arena_destroy(arena);
	cedar_arena_destroy(batch.arena);
	return (Datum) 0;
}

/*
 * authz_check_batch(principals, actions, resources entity_uid[], contexts
 * jsonb[], entities jsonb, policy_set text) → (n integer, allowed boolean)
 */
Datum
authz_check_batch_arrays(PG_FUNCTION_ARGS)
{
	return batch_run(fcinfo, batch_from_arrays, COLUMN_COUNT, false);
}

/* authz_check_batch(requests jsonb, entities jsonb, policy_set text) → the same */
Datum
authz_check_batch_json(PG_FUNCTION_ARGS)
{
	return batch_run(fcinfo, batch_from_json, 1, false);
}

/* authz_decide_batch(as the former) → (n, and the columns of authz_decide) */
Datum
authz_decide_batch_arrays(PG_FUNCTION_ARGS)
{
	return batch_run(fcinfo, batch_from_arrays, COLUMN_COUNT, true);
}

Datum
authz_decide_batch_json(PG_FUNCTION_ARGS)
{
	return batch_run(fcinfo, batch_from_json, 1, true);
}
