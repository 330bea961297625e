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
#include "utils/builtins.h"
#include "utils/memutils.h"

#include "error.h"
#include "host.h"

PG_FUNCTION_INFO_V1(authz_cedar_authorize);
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

/* Parse and compile policies; they are named policy0, policy1, … */
static CedarPolicy *
cedar_policies(CedarArena *arena, const char *source, size_t len, uint32 *n)
{
	CedarAst   *ast;
	CedarPolicy *policies;
	CedarError	err;

	if (cedar_parse(arena, source, len, &ast, &err) != CEDAR_OK)
		authz_raise(&err, AUTHZ_TEXT_POLICY, source, len, "policies", NULL);

	*n = cedar_ast_count(ast);
	policies = MemoryContextAllocHuge(CurrentMemoryContext,
									  (Size) Max(*n, 1) * sizeof(CedarPolicy));
	for (uint32 i = 0; i < *n; i++)
	{
		size_t		size;
		char	   *id;

		if (cedar_ast_is_template(ast, i))
		{
			err = (CedarError) {
				.code = CEDAR_ERR_SYNTAX,
				.has_position = true,
				.message = "a template has to be linked before it can be evaluated",
				.hint = "Write the entity instead of ?principal or ?resource."
			};
			cedar_ast_range(ast, i, &err.offset, &err.length);
			authz_raise(&err, AUTHZ_TEXT_POLICY, source, len, "policies", NULL);
		}
		if (cedar_compile(arena, ast, i, &policies[i].piece, &size, &err) != CEDAR_OK)
			authz_raise(&err, AUTHZ_TEXT_POLICY, source, len, "policies", NULL);
		id = psprintf("policy%u", i);
		policies[i].id = id;
		policies[i].id_len = strlen(id);
	}
	return policies;
}

/* cedar_authorize(policies text, entities json, request json, schema text) → json */
Datum
authz_cedar_authorize(PG_FUNCTION_ARGS)
{
	text	   *source = cedar_argument(fcinfo, 0, "policies");
	text	   *entities_text = cedar_argument(fcinfo, 1, "entities");
	text	   *request_text = cedar_argument(fcinfo, 2, "request");
	CedarArena *arena;
	CedarPolicy *policies;
	uint32		n;
	CedarEntities *entities;
	CedarEntitySource entity_source;
	CedarRequest request;
	CedarDecision decision;
	CedarError	err;
	const char *json;
	size_t		json_len;
	text	   *result;

	if (!PG_ARGISNULL(3))
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("authorizing with a schema is not supported"),
				 errhint("Leave out the argument \"schema\".")));

	arena = authz_arena_create(CurrentMemoryContext);
	policies = cedar_policies(arena, VARDATA_ANY(source),
							  VARSIZE_ANY_EXHDR(source), &n);
	if (cedar_entities_from_json(arena, VARDATA_ANY(entities_text),
								 VARSIZE_ANY_EXHDR(entities_text),
								 &entities, &err) != CEDAR_OK)
		authz_raise(&err, AUTHZ_TEXT_JSON, VARDATA_ANY(entities_text),
					VARSIZE_ANY_EXHDR(entities_text), "entities", NULL);
	if (cedar_request_from_json(arena, VARDATA_ANY(request_text),
								VARSIZE_ANY_EXHDR(request_text),
								&request, &err) != CEDAR_OK)
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

/* cedar_version() → text: the version of the language. */
Datum
authz_cedar_version(PG_FUNCTION_ARGS)
{
	PG_RETURN_TEXT_P(cstring_to_text(CEDAR_LANGUAGE_VERSION));
}
