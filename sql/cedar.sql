/* cedar: the stateless functions of the language. */

CREATE FUNCTION authz.cedar_authorize(policies text, entities json, request json,
									  schema text DEFAULT NULL, links json DEFAULT NULL)
RETURNS json
LANGUAGE c IMMUTABLE PARALLEL SAFE CALLED ON NULL INPUT
AS 'MODULE_PATHNAME', 'authz_cedar_authorize';
COMMENT ON FUNCTION authz.cedar_authorize(text, json, json, text, json) IS
	'Decide a request by these policies and entities alone: {"decision", "diagnostics": {"reason", "errors"}}; policies are named policy0, policy1, ...; with a schema, what does not fit it is refused; links: [{"templateId", "newId", "values": {"?principal", "?resource"}}] of the templates among the policies';

CREATE FUNCTION authz.cedar_validate(policies text, schema text, level integer DEFAULT NULL,
	links json DEFAULT NULL,
	OUT policy_id text, OUT severity text, OUT code text, OUT message text, OUT help text,
	OUT start_byte integer, OUT end_byte integer, OUT line integer, OUT col integer)
RETURNS SETOF record
LANGUAGE c IMMUTABLE PARALLEL SAFE CALLED ON NULL INPUT ROWS 10
AS 'MODULE_PATHNAME', 'authz_cedar_validate';
COMMENT ON FUNCTION authz.cedar_validate(text, text, integer, json) IS
	'Check policies against a schema (Cedar syntax or JSON), one row a finding, none when all is well; with a level, also that no policy dereferences entities deeper; links of templates are checked, too';

CREATE FUNCTION authz.cedar_authorize_partial(policies text, entities json,
	principal text DEFAULT NULL, action text DEFAULT NULL, resource text DEFAULT NULL, context json DEFAULT '{}')
RETURNS json
LANGUAGE c IMMUTABLE PARALLEL SAFE CALLED ON NULL INPUT
AS 'MODULE_PATHNAME', 'authz_cedar_authorize_partial';
COMMENT ON FUNCTION authz.cedar_authorize_partial(text, json, text, text, text, json) IS
	'What is left of policies when principal, action or resource (null) is not known yet: {"decision": "allow", "deny" or null, "satisfied", "errored", "residuals": {id: policy as JSON}}';

CREATE FUNCTION authz.cedar_policy_to_json(policy text)
RETURNS json
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE
AS 'MODULE_PATHNAME', 'authz_cedar_policy_to_json';
COMMENT ON FUNCTION authz.cedar_policy_to_json(text) IS
	'One policy or template as JSON, in the form of the Cedar reference';

CREATE FUNCTION authz.cedar_schema_to_json(schema text)
RETURNS json
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE
AS 'MODULE_PATHNAME', 'authz_cedar_schema_to_json';
COMMENT ON FUNCTION authz.cedar_schema_to_json(text) IS
	'A schema, in either syntax, as JSON';

CREATE FUNCTION authz.cedar_schema_to_text(schema text)
RETURNS text
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE
AS 'MODULE_PATHNAME', 'authz_cedar_schema_to_text';
COMMENT ON FUNCTION authz.cedar_schema_to_text(text) IS
	'A schema, in either syntax, in the Cedar schema syntax';

CREATE FUNCTION authz.cedar_version()
RETURNS text
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE
AS 'MODULE_PATHNAME', 'authz_cedar_version';
COMMENT ON FUNCTION authz.cedar_version() IS
	'The version of the Cedar language that policies are written in';
