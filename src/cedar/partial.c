/*-------------------------------------------------------------------------
 *
 * partial.c
 *	  Partial evaluation of compiled policies.
 *
 * A walk over the image's trees in the order of evaluation.  An expression
 * becomes a value, when nothing unknown decides about it, or an expression of
 * what is left.  Nothing is dropped that could fail: `unknown && false` is
 * false only when the unknown part cannot fail and is a bool.  What is sure to
 * fail is written as decimal(), a call that no argument can save.
 *
 *-------------------------------------------------------------------------
 */
#include "partial.h"

#include "index.h"
#include "policy_json.h"

typedef struct Partial
{
	CedarEval	eval;
	CedarArena *arena;
	CedarError *err;
	const CedarUnknown *unknown;
	const CedarPiece *piece;
} Partial;

/* An expression so far. */
typedef struct Part
{
	CedarExpr  *expr;			/* what is left; NULL: it is the value */
	CedarValue	value;
	bool		may_fail;		/* of what is left */
	bool		is_bool;		/* what is left gives a bool if it does not fail */
} Part;

static CedarCode partial(Partial *p, uint32_t i, Part *out);

/* ------------------------------------------------------------ expressions */

static CedarCode
expr_new(Partial *p, uint32_t i, CedarOp op, CedarExpr **out)
{
	CedarExpr  *e = cedar_arena_zalloc(p->arena, sizeof(CedarExpr));

	if (e == NULL)
		return cedar_nomem(p->err);
	e->op = op;
	e->depth = 1;
	if (i != CEDAR_NONE)
	{
		const CedarSpan *span = (const CedarSpan *) ((const char *) p->piece + p->piece->spans) + i;

		e->offset = span->offset;
		e->length = span->length;
	}
	*out = e;
	return CEDAR_OK;
}

static CedarExpr *
under(CedarExpr *e, CedarExpr *operand)
{
	if (operand->depth >= e->depth)
		e->depth = operand->depth + 1;
	return operand;
}

static CedarCode
list_new(Partial *p, uint32_t n, CedarExpr ***list)
{
	*list = cedar_arena_alloc(p->arena, (n > 0 ? n : 1) * sizeof(CedarExpr *));
	return *list == NULL ? cedar_nomem(p->err) : CEDAR_OK;
}

static CedarCode
names_new(Partial *p, uint32_t n, CedarExpr *e)
{
	e->names = cedar_arena_alloc(p->arena, (n > 0 ? n : 1) * sizeof(CedarStr *));
	return e->names == NULL ? cedar_nomem(p->err) : CEDAR_OK;
}

bool
cedar_residual_fails(const CedarExpr *expr)
{
	return expr->op == CEDAR_OP_CALL && expr->n == CEDAR_FN_DECIMAL && expr->count == 0;
}

static CedarCode
literal(Partial *p, uint32_t i, const CedarValue *value, CedarExpr **out)
{
	TRY(expr_new(p, i, CEDAR_OP_LIT, out));
	(*out)->lit = *value;
	if (!cedar_kind_is_reference(value->kind))
		(*out)->lit.hash = cedar_hash_value((CedarKind) value->kind, value->u.i);
	return CEDAR_OK;
}

/* What there is, as an expression. */
static CedarCode
to_expr(Partial *p, uint32_t i, const Part *part, CedarExpr **out)
{
	if (part->expr == NULL)
		return literal(p, i, &part->value, out);
	*out = part->expr;
	return CEDAR_OK;
}

static inline bool
is_error(const Part *part)
{
	return part->expr != NULL && cedar_residual_fails(part->expr);
}

static CedarCode
fails(Partial *p, uint32_t i, Part *out)
{
	memset(out, 0, sizeof(*out));
	out->may_fail = true;
	TRY(expr_new(p, i, CEDAR_OP_CALL, &out->expr));
	out->expr->n = CEDAR_FN_DECIMAL;
	return CEDAR_OK;
}

static CedarCode
is_value(const CedarValue *value, Part *out)
{
	memset(out, 0, sizeof(*out));
	out->value = *value;
	return CEDAR_OK;
}

static CedarCode
is_truth(bool truth, Part *out)
{
	CedarValue	v = cedar_value_scalar(CEDAR_BOOL, truth);

	return is_value(&v, out);
}

static bool
is_bool_value(const Part *part, bool truth)
{
	return part->expr == NULL && part->value.kind == CEDAR_BOOL &&
		(part->value.u.i != 0) == truth;
}

