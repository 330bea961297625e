/*-------------------------------------------------------------------------
 *
 * schema_resolve.c
 *	  Declarations to a schema: what names refer to, common types replaced by
 *	  what they stand for, hierarchies closed.
 *
 * A name without `::` refers to what its namespace declares, else to what the
 * empty namespace declares; there, the types of the language have names of
 * their own unless the schema gives them to something else (`__cedar::Long`
 * always is the primitive type).  Where a reference may be to a common type or
 * to an entity type of one name, it is to the common type (RFC 24).  Nothing
 * may be declared by a name that the empty namespace declares, too (RFC 70).
 *
 * Equal types of one schema are one object, so common types that are used by
 * each other many times cost what they take to write down, not what they
 * would take when written out.
 *
 *-------------------------------------------------------------------------
 */
#include "schema_internal.h"

/* A name that is declared, or that the language has. */
typedef struct Def
{
	const CedarStr *name;		/* in full */
	const DeclEntity *entity;
	const DeclCommon *common;
	const DeclNamespace *ns;
	bool		is_action;		/* the type of a namespace's actions */
	uint8_t		state;			/* of a common type: see resolve_commons */
	uint32_t	index;			/* of an entity type, in the schema's list */
	const CedarType *type;		/* of a common type, when it is known */
} Def;

enum
{
	STATE_NEW = 0,
	STATE_OPEN,					/* on the way */
	STATE_DONE
};

/* A type that knows how deep it nests; the type comes first. */
typedef struct Interned
{
	CedarType	type;
	uint32_t	hash;
	uint32_t	depth;
} Interned;

CEDAR_STATIC_ASSERT(offsetof(Interned, type) == 0, "a type is where its Interned is");

/* From a string, by open addressing; never full. */
typedef struct NameMap
{
	uint32_t	cap;			/* power of two */
	struct
	{
		const CedarStr *key;
		void	   *value;
	}		   *slots;
} NameMap;

typedef struct Resolver
{
	CedarArena *arena;
	CedarError *err;
	const DeclSchema *decl;
	NameMap		defs;			/* full names to Def */
	CedarStr   *scratch;		/* a name being looked up */
	uint32_t	scratch_cap;
	Interned  **interned;
	uint32_t	interned_cap;
	uint32_t	n_interned;
	const CedarType *empty_record;
	uint64_t	steps;			/* up the hierarchies, so far */

	uint32_t	n_entities;
	CedarEntityType *entities;
	Def		  **entity_defs;	/* in the same order */
	uint32_t	n_actions;
	CedarActionType *actions;
	const DeclAction **action_decls;	/* in the same order */
	const DeclNamespace **action_ns;
} Resolver;

/* What a reference may be to. */
typedef enum Want
{
	WANT_COMMON = 1,
	WANT_ENTITY = 2,
	WANT_EITHER = 3
} Want;

/* ------------------------------------------------------------------- maps */

static CedarCode
map_init(Resolver *r, NameMap *map, uint32_t n)
{
	map->cap = 16;
	while (map->cap / 2 < n)
		map->cap *= 2;
	map->slots = cedar_arena_zalloc(r->arena, map->cap * sizeof(*map->slots));
	return map->slots == NULL ? cedar_nomem(r->err) : CEDAR_OK;
}

static uint32_t
map_probe(const NameMap *map, const CedarStr *key)
{
	uint32_t	h = key->hash & (map->cap - 1);

	while (map->slots[h].key != NULL && !cedar_str_equal(map->slots[h].key, key))
		h = (h + 1) & (map->cap - 1);
	return h;
}

static void *
map_get(const NameMap *map, const CedarStr *key)
{
	return map->slots[map_probe(map, key)].value;
}

/* Keeps the value that the key has. */
static void
map_add(NameMap *map, const CedarStr *key, void *value)
{
	uint32_t	h = map_probe(map, key);

	if (map->slots[h].key == NULL)
	{
		map->slots[h].key = key;
		map->slots[h].value = value;
	}
}

/* ------------------------------------------------------------------ names */

/* `ns::name` in the scratch string; NULL when out of memory. */
static CedarStr *
qualify(Resolver *r, const CedarStr *ns, const char *name, size_t len)
{
	size_t		need = ns->len + 2 + len;
	size_t		n = 0;

	if (r->scratch == NULL || need > r->scratch_cap)
	{
		r->scratch = cedar_arena_alloc(r->arena, sizeof(CedarStr) + 2 * need);
		if (r->scratch == NULL)
		{
			r->scratch_cap = 0;
			return NULL;
		}
		r->scratch_cap = (uint32_t) (2 * need);
	}
	if (ns->len > 0)
	{
		memcpy(r->scratch->bytes, ns->bytes, ns->len);
		memcpy(r->scratch->bytes + ns->len, "::", 2);
		n = ns->len + 2;
	}
	memcpy(r->scratch->bytes + n, name, len);
	r->scratch->len = (uint32_t) (n + len);
	r->scratch->hash = cedar_hash_bytes(r->scratch->bytes, n + len, 0);
	return r->scratch;
}

static bool
is_qualified(const CedarStr *name)
{
	return memchr(name->bytes, ':', name->len) != NULL;
}

/* The definition of ns::name, made when there is none. */
static CedarCode
define(Resolver *r, const CedarStr *ns, const char *name, size_t len, Def **def)
{
	CedarStr   *full = qualify(r, ns, name, len);

	if (full == NULL)
		return cedar_nomem(r->err);
	*def = map_get(&r->defs, full);
	if (*def != NULL)
		return CEDAR_OK;
	*def = cedar_arena_zalloc(r->arena, sizeof(Def));
	if (*def == NULL || ((*def)->name = cedar_str_make(r->arena, full->bytes, full->len)) == NULL)
		return cedar_nomem(r->err);
	map_add(&r->defs, (*def)->name, *def);
	return CEDAR_OK;
}

