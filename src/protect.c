/*-------------------------------------------------------------------------
 *
 * protect.c
 *	  Row-level security from policies.
 *
 * protect_table makes row-level security policies whose expression is a call
 * of authz.protected(action, type, row): may who is asking do this with the
 * entity that the row is?  As a call it decides about the row as it is handed
 * in, so that WITH CHECK judges a new row by its own values.
 *
 * A planner support function replaces the call by the condition that the
 * policies are for any principal (filter.c), in which all that is of the
 * principal is a stable function that keeps what it gave: a plan holds no
 * principal, and serves whoever asks when it runs; the planner's estimates are
 * made for who is asking then.  The policies' proxy is
 * made one of the plan's relations, so that a change of policies throws the plan
 * away.  What runs in between notices that its version is not the statement's,
 * and raises.
 *
 * Those functions evaluate an expression that the planner hands them in the
 * plan.  It is sealed (HMAC-SHA-256 under a key of this session), because whoever
 * can call the function could else read any entity by an expression of theirs.
 *
 * Nobody asking: nothing is allowed.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"
#include "compat.h"

#include <sys/socket.h>

#include "access/htup_details.h"
#include "access/xact.h"
#include "catalog/pg_type.h"
#include "common/hmac.h"
#include "common/sha2.h"
#include "executor/tuptable.h"
#include "fmgr.h"
#include "funcapi.h"
#include "lib/ilist.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "nodes/pathnodes.h"
#include "nodes/supportnodes.h"
#include "optimizer/optimizer.h"
#include "parser/analyze.h"
#include "parser/parsetree.h"
#include "rewrite/rewriteDefine.h"
#include "rewrite/rewriteHandler.h"
#include "rewrite/rewriteManip.h"
#include "storage/proc.h"
#include "tcop/pquery.h"
#include "tcop/tcopprot.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/datum.h"
#include "utils/guc.h"
#include "utils/inet.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/numeric.h"
#include "utils/portal.h"
#include "utils/snapmgr.h"
#include "utils/typcache.h"
#include "utils/uuid.h"

#include "cedar/index.h"
#include "check.h"
#include "entity.h"
#include "entity_plan.h"
#include "entity_row.h"
#include "entity_uid.h"
#include "error.h"
#include "filter.h"
#include "filter_sql.h"
#include "host.h"
#include "policy.h"
#include "policy_schema.h"
#include "protect.h"
#include "relation.h"
#include "statement.h"
#include "token.h"

PG_FUNCTION_INFO_V1(authz_protected);
PG_FUNCTION_INFO_V1(authz_protected_support);
PG_FUNCTION_INFO_V1(authz_protected_policy);
PG_FUNCTION_INFO_V1(authz_protected_where);
PG_FUNCTION_INFO_V1(authz_run_time_asked);
PG_FUNCTION_INFO_V1(authz_run_time_bool);
PG_FUNCTION_INFO_V1(authz_run_time_is);
PG_FUNCTION_INFO_V1(authz_run_time_long);
PG_FUNCTION_INFO_V1(authz_run_time_text);
PG_FUNCTION_INFO_V1(authz_run_time_decimal);
PG_FUNCTION_INFO_V1(authz_run_time_datetime);
PG_FUNCTION_INFO_V1(authz_run_time_duration);
PG_FUNCTION_INFO_V1(authz_run_time_ip);
PG_FUNCTION_INFO_V1(authz_run_time_texts);
PG_FUNCTION_INFO_V1(authz_run_time_longs);
PG_FUNCTION_INFO_V1(authz_run_time_id);
PG_FUNCTION_INFO_V1(authz_run_time_long_id);
PG_FUNCTION_INFO_V1(authz_run_time_uuid_id);
PG_FUNCTION_INFO_V1(authz_run_time_ids);
PG_FUNCTION_INFO_V1(authz_run_time_long_ids);
PG_FUNCTION_INFO_V1(authz_run_time_uuid_ids);

/* ------------------------------------------------------------------ the seal */

static void
seal(const void *data, size_t len, uint8 *out)
{
	static uint8 key[PG_SHA256_DIGEST_LENGTH];
	static bool have_key = false;
	pg_hmac_ctx *ctx;

	if (!have_key)
	{
		if (!pg_strong_random(key, sizeof(key)))
			ereport(ERROR,
					(errcode(ERRCODE_INTERNAL_ERROR),
					 errmsg("could not make a random key")));
		have_key = true;
	}
	ctx = pg_hmac_create(PG_SHA256);
	if (ctx == NULL || pg_hmac_init(ctx, key, sizeof(key)) < 0 ||
		pg_hmac_update(ctx, data, len) < 0 ||
		pg_hmac_final(ctx, out, PG_SHA256_DIGEST_LENGTH) < 0)
	{
		pg_hmac_free(ctx);
		elog(ERROR, "could not compute an HMAC");
	}
	pg_hmac_free(ctx);
}

