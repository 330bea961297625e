/*-------------------------------------------------------------------------
 *
 * core_test.c
 *	  Unit tests of the Cedar library's API: what its header promises about
 *	  memory, positions, limits, encodings and damaged input.
 *
 * What a policy means is the business of cases_test; expectations about the
 * language here (names, escapes) are the reference implementation's.
 *
 *-------------------------------------------------------------------------
 */
#define _POSIX_C_SOURCE 200809L

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness.h"
#include "internal.h"

#define LENGTH(a) (sizeof(a) / sizeof((a)[0]))

/* A string literal with its length, NULs inside included. */
#define LIT(s) (s), (sizeof(s) - 1)

static long passed;
static long failed;

static void check_at(int line, bool ok, const char *fmt,...)
			__attribute__((format(printf, 3, 4)));

static void
check_at(int line, bool ok, const char *fmt,...)
{
	va_list		args;

	if (ok)
	{
		passed++;
		return;
	}
	failed++;
	printf("core_test.c:%d: ", line);
	va_start(args, fmt);
	vprintf(fmt, args);
	va_end(args);
	printf("\n");
}

#define CHECK(cond) check_at(__LINE__, (cond), "%s", #cond)
#define CHECKF(cond, ...) check_at(__LINE__, (cond), __VA_ARGS__)

/* ------------------------------------------------------- one test's arena */

typedef struct Bench
{
	Host		host;
	CedarArena *arena;
	CedarError	err;
} Bench;

static void
bench_open(Bench *b)
{
	host_open(&b->host);
	memset(&b->err, 0, sizeof(b->err));
	b->arena = cedar_arena_create(&b->host.vtable);
	if (b->arena == NULL)
	{
		printf("no arena\n");
		exit(1);
	}
}

static void
bench_close_at(int line, Bench *b)
{
	cedar_arena_destroy(b->arena);
	check_at(line, host_close(&b->host), "memory left, or released twice");
}

#define bench_close(b) bench_close_at(__LINE__, b)

/* A growing text. */
typedef struct Text
{
	char	   *data;
	size_t		len;
	size_t		cap;
} Text;

static void
add(Text *t, const char *s, size_t len)
{
	if (t->len + len > t->cap)
	{
		t->cap = (t->len + len) * 2;
		t->data = realloc(t->data, t->cap);
	}
	if (len > 0)
		memcpy(t->data + t->len, s, len);
	t->len += len;
}

static void
adds(Text *t, const char *s)
{
	add(t, s, strlen(s));
}

static void
add_times(Text *t, const char *s, long n)
{
	while (n-- > 0)
		adds(t, s);
}

static CedarCode
parse(Bench *b, const char *text, size_t len)
{
	CedarAst   *ast;

	memset(&b->err, 0, sizeof(b->err));
	return cedar_parse(b->arena, text, len, &ast, &b->err);
}

#define ANY "permit(principal, action, resource)"
#define REQUEST "{\"principal\":{\"type\":\"U\",\"id\":\"a\"}," \
	"\"action\":{\"type\":\"Action\",\"id\":\"v\"}," \
	"\"resource\":{\"type\":\"D\",\"id\":\"d\"},\"context\":{}}"

/* Parse, compile, and decide REQUEST; what failed first, or CEDAR_OK. */
static CedarCode
decide(Bench *b, const char *text, size_t len, const char *entities_text,
	   CedarDecision *d)
{
	CedarAst   *ast;
	CedarCode	code;
	CedarPolicy *policies;
	CedarEntities *entities;
	CedarEntitySource source;
	CedarRequest request;
	uint32_t	n;

	memset(&b->err, 0, sizeof(b->err));
	code = cedar_parse(b->arena, text, len, &ast, &b->err);
	if (code != CEDAR_OK)
		return code;
	n = cedar_ast_count(ast);
	policies = malloc(sizeof(CedarPolicy) * (n + 1));
	for (uint32_t i = 0; i < n && code == CEDAR_OK; i++)
	{
		size_t		size;

		policies[i].id = "p";
		policies[i].id_len = 1;
		code = cedar_compile(b->arena, ast, i, &policies[i].piece, &size, &b->err);
	}
	if (code == CEDAR_OK)
		code = cedar_entities_from_json(b->arena, entities_text, strlen(entities_text),
										&entities, &b->err);
	if (code == CEDAR_OK)
		code = cedar_request_from_json(b->arena, REQUEST, strlen(REQUEST),
									   &request, &b->err);
	if (code == CEDAR_OK)
	{
		source = cedar_entities_source(entities);
		code = cedar_authorize(b->arena, policies, n, NULL, &source, &request, true, d, &b->err);
	}
	free(policies);
	return code;
}

/* ----------------------------------------------------------------- arena */

static void
test_arena(void)
{
	Bench		b;
	Host		failing;
	char	   *blocks[200];
	size_t		first_bytes;
	bool		aligned = true;
	bool		intact = true;

	host_open(&failing);
	failing.fail_at = 1;
	failing.fail_after = true;
	CHECK(cedar_arena_create(&failing.vtable) == NULL);
	CHECK(host_close(&failing));

	bench_open(&b);
	for (size_t i = 0; i < LENGTH(blocks); i++)
	{
		blocks[i] = cedar_arena_alloc(b.arena, i * 7 + 1);
		aligned = aligned && ((uintptr_t) blocks[i] & 7) == 0;
		memset(blocks[i], (int) i, i * 7 + 1);
	}
	for (size_t i = 0; i < LENGTH(blocks); i++)
		for (size_t k = 0; k < i * 7 + 1; k++)
			intact = intact && (unsigned char) blocks[i][k] == i;
	CHECK(aligned);
	CHECK(intact);
	CHECKF(cedar_arena_bytes(b.arena) == b.host.live_bytes,
		   "the arena counts %zu bytes, the host %zu",
		   cedar_arena_bytes(b.arena), b.host.live_bytes);
	{
		char	   *big = cedar_arena_alloc(b.arena, 10 * 1024 * 1024);
		char	   *zero = cedar_arena_alloc(b.arena, 0);

		CHECK(big != NULL && ((uintptr_t) big & 7) == 0);
		memset(big, 1, 10 * 1024 * 1024);
		CHECK(zero != NULL);
		CHECK(cedar_arena_alloc(b.arena, SIZE_MAX) == NULL);
		CHECK(cedar_arena_alloc(b.arena, SIZE_MAX - 7) == NULL);
		CHECK(cedar_arena_alloc(b.arena, SIZE_MAX - 64) == NULL);
		CHECK(cedar_arena_alloc(b.arena, SIZE_MAX / 2) == NULL);
		/* a refusal leaves the arena usable */
		CHECK(cedar_arena_alloc(b.arena, 16) != NULL);
	}
	CHECK(cedar_arena_bytes(b.arena) == b.host.live_bytes);
	bench_close(&b);

	/* reset keeps the first block and gives back the others */
	bench_open(&b);
	CHECK(cedar_arena_alloc(b.arena, 16) != NULL);
	first_bytes = b.host.live_bytes;
	for (int round = 0; round < 50; round++)
	{
		long		allocs;

		for (int i = 0; i < 1000; i++)
			cedar_arena_alloc(b.arena, 1000);
		cedar_arena_reset(b.arena);
		if (b.host.live_bytes != first_bytes)
			break;
		allocs = b.host.allocs;
		cedar_arena_alloc(b.arena, 16);
		if (b.host.allocs != allocs)
			break;
		if (round == 49)
			CHECK(true);
	}
	CHECKF(b.host.live_bytes == first_bytes, "after reset %zu bytes, at first %zu",
		   b.host.live_bytes, first_bytes);
	CHECK(cedar_arena_bytes(b.arena) == b.host.live_bytes);

	/* a reset arena works like a new one */
	CHECK(parse(&b, LIT(ANY ";")) == CEDAR_OK);
	bench_close(&b);

	/* callbacks other than alloc may be NULL; freed by this test's own count */
	bench_open(&b);
	{
		CedarHost	plain = b.host.vtable;
		CedarArena *arena;
		CedarAst   *ast;
		CedarError	err;

		plain.stack_is_too_deep = NULL;
		plain.check_interrupt = NULL;
		arena = cedar_arena_create(&plain);
		CHECK(cedar_parse(arena, LIT(ANY " when { [1, {a: 2}] == 3 };"), &ast, &err) == CEDAR_OK);
		cedar_arena_destroy(arena);

		plain.release = NULL;
		arena = cedar_arena_create(&plain);
		CHECK(cedar_parse(arena, LIT(ANY ";"), &ast, &err) == CEDAR_OK);
		cedar_arena_reset(arena);
		cedar_arena_destroy(arena);
	}
	cedar_arena_destroy(b.arena);
	host_close(&b.host);
}

/* ------------------------------------------------------------------ uids */

