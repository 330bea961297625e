/*-------------------------------------------------------------------------
 *
 * cedar.c
 *	  The stateless functions of the Cedar language: text in, text out.
 *
 * They read no table.  json, not jsonb, is their JSON type, because a string
 * of Cedar may hold \u0000.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"
#include "compat.h"

#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/memutils.h"

#include "cedar/conform.h"
#include "cedar/partial.h"
#include "cedar/link.h"
#include "cedar/policy_json.h"
#include "cedar/validate.h"
#include "error.h"
#include "host.h"

PG_FUNCTION_INFO_V1(authz_cedar_authorize);
PG_FUNCTION_INFO_V1(authz_cedar_authorize_partial);
PG_FUNCTION_INFO_V1(authz_cedar_validate);
PG_FUNCTION_INFO_V1(authz_cedar_policy_to_json);
PG_FUNCTION_INFO_V1(authz_cedar_schema_to_json);
PG_FUNCTION_INFO_V1(authz_cedar_schema_to_text);
PG_FUNCTION_INFO_V1(authz_cedar_version);

/* An argument that has to be there. */
static text *
cedar_argument(FunctionCallInfo fcinfo, int n, const char *name)
{
	if (PG_ARGISNULL(n))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("argument \"%s\" must not be null", name)));
	return PG_GETARG_TEXT_PP(n);
}

/* Parse policies. */
static CedarAst *
cedar_policy_text(CedarArena *arena, text *source)
{
	CedarAst   *ast;
	CedarError	err;

	if (cedar_parse(arena, VARDATA_ANY(source), VARSIZE_ANY_EXHDR(source), &ast, &err) != CEDAR_OK)
		authz_raise(&err, AUTHZ_TEXT_POLICY, VARDATA_ANY(source), VARSIZE_ANY_EXHDR(source),
					"policies", NULL);
	return ast;
}

/* Read links of the templates among them; source may be NULL. */
static CedarLink *
cedar_links(CedarArena *arena, const CedarAst *ast, text *source, uint32 *n)
{
	CedarLink  *links;
	CedarError	err;

	*n = 0;
	if (source == NULL)
		return NULL;
	if (cedar_links_from_json(arena, ast, VARDATA_ANY(source), VARSIZE_ANY_EXHDR(source),
							  &links, n, &err) != CEDAR_OK)
		authz_raise(&err, AUTHZ_TEXT_JSON, VARDATA_ANY(source), VARSIZE_ANY_EXHDR(source),
					"links", NULL);
	return links;
}

/*
 * Compile policies, named policy0, policy1, …, and after them the links.
 * Without links a template is an error.
 */
static CedarPolicy *
cedar_policies(CedarArena *arena, text *source, text *links_source, uint32 *n)
{
	CedarAst   *ast = cedar_policy_text(arena, source);
	uint32		n_policies = cedar_ast_count(ast);
	uint32		n_links;
	CedarLink  *links = cedar_links(arena, ast, links_source, &n_links);
	CedarPolicy *policies;
	CedarError	err;

	policies = MemoryContextAllocExtended(CurrentMemoryContext,
										  ((Size) n_policies + n_links + 1) * sizeof(CedarPolicy),
										  MCXT_ALLOC_HUGE | MCXT_ALLOC_ZERO);
	for (uint32 i = 0; i < n_policies; i++)
	{
		size_t		size;
		char	   *id;

		if (links_source == NULL && cedar_ast_is_template(ast, i))
		{
			err = (CedarError) {
				.code = CEDAR_ERR_SYNTAX,
				.has_position = true,
				.message = "a template has to be linked before it can be evaluated",
				.hint = "Write the entity instead of ?principal or ?resource, or pass links."
			};
			cedar_ast_range(ast, i, &err.offset, &err.length);
			authz_raise(&err, AUTHZ_TEXT_POLICY, VARDATA_ANY(source), VARSIZE_ANY_EXHDR(source),
						"policies", NULL);
		}
		if (cedar_compile(arena, ast, i, &policies[i].piece, &size, &err) != CEDAR_OK)
			authz_raise(&err, AUTHZ_TEXT_POLICY, VARDATA_ANY(source), VARSIZE_ANY_EXHDR(source),
						"policies", NULL);
		id = psprintf("policy%u", i);
		policies[i].id = id;
		policies[i].id_len = strlen(id);
	}
	for (uint32 i = 0; i < n_links; i++)
	{
		CedarPolicy *policy = &policies[n_policies + i];

		policy->piece = policies[links[i].policy].piece;
		policy->id = links[i].id->bytes;
		policy->id_len = links[i].id->len;
		policy->principal = links[i].principal;
		policy->resource = links[i].resource;
	}
	*n = n_policies + n_links;
	return policies;
}

