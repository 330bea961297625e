/*-------------------------------------------------------------------------
 *
 * harness.c
 *	  The accounting host and the counting checks.
 *
 *-------------------------------------------------------------------------
 */
#include "harness.h"

#include <stdarg.h>

#include <openssl/err.h>

#include "internal.h"

static long passed;
static long failed;

/* ------------------------------------------------------------------ host */

#define LIVE_MARK	((size_t) 0x10ca11ed10ca11ed)
#define HEAD		16			/* keeps what follows aligned */

static void *
host_alloc(void *userdata, size_t size)
{
	Host	   *h = userdata;
	size_t	   *block;

	h->calls++;
	if (h->fail_at > 0 && h->calls == h->fail_at)
		return NULL;
	block = malloc(size + HEAD);
	if (block == NULL)
		return NULL;
	block[0] = LIVE_MARK;
	block[1] = size;
	/* nobody may count on zeroes */
	memset((char *) block + HEAD, 0xa5, size);
	h->live++;
	return (char *) block + HEAD;
}

static void
host_release(void *userdata, void *ptr)
{
	Host	   *h = userdata;
	size_t	   *block = (size_t *) (void *) ((char *) ptr - HEAD);

	if (block[0] != LIVE_MARK)
	{
		printf("released what is not a live block\n");
		abort();
	}
	block[0] = 0;
	memset(ptr, 0x5a, block[1]);
	h->live--;
	free(block);
}

static bool
host_is_cancelled(void *userdata)
{
	return ((Host *) userdata)->cancelled;
}

Host		host = {
	.vtable = { host_alloc, host_release, host_is_cancelled, &host }
};

void
drop(void *block)
{
	if (block != NULL)
		host_release(&host, block);
}

/* ---------------------------------------------------------------- checks */

static bool
count(bool ok, const char *file, int line, const char *fmt, va_list args)
{
	if (ok)
	{
		passed++;
		return true;
	}
	if (++failed <= 50)
	{
		printf("%s:%d: ", file, line);
		vprintf(fmt, args);
		printf("\n");
	}
	return false;
}

bool
check(bool ok, const char *file, int line, const char *fmt,...)
{
	va_list		args;

	va_start(args, fmt);
	count(ok, file, line, fmt, args);
	va_end(args);
	return ok;
}

bool
error_is_sound(JoseCode code, const JoseError *err)
{
	size_t		n = strnlen(err->message, sizeof(err->message));
	size_t		d = strnlen(err->detail, sizeof(err->detail));

	if (err->code != code || n == 0 || n == sizeof(err->message) || d == sizeof(err->detail))
		return false;
	for (size_t i = 0; i < n; i++)
		if (err->message[i] < 0x20 || err->message[i] > 0x7e)
			return false;
	for (size_t i = 0; i < d; i++)
		if (err->detail[i] < 0x20 || err->detail[i] > 0x7e)
			return false;
	return ERR_peek_error() == 0;
}

bool
check_code(JoseCode code, JoseCode want, const JoseError *err,
		   const char *file, int line, const char *fmt,...)
{
	va_list		args;
	bool		ok = code == want && (code == JOSE_OK || error_is_sound(code, err));

	va_start(args, fmt);
	if (!count(ok, file, line, fmt, args) && failed <= 50)
		printf("    %s, expected %s%s%s\n", jose_code_name(code), jose_code_name(want),
			   code != JOSE_OK ? ": " : "", code != JOSE_OK ? err->message : "");
	va_end(args);
	return ok;
}

int
finish(void)
{
	CHECK(host.live == 0, "%ld blocks are left", host.live);
	printf("%ld passed, %ld failed\n", passed, failed);
	return failed == 0 ? 0 : 1;
}

/* ------------------------------------------------------------- shorthands */

static void
must(JoseCode code, const JoseError *err, const char *what)
{
	if (code == JOSE_OK)
		return;
	printf("%s: %s: %s %s\n", what, jose_code_name(code), err->message, err->detail);
	exit(1);
}

JoseKey *
must_parse(const char *jwk, JoseAlg alg)
{
	JoseKey    *key;
	JoseError	err;

	must(jose_jwk_parse(HOST, jwk, strlen(jwk), alg, &key, &err), &err, jwk);
	return key;
}

JoseKey *
must_generate(JoseAlg alg)
{
	JoseKey    *key;
	JoseError	err;

	must(jose_jwk_generate(HOST, alg, 0, &key, &err), &err, jose_alg_name(alg));
	return key;
}

char *
must_sign(JoseKey *key, const JoseSignOptions *options, const char *payload)
{
	char	   *token;
	size_t		len;
	JoseError	err;

	must(jose_jws_sign(HOST, key, options, payload, strlen(payload), &token, &len, &err),
		 &err, "sign");
	return token;
}

char *
must_export(const JoseKey *key, JosePart part)
{
	char	   *text;
	size_t		len;
	JoseError	err;

	must(jose_jwk_to_json(HOST, key, part, &text, &len, &err), &err, "export");
	return text;
}

char *
encode(const void *bytes, size_t len)
{
	char	   *text = malloc(JOSE_BASE64URL_LEN(len) + 1);

	jose_base64url_encode(text, bytes, len);
	text[JOSE_BASE64URL_LEN(len)] = '\0';
	return text;
}

char *
forge(JoseKey *key, const char *header_json, const char *payload)
{
	char	   *h = encode(header_json, strlen(header_json));
	char	   *p = encode(payload, strlen(payload));
	unsigned char sig[JOSE_MAX_SIGNATURE_BYTES];
	char	   *token = malloc(strlen(h) + strlen(p) + 3 + JOSE_BASE64URL_LEN(sizeof(sig)));
	size_t		n = (size_t) sprintf(token, "%s.%s", h, p);
	JoseError	err;

	must(jose_key_sign(key, token, n, sig, &err), &err, "forge");
	token[n++] = '.';
	jose_base64url_encode(token + n, sig, key->signature_len);
	token[n + JOSE_BASE64URL_LEN(key->signature_len)] = '\0';
	free(h);
	free(p);
	return token;
}

JoseCode
verify(JoseKey *key, const char *token, JoseError *err)
{
	char	   *payload;
	size_t		len;
	JoseCode	code;

	/* a copy of exactly this size, so that reading beyond it is seen */
	size_t		n = strlen(token);
	char	   *copy = malloc(n > 0 ? n : 1);

	memcpy(copy, token, n);
	code = jose_jws_verify(HOST, key, copy, n, NULL, NULL, &payload, &len, err);
	if (code == JOSE_OK)
		drop(payload);
	free(copy);
	return code;
}
