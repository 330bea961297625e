/*-------------------------------------------------------------------------
 *
 * token_master.c
 *	  The master keys, and what is encrypted under them.
 *
 * A master key is 256 random bits, kept outside of the database and of the
 * data directory: dumps and base backups hold what it encrypts, never the key
 * itself.  Either a file has it (authz.master_key_file; by default beside the
 * data directory), or a command prints it (authz.master_key_command).  Both
 * give lines of 64 hexadecimal digits, a master key each: the first encrypts,
 * all of them decrypt, so that a new one can be put in front of the old one
 * while servers work.
 *
 * What is encrypted: AES-256-GCM, laid out as
 *
 *	  1 byte    format, 1
 *	  8 bytes   which master key: the start of a SHA-256 over it
 *	  12 bytes  nonce, random
 *	  n bytes   ciphertext
 *	  16 bytes  tag
 *
 * The first nine bytes and the row's kid, algorithm and purpose are
 * authenticated with it, so nothing decrypts in another row.
 *
 * Lifetime.  Master keys are read when they are needed and overwritten before
 * anything can raise; none is kept.  A private signing key is decrypted once a
 * backend (token_key.c).
 *
 * A file that is not there is made by the first signing key: written under
 * another name (O_EXCL, 0600), fsynced, then linked to its own, so that nobody
 * ever reads half of one and of two that are made at once one wins.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"
#include "compat.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <openssl/evp.h>
#include <openssl/rand.h>

#include "common/file_perm.h"
#include "catalog/pg_type.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "storage/fd.h"
#include "utils/array.h"
#include "utils/builtins.h"

#include "jose/jose.h"
#include "token_master.h"

#define KEY_BYTES	32
#define ID_BYTES	8
#define NONCE_BYTES 12
#define TAG_BYTES	16
#define FORMAT		1
#define HEAD_BYTES	(1 + ID_BYTES + NONCE_BYTES)

#define KEYS_MAX	16
#define LINE_LEN	((size_t) 2 * KEY_BYTES)
#define TEXT_MAX	(KEYS_MAX * (LINE_LEN + 2))

typedef struct MasterKey
{
	unsigned char key[KEY_BYTES];
	unsigned char id[ID_BYTES];
} MasterKey;

typedef struct MasterKeys
{
	int			n;
	MasterKey	keys[KEYS_MAX];
} MasterKeys;

char	   *authz_master_key_file = NULL;
char	   *authz_master_key_command = NULL;

PG_FUNCTION_INFO_V1(authz_master_key_add);
PG_FUNCTION_INFO_V1(authz_master_key_ids);

/* ------------------------------------------------------------ the key text */

static int
hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

static bool
master_identify(MasterKey *master)
{
	static const char label[] = "authz master key";
	unsigned char text[sizeof(label) + KEY_BYTES];
	unsigned char hash[EVP_MAX_MD_SIZE];
	bool		ok;

	memcpy(text, label, sizeof(label));
	memcpy(text + sizeof(label), master->key, KEY_BYTES);
	ok = EVP_Digest(text, sizeof(text), hash, NULL, EVP_sha256(), NULL) == 1;
	memcpy(master->id, hash, ID_BYTES);
	jose_cleanse(text, sizeof(text));
	return ok;
}

/* False, with the reason, when the text is not lines of keys. */
static bool
master_parse(const char *text, size_t len, MasterKeys *keys, const char **reason)
{
	const char *end = text + len;

	keys->n = 0;
	while (text < end)
	{
		const char *stop = memchr(text, '\n', end - text);
		size_t		line_len;

		if (stop == NULL)
			stop = end;
		line_len = stop - text;
		if (line_len > 0 && text[line_len - 1] == '\r')
			line_len--;
		if (line_len > 0)
		{
			MasterKey  *master = &keys->keys[keys->n];
			bool		good = line_len == LINE_LEN;

			if (keys->n == KEYS_MAX)
			{
				*reason = "It has more than 16 keys.";
				return false;
			}
			for (size_t i = 0; good && i < KEY_BYTES; i++)
			{
				int			high = hex_value(text[2 * i]);
				int			low = hex_value(text[2 * i + 1]);

				good = high >= 0 && low >= 0;
				master->key[i] = (unsigned char) (high * 16 + low);
			}
			if (!good)
			{
				*reason = "A line of it is not 64 hexadecimal digits.";
				return false;
			}
			if (!master_identify(master))
			{
				*reason = "OpenSSL has no SHA-256.";
				return false;
			}
			keys->n++;
		}
		text = stop + 1;
	}
	*reason = "It has no key.";
	return keys->n > 0;
}

