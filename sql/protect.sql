/* protect: row-level security from policies. */

CREATE FUNCTION authz.protected_support(internal) RETURNS internal
LANGUAGE c STRICT AS 'MODULE_PATHNAME', 'authz_protected_support';
COMMENT ON FUNCTION authz.protected_support(internal) IS
	'Planner support: puts the condition that the policies are in place of a call of protected';
REVOKE ALL ON FUNCTION authz.protected_support(internal) FROM PUBLIC;

/* Open to all: they say what who is asking may do, and are called in queries of whoever reads the table. */
CREATE FUNCTION authz.protected(action authz.entity_uid, entity_type text, mapped_row record) RETURNS boolean
LANGUAGE c STABLE STRICT PARALLEL RESTRICTED COST 1000
SUPPORT authz.protected_support
AS 'MODULE_PATHNAME', 'authz_protected';
COMMENT ON FUNCTION authz.protected(authz.entity_uid, text, record) IS
	'May who is asking (current_principal) do this with the entity that the row is, by its values as they are handed in? For row-level security';

CREATE FUNCTION authz.protected_policy(seal bytea, policy_set text, version bigint, policy_id text,
	action authz.entity_uid, entity_type text, mapped_row record) RETURNS boolean
LANGUAGE c STABLE STRICT PARALLEL RESTRICTED COST 1000 AS 'MODULE_PATHNAME', 'authz_protected_policy';
COMMENT ON FUNCTION authz.protected_policy(bytea, text, bigint, text, authz.entity_uid, text, record) IS
	'In plans of protected tables: is this one policy satisfied?';

