/* filter: decisions about all rows of an entity type at once. */

CREATE FUNCTION authz.authz_filter(
	principal authz.entity_uid, action authz.entity_uid, resource_type text,
	context jsonb DEFAULT '{}', table_alias text DEFAULT NULL, policy_set text DEFAULT NULL)
RETURNS text
LANGUAGE c STABLE PARALLEL RESTRICTED CALLED ON NULL INPUT COST 1000
AS 'MODULE_PATHNAME', 'authz_filter';
COMMENT ON FUNCTION authz.authz_filter(authz.entity_uid, authz.entity_uid, text, jsonb, text, text) IS
	'The condition, as SQL text for WHERE in a query on the mapped table (or on authz.entities), that is true for exactly the rows on which the principal may do the action; table_alias is what the query calls the table (default: its name); the text holds the principal and the policies as of now';

CREATE FUNCTION authz.authz_explain_filter(
	principal authz.entity_uid, action authz.entity_uid, resource_type text,
	context jsonb DEFAULT '{}', policy_set text DEFAULT NULL,
	OUT policy_id text, OUT effect text, OUT state text, OUT condition text, OUT reason text)
RETURNS SETOF record
LANGUAGE c STABLE PARALLEL RESTRICTED CALLED ON NULL INPUT COST 1000
AS 'MODULE_PATHNAME', 'authz_explain_filter';
COMMENT ON FUNCTION authz.authz_explain_filter(authz.entity_uid, authz.entity_uid, text, jsonb, text) IS
	'What each policy that can still matter adds to authz_filter: state always, error, native (a condition of SQL) or call (asked for each row, and the reason why)';

CREATE FUNCTION authz.authz_resources(
	principal authz.entity_uid, action authz.entity_uid, resource_type text,
	context jsonb DEFAULT '{}', after authz.entity_uid DEFAULT NULL, "limit" integer DEFAULT 100,
	policy_set text DEFAULT NULL)
RETURNS SETOF authz.entity_uid
LANGUAGE c STABLE PARALLEL RESTRICTED CALLED ON NULL INPUT COST 1000
AS 'MODULE_PATHNAME', 'authz_resources';
COMMENT ON FUNCTION authz.authz_resources(authz.entity_uid, authz.entity_uid, text, jsonb, authz.entity_uid, integer, text) IS
	'The entities of a type on which the principal may do the action, in the order of their ids; a page begins behind "after" (null: at the first one) and has at most "limit" of them (null: all)';

CREATE FUNCTION authz.authz_principals(
	action authz.entity_uid, resource authz.entity_uid, principal_type text,
	context jsonb DEFAULT '{}', after authz.entity_uid DEFAULT NULL, "limit" integer DEFAULT 100,
	policy_set text DEFAULT NULL)
RETURNS SETOF authz.entity_uid
LANGUAGE c STABLE PARALLEL RESTRICTED CALLED ON NULL INPUT COST 1000
AS 'MODULE_PATHNAME', 'authz_principals';
COMMENT ON FUNCTION authz.authz_principals(authz.entity_uid, authz.entity_uid, text, jsonb, authz.entity_uid, integer, text) IS
	'The entities of a type that may do the action on the resource, in pages as of authz_resources';

CREATE FUNCTION authz.authz_actions(
	principal authz.entity_uid, resource authz.entity_uid,
	context jsonb DEFAULT '{}', policy_set text DEFAULT NULL)
RETURNS SETOF authz.entity_uid
LANGUAGE c STABLE PARALLEL RESTRICTED CALLED ON NULL INPUT COST 1000
AS 'MODULE_PATHNAME', 'authz_actions';
COMMENT ON FUNCTION authz.authz_actions(authz.entity_uid, authz.entity_uid, jsonb, text) IS
	'The actions, of the schema in force or else of those that policies name in their scopes, that the principal may do on the resource';

REVOKE ALL ON FUNCTION
	authz.authz_filter(authz.entity_uid, authz.entity_uid, text, jsonb, text, text),
	authz.authz_explain_filter(authz.entity_uid, authz.entity_uid, text, jsonb, text),
	authz.authz_resources(authz.entity_uid, authz.entity_uid, text, jsonb, authz.entity_uid, integer, text),
	authz.authz_principals(authz.entity_uid, authz.entity_uid, text, jsonb, authz.entity_uid, integer, text),
	authz.authz_actions(authz.entity_uid, authz.entity_uid, jsonb, text)
	FROM PUBLIC;

/* What the conditions are made of.  The two that look into the store are granted with it. */

CREATE FUNCTION authz.filter_in(entity authz.entity_uid, targets authz.entity_uid[]) RETURNS boolean
LANGUAGE c STABLE STRICT PARALLEL RESTRICTED COST 100 AS 'MODULE_PATHNAME', 'authz_filter_in';
COMMENT ON FUNCTION authz.filter_in(authz.entity_uid, authz.entity_uid[]) IS
	'Is the entity one of the targets, or in one of them?';

