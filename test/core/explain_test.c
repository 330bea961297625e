/*-------------------------------------------------------------------------
 *
 * explain_test.c
 *	  Explanations, held against what the library decides when it is asked
 *	  about their parts alone.
 *
 * For generated cases: the outcomes give the decision; each part of a scope
 * matches as a policy of that part alone does; the expression that is said to
 * be the reason, as a policy's whole condition, is false (true for `unless`)
 * or fails in the same way; and each value that was seen equals its
 * expression, after a way through JSON and through the language's text.  A
 * set in layers is explained as the same set in an array.  Then some by hand.
 *
 *-------------------------------------------------------------------------
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../fuzz/generate.h"
#include "explain.h"
#include "internal.h"
#include "unit.h"

#define GENERATED_CASES 1500

/* What the generated cases had; a stale generator would test nothing. */
static long cases;
static long satisfied;
static long scope_missed[3];
static long condition_false;
static long unless_true;
static long inner;
static long failures;
static long seen_values;
static long not_candidates;

typedef struct Case
{
	Bench		b;
	const char *text;
	CedarAst   *ast;
	CedarPolicy *policies;
	uint32_t	n;
	const CedarIndex *index;
	CedarEntitySource source;
	CedarRequest request;
	json_t	   *context;
} Case;

static CedarCode
case_open(Case *c, const char *policies, size_t policies_len, const char *entities, size_t entities_len,
		  const char *request, size_t request_len)
{
	CedarArena *arena;
	CedarEntities *es;
	size_t		size;
	json_t	   *r;

	memset(c, 0, sizeof(*c));
	bench_open(&c->b);
	arena = c->b.arena;
	c->text = policies;
	TRY(cedar_parse(arena, policies, policies_len, &c->ast, &c->b.err));
	TRY(cedar_entities_from_json(arena, entities, entities_len, &es, &c->b.err));
	TRY(cedar_request_from_json(arena, request, request_len, &c->request, &c->b.err));
	c->source = cedar_entities_source(es);
	c->n = cedar_ast_count(c->ast);
	c->policies = cedar_arena_zalloc(arena, (c->n + 1) * sizeof(CedarPolicy));
	for (uint32_t i = 0; i < c->n; i++)
	{
		char	   *id = cedar_arena_alloc(arena, 16);

		snprintf(id, 16, "%06u", (unsigned) i);
		c->policies[i].id = id;
		c->policies[i].id_len = 6;
		TRY(cedar_compile(arena, c->ast, i, &c->policies[i].piece, &size, &c->b.err));
	}
	TRY(cedar_index_build(arena, c->policies, c->n, &c->index, &size, &c->b.err));
	r = json_loadb(request, request_len, JSON_ALLOW_NUL, NULL);
	c->context = json_deep_copy(json_object_get(r, "context"));
	if (c->context == NULL)
		c->context = json_object();
	json_decref(r);
	return CEDAR_OK;
}

static void
case_close(Case *c)
{
	json_decref(c->context);
	bench_close(&c->b);
}

typedef enum Answer
{
	YES,
	NO,
	FAILS,
	NO_ANSWER
} Answer;

/* Decide by one policy, which is head, expr and tail. */
static Answer
ask(Case *c, const char *head, const char *expr, size_t expr_len, const char *tail,
	const CedarRecord *context, CedarCode *failure)
{
	Text		t = {0};
	CedarArena *arena = c->b.arena;
	CedarPolicy policy = {0};
	CedarRequest request = c->request;
	CedarAst   *ast;
	CedarDecision d;
	CedarError	err;
	size_t		size;
	CedarCode	code;

	if (context != NULL)
		request.context = context;
	text_adds(&t, head);
	text_add(&t, expr, expr_len);
	text_adds(&t, tail);
	code = cedar_parse(arena, t.data, t.len, &ast, &err);
	if (code == CEDAR_OK)
		code = cedar_compile(arena, ast, 0, &policy.piece, &size, &err);
	if (code == CEDAR_OK)
		code = cedar_authorize(arena, &policy, 1, NULL, &c->source, &request, true, &d, &err);
	if (code != CEDAR_OK)
		printf("%.*s: %s\n", (int) t.len, t.data, err.message);
	free(t.data);
	if (code != CEDAR_OK)
		return NO_ANSWER;
	if (d.n_errors > 0)
	{
		*failure = d.errors[0].error.code;
		return FAILS;
	}
	return d.allow ? YES : NO;
}

