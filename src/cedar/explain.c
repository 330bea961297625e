/*-------------------------------------------------------------------------
 *
 * explain.c
 *	  Why a request is decided as it is.
 *
 * Policies are put through the authorizer's own scope test and evaluator, so
 * an explanation cannot say anything but what is decided.  Only then the
 * condition's parts are evaluated once more, one by one, to find which of them
 * is the reason and what its expressions gave; values do not change in
 * between.  That second look has a budget of its own: what it does not reach
 * is left out (`cut`), never wrong.
 *
 * Values made on the way stay in the arena, for the explanations refer to
 * them.
 *
 *-------------------------------------------------------------------------
 */
#include "explain.h"
#include "image.h"
#include "index.h"

/* Steps for the second look at one policy. */
#define LOOK_STEPS (4 * (uint64_t) CEDAR_MAX_STEPS)

/* Elements and members of one value that are written. */
#define SEEN_ELEMENTS 100

typedef struct Explainer
{
	CedarEval	eval;
	const CedarPolicies *policies;

	uint32_t   *numbers;		/* of the policies to explain */
	uint32_t	n;
	uint32_t	cap;
	const CedarSet *ancestors[3];	/* as values; NULL: not made yet */

	/* the policy at hand */
	CedarExplanation *out;
	CedarSeen  *seen;
	uint32_t	seen_cap;
	uint64_t	budget;
} Explainer;

const char *
cedar_part_name(CedarPart part)
{
	static const char *const names[] = {"principal", "action", "resource", "when", "unless", ""};

	CEDAR_STATIC_ASSERT(sizeof(names) / sizeof(names[0]) == CEDAR_PART_NONE + 1, "a name for each part");
	return names[part];
}

void
cedar_ast_scope_range(const CedarAst *ast, uint32_t i, CedarPart part, size_t *offset, size_t *length)
{
	const CedarAstScope *scope = &ast->policies[i].scope[part];

	*offset = scope->offset;
	*length = scope->length;
}

/* --------------------------------------------------------------- the values */

static inline CedarSpan
node_span(const Explainer *x, uint32_t node)
{
	const CedarPiece *piece = (const CedarPiece *) x->eval.block;

	return ((const CedarSpan *) (x->eval.block + piece->spans))[node];
}

/* Evaluate a node once more; *ok is false where it fails, or the budget ends. */
static CedarCode
again(Explainer *x, uint32_t node, CedarValue *v, bool *ok)
{
	CedarEval  *e = &x->eval;
	uint64_t	steps = x->budget < CEDAR_MAX_STEPS ? x->budget : CEDAR_MAX_STEPS;
	CedarCode	code;

	*ok = false;
	e->steps = steps;
	code = cedar_eval_node(e, node, v);
	x->budget -= steps - e->steps;
	if (code == CEDAR_ERR_LIMIT)
	{
		x->out->cut = true;
		x->budget = 0;
		return CEDAR_OK;
	}
	*ok = code == CEDAR_OK;
	return *ok || cedar_is_policy_error(code) ? CEDAR_OK : code;
}

static CedarCode
add_seen(Explainer *x, const char *name, CedarSpan span, const CedarValue *v)
{
	CedarExplanation *out = x->out;
	void	   *array = x->seen;

	for (uint32_t i = 0; i < out->n_seen; i++)
		if (x->seen[i].name == NULL && name == NULL &&
			x->seen[i].offset == span.offset && x->seen[i].length == span.length)
			return CEDAR_OK;
	if (out->n_seen == CEDAR_MAX_SEEN)
	{
		out->cut = true;
		return CEDAR_OK;
	}
	if (!cedar_grow(x->eval.arena, &array, &x->seen_cap, out->n_seen + 1, sizeof(CedarSeen)))
		return cedar_nomem(x->eval.err);
	x->seen = array;
	x->seen[out->n_seen++] = (CedarSeen) {name, span.offset, span.length, *v};
	out->seen = x->seen;
	return CEDAR_OK;
}

/* Does the value say something that its operands, which are told too, do not? */
static bool
is_telling(const CedarNode *n)
{
	switch ((CedarOp) n->op)
	{
		case CEDAR_OP_GET_ATTR:
		case CEDAR_OP_HAS_ATTR:
		case CEDAR_OP_GET_TAG:
		case CEDAR_OP_HAS_TAG:
		case CEDAR_OP_IN:
		case CEDAR_OP_IS:
			return true;
		case CEDAR_OP_CALL:
			/* ip(x) is x once more */
			return n->n != CEDAR_FN_DECIMAL && n->n != CEDAR_FN_IP &&
				n->n != CEDAR_FN_DATETIME && n->n != CEDAR_FN_DURATION;
		default:
			return false;
	}
}

