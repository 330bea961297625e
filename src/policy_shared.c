/*-------------------------------------------------------------------------
 *
 * policy_shared.c
 *	  Images of policy sets in shared memory, one for all backends.
 *
 * The memory is one fixed area, asked for at the server's start and mapped in
 * every process at the same place (authz.shared_memory).  Most of it is a DSA
 * made in place that may not grow: an allocation fails or succeeds, but never
 * asks the system for a segment.  Pages that are never written cost nothing.
 *
 * A version of a policy set has a slot.  Its key is the database, the OID of
 * policy_versions, the set's name, the version and the raw xmin of the version
 * row: the last two name one committed content (policy_cache.c publishes no
 * other).  The slot points to a description in the DSA: the layers, and for
 * each the bitmap of policies that are gone.  Layers are images (docs/image.md)
 * that versions share, with a count of them.
 *
 * Pins.  A slot's state is a generation and a number of pins in one atomic
 * word, so that pinning what was pinned before takes no lock: it fails when the
 * generation has moved on.  Backends pin for the time of a transaction at most
 * and unpin in its callbacks, which run on the way out of FATAL errors too; a
 * backend that is killed takes the server's shared memory with it.  An idle
 * connection keeps nothing alive.
 *
 * Ahead of a commit.  A version is published by the transaction that made it,
 * just before it commits, so that no reader has to compile it.  Nobody finds it
 * there before its version row is visible, since the row's raw xmin is in the
 * key; it supersedes the others when it is committed, and goes when it is not.
 *
 * What has a newer version goes when its last pin goes.  The newest of a set
 * stays, so that the next connection finds it, until room is wanted and it is
 * the unpinned one that was used least recently.
 *
 * The lock is held for changes of slots and of layers' counts, shared to look
 * for a slot.  An image is written before the lock is taken, with interrupts
 * held: between an allocation and its slot nothing may leave by longjmp.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"
#include "compat.h"

#include "common/hashfn.h"
#include "miscadmin.h"
#include "port/atomics.h"
#include "storage/condition_variable.h"
#include "storage/ipc.h"
#include "storage/lwlock.h"
#include "storage/shmem.h"
#include "utils/dsa.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/wait_event.h"

#include "policy_shared.h"

#define SLOTS_MAX		1024
#define CLAIMS_MAX		32
#define CLAIM_WAIT_MS	5000	/* then build it without */

/* A layer in the DSA; the image is behind it. */
typedef struct SharedLayer
{
	uint64		versions;		/* that have it */
} SharedLayer;

/* A version in the DSA; the bitmaps, then the set's name are behind it. */
typedef struct SharedVersion
{
	uint32		n_layers;
	uint32		set_len;
	dsa_pointer layers[AUTHZ_MAX_LAYERS];
	uint32		gone[AUTHZ_MAX_LAYERS]; /* offset of a bitmap; 0: none */
	uint32		set;			/* offset of the name, no terminator */
} SharedVersion;

typedef struct Slot
{
	pg_atomic_uint64 state;		/* generation << 32 | pins */
	pg_atomic_uint64 used;		/* by the clock */

	/* all else under the lock */
	bool		taken;
	bool		superseded;		/* there is a newer one */
	bool		ahead;			/* of the commit of its transaction */
	bool		asked;			/* by a reader; set under the shared lock, too */
	Oid			database;
	Oid			relid;
	uint32		hash;			/* of the set's name */
	AuthzVersionRow row;
	dsa_pointer version;
} Slot;

typedef struct Claim
{
	Oid			database;		/* InvalidOid: free */
	uint32		hash;
} Claim;

typedef struct SharedControl
{
	LWLock	   *lock;
	int			tranche;		/* of the DSA */
	pg_atomic_uint64 clock;
	int			top;			/* slots from here on were never taken */
	ConditionVariable claims_changed;
	Claim		claims[CLAIMS_MAX];
	Slot		slots[SLOTS_MAX];
} SharedControl;

int			authz_shared_memory = 256;

static SharedControl *control = NULL;
static dsa_area *area = NULL;
static int	my_claim = -1;

static shmem_request_hook_type former_request = NULL;
static shmem_startup_hook_type former_startup = NULL;

/* ----------------------------------------------------------- the memory */

#define CONTROL_SIZE MAXALIGN(sizeof(SharedControl))

