/*-------------------------------------------------------------------------
 *
 * session.c
 *	  Sessions: what SQL cannot do for them.
 *
 * The flows are in sql/session.sql.  Here are the parameters, and the
 * encryption of a refresh's answer under a key that only who presented the
 * token has: AES-256-GCM, 12 random bytes in front, the tag behind.  A key is
 * used for one message, so the nonce cannot repeat under it.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"
#include "compat.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "catalog/pg_type.h"
#include "fmgr.h"
#include "utils/array.h"
#include "utils/fmgroids.h"
#include "utils/fmgrprotos.h"
#include "utils/guc.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"
#include "utils/uuid.h"

#include "error.h"
#include "entity_uid.h"
#include "relation.h"
#include "session.h"
#include "token.h"
#include "token_master.h"

#define KEY_LEN 32
#define NONCE_LEN 12
#define TAG_LEN 16

static char *access_token_role;
static int	max_sessions;
static int	refresh_grace;
static int	session_idle_timeout;
static int	session_lifetime;
static int	second_factor_lifetime;
static int	step_up_max_age;

PG_FUNCTION_INFO_V1(authz_seal);
PG_FUNCTION_INFO_V1(authz_unseal);
PG_FUNCTION_INFO_V1(authz_session_check);
PG_FUNCTION_INFO_V1(authz_totp_seal);
PG_FUNCTION_INFO_V1(authz_totp_open);
PG_FUNCTION_INFO_V1(authz_totp_is_current);

static void
check_key(bytea *key)
{
	if (VARSIZE_ANY_EXHDR(key) != KEY_LEN)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("the key must have %d bytes", KEY_LEN)));
}

/* seal(key bytea, plain bytea, aad bytea) → bytea */
Datum
authz_seal(PG_FUNCTION_ARGS)
{
	bytea	   *key = PG_GETARG_BYTEA_PP(0);
	bytea	   *plain = PG_GETARG_BYTEA_PP(1);
	bytea	   *aad = PG_GETARG_BYTEA_PP(2);
	int			len = VARSIZE_ANY_EXHDR(plain);
	bytea	   *out = palloc(VARHDRSZ + NONCE_LEN + len + TAG_LEN);
	unsigned char *nonce = (unsigned char *) VARDATA(out);
	unsigned char *text = nonce + NONCE_LEN;
	EVP_CIPHER_CTX *ctx;
	int			n;
	bool		done;

	check_key(key);
	SET_VARSIZE(out, VARHDRSZ + NONCE_LEN + len + TAG_LEN);
	if (!pg_strong_random(nonce, NONCE_LEN))
		ereport(ERROR,
				(errcode(ERRCODE_INTERNAL_ERROR),
				 errmsg("could not generate random bytes")));
	ctx = EVP_CIPHER_CTX_new();
	done = ctx != NULL &&
		EVP_EncryptInit_ex(ctx, EVP_aes_256_gcm(), NULL,
						   (unsigned char *) VARDATA_ANY(key), nonce) == 1 &&
		EVP_EncryptUpdate(ctx, NULL, &n, (unsigned char *) VARDATA_ANY(aad),
						  VARSIZE_ANY_EXHDR(aad)) == 1 &&
		EVP_EncryptUpdate(ctx, text, &n, (unsigned char *) VARDATA_ANY(plain), len) == 1 &&
		EVP_EncryptFinal_ex(ctx, text + n, &n) == 1 &&
		EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_GCM_GET_TAG, TAG_LEN, text + len) == 1;
	EVP_CIPHER_CTX_free(ctx);
	if (!done)
		ereport(ERROR,
				(errcode(ERRCODE_INTERNAL_ERROR),
				 errmsg("could not encrypt")));
	PG_RETURN_BYTEA_P(out);
}

/* unseal(key bytea, sealed bytea, aad bytea) → bytea: NULL when it is not what seal made. */
Datum
authz_unseal(PG_FUNCTION_ARGS)
{
	bytea	   *key = PG_GETARG_BYTEA_PP(0);
	bytea	   *sealed = PG_GETARG_BYTEA_PP(1);
	bytea	   *aad = PG_GETARG_BYTEA_PP(2);
	int			len = (int) VARSIZE_ANY_EXHDR(sealed) - NONCE_LEN - TAG_LEN;
	unsigned char *nonce = (unsigned char *) VARDATA_ANY(sealed);
	unsigned char *text = nonce + NONCE_LEN;
	bytea	   *out;
	EVP_CIPHER_CTX *ctx;
	int			n;
	bool		done;

	check_key(key);
	if (len < 0)
		PG_RETURN_NULL();
	out = palloc(VARHDRSZ + len);
	SET_VARSIZE(out, VARHDRSZ + len);
	ctx = EVP_CIPHER_CTX_new();
	done = ctx != NULL &&
		EVP_DecryptInit_ex(ctx, EVP_aes_256_gcm(), NULL,
						   (unsigned char *) VARDATA_ANY(key), nonce) == 1 &&
		EVP_DecryptUpdate(ctx, NULL, &n, (unsigned char *) VARDATA_ANY(aad),
						  VARSIZE_ANY_EXHDR(aad)) == 1 &&
		EVP_DecryptUpdate(ctx, (unsigned char *) VARDATA(out), &n, text, len) == 1 &&
		EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_GCM_SET_TAG, TAG_LEN, text + len) == 1 &&
		EVP_DecryptFinal_ex(ctx, (unsigned char *) VARDATA(out) + n, &n) == 1;
	EVP_CIPHER_CTX_free(ctx);
	if (!done)
		PG_RETURN_NULL();
	PG_RETURN_BYTEA_P(out);
}

