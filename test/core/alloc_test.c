/*-------------------------------------------------------------------------
 *
 * alloc_test.c
 *	  Every entry point of cedar.h, explain.h, link.h and policy_json.h that allocates, under an
 *	  allocator that fails: the answer is CEDAR_ERR_NOMEM, nothing is left behind, and the
 *	  same call in the same arena succeeds when there is memory again.
 *
 * The library takes blocks from the host and cuts them itself, so that the
 * host sees few calls.  Before each call the arena's block is filled until a
 * chosen number of bytes is left: over all such numbers, every allocation of
 * the call is the one that asks the host.
 *
 *-------------------------------------------------------------------------
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "explain.h"
#include "harness.h"
#include "link.h"
#include "partial.h"
#include "policy_json.h"
#include "spec_eval.h"

#define LENGTH(a) (sizeof(a) / sizeof((a)[0]))

/* Sanitized programs are slow: they look at fewer places. */
#ifdef HOST_SANITIZED
#define STEP 40
#else
#define STEP 8
#endif

static long passed;
static long failed;
static long injected;

static void
check(bool ok, const char *entry, const char *what, size_t left, long n, bool after,
	  CedarCode code, const CedarError *err)
{
	if (ok)
	{
		passed++;
		return;
	}
	if (++failed <= 20)
		printf("%s, %zu bytes left, allocation %ld%s: %s: %s (%s)\n", entry, left, n,
			   after ? " and later" : "", what, code_name(code), err->message);
}

/* ----------------------------------------------------------------- inputs */

static char policies_text[32768];

static const char *const conditions[] = {
	"principal.n * 2 + 1 == 7 && principal.s.containsAll([\"a\", \"b\", {k: [1, 2]}])",
	"context has a.b && context.a.b like \"x*\\*y\" || principal is U in [G::\"g\", principal.e]",
	"ip(\"10.0.0.0/8\").isInRange(ip(\"10.0.0.0/7\")) && principal.ip.isIpv4() && ip(context.address).isIpv6()",
	"principal.hasTag(\"t\") && principal.getTag(\"t\") == [1, {\"a b\": principal, c: [action]}]",
	"if datetime(\"2024-01-01\").toDate() < datetime(context.when).offset(duration(\"-1d2h\")) then decimal(\"1.5\").lessThan(decimal(\"2.0\")) else false",
	"[principal, action, resource, {who: principal, list: [context.n, -context.n]}].contains(resource)",
	"{a: context.n, b: [context.n], c: 1, d: 2, e: 3, f: 4, g: 5, h: 6, i: 7, j: 8}.b.contains(5)",
	"!(context.l.isEmpty()) && context[\"l\"].containsAny([[3], 17]) && !(principal in resource)",
	"resource.missing == \"\\u{1F600}\\n\"",
	"ip(context.a.b, \"y\", context.n) == 1",
	"1 + principal > 2",
	"U::\"nobody\".x && ip(context.when).isIpv4() || true",
};

static const char entities_text[] =
"[{\"uid\":{\"type\":\"U\",\"id\":\"a\"},\"attrs\":{\"n\":3,\"s\":[\"b\",\"a\",\"c\",{\"k\":[2,1]}],"
"\"ip\":{\"__extn\":{\"fn\":\"ip\",\"arg\":\"10.1.2.3\"}},\"e\":{\"__entity\":{\"type\":\"U\",\"id\":\"b\"}},"
"\"k1\":1,\"k2\":2,\"k3\":3,\"k4\":4,\"k5\":5,\"k6\":\"\\u00e9\\ud83d\\ude00\\n\"},"
"\"parents\":[{\"type\":\"G\",\"id\":\"f\"},{\"__entity\":{\"type\":\"G\",\"id\":\"h\"}}],\"tags\":{\"t\":[1,1]}},"
"{\"uid\":{\"type\":\"G\",\"id\":\"f\"},\"attrs\":{},\"parents\":[{\"type\":\"G\",\"id\":\"g\"},{\"type\":\"G\",\"id\":\"i\"},"
"{\"type\":\"G\",\"id\":\"j\"},{\"type\":\"G\",\"id\":\"k\"},{\"type\":\"G\",\"id\":\"l\"},{\"type\":\"G\",\"id\":\"m\"}]},"
"{\"uid\":{\"type\":\"G\",\"id\":\"g\"},\"attrs\":{},\"parents\":[{\"type\":\"G\",\"id\":\"n\"},{\"type\":\"G\",\"id\":\"o\"}]},"
"{\"uid\":{\"type\":\"G\",\"id\":\"g\"},\"attrs\":{},\"parents\":[{\"type\":\"G\",\"id\":\"o\"},{\"type\":\"G\",\"id\":\"n\"}],\"tags\":{}},"
"{\"uid\":{\"type\":\"D\",\"id\":\"d\"},\"attrs\":{},\"parents\":[]},"
"{\"uid\":{\"type\":\"Action\",\"id\":\"v\"},\"attrs\":{},\"parents\":[{\"type\":\"Action\",\"id\":\"r\"}]},"
"{\"uid\":{\"type\":\"E\",\"id\":\"1\"},\"attrs\":{},\"parents\":[{\"type\":\"G\",\"id\":\"g\"}]},"
"{\"uid\":{\"type\":\"E\",\"id\":\"2\"},\"attrs\":{},\"parents\":[{\"type\":\"G\",\"id\":\"g\"}]},"
"{\"uid\":{\"type\":\"E\",\"id\":\"3\"},\"attrs\":{},\"parents\":[{\"type\":\"G\",\"id\":\"g\"}]}]";

