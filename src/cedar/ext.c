/*-------------------------------------------------------------------------
 *
 * ext.c
 *	  The extension types decimal, ipaddr, datetime and duration.
 *
 *-------------------------------------------------------------------------
 */
#include "ext.h"

#include <string.h>

#define MS_PER_SECOND	INT64_C(1000)
#define MS_PER_MINUTE	(60 * MS_PER_SECOND)
#define MS_PER_HOUR		(60 * MS_PER_MINUTE)
#define MS_PER_DAY		(24 * MS_PER_HOUR)

/* Days from 0000-01-01 to 1970-01-01. */
#define DAYS_TO_EPOCH	719528

#define IP_TEXT_MAX		43

/* A text being read from the left. */
typedef struct Cursor
{
	const char *p;
	const char *end;
} Cursor;

static inline bool
is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static inline bool
take(Cursor *c, char want)
{
	if (c->p < c->end && *c->p == want)
	{
		c->p++;
		return true;
	}
	return false;
}

/* Exactly n decimal digits. */
static bool
take_digits(Cursor *c, int n, int *value)
{
	*value = 0;
	if (c->end - c->p < n)
		return false;
	for (int i = 0; i < n; i++, c->p++)
	{
		if (!is_digit(*c->p))
			return false;
		*value = *value * 10 + (*c->p - '0');
	}
	return true;
}

/*
 * A run of decimal digits, added to a number that has the given sign, so that
 * the most negative one can be read too.  *overflow tells when it does not fit.
 */
static size_t
take_number(Cursor *c, bool negative, int64_t *value, bool *overflow)
{
	const char *start = c->p;

	*value = 0;
	for (; c->p < c->end && is_digit(*c->p); c->p++)
	{
		int			digit = *c->p - '0';

		if (__builtin_mul_overflow(*value, 10, value) ||
			__builtin_add_overflow(*value, negative ? -digit : digit, value))
			*overflow = true;
	}
	return (size_t) (c->p - start);
}

/* ---------------------------------------------------------------- decimal */

bool
cedar_decimal_parse(const char *s, size_t len, int64_t *value, const char **why)
{
	Cursor		c = {s, s + len};
	bool		negative = take(&c, '-');
	bool		overflow = false;
	int64_t		whole;
	int64_t		fraction;
	size_t		digits;

	if (take_number(&c, negative, &whole, &overflow) == 0 || !take(&c, '.') ||
		(digits = take_number(&c, negative, &fraction, &overflow)) == 0 ||
		c.p != c.end)
	{
		*why = "not a decimal, which is written like 12.34";
		return false;
	}
	if (digits > 4)
	{
		*why = "more than four digits after the point";
		return false;
	}
	for (; digits < 4; digits++)
		fraction *= 10;
	if (overflow || __builtin_mul_overflow(whole, 10000, &whole) ||
		__builtin_add_overflow(whole, fraction, value))
	{
		*why = "decimal is out of range";
		return false;
	}
	return true;
}

/* --------------------------------------------------------------- datetime */

static int
days_in_month(int year, int month)
{
	static const uint8_t days[12] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};

	if (month == 2 && year % 4 == 0 && (year % 100 != 0 || year % 400 == 0))
		return 29;
	return days[month - 1];
}

/* Days since 1970-01-01 in the proleptic Gregorian calendar, years 0 to 9999. */
static int64_t
days_since_epoch(int year, int month, int day)
{
	int64_t		days = 365 * (int64_t) year + (year + 3) / 4 -
		(year + 99) / 100 + (year + 399) / 400;

	for (int m = 1; m < month; m++)
		days += days_in_month(year, m);
	return days + day - 1 - DAYS_TO_EPOCH;
}

