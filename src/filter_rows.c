/*-------------------------------------------------------------------------
 *
 * filter_rows.c
 *	  Columns, ids and hierarchies of mapped rows as SQL.
 *
 * `in` asks for the rows below some entities.  That is a subquery without
 * reference to the row, which runs once: the rows whose parent columns or
 * memberships lead there, recursively where a type is in itself.  Where types
 * are in each other, or in stored entities, the row is asked by a function
 * instead.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"
#include "compat.h"

#include "access/relation.h"
#include "catalog/pg_type.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "parser/parsetree.h"
#include "rewrite/rewriteManip.h"
#include "utils/builtins.h"
#include "utils/datetime.h"
#include "utils/json.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/ruleutils.h"
#include "utils/timestamp.h"

#include "entity_plan.h"
#include "entity_row.h"
#include "entity_uid.h"
#include "error.h"
#include "filter.h"
#include "filter_internal.h"

#define UNIX_EPOCH_DAYS (POSTGRES_EPOCH_JDATE - UNIX_EPOCH_JDATE)
#define MSECS_PER_DAY	INT64CONST(86400000)

/* -------------------------------------------------------------------- uids */

/* A uid as an expression; false for what entity_uid cannot hold. */
static bool
uid_sql(const CedarUid *uid, char **sql)
{
	if (memchr(uid->bytes, '\0', uid->type_len + uid->id_len) != NULL)
		return false;
	*sql = psprintf("authz.entity_uid(%s, %s)", quote_literal_cstr(pnstrdup(uid->bytes, uid->type_len)),
					quote_literal_cstr(pnstrdup(uid->bytes + uid->type_len, uid->id_len)));
	return true;
}

/* ---------------------------------------------------------------- columns */

/* A column of the view as the query has to call it. */
const char *
authz_filter_base_column(const AuthzMapTable *table, const AuthzColumn *column)
{
	Relation	view = relation_open(table->view, AccessShareLock);
	RuleLock   *rules = view->rd_rules;
	Query	   *query = rules != NULL && rules->numLocks > 0 ?
		linitial_node(Query, rules->rules[0]->actions) : NULL;
	const char *name = NULL;
	ListCell   *lc;

	if (query != NULL)
	{
		foreach(lc, query->targetList)
		{
			TargetEntry *tle = lfirst_node(TargetEntry, lc);

			if (tle->resname != NULL && strcmp(tle->resname, column->name) == 0 &&
				OidIsValid(tle->resorigtbl))
				name = get_attname(tle->resorigtbl, tle->resorigcol, false);
		}
	}
	relation_close(view, NoLock);
	return name != NULL ? name : column->name;
}

static char *
column_sql(const AuthzMapTable *table, const AuthzColumn *column, const char *alias, bool base)
{
	const char *name = quote_identifier(base ? authz_filter_base_column(table, column) : column->name);
	char	   *sql = psprintf("%s.%s", alias, name);
	Oid			type;
	Oid			collation;
	int32		typmod;

	/* Equality of a collation that is not deterministic is not Cedar's. */
	get_atttypetypmodcoll(table->view, get_attnum(table->view, column->name), &type, &typmod, &collation);
	if (OidIsValid(collation) && !get_collation_isdeterministic(collation))
		sql = psprintf("(%s COLLATE \"C\")", sql);
	return sql;
}

/*
 * Text whose equality is that of its bytes, as Cedar's is.  text and varchar
 * stay what they are, so that their indexes serve.
 */
static char *
text_sql(const AuthzColumn *column, const char *sql)
{
	if (column->type == TEXTOID || column->type == VARCHAROID)
		return pstrdup(sql);
	return psprintf("(%s)::text COLLATE \"C\"", sql);
}

char *
authz_filter_long_sql(const Value *v)
{
	if (v->form == VALUE_LITERAL)
		return psprintf("'" INT64_FORMAT "'::int8", (int64) v->literal.u.i);
	if (v->form == VALUE_COLUMN)
		return psprintf("(%s)::int8", v->sql);
	return v->sql;
}

/* The kind of Cedar value that a column has; an array's elements. */
int
authz_filter_column_kind(const AuthzColumn *c)
{
	switch (c->kind)
	{
		case AUTHZ_COLUMN_BOOL:
			return CEDAR_BOOL;
		case AUTHZ_COLUMN_INT2:
		case AUTHZ_COLUMN_INT4:
		case AUTHZ_COLUMN_INT8:
		case AUTHZ_COLUMN_OID:
			return CEDAR_LONG;
		case AUTHZ_COLUMN_NUMERIC:
			return CEDAR_DECIMAL;
		case AUTHZ_COLUMN_TIMESTAMP:
		case AUTHZ_COLUMN_DATE:
			return CEDAR_DATETIME;
		case AUTHZ_COLUMN_INTERVAL:
			return CEDAR_DURATION;
		case AUTHZ_COLUMN_INET:
			return CEDAR_IPADDR;
		case AUTHZ_COLUMN_JSON:
		case AUTHZ_COLUMN_JSONB:
			return -1;
		default:
			return CEDAR_STRING;
	}
}

/* A text literal; false for what no text of PostgreSQL holds. */
static bool
text_literal(const CedarStr *str, char **sql)
{
	if (memchr(str->bytes, '\0', str->len) != NULL)
		return false;
	*sql = psprintf("%s::text", quote_literal_cstr(pnstrdup(str->bytes, str->len)));
	return true;
}

/* A decimal as a numeric. */
static char *
decimal_sql(int64 i)
{
	uint64		u = i < 0 ? -(uint64) i : (uint64) i;

	return psprintf("'%s" UINT64_FORMAT ".%04d'::numeric", i < 0 ? "-" : "", u / 10000, (int) (u % 10000));
}

