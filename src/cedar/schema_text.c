/*-------------------------------------------------------------------------
 *
 * schema_text.c
 *	  The Cedar schema syntax to declarations.
 *
 * The grammar is the reference's (cedar-policy 4.13).  Keywords are words
 * that mean something where they stand; each of them but the reserved words
 * of policies can also be a name.  What is written twice is refused here,
 * but an attribute: there the last one counts, as it does in the reference.
 *
 *-------------------------------------------------------------------------
 */
#include "lexer.h"
#include "schema_internal.h"

typedef struct Parser
{
	CedarLexer	lx;
	CedarArena *arena;
	CedarError *err;
	int			depth;
	CedarBuf	path;			/* of the name that is being read */
} Parser;

/* A growing array; push gives a zeroed element, NULL when out of memory. */
typedef struct Vec
{
	void	   *data;
	uint32_t	n;
	uint32_t	cap;
} Vec;

typedef struct OpenNamespace
{
	Vec			commons;
	Vec			entities;
	Vec			actions;
} OpenNamespace;

static CedarCode parse_type(Parser *p, const DeclType **out);
static CedarCode parse_attrs(Parser *p, const DeclType **out);

/* ---------------------------------------------------------------- helpers */

static void *
push(Parser *p, Vec *v, size_t size)
{
	cedar_arena_check_interrupt(p->arena);
	if (!cedar_grow(p->arena, &v->data, &v->cap, v->n + 1, size))
		return NULL;
	return memset((char *) v->data + (size_t) v->n++ * size, 0, size);
}

/*
 * A lone `?` is no token of policies; here it stands behind an attribute.  It
 * is told apart from a slot by its length.
 */