/* As cedar-wasm 4.13.0 accepts them as entity types in JSON. */
static const struct
{
	const char *text;
	bool		ok;
}			names[] = {
	{"User", true}, {"App::User", true}, {"_", true}, {"_a1::B", true},
	{"Action", true}, {"permit", true}, {"forbid", true}, {"when", true},
	{"unless", true}, {"principal", true}, {"action", true},
	{"resource", true}, {"context", true}, {"__cedarx", true}, {"If", true},
	{"ip", true}, {"decimal", true}, {"where", true}, {"Bool", true},
	{"Set", true}, {"String", true}, {"Long", true}, {"_::_", true},
	{"true", false}, {"false", false}, {"if", false}, {"then", false},
	{"else", false}, {"in", false}, {"is", false}, {"like", false},
	{"has", false}, {"__cedar", false}, {"__cedar::A", false},
	{"A::__cedar", false}, {"A::if", false}, {"A::true", false}, {"", false},
	{"A::", false}, {"::A", false}, {"A:: B", false}, {" A", false},
	{"A ", false}, {"A\n", false}, {"1A", false}, {"A-B", false},
	{"A:B", false}, {"A::::B", false}, {"\303\251", false}, {"A.B", false},
	{"A//c", false}, {"?principal", false}, {"A::\"b\"", false},
};

/* Ids, and how cedar-wasm's policyToText writes them. */
static const struct
{
	const char *id;
	size_t		len;
	const char *printed;
}			ids[] = {
	{LIT("alice"), "alice"},
	{LIT(""), ""},
	{LIT(" "), " "},
	{LIT("*"), "*"},
	{LIT("a\"b"), "a\\\"b"},
	{LIT("a\\b"), "a\\\\b"},
	{LIT("a\nb\tc\rd"), "a\\nb\\tc\\rd"},
	{LIT("a\0b"), "a\\0b"},
	{LIT("it's"), "it's"},
	{LIT("\303\251\342\202\254\360\237\230\200"), "\303\251\342\202\254\360\237\230\200"},
	{LIT("\177"), "\\u{7f}"},
	{LIT("\001"), "\\u{1}"},
};

/* Text forms; as cedar-wasm takes them in a policy's scope. */
static const struct
{
	const char *text;
	size_t		len;
	const char *id;				/* NULL: refused */
	size_t		id_len;
}			uid_texts[] = {
	{LIT("User::\"a\""), LIT("a")},
	{LIT("User::\"\\x7F\\u{41}\\n\\0\\'\\\"\\\\\""), LIT("\177A\n\0'\"\\")},
	{LIT("User::\"a\0b\""), LIT("a\0b")},
	{LIT("User::\"\\u{4_1}\""), LIT("A")},
	{LIT("User"), NULL, 0},
	{LIT("User::"), NULL, 0},
	{LIT("User::\"a"), NULL, 0},
	{LIT("::\"a\""), NULL, 0},
	{LIT("1U::\"a\""), NULL, 0},
	{LIT("if::\"a\""), NULL, 0},
	{LIT("__cedar::\"a\""), NULL, 0},
	{LIT("User::\"a\"x"), NULL, 0},
	{LIT("User::'a'"), NULL, 0},
	{LIT("User::\"\\x80\""), NULL, 0},
	{LIT("User::\"\\u{d800}\""), NULL, 0},
	{LIT("User::\"\\u{110000}\""), NULL, 0},
	{LIT("User::\"\\u{}\""), NULL, 0},
	{LIT("User::\"\\u{0000041}\""), NULL, 0},
	{LIT("User::\"\\q\""), NULL, 0},
	{LIT("User::\"\\*\""), NULL, 0},
	{LIT("User::{id:\"a\"}"), NULL, 0},
	{LIT("\"a\""), NULL, 0},
	{LIT("User::\"a\"::\"b\""), NULL, 0},
	{LIT(""), NULL, 0},
};

static void
test_uids(void)
{
	Bench		b;
	const CedarUid *uid;
	const CedarUid *other;

	bench_open(&b);
	for (size_t i = 0; i < LENGTH(names); i++)
	{
		size_t		len = strlen(names[i].text);
		CedarCode	code = cedar_uid_make(b.arena, names[i].text, len, LIT("x"), &uid, &b.err);

		CHECKF(cedar_is_name(names[i].text, len) == names[i].ok,
			   "cedar_is_name(\"%s\")", names[i].text);
		CHECKF(code == (names[i].ok ? CEDAR_OK : CEDAR_ERR_ENTITY),
			   "cedar_uid_make(\"%s\"): %s", names[i].text, code_name(code));
	}
	CHECK(!cedar_is_name(LIT("A\0B")));

	for (size_t i = 0; i < LENGTH(ids); i++)
	{
		char		want[200];
		char		got[200];
		char		cut[200];
		size_t		want_len;
		size_t		len;

		CHECK(cedar_uid_make(b.arena, LIT("App::User"), ids[i].id, ids[i].len, &uid, &b.err) == CEDAR_OK);
		CHECK(uid->type_len == 9 && uid->id_len == ids[i].len &&
			  memcmp(uid->bytes, "App::User", 9) == 0 &&
			  memcmp(uid->bytes + 9, ids[i].id, ids[i].len) == 0);
		want_len = (size_t) snprintf(want, sizeof(want), "App::User::\"%s\"", ids[i].printed);
		len = cedar_uid_print(uid, got, sizeof(got));
		CHECKF(len == want_len && memcmp(got, want, len) == 0,
			   "printed %.*s, want %s", (int) (len < sizeof(got) ? len : 0), got, want);

		/* never more than it was allowed */
		memset(cut, '#', sizeof(cut));
		CHECK(cedar_uid_print(uid, cut, 13) == len);
		CHECK(cut[13] == '#' && memcmp(cut, got, 11) == 0);
		CHECK(cedar_uid_print(uid, NULL, 0) == len);

		CHECKF(cedar_uid_parse(b.arena, got, len, &other, &b.err) == CEDAR_OK &&
			   cedar_uid_equal(uid, other) && uid->hash == other->hash &&
			   uid->type_hash == other->type_hash,
			   "%s does not come back", want);
	}
	for (size_t i = 0; i < LENGTH(uid_texts); i++)
	{
		CedarCode	code;

		memset(&b.err, 0, sizeof(b.err));
		code = cedar_uid_parse(b.arena, uid_texts[i].text, uid_texts[i].len, &uid, &b.err);
		if (uid_texts[i].id == NULL)
		{
			CHECKF(code != CEDAR_OK, "%s is taken", uid_texts[i].text);
			CHECKF(code == b.err.code && b.err.message[0] != '\0' &&
				   (!b.err.has_position || b.err.offset + b.err.length <= uid_texts[i].len),
				   "%s: error is not filled well (%s)", uid_texts[i].text, b.err.message);
		}
		else
			CHECKF(code == CEDAR_OK && uid->id_len == uid_texts[i].id_len &&
				   memcmp(uid->bytes + uid->type_len, uid_texts[i].id, uid->id_len) == 0,
				   "%s: %s", uid_texts[i].text, code == CEDAR_OK ? "other id" : b.err.message);
	}

	/* type and id are not run together */
	CHECK(cedar_uid_make(b.arena, LIT("A"), LIT("Bx"), &uid, &b.err) == CEDAR_OK);
	CHECK(cedar_uid_make(b.arena, LIT("AB"), LIT("x"), &other, &b.err) == CEDAR_OK);
	CHECK(!cedar_uid_equal(uid, other));
	CHECK(cedar_uid_make(b.arena, LIT("A"), LIT("bx"), &other, &b.err) == CEDAR_OK);
	CHECK(!cedar_uid_equal(uid, other));

	CHECK(cedar_uid_make(b.arena, LIT("Action"), LIT("x"), &uid, &b.err) == CEDAR_OK &&
		  cedar_uid_is_action(uid));
	CHECK(cedar_uid_make(b.arena, LIT("A::B::Action"), LIT("x"), &uid, &b.err) == CEDAR_OK &&
		  cedar_uid_is_action(uid));
	CHECK(cedar_uid_make(b.arena, LIT("MyAction"), LIT("x"), &uid, &b.err) == CEDAR_OK &&
		  !cedar_uid_is_action(uid));
	CHECK(cedar_uid_make(b.arena, LIT("Action::B"), LIT("x"), &uid, &b.err) == CEDAR_OK &&
		  !cedar_uid_is_action(uid));
	CHECK(cedar_uid_make(b.arena, LIT("action"), LIT("x"), &uid, &b.err) == CEDAR_OK &&
		  !cedar_uid_is_action(uid));
	bench_close(&b);
}

/* ---------------------------------------------------------------- values */

#define EXTN(fn, arg) "{\"__extn\":{\"fn\":\"" fn "\",\"arg\":\"" arg "\"}}"
#define UID(type, id) "{\"__entity\":{\"type\":\"" type "\",\"id\":\"" id "\"}}"

