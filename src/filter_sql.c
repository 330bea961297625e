/*-------------------------------------------------------------------------
 *
 * filter_sql.c
 *	  What is left of policies, as SQL over the rows of an entity type.
 *
 * Errors.  A condition of Cedar is true, false or fails, and what fails skips
 * its policy.  So each becomes two conditions of SQL: one that is true exactly
 * when it is true, one that is true exactly when it is false; where it fails
 * neither is.  They are put together by AND and OR alone, so null and false
 * mean the same in them, and the order in which SQL evaluates them does not
 * matter.  A value becomes an expression that is null when it fails: Cedar has
 * no null, and a column that is null is an attribute that is absent.
 *
 * Nothing raises but what the decision would raise for as well: a value that
 * Cedar does not have (authz.filter_fits).
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"
#include "compat.h"

#include "catalog/pg_type.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"

#include "error.h"
#include "filter_internal.h"
#include "protect.h"

static bool lower_cond(Lower *l, const CedarExpr *e, Cond *out);
static bool lower_value(Lower *l, const CedarExpr *e, Value *out);

/* -------------------------------------------------- known when it runs */

/* Is the variable in it? */
static bool
speaks_of(const CedarExpr *e, CedarVar var)
{
	check_stack_depth();
	if (e->op == CEDAR_OP_VAR)
		return e->n == var;
	for (uint32 i = 0; e->op != CEDAR_OP_HAS_ATTR && i < e->count; i++)
		if (speaks_of(e->list[i], var))
			return true;
	return (e->a != NULL && speaks_of(e->a, var)) || (e->b != NULL && speaks_of(e->b, var)) ||
		(e->c != NULL && speaks_of(e->c, var));
}

static bool
is_known_later(Lower *l, const CedarExpr *e)
{
	return l->rows->at_run_time && !speaks_of(e, l->rows->var) &&
		speaks_of(e, l->rows->var == CEDAR_VAR_RESOURCE ? CEDAR_VAR_PRINCIPAL : CEDAR_VAR_RESOURCE);
}

static bool
known_later(Lower *l, const CedarExpr *e, Value *out)
{
	CedarResidual residual = {.state = CEDAR_RESIDUAL_OPEN,.expr = e};
	const CedarPiece *piece;
	size_t		size;

	if (cedar_residual_compile(l->rows->arena, &residual, &piece, &size, l->rows->err) != CEDAR_OK)
		authz_raise(l->rows->err, AUTHZ_TEXT_UID, NULL, 0, NULL, NULL);
	memset(out, 0, sizeof(*out));
	out->form = VALUE_RUN_TIME;
	out->sql = authz_protect_token(piece, size);
	return true;
}

/* The function that gives a value of the column's kind; NULL: none does. */
static const char *
run_time_function(int kind)
{
	switch (kind)
	{
		case CEDAR_LONG:
			return "long";
		case CEDAR_STRING:
			return "text";
		case CEDAR_DECIMAL:
			return "decimal";
		case CEDAR_DATETIME:
			return "datetime";
		case CEDAR_DURATION:
			return "duration";
		case CEDAR_IPADDR:
			return "ip";
		default:
			return NULL;
	}
}

/* A column, or a number, as it is compared with such a value. */
static bool
beside_run_time(Lower *l, const Value *v, char **sql, char **guard)
{
	*guard = pstrdup(YES);
	if (v->form == VALUE_LONG)
		*sql = v->sql;
	else if (v->form == VALUE_COLUMN && !v->column->array && v->column->kind == AUTHZ_COLUMN_UUID)
		*sql = psprintf("(%s)::text", v->sql);
	else if (v->form == VALUE_COLUMN && !v->column->array)
	{
		*sql = authz_filter_comparable_sql(v->column, v->sql);
		if (authz_filter_column_kind(v->column) == CEDAR_DECIMAL)
			*guard = authz_filter_fits_sql(v->column, v->sql);
	}
	else
		return cannot(l, "a comparison of the principal with this kind of value");
	return true;
}

static int	value_kind(const Value *v);
static Cond value_cond(Lower *l, const Value *v);

static bool
equal_run_time(Lower *l, const Value *other, const Value *run_time, Cond *out)
{
	int			kind = value_kind(other);
	char	   *sql;
	char	   *guard;
	char	   *yes;

	if (other->form == VALUE_ROW || (other->form == VALUE_REFERENCE && kind == CEDAR_ENTITY))
	{
		if (!authz_filter_among_run_time(l, other, run_time, "is", &yes))
			return false;
		guard = pstrdup(YES);
	}
	else if (kind == CEDAR_BOOL)
	{
		Cond		p = value_cond(l, other);
		Cond		q = value_cond(l, run_time);

		yes = either(both(p.yes, q.yes), both(p.no, q.no));
		guard = pstrdup(YES);
	}
	else
	{
		if (!beside_run_time(l, other, &sql, &guard))
			return false;
		yes = psprintf("%s = %s", sql, authz_filter_run_time(run_time_function(kind), run_time, ""));
	}
	/* Of whatever kind it is then: unequal, unless it fails. */
	*out = cond_if(guard, (Cond) {yes, both(both(authz_filter_is_there(other), authz_filter_is_there(run_time)),
											not_true(yes))});
	return true;
}

static const char *const operators[] = {"=", "<>", "<", "<=", ">", ">="};
static const CedarOp opposites[] = {
	CEDAR_OP_NE, CEDAR_OP_EQ, CEDAR_OP_GE, CEDAR_OP_GT, CEDAR_OP_LE, CEDAR_OP_LT
};
static const CedarOp swapped[] = {
	CEDAR_OP_EQ, CEDAR_OP_NE, CEDAR_OP_GT, CEDAR_OP_GE, CEDAR_OP_LT, CEDAR_OP_LE
};

StaticAssertDecl(CEDAR_OP_GE - CEDAR_OP_EQ + 1 == lengthof(operators), "one for each comparison");

