/*-------------------------------------------------------------------------
 *
 * index_test.c
 *	  The scope index against the plain walk over all policies: random sets of
 *	  policies whose scopes name a few entities of a hierarchy, and every
 *	  request over them; the same policies as layers of images, in which stand
 *	  others that are gone.
 *
 * Argument: the number of sets (default 60).
 *
 *-------------------------------------------------------------------------
 */
#define _POSIX_C_SOURCE 200809L

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "build.h"
#include "harness.h"

#define N_ENTITIES 6			/* of a type */

static long passed;
static long failed;

static uint64_t seed;

static uint32_t
rnd(uint32_t n)
{
	/* splitmix64 */
	uint64_t	z = (seed += UINT64_C(0x9E3779B97F4A7C15));

	z = (z ^ (z >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94D049BB133111EB);
	return (uint32_t) ((z ^ (z >> 31)) % n);
}

/* Types of principals and resources; the second of each is where parents are. */
static const char *const types[2][3] = {{"User", "Group", "Robot"}, {"Doc", "Folder", "App::Doc"}};

static void
put_uid(FILE *f, int side)
{
	const char *type = types[side][rnd(3)];

	fprintf(f, "%s::\"%u\"", type, rnd(N_ENTITIES));
}

static void
put_scope(FILE *f, const char *var, int side)
{
	switch (rnd(6))
	{
		case 0:
			fprintf(f, "%s", var);
			break;
		case 1:
		case 2:
			fprintf(f, "%s == ", var);
			put_uid(f, side);
			break;
		case 3:
			fprintf(f, "%s in ", var);
			put_uid(f, side);
			break;
		case 4:
			fprintf(f, "%s is %s", var, types[side][rnd(3)]);
			break;
		case 5:
			fprintf(f, "%s is %s in ", var, types[side][rnd(3)]);
			put_uid(f, side);
			break;
	}
}

static void
put_action(FILE *f)
{
	uint32_t	n = rnd(4);

	switch (rnd(4))
	{
		case 0:
			fprintf(f, "action");
			break;
		case 1:
			fprintf(f, "action == Action::\"%u\"", rnd(N_ENTITIES));
			break;
		case 2:
			fprintf(f, "action in Action::\"%u\"", rnd(N_ENTITIES));
			break;
		case 3:
			fprintf(f, "action in [");
			for (uint32_t i = 0; i < n; i++)
				fprintf(f, "Action::\"%u\",", rnd(N_ENTITIES));
			fprintf(f, "]");
			break;
	}
}

static void
put_policies(FILE *f, uint32_t n)
{
	static const char *const conditions[] = {
		"", "", " when { context.x == 1 }", " when { false }", " when { context.missing }",
		" unless { principal in resource }"
	};

	for (uint32_t i = 0; i < n; i++)
	{
		fprintf(f, "%s(", rnd(4) == 0 ? "forbid" : "permit");
		put_scope(f, "principal", 0);
		fprintf(f, ", ");
		put_action(f);
		fprintf(f, ", ");
		put_scope(f, "resource", 1);
		fprintf(f, ")%s;\n", conditions[rnd(6)]);
	}
}

/* A parent has a larger number, so there are no cycles. */
static void
put_entities(FILE *f)
{
	const char *sep = "";

	fprintf(f, "[");
	for (int side = 0; side < 3; side++)
	{
		for (uint32_t t = 0; t < (side == 2 ? 1 : 3); t++)
		{
			for (uint32_t i = 0; i < N_ENTITIES; i++)
			{
				const char *type = side == 2 ? "Action" : types[side][t];
				const char *parent = side == 2 ? "Action" : types[side][1];

				if (rnd(5) == 0)
					continue;
				fprintf(f, "%s{\"uid\":{\"type\":\"%s\",\"id\":\"%u\"},\"attrs\":{},\"parents\":[",
						sep, type, i);
				sep = ",";
				if (i + 1 < N_ENTITIES && rnd(2) == 0)
				{
					fprintf(f, "{\"type\":\"%s\",\"id\":\"%u\"}", parent,
							i + 1 + rnd(N_ENTITIES - i - 1));
					if (rnd(3) == 0)
						fprintf(f, ",{\"type\":\"%s\",\"id\":\"%u\"}", parent,
								i + 1 + rnd(N_ENTITIES - i - 1));
				}
				fprintf(f, "]}");
			}
		}
	}
	fprintf(f, "]");
}

static bool
same(const CedarDecision *a, const CedarDecision *b)
{
	if (a->allow != b->allow || a->n_reasons != b->n_reasons || a->n_errors != b->n_errors)
		return false;
	for (uint32_t i = 0; i < a->n_reasons; i++)
		if (a->reasons[i] != b->reasons[i])
			return false;
	for (uint32_t i = 0; i < a->n_errors; i++)
		if (a->errors[i].policy != b->errors[i].policy ||
			a->errors[i].error.code != b->errors[i].error.code)
			return false;
	return true;
}

typedef char IdText[8];

#define N_LAYERS 3

/* The policies spread over layers, with stale ones among them. */
typedef struct Layered
{
	CedarPolicies policies;
	CedarLayer	layers[N_LAYERS];
	char	   *blocks[N_LAYERS];
	uint32_t   *gone[N_LAYERS];
} Layered;

static void
layered_open(Layered *l, CedarArena *arena, const CedarPolicy *policies, uint32_t n, uint64_t set)
{
	CedarPolicy *list = calloc(n + 1, sizeof(CedarPolicy));
	uint32_t   *home = calloc(n + 1, sizeof(uint32_t));
	CedarImagePlan *plan;
	CedarError	err;
	size_t		size;

	for (uint32_t i = 0; i < n; i++)
		home[i] = rnd(4) == 0 ? rnd(N_LAYERS) : 0;
	for (uint32_t k = 0; k < N_LAYERS; k++)
	{
		uint32_t	m = 0;

		l->gone[k] = calloc(n / 32 + 1, sizeof(uint32_t));
		for (uint32_t i = 0; i < n; i++)
		{
			bool		stale = home[i] > k && rnd(2) == 0;

			if (home[i] != k && !stale)
				continue;
			list[m] = policies[i];
			if (stale)
			{
				/* as it was before: some other policy under this id */
				list[m].piece = policies[rnd(n)].piece;
				l->gone[k][m / 32] |= UINT32_C(1) << m % 32;
			}
			m++;
		}
		if (cedar_image_plan(arena, list, m, &plan, &size, &err) != CEDAR_OK)
			abort();
		l->blocks[k] = aligned_alloc(8, size);
		cedar_image_write(plan, l->blocks[k]);
		if (cedar_image_verify(arena, l->blocks[k], size, &err) != CEDAR_OK)
		{
			printf("set %llu, layer %u: %s\n", (unsigned long long) set, k, err.message);
			failed++;
		}
		l->layers[k].image = (const CedarImage *) l->blocks[k];
		l->layers[k].gone = k + 1 < N_LAYERS ? l->gone[k] : NULL;
	}
	l->policies = (CedarPolicies) {.n_layers = N_LAYERS,.layers = l->layers};
	free(list);
	free(home);
}

static void
layered_close(Layered *l)
{
	for (uint32_t k = 0; k < N_LAYERS; k++)
	{
		free(l->blocks[k]);
		free(l->gone[k]);
	}
}

/* The policies of a decision by their ids, which are those of the array's numbers. */
static bool
layered_same(const Layered *l, const CedarPolicy *policies,
			 const CedarDecision *plain, const CedarDecision *layered)
{
	CedarPolicy p;

	if (plain->allow != layered->allow || plain->n_reasons != layered->n_reasons ||
		plain->n_errors != layered->n_errors)
		return false;
	for (uint32_t i = 0; i < plain->n_reasons; i++)
		if (!cedar_policies_get(&l->policies, layered->reasons[i], &p) ||
			strncmp(p.id, policies[plain->reasons[i]].id, p.id_len) != 0)
			return false;
	for (uint32_t i = 0; i < plain->n_errors; i++)
		if (!cedar_policies_get(&l->policies, layered->errors[i].policy, &p) ||
			strncmp(p.id, policies[plain->errors[i].policy].id, p.id_len) != 0 ||
			plain->errors[i].error.code != layered->errors[i].error.code)
			return false;
	return true;
}

static void
check_request(CedarArena *arena, const CedarPolicy *policies, uint32_t n, const CedarIndex *index,
			  const Layered *layers, const CedarEntitySource *source, uint64_t set)
{
	char		text[256];
	int			len;
	uint32_t	r[6];
	CedarRequest request;
	CedarDecision plain,
				indexed,
				layered,
				quick,
				quick_layered;
	CedarError	err;

	/* arguments are evaluated in any order: the same cases with each compiler */
	for (size_t i = 0; i < sizeof(r) / sizeof(r[0]); i++)
		r[i] = rnd(i == 0 || i == 3 ? 3 : i == 5 ? 2 : N_ENTITIES);
	len = snprintf(text, sizeof(text),
				   "{\"principal\":{\"type\":\"%s\",\"id\":\"%u\"},\"action\":{\"type\":\"Action\",\"id\":\"%u\"},"
				   "\"resource\":{\"type\":\"%s\",\"id\":\"%u\"},\"context\":{\"x\":%u}}",
				   types[0][r[0]], r[1], r[2], types[1][r[3]], r[4], r[5]);
	if (cedar_request_from_json(arena, text, (size_t) len, &request, &err) == CEDAR_OK &&
		cedar_authorize(arena, policies, n, NULL, source, &request, true, &plain, &err) == CEDAR_OK &&
		cedar_authorize(arena, policies, n, index, source, &request, true, &indexed, &err) == CEDAR_OK &&
		cedar_authorize(arena, policies, n, index, source, &request, false, &quick, &err) == CEDAR_OK &&
		cedar_decide(arena, &layers->policies, source, &request, true, &layered, &err) == CEDAR_OK &&
		cedar_decide(arena, &layers->policies, source, &request, false, &quick_layered, &err) == CEDAR_OK)
	{
		if (same(&plain, &indexed) && quick.allow == plain.allow &&
			layered_same(layers, policies, &plain, &layered) && quick_layered.allow == plain.allow)
		{
			passed++;
			return;
		}
		printf("set %llu, %s: with the index, or in layers, the decision is another\n",
			   (unsigned long long) set, text);
	}
	else
		printf("set %llu, %s: %s\n", (unsigned long long) set, text, err.message);
	failed++;
}

/* Requests of one principal and action: what is kept between them changes nothing. */
static void
check_kept(CedarArena *arena, uint64_t set, const CedarPolicy *policies, uint32_t n,
		   const CedarIndex *index, const Layered *layers, const CedarEntitySource *source)
{
	const CedarPolicies array = {.array = policies,.n = n,.index = index};
	const CedarPolicies *all[2] = {&array, &layers->policies};
	CedarKept  *kept[2] = {cedar_kept_create(arena), cedar_kept_create(arena)};
	char		text[256];
	uint32_t	who[3] = {rnd(3), rnd(N_ENTITIES), rnd(N_ENTITIES)};
	int			len = snprintf(text, sizeof(text),
							   "{\"principal\":{\"type\":\"%s\",\"id\":\"%u\"},\"action\":{\"type\":\"Action\",\"id\":\"%u\"},"
							   "\"resource\":{\"type\":\"%s\",\"id\":\"0\"}}",
							   types[0][who[0]], who[1], who[2], types[1][0]);
	CedarRequest first;
	CedarError	err;

	if (cedar_request_from_json(arena, text, (size_t) len, &first, &err) != CEDAR_OK ||
		kept[0] == NULL || kept[1] == NULL)
		abort();
	for (int i = 0; i < 40; i++)
	{
		bool		wanted = rnd(2) == 0;
		CedarRequest request;
		uint32_t	type = rnd(3);
		uint32_t	id = rnd(N_ENTITIES);
		uint32_t	x = rnd(2);

		len = snprintf(text, sizeof(text),
					   "{\"principal\":{\"type\":\"%s\",\"id\":\"%u\"},\"action\":{\"type\":\"Action\",\"id\":\"%u\"},"
					   "\"resource\":{\"type\":\"%s\",\"id\":\"%u\"},\"context\":{\"x\":%u}}",
					   types[0][who[0]], who[1], who[2], types[1][type], id, x);
		if (cedar_request_from_json(arena, text, (size_t) len, &request, &err) != CEDAR_OK)
			abort();
		/* now and then one whose uids are at another place */
		if (rnd(8) != 0)
		{
			request.principal = first.principal;
			request.action = first.action;
		}
		for (int k = 0; k < 2; k++)
		{
			CedarDecision plain;
			CedarDecision with;

			if (cedar_decide(arena, all[k], source, &request, wanted, &plain, &err) == CEDAR_OK &&
				cedar_decide_kept(arena, all[k], source, &request, kept[k], wanted, &with, &err) == CEDAR_OK &&
				same(&plain, &with))
				passed++;
			else
			{
				printf("set %llu, %s: with what is kept, the decision is another\n",
					   (unsigned long long) set, text);
				failed++;
			}
		}
	}
}

/* Entities whose sets of what they are in last, as a host that keeps them has it. */
typedef struct Lasting
{
	CedarEntitySource below;
	CedarEntitySource source;
	bool		alone;			/* actions are in nothing, just now */
	uint32_t	n;
	CedarEntity copies[9 * N_ENTITIES];
	CedarEntity action;
	CedarUidSet resource;		/* of the one that is asked for: all have this address */
} Lasting;

static bool
is_a_resource(const CedarUid *uid)
{
	return strncmp(uid->bytes, "Doc", 3) == 0 || strncmp(uid->bytes, "Folder", 6) == 0 ||
		strncmp(uid->bytes, "App", 3) == 0;
}

static bool
sets_are_equal(const CedarUidSet *a, const CedarUidSet *b)
{
	for (uint32_t i = 0; i < a->cap; i++)
		if (a->slots[i] != NULL && !cedar_uidset_has(b, a->slots[i]))
			return false;
	return a->n == b->n;
}

static CedarCode
lasting_find(void *userdata, const CedarUid *uid, CedarEntity **entity, CedarError *err)
{
	Lasting    *l = userdata;
	CedarEntity *found;
	CedarCode	code = l->below.find(l->below.userdata, uid, &found, err);

	*entity = NULL;
	if (code != CEDAR_OK || found == NULL)
		return code;
	if (l->alone && strncmp(uid->bytes, "Action", 6) == 0)
	{
		l->action = *found;
		l->action.n_parents = 0;
		l->action.ancestors = NULL;
		*entity = &l->action;
		return CEDAR_OK;
	}
	for (uint32_t i = 0; i < l->n && *entity == NULL; i++)
		if (cedar_uid_equal(l->copies[i].uid, uid))
			*entity = &l->copies[i];
	if (*entity == NULL)
	{
		*entity = &l->copies[l->n++];
		**entity = *found;
		(*entity)->ancestors = NULL;
	}
	return CEDAR_OK;
}

static CedarCode
lasting_climb(void *userdata, CedarEntity *entity, CedarError *err)
{
	Lasting    *l = userdata;
	CedarUidSet *set = cedar_uidset_create(l->source.arena);
	CedarCode	code = cedar_entity_ancestors(&l->source, entity, err);

	if (code != CEDAR_OK)
		return code;
	if (is_a_resource(entity->uid))
	{
		l->resource = *entity->ancestors;
		entity->ancestors = &l->resource;
		return CEDAR_OK;
	}
	/* those who are in the same have one set */
	for (uint32_t i = 0; i < l->n; i++)
	{
		const CedarUidSet *other = l->copies[i].ancestors;

		if (other != NULL && other != entity->ancestors && other->lasting != NULL &&
			sets_are_equal(other, entity->ancestors))
		{
			entity->ancestors = other;
			return CEDAR_OK;
		}
	}
	*set = *entity->ancestors;
	if (!cedar_uidset_last(set, l->source.arena))
		abort();
	entity->ancestors = set;
	return CEDAR_OK;
}

/*
 * What is kept with a principal's set changes nothing: for other actions, other
 * policies at the same place, and when the action is in something else.
 */
static void
check_lasting(CedarArena *arena, uint64_t set, const CedarPolicy *policies, uint32_t n,
			  const CedarEntitySource *source)
{
	CedarPolicy *turned = calloc(n + 1, sizeof(CedarPolicy));
	const CedarPolicy *lists[2] = {policies, turned};
	CedarImagePlan *plans[2];
	size_t		sizes[2];
	char	   *block;
	CedarLayer	layer = {0};
	CedarPolicies with = {.n_layers = 1,.layers = &layer};
	Lasting    *l = calloc(1, sizeof(Lasting));
	CedarError	err;

	for (uint32_t i = 0; i < n; i++)
	{
		turned[i] = policies[i];
		turned[i].piece = policies[(i + 1) % n].piece;
	}
	for (int k = 0; k < 2; k++)
		if (cedar_image_plan(arena, lists[k], n, &plans[k], &sizes[k], &err) != CEDAR_OK)
			abort();
	block = aligned_alloc(8, sizes[sizes[1] > sizes[0]]);
	layer.image = (const CedarImage *) block;
	l->below = *source;
	l->source = (CedarEntitySource) {
		.find = lasting_find,.climb = lasting_climb,.userdata = l,.arena = arena
	};
	for (int i = 0; i < 1200; i++)
	{
		char		text[256];
		uint32_t	r[5];
		int			len;
		CedarRequest request;
		bool		wanted = rnd(2) == 0;
		CedarPolicies without;
		CedarDecision plain;
		CedarDecision kept;

		for (size_t k = 0; k < sizeof(r) / sizeof(r[0]); k++)
			r[k] = rnd(k == 1 ? 3 : k == 4 ? 2 : k == 2 ? 3 : N_ENTITIES);
		len = snprintf(text, sizeof(text),
					   "{\"principal\":{\"type\":\"User\",\"id\":\"%u\"},\"action\":{\"type\":\"Action\",\"id\":\"%u\"},"
					   "\"resource\":{\"type\":\"%s\",\"id\":\"%u\"},\"context\":{\"x\":%u}}",
					   r[0] % 2, r[1], types[1][r[2]], r[3], r[4]);
		if (cedar_request_from_json(arena, text, (size_t) len, &request, &err) != CEDAR_OK)
			abort();
		if (i % 120 == 0)
		{
			with.serial++;
			cedar_image_write(plans[with.serial % 2], block);
		}
		l->alone = rnd(8) == 0;
		for (uint32_t k = 0; k < l->n; k++)
			if (is_a_resource(l->copies[k].uid))
				l->copies[k].ancestors = NULL;
		without = with;
		without.serial = 0;
		if (cedar_decide(arena, &without, &l->source, &request, wanted, &plain, &err) == CEDAR_OK &&
			cedar_decide(arena, &with, &l->source, &request, wanted, &kept, &err) == CEDAR_OK &&
			same(&plain, &kept))
			passed++;
		else
		{
			printf("set %llu, %s: with what is kept with a set, the decision is another\n",
				   (unsigned long long) set, text);
			failed++;
		}
	}
	free(block);
	free(turned);
	free(l);
}

/*
 * One byte of the index changed: refused, or it answers without a crash (it
 * may then name other policies: the index is trusted as far as its shape).
 */
static void
check_damaged(CedarArena *arena, const CedarPolicy *policies, uint32_t n,
			  const CedarIndex *index, size_t size, const CedarEntitySource *source)
{
	char	   *copy = malloc(size);
	CedarRequest request;
	CedarDecision d;
	CedarError	err;
	static const char text[] = "{\"principal\":\"User::\\\"1\\\"\",\"action\":\"Action::\\\"1\\\"\","
		"\"resource\":\"Doc::\\\"1\\\"\"}";

	if (cedar_request_from_json(arena, text, strlen(text), &request, &err) != CEDAR_OK)
		abort();
	for (size_t i = 0; i < size; i++)
	{
		memcpy(copy, index, size);
		copy[i] ^= (char) (1 << rnd(8));
		if (cedar_index_verify(arena, copy, size, n, &err) == CEDAR_OK)
		{
			if (cedar_authorize(arena, policies, n, (CedarIndex *) copy, source, &request,
								true, &d, &err) != CEDAR_OK)
				failed++;
		}
		else if (err.code != CEDAR_ERR_IMAGE)
			failed++;
		passed++;
	}
	free(copy);
}

int
main(int argc, char **argv)
{
	uint64_t	sets = argc > 1 ? strtoull(argv[1], NULL, 10) : 60;

	for (uint64_t set = 0; set < sets; set++)
	{
		Host		host;
		CedarArena *arena;
		char	   *policies_text,
				   *entities_text;
		size_t		policies_len,
					entities_len;
		FILE	   *f;
		CedarAst   *ast;
		CedarEntities *entities;
		CedarEntitySource source;
		CedarPolicy *policies;
		IdText	   *ids;
		const CedarIndex *index;
		Layered		layers;
		size_t		size;
		CedarError	err;
		uint32_t	n;

		seed = set;
		f = open_memstream(&policies_text, &policies_len);
		put_policies(f, rnd(400));
		fclose(f);
		f = open_memstream(&entities_text, &entities_len);
		put_entities(f);
		fclose(f);

		host_open(&host);
		arena = cedar_arena_create(&host.vtable);
		if (cedar_parse(arena, policies_text, policies_len, &ast, &err) != CEDAR_OK ||
			cedar_entities_from_json(arena, entities_text, entities_len, &entities, &err) != CEDAR_OK)
		{
			printf("set %llu: %s\n", (unsigned long long) set, err.message);
			return 1;
		}
		source = cedar_entities_source(entities);
		n = cedar_ast_count(ast);
		policies = calloc(n + 1, sizeof(CedarPolicy));
		ids = calloc(n + 1, sizeof(*ids));
		for (uint32_t i = 0; i < n; i++)
		{
			size_t		piece_size;

			policies[i].id = ids[i];
			policies[i].id_len = (uint32_t) snprintf(ids[i], sizeof(IdText), "p%05u", i);
			if (cedar_compile(arena, ast, i, &policies[i].piece, &piece_size, &err) != CEDAR_OK)
			{
				printf("set %llu: %s\n", (unsigned long long) set, err.message);
				return 1;
			}
		}
		if (cedar_index_build(arena, policies, n, &index, &size, &err) != CEDAR_OK ||
			cedar_index_verify(arena, index, size, n, &err) != CEDAR_OK)
		{
			printf("set %llu: %s\n", (unsigned long long) set, err.message);
			failed++;
		}
		else
		{
			layered_open(&layers, arena, policies, n, set);
			for (int i = 0; i < 300; i++)
				check_request(arena, policies, n, index, &layers, &source, set);
			for (int i = 0; i < 40; i++)
				check_kept(arena, set, policies, n, index, &layers, &source);
			check_lasting(arena, set, policies, n, &source);
			layered_close(&layers);
			if (set % 20 == 0)
				check_damaged(arena, policies, n, index, size, &source);
		}
		free(policies);
		free(ids);
		free(policies_text);
		free(entities_text);
		cedar_arena_destroy(arena);
		if (!host_close(&host))
		{
			printf("set %llu: memory left\n", (unsigned long long) set);
			failed++;
		}
	}
	printf("%ld passed, %ld failed\n", passed, failed);
	return failed == 0 && passed > 0 ? 0 : 1;
}