static const struct
{
	const char *a;
	const char *b;
	bool		equal;
}			value_pairs[] = {
	{"1", "1", true}, {"1", "2", false}, {"1", "true", false},
	{"0", "false", false}, {"1", "\"1\"", false},
	{"\"a\"", "\"\\u0061\"", true}, {"\"a\"", "\"A\"", false},
	{"\"a\\u0000b\"", "\"a\\u0000c\"", false},
	{"\"a\\u0000b\"", "\"a\\u0000b\"", true},
	{"[]", "[]", true}, {"[]", "{}", false}, {"[1,2,3]", "[3,2,1]", true},
	{"[1,1,2]", "[2,1,2,1]", true}, {"[1,2]", "[1,2,3]", false},
	{"[[1,2],[3]]", "[[3,3],[2,1]]", true},
	{"[{\"a\":1,\"b\":2}]", "[{\"b\":2,\"a\":1}]", true},
	{"[1,true,\"1\"]", "[\"1\",1,true]", true}, {"[1]", "[true]", false},
	{"{\"a\":1,\"b\":2}", "{\"b\":2,\"a\":1}", true},
	{"{\"a\":1}", "{\"a\":1,\"b\":2}", false},
	{"{\"a\":1}", "{\"b\":1}", false},
	{"{\"ab\":1,\"c\":2}", "{\"a\":1,\"bc\":2}", false},
	{UID("U", "a"), UID("U", "a"), true}, {UID("U", "a"), UID("U", "b"), false},
	{UID("U", "a"), UID("V", "a"), false}, {UID("U", "a"), "\"a\"", false},
	{EXTN("decimal", "1.0"), EXTN("decimal", "1.0000"), true},
	{EXTN("decimal", "1.0"), "10000", false},
	{EXTN("decimal", "-0.5"), EXTN("decimal", "0.5"), false},
	{EXTN("ip", "127.0.0.1"), EXTN("ip", "127.0.0.1/32"), true},
	{EXTN("ip", "127.0.0.1"), EXTN("ip", "127.0.0.1/31"), false},
	{EXTN("ip", "::1"), EXTN("ip", "0:0:0:0:0:0:0:1"), true},
	{EXTN("datetime", "2024-01-01"), EXTN("datetime", "2024-01-01T01:00:00+0100"), true},
	{EXTN("duration", "1h"), EXTN("duration", "60m"), true},
	{EXTN("duration", "0ms"), EXTN("datetime", "1970-01-01"), false},
	{EXTN("duration", "1ms"), "1", false},
};

static void
test_values(void)
{
	for (size_t i = 0; i < LENGTH(value_pairs); i++)
	{
		Bench		b;
		char		text[400];
		const CedarRecord *rec[2];
		CedarValue	value[2];
		bool		ok = true;

		bench_open(&b);
		for (int k = 0; k < 2; k++)
		{
			int			len = snprintf(text, sizeof(text), "{\"v\":%s}",
									   k == 0 ? value_pairs[i].a : value_pairs[i].b);
			CedarCode	code = cedar_context_from_json(b.arena, text, (size_t) len,
													   &rec[k], &b.err);

			CHECKF(code == CEDAR_OK, "%s: %s", text, b.err.message);
			ok = ok && code == CEDAR_OK;
			if (ok)
			{
				value[k].kind = CEDAR_RECORD;
				value[k].hash = rec[k]->hash;
				value[k].u.rec = rec[k];
			}
		}
		if (ok)
		{
			CHECKF(cedar_value_equal(&value[0], &value[1]) == value_pairs[i].equal,
				   "%s == %s is not %d", value_pairs[i].a, value_pairs[i].b, value_pairs[i].equal);
			CHECK(cedar_value_equal(&value[1], &value[0]) == value_pairs[i].equal);
			CHECK(cedar_value_equal(&value[0], &value[0]));
			if (value_pairs[i].equal)
				CHECKF(value[0].hash == value[1].hash, "%s, %s: equal, but hashed apart",
					   value_pairs[i].a, value_pairs[i].b);
		}
		bench_close(&b);
	}
	for (int kind = 0; kind < CEDAR_KIND_COUNT; kind++)
	{
		const char *name = cedar_kind_name((CedarKind) kind);

		CHECK(name != NULL && name[0] != '\0');
		for (int other = 0; other < kind; other++)
			CHECK(strcmp(name, cedar_kind_name((CedarKind) other)) != 0);
	}
	CHECK(strcmp(cedar_kind_name(CEDAR_LONG), "long") == 0);
	CHECK(strcmp(cedar_kind_name(CEDAR_SET), "set") == 0);
}

/* ------------------------------------------------------------- positions */

/* The first place of token after the mark `@`, which is not in the text given. */
static const struct
{
	const char *text;
	const char *token;			/* "": the end of the text */
}			syntax_errors[] = {
	{"permit(principal, action @resource);", "resource"},
	{"@allow(principal, action, resource);", "allow"},
	{"permit(@user, action, resource);", "user"},
	{"permit(principal, action, resource) @while { true };", "while"},
	{"permit(principal, action, resource) when { 1 @2 };", "2"},
	{"permit(principal, action, resource) when { @foo };", "foo"},
	{"permit(principal, action, resource) when { @foo(1) };", "foo"},
	{"permit(principal, action, resource) when { {a: 1, b: 2, @a: 3} };", "a"},
	{"permit(principal, action, resource) when { @9223372036854775808 };", "9223372036854775808"},
	{"permit(principal, action, resource) when { principal.@if };", "if"},
	{"permit(principal, action, resource) when { 1 @& 2 };", "&"},
	{"permit(principal, action, resource) when { 1 @% 2 };", "%"},
	{"permit(principal, action, resource) when { true }@", ""},
	{"permit(principal, action, resource) when { true @", ""},
	{"permit(principal, action, resource) when { (1 + 2 @};", "}"},
	{"// \303\251\342\202\254\npermit(principal, action, resource) when { @foo };", "foo"},
	{"permit(principal, action, resource);\npermit(principal, @actoin, resource);", "actoin"},
	{"permit(principal == @principal, action, resource);", "principal"},
	{"permit(principal, action == @?principal, resource);", "?principal"},
};

static const struct
{
	const char *text;
	const char *token;
}			entity_errors[] = {
	{"[{\"uid\":{\"type\":\"U\",\"id\":\"a\"},\"attrs\":{\"x\":@null},\"parents\":[]}]", "null"},
	{"[{\"uid\":{\"type\":\"U\",\"id\":\"a\"},\"attrs\":{\"x\":@-0},\"parents\":[]}]", "-0"},
	{"[{\"uid\":{\"type\":\"U\",\"id\":\"a\"},\"attrs\":{\"x\":[1,{\"y\":@1.5}]},\"parents\":[]}]", "1.5"},
	{"[{\"uid\":{\"type\":\"U\",\"id\":\"a\"},\"attrs\":{\"x\":1,@\"x\":2},\"parents\":[]}]", "\"x\""},
	{"[{\"uid\":{\"type\":\"U\",\"id\":\"a\"},\"attrs\":{},\"parents\":[@tru]}]", "tru"},
	{"[{\"uid\":{\"type\":\"U\",\"id\":\"a\"},\"attrs\":{},\"parents\":[@7]}]", "7"},
	{"[{\"uid\":{\"type\":@\"1U\",\"id\":\"a\"},\"attrs\":{},\"parents\":[]}]", "\"1U\""},
	{"[{\"uid\":{\"type\":\"U\",\"id\":\"a\"},\"attrs\":@[],\"parents\":[]}]", "[]"},
	{"[@", ""},
};

/* Errors of evaluation: the token is within the range, and the range in the expression. */
static const struct
{
	const char *expr;
	const char *token;
	CedarCode	code;
}			eval_errors[] = {
	{"principal.nope", "nope", CEDAR_EVAL_NO_ENTITY},
	{"context.nope", "nope", CEDAR_EVAL_NO_ATTR},
	{"1 + true", "true", CEDAR_EVAL_TYPE},
	{"9223372036854775807 + 1", "+", CEDAR_EVAL_OVERFLOW},
	{"decimal(\"x\")", "decimal", CEDAR_EVAL_EXTENSION},
};

/* JSON that does not parse: how far the fault reaches is a matter of taste. */
static bool
length_ok(const CedarError *err, size_t token_len)
{
	if (token_len == 0 || err->code == CEDAR_ERR_JSON)
		return err->length <= (token_len == 0 ? 1 : token_len);
	return err->length == token_len;
}

/* Take the mark out of text: where it was, and the text without it. */
static size_t
unmark(const char *text, char *out)
{
	const char *mark = strchr(text, '@');
	size_t		at = (size_t) (mark - text);

	memcpy(out, text, at);
	strcpy(out + at, mark + 1);
	return at;
}

