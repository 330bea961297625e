/*-------------------------------------------------------------------------
 *
 * conform.c
 *	  Entities and requests read by a schema, and checked against it.
 *
 * Reading goes along the type: what is read without an error has it.  Values
 * that are there are checked by a walk of their own.
 *
 *-------------------------------------------------------------------------
 */
#include <stdio.h>

#include "conform.h"
#include "entity.h"
#include "schema_internal.h"

typedef struct Conform
{
	CedarArena *arena;
	const CedarSchema *schema;
	CedarError *err;
} Conform;

/* Where a value is, for messages: an attribute, a tag, the context. */
typedef struct Place
{
	const char *what;
	const CedarStr *name;		/* NULL: there is no name */
} Place;

static CedarCode read_typed(Conform *c, const CedarJson *j, const CedarType *type, Place place,
							CedarValue *v);
static CedarCode check_typed(Conform *c, const CedarValue *v, const CedarType *type, Place place);

/* --------------------------------------------------------------- messages */

static const char *
describe_type(const CedarType *type, char *buf, size_t size)
{
	static const char *const names[] = {
		"nothing", "a bool", "true", "false", "a long", "a string", "an entity", "an entity",
		"a set", "a record", "a decimal", "an ipaddr", "a datetime", "a duration"
	};

	CEDAR_STATIC_ASSERT(sizeof(names) / sizeof(names[0]) == CEDAR_TYPE_DURATION + 1,
						"every kind of type has its name");
	if (type->kind == CEDAR_TYPE_ENTITY)
		snprintf(buf, size, "an entity of type %.*s",
				 CEDAR_EXCERPT(type->name->bytes, type->name->len));
	else
		snprintf(buf, size, "%s", names[type->kind]);
	return buf;
}

static const char *
describe_place(Place place, char *buf, size_t size)
{
	if (place.name == NULL)
		snprintf(buf, size, "%s", place.what);
	else
		snprintf(buf, size, "%s \"%.*s\"", place.what,
				 CEDAR_EXCERPT(place.name->bytes, place.name->len));
	return buf;
}

/* Position of j, or none when it is NULL. */
static CedarCode
fail(Conform *c, const CedarJson *j, const char *message)
{
	cedar_fail(c->err, CEDAR_ERR_SCHEMA, "%s", message);
	if (j != NULL)
		cedar_error_at(j, c->err);
	return CEDAR_ERR_SCHEMA;
}

static CedarCode
mismatch(Conform *c, const CedarJson *j, const CedarType *type, Place place, const char *found)
{
	char		p[100],
				t[100],
				message[256];

	snprintf(message, sizeof(message), "%s must be %s, not %s",
			 describe_place(place, p, sizeof(p)), describe_type(type, t, sizeof(t)), found);
	return fail(c, j, message);
}

static CedarCode
mismatch_value(Conform *c, const CedarJson *j, const CedarType *type, Place place,
			   const CedarValue *v)
{
	char		found[160];

	return mismatch(c, j, type, place, cedar_value_describe(v, found, sizeof(found)));
}

/* -------------------------------------------------------------------- uids */

static CedarCode
find_action(Conform *c, const CedarUid *uid, const CedarJson *j, const CedarActionType **action)
{
	CedarValue	v = cedar_value_uid(uid);
	CedarGuess	guess;
	char		found[160],
				message[256];

	*action = cedar_schema_action(c->schema, uid);
	if (*action != NULL)
		return CEDAR_OK;
	snprintf(message, sizeof(message), "%s is no action of the schema",
			 cedar_value_describe(&v, found, sizeof(found)));
	fail(c, j, message);
	cedar_guess_start(&guess, uid->bytes + uid->type_len, uid->id_len);
	for (uint32_t i = 0; i < c->schema->n_actions; i++)
	{
		const CedarUid *other = c->schema->actions[i].uid;

		cedar_arena_check_interrupt(c->arena);
		cedar_guess_try(&guess, other->bytes + other->type_len, other->id_len);
	}
	return cedar_guess_hint(&guess, c->err);
}

static CedarCode
not_in_enumeration(Conform *c, const CedarUid *uid, const CedarEntityType *type,
				   const CedarJson *j)
{
	CedarValue	v = cedar_value_uid(uid);
	CedarGuess	guess;
	char		found[160],
				message[256];

	snprintf(message, sizeof(message), "%s is none of its enumeration",
			 cedar_value_describe(&v, found, sizeof(found)));
	fail(c, j, message);
	cedar_guess_start(&guess, uid->bytes + uid->type_len, uid->id_len);
	for (uint32_t i = 0; i < type->n_ids; i++)
	{
		cedar_arena_check_interrupt(c->arena);
		cedar_guess_try(&guess, type->ids[i]->bytes, type->ids[i]->len);
	}
	return cedar_guess_hint(&guess, c->err);
}

