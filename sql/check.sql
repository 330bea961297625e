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
