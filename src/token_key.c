/*-------------------------------------------------------------------------
 *
 * token_key.c
 *	  Signing keys: their rows in authz.signing_keys, and the key objects made
 *	  of them.
 *
 * Like policies, keys are catalog-like: each call reads the key's row under a
 * fresh snapshot, in every isolation level, so a key that is retired verifies
 * nothing from the COMMIT on.  State, purpose and algorithm are taken from the
 * row each time and never kept.
 *
 * What is kept, once a backend, is the costly part: the decrypted and parsed
 * key with its OpenSSL contexts.  It needs no invalidation, because it is
 * found by what it is: a kid is the thumbprint of the key (RFC 7638), so one
 * kid never stands for two keys; a foreign key is found by a hash of its JWK.
 *
 * Memory: each key has a context of its own under CacheMemoryContext, whose
 * reset callback gives the OpenSSL objects back and overwrites the secrets.
 * A key is made in a context under the caller's and moves when it is complete.
 * Beyond KEYS_MAX all are dropped.  A retired key is dropped where it is met.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"
#include "compat.h"

#include <openssl/evp.h>

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "catalog/indexing.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

#include "error.h"
#include "relation.h"
#include "token_key.h"
#include "token_master.h"

#define KEYS_MAX	256
#define KID_LEN		(JOSE_THUMBPRINT_SIZE - 1)

int			authz_key_pending_period = 300;
int			authz_key_rotation_period = 90 * 24 * 3600;
int			authz_token_max_lifetime = 24 * 3600;

static HTAB *keys = NULL;

PG_FUNCTION_INFO_V1(authz_signing_key_generate);
PG_FUNCTION_INFO_V1(authz_signing_key_reencrypt);
PG_FUNCTION_INFO_V1(authz_signing_key_check);

/* ---------------------------------------------------------------- the host */

static void *
key_host_alloc(void *userdata, size_t size)
{
	return MemoryContextAllocExtended((MemoryContext) userdata, size,
									  MCXT_ALLOC_NO_OOM);
}

static void
key_host_release(void *userdata, void *block)
{
	pfree(block);
}

static bool
key_host_is_cancelled(void *userdata)
{
	return QueryCancelPending || ProcDiePending;
}

JoseHost
authz_jose_host(void)
{
	JoseHost	host = {
		.alloc = key_host_alloc,
		.release = key_host_release,
		.is_cancelled = key_host_is_cancelled,
		.userdata = CurrentMemoryContext
	};

	return host;
}

/* --------------------------------------------------------------- the cache */

static void
keys_drop(void)
{
	HASH_SEQ_STATUS status;
	AuthzKey   *key;

	hash_seq_init(&status, keys);
	while ((key = hash_seq_search(&status)) != NULL)
	{
		MemoryContextDelete(key->cxt);
		hash_search(keys, key->tag, HASH_REMOVE, NULL);
	}
}

static AuthzKey *
key_find(const unsigned char *tag)
{
	return keys == NULL ? NULL : hash_search(keys, tag, HASH_FIND, NULL);
}

static void
key_forget(const unsigned char *tag)
{
	AuthzKey   *key = key_find(tag);

	if (key != NULL)
	{
		MemoryContextDelete(key->cxt);
		hash_search(keys, tag, HASH_REMOVE, NULL);
	}
}

/* The memory context of a key that is being made; its end is the key's. */
typedef struct KeyOwner
{
	MemoryContextCallback callback;
	JoseKey    *jose;
} KeyOwner;

static void
key_owner_reset(void *arg)
{
	KeyOwner   *owner = arg;

	jose_key_free(owner->jose);
	owner->jose = NULL;
}

static KeyOwner *
key_owner_create(MemoryContext cxt)
{
	KeyOwner   *owner = MemoryContextAllocZero(cxt, sizeof(KeyOwner));

	owner->callback.func = key_owner_reset;
	owner->callback.arg = owner;
	MemoryContextRegisterResetCallback(cxt, &owner->callback);
	return owner;
}

/*
 * Parse a JWK and keep it.  On failure *err has the reason and nothing is
 * left.
 */
