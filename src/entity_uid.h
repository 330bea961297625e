/*-------------------------------------------------------------------------
 *
 * entity_uid.h
 *	  The type entity_uid as other files use it.
 *
 *-------------------------------------------------------------------------
 */
#ifndef AUTHZ_ENTITY_UID_H
#define AUTHZ_ENTITY_UID_H

#include "cedar/cedar.h"

/*
 * On disk: the varlena header, the length of the type, the type, the id.
 * Canonical: two uids are equal exactly when their bytes are.
 */
typedef struct EntityUid
{
	int32		vl_len_;		/* varlena header, do not touch directly */
	uint32		type_len;
	char		bytes[FLEXIBLE_ARRAY_MEMBER];	/* type, then id */
} EntityUid;

#define ENTITY_UID_HDRSZ	offsetof(EntityUid, bytes)

/* A uid's parts where they lie, whatever header and alignment it has. */
typedef struct EntityUidView
{
	const char *type;
	const char *id;
	uint32		type_len;
	uint32		id_len;
} EntityUidView;

/* The value must be detoasted, at least packed. */
extern EntityUidView authz_uid_view(const struct varlena *value);

/* As the library has it, in an arena. */
extern const CedarUid *authz_uid_to_cedar(CedarArena *arena, Datum value);

/* As the type has it, in the current memory context; refuses NUL. */
extern Datum authz_uid_from_cedar(const CedarUid *uid);

/* Parse the text form; what names it in an error. */
extern Datum authz_uid_from_text(const char *text, size_t len,
								 const char *what);

/* Make of a type name and an id. */
extern Datum authz_uid_from_parts(const char *type, size_t type_len,
								  const char *id, size_t id_len);

/* The text form, NUL-terminated, for messages: cut when it is very long. */
extern char *authz_uid_display(const CedarUid *uid);

extern PGDLLEXPORT Datum authz_entity_uid_eq(PG_FUNCTION_ARGS);

#endif							/* AUTHZ_ENTITY_UID_H */
