/*-------------------------------------------------------------------------
 *
 * request.c
 *	  Fuzz target: the JSON of a request, and the same bytes as a context.
 *	  What is accepted can be decided.
 *
 *-------------------------------------------------------------------------
 */
#include "fuzz.h"

void
fuzz_one(CedarArena *arena, const uint8_t *data, size_t size)
{
	const char *text = fuzz_copy(data, size);
	CedarEntities *entities;
	CedarRequest request;
	CedarDecision decision;
	CedarAst   *ast;
	CedarPolicy *policies;
	CedarError	err;
	CedarCode	code;
	const CedarRecord *context = NULL;

	memset(&err, 0, sizeof(err));
	if (cedar_entities_from_json(arena, fuzz_entities, strlen(fuzz_entities), &entities, &err) != CEDAR_OK ||
		cedar_parse(arena, fuzz_policies, strlen(fuzz_policies), &ast, &err) != CEDAR_OK ||
		(policies = fuzz_compile(arena, ast, strlen(fuzz_policies))) == NULL)
		return;

	code = cedar_context_from_json(arena, text, size, &context, &err);
	if (code != CEDAR_OK)
		fuzz_check_error(code, &err, size);
	else if (cedar_request_from_json(arena, fuzz_request, strlen(fuzz_request), &request, &err) == CEDAR_OK)
	{
		request.context = context;
		fuzz_authorize(arena, policies, cedar_ast_count(ast), entities, &request, &decision,
					   strlen(fuzz_policies));
	}

	code = cedar_request_from_json(arena, text, size, &request, &err);
	if (code != CEDAR_OK)
	{
		fuzz_check_error(code, &err, size);
		return;
	}
	fuzz_authorize(arena, policies, cedar_ast_count(ast), entities, &request, &decision,
				   strlen(fuzz_policies));
}
