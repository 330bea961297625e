/*-------------------------------------------------------------------------
 *
 * json.c
 *	  Strict reading of JSON (RFC 8259) for headers, keys and claims.
 *
 * Refused beyond what the grammar refuses: anything but an object at the top,
 * duplicate member names at any depth (compared after unescaping), NUL in
 * strings, text or escapes that are not Unicode, numbers that a double cannot
 * hold, and what goes beyond the limits of jose.h.
 *
 * There is a reader of our own because jansson's (2.14 and later) does not
 * look at the result of its buffer's growth: when memory fails there, a
 * string loses characters and the document is taken as good, or its end is
 * passed over.  Besides, it leaves copies of secrets in freed memory.  The
 * tests and a fuzz target hold this reader against jansson's.
 *
 * A document is one block of the host, sized before anything is read.  There
 * is no recursion: open containers are on a stack of fixed depth.
 *
 *-------------------------------------------------------------------------
 */
#include "internal.h"

typedef struct Reader
{
	const char *what;
	JoseCode	bad;
	JoseError  *err;
	const char *text;
	size_t		len;
	size_t		pos;
	JoseJson   *nodes;			/* free ones from here on */
	char	   *pool;			/* room for strings without their escapes */
} Reader;

/* Says where, but never quotes: the text may hold a secret. */
static JoseCode
bad(Reader *r, const char *problem)
{
	jose_fail(r->err, r->bad, "%s is malformed: %s", r->what, problem);
	return jose_detail(r->err, "The JSON text is not sound at byte %zu of %zu.", r->pos, r->len);
}

static void
skip_space(Reader *r)
{
	while (r->pos < r->len)
	{
		char		c = r->text[r->pos];

		if (c != ' ' && c != '\t' && c != '\n' && c != '\r')
			break;
		r->pos++;
	}
}

static bool
next_is(const Reader *r, char c)
{
	return r->pos < r->len && r->text[r->pos] == c;
}

/* ---------------------------------------------------------------- strings */

/* Four hexadecimal digits at pos, which then is behind them; -1 when not. */
static int32_t
read_hex4(Reader *r)
{
	int32_t		v = 0;

	if (r->len - r->pos < 4)
		return -1;
	for (size_t i = 0; i < 4; i++)
	{
		char		c = r->text[r->pos + i];

		if (c >= '0' && c <= '9')
			v = v << 4 | (c - '0');
		else if (c >= 'a' && c <= 'f')
			v = v << 4 | (c - 'a' + 10);
		else if (c >= 'A' && c <= 'F')
			v = v << 4 | (c - 'A' + 10);
		else
			return -1;
	}
	r->pos += 4;
	return v;
}

/* Behind the `\u`.  At most four bytes, where the source has six or twelve. */
static JoseCode
read_unicode_escape(Reader *r, char **out)
{
	int32_t		c = read_hex4(r);
	char	   *p = *out;

	if (c < 0)
		return bad(r, "invalid escape");
	if (c == 0)
		return bad(r, "a string has a NUL character");
	if (c >= 0xdc00 && c <= 0xdfff)
		return bad(r, "half of a surrogate pair");
	if (c >= 0xd800 && c <= 0xdbff)
	{
		int32_t		low;

		if (r->len - r->pos < 2 || r->text[r->pos] != '\\' || r->text[r->pos + 1] != 'u')
			return bad(r, "half of a surrogate pair");
		r->pos += 2;
		low = read_hex4(r);
		if (low < 0xdc00 || low > 0xdfff)
			return bad(r, "half of a surrogate pair");
		c = 0x10000 + ((c - 0xd800) << 10) + (low - 0xdc00);
	}

	if (c < 0x80)
		*p++ = (char) c;
	else if (c < 0x800)
	{
		*p++ = (char) (0xc0 | c >> 6);
		*p++ = (char) (0x80 | (c & 0x3f));
	}
	else if (c < 0x10000)
	{
		*p++ = (char) (0xe0 | c >> 12);
		*p++ = (char) (0x80 | (c >> 6 & 0x3f));
		*p++ = (char) (0x80 | (c & 0x3f));
	}
	else
	{
		*p++ = (char) (0xf0 | c >> 18);
		*p++ = (char) (0x80 | (c >> 12 & 0x3f));
		*p++ = (char) (0x80 | (c >> 6 & 0x3f));
		*p++ = (char) (0x80 | (c & 0x3f));
	}
	*out = p;
	return JOSE_OK;
}