/*
 * An id of an enumeration must be one of its, an action must be declared.
 * *type is the type's declaration, NULL when there is none.
 */
static CedarCode
check_uid(Conform *c, const CedarUid *uid, const CedarJson *j, const CedarEntityType **type)
{
	*type = cedar_schema_entity_of(c->schema, uid);
	if (*type != NULL && (*type)->is_enum && !cedar_schema_has_id(*type, uid))
		return not_in_enumeration(c, uid, *type, j);
	if (cedar_uid_is_action(uid))
	{
		const CedarActionType *action;

		return find_action(c, uid, j, &action);
	}
	return CEDAR_OK;
}

/* ------------------------------------------------------------------ reading */

static bool
has_numbers(CedarArena *arena, const CedarJson *j)
{
	cedar_arena_check_interrupt(arena);
	if (j->type == CEDAR_JSON_NUMBER)
		return true;
	for (uint32_t i = 0; j->type == CEDAR_JSON_ARRAY && i < j->n; i++)
		if (has_numbers(arena, &j->u.elems[i]))
			return true;
	for (uint32_t i = 0; j->type == CEDAR_JSON_OBJECT && i < j->n; i++)
		if (has_numbers(arena, &j->u.members[i].value))
			return true;
	return false;
}

/* Is it {"fn", "arg"} or {"fn", "args"}?  Other members do not matter. */
static bool
is_call(CedarArena *arena, const CedarJson *j, const CedarStr **fn, const CedarJson **args,
		uint32_t *n)
{
	const CedarJson *name = cedar_json_get(j, "fn");
	const CedarJson *arg = cedar_json_get(j, "arg");
	const CedarJson *list = cedar_json_get(j, "args");

	if (name == NULL || name->type != CEDAR_JSON_STRING)
		return false;
	*fn = name->u.str;
	if (arg != NULL && !has_numbers(arena, arg))
	{
		*args = arg;
		*n = 1;
		return true;
	}
	if (list == NULL || list->type != CEDAR_JSON_ARRAY || has_numbers(arena, list))
		return false;
	*args = list->u.elems;
	*n = list->n;
	return true;
}

static CedarCode read_extension(Conform *c, const CedarJson *j, CedarFn constructor, Place place,
								CedarValue *v);

/* The constructor of an extension type; -1 for any other. */
static int
constructor_of(CedarKind kind)
{
	switch (kind)
	{
		case CEDAR_DECIMAL:
			return CEDAR_FN_DECIMAL;
		case CEDAR_IPADDR:
			return CEDAR_FN_IP;
		case CEDAR_DATETIME:
			return CEDAR_FN_DATETIME;
		case CEDAR_DURATION:
			return CEDAR_FN_DURATION;
		default:
			return -1;
	}
}

static CedarCode
call(Conform *c, const CedarJson *j, CedarFn fn, const CedarValue *args, uint32_t n,
	 CedarValue *v)
{
	CedarCode	code = cedar_fn_call(c->arena, fn, args, n, v, c->err);

	if (code == CEDAR_OK)
		return CEDAR_OK;
	cedar_error_at(j, c->err);
	return code >= CEDAR_EVAL_TYPE ? c->err->code = CEDAR_ERR_ENTITY : code;
}

static CedarCode
read_call(Conform *c, const CedarJson *j, const CedarStr *name, const CedarJson *args, uint32_t n,
		  Place place, CedarValue *v)
{
	int			fn = cedar_fn_lookup(name->bytes, name->len);
	CedarValue	values[2];

	if (fn < 0)
	{
		cedar_fail_at(c->err, CEDAR_ERR_ENTITY, j->offset, j->length,
					  "there is no extension function \"%.*s\"",
					  CEDAR_EXCERPT(name->bytes, name->len));
		return cedar_hint(c->err, "The constructors are ip, decimal, datetime and duration.");
	}
	CEDAR_STATIC_ASSERT(sizeof(values) / sizeof(values[0]) == 2, "no function takes more");
	if (n != cedar_functions[fn].arity)
		return cedar_fail_at(c->err, CEDAR_ERR_ENTITY, j->offset, j->length,
							 "%s takes %d arguments, not %u", cedar_functions[fn].name,
							 cedar_functions[fn].arity, (unsigned) n);
	for (uint32_t i = 0; i < n; i++)
	{
		int			constructor = constructor_of(cedar_fn_argument_kind((CedarFn) fn, i));

		if (constructor < 0)
			TRY(cedar_value_from_json(c->arena, &args[i], &values[i], c->err));
		else
			TRY(read_extension(c, &args[i], (CedarFn) constructor, place, &values[i]));
	}
	return call(c, j, (CedarFn) fn, values, n, v);
}