static Size
area_size(void)
{
	return mul_size((Size) authz_shared_memory, (Size) 1024 * 1024);
}

static void *
area_place(void)
{
	return (char *) control + CONTROL_SIZE;
}

static void
shared_request(void)
{
	if (former_request != NULL)
		former_request();
	if (authz_shared_memory == 0)
		return;
	RequestAddinShmemSpace(add_size(CONTROL_SIZE, area_size()));
	RequestNamedLWLockTranche("authz policies", 1);
}

static void
shared_startup(void)
{
	bool		found;

	if (former_startup != NULL)
		former_startup();
	control = NULL;
	area = NULL;
	if (authz_shared_memory == 0)
		return;
	LWLockAcquire(AddinShmemInitLock, LW_EXCLUSIVE);
	control = ShmemInitStruct("authz policies", add_size(CONTROL_SIZE, area_size()), &found);
	if (!found)
	{
		dsa_area   *made;

		MemSet(control, 0, sizeof(SharedControl));
		control->lock = &GetNamedLWLockTranche("authz policies")->lock;
		control->tranche = LWLockNewTrancheId();
		pg_atomic_init_u64(&control->clock, 0);
		ConditionVariableInit(&control->claims_changed);
		for (int i = 0; i < SLOTS_MAX; i++)
		{
			pg_atomic_init_u64(&control->slots[i].state, 0);
			pg_atomic_init_u64(&control->slots[i].used, 0);
		}
		made = dsa_create_in_place(area_place(), area_size(), control->tranche, NULL);
		dsa_pin(made);
		dsa_set_size_limit(made, area_size());
		dsa_detach(made);
	}
	LWLockRelease(AddinShmemInitLock);
}

void
authz_shared_init(void)
{
	former_request = shmem_request_hook;
	shmem_request_hook = shared_request;
	former_startup = shmem_startup_hook;
	shmem_startup_hook = shared_startup;
}

bool
authz_shared_enabled(void)
{
	MemoryContext old;

	if (control == NULL)
		return false;
	if (area != NULL)
		return true;
	LWLockRegisterTranche(control->tranche, "authz policy images");
	old = MemoryContextSwitchTo(TopMemoryContext);
	area = dsa_attach_in_place(area_place(), NULL);
	MemoryContextSwitchTo(old);
	on_shmem_exit(dsa_on_shmem_exit_release_in_place, PointerGetDatum(area_place()));
	return true;
}

/* ---------------------------------------------------------------- reading */

static uint32
set_hash(const char *set)
{
	return hash_bytes((const unsigned char *) set, (int) strlen(set));
}

static const CedarImage *
layer_image(const SharedLayer *layer)
{
	return (const CedarImage *) (layer + 1);
}

static bool
name_is(const Slot *slot, const char *set, size_t len)
{
	const SharedVersion *version = dsa_get_address(area, slot->version);

	return version->set_len == len &&
		memcmp((const char *) version + version->set, set, len) == 0;
}

static bool
slot_is_of(const Slot *slot, const char *set, uint32 hash)
{
	return slot->taken && slot->hash == hash && slot->database == MyDatabaseId &&
		name_is(slot, set, strlen(set));
}

static bool
slots_are_of_one(const Slot *a, const Slot *b)
{
	const SharedVersion *version;

	if (!a->taken || a->hash != b->hash || a->database != b->database)
		return false;
	version = dsa_get_address(area, b->version);
	return name_is(a, (const char *) version + version->set, version->set_len);
}

static AuthzSharedRef
slot_ref(const Slot *slot)
{
	AuthzSharedRef ref = {
		.slot = (int) (slot - control->slots),
		.generation = (uint32) (pg_atomic_read_u64((pg_atomic_uint64 *) &slot->state) >> 32)
	};

	return ref;
}

/* What a pinned slot has. */
static void
slot_view(const Slot *slot, AuthzSharedView *view)
{
	const SharedVersion *version = dsa_get_address(area, slot->version);

	view->row = slot->row;
	view->asked = slot->asked;
	view->n_layers = version->n_layers;
	for (uint32 i = 0; i < version->n_layers; i++)
	{
		view->layers[i].image = layer_image(dsa_get_address(area, version->layers[i]));
		view->layers[i].gone = version->gone[i] == 0 ? NULL :
			(const uint32 *) ((const char *) version + version->gone[i]);
	}
}

