-- Who is asking.
\pset null '(null)'
CREATE ROLE regress_authz_gateway LOGIN;
CREATE ROLE regress_authz_other LOGIN;
CREATE FUNCTION ask(claims text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	PERFORM set_config('request.jwt.claims', claims, true);
	RETURN authz.current_principal();
EXCEPTION WHEN OTHERS THEN
	RETURN SQLSTATE || ' ' || SQLERRM;
END $$;
GRANT EXECUTE ON FUNCTION authz.current_principal() TO regress_authz_gateway, regress_authz_other;

-- Nobody: no gateway, not even a superuser.
SELECT authz.current_principal(), ask('{"sub": "alice"}');
SELECT authz.gateway_register('regress_authz_gateway');
SELECT authz.gateway_register('regress_authz_gateway');
SELECT * FROM authz.gateway_roles;
SELECT authz.current_principal(), ask('{"sub": "alice"}');

-- The session's role counts, not the current one.
SET ROLE regress_authz_gateway;
SELECT ask('{"sub": "alice"}');
RESET ROLE;
SET SESSION AUTHORIZATION regress_authz_other;
SELECT ask('{"sub": "alice"}');
SET SESSION AUTHORIZATION regress_authz_gateway;
SELECT claims, ask(claims) FROM (VALUES
	('{"sub": "alice"}'), ('{"sub": "a\"b\\"}'), ('{"sub": ""}'),
	('{"sub": "alice", "principal": "App::Service::\"printer\""}'),
	('{"principal": "App::Service::\"printer\"", "sub": null}'),
	('{"sub": "alice", "principal": "printer"}'), ('{"sub": "alice", "principal": null}'),
	('{"sub": 7}'), ('{"sub": null}'), ('{"sub": ["alice"]}'), ('{"role": "authz_user"}'), ('{}'),
	('[]'), ('"alice"'), ('{"sub": "alice"'), (''), ('{"sub": "\u0000"}')) v (claims);
SET authz.principal_type = 'App::User';
RESET SESSION AUTHORIZATION;
SET authz.principal_type = 'App User';
SET authz.principal_type = 'App::User';
SET SESSION AUTHORIZATION regress_authz_gateway;
SELECT ask('{"sub": "alice"}');
RESET SESSION AUTHORIZATION;
RESET authz.principal_type;

-- No longer a gateway.
SELECT authz.gateway_unregister('regress_authz_gateway'), authz.gateway_unregister('regress_authz_gateway');
SET SESSION AUTHORIZATION regress_authz_gateway;
SELECT ask('{"sub": "alice"}');
SELECT authz.gateway_register('regress_authz_gateway');
INSERT INTO authz.gateway_roles VALUES ('regress_authz_gateway');
RESET SESSION AUTHORIZATION;

DROP FUNCTION ask;
REVOKE EXECUTE ON FUNCTION authz.current_principal() FROM regress_authz_gateway, regress_authz_other;
DROP ROLE regress_authz_gateway, regress_authz_other;

-- What everybody may execute: the type, the stateless functions, and wrappers that check the caller's right.
SELECT p.oid::regprocedure AS open_to_all
FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
WHERE nspname IN ('authz', 'authz_api') AND has_function_privilege('public', p.oid, 'EXECUTE')
ORDER BY p.oid::regprocedure::text COLLATE "C";
SELECT c.oid::regclass AS open_to_all
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE nspname IN ('authz', 'authz_api') AND relkind IN ('r', 'p', 'v', 'm', 'S', 'f')
  AND has_table_privilege('public', c.oid, 'SELECT, INSERT, UPDATE, DELETE, TRUNCATE, REFERENCES, TRIGGER');
-- SECURITY DEFINER functions pin their search_path.
SELECT p.oid::regprocedure AS unpinned
FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
WHERE nspname IN ('authz', 'authz_api') AND prosecdef
  AND NOT coalesce('search_path=pg_catalog, pg_temp' = ANY (proconfig), false);
-- Everything that has a name has a comment.
SELECT pg_describe_object(classid, objid, 0) AS without_comment
FROM pg_depend d
WHERE refclassid = 'pg_extension'::regclass AND deptype = 'e'
  AND refobjid = (SELECT oid FROM pg_extension WHERE extname = 'authz')
  AND classid IN ('pg_proc'::regclass, 'pg_class'::regclass, 'pg_namespace'::regclass, 'pg_operator'::regclass)
  AND obj_description(objid, classid::regclass::name) IS NULL
ORDER BY 1;
SELECT a.attrelid::regclass, attname AS without_comment
FROM pg_attribute a JOIN pg_class c ON c.oid = attrelid
WHERE relnamespace = 'authz'::regnamespace AND relkind = 'r' AND attnum > 0 AND col_description(c.oid, attnum) IS NULL;