/* Can nothing go wrong with it as an operand of `&&`? */
static bool
is_safe_bool(const Part *part)
{
	if (part->expr == NULL)
		return part->value.kind == CEDAR_BOOL;
	return part->is_bool && !part->may_fail;
}

/* The code of an evaluation: a value, a failure of the policy, or the end. */
static CedarCode
concluded(Partial *p, uint32_t i, CedarCode code, const CedarValue *value, Part *out)
{
	if (code == CEDAR_OK)
		return is_value(value, out);
	if (!cedar_is_policy_error(code))
		return code;
	p->err->has_position = false;
	return fails(p, i, out);
}

/* -------------------------------------------------------------- variables */

static CedarCode
partial_var(Partial *p, uint32_t i, CedarVar var, Part *out)
{
	const CedarUnknown *u = p->unknown;

	if (var == CEDAR_VAR_CONTEXT ? !u->context && u->n_members == 0 : !u->is[var])
		return is_value(&p->eval.vars[var], out);
	memset(out, 0, sizeof(*out));
	TRY(expr_new(p, i, CEDAR_OP_VAR, &out->expr));
	out->expr->n = var;
	return CEDAR_OK;
}

/* Is it an entity of the request that is unknown?  Those cannot fail. */
static bool
is_unknown_entity(const Part *part)
{
	return part->expr != NULL && part->expr->op == CEDAR_OP_VAR &&
		part->expr->n != CEDAR_VAR_CONTEXT;
}

/* Its type, when it is known. */
static const CedarStr *
unknown_type(const Partial *p, const Part *part)
{
	const CedarExpr *e = part->expr;

	return e != NULL && is_unknown_entity(part) ? p->unknown->type[e->n] : NULL;
}

static bool
member_is_unknown(const CedarUnknown *u, const CedarStr *name)
{
	for (uint32_t i = 0; i < u->n_members; i++)
		if (cedar_str_equal(u->members[i], name))
			return true;
	return u->context;
}

/*
 * A member of a context of which others are unknown: operand is the context
 * as a whole when this one is known.
 */
static void
known_context(Partial *p, const CedarStr *name, Part *operand)
{
	if (operand->expr != NULL && operand->expr->op == CEDAR_OP_VAR &&
		operand->expr->n == CEDAR_VAR_CONTEXT && !member_is_unknown(p->unknown, name))
		is_value(&p->eval.vars[CEDAR_VAR_CONTEXT], operand);
}

/* -------------------------------------------------------------- operators */

/* `&&` and `||` so far: `stop` is the value that ends the chain. */
typedef struct Chain
{
	bool		stop;
	bool		safe;			/* no operand so far can go wrong */
	bool		done;			/* what follows is not evaluated */
	uint32_t	n;
	uint32_t	cap;
	CedarExpr **list;
} Chain;

static CedarCode
chain_add(Partial *p, Chain *chain, uint32_t i, const Part *part)
{
	CedarExpr  *e;
	void	   *array = chain->list;
	bool		failing = is_error(part) || (part->expr == NULL && part->value.kind != CEDAR_BOOL);

	if (is_bool_value(part, !chain->stop))
		return CEDAR_OK;
	chain->done = failing || part->expr == NULL;
	/* what cannot go wrong and does not matter any more */
	if (is_bool_value(part, chain->stop) && chain->safe)
		chain->n = 0;
	chain->safe = chain->safe && is_safe_bool(part);
	if (failing)
	{
		Part		failure;

		TRY(fails(p, i, &failure));
		e = failure.expr;
	}
	else
		TRY(to_expr(p, i, part, &e));
	/* a chain in a chain of its kind, whose operands are bools, is no other */
	if (e->op == (chain->stop ? CEDAR_OP_OR : CEDAR_OP_AND))
	{
		if (!cedar_grow(p->arena, &array, &chain->cap, chain->n + e->count, sizeof(CedarExpr *)))
			return cedar_nomem(p->err);
		chain->list = array;
		memcpy(chain->list + chain->n, e->list, e->count * sizeof(CedarExpr *));
		chain->n += e->count;
		return CEDAR_OK;
	}
	if (!cedar_grow(p->arena, &array, &chain->cap, chain->n + 1, sizeof(CedarExpr *)))
		return cedar_nomem(p->err);
	chain->list = array;
	chain->list[chain->n++] = e;
	return CEDAR_OK;
}

