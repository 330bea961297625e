/*-------------------------------------------------------------------------
 *
 * policy_json.c
 *	  Policies and templates in the reference's JSON form.
 *
 * The form keeps the policy's operators as they are written (`a != b` is no
 * negated `a == b`); chains of && and || nest to the left.
 *
 *-------------------------------------------------------------------------
 */
#include <inttypes.h>
#include <stdio.h>

#include "explain.h"
#include "policy_json.h"

#include "internal.h"

typedef struct Writer
{
	CedarArena *arena;
	CedarError *err;
	CedarBuf	buf;
} Writer;

static const char *const operators[] = {
	[CEDAR_OP_AND] = "&&",
	[CEDAR_OP_OR] = "||",
	[CEDAR_OP_NOT] = "!",
	[CEDAR_OP_NEG] = "neg",
	[CEDAR_OP_EQ] = "==",
	[CEDAR_OP_NE] = "!=",
	[CEDAR_OP_LT] = "<",
	[CEDAR_OP_LE] = "<=",
	[CEDAR_OP_GT] = ">",
	[CEDAR_OP_GE] = ">=",
	[CEDAR_OP_ADD] = "+",
	[CEDAR_OP_SUB] = "-",
	[CEDAR_OP_MUL] = "*",
	[CEDAR_OP_IN] = "in",
	[CEDAR_OP_CONTAINS] = "contains",
	[CEDAR_OP_CONTAINS_ALL] = "containsAll",
	[CEDAR_OP_CONTAINS_ANY] = "containsAny",
	[CEDAR_OP_GET_TAG] = "getTag",
	[CEDAR_OP_HAS_TAG] = "hasTag",
	[CEDAR_OP_IS_EMPTY] = "isEmpty"
};

static void
put(Writer *w, const char *s)
{
	cedar_buf_puts(&w->buf, s);
}

static void
put_str(Writer *w, const CedarStr *s)
{
	cedar_buf_json_string(&w->buf, s->bytes, s->len);
}

static void
put_uid(Writer *w, const CedarUid *uid)
{
	put(w, "{\"type\":");
	cedar_buf_json_string(&w->buf, uid->bytes, uid->type_len);
	put(w, ",\"id\":");
	cedar_buf_json_string(&w->buf, uid->bytes + uid->type_len, uid->id_len);
	put(w, "}");
}

static CedarCode
put_literal(Writer *w, const CedarValue *v)
{
	char		digits[32];
	const char *json;
	size_t		len;

	put(w, "{\"Value\":");
	if (v->kind == CEDAR_BOOL)
		put(w, v->u.i ? "true" : "false");
	else if (v->kind == CEDAR_LONG)
	{
		snprintf(digits, sizeof(digits), "%" PRId64, v->u.i);
		put(w, digits);
	}
	else if (v->kind == CEDAR_STRING)
		put_str(w, v->u.str);
	else if (v->kind == CEDAR_ENTITY)
	{
		put(w, "{\"__entity\":");
		put_uid(w, v->u.uid);
		put(w, "}");
	}
	else
	{
		/* in residuals alone */
		TRY(cedar_value_to_json(w->arena, v, UINT32_MAX, &json, &len, w->err));
		cedar_buf_append(&w->buf, json, len);
	}
	put(w, "}");
	return CEDAR_OK;
}

/* One element for each character. */
static void
put_pattern(Writer *w, const CedarStr *pattern)
{
	uint32_t	i = 0;

	put(w, "[");
	while (i < pattern->len)
	{
		uint32_t	start = i;

		if (i > 0)
			put(w, ",");
		if (pattern->bytes[i++] == CEDAR_WILDCARD)
		{
			put(w, "\"Wildcard\"");
			continue;
		}
		while (i < pattern->len && ((unsigned char) pattern->bytes[i] & 0xC0) == 0x80)
			i++;
		put(w, "{\"Literal\":");
		cedar_buf_json_string(&w->buf, pattern->bytes + start, i - start);
		put(w, "}");
	}
	put(w, "]");
}