CREATE FUNCTION authz.run_time_asked(policy_set text, version bigint, planned bigint) RETURNS boolean
LANGUAGE c STABLE STRICT PARALLEL RESTRICTED AS 'MODULE_PATHNAME', 'authz_run_time_asked';
CREATE FUNCTION authz.run_time_bool(bytea) RETURNS boolean
LANGUAGE c STABLE STRICT PARALLEL RESTRICTED AS 'MODULE_PATHNAME', 'authz_run_time_bool';
CREATE FUNCTION authz.run_time_is(bytea, kind text) RETURNS boolean
LANGUAGE c STABLE STRICT PARALLEL RESTRICTED AS 'MODULE_PATHNAME', 'authz_run_time_is';
CREATE FUNCTION authz.run_time_long(bytea) RETURNS bigint
LANGUAGE c STABLE STRICT PARALLEL RESTRICTED AS 'MODULE_PATHNAME', 'authz_run_time_long';
CREATE FUNCTION authz.run_time_text(bytea) RETURNS text
LANGUAGE c STABLE STRICT PARALLEL RESTRICTED AS 'MODULE_PATHNAME', 'authz_run_time_text';
CREATE FUNCTION authz.run_time_decimal(bytea) RETURNS numeric
LANGUAGE c STABLE STRICT PARALLEL RESTRICTED AS 'MODULE_PATHNAME', 'authz_run_time_decimal';
CREATE FUNCTION authz.run_time_datetime(bytea) RETURNS bigint
LANGUAGE c STABLE STRICT PARALLEL RESTRICTED AS 'MODULE_PATHNAME', 'authz_run_time_datetime';
CREATE FUNCTION authz.run_time_duration(bytea) RETURNS bigint
LANGUAGE c STABLE STRICT PARALLEL RESTRICTED AS 'MODULE_PATHNAME', 'authz_run_time_duration';
CREATE FUNCTION authz.run_time_ip(bytea) RETURNS inet
LANGUAGE c STABLE STRICT PARALLEL RESTRICTED AS 'MODULE_PATHNAME', 'authz_run_time_ip';
CREATE FUNCTION authz.run_time_texts(bytea) RETURNS text[]
LANGUAGE c STABLE STRICT PARALLEL RESTRICTED AS 'MODULE_PATHNAME', 'authz_run_time_texts';
CREATE FUNCTION authz.run_time_longs(bytea) RETURNS bigint[]
LANGUAGE c STABLE STRICT PARALLEL RESTRICTED AS 'MODULE_PATHNAME', 'authz_run_time_longs';
CREATE FUNCTION authz.run_time_id(bytea, entity_type text) RETURNS text
LANGUAGE c STABLE STRICT PARALLEL RESTRICTED AS 'MODULE_PATHNAME', 'authz_run_time_id';
CREATE FUNCTION authz.run_time_ids(bytea, entity_type text, mode text) RETURNS text[]
LANGUAGE c STABLE STRICT PARALLEL RESTRICTED AS 'MODULE_PATHNAME', 'authz_run_time_ids';
CREATE FUNCTION authz.run_time_long_id(bytea, entity_type text) RETURNS bigint
LANGUAGE c STABLE STRICT PARALLEL RESTRICTED AS 'MODULE_PATHNAME', 'authz_run_time_long_id';
CREATE FUNCTION authz.run_time_long_ids(bytea, entity_type text, mode text) RETURNS bigint[]
LANGUAGE c STABLE STRICT PARALLEL RESTRICTED AS 'MODULE_PATHNAME', 'authz_run_time_long_ids';
CREATE FUNCTION authz.run_time_uuid_id(bytea, entity_type text) RETURNS uuid
LANGUAGE c STABLE STRICT PARALLEL RESTRICTED AS 'MODULE_PATHNAME', 'authz_run_time_uuid_id';
CREATE FUNCTION authz.run_time_uuid_ids(bytea, entity_type text, mode text) RETURNS uuid[]
LANGUAGE c STABLE STRICT PARALLEL RESTRICTED AS 'MODULE_PATHNAME', 'authz_run_time_uuid_ids';
COMMENT ON FUNCTION authz.run_time_asked(text, bigint, bigint) IS 'In plans of protected tables: is anybody asking? Raises when the plan is older than the policies';
COMMENT ON FUNCTION authz.run_time_bool(bytea) IS 'In plans of protected tables: a value of who is asking; null when it is of another type';
COMMENT ON FUNCTION authz.run_time_is(bytea, text) IS 'In plans of protected tables: is there such a value, of this kind?';
COMMENT ON FUNCTION authz.run_time_long(bytea) IS 'In plans of protected tables: a value of who is asking; null when it is of another type';
COMMENT ON FUNCTION authz.run_time_text(bytea) IS 'In plans of protected tables: a value of who is asking; null when it is of another type';
COMMENT ON FUNCTION authz.run_time_decimal(bytea) IS 'In plans of protected tables: a value of who is asking; null when it is of another type';
COMMENT ON FUNCTION authz.run_time_datetime(bytea) IS 'In plans of protected tables: a value of who is asking, in milliseconds; null when it is of another type';
COMMENT ON FUNCTION authz.run_time_duration(bytea) IS 'In plans of protected tables: a value of who is asking, in milliseconds; null when it is of another type';
COMMENT ON FUNCTION authz.run_time_ip(bytea) IS 'In plans of protected tables: a value of who is asking; null when it is of another type';
COMMENT ON FUNCTION authz.run_time_texts(bytea) IS 'In plans of protected tables: the strings of a set; null when it is none';
COMMENT ON FUNCTION authz.run_time_longs(bytea) IS 'In plans of protected tables: the integers of a set; null when it is none';
COMMENT ON FUNCTION authz.run_time_id(bytea, text) IS 'In plans of protected tables: the id of an entity of this type; null when it is none';
COMMENT ON FUNCTION authz.run_time_ids(bytea, text, text) IS 'In plans of protected tables: ids of entities of a type: mode in, it and what it is in; of, those in a set';
COMMENT ON FUNCTION authz.run_time_long_id(bytea, text) IS 'In plans of protected tables: the id of an entity of this type; null when it is none';
COMMENT ON FUNCTION authz.run_time_long_ids(bytea, text, text) IS 'In plans of protected tables: ids of entities of a type: mode in, it and what it is in; of, those in a set';
COMMENT ON FUNCTION authz.run_time_uuid_id(bytea, text) IS 'In plans of protected tables: the id of an entity of this type; null when it is none';
COMMENT ON FUNCTION authz.run_time_uuid_ids(bytea, text, text) IS 'In plans of protected tables: ids of entities of a type: mode in, it and what it is in; of, those in a set';

CREATE FUNCTION authz.protected_where(entity_type text) RETURNS text
LANGUAGE c STABLE STRICT PARALLEL RESTRICTED AS 'MODULE_PATHNAME', 'authz_protected_where';
COMMENT ON FUNCTION authz.protected_where(text) IS 'For protect_table: the condition of a mapping, null when it has none';

