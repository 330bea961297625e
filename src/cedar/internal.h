/*-------------------------------------------------------------------------
 *
 * internal.h
 *	  What the files of the Cedar library share among themselves: errors,
 *	  hashing, building values, the AST and the compiled form.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CEDAR_INTERNAL_H
#define CEDAR_INTERNAL_H

#include <string.h>

#include "build.h"

#define CEDAR_STATIC_ASSERT(cond, msg) _Static_assert(cond, msg)

/* ------------------------------------------------------- arena and errors */

extern void *cedar_arena_zalloc(CedarArena *arena, size_t size);
extern void *cedar_arena_copy(CedarArena *arena, const void *src, size_t size);
extern bool cedar_arena_stack_is_too_deep(const CedarArena *arena);
extern void cedar_arena_check_interrupt(const CedarArena *arena);

/*
 * Bytes of a text that are gone through between two looks for an interrupt:
 * some ten microseconds of work.
 */
#define CEDAR_BYTES_PER_CHECK 65536

/* To be called with every new position; *next is where to look again. */
static inline void
cedar_check_interrupt_at(const CedarArena *arena, size_t pos, size_t *next)
{
	if (pos >= *next)
	{
		*next = pos + CEDAR_BYTES_PER_CHECK;
		cedar_arena_check_interrupt(arena);
	}
}

/* A place in an arena to return to; what was allocated since is forgotten. */
typedef struct CedarMark
{
	struct CedarBlock *block;
	size_t		used;
} CedarMark;

#if defined(__GNUC__)
#define CEDAR_PRINTF(a, b) __attribute__((format(printf, a, b)))
#define CEDAR_LIKELY(x) __builtin_expect(!!(x), 1)
#define CEDAR_UNLIKELY(x) __builtin_expect(!!(x), 0)
#define CEDAR_COLD __attribute__((cold, noinline))
#define CEDAR_NOINLINE __attribute__((noinline))
#define CEDAR_ALWAYS_INLINE inline __attribute__((always_inline))
#define CEDAR_PREFETCH(p) __builtin_prefetch(p)
#else
#define CEDAR_PRINTF(a, b)
#define CEDAR_LIKELY(x) (x)
#define CEDAR_UNLIKELY(x) (x)
#define CEDAR_COLD
#define CEDAR_NOINLINE
#define CEDAR_ALWAYS_INLINE inline
#define CEDAR_PREFETCH(p) ((void) (p))
#endif

/* Blocks from the host; all of an arena but its look is in arena.c. */
typedef struct CedarBlock
{
	struct CedarBlock *prev;
	size_t		size;			/* usable bytes behind this header */
} CedarBlock;

struct CedarArena
{
	CedarHost	host;
	CedarBlock *block;			/* the newest */
	size_t		used;			/* of the newest */
	size_t		bytes;			/* of all blocks */
};

extern void cedar_arena_drop_blocks(CedarArena *arena, const CedarBlock *keep);

static inline CedarMark
cedar_arena_mark(const CedarArena *arena)
{
	return (CedarMark) {arena->block, arena->used};
}

static inline void
cedar_arena_release(CedarArena *arena, CedarMark mark)
{
	if (CEDAR_UNLIKELY(arena->block != mark.block))
		cedar_arena_drop_blocks(arena, mark.block);
	arena->used = mark.used;
}

/* Pass a failure on to the caller. */
#define TRY(call) \
	do { \
		CedarCode	try_ = (call); \
		if (CEDAR_UNLIKELY(try_ != CEDAR_OK)) \
			return try_; \
	} while (0)

/* Fill an error without a position; returns the code. */
extern CedarCode cedar_fail(CedarError *err, CedarCode code,
							const char *fmt,...) CEDAR_PRINTF(3, 4);

/* Fill an error with its position. */
extern CedarCode cedar_fail_at(CedarError *err, CedarCode code,
							   size_t offset, size_t length,
							   const char *fmt,...) CEDAR_PRINTF(5, 6);
extern CedarCode cedar_hint(CedarError *err, const char *fmt,...) CEDAR_PRINTF(2, 3);
extern CedarCode cedar_nomem(CedarError *err);
extern CedarCode cedar_stack(CedarError *err);

/*
 * The static analyzer does not look into other files: it must be told that
 * none of these gives CEDAR_OK, behind which results would be missing.
 */