static CedarCode put_expr(Writer *w, const CedarExpr *e);

/* ,"name":expression, or without the comma */
static CedarCode
put_member(Writer *w, const char *name, const CedarExpr *e)
{
	put(w, name);
	return put_expr(w, e);
}

static CedarCode
put_list(Writer *w, const CedarExpr *e)
{
	put(w, "[");
	for (uint32_t i = 0; i < e->count; i++)
	{
		if (i > 0)
			put(w, ",");
		TRY(put_expr(w, e->list[i]));
	}
	put(w, "]");
	return CEDAR_OK;
}

/* a && b && c is (a && b) && c, however long. */
static CedarCode
put_chain(Writer *w, const CedarExpr *e)
{
	for (uint32_t i = 1; i < e->count; i++)
	{
		put(w, "{\"");
		put(w, operators[e->op]);
		put(w, "\":{\"left\":");
	}
	TRY(put_expr(w, e->list[0]));
	for (uint32_t i = 1; i < e->count; i++)
	{
		TRY(put_member(w, ",\"right\":", e->list[i]));
		put(w, "}}");
	}
	return CEDAR_OK;
}

static CedarCode
put_expr(Writer *w, const CedarExpr *e)
{
	CedarOp		op = (CedarOp) e->op;

	if (cedar_arena_stack_is_too_deep(w->arena))
		return cedar_stack(w->err);
	cedar_arena_check_interrupt(w->arena);
	if (op == CEDAR_OP_LIT)
		return put_literal(w, &e->lit);
	if (op == CEDAR_OP_AND || op == CEDAR_OP_OR)
		return put_chain(w, e);
	put(w, "{\"");
	switch (op)
	{
		case CEDAR_OP_VAR:
			put(w, "Var\":\"");
			put(w, cedar_var_names[e->n]);
			put(w, "\"");
			break;
		case CEDAR_OP_SLOT:
			put(w, "Slot\":\"?");
			put(w, cedar_var_names[e->n]);
			put(w, "\"");
			break;
		case CEDAR_OP_IF:
			TRY(put_member(w, "if-then-else\":{\"if\":", e->a));
			TRY(put_member(w, ",\"then\":", e->b));
			TRY(put_member(w, ",\"else\":", e->c));
			put(w, "}");
			break;
		case CEDAR_OP_GET_ATTR:
			TRY(put_member(w, ".\":{\"left\":", e->a));
			put(w, ",\"attr\":");
			put_str(w, e->names[0]);
			put(w, "}");
			break;
		case CEDAR_OP_HAS_ATTR:
			TRY(put_member(w, "has\":{\"left\":", e->a));
			put(w, e->count > 1 ? ",\"attr\":[" : ",\"attr\":");
			for (uint32_t i = 0; i < e->count; i++)
			{
				if (i > 0)
					put(w, ",");
				put_str(w, e->names[i]);
			}
			put(w, e->count > 1 ? "]}" : "}");
			break;
		case CEDAR_OP_LIKE:
			TRY(put_member(w, "like\":{\"left\":", e->a));
			put(w, ",\"pattern\":");
			put_pattern(w, e->names[0]);
			put(w, "}");
			break;
		case CEDAR_OP_IS:
			TRY(put_member(w, "is\":{\"left\":", e->a));
			put(w, ",\"entity_type\":");
			put_str(w, e->names[0]);
			if (e->b != NULL)
				TRY(put_member(w, ",\"in\":", e->b));
			put(w, "}");
			break;
		case CEDAR_OP_SET:
			put(w, "Set\":");
			TRY(put_list(w, e));
			break;
		case CEDAR_OP_RECORD:
			put(w, "Record\":{");
			for (uint32_t i = 0; i < e->count; i++)
			{
				if (i > 0)
					put(w, ",");
				put_str(w, e->names[i]);
				TRY(put_member(w, ":", e->list[i]));
			}
			put(w, "}");
			break;
		case CEDAR_OP_CALL:
			put(w, cedar_functions[e->n].name);
			put(w, "\":");
			TRY(put_list(w, e));
			break;
		case CEDAR_OP_NOT:
		case CEDAR_OP_NEG:
		case CEDAR_OP_IS_EMPTY:
			put(w, operators[op]);
			TRY(put_member(w, "\":{\"arg\":", e->a));
			put(w, "}");
			break;
		default:
			put(w, operators[op]);
			TRY(put_member(w, "\":{\"left\":", e->a));
			TRY(put_member(w, ",\"right\":", e->b));
			put(w, "}");
			break;
	}
	put(w, "}");
	return CEDAR_OK;
}

