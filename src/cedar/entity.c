/*-------------------------------------------------------------------------
 *
 * entity.c
 *	  Entities, values and requests from JSON, and the hierarchy.
 *
 * The JSON forms are the reference's: `__entity` and `__extn` escapes, uids as
 * {"type", "id"}.  Where its reader lets something pass (further members of
 * an entity or of an escape), so does this one.
 *
 *-------------------------------------------------------------------------
 */
#include "entity.h"

/* ----------------------------------------------------------------- values */

CedarCode
cedar_error_at(const CedarJson *j, CedarError *err)
{
	if (err->code != CEDAR_ERR_NOMEM)
	{
		err->has_position = true;
		err->offset = j->offset;
		err->length = j->length;
	}
	return err->code;
}

/* The object's only member, when its key is this. */
static const CedarJson *
sole_member(const CedarJson *j, const char *key)
{
	return j->type == CEDAR_JSON_OBJECT && j->n == 1 ? cedar_json_get(j, key) : NULL;
}

/* Does it have a type and an id, as members or, in this order, as elements? */
static bool
uid_parts(const CedarJson *j, const CedarJson **type, const CedarJson **id)
{
	if (j->type == CEDAR_JSON_ARRAY && j->n == 2)
	{
		*type = &j->u.elems[0];
		*id = &j->u.elems[1];
	}
	else
	{
		*type = cedar_json_get(j, "type");
		*id = cedar_json_get(j, "id");
	}
	return *type != NULL && *id != NULL && (*type)->type == CEDAR_JSON_STRING &&
		(*id)->type == CEDAR_JSON_STRING;
}

static CedarCode
make_uid(CedarArena *arena, const CedarJson *type, const CedarJson *id,
		 const CedarUid **uid, CedarError *err)
{
	if (cedar_uid_make(arena, type->u.str->bytes, type->u.str->len, id->u.str->bytes,
					   id->u.str->len, uid, err) != CEDAR_OK)
		return cedar_error_at(type, err);
	return CEDAR_OK;
}

static CedarCode
read_values(CedarArena *arena, const CedarJson *j, CedarValue **values, CedarError *err)
{
	if (j->n > CEDAR_MAX_SET_SIZE)
		return cedar_fail_at(err, CEDAR_ERR_LIMIT, j->offset, 1,
							 "a set has at most %d elements, this one has %u",
							 CEDAR_MAX_SET_SIZE, (unsigned) j->n);
	*values = cedar_arena_alloc(arena, j->n * sizeof(CedarValue));
	if (*values == NULL)
		return cedar_nomem(err);
	for (uint32_t i = 0; i < j->n; i++)
		TRY(cedar_value_from_json(arena, &j->u.elems[i], &(*values)[i], err));
	return CEDAR_OK;
}

/* A JSON object as it is, whatever its keys. */
static CedarCode
read_record(CedarArena *arena, const CedarJson *j, const CedarRecord **rec, CedarError *err)
{
	CedarPair  *pairs = cedar_arena_alloc(arena, j->n * sizeof(CedarPair));

	if (pairs == NULL)
		return cedar_nomem(err);
	for (uint32_t i = 0; i < j->n; i++)
	{
		pairs[i].key = j->u.members[i].key;
		TRY(cedar_value_from_json(arena, &j->u.members[i].value, &pairs[i].value, err));
	}
	*rec = cedar_record_make(arena, pairs, j->n, NULL);
	return *rec == NULL ? cedar_nomem(err) : CEDAR_OK;
}

bool
cedar_extension_make(CedarArena *arena, const char *fn, size_t fn_len, const CedarStr *arg,
					 CedarValue *value)
{
	int			function = cedar_fn_lookup(fn, fn_len);
	CedarValue	argument = cedar_value_str(arg);
	CedarError	err;

	return function >= 0 &&
		cedar_fn_call(arena, (CedarFn) function, &argument, 1, value, &err) == CEDAR_OK;
}

