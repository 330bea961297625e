/*-------------------------------------------------------------------------
 *
 * eval.c
 *	  Evaluation of the conditions of compiled policies.
 *
 * An evaluation reads the piece, the entities and the request and writes
 * nothing but the ancestors of an entity that is asked `in` for the first
 * time.  Operators are inlined where most evaluations come along, and what
 * needs an array or the address of a value is kept out of there.  Sets and records that an expression makes live in the arena until
 * the policy is done.
 *
 *-------------------------------------------------------------------------
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE				/* memmem */
#endif

#include "eval.h"

static CedarValue eval_inner(CedarEval *e, const CedarNode *n);

/* ---------------------------------------------------------------- helpers */

#define STACK_CHECK_DEPTH 16

/*
 * The kind of what an evaluation gives that failed; e->code says why.  Values
 * travel in two registers, so nothing of the common path is written to memory.
 */
#define FAILED CEDAR_KIND_COUNT

static inline CedarValue
failed(CedarEval *e, CedarCode code)
{
	e->code = code;
	return (CedarValue) {.kind = FAILED};
}

/* TRY in functions that give a value. */
#define TRY_VALUE(call) \
	do { \
		CedarCode	try_ = (call); \
		if (CEDAR_UNLIKELY(try_ != CEDAR_OK)) \
			return failed(e, try_); \
	} while (0)

/* Evaluate an operand; what failed is what the whole gives. */
#define OPERAND(v, i) \
	do { \
		(v) = eval(e, (i)); \
		if (CEDAR_UNLIKELY((v).kind == FAILED)) \
			return (v); \
	} while (0)

/* For those outside: where to put a value, and the code. */
static inline CedarCode
give(const CedarEval *e, CedarValue v, CedarValue *out)
{
	if (v.kind == FAILED)
		return e->code;
	*out = v;
	return CEDAR_OK;
}

static CEDAR_COLD CedarCode
spend_slowly(CedarEval *e, uint64_t n)
{
	cedar_arena_check_interrupt(e->arena);
	if (n <= e->steps)
	{
		e->steps -= n;
		return CEDAR_OK;
	}
	return cedar_fail(e->err, CEDAR_ERR_LIMIT,
					  "evaluation of a policy takes more than %u steps", CEDAR_MAX_STEPS);
}

/* Account for n nodes or elements; now and then, look for an interrupt. */
static inline CedarCode
spend(CedarEval *e, uint64_t n)
{
	if (CEDAR_LIKELY(n <= e->steps % CEDAR_STEPS_PER_CHECK))
	{
		e->steps -= n;
		return CEDAR_OK;
	}
	return spend_slowly(e, n);
}

/* Long texts are work, too. */
static inline CedarCode
spend_bytes(CedarEval *e, uint64_t n)
{
	return CEDAR_LIKELY(n < CEDAR_BYTES_PER_STEP) ? CEDAR_OK : spend(e, n / CEDAR_BYTES_PER_STEP);
}

static CedarCode
spend_value(CedarEval *e, CedarValue v)
{
	return spend(e, cedar_value_cost(&v));
}

/* Account for comparing v with an equal value; scalars are free. */
static inline CedarCode
spend_comparison(CedarEval *e, CedarValue v)
{
	switch (v.kind)
	{
		case CEDAR_STRING:
			return spend_bytes(e, v.u.str->len);
		case CEDAR_SET:
		case CEDAR_RECORD:
			return spend_value(e, v);
		default:
			return CEDAR_OK;
	}
}

/* Evaluate node i.  Leaves, half of all nodes, need no call. */
static CEDAR_ALWAYS_INLINE CedarValue
eval(CedarEval *e, uint32_t i)
{
	const CedarNode *n = &e->nodes[i];

	TRY_VALUE(spend(e, 1));
	switch (n->op)
	{
		case CEDAR_OP_LIT:
			return cedar_slot_value((const CedarSlot *) (e->block + n->a));
		case CEDAR_OP_VAR:
			return e->vars[n->n];
		default:
			return eval_inner(e, n);
	}
}

