/*-------------------------------------------------------------------------
 *
 * collision_test.c
 *	  Different things with one hash: a hash may reject, never prove.
 *
 * The hash has 32 bits, so among some hundred thousand strings there are pairs
 * that collide.  Everything that is found or compared by hash is asked to keep
 * such a pair apart.
 *
 *-------------------------------------------------------------------------
 */
#define _POSIX_C_SOURCE 200809L

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "internal.h"
#include "unit.h"

#define TRIES 400000

/* Pairs: strings of one length, of two, ids of one type, numbers. */
static char a1[16];
static char a2[16];
static char b1[16];
static char b2[16];
static char u1[16];
static char u2[16];
static char n1[24];
static char n2[24];

/* ids of the types Action and G, of one length and of two */
static char v1[16];
static char v2[16];
static char g1[16];
static char g2[16];

typedef struct Hashed
{
	uint32_t	hash;
	uint32_t	number;
} Hashed;

static int
hashed_compare(const void *a, const void *b)
{
	const Hashed *x = a;
	const Hashed *y = b;

	if (x->hash != y->hash)
		return x->hash < y->hash ? -1 : 1;
	return x->number < y->number ? -1 : x->number > y->number;
}

static void
spell(char *text, uint32_t number, bool two_lengths)
{
	snprintf(text, 16, two_lengths && number % 2 ? "k%08u" : "k%07u", number);
}

/* Two of the strings with one hash, seeded as uids of a type are. */
static bool
find_strings(uint32_t seed, bool two_lengths, char *first, char *second)
{
	Hashed	   *all = malloc(TRIES * sizeof(Hashed));
	bool		found = false;

	for (uint32_t i = 0; i < TRIES; i++)
	{
		char		text[16];

		spell(text, i, two_lengths);
		all[i].hash = cedar_hash_bytes(text, strlen(text), seed);
		all[i].number = i;
	}
	qsort(all, TRIES, sizeof(Hashed), hashed_compare);
	for (uint32_t i = 1; i < TRIES && !found; i++)
	{
		if (all[i].hash != all[i - 1].hash)
			continue;
		spell(first, all[i - 1].number, two_lengths);
		spell(second, all[i].number, two_lengths);
		found = (strlen(first) != strlen(second)) == two_lengths;
	}
	free(all);
	return found;
}

static bool
find_numbers(void)
{
	Hashed	   *all = malloc(TRIES * sizeof(Hashed));
	bool		found = false;

	for (uint32_t i = 0; i < TRIES; i++)
	{
		all[i].hash = cedar_hash_value(CEDAR_LONG, i);
		all[i].number = i;
	}
	qsort(all, TRIES, sizeof(Hashed), hashed_compare);
	for (uint32_t i = 1; i < TRIES && !found; i++)
	{
		if (all[i].hash != all[i - 1].hash)
			continue;
		snprintf(n1, sizeof(n1), "%u", all[i - 1].number);
		snprintf(n2, sizeof(n2), "%u", all[i].number);
		found = true;
	}
	free(all);
	return found;
}

/*
 * $x in a text stands for one of the pairs' members: $a and $A, $b and $B are
 * strings, $u and $U ids of U, $v and $V of Action, $g and $G of G, $n and $N
 * numbers.
 */
static void
substitute(Text *t, const char *text)
{
	static const struct
	{
		char		name;
		const char *value;
	}			members[] = {
		{'a', a1}, {'A', a2}, {'b', b1}, {'B', b2}, {'u', u1}, {'U', u2}, {'v', v1}, {'V', v2},
		{'g', g1}, {'G', g2}, {'n', n1}, {'N', n2}
	};

	t->len = 0;
	for (const char *p = text; *p != '\0'; p++)
	{
		if (*p != '$')
		{
			text_add(t, p, 1);
			continue;
		}
		p++;
		for (size_t i = 0; i < LENGTH(members); i++)
			if (members[i].name == *p)
				text_adds(t, members[i].value);
	}
}

