/*-------------------------------------------------------------------------
 *
 * compat.h
 *	  The differences between PostgreSQL 15, 16, 17 and 18, all of them.
 *
 * Include this right after postgres.h: it must come before fmgr.h.
 *
 *-------------------------------------------------------------------------
 */
#ifndef AUTHZ_COMPAT_H
#define AUTHZ_COMPAT_H

#if PG_VERSION_NUM < 150000
#error "authz needs PostgreSQL 15 or later"
#endif

/* PostgreSQL 16 exports what is marked; we hide the rest in 15 as well. */
#if PG_VERSION_NUM < 160000
#undef PGDLLEXPORT
#define PGDLLEXPORT __attribute__((visibility("default")))
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

/* PostgreSQL 16 moved varlena.h's declarations about; include both names. */
#if PG_VERSION_NUM >= 160000
#include "varatt.h"
#endif

#endif							/* AUTHZ_COMPAT_H */