/* Constant in time. */
static bool
seal_is(const void *data, size_t len, const uint8 *given)
{
	uint8		right[PG_SHA256_DIGEST_LENGTH];
	uint8		differ = 0;

	seal(data, len, right);
	for (int i = 0; i < PG_SHA256_DIGEST_LENGTH; i++)
		differ |= right[i] ^ given[i];
	return differ == 0;
}

static void
seal_broken(void)
{
	ereport(ERROR,
			(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
			 errmsg("this function is for plans of protected tables alone")));
}

static char *
hex_literal(const uint8 *mac, const void *data, size_t len)
{
	StringInfoData s;

	initStringInfo(&s);
	appendStringInfoString(&s, "'\\x");
	for (int i = 0; i < PG_SHA256_DIGEST_LENGTH; i++)
		appendStringInfo(&s, "%02x", mac[i]);
	for (size_t i = 0; i < len; i++)
		appendStringInfo(&s, "%02x", ((const uint8 *) data)[i]);
	appendStringInfoString(&s, "'::bytea");
	return s.data;
}

char *
authz_protect_token(const CedarPiece *piece, size_t size)
{
	uint8		mac[PG_SHA256_DIGEST_LENGTH];

	seal(piece, size, mac);
	return hex_literal(mac, piece, size);
}

char *
authz_protect_seal(const char *text)
{
	uint8		mac[PG_SHA256_DIGEST_LENGTH];

	seal(text, strlen(text), mac);
	return hex_literal(mac, NULL, 0);
}

static void
policies_have_changed(const char *set)
{
	ereport(ERROR,
			(errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
			 errmsg("policies have changed since the statement was planned"),
			 errdetail("Policy set \"%s\".", set),
			 errhint("Run the statement again.")));
}

/* ------------------------------------------------------------ who is asking */

/*
 * Who is asking for as long as one query is being executed: a query that changes
 * it (by set_config, say) must not be answered for the one in part and for the
 * other in part.  An execution is known by the memory context of its expressions.
 */
typedef struct Asking
{
	dlist_node	node;
	MemoryContextCallback callback;
	MemoryContext cxt;
	Datum		principal;
	bool		anybody;
} Asking;

static dlist_head askings = DLIST_STATIC_INIT(askings);

static void
asking_end(void *arg)
{
	dlist_delete(&((Asking *) arg)->node);
}

static bool
principal_of_execution(FunctionCallInfo fcinfo, Datum *principal)
{
	MemoryContext cxt = fcinfo->flinfo->fn_mcxt;
	bool		anybody = authz_principal_now(principal);
	MemoryContext old;
	Asking	   *asking;
	dlist_iter	iter;

	dlist_foreach(iter, &askings)
	{
		asking = dlist_container(Asking, node, iter.cur);
		if (asking->cxt != cxt)
			continue;
		if (asking->anybody != anybody ||
			(anybody && !datumIsEqual(asking->principal, *principal, false, -1)))
			ereport(ERROR,
					(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
					 errmsg("who is asking has changed within a statement")));
		return anybody;
	}
	old = MemoryContextSwitchTo(cxt);
	asking = palloc0(sizeof(Asking));
	asking->cxt = cxt;
	asking->anybody = anybody;
	if (anybody)
		asking->principal = datumCopy(*principal, false, -1);
	MemoryContextSwitchTo(old);
	asking->callback.func = asking_end;
	asking->callback.arg = asking;
	dlist_push_head(&askings, &asking->node);
	MemoryContextRegisterResetCallback(cxt, &asking->callback);
	return anybody;
}

/* ------------------------------------------------- values of the principal */

typedef struct RunTime
{
	CedarArena *arena;
	AuthzEntityReader *reader;
	CedarEntitySource source;
	CedarError	err;
	CedarEval	eval;
	CedarRequest request;
	CedarValue	value;
} RunTime;

/* Evaluate argument 0; false when it fails, or nobody is asking. */
static bool
run_time_begin(RunTime *r, FunctionCallInfo fcinfo)
{
	bytea	   *token = PG_GETARG_BYTEA_PP(0);
	size_t		len = VARSIZE_ANY_EXHDR(token);
	size_t		size = len - PG_SHA256_DIGEST_LENGTH;
	Datum		principal;
	char	   *piece;
	CedarCode	code;

	if (len <= PG_SHA256_DIGEST_LENGTH ||
		!seal_is(VARDATA_ANY(token) + PG_SHA256_DIGEST_LENGTH, size, (uint8 *) VARDATA_ANY(token)))
		seal_broken();
	memset(r, 0, sizeof(*r));
	if (!principal_of_execution(fcinfo, &principal))
		return false;
	r->arena = authz_arena_create(CurrentMemoryContext);
	piece = cedar_arena_alloc(r->arena, size);
	if (piece == NULL)
		ereport(ERROR, (errcode(ERRCODE_OUT_OF_MEMORY), errmsg("out of memory")));
	memcpy(piece, VARDATA_ANY(token) + PG_SHA256_DIGEST_LENGTH, size);
	r->request.principal = authz_uid_to_cedar(r->arena, principal);
	/* Nothing but the principal is left in it. */
	r->request.action = r->request.resource = r->request.principal;
	r->request.context = cedar_record_make(r->arena, NULL, 0, NULL);
	if (r->request.context == NULL)
		ereport(ERROR, (errcode(ERRCODE_OUT_OF_MEMORY), errmsg("out of memory")));
	r->reader = authz_entity_begin(authz_statement(), NULL, &r->source);
	cedar_eval_init(&r->eval, r->arena, &r->source, &r->request, &r->err);
	code = cedar_eval_value(&r->eval, (const CedarPiece *) piece, &r->value);
	if (code != CEDAR_OK && !cedar_is_policy_error(code))
		authz_raise(&r->err, AUTHZ_TEXT_UID, NULL, 0, NULL, NULL);
	return code == CEDAR_OK;
}