bool
cedar_datetime_parse(const char *s, size_t len, int64_t *ms, const char **why)
{
	Cursor		c = {s, s + len};
	int			year;
	int			month;
	int			day;
	int			hour = 0;
	int			minute = 0;
	int			second = 0;
	int			milli = 0;
	int			offset_hour = 0;
	int			offset_minute = 0;
	bool		east = false;
	int64_t		offset;

	*why = "not a datetime, which is written like 2024-10-15 or 2024-10-15T11:35:00.000Z";
	if (!take_digits(&c, 4, &year) || !take(&c, '-') ||
		!take_digits(&c, 2, &month) || !take(&c, '-') ||
		!take_digits(&c, 2, &day))
		return false;
	if (c.p != c.end)
	{
		if (!take(&c, 'T') || !take_digits(&c, 2, &hour) || !take(&c, ':') ||
			!take_digits(&c, 2, &minute) || !take(&c, ':') ||
			!take_digits(&c, 2, &second))
			return false;
		if (take(&c, '.') && !take_digits(&c, 3, &milli))
			return false;
		if (!take(&c, 'Z'))
		{
			east = take(&c, '+');
			if ((!east && !take(&c, '-')) ||
				!take_digits(&c, 2, &offset_hour) ||
				!take_digits(&c, 2, &offset_minute))
				return false;
		}
		if (c.p != c.end)
			return false;
	}

	if (month < 1 || month > 12 || day < 1 || day > days_in_month(year, month))
	{
		*why = "no such date";
		return false;
	}
	if (hour > 23 || minute > 59 || second > 59)
	{
		*why = "no such time of day";
		return false;
	}
	if (offset_hour > 23 || offset_minute > 59)
	{
		*why = "no such offset from UTC";
		return false;
	}

	/* Local time east of Greenwich is ahead of UTC. */
	offset = offset_hour * MS_PER_HOUR + offset_minute * MS_PER_MINUTE;
	*ms = days_since_epoch(year, month, day) * MS_PER_DAY +
		hour * MS_PER_HOUR + minute * MS_PER_MINUTE + second * MS_PER_SECOND +
		milli - (east ? offset : -offset);
	return true;
}

int64_t
cedar_datetime_to_time(int64_t ms)
{
	int64_t		rest = ms % MS_PER_DAY;

	return rest < 0 ? rest + MS_PER_DAY : rest;
}

bool
cedar_datetime_to_date(int64_t ms, int64_t *date)
{
	return !__builtin_sub_overflow(ms, cedar_datetime_to_time(ms), date);
}

/* --------------------------------------------------------------- duration */

bool
cedar_duration_parse(const char *s, size_t len, int64_t *ms, const char **why)
{
	static const struct
	{
		const char *unit;
		int64_t		ms;
	}			units[] = {
		{"d", MS_PER_DAY}, {"h", MS_PER_HOUR}, {"m", MS_PER_MINUTE},
		{"s", MS_PER_SECOND}, {"ms", 1}
	};
	enum
	{
		N_UNITS = sizeof(units) / sizeof(units[0])
	};
	Cursor		c = {s, s + len};
	bool		negative = take(&c, '-');
	int64_t		parts[N_UNITS] = {0};
	bool		overflow = false;
	int64_t		sum = 0;
	int			next = 0;

	*why = "not a duration, which is written like 1d2h3m4s5ms";
	if (c.p == c.end)
		return false;
	while (c.p < c.end)
	{
		int64_t		number;
		size_t		unit_len = 0;

		if (take_number(&c, negative, &number, &overflow) == 0)
			return false;
		while (c.p + unit_len < c.end && !is_digit(c.p[unit_len]))
			unit_len++;

		/* Units come in this order, each at most once. */
		while (next < N_UNITS &&
			   (strlen(units[next].unit) != unit_len ||
				memcmp(units[next].unit, c.p, unit_len) != 0))
			next++;
		if (next == N_UNITS)
			return false;
		parts[next++] = number;
		c.p += unit_len;
	}

	/*
	 * Small units first: where a sum goes through the border decides whether
	 * a text is refused, and the reference adds in this order.
	 */
	for (int i = N_UNITS - 1; i >= 0; i--)
	{
		int64_t		part;

		overflow |= __builtin_mul_overflow(parts[i], units[i].ms, &part);
		overflow |= __builtin_add_overflow(sum, part, &sum);
	}
	if (overflow)
	{
		*why = "duration is out of range";
		return false;
	}
	*ms = sum;
	return true;
}

/* ----------------------------------------------------------------- ipaddr */

static bool
ipv4_parse(const char *s, size_t len, uint8_t *addr)
{
	Cursor		c = {s, s + len};

	for (int i = 0; i < 4; i++)
	{
		const char *start;
		int			value = 0;

		if (i > 0 && !take(&c, '.'))
			return false;
		for (start = c.p; c.p < c.end && is_digit(*c.p) && c.p - start < 3; c.p++)
			value = value * 10 + (*c.p - '0');
		if (c.p == start || value > 255 || (*start == '0' && c.p - start > 1))
			return false;
		addr[i] = (uint8_t) value;
	}
	return c.p == c.end;
}