CREATE FUNCTION authz.filter_policy(policy_set text, policy_id text, principal authz.entity_uid,
	action authz.entity_uid, resource authz.entity_uid, context jsonb) RETURNS boolean
LANGUAGE c STABLE STRICT PARALLEL RESTRICTED COST 100 AS 'MODULE_PATHNAME', 'authz_filter_policy';
COMMENT ON FUNCTION authz.filter_policy(text, text, authz.entity_uid, authz.entity_uid, authz.entity_uid, jsonb) IS
	'Does the request satisfy this one policy? Not a decision';
REVOKE ALL ON FUNCTION authz.filter_in(authz.entity_uid, authz.entity_uid[]),
	authz.filter_policy(text, text, authz.entity_uid, authz.entity_uid, authz.entity_uid, jsonb) FROM PUBLIC;

CREATE FUNCTION authz.filter_add(bigint, bigint) RETURNS bigint
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'authz_filter_add';
CREATE FUNCTION authz.filter_subtract(bigint, bigint) RETURNS bigint
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'authz_filter_subtract';
CREATE FUNCTION authz.filter_multiply(bigint, bigint) RETURNS bigint
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'authz_filter_multiply';
CREATE FUNCTION authz.filter_negate(bigint) RETURNS bigint
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'authz_filter_negate';
CREATE FUNCTION authz.filter_long(jsonb) RETURNS bigint
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'authz_filter_long';
COMMENT ON FUNCTION authz.filter_add(bigint, bigint) IS 'The sum; null on overflow';
COMMENT ON FUNCTION authz.filter_subtract(bigint, bigint) IS 'The difference; null on overflow';
COMMENT ON FUNCTION authz.filter_multiply(bigint, bigint) IS 'The product; null on overflow';
COMMENT ON FUNCTION authz.filter_negate(bigint) IS 'The negation; null on overflow';
COMMENT ON FUNCTION authz.filter_long(jsonb) IS 'An integer in JSON; null for any other value, raises for what is none of Cedar''s';

CREATE FUNCTION authz.filter_milliseconds(timestamptz) RETURNS bigint
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'authz_filter_milliseconds_timestamp';
CREATE FUNCTION authz.filter_milliseconds(timestamp) RETURNS bigint
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'authz_filter_milliseconds_timestamp';
CREATE FUNCTION authz.filter_milliseconds(date) RETURNS bigint
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'authz_filter_milliseconds_date';
CREATE FUNCTION authz.filter_milliseconds(interval) RETURNS bigint
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'authz_filter_milliseconds_interval';
COMMENT ON FUNCTION authz.filter_milliseconds(timestamptz) IS 'Cedar''s datetime, in milliseconds since 1970; raises for infinity';
COMMENT ON FUNCTION authz.filter_milliseconds(timestamp) IS 'Cedar''s datetime, taken as UTC, in milliseconds since 1970; raises for infinity';
COMMENT ON FUNCTION authz.filter_milliseconds(date) IS 'Cedar''s datetime, in milliseconds since 1970; raises for infinity';
COMMENT ON FUNCTION authz.filter_milliseconds(interval) IS 'Cedar''s duration, in milliseconds; raises for months';

CREATE FUNCTION authz.filter_fits(timestamptz) RETURNS boolean
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'authz_filter_fits_timestamp';
CREATE FUNCTION authz.filter_fits(timestamp) RETURNS boolean
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'authz_filter_fits_timestamp';
CREATE FUNCTION authz.filter_fits(date) RETURNS boolean
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'authz_filter_fits_date';
CREATE FUNCTION authz.filter_fits(numeric) RETURNS boolean
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'authz_filter_fits_numeric';
CREATE FUNCTION authz.filter_fits(anyarray) RETURNS boolean
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'authz_filter_fits_array';
CREATE FUNCTION authz.filter_fits(jsonb) RETURNS boolean
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'authz_filter_fits_json';
COMMENT ON FUNCTION authz.filter_fits(timestamptz) IS 'True; raises for what Cedar has no value for, as a decision does';
COMMENT ON FUNCTION authz.filter_fits(timestamp) IS 'True; raises for what Cedar has no value for, as a decision does';
COMMENT ON FUNCTION authz.filter_fits(date) IS 'True; raises for what Cedar has no value for, as a decision does';
COMMENT ON FUNCTION authz.filter_fits(numeric) IS 'True; raises for what Cedar has no value for, as a decision does';
COMMENT ON FUNCTION authz.filter_fits(anyarray) IS 'True; raises for what Cedar has no value for, as a decision does';
COMMENT ON FUNCTION authz.filter_fits(jsonb) IS 'True; raises for what Cedar has no value for, as a decision does';
