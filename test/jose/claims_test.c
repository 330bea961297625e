/*-------------------------------------------------------------------------
 *
 * claims_test.c
 *	  Registered claims: types, expectations, and time to the second.
 *
 *-------------------------------------------------------------------------
 */
#include "harness.h"

static const int64_t NOW = 1700000000;

/* now and the expectations of the next checks */
static int64_t now;
static JoseExpectations want;
static JoseTimes times;

static void
reset(void)
{
	now = NOW;
	memset(&want, 0, sizeof(want));
}

static void
is(const char *payload, JoseCode code)
{
	JoseError	err;
	size_t		n = strlen(payload);
	char	   *copy = malloc(n > 0 ? n : 1);
	long		live = host.live;

	memcpy(copy, payload, n);
	memset(&times, 0, sizeof(times));
	CHECK_CODE(jose_claims_check(HOST, copy, n, &want, now, &times, &err), code, &err, "%.150s", payload);
	CHECK(host.live == live, "%.150s: %ld blocks", payload, host.live - live);
	free(copy);
}

/* {"name": value} with a printf format for the value */
#define WITH(code, name, ...) \
	do { \
		char		value[200]; \
		char		payload[300]; \
		snprintf(value, sizeof(value), __VA_ARGS__); \
		snprintf(payload, sizeof(payload), "{\"%s\":%s}", name, value); \
		is(payload, code); \
	} while (0)

static void
test_form(void)
{
	char	   *text = malloc(70000);

	reset();
	is("{}", JOSE_OK);
	is(" {\r\n} ", JOSE_OK);
	is("{\"any\":[1,{\"thing\":null}],\"n\":12345678901234567890123}", JOSE_OK);
	is("", JOSE_ERR_MALFORMED);
	is("[]", JOSE_ERR_MALFORMED);
	is("null", JOSE_ERR_MALFORMED);
	is("\"{}\"", JOSE_ERR_MALFORMED);
	is("{}{}", JOSE_ERR_MALFORMED);
	is("{\"sub\":\"a\",\"sub\":\"b\"}", JOSE_ERR_MALFORMED);
	is("{\"x\":{\"y\":1,\"\\u0079\":1}}", JOSE_ERR_MALFORMED);
	is("{\"sub\":\"a\\u0000b\"}", JOSE_ERR_MALFORMED);
	is("{\"sub\":\"\xff\"}", JOSE_ERR_MALFORMED);
	is("{\"x\":1e400}", JOSE_ERR_MALFORMED);
	memset(text, '[', 70000);
	memcpy(text, "{\"x\":", 5);
	text[100] = '\0';
	is(text, JOSE_ERR_LIMIT);
	memset(text, ' ', 70000);
	memcpy(text, "{}", 2);
	text[JOSE_MAX_TOKEN_BYTES] = '\0';
	is(text, JOSE_OK);
	text[JOSE_MAX_TOKEN_BYTES] = ' ';
	text[JOSE_MAX_TOKEN_BYTES + 1] = '\0';
	is(text, JOSE_ERR_LIMIT);
	free(text);
}

