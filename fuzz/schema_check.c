/*-------------------------------------------------------------------------
 *
 * schema_check.c
 *	  See schema_check.h: the three entry points agree, lists are sorted and
 *	  can be searched, and what is written is read back as the same schema.
 *
 *-------------------------------------------------------------------------
 */
#include "schema_check.h"

#include "internal.h"

#define COMPARE_LIMIT 100000	/* types compared: written out there may be many */

static bool
is_limit(CedarCode code)
{
	return code == CEDAR_ERR_NOMEM || code == CEDAR_ERR_STACK || code == CEDAR_ERR_LIMIT;
}

static int
order(const CedarStr *a, const CedarStr *b)
{
	size_t		n = a->len < b->len ? a->len : b->len;
	int			c = memcmp(a->bytes, b->bytes, n);

	return c != 0 ? c : a->len < b->len ? -1 : a->len > b->len;
}

static void
check_type(const CedarType *t, long *left)
{
	if (--*left < 0)
		return;
	FUZZ_REQUIRE(!t->open, "an open record");
	switch (t->kind)
	{
		case CEDAR_TYPE_BOOL:
		case CEDAR_TYPE_LONG:
		case CEDAR_TYPE_STRING:
		case CEDAR_TYPE_DECIMAL:
		case CEDAR_TYPE_IPADDR:
		case CEDAR_TYPE_DATETIME:
		case CEDAR_TYPE_DURATION:
			return;
		case CEDAR_TYPE_ENTITY:
			FUZZ_REQUIRE(cedar_is_name(t->name->bytes, t->name->len), "name of an entity type");
			return;
		case CEDAR_TYPE_SET:
			check_type(t->elem, left);
			return;
		case CEDAR_TYPE_RECORD:
			for (uint32_t i = 0; i < t->n_attrs; i++)
			{
				FUZZ_REQUIRE(i == 0 || order(t->attrs[i - 1].name, t->attrs[i].name) < 0,
							 "attributes out of order");
				FUZZ_REQUIRE(cedar_type_attr(t, t->attrs[i].name) == &t->attrs[i],
							 "attribute is not found");
				check_type(t->attrs[i].type, left);
			}
			return;
		default:
			FUZZ_REQUIRE(false, "type of kind %d", (int) t->kind);
	}
}

static void
check_schema(const CedarSchema *s)
{
	long		left = COMPARE_LIMIT;

	for (uint32_t i = 0; i < s->n_entities; i++)
	{
		const CedarEntityType *e = &s->entities[i];

		FUZZ_REQUIRE(i == 0 || order(s->entities[i - 1].name, e->name) < 0,
					 "entity types out of order");
		FUZZ_REQUIRE(cedar_schema_entity(s, e->name) == e, "entity type is not found");
		FUZZ_REQUIRE(cedar_is_name(e->name->bytes, e->name->len), "name of an entity type");
		FUZZ_REQUIRE(e->is_enum == (e->n_ids > 0), "enumeration of %u", e->n_ids);
		FUZZ_REQUIRE(e->shape->kind == CEDAR_TYPE_RECORD, "shape");
		check_type(e->shape, &left);
		if (e->tags != NULL)
			check_type(e->tags, &left);
		for (uint32_t k = 0; k < e->n_ancestors; k++)
		{
			const CedarEntityType *up = cedar_schema_entity(s, e->ancestors[k]);

			FUZZ_REQUIRE(up != NULL && cedar_schema_type_in(e, up->name), "ancestor");
			/* what an ancestor is in, the type is in */
			for (uint32_t m = 0; m < up->n_ancestors && --left > 0; m++)
				FUZZ_REQUIRE(cedar_schema_type_in(e, up->ancestors[m]), "closure");
		}
	}
	for (uint32_t i = 0; i < s->n_actions; i++)
	{
		const CedarActionType *a = &s->actions[i];

		FUZZ_REQUIRE(cedar_schema_action(s, a->uid) == a, "action is not found");
		FUZZ_REQUIRE(cedar_uid_is_action(a->uid), "type of an action");
		FUZZ_REQUIRE(a->context->kind == CEDAR_TYPE_RECORD, "context");
		check_type(a->context, &left);
		for (uint32_t k = 0; k < a->n_principals; k++)
			FUZZ_REQUIRE(cedar_schema_entity(s, a->principals[k]) != NULL, "principal");
		for (uint32_t k = 0; k < a->n_resources; k++)
			FUZZ_REQUIRE(cedar_schema_entity(s, a->resources[k]) != NULL, "resource");
		for (uint32_t k = 0; k < a->n_ancestors; k++)
		{
			const CedarActionType *up = cedar_schema_action(s, a->ancestors[k]);

			FUZZ_REQUIRE(up != NULL && up != a && cedar_schema_action_in(a, up->uid), "group");
			for (uint32_t m = 0; m < up->n_ancestors && --left > 0; m++)
				FUZZ_REQUIRE(cedar_schema_action_in(a, up->ancestors[m]), "closure of groups");
		}
	}
}

static bool
same_type(const CedarType *a, const CedarType *b, long *left)
{
	if (--*left < 0)
		return true;
	if (a->kind != b->kind || a->n_attrs != b->n_attrs)
		return false;
	if (a->kind == CEDAR_TYPE_ENTITY)
		return order(a->name, b->name) == 0;
	if (a->kind == CEDAR_TYPE_SET)
		return same_type(a->elem, b->elem, left);
	for (uint32_t i = 0; i < a->n_attrs; i++)
		if (order(a->attrs[i].name, b->attrs[i].name) != 0 ||
			a->attrs[i].required != b->attrs[i].required ||
			!same_type(a->attrs[i].type, b->attrs[i].type, left))
			return false;
	return true;
}

