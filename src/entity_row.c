/*-------------------------------------------------------------------------
 *
 * entity_row.c
 *	  Rows as entities: look-ups in tables, and what the columns' values are.
 *
 * A table that its mapping reads directly is looked up by an index under the
 * decision's snapshot, without permission checks but that of the mapping's
 * owner and without row-level security.  Any other goes through the executor,
 * as a query on the mapping's view under the same snapshot: as the view's
 * owner, or as the caller where the mapping says so.
 *
 * Ids.  The id of an entity is the canonical text of the id's columns: the one
 * that the server writes.  A uid whose id is another spelling of the same
 * value (User::"007") names no row.  Several columns are joined as the
 * segments of a JSON Pointer are (RFC 6901): by "/", with "~1" for a "/" and
 * "~0" for a "~" within one.
 *
 * Queries run while a decision is being made, and may ask for others: that
 * is told by authz_row_is_executing.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"
#include "compat.h"

#include <sys/socket.h>

#include "access/htup_details.h"
#include "access/table.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "catalog/pg_enum.h"
#include "catalog/pg_operator.h"
#include "catalog/pg_type.h"
#include "executor/executor.h"
#include "fmgr.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "nodes/makefuncs.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/date.h"
#include "utils/guc.h"
#include "utils/inet.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/syscache.h"
#include "utils/timestamp.h"
#include "utils/typcache.h"
#include "utils/uuid.h"

#include "cedar/ext.h"
#include "entity_plan.h"
#include "entity_row.h"
#include "entity_uid.h"
#include "error.h"
#include "json.h"

#define UNIX_EPOCH_DAYS (POSTGRES_EPOCH_JDATE - UNIX_EPOCH_JDATE)
#define MSECS_PER_DAY	INT64CONST(86400000)

typedef struct OpenTable
{
	AuthzMapTable *table;
	AuthzScan	scan;			/* direct */
	ExprContext *econtext;		/* NULL: no filter */
	ExprState  *filter;
	TupleTableSlot *slot;		/* of the executor's rows */
} OpenTable;

static int	executing = 0;

static void
out_of_memory(void)
{
	ereport(ERROR, (errcode(ERRCODE_OUT_OF_MEMORY), errmsg("out of memory")));
}

/* --------------------------------------------------------------- look-ups */

static void
scan_forget(AuthzScan *scan)
{
	if (scan->keys != NULL)
		pfree(scan->keys);
	scan->keys = NULL;
	if (scan->slot != NULL)
	{
		TupleDesc	desc = scan->slot->tts_tupleDescriptor;

		ExecDropSingleTupleTableSlot(scan->slot);
		FreeTupleDesc(desc);
	}
	scan->slot = NULL;
	memset(scan->near, 0, sizeof(scan->near));
}

void
authz_scan_open(AuthzScan *scan, Oid table, Oid index, int n_keys, Snapshot snapshot)
{
	uint64		epoch;

	if (scan->cxt == NULL)
		scan->cxt = CurrentMemoryContext;
	/* A subtransaction that goes on has the locks it took. */
	if (scan->locked_in == GetCurrentSubTransactionId() && scan->table == table)
		scan->heap = RelationIdGetRelation(table);
	if (scan->heap == NULL)
		scan->heap = table_open(table, AccessShareLock);
	scan->locked_in = GetCurrentSubTransactionId();
	scan->table = table;
	epoch = authz_cache_epoch(table);
	if (scan->epoch != epoch || scan->index_oid != index)
		scan_forget(scan);
	scan->epoch = epoch;
	scan->index_oid = index;
	scan->n_keys = n_keys;
	scan->snapshot = snapshot;
}

void
authz_scan_close(AuthzScan *scan)
{
	if (scan->index != NULL)
	{
		index_endscan(scan->scan);
		index_close(scan->index, NoLock);
		scan->index = NULL;
	}
	if (scan->slot != NULL)
		ExecClearTuple(scan->slot);
	table_close(scan->heap, NoLock);
	scan->heap = NULL;
}

void
authz_scan_end(AuthzScan *scan)
{
	if (scan->heap != NULL)
		authz_scan_close(scan);
	scan_forget(scan);
	memset(scan, 0, sizeof(AuthzScan));
}

/* Its descriptor is a copy: the table's own is the table's while it is open. */
TupleTableSlot *
authz_scan_slot(AuthzScan *scan)
{
	if (scan->slot == NULL)
	{
		MemoryContext old = MemoryContextSwitchTo(scan->cxt);

		scan->slot = MakeSingleTupleTableSlot(CreateTupleDescCopyConstr(RelationGetDescr(scan->heap)),
											  table_slot_callbacks(scan->heap));
		MemoryContextSwitchTo(old);
	}
	return scan->slot;
}

static void
scan_make_keys(AuthzScan *scan)
{
	MemoryContext old = MemoryContextSwitchTo(scan->cxt);
	ScanKeyData *keys = palloc0(scan->n_keys * sizeof(ScanKeyData));

	for (int i = 0; i < scan->n_keys; i++)
	{
		Oid			family = scan->index->rd_opfamily[i];
		Oid			type = scan->index->rd_opcintype[i];
		Oid			equal = get_opcode(get_opfamily_member(family, type, type,
														   BTEqualStrategyNumber));

		ScanKeyEntryInitialize(&keys[i], 0, i + 1, BTEqualStrategyNumber,
							   InvalidOid, scan->index->rd_indcollation[i], equal, (Datum) 0);
	}
	scan->keys = keys;
	MemoryContextSwitchTo(old);
}

static void
scan_open_index(AuthzScan *scan)
{
	scan->index = index_open(scan->index_oid, AccessShareLock);
	if (scan->keys == NULL)
		scan_make_keys(scan);
	authz_scan_slot(scan);
	scan->scan = authz_index_beginscan(scan->heap, scan->index, scan->snapshot,
									   scan->n_keys);
}

void
authz_scan_start(AuthzScan *scan, const Datum *keys)
{
	if (scan->index == NULL)
		scan_open_index(scan);
	for (int i = 0; i < scan->n_keys; i++)
		scan->keys[i].sk_argument = keys[i];
	index_rescan(scan->scan, scan->keys, scan->n_keys, NULL, 0);
}

