/*-------------------------------------------------------------------------
 *
 * cedar.h
 *	  The Cedar policy language as a plain C11 library.
 *
 * What is here: parsing of policies, compilation to a position-independent
 * piece, entities and requests from JSON, evaluation and authorization, with
 * the meaning of the reference implementation (language version 4.5,
 * https://docs.cedarpolicy.com).
 *
 * The library knows nothing of PostgreSQL.  Memory comes from an arena over
 * the host's allocator and is given back only as a whole arena.  Failures
 * come back as a CedarCode, with the facts in a CedarError that the caller
 * owns.  No function here keeps state between calls; two threads may use the
 * library at once when each has its own arena.
 *
 * A host callback may leave by longjmp: nothing but arena memory is held.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CEDAR_H
#define CEDAR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CEDAR_LANGUAGE_VERSION	"4.5"

/* Limits; each has its error (CEDAR_ERR_LIMIT). */
#define CEDAR_MAX_DEPTH			1000	/* nesting of an expression */
#define CEDAR_MAX_JSON_DEPTH	128		/* nesting of a JSON document */
#define CEDAR_MAX_POLICY_BYTES	1048576 /* source text of one policy */
#define CEDAR_MAX_SET_SIZE		1000000 /* elements of a set in JSON */
#define CEDAR_MAX_STEPS			10000000	/* nodes and set elements that the
											 * evaluation of one policy visits */

typedef enum CedarCode
{
	CEDAR_OK = 0,

	/* failures of a call */
	CEDAR_ERR_NOMEM,			/* the host's allocator gave nothing */
	CEDAR_ERR_STACK,			/* the host says that the stack is too deep */
	CEDAR_ERR_ENCODING,			/* input is not UTF-8 */
	CEDAR_ERR_SYNTAX,			/* policy text does not parse */
	CEDAR_ERR_JSON,				/* JSON text does not parse */
	CEDAR_ERR_ENTITY,			/* well-formed JSON, malformed entity or value */
	CEDAR_ERR_REQUEST,			/* well-formed JSON, malformed request */
	CEDAR_ERR_DUPLICATE,		/* duplicate key, entity or policy id */
	CEDAR_ERR_CYCLE,			/* parents form a cycle */
	CEDAR_ERR_SCHEMA,			/* a schema is malformed, or data do not fit it */
	CEDAR_ERR_LIMIT,			/* one of the limits above */
	CEDAR_ERR_IMAGE,			/* a compiled policy is damaged or too new */
	CEDAR_ERR_HOST,				/* a host callback failed */

	/* failures of one policy's evaluation: the policy is skipped */
	CEDAR_EVAL_TYPE,			/* operand has the wrong type */
	CEDAR_EVAL_OVERFLOW,		/* 64-bit overflow */
	CEDAR_EVAL_NO_ENTITY,		/* entity is not in the store */
	CEDAR_EVAL_NO_ATTR,			/* record or entity lacks the attribute */
	CEDAR_EVAL_NO_TAG,			/* entity lacks the tag */
	CEDAR_EVAL_EXTENSION,		/* extension function refused its argument */
	CEDAR_EVAL_ARITY,			/* extension function has other arguments */
	CEDAR_EVAL_UNLINKED			/* a slot without a value */
} CedarCode;

/*
 * Facts about a failure.  offset and length are bytes into the text that was
 * given (policy text or JSON text); has_position is false where there is no
 * such text.  Strings are UTF-8, NUL-terminated, cut at a character boundary.
 */
typedef struct CedarError
{
	CedarCode	code;
	bool		has_position;
	size_t		offset;
	size_t		length;
	char		message[256];
	char		hint[192];		/* advice as a full sentence, or empty */
} CedarError;

/* What the library needs of its host.  Callbacks other than alloc may be NULL. */
typedef struct CedarHost
{
	void	   *(*alloc) (void *userdata, size_t size); /* NULL: out of memory */
	void		(*release) (void *userdata, void *block);
	bool		(*stack_is_too_deep) (void *userdata);
	void		(*check_interrupt) (void *userdata);	/* may longjmp away */
	void	   *userdata;
} CedarHost;

typedef struct CedarArena CedarArena;

/* NULL when the host has no memory.  The host struct is copied. */
extern CedarArena *cedar_arena_create(const CedarHost *host);

/* Gives every block back to the host; the arena itself is gone too. */
extern void cedar_arena_destroy(CedarArena *arena);

/* Forgets everything allocated but keeps the first block for reuse. */
extern void cedar_arena_reset(CedarArena *arena);