/* Which type a table is mapped to; definer, because mappings are the owner's. */
CREATE FUNCTION authz.protected_type(table_name regclass) RETURNS text[]
LANGUAGE sql STABLE STRICT SECURITY DEFINER SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	SELECT array_agg(m.entity_type ORDER BY m.entity_type) FROM authz.entity_mappings m
	WHERE to_regclass(m.relation) = table_name;
END;
COMMENT ON FUNCTION authz.protected_type(regclass) IS 'For protect_table: the entity types that are mapped to a table';

CREATE FUNCTION authz.protect_table(table_name regclass, "select" text DEFAULT NULL, "insert" text DEFAULT NULL,
	"update" text DEFAULT NULL, "delete" text DEFAULT NULL, entity_type text DEFAULT NULL)
RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	types text[] := authz.protected_type(table_name);
	type text := entity_type;
	command record;
	call text;
	condition text;
BEGIN
	IF table_name IS NULL OR coalesce("select", "insert", "update", "delete") IS NULL THEN
		RAISE EXCEPTION 'there is nothing to protect'
			USING ERRCODE = 'invalid_parameter_value', HINT = 'Name the table, and an action for at least one command.';
	END IF;
	IF type IS NULL AND cardinality(types) = 1 THEN
		type := types[1];
	END IF;
	IF type IS NULL OR NOT type = ANY (coalesce(types, '{}')) THEN
		RAISE EXCEPTION 'table % is not mapped to %', table_name, coalesce('entity type "' || type || '"', 'one entity type')
			USING ERRCODE = 'object_not_in_prerequisite_state', HINT = 'Call map_entity_type first, or say which entity_type.';
	END IF;
	condition := authz.protected_where(type);
	PERFORM authz.unprotect_table(table_name);
	EXECUTE format('ALTER TABLE %s ENABLE ROW LEVEL SECURITY', table_name);
	FOR command IN
		SELECT * FROM (VALUES ('SELECT', "select", true, false), ('INSERT', "insert", false, true),
			('UPDATE', "update", true, true), ('DELETE', "delete", true, false)) AS c (name, action, old, new)
		WHERE action IS NOT NULL
	LOOP
		call := concat('(' || condition || ') AND ', format('authz.protected(%L::authz.entity_uid, %L, %I.*)',
			CASE WHEN command.action LIKE '%::"%' THEN command.action
				ELSE authz.entity_uid('Action', command.action)::text END,
			type, (SELECT relname FROM pg_class WHERE oid = table_name)));
		EXECUTE concat(format('CREATE POLICY %I ON %s FOR %s', 'authz_' || lower(command.name), table_name, command.name),
			CASE WHEN command.old THEN ' USING (' || call || ')' END,
			CASE WHEN command.new THEN ' WITH CHECK (' || call || ')' END);
	END LOOP;
END
$$;
COMMENT ON FUNCTION authz.protect_table(regclass, text, text, text, text, text) IS
	'Row-level security of a mapped table by policies: for each command the action that who is asking (current_principal) must be allowed on the row; a command without one is allowed to nobody. The caller owns the table';

CREATE FUNCTION authz.unprotect_table(table_name regclass) RETURNS void
LANGUAGE plpgsql VOLATILE STRICT PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	policy name;
BEGIN
	FOR policy IN SELECT polname FROM pg_policy
		WHERE polrelid = table_name AND polname IN ('authz_select', 'authz_insert', 'authz_update', 'authz_delete')
	LOOP
		EXECUTE format('DROP POLICY %I ON %s', policy, table_name);
	END LOOP;
	IF NOT EXISTS (SELECT FROM pg_policy WHERE polrelid = table_name) THEN
		EXECUTE format('ALTER TABLE %s DISABLE ROW LEVEL SECURITY', table_name);
	END IF;
END
$$;
COMMENT ON FUNCTION authz.unprotect_table(regclass) IS
	'Takes away what protect_table has made; row-level security stays on where the table has other policies';

REVOKE ALL ON FUNCTION authz.protected_where(text), authz.protected_type(regclass),
	authz.protect_table(regclass, text, text, text, text, text), authz.unprotect_table(regclass) FROM PUBLIC;
