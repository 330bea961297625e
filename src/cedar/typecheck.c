/*-------------------------------------------------------------------------
 *
 * typecheck.c
 *	  The type of a policy's condition in one request environment.
 *
 * The rules are those of the reference's strict mode.  Booleans that are known
 * have singleton types, so that what can never be evaluated is not checked.  A
 * capability is an optional attribute or a tag that has been tested for; it
 * holds where the test is known to have been true.
 *
 * A part that does not type-check leaves a finding and a type to go on with,
 * where one is known, so that all findings of a policy come at once.  Whatever
 * was built on it fails as well.
 *
 * Sets of capabilities are lists that do not change once made and share their
 * tails.  All memory is the arena's; the caller releases it.
 *
 *-------------------------------------------------------------------------
 */
#include <stdio.h>

#include "eval.h"
#include "schema_internal.h"
#include "typecheck.h"

typedef struct Capability
{
	const Checked *expr;
	const CedarStr *attr;		/* NULL for a tag */
	const Checked *tag;
	const struct Capability *next;
} Capability;

/* What is known of an expression; type NULL: nothing. */
typedef struct Answer
{
	bool		ok;
	const CedarType *type;
	const Capability *caps;		/* empty unless ok */
} Answer;

const CedarType cedar_type_bool = {.kind = CEDAR_TYPE_BOOL};
static const CedarType type_true = {.kind = CEDAR_TYPE_TRUE};
static const CedarType type_false = {.kind = CEDAR_TYPE_FALSE};
static const CedarType type_long = {.kind = CEDAR_TYPE_LONG};
static const CedarType type_string = {.kind = CEDAR_TYPE_STRING};
static const CedarType type_any_entity = {.kind = CEDAR_TYPE_ANY_ENTITY};
static const CedarType type_any_set = {.kind = CEDAR_TYPE_SET};
static const CedarType type_entities = {.kind = CEDAR_TYPE_SET, .elem = &type_any_entity};
static const CedarType type_any_record = {.kind = CEDAR_TYPE_RECORD, .open = true};
static const CedarType type_decimal = {.kind = CEDAR_TYPE_DECIMAL};
static const CedarType type_ipaddr = {.kind = CEDAR_TYPE_IPADDR};
static const CedarType type_datetime = {.kind = CEDAR_TYPE_DATETIME};
static const CedarType type_duration = {.kind = CEDAR_TYPE_DURATION};

static CedarCode check(TypeCheck *t, const Capability *prior, const Checked *e, Answer *out);

/* ------------------------------------------------------------------ types */

static bool
is_bool(const CedarType *type)
{
	return type->kind == CEDAR_TYPE_BOOL || type->kind == CEDAR_TYPE_TRUE ||
		type->kind == CEDAR_TYPE_FALSE;
}

static bool
is_false(const CedarType *type)
{
	return type != NULL && type->kind == CEDAR_TYPE_FALSE;
}

static bool
is_true(const CedarType *type)
{
	return type != NULL && type->kind == CEDAR_TYPE_TRUE;
}

static CedarCode
deeper(TypeCheck *t)
{
	if (cedar_arena_stack_is_too_deep(t->arena))
		return cedar_stack(t->err);
	cedar_arena_check_interrupt(t->arena);
	return CEDAR_OK;
}

/* Is every value of a one of want, where want is a type to be expected? */
static bool
fits(const CedarType *a, const CedarType *want)
{
	switch (want->kind)
	{
		case CEDAR_TYPE_BOOL:
			return is_bool(a);
		case CEDAR_TYPE_ANY_ENTITY:
			return a->kind == CEDAR_TYPE_ENTITY || a->kind == CEDAR_TYPE_ANY_ENTITY;
		case CEDAR_TYPE_SET:
			return a->kind == CEDAR_TYPE_SET &&
				(want->elem == NULL || (a->elem != NULL && fits(a->elem, want->elem)));
		default:
			return a->kind == want->kind;
	}
}

/*
 * The least upper bound of two types: they must be equal but for booleans that
 * are known.  *lub is NULL when there is none; *why then says why.
 */
static CedarCode
upper_bound(TypeCheck *t, const CedarType *a, const CedarType *b,
			const CedarType **lub, const char **why)
{
	*lub = NULL;
	*why = "Types must be equal to agree.";
	TRY(deeper(t));
	if (a->kind == CEDAR_TYPE_NEVER)
		*lub = b;
	else if (b->kind == CEDAR_TYPE_NEVER || a == b)
		*lub = a;
	else if (is_bool(a) && is_bool(b))
		*lub = a->kind == b->kind ? a : &cedar_type_bool;
	else if (a->kind == CEDAR_TYPE_SET && b->kind == CEDAR_TYPE_SET)
	{
		const CedarType *elem;
		CedarType  *set;

		TRY(upper_bound(t, a->elem, b->elem, &elem, why));
		if (elem == NULL)
			return CEDAR_OK;
		if (elem == a->elem || elem == b->elem)
		{
			*lub = elem == a->elem ? a : b;
			return CEDAR_OK;
		}
		set = cedar_arena_alloc(t->arena, sizeof(CedarType));
		if (set == NULL)
			return cedar_nomem(t->err);
		*set = (CedarType) {.kind = CEDAR_TYPE_SET, .elem = elem};
		*lub = set;
	}
	else if (a->kind == CEDAR_TYPE_RECORD && b->kind == CEDAR_TYPE_RECORD)
	{
		CedarType  *record;
		CedarAttrType *attrs;

		*why = "Records must have exactly the same attributes to agree.";
		if (a->n_attrs != b->n_attrs)
			return CEDAR_OK;
		record = cedar_arena_alloc(t->arena, sizeof(CedarType));
		attrs = cedar_arena_alloc(t->arena, (size_t) (a->n_attrs + 1) * sizeof(CedarAttrType));
		if (record == NULL || attrs == NULL)
			return cedar_nomem(t->err);
		for (uint32_t i = 0; i < a->n_attrs; i++)
		{
			if (!cedar_str_equal(a->attrs[i].name, b->attrs[i].name))
				return CEDAR_OK;
			attrs[i] = a->attrs[i];
		}
		for (uint32_t i = 0; i < a->n_attrs; i++)
		{
			TRY(upper_bound(t, a->attrs[i].type, b->attrs[i].type, &attrs[i].type, why));
			if (attrs[i].type == NULL)
				return CEDAR_OK;
			if (a->attrs[i].required != b->attrs[i].required)
			{
				*why = "An attribute must be required in both records or optional in both.";
				return CEDAR_OK;
			}
		}
		*record = (CedarType) {.kind = CEDAR_TYPE_RECORD, .n_attrs = a->n_attrs, .attrs = attrs};
		*lub = record;
	}
	else if (a->kind == CEDAR_TYPE_ENTITY && b->kind == CEDAR_TYPE_ENTITY)
	{
		if (cedar_str_equal(a->name, b->name))
			*lub = a;
		else
			*why = "Different entity types never agree, whatever their attributes.";
	}
	else if ((a->kind == CEDAR_TYPE_ENTITY && b->kind == CEDAR_TYPE_RECORD) ||
			 (a->kind == CEDAR_TYPE_RECORD && b->kind == CEDAR_TYPE_ENTITY))
		*why = "An entity and a record never agree, whatever their attributes.";
	else if (a->kind == b->kind)
		*lub = a;
	return CEDAR_OK;
}

