/*-------------------------------------------------------------------------
 *
 * spec_eval.c
 *	  The executable specification of evaluation and authorization.
 *
 * The meaning is that of the language's documentation ("Operators and
 * functions", "Authorization") and of the reference's formal model: operands
 * are evaluated left to right before any is looked at, and `&&`, `||` and
 * `if` alone leave operands out.
 *
 * Values are trees in the arena.  A set is a list of values no two of which
 * are equal, in the order of their first appearance.
 *
 *-------------------------------------------------------------------------
 */
#include "spec_eval.h"

#include <stdio.h>
#include <string.h>

#include "internal.h"

typedef struct Val
{
	CedarKind	kind;
	int64_t		i;				/* BOOL, LONG, DECIMAL, DATETIME, DURATION */
	const char *bytes;			/* STRING */
	size_t		len;
	const CedarUid *uid;		/* ENTITY */
	const CedarIp *ip;			/* IPADDR */
	uint32_t	n;				/* elements of a SET, fields of a RECORD */
	struct Val *elems;
	struct Val *keys;			/* of a RECORD: strings */
} Val;

typedef struct Spec
{
	CedarArena *arena;
	const CedarEntitySource *source;
	const CedarRequest *request;
	CedarError *err;
} Spec;

static CedarCode evaluate(Spec *s, const CedarExpr *e, Val *out);

static CedarCode
fails(Spec *s, CedarCode code)
{
	return cedar_fail(s->err, code, "specification");
}

static CedarCode
new_vals(Spec *s, uint32_t n, Val **vals)
{
	*vals = cedar_arena_zalloc(s->arena, ((size_t) n + 1) * sizeof(Val));
	return *vals == NULL ? fails(s, CEDAR_ERR_NOMEM) : CEDAR_OK;
}

static Val
scalar(CedarKind kind, int64_t i)
{
	Val			v;

	memset(&v, 0, sizeof(v));
	v.kind = kind;
	v.i = i;
	return v;
}

static Val
boolean(bool b)
{
	return scalar(CEDAR_BOOL, b);
}

static Val
string(const CedarStr *str)
{
	Val			v = scalar(CEDAR_STRING, 0);

	v.bytes = str->bytes;
	v.len = str->len;
	return v;
}

static Val
entity(const CedarUid *uid)
{
	Val			v = scalar(CEDAR_ENTITY, 0);

	v.uid = uid;
	return v;
}

/* --------------------------------------------------------------- equality */

static bool
same_string(const Val *a, const Val *b)
{
	return a->len == b->len && memcmp(a->bytes, b->bytes, a->len) == 0;
}

static bool
before(const Val *a, const Val *b)
{
	int			c = memcmp(a->bytes, b->bytes, a->len < b->len ? a->len : b->len);

	return c < 0 || (c == 0 && a->len < b->len);
}

static bool
same_uid(const CedarUid *a, const CedarUid *b)
{
	return a->type_len == b->type_len && a->id_len == b->id_len &&
		memcmp(a->bytes, b->bytes, (size_t) a->type_len + a->id_len) == 0;
}

static bool
has_type(const CedarUid *uid, const CedarStr *type)
{
	return uid->type_len == type->len && memcmp(uid->bytes, type->bytes, type->len) == 0;
}

static bool same(const Val *a, const Val *b);

static bool
contains(const Val *set, const Val *v)
{
	for (uint32_t i = 0; i < set->n; i++)
		if (same(&set->elems[i], v))
			return true;
	return false;
}

/* The value of the key, or NULL. */
static const Val *
field(const Val *record, const Val *key)
{
	for (uint32_t i = 0; i < record->n; i++)
		if (same_string(&record->keys[i], key))
			return &record->elems[i];
	return NULL;
}