static void
test_types(void)
{
	static const char *const dates[] = { "exp", "nbf", "iat" };
	static const char *const strings[] = { "iss", "sub", "jti" };
	static const char *const values[] = { "null", "true", "[]", "{}", "[1]", "{\"a\":1}" };

	reset();
	want.any_audience = true;
	for (int i = 0; i < 3; i++)
	{
		for (size_t k = 0; k < sizeof(values) / sizeof(values[0]); k++)
		{
			WITH(JOSE_ERR_MALFORMED, dates[i], "%s", values[k]);
			WITH(JOSE_ERR_MALFORMED, strings[i], "%s", values[k]);
		}
		WITH(JOSE_ERR_MALFORMED, dates[i], "\"%lld\"", (long long) NOW + 100);
		WITH(JOSE_ERR_MALFORMED, dates[i], "\"\"");
		WITH(JOSE_ERR_MALFORMED, dates[i], "\"2030-01-01T00:00:00Z\"");
		WITH(JOSE_ERR_MALFORMED, dates[i], "1e400");
		WITH(JOSE_ERR_MALFORMED, dates[i], "NaN");
		WITH(JOSE_ERR_MALFORMED, dates[i], "Infinity");
		WITH(JOSE_ERR_MALFORMED, strings[i], "7");
		WITH(JOSE_OK, strings[i], "\"\"");
		WITH(JOSE_OK, strings[i], "\"\xc3\xa9 \\ud83d\\ude00\"");
	}
	WITH(JOSE_ERR_MALFORMED, "aud", "null");
	WITH(JOSE_ERR_MALFORMED, "aud", "7");
	WITH(JOSE_ERR_MALFORMED, "aud", "{}");
	WITH(JOSE_ERR_MALFORMED, "aud", "{\"a\":\"b\"}");
	WITH(JOSE_ERR_MALFORMED, "aud", "[1]");
	WITH(JOSE_ERR_MALFORMED, "aud", "[\"a\",null]");
	WITH(JOSE_ERR_MALFORMED, "aud", "[[\"a\"]]");
	WITH(JOSE_OK, "aud", "[]");
	WITH(JOSE_OK, "aud", "\"a\"");
	WITH(JOSE_OK, "aud", "[\"a\",\"b\"]");

	/* a wrong type is said before anything else */
	is("{\"exp\":1,\"sub\":7}", JOSE_ERR_MALFORMED);
}

static void
test_exp(void)
{
	reset();
	WITH(JOSE_OK, "exp", "%lld", (long long) NOW + 1);
	WITH(JOSE_ERR_EXPIRED, "exp", "%lld", (long long) NOW);
	WITH(JOSE_ERR_EXPIRED, "exp", "%lld", (long long) NOW - 1);
	WITH(JOSE_ERR_EXPIRED, "exp", "0");
	WITH(JOSE_ERR_EXPIRED, "exp", "-1");
	WITH(JOSE_ERR_EXPIRED, "exp", "-1e300");
	WITH(JOSE_OK, "exp", "1e300");
	CHECK(times.has_exp && times.exp == (int64_t) 1 << 62, "%lld", (long long) times.exp);
	WITH(JOSE_OK, "exp", "9223372036854775807");
	WITH(JOSE_OK, "exp", "99999999999999999999999999");
	WITH(JOSE_ERR_EXPIRED, "exp", "-99999999999999999999999999");

	/* a fraction gives no time */
	WITH(JOSE_ERR_EXPIRED, "exp", "%lld.999999", (long long) NOW);
	WITH(JOSE_OK, "exp", "%lld.000001", (long long) NOW + 1);
	CHECK(times.exp == NOW + 1, "%lld", (long long) times.exp);
	WITH(JOSE_OK, "exp", "1.7000000015e9");
	CHECK(times.exp == NOW + 1, "%lld", (long long) times.exp);
	WITH(JOSE_ERR_EXPIRED, "exp", "1.7e9");
	WITH(JOSE_ERR_EXPIRED, "exp", "1.70000000099999999999999999999999e9");

	want.leeway = 60;
	WITH(JOSE_OK, "exp", "%lld", (long long) NOW - 59);
	WITH(JOSE_ERR_EXPIRED, "exp", "%lld", (long long) NOW - 60);
	WITH(JOSE_ERR_EXPIRED, "exp", "%lld.5", (long long) NOW - 60);
	WITH(JOSE_OK, "exp", "1e308");
	WITH(JOSE_ERR_EXPIRED, "exp", "-1e308");

	/* the far ends of the clock */
	now = (int64_t) 1 << 61;
	want.leeway = (int64_t) 1 << 61;
	WITH(JOSE_OK, "exp", "1e300");
	WITH(JOSE_ERR_EXPIRED, "exp", "-1e300");
	WITH(JOSE_OK, "nbf", "-1e300");
	WITH(JOSE_OK, "exp", "1");
	WITH(JOSE_ERR_EXPIRED, "exp", "0");
	now = -now;
	WITH(JOSE_OK, "exp", "1e300");
	WITH(JOSE_ERR_NOT_YET_VALID, "nbf", "1e300");
	want.max_age = (int64_t) 1 << 61;
	WITH(JOSE_ERR_NOT_YET_VALID, "iat", "1e300");
	WITH(JOSE_OK, "iat", "-1e18");
}

