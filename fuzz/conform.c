/*-------------------------------------------------------------------------
 *
 * conform.c
 *	  Fuzz target: a schema, entities and a request, each ended by a byte that
 *	  UTF-8 never holds.  What is read by the schema fits it and can be asked;
 *	  what is read without it and fits is read by it, too, as the same.
 *
 *-------------------------------------------------------------------------
 */
#include "fuzz.h"

#include "conform.h"
#include "entity.h"

static bool
is_limit(CedarCode code)
{
	return code == CEDAR_ERR_NOMEM || code == CEDAR_ERR_STACK || code == CEDAR_ERR_LIMIT;
}

static bool
same_record(const CedarRecord *a, const CedarRecord *b)
{
	CedarValue	x,
				y;

	if (a == NULL || a->n == 0 || b == NULL || b->n == 0)
		return (a == NULL || a->n == 0) && (b == NULL || b->n == 0);
	x = cedar_value_rec(a);
	y = cedar_value_rec(b);
	return cedar_value_equal(&x, &y);
}

static CedarEntities *
try_entities(CedarArena *arena, const CedarSchema *schema, const char *text, size_t len)
{
	CedarEntities *es = NULL;
	CedarEntities *plain;
	CedarError	err;
	CedarCode	code,
				each;
	bool		fits = true;

	memset(&err, 0, sizeof(err));
	code = cedar_conform_entities_from_json(arena, schema, text, len, &es, &err);
	if (code != CEDAR_OK)
	{
		fuzz_check_error(code, &err, len);
		es = NULL;
	}
	if (is_limit(code))
		return NULL;
	for (uint32_t i = 0; es != NULL && i < es->cap; i++)
	{
		if (es->table[i] == NULL)
			continue;
		each = cedar_conform_entity(arena, schema, es->table[i], &err);
		FUZZ_REQUIRE(each == CEDAR_OK || is_limit(each), "read, but does not fit: %s", err.message);
	}
	for (uint32_t i = 0; es != NULL && i < schema->n_actions; i++)
		FUZZ_REQUIRE(*cedar_entities_place(es, schema->actions[i].uid) != NULL, "action %u", i);

	if (cedar_entities_from_json(arena, text, len, &plain, &err) != CEDAR_OK)
		return es;
	for (uint32_t i = 0; i < plain->cap; i++)
	{
		CedarEntity *e = plain->table[i];
		CedarEntity *typed;

		if (e == NULL)
			continue;
		if (cedar_uid_is_action(e->uid) ||
			cedar_conform_entity(arena, schema, e, &err) != CEDAR_OK)
		{
			fits = false;
			continue;
		}
		typed = es == NULL ? NULL : *cedar_entities_place(es, e->uid);
		if (es != NULL)
			FUZZ_REQUIRE(typed != NULL && same_record(e->attrs, typed->attrs) &&
						 same_record(e->tags, typed->tags), "another when read by the schema");
	}
	FUZZ_REQUIRE(!fits || es != NULL, "each entity fits, all of them do not: %s", err.message);
	return es;
}

static bool
try_request(CedarArena *arena, const CedarSchema *schema, const char *text, size_t len,
			CedarRequest *request)
{
	CedarRequest plain;
	CedarError	err;
	CedarCode	code,
				other;

	memset(&err, 0, sizeof(err));
	code = cedar_conform_request_from_json(arena, schema, text, len, request, &err);
	if (code != CEDAR_OK)
		fuzz_check_error(code, &err, len);
	if (is_limit(code))
		return false;
	if (code == CEDAR_OK)
	{
		other = cedar_conform_request(arena, schema, request, &err);
		FUZZ_REQUIRE(other == CEDAR_OK || is_limit(other), "read, but does not fit: %s", err.message);
	}
	if (cedar_request_from_json(arena, text, len, &plain, &err) == CEDAR_OK &&
		cedar_conform_request(arena, schema, &plain, &err) == CEDAR_OK)
		FUZZ_REQUIRE(code == CEDAR_OK && same_record(plain.context, request->context),
					 "fits, but not when read by the schema");
	return code == CEDAR_OK;
}

/* The text up to the next end, and the rest. */
static const char *
part(const uint8_t **data, size_t *size, size_t *len)
{
	const uint8_t *end = memchr(*data, 0xFF, *size);
	const char *copy;

	*len = end == NULL ? *size : (size_t) (end - *data);
	copy = fuzz_copy(*data, *len);
	*data += end == NULL ? *len : *len + 1;
	*size -= end == NULL ? *len : *len + 1;
	return copy;
}

void
fuzz_one(CedarArena *arena, const uint8_t *data, size_t size)
{
	const CedarSchema *schema;
	CedarEntities *entities;
	CedarRequest request;
	CedarDecision decision;
	CedarAst   *ast;
	CedarPolicy *policies;
	CedarError	err;
	const char *text;
	size_t		len;

	text = part(&data, &size, &len);
	if (cedar_schema_parse(arena, text, len, CEDAR_SCHEMA_AUTO, &schema, &err) != CEDAR_OK)
		return;
	text = part(&data, &size, &len);
	entities = try_entities(arena, schema, text, len);
	text = part(&data, &size, &len);
	if (!try_request(arena, schema, text, len, &request) || entities == NULL)
		return;
	if (cedar_parse(arena, fuzz_policies, strlen(fuzz_policies), &ast, &err) != CEDAR_OK ||
		(policies = fuzz_compile(arena, ast, strlen(fuzz_policies))) == NULL)
		return;
	fuzz_authorize(arena, policies, cedar_ast_count(ast), entities, &request, &decision,
				   strlen(fuzz_policies));
}
