/*-------------------------------------------------------------------------
 *
 * image.c
 *	  Images: many compiled policies and their scope index as one block, and
 *	  layers of such blocks as one set of policies.
 *
 * An image refers to everything inside by offset, in units of 8 bytes, so that
 * it can stand in memory that several processes map at different addresses
 * (docs/image.md).  It does not change once it is written: a set that changes
 * gets another layer, with the policies that are new, and a bitmap over each
 * layer below of those that are gone.
 *
 *-------------------------------------------------------------------------
 */
#include "image.h"
#include "index.h"

#define ALIGN8(n) (((n) + 7) & ~(uint64_t) 7)
#define UNITS(n) ((uint32_t) ((n) / 8))

/* A policy, or a template, or a link. */
typedef struct Entry
{
	uint32_t	piece;			/* these four are offsets; 0: none */
	uint32_t	id;
	uint32_t	principal;		/* value of ?principal */
	uint32_t	resource;
	uint32_t	id_len;
	uint32_t	unused;
} Entry;

struct CedarImage
{
	uint32_t	magic;
	uint32_t	format;
	uint64_t	checksum;		/* of what is behind it, up to the ids */
	uint64_t	size;			/* of the whole block, in bytes */
	uint32_t	n;				/* policies */
	uint32_t	n_pieces;
	uint32_t	pieces;			/* offset of the pieces' offsets, ascending */
	uint32_t	ids;			/* offset: what is before it has the checksum */
	uint32_t	index;			/* offset */
	uint32_t	index_size;		/* in units */
	Entry		entries[];		/* by id, no two equal */
};

#define IMAGE_MAGIC		0x31494443	/* "CDI1", little-endian */
#define IMAGE_FORMAT	1

CEDAR_STATIC_ASSERT(sizeof(Entry) == 24 && sizeof(struct CedarImage) == 48,
					"the image has no padding");
CEDAR_STATIC_ASSERT(offsetof(struct CedarImage, checksum) == CEDAR_CHECKSUM_AT,
					"the checksum is where cedar_block_checksum expects it");

static inline const void *
at(const CedarImage *image, uint32_t offset)
{
	return (const char *) image + (uint64_t) offset * 8;
}

static int
id_compare(const char *a, size_t a_len, const char *b, size_t b_len)
{
	int			c = memcmp(a, b, a_len < b_len ? a_len : b_len);

	return c != 0 ? c : a_len < b_len ? -1 : a_len > b_len;
}

/* ---------------------------------------------------------------- writing */

/* A piece that several links may share, and where it will be. */
typedef struct Shared
{
	const CedarPiece *piece;
	uint32_t	place;			/* number among the pieces */
} Shared;

struct CedarImagePlan
{
	const CedarArena *arena;	/* for its host's checks */
	const CedarPolicy *policies;
	uint32_t	n;
	const CedarIndex *index;
	size_t		index_size;
	uint32_t   *place;			/* of each policy's piece, by number among them */
	uint32_t	n_pieces;
	uint64_t	ids;			/* offsets and size, in bytes */
	uint64_t	size;
};

/* Number the pieces; those of templates are the only ones that are shared. */
static CedarCode
place_pieces(CedarArena *arena, CedarImagePlan *plan, CedarError *err)
{
	Shared	   *shared;
	uint32_t	cap = 16;
	uint32_t	templates = 0;

	for (uint32_t i = 0; i < plan->n; i++)
		templates += plan->policies[i].piece->template;
	while (cap < 2 * (uint64_t) templates && cap < UINT32_C(1) << 30)
		cap *= 2;
	shared = cedar_arena_zalloc(arena, cap * sizeof(Shared));
	plan->place = cedar_arena_alloc(arena, plan->n * sizeof(uint32_t));
	if (shared == NULL || plan->place == NULL)
		return cedar_nomem(err);
	for (uint32_t i = 0; i < plan->n; i++)
	{
		const CedarPiece *piece = plan->policies[i].piece;
		uint32_t	h;

		if (i % 1024 == 0)
			cedar_arena_check_interrupt(arena);
		if (piece->template)
		{
			h = (uint32_t) (((uint64_t) (uintptr_t) piece * UINT64_C(0x9E3779B97F4A7C15)) >> 32) & (cap - 1);
			while (shared[h].piece != NULL && shared[h].piece != piece)
				h = (h + 1) & (cap - 1);
			if (shared[h].piece == piece)
			{
				plan->place[i] = shared[h].place;
				continue;
			}
			shared[h] = (Shared) {piece, plan->n_pieces};
		}
		plan->place[i] = plan->n_pieces++;
		plan->size += ALIGN8(piece->size);
	}
	return CEDAR_OK;
}