static char *
id_text(const unsigned char *id)
{
	char	   *text = palloc(2 * ID_BYTES + 1);

	for (size_t i = 0; i < ID_BYTES; i++)
		snprintf(text + 2 * i, 3, "%02x", id[i]);
	return text;
}

/* ---------------------------------------------------------------- the file */

static char *
master_file_name(void)
{
	if (authz_master_key_file != NULL && authz_master_key_file[0] != '\0')
		return make_absolute_path(authz_master_key_file);
	return psprintf("%s.authz_master_key", DataDir);
}

/* A base backup would copy it with what it protects. */
static void
master_file_check_place(const char *name)
{
	char	   *folder = pstrdup(name);
	char		real_folder[PATH_MAX];
	char		real_data[PATH_MAX];
	size_t		len;

	get_parent_directory(folder);
	if (realpath(folder, real_folder) == NULL || realpath(DataDir, real_data) == NULL)
		return;					/* then there is no file either */
	len = strlen(real_data);
	if (strncmp(real_folder, real_data, len) == 0 &&
		(real_folder[len] == '\0' || real_folder[len] == '/'))
		ereport(ERROR,
				(errcode(ERRCODE_CONFIG_FILE_ERROR),
				 errmsg("master key file \"%s\" is inside the data directory", name),
				 errdetail("A base backup would hold it together with the keys that it protects."),
				 errhint("Move it, and set authz.master_key_file.")));
	pfree(folder);
}

/* As PostgreSQL wants it of a private key for TLS. */
static void
master_file_check_permissions(const char *name, const struct stat *st)
{
	if (!S_ISREG(st->st_mode))
		ereport(ERROR,
				(errcode(ERRCODE_CONFIG_FILE_ERROR),
				 errmsg("master key file \"%s\" is not a regular file", name)));
	if (st->st_uid != geteuid() && st->st_uid != 0)
		ereport(ERROR,
				(errcode(ERRCODE_CONFIG_FILE_ERROR),
				 errmsg("master key file \"%s\" must be owned by the user that runs the server or by root", name)));
	if ((st->st_uid == geteuid() && st->st_mode & (S_IRWXG | S_IRWXO)) ||
		(st->st_uid == 0 && st->st_mode & (S_IWGRP | S_IXGRP | S_IRWXO)))
		ereport(ERROR,
				(errcode(ERRCODE_CONFIG_FILE_ERROR),
				 errmsg("master key file \"%s\" has group or world access", name),
				 errdetail("It must have permissions u=rw (0600) or less if owned by the user that runs the server, or permissions u=rw,g=r (0640) or less if owned by root."),
				 errhint("If others could read it, put a new master key in front of it and call authz.signing_keys_reencrypt().")));
}

/* -1 with errno when it cannot be read. */
static ssize_t
master_file_read(const char *name, char *text)
{
	int			fd = OpenTransientFile(name, O_RDONLY | PG_BINARY);
	struct stat st;
	ssize_t		len = 0;

	if (fd < 0)
		return -1;
	if (fstat(fd, &st) != 0)
		ereport(ERROR,
				(errcode_for_file_access(),
				 errmsg("could not stat master key file \"%s\": %m", name)));
	master_file_check_permissions(name, &st);
	while (len < TEXT_MAX)
	{
		ssize_t		n = read(fd, text + len, TEXT_MAX - len);

		if (n < 0)
		{
			jose_cleanse(text, TEXT_MAX);
			ereport(ERROR,
					(errcode_for_file_access(),
					 errmsg("could not read master key file \"%s\": %m", name)));
		}
		if (n == 0)
			break;
		len += n;
	}
	CloseTransientFile(fd);
	return len;
}

/*
 * Write text to a new file beside `name`, fsynced; gives its name.  The text is
 * overwritten.
 */
