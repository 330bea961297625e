/*-------------------------------------------------------------------------
 *
 * throttle.c
 *	  Failed attempts, counted where no rollback reaches them.
 *
 * A caller can begin a transaction, try a password and roll back, and a
 * gateway rolls back a request that fails after the login in it.  So the
 * counts are in no table but in a file that every backend maps,
 * pg_stat_tmp/authz_throttle.1: it needs no preloading, works in read-only
 * transactions and on standbys (which count for themselves), outlives a
 * restart, and base backups leave it out.
 *
 * The file is a hash table of buckets of WAYS entries.  An entry's key is a
 * keyed hash of database, kind and subject; the key was drawn when the file
 * was made, so nobody can aim at a bucket.  A full bucket gives up the entry
 * with the fewest failures, and the newcomer takes over its count, as far as
 * that makes nobody wait.  A flood of other subjects neither blocks those who
 * are not counted yet, nor drives out one with more failures than its own.
 * Requests (registrations, resets) cost nothing, so theirs are given up before
 * any failure's.
 *
 * Locking: a byte range of the file for each bucket, by fcntl().  The kernel
 * releases it when a backend dies.  Nothing under the lock can raise.  The
 * file descriptor stays open and is the process's only one for the file,
 * because closing any would release its locks.
 *
 * An attempt is counted before it is made and taken back when it turns out
 * right; that is what keeps parallel attempts from outrunning the count.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"
#include "compat.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <openssl/evp.h>

#include "fmgr.h"
#include "funcapi.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/timestamp.h"

#include "throttle.h"

#define THROTTLE_FILE "pg_stat_tmp/authz_throttle.1"
#define THROTTLE_MAGIC UINT64CONST(0x617574687a546831)
#define BUCKETS 2048
#define WAYS 8

/* An account's failures are forgotten after this long without another. */
#define ACCOUNT_WINDOW (30 * SECS_PER_DAY)

typedef struct ThrottleEntry
{
	uint64		key;			/* 0: free */
	int64		last;			/* Unix time of the last attempt counted */
	uint32		count;
	uint32		database;
	uint16		kind;
	uint16		subject_len;	/* 0 when it was too long to keep */
	char		subject[100];
} ThrottleEntry;

StaticAssertDecl(sizeof(ThrottleEntry) == 128, "the file's format");

typedef struct ThrottleFile
{
	uint64		magic;
	uint8		secret[32];
	uint8		unused[88];
	ThrottleEntry entries[BUCKETS][WAYS];
} ThrottleFile;

StaticAssertDecl(offsetof(ThrottleFile, entries) == 128, "the file's format");

static ThrottleFile *throttle = NULL;
static int	throttle_fd = -1;

static int	login_account_failures;
static int	login_address_failures;
static int	login_lock_failures;
static int	login_max_delay;
static int	login_address_window;

PG_FUNCTION_INFO_V1(authz_throttle_reserve_sql);
PG_FUNCTION_INFO_V1(authz_throttle_release_sql);
PG_FUNCTION_INFO_V1(authz_throttle_clear_sql);
PG_FUNCTION_INFO_V1(authz_throttles);

static const char *const kind_names[] = {NULL, "account", "address", "second_factor", "request"};

StaticAssertDecl(lengthof(kind_names) == AUTHZ_THROTTLE_REQUEST + 1, "a name for each kind");

/* ------------------------------------------------------------------- file */

/* Make the file as a whole or not at all; someone else may be first. */
static void
throttle_create(void)
{
	char		path[MAXPGPATH];
	ThrottleFile *header = palloc0(offsetof(ThrottleFile, entries));
	int			fd;
	int			rc;

	header->magic = THROTTLE_MAGIC;
	if (!pg_strong_random(header->secret, sizeof(header->secret)))
		ereport(ERROR,
				(errcode(ERRCODE_INTERNAL_ERROR),
				 errmsg("could not generate random bytes")));
	snprintf(path, sizeof(path), "%s.%d", THROTTLE_FILE, MyProcPid);
	unlink(path);
	fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, S_IRUSR | S_IWUSR);
	if (fd < 0)
		ereport(ERROR,
				(errcode_for_file_access(),
				 errmsg("could not create file \"%s\": %m", path)));
	/* With its blocks: writing to a hole on a full disk would be a SIGBUS. */
	rc = posix_fallocate(fd, 0, sizeof(ThrottleFile));
	if (rc == 0 && write(fd, header, offsetof(ThrottleFile, entries)) !=
		offsetof(ThrottleFile, entries))
		rc = errno ? errno : ENOSPC;
	close(fd);
	if (rc == 0 && link(path, THROTTLE_FILE) != 0 && errno != EEXIST)
		rc = errno;
	unlink(path);
	pfree(header);
	if (rc != 0)
	{
		errno = rc;
		ereport(ERROR,
				(errcode_for_file_access(),
				 errmsg("could not create file \"%s\": %m", THROTTLE_FILE)));
	}
}