bool
authz_scan_next(AuthzScan *scan)
{
	return index_getnext_slot(scan->scan, ForwardScanDirection, scan->slot);
}

/* ------------------------------------------------------------------- ids */

/* "0", "-7", "42": what the server writes for an integer of this size. */
static bool
integer_parse(const char *s, size_t len, int64 min, int64 max, int64 *value)
{
	const char *digits = len > 0 && s[0] == '-' ? s + 1 : s;
	size_t		n = len - (digits - s);
	uint64		v = 0;

	if (n == 0 || n > 19 || (digits[0] == '0' && (n > 1 || digits != s)))
		return false;
	for (size_t i = 0; i < n; i++)
	{
		if (digits[i] < '0' || digits[i] > '9')
			return false;
		v = v * 10 + (digits[i] - '0');
	}
	if (digits != s)
	{
		if (v > (uint64) PG_INT64_MAX + 1)
			return false;
		*value = (int64) (-v);
	}
	else
	{
		if (v > (uint64) PG_INT64_MAX)
			return false;
		*value = (int64) v;
	}
	return *value >= min && *value <= max;
}

static bool
uuid_parse(const char *s, size_t len, Datum *value)
{
	char		text[2 * UUID_LEN + 5];

	if (len != 2 * UUID_LEN + 4)
		return false;
	for (size_t i = 0; i < len; i++)
	{
		if (i == 8 || i == 13 || i == 18 || i == 23 ? s[i] != '-' :
			!((s[i] >= '0' && s[i] <= '9') || (s[i] >= 'a' && s[i] <= 'f')))
			return false;
		text[i] = s[i];
	}
	text[len] = '\0';
	*value = DirectFunctionCall1(uuid_in, CStringGetDatum(text));
	return true;
}

static bool
enum_parse(Oid type, const char *s, size_t len, Datum *value)
{
	NameData	label;
	HeapTuple	tuple;

	if (len >= NAMEDATALEN)
		return false;
	memset(&label, 0, sizeof(label));
	memcpy(NameStr(label), s, len);
	tuple = SearchSysCache2(ENUMTYPOIDNAME, ObjectIdGetDatum(type), NameGetDatum(&label));
	if (!HeapTupleIsValid(tuple))
		return false;
	*value = ObjectIdGetDatum(((Form_pg_enum) GETSTRUCT(tuple))->oid);
	ReleaseSysCache(tuple);
	return true;
}

/* The column's value with this canonical text; false: it has none. */
static bool
key_parse(const AuthzColumn *column, const char *s, size_t len, Datum *value)
{
	int64		i;
	Name		name;

	switch (column->kind)
	{
		case AUTHZ_COLUMN_INT2:
			if (!integer_parse(s, len, PG_INT16_MIN, PG_INT16_MAX, &i))
				return false;
			*value = Int16GetDatum((int16) i);
			return true;
		case AUTHZ_COLUMN_INT4:
			if (!integer_parse(s, len, PG_INT32_MIN, PG_INT32_MAX, &i))
				return false;
			*value = Int32GetDatum((int32) i);
			return true;
		case AUTHZ_COLUMN_INT8:
			if (!integer_parse(s, len, PG_INT64_MIN, PG_INT64_MAX, &i))
				return false;
			*value = Int64GetDatum(i);
			return true;
		case AUTHZ_COLUMN_UUID:
			return uuid_parse(s, len, value);
		case AUTHZ_COLUMN_ENUM:
			return enum_parse(column->type, s, len, value);
		case AUTHZ_COLUMN_NAME:
			if (len >= NAMEDATALEN)
				return false;
			name = palloc0(NAMEDATALEN);
			memcpy(NameStr(*name), s, len);
			*value = NameGetDatum(name);
			return true;
		case AUTHZ_COLUMN_TEXT:
		case AUTHZ_COLUMN_BPCHAR:
			*value = PointerGetDatum(cstring_to_text_with_len(s, len));
			return true;
		default:
			elog(ERROR, "unexpected kind of id column: %d", (int) column->kind);
	}
}

bool
authz_id_split(const CedarUid *uid, int n, char **segments)
{
	const char *s = uid->bytes + uid->type_len;
	const char *end = s + uid->id_len;

	for (int i = 0; i < n; i++)
	{
		const char *stop = memchr(s, '/', end - s);
		char	   *segment;

		if ((stop == NULL) != (i == n - 1))
			return false;
		if (stop == NULL)
			stop = end;
		segment = segments[i] = palloc(stop - s + 1);
		for (; s < stop; s++)
		{
			if (*s != '~')
				*segment++ = *s;
			else if (++s < stop && (*s == '0' || *s == '1'))
				*segment++ = *s == '0' ? '~' : '/';
			else
				return false;
		}
		*segment = '\0';
		s = stop + 1;
	}
	return true;
}

/* Split a uid's id into the table's key; false: no row can have it. */
static bool
keys_parse(const AuthzMapTable *table, const CedarUid *uid, Datum *values)
{
	const char *id = uid->bytes + uid->type_len;
	char	   *segments[INDEX_MAX_KEYS];

	/* An id that the types cannot hold is not in the table. */
	if (memchr(id, '\0', uid->id_len) != NULL)
		return false;
	if (table->n_keys == 1)
		return key_parse(table->keys[0], id, uid->id_len, &values[0]);
	if (!authz_id_split(uid, table->n_keys, segments))
		return false;
	for (int i = 0; i < table->n_keys; i++)
	{
		if (!key_parse(table->keys[i], segments[i], strlen(segments[i]), &values[i]))
			return false;
	}
	return true;
}

