/* check: decisions over the stored policies and entities. */

/*
 * Restricted to the leader of a parallel query: a worker has a memory of its
 * own and could take up a newer version of the policies.
 */
CREATE FUNCTION authz.authz_check(
	principal authz.entity_uid, action authz.entity_uid, resource authz.entity_uid,
	context jsonb DEFAULT '{}', entities jsonb DEFAULT NULL, policy_set text DEFAULT NULL)
RETURNS boolean
LANGUAGE c STABLE PARALLEL RESTRICTED CALLED ON NULL INPUT COST 100
AS 'MODULE_PATHNAME', 'authz_check';
COMMENT ON FUNCTION authz.authz_check(authz.entity_uid, authz.entity_uid, authz.entity_uid, jsonb, jsonb, text) IS
	'May the principal do the action on the resource? entities (Cedar''s entities JSON) are merged over the stored ones';

CREATE FUNCTION authz.authz_decide(
	principal authz.entity_uid, action authz.entity_uid, resource authz.entity_uid,
	context jsonb DEFAULT '{}', entities jsonb DEFAULT NULL, policy_set text DEFAULT NULL,
	OUT decision text, OUT reasons text[], OUT errors jsonb, OUT policy_version bigint)
LANGUAGE c STABLE PARALLEL RESTRICTED CALLED ON NULL INPUT COST 100
AS 'MODULE_PATHNAME', 'authz_decide';
COMMENT ON FUNCTION authz.authz_decide(authz.entity_uid, authz.entity_uid, authz.entity_uid, jsonb, jsonb, text) IS
	'allow or deny, the ids of the policies that determined it, the errors of those that failed, and the version of the policy set';

REVOKE ALL ON FUNCTION
	authz.authz_check(authz.entity_uid, authz.entity_uid, authz.entity_uid, jsonb, jsonb, text),
	authz.authz_decide(authz.entity_uid, authz.entity_uid, authz.entity_uid, jsonb, jsonb, text)
	FROM PUBLIC;

/*
 * The same for drivers that bind the context as text or varchar.  They run
 * with the caller's rights, so they open nothing that is not open to it.
 */
CREATE FUNCTION authz.authz_check(
	principal authz.entity_uid, action authz.entity_uid, resource authz.entity_uid,
	context text, entities text DEFAULT NULL, policy_set text DEFAULT NULL)
RETURNS boolean
LANGUAGE sql STABLE PARALLEL RESTRICTED
RETURN authz.authz_check(principal, action, resource, context::jsonb, entities::jsonb, policy_set);
COMMENT ON FUNCTION authz.authz_check(authz.entity_uid, authz.entity_uid, authz.entity_uid, text, text, text) IS
	'The same, context and entities as text';

CREATE FUNCTION authz.authz_decide(
	principal authz.entity_uid, action authz.entity_uid, resource authz.entity_uid,
	context text, entities text DEFAULT NULL, policy_set text DEFAULT NULL,
	OUT decision text, OUT reasons text[], OUT errors jsonb, OUT policy_version bigint)
LANGUAGE sql STABLE PARALLEL RESTRICTED
BEGIN ATOMIC
	SELECT d.decision, d.reasons, d.errors, d.policy_version
	FROM authz.authz_decide(principal, action, resource, context::jsonb, entities::jsonb, policy_set) d;
END;
COMMENT ON FUNCTION authz.authz_decide(authz.entity_uid, authz.entity_uid, authz.entity_uid, text, text, text) IS
	'The same, context and entities as text';

/*
 * Batches.  The form with arrays takes contexts always: so a call with three
 * parameters of unknown type can mean the other form alone.
 */
CREATE FUNCTION authz.authz_check_batch(
	principals authz.entity_uid[], actions authz.entity_uid[], resources authz.entity_uid[],
	contexts jsonb[], entities jsonb DEFAULT NULL, policy_set text DEFAULT NULL,
	OUT n integer, OUT allowed boolean)