/* Eight-byte aligned, not zeroed; NULL when the host has no memory. */
extern void *cedar_arena_alloc(CedarArena *arena, size_t size);

/* Bytes taken from the host so far. */
extern size_t cedar_arena_bytes(const CedarArena *arena);

/* ---------------------------------------------------------------- values */

typedef enum CedarKind
{
	CEDAR_BOOL = 0,
	CEDAR_LONG,
	CEDAR_STRING,
	CEDAR_ENTITY,
	CEDAR_SET,
	CEDAR_RECORD,
	CEDAR_DECIMAL,				/* i: value times 10,000 */
	CEDAR_IPADDR,
	CEDAR_DATETIME,				/* i: milliseconds since 1970-01-01T00:00:00Z */
	CEDAR_DURATION				/* i: milliseconds */
} CedarKind;

#define CEDAR_KIND_COUNT (CEDAR_DURATION + 1)

/*
 * Everything below is position independent: it can be copied or mapped
 * elsewhere as a block.  Hashes are computed by this library's current
 * version; they are quick rejections, never proof of equality, and are not
 * stable between versions.
 */
typedef struct CedarStr
{
	uint32_t	hash;
	uint32_t	len;
	char		bytes[];		/* UTF-8, may hold NUL, no terminator */
} CedarStr;

typedef struct CedarUid
{
	uint32_t	hash;			/* of type and id */
	uint32_t	type_hash;		/* equal to the hash of a CedarStr of the type */
	uint32_t	type_len;
	uint32_t	id_len;
	char		bytes[];		/* type, then id */
} CedarUid;

typedef struct CedarIp
{
	uint8_t		is_v6;
	uint8_t		prefix;			/* 0..32 or 0..128 */
	uint8_t		addr[16];		/* network order; IPv4 in the first four */
} CedarIp;

/*
 * A stored value.  For STRING, ENTITY, SET, RECORD and IPADDR rel is the
 * distance in bytes from the slot itself to the object.
 */
typedef struct CedarSlot
{
	uint32_t	kind;
	uint32_t	hash;
	union
	{
		int64_t		i;
		int64_t		rel;
	}			u;
} CedarSlot;

typedef struct CedarSet
{
	uint32_t	n;
	uint32_t	hash;
	CedarSlot	elems[];		/* in canonical order, no two equal */
} CedarSet;

typedef struct CedarField
{
	CedarSlot	key;			/* a STRING */
	CedarSlot	value;
} CedarField;

typedef struct CedarRecord
{
	uint32_t	n;
	uint32_t	hash;
	CedarField	fields[];		/* in canonical order of the keys */
} CedarRecord;

/* A value in hand: a slot with its reference resolved. */
typedef struct CedarValue
{
	uint32_t	kind;
	uint32_t	hash;
	union
	{
		int64_t		i;			/* BOOL (0, 1), LONG, DECIMAL, DATETIME, DURATION */
		const CedarStr *str;
		const CedarUid *uid;
		const CedarSet *set;
		const CedarRecord *rec;
		const CedarIp *ip;
	}			u;
} CedarValue;

/* The value's type in the field's words: "bool", "long", "set", ... */
extern const char *cedar_kind_name(CedarKind kind);

/* Structural equality as `==` has it.  Values of different types are unequal. */
extern bool cedar_value_equal(const CedarValue *a, const CedarValue *b);

/* ------------------------------------------------------------------ uids */

/*
 * Make a uid of a type name (`App::User`) and an id.  The type must be a
 * Cedar name in normal form (identifiers joined by `::`, none reserved).
 * CEDAR_ERR_ENTITY when it is not.
 */
extern CedarCode cedar_uid_make(CedarArena *arena,
								const char *type, size_t type_len,
								const char *id, size_t id_len,
								const CedarUid **uid, CedarError *err);

/* Parse the text form, `App::User::"alice"` with Cedar's escapes. */
extern CedarCode cedar_uid_parse(CedarArena *arena,
								 const char *text, size_t len,
								 const CedarUid **uid, CedarError *err);

/*
 * Write the text form with Cedar's escapes; returns the bytes it takes, and
 * writes at most size of them, no terminator.
 */
extern size_t cedar_uid_print(const CedarUid *uid, char *buf, size_t size);

extern bool cedar_uid_equal(const CedarUid *a, const CedarUid *b);

/* Is it a Cedar name in normal form, e.g. an entity type? */
extern bool cedar_is_name(const char *text, size_t len);

/* -------------------------------------------------------------- entities */

typedef struct CedarUidSet CedarUidSet;