/* Conditions that are true. */
static const char *const truths[] = {
	"\"$a\" != \"$A\" && \"$b\" != \"$B\" && $n != $N",
	"context.a != context.A && context.b != context.B",
	"U::\"$u\" != U::\"$U\" && context.u != context.U",
	"![context.a].contains(context.A) && ![context.b].contains(context.B)",
	"![context.A].contains(context.a) && ![context.B].contains(context.b)",
	"![context.n].contains(context.N) && [context.n, context.N].contains(context.N)",
	"[context.a, context.A, context.a].containsAll([context.A, context.a])",
	"![context.a].containsAny([context.A]) && ![context.u].containsAny([context.U])",
	"[context.a, context.A] != [context.a] && [context.a] != [context.A]",
	"[context.a, context.A] == [context.A, context.a] && [context.b, context.B] == [context.B, context.b, context.B]",
	"[[context.a], [context.A]].contains([context.A]) && ![[context.a]].contains([context.A])",
	"![[[context.b]]].contains([[context.B]]) && [[context.u]] != [[context.U]]",
	"{x: context.a} != {x: context.A} && ![{x: context.a}].contains({x: context.A})",
	"{\"$a\": 1} != {\"$A\": 1} && {\"$b\": 1} != {\"$B\": 1}",
	"{\"$a\": 1, \"$A\": 2}[\"$A\"] == 2 && {\"$A\": 1, \"$a\": 2}[\"$A\"] == 1",
	"{\"$b\": 1, \"$B\": 2} != {\"$b\": 2, \"$B\": 1}",
	"{\"$b\": 1, \"$B\": context.n} == {\"$B\": context.n, \"$b\": 1}",
	"context.few has \"$a\" && !(context.few has \"$A\")",
	"context.many[\"$a\"] == 1 && context.many[\"$A\"] == 2 && context.many[\"$b\"] == 3 && !(context.many has \"$B\")",
	"context.large.contains(\"$a\") && !context.large.contains(\"$A\") && context.large.contains($N) && !context.large.contains($n)",
	"context.large.contains(U::\"$U\") && !context.large.contains(U::\"$u\")",
	"{\"1\": 1, \"2\": 1, \"3\": 1, \"4\": 1, \"5\": 1, \"6\": 1, \"7\": 1, \"8\": 1, \"$a\": 1, \"$A\": 2}[\"$A\"] == 2",
	"principal in G::\"$g\" && !(principal in G::\"$G\") && !(principal in [G::\"$G\"])",
	"U::\"$U\" in G::\"$G\" && !(U::\"$U\" in G::\"$g\")",
	"principal.which == \"first\" && U::\"$U\".which == \"second\"",
	"resource.hasTag(\"$b\") && !(resource.hasTag(\"$B\"))",
};

static const char context_text[] =
"{\"a\":\"$a\",\"A\":\"$A\",\"b\":\"$b\",\"B\":\"$B\",\"n\":$n,\"N\":$N,"
"\"u\":{\"__entity\":{\"type\":\"U\",\"id\":\"$u\"}},\"U\":{\"__entity\":{\"type\":\"U\",\"id\":\"$U\"}},"
"\"few\":{\"$a\":1},\"many\":{\"$a\":1,\"$A\":2,\"$b\":3,\"1\":1,\"2\":1,\"3\":1,\"4\":1,\"5\":1,\"6\":1},"
"\"large\":[1,2,3,4,5,6,7,8,9,10,\"x\",\"y\",\"z\",\"$a\",$N,true,[],{\"__entity\":{\"type\":\"U\",\"id\":\"$U\"}}]}";

static const char entities_text[] =
"[{\"uid\":{\"type\":\"U\",\"id\":\"$u\"},\"attrs\":{\"which\":\"first\"},\"parents\":[{\"type\":\"G\",\"id\":\"$g\"}]},"
"{\"uid\":{\"type\":\"U\",\"id\":\"$U\"},\"attrs\":{\"which\":\"second\"},\"parents\":[{\"type\":\"G\",\"id\":\"$G\"}]},"
"{\"uid\":{\"type\":\"D\",\"id\":\"d\"},\"attrs\":{},\"parents\":[],\"tags\":{\"$b\":1}}]";

/* Scopes; the request is by U::"$u", Action::"$v", D::"d".  The first matches. */
static const char scopes[] =
"permit(principal == U::\"$u\", action == Action::\"$v\", resource);"
"permit(principal == U::\"$U\", action, resource);"
"permit(principal, action == Action::\"$V\", resource);"
"permit(principal in G::\"$G\", action, resource);"
"permit(principal, action in [Action::\"$V\"], resource);"
"permit(principal in U::\"$U\", action in Action::\"$V\", resource);";

/* Enough others for the index to have tables. */
static const char others[] =
"permit(principal == U::\"0\", action, resource);permit(principal == U::\"1\", action, resource);"
"permit(principal == U::\"2\", action, resource);permit(principal == U::\"3\", action, resource);"
"permit(principal == U::\"4\", action, resource);permit(principal == U::\"5\", action, resource);"
"permit(principal == U::\"6\", action, resource);permit(principal == U::\"7\", action, resource);"
"permit(principal == U::\"8\", action, resource);permit(principal == U::\"9\", action, resource);"
"permit(principal in G::\"0\", action, resource);permit(principal in G::\"1\", action, resource);";

