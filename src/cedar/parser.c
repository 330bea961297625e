/*-------------------------------------------------------------------------
 *
 * parser.c
 *	  Policies from text: recursive descent, operators by precedence climbing.
 *
 * The grammar and what it refuses are the reference's (cedar-policy 4.13).
 * A word or a path that is not yet known to be a variable, a function, a type
 * or an attribute travels upwards as a Term until its place decides.
 *
 *-------------------------------------------------------------------------
 */
#include "lexer.h"

const char *const cedar_var_names[4] = {"principal", "action", "resource", "context"};

typedef struct Parser
{
	CedarLexer	lx;
	CedarArena *arena;
	CedarError *err;
	int			depth;
	size_t		policy_start;
	bool		in_condition;	/* slots are refused here */
	const char *clause;			/* "when" or "unless" */
} Parser;

typedef enum TermKind
{
	TERM_EXPR,
	TERM_VAR,
	TERM_NAME,					/* a path that names no variable */
	TERM_STRING,				/* a string literal, not yet unescaped */
	TERM_BOOL
} TermKind;

typedef struct Term
{
	TermKind	kind;
	uint8_t		var;			/* TERM_VAR; TERM_BOOL: its value */
	uint32_t	offset;
	uint32_t	length;
	CedarExpr  *expr;
	const CedarStr *name;		/* TERM_NAME, TERM_VAR: in normal form */
} Term;

static CedarCode parse_expr(Parser *p, Term *out);
static CedarCode parse_operators(Parser *p, int min, Term *out);

/* ---------------------------------------------------------------- helpers */

static CedarCode
next(Parser *p)
{
	if (p->lx.pos - p->policy_start > CEDAR_MAX_POLICY_BYTES)
		return cedar_fail_at(p->err, CEDAR_ERR_LIMIT, p->policy_start, 0,
							 "policy is longer than %d bytes", CEDAR_MAX_POLICY_BYTES);
	return cedar_lexer_next(&p->lx);
}

static bool
accept(Parser *p, CedarTok tok, CedarCode *code)
{
	*code = CEDAR_OK;
	if (p->lx.tok != tok)
		return false;
	*code = next(p);
	return true;
}

static CedarCode
expect(Parser *p, CedarTok tok, const char *what)
{
	if (p->lx.tok != tok)
		return cedar_lexer_unexpected(&p->lx, what);
	return next(p);
}

static bool
at_word(const Parser *p, const char *word)
{
	return cedar_lexer_is_word(&p->lx, word);
}

static const char *
tok_text(const Parser *p)
{
	return p->lx.text + p->lx.start;
}

static size_t
tok_len(const Parser *p)
{
	return p->lx.pos - p->lx.start;
}

static CedarCode
reserved(Parser *p)
{
	return cedar_fail_at(p->err, CEDAR_ERR_SYNTAX, p->lx.start, tok_len(p),
						 "\"%.*s\" is a reserved word and cannot be used as a name",
						 CEDAR_EXCERPT(tok_text(p), tok_len(p)));
}

/* An identifier that may be a name or an attribute. */
static CedarCode
expect_ident(Parser *p, const char *what, const CedarStr **out)
{
	if (p->lx.tok != TOK_IDENT)
		return cedar_lexer_unexpected(&p->lx, what);
	if (cedar_is_reserved_word(tok_text(p), tok_len(p)))
		return reserved(p);
	*out = cedar_str_make(p->arena, tok_text(p), tok_len(p));
	if (*out == NULL)
		return cedar_nomem(p->err);
	return next(p);
}

static uint16_t
depth_of(const CedarExpr *e)
{
	return e == NULL ? 0 : e->depth;
}

static CedarCode
too_deep(Parser *p, size_t offset)
{
	cedar_fail_at(p->err, CEDAR_ERR_LIMIT, offset, 1,
				  "expression is nested deeper than %d levels", CEDAR_MAX_DEPTH);
	return cedar_hint(p->err, "Split the policy into several.");
}

static CedarCode
make_expr(Parser *p, CedarOp op, size_t offset, CedarExpr *a, CedarExpr *b,
		  CedarExpr *c, CedarExpr **out)
{
	CedarExpr  *e = cedar_arena_zalloc(p->arena, sizeof(CedarExpr));
	uint16_t	d = depth_of(a);

	if (e == NULL)
		return cedar_nomem(p->err);
	if (depth_of(b) > d)
		d = depth_of(b);
	if (depth_of(c) > d)
		d = depth_of(c);
	if (d >= CEDAR_MAX_DEPTH)
		return too_deep(p, offset);
	e->op = (uint8_t) op;
	e->depth = d + 1;
	e->offset = (uint32_t) offset;
	e->length = (uint32_t) (p->lx.prev_end - offset);
	e->a = a;
	e->b = b;
	e->c = c;
	*out = e;
	return CEDAR_OK;
}

static CedarCode
make_literal(Parser *p, size_t offset, size_t length, CedarValue v, CedarExpr **out)
{
	CedarExpr  *e = NULL;

	TRY(make_expr(p, CEDAR_OP_LIT, offset, NULL, NULL, NULL, &e));
	e->length = (uint32_t) length;
	e->lit = v;
	*out = e;
	return CEDAR_OK;
}

static CedarCode
set_list(Parser *p, CedarExpr *e, CedarExpr **list, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		if (list[i]->depth >= e->depth)
			e->depth = list[i]->depth + 1;
	if (e->depth > CEDAR_MAX_DEPTH)
		return too_deep(p, e->offset);
	e->list = list;
	e->count = n;
	return CEDAR_OK;
}

static CedarCode
set_name(Parser *p, CedarExpr *e, const CedarStr *name)
{
	e->names = cedar_arena_alloc(p->arena, sizeof(CedarStr *));
	if (e->names == NULL)
		return cedar_nomem(p->err);
	e->names[0] = name;
	return CEDAR_OK;
}

/* The term in a place where only an expression will do. */
static CedarCode
term_to_expr(Parser *p, Term *t, CedarExpr **out)
{
	const CedarStr *str;

	switch (t->kind)
	{
		case TERM_EXPR:
			*out = t->expr;
			return CEDAR_OK;
		case TERM_VAR:
			TRY(make_expr(p, CEDAR_OP_VAR, t->offset, NULL, NULL, NULL, out));
			(*out)->length = t->length;
			(*out)->n = t->var;
			return CEDAR_OK;
		case TERM_STRING:
			TRY(cedar_lexer_unescape(&p->lx, t->offset, t->offset + t->length, false, &str));
			return make_literal(p, t->offset, t->length, cedar_value_str(str), out);
		case TERM_BOOL:
			return make_literal(p, t->offset, t->length,
								cedar_value_scalar(CEDAR_BOOL, t->var), out);
		case TERM_NAME:
			break;
	}
	cedar_fail_at(p->err, CEDAR_ERR_SYNTAX, t->offset, t->length,
				  "\"%.*s\" is not a variable", CEDAR_EXCERPT(t->name->bytes, t->name->len));
	return cedar_hint(p->err, "The variables are principal, action, resource and context; an entity is written with its id, for example %.*s::\"…\".",
					  (int) cedar_utf8_clip(t->name->bytes, t->name->len, 40), t->name->bytes);
}

