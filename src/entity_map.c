/*-------------------------------------------------------------------------
 *
 * entity_map.c
 *	  Mapped entity types: which there are, and how their tables are read.
 *
 * Mappings are catalog-like: a statement uses what is committed when it first
 * asks, and its own transaction's changes.  The list of them is read under a
 * fresh registered snapshot and kept, together with whatever was worked out
 * of it, until a relcache invalidation of authz.entity_mappings (raised by its
 * row trigger, by TRUNCATE and by ALTER TABLE) or of a table, view or index that a
 * mapping reads says that it may have changed.  Invalidations are transactional
 * and in WAL, so that holds after rollbacks and on standbys, too; they are looked
 * for at the first question of each statement.  A list in use lives on until
 * its last user is gone: one statement, one version.
 *
 * A mapping is worked out at the first look-up of its type, so that one whose
 * view was dropped with CASCADE fails those who ask for it, not others.
 *
 * The view is the authority on the table: the columns, the filter and the
 * owner are taken from it.  When it shows columns of one plain table, by a filter
 * that depends on nothing but the row, that table is read directly, by an
 * index; everything else goes through the executor (entity_row.c).
 *
 * The view is locked only while it is read, so that a mapping can be dropped
 * while transactions go on that have used it.
 *
 * Memory: a list has its own context under CacheMemoryContext, each mapping one
 * under that.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"
#include "compat.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/relation.h"
#include "access/table.h"
#include "catalog/namespace.h"
#include "catalog/pg_am.h"
#include "catalog/pg_class.h"
#include "catalog/pg_index.h"
#include "catalog/pg_inherits.h"
#include "catalog/pg_proc.h"
#include "catalog/pg_type.h"
#include "commands/trigger.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "nodes/parsenodes.h"
#include "optimizer/clauses.h"
#include "optimizer/optimizer.h"
#include "parser/parse_coerce.h"
#include "parser/parsetree.h"
#include "rewrite/rewriteSupport.h"
#include "utils/acl.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/inval.h"
#include "utils/jsonb.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/syscache.h"
#include "utils/typcache.h"
#include "utils/varlena.h"

#include "entity_map.h"
#include "host.h"
#include "relation.h"

#define VIEW_SCHEMA "authz_mapping"

/* A mapping as it is stored, before it is worked out. */
typedef struct MapRow
{
	AuthzMapping mapping;
	ArrayType  *id;
	Jsonb	   *attrs;
	Jsonb	   *parents;
	Jsonb	   *tags;			/* NULL: none */
	char	   *view_name;
} MapRow;

struct AuthzMaps
{
	int			users;			/* being the current one counts as one */
	MemoryContext cxt;
	CedarArena *arena;
	int			n;
	MapRow	   *rows;
	List	   *relids;			/* what the mappings worked out depend on */
};

static AuthzMaps *current = NULL;	/* valid, or NULL */
static uint64 invalidations = 0;
static uint64 last_serial = 0;

PG_FUNCTION_INFO_V1(authz_entity_mappings_changed);
PG_FUNCTION_INFO_V1(authz_entity_mapping_check);
PG_FUNCTION_INFO_V1(authz_entity_mapping_names);

/* ----------------------------------------------------------- invalidation */

static bool current_valid = false;
static Oid	mappings_relid = InvalidOid;

static void
map_invalidated(Datum arg, Oid relid)
{
	invalidations++;
	if (!current_valid)
		return;
	if (relid == InvalidOid || relid == mappings_relid ||
		list_member_oid(current->relids, relid))
		current_valid = false;
}

/* Who may read what can have changed with any role or membership. */
static void
map_roles_changed(Datum arg, int cacheid, uint32 hashvalue)
{
	invalidations++;
	current_valid = false;
}

void
authz_map_init(void)
{
	CacheRegisterRelcacheCallback(map_invalidated, (Datum) 0);
	CacheRegisterSyscacheCallback(AUTHOID, map_roles_changed, (Datum) 0);
	CacheRegisterSyscacheCallback(AUTHMEMROLEMEM, map_roles_changed, (Datum) 0);
}

/* ------------------------------------------------------------------ errors */

/* The mapping at fault, for the errors of what is in it. */
static const char *loading_type = NULL;

#define map_fail(...) \
	ereport(ERROR, \
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE), \
			 errmsg("invalid mapping of entity type \"%s\"", loading_type), \
			 __VA_ARGS__))

/* ---------------------------------------------------------- json of a part */

static JsonbValue *
part_get(JsonbContainer *part, const char *key, JsonbValue *v)
{
	return getKeyJsonValueFromContainer(part, key, strlen(key), v);
}

static char *
string_of(const JsonbValue *v)
{
	return pnstrdup(v->val.string.val, v->val.string.len);
}

/* A string member; NULL when there is none. */
static char *
part_string(JsonbContainer *part, const char *key)
{
	JsonbValue	v;

	if (part_get(part, key, &v) == NULL)
		return NULL;
	if (v.type != jbvString)
		map_fail(errdetail("\"%s\" must be a string.", key));
	return string_of(&v);
}

/* Refuse a member that nobody looks at: it would be a typing mistake. */
static void
part_refuse_others(JsonbContainer *part, const char *const *known)
{
	JsonbIterator *it = JsonbIteratorInit(part);
	JsonbIteratorToken token;
	JsonbValue	v;

	while ((token = JsonbIteratorNext(&it, &v, true)) != WJB_DONE)
	{
		char	   *name;
		bool		found = false;

		if (token != WJB_KEY)
			continue;
		name = string_of(&v);
		for (int i = 0; known[i] != NULL; i++)
			found = found || strcmp(known[i], name) == 0;
		if (!found)
			map_fail(errdetail("There is no member \"%s\".", name));
	}
}