/* "slot":… or "entity":… or "entities":[…]; a list of one is an entity. */
static void
put_scope_ref(Writer *w, CedarVar var, const CedarAstScope *scope)
{
	bool		list = scope->n != 1;

	if (scope->slot)
	{
		put(w, "\"slot\":\"?");
		put(w, cedar_var_names[var]);
		put(w, "\"");
		return;
	}
	put(w, list ? "\"entities\":[" : "\"entity\":");
	for (uint32_t i = 0; i < scope->n; i++)
	{
		if (i > 0)
			put(w, ",");
		put_uid(w, scope->uids[i]);
	}
	if (list)
		put(w, "]");
}

static void
put_scope(Writer *w, CedarVar var, const CedarAstScope *scope)
{
	put(w, ",\"");
	put(w, cedar_var_names[var]);
	put(w, "\":{\"op\":");
	switch ((CedarScopeOp) scope->op)
	{
		case CEDAR_SCOPE_ANY:
			put(w, "\"All\"");
			break;
		case CEDAR_SCOPE_EQ:
			put(w, "\"==\",");
			put_scope_ref(w, var, scope);
			break;
		case CEDAR_SCOPE_IN:
			put(w, "\"in\",");
			put_scope_ref(w, var, scope);
			break;
		case CEDAR_SCOPE_IS:
		case CEDAR_SCOPE_IS_IN:
			put(w, "\"is\",\"entity_type\":");
			put_str(w, scope->type);
			if (scope->op == CEDAR_SCOPE_IS_IN)
			{
				put(w, ",\"in\":{");
				put_scope_ref(w, var, scope);
				put(w, "}");
			}
			break;
	}
	put(w, "}");
}

CedarCode
cedar_policy_to_json(CedarArena *arena, const CedarAst *ast, uint32_t i,
					 const char **json, size_t *len, CedarError *err)
{
	Writer		w = {.arena = arena, .err = err, .buf = {.arena = arena}};
	const CedarAstPolicy *policy = &ast->policies[i];

	put(&w, policy->forbid ? "{\"effect\":\"forbid\"" : "{\"effect\":\"permit\"");
	for (int var = CEDAR_VAR_PRINCIPAL; var <= CEDAR_VAR_RESOURCE; var++)
		put_scope(&w, (CedarVar) var, &policy->scope[var]);
	put(&w, ",\"conditions\":[");
	for (uint32_t k = 0; k < policy->n_conds; k++)
	{
		const CedarAstCond *cond = &policy->conds[k];

		put(&w, k > 0 ? ",{\"kind\":\"" : "{\"kind\":\"");
		put(&w, cond->is_unless ? "unless" : "when");
		TRY(put_member(&w, "\",\"body\":", cond->expr));
		put(&w, "}");
	}
	put(&w, "]");
	for (uint32_t k = 0; k < policy->n_annotations; k++)
	{
		const CedarAstAnnotation *a = &policy->annotations[k];

		put(&w, k > 0 ? "," : ",\"annotations\":{");
		put_str(&w, a->key);
		put(&w, ":");
		if (a->value != NULL)
			put_str(&w, a->value);
		else
			put(&w, "null");
	}
	put(&w, policy->n_annotations > 0 ? "}}" : "}");
	if (w.buf.failed)
		return cedar_nomem(err);
	*json = w.buf.data;
	*len = w.buf.len;
	return CEDAR_OK;
}
