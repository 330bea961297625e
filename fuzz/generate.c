/*-------------------------------------------------------------------------
 *
 * generate.c
 *	  A grammar of policies, entities and requests, driven by bytes.
 *
 * Every choice takes one byte; when they are used up the first choice is
 * taken, which is always a short one, so that the text ends.
 *
 *-------------------------------------------------------------------------
 */
#include "generate.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LENGTH(a) (sizeof(a) / sizeof((a)[0]))
#define MAX_NESTING 6
#define MAX_TEXT	(256 * 1024)	/* no new choices beyond this */

typedef struct Gen
{
	const uint8_t *data;
	size_t		len;
	size_t		pos;
	GeneratedText *out;
} Gen;

typedef enum Want
{
	WANT_BOOL,
	WANT_LONG,
	WANT_STRING,
	WANT_ENTITY,
	WANT_SET,
	WANT_RECORD,
	WANT_DECIMAL,
	WANT_IP,
	WANT_DATETIME,
	WANT_DURATION,
	WANT_COUNT
} Want;

static const char *const types[] = {"U", "G", "D", "N::T"};
static const char *const ids[] = {"a", "b", "c", "\303\251", ""};
static const char *const attrs[] = {"s", "n", "b", "e", "l", "r", "t", "i", "d", "u", "m"};
static const char *const strings[] = {
	"a", "", "b", "ab", "aab", "ba*b", "\303\251a\303\251", "1.5", "10.0.0.1", "2024-02-29", "1h"
};
static const char *const longs[] = {
	"0", "1", "2", "3", "7", "1000", "9223372036854775807", "86400000", "-9223372036854775808"
};

/* not -0, which JSON has as another kind of number */
static const char *const json_longs[] = {
	"0", "1", "-1", "2", "3", "7", "9223372036854775807", "-9223372036854775808"
};
static const char *const patterns[] = {
	"", "a", "b", "*", "\\*", "\303\251", "ab", "**", "a*a", "*b", "a*"
};
static const char *const decimals[] = {
	"0.0", "1.5", "-1.5", "922337203685477.5807", "-922337203685477.5808", "1.50", "1.23456", "x"
};
static const char *const ips[] = {
	"10.0.0.1", "10.0.0.0/8", "127.0.0.1", "224.0.0.1/4", "::1", "ff00::/8", "2001:db8::/32",
	"0.0.0.0/0", "::/0", "10.0.0.1/33", "10.0.0.1/32"
};
static const char *const datetimes[] = {
	"1970-01-01", "2024-02-29", "1969-12-31T23:59:59.999Z", "2024-10-15T11:38:02.101+0530",
	"0000-01-01", "9999-12-31T23:59:59Z", "2023-02-29", "-0001-01-01"
};
static const char *const durations[] = {
	"0ms", "1d", "-1d2h3m4s5ms", "1h", "86400s", "9223372036854775807ms", "-9223372036854775808ms", "1s1h"
};

static unsigned
pick(Gen *g, unsigned n)
{
	if (g->pos >= g->len || g->out->len > MAX_TEXT)
		return 0;
	return g->data[g->pos++] % n;
}

#define PICK(g, array) ((array)[pick(g, LENGTH(array))])

static void
put(Gen *g, const char *s)
{
	size_t		n = strlen(s);
	GeneratedText *t = g->out;

	if (t->len + n + 1 > t->cap)
	{
		t->cap = (t->len + n + 1) * 2;
		t->data = realloc(t->data, t->cap);
		if (t->data == NULL)
			abort();
	}
	memcpy(t->data + t->len, s, n + 1);
	t->len += n;
}

static void
put_quoted(Gen *g, const char *s)
{
	put(g, "\"");
	for (; *s != '\0'; s++)
	{
		const char	c[3] = {s[0] == '"' || s[0] == '\\' ? '\\' : s[0],
		s[0] == '"' || s[0] == '\\' ? s[0] : '\0', '\0'};

		put(g, c);
	}
	put(g, "\"");
}

/* --------------------------------------------------------------- policies */

static void expr(Gen *g, Want want, int depth);

static void
uid(Gen *g)
{
	unsigned	type = pick(g, LENGTH(types) + 1);

	put(g, type < LENGTH(types) ? types[type] : "Action");
	put(g, "::");
	put_quoted(g, PICK(g, ids));
}

