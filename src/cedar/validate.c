/*-------------------------------------------------------------------------
 *
 * validate.c
 *	  Policies checked against a schema.
 *
 * For each policy: that the names in it exist, that some action can apply to
 * its scope, and that its condition type-checks in every request environment
 * (action, principal type, resource type and, for a template, the types that
 * its slots can have).
 *
 * Memory: what one environment needs is released before the next.  Findings
 * outlive that, so they are kept in room made beforehand; when it does not
 * suffice, it is enlarged and the environment checked again, which adds
 * nothing twice.
 *
 *-------------------------------------------------------------------------
 */
#include <stdarg.h>
#include <stdio.h>

#include "schema_internal.h"
#include "typecheck.h"

#define FINDINGS_START 16

static const struct
{
	const char *name;
	bool		warning;
}			finding_codes[] = {
	[CEDAR_FOUND_ENTITY_TYPE] = {"unrecognized_entity_type", false},
	[CEDAR_FOUND_ACTION] = {"unrecognized_action", false},
	[CEDAR_FOUND_ENUM] = {"invalid_enum_entity", false},
	[CEDAR_FOUND_TYPE] = {"unexpected_type", false},
	[CEDAR_FOUND_INCOMPATIBLE] = {"incompatible_types", false},
	[CEDAR_FOUND_ATTRIBUTE] = {"unknown_attribute", false},
	[CEDAR_FOUND_OPTIONAL] = {"unsafe_optional_attribute", false},
	[CEDAR_FOUND_TAG] = {"unsafe_tag", false},
	[CEDAR_FOUND_NO_TAGS] = {"no_tags_allowed", false},
	[CEDAR_FOUND_ARITY] = {"wrong_number_of_arguments", false},
	[CEDAR_FOUND_ARGUMENT] = {"invalid_argument", false},
	[CEDAR_FOUND_NOT_LITERAL] = {"argument_not_literal", false},
	[CEDAR_FOUND_EMPTY_SET] = {"empty_set", false},
	[CEDAR_FOUND_LEVEL] = {"level_exceeded", false},
	[CEDAR_FOUND_LITERAL_DEREFERENCE] = {"literal_dereferenced", false},
	[CEDAR_FOUND_APPLICATION] = {"no_applicable_action", true},
	[CEDAR_FOUND_IMPOSSIBLE] = {"impossible_policy", true},
	[CEDAR_FOUND_BIDI] = {"bidirectional_text", true}
};

CEDAR_STATIC_ASSERT(sizeof(finding_codes) / sizeof(finding_codes[0]) == CEDAR_FINDING_COUNT,
					"every finding has its name");

const char *
cedar_finding_name(CedarFindingCode code)
{
	return finding_codes[code].name;
}

/* --------------------------------------------------------------- findings */

/* Cut what vsnprintf may have cut within a character. */
static void
clip(char *buf, size_t size)
{
	size_t		len = strlen(buf);

	if (len == size - 1)
		buf[cedar_utf8_clip(buf, len, size - 4)] = '\0';
}

static bool
finding_equal(const CedarFinding *a, const CedarFinding *b)
{
	return a->policy == b->policy && a->code == b->code && a->offset == b->offset &&
		a->length == b->length && strcmp(a->message, b->message) == 0;
}

/* The slot that has the finding's number, or the free one where it belongs. */
static uint32_t *
findings_slot(const Findings *findings, const CedarFinding *finding)
{
	uint32_t	mask = findings->cap * 2 - 1;
	uint32_t	at = cedar_hash_bytes(finding->message, strlen(finding->message), finding->policy);

	at = cedar_hash_mix(at, cedar_hash_mix(finding->code, cedar_hash_mix((uint32_t) finding->offset,
																		 (uint32_t) finding->length)));
	while (findings->slots[at & mask] != 0 &&
		   !finding_equal(&findings->list[findings->slots[at & mask] - 1], finding))
		at++;
	return &findings->slots[at & mask];
}

CedarFinding *
cedar_found(Findings *findings, CedarFindingCode code, size_t offset, size_t length,
			const char *fmt,...)
{
	CedarFinding finding;
	uint32_t   *slot;
	va_list		args;

	memset(&finding, 0, sizeof(finding));
	finding.policy = findings->policy;
	finding.code = code;
	finding.warning = finding_codes[code].warning;
	finding.offset = offset;
	finding.length = length;
	va_start(args, fmt);
	vsnprintf(finding.message, sizeof(finding.message), fmt, args);
	va_end(args);
	clip(finding.message, sizeof(finding.message));

	if (findings->cap == 0)
	{
		findings->full = true;
		return NULL;
	}
	slot = findings_slot(findings, &finding);
	if (*slot != 0)
		return NULL;
	if (findings->n == findings->cap)
	{
		findings->full = true;
		return NULL;
	}
	findings->list[findings->n] = finding;
	*slot = findings->n + 1;
	return &findings->list[findings->n++];
}

