/*-------------------------------------------------------------------------
 *
 * value.c
 *	  Values, entity uids and sets of uids.
 *
 * Stored values refer to each other by the distance from the slot that holds
 * the reference, so that a block of them can be copied, shared between
 * processes or mapped anywhere.  Sets keep their elements, and records their
 * keys, ordered by hash and then by content: equality is one walk over both,
 * membership a binary search.
 *
 *-------------------------------------------------------------------------
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "internal.h"

static const char *const kind_names[CEDAR_KIND_COUNT] = {
	"bool", "long", "string", "entity", "set", "record",
	"decimal", "ipaddr", "datetime", "duration"
};

const char *
cedar_kind_name(CedarKind kind)
{
	return (unsigned) kind < CEDAR_KIND_COUNT ? kind_names[kind] : "unknown";
}

/* ---------------------------------------------------------------- strings */

void
cedar_str_init(CedarStr *str, const char *s, size_t len)
{
	str->len = (uint32_t) len;
	str->hash = cedar_hash_bytes(s, len, 0);
	if (len > 0)
		memcpy(str->bytes, s, len);
}

const CedarStr *
cedar_str_make(CedarArena *arena, const char *s, size_t len)
{
	CedarStr   *str;

	if (len > UINT32_MAX / 2)
		return NULL;
	str = cedar_arena_alloc(arena, sizeof(CedarStr) + len);
	if (str != NULL)
		cedar_str_init(str, s, len);
	return str;
}

int
cedar_str_order(const CedarStr *a, const CedarStr *b)
{
	int			c = memcmp(a->bytes, b->bytes, a->len < b->len ? a->len : b->len);

	return c != 0 ? c : a->len < b->len ? -1 : a->len > b->len;
}

/* ------------------------------------------------------------------- uids */

size_t
cedar_uid_size(size_t type_len, size_t id_len)
{
	return sizeof(CedarUid) + type_len + id_len;
}

void
cedar_uid_init(CedarUid *uid, const char *type, size_t type_len,
			   const char *id, size_t id_len)
{
	uid->type_hash = cedar_hash_bytes(type, type_len, 0);
	uid->hash = cedar_hash_bytes(id, id_len, uid->type_hash);
	uid->type_len = (uint32_t) type_len;
	uid->id_len = (uint32_t) id_len;
	memcpy(uid->bytes, type, type_len);
	if (id_len > 0)
		memcpy(uid->bytes + type_len, id, id_len);
}

CedarUid *
cedar_uid_build(CedarArena *arena, const char *type, size_t type_len,
				const char *id, size_t id_len)
{
	CedarUid   *u = NULL;

	if (id_len <= UINT32_MAX / 4 && type_len <= UINT32_MAX / 4)
		u = cedar_arena_alloc(arena, cedar_uid_size(type_len, id_len));
	if (u != NULL)
		cedar_uid_init(u, type, type_len, id, id_len);
	return u;
}

CedarCode
cedar_uid_make(CedarArena *arena, const char *type, size_t type_len,
			   const char *id, size_t id_len, const CedarUid **uid,
			   CedarError *err)
{
	CedarUid   *u;

	if (!cedar_is_name(type, type_len))
	{
		cedar_fail(err, CEDAR_ERR_ENTITY, "\"%.*s\" is not an entity type",
				   CEDAR_EXCERPT(type, type_len));
		return cedar_hint(err, "An entity type is one or more identifiers joined by \"::\", none of them a reserved word.");
	}
	if (cedar_utf8_invalid_at(id, id_len) < id_len)
		return cedar_fail(err, CEDAR_ERR_ENCODING, "entity id is not UTF-8");
	if (id_len > UINT32_MAX / 4 || type_len > UINT32_MAX / 4)
		return cedar_fail(err, CEDAR_ERR_LIMIT, "entity uid is too long");
	u = cedar_arena_alloc(arena, cedar_uid_size(type_len, id_len));
	if (u == NULL)
		return cedar_nomem(err);
	cedar_uid_init(u, type, type_len, id, id_len);
	*uid = u;
	return CEDAR_OK;
}

bool
cedar_uid_equal(const CedarUid *a, const CedarUid *b)
{
	return cedar_uid_same(a, b);
}