static const CedarType *
kind_type(CedarKind kind)
{
	switch (kind)
	{
		case CEDAR_BOOL:
			return &cedar_type_bool;
		case CEDAR_LONG:
			return &type_long;
		case CEDAR_STRING:
			return &type_string;
		case CEDAR_DECIMAL:
			return &type_decimal;
		case CEDAR_IPADDR:
			return &type_ipaddr;
		case CEDAR_DATETIME:
			return &type_datetime;
		case CEDAR_DURATION:
			return &type_duration;
		case CEDAR_ENTITY:
		case CEDAR_SET:
		case CEDAR_RECORD:
			break;
	}
	return NULL;
}

const char *
cedar_type_name(const CedarType *type, char *buf, size_t size)
{
	static const char *const names[] = {
		[CEDAR_TYPE_NEVER] = "never", [CEDAR_TYPE_BOOL] = "Bool",
		[CEDAR_TYPE_TRUE] = "Bool", [CEDAR_TYPE_FALSE] = "Bool",
		[CEDAR_TYPE_LONG] = "Long", [CEDAR_TYPE_STRING] = "String",
		[CEDAR_TYPE_ENTITY] = "entity", [CEDAR_TYPE_ANY_ENTITY] = "an entity",
		[CEDAR_TYPE_SET] = "a set", [CEDAR_TYPE_RECORD] = "a record",
		[CEDAR_TYPE_DECIMAL] = "decimal", [CEDAR_TYPE_IPADDR] = "ipaddr",
		[CEDAR_TYPE_DATETIME] = "datetime", [CEDAR_TYPE_DURATION] = "duration"
	};

	CEDAR_STATIC_ASSERT(sizeof(names) / sizeof(names[0]) == CEDAR_TYPE_DURATION + 1,
						"every kind of type has its name");
	if (type->kind == CEDAR_TYPE_ENTITY)
		snprintf(buf, size, "the entity type %.*s",
				 CEDAR_EXCERPT(type->name->bytes, type->name->len));
	else if (type->kind == CEDAR_TYPE_SET && type->elem != NULL)
	{
		/* one level is enough for a message */
		if (type->elem->kind == CEDAR_TYPE_ENTITY)
			snprintf(buf, size, "a set of %.*s",
					 CEDAR_EXCERPT(type->elem->name->bytes, type->elem->name->len));
		else if (type->elem->kind == CEDAR_TYPE_ANY_ENTITY)
			snprintf(buf, size, "a set of entities");
		else if (type->elem->kind == CEDAR_TYPE_SET)
			snprintf(buf, size, "a set of sets");
		else if (type->elem->kind == CEDAR_TYPE_RECORD)
			snprintf(buf, size, "a set of records");
		else
			snprintf(buf, size, "a set of %s", names[type->elem->kind]);
	}
	else
		snprintf(buf, size, "%s", names[type->kind]);
	return buf;
}

/* ----------------------------------------------------------- capabilities */

static bool
cap_equal(const Capability *a, const Capability *b)
{
	if ((a->attr == NULL) != (b->attr == NULL))
		return false;
	if (a->attr != NULL)
		return cedar_str_equal(a->attr, b->attr) && cedar_checked_equal(a->expr, b->expr);
	return cedar_checked_equal(a->expr, b->expr) && cedar_checked_equal(a->tag, b->tag);
}

static bool
caps_have(const Capability *caps, const Capability *one)
{
	for (; caps != NULL; caps = caps->next)
	{
		if (cap_equal(caps, one))
			return true;
	}
	return false;
}

static CedarCode
caps_add(TypeCheck *t, const Capability *one, const Capability *caps, const Capability **out)
{
	Capability *copy;

	cedar_arena_check_interrupt(t->arena);
	*out = caps;
	if (caps_have(caps, one))
		return CEDAR_OK;
	copy = cedar_arena_alloc(t->arena, sizeof(Capability));
	if (copy == NULL)
		return cedar_nomem(t->err);
	*copy = *one;
	copy->next = caps;
	*out = copy;
	return CEDAR_OK;
}

static CedarCode
caps_union(TypeCheck *t, const Capability *more, const Capability *caps, const Capability **out)
{
	*out = caps;
	if (caps == NULL)
	{
		*out = more;
		return CEDAR_OK;
	}
	for (; more != NULL; more = more->next)
		TRY(caps_add(t, more, *out, out));
	return CEDAR_OK;
}