static void
check_position(const char *text, size_t at, const char *token, CedarCode code,
			   const CedarError *err)
{
	size_t		token_len = strlen(token);

	CHECKF(code != CEDAR_OK, "taken: %s", text);
	if (code == CEDAR_OK)
		return;
	CHECKF(err->code == code && err->message[0] != '\0', "%s: no message", text);
	CHECKF(err->has_position && err->offset == at && length_ok(err, token_len),
		   "%s\n  error (%s) at %zu+%zu, want %zu+%zu", text, err->message,
		   err->offset, err->length, at, token_len);
	CHECKF(err->offset + err->length <= strlen(text), "%s: outside of the text", text);
}

static void
test_positions(void)
{
	Bench		b;
	char		text[400];

	for (size_t i = 0; i < LENGTH(syntax_errors); i++)
	{
		size_t		at = unmark(syntax_errors[i].text, text);
		CedarCode	code;

		bench_open(&b);
		code = parse(&b, text, strlen(text));
		check_position(text, at, syntax_errors[i].token, code, &b.err);
		CHECKF(code == CEDAR_ERR_SYNTAX || code == CEDAR_ERR_DUPLICATE,
			   "%s: %s", text, code_name(code));
		bench_close(&b);
	}
	for (size_t i = 0; i < LENGTH(entity_errors); i++)
	{
		size_t		at = unmark(entity_errors[i].text, text);
		CedarEntities *entities;
		CedarCode	code;

		bench_open(&b);
		code = cedar_entities_from_json(b.arena, text, strlen(text), &entities, &b.err);
		check_position(text, at, entity_errors[i].token, code, &b.err);
		bench_close(&b);
	}
	for (size_t i = 0; i < LENGTH(eval_errors); i++)
	{
		/* not the first policy: positions count from the start of the text */
		const char *before = ANY ";\n" ANY " when { ";
		size_t		at = strlen(before);
		size_t		end = at + strlen(eval_errors[i].expr);
		size_t		token;
		CedarDecision d;
		CedarCode	code;

		snprintf(text, sizeof(text), "%s%s };", before, eval_errors[i].expr);
		token = (size_t) (strstr(text + at, eval_errors[i].token) - text);
		bench_open(&b);
		code = decide(&b, text, strlen(text), "[]", &d);
		CHECKF(code == CEDAR_OK, "%s: %s", text, b.err.message);
		if (code == CEDAR_OK)
		{
			const CedarError *err = d.n_errors == 1 ? &d.errors[0].error : NULL;

			CHECKF(d.allow && d.n_errors == 1 && d.errors[0].policy == 1, "%s", text);
			if (err != NULL)
			{
				CHECKF(err->code == eval_errors[i].code, "%s: %s", text, code_name(err->code));
				CHECKF(err->has_position && err->offset >= at &&
					   err->offset + err->length <= end && err->offset <= token &&
					   err->offset + err->length >= token + strlen(eval_errors[i].token),
					   "%s: error at %zu+%zu", text, err->offset, err->length);
			}
		}
		bench_close(&b);
	}
}

/* -------------------------------------------------------------- policies */

static void
test_parse(void)
{
	Bench		b;
	CedarAst   *ast;
	static const char *const ones[] = {
		ANY ";",
		" // c\n" ANY "; // c",
		"@id(\"x\") forbid(principal == ?principal, action, resource in ?resource);",
	};
	static const char *const not_one[] = {
		"", "  ", "// nothing\n", ANY ";" ANY ";", ANY "; x",
	};
	const char *two = "// first\n@a(\"b;\")\npermit(principal, action, resource) // c\n;\n\n"
		"/**/";
	const char *text = "// first\n@a(\"b;\") permit(principal, action, resource) // ;\n; "
		"forbid(principal, action, resource == ?resource) when { \";\" == \"}\" };\n// end";
	const char *want[] = {
		"@a(\"b;\") permit(principal, action, resource) // ;\n;",
		"forbid(principal, action, resource == ?resource) when { \";\" == \"}\" };",
	};

	bench_open(&b);
	for (size_t i = 0; i < LENGTH(ones); i++)
	{
		CHECKF(cedar_parse_one(b.arena, ones[i], strlen(ones[i]), &ast, &b.err) == CEDAR_OK,
			   "%s: %s", ones[i], b.err.message);
		CHECK(cedar_ast_count(ast) == 1);
	}
	for (size_t i = 0; i < LENGTH(not_one); i++)
	{
		CedarCode	code = cedar_parse_one(b.arena, not_one[i], strlen(not_one[i]), &ast, &b.err);

		CHECKF(code == CEDAR_ERR_SYNTAX, "\"%s\": %s", not_one[i], code_name(code));
		CHECKF(code == CEDAR_OK || (b.err.message[0] != '\0' && b.err.offset + b.err.length <= strlen(not_one[i])),
			   "\"%s\": message or position", not_one[i]);
	}
	/* Cedar has no block comments */
	CHECK(parse(&b, two, strlen(two)) == CEDAR_ERR_SYNTAX);

	CHECK(cedar_parse(b.arena, "", 0, &ast, &b.err) == CEDAR_OK && cedar_ast_count(ast) == 0);
	CHECK(cedar_parse(b.arena, LIT("// c"), &ast, &b.err) == CEDAR_OK && cedar_ast_count(ast) == 0);
	CHECKF(cedar_parse(b.arena, text, strlen(text), &ast, &b.err) == CEDAR_OK,
		   "%s", b.err.message);
	CHECK(cedar_ast_count(ast) == 2);
	CHECK(!cedar_ast_is_template(ast, 0) && cedar_ast_is_template(ast, 1));
	for (uint32_t i = 0; i < 2; i++)
	{
		size_t		offset,
					length;
		const CedarPiece *piece;
		size_t		size;

		cedar_ast_range(ast, i, &offset, &length);
		CHECKF(length == strlen(want[i]) && memcmp(text + offset, want[i], length) == 0,
			   "policy %u is \"%.*s\"", i, (int) length, text + offset);
		CHECK(cedar_compile(b.arena, ast, i, &piece, &size, &b.err) == CEDAR_OK);
		CHECK(cedar_piece_size(piece) == size);
		CHECK(((uintptr_t) piece & 7) == 0);
		CHECK(cedar_piece_is_forbid(piece) == (i == 1));
		CHECK(cedar_piece_is_template(piece) == (i == 1));
	}
	bench_close(&b);
}

/* ---------------------------------------------------------------- limits */

/* usual: a hundred of them is a policy the reference takes. */
static const struct
{
	const char *before;
	const char *open;
	const char *middle;
	const char *close;
	bool		usual;
}			nestings[] = {
	{"", "(", "true", ")", true},
	{"", "[", "1", "]", true},
	{"", "{a:", "1", "}", true},
	{"", "if true then ", "true", " else true", true},
	{"", "if ", "true", " then true else true", true},
	{"", "if true then true else ", "true", "", true},
	{"", "!", "true", "", false},
	{"", "-", "1", "", false},
	{"", "!(", "true", ")", true},
	{"", "-(", "1", ")", true},
	{"", "ip(", "\"::1\"", ")", true},
	{"", "1 + ", "1", "", true},
	{"", "1 * (1 + ", "1", ")", true},
	{"", "true && ", "true", "", true},
	{"", "true || ", "true", "", true},
	{"", "true || (false && ", "true", ")", true},
	{"[1]", ".contains([1]", "", ")", true},
	{"[1]", ".contains(1)", "", "", true},
	{"principal", ".a", "", "", true},
	{"principal", "[\"a\"]", "", "", true},
	{"principal", "[", "1", "]", false},
	{"principal has a", ".a", "", "", true},
	{"", "principal.hasTag(", "\"a\"", ")", true},
	{"1", " == (1", "", ")", true},
	{"1", " == 1", "", "", false},
	{"1", " < 1", "", "", false},
	{"principal", " is A in (principal", "", ")", true},
};

static void
nested(Text *t, size_t i, long depth)
{
	t->len = 0;
	adds(t, ANY " when { ");
	adds(t, nestings[i].before);
	add_times(t, nestings[i].open, depth);
	adds(t, nestings[i].middle);
	add_times(t, nestings[i].close, depth);
	adds(t, " };");
}

static bool
clean_limit(CedarCode code)
{
	return code == CEDAR_ERR_LIMIT || code == CEDAR_ERR_STACK || code == CEDAR_ERR_SYNTAX;
}

