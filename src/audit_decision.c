/*-------------------------------------------------------------------------
 *
 * audit_decision.c
 *	  The record of a decision: packed by who decides, unpacked by who drains.
 *
 * A check must not wait for what its record costs, so nothing is formatted or
 * looked up here that the drain can do as well: a record is a fixed head and
 * the bytes of the names after it.  All names are copied; a policy that is
 * changed or removed before the drain is recorded as what it was called.
 *
 * A uid whose text is long would not fit an index entry of authz.audit_logs,
 * and many such would fill the ring.  It is cut, and told from others that
 * begin alike by the SHA-256 of its whole text.
 *
 * Records live in one server's memory, from a backend to another of the same
 * library; the layout is nobody else's business.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"
#include "compat.h"

#include "access/htup_details.h"
#include "catalog/pg_authid.h"
#include "catalog/pg_type.h"
#include "common/cryptohash.h"
#include "common/sha2.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/jsonb.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/syscache.h"
#include "utils/timestamp.h"

#include "audit_decision.h"
#include "check.h"

/* Bytes of a uid that are recorded as they are; their text is at most six times as long, which an index entry holds. */
#define MAX_UID_RAW 400
#define MAX_UID_TEXT 2000

/* Buffers are kept from call to call, but not larger ones. */
#define KEEP_BYTES ((Size) 64 * 1024)

#define UIDS 3					/* principal, action, resource */

typedef struct PackedUid
{
	uint32		type_len;		/* 0: the rest is its text */
	uint32		len;			/* type and id, or text */
} PackedUid;

typedef struct DecisionHead
{
	TimestampTz decided_at;
	int64		policy_version;
	int64		took;			/* microseconds */
	TransactionId xmin,
				xmax;
	uint32		xcnt;
	bool		has_snapshot;
	bool		allow;
	PackedUid	uids[UIDS];
	uint32		role_len;
	uint32		set_len;
	uint32		errors_len;		/* of a jsonb, with its header; 0: none */
	uint32		n_reasons;		/* each a uint32 length and the id */
} DecisionHead;

/* Its text, cut to what is recorded. */
static char *
uid_text(const CedarUid *uid, uint32 *len)
{
	size_t		size = cedar_uid_print(uid, NULL, 0);
	char	   *text = palloc(size + 1);
	uint8		digest[PG_SHA256_DIGEST_LENGTH];
	pg_cryptohash_ctx *hash;
	StringInfoData cut;

	cedar_uid_print(uid, text, size);
	text[size] = '\0';
	*len = (uint32) size;
	if (size <= MAX_UID_TEXT)
		return text;
	hash = pg_cryptohash_create(PG_SHA256);
	if (hash == NULL || pg_cryptohash_init(hash) < 0 ||
		pg_cryptohash_update(hash, (uint8 *) text, size) < 0 ||
		pg_cryptohash_final(hash, digest, sizeof(digest)) < 0)
		elog(ERROR, "could not compute the hash of a uid");
	pg_cryptohash_free(hash);
	initStringInfo(&cut);
	appendBinaryStringInfo(&cut, text, pg_mbcliplen(text, (int) size, MAX_UID_RAW));
	appendStringInfoString(&cut, "... sha256:");
	for (int i = 0; i < lengthof(digest); i++)
		appendStringInfo(&cut, "%02x", digest[i]);
	*len = cut.len;
	return cut.data;
}

/* The role that connected, as it is called now. */
static void
role_name(NameData *name)
{
	HeapTuple	tuple = SearchSysCache1(AUTHOID, ObjectIdGetDatum(GetSessionUserId()));

	MemSet(name, 0, sizeof(NameData));
	if (HeapTupleIsValid(tuple))
	{
		*name = ((Form_pg_authid) GETSTRUCT(tuple))->rolname;
		ReleaseSysCache(tuple);
	}
}

static inline char *
put(char *at, const void *bytes, Size len)
{
	memcpy(at, bytes, len);
	return at + len;
}

