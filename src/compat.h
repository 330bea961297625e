/*-------------------------------------------------------------------------
 *
 * compat.h
 *	  The differences between PostgreSQL 15, 16, 17 and 18, all of them.
 *
 * Include this right after postgres.h.
 *
 *-------------------------------------------------------------------------
 */
#ifndef AUTHZ_COMPAT_H
#define AUTHZ_COMPAT_H

#if PG_VERSION_NUM < 150000
#error "authz needs PostgreSQL 15 or later"
#endif

#include "fmgr.h"

/*
 * Our symbols are hidden but for those that the server calls.  PostgreSQL 15
 * marks neither the functions nor the magic block for that.
 */
#if PG_VERSION_NUM < 160000
#undef PGDLLEXPORT
#define PGDLLEXPORT __attribute__((visibility("default")))
#undef PG_FUNCTION_INFO_V1
#define PG_FUNCTION_INFO_V1(funcname) \
extern PGDLLEXPORT Datum funcname(PG_FUNCTION_ARGS); \
extern PGDLLEXPORT const Pg_finfo_record * CppConcat(pg_finfo_,funcname)(void); \
const Pg_finfo_record * \
CppConcat(pg_finfo_,funcname) (void) \
{ \
	static const Pg_finfo_record my_finfo = { 1 }; \
	return &my_finfo; \
} \
extern int no_such_variable
#endif

/* PostgreSQL 18 gave index_beginscan an argument for instrumentation. */
#if PG_VERSION_NUM >= 180000
#define authz_index_beginscan(heap, index, snapshot, nkeys) \
	index_beginscan((heap), (index), (snapshot), NULL, (nkeys), 0)
#define AUTHZ_MODULE_MAGIC PG_MODULE_MAGIC_EXT(.name = "authz", .version = "0.1.0")
#else
#define authz_index_beginscan(heap, index, snapshot, nkeys) \
	index_beginscan((heap), (index), (snapshot), (nkeys), 0)
#define AUTHZ_MODULE_MAGIC PG_MODULE_MAGIC
#endif

/* PostgreSQL 18 writes "does not return" before a declaration. */
#if PG_VERSION_NUM < 180000
#define pg_noreturn __attribute__((noreturn))
#endif

/* PostgreSQL 16 calls a relation's file a locator and a number. */
#if PG_VERSION_NUM >= 160000
#define authz_rel_locator(rel) ((rel)->rd_locator)
#define authz_rel_filenumber(rel) ((rel)->rd_locator.relNumber)
#else
#define authz_rel_locator(rel) ((rel)->rd_node)
#define authz_rel_filenumber(rel) ((rel)->rd_node.relNode)
#endif

/* PostgreSQL 16 asks for the owner of an object of any kind in one way. */
#if PG_VERSION_NUM >= 160000
#define authz_owns_relation(relid, role) object_ownercheck(RelationRelationId, (relid), (role))
#else
#define authz_owns_relation(relid, role) pg_class_ownercheck((relid), (role))
#endif

/* PostgreSQL 17 moved a backend's transaction id; include storage/proc.h. */
#if PG_VERSION_NUM >= 170000
#define authz_my_lxid() (MyProc->vxid.lxid)
#else
#define authz_my_lxid() (MyProc->lxid)
#endif

/* PostgreSQL 16 moved varlena.h's declarations about; include both names. */
#if PG_VERSION_NUM >= 160000
#include "varatt.h"
#endif

/*
 * PostgreSQL 16 keeps whose rights a query's tables are looked at with apart.
 * Those of which nothing is said are looked at with this role's.  Include
 * nodes/parsenodes.h.
 */
#if PG_VERSION_NUM >= 160000
#define AUTHZ_PERMISSIONS(query) ((query)->rteperminfos)
typedef struct RTEPermissionInfo AuthzPermission;
#else
#define AUTHZ_PERMISSIONS(query) ((query)->rtable)
typedef struct RangeTblEntry AuthzPermission;
#endif

#endif							/* AUTHZ_COMPAT_H */