/*
 * At the opening quote.  A string without escapes stays where it is; one with
 * escapes goes to the pool, where it never needs more room than in the source.
 */
static JoseCode
read_string(Reader *r, const char **text, size_t *len)
{
	size_t		start = ++r->pos;
	size_t		from = start;	/* what is not yet copied */
	char	   *out = NULL;		/* NULL until the first escape */

	for (;;)
	{
		unsigned char c;
		size_t		n;

		if (r->pos >= r->len)
			return bad(r, "a string does not end");
		c = (unsigned char) r->text[r->pos];
		if (c == '"')
			break;
		if (c < 0x20)
			return bad(r, "a control character in a string");
		if (c != '\\')
		{
			n = c < 0x80 ? 1 : jose_utf8_sequence((const unsigned char *) r->text + r->pos, r->len - r->pos);
			if (n == 0)
				return bad(r, "not UTF-8");
			r->pos += n;
			continue;
		}

		n = r->pos - from;
		if (out == NULL)
			out = r->pool;
		memmove(out, r->text + from, n);
		out += n;
		r->pos++;
		if (r->pos >= r->len)
			return bad(r, "a string does not end");
		switch (r->text[r->pos++])
		{
			case '"':
				*out++ = '"';
				break;
			case '\\':
				*out++ = '\\';
				break;
			case '/':
				*out++ = '/';
				break;
			case 'b':
				*out++ = '\b';
				break;
			case 'f':
				*out++ = '\f';
				break;
			case 'n':
				*out++ = '\n';
				break;
			case 'r':
				*out++ = '\r';
				break;
			case 't':
				*out++ = '\t';
				break;
			case 'u':
				TRY(read_unicode_escape(r, &out));
				break;
			default:
				return bad(r, "invalid escape");
		}
		from = r->pos;
	}

	if (out == NULL)
	{
		*text = r->text + start;
		*len = r->pos - start;
	}
	else
	{
		memcpy(out, r->text + from, r->pos - from);
		out += r->pos - from;
		*text = r->pool;
		*len = (size_t) (out - r->pool);
		r->pool = out;
	}
	r->pos++;
	return JOSE_OK;
}

/* ---------------------------------------------------------------- numbers */

/* A decimal number: d.ddd times 10^exponent, leading zeros skipped. */
typedef struct Decimal
{
	bool		negative;
	const char *digits;			/* may have a '.' in it */
	size_t		len;			/* with the '.' */
	int64_t		point;			/* digits before the decimal point */
} Decimal;

/* The next digit, or '0' behind the last. */
static char
next_digit(const Decimal *d, size_t *i)
{
	if (*i < d->len && d->digits[*i] == '.')
		(*i)++;
	return *i < d->len ? d->digits[(*i)++] : '0';
}

/* Of text that read_number has passed.  point is kept within +-10^7. */
static Decimal
decimal(const char *text, size_t len)
{
	Decimal		d = { .negative = text[0] == '-' };
	size_t		i = d.negative;
	size_t		end = i;
	int64_t		point = 0;
	int64_t		e = 0;

	while (end < len && text[end] != 'e' && text[end] != 'E')
		end++;
	if (end < len)
	{
		size_t		j = end + 1;
		bool		minus = text[j] == '-';

		if (minus || text[j] == '+')
			j++;
		for (; j < len; j++)
			if (e < 1000000)
				e = e * 10 + (text[j] - '0');
		if (minus)
			e = -e;
	}

	/* the place of the point, counted from the first digit that is not 0 */
	for (size_t j = i; j < end && text[j] != '.'; j++)
		point++;
	while (i < end && (text[i] == '0' || text[i] == '.'))
	{
		if (text[i] == '0')
			point--;
		i++;
	}
	d.digits = text + i;
	d.len = end - i;
	d.point = d.len == 0 ? 0 : point + e;
	return d;
}

/*
 * Would a correctly rounding conversion give infinity?  That begins halfway
 * between the largest double and 2^1024, a number of 309 digits.
 */
static bool
beyond_double(const Decimal *d)
{
	static const char limit[] =
		"179769313486231580793728971405303415079934132710037826936173778980444"
		"968292764750946649017977587207096330286416692887910946555547851940402"
		"630657488671505820681908902000708383676273854845817711531764475730270"
		"069855571366959622842914819860834936475292719074168444365510704342711"
		"559699508093042880177904174497792";
	size_t		i = 0;

	_Static_assert(sizeof(limit) == 309 + 1, "2^1024 - 2^970 has 309 digits");
	if (d->point != 309)
		return d->point > 309;
	for (int k = 0; k < 309; k++)
	{
		char		c = next_digit(d, &i);

		if (c != limit[k])
			return c > limit[k];
	}
	return true;
}

