/*-------------------------------------------------------------------------
 *
 * entity_uid.c
 *	  The type entity_uid: `App::User::"alice"` as one value.
 *
 * Order and equality are those of the bytes, type first, then id; they
 * depend on no collation, so an index never goes stale when a locale does.
 * Values may come with a short header, compressed or out of line; every
 * function here takes them packed and reads them through EntityUidView.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"
#include "compat.h"

#include "common/hashfn.h"
#include "fmgr.h"
#include "lib/stringinfo.h"
#include "libpq/pqformat.h"
#include "mb/pg_wchar.h"
#include "utils/builtins.h"
#include "utils/memutils.h"

#include "cedar/build.h"
#include "entity_uid.h"
#include "error.h"
#include "host.h"

#define PG_GETARG_UID_PP(n) \
	((struct varlena *) PG_DETOAST_DATUM_PACKED(PG_GETARG_DATUM(n)))

/* A uid in an error message is cut beyond this. */
#define DISPLAY_MAX 200

PG_FUNCTION_INFO_V1(authz_entity_uid_in);
PG_FUNCTION_INFO_V1(authz_entity_uid_out);
PG_FUNCTION_INFO_V1(authz_entity_uid_recv);
PG_FUNCTION_INFO_V1(authz_entity_uid_send);
PG_FUNCTION_INFO_V1(authz_entity_uid_make);
PG_FUNCTION_INFO_V1(authz_entity_uid_type);
PG_FUNCTION_INFO_V1(authz_entity_uid_id);
PG_FUNCTION_INFO_V1(authz_entity_uid_eq);
PG_FUNCTION_INFO_V1(authz_entity_uid_ne);
PG_FUNCTION_INFO_V1(authz_entity_uid_lt);
PG_FUNCTION_INFO_V1(authz_entity_uid_le);
PG_FUNCTION_INFO_V1(authz_entity_uid_gt);
PG_FUNCTION_INFO_V1(authz_entity_uid_ge);
PG_FUNCTION_INFO_V1(authz_entity_uid_cmp);
PG_FUNCTION_INFO_V1(authz_entity_uid_hash);
PG_FUNCTION_INFO_V1(authz_entity_uid_hash_extended);

EntityUidView
authz_uid_view(const struct varlena *value)
{
	EntityUidView view;
	const char *data = VARDATA_ANY(value);
	uint32		size = VARSIZE_ANY_EXHDR(value);

	if (size < sizeof(uint32))
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("entity_uid is damaged")));
	memcpy(&view.type_len, data, sizeof(uint32));	/* may be unaligned */
	if (view.type_len == 0 || view.type_len > size - sizeof(uint32))
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("entity_uid is damaged")));
	view.type = data + sizeof(uint32);
	view.id = view.type + view.type_len;
	view.id_len = size - sizeof(uint32) - view.type_len;
	return view;
}

/* Build the value; the parts are known to be well-formed but for NUL. */
static Datum
uid_build(const char *type, size_t type_len, const char *id, size_t id_len)
{
	EntityUid  *uid;
	size_t		size;

	if (memchr(id, '\0', id_len) != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_UNTRANSLATABLE_CHARACTER),
				 errmsg("entity id must not contain the character NUL"),
				 errdetail("PostgreSQL's text cannot hold it."),
				 errhint("Only the stateless functions, such as cedar_authorize, take such ids.")));
	if (type_len > MaxAllocSize / 4 || id_len > MaxAllocSize / 4)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("entity uid is too long")));

	size = ENTITY_UID_HDRSZ + type_len + id_len;
	uid = palloc(size);
	SET_VARSIZE(uid, size);
	uid->type_len = (uint32) type_len;
	memcpy(uid->bytes, type, type_len);
	memcpy(uid->bytes + type_len, id, id_len);
	return PointerGetDatum(uid);
}

const CedarUid *
authz_uid_to_cedar(CedarArena *arena, Datum value)
{
	struct varlena *packed = PG_DETOAST_DATUM_PACKED(value);
	EntityUidView view = authz_uid_view(packed);
	const CedarUid *uid;

	/* What the type's input functions let in is well-formed. */
	uid = cedar_uid_build(arena, view.type, view.type_len, view.id, view.id_len);
	if (uid == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_OUT_OF_MEMORY),
				 errmsg("out of memory")));
	if ((Pointer) packed != DatumGetPointer(value))
		pfree(packed);
	return uid;
}

