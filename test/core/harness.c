/*-------------------------------------------------------------------------
 *
 * harness.c
 *	  The accounting host, and the way of one case through the library.
 *
 * jansson reads and writes the tests' own line format; what the library is
 * given is always text.
 *
 *-------------------------------------------------------------------------
 */
#include "harness.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "partial.h"

/* ------------------------------------------------------------------ host */

struct HostBlock
{
	HostBlock  *prev;
	HostBlock  *next;
	size_t		size;
	size_t		pad;			/* keeps what follows 16-byte aligned */
};

static void *
host_alloc(void *userdata, size_t size)
{
	Host	   *host = userdata;
	HostBlock  *block;

	host->alloc_calls++;
	if (host->fail_at > 0 &&
		(host->alloc_calls == host->fail_at ||
		 (host->fail_after && host->alloc_calls > host->fail_at)))
		return NULL;
	if (size > SIZE_MAX / 2)
		return NULL;
	block = malloc(sizeof(HostBlock) + size);
	if (block == NULL)
		return NULL;
	block->size = size;
	block->prev = NULL;
	block->next = host->blocks;
	if (host->blocks != NULL)
		host->blocks->prev = block;
	host->blocks = block;
	host->live_bytes += size;
	host->live_blocks++;
	host->allocs++;
	/* nobody may count on zeroes */
	memset(block + 1, 0xA5, size);
	return block + 1;
}

static void
host_release(void *userdata, void *ptr)
{
	Host	   *host = userdata;
	HostBlock  *block;

	for (block = host->blocks; block != NULL; block = block->next)
		if ((void *) (block + 1) == ptr)
			break;
	if (block == NULL)
	{
		host->bad_releases++;
		return;
	}
	if (block->prev != NULL)
		block->prev->next = block->next;
	else
		host->blocks = block->next;
	if (block->next != NULL)
		block->next->prev = block->prev;
	host->live_bytes -= block->size;
	host->live_blocks--;
	memset(block + 1, 0x5A, block->size);
	free(block);
}

static bool
host_stack_is_too_deep(void *userdata)
{
	Host	   *host = userdata;
	char		here;
	intptr_t	depth = (intptr_t) host->stack_base - (intptr_t) &here;

	host->stack_calls++;
	if (host->stack_at > 0 && host->stack_calls >= host->stack_at)
		return true;
	return host->stack_limit > 0 && depth > (intptr_t) host->stack_limit;
}

static void
host_check_interrupt(void *userdata)
{
	Host	   *host = userdata;

	host->interrupt_calls++;
	if (host->interrupt_at > 0 && host->interrupt_calls == host->interrupt_at)
		longjmp(host->interrupt, 1);
}

/* Where main's frame is, near enough. */
static const char *stack_base;

__attribute__((constructor))
static void
note_stack_base(void)
{
	volatile intptr_t here = (intptr_t) &here;

	stack_base = (const char *) here;
}

void
host_open(Host *host)
{
	memset(host, 0, sizeof(*host));
	host->vtable.alloc = host_alloc;
	host->vtable.release = host_release;
	host->vtable.stack_is_too_deep = host_stack_is_too_deep;
	host->vtable.check_interrupt = host_check_interrupt;
	host->vtable.userdata = host;
	host->stack_base = stack_base;
	host->stack_limit = HOST_STACK_LIMIT;
}

bool
host_close(Host *host)
{
	bool		clean = host->blocks == NULL && host->bad_releases == 0 &&
		host->live_bytes == 0 && host->live_blocks == 0;

	while (host->blocks != NULL)
		host_release(host, host->blocks + 1);
	return clean;
}

/* ----------------------------------------------------------------- codes */