static void
attr(Gen *g)
{
	if (pick(g, 8) == 7)
	{
		put(g, "[");
		put_quoted(g, PICK(g, attrs));
		put(g, "]");
		return;
	}
	put(g, ".");
	put(g, PICK(g, attrs));
}

static void
call(Gen *g, const char *name, const char *arg)
{
	put(g, name);
	put(g, "(");
	put_quoted(g, arg);
	put(g, ")");
}

static void
elements(Gen *g, int depth)
{
	Want		want = (Want) pick(g, WANT_COUNT);
	unsigned	n = pick(g, 6);

	put(g, "[");
	if (n == 5)
	{
		/* large: the library looks into such sets in another way */
		n = 10 + pick(g, 60);
		for (unsigned i = 0; i < n; i++)
		{
			char		number[24];

			snprintf(number, sizeof(number), "%s%u", i > 0 ? ", " : "", i * (1 + pick(g, 3)));
			put(g, number);
		}
		n = 0;
	}
	for (unsigned i = 0; i < n; i++)
	{
		if (i > 0)
			put(g, ", ");
		expr(g, pick(g, 8) == 7 ? (Want) pick(g, WANT_COUNT) : want, depth + 1);
	}
	put(g, "]");
}

/* What stands to the right of `in`. */
static void
container(Gen *g, int depth)
{
	unsigned	n;

	switch (pick(g, 4))
	{
		case 0:
			expr(g, WANT_ENTITY, depth + 1);
			break;
		case 1:
			expr(g, WANT_SET, depth + 1);
			break;
		default:
			n = pick(g, 4);
			put(g, "[");
			for (unsigned i = 0; i < n; i++)
			{
				put(g, i > 0 ? ", " : "");
				expr(g, WANT_ENTITY, depth + 1);
			}
			put(g, "]");
			break;
	}
}

static void
record(Gen *g, int depth)
{
	unsigned	mask = pick(g, 256);
	bool		first = true;

	put(g, "{");
	for (unsigned i = 0; i < 8; i++)
	{
		/* few fields as a rule, all of them now and then */
		if ((mask >> i & 1) == 0 || (mask != 255 && i % 2 == 1))
			continue;
		if (!first)
			put(g, ", ");
		first = false;
		if (i % 3 == 0)
			put_quoted(g, attrs[i]);
		else
			put(g, attrs[i]);
		put(g, ": ");
		expr(g, (Want) pick(g, WANT_COUNT), depth + 1);
	}
	put(g, "}");
}

/* Something with attributes, and one of them: of any type. */
static void
access(Gen *g, int depth)
{
	switch (pick(g, 4))
	{
		case 0:
			put(g, "principal");
			break;
		case 1:
			put(g, "resource");
			break;
		case 2:
			put(g, "context");
			break;
		default:
			put(g, "(");
			expr(g, pick(g, 2) ? WANT_RECORD : WANT_ENTITY, depth + 1);
			put(g, ")");
			break;
	}
	attr(g);
}

static void
infix(Gen *g, Want left, const char *op, Want right, int depth)
{
	put(g, "(");
	expr(g, left, depth + 1);
	put(g, op);
	expr(g, right, depth + 1);
	put(g, ")");
}

static void
method(Gen *g, Want left, const char *name, int right, int depth)
{
	put(g, "(");
	expr(g, left, depth + 1);
	put(g, ").");
	put(g, name);
	put(g, "(");
	if (right >= 0)
		expr(g, (Want) right, depth + 1);
	put(g, ")");
}

static void
pattern(Gen *g)
{
	unsigned	n = pick(g, 6);

	put(g, "\"");
	for (unsigned i = 0; i < n; i++)
		put(g, PICK(g, patterns));
	put(g, "\"");
}