Datum
authz_uid_from_cedar(const CedarUid *uid)
{
	return uid_build(uid->bytes, uid->type_len,
					 uid->bytes + uid->type_len, uid->id_len);
}

Datum
authz_uid_from_text(const char *text, size_t len, const char *what)
{
	CedarArena *arena = authz_arena_create(CurrentMemoryContext);
	const CedarUid *uid;
	CedarError	err;
	Datum		result;

	if (cedar_uid_parse(arena, text, len, &uid, &err) != CEDAR_OK)
	{
		/* As for any type's input: what is wrong is the text. */
		if (err.code == CEDAR_ERR_SYNTAX || err.code == CEDAR_ERR_ENTITY)
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_TEXT_REPRESENTATION),
					 errmsg("invalid %s: \"%.*s\"", what,
							pg_mbcliplen(text, (int) len, DISPLAY_MAX), text),
					 errdetail("At character %d: %s.",
							   pg_mbstrlen_with_len(text, (int) Min(err.offset, len)) + 1,
							   err.message),
					 errhint("%s", err.hint[0] != '\0' ? err.hint :
							 "Write a type and a quoted id, such as User::\"alice\".")));
		authz_raise(&err, AUTHZ_TEXT_UID, NULL, 0, what, NULL);
	}
	result = authz_uid_from_cedar(uid);
	cedar_arena_destroy(arena);
	return result;
}

Datum
authz_uid_from_parts(const char *type, size_t type_len,
					 const char *id, size_t id_len)
{
	if (!cedar_is_name(type, type_len))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("invalid entity type: \"%.*s\"",
						pg_mbcliplen(type, (int) type_len, DISPLAY_MAX), type),
				 errhint("A type is a name such as User or App::User.")));
	return uid_build(type, type_len, id, id_len);
}

char *
authz_uid_display(const CedarUid *uid)
{
	size_t		size = cedar_uid_print(uid, NULL, 0);
	char	   *text = palloc(size + 4);

	cedar_uid_print(uid, text, size);
	if (size > DISPLAY_MAX)
	{
		size = pg_mbcliplen(text, (int) size, DISPLAY_MAX);
		memcpy(text + size, "...", 3);
		size += 3;
	}
	text[size] = '\0';
	return text;
}

Datum
authz_entity_uid_in(PG_FUNCTION_ARGS)
{
	char	   *text = PG_GETARG_CSTRING(0);

	return authz_uid_from_text(text, strlen(text), "entity uid");
}

Datum
authz_entity_uid_out(PG_FUNCTION_ARGS)
{
	CedarArena *arena = authz_arena_create(CurrentMemoryContext);
	const CedarUid *uid = authz_uid_to_cedar(arena, PG_GETARG_DATUM(0));
	size_t		size = cedar_uid_print(uid, NULL, 0);
	char	   *text = palloc(size + 1);

	cedar_uid_print(uid, text, size);
	text[size] = '\0';
	cedar_arena_destroy(arena);
	PG_RETURN_CSTRING(text);
}

/* Wire form: int32 length of the type, the type, the id; client encoding. */
Datum
authz_entity_uid_recv(PG_FUNCTION_ARGS)
{
	StringInfo	buf = (StringInfo) PG_GETARG_POINTER(0);
	int32		wire_len = (int32) pq_getmsgint(buf, 4);
	char	   *type;
	char	   *id;
	int			type_len;
	int			id_len;

	if (wire_len <= 0 || wire_len > buf->len - buf->cursor)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_BINARY_REPRESENTATION),
				 errmsg("invalid length of the type in external \"entity_uid\" value")));
	type = pq_getmsgtext(buf, wire_len, &type_len);
	id = pq_getmsgtext(buf, buf->len - buf->cursor, &id_len);
	return authz_uid_from_parts(type, type_len, id, id_len);
}

