/*-------------------------------------------------------------------------
 *
 * schema.c
 *	  The entry points of schemas, what their readers and writers share, and
 *	  looking things up in a schema that is made.
 *
 *-------------------------------------------------------------------------
 */
#define CEDAR_SCHEMA_C
#include "schema_internal.h"

/* ----------------------------------------------------------------- orders */

static int
order_bytes(const char *a, size_t an, const char *b, size_t bn)
{
	int			c = memcmp(a, b, an < bn ? an : bn);

	if (c != 0)
		return c < 0 ? -1 : 1;
	return an < bn ? -1 : an > bn;
}

int
cedar_uid_order(const CedarUid *a, const CedarUid *b)
{
	int			c;

	if (a == b)
		return 0;
	c = order_bytes(a->bytes, a->type_len, b->bytes, b->type_len);
	if (c != 0)
		return c;
	return order_bytes(a->bytes + a->type_len, a->id_len, b->bytes + b->type_len, b->id_len);
}

/* Of pointers to structs that begin with their name. */
static int
qsort_decls(const void *a, const void *b)
{
	const CedarStr *const *x;
	const CedarStr *const *y;
	int			c;

	memcpy(&x, a, sizeof(void *));
	memcpy(&y, b, sizeof(void *));
	c = cedar_str_order(*x, *y);
	/* the structs are of one array */
	return c != 0 ? c : x < y ? -1 : x > y;
}

CedarCode
cedar_decl_sort(CedarArena *arena, void *structs, uint32_t n, size_t size, void *list,
				CedarError *err)
{
	char	   *pointers = cedar_arena_alloc(arena, n * sizeof(void *));

	if (pointers == NULL)
		return cedar_nomem(err);
	for (uint32_t i = 0; i < n; i++)
	{
		char	   *p = (char *) structs + (size_t) i * size;

		memcpy(pointers + i * sizeof(p), &p, sizeof(p));
	}
	cedar_sort(arena, pointers, n, sizeof(void *), qsort_decls);
	memcpy(list, &pointers, sizeof(pointers));
	return CEDAR_OK;
}

/* ------------------------------------------------------------------ names */

static bool
is_ident_char(char c, bool first)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' ||
		(!first && c >= '0' && c <= '9');
}

static bool
is_cedar(const char *s, size_t len)
{
	return len == 7 && memcmp(s, "__cedar", 7) == 0;
}

bool
cedar_is_word(const char *s, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (!is_ident_char(s[i], i == 0))
			return false;
	return len > 0;
}

bool
cedar_is_internal_ident(const char *s, size_t len)
{
	return cedar_is_word(s, len) && (is_cedar(s, len) || cedar_is_name(s, len));
}

bool
cedar_is_internal_name(const char *s, size_t len)
{
	size_t		start = 0;

	for (size_t i = 0;; i++)
	{
		if (i < len && s[i] != ':')
			continue;
		if (!cedar_is_internal_ident(s + start, i - start))
			return false;
		if (i == len)
			return true;
		if (i + 1 >= len || s[i + 1] != ':')
			return false;
		i++;
		start = i + 1;
	}
}

bool
cedar_name_is_internal(const CedarStr *name)
{
	size_t		start = 0;

	for (size_t i = 0; i <= name->len; i++)
	{
		if (i < name->len && name->bytes[i] != ':')
			continue;
		if (is_cedar(name->bytes + start, i - start))
			return true;
		start = i + 1;
	}
	return false;
}

bool
cedar_is_type_keyword(const CedarStr *name)
{
	static const char *const words[] = {
		"Bool", "Boolean", "Entity", "Extension", "Long", "Record", "Set", "String"
	};

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (strlen(words[i]) == name->len && memcmp(words[i], name->bytes, name->len) == 0)
			return true;
	return false;
}

/* ------------------------------------------------------------ did you mean */

#define GUESS_MAX 48			/* longer names are not compared */

static char
fold_case(char c)
{
	return c >= 'A' && c <= 'Z' ? (char) (c + 'a' - 'A') : c;
}

/*
 * How many letters to change, add, leave out or swap with the next, doubled:
 * a change of case alone counts half.
 */
