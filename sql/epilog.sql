/*
 * What ALTER DEFAULT PRIVILEGES has given to others is taken back: nothing is
 * anybody's until it is granted here.  PUBLIC keeps what the parts left it.
 */
SELECT authz.keep_private(c.oid) FROM pg_class c
WHERE c.relnamespace IN ('authz'::regnamespace, 'authz_api'::regnamespace) AND c.relacl IS NOT NULL AND c.relkind <> 'c';

DO $$
DECLARE
	command text;
BEGIN
	FOR command IN
		SELECT format('REVOKE ALL ON FUNCTION %s FROM %s', p.oid::regprocedure, a.grantee::regrole)
		FROM pg_proc p, aclexplode(p.proacl) a
		WHERE p.pronamespace IN ('authz'::regnamespace, 'authz_api'::regnamespace) AND a.grantee NOT IN (0, p.proowner)
		UNION
		SELECT format('REVOKE ALL ON SCHEMA %s FROM %s', n.oid::regnamespace, a.grantee::regrole)
		FROM pg_namespace n, aclexplode(n.nspacl) a
		WHERE n.nspname IN ('authz', 'authz_api', 'authz_mapping') AND a.grantee NOT IN (0, n.nspowner)
	LOOP
		EXECUTE command;
	END LOOP;
END
$$;