static const char *const code_names[] = {
	[CEDAR_OK] = "CEDAR_OK",
	[CEDAR_ERR_NOMEM] = "CEDAR_ERR_NOMEM",
	[CEDAR_ERR_STACK] = "CEDAR_ERR_STACK",
	[CEDAR_ERR_ENCODING] = "CEDAR_ERR_ENCODING",
	[CEDAR_ERR_SYNTAX] = "CEDAR_ERR_SYNTAX",
	[CEDAR_ERR_JSON] = "CEDAR_ERR_JSON",
	[CEDAR_ERR_ENTITY] = "CEDAR_ERR_ENTITY",
	[CEDAR_ERR_REQUEST] = "CEDAR_ERR_REQUEST",
	[CEDAR_ERR_DUPLICATE] = "CEDAR_ERR_DUPLICATE",
	[CEDAR_ERR_CYCLE] = "CEDAR_ERR_CYCLE",
	[CEDAR_ERR_SCHEMA] = "CEDAR_ERR_SCHEMA",
	[CEDAR_ERR_LIMIT] = "CEDAR_ERR_LIMIT",
	[CEDAR_ERR_IMAGE] = "CEDAR_ERR_IMAGE",
	[CEDAR_ERR_HOST] = "CEDAR_ERR_HOST",
	[CEDAR_EVAL_TYPE] = "CEDAR_EVAL_TYPE",
	[CEDAR_EVAL_OVERFLOW] = "CEDAR_EVAL_OVERFLOW",
	[CEDAR_EVAL_NO_ENTITY] = "CEDAR_EVAL_NO_ENTITY",
	[CEDAR_EVAL_NO_ATTR] = "CEDAR_EVAL_NO_ATTR",
	[CEDAR_EVAL_NO_TAG] = "CEDAR_EVAL_NO_TAG",
	[CEDAR_EVAL_EXTENSION] = "CEDAR_EVAL_EXTENSION",
	[CEDAR_EVAL_ARITY] = "CEDAR_EVAL_ARITY",
	[CEDAR_EVAL_UNLINKED] = "CEDAR_EVAL_UNLINKED",
};

_Static_assert(sizeof(code_names) / sizeof(code_names[0]) == CEDAR_EVAL_UNLINKED + 1,
			   "code_names follows CedarCode");

const char *
code_name(CedarCode code)
{
	if ((size_t) code >= sizeof(code_names) / sizeof(code_names[0]))
		return "CEDAR_?";
	return code_names[code];
}

/* ------------------------------------------------------------------ case */

typedef struct Run
{
	Host		host;
	CedarArena *arena;
	json_t	   *result;
} Run;

static void
fault(Run *run, const char *fmt,...) __attribute__((format(printf, 2, 3)));

static void
fault(Run *run, const char *fmt,...)
{
	char		buf[512];
	va_list		args;
	json_t	   *text;

	va_start(args, fmt);
	vsnprintf(buf, sizeof(buf), fmt, args);
	va_end(args);
	text = json_string(buf);
	json_object_set_new(run->result, "fault",
						text ? text : json_string("fault text is not UTF-8"));
}

static json_t *
error_json(Run *run, const CedarError *err, CedarCode code, size_t text_len)
{
	json_t	   *o = json_object();
	json_t	   *message = json_string(err->message);
	json_t	   *hint = json_string(err->hint);

	if (err->code != code)
		fault(run, "call returned %s, error says %s", code_name(code),
			  code_name(err->code));
	if (message == NULL || err->message[0] == '\0')
		fault(run, "%s: message is empty or not UTF-8", code_name(code));
	if (hint == NULL)
		fault(run, "%s: hint is not UTF-8", code_name(code));
	if (err->has_position &&
		(err->offset > text_len || err->length > text_len - err->offset))
		fault(run, "%s: position %zu+%zu is outside of %zu bytes",
			  code_name(code), err->offset, err->length, text_len);
	json_object_set_new(o, "code", json_string(code_name(code)));
	json_object_set_new(o, "offset", err->has_position ?
						json_integer((json_int_t) err->offset) : json_null());
	json_object_set_new(o, "length", err->has_position ?
						json_integer((json_int_t) err->length) : json_null());
	json_object_set_new(o, "message", message ? message : json_null());
	json_object_set_new(o, "hint", hint ? hint : json_null());
	return o;
}

