/*-------------------------------------------------------------------------
 *
 * unit.h
 *	  What the unit tests of the Cedar library share: checks that are counted,
 *	  an arena with its host, growing texts, and one decision with everything
 *	  in it.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CEDAR_TEST_UNIT_H
#define CEDAR_TEST_UNIT_H

#include "harness.h"

#define LENGTH(a) (sizeof(a) / sizeof((a)[0]))

/* A string literal with its length, NULs inside included. */
#define LIT(s) (s), (sizeof(s) - 1)

/* ----------------------------------------------------------------- checks */

#define CHECK(cond) check_at(__FILE__, __LINE__, (cond), "%s", #cond)
#define CHECKF(cond, ...) check_at(__FILE__, __LINE__, (cond), __VA_ARGS__)

extern void check_at(const char *file, int line, bool ok, const char *fmt,...)
			__attribute__((format(printf, 4, 5)));

/* Print `N passed, N failed`; main's status. */
extern int	checks_end(void);

/* ------------------------------------------------------- one test's arena */

typedef struct Bench
{
	Host		host;
	CedarArena *arena;
	CedarError	err;
} Bench;

extern void bench_open(Bench *b);

/* Memory that is left is a failed check. */
#define bench_close(b) bench_close_at(__FILE__, __LINE__, b)
extern void bench_close_at(const char *file, int line, Bench *b);

/* ---------------------------------------------------------- growing texts */

typedef struct Text
{
	char	   *data;			/* of malloc; no terminator */
	size_t		len;
	size_t		cap;
} Text;

extern void text_add(Text *t, const char *s, size_t len);
extern void text_adds(Text *t, const char *s);
extern void text_times(Text *t, const char *s, long n);

/* -------------------------------------------------------------- decisions */

#define ANY "permit(principal, action, resource)"
#define REQUEST "{\"principal\":{\"type\":\"U\",\"id\":\"a\"}," \
	"\"action\":{\"type\":\"Action\",\"id\":\"v\"}," \
	"\"resource\":{\"type\":\"D\",\"id\":\"d\"},\"context\":{}}"

/* Parse alone. */
extern CedarCode parse(Bench *b, const char *text, size_t len);

/* Parse, compile, and decide REQUEST; what failed first, or CEDAR_OK. */
extern CedarCode decide(Bench *b, const char *text, size_t len,
						const char *entities_text, CedarDecision *d);

/* Policies, entities and a request in which most of the language occurs. */
#define BIG_COUNT 6
extern const char big_policies[];
extern const char big_entities[];
extern const char big_request[];

/* Is it the reference's answer: allow for 0, 1 and 2; 3 fails? */
extern bool big_answer(const CedarDecision *d);

/*
 * Everything from these texts to the response, in the arena; the code of the
 * first failure.  *right tells whether the answer was big_answer.
 */
extern CedarCode big_run(CedarArena *arena, CedarError *err, bool *right);

#endif							/* CEDAR_TEST_UNIT_H */