static CedarCode
next(Parser *p)
{
	CedarCode	code = cedar_lexer_next(&p->lx);

	if (code == CEDAR_ERR_SYNTAX && p->lx.start < p->lx.len && p->lx.text[p->lx.start] == '?')
	{
		p->lx.pos = p->lx.start + 1;
		p->lx.tok = TOK_SLOT;
		return CEDAR_OK;
	}
	return code;
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

static CedarSpan
tok_span(const Parser *p)
{
	return (CedarSpan) {(uint32_t) p->lx.start, (uint32_t) tok_len(p)};
}

static bool
at_word(const Parser *p, const char *word)
{
	return cedar_lexer_is_word(&p->lx, word);
}

static CedarCode
unexpected(Parser *p, const char *expected)
{
	return cedar_lexer_unexpected(&p->lx, expected);
}

static CedarCode
expect(Parser *p, CedarTok tok, const char *what)
{
	if (p->lx.tok != tok)
		return unexpected(p, what);
	return next(p);
}

/* Pass over the token when it is this one. */
static CedarCode
accept(Parser *p, CedarTok tok, bool *found)
{
	*found = p->lx.tok == tok;
	return *found ? next(p) : CEDAR_OK;
}

static CedarCode
accept_word(Parser *p, const char *word, bool *found)
{
	*found = at_word(p, word);
	return *found ? next(p) : CEDAR_OK;
}

static CedarCode
twice(Parser *p, CedarSpan span, const char *what, const CedarStr *name)
{
	return cedar_fail_at(p->err, CEDAR_ERR_SCHEMA, span.offset, span.length,
						 "%s \"%.*s\" is declared twice", what,
						 CEDAR_EXCERPT(name->bytes, name->len));
}

static CedarCode
reserved_name(Parser *p, CedarSpan span)
{
	cedar_fail_at(p->err, CEDAR_ERR_SCHEMA, span.offset, span.length,
				  "\"__cedar\" is reserved and cannot be declared");
	return cedar_hint(p->err, "Types of the language may be referred to as __cedar::Long and so on.");
}

/* ------------------------------------------------------------------ names */

/* At an identifier that is no reserved word. */
static CedarCode
check_ident(Parser *p, const char *what)
{
	if (p->lx.tok != TOK_IDENT)
		return unexpected(p, what);
	if (!cedar_is_internal_ident(tok_text(p), tok_len(p)))
		return cedar_fail_at(p->err, CEDAR_ERR_SYNTAX, p->lx.start, tok_len(p),
							 "\"%.*s\" is a reserved word and cannot be used as a name",
							 CEDAR_EXCERPT(tok_text(p), tok_len(p)));
	return CEDAR_OK;
}

static CedarCode
take(Parser *p, const CedarStr **out)
{
	*out = cedar_str_make(p->arena, tok_text(p), tok_len(p));
	if (*out == NULL)
		return cedar_nomem(p->err);
	return next(p);
}

static CedarCode
parse_string(Parser *p, const char *what, const CedarStr **out)
{
	if (p->lx.tok != TOK_STRING)
		return unexpected(p, what);
	TRY(cedar_lexer_unescape(&p->lx, p->lx.start, p->lx.pos, false, out));
	return next(p);
}

/* A name of its own: an identifier, but `__cedar`. */
static CedarCode
parse_new_name(Parser *p, const char *what, const CedarStr **out, CedarSpan *span)
{
	TRY(check_ident(p, what));
	*span = tok_span(p);
	TRY(take(p, out));
	if (cedar_name_is_internal(*out))
		return reserved_name(p, *span);
	return CEDAR_OK;
}

/* An attribute or an action: an identifier or a string. */
static CedarCode
parse_label(Parser *p, const char *what, const CedarStr **out, CedarSpan *span)
{
	*span = tok_span(p);
	if (p->lx.tok == TOK_STRING)
		return parse_string(p, what, out);
	TRY(check_ident(p, what));
	return take(p, out);
}

/*
 * A path of identifiers.  With id, the path may end in `::` and a string,
 * which goes there; else *id is not touched.
 */
static CedarCode
parse_path(Parser *p, const char *what, DeclName *out, const CedarStr **id)
{
	size_t		start = p->lx.start;

	p->path.len = 0;
	for (;;)
	{
		bool		more;

		TRY(check_ident(p, what));
		cedar_buf_append(&p->path, tok_text(p), tok_len(p));
		out->span.offset = (uint32_t) start;
		out->span.length = (uint32_t) (p->lx.pos - start);
		TRY(next(p));
		TRY(accept(p, TOK_COLONCOLON, &more));
		if (!more)
			break;
		if (id != NULL && p->lx.tok == TOK_STRING)
		{
			TRY(parse_string(p, "a string", id));
			break;
		}
		what = id != NULL ? "an identifier or a string" : "an identifier";
		cedar_buf_append(&p->path, "::", 2);
	}
	if (p->path.failed)
		return cedar_nomem(p->err);
	out->name = cedar_str_make(p->arena, p->path.data, p->path.len);
	return out->name == NULL ? cedar_nomem(p->err) : CEDAR_OK;
}

/* A path, or any number of them in brackets. */
static CedarCode
parse_paths(Parser *p, const DeclName **list, uint32_t *n)
{
	Vec			v = {NULL, 0, 0};
	bool		many;
	bool		more = true;

	TRY(accept(p, TOK_LBRACKET, &many));
	if (many && p->lx.tok == TOK_RBRACKET)
		more = false;
	while (more)
	{
		DeclName   *name = push(p, &v, sizeof(DeclName));

		if (name == NULL)
			return cedar_nomem(p->err);
		TRY(parse_path(p, many ? "an entity type" : "an entity type or \"[\"", name, NULL));
		more = false;
		if (many)
			TRY(accept(p, TOK_COMMA, &more));
	}
	if (many)
		TRY(expect(p, TOK_RBRACKET, v.n == 0 ? "an entity type or \"]\"" : "\",\" or \"]\""));
	*list = v.data;
	*n = v.n;
	return CEDAR_OK;
}

/* ------------------------------------------------------------ annotations */

typedef struct OpenNote
{
	DeclNote	note;
	CedarSpan	span;
} OpenNote;

static CedarCode
parse_notes(Parser *p, DeclNotes *notes)
{
	Vec			v = {NULL, 0, 0};
	OpenNote   *const *sorted;
	DeclNote   *list;

	notes->n = 0;
	notes->list = NULL;
	while (p->lx.tok == TOK_AT)
	{
		OpenNote   *note = push(p, &v, sizeof(OpenNote));
		bool		valued;

		if (note == NULL)
			return cedar_nomem(p->err);
		TRY(next(p));
		if (p->lx.tok != TOK_IDENT)
			return unexpected(p, "the name of an annotation");
		note->span = tok_span(p);
		TRY(take(p, &note->note.key));
		TRY(accept(p, TOK_LPAREN, &valued));
		if (valued)
		{
			TRY(parse_string(p, "a string", &note->note.value));
			TRY(expect(p, TOK_RPAREN, "\")\""));
		}
		else if ((note->note.value = cedar_str_make(p->arena, "", 0)) == NULL)
			return cedar_nomem(p->err);
	}
	if (v.n == 0)
		return CEDAR_OK;
	TRY(cedar_decl_sort(p->arena, v.data, v.n, sizeof(OpenNote), &sorted, p->err));
	list = cedar_arena_alloc(p->arena, v.n * sizeof(DeclNote));
	if (list == NULL)
		return cedar_nomem(p->err);
	for (uint32_t i = 0; i < v.n; i++)
	{
		list[i] = sorted[i]->note;
		if (i > 0 && cedar_str_equal(list[i - 1].key, list[i].key))
			return cedar_fail_at(p->err, CEDAR_ERR_SYNTAX, sorted[i]->span.offset,
								 sorted[i]->span.length, "annotation @%.*s is there twice",
								 CEDAR_EXCERPT(list[i].key->bytes, list[i].key->len));
	}
	notes->n = v.n;
	notes->list = list;
	return CEDAR_OK;
}

/* ------------------------------------------------------------------ types */

static CedarCode
parse_attr(Parser *p, DeclAttr *attr)
{
	TRY(parse_notes(p, &attr->notes));
	TRY(parse_label(p, attr->notes.n > 0 ? "an attribute" : "an attribute or \"}\"",
					&attr->name, &attr->span));
	if (p->lx.tok == TOK_SLOT && tok_len(p) == 1)
	{
		attr->optional = true;
		TRY(next(p));
	}
	TRY(expect(p, TOK_COLON, attr->optional ? "\":\"" : "\":\" or \"?\""));
	return parse_type(p, &attr->type);
}

/* Behind the opening brace; ends behind the closing one. */
static CedarCode
parse_attrs(Parser *p, const DeclType **out)
{
	DeclType   *type = cedar_arena_zalloc(p->arena, sizeof(DeclType));
	Vec			v = {NULL, 0, 0};
	DeclAttr  **sorted;
	uint32_t	n = 0;

	if (type == NULL)
		return cedar_nomem(p->err);
	type->kind = DECL_RECORD;
	type->span.offset = (uint32_t) p->lx.prev_end - 1;
	while (p->lx.tok != TOK_RBRACE)
	{
		DeclAttr   *attr = push(p, &v, sizeof(DeclAttr));
		DeclAttr	local = {0};
		bool		more;

		if (attr == NULL)
			return cedar_nomem(p->err);
		/* the array may move while the attribute's type is read */
		TRY(parse_attr(p, &local));
		((DeclAttr *) v.data)[v.n - 1] = local;
		TRY(accept(p, TOK_COMMA, &more));
		if (!more && p->lx.tok != TOK_RBRACE)
			return unexpected(p, "\",\" or \"}\"");
	}
	type->span.length = (uint32_t) p->lx.pos - type->span.offset;
	TRY(next(p));
	*out = type;
	if (v.n == 0)
		return CEDAR_OK;
	TRY(cedar_decl_sort(p->arena, v.data, v.n, sizeof(DeclAttr), &sorted, p->err));
	for (uint32_t i = 0; i < v.n; i++)
		if (i + 1 == v.n || !cedar_str_equal(sorted[i]->name, sorted[i + 1]->name))
			sorted[n++] = sorted[i];
	type->n = n;
	type->u.attrs = sorted;
	return CEDAR_OK;
}

static CedarCode
parse_type_inner(Parser *p, const DeclType **out)
{
	DeclType   *type;
	DeclName	name;
	size_t		start = p->lx.start;
	bool		found;

	TRY(accept(p, TOK_LBRACE, &found));
	if (found)
		return parse_attrs(p, out);
	type = cedar_arena_zalloc(p->arena, sizeof(DeclType));
	if (type == NULL)
		return cedar_nomem(p->err);
	*out = type;
	found = at_word(p, "Set");
	TRY(parse_path(p, "a type", &name, NULL));
	if (found && name.name->len == 3 && p->lx.tok == TOK_LT)
	{
		type->kind = DECL_SET;
		TRY(next(p));
		TRY(parse_type(p, &type->u.elem));
		type->span.offset = (uint32_t) start;
		type->span.length = (uint32_t) (p->lx.pos - start);
		return expect(p, TOK_GT, "\">\"");
	}
	type->kind = DECL_ENTITY_OR_COMMON;
	type->span = name.span;
	type->u.name = name.name;
	return CEDAR_OK;
}

static CedarCode
parse_type(Parser *p, const DeclType **out)
{
	if (cedar_arena_stack_is_too_deep(p->arena))
		return cedar_stack(p->err);
	if (++p->depth > CEDAR_MAX_DEPTH)
		return cedar_fail_at(p->err, CEDAR_ERR_LIMIT, p->lx.start, tok_len(p),
							 "types are nested deeper than %d levels", CEDAR_MAX_DEPTH);
	TRY(parse_type_inner(p, out));
	p->depth--;
	return CEDAR_OK;
}

/* ----------------------------------------------------------- declarations */

static CedarCode
parse_common(Parser *p, OpenNamespace *ns, const DeclNotes *notes)
{
	DeclCommon *c = push(p, &ns->commons, sizeof(DeclCommon));

	if (c == NULL)
		return cedar_nomem(p->err);
	c->notes = *notes;
	TRY(next(p));
	TRY(parse_new_name(p, "the name of a type", &c->name, &c->span));
	if (cedar_is_type_keyword(c->name))
		return cedar_fail_at(p->err, CEDAR_ERR_SCHEMA, c->span.offset, c->span.length,
							 "\"%.*s\" is reserved and cannot name a common type",
							 CEDAR_EXCERPT(c->name->bytes, c->name->len));
	TRY(expect(p, TOK_ASSIGN, "\"=\""));
	TRY(parse_type(p, &c->type));
	return expect(p, TOK_SEMICOLON, "\";\"");
}

/* What stands before the closing semicolon of an entity declaration. */
static CedarCode
parse_entity_body(Parser *p, DeclEntity *e)
{
	bool		found;

	TRY(accept_word(p, "enum", &found));
	if (found)
	{
		Vec			ids = {NULL, 0, 0};

		e->is_enum = true;
		TRY(expect(p, TOK_LBRACKET, "\"[\""));
		do
		{
			const CedarStr **id = push(p, &ids, sizeof(CedarStr *));

			if (id == NULL)
				return cedar_nomem(p->err);
			TRY(parse_string(p, "a string", id));
			TRY(accept(p, TOK_COMMA, &found));
		} while (found);
		e->ids = ids.data;
		e->n_ids = ids.n;
		TRY(expect(p, TOK_RBRACKET, "\",\" or \"]\""));
		if (p->lx.tok != TOK_SEMICOLON)
			return unexpected(p, "\";\"");
		return CEDAR_OK;
	}
	TRY(accept_word(p, "in", &found));
	if (found)
		TRY(parse_paths(p, &e->parents, &e->n_parents));
	TRY(accept(p, TOK_ASSIGN, &found));
	if (found && p->lx.tok != TOK_LBRACE)
		return unexpected(p, "\"{\"");
	TRY(accept(p, TOK_LBRACE, &found));
	if (found)
		TRY(parse_attrs(p, &e->shape));
	TRY(accept_word(p, "tags", &found));
	if (found)
		TRY(parse_type(p, &e->tags));
	return CEDAR_OK;
}

static CedarCode
parse_entity(Parser *p, OpenNamespace *ns, const DeclNotes *notes)
{
	uint32_t	first = ns->entities.n;
	DeclEntity	body = {0};
	bool		more;

	body.notes = *notes;
	TRY(next(p));
	do
	{
		DeclEntity *e = push(p, &ns->entities, sizeof(DeclEntity));

		if (e == NULL)
			return cedar_nomem(p->err);
		TRY(parse_new_name(p, "the name of an entity type", &e->name, &e->span));
		TRY(accept(p, TOK_COMMA, &more));
	} while (more);
	TRY(parse_entity_body(p, &body));
	for (uint32_t i = first; i < ns->entities.n; i++)
	{
		DeclEntity *e = &((DeclEntity *) ns->entities.data)[i];

		body.name = e->name;
		body.span = e->span;
		*e = body;
	}
	if (p->lx.tok != TOK_SEMICOLON)
		return unexpected(p, body.tags != NULL || body.is_enum ? "\";\"" :
						  body.shape != NULL ? "\"tags\" or \";\"" :
						  body.n_parents > 0 ? "\"{\", \"tags\" or \";\"" :
						  "\",\", \"in\", \"enum\", \"{\", \"tags\" or \";\"");
	return next(p);
}

static CedarCode
parse_action_ref(Parser *p, const char *what, DeclActionRef *ref)
{
	size_t		start = p->lx.start;
	size_t		end;

	memset(ref, 0, sizeof(*ref));
	ref->span = tok_span(p);
	if (p->lx.tok == TOK_STRING)
		return parse_string(p, what, &ref->id);
	TRY(parse_path(p, what, &ref->type, &ref->id));
	end = p->lx.prev_end;
	ref->span.length = (uint32_t) (end - start);
	if (ref->id != NULL)
		return CEDAR_OK;
	if (memchr(ref->type.name->bytes, ':', ref->type.name->len) != NULL)
		return unexpected(p, "\"::\" and the action's id as a string");
	ref->id = ref->type.name;
	ref->type.name = NULL;
	return CEDAR_OK;
}

static CedarCode
parse_action_parents(Parser *p, DeclAction *a)
{
	Vec			v = {NULL, 0, 0};
	bool		many,
				more;

	TRY(accept(p, TOK_LBRACKET, &many));
	do
	{
		DeclActionRef *ref = push(p, &v, sizeof(DeclActionRef));

		if (ref == NULL)
			return cedar_nomem(p->err);
		TRY(parse_action_ref(p, many ? "an action" : "an action or \"[\"", ref));
		more = false;
		if (many)
			TRY(accept(p, TOK_COMMA, &more));
	} while (more);
	if (many)
		TRY(expect(p, TOK_RBRACKET, "\",\" or \"]\""));
	a->has_parents = true;
	a->parents = v.data;
	a->n_parents = v.n;
	return CEDAR_OK;
}

/* Behind `appliesTo`. */
static CedarCode
parse_applies(Parser *p, DeclAction *a)
{
	static const char *const names[] = {"principal", "resource", "context"};
	bool		seen[3] = {false, false, false};

	TRY(expect(p, TOK_LBRACE, "\"{\""));
	for (;;)
	{
		CedarSpan	span = tok_span(p);
		bool		more;
		int			k = 0;

		while (k < 3 && !at_word(p, names[k]))
			k++;
		if (k == 3)
			return unexpected(p, seen[0] && seen[1] ? "\"context\" or \"}\"" :
							  "\"principal\", \"resource\" or \"context\"");
		if (seen[k])
			return cedar_fail_at(p->err, CEDAR_ERR_SCHEMA, span.offset, span.length,
								 "\"%s\" is there twice in one appliesTo", names[k]);
		seen[k] = true;
		TRY(next(p));
		TRY(expect(p, TOK_COLON, "\":\""));
		if (k == 2)
		{
			bool		record;

			TRY(accept(p, TOK_LBRACE, &record));
			if (record)
				TRY(parse_attrs(p, &a->context));
			else
			{
				DeclType   *type = cedar_arena_zalloc(p->arena, sizeof(DeclType));
				DeclName	name;

				if (type == NULL)
					return cedar_nomem(p->err);
				TRY(parse_path(p, "a common type or \"{\"", &name, NULL));
				type->kind = DECL_COMMON;
				type->span = name.span;
				type->u.name = name.name;
				a->context = type;
			}
		}
		else
		{
			uint32_t	n;
			const DeclName *list;

			TRY(parse_paths(p, &list, &n));
			if (n == 0)
			{
				cedar_fail_at(p->err, CEDAR_ERR_SCHEMA, span.offset,
							  p->lx.prev_end - span.offset,
							  "\"%s\" of an action cannot be an empty list", names[k]);
				return cedar_hint(p->err, "Leave appliesTo out of an action that applies to nothing.");
			}
			if (k == 0)
			{
				a->principals = list;
				a->n_principals = n;
			}
			else
			{
				a->resources = list;
				a->n_resources = n;
			}
		}
		TRY(accept(p, TOK_COMMA, &more));
		if (p->lx.tok == TOK_RBRACE)
			break;
		if (!more)
			return unexpected(p, "\",\" or \"}\"");
	}
	for (int k = 0; k < 2; k++)
		if (!seen[k])
			return cedar_fail_at(p->err, CEDAR_ERR_SCHEMA, p->lx.start, tok_len(p),
								 "appliesTo has no \"%s\"", names[k]);
	return next(p);
}

static CedarCode
parse_action(Parser *p, OpenNamespace *ns, const DeclNotes *notes)
{
	uint32_t	first = ns->actions.n;
	DeclAction	body = {0};
	bool		found;

	body.notes = *notes;
	/* an action of this syntax always says what it applies to: else nothing */
	body.applies = true;
	TRY(next(p));
	do
	{
		DeclAction *a = push(p, &ns->actions, sizeof(DeclAction));

		if (a == NULL)
			return cedar_nomem(p->err);
		TRY(parse_label(p, "the name of an action", &a->name, &a->span));
		TRY(accept(p, TOK_COMMA, &found));
	} while (found);
	TRY(accept_word(p, "in", &found));
	if (found)
		TRY(parse_action_parents(p, &body));
	TRY(accept_word(p, "appliesTo", &found));
	if (found)
		TRY(parse_applies(p, &body));
	TRY(accept_word(p, "attributes", &found));
	if (found)
	{
		TRY(expect(p, TOK_LBRACE, "\"{\""));
		if (p->lx.tok != TOK_RBRACE)
		{
			unexpected(p, "\"}\"");
			return cedar_hint(p->err, "Actions have no attributes.");
		}
		TRY(next(p));
	}
	for (uint32_t i = first; i < ns->actions.n; i++)
	{
		DeclAction *a = &((DeclAction *) ns->actions.data)[i];

		body.name = a->name;
		body.span = a->span;
		*a = body;
	}
	if (p->lx.tok != TOK_SEMICOLON)
		return unexpected(p, body.n_principals > 0 ? "\";\"" :
						  body.has_parents ? "\"appliesTo\" or \";\"" :
						  "\",\", \"in\", \"appliesTo\" or \";\"");
	return next(p);
}

static CedarCode
parse_decl(Parser *p, OpenNamespace *ns, const DeclNotes *notes, bool top)
{
	static const char *const words[] = {"entity", "action", "type", "namespace"};
	CedarGuess	guess;

	if (at_word(p, "entity"))
		return parse_entity(p, ns, notes);
	if (at_word(p, "action"))
		return parse_action(p, ns, notes);
	if (at_word(p, "type"))
		return parse_common(p, ns, notes);
	unexpected(p, top ? "\"entity\", \"action\", \"type\" or \"namespace\"" :
			   notes->n > 0 ? "\"entity\", \"action\" or \"type\"" :
			   "\"entity\", \"action\", \"type\" or \"}\"");
	if (p->lx.tok != TOK_IDENT)
		return p->err->code;
	if (!top && at_word(p, "namespace"))
		return cedar_hint(p->err, "A namespace inside another is written namespace A::B { … }.");
	cedar_guess_start(&guess, tok_text(p), tok_len(p));
	for (int i = 0; i < (top ? 4 : 3); i++)
		cedar_guess_try(&guess, words[i], strlen(words[i]));
	return cedar_guess_hint(&guess, p->err);
}

/* ------------------------------------------------------------- namespaces */

static CedarCode
close_namespace(Parser *p, OpenNamespace *open, DeclNamespace *ns)
{
	ns->n_commons = open->commons.n;
	TRY(cedar_decl_sort(p->arena, open->commons.data, ns->n_commons, sizeof(DeclCommon),
						&ns->commons, p->err));
	for (uint32_t i = 1; i < ns->n_commons; i++)
		if (cedar_str_equal(ns->commons[i - 1]->name, ns->commons[i]->name))
			return twice(p, ns->commons[i]->span, "common type", ns->commons[i]->name);
	ns->n_entities = open->entities.n;
	TRY(cedar_decl_sort(p->arena, open->entities.data, ns->n_entities, sizeof(DeclEntity),
						&ns->entities, p->err));
	for (uint32_t i = 1; i < ns->n_entities; i++)
		if (cedar_str_equal(ns->entities[i - 1]->name, ns->entities[i]->name))
			return twice(p, ns->entities[i]->span, "entity type", ns->entities[i]->name);
	ns->n_actions = open->actions.n;
	TRY(cedar_decl_sort(p->arena, open->actions.data, ns->n_actions, sizeof(DeclAction),
						&ns->actions, p->err));
	for (uint32_t i = 1; i < ns->n_actions; i++)
		if (cedar_str_equal(ns->actions[i - 1]->name, ns->actions[i]->name))
			return twice(p, ns->actions[i]->span, "action", ns->actions[i]->name);
	return CEDAR_OK;
}

static CedarCode
parse_namespace(Parser *p, DeclNamespace *ns)
{
	OpenNamespace open = {0};
	DeclName	name;

	TRY(next(p));
	TRY(parse_path(p, "the name of a namespace", &name, NULL));
	ns->name = name.name;
	ns->span = name.span;
	if (cedar_name_is_internal(name.name))
		return reserved_name(p, name.span);
	TRY(expect(p, TOK_LBRACE, "\"{\""));
	while (p->lx.tok != TOK_RBRACE)
	{
		DeclNotes	notes;

		TRY(parse_notes(p, &notes));
		TRY(parse_decl(p, &open, &notes, false));
	}
	TRY(next(p));
	return close_namespace(p, &open, ns);
}

static CedarCode
parse_schema(Parser *p, DeclSchema *decl)
{
	OpenNamespace open = {0};
	Vec			namespaces = {NULL, 0, 0};
	DeclNamespace *ns;

	while (p->lx.tok != TOK_EOF)
	{
		DeclNotes	notes;

		TRY(parse_notes(p, &notes));
		if (!at_word(p, "namespace"))
		{
			TRY(parse_decl(p, &open, &notes, true));
			continue;
		}
		ns = push(p, &namespaces, sizeof(DeclNamespace));
		if (ns == NULL)
			return cedar_nomem(p->err);
		ns->notes = notes;
		TRY(parse_namespace(p, ns));
	}
	if (open.commons.n > 0 || open.entities.n > 0 || open.actions.n > 0)
	{
		ns = push(p, &namespaces, sizeof(DeclNamespace));
		if (ns == NULL || (ns->name = cedar_str_make(p->arena, "", 0)) == NULL)
			return cedar_nomem(p->err);
		TRY(close_namespace(p, &open, ns));
	}
	decl->n = namespaces.n;
	TRY(cedar_decl_sort(p->arena, namespaces.data, namespaces.n, sizeof(DeclNamespace),
						&decl->namespaces, p->err));
	for (uint32_t i = 1; i < decl->n; i++)
	{
		ns = decl->namespaces[i];
		if (cedar_str_equal(decl->namespaces[i - 1]->name, ns->name))
		{
			twice(p, ns->span, "namespace", ns->name);
			return cedar_hint(p->err, "Write everything of a namespace in one pair of braces.");
		}
	}
	return CEDAR_OK;
}

CedarCode
cedar_schema_read_text(CedarArena *arena, const char *text, size_t len,
					   const DeclSchema **decl, CedarError *err)
{
	DeclSchema *d = cedar_arena_zalloc(arena, sizeof(DeclSchema));
	Parser		p;

	if (d == NULL)
		return cedar_nomem(err);
	memset(&p, 0, sizeof(p));
	p.arena = arena;
	p.err = err;
	p.path.arena = arena;
	TRY(cedar_lexer_init(&p.lx, arena, text, len, err));
	TRY(parse_schema(&p, d));
	*decl = d;
	return CEDAR_OK;
}