/*
 * One entity.  ancestors is filled by the library when a policy first asks
 * `in` of this entity; everything else does not change.
 */
typedef struct CedarEntity
{
	const CedarUid *uid;
	const CedarRecord *attrs;
	const CedarRecord *tags;
	uint32_t	n_parents;
	const CedarUid *const *parents;
	const CedarUidSet *ancestors;
} CedarEntity;

/*
 * Where entities are looked up.  find gives NULL for an entity that is not
 * there; any code but CEDAR_OK ends the whole authorization.  An entity must
 * stay as it is until the caller of cedar_authorize has its answer.
 * arena is where ancestors are kept: it must live as long as the entities.
 * climb, where not NULL, is asked to fill entity->ancestors, which is NULL,
 * for a host that has kept them; it may call cedar_entity_ancestors (build.h),
 * which is what is done without it.
 */
typedef struct CedarEntitySource
{
	CedarCode	(*find) (void *userdata, const CedarUid *uid,
						 CedarEntity **entity, CedarError *err);
	CedarCode	(*climb) (void *userdata, CedarEntity *entity, CedarError *err);
	void	   *userdata;
	CedarArena *arena;
} CedarEntitySource;

typedef struct CedarEntities CedarEntities;

/*
 * Read the reference's entities JSON: an array of {uid, attrs, parents, tags}.
 * The whole is refused for an entity that is malformed (CEDAR_ERR_ENTITY),
 * two differing ones with one uid (CEDAR_ERR_DUPLICATE) or a cycle of parents
 * (CEDAR_ERR_CYCLE).
 */
extern CedarCode cedar_entities_from_json(CedarArena *arena,
										  const char *text, size_t len,
										  CedarEntities **entities,
										  CedarError *err);

/* The source that serves exactly these entities. */
extern CedarEntitySource cedar_entities_source(CedarEntities *entities);

/*
 * Build one entity from its parts: attributes and tags as JSON objects (tags
 * may be NULL for none).  The parents array is kept by reference.
 * CEDAR_ERR_ENTITY when a value has no Cedar type; positions are bytes into
 * the JSON text at fault, *fault says which: "attrs" or "tags".
 */
extern CedarCode cedar_entity_build(CedarArena *arena, const CedarUid *uid,
									const char *attrs, size_t attrs_len,
									const char *tags, size_t tags_len,
									const CedarUid *const *parents,
									uint32_t n_parents,
									CedarEntity **entity,
									const char **fault, CedarError *err);

/*
 * One entity of two with one uid: over's attributes and tags, those of under
 * whose keys over has not, and the parents of both.  Values are taken whole:
 * a record within over hides one within under.  What the result refers to is
 * the two's; neither is changed.
 */
extern CedarCode cedar_entity_merge(CedarArena *arena, const CedarEntity *over,
									const CedarEntity *under,
									CedarEntity **entity, CedarError *err);

/* Is the entity's type named Action (in any namespace)? */
extern bool cedar_uid_is_action(const CedarUid *uid);

/* -------------------------------------------------------------- requests */

typedef struct CedarRequest
{
	const CedarUid *principal;
	const CedarUid *action;
	const CedarUid *resource;
	const CedarRecord *context;
} CedarRequest;

/*
 * Read {"principal", "action", "resource", "context"}; a uid is
 * {"type", "id"}, {"__entity": {…}} or a string in text form.  context may be
 * absent (an empty record).  CEDAR_ERR_REQUEST names the member at fault.
 */
extern CedarCode cedar_request_from_json(CedarArena *arena,
										 const char *text, size_t len,
										 CedarRequest *request, CedarError *err);

/*
 * Read a JSON array of such requests.  *fault is the number, from 0, of the
 * request at fault, CEDAR_NO_REQUEST when it is the array itself.
 */
#define CEDAR_NO_REQUEST UINT32_MAX
extern CedarCode cedar_requests_from_json(CedarArena *arena,
										  const char *text, size_t len,
										  CedarRequest **requests, uint32_t *n,
										  uint32_t *fault, CedarError *err);

/* Read a context: a JSON object. */
extern CedarCode cedar_context_from_json(CedarArena *arena,
										 const char *text, size_t len,
										 const CedarRecord **context,
										 CedarError *err);

/* -------------------------------------------------------------- policies */

typedef struct CedarAst CedarAst;	/* a parsed list of policies */

/*
 * Parse any number of policies and templates.  CEDAR_ERR_SYNTAX with the
 * position when the text does not parse.
 */
extern CedarCode cedar_parse(CedarArena *arena, const char *text, size_t len,
							 CedarAst **ast, CedarError *err);