static bool
fits(const Def *def, Want want)
{
	return def != NULL &&
		(((want & WANT_COMMON) != 0 && (def->common != NULL || def->type != NULL)) ||
		 ((want & WANT_ENTITY) != 0 && (def->entity != NULL || def->is_action)));
}

/* Is it a common type, when a reference is to it? */
static bool
is_common(const Def *def)
{
	return def->common != NULL || def->type != NULL;
}

static const char *
want_name(Want want)
{
	return want == WANT_COMMON ? "common type" : want == WANT_ENTITY ? "entity type" : "type";
}

/* Names that other languages have for primitive types. */
static const char *
foreign_name(const CedarStr *name)
{
	static const char *const names[][2] = {
		{"Boolean", "Bool"}, {"boolean", "Bool"}, {"Int", "Long"}, {"int", "Long"},
		{"Integer", "Long"}, {"integer", "Long"}, {"Number", "Long"}, {"number", "Long"},
		{"Text", "String"}, {"text", "String"}, {"ip", "ipaddr"}
	};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (strlen(names[i][0]) == name->len && memcmp(names[i][0], name->bytes, name->len) == 0)
			return names[i][1];
	return NULL;
}

/* "There is no such type", with what may have been meant. */
static CedarCode
undeclared(Resolver *r, const CedarStr *ns, const CedarStr *name, CedarSpan span, Want want)
{
	bool		qualified = is_qualified(name);
	CedarGuess	guess;

	cedar_fail_at(r->err, CEDAR_ERR_SCHEMA, span.offset, span.length,
				  "%s \"%.*s\" is not declared", want_name(want),
				  CEDAR_EXCERPT(name->bytes, name->len));
	cedar_guess_start(&guess, name->bytes, name->len);
	for (uint32_t i = 0; i < r->defs.cap; i++)
	{
		const Def  *def = r->defs.slots[i].value;
		const CedarStr *full = r->defs.slots[i].key;
		size_t		skip = 0;

		cedar_arena_check_interrupt(r->arena);
		if (!fits(def, want))
			continue;
		/* as it could be written in the namespace */
		if (!qualified && ns->len > 0 && full->len > ns->len + 2 &&
			memcmp(full->bytes, ns->bytes, ns->len) == 0 &&
			memcmp(full->bytes + ns->len, "::", 2) == 0 &&
			memchr(full->bytes + ns->len + 2, ':', full->len - ns->len - 2) == NULL)
			skip = ns->len + 2;
		cedar_guess_try(&guess, full->bytes + skip, full->len - skip);
	}
	if (want != WANT_ENTITY && foreign_name(name) != NULL)
		return cedar_hint(r->err, "Did you mean \"%s\"?", foreign_name(name));
	if (guess.best != NULL)
		return cedar_guess_hint(&guess, r->err);
	if (want == WANT_COMMON && fits(map_get(&r->defs, name), WANT_ENTITY))
		return cedar_hint(r->err, "It is an entity type; here a common type is needed.");
	if (want == WANT_ENTITY && fits(map_get(&r->defs, name), WANT_COMMON))
		return cedar_hint(r->err, "It is a common type; here an entity type is needed.");
	/* declared elsewhere? */
	if (!qualified)
	{
		for (uint32_t i = 0; i < r->defs.cap; i++)
		{
			const Def  *def = r->defs.slots[i].value;
			const CedarStr *full = r->defs.slots[i].key;

			cedar_arena_check_interrupt(r->arena);
			if (fits(def, want) && def->ns != NULL && full->len > name->len + 2 &&
				memcmp(full->bytes + full->len - name->len, name->bytes, name->len) == 0 &&
				full->bytes[full->len - name->len - 1] == ':')
				return cedar_hint(r->err, "Did you mean \"%.*s\"?",
								  CEDAR_EXCERPT(full->bytes, full->len));
		}
	}
	return CEDAR_ERR_SCHEMA;
}

/* What the name refers to when it stands in the namespace. */
static CedarCode
look_up(Resolver *r, const CedarStr *ns, const CedarStr *name, CedarSpan span, Want want,
		Def **out)
{
	if (ns->len > 0 && !is_qualified(name))
	{
		CedarStr   *full = qualify(r, ns, name->bytes, name->len);

		if (full == NULL)
			return cedar_nomem(r->err);
		*out = map_get(&r->defs, full);
		if (fits(*out, want))
			return CEDAR_OK;
	}
	*out = map_get(&r->defs, name);
	return fits(*out, want) ? CEDAR_OK : undeclared(r, ns, name, span, want);
}

/* ------------------------------------------------------------------ types */

static uint32_t
type_hash(const CedarType *t)
{
	uint32_t	h = cedar_hash_mix(t->kind, t->n_attrs);

	if (t->name != NULL)
		h = cedar_hash_mix(h, t->name->hash);
	if (t->elem != NULL)
		h = cedar_hash_mix(h, ((const Interned *) t->elem)->hash);
	for (uint32_t i = 0; i < t->n_attrs; i++)
	{
		h = cedar_hash_mix(h, t->attrs[i].name->hash + t->attrs[i].required);
		h = cedar_hash_mix(h, ((const Interned *) t->attrs[i].type)->hash);
	}
	return h;
}

/* Parts are interned: it is enough to compare pointers. */
static bool
type_equal(const CedarType *a, const CedarType *b)
{
	if (a->kind != b->kind || a->name != b->name || a->elem != b->elem ||
		a->n_attrs != b->n_attrs)
		return false;
	for (uint32_t i = 0; i < a->n_attrs; i++)
		if (a->attrs[i].type != b->attrs[i].type ||
			a->attrs[i].required != b->attrs[i].required ||
			!cedar_str_equal(a->attrs[i].name, b->attrs[i].name))
			return false;
	return true;
}

