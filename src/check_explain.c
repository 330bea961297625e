/*-------------------------------------------------------------------------
 *
 * check_explain.c
 *	  Why a request is decided as it is, over the stored policies.
 *
 * The version of the policies is the statement's, as for a decision; their
 * texts are in the table alone and are read as of now.  A text is used only if
 * it compiles to the very policy that was asked: one that was changed in
 * between has no expression and no position in the answer, never wrong ones.
 *
 * What the explanations refer to lives in the memory of entities: everything
 * is written out before the reader of entities is closed.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"
#include "compat.h"

#include "fmgr.h"
#include "funcapi.h"
#include "lib/stringinfo.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/jsonb.h"
#include "utils/snapmgr.h"

#include "cedar/explain.h"
#include "check.h"
#include "entity.h"
#include "entity_uid.h"
#include "error.h"
#include "host.h"
#include "policy.h"
#include "policy_schema.h"
#include "policy_store.h"
#include "relation.h"
#include "statement.h"

#define ARG_ALL_POLICIES (AUTHZ_ARG_POLICY_SET + 1)

/* What the readable form has at most. */
#define TEXT_POLICIES	10
#define TEXT_EXPRESSION	200		/* bytes of an expression */
#define TEXT_ELEMENTS	10		/* of one value */

typedef struct Explain
{
	CedarArena *arena;
	CedarRequest request;
	const AuthzPolicyVersion *version;
	AuthzEntityReader *reader;
	CedarExplanation *explanations; /* most telling first */
	uint32		n;
	bool		permitted;
	bool		forbidden;
} Explain;

/* A policy with its explanation and, when it is still the one asked, its text. */
typedef struct Explained
{
	const CedarExplanation *x;
	CedarPolicy policy;
	char	   *id;
	bool		forbid;
	char	   *text;			/* or NULL */
	size_t		len;
	bool		has_position;
	size_t		offset;
	size_t		length;
} Explained;

PG_FUNCTION_INFO_V1(authz_explain);
PG_FUNCTION_INFO_V1(authz_explain_text);

/* -------------------------------------------------------------- explaining */

/* See explain_rank; of the scope three parts can miss. */
#define RANK_FORBIDS	0
#define RANK_PERMITS	1
#define RANK_FAILURES	2
#define FIRST_MISS		3
#define RANKS			(FIRST_MISS + 2 * 3 + 2)

static bool
explain_is_forbid(const Explain *e, const CedarExplanation *x)
{
	CedarPolicy policy;

	cedar_policies_get(&e->version->policies, x->policy, &policy);
	return cedar_piece_is_forbid(policy.piece);
}

/*
 * Those that decide first, then failures, then what is nearest to count: the
 * scope matches, or little of it does not.  By id among equals, in which order
 * they are already.
 */
static uint32
explain_rank(const Explain *e, const CedarExplanation *x)
{
	bool		forbid = explain_is_forbid(e, x);

	switch (x->outcome)
	{
		case CEDAR_SATISFIED:
			return forbid ? RANK_FORBIDS : RANK_PERMITS;
		case CEDAR_FAILED:
			return RANK_FAILURES;
		case CEDAR_UNSATISFIED:
			break;
	}
	return FIRST_MISS + 2 * (x->part <= CEDAR_PART_RESOURCE ? x->missed : 0) + forbid;
}

/* Explain what the arguments ask; explain_end when all is written out. */
static void
explain_begin(FunctionCallInfo fcinfo, bool all, Explain *e)
{
	AuthzStatement *statement;
	CedarEntitySource source;
	CedarEntities *overlay;
	CedarExplanation *found;
	uint32		starts[RANKS + 1] = {0};
	CedarError	err;

	memset(e, 0, sizeof(*e));
	e->arena = authz_arena_create(CurrentMemoryContext);
	statement = authz_statement();
	e->version = authz_check_version(fcinfo, AUTHZ_ARG_POLICY_SET, statement);
	authz_check_request(fcinfo, e->arena, e->version, &e->request, &overlay);
	e->reader = authz_entity_begin(statement, overlay, &source);
	authz_schema_overlay(e->version->schema, e->arena, &source);
	if (cedar_explain(e->arena, &e->version->policies, all, &source, &e->request,
					  &found, &e->n, &err) != CEDAR_OK)
		authz_raise(&err, AUTHZ_TEXT_UID, NULL, 0, NULL,
					psprintf("Policy set \"%s\".", e->version->set));

	/* a stable sort by rank, of which there are few */
	e->explanations = MemoryContextAllocHuge(CurrentMemoryContext,
											 Max(e->n, 1) * sizeof(CedarExplanation));
	for (uint32 i = 0; i < e->n; i++)
		starts[explain_rank(e, &found[i]) + 1]++;
	for (int r = 1; r <= RANKS; r++)
		starts[r] += starts[r - 1];
	for (uint32 i = 0; i < e->n; i++)
	{
		uint32		rank = explain_rank(e, &found[i]);

		e->forbidden |= rank == RANK_FORBIDS;
		e->permitted |= rank == RANK_PERMITS;
		e->explanations[starts[rank]++] = found[i];
	}
}