/* The scope's parts by themselves. */
static void
check_scope(Case *c, const CedarExplanation *x)
{
	static const char *const heads[] = {"permit(", "permit(principal, ", "permit(principal, action, "};
	static const char *const tails[] = {", action, resource);", ", resource);", ");"};
	CedarPart	first = CEDAR_PART_NONE;
	uint32_t	missed = 0;
	CedarCode	failure;

	for (int part = 0; part < 3; part++)
	{
		size_t		offset;
		size_t		length;
		Answer		a;

		cedar_ast_scope_range(c->ast, x->policy, (CedarPart) part, &offset, &length);
		a = ask(c, heads[part], c->text + offset, length, tails[part], NULL, &failure);
		CHECKF(a == YES || a == NO, "part %d of policy %u has no answer", part, x->policy);
		if (a == NO && missed++ == 0)
			first = (CedarPart) part;
	}
	if (missed > 0)
	{
		CHECKF(x->missed == missed && x->part == first && x->outcome == CEDAR_UNSATISFIED && !x->has_position,
			   "policy %u: %u parts missed, the first %d", x->policy, x->missed, x->part);
		CHECK(x->n_seen >= 1 && strcmp(x->seen[0].name, cedar_var_names[first]) == 0);
		scope_missed[first]++;
	}
	else
		CHECK(x->part >= CEDAR_PART_WHEN);
}

static void
check_condition(Case *c, const CedarExplanation *x)
{
	CedarCode	failure = CEDAR_OK;
	Answer		a;
	Answer		wanted = x->part == CEDAR_PART_UNLESS ? YES : NO;

	if (!x->has_position)
		return;
	if (x->outcome == CEDAR_FAILED)
		wanted = FAILS;
	if (x->outcome == CEDAR_SATISFIED)
		return;
	a = ask(c, "permit(principal, action, resource) when { (", c->text + x->offset, x->length, ") };", NULL, &failure);

	/* an operand need not be a bool; then nothing but its failure is told */
	if (wanted == FAILS)
		CHECKF(a == FAILS && failure == x->error->code, "policy %u: %.*s: %s, not %s", x->policy, (int) x->length,
			   c->text + x->offset, code_name(failure), code_name(x->error->code));
	else
		CHECKF(a == wanted || (a == NO_ANSWER), "policy %u: %.*s: %d, not %d", x->policy, (int) x->length,
			   c->text + x->offset, a, wanted);
	CHECK(a != NO_ANSWER);
	failures += wanted == FAILS;
	condition_false += wanted == NO;
	unless_true += wanted == YES;
	inner += wanted != FAILS && x->length < 20;
}

static void
check_seen(Case *c, const CedarExplanation *x)
{
	for (uint32_t i = 0; i < x->n_seen; i++)
	{
		const CedarSeen *s = &x->seen[i];
		const char *json;
		size_t		len;
		json_t	   *value;
		char	   *context_text;
		const CedarRecord *context;
		CedarCode	failure;

		CHECK(cedar_value_to_json(c->b.arena, &s->value, UINT32_MAX, &json, &len, &c->b.err) == CEDAR_OK);
		value = json_loadb(json, len, JSON_ALLOW_NUL | JSON_DECODE_ANY, NULL);
		CHECKF(value != NULL, "not JSON: %.*s", (int) len, json);
		if (value == NULL)
			continue;

		/* the context itself changes when the value is put into it */
		if (s->name != NULL || (s->value.kind == CEDAR_RECORD && s->value.u.rec == c->request.context))
		{
			json_decref(value);
			continue;
		}
		json_object_set_new(c->context, "seen value", value);
		context_text = json_dumps(c->context, JSON_COMPACT);
		if (cedar_context_from_json(c->b.arena, context_text, strlen(context_text), &context, &c->b.err) != CEDAR_OK)
			CHECKF(false, "%s: %s", context_text, c->b.err.message);
		else
			CHECKF(ask(c, "permit(principal, action, resource) when { (", c->text + s->offset, s->length,
					   ") == context[\"seen value\"] };", context, &failure) == YES,
				   "policy %u: %.*s is not %.*s", x->policy, (int) s->length, c->text + s->offset, (int) len, json);
		free(context_text);
		CHECK(cedar_value_to_text(c->b.arena, &s->value, UINT32_MAX, &json, &len, &c->b.err) == CEDAR_OK);
		{
			Text		tail = {0};

			text_adds(&tail, ") == (");
			text_add(&tail, json, len);
			text_add(&tail, ") };", sizeof(") };"));
			CHECKF(ask(c, "permit(principal, action, resource) when { (", c->text + s->offset, s->length,
					   tail.data, NULL, &failure) == YES,
				   "policy %u: %.*s is not %.*s", x->policy, (int) s->length, c->text + s->offset, (int) len, json);
			free(tail.data);
		}
		json_object_del(c->context, "seen value");
		seen_values++;
	}
}

