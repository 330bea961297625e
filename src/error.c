/*-------------------------------------------------------------------------
 *
 * error.c
 *	  Failures of the Cedar and JOSE libraries as PostgreSQL errors.
 *
 * This is the only file that maps library errors to ereport.  A position in
 * policy text becomes an internal query with its position, which is what
 * psql and other clients show as `LINE 3: …` with a caret.  A position in
 * JSON is told in the DETAIL, because the JSON is seldom what the user typed.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"
#include "compat.h"

#include "lib/stringinfo.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"

#include "error.h"

/*
 * Text before the error that we are ready to send to the client and the log.
 * A longer one gets line and column alone.
 */
#define QUERY_MAX_BEFORE	((size_t) 64 * 1024)

/* What follows the line at fault adds nothing; keep a little for context. */
#define QUERY_MAX_AFTER		1024

/* Findings that a DETAIL lists. */
#define FINDINGS_MAX		50

typedef struct ErrorMap
{
	CedarCode	code;
	int			sqlstate;
} ErrorMap;

static const ErrorMap error_map[] = {
	{CEDAR_OK, ERRCODE_INTERNAL_ERROR},
	{CEDAR_ERR_NOMEM, ERRCODE_OUT_OF_MEMORY},
	{CEDAR_ERR_STACK, ERRCODE_STATEMENT_TOO_COMPLEX},
	{CEDAR_ERR_ENCODING, ERRCODE_CHARACTER_NOT_IN_REPERTOIRE},
	{CEDAR_ERR_SYNTAX, ERRCODE_SYNTAX_ERROR},
	{CEDAR_ERR_JSON, ERRCODE_INVALID_TEXT_REPRESENTATION},
	{CEDAR_ERR_ENTITY, ERRCODE_INVALID_PARAMETER_VALUE},
	{CEDAR_ERR_REQUEST, ERRCODE_INVALID_PARAMETER_VALUE},
	{CEDAR_ERR_DUPLICATE, ERRCODE_INVALID_PARAMETER_VALUE},
	{CEDAR_ERR_CYCLE, ERRCODE_CHECK_VIOLATION},
	{CEDAR_ERR_SCHEMA, ERRCODE_INVALID_PARAMETER_VALUE},
	{CEDAR_ERR_LIMIT, ERRCODE_PROGRAM_LIMIT_EXCEEDED},
	{CEDAR_ERR_IMAGE, ERRCODE_DATA_CORRUPTED},
	{CEDAR_ERR_HOST, ERRCODE_INTERNAL_ERROR},
	{CEDAR_EVAL_TYPE, ERRCODE_INTERNAL_ERROR},
	{CEDAR_EVAL_OVERFLOW, ERRCODE_INTERNAL_ERROR},
	{CEDAR_EVAL_NO_ENTITY, ERRCODE_INTERNAL_ERROR},
	{CEDAR_EVAL_NO_ATTR, ERRCODE_INTERNAL_ERROR},
	{CEDAR_EVAL_NO_TAG, ERRCODE_INTERNAL_ERROR},
	{CEDAR_EVAL_EXTENSION, ERRCODE_INTERNAL_ERROR},
	{CEDAR_EVAL_ARITY, ERRCODE_INTERNAL_ERROR},
	{CEDAR_EVAL_UNLINKED, ERRCODE_INTERNAL_ERROR}
};

StaticAssertDecl(lengthof(error_map) == CEDAR_EVAL_UNLINKED + 1,
				 "error_map has one line for each CedarCode");

static int
error_sqlstate(CedarCode code)
{
	for (int i = 0; i < lengthof(error_map); i++)
	{
		if (error_map[i].code == code)
			return error_map[i].sqlstate;
	}
	return ERRCODE_INTERNAL_ERROR;
}

void
authz_line_column(const char *text, size_t offset, int *line, int *column)
{
	const char *start = text;

	*line = 1;
	for (const char *p = text; p < text + offset; p++)
	{
		if (*p == '\n')
		{
			(*line)++;
			start = p + 1;
		}
	}
	*column = pg_mbstrlen_with_len(start, (int) (text + offset - start)) + 1;
}

/* The text up to the end of the line at fault and a little more. */
static char *
error_query(const char *text, size_t len, size_t offset)
{
	size_t		end = offset;

	while (end < len && text[end] != '\n' && text[end] != '\0')
		end++;
	if (len - end <= QUERY_MAX_AFTER && memchr(text + end, '\0', len - end) == NULL)
		end = len;
	if (end - offset > QUERY_MAX_AFTER && end != len)
		end = offset + pg_mbcliplen(text + offset, (int) (end - offset),
									QUERY_MAX_AFTER);
	return pnstrdup(text, end);
}