/* A literal of the column's type, or false when it has no such value. */
bool
authz_filter_column_literal(const AuthzColumn *c, const CedarValue *v, char **sql)
{
	switch (c->kind)
	{
		case AUTHZ_COLUMN_INT2:
			if (v->u.i < PG_INT16_MIN || v->u.i > PG_INT16_MAX)
				return false;
			break;
		case AUTHZ_COLUMN_INT4:
			if (v->u.i < PG_INT32_MIN || v->u.i > PG_INT32_MAX)
				return false;
			break;
		case AUTHZ_COLUMN_INT8:
			break;
		case AUTHZ_COLUMN_OID:
			if (v->u.i < 0 || v->u.i > PG_UINT32_MAX)
				return false;
			break;
		case AUTHZ_COLUMN_BOOL:
			*sql = pstrdup(v->u.i ? YES : NO);
			return true;
		case AUTHZ_COLUMN_NUMERIC:
			*sql = decimal_sql(v->u.i);
			return true;
		case AUTHZ_COLUMN_INET:
			{
				char		text[64];
				const CedarIp *ip = v->u.ip;
				StringInfoData s;

				initStringInfo(&s);
				for (int i = 0; i < (ip->is_v6 ? 16 : 4); i++)
				{
					snprintf(text, sizeof(text), ip->is_v6 ? (i % 2 || i == 0 ? "%02x" : ":%02x") :
							 (i == 0 ? "%u" : ".%u"), ip->addr[i]);
					appendStringInfoString(&s, text);
				}
				*sql = psprintf("'%s/%u'::inet", s.data, ip->prefix);
				return true;
			}
		case AUTHZ_COLUMN_UUID:
			{
				const CedarStr *str = v->u.str;

				if (str->len != 36)
					return false;
				for (uint32 i = 0; i < str->len; i++)
				{
					char		ch = str->bytes[i];

					if (i == 8 || i == 13 || i == 18 || i == 23 ? ch != '-' :
						!((ch >= '0' && ch <= '9') || (ch >= 'a' && ch <= 'f')))
						return false;
				}
				*sql = psprintf("'%.*s'::uuid", (int) str->len, str->bytes);
				return true;
			}
		default:
			return text_literal(v->u.str, sql);
	}
	*sql = psprintf("'" INT64_FORMAT "'::%s", (int64) v->u.i, format_type_be(c->type));
	return true;
}

/* What a column's value is compared as. */
char *
authz_filter_comparable_sql(const AuthzColumn *c, const char *sql)
{
	switch (authz_filter_column_kind(c))
	{
		case CEDAR_STRING:
			return c->kind == AUTHZ_COLUMN_UUID ? pstrdup(sql) : text_sql(c, sql);
		case CEDAR_DATETIME:
		case CEDAR_DURATION:
			return psprintf("authz.filter_milliseconds(%s)", sql);
		case CEDAR_IPADDR:
			return psprintf("(%s)::inet", sql);
		case CEDAR_LONG:
			return c->kind == AUTHZ_COLUMN_OID ? psprintf("(%s)::int8", sql) : pstrdup(sql);
		default:
			return pstrdup(sql);
	}
}

/* The condition that the column's value is one that Cedar has; it may raise. */
char *
authz_filter_fits_sql(const AuthzColumn *c, const char *sql)
{
	if (c->array || c->kind == AUTHZ_COLUMN_NUMERIC || c->kind == AUTHZ_COLUMN_TIMESTAMP ||
		c->kind == AUTHZ_COLUMN_DATE || c->kind == AUTHZ_COLUMN_JSON || c->kind == AUTHZ_COLUMN_JSONB)
		return psprintf("authz.filter_fits(%s)", sql);
	return pstrdup(YES);
}

/* A moment, which a timestamp can hold, as a literal of the column's type. */
char *
authz_filter_moment_sql(const AuthzColumn *c, int64 ms)
{
	Timestamp	at = (ms - UNIX_EPOCH_DAYS * MSECS_PER_DAY) * 1000;
	char		text[MAXDATELEN + 1];
	struct pg_tm tm;
	fsec_t		fsec;

	if (timestamp2tm(at, NULL, &tm, &fsec, NULL, NULL) != 0)
		elog(ERROR, "timestamp out of range");
	tm.tm_isdst = 0;			/* a time zone is known: UTC */
	EncodeDateTime(&tm, fsec, c->type == TIMESTAMPTZOID, 0, NULL, USE_ISO_DATES, text);
	return psprintf("'%s'::%s", text, c->type == TIMESTAMPTZOID ? "timestamptz" : "timestamp");
}

/* ------------------------------------------------------------ ids and uids */

/* The literal of an id's column for this text; false: no value has that text. */
static bool
id_literal(const AuthzColumn *c, const char *text, size_t len, char **sql)
{
	CedarValue	v = {.kind = CEDAR_LONG};
	CedarStr   *str;
	char	   *end;

	switch (c->kind)
	{
		case AUTHZ_COLUMN_INT2:
		case AUTHZ_COLUMN_INT4:
		case AUTHZ_COLUMN_INT8:
			errno = 0;
			v.u.i = strtoll(text, &end, 10);
			/* another spelling of the number is another id */
			return errno == 0 && strcmp(psprintf(INT64_FORMAT, (int64) v.u.i), text) == 0 &&
				authz_filter_column_literal(c, &v, sql);
		case AUTHZ_COLUMN_UUID:
			str = palloc(sizeof(CedarStr) + len);
			str->len = len;
			memcpy(str->bytes, text, len);
			v.u.str = str;
			return authz_filter_column_literal(c, &v, sql);
		default:
			*sql = psprintf("%s::text", quote_literal_cstr(text));
			return true;
	}
}