/* The canonical text of a value, in buf or in memory of the current context. */
static void
datum_text(AuthzColumn *column, Datum value, char *buf, const char **text, size_t *len)
{
	struct varlena *packed;

	switch (column->kind)
	{
		case AUTHZ_COLUMN_INT2:
			*len = pg_lltoa(DatumGetInt16(value), buf);
			*text = buf;
			return;
		case AUTHZ_COLUMN_INT4:
			*len = pg_lltoa(DatumGetInt32(value), buf);
			*text = buf;
			return;
		case AUTHZ_COLUMN_INT8:
			*len = pg_lltoa(DatumGetInt64(value), buf);
			*text = buf;
			return;
		case AUTHZ_COLUMN_TEXT:
		case AUTHZ_COLUMN_BPCHAR:
			packed = PG_DETOAST_DATUM_PACKED(value);
			*text = VARDATA_ANY(packed);
			*len = VARSIZE_ANY_EXHDR(packed);
			if (column->kind == AUTHZ_COLUMN_BPCHAR)
				*len = bpchartruelen(unconstify(char *, *text), *len);
			return;
		default:
			*text = OutputFunctionCall(&column->output, value);
			*len = strlen(*text);
	}
}

#define TEXT_BUFFER 32			/* holds any integer */

static void
segment_append(StringInfo id, const char *text, size_t len)
{
	for (size_t i = 0; i < len; i++)
	{
		if (text[i] == '~')
			appendStringInfoString(id, "~0");
		else if (text[i] == '/')
			appendStringInfoString(id, "~1");
		else
			appendStringInfoChar(id, text[i]);
	}
}

/*
 * Has the row, which an index found, this very id?  Equal is not the same.  The
 * row is in a slot, or a tuple whose page is locked: there no other page is read
 * for it, and the index has to tell of one that is compressed or elsewhere.
 */
static bool
row_keys_are(AuthzMapTable *table, TupleTableSlot *slot, HeapTuple tuple,
			 TupleDesc desc, const Datum *wanted)
{
	for (int i = 0; i < table->n_keys; i++)
	{
		AuthzColumn *column = table->keys[i];
		bool		isnull;
		Datum		value = slot != NULL ? slot_getattr(slot, column->attnum, &isnull) :
			heap_getattr(tuple, column->attnum, desc, &isnull);
		char		buffers[2][TEXT_BUFFER];
		const char *texts[2];
		size_t		lens[2];

		if (isnull)
			return false;
		if (slot == NULL && TupleDescAttr(desc, column->attnum - 1)->attlen == -1 &&
			(VARATT_IS_EXTERNAL(DatumGetPointer(value)) ||
			 VARATT_IS_COMPRESSED(DatumGetPointer(value))))
			return false;
		switch (column->kind)
		{
			case AUTHZ_COLUMN_INT2:
				if (DatumGetInt16(value) != DatumGetInt16(wanted[i]))
					return false;
				break;
			case AUTHZ_COLUMN_INT4:
				if (DatumGetInt32(value) != DatumGetInt32(wanted[i]))
					return false;
				break;
			case AUTHZ_COLUMN_INT8:
				if (DatumGetInt64(value) != DatumGetInt64(wanted[i]))
					return false;
				break;
			case AUTHZ_COLUMN_UUID:
				if (memcmp(DatumGetUUIDP(value), DatumGetUUIDP(wanted[i]), UUID_LEN) != 0)
					return false;
				break;
			case AUTHZ_COLUMN_ENUM:
				if (DatumGetObjectId(value) != DatumGetObjectId(wanted[i]))
					return false;
				break;
			default:
				datum_text(column, value, buffers[0], &texts[0], &lens[0]);
				datum_text(column, wanted[i], buffers[1], &texts[1], &lens[1]);

				/* A blank that the uid has and char(n) does not is a difference. */
				if (column->kind == AUTHZ_COLUMN_BPCHAR)
					lens[1] = VARSIZE_ANY_EXHDR(DatumGetPointer(wanted[i]));
				if (lens[0] != lens[1] || memcmp(texts[0], texts[1], lens[0]) != 0)
					return false;
		}
	}
	return true;
}

static bool
keys_are(AuthzMapTable *table, TupleTableSlot *slot, const Datum *wanted)
{
	return row_keys_are(table, slot, NULL, NULL, wanted);
}

bool
authz_row_has_id(AuthzMapTable *table, HeapTuple tuple, TupleDesc desc, const CedarUid *uid)
{
	Datum		keys[INDEX_MAX_KEYS];

	return keys_parse(table, uid, keys) && row_keys_are(table, NULL, tuple, desc, keys);
}

void
authz_row_integer_key(AuthzMapTable *table, AuthzCachedRow *row)
{
	AuthzColumn *column = table->keys[0];
	Datum		key[INDEX_MAX_KEYS];

	if (table->n_keys != 1 || column->array || !keys_parse(table, row->uid, key))
		return;
	switch (column->kind)
	{
		case AUTHZ_COLUMN_INT2:
			row->key = DatumGetInt16(key[0]);
			row->key_size = sizeof(int16);
			break;
		case AUTHZ_COLUMN_INT4:
			row->key = DatumGetInt32(key[0]);
			row->key_size = sizeof(int32);
			break;
		case AUTHZ_COLUMN_INT8:
			row->key = DatumGetInt64(key[0]);
			row->key_size = sizeof(int64);
			break;
		default:
			return;
	}
	row->key_column = column->attnum;
}

/* ------------------------------------------------------------ the executor */

/* One look-up in a mapping's view. */
static SPIPlanPtr
plan_prepare(AuthzMapTable *table, const char **text)
{
	StringInfoData sql;
	Oid			types[INDEX_MAX_KEYS];
	SPIPlanPtr	plan;

	initStringInfo(&sql);
	appendStringInfoString(&sql, "SELECT ");
	for (int i = 0; i < table->n_columns; i++)
		appendStringInfo(&sql, "%s%s", i > 0 ? ", " : "",
						 quote_identifier(table->columns[i].name));
	appendStringInfo(&sql, " FROM %s",
					 quote_qualified_identifier(get_namespace_name(get_rel_namespace(table->view)),
												get_rel_name(table->view)));
	for (int i = 0; i < table->n_keys; i++)
	{
		TypeCacheEntry *entry = lookup_type_cache(table->keys[i]->type, TYPECACHE_EQ_OPR);
		HeapTuple	tuple = SearchSysCache1(OPEROID, ObjectIdGetDatum(entry->eq_opr));
		Form_pg_operator form;

		if (!HeapTupleIsValid(tuple))
			elog(ERROR, "type %u has no equality operator", table->keys[i]->type);
		form = (Form_pg_operator) GETSTRUCT(tuple);
		appendStringInfo(&sql, " %s %s OPERATOR(%s.%s) $%d", i == 0 ? "WHERE" : "AND",
						 quote_identifier(table->keys[i]->name),
						 quote_identifier(get_namespace_name(form->oprnamespace)),
						 NameStr(form->oprname), i + 1);
		ReleaseSysCache(tuple);
		types[i] = table->keys[i]->type;
	}
	plan = SPI_prepare(sql.data, table->n_keys, types);
	if (plan == NULL)
		elog(ERROR, "could not prepare \"%s\": %s", sql.data, SPI_result_code_string(SPI_result));
	*text = sql.data;
	return plan;
}