/* ---------------------------------------------------------------- columns */

static AuthzColumn *
column_find(AuthzMapTable *table, const char *name)
{
	for (int i = 0; i < table->n_columns; i++)
	{
		if (strcmp(table->columns[i].name, name) == 0)
			return &table->columns[i];
	}
	map_fail(errdetail("Its view \"%s.%s\" has no column \"%s\".",
					   VIEW_SCHEMA, table->view_name, name));
}

static bool
kind_of(Oid type, AuthzColumnKind *kind)
{
	switch (type)
	{
		case BOOLOID:
			*kind = AUTHZ_COLUMN_BOOL;
			return true;
		case INT2OID:
			*kind = AUTHZ_COLUMN_INT2;
			return true;
		case INT4OID:
			*kind = AUTHZ_COLUMN_INT4;
			return true;
		case INT8OID:
			*kind = AUTHZ_COLUMN_INT8;
			return true;
		case OIDOID:
			*kind = AUTHZ_COLUMN_OID;
			return true;
		case BPCHAROID:
			*kind = AUTHZ_COLUMN_BPCHAR;
			return true;
		case NAMEOID:
			*kind = AUTHZ_COLUMN_NAME;
			return true;
		case UUIDOID:
			*kind = AUTHZ_COLUMN_UUID;
			return true;
		case MACADDROID:
		case MACADDR8OID:
			*kind = AUTHZ_COLUMN_MACADDR;
			return true;
		case NUMERICOID:
			*kind = AUTHZ_COLUMN_NUMERIC;
			return true;
		case TIMESTAMPOID:
		case TIMESTAMPTZOID:
			*kind = AUTHZ_COLUMN_TIMESTAMP;
			return true;
		case DATEOID:
			*kind = AUTHZ_COLUMN_DATE;
			return true;
		case INTERVALOID:
			*kind = AUTHZ_COLUMN_INTERVAL;
			return true;
		case INETOID:
		case CIDROID:
			*kind = AUTHZ_COLUMN_INET;
			return true;
		case JSONOID:
			*kind = AUTHZ_COLUMN_JSON;
			return true;
		case JSONBOID:
			*kind = AUTHZ_COLUMN_JSONB;
			return true;
		default:
			if (type_is_enum(type))
			{
				*kind = AUTHZ_COLUMN_ENUM;
				return true;
			}
			/* text, varchar, and a type such as citext */
			if (IsBinaryCoercible(type, TEXTOID) && get_typlen(type) == -1)
			{
				*kind = AUTHZ_COLUMN_TEXT;
				return true;
			}
			return false;
	}
}

/* Learn a column's type; refuse it if Cedar has no value for it. */
static AuthzColumn *
column_value(AuthzColumn *column, Oid declared)
{
	Oid			type = getBaseType(declared);
	Oid			element = get_element_type(type);
	Oid			function;
	bool		isvarlena;

	if (OidIsValid(element))
	{
		column->array = true;
		type = getBaseType(element);
	}
	if (!kind_of(type, &column->kind))
		ereport(ERROR,
				(errcode(ERRCODE_DATATYPE_MISMATCH),
				 errmsg("invalid mapping of entity type \"%s\"", loading_type),
				 errdetail("Cedar has no value for column \"%s\" of type %s.",
						   column->name, format_type_be(declared)),
				 type == FLOAT4OID || type == FLOAT8OID ?
				 errhint("Cedar has decimals with four digits: map a view that casts the column to numeric.") :
				 errhint("Map a view that casts the column to a type which can be mapped.")));
	column->type = type;
	get_typlenbyvalalign(type, &column->typlen, &column->typbyval, &column->typalign);
	getTypeOutputInfo(type, &function, &isvarlena);
	fmgr_info_cxt(function, &column->output, CurrentMemoryContext);
	return column;
}

bool
authz_column_has_type(const AuthzColumn *column, Oid declared)
{
	Oid			type = OidIsValid(declared) ? getBaseType(declared) : InvalidOid;

	if (column->array && OidIsValid(type))
		type = getBaseType(get_element_type(type));
	return type == column->type;
}

/* The same for a column that is an id or part of one. */
static void
column_require_id(const AuthzColumn *column)
{
	switch (column->kind)
	{
		case AUTHZ_COLUMN_INT2:
		case AUTHZ_COLUMN_INT4:
		case AUTHZ_COLUMN_INT8:
		case AUTHZ_COLUMN_TEXT:
		case AUTHZ_COLUMN_BPCHAR:
		case AUTHZ_COLUMN_NAME:
		case AUTHZ_COLUMN_UUID:
		case AUTHZ_COLUMN_ENUM:
			return;
		default:
			ereport(ERROR,
					(errcode(ERRCODE_DATATYPE_MISMATCH),
					 errmsg("invalid mapping of entity type \"%s\"", loading_type),
					 errdetail("Column \"%s\" of type %s cannot be an id.",
							   column->name, format_type_be(column->type)),
					 errhint("An id is an integer, a text, a uuid or an enum, or several of them.")));
	}
}

/* ------------------------------------------------------------------- views */

static void
depends_on(AuthzMaps *maps, Oid relid)
{
	MemoryContext old = MemoryContextSwitchTo(maps->cxt);

	maps->relids = list_append_unique_oid(maps->relids, relid);
	MemoryContextSwitchTo(old);
}

/* The query of a view. */
static Query *
view_query(Relation view)
{
	RuleLock   *rules = view->rd_rules;

	for (int i = 0; rules != NULL && i < rules->numLocks; i++)
	{
		if (rules->rules[i]->event == CMD_SELECT)
			return linitial_node(Query, rules->rules[i]->actions);
	}
	elog(ERROR, "view \"%s\" has no query", RelationGetRelationName(view));
}