/* Like cedar_parse, but the text must hold exactly one policy or template. */
extern CedarCode cedar_parse_one(CedarArena *arena, const char *text,
								 size_t len, CedarAst **ast, CedarError *err);

extern uint32_t cedar_ast_count(const CedarAst *ast);

/* Does policy i have slots (?principal, ?resource)? */
extern bool cedar_ast_is_template(const CedarAst *ast, uint32_t i);

typedef enum CedarSlotName
{
	CEDAR_SLOT_PRINCIPAL,
	CEDAR_SLOT_RESOURCE
} CedarSlotName;

/* Does policy i have this slot? */
extern bool cedar_ast_has_slot(const CedarAst *ast, uint32_t i, CedarSlotName slot);

/*
 * The value of an annotation of policy i, not NUL-terminated, and its length;
 * of no bytes when it is written without one, NULL when it is not there.
 */
extern const char *cedar_ast_annotation(const CedarAst *ast, uint32_t i,
										const char *key, size_t *len);

/* Byte range of policy i in the text. */
extern void cedar_ast_range(const CedarAst *ast, uint32_t i,
							size_t *offset, size_t *length);

/*
 * A compiled policy: one position-independent block (docs/image.md).
 * Positions in it count from the start of the text that was parsed.
 */
typedef struct CedarPiece CedarPiece;

extern CedarCode cedar_compile(CedarArena *arena, const CedarAst *ast,
							   uint32_t i, const CedarPiece **piece,
							   size_t *size, CedarError *err);

/*
 * Check a block that came from elsewhere (shared memory, a file) before use:
 * CEDAR_ERR_IMAGE unless every offset and value in it is sound.  The time is
 * linear in the size.  Nothing is allocated: the arena stands for its host,
 * which is asked about stack and interrupts.
 */
extern CedarCode cedar_piece_verify(const CedarArena *arena, const void *block,
									size_t size, CedarError *err);

extern bool cedar_piece_is_template(const CedarPiece *piece);
extern bool cedar_piece_is_forbid(const CedarPiece *piece);
extern size_t cedar_piece_size(const CedarPiece *piece);

/* --------------------------------------------------------- authorization */

/*
 * A policy, or a template linked with the values of its slots.  Several may
 * share one piece.
 */
typedef struct CedarPolicy
{
	const CedarPiece *piece;
	const char *id;				/* for the caller; not looked at */
	uint32_t	id_len;
	const CedarUid *principal;	/* value of ?principal; NULL: none */
	const CedarUid *resource;	/* value of ?resource; NULL: none */
} CedarPolicy;

/* Has every slot that the template has a value?  True for what is no template. */
extern bool cedar_policy_is_linked(const CedarPolicy *policy);

typedef struct CedarPolicyError
{
	uint32_t	policy;			/* index into the policies asked */
	CedarError	error;
} CedarPolicyError;

/*
 * A decision.  reasons are the indexes, ascending, of the policies that
 * determined it: the satisfied forbids, or for an allow the satisfied permits.
 * (Where there are layers, they are in the order of the policies' ids.)
 */
typedef struct CedarDecision
{
	bool		allow;
	uint32_t	n_reasons;
	const uint32_t *reasons;
	uint32_t	n_errors;
	const CedarPolicyError *errors;
} CedarDecision;

/*
 * A scope index: which of n policies can apply to a request, by the uids and
 * types that their scopes name.  One position-independent block that refers to
 * policies by their number; it goes with exactly these policies in this order.
 */
typedef struct CedarIndex CedarIndex;

extern CedarCode cedar_index_build(CedarArena *arena, const CedarPolicy *policies,
								   uint32_t n, const CedarIndex **index,
								   size_t *size, CedarError *err);

/* Check a block that came from elsewhere, like cedar_piece_verify. */
extern CedarCode cedar_index_verify(const CedarArena *arena, const void *block,
									size_t size, uint32_t n, CedarError *err);

/*
 * An image: compiled policies, their ids, the values of their slots and a scope
 * index as one position-independent block (docs/image.md).  Its policies are
 * numbered in the order of their ids' bytes.
 */
typedef struct CedarImage CedarImage;
typedef struct CedarImagePlan CedarImagePlan;

/*
 * Measure the image of these policies, which must be in the order of their ids,
 * no two equal; links of one template share its piece.  The plan is the arena's
 * and refers to the policies.
 */
extern CedarCode cedar_image_plan(CedarArena *arena, const CedarPolicy *policies,
								  uint32_t n, CedarImagePlan **plan, size_t *size,
								  CedarError *err);

