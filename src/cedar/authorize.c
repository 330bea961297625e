/*-------------------------------------------------------------------------
 *
 * authorize.c
 *	  The authorizer: which policies a request satisfies, and the decision.
 *
 *-------------------------------------------------------------------------
 */
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

static CedarCode
scope_matches(CedarEval *e, const CedarPolicy *policy, CedarVar side,
			  const CedarUid *uid, bool *matches)
{
	const CedarScope *s = &policy->piece->scope[side];

	*matches = true;
	switch ((CedarScopeOp) s->op)
	{
		case CEDAR_SCOPE_ANY:
			return CEDAR_OK;
		case CEDAR_SCOPE_EQ:
			*matches = cedar_uid_equal(uid, cedar_scope_uid(policy, side, 0));
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
				TRY(cedar_eval_in(e, uid, cedar_scope_uid(policy, side, i), matches));
			return CEDAR_OK;
	}
	*matches = false;
	return CEDAR_OK;
}

/* Does the policy apply?  A CEDAR_EVAL_* code is the policy's own failure. */
static CedarCode
policy_applies(CedarEval *e, const CedarPolicy *policy, bool *satisfied)
{
	const CedarPiece *piece = policy->piece;
	const CedarUid *const uids[3] = {
		e->request->principal, e->request->action, e->request->resource
	};
	static const CedarVar order[3] = {CEDAR_VAR_ACTION, CEDAR_VAR_PRINCIPAL, CEDAR_VAR_RESOURCE};

	e->block = (const char *) piece;
	*satisfied = false;
	/* scopes cannot fail, so their order is free: the cheapest first */
	for (int i = 0; i < 3; i++)
	{
		bool		matches;

		TRY(scope_matches(e, policy, order[i], uids[order[i]], &matches));
		if (!matches)
			return CEDAR_OK;
	}
	if (piece->root == CEDAR_NONE)
	{
		*satisfied = true;
		return CEDAR_OK;
	}
	return cedar_eval_condition(e, piece, satisfied);
}

/* ---------------------------------------------------------- authorization */

/* Numbers of policies, in the arena. */
typedef struct Numbers
{
	uint32_t   *at;
	uint32_t	n;
	uint32_t	cap;
} Numbers;

static bool
add_number(CedarArena *arena, Numbers *list, uint32_t number)
{
	void	   *array = list->at;

	if (!cedar_grow(arena, &array, &list->cap, list->n + 1, sizeof(uint32_t)))
		return false;
	list->at = array;
	list->at[list->n++] = number;
	return true;
}

CedarCode
cedar_authorize(CedarArena *arena, const CedarPolicy *policies, uint32_t n,
				const CedarIndex *index, const CedarEntitySource *source,
				const CedarRequest *request, bool reasons_wanted,
				CedarDecision *decision, CedarError *err)
{
	CedarEval	e = {.arena = arena, .source = source, .request = request, .err = err};
	Numbers		permits = {NULL, 0, 0};
	Numbers		forbids = {NULL, 0, 0};
	void	   *errors = NULL;
	uint32_t	error_cap = 0;
	uint32_t	n_errors = 0;
	const uint32_t *candidates = NULL;
	bool		permitted = false;

	memset(decision, 0, sizeof(*decision));
	if (index != NULL)
		TRY(cedar_index_search(&e, index, &candidates, &n));
	for (uint32_t k = 0; k < n; k++)
	{
		uint32_t	i = candidates != NULL ? candidates[k] : k;
		const CedarPiece *piece = policies[i].piece;
		bool		satisfied;
		CedarCode	code;
		CedarMark	mark;

		if (k % 256 == 0)
			cedar_arena_check_interrupt(arena);
		if (!cedar_policy_is_linked(&policies[i]))
			continue;
		/* one satisfied permit is enough when nobody asks for reasons */
		if (!reasons_wanted && !piece->forbid && permitted)
			continue;
		mark = cedar_arena_mark(arena);
		code = policy_applies(&e, &policies[i], &satisfied);
		/* ancestors live in the source's arena: release only when it is another */
		if (source->arena != arena)
			cedar_arena_release(arena, mark);
		if (code != CEDAR_OK)
		{
			if (!cedar_is_policy_error(code))
				return code;
			if (!reasons_wanted)
				continue;
			if (!cedar_grow(arena, &errors, &error_cap, n_errors + 1, sizeof(CedarPolicyError)))
				return cedar_nomem(err);
			((CedarPolicyError *) errors)[n_errors].policy = i;
			((CedarPolicyError *) errors)[n_errors].error = *err;
			n_errors++;
			continue;
		}
		if (!satisfied)
			continue;
		if (!reasons_wanted)
		{
			if (piece->forbid)
				return CEDAR_OK;	/* deny */
			permitted = true;
		}
		else if (!add_number(arena, piece->forbid ? &forbids : &permits, i))
			return cedar_nomem(err);
	}
	if (!reasons_wanted)
	{
		decision->allow = permitted;
		return CEDAR_OK;
	}
	decision->allow = permits.n > 0 && forbids.n == 0;
	decision->n_reasons = forbids.n > 0 ? forbids.n : permits.n;
	decision->reasons = forbids.n > 0 ? forbids.at : permits.at;
	decision->n_errors = n_errors;
	decision->errors = errors;
	return CEDAR_OK;
}

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
put_errors(CedarBuf *buf, const CedarDecision *decision, const CedarPolicy *policies)
{
	cedar_buf_puts(buf, "[");
	for (uint32_t i = 0; i < decision->n_errors; i++)
	{
		const CedarPolicyError *e = &decision->errors[i];
		const CedarPolicy *p = &policies[e->policy];

		cedar_arena_check_interrupt(buf->arena);
		if (i > 0)
			cedar_buf_puts(buf, ",");
		cedar_buf_puts(buf, "{\"policyId\":");
		cedar_buf_json_string(buf, p->id, p->id_len);
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
					 const CedarPolicy *policies, const char **json, size_t *len,
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
	put_errors(&buf, decision, policies);
	cedar_buf_puts(&buf, "}}");
	if (buf.failed)
		return cedar_nomem(err);
	*json = buf.data;
	*len = buf.len;
	return CEDAR_OK;
}
