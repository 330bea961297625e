/*-------------------------------------------------------------------------
 *
 * compile.c
 *	  A parsed policy to its compiled form, and the check of one that came
 *	  from elsewhere.
 *
 * A piece is one block: header, nodes, spans of the nodes in the policy text,
 * then data (strings, uids, constants, lists).  Everything in it refers to
 * everything else by offset, so it can be copied and shared.  Expressions of
 * constants become constants here, extension calls too where they succeed;
 * where they fail the call stays, since its error belongs to evaluation.
 *
 *-------------------------------------------------------------------------
 */
#include "internal.h"

#define ALIGN8(n) (((n) + 7) & ~(size_t) 7)

typedef struct Compiler
{
	CedarArena *arena;
	CedarError *err;
	CedarNode  *nodes;
	CedarSpan  *spans;
	uint32_t	n_nodes;
	uint32_t	max_nodes;
	size_t		base;			/* where data begin in the piece */
	CedarBuf	data;
} Compiler;

/* ------------------------------------------------------- constant folding */

/* Operands in the list: `has` counts its names, and has none. */
static inline uint32_t
listed(const CedarExpr *e)
{
	return e->op == CEDAR_OP_HAS_ATTR ? 0 : e->count;
}

/*
 * Find the expressions that are constants and note their values; the tree
 * itself stays as it was written.  Sets, records and calls of extension
 * functions are worth it; other operators are left to evaluation.
 */
static CedarCode
fold(Compiler *c, CedarExpr *e)
{
	CedarError	ignored;
	CedarValue	v;

	if (cedar_arena_stack_is_too_deep(c->arena))
		return cedar_stack(c->err);
	cedar_arena_check_interrupt(c->arena);
	if (e->a != NULL)
		TRY(fold(c, e->a));
	if (e->b != NULL)
		TRY(fold(c, e->b));
	if (e->c != NULL)
		TRY(fold(c, e->c));
	for (uint32_t i = 0; i < listed(e); i++)
		TRY(fold(c, e->list[i]));

	e->constant = e->op == CEDAR_OP_LIT;
	if (e->op != CEDAR_OP_SET && e->op != CEDAR_OP_RECORD && e->op != CEDAR_OP_CALL)
		return CEDAR_OK;
	for (uint32_t i = 0; i < e->count; i++)
		if (!e->list[i]->constant)
			return CEDAR_OK;

	if (e->op == CEDAR_OP_CALL)
	{
		CedarValue	args[2];

		if (e->count > 2)
			return CEDAR_OK;
		for (uint32_t i = 0; i < e->count; i++)
			args[i] = e->list[i]->lit;
		switch (cedar_fn_call(c->arena, (CedarFn) e->n, args, e->count, &v, &ignored))
		{
			case CEDAR_OK:
				break;
			case CEDAR_ERR_NOMEM:
				return cedar_nomem(c->err);
			default:
				return CEDAR_OK;
		}
	}
	else if (e->op == CEDAR_OP_SET)
	{
		CedarValue *values = cedar_arena_alloc(c->arena, e->count * sizeof(CedarValue));
		const CedarSet *set = NULL;

		if (values != NULL)
		{
			for (uint32_t i = 0; i < e->count; i++)
				values[i] = e->list[i]->lit;
			set = cedar_set_make(c->arena, values, e->count);
		}
		if (set == NULL)
			return cedar_nomem(c->err);
		v = cedar_value_set(set);
	}
	else
	{
		CedarPair  *pairs = cedar_arena_alloc(c->arena, e->count * sizeof(CedarPair));
		const CedarRecord *rec = NULL;

		if (pairs != NULL)
		{
			for (uint32_t i = 0; i < e->count; i++)
			{
				pairs[i].key = e->names[i];
				pairs[i].value = e->list[i]->lit;
			}
			rec = cedar_record_make(c->arena, pairs, e->count, NULL);
		}
		if (rec == NULL)
			return cedar_nomem(c->err);
		v = cedar_value_rec(rec);
	}
	e->constant = true;
	e->lit = v;
	return CEDAR_OK;
}