static CedarCode
caps_intersect(TypeCheck *t, const Capability *a, const Capability *b, const Capability **out)
{
	*out = NULL;
	for (; a != NULL; a = a->next)
	{
		if (caps_have(b, a))
			TRY(caps_add(t, a, *out, out));
	}
	return CEDAR_OK;
}

/* ---------------------------------------------------------------- answers */

static void
succeed(Answer *out, bool ok, const CedarType *type, const Capability *caps)
{
	out->ok = ok;
	out->type = type;
	out->caps = ok ? caps : NULL;
}

/* What to say when a type is not the expected one. */
typedef const char *(*TypeHelp) (const CedarType *actual);

static void
found_type(TypeCheck *t, const Checked *e, const char *expected, const CedarType *actual,
		   const char *help)
{
	char		buf[160];
	CedarFinding *finding;

	finding = cedar_found(t->findings, CEDAR_FOUND_TYPE, e->offset, e->length,
						  "expected %s, but this is %s", expected,
						  cedar_type_name(actual, buf, sizeof(buf)));
	if (finding != NULL && help != NULL)
		cedar_found_hint(finding, "%s", help);
}

/* Check e and expect one of two types; want2 may be NULL. */
static CedarCode
expect(TypeCheck *t, const Capability *prior, const Checked *e, const CedarType *want,
	   const CedarType *want2, TypeHelp help, Answer *out)
{
	TRY(check(t, prior, e, out));
	if (out->type == NULL)
		succeed(out, false, NULL, NULL);
	else if (!fits(out->type, want) && (want2 == NULL || !fits(out->type, want2)))
	{
		char		first[160];
		char		second[160];
		char		names[340];

		cedar_type_name(want, first, sizeof(first));
		if (want2 != NULL)
			snprintf(names, sizeof(names), "%s or %s", first,
					 cedar_type_name(want2, second, sizeof(second)));
		found_type(t, e, want2 != NULL ? names : first, out->type,
				   help != NULL ? help(out->type) : NULL);
		succeed(out, false, NULL, NULL);
		t->types[e->number] = NULL;
	}
	return CEDAR_OK;
}

static const char *
help_has(const CedarType *actual)
{
	if (actual->kind == CEDAR_TYPE_SET)
		return "Test what a set holds with contains, containsAny or containsAll.";
	if (actual->kind == CEDAR_TYPE_STRING)
		return "Test what a string holds with like.";
	return NULL;
}

static const char *
help_in(const CedarType *actual)
{
	if (actual->kind == CEDAR_TYPE_STRING)
		return "Test what a string holds with like.";
	return "Test what a set holds with contains, containsAny or containsAll.";
}

static const char *
help_contains(const CedarType *actual)
{
	if (actual->kind == CEDAR_TYPE_ENTITY)
		return "Test membership in the entity hierarchy with in.";
	if (actual->kind == CEDAR_TYPE_RECORD)
		return "Test for an attribute with has.";
	if (actual->kind == CEDAR_TYPE_STRING)
		return "Test what a string holds with like.";
	return NULL;
}

static const char *
help_single(const CedarType *actual)
{
	(void) actual;
	return "Test for a single element with contains.";
}

static const char *
help_like(const CedarType *actual)
{
	return actual->kind == CEDAR_TYPE_ENTITY ? "Test for an entity type with is." : NULL;
}

static const char *
help_is(const CedarType *actual)
{
	(void) actual;
	return "Only entities have a type that can be tested.";
}

static const char *
help_empty(const CedarType *actual)
{
	return actual->kind == CEDAR_TYPE_STRING ? "Test for an empty string with == \"\"." : NULL;
}

static const char *
help_add(const CedarType *actual)
{
	if (actual->kind == CEDAR_TYPE_STRING)
		return "Strings cannot be concatenated.";
	if (actual->kind == CEDAR_TYPE_SET)
		return "There is no union, intersection or difference of sets.";
	return NULL;
}

static const char *
help_subtract(const CedarType *actual)
{
	return actual->kind == CEDAR_TYPE_SET ?
		"There is no union, intersection or difference of sets." : NULL;
}

/* Types that must agree: *lub is NULL, with a finding, when they do not. */
static CedarCode
agree(TypeCheck *t, const Checked *e, const CedarType *a, const CedarType *b,
	  const char *where, const CedarType **lub)
{
	const char *why;

	TRY(upper_bound(t, a, b, lub, &why));
	if (*lub == NULL)
	{
		char		first[160];
		char		second[160];
		CedarFinding *finding;

		finding = cedar_found(t->findings, CEDAR_FOUND_INCOMPATIBLE, e->offset, e->length,
							  "the types of %s do not agree: %s and %s", where,
							  cedar_type_name(a, first, sizeof(first)),
							  cedar_type_name(b, second, sizeof(second)));
		if (finding != NULL)
			cedar_found_hint(finding, "%s", why);
	}
	return CEDAR_OK;
}

/* ------------------------------------------------------------ expressions */

/* The literal that an expression is; the action counts as the environment's. */
static bool
literal_of(const TypeCheck *t, const Checked *e, bool action_counts, CedarValue *v)
{
	switch (e->op)
	{
		case CEDAR_OP_LIT:
			*v = e->lit;
			return true;
		case CEDAR_OP_VAR:
			if (!action_counts || e->n != CEDAR_VAR_ACTION)
				return false;
			*v = cedar_value_uid(t->env->action->uid);
			return true;
		case CEDAR_OP_AND:
		case CEDAR_OP_OR:
			/* the reference folds these when all of them are literals */
			if (e->count == 0)
				return false;
			*v = e->list[0]->lit;
			for (uint32_t i = 0; i < e->count; i++)
			{
				if (e->list[i]->op != CEDAR_OP_LIT || e->list[i]->lit.kind != CEDAR_BOOL)
					return false;
				if (e->list[i]->lit.u.i == (e->op == CEDAR_OP_OR))
					*v = e->list[i]->lit;
			}
			return true;
		default:
			return false;
	}
}

