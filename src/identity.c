/*-------------------------------------------------------------------------
 *
 * identity.c
 *	  Users' passwords and what goes with them: the parts that SQL cannot do.
 *
 * The flows (registering, signing in, resetting) are in sql/identity.sql and
 * sql/session.sql.  Here are hashing, under a cap on how many run at once,
 * the attempt at a password as a whole, Unicode case folding, the list of
 * common passwords, one-time codes and random bytes.
 *
 * The cap is a set of transaction-level locks in PostgreSQL's own lock table,
 * one for each hash that may run: they need no shared memory of ours, work on
 * standbys, and go when a backend dies.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"
#include "compat.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/sha.h>

#include "access/table.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "funcapi.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "storage/lock.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/guc.h"
#include "utils/rel.h"

#include "casefold_table.h"
#include "audit.h"
#include "identity.h"
#include "password/password.h"
#include "session.h"
#include "throttle.h"

/* Beyond this a password is refused before anything is computed from it. */
#define PASSWORD_BYTES_MAX 4096

/* Tells our locks from advisory ones, whose fourth field is 1 or 2. */
#define HASH_LOCK_FIELD4 0xA2
#define HASH_LOCK_FIELD2 0x61757468

#define MAX_CONCURRENT_HASHES 1024

#define COMMON_PASSWORDS_FILE "extension/common_passwords.bin"
#define COMMON_RECORD 5

static int	password_min_length;
static int	email_verification_lifetime;
static int	invitation_lifetime;
static int	password_reset_lifetime;
static bool require_verified_email;
static char *client_address_header;
static char *password_words;
static int	argon2_memory;
static int	argon2_iterations;
static int	scrypt_cost;
static int	password_algorithm;
static int	max_concurrent_hashes;
static int	unverified_retention;

static const struct config_enum_entry password_algorithms[] = {
	{"argon2id", PASSWORD_ARGON2ID, false},
	{"scrypt", PASSWORD_SCRYPT, false},
	{NULL, 0, false}
};

/* The hash that is tried for those who have none, of these parameters. */
static char dummy_hash[PASSWORD_HASH_SIZE];

static const uint8 *common_passwords = NULL;
static size_t common_count = 0;

PG_FUNCTION_INFO_V1(authz_setting);
PG_FUNCTION_INFO_V1(authz_casefold);
PG_FUNCTION_INFO_V1(authz_password_hash);
PG_FUNCTION_INFO_V1(authz_password_verify);
PG_FUNCTION_INFO_V1(authz_password_argon2);
PG_FUNCTION_INFO_V1(authz_password_attempt);
PG_FUNCTION_INFO_V1(authz_password_is_current);
PG_FUNCTION_INFO_V1(authz_password_check_hash);
PG_FUNCTION_INFO_V1(authz_password_is_common);
PG_FUNCTION_INFO_V1(authz_random_bytes);
PG_FUNCTION_INFO_V1(authz_hmac);
PG_FUNCTION_INFO_V1(authz_bytes_equal);
PG_FUNCTION_INFO_V1(authz_execute_as_owner);

/* setting(name text) → text: of a parameter of ours, whose library this loads. */
Datum
authz_setting(PG_FUNCTION_ARGS)
{
	char	   *name = text_to_cstring(PG_GETARG_TEXT_PP(0));

	PG_RETURN_TEXT_P(cstring_to_text(GetConfigOptionByName(name, NULL, false)));
}

/* ------------------------------------------------------------------ texts */

