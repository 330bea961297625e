/*-------------------------------------------------------------------------
 *
 * verify.c
 *	  The check of a compiled policy that came from elsewhere.
 *
 * What passes here can be evaluated without reading outside its block and
 * without endless recursion: offsets lie inside and are aligned, children of
 * a node have smaller numbers, depths are what they claim, strings are UTF-8,
 * hashes are those of their contents, sets and records are in order.
 *
 * The compiler writes every object once, so a sound block is read about once:
 * more bytes than it has are not looked at, however its parts are shared.
 *
 *-------------------------------------------------------------------------
 */
#include "image.h"

typedef struct Checker
{
	const CedarArena *arena;	/* for its host's checks */
	const char *block;
	size_t		size;
	const CedarPiece *piece;
	uint64_t	budget;			/* bytes left to look at */
	uint64_t	next_check;		/* of interrupts: when the budget is here */
	uint32_t	visited;		/* nodes met on the walk from the root */
	bool		too_deep;		/* the host's stack, not the piece, is at fault */
} Checker;

/* Objects may be shared by several slots: bound the work, not only the depth. */
static bool
spend(Checker *c, uint64_t bytes)
{
	if (bytes > c->budget)
		return false;
	c->budget -= bytes;
	if (c->budget <= c->next_check)
	{
		c->next_check = c->budget > CEDAR_BYTES_PER_CHECK ? c->budget - CEDAR_BYTES_PER_CHECK : 0;
		cedar_arena_check_interrupt(c->arena);
	}
	return true;
}

static bool
stack_ok(Checker *c)
{
	c->too_deep = c->too_deep || cedar_arena_stack_is_too_deep(c->arena);
	return !c->too_deep;
}

static bool
range_ok(const Checker *c, uint64_t offset, uint64_t size, unsigned align)
{
	return offset % align == 0 && offset <= c->size && size <= c->size - offset;
}

static bool
str_ok(Checker *c, uint64_t offset, bool pattern)
{
	const CedarStr *s = (const CedarStr *) (c->block + offset);

	if (!range_ok(c, offset, sizeof(CedarStr), 4) ||
		!range_ok(c, offset, sizeof(CedarStr) + (uint64_t) s->len, 4) ||
		!spend(c, sizeof(CedarStr) + (uint64_t) s->len) ||
		s->hash != cedar_hash_bytes(s->bytes, s->len, 0))
		return false;
	if (!pattern)
		return cedar_utf8_invalid_at(s->bytes, s->len) == s->len;
	/* between the wildcards */
	for (size_t i = 0; i < s->len;)
	{
		size_t		end = i;

		while (end < s->len && s->bytes[end] != CEDAR_WILDCARD)
			end++;
		if (cedar_utf8_invalid_at(s->bytes + i, end - i) != end - i)
			return false;
		i = end + 1;
	}
	return true;
}

static bool
uid_ok(Checker *c, uint64_t offset)
{
	const CedarUid *u = (const CedarUid *) (c->block + offset);

	if (!range_ok(c, offset, sizeof(CedarUid), 4) ||
		!range_ok(c, offset, sizeof(CedarUid) + (uint64_t) u->type_len + u->id_len, 4) ||
		!spend(c, sizeof(CedarUid) + (uint64_t) u->type_len + u->id_len))
		return false;
	return cedar_is_name(u->bytes, u->type_len) &&
		cedar_utf8_invalid_at(u->bytes + u->type_len, u->id_len) == u->id_len &&
		u->type_hash == cedar_hash_bytes(u->bytes, u->type_len, 0) &&
		u->hash == cedar_hash_bytes(u->bytes + u->type_len, u->id_len, u->type_hash);
}