static void
term_expr(Term *t, CedarExpr *e)
{
	t->kind = TERM_EXPR;
	t->expr = e;
	t->offset = e->offset;
	t->length = e->length;
}

/* One expression, whole. */
static CedarCode
parse_full(Parser *p, CedarExpr **out)
{
	Term		t;

	TRY(parse_expr(p, &t));
	return term_to_expr(p, &t, out);
}

/* Expressions up to the closing token, which is consumed; a comma may end them. */
static CedarCode
parse_list(Parser *p, CedarTok close, const char *close_name,
		   CedarExpr ***list, uint32_t *n)
{
	void	   *items = NULL;
	uint32_t	cap = 0;
	CedarCode	code;

	*n = 0;
	while (p->lx.tok != close)
	{
		CedarExpr  *e;

		TRY(parse_full(p, &e));
		if (!cedar_grow(p->arena, &items, &cap, *n + 1, sizeof(CedarExpr *)))
			return cedar_nomem(p->err);
		((CedarExpr **) items)[(*n)++] = e;
		if (!accept(p, TOK_COMMA, &code))
		{
			if (p->lx.tok != close)
				return cedar_lexer_unexpected(&p->lx, close_name);
			break;
		}
		TRY(code);
	}
	*list = items;
	return next(p);
}

/* ------------------------------------------------------------------ names */

/*
 * A path at the current identifier.  With *uid set on return it was an entity
 * literal, `Path::"id"`.
 */
static CedarCode
parse_path(Parser *p, const CedarStr **name, const CedarUid **uid)
{
	CedarBuf	buf = {p->arena, NULL, 0, 0, false};

	*name = NULL;
	*uid = NULL;
	for (;;)
	{
		const CedarStr *part;

		TRY(expect_ident(p, "an identifier", &part));
		if (p->lx.tok != TOK_COLONCOLON && buf.len == 0)
		{
			*name = part;
			return CEDAR_OK;
		}
		cedar_buf_append(&buf, part->bytes, part->len);
		if (p->lx.tok != TOK_COLONCOLON)
			break;
		TRY(next(p));
		if (p->lx.tok == TOK_STRING)
		{
			const CedarStr *id;

			TRY(cedar_lexer_unescape(&p->lx, p->lx.start, p->lx.pos, false, &id));
			TRY(next(p));
			if (buf.failed)
				return cedar_nomem(p->err);
			return cedar_uid_make(p->arena, buf.data, buf.len, id->bytes, id->len,
								  uid, p->err);
		}
		if (p->lx.tok == TOK_LBRACE)
		{
			cedar_fail_at(p->err, CEDAR_ERR_SYNTAX, p->lx.start, 1,
						  "an entity literal takes a quoted id");
			return cedar_hint(p->err, "Write %.*s::\"id\".",
							  CEDAR_EXCERPT(buf.failed ? "" : buf.data, buf.failed ? 0 : buf.len));
		}
		if (p->lx.tok != TOK_IDENT)
			return cedar_lexer_unexpected(&p->lx, "an identifier or a quoted entity id");
		cedar_buf_puts(&buf, "::");
	}
	if (buf.failed)
		return cedar_nomem(p->err);
	*name = cedar_str_make(p->arena, buf.data, buf.len);
	return *name == NULL ? cedar_nomem(p->err) : CEDAR_OK;
}

/* -------------------------------------------------------------- primaries */

static int
variable_of(const CedarStr *name)
{
	for (int i = 0; i < 4; i++)
		if (strlen(cedar_var_names[i]) == name->len &&
			memcmp(cedar_var_names[i], name->bytes, name->len) == 0)
			return i;
	return -1;
}

static CedarCode
integer_too_large(Parser *p, size_t offset, size_t length)
{
	cedar_fail_at(p->err, CEDAR_ERR_SYNTAX, offset, length,
				  "integer literal \"%.*s\" is too large",
				  CEDAR_EXCERPT(p->lx.text + offset, length));
	return cedar_hint(p->err, "Integers go from -9223372036854775808 to 9223372036854775807.");
}

/* The digits of the current token; false, at once, beyond 64 bits. */
static bool
read_digits(const Parser *p, uint64_t *v)
{
	*v = 0;
	for (size_t i = p->lx.start; i < p->lx.pos; i++)
	{
		uint64_t	d = (uint64_t) (p->lx.text[i] - '0');

		if (*v > (UINT64_MAX - d) / 10)
			return false;
		*v = *v * 10 + d;
	}
	return true;
}

static CedarCode
parse_record(Parser *p, Term *out)
{
	size_t		offset = p->lx.start;
	void	   *keys = NULL;
	void	   *spans = NULL;
	void	   *values = NULL;
	uint32_t	kcap = 0;
	uint32_t	scap = 0;
	uint32_t	vcap = 0;
	uint32_t	n = 0;
	uint32_t	dup;
	CedarExpr  *e;
	CedarCode	code;

	TRY(next(p));
	while (p->lx.tok != TOK_RBRACE)
	{
		const CedarStr *key;
		CedarSpan	span = {(uint32_t) p->lx.start, (uint32_t) tok_len(p)};
		CedarExpr  *value;

		if (p->lx.tok == TOK_STRING)
		{
			TRY(cedar_lexer_unescape(&p->lx, p->lx.start, p->lx.pos, false, &key));
			TRY(next(p));
		}
		else
			TRY(expect_ident(p, "an attribute name or \"}\"", &key));
		if (p->lx.tok != TOK_COLON)
			return cedar_lexer_unexpected(&p->lx, "\":\" behind an attribute name");
		TRY(next(p));
		TRY(parse_full(p, &value));
		if (!cedar_grow(p->arena, &keys, &kcap, n + 1, sizeof(CedarStr *)) ||
			!cedar_grow(p->arena, &spans, &scap, n + 1, sizeof(CedarSpan)) ||
			!cedar_grow(p->arena, &values, &vcap, n + 1, sizeof(CedarExpr *)))
			return cedar_nomem(p->err);
		((const CedarStr **) keys)[n] = key;
		((CedarSpan *) spans)[n] = span;
		((CedarExpr **) values)[n] = value;
		n++;
		if (!accept(p, TOK_COMMA, &code))
		{
			if (p->lx.tok != TOK_RBRACE)
				return cedar_lexer_unexpected(&p->lx, "\",\" or \"}\"");
			break;
		}
		TRY(code);
	}
	TRY(next(p));
	TRY(cedar_find_duplicate(p->arena, keys, n, sizeof(CedarStr *), &dup, p->err));
	if (dup < n)
	{
		const CedarStr *key = ((const CedarStr **) keys)[dup];

		return cedar_fail_at(p->err, CEDAR_ERR_SYNTAX,
							 ((CedarSpan *) spans)[dup].offset,
							 ((CedarSpan *) spans)[dup].length,
							 "duplicate attribute \"%.*s\" in a record",
							 CEDAR_EXCERPT(key->bytes, key->len));
	}
	TRY(make_expr(p, CEDAR_OP_RECORD, offset, NULL, NULL, NULL, &e));
	TRY(set_list(p, e, values, n));
	e->names = keys;
	term_expr(out, e);
	return CEDAR_OK;
}