static CedarCode look(Explainer *x, uint32_t node, bool base, CedarValue *v, bool *ok);

/* Operands in a list, as far as evaluation takes them. */
static CedarCode
look_list(Explainer *x, const CedarNode *n, bool *ok)
{
	const uint32_t *list = cedar_eval_list(&x->eval, n->a);
	bool		chain = n->op == CEDAR_OP_AND || n->op == CEDAR_OP_OR;

	*ok = true;
	for (uint32_t i = 0; i < n->b && *ok; i++)
	{
		CedarValue	v;

		TRY(look(x, list[i], false, &v, ok));
		if (*ok && chain && (v.kind != CEDAR_BOOL || (v.u.i != 0) == (n->op == CEDAR_OP_OR)))
			return CEDAR_OK;
	}
	return CEDAR_OK;
}

/* The operands of a node, as far as evaluation takes them. */
static CedarCode
look_inside(Explainer *x, const CedarNode *n, bool *ok)
{
	CedarValue	v;

	*ok = true;
	switch ((CedarOp) n->op)
	{
		case CEDAR_OP_LIT:
		case CEDAR_OP_VAR:
		case CEDAR_OP_SLOT:
			return CEDAR_OK;
		case CEDAR_OP_AND:
		case CEDAR_OP_OR:
		case CEDAR_OP_SET:
		case CEDAR_OP_RECORD:
		case CEDAR_OP_CALL:
			return look_list(x, n, ok);
		case CEDAR_OP_NOT:
		case CEDAR_OP_NEG:
		case CEDAR_OP_IS_EMPTY:
		case CEDAR_OP_LIKE:
			return look(x, n->a, false, &v, ok);
		case CEDAR_OP_GET_ATTR:
		case CEDAR_OP_HAS_ATTR:
			return look(x, n->a, true, &v, ok);
		case CEDAR_OP_IF:
			TRY(look(x, n->a, false, &v, ok));
			if (!*ok || v.kind != CEDAR_BOOL)
				return CEDAR_OK;
			return look(x, v.u.i ? n->b : n->c, false, &v, ok);
		case CEDAR_OP_IS:
			TRY(look(x, n->a, false, &v, ok));
			if (!*ok || n->c == CEDAR_NONE || v.kind != CEDAR_ENTITY ||
				!cedar_uid_has_type(v.u.uid, cedar_eval_str(&x->eval, n->b)))
				return CEDAR_OK;
			return look(x, n->c, false, &v, ok);
		case CEDAR_OP_GET_TAG:
		case CEDAR_OP_HAS_TAG:
			TRY(look(x, n->a, true, &v, ok));
			return *ok ? look(x, n->b, false, &v, ok) : CEDAR_OK;
		default:
			TRY(look(x, n->a, false, &v, ok));
			return *ok ? look(x, n->b, false, &v, ok) : CEDAR_OK;
	}
}

/*
 * Note the values of a node's operands and its own.  base: only an attribute
 * or a tag of it is asked for; then records and the request's variables are
 * not worth telling.
 */
static CedarCode
look(Explainer *x, uint32_t node, bool base, CedarValue *v, bool *ok)
{
	const CedarNode *n = &x->eval.nodes[node];

	cedar_arena_check_interrupt(x->eval.arena);
	if (cedar_arena_stack_is_too_deep(x->eval.arena))
	{
		x->out->cut = true;
		*ok = false;
		return CEDAR_OK;
	}
	TRY(look_inside(x, n, ok));
	if (!*ok)
		return CEDAR_OK;
	TRY(again(x, node, v, ok));
	if (!*ok)
		return CEDAR_OK;
	if (n->op == CEDAR_OP_VAR ? !base : is_telling(n) && !(base && v->kind == CEDAR_RECORD))
		return add_seen(x, NULL, node_span(x, node), v);
	return CEDAR_OK;
}

/* ------------------------------------------------------------ the condition */