/* The outcomes give the decision. */
static void
check_decision(Case *c, const CedarExplanation *all, uint32_t n)
{
	CedarDecision d;
	bool		permitted = false;
	bool		forbidden = false;
	uint32_t	errors = 0;
	uint32_t	reasons = 0;

	CHECK(cedar_authorize(c->b.arena, c->policies, c->n, c->index, &c->source, &c->request, true, &d, &c->b.err) == CEDAR_OK);
	for (uint32_t i = 0; i < n; i++)
	{
		bool		forbid = cedar_piece_is_forbid(c->policies[all[i].policy].piece);

		forbidden = forbidden || (all[i].outcome == CEDAR_SATISFIED && forbid);
		permitted = permitted || (all[i].outcome == CEDAR_SATISFIED && !forbid);
	}
	CHECK(d.allow == (permitted && !forbidden));
	for (uint32_t i = 0; i < n; i++)
	{
		bool		forbid = cedar_piece_is_forbid(c->policies[all[i].policy].piece);

		if (all[i].outcome == CEDAR_SATISFIED && forbid == forbidden)
			CHECK(reasons < d.n_reasons && d.reasons[reasons++] == all[i].policy);
		if (all[i].outcome == CEDAR_FAILED)
		{
			CHECK(errors < d.n_errors && d.errors[errors].policy == all[i].policy &&
				  memcmp(&d.errors[errors].error, all[i].error, offsetof(CedarError, message)) == 0 &&
				  strcmp(d.errors[errors].error.message, all[i].error->message) == 0);
			CHECK(all[i].error->offset <= all[i].offset &&
				  all[i].error->offset + all[i].error->length >= all[i].offset + all[i].length);
			errors++;
		}
	}
	CHECK(reasons == d.n_reasons && errors == d.n_errors);
}

/* By the index fewer are named, those that count are the same. */
static void
check_candidates(Case *c, const CedarExplanation *all, uint32_t n)
{
	CedarPolicies policies = {.array = c->policies,.n = c->n,.index = c->index};
	CedarExplanation *some;
	uint32_t	m;
	uint32_t	k = 0;

	if (cedar_explain(c->b.arena, &policies, false, &c->source, &c->request, &some, &m, &c->b.err) != CEDAR_OK)
	{
		CHECKF(false, "%s", c->b.err.message);
		return;
	}
	for (uint32_t i = 0; i < n; i++)
	{
		if (k < m && some[k].policy == all[i].policy)
		{
			CHECK(some[k].outcome == all[i].outcome && some[k].part == all[i].part && some[k].missed == all[i].missed &&
				  some[k].n_seen == all[i].n_seen);
			k++;
		}
		else
		{
			CHECK(all[i].outcome == CEDAR_UNSATISFIED && all[i].part <= CEDAR_PART_RESOURCE);
			not_candidates++;
		}
	}
	CHECK(k == m);
}

/* An image of the policies whose number, by 2, leaves rest; all have ids in order. */
static const CedarImage *
half_image(Case *c, uint32_t rest)
{
	CedarPolicy *half = cedar_arena_alloc(c->b.arena, (c->n + 1) * sizeof(CedarPolicy));
	CedarImagePlan *plan;
	size_t		size;
	void	   *block;
	uint32_t	n = 0;

	for (uint32_t i = 0; i < c->n; i++)
		if (i % 2 == rest && cedar_policy_is_linked(&c->policies[i]))
			half[n++] = c->policies[i];
	CHECK(cedar_image_plan(c->b.arena, half, n, &plan, &size, &c->b.err) == CEDAR_OK);
	block = cedar_arena_zalloc(c->b.arena, size);
	cedar_image_write(plan, block);
	return block;
}

/* In two layers, with one policy gone, it is as in the array without that. */
static void
check_layers(Case *c, const CedarExplanation *all, uint32_t n)
{
	CedarLayer	layers[2] = {{half_image(c, 0), NULL}, {half_image(c, 1), NULL}};
	CedarPolicies policies = {.n_layers = 2,.layers = layers};
	uint32_t	gone[64] = {1};	/* the first of the first layer */
	CedarExplanation *x;
	uint32_t	m;

	for (int without = 0; without < 2; without++)
	{
		uint32_t	k = 0;

		layers[0].gone = without ? gone : NULL;
		if (cedar_explain(c->b.arena, &policies, true, &c->source, &c->request, &x, &m, &c->b.err) != CEDAR_OK)
		{
			CHECKF(false, "%s", c->b.err.message);
			return;
		}
		for (uint32_t i = 0; i < n; i++)
		{
			CedarPolicy policy;

			if (without && all[i].policy == 0)
				continue;
			CHECK(k < m);
			if (k == m)
				return;
			cedar_policies_get(&policies, x[k].policy, &policy);
			CHECKF(memcmp(policy.id, c->policies[all[i].policy].id, policy.id_len) == 0, "%.*s", (int) policy.id_len, policy.id);
			CHECK(x[k].outcome == all[i].outcome && x[k].part == all[i].part && x[k].missed == all[i].missed &&
				  x[k].offset == all[i].offset && x[k].n_seen == all[i].n_seen);
			k++;
		}
		CHECK(k == m);
	}

	/* the index's choice of them, too */
	CHECK(cedar_explain(c->b.arena, &policies, false, &c->source, &c->request, &x, &m, &c->b.err) == CEDAR_OK);
	for (uint32_t i = 0; i < n; i++)
	{
		bool		found = all[i].outcome == CEDAR_UNSATISFIED || (all[i].policy == 0);

		for (uint32_t k = 0; k < m && !found; k++)
		{
			CedarPolicy policy;

			cedar_policies_get(&policies, x[k].policy, &policy);
			found = policy.id_len == 6 && memcmp(policy.id, c->policies[all[i].policy].id, 6) == 0 && x[k].outcome == all[i].outcome;
		}
		CHECK(found);
	}
}