static AuthzKey *
key_make(const unsigned char *tag, const char *jwk, size_t len, JoseAlg alg,
		 const char *kid, JoseError *err)
{
	MemoryContext cxt = AllocSetContextCreate(CurrentMemoryContext,
											  "authz token key",
											  ALLOCSET_SMALL_SIZES);
	KeyOwner   *owner = key_owner_create(cxt);
	MemoryContext old = MemoryContextSwitchTo(cxt);
	JoseHost	host = authz_jose_host();
	JoseCode	code;
	AuthzKey   *key;

	code = jose_jwk_parse(&host, jwk, len, alg, &owner->jose, err);
	if (code == JOSE_OK && kid != NULL)
	{
		char		thumbprint[JOSE_THUMBPRINT_SIZE];

		code = jose_jwk_thumbprint(owner->jose, thumbprint, err);
		if (code == JOSE_OK && strcmp(thumbprint, kid) != 0)
		{
			err->code = code = JOSE_ERR_KEY_INVALID;
			snprintf(err->message, sizeof(err->message), "key is not the one of its kid");
			snprintf(err->detail, sizeof(err->detail), "Its thumbprint is %s.", thumbprint);
		}
		if (code == JOSE_OK)
			code = jose_jwk_set_kid(owner->jose, kid, err);
	}
	MemoryContextSwitchTo(old);
	if (code != JOSE_OK)
	{
		MemoryContextDelete(cxt);
		return NULL;
	}

	if (keys == NULL)
	{
		HASHCTL		ctl = {
			.keysize = AUTHZ_KEY_TAG_BYTES,
			.entrysize = sizeof(AuthzKey),
			.hcxt = CacheMemoryContext
		};

		keys = hash_create("authz token keys", 32, &ctl,
						   HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	}
	if (hash_get_num_entries(keys) >= KEYS_MAX)
		keys_drop();
	key = hash_search(keys, tag, HASH_ENTER, NULL);
	key->jose = owner->jose;
	key->cxt = cxt;
	MemoryContextSetParent(cxt, CacheMemoryContext);
	return key;
}

/* ---------------------------------------------------------------- the rows */

typedef enum KeyState
{
	KEY_PENDING,
	KEY_ACTIVE,
	KEY_RETIRING,
	KEY_RETIRED
} KeyState;

/*
 * A row in hand; the texts are copies in the current memory context, the keys
 * lie in the tuple, 0 for null.
 */
typedef struct KeyRow
{
	char	   *kid;
	char	   *alg;
	char	   *purpose;
	KeyState	state;
	int			max_lifetime;
	Datum		public_jwk;
	Datum		private_key;
} KeyRow;

static KeyRow
row_read(HeapTuple tuple, TupleDesc desc)
{
	static const char *const states[] = {
		[KEY_PENDING] = "pending",
		[KEY_ACTIVE] = "active",
		[KEY_RETIRING] = "retiring",
		[KEY_RETIRED] = "retired"
	};
	Datum		values[MaxHeapAttributeNumber];
	bool		nulls[MaxHeapAttributeNumber];
	KeyRow		row = {.state = KEY_RETIRED};
	char	   *state;

	heap_deform_tuple(tuple, desc, values, nulls);
	if (nulls[Anum_signing_keys_kid - 1] || nulls[Anum_signing_keys_alg - 1] ||
		nulls[Anum_signing_keys_purpose - 1] || nulls[Anum_signing_keys_state - 1] ||
		nulls[Anum_signing_keys_max_lifetime - 1])
		elog(ERROR, "null in a signing key");
	row.kid = TextDatumGetCString(values[Anum_signing_keys_kid - 1]);
	row.alg = TextDatumGetCString(values[Anum_signing_keys_alg - 1]);
	row.purpose = TextDatumGetCString(values[Anum_signing_keys_purpose - 1]);
	row.max_lifetime = DatumGetInt32(values[Anum_signing_keys_max_lifetime - 1]);
	if (!nulls[Anum_signing_keys_public_jwk - 1])
		row.public_jwk = values[Anum_signing_keys_public_jwk - 1];
	if (!nulls[Anum_signing_keys_private_key - 1])
		row.private_key = values[Anum_signing_keys_private_key - 1];
	state = TextDatumGetCString(values[Anum_signing_keys_state - 1]);
	for (int i = 0; i < lengthof(states); i++)
	{
		if (strcmp(state, states[i]) == 0)
			row.state = i;
	}
	pfree(state);
	return row;
}

/* Of a key of ours: its kid, algorithm and part. */
static void
row_tag(const KeyRow *row, JoseAlg alg, JosePart part, unsigned char *tag)
{
	StaticAssertStmt(KID_LEN + 3 <= AUTHZ_KEY_TAG_BYTES, "a tag has room for a kid");

	if (strlen(row->kid) != KID_LEN)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("signing key \"%s\" is corrupted", row->kid),
				 errdetail("Its kid is no thumbprint.")));
	memset(tag, 0, AUTHZ_KEY_TAG_BYTES);
	memcpy(tag, row->kid, KID_LEN);
	tag[KID_LEN] = 'k';
	tag[KID_LEN + 1] = (unsigned char) alg;
	tag[KID_LEN + 2] = (unsigned char) part;
}