static CEDAR_COLD void
set_position(CedarEval *e, uint32_t i)
{
	const CedarPiece *p = (const CedarPiece *) e->block;
	const CedarSpan *span = (const CedarSpan *) (e->block + p->spans) + i;

	e->err->has_position = true;
	e->err->offset = span->offset;
	e->err->length = span->length;
}

static inline CedarValue
truth(bool b)
{
	return (CedarValue) {.kind = CEDAR_BOOL,.u = {.i = b}};
}

static inline CedarValue
number(int64_t i)
{
	return (CedarValue) {.kind = CEDAR_LONG,.u = {.i = i}};
}

/*
 * Results of operators go without a hash until they are compared or kept:
 * most never are.
 */
static inline CedarValue
with_hash(CedarValue v)
{
	if (!cedar_kind_is_reference(v.kind))
		v.hash = cedar_hash_value((CedarKind) v.kind, v.u.i);
	return v;
}

/* An operand of a wrong type; one that failed is passed on. */
static CEDAR_COLD CedarValue
type_error(CedarEval *e, const char *expected, CedarValue got)
{
	char		buf[160];

	if (got.kind == FAILED)
		return got;
	return failed(e, cedar_fail(e->err, CEDAR_EVAL_TYPE, "type error: expected %s, got %s",
								expected, cedar_value_describe(&got, buf, sizeof(buf))));
}

static CEDAR_COLD CedarValue
no_entity(CedarEval *e, const CedarUid *uid)
{
	CedarValue	v = cedar_value_uid(uid);
	char		buf[160];

	return failed(e, cedar_fail(e->err, CEDAR_EVAL_NO_ENTITY, "%s does not exist",
								cedar_value_describe(&v, buf, sizeof(buf))));
}

void
cedar_eval_init(CedarEval *e, CedarArena *arena, const CedarEntitySource *source,
				const CedarRequest *request, CedarError *err)
{
	e->arena = arena;
	e->source = source;
	e->request = request;
	e->err = err;
	e->code = CEDAR_OK;
	e->block = NULL;
	e->nodes = NULL;
	e->asked[CEDAR_VAR_PRINCIPAL] = (CedarAsked) {.uid = request->principal};
	e->asked[CEDAR_VAR_ACTION] = (CedarAsked) {.uid = request->action};
	e->asked[CEDAR_VAR_RESOURCE] = (CedarAsked) {.uid = request->resource};
	e->asked[CEDAR_ASKED_OTHER] = (CedarAsked) {.uid = NULL};
	e->vars[CEDAR_VAR_PRINCIPAL] = cedar_value_uid(request->principal);
	e->vars[CEDAR_VAR_ACTION] = cedar_value_uid(request->action);
	e->vars[CEDAR_VAR_RESOURCE] = cedar_value_uid(request->resource);
	e->vars[CEDAR_VAR_CONTEXT] = cedar_value_rec(request->context);
	e->steps = 0;
}

/*
 * What is known of the uid.  One of the request is told by its address, for it
 * comes from there; so is the other one, since no evaluation makes uids.
 */
static CEDAR_ALWAYS_INLINE CedarAsked *
ask(CedarEval *e, const CedarUid *uid)
{
	CedarAsked *other = &e->asked[CEDAR_ASKED_OTHER];

	for (int k = 0; k < CEDAR_ASKED_OTHER; k++)
		if (uid == e->asked[k].uid)
			return &e->asked[k];
	if (uid != other->uid)
		*other = (CedarAsked) {.uid = uid};
	return other;
}

static CEDAR_NOINLINE CedarCode
find(CedarEval *e, CedarAsked *asked)
{
	TRY(e->source->find(e->source->userdata, asked->uid, &asked->entity, e->err));
	asked->found = true;
	return CEDAR_OK;
}

CedarCode
cedar_eval_climb(CedarEval *e, CedarAsked *asked)
{
	CedarEntity *entity;

	if (!asked->found)
		TRY(find(e, asked));
	entity = asked->entity;
	if (entity != NULL && entity->n_parents > 0)
	{
		if (entity->ancestors == NULL)
		{
			if (e->source->climb != NULL)
				TRY(e->source->climb(e->source->userdata, entity, e->err));
			else
				TRY(cedar_entity_ancestors(e->source, entity, e->err));
		}
		asked->ancestors = entity->ancestors;
	}
	asked->climbed = true;
	return CEDAR_OK;
}

