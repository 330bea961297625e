/* entity: entity types that are read from the application's own tables. */

CREATE SCHEMA authz_mapping;
COMMENT ON SCHEMA authz_mapping IS
	'The views through which mapped tables are read; made and dropped by map_entity_type and unmap_entity_type';
/* Only views that check the caller's own rights are granted to anybody. */
GRANT USAGE ON SCHEMA authz_mapping TO PUBLIC;

CREATE TABLE authz.entity_mappings (
	entity_type text COLLATE "C" PRIMARY KEY,
	relation text NOT NULL,
	id text[] NOT NULL,
	attrs jsonb NOT NULL DEFAULT '[]',
	parents jsonb NOT NULL DEFAULT '[]',
	tags jsonb,
	filter text,
	security text NOT NULL DEFAULT 'owner' CHECK (security IN ('owner', 'invoker')),
	view_name text NOT NULL UNIQUE
);
COMMENT ON TABLE authz.entity_mappings IS
	'Entity types that are read from tables of the application; written by map_entity_type and unmap_entity_type';
COMMENT ON COLUMN authz.entity_mappings.entity_type IS 'The type; entities of it are looked up nowhere else';
COMMENT ON COLUMN authz.entity_mappings.relation IS 'The table, as it was called when it was mapped; its view knows it by more than the name';
COMMENT ON COLUMN authz.entity_mappings.id IS 'Columns whose values are the id';
COMMENT ON COLUMN authz.entity_mappings.attrs IS 'Attributes, as given to map_entity_type';
COMMENT ON COLUMN authz.entity_mappings.parents IS 'Parents, as given to map_entity_type';
COMMENT ON COLUMN authz.entity_mappings.tags IS 'Tags, as given to map_entity_type';
COMMENT ON COLUMN authz.entity_mappings.filter IS 'Only rows for which this holds are entities; as given, the view knows it by more than the text';
COMMENT ON COLUMN authz.entity_mappings.security IS
	'owner: read with the rights of the view''s owner, whoever asks; invoker: with those of the caller';
COMMENT ON COLUMN authz.entity_mappings.view_name IS
	'The view in authz_mapping; those of tables of memberships and tags have a number behind it';
SELECT pg_extension_config_dump('authz.entity_mappings', '');

CREATE FUNCTION authz.entity_mappings_changed() RETURNS trigger
LANGUAGE c AS 'MODULE_PATHNAME', 'authz_entity_mappings_changed';
COMMENT ON FUNCTION authz.entity_mappings_changed() IS 'Trigger: mappings are to be read anew, everywhere';
CREATE TRIGGER after_row AFTER INSERT OR UPDATE OR DELETE ON authz.entity_mappings
	FOR EACH ROW EXECUTE FUNCTION authz.entity_mappings_changed();
ALTER TABLE authz.entity_mappings ENABLE ALWAYS TRIGGER after_row;

CREATE FUNCTION authz.entity_mapping_check(entity_type text) RETURNS text
LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'authz_entity_mapping_check';
COMMENT ON FUNCTION authz.entity_mapping_check(text) IS
	'Raises what is wrong with a mapping; gives how its tables are read: index, or executor for any of them';