static inline uint64_t
slot_size(const CedarUid *uid)
{
	return uid == NULL ? 0 : ALIGN8(cedar_uid_size(uid->type_len, uid->id_len));
}

CedarCode
cedar_image_plan(CedarArena *arena, const CedarPolicy *policies, uint32_t n,
				 CedarImagePlan **result, size_t *size, CedarError *err)
{
	CedarImagePlan *plan = cedar_arena_zalloc(arena, sizeof(CedarImagePlan));

	if (plan == NULL)
		return cedar_nomem(err);
	plan->arena = arena;
	plan->policies = policies;
	plan->n = n;
	TRY(cedar_index_build(arena, policies, n, &plan->index, &plan->index_size, err));
	TRY(place_pieces(arena, plan, err));
	plan->ids = sizeof(CedarImage) + n * (uint64_t) sizeof(Entry) +
		ALIGN8(plan->n_pieces * (uint64_t) sizeof(uint32_t));
	plan->size += plan->ids + plan->index_size;
	for (uint32_t i = 0; i < n; i++)
	{
		const CedarPolicy *p = &policies[i];

		if (i > 0 && id_compare(p[-1].id, p[-1].id_len, p->id, p->id_len) >= 0)
			return cedar_fail(err, CEDAR_ERR_DUPLICATE,
							  "policies of an image must be in the order of their ids");
		plan->size += ALIGN8(p->id_len) + slot_size(p->principal) + slot_size(p->resource);
	}
	if (plan->size / 8 > UINT32_MAX || plan->size > SIZE_MAX / 2)
		return cedar_fail(err, CEDAR_ERR_LIMIT, "too many policies for an image");
	*result = plan;
	*size = (size_t) plan->size;
	return CEDAR_OK;
}

/* Append bytes; gives where they stand. */
static uint32_t
put(char *block, uint64_t *used, const void *bytes, size_t size)
{
	uint64_t	where = *used;

	memcpy(block + where, bytes, size);
	memset(block + where + size, 0, ALIGN8(size) - size);
	*used += ALIGN8(size);
	return UNITS(where);
}

static uint32_t
put_slot(char *block, uint64_t *used, const CedarUid *uid)
{
	return uid == NULL ? 0 : put(block, used, uid, cedar_uid_size(uid->type_len, uid->id_len));
}

void
cedar_image_write(const CedarImagePlan *plan, void *block)
{
	CedarImage *image = block;
	uint32_t   *pieces = (uint32_t *) &image->entries[plan->n];
	uint32_t	n_pieces = 0;
	uint64_t	used = plan->ids;

	memset(block, 0, (size_t) plan->ids);
	image->magic = IMAGE_MAGIC;
	image->format = IMAGE_FORMAT;
	image->size = plan->size;
	image->n = plan->n;
	image->n_pieces = plan->n_pieces;
	image->pieces = UNITS((char *) pieces - (char *) block);
	image->ids = UNITS(plan->ids);
	for (uint32_t i = 0; i < plan->n; i++)
	{
		const CedarPolicy *p = &plan->policies[i];
		Entry	   *e = &image->entries[i];

		if (i % 1024 == 0)
			cedar_arena_check_interrupt(plan->arena);
		e->id = put(block, &used, p->id, p->id_len);
		e->id_len = p->id_len;
		e->principal = put_slot(block, &used, p->principal);
		e->resource = put_slot(block, &used, p->resource);
	}
	for (uint32_t i = 0; i < plan->n; i++)
	{
		if (i % 1024 == 0)
			cedar_arena_check_interrupt(plan->arena);
		if (plan->place[i] == n_pieces)
			pieces[n_pieces++] = put(block, &used, plan->policies[i].piece,
									 plan->policies[i].piece->size);
		image->entries[i].piece = pieces[plan->place[i]];
	}
	image->index_size = UNITS(plan->index_size);
	image->index = put(block, &used, plan->index, plan->index_size);
	image->checksum = cedar_block_checksum(block, (size_t) plan->ids);
}