/* Read a schema, in either syntax. */
static const CedarSchema *
cedar_schema(CedarArena *arena, const char *source, size_t len)
{
	const CedarSchema *schema;
	CedarError	err;

	if (cedar_schema_parse(arena, source, len, CEDAR_SCHEMA_AUTO, &schema, &err) != CEDAR_OK)
		authz_raise(&err, AUTHZ_TEXT_POLICY, source, len, "schema", NULL);
	return schema;
}

/* cedar_authorize(policies text, entities json, request json, schema text, links json) → json */
Datum
authz_cedar_authorize(PG_FUNCTION_ARGS)
{
	text	   *source = cedar_argument(fcinfo, 0, "policies");
	text	   *entities_text = cedar_argument(fcinfo, 1, "entities");
	text	   *request_text = cedar_argument(fcinfo, 2, "request");
	CedarArena *arena;
	const CedarSchema *schema = NULL;
	CedarPolicy *policies;
	uint32		n;
	CedarEntities *entities;
	CedarEntitySource entity_source;
	CedarRequest request;
	CedarDecision decision;
	CedarCode	code;
	CedarError	err;
	const char *json;
	size_t		json_len;
	text	   *result;

	arena = authz_arena_create(CurrentMemoryContext);
	if (!PG_ARGISNULL(3))
	{
		text	   *schema_source = PG_GETARG_TEXT_PP(3);

		schema = cedar_schema(arena, VARDATA_ANY(schema_source),
							  VARSIZE_ANY_EXHDR(schema_source));
	}
	policies = cedar_policies(arena, source, PG_ARGISNULL(4) ? NULL : PG_GETARG_TEXT_PP(4), &n);
	code = schema == NULL ?
		cedar_entities_from_json(arena, VARDATA_ANY(entities_text),
								 VARSIZE_ANY_EXHDR(entities_text),
								 &entities, &err) :
		cedar_conform_entities_from_json(arena, schema, VARDATA_ANY(entities_text),
										 VARSIZE_ANY_EXHDR(entities_text),
										 &entities, &err);
	if (code != CEDAR_OK)
		authz_raise(&err, AUTHZ_TEXT_JSON, VARDATA_ANY(entities_text),
					VARSIZE_ANY_EXHDR(entities_text), "entities", NULL);
	code = schema == NULL ?
		cedar_request_from_json(arena, VARDATA_ANY(request_text),
								VARSIZE_ANY_EXHDR(request_text),
								&request, &err) :
		cedar_conform_request_from_json(arena, schema, VARDATA_ANY(request_text),
										VARSIZE_ANY_EXHDR(request_text),
										&request, &err);
	if (code != CEDAR_OK)
		authz_raise(&err, AUTHZ_TEXT_JSON, VARDATA_ANY(request_text),
					VARSIZE_ANY_EXHDR(request_text), "request", NULL);

	entity_source = cedar_entities_source(entities);
	if (cedar_authorize(arena, policies, n, NULL, &entity_source, &request,
						true, &decision, &err) != CEDAR_OK ||
		cedar_decision_to_json(arena, &decision, policies, &json, &json_len,
							   &err) != CEDAR_OK)
		authz_raise(&err, AUTHZ_TEXT_UID, NULL, 0, NULL, NULL);

	result = cstring_to_text_with_len(json, json_len);
	cedar_arena_destroy(arena);
	PG_RETURN_TEXT_P(result);
}

/* A uid, given as text; false when it is not known. */
static bool
cedar_asked(FunctionCallInfo fcinfo, CedarArena *arena, int n, const char *what, const CedarUid **uid)
{
	text	   *source;
	CedarError	err;

	if (PG_ARGISNULL(n))
		return false;
	source = PG_GETARG_TEXT_PP(n);
	if (cedar_uid_parse(arena, VARDATA_ANY(source), VARSIZE_ANY_EXHDR(source), uid, &err) != CEDAR_OK)
		authz_raise(&err, AUTHZ_TEXT_UID, NULL, 0, what, NULL);
	return true;
}