/* The key object of a row; the secret part where it is to sign, or is HMAC's. */
static AuthzKey *
row_key(const KeyRow *row, bool to_sign)
{
	JoseAlg		alg = jose_alg_from_name(row->alg, strlen(row->alg));
	JosePart	part = to_sign || jose_alg_is_symmetric(alg) ? JOSE_PRIVATE : JOSE_PUBLIC;
	unsigned char tag[AUTHZ_KEY_TAG_BYTES];
	AuthzKey   *key;
	char	   *jwk;
	size_t		len;
	JoseError	err;

	row_tag(row, alg, part, tag);
	key = key_find(tag);
	if (key != NULL)
		return key;

	if (part == JOSE_PRIVATE)
	{
		AuthzSealedFor sealed_for = {row->kid, row->alg, row->purpose};

		if (row->private_key == (Datum) 0)
			ereport(ERROR,
					(errcode(ERRCODE_DATA_CORRUPTED),
					 errmsg("signing key \"%s\" has no private part", row->kid)));
		jwk = authz_master_open(&sealed_for, DatumGetByteaPP(row->private_key), &len);
	}
	else
	{
		if (row->public_jwk == (Datum) 0)
			ereport(ERROR,
					(errcode(ERRCODE_DATA_CORRUPTED),
					 errmsg("signing key \"%s\" has no public part", row->kid)));
		jwk = JsonbToCString(NULL, &DatumGetJsonbP(row->public_jwk)->root, 0);
		len = strlen(jwk);
	}
	key = key_make(tag, jwk, len, alg, row->kid, &err);
	jose_cleanse(jwk, len);
	pfree(jwk);
	if (key == NULL)
		authz_raise_jose(&err, psprintf("signing key \"%s\"", row->kid));
	return key;
}

typedef struct KeyScan
{
	Relation	rel;
	Snapshot	snapshot;
	SysScanDesc scan;
} KeyScan;

/* Who opens it ends it; an error does so too. */
static KeyScan
key_scan_begin(const AuthzRelations *rels, Oid index, int nkeys, ScanKey key)
{
	KeyScan		scan;

	scan.rel = table_open(rels->signing_keys, AccessShareLock);
	scan.snapshot = RegisterSnapshot(GetCatalogSnapshot(rels->signing_keys));
	scan.scan = systable_beginscan(scan.rel, index, true, scan.snapshot, nkeys, key);
	return scan;
}

static void
key_scan_end(KeyScan *scan)
{
	systable_endscan(scan->scan);
	UnregisterSnapshot(scan->snapshot);
	table_close(scan->rel, NoLock);
}