static CedarCode
parse_primary(Parser *p, Term *out)
{
	size_t		offset = p->lx.start;
	const CedarUid *uid;
	const CedarStr *name;
	CedarExpr  *e;
	uint64_t	v;
	int			var;

	memset(out, 0, sizeof(*out));
	out->offset = (uint32_t) offset;
	out->length = (uint32_t) tok_len(p);
	switch (p->lx.tok)
	{
		case TOK_NUMBER:
			if (!read_digits(p, &v) || v > INT64_MAX)
				return integer_too_large(p, offset, tok_len(p));
			TRY(next(p));
			TRY(make_literal(p, offset, out->length,
							 cedar_value_scalar(CEDAR_LONG, (int64_t) v), &e));
			term_expr(out, e);
			return CEDAR_OK;
		case TOK_STRING:
			out->kind = TERM_STRING;
			return next(p);
		case TOK_SLOT:
			if (p->in_condition)
			{
				cedar_fail_at(p->err, CEDAR_ERR_SYNTAX, offset, tok_len(p),
							  "template slot \"%.*s\" in a \"%s\" clause",
							  CEDAR_EXCERPT(tok_text(p), tok_len(p)), p->clause);
				return cedar_hint(p->err, "Slots can stand in the policy's scope only.");
			}
			return cedar_lexer_unexpected(&p->lx, "an expression");
		case TOK_LPAREN:
			TRY(next(p));
			TRY(parse_full(p, &e));
			TRY(expect(p, TOK_RPAREN, "\")\""));
			term_expr(out, e);
			out->offset = (uint32_t) offset;
			out->length = (uint32_t) (p->lx.prev_end - offset);
			return CEDAR_OK;
		case TOK_LBRACKET:
			{
				CedarExpr **list;
				uint32_t	n;

				TRY(next(p));
				TRY(parse_list(p, TOK_RBRACKET, "\",\" or \"]\"", &list, &n));
				TRY(make_expr(p, CEDAR_OP_SET, offset, NULL, NULL, NULL, &e));
				TRY(set_list(p, e, list, n));
				term_expr(out, e);
				return CEDAR_OK;
			}
		case TOK_LBRACE:
			return parse_record(p, out);
		case TOK_IDENT:
			if (at_word(p, "true") || at_word(p, "false"))
			{
				out->kind = TERM_BOOL;
				out->var = at_word(p, "true");
				return next(p);
			}
			if (at_word(p, "if"))
			{
				cedar_lexer_unexpected(&p->lx, "an operand");
				return cedar_hint(p->err, "Put parentheses around \"if … then … else …\" where it is an operand.");
			}
			TRY(parse_path(p, &name, &uid));
			out->length = (uint32_t) (p->lx.prev_end - offset);
			if (uid != NULL)
			{
				TRY(make_literal(p, offset, out->length, cedar_value_uid(uid), &e));
				term_expr(out, e);
				return CEDAR_OK;
			}
			out->name = name;
			var = variable_of(name);
			out->kind = var < 0 ? TERM_NAME : TERM_VAR;
			if (var >= 0)
				out->var = (uint8_t) var;
			return CEDAR_OK;
		default:
			return cedar_lexer_unexpected(&p->lx, "an expression");
	}
}

/* ----------------------------------------------------------------- access */

typedef struct Method
{
	const char *name;
	uint8_t		op;
	uint8_t		args;
} Method;

static const Method methods[] = {
	{"contains", CEDAR_OP_CONTAINS, 1},
	{"containsAll", CEDAR_OP_CONTAINS_ALL, 1},
	{"containsAny", CEDAR_OP_CONTAINS_ANY, 1},
	{"isEmpty", CEDAR_OP_IS_EMPTY, 0},
	{"getTag", CEDAR_OP_GET_TAG, 1},
	{"hasTag", CEDAR_OP_HAS_TAG, 1},
};

static const Method *
find_method(const CedarStr *name)
{
	for (size_t i = 0; i < sizeof(methods) / sizeof(methods[0]); i++)
		if (strlen(methods[i].name) == name->len &&
			memcmp(methods[i].name, name->bytes, name->len) == 0)
			return &methods[i];
	return NULL;
}

static CedarCode
make_call(Parser *p, size_t offset, int fn, CedarExpr **args, uint32_t n, Term *out)
{
	CedarExpr  *e;

	TRY(make_expr(p, CEDAR_OP_CALL, offset, NULL, NULL, NULL, &e));
	TRY(set_list(p, e, args, n));
	e->n = (uint8_t) fn;
	term_expr(out, e);
	return CEDAR_OK;
}

/* `name(args)`; the opening parenthesis is the current token. */
static CedarCode
parse_function(Parser *p, Term *t)
{
	const CedarStr *name = t->name;
	int			fn = cedar_fn_lookup(name->bytes, name->len);
	CedarExpr **args;
	uint32_t	n;

	if (find_method(name) != NULL || (fn >= 0 && cedar_functions[fn].is_method))
	{
		cedar_fail_at(p->err, CEDAR_ERR_SYNTAX, t->offset, t->length,
					  "\"%.*s\" is a method, not a function",
					  CEDAR_EXCERPT(name->bytes, name->len));
		return cedar_hint(p->err, "Call it on a value: value.%.*s(…).",
						  CEDAR_EXCERPT(name->bytes, name->len));
	}
	if (fn < 0)
	{
		cedar_fail_at(p->err, CEDAR_ERR_SYNTAX, t->offset, t->length,
					  "there is no function \"%.*s\"",
					  CEDAR_EXCERPT(name->bytes, name->len));
		return cedar_hint(p->err, "The functions are ip, decimal, datetime and duration.");
	}
	TRY(next(p));
	TRY(parse_list(p, TOK_RPAREN, "\",\" or \")\"", &args, &n));
	return make_call(p, t->offset, fn, args, n, t);
}