static void
bool_expr(Gen *g, int depth)
{
	static const char *const comparisons[] = {" < ", " <= ", " > ", " >= "};
	static const char *const equalities[] = {" == ", " != "};
	static const char *const sets[] = {"containsAll", "containsAny"};
	static const char *const ip_tests[] = {"isIpv4", "isIpv6", "isLoopback", "isMulticast"};
	static const char *const decimal_tests[] = {
		"lessThan", "lessThanOrEqual", "greaterThan", "greaterThanOrEqual"
	};
	static const Want ordered[] = {WANT_LONG, WANT_DATETIME, WANT_DURATION};
	Want		want;

	switch (pick(g, 22))
	{
		case 0:
			put(g, pick(g, 2) ? "false" : "true");
			break;
		case 1:
			infix(g, WANT_BOOL, " && ", WANT_BOOL, depth);
			break;
		case 2:
			infix(g, WANT_BOOL, " || ", WANT_BOOL, depth);
			break;
		case 3:
			put(g, "!");
			put(g, "(");
			expr(g, WANT_BOOL, depth + 1);
			put(g, ")");
			break;
		case 4:
		case 5:
			want = (Want) pick(g, WANT_COUNT);
			infix(g, want, PICK(g, equalities), want, depth);
			break;
		case 6:
			want = PICK(g, ordered);
			infix(g, want, PICK(g, comparisons), want, depth);
			break;
		case 7:
		case 8:
			put(g, "(");
			expr(g, WANT_ENTITY, depth + 1);
			put(g, " in ");
			container(g, depth);
			put(g, ")");
			break;
		case 9:
			method(g, WANT_SET, "contains", (int) pick(g, WANT_COUNT), depth);
			break;
		case 10:
			method(g, WANT_SET, PICK(g, sets), WANT_SET, depth);
			break;
		case 11:
			method(g, WANT_SET, "isEmpty", -1, depth);
			break;
		case 12:
			put(g, "(");
			expr(g, WANT_STRING, depth + 1);
			put(g, " like ");
			pattern(g);
			put(g, ")");
			break;
		case 13:
			put(g, "(");
			expr(g, pick(g, 2) ? WANT_RECORD : WANT_ENTITY, depth + 1);
			put(g, " has ");
			put(g, PICK(g, attrs));
			while (pick(g, 3) == 2)
			{
				put(g, ".");
				put(g, PICK(g, attrs));
			}
			put(g, ")");
			break;
		case 14:
			put(g, "(");
			expr(g, WANT_ENTITY, depth + 1);
			put(g, " is ");
			put(g, PICK(g, types));
			if (pick(g, 2))
			{
				put(g, " in ");
				container(g, depth);
			}
			put(g, ")");
			break;
		case 15:
			method(g, WANT_ENTITY, "hasTag", WANT_STRING, depth);
			break;
		case 16:
			method(g, WANT_DECIMAL, PICK(g, decimal_tests), WANT_DECIMAL, depth);
			break;
		case 17:
			method(g, WANT_IP, PICK(g, ip_tests), -1, depth);
			break;
		case 18:
			method(g, WANT_IP, "isInRange", WANT_IP, depth);
			break;
		case 19:
			method(g, WANT_ENTITY, "getTag", WANT_STRING, depth);
			break;
		default:
			access(g, depth);
			break;
	}
}

static void
long_expr(Gen *g, int depth)
{
	static const char *const operators[] = {" + ", " - ", " * "};
	static const char *const units[] = {
		"toMilliseconds", "toSeconds", "toMinutes", "toHours", "toDays"
	};

	switch (pick(g, 6))
	{
		case 0:
			put(g, pick(g, 4) == 3 ? "-" : "");
			if (pick(g, 2))
			{
				/* one that a large set may hold */
				char		number[24];

				snprintf(number, sizeof(number), "%u", pick(g, 160));
				put(g, number);
			}
			else
				put(g, PICK(g, longs));
			break;
		case 1:
		case 2:
			infix(g, WANT_LONG, PICK(g, operators), WANT_LONG, depth);
			break;
		case 3:
			put(g, "-(");
			expr(g, WANT_LONG, depth + 1);
			put(g, ")");
			break;
		case 4:
			method(g, WANT_DURATION, PICK(g, units), -1, depth);
			break;
		default:
			access(g, depth);
			break;
	}
}

