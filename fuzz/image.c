/*-------------------------------------------------------------------------
 *
 * image.c
 *	  Fuzz target: the bytes of a compiled policy, of a scope index, or of an
 *	  image of many policies.  What passes the check can be used: no crash, no
 *	  endless run.
 *
 * The first byte is 'P' for a policy, 'I' for an index of the policies in
 * fuzz_policies, and 'M' for an image.  The mutator of this target changes whole words and puts
 * hashes and the checksum right afterwards: blind changes end at them.
 *
 *-------------------------------------------------------------------------
 */
#include "fuzz.h"

#include "internal.h"

size_t		LLVMFuzzerMutate(uint8_t *data, size_t size, size_t max_size);
size_t		LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned seed);

/* ----------------------------------------------------------------- target */

static void
try_piece(CedarArena *arena, const char *block, size_t size,
		  CedarEntities *entities, const CedarRequest *request)
{
	CedarPolicy policies[2];
	CedarDecision decision;
	CedarError	err;
	CedarCode	code;

	memset(&err, 0, sizeof(err));
	code = cedar_piece_verify(arena, block, size, &err);
	if (code != CEDAR_OK)
	{
		fuzz_check_error(code, &err, size);
		FUZZ_REQUIRE(code == CEDAR_ERR_IMAGE || code == CEDAR_ERR_STACK, "%s", err.message);
		return;
	}
	policies[0] = (CedarPolicy) {.piece = (const CedarPiece *) block, .id = "p", .id_len = 1};
	policies[1] = policies[0];
	policies[1].piece = (const CedarPiece *) fuzz_copy(block, size);
	/* positions are those of a text that is not at hand */
	if (!fuzz_authorize(arena, policies, 2, entities, request, &decision, SIZE_MAX))
		return;
	FUZZ_REQUIRE(decision.n_errors % 2 == 0 && decision.n_reasons % 2 == 0,
				 "the same policy twice gives two answers");
}

static void
try_index(CedarArena *arena, const char *block, size_t size,
		  CedarEntities *entities, const CedarRequest *request)
{
	CedarEntitySource source = cedar_entities_source(entities);
	CedarAst   *ast;
	CedarPolicy *policies;
	CedarDecision d;
	CedarError	err;
	CedarCode	code;
	uint32_t	n;

	memset(&err, 0, sizeof(err));
	if (cedar_parse(arena, fuzz_policies, strlen(fuzz_policies), &ast, &err) != CEDAR_OK ||
		(policies = fuzz_compile(arena, ast, strlen(fuzz_policies))) == NULL)
		return;
	n = cedar_ast_count(ast);
	code = cedar_index_verify(arena, block, size, n, &err);
	if (code != CEDAR_OK)
	{
		fuzz_check_error(code, &err, size);
		return;
	}
	code = cedar_authorize(arena, policies, n, (const CedarIndex *) block, &source, request, true, &d, &err);
	if (code != CEDAR_OK)
	{
		fuzz_check_error(code, &err, SIZE_MAX);
		return;
	}
	for (uint32_t i = 0; i < d.n_reasons; i++)
		FUZZ_REQUIRE(d.reasons[i] < n && (i == 0 || d.reasons[i] >= d.reasons[i - 1]), "reason %u", i);
	for (uint32_t i = 0; i < d.n_errors; i++)
		FUZZ_REQUIRE(d.errors[i].policy < n, "error %u", i);
}

static void
try_image(CedarArena *arena, const char *block, size_t size,
		  CedarEntities *entities, const CedarRequest *request)
{
	CedarEntitySource source = cedar_entities_source(entities);
	CedarLayer	layer = {.image = (const CedarImage *) block};
	CedarPolicies policies = {.n_layers = 1, .layers = &layer};
	CedarDecision d;
	CedarError	err;
	CedarCode	code;
	uint32_t	n;

	memset(&err, 0, sizeof(err));
	code = cedar_image_verify(arena, block, size, &err);
	if (code != CEDAR_OK)
	{
		fuzz_check_error(code, &err, size);
		return;
	}
	n = cedar_image_count(layer.image);
	FUZZ_REQUIRE(cedar_policies_count(&policies) == n, "%u policies", n);
	for (uint32_t i = 0; i < n; i++)
	{
		CedarPolicy p;
		uint32_t	found;

		cedar_image_policy(layer.image, i, &p);
		FUZZ_REQUIRE(cedar_image_find(layer.image, p.id, p.id_len, &found) && found == i, "policy %u", i);
	}
	code = cedar_decide(arena, &policies, &source, request, true, &d, &err);
	if (code != CEDAR_OK)
	{
		fuzz_check_error(code, &err, SIZE_MAX);
		return;
	}
	for (uint32_t i = 0; i < d.n_reasons; i++)
		FUZZ_REQUIRE(d.reasons[i] < n && (i == 0 || d.reasons[i] >= d.reasons[i - 1]), "reason %u", i);
	for (uint32_t i = 0; i < d.n_errors; i++)
		FUZZ_REQUIRE(d.errors[i].policy < n, "error %u", i);
}