/* Run the query; its rows are copied into a context. */
static List *
executor_query(AuthzMapTable *table, Datum *keys, TupleDesc *desc, MemoryContext cxt)
{
	List	   *rows = NIL;
	SPIPlanPtr	plan = table->plan;
	const char *text = table->plan_text;

	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect failed");
	/* A plan is made for one user; what others need once, is gone with SPI_finish. */
	if (plan == NULL || table->plan_user != GetUserId())
		plan = plan_prepare(table, &text);
	if (table->plan == NULL)
	{
		table->plan_text = MemoryContextStrdup(GetMemoryChunkContext(table), text);
		table->plan_user = GetUserId();
		if (SPI_keepplan(plan) != 0)
			elog(ERROR, "could not keep the plan of \"%s\"", text);
		table->plan = plan;
	}
	(void) authz_plan_as_owner(text);
	if (SPI_execute_plan(plan, keys, NULL, true, 0) != SPI_OK_SELECT)
		elog(ERROR, "could not read \"%s\": %s", table->view_name,
			 SPI_result_code_string(SPI_result));
	MemoryContextSwitchTo(cxt);
	*desc = CreateTupleDescCopy(SPI_tuptable->tupdesc);
	for (uint64 i = 0; i < SPI_processed; i++)
		rows = lappend(rows, heap_copytuple(SPI_tuptable->vals[i]));
	SPI_finish();
	return rows;
}

/* The rows of a key, as the view's owner or the caller sees them. */
static void
executor_rows(AuthzMapTable *table, Datum *keys, TupleDesc *desc, List **rows)
{
	Oid			as = authz_map_table_user(table);
	Oid			user;
	int			security;
	const char *outer = authz_plan_as_owner(NULL);
	int			level;

	check_stack_depth();
	GetUserIdAndSecContext(&user, &security);
	executing++;
	PG_TRY();
	{
		if (OidIsValid(as))
			SetUserIdAndSecContext(as, security | SECURITY_LOCAL_USERID_CHANGE |
								   SECURITY_RESTRICTED_OPERATION);
		/* Nothing of the caller's gets these rights, and who wrote the view sets nothing of the caller's. */
		level = OidIsValid(as) ? authz_settings_pin() : NewGUCNestLevel();
		*rows = executor_query(table, keys, desc, CurrentMemoryContext);
		authz_settings_unpin(level);
	}
	PG_FINALLY();
	{
		executing--;
		SetUserIdAndSecContext(user, security);
		(void) authz_plan_as_owner(outer);
	}
	PG_END_TRY();
}

bool
authz_row_is_executing(void)
{
	return executing > 0;
}

/* ------------------------------------------------------------------ tables */

/* A column can be dropped and its view with it: see that it is still there. */
static void
open_check(AuthzMapTable *table, Relation heap)
{
	TupleDesc	desc = RelationGetDescr(heap);

	for (int i = 0; i < table->n_columns; i++)
	{
		AuthzColumn *column = &table->columns[i];
		Form_pg_attribute att = column->attnum <= desc->natts ?
			TupleDescAttr(desc, column->attnum - 1) : NULL;

		if (att == NULL || att->attisdropped || !authz_column_has_type(column, att->atttypid))
			ereport(ERROR,
					(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
					 errmsg("table \"%s\" has changed while a statement was reading it",
							RelationGetRelationName(heap)),
					 errdetail("Column \"%s\" of its mapping is not what it was.", column->name)));
	}
}

static OpenTable *
open_make(AuthzRowReader *reader, AuthzMapTable *table)
{
	MemoryContext old;
	OpenTable  *open;

	if (reader->cxt == NULL)
		reader->cxt = CurrentMemoryContext;
	old = MemoryContextSwitchTo(reader->cxt);
	open = palloc0(sizeof(OpenTable));
	open->table = table;
	open->scan.cxt = reader->cxt;
	if (table->direct && table->filter != NULL)
	{
		open->econtext = CreateStandaloneExprContext();
		open->filter = ExecInitQual(make_ands_implicit(table->filter), NULL);
	}
	reader->open = lappend(reader->open, open);
	MemoryContextSwitchTo(old);
	return open;
}

static OpenTable *
open_get(AuthzRowReader *reader, AuthzMapTable *table)
{
	OpenTable  *open = NULL;
	ListCell   *lc;
	uint64		checked;

	foreach(lc, reader->open)
	{
		open = lfirst(lc);
		if (open->table == table)
			break;
		open = NULL;
	}
	if (open == NULL)
		open = open_make(reader, table);
	if (!table->direct || open->scan.heap != NULL)
		return open;
	checked = open->scan.epoch;
	authz_scan_open(&open->scan, table->relid, table->index, table->n_keys, reader->snapshot);
	open->scan.look_near = reader->look_near && table->unique &&
		authz_cache_serves(open->scan.heap);
	if (open->scan.epoch != checked)
		open_check(table, open->scan.heap);
	authz_map_table_allow(table);
	return open;
}

AuthzScan *
authz_row_scan(AuthzRowReader *reader, AuthzMapTable *table)
{
	return &open_get(reader, table)->scan;
}

void
authz_row_close(AuthzRowReader *reader)
{
	ListCell   *lc;

	foreach(lc, reader->open)
	{
		OpenTable  *open = lfirst(lc);

		if (open->slot != NULL)
			ExecDropSingleTupleTableSlot(open->slot);
		open->slot = NULL;
		if (open->scan.heap != NULL)
			authz_scan_close(&open->scan);
	}
}

