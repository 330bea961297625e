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

-- Set by a token: until the transaction ends, whatever SQL does meanwhile.
SELECT authz.signing_key_create() IS NOT NULL AS created;
SELECT authz.jwt_sign('{"sub": "alice", "n": 1}') AS alice, authz.jwt_sign('{"sub": "alice", "n": 2}') AS alice2, authz.jwt_sign('{"sub": "bob"}') AS bob,
	authz.jwt_sign('{"principal": "App::Service::\"printer\"", "sub": "x"}') AS printer, authz.jwt_sign('{"role": "r"}') AS nobody,
	authz.jwt_sign('{"sub": "alice", "exp": 1}') AS expired, authz.jwt_sign('{"principal": "printer"}') AS malformed \gset
CREATE ROLE regress_authz_app LOGIN;
GRANT EXECUTE ON FUNCTION authz.set_principal(text), authz.current_principal(), authz.claims(), authz.http_pre_request() TO regress_authz_app;
CREATE FUNCTION who() RETURNS text LANGUAGE sql AS $$ SELECT concat_ws(' ', authz.current_principal(), authz.claims() - '{iat,exp}'::text[]) $$;
CREATE FUNCTION header(name text, value text) RETURNS void LANGUAGE sql AS $$ SELECT set_config('request.headers', jsonb_build_object(name, value)::text, true) $$;
SET SESSION AUTHORIZATION regress_authz_app;
SELECT authz.set_principal(:'alice'), who();
SELECT who();
BEGIN;
SELECT authz.set_principal(:'alice');
SELECT who();
SET request.jwt.claims = '{"sub": "bob"}';
SET LOCAL role = regress_authz_app;
SELECT set_config('request.jwt.claims', '{"sub": "bob"}', false), set_config('role', 'none', false);
RESET ROLE;
RESET ALL;
DISCARD TEMP;
SELECT who();
SAVEPOINT s;
SELECT who();
SELECT authz.set_principal(:'bob');
ROLLBACK TO s;
SELECT who();
SELECT authz.set_principal(:'alice2');
SELECT who();
RELEASE s;
SAVEPOINT s;
SELECT 1 / 0;
ROLLBACK TO s;
SELECT who();
COMMIT;
SELECT who();
-- A subtransaction that sets it and is rolled back: it stays set, and nobody else can be.
BEGIN;
SAVEPOINT s;
SELECT authz.set_principal(:'alice');
ROLLBACK TO s;
SELECT who();
SELECT authz.set_principal(:'bob');
ROLLBACK;
SELECT who();
-- A token that is refused sets nothing.
BEGIN;
SAVEPOINT s;
SELECT authz.set_principal(:'nobody');
ROLLBACK TO s;
SELECT authz.set_principal(:'malformed');
ROLLBACK TO s;
SELECT authz.set_principal('a.b.c');
ROLLBACK TO s;
\set VERBOSITY terse
SELECT authz.set_principal(:'expired');
\set VERBOSITY default
ROLLBACK TO s;
SELECT who(), authz.set_principal(NULL);
SELECT authz.set_principal(:'printer'), who();
COMMIT;
BEGIN ISOLATION LEVEL SERIALIZABLE READ ONLY;
SELECT authz.set_principal(:'bob'), who();
COMMIT;
-- The bearer token of a request's headers.
BEGIN;
SELECT header('host', 'localhost'), authz.http_pre_request(), who();
SELECT header('authorization', 'Basic YTpi'), authz.http_pre_request(), who();
SELECT header('authorization', 'bearer  ' || :'alice'), authz.http_pre_request(), who();
SELECT header('authorization', 'Bearer ' || :'bob'), authz.http_pre_request(), who();
ROLLBACK;
BEGIN;
SELECT header('authorization', 'Bearer ' || :'nobody'), authz.http_pre_request(), who();
DO $$
DECLARE
	detail text;
BEGIN
	PERFORM header('authorization', 'Bearer x'), authz.http_pre_request();
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS detail = PG_EXCEPTION_DETAIL;
	RAISE INFO USING MESSAGE = concat_ws(' ', SQLSTATE, SQLERRM, detail);
END $$;
ROLLBACK;
RESET SESSION AUTHORIZATION;
-- It has to be the one that the gateway took the claims from: of several
-- Authorization headers PostgREST verifies the first and hands on the last.
CREATE FUNCTION gateway(claims jsonb) RETURNS text LANGUAGE sql AS $$
	SELECT set_config('request.jwt.claims', claims::text, true) $$;