void
cedar_found_hint(CedarFinding *finding, const char *fmt,...)
{
	va_list		args;

	va_start(args, fmt);
	vsnprintf(finding->hint, sizeof(finding->hint), fmt, args);
	va_end(args);
	clip(finding->hint, sizeof(finding->hint));
}

static CedarCode
findings_grow(CedarArena *arena, Findings *findings, CedarError *err)
{
	void	   *list = findings->list;

	if (!cedar_grow(arena, &list, &findings->cap, findings->cap + FINDINGS_START,
					sizeof(CedarFinding)))
		return cedar_nomem(err);
	findings->list = list;
	findings->full = false;
	findings->slots = cedar_arena_zalloc(arena, (size_t) findings->cap * 2 * sizeof(uint32_t));
	if (findings->slots == NULL)
		return cedar_nomem(err);
	for (uint32_t i = 0; i < findings->n; i++)
		*findings_slot(findings, &findings->list[i]) = i + 1;
	return CEDAR_OK;
}

static int
finding_compare(const CedarFinding *a, const CedarFinding *b)
{
	if (a->policy != b->policy)
		return a->policy < b->policy ? -1 : 1;
	if (a->offset != b->offset)
		return a->offset < b->offset ? -1 : 1;
	if (a->code != b->code)
		return a->code < b->code ? -1 : 1;
	if (a->length != b->length)
		return a->length < b->length ? -1 : 1;
	return strcmp(a->message, b->message);
}

static int
findings_compare(const void *a, const void *b)
{
	return finding_compare(*(const CedarFinding *const *) a, *(const CedarFinding *const *) b);
}

static CedarCode
findings_sort(CedarArena *arena, Findings *findings, CedarError *err)
{
	uint32_t	n = findings->n;
	const CedarFinding **order;
	CedarFinding *sorted;
	uint32_t	i = 1;

	while (i < n && finding_compare(&findings->list[i - 1], &findings->list[i]) < 0)
		i++;
	if (i >= n)
		return CEDAR_OK;
	order = cedar_arena_alloc(arena, n * sizeof(CedarFinding *));
	sorted = cedar_arena_alloc(arena, n * sizeof(CedarFinding));
	if (order == NULL || sorted == NULL)
		return cedar_nomem(err);
	for (i = 0; i < n; i++)
		order[i] = &findings->list[i];
	cedar_sort(arena, order, n, sizeof(CedarFinding *), findings_compare);
	for (i = 0; i < n; i++)
		sorted[i] = *order[i];
	findings->list = sorted;
	return CEDAR_OK;
}

/* ---------------------------------------------------------------- Checked */

typedef struct Validator
{
	CedarArena *arena;
	const CedarSchema *schema;
	CedarError *err;
	Findings	findings;
	uint32_t	level;
	uint32_t	n_nodes;		/* of the policy at hand */
} Validator;

bool
cedar_checked_equal(const Checked *a, const Checked *b)
{
	if (a == b)
		return true;
	if (a->hash != b->hash || a->op != b->op || a->n != b->n || a->count != b->count)
		return false;
	if (a->op == CEDAR_OP_LIT)
		return cedar_value_equal(&a->lit, &b->lit);
	if ((a->a == NULL) != (b->a == NULL) || (a->b == NULL) != (b->b == NULL) ||
		(a->c == NULL) != (b->c == NULL))
		return false;
	if (a->names != NULL)
	{
		for (uint32_t i = 0; i < (a->list != NULL ? a->count : 1); i++)
			if (!cedar_str_equal(a->names[i], b->names[i]))
				return false;
	}
	if ((a->a != NULL && !cedar_checked_equal(a->a, b->a)) ||
		(a->b != NULL && !cedar_checked_equal(a->b, b->b)) ||
		(a->c != NULL && !cedar_checked_equal(a->c, b->c)))
		return false;
	for (uint32_t i = 0; a->list != NULL && i < a->count; i++)
	{
		if (!cedar_checked_equal(a->list[i], b->list[i]))
			return false;
	}
	return true;
}

/* Number a node and hash it; its operands are complete. */
static Checked *
node_done(Validator *v, Checked *node)
{
	uint32_t	hash = cedar_hash_mix(node->op, node->n);

	if (node->op == CEDAR_OP_LIT)
		hash = cedar_hash_mix(hash, node->lit.hash);
	if (node->a != NULL)
		hash = cedar_hash_mix(hash, node->a->hash);
	if (node->b != NULL)
		hash = cedar_hash_mix(hash, node->b->hash);
	if (node->c != NULL)
		hash = cedar_hash_mix(hash, node->c->hash);
	for (uint32_t i = 0; node->list != NULL && i < node->count; i++)
		hash = cedar_hash_mix(hash, node->list[i]->hash);
	if (node->names != NULL)
	{
		for (uint32_t i = 0; i < (node->list != NULL ? node->count : 1); i++)
			hash = cedar_hash_mix(hash, node->names[i]->hash);
	}
	node->hash = hash;
	node->number = v->n_nodes++;
	return node;
}