/* other op run_time, of an order; a value of another kind fails. */
static bool
compare_run_time(Lower *l, CedarOp op, const Value *other, const Value *run_time, Cond *out)
{
	const char *function = run_time_function(value_kind(other));
	char	   *sql;
	char	   *guard;
	char	   *value;

	if (!beside_run_time(l, other, &sql, &guard))
		return false;
	value = authz_filter_run_time(function, run_time, "");
	*out = cond_if(guard, (Cond) {psprintf("%s %s %s", sql, operators[op - CEDAR_OP_EQ], value),
					psprintf("%s %s %s", sql, operators[opposites[op - CEDAR_OP_EQ] - CEDAR_OP_EQ], value)});
	return true;
}

/* -------------------------------------------------------------- hierarchies */

static bool
lower_in(Lower *l, const CedarExpr *e, Cond *out)
{
	Value		a,
				b;
	Targets		targets;

	if (!lower_value(l, e->a, &a) || !lower_value(l, e->b, &b))
		return false;
	if (a.form == VALUE_NONE || b.form == VALUE_NONE)
	{
		*out = cond_fails();
		return true;
	}
	if (a.form == VALUE_RUN_TIME && (b.form == VALUE_ROW || b.form == VALUE_REFERENCE))
	{
		char	   *yes;

		if (!authz_filter_among_run_time(l, &b, &a, "in", &yes))
			return false;
		*out = (Cond) {yes, both(both(authz_filter_is_there(&b), authz_filter_run_time("is", &a, ", 'entity'")),
								 not_true(yes))};
		return true;
	}
	if (b.form == VALUE_LITERAL)
	{
		char	   *cond;

		if (!authz_filter_targets_of(l, &b.literal, &targets))
		{
			*out = cond_fails();
			return true;
		}
		if (a.form == VALUE_ROW)
		{
			AuthzMapTable *table;

			if (l->rows->mapping == NULL)
				return authz_filter_row_in_by_function(l, &targets, out);
			table = l->rows->mapping->table;
			cond = authz_filter_rows_in(l, l->rows->mapping,
						   authz_filter_columns_sql(table, table->keys, table->n_keys, l->rows->alias, l->rows->base),
						   l->rows->alias, l->rows->base, &targets, NIL);
			if (cond == NULL)
			{
				l->why = NULL;
				return authz_filter_row_in_by_function(l, &targets, out);
			}
			*out = (Cond) {cond, not_true(cond)};
			return true;
		}
		if (a.form == VALUE_REFERENCE && !a.reference->columns[0]->array)
		{
			cond = authz_filter_reference_in(l, &a, &targets, NIL);
			if (cond == NULL)
				return false;
			*out = (Cond) {cond, both(authz_filter_is_there(&a), not_true(cond))};
			return true;
		}
		return cannot(l, "\"in\" of this kind of value");
	}
	if (a.form == VALUE_LITERAL && a.literal.kind == CEDAR_ENTITY && b.form == VALUE_JSON)
		return cannot(l, "\"in\" what may be one or several");
	if (a.form == VALUE_LITERAL && a.literal.kind == CEDAR_ENTITY &&
		(b.form == VALUE_ROW || b.form == VALUE_REFERENCE))
		return authz_filter_targets_above(l, a.literal.u.uid, &targets) && authz_filter_value_among(l, &b, &targets, out);
	return cannot(l, "\"in\" between two things that differ from row to row");
}

/* -------------------------------------------------------------- comparisons */

/* Values of different types are unequal; if both are there. */
static Cond
unequal(const Value *a, const Value *b)
{
	return (Cond) {pstrdup(NO), both(authz_filter_is_there(a), authz_filter_is_there(b))};
}

/* The kind of a value; -1 when that differs from row to row. */
static int
value_kind(const Value *v)
{
	switch (v->form)
	{
		case VALUE_LITERAL:
			return v->literal.kind;
		case VALUE_COLUMN:
			return v->column->array ? CEDAR_SET : authz_filter_column_kind(v->column);
		case VALUE_LONG:
			return CEDAR_LONG;
		case VALUE_REFERENCE:
			return v->reference->columns[0]->array ? CEDAR_SET : CEDAR_ENTITY;
		case VALUE_ROW:
			return CEDAR_ENTITY;
		case VALUE_COND:
			return CEDAR_BOOL;
		default:
			return -1;
	}
}

/* The condition that JSON of a column is a value of Cedar; what is stored always is. */
static char *
json_fits(const Value *v)
{
	return v->column == NULL ? pstrdup(YES) : authz_filter_fits_sql(v->column, v->sql);
}

static Cond
value_cond(Lower *l, const Value *v)
{
	switch (v->form)
	{
		case VALUE_COND:
			return v->cond;
		case VALUE_LITERAL:
			return v->literal.kind == CEDAR_BOOL ? cond_of(v->literal.u.i != 0) : cond_fails();
		case VALUE_COLUMN:
			if (value_kind(v) == CEDAR_BOOL)
				return (Cond) {v->sql, psprintf("NOT %s", v->sql)};
			return cond_fails();
		case VALUE_RUN_TIME:
			return (Cond) {authz_filter_run_time("bool", v, ""),
				psprintf("NOT %s", authz_filter_run_time("bool", v, ""))};
		case VALUE_JSON:
			return cond_if(json_fits(v), (Cond) {psprintf("%s = 'true'::jsonb", v->sql),
						   psprintf("%s = 'false'::jsonb", v->sql)});
		default:
			return cond_fails();
	}
}

/* A column of moments against a literal, in a form that an index can answer. */
static bool
compare_moment(const Value *a, CedarOp op, int64 ms, Cond *out)
{
	const AuthzColumn *c = a->column;
	char	   *from;
	char	   *until;
	char	   *before;
	char	   *upto;

	/* what a timestamp can hold, with room for its last millisecond */
	if (c->kind != AUTHZ_COLUMN_TIMESTAMP ||
		ms < INT64CONST(-210000000000000) || ms > INT64CONST(9000000000000000))
		return false;
	from = authz_filter_moment_sql(c, ms);
	until = authz_filter_moment_sql(c, ms + 1);
	before = psprintf("%s < %s", a->sql, from);
	upto = psprintf("%s < %s", a->sql, until);
	switch (op)
	{
		case CEDAR_OP_EQ:
			*out = (Cond) {psprintf("(%s >= %s AND %s)", a->sql, from, upto),
				psprintf("(%s OR %s >= %s)", before, a->sql, until)};
			break;
		case CEDAR_OP_LT:
			*out = (Cond) {before, psprintf("%s >= %s", a->sql, from)};
			break;
		case CEDAR_OP_LE:
			*out = (Cond) {upto, psprintf("%s >= %s", a->sql, until)};
			break;
		case CEDAR_OP_GT:
			*out = (Cond) {psprintf("%s >= %s", a->sql, until), upto};
			break;
		default:
			*out = (Cond) {psprintf("%s >= %s", a->sql, from), before};
			break;
	}
	*out = cond_if(authz_filter_fits_sql(c, a->sql), *out);
	return true;
}