static int
compare_strings(const void *a, const void *b)
{
	return strcmp(*(const char *const *) a, *(const char *const *) b);
}

/* Sorted ids of the policies with these indexes. */
static json_t *
ids_json(const CedarPolicy *policies, const uint32_t *indexes, uint32_t n)
{
	const char **ids = malloc(sizeof(char *) * (n + 1));
	json_t	   *a = json_array();

	for (uint32_t i = 0; i < n; i++)
		ids[i] = policies[indexes[i]].id;
	qsort(ids, n, sizeof(char *), compare_strings);
	for (uint32_t i = 0; i < n; i++)
		json_array_append_new(a, json_string(ids[i]));
	free(ids);
	return a;
}

/* The text of a member: member_text as it is, or member as a value, dumped. */
static char *
member_text(json_t *input, const char *member, const char *text_member,
			size_t *len)
{
	json_t	   *value = json_object_get(input, text_member);
	char	   *text;

	if (json_is_string(value))
	{
		*len = json_string_length(value);
		text = malloc(*len + 1);
		memcpy(text, json_string_value(value), *len);
		return text;
	}
	value = json_object_get(input, member);
	if (value == NULL)
		return NULL;
	text = json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY);
	*len = text ? strlen(text) : 0;
	return text;
}

/* Does the library's own response say what the decision says? */
/* The index must not change the decision; copies make its groups large. */
#define INDEX_COPIES 16

static void
check_indexed(Run *run, const CedarPolicy *policies, uint32_t n,
			  const CedarEntitySource *source, const CedarRequest *request,
			  const CedarDecision *want)
{
	CedarPolicy *many = malloc(sizeof(CedarPolicy) * (n * INDEX_COPIES + 1));
	const CedarIndex *index;
	size_t		size;
	CedarDecision got;
	CedarError	err;
	CedarCode	code;

	for (uint32_t i = 0; i < n * INDEX_COPIES; i++)
		many[i] = policies[i % n];
	if (cedar_index_build(run->arena, many, n * INDEX_COPIES, &index, &size, &err) != CEDAR_OK)
		fault(run, "no index: %s", err.message);
	else if (cedar_index_verify(run->arena, index, size, n * INDEX_COPIES, &err) != CEDAR_OK)
		fault(run, "the index is not sound: %s", err.message);
	else
	{
		code = cedar_authorize(run->arena, many, n * INDEX_COPIES, index, source, request,
							   true, &got, &err);
		if (code != CEDAR_OK)
			fault(run, "with an index: %s", err.message);
		else if (got.allow != want->allow ||
				 got.n_reasons != want->n_reasons * INDEX_COPIES ||
				 got.n_errors != want->n_errors * INDEX_COPIES)
			fault(run, "with an index the decision is another");
		else
		{
			for (uint32_t i = 0; i < got.n_reasons; i++)
				if (got.reasons[i] % n != want->reasons[i % want->n_reasons])
					fault(run, "with an index the reasons are others");
			for (uint32_t i = 0; i < got.n_errors; i++)
				if (got.errors[i].policy % n != want->errors[i % want->n_errors].policy)
					fault(run, "with an index the errors are others");
		}
	}
	free(many);
}