static bool
same_names(const CedarStr *const *a, uint32_t n_a, const CedarStr *const *b, uint32_t n_b)
{
	if (n_a != n_b)
		return false;
	for (uint32_t i = 0; i < n_a; i++)
		if (order(a[i], b[i]) != 0)
			return false;
	return true;
}

static bool
same_schema(const CedarSchema *a, const CedarSchema *b)
{
	long		left = COMPARE_LIMIT;

	if (a->n_entities != b->n_entities || a->n_actions != b->n_actions)
		return false;
	for (uint32_t i = 0; i < a->n_entities; i++)
	{
		const CedarEntityType *x = &a->entities[i];
		const CedarEntityType *y = &b->entities[i];

		if (order(x->name, y->name) != 0 || !same_type(x->shape, y->shape, &left) ||
			(x->tags == NULL) != (y->tags == NULL) ||
			(x->tags != NULL && !same_type(x->tags, y->tags, &left)) ||
			!same_names(x->ids, x->n_ids, y->ids, y->n_ids) ||
			!same_names(x->ancestors, x->n_ancestors, y->ancestors, y->n_ancestors))
			return false;
	}
	for (uint32_t i = 0; i < a->n_actions; i++)
	{
		const CedarActionType *x = &a->actions[i];
		const CedarActionType *y = &b->actions[i];

		if (!cedar_uid_equal(x->uid, y->uid) || !same_type(x->context, y->context, &left) ||
			!same_names(x->principals, x->n_principals, y->principals, y->n_principals) ||
			!same_names(x->resources, x->n_resources, y->resources, y->n_resources) ||
			x->n_ancestors != y->n_ancestors)
			return false;
		for (uint32_t k = 0; k < x->n_ancestors; k++)
			if (!cedar_uid_equal(x->ancestors[k], y->ancestors[k]))
				return false;
	}
	return true;
}

void
schema_check(CedarArena *arena, const char *text, size_t len, CedarSchemaFormat format)
{
	const CedarSchema *schema,
			   *again;
	const char *json,
			   *json2,
			   *out;
	size_t		json_len,
				json2_len,
				out_len;
	CedarError	err;
	CedarCode	code,
				other;
	char	   *copy;

	memset(&err, 0, sizeof(err));
	code = cedar_schema_parse(arena, text, len, format, &schema, &err);
	if (code != CEDAR_OK)
		fuzz_check_error(code, &err, len);
	else
		check_schema(schema);

	other = cedar_schema_to_json(arena, text, len, format, &json, &json_len, &err);
	if (is_limit(code) || is_limit(other))
		return;
	FUZZ_REQUIRE(code == other, "parse says %d, to_json %d: %s", code, other, err.message);
	other = cedar_schema_to_text(arena, text, len, format, &out, &out_len, &err);
	if (other != CEDAR_OK)
		fuzz_check_error(other, &err, len);
	if (is_limit(other))
		return;
	if (code != CEDAR_OK)
	{
		FUZZ_REQUIRE(code == other, "parse says %d, to_text %d", code, other);
		return;
	}
	FUZZ_REQUIRE(other == CEDAR_OK || other == CEDAR_ERR_SCHEMA, "to_text says %d: %s", other,
				 err.message);

	/* JSON comes back as it was, in meaning and to the letter */
	copy = fuzz_copy(json, json_len);
	code = cedar_schema_parse(arena, copy, json_len, CEDAR_SCHEMA_JSON, &again, &err);
	if (is_limit(code))
		return;
	FUZZ_REQUIRE(code == CEDAR_OK, "%.*s: %s", (int) json_len, json, err.message);
	FUZZ_REQUIRE(same_schema(schema, again), "%.*s", (int) json_len, json);
	code = cedar_schema_to_json(arena, copy, json_len, CEDAR_SCHEMA_AUTO, &json2, &json2_len, &err);
	if (is_limit(code))
		return;
	FUZZ_REQUIRE(code == CEDAR_OK && json_len == json2_len && memcmp(json, json2, json_len) == 0,
				 "%.*s", (int) json_len, json);
	if (other != CEDAR_OK)
		return;

	/* so does the text, but where two declarations of one name collide */
	copy = fuzz_copy(out, out_len);
	code = cedar_schema_parse(arena, copy, out_len, CEDAR_SCHEMA_CEDAR, &again, &err);
	if (is_limit(code))
		return;
	FUZZ_REQUIRE(code == CEDAR_OK || (code == CEDAR_ERR_SCHEMA && format == CEDAR_SCHEMA_JSON),
				 "%.*s: %s", (int) out_len, out, err.message);
	if (code != CEDAR_OK)
		return;
	if (format == CEDAR_SCHEMA_CEDAR)
		FUZZ_REQUIRE(same_schema(schema, again), "%.*s", (int) out_len, out);
	code = cedar_schema_to_text(arena, copy, out_len, CEDAR_SCHEMA_CEDAR, &json2, &json2_len, &err);
	if (is_limit(code))
		return;
	FUZZ_REQUIRE(code == CEDAR_OK && out_len == json2_len && memcmp(out, json2, out_len) == 0,
				 "%.*s", (int) out_len, out);
}
