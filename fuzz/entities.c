/*-------------------------------------------------------------------------
 *
 * entities.c
 *	  Fuzz target: the JSON of entities, and the same bytes as attributes and
 *	  tags of one entity.  What is accepted can be asked.
 *
 *-------------------------------------------------------------------------
 */
#include "fuzz.h"

void
fuzz_one(CedarArena *arena, const uint8_t *data, size_t size)
{
	const char *text = fuzz_copy(data, size);
	CedarEntities *entities;
	CedarEntity *entity;
	CedarRequest request;
	CedarDecision decision;
	CedarAst   *ast;
	CedarPolicy *policies;
	CedarError	err;
	CedarCode	code;
	const CedarUid *uid;
	const char *fault = NULL;

	memset(&err, 0, sizeof(err));
	if (cedar_uid_make(arena, "U", 1, "a", 1, &uid, &err) != CEDAR_OK)
		return;
	code = cedar_entity_build(arena, uid, text, size, NULL, 0, NULL, 0, &entity, &fault, &err);
	if (code != CEDAR_OK)
		fuzz_check_error(code, &err, size);
	code = cedar_entity_build(arena, uid, "{}", 2, text, size, NULL, 0, &entity, &fault, &err);
	if (code != CEDAR_OK)
		fuzz_check_error(code, &err, size);

	code = cedar_entities_from_json(arena, text, size, &entities, &err);
	if (code != CEDAR_OK)
	{
		fuzz_check_error(code, &err, size);
		return;
	}
	if (cedar_request_from_json(arena, fuzz_request, strlen(fuzz_request), &request, &err) != CEDAR_OK ||
		cedar_parse(arena, fuzz_policies, strlen(fuzz_policies), &ast, &err) != CEDAR_OK ||
		(policies = fuzz_compile(arena, ast, strlen(fuzz_policies))) == NULL)
		return;
	fuzz_authorize(arena, policies, cedar_ast_count(ast), entities, &request, &decision,
				   strlen(fuzz_policies));
}
