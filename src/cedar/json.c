/*-------------------------------------------------------------------------
 *
 * json.c
 *	  JSON text to a tree in the arena (RFC 8259).
 *
 * Cedar needs what general readers do not give: exact 64-bit integers told
 * apart from other numbers, `\u0000`, duplicate keys refused, and the byte
 * range of every node for error positions.
 *
 *-------------------------------------------------------------------------
 */
#include "internal.h"

typedef struct Reader
{
	CedarArena *arena;
	CedarError *err;
	const char *text;
	size_t		len;
	size_t		pos;
	int			depth;
} Reader;

static CedarCode read_value(Reader *r, CedarJson *out);

static CedarCode
unexpected(Reader *r, const char *expected)
{
	if (r->pos >= r->len)
		return cedar_fail_at(r->err, CEDAR_ERR_JSON, r->len, 0,
							 "invalid JSON: expected %s, but the text ended", expected);
	return cedar_fail_at(r->err, CEDAR_ERR_JSON, r->pos, 1,
						 "invalid JSON: expected %s, found \"%.*s\"", expected,
						 CEDAR_EXCERPT(r->text + r->pos,
									   r->len - r->pos < 12 ? r->len - r->pos : 12));
}

static void
skip_space(Reader *r)
{
	size_t		next_check = r->pos + CEDAR_BYTES_PER_CHECK;

	while (r->pos < r->len)
	{
		char		c = r->text[r->pos];

		cedar_check_interrupt_at(r->arena, r->pos, &next_check);
		if (c != ' ' && c != '\t' && c != '\n' && c != '\r')
			break;
		r->pos++;
	}
}

static int
hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

/* Four hexadecimal digits at p; -1 when they are not. */
static int32_t
read_hex4(const Reader *r, size_t p)
{
	int32_t		v = 0;

	if (r->len - p < 4)
		return -1;
	for (int i = 0; i < 4; i++)
	{
		int			d = hex_value(r->text[p + i]);

		if (d < 0)
			return -1;
		v = v << 4 | d;
	}
	return v;
}

/* At the opening quote. */
static CedarCode
read_string(Reader *r, const CedarStr **out)
{
	size_t		start = r->pos;
	size_t		end = start + 1;
	size_t		n = 0;
	size_t		next_check = end + CEDAR_BYTES_PER_CHECK;
	CedarStr   *str;
	bool		escaped = false;

	while (end < r->len && r->text[end] != '"')
	{
		cedar_check_interrupt_at(r->arena, end, &next_check);
		if ((unsigned char) r->text[end] < 0x20)
			return cedar_fail_at(r->err, CEDAR_ERR_JSON, end, 1,
								 "invalid JSON: control character in a string must be escaped");
		if (r->text[end] == '\\')
		{
			escaped = true;
			end++;
		}
		end++;
	}
	if (end >= r->len)
		return cedar_fail_at(r->err, CEDAR_ERR_JSON, start, r->len - start,
							 "invalid JSON: unterminated string");
	if (end - start > UINT32_MAX / 2)
		return cedar_fail_at(r->err, CEDAR_ERR_LIMIT, start, 1, "JSON string is too long");

	/* unescaping never makes a string longer */
	str = cedar_arena_alloc(r->arena, sizeof(CedarStr) + (end - start - 1));
	if (str == NULL)
		return cedar_nomem(r->err);
	if (!escaped)
	{
		n = end - start - 1;
		memcpy(str->bytes, r->text + start + 1, n);
	}
	else
	{
		next_check = start + CEDAR_BYTES_PER_CHECK;
		for (size_t p = start + 1; p < end;)
		{
			char		c = r->text[p];
			int32_t		u;

			cedar_check_interrupt_at(r->arena, p, &next_check);
			if (c != '\\')
			{
				str->bytes[n++] = c;
				p++;
				continue;
			}
			c = r->text[p + 1];
			switch (c)
			{
				case '"':
				case '\\':
				case '/':
					break;
				case 'b':
					c = '\b';
					break;
				case 'f':
					c = '\f';
					break;
				case 'n':
					c = '\n';
					break;
				case 'r':
					c = '\r';
					break;
				case 't':
					c = '\t';
					break;
				case 'u':
					u = read_hex4(r, p + 2);
					if (u < 0)
						return cedar_fail_at(r->err, CEDAR_ERR_JSON, p, 2,
											 "invalid JSON: \\u takes four hexadecimal digits");
					if (u >= 0xDC00 && u <= 0xDFFF)
						return cedar_fail_at(r->err, CEDAR_ERR_JSON, p, 6,
											 "invalid JSON: low surrogate without a high one");
					if (u >= 0xD800 && u <= 0xDBFF)
					{
						int32_t		lo = -1;

						if (r->len - p >= 12 && r->text[p + 6] == '\\' &&
							r->text[p + 7] == 'u')
							lo = read_hex4(r, p + 8);
						if (lo < 0xDC00 || lo > 0xDFFF)
							return cedar_fail_at(r->err, CEDAR_ERR_JSON, p, 6,
												 "invalid JSON: high surrogate without a low one");
						u = 0x10000 + ((u - 0xD800) << 10) + (lo - 0xDC00);
						p += 6;
					}
					n += cedar_utf8_put(str->bytes + n, (uint32_t) u);
					p += 6;
					continue;
				default:
					return cedar_fail_at(r->err, CEDAR_ERR_JSON, p, 2,
										 "invalid JSON: unknown escape in a string");
			}
			str->bytes[n++] = c;
			p += 2;
		}
	}
	str->len = (uint32_t) n;
	str->hash = cedar_hash_bytes(str->bytes, n, 0);
	r->pos = end + 1;
	*out = str;
	return CEDAR_OK;
}