/* Goes as deep as fold did, in smaller frames. */
static uint32_t
count_nodes(const CedarExpr *e)
{
	uint32_t	n = 1;

	if (e->constant)
		return 1;
	if (e->a != NULL)
		n += count_nodes(e->a);
	if (e->b != NULL)
		n += count_nodes(e->b);
	if (e->c != NULL)
		n += count_nodes(e->c);
	for (uint32_t i = 0; i < listed(e); i++)
		n += count_nodes(e->list[i]);
	return n;
}

/* ------------------------------------------------------------------- data */

/* Room for size zeroed bytes of data; *offset counts from the piece's start. */
static CedarCode
reserve(Compiler *c, size_t size, uint32_t *offset)
{
	static const char zeros[64];

	cedar_arena_check_interrupt(c->arena);
	*offset = (uint32_t) (c->base + c->data.len);
	for (size_t left = ALIGN8(size); left > 0;)
	{
		size_t		n = left < sizeof(zeros) ? left : sizeof(zeros);

		cedar_buf_append(&c->data, zeros, n);
		left -= n;
	}
	if (c->data.failed)
		return cedar_nomem(c->err);
	if (c->base + c->data.len > UINT32_MAX / 2)
		return cedar_fail(c->err, CEDAR_ERR_LIMIT, "compiled policy is too large");
	return CEDAR_OK;
}

static void *
data_at(Compiler *c, uint32_t offset)
{
	return c->data.data + (offset - c->base);
}

static CedarCode
put_bytes(Compiler *c, const void *bytes, size_t size, uint32_t *offset)
{
	TRY(reserve(c, size, offset));
	if (size > 0)
		memcpy(data_at(c, *offset), bytes, size);
	return CEDAR_OK;
}

static CedarCode
put_str(Compiler *c, const CedarStr *str, uint32_t *offset)
{
	return put_bytes(c, str, sizeof(CedarStr) + str->len, offset);
}

static CedarCode
put_value(Compiler *c, const CedarValue *v, uint32_t *offset)
{
	char	   *p;

	TRY(reserve(c, sizeof(CedarSlot) + cedar_value_flat_size(v), offset));
	p = (char *) data_at(c, *offset) + sizeof(CedarSlot);
	cedar_slot_flatten(data_at(c, *offset), v, &p);
	return CEDAR_OK;
}

static CedarCode
put_strs(Compiler *c, const CedarStr **strs, uint32_t n, uint32_t *offset)
{
	uint32_t   *list = cedar_arena_alloc(c->arena, n * sizeof(uint32_t));

	if (list == NULL)
		return cedar_nomem(c->err);
	for (uint32_t i = 0; i < n; i++)
		TRY(put_str(c, strs[i], &list[i]));
	return put_bytes(c, list, n * sizeof(uint32_t), offset);
}

/* ------------------------------------------------------------------ nodes */

static CedarCode compile_expr(Compiler *c, const CedarExpr *e, uint32_t *node);

static CedarCode
compile_list(Compiler *c, const CedarExpr *e, uint32_t *offset)
{
	uint32_t   *list = cedar_arena_alloc(c->arena, e->count * sizeof(uint32_t));

	if (list == NULL)
		return cedar_nomem(c->err);
	for (uint32_t i = 0; i < e->count; i++)
		TRY(compile_expr(c, e->list[i], &list[i]));
	return put_bytes(c, list, e->count * sizeof(uint32_t), offset);
}

typedef struct RecordField
{
	const CedarStr *key;
	const CedarExpr *value;
} RecordField;

static int
field_compare(const void *a, const void *b)
{
	return cedar_str_order(((const RecordField *) a)->key, ((const RecordField *) b)->key);
}

/*
 * The fields of a record in ascending byte order of their keys: that is the
 * order in which the reference evaluates them, and decides which of several
 * failures is told.
 */
