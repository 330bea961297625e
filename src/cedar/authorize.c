/*-------------------------------------------------------------------------
 *
 * authorize.c
 *	  The authorizer: which policies a request satisfies, and the decision.
 *
 *-------------------------------------------------------------------------
 */
#include "image.h"
#include "index.h"

/* ------------------------------------------------------------------ scope */

bool
cedar_policy_is_linked(const CedarPolicy *policy)
{
	const CedarScope *scope = policy->piece->scope;

	if (!policy->piece->template)
		return true;
	return (!scope[CEDAR_VAR_PRINCIPAL].slot || policy->principal != NULL) &&
		(!scope[CEDAR_VAR_RESOURCE].slot || policy->resource != NULL);
}

static CEDAR_ALWAYS_INLINE CedarCode
scope_matches(CedarEval *e, const CedarPolicy *policy, CedarVar side, bool *matches)
{
	const CedarScope *s = &policy->piece->scope[side];
	const CedarUid *uid = e->asked[side].uid;

	*matches = true;
	if (s->op == CEDAR_SCOPE_ANY)
		return CEDAR_OK;
	switch (s->op)
	{
		case CEDAR_SCOPE_EQ:
			*matches = cedar_uid_same(uid, cedar_scope_uid(policy, side, 0));
			return CEDAR_OK;
		case CEDAR_SCOPE_IS:
			*matches = cedar_uid_has_type(uid, cedar_eval_str(e, s->type));
			return CEDAR_OK;
		case CEDAR_SCOPE_IS_IN:
			*matches = cedar_uid_has_type(uid, cedar_eval_str(e, s->type));
			if (!*matches)
				return CEDAR_OK;
			/* fall through */
		case CEDAR_SCOPE_IN:
			*matches = false;
			for (uint32_t i = 0; i < cedar_scope_count(s) && !*matches; i++)
				TRY(cedar_eval_in(e, side, cedar_scope_uid(policy, side, i), matches));
			return CEDAR_OK;
	}
	*matches = false;
	return CEDAR_OK;
}

CedarCode
cedar_scope_matches(CedarEval *e, const CedarPolicy *policy, CedarVar side, bool *matches)
{
	return scope_matches(e, policy, side, matches);
}

/* Does the policy apply?  A CEDAR_EVAL_* code is the policy's own failure. */
static CEDAR_ALWAYS_INLINE CedarCode
policy_applies(CedarEval *e, const CedarPolicy *policy, bool *satisfied)
{
	const CedarPiece *piece = policy->piece;
	CedarMark	mark;

	e->block = (const char *) piece;
	*satisfied = true;

	/* scopes cannot fail, so their order is free: the cheapest first */
	TRY(scope_matches(e, policy, CEDAR_VAR_ACTION, satisfied));
	if (!*satisfied)
		return CEDAR_OK;
	TRY(scope_matches(e, policy, CEDAR_VAR_PRINCIPAL, satisfied));
	if (!*satisfied)
		return CEDAR_OK;
	TRY(scope_matches(e, policy, CEDAR_VAR_RESOURCE, satisfied));
	if (!*satisfied)
		return CEDAR_OK;
	if (piece->root == CEDAR_NONE)
		return CEDAR_OK;
	mark = cedar_arena_mark(e->arena);
	*satisfied = cedar_eval_condition(e, piece);
	/* ancestors live in the source's arena: release only when it is another */
	if (e->source->arena != e->arena)
		cedar_arena_release(e->arena, mark);
	return e->code;
}

/* ---------------------------------------------------------- authorization */

/* Numbers of policies, in the arena. */
typedef struct Numbers
{
	uint32_t   *at;
	uint32_t	n;
	uint32_t	cap;
} Numbers;

static CEDAR_NOINLINE bool
add_number(CedarArena *arena, Numbers *list, uint32_t number)
{
	void	   *array = list->at;

	if (!cedar_grow(arena, &array, &list->cap, list->n + 1, sizeof(uint32_t)))
		return false;
	list->at = array;
	list->at[list->n++] = number;
	return true;
}

