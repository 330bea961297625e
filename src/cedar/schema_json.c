/*-------------------------------------------------------------------------
 *
 * schema_json.c
 *	  The JSON form of a schema to declarations.
 *
 * What is read, and what is refused, is the reference's (cedar-policy 4.13):
 * its objects of fixed members may also be written as arrays of the members'
 * values in order, and null stands for a missing member in a few places.
 * Unknown members are refused.
 *
 *-------------------------------------------------------------------------
 */
#include <stdio.h>

#include "schema_internal.h"

typedef struct Reader
{
	CedarArena *arena;
	CedarError *err;
} Reader;

static CedarCode read_type(Reader *r, const CedarJson *j, const DeclType **out);

/* ---------------------------------------------------------------- helpers */

static CedarSpan
span_of(const CedarJson *j)
{
	return (CedarSpan) {(uint32_t) j->offset, (uint32_t) j->length};
}

static CedarSpan
key_span(const CedarJsonMember *m)
{
	return (CedarSpan) {(uint32_t) m->key_offset, (uint32_t) m->key_length};
}

static CedarCode
must_be(Reader *r, const CedarJson *j, const char *what, const char *type)
{
	return cedar_fail_at(r->err, CEDAR_ERR_SCHEMA, j->offset, j->length, "%s must be %s", what,
						 type);
}

static CedarCode
missing(Reader *r, const CedarJson *j, const char *what, const char *name)
{
	return cedar_fail_at(r->err, CEDAR_ERR_SCHEMA, j->offset, j->length, "%s has no \"%s\"",
						 what, name);
}

static CedarCode
unknown(Reader *r, const CedarJsonMember *m, const char *what, const char *const *names, int n)
{
	CedarGuess	guess;

	cedar_fail_at(r->err, CEDAR_ERR_SCHEMA, m->key_offset, m->key_length,
				  "%s has no member \"%.*s\"", what, CEDAR_EXCERPT(m->key->bytes, m->key->len));
	cedar_guess_start(&guess, m->key->bytes, m->key->len);
	for (int i = 0; i < n; i++)
		cedar_guess_try(&guess, names[i], strlen(names[i]));
	return cedar_guess_hint(&guess, r->err);
}

static int
find_name(const CedarStr *key, const char *const *names, int n)
{
	int			i = 0;

	while (i < n && (strlen(names[i]) != key->len || memcmp(names[i], key->bytes, key->len) != 0))
		i++;
	return i;
}

/* The n named members of an object, NULL for those that are not there. */
static CedarCode
read_members(Reader *r, const CedarJson *j, const char *what, const char *const *names, int n,
			 const CedarJson **members)
{
	for (int i = 0; i < n; i++)
		members[i] = NULL;
	if (j->type == CEDAR_JSON_ARRAY)
	{
		if (j->n > (uint32_t) n)
			return cedar_fail_at(r->err, CEDAR_ERR_SCHEMA, j->u.elems[n].offset,
								 j->u.elems[n].length, "%s has at most %d members", what, n);
		for (uint32_t i = 0; i < j->n; i++)
			members[i] = &j->u.elems[i];
		return CEDAR_OK;
	}
	if (j->type != CEDAR_JSON_OBJECT)
		return must_be(r, j, what, "an object");
	for (uint32_t i = 0; i < j->n; i++)
	{
		int			k = find_name(j->u.members[i].key, names, n);

		if (k == n)
			return unknown(r, &j->u.members[i], what, names, n);
		members[k] = &j->u.members[i].value;
	}
	return CEDAR_OK;
}

static const CedarJson *
not_null(const CedarJson *j)
{
	return j != NULL && j->type != CEDAR_JSON_NULL ? j : NULL;
}

static CedarCode
bad_name(Reader *r, const CedarJson *j, const char *what, const CedarStr *name)
{
	cedar_fail_at(r->err, CEDAR_ERR_SCHEMA, j->offset, j->length, "\"%.*s\" is not %s",
				  CEDAR_EXCERPT(name->bytes, name->len), what);
	return cedar_hint(r->err, "A name is one or more identifiers joined by \"::\", none of them a reserved word.");
}