Datum
authz_entity_uid_send(PG_FUNCTION_ARGS)
{
	struct varlena *value = PG_GETARG_UID_PP(0);
	EntityUidView view = authz_uid_view(value);
	StringInfoData buf;
	char	   *type = pnstrdup(view.type, view.type_len);
	char	   *id = pnstrdup(view.id, view.id_len);
	char	   *wire_type = pg_server_to_client(type, view.type_len);
	char	   *wire_id = pg_server_to_client(id, view.id_len);
	int			type_len = wire_type == type ? view.type_len : strlen(wire_type);
	int			id_len = wire_id == id ? view.id_len : strlen(wire_id);

	pq_begintypsend(&buf);
	pq_sendint32(&buf, type_len);
	pq_sendbytes(&buf, wire_type, type_len);
	pq_sendbytes(&buf, wire_id, id_len);
	PG_RETURN_BYTEA_P(pq_endtypsend(&buf));
}

Datum
authz_entity_uid_make(PG_FUNCTION_ARGS)
{
	text	   *type = PG_GETARG_TEXT_PP(0);
	text	   *id = PG_GETARG_TEXT_PP(1);

	return authz_uid_from_parts(VARDATA_ANY(type), VARSIZE_ANY_EXHDR(type),
								VARDATA_ANY(id), VARSIZE_ANY_EXHDR(id));
}

Datum
authz_entity_uid_type(PG_FUNCTION_ARGS)
{
	EntityUidView view = authz_uid_view(PG_GETARG_UID_PP(0));

	PG_RETURN_TEXT_P(cstring_to_text_with_len(view.type, view.type_len));
}

Datum
authz_entity_uid_id(PG_FUNCTION_ARGS)
{
	EntityUidView view = authz_uid_view(PG_GETARG_UID_PP(0));

	PG_RETURN_TEXT_P(cstring_to_text_with_len(view.id, view.id_len));
}

static int
bytes_compare(const char *a, uint32 a_len, const char *b, uint32 b_len)
{
	int			result = memcmp(a, b, Min(a_len, b_len));

	if (result != 0)
		return result < 0 ? -1 : 1;
	return a_len < b_len ? -1 : (a_len > b_len ? 1 : 0);
}

static int
uid_compare(FunctionCallInfo fcinfo)
{
	struct varlena *a = PG_GETARG_UID_PP(0);
	struct varlena *b = PG_GETARG_UID_PP(1);
	EntityUidView va = authz_uid_view(a);
	EntityUidView vb = authz_uid_view(b);
	int			result;

	result = bytes_compare(va.type, va.type_len, vb.type, vb.type_len);
	if (result == 0)
		result = bytes_compare(va.id, va.id_len, vb.id, vb.id_len);

	/* Index support functions must not leak. */
	PG_FREE_IF_COPY(a, 0);
	PG_FREE_IF_COPY(b, 1);
	return result;
}

Datum
authz_entity_uid_eq(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(uid_compare(fcinfo) == 0);
}

Datum
authz_entity_uid_ne(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(uid_compare(fcinfo) != 0);
}

Datum
authz_entity_uid_lt(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(uid_compare(fcinfo) < 0);
}

Datum
authz_entity_uid_le(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(uid_compare(fcinfo) <= 0);
}

Datum
authz_entity_uid_gt(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(uid_compare(fcinfo) > 0);
}

Datum
authz_entity_uid_ge(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(uid_compare(fcinfo) >= 0);
}

Datum
authz_entity_uid_cmp(PG_FUNCTION_ARGS)
{
	PG_RETURN_INT32(uid_compare(fcinfo));
}

Datum
authz_entity_uid_hash(PG_FUNCTION_ARGS)
{
	struct varlena *value = PG_GETARG_UID_PP(0);
	Datum		result = hash_any((unsigned char *) VARDATA_ANY(value),
								  VARSIZE_ANY_EXHDR(value));

	PG_FREE_IF_COPY(value, 0);
	return result;
}

Datum
authz_entity_uid_hash_extended(PG_FUNCTION_ARGS)
{
	struct varlena *value = PG_GETARG_UID_PP(0);
	Datum		result = hash_any_extended((unsigned char *) VARDATA_ANY(value),
										   VARSIZE_ANY_EXHDR(value),
										   PG_GETARG_INT64(1));

	PG_FREE_IF_COPY(value, 0);
	return result;
}