/* --------------------------------------------------------------- checking */

CedarCode
cedar_image_check(const void *block, size_t size, CedarError *err)
{
	const CedarImage *x = block;
	uint64_t	units = size / 8;

	if ((uintptr_t) block % 8 != 0 || size < sizeof(*x) || x->magic != IMAGE_MAGIC)
		return cedar_fail(err, CEDAR_ERR_IMAGE, "not an image of policies");
	if (x->format != IMAGE_FORMAT)
		return cedar_fail(err, CEDAR_ERR_IMAGE, "image of policies has format %u, this library reads %d",
						  (unsigned) x->format, IMAGE_FORMAT);
	if (x->size != size || size % 8 != 0 ||
		x->pieces != UNITS(sizeof(*x)) + x->n * (uint64_t) (sizeof(Entry) / 8) ||
		x->ids != x->pieces + (x->n_pieces + UINT64_C(1)) / 2 || x->ids > units ||
		x->index < x->ids || x->index > units || x->index_size > units - x->index)
		return cedar_fail(err, CEDAR_ERR_IMAGE, "image of policies has a damaged header");
	return CEDAR_OK;
}

/* Is the piece one of those in the table? */
static bool
piece_known(const CedarImage *x, uint32_t piece)
{
	const uint32_t *pieces = at(x, x->pieces);
	uint32_t	lo = 0;
	uint32_t	hi = x->n_pieces;

	while (lo < hi)
	{
		uint32_t	mid = lo + (hi - lo) / 2;

		if (pieces[mid] == piece)
			return true;
		if (pieces[mid] < piece)
			lo = mid + 1;
		else
			hi = mid;
	}
	return false;
}

static CedarCode
damaged(CedarError *err, const char *what)
{
	return cedar_fail(err, CEDAR_ERR_IMAGE, "image of policies has a damaged %s", what);
}

CedarCode
cedar_image_verify(const CedarArena *arena, const void *block, size_t size, CedarError *err)
{
	const CedarImage *x = block;
	const uint32_t *pieces;
	uint64_t	units = size / 8;
	uint64_t	budget = units; /* no id or uid is looked at twice */

	TRY(cedar_image_check(block, size, err));
	if (x->checksum != cedar_block_checksum(block, (size_t) x->ids * 8))
		return cedar_fail(err, CEDAR_ERR_IMAGE, "image of policies has a wrong checksum");
	pieces = at(x, x->pieces);
	for (uint32_t i = 0; i < x->n_pieces; i++)
	{
		/* a piece ends where the next one begins, the last at the index */
		uint32_t	end = i + 1 < x->n_pieces ? pieces[i + 1] : x->index;

		if (pieces[i] < x->ids || end <= pieces[i] || end > x->index)
			return damaged(err, "table of pieces");
		TRY(cedar_piece_verify(arena, at(x, pieces[i]), (size_t) (end - pieces[i]) * 8, err));
	}
	for (uint32_t i = 0; i < x->n; i++)
	{
		const Entry *e = &x->entries[i];
		uint64_t	id_units = ALIGN8((uint64_t) e->id_len) / 8;
		const char *id = at(x, e->id);

		if (i % 1024 == 0)
			cedar_arena_check_interrupt(arena);
		if (e->unused != 0 || !piece_known(x, e->piece) ||
			e->id < x->ids || e->id > units || id_units > units - e->id || id_units > budget)
			return damaged(err, "entry");
		budget -= id_units;
		if (cedar_text_invalid_at(arena, id, e->id_len) != e->id_len ||
			(i > 0 && id_compare(at(x, e[-1].id), e[-1].id_len, id, e->id_len) >= 0))
			return damaged(err, "id");
		for (int side = 0; side < 2; side++)
		{
			uint32_t	slot = side == 0 ? e->principal : e->resource;
			uint64_t	uid_size;

			if (slot == 0)
				continue;
			if (slot < x->ids ||
				!cedar_uid_verify(arena, block, size, (uint64_t) slot * 8, &uid_size) ||
				ALIGN8(uid_size) / 8 > budget)
				return damaged(err, "value of a slot");
			budget -= ALIGN8(uid_size) / 8;
		}
	}
	return cedar_index_verify(arena, at(x, x->index), (size_t) x->index_size * 8, x->n, err);
}