/* Has the session issued the token with this jti, in a transaction that committed? */
static bool
has_issued(Datum jtis, const JsonbValue *jti)
{
	Datum	   *issued;
	int			n;

	if (jti == NULL)
		return false;
	deconstruct_array(DatumGetArrayTypeP(jtis), UUIDOID, UUID_LEN, false, TYPALIGN_CHAR,
					  &issued, NULL, &n);
	for (int i = 0; i < n; i++)
	{
		char	   *text = DatumGetCString(DirectFunctionCall1(uuid_out, issued[i]));

		if (strlen(text) == jti->val.string.len &&
			memcmp(text, jti->val.string.val, jti->val.string.len) == 0)
			return true;
	}
	return false;
}

void
authz_session_require_live(Jsonb *claims)
{
	AuthzRelations rels = *authz_relations();
	JsonbValue *sid = authz_token_claim(claims, "sid");
	JsonbValue *sub = authz_token_claim(claims, "sub");
	JsonbValue *jti = authz_token_claim(claims, "jti");
	Datum		id;
	Relation	sessions;
	Snapshot	snapshot;
	SysScanDesc scan;
	ScanKeyData key;
	HeapTuple	tuple;
	bool		live = false;

	if (sid == NULL)
		return;
	id = DirectFunctionCall1(uuid_in, CStringGetDatum(pnstrdup(sid->val.string.val, sid->val.string.len)));
	sessions = table_open(rels.sessions, AccessShareLock);
	snapshot = RegisterSnapshot(GetCatalogSnapshot(rels.sessions));
	ScanKeyInit(&key, Anum_sessions_id, BTEqualStrategyNumber, F_UUID_EQ, id);
	scan = systable_beginscan(sessions, rels.sessions_pkey, true, snapshot, 1, &key);
	tuple = systable_getnext(scan);
	if (HeapTupleIsValid(tuple) && sub != NULL)
	{
		TupleDesc	desc = RelationGetDescr(sessions);
		bool		isnull;
		char	   *user = DatumGetCString(DirectFunctionCall1(uuid_out,
															   heap_getattr(tuple, Anum_sessions_user_id, desc, &isnull)));
		TimestampTz expires = DatumGetTimestampTz(heap_getattr(tuple, Anum_sessions_expires_at, desc, &isnull));

		live = heap_attisnull(tuple, Anum_sessions_ended_at, desc) &&
			expires > GetCurrentTimestamp() &&
			strlen(user) == sub->val.string.len &&
			memcmp(user, sub->val.string.val, sub->val.string.len) == 0 &&
			has_issued(heap_getattr(tuple, Anum_sessions_access_jtis, desc, &isnull), jti);
	}
	systable_endscan(scan);
	UnregisterSnapshot(snapshot);
	table_close(sessions, NoLock);
	if (!live)
		ereport(ERROR,
				(errcode(AUTHZ_ERRCODE_HTTP_401),
				 errmsg("the session has ended"),
				 errhint("Sign in again.")));
}

/* Is it the text of a uuid, as uuid_out gives it? */
static bool
is_uuid(const char *s, size_t len)
{
	if (len != 36)
		return false;
	for (size_t i = 0; i < len; i++)
	{
		if (i == 8 || i == 13 || i == 18 || i == 23 ? s[i] != '-' :
			!((s[i] >= '0' && s[i] <= '9') || (s[i] >= 'a' && s[i] <= 'f')))
			return false;
	}
	return true;
}