/* A value of a kind as an expression to compare; guard as of fits_sql. */
static bool
compare_sql(Lower *l, const Value *v, const AuthzColumn *like, char **sql, char **guard)
{
	*guard = pstrdup(YES);
	switch (v->form)
	{
		case VALUE_LITERAL:
			switch (v->literal.kind)
			{
				case CEDAR_LONG:
				case CEDAR_DATETIME:
				case CEDAR_DURATION:
					*sql = psprintf("'" INT64_FORMAT "'::int8", (int64) v->literal.u.i);
					return true;
				default:
					return authz_filter_column_literal(like, &v->literal, sql);
			}
		case VALUE_COLUMN:
			*sql = authz_filter_comparable_sql(v->column, v->sql);
			/* the other side is a text */
			if (v->column->kind == AUTHZ_COLUMN_UUID && like->kind != AUTHZ_COLUMN_UUID)
				*sql = psprintf("(%s)::text", v->sql);
			if (authz_filter_column_kind(v->column) == CEDAR_DECIMAL)
				*guard = authz_filter_fits_sql(v->column, v->sql);
			return true;
		case VALUE_LONG:
			*sql = v->sql;
			return true;
		default:
			return cannot(l, "a comparison of this kind");
	}
}

/* Two values of one kind. */
static bool
compare(Lower *l, CedarOp op, const Value *a, const Value *b, Cond *out)
{
	static const AuthzColumn text = {.kind = AUTHZ_COLUMN_TEXT,.type = TEXTOID};
	const AuthzColumn *like = a->form == VALUE_COLUMN ? a->column : b->form == VALUE_COLUMN ? b->column : &text;
	char	   *left;
	char	   *right;
	char	   *left_guard;
	char	   *right_guard;

	if (a->form == VALUE_LITERAL && b->form != VALUE_LITERAL)
	{
		op = swapped[op - CEDAR_OP_EQ];
		return compare(l, op, b, a, out);
	}
	if (op == CEDAR_OP_NE)
	{
		if (!compare(l, CEDAR_OP_EQ, a, b, out))
			return false;
		*out = cond_not(*out);
		return true;
	}
	if (b->form == VALUE_LITERAL && b->literal.kind == CEDAR_DATETIME && a->form == VALUE_COLUMN &&
		compare_moment(a, op, b->literal.u.i, out))
		return true;
	if (b->form == VALUE_COLUMN && a->form == VALUE_COLUMN && b->column->kind != AUTHZ_COLUMN_UUID)
		like = b->column;
	if (!compare_sql(l, a, like, &left, &left_guard))
		return false;
	if (a->form == VALUE_COLUMN && b->form == VALUE_LITERAL)
		like = a->column;
	if (!compare_sql(l, b, like, &right, &right_guard))
	{
		if (l->why != NULL)
			return false;
		/* a literal that the column cannot hold */
		if (op == CEDAR_OP_EQ)
		{
			*out = unequal(a, b);
			return true;
		}
		left = psprintf("(%s)::int8", left);
		right = psprintf("'" INT64_FORMAT "'::int8", (int64) b->literal.u.i);
	}
	*out = cond_if(both(left_guard, right_guard),
				   (Cond) {psprintf("%s %s %s", left, operators[op - CEDAR_OP_EQ], right),
				   psprintf("%s %s %s", left, operators[opposites[op - CEDAR_OP_EQ] - CEDAR_OP_EQ], right)});
	if (op == CEDAR_OP_EQ && b->form == VALUE_LITERAL)
	{
		l->equal = out->yes;
		l->equality = (AuthzFilterEquality) {left, right};
	}
	return true;
}

/* jsonb against a literal. */
static bool
equal_json(Lower *l, const Value *json, const Value *other, Cond *out)
{
	char	   *literal;

	if (other->form != VALUE_LITERAL)
		return cannot(l, "a comparison of JSON with what differs from row to row");
	if (other->literal.kind == CEDAR_STRING &&
		memchr(other->literal.u.str->bytes, '\0', other->literal.u.str->len) != NULL)
	{
		*out = unequal(json, other);
		return true;
	}
	if (!authz_filter_json_sql(&other->literal, &literal))
		return cannot(l, "a comparison of JSON with a set, a record or an extension value");
	*out = cond_if(json_fits(json), (Cond) {psprintf("%s = %s", json->sql, literal),
				   psprintf("%s <> %s", json->sql, literal)});
	return true;
}

static bool
lower_equal(Lower *l, const CedarExpr *e, Cond *out)
{
	Value		a,
				b;
	int			kinds[2];

	if (!lower_value(l, e->a, &a) || !lower_value(l, e->b, &b))
		return false;
	if (a.form == VALUE_NONE || b.form == VALUE_NONE)
	{
		*out = cond_fails();
		return true;
	}
	if (a.form == VALUE_RUN_TIME || b.form == VALUE_RUN_TIME)
	{
		if (!equal_run_time(l, a.form == VALUE_RUN_TIME ? &b : &a, a.form == VALUE_RUN_TIME ? &a : &b, out))
			return false;
	}
	else if (a.form == VALUE_JSON || b.form == VALUE_JSON)
	{
		if (!equal_json(l, a.form == VALUE_JSON ? &a : &b, a.form == VALUE_JSON ? &b : &a, out))
			return false;
	}
	else
	{
		kinds[0] = value_kind(&a);
		kinds[1] = value_kind(&b);
		if (kinds[0] != kinds[1])
			*out = unequal(&a, &b);
		else if (kinds[0] == CEDAR_ENTITY)
		{
			Value	   *literal = a.form == VALUE_LITERAL ? &a : &b;
			Value	   *other = a.form == VALUE_LITERAL ? &b : &a;
			Targets		one = {1, &literal->literal.u.uid};

			if (literal->form != VALUE_LITERAL)
				return cannot(l, "a comparison of two entities that differ from row to row");
			if (!authz_filter_value_among(l, other, &one, out))
				return false;
		}
		else if (kinds[0] == CEDAR_BOOL)
		{
			Cond		p = value_cond(l, &a);
			Cond		q = value_cond(l, &b);

			*out = (Cond) {either(both(p.yes, q.yes), both(p.no, q.no)),
				either(both(p.yes, q.no), both(p.no, q.yes))};
		}
		else if (kinds[0] == CEDAR_SET || kinds[0] == CEDAR_RECORD)
			return cannot(l, "a comparison of sets or records");
		else if (!compare(l, CEDAR_OP_EQ, &a, &b, out))
			return false;
	}
	if (e->op == CEDAR_OP_NE)
		*out = cond_not(*out);
	return true;
}