static CedarCode
chain_end(Partial *p, Chain *chain, uint32_t i, Part *out)
{
	if (chain->n == 0)
		return is_truth(!chain->stop, out);
	if (chain->n == 1 && chain->list[0]->op == CEDAR_OP_LIT)
		return is_value(&chain->list[0]->lit, out);
	memset(out, 0, sizeof(*out));
	out->may_fail = !chain->safe;
	out->is_bool = true;
	if (chain->n == 1 && (chain->safe || cedar_residual_fails(chain->list[0])))
	{
		out->expr = chain->list[0];
		return CEDAR_OK;
	}
	TRY(expr_new(p, i, chain->stop ? CEDAR_OP_OR : CEDAR_OP_AND, &out->expr));
	out->expr->list = chain->list;
	out->expr->count = chain->n;
	for (uint32_t k = 0; k < chain->n; k++)
		under(out->expr, chain->list[k]);
	return CEDAR_OK;
}

static CedarCode
partial_chain(Partial *p, uint32_t i, const CedarNode *n, Part *out)
{
	const uint32_t *list = cedar_eval_list(&p->eval, n->a);
	Chain		chain = {.stop = n->op == CEDAR_OP_OR,.safe = true};

	for (uint32_t k = 0; k < n->b && !chain.done; k++)
	{
		Part		part;

		TRY(partial(p, list[k], &part));
		TRY(chain_add(p, &chain, list[k], &part));
	}
	return chain_end(p, &chain, i, out);
}

static CedarCode
partial_if(Partial *p, uint32_t i, const CedarNode *n, Part *out)
{
	Part		cond,
				yes,
				no;

	TRY(partial(p, n->a, &cond));
	if (is_error(&cond) || (cond.expr == NULL && cond.value.kind != CEDAR_BOOL))
		return fails(p, i, out);
	if (cond.expr == NULL)
		return partial(p, cond.value.u.i ? n->b : n->c, out);
	TRY(partial(p, n->b, &yes));
	TRY(partial(p, n->c, &no));
	if (is_safe_bool(&cond) && yes.expr == NULL && no.expr == NULL &&
		cedar_value_equal(&yes.value, &no.value))
		return is_value(&yes.value, out);
	memset(out, 0, sizeof(*out));
	TRY(expr_new(p, i, CEDAR_OP_IF, &out->expr));
	out->expr->a = under(out->expr, cond.expr);
	TRY(to_expr(p, n->b, &yes, &out->expr->b));
	TRY(to_expr(p, n->c, &no, &out->expr->c));
	under(out->expr, out->expr->b);
	under(out->expr, out->expr->c);
	out->may_fail = !is_safe_bool(&cond) || yes.may_fail || no.may_fail;
	out->is_bool = (yes.is_bool || (yes.expr == NULL && yes.value.kind == CEDAR_BOOL)) &&
		(no.is_bool || (no.expr == NULL && no.value.kind == CEDAR_BOOL));
	return CEDAR_OK;
}

static CedarCode
partial_unary(Partial *p, uint32_t i, const CedarNode *n, Part *out)
{
	CedarExpr  *e;
	Part		of;
	CedarValue	v;

	TRY(partial(p, n->a, &of));
	if (n->op == CEDAR_OP_GET_ATTR)
		known_context(p, cedar_eval_str(&p->eval, n->b), &of);
	else if (n->op == CEDAR_OP_HAS_ATTR)
		known_context(p, cedar_eval_str(&p->eval, cedar_eval_list(&p->eval, n->b)[0]), &of);
	if (is_error(&of))
		return fails(p, i, out);
	if (of.expr == NULL)
		return concluded(p, i, cedar_eval_apply(&p->eval, n, &of.value, &v), &v, out);

	memset(out, 0, sizeof(*out));
	TRY(expr_new(p, i, (CedarOp) n->op, &out->expr));
	e = out->expr;
	e->a = under(e, of.expr);
	out->may_fail = true;
	switch ((CedarOp) n->op)
	{
		case CEDAR_OP_NOT:
			out->may_fail = !is_safe_bool(&of);
			out->is_bool = true;
			break;
		case CEDAR_OP_GET_ATTR:
		case CEDAR_OP_LIKE:
		case CEDAR_OP_HAS_ATTR:
			/* count is that of a list, and of the names of `has` */
			e->count = n->op == CEDAR_OP_HAS_ATTR ? n->c : 0;
			TRY(names_new(p, n->op == CEDAR_OP_HAS_ATTR ? n->c : 1, e));
			if (n->op != CEDAR_OP_HAS_ATTR)
				e->names[0] = cedar_eval_str(&p->eval, n->b);
			for (uint32_t k = 0; k < e->count; k++)
				e->names[k] = cedar_eval_str(&p->eval, cedar_eval_list(&p->eval, n->b)[k]);
			out->is_bool = n->op != CEDAR_OP_GET_ATTR;
			/* `e has a.b` fails when a is neither a record nor an entity */
			if (n->op == CEDAR_OP_HAS_ATTR && e->count == 1 && of.expr->op == CEDAR_OP_VAR)
				out->may_fail = false;
			break;
		case CEDAR_OP_IS_EMPTY:
			out->is_bool = true;
			break;
		default:				/* unary minus */
			break;
	}
	return CEDAR_OK;
}

