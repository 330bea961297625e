/*-------------------------------------------------------------------------
 *
 * validate_test.c
 *	  Policies checked against a schema: the cases of the folder validate_cases
 *	  (see validate_cases.js), many findings at once, links, and a host that
 *	  refuses or jumps away at every call.
 *
 *-------------------------------------------------------------------------
 */
#define _POSIX_C_SOURCE 200809L

#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "faults.h"
#include "validate.h"

/* Sanitized programs are slow: they look at fewer places. */
#ifdef HOST_SANITIZED
#define SOME 40
#else
#define SOME 12
#endif

static char schema_text[8192];	/* of the cases read last */
static Text all_policies;
static Text some_policies;		/* enough for what is done at each of many places */

/* ------------------------------------------------------------------ cases */

static CedarCode
validate(CedarArena *arena, const char *schema_source, size_t schema_len, const char *text,
		 size_t len, uint32_t level, CedarAst **ast, const CedarFinding **findings,
		 uint32_t *n, CedarError *err)
{
	const CedarSchema *schema;
	CedarCode	code;

	if ((code = cedar_schema_parse(arena, schema_source, schema_len, CEDAR_SCHEMA_AUTO, &schema,
								   err)) != CEDAR_OK ||
		(code = cedar_parse(arena, text, len, ast, err)) != CEDAR_OK)
		return code;
	return cedar_validate(arena, schema, *ast, 0, cedar_ast_count(*ast), level, findings, n, err);
}

/* What validate.h promises of every list of findings. */
static void
check_findings(const char *text, const CedarAst *ast, const CedarFinding *f, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
	{
		size_t		offset,
					length;

		cedar_ast_range(ast, f[i].policy, &offset, &length);
		CHECKF(f[i].length > 0 && f[i].offset >= offset &&
			   f[i].offset + f[i].length <= offset + length, "%s: position of %s", text, f[i].message);
		CHECKF(f[i].message[0] != '\0' && f[i].warning == (f[i].code >= CEDAR_FOUND_APPLICATION),
			   "%s: finding %u", text, i);
		CHECKF(i == 0 || f[i - 1].policy < f[i].policy ||
			   (f[i - 1].policy == f[i].policy && f[i - 1].offset <= f[i].offset), "%s: order", text);
	}
}

static int
compare_lines(const void *a, const void *b)
{
	return strcmp(*(char *const *) a, *(char *const *) b);
}

static void
check_case(const char *name, const char *schema, const json_t *test)
{
	json_t	   *policy = json_object_get(test, "policy");
	json_t	   *level = json_object_get(test, "level");
	json_t	   *expect = json_object_get(test, "expect");
	const char *text = json_string_value(policy);
	char		lines[64][48];
	char	   *sorted[64];
	char		got[1024] = "";
	char		want[1024] = "";
	const CedarFinding *findings;
	CedarAst   *ast;
	uint32_t	n;
	json_t	   *line;
	size_t		i;
	Bench		b;
	CedarCode	code;

	bench_open(&b);
	code = validate(b.arena, schema, strlen(schema), text, json_string_length(policy),
					level != NULL ? (uint32_t) json_integer_value(level) : CEDAR_NO_LEVEL,
					&ast, &findings, &n, &b.err);
	CHECKF(code == CEDAR_OK, "%s: %s: %s", name, text, b.err.message);
	if (code == CEDAR_OK)
	{
		check_findings(text, ast, findings, n);
		for (i = 0; i < n && i < LENGTH(lines); i++)
		{
			snprintf(lines[i], sizeof(lines[i]), "%s %s", findings[i].warning ? "warning" : "error",
					 cedar_finding_name(findings[i].code));
			sorted[i] = lines[i];
		}
		qsort(sorted, i, sizeof(char *), compare_lines);
		for (size_t k = 0; k < i; k++)
		{
			if (k == 0 || strcmp(sorted[k - 1], sorted[k]) != 0)
				strcat(strcat(got, sorted[k]), "; ");
		}
		json_array_foreach(expect, i, line)
			strcat(strcat(want, json_string_value(line)), "; ");
		CHECKF(json_is_array(expect) && strcmp(got, want) == 0, "%s: %s\n  found  %s\n  wanted %s",
			   name, text, got, want);
	}
	bench_close(&b);
}