int64_t
jose_json_integer(const JoseJson *number, bool up)
{
	const int64_t max = (int64_t) 1 << 62;
	Decimal		d = decimal(number->text, number->len);
	size_t		i = 0;
	int64_t		v = 0;
	bool		fraction = false;

	for (int64_t k = 0; k < d.point && v < max; k++)
	{
		int			digit = next_digit(&d, &i) - '0';

		v = v > (max - digit) / 10 ? max : v * 10 + digit;
	}
	while (i < d.len && !fraction)
		fraction = next_digit(&d, &i) != '0';

	/* toward zero so far */
	if (fraction && v < max && up != d.negative)
		v++;
	return d.negative ? -v : v;
}

static bool
digits(Reader *r)
{
	size_t		start = r->pos;

	while (r->pos < r->len && r->text[r->pos] >= '0' && r->text[r->pos] <= '9')
		r->pos++;
	return r->pos > start;
}

static JoseCode
read_number(Reader *r, JoseJson *node)
{
	size_t		start = r->pos;
	Decimal		d;

	if (next_is(r, '-'))
		r->pos++;
	if (next_is(r, '0'))
		r->pos++;
	else if (!digits(r))
		return bad(r, "invalid number");
	if (next_is(r, '.'))
	{
		r->pos++;
		if (!digits(r))
			return bad(r, "invalid number");
	}
	if (next_is(r, 'e') || next_is(r, 'E'))
	{
		r->pos++;
		if (next_is(r, '-') || next_is(r, '+'))
			r->pos++;
		if (!digits(r))
			return bad(r, "invalid number");
	}
	node->type = JOSE_JSON_NUMBER;
	node->text = r->text + start;
	node->len = r->pos - start;
	d = decimal(node->text, node->len);
	if (beyond_double(&d))
		return bad(r, "a number is out of range");
	return JOSE_OK;
}

/* ----------------------------------------------------------------- values */

static JoseCode
read_word(Reader *r, JoseJson *node, const char *word, JoseJsonType type)
{
	size_t		n = strlen(word);

	if (r->len - r->pos < n || memcmp(r->text + r->pos, word, n) != 0)
		return bad(r, "unexpected character");
	r->pos += n;
	node->type = type;
	return JOSE_OK;
}

/* At the name of a member: read it and the colon. */
static JoseCode
read_name(Reader *r, JoseJson *node)
{
	skip_space(r);
	if (!next_is(r, '"'))
		return bad(r, "expected the name of a member");
	TRY(read_string(r, &node->name, &node->name_len));
	skip_space(r);
	if (!next_is(r, ':'))
		return bad(r, "expected a colon");
	r->pos++;
	return JOSE_OK;
}

static JoseCode
check_names(Reader *r, const JoseJson *object)
{
	for (const JoseJson *a = object->child; a != NULL; a = a->next)
		for (const JoseJson *b = a->next; b != NULL; b = b->next)
			if (a->name_len == b->name_len &&
				memcmp(a->name, b->name, a->name_len) == 0)
				return bad(r, "duplicate member");
	return JOSE_OK;
}