/* What is compared with it. */
static char *
id_column(const AuthzColumn *c, const char *sql)
{
	switch (c->kind)
	{
		case AUTHZ_COLUMN_INT2:
		case AUTHZ_COLUMN_INT4:
		case AUTHZ_COLUMN_INT8:
		case AUTHZ_COLUMN_UUID:
			return pstrdup(sql);
		default:
			return text_sql(c, sql);
	}
}

/* The literals of an id's columns; false when no row can have the id. */
static bool
id_parts(AuthzColumn *const *columns, int n, const CedarUid *uid, char **literals)
{
	const char *id = uid->bytes + uid->type_len;
	char	   *segments[INDEX_MAX_KEYS];

	if (memchr(id, '\0', uid->id_len) != NULL)
		return false;
	if (n == 1)
		return id_literal(columns[0], pnstrdup(id, uid->id_len), uid->id_len, &literals[0]);
	/* A reference may have any number of columns, an id has not. */
	if (n > INDEX_MAX_KEYS || !authz_id_split(uid, n, segments))
		return false;
	for (int i = 0; i < n; i++)
	{
		if (!id_literal(columns[i], segments[i], strlen(segments[i]), &literals[i]))
			return false;
	}
	return true;
}

/* When are the columns this id? */
static char *
id_is(AuthzColumn *const *columns, char *const *sql, int n, const CedarUid *uid)
{
	char	  **literals = palloc(n * sizeof(char *));
	char	   *cond = pstrdup(YES);

	if (!id_parts(columns, n, uid, literals))
		return pstrdup(NO);
	for (int i = 0; i < n; i++)
		cond = both(cond, psprintf("%s = %s", id_column(columns[i], sql[i]), literals[i]));
	return cond;
}

/* When are the columns the id of one of the targets of this type? */
static char *
ids_are(Lower *l, AuthzColumn *const *columns, char *const *sql, int n, const CedarStr *type, const Targets *targets)
{
	StringInfoData list;
	char	   *cond = pstrdup(NO);
	int			found = 0;

	initStringInfo(&list);
	for (int i = 0; i < targets->n; i++)
	{
		const CedarUid *uid = targets->uids[i];
		char	   *literal;

		if (!cedar_uid_has_type(uid, type))
			continue;
		if (n > 1)
			cond = either(cond, id_is(columns, sql, n, uid));
		else if (memchr(uid->bytes + uid->type_len, '\0', uid->id_len) == NULL &&
				 id_literal(columns[0], pnstrdup(uid->bytes + uid->type_len, uid->id_len), uid->id_len, &literal))
			appendStringInfo(&list, "%s%s", found++ > 0 ? ", " : "", literal);
	}
	if (found == 0)
		return cond;
	cond = psprintf(found == 1 ? "%s = %s" : "%s IN (%s)", id_column(columns[0], sql[0]), list.data);
	l->equal = cond;
	l->equality = (AuthzFilterEquality) {id_column(columns[0], sql[0]), list.data};
	return cond;
}

/* The canonical text of an id's column. */
static char *
id_text(const AuthzColumn *c, const char *sql, bool segment)
{
	char	   *text = psprintf("(%s)::text", sql);

	return segment ? psprintf("replace(replace(%s, '~', '~0'), '/', '~1')", text) : text;
}

char *
authz_filter_uid(const AuthzFilterRows *rows)
{
	StringInfoData s;
	AuthzMapTable *table;
	char	  **keys;

	if (rows->mapping == NULL)
		return psprintf("%s.uid", rows->alias);
	table = rows->mapping->table;
	keys = authz_filter_columns_sql(table, table->keys, table->n_keys, rows->alias, rows->base);
	initStringInfo(&s);
	appendStringInfo(&s, "authz.entity_uid(%s, ",
					 quote_literal_cstr(pnstrdup(rows->type->bytes, rows->type->len)));
	for (int i = 0; i < table->n_keys; i++)
		appendStringInfo(&s, "%s%s", i > 0 ? " || '/' || " : "",
						 id_text(table->keys[i], keys[i], table->n_keys > 1));
	appendStringInfoChar(&s, ')');
	return s.data;
}

static char *
tuple_of(char *const *sql, int n)
{
	StringInfoData s;

	if (n == 1)
		return sql[0];
	initStringInfo(&s);
	for (int i = 0; i < n; i++)
		appendStringInfo(&s, "%s%s", i > 0 ? ", " : "(", sql[i]);
	appendStringInfoChar(&s, ')');
	return s.data;
}

static char *
list_of(char *const *sql, int n)
{
	StringInfoData s;

	initStringInfo(&s);
	for (int i = 0; i < n; i++)
		appendStringInfo(&s, "%s%s", i > 0 ? ", " : "", sql[i]);
	return s.data;
}

char **
authz_filter_columns_sql(const AuthzMapTable *table, AuthzColumn *const *columns, int n, const char *alias, bool base)
{
	char	  **sql = palloc(Max(n, 1) * sizeof(char *));

	for (int i = 0; i < n; i++)
		sql[i] = column_sql(table, columns[i], alias, base);
	return sql;
}

char *
authz_filter_order(const AuthzFilterRows *rows)
{
	AuthzMapTable *table;
	char	  **keys;

	if (rows->mapping == NULL)
		return authz_filter_uid(rows);
	table = rows->mapping->table;
	keys = authz_filter_columns_sql(table, table->keys, table->n_keys, rows->alias, rows->base);
	for (int i = 0; i < table->n_keys; i++)
		keys[i] = id_column(table->keys[i], keys[i]);
	return list_of(keys, table->n_keys);
}