static unsigned
edit_distance(const char *a, size_t an, const char *b, size_t bn)
{
	unsigned	rows[3][GUESS_MAX + 1];

	for (size_t j = 0; j <= bn; j++)
		rows[0][j] = (unsigned) j * 2;
	for (size_t i = 1; i <= an; i++)
	{
		unsigned   *row = rows[i % 3];
		const unsigned *above = rows[(i - 1) % 3];
		const unsigned *above2 = rows[(i + 1) % 3];

		row[0] = (unsigned) i * 2;
		for (size_t j = 1; j <= bn; j++)
		{
			unsigned	best = above[j - 1] + (a[i - 1] == b[j - 1] ? 0 :
											   fold_case(a[i - 1]) == fold_case(b[j - 1]) ? 1 : 2);

			if (above[j] + 2 < best)
				best = above[j] + 2;
			if (row[j - 1] + 2 < best)
				best = row[j - 1] + 2;
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] &&
				above2[j - 2] + 2 < best)
				best = above2[j - 2] + 2;
			row[j] = best;
		}
	}
	return rows[an % 3][bn];
}

void
cedar_guess_start(CedarGuess *guess, const char *word, size_t len)
{
	guess->word = word;
	guess->len = len;
	guess->best = NULL;
	guess->best_len = 0;
	/* one edit in a short word, two in a longer one, three in a long one */
	guess->distance = len < 3 ? 2 : len < 6 ? 3 : len < 12 ? 5 : 7;
}

void
cedar_guess_try(CedarGuess *guess, const char *candidate, size_t len)
{
	size_t		diff = len > guess->len ? len - guess->len : guess->len - len;
	unsigned	d;

	if (len > GUESS_MAX || guess->len > GUESS_MAX || diff * 2 >= guess->distance)
		return;
	d = edit_distance(guess->word, guess->len, candidate, len);
	if (d > 0 && d < guess->distance)
	{
		guess->distance = d;
		guess->best = candidate;
		guess->best_len = len;
	}
}

CedarCode
cedar_guess_hint(const CedarGuess *guess, CedarError *err)
{
	if (guess->best == NULL)
		return err->code;
	return cedar_hint(err, "Did you mean \"%.*s\"?", CEDAR_EXCERPT(guess->best, guess->best_len));
}

/* ------------------------------------------------------------ entry points */

static bool
looks_like_json(const char *text, size_t len)
{
	size_t		i = 0;

	while (i < len && (text[i] == ' ' || (text[i] >= '\t' && text[i] <= '\r')))
		i++;
	return i < len && text[i] == '{';
}

static CedarCode
read_any(CedarArena *arena, const char *text, size_t len, CedarSchemaFormat format,
		 const DeclSchema **decl, CedarError *err)
{
	size_t		bad;

	if (len > CEDAR_MAX_SCHEMA_BYTES)
		return cedar_fail(err, CEDAR_ERR_LIMIT, "a schema has at most %d bytes, this one has %zu",
						  CEDAR_MAX_SCHEMA_BYTES, len);
	bad = cedar_utf8_invalid_at(text, len);
	if (bad < len)
		return cedar_fail_at(err, CEDAR_ERR_ENCODING, bad, 1, "schema is not UTF-8");
	if (format == CEDAR_SCHEMA_AUTO)
		format = looks_like_json(text, len) ? CEDAR_SCHEMA_JSON : CEDAR_SCHEMA_CEDAR;
	return format == CEDAR_SCHEMA_JSON ? cedar_schema_read_json(arena, text, len, decl, err) :
		cedar_schema_read_text(arena, text, len, decl, err);
}

CedarCode
cedar_schema_parse(CedarArena *arena, const char *text, size_t len, CedarSchemaFormat format,
				   const CedarSchema **schema, CedarError *err)
{
	const DeclSchema *decl;

	TRY(read_any(arena, text, len, format, &decl, err));
	return cedar_schema_resolve(arena, decl, schema, err);
}

/* Is it a schema at all?  Leaves nothing in the arena. */
static CedarCode
check(CedarArena *arena, const DeclSchema *decl, CedarError *err)
{
	CedarMark	mark = cedar_arena_mark(arena);
	const CedarSchema *schema;

	TRY(cedar_schema_resolve(arena, decl, &schema, err));
	cedar_arena_release(arena, mark);
	return CEDAR_OK;
}