static int
hex_digit(char ch)
{
	if (is_digit(ch))
		return ch - '0';
	if (ch >= 'a' && ch <= 'f')
		return ch - 'a' + 10;
	if (ch >= 'A' && ch <= 'F')
		return ch - 'A' + 10;
	return -1;
}

/* One to four hexadecimal digits. */
static bool
ipv6_group(Cursor *c, uint16_t *group)
{
	const char *start = c->p;
	unsigned	value = 0;

	for (; c->p < c->end && c->p - start < 4 && hex_digit(*c->p) >= 0; c->p++)
		value = value * 16 + (unsigned) hex_digit(*c->p);
	*group = (uint16_t) value;
	return c->p > start;
}

static bool
ipv6_parse(const char *s, size_t len, uint8_t *addr)
{
	Cursor		c = {s, s + len};
	uint16_t	groups[8] = {0};
	int			n = 0;
	int			gap = -1;		/* groups before the "::" */

	while (c.p < c.end)
	{
		if (gap < 0 && c.end - c.p >= 2 && c.p[0] == ':' && c.p[1] == ':')
		{
			gap = n;
			c.p += 2;
			if (c.p == c.end)
				break;
		}
		else if (n > 0 && !take(&c, ':'))
			return false;
		if (n == 8 || !ipv6_group(&c, &groups[n]))
			return false;
		n++;
	}

	/* The gap stands for one group or more. */
	if (gap < 0 ? n != 8 : n == 8)
		return false;
	for (int i = 0; i < n; i++)
	{
		size_t		at = (size_t) (gap >= 0 && i >= gap ? 8 - n + i : i);

		addr[2 * at] = (uint8_t) (groups[i] >> 8);
		addr[2 * at + 1] = (uint8_t) groups[i];
	}
	return true;
}

bool
cedar_ip_parse(const char *s, size_t len, CedarIp *ip, const char **why)
{
	const char *slash = len > 0 ? memchr(s, '/', len) : NULL;
	size_t		addr_len = slash ? (size_t) (slash - s) : len;
	Cursor		c = {slash ? slash + 1 : s, s + len};
	CedarIp		result;
	int64_t		prefix;
	size_t		digits;
	bool		overflow = false;

	memset(&result, 0, sizeof(result));
	if (len > IP_TEXT_MAX)
	{
		*why = "too long for an IP address";
		return false;
	}
	if (!ipv4_parse(s, addr_len, result.addr))
	{
		result.is_v6 = 1;
		memset(result.addr, 0, sizeof(result.addr));
		if (!ipv6_parse(s, addr_len, result.addr))
		{
			*why = "not an IP address, which is written like 10.0.0.1, 10.0.0.0/8 or ffee::/64";
			return false;
		}
	}
	result.prefix = result.is_v6 ? 128 : 32;
	if (slash != NULL)
	{
		digits = take_number(&c, false, &prefix, &overflow);
		if (digits == 0 || c.p != c.end || (digits > 1 && slash[1] == '0') ||
			overflow || prefix > result.prefix)
		{
			*why = result.is_v6 ? "the prefix is a number from 0 to 128, without leading zeros" :
				"the prefix is a number from 0 to 32, without leading zeros";
			return false;
		}
		result.prefix = (uint8_t) prefix;
	}
	*ip = result;
	return true;
}

bool
cedar_ip_in_range(const CedarIp *ip, const CedarIp *range)
{
	unsigned	whole = range->prefix / 8;
	unsigned	rest = range->prefix % 8;

	if (ip->is_v6 != range->is_v6 || ip->prefix < range->prefix)
		return false;
	if (memcmp(ip->addr, range->addr, whole) != 0)
		return false;
	return rest == 0 || ((ip->addr[whole] ^ range->addr[whole]) >> (8 - rest)) == 0;
}

bool
cedar_ip_is_loopback(const CedarIp *ip)
{
	static const uint8_t v6[16] = {[15] = 1};

	if (ip->is_v6)
		return ip->prefix == 128 && memcmp(ip->addr, v6, 16) == 0;
	return ip->prefix >= 8 && ip->addr[0] == 127;
}

bool
cedar_ip_is_multicast(const CedarIp *ip)
{
	if (ip->is_v6)
		return ip->prefix >= 8 && ip->addr[0] == 0xFF;
	return ip->prefix >= 4 && ip->addr[0] >> 4 == 0xE;
}