static void
test_nbf(void)
{
	reset();
	WITH(JOSE_OK, "nbf", "%lld", (long long) NOW - 1);
	WITH(JOSE_OK, "nbf", "%lld", (long long) NOW);
	WITH(JOSE_ERR_NOT_YET_VALID, "nbf", "%lld", (long long) NOW + 1);
	WITH(JOSE_ERR_NOT_YET_VALID, "nbf", "%lld.1", (long long) NOW);
	CHECK(times.nbf == NOW + 1, "%lld", (long long) times.nbf);
	WITH(JOSE_OK, "nbf", "%lld.9", (long long) NOW - 1);
	WITH(JOSE_OK, "nbf", "-5");
	WITH(JOSE_ERR_NOT_YET_VALID, "nbf", "1e300");
	want.leeway = 60;
	WITH(JOSE_OK, "nbf", "%lld", (long long) NOW + 60);
	WITH(JOSE_ERR_NOT_YET_VALID, "nbf", "%lld", (long long) NOW + 61);
	WITH(JOSE_ERR_NOT_YET_VALID, "nbf", "%lld.01", (long long) NOW + 60);
}

static void
test_iat(void)
{
	reset();
	/* only a number, as long as no age is asked */
	WITH(JOSE_OK, "iat", "%lld", (long long) NOW + 1000);
	WITH(JOSE_OK, "iat", "0");
	CHECK(times.has_iat && times.iat == 0 && !times.has_exp && !times.has_nbf, "times");
	want.max_age = 300;
	is("{}", JOSE_ERR_MISSING_CLAIM);
	is("{\"exp\":1}", JOSE_ERR_MISSING_CLAIM);
	WITH(JOSE_OK, "iat", "%lld", (long long) NOW);
	WITH(JOSE_OK, "iat", "%lld", (long long) NOW - 300);
	WITH(JOSE_ERR_EXPIRED, "iat", "%lld", (long long) NOW - 301);
	WITH(JOSE_ERR_NOT_YET_VALID, "iat", "%lld", (long long) NOW + 1);
	WITH(JOSE_ERR_NOT_YET_VALID, "iat", "%lld.5", (long long) NOW);
	WITH(JOSE_ERR_NOT_YET_VALID, "iat", "1e300");
	WITH(JOSE_ERR_EXPIRED, "iat", "-1e300");
	want.leeway = 10;
	WITH(JOSE_OK, "iat", "%lld", (long long) NOW - 310);
	WITH(JOSE_ERR_EXPIRED, "iat", "%lld", (long long) NOW - 311);
	WITH(JOSE_OK, "iat", "%lld", (long long) NOW + 10);
	WITH(JOSE_ERR_NOT_YET_VALID, "iat", "%lld", (long long) NOW + 11);
}