static void
run_time_end(RunTime *r)
{
	if (r->reader != NULL)
		authz_entity_end(r->reader);
	if (r->arena != NULL)
		cedar_arena_destroy(r->arena);
}

/*
 * What a call in a plan gave, for its other rows.  It lives as long as the plan is
 * being executed, and so under one snapshot and for one who is asking.  Where an expression is kept from
 * one execution to the next (a simple one of PL/pgSQL), the snapshot tells.
 */
typedef struct RunTimeKept
{
	Snapshot	snapshot;
	TransactionId xmin;
	TransactionId xmax;
	CommandId	curcid;
	LocalTransactionId lxid;
	bool		isnull;
	Datum		value;
} RunTimeKept;

static bool
run_time_kept(FunctionCallInfo fcinfo, Datum *value)
{
	RunTimeKept *kept = fcinfo->flinfo->fn_extra;
	Snapshot	snapshot;

	if (kept == NULL)
		return false;
	snapshot = GetActiveSnapshot();
	if (kept->snapshot != snapshot || kept->curcid != snapshot->curcid ||
		kept->xmin != snapshot->xmin || kept->xmax != snapshot->xmax ||
		kept->lxid != authz_my_lxid())
		return false;
	fcinfo->isnull = kept->isnull;
	*value = kept->value;
	return true;
}

static Datum
run_time_keep(FunctionCallInfo fcinfo, bool isnull, Datum value, bool byval, int16 len)
{
	RunTimeKept *kept = fcinfo->flinfo->fn_extra;
	Snapshot	snapshot = GetActiveSnapshot();
	MemoryContext old = MemoryContextSwitchTo(fcinfo->flinfo->fn_mcxt);

	if (kept == NULL)
		fcinfo->flinfo->fn_extra = kept = palloc0(sizeof(RunTimeKept));
	kept->snapshot = snapshot;
	kept->xmin = snapshot->xmin;
	kept->xmax = snapshot->xmax;
	kept->curcid = snapshot->curcid;
	kept->lxid = authz_my_lxid();
	kept->isnull = isnull;
	kept->value = isnull ? (Datum) 0 : datumCopy(value, byval, len);
	MemoryContextSwitchTo(old);
	fcinfo->isnull = isnull;
	return kept->value;
}

#define RUN_TIME_BEGIN() \
	Datum		kept_; \
	if (run_time_kept(fcinfo, &kept_)) \
		return kept_

/* Give back an expression of r, or null. */
#define RUN_TIME_RETURN(r, fits, datum, byval, len) \
	do { \
		bool		fits_ = (fits); \
		Datum		datum_ = fits_ ? (datum) : (Datum) 0; \
		run_time_end(r); \
		return run_time_keep(fcinfo, !fits_, datum_, byval, len); \
	} while (0)

/*
 * Refuse a plan that was kept from before a change of policies.  The change's
 * invalidation throws it away, but a transaction that holds the locks of all the
 * plan's tables looks for none.  What was planned for the very query that runs is
 * as old as the query.
 */
static void
refuse_older_plan(int64 version, TimestampTz planned)
{
	TimestampTz started = ActivePortal != NULL ? ActivePortal->creation_time :
		GetCurrentStatementStartTimestamp();

	if (authz_policy_get(authz_statement(), authz_policy_set)->version == version)
		return;
	AcceptInvalidationMessages();
	if (planned < started)
		policies_have_changed(authz_policy_set);
}

/* Is anybody asking?  Raises when the plan is for other policies. */
Datum
authz_run_time_asked(PG_FUNCTION_ARGS)
{
	Datum		principal;
	RUN_TIME_BEGIN();

	if (strcmp(text_to_cstring(PG_GETARG_TEXT_PP(0)), authz_policy_set) != 0)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("the setting authz.policy_set has changed since the statement was planned"),
				 errhint("Prepare the statement again, or DISCARD PLANS.")));
	refuse_older_plan(PG_GETARG_INT64(1), PG_GETARG_INT64(2));
	return run_time_keep(fcinfo, false, BoolGetDatum(principal_of_execution(fcinfo, &principal)), true, 1);
}

