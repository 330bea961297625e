/*-------------------------------------------------------------------------
 *
 * function.c
 *	  The extension functions by name, and their application to values.
 *
 * Parsing and arithmetic of the extension types are in ext.c; here are the
 * checks of arguments that policies and JSON escapes have in common.
 *
 *-------------------------------------------------------------------------
 */
#include "ext.h"
#include "internal.h"

const CedarFnInfo cedar_functions[CEDAR_FN_COUNT] = {
	[CEDAR_FN_DECIMAL] = {"decimal", 1, false},
	[CEDAR_FN_LESS_THAN] = {"lessThan", 2, true},
	[CEDAR_FN_LESS_THAN_OR_EQUAL] = {"lessThanOrEqual", 2, true},
	[CEDAR_FN_GREATER_THAN] = {"greaterThan", 2, true},
	[CEDAR_FN_GREATER_THAN_OR_EQUAL] = {"greaterThanOrEqual", 2, true},
	[CEDAR_FN_IP] = {"ip", 1, false},
	[CEDAR_FN_IS_IPV4] = {"isIpv4", 1, true},
	[CEDAR_FN_IS_IPV6] = {"isIpv6", 1, true},
	[CEDAR_FN_IS_LOOPBACK] = {"isLoopback", 1, true},
	[CEDAR_FN_IS_MULTICAST] = {"isMulticast", 1, true},
	[CEDAR_FN_IS_IN_RANGE] = {"isInRange", 2, true},
	[CEDAR_FN_DATETIME] = {"datetime", 1, false},
	[CEDAR_FN_DURATION] = {"duration", 1, false},
	[CEDAR_FN_OFFSET] = {"offset", 2, true},
	[CEDAR_FN_DURATION_SINCE] = {"durationSince", 2, true},
	[CEDAR_FN_TO_DATE] = {"toDate", 1, true},
	[CEDAR_FN_TO_TIME] = {"toTime", 1, true},
	[CEDAR_FN_TO_MILLISECONDS] = {"toMilliseconds", 1, true},
	[CEDAR_FN_TO_SECONDS] = {"toSeconds", 1, true},
	[CEDAR_FN_TO_MINUTES] = {"toMinutes", 1, true},
	[CEDAR_FN_TO_HOURS] = {"toHours", 1, true},
	[CEDAR_FN_TO_DAYS] = {"toDays", 1, true},
};

CEDAR_STATIC_ASSERT(sizeof(cedar_functions) / sizeof(cedar_functions[0]) == CEDAR_FN_COUNT,
					"every function has its line");

int
cedar_fn_lookup(const char *name, size_t len)
{
	for (int i = 0; i < CEDAR_FN_COUNT; i++)
		if (strlen(cedar_functions[i].name) == len &&
			memcmp(cedar_functions[i].name, name, len) == 0)
			return i;
	return -1;
}

CedarKind
cedar_fn_argument_kind(CedarFn fn, uint32_t i)
{
	switch (fn)
	{
		case CEDAR_FN_DECIMAL:
		case CEDAR_FN_IP:
		case CEDAR_FN_DATETIME:
		case CEDAR_FN_DURATION:
			return CEDAR_STRING;
		case CEDAR_FN_LESS_THAN:
		case CEDAR_FN_LESS_THAN_OR_EQUAL:
		case CEDAR_FN_GREATER_THAN:
		case CEDAR_FN_GREATER_THAN_OR_EQUAL:
			return CEDAR_DECIMAL;
		case CEDAR_FN_IS_IPV4:
		case CEDAR_FN_IS_IPV6:
		case CEDAR_FN_IS_LOOPBACK:
		case CEDAR_FN_IS_MULTICAST:
		case CEDAR_FN_IS_IN_RANGE:
			return CEDAR_IPADDR;
		case CEDAR_FN_OFFSET:
			return i == 0 ? CEDAR_DATETIME : CEDAR_DURATION;
		case CEDAR_FN_DURATION_SINCE:
		case CEDAR_FN_TO_DATE:
		case CEDAR_FN_TO_TIME:
			return CEDAR_DATETIME;
		case CEDAR_FN_TO_MILLISECONDS:
		case CEDAR_FN_TO_SECONDS:
		case CEDAR_FN_TO_MINUTES:
		case CEDAR_FN_TO_HOURS:
		case CEDAR_FN_TO_DAYS:
			return CEDAR_DURATION;
	}
	return CEDAR_STRING;
}