AuthzKey *
authz_key_verifier(const char *kid, const char *purpose, const char **detail)
{
	AuthzRelations rels = *authz_relations();
	ScanKeyData scankey;
	KeyScan		scan;
	HeapTuple	tuple;
	AuthzKey   *key = NULL;

	ScanKeyInit(&scankey, Anum_signing_keys_kid, BTEqualStrategyNumber,
				F_TEXTEQ, CStringGetTextDatum(kid));
	scan = key_scan_begin(&rels, rels.signing_keys_pkey, 1, &scankey);
	tuple = systable_getnext(scan.scan);
	*detail = NULL;
	if (HeapTupleIsValid(tuple))
	{
		KeyRow		row = row_read(tuple, RelationGetDescr(scan.rel));

		if (row.state == KEY_RETIRED)
		{
			JoseAlg		alg = jose_alg_from_name(row.alg, strlen(row.alg));
			unsigned char tag[AUTHZ_KEY_TAG_BYTES];

			row_tag(&row, alg, JOSE_PUBLIC, tag);
			key_forget(tag);
			row_tag(&row, alg, JOSE_PRIVATE, tag);
			key_forget(tag);
			*detail = "The key is retired.";
		}
		else if (strcmp(row.purpose, purpose) != 0)
			*detail = "The key is for another purpose.";
		else
			key = row_key(&row, false);
	}
	key_scan_end(&scan);
	return key;
}

static pg_noreturn void
no_signer(const char *kid, const char *alg, const char *purpose)
{
	if (kid != NULL)
		ereport(ERROR,
				(errcode(AUTHZ_ERRCODE_NO_SIGNING_KEY),
				 errmsg("there is no active signing key \"%s\" for purpose \"%s\"", kid, purpose),
				 errhint("Leave out the kid to sign with the active key.")));
	ereport(ERROR,
			(errcode(AUTHZ_ERRCODE_NO_SIGNING_KEY),
			 alg != NULL ?
			 errmsg("there is no active %s signing key for purpose \"%s\"", alg, purpose) :
			 errmsg("there is no active signing key for purpose \"%s\"", purpose),
			 errhint("Make one with authz.signing_key_create().")));
}

/*
 * With neither kid nor algorithm: the EdDSA key, or else the only one there
 * is.
 */
AuthzSigner
authz_key_signer(const char *kid, const char *alg, const char *purpose)
{
	AuthzRelations rels = *authz_relations();
	AuthzSigner signer = {NULL, 0};
	ScanKeyData scankey[2];
	KeyScan		scan;
	HeapTuple	tuple;
	KeyRow		chosen = {NULL};
	bool		chosen_default = false;
	int			n = 0;

	if (kid != NULL)
	{
		ScanKeyInit(&scankey[0], Anum_signing_keys_kid, BTEqualStrategyNumber,
					F_TEXTEQ, CStringGetTextDatum(kid));
		scan = key_scan_begin(&rels, rels.signing_keys_pkey, 1, scankey);
	}
	else
	{
		/* The index has active keys alone, yet a scan may do without it. */
		ScanKeyInit(&scankey[0], Anum_signing_keys_purpose, BTEqualStrategyNumber,
					F_TEXTEQ, CStringGetTextDatum(purpose));
		if (alg != NULL)
			ScanKeyInit(&scankey[1], Anum_signing_keys_alg, BTEqualStrategyNumber,
						F_TEXTEQ, CStringGetTextDatum(alg));
		scan = key_scan_begin(&rels, rels.signing_keys_active_key, alg != NULL ? 2 : 1, scankey);
	}
	while (HeapTupleIsValid(tuple = systable_getnext(scan.scan)))
	{
		KeyRow		row = row_read(tuple, RelationGetDescr(scan.rel));
		bool		is_default = strcmp(row.alg, "EdDSA") == 0;

		if (row.state != KEY_ACTIVE || strcmp(row.purpose, purpose) != 0 ||
			(alg != NULL && strcmp(row.alg, alg) != 0))
			continue;
		n++;
		if (n == 1 || (is_default && !chosen_default))
		{
			/* The tuple goes with the next one. */
			if (row.private_key != (Datum) 0)
				row.private_key = PointerGetDatum(PG_DETOAST_DATUM_COPY(row.private_key));
			row.public_jwk = (Datum) 0;
			chosen = row;
			chosen_default = is_default;
		}
	}
	if (n == 0)
		no_signer(kid, alg, purpose);
	if (n > 1 && !chosen_default)
		ereport(ERROR,
				(errcode(ERRCODE_AMBIGUOUS_PARAMETER),
				 errmsg("there are %d active signing keys for purpose \"%s\"", n, purpose),
				 errhint("Say which by alg.")));
	signer.key = row_key(&chosen, true);
	signer.max_lifetime = chosen.max_lifetime;
	key_scan_end(&scan);
	return signer;
}