Datum
authz_run_time_bool(PG_FUNCTION_ARGS)
{
	RunTime		r;
	bool		ok;
	RUN_TIME_BEGIN();

	ok = run_time_begin(&r, fcinfo);

	RUN_TIME_RETURN(&r, ok && r.value.kind == CEDAR_BOOL, BoolGetDatum(r.value.u.i != 0), true, 1);
}

/* Does it not fail, and is it of this kind? */
Datum
authz_run_time_is(PG_FUNCTION_ARGS)
{
	RunTime		r;
	bool		ok;
	char	   *kind;
	RUN_TIME_BEGIN();

	ok = run_time_begin(&r, fcinfo);
	kind = text_to_cstring(PG_GETARG_TEXT_PP(1));
	if (strcmp(kind, "entity") == 0)
		ok = ok && r.value.kind == CEDAR_ENTITY;
	else if (strcmp(kind, "set") == 0)
		ok = ok && r.value.kind == CEDAR_SET;
	RUN_TIME_RETURN(&r, true, BoolGetDatum(ok), true, 1);
}

Datum
authz_run_time_long(PG_FUNCTION_ARGS)
{
	RunTime		r;
	bool		ok;
	RUN_TIME_BEGIN();

	ok = run_time_begin(&r, fcinfo);

	RUN_TIME_RETURN(&r, ok && r.value.kind == CEDAR_LONG, Int64GetDatum(r.value.u.i), true, 8);
}

/* No text of PostgreSQL has a NUL, so no column has. */
static bool
is_text(const CedarValue *v)
{
	return v->kind == CEDAR_STRING && memchr(v->u.str->bytes, '\0', v->u.str->len) == NULL;
}

static Datum
text_datum(const char *s, size_t len)
{
	return PointerGetDatum(cstring_to_text_with_len(s, len));
}

Datum
authz_run_time_text(PG_FUNCTION_ARGS)
{
	RunTime		r;
	bool		ok;
	RUN_TIME_BEGIN();

	ok = run_time_begin(&r, fcinfo);

	RUN_TIME_RETURN(&r, ok && is_text(&r.value), text_datum(r.value.u.str->bytes, r.value.u.str->len), false, -1);
}

Datum
authz_run_time_decimal(PG_FUNCTION_ARGS)
{
	RunTime		r;
	bool		ok;
	RUN_TIME_BEGIN();

	ok = run_time_begin(&r, fcinfo);

	RUN_TIME_RETURN(&r, ok && r.value.kind == CEDAR_DECIMAL,
					DirectFunctionCall2(numeric_div, NumericGetDatum(int64_to_numeric(r.value.u.i)),
										NumericGetDatum(int64_to_numeric(10000))), false, -1);
}

Datum
authz_run_time_datetime(PG_FUNCTION_ARGS)
{
	RunTime		r;
	bool		ok;
	RUN_TIME_BEGIN();

	ok = run_time_begin(&r, fcinfo);

	RUN_TIME_RETURN(&r, ok && r.value.kind == CEDAR_DATETIME, Int64GetDatum(r.value.u.i), true, 8);
}

Datum
authz_run_time_duration(PG_FUNCTION_ARGS)
{
	RunTime		r;
	bool		ok;
	RUN_TIME_BEGIN();

	ok = run_time_begin(&r, fcinfo);

	RUN_TIME_RETURN(&r, ok && r.value.kind == CEDAR_DURATION, Int64GetDatum(r.value.u.i), true, 8);
}

static Datum
ip_datum(const CedarIp *ip)
{
	inet	   *address = palloc0(sizeof(inet));

	ip_family(address) = ip->is_v6 ? PGSQL_AF_INET6 : PGSQL_AF_INET;
	ip_bits(address) = ip->prefix;
	memcpy(ip_addr(address), ip->addr, ip_addrsize(address));
	SET_INET_VARSIZE(address);
	return InetPGetDatum(address);
}

Datum
authz_run_time_ip(PG_FUNCTION_ARGS)
{
	RunTime		r;
	bool		ok;
	RUN_TIME_BEGIN();

	ok = run_time_begin(&r, fcinfo);

	RUN_TIME_RETURN(&r, ok && r.value.kind == CEDAR_IPADDR, ip_datum(r.value.u.ip), false, -1);
}

/* ---------------------------------------------------------- sets and uids */

/* A growing array of one element type. */
typedef struct Elements
{
	Oid			type;
	int			n;
	int			cap;
	Datum	   *at;
} Elements;

static void
element_add(Elements *e, Datum value)
{
	if (e->n == e->cap)
	{
		e->cap = Max(16, 2 * e->cap);
		e->at = e->at == NULL ? palloc(e->cap * sizeof(Datum)) : repalloc(e->at, e->cap * sizeof(Datum));
	}
	e->at[e->n++] = value;
}

