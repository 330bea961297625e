/*-------------------------------------------------------------------------
 *
 * core_test.c
 *	  Unit tests of the Cedar library's API: what its header promises about
 *	  arenas, uids, values, positions and encodings.
 *
 * What a policy means is the business of cases_test; expectations about the
 * language here (names, escapes) are the reference implementation's.
 *
 *-------------------------------------------------------------------------
 */
#define _POSIX_C_SOURCE 200809L

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "internal.h"
#include "unit.h"

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

	/* nothing is no arena */
	cedar_arena_destroy(NULL);

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
	{LIT("User&"), NULL, 0},
	{LIT("User::&"), NULL, 0},
	{LIT("User::\"a\"&"), NULL, 0},
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
	{"permit(principal, action, resource) when { @) };", ")"},
	{"permit(principal, action, resource) when { principal @= 1 };", "="},
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
	{"[\"a\",@", ""},
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

/* Of a record's fields that fail, cedar-wasm tells the first by key. */
static const struct
{
	const char *record;
	CedarCode	code;
}			record_errors[] = {
	{"{b: 1 + \"a\", a: context.missing}", CEDAR_EVAL_NO_ATTR},
	{"{a: 1 + \"a\", b: context.missing}", CEDAR_EVAL_TYPE},
	{"{\"\303\251\": 1 + \"a\", \"z\": context.missing}", CEDAR_EVAL_NO_ATTR},
	{"{aa: 1 + \"a\", b: context.missing}", CEDAR_EVAL_TYPE},
	{"{b: 1 + \"a\", aa: context.missing}", CEDAR_EVAL_NO_ATTR},
	{"{B: 1 + \"a\", a: context.missing}", CEDAR_EVAL_TYPE},
	{"{a: 1 + \"a\", B: context.missing}", CEDAR_EVAL_NO_ATTR},
};

static void
test_record_errors(void)
{
	for (size_t i = 0; i < LENGTH(record_errors); i++)
	{
		Bench		b;
		char		text[200];
		CedarDecision d;

		bench_open(&b);
		snprintf(text, sizeof(text), ANY " when { %s == 1 };", record_errors[i].record);
		CHECKF(decide(&b, text, strlen(text), "[]", &d) == CEDAR_OK && d.n_errors == 1 &&
			   d.errors[0].error.code == record_errors[i].code, "%s", record_errors[i].record);
		bench_close(&b);
	}
}

/* -------------------------------------------------------------- policies */