/*
 * Where a value of an extension type is wanted: a call, in __extn or not, of
 * any function, or the argument of the type's constructor.
 */
static CedarCode
read_extension(Conform *c, const CedarJson *j, CedarFn constructor, Place place, CedarValue *v)
{
	const CedarJson *inner = cedar_json_get(j, "__extn");
	const CedarJson *expr = cedar_json_get(j, "__expr");
	const CedarStr *fn;
	const CedarJson *args;
	CedarValue	arg;
	uint32_t	n;

	if (cedar_arena_stack_is_too_deep(c->arena))
		return cedar_stack(c->err);
	cedar_arena_check_interrupt(c->arena);
	if (expr != NULL && expr->type == CEDAR_JSON_STRING)
		return cedar_fail_at(c->err, CEDAR_ERR_ENTITY, j->offset, j->length,
							 "the __expr escape is no longer supported");
	if (inner != NULL && is_call(c->arena, inner, &fn, &args, &n))
		return read_call(c, inner, fn, args, n, place, v);
	if (is_call(c->arena, j, &fn, &args, &n))
		return read_call(c, j, fn, args, n, place, v);
	TRY(cedar_value_from_json(c->arena, j, &arg, c->err));
	return call(c, j, constructor, &arg, 1, v);
}

static CedarCode
read_entity_reference(Conform *c, const CedarJson *j, const CedarType *type, Place place,
					  CedarValue *v)
{
	const CedarEntityType *declared;
	const CedarUid *uid;
	char		what[100];

	TRY(cedar_uid_from_json(c->arena, j, describe_place(place, what, sizeof(what)), &uid, c->err));
	*v = cedar_value_uid(uid);
	if (!cedar_uid_has_type(uid, type->name))
		return mismatch_value(c, j, type, place, v);
	return check_uid(c, uid, j, &declared);
}

static CedarCode
read_set(Conform *c, const CedarJson *j, const CedarType *type, Place place, CedarValue *v)
{
	CedarValue *values;
	const CedarSet *set;

	if (j->n > CEDAR_MAX_SET_SIZE)
		return cedar_fail_at(c->err, CEDAR_ERR_LIMIT, j->offset, 1,
							 "a set has at most %d elements, this one has %u",
							 CEDAR_MAX_SET_SIZE, (unsigned) j->n);
	values = cedar_arena_alloc(c->arena, j->n * sizeof(CedarValue));
	if (values == NULL)
		return cedar_nomem(c->err);
	place.what = "an element of the set";
	place.name = NULL;
	for (uint32_t i = 0; i < j->n; i++)
		TRY(read_typed(c, &j->u.elems[i], type->elem, place, &values[i]));
	set = cedar_set_make(c->arena, values, j->n);
	if (set == NULL)
		return cedar_nomem(c->err);
	*v = cedar_value_set(set);
	return CEDAR_OK;
}

static CedarCode
no_such_attribute(Conform *c, const CedarJsonMember *m, const CedarStr *name,
				  const CedarType *type, Place place)
{
	CedarGuess	guess;
	char		p[100],
				message[256];

	snprintf(message, sizeof(message), "%s has no attribute \"%.*s\"",
			 describe_place(place, p, sizeof(p)), CEDAR_EXCERPT(name->bytes, name->len));
	fail(c, NULL, message);
	if (m != NULL)
	{
		c->err->has_position = true;
		c->err->offset = m->key_offset;
		c->err->length = m->key_length;
	}
	cedar_guess_start(&guess, name->bytes, name->len);
	for (uint32_t i = 0; i < type->n_attrs; i++)
	{
		cedar_arena_check_interrupt(c->arena);
		cedar_guess_try(&guess, type->attrs[i].name->bytes, type->attrs[i].name->len);
	}
	return cedar_guess_hint(&guess, c->err);
}

static CedarCode
missing_attribute(Conform *c, const CedarJson *j, const CedarStr *name, Place place)
{
	char		p[100],
				message[256];

	snprintf(message, sizeof(message), "%s needs the attribute \"%.*s\"",
			 describe_place(place, p, sizeof(p)), CEDAR_EXCERPT(name->bytes, name->len));
	return fail(c, j, message);
}

/* Are all attributes there that must be? */
static CedarCode
check_required(Conform *c, const CedarRecord *rec, const CedarType *type, const CedarJson *j,
			   Place place)
{
	for (uint32_t i = 0; i < type->n_attrs; i++)
	{
		cedar_arena_check_interrupt(c->arena);
		if (type->attrs[i].required && cedar_record_get(rec, type->attrs[i].name) == NULL)
			return missing_attribute(c, j, type->attrs[i].name, place);
	}
	return CEDAR_OK;
}