/* casefold(text) → text: Unicode's full case folding. */
Datum
authz_casefold(PG_FUNCTION_ARGS)
{
	text	   *in = PG_GETARG_TEXT_PP(0);
	const unsigned char *at = (const unsigned char *) VARDATA_ANY(in);
	const unsigned char *end = at + VARSIZE_ANY_EXHDR(in);
	StringInfoData out;

	initStringInfo(&out);
	while (at < end)
	{
		int			len = pg_utf_mblen(at);
		uint32		code = utf8_to_unicode(at);
		uint32		to[3] = {code, 0, 0};
		int			lo = 0,
					hi = lengthof(casefold_single) - 1;

		CHECK_FOR_INTERRUPTS();
		while (lo <= hi)
		{
			int			mid = (lo + hi) / 2;

			if (casefold_single[mid][0] < code)
				lo = mid + 1;
			else if (casefold_single[mid][0] > code)
				hi = mid - 1;
			else
			{
				to[0] = casefold_single[mid][1];
				break;
			}
		}
		if (to[0] == code && code > 0x7f)
			for (int i = 0; i < lengthof(casefold_multiple); i++)
				if (casefold_multiple[i][0] == code)
					memcpy(to, &casefold_multiple[i][1], sizeof(to));
		for (int i = 0; i < 3 && (i == 0 || to[i] != 0); i++)
		{
			unsigned char utf8[4];

			unicode_to_utf8(to[i], utf8);
			appendBinaryStringInfo(&out, (char *) utf8, pg_utf_mblen(utf8));
		}
		at += len;
	}
	PG_RETURN_TEXT_P(cstring_to_text_with_len(out.data, out.len));
}

/* NFKC of a text, NUL-terminated. */
static char *
password_normalize(text *password)
{
	Datum		form = CStringGetTextDatum("NFKC");

	return text_to_cstring(DatumGetTextPP(OidFunctionCall2(F_NORMALIZE, PointerGetDatum(password), form)));
}

static void
wipe(char *secret)
{
	OPENSSL_cleanse(secret, strlen(secret));
	pfree(secret);
}

/* -------------------------------------------------------------- passwords */

static void
password_params(PasswordParams *params)
{
	params->algorithm = password_algorithm;
	params->argon2_memory = argon2_memory;
	params->argon2_iterations = argon2_iterations;
	params->scrypt_ln = scrypt_cost;
	params->scrypt_r = 8;
	params->scrypt_p = 3;
}

/*
 * A hash keeps a processor busy.  More of them than this end no sooner, and keep
 * everybody else waiting for a processor and for the connections that they hold.
 */
static int
default_concurrent_hashes(void)
{
	long		processors = sysconf(_SC_NPROCESSORS_ONLN);

	return (int) Min(Max(2 * processors, 4), MAX_CONCURRENT_HASHES);
}

/* One of the hashes that may run at once; false when all do. */
static bool
hash_slot_take(LOCKTAG *tag)
{
	static uint32 next = 0;

	for (int i = 0; i < max_concurrent_hashes; i++)
	{
		uint32		slot = (MyProcPid + next++) % max_concurrent_hashes;

		tag->locktag_field1 = 0;
		tag->locktag_field2 = HASH_LOCK_FIELD2;
		tag->locktag_field3 = slot;
		tag->locktag_field4 = HASH_LOCK_FIELD4;
		tag->locktag_type = LOCKTAG_ADVISORY;
		tag->locktag_lockmethodid = USER_LOCKMETHOD;
		if (LockAcquire(tag, ExclusiveLock, false, true) == LOCKACQUIRE_OK)
			return true;
	}
	return false;
}

static void
hash_slot_give(const LOCKTAG *tag)
{
	LockRelease(tag, ExclusiveLock, false);
}

pg_noreturn static void
raise_busy(void)
{
	ereport(ERROR,
			(errcode(ERRCODE_CONFIGURATION_LIMIT_EXCEEDED),
			 errmsg("too many passwords are being hashed at once"),
			 errdetail("authz.max_concurrent_hashes is %d.", max_concurrent_hashes),
			 errhint("Try again in a moment.")));
}