static CedarCode
read_extension(CedarArena *arena, const CedarJson *j, const CedarStr *name,
			   const CedarJson *args, bool many, CedarValue *v, CedarError *err)
{
	int			fn = cedar_fn_lookup(name->bytes, name->len);
	CedarValue	one;
	CedarValue *values = &one;
	uint32_t	n = 1;
	CedarCode	code;

	if (fn < 0)
	{
		cedar_fail_at(err, CEDAR_ERR_ENTITY, j->offset, j->length,
					  "there is no extension function \"%.*s\"",
					  CEDAR_EXCERPT(name->bytes, name->len));
		return cedar_hint(err, "The constructors are ip, decimal, datetime and duration.");
	}
	if (many)
	{
		TRY(read_values(arena, args, &values, err));
		n = args->n;
	}
	else
		TRY(cedar_value_from_json(arena, args, &one, err));
	code = cedar_fn_call(arena, (CedarFn) fn, values, n, v, err);
	if (code != CEDAR_OK)
	{
		if (code != CEDAR_ERR_NOMEM)
			err->code = CEDAR_ERR_ENTITY;
		return cedar_error_at(j, err);
	}
	return CEDAR_OK;
}

static CedarCode
refuse_number(const CedarJson *j, CedarError *err)
{
	cedar_fail_at(err, CEDAR_ERR_ENTITY, j->offset, j->length,
				  "a number must be a 64-bit integer");
	return cedar_hint(err, "Write a decimal as {\"__extn\": {\"fn\": \"decimal\", \"arg\": \"1.5\"}}.");
}

/* The reference refuses such numbers even where an escape ignores them. */
static CedarCode
refuse_numbers(CedarArena *arena, const CedarJson *j, CedarError *err)
{
	cedar_arena_check_interrupt(arena);
	if (j->type == CEDAR_JSON_NUMBER)
		return refuse_number(j, err);
	for (uint32_t i = 0; j->type == CEDAR_JSON_ARRAY && i < j->n; i++)
		TRY(refuse_numbers(arena, &j->u.elems[i], err));
	for (uint32_t i = 0; j->type == CEDAR_JSON_OBJECT && i < j->n; i++)
		TRY(refuse_numbers(arena, &j->u.members[i].value, err));
	return CEDAR_OK;
}

/* Depth is bounded by the JSON reader's. */
CedarCode
cedar_value_from_json(CedarArena *arena, const CedarJson *j, CedarValue *v, CedarError *err)
{
	const CedarJson *inner,
			   *type,
			   *id;
	CedarValue *values;
	const CedarSet *set;
	const CedarRecord *rec;
	const CedarUid *uid;

	cedar_arena_check_interrupt(arena);
	switch ((CedarJsonType) j->type)
	{
		case CEDAR_JSON_FALSE:
		case CEDAR_JSON_TRUE:
			*v = cedar_value_scalar(CEDAR_BOOL, j->type == CEDAR_JSON_TRUE);
			return CEDAR_OK;
		case CEDAR_JSON_INT:
			*v = cedar_value_scalar(CEDAR_LONG, j->u.i);
			return CEDAR_OK;
		case CEDAR_JSON_STRING:
			*v = cedar_value_str(j->u.str);
			return CEDAR_OK;
		case CEDAR_JSON_NULL:
			cedar_fail_at(err, CEDAR_ERR_ENTITY, j->offset, j->length,
						  "null is not a Cedar value");
			return cedar_hint(err, "Leave an attribute that has no value out.");
		case CEDAR_JSON_NUMBER:
			return refuse_number(j, err);
		case CEDAR_JSON_ARRAY:
			TRY(read_values(arena, j, &values, err));
			set = cedar_set_make(arena, values, j->n);
			if (set == NULL)
				return cedar_nomem(err);
			*v = cedar_value_set(set);
			return CEDAR_OK;
		case CEDAR_JSON_OBJECT:
			break;
	}
	if ((inner = sole_member(j, "__entity")) != NULL && inner->type == CEDAR_JSON_OBJECT &&
		uid_parts(inner, &type, &id))
	{
		if (inner->n > 2)
			TRY(refuse_numbers(arena, inner, err));
		TRY(make_uid(arena, type, id, &uid, err));
		*v = cedar_value_uid(uid);
		return CEDAR_OK;
	}
	if ((inner = sole_member(j, "__extn")) != NULL)
	{
		const CedarJson *fn = cedar_json_get(inner, "fn");
		const CedarJson *arg = cedar_json_get(inner, "arg");
		const CedarJson *args = cedar_json_get(inner, "args");

		if (fn != NULL && fn->type == CEDAR_JSON_STRING)
		{
			if (inner->n > 2)
				TRY(refuse_numbers(arena, inner, err));
			if (arg != NULL)
				return read_extension(arena, inner, fn->u.str, arg, false, v, err);
			if (args != NULL && args->type == CEDAR_JSON_ARRAY)
				return read_extension(arena, inner, fn->u.str, args, true, v, err);
		}
	}
	if ((inner = sole_member(j, "__expr")) != NULL && inner->type == CEDAR_JSON_STRING)
	{
		cedar_fail_at(err, CEDAR_ERR_ENTITY, j->offset, j->length,
					  "the __expr escape is no longer supported");
		return cedar_hint(err, "Use __entity or __extn.");
	}
	TRY(read_record(arena, j, &rec, err));
	*v = cedar_value_rec(rec);
	return CEDAR_OK;
}