static bool
same(const Val *a, const Val *b)
{
	if (a->kind != b->kind)
		return false;
	switch (a->kind)
	{
		case CEDAR_BOOL:
		case CEDAR_LONG:
		case CEDAR_DECIMAL:
		case CEDAR_DATETIME:
		case CEDAR_DURATION:
			return a->i == b->i;
		case CEDAR_STRING:
			return same_string(a, b);
		case CEDAR_ENTITY:
			return same_uid(a->uid, b->uid);
		case CEDAR_IPADDR:
			return a->ip->is_v6 == b->ip->is_v6 && a->ip->prefix == b->ip->prefix &&
				memcmp(a->ip->addr, b->ip->addr, a->ip->is_v6 ? 16 : 4) == 0;
		case CEDAR_SET:
			/* elements are distinct: as many, and each of them there, is all */
			if (a->n != b->n)
				return false;
			for (uint32_t i = 0; i < a->n; i++)
				if (!contains(b, &a->elems[i]))
					return false;
			return true;
		case CEDAR_RECORD:
			if (a->n != b->n)
				return false;
			for (uint32_t i = 0; i < a->n; i++)
			{
				const Val  *other = field(b, &a->keys[i]);

				if (other == NULL || !same(&a->elems[i], other))
					return false;
			}
			return true;
	}
	return false;
}

/* Append unless an equal value is there already; set->elems has room. */
static void
insert(Val *set, const Val *v)
{
	if (!contains(set, v))
		set->elems[set->n++] = *v;
}

/* ------------------------------------------------------------ conversions */

/* A value of the library, with all that is in it. */
static CedarCode
from_library(Spec *s, const CedarValue *v, Val *out)
{
	cedar_arena_check_interrupt(s->arena);
	*out = scalar((CedarKind) v->kind, 0);
	switch ((CedarKind) v->kind)
	{
		case CEDAR_BOOL:
		case CEDAR_LONG:
		case CEDAR_DECIMAL:
		case CEDAR_DATETIME:
		case CEDAR_DURATION:
			out->i = v->u.i;
			break;
		case CEDAR_STRING:
			*out = string(v->u.str);
			break;
		case CEDAR_ENTITY:
			*out = entity(v->u.uid);
			break;
		case CEDAR_IPADDR:
			out->ip = v->u.ip;
			break;
		case CEDAR_SET:
			TRY(new_vals(s, v->u.set->n, &out->elems));
			for (uint32_t i = 0; i < v->u.set->n; i++)
			{
				CedarValue	elem = cedar_slot_value(&v->u.set->elems[i]);
				Val			converted;

				TRY(from_library(s, &elem, &converted));
				insert(out, &converted);
			}
			break;
		case CEDAR_RECORD:
			out->n = v->u.rec->n;
			TRY(new_vals(s, out->n, &out->elems));
			TRY(new_vals(s, out->n, &out->keys));
			for (uint32_t i = 0; i < out->n; i++)
			{
				CedarValue	value = cedar_slot_value(&v->u.rec->fields[i].value);

				out->keys[i] = string(cedar_slot_str(&v->u.rec->fields[i].key));
				TRY(from_library(s, &value, &out->elems[i]));
			}
			break;
	}
	return CEDAR_OK;
}

/*
 * An argument for the library's extension functions.  None of them takes a
 * set or a record: their kind is all that is asked.
 */
static CedarCode
to_library(Spec *s, const Val *v, CedarValue *out)
{
	const CedarStr *str;

	memset(out, 0, sizeof(*out));
	out->kind = v->kind;
	switch (v->kind)
	{
		case CEDAR_STRING:
			str = cedar_str_make(s->arena, v->bytes, v->len);
			if (str == NULL)
				return fails(s, CEDAR_ERR_NOMEM);
			*out = cedar_value_str(str);
			break;
		case CEDAR_ENTITY:
			*out = cedar_value_uid(v->uid);
			break;
		case CEDAR_IPADDR:
			*out = cedar_value_ip(v->ip);
			break;
		case CEDAR_SET:
		case CEDAR_RECORD:
			break;
		default:
			*out = cedar_value_scalar(v->kind, v->i);
			break;
	}
	return CEDAR_OK;
}

/* -------------------------------------------------------------- hierarchy */

typedef struct Reached
{
	const CedarUid **uids;
	uint32_t	n;
	uint32_t	cap;
} Reached;

