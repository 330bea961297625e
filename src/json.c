/*-------------------------------------------------------------------------
 *
 * json.c
 *	  jsonb as Cedar values, without the way through text.
 *
 * The rules are those of src/cedar/entity.c, which alone knows all of them:
 * here are the common cases, and whatever is no such case (null, a fraction,
 * any other key that begins like an escape) is left to it.  It then gives the
 * value, or the error with its position.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"
#include "compat.h"

#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/numeric.h"

#include "host.h"
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

/*
 * What most numbers are: an integer of at most 16 digits, in the short form that
 * numeric has on disk.  False for any other.
 */
static bool
small_integer(Numeric number, int64 *value)
{
	const char *data = (const char *) number;
	uint16		header;
	int			weight;
	int			n;
	int64		v = 0;

	if (!VARATT_IS_4B_U(data) || VARSIZE(data) < VARHDRSZ + sizeof(uint16))
		return false;
	memcpy(&header, VARDATA(data), sizeof(uint16));
	/* 10 sign, 6 bits of digits after the point, 7 of the weight, signed */
	if ((header & 0xDFC0) != 0x8000)
		return false;
	weight = header & 0x3F;
	n = (VARSIZE(data) - VARHDRSZ - sizeof(uint16)) / sizeof(int16);
	if (n == 0)
		weight = -1;
	if (weight > 3 || n > weight + 1)
		return false;
	for (int i = 0; i <= weight; i++)
	{
		int16		digit = 0;

		if (i < n)
			memcpy(&digit, VARDATA(data) + sizeof(uint16) + i * sizeof(int16), sizeof(int16));
		v = v * 10000 + digit;
	}
	*value = header & 0x2000 ? -v : v;
	return true;
}

static bool
integer_value(Numeric number, CedarValue *value)
{
	char	   *text;
	char	   *end;
	int64		i;

	if (!small_integer(number, &i))
	{
		text = DatumGetCString(DirectFunctionCall1(numeric_out, NumericGetDatum(number)));
		/* Longer ones may be 64-bit integers still, but not often. */
		if (strlen(text) > 18)
			return false;
		i = strtoi64(text, &end, 10);
		if (*end != '\0')
			return false;
		pfree(text);
	}
	*value = cedar_value_scalar(CEDAR_LONG, i);
	return true;
}

/* Members of a container, one after the other. */
typedef struct Walk
{
	JsonbContainer *container;
	char	   *base;			/* of the members' data */
	uint32		next;			/* member */
	uint32		offset;			/* of its data */
} Walk;

/* From member i on; of an object the keys come first, then the values. */
static Walk
walk_from(JsonbContainer *container, uint32 i)
{
	uint32		n = JsonContainerSize(container) * (JsonContainerIsObject(container) ? 2 : 1);

	return (Walk) {container, (char *) &container->children[n], i, getJsonbOffset(container, i)};
}

static void
walk_next(Walk *walk, JsonbValue *v)
{
	JEntry		entry = walk->container->children[walk->next];
	char	   *data = walk->base + walk->offset;
	uint32		end = walk->offset;

	JBE_ADVANCE_OFFSET(end, entry);
	if (JBE_ISSTRING(entry))
	{
		v->type = jbvString;
		v->val.string.val = data;
		v->val.string.len = end - walk->offset;
	}
	else if (JBE_ISNUMERIC(entry))
	{
		v->type = jbvNumeric;
		v->val.numeric = (Numeric) (walk->base + INTALIGN(walk->offset));
	}
	else if (JBE_ISBOOL(entry))
	{
		v->type = jbvBool;
		v->val.boolean = JBE_ISBOOL_TRUE(entry);
	}
	else if (JBE_ISCONTAINER(entry))
	{
		v->type = jbvBinary;
		v->val.binary.data = (JsonbContainer *) (walk->base + INTALIGN(walk->offset));
	}
	else
		v->type = jbvNull;
	walk->next++;
	walk->offset = end;
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
	Walk		walk = walk_from(container, 0);
	JsonbValue	v;

	if (values == NULL)
		return false;
	for (uint32 i = 0; i < n; i++)
	{
		CHECK_FOR_INTERRUPTS();
		walk_next(&walk, &v);
		if (!any_value(arena, &v, depth, &values[i]))
			return false;
	}
	set = cedar_set_make(arena, values, n);
	if (set == NULL)
		return false;
	*value = cedar_value_set(set);
	return true;
}