char *
authz_filter_after(const AuthzFilterRows *rows, const CedarUid *uid)
{
	AuthzMapTable *table;
	char	  **parts;
	char	  **keys;
	char	   *sql;
	int			n;

	if (rows->mapping == NULL)
		return uid_sql(uid, &sql) ? psprintf("%s > %s", authz_filter_uid(rows), sql) : NULL;
	table = rows->mapping->table;
	n = table->n_keys;
	parts = palloc(n * sizeof(char *));
	if (!cedar_uid_has_type(uid, rows->type) || !id_parts(table->keys, n, uid, parts))
		return NULL;
	keys = authz_filter_columns_sql(table, table->keys, n, rows->alias, rows->base);
	for (int i = 0; i < n; i++)
		keys[i] = id_column(table->keys[i], keys[i]);
	return psprintf("%s > %s", tuple_of(keys, n), tuple_of(parts, n));
}

char *
authz_filter_view_sql(const AuthzMapTable *table)
{
	return quote_qualified_identifier(get_namespace_name(get_rel_namespace(table->view)),
									  get_rel_name(table->view));
}

/* The one relation that the view is about, or InvalidOid. */
static Oid
base_relation(const AuthzMapTable *table, Node **quals)
{
	Relation	view = relation_open(table->view, AccessShareLock);
	RuleLock   *rules = view->rd_rules;
	Query	   *query = rules != NULL && rules->numLocks > 0 ?
		linitial_node(Query, rules->rules[0]->actions) : NULL;
	Oid			relid = InvalidOid;

	*quals = NULL;
	if (query != NULL && list_length(query->jointree->fromlist) == 1 &&
		IsA(linitial(query->jointree->fromlist), RangeTblRef))
	{
		RangeTblRef *ref = linitial_node(RangeTblRef, query->jointree->fromlist);
		RangeTblEntry *rte = rt_fetch(ref->rtindex, query->rtable);

		if (rte->rtekind == RTE_RELATION)
		{
			relid = rte->relid;
			*quals = copyObject(query->jointree->quals);
			if (ref->rtindex != 1)
				ChangeVarNodes(*quals, ref->rtindex, 1, 0);
		}
	}
	relation_close(view, NoLock);
	if (!OidIsValid(relid))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("view \"%s\" of a mapping is not what it was made as", table->view_name)));
	return relid;
}

char *
authz_filter_relation(const AuthzFilterRows *rows)
{
	Node	   *quals;
	Oid			relid;

	if (rows->mapping == NULL)
		return pstrdup("authz.entities");
	if (!rows->base)
		return authz_filter_view_sql(rows->mapping->table);
	relid = base_relation(rows->mapping->table, &quals);
	return quote_qualified_identifier(get_namespace_name(get_rel_namespace(relid)),
									  get_rel_name(relid));
}

char *
authz_filter_default_alias(const AuthzFilterRows *rows)
{
	Node	   *quals;

	if (rows->mapping == NULL)
		return pstrdup("entities");
	return get_rel_name(rows->base ? base_relation(rows->mapping->table, &quals) : rows->mapping->table->view);
}

char *
authz_filter_where(const AuthzFilterRows *rows)
{
	Node	   *quals;
	Oid			relid;
	char	   *where;
	int			level;

	if (rows->mapping == NULL)
	{
		const char *type = pnstrdup(rows->type->bytes, rows->type->len);
		char	   *uid = authz_filter_uid(rows);

		/* No name of a type sorts between the type and it with a 0 behind it. */
		return psprintf("%s >= authz.entity_uid(%s, '') AND %s < authz.entity_uid(%s, '')", uid,
						quote_literal_cstr(type), uid, quote_literal_cstr(psprintf("%s0", type)));
	}
	if (!rows->base)
		return NULL;
	relid = base_relation(rows->mapping->table, &quals);
	if (quals == NULL)
		return NULL;
	/* Qualified, whatever the caller's path is: the text may be read under another. */
	level = authz_settings_pin();
	where = deparse_expression(quals, deparse_context_for(rows->alias_name, relid), true, false);
	authz_settings_unpin(level);
	return where;
}

/* ---------------------------------------------------------------- literals */

/* A value of Cedar as jsonb, in the form of entities JSON; false: it has none. */
static bool
json_literal(const CedarValue *v, StringInfo s)
{
	switch (v->kind)
	{
		case CEDAR_BOOL:
			appendStringInfoString(s, v->u.i ? YES : NO);
			return true;
		case CEDAR_LONG:
			appendStringInfo(s, INT64_FORMAT, (int64) v->u.i);
			return true;
		case CEDAR_STRING:
			if (memchr(v->u.str->bytes, '\0', v->u.str->len) != NULL)
				return false;
			escape_json(s, pnstrdup(v->u.str->bytes, v->u.str->len));
			return true;
		case CEDAR_ENTITY:
			if (memchr(v->u.uid->bytes, '\0', v->u.uid->type_len + v->u.uid->id_len) != NULL)
				return false;
			appendStringInfoString(s, "{\"__entity\": {\"type\": ");
			escape_json(s, pnstrdup(v->u.uid->bytes, v->u.uid->type_len));
			appendStringInfoString(s, ", \"id\": ");
			escape_json(s, pnstrdup(v->u.uid->bytes + v->u.uid->type_len, v->u.uid->id_len));
			appendStringInfoString(s, "}}");
			return true;
		default:
			return false;
	}
}

bool
authz_filter_json_sql(const CedarValue *v, char **sql)
{
	StringInfoData s;

	initStringInfo(&s);
	if (!json_literal(v, &s))
		return false;
	*sql = psprintf("%s::jsonb", quote_literal_cstr(s.data));
	return true;
}

/* -------------------------------------------------------------- attributes */

const AuthzMapAttr *
authz_filter_attr_find(const AuthzMapping *mapping, const CedarStr *name)
{
	for (int i = 0; i < mapping->n_attrs; i++)
		if (cedar_str_equal(mapping->attrs[i].name, name))
			return &mapping->attrs[i];
	return NULL;
}

