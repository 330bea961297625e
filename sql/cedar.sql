/* cedar: the stateless functions of the language. */

CREATE FUNCTION authz.cedar_authorize(policies text, entities json, request json,
									  schema text DEFAULT NULL)
RETURNS json
LANGUAGE c IMMUTABLE PARALLEL SAFE CALLED ON NULL INPUT
AS 'MODULE_PATHNAME', 'authz_cedar_authorize';
COMMENT ON FUNCTION authz.cedar_authorize(text, json, json, text) IS
	'Decide a request by these policies and entities alone: {"decision", "diagnostics": {"reason", "errors"}}; policies are named policy0, policy1, ...';

CREATE FUNCTION authz.cedar_version()
RETURNS text
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE
AS 'MODULE_PATHNAME', 'authz_cedar_version';
COMMENT ON FUNCTION authz.cedar_version() IS
	'The version of the Cedar language that policies are written in';