static void
check_response(Run *run, const CedarDecision *d, const CedarPolicy *policies)
{
	CedarError	err;
	const char *text;
	size_t		len;
	json_t	   *o,
			   *diagnostics,
			   *reason,
			   *errors;
	json_error_t jerr;

	if (cedar_decision_to_json(run->arena, d, policies, &text, &len, &err) != CEDAR_OK)
	{
		fault(run, "cedar_decision_to_json failed: %s", err.message);
		return;
	}
	o = json_loadb(text, len, JSON_ALLOW_NUL | JSON_REJECT_DUPLICATES, &jerr);
	diagnostics = json_object_get(o, "diagnostics");
	reason = json_object_get(diagnostics, "reason");
	errors = json_object_get(diagnostics, "errors");
	if (o == NULL)
		fault(run, "response is not JSON: %s", jerr.text);
	else if (!json_is_string(json_object_get(o, "decision")) ||
			 strcmp(json_string_value(json_object_get(o, "decision")),
					d->allow ? "allow" : "deny") != 0)
		fault(run, "response has another decision");
	else if (!json_is_array(reason) || json_array_size(reason) != d->n_reasons ||
			 !json_is_array(errors) || json_array_size(errors) != d->n_errors)
		fault(run, "response has other diagnostics");
	else
	{
		for (uint32_t i = 0; i < d->n_reasons; i++)
		{
			const char *id = json_string_value(json_array_get(reason, i));

			if (id == NULL || strcmp(id, policies[d->reasons[i]].id) != 0)
				fault(run, "response has another reason %u", i);
		}
		for (uint32_t i = 0; i < d->n_errors; i++)
		{
			json_t	   *e = json_array_get(errors, i);
			const char *id = json_string_value(json_object_get(e, "policyId"));
			const char *msg = json_string_value(json_object_get(json_object_get(e, "error"), "message"));

			if (id == NULL || strcmp(id, policies[d->errors[i].policy].id) != 0)
				fault(run, "response has another error %u", i);
			if (msg == NULL || msg[0] == '\0')
				fault(run, "response's error %u has no message", i);
		}
	}
	json_decref(o);
}

static bool
same_decision(const CedarDecision *a, const CedarDecision *b)
{
	if (a->allow != b->allow || a->n_reasons != b->n_reasons ||
		a->n_errors != b->n_errors)
		return false;
	for (uint32_t i = 0; i < a->n_reasons; i++)
		if (a->reasons[i] != b->reasons[i])
			return false;
	for (uint32_t i = 0; i < a->n_errors; i++)
		if (a->errors[i].policy != b->errors[i].policy ||
			a->errors[i].error.code != b->errors[i].error.code)
			return false;
	return true;
}

/*
 * What is left of the policies when this is unknown must, once it is known,
 * decide as the policies do.
 */
static void
check_residuals(Run *run, const CedarPolicy *policies, uint32_t n,
				const CedarEntitySource *source, const CedarRequest *request,
				const CedarUnknown *unknown, const CedarDecision *d, const char *what)
{
	const CedarPolicies all = {.array = policies,.n = n};
	CedarRequest known = *request;
	CedarPartial partial;
	CedarDecision again;
	CedarError	err;
	CedarCode	code;
	CedarPolicy *left;

	if (unknown->is[0])
		known.principal = NULL;
	if (unknown->is[1])
		known.action = NULL;
	if (unknown->is[2])
		known.resource = NULL;
	code = cedar_partial(run->arena, &all, source, &known, unknown, &partial, &err);
	if (code != CEDAR_OK)
	{
		if (code != CEDAR_ERR_LIMIT)
			fault(run, "%s unknown: %s: %s", what, code_name(code), err.message);
		return;
	}
	if (partial.decision != CEDAR_PARTIAL_OPEN && (partial.decision == CEDAR_PARTIAL_ALLOW) != d->allow)
		fault(run, "%s unknown: decided otherwise", what);
	left = cedar_arena_alloc(run->arena, sizeof(CedarPolicy) * (partial.n + 1));
	memset(left, 0, sizeof(CedarPolicy) * (partial.n + 1));
	for (uint32_t i = 0; i < partial.n; i++)
	{
		const CedarResidual *r = &partial.residuals[i];
		size_t		size = 0;

		if (r->policy >= n || (i > 0 && r->policy <= r[-1].policy) ||
			r->forbid != cedar_piece_is_forbid(policies[r->policy].piece))
		{
			fault(run, "%s unknown: residual %u is of no policy", what, i);
			return;
		}
		if (cedar_residual_compile(run->arena, r, &left[i].piece, &size, &err) != CEDAR_OK ||
			cedar_piece_verify(run->arena, left[i].piece, size, &err) != CEDAR_OK)
		{
			fault(run, "%s unknown: residual of %s: %s", what, policies[r->policy].id, err.message);
			return;
		}
	}
	code = cedar_authorize(run->arena, left, partial.n, NULL, source, request, true, &again, &err);
	if (code != CEDAR_OK)
	{
		fault(run, "%s unknown: residuals: %s", what, err.message);
		return;
	}
	if (again.allow != d->allow || again.n_reasons != d->n_reasons || again.n_errors != d->n_errors)
	{
		fault(run, "%s unknown: residuals decide otherwise", what);
		return;
	}
	for (uint32_t i = 0; i < d->n_reasons; i++)
		if (partial.residuals[again.reasons[i]].policy != d->reasons[i])
			fault(run, "%s unknown: another reason", what);
	for (uint32_t i = 0; i < d->n_errors; i++)
		if (partial.residuals[again.errors[i].policy].policy != d->errors[i].policy)
			fault(run, "%s unknown: another policy fails", what);
}

