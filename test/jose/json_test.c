/*-------------------------------------------------------------------------
 *
 * json_test.c
 *	  The strict JSON reader: what it takes, what it refuses, and that
 *	  jansson, asked to be as strict, says the same of mutated documents.
 *
 *-------------------------------------------------------------------------
 */
#include "harness.h"

#include <jansson.h>
#include <math.h>

#include "internal.h"

/* The reader's verdict; *doc is to be freed when it is JOSE_OK. */
static JoseCode
parse(const char *text, size_t len, JoseJsonDoc *doc, JoseError *err)
{
	return jose_json_parse(HOST, text, len, JOSE_ERR_MALFORMED, "text", doc, err);
}

static void
check_text(const char *text, size_t len, JoseCode want)
{
	JoseJsonDoc doc;
	JoseError	err;
	char	   *copy = malloc(len > 0 ? len : 1);
	JoseCode	code;

	memcpy(copy, text, len);
	code = parse(copy, len, &doc, &err);
	CHECK_CODE(code, want, &err, "%.*s", (int) len, text);
	if (code == JOSE_OK)
		jose_json_free(HOST, &doc);
	free(copy);
}

#define GOOD(text) check_text(text, sizeof(text) - 1, JOSE_OK)
#define BAD(text) check_text(text, sizeof(text) - 1, JOSE_ERR_MALFORMED)

static void
test_grammar(void)
{
	GOOD("{}");
	GOOD(" \t\r\n{ } \n");
	GOOD("{\"a\":1}");
	GOOD("{\"a\" : [ ] , \"b\" : [ 1 , { } , null, true, false, \"x\" ] }");
	GOOD("{\"\":0}");
	GOOD("{\"a\":\"\\\"\\\\\\/\\b\\f\\n\\r\\t\\u0041\\u00e9\\u20AC\\ud83d\\uDe00\"}");
	GOOD("{\"a\":\"\x7f\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\xef\xbf\xbf\"}");
	GOOD("{\"a\":{\"a\":{\"a\":1}},\"b\":[{\"a\":1},{\"a\":2}]}");

	/* not an object */
	BAD("");
	BAD(" ");
	BAD("[]");
	BAD("null");
	BAD("1");
	BAD("\"a\"");
	BAD("\xef\xbb\xbf{}");

	/* not the whole, not only it */
	BAD("{");
	BAD("}");
	BAD("{}x");
	BAD("{}{}");
	BAD("{},");
	BAD("{}\0");
	BAD("{\"a\"");
	BAD("{\"a\":");
	BAD("{\"a\":1");
	BAD("{\"a\":1,");
	BAD("{\"a\":1,}");
	BAD("{,}");
	BAD("{\"a\":1 \"b\":2}");
	BAD("{\"a\",1}");
	BAD("{a:1}");
	BAD("{'a':1}");
	BAD("{1:1}");
	BAD("{\"a\":[1,]}");
	BAD("{\"a\":[,1]}");
	BAD("{\"a\":[1 2]}");
	BAD("{\"a\":[}");
	BAD("{\"a\":[1}");
	BAD("{\"a\":{]");
	BAD("{\"a\":1]");
	BAD("{\"a\"::1}");
	BAD("{\"a\":1,,\"b\":2}");
	BAD("{\"a\":/* */1}");
	BAD("{\"a\":1}//");
	BAD("{\v}");
	BAD("{\f}");
	BAD("{\xc2\xa0}");
	BAD("{\"a\":tru}");
	BAD("{\"a\":truex}");
	BAD("{\"a\":True}");
	BAD("{\"a\":nul");
	BAD("{\"a\":undefined}");

	/* strings */
	BAD("{\"a\":\"x}");
	BAD("{\"a\":\"x\\");
	BAD("{\"a\":\"x\\\"}");
	BAD("{\"a\":\"\\x41\"}");
	BAD("{\"a\":\"\\u12\"}");
	BAD("{\"a\":\"\\u12g4\"}");
	BAD("{\"a\":\"\\U0041\"}");
	BAD("{\"a\":\"\\'\"}");
	BAD("{\"a\":\"a\nb\"}");
	BAD("{\"a\":\"a\tb\"}");
	BAD("{\"a\":\"a\x1f\"}");
	BAD("{\"a\":\"a\0b\"}");
	BAD("{\"a\0\":1}");
	BAD("{\0}");
	BAD("{\"a\":1\0}");
	BAD("{\"a\":1\0,\"b\":2}");
	BAD("{\"a\":[1\0]}");

	/* what is no Unicode, or NUL */
	BAD("{\"a\":\"\\u0000\"}");
	BAD("{\"\\u0000\":1}");
	BAD("{\"a\":\"x\\u0000y\"}");
	BAD("{\"a\":\"\\ud800\"}");
	BAD("{\"a\":\"\\udc00\"}");
	BAD("{\"a\":\"\\ud800x\"}");
	BAD("{\"a\":\"\\ud800\\n\"}");
	BAD("{\"a\":\"\\ud800\\ud800\"}");
	BAD("{\"a\":\"\\ud800\\u0041\"}");
	BAD("{\"a\":\"\\ud83d");
	BAD("{\"a\":\"\\ud83d\\ude");
	BAD("{\"a\":\"\x80\"}");
	BAD("{\"a\":\"\xc3\"}");
	BAD("{\"a\":\"\xc0\x80\"}");	/* NUL, too long */
	BAD("{\"a\":\"\xc1\xbf\"}");
	BAD("{\"a\":\"\xe0\x9f\xbf\"}");
	BAD("{\"a\":\"\xed\xa0\x80\"}");	/* a surrogate */
	BAD("{\"a\":\"\xf0\x8f\xbf\xbf\"}");
	BAD("{\"a\":\"\xf4\x90\x80\x80\"}");
	BAD("{\"a\":\"\xf5\x80\x80\x80\"}");
	BAD("{\"a\":\"\xf8\x88\x80\x80\x80\"}");
	BAD("{\"a\":\"\xff\"}");
	BAD("{\"a\":\"\xe2\x82\"}");
	BAD("{\"a\xe2\":1}");

	/* duplicates, as they are after unescaping, at any depth */
	BAD("{\"a\":1,\"a\":1}");
	BAD("{\"a\":1,\"\\u0061\":1}");
	BAD("{\"\\u0061\":1,\"b\":2,\"\\u0061\":1}");
	BAD("{\"\":1,\"\":1}");
	BAD("{\"x\":[{\"a\":1,\"b\":2,\"a\":3}]}");
	BAD("{\"\xc3\xa9\":1,\"\\u00e9\":1}");
	BAD("{\"\xf0\x9f\x98\x80\":1,\"\\ud83d\\ude00\":1}");
	GOOD("{\"a\":1,\"A\":1,\"a \":1,\"aa\":1}");
}