/* -------------------------------------------------------------- operators */

/*
 * All elements must be entities, whatever the first of them says.  They are
 * ordered by their kind.  Gives true.
 */
static CedarValue
all_entities(CedarEval *e, const CedarSet *set)
{
	if (set->n == 0 ||
		(set->elems[0].kind == CEDAR_ENTITY && set->elems[set->n - 1].kind == CEDAR_ENTITY))
		return truth(true);
	for (uint32_t i = 0; i < set->n; i++)
	{
		CedarValue	v = cedar_slot_value(&set->elems[i]);

		TRY_VALUE(spend(e, 1));
		if (v.kind != CEDAR_ENTITY)
			return type_error(e, "a set of entities", v);
	}
	return truth(true);
}

static CEDAR_NOINLINE CedarValue
eval_in_set(CedarEval *e, const CedarUid *uid, CedarValue right)
{
	const CedarUidSet *ancestors = NULL;
	CedarValue	v;

	if (right.kind != CEDAR_SET)
		return type_error(e, "an entity or a set of entities", right);
	v = all_entities(e, right.u.set);
	if (v.kind == FAILED)
		return v;
	for (uint32_t i = 0; i < right.u.set->n; i++)
	{
		v = cedar_slot_value(&right.u.set->elems[i]);
		TRY_VALUE(spend(e, 1));
		if (cedar_uid_same(uid, v.u.uid))
			return truth(true);
		if (i == 0)
		{
			CedarAsked *asked = ask(e, uid);

			if (!asked->climbed)
				TRY_VALUE(cedar_eval_climb(e, asked));
			ancestors = asked->ancestors;
		}
		if (ancestors != NULL && cedar_uidset_has(ancestors, v.u.uid))
			return truth(true);
	}
	return truth(false);
}

static CEDAR_ALWAYS_INLINE CedarValue
eval_in(CedarEval *e, const CedarUid *uid, CedarValue right)
{
	CedarAsked *asked;

	if (CEDAR_UNLIKELY(right.kind != CEDAR_ENTITY))
		return eval_in_set(e, uid, right);
	if (cedar_uid_same(uid, right.u.uid))
		return truth(true);
	asked = ask(e, uid);
	if (CEDAR_UNLIKELY(!asked->climbed))
		TRY_VALUE(cedar_eval_climb(e, asked));
	return truth(asked->ancestors != NULL && cedar_uidset_has(asked->ancestors, right.u.uid));
}

static CEDAR_COLD CedarValue
not_comparable(CedarEval *e, CedarValue a, CedarValue b)
{
	CedarValue	v;

	/* of two comparable values of different types the second is at fault */
	if (a.kind == CEDAR_LONG || a.kind == CEDAR_DATETIME || a.kind == CEDAR_DURATION)
		return type_error(e, cedar_kind_name((CedarKind) a.kind), b);
	if (b.kind == CEDAR_LONG || b.kind == CEDAR_DATETIME || b.kind == CEDAR_DURATION)
		return type_error(e, cedar_kind_name((CedarKind) b.kind), a);
	v = type_error(e, "long, datetime or duration", a);
	if (a.kind == CEDAR_DECIMAL)
		cedar_hint(e->err, "Decimals are compared with lessThan, lessThanOrEqual, greaterThan and greaterThanOrEqual.");
	return v;
}

static inline CedarValue
eval_compare(CedarEval *e, CedarOp op, CedarValue a, CedarValue b)
{
	if (CEDAR_UNLIKELY(a.kind != b.kind ||
					   (a.kind != CEDAR_LONG && a.kind != CEDAR_DATETIME && a.kind != CEDAR_DURATION)))
		return not_comparable(e, a, b);
	switch (op)
	{
		case CEDAR_OP_LT:
			return truth(a.u.i < b.u.i);
		case CEDAR_OP_LE:
			return truth(a.u.i <= b.u.i);
		case CEDAR_OP_GT:
			return truth(a.u.i > b.u.i);
		default:
			return truth(a.u.i >= b.u.i);
	}
}

