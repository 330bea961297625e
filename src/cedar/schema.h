/*-------------------------------------------------------------------------
 *
 * schema.h
 *	  Cedar schemas: which entity types, attributes, tags, actions and contexts
 *	  there are.  Read from the Cedar schema syntax or from JSON, written as
 *	  either, and resolved for the validator.
 *
 * A CedarSchema and everything it points to lie in the arena it was made in
 * and do not change once made.  Lists are in ascending byte order of names,
 * each name once.
 *
 * Equal types of one schema are one object.  Written out, a type may be large
 * beyond measure (common types of common types); it is nested at most
 * CEDAR_MAX_DEPTH deep.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CEDAR_SCHEMA_H
#define CEDAR_SCHEMA_H

#include "cedar.h"

/* Limits; each has its error (CEDAR_ERR_LIMIT). */
#define CEDAR_MAX_SCHEMA_BYTES	4194304 /* text of one schema */
#define CEDAR_MAX_HIERARCHY		10000000	/* steps up the hierarchies of all entity
											 * types and action groups together */

/* ------------------------------------------------------------------- types */

typedef enum CedarTypeKind
{
	CEDAR_TYPE_NEVER = 0,		/* bottom; of the elements of an empty set */
	CEDAR_TYPE_BOOL,
	CEDAR_TYPE_TRUE,			/* known to be true; in the validator only */
	CEDAR_TYPE_FALSE,
	CEDAR_TYPE_LONG,
	CEDAR_TYPE_STRING,
	CEDAR_TYPE_ENTITY,			/* name: the entity type */
	CEDAR_TYPE_ANY_ENTITY,		/* in the validator only */
	CEDAR_TYPE_SET,				/* elem; NULL: any set, in the validator only */
	CEDAR_TYPE_RECORD,			/* attrs; open: more may exist, in the validator only */
	CEDAR_TYPE_DECIMAL,
	CEDAR_TYPE_IPADDR,
	CEDAR_TYPE_DATETIME,
	CEDAR_TYPE_DURATION
} CedarTypeKind;

typedef struct CedarType CedarType;

typedef struct CedarAttrType
{
	const CedarStr *name;
	const CedarType *type;
	bool		required;
} CedarAttrType;

struct CedarType
{
	CedarTypeKind kind;
	bool		open;
	const CedarStr *name;
	const CedarType *elem;
	uint32_t	n_attrs;
	const CedarAttrType *attrs; /* ascending by name */
};

/* The attribute of a record type, or NULL. */
extern const CedarAttrType *cedar_type_attr(const CedarType *record, const CedarStr *name);

/* ------------------------------------------------------------------ schema */

typedef struct CedarEntityType
{
	const CedarStr *name;		/* fully qualified */
	const CedarType *shape;		/* a closed record; empty for an enumeration */
	const CedarType *tags;		/* NULL: none may exist */
	bool		is_enum;
	uint32_t	n_ids;			/* of an enumeration, at least one */
	const CedarStr **ids;
	uint32_t	n_ancestors;	/* types it may be `in`, transitively; itself when
								 * it is in a cycle */
	const CedarStr **ancestors;
} CedarEntityType;

typedef struct CedarActionType
{
	const CedarUid *uid;
	uint32_t	n_ancestors;	/* action groups, transitively */
	const CedarUid **ancestors;
	uint32_t	n_principals;	/* either 0 for an action that applies to nothing */
	const CedarStr **principals;
	uint32_t	n_resources;
	const CedarStr **resources;
	const CedarType *context;	/* a closed record */
} CedarActionType;

typedef struct CedarSchema
{
	uint32_t	n_entities;
	const CedarEntityType *entities;	/* ascending by name */
	uint32_t	n_actions;
	const CedarActionType *actions; /* ascending by type, then id */
} CedarSchema;

/*
 * Read a schema of the reference's language (cedar-policy 4.13).  With
 * CEDAR_SCHEMA_AUTO a text whose first character that is not white space is
 * `{` is read as JSON.  CEDAR_ERR_SYNTAX or CEDAR_ERR_JSON with the position
 * when it does not parse, CEDAR_ERR_DUPLICATE when a JSON object has a key
 * twice, CEDAR_ERR_ENCODING; CEDAR_ERR_SCHEMA when it is malformed: undeclared
 * or duplicate names, cycles of common types or of action groups, reserved
 * names, unknown members; CEDAR_ERR_LIMIT.  Positions are bytes into the text.
 */
typedef enum CedarSchemaFormat
{
	CEDAR_SCHEMA_AUTO = 0,
	CEDAR_SCHEMA_CEDAR,
	CEDAR_SCHEMA_JSON
} CedarSchemaFormat;

extern CedarCode cedar_schema_parse(CedarArena *arena, const char *text, size_t len,
									CedarSchemaFormat format,
									const CedarSchema **schema, CedarError *err);

/*
 * The schema as JSON, as the reference's schemaToJson writes it.  Fails as
 * cedar_schema_parse does.
 */
extern CedarCode cedar_schema_to_json(CedarArena *arena, const char *text, size_t len,
									  CedarSchemaFormat format,
									  const char **json, size_t *json_len,
									  CedarError *err);

/*
 * The schema in the Cedar schema syntax.  Fails as cedar_schema_parse does, and
 * with CEDAR_ERR_SCHEMA where the syntax cannot say what the JSON says: a shape
 * that is a common type, in a namespace a common type and an entity type of one
 * name.  The text may be of no bytes.
 */
extern CedarCode cedar_schema_to_text(CedarArena *arena, const char *text, size_t len,
									  CedarSchemaFormat format,
									  const char **out, size_t *out_len,
									  CedarError *err);

/* NULL when the schema does not have it. */
extern const CedarEntityType *cedar_schema_entity(const CedarSchema *schema, const CedarStr *name);
extern const CedarEntityType *cedar_schema_entity_of(const CedarSchema *schema, const CedarUid *uid);
extern const CedarActionType *cedar_schema_action(const CedarSchema *schema, const CedarUid *uid);

/* Is the id one of the enumeration? */
extern bool cedar_schema_has_id(const CedarEntityType *type, const CedarUid *uid);

/* May an entity of the type be `in` one of the other?  Types are by name. */
extern bool cedar_schema_type_in(const CedarEntityType *type, const CedarStr *other);

/* Is the action `in` the group?  Itself is not among its ancestors. */
extern bool cedar_schema_action_in(const CedarActionType *action, const CedarUid *group);

#endif							/* CEDAR_SCHEMA_H */