static CedarCode
grow_interned(Resolver *r)
{
	uint32_t	cap = r->interned_cap == 0 ? 64 : r->interned_cap * 2;
	Interned  **table = cedar_arena_zalloc(r->arena, cap * sizeof(Interned *));

	if (table == NULL)
		return cedar_nomem(r->err);
	for (uint32_t i = 0; i < r->interned_cap; i++)
	{
		uint32_t	h;

		if (r->interned[i] == NULL)
			continue;
		for (h = r->interned[i]->hash & (cap - 1); table[h] != NULL; h = (h + 1) & (cap - 1))
			;
		table[h] = r->interned[i];
	}
	r->interned = table;
	r->interned_cap = cap;
	return CEDAR_OK;
}

/* The one object of a type; what t points to is kept when it is new. */
static CedarCode
intern(Resolver *r, const CedarType *t, CedarSpan span, const CedarType **out)
{
	uint32_t	hash = type_hash(t);
	uint32_t	depth = 0;
	uint32_t	h;
	Interned   *made;

	cedar_arena_check_interrupt(r->arena);
	if (r->n_interned * 2 >= r->interned_cap)
		TRY(grow_interned(r));
	for (h = hash & (r->interned_cap - 1); r->interned[h] != NULL;
		 h = (h + 1) & (r->interned_cap - 1))
	{
		if (r->interned[h]->hash == hash && type_equal(&r->interned[h]->type, t))
		{
			*out = &r->interned[h]->type;
			return CEDAR_OK;
		}
	}
	if (t->elem != NULL)
		depth = ((const Interned *) t->elem)->depth;
	for (uint32_t i = 0; i < t->n_attrs; i++)
		if (((const Interned *) t->attrs[i].type)->depth > depth)
			depth = ((const Interned *) t->attrs[i].type)->depth;
	if (depth >= CEDAR_MAX_DEPTH)
		return cedar_fail_at(r->err, CEDAR_ERR_LIMIT, span.offset, span.length,
							 "types are nested deeper than %d levels, common types replaced by what they stand for",
							 CEDAR_MAX_DEPTH);
	made = cedar_arena_alloc(r->arena, sizeof(Interned));
	if (made == NULL)
		return cedar_nomem(r->err);
	made->type = *t;
	made->hash = hash;
	made->depth = depth + 1;
	r->interned[h] = made;
	r->n_interned++;
	*out = &made->type;
	return CEDAR_OK;
}

static CedarCode
simple_type(Resolver *r, CedarTypeKind kind, const CedarType **out)
{
	CedarType	t = {0};

	t.kind = kind;
	return intern(r, &t, (CedarSpan) {0, 0}, out);
}

static CedarCode
entity_reference(Resolver *r, const Def *def, CedarSpan span, const CedarType **out)
{
	CedarType	t = {0};

	t.kind = CEDAR_TYPE_ENTITY;
	t.name = def->name;
	return intern(r, &t, span, out);
}

static const struct
{
	const char *name;
	CedarTypeKind kind;
	bool		extension;
}			builtins[] = {
	{"Bool", CEDAR_TYPE_BOOL, false},
	{"Long", CEDAR_TYPE_LONG, false},
	{"String", CEDAR_TYPE_STRING, false},
	{"decimal", CEDAR_TYPE_DECIMAL, true},
	{"ipaddr", CEDAR_TYPE_IPADDR, true},
	{"datetime", CEDAR_TYPE_DATETIME, true},
	{"duration", CEDAR_TYPE_DURATION, true}
};

#define N_BUILTINS ((int) (sizeof(builtins) / sizeof(builtins[0])))

static CedarCode
extension_type(Resolver *r, const DeclType *d, const CedarType **out)
{
	CedarGuess	guess;

	cedar_guess_start(&guess, d->u.name->bytes, d->u.name->len);
	for (int i = 0; i < N_BUILTINS; i++)
	{
		if (!builtins[i].extension)
			continue;
		if (strlen(builtins[i].name) == d->u.name->len &&
			memcmp(builtins[i].name, d->u.name->bytes, d->u.name->len) == 0)
			return simple_type(r, builtins[i].kind, out);
		cedar_guess_try(&guess, builtins[i].name, strlen(builtins[i].name));
	}
	cedar_fail_at(r->err, CEDAR_ERR_SCHEMA, d->span.offset, d->span.length,
				  "there is no extension type \"%.*s\"",
				  CEDAR_EXCERPT(d->u.name->bytes, d->u.name->len));
	cedar_hint(r->err, "The extension types are decimal, ipaddr, datetime and duration.");
	return cedar_guess_hint(&guess, r->err);
}

/* All common types it refers to are known. */
static CedarCode
convert(Resolver *r, const CedarStr *ns, const DeclType *d, const CedarType **out)
{
	CedarType	t = {0};
	CedarAttrType *attrs;
	Def		   *def;

	if (cedar_arena_stack_is_too_deep(r->arena))
		return cedar_stack(r->err);
	switch ((DeclTypeKind) d->kind)
	{
		case DECL_STRING:
			return simple_type(r, CEDAR_TYPE_STRING, out);
		case DECL_LONG:
			return simple_type(r, CEDAR_TYPE_LONG, out);
		case DECL_BOOLEAN:
			return simple_type(r, CEDAR_TYPE_BOOL, out);
		case DECL_EXTENSION:
			return extension_type(r, d, out);
		case DECL_SET:
			t.kind = CEDAR_TYPE_SET;
			TRY(convert(r, ns, d->u.elem, &t.elem));
			return intern(r, &t, d->span, out);
		case DECL_RECORD:
			if (d->open)
			{
				cedar_fail_at(r->err, CEDAR_ERR_SCHEMA, d->span.offset, d->span.length,
							  "records with \"additionalAttributes\" are not supported");
				return cedar_hint(r->err, "Declare all attributes, optional ones with \"required\": false.");
			}
			attrs = cedar_arena_alloc(r->arena, d->n * sizeof(CedarAttrType));
			if (attrs == NULL)
				return cedar_nomem(r->err);
			for (uint32_t i = 0; i < d->n; i++)
			{
				const DeclAttr *attr = d->u.attrs[i];

				attrs[i].name = attr->name;
				attrs[i].required = !attr->optional;
				TRY(convert(r, ns, attr->type, &attrs[i].type));
			}
			t.kind = CEDAR_TYPE_RECORD;
			t.n_attrs = d->n;
			t.attrs = attrs;
			return intern(r, &t, d->span, out);
		case DECL_ENTITY:
			TRY(look_up(r, ns, d->u.name, d->span, WANT_ENTITY, &def));
			return entity_reference(r, def, d->span, out);
		case DECL_COMMON:
		case DECL_ENTITY_OR_COMMON:
			TRY(look_up(r, ns, d->u.name, d->span,
						d->kind == DECL_COMMON ? WANT_COMMON : WANT_EITHER, &def));
			if (!is_common(def))
				return entity_reference(r, def, d->span, out);
			*out = def->type;
			return CEDAR_OK;
	}
	return CEDAR_OK;
}