static CedarCode
node_make(Validator *v, CedarOp op, uint32_t offset, uint32_t length, uint32_t count,
		  Checked **out)
{
	Checked    *node = cedar_arena_zalloc(v->arena, sizeof(Checked));

	*out = NULL;
	if (node == NULL)
		return cedar_nomem(v->err);
	node->op = op;
	node->offset = offset;
	node->length = length;
	node->count = count;
	if (count > 0)
	{
		node->list = cedar_arena_alloc(v->arena, (size_t) count * sizeof(Checked *));
		if (node->list == NULL)
			return cedar_nomem(v->err);
	}
	*out = node;
	return CEDAR_OK;
}

static CedarCode
node_not(Validator *v, Checked *a, uint32_t offset, uint32_t length, Checked **out)
{
	TRY(node_make(v, CEDAR_OP_NOT, offset, length, 0, out));
	(*out)->a = a;
	node_done(v, *out);
	return CEDAR_OK;
}

static CedarCode
uid_type_name(Validator *v, const CedarUid *uid, const CedarStr **name)
{
	*name = cedar_str_make(v->arena, uid->bytes, uid->type_len);
	return *name == NULL ? cedar_nomem(v->err) : CEDAR_OK;
}

/* A literal uid; its type stays NULL when the schema lacks it. */
static CedarCode
node_uid(Validator *v, const CedarUid *uid, uint32_t offset, uint32_t length, Checked **out)
{
	const CedarStr *name;
	CedarType  *type;

	TRY(node_make(v, CEDAR_OP_LIT, offset, length, 0, out));
	(*out)->lit = cedar_value_uid(uid);
	TRY(uid_type_name(v, uid, &name));
	if (cedar_uid_is_action(uid) ? cedar_schema_action(v->schema, uid) != NULL :
		cedar_schema_entity(v->schema, name) != NULL)
	{
		type = cedar_arena_alloc(v->arena, sizeof(CedarType));
		if (type == NULL)
			return cedar_nomem(v->err);
		*type = (CedarType) {.kind = CEDAR_TYPE_ENTITY, .name = name};
		(*out)->type = type;
	}
	node_done(v, *out);
	return CEDAR_OK;
}

/* `e has a.b.c`: e has a && e.a has b && e.a.b has c. */
static CedarCode
node_has(Validator *v, Checked *of, const CedarExpr *e, Checked **out)
{
	Checked    *all = NULL;

	if (e->count > 1)
	{
		TRY(node_make(v, CEDAR_OP_AND, e->offset, e->length, e->count, &all));
		all->n = CHECKED_HAS;
	}
	for (uint32_t i = 0; i < e->count; i++)
	{
		Checked    *has;

		TRY(node_make(v, CEDAR_OP_HAS_ATTR, e->offset, e->length, 0, &has));
		has->a = of;
		has->names = &e->names[i];
		node_done(v, has);
		*out = has;
		if (all == NULL)
			return CEDAR_OK;
		all->list[i] = has;
		if (i + 1 < e->count)
		{
			Checked    *get;

			TRY(node_make(v, CEDAR_OP_GET_ATTR, e->offset, e->length, 0, &get));
			get->a = of;
			get->names = &e->names[i];
			of = node_done(v, get);
		}
	}
	*out = node_done(v, all);
	return CEDAR_OK;
}