/* One authorization and what it has found. */
typedef struct Authorization
{
	CedarEval  *eval;
	CedarKeptSearch *searches;	/* what is kept, an index each; or NULL */
	CedarArena *searches_arena;
	uint32_t	considered;
	bool		reasons_wanted;
	bool		permitted;
	bool		forbidden;
	Numbers		permits;
	Numbers		forbids;
	CedarPolicyError *errors;
	uint32_t	n_errors;
	uint32_t	error_cap;
} Authorization;

static CEDAR_COLD CedarCode
add_error(Authorization *a, uint32_t number)
{
	void	   *array = a->errors;

	if (!cedar_grow(a->eval->arena, &array, &a->error_cap, a->n_errors + 1,
					sizeof(CedarPolicyError)))
		return cedar_nomem(a->eval->err);
	a->errors = array;
	a->errors[a->n_errors].policy = number;
	a->errors[a->n_errors].error = *a->eval->err;
	a->n_errors++;
	return CEDAR_OK;
}

static CedarCode
consider(Authorization *a, const CedarPolicy *policy, uint32_t number)
{
	CedarEval  *e = a->eval;
	bool		forbid = policy->piece->forbid;
	bool		satisfied;
	CedarCode	code;

	if (a->considered++ % 16 == 0)
		cedar_arena_check_interrupt(e->arena);
	if (policy->piece->template && !cedar_policy_is_linked(policy))
		return CEDAR_OK;
	/* one satisfied permit is enough when nobody asks for reasons */
	if (!a->reasons_wanted && !forbid && a->permitted)
		return CEDAR_OK;
	code = policy_applies(e, policy, &satisfied);
	if (code != CEDAR_OK)
	{
		if (!cedar_is_policy_error(code))
			return code;
		return a->reasons_wanted ? add_error(a, number) : CEDAR_OK;
	}
	if (!satisfied)
		return CEDAR_OK;
	if (forbid)
		a->forbidden = true;
	else
		a->permitted = true;
	if (a->reasons_wanted &&
		!add_number(e->arena, forbid ? &a->forbids : &a->permits, number))
		return cedar_nomem(e->err);
	return CEDAR_OK;
}

/* Is there nothing left to find out? */
static inline bool
decided(const Authorization *a)
{
	return a->forbidden && !a->reasons_wanted;
}

/*
 * The policies of the lists, one list after the other: of an array, or of a
 * layer, whose first one has the number first.
 */
static CedarCode
consider_lists(Authorization *a, const CedarCandidates *found, const CedarPolicy *array,
			   const CedarLayer *layer, uint32_t first)
{
	for (uint32_t i = 0; i < found->n; i++)
	{
		const CedarFiledList *list = &found->lists[i];

		for (uint32_t k = 0; k < list->n; k++)
		{
			uint32_t	number = list->at[k].policy;
			bool		may_apply;

			if (k % 1024 == 1023)
				cedar_arena_check_interrupt(a->eval->arena);
			TRY(cedar_filed_may_apply(a->eval, list->at[k].also, &may_apply));
			if (!may_apply)
				continue;
			if (layer == NULL)
				TRY(consider(a, &array[number], number));
			else if (!cedar_layer_is_gone(layer, number))
			{
				CedarPolicy policy;

				cedar_image_policy(layer->image, number, &policy);
				TRY(consider(a, &policy, first + number));
			}
			if (decided(a))
				return CEDAR_OK;
		}
	}
	return CEDAR_OK;
}

/* ------------------------------------------------------------------ order */

/* Errors are large: sort where they stand, then copy. */
static CedarCode
sort_errors(Authorization *a)
{
	typedef struct Place
	{
		uint32_t	policy;		/* first: it is what is compared */
		uint32_t	at;
	} Place;
	CedarArena *arena = a->eval->arena;
	Place	   *places = cedar_arena_alloc(arena, a->n_errors * sizeof(Place));
	CedarPolicyError *sorted = cedar_arena_alloc(arena, a->n_errors * sizeof(CedarPolicyError));

	if (places == NULL || sorted == NULL)
		return cedar_nomem(a->eval->err);
	for (uint32_t i = 0; i < a->n_errors; i++)
		places[i] = (Place) {a->errors[i].policy, i};
	cedar_sort(arena, places, a->n_errors, sizeof(Place), cedar_number_compare);
	for (uint32_t i = 0; i < a->n_errors; i++)
	{
		cedar_arena_check_interrupt(arena);
		sorted[i] = a->errors[places[i].at];
	}
	a->errors = sorted;
	return CEDAR_OK;
}