static bool
lower_compare(Lower *l, const CedarExpr *e, Cond *out)
{
	Value		a,
				b;
	int			kind;

	if (!lower_value(l, e->a, &a) || !lower_value(l, e->b, &b))
		return false;
	for (int i = 0; i < 2; i++)
	{
		Value	   *v = i == 0 ? &a : &b;

		/* a number in JSON; anything else fails */
		if (v->form == VALUE_JSON)
		{
			v->form = VALUE_LONG;
			v->sql = psprintf("authz.filter_long(%s)", v->sql);
		}
	}
	if (a.form == VALUE_RUN_TIME || b.form == VALUE_RUN_TIME)
	{
		Value	   *other = a.form == VALUE_RUN_TIME ? &b : &a;

		kind = value_kind(other);
		if (kind == CEDAR_LONG || kind == CEDAR_DATETIME || kind == CEDAR_DURATION)
			return compare_run_time(l, other == &a ? (CedarOp) e->op : swapped[e->op - CEDAR_OP_EQ], other,
									other == &a ? &b : &a, out);
		*out = cond_fails();
		return true;
	}
	kind = value_kind(&a);
	if (kind != value_kind(&b) ||
		(kind != CEDAR_LONG && kind != CEDAR_DATETIME && kind != CEDAR_DURATION))
	{
		*out = cond_fails();
		return true;
	}
	return compare(l, (CedarOp) e->op, &a, &b, out);
}

/* --------------------------------------------------------------- functions */

static bool
lower_call(Lower *l, const CedarExpr *e, Cond *out)
{
	static const CedarOp comparisons[] = {CEDAR_OP_LT, CEDAR_OP_LE, CEDAR_OP_GT, CEDAR_OP_GE};
	Value		args[2] = {{.form = VALUE_NONE}, {.form = VALUE_NONE}};
	char	   *in;
	int			later = -1;

	if (cedar_residual_fails(e))
	{
		*out = cond_fails();
		return true;
	}
	if (e->count > 2)
		return cannot(l, "a call of this function");
	for (uint32 i = 0; i < e->count; i++)
	{
		if (!lower_value(l, e->list[i], &args[i]))
			return false;
		if (args[i].form == VALUE_JSON)
			return cannot(l, "an extension function of JSON");
		if (args[i].form == VALUE_RUN_TIME)
		{
			later = i;
			continue;
		}
		if (value_kind(&args[i]) != (int) cedar_fn_argument_kind((CedarFn) e->n, i))
		{
			*out = cond_fails();
			return true;
		}
	}
	if (later >= 0)
	{
		if (e->n < CEDAR_FN_LESS_THAN || e->n > CEDAR_FN_GREATER_THAN_OR_EQUAL)
			return cannot(l, "a call of this function with the principal");
		return compare_run_time(l, later == 1 ? comparisons[e->n - CEDAR_FN_LESS_THAN] :
								swapped[comparisons[e->n - CEDAR_FN_LESS_THAN] - CEDAR_OP_EQ],
								&args[1 - later], &args[later], out);
	}
	switch ((CedarFn) e->n)
	{
		case CEDAR_FN_LESS_THAN:
		case CEDAR_FN_LESS_THAN_OR_EQUAL:
		case CEDAR_FN_GREATER_THAN:
		case CEDAR_FN_GREATER_THAN_OR_EQUAL:
			return compare(l, comparisons[e->n - CEDAR_FN_LESS_THAN], &args[0], &args[1], out);
		case CEDAR_FN_IS_IPV4:
		case CEDAR_FN_IS_IPV6:
		case CEDAR_FN_IS_LOOPBACK:
		case CEDAR_FN_IS_MULTICAST:
			if (args[0].form != VALUE_COLUMN)
				return cannot(l, "a call of this function");
			in = args[0].sql;
			if (e->n == CEDAR_FN_IS_IPV4 || e->n == CEDAR_FN_IS_IPV6)
				*out = (Cond) {psprintf("family(%s) = %d", in, e->n == CEDAR_FN_IS_IPV4 ? 4 : 6),
				psprintf("family(%s) = %d", in, e->n == CEDAR_FN_IS_IPV4 ? 6 : 4)};
			else
			{
				in = e->n == CEDAR_FN_IS_LOOPBACK ?
					psprintf("(%s <<= '127.0.0.0/8'::inet OR %s <<= '::1/128'::inet)", in, in) :
					psprintf("(%s <<= '224.0.0.0/4'::inet OR %s <<= 'ff00::/8'::inet)", in, in);
				*out = (Cond) {in, psprintf("NOT %s", in)};
			}
			return true;
		case CEDAR_FN_IS_IN_RANGE:
			{
				static const AuthzColumn inet = {.kind = AUTHZ_COLUMN_INET,.type = INETOID};
				char	   *guard;
				char	   *range;

				if (!compare_sql(l, &args[0], &inet, &in, &guard) ||
					!compare_sql(l, &args[1], &inet, &range, &guard))
					return cannot(l, "a call of this function");
				*out = (Cond) {psprintf("%s <<= %s", in, range), psprintf("NOT (%s <<= %s)", in, range)};
				return true;
			}
		default:
			return cannot(l, "a call of this function");
	}
}

/* -------------------------------------------------------------------- sets */