static void
explain_case(const char *policies, size_t policies_len, const char *entities, size_t entities_len,
		 const char *request, size_t request_len)
{
	Case		c;
	CedarPolicies all;
	CedarExplanation *x;
	uint32_t	n;

	if (case_open(&c, policies, policies_len, entities, entities_len, request, request_len) == CEDAR_OK)
	{
		all = (CedarPolicies) {.array = c.policies,.n = c.n,.index = c.index};
		CedarCode	code = cedar_explain(c.b.arena, &all, true, &c.source, &c.request, &x, &n, &c.b.err);

		CHECKF(code == CEDAR_OK, "%s: %s", code_name(code), c.b.err.message);
		if (code == CEDAR_OK)
		{
			CHECK(n <= c.n);
			cases++;
			check_decision(&c, x, n);
			check_candidates(&c, x, n);
			if (n > 0 && cedar_policy_is_linked(&c.policies[0]))
				check_layers(&c, x, n);
			for (uint32_t i = 0; i < n; i++)
			{
				CHECK(!x[i].cut);
				satisfied += x[i].outcome == CEDAR_SATISFIED;
				check_scope(&c, &x[i]);
				check_condition(&c, &x[i]);
				check_seen(&c, &x[i]);
			}
		}
	}
	else
		CHECKF(false, "%s: %s", code_name(c.b.err.code), c.b.err.message);
	case_close(&c);
}

/* The same pseudo-random bytes in every run. */
static uint32_t
next_random(uint32_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 17;
	*state ^= *state << 5;
	return *state;
}

static void
test_generated(void)
{
	uint32_t	state = 7;

	for (int i = 0; i < GENERATED_CASES; i++)
	{
		uint8_t		bytes[2000];
		size_t		len = 40 + next_random(&state) % (sizeof(bytes) - 40);
		Generated	g;

		for (size_t k = 0; k < len; k++)
			bytes[k] = (uint8_t) (next_random(&state) >> 11);
		generate(bytes, len, &g);
		explain_case(g.policies.data, g.policies.len, g.entities.data, g.entities.len, g.request.data, g.request.len);
		generated_free(&g);
	}
	printf("%ld cases, %ld satisfied, %ld %ld %ld miss the scope, %ld false, %ld unless, %ld of them small, %ld fail, %ld values, %ld no candidates\n",
		   cases, satisfied, scope_missed[0], scope_missed[1], scope_missed[2], condition_false, unless_true, inner, failures,
		   seen_values, not_candidates);
	CHECK(satisfied > 100 && scope_missed[0] > 100 && scope_missed[1] > 100 && scope_missed[2] > 100 &&
		  condition_false > 100 && unless_true > 20 && inner > 100 && failures > 100 && seen_values > 1000 && not_candidates > 100);
}

/* ------------------------------------------------------------------ by hand */

#define ENTITIES \
	"[{\"uid\":{\"type\":\"U\",\"id\":\"a\"},\"attrs\":{\"n\":2,\"s\":\"x\",\"big\":[1,2,3],\"boss\":{\"__entity\":{\"type\":\"U\",\"id\":\"b\"}}," \
	"\"r\":{\"x\":{\"y\":1}}},\"parents\":[{\"type\":\"G\",\"id\":\"g\"}],\"tags\":{\"t\":\"v\"}}," \
	"{\"uid\":{\"type\":\"U\",\"id\":\"b\"},\"attrs\":{\"n\":9},\"parents\":[]}," \
	"{\"uid\":{\"type\":\"G\",\"id\":\"g\"},\"attrs\":{},\"parents\":[{\"type\":\"G\",\"id\":\"top\"}]}]"