CedarCode
cedar_value_parse_json(CedarArena *arena, const char *text, size_t len,
					   CedarValue *value, CedarError *err)
{
	CedarJson	j;

	TRY(cedar_json_parse(arena, text, len, &j, err));
	return cedar_value_from_json(arena, &j, value, err);
}

/* --------------------------------------------------------------- entities */

CedarCode
cedar_uid_from_json(CedarArena *arena, const CedarJson *j, const char *what,
					const CedarUid **uid, CedarError *err)
{
	const CedarJson *type,
			   *id;
	const CedarJson *inner = cedar_json_get(j, "__entity");
	const CedarJson *expr = cedar_json_get(j, "__expr");

	if (expr != NULL && expr->type == CEDAR_JSON_STRING)
		return cedar_fail_at(err, CEDAR_ERR_ENTITY, j->offset, j->length,
							 "the __expr escape is no longer supported");
	if ((inner != NULL && uid_parts(inner, &type, &id)) || uid_parts(j, &type, &id))
		return make_uid(arena, type, id, uid, err);
	cedar_fail_at(err, CEDAR_ERR_ENTITY, j->offset, j->length, "%s is not an entity uid", what);
	return cedar_hint(err, "Write {\"type\": \"User\", \"id\": \"alice\"}.");
}

static CedarCode
check_action_parent(const CedarUid *uid, const CedarUid *parent, CedarError *err)
{
	if (cedar_uid_is_action(uid) && !cedar_uid_is_action(parent))
		return cedar_fail(err, CEDAR_ERR_ENTITY,
						  "an action's parent must be an action");
	return CEDAR_OK;
}

/* Of an object, or by its place in an array. */
static CedarCode
member(const CedarJson *j, const char *key, uint32_t place, const CedarJsonType *type,
	   bool required, const CedarJson **out, CedarError *err)
{
	if (j->type == CEDAR_JSON_ARRAY)
		*out = place < j->n ? &j->u.elems[place] : NULL;
	else
		*out = cedar_json_get(j, key);
	if (*out == NULL)
	{
		if (!required)
			return CEDAR_OK;
		return cedar_fail_at(err, CEDAR_ERR_ENTITY, j->offset, j->length,
							 "entity has no \"%s\"", key);
	}
	if (type != NULL && (*out)->type != *type)
		return cedar_fail_at(err, CEDAR_ERR_ENTITY, (*out)->offset, (*out)->length,
							 "\"%s\" of an entity must be %s", key,
							 *type == CEDAR_JSON_OBJECT ? "an object" : "an array");
	return CEDAR_OK;
}

CedarCode
cedar_entity_open(CedarArena *arena, const CedarJson *j, CedarEntity *e, CedarOpenEntity *open,
				  CedarError *err)
{
	static const CedarJsonType object = CEDAR_JSON_OBJECT;
	static const CedarJsonType array = CEDAR_JSON_ARRAY;
	const CedarUid **list;

	/* the reference's reader takes the members' values in order, too */
	if (j->type != CEDAR_JSON_OBJECT && (j->type != CEDAR_JSON_ARRAY || j->n > 4))
		return cedar_fail_at(err, CEDAR_ERR_ENTITY, j->offset, j->length,
							 "an entity must be an object with uid, attrs and parents");
	TRY(member(j, "uid", 0, NULL, true, &open->uid, err));
	TRY(cedar_uid_from_json(arena, open->uid, "\"uid\"", &e->uid, err));
	TRY(member(j, "attrs", 1, &object, true, &open->attrs, err));
	TRY(member(j, "parents", 2, &array, true, &open->parents, err));
	TRY(member(j, "tags", 3, &object, false, &open->tags, err));
	list = cedar_arena_alloc(arena, open->parents->n * sizeof(CedarUid *));
	if (list == NULL)
		return cedar_nomem(err);
	for (uint32_t i = 0; i < open->parents->n; i++)
	{
		const CedarJson *parent = &open->parents->u.elems[i];

		cedar_arena_check_interrupt(arena);
		TRY(cedar_uid_from_json(arena, parent, "a parent", &list[i], err));
		if (check_action_parent(e->uid, list[i], err) != CEDAR_OK)
			return cedar_error_at(parent, err);
	}
	e->n_parents = open->parents->n;
	e->parents = list;
	e->ancestors = NULL;
	return CEDAR_OK;
}

