/*-------------------------------------------------------------------------
 *
 * policy.c
 *	  Fuzz target: policy text.  What parses compiles, what compiles verifies,
 *	  what verifies decides; the same bytes are also tried as a uid.
 *
 *-------------------------------------------------------------------------
 */
#include "fuzz.h"

static void
try_uid(CedarArena *arena, const char *text, size_t len)
{
	const CedarUid *uid,
			   *again;
	CedarError	err;
	CedarCode	code;
	char	   *printed;
	size_t		n;

	memset(&err, 0, sizeof(err));
	code = cedar_uid_parse(arena, text, len, &uid, &err);
	if (code != CEDAR_OK)
	{
		fuzz_check_error(code, &err, len);
		return;
	}
	n = cedar_uid_print(uid, NULL, 0);
	printed = fuzz_keep(malloc(n));
	FUZZ_REQUIRE(cedar_uid_print(uid, printed, n) == n, "two lengths of one uid");
	code = cedar_uid_parse(arena, printed, n, &again, &err);
	FUZZ_REQUIRE(code == CEDAR_OK && cedar_uid_equal(uid, again),
				 "%.*s does not come back: %s", (int) n, printed, err.message);
}

void
fuzz_one(CedarArena *arena, const uint8_t *data, size_t size)
{
	const char *text = fuzz_copy(data, size);
	CedarAst   *ast,
			   *one;
	CedarError	err;
	CedarCode	code,
				single;
	CedarPolicy *policies;
	CedarEntities *entities;
	CedarRequest request;
	CedarDecision decision;

	memset(&err, 0, sizeof(err));
	try_uid(arena, text, size);
	single = cedar_parse_one(arena, text, size, &one, &err);
	if (single != CEDAR_OK)
		fuzz_check_error(single, &err, size);
	code = cedar_parse(arena, text, size, &ast, &err);
	if (code != CEDAR_OK)
	{
		FUZZ_REQUIRE(single != CEDAR_OK, "one policy parses, a list of it does not");
		fuzz_check_error(code, &err, size);
		return;
	}
	FUZZ_REQUIRE((single == CEDAR_OK) == (cedar_ast_count(ast) == 1) ||
				 single == CEDAR_ERR_LIMIT || single == CEDAR_ERR_NOMEM,
				 "%u policies, parse_one says %d", cedar_ast_count(ast), (int) single);
	policies = fuzz_compile(arena, ast, size);
	if (policies == NULL)
		return;
	if (cedar_entities_from_json(arena, fuzz_entities, strlen(fuzz_entities), &entities, &err) == CEDAR_OK &&
		cedar_request_from_json(arena, fuzz_request, strlen(fuzz_request), &request, &err) == CEDAR_OK)
		fuzz_authorize(arena, policies, cedar_ast_count(ast), entities, &request, &decision, size);
}
