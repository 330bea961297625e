/*-------------------------------------------------------------------------
 *
 * base64url_test.c
 *	  base64url: what is written comes back, nothing else is read, and the
 *	  two implementations agree on every input of up to three characters.
 *
 *-------------------------------------------------------------------------
 */
#include "harness.h"

#include "internal.h"

/* RFC 4648 section 10, in the alphabet of section 5 without padding. */
static const char *const vectors[][2] = {
	{ "", "" },
	{ "f", "Zg" },
	{ "fo", "Zm8" },
	{ "foo", "Zm9v" },
	{ "foob", "Zm9vYg" },
	{ "fooba", "Zm9vYmE" },
	{ "foobar", "Zm9vYmFy" },
	{ "\xff\xef\xff", "_-__" },
	{ "\xfb\xff\xfe", "-__-" },
};

static const char *const refused[] = {
	"A", "AAAAA",				/* no bytes have this length */
	"AA==", "AAA=", "Zg=", "Zg==", "Zm9v====", "=", "====",
	"Zm9vYg==", "Zg%3D%3D",
	"+/AA", "Zm9+", "Zm9/",		/* the other alphabet */
	" Zm9v", "Zm9v ", "Zm 9v", "Zm9v\n", "Zm9v\r\n", "Zm9\n", "\tZm9", "Zm9v\v",
	"Zm9.", "Zm9,", "Zm9:", "Zm9@", "Zm9[", "Zm9`", "Zm9{", "Zm9^", "Zm9~",
	"Zm9\x7f", "Zm9\x80", "Zm9\xc1", "Zm9\xff",
	"\xc3\xa9YY",
	/* bits beyond the last byte: Zg is "f", Zm8 is "fo" */
	"Zh", "Zi", "Zk", "Zo", "Zv", "Zm9", "Zm-", "Zm_", "__", "___",
	"Zm9vZh", "Zm9vZm9",
};

static void
check_decode(const char *text, size_t len, bool want)
{
	unsigned char a[64],
				b[64];
	char		again[96];
	size_t		a_len = 999,
				b_len = 999;
	bool		ok;
	bool		secret;
	char		source[64];

	/* what lies behind must not make it good */
	memset(source, 'A', sizeof(source));
	memcpy(source, text, len);
	text = source;
	ok = jose_base64url_decode(a, &a_len, text, len);
	secret = jose_base64url_decode_secret(b, &b_len, text, len);
	CHECK(ok == want, "\"%.*s\": %d", (int) len, text, ok);
	CHECK(ok == secret, "\"%.*s\": by table %d, by arithmetic %d", (int) len, text, ok, secret);
	if (!ok)
		return;
	CHECK(a_len == b_len && memcmp(a, b, a_len) == 0, "\"%.*s\": two results", (int) len, text);
	CHECK(JOSE_BASE64URL_LEN(a_len) == len, "\"%.*s\": %zu bytes", (int) len, text, a_len);
	jose_base64url_encode(again, a, a_len);
	CHECK(memcmp(again, text, len) == 0, "\"%.*s\": does not come back", (int) len, text);
}

/* Count over all strings of n bytes what is accepted; both agree. */
static void
exhaust(int n, long want)
{
	long		accepted = 0;
	long		differences = 0;

	for (long i = 0; i < 1L << (8 * n); i++)
	{
		char		text[4] = { (char) i, 'A', 'A', 'A' };
		unsigned char a[4] = { 0 },
					b[4] = { 0 };
		size_t		a_len = 0,
					b_len = 0;
		bool		ok;
		bool		secret;

		if (n > 1)
			text[1] = (char) (i >> 8);
		if (n > 2)
			text[2] = (char) (i >> 16);
		ok = jose_base64url_decode(a, &a_len, text, (size_t) n);
		secret = jose_base64url_decode_secret(b, &b_len, text, (size_t) n);

		accepted += ok;
		if (ok != secret || (ok && (a_len != b_len || memcmp(a, b, 4) != 0)))
			differences++;
	}
	CHECK(accepted == want, "%d characters: %ld accepted, expected %ld", n, accepted, want);
	CHECK(differences == 0, "%d characters: %ld differences", n, differences);
}

static void
round_trip(void)
{
	unsigned char bytes[300];
	char		text[402],
				secret[402];

	for (size_t n = 0; n < sizeof(bytes); n++)
	{
		/* exactly as much memory as is needed, so that more is seen */
		unsigned char *back = malloc(n > 0 ? n : 1);
		size_t		len = 999;

		for (size_t i = 0; i < n; i++)
			bytes[i] = (unsigned char) (rand() >> 7);
		memset(text, '#', sizeof(text));
		memset(secret, '#', sizeof(secret));
		jose_base64url_encode(text, bytes, n);
		jose_base64url_encode_secret(secret, bytes, n);
		CHECK(memcmp(text, secret, sizeof(text)) == 0, "%zu bytes: two encodings", n);
		CHECK(text[JOSE_BASE64URL_LEN(n)] == '#', "%zu bytes: too much written", n);
		CHECK(JOSE_BASE64URL_BYTES(JOSE_BASE64URL_LEN(n)) == n, "%zu bytes: lengths", n);
		CHECK(jose_base64url_decode(back, &len, text, JOSE_BASE64URL_LEN(n)) && len == n &&
			  memcmp(back, bytes, n) == 0, "%zu bytes: do not come back", n);
		CHECK(jose_base64url_decode_secret(back, &len, text, JOSE_BASE64URL_LEN(n)) && len == n &&
			  memcmp(back, bytes, n) == 0, "%zu bytes: do not come back as a secret", n);
		free(back);
	}
}

int
main(void)
{
	for (size_t i = 0; i < sizeof(vectors) / sizeof(vectors[0]); i++)
	{
		char	   *text = encode(vectors[i][0], strlen(vectors[i][0]));

		CHECK(strcmp(text, vectors[i][1]) == 0, "\"%s\": %s", vectors[i][0], text);
		free(text);
		check_decode(vectors[i][1], strlen(vectors[i][1]), true);
	}
	for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++)
		check_decode(refused[i], strlen(refused[i]), false);
	check_decode("Zm\0v", 4, false);
	check_decode("Zm9v\0", 5, false);
	exhaust(1, 0);
	exhaust(2, 256);
	exhaust(3, 65536);
	round_trip();
	return finish();
}