static CEDAR_COLD CedarValue
overflows(CedarEval *e, CedarOp op, int64_t a, int64_t b)
{
	return failed(e, cedar_fail(e->err, CEDAR_EVAL_OVERFLOW, "integer overflow: %lld %s %lld",
								(long long) a,
								op == CEDAR_OP_ADD ? "+" : op == CEDAR_OP_SUB ? "-" : "*",
								(long long) b));
}

static CEDAR_NOINLINE CedarValue
eval_arithmetic(CedarEval *e, CedarOp op, CedarValue a, CedarValue b)
{
	int64_t		r;
	bool		overflow;

	if (a.kind != CEDAR_LONG)
		return type_error(e, "long", a);
	if (b.kind != CEDAR_LONG)
		return type_error(e, "long", b);
	if (op == CEDAR_OP_ADD)
		overflow = __builtin_add_overflow(a.u.i, b.u.i, &r);
	else if (op == CEDAR_OP_SUB)
		overflow = __builtin_sub_overflow(a.u.i, b.u.i, &r);
	else
		overflow = __builtin_mul_overflow(a.u.i, b.u.i, &r);
	return overflow ? overflows(e, op, a.u.i, b.u.i) : number(r);
}

static CEDAR_NOINLINE CedarValue
eval_contains(CedarEval *e, CedarValue a, CedarValue b)
{
	if (a.kind != CEDAR_SET)
		return type_error(e, "a set", a);
	b = with_hash(b);
	TRY_VALUE(spend_comparison(e, b));
	return truth(cedar_set_contains(a.u.set, &b));
}

static CEDAR_NOINLINE CedarValue
eval_sets(CedarEval *e, CedarOp op, CedarValue a, CedarValue b)
{
	bool		all = op == CEDAR_OP_CONTAINS_ALL;

	if (a.kind != CEDAR_SET)
		return type_error(e, "a set", a);
	if (b.kind != CEDAR_SET)
		return type_error(e, "a set", b);
	for (uint32_t i = 0; i < b.u.set->n; i++)
	{
		CedarValue	v = cedar_slot_value(&b.u.set->elems[i]);

		TRY_VALUE(spend(e, 1));
		TRY_VALUE(spend_comparison(e, v));
		if (cedar_set_contains(a.u.set, &v) != all)
			return truth(!all);
	}
	return truth(all);
}

static CEDAR_COLD CedarValue
no_tag(CedarEval *e, CedarValue v, const CedarStr *tag)
{
	char		buf[160];

	return failed(e, cedar_fail(e->err, CEDAR_EVAL_NO_TAG, "%s has no tag \"%.*s\"",
								cedar_value_describe(&v, buf, sizeof(buf)),
								CEDAR_EXCERPT(tag->bytes, tag->len)));
}

static CEDAR_NOINLINE CedarValue
eval_tag(CedarEval *e, CedarOp op, CedarValue a, CedarValue b)
{
	CedarAsked *asked;
	const CedarSlot *slot = NULL;

	if (a.kind != CEDAR_ENTITY)
		return type_error(e, "an entity", a);
	if (b.kind != CEDAR_STRING)
		return type_error(e, "a string", b);
	asked = ask(e, a.u.uid);
	if (!asked->found)
		TRY_VALUE(find(e, asked));
	if (asked->entity != NULL && asked->entity->tags != NULL)
		slot = cedar_record_get(asked->entity->tags, b.u.str);
	if (op == CEDAR_OP_HAS_TAG)
		return truth(slot != NULL);
	if (asked->entity == NULL)
		return no_entity(e, a.u.uid);
	return slot == NULL ? no_tag(e, a, b.u.str) : cedar_slot_value(slot);
}