/* A shape or a context; NULL is an empty record. */
static CedarCode
convert_record(Resolver *r, const CedarStr *ns, const DeclType *d, const char *what,
			   const CedarStr *name, const CedarType **out)
{
	if (d == NULL)
	{
		*out = r->empty_record;
		return CEDAR_OK;
	}
	TRY(convert(r, ns, d, out));
	if ((*out)->kind != CEDAR_TYPE_RECORD)
		return cedar_fail_at(r->err, CEDAR_ERR_SCHEMA, d->span.offset, d->span.length,
							 "the %s of \"%.*s\" is not a record", what,
							 CEDAR_EXCERPT(name->bytes, name->len));
	return CEDAR_OK;
}

/* ----------------------------------------------------------- common types */

/* A common type on the way, and those that it refers to. */
typedef struct Frame
{
	Def		   *def;
	uint32_t	first;			/* in the list of all */
	uint32_t	next;
	uint32_t	end;
} Frame;

typedef struct Edge
{
	Def		   *def;
	CedarSpan	span;
} Edge;

typedef struct Commons
{
	Resolver   *r;
	void	   *frames;
	uint32_t	n_frames;
	uint32_t	cap_frames;
	void	   *edges;
	uint32_t	n_edges;
	uint32_t	cap_edges;
} Commons;

static CedarCode
collect_references(Commons *c, const CedarStr *ns, const DeclType *d)
{
	Resolver   *r = c->r;
	Def		   *def;

	if (cedar_arena_stack_is_too_deep(r->arena))
		return cedar_stack(r->err);
	cedar_arena_check_interrupt(r->arena);
	if (d->kind == DECL_SET)
		return collect_references(c, ns, d->u.elem);
	if (d->kind == DECL_RECORD)
	{
		for (uint32_t i = 0; i < d->n; i++)
			TRY(collect_references(c, ns, d->u.attrs[i]->type));
		return CEDAR_OK;
	}
	if (d->kind != DECL_COMMON && d->kind != DECL_ENTITY_OR_COMMON)
		return CEDAR_OK;
	TRY(look_up(r, ns, d->u.name, d->span, d->kind == DECL_COMMON ? WANT_COMMON : WANT_EITHER,
				&def));
	if (def->common == NULL)
		return CEDAR_OK;
	if (!cedar_grow(r->arena, &c->edges, &c->cap_edges, c->n_edges + 1, sizeof(Edge)))
		return cedar_nomem(r->err);
	((Edge *) c->edges)[c->n_edges++] = (Edge) {def, d->span};
	return CEDAR_OK;
}

static CedarCode
open_common(Commons *c, Def *def)
{
	Frame	   *f;

	if (!cedar_grow(c->r->arena, &c->frames, &c->cap_frames, c->n_frames + 1, sizeof(Frame)))
		return cedar_nomem(c->r->err);
	f = &((Frame *) c->frames)[c->n_frames++];
	def->state = STATE_OPEN;
	f->def = def;
	f->first = f->next = c->n_edges;
	TRY(collect_references(c, def->ns->name, def->common->type));
	f->end = c->n_edges;
	return CEDAR_OK;
}

/* One common type, and before it those that it refers to; no recursion. */
static CedarCode
resolve_common(Commons *c, Def *def)
{
	Resolver   *r = c->r;

	TRY(open_common(c, def));
	while (c->n_frames > 0)
	{
		Frame	   *f = &((Frame *) c->frames)[c->n_frames - 1];
		Edge		edge;

		if (f->next == f->end)
		{
			TRY(convert(r, f->def->ns->name, f->def->common->type, &f->def->type));
			f->def->state = STATE_DONE;
			c->n_edges = f->first;
			c->n_frames--;
			continue;
		}
		edge = ((Edge *) c->edges)[f->next++];
		if (edge.def->state == STATE_DONE)
			continue;
		if (edge.def->state == STATE_OPEN)
		{
			if (edge.def == f->def)
				return cedar_fail_at(r->err, CEDAR_ERR_SCHEMA, edge.span.offset,
									 edge.span.length, "common type \"%.*s\" contains itself",
									 CEDAR_EXCERPT(edge.def->name->bytes, edge.def->name->len));
			return cedar_fail_at(r->err, CEDAR_ERR_SCHEMA, edge.span.offset, edge.span.length,
								 "common type \"%.*s\" contains itself by way of \"%.*s\"",
								 CEDAR_EXCERPT(edge.def->name->bytes, edge.def->name->len),
								 CEDAR_EXCERPT(f->def->name->bytes, f->def->name->len));
		}
		TRY(open_common(c, edge.def));
	}
	return CEDAR_OK;
}

static CedarCode
resolve_commons(Resolver *r)
{
	Commons		c = {r, NULL, 0, 0, NULL, 0, 0};

	for (uint32_t i = 0; i < r->decl->n; i++)
	{
		const DeclNamespace *ns = r->decl->namespaces[i];

		for (uint32_t k = 0; k < ns->n_commons; k++)
		{
			Def		   *def;

			TRY(define(r, ns->name, ns->commons[k]->name->bytes, ns->commons[k]->name->len,
					   &def));
			if (def->state == STATE_NEW)
				TRY(resolve_common(&c, def));
		}
	}
	return CEDAR_OK;
}