/* Put the uid and everything above it on the list. */
static CedarCode
reach(Spec *s, Reached *r, const CedarUid *uid)
{
	CedarEntity *e;
	void	   *array = r->uids;

	cedar_arena_check_interrupt(s->arena);
	if (cedar_arena_stack_is_too_deep(s->arena))
		return fails(s, CEDAR_ERR_STACK);
	for (uint32_t i = 0; i < r->n; i++)
		if (same_uid(r->uids[i], uid))
			return CEDAR_OK;
	if (!cedar_grow(s->arena, &array, &r->cap, r->n + 1, sizeof(CedarUid *)))
		return fails(s, CEDAR_ERR_NOMEM);
	r->uids = array;
	r->uids[r->n++] = uid;
	TRY(s->source->find(s->source->userdata, uid, &e, s->err));
	for (uint32_t i = 0; e != NULL && i < e->n_parents; i++)
		TRY(reach(s, r, e->parents[i]));
	return CEDAR_OK;
}

/* Is a the same as b, or below it? */
static CedarCode
is_in(Spec *s, const CedarUid *a, const CedarUid *b, bool *yes)
{
	Reached		r = {NULL, 0, 0};

	TRY(reach(s, &r, a));
	*yes = false;
	for (uint32_t i = 0; i < r.n; i++)
		*yes = *yes || same_uid(r.uids[i], b);
	return CEDAR_OK;
}

/* `a in b` where b is an entity or a set of entities. */
static CedarCode
in(Spec *s, const Val *a, const Val *b, Val *out)
{
	bool		any = false;

	if (a->kind != CEDAR_ENTITY)
		return fails(s, CEDAR_EVAL_TYPE);
	if (b->kind == CEDAR_ENTITY)
		TRY(is_in(s, a->uid, b->uid, &any));
	else if (b->kind == CEDAR_SET)
	{
		for (uint32_t i = 0; i < b->n; i++)
			if (b->elems[i].kind != CEDAR_ENTITY)
				return fails(s, CEDAR_EVAL_TYPE);
		for (uint32_t i = 0; i < b->n && !any; i++)
			TRY(is_in(s, a->uid, b->elems[i].uid, &any));
	}
	else
		return fails(s, CEDAR_EVAL_TYPE);
	*out = boolean(any);
	return CEDAR_OK;
}

/* ------------------------------------------------------ attributes, tags */

/*
 * The record that v's attributes or tags are in; *exists is false for an
 * entity that is not in the store.
 */
static CedarCode
members(Spec *s, const Val *v, bool tags, Val *record, bool *exists)
{
	CedarEntity *e;
	const CedarRecord *rec;
	CedarValue	value;

	*exists = true;
	if (v->kind == CEDAR_RECORD && !tags)
	{
		*record = *v;
		return CEDAR_OK;
	}
	if (v->kind != CEDAR_ENTITY)
		return fails(s, CEDAR_EVAL_TYPE);
	*record = scalar(CEDAR_RECORD, 0);
	TRY(s->source->find(s->source->userdata, v->uid, &e, s->err));
	*exists = e != NULL;
	rec = e == NULL ? NULL : tags ? e->tags : e->attrs;
	if (rec == NULL)
		return CEDAR_OK;
	value = cedar_value_rec(rec);
	return from_library(s, &value, record);
}

/* `a has b.c` is `a has b && a.b has c`. */
static CedarCode
has(Spec *s, Val v, const CedarExpr *e, Val *out)
{
	*out = boolean(false);
	for (uint32_t i = 0; i < e->count; i++)
	{
		Val			record;
		Val			key = string(e->names[i]);
		bool		exists;
		const Val  *found;

		TRY(members(s, &v, false, &record, &exists));
		found = field(&record, &key);
		if (found == NULL)
			return CEDAR_OK;
		v = *found;
	}
	*out = boolean(true);
	return CEDAR_OK;
}

static CedarCode
get(Spec *s, const Val *v, bool tags, const Val *key, Val *out)
{
	Val			record;
	bool		exists;
	const Val  *found;

	TRY(members(s, v, tags, &record, &exists));
	if (!exists)
		return fails(s, CEDAR_EVAL_NO_ENTITY);
	found = field(&record, key);
	if (found == NULL)
		return fails(s, tags ? CEDAR_EVAL_NO_TAG : CEDAR_EVAL_NO_ATTR);
	*out = *found;
	return CEDAR_OK;
}

