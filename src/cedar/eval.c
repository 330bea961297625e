/*-------------------------------------------------------------------------
 *
 * eval.c
 *	  Evaluation of the conditions of compiled policies.
 *
 * An evaluation reads the piece, the entities and the request and writes
 * nothing but the ancestors of an entity that is asked `in` for the first
 * time.  Sets and records that an expression makes live in the arena until
 * the policy is done.
 *
 *-------------------------------------------------------------------------
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE				/* memmem */
#endif

#include "eval.h"

static CedarCode eval_inner(CedarEval *e, const CedarNode *n, CedarValue *out);

/* ---------------------------------------------------------------- helpers */

#define STACK_CHECK_DEPTH 16

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

/* Account for comparing v with an equal value; scalars are free. */
static inline CedarCode
spend_comparison(CedarEval *e, const CedarValue *v)
{
	switch (v->kind)
	{
		case CEDAR_STRING:
			return spend_bytes(e, v->u.str->len);
		case CEDAR_SET:
		case CEDAR_RECORD:
			return spend(e, cedar_value_cost(v));
		default:
			return CEDAR_OK;
	}
}

/* Evaluate node i.  Leaves, half of all nodes, need no call. */
static inline CedarCode
eval(CedarEval *e, uint32_t i, CedarValue *out)
{
	const CedarNode *n = &e->nodes[i];

	TRY(spend(e, 1));
	switch (n->op)
	{
		case CEDAR_OP_LIT:
			*out = cedar_slot_value((const CedarSlot *) (e->block + n->a));
			return CEDAR_OK;
		case CEDAR_OP_VAR:
			*out = e->vars[n->n];
			return CEDAR_OK;
		default:
			return eval_inner(e, n, out);
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

static inline void
set_bool(CedarValue *v, bool b)
{
	v->kind = CEDAR_BOOL;
	v->hash = 0;
	v->u.i = b;
}

static inline void
set_long(CedarValue *v, int64_t i)
{
	v->kind = CEDAR_LONG;
	v->hash = 0;
	v->u.i = i;
}

/*
 * Results of operators go without a hash until they are compared or kept:
 * most never are.
 */
static inline void
need_hash(CedarValue *v)
{
	if (!cedar_kind_is_reference(v->kind))
		v->hash = cedar_hash_value((CedarKind) v->kind, v->u.i);
}

static CEDAR_COLD CedarCode
type_error(CedarEval *e, const char *expected, const CedarValue *got)
{
	char		buf[160];

	return cedar_fail(e->err, CEDAR_EVAL_TYPE, "type error: expected %s, got %s",
					  expected, cedar_value_describe(got, buf, sizeof(buf)));
}

static CEDAR_COLD CedarCode
no_entity(CedarEval *e, const CedarUid *uid)
{
	CedarValue	v = cedar_value_uid(uid);
	char		buf[160];

	return cedar_fail(e->err, CEDAR_EVAL_NO_ENTITY, "%s does not exist",
					  cedar_value_describe(&v, buf, sizeof(buf)));
}

void
cedar_eval_init(CedarEval *e, CedarArena *arena, const CedarEntitySource *source,
				const CedarRequest *request, CedarError *err)
{
	memset(e, 0, sizeof(*e));
	e->arena = arena;
	e->source = source;
	e->request = request;
	e->err = err;
	e->asked[CEDAR_VAR_PRINCIPAL].uid = request->principal;
	e->asked[CEDAR_VAR_ACTION].uid = request->action;
	e->asked[CEDAR_VAR_RESOURCE].uid = request->resource;
	e->vars[CEDAR_VAR_PRINCIPAL] = cedar_value_uid(request->principal);
	e->vars[CEDAR_VAR_ACTION] = cedar_value_uid(request->action);
	e->vars[CEDAR_VAR_RESOURCE] = cedar_value_uid(request->resource);
	e->vars[CEDAR_VAR_CONTEXT] = cedar_value_rec(request->context);
}

/* The uid as one of the request, or NULL: by its address, for it comes from there. */
static inline CedarAsked *
find_asked(CedarEval *e, const CedarUid *uid)
{
	for (int k = 0; k < 3; k++)
		if (uid == e->asked[k].uid)
			return &e->asked[k];
	return NULL;
}

static CedarCode
find(CedarEval *e, const CedarUid *uid, CedarAsked *asked, CedarEntity **entity)
{
	TRY(e->source->find(e->source->userdata, uid, entity, e->err));
	if (asked != NULL)
	{
		asked->entity = *entity;
		asked->found = true;
	}
	else
	{
		e->last_uid = uid;
		e->last_entity = *entity;
	}
	return CEDAR_OK;
}

static inline CedarCode
eval_find(CedarEval *e, const CedarUid *uid, CedarEntity **entity)
{
	CedarAsked *asked;

	if (uid == e->last_uid)
	{
		*entity = e->last_entity;
		return CEDAR_OK;
	}
	asked = find_asked(e, uid);
	if (asked == NULL || !asked->found)
		return find(e, uid, asked, entity);
	*entity = asked->entity;
	return CEDAR_OK;
}

static CedarCode
climb(CedarEval *e, const CedarUid *uid, const CedarUidSet **ancestors)
{
	CedarEntity *entity;

	*ancestors = NULL;
	TRY(eval_find(e, uid, &entity));
	if (entity == NULL || entity->n_parents == 0)
		return CEDAR_OK;
	if (entity->ancestors == NULL)
	{
		if (e->source->climb != NULL)
			TRY(e->source->climb(e->source->userdata, entity, e->err));
		else
			TRY(cedar_entity_ancestors(e->source, entity, e->err));
	}
	*ancestors = entity->ancestors;
	return CEDAR_OK;
}

CedarCode
cedar_eval_climb(CedarEval *e, CedarAsked *asked)
{
	TRY(climb(e, asked->uid, &asked->ancestors));
	asked->climbed = true;
	return CEDAR_OK;
}

/* NULL for none. */
static inline CedarCode
find_ancestors(CedarEval *e, const CedarUid *uid, const CedarUidSet **ancestors)
{
	const CedarAsked *asked = find_asked(e, uid);

	if (asked == NULL)
		return climb(e, uid, ancestors);
	return cedar_eval_ancestors(e, (CedarVar) (asked - e->asked), ancestors);
}

/* -------------------------------------------------------------- operators */

/*
 * All elements must be entities, whatever the first of them says.  They are
 * ordered by their kind.
 */
static CedarCode
all_entities(CedarEval *e, const CedarSet *set)
{
	if (set->n == 0 ||
		(set->elems[0].kind == CEDAR_ENTITY && set->elems[set->n - 1].kind == CEDAR_ENTITY))
		return CEDAR_OK;
	for (uint32_t i = 0; i < set->n; i++)
	{
		CedarValue	v = cedar_slot_value(&set->elems[i]);

		TRY(spend(e, 1));
		if (v.kind != CEDAR_ENTITY)
			return type_error(e, "a set of entities", &v);
	}
	return CEDAR_OK;
}

static CedarCode
eval_in(CedarEval *e, const CedarUid *uid, const CedarValue *right, CedarValue *out)
{
	const CedarUidSet *ancestors = NULL;
	bool		found = false;

	if (right->kind == CEDAR_ENTITY)
	{
		found = cedar_uid_same(uid, right->u.uid);
		if (!found)
		{
			TRY(find_ancestors(e, uid, &ancestors));
			found = ancestors != NULL && cedar_uidset_has(ancestors, right->u.uid);
		}
		set_bool(out, found);
		return CEDAR_OK;
	}
	if (right->kind != CEDAR_SET)
		return type_error(e, "an entity or a set of entities", right);
	TRY(all_entities(e, right->u.set));
	for (uint32_t i = 0; i < right->u.set->n && !found; i++)
	{
		CedarValue	v = cedar_slot_value(&right->u.set->elems[i]);

		TRY(spend(e, 1));
		found = cedar_uid_same(uid, v.u.uid);
		if (!found && i == 0)
			TRY(find_ancestors(e, uid, &ancestors));
		found = found || (ancestors != NULL && cedar_uidset_has(ancestors, v.u.uid));
	}
	set_bool(out, found);
	return CEDAR_OK;
}

static CedarCode
eval_compare(CedarEval *e, CedarOp op, const CedarValue *a, const CedarValue *b, CedarValue *out)
{
	bool		comparable = a->kind == CEDAR_LONG || a->kind == CEDAR_DATETIME ||
		a->kind == CEDAR_DURATION;

	if (!comparable || a->kind != b->kind)
	{
		/* of two comparable values of different types the second is at fault */
		if (comparable)
			return type_error(e, cedar_kind_name((CedarKind) a->kind), b);
		if (b->kind == CEDAR_LONG || b->kind == CEDAR_DATETIME || b->kind == CEDAR_DURATION)
			return type_error(e, cedar_kind_name((CedarKind) b->kind), a);
		type_error(e, "long, datetime or duration", a);
		if (a->kind == CEDAR_DECIMAL)
			cedar_hint(e->err, "Decimals are compared with lessThan, lessThanOrEqual, greaterThan and greaterThanOrEqual.");
		return CEDAR_EVAL_TYPE;
	}
	switch (op)
	{
		case CEDAR_OP_LT:
			set_bool(out, a->u.i < b->u.i);
			break;
		case CEDAR_OP_LE:
			set_bool(out, a->u.i <= b->u.i);
			break;
		case CEDAR_OP_GT:
			set_bool(out, a->u.i > b->u.i);
			break;
		default:
			set_bool(out, a->u.i >= b->u.i);
			break;
	}
	return CEDAR_OK;
}

static CedarCode
eval_arithmetic(CedarEval *e, CedarOp op, const CedarValue *a, const CedarValue *b, CedarValue *out)
{
	int64_t		r;
	bool		overflow;

	if (a->kind != CEDAR_LONG)
		return type_error(e, "long", a);
	if (b->kind != CEDAR_LONG)
		return type_error(e, "long", b);
	if (op == CEDAR_OP_ADD)
		overflow = __builtin_add_overflow(a->u.i, b->u.i, &r);
	else if (op == CEDAR_OP_SUB)
		overflow = __builtin_sub_overflow(a->u.i, b->u.i, &r);
	else
		overflow = __builtin_mul_overflow(a->u.i, b->u.i, &r);
	if (overflow)
		return cedar_fail(e->err, CEDAR_EVAL_OVERFLOW, "integer overflow: %lld %s %lld",
						  (long long) a->u.i,
						  op == CEDAR_OP_ADD ? "+" : op == CEDAR_OP_SUB ? "-" : "*",
						  (long long) b->u.i);
	set_long(out, r);
	return CEDAR_OK;
}

static CedarCode
eval_sets(CedarEval *e, CedarOp op, const CedarValue *a, const CedarValue *b, CedarValue *out)
{
	bool		all = op == CEDAR_OP_CONTAINS_ALL;

	if (a->kind != CEDAR_SET)
		return type_error(e, "a set", a);
	if (b->kind != CEDAR_SET)
		return type_error(e, "a set", b);
	for (uint32_t i = 0; i < b->u.set->n; i++)
	{
		CedarValue	v = cedar_slot_value(&b->u.set->elems[i]);

		TRY(spend(e, 1));
		TRY(spend_comparison(e, &v));
		if (cedar_set_contains(a->u.set, &v) != all)
		{
			set_bool(out, !all);
			return CEDAR_OK;
		}
	}
	set_bool(out, all);
	return CEDAR_OK;
}

static CEDAR_COLD CedarCode
no_tag(CedarEval *e, const CedarValue *v, const CedarStr *tag)
{
	char		buf[160];

	return cedar_fail(e->err, CEDAR_EVAL_NO_TAG, "%s has no tag \"%.*s\"",
					  cedar_value_describe(v, buf, sizeof(buf)),
					  CEDAR_EXCERPT(tag->bytes, tag->len));
}

static CedarCode
eval_tag(CedarEval *e, CedarOp op, const CedarValue *a, const CedarValue *b, CedarValue *out)
{
	CedarEntity *entity;
	const CedarSlot *slot;

	if (a->kind != CEDAR_ENTITY)
		return type_error(e, "an entity", a);
	if (b->kind != CEDAR_STRING)
		return type_error(e, "a string", b);
	TRY(eval_find(e, a->u.uid, &entity));
	slot = entity == NULL || entity->tags == NULL ? NULL :
		cedar_record_get(entity->tags, b->u.str);
	if (op == CEDAR_OP_HAS_TAG)
	{
		set_bool(out, slot != NULL);
		return CEDAR_OK;
	}
	if (entity == NULL)
		return no_entity(e, a->u.uid);
	if (slot == NULL)
		return no_tag(e, a, b->u.str);
	*out = cedar_slot_value(slot);
	return CEDAR_OK;
}

/*
 * The attribute's slot, NULL when there is none.  With `strict` an entity that
 * is not in the store is an error, as for access; without it a plain no.
 */
static inline CedarCode
find_attr(CedarEval *e, const CedarValue *v, const CedarStr *name, bool strict,
		  const CedarSlot **slot)
{
	CedarEntity *entity;

	*slot = NULL;
	if (v->kind == CEDAR_RECORD)
	{
		*slot = cedar_record_get(v->u.rec, name);
		return CEDAR_OK;
	}
	if (v->kind != CEDAR_ENTITY)
		return type_error(e, "a record or an entity", v);
	TRY(eval_find(e, v->u.uid, &entity));
	if (entity == NULL && strict)
		return no_entity(e, v->u.uid);
	*slot = entity == NULL || entity->attrs == NULL ? NULL :
		cedar_record_get(entity->attrs, name);
	return CEDAR_OK;
}

static CEDAR_COLD void
no_attr(CedarEval *e, const CedarValue *v, const CedarStr *name)
{
	char		buf[160];

	cedar_fail(e->err, CEDAR_EVAL_NO_ATTR, "%s has no attribute \"%.*s\"",
			   v->kind == CEDAR_RECORD ? "the record" :
			   cedar_value_describe(v, buf, sizeof(buf)),
			   CEDAR_EXCERPT(name->bytes, name->len));
	cedar_hint(e->err, "Test for it first with \"has\".");
}

static CedarCode
get_attr(CedarEval *e, const CedarValue *v, const CedarStr *name, CedarValue *out)
{
	const CedarSlot *slot;

	TRY(find_attr(e, v, name, true, &slot));
	if (CEDAR_UNLIKELY(slot == NULL))
	{
		no_attr(e, v, name);
		return CEDAR_EVAL_NO_ATTR;
	}
	*out = cedar_slot_value(slot);
	return CEDAR_OK;
}

/* `has` of the names, one after the other, from this value on. */
static CedarCode
has_attrs(CedarEval *e, const CedarNode *n, const CedarValue *of, CedarValue *out)
{
	const uint32_t *names = cedar_eval_list(e, n->b);
	CedarValue	v = *of;

	for (uint32_t i = 0; i < n->c; i++)
	{
		const CedarSlot *slot;

		TRY(find_attr(e, &v, cedar_eval_str(e, names[i]), false, &slot));
		if (slot == NULL)
		{
			set_bool(out, false);
			return CEDAR_OK;
		}
		v = cedar_slot_value(slot);
	}
	set_bool(out, true);
	return CEDAR_OK;
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

/* Make the set of these values, which are reordered. */
static CedarCode
make_set(CedarEval *e, const CedarNode *n, CedarValue *values, CedarValue *out)
{
	const CedarSet *set;

	for (uint32_t i = 0; i < n->b; i++)
		need_hash(&values[i]);
	set = cedar_set_make(e->arena, values, n->b);
	if (set == NULL)
		return cedar_nomem(e->err);
	*out = cedar_value_set(set);
	return CEDAR_OK;
}

/* Make a record of the values in the order of its keys. */
static CedarCode
make_record(CedarEval *e, const CedarNode *n, CedarValue *values, CedarValue *out)
{
	const uint32_t *keys = cedar_eval_list(e, n->c);
	CedarPair  *pairs = cedar_arena_alloc(e->arena, n->b * sizeof(CedarPair));
	const CedarStr *duplicate;
	const CedarRecord *rec;

	if (pairs == NULL)
		return cedar_nomem(e->err);
	for (uint32_t i = 0; i < n->b; i++)
	{
		need_hash(&values[i]);
		pairs[i] = (CedarPair) {cedar_eval_str(e, keys[i]), values[i]};
	}
	rec = cedar_record_make(e->arena, pairs, n->b, &duplicate);
	if (rec == NULL)
		return duplicate == NULL ? cedar_nomem(e->err) :
			cedar_fail(e->err, CEDAR_ERR_IMAGE, "compiled policy has a damaged record");
	*out = cedar_value_rec(rec);
	return CEDAR_OK;
}

static CedarCode
call(CedarEval *e, const CedarNode *n, const CedarValue *args, CedarValue *out)
{
	for (uint32_t i = 0; i < n->b; i++)
		if (args[i].kind == CEDAR_STRING)
			TRY(spend_bytes(e, args[i].u.str->len));
	return cedar_fn_call(e->arena, (CedarFn) n->n, args, n->b, out, e->err);
}

/* A set, a record or a call: all of its operands, then itself. */
static CedarCode
eval_listed(CedarEval *e, const CedarNode *n, CedarValue *out)
{
	const uint32_t *list = cedar_eval_list(e, n->a);
	CedarValue	few[2];
	CedarValue *values = few;

	if (n->b > 2)
	{
		values = cedar_arena_alloc(e->arena, n->b * sizeof(CedarValue));
		if (values == NULL)
			return cedar_nomem(e->err);
	}
	for (uint32_t i = 0; i < n->b; i++)
		TRY(eval(e, list[i], &values[i]));
	switch ((CedarOp) n->op)
	{
		case CEDAR_OP_SET:
			return make_set(e, n, values, out);
		case CEDAR_OP_RECORD:
			return make_record(e, n, values, out);
		default:
			return call(e, n, values, out);
	}
}

/* A chain of `&&` or `||`, of one operand or more: `stop` is the value that ends it. */
static CedarCode
eval_chain(CedarEval *e, const CedarNode *n, bool stop, CedarValue *out)
{
	const uint32_t *list = cedar_eval_list(e, n->a);
	uint32_t	i = 0;

	do
	{
		TRY(eval(e, list[i], out));
		if (out->kind != CEDAR_BOOL)
			return type_error(e, "bool", out);
		if ((out->u.i != 0) == stop)
			return CEDAR_OK;
	} while (++i < n->b);
	return CEDAR_OK;
}

static CEDAR_COLD CedarCode
not_in(CedarEval *e, const CedarValue *left, const CedarValue *right)
{
	type_error(e, "an entity", left);
	if (right->kind == CEDAR_SET)
		cedar_hint(e->err, "\"in\" asks the entity hierarchy; use contains() to look into a set.");
	return CEDAR_EVAL_TYPE;
}

/* A binary operator that needs both operands, on their values. */
static inline CedarCode
apply_binary(CedarEval *e, CedarOp op, CedarValue *a, CedarValue *b, CedarValue *out)
{
	switch (op)
	{
		case CEDAR_OP_EQ:
		case CEDAR_OP_NE:
			need_hash(a);
			need_hash(b);
			if (a->kind == b->kind && a->hash == b->hash)
				TRY(spend_comparison(e, a));
			set_bool(out, cedar_value_equal(a, b) == (op == CEDAR_OP_EQ));
			return CEDAR_OK;
		case CEDAR_OP_LT:
		case CEDAR_OP_LE:
		case CEDAR_OP_GT:
		case CEDAR_OP_GE:
			return eval_compare(e, op, a, b, out);
		case CEDAR_OP_ADD:
		case CEDAR_OP_SUB:
		case CEDAR_OP_MUL:
			return eval_arithmetic(e, op, a, b, out);
		case CEDAR_OP_IN:
			if (CEDAR_UNLIKELY(a->kind != CEDAR_ENTITY))
				return not_in(e, a, b);
			return eval_in(e, a->u.uid, b, out);
		case CEDAR_OP_CONTAINS:
			if (a->kind != CEDAR_SET)
				return type_error(e, "a set", a);
			need_hash(b);
			TRY(spend_comparison(e, b));
			set_bool(out, cedar_set_contains(a->u.set, b));
			return CEDAR_OK;
		case CEDAR_OP_CONTAINS_ALL:
		case CEDAR_OP_CONTAINS_ANY:
			return eval_sets(e, op, a, b, out);
		default:
			return eval_tag(e, op, a, b, out);
	}
}

/* An operator of one operand, on its value. */
static inline CedarCode
apply_unary(CedarEval *e, const CedarNode *n, const CedarValue *v, CedarValue *out)
{
	switch ((CedarOp) n->op)
	{
		case CEDAR_OP_NOT:
			if (v->kind != CEDAR_BOOL)
				return type_error(e, "bool", v);
			set_bool(out, !v->u.i);
			return CEDAR_OK;
		case CEDAR_OP_NEG:
			if (v->kind != CEDAR_LONG)
				return type_error(e, "long", v);
			if (v->u.i == INT64_MIN)
				return cedar_fail(e->err, CEDAR_EVAL_OVERFLOW,
								  "integer overflow: negation of %lld", (long long) v->u.i);
			set_long(out, -v->u.i);
			return CEDAR_OK;
		case CEDAR_OP_IS_EMPTY:
			if (v->kind != CEDAR_SET)
				return type_error(e, "a set", v);
			set_bool(out, v->u.set->n == 0);
			return CEDAR_OK;
		case CEDAR_OP_GET_ATTR:
			return get_attr(e, v, cedar_eval_str(e, n->b), out);
		case CEDAR_OP_HAS_ATTR:
			return has_attrs(e, n, v, out);
		default:				/* CEDAR_OP_LIKE */
			if (v->kind != CEDAR_STRING)
				return type_error(e, "a string", v);
			TRY(spend_bytes(e, (uint64_t) v->u.str->len + cedar_eval_str(e, n->b)->len));
			set_bool(out, like(v->u.str, cedar_eval_str(e, n->b)));
			return CEDAR_OK;
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
			return apply_unary(e, n, &args[0], out);
		case CEDAR_OP_SET:
			return make_set(e, n, args, out);
		case CEDAR_OP_RECORD:
			return make_record(e, n, args, out);
		case CEDAR_OP_CALL:
			return call(e, n, args, out);
		default:
			return apply_binary(e, (CedarOp) n->op, &args[0], &args[1], out);
	}
}

static CedarCode
eval_node(CedarEval *e, const CedarNode *n, CedarValue *out)
{
	CedarValue	v,
				right;
	bool		ok;

	switch ((CedarOp) n->op)
	{
		case CEDAR_OP_IF:
			TRY(eval(e, n->a, &v));
			if (v.kind != CEDAR_BOOL)
				return type_error(e, "bool", &v);
			return eval(e, v.u.i ? n->b : n->c, out);
		case CEDAR_OP_AND:
			return eval_chain(e, n, false, out);
		case CEDAR_OP_OR:
			return eval_chain(e, n, true, out);
		case CEDAR_OP_NOT:
		case CEDAR_OP_NEG:
		case CEDAR_OP_IS_EMPTY:
		case CEDAR_OP_GET_ATTR:
		case CEDAR_OP_HAS_ATTR:
		case CEDAR_OP_LIKE:
			TRY(eval(e, n->a, &v));
			return apply_unary(e, n, &v, out);
		case CEDAR_OP_IS:
			TRY(eval(e, n->a, &v));
			if (v.kind != CEDAR_ENTITY)
				return type_error(e, "an entity", &v);
			ok = cedar_uid_has_type(v.u.uid, cedar_eval_str(e, n->b));
			if (ok && n->c != CEDAR_NONE)
			{
				TRY(eval(e, n->c, &right));
				return eval_in(e, v.u.uid, &right, out);
			}
			set_bool(out, ok);
			return CEDAR_OK;
		case CEDAR_OP_SET:
		case CEDAR_OP_RECORD:
		case CEDAR_OP_CALL:
			return eval_listed(e, n, out);
		case CEDAR_OP_SLOT:
			return cedar_fail(e->err, CEDAR_EVAL_UNLINKED, "template slot without a value");
		default:
			TRY(eval(e, n->a, &v));
			TRY(eval(e, n->b, &right));
			return apply_binary(e, (CedarOp) n->op, &v, &right, out);
	}
}

static CedarCode
eval_inner(CedarEval *e, const CedarNode *n, CedarValue *out)
{
	CedarCode	code;

	/* A few levels are within the margin that every host keeps. */
	if (CEDAR_UNLIKELY(n->depth % STACK_CHECK_DEPTH == 0 &&
					   cedar_arena_stack_is_too_deep(e->arena)))
		return cedar_stack(e->err);
	code = eval_node(e, n, out);

	/* the innermost node that fails is where the error is */
	if (CEDAR_UNLIKELY(code != CEDAR_OK) && cedar_is_policy_error(code) &&
		!e->err->has_position)
		set_position(e, (uint32_t) (n - e->nodes));
	return code;
}

CedarCode
cedar_eval_value(CedarEval *e, const CedarPiece *piece, CedarValue *out)
{
	e->block = (const char *) piece;
	e->nodes = cedar_piece_nodes(piece);
	e->steps = CEDAR_MAX_STEPS;
	e->err->has_position = false;
	TRY(eval(e, piece->root, out));
	need_hash(out);
	return CEDAR_OK;
}

CedarCode
cedar_eval_condition(CedarEval *e, const CedarPiece *piece, bool *result)
{
	CedarValue	v;

	v.kind = CEDAR_LONG;		/* what nobody wrote is not true */
	e->block = (const char *) piece;
	e->nodes = cedar_piece_nodes(piece);
	e->steps = CEDAR_MAX_STEPS;
	e->err->has_position = false;
	TRY(eval(e, piece->root, &v));
	if (v.kind != CEDAR_BOOL)
	{
		type_error(e, "bool", &v);
		set_position(e, piece->root);
		return CEDAR_EVAL_TYPE;
	}
	*result = v.u.i != 0;
	return CEDAR_OK;
}

CedarCode
cedar_eval_node(CedarEval *e, uint32_t node, CedarValue *result)
{
	e->err->has_position = false;
	return eval(e, node, result);
}