CedarKind
cedar_fn_result_kind(CedarFn fn)
{
	switch (fn)
	{
		case CEDAR_FN_DECIMAL:
			return CEDAR_DECIMAL;
		case CEDAR_FN_IP:
			return CEDAR_IPADDR;
		case CEDAR_FN_DATETIME:
		case CEDAR_FN_OFFSET:
		case CEDAR_FN_TO_DATE:
			return CEDAR_DATETIME;
		case CEDAR_FN_DURATION:
		case CEDAR_FN_DURATION_SINCE:
		case CEDAR_FN_TO_TIME:
			return CEDAR_DURATION;
		case CEDAR_FN_TO_MILLISECONDS:
		case CEDAR_FN_TO_SECONDS:
		case CEDAR_FN_TO_MINUTES:
		case CEDAR_FN_TO_HOURS:
		case CEDAR_FN_TO_DAYS:
			return CEDAR_LONG;
		case CEDAR_FN_LESS_THAN:
		case CEDAR_FN_LESS_THAN_OR_EQUAL:
		case CEDAR_FN_GREATER_THAN:
		case CEDAR_FN_GREATER_THAN_OR_EQUAL:
		case CEDAR_FN_IS_IPV4:
		case CEDAR_FN_IS_IPV6:
		case CEDAR_FN_IS_LOOPBACK:
		case CEDAR_FN_IS_MULTICAST:
		case CEDAR_FN_IS_IN_RANGE:
			return CEDAR_BOOL;
	}
	return CEDAR_BOOL;
}

static CedarCode
refuse(CedarError *err, CedarFn fn, const CedarStr *arg, const char *why)
{
	return cedar_fail(err, CEDAR_EVAL_EXTENSION, "%s(\"%.*s\"): %s",
					  cedar_functions[fn].name, CEDAR_EXCERPT(arg->bytes, arg->len), why);
}

static CedarCode
overflow(CedarError *err, CedarFn fn)
{
	return cedar_fail(err, CEDAR_EVAL_EXTENSION, "%s: result is out of range",
					  cedar_functions[fn].name);
}