static void
test_limits(void)
{
	Bench		b;
	Text		t = {0};
	static const long depths[] = {100, 200, 990, 998, 999, 1000, 1001, 1002, 5000, 100000};

	for (size_t i = 0; i < LENGTH(nestings); i++)
		for (size_t k = 0; k < LENGTH(depths); k++)
		{
			CedarDecision d;
			CedarCode	code;

			bench_open(&b);
			nested(&t, i, depths[k]);
			code = decide(&b, t.data, t.len, "[]", &d);
			CHECKF(code == CEDAR_OK || clean_limit(code), "%s x %ld: %s (%s)",
				   nestings[i].open, depths[k], code_name(code), b.err.message);
			CHECKF(code == CEDAR_OK || (b.err.code == code && b.err.message[0] != '\0' &&
										b.err.offset + b.err.length <= t.len),
				   "%s x %ld: error is not filled well", nestings[i].open, depths[k]);
			if (depths[k] == 100)
				CHECKF((code == CEDAR_OK) == nestings[i].usual, "%s x 100: %s",
					   nestings[i].open, b.err.message);
			bench_close(&b);

			/* never closed */
			bench_open(&b);
			code = parse(&b, t.data, t.len - 3 - strlen(nestings[i].close) * (size_t) depths[k]);
			CHECKF(clean_limit(code), "%s x %ld, open: %s", nestings[i].open, depths[k], code_name(code));
			bench_close(&b);
		}

	/* 100,000 deep says which limit it was */
	for (size_t i = 0; i < 6; i++)
	{
		bench_open(&b);
		nested(&t, i, 100000);
		CHECKF(parse(&b, t.data, t.len) == CEDAR_ERR_LIMIT, "%s x 100000: %s",
			   nestings[i].open, code_name(b.err.code));
		bench_close(&b);
	}

	/* a policy of 10 MB */
	for (int kind = 0; kind < 4; kind++)
	{
		CedarAst   *ast;

		bench_open(&b);
		t.len = 0;
		if (kind == 1)
			adds(&t, "@a(\"b\")");
		adds(&t, ANY " when { ");
		if (kind == 0)
		{
			adds(&t, "\"");
			add_times(&t, "0123456789", 1024 * 1024);
			adds(&t, "\" == \"\"");
		}
		else if (kind == 1)
		{
			add_times(&t, "          ", 1024 * 1024);
			adds(&t, "true");
		}
		else if (kind == 2)
		{
			add_times(&t, "true || ", 1280 * 1024);
			adds(&t, "true");
		}
		else
		{
			adds(&t, "[");
			add_times(&t, "123456789,", 1024 * 1024);
			adds(&t, "1].contains(1)");
		}
		adds(&t, " };");
		CHECKF(parse(&b, t.data, t.len) == CEDAR_ERR_LIMIT, "10 MB, kind %d: %s", kind,
			   code_name(b.err.code));
		CHECK(cedar_parse_one(b.arena, t.data, t.len, &ast, &b.err) == CEDAR_ERR_LIMIT);
		bench_close(&b);
	}

	/* the limit is each policy's, not the text's */
	{
		CedarAst   *ast;
		long		n = 5 * 1024 * 1024 / (long) strlen(ANY ";\n");

		bench_open(&b);
		t.len = 0;
		add_times(&t, ANY ";\n", n);
		CHECKF(cedar_parse(b.arena, t.data, t.len, &ast, &b.err) == CEDAR_OK &&
			   cedar_ast_count(ast) == (uint32_t) n, "5 MB of policies: %s", b.err.message);
		bench_close(&b);
	}

	/* wide is not deep */
	{
		static const char *const wide[][3] = {
			{"", "true && ", "true"},
			{"", "false || ", "true"},
			{"[", "1,", "2].contains(2)"},
		};

		for (size_t i = 0; i < LENGTH(wide); i++)
		{
			CedarDecision d;
			CedarCode	code;

			bench_open(&b);
			t.len = 0;
			adds(&t, ANY " when { ");
			adds(&t, wide[i][0]);
			add_times(&t, wide[i][1], 5000);
			adds(&t, wide[i][2]);
			adds(&t, " };");
			code = decide(&b, t.data, t.len, "[]", &d);
			CHECKF(code == CEDAR_OK && d.allow, "5,000 x %s: %s", wide[i][1], b.err.message);
			bench_close(&b);
		}
	}

	/* JSON */
	for (int kind = 0; kind < 6; kind++)
	{
		CedarEntities *entities;
		CedarRequest request;
		const CedarRecord *context;
		CedarCode	code;
		bool		objects = (kind & 1) != 0;

		bench_open(&b);
		t.len = 0;
		adds(&t, kind < 2 ? "[{\"uid\":{\"type\":\"U\",\"id\":\"a\"},\"parents\":[],\"attrs\":{\"a\":" :
			 kind < 4 ? "{\"context\":{\"a\":" : "{\"a\":");
		add_times(&t, objects ? "{\"a\":" : "[", 100000);
		adds(&t, "1");
		add_times(&t, objects ? "}" : "]", 100000);
		adds(&t, kind < 2 ? "}}]" : kind < 4 ? "}}" : "}");
		for (int open = 0; open < 2; open++)
		{
			size_t		len = open ? t.len - 60000 : t.len;

			code = kind < 2 ? cedar_entities_from_json(b.arena, t.data, len, &entities, &b.err) :
				kind < 4 ? cedar_request_from_json(b.arena, t.data, len, &request, &b.err) :
				cedar_context_from_json(b.arena, t.data, len, &context, &b.err);
			CHECKF(code == CEDAR_ERR_LIMIT, "JSON 100,000 deep, kind %d: %s", kind, code_name(code));
		}
		bench_close(&b);
	}
	{
		/* half of the limit is fine */
		const CedarRecord *context;

		bench_open(&b);
		t.len = 0;
		adds(&t, "{\"a\":");
		add_times(&t, "[", CEDAR_MAX_JSON_DEPTH / 2);
		add_times(&t, "]", CEDAR_MAX_JSON_DEPTH / 2);
		adds(&t, "}");
		CHECKF(cedar_context_from_json(b.arena, t.data, t.len, &context, &b.err) == CEDAR_OK,
			   "%s", b.err.message);
		bench_close(&b);
	}

	/* a chain of 100,000 parents: the walk does not recurse */
	{
		CedarDecision d;
		CedarCode	code;
		char		buf[200];

		bench_open(&b);
		t.len = 0;
		adds(&t, "[{\"uid\":{\"type\":\"U\",\"id\":\"a\"},\"attrs\":{},\"parents\":[{\"type\":\"G\",\"id\":\"0\"}]}");
		for (int i = 0; i < 100000; i++)
		{
			snprintf(buf, sizeof(buf), ",{\"uid\":{\"type\":\"G\",\"id\":\"%d\"},\"attrs\":{},"
					 "\"parents\":[{\"type\":\"G\",\"id\":\"%d\"}]}", i, i + 1);
			adds(&t, buf);
		}
		add(&t, "]", 2);
		code = decide(&b, LIT("permit(principal in G::\"100000\", action, resource);"), t.data, &d);
		CHECKF(code == CEDAR_OK && d.allow, "chain of parents: %s", b.err.message);
		bench_close(&b);

		/* and the same as a cycle */
		bench_open(&b);
		t.len -= 2;
		adds(&t, ",{\"uid\":{\"type\":\"G\",\"id\":\"100000\"},\"attrs\":{},\"parents\":[{\"type\":\"U\",\"id\":\"a\"}]}");
		add(&t, "]", 2);
		code = decide(&b, LIT("permit(principal in G::\"x\", action, resource);"), t.data, &d);
		CHECKF(code == CEDAR_ERR_CYCLE, "cycle of 100,001: %s", code_name(code));
		bench_close(&b);
	}
	free(t.data);
}

/* -------------------------------------------------------------- encoding */

static const struct
{
	const char *bytes;
	size_t		len;
	size_t		ok;				/* valid bytes before the first bad sequence */
}			bad_utf8[] = {
	{LIT("\200"), 0},			/* a continuation byte alone */
	{LIT("\377"), 0},
	{LIT("a\303"), 1},			/* cut off */
	{LIT("\303\050"), 0},
	{LIT("\300\200"), 0},		/* overlong NUL */
	{LIT("\340\200\257"), 0},	/* overlong */
	{LIT("\355\240\200"), 0},	/* a surrogate */
	{LIT("\364\220\200\200"), 0},	/* beyond U+10FFFF */
	{LIT("\370\210\200\200\200"), 0},
	{LIT("\303\251\342\202"), 2},
};