void
authz_row_end(AuthzRowReader *reader)
{
	ListCell   *lc;

	authz_row_close(reader);
	foreach(lc, reader->open)
	{
		OpenTable  *open = lfirst(lc);

		if (open->econtext != NULL)
			FreeExprContext(open->econtext, true);
		authz_scan_end(&open->scan);
		pfree(open);
	}
	list_free(reader->open);
	reader->open = NIL;
}

static bool
filter_holds(OpenTable *open, TupleTableSlot *slot)
{
	bool		holds;

	if (open->filter == NULL)
		return true;
	open->econtext->ecxt_scantuple = slot;
	holds = ExecQual(open->filter, open->econtext);
	ResetExprContext(open->econtext);
	return holds;
}

/* The key's values in the order of the index. */
static void
keys_arrange(const AuthzMapTable *table, const Datum *keys, Datum *arranged)
{
	for (int i = 0; i < table->n_keys; i++)
		arranged[i] = keys[table->key_places[i]];
}

typedef struct NearKeys
{
	AuthzMapTable *table;
	TupleDesc	desc;
	const Datum *keys;
} NearKeys;

static bool
near_keys_are(HeapTuple tuple, void *arg)
{
	NearKeys   *wanted = arg;

	return row_keys_are(wanted->table, NULL, tuple, wanted->desc, wanted->keys);
}

TupleTableSlot *
authz_row_find(AuthzRowReader *reader, AuthzMapping *mapping, const CedarUid *uid)
{
	AuthzMapTable *table = mapping->table;
	OpenTable  *open = open_get(reader, table);
	Datum		keys[INDEX_MAX_KEYS];
	Datum		arranged[INDEX_MAX_KEYS] = {0};
	HeapTuple	found = NULL;
	TupleDesc	desc;
	List	   *rows;
	ListCell   *lc;

	if (!keys_parse(table, uid, keys))
		return NULL;
	if (table->direct)
	{
		AuthzNear  *near = &open->scan.near[0];
		NearKeys	wanted = {table, RelationGetDescr(open->scan.heap), keys};
		bool		there = open->scan.look_near &&
			authz_near_find(near, open->scan.heap, open->scan.snapshot, near_keys_are, &wanted,
							authz_scan_slot(&open->scan));

		if (!there)
		{
			keys_arrange(table, keys, arranged);
			authz_scan_start(&open->scan, arranged);
			while (!there && authz_scan_next(&open->scan))
				there = keys_are(table, open->scan.slot, keys);
			if (there)
				authz_near_note(near, open->scan.slot);
		}
		return there && filter_holds(open, open->scan.slot) ? open->scan.slot : NULL;
	}

	executor_rows(table, keys, &desc, &rows);
	if (open->slot != NULL)
		ExecDropSingleTupleTableSlot(open->slot);
	open->slot = MakeSingleTupleTableSlot(desc, &TTSOpsHeapTuple);
	foreach(lc, rows)
	{
		ExecStoreHeapTuple(lfirst(lc), open->slot, false);
		if (!keys_are(table, open->slot, keys))
			continue;
		if (found != NULL)
			ereport(ERROR,
					(errcode(ERRCODE_CARDINALITY_VIOLATION),
					 errmsg("more than one row for entity %s", authz_uid_display(uid)),
					 errdetail("They are in view \"%s\".", table->view_name)));
		found = lfirst(lc);
	}
	if (found == NULL)
		return NULL;
	return ExecStoreHeapTuple(found, open->slot, false);
}

/* ------------------------------------------------------------------ values */

/* A value that Cedar does not have; the text completes "Column … …". */
pg_noreturn static void
value_fail(const CedarUid *uid, const AuthzColumn *column, int sqlstate, const char *why)
{
	ereport(ERROR,
			(errcode(sqlstate),
			 errmsg("invalid entity %s", authz_uid_display(uid)),
			 errdetail("Column \"%s\" %s.", column->name, why)));
}

static CedarValue
numeric_value(const CedarUid *uid, AuthzColumn *column, Datum value)
{
	char	   *text = OutputFunctionCall(&column->output, value);
	char	   *point = strchr(text, '.');
	size_t		len = strlen(text);
	int64		i;
	const char *why;

	if (strspn(text, "-0123456789.") != len)
		value_fail(uid, column, ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE, "is not a finite number");
	if (point == NULL)
	{
		text = psprintf("%s.0", text);
		len += 2;
	}
	else
	{
		while (len > point - text + 2 && text[len - 1] == '0')
			len--;
		if (len - (point - text) - 1 > 4)
			value_fail(uid, column, ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE,
					   "has more than four digits after the point, which a decimal cannot hold");
	}
	if (!cedar_decimal_parse(text, len, &i, &why))
		value_fail(uid, column, ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE,
				   "is beyond what a decimal can hold");
	return cedar_value_scalar(CEDAR_DECIMAL, i);
}

static inline int64
floor_div(int64 a, int64 b)
{
	return a / b - (a % b < 0);
}

static CedarValue
interval_value(const CedarUid *uid, AuthzColumn *column, Datum value)
{
	Interval   *interval = DatumGetIntervalP(value);

	if (interval->month != 0)
		value_fail(uid, column, ERRCODE_DATETIME_VALUE_OUT_OF_RANGE,
				   "has months, or no end, and so no length in milliseconds");
	return cedar_value_scalar(CEDAR_DURATION,
							  (int64) interval->day * MSECS_PER_DAY +
							  floor_div(interval->time, 1000));
}

static CedarValue
inet_value(CedarArena *arena, Datum value)
{
	inet	   *address = DatumGetInetPP(value);
	CedarIp    *ip = cedar_arena_alloc(arena, sizeof(CedarIp));

	if (ip == NULL)
		out_of_memory();
	memset(ip, 0, sizeof(CedarIp));
	ip->is_v6 = ip_family(address) == PGSQL_AF_INET6;
	ip->prefix = ip_bits(address);
	memcpy(ip->addr, ip_addr(address), ip_addrsize(address));
	return cedar_value_ip(ip);
}