static Datum
elements_array(Elements *e)
{
	int16		len;
	bool		byval;
	char		align;

	get_typlenbyvalalign(e->type, &len, &byval, &align);
	return PointerGetDatum(construct_array(e->at, e->n, e->type, len, byval, align));
}

static Datum
set_elements(FunctionCallInfo fcinfo, CedarKind kind, Oid type)
{
	RunTime		r;
	Elements	e = {.type = type};
	bool		ok;
	RUN_TIME_BEGIN();

	ok = run_time_begin(&r, fcinfo) && r.value.kind == CEDAR_SET;

	for (uint32 i = 0; ok && i < r.value.u.set->n; i++)
	{
		CedarValue	v = cedar_slot_value(&r.value.u.set->elems[i]);

		if (v.kind != kind)
			continue;
		if (kind == CEDAR_LONG)
			element_add(&e, Int64GetDatum(v.u.i));
		else if (is_text(&v))
			element_add(&e, text_datum(v.u.str->bytes, v.u.str->len));
	}
	RUN_TIME_RETURN(&r, ok, elements_array(&e), false, -1);
}

Datum
authz_run_time_texts(PG_FUNCTION_ARGS)
{
	return set_elements(fcinfo, CEDAR_STRING, TEXTOID);
}

Datum
authz_run_time_longs(PG_FUNCTION_ARGS)
{
	return set_elements(fcinfo, CEDAR_LONG, INT8OID);
}

/* The id of a uid of this type, where it is the canonical text of a value. */
static void
id_add(Elements *e, const CedarUid *uid, const CedarStr *type)
{
	const char *id = uid->bytes + uid->type_len;
	char	   *text;
	char	   *end;
	int64		i;

	if (!cedar_uid_has_type(uid, type) || memchr(id, '\0', uid->id_len) != NULL)
		return;
	text = pnstrdup(id, uid->id_len);
	switch (e->type)
	{
		case INT8OID:
			errno = 0;
			i = strtoll(text, &end, 10);
			if (errno == 0 && strcmp(psprintf(INT64_FORMAT, i), text) == 0)
				element_add(e, Int64GetDatum(i));
			break;
		case UUIDOID:
			if (uid->id_len != 36)
				return;
			for (int k = 0; k < 36; k++)
			{
				if (k == 8 || k == 13 || k == 18 || k == 23 ? text[k] != '-' :
					!((text[k] >= '0' && text[k] <= '9') || (text[k] >= 'a' && text[k] <= 'f')))
					return;
			}
			element_add(e, DirectFunctionCall1(uuid_in, CStringGetDatum(text)));
			break;
		default:
			element_add(e, text_datum(id, uid->id_len));
	}
}

/*
 * Ids of entities of a type: "in" the value, itself and what it is in, "of" a
 * set; or the one id that the value itself is.
 */
static Datum
value_ids(FunctionCallInfo fcinfo, Oid element, bool one)
{
	RunTime		r;
	Elements	e = {.type = element};
	bool		ok;
	text	   *name = PG_GETARG_TEXT_PP(1);
	const char *mode = one ? "is" : text_to_cstring(PG_GETARG_TEXT_PP(2));
	const CedarStr *type;
	RUN_TIME_BEGIN();

	ok = run_time_begin(&r, fcinfo);
	if (!ok)
		RUN_TIME_RETURN(&r, false, (Datum) 0, true, 8);
	type = cedar_str_make(r.arena, VARDATA_ANY(name), VARSIZE_ANY_EXHDR(name));
	if (type == NULL)
		ereport(ERROR, (errcode(ERRCODE_OUT_OF_MEMORY), errmsg("out of memory")));
	if (strcmp(mode, "of") == 0)
	{
		ok = r.value.kind == CEDAR_SET;
		for (uint32 i = 0; ok && i < r.value.u.set->n; i++)
		{
			CedarValue	v = cedar_slot_value(&r.value.u.set->elems[i]);

			if (v.kind == CEDAR_ENTITY)
				id_add(&e, v.u.uid, type);
		}
	}
	else if (r.value.kind == CEDAR_ENTITY)
		id_add(&e, r.value.u.uid, type);
	if (strcmp(mode, "in") == 0)
	{
		CedarEntity *entity = NULL;
		CedarCode	code = CEDAR_OK;

		ok = r.value.kind == CEDAR_ENTITY;
		if (ok)
			code = r.source.find(r.source.userdata, r.value.u.uid, &entity, &r.err);
		if (code == CEDAR_OK && entity != NULL && entity->n_parents > 0 && entity->ancestors == NULL)
			code = cedar_entity_ancestors(&r.source, entity, &r.err);
		if (code != CEDAR_OK)
			authz_raise(&r.err, AUTHZ_TEXT_UID, NULL, 0, NULL, NULL);
		if (entity != NULL && entity->ancestors != NULL)
			for (uint32 i = 0; i < entity->ancestors->cap; i++)
				if (entity->ancestors->slots[i] != NULL)
					id_add(&e, entity->ancestors->slots[i], type);
	}
	if (one)
		RUN_TIME_RETURN(&r, e.n == 1, e.at[0], element == INT8OID, element == INT8OID ? 8 : element == UUIDOID ? UUID_LEN : -1);
	RUN_TIME_RETURN(&r, ok, elements_array(&e), false, -1);
}