void
fuzz_one(CedarArena *arena, const uint8_t *data, size_t size)
{
	const char *block;
	CedarEntities *entities;
	CedarRequest request;
	CedarError	err;

	if (size < 1 ||
		cedar_entities_from_json(arena, fuzz_entities, strlen(fuzz_entities), &entities, &err) != CEDAR_OK ||
		cedar_request_from_json(arena, fuzz_request, strlen(fuzz_request), &request, &err) != CEDAR_OK)
		return;
	block = fuzz_copy(data + 1, size - 1);
	if (data[0] == 'I')
		try_index(arena, block, size - 1, entities, &request);
	else if (data[0] == 'M')
		try_image(arena, block, size - 1, entities, &request);
	else
		try_piece(arena, block, size - 1, entities, &request);
}

/* ---------------------------------------------------------------- mutator */

typedef struct Repair
{
	char	   *block;
	size_t		size;
	int			budget;
} Repair;

static bool
inside(const Repair *r, uint64_t offset, uint64_t size)
{
	return offset % 4 == 0 && offset <= r->size && size <= r->size - offset;
}

static uint32_t
repair_str(Repair *r, uint64_t offset)
{
	CedarStr   *s = (CedarStr *) (r->block + offset);

	if (!inside(r, offset, sizeof(CedarStr)) ||
		!inside(r, offset, sizeof(CedarStr) + (uint64_t) s->len))
		return 0;
	return s->hash = cedar_hash_bytes(s->bytes, s->len, 0);
}

static uint32_t
repair_uid(Repair *r, uint64_t offset)
{
	CedarUid   *u = (CedarUid *) (r->block + offset);

	if (!inside(r, offset, sizeof(CedarUid)) ||
		!inside(r, offset, sizeof(CedarUid) + (uint64_t) u->type_len + u->id_len))
		return 0;
	u->type_hash = cedar_hash_bytes(u->bytes, u->type_len, 0);
	return u->hash = cedar_hash_bytes(u->bytes + u->type_len, u->id_len, u->type_hash);
}

static void
repair_slot(Repair *r, uint64_t offset, int depth)
{
	CedarSlot  *slot = (CedarSlot *) (r->block + offset);
	uint64_t	at;
	CedarValue	v;

	if (r->budget-- <= 0 || depth > 20 || offset % 8 != 0 || !inside(r, offset, sizeof(CedarSlot)))
		return;
	if (!cedar_kind_is_reference(slot->kind))
	{
		slot->hash = cedar_hash_value((CedarKind) slot->kind, slot->u.i);
		return;
	}
	at = offset + (uint64_t) slot->u.rel;
	if (!inside(r, at, 8) ||
		((slot->kind == CEDAR_SET || slot->kind == CEDAR_RECORD) && at % 8 != 0))
		return;
	v = cedar_slot_value(slot);
	switch (slot->kind)
	{
		case CEDAR_STRING:
			slot->hash = repair_str(r, at);
			break;
		case CEDAR_ENTITY:
			slot->hash = repair_uid(r, at);
			break;
		case CEDAR_IPADDR:
			if (inside(r, at, sizeof(CedarIp)))
				slot->hash = cedar_value_ip(v.u.ip).hash;
			break;
		case CEDAR_SET:
			{
				CedarSet   *set = (CedarSet *) (r->block + at);

				if (!inside(r, at, sizeof(CedarSet) + (uint64_t) set->n * sizeof(CedarSlot)))
					return;
				slot->hash = cedar_hash_mix(CEDAR_SET, set->n);
				for (uint32_t i = 0; i < set->n; i++)
				{
					repair_slot(r, at + sizeof(CedarSet) + i * sizeof(CedarSlot), depth + 1);
					slot->hash = cedar_hash_mix(slot->hash,
												cedar_hash_mix(set->elems[i].kind, set->elems[i].hash));
				}
				set->hash = slot->hash;
				break;
			}
		case CEDAR_RECORD:
			{
				CedarRecord *rec = (CedarRecord *) (r->block + at);

				if (!inside(r, at, sizeof(CedarRecord) + (uint64_t) rec->n * sizeof(CedarField)))
					return;
				slot->hash = cedar_hash_mix(CEDAR_RECORD, rec->n);
				for (uint32_t i = 0; i < rec->n; i++)
				{
					CedarField *f = &rec->fields[i];

					repair_slot(r, (uint64_t) ((char *) &f->key - r->block), depth + 1);
					repair_slot(r, (uint64_t) ((char *) &f->value - r->block), depth + 1);
					slot->hash = cedar_hash_mix(slot->hash, f->key.hash);
					slot->hash = cedar_hash_mix(slot->hash,
												cedar_hash_mix(f->value.kind, f->value.hash));
				}
				rec->hash = slot->hash;
				break;
			}
	}
}