bool
cedar_uid_is_action(const CedarUid *uid)
{
	size_t		n = uid->type_len;

	return n >= 6 && memcmp(uid->bytes + n - 6, "Action", 6) == 0 &&
		(n == 6 || uid->bytes[n - 7] == ':');
}

int
cedar_escape_char(const char **p, char *buf)
{
	const char *raw = *p;
	uint32_t	cp = cedar_utf8_get(p);
	int			raw_len = (int) (*p - raw);

	switch (cp)
	{
		case '"':
		case '\\':
			buf[0] = '\\';
			buf[1] = (char) cp;
			return 2;
		case '\n':
			memcpy(buf, "\\n", 2);
			return 2;
		case '\r':
			memcpy(buf, "\\r", 2);
			return 2;
		case '\t':
			memcpy(buf, "\\t", 2);
			return 2;
		case 0:
			memcpy(buf, "\\0", 2);
			return 2;
	}
	if (cp < 0x20 || (cp >= 0x7F && cp < 0xA0))
		return sprintf(buf, "\\u{%x}", (unsigned) cp);
	memcpy(buf, raw, raw_len);
	return raw_len;
}

size_t
cedar_uid_print(const CedarUid *uid, char *buf, size_t size)
{
	size_t		n = 0;
	const char *p = uid->bytes + uid->type_len;
	const char *end = p + uid->id_len;

#define PUT(src, len) \
	do { \
		size_t put_ = (len); \
		if (n < size) \
			memcpy(buf + n, (src), put_ < size - n ? put_ : size - n); \
		n += put_; \
	} while (0)

	PUT(uid->bytes, uid->type_len);
	PUT("::\"", 3);
	while (p < end)
	{
		char		esc[CEDAR_ESCAPE_MAX];
		int			len = cedar_escape_char(&p, esc);

		PUT(esc, (size_t) len);
	}
	PUT("\"", 1);
#undef PUT
	return n;
}

/* ----------------------------------------------------------------- values */

CedarValue
cedar_value_scalar(CedarKind kind, int64_t i)
{
	CedarValue	v;

	v.kind = kind;
	v.hash = cedar_hash_value(kind, i);
	v.u.i = i;
	return v;
}

CedarValue
cedar_value_ip(const CedarIp *ip)
{
	CedarValue	v;

	v.kind = CEDAR_IPADDR;
	v.hash = cedar_hash_bytes(ip, sizeof(CedarIp), CEDAR_IPADDR);
	v.u.ip = ip;
	return v;
}

static int
compare_bytes(const char *a, size_t an, const char *b, size_t bn)
{
	int			c;

	/* by length first: cheaper, and any total order will do */
	if (an != bn)
		return an < bn ? -1 : 1;
	c = memcmp(a, b, an);
	return c < 0 ? -1 : c > 0;
}

static int
compare_strs(const CedarStr *a, const CedarStr *b)
{
	if (a->hash != b->hash)
		return a->hash < b->hash ? -1 : 1;
	return compare_bytes(a->bytes, a->len, b->bytes, b->len);
}

/*
 * Recursion is bounded by how deep a value can be: what JSON and expressions
 * may nest.
 */
