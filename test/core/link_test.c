/*-------------------------------------------------------------------------
 *
 * link_test.c
 *	  Templates linked with values decide as the policy does in whose text the
 *	  values stand, with and without a scope index; unlinked ones decide
 *	  nothing.  Links as JSON: what is taken, and where errors point.
 *
 *-------------------------------------------------------------------------
 */
#include <string.h>

#include "link.h"
#include "unit.h"

static const char *const scopes[][2] = {
	{"principal", "resource"},
	{"principal == ?principal", "resource"},
	{"principal in ?principal", "resource"},
	{"principal is U in ?principal", "resource"},
	{"principal", "resource == ?resource"},
	{"principal", "resource in ?resource"},
	{"principal", "resource is D in ?resource"},
	{"principal == ?principal", "resource in ?resource"},
	{"principal in ?principal", "resource == ?resource"},
	{"principal is U in ?principal", "resource is D in ?resource"},
};

static const char *const principals[] = {"U::\"a\"", "U::\"b\"", "G::\"g\"", "G::\"top\"", "X::\"x\"", "U::\"nul\\0\""};
static const char *const resources[] = {"D::\"d\"", "D::\"e\"", "F::\"f\"", "U::\"a\""};

static const char entities_text[] =
	"[{\"uid\":{\"type\":\"U\",\"id\":\"a\"},\"attrs\":{},\"parents\":[{\"type\":\"G\",\"id\":\"g\"}]},"
	"{\"uid\":{\"type\":\"G\",\"id\":\"g\"},\"attrs\":{},\"parents\":[{\"type\":\"G\",\"id\":\"top\"}]},"
	"{\"uid\":{\"type\":\"D\",\"id\":\"d\"},\"attrs\":{\"n\":1},\"parents\":[{\"type\":\"F\",\"id\":\"f\"}]}]";

#define LINKS (LENGTH(principals) * LENGTH(resources))

/* Put a value where the slot stands. */
static void
substitute(Text *out, const char *text, const char *slot, const char *value)
{
	const char *at = strstr(text, slot);

	if (at == NULL)
		text_adds(out, text);
	else
	{
		text_add(out, text, (size_t) (at - text));
		text_adds(out, value);
		text_adds(out, at + strlen(slot));
	}
}

static const CedarPiece *
compile(Bench *b, const char *text, size_t len)
{
	CedarAst   *ast;
	const CedarPiece *piece;
	size_t		size;

	if (cedar_parse_one(b->arena, text, len, &ast, &b->err) != CEDAR_OK ||
		cedar_compile(b->arena, ast, 0, &piece, &size, &b->err) != CEDAR_OK)
	{
		CHECKF(false, "%.*s: %s", (int) len, text, b->err.message);
		return NULL;
	}
	return piece;
}

static bool
same(const CedarDecision *a, const CedarDecision *b)
{
	return a->allow == b->allow && a->n_reasons == b->n_reasons && a->n_errors == b->n_errors &&
		(a->n_reasons == 0 || memcmp(a->reasons, b->reasons, a->n_reasons * sizeof(uint32_t)) == 0);
}