/* What was found list by list, by number. */
static CedarCode
sort_by_number(Authorization *a)
{
	CedarArena *arena = a->eval->arena;

	if (a->permits.n > 1)
		cedar_sort(arena, a->permits.at, a->permits.n, sizeof(uint32_t), cedar_number_compare);
	if (a->forbids.n > 1)
		cedar_sort(arena, a->forbids.at, a->forbids.n, sizeof(uint32_t), cedar_number_compare);
	return a->n_errors > 1 ? sort_errors(a) : CEDAR_OK;
}

static uint32_t
number_of_reason(const void *items, uint32_t i)
{
	return ((const uint32_t *) items)[i];
}

static uint32_t
number_of_error(const void *items, uint32_t i)
{
	return ((const CedarPolicyError *) items)[i].policy;
}

static CedarCode
order_numbers(Authorization *a, const CedarPolicies *policies, Numbers *list)
{
	CedarArena *arena = a->eval->arena;
	uint32_t   *order;
	uint32_t   *sorted;

	if (list->n < 2)
		return CEDAR_OK;
	TRY(cedar_policies_order(arena, policies, list->n, number_of_reason, list->at,
							 &order, a->eval->err));
	sorted = cedar_arena_alloc(arena, list->n * sizeof(uint32_t));
	if (sorted == NULL)
		return cedar_nomem(a->eval->err);
	for (uint32_t i = 0; i < list->n; i++)
		sorted[i] = list->at[order[i]];
	list->at = sorted;
	return CEDAR_OK;
}

/* What was found layer by layer, by the policies' ids. */
static CedarCode
sort_by_id(Authorization *a, const CedarPolicies *policies)
{
	CedarArena *arena = a->eval->arena;
	CedarPolicyError *sorted;
	uint32_t   *order;

	TRY(order_numbers(a, policies, &a->permits));
	TRY(order_numbers(a, policies, &a->forbids));
	if (a->n_errors < 2)
		return CEDAR_OK;
	TRY(cedar_policies_order(arena, policies, a->n_errors, number_of_error, a->errors,
							 &order, a->eval->err));
	sorted = cedar_arena_alloc(arena, a->n_errors * sizeof(CedarPolicyError));
	if (sorted == NULL)
		return cedar_nomem(a->eval->err);
	for (uint32_t i = 0; i < a->n_errors; i++)
	{
		cedar_arena_check_interrupt(arena);
		sorted[i] = a->errors[order[i]];
	}
	a->errors = sorted;
	return CEDAR_OK;
}

/* ---------------------------------------------------------- authorization */

static CedarCode
search(Authorization *a, const CedarIndex *index, uint32_t i, CedarCandidates *found)
{
	if (a->searches == NULL)
		return cedar_index_search(a->eval, index, found);
	return cedar_index_search_kept(a->eval, index, a->searches_arena, &a->searches[i], found);
}

static CedarCode
consider_array(Authorization *a, const CedarPolicies *policies)
{
	CedarCandidates found;

	if (policies->index == NULL)
	{
		for (uint32_t i = 0; i < policies->n && !decided(a); i++)
			TRY(consider(a, &policies->array[i], i));
		return CEDAR_OK;
	}
	TRY(search(a, policies->index, 0, &found));
	TRY(consider_lists(a, &found, policies->array, NULL, 0));
	return found.n > 1 ? sort_by_number(a) : CEDAR_OK;
}

static CedarCode
consider_layers(Authorization *a, const CedarPolicies *policies)
{
	uint32_t	first = 0;
	bool		several = policies->n_layers > 1;

	for (uint32_t i = 0; i < policies->n_layers && !decided(a); i++)
	{
		const CedarLayer *layer = &policies->layers[i];
		CedarCandidates found;

		TRY(search(a, cedar_image_index(layer->image), i, &found));
		TRY(consider_lists(a, &found, NULL, layer, first));
		if (!several && found.n > 1)
			return sort_by_number(a);
		first += cedar_image_count(layer->image);
	}
	return several ? sort_by_id(a, policies) : CEDAR_OK;
}