RETURNS SETOF record
LANGUAGE c STABLE PARALLEL RESTRICTED CALLED ON NULL INPUT COST 10000 ROWS 1000
AS 'MODULE_PATHNAME', 'authz_check_batch_arrays';
COMMENT ON FUNCTION authz.authz_check_batch(authz.entity_uid[], authz.entity_uid[], authz.entity_uid[], jsonb[], jsonb, text) IS
	'authz_check for up to 10,000 requests at once, of parallel arrays; an array of one element counts for all, null contexts are empty. n counts from 1';

CREATE FUNCTION authz.authz_check_batch(
	requests jsonb, entities jsonb DEFAULT NULL, policy_set text DEFAULT NULL,
	OUT n integer, OUT allowed boolean)
RETURNS SETOF record
LANGUAGE c STABLE PARALLEL RESTRICTED CALLED ON NULL INPUT COST 10000 ROWS 1000
AS 'MODULE_PATHNAME', 'authz_check_batch_json';
COMMENT ON FUNCTION authz.authz_check_batch(jsonb, jsonb, text) IS
	'The same, requests as a JSON array of {"principal", "action", "resource", "context"}';

CREATE FUNCTION authz.authz_decide_batch(
	principals authz.entity_uid[], actions authz.entity_uid[], resources authz.entity_uid[],
	contexts jsonb[], entities jsonb DEFAULT NULL, policy_set text DEFAULT NULL,
	OUT n integer, OUT decision text, OUT reasons text[], OUT errors jsonb, OUT policy_version bigint)
RETURNS SETOF record
LANGUAGE c STABLE PARALLEL RESTRICTED CALLED ON NULL INPUT COST 10000 ROWS 1000
AS 'MODULE_PATHNAME', 'authz_decide_batch_arrays';
COMMENT ON FUNCTION authz.authz_decide_batch(authz.entity_uid[], authz.entity_uid[], authz.entity_uid[], jsonb[], jsonb, text) IS
	'authz_decide for up to 10,000 requests at once, given as for authz_check_batch';

CREATE FUNCTION authz.authz_decide_batch(
	requests jsonb, entities jsonb DEFAULT NULL, policy_set text DEFAULT NULL,
	OUT n integer, OUT decision text, OUT reasons text[], OUT errors jsonb, OUT policy_version bigint)
RETURNS SETOF record
LANGUAGE c STABLE PARALLEL RESTRICTED CALLED ON NULL INPUT COST 10000 ROWS 1000
AS 'MODULE_PATHNAME', 'authz_decide_batch_json';
COMMENT ON FUNCTION authz.authz_decide_batch(jsonb, jsonb, text) IS
	'The same, requests as a JSON array of {"principal", "action", "resource", "context"}';

REVOKE ALL ON FUNCTION
	authz.authz_check_batch(authz.entity_uid[], authz.entity_uid[], authz.entity_uid[], jsonb[], jsonb, text),
	authz.authz_check_batch(jsonb, jsonb, text),
	authz.authz_decide_batch(authz.entity_uid[], authz.entity_uid[], authz.entity_uid[], jsonb[], jsonb, text),
	authz.authz_decide_batch(jsonb, jsonb, text)
	FROM PUBLIC;

/* JSON bound as text or varchar; with the caller's rights, as above. */
CREATE FUNCTION authz.authz_check_batch(
	requests text, entities text DEFAULT NULL, policy_set text DEFAULT NULL,
	OUT n integer, OUT allowed boolean)
RETURNS SETOF record
LANGUAGE sql STABLE PARALLEL RESTRICTED ROWS 1000
BEGIN ATOMIC
	SELECT b.n, b.allowed
	FROM authz.authz_check_batch(requests::jsonb, entities::jsonb, policy_set) b;
END;
COMMENT ON FUNCTION authz.authz_check_batch(text, text, text) IS
	'The same, requests and entities as text';

CREATE FUNCTION authz.authz_decide_batch(
	requests text, entities text DEFAULT NULL, policy_set text DEFAULT NULL,
	OUT n integer, OUT decision text, OUT reasons text[], OUT errors jsonb, OUT policy_version bigint)
RETURNS SETOF record
LANGUAGE sql STABLE PARALLEL RESTRICTED ROWS 1000
BEGIN ATOMIC
	SELECT b.n, b.decision, b.reasons, b.errors, b.policy_version
	FROM authz.authz_decide_batch(requests::jsonb, entities::jsonb, policy_set) b;