/* An object is a record here, whatever its keys. */
static CedarCode
read_record(Conform *c, const CedarJson *j, const CedarType *type, Place place,
			const CedarRecord **rec)
{
	CedarPair  *pairs = cedar_arena_alloc(c->arena, j->n * sizeof(CedarPair));

	if (pairs == NULL)
		return cedar_nomem(c->err);
	for (uint32_t i = 0; i < j->n; i++)
	{
		const CedarJsonMember *m = &j->u.members[i];
		const CedarAttrType *attr = cedar_type_attr(type, m->key);
		Place		inner = {"attribute", m->key};

		if (attr == NULL)
		{
			no_such_attribute(c, m, m->key, type, place);
			return CEDAR_ERR_SCHEMA;
		}
		pairs[i].key = m->key;
		TRY(read_typed(c, &m->value, attr->type, inner, &pairs[i].value));
	}
	*rec = cedar_record_make(c->arena, pairs, j->n, NULL);
	if (*rec == NULL)
		return cedar_nomem(c->err);
	return check_required(c, *rec, type, j, place);
}

/* The kind of the values of a type that is neither set, record nor entity. */
static CedarKind
kind_of(const CedarType *type)
{
	switch (type->kind)
	{
		case CEDAR_TYPE_BOOL:
			return CEDAR_BOOL;
		case CEDAR_TYPE_LONG:
			return CEDAR_LONG;
		case CEDAR_TYPE_DECIMAL:
			return CEDAR_DECIMAL;
		case CEDAR_TYPE_IPADDR:
			return CEDAR_IPADDR;
		case CEDAR_TYPE_DATETIME:
			return CEDAR_DATETIME;
		case CEDAR_TYPE_DURATION:
			return CEDAR_DURATION;
		default:
			return CEDAR_STRING;
	}
}

/* Recursion is bounded by the depth of JSON. */
static CedarCode
read_typed(Conform *c, const CedarJson *j, const CedarType *type, Place place, CedarValue *v)
{
	const CedarRecord *rec;
	CedarKind	kind;
	int			constructor;

	if (cedar_arena_stack_is_too_deep(c->arena))
		return cedar_stack(c->err);
	cedar_arena_check_interrupt(c->arena);
	switch (type->kind)
	{
		case CEDAR_TYPE_ENTITY:
			return read_entity_reference(c, j, type, place, v);
		case CEDAR_TYPE_SET:
			if (j->type == CEDAR_JSON_ARRAY)
				return read_set(c, j, type, place, v);
			break;
		case CEDAR_TYPE_RECORD:
			if (j->type == CEDAR_JSON_OBJECT)
			{
				TRY(read_record(c, j, type, place, &rec));
				*v = cedar_value_rec(rec);
				return CEDAR_OK;
			}
			break;
		default:
			kind = kind_of(type);
			constructor = constructor_of(kind);
			if (constructor >= 0)
				TRY(read_extension(c, j, (CedarFn) constructor, place, v));
			else
				TRY(cedar_value_from_json(c->arena, j, v, c->err));
			return v->kind == (uint32_t) kind ? CEDAR_OK : mismatch_value(c, j, type, place, v);
	}
	TRY(cedar_value_from_json(c->arena, j, v, c->err));
	return mismatch_value(c, j, type, place, v);
}

/* ----------------------------------------------------------------- checking */

static CedarCode
check_record(Conform *c, const CedarRecord *rec, const CedarType *type, Place place)
{
	for (uint32_t i = 0; i < rec->n; i++)
	{
		const CedarStr *key = cedar_slot_str(&rec->fields[i].key);
		const CedarAttrType *attr = cedar_type_attr(type, key);
		CedarValue	v = cedar_slot_value(&rec->fields[i].value);
		Place		inner = {"attribute", key};

		if (attr == NULL)
			return no_such_attribute(c, NULL, key, type, place);
		TRY(check_typed(c, &v, attr->type, inner));
	}
	return check_required(c, rec, type, NULL, place);
}

/* Recursion is bounded by the depth of the type. */
static CedarCode
check_typed(Conform *c, const CedarValue *v, const CedarType *type, Place place)
{
	const CedarEntityType *declared;

	if (cedar_arena_stack_is_too_deep(c->arena))
		return cedar_stack(c->err);
	cedar_arena_check_interrupt(c->arena);
	switch (type->kind)
	{
		case CEDAR_TYPE_ENTITY:
			if (v->kind == CEDAR_ENTITY && cedar_uid_has_type(v->u.uid, type->name))
				return check_uid(c, v->u.uid, NULL, &declared);
			break;
		case CEDAR_TYPE_SET:
			if (v->kind != CEDAR_SET)
				break;
			for (uint32_t i = 0; i < v->u.set->n; i++)
			{
				CedarValue	elem = cedar_slot_value(&v->u.set->elems[i]);
				Place		inner = {"an element of the set", NULL};

				TRY(check_typed(c, &elem, type->elem, inner));
			}
			return CEDAR_OK;
		case CEDAR_TYPE_RECORD:
			if (v->kind == CEDAR_RECORD)
				return check_record(c, v->u.rec, type, place);
			break;
		default:
			if (v->kind == (uint32_t) kind_of(type))
				return CEDAR_OK;
	}
	return mismatch_value(c, NULL, type, place, v);
}