static void
expr(Gen *g, Want want, int depth)
{
	unsigned	detour;

	if (depth > MAX_NESTING)
	{
		/* something short of the wanted type */
		switch (want)
		{
			case WANT_BOOL:
				put(g, pick(g, 2) ? "false" : "true");
				return;
			case WANT_LONG:
				put(g, PICK(g, longs));
				return;
			case WANT_STRING:
				put_quoted(g, PICK(g, strings));
				return;
			case WANT_SET:
				put(g, "[1]");
				return;
			case WANT_RECORD:
				put(g, "{}");
				return;
			default:
				uid(g);
				return;
		}
	}
	detour = pick(g, 32);
	if (detour == 31)
		want = (Want) pick(g, WANT_COUNT);
	else if (detour == 30)
	{
		put(g, "(if ");
		expr(g, WANT_BOOL, depth + 1);
		put(g, " then ");
		expr(g, want, depth + 1);
		put(g, " else ");
		expr(g, want, depth + 1);
		put(g, ")");
		return;
	}
	else if (detour >= 26)
	{
		access(g, depth);
		return;
	}
	switch (want)
	{
		case WANT_BOOL:
			bool_expr(g, depth);
			break;
		case WANT_LONG:
			long_expr(g, depth);
			break;
		case WANT_STRING:
			put_quoted(g, PICK(g, strings));
			break;
		case WANT_ENTITY:
			switch (pick(g, 4))
			{
				case 0:
					put(g, "principal");
					break;
				case 1:
					put(g, "resource");
					break;
				case 2:
					put(g, "action");
					break;
				default:
					uid(g);
					break;
			}
			break;
		case WANT_SET:
			elements(g, depth);
			break;
		case WANT_RECORD:
			if (pick(g, 3) == 0)
				put(g, "context");
			else
				record(g, depth);
			break;
		case WANT_DECIMAL:
			call(g, "decimal", PICK(g, decimals));
			break;
		case WANT_IP:
			call(g, "ip", PICK(g, ips));
			break;
		case WANT_DATETIME:
			switch (pick(g, 4))
			{
				case 1:
					method(g, WANT_DATETIME, "offset", WANT_DURATION, depth);
					break;
				case 2:
					method(g, WANT_DATETIME, "toDate", -1, depth);
					break;
				default:
					call(g, "datetime", PICK(g, datetimes));
					break;
			}
			break;
		case WANT_DURATION:
			switch (pick(g, 4))
			{
				case 1:
					method(g, WANT_DATETIME, "durationSince", WANT_DATETIME, depth);
					break;
				case 2:
					method(g, WANT_DATETIME, "toTime", -1, depth);
					break;
				default:
					call(g, "duration", PICK(g, durations));
					break;
			}
			break;
		case WANT_COUNT:
			break;
	}
}

static void
scope(Gen *g, const char *var)
{
	put(g, var);
	switch (pick(g, 9))
	{
		case 1:
			put(g, " == ");
			uid(g);
			break;
		case 2:
			put(g, " in ");
			uid(g);
			break;
		case 3:
			put(g, " is ");
			put(g, PICK(g, types));
			break;
		case 4:
			put(g, " is ");
			put(g, PICK(g, types));
			put(g, " in ");
			uid(g);
			break;
		default:
			break;
	}
}

static void
action_scope(Gen *g)
{
	unsigned	how = pick(g, 8);
	unsigned	n;

	put(g, "action");
	if (how == 1)
		put(g, " == ");
	else if (how >= 2 && how < 5)
		put(g, " in ");
	else
		return;
	n = how < 3 ? 1 : pick(g, 4);
	if (how >= 3)
		put(g, "[");
	for (unsigned i = 0; i < n; i++)
	{
		put(g, i > 0 ? ", Action::" : "Action::");
		put_quoted(g, PICK(g, ids));
	}
	if (how >= 3)
		put(g, "]");
}

static void
policy(Gen *g)
{
	unsigned	n;

	put(g, pick(g, 4) == 3 ? "forbid(" : "permit(");
	if (pick(g, 32) == 31)
		put(g, "principal == ?principal");
	else
		scope(g, "principal");
	put(g, ", ");
	action_scope(g);
	put(g, ", ");
	scope(g, "resource");
	put(g, ")");
	n = pick(g, 4);
	for (unsigned i = 0; i < n; i++)
	{
		put(g, pick(g, 3) == 2 ? " unless { " : " when { ");
		expr(g, WANT_BOOL, 0);
		put(g, " }");
	}
	put(g, ";\n");
}

/* ------------------------------------------------------ entities, request */

static void
json_uid(Gen *g, const char *type, const char *id)
{
	put(g, "{\"type\":");
	put_quoted(g, type);
	put(g, ",\"id\":");
	put_quoted(g, id);
	put(g, "}");
}

/* Two statements: arguments of one call are evaluated in any order. */
static void
json_any_uid(Gen *g)
{
	const char *type = PICK(g, types);

	json_uid(g, type, PICK(g, ids));
}

static void
json_extension(Gen *g, const char *fn, const char *arg)
{
	put(g, "{\"__extn\":{\"fn\":");
	put_quoted(g, fn);
	put(g, ",\"arg\":");
	put_quoted(g, arg);
	put(g, "}}");
}

static void json_record(Gen *g, int depth);