/* The attribute of a row of this table. */
void
authz_filter_attr_value(const AuthzMapTable *table, const AuthzMapAttr *attr, const char *alias, bool base, Value *out)
{
	memset(out, 0, sizeof(*out));
	if (attr->column != NULL)
	{
		out->form = attr->column->kind == AUTHZ_COLUMN_JSON || attr->column->kind == AUTHZ_COLUMN_JSONB ?
			VALUE_JSON : VALUE_COLUMN;
		out->column = attr->column;
		out->sql = column_sql(table, attr->column, alias, base);
		if (attr->column->kind == AUTHZ_COLUMN_JSON)
			out->sql = psprintf("(%s)::jsonb", out->sql);
		return;
	}
	out->form = VALUE_REFERENCE;
	out->reference = attr->reference;
	out->ids = authz_filter_columns_sql(table, attr->reference->columns, attr->reference->n_columns, alias, base);
	if (attr->reference->type_column != NULL)
		out->type_sql = column_sql(table, attr->reference->type_column, alias, base);
}

/* Is the value there? */
char *
authz_filter_is_there(const Value *v)
{
	char	   *cond = pstrdup(YES);

	switch (v->form)
	{
		case VALUE_COLUMN:
		case VALUE_LONG:
		case VALUE_JSON:
			return v->always ? cond : psprintf("%s IS NOT NULL", v->sql);
		case VALUE_REFERENCE:
			for (int i = 0; i < v->reference->n_columns; i++)
				cond = both(cond, psprintf("%s IS NOT NULL", v->ids[i]));
			if (v->type_sql != NULL)
				cond = both(cond, psprintf("%s IS NOT NULL", v->type_sql));
			return cond;
		case VALUE_NONE:
			return pstrdup(NO);
		case VALUE_COND:
			return either(v->cond.yes, v->cond.no);
		case VALUE_RUN_TIME:
			return authz_filter_run_time("is", v, ", ''");
		default:
			return cond;
	}
}

/*
 * A value that is known when the query runs: a stable function, of which an index
 * can be asked, and which the planner calls for its estimates.
 */
char *
authz_filter_run_time(const char *function, const Value *v, const char *more)
{
	return psprintf("authz.run_time_%s(%s%s)", function, v->sql, more);
}

/*
 * When is the column the id of what the value then names?  Of several ids an index
 * is asked by the array, and a row by a hash table of them.
 */
static char *
id_is_run_time(const AuthzColumn *column, const char *sql, const Value *v, const CedarStr *type, const char *mode)
{
	char	   *name = quote_literal_cstr(pnstrdup(type->bytes, type->len));
	const char *kind = column->kind >= AUTHZ_COLUMN_INT2 && column->kind <= AUTHZ_COLUMN_INT8 ? "long_" : column->kind == AUTHZ_COLUMN_UUID ? "uuid_" : "";
	char	   *ids;

	sql = id_column(column, sql);
	if (strcmp(mode, "is") == 0)
		return psprintf("%s = %s", sql, authz_filter_run_time(psprintf("%sid", kind), v, psprintf(", %s", name)));
	ids = authz_filter_run_time(psprintf("%sids", kind), v, psprintf(", %s, '%s'", name, mode));
	return psprintf("(%s IN (SELECT unnest(%s)) AND %s = ANY (%s))", sql, ids, sql, ids);
}

bool
authz_filter_among_run_time(Lower *l, const Value *v, const Value *run_time, const char *mode, char **out)
{
	AuthzColumn *const *columns;
	char	   *const *sql;
	const CedarStr *type;
	AuthzColumn element;

	if (v->form == VALUE_ROW && l->rows->mapping != NULL && l->rows->mapping->table->n_keys == 1)
	{
		AuthzMapTable *table = l->rows->mapping->table;

		columns = table->keys;
		sql = authz_filter_columns_sql(table, table->keys, 1, l->rows->alias, l->rows->base);
		type = l->rows->type;
	}
	else if (v->form == VALUE_REFERENCE && v->reference->type != NULL && v->reference->n_columns == 1)
	{
		columns = v->reference->columns;
		sql = v->ids;
		type = v->reference->type;
	}
	else
		return cannot(l, "a comparison of the principal with what may be of several types, or has several columns");
	if (!columns[0]->array)
	{
		*out = id_is_run_time(columns[0], sql[0], run_time, type, mode);
		return true;
	}
	element = *columns[0];
	element.array = false;
	*out = psprintf("EXISTS (SELECT FROM unnest(%s) AS e WHERE %s)", sql[0],
					id_is_run_time(&element, "e", run_time, type, mode));
	return true;
}

/* ids that are those of this entity, whatever its type is called */
static char *
reference_is(Lower *l, const Value *v, const CedarUid *uid)
{
	const AuthzReference *r = v->reference;
	char	   *cond = pstrdup(NO);

	if (r->type != NULL)
		return cedar_uid_has_type(uid, r->type) ?
			id_is(r->columns, v->ids, r->n_columns, uid) : cond;
	for (int i = 0; i < r->n_types; i++)
		if (cedar_uid_has_type(uid, r->types[i]))
			cond = either(cond, psprintf("%s = %s::text", text_sql(r->type_column, v->type_sql),
										 quote_literal_cstr(r->type_texts[i])));
	if (r->n_types == 0)
		cond = psprintf("%s = %s::text", text_sql(r->type_column, v->type_sql),
						quote_literal_cstr(pnstrdup(uid->bytes, uid->type_len)));
	return both(cond, id_is(r->columns, v->ids, r->n_columns, uid));
}