/* The operand that makes a node fail, NONE when it is the node itself. */
static CedarCode
failing_operand(Explainer *x, const CedarNode *n, uint32_t *operand)
{
	uint32_t	few[3] = {n->a, n->b, n->c};
	const uint32_t *list = NULL;
	uint32_t	count = 0;
	bool		chain = n->op == CEDAR_OP_AND || n->op == CEDAR_OP_OR;
	CedarValue	v;
	bool		ok;

	*operand = CEDAR_NONE;
	switch ((CedarOp) n->op)
	{
		case CEDAR_OP_LIT:
		case CEDAR_OP_VAR:
		case CEDAR_OP_SLOT:
			return CEDAR_OK;
		case CEDAR_OP_AND:
		case CEDAR_OP_OR:
		case CEDAR_OP_SET:
		case CEDAR_OP_RECORD:
		case CEDAR_OP_CALL:
			list = cedar_eval_list(&x->eval, n->a);
			count = n->b;
			break;
		case CEDAR_OP_NOT:
		case CEDAR_OP_NEG:
		case CEDAR_OP_IS_EMPTY:
		case CEDAR_OP_LIKE:
		case CEDAR_OP_GET_ATTR:
		case CEDAR_OP_HAS_ATTR:
			count = 1;
			break;
		case CEDAR_OP_IF:
			TRY(again(x, n->a, &v, &ok));
			if (ok && v.kind == CEDAR_BOOL)
				few[1] = v.u.i ? n->b : n->c;
			count = ok && v.kind != CEDAR_BOOL ? 0 : 2;
			break;
		case CEDAR_OP_IS:
			few[1] = n->c;
			count = 1;
			if (n->c != CEDAR_NONE)
			{
				TRY(again(x, n->a, &v, &ok));
				count = ok && v.kind != CEDAR_ENTITY ? 1 : 2;
			}
			break;
		default:
			count = 2;
			break;
	}
	if (list == NULL)
		list = few;
	for (uint32_t i = 0; i < count && !x->out->cut; i++)
	{
		TRY(again(x, list[i], &v, &ok));

		/* what is no bool is the failure of a chain */
		if (!x->out->cut && (!ok || (chain && v.kind != CEDAR_BOOL)))
		{
			*operand = list[i];
			return CEDAR_OK;
		}

	}
	return CEDAR_OK;
}

/* The operand of a chain that has ended it with this value, NONE: all of it. */
static CedarCode
deciding_operand(Explainer *x, const CedarNode *n, bool value, uint32_t *operand)
{
	const uint32_t *list = cedar_eval_list(&x->eval, n->a);

	*operand = CEDAR_NONE;
	if (n->op != (value ? CEDAR_OP_OR : CEDAR_OP_AND))
		return CEDAR_OK;
	for (uint32_t i = 0; i < n->b; i++)
	{
		CedarValue	v;
		bool		ok;

		TRY(again(x, list[i], &v, &ok));
		if (!ok)
			return CEDAR_OK;
		if (v.kind == CEDAR_BOOL && (v.u.i != 0) == value)
		{
			*operand = list[i];
			return CEDAR_OK;
		}
	}
	return CEDAR_OK;
}

/* `unless` is compiled to a negation that takes up no text of its own. */
static bool
is_unless(const Explainer *x, uint32_t node)
{
	CedarSpan	outer = node_span(x, node);
	CedarSpan	inner = node_span(x, x->eval.nodes[node].a);

	return outer.offset == inner.offset && outer.length == inner.length;
}

/*
 * Go down from the root to the smallest expression that is the reason: by
 * failures, or by the values that decide: false, or true within `unless`.
 */
static CedarCode
find_reason(Explainer *x, uint32_t *node)
{
	const CedarNode *nodes = x->eval.nodes;
	bool		failed = x->out->outcome == CEDAR_FAILED;
	bool		value = false;	/* that the condition should not have */

	for (;;)
	{
		const CedarNode *n = &nodes[*node];
		uint32_t	next = CEDAR_NONE;

		if (n->op == CEDAR_OP_NOT && is_unless(x, *node))
		{
			x->out->part = CEDAR_PART_UNLESS;
			value = true;
			next = n->a;
		}
		else if (failed)
			TRY(failing_operand(x, n, &next));
		else if (n->op == CEDAR_OP_AND || n->op == CEDAR_OP_OR)
			TRY(deciding_operand(x, n, value, &next));
		if (next == CEDAR_NONE)
			return CEDAR_OK;
		*node = next;
	}
}

static CedarCode
explain_condition(Explainer *x, const CedarPiece *piece)
{
	CedarExplanation *out = x->out;
	uint32_t	node = piece->root;
	bool		ok;
	CedarSpan	span;
	bool		result = cedar_eval_condition(&x->eval, piece);
	CedarCode	code = x->eval.code;

	x->budget = LOOK_STEPS;
	if (code != CEDAR_OK)
	{
		CedarError *error;

		if (!cedar_is_policy_error(code))
			return code;
		error = cedar_arena_copy(x->eval.arena, x->eval.err, sizeof(CedarError));
		if (error == NULL)
			return cedar_nomem(x->eval.err);
		out->outcome = CEDAR_FAILED;
		out->error = error;
	}
	else if (!result)
		out->outcome = CEDAR_UNSATISFIED;
	if (out->outcome != CEDAR_SATISFIED)
	{
		out->missed = 1;
		out->part = CEDAR_PART_WHEN;
		TRY(find_reason(x, &node));
	}
	span = node_span(x, node);
	out->has_position = true;
	out->offset = span.offset;
	out->length = span.length;
	return look_inside(x, &x->eval.nodes[node], &ok);
}

