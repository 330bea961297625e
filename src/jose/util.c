/*-------------------------------------------------------------------------
 *
 * util.c
 *	  Errors, memory, UTF-8 and output of the JOSE library.
 *
 *-------------------------------------------------------------------------
 */
#define JOSE_UTIL_C
#include "internal.h"

#include <stdarg.h>
#include <stdio.h>

#include <openssl/crypto.h>
#include <openssl/err.h>

/* ----------------------------------------------------------------- errors */

static const char *const code_names[] = {
	[JOSE_OK] = "JOSE_OK",
	[JOSE_ERR_NOMEM] = "JOSE_ERR_NOMEM",
	[JOSE_ERR_CANCELLED] = "JOSE_ERR_CANCELLED",
	[JOSE_ERR_ARGUMENT] = "JOSE_ERR_ARGUMENT",
	[JOSE_ERR_LIMIT] = "JOSE_ERR_LIMIT",
	[JOSE_ERR_UNAVAILABLE] = "JOSE_ERR_UNAVAILABLE",
	[JOSE_ERR_CRYPTO] = "JOSE_ERR_CRYPTO",
	[JOSE_ERR_KEY_MALFORMED] = "JOSE_ERR_KEY_MALFORMED",
	[JOSE_ERR_KEY_UNSUPPORTED] = "JOSE_ERR_KEY_UNSUPPORTED",
	[JOSE_ERR_KEY_WEAK] = "JOSE_ERR_KEY_WEAK",
	[JOSE_ERR_KEY_INVALID] = "JOSE_ERR_KEY_INVALID",
	[JOSE_ERR_KEY_USE] = "JOSE_ERR_KEY_USE",
	[JOSE_ERR_MALFORMED] = "JOSE_ERR_MALFORMED",
	[JOSE_ERR_ALGORITHM] = "JOSE_ERR_ALGORITHM",
	[JOSE_ERR_CRITICAL] = "JOSE_ERR_CRITICAL",
	[JOSE_ERR_UNKNOWN_KEY] = "JOSE_ERR_UNKNOWN_KEY",
	[JOSE_ERR_KEY_MISMATCH] = "JOSE_ERR_KEY_MISMATCH",
	[JOSE_ERR_SIGNATURE] = "JOSE_ERR_SIGNATURE",
	[JOSE_ERR_TYPE] = "JOSE_ERR_TYPE",
	[JOSE_ERR_MISSING_CLAIM] = "JOSE_ERR_MISSING_CLAIM",
	[JOSE_ERR_ISSUER] = "JOSE_ERR_ISSUER",
	[JOSE_ERR_AUDIENCE] = "JOSE_ERR_AUDIENCE",
	[JOSE_ERR_SUBJECT] = "JOSE_ERR_SUBJECT",
	[JOSE_ERR_EXPIRED] = "JOSE_ERR_EXPIRED",
	[JOSE_ERR_NOT_YET_VALID] = "JOSE_ERR_NOT_YET_VALID",
};

_Static_assert(sizeof(code_names) / sizeof(code_names[0]) == JOSE_CODE_COUNT,
			   "code_names follows JoseCode");

const char *
jose_code_name(JoseCode code)
{
	if ((unsigned) code >= JOSE_CODE_COUNT)
		return "JOSE_?";
	return code_names[code];
}

void
jose_crypto_begin(void)
{
	if (ERR_peek_error() != 0)
		ERR_clear_error();
}

/*
 * Everything formatted here is ASCII, so that it can be cut anywhere.  Nothing
 * stays in OpenSSL's queue, where the host could take it for an error of its
 * own.
 */
JoseCode
jose_fail(JoseError *err, JoseCode code, const char *fmt,...)
{
	va_list		args;

	jose_crypto_begin();
	err->code = code;
	err->detail[0] = '\0';
	va_start(args, fmt);
	if (vsnprintf(err->message, sizeof(err->message), fmt, args) < 0)
		err->message[0] = '\0';
	va_end(args);
	return code;
}

JoseCode
jose_detail(JoseError *err, const char *fmt,...)
{
	va_list		args;

	va_start(args, fmt);
	if (vsnprintf(err->detail, sizeof(err->detail), fmt, args) < 0)
		err->detail[0] = '\0';
	va_end(args);
	return err->code;
}

JoseCode
jose_nomem(JoseError *err)
{
	return jose_fail(err, JOSE_ERR_NOMEM, "out of memory");
}