static void
check_partial(Run *run, const CedarPolicy *policies, uint32_t n,
			  const CedarEntitySource *source, const CedarRequest *request,
			  const CedarDecision *d)
{
	static const struct
	{
		const char *what;
		bool		is[3];
		bool		context;
		bool		member;
	}			parts[] = {
		{"nothing", {false, false, false}, false, false},
		{"principal", {true, false, false}, false, false},
		{"action", {false, true, false}, false, false},
		{"resource", {false, false, true}, false, false},
		{"context", {false, false, false}, true, false},
		{"a member of context", {false, false, false}, false, true},
		{"principal and resource", {true, false, true}, false, false},
		{"resource and context", {false, false, true}, true, false},
		{"everything", {true, true, true}, true, false},
	};
	const CedarUid *uids[3] = {request->principal, request->action, request->resource};

	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++)
		for (int typed = 0; typed <= 1; typed++)
		{
			CedarUnknown unknown = {.context = parts[i].context};
			const CedarStr *member;

			for (int k = 0; k < 3; k++)
			{
				unknown.is[k] = parts[i].is[k];
				if (typed)
					unknown.type[k] = cedar_str_make(run->arena, uids[k]->bytes, uids[k]->type_len);
			}
			if (parts[i].member && request->context->n > 0)
			{
				member = cedar_slot_str(&request->context->fields[0].key);
				unknown.members = &member;
				unknown.n_members = 1;
			}
			check_residuals(run, policies, n, source, request, &unknown, d, parts[i].what);
		}
}

