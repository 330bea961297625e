/* restore: rows of a dump that come ahead of those that they refer to. */

CREATE FUNCTION authz.restore_before_statement() RETURNS trigger
LANGUAGE c AS 'MODULE_PATHNAME', 'authz_restore_before_statement';
COMMENT ON FUNCTION authz.restore_before_statement() IS
	'Trigger: a statement that restores a dump (check_function_bodies is off, the table''s owner writes) is executed as on a replica, without foreign keys';
CREATE FUNCTION authz.restore_after_statement() RETURNS trigger
LANGUAGE c AS 'MODULE_PATHNAME', 'authz_restore_after_statement';
COMMENT ON FUNCTION authz.restore_after_statement() IS 'Trigger: the next statement has foreign keys again';
REVOKE ALL ON FUNCTION authz.restore_before_statement(), authz.restore_after_statement() FROM PUBLIC;

DO $$
DECLARE
	t regclass;
BEGIN
	FOR t IN SELECT DISTINCT conrelid::regclass FROM pg_constraint WHERE contype = 'f' AND connamespace = 'authz'::regnamespace LOOP
		EXECUTE format('CREATE TRIGGER restore_before BEFORE INSERT ON %s FOR EACH STATEMENT EXECUTE FUNCTION authz.restore_before_statement()', t);
		EXECUTE format('CREATE TRIGGER restore_after AFTER INSERT ON %s FOR EACH STATEMENT EXECUTE FUNCTION authz.restore_after_statement()', t);
		EXECUTE format('ALTER TABLE %s ENABLE ALWAYS TRIGGER restore_before, ENABLE ALWAYS TRIGGER restore_after', t);
	END LOOP;
END
$$;
