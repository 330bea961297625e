/*-------------------------------------------------------------------------
 *
 * check.c
 *	  Decisions over the stored policies and entities.
 *
 * A decision takes the policies in the version that the calling statement
 * uses (policy.c) and the entities under its snapshot (entity.c).  Whatever
 * goes wrong but a policy's own evaluation raises: nothing here answers true
 * by default.
 *
 * The arena of a decision is kept from call to call and emptied at its start,
 * not at its end: an error may leave by longjmp.  A decision inside another, of
 * a query that reads a mapped view, has one of its own.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"
#include "compat.h"

#include "catalog/pg_type.h"
#include "fmgr.h"
#include "funcapi.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/jsonb.h"
#include "utils/memutils.h"

#include "audit.h"
#include "cedar/conform.h"
#include "check.h"
#include "entity.h"
#include "entity_uid.h"
#include "error.h"
#include "host.h"
#include "json.h"
#include "policy.h"
#include "policy_schema.h"
#include "statement.h"

PG_FUNCTION_INFO_V1(authz_check);
PG_FUNCTION_INFO_V1(authz_decide);

/* Of those that must not be null. */
static const char *const argument_names[] = {
	"principal", "action", "resource", "context"
};

static CedarArena *
check_arena(void)
{
	static CedarArena *arena = NULL;
	static MemoryContext cxt = NULL;

	/* Asked by a query that a look-up of another decision runs. */
	if (authz_row_is_executing())
		return authz_arena_create(CurrentMemoryContext);
	if (arena != NULL)
	{
		cedar_arena_reset(arena);
		return arena;
	}
	if (cxt == NULL)
		cxt = AllocSetContextCreate(TopMemoryContext, "authz decision",
									ALLOCSET_DEFAULT_SIZES);
	return arena = authz_arena_create(cxt);
}

/*
 * Uids that were asked about lately: most decisions are about the principal and
 * action of the one before.  One is replaced when UIDS_MAX others have been
 * asked since, so two of one decision stay.
 */
#define UIDS_MAX	8
#define UID_BYTES_MAX 1024		/* of those that are worth it */

typedef struct RecentUid
{
	uint64		serial;			/* no other one had it; 0: none is here */
	CedarUid   *uid;			/* its bytes have room for UID_BYTES_MAX */
} RecentUid;

static RecentUid recent_uids[UIDS_MAX];	/* last asked first, but for the first two */

static inline bool
uid_is(const CedarUid *uid, const struct varlena *value)
{
	const char *bytes = VARDATA_ANY(value);

	return VARSIZE_ANY_EXHDR(value) == sizeof(uint32) + uid->type_len + uid->id_len &&
		memcmp(bytes, &uid->type_len, sizeof(uint32)) == 0 &&
		memcmp(bytes + sizeof(uint32), uid->bytes, uid->type_len + uid->id_len) == 0;
}

/* The uid, and its serial or 0.  Only where a decision is within no other. */
static const CedarUid *
recent_uid(CedarArena *arena, Datum value, uint64 *serial)
{
	static uint64 last_serial = 0;
	struct varlena *packed = (struct varlena *) DatumGetPointer(value);
	const CedarUid *uid;
	RecentUid	recent;
	int			i;

	*serial = 0;
	if (VARATT_IS_EXTERNAL(packed) || VARATT_IS_COMPRESSED(packed) ||
		VARSIZE_ANY_EXHDR(packed) > UID_BYTES_MAX)
		return authz_uid_to_cedar(arena, value);
	for (i = 0; i < UIDS_MAX && recent_uids[i].serial != 0; i++)
	{
		if (!uid_is(recent_uids[i].uid, packed))
			continue;
		recent = recent_uids[i];
		if (i > 1)
		{
			memmove(&recent_uids[1], &recent_uids[0], i * sizeof(RecentUid));
			recent_uids[0] = recent;
		}
		*serial = recent.serial;
		return recent.uid;
	}

	uid = authz_uid_to_cedar(arena, value);
	recent = recent_uids[Min(i, UIDS_MAX - 1)];
	if (recent.uid == NULL)
		recent.uid = MemoryContextAlloc(TopMemoryContext,
										offsetof(CedarUid, bytes) + UID_BYTES_MAX);
	memcpy(recent.uid, uid, offsetof(CedarUid, bytes) + uid->type_len + uid->id_len);
	recent.serial = ++last_serial;
	memmove(&recent_uids[1], &recent_uids[0], Min(i, UIDS_MAX - 1) * sizeof(RecentUid));
	recent_uids[0] = recent;
	*serial = recent.serial;
	return recent.uid;
}