#if defined(__clang_analyzer__) && !defined(CEDAR_UTIL_C)
#define cedar_fail(err, code, ...) (cedar_fail(err, code, __VA_ARGS__), (code))
#define cedar_fail_at(err, code, ...) (cedar_fail_at(err, code, __VA_ARGS__), (code))
#define cedar_hint(...) (cedar_hint(__VA_ARGS__), CEDAR_ERR_HOST)
#define cedar_nomem(err) (cedar_nomem(err), CEDAR_ERR_NOMEM)
#define cedar_stack(err) (cedar_stack(err), CEDAR_ERR_STACK)
#endif

/* Length of the part of s that fits max bytes without cutting a character. */
extern size_t cedar_utf8_clip(const char *s, size_t len, size_t max);

/* Offset of the first byte that is not UTF-8, or len when all of it is. */
extern size_t cedar_utf8_invalid_at(const char *s, size_t len);

/* The same for a long text: looks for interrupts on the way. */
extern size_t cedar_text_invalid_at(const CedarArena *arena, const char *s, size_t len);

/* Write a code point; returns the bytes (1..4). */
extern int	cedar_utf8_put(char *buf, uint32_t cp);

/* Read a code point from valid UTF-8; advances *p. */
extern uint32_t cedar_utf8_get(const char **p);

/* Write a character as it stands in a string literal; returns the bytes, advances *p. */
#define CEDAR_ESCAPE_MAX 16
extern int	cedar_escape_char(const char **p, char *buf);

/* "%.*s" arguments of a quoted excerpt for a message. */
#define CEDAR_EXCERPT_MAX 64
#define CEDAR_EXCERPT(s, n) (int) cedar_utf8_clip((s), (n), CEDAR_EXCERPT_MAX), (s)

/* ----------------------------------------------------------------- values */

extern uint32_t cedar_hash_bytes(const void *data, size_t len, uint32_t seed);
extern uint32_t cedar_hash_mix(uint32_t a, uint32_t b);

/*
 * The checksum of a block (a compiled policy, an index): of everything behind
 * the place where it is kept.  It finds accidents, not forgeries.
 */
#define CEDAR_CHECKSUM_AT 8
extern uint64_t cedar_block_checksum(const void *block, size_t size);
extern uint32_t cedar_hash_value(CedarKind kind, int64_t i);

extern void cedar_str_init(CedarStr *str, const char *s, size_t len);
extern size_t cedar_uid_size(size_t type_len, size_t id_len);
extern void cedar_uid_init(CedarUid *uid, const char *type, size_t type_len,
						   const char *id, size_t id_len);

static inline bool
cedar_str_equal(const CedarStr *a, const CedarStr *b)
{
	return a == b ||
		(a->hash == b->hash && a->len == b->len &&
		 cedar_bytes_equal(a->bytes, b->bytes, a->len));
}

/* Ascending byte order, a prefix first: the order of all lists of names. */
extern int	cedar_str_order(const CedarStr *a, const CedarStr *b);

/* Is the uid's type this one? */
static inline bool
cedar_uid_has_type(const CedarUid *uid, const CedarStr *type)
{
	return uid->type_hash == type->hash && uid->type_len == type->len &&
		cedar_bytes_equal(uid->bytes, type->bytes, type->len);
}

static inline bool
cedar_kind_is_reference(uint32_t kind)
{
	return kind == CEDAR_STRING || kind == CEDAR_ENTITY || kind == CEDAR_SET ||
		kind == CEDAR_RECORD || kind == CEDAR_IPADDR;
}

static inline CedarValue
cedar_slot_value(const CedarSlot *slot)
{
	CedarValue	v;

	v.kind = slot->kind;
	v.hash = slot->hash;
	if (cedar_kind_is_reference(slot->kind))
		v.u.str = (const CedarStr *) ((const char *) slot + slot->u.rel);
	else
		v.u.i = slot->u.i;
	return v;
}

static inline void
cedar_slot_set(CedarSlot *slot, const CedarValue *v)
{
	slot->kind = v->kind;
	slot->hash = v->hash;
	if (cedar_kind_is_reference(v->kind))
		slot->u.rel = (const char *) v->u.str - (const char *) slot;
	else
		slot->u.i = v->u.i;
}

static inline const CedarStr *
cedar_slot_str(const CedarSlot *slot)
{
	return (const CedarStr *) ((const char *) slot + slot->u.rel);
}

/* Total order in which sets keep their elements: kind, hash, then content. */
extern int	cedar_value_compare(const CedarValue *a, const CedarValue *b);

/*
 * What walking over a value costs, in steps of evaluation: one for each value
 * in it and for every CEDAR_BYTES_PER_STEP bytes of text.
 */