static void
throttle_open(void)
{
	struct stat st;
	int			fd;
	void	   *map;

	if (throttle != NULL)
		return;
	fd = open(THROTTLE_FILE, O_RDWR | O_CLOEXEC);
	if (fd < 0 && errno == ENOENT)
	{
		throttle_create();
		fd = open(THROTTLE_FILE, O_RDWR | O_CLOEXEC);
	}
	if (fd < 0)
		ereport(ERROR,
				(errcode_for_file_access(),
				 errmsg("could not open file \"%s\": %m", THROTTLE_FILE)));
	if (fstat(fd, &st) != 0 || st.st_size != sizeof(ThrottleFile))
	{
		close(fd);
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("file \"%s\" has a wrong size", THROTTLE_FILE),
				 errhint("Remove it; all counts of failed logins then begin anew.")));
	}
	map = mmap(NULL, sizeof(ThrottleFile), PROT_READ | PROT_WRITE, MAP_SHARED,
			   fd, 0);
	if (map == MAP_FAILED)
	{
		close(fd);
		ereport(ERROR,
				(errcode_for_file_access(),
				 errmsg("could not map file \"%s\": %m", THROTTLE_FILE)));
	}
	if (((ThrottleFile *) map)->magic != THROTTLE_MAGIC)
	{
		munmap(map, sizeof(ThrottleFile));
		close(fd);
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("file \"%s\" is damaged", THROTTLE_FILE),
				 errhint("Remove it; all counts of failed logins then begin anew.")));
	}
	throttle_fd = fd;
	throttle = map;
}

/* Raises before the lock is taken, or not at all. */
static void
throttle_lock(uint32 bucket, short type)
{
	struct flock lock = {
		.l_type = type,
		.l_whence = SEEK_SET,
		.l_start = offsetof(ThrottleFile, entries) +
		(off_t) bucket * sizeof(throttle->entries[0]),
		.l_len = sizeof(throttle->entries[0])
	};

	while (fcntl(throttle_fd, F_SETLKW, &lock) != 0 && type != F_UNLCK)
	{
		if (errno != EINTR)
			ereport(ERROR,
					(errcode_for_file_access(),
					 errmsg("could not lock file \"%s\": %m", THROTTLE_FILE)));
		CHECK_FOR_INTERRUPTS();
	}
}

/* ---------------------------------------------------------------- counting */

static uint64
throttle_key(AuthzThrottleKind kind, const char *subject, size_t len)
{
	unsigned char digest[EVP_MAX_MD_SIZE];
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	uint32		head[2] = {MyDatabaseId, kind};
	uint64		key;
	bool		done;

	/* The secret has a fixed length and comes first; SHA-512/256 takes no extension. */
	done = ctx != NULL &&
		EVP_DigestInit_ex(ctx, EVP_sha512_256(), NULL) == 1 &&
		EVP_DigestUpdate(ctx, throttle->secret, sizeof(throttle->secret)) == 1 &&
		EVP_DigestUpdate(ctx, head, sizeof(head)) == 1 &&
		EVP_DigestUpdate(ctx, subject, len) == 1 &&
		EVP_DigestFinal_ex(ctx, digest, NULL) == 1;
	EVP_MD_CTX_free(ctx);
	if (!done)
		ereport(ERROR,
				(errcode(ERRCODE_INTERNAL_ERROR),
				 errmsg("could not compute a digest")));
	memcpy(&key, digest, sizeof(key));
	return key == 0 ? 1 : key;
}

/* Addresses are shared: they have a limit of their own, and are never locked. */
static bool
of_address(AuthzThrottleKind kind)
{
	return kind == AUTHZ_THROTTLE_ADDRESS || kind == AUTHZ_THROTTLE_REQUEST;
}

static bool
entry_is_over(const ThrottleEntry *entry, int64 now)
{
	int64		window = of_address(entry->kind) ?
		login_address_window : ACCOUNT_WINDOW;

	/* A clock that was set back must not free anybody at once. */
	return entry->count == 0 || entry->last + window < now;
}

static uint32
free_failures(AuthzThrottleKind kind)
{
	return of_address(kind) ?
		login_address_failures : login_account_failures;
}

/* The most that a newcomer takes over: it neither waits nor is nearly locked. */
static uint32
inherited_failures(AuthzThrottleKind kind)
{
	uint32		most = free_failures(kind) - 1;

	if (!of_address(kind) && login_lock_failures > 0)
		most = Min(most, (uint32) login_lock_failures / 2);
	return most;
}

/*
 * The seconds from the last failure until another attempt is allowed: none
 * for the first few, then 1, 2, 4 and so on.
 */