const AuthzSchema *
authz_check_schema(const AuthzPolicyVersion *version)
{
	return authz_validate_requests ? version->schema : NULL;
}

const CedarRecord *
authz_check_context(CedarArena *arena, Jsonb *jsonb, uint32 n, const AuthzSchema *schema,
					const CedarUid *action)
{
	const CedarRecord *context;
	CedarCode	code;
	CedarError	err;
	char	   *json;

	if (schema == NULL && (context = authz_jsonb_record(arena, jsonb)) != NULL)
		return context;
	json = authz_jsonb_text(jsonb);
	if (schema != NULL)
		code = cedar_conform_context_from_json(arena, schema->schema, action, json,
											   strlen(json), &context, &err);
	else
		code = cedar_context_from_json(arena, json, strlen(json), &context, &err);
	if (code != CEDAR_OK)
		authz_raise(&err, AUTHZ_TEXT_JSON, json, strlen(json),
					n == 0 ? "context" : psprintf("context of request %u", n), NULL);
	pfree(json);
	return context;
}

void
authz_check_fits(const AuthzSchema *schema, CedarArena *arena, const CedarRequest *request,
				 uint32 n)
{
	CedarError	err;

	if (schema != NULL &&
		cedar_conform_request(arena, schema->schema, request, &err) != CEDAR_OK)
		authz_raise(&err, AUTHZ_TEXT_UID, NULL, 0,
					n == 0 ? "request" : psprintf("request %u", n), NULL);
}

CedarEntities *
authz_check_entities(CedarArena *arena, Jsonb *jsonb)
{
	CedarEntities *entities;
	CedarError	err;
	char	   *json = JsonbToCString(NULL, &jsonb->root, VARSIZE(jsonb));

	if (cedar_entities_from_json(arena, json, strlen(json), &entities, &err) != CEDAR_OK)
		authz_raise(&err, AUTHZ_TEXT_JSON, json, strlen(json), "entities", NULL);
	pfree(json);
	return entities;
}

const AuthzPolicyVersion *
authz_check_version(FunctionCallInfo fcinfo, int n, AuthzStatement *statement)
{
	return authz_policy_get(statement, PG_ARGISNULL(n) ? authz_policy_set :
							text_to_cstring(PG_GETARG_TEXT_PP(n)));
}

static void
arguments_given(FunctionCallInfo fcinfo)
{
	for (int i = 0; i < lengthof(argument_names); i++)
	{
		if (PG_ARGISNULL(i))
			ereport(ERROR,
					(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
					 errmsg("argument \"%s\" must not be null", argument_names[i]),
					 i == AUTHZ_ARG_CONTEXT ? errhint("Leave it out, or pass an empty object.") : 0));
	}
}

/* Read what is no uid; the uids are in the request. */
static void
check_others(FunctionCallInfo fcinfo, CedarArena *arena, const AuthzPolicyVersion *version,
			 CedarRequest *request, CedarEntities **overlay)
{
	const AuthzSchema *schema = authz_check_schema(version);

	request->context = authz_check_context(arena, PG_GETARG_JSONB_P(AUTHZ_ARG_CONTEXT), 0,
										   schema, request->action);
	authz_check_fits(schema, arena, request, 0);
	*overlay = PG_ARGISNULL(AUTHZ_ARG_ENTITIES) ? NULL :
		authz_check_entities(arena, PG_GETARG_JSONB_P(AUTHZ_ARG_ENTITIES));
}

void
authz_check_request(FunctionCallInfo fcinfo, CedarArena *arena,
					const AuthzPolicyVersion *version,
					CedarRequest *request, CedarEntities **overlay)
{
	arguments_given(fcinfo);
	request->principal = authz_uid_to_cedar(arena, PG_GETARG_DATUM(AUTHZ_ARG_PRINCIPAL));
	request->action = authz_uid_to_cedar(arena, PG_GETARG_DATUM(AUTHZ_ARG_ACTION));
	request->resource = authz_uid_to_cedar(arena, PG_GETARG_DATUM(AUTHZ_ARG_RESOURCE));
	check_others(fcinfo, arena, version, request, overlay);
}