static CedarValue
json_value(CedarArena *arena, const CedarUid *uid, AuthzColumn *column, Datum value)
{
	CedarValue	result;
	CedarError	err;
	char	   *json;

	if (column->kind == AUTHZ_COLUMN_JSONB)
	{
		Jsonb	   *jsonb = DatumGetJsonbP(value);

		if (authz_jsonb_value(arena, jsonb, &result))
			return result;
		json = authz_jsonb_text(jsonb);
	}
	else
		json = TextDatumGetCString(value);
	if (cedar_value_parse_json(arena, json, strlen(json), &result, &err) != CEDAR_OK)
		authz_raise(&err, AUTHZ_TEXT_JSON, json, strlen(json),
					psprintf("entity %s", authz_uid_display(uid)),
					psprintf("In column \"%s\".", column->name));
	return result;
}

static CedarValue
scalar_value(CedarArena *arena, const CedarUid *uid, AuthzColumn *column, Datum value)
{
	char		buffer[TEXT_BUFFER];
	const char *text;
	size_t		len;
	const CedarStr *str;
	Timestamp	at;
	DateADT		day;

	switch (column->kind)
	{
		case AUTHZ_COLUMN_BOOL:
			return cedar_value_scalar(CEDAR_BOOL, DatumGetBool(value));
		case AUTHZ_COLUMN_INT2:
			return cedar_value_scalar(CEDAR_LONG, DatumGetInt16(value));
		case AUTHZ_COLUMN_INT4:
			return cedar_value_scalar(CEDAR_LONG, DatumGetInt32(value));
		case AUTHZ_COLUMN_INT8:
			return cedar_value_scalar(CEDAR_LONG, DatumGetInt64(value));
		case AUTHZ_COLUMN_OID:
			return cedar_value_scalar(CEDAR_LONG, DatumGetObjectId(value));
		case AUTHZ_COLUMN_NUMERIC:
			return numeric_value(uid, column, value);
		case AUTHZ_COLUMN_TIMESTAMP:
			at = DatumGetTimestamp(value);
			if (TIMESTAMP_NOT_FINITE(at))
				value_fail(uid, column, ERRCODE_DATETIME_VALUE_OUT_OF_RANGE, "is infinite");
			return cedar_value_scalar(CEDAR_DATETIME,
									  floor_div(at, 1000) + UNIX_EPOCH_DAYS * MSECS_PER_DAY);
		case AUTHZ_COLUMN_DATE:
			day = DatumGetDateADT(value);
			if (DATE_NOT_FINITE(day))
				value_fail(uid, column, ERRCODE_DATETIME_VALUE_OUT_OF_RANGE, "is infinite");
			return cedar_value_scalar(CEDAR_DATETIME,
									  ((int64) day + UNIX_EPOCH_DAYS) * MSECS_PER_DAY);
		case AUTHZ_COLUMN_INTERVAL:
			return interval_value(uid, column, value);
		case AUTHZ_COLUMN_INET:
			return inet_value(arena, value);
		case AUTHZ_COLUMN_JSON:
		case AUTHZ_COLUMN_JSONB:
			return json_value(arena, uid, column, value);
		default:
			datum_text(column, value, buffer, &text, &len);
			str = cedar_str_make(arena, text, len);
			if (str == NULL)
				out_of_memory();
			return cedar_value_str(str);
	}
}

/* The elements of an array; raises for what is no set. */
static int
array_elements(const CedarUid *uid, AuthzColumn *column, Datum value, Datum **elems)
{
	ArrayType  *array = DatumGetArrayTypeP(value);
	bool	   *nulls;
	int			n;

	if (ARR_NDIM(array) > 1)
		value_fail(uid, column, ERRCODE_ARRAY_SUBSCRIPT_ERROR, "has more than one dimension");
	deconstruct_array(array, ARR_ELEMTYPE(array), column->typlen, column->typbyval,
					  column->typalign, elems, &nulls, &n);
	for (int i = 0; i < n; i++)
	{
		if (nulls[i])
			value_fail(uid, column, ERRCODE_NULL_VALUE_NOT_ALLOWED, "has null among its elements");
	}
	return n;
}

static CedarValue
set_value(CedarArena *arena, CedarValue *values, int n)
{
	const CedarSet *set = cedar_set_make(arena, values, n);

	if (set == NULL)
		out_of_memory();
	return cedar_value_set(set);
}

static CedarValue
column_value(CedarArena *arena, const CedarUid *uid, AuthzColumn *column, Datum value)
{
	Datum	   *elems;
	CedarValue *values;
	int			n;

	if (!column->array)
		return scalar_value(arena, uid, column, value);
	n = array_elements(uid, column, value, &elems);
	values = palloc(Max(n, 1) * sizeof(CedarValue));
	for (int i = 0; i < n; i++)
		values[i] = scalar_value(arena, uid, column, elems[i]);
	return set_value(arena, values, n);
}

/* -------------------------------------------------------------- references */

static const CedarUid *
uid_make(CedarArena *arena, const char *type, size_t type_len, const char *id, size_t len)
{
	const CedarUid *uid = cedar_uid_build(arena, type, type_len, id, len);

	if (uid == NULL)
		out_of_memory();
	return uid;
}

/* Which type a row's type column says; *len its length. */
static const char *
reference_type(const CedarUid *uid, AuthzReference *reference, Datum value, size_t *len)
{
	AuthzColumn *column = reference->type_column;
	char	   *buffer = palloc(TEXT_BUFFER);
	const char *text;

	datum_text(column, value, buffer, &text, len);
	for (int i = 0; i < reference->n_types; i++)
	{
		if (strlen(reference->type_texts[i]) == *len &&
			memcmp(reference->type_texts[i], text, *len) == 0)
		{
			*len = reference->types[i]->len;
			return reference->types[i]->bytes;
		}
	}
	if (reference->n_types > 0)
		value_fail(uid, column, ERRCODE_INVALID_PARAMETER_VALUE,
				   psprintf("is \"%.*s\", for which the mapping has no type", (int) *len, text));
	if (!cedar_is_name(text, *len))
		value_fail(uid, column, ERRCODE_INVALID_PARAMETER_VALUE,
				   psprintf("is \"%.*s\", which is not an entity type", (int) *len, text));
	return text;
}