/* ----------------------------------------------------------------- entities */

/* Where the parts of an entity are; NULL where there is no JSON. */
typedef struct EntityPlaces
{
	const CedarJson *uid;
	const CedarJson *parents;
} EntityPlaces;

static CedarCode
check_parents(Conform *c, const CedarEntity *e, const CedarEntityType *type,
			  const EntityPlaces *places)
{
	for (uint32_t i = 0; i < e->n_parents; i++)
	{
		const CedarUid *parent = e->parents[i];
		const CedarJson *j = places->parents != NULL ? &places->parents->u.elems[i] : NULL;
		const CedarEntityType *in;
		char		message[256];

		cedar_arena_check_interrupt(c->arena);
		TRY(check_uid(c, parent, j, &in));
		if (in != NULL && cedar_schema_type_in(type, in->name))
			continue;
		snprintf(message, sizeof(message), "an entity of type %.*s cannot be in one of type %.*s",
				 CEDAR_EXCERPT(type->name->bytes, type->name->len),
				 CEDAR_EXCERPT(parent->bytes, parent->type_len));
		return fail(c, j, message);
	}
	return CEDAR_OK;
}

/*
 * An action must be as the schema has it: without attributes and tags, in
 * these groups.
 */
static CedarCode
check_action(Conform *c, const CedarEntity *e, const CedarUidSet *groups,
			 const EntityPlaces *places)
{
	const CedarActionType *action;
	CedarValue	v = cedar_value_uid(e->uid);
	char		found[160],
				message[256];
	bool		same = (e->attrs == NULL || e->attrs->n == 0) && (e->tags == NULL || e->tags->n == 0);

	TRY(find_action(c, e->uid, places->uid, &action));
	if (groups->n != action->n_ancestors)
		same = false;
	for (uint32_t i = 0; i < action->n_ancestors && same; i++)
		same = cedar_uidset_has(groups, action->ancestors[i]);
	if (same)
		return CEDAR_OK;
	snprintf(message, sizeof(message), "%s is not as the schema declares it",
			 cedar_value_describe(&v, found, sizeof(found)));
	fail(c, places->uid, message);
	return cedar_hint(c->err, "Leave actions out: the schema has them.");
}

/* The entity's type, which must be declared, and its id. */
static CedarCode
find_type(Conform *c, const CedarUid *uid, const CedarJson *j, const CedarEntityType **type)
{
	CedarGuess	guess;
	char		message[256];

	TRY(check_uid(c, uid, j, type));
	if (*type != NULL)
		return CEDAR_OK;
	snprintf(message, sizeof(message), "the schema has no entity type %.*s",
			 CEDAR_EXCERPT(uid->bytes, uid->type_len));
	fail(c, j, message);
	cedar_guess_start(&guess, uid->bytes, uid->type_len);
	for (uint32_t i = 0; i < c->schema->n_entities; i++)
	{
		const CedarStr *name = c->schema->entities[i].name;

		cedar_arena_check_interrupt(c->arena);
		cedar_guess_try(&guess, name->bytes, name->len);
	}
	return cedar_guess_hint(&guess, c->err);
}

static CedarCode
read_tags(Conform *c, const CedarJson *j, const CedarEntityType *type, const CedarRecord **tags)
{
	CedarPair  *pairs;

	*tags = NULL;
	if (j == NULL || j->n == 0)
		return CEDAR_OK;
	if (type->tags == NULL)
	{
		char		message[256];

		snprintf(message, sizeof(message), "an entity of type %.*s has no tags",
				 CEDAR_EXCERPT(type->name->bytes, type->name->len));
		return fail(c, j, message);
	}
	pairs = cedar_arena_alloc(c->arena, j->n * sizeof(CedarPair));
	if (pairs == NULL)
		return cedar_nomem(c->err);
	for (uint32_t i = 0; i < j->n; i++)
	{
		Place		place = {"tag", j->u.members[i].key};

		pairs[i].key = j->u.members[i].key;
		TRY(read_typed(c, &j->u.members[i].value, type->tags, place, &pairs[i].value));
	}
	*tags = cedar_record_make(c->arena, pairs, j->n, NULL);
	return *tags == NULL ? cedar_nomem(c->err) : CEDAR_OK;
}