CedarKept *
cedar_kept_create(CedarArena *arena)
{
	CedarKept  *kept = cedar_arena_zalloc(arena, sizeof(CedarKept));

	if (kept != NULL)
		kept->arena = arena;
	return kept;
}

static uint32_t
count_indexes(const CedarPolicies *policies)
{
	return policies->n_layers > 0 ? policies->n_layers : 1;
}

/* Begin with what is kept, if it is of this request; *used tells. */
static CedarCode
use_kept(Authorization *a, const CedarPolicies *policies, CedarKept *kept, bool *used)
{
	const CedarRequest *request = a->eval->request;
	uint32_t	n = count_indexes(policies);

	*used = false;
	if (kept->searches == NULL)
	{
		kept->searches = cedar_arena_zalloc(kept->arena, n * sizeof(CedarKeptSearch));
		if (kept->searches == NULL)
			return cedar_nomem(a->eval->err);
		kept->n = n;
		kept->principal.uid = request->principal;
		kept->action.uid = request->action;
	}
	if (kept->n != n || kept->principal.uid != request->principal ||
		kept->action.uid != request->action)
		return CEDAR_OK;
	*used = true;
	a->searches = kept->searches;
	a->searches_arena = kept->arena;
	a->eval->asked[CEDAR_VAR_PRINCIPAL] = kept->principal;
	a->eval->asked[CEDAR_VAR_ACTION] = kept->action;
	return CEDAR_OK;
}

/* ------------------------------------------------------- kept with the set */

bool
cedar_uidset_last(CedarUidSet *set, CedarArena *arena)
{
	set->lasting = cedar_arena_zalloc(arena, sizeof(CedarLasting));
	if (set->lasting != NULL)
		set->lasting->arena = arena;
	return set->lasting != NULL;
}

static const CedarUid *
copy_uid(CedarArena *arena, const CedarUid *uid)
{
	return cedar_arena_copy(arena, uid, offsetof(CedarUid, bytes) + uid->type_len + uid->id_len);
}

static bool
is_of_policies(const CedarLastingSearches *at, const CedarPolicies *policies)
{
	return at->serial == policies->serial && at->n == count_indexes(policies);
}

/* Is the action in the same as when the search was made? */
static bool
is_of_action(const CedarLastingSearches *at, const CedarUidSet *above)
{
	if (at->n_above != (above == NULL ? 0 : above->n))
		return false;
	for (uint32_t i = 0; i < at->n_above; i++)
		if (!cedar_uidset_has(above, at->above[i]))
			return false;
	return true;
}

/* From now on they are of these policies, and of an action that is in these. */
static bool
lasting_begin(CedarLastingSearches *at, CedarArena *arena, const CedarPolicies *policies,
			  const CedarUidSet *above)
{
	at->serial = 0;
	at->asked = 0;
	at->searches = NULL;
	at->n = count_indexes(policies);
	if (!is_of_action(at, above))
	{
		at->n_above = 0;
		at->above = cedar_arena_alloc(arena, above == NULL ? 0 : above->n * sizeof(CedarUid *));
		if (at->above == NULL)
			return false;
		for (uint32_t i = 0; above != NULL && i < above->cap; i++)
		{
			if (above->slots[i] == NULL)
				continue;
			at->above[at->n_above] = copy_uid(arena, above->slots[i]);
			if (at->above[at->n_above] == NULL)
				return false;
			at->n_above++;
		}
	}
	at->serial = policies->serial;
	return true;
}

/* Those of this request, or NULL: nothing is to be kept. */
static CedarCode
lasting_find(Authorization *a, CedarLasting *lasting, const CedarPolicies *policies,
			 const CedarUidSet *above, CedarLastingSearches **found)
{
	const CedarRequest *request = a->eval->request;
	CedarLastingSearches *at;

	*found = NULL;
	for (uint32_t i = 0; i < lasting->n; i++)
	{
		at = &lasting->at[i];
		if (!cedar_uid_same(at->action, request->action) ||
			!cedar_uid_same(at->principal, request->principal))
			continue;
		if (is_of_policies(at, policies) && is_of_action(at, above))
			*found = at;
		else if (!lasting_begin(at, lasting->arena, policies, above))
			return cedar_nomem(a->eval->err);
		return CEDAR_OK;
	}
	if (lasting->n == CEDAR_LASTING_MAX)
		return CEDAR_OK;
	at = &lasting->at[lasting->n];
	memset(at, 0, sizeof(*at));
	at->principal = copy_uid(lasting->arena, request->principal);
	at->action = copy_uid(lasting->arena, request->action);
	if (at->principal == NULL || at->action == NULL ||
		!lasting_begin(at, lasting->arena, policies, above))
		return cedar_nomem(a->eval->err);
	lasting->n++;
	return CEDAR_OK;
}