static void
test_names(void)
{
	static const char *const audiences[] = { "api", "https://example.com/" };
	static const char *const required[] = { "exp", "role" };

	reset();
	want.issuer = "https://issuer.example";
	is("{}", JOSE_ERR_MISSING_CLAIM);
	is("{\"iss\":\"https://issuer.example\"}", JOSE_OK);
	is("{\"iss\":\"https:\\/\\/issuer.ex\\u0061mple\"}", JOSE_OK);
	is("{\"iss\":\"https://issuer.example/\"}", JOSE_ERR_ISSUER);
	is("{\"iss\":\"https://Issuer.example\"}", JOSE_ERR_ISSUER);
	is("{\"iss\":\"https://issuer.exampl\"}", JOSE_ERR_ISSUER);
	is("{\"iss\":\"\"}", JOSE_ERR_ISSUER);
	is("{\"Iss\":\"https://issuer.example\"}", JOSE_ERR_MISSING_CLAIM);
	is("{\"x\":{\"iss\":\"https://issuer.example\"}}", JOSE_ERR_MISSING_CLAIM);
	/* whose it is comes before its time */
	is("{\"iss\":\"other\",\"exp\":1}", JOSE_ERR_ISSUER);
	is("{\"iss\":\"https://issuer.example\",\"exp\":1}", JOSE_ERR_EXPIRED);

	reset();
	want.subject = "alice";
	is("{}", JOSE_ERR_MISSING_CLAIM);
	is("{\"sub\":\"alice\"}", JOSE_OK);
	is("{\"sub\":\"Alice\"}", JOSE_ERR_SUBJECT);
	is("{\"sub\":\"alice \"}", JOSE_ERR_SUBJECT);

	/* an audience that nobody claims to be */
	reset();
	is("{\"aud\":\"api\"}", JOSE_ERR_AUDIENCE);
	is("{\"aud\":[\"api\"]}", JOSE_ERR_AUDIENCE);
	is("{\"aud\":[]}", JOSE_ERR_AUDIENCE);
	want.any_audience = true;
	is("{\"aud\":\"api\"}", JOSE_OK);
	is("{\"aud\":[]}", JOSE_OK);

	reset();
	want.audiences = audiences;
	want.n_audiences = 1;
	is("{}", JOSE_ERR_MISSING_CLAIM);
	is("{\"aud\":\"api\"}", JOSE_OK);
	is("{\"aud\":[\"api\"]}", JOSE_OK);
	is("{\"aud\":[\"x\",\"api\"]}", JOSE_OK);
	is("{\"aud\":[]}", JOSE_ERR_AUDIENCE);
	is("{\"aud\":[\"x\"]}", JOSE_ERR_AUDIENCE);
	is("{\"aud\":\"\"}", JOSE_ERR_AUDIENCE);
	is("{\"aud\":\"API\"}", JOSE_ERR_AUDIENCE);
	is("{\"aud\":\"api,x\"}", JOSE_ERR_AUDIENCE);
	is("{\"aud\":\"x api\"}", JOSE_ERR_AUDIENCE);
	is("{\"aud\":\"https://example.com/\"}", JOSE_ERR_AUDIENCE);
	is("{\"aud\":\"api\",\"exp\":1}", JOSE_ERR_EXPIRED);
	want.n_audiences = 2;
	is("{\"aud\":\"https://example.com/\"}", JOSE_OK);
	is("{\"aud\":[\"x\",\"https://example.com/\"]}", JOSE_OK);

	reset();
	want.required = required;
	want.n_required = 2;
	is("{}", JOSE_ERR_MISSING_CLAIM);
	is("{\"exp\":2000000000}", JOSE_ERR_MISSING_CLAIM);
	is("{\"exp\":2000000000,\"role\":null}", JOSE_ERR_MISSING_CLAIM);
	is("{\"exp\":2000000000,\"role\":false}", JOSE_OK);
	is("{\"exp\":2000000000,\"role\":\"\"}", JOSE_OK);
	is("{\"exp\":1,\"role\":1}", JOSE_ERR_EXPIRED);
}

