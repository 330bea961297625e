/*-------------------------------------------------------------------------
 *
 * json.c
 *	  jsonb as Cedar values, without the way through text.
 *
 * The rules are those of src/cedar/entity.c, which alone knows all of them:
 * here are the common cases, and whatever is no such case (null, a fraction,
 * an extension value, any other key that begins like an escape) is left to
 * it.  It then gives the value, or the error with its position.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"
#include "compat.h"

#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/numeric.h"

#include "json.h"

/* Far less than what the reader of texts allows: that one judges the rest. */
#define DEPTH_MAX 32

/* Members on the stack; more of them are allocated. */
#define FEW 16

static bool container_value(CedarArena *arena, JsonbContainer *container,
							int depth, CedarValue *value);

static bool
string_is(const JsonbValue *v, const char *text)
{
	int			len = strlen(text);

	return v->type == jbvString && v->val.string.len == len &&
		memcmp(v->val.string.val, text, len) == 0;
}

static bool
integer_value(Numeric number, CedarValue *value)
{
	char	   *text = DatumGetCString(DirectFunctionCall1(numeric_out,
														   NumericGetDatum(number)));
	char	   *end;
	int64		i;

	/* Longer ones may be 64-bit integers still, but not often. */
	if (strlen(text) > 18)
		return false;
	i = strtoi64(text, &end, 10);
	if (*end != '\0')
		return false;
	pfree(text);
	*value = cedar_value_scalar(CEDAR_LONG, i);
	return true;
}

static bool
any_value(CedarArena *arena, const JsonbValue *v, int depth, CedarValue *value)
{
	const CedarStr *str;

	switch (v->type)
	{
		case jbvString:
			str = cedar_str_make(arena, v->val.string.val, v->val.string.len);
			if (str == NULL)
				return false;
			*value = cedar_value_str(str);
			return true;
		case jbvBool:
			*value = cedar_value_scalar(CEDAR_BOOL, v->val.boolean);
			return true;
		case jbvNumeric:
			return integer_value(v->val.numeric, value);
		case jbvBinary:
			return container_value(arena, v->val.binary.data, depth + 1, value);
		default:
			return false;
	}
}

static bool
array_value(CedarArena *arena, JsonbContainer *container, int depth,
			CedarValue *value)
{
	uint32		n = JsonContainerSize(container);
	CedarValue *values = cedar_arena_alloc(arena, Max(n, 1) * sizeof(CedarValue));
	const CedarSet *set;
	JsonbIterator *it = JsonbIteratorInit(container);
	JsonbValue	v;

	if (values == NULL)
		return false;
	JsonbIteratorNext(&it, &v, true);	/* WJB_BEGIN_ARRAY */
	for (uint32 i = 0; i < n; i++)
	{
		CHECK_FOR_INTERRUPTS();
		JsonbIteratorNext(&it, &v, true);
		if (!any_value(arena, &v, depth, &values[i]))
			return false;
	}
	set = cedar_set_make(arena, values, n);
	if (set == NULL)
		return false;
	*value = cedar_value_set(set);
	return true;
}

/* The two strings of {"type": …, "id": …}; keys come ordered by length. */
static bool
reference_value(CedarArena *arena, JsonbContainer *container, CedarValue *value)
{
	JsonbIterator *it;
	JsonbValue	key,
				id,
				type;
	const CedarUid *uid;
	CedarError	err;

	if (!JsonContainerIsObject(container) || JsonContainerSize(container) != 2)
		return false;
	it = JsonbIteratorInit(container);
	JsonbIteratorNext(&it, &key, true); /* WJB_BEGIN_OBJECT */
	JsonbIteratorNext(&it, &key, true);
	if (!string_is(&key, "id"))
		return false;
	JsonbIteratorNext(&it, &id, true);
	JsonbIteratorNext(&it, &key, true);
	if (!string_is(&key, "type"))
		return false;
	JsonbIteratorNext(&it, &type, true);
	if (id.type != jbvString || type.type != jbvString)
		return false;
	if (cedar_uid_make(arena, type.val.string.val, type.val.string.len,
					   id.val.string.val, id.val.string.len, &uid, &err) != CEDAR_OK)
		return false;
	*value = cedar_value_uid(uid);
	return true;
}

static bool
object_value(CedarArena *arena, JsonbContainer *container, int depth,
			 CedarValue *value)
{
	uint32		n = JsonContainerSize(container);
	CedarPair	few[FEW];
	CedarPair  *pairs = few;
	const CedarRecord *rec;
	JsonbIterator *it = JsonbIteratorInit(container);
	JsonbValue	v;

	if (n > FEW)
	{
		pairs = cedar_arena_alloc(arena, n * sizeof(CedarPair));
		if (pairs == NULL)
			return false;
	}
	JsonbIteratorNext(&it, &v, true);	/* WJB_BEGIN_OBJECT */
	for (uint32 i = 0; i < n; i++)
	{
		CHECK_FOR_INTERRUPTS();
		JsonbIteratorNext(&it, &v, true);
		if (v.val.string.len >= 2 && memcmp(v.val.string.val, "__", 2) == 0)
		{
			if (n != 1 || depth == 0 || !string_is(&v, "__entity"))
				return false;
			JsonbIteratorNext(&it, &v, true);
			return v.type == jbvBinary &&
				reference_value(arena, v.val.binary.data, value);
		}
		pairs[i].key = cedar_str_make(arena, v.val.string.val, v.val.string.len);
		if (pairs[i].key == NULL)
			return false;
		JsonbIteratorNext(&it, &v, true);
		if (!any_value(arena, &v, depth, &pairs[i].value))
			return false;
	}
	rec = cedar_record_make(arena, pairs, n, NULL);
	if (rec == NULL)
		return false;
	*value = cedar_value_rec(rec);
	return true;
}

static bool
container_value(CedarArena *arena, JsonbContainer *container, int depth,
				CedarValue *value)
{
	if (depth > DEPTH_MAX)
		return false;
	if (JsonContainerIsObject(container))
		return object_value(arena, container, depth, value);
	return array_value(arena, container, depth, value);
}

bool
authz_jsonb_value(CedarArena *arena, Jsonb *jsonb, CedarValue *value)
{
	JsonbValue	v;

	if (JB_ROOT_IS_SCALAR(jsonb))
		return JsonbExtractScalar(&jsonb->root, &v) &&
			any_value(arena, &v, 1, value);
	return container_value(arena, &jsonb->root, 1, value);
}

const CedarRecord *
authz_jsonb_record(CedarArena *arena, Jsonb *jsonb)
{
	CedarValue	value;

	if (JB_ROOT_IS_OBJECT(jsonb) && JB_ROOT_COUNT(jsonb) == 0)
		return cedar_record_make(arena, NULL, 0, NULL);
	/* Attributes are the object as it is; an escape there is none. */
	if (!JB_ROOT_IS_OBJECT(jsonb) ||
		!container_value(arena, &jsonb->root, 0, &value))
		return NULL;
	return value.u.rec;
}

char *
authz_jsonb_text(Jsonb *jsonb)
{
	return JsonbToCString(NULL, &jsonb->root, VARSIZE(jsonb));
}
