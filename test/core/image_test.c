/*-------------------------------------------------------------------------
 *
 * image_test.c
 *	  Compiled policies, scope indexes and images of many policies as blocks
 *	  that come from elsewhere: moved, cut off, damaged (docs/image.md).
 *
 * Every byte of every image is damaged in several ways.  As it is, the block
 * must be refused or answer as before; with its checksum put right, it must be
 * refused or be used without harm, which the sanitized program sees.
 *
 *-------------------------------------------------------------------------
 */
#define _POSIX_C_SOURCE 200809L

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "internal.h"
#include "unit.h"

/* What big_policies has not: the other operators, kinds of literals and scopes. */
static const char more_policies[] =
"permit(principal == U::\"a\", action == Action::\"v\", resource == D::\"d\");\n"
"permit(principal is U in G::\"h\", action in Action::\"v\", resource);\n"
"forbid(principal, action, resource in G::\"h\") unless { resource is D in [G::\"g\", principal.e] };\n"
"permit(principal, action, resource) when { context[\"a\"].b != \"\\u{1F600}\" && {a: principal, \"b c\": [context.l]}.a == principal };\n"
"permit(principal, action, resource) when { principal.n <= 3 && principal.n >= 3 && principal.n < 4 && !(principal.n > 3) && principal.n - 1 == 2 };\n"
"permit(principal, action, resource) when { context.l.containsAny([1, 7]) && context.l.contains(2) && [principal, action].contains(action) };\n"
"permit(principal, action, resource) when { principal.ip.isIpv4() && ip(\"::1/128\").isLoopback() && duration(\"1d2h\").toHours() == 26 };\n"
"permit(principal, action, resource) when { {a: {b: {c: [true, [], {}, ip(\"10.0.0.1\"), decimal(\"1.5\"), U::\"x\", \"s\", -7]}}} has a.b.c };\n"
"forbid(principal == ?principal, action, resource is D in ?resource) when { true };\n";

/* Policies whose index has groups with tables. */
static const char filed_policies[] =
"permit(principal == U::\"a\", action, resource);"
"permit(principal == U::\"b\", action, resource);"
"permit(principal == U::\"c\", action, resource);"
"permit(principal in G::\"g\", action, resource);"
"permit(principal in G::\"x\", action, resource);"
"permit(principal is U, action, resource);"
"permit(principal is V, action, resource);"
"permit(principal, action, resource == D::\"d\");"
"permit(principal, action, resource == D::\"e\");"
"permit(principal, action, resource in G::\"g\");"
"permit(principal, action, resource is D);"
"permit(principal, action, resource is E);"
"permit(principal, action, resource) when { context has nothing };"
"permit(principal == U::\"a\", action in [Action::\"v\", Action::\"w\"], resource);"
"permit(principal, action in Action::\"r\", resource);"
"forbid(principal == U::\"z\", action == Action::\"v\", resource);";

#define MAX_POLICIES 32

/* Policies, and what to ask them. */
typedef struct Set
{
	Bench		b;
	uint32_t	n;
	CedarPolicy policies[MAX_POLICIES];
	size_t		sizes[MAX_POLICIES];
	CedarEntitySource source;
	CedarRequest request;
} Set;

static void
set_open(Set *s, const char *first, const char *second)
{
	const char *texts[2] = {first, second};
	CedarEntities *entities;

	memset(s, 0, sizeof(*s));
	bench_open(&s->b);
	for (int k = 0; k < 2 && texts[k] != NULL; k++)
	{
		CedarAst   *ast;

		if (cedar_parse(s->b.arena, texts[k], strlen(texts[k]), &ast, &s->b.err) != CEDAR_OK)
		{
			printf("%s\n", s->b.err.message);
			exit(1);
		}
		for (uint32_t i = 0; i < cedar_ast_count(ast) && s->n < MAX_POLICIES; i++, s->n++)
		{
			CHECK(cedar_compile(s->b.arena, ast, i, &s->policies[s->n].piece, &s->sizes[s->n],
								&s->b.err) == CEDAR_OK);
			s->policies[s->n].id = "p";
			s->policies[s->n].id_len = 1;
		}
	}
	CHECK(s->n < MAX_POLICIES);
	CHECK(cedar_entities_from_json(s->b.arena, big_entities, strlen(big_entities), &entities,
								   &s->b.err) == CEDAR_OK);
	CHECK(cedar_request_from_json(s->b.arena, big_request, strlen(big_request), &s->request,
								  &s->b.err) == CEDAR_OK);
	s->source = cedar_entities_source(entities);
}