BEGIN;
SELECT header('authorization', E'Bearer\t' || :'alice') IS NULL, gateway(authz.jwt_decode(:'alice') -> 'claims' || '{"role": "added"}') IS NULL,
	authz.http_pre_request(), authz.current_principal();
SAVEPOINT s;
SELECT gateway(authz.jwt_decode(:'alice') -> 'claims' || '{"groups": ["staff"]}') IS NULL, authz.http_pre_request();
ROLLBACK TO s;
SELECT gateway(authz.jwt_decode(:'bob') -> 'claims') IS NULL, authz.http_pre_request();
ROLLBACK TO s;
SELECT header('authorization', 'Digest x') IS NULL, authz.http_pre_request();
ROLLBACK TO s;
SELECT header('host', 'localhost') IS NULL, gateway('{"role": "anonymous"}') IS NULL, authz.http_pre_request();
ROLLBACK;
BEGIN;
SELECT authz.jwt_sign('{"sub": "alice", "role": "reader"}') AS reader \gset
SELECT header('authorization', 'Bearer ' || :'reader') IS NULL, gateway(authz.jwt_decode(:'reader') -> 'claims') IS NULL, authz.http_pre_request();
SELECT gateway(authz.jwt_decode(:'reader') -> 'claims' || '{"role": "writer"}') IS NULL, authz.http_pre_request();
ROLLBACK;
-- A pinned principal goes before what a gateway says.
SELECT authz.gateway_register('regress_authz_app');
SET SESSION AUTHORIZATION regress_authz_app;
SET request.jwt.claims = '{"sub": "carol"}';
SELECT who();
BEGIN;
SELECT authz.set_principal(:'alice');
SELECT who();
COMMIT;
SELECT who();
RESET request.jwt.claims;
RESET SESSION AUTHORIZATION;
SELECT authz.gateway_unregister('regress_authz_app');
DROP FUNCTION who, header;
DROP OWNED BY regress_authz_app;
DROP ROLE regress_authz_app;
DELETE FROM authz.signing_keys;

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
-- Nulls everywhere are an error or an answer, never a crash or an internal error.
DO $$
DECLARE
	f record;
	called int := 0;
BEGIN
	FOR f IN
		SELECT p.oid::regprocedure AS name, format('SELECT count(*) FROM %s(%s)', p.oid::regproc,
			(SELECT string_agg('NULL::' || format_type(t, NULL), ', ') FROM unnest(p.proargtypes) t)) AS command
		FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
		WHERE n.nspname IN ('authz', 'authz_api') AND NOT p.proisstrict AND p.pronargs > 0
		ORDER BY p.oid::regprocedure::text COLLATE "C"
	LOOP
		called := called + 1;
		BEGIN
			EXECUTE f.command;
			RAISE EXCEPTION USING ERRCODE = 'ZZZZZ';
		EXCEPTION
			WHEN internal_error THEN
				RAISE INFO '%: %', f.name, SQLERRM;
			WHEN OTHERS THEN
				NULL;
		END;
	END LOOP;
	RAISE INFO 'more than 100: %', called > 100;
END $$;
-- Default privileges give nobody anything of it, of audit months made later neither.
BEGIN;
CREATE ROLE regress_authz_reader;
ALTER DEFAULT PRIVILEGES GRANT ALL ON TABLES TO regress_authz_reader;
ALTER DEFAULT PRIVILEGES GRANT ALL ON SEQUENCES TO regress_authz_reader;
ALTER DEFAULT PRIVILEGES GRANT ALL ON FUNCTIONS TO regress_authz_reader;
ALTER DEFAULT PRIVILEGES GRANT ALL ON SCHEMAS TO regress_authz_reader;
SET LOCAL client_min_messages = warning;
DROP EXTENSION authz CASCADE;
CREATE EXTENSION authz;
SELECT authz.audit_partition_create('2001-01-01');
SELECT a.grantee::regrole, a.privilege_type, c.oid::regclass FROM pg_class c, aclexplode(c.relacl) a
WHERE c.relnamespace IN ('authz'::regnamespace, 'authz_api'::regnamespace) AND a.grantee <> c.relowner;
SELECT a.grantee::regrole, p.oid::regprocedure FROM pg_proc p, aclexplode(p.proacl) a
WHERE p.pronamespace IN ('authz'::regnamespace, 'authz_api'::regnamespace) AND a.grantee NOT IN (0, p.proowner);
SELECT a.grantee::regrole, a.privilege_type, n.oid::regnamespace FROM pg_namespace n, aclexplode(n.nspacl) a
WHERE n.nspname LIKE 'authz%' AND a.grantee NOT IN (0, n.nspowner);
ROLLBACK;