const char *
authz_audit_pack(const AuthzPolicyVersion *version, const CedarRequest *request,
				 const CedarDecision *decision, int64 took, uint32 *len)
{
	static char *kept = NULL;
	const CedarUid *uids[UIDS] = {request->principal, request->action, request->resource};
	const char *names[UIDS];
	const Jsonb *errors = NULL;
	DecisionHead head = {0};
	NameData	role;
	Snapshot	snapshot = GetActiveSnapshot();
	Size		size = sizeof(head);
	char	   *bytes,
			   *at;

	role_name(&role);
	head.decided_at = GetCurrentTimestamp();
	head.policy_version = version->version;
	head.took = took;
	if (snapshot != NULL)
	{
		head.has_snapshot = true;
		head.xmin = snapshot->xmin;
		head.xmax = snapshot->xmax;
		head.xcnt = snapshot->xcnt;
	}
	head.allow = decision->allow;
	size += head.role_len = strlen(NameStr(role));
	size += head.set_len = strlen(version->set);
	for (int i = 0; i < UIDS; i++)
	{
		if (uids[i]->type_len + uids[i]->id_len <= MAX_UID_RAW)
		{
			head.uids[i].type_len = uids[i]->type_len;
			head.uids[i].len = uids[i]->type_len + uids[i]->id_len;
			names[i] = uids[i]->bytes;
		}
		else
			names[i] = uid_text(uids[i], &head.uids[i].len);
		size += head.uids[i].len;
	}
	if (decision->n_errors > 0)
	{
		errors = DatumGetJsonbP(authz_check_errors(decision, version));
		size += head.errors_len = VARSIZE(errors);
	}
	head.n_reasons = decision->n_reasons;
	for (uint32 i = 0; i < decision->n_reasons; i++)
	{
		CedarPolicy policy;

		cedar_policies_get(&version->policies, decision->reasons[i], &policy);
		size += sizeof(uint32) + policy.id_len;
	}

	if (size > KEEP_BYTES)
		bytes = palloc(size);
	else
	{
		if (kept == NULL)
			kept = MemoryContextAlloc(TopMemoryContext, KEEP_BYTES);
		bytes = kept;
	}
	at = put(bytes, &head, sizeof(head));
	at = put(at, NameStr(role), head.role_len);
	at = put(at, version->set, head.set_len);
	for (int i = 0; i < UIDS; i++)
		at = put(at, names[i], head.uids[i].len);
	if (errors != NULL)
		at = put(at, errors, head.errors_len);
	for (uint32 i = 0; i < decision->n_reasons; i++)
	{
		CedarPolicy policy;
		uint32		id_len;

		cedar_policies_get(&version->policies, decision->reasons[i], &policy);
		id_len = policy.id_len;
		at = put(at, &id_len, sizeof(id_len));
		at = put(at, policy.id, id_len);
	}
	Assert(at == bytes + size);
	*len = (uint32) size;
	return bytes;
}

/* Take that many bytes off the front. */
static inline const char *
take(const char **at, Size len)
{
	const char *bytes = *at;

	*at += len;
	return bytes;
}

static Datum
take_text(const char **at, Size len)
{
	return PointerGetDatum(cstring_to_text_with_len(take(at, len), (int) len));
}

static Datum
take_uid(const char **at, const PackedUid *packed)
{
	CedarUid   *uid;
	size_t		size;
	text	   *result;

	if (packed->type_len == 0)
		return take_text(at, packed->len);
	uid = palloc0(offsetof(CedarUid, bytes) + packed->len);
	uid->type_len = packed->type_len;
	uid->id_len = packed->len - packed->type_len;
	memcpy(uid->bytes, take(at, packed->len), packed->len);
	size = cedar_uid_print(uid, NULL, 0);
	result = palloc(VARHDRSZ + size);
	SET_VARSIZE(result, VARHDRSZ + size);
	cedar_uid_print(uid, VARDATA(result), size);
	pfree(uid);
	return PointerGetDatum(result);
}

HeapTuple
authz_audit_unpack(const char *bytes, TupleDesc desc)
{
	DecisionHead head;
	Datum		values[Natts_audit_logs] = {0};
	bool		nulls[Natts_audit_logs];
	Datum	   *reasons;
	NameData	role;
	Interval	took = {0};

	memcpy(&head, take(&bytes, sizeof(head)), sizeof(head));
	memset(nulls, true, sizeof(nulls));
#define SET(column, value) \
	(values[Anum_audit_logs_ ## column - 1] = (value), nulls[Anum_audit_logs_ ## column - 1] = false)

	SET(created_at, TimestampTzGetDatum(head.decided_at));
	SET(event, PointerGetDatum(cstring_to_text("decision")));
	MemSet(&role, 0, sizeof(role));
	memcpy(NameStr(role), take(&bytes, head.role_len), head.role_len);
	SET(role_name, NameGetDatum(&role));
	SET(policy_set, take_text(&bytes, head.set_len));
	SET(policy_version, Int64GetDatum(head.policy_version));
	SET(actor, take_uid(&bytes, &head.uids[0]));
	SET(action, take_uid(&bytes, &head.uids[1]));
	SET(target, take_uid(&bytes, &head.uids[2]));
	SET(decision, PointerGetDatum(cstring_to_text(head.allow ? "allow" : "deny")));
	if (head.errors_len > 0)
	{
		Jsonb	   *errors = palloc(head.errors_len);

		memcpy(errors, take(&bytes, head.errors_len), head.errors_len);
		SET(errors, JsonbPGetDatum(errors));
	}
	reasons = palloc(Max(head.n_reasons, 1) * sizeof(Datum));
	for (uint32 i = 0; i < head.n_reasons; i++)
	{
		uint32		len;

		memcpy(&len, take(&bytes, sizeof(len)), sizeof(len));
		reasons[i] = take_text(&bytes, len);
	}
	SET(reasons, PointerGetDatum(construct_array(reasons, (int) head.n_reasons, TEXTOID,
												 -1, false, TYPALIGN_INT)));
	if (head.has_snapshot)
		SET(snapshot, CStringGetTextDatum(psprintf("%u:%u:%u", head.xmin, head.xmax, head.xcnt)));
	took.time = head.took;
	SET(duration, IntervalPGetDatum(&took));
#undef SET
	return heap_form_tuple(desc, values, nulls);
}
