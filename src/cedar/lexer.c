/*-------------------------------------------------------------------------
 *
 * lexer.c
 *	  Policy text to tokens, on demand.
 *
 * Keywords are identifiers to the lexer: what a word means depends on where
 * it stands, and the parser knows that.
 *
 *-------------------------------------------------------------------------
 */
#define CEDAR_LEXER_C

#include "lexer.h"

static inline bool
is_ident_start(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

static inline bool
is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static inline bool
is_ident_char(char c)
{
	return is_ident_start(c) || is_digit(c);
}

/* White space beyond ASCII, as Unicode's White_Space property has it. */
static bool
is_unicode_space(uint32_t cp)
{
	return cp == 0x85 || cp == 0xA0 || cp == 0x1680 ||
		(cp >= 0x2000 && cp <= 0x200A) || cp == 0x2028 || cp == 0x2029 ||
		cp == 0x202F || cp == 0x205F || cp == 0x3000;
}

static void
skip_space(CedarLexer *lx)
{
	size_t		next_check = lx->pos + CEDAR_BYTES_PER_CHECK;

	while (lx->pos < lx->len)
	{
		unsigned char c = (unsigned char) lx->text[lx->pos];

		cedar_check_interrupt_at(lx->arena, lx->pos, &next_check);
		if (c == ' ' || (c >= '\t' && c <= '\r'))
			lx->pos++;
		else if (c == '/' && lx->pos + 1 < lx->len && lx->text[lx->pos + 1] == '/')
		{
			while (lx->pos < lx->len && lx->text[lx->pos] != '\n' &&
				   lx->text[lx->pos] != '\r')
			{
				lx->pos++;
				cedar_check_interrupt_at(lx->arena, lx->pos, &next_check);
			}
		}
		else if (c >= 0x80)
		{
			const char *p = lx->text + lx->pos;

			if (!is_unicode_space(cedar_utf8_get(&p)))
				return;
			lx->pos = (size_t) (p - lx->text);
		}
		else
			return;
	}
}

static CedarCode
lex_string(CedarLexer *lx)
{
	size_t		p = lx->start + 1;
	size_t		next_check = p + CEDAR_BYTES_PER_CHECK;

	while (p < lx->len && lx->text[p] != '"')
	{
		cedar_check_interrupt_at(lx->arena, p, &next_check);
		if (lx->text[p] == '\\')
		{
			/* as in the reference, an escape does not reach over a line's end */
			if (p + 1 < lx->len && lx->text[p + 1] == '\n')
				return cedar_fail_at(lx->err, CEDAR_ERR_SYNTAX, p, 1,
									 "a backslash cannot stand before the end of a line");
			p++;
		}
		p++;
	}
	if (p >= lx->len)
	{
		cedar_fail_at(lx->err, CEDAR_ERR_SYNTAX, lx->start, 1, "unterminated string");
		return cedar_hint(lx->err, "Close the string with a double quote.");
	}
	lx->pos = p + 1;
	lx->tok = TOK_STRING;
	return CEDAR_OK;
}

CedarCode
cedar_lexer_next(CedarLexer *lx)
{
	size_t		next_check;
	char		c,
				d;

	cedar_arena_check_interrupt(lx->arena);
	lx->prev_end = lx->pos;
	skip_space(lx);
	lx->start = lx->pos;
	next_check = lx->pos + CEDAR_BYTES_PER_CHECK;
	if (lx->pos >= lx->len)
	{
		lx->tok = TOK_EOF;
		return CEDAR_OK;
	}
	c = lx->text[lx->pos];
	d = '\0';
	if (lx->pos + 1 < lx->len)
		d = lx->text[lx->pos + 1];
	if (is_ident_start(c) || (c == '?' && is_ident_start(d)))
	{
		lx->tok = c == '?' ? TOK_SLOT : TOK_IDENT;
		do
		{
			lx->pos++;
			cedar_check_interrupt_at(lx->arena, lx->pos, &next_check);
		} while (lx->pos < lx->len && is_ident_char(lx->text[lx->pos]));
		return CEDAR_OK;
	}
	if (is_digit(c))
	{
		lx->tok = TOK_NUMBER;
		do
		{
			lx->pos++;
			cedar_check_interrupt_at(lx->arena, lx->pos, &next_check);
		} while (lx->pos < lx->len && is_digit(lx->text[lx->pos]));
		return CEDAR_OK;
	}
	if (c == '"')
		return lex_string(lx);

#define ONE(t) (lx->pos += 1, lx->tok = (t))
#define TWO(t) (lx->pos += 2, lx->tok = (t))
	switch (c)
	{
		case '@':
			ONE(TOK_AT);
			break;
		case '.':
			ONE(TOK_DOT);
			break;
		case ',':
			ONE(TOK_COMMA);
			break;
		case ';':
			ONE(TOK_SEMICOLON);
			break;
		case ':':
			if (d == ':')
				TWO(TOK_COLONCOLON);
			else
				ONE(TOK_COLON);
			break;
		case '(':
			ONE(TOK_LPAREN);
			break;
		case ')':
			ONE(TOK_RPAREN);
			break;
		case '{':
			ONE(TOK_LBRACE);
			break;
		case '}':
			ONE(TOK_RBRACE);
			break;
		case '[':
			ONE(TOK_LBRACKET);
			break;
		case ']':
			ONE(TOK_RBRACKET);
			break;
		case '=':
			if (d == '=')
				TWO(TOK_EQ);
			else
				ONE(TOK_ASSIGN);
			break;
		case '!':
			if (d == '=')
				TWO(TOK_NE);
			else
				ONE(TOK_BANG);
			break;
		case '<':
			if (d == '=')
				TWO(TOK_LE);
			else
				ONE(TOK_LT);
			break;
		case '>':
			if (d == '=')
				TWO(TOK_GE);
			else
				ONE(TOK_GT);
			break;
		case '+':
			ONE(TOK_PLUS);
			break;
		case '-':
			ONE(TOK_MINUS);
			break;
		case '*':
			ONE(TOK_STAR);
			break;
		case '/':
			ONE(TOK_SLASH);
			break;
		case '%':
			ONE(TOK_PERCENT);
			break;
		case '|':
		case '&':
			if (d == c)
			{
				TWO(c == '|' ? TOK_OR : TOK_AND);
				break;
			}
			cedar_fail_at(lx->err, CEDAR_ERR_SYNTAX, lx->start, 1,
						  "unexpected character \"%c\"", c);
			return cedar_hint(lx->err, "Logical operators are written \"&&\" and \"||\".");
		default:
			{
				const char *p = lx->text + lx->start;

				(void) cedar_utf8_get(&p);
				return cedar_fail_at(lx->err, CEDAR_ERR_SYNTAX, lx->start,
									 (size_t) (p - (lx->text + lx->start)),
									 "unexpected character \"%.*s\"",
									 (int) (p - (lx->text + lx->start)),
									 lx->text + lx->start);
			}
	}
#undef ONE
#undef TWO
	return CEDAR_OK;
}

CedarCode
cedar_lexer_init(CedarLexer *lx, CedarArena *arena, const char *text, size_t len,
				 CedarError *err)
{
	size_t		bad = cedar_text_invalid_at(arena, text, len);

	memset(lx, 0, sizeof(*lx));
	lx->arena = arena;
	lx->err = err;
	lx->text = text;
	lx->len = len;
	if (bad < len)
		return cedar_fail_at(err, CEDAR_ERR_ENCODING, bad, 1, "policy text is not UTF-8");
	if (len >= UINT32_MAX / 2)
		return cedar_fail(err, CEDAR_ERR_LIMIT, "policy text is too long");
	return cedar_lexer_next(lx);
}

bool
cedar_lexer_is_word(const CedarLexer *lx, const char *word)
{
	size_t		n = strlen(word);

	return lx->tok == TOK_IDENT && lx->pos - lx->start == n &&
		memcmp(lx->text + lx->start, word, n) == 0;
}

bool
cedar_is_reserved_word(const char *s, size_t len)
{
	static const char *const words[] = {
		"if", "true", "false", "then", "else", "in", "is", "has", "like", "__cedar"
	};

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (strlen(words[i]) == len && memcmp(words[i], s, len) == 0)
			return true;
	return false;
}

bool
cedar_is_name(const char *s, size_t len)
{
	size_t		i = 0;

	for (;;)
	{
		size_t		start = i;

		if (i >= len || !is_ident_start(s[i]))
			return false;
		while (i < len && is_ident_char(s[i]))
			i++;
		if (cedar_is_reserved_word(s + start, i - start))
			return false;
		if (i == len)
			return true;
		if (len - i < 2 || s[i] != ':' || s[i + 1] != ':')
			return false;
		i += 2;
	}
}

CedarCode
cedar_lexer_unexpected(CedarLexer *lx, const char *expected)
{
	size_t		n = lx->pos - lx->start;

	if (lx->tok == TOK_EOF)
		return cedar_fail_at(lx->err, CEDAR_ERR_SYNTAX, lx->len, 0,
							 "expected %s, but the text ended", expected);
	return cedar_fail_at(lx->err, CEDAR_ERR_SYNTAX, lx->start, n,
						 "expected %s, found \"%.*s\"", expected,
						 CEDAR_EXCERPT(lx->text + lx->start, n));
}

static int
hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

static CedarCode
bad_escape(CedarLexer *lx, size_t start, size_t end, const char *why)
{
	return cedar_fail_at(lx->err, CEDAR_ERR_SYNTAX, start, end - start,
						 "invalid escape \"%.*s\" in a string: %s",
						 CEDAR_EXCERPT(lx->text + start, end - start), why);
}

/*
 * At the backslash, which end never directly follows; *p moves behind the
 * escape.  The rules are Rust's for string literals.
 */
static CedarCode
read_escape(CedarLexer *lx, size_t *p, size_t end, uint32_t *cp)
{
	size_t		start = *p;
	size_t		i = start + 2;
	char		c = lx->text[start + 1];
	int			digits = 0;

	switch (c)
	{
		case 'n':
			*cp = '\n';
			break;
		case 'r':
			*cp = '\r';
			break;
		case 't':
			*cp = '\t';
			break;
		case '0':
			*cp = 0;
			break;
		case '\\':
		case '\'':
		case '"':
			*cp = (uint32_t) c;
			break;
		case 'x':
			*cp = 0;
			for (; digits < 2; digits++, i++)
			{
				int			h = i < end ? hex_value(lx->text[i]) : -1;

				if (h < 0)
					return bad_escape(lx, start, start + 2, "\\x takes two hexadecimal digits");
				*cp = *cp << 4 | (uint32_t) h;
			}
			if (*cp > 0x7F)
				return bad_escape(lx, start, i, "\\x goes to 7F, use \\u{…} beyond");
			break;
		case 'u':
			if (i >= end || lx->text[i] != '{')
				return bad_escape(lx, start, i, "\\u takes hexadecimal digits in braces");
			i++;
			*cp = 0;
			for (; i < end && lx->text[i] != '}'; i++)
			{
				int			h = hex_value(lx->text[i]);

				if (lx->text[i] == '_' && digits > 0)
					continue;
				if (h < 0)
					return bad_escape(lx, start, i, "\\u takes hexadecimal digits in braces");
				if (++digits > 6)
					return bad_escape(lx, start, i, "\\u takes at most six digits");
				*cp = *cp << 4 | (uint32_t) h;
			}
			if (i >= end || digits == 0)
				return bad_escape(lx, start, i, "\\u takes hexadecimal digits in braces");
			i++;
			if (*cp >= 0xD800 && *cp <= 0xDFFF)
				return bad_escape(lx, start, i, "a surrogate is not a character");
			if (*cp > 0x10FFFF)
				return bad_escape(lx, start, i, "beyond the last character, 10FFFF");
			break;
		default:
			{
				/* show the whole character */
				const char *q = lx->text + start + 1;

				(void) cedar_utf8_get(&q);
				return bad_escape(lx, start, (size_t) (q - lx->text), "no such escape");
			}
	}
	*p = i;
	return CEDAR_OK;
}

CedarCode
cedar_lexer_unescape(CedarLexer *lx, size_t start, size_t end, bool pattern,
					 const CedarStr **out)
{
	/* without the quotes; unescaping never makes a string longer */
	size_t		p = start + 1;
	size_t		stop = end - 1;
	size_t		n = 0;
	CedarStr   *str = cedar_arena_alloc(lx->arena, sizeof(CedarStr) + (stop - p));
	size_t		next_check = p + CEDAR_BYTES_PER_CHECK;
	CedarCode	code;

	if (str == NULL)
		return cedar_nomem(lx->err);
	while (p < stop)
	{
		uint32_t	cp = 0;

		cedar_check_interrupt_at(lx->arena, p, &next_check);
		if (lx->text[p] == '\r')
			return cedar_fail_at(lx->err, CEDAR_ERR_SYNTAX, p, 1,
								 "a carriage return in a string must be written \\r");
		if (lx->text[p] != '\\')
		{
			str->bytes[n] = lx->text[p++];
			if (pattern && str->bytes[n] == '*')
				str->bytes[n] = CEDAR_WILDCARD;
			n++;
			continue;
		}
		if (pattern && lx->text[p + 1] == '*')
		{
			str->bytes[n++] = '*';
			p += 2;
			continue;
		}
		if ((code = read_escape(lx, &p, stop, &cp)) != CEDAR_OK)
			return code;
		if (pattern && cp == '*')
			str->bytes[n++] = CEDAR_WILDCARD;
		else
			n += (size_t) cedar_utf8_put(str->bytes + n, cp);
	}
	str->len = (uint32_t) n;
	str->hash = cedar_hash_bytes(str->bytes, n, 0);
	*out = str;
	return CEDAR_OK;
}

CedarCode
cedar_uid_parse(CedarArena *arena, const char *text, size_t len,
				const CedarUid **uid, CedarError *err)
{
	CedarLexer	lx;
	const CedarStr *id;
	CedarCode	code;
	char	   *type;
	size_t		n = 0;

	if ((code = cedar_lexer_init(&lx, arena, text, len, err)) != CEDAR_OK)
		return code;
	type = cedar_arena_alloc(arena, len + 1);
	if (type == NULL)
		return cedar_nomem(err);
	for (;;)
	{
		if (lx.tok != TOK_IDENT)
			break;
		if (cedar_is_reserved_word(text + lx.start, lx.pos - lx.start))
		{
			cedar_fail_at(err, CEDAR_ERR_SYNTAX, lx.start, lx.pos - lx.start,
						  "\"%.*s\" is a reserved word",
						  CEDAR_EXCERPT(text + lx.start, lx.pos - lx.start));
			return CEDAR_ERR_SYNTAX;
		}
		memcpy(type + n, text + lx.start, lx.pos - lx.start);
		n += lx.pos - lx.start;
		if ((code = cedar_lexer_next(&lx)) != CEDAR_OK)
			return code;
		if (lx.tok != TOK_COLONCOLON)
			break;
		if ((code = cedar_lexer_next(&lx)) != CEDAR_OK)
			return code;
		if (lx.tok == TOK_STRING)
		{
			if ((code = cedar_lexer_unescape(&lx, lx.start, lx.pos, false, &id)) != CEDAR_OK)
				return code;
			if ((code = cedar_lexer_next(&lx)) != CEDAR_OK)
				return code;
			if (lx.tok != TOK_EOF)
				return cedar_lexer_unexpected(&lx, "the end of the entity uid");
			return cedar_uid_make(arena, type, n, id->bytes, id->len, uid, err);
		}
		memcpy(type + n, "::", 2);
		n += 2;
	}
	if (lx.tok == TOK_EOF)
		cedar_fail_at(err, CEDAR_ERR_SYNTAX, len, 0, "an entity uid is incomplete");
	else
		cedar_lexer_unexpected(&lx, "an entity uid");
	return cedar_hint(err, "An entity uid is a type and a quoted id, for example User::\"alice\".");
}