pg_noreturn static void
raise_code(PasswordCode code)
{
	switch (code)
	{
		case PASSWORD_MALFORMED:
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("invalid password hash"),
					 errhint("It must be a PHC string, or a hash of bcrypt, SHA-crypt, PBKDF2, scrypt or Firebase.")));
			break;
		case PASSWORD_UNSUPPORTED:
			ereport(ERROR,
					(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
					 errmsg("this build has no Argon2"),
					 errhint("Build authz with libsodium or OpenSSL 3.2.")));
			break;
		case PASSWORD_COSTLY:
			ereport(ERROR,
					(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
					 errmsg("the parameters of this password hash ask for too much memory or time")));
			break;
		default:
			ereport(ERROR,
					(errcode(ERRCODE_OUT_OF_MEMORY),
					 errmsg("could not hash a password"),
					 errdetail("There was no memory for it.")));
	}
	pg_unreachable();
}

static void
check_password_length(text *password)
{
	if (VARSIZE_ANY_EXHDR(password) > PASSWORD_BYTES_MAX)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("password is longer than %d bytes", PASSWORD_BYTES_MAX)));
}

/* Hash what is normalised already, in a slot. */
static void
hash_password(const char *password, char out[PASSWORD_HASH_SIZE])
{
	PasswordParams params;
	PasswordCode code;
	LOCKTAG		slot;

	password_params(&params);
	if (!hash_slot_take(&slot))
		raise_busy();
	code = password_hash(password, strlen(password), &params, out);
	hash_slot_give(&slot);
	if (code != PASSWORD_OK)
		raise_code(code);
}

/* password_hash(password text) → text */
Datum
authz_password_hash(PG_FUNCTION_ARGS)
{
	text	   *in = PG_GETARG_TEXT_PP(0);
	char		out[PASSWORD_HASH_SIZE];
	char	   *password;

	check_password_length(in);
	password = password_normalize(in);
	hash_password(password, out);
	wipe(password);
	PG_RETURN_TEXT_P(cstring_to_text(out));
}

/*
 * Is it the password?  Ours are of the normalised text, imported ones of the
 * text as it was typed; when these differ, the hash decides which of the two
 * it gets by being current or not, so that one verification is enough.
 */
static PasswordCode
verify_password(text *password, const char *hash)
{
	PasswordParams params;
	PasswordCode code;
	char	   *typed;

	password_params(&params);
	if (password_is_current(hash, &params))
		typed = password_normalize(password);
	else
		typed = text_to_cstring(password);
	code = password_verify(typed, hash);
	/* A hash of ours, made under other parameters. */
	if (code == PASSWORD_WRONG && !password_is_current(hash, &params))
	{
		char	   *normal = password_normalize(password);

		if (strcmp(normal, typed) != 0)
			code = password_verify(normal, hash);
		wipe(normal);
	}
	wipe(typed);
	return code;
}

/* A hash that nobody's password has, made once for each set of parameters. */
static const char *
no_hash(void)
{
	PasswordParams params;
	char		random[32 + 1];
	PasswordCode code;

	password_params(&params);
	if (dummy_hash[0] != '\0' && password_is_current(dummy_hash, &params))
		return dummy_hash;
	if (!pg_strong_random(random, sizeof(random) - 1))
		raise_code(PASSWORD_MEMORY);
	code = password_hash(random, sizeof(random) - 1, &params, dummy_hash);
	if (code != PASSWORD_OK)
	{
		dummy_hash[0] = '\0';
		raise_code(code);
	}
	return dummy_hash;
}

/* password_verify(password text, hash text) → boolean */
Datum
authz_password_verify(PG_FUNCTION_ARGS)
{
	text	   *password = PG_GETARG_TEXT_PP(0);
	char	   *hash = text_to_cstring(PG_GETARG_TEXT_PP(1));
	PasswordCode code;
	LOCKTAG		slot;

	check_password_length(password);
	if (!hash_slot_take(&slot))
		raise_busy();
	code = verify_password(password, hash);
	hash_slot_give(&slot);
	if (code != PASSWORD_OK && code != PASSWORD_WRONG)
		raise_code(code);
	PG_RETURN_BOOL(code == PASSWORD_OK);
}