static CedarCode
ask(const Set *s, const CedarPolicy *policies, uint32_t n, const CedarIndex *index,
	CedarArena *arena, CedarDecision *d, CedarError *err)
{
	return cedar_authorize(arena, policies, n, index, &s->source, &s->request, true, d, err);
}

static bool
same_decision(const CedarDecision *a, const CedarDecision *b)
{
	if (a->allow != b->allow || a->n_reasons != b->n_reasons || a->n_errors != b->n_errors)
		return false;
	for (uint32_t i = 0; i < a->n_reasons; i++)
		if (a->reasons[i] != b->reasons[i])
			return false;
	for (uint32_t i = 0; i < a->n_errors; i++)
		if (a->errors[i].policy != b->errors[i].policy ||
			a->errors[i].error.code != b->errors[i].error.code ||
			a->errors[i].error.offset != b->errors[i].error.offset ||
			a->errors[i].error.length != b->errors[i].error.length)
			return false;
	return true;
}

#define IMAGE_IDS_AT 36			/* in an image: up to where its checksum goes, in units of 8 */

static void
seal(char *block, size_t size)
{
	uint64_t	sum;

	if (memcmp(block, "CDI", 3) == 0)
	{
		uint32_t	ids;

		memcpy(&ids, block + IMAGE_IDS_AT, sizeof(ids));
		if (ids > 2 && ids < size / 8)
			size = (size_t) ids * 8;
	}
	sum = cedar_block_checksum(block, size);
	memcpy(block + CEDAR_CHECKSUM_AT, &sum, sizeof(sum));
}

/* ------------------------------------------------------------ any kind of */

/* A block, as it is checked and as it is used. */
typedef struct Image
{
	const char *what;
	const Set  *set;
	uint32_t	policy;			/* a compiled policy, or */
	bool		is_index;		/* the index of all of them, or */
	bool		is_image;		/* all of them in one */
	const char *block;
	size_t		size;
	CedarDecision want;
} Image;

static CedarCode
verify(const Image *m, const char *block, size_t size, CedarError *err)
{
	memset(err, 0, sizeof(*err));
	if (m->is_image)
		return cedar_image_verify(m->set->b.arena, block, size, err);
	return m->is_index ?
		cedar_index_verify(m->set->b.arena, block, size, m->set->n, err) :
		cedar_piece_verify(m->set->b.arena, block, size, err);
}

static CedarCode
use(const Image *m, const char *block, CedarArena *arena, CedarDecision *d, CedarError *err)
{
	CedarPolicy one = {0};

	if (m->is_image)
	{
		CedarLayer	layer = {.image = (const CedarImage *) block};
		CedarPolicies policies = {.n_layers = 1, .layers = &layer};

		for (uint32_t i = 0, found; i < cedar_image_count(layer.image); i++)
		{
			cedar_image_policy(layer.image, i, &one);
			CHECK(cedar_image_find(layer.image, one.id, one.id_len, &found) && found == i);
		}
		return cedar_decide(arena, &policies, &m->set->source, &m->set->request, true, d, err);
	}
	if (m->is_index)
		return ask(m->set, m->set->policies, m->set->n, (const CedarIndex *) block, arena, d, err);
	one = m->set->policies[m->policy];
	one.piece = (const CedarPiece *) block;
	return ask(m->set, &one, 1, NULL, arena, d, err);
}

static long refused;
static long used;