Datum
authz_run_time_ids(PG_FUNCTION_ARGS)
{
	return value_ids(fcinfo, TEXTOID, false);
}

Datum
authz_run_time_long_ids(PG_FUNCTION_ARGS)
{
	return value_ids(fcinfo, INT8OID, false);
}

Datum
authz_run_time_uuid_ids(PG_FUNCTION_ARGS)
{
	return value_ids(fcinfo, UUIDOID, false);
}

Datum
authz_run_time_id(PG_FUNCTION_ARGS)
{
	return value_ids(fcinfo, TEXTOID, true);
}

Datum
authz_run_time_long_id(PG_FUNCTION_ARGS)
{
	return value_ids(fcinfo, INT8OID, true);
}

Datum
authz_run_time_uuid_id(PG_FUNCTION_ARGS)
{
	return value_ids(fcinfo, UUIDOID, true);
}

/* ---------------------------------------------------- a row as it is handed in */

typedef struct RowSource
{
	CedarEntitySource below;
	const CedarUid *uid;
	CedarEntity *entity;
} RowSource;

static CedarCode
row_find(void *userdata, const CedarUid *uid, CedarEntity **entity, CedarError *err)
{
	RowSource  *row = userdata;

	if (!cedar_uid_equal(uid, row->uid))
		return row->below.find(row->below.userdata, uid, entity, err);
	*entity = row->entity;
	return CEDAR_OK;
}

/* The record's values where the mapping looks for its columns. */
static TupleTableSlot *
row_slot(AuthzMapTable *table, HeapTupleHeader record)
{
	TupleDesc	from = lookup_rowtype_tupdesc(HeapTupleHeaderGetTypeId(record),
											  HeapTupleHeaderGetTypMod(record));
	HeapTupleData tuple = {.t_len = HeapTupleHeaderGetDatumLength(record),.t_data = record};
	Datum	   *values = palloc(from->natts * sizeof(Datum));
	bool	   *nulls = palloc(from->natts * sizeof(bool));
	int			natts = 0;
	TupleDesc	desc;
	TupleTableSlot *slot;

	ItemPointerSetInvalid(&tuple.t_self);
	heap_deform_tuple(&tuple, from, values, nulls);
	for (int i = 0; i < table->n_columns; i++)
		natts = Max(natts, table->columns[i].attnum);
	desc = CreateTemplateTupleDesc(natts);
	for (int i = 1; i <= natts; i++)
		TupleDescInitEntry(desc, i, "unused", INT4OID, -1, 0);
	slot = MakeSingleTupleTableSlot(desc, &TTSOpsVirtual);
	memset(slot->tts_isnull, true, natts * sizeof(bool));
	memset(slot->tts_values, 0, natts * sizeof(Datum));
	for (int i = 0; i < table->n_columns; i++)
	{
		AuthzColumn *column = &table->columns[i];
		const char *name = authz_filter_base_column(table, column);
		int			k = 0;

		while (k < from->natts && (TupleDescAttr(from, k)->attisdropped ||
								   strcmp(NameStr(TupleDescAttr(from, k)->attname), name) != 0))
			k++;
		if (k == from->natts)
			ereport(ERROR,
					(errcode(ERRCODE_UNDEFINED_COLUMN),
					 errmsg("the row has no column \"%s\"", name),
					 errdetail("It is not one of the table that the entity type is mapped to.")));
		/* Anybody may hand in a row of their own making. */
		if (!authz_column_has_type(column, TupleDescAttr(from, k)->atttypid))
			ereport(ERROR,
					(errcode(ERRCODE_DATATYPE_MISMATCH),
					 errmsg("column \"%s\" of the row has another type than in the table", name),
					 errdetail("It is %s.", format_type_be(TupleDescAttr(from, k)->atttypid))));
		slot->tts_values[column->attnum - 1] = values[k];
		slot->tts_isnull[column->attnum - 1] = nulls[k];
	}
	ExecStoreVirtualTuple(slot);
	ReleaseTupleDesc(from);
	return slot;
}