/* ------------------------------------------------------------------- like */

#define ANY_RUN UINT32_MAX		/* the wildcard among code points */

/* Code points of a text or pattern; a wildcard becomes ANY_RUN. */
static CedarCode
code_points(Spec *s, const char *bytes, size_t len, uint32_t **points, size_t *n)
{
	const unsigned char *p = (const unsigned char *) bytes;
	const unsigned char *end = p + len;

	*n = 0;
	*points = cedar_arena_alloc(s->arena, (len + 1) * sizeof(uint32_t));
	if (*points == NULL)
		return fails(s, CEDAR_ERR_NOMEM);
	while (p < end)
	{
		uint32_t	c = *p++;
		int			more = c < 0x80 || c == 0xFF ? 0 : c < 0xE0 ? 1 : c < 0xF0 ? 2 : 3;

		if (c == 0xFF)
			c = ANY_RUN;
		else if (more > 0)
			c &= 0x3Fu >> more;
		for (; more > 0 && p < end; more--)
			c = c << 6 | (*p++ & 0x3F);
		(*points)[(*n)++] = c;
	}
	return CEDAR_OK;
}

/*
 * Row by row over the pattern: matched[j] says whether the pattern so far
 * matches the first j characters.
 */
static CedarCode
like(Spec *s, const Val *v, const CedarStr *pattern, Val *out)
{
	uint32_t   *text,
			   *pat;
	size_t		n,
				m;
	bool	   *matched;

	TRY(code_points(s, v->bytes, v->len, &text, &n));
	TRY(code_points(s, pattern->bytes, pattern->len, &pat, &m));
	matched = cedar_arena_zalloc(s->arena, n + 1);
	if (matched == NULL)
		return fails(s, CEDAR_ERR_NOMEM);
	matched[0] = true;
	for (size_t i = 0; i < m; i++)
	{
		cedar_arena_check_interrupt(s->arena);
		if (pat[i] == ANY_RUN)
		{
			for (size_t j = 1; j <= n; j++)
				matched[j] = matched[j] || matched[j - 1];
			continue;
		}
		for (size_t j = n; j > 0; j--)
			matched[j] = matched[j - 1] && text[j - 1] == pat[i];
		matched[0] = false;
	}
	*out = boolean(matched[n]);
	return CEDAR_OK;
}

/* -------------------------------------------------------------- operators */

static CedarCode
compare(Spec *s, CedarOp op, const Val *a, const Val *b, Val *out)
{
	if (a->kind != b->kind ||
		(a->kind != CEDAR_LONG && a->kind != CEDAR_DATETIME && a->kind != CEDAR_DURATION))
		return fails(s, CEDAR_EVAL_TYPE);
	*out = boolean(op == CEDAR_OP_LT ? a->i < b->i :
				   op == CEDAR_OP_LE ? a->i <= b->i :
				   op == CEDAR_OP_GT ? a->i > b->i : a->i >= b->i);
	return CEDAR_OK;
}

/* Exact, and then asked whether it fits. */
static CedarCode
arithmetic(Spec *s, CedarOp op, const Val *a, const Val *b, Val *out)
{
	__int128	x = a->i;
	__int128	y = b->i;
	__int128	r = op == CEDAR_OP_ADD ? x + y : op == CEDAR_OP_SUB ? x - y : x * y;

	if (a->kind != CEDAR_LONG || b->kind != CEDAR_LONG)
		return fails(s, CEDAR_EVAL_TYPE);
	if (r < INT64_MIN || r > INT64_MAX)
		return fails(s, CEDAR_EVAL_OVERFLOW);
	*out = scalar(CEDAR_LONG, (int64_t) r);
	return CEDAR_OK;
}