bool
authz_shared_pin(AuthzSharedRef ref)
{
	Slot	   *slot = &control->slots[ref.slot];
	uint64		state = pg_atomic_read_u64(&slot->state);

	do
	{
		if (state >> 32 != ref.generation)
			return false;
	} while (!pg_atomic_compare_exchange_u64(&slot->state, &state, state + 1));
	return true;
}

/*
 * The slots of one set: this version's, or the newest.  Slots are freed under
 * the exclusive lock alone, so what is found under it can be pinned.
 */
bool
authz_shared_find(const char *set, Oid relid, const AuthzVersionRow *row,
				  AuthzSharedRef *ref, AuthzSharedView *view)
{
	uint32		hash = set_hash(set);
	Slot	   *found = NULL;

	if (!authz_shared_enabled())
		return false;
	LWLockAcquire(control->lock, LW_SHARED);
	for (int i = 0; i < control->top; i++)
	{
		Slot	   *slot = &control->slots[i];

		if (slot->hash != hash || slot->relid != relid || !slot_is_of(slot, set, hash))
			continue;
		if (row != NULL)
		{
			if (slot->row.version != row->version || slot->row.xmin != row->xmin)
				continue;
			found = slot;
			break;
		}
		if (!slot->ahead && (found == NULL || slot->row.version > found->row.version))
			found = slot;
	}
	if (found != NULL)
	{
		if (row != NULL && !found->asked)
			found->asked = true;
		*ref = slot_ref(found);
		pg_atomic_add_fetch_u64(&found->state, 1);
	}
	LWLockRelease(control->lock);
	if (found == NULL)
		return false;
	pg_atomic_write_u64(&found->used, pg_atomic_add_fetch_u64(&control->clock, 1));
	slot_view(found, view);
	return true;
}

/* ---------------------------------------------------------------- freeing */

static void
layer_drop(dsa_pointer pointer)
{
	SharedLayer *layer = dsa_get_address(area, pointer);

	Assert(layer->versions > 0);
	if (--layer->versions == 0)
		dsa_free(area, pointer);
}

/* Free a slot unless it is pinned; under the exclusive lock. */
static bool
slot_free(Slot *slot)
{
	uint64		state = pg_atomic_read_u64(&slot->state);
	SharedVersion *version;

	/* The next generation: whoever comes to pin this one fails. */
	do
	{
		if ((uint32) state != 0)
			return false;
	} while (!pg_atomic_compare_exchange_u64(&slot->state, &state,
											 state + (UINT64CONST(1) << 32)));
	version = dsa_get_address(area, slot->version);
	for (uint32 i = 0; i < version->n_layers; i++)
		layer_drop(version->layers[i]);
	dsa_free(area, slot->version);
	slot->taken = false;
	return true;
}

void
authz_shared_unpin(AuthzSharedRef ref)
{
	Slot	   *slot = &control->slots[ref.slot];
	uint64		state = pg_atomic_sub_fetch_u64(&slot->state, 1);

	Assert(state >> 32 == ref.generation);
	if ((uint32) state != 0 || !slot->superseded)
		return;
	LWLockAcquire(control->lock, LW_EXCLUSIVE);
	if (slot->taken && slot->superseded)
		slot_free(slot);
	LWLockRelease(control->lock);
}

/* Free the unpinned slot that was used least recently; under the lock. */
static bool
free_oldest(void)
{
	Slot	   *oldest = NULL;

	for (int i = 0; i < control->top; i++)
	{
		Slot	   *slot = &control->slots[i];

		if (slot->taken && (uint32) pg_atomic_read_u64(&slot->state) == 0 &&
			(oldest == NULL || pg_atomic_read_u64(&slot->used) <
			 pg_atomic_read_u64(&oldest->used)))
			oldest = slot;
	}
	return oldest != NULL && slot_free(oldest);
}

/* ------------------------------------------------------------- publishing */

/* Allocate, at the expense of what nobody uses. */
static dsa_pointer
shared_alloc(Size size)
{
	while (size < area_size())
	{
		dsa_pointer pointer = dsa_allocate_extended(area, size,
													DSA_ALLOC_HUGE | DSA_ALLOC_NO_OOM);
		bool		freed;

		if (DsaPointerIsValid(pointer))
			return pointer;
		LWLockAcquire(control->lock, LW_EXCLUSIVE);
		freed = free_oldest();
		LWLockRelease(control->lock);
		if (!freed)
			break;
	}
	return InvalidDsaPointer;
}