/* Of a function that is part of the server and depends on its arguments alone. */
static bool
function_is_foreign(Oid function, void *context)
{
	return function >= FirstNormalObjectId ||
		func_volatile(function) != PROVOLATILE_IMMUTABLE;
}

static bool
filter_is_foreign(Node *node, void *context)
{
	if (node == NULL)
		return false;
	if (IsA(node, SubLink) || IsA(node, Param) || IsA(node, SQLValueFunction) ||
		IsA(node, NextValueExpr) || IsA(node, CurrentOfExpr) ||
		check_functions_in_node(node, function_is_foreign, NULL))
		return true;
	if (IsA(node, Var) && (((Var *) node)->varattno <= 0 ||
						   ((Var *) node)->varlevelsup != 0))
		return true;
	return expression_tree_walker(node, filter_is_foreign, NULL);
}

/*
 * The one plain table that the view shows columns of, with the filter, or
 * NULL.  numbers takes the table's column for each of the view's.
 */
static RangeTblEntry *
view_single_table(Query *query, AttrNumber *numbers, Node **filter)
{
	RangeTblRef *ref;
	RangeTblEntry *rte;
	ListCell   *lc;

	if (query->commandType != CMD_SELECT || query->hasAggs || query->hasWindowFuncs ||
		query->hasTargetSRFs || query->hasSubLinks || query->hasDistinctOn ||
		query->hasRecursive || query->hasModifyingCTE || query->hasForUpdate ||
		query->hasRowSecurity || query->cteList != NIL || query->groupClause != NIL ||
		query->groupingSets != NIL || query->havingQual != NULL ||
		query->distinctClause != NIL || query->limitOffset != NULL ||
		query->limitCount != NULL || query->setOperations != NULL ||
		list_length(query->jointree->fromlist) != 1 ||
		!IsA(linitial(query->jointree->fromlist), RangeTblRef))
		return NULL;
	ref = linitial_node(RangeTblRef, query->jointree->fromlist);
	rte = rt_fetch(ref->rtindex, query->rtable);
	/* What it is now: the view remembers what it was. */
	if (rte->rtekind != RTE_RELATION || get_rel_relkind(rte->relid) != RELKIND_RELATION ||
		rte->tablesample != NULL || (rte->inh && has_subclass(rte->relid)))
		return NULL;
	foreach(lc, query->targetList)
	{
		TargetEntry *tle = lfirst_node(TargetEntry, lc);
		Var		   *var = (Var *) tle->expr;

		if (tle->resjunk || !IsA(var, Var) || var->varno != ref->rtindex ||
			var->varattno <= 0 || var->varlevelsup != 0)
			return NULL;
		numbers[tle->resno - 1] = var->varattno;
	}
	if (filter_is_foreign(query->jointree->quals, NULL))
		return NULL;
	*filter = query->jointree->quals;
	return rte;
}

static Oid
index_am(Oid index)
{
	HeapTuple	tuple = SearchSysCache1(RELOID, ObjectIdGetDatum(index));
	Oid			am = InvalidOid;

	if (HeapTupleIsValid(tuple))
	{
		am = ((Form_pg_class) GETSTRUCT(tuple))->relam;
		ReleaseSysCache(tuple);
	}
	return am;
}

/* May this index find rows by the key's columns? */
static bool
index_serves(AuthzMapTable *table, Form_pg_index form, HeapTuple tuple,
			 bool unique, int *places)
{
	bool		used[INDEX_MAX_KEYS] = {false};

	if (!form->indisvalid || !form->indisready || !form->indislive ||
		form->indnkeyatts < table->n_keys ||
		!heap_attisnull(tuple, Anum_pg_index_indpred, NULL) ||
		!heap_attisnull(tuple, Anum_pg_index_indexprs, NULL))
		return false;
	if (index_am(form->indexrelid) != BTREE_AM_OID)
		return false;
	if (unique && (!form->indisunique || !form->indimmediate ||
				   form->indnkeyatts != table->n_keys))
		return false;
	for (int i = 0; i < table->n_keys; i++)
	{
		places[i] = -1;
		for (int k = 0; k < table->n_keys; k++)
		{
			if (!used[k] && table->keys[k]->attnum == form->indkey.values[i])
			{
				places[i] = k;
				used[k] = true;
				break;
			}
		}
		if (places[i] < 0)
			return false;
	}
	return true;
}

static bool
table_choose_index(AuthzMaps *maps, AuthzMapTable *table, bool unique)
{
	Relation	heap = table_open(table->relid, AccessShareLock);
	List	   *indexes = RelationGetIndexList(heap);
	ListCell   *lc;

	/* The places are needed in the columns' order; those of the first that fits. */
	foreach(lc, indexes)
	{
		Oid			oid = lfirst_oid(lc);
		HeapTuple	tuple = SearchSysCache1(INDEXRELID, ObjectIdGetDatum(oid));
		Form_pg_index form;

		if (!HeapTupleIsValid(tuple))
			continue;
		form = (Form_pg_index) GETSTRUCT(tuple);
		if (index_serves(table, form, tuple, unique, table->key_places))
		{
			table->index = oid;
			table->unique = form->indisunique && form->indimmediate;
			depends_on(maps, oid);
		}
		ReleaseSysCache(tuple);
		if (OidIsValid(table->index))
			break;
	}
	list_free(indexes);
	table_close(heap, NoLock);
	return OidIsValid(table->index);
}

