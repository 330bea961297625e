/*-------------------------------------------------------------------------
 *
 * authorize.c
 *	  Fuzz target: a whole decision, by the library and by the executable
 *	  specification of test/core.  They must agree.
 *
 * An input that begins with 'T' holds the three texts, policies, entities and
 * request, each ended by the byte 0xFF (which UTF-8 never holds); the bytes of
 * any other input drive the generator.
 *
 *-------------------------------------------------------------------------
 */
#include "fuzz.h"

#include "generate.h"
#include "spec_eval.h"

typedef struct Text
{
	const char *data;
	size_t		len;
} Text;

static void
decide(CedarArena *arena, const Text *t, bool generated)
{
	CedarAst   *ast;
	CedarPolicy *policies;
	CedarEntities *entities;
	CedarEntitySource source;
	CedarRequest request;
	CedarDecision decision;
	SpecDecision spec;
	CedarError	err;
	CedarCode	code;
	char		why[512];

	memset(&err, 0, sizeof(err));
	code = cedar_parse(arena, t[0].data, t[0].len, &ast, &err);
	if (code != CEDAR_OK)
	{
		fuzz_check_error(code, &err, t[0].len);
		FUZZ_REQUIRE(!generated || code != CEDAR_ERR_SYNTAX, "%s\n%.*s", err.message,
					 (int) t[0].len, t[0].data);
		return;
	}
	policies = fuzz_compile(arena, ast, t[0].len);
	if (policies == NULL)
		return;
	code = cedar_entities_from_json(arena, t[1].data, t[1].len, &entities, &err);
	if (code != CEDAR_OK)
	{
		fuzz_check_error(code, &err, t[1].len);
		FUZZ_REQUIRE(!generated, "%s\n%.*s", err.message, (int) t[1].len, t[1].data);
		return;
	}
	code = cedar_request_from_json(arena, t[2].data, t[2].len, &request, &err);
	if (code != CEDAR_OK)
	{
		fuzz_check_error(code, &err, t[2].len);
		FUZZ_REQUIRE(!generated, "%s\n%.*s", err.message, (int) t[2].len, t[2].data);
		return;
	}
	/* the specification first: it must not profit from ancestors kept by the library */
	source = cedar_entities_source(entities);
	code = spec_authorize(arena, ast, &source, &request, &spec, &err);
	if (!fuzz_authorize(arena, policies, cedar_ast_count(ast), entities, &request, &decision, t[0].len) ||
		code != CEDAR_OK)
		return;
	FUZZ_REQUIRE(spec_agrees(&spec, &decision, why, sizeof(why)), "%s\n%.*s\n%.*s\n%.*s", why,
				 (int) t[0].len, t[0].data, (int) t[1].len, t[1].data, (int) t[2].len, t[2].data);
}

void
fuzz_one(CedarArena *arena, const uint8_t *data, size_t size)
{
	Text		texts[3] = {{"", 0}, {"[]", 2}, {fuzz_request, strlen(fuzz_request)}};

	if (size > 0 && data[0] == 'T')
	{
		const uint8_t *p = data + 1;
		const uint8_t *end = data + size;

		for (int i = 0; i < 3 && p < end; i++)
		{
			const uint8_t *stop = memchr(p, 0xFF, (size_t) (end - p));

			if (stop == NULL)
				stop = end;
			texts[i].data = fuzz_copy(p, (size_t) (stop - p));
			texts[i].len = (size_t) (stop - p);
			p = stop < end ? stop + 1 : end;
		}
		decide(arena, texts, false);
	}
	else
	{
		Generated	g;

		generate(data, size, &g);
		fuzz_keep(g.policies.data);
		fuzz_keep(g.entities.data);
		fuzz_keep(g.request.data);
		texts[0] = (Text) {g.policies.data, g.policies.len};
		texts[1] = (Text) {g.entities.data, g.entities.len};
		texts[2] = (Text) {g.request.data, g.request.len};
		decide(arena, texts, true);
	}
}
