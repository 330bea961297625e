/*-------------------------------------------------------------------------
 *
 * link.c
 *	  Links of templates, written as JSON.
 *
 *-------------------------------------------------------------------------
 */
#include "link.h"

#include "entity.h"

/* The number N of "policyN" when the text has such a policy, else CEDAR_NONE. */
static uint32_t
policy_number(const CedarAst *ast, const CedarStr *id)
{
	static const char prefix[] = "policy";
	size_t		start = sizeof(prefix) - 1;
	uint64_t	number = 0;

	if (id->len <= start || id->len > start + 10 || memcmp(id->bytes, prefix, start) != 0 ||
		(id->bytes[start] == '0' && id->len > start + 1))
		return CEDAR_NONE;
	for (size_t i = start; i < id->len; i++)
	{
		if (id->bytes[i] < '0' || id->bytes[i] > '9')
			return CEDAR_NONE;
		number = number * 10 + (uint64_t) (id->bytes[i] - '0');
	}
	return number < ast->n ? (uint32_t) number : CEDAR_NONE;
}

static CedarCode
member(const CedarJson *j, const char *name, CedarJsonType type, const CedarJson **out,
	   CedarError *err)
{
	*out = cedar_json_get(j, name);
	if (*out != NULL && (*out)->type == type)
		return CEDAR_OK;
	cedar_fail_at(err, CEDAR_ERR_ENTITY, j->offset, j->length,
				  *out == NULL ? "a link has no \"%s\"" : "\"%s\" of a link has the wrong type", name);
	return cedar_hint(err, "Write {\"templateId\": …, \"newId\": …, \"values\": {\"?principal\": …}}.");
}

/* The value of one slot: there where the template has it, nowhere else. */
static CedarCode
read_slot(CedarArena *arena, const CedarAstPolicy *policy, CedarVar var, const char *name,
		  const CedarJson *values, uint32_t *known, const CedarUid **uid, CedarError *err)
{
	const CedarJson *value = cedar_json_get(values, name);

	*uid = NULL;
	if (value == NULL && policy->scope[var].slot)
		return cedar_fail_at(err, CEDAR_ERR_ENTITY, values->offset, values->length,
							 "slot %s of the template has no value", name);
	if (value == NULL)
		return CEDAR_OK;
	(*known)++;
	if (!policy->scope[var].slot)
		return cedar_fail_at(err, CEDAR_ERR_ENTITY, value->offset, value->length,
							 "the template has no slot %s", name);
	return cedar_uid_from_json(arena, value, "the value of a slot", uid, err);
}

static CedarCode
read_link(CedarArena *arena, const CedarAst *ast, const CedarJson *j, CedarLink *link,
		  CedarError *err)
{
	const CedarJson *template;
	const CedarJson *id;
	const CedarJson *values;
	const CedarAstPolicy *policy;
	uint32_t	known = 0;

	if (j->type != CEDAR_JSON_OBJECT)
		return cedar_fail_at(err, CEDAR_ERR_ENTITY, j->offset, j->length, "a link must be an object");
	TRY(member(j, "templateId", CEDAR_JSON_STRING, &template, err));
	TRY(member(j, "newId", CEDAR_JSON_STRING, &id, err));
	TRY(member(j, "values", CEDAR_JSON_OBJECT, &values, err));
	if (j->n != 3)
		return cedar_fail_at(err, CEDAR_ERR_ENTITY, j->offset, j->length,
							 "a link has templateId, newId and values and nothing else");
	link->id = id->u.str;
	link->policy = policy_number(ast, template->u.str);
	if (link->policy == CEDAR_NONE || !ast->policies[link->policy].template)
		return cedar_fail_at(err, CEDAR_ERR_ENTITY, template->offset, template->length,
							 "there is no template \"%.*s\"",
							 CEDAR_EXCERPT(template->u.str->bytes, template->u.str->len));
	if (policy_number(ast, id->u.str) != CEDAR_NONE)
		return cedar_fail_at(err, CEDAR_ERR_DUPLICATE, id->offset, id->length,
							 "the id \"%.*s\" is a policy's",
							 CEDAR_EXCERPT(id->u.str->bytes, id->u.str->len));
	policy = &ast->policies[link->policy];
	TRY(read_slot(arena, policy, CEDAR_VAR_PRINCIPAL, "?principal", values, &known,
				  &link->principal, err));
	TRY(read_slot(arena, policy, CEDAR_VAR_RESOURCE, "?resource", values, &known,
				  &link->resource, err));
	if (known != values->n)
		return cedar_fail_at(err, CEDAR_ERR_ENTITY, values->offset, values->length,
							 "the slots are ?principal and ?resource");
	return CEDAR_OK;
}

static int
compare_ids(const void *pa, const void *pb)
{
	const CedarStr *a = (*(const CedarLink *const *) pa)->id;
	const CedarStr *b = (*(const CedarLink *const *) pb)->id;
	int			order = memcmp(a->bytes, b->bytes, a->len < b->len ? a->len : b->len);

	return order != 0 ? order : (a->len > b->len) - (a->len < b->len);
}

/* No two links with one id. */
static CedarCode
check_ids(CedarArena *arena, const CedarJson *j, const CedarLink *links, uint32_t n, CedarError *err)
{
	const CedarLink **sorted = cedar_arena_alloc(arena, n * sizeof(CedarLink *));

	if (sorted == NULL)
		return cedar_nomem(err);
	for (uint32_t i = 0; i < n; i++)
		sorted[i] = &links[i];
	cedar_sort(arena, sorted, n, sizeof(CedarLink *), compare_ids);
	for (uint32_t i = 1; i < n; i++)
	{
		if (compare_ids(&sorted[i - 1], &sorted[i]) == 0)
		{
			/* equal ids are in no order; the later one is at fault */
			const CedarLink *later = sorted[i] > sorted[i - 1] ? sorted[i] : sorted[i - 1];
			const CedarJson *at = &j->u.elems[later - links];

			return cedar_fail_at(err, CEDAR_ERR_DUPLICATE, at->offset, at->length,
								 "two links have the id \"%.*s\"",
								 CEDAR_EXCERPT(later->id->bytes, later->id->len));
		}
	}
	return CEDAR_OK;
}

CedarCode
cedar_links_from_json(CedarArena *arena, const CedarAst *ast, const char *text, size_t len,
					  CedarLink **links, uint32_t *n, CedarError *err)
{
	CedarJson	j;

	TRY(cedar_json_parse(arena, text, len, &j, err));
	if (j.type != CEDAR_JSON_ARRAY)
	{
		cedar_fail_at(err, CEDAR_ERR_ENTITY, j.offset, j.length, "links must be an array");
		return cedar_hint(err, "Write [{\"templateId\": …, \"newId\": …, \"values\": {\"?principal\": …}}].");
	}
	*n = j.n;
	*links = cedar_arena_alloc(arena, (j.n + 1) * sizeof(CedarLink));
	if (*links == NULL)
		return cedar_nomem(err);
	for (uint32_t i = 0; i < j.n; i++)
	{
		cedar_arena_check_interrupt(arena);
		TRY(read_link(arena, ast, &j.u.elems[i], &(*links)[i], err));
	}
	return check_ids(arena, &j, *links, *n, err);
}
