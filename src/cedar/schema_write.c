/*-------------------------------------------------------------------------
 *
 * schema_write.c
 *	  Declarations to JSON and to the Cedar schema syntax.
 *
 * What is left out of the JSON, and what the syntax cannot say, follows the
 * reference (cedar-policy 4.13): a list of types that is empty on one side of
 * an action is an action that applies to nothing, and a schema whose meaning
 * could change is refused.
 *
 *-------------------------------------------------------------------------
 */
#include <stdio.h>

#include "schema_internal.h"

typedef struct Writer
{
	CedarArena *arena;
	CedarError *err;
	CedarBuf	buf;
} Writer;

static void
put(Writer *w, const char *s)
{
	cedar_buf_puts(&w->buf, s);
}

static void
put_str(Writer *w, const CedarStr *s)
{
	cedar_buf_append(&w->buf, s->bytes, s->len);
}

static CedarCode
finish(Writer *w, const char **out, size_t *len)
{
	if (w->buf.failed)
		return cedar_nomem(w->err);
	*out = w->buf.data != NULL ? w->buf.data : "";
	*len = w->buf.len;
	return CEDAR_OK;
}

/* ------------------------------------------------------------------- JSON */

static void
json_string(Writer *w, const CedarStr *s)
{
	cedar_buf_json_string(&w->buf, s->bytes, s->len);
}

/* The key of a member; *first says whether a comma is due. */
static void
json_key(Writer *w, bool *first, const char *key)
{
	put(w, *first ? "\"" : ",\"");
	*first = false;
	put(w, key);
	put(w, "\":");
}

static void
json_name_key(Writer *w, uint32_t i, const CedarStr *key)
{
	if (i > 0)
		put(w, ",");
	json_string(w, key);
	put(w, ":");
}

static void
json_notes(Writer *w, bool *first, const DeclNotes *notes)
{
	if (notes->n == 0)
		return;
	json_key(w, first, "annotations");
	put(w, "{");
	for (uint32_t i = 0; i < notes->n; i++)
	{
		json_name_key(w, i, notes->list[i].key);
		if (notes->list[i].value != NULL)
			json_string(w, notes->list[i].value);
		else
			put(w, "null");
	}
	put(w, "}");
}

static bool
is_empty_record(const DeclType *type)
{
	return type == NULL || (type->kind == DECL_RECORD && type->n == 0 && !type->open);
}

/* The members of a type, without the braces: attributes add to them. */
static CedarCode
json_type(Writer *w, const DeclType *type)
{
	if (cedar_arena_stack_is_too_deep(w->arena))
		return cedar_stack(w->err);
	cedar_arena_check_interrupt(w->arena);
	put(w, "\"type\":");
	switch ((DeclTypeKind) type->kind)
	{
		case DECL_STRING:
			put(w, "\"String\"");
			break;
		case DECL_LONG:
			put(w, "\"Long\"");
			break;
		case DECL_BOOLEAN:
			put(w, "\"Boolean\"");
			break;
		case DECL_SET:
			put(w, "\"Set\",\"element\":{");
			TRY(json_type(w, type->u.elem));
			put(w, "}");
			break;
		case DECL_RECORD:
			put(w, "\"Record\",\"attributes\":{");
			for (uint32_t i = 0; i < type->n; i++)
			{
				const DeclAttr *attr = type->u.attrs[i];
				bool		first = false;

				json_name_key(w, i, attr->name);
				put(w, "{");
				TRY(json_type(w, attr->type));
				json_notes(w, &first, &attr->notes);
				if (attr->optional)
					put(w, ",\"required\":false");
				put(w, "}");
			}
			put(w, "}");
			if (type->open)
				put(w, ",\"additionalAttributes\":true");
			break;
		case DECL_ENTITY:
		case DECL_ENTITY_OR_COMMON:
		case DECL_EXTENSION:
			put(w, type->kind == DECL_ENTITY ? "\"Entity\"" :
				type->kind == DECL_EXTENSION ? "\"Extension\"" : "\"EntityOrCommon\"");
			put(w, ",\"name\":");
			json_string(w, type->u.name);
			break;
		case DECL_COMMON:
			json_string(w, type->u.name);
			break;
	}
	return CEDAR_OK;
}

static CedarCode
json_whole_type(Writer *w, bool *first, const char *key, const DeclType *type)
{
	json_key(w, first, key);
	put(w, "{");
	TRY(json_type(w, type));
	put(w, "}");
	return CEDAR_OK;
}