/* Read a view of the mapping; its keys and columns are looked up later. */
static AuthzMapTable *
table_open_view(AuthzMaps *maps, const char *name)
{
	AuthzMapTable *table = palloc0(sizeof(AuthzMapTable));
	Oid			schema = get_namespace_oid(VIEW_SCHEMA, false);
	Relation	view;
	TupleDesc	desc;

	table->view_name = pstrdup(name);
	table->view = get_relname_relid(name, schema);
	view = OidIsValid(table->view) ? try_relation_open(table->view, AccessShareLock) : NULL;
	if (view == NULL || view->rd_rel->relkind != RELKIND_VIEW)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("mapping of entity type \"%s\" is broken", loading_type),
				 errdetail("Its view \"%s.%s\" is gone.", VIEW_SCHEMA, name),
				 errhint("Call unmap_entity_type, then map_entity_type if the type is to be mapped again.")));
	desc = RelationGetDescr(view);
	table->owner = view->rd_rel->relowner;
	table->invoker = RelationHasSecurityInvoker(view);
	table->n_columns = desc->natts;
	table->columns = palloc0(Max(desc->natts, 1) * sizeof(AuthzColumn));
	for (int i = 0; i < desc->natts; i++)
	{
		Form_pg_attribute att = TupleDescAttr(desc, i);
		AuthzColumn *column = &table->columns[i];

		column->name = pstrdup(NameStr(att->attname));
		column->attnum = i + 1;
		column_value(column, att->atttypid);
	}
	depends_on(maps, table->view);
	relation_close(view, AccessShareLock);
	return table;
}

typedef struct ViewCheck
{
	AuthzMaps  *maps;
	const AuthzMapTable *table;
	Oid			view;			/* whose query it is; it is named there, too */
} ViewCheck;

pg_noreturn static void
refuse_foreign(const AuthzMapTable *table, const char *what, const char *name, Oid owner, const char *does)
{
	ereport(ERROR,
			(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
			 errmsg("invalid mapping of entity type \"%s\"", loading_type),
			 errdetail("The superuser \"%s\" has mapped it, and what the %s \"%s\" of \"%s\" %s would run with these rights.",
					   GetUserNameFromId(table->owner, true), what, name,
					   GetUserNameFromId(owner, true), does),
			 errhint("Let the %s's owner map it (authz.entity_mapper_grant), or give the %s to a superuser.", what, what)));
}

static bool
refuse_foreign_function(Oid function, void *context)
{
	HeapTuple	tuple = SearchSysCache1(PROCOID, ObjectIdGetDatum(function));
	Form_pg_proc form;

	if (!HeapTupleIsValid(tuple))
		return false;
	form = (Form_pg_proc) GETSTRUCT(tuple);
	if (!superuser_arg(form->proowner))
		refuse_foreign(((const ViewCheck *) context)->table, "function", NameStr(form->proname), form->proowner, "does");
	ReleaseSysCache(tuple);
	return false;
}

/*
 * A foreign table, or one among a table's partitions and children, is read by a
 * wrapper as who reads it; who owns it says from where.
 */
static void
refuse_foreign_tables(const ViewCheck *check, Oid relid, bool children)
{
	List	   *relids = children ? find_all_inheritors(relid, AccessShareLock, NULL) : list_make1_oid(relid);
	ListCell   *lc;

	foreach(lc, relids)
	{
		Relation	rel = relation_open(lfirst_oid(lc), AccessShareLock);

		if (rel->rd_rel->relkind == RELKIND_FOREIGN_TABLE && !superuser_arg(rel->rd_rel->relowner))
			refuse_foreign(check->table, "foreign table", RelationGetRelationName(rel), rel->rd_rel->relowner, "asks for");
		relation_close(rel, AccessShareLock);
		/* It may change hands. */
		depends_on(check->maps, lfirst_oid(lc));
	}
	list_free(relids);
}

/*
 * What a view calls runs with the rights with which it is read, and who owns it
 * can put anything into it at any time; so can who owns a function.  So a
 * superuser's mapping reads no views of others, and calls none of their functions.
 */
static bool
refuse_foreign_views(Node *node, void *context)
{
	const ViewCheck *check = context;
	RangeTblEntry *rte = (RangeTblEntry *) node;
	ViewCheck	inner = *check;
	Relation	view;

	if (node == NULL)
		return false;
	if (IsA(node, Query))
		return query_tree_walker((Query *) node, refuse_foreign_views, context,
								 QTW_EXAMINE_RTES_BEFORE);
	if (!IsA(node, RangeTblEntry))
	{
		(void) check_functions_in_node(node, refuse_foreign_function, context);
		return expression_tree_walker(node, refuse_foreign_views, context);
	}
	if (rte->rtekind != RTE_RELATION || rte->relid == check->view)
		return false;
	depends_on(check->maps, rte->relid);
	if (get_rel_relkind(rte->relid) != RELKIND_VIEW)
	{
		refuse_foreign_tables(check, rte->relid, rte->inh);
		return false;
	}
	check_stack_depth();
	view = relation_open(rte->relid, AccessShareLock);
	if (!superuser_arg(view->rd_rel->relowner))
		refuse_foreign(check->table, "view", RelationGetRelationName(view), view->rd_rel->relowner, "calls");
	inner.view = rte->relid;
	refuse_foreign_views((Node *) view_query(view), &inner);
	relation_close(view, AccessShareLock);
	return false;
}