static void
test_encoding(void)
{
	/* % is where the bytes go */
	static const char *const policy_texts[] = {
		"%",
		ANY "; // %",
		ANY " when { \"%\" == \"\" };",
		"@a(\"%\") " ANY ";",
		"permit(principal == U::\"%\", action, resource);",
		ANY " when { context.% };",
		ANY " when { context[\"%\"] like \"%\" };",
	};
	static const char *const entity_texts[] = {
		"[{\"uid\":{\"type\":\"U\",\"id\":\"%\"},\"attrs\":{},\"parents\":[]}]",
		"[{\"uid\":{\"type\":\"U\",\"id\":\"a\"},\"attrs\":{\"%\":1},\"parents\":[]}]",
		"[{\"uid\":{\"type\":\"U\",\"id\":\"a\"},\"attrs\":{\"a\":\"%\"},\"parents\":[]}]",
		"[]%",
	};
	static const char *const request_texts[] = {
		"{\"principal\":{\"type\":\"U\",\"id\":\"%\"},\"action\":{\"type\":\"Action\",\"id\":\"v\"},\"resource\":{\"type\":\"D\",\"id\":\"d\"}}",
		"{\"principal\":\"U::\\\"%\\\"\",\"action\":{\"type\":\"Action\",\"id\":\"v\"},\"resource\":{\"type\":\"D\",\"id\":\"d\"}}",
		"{\"context\":{\"a\":\"%\"},\"principal\":{\"type\":\"U\",\"id\":\"a\"},\"action\":{\"type\":\"Action\",\"id\":\"v\"},\"resource\":{\"type\":\"D\",\"id\":\"d\"}}",
	};
	Text		t = {0};
	Bench		b;

	for (size_t i = 0; i < LENGTH(bad_utf8); i++)
		for (size_t k = 0; k < LENGTH(policy_texts) + LENGTH(entity_texts) + LENGTH(request_texts); k++)
		{
			const char *text = k < LENGTH(policy_texts) ? policy_texts[k] :
				k < LENGTH(policy_texts) + LENGTH(entity_texts) ? entity_texts[k - LENGTH(policy_texts)] :
				request_texts[k - LENGTH(policy_texts) - LENGTH(entity_texts)];
			const char *mark = strchr(text, '%');
			size_t		at = (size_t) (mark - text) + bad_utf8[i].ok;
			CedarEntities *entities;
			CedarRequest request;
			CedarCode	code;

			bench_open(&b);
			t.len = 0;
			add(&t, text, (size_t) (mark - text));
			add(&t, bad_utf8[i].bytes, bad_utf8[i].len);
			adds(&t, mark + 1);
			code = k < LENGTH(policy_texts) ? parse(&b, t.data, t.len) :
				k < LENGTH(policy_texts) + LENGTH(entity_texts) ?
				cedar_entities_from_json(b.arena, t.data, t.len, &entities, &b.err) :
				cedar_request_from_json(b.arena, t.data, t.len, &request, &b.err);
			CHECKF(code == CEDAR_ERR_ENCODING, "bytes %zu in %s: %s", i, text, code_name(code));
			CHECKF(code == CEDAR_OK || (b.err.has_position && b.err.offset == at),
				   "bytes %zu in %s: at %zu, want %zu", i, text, b.err.offset, at);
			bench_close(&b);
		}
	for (size_t i = 0; i < LENGTH(bad_utf8); i++)
	{
		const CedarUid *uid;

		bench_open(&b);
		CHECKF(cedar_uid_make(b.arena, LIT("U"), bad_utf8[i].bytes, bad_utf8[i].len, &uid, &b.err) == CEDAR_ERR_ENCODING,
			   "id of bytes %zu: %s", i, code_name(b.err.code));
		t.len = 0;
		adds(&t, "U::\"");
		add(&t, bad_utf8[i].bytes, bad_utf8[i].len);
		adds(&t, "\"");
		CHECKF(cedar_uid_parse(b.arena, t.data, t.len, &uid, &b.err) == CEDAR_ERR_ENCODING,
			   "text form of bytes %zu: %s", i, code_name(b.err.code));
		bench_close(&b);
	}
	free(t.data);

	/* NUL in strings, escaped and raw */
	{
		CedarDecision d;
		CedarCode	code;
		const char *entities = "[{\"uid\":{\"type\":\"U\",\"id\":\"a\"},\"attrs\":{\"s\":\"x\\u0000y\",\"k\\u0000\":1},"
			"\"parents\":[{\"type\":\"G\",\"id\":\"g\\u0000\"}]}]";

		bench_open(&b);
		code = decide(&b, LIT(ANY " when { principal.s == \"x\\0y\" };"
							  ANY " when { principal.s == \"x\0y\" };"
							  ANY " when { principal.s like \"x\\0*\" };"
							  ANY " when { principal[\"k\\0\"] == 1 };"
							  "permit(principal in G::\"g\\0\", action, resource);"
							  ANY " when { principal.s == \"x\" };"
							  ANY " when { principal has k };"
							  "permit(principal in G::\"g\", action, resource);"), entities, &d);
		CHECKF(code == CEDAR_OK, "NUL: %s", b.err.message);
		if (code == CEDAR_OK)
		{
			CHECKF(d.n_reasons == 5, "NUL: %u reasons, want 5", d.n_reasons);
			for (uint32_t i = 0; i < d.n_reasons; i++)
				CHECK(d.reasons[i] == i);
			CHECK(d.n_errors == 0);
		}
		bench_close(&b);
	}

	/* a long text in a message is cut at a character */
	for (int pad = 0; pad < 4; pad++)
	{
		Text		p = {0};

		bench_open(&b);
		adds(&p, ANY " when { ip(\"");
		add_times(&p, "x", pad);
		add_times(&p, "\342\202\254", 1000);
		adds(&p, "\") == 1 };");
		{
			CedarDecision d;
			json_t	   *s = NULL;
			CedarCode	code = decide(&b, p.data, p.len, "[]", &d);

			CHECKF(code == CEDAR_OK && d.n_errors == 1, "%s", b.err.message);
			if (code == CEDAR_OK && d.n_errors == 1)
				s = json_string(d.errors[0].error.message);
			CHECK(s != NULL);
			json_decref(s);
		}
		bench_close(&b);
		free(p.data);
	}
}

/* ------------------------------------------------------- a whole decision */

#define BIG_POLICIES \
	"@id(\"p\") permit(principal in G::\"g\", action in [Action::\"v\", Action::\"w\"], resource is D)\n" \
	"when { principal.n * 2 + 1 == 7 && principal.s.containsAll([\"a\", \"b\", {k: [1, 2]}]) }\n" \
	"unless { context has a.b && context.a.b like \"x*\\*y\" };\n" \
	"permit(principal, action, resource) when { ip(\"10.0.0.0/8\").isInRange(ip(\"10.0.0.0/7\")) || principal.hasTag(\"t\") && principal.getTag(\"t\") == [1] };\n" \
	"permit(principal, action, resource) when { if datetime(\"2024-01-01\").toDate() < datetime(\"2025-01-01T00:00:00Z\").offset(duration(\"-1d2h\")) then decimal(\"1.5\").lessThan(decimal(\"2.0\")) else false };\n" \
	"permit(principal, action, resource) when { resource.missing == 1 };\n" \
	"forbid(principal == U::\"a\", action, resource) when { -principal.n > 0 || !([1, 2].isEmpty() == false) };\n" \
	"permit(principal == ?principal, action, resource);\n"

#define BIG_ENTITIES \
	"[{\"uid\":{\"type\":\"U\",\"id\":\"a\"},\"attrs\":{\"n\":3,\"s\":[\"b\",\"a\",\"c\",{\"k\":[2,1]}]," \
	"\"ip\":{\"__extn\":{\"fn\":\"ip\",\"arg\":\"10.1.2.3\"}},\"e\":{\"__entity\":{\"type\":\"U\",\"id\":\"b\"}}}," \
	"\"parents\":[{\"type\":\"G\",\"id\":\"f\"},{\"type\":\"G\",\"id\":\"h\"}],\"tags\":{\"t\":[1,1]}}," \
	"{\"uid\":{\"type\":\"G\",\"id\":\"f\"},\"attrs\":{},\"parents\":[{\"type\":\"G\",\"id\":\"g\"}]}," \
	"{\"uid\":{\"type\":\"D\",\"id\":\"d\"},\"attrs\":{},\"parents\":[]}]"

#define BIG_REQUEST \
	"{\"principal\":{\"type\":\"U\",\"id\":\"a\"},\"action\":\"Action::\\\"v\\\"\"," \
	"\"resource\":{\"__entity\":{\"type\":\"D\",\"id\":\"d\"}},\"context\":{\"a\":{\"b\":\"nothing\"},\"l\":[1,2,[3]]}}"

#define BIG_COUNT 6

/* As the reference answers: allow for 0, 1 and 2; 3 fails. */
static bool
big_answer(const CedarDecision *d)
{
	return d->allow && d->n_reasons == 3 && d->reasons[0] == 0 &&
		d->reasons[1] == 1 && d->reasons[2] == 2 && d->n_errors == 1 &&
		d->errors[0].policy == 3 && d->errors[0].error.code == CEDAR_EVAL_NO_ATTR;
}

/*
 * Everything from text to response in a new arena, into which pad bytes are
 * allocated first; the code of the first failure.
 */