/* What both kinds of errors come to. */
pg_noreturn static void
error_raise(int sqlstate, const CedarError *err, AuthzTextKind kind,
			const char *text, size_t len, const char *what, const char *detail)
{
	StringInfoData facts;
	char	   *query = NULL;
	int			position = 0;

	initStringInfo(&facts);
	if (detail != NULL)
		appendStringInfoString(&facts, detail);

	if (err->has_position && text != NULL && err->offset <= len)
	{
		bool		pointed = false;

		if (kind == AUTHZ_TEXT_POLICY && err->offset <= QUERY_MAX_BEFORE &&
			memchr(text, '\0', err->offset) == NULL)
		{
			query = error_query(text, len, err->offset);
			position = pg_mbstrlen_with_len(text, (int) err->offset) + 1;
			pointed = true;
		}
		if (!pointed && kind != AUTHZ_TEXT_UID)
		{
			int			line;
			int			column;

			authz_line_column(text, err->offset, &line, &column);
			if (facts.len > 0)
				appendStringInfoChar(&facts, ' ');
			appendStringInfo(&facts, "Line %d, column %d.", line, column);
		}
	}

	ereport(ERROR,
			(errcode(sqlstate),
			 what != NULL ? errmsg("invalid %s: %s", what, err->message) :
			 errmsg("%s", err->message),
			 facts.len > 0 ? errdetail_internal("%s", facts.data) : 0,
			 err->hint[0] != '\0' ? errhint("%s", err->hint) : 0,
			 query != NULL ? internalerrquery(query) : 0,
			 query != NULL ? internalerrposition(position) : 0));
	pg_unreachable();
}

/* ---------------------------------------------------------------- JOSE */

typedef struct JoseMap
{
	JoseCode	code;
	int			sqlstate;
	bool		tokens_fault;	/* when a token was handed in */
} JoseMap;

static const JoseMap jose_map[] = {
	{JOSE_OK, ERRCODE_INTERNAL_ERROR, false},
	{JOSE_ERR_NOMEM, ERRCODE_OUT_OF_MEMORY, false},
	{JOSE_ERR_CANCELLED, ERRCODE_QUERY_CANCELED, false},
	{JOSE_ERR_ARGUMENT, ERRCODE_INVALID_PARAMETER_VALUE, false},
	{JOSE_ERR_LIMIT, ERRCODE_PROGRAM_LIMIT_EXCEEDED, true},
	{JOSE_ERR_UNAVAILABLE, ERRCODE_FEATURE_NOT_SUPPORTED, false},
	{JOSE_ERR_CRYPTO, ERRCODE_EXTERNAL_ROUTINE_EXCEPTION, false},
	{JOSE_ERR_KEY_MALFORMED, ERRCODE_INVALID_PARAMETER_VALUE, false},
	{JOSE_ERR_KEY_UNSUPPORTED, ERRCODE_FEATURE_NOT_SUPPORTED, false},
	{JOSE_ERR_KEY_WEAK, ERRCODE_INVALID_PARAMETER_VALUE, false},
	{JOSE_ERR_KEY_INVALID, ERRCODE_INVALID_PARAMETER_VALUE, false},
	{JOSE_ERR_KEY_USE, ERRCODE_INVALID_PARAMETER_VALUE, true},
	{JOSE_ERR_MALFORMED, AUTHZ_ERRCODE_TOKEN_MALFORMED, true},
	{JOSE_ERR_ALGORITHM, AUTHZ_ERRCODE_TOKEN_ALGORITHM, true},
	{JOSE_ERR_CRITICAL, AUTHZ_ERRCODE_TOKEN_CRITICAL, true},
	{JOSE_ERR_UNKNOWN_KEY, AUTHZ_ERRCODE_TOKEN_UNKNOWN_KEY, true},
	{JOSE_ERR_KEY_MISMATCH, AUTHZ_ERRCODE_TOKEN_ALGORITHM, true},
	{JOSE_ERR_SIGNATURE, AUTHZ_ERRCODE_TOKEN_SIGNATURE, true},
	{JOSE_ERR_TYPE, AUTHZ_ERRCODE_TOKEN_TYPE, true},
	{JOSE_ERR_MISSING_CLAIM, AUTHZ_ERRCODE_TOKEN_MISSING_CLAIM, true},
	{JOSE_ERR_ISSUER, AUTHZ_ERRCODE_TOKEN_ISSUER, true},
	{JOSE_ERR_AUDIENCE, AUTHZ_ERRCODE_TOKEN_AUDIENCE, true},
	{JOSE_ERR_SUBJECT, AUTHZ_ERRCODE_TOKEN_SUBJECT, true},
	{JOSE_ERR_EXPIRED, AUTHZ_ERRCODE_TOKEN_EXPIRED, true},
	{JOSE_ERR_NOT_YET_VALID, AUTHZ_ERRCODE_TOKEN_NOT_YET_VALID, true}
};

StaticAssertDecl(lengthof(jose_map) == JOSE_CODE_COUNT,
				 "jose_map has one line for each JoseCode");