/* Read the whole text into nodes; the first is the root. */
static JoseCode
read_document(Reader *r)
{
	JoseJson   *open[JOSE_MAX_JSON_DEPTH];	/* containers not yet closed */
	JoseJson   *last[JOSE_MAX_JSON_DEPTH];	/* their last child so far */
	int			depth = 0;
	JoseJson   *node = r->nodes++;

	memset(node, 0, sizeof(*node));
	for (;;)
	{
		/* a value begins here, for node */
		skip_space(r);
		if (r->pos >= r->len)
			return bad(r, "unexpected end");
		if (depth == 0 && r->text[r->pos] != '{')
			return bad(r, "not an object");
		switch (r->text[r->pos])
		{
			case '{':
			case '[':
				if (depth == JOSE_MAX_JSON_DEPTH)
					return jose_fail(r->err, JOSE_ERR_LIMIT,
									 "%s is nested more than %d levels deep", r->what,
									 JOSE_MAX_JSON_DEPTH);
				node->type = r->text[r->pos] == '{' ? JOSE_JSON_OBJECT : JOSE_JSON_ARRAY;
				r->pos++;
				open[depth] = node;
				last[depth] = NULL;
				depth++;
				break;
			case '"':
				TRY(read_string(r, &node->text, &node->len));
				node->type = JOSE_JSON_STRING;
				break;
			case 't':
				TRY(read_word(r, node, "true", JOSE_JSON_TRUE));
				break;
			case 'f':
				TRY(read_word(r, node, "false", JOSE_JSON_FALSE));
				break;
			case 'n':
				TRY(read_word(r, node, "null", JOSE_JSON_NULL));
				break;
			case '-':
			case '0':
			case '1':
			case '2':
			case '3':
			case '4':
			case '5':
			case '6':
			case '7':
			case '8':
			case '9':
				TRY(read_number(r, node));
				break;
			default:
				return bad(r, "expected a value");
		}

		/* close what ends here, until something begins or the text is over */
		for (;;)
		{
			JoseJson   *parent = open[depth - 1];
			bool		is_object = parent->type == JOSE_JSON_OBJECT;

			skip_space(r);
			if (next_is(r, is_object ? '}' : ']'))
			{
				r->pos++;
				if (is_object)
					TRY(check_names(r, parent));
				if (--depth > 0)
					continue;
				skip_space(r);
				if (r->pos < r->len)
					return bad(r, "more text behind the object");
				return JOSE_OK;
			}
			if (last[depth - 1] != NULL)
			{
				if (!next_is(r, ','))
					return bad(r, is_object ? "expected a comma or a brace" :
							   "expected a comma or a bracket");
				r->pos++;
			}
			if (is_object && parent->n == JOSE_MAX_JSON_MEMBERS)
				return jose_fail(r->err, JOSE_ERR_LIMIT,
								 "%s has an object of more than %d members", r->what,
								 JOSE_MAX_JSON_MEMBERS);
			node = r->nodes++;
			memset(node, 0, sizeof(*node));
			parent->n++;
			if (last[depth - 1] != NULL)
				last[depth - 1]->next = node;
			else
				parent->child = node;
			last[depth - 1] = node;
			if (is_object)
				TRY(read_name(r, node));
			break;
		}
	}
}

/*
 * At least as many nodes as reading the text can take: the first, and one
 * behind every comma and opening bracket outside of strings.
 */
static size_t
count_nodes(const char *text, size_t len)
{
	size_t		n = 1;
	bool		in_string = false;

	for (size_t i = 0; i < len; i++)
	{
		char		c = text[i];

		if (c == '"')
			in_string = !in_string;
		else if (in_string)
			i += c == '\\';
		else
			n += c == ',' || c == '[' || c == '{';
	}
	return n;
}

JoseCode
jose_json_parse(const JoseHost *host, const char *text, size_t len,
				JoseCode bad_code, const char *what,
				JoseJsonDoc *doc, JoseError *err)
{
	size_t		nodes_size;
	Reader		r = {
		.what = what, .bad = bad_code, .err = err, .text = text, .len = len
	};
	JoseCode	code;

	/* callers have their own limits, all far below */
	if (len > SIZE_MAX / 2 / sizeof(JoseJson))
		return jose_fail(err, JOSE_ERR_LIMIT, "%s is too long", what);
	nodes_size = count_nodes(text, len) * sizeof(JoseJson);
	doc->size = nodes_size + len;
	doc->block = jose_alloc(host, doc->size);
	if (doc->block == NULL)
		return jose_nomem(err);
	doc->root = r.nodes = doc->block;
	r.pool = (char *) doc->block + nodes_size;
	code = read_document(&r);
	if (code != JOSE_OK)
		jose_json_free(host, doc);
	return code;
}

void
jose_json_free(const JoseHost *host, JoseJsonDoc *doc)
{
	jose_cleanse(doc->block, doc->size);
	jose_release(host, doc->block);
	doc->block = NULL;
	doc->root = NULL;
}

const JoseJson *
jose_json_get(const JoseJson *object, const char *name)
{
	size_t		len = strlen(name);

	for (const JoseJson *m = object->child; m != NULL; m = m->next)
		if (m->name_len == len && memcmp(m->name, name, len) == 0)
			return m;
	return NULL;
}

bool
jose_json_is(const JoseJson *string, const char *text)
{
	return string->type == JOSE_JSON_STRING && string->len == strlen(text) &&
		memcmp(string->text, text, string->len) == 0;
}