/* `.name(args)` behind an expression; the opening parenthesis is current. */
static CedarCode
parse_method(Parser *p, size_t offset, CedarExpr *self, const CedarStr *name,
			 size_t name_offset, Term *out)
{
	const Method *m = find_method(name);
	int			fn = cedar_fn_lookup(name->bytes, name->len);
	CedarExpr **args;
	CedarExpr **all;
	CedarExpr  *e;
	uint32_t	n;

	if (m == NULL && fn < 0)
		return cedar_fail_at(p->err, CEDAR_ERR_SYNTAX, name_offset, name->len,
							 "there is no method \"%.*s\"",
							 CEDAR_EXCERPT(name->bytes, name->len));
	if (m == NULL && !cedar_functions[fn].is_method)
	{
		cedar_fail_at(p->err, CEDAR_ERR_SYNTAX, name_offset, name->len,
					  "\"%.*s\" is a function, not a method",
					  CEDAR_EXCERPT(name->bytes, name->len));
		return cedar_hint(p->err, "Write %.*s(…).", CEDAR_EXCERPT(name->bytes, name->len));
	}
	TRY(next(p));
	TRY(parse_list(p, TOK_RPAREN, "\",\" or \")\"", &args, &n));
	if (m != NULL)
	{
		if (n != m->args)
			return cedar_fail_at(p->err, CEDAR_ERR_SYNTAX, name_offset,
								 p->lx.prev_end - name_offset,
								 "\"%s\" takes %d argument%s, not %u", m->name, m->args,
								 m->args == 1 ? "" : "s", (unsigned) n);
		TRY(make_expr(p, m->op, offset, self, n > 0 ? args[0] : NULL, NULL, &e));
		term_expr(out, e);
		return CEDAR_OK;
	}
	all = cedar_arena_alloc(p->arena, (n + 1) * sizeof(CedarExpr *));
	if (all == NULL)
		return cedar_nomem(p->err);
	all[0] = self;
	if (n > 0)
		memcpy(all + 1, args, n * sizeof(CedarExpr *));
	return make_call(p, offset, fn, all, n + 1, out);
}

static CedarCode
no_members(Parser *p, const Term *t)
{
	return cedar_fail_at(p->err, CEDAR_ERR_SYNTAX, t->offset, t->length,
						 "\"%.*s\" is not a variable and has no attributes or methods",
						 CEDAR_EXCERPT(t->name->bytes, t->name->len));
}

/* A primary and the accesses behind it. */
static CedarCode
parse_member(Parser *p, Term *out)
{
	size_t		offset = p->lx.start;

	TRY(parse_primary(p, out));
	for (;;)
	{
		CedarExpr  *self;
		CedarExpr  *e;
		const CedarStr *name;

		if (p->lx.tok == TOK_LPAREN)
		{
			if (out->kind == TERM_NAME)
			{
				TRY(parse_function(p, out));
				continue;
			}
			cedar_fail_at(p->err, CEDAR_ERR_SYNTAX, out->offset, out->length,
						  "only a function can be called");
			return cedar_hint(p->err, "Calls have the form name(…) or value.name(…).");
		}
		if (p->lx.tok == TOK_DOT)
		{
			size_t		name_offset;

			if (out->kind == TERM_NAME)
				return no_members(p, out);
			TRY(term_to_expr(p, out, &self));
			TRY(next(p));
			name_offset = p->lx.start;
			TRY(expect_ident(p, "an attribute or method name", &name));
			if (p->lx.tok == TOK_LPAREN)
			{
				TRY(parse_method(p, offset, self, name, name_offset, out));
				continue;
			}
		}
		else if (p->lx.tok == TOK_LBRACKET)
		{
			if (out->kind == TERM_NAME)
				return no_members(p, out);
			TRY(term_to_expr(p, out, &self));
			TRY(next(p));
			if (p->lx.tok != TOK_STRING)
				return cedar_lexer_unexpected(&p->lx, "an attribute name in double quotes");
			TRY(cedar_lexer_unescape(&p->lx, p->lx.start, p->lx.pos, false, &name));
			TRY(next(p));
			TRY(expect(p, TOK_RBRACKET, "\"]\""));
		}
		else
			return CEDAR_OK;
		TRY(make_expr(p, CEDAR_OP_GET_ATTR, offset, self, NULL, NULL, &e));
		TRY(set_name(p, e, name));
		term_expr(out, e);
	}
}

/* -------------------------------------------------------------- operators */

static CedarCode
parse_unary(Parser *p, Term *out)
{
	CedarTok	op = p->lx.tok;
	size_t		offset = p->lx.start;
	int			count = 0;
	CedarExpr  *e;

	if (op != TOK_BANG && op != TOK_MINUS)
		return parse_member(p, out);
	while (p->lx.tok == op)
	{
		if (++count > 4)
			return cedar_fail_at(p->err, CEDAR_ERR_SYNTAX, offset, p->lx.pos - offset,
								 "more than four \"%c\" in a row", op == TOK_BANG ? '!' : '-');
		TRY(next(p));
	}

	/*
	 * A minus directly before a number belongs to the number: only so can the
	 * least integer be written.
	 */
	if (op == TOK_MINUS && p->lx.tok == TOK_NUMBER)
	{
		size_t		num_offset = p->lx.start;
		size_t		num_len = tok_len(p);
		uint64_t	v;
		bool		fits = read_digits(p, &v) && v <= (uint64_t) INT64_MAX + 1;
		CedarLexer	before = p->lx;

		TRY(next(p));
		if (p->lx.tok != TOK_DOT && p->lx.tok != TOK_LPAREN && p->lx.tok != TOK_LBRACKET)
		{
			if (!fits)
				return integer_too_large(p, num_offset, num_len);
			TRY(make_literal(p, num_offset - 1, num_len + 1,
							 cedar_value_scalar(CEDAR_LONG, (int64_t) (0 - v)), &e));
			e->offset = (uint32_t) offset;
			e->length = (uint32_t) (num_offset + num_len - offset);
			memset(out, 0, sizeof(*out));
			term_expr(out, e);
			count--;
		}
		else
		{
			p->lx = before;
			TRY(parse_member(p, out));
		}
	}
	else
		TRY(parse_member(p, out));
	if (count > 0)
		TRY(term_to_expr(p, out, &e));
	while (count-- > 0)
	{
		TRY(make_expr(p, op == TOK_BANG ? CEDAR_OP_NOT : CEDAR_OP_NEG, offset,
					  e, NULL, NULL, &e));
		term_expr(out, e);
	}
	return CEDAR_OK;
}