static char *
master_file_write(const char *name, char *text, size_t len)
{
	uint32		suffix;
	char	   *temp;
	int			fd;
	bool		ok;
	int			save_errno;

	if (!pg_strong_random(&suffix, sizeof(suffix)))
	{
		jose_cleanse(text, len);
		ereport(ERROR,
				(errcode(ERRCODE_INTERNAL_ERROR),
				 errmsg("could not generate random bytes")));
	}
	temp = psprintf("%s.%08x", name, suffix);
	fd = OpenTransientFilePerm(temp, O_WRONLY | O_CREAT | O_EXCL | PG_BINARY,
							   S_IRUSR | S_IWUSR);
	if (fd < 0)
	{
		save_errno = errno;
		jose_cleanse(text, len);
		errno = save_errno;
		ereport(ERROR,
				(errcode_for_file_access(),
				 errmsg("could not create master key file \"%s\": %m", name),
				 errhint("Set authz.master_key_file to a place outside of the data directory where the server may write, or put a file there that has 64 random hexadecimal digits.")));
	}
	ok = write(fd, text, len) == (ssize_t) len && pg_fsync(fd) == 0;
	save_errno = errno;
	jose_cleanse(text, len);
	CloseTransientFile(fd);
	if (!ok)
	{
		unlink(temp);
		errno = save_errno != 0 ? save_errno : ENOSPC;
		ereport(ERROR,
				(errcode_for_file_access(),
				 errmsg("could not write master key file \"%s\": %m", name)));
	}
	return temp;
}

static void
fsync_folder(const char *name)
{
	char	   *folder = pstrdup(name);

	get_parent_directory(folder);
	fsync_fname(folder, true);
	pfree(folder);
}

static void
master_random_line(char *line)
{
	unsigned char key[KEY_BYTES];

	if (!pg_strong_random(key, sizeof(key)))
		ereport(ERROR,
				(errcode(ERRCODE_INTERNAL_ERROR),
				 errmsg("could not generate random bytes")));
	for (size_t i = 0; i < KEY_BYTES; i++)
		snprintf(line + 2 * i, 3, "%02x", key[i]);
	line[LINE_LEN] = '\n';
	jose_cleanse(key, sizeof(key));
}

/* Another backend may be at it: whose comes first is the one. */
static void
master_file_create(const char *name)
{
	char		line[LINE_LEN + 1];
	char	   *temp;
	int			rc;
	int			save_errno;

	master_random_line(line);
	temp = master_file_write(name, line, sizeof(line));
	rc = link(temp, name);
	save_errno = errno;
	unlink(temp);
	if (rc != 0 && save_errno != EEXIST)
	{
		errno = save_errno;
		ereport(ERROR,
				(errcode_for_file_access(),
				 errmsg("could not create master key file \"%s\": %m", name)));
	}
	fsync_folder(name);
	if (rc == 0)
		ereport(LOG,
				(errmsg("created master key file \"%s\"", name),
				 errhint("Keep a copy apart from the backups of the database: without it, the private keys in them are lost.")));
}

/* ------------------------------------------------------------- the command */

static size_t
master_command_read(char *text)
{
	FILE	   *pipe = OpenPipeStream(authz_master_key_command, "r");
	size_t		len;
	bool		failed;
	int			rc;

	if (pipe == NULL)
		ereport(ERROR,
				(errcode_for_file_access(),
				 errmsg("could not execute authz.master_key_command: %m")));
	len = fread(text, 1, TEXT_MAX, pipe);
	failed = ferror(pipe) != 0;
	rc = ClosePipeStream(pipe);
	if (failed || rc != 0)
	{
		jose_cleanse(text, TEXT_MAX);
		if (rc == -1 || failed)
			ereport(ERROR,
					(errcode(ERRCODE_EXTERNAL_ROUTINE_EXCEPTION),
					 errmsg("could not read from authz.master_key_command: %m")));
		ereport(ERROR,
				(errcode(ERRCODE_EXTERNAL_ROUTINE_EXCEPTION),
				 errmsg("authz.master_key_command failed"),
				 errdetail_internal("%s", wait_result_to_str(rc))));
	}
	return len;
}

/* ------------------------------------------------------------ master keys */

/* Who calls this overwrites *keys before anything can raise. */
static void
master_load(MasterKeys *keys, bool may_create)
{
	char		text[TEXT_MAX];
	ssize_t		len;
	const char *reason;
	bool		good;
	char	   *source;

	if (authz_master_key_command != NULL && authz_master_key_command[0] != '\0')
	{
		source = "output of authz.master_key_command";
		len = master_command_read(text);
	}
	else
	{
		char	   *name = master_file_name();

		source = psprintf("master key file \"%s\"", name);
		master_file_check_place(name);
		len = master_file_read(name, text);
		if (len < 0 && errno == ENOENT && may_create)
		{
			master_file_create(name);
			len = master_file_read(name, text);
		}
		if (len < 0)
			ereport(ERROR,
					(errcode_for_file_access(),
					 errmsg("could not open master key file \"%s\": %m", name),
					 errdetail("The private parts of this database's signing keys are encrypted under the master key in it."),
					 errhint("Copy the file from the server that made these keys. If it is lost, retire all signing keys and create new ones.")));
	}

	good = master_parse(text, (size_t) len, keys, &reason);
	jose_cleanse(text, sizeof(text));
	if (!good)
	{
		jose_cleanse(keys, sizeof(*keys));
		ereport(ERROR,
				(errcode(ERRCODE_CONFIG_FILE_ERROR),
				 errmsg("%s is not valid", source),
				 errdetail_internal("%s", reason),
				 errhint("It has a master key a line, 64 hexadecimal digits each, as `openssl rand -hex 32` prints them.")));
	}
}