static CedarCode
read_entity(CedarArena *arena, const CedarJson *j, CedarEntity *e, CedarError *err)
{
	CedarOpenEntity open;

	TRY(cedar_entity_open(arena, j, e, &open, err));
	TRY(read_record(arena, open.attrs, &e->attrs, err));
	e->tags = NULL;
	if (open.tags != NULL)
		TRY(read_record(arena, open.tags, &e->tags, err));
	return CEDAR_OK;
}

static inline CedarEntity **
place_of(const CedarEntities *es, const CedarUid *uid)
{
	uint32_t	h = uid->hash & (es->cap - 1);

	while (es->table[h] != NULL && !cedar_uid_same(es->table[h]->uid, uid))
		h = (h + 1) & (es->cap - 1);
	return &es->table[h];
}

CedarEntity **
cedar_entities_place(const CedarEntities *es, const CedarUid *uid)
{
	return place_of(es, uid);
}

static bool
record_equal(const CedarRecord *a, const CedarRecord *b)
{
	CedarValue	x,
				y;

	/* no tags and empty tags are the same */
	if (a == NULL || a->n == 0 || b == NULL || b->n == 0)
		return (a == NULL || a->n == 0) && (b == NULL || b->n == 0);
	x = cedar_value_rec(a);
	y = cedar_value_rec(b);
	return cedar_value_equal(&x, &y);
}

/* Are all parents of a among those of b? */
static bool
parents_within(const CedarEntity *a, const CedarEntity *b, CedarUidSet *scratch,
			   CedarArena *arena, bool *result)
{
	bool		added;

	memset(scratch, 0, sizeof(*scratch));
	for (uint32_t i = 0; i < b->n_parents; i++)
	{
		cedar_arena_check_interrupt(arena);
		if (cedar_uidset_add(arena, scratch, b->parents[i], &added) != CEDAR_OK)
			return false;
	}
	*result = true;
	for (uint32_t i = 0; i < a->n_parents; i++)
	{
		cedar_arena_check_interrupt(arena);
		if (!cedar_uidset_has(scratch, a->parents[i]))
			*result = false;
	}
	return true;
}

static CedarCode
entity_equal(CedarArena *arena, const CedarEntity *a, const CedarEntity *b,
			 bool *result, CedarError *err)
{
	CedarUidSet scratch;

	*result = record_equal(a->attrs, b->attrs) && record_equal(a->tags, b->tags);
	if (*result && !parents_within(a, b, &scratch, arena, result))
		return cedar_nomem(err);
	if (*result && !parents_within(b, a, &scratch, arena, result))
		return cedar_nomem(err);
	return CEDAR_OK;
}

static CedarCode
find_in_memory(void *userdata, const CedarUid *uid, CedarEntity **entity, CedarError *err)
{
	const CedarEntities *es = userdata;

	(void) err;
	*entity = es->n == 0 ? NULL : *place_of(es, uid);
	return CEDAR_OK;
}

CedarEntitySource
cedar_entities_source(CedarEntities *entities)
{
	CedarEntitySource s;

	s.find = find_in_memory;
	s.climb = NULL;
	s.userdata = entities;
	s.arena = entities->arena;
	return s;
}

CedarCode
cedar_entities_no_array(const CedarJson *j, CedarError *err)
{
	cedar_fail_at(err, CEDAR_ERR_ENTITY, j->offset, j->length, "entities must be an array");
	return cedar_hint(err, "Write [{\"uid\": {\"type\": …, \"id\": …}, \"attrs\": {}, \"parents\": []}, …].");
}