/* condition: what is told of it */
static const struct
{
	const char *policy;
	const char *outcome;
	const char *part;
	const char *expression;
	const char *seen;
}			by_hand[] = {
	{"permit(principal, action, resource);", "satisfied", "", NULL, "{}"},
	{"permit(principal, action, resource) when { principal.n == 2 };", "satisfied", "", "principal.n == 2", "{\"principal.n\":2}"},
	{"permit(principal == U::\"b\", action, resource);", "unsatisfied", "principal", NULL, "{\"principal\":{\"__entity\":{\"type\":\"U\",\"id\":\"a\"}}}"},
	{"permit(principal in G::\"other\", action, resource);", "unsatisfied", "principal", NULL,
	"{\"principal\":{\"__entity\":{\"type\":\"U\",\"id\":\"a\"}},\"ancestors\":2}"},
	{"permit(principal in G::\"top\", action == Action::\"w\", resource == D::\"other\");", "unsatisfied", "action", NULL, NULL},
	{"permit(principal, action, resource) when { principal.n > 1 && principal.s == \"y\" && principal.nothing };", "unsatisfied", "when", "principal.s == \"y\"", "{\"principal.s\":\"x\"}"},
	{"permit(principal, action, resource) when { principal.n > 1 } when { principal.n > 2 } unless { principal.n == 2 };", "unsatisfied", "when", "principal.n > 2", "{\"principal.n\":2}"},
	{"permit(principal, action, resource) when { principal.n > 1 } unless { principal.n > 5 || principal.boss.n == 9 };", "unsatisfied", "unless", "principal.boss.n == 9",
	"{\"principal.boss\":{\"__entity\":{\"type\":\"U\",\"id\":\"b\"}},\"principal.boss.n\":9}"},
	{"permit(principal, action, resource) unless { principal has s };", "unsatisfied", "unless", "principal has s", "{}"},
	{"permit(principal, action, resource) when { !(principal has s && principal in G::\"top\") };", "unsatisfied", "when", "!(principal has s && principal in G::\"top\")", "{\"principal has s\":true,\"principal\":{\"__entity\":{\"type\":\"U\",\"id\":\"a\"}},\"principal in G::\\\"top\\\"\":true}"},
	{"permit(principal, action, resource) when { principal.n == 1 || context.k == 2 || principal in U::\"z\" };", "unsatisfied", "when",
	"principal.n == 1 || context.k == 2 || principal in U::\"z\"", "{\"principal.n\":2,\"context.k\":1,\"principal\":{\"__entity\":{\"type\":\"U\",\"id\":\"a\"}},\"principal in U::\\\"z\\\"\":false}"},
	{"permit(principal, action, resource) when { principal.getTag(\"t\") == \"w\" };", "unsatisfied", "when", "principal.getTag(\"t\") == \"w\"", "{\"principal.getTag(\\\"t\\\")\":\"v\"}"},
	{"permit(principal, action, resource) when { principal.r.x.y > 1 };", "unsatisfied", "when", "principal.r.x.y > 1", "{\"principal.r.x.y\":1}"},
	{"permit(principal, action, resource) when { principal == resource };", "unsatisfied", "when", "principal == resource",
	"{\"principal\":{\"__entity\":{\"type\":\"U\",\"id\":\"a\"}},\"resource\":{\"__entity\":{\"type\":\"D\",\"id\":\"d\"}}}"},
	{"permit(principal, action, resource) when { if context.k == 1 then principal.n == 3 else principal.zzz };", "unsatisfied", "when",
	"if context.k == 1 then principal.n == 3 else principal.zzz", "{\"context.k\":1,\"principal.n\":2}"},
	{"permit(principal, action, resource) when { false };", "unsatisfied", "when", "false", "{}"},
	{"permit(principal, action, resource) when { principal.n == 2 && resource.x == 1 };", "failed", "when", "resource.x", "{}"},
	{"permit(principal, action, resource) when { principal.n + principal.s < 3 };", "failed", "when", "principal.n + principal.s", "{\"principal.n\":2,\"principal.s\":\"x\"}"},
	{"permit(principal, action, resource) unless { ip(principal.s).isIpv4() };", "failed", "unless", "ip(principal.s)", "{\"principal.s\":\"x\"}"},
	{"permit(principal, action, resource) when { principal.n == 2 && principal.n };", "failed", "when", "principal.n", "{}"},
	{"forbid(principal, action, resource) when { principal.big.contains(3) };", "satisfied", "", "principal.big.contains(3)", NULL},
};