static CedarCode
node_copy(Validator *v, const CedarExpr *e, Checked **out)
{
	Checked    *node;
	Checked    *a = NULL;
	CedarOp		op = (CedarOp) e->op;
	bool		negated = false;
	bool		has_list = e->list != NULL &&
		(op == CEDAR_OP_AND || op == CEDAR_OP_OR || op == CEDAR_OP_SET ||
		 op == CEDAR_OP_RECORD || op == CEDAR_OP_CALL);
	uint32_t	count = has_list ? e->count : 0;

	if (cedar_arena_stack_is_too_deep(v->arena))
		return cedar_stack(v->err);
	cedar_arena_check_interrupt(v->arena);
	if (op == CEDAR_OP_LIT && e->lit.kind == CEDAR_ENTITY)
		return node_uid(v, e->lit.u.uid, e->offset, e->length, out);
	if (e->a != NULL)
		TRY(node_copy(v, e->a, &a));
	if (op == CEDAR_OP_HAS_ATTR)
		return node_has(v, a, e, out);
	if (op == CEDAR_OP_IS && e->b != NULL)
	{
		Checked    *is;
		Checked    *in;

		TRY(node_make(v, CEDAR_OP_IS, e->offset, e->length, 0, &is));
		is->a = a;
		is->names = e->names;
		TRY(node_make(v, CEDAR_OP_IN, e->offset, e->length, 0, &in));
		in->a = a;
		TRY(node_copy(v, e->b, &in->b));
		TRY(node_make(v, CEDAR_OP_AND, e->offset, e->length, 2, &node));
		node->list[0] = node_done(v, is);
		node->list[1] = node_done(v, in);
		*out = node_done(v, node);
		return CEDAR_OK;
	}
	if (op == CEDAR_OP_NE || op == CEDAR_OP_GT || op == CEDAR_OP_GE)
	{
		op = op == CEDAR_OP_NE ? CEDAR_OP_EQ : op == CEDAR_OP_GT ? CEDAR_OP_LE : CEDAR_OP_LT;
		negated = true;
	}
	TRY(node_make(v, op, e->offset, e->length, count, &node));
	node->n = e->n;
	node->lit = e->lit;
	node->names = e->names;
	node->a = a;
	if (e->b != NULL)
		TRY(node_copy(v, e->b, &node->b));
	if (e->c != NULL)
		TRY(node_copy(v, e->c, &node->c));
	for (uint32_t i = 0; i < count; i++)
		TRY(node_copy(v, e->list[i], &node->list[i]));
	/* an empty record keeps no names to look at */
	if (op == CEDAR_OP_RECORD && count == 0)
		node->names = NULL;
	*out = node_done(v, node);
	if (negated)
		TRY(node_not(v, *out, e->offset, e->length, out));
	return CEDAR_OK;
}

/* A part of the scope as an expression. */
static CedarCode
node_scope(Validator *v, CedarVar var, const CedarAstScope *scope, Checked **out)
{
	Checked    *vars;
	Checked    *test;
	Checked    *is = NULL;
	uint32_t	offset = scope->offset;
	uint32_t	length = scope->length;

	if (scope->op == CEDAR_SCOPE_ANY)
	{
		TRY(node_make(v, CEDAR_OP_LIT, offset, length, 0, out));
		(*out)->lit = cedar_value_scalar(CEDAR_BOOL, 1);
		node_done(v, *out);
		return CEDAR_OK;
	}
	TRY(node_make(v, CEDAR_OP_VAR, offset, length, 0, &vars));
	vars->n = var;
	node_done(v, vars);
	if (scope->op == CEDAR_SCOPE_IS || scope->op == CEDAR_SCOPE_IS_IN)
	{
		TRY(node_make(v, CEDAR_OP_IS, offset, length, 0, &is));
		is->a = vars;
		is->names = cedar_arena_alloc(v->arena, sizeof(CedarStr *));
		if (is->names == NULL)
			return cedar_nomem(v->err);
		is->names[0] = scope->type;
		*out = node_done(v, is);
		if (scope->op == CEDAR_SCOPE_IS)
			return CEDAR_OK;
	}
	TRY(node_make(v, scope->op == CEDAR_SCOPE_EQ ? CEDAR_OP_EQ : CEDAR_OP_IN,
				  offset, length, 0, &test));
	test->a = vars;
	if (scope->slot)
	{
		TRY(node_make(v, CEDAR_OP_SLOT, offset, length, 0, &test->b));
		test->b->n = var;
		node_done(v, test->b);
	}
	else if (scope->op == CEDAR_SCOPE_EQ || (var != CEDAR_VAR_ACTION && scope->n == 1))
		TRY(node_uid(v, scope->uids[0], offset, length, &test->b));
	else
	{
		TRY(node_make(v, CEDAR_OP_SET, offset, length, scope->n, &test->b));
		for (uint32_t i = 0; i < scope->n; i++)
			TRY(node_uid(v, scope->uids[i], offset, length, &test->b->list[i]));
		node_done(v, test->b);
	}
	*out = node_done(v, test);
	if (is != NULL)
	{
		Checked    *both;

		TRY(node_make(v, CEDAR_OP_AND, offset, length, 2, &both));
		both->list[0] = is;
		both->list[1] = test;
		*out = node_done(v, both);
	}
	return CEDAR_OK;
}