/* `is`, and `is … in`. */
static CedarCode
partial_is(Partial *p, uint32_t i, const CedarNode *n, Part *out)
{
	const CedarStr *type = cedar_eval_str(&p->eval, n->b);
	const CedarStr *known;
	CedarExpr  *e;
	Part		of,
				in;

	TRY(partial(p, n->a, &of));
	if (is_error(&of) || (of.expr == NULL && of.value.kind != CEDAR_ENTITY))
		return fails(p, i, out);
	known = unknown_type(p, &of);
	if (of.expr == NULL || known != NULL)
	{
		bool		same = of.expr == NULL ? cedar_uid_has_type(of.value.u.uid, type) :
			cedar_str_equal(known, type);
		CedarNode	test = {.op = CEDAR_OP_IN};

		if (!same || n->c == CEDAR_NONE)
			return is_truth(same, out);
		TRY(partial(p, n->c, &in));
		if (of.expr == NULL && in.expr == NULL)
		{
			CedarValue	args[2] = {of.value, in.value};
			CedarValue	v;

			return concluded(p, i, cedar_eval_apply(&p->eval, &test, args, &v), &v, out);
		}
		if (is_error(&in))
			return fails(p, i, out);
		memset(out, 0, sizeof(*out));
		TRY(expr_new(p, i, CEDAR_OP_IN, &out->expr));
		e = out->expr;
		TRY(to_expr(p, n->a, &of, &e->a));
		TRY(to_expr(p, n->c, &in, &e->b));
		under(e, e->a);
		under(e, e->b);
		out->may_fail = true;
		out->is_bool = true;
		return CEDAR_OK;
	}
	memset(out, 0, sizeof(*out));
	TRY(expr_new(p, i, CEDAR_OP_IS, &out->expr));
	e = out->expr;
	e->a = under(e, of.expr);
	TRY(names_new(p, 1, e));
	e->names[0] = type;
	out->is_bool = true;
	out->may_fail = !is_unknown_entity(&of);
	if (n->c != CEDAR_NONE)
	{
		TRY(partial(p, n->c, &in));
		TRY(to_expr(p, n->c, &in, &e->b));
		under(e, e->b);
		out->may_fail = true;
	}
	return CEDAR_OK;
}

/* Do both stand for the same unknown entity? */
static bool
is_same_unknown(const Part *a, const Part *b)
{
	return is_unknown_entity(a) && is_unknown_entity(b) && a->expr->n == b->expr->n;
}

/* Is this an entity, of whatever uid, of another type than that? */
static bool
is_other_type(const Partial *p, const Part *a, const Part *b)
{
	const CedarStr *type = unknown_type(p, a);
	const CedarStr *other = unknown_type(p, b);

	if (type == NULL)
		return false;
	if (b->expr == NULL)
		return b->value.kind != CEDAR_ENTITY || !cedar_uid_has_type(b->value.u.uid, type);
	return other != NULL && !cedar_str_equal(type, other);
}

/* Is every element an entity? */
static bool
are_entities(const CedarSet *set)
{
	for (uint32_t i = 0; i < set->n; i++)
		if (set->elems[i].kind != CEDAR_ENTITY)
			return false;
	return true;
}