/* Does the reference's array hold this entity? */
static bool
references_hold(Lower *l, const Value *v, const CedarUid *uid, char **out)
{
	const AuthzColumn *c = v->reference->columns[0];
	char	   *element = pstrdup("e");
	AuthzColumn one = *c;
	AuthzColumn *columns = &one;

	/* entity_map.c takes no array without a type */
	if (v->reference->type == NULL)
		return cannot(l, "an array of entities of several types");
	one.array = false;
	if (!cedar_uid_has_type(uid, v->reference->type))
	{
		*out = pstrdup(NO);
		return true;
	}
	*out = id_is(&columns, &element, 1, uid);
	if (strcmp(*out, NO) != 0)
		*out = psprintf("EXISTS (SELECT FROM unnest(%s) AS e WHERE %s)", v->ids[0], *out);
	return true;
}

/*
 * A mapping's view calls what its owner likes, and a decision reads it as that
 * owner.  In a query it would run with the rights of whoever mapped the rows, or
 * asks for them.
 */
bool
authz_filter_may_read(Lower *l, const AuthzMapping *mapping)
{
	if (l->rows->mapping != NULL && mapping->table->owner != l->rows->mapping->table->owner)
		return cannot(l, psprintf("%.*s, which another role has mapped", (int) mapping->type->len, mapping->type->bytes));
	return true;
}

/* -------------------------------------------------------------- hierarchies */

static char *rows_below(Lower *l, const AuthzMapping *mapping, char *const *keys,
						const char *alias, bool base, const Targets *targets,
						List *above, char **ids);

/*
 * When do the columns of a reference, in a row of some table, refer to one of the
 * targets or to something in one of them?  NULL when SQL cannot say.
 */
char *
authz_filter_reference_in(Lower *l, const Value *v, const Targets *targets, List *above)
{
	const AuthzReference *r = v->reference;
	char	   *cond = pstrdup(NO);
	int			n_types = r->type != NULL ? 1 : r->n_types;

	if (n_types == 0)
	{
		say_why(l, "a column of entity types");
		return NULL;
	}
	for (int i = 0; i < targets->n; i++)
		cond = either(cond, reference_is(l, v, targets->uids[i]));
	for (int i = 0; i < n_types; i++)
	{
		const CedarStr *type = r->type != NULL ? r->type : r->types[i];
		CedarUid   *probe = palloc0(cedar_uid_size(type->len, 0));
		AuthzMapping *mapping;
		AuthzMapTable *table;
		char	   *alias;
		char	  **keys;
		char	   *below;
		char	   *ids;

		cedar_uid_init(probe, type->bytes, type->len, "", 0);
		mapping = l->rows->maps == NULL ? NULL : authz_maps_find(l->rows->maps, probe);
		if (mapping == NULL)
		{
			say_why(l, psprintf("a hierarchy through %.*s, which is not mapped",
								(int) type->len, type->bytes));
			return NULL;
		}
		if (mapping->n_parents == 0 && mapping->n_links == 0)
			continue;
		if (!authz_filter_may_read(l, mapping))
			return NULL;
		table = mapping->table;
		alias = psprintf("authz$%d", ++l->subqueries);
		keys = authz_filter_columns_sql(table, table->keys, table->n_keys, alias, false);
		below = rows_below(l, mapping, keys, alias, false, targets, above, &ids);
		if (below == NULL)
			return NULL;
		if (strcmp(below, NO) == 0)
			continue;
		if (ids == NULL)
			ids = psprintf("SELECT %s FROM %s AS %s WHERE %s", list_of(keys, table->n_keys),
						   authz_filter_view_sql(table), alias, below);
		below = psprintf("%s IN (%s)", tuple_of(v->ids, r->n_columns), ids);
		/*
		 * A plan for anyone: an index must be able to serve this part, too, or it
		 * serves none for those whom this part does not concern.
		 */
		if (l->rows->at_run_time && r->n_columns == 1 && list_length(above) <= 1)
			below = l->gate == NULL ?
				psprintf("(%s AND %s = ANY (ARRAY(%s)))", below, v->ids[0], ids) :
				psprintf("(%s AND %s = ANY (CASE WHEN %s THEN ARRAY(%s) END))", below, v->ids[0], l->gate, ids);
		if (r->type == NULL)
			below = both(psprintf("%s = %s::text", text_sql(r->type_column, v->type_sql),
								  quote_literal_cstr(r->type_texts[i])), below);
		cond = either(cond, below);
	}
	return cond;
}

static bool
refers_to(const AuthzReference *r, const CedarStr *type)
{
	if (r->type != NULL)
		return cedar_str_equal(r->type, type);
	for (int i = 0; i < r->n_types; i++)
		if (cedar_str_equal(r->types[i], type))
			return true;
	return r->n_types == 0;
}

static Value
parent_value(const AuthzMapTable *table, AuthzReference *reference, const char *alias, bool base)
{
	AuthzMapAttr attr = {.reference = reference};
	Value		v;

	authz_filter_attr_value(table, &attr, alias, base, &v);
	return v;
}

/* Are the keys of types that have no collation? */
static bool
keys_are_plain(const AuthzMapTable *table)
{
	for (int i = 0; i < table->n_keys; i++)
	{
		AuthzColumnKind kind = table->keys[i]->kind;

		if (kind != AUTHZ_COLUMN_UUID && (kind < AUTHZ_COLUMN_INT2 || kind > AUTHZ_COLUMN_INT8))
			return false;
	}
	return true;
}

/*
 * Conditions of row-level security also judge rows that are about to be written:
 * such a row says itself what it is in, the table does not know yet.
 */
static bool
row_may_be_new(const Lower *l, const char *alias)
{
	return l->rows->at_run_time && alias == l->rows->alias;
}

/*
 * authz_filter_rows_in; *ids is a query of the ids of exactly these rows, or NULL
 * when it would have to be written around the condition.
 */