#define CEDAR_BYTES_PER_STEP 256
extern uint64_t cedar_value_cost(const CedarValue *v);

/*
 * Sort n elements of up to 24 bytes in place, without allocating.  The arena's
 * host is asked for interrupts.
 */
extern void cedar_sort(const CedarArena *arena, void *base, uint32_t n, size_t width,
					   int (*cmp) (const void *, const void *));

/*
 * The first of n keys that equals an earlier one, or n.  keys is an array of
 * elements of the given size that begin with a CedarStr pointer.
 */
extern CedarCode cedar_find_duplicate(CedarArena *arena, const void *keys,
									  uint32_t n, size_t size, uint32_t *which,
									  CedarError *err);

extern bool cedar_set_contains(const CedarSet *set, const CedarValue *v);
extern const CedarSlot *cedar_record_get(const CedarRecord *rec, const CedarStr *key);

/* Copy a value, with everything it refers to, to one place at *p. */
extern size_t cedar_value_flat_size(const CedarValue *v);
extern void cedar_slot_flatten(CedarSlot *slot, const CedarValue *v, char **p);

/* A short text of a value for messages ("`User::\"alice\"`", "42", "a set"). */
extern const char *cedar_value_describe(const CedarValue *v, char *buf, size_t size);

/* ----------------------------------------------------- growing an array */

extern bool cedar_grow(CedarArena *arena, void **array, uint32_t *cap,
					   uint32_t need, size_t elem);

/* -------------------------------------------------- extension functions */

typedef enum CedarFn
{
	CEDAR_FN_DECIMAL = 0,
	CEDAR_FN_LESS_THAN,
	CEDAR_FN_LESS_THAN_OR_EQUAL,
	CEDAR_FN_GREATER_THAN,
	CEDAR_FN_GREATER_THAN_OR_EQUAL,
	CEDAR_FN_IP,
	CEDAR_FN_IS_IPV4,
	CEDAR_FN_IS_IPV6,
	CEDAR_FN_IS_LOOPBACK,
	CEDAR_FN_IS_MULTICAST,
	CEDAR_FN_IS_IN_RANGE,
	CEDAR_FN_DATETIME,
	CEDAR_FN_DURATION,
	CEDAR_FN_OFFSET,
	CEDAR_FN_DURATION_SINCE,
	CEDAR_FN_TO_DATE,
	CEDAR_FN_TO_TIME,
	CEDAR_FN_TO_MILLISECONDS,
	CEDAR_FN_TO_SECONDS,
	CEDAR_FN_TO_MINUTES,
	CEDAR_FN_TO_HOURS,
	CEDAR_FN_TO_DAYS
} CedarFn;

#define CEDAR_FN_COUNT (CEDAR_FN_TO_DAYS + 1)

typedef struct CedarFnInfo
{
	const char *name;
	uint8_t		arity;
	bool		is_method;
} CedarFnInfo;

extern const CedarFnInfo cedar_functions[CEDAR_FN_COUNT];

/* -1 when there is no such function. */
extern int	cedar_fn_lookup(const char *name, size_t len);

/* What a function takes as its i-th argument, and what it gives. */
extern CedarKind cedar_fn_argument_kind(CedarFn fn, uint32_t i);
extern CedarKind cedar_fn_result_kind(CedarFn fn);

/* Apply; CEDAR_EVAL_* on a refusal, err filled without a position. */
extern CedarCode cedar_fn_call(CedarArena *arena, CedarFn fn,
							   const CedarValue *args, uint32_t n,
							   CedarValue *result, CedarError *err);

/* ------------------------------------------------------------------ JSON */

typedef enum CedarJsonType
{
	CEDAR_JSON_NULL,
	CEDAR_JSON_FALSE,
	CEDAR_JSON_TRUE,
	CEDAR_JSON_INT,
	CEDAR_JSON_NUMBER,			/* any other number: no Cedar value */
	CEDAR_JSON_STRING,
	CEDAR_JSON_ARRAY,
	CEDAR_JSON_OBJECT
} CedarJsonType;

/* A JSON node; offset and length are its bytes in the text. */
typedef struct CedarJson
{
	uint8_t		type;
	uint32_t	n;				/* elements or members */
	size_t		offset;
	size_t		length;
	union
	{
		int64_t		i;
		const CedarStr *str;
		const struct CedarJson *elems;
		const struct CedarJsonMember *members;
	}			u;
} CedarJson;