/* The whole policy as a condition. */
static CedarCode
node_policy(Validator *v, const CedarAstPolicy *policy, Checked **out)
{
	Checked    *all;

	v->n_nodes = 0;
	TRY(node_make(v, CEDAR_OP_AND, (uint32_t) policy->offset, (uint32_t) policy->length,
				  3 + policy->n_conds, &all));
	all->n = CHECKED_RIGHT;
	for (int i = 0; i < 3; i++)
		TRY(node_scope(v, (CedarVar) i, &policy->scope[i], &all->list[i]));
	for (uint32_t i = 0; i < policy->n_conds; i++)
	{
		const CedarExpr *e = policy->conds[i].expr;

		TRY(node_copy(v, e, &all->list[3 + i]));
		if (policy->conds[i].is_unless)
			TRY(node_not(v, all->list[3 + i], e->offset, e->length, &all->list[3 + i]));
	}
	*out = node_done(v, all);
	return CEDAR_OK;
}

/* ------------------------------------------------------------------ names */

static void
check_type_name(Validator *v, const CedarStr *name, uint32_t offset, uint32_t length)
{
	CedarFinding *finding;
	CedarGuess	guess;
	size_t		base = name->len;

	while (base > 0 && name->bytes[base - 1] != ':')
		base--;
	if (cedar_schema_entity(v->schema, name) != NULL ||
		(name->len - base == 6 && memcmp(name->bytes + base, "Action", 6) == 0))
		return;
	finding = cedar_found(&v->findings, CEDAR_FOUND_ENTITY_TYPE, offset, length,
						  "there is no entity type \"%.*s\"",
						  CEDAR_EXCERPT(name->bytes, name->len));
	if (finding == NULL)
		return;
	cedar_guess_start(&guess, name->bytes, name->len);
	for (uint32_t i = 0; i < v->schema->n_entities; i++)
		cedar_guess_try(&guess, v->schema->entities[i].name->bytes,
						v->schema->entities[i].name->len);
	if (guess.best != NULL)
		cedar_found_hint(finding, "Did you mean \"%.*s\"?",
						 CEDAR_EXCERPT(guess.best, guess.best_len));
}

static void
check_action(Validator *v, const CedarUid *uid, uint32_t offset, uint32_t length)
{
	CedarFinding *finding;
	CedarGuess	guess;

	if (cedar_schema_action(v->schema, uid) != NULL)
		return;
	finding = cedar_found(&v->findings, CEDAR_FOUND_ACTION, offset, length,
						  "there is no action %.*s::\"%.*s\"",
						  CEDAR_EXCERPT(uid->bytes, uid->type_len),
						  CEDAR_EXCERPT(uid->bytes + uid->type_len, uid->id_len));
	if (finding == NULL)
		return;
	cedar_guess_start(&guess, uid->bytes + uid->type_len, uid->id_len);
	for (uint32_t i = 0; i < v->schema->n_actions; i++)
	{
		const CedarUid *other = v->schema->actions[i].uid;

		/* the same id in another namespace is as close as can be */
		if (other->id_len == uid->id_len &&
			memcmp(other->bytes + other->type_len, uid->bytes + uid->type_len, uid->id_len) == 0)
		{
			cedar_found_hint(finding, "Did you mean %.*s::\"%.*s\"?",
							 CEDAR_EXCERPT(other->bytes, other->type_len),
							 CEDAR_EXCERPT(other->bytes + other->type_len, other->id_len));
			return;
		}
		cedar_guess_try(&guess, other->bytes + other->type_len, other->id_len);
	}
	if (guess.best != NULL)
		cedar_found_hint(finding, "Did you mean \"%.*s\"?",
						 CEDAR_EXCERPT(guess.best, guess.best_len));
}

/* A uid in a policy: its type, and an action's or enumeration's id, must exist. */
static CedarCode
check_uid(Validator *v, const CedarUid *uid, uint32_t offset, uint32_t length)
{
	const CedarStr *name;
	const CedarEntityType *type;

	TRY(uid_type_name(v, uid, &name));
	check_type_name(v, name, offset, length);
	if (cedar_uid_is_action(uid))
	{
		check_action(v, uid, offset, length);
		return CEDAR_OK;
	}
	type = cedar_schema_entity(v->schema, name);
	if (type != NULL && type->is_enum)
	{
		CedarFinding *finding;

		for (uint32_t i = 0; i < type->n_ids; i++)
		{
			if (type->ids[i]->len == uid->id_len &&
				memcmp(type->ids[i]->bytes, uid->bytes + uid->type_len, uid->id_len) == 0)
				return CEDAR_OK;
		}
		finding = cedar_found(&v->findings, CEDAR_FOUND_ENUM, offset, length,
							  "the enumeration %.*s has no \"%.*s\"",
							  CEDAR_EXCERPT(name->bytes, name->len),
							  CEDAR_EXCERPT(uid->bytes + uid->type_len, uid->id_len));
		if (finding != NULL && type->n_ids > 0)
			cedar_found_hint(finding, "It has, for instance, \"%.*s\".",
							 CEDAR_EXCERPT(type->ids[0]->bytes, type->ids[0]->len));
	}
	return CEDAR_OK;
}