static CedarCode
binary(Spec *s, const CedarExpr *e, Val *out)
{
	CedarOp		op = (CedarOp) e->op;
	Val			a,
				b;
	bool		exists;
	uint32_t	common = 0;

	TRY(evaluate(s, e->a, &a));
	TRY(evaluate(s, e->b, &b));
	switch (op)
	{
		case CEDAR_OP_EQ:
			*out = boolean(same(&a, &b));
			return CEDAR_OK;
		case CEDAR_OP_NE:
			*out = boolean(!same(&a, &b));
			return CEDAR_OK;
		case CEDAR_OP_LT:
		case CEDAR_OP_LE:
		case CEDAR_OP_GT:
		case CEDAR_OP_GE:
			return compare(s, op, &a, &b, out);
		case CEDAR_OP_ADD:
		case CEDAR_OP_SUB:
		case CEDAR_OP_MUL:
			return arithmetic(s, op, &a, &b, out);
		case CEDAR_OP_IN:
			return in(s, &a, &b, out);
		case CEDAR_OP_CONTAINS:
			if (a.kind != CEDAR_SET)
				return fails(s, CEDAR_EVAL_TYPE);
			*out = boolean(contains(&a, &b));
			return CEDAR_OK;
		case CEDAR_OP_CONTAINS_ALL:
		case CEDAR_OP_CONTAINS_ANY:
			if (a.kind != CEDAR_SET || b.kind != CEDAR_SET)
				return fails(s, CEDAR_EVAL_TYPE);
			for (uint32_t i = 0; i < b.n; i++)
				if (contains(&a, &b.elems[i]))
					common++;
			*out = boolean(op == CEDAR_OP_CONTAINS_ALL ? common == b.n : common > 0);
			return CEDAR_OK;
		case CEDAR_OP_GET_TAG:
		case CEDAR_OP_HAS_TAG:
			if (a.kind != CEDAR_ENTITY || b.kind != CEDAR_STRING)
				return fails(s, CEDAR_EVAL_TYPE);
			if (op == CEDAR_OP_GET_TAG)
				return get(s, &a, true, &b, out);
			{
				Val			tags;

				TRY(members(s, &a, true, &tags, &exists));
				*out = boolean(field(&tags, &b) != NULL);
			}
			return CEDAR_OK;
		default:
			return fails(s, CEDAR_ERR_IMAGE);
	}
}

static CedarCode
truth(Spec *s, const CedarExpr *e, bool *b)
{
	Val			v;

	TRY(evaluate(s, e, &v));
	if (v.kind != CEDAR_BOOL)
		return fails(s, CEDAR_EVAL_TYPE);
	*b = v.i != 0;
	return CEDAR_OK;
}

static CedarCode
call(Spec *s, const CedarExpr *e, Val *out)
{
	CedarValue *args = cedar_arena_alloc(s->arena, (e->count + 1) * sizeof(CedarValue));
	CedarValue	result;

	if (args == NULL)
		return fails(s, CEDAR_ERR_NOMEM);
	for (uint32_t i = 0; i < e->count; i++)
	{
		Val			v;

		TRY(evaluate(s, e->list[i], &v));
		TRY(to_library(s, &v, &args[i]));
	}
	TRY(cedar_fn_call(s->arena, (CedarFn) e->n, args, e->count, &result, s->err));
	return from_library(s, &result, out);
}