/* ---------------------------------------------------------------- reading */

uint32_t
cedar_image_count(const CedarImage *image)
{
	return image->n;
}

size_t
cedar_image_size(const CedarImage *image)
{
	return (size_t) image->size;
}

void
cedar_image_policy(const CedarImage *image, uint32_t number, CedarPolicy *policy)
{
	const Entry *e = &image->entries[number];

	policy->piece = at(image, e->piece);
	policy->id = at(image, e->id);
	policy->id_len = e->id_len;
	policy->principal = e->principal == 0 ? NULL : at(image, e->principal);
	policy->resource = e->resource == 0 ? NULL : at(image, e->resource);
}

bool
cedar_image_find(const CedarImage *image, const char *id, size_t id_len, uint32_t *number)
{
	uint32_t	lo = 0;
	uint32_t	hi = image->n;

	while (lo < hi)
	{
		uint32_t	mid = lo + (hi - lo) / 2;
		const Entry *e = &image->entries[mid];
		int			c = id_compare(at(image, e->id), e->id_len, id, id_len);

		if (c == 0)
		{
			*number = mid;
			return true;
		}
		if (c < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	return false;
}

const CedarIndex *
cedar_image_index(const CedarImage *image)
{
	return at(image, image->index);
}

/* --------------------------------------------------------- sets of policies */

uint32_t
cedar_policies_count(const CedarPolicies *policies)
{
	uint32_t	n = policies->n;

	for (uint32_t i = 0; i < policies->n_layers; i++)
		n += policies->layers[i].image->n;
	return n;
}

bool
cedar_policies_get(const CedarPolicies *policies, uint32_t number, CedarPolicy *policy)
{
	if (policies->n_layers == 0)
	{
		*policy = policies->array[number];
		return true;
	}
	for (const CedarLayer *layer = policies->layers;; layer++)
	{
		if (number < layer->image->n)
		{
			cedar_image_policy(layer->image, number, policy);
			return !cedar_layer_is_gone(layer, number);
		}
		number -= layer->image->n;
	}
}

typedef struct Named
{
	const char *id;
	uint32_t	id_len;
	uint32_t	number;
	uint32_t	place;			/* where it was */
} Named;

CEDAR_STATIC_ASSERT(sizeof(Named) <= 24, "cedar_sort takes it");

static int
named_compare(const void *a, const void *b)
{
	const Named *x = a;
	const Named *y = b;

	return id_compare(x->id, x->id_len, y->id, y->id_len);
}

CedarCode
cedar_policies_order(CedarArena *arena, const CedarPolicies *policies, uint32_t n,
					 uint32_t (*number) (const void *items, uint32_t i), const void *items,
					 uint32_t **order, CedarError *err)
{
	Named	   *named = cedar_arena_alloc(arena, n * sizeof(Named));

	*order = cedar_arena_alloc(arena, n * sizeof(uint32_t));
	if (named == NULL || *order == NULL)
		return cedar_nomem(err);
	for (uint32_t i = 0; i < n; i++)
	{
		CedarPolicy policy;

		named[i].number = number(items, i);
		named[i].place = i;
		cedar_policies_get(policies, named[i].number, &policy);
		named[i].id = policy.id;
		named[i].id_len = policy.id_len;
	}
	cedar_sort(arena, named, n, sizeof(Named), named_compare);
	for (uint32_t i = 0; i < n; i++)
		(*order)[i] = named[i].place;
	return CEDAR_OK;
}