static CedarCode
partial_binary(Partial *p, uint32_t i, const CedarNode *n, Part *out)
{
	CedarExpr  *e;
	Part		a,
				b;
	bool		safe = false;

	TRY(partial(p, n->a, &a));
	TRY(partial(p, n->b, &b));
	if (is_error(&a) || is_error(&b))
		return fails(p, i, out);
	if (a.expr == NULL && b.expr == NULL)
	{
		CedarValue	args[2] = {a.value, b.value};
		CedarValue	v;

		return concluded(p, i, cedar_eval_apply(&p->eval, n, args, &v), &v, out);
	}
	switch ((CedarOp) n->op)
	{
		case CEDAR_OP_EQ:
		case CEDAR_OP_NE:
			if (is_same_unknown(&a, &b))
				return is_truth(n->op == CEDAR_OP_EQ, out);
			safe = !a.may_fail && !b.may_fail;
			if (safe && (is_other_type(p, &a, &b) || is_other_type(p, &b, &a)))
				return is_truth(n->op == CEDAR_OP_NE, out);
			break;
		case CEDAR_OP_IN:
			if (is_same_unknown(&a, &b))
				return is_truth(true, out);
			if (b.expr == NULL)
			{
				bool		set = b.value.kind == CEDAR_SET;

				if ((!set && b.value.kind != CEDAR_ENTITY) || (set && !are_entities(b.value.u.set)))
					return fails(p, i, out);
				safe = is_unknown_entity(&a);
				if (safe && set && b.value.u.set->n == 0)
					return is_truth(false, out);
			}
			else if (a.expr == NULL && a.value.kind != CEDAR_ENTITY)
				return fails(p, i, out);
			else
				safe = !a.may_fail && is_unknown_entity(&b) &&
					(a.expr == NULL || is_unknown_entity(&a));
			break;
		default:
			break;
	}
	memset(out, 0, sizeof(*out));
	TRY(expr_new(p, i, (CedarOp) n->op, &out->expr));
	e = out->expr;
	TRY(to_expr(p, n->a, &a, &e->a));
	TRY(to_expr(p, n->b, &b, &e->b));
	under(e, e->a);
	under(e, e->b);
	out->may_fail = !safe;
	out->is_bool = n->op != CEDAR_OP_ADD && n->op != CEDAR_OP_SUB && n->op != CEDAR_OP_MUL &&
		n->op != CEDAR_OP_GET_TAG;
	return CEDAR_OK;
}

/* Sets, records, calls. */
static CedarCode
partial_listed(Partial *p, uint32_t i, const CedarNode *n, Part *out)
{
	const uint32_t *list = cedar_eval_list(&p->eval, n->a);
	Part	   *parts = cedar_arena_alloc(p->arena, (n->b > 0 ? n->b : 1) * sizeof(Part));
	bool		known = true;
	bool		may_fail = n->op == CEDAR_OP_CALL;
	CedarExpr  *e;

	if (parts == NULL)
		return cedar_nomem(p->err);
	for (uint32_t k = 0; k < n->b; k++)
	{
		TRY(partial(p, list[k], &parts[k]));
		if (is_error(&parts[k]))
			return fails(p, i, out);
		known = known && parts[k].expr == NULL;
		may_fail = may_fail || parts[k].may_fail;
	}
	if (known)
	{
		CedarValue *args = cedar_arena_alloc(p->arena, (n->b > 0 ? n->b : 1) * sizeof(CedarValue));
		CedarValue	v;

		if (args == NULL)
			return cedar_nomem(p->err);
		for (uint32_t k = 0; k < n->b; k++)
			args[k] = parts[k].value;
		return concluded(p, i, cedar_eval_apply(&p->eval, n, args, &v), &v, out);
	}
	if (n->op == CEDAR_OP_CALL && n->b != cedar_functions[n->n].arity)
		return fails(p, i, out);
	memset(out, 0, sizeof(*out));
	TRY(expr_new(p, i, (CedarOp) n->op, &out->expr));
	e = out->expr;
	e->n = n->n;
	e->count = n->b;
	TRY(list_new(p, n->b, &e->list));
	for (uint32_t k = 0; k < n->b; k++)
	{
		TRY(to_expr(p, list[k], &parts[k], &e->list[k]));
		under(e, e->list[k]);
	}
	if (n->op == CEDAR_OP_RECORD)
	{
		const uint32_t *keys = cedar_eval_list(&p->eval, n->c);

		TRY(names_new(p, n->b, e));
		for (uint32_t k = 0; k < n->b; k++)
			e->names[k] = cedar_eval_str(&p->eval, keys[k]);
	}
	out->may_fail = may_fail;
	out->is_bool = n->op == CEDAR_OP_CALL &&
		cedar_fn_result_kind((CedarFn) n->n) == CEDAR_BOOL;
	return CEDAR_OK;
}