static int
throttle_delay(AuthzThrottleKind kind, uint32 count)
{
	uint32		free = free_failures(kind);
	uint32		over;

	if (!of_address(kind) && login_lock_failures > 0 &&
		count >= (uint32) login_lock_failures)
		return AUTHZ_THROTTLE_LOCKED;
	if (count < free)
		return 0;
	over = count - free;
	return over >= 20 ? login_max_delay : Min(1 << over, login_max_delay);
}

/* Does a full bucket give up a before b? */
static bool
entry_goes_before(const ThrottleEntry *a, const ThrottleEntry *b)
{
	bool		a_request = a->kind == AUTHZ_THROTTLE_REQUEST;
	bool		b_request = b->kind == AUTHZ_THROTTLE_REQUEST;

	if (a->key == 0 || b->key == 0)
		return b->key != 0;
	if (a_request != b_request)
		return a_request;
	return a->count < b->count || (a->count == b->count && a->last < b->last);
}

/* The entry of a key, made when it is missing; the bucket is locked. */
static ThrottleEntry *
entry_find(ThrottleEntry *bucket, uint64 key, bool make, int64 now,
		   AuthzThrottleKind kind, const char *subject, size_t len)
{
	ThrottleEntry *victim = NULL;

	for (int i = 0; i < WAYS; i++)
	{
		ThrottleEntry *entry = &bucket[i];

		if (entry->key == key)
			return entry;
		if (entry->key != 0 && entry_is_over(entry, now))
			memset(entry, 0, sizeof(*entry));
		if (victim == NULL || entry_goes_before(entry, victim))
			victim = entry;
	}
	if (!make)
		return NULL;
	/* Most of the count stays, see above. */
	victim->key = key;
	victim->count = Min(victim->count, inherited_failures(kind));
	victim->database = MyDatabaseId;
	victim->kind = kind;
	victim->subject_len = len <= sizeof(victim->subject) ? len : 0;
	memcpy(victim->subject, subject, victim->subject_len);
	return victim;
}

/*
 * Lock the bucket of a subject and give its entry, which make makes where it is
 * missing.  The caller unlocks the bucket.
 */
static ThrottleEntry *
entry_lock(AuthzThrottleKind kind, const char *subject, size_t len, bool make,
		   int64 now, uint32 *bucket)
{
	uint64		key;

	throttle_open();
	key = throttle_key(kind, subject, len);
	*bucket = key % BUCKETS;
	throttle_lock(*bucket, F_WRLCK);
	return entry_find(throttle->entries[*bucket], key, make, now, kind, subject, len);
}

int
authz_throttle_reserve(AuthzThrottleKind kind, const char *subject, size_t len)
{
	int64		now = (int64) time(NULL);
	uint32		bucket;
	ThrottleEntry *entry = entry_lock(kind, subject, len, true, now, &bucket);
	int			delay;
	int			wait = 0;

	if (entry_is_over(entry, now))
		entry->count = 0;
	delay = throttle_delay(kind, entry->count);
	if (delay == AUTHZ_THROTTLE_LOCKED)
		wait = AUTHZ_THROTTLE_LOCKED;
	else if (delay > 0 && now < entry->last + delay)
		wait = (int) Min(entry->last + delay - now, delay);
	else
	{
		if (entry->count < PG_UINT32_MAX)
			entry->count++;
		entry->last = now;
	}
	throttle_lock(bucket, F_UNLCK);
	return wait;
}

void
authz_throttle_release(AuthzThrottleKind kind, const char *subject, size_t len)
{
	uint32		bucket;
	ThrottleEntry *entry = entry_lock(kind, subject, len, false, time(NULL), &bucket);

	if (entry != NULL && entry->count > 0)
		entry->count--;
	throttle_lock(bucket, F_UNLCK);
}

bool
authz_throttle_clear(AuthzThrottleKind kind, const char *subject, size_t len)
{
	uint32		bucket;
	ThrottleEntry *entry = entry_lock(kind, subject, len, false, time(NULL), &bucket);

	if (entry != NULL)
		memset(entry, 0, sizeof(*entry));
	throttle_lock(bucket, F_UNLCK);
	return entry != NULL;
}

/* --------------------------------------------------------------------- SQL */

static AuthzThrottleKind
kind_from_text(text *name)
{
	char	   *s = text_to_cstring(name);

	for (int kind = 1; kind < lengthof(kind_names); kind++)
		if (strcmp(s, kind_names[kind]) == 0)
			return kind;
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("invalid kind of throttle: \"%s\"", s),
			 errhint("The kinds are account, address, second_factor and request.")));
}