/* The damaged block at hand: as it is, then with the right checksum. */
static void
try_damaged(const Image *m, char *block, size_t at, const char *how)
{
	CedarError	err;
	CedarDecision d;
	CedarArena *arena;
	CedarCode	code = verify(m, block, m->size, &err);
	bool		sound = code == CEDAR_OK;

	if (sound)
	{
		arena = cedar_arena_create(&m->set->b.host.vtable);
		code = use(m, block, arena, &d, &err);
		CHECKF(code == CEDAR_OK && same_decision(&d, &m->want),
			   "%s %u, byte %zu, %s: passes, and answers otherwise", m->what, m->policy, at, how);
		cedar_arena_destroy(arena);
	}
	else
		CHECKF(code == CEDAR_ERR_IMAGE && err.code == code && err.message[0] != '\0',
			   "%s %u, byte %zu, %s: %s", m->what, m->policy, at, how, code_name(code));

	seal(block, m->size);
	code = verify(m, block, m->size, &err);
	if (code != CEDAR_OK)
	{
		CHECKF(code == CEDAR_ERR_IMAGE, "%s %u, byte %zu, %s, sealed: %s", m->what, m->policy, at,
			   how, code_name(code));
		refused++;
		return;
	}
	used++;
	arena = cedar_arena_create(&m->set->b.host.vtable);
	code = use(m, block, arena, &d, &err);
	CHECKF(code == CEDAR_OK, "%s %u, byte %zu, %s, sealed: %s", m->what, m->policy, at, how,
		   code_name(code));
	cedar_arena_destroy(arena);
}

static void
test_image(const Image *m)
{
	char	   *block = malloc(m->size);
	char	   *cut;
	CedarError	err;
	CedarDecision d;
	const uint32_t words[] = {
		0, 1, 2, 4, 8, 40, 88, 104, (uint32_t) m->size - 16, (uint32_t) m->size - 8,
		(uint32_t) m->size, INT32_MAX, (uint32_t) INT32_MAX + 1, UINT32_MAX - 7, UINT32_MAX
	};

	CHECKF(verify(m, m->block, m->size, &err) == CEDAR_OK, "%s %u: %s", m->what, m->policy, err.message);

	/* elsewhere in memory */
	memcpy(block, m->block, m->size);
	CHECK(verify(m, block, m->size, &err) == CEDAR_OK);
	CHECK(use(m, block, m->set->b.arena, &d, &err) == CEDAR_OK && same_decision(&d, &m->want));

	/* not at a multiple of eight */
	cut = malloc(m->size + 8);
	memcpy(cut + 4, m->block, m->size);
	CHECK(verify(m, cut + 4, m->size, &err) == CEDAR_ERR_IMAGE);
	free(cut);

	/* cut off at every length, and longer than it says */
	for (size_t len = 0; len < m->size; len++)
	{
		cut = malloc(len + 1);
		memcpy(cut, m->block, len);
		CHECKF(verify(m, cut, len, &err) == CEDAR_ERR_IMAGE, "%s %u cut at %zu of %zu verifies",
			   m->what, m->policy, len, m->size);
		free(cut);
	}
	cut = calloc(1, m->size + 8);
	memcpy(cut, m->block, m->size);
	CHECK(verify(m, cut, m->size + 8, &err) == CEDAR_ERR_IMAGE);
	free(cut);

	/* another format, and no image at all */
	for (size_t at = 0; at < CEDAR_CHECKSUM_AT; at += 4)
	{
		memcpy(block, m->block, m->size);
		block[at]++;
		CHECK(verify(m, block, m->size, &err) == CEDAR_ERR_IMAGE);
		CHECKF(strstr(err.message, at == 0 ? "not a" : "has format ") != NULL, "%s", err.message);
	}

	for (size_t at = 0; at < m->size; at++)
	{
		for (int k = 0; k < 9; k++)
		{
			char		how[32];

			memcpy(block, m->block, m->size);
			block[at] ^= k < 8 ? (char) (1 << k) : (char) 0xFF;
			snprintf(how, sizeof(how), k < 8 ? "bit %d" : "all bits", k);
			try_damaged(m, block, at, how);
		}
		for (size_t k = 0; at % 4 == 0 && k < LENGTH(words); k++)
		{
			char		how[32];

			memcpy(block, m->block, m->size);
			memcpy(block + at, &words[k], sizeof(words[k]));
			snprintf(how, sizeof(how), "word %u", words[k]);
			if (memcmp(block, m->block, m->size) != 0)
				try_damaged(m, block, at, how);
		}
	}
	free(block);
}