static void
test_by_hand(void)
{
	static const char *const outcomes[] = {"satisfied", "unsatisfied", "failed"};
	static const char request[] = "{\"principal\":\"U::\\\"a\\\"\",\"action\":\"Action::\\\"v\\\"\",\"resource\":\"D::\\\"d\\\"\",\"context\":{\"k\":1}}";

	for (size_t i = 0; i < LENGTH(by_hand); i++)
	{
		const char *policy = by_hand[i].policy;
		Case		c;
		CedarExplanation *x;
		uint32_t	n = 0;
		const char *json;
		size_t		len;

		explain_case(policy, strlen(policy), LIT(ENTITIES), LIT(request));
		CHECK(case_open(&c, policy, strlen(policy), LIT(ENTITIES), LIT(request)) == CEDAR_OK);
		CHECK(cedar_explain(c.b.arena, &(CedarPolicies) {.array = c.policies,.n = 1}, false, &c.source, &c.request,
							&x, &n, &c.b.err) == CEDAR_OK && n == 1);
		if (n == 1)
		{
			CHECKF(strcmp(outcomes[x->outcome], by_hand[i].outcome) == 0, "%s: %s", policy, outcomes[x->outcome]);
			CHECKF(strcmp(cedar_part_name(x->part), by_hand[i].part) == 0, "%s: %s", policy, cedar_part_name(x->part));
			CHECK(x->has_position == (by_hand[i].expression != NULL));
			if (x->has_position)
				CHECKF(x->length == strlen(by_hand[i].expression) &&
					   memcmp(policy + x->offset, by_hand[i].expression, x->length) == 0,
					   "%s: %.*s", policy, (int) x->length, policy + x->offset);
			CHECK(cedar_seen_to_json(c.b.arena, x, policy, strlen(policy), &json, &len, &c.b.err) == CEDAR_OK);
			if (by_hand[i].seen != NULL)
			{
				json_t	   *got = json_loadb(json, len, 0, NULL);
				json_t	   *wanted = json_loads(by_hand[i].seen, 0, NULL);
				json_t	   *ancestors = json_object_get(got, "ancestors");

				/* sets have no order that is stable */
				if (json_is_array(ancestors))
					json_object_set_new(got, "ancestors", json_integer((json_int_t) json_array_size(ancestors)));
				CHECKF(json_equal(got, wanted), "%s: %.*s", policy, (int) len, json);
				json_decref(got);
				json_decref(wanted);
			}
		}
		case_close(&c);
	}
}