/* One decision about a row that is handed in, by these policies. */
static bool
row_decide(AuthzStatement *statement, const AuthzPolicyVersion *version, const CedarPolicies *policies,
		   CedarArena *arena, Datum principal, const CedarUid *action, const char *type,
		   HeapTupleHeader record, bool *satisfied)
{
	AuthzMaps  *maps = authz_maps_acquire(CurrentMemoryContext);
	const CedarUid *probe;
	AuthzMapping *mapping;
	TupleTableSlot *slot;
	AuthzRowReader rows = {.snapshot = GetActiveSnapshot()};
	AuthzEntityReader *reader;
	CedarEntities *none;
	RowSource	row;
	CedarEntitySource source = {.find = row_find,.userdata = &row};
	CedarRequest request;
	CedarDecision decision;
	CedarError	err;

	if (cedar_uid_make(arena, type, strlen(type), "", 0, &probe, &err) != CEDAR_OK)
		authz_raise(&err, AUTHZ_TEXT_UID, NULL, 0, "entity type", NULL);
	mapping = maps == NULL ? NULL : authz_maps_find(maps, probe);
	if (mapping == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("entity type \"%s\" is not mapped to a table", type),
				 errhint("Call map_entity_type, or unprotect_table.")));
	slot = row_slot(mapping->table, record);
	row.uid = authz_row_uid(mapping, slot, arena);
	/* An overlay of nothing: what is read is remembered for this decision alone. */
	if (cedar_entities_from_json(arena, "[]", 2, &none, &err) != CEDAR_OK)
		authz_raise(&err, AUTHZ_TEXT_UID, NULL, 0, NULL, NULL);
	reader = authz_entity_begin(statement, none, &row.below);
	row.entity = authz_row_entity(mapping, slot, arena, row.uid);
	authz_row_links(&rows, mapping, arena, row.entity);
	source.arena = row.below.arena;
	authz_schema_overlay(version->schema, arena, &source);
	request.principal = authz_uid_to_cedar(arena, principal);
	request.action = action;
	request.resource = row.uid;
	request.context = cedar_record_make(arena, NULL, 0, NULL);
	if (request.context == NULL)
		ereport(ERROR, (errcode(ERRCODE_OUT_OF_MEMORY), errmsg("out of memory")));
	if (cedar_decide(arena, policies, &source, &request, satisfied != NULL, &decision, &err) != CEDAR_OK)
		authz_raise(&err, AUTHZ_TEXT_UID, NULL, 0, NULL, psprintf("Policy set \"%s\".", version->set));
	if (satisfied != NULL)
		*satisfied = decision.n_reasons > 0;
	authz_row_end(&rows);
	authz_entity_end(reader);
	ExecDropSingleTupleTableSlot(slot);
	return decision.allow;
}

/*
 * protected(action, entity_type, mapped_row) → boolean: may who is asking do
 * this with the entity that the row is?
 */
Datum
authz_protected(PG_FUNCTION_ARGS)
{
	CedarArena *arena;
	AuthzStatement *statement;
	const AuthzPolicyVersion *version;
	Datum		principal;
	bool		allow;

	if (!principal_of_execution(fcinfo, &principal))
		PG_RETURN_BOOL(false);
	arena = authz_arena_create(CurrentMemoryContext);
	statement = authz_statement();
	version = authz_policy_get(statement, authz_policy_set);
	allow = row_decide(statement, version, &version->policies, arena, principal,
					   authz_uid_to_cedar(arena, PG_GETARG_DATUM(0)),
					   text_to_cstring(PG_GETARG_TEXT_PP(1)), PG_GETARG_HEAPTUPLEHEADER(2), NULL);
	cedar_arena_destroy(arena);
	PG_RETURN_BOOL(allow);
}

/*
 * protected_policy(seal, policy_set, version, policy_id, action, entity_type,
 * mapped_row) → boolean: is this one policy satisfied?
 */
Datum
authz_protected_policy(PG_FUNCTION_ARGS)
{
	bytea	   *mac = PG_GETARG_BYTEA_PP(0);
	char	   *set = text_to_cstring(PG_GETARG_TEXT_PP(1));
	int64		number = PG_GETARG_INT64(2);
	text	   *id = PG_GETARG_TEXT_PP(3);
	char	   *type = text_to_cstring(PG_GETARG_TEXT_PP(5));
	CedarArena *arena = authz_arena_create(CurrentMemoryContext);
	const CedarUid *action = authz_uid_to_cedar(arena, PG_GETARG_DATUM(4));
	AuthzStatement *statement;
	const AuthzPolicyVersion *version;
	CedarPolicy policy;
	CedarPolicies one = {.array = &policy,.n = 1};
	Datum		principal;
	char	   *text;
	bool		satisfied;

	text = authz_filter_sealed_text(set, number, text_to_cstring(id), action, type);
	if (VARSIZE_ANY_EXHDR(mac) != PG_SHA256_DIGEST_LENGTH ||
		!seal_is(text, strlen(text), (uint8 *) VARDATA_ANY(mac)))
		seal_broken();
	if (!principal_of_execution(fcinfo, &principal))
		PG_RETURN_BOOL(false);
	statement = authz_statement();
	version = authz_policy_get(statement, set);
	/* The plan's conditions and this call have to be of one version. */
	if (version->version != number || !authz_filter_find_policy(version, id, &policy))
		policies_have_changed(set);
	row_decide(statement, version, &one, arena, principal, action, type,
			   PG_GETARG_HEAPTUPLEHEADER(6), &satisfied);
	cedar_arena_destroy(arena);
	PG_RETURN_BOOL(satisfied);
}