/* ---------------------------------------------------------------- pieces */

static void
test_pieces(void)
{
	Set			s;
	CedarDecision d;

	set_open(&s, big_policies, more_policies);
	CHECK(ask(&s, s.policies, BIG_COUNT, NULL, s.b.arena, &d, &s.b.err) == CEDAR_OK && big_answer(&d));
	for (uint32_t i = 0; i < s.n; i++)
	{
		Image		m = {.what = "piece", .set = &s, .policy = i};

		m.block = (const char *) s.policies[i].piece;
		m.size = s.sizes[i];
		CHECK(use(&m, m.block, s.b.arena, &m.want, &s.b.err) == CEDAR_OK);
		test_image(&m);
	}
	CHECKF(refused > 10000 && used > 1000, "%ld damaged pieces refused, %ld found sound", refused, used);
	bench_close(&s.b);
}

/*
 * A piece whose nodes form a graph that is not a tree: evaluating it could
 * take for ever, so it must be refused.
 */
static void
test_piece_sharing(void)
{
	Bench		b;
	CedarAst   *ast;
	const CedarPiece *piece;
	size_t		size;
	char	   *copy;
	CedarNode  *nodes;
	uint32_t	adds = 0;

	bench_open(&b);
	CHECK(cedar_parse(b.arena, LIT(ANY " when { (1+2)+(3+4) == 10 };"), &ast, &b.err) == CEDAR_OK);
	CHECK(cedar_compile(b.arena, ast, 0, &piece, &size, &b.err) == CEDAR_OK);
	copy = malloc(size);
	for (uint32_t i = 0; i < piece->n_nodes; i++)
	{
		memcpy(copy, piece, size);
		nodes = (CedarNode *) (copy + piece->nodes);
		if (nodes[i].op != CEDAR_OP_ADD)
			continue;
		adds++;
		for (int how = 0; how < 3; how++)
		{
			/* two parents, its own operand, a cycle */
			nodes[i].a = how == 0 ? nodes[i].b : how == 1 ? i : ((CedarPiece *) copy)->root;
			seal(copy, size);
			CHECKF(cedar_piece_verify(b.arena, copy, size, &b.err) == CEDAR_ERR_IMAGE,
				   "a graph of nodes, %d", how);
		}
	}
	CHECK(adds == 3);
	free(copy);
	bench_close(&b);
}

/* A record expression with one key twice has no value. */
static void
test_piece_keys(void)
{
	Bench		b;
	CedarAst   *ast;
	const CedarPiece *piece;
	size_t		size;
	char	   *copy;
	uint32_t	records = 0;

	bench_open(&b);
	CHECK(cedar_parse(b.arena, LIT(ANY " when { {b: context.x, a: context.y, c: 1} == 1 };"), &ast, &b.err) == CEDAR_OK);
	CHECK(cedar_compile(b.arena, ast, 0, &piece, &size, &b.err) == CEDAR_OK);
	copy = malloc(size);
	for (uint32_t i = 0; i < piece->n_nodes; i++)
		for (int how = 0; how < 3; how++)
		{
			const CedarNode *node;
			uint32_t   *keys;

			memcpy(copy, piece, size);
			node = &cedar_piece_nodes((CedarPiece *) copy)[i];
			if (node->op != CEDAR_OP_RECORD)
				continue;
			records++;
			CHECK(node->b == 3);
			keys = (uint32_t *) (copy + node->c);
			/* as it is, one twice, out of order */
			if (how == 1)
				keys[0] = keys[1];
			if (how == 2)
			{
				uint32_t	first = keys[0];

				keys[0] = keys[2];
				keys[2] = first;
			}
			seal(copy, size);
			CHECKF(cedar_piece_verify(b.arena, copy, size, &b.err) == (how == 0 ? CEDAR_OK : CEDAR_ERR_IMAGE),
				   "keys, %d: %s", how, b.err.message);
		}
	CHECK(records == 3);
	free(copy);
	bench_close(&b);
}