/* ------------------------------------------------------------ foreign keys */

AuthzKey *
authz_key_foreign(const JsonbValue *jwk, JoseAlg alg, JoseError *err)
{
	unsigned char tag[AUTHZ_KEY_TAG_BYTES] = {0};
	unsigned char hash[EVP_MAX_MD_SIZE];
	AuthzKey   *key;
	char	   *text;

	if (jwk->type != jbvBinary ||
		EVP_Digest(jwk->val.binary.data, jwk->val.binary.len, hash, NULL,
				   EVP_sha256(), NULL) != 1)
		elog(ERROR, "could not hash a key");
	memcpy(tag, hash, 32);
	tag[KID_LEN] = 'f';
	tag[KID_LEN + 1] = (unsigned char) alg;
	key = key_find(tag);
	if (key != NULL)
		return key;
	text = JsonbToCString(NULL, jwk->val.binary.data, jwk->val.binary.len);
	key = key_make(tag, text, strlen(text), alg, NULL, err);
	pfree(text);
	return key;
}

/* -------------------------------------------------------------- functions */

static JoseAlg
alg_argument(const char *name)
{
	JoseAlg		alg = jose_alg_from_name(name, strlen(name));

	if (alg == JOSE_ALG_UNSPECIFIED)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("algorithm \"%s\" is not supported", name),
				 errhint("Supported are EdDSA, ES256, ES384, ES512, RS256, RS384, RS512, PS256, PS384, PS512, HS256, HS384 and HS512.")));
	return alg;
}

/* Does a signing key of this database have a private part? */
static bool
private_keys_exist(void)
{
	AuthzRelations rels = *authz_relations();
	KeyScan		scan = key_scan_begin(&rels, InvalidOid, 0, NULL);
	HeapTuple	tuple;
	bool		exist = false;

	while (!exist && HeapTupleIsValid(tuple = systable_getnext(scan.scan)))
		exist = !heap_attisnull(tuple, Anum_signing_keys_private_key,
								RelationGetDescr(scan.rel));
	key_scan_end(&scan);
	return exist;
}

/*
 * signing_key_generate(alg, purpose, bits) → (kid, public_jwk, private_key): a
 * new key pair, or secret; private_key is encrypted for that kid, algorithm
 * and purpose.
 */
