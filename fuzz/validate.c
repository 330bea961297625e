/*-------------------------------------------------------------------------
 *
 * validate.c
 *	  Fuzz target: the type checker.
 *
 * An input that begins with 'G' drives the generator, whose policies are put
 * to a schema and entities of the same vocabulary; any other holds four texts,
 * schema, policies, entities and request, each ended by the byte 0xFF (which
 * UTF-8 never holds).
 *
 * Findings must be as validate.h has them.  And what passes must keep what a
 * validator is for: with entities and a request that fit the schema, a policy
 * without an error fails for nothing that types could tell, and one that can
 * never apply does not.
 *
 *-------------------------------------------------------------------------
 */
#include "fuzz.h"

#include "conform.h"
#include "generate.h"
#include "validate.h"

#include "internal.h"

#define LEVELS 4

static bool
is_limit(CedarCode code)
{
	return code == CEDAR_ERR_NOMEM || code == CEDAR_ERR_STACK || code == CEDAR_ERR_LIMIT;
}

static void
check_findings(const CedarAst *ast, const CedarFinding *findings, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
	{
		const CedarFinding *f = &findings[i];
		size_t		len = strnlen(f->message, sizeof(f->message));
		size_t		hint = strnlen(f->hint, sizeof(f->hint));
		size_t		offset,
					length;

		FUZZ_REQUIRE(f->policy < cedar_ast_count(ast), "finding %u: policy %u", i, f->policy);
		FUZZ_REQUIRE(f->code < CEDAR_FINDING_COUNT && f->warning == (f->code >= CEDAR_FOUND_APPLICATION),
					 "finding %u: code %d", i, (int) f->code);
		FUZZ_REQUIRE(len > 0 && len < sizeof(f->message) && hint < sizeof(f->hint),
					 "finding %u: message of %zu bytes", i, len);
		FUZZ_REQUIRE(cedar_utf8_invalid_at(f->message, len) == len &&
					 cedar_utf8_invalid_at(f->hint, hint) == hint, "message is not UTF-8");
		cedar_ast_range(ast, f->policy, &offset, &length);
		FUZZ_REQUIRE(f->length > 0 && f->offset >= offset && f->length <= length &&
					 f->offset - offset <= length - f->length,
					 "position %zu+%zu of a policy at %zu+%zu: %s", f->offset, f->length, offset,
					 length, f->message);
		if (i == 0)
			continue;
		FUZZ_REQUIRE(f[-1].policy < f->policy ||
					 (f[-1].policy == f->policy && f[-1].offset <= f->offset), "finding %u: order", i);
		FUZZ_REQUIRE(f[-1].policy != f->policy || f[-1].code != f->code || f[-1].offset != f->offset ||
					 f[-1].length != f->length || strcmp(f[-1].message, f->message) != 0,
					 "finding %u: repeated: %s", i, f->message);
	}
}

static bool
validate(CedarArena *arena, const CedarSchema *schema, const CedarAst *ast, uint32_t level,
		 size_t text_len, const CedarFinding **findings, uint32_t *n)
{
	CedarError	err;
	CedarCode	code;

	memset(&err, 0, sizeof(err));
	code = cedar_validate(arena, schema, ast, 0, cedar_ast_count(ast), level, findings, n, &err);
	if (code != CEDAR_OK)
	{
		fuzz_check_error(code, &err, text_len);
		FUZZ_REQUIRE(is_limit(code), "validation: %s", err.message);
		return false;
	}
	check_findings(ast, *findings, *n);
	return true;
}

static bool
is_level(CedarFindingCode code)
{
	return code == CEDAR_FOUND_LEVEL || code == CEDAR_FOUND_LITERAL_DEREFERENCE;
}

/* A level adds findings of its own and nothing else, and the fewer the higher it is. */
static bool
check_levels(CedarArena *arena, const CedarSchema *schema, const CedarAst *ast, size_t text_len,
			 const CedarFinding *plain, uint32_t n_plain)
{
	uint32_t	deeper = UINT32_MAX;

	for (uint32_t level = 0; level < LEVELS; level++)
	{
		const CedarFinding *findings;
		uint32_t	n,
					k = 0,
					n_level = 0;

		if (!validate(arena, schema, ast, level, text_len, &findings, &n))
			return false;
		for (uint32_t i = 0; i < n; i++)
		{
			n_level += findings[i].code == CEDAR_FOUND_LEVEL;
			if (is_level(findings[i].code))
				continue;
			FUZZ_REQUIRE(k < n_plain && plain[k].policy == findings[i].policy &&
						 plain[k].code == findings[i].code && plain[k].offset == findings[i].offset,
						 "level %u: %s", level, findings[i].message);
			k++;
		}
		FUZZ_REQUIRE(k == n_plain, "level %u loses findings", level);
		FUZZ_REQUIRE(n_level <= deeper, "level %u finds more than the one below", level);
		deeper = n_level;
	}
	return true;
}