#define CONTEXT \
	"{\"a\":{\"b\":\"x*y\"},\"l\":[1,2,[3]],\"n\":5,\"address\":\"2001:db8::1\",\"when\":\"2025-01-01T00:00:00Z\"," \
	"\"k1\":1,\"k2\":{\"fn\":\"decimal\",\"arg\":\"1.0\"},\"k3\":{\"__extn\":{\"fn\":\"decimal\",\"arg\":\"1.0\"}},\"k4\":{},\"k5\":[]}"

static const char context_text[] = CONTEXT;
static const char request_text[] =
"{\"principal\":{\"type\":\"U\",\"id\":\"a\"},\"action\":\"Action::\\\"v\\\"\","
"\"resource\":{\"__entity\":{\"type\":\"D\",\"id\":\"d\"}},\"context\":" CONTEXT "}";

/* Enough policies for arrays to grow and the index to have tables. */
static void
make_policies_text(void)
{
	size_t		n = 0;

#define ADD(...) \
	(n += (size_t) snprintf(policies_text + n, sizeof(policies_text) - n, __VA_ARGS__))
	for (size_t i = 0; i < LENGTH(conditions); i++)
		ADD("@id(\"p%zu\") @note permit(principal in G::\"g\", action in [Action::\"r\", Action::\"w\"], resource is D)\n"
			"when { %s } unless { context.n == %zu };\n", i, conditions[i], i + 100);
	for (int i = 0; i < 20; i++)
		ADD("permit(principal == U::\"a\", action == Action::\"v\", resource) when { context.n == %d };\n"
			"permit(principal is U in G::\"o\", action, resource == D::\"d\");\n"
			"permit(principal == U::\"b%d\", action, resource in D::\"f%d\") when { context.none };\n"
			"permit(principal, action in Action::\"r\", resource) when { context.none%d };\n", i, i, i, i);
	ADD("permit(principal == ?principal, action, resource in ?resource) when { true };\n");
#undef ADD
}

/* ---------------------------------------------------------------- fixture */

/* What entry points take, made with an allocator that does not fail. */
typedef struct Fixture
{
	Host		host;
	CedarArena *arena;
	CedarAst   *ast;
	CedarPolicy *policies;
	uint32_t	n;
	const CedarIndex *index;
	CedarLayer	layers[2];		/* the first half of the policies, the second */
	CedarEntities *entities;
	CedarEntitySource source;
	CedarRequest request;
	SpecDecision spec;
	CedarDecision decision;
	CedarExplanation *explanations;
	uint32_t	n_explanations;
} Fixture;