/* The same; *key says what of it may have been asked before. */
static void
check_request(FunctionCallInfo fcinfo, CedarArena *arena, const AuthzPolicyVersion *version,
			  CedarRequest *request, CedarEntities **overlay, AuthzKeptKey *key)
{
	if (authz_row_is_executing())
	{
		authz_check_request(fcinfo, arena, version, request, overlay);
		key->uids[0] = key->uids[1] = 0;
		return;
	}
	arguments_given(fcinfo);
	request->principal = recent_uid(arena, PG_GETARG_DATUM(AUTHZ_ARG_PRINCIPAL), &key->uids[0]);
	request->action = recent_uid(arena, PG_GETARG_DATUM(AUTHZ_ARG_ACTION), &key->uids[1]);
	request->resource = authz_uid_to_cedar(arena, PG_GETARG_DATUM(AUTHZ_ARG_RESOURCE));
	check_others(fcinfo, arena, version, request, overlay);
	key->policies = version->policies.serial;
	key->principal = request->principal;
	key->action = request->action;
}

/* Decide what the arguments ask; the decision lives until the next one. */
static const AuthzPolicyVersion *
check_arguments(FunctionCallInfo fcinfo, bool reasons_wanted,
				CedarDecision *decision)
{
	CedarArena *arena = check_arena();
	AuthzStatement *statement;
	const AuthzPolicyVersion *version;
	AuthzEntityReader *reader;
	CedarEntitySource source;
	CedarEntities *overlay;
	CedarRequest request;
	CedarKept  *kept = NULL;
	AuthzKeptKey key;
	CedarError	err;
	bool		audit = authz_audit_wanted();
	instr_time	started;

	if (audit)
		INSTR_TIME_SET_CURRENT(started);
	statement = authz_statement();
	version = authz_check_version(fcinfo, AUTHZ_ARG_POLICY_SET, statement);
	check_request(fcinfo, arena, version, &request, &overlay, &key);
	reader = authz_entity_begin(statement, overlay, &source);
	if (key.uids[0] != 0 && key.uids[1] != 0)
		kept = authz_entity_kept(reader, &key);
	authz_schema_overlay(version->schema, arena, &source);
	if (cedar_decide_kept(arena, &version->policies, &source, &request, kept,
						  reasons_wanted || audit, decision, &err) != CEDAR_OK)
		authz_raise(&err, AUTHZ_TEXT_UID, NULL, 0, NULL,
					psprintf("Policy set \"%s\".", version->set));
	authz_entity_end(reader);
	if (audit)
		authz_audit_decision(version, &request, decision, started);
	return version;
}

/* authz_check(principal, action, resource, context, entities, policy_set) → boolean */
Datum
authz_check(PG_FUNCTION_ARGS)
{
	CedarDecision decision;

	check_arguments(fcinfo, false, &decision);
	PG_RETURN_BOOL(decision.allow);
}

Datum
authz_check_reasons(const CedarDecision *decision, const AuthzPolicyVersion *version)
{
	Datum	   *ids = palloc(Max(decision->n_reasons, 1) * sizeof(Datum));

	for (uint32 i = 0; i < decision->n_reasons; i++)
	{
		CedarPolicy policy;

		cedar_policies_get(&version->policies, decision->reasons[i], &policy);
		ids[i] = PointerGetDatum(cstring_to_text_with_len(policy.id, policy.id_len));
	}
	return PointerGetDatum(construct_array(ids, decision->n_reasons, TEXTOID,
										   -1, false, TYPALIGN_INT));
}

Datum
authz_check_errors(const CedarDecision *decision, const AuthzPolicyVersion *version)
{
	CedarArena *arena;
	const char *json;
	size_t		len;
	CedarError	err;

	if (decision->n_errors == 0)
		return DirectFunctionCall1(jsonb_in, CStringGetDatum("[]"));
	arena = authz_arena_create(CurrentMemoryContext);
	if (cedar_errors_to_json(arena, decision, &version->policies,
							 &json, &len, &err) != CEDAR_OK)
		authz_raise(&err, AUTHZ_TEXT_UID, NULL, 0, NULL, NULL);
	return DirectFunctionCall1(jsonb_in, CStringGetDatum(pnstrdup(json, len)));
}

/*
 * authz_decide(the same) → (decision text, reasons text[], errors jsonb,
 * policy_version bigint)
 */
Datum
authz_decide(PG_FUNCTION_ARGS)
{
	CedarDecision decision;
	const AuthzPolicyVersion *version;
	TupleDesc	desc;
	Datum		values[4];
	bool		nulls[4] = {false};

	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE ||
		desc->natts != lengthof(values))
		elog(ERROR, "unexpected result type of authz_decide");
	version = check_arguments(fcinfo, true, &decision);
	values[0] = CStringGetTextDatum(decision.allow ? "allow" : "deny");
	values[1] = authz_check_reasons(&decision, version);
	values[2] = authz_check_errors(&decision, version);
	values[3] = Int64GetDatum(version->version);
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(desc),
													  values, nulls)));
}