/* The description; the counts of the layers that it keeps are not yet raised. */
static dsa_pointer
version_write(const char *set, const SharedVersion *below, const AuthzNewLayers *layers,
			  dsa_pointer top)
{
	Size		size = sizeof(SharedVersion);
	uint32		set_len = (uint32) strlen(set);
	uint32		used = sizeof(SharedVersion);
	dsa_pointer pointer;
	SharedVersion *version;
	uint32		n[AUTHZ_MAX_LAYERS];

	for (uint32 i = 0; i < layers->kept; i++)
	{
		const SharedLayer *layer = dsa_get_address(area, below->layers[i]);

		n[i] = cedar_image_count(layer_image(layer));
		if (layers->gone[i] != NULL)
			size += AUTHZ_GONE_BYTES(n[i]);
	}
	pointer = shared_alloc(size + set_len);
	if (!DsaPointerIsValid(pointer))
		return pointer;
	version = dsa_get_address(area, pointer);
	memset(version, 0, sizeof(SharedVersion));
	for (uint32 i = 0; i < layers->kept; i++)
	{
		version->layers[i] = below->layers[i];
		if (layers->gone[i] == NULL)
			continue;
		version->gone[i] = used;
		memcpy((char *) version + used, layers->gone[i], AUTHZ_GONE_BYTES(n[i]));
		used += AUTHZ_GONE_BYTES(n[i]);
	}
	version->n_layers = layers->kept;
	if (DsaPointerIsValid(top))
		version->layers[version->n_layers++] = top;
	version->set = used;
	version->set_len = set_len;
	memcpy((char *) version + used, set, set_len);
	return pointer;
}

/* A slot for the version; under the lock. */
static Slot *
slot_take(void)
{
	for (;;)
	{
		for (int i = 0; i < SLOTS_MAX; i++)
		{
			if (control->slots[i].taken)
				continue;
			control->top = Max(control->top, i + 1);
			return &control->slots[i];
		}
		if (!free_oldest())
			return NULL;
	}
}

/*
 * All others of the set: there is a newer one, or this is not the newest.  A
 * greater version that the snapshot of this one has seen committed, and gone,
 * is not newer: somebody has deleted the version row.  No snapshot: this is the
 * newest, whose transaction still keeps other writers out.
 */
static void
slots_supersede(Slot *made, Snapshot snapshot)
{
	for (int i = 0; i < control->top; i++)
	{
		Slot	   *slot = &control->slots[i];

		if (slot == made || slot->ahead || !slots_are_of_one(slot, made))
			continue;
		if (snapshot != NULL && slot->relid == made->relid && slot->row.version > made->row.version &&
			XidInMVCCSnapshot(slot->row.xmin, snapshot))
			made->superseded = true;
		else
		{
			slot->superseded = true;
			pg_memory_barrier();	/* the last to unpin sees it */
			slot_free(slot);
		}
	}
}

bool
authz_shared_publish(const char *set, Oid relid, AuthzVersionRow row,
					 Snapshot snapshot, AuthzSharedRef below, const AuthzNewLayers *layers,
					 AuthzSharedRef *ref, AuthzSharedView *view)
{
	const SharedVersion *under = NULL;
	dsa_pointer top = InvalidDsaPointer;
	dsa_pointer pointer;
	Slot	   *slot = NULL;

	if (!authz_shared_enabled())
		return false;
	Assert(layers->kept == 0 || below.slot >= 0);
	if (layers->kept > 0)
		under = dsa_get_address(area, control->slots[below.slot].version);

	HOLD_INTERRUPTS();
	if (layers->plan != NULL)
	{
		top = shared_alloc(sizeof(SharedLayer) + layers->size);
		if (DsaPointerIsValid(top))
		{
			SharedLayer *layer = dsa_get_address(area, top);

			layer->versions = 0;
			cedar_image_write(layers->plan, layer + 1);
		}
	}
	pointer = layers->plan != NULL && !DsaPointerIsValid(top) ? InvalidDsaPointer :
		version_write(set, under, layers, top);

	if (DsaPointerIsValid(pointer))
	{
		LWLockAcquire(control->lock, LW_EXCLUSIVE);
		slot = slot_take();
		if (slot != NULL)
		{
			SharedVersion *version = dsa_get_address(area, pointer);

			for (uint32 i = 0; i < version->n_layers; i++)
				((SharedLayer *) dsa_get_address(area, version->layers[i]))->versions++;
			slot->taken = true;
			slot->superseded = false;
			slot->ahead = snapshot == NULL;
			slot->asked = snapshot != NULL;
			slot->database = MyDatabaseId;
			slot->relid = relid;
			slot->hash = set_hash(set);
			slot->row = row;
			slot->version = pointer;
			pg_atomic_write_u64(&slot->used, pg_atomic_add_fetch_u64(&control->clock, 1));
			pg_atomic_add_fetch_u64(&slot->state, 1);
			*ref = slot_ref(slot);
			if (snapshot != NULL)
				slots_supersede(slot, snapshot);
		}
		LWLockRelease(control->lock);
	}
	if (slot == NULL)
	{
		if (DsaPointerIsValid(top))
			dsa_free(area, top);
		if (DsaPointerIsValid(pointer))
			dsa_free(area, pointer);
	}
	RESUME_INTERRUPTS();
	if (slot == NULL)
		return false;
	slot_view(slot, view);
	return true;
}

