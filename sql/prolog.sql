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

COMMENT ON SCHEMA authz IS
	'Authentication and authorization: Cedar policies, entities, decisions';

/* The stateless functions and the type are for everybody. */
GRANT USAGE ON SCHEMA authz TO PUBLIC;
