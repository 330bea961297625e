/*-------------------------------------------------------------------------
 *
 * build.h
 *	  Building values, entities and sets of uids without JSON, for a host that
 *	  has them in a form of its own.
 *
 * What is given by reference must live in the arena, or as long as it does.
 * Strings must be UTF-8.  NULL means that the arena's host has no memory.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CEDAR_BUILD_H
#define CEDAR_BUILD_H

#include <string.h>

#include "cedar.h"

extern const CedarStr *cedar_str_make(CedarArena *arena, const char *s, size_t len);

/* A uid of a type name and an id that are known to be well-formed. */
extern CedarUid *cedar_uid_build(CedarArena *arena, const char *type, size_t type_len,
								 const char *id, size_t id_len);

/* The value that a JSON text is; errors as with cedar_entity_build. */
extern CedarCode cedar_value_parse_json(CedarArena *arena, const char *text, size_t len,
										CedarValue *value, CedarError *err);

/*
 * The value that a constructor of an extension type (ip, decimal, datetime,
 * duration) makes of a string.  False for what is none, and without memory; the
 * reader of JSON texts tells why.
 */
extern bool cedar_extension_make(CedarArena *arena, const char *fn, size_t fn_len,
								 const CedarStr *arg, CedarValue *value);

/* Of BOOL, LONG, DECIMAL, DATETIME or DURATION; CedarValue says in what unit. */
extern CedarValue cedar_value_scalar(CedarKind kind, int64_t i);

/* The bytes of the address that are not used must be zero. */
extern CedarValue cedar_value_ip(const CedarIp *ip);

static inline uint64_t
cedar_eight_bytes(const char *p)
{
	uint64_t	word;

	memcpy(&word, p, sizeof(word));
	return word;
}

static inline uint32_t
cedar_four_bytes(const char *p)
{
	uint32_t	word;

	memcpy(&word, p, sizeof(word));
	return word;
}

/* memcmp() == 0 without a call: names and ids are short. */
static inline bool
cedar_bytes_equal(const char *a, const char *b, size_t n)
{
	/* the last word may overlap the one before */
	if (n >= 8)
	{
		for (size_t i = 0; i + 8 < n; i += 8)
			if (cedar_eight_bytes(a + i) != cedar_eight_bytes(b + i))
				return false;
		return cedar_eight_bytes(a + n - 8) == cedar_eight_bytes(b + n - 8);
	}
	if (n >= 4)
		return cedar_four_bytes(a) == cedar_four_bytes(b) &&
			cedar_four_bytes(a + n - 4) == cedar_four_bytes(b + n - 4);
	for (size_t i = 0; i < n; i++)
		if (a[i] != b[i])
			return false;
	return true;
}

/* cedar_uid_equal, inline. */
static inline bool
cedar_uid_same(const CedarUid *a, const CedarUid *b)
{
	return a == b ||
		(a->hash == b->hash && a->type_len == b->type_len && a->id_len == b->id_len &&
		 cedar_bytes_equal(a->bytes, b->bytes, (size_t) a->type_len + a->id_len));
}

static inline CedarValue
cedar_value_str(const CedarStr *str)
{
	return (CedarValue) {CEDAR_STRING, str->hash, {.str = str}};
}

static inline CedarValue
cedar_value_uid(const CedarUid *uid)
{
	return (CedarValue) {CEDAR_ENTITY, uid->hash, {.uid = uid}};
}

static inline CedarValue
cedar_value_set(const CedarSet *set)
{
	return (CedarValue) {CEDAR_SET, set->hash, {.set = set}};
}

static inline CedarValue
cedar_value_rec(const CedarRecord *rec)
{
	return (CedarValue) {CEDAR_RECORD, rec->hash, {.rec = rec}};
}

/* Make a set of n values (reordered in place); NULL when out of memory. */
extern const CedarSet *cedar_set_make(CedarArena *arena, CedarValue *values, uint32_t n);

typedef struct CedarPair
{
	const CedarStr *key;
	CedarValue	value;
} CedarPair;

/*
 * Make a record of n pairs (reordered in place); NULL when out of memory or,
 * with *duplicate set to the key, when two keys are equal.
 */
extern const CedarRecord *cedar_record_make(CedarArena *arena, CedarPair *pairs,
											uint32_t n, const CedarStr **duplicate);

/*
 * A set of uids, open addressing by uid->hash.  What cedar_entity_ancestors
 * fills in; a host that keeps one may put it back into an entity.
 */
struct CedarUidSet
{
	uint32_t	n;
	uint32_t	cap;			/* power of two, or 0 */
	const CedarUid **slots;
	struct CedarLasting *lasting;	/* NULL: nothing is kept with it */
};

extern CedarUidSet *cedar_uidset_create(CedarArena *arena);

/*
 * The set does not change any more, and lasts: what a search finds for who is in
 * exactly this set may be kept with it, in the arena, for as long as both are
 * there.  False when out of memory.
 */
extern bool cedar_uidset_last(CedarUidSet *set, CedarArena *arena);

/* CEDAR_OK; *added tells whether it was new. */
extern CedarCode cedar_uidset_add(CedarArena *arena, CedarUidSet *set,
								  const CedarUid *uid, bool *added);

static inline bool
cedar_uidset_has(const CedarUidSet *set, const CedarUid *uid)
{
	if (set->n == 0)
		return false;
	for (uint32_t h = uid->hash;; h++)
	{
		const CedarUid *u = set->slots[h & (set->cap - 1)];

		if (u == NULL)
			return false;
		if (cedar_uid_same(u, uid))
			return true;
	}
}

/*
 * Fill e->ancestors by a walk through source: all that e is in, itself not
 * among them.  CEDAR_ERR_CYCLE when it is.
 */
extern CedarCode cedar_entity_ancestors(const CedarEntitySource *source,
										CedarEntity *e, CedarError *err);

/*
 * Walk up from e, passing over what is in done and adding what was gone
 * through.  CEDAR_ERR_CYCLE when a cycle is met; done is then of no use.
 */
extern CedarCode cedar_entity_walk(const CedarEntitySource *source, CedarEntity *e,
								   CedarUidSet *done, CedarError *err);

#endif							/* CEDAR_BUILD_H */