/* ----------------------------------------------------------- declarations */

static CedarCode
shadows(Resolver *r, CedarSpan span, const char *what, const CedarStr *ns, const CedarStr *name)
{
	cedar_fail_at(r->err, CEDAR_ERR_SCHEMA, span.offset, span.length,
				  "%s \"%.*s\" of the namespace %.*s would hide the one of the empty namespace",
				  what, CEDAR_EXCERPT(name->bytes, name->len), CEDAR_EXCERPT(ns->bytes, ns->len));
	return cedar_hint(r->err, "What the empty namespace declares cannot be declared again in a namespace.");
}

/* RFC 70, by names without their namespaces. */
static CedarCode
check_shadowing(Resolver *r, uint32_t n_types)
{
	const DeclNamespace *empty = NULL;
	NameMap		types,
				actions;

	if (r->decl->n == 0 || r->decl->namespaces[0]->name->len > 0)
		return CEDAR_OK;
	empty = r->decl->namespaces[0];
	TRY(map_init(r, &types, n_types));
	TRY(map_init(r, &actions, r->n_actions));
	for (uint32_t k = 0; k < empty->n_commons; k++)
		map_add(&types, empty->commons[k]->name, empty->commons[k]);
	for (uint32_t k = 0; k < empty->n_entities; k++)
		map_add(&types, empty->entities[k]->name, empty->entities[k]);
	for (uint32_t k = 0; k < empty->n_actions; k++)
		map_add(&actions, empty->actions[k]->name, empty->actions[k]);
	for (uint32_t i = 1; i < r->decl->n; i++)
	{
		const DeclNamespace *ns = r->decl->namespaces[i];

		cedar_arena_check_interrupt(r->arena);
		for (uint32_t k = 0; k < ns->n_commons; k++)
			if (map_get(&types, ns->commons[k]->name) != NULL)
				return shadows(r, ns->commons[k]->span, "common type", ns->name,
							   ns->commons[k]->name);
		for (uint32_t k = 0; k < ns->n_entities; k++)
			if (map_get(&types, ns->entities[k]->name) != NULL)
				return shadows(r, ns->entities[k]->span, "entity type", ns->name,
							   ns->entities[k]->name);
		for (uint32_t k = 0; k < ns->n_actions; k++)
			if (map_get(&actions, ns->actions[k]->name) != NULL)
				return shadows(r, ns->actions[k]->span, "action", ns->name,
							   ns->actions[k]->name);
	}
	return CEDAR_OK;
}

static CedarCode
declare_builtins(Resolver *r, const CedarStr *empty)
{
	const CedarStr *cedar = cedar_str_make(r->arena, "__cedar", 7);

	if (cedar == NULL)
		return cedar_nomem(r->err);
	for (int i = 0; i < N_BUILTINS; i++)
	{
		const char *name = builtins[i].name;
		const CedarType *type;
		Def		   *def;

		TRY(simple_type(r, builtins[i].kind, &type));
		TRY(define(r, cedar, name, strlen(name), &def));
		def->type = type;
		TRY(define(r, empty, name, strlen(name), &def));
		if (def->common == NULL && def->entity == NULL)
			def->type = type;
	}
	return CEDAR_OK;
}

/* All names, before what they stand for. */
static CedarCode
declare(Resolver *r)
{
	const CedarStr *empty = cedar_str_make(r->arena, "", 0);
	uint64_t	n_types = 0;
	uint64_t	n_entities = 0;
	uint64_t	n_actions = 0;
	Def		   *def;

	if (empty == NULL)
		return cedar_nomem(r->err);
	/* each takes a byte of text at least, so the sums are small */
	for (uint32_t i = 0; i < r->decl->n; i++)
	{
		n_types += (uint64_t) r->decl->namespaces[i]->n_commons +
			r->decl->namespaces[i]->n_entities;
		n_entities += r->decl->namespaces[i]->n_entities;
		n_actions += r->decl->namespaces[i]->n_actions;
	}
	r->n_entities = (uint32_t) n_entities;
	r->n_actions = (uint32_t) n_actions;
	TRY(map_init(r, &r->defs, (uint32_t) n_types + r->decl->n + 2 * N_BUILTINS));
	for (uint32_t i = 0; i < r->decl->n; i++)
	{
		const DeclNamespace *ns = r->decl->namespaces[i];

		for (uint32_t k = 0; k < ns->n_commons; k++)
		{
			cedar_arena_check_interrupt(r->arena);
			TRY(define(r, ns->name, ns->commons[k]->name->bytes, ns->commons[k]->name->len,
					   &def));
			def->common = ns->commons[k];
			def->ns = ns;
		}
		for (uint32_t k = 0; k < ns->n_entities; k++)
		{
			const DeclEntity *e = ns->entities[k];

			cedar_arena_check_interrupt(r->arena);
			if (e->name->len == 6 && memcmp(e->name->bytes, "Action", 6) == 0)
			{
				cedar_fail_at(r->err, CEDAR_ERR_SCHEMA, e->span.offset, e->span.length,
							  "\"Action\" is the type of actions and cannot be declared as an entity type");
				return cedar_hint(r->err, "Actions are declared by themselves.");
			}
			TRY(define(r, ns->name, e->name->bytes, e->name->len, &def));
			def->entity = e;
			def->ns = ns;
		}
		if (ns->n_actions > 0)
		{
			TRY(define(r, ns->name, "Action", 6, &def));
			def->is_action = true;
		}
	}
	TRY(check_shadowing(r, (uint32_t) n_types));
	TRY(declare_builtins(r, empty));
	return simple_type(r, CEDAR_TYPE_RECORD, &r->empty_record);
}