static void
run_file(const char *name)
{
	FILE	   *file = fopen(name, "r");
	char	   *line = NULL;
	size_t		cap = 0;
	ssize_t		len;
	long		cases = 0;

	CHECKF(file != NULL, "%s", name);
	while (file != NULL && (len = getline(&line, &cap, file)) > 0)
	{
		json_error_t error;
		json_t	   *test = json_loadb(line, (size_t) len, JSON_ALLOW_NUL, &error);
		json_t	   *defaults = json_object_get(test, "defaults");

		CHECKF(test != NULL, "%s: %s", name, error.text);
		if (defaults != NULL)
			snprintf(schema_text, sizeof(schema_text), "%s",
					 json_string_value(json_object_get(defaults, "schema")));
		else if (test != NULL)
		{
			const char *text = json_string_value(json_object_get(test, "policy"));

			check_case(name, schema_text, test);
			text_adds(&all_policies, text);
			text_adds(&all_policies, "\n");
			if (cases % SOME == 0)
			{
				text_adds(&some_policies, text);
				text_adds(&some_policies, "\n");
			}
			cases++;
		}
		json_decref(test);
	}
	CHECKF(cases > 0, "%s has no cases", name);
	free(line);
	if (file != NULL)
		fclose(file);
}

/* ----------------------------------------------------- many, some of them */

static void
test_many(void)
{
	Bench		b;
	Text		t = {0};
	const CedarFinding *findings;
	CedarAst   *ast;
	uint32_t	n,
				found = 0;
	const CedarSchema *schema;

	/* more in one policy than there is room for at first */
	text_adds(&t, ANY " when { [");
	for (int i = 0; i < 100; i++)
	{
		char		item[32];

		snprintf(item, sizeof(item), "%sX%d::\"a\"", i > 0 ? ", " : "", i);
		text_adds(&t, item);
	}
	text_adds(&t, "].isEmpty() };");
	bench_open(&b);
	CHECK(validate(b.arena, schema_text, strlen(schema_text), t.data, t.len, CEDAR_NO_LEVEL, &ast,
				   &findings, &n, &b.err) == CEDAR_OK);
	check_findings("many", ast, findings, n);
	for (uint32_t i = 0; i < n; i++)
		found += findings[i].code == CEDAR_FOUND_ENTITY_TYPE;
	CHECKF(found == 100, "%u of 100", found);
	bench_close(&b);

	/* the policies asked for, and no others */
	t.len = 0;
	text_adds(&t, ANY " when { 1 };" ANY " when { \"a\" };" ANY ";" ANY " when { 2 };");
	bench_open(&b);
	CHECK(cedar_schema_parse(b.arena, schema_text, strlen(schema_text), CEDAR_SCHEMA_AUTO, &schema,
							 &b.err) == CEDAR_OK);
	CHECK(cedar_parse(b.arena, t.data, t.len, &ast, &b.err) == CEDAR_OK);
	CHECK(cedar_validate(b.arena, schema, ast, 1, 2, CEDAR_NO_LEVEL, &findings, &n, &b.err) == CEDAR_OK);
	CHECKF(n == 1 && findings[0].policy == 1 && findings[0].code == CEDAR_FOUND_TYPE, "%u found", n);
	CHECK(cedar_validate(b.arena, schema, ast, 0, 0, CEDAR_NO_LEVEL, &findings, &n, &b.err) == CEDAR_OK && n == 0);
	bench_close(&b);
	free(t.data);
}

/* ------------------------------------------------------------------ links */

static const struct
{
	const char *template;
	const char *principal;		/* NULL: the template has no such slot */
	const char *resource;
	const char *found;
}			links[] = {
	{"permit(principal == ?principal, action, resource);", "User::\"a\"", NULL, ""},
	{"permit(principal == ?principal, action, resource);", "Box::\"a\"", NULL, "no_applicable_action;"},
	{"permit(principal in ?principal, action, resource);", "Group::\"g\"", NULL, ""},
	{"permit(principal in ?principal, action, resource);", "Box::\"g\"", NULL, "no_applicable_action;"},
	{"permit(principal is User in ?principal, action, resource in ?resource);", "Group::\"g\"", "Box::\"b\"", ""},
	{"permit(principal, action, resource == ?resource);", NULL, "Nobody::\"b\"", "no_applicable_action;unrecognized_entity_type;"},
};