static CedarCode
read_name(Reader *r, const CedarJson *j, const char *what, const CedarStr **name)
{
	if (j->type != CEDAR_JSON_STRING)
		return must_be(r, j, what, "a string");
	if (!cedar_is_internal_name(j->u.str->bytes, j->u.str->len))
		return bad_name(r, j, what, j->u.str);
	*name = j->u.str;
	return CEDAR_OK;
}

static CedarCode
read_names(Reader *r, const CedarJson *j, const char *what, const DeclName **list, uint32_t *n)
{
	DeclName   *names;

	if (j->type != CEDAR_JSON_ARRAY)
		return must_be(r, j, what, "an array");
	names = cedar_arena_alloc(r->arena, j->n * sizeof(DeclName));
	if (names == NULL)
		return cedar_nomem(r->err);
	for (uint32_t i = 0; i < j->n; i++)
	{
		cedar_arena_check_interrupt(r->arena);
		names[i].span = span_of(&j->u.elems[i]);
		TRY(read_name(r, &j->u.elems[i], "the name of an entity type", &names[i].name));
	}
	*list = names;
	*n = j->n;
	return CEDAR_OK;
}

/* A name that the schema gives to something of its own. */
static CedarCode
check_new_name(Reader *r, const CedarJsonMember *m, const char *what)
{
	if (cedar_is_internal_ident(m->key->bytes, m->key->len) && !cedar_name_is_internal(m->key))
		return CEDAR_OK;
	cedar_fail_at(r->err, CEDAR_ERR_SCHEMA, m->key_offset, m->key_length,
				  "\"%.*s\" cannot be the name of %s", CEDAR_EXCERPT(m->key->bytes, m->key->len), what);
	return cedar_hint(r->err, "It must be one identifier and no reserved word.");
}

static CedarCode
read_notes(Reader *r, const CedarJson *j, DeclNotes *notes)
{
	DeclNote   *list;
	DeclNote  **sorted;
	DeclNote   *copy;

	notes->n = 0;
	notes->list = NULL;
	if (j == NULL)
		return CEDAR_OK;
	if (j->type != CEDAR_JSON_OBJECT)
		return must_be(r, j, "\"annotations\"", "an object");
	list = cedar_arena_alloc(r->arena, j->n * sizeof(DeclNote));
	copy = cedar_arena_alloc(r->arena, j->n * sizeof(DeclNote));
	if (list == NULL || copy == NULL)
		return cedar_nomem(r->err);
	for (uint32_t i = 0; i < j->n; i++)
	{
		const CedarJsonMember *m = &j->u.members[i];

		cedar_arena_check_interrupt(r->arena);
		if (!cedar_is_word(m->key->bytes, m->key->len))
			return cedar_fail_at(r->err, CEDAR_ERR_SCHEMA, m->key_offset, m->key_length,
								 "\"%.*s\" cannot be the name of an annotation",
								 CEDAR_EXCERPT(m->key->bytes, m->key->len));
		list[i].key = m->key;
		list[i].value = NULL;
		if (m->value.type == CEDAR_JSON_STRING)
			list[i].value = m->value.u.str;
		else if (m->value.type != CEDAR_JSON_NULL)
			return must_be(r, &m->value, "an annotation", "a string or null");
	}
	TRY(cedar_decl_sort(r->arena, list, j->n, sizeof(DeclNote), &sorted, r->err));
	for (uint32_t i = 0; i < j->n; i++)
		copy[i] = *sorted[i];
	notes->n = j->n;
	notes->list = copy;
	return CEDAR_OK;
}

/* ------------------------------------------------------------------ types */

/* The order of type_members. */
typedef enum TypeMember
{
	M_TYPE = 0,
	M_ELEMENT,
	M_ATTRIBUTES,
	M_ADDITIONAL,
	M_NAME,
	M_ANNOTATIONS,
	M_REQUIRED
} TypeMember;

#define TYPE_MEMBERS	(M_NAME + 1)
#define COMMON_MEMBERS	(M_ANNOTATIONS + 1)
#define ATTR_MEMBERS	(M_REQUIRED + 1)

static const char *const type_members[ATTR_MEMBERS] = {
	"type", "element", "attributes", "additionalAttributes", "name", "annotations", "required"
};

static CedarCode
read_attrs(Reader *r, const CedarJson *j, DeclType *type);