/* ------------------------------------------------------------- AES-256-GCM */

/* The row as additional data; each part ends with a NUL, which none contains. */
static bool
gcm_aad(EVP_CIPHER_CTX *ctx, bool encrypt, const unsigned char *head,
		const AuthzSealedFor *row)
{
	const char *parts[] = {row->kid, row->alg, row->purpose};
	int			n;

	if (EVP_CipherUpdate(ctx, NULL, &n, head, 1 + ID_BYTES) != 1)
		return false;
	for (int i = 0; i < lengthof(parts); i++)
	{
		if (EVP_CipherUpdate(ctx, NULL, &n, (const unsigned char *) parts[i],
							 (int) strlen(parts[i]) + 1) != 1)
			return false;
	}
	return true;
}

/* head: format, id, nonce.  Raises nothing. */
static bool
gcm(bool encrypt, const MasterKey *master, const unsigned char *head,
	const AuthzSealedFor *row, const unsigned char *in, int len,
	unsigned char *out, unsigned char *tag)
{
	EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
	int			n;
	bool		ok;

	ok = ctx != NULL &&
		EVP_CipherInit_ex(ctx, EVP_aes_256_gcm(), NULL, master->key,
						  head + 1 + ID_BYTES, encrypt) == 1 &&
		gcm_aad(ctx, encrypt, head, row) &&
		EVP_CipherUpdate(ctx, out, &n, in, len) == 1 && n == len &&
		(encrypt || EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_SET_TAG, TAG_BYTES, tag) == 1) &&
		EVP_CipherFinal_ex(ctx, out + len, &n) == 1 && n == 0 &&
		(!encrypt || EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_GET_TAG, TAG_BYTES, tag) == 1);
	EVP_CIPHER_CTX_free(ctx);
	return ok;
}

bytea *
authz_master_seal(const AuthzSealedFor *row, bool may_create,
				  const char *plain, size_t len)
{
	MasterKeys	keys;
	bytea	   *sealed = palloc(VARHDRSZ + HEAD_BYTES + len + TAG_BYTES);
	unsigned char *head = (unsigned char *) VARDATA(sealed);
	bool		ok;

	SET_VARSIZE(sealed, VARHDRSZ + HEAD_BYTES + len + TAG_BYTES);
	if (!pg_strong_random(head + 1 + ID_BYTES, NONCE_BYTES))
		ereport(ERROR,
				(errcode(ERRCODE_INTERNAL_ERROR),
				 errmsg("could not generate random bytes")));
	master_load(&keys, may_create);
	head[0] = FORMAT;
	memcpy(head + 1, keys.keys[0].id, ID_BYTES);
	ok = gcm(true, &keys.keys[0], head, row, (const unsigned char *) plain, (int) len,
			 head + HEAD_BYTES, head + HEAD_BYTES + len);
	jose_cleanse(&keys, sizeof(keys));
	if (!ok)
		ereport(ERROR,
				(errcode(ERRCODE_INTERNAL_ERROR),
				 errmsg("could not encrypt signing key \"%s\"", row->kid)));
	return sealed;
}

static bool
sealed_is_sound(const bytea *sealed)
{
	return VARSIZE_ANY_EXHDR(sealed) > HEAD_BYTES + TAG_BYTES &&
		*(const unsigned char *) VARDATA_ANY(sealed) == FORMAT;
}