static CedarCode
compile_record(Compiler *c, const CedarExpr *e, CedarNode *node)
{
	RecordField *fields = cedar_arena_alloc(c->arena, e->count * sizeof(RecordField));
	uint32_t   *list = cedar_arena_alloc(c->arena, e->count * sizeof(uint32_t));
	const CedarStr **keys = cedar_arena_alloc(c->arena, e->count * sizeof(CedarStr *));

	if (fields == NULL || list == NULL || keys == NULL)
		return cedar_nomem(c->err);
	for (uint32_t i = 0; i < e->count; i++)
		fields[i] = (RecordField) {e->names[i], e->list[i]};
	cedar_sort(c->arena, fields, e->count, sizeof(RecordField), field_compare);
	for (uint32_t i = 0; i < e->count; i++)
	{
		TRY(compile_expr(c, fields[i].value, &list[i]));
		keys[i] = fields[i].key;
	}
	node->b = e->count;
	TRY(put_bytes(c, list, e->count * sizeof(uint32_t), &node->a));
	return put_strs(c, keys, e->count, &node->c);
}

/* Children first: a node's children have smaller numbers than itself. */
static CedarCode
compile_expr(Compiler *c, const CedarExpr *e, uint32_t *node)
{
	CedarNode	n = {e->op, e->n, e->depth, 0, 0, 0};

	if (cedar_arena_stack_is_too_deep(c->arena))
		return cedar_stack(c->err);
	cedar_arena_check_interrupt(c->arena);
	if (e->constant)
	{
		n.op = CEDAR_OP_LIT;
		n.n = 0;
		n.depth = 1;
	}
	switch ((CedarOp) n.op)
	{
		case CEDAR_OP_LIT:
			TRY(put_value(c, &e->lit, &n.a));
			break;
		case CEDAR_OP_VAR:
		case CEDAR_OP_SLOT:
			break;
		case CEDAR_OP_IF:
			TRY(compile_expr(c, e->a, &n.a));
			TRY(compile_expr(c, e->b, &n.b));
			TRY(compile_expr(c, e->c, &n.c));
			break;
		case CEDAR_OP_AND:
		case CEDAR_OP_OR:
		case CEDAR_OP_SET:
		case CEDAR_OP_CALL:
			TRY(compile_list(c, e, &n.a));
			n.b = e->count;
			break;
		case CEDAR_OP_RECORD:
			TRY(compile_record(c, e, &n));
			break;
		case CEDAR_OP_NOT:
		case CEDAR_OP_NEG:
		case CEDAR_OP_IS_EMPTY:
			TRY(compile_expr(c, e->a, &n.a));
			break;
		case CEDAR_OP_GET_ATTR:
		case CEDAR_OP_LIKE:
			TRY(compile_expr(c, e->a, &n.a));
			TRY(put_str(c, e->names[0], &n.b));
			break;
		case CEDAR_OP_HAS_ATTR:
			TRY(compile_expr(c, e->a, &n.a));
			TRY(put_strs(c, e->names, e->count, &n.b));
			n.c = e->count;
			break;
		case CEDAR_OP_IS:
			TRY(compile_expr(c, e->a, &n.a));
			TRY(put_str(c, e->names[0], &n.b));
			n.c = CEDAR_NONE;
			if (e->b != NULL)
				TRY(compile_expr(c, e->b, &n.c));
			break;
		default:				/* binary operators */
			TRY(compile_expr(c, e->a, &n.a));
			TRY(compile_expr(c, e->b, &n.b));
			break;
	}
	c->nodes[c->n_nodes] = n;
	c->spans[c->n_nodes] = (CedarSpan) {e->offset, e->length};
	*node = c->n_nodes++;
	return CEDAR_OK;
}

/*
 * The conditions as one expression: `when` and `unless` clauses in order,
 * joined by and.
 */
static CedarCode
join_conditions(Compiler *c, const CedarAstPolicy *pol, CedarExpr **out)
{
	CedarExpr  *all;

	*out = NULL;
	if (pol->n_conds == 0)
		return CEDAR_OK;
	all = cedar_arena_zalloc(c->arena, sizeof(CedarExpr));
	if (all == NULL)
		return cedar_nomem(c->err);
	all->op = CEDAR_OP_AND;
	all->list = cedar_arena_alloc(c->arena, pol->n_conds * sizeof(CedarExpr *));
	if (all->list == NULL)
		return cedar_nomem(c->err);
	for (uint32_t i = 0; i < pol->n_conds; i++)
	{
		CedarExpr  *e = pol->conds[i].expr;

		if (pol->conds[i].is_unless)
		{
			CedarExpr  *negated = cedar_arena_zalloc(c->arena, sizeof(CedarExpr));

			if (negated == NULL)
				return cedar_nomem(c->err);
			negated->op = CEDAR_OP_NOT;
			negated->depth = e->depth + 1;
			negated->offset = e->offset;
			negated->length = e->length;
			negated->a = e;
			e = negated;
		}
		all->list[all->count++] = e;
		if (e->depth >= all->depth)
			all->depth = e->depth + 1;
		all->offset = all->list[0]->offset;
		all->length = e->offset + e->length - all->offset;
	}
	*out = pol->n_conds == 1 ? all->list[0] : all;
	return CEDAR_OK;
}