/* Decide how the table is read; its keys are known. */
static void
table_plan(AuthzMaps *maps, AuthzMapTable *table, bool unique)
{
	Relation	view = relation_open(table->view, AccessShareLock);
	Query	   *query = view_query(view);
	AttrNumber *numbers = palloc0(Max(table->n_columns, 1) * sizeof(AttrNumber));
	Node	   *filter = NULL;
	RangeTblEntry *rte = NULL;
	ListCell   *lc;

	table->key_places = palloc0(table->n_keys * sizeof(int));
	foreach(lc, query->rtable)
	{
		RangeTblEntry *each = lfirst_node(RangeTblEntry, lc);

		if (each->rtekind == RTE_RELATION)
			depends_on(maps, each->relid);
	}
	if (!table->invoker)
		rte = view_single_table(query, numbers, &filter);
	if (rte != NULL)
	{
		table->relid = rte->relid;
		for (int i = 0; i < table->n_columns; i++)
			table->columns[i].attnum = numbers[i];
		table->direct = table_choose_index(maps, table, unique);
		if (table->direct && filter != NULL)
			table->filter = expression_planner((Expr *) copyObject(filter));
		if (!table->direct)
		{
			for (int i = 0; i < table->n_columns; i++)
				table->columns[i].attnum = i + 1;
		}
	}
	if (!table->direct && superuser_arg(table->owner))
	{
		ViewCheck	check = {maps, table, table->view};

		refuse_foreign_views((Node *) query, &check);
	}
	relation_close(view, AccessShareLock);
}

Oid
authz_map_table_user(const AuthzMapTable *table)
{
	if (table->invoker && (!superuser() || superuser_arg(table->owner)))
		return InvalidOid;
	return table->owner;
}

void
authz_map_table_allow(AuthzMapTable *table)
{
	if (table->allowed || !table->direct)
		return;
	if (pg_class_aclcheck(table->relid, table->owner, ACL_SELECT) != ACLCHECK_OK)
	{
		Bitmapset  *attnums = NULL;
		int			i = -1;

		/* Columns of the filter count, too, as in a query. */
		for (int k = 0; k < table->n_columns; k++)
			attnums = bms_add_member(attnums, table->columns[k].attnum);
		if (table->filter != NULL)
		{
			List	   *vars = pull_var_clause((Node *) table->filter, 0);
			ListCell   *lc;

			foreach(lc, vars)
				attnums = bms_add_member(attnums, lfirst_node(Var, lc)->varattno);
		}
		while ((i = bms_next_member(attnums, i)) >= 0)
		{
			if (pg_attribute_aclcheck(table->relid, i, table->owner, ACL_SELECT) != ACLCHECK_OK)
				ereport(ERROR,
						(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
						 errmsg("permission denied for table %s",
								get_rel_name(table->relid)),
						 errdetail("The role \"%s\", which mapped it to an entity type, may not read it.",
								   GetUserNameFromId(table->owner, true))));
		}
		bms_free(attnums);
	}
	table->allowed = true;
}

/* -------------------------------------------------------- parts of mappings */

static const CedarStr *
type_make(AuthzMaps *maps, const char *name)
{
	const CedarStr *str;

	if (!cedar_is_name(name, strlen(name)))
		map_fail(errdetail("\"%s\" is not an entity type.", name));
	str = cedar_str_make(maps->arena, name, strlen(name));
	if (str == NULL)
		ereport(ERROR, (errcode(ERRCODE_OUT_OF_MEMORY), errmsg("out of memory")));
	return str;
}

static const CedarStr *
name_make(AuthzMaps *maps, const char *name)
{
	const CedarStr *str = cedar_str_make(maps->arena, name, strlen(name));

	if (str == NULL)
		ereport(ERROR, (errcode(ERRCODE_OUT_OF_MEMORY), errmsg("out of memory")));
	return str;
}

static int
part_columns(AuthzMapTable *table, JsonbContainer *part, AuthzColumn ***columns)
{
	char	   *one = part_string(part, "column");
	JsonbValue	v;
	int			n;

	if (one != NULL && part_get(part, "columns", &v) == NULL)
	{
		*columns = palloc(sizeof(AuthzColumn *));
		(*columns)[0] = column_find(table, one);
		return 1;
	}
	if (one != NULL || part_get(part, "columns", &v) == NULL ||
		v.type != jbvBinary || !JsonContainerIsArray(v.val.binary.data) ||
		(n = JsonContainerSize(v.val.binary.data)) == 0)
		map_fail(errdetail("A reference has a \"column\" or an array of \"columns\"."));
	*columns = palloc(n * sizeof(AuthzColumn *));
	for (int i = 0; i < n; i++)
	{
		JsonbValue *name = getIthJsonbValueFromContainer(v.val.binary.data, i);

		if (name->type != jbvString)
			map_fail(errdetail("\"columns\" must be names."));
		(*columns)[i] = column_find(table, string_of(name));
	}
	return n;
}

/* {"type": …, "column": …}, or with "columns", "type_column" and "types" */
static AuthzReference *
reference_read(AuthzMaps *maps, AuthzMapTable *table, JsonbContainer *part)
{
	AuthzReference *reference = palloc0(sizeof(AuthzReference));
	char	   *type = part_string(part, "type");
	char	   *type_column = part_string(part, "type_column");
	JsonbValue	types;

	if ((type == NULL) == (type_column == NULL))
		map_fail(errdetail("A reference has a \"type\", or a \"type_column\" that says which."));
	reference->n_columns = part_columns(table, part, &reference->columns);
	for (int i = 0; i < reference->n_columns; i++)
	{
		column_require_id(reference->columns[i]);
		if (reference->columns[i]->array && (reference->n_columns > 1 || type == NULL))
			map_fail(errdetail("An array of references must be one column, and all of one type."));
	}
	if (type != NULL)
		reference->type = type_make(maps, type);
	else
	{
		reference->type_column = column_find(table, type_column);
		column_require_id(reference->type_column);
		if (reference->type_column->array)
			map_fail(errdetail("Column \"%s\" is an array.", type_column));
	}
	if (part_get(part, "types", &types) != NULL)
	{
		JsonbIterator *it;
		JsonbIteratorToken token;
		JsonbValue	v;
		int			n = 0;

		if (type != NULL || types.type != jbvBinary || !JsonContainerIsObject(types.val.binary.data))
			map_fail(errdetail("\"types\" is an object that gives a type for each value of the \"type_column\"."));
		reference->type_texts = palloc(JsonContainerSize(types.val.binary.data) * sizeof(char *));
		reference->types = palloc(JsonContainerSize(types.val.binary.data) * sizeof(CedarStr *));
		it = JsonbIteratorInit(types.val.binary.data);
		while ((token = JsonbIteratorNext(&it, &v, true)) != WJB_DONE)
		{
			if (token == WJB_KEY)
				reference->type_texts[n] = string_of(&v);
			else if (token == WJB_VALUE)
			{
				if (v.type != jbvString)
					map_fail(errdetail("\"types\" is an object that gives a type for each value of the \"type_column\"."));
				reference->types[n++] = type_make(maps, string_of(&v));
			}
		}
		reference->n_types = n;
	}
	return reference;
}