static void
decide(Run *run, const CedarPolicy *policies, uint32_t n,
	   CedarEntities *entities, const CedarRequest *request, size_t text_len)
{
	CedarEntitySource source = cedar_entities_source(entities);
	CedarDecision d,
				again;
	CedarError	err;
	CedarCode	code;
	json_t	   *messages;
	uint32_t   *failed;

	memset(&err, 0, sizeof(err));
	code = cedar_authorize(run->arena, policies, n, NULL, &source, request, true, &d, &err);
	if (code != CEDAR_OK)
	{
		json_object_set_new(run->result, "refused", json_string("authorize"));
		json_object_set_new(run->result, "error", error_json(run, &err, code, text_len));
		return;
	}
	for (uint32_t i = 0; i < d.n_reasons; i++)
		if (d.reasons[i] >= n || (i > 0 && d.reasons[i] <= d.reasons[i - 1]))
		{
			fault(run, "reasons are not ascending indexes");
			return;
		}
	failed = malloc(sizeof(uint32_t) * (d.n_errors + 1));
	messages = json_array();
	for (uint32_t i = 0; i < d.n_errors; i++)
	{
		const CedarPolicyError *e = &d.errors[i];
		char		buf[400];
		json_t	   *detail;

		if (e->policy >= n)
		{
			fault(run, "an error's policy index is out of range");
			d.n_errors = i;
			break;
		}
		failed[i] = e->policy;
		if (e->error.code < CEDAR_EVAL_TYPE)
			fault(run, "a policy failed with %s", code_name(e->error.code));
		detail = error_json(run, &e->error, e->error.code, text_len);
		snprintf(buf, sizeof(buf), "%s: %s: %s", policies[e->policy].id,
				 code_name(e->error.code), e->error.message);
		json_array_append_new(messages, json_string(buf));
		json_decref(detail);
	}
	json_object_set_new(run->result, "decision",
						json_string(d.allow ? "allow" : "deny"));
	json_object_set_new(run->result, "reason", ids_json(policies, d.reasons, d.n_reasons));
	json_object_set_new(run->result, "errors", ids_json(policies, failed, d.n_errors));
	json_object_set_new(run->result, "messages", messages);
	free(failed);

	check_response(run, &d, policies);

	code = cedar_authorize(run->arena, policies, n, NULL, &source, request, false, &again, &err);
	if (code != CEDAR_OK)
		fault(run, "without reasons: %s", err.message);
	else if (again.allow != d.allow)
		fault(run, "without reasons the decision is another");
	else if (again.n_reasons != 0 || again.n_errors != 0)
		fault(run, "reasons or errors that were not wanted");

	check_indexed(run, policies, n, &source, request, &d);
	check_partial(run, policies, n, &source, request, &d);

	/* pieces that were moved mean the same */
	{
		CedarPolicy *moved = malloc(sizeof(CedarPolicy) * (n + 1));

		for (uint32_t i = 0; i < n; i++)
		{
			size_t		size = cedar_piece_size(policies[i].piece);
			void	   *copy = malloc(size);

			memcpy(copy, policies[i].piece, size);
			moved[i] = policies[i];
			moved[i].piece = copy;
		}
		code = cedar_authorize(run->arena, moved, n, NULL, &source, request, true, &again, &err);
		if (code != CEDAR_OK)
			fault(run, "moved pieces: %s", err.message);
		else if (!same_decision(&d, &again))
			fault(run, "moved pieces decide otherwise");
		for (uint32_t i = 0; i < n; i++)
			free((void *) moved[i].piece);
		free(moved);
	}
}