static CedarCode
partial(Partial *p, uint32_t i, Part *out)
{
	const CedarNode *n = &p->eval.nodes[i];
	CedarValue	v;

	if (cedar_arena_stack_is_too_deep(p->arena))
		return cedar_stack(p->err);
	cedar_arena_check_interrupt(p->arena);
	switch ((CedarOp) n->op)
	{
		case CEDAR_OP_LIT:
			v = cedar_slot_value((const CedarSlot *) (p->eval.block + n->a));
			return is_value(&v, out);
		case CEDAR_OP_VAR:
			return partial_var(p, i, (CedarVar) n->n, out);
		case CEDAR_OP_SLOT:
			return fails(p, i, out);
		case CEDAR_OP_IF:
			return partial_if(p, i, n, out);
		case CEDAR_OP_AND:
		case CEDAR_OP_OR:
			return partial_chain(p, i, n, out);
		case CEDAR_OP_NOT:
		case CEDAR_OP_NEG:
		case CEDAR_OP_IS_EMPTY:
		case CEDAR_OP_GET_ATTR:
		case CEDAR_OP_HAS_ATTR:
		case CEDAR_OP_LIKE:
			return partial_unary(p, i, n, out);
		case CEDAR_OP_IS:
			return partial_is(p, i, n, out);
		case CEDAR_OP_SET:
		case CEDAR_OP_RECORD:
		case CEDAR_OP_CALL:
			return partial_listed(p, i, n, out);
		default:
			return partial_binary(p, i, n, out);
	}
}

/* ------------------------------------------------------------------ scope */

/* A test of the scope on what is unknown: a comparison of the variable. */
static CedarCode
scope_test(Partial *p, CedarVar var, CedarOp op, const CedarValue *with,
		   const CedarStr *type, Chain *chain)
{
	Part		test = {.is_bool = true};
	CedarExpr  *e;

	TRY(expr_new(p, CEDAR_NONE, op, &test.expr));
	e = test.expr;
	TRY(expr_new(p, CEDAR_NONE, CEDAR_OP_VAR, &e->a));
	e->a->n = var;
	under(e, e->a);
	if (with != NULL)
	{
		TRY(literal(p, CEDAR_NONE, with, &e->b));
		under(e, e->b);
	}
	if (type != NULL)
	{
		TRY(names_new(p, 1, e));
		e->names[0] = type;
	}
	return chain_add(p, chain, CEDAR_NONE, &test);
}

/* What the scope asks of an unknown variable. */
static CedarCode
partial_scope(Partial *p, const CedarPolicy *policy, CedarVar var, Chain *chain)
{
	const CedarScope *s = &policy->piece->scope[var];
	const CedarStr *known = p->unknown->type[var];
	Part		no;
	uint32_t	n;
	CedarValue	v;

	TRY(is_truth(false, &no));
	if (s->op == CEDAR_SCOPE_ANY)
		return CEDAR_OK;
	if (s->op == CEDAR_SCOPE_IS || s->op == CEDAR_SCOPE_IS_IN)
	{
		const CedarStr *type = cedar_eval_str(&p->eval, s->type);

		if (known == NULL)
			TRY(scope_test(p, var, CEDAR_OP_IS, NULL, type, chain));
		else if (!cedar_str_equal(known, type))
			return chain_add(p, chain, CEDAR_NONE, &no);
		if (s->op == CEDAR_SCOPE_IS)
			return CEDAR_OK;
	}
	if (s->op == CEDAR_SCOPE_EQ)
	{
		const CedarUid *uid = cedar_scope_uid(policy, var, 0);

		if (known != NULL && !cedar_uid_has_type(uid, known))
			return chain_add(p, chain, CEDAR_NONE, &no);
		v = cedar_value_uid(uid);
		return scope_test(p, var, CEDAR_OP_EQ, &v, NULL, chain);
	}
	n = cedar_scope_count(s);
	if (n == 1)
		v = cedar_value_uid(cedar_scope_uid(policy, var, 0));
	else
	{
		CedarValue *uids = cedar_arena_alloc(p->arena, (n > 0 ? n : 1) * sizeof(CedarValue));
		const CedarSet *set = NULL;

		if (uids != NULL)
		{
			for (uint32_t i = 0; i < n; i++)
				uids[i] = cedar_value_uid(cedar_scope_uid(policy, var, i));
			set = cedar_set_make(p->arena, uids, n);
		}
		if (set == NULL)
			return cedar_nomem(p->err);
		if (set->n == 0)
			return chain_add(p, chain, CEDAR_NONE, &no);
		v = cedar_value_set(set);
	}
	return scope_test(p, var, CEDAR_OP_IN, &v, NULL, chain);
}