/* The columns that one part of a mapping names. */
CREATE FUNCTION authz.entity_mapping_columns(part jsonb) RETURNS text[]
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
RETURN CASE jsonb_typeof(part)
	WHEN 'string' THEN ARRAY[part #>> '{}']
	WHEN 'object' THEN array_remove(ARRAY[part ->> 'column', part ->> 'type_column', part ->> 'key', part ->> 'value']
		|| CASE jsonb_typeof(part -> 'columns') WHEN 'array'
			THEN ARRAY(SELECT jsonb_array_elements_text(part -> 'columns')) ELSE '{}' END, NULL)
	ELSE '{}' END;
COMMENT ON FUNCTION authz.entity_mapping_columns(jsonb) IS 'For map_entity_type: the columns that one part of a mapping names';

/* A list of columns as SQL has it: a, "B" */
CREATE FUNCTION authz.entity_mapping_names(list text) RETURNS text[]
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'authz_entity_mapping_names';
COMMENT ON FUNCTION authz.entity_mapping_names(text) IS 'For map_entity_type: a list of columns as SQL writes it';

CREATE FUNCTION authz.entity_mapping_view(name text, relation regclass, columns text[], filter text, security text, path text)
RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	list text;
	statement text;
BEGIN
	SELECT string_agg(quote_ident(c), ', ' ORDER BY n) INTO list
	FROM (SELECT c, min(n) AS n FROM unnest(columns) WITH ORDINALITY AS u (c, n) GROUP BY c) AS u;
	statement := format('CREATE VIEW authz_mapping.%I%s AS SELECT %s FROM %s%s', name,
		CASE security WHEN 'invoker' THEN ' WITH (security_invoker = true)' ELSE '' END,
		list, relation::text, concat(' WHERE (' || filter || ')'));
	/* What the caller wrote means what it means to the caller. */
	PERFORM set_config('search_path', path, true);
	EXECUTE statement;
	PERFORM pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', true);
	IF security = 'invoker' THEN
		EXECUTE format('GRANT SELECT ON authz_mapping.%I TO PUBLIC', name);
	END IF;
END
$$;
COMMENT ON FUNCTION authz.entity_mapping_view(text, regclass, text[], text, text, text) IS
	'For map_entity_type: makes one view';

CREATE FUNCTION authz.entity_mapping_make(entity_type text, relation regclass, id text, attrs jsonb, parents jsonb,
	tags jsonb, filter text, security text, path text)
RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_variable
DECLARE
	name text := CASE WHEN length(entity_type) <= 56 THEN entity_type
		ELSE left(entity_type, 39) || '#' || left(md5(entity_type), 16) END;
	ids text[] := authz.entity_mapping_names(id);
	columns text[] := ids;
	part jsonb;
	n int := 0;
	read_by text;
BEGIN
	IF EXISTS (SELECT FROM authz.entity_mappings m WHERE m.entity_type = entity_type) THEN
		RAISE EXCEPTION 'entity type "%" is mapped already', entity_type
			USING ERRCODE = 'duplicate_object', HINT = 'Call unmap_entity_type first, in the same transaction.';
	END IF;
	IF jsonb_typeof(attrs) NOT IN ('array', 'object') THEN
		RAISE EXCEPTION 'attrs must be an array of columns, or an object'
			USING ERRCODE = 'invalid_parameter_value', HINT = 'Write ["title", "state"] or {"name": "title"}.';
	END IF;
	IF jsonb_typeof(parents) <> 'array' THEN
		RAISE EXCEPTION 'parents must be an array'
			USING ERRCODE = 'invalid_parameter_value', HINT = 'Write [{"type": "Folder", "column": "folder_id"}].';
	END IF;
	INSERT INTO authz.entity_mappings (entity_type, relation, id, attrs, parents, tags, filter, security, view_name)
	VALUES (entity_type, relation::text, ids, attrs, parents, tags, filter, security, name);

	FOR part IN SELECT v FROM jsonb_array_elements(CASE jsonb_typeof(attrs) WHEN 'array' THEN attrs ELSE '[]' END) v
		UNION ALL SELECT v FROM jsonb_each(CASE jsonb_typeof(attrs) WHEN 'object' THEN attrs ELSE '{}' END) e (k, v)
		UNION ALL SELECT v FROM jsonb_array_elements(parents) v WHERE NOT coalesce(v ? 'table', false)
		UNION ALL SELECT tags WHERE NOT coalesce(tags ? 'table', true)
	LOOP
		columns := columns || authz.entity_mapping_columns(part);
	END LOOP;
	PERFORM authz.entity_mapping_view(name, relation, columns, filter, security, path);

	FOR part IN SELECT v FROM jsonb_array_elements(parents) v WHERE v ? 'table'
		UNION ALL SELECT tags WHERE tags ? 'table'
	LOOP
		n := n + 1;
		PERFORM set_config('search_path', path, true);
		relation := part ->> 'table';
		PERFORM pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', true);
		PERFORM authz.entity_mapping_view(name || '.' || n, relation,
			authz.entity_mapping_names(part ->> 'id') || authz.entity_mapping_columns(part),
			part ->> 'where', security, path);
	END LOOP;

	/* The same that a decision would say, before anything depends on it. */
	read_by := authz.entity_mapping_check(entity_type);
	IF read_by = 'executor' AND security = 'owner' THEN
		RAISE NOTICE 'entity type "%" is read through the executor', entity_type
			USING DETAIL = 'It takes a table that is neither partitioned nor a view, a unique index on its id columns,'
					' and an index on the id columns of each table of memberships or tags.',
				HINT = 'A query plan for each look-up takes several times as long.';
	END IF;
END
$$;
COMMENT ON FUNCTION authz.entity_mapping_make(text, regclass, text, jsonb, jsonb, jsonb, text, text, text) IS
	'For map_entity_type: the same, with the caller''s search_path';

CREATE FUNCTION authz.map_entity_type(entity_type text, relation regclass, id text,
	attrs jsonb DEFAULT '[]', parents jsonb DEFAULT '[]', tags jsonb DEFAULT NULL,
	"where" text DEFAULT NULL, security text DEFAULT 'owner')
RETURNS void
LANGUAGE sql VOLATILE PARALLEL UNSAFE
BEGIN ATOMIC
	SELECT authz.entity_mapping_make(entity_type, relation, id, attrs, parents, tags, "where", security,
		pg_catalog.current_setting('search_path'));
END;
COMMENT ON FUNCTION authz.map_entity_type(text, regclass, text, jsonb, jsonb, jsonb, text, text) IS
	'From now on entities of this type are the rows of a table, a partitioned table or a view; see docs/entity.md';

CREATE FUNCTION authz.unmap_entity_type(entity_type text)
RETURNS void
LANGUAGE plpgsql VOLATILE STRICT PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_variable
DECLARE
	view record;
	name text;
BEGIN
	DELETE FROM authz.entity_mappings m WHERE m.entity_type = entity_type
	RETURNING m.view_name INTO name;
	IF NOT FOUND THEN
		RAISE EXCEPTION 'entity type "%" is not mapped', entity_type
			USING ERRCODE = 'undefined_object';
	END IF;
	FOR view IN SELECT c.oid::regclass AS name FROM pg_class c
		WHERE c.relnamespace = 'authz_mapping'::regnamespace AND c.relkind = 'v'
			AND (c.relname = name OR c.relname ~ ('^' || regexp_replace(name, '\W', '\\\&', 'g') || '\.[0-9]+$'))
	LOOP
		EXECUTE format('DROP VIEW %s', view.name);
	END LOOP;
END
$$;
COMMENT ON FUNCTION authz.unmap_entity_type(text) IS
	'Entities of this type are looked up in authz.entities again';

CREATE FUNCTION authz.entity_mapper_grant(role regrole)
RETURNS void
LANGUAGE plpgsql VOLATILE STRICT PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	EXECUTE format('GRANT USAGE ON SCHEMA authz TO %s', role);
	EXECUTE format('GRANT USAGE, CREATE ON SCHEMA authz_mapping TO %s', role);
	EXECUTE format('GRANT SELECT, INSERT, DELETE ON authz.entity_mappings TO %s', role);
	/* Lists are read with the mapper's rights, and its tables protected. */
	EXECUTE format('GRANT EXECUTE ON FUNCTION authz.entity_mapping_check(text), authz.entity_mapping_columns(jsonb),'
		' authz.entity_mapping_names(text), authz.entity_mapping_view(text, regclass, text[], text, text, text),'
		' authz.entity_mapping_make(text, regclass, text, jsonb, jsonb, jsonb, text, text, text),'
		' authz.map_entity_type(text, regclass, text, jsonb, jsonb, jsonb, text, text),'
		' authz.unmap_entity_type(text),'
		' authz.filter_in(authz.entity_uid, authz.entity_uid[]),'
		' authz.filter_policy(text, text, authz.entity_uid, authz.entity_uid, authz.entity_uid, jsonb),'
		' authz.protect_table(regclass, text, text, text, text, text), authz.unprotect_table(regclass),'
		' authz.protected_type(regclass), authz.protected_where(text) TO %s', role);
END
$$;
COMMENT ON FUNCTION authz.entity_mapper_grant(regrole) IS
	'Let a role map and unmap entity types, and protect their tables: as good as writing authz.entities';

REVOKE ALL ON FUNCTION authz.entity_mapper_grant(regrole), authz.entity_mappings_changed(), authz.entity_mapping_check(text),
	authz.entity_mapping_columns(jsonb), authz.entity_mapping_names(text),
	authz.entity_mapping_view(text, regclass, text[], text, text, text),
	authz.entity_mapping_make(text, regclass, text, jsonb, jsonb, jsonb, text, text, text),
	authz.map_entity_type(text, regclass, text, jsonb, jsonb, jsonb, text, text),
	authz.unmap_entity_type(text) FROM PUBLIC;