/*
 * What goes by the principal depends on the policies, on what it is in and on
 * the action alone.  It is kept with the set of what the principal is in, when
 * that lasts and is asked for in any case, from the second time on.  What was
 * found for former policies stays in the arena: where they change all the time,
 * it is filled more and more seldom.
 */
static CedarCode
use_lasting(Authorization *a, const CedarPolicies *policies)
{
	CedarEval  *e = a->eval;
	const CedarUidSet *set;
	CedarLastingSearches *at;
	bool		by_principal = false;

	if (policies->serial == 0)
		return CEDAR_OK;
	for (uint32_t i = 0; i < policies->n_layers; i++)
	{
		bool		asks;

		TRY(cedar_index_asks_principal(e, cedar_image_index(policies->layers[i].image), &asks));
		by_principal |= asks;
	}
	if (!by_principal)
		return CEDAR_OK;
	TRY(cedar_eval_ancestors(e, CEDAR_VAR_PRINCIPAL, &set));
	if (set == NULL || set->lasting == NULL)
		return CEDAR_OK;
	/* NULL, too, where no search asks what the action is in. */
	TRY(lasting_find(a, set->lasting, policies, e->asked[CEDAR_VAR_ACTION].ancestors, &at));
	if (at == NULL)
		return CEDAR_OK;
	if (at->searches == NULL)
	{
		CedarKeptSearch *searches;

		if (++at->asked < UINT32_C(1) << at->filled)
			return CEDAR_OK;
		searches = cedar_arena_zalloc(set->lasting->arena, at->n * sizeof(CedarKeptSearch));
		if (searches == NULL)
			return cedar_nomem(e->err);
		for (uint32_t i = 0; i < at->n; i++)
			searches[i].sets_go = true;
		at->searches = searches;
		if (at->filled < 10)
			at->filled++;
	}
	a->searches = at->searches;
	a->searches_arena = set->lasting->arena;
	return CEDAR_OK;
}

CedarCode
cedar_decide_kept(CedarArena *arena, const CedarPolicies *policies,
				  const CedarEntitySource *source, const CedarRequest *request,
				  CedarKept *kept, bool reasons_wanted, CedarDecision *decision,
				  CedarError *err)
{
	CedarEval	eval;
	Authorization a = {.eval = &eval,.reasons_wanted = reasons_wanted};
	Numbers    *reasons;
	bool		used = false;

	cedar_eval_init(&eval, arena, source, request, err);
	if (cedar_arena_stack_is_too_deep(arena))
		return cedar_stack(err);
	if (kept != NULL)
		TRY(use_kept(&a, policies, kept, &used));
	if (!used)
		TRY(use_lasting(&a, policies));
	memset(decision, 0, sizeof(*decision));
	TRY(policies->n_layers > 0 ? consider_layers(&a, policies) : consider_array(&a, policies));
	if (used)
	{
		kept->principal = eval.asked[CEDAR_VAR_PRINCIPAL];
		kept->action = eval.asked[CEDAR_VAR_ACTION];
	}
	decision->allow = a.permitted && !a.forbidden;
	reasons = a.forbidden ? &a.forbids : &a.permits;
	decision->n_reasons = reasons->n;
	decision->reasons = reasons->at;
	decision->n_errors = a.n_errors;
	decision->errors = a.errors;
	return CEDAR_OK;
}

CedarCode
cedar_decide(CedarArena *arena, const CedarPolicies *policies,
			 const CedarEntitySource *source, const CedarRequest *request,
			 bool reasons_wanted, CedarDecision *decision, CedarError *err)
{
	return cedar_decide_kept(arena, policies, source, request, NULL, reasons_wanted,
							 decision, err);
}