/* Policies that are filed by the principal, and ask for a resource in one of two that collide. */
static const char above_entities[] =
"[{\"uid\":{\"type\":\"U\",\"id\":\"x\"},\"attrs\":{},\"parents\":["
"{\"type\":\"T\",\"id\":\"1\"},{\"type\":\"T\",\"id\":\"2\"},{\"type\":\"T\",\"id\":\"3\"},{\"type\":\"T\",\"id\":\"4\"},{\"type\":\"T\",\"id\":\"5\"},{\"type\":\"T\",\"id\":\"6\"},"
"{\"type\":\"T\",\"id\":\"7\"},{\"type\":\"T\",\"id\":\"8\"},{\"type\":\"T\",\"id\":\"9\"},{\"type\":\"T\",\"id\":\"10\"}]},"
"{\"uid\":{\"type\":\"D\",\"id\":\"in both\"},\"attrs\":{},\"parents\":[{\"type\":\"G\",\"id\":\"$g\"},{\"type\":\"G\",\"id\":\"$G\"}]},"
"{\"uid\":{\"type\":\"G\",\"id\":\"$g\"},\"attrs\":{},\"parents\":[{\"type\":\"G\",\"id\":\"$G\"}]}]";

/* What is kept of a search names each policy once, whatever collides. */
static void
check_kept(Bench *b)
{
	Text		t = {0};
	Text		p = {0};
	CedarEntities *entities;
	CedarEntitySource source;
	CedarRequest request;
	CedarPolicy policies[12] = {0};
	CedarPolicies all = {.array = policies,.n = LENGTH(policies)};
	CedarKept  *kept = cedar_kept_create(b->arena);
	CedarAst   *ast;
	size_t		size;

	substitute(&t, above_entities);
	CHECKF(cedar_entities_from_json(b->arena, t.data, t.len, &entities, &b->err) == CEDAR_OK, "%s", b->err.message);
	source = cedar_entities_source(entities);
	for (size_t i = 0; i < LENGTH(policies); i++)
	{
		char		text[64];

		snprintf(text, sizeof(text), "permit(principal in T::\"%zu\", action, resource in G::\"", i + 1);
		text_adds(&p, text);
		text_adds(&p, g1);
		text_adds(&p, "\");");
	}
	CHECKF(cedar_parse(b->arena, p.data, p.len, &ast, &b->err) == CEDAR_OK, "%s", b->err.message);
	for (uint32_t i = 0; i < LENGTH(policies); i++)
		CHECK(cedar_compile(b->arena, ast, i, &policies[i].piece, &size, &b->err) == CEDAR_OK);
	CHECK(cedar_index_build(b->arena, policies, LENGTH(policies), &all.index, &size, &b->err) == CEDAR_OK);
	CHECK(cedar_context_from_json(b->arena, "{}", 2, &request.context, &b->err) == CEDAR_OK);
	CHECK(cedar_uid_make(b->arena, "U", 1, "x", 1, &request.principal, &b->err) == CEDAR_OK);
	CHECK(cedar_uid_make(b->arena, "Action", 6, "v", 1, &request.action, &b->err) == CEDAR_OK);
	for (int i = 0; i < 12; i++)
	{
		CedarDecision d;
		CedarCode	code;

		CHECK((i % 2 == 0 ? cedar_uid_make(b->arena, "D", 1, "in both", 7, &request.resource, &b->err) :
			   cedar_uid_make(b->arena, "G", 1, g1, strlen(g1), &request.resource, &b->err)) == CEDAR_OK);
		code = i < 2 ? cedar_authorize(b->arena, policies, LENGTH(policies), NULL, &source, &request, true, &d, &b->err) :
			cedar_decide_kept(b->arena, &all, &source, &request, kept, true, &d, &b->err);
		CHECKF(code == CEDAR_OK && d.allow && d.n_reasons == 10 && d.reasons[9] == 9 && d.n_errors == 0, "time %d: %u reasons", i, d.n_reasons);
	}
	free(t.data);
	free(p.data);
}