/* ---------------------------------------------------------------- the scope */

/* The ancestors of principal, action or resource as a set: one for all policies. */
static CedarCode
make_ancestors(Explainer *x, CedarVar var)
{
	CedarEval  *e = &x->eval;
	const CedarUidSet *ancestors;
	CedarValue *uids;
	uint32_t	n = 0;

	if (x->ancestors[var] != NULL)
		return CEDAR_OK;
	TRY(cedar_eval_ancestors(e, var, &ancestors));
	uids = cedar_arena_alloc(e->arena, (ancestors == NULL ? 0 : ancestors->n) * sizeof(CedarValue));
	if (uids == NULL)
		return cedar_nomem(e->err);
	for (uint32_t i = 0; ancestors != NULL && i < ancestors->cap; i++)
		if (ancestors->slots[i] != NULL)
			uids[n++] = cedar_value_uid(ancestors->slots[i]);
	x->ancestors[var] = cedar_set_make(e->arena, uids, n);
	return x->ancestors[var] == NULL ? cedar_nomem(e->err) : CEDAR_OK;
}

/* What the scope's part was compared with: the uid, and its ancestors for `in`. */
static CedarCode
see_scope(Explainer *x, const CedarPolicy *policy, CedarVar var)
{
	static const CedarSpan nowhere;
	const CedarScope *s = &policy->piece->scope[var];
	CedarEval  *e = &x->eval;
	CedarValue	v = cedar_value_uid(e->asked[var].uid);

	TRY(add_seen(x, cedar_var_names[var], nowhere, &v));
	if (s->slot)
	{
		v = cedar_value_uid(cedar_scope_uid(policy, var, 0));
		TRY(add_seen(x, var == CEDAR_VAR_PRINCIPAL ? "?principal" : "?resource", nowhere, &v));
	}
	if (s->op != CEDAR_SCOPE_IN && s->op != CEDAR_SCOPE_IS_IN)
		return CEDAR_OK;
	TRY(make_ancestors(x, var));
	v = cedar_value_set(x->ancestors[var]);
	return add_seen(x, "ancestors", nowhere, &v);
}

static CedarCode
explain_policy(Explainer *x, const CedarPolicy *policy, CedarExplanation *out)
{
	const CedarPiece *piece = policy->piece;

	out->outcome = CEDAR_SATISFIED;
	out->part = CEDAR_PART_NONE;
	x->out = out;
	x->seen = NULL;
	x->seen_cap = 0;
	x->eval.block = (const char *) piece;
	for (int var = CEDAR_VAR_PRINCIPAL; var <= CEDAR_VAR_RESOURCE; var++)
	{
		bool		matches;

		TRY(cedar_scope_matches(&x->eval, policy, (CedarVar) var, &matches));
		if (matches)
			continue;
		out->outcome = CEDAR_UNSATISFIED;
		if (out->missed++ == 0)
		{
			out->part = (CedarPart) var;
			TRY(see_scope(x, policy, (CedarVar) var));
		}
	}
	if (out->missed == 0 && piece->root != CEDAR_NONE)
		TRY(explain_condition(x, piece));
	return CEDAR_OK;
}

/* ------------------------------------------------------------- the policies */

static CedarCode
add_number(Explainer *x, uint32_t number)
{
	void	   *array = x->numbers;

	if (!cedar_grow(x->eval.arena, &array, &x->cap, x->n + 1, sizeof(uint32_t)))
		return cedar_nomem(x->eval.err);
	x->numbers = array;
	x->numbers[x->n++] = number;
	return CEDAR_OK;
}

static CedarCode
add_candidates(Explainer *x, const CedarIndex *index, uint32_t first)
{
	CedarCandidates found;

	TRY(cedar_index_search(&x->eval, index, &found));
	for (uint32_t i = 0; i < found.n; i++)
		for (uint32_t k = 0; k < found.lists[i].n; k++)
		{
			if (k % 1024 == 0)
				cedar_arena_check_interrupt(x->eval.arena);
			TRY(add_number(x, first + found.lists[i].at[k].policy));
		}
	return CEDAR_OK;
}