/* Write it into size bytes at a multiple of 8. */
extern void cedar_image_write(const CedarImagePlan *plan, void *block);

/* Check the header of a block alone: is it an image that this library reads? */
extern CedarCode cedar_image_check(const void *block, size_t size, CedarError *err);

/* Check all of a block that came from elsewhere, like cedar_piece_verify. */
extern CedarCode cedar_image_verify(const CedarArena *arena, const void *block,
									size_t size, CedarError *err);

extern uint32_t cedar_image_count(const CedarImage *image);
extern size_t cedar_image_size(const CedarImage *image);

/* Policy number (0 to count - 1); what it refers to is in the image. */
extern void cedar_image_policy(const CedarImage *image, uint32_t number,
							   CedarPolicy *policy);

/* The number of the policy with this id, if there is one. */
extern bool cedar_image_find(const CedarImage *image, const char *id,
							 size_t id_len, uint32_t *number);

/* An image as part of a set of policies. */
typedef struct CedarLayer
{
	const CedarImage *image;
	const uint32_t *gone;		/* bits by number: no longer there; NULL: all are */
} CedarLayer;

/*
 * What is asked: layers of images, or an array of policies with or without an
 * index.  Policies are numbered from the first layer's to the last one's.  An
 * id must not occur twice, but for those that are gone.
 */
typedef struct CedarPolicies
{
	uint32_t	n_layers;		/* 0: the array */
	const CedarLayer *layers;
	const CedarPolicy *array;
	uint32_t	n;				/* in the array */
	const CedarIndex *index;	/* of the array, or NULL */
	uint64_t	serial;			/* no others have it; 0: they have none */
} CedarPolicies;

/* Numbers are below this; those that are gone have theirs too. */
extern uint32_t cedar_policies_count(const CedarPolicies *policies);

/* Policy number; false when it is gone. */
extern bool cedar_policies_get(const CedarPolicies *policies, uint32_t number,
							   CedarPolicy *policy);

/*
 * Decide a request: deny unless a permit and no forbid is satisfied.
 * Templates among the policies that are not linked are passed over.  A policy whose evaluation
 * fails is skipped and reported; every other failure is the call's own
 * failure and leaves no decision.  With reasons_wanted false the walk may
 * stop as soon as the answer is known and reasons and errors are empty.
 * With an index only the policies it names are looked at, else all of them;
 * the decision is the same.  Reasons and errors are in the order of the array,
 * or of the ids where there are layers.
 */
extern CedarCode cedar_decide(CedarArena *arena, const CedarPolicies *policies,
							  const CedarEntitySource *source,
							  const CedarRequest *request,
							  bool reasons_wanted,
							  CedarDecision *decision, CedarError *err);

/*
 * What decisions for one principal and one action have in common, kept so that
 * the next need not find it out again.  It goes with one set of policies and
 * with entities that all stay as they are, those of principal and action at
 * their place; the request's two uids, at their place, too.
 */
typedef struct CedarKept CedarKept;

/* Empty; what it keeps lies in the arena.  NULL when out of memory. */
extern CedarKept *cedar_kept_create(CedarArena *arena);

/*
 * The same decision; kept may be NULL.  Without it, and where the policies have a
 * serial, what goes by the principal is kept with what the principal is in, if
 * that is a set that lasts (cedar_uidset_last).
 */
extern CedarCode cedar_decide_kept(CedarArena *arena, const CedarPolicies *policies,
								   const CedarEntitySource *source,
								   const CedarRequest *request, CedarKept *kept,
								   bool reasons_wanted,
								   CedarDecision *decision, CedarError *err);

/* The same of an array; index may be NULL. */
extern CedarCode cedar_authorize(CedarArena *arena,
								 const CedarPolicy *policies, uint32_t n,
								 const CedarIndex *index,
								 const CedarEntitySource *source,
								 const CedarRequest *request,
								 bool reasons_wanted,
								 CedarDecision *decision, CedarError *err);

/* The reference's response: {"decision":…,"diagnostics":{"reason":…,"errors":…}} */
extern CedarCode cedar_decision_to_json(CedarArena *arena,
										const CedarDecision *decision,
										const CedarPolicy *policies,
										const char **json, size_t *len,
										CedarError *err);

/* The response's errors alone: [{"policyId":…,"error":{"message":…,…}},…] */
extern CedarCode cedar_errors_to_json(CedarArena *arena,
									  const CedarDecision *decision,
									  const CedarPolicies *policies,
									  const char **json, size_t *len,
									  CedarError *err);

#endif							/* CEDAR_H */