JoseCode
jose_crypto_fail(JoseError *err, JoseCode code, const char *what)
{
	unsigned long e,
				first = 0;
	bool		nomem = false;
	bool		unavailable = false;
	const char *reason;

	while ((e = ERR_get_error()) != 0)
	{
		int			r = ERR_GET_REASON(e);

		if (first == 0)
			first = e;
		if (r == ERR_R_MALLOC_FAILURE)
			nomem = true;
		else if (r == ERR_R_UNSUPPORTED || r == ERR_R_FETCH_FAILED ||
				 r == ERR_R_DISABLED ||
				 (ERR_GET_LIB(e) == ERR_LIB_EVP && r == EVP_R_UNSUPPORTED_ALGORITHM))
			unavailable = true;
	}
	if (nomem)
		return jose_nomem(err);
	if (unavailable)
	{
		jose_fail(err, JOSE_ERR_UNAVAILABLE, "%s: not available in this OpenSSL", what);
		return jose_detail(err, "OpenSSL's configuration or its providers lack the algorithm.");
	}
	jose_fail(err, code, "%s failed", what);
	reason = first != 0 ? ERR_reason_error_string(first) : NULL;
	if (reason != NULL)
		jose_detail(err, "OpenSSL says: %.150s.", reason);
	return code;
}

/* ----------------------------------------------------------------- memory */

void *
jose_alloc(const JoseHost *host, size_t size)
{
	return host->alloc(host->userdata, size);
}

void
jose_release(const JoseHost *host, void *block)
{
	if (block != NULL && host->release != NULL)
		host->release(host->userdata, block);
}

void
jose_cleanse(void *block, size_t size)
{
	if (block != NULL)
		OPENSSL_cleanse(block, size);
}

/* ------------------------------------------------------------------- text */

size_t
jose_utf8_sequence(const unsigned char *p, size_t n)
{
	size_t		len;
	unsigned	min,
				c;

	if (n == 0)
		return 0;
	if (p[0] < 0x80)
		return 1;
	if (p[0] >= 0xc2 && p[0] <= 0xdf)
		len = 2, min = 0x80, c = p[0] & 0x1f;
	else if (p[0] >= 0xe0 && p[0] <= 0xef)
		len = 3, min = 0x800, c = p[0] & 0x0f;
	else if (p[0] >= 0xf0 && p[0] <= 0xf4)
		len = 4, min = 0x10000, c = p[0] & 0x07;
	else
		return 0;
	if (n < len)
		return 0;
	for (size_t i = 1; i < len; i++)
	{
		if ((p[i] & 0xc0) != 0x80)
			return 0;
		c = c << 6 | (p[i] & 0x3f);
	}
	if (c < min || c > 0x10ffff || (c >= 0xd800 && c <= 0xdfff))
		return 0;
	return len;
}

bool
jose_is_utf8(const char *text, size_t len)
{
	const unsigned char *p = (const unsigned char *) text;

	while (len > 0)
	{
		size_t		n = jose_utf8_sequence(p, len);

		if (n == 0)
			return false;
		p += n;
		len -= n;
	}
	return true;
}

const char *
jose_quote(JoseQuote *quote, const char *text, size_t len)
{
	size_t		n = len < 40 ? len : 40;

	for (size_t i = 0; i < n; i++)
		quote->text[i] = text[i] >= 0x20 && text[i] < 0x7f ? text[i] : '?';
	memcpy(quote->text + n, n < len ? "..." : "", n < len ? 4 : 1);
	return quote->text;
}

void
jose_out(JoseOut *out, const char *text, size_t len)
{
	if (out->buf != NULL && out->len <= out->size && len <= out->size - out->len)
		memcpy(out->buf + out->len, text, len);
	out->len += len;
}

void
jose_out_str(JoseOut *out, const char *text)
{
	jose_out(out, text, strlen(text));
}

void
jose_out_json(JoseOut *out, const char *text, size_t len)
{
	static const char hex[] = "0123456789abcdef";
	size_t		start = 0;

	jose_out(out, "\"", 1);
	for (size_t i = 0; i < len; i++)
	{
		unsigned char c = (unsigned char) text[i];

		if (c >= 0x20 && c != '"' && c != '\\')
			continue;
		jose_out(out, text + start, i - start);
		start = i + 1;
		if (c < 0x20)
		{
			char		escape[6] = { '\\', 'u', '0', '0', hex[c >> 4], hex[c & 15] };

			jose_out(out, escape, sizeof(escape));
		}
		else
		{
			char		escape[2] = { '\\', (char) c };

			jose_out(out, escape, sizeof(escape));
		}
	}
	jose_out(out, text + start, len - start);
	jose_out(out, "\"", 1);
}