/* A type that has the first n of the members; those beyond a type's go to more. */
static CedarCode
read_type_members(Reader *r, const CedarJson *j, int n, const CedarJson **members,
				  const DeclType **out)
{
	static const struct
	{
		const char *word;
		DeclTypeKind kind;
		uint8_t		members;	/* bits: those it may have */
	}			kinds[] = {
		{"String", DECL_STRING, 0},
		{"Long", DECL_LONG, 0},
		{"Boolean", DECL_BOOLEAN, 0},
		{"Set", DECL_SET, 1 << M_ELEMENT},
		{"Record", DECL_RECORD, 1 << M_ATTRIBUTES | 1 << M_ADDITIONAL},
		{"Entity", DECL_ENTITY, 1 << M_NAME},
		{"EntityOrCommon", DECL_ENTITY_OR_COMMON, 1 << M_NAME},
		{"Extension", DECL_EXTENSION, 1 << M_NAME},
		{NULL, DECL_COMMON, 0}
	};
	DeclType   *type = cedar_arena_zalloc(r->arena, sizeof(DeclType));
	const CedarStr *word;
	char		what[96];
	int			k = 0;

	if (type == NULL)
		return cedar_nomem(r->err);
	/* unlike other objects, no array */
	if (j->type != CEDAR_JSON_OBJECT)
	{
		must_be(r, j, "a type", "an object");
		return cedar_hint(r->err, "Write {\"type\": \"Long\"}, for instance.");
	}
	TRY(read_members(r, j, "a type", type_members, n, members));
	if (members[M_TYPE] == NULL)
		return missing(r, j, "a type", "type");
	if (members[M_TYPE]->type != CEDAR_JSON_STRING)
		return must_be(r, members[M_TYPE], "\"type\"", "a string");
	word = members[M_TYPE]->u.str;
	while (kinds[k].word != NULL && (strlen(kinds[k].word) != word->len ||
									 memcmp(kinds[k].word, word->bytes, word->len) != 0))
		k++;
	snprintf(what, sizeof(what), "the type \"%.*s\"", CEDAR_EXCERPT(word->bytes, word->len));
	for (int i = M_ELEMENT; i <= M_NAME; i++)
		if (members[i] != NULL && (kinds[k].members & 1 << i) == 0)
			return cedar_fail_at(r->err, CEDAR_ERR_SCHEMA, members[i]->offset,
								 members[i]->length, "%s has no member \"%s\"", what,
								 type_members[i]);
	for (int i = M_ELEMENT; i <= M_NAME; i++)
		if (members[i] == NULL && i != M_ADDITIONAL && (kinds[k].members & 1 << i) != 0)
			return missing(r, j, what, type_members[i]);

	type->kind = kinds[k].kind;
	type->span = span_of(j);
	switch (kinds[k].kind)
	{
		case DECL_STRING:
		case DECL_LONG:
		case DECL_BOOLEAN:
			break;
		case DECL_SET:
			TRY(read_type(r, members[M_ELEMENT], &type->u.elem));
			break;
		case DECL_RECORD:
			if (members[M_ADDITIONAL] != NULL)
			{
				if (members[M_ADDITIONAL]->type != CEDAR_JSON_TRUE &&
					members[M_ADDITIONAL]->type != CEDAR_JSON_FALSE)
					return must_be(r, members[M_ADDITIONAL], "\"additionalAttributes\"",
								   "true or false");
				type->open = members[M_ADDITIONAL]->type == CEDAR_JSON_TRUE;
			}
			TRY(read_attrs(r, members[M_ATTRIBUTES], type));
			break;
		case DECL_ENTITY:
		case DECL_ENTITY_OR_COMMON:
			type->span = span_of(members[M_NAME]);
			TRY(read_name(r, members[M_NAME], "the name of a type", &type->u.name));
			break;
		case DECL_EXTENSION:
			type->span = span_of(members[M_NAME]);
			if (members[M_NAME]->type != CEDAR_JSON_STRING)
				return must_be(r, members[M_NAME], "\"name\"", "a string");
			type->u.name = members[M_NAME]->u.str;
			if (!cedar_is_internal_ident(type->u.name->bytes, type->u.name->len) ||
				cedar_name_is_internal(type->u.name))
				return bad_name(r, members[M_NAME], "the name of an extension type",
								type->u.name);
			break;
		case DECL_COMMON:
			type->span = span_of(members[M_TYPE]);
			TRY(read_name(r, members[M_TYPE], "the name of a common type", &type->u.name));
			break;
	}
	*out = type;
	return CEDAR_OK;
}