CedarCode
cedar_entities_create(CedarArena *arena, uint32_t n, CedarEntities **entities, CedarError *err)
{
	CedarEntities *es = cedar_arena_zalloc(arena, sizeof(CedarEntities));

	if (es == NULL)
		return cedar_nomem(err);
	if (n > UINT32_MAX / 4)
		return cedar_fail(err, CEDAR_ERR_LIMIT, "too many entities");
	es->arena = arena;
	es->cap = 16;
	while (es->cap / 2 < n)
		es->cap *= 2;
	es->table = cedar_arena_zalloc(arena, es->cap * sizeof(CedarEntity *));
	if (es->table == NULL)
		return cedar_nomem(err);
	*entities = es;
	return CEDAR_OK;
}

CedarCode
cedar_entities_add(CedarEntities *es, CedarEntity *e, const CedarJson *j, CedarError *err)
{
	CedarEntity **place = cedar_entities_place(es, e->uid);
	CedarValue	v;
	char		buf[160];
	bool		same;

	if (*place == NULL)
	{
		*place = e;
		es->n++;
		return CEDAR_OK;
	}
	TRY(entity_equal(es->arena, *place, e, &same, err));
	if (same)
		return CEDAR_OK;
	v = cedar_value_uid(e->uid);
	return cedar_fail_at(err, CEDAR_ERR_DUPLICATE, j->offset, j->length,
						 "two different entries for %s",
						 cedar_value_describe(&v, buf, sizeof(buf)));
}

CedarCode
cedar_entities_from_json(CedarArena *arena, const char *text, size_t len,
						 CedarEntities **entities, CedarError *err)
{
	CedarJson	j;
	CedarEntities *es;

	TRY(cedar_json_parse(arena, text, len, &j, err));
	if (j.type != CEDAR_JSON_ARRAY)
		return cedar_entities_no_array(&j, err);
	TRY(cedar_entities_create(arena, j.n, &es, err));
	for (uint32_t i = 0; i < j.n; i++)
	{
		CedarEntity *e = cedar_arena_alloc(arena, sizeof(CedarEntity));

		if (e == NULL)
			return cedar_nomem(err);
		cedar_arena_check_interrupt(arena);
		TRY(read_entity(arena, &j.u.elems[i], e, err));
		TRY(cedar_entities_add(es, e, &j.u.elems[i], err));
	}
	TRY(cedar_entities_check_cycles(es, err));
	*entities = es;
	return CEDAR_OK;
}

CedarCode
cedar_entity_build(CedarArena *arena, const CedarUid *uid, const char *attrs,
				   size_t attrs_len, const char *tags, size_t tags_len,
				   const CedarUid *const *parents, uint32_t n_parents,
				   CedarEntity **entity, const char **fault, CedarError *err)
{
	CedarEntity *e = cedar_arena_zalloc(arena, sizeof(CedarEntity));
	CedarJson	j;

	*fault = "attrs";
	if (e == NULL)
		return cedar_nomem(err);
	e->uid = uid;
	TRY(cedar_json_parse(arena, attrs, attrs_len, &j, err));
	if (j.type != CEDAR_JSON_OBJECT)
		return cedar_fail_at(err, CEDAR_ERR_ENTITY, j.offset, j.length,
							 "attributes must be a JSON object");
	TRY(read_record(arena, &j, &e->attrs, err));
	if (tags != NULL)
	{
		*fault = "tags";
		TRY(cedar_json_parse(arena, tags, tags_len, &j, err));
		if (j.type != CEDAR_JSON_OBJECT)
			return cedar_fail_at(err, CEDAR_ERR_ENTITY, j.offset, j.length,
								 "tags must be a JSON object");
		TRY(read_record(arena, &j, &e->tags, err));
	}
	*fault = "parents";
	for (uint32_t i = 0; i < n_parents; i++)
		TRY(check_action_parent(uid, parents[i], err));
	e->parents = parents;
	e->n_parents = n_parents;
	*entity = e;
	return CEDAR_OK;
}

