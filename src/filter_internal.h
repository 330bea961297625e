/*-------------------------------------------------------------------------
 *
 * filter_internal.h
 *	  What the two files of conditions share: filter_rows.c, which knows
 *	  tables, columns and hierarchies, and filter_sql.c, which knows expressions.
 *
 *-------------------------------------------------------------------------
 */
#ifndef AUTHZ_FILTER_INTERNAL_H
#define AUTHZ_FILTER_INTERNAL_H

#include "filter_sql.h"

#define YES "true"
#define NO	"false"

typedef struct Lower
{
	const AuthzFilterRows *rows;
	const char *why;			/* what SQL cannot say; NULL: nothing yet */
	int			subqueries;		/* so far, for their aliases */
	char	   *gate;			/* what is asked at all only if this holds, which
								 * is known when the query runs; NULL: always */
	char	   *equal;			/* the last condition that was an equality ... */
	AuthzFilterEquality equality;	/* ... of these */
} Lower;

/* A condition: when it is true, when it is false. */
typedef struct Cond
{
	char	   *yes;
	char	   *no;
} Cond;

typedef enum ValueForm
{
	VALUE_LITERAL,
	VALUE_COLUMN,				/* sql, of the column's type */
	VALUE_LONG,					/* sql of type int8 */
	VALUE_REFERENCE,			/* ids of an entity */
	VALUE_ROW,					/* the row's entity itself */
	VALUE_JSON,					/* sql of type jsonb: any value of Cedar in JSON */
	VALUE_COND,					/* a bool, as a condition */
	VALUE_RUN_TIME,				/* of the principal alone; sql is its token */
	VALUE_NONE					/* fails */
} ValueForm;

typedef struct Value
{
	ValueForm	form;
	CedarValue	literal;
	const AuthzColumn *column;
	char	   *sql;
	const AuthzReference *reference;
	char	  **ids;			/* of a reference: its columns */
	char	   *type_sql;		/* of a reference: its type column, or NULL */
	Cond		cond;
	bool		always;			/* it is never null */
} Value;

/* Entities that something may be in. */
typedef struct Targets
{
	int			n;
	const CedarUid **uids;
} Targets;

/* ------------------------------------------------------------- conditions */

static inline void
say_why(Lower *l, const char *why)
{
	if (l->why == NULL)
		l->why = why;
}

/* false, which the analyzer sees at every call */
#define cannot(l, why) (say_why((l), (why)), false)

static inline char *
both(char *a, char *b)
{
	if (strcmp(a, NO) == 0 || strcmp(b, YES) == 0)
		return a;
	if (strcmp(b, NO) == 0 || strcmp(a, YES) == 0)
		return b;
	return psprintf("(%s AND %s)", a, b);
}

static inline char *
either(char *a, char *b)
{
	if (strcmp(a, YES) == 0 || strcmp(b, NO) == 0)
		return a;
	if (strcmp(b, YES) == 0 || strcmp(a, NO) == 0)
		return b;
	return psprintf("(%s OR %s)", a, b);
}

/* When is it not so that this is true? */
static inline char *
not_true(char *a)
{
	if (strcmp(a, NO) == 0)
		return pstrdup(YES);
	if (strcmp(a, YES) == 0)
		return pstrdup(NO);
	return psprintf("(%s) IS NOT TRUE", a);
}

static inline Cond
cond_of(bool truth)
{
	return (Cond) {pstrdup(truth ? YES : NO), pstrdup(truth ? NO : YES)};
}

static inline Cond
cond_fails(void)
{
	return (Cond) {pstrdup(NO), pstrdup(NO)};
}

/* Either way only if this holds. */
static inline Cond
cond_if(char *holds, Cond c)
{
	return (Cond) {both(holds, c.yes), both(holds, c.no)};
}

static inline Cond
cond_not(Cond c)
{
	return (Cond) {c.no, c.yes};
}

/* ------------------------------------------------- columns, filter_rows.c */

/* A long as int8. */
extern char *authz_filter_long_sql(const Value *v);

/* The CedarKind of a column's values, of its elements for an array; -1: of any. */
extern int	authz_filter_column_kind(const AuthzColumn *c);

/* A literal of the column's type, or false when it has no such value. */
extern bool authz_filter_column_literal(const AuthzColumn *c, const CedarValue *v, char **sql);

/* What a column's value is compared as. */
extern char *authz_filter_comparable_sql(const AuthzColumn *c, const char *sql);

/* The condition that the column's value is one that Cedar has; it may raise. */
extern char *authz_filter_fits_sql(const AuthzColumn *c, const char *sql);

/* A moment, which a timestamp can hold, as a literal of the column's type. */
extern char *authz_filter_moment_sql(const AuthzColumn *c, int64 ms);

extern char **authz_filter_columns_sql(const AuthzMapTable *table, AuthzColumn *const *columns,
									   int n, const char *alias, bool base);
extern char *authz_filter_view_sql(const AuthzMapTable *table);

/* A value of Cedar as jsonb, in the form of entities JSON; false: it has none. */
extern bool authz_filter_json_sql(const CedarValue *v, char **sql);

/* May the condition name the mapping's views?  They run with the rights that the rows are read with. */
extern bool authz_filter_may_read(Lower *l, const AuthzMapping *mapping);

/* NULL when there is none. */
extern const AuthzMapAttr *authz_filter_attr_find(const AuthzMapping *mapping, const CedarStr *name);

/* The attribute of a row of this table. */
extern void authz_filter_attr_value(const AuthzMapTable *table, const AuthzMapAttr *attr,
									const char *alias, bool base, Value *out);

/* When is the value there? */
extern char *authz_filter_is_there(const Value *v);

/* function of sql/filter.sql, run_time_…, of a value known when the query runs */
extern char *authz_filter_run_time(const char *function, const Value *v, const char *more);

/*
 * When is a reference, or the row, what the value names by then?  mode: "is" that
 * entity, "in" it or something that it is in, "of" the entities of a set.
 */
extern bool authz_filter_among_run_time(Lower *l, const Value *v, const Value *run_time,
										const char *mode, char **out);

/* When is a reference, or the row, one of these? */
extern bool authz_filter_value_among(Lower *l, const Value *v, const Targets *targets, Cond *out);

/* --------------------------------------------- hierarchies, filter_rows.c */

/*
 * When is a row of a mapping one of the targets, or in one of them?  keys are
 * its id's columns; above the mappings on the way here.  NULL when SQL cannot
 * say.
 */
extern char *authz_filter_rows_in(Lower *l, const AuthzMapping *mapping, char *const *keys,
								  const char *alias, bool base, const Targets *targets, List *above);

/* The same of what a reference refers to. */
extern char *authz_filter_reference_in(Lower *l, const Value *v, const Targets *targets, List *above);

/* The row is asked by a function, as a decision asks. */
extern bool authz_filter_row_in_by_function(Lower *l, const Targets *targets, Cond *out);

/* What the right side of `in` names; false when it is neither entity nor entities. */
extern bool authz_filter_targets_of(Lower *l, const CedarValue *v, Targets *out);

/* An entity and all that it is in. */
extern bool authz_filter_targets_above(Lower *l, const CedarUid *uid, Targets *out);

#endif							/* AUTHZ_FILTER_INTERNAL_H */