CedarCode
cedar_schema_to_json(CedarArena *arena, const char *text, size_t len, CedarSchemaFormat format,
					 const char **json, size_t *json_len, CedarError *err)
{
	const DeclSchema *decl;

	TRY(read_any(arena, text, len, format, &decl, err));
	TRY(check(arena, decl, err));
	return cedar_schema_write_json(arena, decl, json, json_len, err);
}

CedarCode
cedar_schema_to_text(CedarArena *arena, const char *text, size_t len, CedarSchemaFormat format,
					 const char **out, size_t *out_len, CedarError *err)
{
	const DeclSchema *decl;

	TRY(read_any(arena, text, len, format, &decl, err));
	TRY(check(arena, decl, err));
	return cedar_schema_write_text(arena, decl, out, out_len, err);
}

/* --------------------------------------------------------------- looking up */

const CedarAttrType *
cedar_type_attr(const CedarType *record, const CedarStr *name)
{
	uint32_t	lo = 0;
	uint32_t	hi = record->n_attrs;

	while (lo < hi)
	{
		uint32_t	mid = lo + (hi - lo) / 2;
		int			c = cedar_str_order(record->attrs[mid].name, name);

		if (c == 0)
			return &record->attrs[mid];
		if (c < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	return NULL;
}

const CedarEntityType *
cedar_schema_entity(const CedarSchema *schema, const CedarStr *name)
{
	uint32_t	lo = 0;
	uint32_t	hi = schema->n_entities;

	while (lo < hi)
	{
		uint32_t	mid = lo + (hi - lo) / 2;
		int			c = cedar_str_order(schema->entities[mid].name, name);

		if (c == 0)
			return &schema->entities[mid];
		if (c < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	return NULL;
}

const CedarEntityType *
cedar_schema_entity_of(const CedarSchema *schema, const CedarUid *uid)
{
	uint32_t	lo = 0;
	uint32_t	hi = schema->n_entities;

	while (lo < hi)
	{
		uint32_t	mid = lo + (hi - lo) / 2;
		const CedarStr *name = schema->entities[mid].name;
		int			c = order_bytes(name->bytes, name->len, uid->bytes, uid->type_len);

		if (c == 0)
			return &schema->entities[mid];
		if (c < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	return NULL;
}

bool
cedar_schema_has_id(const CedarEntityType *type, const CedarUid *uid)
{
	uint32_t	lo = 0;
	uint32_t	hi = type->n_ids;

	while (lo < hi)
	{
		uint32_t	mid = lo + (hi - lo) / 2;
		const CedarStr *id = type->ids[mid];
		int			c = order_bytes(id->bytes, id->len, uid->bytes + uid->type_len, uid->id_len);

		if (c == 0)
			return true;
		if (c < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	return false;
}

const CedarActionType *
cedar_schema_action(const CedarSchema *schema, const CedarUid *uid)
{
	uint32_t	lo = 0;
	uint32_t	hi = schema->n_actions;

	while (lo < hi)
	{
		uint32_t	mid = lo + (hi - lo) / 2;
		int			c = cedar_uid_order(schema->actions[mid].uid, uid);

		if (c == 0)
			return &schema->actions[mid];
		if (c < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	return NULL;
}

bool
cedar_schema_type_in(const CedarEntityType *type, const CedarStr *other)
{
	uint32_t	lo = 0;
	uint32_t	hi = type->n_ancestors;

	while (lo < hi)
	{
		uint32_t	mid = lo + (hi - lo) / 2;
		int			c = cedar_str_order(type->ancestors[mid], other);

		if (c == 0)
			return true;
		if (c < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	return false;
}

bool
cedar_schema_action_in(const CedarActionType *action, const CedarUid *group)
{
	uint32_t	lo = 0;
	uint32_t	hi = action->n_ancestors;

	while (lo < hi)
	{
		uint32_t	mid = lo + (hi - lo) / 2;
		int			c = cedar_uid_order(action->ancestors[mid], group);

		if (c == 0)
			return true;
		if (c < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	return false;
}