static bool
literal_uid(const TypeCheck *t, const Checked *e, const CedarUid **uid)
{
	CedarValue	v;

	if (!literal_of(t, e, true, &v) || v.kind != CEDAR_ENTITY)
		return false;
	*uid = v.u.uid;
	return true;
}

const CedarAttrType *
cedar_attribute_of(const CedarSchema *schema, const CedarType *type, const CedarStr *name)
{
	const CedarEntityType *entity;

	if (type->kind == CEDAR_TYPE_RECORD)
		return cedar_type_attr(type, name);
	if (type->kind != CEDAR_TYPE_ENTITY)
		return NULL;
	entity = cedar_schema_entity(schema, type->name);
	return entity != NULL && entity->shape != NULL ? cedar_type_attr(entity->shape, name) : NULL;
}

static const CedarType *
tag_type(TypeCheck *t, const CedarType *type)
{
	const CedarEntityType *entity;

	if (type->kind != CEDAR_TYPE_ENTITY)
		return NULL;
	entity = cedar_schema_entity(t->schema, type->name);
	return entity != NULL ? entity->tags : NULL;
}

static CedarCode
check_if(TypeCheck *t, const Capability *prior, const Checked *e, Answer *out)
{
	Answer		test;
	Answer		then;
	Answer		other;
	const CedarType *lub;
	const Capability *caps;

	TRY(expect(t, prior, e->a, &cedar_type_bool, NULL, NULL, &test));
	if (is_false(test.type))
	{
		TRY(check(t, prior, e->c, &other));
		succeed(out, test.ok && other.ok, other.type, other.caps);
		return CEDAR_OK;
	}
	TRY(caps_union(t, test.caps, prior, &caps));
	TRY(check(t, caps, e->b, &then));
	if (then.ok)
		TRY(caps_union(t, test.caps, then.caps, &then.caps));
	if (is_true(test.type))
	{
		succeed(out, test.ok && then.ok, then.type, then.caps);
		return CEDAR_OK;
	}
	TRY(check(t, prior, e->c, &other));
	if (then.type == NULL || other.type == NULL)
	{
		succeed(out, false, NULL, NULL);
		return CEDAR_OK;
	}
	TRY(agree(t, e, then.type, other.type, "the branches", &lub));
	TRY(caps_intersect(t, other.caps, then.caps, &caps));
	succeed(out, test.ok && then.ok && other.ok && lub != NULL, lub, caps);
	return CEDAR_OK;
}

/* What two operands of && amount to, both of them checked. */
static CedarCode
both(TypeCheck *t, const Answer *left, const Answer *right, Answer *out)
{
	bool		ok = left->ok && right->ok;
	const CedarType *type = &cedar_type_bool;
	const Capability *caps;

	if (left->type == NULL || right->type == NULL)
		succeed(out, false, &cedar_type_bool, NULL);
	else if (is_false(right->type))
		succeed(out, ok, &type_false, NULL);
	else if (is_true(left->type) && !is_true(right->type))
		succeed(out, ok, right->type, right->caps);
	else
	{
		if (is_true(right->type))
			type = left->type;
		TRY(caps_union(t, right->caps, left->caps, &caps));
		succeed(out, ok, type, caps);
	}
	return CEDAR_OK;
}

/* a && b && c is (a && b) && c */
static CedarCode
check_and_left(TypeCheck *t, const Capability *prior, const Checked *e, Answer *out)
{
	TRY(expect(t, prior, e->list[0], &cedar_type_bool, NULL, NULL, out));
	for (uint32_t i = 1; i < e->count && !is_false(out->type); i++)
	{
		Answer		left = *out;
		Answer		right;
		const Capability *caps;

		TRY(caps_union(t, left.caps, prior, &caps));
		TRY(expect(t, caps, e->list[i], &cedar_type_bool, NULL, NULL, &right));
		TRY(both(t, &left, &right, out));
	}
	if (is_false(out->type))
		out->caps = NULL;
	return CEDAR_OK;
}

/* The other way round: a && (b && c) */
static CedarCode
check_and_right(TypeCheck *t, const Capability *prior, const Checked *e, Answer *out)
{
	Answer	   *answers = cedar_arena_alloc(t->arena, e->count * sizeof(Answer));
	uint32_t	n = 0;

	if (answers == NULL)
		return cedar_nomem(t->err);
	do
	{
		if (n > 0 && e->n == CHECKED_HAS)
		{
			/* tested even where the test is wrong: that was found there */
			Capability	attr = {.expr = e->list[n - 1]->a, .attr = e->list[n - 1]->names[0]};

			TRY(caps_add(t, &attr, prior, &prior));
		}
		else if (n > 0)
			TRY(caps_union(t, answers[n - 1].caps, prior, &prior));
		TRY(expect(t, prior, e->list[n], &cedar_type_bool, NULL, NULL, &answers[n]));
		n++;
	} while (n < e->count && !is_false(answers[n - 1].type));
	*out = answers[--n];
	if (is_false(out->type))
		out->caps = NULL;
	while (n > 0)
	{
		Answer		right = *out;

		TRY(both(t, &answers[--n], &right, out));
	}
	return CEDAR_OK;
}

static CedarCode
check_or(TypeCheck *t, const Capability *prior, const Checked *e, Answer *out)
{
	TRY(expect(t, prior, e->list[0], &cedar_type_bool, NULL, NULL, out));
	for (uint32_t i = 1; i < e->count && !is_true(out->type); i++)
	{
		Answer		right;
		bool		ok;
		const Capability *caps;

		TRY(expect(t, prior, e->list[i], &cedar_type_bool, NULL, NULL, &right));
		ok = out->ok && right.ok;
		if (out->type == NULL || right.type == NULL)
			succeed(out, false, &cedar_type_bool, NULL);
		else if (is_true(right.type))
			succeed(out, ok, &type_true, right.caps);
		else if (is_false(right.type))
			succeed(out, ok, out->type, out->caps);
		else if (is_false(out->type))
			succeed(out, ok, right.type, right.caps);
		else
		{
			TRY(caps_intersect(t, right.caps, out->caps, &caps));
			succeed(out, ok, &cedar_type_bool, caps);
		}
	}
	return CEDAR_OK;
}

