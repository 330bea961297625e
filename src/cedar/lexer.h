/*-------------------------------------------------------------------------
 *
 * lexer.h
 *	  Tokens of the Cedar policy and schema languages.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CEDAR_LEXER_H
#define CEDAR_LEXER_H

#include "internal.h"

typedef enum CedarTok
{
	TOK_EOF = 0,
	TOK_IDENT,
	TOK_NUMBER,
	TOK_STRING,					/* quotes included */
	TOK_SLOT,					/* ?name */
	TOK_AT,
	TOK_DOT,
	TOK_COMMA,
	TOK_SEMICOLON,
	TOK_COLON,
	TOK_COLONCOLON,
	TOK_LPAREN,
	TOK_RPAREN,
	TOK_LBRACE,
	TOK_RBRACE,
	TOK_LBRACKET,
	TOK_RBRACKET,
	TOK_EQ,						/* == */
	TOK_NE,
	TOK_LT,
	TOK_LE,
	TOK_GE,
	TOK_GT,
	TOK_OR,
	TOK_AND,
	TOK_PLUS,
	TOK_MINUS,
	TOK_STAR,
	TOK_SLASH,
	TOK_PERCENT,
	TOK_BANG,
	TOK_ASSIGN					/* =, known only to be refused politely */
} CedarTok;

typedef struct CedarLexer
{
	CedarArena *arena;
	CedarError *err;
	const char *text;
	size_t		len;
	size_t		pos;			/* behind the current token */
	CedarTok	tok;			/* the current token */
	size_t		start;			/* its first byte */
	size_t		prev_end;		/* end of the token before it */
} CedarLexer;

/*
 * Start on a text: refuses what is not UTF-8 and reads the first token.
 */
extern CedarCode cedar_lexer_init(CedarLexer *lx, CedarArena *arena,
								  const char *text, size_t len, CedarError *err);

/* Read the next token. */
extern CedarCode cedar_lexer_next(CedarLexer *lx);

/* Is the current token this identifier? */
extern bool cedar_lexer_is_word(const CedarLexer *lx, const char *word);

/* Is it a word that cannot be an identifier (`if`, `true`, …)? */
extern bool cedar_is_reserved_word(const char *s, size_t len);

/* "unexpected …" at the current token. */
extern CedarCode cedar_lexer_unexpected(CedarLexer *lx, const char *expected);

/* As in internal.h: it does not give CEDAR_OK. */
#if defined(__clang_analyzer__) && !defined(CEDAR_LEXER_C)
#define cedar_lexer_unexpected(lx, expected) (cedar_lexer_unexpected(lx, expected), CEDAR_ERR_SYNTAX)
#endif

/*
 * Replace escapes in the string token from start to end (quotes included).
 * With pattern, an unescaped or \u-escaped `*` becomes CEDAR_WILDCARD and `\*`
 * the literal star.
 */
extern CedarCode cedar_lexer_unescape(CedarLexer *lx, size_t start, size_t end,
									  bool pattern, const CedarStr **out);

#endif							/* CEDAR_LEXER_H */