/*
 * password_attempt(password text, hash text, account text, address text) →
 * (result text, retry_after integer)
 *
 * One attempt at signing in, from the throttle to the verification.  The hash
 * is null for an account that does not exist, and the address where it is not
 * known.  The result is
 *
 *	 right		and the account's failures are forgotten
 *	 wrong		and counted
 *	 throttled	not tried; retry_after seconds must pass, null: until cleared
 *	 busy		not tried and not counted: too many hashes at once
 */
Datum
authz_password_attempt(PG_FUNCTION_ARGS)
{
	text	   *password;
	char	   *hash = PG_ARGISNULL(1) ? NULL : text_to_cstring(PG_GETARG_TEXT_PP(1));
	text	   *account;
	text	   *address = PG_ARGISNULL(3) ? NULL : PG_GETARG_TEXT_PP(3);
	const char *result;
	int			wait = 0;
	PasswordCode code;
	LOCKTAG		slot;
	TupleDesc	desc;
	Datum		values[2];
	bool		nulls[2] = {false, true};

	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	if (PG_ARGISNULL(0) || PG_ARGISNULL(2))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("password and account must not be null")));
	password = PG_GETARG_TEXT_PP(0);
	account = PG_GETARG_TEXT_PP(2);
	check_password_length(password);

	if (!hash_slot_take(&slot))
		result = "busy";
	else
	{
		/* What can raise comes before anything is counted. */
		const char *dummy = no_hash();

		wait = authz_throttle_reserve(AUTHZ_THROTTLE_ACCOUNT, VARDATA_ANY(account),
									  VARSIZE_ANY_EXHDR(account));
		if (wait == 0 && address != NULL)
		{
			wait = authz_throttle_reserve(AUTHZ_THROTTLE_ADDRESS, VARDATA_ANY(address),
										  VARSIZE_ANY_EXHDR(address));
			if (wait != 0)
				authz_throttle_release(AUTHZ_THROTTLE_ACCOUNT, VARDATA_ANY(account),
									   VARSIZE_ANY_EXHDR(account));
		}
		if (wait != 0)
			result = "throttled";
		else
		{
			code = verify_password(password, hash != NULL ? hash : dummy);
			if (hash != NULL && code == PASSWORD_UNSUPPORTED)
			{
				/* Not what the caller is told, nor in what time. */
				ereport(LOG_SERVER_ONLY,
						(errmsg("the password of \"%s\" cannot be verified: this build has no Argon2",
								text_to_cstring(account)),
						 errhint("Build authz with libsodium or OpenSSL 3.2, or let the user reset the password.")));
				(void) verify_password(password, dummy);
				code = PASSWORD_WRONG;
			}
			if (hash != NULL && code != PASSWORD_OK && code != PASSWORD_WRONG)
				raise_code(code);
			if (hash != NULL && code == PASSWORD_OK)
			{
				result = "right";
				authz_throttle_clear(AUTHZ_THROTTLE_ACCOUNT, VARDATA_ANY(account),
									 VARSIZE_ANY_EXHDR(account));
				/* Only its own: signing in oneself must not free the address. */
				if (address != NULL)
					authz_throttle_release(AUTHZ_THROTTLE_ADDRESS, VARDATA_ANY(address),
										   VARSIZE_ANY_EXHDR(address));
			}
			else
				result = "wrong";
		}
		hash_slot_give(&slot);
	}
	if (strcmp(result, "right") == 0)
		authz_audit_right(account, address);
	else
		authz_audit_attempt(result, account, address);

	values[0] = CStringGetTextDatum(result);
	values[1] = Int32GetDatum(wait);
	nulls[1] = wait <= 0;
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(desc), values, nulls)));
}

/* password_is_current(hash text) → boolean */
Datum
authz_password_is_current(PG_FUNCTION_ARGS)
{
	PasswordParams params;

	password_params(&params);
	PG_RETURN_BOOL(password_is_current(text_to_cstring(PG_GETARG_TEXT_PP(0)), &params));
}