static CedarCode
check_eq(TypeCheck *t, const Capability *prior, const Checked *e, Answer *out)
{
	Answer		left;
	Answer		right;
	CedarValue	a;
	CedarValue	b;
	const CedarType *lub;
	bool		ok;

	TRY(check(t, prior, e->a, &left));
	TRY(check(t, prior, e->b, &right));
	ok = left.ok && right.ok;
	if (left.type != NULL && right.type != NULL &&
		left.type->kind == CEDAR_TYPE_ENTITY && right.type->kind == CEDAR_TYPE_ENTITY &&
		!cedar_str_equal(left.type->name, right.type->name))
		succeed(out, ok, &type_false, NULL);
	else if (literal_of(t, e->a, true, &a) && literal_of(t, e->b, true, &b))
		succeed(out, ok, cedar_value_equal(&a, &b) ? &type_true : &type_false, NULL);
	else
	{
		if (left.type != NULL && right.type != NULL)
		{
			TRY(agree(t, e, left.type, right.type, "the two sides of ==", &lub));
			ok = ok && lub != NULL;
		}
		succeed(out, ok, &cedar_type_bool, NULL);
	}
	return CEDAR_OK;
}

static bool
is_ordered(const CedarType *type)
{
	return type->kind == CEDAR_TYPE_LONG || type->kind == CEDAR_TYPE_DATETIME ||
		type->kind == CEDAR_TYPE_DURATION;
}

static CedarCode
check_less(TypeCheck *t, const Capability *prior, const Checked *e, Answer *out)
{
	static const char ordered[] = "Long, datetime or duration";
	Answer		left;
	Answer		right;
	char		buf[160];

	TRY(check(t, prior, e->a, &left));
	TRY(check(t, prior, e->b, &right));
	succeed(out, left.ok && right.ok, &cedar_type_bool, NULL);
	if (left.type == NULL || right.type == NULL)
		out->ok = false;
	else if (left.type->kind == right.type->kind && is_ordered(left.type))
		return CEDAR_OK;
	else
	{
		out->ok = false;
		if (left.type->kind == CEDAR_TYPE_LONG)
			found_type(t, e->b, "Long", right.type, NULL);
		else if (right.type->kind == CEDAR_TYPE_LONG)
			found_type(t, e->a, "Long", left.type, NULL);
		else if (is_ordered(left.type))
			found_type(t, e->b, cedar_type_name(left.type, buf, sizeof(buf)), right.type, NULL);
		else if (is_ordered(right.type))
			found_type(t, e->a, cedar_type_name(right.type, buf, sizeof(buf)), left.type, NULL);
		else
		{
			found_type(t, e->a, ordered, left.type, NULL);
			found_type(t, e->b, ordered, right.type, NULL);
		}
	}
	return CEDAR_OK;
}

static CedarCode
check_arithmetic(TypeCheck *t, const Capability *prior, const Checked *e, Answer *out)
{
	TypeHelp	help = e->op == CEDAR_OP_ADD ? help_add : help_subtract;
	Answer		left;
	Answer		right;

	TRY(expect(t, prior, e->a, &type_long, NULL, help, &left));
	TRY(expect(t, prior, e->b, &type_long, NULL, help, &right));
	succeed(out, left.ok && right.ok, &type_long, NULL);
	return CEDAR_OK;
}

/*
 * An action `in` literal actions is known from the schema; *type stays NULL
 * when one of the literals is no action of the schema.
 */
static void
action_in(TypeCheck *t, const CedarUid *action, const Checked *right, const CedarType **type)
{
	uint32_t	n = right->op == CEDAR_OP_SET ? right->count : 1;
	const CedarActionType *left = cedar_schema_action(t->schema, action);
	bool		found = false;

	*type = NULL;
	for (uint32_t i = 0; i < n; i++)
	{
		const CedarUid *uid = NULL;

		literal_uid(t, right->op == CEDAR_OP_SET ? right->list[i] : right, &uid);
		if (!cedar_uid_is_action(uid))
			continue;
		if (cedar_schema_action(t->schema, uid) == NULL)
			return;
		found = found || cedar_uid_equal(action, uid) ||
			(left != NULL && cedar_schema_action_in(left, uid));
	}
	*type = found ? &type_true : &type_false;
}

static bool
all_literal_uids(const TypeCheck *t, const Checked *e)
{
	const CedarUid *uid;

	if (e->op != CEDAR_OP_SET)
		return literal_uid(t, e, &uid);
	for (uint32_t i = 0; i < e->count; i++)
	{
		if (!literal_uid(t, e->list[i], &uid))
			return false;
	}
	return true;
}

/* May an entity of the one type be in one of the other? */
static bool
type_may_be_in(TypeCheck *t, const CedarStr *type, const CedarStr *of)
{
	const CedarEntityType *entity;

	if (cedar_str_equal(type, of))
		return true;
	entity = cedar_schema_entity(t->schema, type);
	if (entity != NULL && cedar_schema_type_in(entity, of))
		return true;
	/* the types of actions are in no list but have ancestors all the same */
	for (uint32_t i = 0; i < t->schema->n_actions; i++)
	{
		const CedarActionType *action = &t->schema->actions[i];

		if (!cedar_uid_has_type(action->uid, type))
			continue;
		for (uint32_t k = 0; k < action->n_ancestors; k++)
		{
			if (cedar_uid_has_type(action->ancestors[k], of))
				return true;
		}
	}
	return false;
}