static CEDAR_COLD CedarValue
no_attr(CedarEval *e, CedarValue v, const CedarStr *name)
{
	char		buf[160];

	cedar_fail(e->err, CEDAR_EVAL_NO_ATTR, "%s has no attribute \"%.*s\"",
			   v.kind == CEDAR_RECORD ? "the record" :
			   cedar_value_describe(&v, buf, sizeof(buf)),
			   CEDAR_EXCERPT(name->bytes, name->len));
	return failed(e, cedar_hint(e->err, "Test for it first with \"has\"."));
}

static CEDAR_ALWAYS_INLINE CedarValue
get_attr(CedarEval *e, CedarValue v, const CedarStr *name)
{
	const CedarRecord *rec;
	const CedarSlot *slot;

	if (v.kind == CEDAR_ENTITY)
	{
		CedarAsked *asked = ask(e, v.u.uid);

		if (!asked->found)
			TRY_VALUE(find(e, asked));
		if (CEDAR_UNLIKELY(asked->entity == NULL))
			return no_entity(e, v.u.uid);
		rec = asked->entity->attrs;
	}
	else if (CEDAR_LIKELY(v.kind == CEDAR_RECORD))
		rec = v.u.rec;
	else
		return type_error(e, "a record or an entity", v);
	slot = rec == NULL ? NULL : cedar_record_get(rec, name);
	return CEDAR_LIKELY(slot != NULL) ? cedar_slot_value(slot) : no_attr(e, v, name);
}

/*
 * `has` of the names, one after the other, from this value on.  An entity that
 * is not in the store is a plain no.
 */
static CEDAR_NOINLINE CedarValue
has_attrs(CedarEval *e, const CedarNode *n, CedarValue v)
{
	const uint32_t *names = cedar_eval_list(e, n->b);

	for (uint32_t i = 0; i < n->c; i++)
	{
		const CedarRecord *rec = NULL;
		const CedarSlot *slot;

		if (v.kind == CEDAR_ENTITY)
		{
			CedarAsked *asked = ask(e, v.u.uid);

			if (!asked->found)
				TRY_VALUE(find(e, asked));
			if (asked->entity != NULL)
				rec = asked->entity->attrs;
		}
		else if (v.kind == CEDAR_RECORD)
			rec = v.u.rec;
		else
			return type_error(e, "a record or an entity", v);
		slot = rec == NULL ? NULL : cedar_record_get(rec, cedar_eval_str(e, names[i]));
		if (slot == NULL)
			return truth(false);
		v = cedar_slot_value(slot);
	}
	return truth(true);
}

/*
 * Wildcards match any run of characters.  What stands between two of them is
 * found at its first place: taking an earlier one never hurts.  Bytes do as
 * well as characters, since UTF-8 characters begin at one place only.
 */
static bool
like(const CedarStr *text, const CedarStr *pattern)
{
	const char *t = text->bytes;
	const char *t_end = t + text->len;
	const char *p = pattern->bytes;
	const char *p_end = p + pattern->len;
	const char *star = memchr(p, (unsigned char) CEDAR_WILDCARD, pattern->len);
	size_t		n;

	if (star == NULL)
		return text->len == pattern->len && memcmp(t, p, text->len) == 0;
	n = (size_t) (star - p);
	if ((size_t) (t_end - t) < n || memcmp(t, p, n) != 0)
		return false;
	t += n;
	p = star + 1;
	while ((star = memchr(p, (unsigned char) CEDAR_WILDCARD, (size_t) (p_end - p))) != NULL)
	{
		n = (size_t) (star - p);
		if (n > 0)
		{
			const char *hit = memmem(t, (size_t) (t_end - t), p, n);

			if (hit == NULL)
				return false;
			t = hit + n;
		}
		p = star + 1;
	}
	n = (size_t) (p_end - p);
	return (size_t) (t_end - t) >= n && memcmp(t_end - n, p, n) == 0;
}

static CEDAR_NOINLINE CedarValue
eval_like(CedarEval *e, CedarValue v, const CedarStr *pattern)
{
	if (v.kind != CEDAR_STRING)
		return type_error(e, "a string", v);
	TRY_VALUE(spend_bytes(e, (uint64_t) v.u.str->len + pattern->len));
	return truth(like(v.u.str, pattern));
}