int
cedar_value_compare(const CedarValue *a, const CedarValue *b)
{
	if (a->kind != b->kind)
		return a->kind < b->kind ? -1 : 1;
	if (a->hash != b->hash)
		return a->hash < b->hash ? -1 : 1;
	switch ((CedarKind) a->kind)
	{
		case CEDAR_BOOL:
		case CEDAR_LONG:
		case CEDAR_DECIMAL:
		case CEDAR_DATETIME:
		case CEDAR_DURATION:
			return a->u.i < b->u.i ? -1 : a->u.i > b->u.i;
		case CEDAR_STRING:
			return compare_strs(a->u.str, b->u.str);
		case CEDAR_ENTITY:
			if (a->u.uid == b->u.uid)
				return 0;
			if (a->u.uid->type_len != b->u.uid->type_len)
				return a->u.uid->type_len < b->u.uid->type_len ? -1 : 1;
			return compare_bytes(a->u.uid->bytes,
								 (size_t) a->u.uid->type_len + a->u.uid->id_len,
								 b->u.uid->bytes,
								 (size_t) b->u.uid->type_len + b->u.uid->id_len);
		case CEDAR_IPADDR:
			{
				int			c = memcmp(a->u.ip, b->u.ip, sizeof(CedarIp));

				return c < 0 ? -1 : c > 0;
			}
		case CEDAR_SET:
			if (a->u.set == b->u.set)
				return 0;
			if (a->u.set->n != b->u.set->n)
				return a->u.set->n < b->u.set->n ? -1 : 1;
			for (uint32_t i = 0; i < a->u.set->n; i++)
			{
				CedarValue	x = cedar_slot_value(&a->u.set->elems[i]);
				CedarValue	y = cedar_slot_value(&b->u.set->elems[i]);
				int			c = cedar_value_compare(&x, &y);

				if (c != 0)
					return c;
			}
			return 0;
		case CEDAR_RECORD:
			if (a->u.rec == b->u.rec)
				return 0;
			if (a->u.rec->n != b->u.rec->n)
				return a->u.rec->n < b->u.rec->n ? -1 : 1;
			for (uint32_t i = 0; i < a->u.rec->n; i++)
			{
				const CedarField *f = &a->u.rec->fields[i];
				const CedarField *g = &b->u.rec->fields[i];
				CedarValue	x = cedar_slot_value(&f->value);
				CedarValue	y = cedar_slot_value(&g->value);
				int			c = compare_strs(cedar_slot_str(&f->key),
											 cedar_slot_str(&g->key));

				if (c == 0)
					c = cedar_value_compare(&x, &y);
				if (c != 0)
					return c;
			}
			return 0;
	}
	return 0;
}

bool
cedar_value_equal(const CedarValue *a, const CedarValue *b)
{
	return cedar_value_compare(a, b) == 0;
}

uint64_t
cedar_value_cost(const CedarValue *v)
{
	uint64_t	cost = 1;

	switch ((CedarKind) v->kind)
	{
		case CEDAR_STRING:
			return cost + v->u.str->len / CEDAR_BYTES_PER_STEP;
		case CEDAR_ENTITY:
			return cost + ((uint64_t) v->u.uid->type_len + v->u.uid->id_len) / CEDAR_BYTES_PER_STEP;
		case CEDAR_SET:
			for (uint32_t i = 0; i < v->u.set->n; i++)
			{
				CedarValue	e = cedar_slot_value(&v->u.set->elems[i]);

				cost += cedar_value_cost(&e);
			}
			return cost;
		case CEDAR_RECORD:
			for (uint32_t i = 0; i < v->u.rec->n; i++)
			{
				CedarValue	k = cedar_slot_value(&v->u.rec->fields[i].key);
				CedarValue	e = cedar_slot_value(&v->u.rec->fields[i].value);

				cost += cedar_value_cost(&k) + cedar_value_cost(&e);
			}
			return cost;
		default:
			return cost;
	}
}

/* ---------------------------------------------------------- sets, records */

static int
qsort_values(const void *a, const void *b)
{
	return cedar_value_compare(a, b);
}

static int
qsort_pairs(const void *a, const void *b)
{
	return compare_strs(((const CedarPair *) a)->key, ((const CedarPair *) b)->key);
}

/*
 * libc's qsort may call malloc for large arrays; a heap sort never does.  One
 * comparison can be as long as the values are large, so interrupts are looked
 * for at every element.
 */
void
cedar_sort(const CedarArena *arena, void *base, uint32_t n, size_t width,
		   int (*cmp) (const void *, const void *))
{
	char	   *a = base;
	_Alignas(8) char tmp[sizeof(CedarPair)];

#define AT(i) (a + (size_t) (i) * width)
	if (n <= 16)
	{
		for (uint32_t i = 1; i < n; i++)
		{
			uint32_t	j = i;

			cedar_arena_check_interrupt(arena);
			memcpy(tmp, AT(i), width);
			for (; j > 0 && cmp(AT(j - 1), tmp) > 0; j--)
				memcpy(AT(j), AT(j - 1), width);
			memcpy(AT(j), tmp, width);
		}
		return;
	}
	for (uint32_t start = n / 2, end = n;;)
	{
		uint32_t	root;

		cedar_arena_check_interrupt(arena);
		if (start > 0)
			start--;
		else
		{
			if (--end == 0)
				break;
			memcpy(tmp, AT(end), width);
			memcpy(AT(end), AT(0), width);
			memcpy(AT(0), tmp, width);
		}
		root = start;
		for (;;)
		{
			uint32_t	child = 2 * root + 1;

			if (child >= end)
				break;
			if (child + 1 < end && cmp(AT(child), AT(child + 1)) < 0)
				child++;
			if (cmp(AT(root), AT(child)) >= 0)
				break;
			memcpy(tmp, AT(root), width);
			memcpy(AT(root), AT(child), width);
			memcpy(AT(child), tmp, width);
			root = child;
		}
	}
#undef AT
}