static void
test_parse(void)
{
	Bench		b;
	CedarAst   *ast;
	const char *value;
	size_t		value_len;
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
	CHECK(!cedar_ast_has_slot(ast, 0, CEDAR_SLOT_PRINCIPAL) && !cedar_ast_has_slot(ast, 0, CEDAR_SLOT_RESOURCE));
	CHECK(!cedar_ast_has_slot(ast, 1, CEDAR_SLOT_PRINCIPAL) && cedar_ast_has_slot(ast, 1, CEDAR_SLOT_RESOURCE));
	value = cedar_ast_annotation(ast, 0, "a", &value_len);
	CHECK(value != NULL && value_len == 2 && memcmp(value, "b;", 2) == 0);
	CHECK(cedar_ast_annotation(ast, 0, "ab", &value_len) == NULL && cedar_ast_annotation(ast, 1, "a", &value_len) == NULL);
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
	{LIT("\360\217\277\277"), 0},	/* overlong */
	{LIT("\360\237\230"), 0},	/* cut off */
	{LIT("ab\360\237\230x"), 2},
	{LIT("\342\202x"), 0},
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
			text_add(&t, text, (size_t) (mark - text));
			text_add(&t, bad_utf8[i].bytes, bad_utf8[i].len);
			text_adds(&t, mark + 1);
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
		text_adds(&t, "U::\"");
		text_add(&t, bad_utf8[i].bytes, bad_utf8[i].len);
		text_adds(&t, "\"");
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
		text_adds(&p, ANY " when { ip(\"");
		text_times(&p, "x", pad);
		text_times(&p, "\342\202\254", 1000);
		text_adds(&p, "\") == 1 };");
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

static void
test_whole(void)
{
	Bench		b;
	bool		right;
	CedarCode	code;

	bench_open(&b);
	code = big_run(b.arena, &b.err, &right);
	CHECKF(code == CEDAR_OK && right, "the whole decision: %s %s", code_name(code), b.err.message);
	bench_close(&b);
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

/* Whether the record has this field, with this long as its value. */
static bool
has_long(Bench *b, const CedarRecord *rec, const char *key, int64_t value)
{
	const CedarStr *str = cedar_str_make(b->arena, key, strlen(key));
	const CedarSlot *slot = rec == NULL ? NULL : cedar_record_get(rec, str);

	return slot != NULL && slot->kind == CEDAR_LONG && slot->u.i == value;
}

static void
test_entity_merge(void)
{
	Bench		b;
	const CedarUid *uids[4];
	CedarEntity *over;
	CedarEntity *under;
	CedarEntity *e;
	const char *fault;

	bench_open(&b);
	for (int i = 0; i < 4; i++)
	{
		char		id = (char) ('a' + i);

		CHECK(cedar_uid_make(b.arena, LIT("U"), &id, 1, &uids[i], &b.err) == CEDAR_OK);
	}
	CHECK(cedar_entity_build(b.arena, uids[0], LIT("{\"a\":1,\"b\":2,\"r\":{\"x\":1}}"), LIT("{\"t\":1}"),
							 &uids[1], 2, &under, &fault, &b.err) == CEDAR_OK);
	CHECK(cedar_entity_build(b.arena, uids[0], LIT("{\"b\":3,\"c\":4,\"r\":{\"y\":2}}"), NULL, 0,
							 &uids[2], 2, &over, &fault, &b.err) == CEDAR_OK);
	CHECK(cedar_entity_merge(b.arena, over, under, &e, &b.err) == CEDAR_OK);
	CHECK(e->attrs->n == 4 && has_long(&b, e->attrs, "a", 1) && has_long(&b, e->attrs, "b", 3) &&
		  has_long(&b, e->attrs, "c", 4));
	{
		const CedarSlot *r = cedar_record_get(e->attrs, cedar_str_make(b.arena, LIT("r")));

		/* not merged any deeper */
		CHECK(r != NULL && r->kind == CEDAR_RECORD && cedar_slot_value(r).u.rec->n == 1 &&
			  has_long(&b, cedar_slot_value(r).u.rec, "y", 2));
	}
	CHECK(e->tags->n == 1 && has_long(&b, e->tags, "t", 1));
	CHECK(e->n_parents == 4 && e->parents[0] == uids[2] && e->parents[3] == uids[2]);
	CHECK(under->attrs->n == 3 && over->attrs->n == 3 && under->n_parents == 2);
	/* the other way round, and with nothing to add */
	CHECK(cedar_entity_merge(b.arena, under, over, &e, &b.err) == CEDAR_OK);
	CHECK(e->attrs->n == 4 && has_long(&b, e->attrs, "b", 2) && e->tags->n == 1);
	CHECK(cedar_entity_build(b.arena, uids[0], LIT("{}"), NULL, 0, NULL, 0, &over, &fault, &b.err) == CEDAR_OK);
	CHECK(cedar_entity_merge(b.arena, over, under, &e, &b.err) == CEDAR_OK);
	CHECK(e->attrs == under->attrs && e->tags == under->tags && e->parents == under->parents && e->n_parents == 2);
	bench_close(&b);
}

static void
test_requests(void)
{
	static const struct
	{
		const char *text;
		CedarCode	code;
		uint32_t	fault;
	}			bad[] = {
		{"{}", CEDAR_ERR_REQUEST, CEDAR_NO_REQUEST},
		{"[", CEDAR_ERR_JSON, CEDAR_NO_REQUEST},
		{"[{}]", CEDAR_ERR_REQUEST, 0},
		{"[" REQUEST ", " REQUEST ", 1]", CEDAR_ERR_REQUEST, 2},
		{"[" REQUEST ", {\"principal\":\"U\",\"action\":\"A::\\\"b\\\"\",\"resource\":\"A::\\\"b\\\"\"}]", CEDAR_ERR_REQUEST, 1},
	};
	Bench		b;
	CedarRequest *r;
	uint32_t	n = 7;
	uint32_t	fault;

	bench_open(&b);
	CHECK(cedar_requests_from_json(b.arena, LIT("[]"), &r, &n, &fault, &b.err) == CEDAR_OK && n == 0);
	CHECK(cedar_requests_from_json(b.arena, LIT("[" REQUEST ", {\"principal\":\"U::\\\"b\\\"\",\"action\":\"A::\\\"b\\\"\",\"resource\":\"A::\\\"c\\\"\"}]"),
								   &r, &n, &fault, &b.err) == CEDAR_OK && n == 2);
	if (n == 2)
		CHECK(r[0].principal->id_len == 1 && r[0].principal->bytes[1] == 'a' && r[1].principal->bytes[1] == 'b' &&
			  r[0].context->n == 0 && r[1].context->n == 0);
	for (size_t i = 0; i < LENGTH(bad); i++)
	{
		CedarCode	code = cedar_requests_from_json(b.arena, bad[i].text, strlen(bad[i].text), &r, &n, &fault, &b.err);

		CHECKF(code == bad[i].code && fault == bad[i].fault && b.err.has_position, "%s: %s, %u", bad[i].text,
			   code_name(code), (unsigned) fault);
	}
	bench_close(&b);
}

/* -------------------------------------------------------------- response */

/*
 * The response for a decision made by hand: members and their order are the
 * reference's, ids and messages are JSON strings whatever they hold.
 */
static void
test_response(void)
{
	static const uint32_t reasons[] = {1, 0};
	static const char want_errors[] =
	"[{\"policyId\":\"\",\"error\":{\"message\":\"no \\\"x\\\"\\n\\u0001\",\"help\":null,\"code\":null,\"url\":null,"
	"\"severity\":null,\"sourceLocations\":[],\"related\":[]}},"
	"{\"policyId\":\"b\\u0000\\\\\",\"error\":{\"message\":\"m\",\"help\":\"Do so.\",\"code\":null,\"url\":null,"
	"\"severity\":null,\"sourceLocations\":[{\"label\":null,\"start\":10,\"end\":1010}],\"related\":[]}}]";
	Bench		b;
	CedarPolicy policies[2] = {{.id = NULL, .id_len = 0}, {.id = "b\0\\", .id_len = 3}};
	CedarPolicyError errors[2];
	CedarDecision d = {.allow = false, .n_reasons = 2, .reasons = reasons, .n_errors = 2, .errors = errors};
	Text		want = {0};
	const char *json;
	size_t		len;

	memset(errors, 0, sizeof(errors));
	errors[0].policy = 0;
	strcpy(errors[0].error.message, "no \"x\"\n\001");
	errors[1].policy = 1;
	strcpy(errors[1].error.message, "m");
	strcpy(errors[1].error.hint, "Do so.");
	errors[1].error.has_position = true;
	errors[1].error.offset = 10;
	errors[1].error.length = 1000;

	bench_open(&b);
	CHECK(cedar_errors_to_json(b.arena, &d, &(CedarPolicies) {.array = policies}, &json, &len, &b.err) == CEDAR_OK);
	CHECKF(len == strlen(want_errors) && memcmp(json, want_errors, len) == 0, "%.*s", (int) len, json);
	text_adds(&want, "{\"decision\":\"deny\",\"diagnostics\":{\"reason\":[\"b\\u0000\\\\\",\"\"],\"errors\":");
	text_adds(&want, want_errors);
	text_adds(&want, "}}");
	CHECK(cedar_decision_to_json(b.arena, &d, policies, &json, &len, &b.err) == CEDAR_OK);
	CHECKF(len == want.len && memcmp(json, want.data, len) == 0, "%.*s", (int) len, json);
	d.n_reasons = d.n_errors = 0;
	d.allow = true;
	CHECK(cedar_errors_to_json(b.arena, &d, &(CedarPolicies) {.array = policies}, &json, &len, &b.err) == CEDAR_OK);
	CHECK(len == 2 && memcmp(json, "[]", 2) == 0);
	free(want.data);
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
	test_record_errors();
	test_encoding();
	test_entity_build();
	test_entity_merge();
	test_requests();
	test_response();
	return checks_end();
}
