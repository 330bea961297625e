/*-------------------------------------------------------------------------
 *
 * level.c
 *	  How deep a policy dereferences entities (RFC 76 of Cedar).
 *
 * Reading an attribute or tag of an entity, testing for one and asking what it
 * is `in` each dereference it.  A request variable is at level 0, what an
 * entity's attribute or tag refers to one above the entity.  A literal entity
 * must not be dereferenced at all, but for the request's own action.
 *
 * Only what can be evaluated in an environment counts: types that are known to
 * be true or false cut parts off, as they do in typecheck.c.
 *
 *-------------------------------------------------------------------------
 */
#include "typecheck.h"

typedef struct LevelCheck
{
	TypeCheck  *t;
	uint32_t	level;
} LevelCheck;

/* Attributes that are read of what an expression gives, outermost first. */
typedef struct Path
{
	const CedarStr *attr;
	const struct Path *next;
} Path;

static CedarCode level_of(LevelCheck *l, const Checked *e);

static const CedarType *
type_of(const LevelCheck *l, const Checked *e)
{
	return l->t->types[e->number];
}

static bool
has_kind(const LevelCheck *l, const Checked *e, CedarTypeKind kind)
{
	return type_of(l, e) != NULL && type_of(l, e)->kind == kind;
}

static void
found_literal(LevelCheck *l, const Checked *e)
{
	CedarFinding *finding;

	finding = cedar_found(l->t->findings, CEDAR_FOUND_LITERAL_DEREFERENCE, e->offset, e->length,
						  "a literal entity must not be dereferenced");
	if (finding != NULL)
		cedar_found_hint(finding, "With levels, only principal, action, resource and what is in the context can be dereferenced.");
}

static bool
has_name(const Checked *record, const CedarStr *name)
{
	for (uint32_t i = 0; i < record->count; i++)
	{
		if (cedar_str_equal(record->names[i], name))
			return true;
	}
	return false;
}

/* The level of an entity that is dereferenced. */
static CedarCode
target_level(LevelCheck *l, const Checked *e, const Path *path, uint32_t *level)
{
	uint32_t	other;

	*level = 0;
	if (cedar_arena_stack_is_too_deep(l->t->arena))
		return cedar_stack(l->t->err);
	switch ((CedarOp) e->op)
	{
		case CEDAR_OP_SLOT:
			found_literal(l, e);
			break;
		case CEDAR_OP_LIT:
			if (e->lit.kind == CEDAR_ENTITY && !cedar_uid_equal(e->lit.u.uid, l->t->env->action->uid))
				found_literal(l, e);
			break;
		case CEDAR_OP_IF:
			TRY(level_of(l, e->a));
			if (!has_kind(l, e->a, CEDAR_TYPE_FALSE))
				TRY(target_level(l, e->b, path, level));
			if (!has_kind(l, e->a, CEDAR_TYPE_TRUE))
			{
				TRY(target_level(l, e->c, path, &other));
				if (other > *level)
					*level = other;
			}
			break;
		case CEDAR_OP_GET_ATTR:
			if (has_kind(l, e->a, CEDAR_TYPE_ENTITY))
			{
				TRY(target_level(l, e->a, path, level));
				(*level)++;
			}
			else if (has_kind(l, e->a, CEDAR_TYPE_RECORD))
			{
				Path		more = {e->names[0], path};

				TRY(target_level(l, e->a, &more, level));
			}
			break;
		case CEDAR_OP_GET_TAG:
			TRY(target_level(l, e->a, path, level));
			TRY(level_of(l, e->b));
			(*level)++;
			break;
		case CEDAR_OP_RECORD:
			if (path == NULL || !has_name(e, path->attr))
				break;			/* it does not type-check */
			for (uint32_t i = 0; i < e->count; i++)
			{
				if (cedar_str_equal(e->names[i], path->attr))
					TRY(target_level(l, e->list[i], path->next, level));
				else
					TRY(level_of(l, e->list[i]));
			}
			break;
		default:				/* a variable; nothing else is an entity */
			break;
	}
	return CEDAR_OK;
}

/* An expression needs a level: is it allowed? */
static void
need(LevelCheck *l, const Checked *e, uint32_t level)
{
	CedarFinding *finding;

	if (level <= l->level)
		return;
	finding = cedar_found(l->t->findings, CEDAR_FOUND_LEVEL, e->offset, e->length,
						  "this needs level %u, and the highest allowed is %u",
						  level, l->level);
	if (finding != NULL)
		cedar_found_hint(finding, "Hand the value in with the context, or allow a higher level.");
}

