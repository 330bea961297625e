/*-------------------------------------------------------------------------
 *
 * token_issuer.c
 *	  Issuers other than this database, and whom their subjects are here.
 *
 * Rows are read under a fresh snapshot at each use, as signing keys are: an
 * issuer that is no longer trusted, or a key that left its JWKS, verifies
 * nothing from the COMMIT on.  A key serves the issuer in whose row it is, and
 * no other (RFC 8725 section 3.8).
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"
#include "compat.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "catalog/pg_type.h"
#include "fmgr.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

#include "entity_uid.h"
#include "error.h"
#include "relation.h"
#include "token_issuer.h"

PG_FUNCTION_INFO_V1(authz_jwks_check);

static char *
issuer_text(HeapTuple tuple, TupleDesc desc, int column)
{
	bool		isnull;
	Datum		value = heap_getattr(tuple, column, desc, &isnull);

	return isnull ? NULL : TextDatumGetCString(value);
}

AuthzIssuer *
authz_issuer_find(const char *name)
{
	AuthzRelations rels = *authz_relations();
	Relation	issuers = table_open(rels.trusted_issuers, AccessShareLock);
	Snapshot	snapshot = RegisterSnapshot(GetCatalogSnapshot(rels.trusted_issuers));
	TupleDesc	desc = RelationGetDescr(issuers);
	AuthzIssuer *issuer = NULL;
	SysScanDesc scan;
	ScanKeyData key;
	HeapTuple	tuple;
	bool		isnull;

	ScanKeyInit(&key, Anum_trusted_issuers_issuer, BTEqualStrategyNumber,
				F_TEXTEQ, CStringGetTextDatum(name));
	scan = systable_beginscan(issuers, rels.trusted_issuers_pkey, true, snapshot, 1, &key);
	tuple = systable_getnext(scan);
	if (HeapTupleIsValid(tuple) &&
		DatumGetBool(heap_getattr(tuple, Anum_trusted_issuers_enabled, desc, &isnull)))
	{
		Datum		roles = heap_getattr(tuple, Anum_trusted_issuers_roles, desc, &isnull);

		issuer = palloc0(sizeof(AuthzIssuer));
		issuer->issuer = pstrdup(name);
		issuer->roles = PointerGetDatum(DatumGetArrayTypePCopy(roles));
		issuer->jwks = DatumGetJsonbPCopy(heap_getattr(tuple, Anum_trusted_issuers_jwks,
													   desc, &isnull));
		issuer->audience = issuer_text(tuple, desc, Anum_trusted_issuers_audience);
		issuer->principal_type = issuer_text(tuple, desc, Anum_trusted_issuers_principal_type);
	}
	systable_endscan(scan);
	UnregisterSnapshot(snapshot);
	table_close(issuers, NoLock);
	return issuer;
}

bool
authz_issuer_any(void)
{
	AuthzRelations rels = *authz_relations();
	Relation	issuers = table_open(rels.trusted_issuers, AccessShareLock);
	Snapshot	snapshot = RegisterSnapshot(GetCatalogSnapshot(rels.trusted_issuers));
	SysScanDesc scan = systable_beginscan(issuers, InvalidOid, false, snapshot, 0, NULL);
	HeapTuple	tuple;
	bool		isnull;
	bool		any = false;

	while (!any && HeapTupleIsValid(tuple = systable_getnext(scan)))
		any = DatumGetBool(heap_getattr(tuple, Anum_trusted_issuers_enabled,
										RelationGetDescr(issuers), &isnull));
	systable_endscan(scan);
	UnregisterSnapshot(snapshot);
	table_close(issuers, NoLock);
	return any;
}

/* ---------------------------------------------------------------- its keys */

static bool
value_is(const JsonbValue *value, const char *text)
{
	return value != NULL && value->type == jbvString &&
		value->val.string.len == (int) strlen(text) &&
		memcmp(value->val.string.val, text, value->val.string.len) == 0;
}

static JsonbValue *
member(const JsonbValue *object, const char *name)
{
	return getKeyJsonValueFromContainer(object->val.binary.data, name, strlen(name), NULL);
}

/* The array "keys", or NULL. */
static JsonbContainer *
jwks_keys(const Jsonb *jwks)
{
	JsonbValue *keys;

	if (!JB_ROOT_IS_OBJECT(jwks))
		return NULL;
	keys = getKeyJsonValueFromContainer((JsonbContainer *) &jwks->root, "keys", 4, NULL);
	if (keys == NULL || keys->type != jbvBinary ||
		!JsonContainerIsArray(keys->val.binary.data))
		return NULL;
	return keys->val.binary.data;
}

/* Could a token of this algorithm be of this JWK?  Its parsing tells. */
static bool
jwk_may_fit(const JsonbValue *jwk, JoseAlg alg)
{
	JsonbValue *its = member(jwk, "alg");
	JsonbValue *use = member(jwk, "use");
	const char *kty = alg >= JOSE_RS256 && alg <= JOSE_PS512 ? "RSA" :
		alg >= JOSE_ES256 && alg <= JOSE_ES512 ? "EC" : "OKP";

	return value_is(member(jwk, "kty"), kty) &&
		(use == NULL || value_is(use, "sig")) &&
		(its == NULL || value_is(its, jose_alg_name(alg)));
}

static AuthzKey *
unknown_key(JoseError *err, const char *detail)
{
	memset(err, 0, sizeof(*err));
	err->code = JOSE_ERR_UNKNOWN_KEY;
	strlcpy(err->message, "key of the token is not known", sizeof(err->message));
	strlcpy(err->detail, detail, sizeof(err->detail));
	return NULL;
}