static CedarCode
read_number(Reader *r, CedarJson *out)
{
	size_t		start = r->pos;
	size_t		p = start;
	size_t		next_check = start + CEDAR_BYTES_PER_CHECK;
	bool		negative = false;
	bool		fits = true;
	uint64_t	v = 0;
	bool		integer = true;

#define DIGIT(i) ((i) < r->len && r->text[i] >= '0' && r->text[i] <= '9')
	if (r->text[p] == '-')
	{
		negative = true;
		p++;
	}
	if (!DIGIT(p))
	{
		r->pos = p;
		return unexpected(r, "a digit");
	}
	if (r->text[p] == '0' && DIGIT(p + 1))
	{
		r->pos = p + 1;
		return unexpected(r, "no leading zero in a number");
	}
	for (; DIGIT(p); p++)
	{
		uint64_t	d = (uint64_t) (r->text[p] - '0');

		cedar_check_interrupt_at(r->arena, p, &next_check);
		if (v > (UINT64_MAX - d) / 10)
			fits = false;
		else
			v = v * 10 + d;
	}
	if (p < r->len && r->text[p] == '.')
	{
		integer = false;
		p++;
		if (!DIGIT(p))
		{
			r->pos = p;
			return unexpected(r, "a digit");
		}
		for (; DIGIT(p); p++)
			cedar_check_interrupt_at(r->arena, p, &next_check);
	}
	if (p < r->len && (r->text[p] == 'e' || r->text[p] == 'E'))
	{
		integer = false;
		p++;
		if (p < r->len && (r->text[p] == '+' || r->text[p] == '-'))
			p++;
		if (!DIGIT(p))
		{
			r->pos = p;
			return unexpected(r, "a digit");
		}
		for (; DIGIT(p); p++)
			cedar_check_interrupt_at(r->arena, p, &next_check);
	}
#undef DIGIT
	/* -0 is not an integer to the reference's reader either */
	if (negative && v == 0)
		integer = false;
	if (v > (uint64_t) INT64_MAX + (negative ? 1 : 0))
		fits = false;
	if (integer && fits)
	{
		out->type = CEDAR_JSON_INT;
		out->u.i = negative ? (int64_t) (0 - v) : (int64_t) v;
	}
	else
		out->type = CEDAR_JSON_NUMBER;
	r->pos = p;
	return CEDAR_OK;
}

static CedarCode
read_array(Reader *r, CedarJson *out)
{
	void	   *elems = NULL;
	uint32_t	cap = 0;
	uint32_t	n = 0;
	CedarCode	code;

	r->pos++;
	skip_space(r);
	if (r->pos < r->len && r->text[r->pos] == ']')
		r->pos++;
	else
	{
		for (;;)
		{
			CedarJson	elem;

			if ((code = read_value(r, &elem)) != CEDAR_OK)
				return code;
			if (!cedar_grow(r->arena, &elems, &cap, n + 1, sizeof(CedarJson)))
				return cedar_nomem(r->err);
			((CedarJson *) elems)[n++] = elem;
			skip_space(r);
			if (r->pos < r->len && r->text[r->pos] == ',')
			{
				r->pos++;
				continue;
			}
			if (r->pos < r->len && r->text[r->pos] == ']')
			{
				r->pos++;
				break;
			}
			return unexpected(r, "\",\" or \"]\"");
		}
	}
	out->type = CEDAR_JSON_ARRAY;
	out->n = n;
	out->u.elems = elems;
	return CEDAR_OK;
}

