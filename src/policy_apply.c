/*-------------------------------------------------------------------------
 *
 * policy_apply.c
 *	  Policies as code: a .cedar file of many policies, taken apart for the
 *	  store and put together again.
 *
 * The texts of a file's policies, one after the other, are the file: comments
 * and white space between two policies go with the second, but for the rest
 * of the line that the first one ends on; what follows the last goes with it.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"
#include "compat.h"

#include "access/xact.h"
#include "fmgr.h"
#include "funcapi.h"
#include "mb/pg_wchar.h"
#include "storage/lmgr.h"
#include "utils/builtins.h"

#include "cedar/validate.h"
#include "error.h"
#include "host.h"
#include "policy.h"
#include "relation.h"

PG_FUNCTION_INFO_V1(authz_current_policy_set);
PG_FUNCTION_INFO_V1(authz_policies_parse);
PG_FUNCTION_INFO_V1(authz_policy_with_id);

pg_noreturn static void
refuse(const CedarAst *ast, uint32 i, CedarCode code, const char *text, size_t len,
	   const char *message, const char *hint)
{
	CedarError	err = {.code = code, .has_position = true};

	cedar_ast_range(ast, i, &err.offset, &err.length);
	/* An id of any length may be in it. */
	strlcpy(err.message, message,
			pg_mbcliplen(message, (int) strlen(message), sizeof(err.message) - 1) + 1);
	strlcpy(err.hint, hint, sizeof(err.hint));
	authz_raise(&err, AUTHZ_TEXT_POLICY, text, len, "policies", NULL);
}

/* The policy's @id, in the current memory context. */
static char *
policy_id(const CedarAst *ast, uint32 i, const char *text, size_t len)
{
	size_t		id_len;
	const char *id = cedar_ast_annotation(ast, i, "id", &id_len);

	if (id == NULL || id_len == 0)
		refuse(ast, i, CEDAR_ERR_SYNTAX, text, len, "a policy has no @id",
			   "Write @id(\"name\") before permit or forbid.");
	if (memchr(id, '\0', id_len) != NULL)
		refuse(ast, i, CEDAR_ERR_SYNTAX, text, len, "an @id holds a NUL character", "");
	return pnstrdup(id, id_len);
}

/* Where the text of policy i ends and that of the next begins. */
static size_t
policy_end(const CedarAst *ast, uint32 i, const char *text, size_t len)
{
	size_t		offset;
	size_t		length;
	size_t		end;
	size_t		at;

	if (i + 1 == cedar_ast_count(ast))
		return len;
	cedar_ast_range(ast, i, &offset, &length);
	end = at = offset + length;
	while (at < len && (text[at] == ' ' || text[at] == '\t' || text[at] == '\r'))
		at++;
	if (at + 1 < len && text[at] == '/' && text[at + 1] == '/')
	{
		while (at < len && text[at] != '\n')
			at++;
	}
	return at < len && text[at] == '\n' ? at + 1 : end;
}

typedef struct NamedPolicy
{
	char	   *id;
	uint32		number;
} NamedPolicy;

static int
named_cmp(const void *a, const void *b)
{
	const NamedPolicy *x = a;
	const NamedPolicy *y = b;
	int			c = strcmp(x->id, y->id);

	return c != 0 ? c : (x->number > y->number) - (x->number < y->number);
}

/*
 * policies_parse(source text, schema text) → (ordinal integer, policy_id text,
 * policy text), one row for each policy of the file.  Refuses what does not
 * parse, has no @id or one twice, or does not validate against the schema, all
 * with the position in the file.  Holds off other writers of policies from
 * here on.
 */