AuthzKey *
authz_issuer_key(const AuthzIssuer *issuer, const JoseHeader *header, JoseError *err)
{
	JsonbContainer *keys = jwks_keys(issuer->jwks);
	JsonbValue *found = NULL;
	uint32		n = keys != NULL ? JsonContainerSize(keys) : 0;
	int			fitting = 0;
	AuthzKey   *key;

	/* A secret that is shared with an issuer would be ours to sign with, too. */
	if (header->alg == JOSE_ALG_UNSPECIFIED || jose_alg_is_symmetric(header->alg))
		n = 0;
	for (uint32 i = 0; i < n; i++)
	{
		JsonbValue *jwk = getIthJsonbValueFromContainer(keys, i);

		if (jwk->type != jbvBinary || !JsonContainerIsObject(jwk->val.binary.data) ||
			!jwk_may_fit(jwk, header->alg))
			continue;
		if (header->has_kid && !value_is(member(jwk, "kid"), header->kid))
			continue;
		found = jwk;
		fitting++;
	}
	if (fitting == 0)
		return unknown_key(err, "The issuer has no key with this kid and algorithm.");
	if (fitting > 1)
		return unknown_key(err, "The issuer has several keys that could be meant.");
	key = authz_key_foreign(found, header->alg, err);
	/* Which algorithms a key of its kind is for, only its parsing tells. */
	if (key == NULL &&
		(err->code == JOSE_ERR_KEY_UNSUPPORTED || err->code == JOSE_ERR_KEY_MISMATCH))
		return unknown_key(err, "The issuer has no key with this kid and algorithm.");
	return key;
}

/*
 * jwks_check(jwks) → integer: how many keys in it tokens can be verified with.
 * Raises for what is no JWKS and for keys that are unsound; keys of kinds that
 * are not supported, or for encryption, are passed over (RFC 7517 section 5).
 */
Datum
authz_jwks_check(PG_FUNCTION_ARGS)
{
	Jsonb	   *jwks = PG_GETARG_JSONB_P(0);
	JsonbContainer *keys = jwks_keys(jwks);
	uint32		n;
	int			usable = 0;

	if (keys == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("not a JWK set"),
				 errhint("A JWK set is an object with an array \"keys\" (RFC 7517 section 5).")));
	n = JsonContainerSize(keys);
	for (uint32 i = 0; i < n; i++)
	{
		JsonbValue *jwk = getIthJsonbValueFromContainer(keys, i);

		if (jwk->type != jbvBinary || !JsonContainerIsObject(jwk->val.binary.data))
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("key %u of the JWK set is not an object", i + 1)));
		if (member(jwk, "d") != NULL || member(jwk, "k") != NULL)
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("key %u of the JWK set is not a public key", i + 1),
					 errdetail("It has a private or secret part.")));
		for (JoseAlg alg = JOSE_RS256; alg < JOSE_ALG_COUNT; alg++)
		{
			JoseError	err;

			if (!jwk_may_fit(jwk, alg))
				continue;
			if (authz_key_foreign(jwk, alg, &err) != NULL)
			{
				usable++;
				break;
			}
			/* An EC key fits the algorithm of its curve alone. */
			if (err.code != JOSE_ERR_KEY_UNSUPPORTED && err.code != JOSE_ERR_KEY_MISMATCH)
				authz_raise_jose(&err, psprintf("key %u of the JWK set", i + 1));
		}
	}
	PG_RETURN_INT32(usable);
}

/* ------------------------------------------------------------ its subjects */

bool
authz_issuer_principal(const AuthzIssuer *issuer, const char *subject, size_t len,
					   Datum *principal)
{
	AuthzRelations rels = *authz_relations();
	Relation	subjects = table_open(rels.issuer_subjects, AccessShareLock);
	Snapshot	snapshot = RegisterSnapshot(GetCatalogSnapshot(rels.issuer_subjects));
	SysScanDesc scan;
	ScanKeyData key[2];
	HeapTuple	tuple;
	bool		found = false;
	bool		isnull;

	ScanKeyInit(&key[0], Anum_issuer_subjects_issuer, BTEqualStrategyNumber,
				F_TEXTEQ, CStringGetTextDatum(issuer->issuer));
	ScanKeyInit(&key[1], Anum_issuer_subjects_subject, BTEqualStrategyNumber,
				F_TEXTEQ, PointerGetDatum(cstring_to_text_with_len(subject, len)));
	scan = systable_beginscan(subjects, rels.issuer_subjects_pkey, true, snapshot, 2, key);
	tuple = systable_getnext(scan);
	if (HeapTupleIsValid(tuple))
	{
		Datum		value = heap_getattr(tuple, Anum_issuer_subjects_principal,
										 RelationGetDescr(subjects), &isnull);

		*principal = PointerGetDatum(PG_DETOAST_DATUM_COPY(value));
		found = true;
	}
	systable_endscan(scan);
	UnregisterSnapshot(snapshot);
	table_close(subjects, NoLock);
	if (!found && issuer->principal_type != NULL)
	{
		*principal = authz_uid_from_parts(issuer->principal_type,
										  strlen(issuer->principal_type), subject, len);
		found = true;
	}
	return found;
}

bool
authz_issuer_allows_role(const AuthzIssuer *issuer, const char *role, size_t len)
{
	ArrayType  *roles = DatumGetArrayTypeP(issuer->roles);
	Datum	   *names;
	int			n;

	deconstruct_array(roles, NAMEOID, NAMEDATALEN, false, TYPALIGN_CHAR, &names, NULL, &n);
	for (int i = 0; i < n; i++)
	{
		const char *name = NameStr(*DatumGetName(names[i]));

		if (strlen(name) == len && memcmp(name, role, len) == 0)
			return true;
	}
	return false;
}