/* --------------------------------------------------------------- policies */

/* One policy; *satisfiable is false when it is not satisfied for sure. */
static CedarCode
partial_policy(Partial *p, const CedarPolicy *policy, bool *satisfiable, CedarResidual *out)
{
	Chain		chain = {.stop = false,.safe = true};
	const CedarPiece *piece = policy->piece;
	Part		part;

	*satisfiable = false;
	p->piece = piece;
	p->eval.block = (const char *) piece;
	p->eval.nodes = cedar_piece_nodes(piece);
	p->eval.steps = CEDAR_MAX_STEPS;
	for (int var = 0; var < 3; var++)
	{
		bool		matches;

		if (p->unknown->is[var])
			continue;
		TRY(cedar_scope_matches(&p->eval, policy, (CedarVar) var, &matches));
		if (!matches)
			return CEDAR_OK;
	}
	for (int var = 0; var < 3 && !chain.done; var++)
		if (p->unknown->is[var])
			TRY(partial_scope(p, policy, (CedarVar) var, &chain));
	if (piece->root != CEDAR_NONE && !chain.done)
	{
		TRY(partial(p, piece->root, &part));
		TRY(chain_add(p, &chain, piece->root, &part));
	}
	TRY(chain_end(p, &chain, piece->root, &part));
	if (is_bool_value(&part, false))
		return CEDAR_OK;
	*satisfiable = true;
	out->forbid = piece->forbid;
	out->expr = NULL;
	if (part.expr == NULL)
		out->state = CEDAR_RESIDUAL_TRUE;
	else if (is_error(&part))
		out->state = CEDAR_RESIDUAL_ERROR;
	else
	{
		out->state = CEDAR_RESIDUAL_OPEN;
		out->expr = part.expr;
	}
	return CEDAR_OK;
}

CedarCode
cedar_partial(CedarArena *arena, const CedarPolicies *policies,
			  const CedarEntitySource *source, const CedarRequest *request,
			  const CedarUnknown *unknown, CedarPartial *result, CedarError *err)
{
	Partial		p = {.arena = arena,.err = err,.unknown = unknown};
	CedarRequest known = *request;
	CedarResidual *residuals = NULL;
	uint32_t	cap = 0;
	bool		open[2] = {false, false};	/* by forbid */
	bool		satisfied[2] = {false, false};

	/* a uid that is there, and that nobody looks at */
	if (unknown->is[CEDAR_VAR_PRINCIPAL] || unknown->is[CEDAR_VAR_ACTION] ||
		unknown->is[CEDAR_VAR_RESOURCE])
	{
		const CedarUid *none;

		TRY(cedar_uid_make(arena, "Unknown", 7, "", 0, &none, err));
		if (unknown->is[CEDAR_VAR_PRINCIPAL])
			known.principal = none;
		if (unknown->is[CEDAR_VAR_ACTION])
			known.action = none;
		if (unknown->is[CEDAR_VAR_RESOURCE])
			known.resource = none;
	}
	cedar_eval_init(&p.eval, arena, source, &known, err);
	memset(result, 0, sizeof(*result));
	for (uint32_t i = 0; i < cedar_policies_count(policies); i++)
	{
		void	   *array = residuals;
		bool		satisfiable;
		CedarPolicy policy;
		CedarResidual r = {.policy = i};

		if (i % 16 == 0)
			cedar_arena_check_interrupt(arena);
		if (!cedar_policies_get(policies, i, &policy) || !cedar_policy_is_linked(&policy))
			continue;
		TRY(partial_policy(&p, &policy, &satisfiable, &r));
		if (!satisfiable)
			continue;
		if (!cedar_grow(arena, &array, &cap, result->n + 1, sizeof(CedarResidual)))
			return cedar_nomem(err);
		residuals = array;
		residuals[result->n++] = r;
		if (r.state == CEDAR_RESIDUAL_TRUE)
			satisfied[r.forbid] = true;
		else if (r.state == CEDAR_RESIDUAL_OPEN)
			open[r.forbid] = true;
	}
	result->residuals = residuals;
	if (satisfied[true] || (!satisfied[false] && !open[false]))
		result->decision = CEDAR_PARTIAL_DENY;
	else if (satisfied[false] && !open[true])
		result->decision = CEDAR_PARTIAL_ALLOW;
	else
		result->decision = CEDAR_PARTIAL_OPEN;
	return CEDAR_OK;
}