static void
json_names(Writer *w, bool *first, const char *key, const DeclName *list, uint32_t n)
{
	json_key(w, first, key);
	put(w, "[");
	for (uint32_t i = 0; i < n; i++)
	{
		if (i > 0)
			put(w, ",");
		json_string(w, list[i].name);
	}
	put(w, "]");
}

static CedarCode
json_entity(Writer *w, const DeclEntity *e)
{
	bool		first = true;

	put(w, "{");
	if (e->is_enum)
	{
		json_key(w, &first, "enum");
		for (uint32_t i = 0; i < e->n_ids; i++)
		{
			put(w, i == 0 ? "[" : ",");
			json_string(w, e->ids[i]);
		}
		put(w, "]");
	}
	else
	{
		if (e->n_parents > 0)
			json_names(w, &first, "memberOfTypes", e->parents, e->n_parents);
		if (!is_empty_record(e->shape))
			TRY(json_whole_type(w, &first, "shape", e->shape));
		if (e->tags != NULL)
			TRY(json_whole_type(w, &first, "tags", e->tags));
	}
	json_notes(w, &first, &e->notes);
	put(w, "}");
	return CEDAR_OK;
}

static CedarCode
json_action(Writer *w, const DeclAction *a)
{
	bool		first = true;

	put(w, "{");
	if (a->applies)
	{
		bool		first_of = true;

		json_key(w, &first, "appliesTo");
		put(w, "{");
		json_names(w, &first_of, "resourceTypes", a->resources, a->n_resources);
		json_names(w, &first_of, "principalTypes", a->principals, a->n_principals);
		if (!is_empty_record(a->context))
			TRY(json_whole_type(w, &first_of, "context", a->context));
		put(w, "}");
	}
	if (a->has_parents)
	{
		json_key(w, &first, "memberOf");
		put(w, "[");
		for (uint32_t i = 0; i < a->n_parents; i++)
		{
			put(w, i > 0 ? ",{\"id\":" : "{\"id\":");
			json_string(w, a->parents[i].id);
			if (a->parents[i].type.name != NULL)
			{
				put(w, ",\"type\":");
				json_string(w, a->parents[i].type.name);
			}
			put(w, "}");
		}
		put(w, "]");
	}
	json_notes(w, &first, &a->notes);
	put(w, "}");
	return CEDAR_OK;
}

static CedarCode
json_namespace(Writer *w, const DeclNamespace *ns)
{
	bool		first = true;

	put(w, "{");
	if (ns->n_commons > 0)
	{
		json_key(w, &first, "commonTypes");
		put(w, "{");
		for (uint32_t i = 0; i < ns->n_commons; i++)
		{
			bool		first_of = false;

			json_name_key(w, i, ns->commons[i]->name);
			put(w, "{");
			TRY(json_type(w, ns->commons[i]->type));
			json_notes(w, &first_of, &ns->commons[i]->notes);
			put(w, "}");
		}
		put(w, "}");
	}
	json_key(w, &first, "entityTypes");
	put(w, "{");
	for (uint32_t i = 0; i < ns->n_entities; i++)
	{
		json_name_key(w, i, ns->entities[i]->name);
		TRY(json_entity(w, ns->entities[i]));
	}
	put(w, "}");
	json_key(w, &first, "actions");
	put(w, "{");
	for (uint32_t i = 0; i < ns->n_actions; i++)
	{
		json_name_key(w, i, ns->actions[i]->name);
		TRY(json_action(w, ns->actions[i]));
	}
	put(w, "}");
	json_notes(w, &first, &ns->notes);
	put(w, "}");
	return CEDAR_OK;
}

CedarCode
cedar_schema_write_json(CedarArena *arena, const DeclSchema *decl, const char **json,
						size_t *len, CedarError *err)
{
	Writer		w = {arena, err, {arena, NULL, 0, 0, false}};

	put(&w, "{");
	for (uint32_t i = 0; i < decl->n; i++)
	{
		json_name_key(&w, i, decl->namespaces[i]->name);
		TRY(json_namespace(&w, decl->namespaces[i]));
	}
	put(&w, "}");
	return finish(&w, json, len);
}

/* ------------------------------------------------------------------- text */

static void
text_indent(Writer *w, int depth)
{
	/* deep types are told by their braces */
	for (int i = 0; i < depth && i < 32; i++)
		put(w, "  ");
}

