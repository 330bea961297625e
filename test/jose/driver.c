/*-------------------------------------------------------------------------
 *
 * driver.c
 *	  The library over lines of JSON, for tests in other languages.
 *
 * Each line of standard input is an object with a member op; each is answered
 * by a line {"code", ...}, with "message" and "detail" on failure:
 *
 *	key			jwk, alg?				kid, alg, private, bits
 *	validate	jwk, alg?
 *	thumbprint	jwk, alg?				thumbprint
 *	export		jwk, alg?, part			jwk
 *	generate	alg, bits?				jwk (private)
 *	sign		jwk, alg?, payload, typ?, kid?		token
 *	verify		jwk, alg?, token, typ?	payload, kid?, typ?
 *	decode		token					header, payload
 *	claims		payload, now, issuer?, subject?, audience?, any_audience?,
 *				required?, leeway?, max_age?		exp?, nbf?, iat?
 *
 * jwk is an object or a string with its text; payloads are base64url; alg
 * names the algorithm that the key shall be for.  jansson reads and writes
 * these lines; what the library is given is always text.
 *
 *-------------------------------------------------------------------------
 */
#include "harness.h"

#include <jansson.h>

typedef struct Call
{
	json_t	   *in;
	json_t	   *out;
	JoseError	err;
	JoseKey    *key;
} Call;

static const char *
text_of(const Call *c, const char *name)
{
	return json_string_value(json_object_get(c->in, name));
}

static size_t
len_of(const Call *c, const char *name)
{
	return json_string_length(json_object_get(c->in, name));
}

static void
put(Call *c, const char *name, json_t *value)
{
	json_object_set_new(c->out, name, value != NULL ? value : json_null());
}

static void
put_bytes(Call *c, const char *name, const void *bytes, size_t len)
{
	char	   *text = encode(bytes, len);

	put(c, name, json_string(text));
	free(text);
}

static JoseAlg
alg_of(const Call *c)
{
	const char *name = text_of(c, "alg");

	return name != NULL ? jose_alg_from_name(name, strlen(name)) : JOSE_ALG_UNSPECIFIED;
}

static JoseCode
load_key(Call *c)
{
	json_t	   *jwk = json_object_get(c->in, "jwk");
	char	   *text = json_is_string(jwk) ? NULL : json_dumps(jwk, JSON_COMPACT | JSON_ENCODE_ANY);
	const char *source = text != NULL ? text : json_string_value(jwk);
	size_t		len = text != NULL ? strlen(text) : json_string_length(jwk);
	JoseCode	code;

	code = jose_jwk_parse(HOST, source != NULL ? source : "", len, alg_of(c), &c->key, &c->err);
	free(text);
	return code;
}

/* A member in base64url, decoded into a block of malloc. */
static char *
bytes_of(const Call *c, const char *name, size_t *len)
{
	size_t		n = len_of(c, name);
	char	   *bytes = malloc(JOSE_BASE64URL_BYTES(n) + 1);

	if (!jose_base64url_decode(bytes, len, text_of(c, name), n))
	{
		fprintf(stderr, "driver: \"%s\" is not base64url\n", name);
		exit(2);
	}
	return bytes;
}

static JoseCode
do_key(Call *c)
{
	const char *kid = jose_jwk_kid(c->key);

	put(c, "kid", kid != NULL ? json_string(kid) : json_null());
	put(c, "alg", json_string(jose_alg_name(jose_jwk_algorithm(c->key))));
	put(c, "private", json_boolean(jose_jwk_is_private(c->key)));
	put(c, "bits", json_integer(jose_jwk_bits(c->key)));
	return JOSE_OK;
}

static JoseCode
do_validate(Call *c)
{
	return jose_jwk_validate(c->key, &c->err);
}

static JoseCode
do_thumbprint(Call *c)
{
	char		thumbprint[JOSE_THUMBPRINT_SIZE];
	JoseCode	code = jose_jwk_thumbprint(c->key, thumbprint, &c->err);

	if (code == JOSE_OK)
		put(c, "thumbprint", json_string(thumbprint));
	return code;
}

static JoseCode
export_key(Call *c, JosePart part)
{
	char	   *text;
	size_t		len;
	JoseCode	code = jose_jwk_to_json(HOST, c->key, part, &text, &len, &c->err);

	if (code == JOSE_OK)
	{
		put(c, "jwk", json_loadb(text, len, JSON_REJECT_DUPLICATES, NULL));
		drop(text);
	}
	return code;
}

static JoseCode
do_export(Call *c)
{
	return export_key(c, strcmp(text_of(c, "part"), "private") == 0 ? JOSE_PRIVATE : JOSE_PUBLIC);
}

static JoseCode
do_generate(Call *c)
{
	int			bits = (int) json_integer_value(json_object_get(c->in, "bits"));
	JoseCode	code = jose_jwk_generate(HOST, alg_of(c), bits, &c->key, &c->err);

	return code == JOSE_OK ? export_key(c, JOSE_PRIVATE) : code;
}

