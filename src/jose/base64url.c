/*-------------------------------------------------------------------------
 *
 * base64url.c
 *	  base64url without padding (RFC 4648 section 5, RFC 7515 section 2).
 *
 * One text for one sequence of bytes: what the encoder does not write, the
 * decoder does not read.  There are two of each: by tables, for tokens, and
 * by arithmetic alone, for secrets, because the lines of a table that were
 * touched can be seen by others on the same machine.
 *
 *-------------------------------------------------------------------------
 */
#include "internal.h"

static const char alphabet[] =
"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

#define XX 0xff
static const uint8_t values[256] = {
	XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX,
	XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX,
	XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, 62, XX, XX,
	52, 53, 54, 55, 56, 57, 58, 59, 60, 61, XX, XX, XX, XX, XX, XX,
	XX, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14,
	15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, XX, XX, XX, XX, 63,
	XX, 26, 27, 28, 29, 30, 31, 32, 33, 34, 35, 36, 37, 38, 39, 40,
	41, 42, 43, 44, 45, 46, 47, 48, 49, 50, 51, XX, XX, XX, XX, XX,
	XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX,
	XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX,
	XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX,
	XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX,
	XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX,
	XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX,
	XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX,
	XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX,
};

/* All ones where lo <= x <= hi, else zero; all are below 2^31. */
static inline uint32_t
in_range(uint32_t x, uint32_t lo, uint32_t hi)
{
	return (((x - lo) | (hi - x)) >> 31) - 1;
}

static inline char
encode_table(uint32_t v)
{
	return alphabet[v];
}

static inline char
encode_arithmetic(uint32_t v)
{
	return (char) ((in_range(v, 0, 25) & (v + 'A')) |
				   (in_range(v, 26, 51) & (v - 26 + 'a')) |
				   (in_range(v, 52, 61) & (v - 52 + '0')) |
				   (in_range(v, 62, 62) & '-') |
				   (in_range(v, 63, 63) & '_'));
}

static inline uint32_t
decode_table(unsigned char c)
{
	return values[c];
}

/* A character outside of the alphabet has a bit of 0xc0 set, as in the table. */
static inline uint32_t
decode_arithmetic(unsigned char c)
{
	uint32_t	upper = in_range(c, 'A', 'Z');
	uint32_t	lower = in_range(c, 'a', 'z');
	uint32_t	digit = in_range(c, '0', '9');
	uint32_t	minus = in_range(c, '-', '-');
	uint32_t	under = in_range(c, '_', '_');

	return (upper & (uint32_t) (c - 'A')) |
		(lower & (uint32_t) (c - 'a' + 26)) |
		(digit & (uint32_t) (c - '0' + 52)) |
		(minus & 62) | (under & 63) |
		(~(upper | lower | digit | minus | under) & XX);
}

#define BAD_BITS 0xc0

/* Both forms of encoding and of decoding, with the digit's function inlined. */
#define DEFINE_ENCODE(name, encode) \
void \
name(char *dst, const void *src, size_t n) \
{ \
	const uint8_t *p = src; \
 \
	for (; n >= 3; n -= 3, p += 3, dst += 4) \
	{ \
		uint32_t	v = (uint32_t) p[0] << 16 | (uint32_t) p[1] << 8 | p[2]; \
 \
		dst[0] = encode(v >> 18); \
		dst[1] = encode(v >> 12 & 63); \
		dst[2] = encode(v >> 6 & 63); \
		dst[3] = encode(v & 63); \
	} \
	if (n > 0) \
	{ \
		uint32_t	v = (uint32_t) p[0] << 16 | (n == 2 ? (uint32_t) p[1] << 8 : 0); \
 \
		dst[0] = encode(v >> 18); \
		dst[1] = encode(v >> 12 & 63); \
		if (n == 2) \
			dst[2] = encode(v >> 6 & 63); \
	} \
}

#define DEFINE_DECODE(name, decode) \
bool \
name(void *dst, size_t *dst_len, const char *src, size_t n) \
{ \
	const unsigned char *p = (const unsigned char *) src; \
	uint8_t    *out = dst; \
	uint32_t	bad = 0; \
 \
	if (n % 4 == 1) \
		return false; \
	*dst_len = JOSE_BASE64URL_BYTES(n); \
	for (; n >= 4; n -= 4, p += 4, out += 3) \
	{ \
		uint32_t	a = decode(p[0]); \
		uint32_t	b = decode(p[1]); \
		uint32_t	c = decode(p[2]); \
		uint32_t	d = decode(p[3]); \
		uint32_t	v = a << 18 | b << 12 | c << 6 | d; \
 \
		bad |= a | b | c | d; \
		out[0] = (uint8_t) (v >> 16); \
		out[1] = (uint8_t) (v >> 8); \
		out[2] = (uint8_t) v; \
	} \
	if (n > 0) \
	{ \
		uint32_t	a = decode(p[0]); \
		uint32_t	b = decode(p[1]); \
		uint32_t	c = n == 3 ? decode(p[2]) : 0; \
		uint32_t	v = a << 18 | b << 12 | c << 6; \
		uint32_t	beyond = n == 3 ? v & 0xff : v & 0xffff; \
 \
		bad |= a | b | c; \
		out[0] = (uint8_t) (v >> 16); \
		if (n == 3) \
			out[1] = (uint8_t) (v >> 8); \
		/* what the last bytes do not need must be zero */ \
		bad |= (0 - beyond) >> 31 << 7; \
	} \
	return (bad & BAD_BITS) == 0; \
}

DEFINE_ENCODE(jose_base64url_encode, encode_table)
DEFINE_ENCODE(jose_base64url_encode_secret, encode_arithmetic)
DEFINE_DECODE(jose_base64url_decode, decode_table)
DEFINE_DECODE(jose_base64url_decode_secret, decode_arithmetic)