static bool
slot_ok(Checker *c, uint64_t offset, int depth)
{
	const CedarSlot *slot = (const CedarSlot *) (c->block + offset);
	CedarValue	prev,
				v;
	uint64_t	at;
	uint32_t	h;

	if (depth > CEDAR_MAX_DEPTH || !stack_ok(c) ||
		!range_ok(c, offset, sizeof(CedarSlot), 8) || !spend(c, sizeof(CedarSlot)))
		return false;
	if (!cedar_kind_is_reference(slot->kind))
	{
		if (slot->kind >= CEDAR_KIND_COUNT ||
			(slot->kind == CEDAR_BOOL && slot->u.i != 0 && slot->u.i != 1))
			return false;
		return slot->hash == cedar_hash_value((CedarKind) slot->kind, slot->u.i);
	}
	/* a negative or huge distance wraps to an offset outside the block */
	at = offset + (uint64_t) slot->u.rel;
	if (at >= c->size)
		return false;
	v = cedar_slot_value(slot);
	switch ((CedarKind) slot->kind)
	{
		case CEDAR_STRING:
			return str_ok(c, at, false) && slot->hash == v.u.str->hash;
		case CEDAR_ENTITY:
			return uid_ok(c, at) && slot->hash == v.u.uid->hash;
		case CEDAR_IPADDR:
			return range_ok(c, at, sizeof(CedarIp), 1) && spend(c, sizeof(CedarIp)) &&
				v.u.ip->is_v6 <= 1 && v.u.ip->prefix <= (v.u.ip->is_v6 ? 128 : 32) &&
				slot->hash == cedar_value_ip(v.u.ip).hash;
		case CEDAR_SET:
			if (!range_ok(c, at, sizeof(CedarSet), 8) ||
				!range_ok(c, at, sizeof(CedarSet) + v.u.set->n * (uint64_t) sizeof(CedarSlot), 8))
				return false;
			h = cedar_hash_mix(CEDAR_SET, v.u.set->n);
			for (uint32_t i = 0; i < v.u.set->n; i++)
			{
				CedarValue	e;

				if (!slot_ok(c, at + sizeof(CedarSet) + i * (uint64_t) sizeof(CedarSlot), depth + 1))
					return false;
				e = cedar_slot_value(&v.u.set->elems[i]);
				if (i > 0 && cedar_value_compare(&prev, &e) >= 0)
					return false;
				prev = e;
				h = cedar_hash_mix(h, cedar_hash_mix(e.kind, e.hash));
			}
			return v.u.set->hash == h && slot->hash == h;
		case CEDAR_RECORD:
			if (!range_ok(c, at, sizeof(CedarRecord), 8) ||
				!range_ok(c, at, sizeof(CedarRecord) + v.u.rec->n * (uint64_t) sizeof(CedarField), 8))
				return false;
			h = cedar_hash_mix(CEDAR_RECORD, v.u.rec->n);
			for (uint32_t i = 0; i < v.u.rec->n; i++)
			{
				const CedarField *f = &v.u.rec->fields[i];
				uint64_t	field = at + sizeof(CedarRecord) + i * (uint64_t) sizeof(CedarField);
				CedarValue	key;

				if (f->key.kind != CEDAR_STRING || !slot_ok(c, field, depth + 1) ||
					!slot_ok(c, field + sizeof(CedarSlot), depth + 1))
					return false;
				key = cedar_slot_value(&f->key);
				if (i > 0 && cedar_value_compare(&prev, &key) >= 0)
					return false;
				prev = key;
				h = cedar_hash_mix(h, key.hash);
				h = cedar_hash_mix(h, cedar_hash_mix(f->value.kind, f->value.hash));
			}
			return v.u.rec->hash == h && slot->hash == h;
		default:
			return false;
	}
}

/* An array of n offsets of strings. */
static bool
strs_ok(Checker *c, uint64_t offset, uint32_t n)
{
	const uint32_t *list = (const uint32_t *) (c->block + offset);

	if (!range_ok(c, offset, n * (uint64_t) sizeof(uint32_t), 4))
		return false;
	for (uint32_t i = 0; i < n; i++)
		if (!spend(c, sizeof(uint32_t)) || !str_ok(c, list[i], false))
			return false;
	return true;
}

/* The same, in ascending order: no two of a record's keys are equal. */
static bool
keys_ok(Checker *c, uint64_t offset, uint32_t n)
{
	const uint32_t *list = (const uint32_t *) (c->block + offset);

	if (!strs_ok(c, offset, n))
		return false;
	for (uint32_t i = 1; i < n; i++)
		if (cedar_str_order((const CedarStr *) (c->block + list[i - 1]),
							(const CedarStr *) (c->block + list[i])) >= 0)
			return false;
	return true;
}

/* A child: smaller than its parent in number and in depth. */
static bool
child_ok(const Checker *c, uint32_t parent, uint32_t child)
{
	const CedarNode *nodes = cedar_piece_nodes(c->piece);

	return child < parent && nodes[child].depth < nodes[parent].depth;
}

static bool
list_ok(Checker *c, uint32_t node)
{
	const CedarNode *n = &cedar_piece_nodes(c->piece)[node];
	const uint32_t *list = (const uint32_t *) (c->block + n->a);

	if (!range_ok(c, n->a, n->b * (uint64_t) sizeof(uint32_t), 4))
		return false;
	for (uint32_t i = 0; i < n->b; i++)
		if (!spend(c, sizeof(uint32_t)) || !child_ok(c, node, list[i]))
			return false;
	return true;
}