static const JoseMap *
jose_map_find(JoseCode code)
{
	for (int i = 0; i < lengthof(jose_map); i++)
	{
		if (jose_map[i].code == code)
			return &jose_map[i];
	}
	return &jose_map[0];
}

bool
authz_token_is_at_fault(JoseCode code)
{
	return jose_map_find(code)->tokens_fault;
}

void
authz_raise_jose(const JoseError *err, const char *what)
{
	const JoseMap *map = jose_map_find(err->code);

	/* Class JW is for tokens that were handed in. */
	CHECK_FOR_INTERRUPTS();
	ereport(ERROR,
			(errcode(map->tokens_fault && err->code != JOSE_ERR_LIMIT ?
					 ERRCODE_INVALID_PARAMETER_VALUE : map->sqlstate),
			 what != NULL ? errmsg("%s: %s", what, err->message) :
			 errmsg("%s", err->message),
			 err->detail[0] != '\0' ? errdetail_internal("%s", err->detail) : 0));
	pg_unreachable();
}

void
authz_raise_token(const JoseError *err, bool over_http)
{
	const JoseMap *map = jose_map_find(err->code);
	int			sqlstate = map->sqlstate;

	if (!map->tokens_fault)
		authz_raise_jose(err, NULL);
	if (err->code == JOSE_ERR_LIMIT || err->code == JOSE_ERR_KEY_USE)
		sqlstate = err->code == JOSE_ERR_LIMIT ? AUTHZ_ERRCODE_TOKEN_MALFORMED :
			AUTHZ_ERRCODE_TOKEN_UNKNOWN_KEY;
	if (over_http)
		ereport(ERROR,
				(errcode(AUTHZ_ERRCODE_HTTP_401),
				 errmsg("%s", err->message),
				 errdetail_internal("%s%s%s", unpack_sql_state(sqlstate),
									err->detail[0] != '\0' ? ": " : "", err->detail)));
	ereport(ERROR,
			(errcode(sqlstate),
			 errmsg("%s", err->message),
			 err->detail[0] != '\0' ? errdetail_internal("%s", err->detail) : 0));
	pg_unreachable();
}

void
authz_raise(const CedarError *err, AuthzTextKind kind,
			const char *text, size_t len, const char *what,
			const char *detail)
{
	/* The machine is at its end, not the text. */
	if (err->code == CEDAR_ERR_NOMEM)
		ereport(ERROR,
				(errcode(ERRCODE_OUT_OF_MEMORY),
				 errmsg("out of memory"),
				 errdetail("Failed while working on %s.",
						   what != NULL ? what : "an authorization request")));
	if (err->code == CEDAR_ERR_STACK)
		ereport(ERROR,
				(errcode(ERRCODE_STATEMENT_TOO_COMPLEX),
				 errmsg("stack depth limit exceeded"),
				 errdetail("Failed while working on %s.",
						   what != NULL ? what : "an authorization request"),
				 errhint("Increase the configuration parameter \"max_stack_depth\", or nest less deeply.")));

	error_raise(error_sqlstate(err->code), err, kind, text, len, what, detail);
}

void
authz_raise_findings(const CedarFinding *findings, uint32 n, const char *text, size_t len,
					 const char *what, const char *detail)
{
	const CedarFinding *first = NULL;
	CedarError	err = {.code = CEDAR_ERR_SCHEMA};
	StringInfoData facts;
	uint32		errors = 0;

	for (uint32 i = 0; i < n; i++)
	{
		if (findings[i].warning)
			continue;
		if (first == NULL)
			first = &findings[i];
		errors++;
	}
	if (first == NULL)
		return;

	initStringInfo(&facts);
	if (detail != NULL)
		appendStringInfoString(&facts, detail);
	for (uint32 i = 0, shown = 0; errors > 1 && i < n; i++)
	{
		if (findings[i].warning)
			continue;
		if (shown++ == FINDINGS_MAX)
		{
			appendStringInfo(&facts, "\nand %u more", errors - FINDINGS_MAX);
			break;
		}
		if (facts.len > 0)
			appendStringInfoChar(&facts, '\n');
		if (text != NULL)
		{
			int			line;
			int			column;

			authz_line_column(text, findings[i].offset, &line, &column);
			appendStringInfo(&facts, "line %d, column %d: ", line, column);
		}
		appendStringInfoString(&facts, findings[i].message);
	}

	err.has_position = text != NULL;
	err.offset = first->offset;
	err.length = first->length;
	strlcpy(err.message, first->message, sizeof(err.message));
	strlcpy(err.hint, first->hint, sizeof(err.hint));
	error_raise(ERRCODE_CHECK_VIOLATION, &err, AUTHZ_TEXT_POLICY, text, len, what,
				facts.len > 0 ? facts.data : NULL);
}