static void
run_in_arena(Run *run, const char *policies_text, size_t policies_len,
			 const char *entities_text, size_t entities_len,
			 const char *request_text, size_t request_len)
{
	CedarError	err;
	CedarCode	code;
	CedarAst   *ast = NULL;
	CedarPolicy *policies;
	char	   *ids;
	uint32_t	n;
	CedarEntities *entities = NULL;
	CedarRequest request;

	memset(&err, 0, sizeof(err));
	code = cedar_parse(run->arena, policies_text, policies_len, &ast, &err);
	if (code != CEDAR_OK)
	{
		json_object_set_new(run->result, "parses", json_false());
		json_object_set_new(run->result, "error", error_json(run, &err, code, policies_len));
		return;
	}
	n = cedar_ast_count(ast);
	policies = cedar_arena_alloc(run->arena, sizeof(CedarPolicy) * (n + 1));
	if (policies != NULL)
		memset(policies, 0, sizeof(CedarPolicy) * (n + 1));
	ids = cedar_arena_alloc(run->arena, (size_t) 20 * (n + 1));
	for (uint32_t i = 0; i < n; i++)
	{
		size_t		size = 0;
		size_t		offset = 0,
					length = 0;
		CedarPolicy *p = &policies[i];

		code = cedar_compile(run->arena, ast, i, &p->piece, &size, &err);
		if (code != CEDAR_OK)
		{
			json_object_set_new(run->result, "parses", json_false());
			json_object_set_new(run->result, "error", error_json(run, &err, code, policies_len));
			return;
		}
		p->id_len = (uint32_t) snprintf(ids + (size_t) 20 * i, 20, "policy%u", i);
		p->id = ids + (size_t) 20 * i;
		if (size != cedar_piece_size(p->piece))
			fault(run, "policy%u: size %zu, piece says %zu", i, size,
				  cedar_piece_size(p->piece));
		if (cedar_piece_verify(run->arena, p->piece, size, &err) != CEDAR_OK)
			fault(run, "policy%u does not verify: %s", i, err.message);
		if (cedar_piece_is_template(p->piece) != cedar_ast_is_template(ast, i))
			fault(run, "policy%u: piece and AST disagree on template", i);
		cedar_ast_range(ast, i, &offset, &length);
		if (offset > policies_len || length == 0 || length > policies_len - offset ||
			policies_text[offset + length - 1] != ';')
			fault(run, "policy%u: range %zu+%zu does not end at its semicolon", i,
				  offset, length);
	}
	if (entities_text == NULL)
	{
		entities_text = "[]";
		entities_len = 2;
	}
	code = cedar_entities_from_json(run->arena, entities_text, entities_len, &entities, &err);
	if (code != CEDAR_OK)
	{
		json_object_set_new(run->result, "refused", json_string("entities"));
		json_object_set_new(run->result, "error", error_json(run, &err, code, entities_len));
		return;
	}
	if (request_text == NULL)
	{
		json_object_set_new(run->result, "parses", json_true());
		return;
	}
	code = cedar_request_from_json(run->arena, request_text, request_len, &request, &err);
	if (code != CEDAR_OK)
	{
		json_object_set_new(run->result, "refused", json_string("request"));
		json_object_set_new(run->result, "error", error_json(run, &err, code, request_len));
		return;
	}
	decide(run, policies, n, entities, &request, policies_len);
}

void
complete_case(json_t *test, json_t *defaults)
{
	static const char head[] = "permit(principal, action, resource) when { ";
	static const char tail[] = " };";
	json_t	   *expr = json_object_get(test, "expr");

	json_object_update_missing(test, defaults);
	if (json_is_string(expr))
	{
		size_t		len = json_string_length(expr);
		char	   *text = malloc(sizeof(head) + len + sizeof(tail));

		if (text == NULL)
			abort();
		memcpy(text, head, sizeof(head) - 1);
		memcpy(text + sizeof(head) - 1, json_string_value(expr), len);
		memcpy(text + sizeof(head) - 1 + len, tail, sizeof(tail) - 1);
		json_object_set_new(test, "policies",
							json_stringn(text, sizeof(head) + sizeof(tail) - 2 + len));
		json_object_del(test, "expr");
		free(text);
	}
}

json_t *
run_case(json_t *input)
{
	Run			run;
	size_t		policies_len = 0,
				entities_len = 0,
				request_len = 0;
	char	   *policies = member_text(input, "", "policies", &policies_len);
	char	   *entities = member_text(input, "entities", "entities_text", &entities_len);
	char	   *request = member_text(input, "request", "request_text", &request_len);

	host_open(&run.host);
	run.result = json_object();
	run.arena = cedar_arena_create(&run.host.vtable);
	if (run.arena == NULL)
		fault(&run, "no arena");
	else
	{
		run_in_arena(&run, policies ? policies : "", policies_len,
					 entities, entities_len, request, request_len);
		cedar_arena_destroy(run.arena);
	}
	if (!host_close(&run.host))
		fault(&run, "memory was not released, or released twice");
	free(policies);
	free(entities);
	free(request);
	return run.result;
}