void
authz_shared_settle(AuthzSharedRef ref, bool committed)
{
	Slot	   *slot = &control->slots[ref.slot];

	LWLockAcquire(control->lock, LW_EXCLUSIVE);
	Assert(slot->taken && slot->ahead);
	if (committed)
	{
		slot->ahead = false;
		slots_supersede(slot, NULL);
	}
	else
		slot->superseded = true;	/* still ahead: nobody is to build on it */
	LWLockRelease(control->lock);
	authz_shared_unpin(ref);
}

/* -------------------------------------------------------------- one builds */

void
authz_shared_claim(const char *set)
{
	uint32		hash = set_hash(set);
	bool		timed_out = false;

	if (!authz_shared_enabled())
		return;
	Assert(my_claim < 0);
	for (;;)
	{
		bool		busy = false;
		int			unused = -1;

		LWLockAcquire(control->lock, LW_EXCLUSIVE);
		for (int i = 0; i < CLAIMS_MAX; i++)
		{
			Claim	   *claim = &control->claims[i];

			if (!OidIsValid(claim->database))
				unused = i;
			else if (claim->database == MyDatabaseId && claim->hash == hash)
				busy = true;
		}
		if (!busy && unused >= 0)
		{
			control->claims[unused].database = MyDatabaseId;
			control->claims[unused].hash = hash;
			my_claim = unused;
		}
		LWLockRelease(control->lock);
		if (!busy || timed_out)
			break;
		timed_out = ConditionVariableTimedSleep(&control->claims_changed, CLAIM_WAIT_MS,
												PG_WAIT_EXTENSION);
	}
	ConditionVariableCancelSleep();
}

void
authz_shared_release(void)
{
	if (my_claim < 0)
		return;
	LWLockAcquire(control->lock, LW_EXCLUSIVE);
	control->claims[my_claim].database = InvalidOid;
	LWLockRelease(control->lock);
	my_claim = -1;
	ConditionVariableBroadcast(&control->claims_changed);
}

/* --------------------------------------------------------------- the view */

List *
authz_shared_lines(void)
{
	List	   *lines = NIL;

	if (!authz_shared_enabled())
		return NIL;
	LWLockAcquire(control->lock, LW_SHARED);
	for (int i = 0; i < control->top; i++)
	{
		const Slot *slot = &control->slots[i];
		const SharedVersion *version;
		AuthzSharedLine *line;
		AuthzSharedView view;

		if (!slot->taken || slot->ahead || slot->database != MyDatabaseId)
			continue;
		slot_view(slot, &view);
		version = dsa_get_address(area, slot->version);
		line = palloc0(sizeof(AuthzSharedLine));
		line->set = pnstrdup((const char *) version + version->set, version->set_len);
		line->version = slot->row.version;
		line->policies = authz_layers_policies(view.layers, view.n_layers);
		line->layers = view.n_layers;
		line->bytes = version->set + version->set_len;
		for (uint32 k = 0; k < view.n_layers; k++)
			line->bytes += cedar_image_size(view.layers[k].image);
		line->pins = (uint32) pg_atomic_read_u64((pg_atomic_uint64 *) &slot->state);
		line->newest = !slot->superseded;
		lines = lappend(lines, line);
	}
	LWLockRelease(control->lock);
	return lines;
}