static const char *const reference_members[] = {
	"type", "type_column", "types", "column", "columns", NULL
};

static const char *const link_members[] = {
	"table", "id", "where", "type", "type_column", "types", "column", "columns", NULL
};

static const char *const tags_members[] = {
	"column", "table", "id", "where", "key", "value", NULL
};

static void
attr_read(AuthzMaps *maps, AuthzMapTable *table, AuthzMapAttr *attr,
		  const char *name, JsonbValue *v)
{
	attr->name = name_make(maps, name);
	if (v->type == jbvString)
		attr->column = column_find(table, string_of(v));
	else if (v->type == jbvBinary && JsonContainerIsObject(v->val.binary.data))
	{
		part_refuse_others(v->val.binary.data, reference_members);
		attr->reference = reference_read(maps, table, v->val.binary.data);
	}
	else
		map_fail(errdetail("Attribute \"%s\" is neither a column nor a reference.", name));
}

static void
attrs_read(AuthzMaps *maps, AuthzMapping *mapping, Jsonb *attrs)
{
	int			n = 0;

	mapping->attrs = palloc0(Max(JB_ROOT_COUNT(attrs), 1) * sizeof(AuthzMapAttr));
	if (JB_ROOT_IS_OBJECT(attrs))
	{
		JsonbIterator *it = JsonbIteratorInit(&attrs->root);
		JsonbIteratorToken token;
		JsonbValue	v;
		char	   *name = NULL;

		while ((token = JsonbIteratorNext(&it, &v, true)) != WJB_DONE)
		{
			if (token == WJB_KEY)
				name = string_of(&v);
			else if (token == WJB_VALUE)
				attr_read(maps, mapping->table, &mapping->attrs[n++], name, &v);
		}
	}
	else
	{
		for (; n < JB_ROOT_COUNT(attrs); n++)
		{
			JsonbValue *v = getIthJsonbValueFromContainer(&attrs->root, n);

			if (v->type != jbvString)
				map_fail(errdetail("An array of attributes must be names of columns."));
			for (int i = 0; i < n; i++)
			{
				if (mapping->attrs[i].name->len == v->val.string.len &&
					memcmp(mapping->attrs[i].name->bytes, v->val.string.val,
						   v->val.string.len) == 0)
					map_fail(errdetail("Attribute \"%s\" is given twice.", string_of(v)));
			}
			attr_read(maps, mapping->table, &mapping->attrs[n], string_of(v), v);
		}
	}
	mapping->n_attrs = n;
}

/* A table of memberships or tags, with the columns that name the entity. */
static AuthzMapTable *
link_read(AuthzMaps *maps, AuthzMapping *mapping, JsonbContainer *part,
		  const char *view_name, int *number)
{
	AuthzMapTable *table = table_open_view(maps, psprintf("%s.%d", view_name, ++(*number)));
	char	   *id = part_string(part, "id");
	List	   *names;
	ListCell   *lc;

	if (id == NULL || !SplitIdentifierString(id, ',', &names) || names == NIL)
		map_fail(errdetail("A table has an \"id\": its columns that name the entity."));
	if (list_length(names) != mapping->table->n_keys)
		map_fail(errdetail("\"%s\" must be as many columns as the id of the entity.", part_string(part, "id")));
	table->keys = palloc(list_length(names) * sizeof(AuthzColumn *));
	foreach(lc, names)
	{
		AuthzColumn *column = column_find(table, lfirst(lc));

		column_require_id(column);
		if (column->array)
			map_fail(errdetail("Column \"%s\" is an array.", column->name));
		table->keys[table->n_keys++] = column;
	}
	table_plan(maps, table, false);
	return table;
}

static void
parents_read(AuthzMaps *maps, AuthzMapping *mapping, Jsonb *parents,
			 const char *view_name, int *number)
{
	int			n = JB_ROOT_COUNT(parents);

	mapping->parents = palloc0(Max(n, 1) * sizeof(AuthzReference *));
	mapping->links = palloc0(Max(n, 1) * sizeof(AuthzMapLink));
	for (int i = 0; i < n; i++)
	{
		JsonbValue *v = getIthJsonbValueFromContainer(&parents->root, i);
		JsonbContainer *part;
		JsonbValue	name;

		if (v->type != jbvBinary || !JsonContainerIsObject(v->val.binary.data))
			map_fail(errdetail("A parent must be an object."));
		part = v->val.binary.data;
		if (part_get(part, "table", &name) != NULL)
		{
			AuthzMapLink *link = &mapping->links[mapping->n_links++];

			part_refuse_others(part, link_members);
			link->table = link_read(maps, mapping, part, view_name, number);
			link->parent = reference_read(maps, link->table, part);
		}
		else
		{
			part_refuse_others(part, reference_members);
			mapping->parents[mapping->n_parents++] = reference_read(maps, mapping->table, part);
		}
	}
}