/* What is not bounded by nature is bounded here. */
static void
test_bounds(void)
{
	static const char request[] = "{\"principal\":\"U::\\\"a\\\"\",\"action\":\"Action::\\\"v\\\"\",\"resource\":\"D::\\\"d\\\"\",\"context\":{\"k\":1}}";
	Text		policy = {0};
	Text		context = {0};
	Case		c;
	CedarExplanation *x;
	uint32_t	n = 0;
	const char *json;
	size_t		len;
	json_t	   *o;

	/* many expressions, a long string, many elements */
	text_adds(&policy, "permit(principal, action, resource) when { context.long == \"\" || context.set == []");
	for (int i = 0; i < 100; i++)
	{
		char		part[64];

		text_add(&policy, part, (size_t) snprintf(part, sizeof(part), " || context.v%d == 1", i));
	}
	text_adds(&policy, " };");
	text_adds(&context, "{\"principal\":\"U::\\\"a\\\"\",\"action\":\"Action::\\\"v\\\"\",\"resource\":\"D::\\\"d\\\"\",\"context\":{\"long\":\"");
	text_times(&context, "\xC3\xA9", 5000);
	text_adds(&context, "\",\"set\":[{\"x\":1}");
	for (int i = 0; i < 1000; i++)
	{
		char		part[64];

		text_add(&context, part, (size_t) snprintf(part, sizeof(part), ",%d", i));
	}
	text_adds(&context, "]");
	for (int i = 0; i < 100; i++)
	{
		char		part[64];

		text_add(&context, part, (size_t) snprintf(part, sizeof(part), ",\"v%d\":0", i));
	}
	text_adds(&context, "}}");
	CHECK(case_open(&c, policy.data, policy.len, LIT("[]"), context.data, context.len) == CEDAR_OK);
	CHECK(cedar_explain(c.b.arena, &(CedarPolicies) {.array = c.policies,.n = 1}, false, &c.source, &c.request,
						&x, &n, &c.b.err) == CEDAR_OK && n == 1 && x->cut && x->n_seen == CEDAR_MAX_SEEN);
	if (n == 1)
	{
		CHECK(cedar_seen_to_json(c.b.arena, x, policy.data, policy.len, &json, &len, &c.b.err) == CEDAR_OK && len < 20000);
		o = json_loadb(json, len, 0, NULL);
		CHECK(json_object_size(o) == CEDAR_MAX_SEEN);
		CHECK(json_string_length(json_object_get(o, "context.long")) == 1003);
		CHECK(json_array_size(json_object_get(o, "context.set")) > 90 && json_array_size(json_object_get(o, "context.set")) <= 101);
		json_decref(o);
	}
	case_close(&c);
	free(policy.data);
	free(context.data);

	/* a condition that takes all its steps is explained in time, or says that it was not */
	memset(&policy, 0, sizeof(policy));
	memset(&context, 0, sizeof(context));
	text_adds(&policy, "permit(principal, action, resource) when { ");
	for (int i = 0; i < 450; i++)
		text_adds(&policy, "!(context.set.containsAll(context.set) && ");
	text_adds(&policy, "context.k == 1");
	text_times(&policy, ")", 450);
	text_adds(&policy, " };");
	text_adds(&context, "{\"principal\":\"U::\\\"a\\\"\",\"action\":\"Action::\\\"v\\\"\",\"resource\":\"D::\\\"d\\\"\",\"context\":{\"k\":1,\"set\":[0");
	for (int i = 1; i < 5000; i++)
	{
		char		part[64];

		text_add(&context, part, (size_t) snprintf(part, sizeof(part), ",%d", i));
	}
	text_adds(&context, "]}}");
	if (case_open(&c, policy.data, policy.len, LIT("[]"), context.data, context.len) == CEDAR_OK)
	{
		CHECK(cedar_explain(c.b.arena, &(CedarPolicies) {.array = c.policies,.n = 1}, false, &c.source, &c.request,
							&x, &n, &c.b.err) == CEDAR_OK && n == 1);
		CHECK(x->outcome == CEDAR_SATISFIED || x->cut);
		CHECK(x->cut);
	}
	else
		CHECKF(false, "%s", c.b.err.message);
	case_close(&c);
	free(policy.data);
	free(context.data);

	/* many policies that ask for another of the principal's many groups: it is told once which it is in */
	memset(&policy, 0, sizeof(policy));
	memset(&context, 0, sizeof(context));
	for (int i = 0; i < 1000; i++)
		text_adds(&policy, "permit(principal in G::\"other\", action, resource);");
	text_adds(&context, "[{\"uid\":{\"type\":\"U\",\"id\":\"a\"},\"attrs\":{},\"parents\":[");
	for (int i = 0; i < 1000; i++)
	{
		char		part[64];

		text_add(&context, part, (size_t) snprintf(part, sizeof(part), "%s{\"type\":\"G\",\"id\":\"%d\"}",
												   i == 0 ? "" : ",", i));
	}
	text_adds(&context, "]}]");
	CHECK(case_open(&c, policy.data, policy.len, context.data, context.len, LIT(request)) == CEDAR_OK);
	len = cedar_arena_bytes(c.b.arena);
	CHECK(cedar_explain(c.b.arena, &(CedarPolicies) {.array = c.policies,.n = 1000}, true, &c.source, &c.request,
						&x, &n, &c.b.err) == CEDAR_OK && n == 1000 && x[999].n_seen == 2 && x[999].seen[1].value.u.set->n == 1000);
	CHECKF(cedar_arena_bytes(c.b.arena) - len < 2000000, "%zu bytes", cedar_arena_bytes(c.b.arena) - len);
	case_close(&c);
	free(policy.data);
	free(context.data);

	/* a set without policies, and a template that has no values */
	CHECK(case_open(&c, "", 0, LIT("[]"), LIT(request)) == CEDAR_OK);
	CHECK(cedar_explain(c.b.arena, &(CedarPolicies) {.array = c.policies}, true, &c.source, &c.request, &x, &n, &c.b.err) == CEDAR_OK && n == 0);
	case_close(&c);
	CHECK(case_open(&c, LIT("permit(principal == ?principal, action, resource);"), LIT("[]"), LIT(request)) == CEDAR_OK);
	CHECK(cedar_explain(c.b.arena, &(CedarPolicies) {.array = c.policies,.n = 1}, true, &c.source, &c.request, &x, &n, &c.b.err) == CEDAR_OK && n == 0);
	c.policies[0].principal = c.request.resource;
	CHECK(cedar_explain(c.b.arena, &(CedarPolicies) {.array = c.policies,.n = 1}, true, &c.source, &c.request, &x, &n, &c.b.err) == CEDAR_OK && n == 1);
	if (n == 1)
		CHECK(x->n_seen == 2 && strcmp(x->seen[1].name, "?principal") == 0 && x->seen[1].value.u.uid == c.request.resource);
	case_close(&c);
}

/* ------------------------------------------------------------------- values */