static CedarCode
check_in(TypeCheck *t, const Capability *prior, const Checked *e, Answer *out)
{
	Answer		left;
	Answer		right;
	const CedarUid *uid;
	const CedarType *type = &cedar_type_bool;
	const CedarType *of;

	TRY(expect(t, prior, e->a, &type_any_entity, NULL, help_in, &left));
	TRY(expect(t, prior, e->b, &type_entities, &type_any_entity, help_in, &right));
	if (!left.ok || !right.ok)
	{
		succeed(out, false, &cedar_type_bool, NULL);
		return CEDAR_OK;
	}
	if (literal_uid(t, e->a, &uid) && cedar_uid_is_action(uid) && all_literal_uids(t, e->b))
	{
		action_in(t, uid, e->b, &type);
		succeed(out, type != NULL, type != NULL ? type : &cedar_type_bool, NULL);
		return CEDAR_OK;
	}
	of = right.type->kind == CEDAR_TYPE_SET ? right.type->elem : right.type;
	if (left.type->kind == CEDAR_TYPE_ENTITY && of->kind == CEDAR_TYPE_ENTITY &&
		!type_may_be_in(t, left.type->name, of->name))
		type = &type_false;
	succeed(out, true, type, NULL);
	return CEDAR_OK;
}

static CedarCode
check_contains(TypeCheck *t, const Capability *prior, const Checked *e, Answer *out)
{
	Answer		left;
	Answer		right;
	const CedarType *lub = NULL;
	const CedarType *a;

	TRY(expect(t, prior, e->a, &type_any_set, NULL, help_contains, &left));
	if (e->op == CEDAR_OP_CONTAINS)
		TRY(check(t, prior, e->b, &right));
	else
		TRY(expect(t, prior, e->b, &type_any_set, NULL, help_single, &right));
	succeed(out, left.ok && right.ok, &cedar_type_bool, NULL);
	a = left.type;
	if (e->op == CEDAR_OP_CONTAINS && a != NULL)
		a = a->elem;
	if (a != NULL && right.type != NULL)
	{
		TRY(agree(t, e, a, right.type, e->op == CEDAR_OP_CONTAINS ?
				  "a set's elements and what it is asked to contain" :
				  "the two sets", &lub));
		if (lub == NULL)
			out->ok = false;
	}
	return CEDAR_OK;
}

static CedarCode
check_tag(TypeCheck *t, const Capability *prior, const Checked *e, Answer *out)
{
	Answer		left;
	Answer		right;
	Capability	tag = {.expr = e->a, .tag = e->b};
	const CedarType *type;
	const Capability *caps;
	bool		tested = caps_have(prior, &tag);
	CedarFinding *finding;

	TRY(expect(t, prior, e->a, &type_any_entity, NULL, NULL, &left));
	TRY(expect(t, prior, e->b, &type_string, NULL, NULL, &right));
	succeed(out, false, NULL, NULL);
	if (left.type == NULL)
		return CEDAR_OK;
	type = tag_type(t, left.type);
	if (e->op == CEDAR_OP_HAS_TAG)
	{
		TRY(caps_add(t, &tag, NULL, &caps));
		succeed(out, left.ok && right.ok,
				type == NULL ? &type_false : tested ? &type_true : &cedar_type_bool, caps);
	}
	else if (!tested)
	{
		finding = cedar_found(t->findings, CEDAR_FOUND_TAG, e->offset, e->length,
							  "this tag may be missing");
		if (finding != NULL)
			cedar_found_hint(finding, "Test for it first, with hasTag and the same argument.");
	}
	else if (type == NULL)
		cedar_found(t->findings, CEDAR_FOUND_NO_TAGS, e->offset, e->length,
					"entities of this type have no tags");
	else
		succeed(out, left.ok && right.ok, type, NULL);
	return CEDAR_OK;
}

/* Whose attributes, for a message. */
static const char *
owner_name(const CedarType *type, char *buf, size_t size)
{
	if (type->kind == CEDAR_TYPE_ENTITY)
		return cedar_type_name(type, buf, size);
	return "the record";
}

static CedarCode
check_get_attr(TypeCheck *t, const Capability *prior, const Checked *e, Answer *out)
{
	const CedarStr *name = e->names[0];
	Capability	attr = {.expr = e->a, .attr = name};
	Answer		of;
	const CedarAttrType *found;
	CedarFinding *finding;
	char		buf[160];

	TRY(expect(t, prior, e->a, &type_any_entity, &type_any_record, NULL, &of));
	succeed(out, false, NULL, NULL);
	if (of.type == NULL)
		return CEDAR_OK;
	found = cedar_attribute_of(t->schema, of.type, name);
	if (found == NULL)
	{
		const CedarType *shape = of.type;
		CedarGuess	guess;

		finding = cedar_found(t->findings, CEDAR_FOUND_ATTRIBUTE, e->offset, e->length,
							  "%s has no attribute \"%.*s\"",
							  owner_name(of.type, buf, sizeof(buf)),
							  CEDAR_EXCERPT(name->bytes, name->len));
		if (finding == NULL)
			return CEDAR_OK;
		if (shape->kind == CEDAR_TYPE_ENTITY)
		{
			const CedarEntityType *entity = cedar_schema_entity(t->schema, shape->name);

			shape = entity != NULL ? entity->shape : NULL;
		}
		cedar_guess_start(&guess, name->bytes, name->len);
		for (uint32_t i = 0; shape != NULL && i < shape->n_attrs; i++)
			cedar_guess_try(&guess, shape->attrs[i].name->bytes, shape->attrs[i].name->len);
		if (guess.best != NULL)
			cedar_found_hint(finding, "Did you mean \"%.*s\"?",
							 CEDAR_EXCERPT(guess.best, guess.best_len));
	}
	else if (!found->required && !caps_have(prior, &attr))
	{
		out->type = found->type;
		finding = cedar_found(t->findings, CEDAR_FOUND_OPTIONAL, e->offset, e->length,
							  "attribute \"%.*s\" of %s is optional and may be missing",
							  CEDAR_EXCERPT(name->bytes, name->len),
							  owner_name(of.type, buf, sizeof(buf)));
		if (finding != NULL)
			cedar_found_hint(finding, "Test for it first: ... has ... && ...");
	}
	else
		succeed(out, of.ok, found->type, NULL);
	return CEDAR_OK;
}