static bool
node_ok(Checker *c, uint32_t i)
{
	const CedarNode *n = &cedar_piece_nodes(c->piece)[i];

	if (n->depth > CEDAR_MAX_DEPTH + 2)
		return false;
	switch (n->op)
	{
		case CEDAR_OP_LIT:
			return slot_ok(c, n->a, 0);
		case CEDAR_OP_VAR:
			return n->n <= CEDAR_VAR_CONTEXT;
		case CEDAR_OP_IF:
			return child_ok(c, i, n->a) && child_ok(c, i, n->b) && child_ok(c, i, n->c);
		case CEDAR_OP_AND:
		case CEDAR_OP_OR:
			return n->b > 0 && list_ok(c, i);
		case CEDAR_OP_SET:
			return list_ok(c, i);
		case CEDAR_OP_CALL:
			return n->n < CEDAR_FN_COUNT && list_ok(c, i);
		case CEDAR_OP_RECORD:
			return list_ok(c, i) && keys_ok(c, n->c, n->b);
		case CEDAR_OP_NOT:
		case CEDAR_OP_NEG:
		case CEDAR_OP_IS_EMPTY:
			return child_ok(c, i, n->a);
		case CEDAR_OP_GET_ATTR:
			return child_ok(c, i, n->a) && str_ok(c, n->b, false);
		case CEDAR_OP_LIKE:
			return child_ok(c, i, n->a) && str_ok(c, n->b, true);
		case CEDAR_OP_HAS_ATTR:
			return n->c > 0 && child_ok(c, i, n->a) && strs_ok(c, n->b, n->c);
		case CEDAR_OP_IS:
			return child_ok(c, i, n->a) && str_ok(c, n->b, false) &&
				(n->c == CEDAR_NONE || child_ok(c, i, n->c));
		case CEDAR_OP_EQ:
		case CEDAR_OP_NE:
		case CEDAR_OP_LT:
		case CEDAR_OP_LE:
		case CEDAR_OP_GT:
		case CEDAR_OP_GE:
		case CEDAR_OP_ADD:
		case CEDAR_OP_SUB:
		case CEDAR_OP_MUL:
		case CEDAR_OP_IN:
		case CEDAR_OP_CONTAINS:
		case CEDAR_OP_CONTAINS_ALL:
		case CEDAR_OP_CONTAINS_ANY:
		case CEDAR_OP_GET_TAG:
		case CEDAR_OP_HAS_TAG:
			return child_ok(c, i, n->a) && child_ok(c, i, n->b);
		default:
			/* slots stand in scopes only */
			return false;
	}
}

/*
 * Are the nodes a tree, numbered as the compiler does it (operands in order,
 * then the node)?  A node with two parents could make evaluation exponential.
 * Depths shrink at every step, and the first node that is met again ends the
 * walk, so it is linear in the number of nodes.
 */
static bool
tree_ok(Checker *c, uint32_t i)
{
	const CedarNode *n = &cedar_piece_nodes(c->piece)[i];
	const uint32_t *list = (const uint32_t *) (c->block + n->a);
	bool		ok = true;

	if (!stack_ok(c))
		return false;
	if (c->visited % 4096 == 0)
		cedar_arena_check_interrupt(c->arena);
	switch (n->op)
	{
		case CEDAR_OP_LIT:
		case CEDAR_OP_VAR:
			break;
		case CEDAR_OP_IF:
			ok = tree_ok(c, n->a) && tree_ok(c, n->b) && tree_ok(c, n->c);
			break;
		case CEDAR_OP_AND:
		case CEDAR_OP_OR:
		case CEDAR_OP_SET:
		case CEDAR_OP_RECORD:
		case CEDAR_OP_CALL:
			for (uint32_t k = 0; ok && k < n->b; k++)
				ok = tree_ok(c, list[k]);
			break;
		case CEDAR_OP_NOT:
		case CEDAR_OP_NEG:
		case CEDAR_OP_IS_EMPTY:
		case CEDAR_OP_GET_ATTR:
		case CEDAR_OP_HAS_ATTR:
		case CEDAR_OP_LIKE:
			ok = tree_ok(c, n->a);
			break;
		case CEDAR_OP_IS:
			ok = tree_ok(c, n->a) && (n->c == CEDAR_NONE || tree_ok(c, n->c));
			break;
		default:
			ok = tree_ok(c, n->a) && tree_ok(c, n->b);
			break;
	}
	return ok && c->visited++ == i;
}