/*
 * protected_where(entity_type) → text: the mapping's own condition, for the
 * table by its own name; null when there is none.
 */
Datum
authz_protected_where(PG_FUNCTION_ARGS)
{
	char	   *where = authz_filter_mapping_where(text_to_cstring(PG_GETARG_TEXT_PP(0)));

	if (where == NULL)
		PG_RETURN_NULL();
	PG_RETURN_TEXT_P(cstring_to_text(where));
}

/* ------------------------------------------------------------- the planner */

/* Parse a condition on one table, called alias, whatever the caller's path is. */
static Node *
condition_parse(const char *condition, Oid relid, const char *alias, Oid check_as)
{
	char	   *sql = psprintf("SELECT 1 FROM %s AS %s WHERE %s",
							   quote_qualified_identifier(get_namespace_name(get_rel_namespace(relid)),
														  get_rel_name(relid)),
							   quote_identifier(alias), condition);
	int			level = authz_settings_pin();
	List	   *raw = pg_parse_query(sql);
	Query	   *query = parse_analyze_fixedparams(linitial_node(RawStmt, raw), sql, NULL, 0, NULL);

	/* The mappings' views are read with the rights that decisions read with. */
	if (OidIsValid(check_as))
		setRuleCheckAsUser(query->jointree->quals, check_as);
	query = linitial_node(Query, QueryRewrite(query));
	authz_settings_unpin(level);
	return query->jointree->quals;
}

/* Queries of one table in another, and so on, as people write them. */
#define NESTED_MAX 16

/*
 * The condition may read the table itself by the mapping's view: with rights to
 * which row-level security applies, there it is again.
 */
static void
refuse_recursion(const PlannerInfo *root, Oid relid)
{
	int			n = 0;

	for (root = root->parent_root; root != NULL; root = root->parent_root)
	{
		ListCell   *lc;

		foreach(lc, root->parse->rtable)
		{
			if (lfirst_node(RangeTblEntry, lc)->relid != relid)
				continue;
			n++;
			break;
		}
	}
	if (n > NESTED_MAX)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_OBJECT_DEFINITION),
				 errmsg("infinite recursion detected in policy for relation \"%s\"", get_rel_name(relid)),
				 errdetail("The policies ask what rows of the table are in, and its mapping is read with rights to which row-level security applies."),
				 errhint("Let the owner of the table, or a role with BYPASSRLS, map it, and not as \"invoker\".")));
}

static Node *
protected_simplify(SupportRequestSimplify *request)
{
	FuncExpr   *call = request->fcall;
	Const	   *action;
	Const	   *type;
	Var		   *row;
	RangeTblEntry *rte;
	Oid			check_as;
	char	   *condition;
	Node	   *node;

	if (request->root == NULL || list_length(call->args) != 3 ||
		!IsA(linitial(call->args), Const) || !IsA(lsecond(call->args), Const) ||
		!IsA(lthird(call->args), Var))
		return NULL;
	action = linitial_node(Const, call->args);
	type = lsecond_node(Const, call->args);
	row = lthird_node(Var, call->args);
	if (action->constisnull || type->constisnull || row->varattno != InvalidAttrNumber ||
		row->varlevelsup != 0 || row->varno > list_length(request->root->parse->rtable) ||
		!ActiveSnapshotSet())
		return NULL;
	rte = rt_fetch(row->varno, request->root->parse->rtable);
	if (rte->rtekind != RTE_RELATION)
		return NULL;
	refuse_recursion(request->root, rte->relid);
	condition = authz_filter_for_anyone(action->constvalue, TextDatumGetCString(type->constvalue),
										rte->relid, "authz$row", &check_as);
	if (condition == NULL)
		return NULL;
	node = condition_parse(condition, rte->relid, "authz$row", check_as);
	ChangeVarNodes(node, 1, row->varno, 0);
	if (checkExprHasSubLink(node))
		request->root->parse->hasSubLinks = true;
	/* A change of policies, or of mappings, throws the plan away. */
	request->root->glob->relationOids =
		lappend_oid(lappend_oid(request->root->glob->relationOids, authz_relations()->policy_proxy),
					authz_relations()->entity_mappings);
	return eval_const_expressions(request->root, node);
}

Datum
authz_protected_support(PG_FUNCTION_ARGS)
{
	Node	   *request = (Node *) PG_GETARG_POINTER(0);
	Node	   *result = NULL;

	if (IsA(request, SupportRequestSimplify))
		result = protected_simplify((SupportRequestSimplify *) request);
	PG_RETURN_POINTER(result);
}