/*
 * Bidirectional control characters make a text look like another.  Patterns
 * are left out, as the reference leaves them.
 */
static void
check_text(Validator *v, const char *p, size_t len, uint32_t offset, uint32_t length)
{
	const char *end = p + len;

	for (; end - p >= 3; p++)
	{
		/* U+202A to U+202E and U+2066 to U+2069, LRM and RLM left out */
		const unsigned char *u = (const unsigned char *) p;

		if (u[0] == 0xE2 && ((u[1] == 0x80 && u[2] >= 0xAA && u[2] <= 0xAE) ||
							 (u[1] == 0x81 && u[2] >= 0xA6 && u[2] <= 0xA9)))
		{
			cedar_found(&v->findings, CEDAR_FOUND_BIDI, offset, length,
						"the text holds bidirectional control characters");
			return;
		}
	}
}

static CedarCode
check_uid_and_text(Validator *v, const CedarUid *uid, uint32_t offset, uint32_t length)
{
	check_text(v, uid->bytes + uid->type_len, uid->id_len, offset, length);
	return check_uid(v, uid, offset, length);
}

static CedarCode
check_names(Validator *v, const CedarExpr *e)
{
	if (cedar_arena_stack_is_too_deep(v->arena))
		return cedar_stack(v->err);
	cedar_arena_check_interrupt(v->arena);
	if (e->op == CEDAR_OP_LIT && e->lit.kind == CEDAR_ENTITY)
		TRY(check_uid_and_text(v, e->lit.u.uid, e->offset, e->length));
	else if (e->op == CEDAR_OP_LIT && e->lit.kind == CEDAR_STRING)
		check_text(v, e->lit.u.str->bytes, e->lit.u.str->len, e->offset, e->length);
	else if (e->op == CEDAR_OP_GET_ATTR)
		check_text(v, e->names[0]->bytes, e->names[0]->len, e->offset, e->length);
	else if (e->op == CEDAR_OP_HAS_ATTR || e->op == CEDAR_OP_RECORD)
	{
		for (uint32_t i = 0; i < e->count; i++)
			check_text(v, e->names[i]->bytes, e->names[i]->len, e->offset, e->length);
	}
	else if (e->op == CEDAR_OP_IS)
		check_type_name(v, e->names[0], e->offset, e->length);
	if (e->a != NULL)
		TRY(check_names(v, e->a));
	if (e->b != NULL)
		TRY(check_names(v, e->b));
	if (e->c != NULL)
		TRY(check_names(v, e->c));
	for (uint32_t i = 0; e->list != NULL && i < e->count; i++)
		TRY(check_names(v, e->list[i]));
	return CEDAR_OK;
}

/* ------------------------------------------------------------ application */

/* Does an action satisfy the scope's test of the action? */
static bool
scope_has_action(Validator *v, const CedarAstScope *scope, const CedarActionType *action)
{
	if (scope->op == CEDAR_SCOPE_ANY)
		return true;
	if (scope->op == CEDAR_SCOPE_EQ)
		return cedar_uid_equal(scope->uids[0], action->uid);
	/* one unknown action and the test is taken to hold for none */
	for (uint32_t i = 0; i < scope->n; i++)
	{
		if (cedar_schema_action(v->schema, scope->uids[i]) == NULL)
			return false;
	}
	for (uint32_t i = 0; i < scope->n; i++)
	{
		if (cedar_uid_equal(scope->uids[i], action->uid) ||
			cedar_schema_action_in(action, scope->uids[i]))
			return true;
	}
	return false;
}

/*
 * May an entity of the type satisfy the scope's test?  value is the slot's, or
 * NULL for a slot that has none.
 */
static CedarCode
scope_has_type(Validator *v, const CedarAstScope *scope, const CedarUid *value,
			   const CedarStr *type, bool *result)
{
	const CedarUid *uid = scope->slot ? value : scope->n > 0 ? scope->uids[0] : NULL;
	const CedarStr *of;
	const CedarEntityType *entity = cedar_schema_entity(v->schema, type);
	bool		in = false;

	if (uid != NULL)
	{
		TRY(uid_type_name(v, uid, &of));
		in = cedar_str_equal(type, of) ||
			(entity != NULL && cedar_schema_type_in(entity, of));
	}
	switch ((CedarScopeOp) scope->op)
	{
		case CEDAR_SCOPE_ANY:
			*result = entity != NULL;
			break;
		case CEDAR_SCOPE_EQ:
			*result = uid == NULL ? entity != NULL : cedar_uid_has_type(uid, type);
			break;
		case CEDAR_SCOPE_IN:
			*result = uid == NULL ? entity != NULL : in;
			break;
		case CEDAR_SCOPE_IS:
			*result = cedar_str_equal(scope->type, type) && entity != NULL;
			break;
		case CEDAR_SCOPE_IS_IN:
			*result = cedar_str_equal(scope->type, type) && (uid == NULL ? entity != NULL : in);
			break;
	}
	return CEDAR_OK;
}