/* The strings of an object that has just these two; its keys are ordered by length. */
static bool
two_strings(JsonbContainer *container, const char *short_key, const char *long_key,
			JsonbValue *first, JsonbValue *second)
{
	Walk		walk;
	JsonbValue	key;

	if (!JsonContainerIsObject(container) || JsonContainerSize(container) != 2)
		return false;
	walk = walk_from(container, 0);
	walk_next(&walk, &key);
	if (!string_is(&key, short_key))
		return false;
	walk_next(&walk, &key);
	if (!string_is(&key, long_key))
		return false;
	walk_next(&walk, first);
	walk_next(&walk, second);
	return first->type == jbvString && second->type == jbvString;
}

/* {"type": …, "id": …} */
static bool
reference_value(CedarArena *arena, JsonbContainer *container, CedarValue *value)
{
	JsonbValue	id,
				type;
	const CedarUid *uid;
	CedarError	err;

	if (!two_strings(container, "id", "type", &id, &type))
		return false;
	if (cedar_uid_make(arena, type.val.string.val, type.val.string.len,
					   id.val.string.val, id.val.string.len, &uid, &err) != CEDAR_OK)
		return false;
	*value = cedar_value_uid(uid);
	return true;
}

/* {"fn": …, "arg": …} */
static bool
extension_value(CedarArena *arena, JsonbContainer *container, CedarValue *value)
{
	JsonbValue	fn,
				arg;
	const CedarStr *str;

	if (!two_strings(container, "fn", "arg", &fn, &arg))
		return false;
	str = cedar_str_make(arena, arg.val.string.val, arg.val.string.len);
	return str != NULL &&
		cedar_extension_make(arena, fn.val.string.val, fn.val.string.len, str, value);
}

static bool
object_value(CedarArena *arena, JsonbContainer *container, int depth,
			 CedarValue *value)
{
	uint32		n = JsonContainerSize(container);
	CedarPair	few[FEW];
	CedarPair  *pairs = few;
	const CedarRecord *rec;
	Walk		keys = walk_from(container, 0);
	Walk		values = walk_from(container, n);
	JsonbValue	v;

	if (n > FEW)
	{
		pairs = cedar_arena_alloc(arena, n * sizeof(CedarPair));
		if (pairs == NULL)
			return false;
	}
	for (uint32 i = 0; i < n; i++)
	{
		CHECK_FOR_INTERRUPTS();
		walk_next(&keys, &v);
		if (v.type != jbvString)
			return false;
		if (v.val.string.len >= 2 && memcmp(v.val.string.val, "__", 2) == 0)
		{
			bool		reference = string_is(&v, "__entity");

			if (n != 1 || depth == 0 || !(reference || string_is(&v, "__extn")))
				return false;
			walk_next(&values, &v);
			return v.type == jbvBinary &&
				(reference ? reference_value : extension_value) (arena, v.val.binary.data, value);
		}
		pairs[i].key = cedar_str_make(arena, v.val.string.val, v.val.string.len);
		if (pairs[i].key == NULL)
			return false;
		walk_next(&values, &v);
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

/* No record is asked for as often as {}. */
static const CedarRecord *
empty_record(void)
{
	static const CedarRecord *empty = NULL;

	if (empty == NULL)
		empty = cedar_record_make(authz_arena_create(TopMemoryContext), NULL, 0, NULL);
	return empty;
}

const CedarRecord *
authz_jsonb_record(CedarArena *arena, Jsonb *jsonb)
{
	CedarValue	value;

	if (JB_ROOT_IS_OBJECT(jsonb) && JB_ROOT_COUNT(jsonb) == 0)
		return empty_record();
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