/* Make the set of these values, which are reordered. */
static CEDAR_NOINLINE CedarValue
make_set(CedarEval *e, const CedarNode *n, CedarValue *values)
{
	const CedarSet *set;

	for (uint32_t i = 0; i < n->b; i++)
		values[i] = with_hash(values[i]);
	set = cedar_set_make(e->arena, values, n->b);
	return set == NULL ? failed(e, cedar_nomem(e->err)) : cedar_value_set(set);
}

/* Make a record of the values in the order of its keys. */
static CEDAR_NOINLINE CedarValue
make_record(CedarEval *e, const CedarNode *n, const CedarValue *values)
{
	const uint32_t *keys = cedar_eval_list(e, n->c);
	CedarPair  *pairs = cedar_arena_alloc(e->arena, n->b * sizeof(CedarPair));
	const CedarStr *duplicate;
	const CedarRecord *rec;

	if (pairs == NULL)
		return failed(e, cedar_nomem(e->err));
	for (uint32_t i = 0; i < n->b; i++)
		pairs[i] = (CedarPair) {cedar_eval_str(e, keys[i]), with_hash(values[i])};
	rec = cedar_record_make(e->arena, pairs, n->b, &duplicate);
	if (rec == NULL)
		return failed(e, duplicate == NULL ? cedar_nomem(e->err) :
					  cedar_fail(e->err, CEDAR_ERR_IMAGE, "compiled policy has a damaged record"));
	return cedar_value_rec(rec);
}

static CEDAR_NOINLINE CedarValue
call(CedarEval *e, const CedarNode *n, const CedarValue *args)
{
	CedarValue	v;

	for (uint32_t i = 0; i < n->b; i++)
		if (args[i].kind == CEDAR_STRING)
			TRY_VALUE(spend_bytes(e, args[i].u.str->len));
	TRY_VALUE(cedar_fn_call(e->arena, (CedarFn) n->n, args, n->b, &v, e->err));
	return v;
}

/* A set, a record or a call: all of its operands, then itself. */
static CEDAR_NOINLINE CedarValue
eval_listed(CedarEval *e, const CedarNode *n)
{
	const uint32_t *list = cedar_eval_list(e, n->a);
	CedarValue	few[2];
	CedarValue *values = few;

	if (n->b > 2)
	{
		values = cedar_arena_alloc(e->arena, n->b * sizeof(CedarValue));
		if (values == NULL)
			return failed(e, cedar_nomem(e->err));
	}
	for (uint32_t i = 0; i < n->b; i++)
		OPERAND(values[i], list[i]);
	switch ((CedarOp) n->op)
	{
		case CEDAR_OP_SET:
			return make_set(e, n, values);
		case CEDAR_OP_RECORD:
			return make_record(e, n, values);
		default:
			return call(e, n, values);
	}
}

/* A chain of `&&` or `||`, of one operand or more: `stop` is the value that ends it. */
static CEDAR_ALWAYS_INLINE CedarValue
eval_chain(CedarEval *e, const CedarNode *n, bool stop)
{
	const uint32_t *list = cedar_eval_list(e, n->a);
	uint32_t	i = 0;

	for (;;)
	{
		CedarValue	v = eval(e, list[i]);

		if (CEDAR_UNLIKELY(v.kind != CEDAR_BOOL))
			return type_error(e, "bool", v);
		if ((v.u.i != 0) == stop || ++i >= n->b)
			return v;
	}
}

static CEDAR_COLD CedarValue
not_in(CedarEval *e, CedarValue left, CedarValue right)
{
	CedarValue	v = type_error(e, "an entity", left);

	if (right.kind == CEDAR_SET)
		cedar_hint(e->err, "\"in\" asks the entity hierarchy; use contains() to look into a set.");
	return v;
}

/* Of two values of one kind that are no entities. */
static CEDAR_NOINLINE CedarValue
eval_equal_values(CedarEval *e, CedarValue a, CedarValue b, bool equal)
{
	if (!cedar_kind_is_reference(a.kind))
		return truth((a.u.i == b.u.i) == equal);
	if (a.hash != b.hash)
		return truth(!equal);
	TRY_VALUE(spend_comparison(e, a));
	return truth(cedar_value_equal(&a, &b) == equal);
}