Datum
authz_signing_key_generate(PG_FUNCTION_ARGS)
{
	char	   *alg_name;
	char	   *purpose;
	int			bits = PG_ARGISNULL(2) ? 0 : PG_GETARG_INT32(2);
	JoseAlg		alg;
	JoseHost	host = authz_jose_host();
	KeyOwner   *owner;
	JoseError	err;
	JoseCode	code;
	char		kid[JOSE_THUMBPRINT_SIZE];
	AuthzSealedFor sealed_for;
	char	   *json;
	size_t		len;
	Datum		values[3];
	bool		nulls[3] = {false};
	TupleDesc	desc;
	MemoryContext cxt;

	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	if (PG_ARGISNULL(0) || PG_ARGISNULL(1))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("alg and purpose must not be null")));
	alg_name = text_to_cstring(PG_GETARG_TEXT_PP(0));
	purpose = text_to_cstring(PG_GETARG_TEXT_PP(1));
	alg = alg_argument(alg_name);
	sealed_for = (AuthzSealedFor) {kid, alg_name, purpose};
	cxt = AllocSetContextCreate(CurrentMemoryContext, "authz new key", ALLOCSET_SMALL_SIZES);
	host.userdata = cxt;
	owner = key_owner_create(cxt);
	code = jose_jwk_generate(&host, alg, bits, &owner->jose, &err);
	CHECK_FOR_INTERRUPTS();
	if (code == JOSE_OK)
		code = jose_jwk_thumbprint(owner->jose, kid, &err);
	if (code == JOSE_OK)
		code = jose_jwk_set_kid(owner->jose, kid, &err);
	if (code != JOSE_OK)
		authz_raise_jose(&err, NULL);

	values[0] = CStringGetTextDatum(kid);
	nulls[1] = jose_alg_is_symmetric(alg);
	if (!nulls[1])
	{
		if (jose_jwk_to_json(&host, owner->jose, JOSE_PUBLIC, &json, &len, &err) != JOSE_OK)
			authz_raise_jose(&err, NULL);
		values[1] = DirectFunctionCall1(jsonb_in, CStringGetDatum(pnstrdup(json, len)));
	}
	else
		values[1] = (Datum) 0;

	if (jose_jwk_to_json(&host, owner->jose, JOSE_PRIVATE, &json, &len, &err) != JOSE_OK)
		authz_raise_jose(&err, NULL);
	PG_TRY();
	{
		values[2] = PointerGetDatum(authz_master_seal(&sealed_for, !private_keys_exist(),
													  json, len));
	}
	PG_FINALLY();
	{
		jose_cleanse(json, len);
	}
	PG_END_TRY();
	MemoryContextDelete(cxt);
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(desc, values, nulls)));
}

/*
 * signing_key_reencrypt(kid, alg, purpose, private_key) → bytea: the same
 * under the first master key; NULL when it is already.
 */
Datum
authz_signing_key_reencrypt(PG_FUNCTION_ARGS)
{
	AuthzSealedFor row = {
		text_to_cstring(PG_GETARG_TEXT_PP(0)),
		text_to_cstring(PG_GETARG_TEXT_PP(1)),
		text_to_cstring(PG_GETARG_TEXT_PP(2))
	};
	bytea	   *sealed = PG_GETARG_BYTEA_PP(3);
	bytea	   *resealed = NULL;
	char	   *plain;
	size_t		len;

	if (authz_master_is_current(sealed))
		PG_RETURN_NULL();
	plain = authz_master_open(&row, sealed, &len);
	PG_TRY();
	{
		resealed = authz_master_seal(&row, false, plain, len);
	}
	PG_FINALLY();
	{
		jose_cleanse(plain, len);
	}
	PG_END_TRY();
	PG_RETURN_BYTEA_P(resealed);
}

/*
 * signing_key_check(kid, alg, public_jwk) → boolean: is this public JWK, for
 * this algorithm, the one of this kid?
 */
Datum
authz_signing_key_check(PG_FUNCTION_ARGS)
{
	char	   *kid = text_to_cstring(PG_GETARG_TEXT_PP(0));
	char	   *alg_name = text_to_cstring(PG_GETARG_TEXT_PP(1));
	Jsonb	   *jwk = PG_GETARG_JSONB_P(2);
	JoseAlg		alg = alg_argument(alg_name);
	MemoryContext cxt = AllocSetContextCreate(CurrentMemoryContext, "authz key check",
											  ALLOCSET_SMALL_SIZES);
	KeyOwner   *owner = key_owner_create(cxt);
	char	   *text = JsonbToCString(NULL, &jwk->root, VARSIZE(jwk));
	JoseHost	host = authz_jose_host();
	char		thumbprint[JOSE_THUMBPRINT_SIZE];
	JoseError	err;
	bool		same;

	host.userdata = cxt;
	if (jose_jwk_parse(&host, text, strlen(text), alg, &owner->jose, &err) != JOSE_OK ||
		jose_jwk_thumbprint(owner->jose, thumbprint, &err) != JOSE_OK)
		authz_raise_jose(&err, psprintf("signing key \"%s\"", kid));
	same = !jose_jwk_is_private(owner->jose) && strcmp(thumbprint, kid) == 0;
	MemoryContextDelete(cxt);
	PG_RETURN_BOOL(same);
}