typedef struct CedarJsonMember
{
	const CedarStr *key;
	size_t		key_offset;
	size_t		key_length;
	CedarJson	value;
} CedarJsonMember;

/* Parse a whole JSON text (RFC 8259); duplicate keys are CEDAR_ERR_DUPLICATE. */
extern CedarCode cedar_json_parse(CedarArena *arena, const char *text, size_t len,
								  CedarJson *json, CedarError *err);

/* The member of an object, or NULL. */
extern const CedarJson *cedar_json_get(const CedarJson *object, const char *key);

/* Append a JSON string literal, quotes included, to a growing buffer. */
typedef struct CedarBuf
{
	CedarArena *arena;
	char	   *data;
	size_t		len;
	size_t		cap;
	bool		failed;			/* out of memory; data is not to be used */
} CedarBuf;

extern void cedar_buf_append(CedarBuf *buf, const char *s, size_t len);
extern void cedar_buf_puts(CedarBuf *buf, const char *s);
extern void cedar_buf_json_string(CedarBuf *buf, const char *s, size_t len);

/* ------------------------------------------------------------------- AST */

/*
 * Operators of the AST and of the compiled form.  The order of the binary
 * operators is that of the names in cedar_op_name().
 */
typedef enum CedarOp
{
	CEDAR_OP_LIT = 0,			/* lit */
	CEDAR_OP_VAR,				/* n: CedarVar */
	CEDAR_OP_SLOT,				/* n: CedarVar of ?principal or ?resource */
	CEDAR_OP_IF,				/* a, b, c */
	CEDAR_OP_AND,				/* list */
	CEDAR_OP_OR,				/* list */
	CEDAR_OP_NOT,				/* a */
	CEDAR_OP_NEG,				/* a */
	CEDAR_OP_EQ,				/* a, b */
	CEDAR_OP_NE,
	CEDAR_OP_LT,
	CEDAR_OP_LE,
	CEDAR_OP_GT,
	CEDAR_OP_GE,
	CEDAR_OP_ADD,
	CEDAR_OP_SUB,
	CEDAR_OP_MUL,
	CEDAR_OP_IN,
	CEDAR_OP_CONTAINS,
	CEDAR_OP_CONTAINS_ALL,
	CEDAR_OP_CONTAINS_ANY,
	CEDAR_OP_GET_TAG,
	CEDAR_OP_HAS_TAG,
	CEDAR_OP_IS_EMPTY,			/* a */
	CEDAR_OP_GET_ATTR,			/* a, name */
	CEDAR_OP_HAS_ATTR,			/* a, names (a.b.c) */
	CEDAR_OP_LIKE,				/* a, pattern */
	CEDAR_OP_IS,				/* a, name; b when `is … in` */
	CEDAR_OP_SET,				/* list */
	CEDAR_OP_RECORD,			/* list of values, names of keys */
	CEDAR_OP_CALL				/* list, n: CedarFn */
} CedarOp;

#define CEDAR_OP_COUNT (CEDAR_OP_CALL + 1)

typedef enum CedarVar
{
	CEDAR_VAR_PRINCIPAL = 0,
	CEDAR_VAR_ACTION,
	CEDAR_VAR_RESOURCE,
	CEDAR_VAR_CONTEXT
} CedarVar;

extern const char *const cedar_var_names[4];

/*
 * A pattern of `like` is a CedarStr in which the byte 0xFF, which UTF-8 never
 * holds, stands for the wildcard.
 */
#define CEDAR_WILDCARD ((char) 0xFF)

typedef struct CedarExpr
{
	uint8_t		op;
	uint8_t		n;				/* see CedarOp */
	uint16_t	depth;			/* nesting below and including this node */
	uint32_t	offset;			/* bytes in the policy text */
	uint32_t	length;
	uint32_t	count;			/* of list, and of names */
	struct CedarExpr *a;
	struct CedarExpr *b;
	struct CedarExpr *c;
	struct CedarExpr **list;
	const CedarStr **names;		/* attribute, type, pattern, keys */
	bool		constant;		/* noted by the compiler: lit is its value */
	CedarValue	lit;
} CedarExpr;

typedef enum CedarScopeOp
{
	CEDAR_SCOPE_ANY = 0,
	CEDAR_SCOPE_EQ,
	CEDAR_SCOPE_IN,				/* any of uids */
	CEDAR_SCOPE_IS,
	CEDAR_SCOPE_IS_IN
} CedarScopeOp;