static void
explain_end(Explain *e)
{
	authz_entity_end(e->reader);
	cedar_arena_destroy(e->arena);
}

/* A text column of the row with this key, NULL when there is none. */
static char *
explain_column(Oid relid, Oid pkey, const char *set, const char *id, int column)
{
	Snapshot	snapshot = RegisterSnapshot(GetCatalogSnapshot(relid));
	char	   *text = NULL;

	authz_store_find(relid, pkey, snapshot, set, id, column, &text);
	UnregisterSnapshot(snapshot);
	return text;
}

/* The policy's text, if it still is the one that was asked. */
static void
explain_text_find(const Explain *e, Explained *p)
{
	AuthzRelations rels = *authz_relations();
	const char *set = e->version->set;
	const char *id = p->id;
	CedarArena *arena;
	CedarAst   *ast;
	const CedarPiece *piece;
	size_t		size;
	CedarError	err;
	char	   *text;

	if (cedar_piece_is_template(p->policy.piece))
		id = explain_column(rels.policy_links, rels.policy_links_pkey, set, id,
							Anum_policy_links_template_id);
	if (id == NULL)
		return;
	text = explain_column(rels.policies, rels.policies_pkey, set, id,
						  Anum_policies_policy);
	if (text == NULL)
		return;
	arena = authz_arena_create(CurrentMemoryContext);
	if (cedar_parse_one(arena, text, strlen(text), &ast, &err) == CEDAR_OK &&
		cedar_compile(arena, ast, 0, &piece, &size, &err) == CEDAR_OK &&
		size == cedar_piece_size(p->policy.piece) &&
		memcmp(piece, p->policy.piece, size) == 0)
	{
		p->text = text;
		p->len = strlen(text);
		p->has_position = p->x->has_position || p->x->part <= CEDAR_PART_RESOURCE;
		p->offset = p->x->offset;
		p->length = p->x->length;
		if (p->x->part <= CEDAR_PART_RESOURCE)
			cedar_ast_scope_range(ast, 0, p->x->part, &p->offset, &p->length);
	}
	cedar_arena_destroy(arena);
}

static void
explained_open(const Explain *e, uint32 i, Explained *p)
{
	memset(p, 0, sizeof(*p));
	p->x = &e->explanations[i];
	cedar_policies_get(&e->version->policies, p->x->policy, &p->policy);
	p->id = pnstrdup(p->policy.id, p->policy.id_len);
	p->forbid = cedar_piece_is_forbid(p->policy.piece);
	explain_text_find(e, p);
}

/* -------------------------------------------------------------------- rows */

/* The values seen; jsonb has no NUL, which becomes the replacement character. */
static Datum
explained_values(CedarArena *arena, const Explained *p)
{
	const char *json;
	size_t		len;
	CedarError	err;
	StringInfoData copy;

	if (cedar_seen_to_json(arena, p->x, p->text, p->len, &json, &len, &err) != CEDAR_OK)
		authz_raise(&err, AUTHZ_TEXT_UID, NULL, 0, NULL, NULL);
	initStringInfo(&copy);
	for (size_t i = 0; i < len; i++)
	{
		if (json[i] != '\\')
		{
			appendStringInfoChar(&copy, json[i]);
			continue;
		}
		if (len - i >= 6 && memcmp(json + i, "\\u0000", 6) == 0)
		{
			appendStringInfoString(&copy, "\\ufffd");
			i += 5;
			continue;
		}
		appendBinaryStringInfo(&copy, json + i, 2);
		i++;
	}
	return DirectFunctionCall1(jsonb_in, CStringGetDatum(copy.data));
}