static CedarCode
find_policies(Explainer *x, bool all)
{
	const CedarPolicies *policies = x->policies;
	uint32_t	first = 0;

	if (all || (policies->n_layers == 0 && policies->index == NULL))
	{
		uint32_t	n = cedar_policies_count(policies);

		for (uint32_t i = 0; i < n; i++)
		{
			if (i % 1024 == 0)
				cedar_arena_check_interrupt(x->eval.arena);
			TRY(add_number(x, i));
		}
		return CEDAR_OK;
	}
	if (policies->n_layers == 0)
		TRY(add_candidates(x, policies->index, 0));
	for (uint32_t i = 0; i < policies->n_layers; i++)
	{
		TRY(add_candidates(x, cedar_image_index(policies->layers[i].image), first));
		first += cedar_image_count(policies->layers[i].image);
	}
	cedar_sort(x->eval.arena, x->numbers, x->n, sizeof(uint32_t), cedar_number_compare);
	return CEDAR_OK;
}

static uint32_t
number_of_explanation(const void *items, uint32_t i)
{
	return ((const CedarExplanation *) items)[i].policy;
}

CedarCode
cedar_explain(CedarArena *arena, const CedarPolicies *policies, bool all,
			  const CedarEntitySource *source, const CedarRequest *request,
			  CedarExplanation **explanations, uint32_t *n, CedarError *err)
{
	Explainer	x = {.policies = policies};
	CedarExplanation *list;
	CedarExplanation *sorted;
	uint32_t   *order;

	cedar_eval_init(&x.eval, arena, source, request, err);
	if (cedar_arena_stack_is_too_deep(arena))
		return cedar_stack(err);
	TRY(find_policies(&x, all));
	list = cedar_arena_zalloc(arena, x.n * sizeof(CedarExplanation));
	if (list == NULL)
		return cedar_nomem(err);
	*n = 0;
	for (uint32_t i = 0; i < x.n; i++)
	{
		CedarPolicy policy;

		cedar_arena_check_interrupt(arena);
		if (!cedar_policies_get(policies, x.numbers[i], &policy) || !cedar_policy_is_linked(&policy))
			continue;
		list[*n].policy = x.numbers[i];
		TRY(explain_policy(&x, &policy, &list[*n]));
		++*n;
	}
	*explanations = list;
	if (policies->n_layers < 2)
		return CEDAR_OK;

	/* numbers of layers are not in the order of the ids */
	TRY(cedar_policies_order(arena, policies, *n, number_of_explanation, list, &order, err));
	sorted = cedar_arena_alloc(arena, *n * sizeof(CedarExplanation));
	if (sorted == NULL)
		return cedar_nomem(err);
	for (uint32_t i = 0; i < *n; i++)
		sorted[i] = list[order[i]];
	*explanations = sorted;
	return CEDAR_OK;
}

/* ----------------------------------------------------------------- as JSON */

CedarCode
cedar_seen_to_json(CedarArena *arena, const CedarExplanation *explanation,
				   const char *text, size_t text_len, const char **json, size_t *len,
				   CedarError *err)
{
	CedarBuf	buf = {arena, NULL, 0, 0, false};
	CedarStr const **keys = cedar_arena_alloc(arena, explanation->n_seen * sizeof(CedarStr *));
	uint32_t	n = 0;

	if (keys == NULL)
		return cedar_nomem(err);
	cedar_buf_puts(&buf, "{");
	for (uint32_t i = 0; i < explanation->n_seen; i++)
	{
		const CedarSeen *seen = &explanation->seen[i];
		const CedarStr *key;
		const char *value;
		size_t		value_len;
		bool		known = false;

		if (seen->name != NULL)
			key = cedar_str_make(arena, seen->name, strlen(seen->name));
		else if (text == NULL || seen->offset > text_len || seen->length > text_len - seen->offset)
			continue;
		else
			key = cedar_str_make(arena, text + seen->offset, seen->length);
		if (key == NULL)
			return cedar_nomem(err);

		/* one expression has one value, wherever it stands */
		for (uint32_t k = 0; k < n && !known; k++)
			known = cedar_str_equal(keys[k], key);
		if (known)
			continue;
		keys[n++] = key;
		TRY(cedar_value_to_json(arena, &seen->value, SEEN_ELEMENTS, &value, &value_len, err));
		cedar_buf_puts(&buf, n > 1 ? "," : "");
		cedar_buf_json_string(&buf, key->bytes, key->len);
		cedar_buf_puts(&buf, ":");
		cedar_buf_append(&buf, value, value_len);
	}
	cedar_buf_puts(&buf, "}");
	if (buf.failed)
		return cedar_nomem(err);
	*json = buf.data;
	*len = buf.len;
	return CEDAR_OK;
}