/* As the reference has them when a template is linked in a policy set that is validated. */
static void
test_links(void)
{
	for (size_t i = 0; i < LENGTH(links); i++)
	{
		Bench		b;
		const CedarSchema *schema;
		const CedarFinding *findings;
		const CedarUid *principal = NULL,
				   *resource = NULL;
		CedarAst   *ast;
		uint32_t	n;
		char		got[200] = "";

		bench_open(&b);
		CHECK(cedar_schema_parse(b.arena, schema_text, strlen(schema_text), CEDAR_SCHEMA_AUTO, &schema,
								 &b.err) == CEDAR_OK);
		CHECK(cedar_parse(b.arena, links[i].template, strlen(links[i].template), &ast, &b.err) == CEDAR_OK);
		CHECK(links[i].principal == NULL ||
			  cedar_uid_parse(b.arena, links[i].principal, strlen(links[i].principal), &principal, &b.err) == CEDAR_OK);
		CHECK(links[i].resource == NULL ||
			  cedar_uid_parse(b.arena, links[i].resource, strlen(links[i].resource), &resource, &b.err) == CEDAR_OK);
		CHECK(cedar_validate_link(b.arena, schema, ast, 0, principal, resource, &findings, &n, &b.err) == CEDAR_OK);
		check_findings(links[i].template, ast, findings, n);
		for (uint32_t k = 0; k < n; k++)
			strcat(strcat(got, cedar_finding_name(findings[k].code)), ";");
		CHECKF(strcmp(got, links[i].found) == 0, "link %zu: %s", i, got);
		bench_close(&b);
	}
}

/* ----------------------------------------------------------------- faults */

typedef struct What
{
	const char *name;
	const Text *policies;		/* NULL: a link */
	uint32_t	level;
} What;

static CedarCode
run(const void *what, CedarArena *arena, CedarError *err)
{
	static const char template[] = "permit(principal in ?principal, action, resource);";
	const CedarSchema *schema;
	const CedarFinding *findings;
	const CedarUid *uid;
	CedarAst   *ast;
	CedarCode	code;
	uint32_t	n;
	const What *w = what;

	if (w->policies != NULL)
		return validate(arena, schema_text, strlen(schema_text), w->policies->data, w->policies->len,
						w->level, &ast, &findings, &n, err);
	if ((code = cedar_schema_parse(arena, schema_text, strlen(schema_text), CEDAR_SCHEMA_AUTO, &schema,
								   err)) != CEDAR_OK ||
		(code = cedar_parse(arena, template, strlen(template), &ast, err)) != CEDAR_OK ||
		(code = cedar_uid_parse(arena, "Nobody::\"n\"", 11, &uid, err)) != CEDAR_OK)
		return code;
	return cedar_validate_link(arena, schema, ast, 0, uid, NULL, &findings, &n, err);
}

static void
test_faults(void)
{
	const What	whats[] = {
		{"policies", &some_policies, CEDAR_NO_LEVEL},
		{"policies with a level", &some_policies, 1},
		{"a link", NULL, 0},
		{"all policies with a level", &all_policies, 1},
	};
	long		injected = 0;

	for (size_t i = 0; i < LENGTH(whats); i++)
	{
#ifdef HOST_SANITIZED
		if (whats[i].policies == &all_policies)
			continue;
#endif
		injected += faults_memory(whats[i].name, run, &whats[i]);
		if (whats[i].policies == &all_policies)
			continue;
		faults_stack(whats[i].name, run, &whats[i]);
		faults_interrupts(whats[i].name, run, &whats[i]);
	}
	printf("# %ld failures of the allocator injected\n", injected);
}

int
main(void)
{
	glob_t		files;

	CHECK(glob("validate_cases/*.jsonl", 0, NULL, &files) == 0);
	for (size_t i = 0; i < files.gl_pathc; i++)
		run_file(files.gl_pathv[i]);
	globfree(&files);
	test_many();
	test_links();
	test_faults();
	free(all_policies.data);
	free(some_policies.data);
	return checks_end();
}