static void
test_arguments(void)
{
	static const int64_t far = ((int64_t) 1 << 61) + 1;
	JoseError	err;

	reset();
	want.leeway = -1;
	is("{}", JOSE_ERR_ARGUMENT);
	want.leeway = far;
	is("{}", JOSE_ERR_ARGUMENT);
	want.leeway = INT64_MAX;
	is("{}", JOSE_ERR_ARGUMENT);
	reset();
	want.max_age = -1;
	is("{}", JOSE_ERR_ARGUMENT);
	want.max_age = far;
	is("{}", JOSE_ERR_ARGUMENT);
	reset();
	now = far;
	is("{}", JOSE_ERR_ARGUMENT);
	now = -far;
	is("{}", JOSE_ERR_ARGUMENT);
	now = INT64_MIN;
	is("{}", JOSE_ERR_ARGUMENT);

	/* no expectations, no times */
	CHECK_CODE(jose_claims_check(HOST, "{\"exp\":5}", 9, NULL, 4, NULL, &err), JOSE_OK, &err, "nothing asked");
	CHECK_CODE(jose_claims_check(HOST, "{\"exp\":5}", 9, NULL, 5, NULL, &err), JOSE_ERR_EXPIRED, &err, "nothing asked");

	/* the times are told even where they refuse */
	reset();
	is("{\"exp\":5,\"nbf\":3,\"iat\":4}", JOSE_ERR_EXPIRED);
	CHECK(times.has_exp && times.has_nbf && times.has_iat && times.exp == 5 && times.nbf == 3 && times.iat == 4,
		  "times");
}

/* want: the string, NULL where the claim is absent */
static void
string_is(const char *payload, const char *name, JoseCode code, const char *string)
{
	static char untouched[] = "untouched";
	char	   *value = untouched;
	JoseError	err;
	long		live = host.live;

	CHECK_CODE(jose_claims_string(HOST, payload, strlen(payload), name, &value, &err), code, &err, "%.150s", payload);
	if (code != JOSE_OK)
		CHECK(value == untouched, "%.150s: handed out", payload);
	else if (string == NULL)
		CHECK(value == NULL, "%.150s: there is none", payload);
	else
		CHECK(value != NULL && strcmp(value, string) == 0, "%.150s: not %s", payload, string);
	if (code == JOSE_OK && value != NULL)
		drop(value);
	CHECK(host.live == live, "%.150s: %ld blocks", payload, host.live - live);
}

static void
test_string(void)
{
	JoseError	err;
	char	   *value;
	char	   *large = calloc(1, JOSE_MAX_TOKEN_BYTES + 1);

	string_is("{\"iss\":\"me\"}", "iss", JOSE_OK, "me");
	string_is("{\"iss\":\"m\\u0065 \\ud83d\\ude00\\n\"}", "iss", JOSE_OK, "me \xf0\x9f\x98\x80\n");
	string_is("{\"i\\u0073s\":\"\"}", "iss", JOSE_OK, "");
	string_is("{}", "iss", JOSE_OK, NULL);
	string_is("{\"a\":{\"iss\":\"me\"}}", "iss", JOSE_OK, NULL);
	string_is("{\"ISS\":\"me\"}", "iss", JOSE_OK, NULL);
	string_is("{\"iss\":null}", "iss", JOSE_ERR_MALFORMED, NULL);
	string_is("{\"iss\":7}", "iss", JOSE_ERR_MALFORMED, NULL);
	string_is("{\"iss\":[\"me\"]}", "iss", JOSE_ERR_MALFORMED, NULL);
	string_is("{\"iss\":\"me\",\"iss\":\"you\"}", "iss", JOSE_ERR_MALFORMED, NULL);
	string_is("{\"iss\":\"a\\u0000b\"}", "iss", JOSE_ERR_MALFORMED, NULL);
	string_is("[\"iss\"]", "iss", JOSE_ERR_MALFORMED, NULL);
	string_is("", "iss", JOSE_ERR_MALFORMED, NULL);
	CHECK_CODE(jose_claims_string(HOST, large, JOSE_MAX_TOKEN_BYTES + 1, "iss", &value, &err), JOSE_ERR_LIMIT, &err, "large");
	free(large);
}

int
main(void)
{
	test_string();
	test_form();
	test_types();
	test_exp();
	test_nbf();
	test_iat();
	test_names();
	test_arguments();
	return finish();
}