END;
COMMENT ON FUNCTION authz.authz_decide_batch(text, text, text) IS
	'The same, requests and entities as text';

/* Explanations show values of entities: to whom, is the administrator's choice. */
CREATE FUNCTION authz.authz_explain(
	principal authz.entity_uid, action authz.entity_uid, resource authz.entity_uid,
	context jsonb DEFAULT '{}', entities jsonb DEFAULT NULL, policy_set text DEFAULT NULL,
	all_policies boolean DEFAULT false,
	OUT policy_id text, OUT effect text, OUT status text, OUT part text, OUT expression text,
	OUT "position" integer, OUT "values" jsonb, OUT error text, OUT missed integer)
RETURNS SETOF record
LANGUAGE c STABLE PARALLEL RESTRICTED CALLED ON NULL INPUT COST 10000 ROWS 20
AS 'MODULE_PATHNAME', 'authz_explain';
COMMENT ON FUNCTION authz.authz_explain(authz.entity_uid, authz.entity_uid, authz.entity_uid, jsonb, jsonb, text, boolean) IS
	'For each policy that the scope index names (or all_policies): satisfied, unsatisfied or error; the first part of it that did not match, with the text, the character position and the values that it saw. Shows attributes of entities';

CREATE FUNCTION authz.authz_explain_text(
	principal authz.entity_uid, action authz.entity_uid, resource authz.entity_uid,
	context jsonb DEFAULT '{}', entities jsonb DEFAULT NULL, policy_set text DEFAULT NULL)
RETURNS text
LANGUAGE c STABLE PARALLEL RESTRICTED CALLED ON NULL INPUT COST 10000
AS 'MODULE_PATHNAME', 'authz_explain_text';
COMMENT ON FUNCTION authz.authz_explain_text(authz.entity_uid, authz.entity_uid, authz.entity_uid, jsonb, jsonb, text) IS
	'The decision and why, to be read; where nothing permits, the policies that are nearest to. Shows attributes of entities';

REVOKE ALL ON FUNCTION
	authz.authz_explain(authz.entity_uid, authz.entity_uid, authz.entity_uid, jsonb, jsonb, text, boolean),
	authz.authz_explain_text(authz.entity_uid, authz.entity_uid, authz.entity_uid, jsonb, jsonb, text)
	FROM PUBLIC;

/* JSON bound as text or varchar; with the caller's rights, as above. */
CREATE FUNCTION authz.authz_explain(
	principal authz.entity_uid, action authz.entity_uid, resource authz.entity_uid,
	context text, entities text DEFAULT NULL, policy_set text DEFAULT NULL,
	all_policies boolean DEFAULT false,
	OUT policy_id text, OUT effect text, OUT status text, OUT part text, OUT expression text,
	OUT "position" integer, OUT "values" jsonb, OUT error text, OUT missed integer)
RETURNS SETOF record
LANGUAGE sql STABLE PARALLEL RESTRICTED ROWS 20
BEGIN ATOMIC
	SELECT x.policy_id, x.effect, x.status, x.part, x.expression, x."position", x."values", x.error, x.missed
	FROM authz.authz_explain(principal, action, resource, context::jsonb, entities::jsonb, policy_set, all_policies) x;
END;
COMMENT ON FUNCTION authz.authz_explain(authz.entity_uid, authz.entity_uid, authz.entity_uid, text, text, text, boolean) IS
	'The same, context and entities as text';

CREATE FUNCTION authz.authz_explain_text(
	principal authz.entity_uid, action authz.entity_uid, resource authz.entity_uid,
	context text, entities text DEFAULT NULL, policy_set text DEFAULT NULL)
RETURNS text
LANGUAGE sql STABLE PARALLEL RESTRICTED
RETURN authz.authz_explain_text(principal, action, resource, context::jsonb, entities::jsonb, policy_set);
COMMENT ON FUNCTION authz.authz_explain_text(authz.entity_uid, authz.entity_uid, authz.entity_uid, text, text, text) IS
	'The same, context and entities as text';