static void
test_numbers(void)
{
	static const struct
	{
		const char *text;
		int64_t		down;
		int64_t		up;
	}			cases[] = {
		{ "0", 0, 0 },
		{ "-0", 0, 0 },
		{ "-0.0", 0, 0 },
		{ "0e5", 0, 0 },
		{ "0.000e-99999999999999999999", 0, 0 },
		{ "1", 1, 1 },
		{ "-1", -1, -1 },
		{ "1.5", 1, 2 },
		{ "-1.5", -2, -1 },
		{ "1.0", 1, 1 },
		{ "1.000", 1, 1 },
		{ "0.1", 0, 1 },
		{ "-0.1", -1, 0 },
		{ "0.000001", 0, 1 },
		{ "1e-5", 0, 1 },
		{ "1e-400", 0, 1 },
		{ "1e-99999999999999999999", 0, 1 },
		{ "10e-1", 1, 1 },
		{ "15e-1", 1, 2 },
		{ "1.5e1", 15, 15 },
		{ "1.55E+1", 15, 16 },
		{ "0.0015e3", 1, 2 },
		{ "0.0015e4", 15, 15 },
		{ "1e3", 1000, 1000 },
		{ "1300819380", 1300819380, 1300819380 },
		{ "1300819380.9999999999999999999999", 1300819380, 1300819381 },
		{ "1700000000.000000000000000000001", 1700000000, 1700000001 },
		{ "9007199254740993", 9007199254740993, 9007199254740993 },
		{ "4611686018427387903", 4611686018427387903, 4611686018427387903 },
		{ "4611686018427387903.5", 4611686018427387903, 4611686018427387904 },
		{ "4611686018427387904", 4611686018427387904, 4611686018427387904 },
		{ "4611686018427387905", 4611686018427387904, 4611686018427387904 },
		{ "-4611686018427387905", -4611686018427387904, -4611686018427387904 },
		{ "9223372036854775808", 4611686018427387904, 4611686018427387904 },
		{ "99999999999999999999999", 4611686018427387904, 4611686018427387904 },
		{ "1e300", 4611686018427387904, 4611686018427387904 },
		{ "-1e300", -4611686018427387904, -4611686018427387904 },
		{ "1.7976931348623157e308", 4611686018427387904, 4611686018427387904 },
		{ "100000000000000000000e-20", 1, 1 },
		{ "100000000000000000001e-20", 1, 2 },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
	{
		char		text[128];
		JoseJsonDoc doc;
		JoseError	err;
		JoseCode	code;

		sprintf(text, "{\"n\":%s}", cases[i].text);
		code = parse(text, strlen(text), &doc, &err);
		if (!CHECK_CODE(code, JOSE_OK, &err, "%s", cases[i].text))
			continue;
		CHECK(jose_json_integer(doc.root->child, false) == cases[i].down, "%s down: %lld",
			  cases[i].text, (long long) jose_json_integer(doc.root->child, false));
		CHECK(jose_json_integer(doc.root->child, true) == cases[i].up, "%s up: %lld",
			  cases[i].text, (long long) jose_json_integer(doc.root->child, true));
		jose_json_free(HOST, &doc);
	}

	BAD("{\"n\":01}");
	BAD("{\"n\":-}");
	BAD("{\"n\":-01}");
	BAD("{\"n\":+1}");
	BAD("{\"n\":.5}");
	BAD("{\"n\":1.}");
	BAD("{\"n\":1.e5}");
	BAD("{\"n\":1e}");
	BAD("{\"n\":1e+}");
	BAD("{\"n\":1e5.5}");
	BAD("{\"n\":0x10}");
	BAD("{\"n\":1_000}");
	BAD("{\"n\":1 000}");
	BAD("{\"n\":NaN}");
	BAD("{\"n\":Infinity}");
	BAD("{\"n\":-Infinity}");
	BAD("{\"n\":1e400}");
	BAD("{\"n\":-1e400}");
	BAD("{\"n\":1e309}");
	BAD("{\"n\":0.1e310}");
	BAD("{\"n\":1e99999999999999999999}");
	BAD("{\"n\":1.7976931348623159e308}");
	GOOD("{\"n\":0e400}");
	GOOD("{\"n\":0.0000000000000000000000001e333}");
	GOOD("{\"n\":1.7976931348623158e308}");
}

/* Is a number taken exactly where the C library's conversion is finite? */
static void
test_range(void)
{
	static const char limit[] = "17976931348623158079372897140530341507993413271003782693617377898";

	for (int round = 0; round < 2000; round++)
	{
		char		digits[310];
		char		text[350];
		char	   *number = text + 5;
		JoseJsonDoc doc;
		JoseError	err;
		JoseCode	code;

		/* the limit's digits up to some place, then any */
		memcpy(digits, limit, sizeof(limit) - 1);
		for (size_t i = 14 + (size_t) rand() % (sizeof(limit) - 14); i < 309; i++)
			digits[i] = (char) ('0' + rand() % 10);
		digits[309] = '\0';
		if (round % 2)
			sprintf(text, "{\"n\":%s}", digits);
		else
			sprintf(text, "{\"n\":%c.%se308}", digits[0], digits + 1);
		code = parse(text, strlen(text), &doc, &err);
		CHECK(isfinite(strtod(number, NULL)) == (code == JOSE_OK), "%s: %s", text, jose_code_name(code));
		if (code == JOSE_OK)
			jose_json_free(HOST, &doc);
	}
}

static char *
nested(int depth, bool object)
{
	char	   *text = malloc((size_t) depth * 8 + 16);
	char	   *p = text;

	p += sprintf(p, "{\"a\":");
	for (int i = 1; i < depth; i++)
		p += sprintf(p, object ? "{\"a\":" : "[");
	p += sprintf(p, "1");
	for (int i = 1; i < depth; i++)
		p += sprintf(p, object ? "}" : "]");
	sprintf(p, "}");
	return text;
}

static void
test_limits(void)
{
	char	   *text;
	char	   *p;

	for (int object = 0; object < 2; object++)
	{
		text = nested(JOSE_MAX_JSON_DEPTH, object);
		check_text(text, strlen(text), JOSE_OK);
		free(text);
		text = nested(JOSE_MAX_JSON_DEPTH + 1, object);
		check_text(text, strlen(text), JOSE_ERR_LIMIT);
		free(text);
		text = nested(20000, object);
		check_text(text, strlen(text), JOSE_ERR_LIMIT);
		free(text);
	}

	for (int extra = 0; extra < 2; extra++)
	{
		text = malloc(20 * (JOSE_MAX_JSON_MEMBERS + 2));
		p = text;
		for (int i = 0; i < JOSE_MAX_JSON_MEMBERS + extra; i++)
			p += sprintf(p, "%c\"%d\":%d", i == 0 ? '{' : ',', i, i);
		sprintf(p, "}");
		check_text(text, strlen(text), extra ? JOSE_ERR_LIMIT : JOSE_OK);
		free(text);
	}

	/* many elements are no matter */
	text = malloc(60020);
	p = text + sprintf(text, "{\"a\":[0");
	for (int i = 0; i < 25000; i++)
		p += sprintf(p, ",0");
	sprintf(p, "]}");
	check_text(text, strlen(text), JOSE_OK);
	free(text);
}

static void
test_content(void)
{
	static const char text[] =
	"{\"plain\":\"abc\",\"esc\\u0061ped\":\"x\\ty\\\"\\\\\\/\\u00e9\\ud83d\\ude00\",\"e\":\"\",\"n\":-1.5e3,"
	"\"a\":[\"\\n\",[],{}],\"t\":true,\"f\":false,\"z\":null}";
	JoseJsonDoc doc;
	JoseError	err;
	const JoseJson *v;

	if (!CHECK_CODE(parse(text, sizeof(text) - 1, &doc, &err), JOSE_OK, &err, "content"))
		return;
	CHECK(doc.root->type == JOSE_JSON_OBJECT && doc.root->n == 8, "%u members", doc.root->n);
	v = jose_json_get(doc.root, "plain");
	CHECK(v != NULL && jose_json_is(v, "abc") && !jose_json_is(v, "ab") && !jose_json_is(v, "abcd"), "plain");
	v = jose_json_get(doc.root, "escaped");
	CHECK(v != NULL && jose_json_is(v, "x\ty\"\\/\xc3\xa9\xf0\x9f\x98\x80"), "escaped");
	v = jose_json_get(doc.root, "e");
	CHECK(v != NULL && jose_json_is(v, "") && v->len == 0, "empty");
	v = jose_json_get(doc.root, "n");
	CHECK(v != NULL && v->type == JOSE_JSON_NUMBER && v->len == 6 && memcmp(v->text, "-1.5e3", 6) == 0, "number");
	v = jose_json_get(doc.root, "a");
	CHECK(v != NULL && v->type == JOSE_JSON_ARRAY && v->n == 3 && jose_json_is(v->child, "\n") &&
		  v->child->next->type == JOSE_JSON_ARRAY && v->child->next->n == 0 &&
		  v->child->next->next->type == JOSE_JSON_OBJECT && v->child->next->next->next == NULL, "array");
	v = jose_json_get(doc.root, "t");
	CHECK(v != NULL && v->type == JOSE_JSON_TRUE && !jose_json_is(v, "true"), "true");
	CHECK(jose_json_get(doc.root, "f")->type == JOSE_JSON_FALSE, "false");
	CHECK(jose_json_get(doc.root, "z")->type == JOSE_JSON_NULL, "null");
	CHECK(jose_json_get(doc.root, "plai") == NULL && jose_json_get(doc.root, "plainx") == NULL &&
		  jose_json_get(doc.root, "") == NULL, "a member that is not there");
	jose_json_free(HOST, &doc);
}

/* ----------------------------------------------------------- and jansson */

static bool
same(const JoseJson *a, json_t *b)
{
	switch (a->type)
	{
		case JOSE_JSON_NULL:
			return json_is_null(b);
		case JOSE_JSON_TRUE:
			return json_is_true(b);
		case JOSE_JSON_FALSE:
			return json_is_false(b);
		case JOSE_JSON_NUMBER:
			{
				char		text[512];

				if (a->len >= sizeof(text))
					return json_is_real(b);
				memcpy(text, a->text, a->len);
				text[a->len] = '\0';
				return json_is_real(b) && json_real_value(b) == strtod(text, NULL);
			}
		case JOSE_JSON_STRING:
			return json_is_string(b) && json_string_length(b) == a->len &&
				memcmp(json_string_value(b), a->text, a->len) == 0;
		case JOSE_JSON_ARRAY:
			{
				size_t		i = 0;

				if (!json_is_array(b) || json_array_size(b) != a->n)
					return false;
				for (const JoseJson *e = a->child; e != NULL; e = e->next)
					if (!same(e, json_array_get(b, i++)))
						return false;
				return true;
			}
		case JOSE_JSON_OBJECT:
			if (!json_is_object(b) || json_object_size(b) != a->n)
				return false;
			for (const JoseJson *m = a->child; m != NULL; m = m->next)
			{
				json_t	   *v = json_object_getn(b, m->name, m->name_len);

				if (v == NULL || !same(m, v))
					return false;
			}
			return true;
	}
	return false;
}

static void
compare(const char *text, size_t len)
{
	JoseJsonDoc doc;
	JoseError	err;
	JoseCode	code = parse(text, len, &doc, &err);
	json_t	   *theirs = json_loadb(text, len, JSON_REJECT_DUPLICATES | JSON_DECODE_INT_AS_REAL, NULL);

	if (code == JOSE_OK)
	{
		CHECK(theirs != NULL && same(doc.root, theirs), "jansson reads another: %.*s", (int) len, text);
		jose_json_free(HOST, &doc);
	}
	else if (code == JOSE_ERR_MALFORMED)
		CHECK(!json_is_object(theirs), "jansson takes it: %.*s: %s", (int) len, text, err.detail);
	json_decref(theirs);
}

static void
test_mutations(void)
{
	static const char *const seeds[] = {
		"{\"alg\":\"ES256\",\"typ\":\"JWT\",\"kid\":\"a\\u0062c\",\"x\":[1,-2.5e-3,{\"y\":null}]}",
		"{\"iss\":\"joe\",\r\n \"exp\":1300819380,\r\n \"http://example.com/is_root\":true}",
		"{\"s\":\"\\\"\\\\\\/\\b\\f\\n\\r\\t\\ud83d\\ude00\",\"u\":\"\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\"}",
		"{\"a\":[[],[[]],{}],\"b\":{\"a\":{\"a\":1e308}},\"c\":0.1,\"d\":123456789012345678901234567890}",
	};
	static const char bits[] = "{}[]:,\"\\u0123456789abcdefDdnrtE+-. \n\t\x80\xc3\xe2\xf0\xff\x1f";
#ifdef SANITIZED
	const int	rounds = 30000;
#else
	const int	rounds = 200000;
#endif

	for (int i = 0; i < rounds; i++)
	{
		char		text[256];
		const char *seed = seeds[i % 4];
		size_t		len = strlen(seed);

		memcpy(text, seed, len);
		/* no NUL: jansson passes over one that comes behind a number */
		for (int k = rand() % 3; k >= 0; k--)
		{
			size_t		at = (size_t) rand() % len;
			char		c = bits[(size_t) rand() % (sizeof(bits) - 1)];

			switch (rand() % 4)
			{
				case 0:
					text[at] = c;
					break;
				case 1:
					memmove(text + at + 1, text + at, len - at);
					text[at] = c;
					len++;
					break;
				case 2:
					memmove(text + at, text + at + 1, len - at - 1);
					len--;
					break;
				default:
					{
						/* something from elsewhere in the text */
						size_t		from = (size_t) rand() % len;
						size_t		n = (size_t) rand() % 8;

						if (from + n < len && at + n < len)
							memmove(text + at, text + from, n);
						break;
					}
			}
		}
		compare(text, len);
	}
}

int
main(void)
{
	srand(1);
	test_grammar();
	test_numbers();
	test_range();
	test_limits();
	test_content();
	test_mutations();
	return finish();
}