static bool
contains_run_time(Lower *l, const Value *set, const Value *of, Cond *out)
{
	char	   *yes;

	if (set->form == VALUE_RUN_TIME)
	{
		if (of->form == VALUE_ROW || of->form == VALUE_REFERENCE)
		{
			if (value_kind(of) != CEDAR_ENTITY)
				return cannot(l, "a set of sets");
			if (!authz_filter_among_run_time(l, of, set, "of", &yes))
				return false;
		}
		else
		{
			char	   *sql;
			char	   *guard;

			if (!beside_run_time(l, of, &sql, &guard))
				return false;
			if (value_kind(of) != CEDAR_STRING && value_kind(of) != CEDAR_LONG)
				return cannot(l, "a set of this kind of value");
			yes = psprintf("%s = ANY (%s)", sql,
						   authz_filter_run_time(value_kind(of) == CEDAR_STRING ? "texts" : "longs", set, ""));
		}
		*out = (Cond) {yes, both(both(authz_filter_is_there(of), authz_filter_run_time("is", set, ", 'set'")),
								 not_true(yes))};
		return true;
	}
	if (set->form == VALUE_REFERENCE && value_kind(set) == CEDAR_SET)
	{
		if (!authz_filter_among_run_time(l, set, of, "is", &yes))
			return false;
	}
	else if (set->form == VALUE_COLUMN && value_kind(set) == CEDAR_SET &&
			 (authz_filter_column_kind(set->column) == CEDAR_LONG ||
			  (authz_filter_column_kind(set->column) == CEDAR_STRING && set->column->kind != AUTHZ_COLUMN_UUID)))
	{
		bool		text = authz_filter_column_kind(set->column) == CEDAR_STRING;

		yes = psprintf("%s = ANY (%s%s)", authz_filter_run_time(text ? "text" : "long", of, ""), set->sql,
					   text ? "::text[]" : "::int8[]");
	}
	else if (value_kind(set) == CEDAR_SET || set->form == VALUE_JSON)
		return cannot(l, "contains() of the principal in this kind of set");
	else
	{
		*out = cond_fails();
		return true;
	}
	*out = (Cond) {yes, both(both(authz_filter_is_there(set), authz_filter_is_there(of)), not_true(yes))};
	if (set->form == VALUE_COLUMN)
		*out = cond_if(authz_filter_fits_sql(set->column, set->sql), *out);
	return true;
}

static bool
lower_contains(Lower *l, const CedarExpr *e, Cond *out)
{
	Value		set,
				of;
	char	   *element;

	if (!lower_value(l, e->a, &set) || !lower_value(l, e->b, &of))
		return false;
	if (set.form == VALUE_NONE || of.form == VALUE_NONE)
	{
		*out = cond_fails();
		return true;
	}
	if (set.form == VALUE_RUN_TIME || of.form == VALUE_RUN_TIME)
		return contains_run_time(l, &set, &of, out);
	if (set.form == VALUE_JSON)
	{
		if (of.form != VALUE_LITERAL || !authz_filter_json_sql(&of.literal, &element))
			return cannot(l, "contains() of what is not a plain literal");
		element = psprintf("jsonb_build_array(%s)", element);
		*out = cond_if(both(json_fits(&set), psprintf("jsonb_typeof(%s) = 'array'", set.sql)),
					   (Cond) {psprintf("%s @> %s", set.sql, element), psprintf("NOT %s @> %s", set.sql, element)});
		return true;
	}
	if (value_kind(&set) != CEDAR_SET)
	{
		*out = cond_fails();
		return true;
	}
	if (set.form == VALUE_REFERENCE)
	{
		if (of.form != VALUE_LITERAL)
			return cannot(l, "contains() of what differs from row to row");
		if (of.literal.kind != CEDAR_ENTITY)
			*out = unequal(&set, &of);
		else
		{
			Targets		one = {1, &of.literal.u.uid};

			return authz_filter_value_among(l, &set, &one, out);
		}
		return true;
	}
	if (set.form == VALUE_COLUMN)
	{
		if (of.form != VALUE_LITERAL)
			return cannot(l, "contains() of what differs from row to row");
		if ((int) of.literal.kind != authz_filter_column_kind(set.column) || !authz_filter_column_literal(set.column, &of.literal, &element))
		{
			*out = unequal(&set, &of);
			return true;
		}
		switch (set.column->kind)
		{
			case AUTHZ_COLUMN_TIMESTAMP:
			case AUTHZ_COLUMN_DATE:
			case AUTHZ_COLUMN_INTERVAL:
				return cannot(l, "a set of moments");
			default:
				break;
		}
		if (authz_filter_column_kind(set.column) == CEDAR_STRING && set.column->kind != AUTHZ_COLUMN_UUID)
			element = psprintf("%s = ANY (%s::text[])", element, set.sql);
		else
			element = psprintf("%s = ANY (%s)", element, set.sql);
		*out = cond_if(authz_filter_fits_sql(set.column, set.sql), (Cond) {element, psprintf("NOT %s", element)});
		return true;
	}
	/* a literal set: any of its elements */
	{
		Cond		all = cond_of(false);
		char	   *there = authz_filter_is_there(&of);

		if (of.form == VALUE_ROW || (of.form == VALUE_REFERENCE && !of.reference->columns[0]->array))
		{
			Targets		targets;

			targets.n = 0;
			targets.uids = palloc(Max(set.literal.u.set->n, 1) * sizeof(CedarUid *));
			for (uint32 i = 0; i < set.literal.u.set->n; i++)
			{
				CedarValue	v = cedar_slot_value(&set.literal.u.set->elems[i]);

				if (v.kind == CEDAR_ENTITY)
					targets.uids[targets.n++] = v.u.uid;
			}
			return authz_filter_value_among(l, &of, &targets, out);
		}
		for (uint32 i = 0; i < set.literal.u.set->n; i++)
		{
			Value		one = {.form = VALUE_LITERAL,.literal = cedar_slot_value(&set.literal.u.set->elems[i])};
			Cond		c;

			if (of.form == VALUE_JSON)
			{
				if (!equal_json(l, &of, &one, &c))
					return false;
			}
			else if (value_kind(&of) != (int) one.literal.kind)
				continue;
			else if (value_kind(&of) == CEDAR_BOOL)
			{
				c = value_cond(l, &of);
				if (one.literal.u.i == 0)
					c = cond_not(c);
			}
			else if (value_kind(&of) == CEDAR_SET || value_kind(&of) == CEDAR_RECORD)
				return cannot(l, "a set of sets or records");
			else if (!compare(l, CEDAR_OP_EQ, &of, &one, &c))
				return false;
			all.yes = either(all.yes, c.yes);
		}
		all.no = both(there, not_true(all.yes));
		*out = all;
		return true;
	}
}