/* cedar_authorize_partial(policies, entities, principal, action, resource, context) → json */
Datum
authz_cedar_authorize_partial(PG_FUNCTION_ARGS)
{
	static const char *const names[] = {"principal", "action", "resource"};
	text	   *source = cedar_argument(fcinfo, 0, "policies");
	text	   *entities_text = cedar_argument(fcinfo, 1, "entities");
	text	   *context_text = cedar_argument(fcinfo, 5, "context");
	CedarArena *arena = authz_arena_create(CurrentMemoryContext);
	uint32		n;
	CedarPolicy *array = cedar_policies(arena, source, NULL, &n);
	CedarPolicies policies = {.array = array,.n = n};
	CedarEntities *entities;
	CedarEntitySource entity_source;
	CedarRequest request = {0};
	CedarUnknown unknown = {0};
	const CedarUid *uids[3] = {NULL, NULL, NULL};
	CedarPartial partial;
	CedarError	err;
	const char *json;
	size_t		json_len;
	text	   *result;

	if (cedar_entities_from_json(arena, VARDATA_ANY(entities_text), VARSIZE_ANY_EXHDR(entities_text),
								 &entities, &err) != CEDAR_OK)
		authz_raise(&err, AUTHZ_TEXT_JSON, VARDATA_ANY(entities_text),
					VARSIZE_ANY_EXHDR(entities_text), "entities", NULL);
	if (cedar_context_from_json(arena, VARDATA_ANY(context_text), VARSIZE_ANY_EXHDR(context_text),
								&request.context, &err) != CEDAR_OK)
		authz_raise(&err, AUTHZ_TEXT_JSON, VARDATA_ANY(context_text),
					VARSIZE_ANY_EXHDR(context_text), "context", NULL);
	for (int i = 0; i < 3; i++)
		unknown.is[i] = !cedar_asked(fcinfo, arena, 2 + i, names[i], &uids[i]);
	request.principal = uids[0];
	request.action = uids[1];
	request.resource = uids[2];
	entity_source = cedar_entities_source(entities);
	if (cedar_partial(arena, &policies, &entity_source, &request, &unknown, &partial, &err) != CEDAR_OK ||
		cedar_partial_to_json(arena, &partial, &policies, &json, &json_len, &err) != CEDAR_OK)
		authz_raise(&err, AUTHZ_TEXT_UID, NULL, 0, NULL, NULL);
	result = cstring_to_text_with_len(json, json_len);
	cedar_arena_destroy(arena);
	PG_RETURN_TEXT_P(result);
}

/* Where in a text a finding is: line and column from 1, the column in characters. */
typedef struct TextPosition
{
	size_t		offset;
	int			line;
	int			column;
} TextPosition;

static void
text_position(TextPosition *at, const char *source, size_t offset)
{
	if (offset < at->offset)
		*at = (TextPosition) {0, 1, 1};
	for (; at->offset < offset; at->offset++)
	{
		if (source[at->offset] == '\n')
		{
			at->line++;
			at->column = 1;
		}
		else if (((unsigned char) source[at->offset] & 0xC0) != 0x80)
			at->column++;
	}
}

/* One row for each finding of a policy or link. */
static void
cedar_put_findings(ReturnSetInfo *rsinfo, const char *source, TextPosition *at,
				   const CedarLink *link, const CedarFinding *findings, uint32 n)
{
	for (uint32 i = 0; i < n; i++)
	{
		const CedarFinding *finding = &findings[i];
		Datum		values[9];
		bool		nulls[9] = {false};

		CHECK_FOR_INTERRUPTS();
		text_position(at, source, finding->offset);
		values[0] = link == NULL ?
			CStringGetTextDatum(psprintf("policy%u", finding->policy)) :
			PointerGetDatum(cstring_to_text_with_len(link->id->bytes, link->id->len));
		values[1] = CStringGetTextDatum(finding->warning ? "warning" : "error");
		values[2] = CStringGetTextDatum(cedar_finding_name(finding->code));
		values[3] = CStringGetTextDatum(finding->message);
		nulls[4] = finding->hint[0] == '\0';
		values[4] = nulls[4] ? (Datum) 0 : CStringGetTextDatum(finding->hint);
		values[5] = Int32GetDatum((int32) finding->offset);
		values[6] = Int32GetDatum((int32) (finding->offset + finding->length));
		values[7] = Int32GetDatum(at->line);
		values[8] = Int32GetDatum(at->column);
		tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
	}
}