static char *
rows_below(Lower *l, const AuthzMapping *mapping, char *const *keys, const char *alias, bool base,
		   const Targets *targets, List *above, char **ids)
{
	AuthzMapTable *table = mapping->table;
	char	   *cond = pstrdup(NO);
	bool		recursive = false;

	*ids = NULL;
	if (list_member_ptr(above, (void *) mapping) ||
		(l->rows->at_run_time && above != NIL && mapping == l->rows->mapping))
	{
		say_why(l, "entity types that are in each other");
		return NULL;
	}
	above = lappend(list_copy(above), (void *) mapping);
	for (int i = 0; i < targets->n; i++)
		if (cedar_uid_has_type(targets->uids[i], mapping->type))
			cond = either(cond, id_is(table->keys, keys, table->n_keys, targets->uids[i]));
	for (int i = 0; i < mapping->n_parents; i++)
	{
		Value		parent = parent_value(table, mapping->parents[i], alias, base);
		char	   *below;

		if (parent.reference->columns[0]->array)
		{
			say_why(l, "an array of parents");
			return NULL;
		}
		if (refers_to(parent.reference, mapping->type))
		{
			recursive = true;
			for (int k = 0; k < targets->n; k++)
				cond = either(cond, reference_is(l, &parent, targets->uids[k]));
			if (parent.reference->type == NULL)
			{
				say_why(l, "a parent of its own or another type");
				return NULL;
			}
			continue;
		}
		below = authz_filter_reference_in(l, &parent, targets, above);
		if (below == NULL)
			return NULL;
		cond = either(cond, below);
	}
	for (int i = 0; i < mapping->n_links; i++)
	{
		AuthzMapLink *link = &mapping->links[i];
		char	   *link_alias = psprintf("authz$%d", ++l->subqueries);
		Value		parent = parent_value(link->table, link->parent, link_alias, false);
		char	  **link_keys = authz_filter_columns_sql(link->table, link->table->keys, link->table->n_keys, link_alias, false);
		char	   *below;

		if (refers_to(link->parent, mapping->type))
		{
			say_why(l, "a table of memberships in the same type");
			return NULL;
		}
		below = authz_filter_reference_in(l, &parent, targets, above);
		if (below == NULL)
			return NULL;
		if (strcmp(below, NO) != 0)
			cond = either(cond, psprintf("%s IN (SELECT %s FROM %s AS %s WHERE %s)",
										 tuple_of(keys, table->n_keys),
										 list_of(link_keys, link->table->n_keys),
										 authz_filter_view_sql(link->table), link_alias, below));
	}
	if (!recursive || strcmp(cond, NO) == 0)
		return cond;

	/* Rows below something of their own type: from the top down, once. */
	{
		char	   *inner = psprintf("authz$%d", ++l->subqueries);
		char	  **inner_keys = authz_filter_columns_sql(table, table->keys, table->n_keys, inner, false);
		List	   *others = list_delete_ptr(list_copy(above), (void *) mapping);
		char	   *start = pstrdup(NO);
		char	   *step = pstrdup(NO);
		StringInfoData first;	/* the queries that the recursion begins with */
		bool		literal = keys_are_plain(table);

		/* As literals the planner knows how few they are. */
		initStringInfo(&first);
		for (int i = 0; i < targets->n; i++)
		{
			char	  **parts = palloc(table->n_keys * sizeof(char *));

			if (!cedar_uid_has_type(targets->uids[i], mapping->type))
				continue;
			if (!literal)
				start = either(start, id_is(table->keys, inner_keys, table->n_keys, targets->uids[i]));
			else if (id_parts(table->keys, table->n_keys, targets->uids[i], parts))
				appendStringInfo(&first, "%sSELECT %s", first.len > 0 ? " UNION " : "", list_of(parts, table->n_keys));
		}
		for (int i = 0; i < mapping->n_parents; i++)
		{
			Value		parent = parent_value(table, mapping->parents[i], inner, false);
			char	   *below;

			if (refers_to(parent.reference, mapping->type))
			{
				StringInfoData on;

				/* A target need not have a row. */
				for (int k = 0; k < targets->n && !literal; k++)
					start = either(start, reference_is(l, &parent, targets->uids[k]));
				initStringInfo(&on);
				for (int k = 0; k < table->n_keys; k++)
					appendStringInfo(&on, "%s%s = authz$above.k%d", k > 0 ? " AND " : "", parent.ids[k], k + 1);
				step = either(step, on.data);
				continue;
			}
			below = authz_filter_reference_in(l, &parent, targets, lappend(list_copy(others), (void *) mapping));
			if (below == NULL)
				return NULL;
			start = either(start, below);
		}
		for (int i = 0; i < mapping->n_links; i++)
		{
			AuthzMapLink *link = &mapping->links[i];
			char	   *link_alias = psprintf("authz$%d", ++l->subqueries);
			Value		parent = parent_value(link->table, link->parent, link_alias, false);
			char	  **link_keys = authz_filter_columns_sql(link->table, link->table->keys, link->table->n_keys,
												link_alias, false);
			char	   *below = authz_filter_reference_in(l, &parent, targets,
											 lappend(list_copy(others), (void *) mapping));

			if (below == NULL)
				return NULL;
			if (strcmp(below, NO) != 0)
				start = either(start, psprintf("%s IN (SELECT %s FROM %s AS %s WHERE %s)",
											   tuple_of(inner_keys, table->n_keys),
											   list_of(link_keys, link->table->n_keys),
											   authz_filter_view_sql(link->table), link_alias, below));
		}
		{
			StringInfoData names;

			if (strcmp(start, NO) != 0)
				appendStringInfo(&first, "%sSELECT %s FROM %s AS %s WHERE %s", first.len > 0 ? " UNION " : "",
								 list_of(inner_keys, table->n_keys), authz_filter_view_sql(table), inner, start);
			if (first.len == 0)
				return pstrdup(NO);
			initStringInfo(&names);
			for (int k = 0; k < table->n_keys; k++)
				appendStringInfo(&names, "%sk%d", k > 0 ? ", " : "", k + 1);
			*ids = psprintf("WITH RECURSIVE authz$above (%s) AS (%s"
							" UNION SELECT %s FROM %s AS %s JOIN authz$above ON %s) SELECT * FROM authz$above",
							names.data, first.data,
							list_of(inner_keys, table->n_keys), authz_filter_view_sql(table), inner, step);
			if (!row_may_be_new(l, alias))
				return psprintf("%s IN (%s)", tuple_of(keys, table->n_keys), *ids);
			for (int i = 0; i < mapping->n_parents; i++)
			{
				Value		parent = parent_value(table, mapping->parents[i], alias, base);

				if (refers_to(parent.reference, mapping->type))
					cond = either(cond, psprintf("%s IN (%s)", tuple_of(parent.ids, parent.reference->n_columns), *ids));
			}
			return cond;
		}
	}
}