/* containsAll, containsAny with a literal on one side: contains of each. */
static bool
lower_contains_many(Lower *l, const CedarExpr *e, Cond *out)
{
	bool		all = e->op == CEDAR_OP_CONTAINS_ALL;
	const CedarExpr *elements = e->b;
	const CedarExpr *set = e->a;

	if (!all && e->b->op != CEDAR_OP_LIT)
	{
		elements = e->a;
		set = e->b;
	}
	if (elements->op != CEDAR_OP_LIT)
		return cannot(l, "two sets that differ from row to row");
	if (elements->lit.kind != CEDAR_SET)
	{
		*out = cond_fails();
		return true;
	}
	{
		Value		v;
		bool		none = elements->lit.u.set->n == 0;

		if (!lower_value(l, set, &v))
			return false;
		if (v.form == VALUE_RUN_TIME)
			return cannot(l, "a set of the principal's");
		if (v.form != VALUE_JSON && value_kind(&v) != CEDAR_SET)
		{
			*out = cond_fails();
			return true;
		}
		*out = cond_of(all);
		if (none)
		{
			char	   *is_set = v.form == VALUE_JSON ?
				both(json_fits(&v), psprintf("jsonb_typeof(%s) = 'array'", v.sql)) : authz_filter_is_there(&v);

			*out = cond_if(is_set, *out);
			return true;
		}
	}
	for (uint32 i = 0; i < elements->lit.u.set->n; i++)
	{
		CedarExpr	literal = {.op = CEDAR_OP_LIT,.lit = cedar_slot_value(&elements->lit.u.set->elems[i])};
		CedarExpr	one = {.op = CEDAR_OP_CONTAINS,.a = (CedarExpr *) set,.b = &literal};
		Cond		c;

		if (!lower_contains(l, &one, &c))
			return false;
		*out = all ? (Cond) {both(out->yes, c.yes), either(out->no, c.no)} :
			(Cond) {either(out->yes, c.yes), both(out->no, c.no)};
	}
	return true;
}

static bool
lower_is_empty(Lower *l, const CedarExpr *e, Cond *out)
{
	Value		v;

	if (!lower_value(l, e->a, &v))
		return false;
	if (v.form == VALUE_JSON)
		*out = cond_if(both(json_fits(&v), psprintf("jsonb_typeof(%s) = 'array'", v.sql)),
					   (Cond) {psprintf("%s = '[]'::jsonb", v.sql), psprintf("%s <> '[]'::jsonb", v.sql)});
	else if (value_kind(&v) != CEDAR_SET)
		*out = cond_fails();
	else
	{
		char	   *sql = v.form == VALUE_REFERENCE ? v.ids[0] : v.sql;

		*out = (Cond) {psprintf("cardinality(%s) = 0", sql), psprintf("cardinality(%s) <> 0", sql)};
	}
	return true;
}

/* -------------------------------------------------------------- attributes */

static bool
is_json_array(const Value *v)
{
	return v->form == VALUE_JSON && v->column != NULL && v->column->array;
}

/* The mapped row that a reference leads to, as a subquery of one column. */
static bool
follow(Lower *l, const Value *of, const CedarStr *name, Value *out)
{
	const AuthzReference *r = of->reference;
	CedarUid   *probe;
	AuthzMapping *mapping;
	const AuthzMapAttr *attr;
	AuthzMapTable *table;
	char	   *alias;
	char	  **keys;
	char	   *on = pstrdup(YES);
	Value		there;

	if (r->type == NULL || r->columns[0]->array)
		return cannot(l, "an attribute of what may be of several types");
	probe = palloc0(cedar_uid_size(r->type->len, 0));
	cedar_uid_init(probe, r->type->bytes, r->type->len, "", 0);
	mapping = l->rows->maps == NULL ? NULL : authz_maps_find(l->rows->maps, probe);
	if (mapping == NULL)
		return cannot(l, psprintf("an attribute of %.*s, which is not mapped", (int) r->type->len, r->type->bytes));
	if (!authz_filter_may_read(l, mapping))
		return false;
	/* It may be the very row that is about to be written. */
	if (l->rows->at_run_time && mapping == l->rows->mapping)
		return cannot(l, "an attribute of another row of the same type");
	attr = authz_filter_attr_find(mapping, name);
	memset(out, 0, sizeof(*out));
	if (attr == NULL)
	{
		out->form = VALUE_NONE;
		return true;
	}
	table = mapping->table;
	if (table->n_keys != r->n_columns)
		return cannot(l, "a reference with another number of columns than the id that it refers to");
	alias = psprintf("authz$%d", ++l->subqueries);
	keys = authz_filter_columns_sql(table, table->keys, table->n_keys, alias, false);
	for (int i = 0; i < r->n_columns; i++)
	{
		/* the texts must be the same: that is so where the types are */
		if (table->keys[i]->kind != r->columns[i]->kind &&
			!(table->keys[i]->kind <= AUTHZ_COLUMN_INT8 && r->columns[i]->kind <= AUTHZ_COLUMN_INT8))
			return cannot(l, "a reference of another type than the id that it refers to");
		on = both(on, psprintf("%s = %s", keys[i], of->ids[i]));
	}
	authz_filter_attr_value(table, attr, alias, false, &there);
	if (is_json_array(&there))
		return cannot(l, "an array of JSON");
	*out = there;
	if (there.form == VALUE_REFERENCE)
	{
		out->ids = palloc(there.reference->n_columns * sizeof(char *));
		for (int i = 0; i < there.reference->n_columns; i++)
			out->ids[i] = psprintf("(SELECT %s FROM %s AS %s WHERE %s)", there.ids[i], authz_filter_view_sql(table), alias, on);
		if (there.type_sql != NULL)
			out->type_sql = psprintf("(SELECT %s FROM %s AS %s WHERE %s)", there.type_sql, authz_filter_view_sql(table), alias, on);
	}
	else
		out->sql = psprintf("(SELECT %s FROM %s AS %s WHERE %s)", there.sql, authz_filter_view_sql(table), alias, on);
	return true;
}

