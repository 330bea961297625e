-- What has to be equal after a dump or an upgrade.  Tables of all kinds are found, so
-- a new one is covered when it is made.
SET client_min_messages = warning;
SET authz.issuer = 'https://auth.example.com';
SET authz.audience = 'shop';
CREATE FUNCTION pg_temp.content(t regclass, OUT n bigint, OUT hash text) LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE format('SELECT count(*), md5(string_agg(md5(x::text), '''' ORDER BY md5(x::text))) FROM %s x', t) INTO n, hash;
END $$;
SELECT 'table', c.oid::regclass, x.n, x.hash FROM pg_class c, pg_temp.content(c.oid) x
	WHERE c.relname NOT LIKE 'audit\_logs%' AND c.relname <> 'policy_changes' AND c.relkind IN ('r', 'p') AND c.relnamespace IN ('authz'::regnamespace, 'public'::regnamespace) ORDER BY c.oid::regclass::text COLLATE "C";
SELECT 'trigger', tgrelid::regclass, tgname, tgenabled FROM pg_trigger
	WHERE NOT tgisinternal AND tgrelid::regclass::text LIKE 'authz%' ORDER BY 2, 3;
SELECT 'member', pg_describe_object(classid, objid, objsubid) FROM pg_depend
	WHERE deptype = 'e' AND refclassid = 'pg_extension'::regclass
		AND refobjid = (SELECT oid FROM pg_extension WHERE extname = 'authz')
		-- PostgreSQL 17 counts the types of rows and arrays, too
		AND NOT (classid = 'pg_type'::regclass AND (SELECT typrelid <> 0 OR typelem <> 0 FROM pg_type WHERE oid = objid))
	ORDER BY pg_describe_object(classid, objid, objsubid) COLLATE "C";
SELECT 'right', coalesce(r.rolname, 'public'), a.privilege_type, p.oid::regprocedure
	FROM pg_proc p, LATERAL aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) a LEFT JOIN pg_roles r ON r.oid = a.grantee
	WHERE p.pronamespace IN ('authz'::regnamespace, 'authz_api'::regnamespace) ORDER BY p.oid::regprocedure::text COLLATE "C", 2, 3;
SELECT 'policy version', policy_set, authz.policy_version(policy_set) FROM authz.policy_versions ORDER BY 2;
SELECT 'decision', s, u, a, d, x.decision, x.reasons, x.policy_version, x.errors
	FROM unnest(ARRAY['default', 'other']) s, (SELECT authz.entity_uid('User', 'u' || i) FROM generate_series(1, 25) i) us (u),
		unnest(ARRAY['Action::"view"', 'Action::"edit"']) a, (SELECT authz.entity_uid('Doc', 'd' || i) FROM generate_series(1, 20) i) ds (d),
		authz.authz_decide(u, a, d, '{}', NULL, s) x ORDER BY s, u, a, d;
SELECT 'decision of mapped', u, t, authz.authz_check(u, 'Action::"close"', t) FROM (SELECT authz.entity_uid('User', 'u' || i) FROM generate_series(1, 25) i) us (u),
	(SELECT authz.entity_uid('Ticket', i::text) FROM generate_series(1, 20) i) ts (t) ORDER BY u, t;
-- A restore of policies is a change of them, and recorded; what there was before is there.
SELECT 'record', tableoid::regclass, count(*), md5(string_agg(md5(l::text), '' ORDER BY md5(l::text))) FROM authz.audit_logs l
	WHERE created_at <= (SELECT at FROM public.made) GROUP BY tableoid ORDER BY 2;
SELECT 'diff', s, d.* FROM unnest(ARRAY['default', 'typed']) s, LATERAL (SELECT x.* FROM generate_series(1, authz.policy_version(s)) v, authz.policy_diff(v - 1, v, s) x) d ORDER BY s, d::text COLLATE "C";
SELECT 'test', r.* FROM authz.policy_test_results('other') r ORDER BY r::text COLLATE "C";
SELECT 'session', email, authz.jwt_verify(access_token) ->> 'sub' = (SELECT id::text FROM authz.users u WHERE u.email = t.email) FROM public.token t ORDER BY email;