static void
test_links(const char *effect, const char *condition)
{
	Bench		b;
	CedarEntities *entities;
	CedarEntitySource source;
	CedarPolicy linked[LENGTH(scopes) * LINKS];
	CedarPolicy plain[LENGTH(scopes) * LINKS];
	uint32_t	n = 0;
	const CedarIndex *index;
	size_t		size;

	memset(linked, 0, sizeof(linked));
	memset(plain, 0, sizeof(plain));
	bench_open(&b);
	CHECK(cedar_entities_from_json(b.arena, entities_text, strlen(entities_text), &entities, &b.err) == CEDAR_OK);
	source = cedar_entities_source(entities);
	for (size_t i = 0; i < LENGTH(scopes); i++)
	{
		Text		template = {NULL, 0, 0};
		const CedarPiece *piece;

		text_adds(&template, effect);
		text_adds(&template, " (");
		text_adds(&template, scopes[i][0]);
		text_adds(&template, ", action, ");
		text_adds(&template, scopes[i][1]);
		text_adds(&template, ") ");
		text_adds(&template, condition);
		piece = compile(&b, template.data, template.len);
		for (size_t p = 0; p < LENGTH(principals); p++)
		{
			for (size_t r = 0; r < LENGTH(resources); r++)
			{
				Text		text = {NULL, 0, 0};

				text_adds(&text, effect);
				text_adds(&text, " (");
				substitute(&text, scopes[i][0], "?principal", principals[p]);
				text_adds(&text, ", action, ");
				substitute(&text, scopes[i][1], "?resource", resources[r]);
				text_adds(&text, ") ");
				text_adds(&text, condition);
				plain[n].piece = compile(&b, text.data, text.len);
				linked[n].piece = piece;
				CHECK(cedar_uid_parse(b.arena, principals[p], strlen(principals[p]),
									  &linked[n].principal, &b.err) == CEDAR_OK);
				CHECK(cedar_uid_parse(b.arena, resources[r], strlen(resources[r]),
									  &linked[n].resource, &b.err) == CEDAR_OK);
				CHECK(cedar_policy_is_linked(&linked[n]));
				n++;
				free(text.data);
			}
		}
		free(template.data);
	}
	CHECK(cedar_index_build(b.arena, linked, n, &index, &size, &b.err) == CEDAR_OK);
	for (size_t p = 0; p < LENGTH(principals); p++)
	{
		for (size_t r = 0; r < LENGTH(resources); r++)
		{
			CedarRequest request = {NULL, NULL, NULL, NULL};
			CedarDecision want;
			CedarDecision got;

			CHECK(cedar_uid_parse(b.arena, principals[p], strlen(principals[p]), &request.principal, &b.err) == CEDAR_OK);
			CHECK(cedar_uid_parse(b.arena, resources[r], strlen(resources[r]), &request.resource, &b.err) == CEDAR_OK);
			CHECK(cedar_uid_parse(b.arena, LIT("Action::\"v\""), &request.action, &b.err) == CEDAR_OK);
			CHECK(cedar_context_from_json(b.arena, LIT("{}"), &request.context, &b.err) == CEDAR_OK);
			CHECK(cedar_authorize(b.arena, plain, n, NULL, &source, &request, true, &want, &b.err) == CEDAR_OK);
			CHECK(cedar_authorize(b.arena, linked, n, NULL, &source, &request, true, &got, &b.err) == CEDAR_OK);
			CHECKF(same(&want, &got), "%s, %s", principals[p], resources[r]);
			CHECK(cedar_authorize(b.arena, linked, n, index, &source, &request, true, &got, &b.err) == CEDAR_OK);
			CHECKF(same(&want, &got), "%s, %s, index", principals[p], resources[r]);
		}
	}
	bench_close(&b);
}

/* A template that lacks a value is passed over, and so is one with half of them. */
static void
test_unlinked(void)
{
	static const char text[] = "permit (principal == ?principal, action, resource in ?resource);";
	Bench		b;
	CedarPolicy policy = {.piece = NULL};
	CedarEntities *entities;
	CedarEntitySource source;
	CedarRequest request;
	const CedarUid *uid;

	bench_open(&b);
	policy.piece = compile(&b, LIT(text));
	CHECK(cedar_entities_from_json(b.arena, LIT("[]"), &entities, &b.err) == CEDAR_OK);
	source = cedar_entities_source(entities);
	CHECK(cedar_request_from_json(b.arena, REQUEST, strlen(REQUEST), &request, &b.err) == CEDAR_OK);
	CHECK(cedar_uid_parse(b.arena, LIT("U::\"a\""), &uid, &b.err) == CEDAR_OK);
	for (int with = 0; with < 4; with++)
	{
		const CedarIndex *index;
		size_t		size;
		CedarDecision d;

		policy.principal = with & 1 ? uid : NULL;
		policy.resource = with & 2 ? request.resource : NULL;
		CHECK(cedar_policy_is_linked(&policy) == (with == 3));
		CHECK(cedar_index_build(b.arena, &policy, 1, &index, &size, &b.err) == CEDAR_OK);
		CHECK(cedar_authorize(b.arena, &policy, 1, NULL, &source, &request, true, &d, &b.err) == CEDAR_OK);
		CHECK(d.allow == (with == 3));
		CHECK(cedar_authorize(b.arena, &policy, 1, index, &source, &request, true, &d, &b.err) == CEDAR_OK);
		CHECK(d.allow == (with == 3));
	}
	bench_close(&b);
}

#define LINK(template, id, values) "{\"templateId\":\"" template "\",\"newId\":\"" id "\",\"values\":" values "}"
#define USER "{\"__entity\":{\"type\":\"U\",\"id\":\"a\"}}"
#define DOC "{\"type\":\"D\",\"id\":\"d\"}"