/* -------------------------------------------------------------- hierarchy */

/* What the nodes of a hierarchy are directly in, as indexes. */
typedef struct Graph
{
	uint32_t	n;
	uint32_t   *first;			/* n + 1 places in edges */
	uint32_t   *edges;
} Graph;

typedef struct Walk
{
	Resolver   *r;
	const Graph *graph;
	uint32_t   *seen;			/* the node of the last walk that met it, plus one */
	uint32_t   *found;
} Walk;

static CedarCode
walk_init(Walk *walk, Resolver *r, const Graph *graph)
{
	walk->r = r;
	walk->graph = graph;
	walk->seen = cedar_arena_zalloc(r->arena, graph->n * sizeof(uint32_t));
	walk->found = cedar_arena_alloc(r->arena, graph->n * sizeof(uint32_t));
	return walk->seen == NULL || walk->found == NULL ? cedar_nomem(r->err) : CEDAR_OK;
}

static int
qsort_numbers(const void *a, const void *b)
{
	uint32_t	x,
				y;

	memcpy(&x, a, sizeof(x));
	memcpy(&y, b, sizeof(y));
	return x < y ? -1 : x > y;
}

/* All that can be reached from the node, ascending, in walk->found. */
static CedarCode
walk_from(Walk *walk, uint32_t node, uint32_t *n)
{
	const Graph *g = walk->graph;
	uint32_t	at = node;
	uint32_t	next = 0;

	*n = 0;
	for (;;)
	{
		for (uint32_t e = g->first[at]; e < g->first[at + 1]; e++)
		{
			uint32_t	up = g->edges[e];

			if (++walk->r->steps > CEDAR_MAX_HIERARCHY)
				return cedar_fail(walk->r->err, CEDAR_ERR_LIMIT,
								  "the hierarchies of the schema take more than %d steps to walk",
								  CEDAR_MAX_HIERARCHY);
			if (walk->seen[up] == node + 1)
				continue;
			walk->seen[up] = node + 1;
			walk->found[(*n)++] = up;
		}
		cedar_arena_check_interrupt(walk->r->arena);
		if (next == *n)
			break;
		at = walk->found[next++];
	}
	if (*n < g->n / 16)
	{
		cedar_sort(walk->r->arena, walk->found, *n, sizeof(uint32_t), qsort_numbers);
		return CEDAR_OK;
	}
	/* many of them: going through all nodes is less work than sorting */
	*n = 0;
	for (uint32_t i = 0; i < g->n; i++)
		if (walk->seen[i] == node + 1)
			walk->found[(*n)++] = i;
	return CEDAR_OK;
}

static CedarCode
graph_init(Resolver *r, Graph *g, uint32_t n, uint64_t n_edges)
{
	g->n = n;
	g->first = cedar_arena_alloc(r->arena, ((size_t) n + 1) * sizeof(uint32_t));
	g->edges = cedar_arena_alloc(r->arena, n_edges * sizeof(uint32_t));
	if (g->first == NULL || g->edges == NULL)
		return cedar_nomem(r->err);
	g->first[0] = 0;
	return CEDAR_OK;
}

/* ----------------------------------------------------------- entity types */

static int
qsort_defs(const void *a, const void *b)
{
	const Def  *x,
			   *y;

	memcpy(&x, a, sizeof(void *));
	memcpy(&y, b, sizeof(void *));
	return cedar_str_order(x->name, y->name);
}

static CedarCode
list_entities(Resolver *r)
{
	uint32_t	n = 0;

	r->entities = cedar_arena_zalloc(r->arena, r->n_entities * sizeof(CedarEntityType));
	r->entity_defs = cedar_arena_alloc(r->arena, r->n_entities * sizeof(Def *));
	if (r->entities == NULL || r->entity_defs == NULL)
		return cedar_nomem(r->err);
	for (uint32_t i = 0; i < r->decl->n; i++)
	{
		const DeclNamespace *ns = r->decl->namespaces[i];

		for (uint32_t k = 0; k < ns->n_entities; k++)
			TRY(define(r, ns->name, ns->entities[k]->name->bytes, ns->entities[k]->name->len,
					   &r->entity_defs[n++]));
	}
	cedar_sort(r->arena, r->entity_defs, n, sizeof(Def *), qsort_defs);
	for (uint32_t i = 0; i < n; i++)
	{
		r->entity_defs[i]->index = i;
		r->entities[i].name = r->entity_defs[i]->name;
	}
	return CEDAR_OK;
}

/* An entity type that the schema declares: the type of its actions is none. */
static CedarCode
declared_entity(Resolver *r, const CedarStr *ns, const DeclName *name, Def **def)
{
	TRY(look_up(r, ns, name->name, name->span, WANT_ENTITY, def));
	if ((*def)->entity != NULL)
		return CEDAR_OK;
	cedar_fail_at(r->err, CEDAR_ERR_SCHEMA, name->span.offset, name->span.length,
				  "\"%.*s\" is the type of actions; here an entity type is needed",
				  CEDAR_EXCERPT((*def)->name->bytes, (*def)->name->len));
	return CEDAR_ERR_SCHEMA;
}

static int
qsort_strs(const void *a, const void *b)
{
	const CedarStr *x,
			   *y;

	memcpy(&x, a, sizeof(void *));
	memcpy(&y, b, sizeof(void *));
	return cedar_str_order(x, y);
}