static CedarCode
read_type(Reader *r, const CedarJson *j, const DeclType **out)
{
	const CedarJson *members[TYPE_MEMBERS];

	if (cedar_arena_stack_is_too_deep(r->arena))
		return cedar_stack(r->err);
	cedar_arena_check_interrupt(r->arena);
	return read_type_members(r, j, TYPE_MEMBERS, members, out);
}

static CedarCode
read_attr(Reader *r, const CedarJson *j, DeclAttr *attr)
{
	const CedarJson *members[ATTR_MEMBERS];

	if (cedar_arena_stack_is_too_deep(r->arena))
		return cedar_stack(r->err);
	cedar_arena_check_interrupt(r->arena);
	TRY(read_type_members(r, j, ATTR_MEMBERS, members, &attr->type));
	if (members[M_REQUIRED] != NULL)
	{
		if (members[M_REQUIRED]->type != CEDAR_JSON_TRUE &&
			members[M_REQUIRED]->type != CEDAR_JSON_FALSE)
			return must_be(r, members[M_REQUIRED], "\"required\"", "true or false");
		attr->optional = members[M_REQUIRED]->type == CEDAR_JSON_FALSE;
	}
	return read_notes(r, members[M_ANNOTATIONS], &attr->notes);
}

static CedarCode
read_attrs(Reader *r, const CedarJson *j, DeclType *type)
{
	DeclAttr   *attrs;
	DeclAttr  **sorted;

	if (j->type != CEDAR_JSON_OBJECT)
		return must_be(r, j, "\"attributes\"", "an object");
	attrs = cedar_arena_zalloc(r->arena, j->n * sizeof(DeclAttr));
	if (attrs == NULL)
		return cedar_nomem(r->err);
	for (uint32_t i = 0; i < j->n; i++)
	{
		attrs[i].name = j->u.members[i].key;
		attrs[i].span = key_span(&j->u.members[i]);
		TRY(read_attr(r, &j->u.members[i].value, &attrs[i]));
	}
	TRY(cedar_decl_sort(r->arena, attrs, j->n, sizeof(DeclAttr), &sorted, r->err));
	type->n = j->n;
	type->u.attrs = sorted;
	return CEDAR_OK;
}

/* ----------------------------------------------------------- declarations */

static CedarCode
read_common(Reader *r, const CedarJsonMember *m, DeclCommon *c)
{
	const CedarJson *members[COMMON_MEMBERS];

	c->name = m->key;
	c->span = key_span(m);
	TRY(check_new_name(r, m, "a common type"));
	if (cedar_is_type_keyword(m->key))
		return cedar_fail_at(r->err, CEDAR_ERR_SCHEMA, m->key_offset, m->key_length,
							 "\"%.*s\" is reserved and cannot name a common type",
							 CEDAR_EXCERPT(m->key->bytes, m->key->len));
	TRY(read_type_members(r, &m->value, COMMON_MEMBERS, members, &c->type));
	return read_notes(r, members[M_ANNOTATIONS], &c->notes);
}

static CedarCode
read_enum(Reader *r, const CedarJson *j, DeclEntity *e)
{
	const CedarStr **ids;

	if (j->type != CEDAR_JSON_ARRAY || j->n == 0)
		return must_be(r, j, "\"enum\"", "an array of at least one id");
	ids = cedar_arena_alloc(r->arena, j->n * sizeof(CedarStr *));
	if (ids == NULL)
		return cedar_nomem(r->err);
	for (uint32_t i = 0; i < j->n; i++)
	{
		cedar_arena_check_interrupt(r->arena);
		if (j->u.elems[i].type != CEDAR_JSON_STRING)
			return must_be(r, &j->u.elems[i], "an id of \"enum\"", "a string");
		ids[i] = j->u.elems[i].u.str;
	}
	e->is_enum = true;
	e->ids = ids;
	e->n_ids = j->n;
	return CEDAR_OK;
}