static CedarCode
read_untyped(Conform *c, const CedarJson *j, const CedarRecord **rec)
{
	CedarPair  *pairs = cedar_arena_alloc(c->arena, j->n * sizeof(CedarPair));

	if (pairs == NULL)
		return cedar_nomem(c->err);
	for (uint32_t i = 0; i < j->n; i++)
	{
		pairs[i].key = j->u.members[i].key;
		TRY(cedar_value_from_json(c->arena, &j->u.members[i].value, &pairs[i].value, c->err));
	}
	*rec = cedar_record_make(c->arena, pairs, j->n, NULL);
	return *rec == NULL ? cedar_nomem(c->err) : CEDAR_OK;
}

/* Attributes and tags, by the type of the entity; those of an action as they are. */
static CedarCode
read_contents(Conform *c, CedarEntity *e, const CedarJson *attrs, const CedarJson *tags,
			  const CedarEntityType *type, const char **fault)
{
	Place		place = {"the entity", NULL};

	*fault = "attrs";
	if (type == NULL)
		TRY(read_untyped(c, attrs, &e->attrs));
	else
		TRY(read_record(c, attrs, type->shape, place, &e->attrs));
	*fault = "tags";
	e->tags = NULL;
	if (type != NULL)
		return read_tags(c, tags, type, &e->tags);
	return tags != NULL ? read_untyped(c, tags, &e->tags) : CEDAR_OK;
}

/* An action of the schema as an entity, in the place of the one that is there. */
static CedarCode
add_action(Conform *c, CedarEntities *es, const CedarActionType *action,
		   const CedarRecord *no_attrs)
{
	CedarEntity **place = cedar_entities_place(es, action->uid);
	CedarEntity *e = cedar_arena_zalloc(c->arena, sizeof(CedarEntity));

	if (e == NULL)
		return cedar_nomem(c->err);
	e->uid = action->uid;
	e->attrs = no_attrs;
	e->n_parents = action->n_ancestors;
	e->parents = (const CedarUid *const *) action->ancestors;
	if (*place == NULL)
		es->n++;
	*place = e;
	return CEDAR_OK;
}

/* Of all that are given, now that it is known what they are in. */
static CedarCode
check_actions(Conform *c, CedarEntities *es, const CedarJson *all)
{
	CedarEntitySource source = cedar_entities_source(es);

	for (uint32_t i = 0; i < es->cap; i++)
	{
		CedarEntity *e = es->table[i];
		EntityPlaces places = {all, NULL};

		cedar_arena_check_interrupt(c->arena);
		if (e == NULL || !cedar_uid_is_action(e->uid))
			continue;
		TRY(cedar_entity_ancestors(&source, e, c->err));
		TRY(check_action(c, e, e->ancestors, &places));
	}
	return CEDAR_OK;
}

CedarCode
cedar_conform_actions(CedarArena *arena, const CedarSchema *schema, CedarEntities **actions,
					  CedarError *err)
{
	Conform		c = {arena, schema, err};
	CedarEntities *es;
	CedarEntitySource source;
	const CedarRecord *no_attrs = cedar_record_make(arena, NULL, 0, NULL);

	if (no_attrs == NULL)
		return cedar_nomem(err);
	TRY(cedar_entities_create(arena, schema->n_actions, &es, err));
	for (uint32_t i = 0; i < schema->n_actions; i++)
		TRY(add_action(&c, es, &schema->actions[i], no_attrs));
	source = cedar_entities_source(es);
	for (uint32_t i = 0; i < es->cap; i++)
		if (es->table[i] != NULL)
			TRY(cedar_entity_ancestors(&source, es->table[i], err));
	*actions = es;
	return CEDAR_OK;
}

CedarCode
cedar_conform_entities_from_json(CedarArena *arena, const CedarSchema *schema, const char *text,
								 size_t len, CedarEntities **entities, CedarError *err)
{
	Conform		c = {arena, schema, err};
	CedarJson	j;
	CedarEntities *es;
	const CedarRecord *no_attrs = cedar_record_make(arena, NULL, 0, NULL);

	if (no_attrs == NULL)
		return cedar_nomem(err);
	TRY(cedar_json_parse(arena, text, len, &j, err));
	if (j.type != CEDAR_JSON_ARRAY)
		return cedar_entities_no_array(&j, err);
	if (j.n > UINT32_MAX - schema->n_actions)
		return cedar_fail(err, CEDAR_ERR_LIMIT, "too many entities");
	TRY(cedar_entities_create(arena, j.n + schema->n_actions, &es, err));
	for (uint32_t i = 0; i < j.n; i++)
	{
		CedarEntity *e = cedar_arena_alloc(arena, sizeof(CedarEntity));
		CedarOpenEntity open;
		EntityPlaces places;
		const CedarEntityType *type = NULL;
		const char *fault;

		if (e == NULL)
			return cedar_nomem(err);
		cedar_arena_check_interrupt(arena);
		TRY(cedar_entity_open(arena, &j.u.elems[i], e, &open, err));
		places.uid = open.uid;
		places.parents = open.parents;
		if (!cedar_uid_is_action(e->uid))
		{
			TRY(find_type(&c, e->uid, open.uid, &type));
			TRY(check_parents(&c, e, type, &places));
		}
		TRY(read_contents(&c, e, open.attrs, open.tags, type, &fault));
		TRY(cedar_entities_add(es, e, &j.u.elems[i], err));
	}
	TRY(cedar_entities_check_cycles(es, err));
	TRY(check_actions(&c, es, &j));
	for (uint32_t i = 0; i < schema->n_actions; i++)
		TRY(add_action(&c, es, &schema->actions[i], no_attrs));
	*entities = es;
	return CEDAR_OK;
}