static CedarCode
resolve_entity(Resolver *r, uint32_t i)
{
	const Def  *def = r->entity_defs[i];
	const DeclEntity *d = def->entity;
	CedarEntityType *e = &r->entities[i];
	const CedarStr *ns = def->ns->name;
	uint32_t	n = 0;

	e->is_enum = d->is_enum;
	TRY(convert_record(r, ns, d->shape, "shape", d->name, &e->shape));
	if (d->tags != NULL)
		TRY(convert(r, ns, d->tags, &e->tags));
	if (d->n_ids > 0)
	{
		e->ids = cedar_arena_copy(r->arena, d->ids, d->n_ids * sizeof(CedarStr *));
		if (e->ids == NULL)
			return cedar_nomem(r->err);
		cedar_sort(r->arena, e->ids, d->n_ids, sizeof(CedarStr *), qsort_strs);
		for (uint32_t k = 0; k < d->n_ids; k++)
			if (n == 0 || !cedar_str_equal(e->ids[n - 1], e->ids[k]))
				e->ids[n++] = e->ids[k];
		e->n_ids = n;
	}
	return CEDAR_OK;
}

static CedarCode
close_entities(Resolver *r)
{
	uint64_t	n_edges = 0;
	uint32_t	n = 0;
	Graph		g;
	Walk		walk;

	for (uint32_t i = 0; i < r->n_entities; i++)
		n_edges += r->entity_defs[i]->entity->n_parents;
	TRY(graph_init(r, &g, r->n_entities, n_edges));
	for (uint32_t i = 0; i < r->n_entities; i++)
	{
		const Def  *def = r->entity_defs[i];

		for (uint32_t k = 0; k < def->entity->n_parents; k++)
		{
			Def		   *parent;

			cedar_arena_check_interrupt(r->arena);
			TRY(declared_entity(r, def->ns->name, &def->entity->parents[k], &parent));
			g.edges[n++] = parent->index;
		}
		g.first[i + 1] = n;
	}
	TRY(walk_init(&walk, r, &g));
	for (uint32_t i = 0; i < r->n_entities; i++)
	{
		CedarEntityType *e = &r->entities[i];

		TRY(walk_from(&walk, i, &e->n_ancestors));
		e->ancestors = cedar_arena_alloc(r->arena, e->n_ancestors * sizeof(CedarStr *));
		if (e->ancestors == NULL)
			return cedar_nomem(r->err);
		for (uint32_t k = 0; k < e->n_ancestors; k++)
			e->ancestors[k] = r->entities[walk.found[k]].name;
	}
	return CEDAR_OK;
}

/* ---------------------------------------------------------------- actions */

/* An action as it is sorted. */
typedef struct OpenAction
{
	const CedarUid *uid;
	const DeclAction *decl;
	const DeclNamespace *ns;
} OpenAction;

static int
qsort_actions(const void *a, const void *b)
{
	OpenAction	x,
				y;

	memcpy(&x, a, sizeof(x));
	memcpy(&y, b, sizeof(y));
	return cedar_uid_order(x.uid, y.uid);
}

static CedarCode
make_action_uid(Resolver *r, const CedarStr *type, const CedarStr *id, const CedarUid **out)
{
	CedarUid   *uid = cedar_arena_alloc(r->arena, cedar_uid_size(type->len, id->len));

	if (uid == NULL)
		return cedar_nomem(r->err);
	cedar_uid_init(uid, type->bytes, type->len, id->bytes, id->len);
	*out = uid;
	return CEDAR_OK;
}

static CedarCode
list_actions(Resolver *r)
{
	OpenAction *open = cedar_arena_alloc(r->arena, r->n_actions * sizeof(OpenAction));
	uint32_t	n = 0;

	r->actions = cedar_arena_zalloc(r->arena, r->n_actions * sizeof(CedarActionType));
	r->action_decls = cedar_arena_alloc(r->arena, r->n_actions * sizeof(DeclAction *));
	r->action_ns = cedar_arena_alloc(r->arena, r->n_actions * sizeof(DeclNamespace *));
	if (open == NULL || r->actions == NULL || r->action_decls == NULL || r->action_ns == NULL)
		return cedar_nomem(r->err);
	for (uint32_t i = 0; i < r->decl->n; i++)
	{
		const DeclNamespace *ns = r->decl->namespaces[i];
		Def		   *type;

		if (ns->n_actions > 0)
			TRY(define(r, ns->name, "Action", 6, &type));
		for (uint32_t k = 0; k < ns->n_actions; k++)
		{
			cedar_arena_check_interrupt(r->arena);
			open[n].decl = ns->actions[k];
			open[n].ns = ns;
			TRY(make_action_uid(r, type->name, ns->actions[k]->name, &open[n].uid));
			n++;
		}
	}
	cedar_sort(r->arena, open, n, sizeof(OpenAction), qsort_actions);
	for (uint32_t i = 0; i < n; i++)
	{
		r->actions[i].uid = open[i].uid;
		r->action_decls[i] = open[i].decl;
		r->action_ns[i] = open[i].ns;
	}
	return CEDAR_OK;
}

/* The index of an action that is declared, or n_actions. */
static CedarCode
find_action(Resolver *r, const CedarStr *type, const CedarStr *id, uint32_t *index)
{
	CedarMark	mark = cedar_arena_mark(r->arena);
	CedarSchema schema = {0, NULL, r->n_actions, r->actions};
	const CedarActionType *action;
	const CedarUid *uid;

	TRY(make_action_uid(r, type, id, &uid));
	action = cedar_schema_action(&schema, uid);
	*index = action == NULL ? r->n_actions : (uint32_t) (action - r->actions);
	cedar_arena_release(r->arena, mark);
	return CEDAR_OK;
}

static CedarCode
undeclared_action(Resolver *r, const DeclActionRef *ref)
{
	CedarGuess	guess;

	cedar_fail_at(r->err, CEDAR_ERR_SCHEMA, ref->span.offset, ref->span.length,
				  "action %.*s::\"%.*s\" is not declared",
				  CEDAR_EXCERPT(ref->type.name ? ref->type.name->bytes : "Action",
								ref->type.name ? ref->type.name->len : 6),
				  CEDAR_EXCERPT(ref->id->bytes, ref->id->len));
	cedar_guess_start(&guess, ref->id->bytes, ref->id->len);
	for (uint32_t i = 0; i < r->n_actions; i++)
	{
		const CedarUid *uid = r->actions[i].uid;

		cedar_arena_check_interrupt(r->arena);
		cedar_guess_try(&guess, uid->bytes + uid->type_len, uid->id_len);
		/* the id is right, the namespace is not */
		if (uid->id_len == ref->id->len &&
			memcmp(uid->bytes + uid->type_len, ref->id->bytes, ref->id->len) == 0)
			return cedar_hint(r->err, "Did you mean %.*s::\"%.*s\"?",
							  CEDAR_EXCERPT(uid->bytes, uid->type_len),
							  CEDAR_EXCERPT(ref->id->bytes, ref->id->len));
	}
	return cedar_guess_hint(&guess, r->err);
}