static bool
get_attr(Lower *l, const Value *of, const CedarStr *name, Value *out)
{
	const AuthzFilterRows *rows = l->rows;
	const AuthzMapAttr *attr;

	memset(out, 0, sizeof(*out));
	out->form = VALUE_NONE;
	if (memchr(name->bytes, '\0', name->len) != NULL)
		return cannot(l, "a name with a NUL");
	switch (of->form)
	{
		case VALUE_ROW:
			if (rows->mapping == NULL)
			{
				out->form = VALUE_JSON;
				out->sql = psprintf("(%s.attrs -> %s)", rows->alias,
									quote_literal_cstr(pnstrdup(name->bytes, name->len)));
				return true;
			}
			attr = authz_filter_attr_find(rows->mapping, name);
			if (attr != NULL)
				authz_filter_attr_value(rows->mapping->table, attr, rows->alias, rows->base, out);
			return is_json_array(out) ? cannot(l, "an array of JSON") : true;
		case VALUE_REFERENCE:
			if (of->reference->columns[0]->array)
				return true;	/* a set has no attributes */
			return follow(l, of, name, out);
		case VALUE_JSON:
			/* an entity in it would have attributes of its own */
			return cannot(l, "an attribute within JSON");
		case VALUE_NONE:
			return true;
		case VALUE_LITERAL:
			return cannot(l, "an attribute of a literal");
		default:
			return true;
	}
}

static bool
lower_has(Lower *l, const CedarExpr *e, Cond *out)
{
	Value		of;

	if (!lower_value(l, e->a, &of))
		return false;
	if (e->count != 1)
		return cannot(l, "\"has\" of several names");
	if (of.form == VALUE_ROW)
	{
		Value		v;

		if (!get_attr(l, &of, e->names[0], &v))
			return false;
		out->yes = authz_filter_is_there(&v);
		out->no = not_true(out->yes);
		return true;
	}
	if (of.form == VALUE_REFERENCE && !of.reference->columns[0]->array)
	{
		Value		v;

		if (!follow(l, &of, e->names[0], &v))
			return false;
		out->yes = both(authz_filter_is_there(&of), authz_filter_is_there(&v));
		out->no = both(authz_filter_is_there(&of), not_true(authz_filter_is_there(&v)));
		return true;
	}
	if (of.form == VALUE_NONE)
	{
		*out = cond_fails();
		return true;
	}
	return cannot(l, "\"has\" of this kind of value");
}

static bool
lower_like(Lower *l, const CedarExpr *e, Cond *out)
{
	const CedarStr *pattern = e->names[0];
	StringInfoData s;
	Value		v;
	char	   *sql;

	if (!lower_value(l, e->a, &v))
		return false;
	if (v.form == VALUE_JSON)
		sql = psprintf("(CASE WHEN jsonb_typeof(%s) = 'string' THEN %s #>> '{}' END)", v.sql, v.sql);
	else if (v.form == VALUE_COLUMN && value_kind(&v) == CEDAR_STRING)
		sql = psprintf("(%s)::text", v.sql);
	else if (value_kind(&v) != CEDAR_STRING)
	{
		*out = cond_fails();
		return true;
	}
	else
		return cannot(l, "\"like\" of this kind of value");
	initStringInfo(&s);
	for (uint32 i = 0; i < pattern->len; i++)
	{
		char		c = pattern->bytes[i];

		if (c == '\0')
		{
			*out = (Cond) {pstrdup(NO), psprintf("%s IS NOT NULL", sql)};
			return true;
		}
		if (c == CEDAR_WILDCARD)
			appendStringInfoChar(&s, '%');
		else
		{
			if (c == '%' || c == '_' || c == '\\')
				appendStringInfoChar(&s, '\\');
			appendStringInfoChar(&s, c);
		}
	}
	/* Bytes decide, and an index with text_pattern_ops or "C" can serve. */
	sql = psprintf("%s COLLATE \"C\"", sql);
	*out = (Cond) {psprintf("%s LIKE %s", sql, quote_literal_cstr(s.data)),
		psprintf("%s NOT LIKE %s", sql, quote_literal_cstr(s.data))};
	if (v.form == VALUE_JSON)
		*out = cond_if(json_fits(&v), *out);
	return true;
}

/* ------------------------------------------------------------- expressions */

static bool
lower_arithmetic(Lower *l, const CedarExpr *e, Value *out)
{
	const char *function = e->op == CEDAR_OP_ADD ? "add" : e->op == CEDAR_OP_SUB ? "subtract" :
		e->op == CEDAR_OP_MUL ? "multiply" : "negate";
	Value		v[2];
	int			n = e->op == CEDAR_OP_NEG ? 1 : 2;

	memset(out, 0, sizeof(*out));
	for (int i = 0; i < n; i++)
	{
		if (!lower_value(l, i == 0 ? e->a : e->b, &v[i]))
			return false;
		if (v[i].form == VALUE_JSON)
		{
			v[i].form = VALUE_LONG;
			v[i].sql = psprintf("authz.filter_long(%s)", v[i].sql);
		}
		if (v[i].form == VALUE_RUN_TIME)
		{
			v[i].form = VALUE_LONG;
			v[i].sql = authz_filter_run_time("long", &v[i], "");
		}
		if (value_kind(&v[i]) != CEDAR_LONG)
		{
			out->form = VALUE_NONE;
			return true;
		}
	}
	out->form = VALUE_LONG;
	out->sql = n == 1 ? psprintf("authz.filter_%s(%s)", function, authz_filter_long_sql(&v[0])) :
		psprintf("authz.filter_%s(%s, %s)", function, authz_filter_long_sql(&v[0]), authz_filter_long_sql(&v[1]));
	return true;
}