CedarCode
cedar_authorize(CedarArena *arena, const CedarPolicy *policies, uint32_t n,
				const CedarIndex *index, const CedarEntitySource *source,
				const CedarRequest *request, bool reasons_wanted,
				CedarDecision *decision, CedarError *err)
{
	const CedarPolicies all = {.array = policies,.n = n,.index = index};

	return cedar_decide(arena, &all, source, request, reasons_wanted, decision, err);
}

/* ------------------------------------------------------------ the response */

static void
put_position(CedarBuf *buf, const CedarError *err)
{
	char		digits[48];
	size_t		n = sizeof(digits);
	const size_t values[2] = {err->offset + err->length, err->offset};
	static const char *const labels[2] = {",\"end\":", "\"start\":"};

	/* written from the end backwards: no printf of size_t is needed */
	for (int i = 0; i < 2; i++)
	{
		size_t		v = values[i];
		size_t		len = strlen(labels[i]);

		do
			digits[--n] = (char) ('0' + v % 10);
		while ((v /= 10) > 0);
		n -= len;
		memcpy(digits + n, labels[i], len);
	}
	cedar_buf_puts(buf, "[{\"label\":null,");
	cedar_buf_append(buf, digits + n, sizeof(digits) - n);
	cedar_buf_puts(buf, "}]");
}

static void
put_errors(CedarBuf *buf, const CedarDecision *decision, const CedarPolicies *policies)
{
	cedar_buf_puts(buf, "[");
	for (uint32_t i = 0; i < decision->n_errors; i++)
	{
		const CedarPolicyError *e = &decision->errors[i];
		CedarPolicy p;

		cedar_policies_get(policies, e->policy, &p);
		cedar_arena_check_interrupt(buf->arena);
		if (i > 0)
			cedar_buf_puts(buf, ",");
		cedar_buf_puts(buf, "{\"policyId\":");
		cedar_buf_json_string(buf, p.id, p.id_len);
		cedar_buf_puts(buf, ",\"error\":{\"message\":");
		cedar_buf_json_string(buf, e->error.message, strlen(e->error.message));
		cedar_buf_puts(buf, ",\"help\":");
		if (e->error.hint[0] != '\0')
			cedar_buf_json_string(buf, e->error.hint, strlen(e->error.hint));
		else
			cedar_buf_puts(buf, "null");
		cedar_buf_puts(buf, ",\"code\":null,\"url\":null,\"severity\":null,\"sourceLocations\":");
		if (e->error.has_position)
			put_position(buf, &e->error);
		else
			cedar_buf_puts(buf, "[]");
		cedar_buf_puts(buf, ",\"related\":[]}}");
	}
	cedar_buf_puts(buf, "]");
}

CedarCode
cedar_errors_to_json(CedarArena *arena, const CedarDecision *decision,
					 const CedarPolicies *policies, const char **json, size_t *len,
					 CedarError *err)
{
	CedarBuf	buf = {arena, NULL, 0, 0, false};

	put_errors(&buf, decision, policies);
	if (buf.failed)
		return cedar_nomem(err);
	*json = buf.data;
	*len = buf.len;
	return CEDAR_OK;
}

CedarCode
cedar_decision_to_json(CedarArena *arena, const CedarDecision *decision,
					   const CedarPolicy *policies, const char **json, size_t *len,
					   CedarError *err)
{
	CedarBuf	buf = {arena, NULL, 0, 0, false};
	const CedarPolicies all = {.array = policies};

	cedar_buf_puts(&buf, "{\"decision\":");
	cedar_buf_puts(&buf, decision->allow ? "\"allow\"" : "\"deny\"");
	cedar_buf_puts(&buf, ",\"diagnostics\":{\"reason\":[");
	for (uint32_t i = 0; i < decision->n_reasons; i++)
	{
		const CedarPolicy *p = &policies[decision->reasons[i]];

		cedar_arena_check_interrupt(arena);
		if (i > 0)
			cedar_buf_puts(&buf, ",");
		cedar_buf_json_string(&buf, p->id, p->id_len);
	}
	cedar_buf_puts(&buf, "],\"errors\":");
	put_errors(&buf, decision, &all);
	cedar_buf_puts(&buf, "}}");
	if (buf.failed)
		return cedar_nomem(err);
	*json = buf.data;
	*len = buf.len;
	return CEDAR_OK;
}