/* throttle_reserve(kind text, subject text) → integer */
Datum
authz_throttle_reserve_sql(PG_FUNCTION_ARGS)
{
	AuthzThrottleKind kind = kind_from_text(PG_GETARG_TEXT_PP(0));
	text	   *subject = PG_GETARG_TEXT_PP(1);

	PG_RETURN_INT32(authz_throttle_reserve(kind, VARDATA_ANY(subject),
										   VARSIZE_ANY_EXHDR(subject)));
}

/* throttle_release(kind text, subject text) → void */
Datum
authz_throttle_release_sql(PG_FUNCTION_ARGS)
{
	AuthzThrottleKind kind = kind_from_text(PG_GETARG_TEXT_PP(0));
	text	   *subject = PG_GETARG_TEXT_PP(1);

	authz_throttle_release(kind, VARDATA_ANY(subject), VARSIZE_ANY_EXHDR(subject));
	PG_RETURN_VOID();
}

/* throttle_clear(kind text, subject text) → boolean */
Datum
authz_throttle_clear_sql(PG_FUNCTION_ARGS)
{
	AuthzThrottleKind kind = kind_from_text(PG_GETARG_TEXT_PP(0));
	text	   *subject = PG_GETARG_TEXT_PP(1);

	PG_RETURN_BOOL(authz_throttle_clear(kind, VARDATA_ANY(subject),
										VARSIZE_ANY_EXHDR(subject)));
}

/*
 * throttles() → setof (kind, subject, failures, last_failure, blocked_until):
 * those of this database.
 */
Datum
authz_throttles(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	int64		now = (int64) time(NULL);

	InitMaterializedSRF(fcinfo, 0);
	throttle_open();
	for (uint32 bucket = 0; bucket < BUCKETS; bucket++)
	{
		ThrottleEntry entries[WAYS];

		CHECK_FOR_INTERRUPTS();
		throttle_lock(bucket, F_RDLCK);
		memcpy(entries, throttle->entries[bucket], sizeof(entries));
		throttle_lock(bucket, F_UNLCK);
		for (int i = 0; i < WAYS; i++)
		{
			const ThrottleEntry *entry = &entries[i];
			Datum		values[5];
			bool		nulls[5] = {false};
			int			delay;

			if (entry->key == 0 || entry->database != MyDatabaseId ||
				entry->kind < 1 || entry->kind >= lengthof(kind_names) ||
				entry_is_over(entry, now))
				continue;
			values[0] = CStringGetTextDatum(kind_names[entry->kind]);
			/* Bytes from a file: never hand out what is no text. */
			if (entry->subject_len > 0 &&
				entry->subject_len <= sizeof(entry->subject) &&
				pg_verify_mbstr(PG_UTF8, entry->subject, entry->subject_len, true))
				values[1] = PointerGetDatum(cstring_to_text_with_len(entry->subject, entry->subject_len));
			else
				nulls[1] = true;
			values[2] = Int64GetDatum(entry->count);
			values[3] = TimestampTzGetDatum(time_t_to_timestamptz(entry->last));
			delay = throttle_delay(entry->kind, entry->count);
			if (delay == AUTHZ_THROTTLE_LOCKED)
				values[4] = TimestampTzGetDatum(DT_NOEND);
			else if (delay > 0 && now < entry->last + delay)
				values[4] = TimestampTzGetDatum(time_t_to_timestamptz(entry->last + delay));
			else
				nulls[4] = true;
			tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
		}
	}
	return (Datum) 0;
}

void
authz_throttle_init(void)
{
	DefineCustomIntVariable("authz.login_account_failures",
							"Failed attempts for an account before each further one has to wait.",
							"The waits are 1, 2, 4 and so on seconds, up to authz.login_max_delay.",
							&login_account_failures,
							10, 1, 1000000,
							PGC_SUSET, 0,
							NULL, NULL, NULL);
	DefineCustomIntVariable("authz.login_address_failures",
							"Failed attempts from an address before each further one has to wait.",
							NULL,
							&login_address_failures,
							100, 1, 1000000,
							PGC_SUSET, 0,
							NULL, NULL, NULL);
	DefineCustomIntVariable("authz.login_address_window",
							"Failures from an address are forgotten after this long without another.",
							NULL,
							&login_address_window,
							SECS_PER_HOUR, 1, 30 * SECS_PER_DAY,
							PGC_SUSET, GUC_UNIT_S,
							NULL, NULL, NULL);
	DefineCustomIntVariable("authz.login_lock_failures",
							"Consecutive failed attempts that lock an account until its password is reset or it is cleared.",
							"0: never.",
							&login_lock_failures,
							100, 0, 1000000,
							PGC_SUSET, 0,
							NULL, NULL, NULL);
	DefineCustomIntVariable("authz.login_max_delay",
							"The longest wait between two attempts.",
							NULL,
							&login_max_delay,
							900, 1, SECS_PER_DAY,
							PGC_SUSET, GUC_UNIT_S,
							NULL, NULL, NULL);
}