/*
 * The uids that a row's columns refer to: none where one of them is null,
 * several where it is an array.
 */
static int
reference_uids(CedarArena *arena, const CedarUid *uid, AuthzReference *reference,
			   TupleTableSlot *slot, const CedarUid ***uids)
{
	const char *type = NULL;
	size_t		type_len = 0;
	char		buffer[TEXT_BUFFER];
	const char *text;
	size_t		len;
	bool		isnull;
	Datum		value;
	StringInfoData id;

	if (reference->type != NULL)
	{
		type = reference->type->bytes;
		type_len = reference->type->len;
	}
	else
	{
		value = slot_getattr(slot, reference->type_column->attnum, &isnull);
		if (isnull)
			return 0;
		type = reference_type(uid, reference, value, &type_len);
	}
	if (reference->n_columns == 1)
	{
		AuthzColumn *column = reference->columns[0];
		Datum	   *elems = &value;
		int			n = 1;

		value = slot_getattr(slot, column->attnum, &isnull);
		if (isnull)
			return 0;
		if (column->array)
			n = array_elements(uid, column, value, &elems);
		*uids = palloc(Max(n, 1) * sizeof(CedarUid *));
		for (int i = 0; i < n; i++)
		{
			datum_text(column, elems[i], buffer, &text, &len);
			(*uids)[i] = uid_make(arena, type, type_len, text, len);
		}
		return n;
	}
	initStringInfo(&id);
	for (int i = 0; i < reference->n_columns; i++)
	{
		AuthzColumn *column = reference->columns[i];

		value = slot_getattr(slot, column->attnum, &isnull);
		if (isnull)
			return 0;
		datum_text(column, value, buffer, &text, &len);
		if (i > 0)
			appendStringInfoChar(&id, '/');
		segment_append(&id, text, len);
	}
	*uids = palloc(sizeof(CedarUid *));
	(*uids)[0] = uid_make(arena, type, type_len, id.data, id.len);
	return 1;
}

static bool
reference_value(CedarArena *arena, const CedarUid *uid, AuthzReference *reference,
				TupleTableSlot *slot, CedarValue *value)
{
	const CedarUid **uids;
	int			n = reference_uids(arena, uid, reference, slot, &uids);
	CedarValue *values;
	bool		isnull;

	if (!reference->columns[0]->array)
	{
		if (n == 1)
			*value = cedar_value_uid(uids[0]);
		return n == 1;
	}
	slot_getattr(slot, reference->columns[0]->attnum, &isnull);
	if (isnull)
		return false;
	values = palloc(Max(n, 1) * sizeof(CedarValue));
	for (int i = 0; i < n; i++)
		values[i] = cedar_value_uid(uids[i]);
	*value = set_value(arena, values, n);
	return true;
}

const CedarUid *
authz_row_uid(AuthzMapping *mapping, TupleTableSlot *slot, CedarArena *arena)
{
	AuthzMapTable *table = mapping->table;
	StringInfoData id;

	initStringInfo(&id);
	for (int i = 0; i < table->n_keys; i++)
	{
		char		buffer[TEXT_BUFFER];
		const char *text;
		size_t		len;
		bool		isnull;
		Datum		value = slot_getattr(slot, table->keys[i]->attnum, &isnull);

		if (isnull)
			ereport(ERROR,
					(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
					 errmsg("a row without an id is no entity"),
					 errdetail("Column \"%s\" is null.", table->keys[i]->name)));
		datum_text(table->keys[i], value, buffer, &text, &len);
		if (table->n_keys == 1)
			appendBinaryStringInfo(&id, text, len);
		else
		{
			if (i > 0)
				appendStringInfoChar(&id, '/');
			segment_append(&id, text, len);
		}
	}
	return uid_make(arena, mapping->type->bytes, mapping->type->len, id.data, id.len);
}

/* ---------------------------------------------------------------- entities */

static const CedarRecord *
record_make(CedarArena *arena, CedarPair *pairs, int n, const CedarUid *uid)
{
	const CedarStr *duplicate;
	const CedarRecord *record = cedar_record_make(arena, pairs, n, &duplicate);

	if (record == NULL && duplicate != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_UNIQUE_VIOLATION),
				 errmsg("invalid entity %s", authz_uid_display(uid)),
				 errdetail("There is more than one row for tag \"%.*s\".",
						   (int) duplicate->len, duplicate->bytes)));
	if (record == NULL)
		out_of_memory();
	return record;
}

static const CedarRecord *
tags_of_column(CedarArena *arena, const CedarUid *uid, AuthzColumn *column,
			   TupleTableSlot *slot)
{
	bool		isnull;
	Datum		value = slot_getattr(slot, column->attnum, &isnull);
	const CedarRecord *record = NULL;
	CedarEntity *entity;
	char	   *json;
	const char *fault;
	CedarError	err;

	if (isnull)
		return NULL;
	if (column->kind == AUTHZ_COLUMN_JSONB)
	{
		record = authz_jsonb_record(arena, DatumGetJsonbP(value));
		if (record != NULL)
			return record;
		json = authz_jsonb_text(DatumGetJsonbP(value));
	}
	else
		json = TextDatumGetCString(value);
	if (cedar_entity_build(arena, uid, "{}", 2, json, strlen(json), NULL, 0,
						   &entity, &fault, &err) != CEDAR_OK)
		authz_raise(&err, AUTHZ_TEXT_JSON, json, strlen(json),
					psprintf("entity %s", authz_uid_display(uid)),
					psprintf("In column \"%s\".", column->name));
	return entity->tags;
}

static void
parents_add(CedarArena *arena, CedarEntity *entity, const CedarUid **uids, int n, int *capacity)
{
	const CedarUid **parents = (const CedarUid **) entity->parents;

	if (entity->n_parents + n > *capacity)
	{
		const CedarUid **more;

		*capacity = Max(Max(8, *capacity * 2), entity->n_parents + n);
		more = cedar_arena_alloc(arena, *capacity * sizeof(CedarUid *));
		if (more == NULL)
			out_of_memory();
		if (entity->n_parents > 0)
			memcpy(more, parents, entity->n_parents * sizeof(CedarUid *));
		parents = more;
		entity->parents = more;
	}
	for (int i = 0; i < n; i++)
		parents[entity->n_parents++] = uids[i];
}