/* The parents of an action that stands alone. */
static CedarCode
check_lone_action(Conform *c, const CedarEntity *e)
{
	static const EntityPlaces nowhere = {NULL, NULL};
	CedarUidSet groups = {0};
	bool		added;

	for (uint32_t i = 0; i < e->n_parents; i++)
	{
		cedar_arena_check_interrupt(c->arena);
		if (cedar_uidset_add(c->arena, &groups, e->parents[i], &added) != CEDAR_OK)
			return cedar_nomem(c->err);
	}
	return check_action(c, e, &groups, &nowhere);
}

CedarCode
cedar_conform_entity_build(CedarArena *arena, const CedarSchema *schema, const CedarUid *uid,
						   const char *attrs, size_t attrs_len, const char *tags,
						   size_t tags_len, const CedarUid *const *parents, uint32_t n_parents,
						   CedarEntity **entity, const char **fault, CedarError *err)
{
	static const EntityPlaces nowhere = {NULL, NULL};
	Conform		c = {arena, schema, err};
	CedarEntity *e = cedar_arena_zalloc(arena, sizeof(CedarEntity));
	const CedarEntityType *type = NULL;
	CedarJson	attrs_json,
				tags_json;

	*fault = "uid";
	if (e == NULL)
		return cedar_nomem(err);
	e->uid = uid;
	e->parents = parents;
	e->n_parents = n_parents;
	if (!cedar_uid_is_action(uid))
		TRY(find_type(&c, uid, NULL, &type));
	*fault = "attrs";
	TRY(cedar_json_parse(arena, attrs, attrs_len, &attrs_json, err));
	if (attrs_json.type != CEDAR_JSON_OBJECT)
		return cedar_fail_at(err, CEDAR_ERR_ENTITY, attrs_json.offset, attrs_json.length,
							 "attributes must be a JSON object");
	if (tags != NULL)
	{
		*fault = "tags";
		TRY(cedar_json_parse(arena, tags, tags_len, &tags_json, err));
		if (tags_json.type != CEDAR_JSON_OBJECT)
			return cedar_fail_at(err, CEDAR_ERR_ENTITY, tags_json.offset, tags_json.length,
								 "tags must be a JSON object");
	}
	TRY(read_contents(&c, e, &attrs_json, tags != NULL ? &tags_json : NULL, type, fault));
	*fault = "parents";
	if (type != NULL)
		TRY(check_parents(&c, e, type, &nowhere));
	else
		TRY(check_lone_action(&c, e));
	*entity = e;
	return CEDAR_OK;
}

CedarCode
cedar_conform_entity(CedarArena *arena, const CedarSchema *schema, const CedarEntity *entity,
					 CedarError *err)
{
	static const EntityPlaces nowhere = {NULL, NULL};
	Conform		c = {arena, schema, err};
	const CedarEntityType *type;
	Place		place = {"the entity", NULL};

	if (cedar_uid_is_action(entity->uid))
		return check_lone_action(&c, entity);
	TRY(find_type(&c, entity->uid, NULL, &type));
	TRY(check_record(&c, entity->attrs, type->shape, place));
	TRY(check_parents(&c, entity, type, &nowhere));
	if (entity->tags == NULL || entity->tags->n == 0)
		return CEDAR_OK;
	if (type->tags == NULL)
		return cedar_fail(err, CEDAR_ERR_SCHEMA, "an entity of type %.*s has no tags",
						  CEDAR_EXCERPT(type->name->bytes, type->name->len));
	for (uint32_t i = 0; i < entity->tags->n; i++)
	{
		Place		tag = {"tag", cedar_slot_str(&entity->tags->fields[i].key)};
		CedarValue	v = cedar_slot_value(&entity->tags->fields[i].value);

		TRY(check_typed(&c, &v, type->tags, tag));
	}
	return CEDAR_OK;
}

/* ----------------------------------------------------------------- requests */