static void
tags_read(AuthzMaps *maps, AuthzMapping *mapping, Jsonb *tags,
		  const char *view_name, int *number)
{
	char	   *column;
	char	   *key;
	char	   *value;

	if (!JB_ROOT_IS_OBJECT(tags))
		map_fail(errdetail("Tags are an object with a \"column\", or with a \"table\"."));
	part_refuse_others(&tags->root, tags_members);
	column = part_string(&tags->root, "column");
	if (column != NULL)
	{
		mapping->tags = column_find(mapping->table, column);
		if (mapping->tags->array ||
			(mapping->tags->kind != AUTHZ_COLUMN_JSON && mapping->tags->kind != AUTHZ_COLUMN_JSONB))
			map_fail(errdetail("Column \"%s\" holds no json.", column));
		return;
	}
	key = part_string(&tags->root, "key");
	value = part_string(&tags->root, "value");
	if (part_string(&tags->root, "table") == NULL || key == NULL || value == NULL)
		map_fail(errdetail("A table of tags has an \"id\", a \"key\" and a \"value\"."));
	mapping->tags_table = link_read(maps, mapping, &tags->root, view_name, number);
	mapping->tags_key = column_find(mapping->tags_table, key);
	mapping->tags_value = column_find(mapping->tags_table, value);
	column_require_id(mapping->tags_key);
	if (mapping->tags_key->array)
		map_fail(errdetail("Column \"%s\" is an array.", key));
}

/* Work a mapping out; what is allocated is the mapping's. */
static void
mapping_read(AuthzMaps *maps, AuthzMapping *mapping, const MapRow *row)
{
	Datum	   *names;
	int			n_names;
	int			number = 0;
	char	   *type = pnstrdup(mapping->type->bytes, mapping->type->len);

	type_make(maps, type);
	if (strcmp(type, "Action") == 0 ||
		(strlen(type) > 8 && strcmp(type + strlen(type) - 8, "::Action") == 0))
		map_fail(errdetail("Actions are no rows of a table."),
				 errhint("Put them into authz.entities."));
	mapping->table = table_open_view(maps, row->view_name);
	deconstruct_array(row->id, TEXTOID, -1, false, TYPALIGN_INT, &names, NULL, &n_names);
	if (n_names == 0 || n_names > INDEX_MAX_KEYS)
		map_fail(errdetail("An id is one column or several."));
	mapping->table->keys = palloc(n_names * sizeof(AuthzColumn *));
	for (int i = 0; i < n_names; i++)
	{
		AuthzColumn *column = column_find(mapping->table, TextDatumGetCString(names[i]));

		column_require_id(column);
		if (column->array)
			map_fail(errdetail("Column \"%s\" is an array.", column->name));
		mapping->table->keys[mapping->table->n_keys++] = column;
	}
	table_plan(maps, mapping->table, true);
	attrs_read(maps, mapping, row->attrs);
	parents_read(maps, mapping, row->parents, row->view_name, &number);
	if (row->tags != NULL)
		tags_read(maps, mapping, row->tags, row->view_name, &number);
}

/* ----------------------------------------------------------------- the list */

static Datum
row_column(HeapTuple tuple, TupleDesc desc, int column, bool *isnull)
{
	Datum		value = heap_getattr(tuple, column, desc, isnull);

	return *isnull ? (Datum) 0 : PointerGetDatum(PG_DETOAST_DATUM_COPY(value));
}

static void
row_read(AuthzMaps *maps, MapRow *row, HeapTuple tuple, TupleDesc desc)
{
	bool		isnull;
	char	   *type = text_to_cstring(DatumGetTextP(row_column(tuple, desc,
																Anum_entity_mappings_entity_type, &isnull)));
	Datum		tags;

	memset(row, 0, sizeof(MapRow));
	row->mapping.type = name_make(maps, type);
	row->mapping.type_hash = row->mapping.type->hash;
	row->id = DatumGetArrayTypeP(row_column(tuple, desc, Anum_entity_mappings_id, &isnull));
	row->attrs = DatumGetJsonbP(row_column(tuple, desc, Anum_entity_mappings_attrs, &isnull));
	row->parents = DatumGetJsonbP(row_column(tuple, desc, Anum_entity_mappings_parents, &isnull));
	tags = row_column(tuple, desc, Anum_entity_mappings_tags, &isnull);
	row->tags = isnull ? NULL : DatumGetJsonbP(tags);
	row->view_name = text_to_cstring(DatumGetTextP(row_column(tuple, desc,
															  Anum_entity_mappings_view_name, &isnull)));
}

static AuthzMaps *
maps_load(Oid relid)
{
	MemoryContext cxt = AllocSetContextCreate(CurrentMemoryContext, "authz mappings",
											  ALLOCSET_SMALL_SIZES);
	MemoryContext old = MemoryContextSwitchTo(cxt);
	AuthzMaps  *maps = palloc0(sizeof(AuthzMaps));
	Relation	rel = table_open(relid, AccessShareLock);
	Snapshot	snapshot = RegisterSnapshot(GetCatalogSnapshot(relid));
	SysScanDesc scan = systable_beginscan(rel, InvalidOid, false, snapshot, 0, NULL);
	HeapTuple	tuple;
	int			capacity = 8;

	maps->cxt = cxt;
	maps->arena = authz_arena_create(cxt);
	maps->rows = palloc(capacity * sizeof(MapRow));
	while (HeapTupleIsValid(tuple = systable_getnext(scan)))
	{
		if (maps->n == capacity)
		{
			capacity *= 2;
			maps->rows = repalloc(maps->rows, capacity * sizeof(MapRow));
		}
		row_read(maps, &maps->rows[maps->n++], tuple, RelationGetDescr(rel));
	}
	systable_endscan(scan);
	UnregisterSnapshot(snapshot);
	table_close(rel, NoLock);
	MemoryContextSwitchTo(old);
	return maps;
}