static void
repair_list(Repair *r, uint64_t offset, uint32_t n, uint32_t (*one) (Repair *, uint64_t))
{
	for (uint32_t i = 0; i < n && r->budget-- > 0; i++)
	{
		uint64_t	at = offset + (uint64_t) i * sizeof(uint32_t);

		if (!inside(r, at, sizeof(uint32_t)))
			return;
		one(r, *(uint32_t *) (r->block + at));
	}
}

/* Make hashes those of what is there, as far as it can be found. */
static void
repair(char *block, size_t size)
{
	Repair		r = {block, size, 10000};
	struct CedarPiece *p = (struct CedarPiece *) block;

	if (size < sizeof(*p))
		return;
	p->magic = CEDAR_PIECE_MAGIC;
	p->format = CEDAR_PIECE_FORMAT;
	p->size = (uint32_t) size;
	for (int i = 0; i < 3; i++)
	{
		if (p->scope[i].type != 0)
			repair_str(&r, p->scope[i].type);
		repair_list(&r, p->scope[i].uids, p->scope[i].n, repair_uid);
	}
	for (uint32_t i = 0; i < p->n_nodes && r.budget-- > 0; i++)
	{
		uint64_t	at = p->nodes + (uint64_t) i * sizeof(CedarNode);
		CedarNode  *n = (CedarNode *) (block + at);

		if (!inside(&r, at, sizeof(CedarNode)))
			return;
		switch (n->op)
		{
			case CEDAR_OP_LIT:
				repair_slot(&r, n->a, 0);
				break;
			case CEDAR_OP_GET_ATTR:
			case CEDAR_OP_LIKE:
			case CEDAR_OP_IS:
				repair_str(&r, n->b);
				break;
			case CEDAR_OP_HAS_ATTR:
				repair_list(&r, n->b, n->c, repair_str);
				break;
			case CEDAR_OP_RECORD:
				repair_list(&r, n->c, n->b, repair_str);
				break;
		}
	}
}

#define IMAGE_IDS_AT 36			/* in an image: up to where its checksum goes, in units of 8 */

/* Put the checksum of any kind of block right. */
static void
seal(char kind, char *block, size_t size)
{
	uint64_t	sum;

	if (kind == 'M' && size >= IMAGE_IDS_AT + 4)
	{
		uint32_t	ids;

		memcpy(&ids, block + IMAGE_IDS_AT, sizeof(ids));
		if (ids > 2 && ids <= size / 8)
			size = (size_t) ids * 8;
	}
	if (size < CEDAR_CHECKSUM_AT + sizeof(sum))
		return;
	sum = cedar_block_checksum(block, size);
	memcpy(block + CEDAR_CHECKSUM_AT, &sum, sizeof(sum));
}

static uint32_t
next_random(uint32_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 17;
	*state ^= *state << 5;
	return *state;
}

/* Change one word of the block, or one byte of it. */
static void
change(char *block, size_t size, uint32_t *state)
{
	uint32_t   *words = (uint32_t *) block;
	uint32_t	n = (uint32_t) (size / 4);
	uint32_t	i = next_random(state) % n;
	static const uint32_t steps[] = {1, 2, 4, 8, 16, 32};
	uint32_t	step = steps[next_random(state) % 6];

	switch (next_random(state) % 9)
	{
		case 0:
			words[i] = words[next_random(state) % n];
			break;
		case 1:
			words[i] += step;
			break;
		case 2:
			words[i] -= step;
			break;
		case 3:
			words[i] = 0;
			break;
		case 4:
			words[i] = UINT32_MAX - next_random(state) % 2;
			break;
		case 5:
			words[i] = next_random(state) % (uint32_t) (size + 16) & ~7u;
			break;
		case 6:
			words[i] = next_random(state) % 16;
			break;
		case 7:
			block[next_random(state) % size] = (char) next_random(state);
			break;
		case 8:
			{
				/* two words change places: operands, offsets, lengths */
				uint32_t	k = next_random(state) % n;
				uint32_t	w = words[i];

				words[i] = words[k];
				words[k] = w;
				break;
			}
	}
}

size_t
LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned seed)
{
	uint32_t	state = seed * 2654435761u + 1;
	char	   *block;

	if (size < 9 || next_random(&state) % 8 == 0)
		return LLVMFuzzerMutate(data, size, max_size);
	block = malloc(size - 1);
	if (block == NULL)
		abort();
	memcpy(block, data + 1, size - 1);
	for (uint32_t n = 1 + next_random(&state) % 3; n > 0; n--)
		change(block, size - 1, &state);
	if (data[0] == 'P' && next_random(&state) % 8 != 0)
		repair(block, size - 1);
	if (next_random(&state) % 32 != 0)
		seal((char) data[0], block, size - 1);
	memcpy(data + 1, block, size - 1);
	free(block);
	return size;
}