static CedarCode
read_object(Reader *r, CedarJson *out)
{
	void	   *members = NULL;
	uint32_t	cap = 0;
	uint32_t	n = 0;
	uint32_t	dup;
	CedarCode	code;

	r->pos++;
	skip_space(r);
	if (r->pos < r->len && r->text[r->pos] == '}')
		r->pos++;
	else
	{
		for (;;)
		{
			CedarJsonMember m;

			skip_space(r);
			if (r->pos >= r->len || r->text[r->pos] != '"')
				return unexpected(r, "a key in double quotes");
			m.key_offset = r->pos;
			if ((code = read_string(r, &m.key)) != CEDAR_OK)
				return code;
			m.key_length = r->pos - m.key_offset;
			skip_space(r);
			if (r->pos >= r->len || r->text[r->pos] != ':')
				return unexpected(r, "\":\"");
			r->pos++;
			if ((code = read_value(r, &m.value)) != CEDAR_OK)
				return code;
			if (!cedar_grow(r->arena, &members, &cap, n + 1, sizeof(CedarJsonMember)))
				return cedar_nomem(r->err);
			((CedarJsonMember *) members)[n++] = m;
			skip_space(r);
			if (r->pos < r->len && r->text[r->pos] == ',')
			{
				r->pos++;
				continue;
			}
			if (r->pos < r->len && r->text[r->pos] == '}')
			{
				r->pos++;
				break;
			}
			return unexpected(r, "\",\" or \"}\"");
		}
	}
	out->type = CEDAR_JSON_OBJECT;
	out->n = n;
	out->u.members = members;
	if ((code = cedar_find_duplicate(r->arena, members, n, sizeof(CedarJsonMember),
									 &dup, r->err)) != CEDAR_OK)
		return code;
	if (dup < n)
	{
		const CedarJsonMember *m = &out->u.members[dup];

		return cedar_fail_at(r->err, CEDAR_ERR_DUPLICATE, m->key_offset, m->key_length,
							 "duplicate key \"%.*s\" in a JSON object",
							 CEDAR_EXCERPT(m->key->bytes, m->key->len));
	}
	return CEDAR_OK;
}

static CedarCode
read_word(Reader *r, CedarJson *out, const char *word, CedarJsonType type)
{
	size_t		n = strlen(word);

	if (r->len - r->pos < n || memcmp(r->text + r->pos, word, n) != 0)
		return unexpected(r, "a JSON value");
	r->pos += n;
	out->type = type;
	return CEDAR_OK;
}

static CedarCode
read_value(Reader *r, CedarJson *out)
{
	CedarCode	code;
	char		c;

	if (cedar_arena_stack_is_too_deep(r->arena))
		return cedar_stack(r->err);
	cedar_arena_check_interrupt(r->arena);
	skip_space(r);
	memset(out, 0, sizeof(*out));
	out->offset = r->pos;
	if (r->pos >= r->len)
		return unexpected(r, "a JSON value");
	if (++r->depth > CEDAR_MAX_JSON_DEPTH)
		return cedar_fail_at(r->err, CEDAR_ERR_LIMIT, r->pos, 1,
							 "JSON is nested deeper than %d levels", CEDAR_MAX_JSON_DEPTH);
	c = r->text[r->pos];
	switch (c)
	{
		case '{':
			code = read_object(r, out);
			break;
		case '[':
			code = read_array(r, out);
			break;
		case '"':
			out->type = CEDAR_JSON_STRING;
			code = read_string(r, &out->u.str);
			break;
		case 't':
			code = read_word(r, out, "true", CEDAR_JSON_TRUE);
			break;
		case 'f':
			code = read_word(r, out, "false", CEDAR_JSON_FALSE);
			break;
		case 'n':
			code = read_word(r, out, "null", CEDAR_JSON_NULL);
			break;
		default:
			if (c == '-' || (c >= '0' && c <= '9'))
				code = read_number(r, out);
			else
				code = unexpected(r, "a JSON value");
	}
	r->depth--;
	out->length = r->pos - out->offset;
	return code;
}

CedarCode
cedar_json_parse(CedarArena *arena, const char *text, size_t len,
				 CedarJson *json, CedarError *err)
{
	Reader		r = {arena, err, text, len, 0, 0};
	size_t		bad = cedar_text_invalid_at(arena, text, len);
	CedarCode	code;

	if (bad < len)
		return cedar_fail_at(err, CEDAR_ERR_ENCODING, bad, 1, "JSON text is not UTF-8");
	if ((code = read_value(&r, json)) != CEDAR_OK)
		return code;
	skip_space(&r);
	if (r.pos < len)
		return unexpected(&r, "the end of the JSON text");
	return CEDAR_OK;
}

const CedarJson *
cedar_json_get(const CedarJson *object, const char *key)
{
	size_t		n = strlen(key);

	if (object->type != CEDAR_JSON_OBJECT)
		return NULL;
	for (uint32_t i = 0; i < object->n; i++)
	{
		const CedarJsonMember *m = &object->u.members[i];

		if (m->key->len == n && memcmp(m->key->bytes, key, n) == 0)
			return &m->value;
	}
	return NULL;
}