static void
json_value(Gen *g, int depth)
{
	unsigned	n;

	/* extension texts are taken from those that are good */
	switch (pick(g, depth > 3 ? 4 : 11))
	{
		case 0:
			put(g, pick(g, 2) ? "false" : "true");
			break;
		case 1:
			put(g, PICK(g, json_longs));
			break;
		case 2:
			put_quoted(g, PICK(g, strings));
			break;
		case 3:
			put(g, "{\"__entity\":");
			json_any_uid(g);
			put(g, "}");
			break;
		case 4:
		case 5:
			n = pick(g, 5);
			put(g, "[");
			for (unsigned i = 0; i < n; i++)
			{
				put(g, i > 0 ? "," : "");
				json_value(g, depth + 1);
			}
			put(g, "]");
			break;
		case 6:
			json_record(g, depth);
			break;
		case 7:
			json_extension(g, "decimal", decimals[pick(g, 6)]);
			break;
		case 8:
			json_extension(g, "ip", ips[pick(g, 9)]);
			break;
		case 9:
			json_extension(g, "datetime", datetimes[pick(g, 4)]);
			break;
		default:
			json_extension(g, "duration", durations[pick(g, 7)]);
			break;
	}
}

static void
json_record(Gen *g, int depth)
{
	unsigned	mask = pick(g, 256);
	bool		first = true;

	put(g, "{");
	for (unsigned i = 0; i < LENGTH(attrs); i++)
	{
		if ((mask >> (i % 8) & 1) == 0)
			continue;
		put(g, first ? "" : ",");
		first = false;
		put_quoted(g, attrs[i]);
		put(g, ":");
		json_value(g, depth + 1);
	}
	put(g, "}");
}

/*
 * Entities are numbered by id, then type; parents have larger numbers, so
 * there is no cycle.  Actions have actions as parents.
 */
static void
entities(Gen *g)
{
	const unsigned n = LENGTH(types) * LENGTH(ids);
	bool		first = true;

	put(g, "[");
	for (unsigned i = 0; i < n + LENGTH(ids); i++)
	{
		bool		action = i >= n;
		unsigned	end = action ? n + LENGTH(ids) : n;
		unsigned	parents;

		if (pick(g, 3) == 0)
			continue;
		put(g, first ? "{\"uid\":" : ",{\"uid\":");
		first = false;
		json_uid(g, action ? "Action" : types[i % LENGTH(types)],
				 action ? ids[i - n] : ids[i / LENGTH(types)]);
		put(g, ",\"attrs\":");
		json_record(g, action ? 3 : 1);
		put(g, ",\"parents\":[");
		parents = i + 1 < end ? pick(g, 4) : 0;
		for (unsigned k = 0; k < parents; k++)
		{
			unsigned	p = i + 1 + pick(g, end - i - 1);

			put(g, k > 0 ? "," : "");
			json_uid(g, action ? "Action" : types[p % LENGTH(types)],
					 action ? ids[p - n] : ids[p / LENGTH(types)]);
		}
		put(g, "]");
		if (!action && pick(g, 2))
		{
			put(g, ",\"tags\":{");
			parents = pick(g, 4);
			for (unsigned k = 0; k < parents; k++)
			{
				put(g, k > 0 ? "," : "");
				put_quoted(g, strings[k]);
				put(g, ":");
				json_value(g, 2);
			}
			put(g, "}");
		}
		put(g, "}");
	}
	put(g, "]");
}

static void
request(Gen *g)
{
	put(g, "{\"principal\":");
	json_any_uid(g);
	put(g, ",\"action\":");
	json_uid(g, "Action", PICK(g, ids));
	put(g, ",\"resource\":");
	json_any_uid(g);
	put(g, ",\"context\":");
	json_record(g, 0);
	put(g, "}");
}

void
generate(const uint8_t *data, size_t len, Generated *out)
{
	Gen			g = {data, len, 0, NULL};
	unsigned	n;

	memset(out, 0, sizeof(*out));
	g.out = &out->request;
	request(&g);
	/* the first third at most, else large entities leave policies no bytes */
	g.out = &out->entities;
	g.len = g.pos + (len - g.pos) / 3;
	entities(&g);
	g.len = len;
	g.out = &out->policies;
	put(&g, "");
	n = 1 + pick(&g, 8);
	for (unsigned i = 0; i < n || (i < 200 && g.pos < g.len); i++)
		policy(&g);
}

void
generated_free(Generated *out)
{
	free(out->policies.data);
	free(out->entities.data);
	free(out->request.data);
}