CEDAR_STATIC_ASSERT(sizeof(CedarPair) >= sizeof(CedarValue), "sort's buffer holds both");

static void
set_finish(CedarSet *set)
{
	uint32_t	h = cedar_hash_mix(CEDAR_SET, set->n);

	for (uint32_t i = 0; i < set->n; i++)
		h = cedar_hash_mix(h, cedar_hash_mix(set->elems[i].kind, set->elems[i].hash));
	set->hash = h;
}

const CedarSet *
cedar_set_make(CedarArena *arena, CedarValue *values, uint32_t n)
{
	CedarSet   *set = cedar_arena_alloc(arena, sizeof(CedarSet) + (size_t) n * sizeof(CedarSlot));
	uint32_t	m = 0;

	if (set == NULL)
		return NULL;
	cedar_sort(arena, values, n, sizeof(CedarValue), qsort_values);
	for (uint32_t i = 0; i < n; i++)
	{
		cedar_arena_check_interrupt(arena);
		if (i > 0 && cedar_value_compare(&values[i - 1], &values[i]) == 0)
			continue;
		cedar_slot_set(&set->elems[m++], &values[i]);
	}
	set->n = m;
	set_finish(set);
	return set;
}

static void
record_finish(CedarRecord *rec)
{
	uint32_t	h = cedar_hash_mix(CEDAR_RECORD, rec->n);

	for (uint32_t i = 0; i < rec->n; i++)
	{
		h = cedar_hash_mix(h, rec->fields[i].key.hash);
		h = cedar_hash_mix(h, cedar_hash_mix(rec->fields[i].value.kind,
											 rec->fields[i].value.hash));
	}
	rec->hash = h;
}

const CedarRecord *
cedar_record_make(CedarArena *arena, CedarPair *pairs, uint32_t n,
				  const CedarStr **duplicate)
{
	CedarRecord *rec;

	if (duplicate != NULL)
		*duplicate = NULL;
	cedar_sort(arena, pairs, n, sizeof(CedarPair), qsort_pairs);
	for (uint32_t i = 1; i < n; i++)
	{
		cedar_arena_check_interrupt(arena);
		if (cedar_str_equal(pairs[i - 1].key, pairs[i].key))
		{
			if (duplicate != NULL)
				*duplicate = pairs[i].key;
			return NULL;
		}
	}
	rec = cedar_arena_alloc(arena, sizeof(CedarRecord) + (size_t) n * sizeof(CedarField));
	if (rec == NULL)
		return NULL;
	rec->n = n;
	for (uint32_t i = 0; i < n; i++)
	{
		CedarValue	key = cedar_value_str(pairs[i].key);

		cedar_slot_set(&rec->fields[i].key, &key);
		cedar_slot_set(&rec->fields[i].value, &pairs[i].value);
	}
	record_finish(rec);
	return rec;
}

/* Linear in n: a hash table beyond a few keys. */
CedarCode
cedar_find_duplicate(CedarArena *arena, const void *keys, uint32_t n, size_t size,
					 uint32_t *which, CedarError *err)
{
	uint32_t	cap = 32;
	uint32_t   *table;

#define KEY(i) (*(const CedarStr *const *) ((const char *) keys + (size_t) (i) * size))
	*which = n;
	if (n <= 8)
	{
		for (uint32_t i = 1; i < n; i++)
			for (uint32_t j = 0; j < i; j++)
				if (cedar_str_equal(KEY(i), KEY(j)))
				{
					*which = i;
					return CEDAR_OK;
				}
		return CEDAR_OK;
	}
	while (cap / 2 < n)
		cap *= 2;
	table = cedar_arena_zalloc(arena, cap * sizeof(uint32_t));
	if (table == NULL)
		return cedar_nomem(err);
	for (uint32_t i = 0; i < n; i++)
	{
		uint32_t	h = KEY(i)->hash & (cap - 1);

		/* keys made to collide cost time, which must stay interruptible */
		if (i % 16 == 0)
			cedar_arena_check_interrupt(arena);
		while (table[h] != 0)
		{
			if (cedar_str_equal(KEY(table[h] - 1), KEY(i)))
			{
				*which = i;
				return CEDAR_OK;
			}
			h = (h + 1) & (cap - 1);
		}
		table[h] = i + 1;
	}
#undef KEY
	return CEDAR_OK;
}