CedarEntity *
authz_row_entity(AuthzMapping *mapping, TupleTableSlot *slot, CedarArena *arena,
				 const CedarUid *uid)
{
	CedarEntity *entity = cedar_arena_alloc(arena, sizeof(CedarEntity));
	CedarPair  *pairs = palloc(Max(mapping->n_attrs, 1) * sizeof(CedarPair));
	int			n = 0;
	int			capacity = 0;

	if (entity == NULL)
		out_of_memory();
	memset(entity, 0, sizeof(CedarEntity));
	entity->uid = uid;
	for (int i = 0; i < mapping->n_attrs; i++)
	{
		AuthzMapAttr *attr = &mapping->attrs[i];

		if (attr->reference != NULL)
		{
			if (!reference_value(arena, uid, attr->reference, slot, &pairs[n].value))
				continue;
		}
		else
		{
			bool		isnull;
			Datum		value = slot_getattr(slot, attr->column->attnum, &isnull);

			if (isnull)
				continue;
			pairs[n].value = column_value(arena, uid, attr->column, value);
		}
		/* The name is in the mapping's memory, which may go before the arena. */
		pairs[n].key = cedar_str_make(arena, attr->name->bytes, attr->name->len);
		if (pairs[n].key == NULL)
			out_of_memory();
		n++;
	}
	entity->attrs = record_make(arena, pairs, n, uid);
	pfree(pairs);
	if (mapping->tags != NULL)
		entity->tags = tags_of_column(arena, uid, mapping->tags, slot);
	for (int i = 0; i < mapping->n_parents; i++)
	{
		const CedarUid **uids;

		n = reference_uids(arena, uid, mapping->parents[i], slot, &uids);
		parents_add(arena, entity, uids, n, &capacity);
	}
	return entity;
}

/* Call fn for each row of a table that names the entity. */
static void
link_rows(AuthzRowReader *reader, AuthzMapTable *table, const CedarUid *uid,
		  void (*fn) (TupleTableSlot *slot, void *arg), void *arg)
{
	OpenTable  *open = open_get(reader, table);
	Datum		keys[INDEX_MAX_KEYS];
	Datum		arranged[INDEX_MAX_KEYS] = {0};
	TupleDesc	desc;
	List	   *rows;
	ListCell   *lc;

	if (!keys_parse(table, uid, keys))
		return;
	if (table->direct)
	{
		keys_arrange(table, keys, arranged);
		authz_scan_start(&open->scan, arranged);
		while (authz_scan_next(&open->scan))
		{
			CHECK_FOR_INTERRUPTS();
			if (keys_are(table, open->scan.slot, keys) && filter_holds(open, open->scan.slot))
				fn(open->scan.slot, arg);
		}
		return;
	}
	executor_rows(table, keys, &desc, &rows);
	if (open->slot != NULL)
		ExecDropSingleTupleTableSlot(open->slot);
	open->slot = MakeSingleTupleTableSlot(desc, &TTSOpsHeapTuple);
	foreach(lc, rows)
	{
		ExecStoreHeapTuple(lfirst(lc), open->slot, false);
		if (keys_are(table, open->slot, keys))
			fn(open->slot, arg);
	}
	list_free_deep(rows);
}

typedef struct LinkArg
{
	AuthzMapping *mapping;
	AuthzReference *parent;
	CedarArena *arena;
	CedarEntity *entity;
	int			capacity;
	CedarPair  *pairs;
	int			n_pairs;
	int			pair_capacity;
} LinkArg;

static void
link_parent(TupleTableSlot *slot, void *ptr)
{
	LinkArg    *arg = ptr;
	const CedarUid **uids;
	int			n = reference_uids(arg->arena, arg->entity->uid, arg->parent, slot, &uids);

	parents_add(arg->arena, arg->entity, uids, n, &arg->capacity);
}

static void
link_tag(TupleTableSlot *slot, void *ptr)
{
	LinkArg    *arg = ptr;
	AuthzColumn *key = arg->mapping->tags_key;
	AuthzColumn *value = arg->mapping->tags_value;
	char		buffer[TEXT_BUFFER];
	const char *text;
	size_t		len;
	bool		isnull;
	Datum		datum;
	CedarPair  *pair;

	datum = slot_getattr(slot, key->attnum, &isnull);
	if (isnull)
		return;
	datum_text(key, datum, buffer, &text, &len);
	datum = slot_getattr(slot, value->attnum, &isnull);
	if (isnull)
		return;
	if (arg->n_pairs == arg->pair_capacity)
	{
		arg->pair_capacity = Max(8, 2 * arg->pair_capacity);
		arg->pairs = arg->pairs == NULL ? palloc(arg->pair_capacity * sizeof(CedarPair)) :
			repalloc(arg->pairs, arg->pair_capacity * sizeof(CedarPair));
	}
	pair = &arg->pairs[arg->n_pairs++];
	pair->key = cedar_str_make(arg->arena, text, len);
	if (pair->key == NULL)
		out_of_memory();
	pair->value = column_value(arg->arena, arg->entity->uid, value, datum);
}

void
authz_row_links(AuthzRowReader *reader, AuthzMapping *mapping, CedarArena *arena,
				CedarEntity *entity)
{
	LinkArg		arg = {
		.mapping = mapping,
		.arena = arena,
		.entity = entity,
		.capacity = 0			/* what is there may belong to another arena */
	};

	for (int i = 0; i < mapping->n_links; i++)
	{
		arg.parent = mapping->links[i].parent;
		link_rows(reader, mapping->links[i].table, entity->uid, link_parent, &arg);
	}
	if (mapping->tags_table != NULL)
	{
		link_rows(reader, mapping->tags_table, entity->uid, link_tag, &arg);
		entity->tags = record_make(arena, arg.pairs, arg.n_pairs, entity->uid);
	}
}