/* A part of the policy text, in bytes. */
typedef struct CedarSpan
{
	uint32_t	offset;
	uint32_t	length;
} CedarSpan;

typedef struct CedarAstScope
{
	uint8_t		op;
	bool		slot;			/* the uid is the variable's slot */
	uint32_t	offset;			/* bytes in the policy text */
	uint32_t	length;
	const CedarStr *type;
	CedarSpan	type_at;
	uint32_t	n;
	const CedarUid **uids;
	CedarSpan  *uids_at;		/* of each */
} CedarAstScope;

typedef struct CedarAstAnnotation
{
	const CedarStr *key;
	const CedarStr *value;		/* NULL when written without one */
	uint32_t	offset;
	uint32_t	length;
} CedarAstAnnotation;

typedef struct CedarAstCond
{
	bool		is_unless;
	CedarExpr  *expr;
} CedarAstCond;

typedef struct CedarAstPolicy
{
	bool		forbid;
	bool		template;
	size_t		offset;
	size_t		length;
	uint32_t	n_annotations;
	CedarAstAnnotation *annotations;
	CedarAstScope scope[3];		/* principal, action, resource */
	uint32_t	n_conds;
	CedarAstCond *conds;
} CedarAstPolicy;

struct CedarAst
{
	uint32_t	n;
	uint32_t	cap;
	CedarAstPolicy *policies;
};

/* -------------------------------------------------------------- compiled */

#define CEDAR_PIECE_MAGIC	0x31524443	/* "CDR1", little-endian */
#define CEDAR_PIECE_FORMAT	3
#define CEDAR_NONE			UINT32_MAX

/*
 * A node of the compiled form.  Its meaning by operator; offsets are bytes
 * from the start of the piece, node numbers index the node array, and lists
 * are arrays of node numbers.
 *
 * LIT			a: offset of a slot
 * VAR, SLOT	n: variable
 * IF			a, b, c: nodes
 * AND, OR, SET	a: offset of the list, b: its length
 * unary		a: node
 * binary		a, b: nodes
 * GET_ATTR		a: node, b: offset of a string
 * HAS_ATTR		a: node, b: offset of an array of string offsets, c: its length
 * LIKE			a: node, b: offset of the pattern string
 * IS			a: node, b: offset of the type string, c: node or NONE
 * RECORD		a: offset of the list, b: its length, c: offset of the keys' array,
 *				in ascending byte order of the keys
 * CALL			n: function, a: offset of the list, b: its length
 */
typedef struct CedarNode
{
	uint8_t		op;
	uint8_t		n;
	uint16_t	depth;
	uint32_t	a;
	uint32_t	b;
	uint32_t	c;
} CedarNode;

typedef struct CedarScope
{
	uint8_t		op;				/* CedarScopeOp */
	uint8_t		slot;
	uint16_t	unused;
	uint32_t	type;			/* offset of a string, 0 when none */
	uint32_t	n;				/* uids */
	uint32_t	uids;			/* offset of an array of uid offsets */
} CedarScope;

struct CedarPiece
{
	uint32_t	magic;
	uint32_t	format;
	uint64_t	checksum;		/* of everything behind it */
	uint32_t	size;			/* of the whole block, a multiple of 8 */
	uint8_t		forbid;
	uint8_t		template;
	uint16_t	unused;
	CedarScope	scope[3];
	uint32_t	n_nodes;
	uint32_t	nodes;			/* offset; 8-byte aligned */
	uint32_t	spans;			/* offset of n_nodes spans */
	uint32_t	root;			/* node of the condition, or NONE */
};

CEDAR_STATIC_ASSERT(sizeof(CedarSlot) == 16, "slots are 16 bytes");
CEDAR_STATIC_ASSERT(sizeof(CedarField) == 32, "fields are two slots");
CEDAR_STATIC_ASSERT(sizeof(CedarNode) == 16, "nodes are 16 bytes");
CEDAR_STATIC_ASSERT(sizeof(CedarScope) == 16, "scopes are 16 bytes");
CEDAR_STATIC_ASSERT(sizeof(struct CedarPiece) == 88, "the header has no padding");
CEDAR_STATIC_ASSERT(offsetof(struct CedarPiece, checksum) == CEDAR_CHECKSUM_AT,
					"the checksum is where cedar_block_checksum expects it");

static inline const CedarNode *
cedar_piece_nodes(const CedarPiece *p)
{
	return (const CedarNode *) ((const char *) p + p->nodes);
}

#endif							/* CEDAR_INTERNAL_H */