enum
{
	PREC_OR = 1,
	PREC_AND,
	PREC_REL,
	PREC_ADD,
	PREC_MUL,
	PREC_UNARY
};

typedef struct Operator
{
	int			prec;			/* 0: no operator */
	int			op;				/* CedarOp, or -1 */
} Operator;

static Operator
current_operator(const Parser *p)
{
	switch (p->lx.tok)
	{
		case TOK_OR:
			return (Operator) {PREC_OR, CEDAR_OP_OR};
		case TOK_AND:
			return (Operator) {PREC_AND, CEDAR_OP_AND};
		case TOK_EQ:
			return (Operator) {PREC_REL, CEDAR_OP_EQ};
		case TOK_NE:
			return (Operator) {PREC_REL, CEDAR_OP_NE};
		case TOK_LT:
			return (Operator) {PREC_REL, CEDAR_OP_LT};
		case TOK_LE:
			return (Operator) {PREC_REL, CEDAR_OP_LE};
		case TOK_GT:
			return (Operator) {PREC_REL, CEDAR_OP_GT};
		case TOK_GE:
			return (Operator) {PREC_REL, CEDAR_OP_GE};
		case TOK_ASSIGN:
			return (Operator) {PREC_REL, -1};
		case TOK_PLUS:
			return (Operator) {PREC_ADD, CEDAR_OP_ADD};
		case TOK_MINUS:
			return (Operator) {PREC_ADD, CEDAR_OP_SUB};
		case TOK_STAR:
			return (Operator) {PREC_MUL, CEDAR_OP_MUL};
		case TOK_SLASH:
		case TOK_PERCENT:
			return (Operator) {PREC_MUL, -1};
		case TOK_IDENT:
			if (at_word(p, "in"))
				return (Operator) {PREC_REL, CEDAR_OP_IN};
			if (at_word(p, "has"))
				return (Operator) {PREC_REL, CEDAR_OP_HAS_ATTR};
			if (at_word(p, "like"))
				return (Operator) {PREC_REL, CEDAR_OP_LIKE};
			if (at_word(p, "is"))
				return (Operator) {PREC_REL, CEDAR_OP_IS};
			/* fall through */
		default:
			return (Operator) {0, -1};
	}
}

static CedarCode
unsupported_operator(Parser *p)
{
	cedar_fail_at(p->err, CEDAR_ERR_SYNTAX, p->lx.start, 1,
				  "operator \"%c\" is not part of the language", *tok_text(p));
	if (p->lx.tok == TOK_ASSIGN)
		cedar_hint(p->err, "Equality is written \"==\".");
	return CEDAR_ERR_SYNTAX;
}

/* Behind `has`. */
static CedarCode
parse_has(Parser *p, size_t offset, CedarExpr *target, CedarExpr **out)
{
	void	   *names = NULL;
	uint32_t	cap = 0;
	uint32_t	n = 0;
	CedarCode	code;

	for (;;)
	{
		const CedarStr *name;

		if (n == 0 && p->lx.tok == TOK_STRING)
		{
			TRY(cedar_lexer_unescape(&p->lx, p->lx.start, p->lx.pos, false, &name));
			TRY(next(p));
		}
		else
			TRY(expect_ident(p, n == 0 ? "an attribute name" : "an identifier", &name));
		if (!cedar_grow(p->arena, &names, &cap, n + 1, sizeof(CedarStr *)))
			return cedar_nomem(p->err);
		((const CedarStr **) names)[n++] = name;
		/* `has "a".b` is no path: only identifiers make one */
		if (n == 1 && p->lx.text[p->lx.prev_end - 1] == '"')
			break;
		if (!accept(p, TOK_DOT, &code))
			break;
		TRY(code);
	}
	if (p->lx.tok == TOK_DOT || p->lx.tok == TOK_LBRACKET || p->lx.tok == TOK_LPAREN ||
		p->lx.tok == TOK_COLONCOLON)
		return cedar_lexer_unexpected(&p->lx, "the end of the attribute path of \"has\"");
	TRY(make_expr(p, CEDAR_OP_HAS_ATTR, offset, target, NULL, NULL, out));
	(*out)->names = names;
	(*out)->count = n;
	return CEDAR_OK;
}

/* Behind `is`: a type name. */
static CedarCode
parse_type(Parser *p, const CedarStr **type)
{
	const CedarUid *uid;
	size_t		offset = p->lx.start;

	if (p->lx.tok != TOK_IDENT)
	{
		cedar_lexer_unexpected(&p->lx, "an entity type");
		return cedar_hint(p->err, "Behind \"is\" stands a type name without quotes or parentheses, for example User.");
	}
	TRY(parse_path(p, type, &uid));
	if (uid != NULL)
	{
		cedar_fail_at(p->err, CEDAR_ERR_SYNTAX, offset, p->lx.prev_end - offset,
					  "expected an entity type, found an entity");
		return cedar_hint(p->err, "Use \"==\" or \"in\" to compare with an entity.");
	}
	return CEDAR_OK;
}

static CedarCode
parse_relation(Parser *p, int op, size_t offset, CedarExpr *left, CedarExpr **out)
{
	Term		t;
	CedarExpr  *right = NULL;
	const CedarStr *name;

	switch (op)
	{
		case CEDAR_OP_HAS_ATTR:
			return parse_has(p, offset, left, out);
		case CEDAR_OP_LIKE:
			if (p->lx.tok != TOK_STRING)
			{
				cedar_lexer_unexpected(&p->lx, "a pattern in double quotes");
				return cedar_hint(p->err, "The pattern of \"like\" is a string literal; * stands for any characters.");
			}
			TRY(cedar_lexer_unescape(&p->lx, p->lx.start, p->lx.pos, true, &name));
			TRY(next(p));
			if (p->lx.tok == TOK_DOT || p->lx.tok == TOK_LBRACKET || p->lx.tok == TOK_LPAREN)
				return cedar_lexer_unexpected(&p->lx, "the end of the pattern of \"like\"");
			TRY(make_expr(p, CEDAR_OP_LIKE, offset, left, NULL, NULL, out));
			return set_name(p, *out, name);
		case CEDAR_OP_IS:
			TRY(parse_type(p, &name));
			if (at_word(p, "in"))
			{
				TRY(next(p));
				TRY(parse_operators(p, PREC_ADD, &t));
				TRY(term_to_expr(p, &t, &right));
			}
			TRY(make_expr(p, CEDAR_OP_IS, offset, left, right, NULL, out));
			return set_name(p, *out, name);
		default:
			TRY(parse_operators(p, PREC_ADD, &t));
			TRY(term_to_expr(p, &t, &right));
			return make_expr(p, (CedarOp) op, offset, left, right, NULL, out);
	}
}