typedef struct Verdict
{
	bool		wrong;			/* has an error */
	bool		never;			/* cannot apply */
} Verdict;

static void
judge(Verdict *verdicts, const CedarFinding *findings, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
	{
		Verdict    *v = &verdicts[findings[i].policy];

		v->wrong = v->wrong || !findings[i].warning;
		v->never = v->never || findings[i].code == CEDAR_FOUND_IMPOSSIBLE ||
			findings[i].code == CEDAR_FOUND_APPLICATION;
	}
}

/* Failures that no type can tell; an extension may run out of its range. */
static bool
may_fail(CedarCode code)
{
	return code == CEDAR_EVAL_OVERFLOW || code == CEDAR_EVAL_NO_ENTITY ||
		code == CEDAR_EVAL_EXTENSION || is_limit(code);
}

static void
check_decision(const Verdict *verdicts, const CedarDecision *d)
{
	for (uint32_t i = 0; i < d->n_errors; i++)
		FUZZ_REQUIRE(verdicts[d->errors[i].policy].wrong || may_fail(d->errors[i].error.code),
					 "policy %u passes and fails: %s", d->errors[i].policy, d->errors[i].error.message);
	for (uint32_t i = 0; i < d->n_reasons; i++)
		FUZZ_REQUIRE(verdicts[d->reasons[i]].wrong || !verdicts[d->reasons[i]].never,
					 "policy %u can never apply and does", d->reasons[i]);
}

/* What the generator speaks of. */
#define ATTRIBUTES \
	"{ s?: String, n: Long, b?: Bool, e?: U, l?: Set<Long>, r?: { n: Long, s?: String, e?: G }," \
	" t?: datetime, i?: ipaddr, d?: decimal, u?: duration, m?: Set<U> }"

static const char vocabulary[] =
"entity U in [G] " ATTRIBUTES " tags String;\n"
"entity G in [G] { n: Long, b?: Bool };\n"
"entity D in [D, G] " ATTRIBUTES " tags Long;\n"
"namespace N { entity T enum [\"a\", \"b\", \"c\"]; }\n"
"action a, b in c appliesTo { principal: [U, G, N::T], resource: [U, D], context: " ATTRIBUTES " };\n"
"action \"\" in [a, b] appliesTo { principal: U, resource: D, context: { b?: Bool, e: U } };\n"
"action c, \"\303\251\";\n";

#define FULL \
	"{\"s\":\"ab\",\"n\":1,\"b\":true,\"e\":{\"type\":\"U\",\"id\":\"b\"},\"l\":[1,2],\"r\":{\"n\":2}," \
	"\"t\":\"2024-01-01\",\"i\":\"10.1.2.3\",\"d\":\"1.5\",\"u\":\"1h\",\"m\":[{\"type\":\"U\",\"id\":\"a\"}]}"
#define ENTITY(type, id, attrs, parents, tags) \
	"{\"uid\":{\"type\":\"" type "\",\"id\":\"" id "\"},\"attrs\":" attrs ",\"parents\":[" parents "],\"tags\":" tags "}"
#define UID(type, id) "{\"type\":\"" type "\",\"id\":\"" id "\"}"

/* b has what must be and nothing else */
static const char vocabulary_entities[] =
"[" ENTITY("U", "a", FULL, UID("G", "a"), "{\"a\":\"b\"}")
"," ENTITY("U", "b", "{\"n\":0}", "", "{}")
"," ENTITY("G", "a", "{\"n\":1,\"b\":false}", UID("G", "b"), "{}")
"," ENTITY("G", "b", "{\"n\":1}", "", "{}")
"," ENTITY("D", "a", FULL, UID("D", "b"), "{\"a\":1}")
"," ENTITY("D", "b", "{\"n\":0}", UID("G", "a"), "{}")
"]";

static const char *const vocabulary_requests[] = {
	"{\"principal\":" UID("U", "a") ",\"action\":" UID("Action", "a") ",\"resource\":" UID("D", "a") ",\"context\":" FULL "}",
	"{\"principal\":" UID("U", "b") ",\"action\":" UID("Action", "b") ",\"resource\":" UID("D", "b") ",\"context\":{\"n\":1}}",
	"{\"principal\":" UID("G", "b") ",\"action\":" UID("Action", "a") ",\"resource\":" UID("U", "b") ",\"context\":{\"n\":1}}",
	"{\"principal\":" UID("N::T", "a") ",\"action\":" UID("Action", "b") ",\"resource\":" UID("U", "a") ",\"context\":" FULL "}",
	"{\"principal\":" UID("U", "b") ",\"action\":" UID("Action", "") ",\"resource\":" UID("D", "a") ",\"context\":{\"e\":" UID("U", "b") "}}",
};

