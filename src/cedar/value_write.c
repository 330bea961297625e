/*-------------------------------------------------------------------------
 *
 * value_write.c
 *	  Values as JSON, in the form in which entities have them, and as
 *	  expressions of the language: what is written here cedar_value_from_json
 *	  and the parser read back, unless it was cut.
 *
 *-------------------------------------------------------------------------
 */
#include <inttypes.h>
#include <stdio.h>

#include "explain.h"
#include "internal.h"

#define MAX_STRING	1000		/* bytes of a string that are written */
#define DAY_MS		INT64_C(86400000)

typedef struct Writer
{
	CedarBuf	buf;
	bool		expression;		/* else JSON */
	uint32_t	left;			/* elements and members */
} Writer;

static void
put_literal(Writer *w, const char *s, size_t len)
{
	const char *end = s + len;

	if (!w->expression)
	{
		cedar_buf_json_string(&w->buf, s, len);
		return;
	}
	cedar_buf_puts(&w->buf, "\"");
	while (s < end)
	{
		char		escaped[CEDAR_ESCAPE_MAX];

		cedar_buf_append(&w->buf, escaped, (size_t) cedar_escape_char(&s, escaped));
	}
	cedar_buf_puts(&w->buf, "\"");
}

static void
put_string(Writer *w, const char *s, size_t len)
{
	size_t		n = cedar_utf8_clip(s, len, MAX_STRING);
	char		cut[MAX_STRING + 4];

	if (n == len)
	{
		put_literal(w, s, len);
		return;
	}
	memcpy(cut, s, n);
	memcpy(cut + n, "\xE2\x80\xA6", 3);
	put_literal(w, cut, n + 3);
}

/* "… and 17 more" */
static void
put_rest(Writer *w, uint32_t n)
{
	char		text[48];

	snprintf(text, sizeof(text), "\"\xE2\x80\xA6 and %" PRIu32 " more\"", n);
	cedar_buf_puts(&w->buf, text);
}

static void
put_extension(Writer *w, const char *fn, const char *arg)
{
	cedar_buf_puts(&w->buf, w->expression ? "" : "{\"__extn\":{\"fn\":\"");
	cedar_buf_puts(&w->buf, fn);
	cedar_buf_puts(&w->buf, w->expression ? "(\"" : "\",\"arg\":\"");
	cedar_buf_puts(&w->buf, arg);
	cedar_buf_puts(&w->buf, w->expression ? "\")" : "\"}}");
}

/* At least one digit behind the point, and no zero too many. */
static void
put_decimal(Writer *w, int64_t i)
{
	char		text[32];
	uint64_t	abs = i < 0 ? -(uint64_t) i : (uint64_t) i;
	int			n = snprintf(text, sizeof(text), "%s%" PRIu64 ".%04u", i < 0 ? "-" : "",
							 abs / 10000, (unsigned) (abs % 10000));

	while (text[n - 1] == '0' && text[n - 2] != '.')
		text[--n] = '\0';
	put_extension(w, "decimal", text);
}

/* IPv6 in the text form of RFC 5952, without IPv4 inside. */
static void
put_ip(Writer *w, const CedarIp *ip)
{
	char		text[64];
	int			n = 0;
	unsigned	groups[8];
	int			run = 0;		/* zeros to leave out: where, how many */
	int			run_len = 1;

#define ADD(...) (n += snprintf(text + n, sizeof(text) - (size_t) n, __VA_ARGS__))
	if (!ip->is_v6)
		ADD("%d.%d.%d.%d", ip->addr[0], ip->addr[1], ip->addr[2], ip->addr[3]);
	else
	{
		for (int i = 0, zeros = 0; i < 8; i++)
		{
			groups[i] = (unsigned) ip->addr[(size_t) 2 * i] << 8 | ip->addr[(size_t) 2 * i + 1];
			zeros = groups[i] == 0 ? zeros + 1 : 0;
			if (zeros > run_len)
			{
				run = i + 1 - zeros;
				run_len = zeros;
			}
		}
		for (int i = 0; i < 8; i++)
		{
			if (run_len > 1 && i == run)
			{
				ADD(i == 0 ? "::" : ":");
				i += run_len - 1;
				continue;
			}
			ADD("%x%s", groups[i], i < 7 ? ":" : "");
		}
	}
	if (ip->prefix != (ip->is_v6 ? 128 : 32))
		snprintf(text + n, sizeof(text) - (size_t) n, "/%d", ip->prefix);
#undef ADD
	put_extension(w, "ip", text);
}

/* Days since 1970-01-01 to the date, in the proleptic Gregorian calendar. */
static void
civil_date(int64_t days, int64_t *year, int *month, int *day)
{
	/* years begin in March here, so that leap days come last */
	int64_t		shifted = days + 719468;
	int64_t		era = (shifted >= 0 ? shifted : shifted - 146096) / 146097;
	int64_t		day_of_era = shifted - era * 146097;
	int64_t		year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
	int64_t		day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
	int64_t		m = (5 * day_of_year + 2) / 153;

	*day = (int) (day_of_year - (153 * m + 2) / 5 + 1);
	*month = (int) (m < 10 ? m + 3 : m - 9);
	*year = year_of_era + era * 400 + (*month <= 2);
}