static CedarCode
evaluate(Spec *s, const CedarExpr *e, Val *out)
{
	Val			a;
	bool		b = false;

	cedar_arena_check_interrupt(s->arena);
	if (cedar_arena_stack_is_too_deep(s->arena))
		return fails(s, CEDAR_ERR_STACK);
	switch ((CedarOp) e->op)
	{
		case CEDAR_OP_LIT:
			return from_library(s, &e->lit, out);
		case CEDAR_OP_VAR:
			if (e->n == CEDAR_VAR_CONTEXT)
			{
				CedarValue	context = cedar_value_rec(s->request->context);

				return from_library(s, &context, out);
			}
			*out = entity(e->n == CEDAR_VAR_PRINCIPAL ? s->request->principal :
						  e->n == CEDAR_VAR_ACTION ? s->request->action :
						  s->request->resource);
			return CEDAR_OK;
		case CEDAR_OP_SLOT:
			return fails(s, CEDAR_EVAL_UNLINKED);
		case CEDAR_OP_IF:
			TRY(truth(s, e->a, &b));
			return evaluate(s, b ? e->b : e->c, out);
		case CEDAR_OP_AND:
		case CEDAR_OP_OR:
			for (uint32_t i = 0; i < e->count; i++)
			{
				TRY(truth(s, e->list[i], &b));
				if (b == (e->op == CEDAR_OP_OR))
					break;
			}
			*out = boolean(b);
			return CEDAR_OK;
		case CEDAR_OP_NOT:
			TRY(truth(s, e->a, &b));
			*out = boolean(!b);
			return CEDAR_OK;
		case CEDAR_OP_NEG:
			{
				Val			zero = scalar(CEDAR_LONG, 0);

				TRY(evaluate(s, e->a, &a));
				return arithmetic(s, CEDAR_OP_SUB, &zero, &a, out);
			}
		case CEDAR_OP_IS_EMPTY:
			TRY(evaluate(s, e->a, &a));
			if (a.kind != CEDAR_SET)
				return fails(s, CEDAR_EVAL_TYPE);
			*out = boolean(a.n == 0);
			return CEDAR_OK;
		case CEDAR_OP_GET_ATTR:
			{
				Val			key = string(e->names[0]);

				TRY(evaluate(s, e->a, &a));
				return get(s, &a, false, &key, out);
			}
		case CEDAR_OP_HAS_ATTR:
			TRY(evaluate(s, e->a, &a));
			return has(s, a, e, out);
		case CEDAR_OP_LIKE:
			TRY(evaluate(s, e->a, &a));
			if (a.kind != CEDAR_STRING)
				return fails(s, CEDAR_EVAL_TYPE);
			return like(s, &a, e->names[0], out);
		case CEDAR_OP_IS:
			/* `a is T in b` is `a is T && a in b` */
			TRY(evaluate(s, e->a, &a));
			if (a.kind != CEDAR_ENTITY)
				return fails(s, CEDAR_EVAL_TYPE);
			*out = boolean(has_type(a.uid, e->names[0]));
			if (out->i && e->b != NULL)
			{
				Val			right;

				TRY(evaluate(s, e->b, &right));
				return in(s, &a, &right, out);
			}
			return CEDAR_OK;
		case CEDAR_OP_SET:
			a = scalar(CEDAR_SET, 0);
			TRY(new_vals(s, e->count, &a.elems));
			for (uint32_t i = 0; i < e->count; i++)
			{
				Val			elem;

				TRY(evaluate(s, e->list[i], &elem));
				insert(&a, &elem);
			}
			*out = a;
			return CEDAR_OK;
		case CEDAR_OP_RECORD:
			a = scalar(CEDAR_RECORD, 0);
			a.n = e->count;
			TRY(new_vals(s, a.n, &a.elems));
			TRY(new_vals(s, a.n, &a.keys));
			for (uint32_t i = 0; i < a.n; i++)
				a.keys[i] = string(e->names[i]);
			/* by key: the first failure is the record's */
			for (uint32_t done = 0, next = 0; done < a.n; done++)
			{
				uint32_t	least = UINT32_MAX;

				for (uint32_t i = 0; i < a.n; i++)
					if ((done == 0 || before(&a.keys[next], &a.keys[i])) &&
						(least == UINT32_MAX || before(&a.keys[i], &a.keys[least])))
						least = i;
				next = least;
				TRY(evaluate(s, e->list[next], &a.elems[next]));
			}
			*out = a;
			return CEDAR_OK;
		case CEDAR_OP_CALL:
			return call(s, e, out);
		default:
			return binary(s, e, out);
	}
}

/* ---------------------------------------------------------- authorization */

static CedarCode
scope(Spec *s, const CedarAstScope *sc, const CedarUid *uid, bool *holds)
{
	bool		typed = sc->op == CEDAR_SCOPE_IS || sc->op == CEDAR_SCOPE_IS_IN;

	*holds = sc->op == CEDAR_SCOPE_ANY || sc->op == CEDAR_SCOPE_IS;
	for (uint32_t i = 0; i < sc->n && !*holds; i++)
	{
		if (sc->op == CEDAR_SCOPE_EQ)
			*holds = same_uid(uid, sc->uids[i]);
		else
			TRY(is_in(s, uid, sc->uids[i], holds));
	}
	if (typed && !has_type(uid, sc->type))
		*holds = false;
	return CEDAR_OK;
}