char *
authz_master_open(const AuthzSealedFor *row, const bytea *sealed, size_t *len)
{
	const unsigned char *head = (const unsigned char *) VARDATA_ANY(sealed);
	MasterKeys	keys;
	unsigned char tag[TAG_BYTES];
	char	   *plain;
	int			found = -1;
	bool		ok = false;

	if (!sealed_is_sound(sealed))
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("private part of signing key \"%s\" is corrupted", row->kid)));
	*len = VARSIZE_ANY_EXHDR(sealed) - HEAD_BYTES - TAG_BYTES;
	plain = palloc(*len + 1);
	memcpy(tag, head + HEAD_BYTES + *len, TAG_BYTES);

	master_load(&keys, false);
	for (int i = 0; i < keys.n && found < 0; i++)
	{
		if (memcmp(keys.keys[i].id, head + 1, ID_BYTES) == 0)
			found = i;
	}
	if (found >= 0)
		ok = gcm(false, &keys.keys[found], head, row, head + HEAD_BYTES, (int) *len,
				 (unsigned char *) plain, tag);
	jose_cleanse(&keys, sizeof(keys));
	if (found < 0)
		ereport(ERROR,
				(errcode(ERRCODE_CONFIG_FILE_ERROR),
				 errmsg("master key of signing key \"%s\" is missing", row->kid),
				 errdetail("Its private part is encrypted under master key %s.", id_text(head + 1)),
				 errhint("Put that master key into authz.master_key_file, in a line of its own. authz.master_key_ids() tells which are there.")));
	if (!ok)
	{
		jose_cleanse(plain, *len);
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("private part of signing key \"%s\" is corrupted", row->kid),
				 errdetail("It was changed, or it belongs to another row.")));
	}
	plain[*len] = '\0';
	return plain;
}

bool
authz_master_is_current(const bytea *sealed)
{
	MasterKeys	keys;
	bool		current;

	master_load(&keys, false);
	current = sealed_is_sound(sealed) &&
		memcmp(VARDATA_ANY(sealed) + 1, keys.keys[0].id, ID_BYTES) == 0;
	jose_cleanse(&keys, sizeof(keys));
	return current;
}

/* -------------------------------------------------------------- functions */

/* master_key_ids() → text[]: which master keys there are, first the one in use. */
Datum
authz_master_key_ids(PG_FUNCTION_ARGS)
{
	MasterKeys	keys;
	Datum		ids[KEYS_MAX];
	int			n;

	master_load(&keys, false);
	n = keys.n;
	for (int i = 0; i < n; i++)
	{
		jose_cleanse(keys.keys[i].key, KEY_BYTES);
		ids[i] = CStringGetTextDatum(id_text(keys.keys[i].id));
	}
	PG_RETURN_ARRAYTYPE_P(construct_array(ids, n, TEXTOID, -1, false, TYPALIGN_INT));
}

/*
 * master_key_add() → text: put a new master key in front of those in the file;
 * gives its id.  Nothing is encrypted under it yet.
 */
Datum
authz_master_key_add(PG_FUNCTION_ARGS)
{
	char	   *name;
	MasterKeys	keys;
	MasterKey	added;
	char		text[TEXT_MAX];
	const char *reason;
	char	   *temp;
	size_t		len;
	bool		full;

	if (authz_master_key_command != NULL && authz_master_key_command[0] != '\0')
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("master keys come from authz.master_key_command"),
				 errhint("Have the command print a new one in front of the old one.")));
	name = master_file_name();
	master_load(&keys, true);
	full = keys.n == KEYS_MAX;
	jose_cleanse(&keys, sizeof(keys));
	if (full)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("master key file \"%s\" has %d keys already", name, KEYS_MAX),
				 errhint("Remove those that no signing key needs any more.")));

	master_random_line(text);
	len = LINE_LEN + 1;
	{
		char		former[TEXT_MAX];
		ssize_t		former_len = master_file_read(name, former);

		if (former_len < 0 || len + former_len > TEXT_MAX)
			former_len = -1;
		else
			memcpy(text + len, former, former_len);
		jose_cleanse(former, sizeof(former));
		if (former_len < 0)
		{
			jose_cleanse(text, sizeof(text));
			ereport(ERROR,
					(errcode(ERRCODE_CONFIG_FILE_ERROR),
					 errmsg("could not rewrite master key file \"%s\"", name)));
		}
		len += former_len;
	}
	if (!master_parse(text, len, &keys, &reason))
		elog(ERROR, "master key file cannot be read back");
	added = keys.keys[0];
	jose_cleanse(&keys, sizeof(keys));
	jose_cleanse(added.key, KEY_BYTES);
	temp = master_file_write(name, text, len);
	durable_rename(temp, name, ERROR);
	PG_RETURN_TEXT_P(cstring_to_text(id_text(added.id)));
}