/* The fields of over and, of under, those with other keys. */
static CedarCode
merge_records(CedarArena *arena, const CedarRecord *over, const CedarRecord *under,
			  const CedarRecord **rec, CedarError *err)
{
	CedarPair  *pairs;
	uint32_t	n = 0;

	*rec = over != NULL && over->n > 0 ? over : under;
	if (over == NULL || over->n == 0 || under == NULL || under->n == 0)
		return CEDAR_OK;
	pairs = cedar_arena_alloc(arena, ((size_t) over->n + under->n) * sizeof(CedarPair));
	if (pairs == NULL)
		return cedar_nomem(err);
	for (uint32_t i = 0; i < over->n; i++)
		pairs[n++] = (CedarPair) {cedar_slot_str(&over->fields[i].key),
		cedar_slot_value(&over->fields[i].value)};
	for (uint32_t i = 0; i < under->n; i++)
	{
		const CedarStr *key = cedar_slot_str(&under->fields[i].key);

		cedar_arena_check_interrupt(arena);
		if (cedar_record_get(over, key) == NULL)
			pairs[n++] = (CedarPair) {key, cedar_slot_value(&under->fields[i].value)};
	}
	*rec = cedar_record_make(arena, pairs, n, NULL);
	return *rec == NULL ? cedar_nomem(err) : CEDAR_OK;
}

CedarCode
cedar_entity_merge(CedarArena *arena, const CedarEntity *over, const CedarEntity *under,
				   CedarEntity **entity, CedarError *err)
{
	CedarEntity *e = cedar_arena_zalloc(arena, sizeof(CedarEntity));

	if (e == NULL)
		return cedar_nomem(err);
	e->uid = under->uid;
	TRY(merge_records(arena, over->attrs, under->attrs, &e->attrs, err));
	TRY(merge_records(arena, over->tags, under->tags, &e->tags, err));
	e->parents = over->n_parents > 0 ? over->parents : under->parents;
	e->n_parents = over->n_parents + under->n_parents;
	if (over->n_parents > 0 && under->n_parents > 0)
	{
		const CedarUid **parents = cedar_arena_alloc(arena, (size_t) e->n_parents * sizeof(CedarUid *));

		if (parents == NULL)
			return cedar_nomem(err);
		memcpy(parents, over->parents, over->n_parents * sizeof(CedarUid *));
		memcpy(parents + over->n_parents, under->parents, under->n_parents * sizeof(CedarUid *));
		e->parents = parents;
	}
	*entity = e;
	return CEDAR_OK;
}

/* -------------------------------------------------------------- hierarchy */

typedef struct Frame
{
	CedarEntity *entity;
	uint32_t	next;			/* parent to look at next */
} Frame;

static CedarCode
cycle(CedarError *err, const CedarUid *uid)
{
	CedarValue	v = cedar_value_uid(uid);
	char		buf[160];

	cedar_fail(err, CEDAR_ERR_CYCLE, "%s is its own ancestor",
			   cedar_value_describe(&v, buf, sizeof(buf)));
	return cedar_hint(err, "Parents must not form a cycle; remove one of them.");
}

/*
 * Walk up from e, depth first.  `done` holds what was left behind, `open` what
 * is on the way: meeting an open one is a cycle.  A parent that is not in the
 * store is an ancestor all the same.
 */
static CedarCode
walk_up(const CedarEntitySource *source, CedarEntity *e, CedarUidSet *done,
		CedarUidSet *open, CedarError *err)
{
	CedarArena *arena = source->arena;
	void	   *stack = NULL;
	uint32_t	cap = 0;
	uint32_t	n = 1;
	bool		added;

	if (!cedar_grow(arena, &stack, &cap, 1, sizeof(Frame)))
		return cedar_nomem(err);
	((Frame *) stack)[0] = (Frame) {e, 0};
	if (cedar_uidset_add(arena, open, e->uid, &added) != CEDAR_OK)
		return cedar_nomem(err);
	while (n > 0)
	{
		Frame	   *f = &((Frame *) stack)[n - 1];
		const CedarUid *uid;
		CedarEntity *parent;

		if (f->next == f->entity->n_parents)
		{
			/* done, unless it is where the walk began: that is no ancestor */
			if (--n > 0)
			{
				if (cedar_uidset_add(arena, done, f->entity->uid, &added) != CEDAR_OK)
					return cedar_nomem(err);
			}
			continue;
		}
		cedar_arena_check_interrupt(arena);
		uid = f->entity->parents[f->next++];
		if (cedar_uidset_has(done, uid))
			continue;
		if (cedar_uidset_has(open, uid))
			return cycle(err, uid);
		TRY(source->find(source->userdata, uid, &parent, err));
		if (parent == NULL || parent->n_parents == 0)
		{
			if (cedar_uidset_add(arena, done, uid, &added) != CEDAR_OK)
				return cedar_nomem(err);
			continue;
		}
		if (cedar_uidset_add(arena, open, uid, &added) != CEDAR_OK ||
			!cedar_grow(arena, &stack, &cap, n + 1, sizeof(Frame)))
			return cedar_nomem(err);
		((Frame *) stack)[n++] = (Frame) {parent, 0};
	}
	return CEDAR_OK;
}