static bool
scope_ok(Checker *c, const CedarScope *s, CedarVar var)
{
	const uint32_t *uids = (const uint32_t *) (c->block + s->uids);
	bool		is = s->op == CEDAR_SCOPE_IS || s->op == CEDAR_SCOPE_IS_IN;

	if (s->op > CEDAR_SCOPE_IS_IN || s->slot > 1 || s->unused != 0 ||
		(is ? !str_ok(c, s->type, false) : s->type != 0) ||
		!range_ok(c, s->uids, s->n * (uint64_t) sizeof(uint32_t), 4))
		return false;
	if (var == CEDAR_VAR_ACTION && (is || s->slot))
		return false;
	switch ((CedarScopeOp) s->op)
	{
		case CEDAR_SCOPE_ANY:
		case CEDAR_SCOPE_IS:
			if (s->n != 0 || s->slot)
				return false;
			break;
		case CEDAR_SCOPE_EQ:
			if (s->n + s->slot != 1)
				return false;
			break;
		case CEDAR_SCOPE_IN:
		case CEDAR_SCOPE_IS_IN:
			if (var != CEDAR_VAR_ACTION && s->n + s->slot != 1)
				return false;
			break;
	}
	for (uint32_t i = 0; i < s->n; i++)
		if (!spend(c, sizeof(uint32_t)) || !uid_ok(c, uids[i]))
			return false;
	return true;
}

bool
cedar_uid_verify(const CedarArena *arena, const void *block, size_t size,
				 uint64_t offset, uint64_t *uid_size)
{
	Checker		c = {.arena = arena,.block = block,.size = size,.budget = size};
	const CedarUid *u = (const CedarUid *) ((const char *) block + offset);

	if (!uid_ok(&c, offset))
		return false;
	*uid_size = cedar_uid_size(u->type_len, u->id_len);
	return true;
}

static CedarCode
damaged(const Checker *c, const char *what, CedarError *err)
{
	return c->too_deep ? cedar_stack(err) :
		cedar_fail(err, CEDAR_ERR_IMAGE, "compiled policy %s", what);
}

CedarCode
cedar_piece_verify(const CedarArena *arena, const void *block, size_t size, CedarError *err)
{
	Checker		c = {.arena = arena,.block = block,.size = size,.piece = block};
	const CedarPiece *p = block;
	bool		slot = false;

	if ((uintptr_t) block % 8 != 0 || size < sizeof(*p) || p->magic != CEDAR_PIECE_MAGIC)
		return cedar_fail(err, CEDAR_ERR_IMAGE, "not a compiled policy");
	if (p->format != CEDAR_PIECE_FORMAT)
		return cedar_fail(err, CEDAR_ERR_IMAGE,
						  "compiled policy has format %u, this library reads %d",
						  (unsigned) p->format, CEDAR_PIECE_FORMAT);
	if (p->size != size || p->checksum != cedar_block_checksum(block, size))
		return cedar_fail(err, CEDAR_ERR_IMAGE, "compiled policy has a wrong checksum");
	c.budget = c.next_check = size;
	if (p->forbid > 1 || p->template > 1 || p->unused != 0 ||
		!range_ok(&c, p->nodes, p->n_nodes * (uint64_t) sizeof(CedarNode), 8) ||
		!range_ok(&c, p->spans, p->n_nodes * (uint64_t) sizeof(CedarSpan), 4) ||
		(p->root == CEDAR_NONE ? p->n_nodes != 0 : p->root >= p->n_nodes))
		return damaged(&c, "has a damaged header", err);
	for (int i = 0; i < 3; i++)
	{
		slot = slot || p->scope[i].slot != 0;
		if (!scope_ok(&c, &p->scope[i], (CedarVar) i))
			return damaged(&c, "has a damaged scope", err);
	}
	if (slot != (p->template != 0))
		return damaged(&c, "has a damaged scope", err);
	for (uint32_t i = 0; i < p->n_nodes; i++)
		if (!spend(&c, sizeof(CedarNode)) || !node_ok(&c, i))
			return damaged(&c, "has a damaged node", err);
	if (p->root != CEDAR_NONE &&
		(!tree_ok(&c, p->root) || c.visited != p->n_nodes))
		return damaged(&c, "is not a tree", err);
	return CEDAR_OK;
}