static CEDAR_ALWAYS_INLINE CedarValue
eval_equal(CedarEval *e, CedarValue a, CedarValue b, bool equal)
{
	if (a.kind != b.kind)
		return truth(!equal);
	if (CEDAR_LIKELY(a.kind == CEDAR_ENTITY))
		return truth(cedar_uid_same(a.u.uid, b.u.uid) == equal);
	return eval_equal_values(e, a, b, equal);
}

/* A binary operator that needs both operands, on their values. */
static CEDAR_NOINLINE CedarValue
apply_binary(CedarEval *e, CedarOp op, CedarValue a, CedarValue b)
{
	switch (op)
	{
		case CEDAR_OP_EQ:
			return eval_equal(e, a, b, true);
		case CEDAR_OP_NE:
			return eval_equal(e, a, b, false);
		case CEDAR_OP_LT:
		case CEDAR_OP_LE:
		case CEDAR_OP_GT:
		case CEDAR_OP_GE:
			return eval_compare(e, op, a, b);
		case CEDAR_OP_ADD:
		case CEDAR_OP_SUB:
		case CEDAR_OP_MUL:
			return eval_arithmetic(e, op, a, b);
		case CEDAR_OP_IN:
			if (CEDAR_UNLIKELY(a.kind != CEDAR_ENTITY))
				return not_in(e, a, b);
			return eval_in(e, a.u.uid, b);
		case CEDAR_OP_CONTAINS:
			return eval_contains(e, a, b);
		case CEDAR_OP_CONTAINS_ALL:
		case CEDAR_OP_CONTAINS_ANY:
			return eval_sets(e, op, a, b);
		default:
			return eval_tag(e, op, a, b);
	}
}

/* An operator of one operand, on its value, which may be one that failed. */
static CEDAR_NOINLINE CedarValue
apply_unary(CedarEval *e, const CedarNode *n, CedarValue v)
{
	switch ((CedarOp) n->op)
	{
		case CEDAR_OP_NOT:
			if (v.kind != CEDAR_BOOL)
				return type_error(e, "bool", v);
			return truth(!v.u.i);
		case CEDAR_OP_NEG:
			if (v.kind != CEDAR_LONG)
				return type_error(e, "long", v);
			if (v.u.i == INT64_MIN)
				return failed(e, cedar_fail(e->err, CEDAR_EVAL_OVERFLOW,
											"integer overflow: negation of %lld", (long long) v.u.i));
			return number(-v.u.i);
		case CEDAR_OP_IS_EMPTY:
			if (v.kind != CEDAR_SET)
				return type_error(e, "a set", v);
			return truth(v.u.set->n == 0);
		case CEDAR_OP_GET_ATTR:
			return get_attr(e, v, cedar_eval_str(e, n->b));
		case CEDAR_OP_HAS_ATTR:
			return has_attrs(e, n, v);
		default:				/* CEDAR_OP_LIKE */
			return eval_like(e, v, cedar_eval_str(e, n->b));
	}
}

CedarCode
cedar_eval_apply(CedarEval *e, const CedarNode *n, CedarValue *args, CedarValue *out)
{
	TRY(spend(e, 1));
	switch ((CedarOp) n->op)
	{
		case CEDAR_OP_NOT:
		case CEDAR_OP_NEG:
		case CEDAR_OP_IS_EMPTY:
		case CEDAR_OP_GET_ATTR:
		case CEDAR_OP_HAS_ATTR:
		case CEDAR_OP_LIKE:
			return give(e, apply_unary(e, n, args[0]), out);
		case CEDAR_OP_SET:
			return give(e, make_set(e, n, args), out);
		case CEDAR_OP_RECORD:
			return give(e, make_record(e, n, args), out);
		case CEDAR_OP_CALL:
			return give(e, call(e, n, args), out);
		default:
			return give(e, apply_binary(e, (CedarOp) n->op, args[0], args[1]), out);
	}
}