static CedarCode
read_entity(Reader *r, const CedarJsonMember *m, DeclEntity *e)
{
	static const char *const names[] = {"memberOfTypes", "shape", "tags", "enum", "annotations"};
	const CedarJson *members[5];

	e->name = m->key;
	e->span = key_span(m);
	TRY(check_new_name(r, m, "an entity type"));
	TRY(read_members(r, &m->value, "an entity type", names, 5, members));
	TRY(read_notes(r, members[4], &e->notes));
	if (members[3] != NULL)
	{
		for (int i = 0; i < 3; i++)
			if (members[i] != NULL)
				return cedar_fail_at(r->err, CEDAR_ERR_SCHEMA, members[i]->offset,
									 members[i]->length,
									 "an entity type with \"enum\" has no \"%s\"", names[i]);
		return read_enum(r, members[3], e);
	}
	if (members[0] != NULL)
		TRY(read_names(r, members[0], "\"memberOfTypes\"", &e->parents, &e->n_parents));
	if (members[1] != NULL)
		TRY(read_type(r, members[1], &e->shape));
	if (members[2] != NULL)
		TRY(read_type(r, members[2], &e->tags));
	return CEDAR_OK;
}

static CedarCode
read_applies(Reader *r, const CedarJson *j, DeclAction *a)
{
	static const char *const names[] = {"resourceTypes", "principalTypes", "context"};
	const CedarJson *members[3];

	a->applies = true;
	TRY(read_members(r, j, "\"appliesTo\"", names, 3, members));
	for (int i = 0; i < 2; i++)
		if (members[i] == NULL)
			return missing(r, j, "\"appliesTo\"", names[i]);
	TRY(read_names(r, members[0], "\"resourceTypes\"", &a->resources, &a->n_resources));
	TRY(read_names(r, members[1], "\"principalTypes\"", &a->principals, &a->n_principals));
	if (members[2] != NULL)
		TRY(read_type(r, members[2], &a->context));
	return CEDAR_OK;
}

static CedarCode
read_action_parents(Reader *r, const CedarJson *j, DeclAction *a)
{
	static const char *const names[] = {"id", "type"};
	DeclActionRef *refs;

	if (j->type != CEDAR_JSON_ARRAY)
		return must_be(r, j, "\"memberOf\"", "an array");
	refs = cedar_arena_zalloc(r->arena, j->n * sizeof(DeclActionRef));
	if (refs == NULL)
		return cedar_nomem(r->err);
	for (uint32_t i = 0; i < j->n; i++)
	{
		const CedarJson *elem = &j->u.elems[i];
		const CedarJson *members[2];

		cedar_arena_check_interrupt(r->arena);
		TRY(read_members(r, elem, "an action's group", names, 2, members));
		if (members[0] == NULL)
			return missing(r, elem, "an action's group", "id");
		if (members[0]->type != CEDAR_JSON_STRING)
			return must_be(r, members[0], "\"id\"", "a string");
		refs[i].id = members[0]->u.str;
		refs[i].span = span_of(elem);
		if (not_null(members[1]) != NULL)
		{
			refs[i].type.span = span_of(members[1]);
			TRY(read_name(r, members[1], "the type of an action", &refs[i].type.name));
		}
	}
	a->has_parents = true;
	a->parents = refs;
	a->n_parents = j->n;
	return CEDAR_OK;
}

static CedarCode
read_action(Reader *r, const CedarJsonMember *m, DeclAction *a)
{
	static const char *const names[] = {"attributes", "appliesTo", "memberOf", "annotations"};
	const CedarJson *members[4];

	a->name = m->key;
	a->span = key_span(m);
	TRY(read_members(r, &m->value, "an action", names, 4, members));
	if (not_null(members[0]) != NULL)
		return cedar_fail_at(r->err, CEDAR_ERR_SCHEMA, members[0]->offset, members[0]->length,
							 "actions cannot have attributes");
	if (not_null(members[1]) != NULL)
		TRY(read_applies(r, members[1], a));
	if (not_null(members[2]) != NULL)
		TRY(read_action_parents(r, members[2], a));
	return read_notes(r, members[3], &a->notes);
}

/* ------------------------------------------------------------- namespaces */