/* password_argon2() → text: the library that computes it; null: none. */
Datum
authz_password_argon2(PG_FUNCTION_ARGS)
{
	const char *library = password_argon2();

	if (library == NULL)
		PG_RETURN_NULL();
	PG_RETURN_TEXT_P(cstring_to_text(library));
}

/* password_check_hash(hash text) → text: itself; raises when it is none. */
Datum
authz_password_check_hash(PG_FUNCTION_ARGS)
{
	PasswordCode code = password_check_hash(text_to_cstring(PG_GETARG_TEXT_PP(0)));

	if (code != PASSWORD_OK)
		raise_code(code);
	PG_RETURN_DATUM(PG_GETARG_DATUM(0));
}

/* ------------------------------------------------------- common passwords */

/* The list, mapped once; its pages are shared by all backends. */
static void
common_open(void)
{
	char		share[MAXPGPATH];
	char		path[MAXPGPATH];
	struct stat st;
	int			fd;
	void	   *map = MAP_FAILED;

	if (common_passwords != NULL)
		return;
	get_share_path(my_exec_path, share);
	snprintf(path, sizeof(path), "%s/%s", share, COMMON_PASSWORDS_FILE);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd >= 0 && fstat(fd, &st) == 0 && st.st_size > 0 &&
		st.st_size % COMMON_RECORD == 0)
		map = mmap(NULL, st.st_size, PROT_READ, MAP_SHARED, fd, 0);
	if (fd >= 0)
		close(fd);
	if (map == MAP_FAILED)
		ereport(ERROR,
				(errcode_for_file_access(),
				 errmsg("could not read the list of common passwords \"%s\": %m", path),
				 errhint("Run make install again.")));
	common_passwords = map;
	common_count = st.st_size / COMMON_RECORD;
}

/*
 * password_is_common(password text) → boolean: after NFKC and case folding.
 */
Datum
authz_password_is_common(PG_FUNCTION_ARGS)
{
	text	   *password = PG_GETARG_TEXT_PP(0);
	Datum		form = CStringGetTextDatum("NFKC");
	Datum		folded;
	uint8		digest[SHA256_DIGEST_LENGTH];
	size_t		lo = 0,
				hi;

	common_open();
	folded = OidFunctionCall2(F_NORMALIZE, PointerGetDatum(password), form);
	folded = DirectFunctionCall1(authz_casefold, folded);
	folded = OidFunctionCall2(F_NORMALIZE, folded, form);
	SHA256((unsigned char *) VARDATA_ANY(DatumGetPointer(folded)),
		   VARSIZE_ANY_EXHDR(DatumGetPointer(folded)), digest);
	hi = common_count;
	while (lo < hi)
	{
		size_t		mid = (lo + hi) / 2;
		int			order = memcmp(common_passwords + mid * COMMON_RECORD,
								   digest, COMMON_RECORD);

		if (order == 0)
			PG_RETURN_BOOL(true);
		if (order < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	PG_RETURN_BOOL(false);
}

/* ------------------------------------------------------------------ bytes */

/* random_bytes(n integer) → bytea */
Datum
authz_random_bytes(PG_FUNCTION_ARGS)
{
	int			n = PG_GETARG_INT32(0);
	bytea	   *out;

	if (n < 1 || n > 1024)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("number of random bytes must be between 1 and 1024")));
	out = palloc(VARHDRSZ + n);
	SET_VARSIZE(out, VARHDRSZ + n);
	if (!pg_strong_random(VARDATA(out), n))
		ereport(ERROR,
				(errcode(ERRCODE_INTERNAL_ERROR),
				 errmsg("could not generate random bytes")));
	PG_RETURN_BYTEA_P(out);
}