static CedarCode
dereference(LevelCheck *l, const Checked *e)
{
	uint32_t	level;

	TRY(target_level(l, e->a, NULL, &level));
	need(l, e, level + 1);
	return CEDAR_OK;
}

/*
 * `e has a.b.c` as a whole: the entities that are passed on the way count, and
 * where they are too many, e is not looked at.
 */
static CedarCode
has_chain(LevelCheck *l, const Checked *chain)
{
	const Checked *e = chain->list[0]->a;
	bool		entity = has_kind(l, e, CEDAR_TYPE_ENTITY);
	const CedarType *type = type_of(l, e);
	uint32_t	cost = entity ? 1 : 0;
	uint32_t	to_entity = 0;	/* attributes of e's record up to an entity */
	Path	   *path = NULL;
	uint32_t	level;

	if (!entity && !has_kind(l, e, CEDAR_TYPE_RECORD))
		return level_of(l, e);
	for (uint32_t i = 0; i + 1 < chain->count; i++)
	{
		const CedarAttrType *attr = cedar_attribute_of(l->t->schema, type, chain->list[i]->names[0]);

		if (attr == NULL)
			break;
		type = attr->type;
		if (type->kind == CEDAR_TYPE_ENTITY && cost++ == 0)
			to_entity = i + 1;
	}
	if (cost > l->level)
	{
		need(l, chain, cost);
		return CEDAR_OK;
	}
	if (!entity)
		TRY(level_of(l, e));
	if (cost == 0)
		return CEDAR_OK;
	if (to_entity > 0)
	{
		path = cedar_arena_alloc(l->t->arena, to_entity * sizeof(Path));
		if (path == NULL)
			return cedar_nomem(l->t->err);
		for (uint32_t i = 0; i < to_entity; i++)
			path[i] = (Path) {chain->list[i]->names[0], i + 1 < to_entity ? &path[i + 1] : NULL};
	}
	TRY(target_level(l, e, path, &level));
	need(l, chain, level + cost);
	return CEDAR_OK;
}

static CedarCode
level_of(LevelCheck *l, const Checked *e)
{
	if (cedar_arena_stack_is_too_deep(l->t->arena))
		return cedar_stack(l->t->err);
	cedar_arena_check_interrupt(l->t->arena);
	switch ((CedarOp) e->op)
	{
		case CEDAR_OP_IF:
			TRY(level_of(l, e->a));
			if (!has_kind(l, e->a, CEDAR_TYPE_FALSE))
				TRY(level_of(l, e->b));
			if (!has_kind(l, e->a, CEDAR_TYPE_TRUE))
				TRY(level_of(l, e->c));
			return CEDAR_OK;
		case CEDAR_OP_AND:
		case CEDAR_OP_OR:
			if (e->n == CHECKED_HAS)
				return has_chain(l, e);
			for (uint32_t i = 0; i < e->count; i++)
			{
				TRY(level_of(l, e->list[i]));
				if (has_kind(l, e->list[i], e->op == CEDAR_OP_AND ?
							 CEDAR_TYPE_FALSE : CEDAR_TYPE_TRUE))
					break;		/* what is behind it is never evaluated */
			}
			return CEDAR_OK;
		case CEDAR_OP_HAS_TAG:
		case CEDAR_OP_GET_TAG:
		case CEDAR_OP_IN:
			TRY(dereference(l, e));
			return level_of(l, e->b);
		case CEDAR_OP_HAS_ATTR:
		case CEDAR_OP_GET_ATTR:
			if (has_kind(l, e->a, CEDAR_TYPE_ENTITY))
				return dereference(l, e);
			if (has_kind(l, e->a, CEDAR_TYPE_RECORD))
				return level_of(l, e->a);
			return CEDAR_OK;	/* it does not type-check */
		default:
			if (e->a != NULL)
				TRY(level_of(l, e->a));
			if (e->b != NULL)
				TRY(level_of(l, e->b));
			for (uint32_t i = 0; e->list != NULL && i < e->count; i++)
				TRY(level_of(l, e->list[i]));
			return CEDAR_OK;
	}
}

CedarCode
cedar_level_check(TypeCheck *t, const Checked *condition, uint32_t level)
{
	LevelCheck	l = {t, level};

	return level_of(&l, condition);
}