/*
 * Hashes are spread evenly over a set of one kind, so the place of an element
 * can be guessed: a large set needs a few looks where a binary search needs
 * twenty.  A bad guess costs one look; then the halves decide.
 */
bool
cedar_set_contains(const CedarSet *set, const CedarValue *v)
{
	uint32_t	lo = 0;
	uint32_t	hi = set->n;
	bool		guess = hi > 16;

	while (lo < hi)
	{
		uint32_t	mid = lo + (hi - lo) / 2;
		CedarValue	e;
		int			c;

		if (guess)
		{
			uint32_t	from = set->elems[lo].hash;
			uint32_t	to = set->elems[hi - 1].hash;

			if (set->elems[lo].kind == v->kind && set->elems[hi - 1].kind == v->kind &&
				v->hash >= from && v->hash <= to && to > from)
				mid = lo + (uint32_t) ((uint64_t) (v->hash - from) * (hi - 1 - lo) / (to - from));
		}
		guess = !guess && hi - lo > 16;
		e = cedar_slot_value(&set->elems[mid]);
		c = cedar_value_compare(&e, v);
		if (c == 0)
			return true;
		if (c < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	return false;
}

static CEDAR_NOINLINE const CedarSlot *
search_record(const CedarRecord *rec, const CedarStr *key)
{
	uint32_t	lo = 0;
	uint32_t	hi = rec->n;

	while (lo < hi)
	{
		uint32_t	mid = lo + (hi - lo) / 2;
		int			c = compare_strs(cedar_slot_str(&rec->fields[mid].key), key);

		if (c == 0)
			return &rec->fields[mid].value;
		if (c < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	return NULL;
}

const CedarSlot *
cedar_record_get(const CedarRecord *rec, const CedarStr *key)
{
	uint32_t	hash = key->hash;

	if (rec->n > 8)
		return search_record(rec, key);
	for (const CedarField *f = rec->fields, *end = f + rec->n; f < end; f++)
		if (f->key.hash == hash && cedar_str_equal(cedar_slot_str(&f->key), key))
			return &f->value;
	return NULL;
}

/* ------------------------------------------------------------- flattening */

#define ALIGN8(n) (((n) + 7) & ~(size_t) 7)

/* Bytes behind the slot itself that a copy of v needs. */
size_t
cedar_value_flat_size(const CedarValue *v)
{
	size_t		size = 0;

	switch ((CedarKind) v->kind)
	{
		case CEDAR_STRING:
			return ALIGN8(sizeof(CedarStr) + v->u.str->len);
		case CEDAR_ENTITY:
			return ALIGN8(cedar_uid_size(v->u.uid->type_len, v->u.uid->id_len));
		case CEDAR_IPADDR:
			return ALIGN8(sizeof(CedarIp));
		case CEDAR_SET:
			size = sizeof(CedarSet) + v->u.set->n * sizeof(CedarSlot);
			for (uint32_t i = 0; i < v->u.set->n; i++)
			{
				CedarValue	e = cedar_slot_value(&v->u.set->elems[i]);

				size += cedar_value_flat_size(&e);
			}
			return size;
		case CEDAR_RECORD:
			size = sizeof(CedarRecord) + v->u.rec->n * sizeof(CedarField);
			for (uint32_t i = 0; i < v->u.rec->n; i++)
			{
				CedarValue	k = cedar_slot_value(&v->u.rec->fields[i].key);
				CedarValue	e = cedar_slot_value(&v->u.rec->fields[i].value);

				size += cedar_value_flat_size(&k) + cedar_value_flat_size(&e);
			}
			return size;
		default:
			return 0;
	}
}

/* Copy into the zeroed space at *p, eight-byte aligned, and advance it. */
void
cedar_slot_flatten(CedarSlot *slot, const CedarValue *v, char **p)
{
	CedarValue	copy = *v;
	size_t		size;

	switch ((CedarKind) v->kind)
	{
		case CEDAR_STRING:
		case CEDAR_ENTITY:
		case CEDAR_IPADDR:
			size = v->kind == CEDAR_STRING ? sizeof(CedarStr) + v->u.str->len :
				v->kind == CEDAR_ENTITY ?
				cedar_uid_size(v->u.uid->type_len, v->u.uid->id_len) :
				sizeof(CedarIp);
			memcpy(*p, v->u.str, size);
			copy.u.str = (const CedarStr *) *p;
			*p += ALIGN8(size);
			break;
		case CEDAR_SET:
			{
				CedarSet   *set = (CedarSet *) *p;

				set->n = v->u.set->n;
				set->hash = v->u.set->hash;
				*p += sizeof(CedarSet) + set->n * sizeof(CedarSlot);
				for (uint32_t i = 0; i < set->n; i++)
				{
					CedarValue	e = cedar_slot_value(&v->u.set->elems[i]);

					cedar_slot_flatten(&set->elems[i], &e, p);
				}
				copy.u.set = set;
				break;
			}
		case CEDAR_RECORD:
			{
				CedarRecord *rec = (CedarRecord *) *p;

				rec->n = v->u.rec->n;
				rec->hash = v->u.rec->hash;
				*p += sizeof(CedarRecord) + rec->n * sizeof(CedarField);
				for (uint32_t i = 0; i < rec->n; i++)
				{
					CedarValue	k = cedar_slot_value(&v->u.rec->fields[i].key);
					CedarValue	e = cedar_slot_value(&v->u.rec->fields[i].value);

					cedar_slot_flatten(&rec->fields[i].key, &k, p);
					cedar_slot_flatten(&rec->fields[i].value, &e, p);
				}
				copy.u.rec = rec;
				break;
			}
		default:
			break;
	}
	cedar_slot_set(slot, &copy);
}

/* --------------------------------------------------------------- messages */

const char *
cedar_value_describe(const CedarValue *v, char *buf, size_t size)
{
	char		tmp[128];
	size_t		n;

	switch ((CedarKind) v->kind)
	{
		case CEDAR_BOOL:
			snprintf(buf, size, "%s", v->u.i ? "true" : "false");
			break;
		case CEDAR_LONG:
			snprintf(buf, size, "the long %" PRId64, v->u.i);
			break;
		case CEDAR_STRING:
			snprintf(buf, size, "the string \"%.*s\"",
					 (int) cedar_utf8_clip(v->u.str->bytes, v->u.str->len, 32),
					 v->u.str->bytes);
			break;
		case CEDAR_ENTITY:
			n = cedar_uid_print(v->u.uid, tmp, sizeof(tmp));
			n = cedar_utf8_clip(tmp, n < sizeof(tmp) ? n : sizeof(tmp), 64);
			snprintf(buf, size, "the entity %.*s", (int) n, tmp);
			break;
		default:
			snprintf(buf, size, "%s %s",
					 v->kind == CEDAR_IPADDR ? "an" : "a", cedar_kind_name(v->kind));
	}
	return buf;
}

/* --------------------------------------------------------------- uid sets */

CedarUidSet *
cedar_uidset_create(CedarArena *arena)
{
	return cedar_arena_zalloc(arena, sizeof(CedarUidSet));
}

static const CedarUid **
uidset_probe(const CedarUidSet *set, const CedarUid *uid)
{
	uint32_t	h = uid->hash & (set->cap - 1);

	while (set->slots[h] != NULL && !cedar_uid_same(set->slots[h], uid))
		h = (h + 1) & (set->cap - 1);
	return &set->slots[h];
}

CedarCode
cedar_uidset_add(CedarArena *arena, CedarUidSet *set, const CedarUid *uid,
				 bool *added)
{
	const CedarUid **slot;

	*added = false;
	if (set->n * 2 >= set->cap)
	{
		CedarUidSet bigger = {.n = set->n,.cap = set->cap ? set->cap * 2 : 8};

		bigger.slots = cedar_arena_zalloc(arena, bigger.cap * sizeof(CedarUid *));
		if (bigger.slots == NULL)
			return CEDAR_ERR_NOMEM;
		for (uint32_t i = 0; i < set->cap; i++)
			if (set->slots[i] != NULL)
				*uidset_probe(&bigger, set->slots[i]) = set->slots[i];
		*set = bigger;
	}
	slot = uidset_probe(set, uid);
	if (*slot == NULL)
	{
		*slot = uid;
		set->n++;
		*added = true;
	}
	return CEDAR_OK;
}