static const char *
explained_status(const Explained *p)
{
	switch (p->x->outcome)
	{
		case CEDAR_SATISFIED:
			return "satisfied";
		case CEDAR_UNSATISFIED:
			return "unsatisfied";
		case CEDAR_FAILED:
			break;
	}
	return "error";
}

/*
 * authz_explain(principal, action, resource, context, entities, policy_set,
 * all_policies) → (policy_id, effect, status, part, expression, position,
 * values, error, missed), one row a policy
 */
Datum
authz_explain(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	Explain		e;
	MemoryContext scratch;
	MemoryContext old;

	InitMaterializedSRF(fcinfo, 0);
	explain_begin(fcinfo, !PG_ARGISNULL(ARG_ALL_POLICIES) && PG_GETARG_BOOL(ARG_ALL_POLICIES), &e);
	scratch = AllocSetContextCreate(CurrentMemoryContext, "authz explanation",
									ALLOCSET_DEFAULT_SIZES);
	old = MemoryContextSwitchTo(scratch);
	for (uint32 i = 0; i < e.n; i++)
	{
		Explained	p;
		Datum		values[9] = {0};
		bool		nulls[9] = {false};

		CHECK_FOR_INTERRUPTS();
		explained_open(&e, i, &p);
		values[0] = CStringGetTextDatum(p.id);
		values[1] = CStringGetTextDatum(p.forbid ? "forbid" : "permit");
		values[2] = CStringGetTextDatum(explained_status(&p));
		nulls[3] = p.x->part == CEDAR_PART_NONE;
		if (!nulls[3])
			values[3] = CStringGetTextDatum(cedar_part_name(p.x->part));
		nulls[4] = nulls[5] = !p.has_position;
		if (p.has_position)
		{
			values[4] = PointerGetDatum(cstring_to_text_with_len(p.text + p.offset, p.length));
			values[5] = Int32GetDatum(pg_mbstrlen_with_len(p.text, p.offset) + 1);
		}
		values[6] = explained_values(authz_arena_create(scratch), &p);
		nulls[7] = p.x->error == NULL;
		if (!nulls[7])
			values[7] = CStringGetTextDatum(p.x->error->message);
		values[8] = Int32GetDatum((int32) p.x->missed);
		tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
		MemoryContextReset(scratch);
	}
	MemoryContextSwitchTo(old);
	explain_end(&e);
	return (Datum) 0;
}

/* ----------------------------------------------------------- readable form */

/* An excerpt on one line. */
static void
append_excerpt(StringInfo out, const char *text, size_t len)
{
	size_t		n = len > TEXT_EXPRESSION ? pg_mbcliplen(text, len, TEXT_EXPRESSION) : len;
	bool		space = false;

	for (size_t i = 0; i < n; i++)
	{
		bool		is_space = strchr(" \t\r\n", text[i]) != NULL;

		if (!is_space || !space)
			appendStringInfoChar(out, is_space ? ' ' : text[i]);
		space = is_space;
	}
	if (n < len)
		appendStringInfoString(out, " …");
}

static void
append_position(StringInfo out, const Explained *p)
{
	int			line = 1;
	size_t		start = 0;

	for (size_t i = 0; i < p->offset; i++)
	{
		if (p->text[i] == '\n')
		{
			line++;
			start = i + 1;
		}
	}
	appendStringInfo(out, "line %d, column %d", line,
					 pg_mbstrlen_with_len(p->text + start, p->offset - start) + 1);
}

/* What each expression gave, a line for each. */
static void
append_seen(StringInfo out, const Explain *e, const Explained *p)
{
	for (uint32 i = 0; i < p->x->n_seen; i++)
	{
		const CedarSeen *seen = &p->x->seen[i];
		const char *value;
		size_t		len;
		CedarError	err;

		if (seen->name == NULL && p->text == NULL)
			continue;
		appendStringInfoString(out, "\n        ");
		if (seen->name != NULL)
			appendStringInfoString(out, seen->name);
		else
			append_excerpt(out, p->text + seen->offset, seen->length);
		appendStringInfoString(out, " is ");
		if (cedar_value_to_text(e->arena, &seen->value, TEXT_ELEMENTS, &value, &len, &err) != CEDAR_OK)
			authz_raise(&err, AUTHZ_TEXT_UID, NULL, 0, NULL, NULL);
		appendBinaryStringInfo(out, value, len);
	}
	if (p->x->cut)
		appendStringInfoString(out, "\n        …");
}