#define MUST(call) \
	do { \
		if ((call) != CEDAR_OK) \
		{ \
			printf("fixture: %s: %s\n", #call, err.message); \
			exit(1); \
		} \
	} while (0)

static void
fixture_open(Fixture *f)
{
	CedarError	err;
	size_t		size;

	memset(f, 0, sizeof(*f));
	host_open(&f->host);
	f->arena = cedar_arena_create(&f->host.vtable);
	MUST(cedar_parse(f->arena, policies_text, strlen(policies_text), &f->ast, &err));
	f->n = cedar_ast_count(f->ast);
	f->policies = cedar_arena_zalloc(f->arena, f->n * sizeof(CedarPolicy));
	for (uint32_t i = 0; i < f->n; i++)
	{
		f->policies[i].id = "a policy's \"id\"";
		f->policies[i].id_len = 15;
		MUST(cedar_compile(f->arena, f->ast, i, &f->policies[i].piece, &size, &err));
	}
	MUST(cedar_index_build(f->arena, f->policies, f->n, &f->index, &size, &err));
	for (uint32_t k = 0; k < 2; k++)
	{
		uint32_t	from = k == 0 ? 0 : f->n / 2;
		uint32_t	count = k == 0 ? f->n / 2 : f->n - f->n / 2;
		CedarPolicy *half = cedar_arena_zalloc(f->arena, count * sizeof(CedarPolicy));
		CedarImagePlan *plan;
		void	   *block;

		for (uint32_t i = 0; i < count; i++)
		{
			char	   *id = cedar_arena_alloc(f->arena, 8);

			half[i] = f->policies[from + i];
			half[i].id = id;
			half[i].id_len = (uint32_t) snprintf(id, 8, "%05u", from + i);
		}
		MUST(cedar_image_plan(f->arena, half, count, &plan, &size, &err));
		block = cedar_arena_alloc(f->arena, size);
		cedar_image_write(plan, block);
		f->layers[k].image = block;
	}
	MUST(cedar_entities_from_json(f->arena, entities_text, strlen(entities_text), &f->entities, &err));
	MUST(cedar_request_from_json(f->arena, request_text, strlen(request_text), &f->request, &err));
	f->source = cedar_entities_source(f->entities);
	MUST(spec_authorize(f->arena, f->ast, &f->source, &f->request, &f->spec, &err));
	MUST(cedar_authorize(f->arena, f->policies, f->n, NULL, &f->source, &f->request, true, &f->decision, &err));
	MUST(cedar_explain(f->arena, &(CedarPolicies) {.array = f->policies,.n = f->n}, true, &f->source, &f->request,
					   &f->explanations, &f->n_explanations, &err));
}

static void
fixture_close(Fixture *f)
{
	cedar_arena_destroy(f->arena);
	if (!host_close(&f->host))
	{
		printf("fixture: memory is left\n");
		failed++;
	}
}

/* ----------------------------------------------------------- entry points */

typedef CedarCode (*EntryFn) (Fixture *f, CedarArena *arena, bool *right, CedarError *err);

static CedarCode
do_uid_make(Fixture *f, CedarArena *arena, bool *right, CedarError *err)
{
	const CedarUid *uid;
	CedarCode	code = cedar_uid_make(arena, "U", 1, "a", 1, &uid, err);

	*right = code == CEDAR_OK && cedar_uid_equal(uid, f->request.principal);
	return code;
}

static CedarCode
do_uid_parse(Fixture *f, CedarArena *arena, bool *right, CedarError *err)
{
	const CedarUid *uid;
	CedarCode	code = cedar_uid_parse(arena, "U::\"\\x61\"", 9, &uid, err);

	*right = code == CEDAR_OK && cedar_uid_equal(uid, f->request.principal);
	return code;
}

static CedarCode
do_parse(Fixture *f, CedarArena *arena, bool *right, CedarError *err)
{
	CedarAst   *ast;
	CedarCode	code = cedar_parse(arena, policies_text, strlen(policies_text), &ast, err);

	*right = code == CEDAR_OK && cedar_ast_count(ast) == f->n;
	return code;
}

/* Small texts, so that all of the call happens within the first block. */
static CedarCode
do_parse_one(Fixture *f, CedarArena *arena, bool *right, CedarError *err)
{
	CedarCode	first = CEDAR_OK;

	(void) f;
	*right = true;
	for (size_t i = 0; i < LENGTH(conditions); i++)
	{
		char		text[1024];
		CedarAst   *ast;
		int			len = snprintf(text, sizeof(text),
								   "@a(\"b\") forbid(principal is U in G::\"g\", action in [Action::\"a\", Action::\"b\"], resource == ?resource) when { %s };",
								   conditions[i]);
		CedarMark	mark = cedar_arena_mark(arena);
		CedarCode	code = cedar_parse_one(arena, text, (size_t) len, &ast, err);

		if (code != CEDAR_OK && first == CEDAR_OK)
		{
			first = code;
			break;
		}
		*right = *right && cedar_ast_count(ast) == 1 && cedar_ast_is_template(ast, 0);
		cedar_arena_release(arena, mark);
	}
	return first;
}

static CedarCode
do_compile(Fixture *f, CedarArena *arena, bool *right, CedarError *err)
{
	*right = true;
	for (uint32_t i = 0; i < f->n; i++)
	{
		const CedarPiece *piece;
		size_t		size;
		CedarMark	mark = cedar_arena_mark(arena);
		CedarCode	code;

		/* of the many simple ones the first will do */
		if (i > LENGTH(conditions) + 4 && i + 1 < f->n)
			continue;
		code = cedar_compile(arena, f->ast, i, &piece, &size, err);
		if (code != CEDAR_OK)
			return code;
		*right = *right && size == cedar_piece_size(f->policies[i].piece) &&
			memcmp(piece, f->policies[i].piece, size) == 0;
		cedar_arena_release(arena, mark);
	}
	return CEDAR_OK;
}

static CedarCode
do_index_build(Fixture *f, CedarArena *arena, bool *right, CedarError *err)
{
	const CedarIndex *index;
	size_t		size;
	CedarCode	code = cedar_index_build(arena, f->policies, f->n, &index, &size, err);

	*right = code == CEDAR_OK && cedar_index_verify(arena, index, size, f->n, err) == CEDAR_OK;
	return code;
}

static CedarCode
do_image(Fixture *f, CedarArena *arena, bool *right, CedarError *err)
{
	CedarPolicy few[2] = {f->policies[0], f->policies[1]};
	CedarImagePlan *plan;
	size_t		size;
	CedarCode	code;

	few[1].id = "b";
	few[1].id_len = 1;
	code = cedar_image_plan(arena, few, 2, &plan, &size, err);
	*right = false;
	if (code == CEDAR_OK)
	{
		void	   *block = aligned_alloc(8, size);

		cedar_image_write(plan, block);
		*right = cedar_image_verify(arena, block, size, err) == CEDAR_OK;
		free(block);
	}
	return code;
}

/* Layers: what was found is put in the order of the ids. */
static CedarCode
decide_layers_from(Fixture *f, CedarArena *arena, const CedarEntitySource *source, uint64_t serial,
				   CedarKept *kept, bool *right, CedarError *err)
{
	CedarPolicies layered = {.n_layers = 2,.layers = f->layers,.serial = serial};
	CedarDecision d;
	CedarCode	code = kept == NULL ?
		cedar_decide(arena, &layered, source, &f->request, true, &d, err) :
		cedar_decide_kept(arena, &layered, source, &f->request, kept, true, &d, err);

	*right = code == CEDAR_OK && d.allow == f->decision.allow &&
		d.n_reasons == f->decision.n_reasons && d.n_errors == f->decision.n_errors;
	for (uint32_t i = 0; *right && i < d.n_reasons; i++)
		*right = d.reasons[i] == f->decision.reasons[i];
	return code;
}

static CedarCode
decide_layers(Fixture *f, CedarArena *arena, CedarKept *kept, bool *right, CedarError *err)
{
	return decide_layers_from(f, arena, &f->source, 0, kept, right, err);
}

static CedarCode
do_decide(Fixture *f, CedarArena *arena, bool *right, CedarError *err)
{
	return decide_layers(f, arena, NULL, right, err);
}

/* More is kept the second time; the third finds it. */
static CedarCode
do_decide_kept(Fixture *f, CedarArena *arena, bool *right, CedarError *err)
{
	CedarKept  *kept = cedar_kept_create(arena);
	CedarCode	code = CEDAR_OK;

	*right = true;
	if (kept == NULL)
		return cedar_fail(err, CEDAR_ERR_NOMEM, "no memory");
	for (int i = 0; i < 3 && code == CEDAR_OK && *right; i++)
		code = decide_layers(f, arena, kept, right, err);
	return code;
}

/* The fixture's entities, the principal's set being one that lasts. */
typedef struct LastingPrincipal
{
	Fixture    *f;
	CedarEntity entity;
	CedarUidSet set;
} LastingPrincipal;

static CedarCode
lasting_find(void *userdata, const CedarUid *uid, CedarEntity **entity, CedarError *err)
{
	LastingPrincipal *l = userdata;

	*entity = &l->entity;
	return cedar_uid_equal(uid, l->f->request.principal) ? CEDAR_OK :
		l->f->source.find(l->f->source.userdata, uid, entity, err);
}

/* Something is kept the second time; the third finds it; a failure leaves no half of it. */
static CedarCode
do_decide_lasting(Fixture *f, CedarArena *arena, bool *right, CedarError *err)
{
	LastingPrincipal l = {.f = f};
	CedarEntitySource source = {.find = lasting_find,.userdata = &l,.arena = f->source.arena};
	CedarEntity *found;
	CedarCode	code = CEDAR_OK;
	CedarError	ignored;

	*right = true;
	if (f->source.find(f->source.userdata, f->request.principal, &found, err) != CEDAR_OK ||
		found == NULL || found->ancestors == NULL)
		exit(1);
	l.entity = *found;
	l.set = *found->ancestors;
	l.entity.ancestors = &l.set;
	if (!cedar_uidset_last(&l.set, arena))
		return cedar_fail(err, CEDAR_ERR_NOMEM, "no memory");
	for (int i = 0; i < 3 && code == CEDAR_OK && *right; i++)
		code = decide_layers_from(f, arena, &source, 1, NULL, right, err);
	if (code == CEDAR_ERR_NOMEM)
		*right = decide_layers_from(f, f->arena, &source, 1, NULL, right, &ignored) != CEDAR_OK ||
			*right;
	return code;
}

static CedarCode
do_entities(Fixture *f, CedarArena *arena, bool *right, CedarError *err)
{
	CedarEntities *entities;
	CedarCode	code = cedar_entities_from_json(arena, entities_text, strlen(entities_text), &entities, err);

	*right = false;
	if (code == CEDAR_OK)
	{
		CedarEntitySource source = cedar_entities_source(entities);
		CedarEntity *e;

		*right = source.find(source.userdata, f->request.principal, &e, err) == CEDAR_OK &&
			e != NULL && e->attrs->n == 10 && e->n_parents == 2;
	}
	return code;
}

static CedarCode
do_entity_build(Fixture *f, CedarArena *arena, bool *right, CedarError *err)
{
	CedarEntity *e;
	const char *fault;
	CedarCode	code = cedar_entity_build(arena, f->request.principal, context_text, strlen(context_text),
										  context_text, strlen(context_text),
										  &f->request.action, 1, &e, &fault, err);

	*right = code == CEDAR_OK && e->attrs->n == 10 && e->tags->n == 10;
	return code;
}

static CedarCode
do_entity_merge(Fixture *f, CedarArena *arena, bool *right, CedarError *err)
{
	CedarEntity *stored;
	CedarEntity *e;
	CedarEntity over = {f->request.principal, f->request.context, f->request.context, 1, &f->request.action, NULL};
	CedarCode	code;

	if (f->source.find(f->source.userdata, f->request.principal, &stored, err) != CEDAR_OK)
		exit(1);
	code = cedar_entity_merge(arena, &over, stored, &e, err);
	/* six keys are in both */
	*right = code == CEDAR_OK && e->attrs->n == 14 && e->tags->n == 11 && e->n_parents == 3;
	return code;
}

static CedarCode
do_request(Fixture *f, CedarArena *arena, bool *right, CedarError *err)
{
	CedarRequest r;
	CedarCode	code = cedar_request_from_json(arena, request_text, strlen(request_text), &r, err);

	*right = code == CEDAR_OK && cedar_uid_equal(r.resource, f->request.resource) &&
		r.context->n == f->request.context->n;
	return code;
}

static CedarCode
do_links(Fixture *f, CedarArena *arena, bool *right, CedarError *err)
{
	static const char templates[] = "permit (principal in ?principal, action, resource in ?resource);";
	static const char json[] = "[{\"templateId\": \"policy0\", \"newId\": \"a\", \"values\":"
		" {\"?principal\": {\"type\": \"G\", \"id\": \"g\"}, \"?resource\": {\"type\": \"D\", \"id\": \"d\"}}},"
		" {\"templateId\": \"policy0\", \"newId\": \"b\", \"values\":"
		" {\"?principal\": {\"type\": \"G\", \"id\": \"h\"}, \"?resource\": {\"type\": \"D\", \"id\": \"d\"}}}]";
	CedarAst   *ast;
	CedarLink  *links;
	uint32_t	n;
	CedarCode	code = cedar_parse(arena, templates, strlen(templates), &ast, err);

	(void) f;
	if (code != CEDAR_OK)
		return code;
	code = cedar_links_from_json(arena, ast, json, strlen(json), &links, &n, err);
	*right = code == CEDAR_OK && n == 2 && links[1].policy == 0 && links[1].id->bytes[0] == 'b' &&
		cedar_uid_equal(links[0].resource, links[1].resource) &&
		!cedar_uid_equal(links[0].principal, links[1].principal);
	return code;
}

static CedarCode
do_policy_json(Fixture *f, CedarArena *arena, bool *right, CedarError *err)
{
	const char *json;
	size_t		len;
	CedarCode	code = CEDAR_OK;

	*right = true;
	for (uint32_t i = 0; code == CEDAR_OK && i < cedar_ast_count(f->ast); i++)
	{
		code = cedar_policy_to_json(arena, f->ast, i, &json, &len, err);
		*right = *right && code == CEDAR_OK && len > 80 && memcmp(json, "{\"effect\":\"", 11) == 0 &&
			json[len - 1] == '}';
	}
	return code;
}

static CedarCode
do_requests(Fixture *f, CedarArena *arena, bool *right, CedarError *err)
{
	static char text[3 * sizeof(request_text)];
	CedarRequest *r;
	uint32_t	n;
	uint32_t	fault;
	int			len = snprintf(text, sizeof(text), "[%s, %s]", request_text, request_text);
	CedarCode	code = cedar_requests_from_json(arena, text, (size_t) len, &r, &n, &fault, err);

	*right = code == CEDAR_OK && n == 2 && fault == CEDAR_NO_REQUEST &&
		cedar_uid_equal(r[1].resource, f->request.resource) && r[1].context->n == f->request.context->n;
	return code;
}

static CedarCode
do_context(Fixture *f, CedarArena *arena, bool *right, CedarError *err)
{
	const CedarRecord *context = NULL;
	CedarCode	code = cedar_context_from_json(arena, context_text, strlen(context_text), &context, err);

	*right = false;
	if (code == CEDAR_OK)
	{
		CedarValue	a = cedar_value_rec(context);
		CedarValue	b = cedar_value_rec(f->request.context);

		*right = cedar_value_equal(&a, &b);
	}
	return code;
}

static CedarCode
authorize(Fixture *f, CedarArena *arena, const CedarIndex *index, bool own_source,
		  bool *right, CedarError *err)
{
	CedarEntitySource source;
	CedarEntities *entities;
	CedarDecision d;
	CedarCode	code;
	char		why[256];

	/* entities whose ancestors nobody has asked for yet */
	if (cedar_entities_from_json(f->arena, entities_text, strlen(entities_text), &entities, err) != CEDAR_OK)
		exit(1);
	source = cedar_entities_source(entities);
	if (own_source)
		source.arena = arena;
	code = cedar_authorize(arena, f->policies, f->n, index, &source, &f->request, true, &d, err);
	*right = code == CEDAR_OK && spec_agrees(&f->spec, &d, why, sizeof(why));
	if (code == CEDAR_ERR_NOMEM)
	{
		CedarError	ignored;

		/* what was kept in entities on the way must not be half of it */
		source.arena = f->arena;
		*right = cedar_authorize(f->arena, f->policies, f->n, index, &source, &f->request,
								 true, &d, &ignored) == CEDAR_OK &&
			spec_agrees(&f->spec, &d, why, sizeof(why));
	}
	return code;
}

static CedarCode
do_authorize(Fixture *f, CedarArena *arena, bool *right, CedarError *err)
{
	return authorize(f, arena, NULL, false, right, err);
}

static CedarCode
do_authorize_source(Fixture *f, CedarArena *arena, bool *right, CedarError *err)
{
	return authorize(f, arena, NULL, true, right, err);
}

static CedarCode
do_authorize_index(Fixture *f, CedarArena *arena, bool *right, CedarError *err)
{
	return authorize(f, arena, f->index, true, right, err);
}

static CedarCode
do_authorize_plain(Fixture *f, CedarArena *arena, bool *right, CedarError *err)
{
	CedarDecision d;
	CedarCode	code = cedar_authorize(arena, f->policies, f->n, f->index, &f->source, &f->request,
									   false, &d, err);

	*right = code == CEDAR_OK && d.allow == f->spec.allow;
	return code;
}

/* The residuals without a resource, compiled and asked with it. */
static CedarCode
do_partial(Fixture *f, CedarArena *arena, bool *right, CedarError *err)
{
	CedarUnknown unknown = {.is = {false, false, true},.context = true};
	CedarPolicies all = {.array = f->policies,.n = f->n};
	CedarPartial partial;
	CedarDecision d;
	CedarPolicy *left = calloc(f->n, sizeof(CedarPolicy));
	size_t		size;
	CedarCode	code;

	code = cedar_partial(arena, &all, &f->source, &f->request, &unknown, &partial, err);
	for (uint32_t i = 0; code == CEDAR_OK && i < partial.n; i++)
		code = cedar_residual_compile(arena, &partial.residuals[i], &left[i].piece, &size, err);
	if (code == CEDAR_OK)
		code = cedar_authorize(arena, left, partial.n, NULL, &f->source, &f->request, true, &d, err);
	*right = code == CEDAR_OK && d.allow == f->spec.allow && d.n_reasons == f->spec.n_reasons;
	if (code == CEDAR_OK)
	{
		const char *json;
		size_t		len;

		code = cedar_partial_to_json(arena, &partial, &all, &json, &len, err);
		*right = *right && code == CEDAR_OK && len > 2;
	}
	free(left);
	return code;
}

static CedarCode
do_response(Fixture *f, CedarArena *arena, bool *right, CedarError *err)
{
	const char *json;
	size_t		len;
	CedarCode	code = cedar_decision_to_json(arena, &f->decision, f->policies, &json, &len, err);
	json_t	   *o = code == CEDAR_OK ? json_loadb(json, len, 0, NULL) : NULL;

	*right = json_array_size(json_object_get(json_object_get(o, "diagnostics"), "reason")) == f->spec.n_reasons;
	json_decref(o);
	return code;
}

static CedarCode
do_errors(Fixture *f, CedarArena *arena, bool *right, CedarError *err)
{
	const char *json;
	size_t		len;
	CedarCode	code = cedar_errors_to_json(arena, &f->decision, &(CedarPolicies) {.array = f->policies}, &json, &len, err);
	json_t	   *o = code == CEDAR_OK ? json_loadb(json, len, 0, NULL) : NULL;

	*right = json_array_size(o) == f->spec.n_errors;
	json_decref(o);
	return code;
}

static CedarCode
do_explain(Fixture *f, CedarArena *arena, bool *right, CedarError *err)
{
	CedarPolicies policies = {.array = f->policies,.n = f->n,.index = f->index};
	CedarExplanation *x;
	uint32_t	n;
	uint32_t	errors = 0;
	bool		allow = false;
	CedarCode	code = cedar_explain(arena, &policies, true, &f->source, &f->request, &x, &n, err);

	*right = code == CEDAR_OK;
	for (uint32_t i = 0; *right && i < n; i++)
	{
		errors += x[i].outcome == CEDAR_FAILED;
		allow = allow || x[i].outcome == CEDAR_SATISFIED;
	}
	*right = *right && errors == f->spec.n_errors && allow == f->spec.allow;
	return code;
}

static CedarCode
do_seen(Fixture *f, CedarArena *arena, bool *right, CedarError *err)
{
	const char *json;
	size_t		len;
	CedarCode	code = CEDAR_OK;

	for (uint32_t i = 0; i < f->n_explanations && code == CEDAR_OK; i++)
		code = cedar_seen_to_json(arena, &f->explanations[i], policies_text, strlen(policies_text), &json, &len, err);
	*right = code == CEDAR_OK && json[0] == '{' && json[len - 1] == '}';
	return code;
}

static CedarCode
do_value_json(Fixture *f, CedarArena *arena, bool *right, CedarError *err)
{
	CedarValue	v = cedar_value_rec(f->request.context);
	const char *json;
	size_t		len;
	CedarCode	code = cedar_value_to_json(arena, &v, 100, &json, &len, err);
	json_t	   *o = code == CEDAR_OK ? json_loadb(json, len, 0, NULL) : NULL;

	*right = json_object_size(o) == f->request.context->n;
	json_decref(o);
	return code;
}

static CedarCode
do_value_text(Fixture *f, CedarArena *arena, bool *right, CedarError *err)
{
	CedarValue	v = cedar_value_rec(f->request.context);
	const char *text;
	size_t		len;
	CedarCode	code = cedar_value_to_text(arena, &v, 100, &text, &len, err);

	*right = code == CEDAR_OK && text[0] == '{' && text[len - 1] == '}';
	return code;
}

static CedarCode
do_alloc(Fixture *f, CedarArena *arena, bool *right, CedarError *err)
{
	(void) f;
	*right = cedar_arena_alloc(arena, 2000) != NULL;
	return *right ? CEDAR_OK : cedar_fail(err, CEDAR_ERR_NOMEM, "no memory");
}

/*
 * Inputs at fault: which of the two failures is told is free, as long as it
 * is one of them.
 */
static const char *const bad_policies[] = {
	"permit(principal, action, resource) when { 1 + };",
	"permit(principal, action, resource) when { {a: 1, b: 2, \"a\": 3} == 1 };",
	"permit(principal, action, resource) when { [1, 2, 3, 4, 5, 6, 7, 8, 9, \"\\q\"] == 1 };",
	"@a(\"1\") @b @c @a permit(principal, action, resource);",
	"permit(principal in [U::\"a\"], action, resource);",
	"permit(principal, action, resource) when { nothing(1) && a.b.c };",
};

static const char *const bad_entities[] = {
	"[{\"uid\":{\"type\":\"U\",\"id\":\"a\"},\"attrs\":{},\"parents\":[{\"type\":\"U\",\"id\":\"b\"}]},"
	"{\"uid\":{\"type\":\"U\",\"id\":\"b\"},\"attrs\":{},\"parents\":[{\"type\":\"U\",\"id\":\"a\"}]}]",
	"[{\"uid\":{\"type\":\"U\",\"id\":\"a\"},\"attrs\":{\"a\":1.5},\"parents\":[]}]",
	"[{\"uid\":{\"type\":\"U\",\"id\":\"a\"},\"attrs\":{\"a\":{\"__extn\":{\"fn\":\"ip\",\"arg\":\"x\"}}},\"parents\":[]}]",
	"[{\"uid\":{\"type\":\"U\",\"id\":\"a\"},\"attrs\":{\"a\":1},\"parents\":[]},"
	"{\"uid\":{\"type\":\"U\",\"id\":\"a\"},\"attrs\":{\"a\":2},\"parents\":[]}]",
	"[{\"uid\":{\"type\":\"U U\",\"id\":\"a\"},\"attrs\":{},\"parents\":[]}]",
	"[{\"a\":1,\"b\":2,\"c\":3,\"d\":4,\"e\":5,\"f\":6,\"g\":7,\"h\":8,\"i\":9,\"a\":10}]",
};

static CedarCode
do_bad(Fixture *f, CedarArena *arena, bool *right, CedarError *err)
{
	(void) f;
	*right = false;
	for (size_t i = 0; i < LENGTH(bad_policies); i++)
	{
		CedarMark	mark = cedar_arena_mark(arena);
		CedarAst   *ast;
		CedarCode	code = cedar_parse(arena, bad_policies[i], strlen(bad_policies[i]), &ast, err);

		if (code == CEDAR_ERR_NOMEM)
			return code;
		if (code == CEDAR_OK)
			return cedar_fail(err, CEDAR_ERR_HOST, "policy %zu was taken", i);
		cedar_arena_release(arena, mark);
	}
	for (size_t i = 0; i < LENGTH(bad_entities); i++)
	{
		CedarMark	mark = cedar_arena_mark(arena);
		CedarEntities *es;
		CedarCode	code = cedar_entities_from_json(arena, bad_entities[i], strlen(bad_entities[i]), &es, err);

		if (code == CEDAR_ERR_NOMEM)
			return code;
		if (code == CEDAR_OK)
			return cedar_fail(err, CEDAR_ERR_HOST, "entities %zu were taken", i);
		cedar_arena_release(arena, mark);
	}
	*right = true;
	return CEDAR_OK;
}

static const struct
{
	const char *name;
	EntryFn		run;
	bool		either;			/* the failure may be another one */
}			entries[] = {
	{"cedar_arena_alloc", do_alloc, false},
	{"cedar_uid_make", do_uid_make, false},
	{"cedar_uid_parse", do_uid_parse, false},
	{"cedar_parse", do_parse, false},
	{"cedar_parse_one", do_parse_one, false},
	{"cedar_compile", do_compile, false},
	{"cedar_index_build", do_index_build, false},
	{"cedar_image_plan", do_image, false},
	{"cedar_decide", do_decide, false},
	{"cedar_decide_kept", do_decide_kept, false},
	{"cedar_decide, a set that lasts", do_decide_lasting, false},
	{"cedar_entities_from_json", do_entities, false},
	{"cedar_entity_build", do_entity_build, false},
	{"cedar_entity_merge", do_entity_merge, false},
	{"cedar_request_from_json", do_request, false},
	{"cedar_requests_from_json", do_requests, false},
	{"cedar_links_from_json", do_links, false},
	{"cedar_policy_to_json", do_policy_json, false},
	{"cedar_context_from_json", do_context, false},
	{"cedar_authorize", do_authorize, false},
	{"cedar_authorize, entities in the arena", do_authorize_source, false},
	{"cedar_authorize, index", do_authorize_index, false},
	{"cedar_authorize, index, no reasons", do_authorize_plain, false},
	{"cedar_partial and its residuals", do_partial, false},
	{"cedar_decision_to_json", do_response, false},
	{"cedar_errors_to_json", do_errors, false},
	{"cedar_explain", do_explain, false},
	{"cedar_seen_to_json", do_seen, false},
	{"cedar_value_to_json", do_value_json, false},
	{"cedar_value_to_text", do_value_text, false},
	{"malformed input", do_bad, true},
};

/* Is there an entry for every function of a header that is given an arena to fill? */
static void
check_complete(const char *path, int least)
{
	FILE	   *f = fopen(path, "r");
	char		line[512];
	int			found = 0;

	while (f != NULL && fgets(line, sizeof(line), f) != NULL)
	{
		char	   *name = strstr(line, " cedar_");
		char	   *args = name == NULL ? NULL : strstr(name, "(CedarArena *arena,");
		bool		known = false;

		if (strncmp(line, "extern", 6) != 0 || args == NULL)
			continue;
		*args = '\0';
		name++;
		found++;
		for (size_t i = 0; i < LENGTH(entries); i++)
			known = known || strcmp(entries[i].name, name) == 0;
		if (known)
			passed++;
		else
		{
			printf("%s: no entry for %s\n", path, name);
			failed++;
		}
	}
	if (f != NULL)
		fclose(f);
	if (found < least)
	{
		printf("%s: %d functions found\n", path, found);
		failed++;
	}
}

/* The checks of images are given an arena for its host alone. */
static void
check_verify(void)
{
	Fixture		f;
	CedarError	err;
	long		calls;
	size_t		size = 0;
	const CedarIndex *index;
	bool		ok;

	fixture_open(&f);
	ok = cedar_index_build(f.arena, f.policies, f.n, &index, &size, &err) == CEDAR_OK;
	calls = f.host.alloc_calls;
	for (uint32_t i = 0; i < f.n && ok; i++)
		ok = cedar_piece_verify(f.arena, f.policies[i].piece, cedar_piece_size(f.policies[i].piece),
								&err) == CEDAR_OK;
	ok = ok && cedar_index_verify(f.arena, index, size, f.n, &err) == CEDAR_OK;
	check(ok && f.host.alloc_calls == calls, "verify", "allocates nothing", 0, 0, false, CEDAR_OK, &err);
	fixture_close(&f);
}

/* Bytes that a new arena gives before it asks the host again. */
static size_t
first_block(void)
{
	Host		host;
	CedarArena *arena;
	size_t		size;
	long		calls;

	host_open(&host);
	arena = cedar_arena_create(&host.vtable);
	calls = host.alloc_calls;
	for (size = 0; host.alloc_calls == calls; size += 8)
		cedar_arena_alloc(arena, 8);
	cedar_arena_destroy(arena);
	host_close(&host);
	return size - 8;
}

/* One call; false when nothing failed in it. */
static bool
trial(size_t entry, Fixture *f, size_t block, size_t left, long n, bool after)
{
	Host		host;
	CedarArena *arena;
	CedarError	err;
	CedarCode	code;
	bool		right = false;
	bool		hit;
	const char *name = entries[entry].name;

	host_open(&host);
	memset(&err, 0, sizeof(err));
	arena = cedar_arena_create(&host.vtable);
	if (block > left)
		cedar_arena_alloc(arena, block - left);
	host.fail_at = host.alloc_calls + n;
	host.fail_after = after;
	code = entries[entry].run(f, arena, &right, &err);
	hit = host.alloc_calls >= host.fail_at;
	if (hit)
	{
		injected++;
		check((code == CEDAR_ERR_NOMEM && err.code == code && err.message[0] != '\0') ||
			  (entries[entry].either && code == CEDAR_OK), name, "wants CEDAR_ERR_NOMEM",
			  left, n, after, code, &err);
		if (entries[entry].run == do_authorize || entries[entry].run == do_authorize_source ||
			entries[entry].run == do_authorize_index || entries[entry].run == do_decide_lasting)
			check(right, name, "then with memory", left, n, after, code, &err);
		host.fail_at = 0;
		code = entries[entry].run(f, arena, &right, &err);
		check(code == CEDAR_OK && right, name, "again with memory", left, n, after, code, &err);
	}
	else
		check(code == CEDAR_OK && right, name, "nothing failed", left, n, after, code, &err);
	cedar_arena_destroy(arena);
	check(host_close(&host), name, "memory is left", left, n, after, code, &err);
	return hit;
}

int
main(void)
{
	size_t		block = first_block();
	Host		host;

	make_policies_text();
	if (strlen(policies_text) + 1 == sizeof(policies_text))
	{
		printf("the policies' text is cut off\n");
		failed++;
	}

	host_open(&host);
	host.fail_at = 1;
	if (cedar_arena_create(&host.vtable) == NULL && host_close(&host))
		passed++;
	else
	{
		printf("an arena without memory\n");
		failed++;
	}
	injected++;

	check_complete("../../src/cedar/cedar.h", 14);
	check_complete("../../src/cedar/explain.h", 4);
	check_complete("../../src/cedar/link.h", 1);
	check_complete("../../src/cedar/policy_json.h", 1);
	check_verify();
	for (size_t i = 0; i < LENGTH(entries); i++)
	{
		long		before = injected;

		for (int after = 0; after < 2; after++)
		{
			bool		any = true;

			/* with this much left and more, nothing is asked of the host */
			for (size_t left = 0; left <= block && any; left += STEP)
			{
				Fixture		f;

				fixture_open(&f);
				any = false;
				for (long n = 1; n < 100 && trial(i, &f, block, left, n, after == 1); n++)
					any = true;
				fixture_close(&f);
			}
		}
		printf("%s: %ld failures\n", entries[i].name, injected - before);
		if (injected - before < 2 && entries[i].run != do_authorize_plain)
		{
			printf("%s: too few\n", entries[i].name);
			failed++;
		}
	}
	printf("# %ld failures of the allocator injected\n", injected);
	printf("%ld passed, %ld failed\n", passed, failed);
	return failed == 0 ? 0 : 1;
}