/* Is the policy satisfied?  A CEDAR_EVAL_* code is an error of its own. */
static CedarCode
satisfied(Spec *s, const CedarAstPolicy *p, bool *yes)
{
	const CedarUid *const asked[3] = {
		s->request->principal, s->request->action, s->request->resource
	};

	*yes = true;
	for (int i = 0; i < 3 && *yes; i++)
		TRY(scope(s, &p->scope[i], asked[i], yes));
	for (uint32_t i = 0; i < p->n_conds && *yes; i++)
	{
		TRY(truth(s, p->conds[i].expr, yes));
		if (p->conds[i].is_unless)
			*yes = !*yes;
	}
	return CEDAR_OK;
}

CedarCode
spec_authorize(CedarArena *arena, const CedarAst *ast, const CedarEntitySource *source,
			   const CedarRequest *request, SpecDecision *decision, CedarError *err)
{
	Spec		s = {arena, source, request, err};
	size_t		size = ((size_t) ast->n + 1) * sizeof(uint32_t);
	uint32_t   *permits = cedar_arena_alloc(arena, size);
	uint32_t   *forbids = cedar_arena_alloc(arena, size);
	uint32_t	n_permits = 0;
	uint32_t	n_forbids = 0;

	memset(decision, 0, sizeof(*decision));
	decision->errors = cedar_arena_alloc(arena, size);
	decision->codes = cedar_arena_alloc(arena, ((size_t) ast->n + 1) * sizeof(CedarCode));
	if (permits == NULL || forbids == NULL || decision->errors == NULL ||
		decision->codes == NULL)
		return fails(&s, CEDAR_ERR_NOMEM);
	for (uint32_t i = 0; i < ast->n; i++)
	{
		const CedarAstPolicy *p = &ast->policies[i];
		bool		yes;
		CedarCode	code;

		if (p->template)
			continue;
		code = satisfied(&s, p, &yes);
		if (code >= CEDAR_EVAL_TYPE)
		{
			decision->codes[decision->n_errors] = code;
			decision->errors[decision->n_errors++] = i;
		}
		else if (code != CEDAR_OK)
			return code;
		else if (yes && p->forbid)
			forbids[n_forbids++] = i;
		else if (yes)
			permits[n_permits++] = i;
	}
	decision->allow = n_permits > 0 && n_forbids == 0;
	decision->n_reasons = n_forbids > 0 ? n_forbids : n_permits;
	decision->reasons = n_forbids > 0 ? forbids : permits;
	return CEDAR_OK;
}

bool
spec_agrees(const SpecDecision *spec, const CedarDecision *d, char *why, size_t size)
{
	if (d->allow != spec->allow)
	{
		snprintf(why, size, "%s, the specification says %s",
				 d->allow ? "allow" : "deny", spec->allow ? "allow" : "deny");
		return false;
	}
	if (d->n_reasons != spec->n_reasons || d->n_errors != spec->n_errors)
	{
		snprintf(why, size, "%u reasons and %u errors, the specification says %u and %u",
				 d->n_reasons, d->n_errors, spec->n_reasons, spec->n_errors);
		return false;
	}
	for (uint32_t i = 0; i < d->n_reasons; i++)
		if (d->reasons[i] != spec->reasons[i])
		{
			snprintf(why, size, "reason %u is policy %u, the specification says %u",
					 i, d->reasons[i], spec->reasons[i]);
			return false;
		}
	for (uint32_t i = 0; i < d->n_errors; i++)
		if (d->errors[i].policy != spec->errors[i] ||
			d->errors[i].error.code != spec->codes[i])
		{
			snprintf(why, size, "error %u is code %d of policy %u (%s), the specification says code %d of policy %u",
					 i, (int) d->errors[i].error.code, d->errors[i].policy,
					 d->errors[i].error.message, (int) spec->codes[i], spec->errors[i]);
			return false;
		}
	return true;
}
