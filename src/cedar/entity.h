/*-------------------------------------------------------------------------
 *
 * entity.h
 *	  Parts of reading entities and requests from JSON, for readers that know
 *	  the schema.
 *
 * A CedarJson is looked at while it is read; values and uids keep strings of
 * it, which lie in the same arena.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CEDAR_ENTITY_H
#define CEDAR_ENTITY_H

#include "internal.h"

/* A hash table by uid; n entities are in it. */
struct CedarEntities
{
	CedarArena *arena;
	uint32_t	n;
	uint32_t	cap;			/* of table: power of two, or 0 */
	CedarEntity **table;		/* NULL where a place is free */
};

/* "entities must be an array", at what they are. */
extern CedarCode cedar_entities_no_array(const CedarJson *j, CedarError *err);

/* Room for n entities. */
extern CedarCode cedar_entities_create(CedarArena *arena, uint32_t n,
									   CedarEntities **entities, CedarError *err);

/* Where the entity with this uid is, or would be. */
extern CedarEntity **cedar_entities_place(const CedarEntities *entities,
										  const CedarUid *uid);

/*
 * Put it in; CEDAR_ERR_DUPLICATE, at the JSON's position, when a differing one
 * with its uid is there.
 */
extern CedarCode cedar_entities_add(CedarEntities *entities, CedarEntity *entity,
									const CedarJson *j, CedarError *err);

/* CEDAR_ERR_CYCLE when parents form one. */
extern CedarCode cedar_entities_check_cycles(CedarEntities *entities, CedarError *err);

/* An entity before its attributes and tags are read; tags may be NULL. */
typedef struct CedarOpenEntity
{
	const CedarJson *attrs;		/* an object */
	const CedarJson *tags;		/* an object */
	const CedarJson *uid;
	const CedarJson *parents;	/* an array, in the order of entity->parents */
} CedarOpenEntity;

extern CedarCode cedar_entity_open(CedarArena *arena, const CedarJson *j,
								   CedarEntity *entity, CedarOpenEntity *open,
								   CedarError *err);

/* A value as it is written, without a type to go by. */
extern CedarCode cedar_value_from_json(CedarArena *arena, const CedarJson *j,
									   CedarValue *value, CedarError *err);

/* A uid where one must stand: {"type", "id"}, within __entity or not. */
extern CedarCode cedar_uid_from_json(CedarArena *arena, const CedarJson *j,
									 const char *what, const CedarUid **uid,
									 CedarError *err);

/*
 * Read a request but for its context, which is NULL when there is none; where
 * has the members of principal, action and resource, for positions.
 */
extern CedarCode cedar_request_open(CedarArena *arena, const CedarJson *j,
									CedarRequest *request,
									const CedarJson *where[3],
									const CedarJson **context, CedarError *err);

/* Give an error of the value's own the value's position. */
extern CedarCode cedar_error_at(const CedarJson *j, CedarError *err);

#endif							/* CEDAR_ENTITY_H */