static void
text_string(Writer *w, const CedarStr *s)
{
	const char *p = s->bytes;
	const char *end = p + s->len;

	put(w, "\"");
	while (p < end)
	{
		const char *start = p;
		uint32_t	cp = cedar_utf8_get(&p);
		char		esc[16];

		if (cp == '"' || cp == '\\')
			snprintf(esc, sizeof(esc), "\\%c", (char) cp);
		else if (cp == '\n')
			snprintf(esc, sizeof(esc), "\\n");
		else if (cp == '\r')
			snprintf(esc, sizeof(esc), "\\r");
		else if (cp == '\t')
			snprintf(esc, sizeof(esc), "\\t");
		else if (cp < 0x20 || (cp >= 0x7F && cp < 0xA0))
			snprintf(esc, sizeof(esc), "\\u{%x}", (unsigned) cp);
		else
		{
			cedar_buf_append(&w->buf, start, (size_t) (p - start));
			continue;
		}
		put(w, esc);
	}
	put(w, "\"");
}

/* An attribute or an action. */
static void
text_label(Writer *w, const CedarStr *s)
{
	if (cedar_is_internal_ident(s->bytes, s->len))
		put_str(w, s);
	else
		text_string(w, s);
}

static void
text_notes(Writer *w, int depth, const DeclNotes *notes)
{
	for (uint32_t i = 0; i < notes->n; i++)
	{
		const DeclNote *note = &notes->list[i];

		text_indent(w, depth);
		put(w, "@");
		put_str(w, note->key);
		if (note->value != NULL && note->value->len > 0)
		{
			put(w, "(");
			text_string(w, note->value);
			put(w, ")");
		}
		put(w, "\n");
	}
}

static CedarCode
text_type(Writer *w, int depth, const DeclType *type)
{
	if (cedar_arena_stack_is_too_deep(w->arena))
		return cedar_stack(w->err);
	cedar_arena_check_interrupt(w->arena);
	switch ((DeclTypeKind) type->kind)
	{
			/* these are primitive whatever else is declared by their names */
		case DECL_STRING:
			put(w, "__cedar::String");
			break;
		case DECL_LONG:
			put(w, "__cedar::Long");
			break;
		case DECL_BOOLEAN:
			put(w, "__cedar::Bool");
			break;
		case DECL_EXTENSION:
			put(w, "__cedar::");
			put_str(w, type->u.name);
			break;
		case DECL_SET:
			put(w, "Set<");
			TRY(text_type(w, depth, type->u.elem));
			put(w, ">");
			break;
		case DECL_RECORD:
			put(w, "{");
			for (uint32_t i = 0; i < type->n; i++)
			{
				const DeclAttr *attr = type->u.attrs[i];

				put(w, i == 0 ? "\n" : ",\n");
				text_notes(w, depth + 1, &attr->notes);
				text_indent(w, depth + 1);
				text_label(w, attr->name);
				put(w, attr->optional ? "?: " : ": ");
				TRY(text_type(w, depth + 1, attr->type));
			}
			if (type->n > 0)
			{
				put(w, "\n");
				text_indent(w, depth);
			}
			put(w, "}");
			break;
		case DECL_ENTITY:
		case DECL_COMMON:
		case DECL_ENTITY_OR_COMMON:
			put_str(w, type->u.name);
			break;
	}
	return CEDAR_OK;
}

static void
text_names(Writer *w, const DeclName *list, uint32_t n)
{
	put(w, "[");
	for (uint32_t i = 0; i < n; i++)
	{
		if (i > 0)
			put(w, ", ");
		put_str(w, list[i].name);
	}
	put(w, "]");
}

static CedarCode
text_entity(Writer *w, int depth, const DeclEntity *e)
{
	text_notes(w, depth, &e->notes);
	text_indent(w, depth);
	put(w, "entity ");
	put_str(w, e->name);
	if (e->is_enum)
	{
		put(w, " enum [");
		for (uint32_t i = 0; i < e->n_ids; i++)
		{
			if (i > 0)
				put(w, ", ");
			text_string(w, e->ids[i]);
		}
		put(w, "]");
	}
	if (e->n_parents > 0)
	{
		put(w, " in ");
		text_names(w, e->parents, e->n_parents);
	}
	if (!is_empty_record(e->shape))
	{
		put(w, " ");
		TRY(text_type(w, depth, e->shape));
	}
	if (e->tags != NULL)
	{
		put(w, " tags ");
		TRY(text_type(w, depth, e->tags));
	}
	put(w, ";\n");
	return CEDAR_OK;
}

