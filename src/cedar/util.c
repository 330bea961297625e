/*-------------------------------------------------------------------------
 *
 * util.c
 *	  Errors, UTF-8, hashing and output buffers of the Cedar library.
 *
 *-------------------------------------------------------------------------
 */
#define CEDAR_UTIL_C

#include <stdarg.h>
#include <stdio.h>

#include "internal.h"

/* ----------------------------------------------------------------- errors */

/*
 * Format into a fixed buffer and cut at a character boundary.  A NUL that
 * came with an excerpt ends the text there, which is what a message wants.
 */
static void CEDAR_PRINTF(3, 0)
format_into(char *buf, size_t size, const char *fmt, va_list args)
{
	int			n = vsnprintf(buf, size, fmt, args);

	if (n < 0)
		buf[0] = '\0';
	else
		buf[cedar_utf8_clip(buf, strlen(buf), size - 1)] = '\0';
}

static void CEDAR_PRINTF(3, 0)
fill(CedarError *err, CedarCode code, const char *fmt, va_list args)
{
	err->code = code;
	err->has_position = false;
	err->offset = 0;
	err->length = 0;
	err->hint[0] = '\0';
	format_into(err->message, sizeof(err->message), fmt, args);
}

CedarCode
cedar_fail(CedarError *err, CedarCode code, const char *fmt,...)
{
	va_list		args;

	va_start(args, fmt);
	fill(err, code, fmt, args);
	va_end(args);
	return code;
}

CedarCode
cedar_fail_at(CedarError *err, CedarCode code, size_t offset, size_t length,
			  const char *fmt,...)
{
	va_list		args;

	va_start(args, fmt);
	fill(err, code, fmt, args);
	va_end(args);
	err->has_position = true;
	err->offset = offset;
	err->length = length;
	return code;
}

/* Add advice to a filled error; returns its code. */
CedarCode
cedar_hint(CedarError *err, const char *fmt,...)
{
	va_list		args;

	va_start(args, fmt);
	format_into(err->hint, sizeof(err->hint), fmt, args);
	va_end(args);
	return err->code;
}

CedarCode
cedar_nomem(CedarError *err)
{
	return cedar_fail(err, CEDAR_ERR_NOMEM, "out of memory");
}

CedarCode
cedar_stack(CedarError *err)
{
	return cedar_fail(err, CEDAR_ERR_STACK, "stack depth limit exceeded");
}

/* ------------------------------------------------------------------ UTF-8 */

/* Bytes of the well-formed character at s (RFC 3629), or 0. */
static int
utf8_length(const unsigned char *s, size_t left)
{
	unsigned char c = s[0];

	if (c < 0x80)
		return 1;
	if (c < 0xC2 || c > 0xF4)
		return 0;
	if (c < 0xE0)
		return (left >= 2 && (s[1] & 0xC0) == 0x80) ? 2 : 0;
	if (c < 0xF0)
	{
		if (left < 3 || (s[1] & 0xC0) != 0x80 || (s[2] & 0xC0) != 0x80)
			return 0;
		if (c == 0xE0 && s[1] < 0xA0)
			return 0;			/* overlong */
		if (c == 0xED && s[1] > 0x9F)
			return 0;			/* surrogate */
		return 3;
	}
	if (left < 4 || (s[1] & 0xC0) != 0x80 || (s[2] & 0xC0) != 0x80 ||
		(s[3] & 0xC0) != 0x80)
		return 0;
	if (c == 0xF0 && s[1] < 0x90)
		return 0;				/* overlong */
	if (c == 0xF4 && s[1] > 0x8F)
		return 0;				/* beyond U+10FFFF */
	return 4;
}

size_t
cedar_utf8_invalid_at(const char *s, size_t len)
{
	size_t		i = 0;

	while (i < len)
	{
		int			n;

		/* eight ASCII bytes at a time */
		while (i + 8 <= len)
		{
			uint64_t	w;

			memcpy(&w, s + i, 8);
			if (w & UINT64_C(0x8080808080808080))
				break;
			i += 8;
		}
		if (i >= len)
			break;
		n = utf8_length((const unsigned char *) s + i, len - i);
		if (n == 0)
			return i;
		i += n;
	}
	return len;
}

size_t
cedar_text_invalid_at(const CedarArena *arena, const char *s, size_t len)
{
	size_t		done = 0;

	while (done < len)
	{
		size_t		n = len - done < CEDAR_BYTES_PER_CHECK ? len - done : CEDAR_BYTES_PER_CHECK;
		size_t		valid = cedar_utf8_invalid_at(s + done, n);

		/* the last character may go on behind the n bytes: begin there again */
		if (valid < n && (n - valid >= 4 || done + n == len))
			return done + valid;
		done += valid;
		cedar_arena_check_interrupt(arena);
	}
	return len;
}

size_t
cedar_utf8_clip(const char *s, size_t len, size_t max)
{
	size_t		i = 0;

	while (i < len)
	{
		int			n = utf8_length((const unsigned char *) s + i, len - i);

		if (n == 0 || i + n > max)
			break;
		i += n;
	}
	return i;
}