Datum
authz_policies_parse(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	CedarArena *arena;
	CedarAst   *ast;
	CedarError	err;
	NamedPolicy *named;
	text	   *source;
	const char *file;
	size_t		len;
	size_t		start = 0;
	uint32		n;

	if (PG_ARGISNULL(0))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("argument \"%s\" must not be null", "source")));
	LockRelationOid(authz_relations()->policy_proxy, ShareRowExclusiveLock);
	InitMaterializedSRF(fcinfo, 0);
	source = PG_GETARG_TEXT_PP(0);
	file = VARDATA_ANY(source);
	len = VARSIZE_ANY_EXHDR(source);
	arena = authz_arena_create(CurrentMemoryContext);
	if (cedar_parse(arena, file, len, &ast, &err) != CEDAR_OK)
		authz_raise(&err, AUTHZ_TEXT_POLICY, file, len, "policies", NULL);

	n = cedar_ast_count(ast);
	named = palloc(Max(n, 1) * sizeof(NamedPolicy));
	for (uint32 i = 0; i < n; i++)
	{
		named[i].id = policy_id(ast, i, file, len);
		named[i].number = i;
	}
	qsort(named, n, sizeof(NamedPolicy), named_cmp);
	for (uint32 i = 1; i < n; i++)
	{
		if (strcmp(named[i].id, named[i - 1].id) == 0)
			refuse(ast, named[i].number, CEDAR_ERR_DUPLICATE, file, len,
				   psprintf("two policies have the @id \"%s\"", named[i].id), "");
	}

	if (!PG_ARGISNULL(1))
	{
		struct varlena *schema_source = PG_GETARG_TEXT_PP(1);
		const char *schema_text = VARDATA_ANY(schema_source);
		size_t		schema_len = VARSIZE_ANY_EXHDR(schema_source);
		const CedarSchema *schema;
		const CedarFinding *findings;
		uint32		n_findings;

		if (cedar_schema_parse(arena, schema_text, schema_len, CEDAR_SCHEMA_AUTO,
							   &schema, &err) != CEDAR_OK)
			authz_raise(&err, AUTHZ_TEXT_POLICY, schema_text, schema_len, "schema", NULL);
		if (cedar_validate(arena, schema, ast, 0, n, CEDAR_NO_LEVEL,
						   &findings, &n_findings, &err) != CEDAR_OK)
			authz_raise(&err, AUTHZ_TEXT_POLICY, file, len, "policies", NULL);
		authz_raise_findings(findings, n_findings, file, len, "policies", NULL);
	}

	for (uint32 i = 0; i < n; i++)
	{
		size_t		end = policy_end(ast, i, file, len);
		Datum		values[3];
		bool		nulls[3] = {false};

		values[0] = Int32GetDatum((int32) i + 1);
		values[1] = CStringGetTextDatum(policy_id(ast, i, file, len));
		values[2] = PointerGetDatum(cstring_to_text_with_len(file + start, end - start));
		tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
		start = end;
	}
	cedar_arena_destroy(arena);
	return (Datum) 0;
}

/* Append a string literal of Cedar. */
static void
append_string(StringInfo buf, const char *s)
{
	appendStringInfoChar(buf, '"');
	for (; *s != '\0'; s++)
	{
		unsigned char c = (unsigned char) *s;

		if (c == '"' || c == '\\')
			appendStringInfoChar(buf, '\\');
		if (c == '\n')
			appendStringInfoString(buf, "\\n");
		else if (c < ' ' || c == 127)
			appendStringInfo(buf, "\\u{%x}", c);
		else
			appendStringInfoChar(buf, *s);
	}
	appendStringInfoChar(buf, '"');
}

/*
 * policy_with_id(policy_id text, policy text) → the policy's text with @id in
 * front of it, unless it has it.
 */
Datum
authz_policy_with_id(PG_FUNCTION_ARGS)
{
	char	   *id = text_to_cstring(PG_GETARG_TEXT_PP(0));
	char	   *policy = text_to_cstring(PG_GETARG_TEXT_PP(1));
	CedarArena *arena = authz_arena_create(CurrentMemoryContext);
	const CedarAst *ast = authz_policy_parse(arena, "", id, policy, strlen(policy));
	const char *own;
	size_t		own_len;
	size_t		offset;
	size_t		length;
	StringInfoData buf;

	own = cedar_ast_annotation(ast, 0, "id", &own_len);
	if (own != NULL && own_len == strlen(id) && memcmp(own, id, own_len) == 0)
		PG_RETURN_DATUM(PG_GETARG_DATUM(1));
	if (own != NULL)
		refuse(ast, 0, CEDAR_ERR_DUPLICATE, policy, strlen(policy),
			   psprintf("policy \"%s\" has another name in its @id", id),
			   "Change one of them.");
	initStringInfo(&buf);
	cedar_ast_range(ast, 0, &offset, &length);
	appendBinaryStringInfo(&buf, policy, offset);
	appendStringInfoString(&buf, "@id(");
	append_string(&buf, id);
	appendStringInfoString(&buf, ")\n");
	appendStringInfoString(&buf, policy + offset);
	PG_RETURN_TEXT_P(cstring_to_text_with_len(buf.data, buf.len));
}

/*
 * current_policy_set() → the setting authz.policy_set, which current_setting
 * does not know before the library is loaded.
 */
Datum
authz_current_policy_set(PG_FUNCTION_ARGS)
{
	PG_RETURN_TEXT_P(cstring_to_text(authz_policy_set));
}