static void
put_datetime(Writer *w, int64_t ms)
{
	int64_t		days = ms / DAY_MS - (ms % DAY_MS < 0);
	int			rest = (int) (ms - days * DAY_MS);
	int64_t		year;
	int			month;
	int			day;
	char		text[96];

	civil_date(days, &year, &month, &day);
	if (year < 0 || year > 9999)
	{
		/* it has no text form of its own */
		snprintf(text, sizeof(text), "%" PRId64 "ms", ms);
		cedar_buf_puts(&w->buf, w->expression ? "" : "{\"__extn\":{\"fn\":\"offset\",\"args\":[");
		put_extension(w, "datetime", "1970-01-01");
		cedar_buf_puts(&w->buf, w->expression ? ".offset(" : ",");
		put_extension(w, "duration", text);
		cedar_buf_puts(&w->buf, w->expression ? ")" : "]}}");
		return;
	}
	if (rest == 0)
		snprintf(text, sizeof(text), "%04d-%02d-%02d", (int) year, month, day);
	else
	{
		int			n = snprintf(text, sizeof(text), "%04d-%02d-%02dT%02d:%02d:%02d", (int) year, month, day,
								 rest / 3600000, rest / 60000 % 60, rest / 1000 % 60);

		if (rest % 1000 != 0)
			n += snprintf(text + n, sizeof(text) - (size_t) n, ".%03d", rest % 1000);
		snprintf(text + n, sizeof(text) - (size_t) n, "Z");
	}
	put_extension(w, "datetime", text);
}

static void
put_uid(Writer *w, const CedarUid *uid)
{
	if (w->expression)
	{
		cedar_buf_append(&w->buf, uid->bytes, uid->type_len);
		cedar_buf_puts(&w->buf, "::");
		put_string(w, uid->bytes + uid->type_len, uid->id_len);
		return;
	}
	cedar_buf_puts(&w->buf, "{\"__entity\":{\"type\":");
	cedar_buf_json_string(&w->buf, uid->bytes, uid->type_len);
	cedar_buf_puts(&w->buf, ",\"id\":");
	put_string(w, uid->bytes + uid->type_len, uid->id_len);
	cedar_buf_puts(&w->buf, "}}");
}

static bool put_value(Writer *w, const CedarValue *v);

static bool
put_set(Writer *w, const CedarSet *set)
{
	cedar_buf_puts(&w->buf, "[");
	for (uint32_t i = 0; i < set->n; i++)
	{
		CedarValue	v = cedar_slot_value(&set->elems[i]);

		cedar_buf_puts(&w->buf, i == 0 ? "" : w->expression ? ", " : ",");
		if (w->left == 0)
		{
			put_rest(w, set->n - i);
			break;
		}
		w->left--;
		if (!put_value(w, &v))
			return false;
	}
	cedar_buf_puts(&w->buf, "]");
	return true;
}

static bool
put_record(Writer *w, const CedarRecord *rec)
{
	cedar_buf_puts(&w->buf, "{");
	for (uint32_t i = 0; i < rec->n; i++)
	{
		const CedarStr *key = cedar_slot_str(&rec->fields[i].key);
		CedarValue	v = cedar_slot_value(&rec->fields[i].value);

		cedar_buf_puts(&w->buf, i == 0 ? "" : w->expression ? ", " : ",");
		if (w->left == 0)
		{
			cedar_buf_puts(&w->buf, "\"\xE2\x80\xA6\":");
			put_rest(w, rec->n - i);
			break;
		}
		w->left--;
		put_string(w, key->bytes, key->len);
		cedar_buf_puts(&w->buf, w->expression ? ": " : ":");
		if (!put_value(w, &v))
			return false;
	}
	cedar_buf_puts(&w->buf, "}");
	return true;
}

/* False when the stack is too deep. */
static bool
put_value(Writer *w, const CedarValue *v)
{
	char		text[32];

	if (cedar_arena_stack_is_too_deep(w->buf.arena))
		return false;
	cedar_arena_check_interrupt(w->buf.arena);
	switch ((CedarKind) v->kind)
	{
		case CEDAR_BOOL:
			cedar_buf_puts(&w->buf, v->u.i ? "true" : "false");
			return true;
		case CEDAR_LONG:
			snprintf(text, sizeof(text), "%" PRId64, v->u.i);
			cedar_buf_puts(&w->buf, text);
			return true;
		case CEDAR_STRING:
			put_string(w, v->u.str->bytes, v->u.str->len);
			return true;
		case CEDAR_ENTITY:
			put_uid(w, v->u.uid);
			return true;
		case CEDAR_SET:
			return put_set(w, v->u.set);
		case CEDAR_RECORD:
			return put_record(w, v->u.rec);
		case CEDAR_DECIMAL:
			put_decimal(w, v->u.i);
			return true;
		case CEDAR_IPADDR:
			put_ip(w, v->u.ip);
			return true;
		case CEDAR_DATETIME:
			put_datetime(w, v->u.i);
			return true;
		case CEDAR_DURATION:
			snprintf(text, sizeof(text), "%" PRId64 "ms", v->u.i);
			put_extension(w, "duration", text);
			return true;
	}
	return true;
}

static CedarCode
write_value(CedarArena *arena, const CedarValue *value, bool expression, uint32_t max,
			const char **text, size_t *len, CedarError *err)
{
	Writer		w = {{arena, NULL, 0, 0, false}, expression, max};

	if (!put_value(&w, value))
		return cedar_stack(err);
	if (w.buf.failed)
		return cedar_nomem(err);
	*text = w.buf.data;
	*len = w.buf.len;
	return CEDAR_OK;
}

CedarCode
cedar_value_to_json(CedarArena *arena, const CedarValue *value, uint32_t max,
					const char **json, size_t *len, CedarError *err)
{
	return write_value(arena, value, false, max, json, len, err);
}

CedarCode
cedar_value_to_text(CedarArena *arena, const CedarValue *value, uint32_t max,
					const char **text, size_t *len, CedarError *err)
{
	return write_value(arena, value, true, max, text, len, err);
}