int
cedar_utf8_put(char *buf, uint32_t cp)
{
	if (cp < 0x80)
	{
		buf[0] = (char) cp;
		return 1;
	}
	if (cp < 0x800)
	{
		buf[0] = (char) (0xC0 | cp >> 6);
		buf[1] = (char) (0x80 | (cp & 0x3F));
		return 2;
	}
	if (cp < 0x10000)
	{
		buf[0] = (char) (0xE0 | cp >> 12);
		buf[1] = (char) (0x80 | (cp >> 6 & 0x3F));
		buf[2] = (char) (0x80 | (cp & 0x3F));
		return 3;
	}
	buf[0] = (char) (0xF0 | cp >> 18);
	buf[1] = (char) (0x80 | (cp >> 12 & 0x3F));
	buf[2] = (char) (0x80 | (cp >> 6 & 0x3F));
	buf[3] = (char) (0x80 | (cp & 0x3F));
	return 4;
}

uint32_t
cedar_utf8_get(const char **p)
{
	const unsigned char *s = (const unsigned char *) *p;

	if (s[0] < 0x80)
	{
		*p += 1;
		return s[0];
	}
	if (s[0] < 0xE0)
	{
		*p += 2;
		return (uint32_t) (s[0] & 0x1F) << 6 | (s[1] & 0x3F);
	}
	if (s[0] < 0xF0)
	{
		*p += 3;
		return (uint32_t) (s[0] & 0x0F) << 12 | (uint32_t) (s[1] & 0x3F) << 6 |
			(s[2] & 0x3F);
	}
	*p += 4;
	return (uint32_t) (s[0] & 0x07) << 18 | (uint32_t) (s[1] & 0x3F) << 12 |
		(uint32_t) (s[2] & 0x3F) << 6 | (s[3] & 0x3F);
}

/* ---------------------------------------------------------------- hashing */

/*
 * A multiply-and-fold hash, eight bytes a step.  It only has to spread well:
 * equality is always confirmed on the bytes.
 */
static inline uint64_t
fold(uint64_t a, uint64_t b)
{
	__extension__ typedef unsigned __int128 u128;
	u128		m = (u128) a * b;

	return (uint64_t) m ^ (uint64_t) (m >> 64);
}

#define HASH_K0 UINT64_C(0x9E3779B97F4A7C15)
#define HASH_K1 UINT64_C(0xD6E8FEB86659FD93)

static inline uint64_t
hash64(const void *data, size_t len, uint32_t seed)
{
	const unsigned char *p = data;
	uint64_t	h = (seed ^ HASH_K0) + len * HASH_K1;
	uint64_t	w;

	while (len >= 8)
	{
		memcpy(&w, p, 8);
		h = fold(h ^ w, HASH_K1);
		p += 8;
		len -= 8;
	}
	if (len > 0)
	{
		w = 0;
		memcpy(&w, p, len);
		h = fold(h ^ w, HASH_K1);
	}
	return fold(h, HASH_K0);
}

uint32_t
cedar_hash_bytes(const void *data, size_t len, uint32_t seed)
{
	uint64_t	h = hash64(data, len, seed);

	return (uint32_t) (h ^ h >> 32);
}

uint64_t
cedar_block_checksum(const void *block, size_t size)
{
	const size_t behind = CEDAR_CHECKSUM_AT + sizeof(uint64_t);

	return hash64((const char *) block + behind, size - behind, 0);
}

uint32_t
cedar_hash_mix(uint32_t a, uint32_t b)
{
	uint64_t	h = fold(((uint64_t) a << 32 | b) ^ HASH_K0, HASH_K1);

	return (uint32_t) (h ^ h >> 32);
}

uint32_t
cedar_hash_value(CedarKind kind, int64_t i)
{
	uint64_t	h = fold((uint64_t) i ^ HASH_K0, HASH_K1 + kind);

	return (uint32_t) (h ^ h >> 32);
}

/* ---------------------------------------------------------------- buffers */

void
cedar_buf_append(CedarBuf *buf, const char *s, size_t len)
{
	if (buf->failed)
		return;
	if (len > buf->cap - buf->len)
	{
		size_t		cap = buf->cap ? buf->cap : 256;
		char	   *data;

		while (cap - buf->len < len)
		{
			if (cap > SIZE_MAX / 4)
			{
				buf->failed = true;
				return;
			}
			cap *= 2;
		}
		data = cedar_arena_alloc(buf->arena, cap);
		if (data == NULL)
		{
			buf->failed = true;
			return;
		}
		if (buf->len > 0)
			memcpy(data, buf->data, buf->len);
		buf->data = data;
		buf->cap = cap;
	}
	if (len > 0)
		memcpy(buf->data + buf->len, s, len);
	buf->len += len;
}

void
cedar_buf_puts(CedarBuf *buf, const char *s)
{
	cedar_buf_append(buf, s, strlen(s));
}

void
cedar_buf_json_string(CedarBuf *buf, const char *s, size_t len)
{
	size_t		start = 0;

	cedar_buf_append(buf, "\"", 1);
	for (size_t i = 0; i < len; i++)
	{
		unsigned char c = (unsigned char) s[i];
		char		esc[8];

		if (c >= 0x20 && c != '"' && c != '\\')
			continue;
		cedar_buf_append(buf, s + start, i - start);
		start = i + 1;
		if (c == '"' || c == '\\')
			snprintf(esc, sizeof(esc), "\\%c", c);
		else if (c == '\n')
			snprintf(esc, sizeof(esc), "\\n");
		else
			snprintf(esc, sizeof(esc), "\\u%04x", c);
		cedar_buf_puts(buf, esc);
	}
	if (len > start)
		cedar_buf_append(buf, s + start, len - start);
	cedar_buf_append(buf, "\"", 1);
}