CedarCode
cedar_fn_call(CedarArena *arena, CedarFn fn, const CedarValue *args, uint32_t n,
			  CedarValue *result, CedarError *err)
{
	const char *why = "";
	int64_t		i;
	char		buf[160];

	if (n != cedar_functions[fn].arity)
		return cedar_fail(err, CEDAR_EVAL_ARITY,
						  "extension function %s takes %d argument%s, got %u",
						  cedar_functions[fn].name, cedar_functions[fn].arity,
						  cedar_functions[fn].arity == 1 ? "" : "s", (unsigned) n);
	for (uint32_t k = 0; k < n; k++)
	{
		CedarKind	want = cedar_fn_argument_kind(fn, k);

		if (args[k].kind != want)
		{
			cedar_fail(err, CEDAR_EVAL_TYPE, "%s: expected a value of type %s, got %s",
					   cedar_functions[fn].name, cedar_kind_name(want),
					   cedar_value_describe(&args[k], buf, sizeof(buf)));
			if (args[k].kind == CEDAR_STRING)
				cedar_hint(err, "Make one of the string with %s(…).",
						   want == CEDAR_IPADDR ? "ip" : cedar_kind_name(want));
			return CEDAR_EVAL_TYPE;
		}
	}

	switch (fn)
	{
		case CEDAR_FN_DECIMAL:
			if (!cedar_decimal_parse(args[0].u.str->bytes, args[0].u.str->len, &i, &why))
				return refuse(err, fn, args[0].u.str, why);
			*result = cedar_value_scalar(CEDAR_DECIMAL, i);
			return CEDAR_OK;
		case CEDAR_FN_DATETIME:
			if (!cedar_datetime_parse(args[0].u.str->bytes, args[0].u.str->len, &i, &why))
				return refuse(err, fn, args[0].u.str, why);
			*result = cedar_value_scalar(CEDAR_DATETIME, i);
			return CEDAR_OK;
		case CEDAR_FN_DURATION:
			if (!cedar_duration_parse(args[0].u.str->bytes, args[0].u.str->len, &i, &why))
				return refuse(err, fn, args[0].u.str, why);
			*result = cedar_value_scalar(CEDAR_DURATION, i);
			return CEDAR_OK;
		case CEDAR_FN_IP:
			{
				CedarIp    *ip = cedar_arena_zalloc(arena, sizeof(CedarIp));

				if (ip == NULL)
					return cedar_nomem(err);
				if (!cedar_ip_parse(args[0].u.str->bytes, args[0].u.str->len, ip, &why))
					return refuse(err, fn, args[0].u.str, why);
				*result = cedar_value_ip(ip);
				return CEDAR_OK;
			}
		case CEDAR_FN_LESS_THAN:
			*result = cedar_value_scalar(CEDAR_BOOL, args[0].u.i < args[1].u.i);
			return CEDAR_OK;
		case CEDAR_FN_LESS_THAN_OR_EQUAL:
			*result = cedar_value_scalar(CEDAR_BOOL, args[0].u.i <= args[1].u.i);
			return CEDAR_OK;
		case CEDAR_FN_GREATER_THAN:
			*result = cedar_value_scalar(CEDAR_BOOL, args[0].u.i > args[1].u.i);
			return CEDAR_OK;
		case CEDAR_FN_GREATER_THAN_OR_EQUAL:
			*result = cedar_value_scalar(CEDAR_BOOL, args[0].u.i >= args[1].u.i);
			return CEDAR_OK;
		case CEDAR_FN_IS_IPV4:
			*result = cedar_value_scalar(CEDAR_BOOL, !args[0].u.ip->is_v6);
			return CEDAR_OK;
		case CEDAR_FN_IS_IPV6:
			*result = cedar_value_scalar(CEDAR_BOOL, args[0].u.ip->is_v6);
			return CEDAR_OK;
		case CEDAR_FN_IS_LOOPBACK:
			*result = cedar_value_scalar(CEDAR_BOOL, cedar_ip_is_loopback(args[0].u.ip));
			return CEDAR_OK;
		case CEDAR_FN_IS_MULTICAST:
			*result = cedar_value_scalar(CEDAR_BOOL, cedar_ip_is_multicast(args[0].u.ip));
			return CEDAR_OK;
		case CEDAR_FN_IS_IN_RANGE:
			*result = cedar_value_scalar(CEDAR_BOOL,
										 cedar_ip_in_range(args[0].u.ip, args[1].u.ip));
			return CEDAR_OK;
		case CEDAR_FN_OFFSET:
			if (__builtin_add_overflow(args[0].u.i, args[1].u.i, &i))
				return overflow(err, fn);
			*result = cedar_value_scalar(CEDAR_DATETIME, i);
			return CEDAR_OK;
		case CEDAR_FN_DURATION_SINCE:
			if (__builtin_sub_overflow(args[0].u.i, args[1].u.i, &i))
				return overflow(err, fn);
			*result = cedar_value_scalar(CEDAR_DURATION, i);
			return CEDAR_OK;
		case CEDAR_FN_TO_DATE:
			if (!cedar_datetime_to_date(args[0].u.i, &i))
				return overflow(err, fn);
			*result = cedar_value_scalar(CEDAR_DATETIME, i);
			return CEDAR_OK;
		case CEDAR_FN_TO_TIME:
			*result = cedar_value_scalar(CEDAR_DURATION, cedar_datetime_to_time(args[0].u.i));
			return CEDAR_OK;
		case CEDAR_FN_TO_MILLISECONDS:
			*result = cedar_value_scalar(CEDAR_LONG, args[0].u.i);
			return CEDAR_OK;
		case CEDAR_FN_TO_SECONDS:
			*result = cedar_value_scalar(CEDAR_LONG, args[0].u.i / 1000);
			return CEDAR_OK;
		case CEDAR_FN_TO_MINUTES:
			*result = cedar_value_scalar(CEDAR_LONG, args[0].u.i / (INT64_C(60) * 1000));
			return CEDAR_OK;
		case CEDAR_FN_TO_HOURS:
			*result = cedar_value_scalar(CEDAR_LONG, args[0].u.i / (INT64_C(60) * 60 * 1000));
			return CEDAR_OK;
		case CEDAR_FN_TO_DAYS:
			*result = cedar_value_scalar(CEDAR_LONG, args[0].u.i / (INT64_C(24) * 60 * 60 * 1000));
			return CEDAR_OK;
	}
	return cedar_fail(err, CEDAR_EVAL_EXTENSION, "unknown extension function");
}