/* Is there an action that the scope allows, for types that the scope allows? */
static CedarCode
check_application(Validator *v, const CedarAstPolicy *policy,
				  const CedarUid *principal, const CedarUid *resource)
{
	CedarFinding *finding;

	for (uint32_t i = 0; i < v->schema->n_actions; i++)
	{
		const CedarActionType *action = &v->schema->actions[i];
		bool		fits = false;

		cedar_arena_check_interrupt(v->arena);
		if (!scope_has_action(v, &policy->scope[CEDAR_VAR_ACTION], action))
			continue;
		for (uint32_t k = 0; k < action->n_principals && !fits; k++)
			TRY(scope_has_type(v, &policy->scope[CEDAR_VAR_PRINCIPAL], principal,
							   action->principals[k], &fits));
		if (!fits)
			continue;
		fits = false;
		for (uint32_t k = 0; k < action->n_resources && !fits; k++)
			TRY(scope_has_type(v, &policy->scope[CEDAR_VAR_RESOURCE], resource,
							   action->resources[k], &fits));
		if (fits)
			return CEDAR_OK;
	}
	finding = cedar_found(&v->findings, CEDAR_FOUND_APPLICATION, policy->offset, policy->length,
						  "no action applies to this scope");
	if (finding != NULL)
		cedar_found_hint(finding, "Compare the scope with the appliesTo of the schema's actions.");
	return CEDAR_OK;
}

/* ----------------------------------------------------------- environments */

typedef struct Policy
{
	const Checked *condition;
	const CedarType **types;
	bool		never;			/* false in all environments so far */
} Policy;

static CedarCode
check_environment(Validator *v, Policy *policy, const RequestEnv *env)
{
	TypeCheck	t = {v->arena, v->schema, env, &v->findings, policy->types, v->err};
	TypeOutcome outcome;

	for (;;)
	{
		CedarMark	mark = cedar_arena_mark(v->arena);
		CedarCode	code;

		cedar_arena_check_interrupt(v->arena);
		memset(policy->types, 0, v->n_nodes * sizeof(CedarType *));
		code = cedar_typecheck(&t, policy->condition, &outcome);
		if (code == CEDAR_OK && outcome != TYPE_FAILED && v->level != CEDAR_NO_LEVEL)
			code = cedar_level_check(&t, policy->condition, v->level);
		cedar_arena_release(v->arena, mark);
		TRY(code);
		if (!v->findings.full)
			break;
		TRY(findings_grow(v->arena, &v->findings, v->err));
	}
	if (outcome != TYPE_NEVER)
		policy->never = false;
	return CEDAR_OK;
}

/* Can the slot have a value of this type, with the variable of that type? */
static bool
slot_may_be(const CedarAstScope *scope, const CedarStr *var, const CedarEntityType *type,
			const CedarSchema *schema)
{
	const CedarEntityType *entity;

	if (cedar_str_equal(type->name, var))
		return true;
	if (scope->op == CEDAR_SCOPE_EQ)
		return false;
	entity = cedar_schema_entity(schema, var);
	return entity != NULL && cedar_schema_type_in(entity, type->name);
}

/* All environments of one action and one pair of types: the slots' types. */
static CedarCode
check_slots(Validator *v, const CedarAstPolicy *ast, Policy *policy, RequestEnv *env)
{
	const CedarAstScope *principal = &ast->scope[CEDAR_VAR_PRINCIPAL];
	const CedarAstScope *resource = &ast->scope[CEDAR_VAR_RESOURCE];
	uint32_t	n_p = principal->slot ? v->schema->n_entities : 1;
	uint32_t	n_r = resource->slot ? v->schema->n_entities : 1;

	for (uint32_t i = 0; i < n_p; i++)
	{
		const CedarEntityType *p = &v->schema->entities[i];

		if (principal->slot)
		{
			if (!slot_may_be(principal, env->vars[CEDAR_VAR_PRINCIPAL].name, p, v->schema))
				continue;
			env->slots[CEDAR_VAR_PRINCIPAL].name = p->name;
		}
		for (uint32_t k = 0; k < n_r; k++)
		{
			const CedarEntityType *r = &v->schema->entities[k];

			if (resource->slot)
			{
				if (!slot_may_be(resource, env->vars[CEDAR_VAR_RESOURCE].name, r, v->schema))
					continue;
				env->slots[CEDAR_VAR_RESOURCE].name = r->name;
			}
			TRY(check_environment(v, policy, env));
		}
	}
	return CEDAR_OK;
}