static CedarCode
big_run(CedarArena *arena, size_t pad, CedarError *err, bool *right)
{
	CedarCode	code;
	CedarAst   *ast;
	CedarPolicy policies[BIG_COUNT];
	CedarEntities *entities;
	CedarEntitySource source;
	CedarRequest request;
	CedarDecision d;
	const CedarUid *uid;
	const char *json;
	size_t		len;

	*right = false;
	for (; pad >= 8; pad -= 8)
		if (cedar_arena_alloc(arena, 8) == NULL)
		{
			err->code = CEDAR_ERR_NOMEM;
			snprintf(err->message, sizeof(err->message), "pad");
			return CEDAR_ERR_NOMEM;
		}
	if ((code = cedar_uid_parse(arena, LIT("App::User::\"a\\nb\""), &uid, err)) != CEDAR_OK)
		return code;
	if ((code = cedar_parse(arena, LIT(BIG_POLICIES), &ast, err)) != CEDAR_OK)
		return code;
	for (uint32_t i = 0; i < BIG_COUNT; i++)
	{
		size_t		size;

		if ((code = cedar_compile(arena, ast, i, &policies[i].piece, &size, err)) != CEDAR_OK)
			return code;
		policies[i].id = "p";
		policies[i].id_len = 1;
	}
	if ((code = cedar_entities_from_json(arena, LIT(BIG_ENTITIES), &entities, err)) != CEDAR_OK)
		return code;
	if ((code = cedar_request_from_json(arena, LIT(BIG_REQUEST), &request, err)) != CEDAR_OK)
		return code;
	source = cedar_entities_source(entities);
	if ((code = cedar_authorize(arena, policies, BIG_COUNT, NULL, &source, &request, true, &d, err)) != CEDAR_OK)
		return code;
	if ((code = cedar_decision_to_json(arena, &d, policies, &json, &len, err)) != CEDAR_OK)
		return code;
	*right = big_answer(&d);
	return CEDAR_OK;
}

static void
test_whole(void)
{
	Bench		b;
	bool		right;
	CedarCode	code;

	bench_open(&b);
	code = big_run(b.arena, 0, &b.err, &right);
	CHECKF(code == CEDAR_OK && right, "the whole decision: %s %s", code_name(code), b.err.message);
	bench_close(&b);
}

/* ------------------------------------------------------- failing callbacks */

/* One run with an allocator that fails; true when nothing failed. */
static bool
run_failing(long fail_at, bool fail_after, size_t pad)
{
	Host		host;
	CedarArena *arena;
	CedarError	err;
	CedarCode	code;
	bool		right = false;
	bool		clean;

	host_open(&host);
	memset(&err, 0, sizeof(err));
	host.fail_at = fail_at;
	host.fail_after = fail_after;
	arena = cedar_arena_create(&host.vtable);
	if (arena == NULL)
	{
		CHECKF(fail_at == 1, "no arena though the allocator gave");
		CHECK(host_close(&host));
		return false;
	}
	code = big_run(arena, pad, &err, &right);
	cedar_arena_destroy(arena);
	clean = host_close(&host);
	if (host.alloc_calls < fail_at)
	{
		CHECKF(code == CEDAR_OK && right && clean, "nothing failed: %s %s", code_name(code), err.message);
		return true;
	}
	CHECKF(code == CEDAR_ERR_NOMEM && err.code == CEDAR_ERR_NOMEM && err.message[0] != '\0' && clean,
		   "allocation %ld%s fails, pad %zu: %s (%s)%s", fail_at, fail_after ? " and later" : "",
		   pad, code_name(code), err.message, clean ? "" : ", memory left");
	return false;
}

static void
test_out_of_memory(void)
{
	Bench		b;
	size_t		block;

	/* the first block's size: the bytes until the host is asked again */
	bench_open(&b);
	{
		long		calls = b.host.alloc_calls;

		/* an arena may take its first block only now */
		cedar_arena_alloc(b.arena, 8);
		calls = b.host.alloc_calls;
		for (block = 8; b.host.alloc_calls == calls; block += 8)
			cedar_arena_alloc(b.arena, 8);
	}
	bench_close(&b);

	/*
	 * The library allocates from blocks, so the host's n-th call is reached
	 * from few places; the pad moves the border over all of them.
	 */
	for (size_t pad = 0; pad <= block; pad += 40)
		for (int after = 0; after < 2; after++)
			for (long n = 1; n < 200; n++)
				if (run_failing(n, after == 1, pad))
					break;
}

static void
test_stack_callback(void)
{
	bool		done = false;
	long		n;

	for (n = 1; n < 100000 && !done; n++)
	{
		Bench		b;
		CedarCode	code;
		bool		right;

		bench_open(&b);
		b.host.stack_at = n;
		code = big_run(b.arena, 0, &b.err, &right);
		done = b.host.stack_calls < n;
		if (done)
			CHECKF(code == CEDAR_OK && right, "stack was never too deep: %s", code_name(code));
		else
			CHECKF(code == CEDAR_ERR_STACK && b.err.code == code && b.err.message[0] != '\0',
				   "too deep at call %ld: %s (%s)", n, code_name(code), b.err.message);
		bench_close(&b);
	}
	CHECKF(done && n > 10, "the host's stack check was asked %ld times", n);
}

static void
test_interrupt(void)
{
	Text		t = {0};
	volatile long n;
	volatile bool done = false;

	/* long enough that a library which ever looks, looks */
	add_times(&t, ANY " when { [1, 2, 3].contains(context.x) };\n", 3000);
	for (n = 1; n < 100000000 && !done; n = n < 10 ? n + 1 : n * 3)
	{
		Host		host;
		CedarArena *arena;

		host_open(&host);
		host.interrupt_at = n;
		arena = cedar_arena_create(&host.vtable);
		if (setjmp(host.interrupt) == 0)
		{
			Bench		b;
			CedarAst   *ast;
			CedarCode	code;
			bool		right;

			code = cedar_parse(arena, t.data, t.len, &ast, &b.err);
			CHECK(code == CEDAR_OK);
			CHECK(big_run(arena, 0, &b.err, &right) == CEDAR_OK && right);
			done = true;
		}
		cedar_arena_destroy(arena);
		CHECKF(host_close(&host), "memory left after a jump at call %ld", n);
	}
	CHECK(done);
	CHECKF(n > 2, "the host's interrupt check was never called");
	free(t.data);
}

/* A source whose look-up fails ends the authorization. */
static CedarCode
find_fails(void *userdata, const CedarUid *uid, CedarEntity **entity, CedarError *err)
{
	(void) uid;
	*entity = NULL;
	++*(int *) userdata;
	memset(err, 0, sizeof(*err));
	err->code = CEDAR_ERR_HOST;
	strcpy(err->message, "the table is gone");
	return CEDAR_ERR_HOST;
}

static void
test_host_source(void)
{
	static const char *const texts[] = {
		"permit(principal in G::\"g\", action, resource);",
		ANY " when { principal.a };",
		ANY " when { principal has a };",
		ANY " when { principal.hasTag(\"a\") };",
		ANY " when { true || false };" ANY " when { resource in [G::\"g\"] };",
	};

	for (size_t i = 0; i < LENGTH(texts); i++)
		for (int wanted = 1; wanted >= 0; wanted--)
		{
			Bench		b;
			CedarAst   *ast;
			CedarPolicy policies[2];
			CedarRequest request;
			CedarDecision d;
			CedarEntitySource source;
			CedarCode	code;
			int			calls = 0;
			size_t		size;

			bench_open(&b);
			source.find = find_fails;
			source.userdata = &calls;
			source.arena = b.arena;
			CHECK(cedar_parse(b.arena, texts[i], strlen(texts[i]), &ast, &b.err) == CEDAR_OK);
			for (uint32_t k = 0; k < cedar_ast_count(ast); k++)
			{
				CHECK(cedar_compile(b.arena, ast, k, &policies[k].piece, &size, &b.err) == CEDAR_OK);
				policies[k].id = "p";
				policies[k].id_len = 1;
			}
			CHECK(cedar_request_from_json(b.arena, LIT(REQUEST), &request, &b.err) == CEDAR_OK);
			code = cedar_authorize(b.arena, policies, cedar_ast_count(ast), NULL, &source,
								   &request, wanted == 1, &d, &b.err);
			/* the last text may be answered by its first policy alone */
			if (i + 1 == LENGTH(texts) && !wanted && code == CEDAR_OK && calls == 0)
				CHECK(d.allow);
			else
				CHECKF(code == CEDAR_ERR_HOST && b.err.code == code &&
					   strcmp(b.err.message, "the table is gone") == 0,
					   "%s: %s (%s)", texts[i], code_name(code), b.err.message);
			bench_close(&b);
		}
}