typedef struct Text
{
	const char *data;
	size_t		len;
} Text;

static void
check(CedarArena *arena, const Text *schema_text, const Text *policy_text,
	  const Text *entity_text, const Text *request_texts, uint32_t n_requests, bool generated)
{
	const CedarSchema *schema;
	const CedarFinding *findings;
	CedarAst   *ast;
	CedarEntities *entities;
	CedarPolicy *policies;
	Verdict    *verdicts;
	CedarError	err;
	CedarCode	code;
	uint32_t	n_policies,
				n;

	code = cedar_schema_parse(arena, schema_text->data, schema_text->len, CEDAR_SCHEMA_AUTO, &schema,
							  &err);
	FUZZ_REQUIRE(!generated || code == CEDAR_OK || is_limit(code), "%s", err.message);
	if (code != CEDAR_OK ||
		cedar_parse(arena, policy_text->data, policy_text->len, &ast, &err) != CEDAR_OK)
		return;
	n_policies = cedar_ast_count(ast);
	if (!validate(arena, schema, ast, CEDAR_NO_LEVEL, policy_text->len, &findings, &n) ||
		!check_levels(arena, schema, ast, policy_text->len, findings, n))
		return;

	code = cedar_conform_entities_from_json(arena, schema, entity_text->data, entity_text->len,
											&entities, &err);
	FUZZ_REQUIRE(!generated || code == CEDAR_OK || is_limit(code), "%s", err.message);
	if (code != CEDAR_OK)
		return;
	policies = fuzz_compile(arena, ast, policy_text->len);
	verdicts = cedar_arena_zalloc(arena, (n_policies + 1) * sizeof(Verdict));
	if (policies == NULL || verdicts == NULL)
		return;
	judge(verdicts, findings, n);
	for (uint32_t r = 0; r < n_requests; r++)
	{
		CedarRequest request;
		CedarDecision decision;
		Verdict    *linked = cedar_arena_alloc(arena, (n_policies + 1) * sizeof(Verdict));

		code = cedar_conform_request_from_json(arena, schema, request_texts[r].data,
											   request_texts[r].len, &request, &err);
		FUZZ_REQUIRE(!generated || code == CEDAR_OK || is_limit(code), "request %u: %s", r, err.message);
		if (code != CEDAR_OK || linked == NULL)
			return;
		memcpy(linked, verdicts, (n_policies + 1) * sizeof(Verdict));
		for (uint32_t i = 0; i < n_policies; i++)
		{
			if (!cedar_ast_is_template(ast, i))
				continue;
			/* a template is linked with what is asked about */
			policies[i].principal = request.principal;
			policies[i].resource = request.resource;
			code = cedar_validate_link(arena, schema, ast, i, request.principal, request.resource,
									   &findings, &n, &err);
			if (is_limit(code))
				return;
			FUZZ_REQUIRE(code == CEDAR_OK, "validation of a link: %s", err.message);
			check_findings(ast, findings, n);
			judge(linked, findings, n);
		}
		if (!fuzz_authorize(arena, policies, n_policies, entities, &request, &decision,
							policy_text->len))
			return;
		check_decision(linked, &decision);
	}
}

void
fuzz_one(CedarArena *arena, const uint8_t *data, size_t size)
{
	const size_t n_requests = sizeof(vocabulary_requests) / sizeof(vocabulary_requests[0]);
	Text		texts[4],
				requests[sizeof(vocabulary_requests) / sizeof(vocabulary_requests[0])];

	if (size > 0 && data[0] == 'G')
	{
		Generated	g;

		generate(data + 1, size - 1, &g);
		fuzz_keep(g.policies.data);
		fuzz_keep(g.entities.data);
		fuzz_keep(g.request.data);
		texts[0] = (Text) {vocabulary, strlen(vocabulary)};
		texts[1] = (Text) {g.policies.data, g.policies.len};
		texts[2] = (Text) {vocabulary_entities, strlen(vocabulary_entities)};
		for (size_t i = 0; i < n_requests; i++)
			requests[i] = (Text) {vocabulary_requests[i], strlen(vocabulary_requests[i])};
		check(arena, &texts[0], &texts[1], &texts[2], requests, (uint32_t) n_requests, true);
		return;
	}
	for (int i = 0; i < 4; i++)
	{
		const uint8_t *stop = memchr(data, 0xFF, size);
		size_t		len = stop == NULL ? size : (size_t) (stop - data);

		texts[i] = (Text) {fuzz_copy(data, len), len};
		data += stop == NULL ? len : len + 1;
		size -= stop == NULL ? len : len + 1;
	}
	check(arena, &texts[0], &texts[1], &texts[2], &texts[3], 1, false);
}