static CedarCode
check_has_attr(TypeCheck *t, const Capability *prior, const Checked *e, Answer *out)
{
	Capability	attr = {.expr = e->a, .attr = e->names[0]};
	Answer		of;
	const CedarAttrType *found;
	const Capability *caps;
	bool		known;

	TRY(expect(t, prior, e->a, &type_any_entity, &type_any_record, help_has, &of));
	succeed(out, false, &cedar_type_bool, NULL);
	if (of.type == NULL)
		return CEDAR_OK;
	found = cedar_attribute_of(t->schema, of.type, e->names[0]);
	if (found == NULL)
	{
		succeed(out, of.ok, &type_false, NULL);
		return CEDAR_OK;
	}
	known = caps_have(prior, &attr) ||
		(found->required && of.type->kind == CEDAR_TYPE_RECORD);
	TRY(caps_add(t, &attr, NULL, &caps));
	succeed(out, of.ok, known ? &type_true : &cedar_type_bool, caps);
	return CEDAR_OK;
}

static CedarCode
check_is(TypeCheck *t, const Capability *prior, const Checked *e, Answer *out)
{
	Answer		of;

	TRY(expect(t, prior, e->a, &type_any_entity, NULL, help_is, &of));
	if (of.type == NULL)
		succeed(out, false, &cedar_type_bool, NULL);
	else
		succeed(out, of.ok, of.type->kind != CEDAR_TYPE_ENTITY ? &cedar_type_bool :
				cedar_str_equal(of.type->name, e->names[0]) ? &type_true : &type_false, NULL);
	return CEDAR_OK;
}

static CedarCode
check_set(TypeCheck *t, const Capability *prior, const Checked *e, Answer *out)
{
	static const CedarType never = {.kind = CEDAR_TYPE_NEVER};
	const CedarType *elem = &never;
	CedarType  *set;
	bool		ok = true;
	bool		known = true;

	succeed(out, false, NULL, NULL);
	if (e->count == 0)
	{
		cedar_found(t->findings, CEDAR_FOUND_EMPTY_SET, e->offset, e->length,
					"an empty set has no element type");
		return CEDAR_OK;
	}
	for (uint32_t i = 0; i < e->count; i++)
	{
		Answer		one;

		TRY(check(t, prior, e->list[i], &one));
		ok = ok && one.ok;
		known = known && one.type != NULL;
	}
	if (!known)
		return CEDAR_OK;
	for (uint32_t i = 0; i < e->count; i++)
	{
		TRY(agree(t, e, elem, t->types[e->list[i]->number], "the elements of a set", &elem));
		if (elem == NULL)
			return CEDAR_OK;
	}
	set = cedar_arena_alloc(t->arena, sizeof(CedarType));
	if (set == NULL)
		return cedar_nomem(t->err);
	*set = (CedarType) {.kind = CEDAR_TYPE_SET, .elem = elem};
	succeed(out, ok, set, NULL);
	return CEDAR_OK;
}

static int
attr_compare(const void *a, const void *b)
{
	return cedar_str_order(((const CedarAttrType *) a)->name, ((const CedarAttrType *) b)->name);
}

static CedarCode
check_record(TypeCheck *t, const Capability *prior, const Checked *e, Answer *out)
{
	CedarAttrType *attrs;
	CedarType  *record;
	bool		ok = true;
	bool		known = true;

	attrs = cedar_arena_alloc(t->arena, (size_t) (e->count + 1) * sizeof(CedarAttrType));
	record = cedar_arena_alloc(t->arena, sizeof(CedarType));
	if (attrs == NULL || record == NULL)
		return cedar_nomem(t->err);
	for (uint32_t i = 0; i < e->count; i++)
	{
		Answer		one;

		TRY(check(t, prior, e->list[i], &one));
		ok = ok && one.ok;
		known = known && one.type != NULL;
		attrs[i] = (CedarAttrType) {.name = e->names[i], .type = one.type, .required = true};
	}
	succeed(out, false, NULL, NULL);
	if (!known)
		return CEDAR_OK;
	cedar_sort(t->arena, attrs, e->count, sizeof(CedarAttrType), attr_compare);
	*record = (CedarType) {.kind = CEDAR_TYPE_RECORD, .n_attrs = e->count, .attrs = attrs};
	succeed(out, ok, record, NULL);
	return CEDAR_OK;
}

static bool
is_constructor(CedarFn fn)
{
	return fn == CEDAR_FN_DECIMAL || fn == CEDAR_FN_IP || fn == CEDAR_FN_DATETIME ||
		fn == CEDAR_FN_DURATION;
}