/*
 * Many nodes that share one long string: checking it for each of them would
 * take a time that has nothing to do with the size of the block.
 */
static void
test_piece_long_strings(void)
{
	Bench		b;
	Text		t = {0};
	CedarAst   *ast;
	const CedarPiece *piece;
	size_t		size;
	char	   *copy;
	CedarNode  *nodes;
	uint32_t	longest = 0;
	uint32_t	shared = 0;

	bench_open(&b);
	text_adds(&t, ANY " when { context.a like \"");
	text_times(&t, "x", 100000);
	text_adds(&t, "\"");
	text_times(&t, " || context.a like \"y\"", 2000);
	text_adds(&t, " };");
	CHECK(cedar_parse(b.arena, t.data, t.len, &ast, &b.err) == CEDAR_OK);
	CHECK(cedar_compile(b.arena, ast, 0, &piece, &size, &b.err) == CEDAR_OK);
	b.host.interrupt_calls = 0;
	CHECK(cedar_piece_verify(b.arena, piece, size, &b.err) == CEDAR_OK);
	CHECK(b.host.interrupt_calls >= (long) (size / CEDAR_BYTES_PER_CHECK) &&
		  b.host.interrupt_calls < 100);
	copy = malloc(size);
	memcpy(copy, piece, size);
	nodes = (CedarNode *) (copy + piece->nodes);
	for (uint32_t i = 0; i < piece->n_nodes; i++)
	{
		if (nodes[i].op != CEDAR_OP_LIKE)
			continue;
		if (longest == 0)
			longest = nodes[i].b;
		nodes[i].b = longest;
		shared++;
	}
	CHECK(shared == 2001);
	seal(copy, size);
	b.host.interrupt_calls = 0;
	CHECK(cedar_piece_verify(b.arena, copy, size, &b.err) == CEDAR_ERR_IMAGE);
	CHECKF(b.host.interrupt_calls < 100, "%ld looks for interrupts in %zu bytes",
		   b.host.interrupt_calls, size);
	free(copy);
	free(t.data);
	bench_close(&b);
}

/* ----------------------------------------------------------------- index */

static void
test_index(void)
{
	Set			s;
	Image		m = {.what = "index", .set = &s, .is_index = true};
	const CedarIndex *index;
	CedarDecision plain;
	CedarError	err;

	set_open(&s, filed_policies, NULL);
	CHECK(cedar_index_build(s.b.arena, s.policies, s.n, &index, &m.size, &s.b.err) == CEDAR_OK);
	m.block = (const char *) index;
	CHECK(use(&m, m.block, s.b.arena, &m.want, &s.b.err) == CEDAR_OK);
	CHECK(ask(&s, s.policies, s.n, NULL, s.b.arena, &plain, &s.b.err) == CEDAR_OK);
	CHECK(same_decision(&plain, &m.want) && plain.allow && plain.n_reasons == 6);
	test_image(&m);

	/* an index of another number of policies */
	CHECK(cedar_index_verify(s.b.arena, m.block, m.size, s.n + 1, &err) == CEDAR_ERR_IMAGE);
	CHECK(cedar_index_verify(s.b.arena, m.block, m.size, s.n - 1, &err) == CEDAR_ERR_IMAGE);
	bench_close(&s.b);
}