/*
 * Operands joined by operators of at least this precedence.  A chain of `&&`
 * or `||` is one node with many operands, however long.
 */
static CedarCode
parse_operators(Parser *p, int min, Term *out)
{
	size_t		offset = p->lx.start;
	CedarExpr  *chain = NULL;	/* the AND or OR made here, still growing */
	uint32_t	chain_cap = 0;

	TRY(parse_unary(p, out));
	for (;;)
	{
		Operator	o = current_operator(p);
		CedarExpr  *left;
		CedarExpr  *right;
		Term		t;

		if (o.prec == 0 || o.prec < min)
			return CEDAR_OK;
		if (o.op < 0)
			return unsupported_operator(p);
		TRY(term_to_expr(p, out, &left));
		TRY(next(p));
		if (o.prec == PREC_REL)
		{
			CedarExpr  *e;

			TRY(parse_relation(p, o.op, offset, left, &e));
			if (current_operator(p).prec >= PREC_REL)
			{
				cedar_fail_at(p->err, CEDAR_ERR_SYNTAX, p->lx.start, tok_len(p),
							  "operator \"%.*s\" cannot follow another comparison",
							  CEDAR_EXCERPT(tok_text(p), tok_len(p)));
				return cedar_hint(p->err, "Put parentheses around one of them.");
			}
			term_expr(out, e);
			continue;
		}
		TRY(parse_operators(p, o.prec + 1, &t));
		TRY(term_to_expr(p, &t, &right));
		if (o.prec >= PREC_ADD)
		{
			CedarExpr  *e;

			TRY(make_expr(p, (CedarOp) o.op, offset, left, right, NULL, &e));
			term_expr(out, e);
			continue;
		}
		if (chain == NULL || chain != left || chain->op != o.op)
		{
			TRY(make_expr(p, (CedarOp) o.op, offset, left, NULL, NULL, &chain));
			chain->a = NULL;
			chain_cap = 8;
			chain->list = cedar_arena_alloc(p->arena, chain_cap * sizeof(CedarExpr *));
			if (chain->list == NULL)
				return cedar_nomem(p->err);
			chain->list[0] = left;
			chain->count = 1;
		}
		else
		{
			void	   *list = chain->list;

			if (!cedar_grow(p->arena, &list, &chain_cap, chain->count + 1,
							sizeof(CedarExpr *)))
				return cedar_nomem(p->err);
			chain->list = list;
		}
		chain->list[chain->count++] = right;
		chain->length = (uint32_t) (p->lx.prev_end - offset);
		if (right->depth >= chain->depth)
			chain->depth = right->depth + 1;
		if (chain->depth > CEDAR_MAX_DEPTH)
			return too_deep(p, offset);
		term_expr(out, chain);
	}
}

static CedarCode
parse_expr(Parser *p, Term *out)
{
	size_t		offset = p->lx.start;
	CedarExpr  *a,
			   *b,
			   *c,
			   *e;

	if (cedar_arena_stack_is_too_deep(p->arena))
		return cedar_stack(p->err);
	if (++p->depth > CEDAR_MAX_DEPTH)
		return too_deep(p, offset);
	if (at_word(p, "if"))
	{
		TRY(next(p));
		TRY(parse_full(p, &a));
		if (!at_word(p, "then"))
			return cedar_lexer_unexpected(&p->lx, "\"then\"");
		TRY(next(p));
		TRY(parse_full(p, &b));
		if (!at_word(p, "else"))
			return cedar_lexer_unexpected(&p->lx, "\"else\"");
		TRY(next(p));
		TRY(parse_full(p, &c));
		TRY(make_expr(p, CEDAR_OP_IF, offset, a, b, c, &e));
		memset(out, 0, sizeof(*out));
		term_expr(out, e);
	}
	else
		TRY(parse_operators(p, PREC_OR, out));
	p->depth--;
	return CEDAR_OK;
}

/* ------------------------------------------------------------------ scope */

/* What has been read since this offset. */
static CedarSpan
span_from(const Parser *p, size_t offset)
{
	return (CedarSpan) {(uint32_t) offset, (uint32_t) (p->lx.prev_end - offset)};
}

/*
 * What a scope compares with: an entity, the variable's slot, or with `many`
 * a list of entities; any of it in parentheses.
 */