CedarCode
cedar_entity_walk(const CedarEntitySource *source, CedarEntity *e, CedarUidSet *done,
				  CedarError *err)
{
	CedarUidSet open = {0};

	return walk_up(source, e, done, &open, err);
}

CedarCode
cedar_entity_ancestors(const CedarEntitySource *source, CedarEntity *e, CedarError *err)
{
	CedarUidSet *done = cedar_uidset_create(source->arena);
	CedarUidSet open = {0};

	if (done == NULL)
		return cedar_nomem(err);
	TRY(walk_up(source, e, done, &open, err));
	e->ancestors = done;
	return CEDAR_OK;
}

/* One walk over all entities; what one walk has done the next need not. */
CedarCode
cedar_entities_check_cycles(CedarEntities *es, CedarError *err)
{
	CedarEntitySource source = cedar_entities_source(es);
	CedarUidSet done = {0};
	bool		added;

	for (uint32_t i = 0; i < es->cap; i++)
	{
		CedarEntity *e = es->table[i];
		CedarUidSet open = {0};

		cedar_arena_check_interrupt(es->arena);
		if (e == NULL || e->n_parents == 0 || cedar_uidset_has(&done, e->uid))
			continue;
		TRY(walk_up(&source, e, &done, &open, err));
		if (cedar_uidset_add(es->arena, &done, e->uid, &added) != CEDAR_OK)
			return cedar_nomem(err);
	}
	return CEDAR_OK;
}

/* --------------------------------------------------------------- requests */

static CedarCode
read_request_uid(CedarArena *arena, const CedarJson *j, const char *name,
				 const CedarUid **uid, CedarError *err)
{
	const CedarJson *m = cedar_json_get(j, name);

	if (m == NULL)
		return cedar_fail_at(err, CEDAR_ERR_REQUEST, j->offset, j->length,
							 "request has no \"%s\"", name);
	if (m->type == CEDAR_JSON_STRING)
	{
		if (cedar_uid_parse(arena, m->u.str->bytes, m->u.str->len, uid, err) != CEDAR_OK)
		{
			char		why[sizeof(err->message)];

			if (err->code == CEDAR_ERR_NOMEM)
				return err->code;
			memcpy(why, err->message, sizeof(why));
			cedar_fail_at(err, CEDAR_ERR_REQUEST, m->offset, m->length,
						  "\"%s\" of the request is not an entity uid: %.*s", name,
						  CEDAR_EXCERPT(why, strlen(why)));
			return cedar_hint(err, "Write {\"type\": \"User\", \"id\": \"alice\"} or \"User::\\\"alice\\\"\".");
		}
		return CEDAR_OK;
	}
	if (cedar_uid_from_json(arena, m, "uid", uid, err) != CEDAR_OK)
	{
		char		why[sizeof(err->message)];

		if (err->code == CEDAR_ERR_NOMEM)
			return err->code;
		memcpy(why, err->message, sizeof(why));
		cedar_fail_at(err, CEDAR_ERR_REQUEST, m->offset, m->length,
					  "\"%s\" of the request is not an entity uid: %.*s", name,
					  CEDAR_EXCERPT(why, strlen(why)));
		return cedar_hint(err, "Write {\"type\": \"User\", \"id\": \"alice\"} or \"User::\\\"alice\\\"\".");
	}
	return CEDAR_OK;
}