/* hmac(algorithm text, key bytea, data bytea) → bytea: sha1, sha256, sha512 */
Datum
authz_hmac(PG_FUNCTION_ARGS)
{
	char	   *algorithm = text_to_cstring(PG_GETARG_TEXT_PP(0));
	bytea	   *key = PG_GETARG_BYTEA_PP(1);
	bytea	   *data = PG_GETARG_BYTEA_PP(2);
	const EVP_MD *md = NULL;
	unsigned char mac[EVP_MAX_MD_SIZE];
	unsigned int len;
	bytea	   *out;

	if (strcmp(algorithm, "sha1") == 0)
		md = EVP_sha1();
	else if (strcmp(algorithm, "sha256") == 0)
		md = EVP_sha256();
	else if (strcmp(algorithm, "sha512") == 0)
		md = EVP_sha512();
	if (md == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("invalid digest algorithm: \"%s\"", algorithm),
				 errhint("Use sha1, sha256 or sha512.")));
	if (HMAC(md, VARDATA_ANY(key), VARSIZE_ANY_EXHDR(key),
			 (unsigned char *) VARDATA_ANY(data), VARSIZE_ANY_EXHDR(data),
			 mac, &len) == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INTERNAL_ERROR),
				 errmsg("could not compute a digest")));
	out = palloc(VARHDRSZ + len);
	SET_VARSIZE(out, VARHDRSZ + len);
	memcpy(VARDATA(out), mac, len);
	PG_RETURN_BYTEA_P(out);
}

/* bytes_equal(bytea, bytea) → boolean: in a time that depends on the lengths alone. */
Datum
authz_bytes_equal(PG_FUNCTION_ARGS)
{
	bytea	   *a = PG_GETARG_BYTEA_PP(0);
	bytea	   *b = PG_GETARG_BYTEA_PP(1);
	size_t		len = VARSIZE_ANY_EXHDR(a);

	PG_RETURN_BOOL(len == VARSIZE_ANY_EXHDR(b) &&
				   CRYPTO_memcmp(VARDATA_ANY(a), VARDATA_ANY(b), len) == 0);
}

/* ------------------------------------------------ an application's own table */

/*
 * execute_as_owner(relation regclass, command text, a text, b text) → bigint
 *
 * Runs a command with two parameters with the rights of the table's owner, as
 * foreign keys do: its triggers, rules and constraints are code of the owner,
 * and get no more rights than that; what they set is undone.  Gives how many
 * rows it processed.
 */
Datum
authz_execute_as_owner(PG_FUNCTION_ARGS)
{
	Oid			relid = PG_GETARG_OID(0);
	char	   *command = text_to_cstring(PG_GETARG_TEXT_PP(1));
	Oid			types[2] = {TEXTOID, TEXTOID};
	Datum		values[2] = {PG_GETARG_DATUM(2), PG_GETARG_DATUM(3)};
	Relation	rel = table_open(relid, RowExclusiveLock);
	Oid			user;
	int			context;
	int			rc;
	int64		processed;
	int			level = NewGUCNestLevel();

	GetUserIdAndSecContext(&user, &context);
	SetUserIdAndSecContext(rel->rd_rel->relowner,
						   context | SECURITY_LOCAL_USERID_CHANGE | SECURITY_RESTRICTED_OPERATION);
	SPI_connect();
	rc = SPI_execute_with_args(command, 2, types, values, NULL, false, 0);
	if (rc < 0)
		elog(ERROR, "SPI_execute_with_args: %s", SPI_result_code_string(rc));
	processed = (int64) SPI_processed;
	SPI_finish();
	AtEOXact_GUC(false, level);
	SetUserIdAndSecContext(user, context);
	table_close(rel, NoLock);
	PG_RETURN_INT64(processed);
}

/* -------------------------------------------------------------- parameters */

static bool
algorithm_check(int *newval, void **extra, GucSource source)
{
	if (*newval == PASSWORD_ARGON2ID && password_argon2() == NULL)
	{
		GUC_check_errdetail("This build of authz has no libsodium, and OpenSSL has Argon2 from 3.2 on only.");
		return false;
	}
	return true;
}