static CedarCode
parse_scope_ref(Parser *p, CedarVar var, bool many, CedarAstScope *scope, uint32_t *cap)
{
	const CedarStr *name;
	const CedarUid *uid;
	size_t		offset = p->lx.start;
	uint32_t	spans = *cap;
	CedarCode	code;
	void	   *list;

	if (cedar_arena_stack_is_too_deep(p->arena))
		return cedar_stack(p->err);
	if (++p->depth > CEDAR_MAX_DEPTH)
		return too_deep(p, offset);
	if (p->lx.tok == TOK_LPAREN)
	{
		TRY(next(p));
		TRY(parse_scope_ref(p, var, many, scope, cap));
		p->depth--;
		return expect(p, TOK_RPAREN, "\")\"");
	}
	p->depth--;
	if (p->lx.tok == TOK_SLOT && var != CEDAR_VAR_ACTION)
	{
		if (tok_len(p) - 1 != strlen(cedar_var_names[var]) ||
			memcmp(tok_text(p) + 1, cedar_var_names[var], tok_len(p) - 1) != 0)
		{
			cedar_fail_at(p->err, CEDAR_ERR_SYNTAX, offset, tok_len(p),
						  "slot \"%.*s\" cannot stand here",
						  CEDAR_EXCERPT(tok_text(p), tok_len(p)));
			return cedar_hint(p->err, "The slot of %s is ?%s.", cedar_var_names[var],
							  cedar_var_names[var]);
		}
		scope->slot = true;
		return next(p);
	}
	if (p->lx.tok == TOK_LBRACKET && many)
	{
		TRY(next(p));
		while (p->lx.tok != TOK_RBRACKET)
		{
			TRY(parse_scope_ref(p, var, false, scope, cap));
			if (!accept(p, TOK_COMMA, &code))
			{
				if (p->lx.tok != TOK_RBRACKET)
					return cedar_lexer_unexpected(&p->lx, "\",\" or \"]\"");
				break;
			}
			TRY(code);
		}
		return next(p);
	}
	name = NULL;
	uid = NULL;
	if (p->lx.tok == TOK_IDENT && !cedar_is_reserved_word(tok_text(p), tok_len(p)))
		TRY(parse_path(p, &name, &uid));
	if (uid == NULL)
	{
		if (name == NULL)
			cedar_lexer_unexpected(&p->lx, "an entity");
		else
			cedar_fail_at(p->err, CEDAR_ERR_SYNTAX, offset, p->lx.prev_end - offset,
						  "expected an entity, found the name \"%.*s\"",
						  CEDAR_EXCERPT(name->bytes, name->len));
		return cedar_hint(p->err, var == CEDAR_VAR_ACTION ?
						  "An action is written with its id, for example Action::\"view\"." :
						  "An entity is written with its id, for example User::\"alice\"; use \"is\" to test a type.");
	}
	if (var == CEDAR_VAR_ACTION && !cedar_uid_is_action(uid))
	{
		cedar_fail_at(p->err, CEDAR_ERR_SYNTAX, offset, p->lx.prev_end - offset,
					  "expected an entity of type Action");
		return cedar_hint(p->err, "An action's type ends in Action, for example App::Action::\"view\".");
	}
	list = scope->uids_at;
	if (!cedar_grow(p->arena, &list, &spans, scope->n + 1, sizeof(CedarSpan)))
		return cedar_nomem(p->err);
	scope->uids_at = list;
	list = scope->uids;
	if (!cedar_grow(p->arena, &list, cap, scope->n + 1, sizeof(CedarUid *)))
		return cedar_nomem(p->err);
	scope->uids = list;
	scope->uids_at[scope->n] = span_from(p, offset);
	scope->uids[scope->n++] = uid;
	return CEDAR_OK;
}

/* One of the three parts of a scope. */
static CedarCode
parse_scope(Parser *p, CedarVar var, CedarAstScope *scope)
{
	uint32_t	cap = 0;
	size_t		start;
	bool		is = false;

	if (!at_word(p, cedar_var_names[var]))
	{
		static const char *const quoted[3] = {"\"principal\"", "\"action\"", "\"resource\""};

		cedar_lexer_unexpected(&p->lx, quoted[var]);
		return cedar_hint(p->err, "A scope names principal, action and resource, in this order.");
	}
	TRY(next(p));
	if (p->lx.tok == TOK_COLON)
	{
		cedar_fail_at(p->err, CEDAR_ERR_SYNTAX, p->lx.start, 1,
					  "type constraints with \":\" are not part of the language");
		return cedar_hint(p->err, "Use \"is\" to test a type.");
	}
	if (at_word(p, "is"))
	{
		if (var == CEDAR_VAR_ACTION)
			return cedar_fail_at(p->err, CEDAR_ERR_SYNTAX, p->lx.start, 2,
								 "\"is\" cannot stand in the action's scope");
		TRY(next(p));
		start = p->lx.start;
		TRY(parse_type(p, &scope->type));
		scope->type_at = span_from(p, start);
		scope->op = CEDAR_SCOPE_IS;
		is = true;
	}
	if (at_word(p, "in"))
	{
		TRY(next(p));
		TRY(parse_scope_ref(p, var, var == CEDAR_VAR_ACTION, scope, &cap));
		scope->op = is ? CEDAR_SCOPE_IS_IN : CEDAR_SCOPE_IN;
		if (at_word(p, "is"))
		{
			cedar_fail_at(p->err, CEDAR_ERR_SYNTAX, p->lx.start, 2,
						  "\"is\" cannot stand behind \"in\"");
			return cedar_hint(p->err, "Write \"%s is Type in Entity\".", cedar_var_names[var]);
		}
	}
	else if (p->lx.tok == TOK_EQ)
	{
		if (is)
			return cedar_fail_at(p->err, CEDAR_ERR_SYNTAX, p->lx.start, 2,
								 "\"is\" and \"==\" cannot stand together");
		TRY(next(p));
		TRY(parse_scope_ref(p, var, false, scope, &cap));
		scope->op = CEDAR_SCOPE_EQ;
	}
	else if (current_operator(p).prec == PREC_REL)
	{
		cedar_fail_at(p->err, CEDAR_ERR_SYNTAX, p->lx.start, tok_len(p),
					  "operator \"%.*s\" cannot stand in a scope",
					  CEDAR_EXCERPT(tok_text(p), tok_len(p)));
		return cedar_hint(p->err, var == CEDAR_VAR_ACTION ?
						  "The scope of action takes \"==\" or \"in\"." :
						  "A scope takes \"==\", \"in\" or \"is\"; put other tests into a when clause.");
	}
	return CEDAR_OK;
}

/* --------------------------------------------------------------- policies */

static CedarCode
parse_annotation(Parser *p, CedarAstPolicy *pol, uint32_t *cap)
{
	CedarAstAnnotation a = {NULL, NULL, 0, 0};
	size_t		offset = p->lx.start;
	void	   *list = pol->annotations;

	TRY(next(p));
	if (p->lx.tok != TOK_IDENT)
		return cedar_lexer_unexpected(&p->lx, "an annotation's name");
	/* any word will do here, reserved ones too */
	a.key = cedar_str_make(p->arena, tok_text(p), tok_len(p));
	if (a.key == NULL)
		return cedar_nomem(p->err);
	TRY(next(p));
	if (p->lx.tok == TOK_LPAREN)
	{
		TRY(next(p));
		if (p->lx.tok != TOK_STRING)
			return cedar_lexer_unexpected(&p->lx, "a string in double quotes");
		TRY(cedar_lexer_unescape(&p->lx, p->lx.start, p->lx.pos, false, &a.value));
		TRY(next(p));
		TRY(expect(p, TOK_RPAREN, "\")\""));
	}
	a.offset = (uint32_t) offset;
	a.length = (uint32_t) (p->lx.prev_end - offset);
	if (!cedar_grow(p->arena, &list, cap, pol->n_annotations + 1, sizeof(a)))
		return cedar_nomem(p->err);
	pol->annotations = list;
	pol->annotations[pol->n_annotations++] = a;
	return CEDAR_OK;
}

