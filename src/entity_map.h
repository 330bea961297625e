/*-------------------------------------------------------------------------
 *
 * entity_map.h
 *	  Entity types whose entities are rows of the application's own tables.
 *
 * A mapping says which columns of a table are the id, the attributes, the tags
 * and the parents of an entity type.  Its tables are known through views in
 * the schema authz_mapping, one for each table; they keep columns from being
 * dropped or retyped, and name the owner with whose rights is read.
 *
 *-------------------------------------------------------------------------
 */
#ifndef AUTHZ_ENTITY_MAP_H
#define AUTHZ_ENTITY_MAP_H

#include "executor/spi.h"
#include "nodes/execnodes.h"
#include "nodes/primnodes.h"

#include "cedar/build.h"

/* What a column's values are. */
typedef enum AuthzColumnKind
{
	AUTHZ_COLUMN_BOOL,
	AUTHZ_COLUMN_INT2,
	AUTHZ_COLUMN_INT4,
	AUTHZ_COLUMN_INT8,
	AUTHZ_COLUMN_OID,
	AUTHZ_COLUMN_TEXT,			/* and what is stored like it */
	AUTHZ_COLUMN_BPCHAR,
	AUTHZ_COLUMN_NAME,
	AUTHZ_COLUMN_UUID,
	AUTHZ_COLUMN_ENUM,
	AUTHZ_COLUMN_MACADDR,		/* its text */
	AUTHZ_COLUMN_NUMERIC,
	AUTHZ_COLUMN_TIMESTAMP,		/* with or without time zone */
	AUTHZ_COLUMN_DATE,
	AUTHZ_COLUMN_INTERVAL,
	AUTHZ_COLUMN_INET,			/* and cidr */
	AUTHZ_COLUMN_JSON,
	AUTHZ_COLUMN_JSONB
} AuthzColumnKind;

typedef struct AuthzColumn
{
	char	   *name;			/* in the view */
	AttrNumber	attnum;			/* in the rows that are read */
	AuthzColumnKind kind;		/* of an element, for an array */
	bool		array;
	Oid			type;			/* without domains; of an element */
	int16		typlen;
	bool		typbyval;
	char		typalign;
	FmgrInfo	output;			/* for those that are known by their text */
} AuthzColumn;

/* A uid made of columns. */
typedef struct AuthzReference
{
	const CedarStr *type;		/* NULL: type_column says which */
	AuthzColumn *type_column;
	int			n_types;
	char	  **type_texts;		/* what the column says ... */
	const CedarStr **types;		/* ... and which type that is */
	int			n_columns;
	AuthzColumn **columns;
} AuthzReference;

/* A table, through its view. */
typedef struct AuthzMapTable
{
	Oid			view;
	char	   *view_name;
	Oid			owner;
	bool		invoker;		/* read as the caller */
	int			n_columns;
	AuthzColumn *columns;
	int			n_keys;
	AuthzColumn **keys;			/* the id's columns, in the order of the id */

	/* read by an index of the table itself; else through the executor */
	bool		direct;
	Oid			relid;
	Oid			index;
	int		   *key_places;		/* of index columns among the keys */
	bool		unique;			/* the index is, and it is immediate */
	Expr	   *filter;			/* over the table's columns; NULL: none */
	bool		allowed;		/* the owner may read what it needs to */

	SPIPlanPtr	plan;			/* NULL until first used */
	const char *plan_text;		/* its query */
	Oid			plan_user;		/* for whom it was made */
} AuthzMapTable;

typedef struct AuthzMapAttr
{
	const CedarStr *name;
	AuthzColumn *column;		/* NULL: a reference */
	AuthzReference *reference;
} AuthzMapAttr;

/* A table of memberships: rows name the parents of an entity. */
typedef struct AuthzMapLink
{
	AuthzMapTable *table;
	AuthzReference *parent;
} AuthzMapLink;

typedef struct AuthzMapping
{
	const CedarStr *type;
	uint32		type_hash;
	MemoryContext cxt;			/* of what is below; NULL: not loaded yet */
	uint64		serial;			/* no other one loaded has it; not 0 */
	AuthzMapTable *table;
	int			n_attrs;
	AuthzMapAttr *attrs;
	int			n_parents;
	AuthzReference **parents;
	int			n_links;
	AuthzMapLink *links;
	AuthzColumn *tags;			/* json of all of them; NULL: none */
	AuthzMapTable *tags_table;	/* NULL, or a row for each of them */
	AuthzColumn *tags_key;
	AuthzColumn *tags_value;
} AuthzMapping;

/* All mappings of one moment. */
typedef struct AuthzMaps AuthzMaps;

/*
 * The mappings as of now, held until they are released; NULL when there is
 * none.
 */
extern AuthzMaps *authz_maps_acquire(MemoryContext cxt);

/*
 * The mapping of a uid's type, ready for use, or NULL: that type is not
 * mapped.  Raises when it is mapped but cannot be read.
 */
extern AuthzMapping *authz_maps_find(AuthzMaps *maps, const CedarUid *uid);

/* Has a type as declared, of a column or in a row, the values that the column has? */
extern bool authz_column_has_type(const AuthzColumn *column, Oid declared);

/*
 * With whose rights the view is read by a query: the owner's, or InvalidOid: the
 * caller's.  What a mapping's view calls is of its owner's choice, so a superuser
 * reads none of others with rights of its own.
 */
extern Oid	authz_map_table_user(const AuthzMapTable *table);

/* May the table's owner read what the mapping needs?  Raises when not. */
extern void authz_map_table_allow(AuthzMapTable *table);

extern void authz_map_init(void);

#endif							/* AUTHZ_ENTITY_MAP_H */