static void
test_entity_build(void)
{
	Bench		b;
	const CedarUid *uid;
	CedarEntity *e;
	const char *fault;
	static const struct
	{
		const char *attrs;
		const char *tags;
		const char *fault;
		size_t		offset;
		size_t		length;
	}			bad[] = {
		{"{\"a\":null}", NULL, "attrs", 5, 4},
		{"{\"a\":1,\"b\":1.5}", "{}", "attrs", 11, 3},
		{"[]", "{}", "attrs", 0, 2},
		{"{}", "{\"t\": null}", "tags", 6, 4},
		{"{}", "[1]", "tags", 0, 3},
	};

	bench_open(&b);
	CHECK(cedar_uid_make(b.arena, LIT("U"), LIT("a"), &uid, &b.err) == CEDAR_OK);
	CHECK(cedar_entity_build(b.arena, uid, LIT("{\"a\":1}"), NULL, 0, NULL, 0, &e, &fault, &b.err) == CEDAR_OK);
	if (b.err.code == CEDAR_OK)
		CHECK(e->uid == uid && e->attrs->n == 1 && e->n_parents == 0);
	CHECK(cedar_entity_build(b.arena, uid, LIT("{}"), LIT("{\"t\":[1],\"u\":2}"), &uid, 1, &e, &fault, &b.err) == CEDAR_OK);
	if (b.err.code == CEDAR_OK)
		CHECK(e->attrs->n == 0 && e->tags->n == 2 && e->n_parents == 1 && e->parents == &uid);
	for (size_t i = 0; i < LENGTH(bad); i++)
	{
		CedarCode	code;

		fault = "";
		memset(&b.err, 0, sizeof(b.err));
		code = cedar_entity_build(b.arena, uid, bad[i].attrs, strlen(bad[i].attrs),
								  bad[i].tags, bad[i].tags ? strlen(bad[i].tags) : 0,
								  NULL, 0, &e, &fault, &b.err);
		CHECKF(code == CEDAR_ERR_ENTITY && fault != NULL && strcmp(fault, bad[i].fault) == 0 &&
			   b.err.has_position && b.err.offset == bad[i].offset && b.err.length == bad[i].length,
			   "%s %s: %s in %s at %zu+%zu (%s)", bad[i].attrs, bad[i].tags ? bad[i].tags : "",
			   code_name(code), fault ? fault : "null", b.err.offset, b.err.length, b.err.message);
	}
	bench_close(&b);
}

/* ---------------------------------------------------------------- pieces */

/*
 * What cedar_compile made verifies, anywhere in memory; a damaged piece is
 * refused or, when the damage is sound by chance, evaluates without harm.
 */
static void
test_pieces(void)
{
	Bench		b;
	CedarAst   *ast;
	CedarEntities *entities;
	CedarRequest request;
	CedarEntitySource source;
	CedarPolicy policies[BIG_COUNT];
	CedarPolicy moved[BIG_COUNT];
	CedarDecision d;
	long		refused = 0;
	long		sound = 0;
	bool		well = true;

	bench_open(&b);
	CHECK(cedar_parse(b.arena, LIT(BIG_POLICIES), &ast, &b.err) == CEDAR_OK);
	CHECK(cedar_entities_from_json(b.arena, LIT(BIG_ENTITIES), &entities, &b.err) == CEDAR_OK);
	CHECK(cedar_request_from_json(b.arena, LIT(BIG_REQUEST), &request, &b.err) == CEDAR_OK);
	source = cedar_entities_source(entities);
	for (uint32_t i = 0; i < BIG_COUNT; i++)
	{
		size_t		size;
		char	   *copy;

		CHECK(cedar_compile(b.arena, ast, i, &policies[i].piece, &size, &b.err) == CEDAR_OK);
		policies[i].id = "p";
		policies[i].id_len = 1;
		CHECKF(cedar_piece_verify(b.arena, policies[i].piece, size, &b.err) == CEDAR_OK,
			   "piece %u: %s", i, b.err.message);
		copy = malloc(size);
		memcpy(copy, policies[i].piece, size);
		CHECK(cedar_piece_verify(b.arena, copy, size, &b.err) == CEDAR_OK);
		moved[i] = policies[i];
		moved[i].piece = (CedarPiece *) copy;

		/* too short at any length */
		for (size_t len = 0; len < size; len++)
		{
			char	   *cut = malloc(len + 1);

			memcpy(cut, copy, len);
			if (cedar_piece_verify(b.arena, cut, len, &b.err) != CEDAR_ERR_IMAGE)
			{
				CHECKF(false, "piece %u cut at %zu of %zu verifies", i, len, size);
				len = size;
			}
			free(cut);
		}
	}
	CHECK(cedar_authorize(b.arena, moved, BIG_COUNT, NULL, &source, &request, true, &d, &b.err) == CEDAR_OK &&
		  big_answer(&d));

	for (uint32_t i = 0; i < BIG_COUNT; i++)
	{
		char	   *piece = (char *) (uintptr_t) moved[i].piece;
		size_t		size = cedar_piece_size(policies[i].piece);
		static const unsigned char flips[] = {0x01, 0x08, 0x10, 0x80, 0xFF};
		uint32_t	words[] = {
			0, 1, 2, 4, 8, 80, 96, (uint32_t) size - 16, (uint32_t) size - 8,
			(uint32_t) size, INT32_MAX, (uint32_t) INT32_MAX + 1, UINT32_MAX - 7, UINT32_MAX
		};

		for (size_t at = 0; at < size; at++)
			for (size_t k = 0; k < LENGTH(flips) + (at % 4 == 0 ? LENGTH(words) : 0); k++)
			{
				CedarArena *arena;
				CedarCode	code;

				memcpy(piece, policies[i].piece, size);
				if (k < LENGTH(flips))
					piece[at] ^= (char) flips[k];
				else
					memcpy(piece + at, &words[k - LENGTH(flips)], 4);
				code = cedar_piece_verify(b.arena, piece, size, &b.err);
				if (code != CEDAR_OK)
				{
					refused++;
					well = well && code == CEDAR_ERR_IMAGE && b.err.code == code;
					continue;
				}
				sound++;
				arena = cedar_arena_create(&b.host.vtable);
				code = cedar_authorize(arena, &moved[i], 1, NULL, &source, &request, true, &d, &b.err);
				CHECKF(code == CEDAR_OK || code == CEDAR_ERR_IMAGE, "piece %u, byte %zu, damage %zu: %s",
					   i, at, k, code_name(code));
				cedar_arena_destroy(arena);
			}
		free(piece);
	}
	CHECKF(well, "a refusal is not CEDAR_ERR_IMAGE");
	CHECKF(refused > 1000, "%ld damaged pieces refused, %ld found sound", refused, sound);
	bench_close(&b);
}

/*
 * A piece whose nodes form a graph that is not a tree: evaluating it could
 * take for ever, so it must be refused.
 */
static void
test_piece_sharing(void)
{
	Bench		b;
	CedarAst   *ast;
	const CedarPiece *piece;
	size_t		size;
	char	   *copy;
	CedarNode  *nodes;
	uint32_t	adds = 0;

	bench_open(&b);
	CHECK(cedar_parse(b.arena, LIT(ANY " when { (1+2)+(3+4) == 10 };"), &ast, &b.err) == CEDAR_OK);
	CHECK(cedar_compile(b.arena, ast, 0, &piece, &size, &b.err) == CEDAR_OK);
	copy = malloc(size);
	for (uint32_t i = 0; i < piece->n_nodes; i++)
	{
		memcpy(copy, piece, size);
		nodes = (CedarNode *) (copy + piece->nodes);
		if (nodes[i].op != CEDAR_OP_ADD)
			continue;
		adds++;
		nodes[i].a = nodes[i].b;
		CHECKF(cedar_piece_verify(b.arena, copy, size, &b.err) == CEDAR_ERR_IMAGE, "a node with two parents");
		nodes[i].a = i;
		CHECKF(cedar_piece_verify(b.arena, copy, size, &b.err) == CEDAR_ERR_IMAGE, "a node that is its own operand");
		nodes[i].a = ((CedarPiece *) copy)->root;
		CHECKF(cedar_piece_verify(b.arena, copy, size, &b.err) == CEDAR_ERR_IMAGE, "a cycle of nodes");
	}
	CHECK(adds == 3);
	free(copy);

	/* a piece stands at a multiple of eight */
	copy = malloc(size + 8);
	memcpy(copy + 4, piece, size);
	CHECK(cedar_piece_verify(b.arena, copy + 4, size, &b.err) == CEDAR_ERR_IMAGE);
	free(copy);
	bench_close(&b);
}

int
main(void)
{
	setvbuf(stdout, NULL, _IOLBF, 0);
	test_arena();
	test_uids();
	test_values();
	test_parse();
	test_whole();
	test_positions();
	test_encoding();
	test_entity_build();
	test_host_source();
	test_limits();
	test_stack_callback();
	test_interrupt();
	test_out_of_memory();
	test_pieces();
	test_piece_sharing();
	printf("%ld passed, %ld failed\n", passed, failed);
	return failed == 0 ? 0 : 1;
}