static CedarCode
text_action(Writer *w, int depth, const DeclAction *a)
{
	text_notes(w, depth, &a->notes);
	text_indent(w, depth);
	put(w, "action ");
	text_label(w, a->name);
	for (uint32_t i = 0; i < a->n_parents; i++)
	{
		put(w, i == 0 ? " in [" : ", ");
		if (a->parents[i].type.name != NULL)
			put_str(w, a->parents[i].type.name);
		else
			put(w, "Action");
		put(w, "::");
		text_string(w, a->parents[i].id);
	}
	if (a->n_parents > 0)
		put(w, "]");
	if (a->n_principals > 0 && a->n_resources > 0)
	{
		put(w, " appliesTo {\n");
		text_indent(w, depth + 1);
		put(w, "principal: ");
		text_names(w, a->principals, a->n_principals);
		put(w, ",\n");
		text_indent(w, depth + 1);
		put(w, "resource: ");
		text_names(w, a->resources, a->n_resources);
		if (!is_empty_record(a->context))
		{
			put(w, ",\n");
			text_indent(w, depth + 1);
			put(w, "context: ");
			TRY(text_type(w, depth + 1, a->context));
		}
		put(w, "\n");
		text_indent(w, depth);
		put(w, "}");
	}
	put(w, ";\n");
	return CEDAR_OK;
}

/* Can the syntax say what is in the namespace? */
static CedarCode
check_namespace(Writer *w, const DeclNamespace *ns)
{
	for (uint32_t i = 0, k = 0; i < ns->n_entities; i++)
	{
		const DeclEntity *e = ns->entities[i];

		cedar_arena_check_interrupt(w->arena);
		if (e->shape != NULL && e->shape->kind != DECL_RECORD)
			return cedar_fail_at(w->err, CEDAR_ERR_SCHEMA, e->shape->span.offset,
								 e->shape->span.length,
								 "the shape of \"%.*s\" is a common type, which the Cedar syntax cannot say",
								 CEDAR_EXCERPT(e->name->bytes, e->name->len));
		/* in the empty namespace the reference lets it pass */
		if (ns->name->len == 0)
			continue;
		while (k < ns->n_commons && cedar_str_order(ns->commons[k]->name, e->name) < 0)
			k++;
		if (k < ns->n_commons && cedar_str_equal(ns->commons[k]->name, e->name))
			return cedar_fail_at(w->err, CEDAR_ERR_SCHEMA, e->span.offset, e->span.length,
								 "\"%.*s\" is both an entity type and a common type, which the Cedar syntax cannot tell apart",
								 CEDAR_EXCERPT(e->name->bytes, e->name->len));
	}
	return CEDAR_OK;
}

static CedarCode
text_namespace(Writer *w, const DeclNamespace *ns)
{
	int			depth = ns->name->len > 0 ? 1 : 0;
	bool		first = true;

#define SEPARATE() \
	do { \
		if (!first) \
			put(w, "\n"); \
		first = false; \
	} while (0)

	if (depth > 0)
	{
		text_notes(w, 0, &ns->notes);
		put(w, "namespace ");
		put_str(w, ns->name);
		put(w, " {\n");
	}
	for (uint32_t i = 0; i < ns->n_commons; i++)
	{
		const DeclCommon *c = ns->commons[i];

		SEPARATE();
		text_notes(w, depth, &c->notes);
		text_indent(w, depth);
		put(w, "type ");
		put_str(w, c->name);
		put(w, " = ");
		TRY(text_type(w, depth, c->type));
		put(w, ";\n");
	}
	for (uint32_t i = 0; i < ns->n_entities; i++)
	{
		SEPARATE();
		TRY(text_entity(w, depth, ns->entities[i]));
	}
	for (uint32_t i = 0; i < ns->n_actions; i++)
	{
		SEPARATE();
		TRY(text_action(w, depth, ns->actions[i]));
	}
	if (depth > 0)
		put(w, "}\n");
#undef SEPARATE
	return CEDAR_OK;
}

CedarCode
cedar_schema_write_text(CedarArena *arena, const DeclSchema *decl, const char **text,
						size_t *len, CedarError *err)
{
	Writer		w = {arena, err, {arena, NULL, 0, 0, false}};

	for (uint32_t i = 0; i < decl->n; i++)
		TRY(check_namespace(&w, decl->namespaces[i]));
	for (uint32_t i = 0; i < decl->n; i++)
	{
		if (i > 0)
			put(&w, "\n");
		TRY(text_namespace(&w, decl->namespaces[i]));
	}
	return finish(&w, text, len);
}
