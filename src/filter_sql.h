/*-------------------------------------------------------------------------
 *
 * filter_sql.h
 *	  What is left of policies, as SQL over the rows of an entity type.
 *
 *-------------------------------------------------------------------------
 */
#ifndef AUTHZ_FILTER_SQL_H
#define AUTHZ_FILTER_SQL_H

#include "cedar/partial.h"
#include "entity_map.h"

/* The rows that a condition is for: entities of one type. */
typedef struct AuthzFilterRows
{
	CedarVar	var;			/* what stands for a row in the residuals */
	const CedarStr *type;
	AuthzMaps  *maps;			/* NULL: nothing is mapped */
	AuthzMapping *mapping;		/* NULL: the rows are those of authz.entities */
	const char *alias;			/* of the table in the query, quoted */
	const char *alias_name;		/* the same, not quoted */
	bool		base;			/* the table itself is queried, not the view */
	bool		at_run_time;	/* the principal is known when the query runs */
	const CedarEntitySource *source;
	CedarArena *arena;
	CedarError *err;
} AuthzFilterRows;

/* A condition that is one equality of a column with a literal; else NULLs. */
typedef struct AuthzFilterEquality
{
	char	   *left;
	char	   *right;
} AuthzFilterEquality;

/*
 * The condition under which a row satisfies the residual: true exactly then,
 * else false or null.  NULL when SQL cannot say it; *why tells what is in the
 * way.
 */
extern char *authz_filter_condition(const AuthzFilterRows *rows, const CedarExpr *residual,
									AuthzFilterEquality *equality, const char **why);

/* A row's entity_uid as an expression. */
extern char *authz_filter_uid(const AuthzFilterRows *rows);

/* What rows are ordered by: their id. */
extern char *authz_filter_order(const AuthzFilterRows *rows);

/* The condition that a row comes after this one; NULL: there is no such row. */
extern char *authz_filter_after(const AuthzFilterRows *rows, const CedarUid *uid);

/* What the table is called in a query that gives it no other name. */
extern char *authz_filter_default_alias(const AuthzFilterRows *rows);

/* What the table behind the mapping's view calls a column. */
extern const char *authz_filter_base_column(const AuthzMapTable *table, const AuthzColumn *column);

/* The mapping's own condition on the table itself, or NULL. */
extern char *authz_filter_where(const AuthzFilterRows *rows);

/* What the rows are in: the mapping's table or view, or authz.entities; quoted. */
extern char *authz_filter_relation(const AuthzFilterRows *rows);

#endif							/* AUTHZ_FILTER_SQL_H */