void
authz_identity_init(void)
{
	DefineCustomIntVariable("authz.argon2_iterations",
							"Passes of Argon2id over its memory.",
							NULL,
							&argon2_iterations,
							2, 1, 64,
							PGC_SUSET, 0,
							NULL, NULL, NULL);
	DefineCustomIntVariable("authz.argon2_memory",
							"Memory of one Argon2id hash.",
							NULL,
							&argon2_memory,
							19456, 8, 262144,
							PGC_SUSET, GUC_UNIT_KB,
							NULL, NULL, NULL);
	DefineCustomStringVariable("authz.client_address_header",
							   "The HTTP header in which a trusted proxy tells the client's address.",
							   "Empty: over HTTP the address is not known, and failures are counted for accounts alone.",
							   &client_address_header,
							   "",
							   PGC_SUSET, 0,
							   NULL, NULL, NULL);
	DefineCustomIntVariable("authz.email_verification_lifetime",
							"How long a token that verifies an email works.",
							NULL,
							&email_verification_lifetime,
							SECS_PER_DAY, 60, 30 * SECS_PER_DAY,
							PGC_SUSET, GUC_UNIT_S,
							NULL, NULL, NULL);
	DefineCustomIntVariable("authz.invitation_lifetime",
							"How long an invitation works.",
							NULL,
							&invitation_lifetime,
							7 * SECS_PER_DAY, 60, 30 * SECS_PER_DAY,
							PGC_SUSET, GUC_UNIT_S,
							NULL, NULL, NULL);
	DefineCustomIntVariable("authz.max_concurrent_hashes",
							"Password hashes that run at once in the server; one more is refused.",
							"By default twice the processors, and at least 4.",
							&max_concurrent_hashes,
							default_concurrent_hashes(), 1, MAX_CONCURRENT_HASHES,
							PGC_SUSET, 0,
							NULL, NULL, NULL);
	DefineCustomEnumVariable("authz.password_algorithm",
							 "How new passwords are hashed.",
							 NULL,
							 &password_algorithm,
							 password_argon2() != NULL ? PASSWORD_ARGON2ID : PASSWORD_SCRYPT,
							 password_algorithms,
							 PGC_SUSET, 0,
							 algorithm_check, NULL, NULL);
	DefineCustomIntVariable("authz.password_min_length",
							"Characters that a new password must have.",
							NULL,
							&password_min_length,
							12, 8, 64,
							PGC_SUSET, 0,
							NULL, NULL, NULL);
	DefineCustomIntVariable("authz.password_reset_lifetime",
							"How long a token that resets a password works.",
							NULL,
							&password_reset_lifetime,
							SECS_PER_HOUR, 60, SECS_PER_DAY,
							PGC_SUSET, GUC_UNIT_S,
							NULL, NULL, NULL);
	DefineCustomStringVariable("authz.password_words",
							   "Words that are easy to guess here, such as the name of the organisation, separated by commas.",
							   "A password of which less than 8 characters are left without them is refused.",
							   &password_words,
							   "",
							   PGC_SUSET, 0,
							   NULL, NULL, NULL);
	DefineCustomBoolVariable("authz.require_verified_email",
							 "Refuse to sign in who has not verified the email.",
							 NULL,
							 &require_verified_email,
							 false,
							 PGC_SUSET, 0,
							 NULL, NULL, NULL);
	DefineCustomIntVariable("authz.scrypt_cost",
							"Binary logarithm of scrypt's N; r is 8, p is 3.",
							NULL,
							&scrypt_cost,
							15, 10, 20,
							PGC_SUSET, 0,
							NULL, NULL, NULL);
	DefineCustomIntVariable("authz.unverified_retention",
							"How many days users stay who registered and neither verified the email nor ever signed in; 0: for ever.",
							"maintain() removes them.",
							&unverified_retention,
							0, 0, 36600,
							PGC_SUSET, 0,
							NULL, NULL, NULL);
	authz_throttle_init();
	authz_session_init();
}