static CedarCode
parse_condition(Parser *p, CedarAstPolicy *pol, uint32_t *cap)
{
	CedarAstCond cond;
	void	   *list = pol->conds;

	cond.is_unless = at_word(p, "unless");
	if (!cond.is_unless && !at_word(p, "when"))
	{
		cedar_lexer_unexpected(&p->lx, "\"when\", \"unless\" or \";\"");
		if (p->lx.tok == TOK_IDENT)
			cedar_hint(p->err, "Conditions begin with \"when\" or \"unless\"; a policy ends with \";\".");
		else
			cedar_hint(p->err, "A policy ends with \";\".");
		return CEDAR_ERR_SYNTAX;
	}
	p->clause = cond.is_unless ? "unless" : "when";
	TRY(next(p));
	TRY(expect(p, TOK_LBRACE, "\"{\""));
	if (p->lx.tok == TOK_RBRACE)
		return cedar_fail_at(p->err, CEDAR_ERR_SYNTAX, p->lx.start, 1,
							 "the \"%s\" clause is empty", p->clause);
	p->in_condition = true;
	TRY(parse_full(p, &cond.expr));
	p->in_condition = false;
	TRY(expect(p, TOK_RBRACE, "an operator or \"}\""));
	if (!cedar_grow(p->arena, &list, cap, pol->n_conds + 1, sizeof(cond)))
		return cedar_nomem(p->err);
	pol->conds = list;
	pol->conds[pol->n_conds++] = cond;
	return CEDAR_OK;
}

static CedarCode
parse_policy(Parser *p, CedarAstPolicy *pol)
{
	uint32_t	cap = 0;
	uint32_t	dup;
	CedarCode	code;

	memset(pol, 0, sizeof(*pol));
	p->policy_start = pol->offset = p->lx.start;
	while (p->lx.tok == TOK_AT)
		TRY(parse_annotation(p, pol, &cap));
	TRY(cedar_find_duplicate(p->arena, pol->annotations, pol->n_annotations,
							 sizeof(CedarAstAnnotation), &dup, p->err));
	if (dup < pol->n_annotations)
	{
		const CedarAstAnnotation *a = &pol->annotations[dup];

		return cedar_fail_at(p->err, CEDAR_ERR_SYNTAX, a->offset, a->length,
							 "duplicate annotation \"@%.*s\"",
							 CEDAR_EXCERPT(a->key->bytes, a->key->len));
	}
	if (at_word(p, "forbid"))
		pol->forbid = true;
	else if (!at_word(p, "permit"))
	{
		cedar_lexer_unexpected(&p->lx, "\"permit\" or \"forbid\"");
		return cedar_hint(p->err, "A policy begins with its annotations, then permit or forbid.");
	}
	TRY(next(p));
	TRY(expect(p, TOK_LPAREN, "\"(\""));
	for (int i = 0; i < 3; i++)
	{
		pol->scope[i].offset = (uint32_t) p->lx.start;
		TRY(parse_scope(p, (CedarVar) i, &pol->scope[i]));
		pol->scope[i].length = (uint32_t) (p->lx.prev_end - pol->scope[i].offset);
		pol->template = pol->template || pol->scope[i].slot;
		if (i < 2)
		{
			if (p->lx.tok != TOK_COMMA)
			{
				cedar_lexer_unexpected(&p->lx, "\",\"");
				return cedar_hint(p->err, "A scope names principal, action and resource, in this order.");
			}
			TRY(next(p));
		}
		else if (accept(p, TOK_COMMA, &code))
			TRY(code);
	}
	TRY(expect(p, TOK_RPAREN, "\")\""));
	cap = 0;
	while (p->lx.tok != TOK_SEMICOLON)
		TRY(parse_condition(p, pol, &cap));
	pol->length = p->lx.pos - pol->offset;
	return next(p);
}

CedarCode
cedar_parse(CedarArena *arena, const char *text, size_t len, CedarAst **ast,
			CedarError *err)
{
	Parser		p;
	CedarAst   *a = cedar_arena_zalloc(arena, sizeof(CedarAst));

	if (a == NULL)
		return cedar_nomem(err);
	memset(&p, 0, sizeof(p));
	p.arena = arena;
	p.err = err;
	TRY(cedar_lexer_init(&p.lx, arena, text, len, err));
	while (p.lx.tok != TOK_EOF)
	{
		void	   *list = a->policies;

		if (!cedar_grow(arena, &list, &a->cap, a->n + 1, sizeof(CedarAstPolicy)))
			return cedar_nomem(err);
		a->policies = list;
		TRY(parse_policy(&p, &a->policies[a->n]));
		a->n++;
	}
	*ast = a;
	return CEDAR_OK;
}

CedarCode
cedar_parse_one(CedarArena *arena, const char *text, size_t len, CedarAst **ast,
				CedarError *err)
{
	TRY(cedar_parse(arena, text, len, ast, err));
	if ((*ast)->n == 0)
	{
		cedar_fail_at(err, CEDAR_ERR_SYNTAX, len, 0, "the text holds no policy");
		return cedar_hint(err, "A policy begins with permit or forbid and ends with \";\".");
	}
	if ((*ast)->n > 1)
	{
		cedar_fail_at(err, CEDAR_ERR_SYNTAX, (*ast)->policies[1].offset,
					  (*ast)->policies[1].length, "the text holds more than one policy");
		return cedar_hint(err, "Give every policy a row of its own.");
	}
	return CEDAR_OK;
}

uint32_t
cedar_ast_count(const CedarAst *ast)
{
	return ast->n;
}

bool
cedar_ast_is_template(const CedarAst *ast, uint32_t i)
{
	return ast->policies[i].template;
}

bool
cedar_ast_has_slot(const CedarAst *ast, uint32_t i, CedarSlotName slot)
{
	const CedarAstScope *scope = ast->policies[i].scope;

	if (slot == CEDAR_SLOT_PRINCIPAL)
		return scope[CEDAR_VAR_PRINCIPAL].slot;
	return scope[CEDAR_VAR_RESOURCE].slot;
}

const char *
cedar_ast_annotation(const CedarAst *ast, uint32_t i, const char *key, size_t *len)
{
	const CedarAstPolicy *policy = &ast->policies[i];

	for (uint32_t k = 0; k < policy->n_annotations; k++)
	{
		const CedarAstAnnotation *a = &policy->annotations[k];

		if (a->key->len != strlen(key) || memcmp(a->key->bytes, key, a->key->len) != 0)
			continue;
		*len = a->value == NULL ? 0 : a->value->len;
		return a->value == NULL ? "" : a->value->bytes;
	}
	return NULL;
}

void
cedar_ast_range(const CedarAst *ast, uint32_t i, size_t *offset, size_t *length)
{
	*offset = ast->policies[i].offset;
	*length = ast->policies[i].length;
}