int
main(void)
{
	Bench		b;
	Text		t = {0};
	CedarEntities *entities;
	CedarEntitySource source;
	CedarRequest request;
	CedarDecision d;
	CedarAst   *ast;
	CedarPolicy policies[32] = {0};
	const CedarIndex *index;
	const CedarUid *uid,
			   *other;
	size_t		size;
	uint32_t	n;

	setvbuf(stdout, NULL, _IOLBF, 0);
	if (!find_strings(0, false, a1, a2) || !find_strings(0, true, b1, b2) ||
		!find_strings(cedar_hash_bytes("U", 1, 0), false, u1, u2) ||
		!find_strings(cedar_hash_bytes("Action", 6, 0), false, v1, v2) ||
		!find_strings(cedar_hash_bytes("G", 1, 0), true, g1, g2) || !find_numbers())
	{
		printf("no strings collide\n");
		return 1;
	}
	bench_open(&b);

	/* the pairs are what they claim, or nothing here is tested */
	CHECK(cedar_uid_make(b.arena, "U", 1, u1, strlen(u1), &uid, &b.err) == CEDAR_OK &&
		  cedar_uid_make(b.arena, "U", 1, u2, strlen(u2), &other, &b.err) == CEDAR_OK &&
		  uid->hash == other->hash && !cedar_uid_equal(uid, other));
	CHECK(cedar_uid_make(b.arena, "G", 1, g1, strlen(g1), &uid, &b.err) == CEDAR_OK &&
		  cedar_uid_make(b.arena, "G", 1, g2, strlen(g2), &other, &b.err) == CEDAR_OK &&
		  uid->hash == other->hash && !cedar_uid_equal(uid, other));

	substitute(&t, entities_text);
	CHECKF(cedar_entities_from_json(b.arena, t.data, t.len, &entities, &b.err) == CEDAR_OK, "%s", b.err.message);
	source = cedar_entities_source(entities);
	substitute(&t, context_text);
	CHECKF(cedar_context_from_json(b.arena, t.data, t.len, &request.context, &b.err) == CEDAR_OK, "%s", b.err.message);
	CHECK(cedar_uid_make(b.arena, "U", 1, u1, strlen(u1), &request.principal, &b.err) == CEDAR_OK);
	CHECK(cedar_uid_make(b.arena, "Action", 6, v1, strlen(v1), &request.action, &b.err) == CEDAR_OK);
	CHECK(cedar_uid_make(b.arena, "D", 1, "d", 1, &request.resource, &b.err) == CEDAR_OK);

	for (size_t i = 0; i < LENGTH(truths); i++)
	{
		Text		policy = {0};
		CedarCode	code;

		substitute(&t, truths[i]);
		text_adds(&policy, ANY " when { ");
		text_add(&policy, t.data, t.len);
		text_adds(&policy, " };");
		code = cedar_parse_one(b.arena, policy.data, policy.len, &ast, &b.err);
		CHECKF(code == CEDAR_OK, "%s: %s", truths[i], b.err.message);
		if (code == CEDAR_OK)
		{
			CHECK(cedar_compile(b.arena, ast, 0, &policies[0].piece, &size, &b.err) == CEDAR_OK);
			CHECKF(cedar_piece_verify(b.arena, policies[0].piece, size, &b.err) == CEDAR_OK,
				   "%s: %s", truths[i], b.err.message);
			code = cedar_authorize(b.arena, policies, 1, NULL, &source, &request, true, &d, &b.err);
			CHECKF(code == CEDAR_OK && d.allow, "%s: %s", truths[i],
				   code != CEDAR_OK ? b.err.message : d.n_errors > 0 ? d.errors[0].error.message : "false");
		}
		free(policy.data);
	}

	substitute(&t, scopes);
	text_adds(&t, others);
	CHECKF(cedar_parse(b.arena, t.data, t.len, &ast, &b.err) == CEDAR_OK, "%s", b.err.message);
	n = cedar_ast_count(ast);
	for (uint32_t i = 0; i < n; i++)
		CHECK(cedar_compile(b.arena, ast, i, &policies[i].piece, &size, &b.err) == CEDAR_OK);
	CHECK(cedar_index_build(b.arena, policies, n, &index, &size, &b.err) == CEDAR_OK);
	CHECK(cedar_index_verify(b.arena, index, size, n, &b.err) == CEDAR_OK);
	for (int k = 0; k < 2; k++)
	{
		CedarCode	code = cedar_authorize(b.arena, policies, n, k == 0 ? NULL : index, &source, &request,
										   true, &d, &b.err);

		CHECKF(code == CEDAR_OK && d.allow && d.n_reasons == 1 && d.reasons[0] == 0 && d.n_errors == 0,
			   "%u reasons", d.n_reasons);
	}

	check_kept(&b);

	/* a key that occurs twice is still seen among keys that collide */
	substitute(&t, "{\"$a\":1,\"1\":1,\"2\":1,\"3\":1,\"4\":1,\"5\":1,\"6\":1,\"7\":1,\"8\":1,\"$A\":1,\"$a\":2}");
	CHECK(cedar_context_from_json(b.arena, t.data, t.len, &request.context, &b.err) == CEDAR_ERR_DUPLICATE);
	free(t.data);
	bench_close(&b);
	return checks_end();
}