/* cedar_validate(policies text, schema text, level integer, links json) → one row a finding */
Datum
authz_cedar_validate(PG_FUNCTION_ARGS)
{
	text	   *source = cedar_argument(fcinfo, 0, "policies");
	text	   *schema_source = cedar_argument(fcinfo, 1, "schema");
	const char *policies = VARDATA_ANY(source);
	size_t		len = VARSIZE_ANY_EXHDR(source);
	uint32		level = CEDAR_NO_LEVEL;
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	TextPosition at = {0, 1, 1};
	CedarArena *arena;
	const CedarSchema *schema;
	CedarAst   *ast;
	CedarLink  *links;
	uint32		n_links;
	const CedarFinding *findings;
	uint32		n;
	CedarError	err;

	if (!PG_ARGISNULL(2))
	{
		if (PG_GETARG_INT32(2) < 0)
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("level must not be negative")));
		level = PG_GETARG_INT32(2);
	}
	InitMaterializedSRF(fcinfo, 0);
	arena = authz_arena_create(CurrentMemoryContext);
	schema = cedar_schema(arena, VARDATA_ANY(schema_source), VARSIZE_ANY_EXHDR(schema_source));
	ast = cedar_policy_text(arena, source);
	links = cedar_links(arena, ast, PG_ARGISNULL(3) ? NULL : PG_GETARG_TEXT_PP(3),
						&n_links);
	if (cedar_validate(arena, schema, ast, 0, cedar_ast_count(ast), level,
					   &findings, &n, &err) != CEDAR_OK)
		authz_raise(&err, AUTHZ_TEXT_POLICY, policies, len, "policies", NULL);
	cedar_put_findings(rsinfo, policies, &at, NULL, findings, n);
	for (uint32 i = 0; i < n_links; i++)
	{
		const CedarLink *link = &links[i];

		if (cedar_validate_link(arena, schema, ast, link->policy, link->principal, link->resource,
								&findings, &n, &err) != CEDAR_OK)
			authz_raise(&err, AUTHZ_TEXT_POLICY, policies, len, "policies", NULL);
		cedar_put_findings(rsinfo, policies, &at, link, findings, n);
	}
	cedar_arena_destroy(arena);
	return (Datum) 0;
}

/* cedar_policy_to_json(policy text) → json */
Datum
authz_cedar_policy_to_json(PG_FUNCTION_ARGS)
{
	text	   *source = PG_GETARG_TEXT_PP(0);
	CedarArena *arena = authz_arena_create(CurrentMemoryContext);
	CedarAst   *ast;
	const char *json;
	size_t		len;
	CedarError	err;
	text	   *result;

	if (cedar_parse_one(arena, VARDATA_ANY(source), VARSIZE_ANY_EXHDR(source), &ast, &err) != CEDAR_OK ||
		cedar_policy_to_json(arena, ast, 0, &json, &len, &err) != CEDAR_OK)
		authz_raise(&err, AUTHZ_TEXT_POLICY, VARDATA_ANY(source), VARSIZE_ANY_EXHDR(source),
					"policy", NULL);
	result = cstring_to_text_with_len(json, len);
	cedar_arena_destroy(arena);
	PG_RETURN_TEXT_P(result);
}

typedef CedarCode (*SchemaWriter) (CedarArena *arena, const char *text, size_t len,
								   CedarSchemaFormat format, const char **out,
								   size_t *out_len, CedarError *err);

/* A schema in either syntax, written in one. */
static Datum
cedar_schema_write(FunctionCallInfo fcinfo, SchemaWriter write)
{
	text	   *source = PG_GETARG_TEXT_PP(0);
	CedarArena *arena = authz_arena_create(CurrentMemoryContext);
	const char *out;
	size_t		len;
	CedarError	err;
	text	   *result;

	if (write(arena, VARDATA_ANY(source), VARSIZE_ANY_EXHDR(source), CEDAR_SCHEMA_AUTO,
			  &out, &len, &err) != CEDAR_OK)
		authz_raise(&err, AUTHZ_TEXT_POLICY, VARDATA_ANY(source),
					VARSIZE_ANY_EXHDR(source), "schema", NULL);
	result = cstring_to_text_with_len(out, len);
	cedar_arena_destroy(arena);
	PG_RETURN_TEXT_P(result);
}

/* cedar_schema_to_json(schema text) → json */
Datum
authz_cedar_schema_to_json(PG_FUNCTION_ARGS)
{
	return cedar_schema_write(fcinfo, cedar_schema_to_json);
}

/* cedar_schema_to_text(schema text) → text */
Datum
authz_cedar_schema_to_text(PG_FUNCTION_ARGS)
{
	return cedar_schema_write(fcinfo, cedar_schema_to_text);
}

/* cedar_version() → text: the version of the language. */
Datum
authz_cedar_version(PG_FUNCTION_ARGS)
{
	PG_RETURN_TEXT_P(cstring_to_text(CEDAR_LANGUAGE_VERSION));
}