/* Links as JSON: the reference takes those without a code, and no other. */
static void
test_json(void)
{
	static const char text[] =
		"permit (principal == ?principal, action, resource);"
		"permit (principal, action, resource);"
		"permit (principal in ?principal, action, resource == ?resource);";
	static const struct
	{
		const char *json;
		CedarCode	code;
		const char *at;			/* where the error points */
	}			cases[] = {
		{"[]", CEDAR_OK, NULL},
		{"[" LINK("policy0", "l", "{\"?principal\":" USER "}") "]", CEDAR_OK, NULL},
		{"[" LINK("policy0", "policy9", "{\"?principal\":{\"type\":\"U\",\"id\":\"a\"}}") "]", CEDAR_OK, NULL},
		{"[" LINK("policy2", "l", "{\"?principal\":" USER ",\"?resource\":" DOC "}") ","
		LINK("policy0", "m", "{\"?principal\":" USER "}") "]", CEDAR_OK, NULL},
		{"{}", CEDAR_ERR_ENTITY, "{}"},
		{"[1]", CEDAR_ERR_ENTITY, "1"},
		{"[{\"newId\":\"l\",\"values\":{}}]", CEDAR_ERR_ENTITY, "{\"newId"},
		{"[{\"templateId\":7,\"newId\":\"l\",\"values\":{}}]", CEDAR_ERR_ENTITY, "{\"temp"},
		{"[{\"templateId\":\"policy0\",\"newId\":\"l\"}]", CEDAR_ERR_ENTITY, "{\"temp"},
		{"[" LINK("policy0", "l", "[]") "]", CEDAR_ERR_ENTITY, "{\"temp"},
		{"[{\"more\":1,\"templateId\":\"policy0\",\"newId\":\"l\",\"values\":{\"?principal\":" USER "}}]", CEDAR_ERR_ENTITY, "{\"more"},
		{"[" LINK("policy1", "l", "{}") "]", CEDAR_ERR_ENTITY, "\"policy1"},
		{"[" LINK("policy7", "l", "{}") "]", CEDAR_ERR_ENTITY, "\"policy7"},
		{"[" LINK("policy00", "l", "{\"?principal\":" USER "}") "]", CEDAR_ERR_ENTITY, "\"policy00"},
		{"[" LINK("policyx", "l", "{\"?principal\":" USER "}") "]", CEDAR_ERR_ENTITY, "\"policyx"},
		{"[" LINK("other", "l", "{\"?principal\":" USER "}") "]", CEDAR_ERR_ENTITY, "\"other"},
		{"[" LINK("policy0", "policy1", "{\"?principal\":" USER "}") "]", CEDAR_ERR_DUPLICATE, "\"policy1"},
		{"[" LINK("policy2", "policy0", "{\"?principal\":" USER "}") "]", CEDAR_ERR_DUPLICATE, "\"policy0"},
		{"[" LINK("policy0", "l", "{}") "]", CEDAR_ERR_ENTITY, "{}}"},
		{"[" LINK("policy2", "l", "{\"?principal\":" USER "}") "]", CEDAR_ERR_ENTITY, "{\"?principal"},
		{"[" LINK("policy2", "l", "{\"?resource\":" DOC "}") "]", CEDAR_ERR_ENTITY, "{\"?resource"},
		{"[" LINK("policy0", "l", "{\"?principal\":" USER ",\"?resource\":" DOC "}") "]", CEDAR_ERR_ENTITY, DOC},
		{"[" LINK("policy0", "l", "{\"?principal\":" USER ",\"?action\":" DOC "}") "]", CEDAR_ERR_ENTITY, "{\"?principal"},
		{"[" LINK("policy0", "l", "{\"?principal\":1}") "]", CEDAR_ERR_ENTITY, "1}"},
		{"[" LINK("policy0", "l", "{\"?principal\":{\"type\":\"U U\",\"id\":\"a\"}}") "]", CEDAR_ERR_ENTITY, "\"U U"},
		{"[" LINK("policy0", "l", "{\"?principal\":" USER "}") "," LINK("policy0", "k", "{\"?principal\":" USER "}") ","
		LINK("policy2", "l", "{\"?principal\":" USER ",\"?resource\":" DOC "}") "]", CEDAR_ERR_DUPLICATE, "{\"templateId\":\"policy2"},
	};
	Bench		b;
	CedarAst   *ast;

	bench_open(&b);
	CHECK(cedar_parse(b.arena, LIT(text), &ast, &b.err) == CEDAR_OK);
	for (size_t i = 0; i < LENGTH(cases); i++)
	{
		const char *json = cases[i].json;
		CedarLink  *links;
		uint32_t	n;
		CedarCode	code = cedar_links_from_json(b.arena, ast, json, strlen(json), &links, &n, &b.err);

		CHECKF(code == cases[i].code, "%s: %s", json, code_name(code));
		if (code != CEDAR_OK && code == cases[i].code)
			CHECKF(b.err.has_position && b.err.offset == (size_t) (strstr(json, cases[i].at) - json),
				   "%s: at %zu: %s", json, b.err.offset, b.err.message);
	}
	bench_close(&b);
}

int
main(void)
{
	setvbuf(stdout, NULL, _IOLBF, 0);
	test_links("permit", ";");
	test_links("forbid", "when { resource.n == 1 };");
	test_unlinked();
	test_json();
	return checks_end();
}