static void
test_values(void)
{
	static const struct
	{
		CedarKind	kind;
		int64_t		i;
		const char *json;
	}			scalars[] = {
		{CEDAR_DECIMAL, 0, "{\"__extn\":{\"fn\":\"decimal\",\"arg\":\"0.0\"}}"},
		{CEDAR_DECIMAL, -1, "{\"__extn\":{\"fn\":\"decimal\",\"arg\":\"-0.0001\"}}"},
		{CEDAR_DECIMAL, 12500, "{\"__extn\":{\"fn\":\"decimal\",\"arg\":\"1.25\"}}"},
		{CEDAR_DECIMAL, INT64_MIN, "{\"__extn\":{\"fn\":\"decimal\",\"arg\":\"-922337203685477.5808\"}}"},
		{CEDAR_DATETIME, 0, "{\"__extn\":{\"fn\":\"datetime\",\"arg\":\"1970-01-01\"}}"},
		{CEDAR_DATETIME, -1, "{\"__extn\":{\"fn\":\"datetime\",\"arg\":\"1969-12-31T23:59:59.999Z\"}}"},
		{CEDAR_DATETIME, INT64_C(951782400000), "{\"__extn\":{\"fn\":\"datetime\",\"arg\":\"2000-02-29\"}}"},
		{CEDAR_DATETIME, INT64_C(1709210096000), "{\"__extn\":{\"fn\":\"datetime\",\"arg\":\"2024-02-29T12:34:56Z\"}}"},
		{CEDAR_DURATION, -5, "{\"__extn\":{\"fn\":\"duration\",\"arg\":\"-5ms\"}}"},
		{CEDAR_LONG, INT64_MIN, "-9223372036854775808"},
	};
	static const char *const ips[][2] = {
		{"10.0.0.1", "10.0.0.1"}, {"10.0.0.0/8", "10.0.0.0/8"}, {"::", "::"}, {"::1", "::1"}, {"1::", "1::"},
		{"2001:db8:0:0:1:0:0:1", "2001:db8::1:0:0:1"}, {"2001:db8:0:1:1:1:1:1", "2001:db8:0:1:1:1:1:1"},
		{"1:0:0:2:0:0:0:3/64", "1:0:0:2::3/64"}, {"ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"},
	};
	Bench		b;
	const char *json;
	size_t		len;
	uint32_t	state = 3;

	bench_open(&b);
	for (size_t i = 0; i < LENGTH(scalars); i++)
	{
		CedarValue	v = cedar_value_scalar(scalars[i].kind, scalars[i].i);

		CHECK(cedar_value_to_json(b.arena, &v, 10, &json, &len, &b.err) == CEDAR_OK);
		CHECKF(len == strlen(scalars[i].json) && memcmp(json, scalars[i].json, len) == 0, "%.*s", (int) len, json);
	}
	for (size_t i = 0; i < LENGTH(ips); i++)
	{
		char		text[128];
		const CedarRecord *rec;
		CedarValue	v;

		snprintf(text, sizeof(text), "{\"x\":{\"__extn\":{\"fn\":\"ip\",\"arg\":\"%s\"}}}", ips[i][0]);
		CHECK(cedar_context_from_json(b.arena, text, strlen(text), &rec, &b.err) == CEDAR_OK);
		v = cedar_value_rec(rec);
		CHECK(cedar_value_to_json(b.arena, &v, 10, &json, &len, &b.err) == CEDAR_OK);
		snprintf(text, sizeof(text), "{\"x\":{\"__extn\":{\"fn\":\"ip\",\"arg\":\"%s\"}}}", ips[i][1]);
		CHECKF(len == strlen(text) && memcmp(json, text, len) == 0, "%.*s, not %s", (int) len, json, text);
	}

	/* any moment and any number comes back as it was */
	for (int i = 0; i < 20000; i++)
	{
		static const CedarKind kinds[] = {CEDAR_DATETIME, CEDAR_DATETIME, CEDAR_DECIMAL, CEDAR_DURATION};
		CedarMark	mark = cedar_arena_mark(b.arena);
		int64_t		x = (int64_t) ((uint64_t) next_random(&state) << 32 | next_random(&state));
		CedarValue	v = cedar_value_scalar(kinds[i % 4], x >> (next_random(&state) % 60));
		const CedarRecord *rec;
		CedarPair	pair = {cedar_str_make(b.arena, "v", 1), v};
		CedarValue	whole = cedar_value_rec(cedar_record_make(b.arena, &pair, 1, NULL));

		CHECK(cedar_value_to_json(b.arena, &whole, 10, &json, &len, &b.err) == CEDAR_OK);
		if (cedar_context_from_json(b.arena, json, len, &rec, &b.err) == CEDAR_OK)
		{
			CedarValue	back = cedar_value_rec(rec);

			CHECKF(cedar_value_equal(&back, &whole), "%.*s", (int) len, json);
		}
		else
			CHECKF(false, "%.*s: %s", (int) len, json, b.err.message);
		cedar_arena_release(b.arena, mark);
	}
	bench_close(&b);
}

int
main(void)
{
	setvbuf(stdout, NULL, _IOLBF, 0);
	test_by_hand();
	test_bounds();
	test_values();
	test_generated();
	return checks_end();
}
