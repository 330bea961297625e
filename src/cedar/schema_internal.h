/*-------------------------------------------------------------------------
 *
 * schema_internal.h
 *	  A schema as it was written: what its readers make, its writers print
 *	  and schema_resolve.c gives a meaning to.
 *
 * Everything lies in the arena of the call; names are references into it.
 * Every struct that is declared by name begins with the name.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CEDAR_SCHEMA_INTERNAL_H
#define CEDAR_SCHEMA_INTERNAL_H

#include "internal.h"
#include "schema.h"

/* A reference to a type: identifiers joined by `::`, not yet qualified. */
typedef struct DeclName
{
	const CedarStr *name;
	CedarSpan	span;
} DeclName;

typedef struct DeclNote
{
	const CedarStr *key;
	const CedarStr *value;		/* NULL: null in JSON */
} DeclNote;

typedef struct DeclNotes
{
	uint32_t	n;
	const DeclNote *list;		/* ascending by key */
} DeclNotes;

typedef enum DeclTypeKind
{
	DECL_STRING = 0,
	DECL_LONG,
	DECL_BOOLEAN,
	DECL_SET,					/* elem */
	DECL_RECORD,				/* attrs, open */
	DECL_ENTITY,				/* name: of an entity type */
	DECL_COMMON,				/* name: of a common type */
	DECL_ENTITY_OR_COMMON,		/* name: of either */
	DECL_EXTENSION				/* name: one identifier */
} DeclTypeKind;

typedef struct DeclType
{
	uint8_t		kind;
	bool		open;			/* "additionalAttributes": true */
	uint32_t	n;				/* of attrs */
	CedarSpan	span;
	union
	{
		const struct DeclType *elem;
		struct DeclAttr *const *attrs;	/* ascending by name */
		const CedarStr *name;
	}			u;
} DeclType;

typedef struct DeclAttr
{
	const CedarStr *name;
	const DeclType *type;
	bool		optional;
	DeclNotes	notes;
	CedarSpan	span;			/* of the name */
} DeclAttr;

typedef struct DeclCommon
{
	const CedarStr *name;
	CedarSpan	span;			/* of the name, as in the other structs */
	DeclNotes	notes;
	const DeclType *type;
} DeclCommon;

typedef struct DeclEntity
{
	const CedarStr *name;
	CedarSpan	span;
	DeclNotes	notes;
	bool		is_enum;
	uint32_t	n_ids;			/* of an enumeration */
	const CedarStr *const *ids;
	uint32_t	n_parents;
	const DeclName *parents;
	const DeclType *shape;		/* NULL: an empty record */
	const DeclType *tags;		/* NULL: none */
} DeclEntity;

/* A reference to an action; type.name NULL stands for `Action`. */
typedef struct DeclActionRef
{
	const CedarStr *id;
	CedarSpan	span;
	DeclName	type;
} DeclActionRef;

typedef struct DeclAction
{
	const CedarStr *name;		/* its id */
	CedarSpan	span;
	DeclNotes	notes;
	bool		applies;		/* "appliesTo" is there */
	uint32_t	n_principals;
	const DeclName *principals;
	uint32_t	n_resources;
	const DeclName *resources;
	const DeclType *context;	/* NULL: an empty record */
	bool		has_parents;	/* "memberOf" is there, even when empty */
	uint32_t	n_parents;
	const DeclActionRef *parents;
} DeclAction;

/* Lists are ascending by name, and no name is in one of them twice. */
typedef struct DeclNamespace
{
	const CedarStr *name;		/* empty for the empty namespace */
	CedarSpan	span;
	DeclNotes	notes;
	uint32_t	n_commons;
	DeclCommon *const *commons;
	uint32_t	n_entities;
	DeclEntity *const *entities;
	uint32_t	n_actions;
	DeclAction *const *actions;
} DeclNamespace;

typedef struct DeclSchema
{
	uint32_t	n;
	DeclNamespace *const *namespaces;	/* ascending by name */
} DeclSchema;

/* ------------------------------------------------------------ shared parts */

/* Ascending byte order, a prefix first: the order of all lists of a schema. */
extern int	cedar_uid_order(const CedarUid *a, const CedarUid *b);

/*
 * Make the sorted list of pointers to n structs of the given size that begin
 * with their name.  Those of one name stay in the order they were written in.
 */
extern CedarCode cedar_decl_sort(CedarArena *arena, void *structs, uint32_t n,
								 size_t size, void *list, CedarError *err);

/* Add "did you mean" advice when one of the candidates is close to the word. */
typedef struct CedarGuess
{
	const char *word;
	size_t		len;
	const char *best;			/* NULL: none so far */
	size_t		best_len;
	unsigned	distance;
} CedarGuess;

extern void cedar_guess_start(CedarGuess *guess, const char *word, size_t len);
extern void cedar_guess_try(CedarGuess *guess, const char *candidate, size_t len);

/* The error's code; err keeps the hint it has when there is no close name. */
extern CedarCode cedar_guess_hint(const CedarGuess *guess, CedarError *err);

/* As for cedar_hint, see internal.h. */
#if defined(__clang_analyzer__) && !defined(CEDAR_SCHEMA_C)
#define cedar_guess_hint(...) (cedar_guess_hint(__VA_ARGS__), CEDAR_ERR_HOST)
#endif

/* Letters, digits and _, no digit first: an identifier or a reserved word. */
extern bool cedar_is_word(const char *s, size_t len);

/* Identifiers joined by `::`, where `__cedar` may be one, but no other reserved word. */
extern bool cedar_is_internal_name(const char *s, size_t len);

/* The same, but one identifier. */
extern bool cedar_is_internal_ident(const char *s, size_t len);

/* Is any of the name's identifiers `__cedar`? */
extern bool cedar_name_is_internal(const CedarStr *name);

/* May a common type not have this name (`Set`, `Record`, …)? */
extern bool cedar_is_type_keyword(const CedarStr *name);

/* ----------------------------------------------------- readers and writers */

extern CedarCode cedar_schema_read_text(CedarArena *arena, const char *text, size_t len,
										const DeclSchema **decl, CedarError *err);
extern CedarCode cedar_schema_read_json(CedarArena *arena, const char *text, size_t len,
										const DeclSchema **decl, CedarError *err);

/* Give everything its meaning, or say what has none. */
extern CedarCode cedar_schema_resolve(CedarArena *arena, const DeclSchema *decl,
									  const CedarSchema **schema, CedarError *err);

extern CedarCode cedar_schema_write_json(CedarArena *arena, const DeclSchema *decl,
										 const char **json, size_t *len,
										 CedarError *err);
extern CedarCode cedar_schema_write_text(CedarArena *arena, const DeclSchema *decl,
										 const char **text, size_t *len,
										 CedarError *err);

#endif							/* CEDAR_SCHEMA_INTERNAL_H */