static bool
applies_to(const CedarStr *const *types, uint32_t n, const CedarStr *type)
{
	uint32_t	lo = 0;
	uint32_t	hi = n;

	while (lo < hi)
	{
		uint32_t	mid = lo + (hi - lo) / 2;
		int			order = cedar_str_order(types[mid], type);

		if (order == 0)
			return true;
		if (order < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	return false;
}

/* "User, Group and 3 more" */
static void
list_types(const CedarStr *const *types, uint32_t n, char *buf, size_t size)
{
	size_t		used = 0;

	for (uint32_t i = 0; i < n; i++)
	{
		int			len;

		if (i == 4 && n > 5)
		{
			snprintf(buf + used, size - used, " and %u more", (unsigned) (n - i));
			return;
		}
		len = snprintf(buf + used, size - used, "%s%.*s", i > 0 ? ", " : "",
					   (int) cedar_utf8_clip(types[i]->bytes, types[i]->len, 24),
					   types[i]->bytes);
		if (len < 0 || (size_t) len >= size - used)
			return;
		used += (size_t) len;
	}
}

/* A principal or a resource. */
static CedarCode
check_scope(Conform *c, const char *what, const CedarUid *uid, const CedarJson *j,
			const CedarActionType *action, const CedarStr *const *types, uint32_t n)
{
	const CedarEntityType *type;
	CedarValue	v = cedar_value_uid(action->uid);
	char		found[160],
				message[256];

	TRY(find_type(c, uid, j, &type));
	if (applies_to(types, n, type->name))
		return CEDAR_OK;
	snprintf(message, sizeof(message), "%s does not apply to a %s of type %.*s",
			 cedar_value_describe(&v, found, sizeof(found)), what,
			 CEDAR_EXCERPT(type->name->bytes, type->name->len));
	fail(c, j, message);
	if (n == 0)
		return cedar_hint(c->err, "It applies to nothing.");
	list_types(types, n, message, sizeof(message));
	return cedar_hint(c->err, "It applies to: %s.", message);
}

/* All but the context; where may be NULL. */
static CedarCode
check_scopes(Conform *c, const CedarRequest *request, const CedarJson *const *where,
			 const CedarActionType **action)
{
	TRY(find_action(c, request->action, where != NULL ? where[1] : NULL, action));
	TRY(check_scope(c, "principal", request->principal, where != NULL ? where[0] : NULL, *action,
					(*action)->principals, (*action)->n_principals));
	return check_scope(c, "resource", request->resource, where != NULL ? where[2] : NULL, *action,
					   (*action)->resources, (*action)->n_resources);
}

/* j is NULL for the empty context. */
static CedarCode
read_context(Conform *c, const CedarJson *j, const CedarActionType *action,
			 const CedarRecord **context)
{
	Place		place = {"the context", NULL};
	CedarValue	v;

	if (j == NULL)
	{
		*context = cedar_record_make(c->arena, NULL, 0, NULL);
		if (*context == NULL)
			return cedar_nomem(c->err);
		return check_required(c, *context, action->context, NULL, place);
	}
	if (read_typed(c, j, action->context, place, &v) != CEDAR_OK)
		return c->err->code == CEDAR_ERR_ENTITY ? c->err->code = CEDAR_ERR_REQUEST : c->err->code;
	*context = v.u.rec;
	return CEDAR_OK;
}

CedarCode
cedar_conform_context_from_json(CedarArena *arena, const CedarSchema *schema,
								const CedarUid *action, const char *text, size_t len,
								const CedarRecord **context, CedarError *err)
{
	Conform		c = {arena, schema, err};
	const CedarActionType *type;
	CedarJson	j;

	TRY(find_action(&c, action, NULL, &type));
	TRY(cedar_json_parse(arena, text, len, &j, err));
	return read_context(&c, &j, type, context);
}

CedarCode
cedar_conform_request_from_json(CedarArena *arena, const CedarSchema *schema, const char *text,
								size_t len, CedarRequest *request, CedarError *err)
{
	Conform		c = {arena, schema, err};
	const CedarActionType *action;
	const CedarJson *where[3];
	const CedarJson *context;
	CedarJson	j;

	TRY(cedar_json_parse(arena, text, len, &j, err));
	TRY(cedar_request_open(arena, &j, request, where, &context, err));
	TRY(check_scopes(&c, request, where, &action));
	return read_context(&c, context, action, &request->context);
}

CedarCode
cedar_conform_request(CedarArena *arena, const CedarSchema *schema, const CedarRequest *request,
					  CedarError *err)
{
	Conform		c = {arena, schema, err};
	const CedarActionType *action;
	Place		place = {"the context", NULL};

	TRY(check_scopes(&c, request, NULL, &action));
	return check_record(&c, request->context, action->context, place);
}