static CedarCode
check_condition(Validator *v, const CedarAstPolicy *ast)
{
	Policy		policy = {.never = true};
	Checked    *condition;

	TRY(node_policy(v, ast, &condition));
	policy.condition = condition;
	policy.types = cedar_arena_alloc(v->arena, v->n_nodes * sizeof(CedarType *));
	if (policy.types == NULL)
		return cedar_nomem(v->err);
	for (uint32_t i = 0; i < v->schema->n_actions; i++)
	{
		const CedarActionType *action = &v->schema->actions[i];
		RequestEnv	env = {.action = action};

		for (int k = 0; k < 3; k++)
			env.vars[k].kind = env.slots[k].kind = CEDAR_TYPE_ENTITY;
		TRY(uid_type_name(v, action->uid, &env.vars[CEDAR_VAR_ACTION].name));
		for (uint32_t p = 0; p < action->n_principals; p++)
		{
			env.vars[CEDAR_VAR_PRINCIPAL].name = action->principals[p];
			for (uint32_t r = 0; r < action->n_resources; r++)
			{
				env.vars[CEDAR_VAR_RESOURCE].name = action->resources[r];
				TRY(check_slots(v, ast, &policy, &env));
			}
		}
	}
	if (policy.never)
	{
		CedarFinding *finding;

		if (v->findings.n == v->findings.cap)
			TRY(findings_grow(v->arena, &v->findings, v->err));
		finding = cedar_found(&v->findings, CEDAR_FOUND_IMPOSSIBLE, ast->offset, ast->length,
							  "the policy is false for every valid request");
		if (finding != NULL)
			cedar_found_hint(finding, "It will never apply; is a test the wrong way round?");
	}
	return CEDAR_OK;
}

/* ------------------------------------------------------------ entry points */

/* The names in a policy, and whether an action applies. */
static CedarCode
check_policy_names(Validator *v, const CedarAstPolicy *policy)
{
	for (int i = 0; i < 3; i++)
	{
		const CedarAstScope *scope = &policy->scope[i];

		if (scope->type != NULL)
			check_type_name(v, scope->type, scope->type_at.offset, scope->type_at.length);
		for (uint32_t k = 0; k < scope->n; k++)
			TRY(check_uid_and_text(v, scope->uids[k], scope->uids_at[k].offset, scope->uids_at[k].length));
	}
	for (uint32_t i = 0; i < policy->n_conds; i++)
		TRY(check_names(v, policy->conds[i].expr));
	return check_application(v, policy, NULL, NULL);
}

CedarCode
cedar_validate(CedarArena *arena, const CedarSchema *schema, const CedarAst *ast,
			   uint32_t first, uint32_t n, uint32_t level,
			   const CedarFinding **findings, uint32_t *n_findings, CedarError *err)
{
	Validator	v = {.arena = arena, .schema = schema, .err = err, .level = level};

	for (uint32_t i = first; i < first + n; i++)
	{
		CedarMark	mark = cedar_arena_mark(arena);
		const CedarFinding *list = v.findings.list;

		v.findings.policy = i;
		TRY(check_policy_names(&v, &ast->policies[i]));
		while (v.findings.full)
		{
			TRY(findings_grow(arena, &v.findings, err));
			TRY(check_policy_names(&v, &ast->policies[i]));
		}
		TRY(check_condition(&v, &ast->policies[i]));
		if (v.findings.list == list)
			cedar_arena_release(arena, mark);
	}
	TRY(findings_sort(arena, &v.findings, err));
	*findings = v.findings.list;
	*n_findings = v.findings.n;
	return CEDAR_OK;
}

CedarCode
cedar_validate_link(CedarArena *arena, const CedarSchema *schema, const CedarAst *ast,
					uint32_t i, const CedarUid *principal, const CedarUid *resource,
					const CedarFinding **findings, uint32_t *n_findings, CedarError *err)
{
	Validator	v = {.arena = arena, .schema = schema, .err = err, .level = CEDAR_NO_LEVEL};
	const CedarAstPolicy *policy = &ast->policies[i];
	const CedarUid *values[3] = {principal, NULL, resource};

	v.findings.policy = i;
	TRY(findings_grow(arena, &v.findings, err));
	for (int k = 0; k < 3; k++)
	{
		const CedarStr *name;

		if (values[k] == NULL)
			continue;
		TRY(uid_type_name(&v, values[k], &name));
		check_type_name(&v, name, policy->scope[k].offset, policy->scope[k].length);
	}
	TRY(check_application(&v, policy, principal, resource));
	TRY(findings_sort(arena, &v.findings, err));
	*findings = v.findings.list;
	*n_findings = v.findings.n;
	return CEDAR_OK;
}
