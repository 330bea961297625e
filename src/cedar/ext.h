/*-------------------------------------------------------------------------
 *
 * ext.h
 *	  The extension types decimal, ipaddr, datetime and duration: their text
 *	  forms and their arithmetic, free of the rest of the library.
 *
 * The text forms are those of the Cedar reference implementation
 * (docs.cedarpolicy.com, "Operators and functions").  A parse function gives
 * false and a short reason in *why for a text that is not one; the output is
 * then not set.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CEDAR_EXT_H
#define CEDAR_EXT_H

#include "cedar.h"

/* "-0.23"; one to four fraction digits.  The value times 10,000. */
extern bool cedar_decimal_parse(const char *s, size_t len, int64_t *value,
								const char **why);

/* "2024-10-15", "2024-10-15T11:35:00.123+0100".  Milliseconds since 1970 UTC. */
extern bool cedar_datetime_parse(const char *s, size_t len, int64_t *ms,
								 const char **why);

/* "1d2h3m4s5ms", each part optional but one, "-" in front.  Milliseconds. */
extern bool cedar_duration_parse(const char *s, size_t len, int64_t *ms,
								 const char **why);

/*
 * IPv4 or IPv6 address (RFC 4291 text form) with an optional "/prefix", but
 * no IPv4 inside IPv6.  Unused bytes of *ip are zero.
 */
extern bool cedar_ip_parse(const char *s, size_t len, CedarIp *ip,
						   const char **why);

/* Is every address of ip in range?  Never across families. */
extern bool cedar_ip_in_range(const CedarIp *ip, const CedarIp *range);
extern bool cedar_ip_is_loopback(const CedarIp *ip);
extern bool cedar_ip_is_multicast(const CedarIp *ip);

/* Midnight UTC of the same day; false when that is out of range. */
extern bool cedar_datetime_to_date(int64_t ms, int64_t *date);

/* Milliseconds since that midnight, 0 .. 86,399,999. */
extern int64_t cedar_datetime_to_time(int64_t ms);

#endif							/* CEDAR_EXT_H */