static JoseCode
do_sign(Call *c)
{
	JoseSignOptions options = { .typ = text_of(c, "typ"), .kid = text_of(c, "kid") };
	size_t		len;
	char	   *payload = bytes_of(c, "payload", &len);
	char	   *token;
	size_t		token_len;
	JoseCode	code = jose_jws_sign(HOST, c->key, &options, payload, len, &token, &token_len, &c->err);

	if (code == JOSE_OK)
	{
		put(c, "token", json_stringn(token, token_len));
		drop(token);
	}
	free(payload);
	return code;
}

static JoseCode
do_verify(Call *c)
{
	JoseVerifyOptions options = { .typ = text_of(c, "typ") };
	JoseHeader	header;
	char	   *payload;
	size_t		len;
	JoseCode	code = jose_jws_verify(HOST, c->key, text_of(c, "token"), len_of(c, "token"),
									   &options, &header, &payload, &len, &c->err);

	if (code == JOSE_OK)
	{
		put_bytes(c, "payload", payload, len);
		if (header.has_kid)
			put(c, "kid", json_string(header.kid));
		if (header.has_typ)
			put(c, "typ", json_string(header.typ));
		drop(payload);
	}
	return code;
}

static JoseCode
do_decode(Call *c)
{
	JoseDecoded d;
	JoseCode	code = jose_jws_decode(HOST, text_of(c, "token"), len_of(c, "token"), NULL, &d, &c->err);

	if (code == JOSE_OK)
	{
		put(c, "header", json_loadb(d.header_json, d.header_len, 0, NULL));
		put_bytes(c, "payload", d.payload, d.payload_len);
		drop(d.header_json);
	}
	return code;
}

#define MAX_LIST 16

static size_t
list_of(const Call *c, const char *name, const char *list[MAX_LIST])
{
	json_t	   *array = json_object_get(c->in, name);
	size_t		n = 0;

	if (json_is_string(array))
		list[n++] = json_string_value(array);
	for (size_t i = 0; i < json_array_size(array) && n < MAX_LIST; i++)
		list[n++] = json_string_value(json_array_get(array, i));
	return n;
}

static JoseCode
do_claims(Call *c)
{
	const char *audiences[MAX_LIST];
	const char *required[MAX_LIST];
	JoseExpectations want = {
		.issuer = text_of(c, "issuer"),
		.subject = text_of(c, "subject"),
		.audiences = audiences,
		.n_audiences = list_of(c, "audience", audiences),
		.any_audience = json_is_true(json_object_get(c->in, "any_audience")),
		.required = required,
		.n_required = list_of(c, "required", required),
		.leeway = json_integer_value(json_object_get(c->in, "leeway")),
		.max_age = json_integer_value(json_object_get(c->in, "max_age")),
	};
	JoseTimes	times;
	size_t		len;
	char	   *payload = bytes_of(c, "payload", &len);
	JoseCode	code = jose_claims_check(HOST, payload, len, &want,
										 json_integer_value(json_object_get(c->in, "now")),
										 &times, &c->err);

	if (code == JOSE_OK)
	{
		if (times.has_exp)
			put(c, "exp", json_integer(times.exp));
		if (times.has_nbf)
			put(c, "nbf", json_integer(times.nbf));
		if (times.has_iat)
			put(c, "iat", json_integer(times.iat));
	}
	free(payload);
	return code;
}

static const struct
{
	const char *name;
	bool		has_key;
	JoseCode	(*run) (Call *c);
}			ops[] = {
	{ "key", true, do_key },
	{ "validate", true, do_validate },
	{ "thumbprint", true, do_thumbprint },
	{ "export", true, do_export },
	{ "generate", false, do_generate },
	{ "sign", true, do_sign },
	{ "verify", true, do_verify },
	{ "decode", false, do_decode },
	{ "claims", false, do_claims },
};

static void
answer(Call *c)
{
	const char *op = text_of(c, "op");
	JoseCode	code = JOSE_OK;
	size_t		i = 0;
	char	   *line;

	while (i < sizeof(ops) / sizeof(ops[0]) && (op == NULL || strcmp(ops[i].name, op) != 0))
		i++;
	if (i == sizeof(ops) / sizeof(ops[0]))
	{
		fprintf(stderr, "driver: no such op: %s\n", op != NULL ? op : "(none)");
		exit(2);
	}
	if (ops[i].has_key)
		code = load_key(c);
	if (code == JOSE_OK)
		code = ops[i].run(c);
	put(c, "code", json_string(jose_code_name(code)));
	if (code != JOSE_OK)
	{
		put(c, "message", json_string(c->err.message));
		put(c, "detail", json_string(c->err.detail));
		if (!error_is_sound(code, &c->err))
			put(c, "fault", json_string("the error is not what jose.h promises"));
	}
	jose_key_free(c->key);
	if (host.live != 0)
		put(c, "fault", json_string("blocks are left"));
	line = json_dumps(c->out, JSON_COMPACT);
	puts(line);
	fflush(stdout);
	free(line);
}

int
main(void)
{
	char	   *line = NULL;
	size_t		size = 0;
	ssize_t		n;

	while ((n = getline(&line, &size, stdin)) > 0)
	{
		Call		c = { .in = json_loadb(line, (size_t) n, 0, NULL), .out = json_object() };

		if (c.in == NULL)
		{
			fprintf(stderr, "driver: a line is not JSON\n");
			return 2;
		}
		answer(&c);
		json_decref(c.in);
		json_decref(c.out);
	}
	free(line);
	return 0;
}