void
authz_session_require_active(Datum principal)
{
	AuthzRelations rels = *authz_relations();
	EntityUidView uid = authz_uid_view(PG_DETOAST_DATUM_PACKED(principal));
	Relation	users;
	Snapshot	snapshot;
	SysScanDesc scan;
	ScanKeyData key;
	HeapTuple	tuple;
	bool		active = true;

	if (uid.type_len != strlen(authz_principal_type) ||
		memcmp(uid.type, authz_principal_type, uid.type_len) != 0 || !is_uuid(uid.id, uid.id_len))
		return;
	users = table_open(rels.users, AccessShareLock);
	snapshot = RegisterSnapshot(GetCatalogSnapshot(rels.users));
	ScanKeyInit(&key, Anum_users_id, BTEqualStrategyNumber, F_UUID_EQ,
				DirectFunctionCall1(uuid_in, CStringGetDatum(pnstrdup(uid.id, uid.id_len))));
	scan = systable_beginscan(users, rels.users_pkey, true, snapshot, 1, &key);
	tuple = systable_getnext(scan);
	if (HeapTupleIsValid(tuple))
	{
		bool		isnull;

		active = DatumGetBool(heap_getattr(tuple, Anum_users_active, RelationGetDescr(users), &isnull));
	}
	systable_endscan(scan);
	UnregisterSnapshot(snapshot);
	table_close(users, NoLock);
	if (!active)
		ereport(ERROR,
				(errcode(AUTHZ_ERRCODE_HTTP_401),
				 errmsg("the user is not active")));
}

/* session_check() → void */
Datum
authz_session_check(PG_FUNCTION_ARGS)
{
	Jsonb	   *claims = authz_own_claims();

	if (claims != NULL)
		authz_session_require_live(claims);
	PG_RETURN_VOID();
}

/* What a seed is bound to under the master key. */
static AuthzSealedFor
seed_of(pg_uuid_t *user)
{
	AuthzSealedFor row = {
		.kid = DatumGetCString(DirectFunctionCall1(uuid_out, UUIDPGetDatum(user))),
		.alg = "TOTP",
		.purpose = "second_factor"
	};

	return row;
}

/* totp_seal(user_id uuid, seed bytea) → bytea */
Datum
authz_totp_seal(PG_FUNCTION_ARGS)
{
	AuthzSealedFor row = seed_of(PG_GETARG_UUID_P(0));
	bytea	   *seed = PG_GETARG_BYTEA_PP(1);

	PG_RETURN_BYTEA_P(authz_master_seal(&row, true, VARDATA_ANY(seed), VARSIZE_ANY_EXHDR(seed)));
}

/* totp_open(user_id uuid, sealed bytea) → bytea */
Datum
authz_totp_open(PG_FUNCTION_ARGS)
{
	AuthzSealedFor row = seed_of(PG_GETARG_UUID_P(0));
	size_t		len;
	char	   *seed = authz_master_open(&row, PG_GETARG_BYTEA_P(1), &len);
	bytea	   *out = palloc(VARHDRSZ + len);

	SET_VARSIZE(out, VARHDRSZ + len);
	memcpy(VARDATA(out), seed, len);
	OPENSSL_cleanse(seed, len);
	PG_RETURN_BYTEA_P(out);
}

/* totp_is_current(sealed bytea) → boolean */
Datum
authz_totp_is_current(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(authz_master_is_current(PG_GETARG_BYTEA_P(0)));
}

void
authz_session_init(void)
{
	DefineCustomStringVariable("authz.access_token_role",
							   "The claim role of access tokens: the database role that a gateway switches to.",
							   NULL,
							   &access_token_role,
							   "authz_user",
							   PGC_SUSET, 0,
							   NULL, NULL, NULL);
	DefineCustomIntVariable("authz.max_sessions",
							"Sessions that a user may have; one more ends the oldest.",
							NULL,
							&max_sessions,
							100, 1, 100000,
							PGC_SUSET, 0,
							NULL, NULL, NULL);
	DefineCustomIntVariable("authz.refresh_grace",
							"How long a used refresh token gets the same answer again.",
							"For answers that were lost on the way; 0: never.",
							&refresh_grace,
							10, 0, 300,
							PGC_SUSET, GUC_UNIT_S,
							NULL, NULL, NULL);
	DefineCustomIntVariable("authz.second_factor_lifetime",
							"How long a login waits for its second factor.",
							NULL,
							&second_factor_lifetime,
							5 * SECS_PER_MINUTE, 30, SECS_PER_HOUR,
							PGC_SUSET, GUC_UNIT_S,
							NULL, NULL, NULL);
	DefineCustomIntVariable("authz.session_idle_timeout",
							"A session that is not refreshed for this long expires.",
							NULL,
							&session_idle_timeout,
							14 * SECS_PER_DAY, 60, 366 * SECS_PER_DAY,
							PGC_SUSET, GUC_UNIT_S,
							NULL, NULL, NULL);
	DefineCustomIntVariable("authz.session_lifetime",
							"A session expires after this long, whatever happens.",
							NULL,
							&session_lifetime,
							30 * SECS_PER_DAY, 60, 10 * 366 * SECS_PER_DAY,
							PGC_SUSET, GUC_UNIT_S,
							NULL, NULL, NULL);
	DefineCustomIntVariable("authz.step_up_max_age",
							"How old an authentication may be for what needs a fresh one.",
							NULL,
							&step_up_max_age,
							15 * SECS_PER_MINUTE, 30, SECS_PER_DAY,
							PGC_SUSET, GUC_UNIT_S,
							NULL, NULL, NULL);
}