static void
test_whole(void)
{
	static const char texts[] =
	"permit(principal in G::\"g\", action == Action::\"v\", resource) when { principal.n == 3 };"
	"permit(principal, action, resource) when { context has nothing };"
	"forbid(principal == U::\"z\", action, resource in G::\"g\");"
	"permit(principal == ?principal, action, resource is D) when { principal.n + 1 > 2 };";
	static const char *const ids[] = {"a", "b\303\251", "c", "link 1", "link 2", "template"};
	Set			s;
	Image		m = {.what = "image", .set = &s, .is_image = true};
	CedarImagePlan *plan;
	CedarDecision plain;
	const CedarUid *uid;
	char	   *block;

	set_open(&s, texts, NULL);
	/* two links of the template, and itself */
	s.policies[4] = s.policies[5] = s.policies[3];
	s.n = LENGTH(ids);
	for (uint32_t i = 0; i < s.n; i++)
	{
		s.policies[i].id = ids[i];
		s.policies[i].id_len = (uint32_t) strlen(ids[i]);
	}
	s.policies[3].principal = s.request.principal;
	CHECK(cedar_uid_parse(s.b.arena, LIT("U::\"nobody\""), &uid, &s.b.err) == CEDAR_OK);
	s.policies[4].principal = uid;
	CHECK(cedar_image_plan(s.b.arena, s.policies, s.n, &plan, &m.size, &s.b.err) == CEDAR_OK);
	m.block = block = malloc(m.size);
	cedar_image_write(plan, block);
	CHECK(use(&m, m.block, s.b.arena, &m.want, &s.b.err) == CEDAR_OK);
	CHECK(ask(&s, s.policies, s.n, NULL, s.b.arena, &plain, &s.b.err) == CEDAR_OK);
	CHECKF(same_decision(&plain, &m.want) && plain.allow && plain.n_reasons >= 2, "%u reasons", plain.n_reasons);
	test_image(&m);
	free(block);
	bench_close(&s.b);
}

/*
 * Groups that share one table: reading it for each of them would be quadratic
 * work.  Offsets are those of docs/image.md.
 */
static void
test_index_sharing(void)
{
	enum
	{
		N_GROUPS = 24,			/* of the header */
		HEADER = 40,
		GROUP = 24,
		TABLE = 16,				/* of a group: size and offset of its table */
		ACTIONS = 400
	};
	Bench		b;
	Text		t = {0};
	CedarAst   *ast;
	CedarPolicy *policies;
	const CedarIndex *index;
	uint32_t	n,
				n_groups;
	uint32_t	table[2] = {0, 0};
	size_t		size;
	char	   *copy;

	bench_open(&b);
	for (int i = 0; i < ACTIONS; i++)
	{
		char		text[100];

		/* one group with a table, many without */
		for (int k = 0; k < (i == 0 ? 20 : 1); k++)
		{
			snprintf(text, sizeof(text),
					 "permit(principal == U::\"%d\", action == Action::\"%d\", resource);", k, i);
			text_adds(&t, text);
		}
	}
	CHECK(cedar_parse(b.arena, t.data, t.len, &ast, &b.err) == CEDAR_OK);
	n = cedar_ast_count(ast);
	policies = cedar_arena_zalloc(b.arena, n * sizeof(CedarPolicy));
	for (uint32_t i = 0; i < n; i++)
		CHECK(cedar_compile(b.arena, ast, i, &policies[i].piece, &size, &b.err) == CEDAR_OK);
	CHECK(cedar_index_build(b.arena, policies, n, &index, &size, &b.err) == CEDAR_OK);
	CHECK(cedar_index_verify(b.arena, index, size, n, &b.err) == CEDAR_OK);
	copy = malloc(size);
	memcpy(copy, index, size);
	memcpy(&n_groups, copy + N_GROUPS, sizeof(n_groups));
	CHECK(n_groups == ACTIONS + 1);
	for (uint32_t g = 0; g < n_groups && table[0] == 0; g++)
		memcpy(table, copy + HEADER + g * GROUP + TABLE, sizeof(table));
	CHECK(table[0] >= 32);
	for (uint32_t g = 0; g < n_groups; g++)
		memcpy(copy + HEADER + g * GROUP + TABLE, table, sizeof(table));
	seal(copy, size);
	CHECK(cedar_index_verify(b.arena, copy, size, n, &b.err) == CEDAR_ERR_IMAGE);
	free(copy);
	free(t.data);
	bench_close(&b);
}

int
main(void)
{
	setvbuf(stdout, NULL, _IOLBF, 0);
	test_pieces();
	test_piece_sharing();
	test_piece_keys();
	test_piece_long_strings();
	test_index();
	test_whole();
	test_index_sharing();
	printf("%ld sealed blocks refused, %ld used\n", refused, used);
	return checks_end();
}