static CedarCode
read_namespace(Reader *r, const CedarJsonMember *m, DeclNamespace *ns)
{
	static const char *const names[] = {"commonTypes", "entityTypes", "actions", "annotations"};
	const CedarJson *members[4];
	DeclCommon *commons = NULL;
	DeclEntity *entities;
	DeclAction *actions;

	ns->name = m->key;
	ns->span = key_span(m);
	if (m->key->len > 0 && !cedar_is_name(m->key->bytes, m->key->len))
	{
		cedar_fail_at(r->err, CEDAR_ERR_SCHEMA, m->key_offset, m->key_length,
					  "\"%.*s\" cannot be the name of a namespace",
					  CEDAR_EXCERPT(m->key->bytes, m->key->len));
		return cedar_hint(r->err, "It must be identifiers joined by \"::\", none of them a reserved word, or empty.");
	}
	TRY(read_members(r, &m->value, "a namespace", names, 4, members));
	for (int i = 1; i < 3; i++)
		if (members[i] == NULL)
			return missing(r, &m->value, "a namespace", names[i]);
	for (int i = 0; i < 3; i++)
		if (members[i] != NULL && members[i]->type != CEDAR_JSON_OBJECT)
			return cedar_fail_at(r->err, CEDAR_ERR_SCHEMA, members[i]->offset,
								 members[i]->length, "\"%s\" must be an object", names[i]);
	TRY(read_notes(r, members[3], &ns->notes));
	if (m->key->len == 0 && ns->notes.n > 0)
		return cedar_fail_at(r->err, CEDAR_ERR_SCHEMA, members[3]->offset, members[3]->length,
							 "the empty namespace cannot have annotations");

	if (members[0] != NULL)
	{
		ns->n_commons = members[0]->n;
		commons = cedar_arena_zalloc(r->arena, ns->n_commons * sizeof(DeclCommon));
		if (commons == NULL)
			return cedar_nomem(r->err);
		for (uint32_t i = 0; i < ns->n_commons; i++)
			TRY(read_common(r, &members[0]->u.members[i], &commons[i]));
	}
	TRY(cedar_decl_sort(r->arena, commons, ns->n_commons, sizeof(DeclCommon), &ns->commons,
						r->err));
	ns->n_entities = members[1]->n;
	entities = cedar_arena_zalloc(r->arena, ns->n_entities * sizeof(DeclEntity));
	if (entities == NULL)
		return cedar_nomem(r->err);
	for (uint32_t i = 0; i < ns->n_entities; i++)
		TRY(read_entity(r, &members[1]->u.members[i], &entities[i]));
	TRY(cedar_decl_sort(r->arena, entities, ns->n_entities, sizeof(DeclEntity), &ns->entities,
						r->err));
	ns->n_actions = members[2]->n;
	actions = cedar_arena_zalloc(r->arena, ns->n_actions * sizeof(DeclAction));
	if (actions == NULL)
		return cedar_nomem(r->err);
	for (uint32_t i = 0; i < ns->n_actions; i++)
		TRY(read_action(r, &members[2]->u.members[i], &actions[i]));
	return cedar_decl_sort(r->arena, actions, ns->n_actions, sizeof(DeclAction), &ns->actions,
						   r->err);
}

CedarCode
cedar_schema_read_json(CedarArena *arena, const char *text, size_t len,
					   const DeclSchema **decl, CedarError *err)
{
	Reader		r = {arena, err};
	DeclSchema *d = cedar_arena_zalloc(arena, sizeof(DeclSchema));
	DeclNamespace *namespaces;
	CedarJson	j;

	if (d == NULL)
		return cedar_nomem(err);
	TRY(cedar_json_parse(arena, text, len, &j, err));
	if (j.type != CEDAR_JSON_OBJECT)
	{
		must_be(&r, &j, "a schema", "an object");
		return cedar_hint(err, "Its members are namespaces; \"\" is the empty one.");
	}
	namespaces = cedar_arena_zalloc(arena, j.n * sizeof(DeclNamespace));
	if (namespaces == NULL)
		return cedar_nomem(err);
	for (uint32_t i = 0; i < j.n; i++)
		TRY(read_namespace(&r, &j.u.members[i], &namespaces[i]));
	d->n = j.n;
	TRY(cedar_decl_sort(arena, namespaces, j.n, sizeof(DeclNamespace), &d->namespaces, err));
	*decl = d;
	return CEDAR_OK;
}