static CEDAR_ALWAYS_INLINE CedarValue
eval_node(CedarEval *e, const CedarNode *n)
{
	CedarValue	v,
				right;
	bool		same;

	switch ((CedarOp) n->op)
	{
		case CEDAR_OP_IF:
			v = eval(e, n->a);
			if (v.kind != CEDAR_BOOL)
				return type_error(e, "bool", v);
			return eval(e, v.u.i ? n->b : n->c);
		case CEDAR_OP_AND:
			return eval_chain(e, n, false);
		case CEDAR_OP_OR:
			return eval_chain(e, n, true);
		case CEDAR_OP_GET_ATTR:
			return get_attr(e, eval(e, n->a), cedar_eval_str(e, n->b));
		case CEDAR_OP_NOT:
		case CEDAR_OP_NEG:
		case CEDAR_OP_IS_EMPTY:
		case CEDAR_OP_HAS_ATTR:
		case CEDAR_OP_LIKE:
			return apply_unary(e, n, eval(e, n->a));
		case CEDAR_OP_IN:
			OPERAND(v, n->a);
			OPERAND(right, n->b);
			if (CEDAR_UNLIKELY(v.kind != CEDAR_ENTITY))
				return not_in(e, v, right);
			return eval_in(e, v.u.uid, right);
		case CEDAR_OP_IS:
			v = eval(e, n->a);
			if (v.kind != CEDAR_ENTITY)
				return type_error(e, "an entity", v);
			same = cedar_uid_has_type(v.u.uid, cedar_eval_str(e, n->b));
			if (!same || n->c == CEDAR_NONE)
				return truth(same);
			OPERAND(right, n->c);
			return eval_in(e, v.u.uid, right);
		case CEDAR_OP_SET:
		case CEDAR_OP_RECORD:
		case CEDAR_OP_CALL:
			return eval_listed(e, n);
		case CEDAR_OP_SLOT:
			return failed(e, cedar_fail(e->err, CEDAR_EVAL_UNLINKED, "template slot without a value"));
		default:
			OPERAND(v, n->a);
			OPERAND(right, n->b);
			return apply_binary(e, (CedarOp) n->op, v, right);
	}
}

static CedarValue
eval_inner(CedarEval *e, const CedarNode *n)
{
	CedarValue	v;

	/* A few levels are within the margin that every host keeps. */
	if (CEDAR_UNLIKELY(n->depth % STACK_CHECK_DEPTH == 0 &&
					   cedar_arena_stack_is_too_deep(e->arena)))
		return failed(e, cedar_stack(e->err));
	v = eval_node(e, n);

	/* the innermost node that fails is where the error is */
	if (CEDAR_UNLIKELY(v.kind == FAILED) && cedar_is_policy_error(e->code) &&
		!e->err->has_position)
		set_position(e, (uint32_t) (n - e->nodes));
	return v;
}

/* The condition of the piece, from its root on. */
static inline CedarValue
eval_root(CedarEval *e, const CedarPiece *piece)
{
	e->block = (const char *) piece;
	e->nodes = cedar_piece_nodes(piece);
	e->steps = CEDAR_MAX_STEPS;
	e->err->has_position = false;
	return eval(e, piece->root);
}

CedarCode
cedar_eval_value(CedarEval *e, const CedarPiece *piece, CedarValue *out)
{
	CedarValue	v = eval_root(e, piece);

	return give(e, v.kind == FAILED ? v : with_hash(v), out);
}

bool
cedar_eval_condition(CedarEval *e, const CedarPiece *piece)
{
	CedarValue	v = eval_root(e, piece);

	if (CEDAR_LIKELY(v.kind == CEDAR_BOOL))
	{
		e->code = CEDAR_OK;
		return v.u.i != 0;
	}
	if (v.kind != FAILED)
	{
		type_error(e, "bool", v);
		set_position(e, piece->root);
	}
	return false;
}

CedarCode
cedar_eval_node(CedarEval *e, uint32_t node, CedarValue *result)
{
	e->err->has_position = false;
	return give(e, eval(e, node), result);
}