static CedarCode
check_call(TypeCheck *t, const Capability *prior, const Checked *e, Answer *out)
{
	CedarFn		fn = (CedarFn) e->n;
	const CedarFnInfo *info = &cedar_functions[fn];
	bool		failed = false;
	bool		ok = true;

	if (e->count != info->arity)
	{
		cedar_found(t->findings, CEDAR_FOUND_ARITY, e->offset, e->length,
					"%s takes %d argument%s, not %u", info->name, info->arity,
					info->arity == 1 ? "" : "s", e->count);
		failed = true;
	}
	if (is_constructor(fn))
	{
		bool		literal = true;
		CedarValue	v;
		CedarValue	ignored;

		for (uint32_t i = 0; i < e->count; i++)
			literal = literal && literal_of(t, e->list[i], false, &v);
		if (e->count == 1 && literal_of(t, e->list[0], false, &v) && v.kind == CEDAR_STRING)
		{
			CedarError	refusal = {.code = CEDAR_OK};
			CedarCode	code = cedar_fn_call(t->arena, fn, &v, 1, &ignored, &refusal);
			CedarFinding *finding;

			if (code != CEDAR_OK && !cedar_is_policy_error(code))
			{
				*t->err = refusal;
				return code;
			}
			if (code != CEDAR_OK)
			{
				finding = cedar_found(t->findings, CEDAR_FOUND_ARGUMENT, e->offset, e->length,
									  "%s", refusal.message);
				if (finding != NULL && refusal.hint[0] != '\0')
					cedar_found_hint(finding, "%s", refusal.hint);
				failed = true;
			}
		}
		if (!literal)
		{
			CedarFinding *finding;

			finding = cedar_found(t->findings, CEDAR_FOUND_NOT_LITERAL, e->offset, e->length,
								  "%s must be called with a string literal", info->name);
			if (finding != NULL)
				cedar_found_hint(finding, "Let the context or the entity hold the value in its own type.");
			failed = true;
		}
	}
	for (uint32_t i = 0; i < e->count; i++)
	{
		Answer		arg;

		if (failed)
			TRY(check(t, prior, e->list[i], &arg));
		else
			TRY(expect(t, prior, e->list[i], kind_type(cedar_fn_argument_kind(fn, i)),
					   NULL, NULL, &arg));
		ok = ok && arg.ok;
	}
	succeed(out, ok && !failed, kind_type(cedar_fn_result_kind(fn)), NULL);
	return CEDAR_OK;
}

static CedarCode
check_operator(TypeCheck *t, const Capability *prior, const Checked *e, Answer *out)
{
	Answer		arg;

	switch ((CedarOp) e->op)
	{
		case CEDAR_OP_LIT:
			if (e->lit.kind == CEDAR_BOOL)
				succeed(out, true, e->lit.u.i ? &type_true : &type_false, NULL);
			else if (e->lit.kind == CEDAR_ENTITY)
				succeed(out, e->type != NULL, e->type, NULL);
			else
				succeed(out, true, kind_type((CedarKind) e->lit.kind), NULL);
			return CEDAR_OK;
		case CEDAR_OP_VAR:
			succeed(out, true, e->n == CEDAR_VAR_CONTEXT ? t->env->action->context :
					&t->env->vars[e->n], NULL);
			return CEDAR_OK;
		case CEDAR_OP_SLOT:
			succeed(out, true, t->env->slots[e->n].name != NULL ? &t->env->slots[e->n] :
					&type_any_entity, NULL);
			return CEDAR_OK;
		case CEDAR_OP_IF:
			return check_if(t, prior, e, out);
		case CEDAR_OP_AND:
			return e->n == CHECKED_LEFT ? check_and_left(t, prior, e, out) :
				check_and_right(t, prior, e, out);
		case CEDAR_OP_OR:
			return check_or(t, prior, e, out);
		case CEDAR_OP_NOT:
			TRY(expect(t, prior, e->a, &cedar_type_bool, NULL, NULL, &arg));
			succeed(out, arg.ok && arg.type != NULL, is_true(arg.type) ? &type_false :
					is_false(arg.type) ? &type_true : &cedar_type_bool, NULL);
			return CEDAR_OK;
		case CEDAR_OP_NEG:
			TRY(expect(t, prior, e->a, &type_long, NULL, NULL, &arg));
			succeed(out, arg.ok, &type_long, NULL);
			return CEDAR_OK;
		case CEDAR_OP_EQ:
			return check_eq(t, prior, e, out);
		case CEDAR_OP_LT:
		case CEDAR_OP_LE:
			return check_less(t, prior, e, out);
		case CEDAR_OP_ADD:
		case CEDAR_OP_SUB:
		case CEDAR_OP_MUL:
			return check_arithmetic(t, prior, e, out);
		case CEDAR_OP_IN:
			return check_in(t, prior, e, out);
		case CEDAR_OP_CONTAINS:
		case CEDAR_OP_CONTAINS_ALL:
		case CEDAR_OP_CONTAINS_ANY:
			return check_contains(t, prior, e, out);
		case CEDAR_OP_GET_TAG:
		case CEDAR_OP_HAS_TAG:
			return check_tag(t, prior, e, out);
		case CEDAR_OP_IS_EMPTY:
			TRY(expect(t, prior, e->a, &type_any_set, NULL, help_empty, &arg));
			succeed(out, arg.ok, &cedar_type_bool, NULL);
			return CEDAR_OK;
		case CEDAR_OP_GET_ATTR:
			return check_get_attr(t, prior, e, out);
		case CEDAR_OP_HAS_ATTR:
			return check_has_attr(t, prior, e, out);
		case CEDAR_OP_LIKE:
			TRY(expect(t, prior, e->a, &type_string, NULL, help_like, &arg));
			succeed(out, arg.ok, &cedar_type_bool, NULL);
			return CEDAR_OK;
		case CEDAR_OP_IS:
			return check_is(t, prior, e, out);
		case CEDAR_OP_SET:
			return check_set(t, prior, e, out);
		case CEDAR_OP_RECORD:
			return check_record(t, prior, e, out);
		case CEDAR_OP_CALL:
			return check_call(t, prior, e, out);
		case CEDAR_OP_NE:
		case CEDAR_OP_GT:
		case CEDAR_OP_GE:
			break;				/* written otherwise in a Checked */
	}
	return cedar_fail(t->err, CEDAR_ERR_HOST, "unexpected operator %d in the type checker", e->op);
}

static CedarCode
check(TypeCheck *t, const Capability *prior, const Checked *e, Answer *out)
{
	TRY(deeper(t));
	TRY(check_operator(t, prior, e, out));
	t->types[e->number] = out->type;
	return CEDAR_OK;
}

CedarCode
cedar_typecheck(TypeCheck *t, const Checked *condition, TypeOutcome *outcome)
{
	Answer		answer;

	TRY(expect(t, NULL, condition, &cedar_type_bool, NULL, NULL, &answer));
	*outcome = is_false(answer.type) ? TYPE_NEVER : answer.ok ? TYPE_APPLIES : TYPE_FAILED;
	return CEDAR_OK;
}