static void
append_policy(StringInfo out, const Explain *e, uint32 i)
{
	Explained	p;

	explained_open(e, i, &p);
	appendStringInfo(out, "\n    %s \"%s\": ", p.forbid ? "forbid" : "permit", p.id);
	if (p.x->outcome == CEDAR_SATISFIED)
		appendStringInfoString(out, "satisfied");
	else if (p.x->outcome == CEDAR_FAILED)
		appendStringInfo(out, "error: %s", p.x->error->message);
	else if (p.x->part <= CEDAR_PART_RESOURCE)
		appendStringInfo(out, "the %s does not match", cedar_part_name(p.x->part));
	else if (p.x->part == CEDAR_PART_UNLESS)
		appendStringInfoString(out, "\"unless\" applies");
	else
		appendStringInfoString(out, "\"when\" does not hold");
	if (p.has_position)
	{
		appendStringInfoString(out, ", ");
		append_position(out, &p);
		appendStringInfoString(out, "\n        ");
		append_excerpt(out, p.text + p.offset, p.length);
	}
	append_seen(out, e, &p);
}

/* Those of a range of ranks, up to TEXT_POLICIES. */
static void
append_policies(StringInfo out, const Explain *e, const char *title,
				uint32 first_rank, uint32 last_rank, bool permits_only)
{
	uint32		n = 0;

	for (uint32 i = 0; i < e->n; i++)
	{
		const CedarExplanation *x = &e->explanations[i];
		uint32		rank = explain_rank(e, x);

		if (rank < first_rank || rank > last_rank ||
			(permits_only && explain_is_forbid(e, x)))
			continue;
		CHECK_FOR_INTERRUPTS();
		if (n++ == 0)
			appendStringInfo(out, "\n%s:", title);
		if (n > TEXT_POLICIES)
			continue;
		append_policy(out, e, i);
	}
	if (n > TEXT_POLICIES)
		appendStringInfo(out, "\n    and %u more", n - TEXT_POLICIES);
}

/* authz_explain_text(principal, action, resource, context, entities, policy_set) → text */
Datum
authz_explain_text(PG_FUNCTION_ARGS)
{
	Explain		e;
	StringInfoData out;
	text	   *result;

	/* all of them: the nearest miss may be one that the index does not name */
	explain_begin(fcinfo, true, &e);
	initStringInfo(&out);
	if (e.forbidden)
		appendStringInfoString(&out, "deny: a policy forbids it");
	else if (e.permitted)
		appendStringInfoString(&out, "allow: a policy permits it and none forbids it");
	else
		appendStringInfoString(&out, "deny: no policy permits it");
	appendStringInfo(&out, "\n%s, ", authz_uid_display(e.request.principal));
	appendStringInfo(&out, "%s, ", authz_uid_display(e.request.action));
	appendStringInfo(&out, "%s; ", authz_uid_display(e.request.resource));
	appendStringInfo(&out, "policy set \"%s\", version " INT64_FORMAT ", %u %s",
					 e.version->set, e.version->version, e.n, e.n == 1 ? "policy" : "policies");
	if (e.forbidden)
		append_policies(&out, &e, "Forbidden by", RANK_FORBIDS, RANK_FORBIDS, false);
	else if (e.permitted)
		append_policies(&out, &e, "Permitted by", RANK_PERMITS, RANK_PERMITS, false);
	append_policies(&out, &e, "Could not be evaluated and count for nothing",
					RANK_FAILURES, RANK_FAILURES, false);
	if (!e.forbidden && !e.permitted)
		append_policies(&out, &e, "Nearest to permit it", FIRST_MISS, RANKS, true);
	result = cstring_to_text_with_len(out.data, out.len);
	explain_end(&e);
	PG_RETURN_TEXT_P(result);
}