static CedarCode
look_up_action(Resolver *r, const CedarStr *ns, const DeclActionRef *ref, uint32_t *index)
{
	const char *type = ref->type.name != NULL ? ref->type.name->bytes : "Action";
	size_t		len = ref->type.name != NULL ? ref->type.name->len : 6;
	CedarStr	none = {0, 0};
	CedarStr   *full;

	if (ns->len > 0 && memchr(type, ':', len) == NULL)
	{
		full = qualify(r, ns, type, len);
		if (full == NULL)
			return cedar_nomem(r->err);
		TRY(find_action(r, full, ref->id, index));
		if (*index < r->n_actions)
			return CEDAR_OK;
	}
	full = qualify(r, &none, type, len);
	if (full == NULL)
		return cedar_nomem(r->err);
	TRY(find_action(r, full, ref->id, index));
	return *index < r->n_actions ? CEDAR_OK : undeclared_action(r, ref);
}

/* The declared types of a list, sorted, each once. */
static CedarCode
applicable(Resolver *r, const CedarStr *ns, const DeclName *names, uint32_t n,
		   const CedarStr ***out, uint32_t *n_out)
{
	const CedarStr **list = cedar_arena_alloc(r->arena, n * sizeof(CedarStr *));
	uint32_t	m = 0;

	if (list == NULL)
		return cedar_nomem(r->err);
	for (uint32_t i = 0; i < n; i++)
	{
		Def		   *def;

		cedar_arena_check_interrupt(r->arena);
		TRY(declared_entity(r, ns, &names[i], &def));
		list[i] = def->name;
	}
	cedar_sort(r->arena, list, n, sizeof(CedarStr *), qsort_strs);
	for (uint32_t i = 0; i < n; i++)
		if (m == 0 || list[m - 1] != list[i])
			list[m++] = list[i];
	*out = list;
	*n_out = m;
	return CEDAR_OK;
}

static CedarCode
resolve_action(Resolver *r, uint32_t i)
{
	const DeclAction *d = r->action_decls[i];
	const CedarStr *ns = r->action_ns[i]->name;
	CedarActionType *a = &r->actions[i];

	TRY(applicable(r, ns, d->principals, d->n_principals, &a->principals, &a->n_principals));
	TRY(applicable(r, ns, d->resources, d->n_resources, &a->resources, &a->n_resources));
	return convert_record(r, ns, d->context, "context", d->name, &a->context);
}

static CedarCode
close_actions(Resolver *r)
{
	uint64_t	n_edges = 0;
	uint32_t	n = 0;
	Graph		g;
	Walk		walk;

	for (uint32_t i = 0; i < r->n_actions; i++)
		n_edges += r->action_decls[i]->n_parents;
	TRY(graph_init(r, &g, r->n_actions, n_edges));
	for (uint32_t i = 0; i < r->n_actions; i++)
	{
		const DeclAction *d = r->action_decls[i];

		for (uint32_t k = 0; k < d->n_parents; k++)
		{
			cedar_arena_check_interrupt(r->arena);
			TRY(look_up_action(r, r->action_ns[i]->name, &d->parents[k], &g.edges[n]));
			n++;
		}
		g.first[i + 1] = n;
	}
	TRY(walk_init(&walk, r, &g));
	for (uint32_t i = 0; i < r->n_actions; i++)
	{
		CedarActionType *a = &r->actions[i];

		TRY(walk_from(&walk, i, &a->n_ancestors));
		a->ancestors = cedar_arena_alloc(r->arena, a->n_ancestors * sizeof(CedarUid *));
		if (a->ancestors == NULL)
			return cedar_nomem(r->err);
		for (uint32_t k = 0; k < a->n_ancestors; k++)
		{
			if (walk.found[k] == i)
			{
				const DeclAction *d = r->action_decls[i];

				cedar_fail_at(r->err, CEDAR_ERR_SCHEMA, d->span.offset, d->span.length,
							  "action \"%.*s\" is a member of itself",
							  CEDAR_EXCERPT(d->name->bytes, d->name->len));
				return cedar_hint(r->err, "Groups of actions must not form a cycle.");
			}
			a->ancestors[k] = r->actions[walk.found[k]].uid;
		}
	}
	return CEDAR_OK;
}

CedarCode
cedar_schema_resolve(CedarArena *arena, const DeclSchema *decl, const CedarSchema **schema,
					 CedarError *err)
{
	CedarSchema *s = cedar_arena_alloc(arena, sizeof(CedarSchema));
	Resolver	r;

	if (s == NULL)
		return cedar_nomem(err);
	memset(&r, 0, sizeof(r));
	r.arena = arena;
	r.err = err;
	r.decl = decl;
	TRY(declare(&r));
	TRY(list_entities(&r));
	TRY(list_actions(&r));
	TRY(resolve_commons(&r));
	for (uint32_t i = 0; i < r.n_entities; i++)
		TRY(resolve_entity(&r, i));
	for (uint32_t i = 0; i < r.n_actions; i++)
		TRY(resolve_action(&r, i));
	TRY(close_entities(&r));
	TRY(close_actions(&r));
	s->n_entities = r.n_entities;
	s->entities = r.entities;
	s->n_actions = r.n_actions;
	s->actions = r.actions;
	*schema = s;
	return CEDAR_OK;
}