CedarCode
cedar_residual_policy(CedarArena *arena, const CedarResidual *residual,
					  CedarAstPolicy *policy, CedarError *err)
{
	CedarExpr  *e;

	memset(policy, 0, sizeof(*policy));
	policy->forbid = residual->forbid;
	for (int var = 0; var < 3; var++)
		policy->scope[var].op = CEDAR_SCOPE_ANY;
	if (residual->state == CEDAR_RESIDUAL_TRUE)
		return CEDAR_OK;
	policy->conds = cedar_arena_zalloc(arena, sizeof(CedarAstCond));
	if (policy->conds == NULL)
		return cedar_nomem(err);
	policy->n_conds = 1;
	if (residual->state == CEDAR_RESIDUAL_OPEN)
	{
		policy->conds->expr = (CedarExpr *) residual->expr;
		return CEDAR_OK;
	}
	e = cedar_arena_zalloc(arena, sizeof(CedarExpr));
	if (e == NULL)
		return cedar_nomem(err);
	e->op = CEDAR_OP_CALL;
	e->n = CEDAR_FN_DECIMAL;
	e->depth = 1;
	policy->conds->expr = e;
	return CEDAR_OK;
}

CedarCode
cedar_residual_compile(CedarArena *arena, const CedarResidual *residual,
					   const CedarPiece **piece, size_t *size, CedarError *err)
{
	CedarAstPolicy policy;
	CedarAst	ast = {.n = 1,.policies = &policy};

	TRY(cedar_residual_policy(arena, residual, &policy, err));
	return cedar_compile(arena, &ast, 0, piece, size, err);
}

/* The ids of the policies in this state. */
static void
put_ids(CedarBuf *buf, const CedarPartial *partial, const CedarPolicies *policies, CedarResidualState state)
{
	bool		first = true;
	CedarPolicy policy;

	cedar_buf_puts(buf, "[");
	for (uint32_t i = 0; i < partial->n; i++)
	{
		cedar_arena_check_interrupt(buf->arena);
		if (partial->residuals[i].state != state ||
			!cedar_policies_get(policies, partial->residuals[i].policy, &policy))
			continue;
		if (!first)
			cedar_buf_puts(buf, ",");
		first = false;
		cedar_buf_json_string(buf, policy.id, policy.id_len);
	}
	cedar_buf_puts(buf, "]");
}

CedarCode
cedar_partial_to_json(CedarArena *arena, const CedarPartial *partial, const CedarPolicies *policies,
					  const char **json, size_t *len, CedarError *err)
{
	static const char *const decisions[] = {"\"deny\"", "\"allow\"", "null"};
	CedarBuf	buf = {arena, NULL, 0, 0, false};
	bool		first = true;

	cedar_buf_puts(&buf, "{\"decision\":");
	cedar_buf_puts(&buf, decisions[partial->decision]);
	cedar_buf_puts(&buf, ",\"satisfied\":");
	put_ids(&buf, partial, policies, CEDAR_RESIDUAL_TRUE);
	cedar_buf_puts(&buf, ",\"errored\":");
	put_ids(&buf, partial, policies, CEDAR_RESIDUAL_ERROR);
	cedar_buf_puts(&buf, ",\"residuals\":{");
	for (uint32_t i = 0; i < partial->n; i++)
	{
		const CedarResidual *r = &partial->residuals[i];
		CedarAstPolicy one;
		CedarAst	ast = {.n = 1,.policies = &one};
		CedarPolicy policy;
		const char *text;
		size_t		text_len;

		if (r->state != CEDAR_RESIDUAL_OPEN || !cedar_policies_get(policies, r->policy, &policy))
			continue;
		TRY(cedar_residual_policy(arena, r, &one, err));
		TRY(cedar_policy_to_json(arena, &ast, 0, &text, &text_len, err));
		if (!first)
			cedar_buf_puts(&buf, ",");
		first = false;
		cedar_buf_json_string(&buf, policy.id, policy.id_len);
		cedar_buf_puts(&buf, ":");
		cedar_buf_append(&buf, text, text_len);
	}
	cedar_buf_puts(&buf, "}}");
	if (buf.failed)
		return cedar_nomem(err);
	*json = buf.data;
	*len = buf.len;
	return CEDAR_OK;
}