static bool
lower_value(Lower *l, const CedarExpr *e, Value *out)
{
	Value		of;

	check_stack_depth();
	if (is_known_later(l, e))
		return known_later(l, e, out);
	memset(out, 0, sizeof(*out));
	switch ((CedarOp) e->op)
	{
		case CEDAR_OP_LIT:
			out->form = VALUE_LITERAL;
			out->literal = e->lit;
			return true;
		case CEDAR_OP_VAR:
			if (e->n != l->rows->var)
				return cannot(l, "something else that is unknown");
			out->form = VALUE_ROW;
			return true;
		case CEDAR_OP_GET_ATTR:
			return lower_value(l, e->a, &of) && get_attr(l, &of, e->names[0], out);
		case CEDAR_OP_ADD:
		case CEDAR_OP_SUB:
		case CEDAR_OP_MUL:
		case CEDAR_OP_NEG:
			return lower_arithmetic(l, e, out);
		case CEDAR_OP_AND:
		case CEDAR_OP_OR:
		case CEDAR_OP_NOT:
		case CEDAR_OP_EQ:
		case CEDAR_OP_NE:
		case CEDAR_OP_LT:
		case CEDAR_OP_LE:
		case CEDAR_OP_GT:
		case CEDAR_OP_GE:
		case CEDAR_OP_IN:
		case CEDAR_OP_CONTAINS:
		case CEDAR_OP_CONTAINS_ALL:
		case CEDAR_OP_CONTAINS_ANY:
		case CEDAR_OP_IS_EMPTY:
		case CEDAR_OP_HAS_ATTR:
		case CEDAR_OP_LIKE:
		case CEDAR_OP_IS:
			out->form = VALUE_COND;
			return lower_cond(l, e, &out->cond);
		case CEDAR_OP_CALL:
			if (cedar_residual_fails(e))
			{
				out->form = VALUE_NONE;
				return true;
			}
			if (cedar_fn_result_kind((CedarFn) e->n) != CEDAR_BOOL)
				return cannot(l, "a call of this function");
			out->form = VALUE_COND;
			return lower_cond(l, e, &out->cond);
		case CEDAR_OP_GET_TAG:
		case CEDAR_OP_HAS_TAG:
			return cannot(l, "tags");
		case CEDAR_OP_IF:
			return cannot(l, "\"if\" that gives a value");
		default:
			return cannot(l, "a set or a record that differs from row to row");
	}
}

static bool
lower_chain(Lower *l, const CedarExpr *e, Cond *out)
{
	bool		all = e->op == CEDAR_OP_AND;

	char	   *gate = l->gate;

	*out = cond_of(all);
	for (uint32 i = 0; i < e->count; i++)
	{
		Cond		c;

		if (!lower_cond(l, e->list[i], &c))
			return false;
		/* Whatever stands behind it in an `&&` counts only where it holds. */
		if (all && is_known_later(l, e->list[i]))
			l->gate = l->gate == NULL ? c.yes : both(l->gate, c.yes);
		/* What follows is asked only when what went before did not fail. */
		*out = all ? (Cond) {both(out->yes, c.yes), either(out->no, both(out->yes, c.no))} :
			(Cond) {either(out->yes, both(out->no, c.yes)), both(out->no, c.no)};
		if (strlen(out->yes) + strlen(out->no) > (size_t) 256 * 1024)
			return cannot(l, "a condition that grows too large");
	}
	l->gate = gate;
	return true;
}

static bool
lower_cond(Lower *l, const CedarExpr *e, Cond *out)
{
	Cond		c,
				yes,
				no;
	Value		v;

	check_stack_depth();
	CHECK_FOR_INTERRUPTS();
	if (is_known_later(l, e))
	{
		known_later(l, e, &v);
		*out = value_cond(l, &v);
		return true;
	}
	switch ((CedarOp) e->op)
	{
		case CEDAR_OP_AND:
		case CEDAR_OP_OR:
			return lower_chain(l, e, out);
		case CEDAR_OP_NOT:
			if (!lower_cond(l, e->a, &c))
				return false;
			*out = cond_not(c);
			return true;
		case CEDAR_OP_IF:
			if (!lower_cond(l, e->a, &c) || !lower_cond(l, e->b, &yes) || !lower_cond(l, e->c, &no))
				return false;
			*out = (Cond) {either(both(c.yes, yes.yes), both(c.no, no.yes)),
				either(both(c.yes, yes.no), both(c.no, no.no))};
			return true;
		case CEDAR_OP_EQ:
		case CEDAR_OP_NE:
			return lower_equal(l, e, out);
		case CEDAR_OP_LT:
		case CEDAR_OP_LE:
		case CEDAR_OP_GT:
		case CEDAR_OP_GE:
			return lower_compare(l, e, out);
		case CEDAR_OP_IN:
			return lower_in(l, e, out);
		case CEDAR_OP_CONTAINS:
			return lower_contains(l, e, out);
		case CEDAR_OP_CONTAINS_ALL:
		case CEDAR_OP_CONTAINS_ANY:
			return lower_contains_many(l, e, out);
		case CEDAR_OP_IS_EMPTY:
			return lower_is_empty(l, e, out);
		case CEDAR_OP_HAS_ATTR:
			return lower_has(l, e, out);
		case CEDAR_OP_LIKE:
			return lower_like(l, e, out);
		case CEDAR_OP_CALL:
			return lower_call(l, e, out);
		case CEDAR_OP_IS:
			if (!lower_value(l, e->a, &v))
				return false;
			if (e->b != NULL || v.form != VALUE_REFERENCE || v.reference->type == NULL ||
				v.reference->columns[0]->array)
				return cannot(l, "\"is\" of this kind of value");
			*out = cond_if(authz_filter_is_there(&v), cond_of(cedar_str_equal(v.reference->type, e->names[0])));
			return true;
		default:
			if (!lower_value(l, e, &v))
				return false;
			*out = value_cond(l, &v);
			return true;
	}
}

char *
authz_filter_condition(const AuthzFilterRows *rows, const CedarExpr *residual,
					   AuthzFilterEquality *equality, const char **why)
{
	Lower		l = {.rows = rows};
	Cond		c;

	equality->left = equality->right = NULL;
	if (!lower_cond(&l, residual, &c))
	{
		*why = l.why;
		return NULL;
	}
	if (c.yes == l.equal && l.equal != NULL)
		*equality = l.equality;
	return c.yes;
}