static CedarCode
compile_scope(Compiler *c, const CedarAstScope *s, CedarScope *out)
{
	uint32_t   *list;

	memset(out, 0, sizeof(*out));
	out->op = s->op;
	out->slot = s->slot;
	if (s->type != NULL)
		TRY(put_str(c, s->type, &out->type));
	out->n = s->n;
	list = cedar_arena_alloc(c->arena, s->n * sizeof(uint32_t));
	if (list == NULL)
		return cedar_nomem(c->err);
	for (uint32_t i = 0; i < s->n; i++)
		TRY(put_bytes(c, s->uids[i],
					  cedar_uid_size(s->uids[i]->type_len, s->uids[i]->id_len), &list[i]));
	return put_bytes(c, list, s->n * sizeof(uint32_t), &out->uids);
}

CedarCode
cedar_compile(CedarArena *arena, const CedarAst *ast, uint32_t i,
			  const CedarPiece **piece, size_t *size, CedarError *err)
{
	const CedarAstPolicy *pol = &ast->policies[i];
	Compiler	c = {.arena = arena,.err = err};
	struct CedarPiece head;
	CedarExpr  *cond;
	char	   *block;

	memset(&head, 0, sizeof(head));
	head.magic = CEDAR_PIECE_MAGIC;
	head.format = CEDAR_PIECE_FORMAT;
	head.forbid = pol->forbid;
	head.template = pol->template;
	head.root = CEDAR_NONE;

	TRY(join_conditions(&c, pol, &cond));
	if (cond != NULL)
	{
		TRY(fold(&c, cond));
		c.max_nodes = count_nodes(cond);
	}
	c.nodes = cedar_arena_alloc(arena, c.max_nodes * sizeof(CedarNode));
	c.spans = cedar_arena_alloc(arena, c.max_nodes * sizeof(CedarSpan));
	if (c.nodes == NULL || c.spans == NULL)
		return cedar_nomem(err);
	head.nodes = sizeof(head);
	head.spans = head.nodes + c.max_nodes * (uint32_t) sizeof(CedarNode);
	c.base = head.spans + c.max_nodes * sizeof(CedarSpan);
	c.data.arena = arena;
	for (int v = 0; v < 3; v++)
		TRY(compile_scope(&c, &pol->scope[v], &head.scope[v]));
	if (cond != NULL)
		TRY(compile_expr(&c, cond, &head.root));
	head.n_nodes = c.n_nodes;
	head.size = (uint32_t) (c.base + c.data.len);

	block = cedar_arena_alloc(arena, head.size);
	if (block == NULL)
		return cedar_nomem(err);
	memcpy(block, &head, sizeof(head));
	if (c.n_nodes > 0)
	{
		memcpy(block + head.nodes, c.nodes, c.n_nodes * sizeof(CedarNode));
		memcpy(block + head.spans, c.spans, c.n_nodes * sizeof(CedarSpan));
	}
	if (c.data.len > 0)
		memcpy(block + c.base, c.data.data, c.data.len);
	((struct CedarPiece *) block)->checksum = cedar_block_checksum(block, head.size);
	*piece = (const CedarPiece *) block;
	*size = head.size;
	return CEDAR_OK;
}

bool
cedar_piece_is_template(const CedarPiece *piece)
{
	return piece->template != 0;
}

bool
cedar_piece_is_forbid(const CedarPiece *piece)
{
	return piece->forbid != 0;
}

size_t
cedar_piece_size(const CedarPiece *piece)
{
	return piece->size;
}