static void
table_free(AuthzMapTable *table)
{
	if (table != NULL && table->plan != NULL)
		SPI_freeplan(table->plan);
}

static void
maps_unref(AuthzMaps *maps)
{
	if (--maps->users > 0)
		return;
	for (int i = 0; i < maps->n; i++)
	{
		AuthzMapping *mapping = &maps->rows[i].mapping;

		if (mapping->cxt == NULL)
			continue;
		table_free(mapping->table);
		table_free(mapping->tags_table);
		for (int k = 0; k < mapping->n_links; k++)
			table_free(mapping->links[k].table);
	}
	MemoryContextDelete(maps->cxt);
}

static void
maps_release(void *arg)
{
	maps_unref(arg);
}

AuthzMaps *
authz_maps_acquire(MemoryContext cxt)
{
	MemoryContextCallback *release = MemoryContextAlloc(cxt, sizeof(MemoryContextCallback));
	AuthzMaps  *maps;
	Oid			relid;
	uint64		before;

	AcceptInvalidationMessages();
	relid = authz_relations()->entity_mappings;
	if (!current_valid || mappings_relid != relid)
	{
		if (current != NULL)
			maps_unref(current);
		current = NULL;
		current_valid = false;
		before = invalidations;
		maps = maps_load(relid);
		MemoryContextSetParent(maps->cxt, CacheMemoryContext);
		maps->users = 1;
		current = maps;
		mappings_relid = relid;
		/* What came in meanwhile may be newer than what was read. */
		current_valid = before == invalidations;
	}
	if (current->n == 0)
		return NULL;
	release->func = maps_release;
	release->arg = current;
	MemoryContextRegisterResetCallback(cxt, release);
	current->users++;
	return current;
}

static void
mapping_load(AuthzMaps *maps, MapRow *row)
{
	AuthzMapping mapping = row->mapping;
	MemoryContext cxt = AllocSetContextCreate(CurrentMemoryContext, "authz mapping",
											  ALLOCSET_SMALL_SIZES);
	MemoryContext old = MemoryContextSwitchTo(cxt);
	uint64		before = invalidations;

	loading_type = pnstrdup(mapping.type->bytes, mapping.type->len);
	mapping_read(maps, &mapping, row);
	mapping.cxt = cxt;
	mapping.serial = ++last_serial;
	MemoryContextSwitchTo(old);
	MemoryContextSetParent(cxt, maps->cxt);
	row->mapping = mapping;
	if (before != invalidations && maps == current)
		current_valid = false;
}

AuthzMapping *
authz_maps_find(AuthzMaps *maps, const CedarUid *uid)
{
	for (int i = 0; i < maps->n; i++)
	{
		AuthzMapping *mapping = &maps->rows[i].mapping;

		if (mapping->type_hash == uid->type_hash && mapping->type->len == uid->type_len &&
			memcmp(mapping->type->bytes, uid->bytes, uid->type_len) == 0)
		{
			if (mapping->cxt == NULL)
				mapping_load(maps, &maps->rows[i]);
			return mapping;
		}
	}
	return NULL;
}

/* --------------------------------------------------------------- functions */

Datum
authz_entity_mappings_changed(PG_FUNCTION_ARGS)
{
	Oid			relid = authz_relations()->entity_mappings;

	authz_check_trigger(fcinfo, relid, "entity_mappings_changed");
	CacheInvalidateRelcacheByRelid(relid);
	return PointerGetDatum(NULL);
}

/* Raise what a decision would raise, and tell how it would read. */
Datum
authz_entity_mapping_check(PG_FUNCTION_ARGS)
{
	char	   *type = text_to_cstring(PG_GETARG_TEXT_PP(0));
	AuthzMaps  *maps = maps_load(authz_relations()->entity_mappings);
	bool		direct = true;

	for (int i = 0; i < maps->n; i++)
	{
		AuthzMapping *mapping = &maps->rows[i].mapping;

		if (strlen(type) != mapping->type->len ||
			memcmp(type, mapping->type->bytes, mapping->type->len) != 0)
			continue;
		mapping_load(maps, &maps->rows[i]);
		direct = mapping->table->direct;
		authz_map_table_allow(mapping->table);
		for (int k = 0; k < mapping->n_links; k++)
		{
			direct = direct && mapping->links[k].table->direct;
			authz_map_table_allow(mapping->links[k].table);
		}
		if (mapping->tags_table != NULL)
		{
			direct = direct && mapping->tags_table->direct;
			authz_map_table_allow(mapping->tags_table);
		}
		PG_RETURN_TEXT_P(cstring_to_text(direct ? "index" : "executor"));
	}
	ereport(ERROR,
			(errcode(ERRCODE_UNDEFINED_OBJECT),
			 errmsg("entity type \"%s\" is not mapped", type)));
}

Datum
authz_entity_mapping_names(PG_FUNCTION_ARGS)
{
	char	   *list = text_to_cstring(PG_GETARG_TEXT_PP(0));
	List	   *names;
	ListCell   *lc;
	Datum	   *elems;
	int			n = 0;

	if (!SplitIdentifierString(pstrdup(list), ',', &names) || names == NIL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("invalid list of columns: \"%s\"", list),
				 errhint("Write a column, or several with commas between, quoted as in SQL where needed.")));
	elems = palloc(list_length(names) * sizeof(Datum));
	foreach(lc, names)
		elems[n++] = CStringGetTextDatum(lfirst(lc));
	PG_RETURN_ARRAYTYPE_P(construct_array(elems, n, TEXTOID, -1, false, TYPALIGN_INT));
}