/* A context is a value that must turn out to be a record. */
static CedarCode
read_context(CedarArena *arena, const CedarJson *j, const CedarRecord **rec, CedarError *err)
{
	CedarValue	v;
	CedarCode	code = cedar_value_from_json(arena, j, &v, err);

	if (code == CEDAR_ERR_ENTITY)
		return err->code = CEDAR_ERR_REQUEST;
	if (code != CEDAR_OK)
		return code;
	if (v.kind != CEDAR_RECORD)
	{
		cedar_fail_at(err, CEDAR_ERR_REQUEST, j->offset, j->length,
					  "context must be a record, not a %s", cedar_kind_name((CedarKind) v.kind));
		return cedar_hint(err, "Write a JSON object, {} when there is nothing to say.");
	}
	*rec = v.u.rec;
	return CEDAR_OK;
}

CedarCode
cedar_context_from_json(CedarArena *arena, const char *text, size_t len,
						const CedarRecord **context, CedarError *err)
{
	CedarJson	j;

	TRY(cedar_json_parse(arena, text, len, &j, err));
	return read_context(arena, &j, context, err);
}

CedarCode
cedar_request_open(CedarArena *arena, const CedarJson *j, CedarRequest *request,
				   const CedarJson *where[3], const CedarJson **context, CedarError *err)
{
	static const char *const names[] = {"principal", "action", "resource", "context"};

	if (j->type != CEDAR_JSON_OBJECT)
		return cedar_fail_at(err, CEDAR_ERR_REQUEST, j->offset, j->length,
							 "a request must be an object with principal, action, resource and context");
	for (uint32_t i = 0; i < j->n; i++)
	{
		const CedarJsonMember *m = &j->u.members[i];
		bool		known = false;

		for (int k = 0; k < 4; k++)
			if (strlen(names[k]) == m->key->len &&
				memcmp(names[k], m->key->bytes, m->key->len) == 0)
				known = true;
		if (!known)
		{
			cedar_fail_at(err, CEDAR_ERR_REQUEST, m->key_offset, m->key_length,
						  "a request has no member \"%.*s\"",
						  CEDAR_EXCERPT(m->key->bytes, m->key->len));
			return cedar_hint(err, "The members are principal, action, resource and context.");
		}
	}
	TRY(read_request_uid(arena, j, "principal", &request->principal, err));
	TRY(read_request_uid(arena, j, "action", &request->action, err));
	TRY(read_request_uid(arena, j, "resource", &request->resource, err));
	for (int k = 0; k < 3; k++)
		where[k] = cedar_json_get(j, names[k]);
	*context = cedar_json_get(j, "context");
	return CEDAR_OK;
}

static CedarCode
read_request(CedarArena *arena, const CedarJson *j, CedarRequest *request, CedarError *err)
{
	const CedarJson *where[3];
	const CedarJson *context;

	TRY(cedar_request_open(arena, j, request, where, &context, err));
	if (context != NULL)
		return read_context(arena, context, &request->context, err);
	request->context = cedar_record_make(arena, NULL, 0, NULL);
	return request->context == NULL ? cedar_nomem(err) : CEDAR_OK;
}

CedarCode
cedar_request_from_json(CedarArena *arena, const char *text, size_t len,
						CedarRequest *request, CedarError *err)
{
	CedarJson	j;

	TRY(cedar_json_parse(arena, text, len, &j, err));
	return read_request(arena, &j, request, err);
}

CedarCode
cedar_requests_from_json(CedarArena *arena, const char *text, size_t len,
						 CedarRequest **requests, uint32_t *n, uint32_t *fault,
						 CedarError *err)
{
	CedarJson	j;

	*fault = CEDAR_NO_REQUEST;
	TRY(cedar_json_parse(arena, text, len, &j, err));
	if (j.type != CEDAR_JSON_ARRAY)
	{
		cedar_fail_at(err, CEDAR_ERR_REQUEST, j.offset, j.length, "requests must be an array");
		return cedar_hint(err, "Write [{\"principal\": …, \"action\": …, \"resource\": …}, …].");
	}
	*requests = cedar_arena_alloc(arena, j.n * sizeof(CedarRequest));
	if (*requests == NULL)
		return cedar_nomem(err);
	*n = j.n;
	for (uint32_t i = 0; i < j.n; i++)
	{
		*fault = i;
		TRY(read_request(arena, &j.u.elems[i], &(*requests)[i], err));
	}
	*fault = CEDAR_NO_REQUEST;
	return CEDAR_OK;
}