char *
authz_filter_rows_in(Lower *l, const AuthzMapping *mapping, char *const *keys, const char *alias, bool base,
					 const Targets *targets, List *above)
{
	char	   *ids;

	return rows_below(l, mapping, keys, alias, base, targets, above, &ids);
}

/* The row is asked by a function, as a decision asks. */
bool
authz_filter_row_in_by_function(Lower *l, const Targets *targets, Cond *out)
{
	StringInfoData s;

	/* Not every reader of a protected table may call it, and it does not know a new row. */
	if (l->rows->at_run_time)
		return cannot(l, "a hierarchy that a function is asked for");
	initStringInfo(&s);
	appendStringInfo(&s, "authz.filter_in(%s, ARRAY[", authz_filter_uid(l->rows));
	for (int i = 0; i < targets->n; i++)
	{
		char	   *uid;

		/* Nothing stored is in what cannot be stored. */
		if (uid_sql(targets->uids[i], &uid))
			appendStringInfo(&s, "%s%s", s.data[s.len - 1] == '[' ? "" : ", ", uid);
	}
	appendStringInfoString(&s, "]::authz.entity_uid[])");
	out->yes = s.data;
	out->no = psprintf("NOT %s", s.data);
	return true;
}

bool
authz_filter_targets_of(Lower *l, const CedarValue *v, Targets *out)
{
	if (v->kind == CEDAR_ENTITY)
	{
		out->n = 1;
		out->uids = palloc(sizeof(CedarUid *));
		out->uids[0] = v->u.uid;
		return true;
	}
	if (v->kind != CEDAR_SET)
		return false;
	out->n = v->u.set->n;
	out->uids = palloc(Max(out->n, 1) * sizeof(CedarUid *));
	for (int i = 0; i < out->n; i++)
	{
		CedarValue	element = cedar_slot_value(&v->u.set->elems[i]);

		if (element.kind != CEDAR_ENTITY)
			return false;
		out->uids[i] = element.u.uid;
	}
	return true;
}

/* An entity and all that it is in. */
bool
authz_filter_targets_above(Lower *l, const CedarUid *uid, Targets *out)
{
	const CedarEntitySource *source = l->rows->source;
	CedarEntity *entity;
	CedarCode	code = source->find(source->userdata, uid, &entity, l->rows->err);

	if (code == CEDAR_OK && entity != NULL && entity->n_parents > 0 && entity->ancestors == NULL)
		code = cedar_entity_ancestors(source, entity, l->rows->err);
	if (code != CEDAR_OK)
		authz_raise(l->rows->err, AUTHZ_TEXT_UID, NULL, 0, NULL, NULL);
	out->n = 0;
	out->uids = palloc((1 + (entity == NULL || entity->ancestors == NULL ? 0 : entity->ancestors->n)) *
					   sizeof(CedarUid *));
	out->uids[out->n++] = uid;
	if (entity != NULL && entity->ancestors != NULL)
		for (uint32 i = 0; i < entity->ancestors->cap; i++)
			if (entity->ancestors->slots[i] != NULL)
				out->uids[out->n++] = entity->ancestors->slots[i];
	return true;
}

/* When is a reference, or the row, one of these? */
bool
authz_filter_value_among(Lower *l, const Value *v, const Targets *targets, Cond *out)
{
	char	   *cond = pstrdup(NO);
	char	   *uid;

	if (v->form == VALUE_ROW && l->rows->mapping != NULL)
	{
		AuthzMapTable *table = l->rows->mapping->table;
		char	  **keys = authz_filter_columns_sql(table, table->keys, table->n_keys, l->rows->alias, l->rows->base);

		cond = ids_are(l, table->keys, keys, table->n_keys, l->rows->type, targets);
		*out = (Cond) {cond, not_true(cond)};
		return true;
	}
	if (v->form == VALUE_REFERENCE && v->reference->type != NULL && !v->reference->columns[0]->array)
	{
		cond = ids_are(l, v->reference->columns, v->ids, v->reference->n_columns, v->reference->type, targets);
		*out = (Cond) {cond, both(authz_filter_is_there(v), not_true(cond))};
		return true;
	}
	for (int i = 0; i < targets->n; i++)
	{
		if (v->form == VALUE_ROW)
		{
			if (uid_sql(targets->uids[i], &uid))
				cond = either(cond, psprintf("%s = %s", authz_filter_uid(l->rows), uid));
		}
		else if (v->reference->columns[0]->array)
		{
			char	   *one;

			if (!references_hold(l, v, targets->uids[i], &one))
				return false;
			cond = either(cond, one);
		}
		else
			cond = either(cond, reference_is(l, v, targets->uids[i]));
	}
	out->yes = cond;
	out->no = both(authz_filter_is_there(v), not_true(cond));
	return true;
}
