/* The install script of authz, made of the parts in sql/; see the Makefile. */

\echo Use "CREATE EXTENSION authz" to load this file. \quit

SET LOCAL search_path = pg_catalog, pg_temp;

/* Cedar's strings are Unicode, and every text here is handed to it as it is. */
DO $$
BEGIN
	IF getdatabaseencoding() <> 'UTF8' THEN
		RAISE EXCEPTION 'authz needs a database in UTF8'
			USING ERRCODE = 'feature_not_supported',
				DETAIL = format('This one is in %s.', getdatabaseencoding()),
				HINT = 'Create the database with ENCODING ''UTF8'' TEMPLATE template0.';
	END IF;
END
$$;

/*
 * CREATE EXTENSION takes a schema that is there.  Who owns it could put functions
 * beside ours, which a call may mean as well, or rename it; who owns something in
 * it has put it there.
 */
DO $$
DECLARE
	others text;
BEGIN
	IF NOT EXISTS (SELECT FROM pg_namespace n JOIN pg_roles r ON r.oid = n.nspowner
			WHERE n.nspname = 'authz' AND (r.rolsuper OR r.rolname = current_user))
	THEN
		RAISE EXCEPTION 'schema authz is there already, and belongs to another user'
			USING ERRCODE = 'duplicate_schema',
				HINT = 'Drop it, or see that nothing of others is in it and give it to a superuser.';
	END IF;
	SELECT string_agg(pg_describe_object(d.classid, d.objid, d.objsubid), ', ' ORDER BY d.objid) INTO others
		FROM pg_depend d JOIN pg_shdepend o ON o.classid = d.classid AND o.objid = d.objid AND o.deptype = 'o'
		JOIN pg_database b ON b.oid = o.dbid JOIN pg_roles r ON r.oid = o.refobjid
		WHERE d.refclassid = 'pg_namespace'::regclass AND d.refobjid = 'authz'::regnamespace
			AND b.datname = current_database() AND NOT r.rolsuper AND r.rolname <> current_user;
	IF others IS NOT NULL THEN
		RAISE EXCEPTION 'there are objects of other users in schema authz'
			USING ERRCODE = 'duplicate_schema', DETAIL = others,
				HINT = 'Drop them: a call of a function of this extension could mean one of theirs.';
	END IF;
END
$$;

COMMENT ON SCHEMA authz IS
	'Authentication and authorization: Cedar policies, entities, decisions';

/* The stateless functions and the type are for everybody. */
GRANT USAGE ON SCHEMA authz TO PUBLIC;

CREATE FUNCTION authz.keep_private(relation regclass) RETURNS void
LANGUAGE plpgsql VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	grantee text;
BEGIN
	FOR grantee IN SELECT DISTINCT CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE a.grantee::regrole::text END
				   FROM pg_class c, aclexplode(c.relacl) a WHERE c.oid = relation AND a.grantee <> c.relowner LOOP
		EXECUTE format('REVOKE ALL ON %s FROM %s', relation, grantee);
	END LOOP;
END
$$;
COMMENT ON FUNCTION authz.keep_private(regclass) IS
	'Takes back, of a relation just made, what ALTER DEFAULT PRIVILEGES has given to others';
REVOKE ALL ON FUNCTION authz.keep_private(regclass) FROM PUBLIC;
