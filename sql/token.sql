/* token: who is asking. */

CREATE TABLE authz.gateway_roles (
	role_name name PRIMARY KEY
);
COMMENT ON TABLE authz.gateway_roles IS
	'Login roles whose sessions'' request.jwt.claims is believed, such as PostgREST''s authenticator';
COMMENT ON COLUMN authz.gateway_roles.role_name IS 'The role that opens the session (session_user)';
SELECT pg_extension_config_dump('authz.gateway_roles', '');

CREATE FUNCTION authz.gateway_register(role regrole) RETURNS void
LANGUAGE sql VOLATILE STRICT
BEGIN ATOMIC
	INSERT INTO authz.gateway_roles (role_name)
		SELECT rolname FROM pg_roles WHERE oid = role
		ON CONFLICT DO NOTHING;
END;
COMMENT ON FUNCTION authz.gateway_register(regrole) IS
	'From now on, believe request.jwt.claims in sessions that this role has opened';

CREATE FUNCTION authz.gateway_unregister(role regrole) RETURNS boolean
LANGUAGE sql VOLATILE STRICT
BEGIN ATOMIC
	WITH gone AS (
		DELETE FROM authz.gateway_roles
		WHERE role_name = (SELECT rolname FROM pg_roles WHERE oid = role)
		RETURNING 1)
	SELECT EXISTS (SELECT FROM gone);
END;
COMMENT ON FUNCTION authz.gateway_unregister(regrole) IS
	'Believe this role no longer; false when it was no gateway. Call it before dropping the role';

CREATE FUNCTION authz.current_principal() RETURNS authz.entity_uid
LANGUAGE c STABLE PARALLEL RESTRICTED AS 'MODULE_PATHNAME', 'authz_current_principal';
COMMENT ON FUNCTION authz.current_principal() IS
	'The principal of the request at hand, by the claims of a registered gateway: claim principal, else sub; null when there is none';

REVOKE ALL ON FUNCTION authz.gateway_register(regrole), authz.gateway_unregister(regrole),
	authz.current_principal() FROM PUBLIC;
