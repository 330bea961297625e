/* identity: users of other systems, with the hashes of their passwords. */

CREATE FUNCTION authz.import_attributes(value jsonb) RETURNS jsonb
LANGUAGE plpgsql IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	copy jsonb;
BEGIN
	/* OFFSET 0: each value is copied once, not once for each mention of c. */
	CASE jsonb_typeof(value)
		WHEN 'object' THEN
			SELECT coalesce(jsonb_object_agg(key, c) FILTER (WHERE c IS NOT NULL), '{}') INTO copy
				FROM (SELECT key, authz.import_attributes(v) FROM jsonb_each(value) e (key, v)
					  WHERE key NOT IN ('__entity', '__extn', '__expr') OFFSET 0) x (key, c);
		WHEN 'array' THEN
			SELECT coalesce(jsonb_agg(c ORDER BY n) FILTER (WHERE c IS NOT NULL), '[]') INTO copy
				FROM (SELECT authz.import_attributes(v), n FROM jsonb_array_elements(value) WITH ORDINALITY e (v, n) OFFSET 0) x (c, n);
		WHEN 'number' THEN
			copy := CASE WHEN scale(value::numeric) = 0 AND value::numeric BETWEEN -9223372036854775808 AND 9223372036854775807
				THEN value ELSE to_jsonb(value #>> '{}') END;
		WHEN 'null' THEN
			copy := NULL;
		ELSE
			copy := value;
	END CASE;
	RETURN copy;
END
$$;
COMMENT ON FUNCTION authz.import_attributes(jsonb) IS
	'JSON as attributes that Cedar has values for: without nulls, fractions as strings';

CREATE FUNCTION authz.import_time(value text) RETURNS timestamptz
LANGUAGE sql STABLE
BEGIN ATOMIC
	SELECT CASE WHEN value ~ '^[0-9]{9,}$' THEN to_timestamp(value::numeric / 1000) ELSE nullif(value, '')::timestamptz END;
END;
COMMENT ON FUNCTION authz.import_time(text) IS 'A point in time: ISO 8601, or milliseconds since 1970';

/* A password credential of Keycloak as a PHC string; null when there is none. */
CREATE FUNCTION authz.import_keycloak_hash(credentials jsonb) RETURNS text
LANGUAGE plpgsql IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	credential jsonb := (SELECT c FROM jsonb_array_elements(credentials) c WHERE c->>'type' = 'password' LIMIT 1);
	secret jsonb := (credential->>'secretData')::jsonb;
	data jsonb := (credential->>'credentialData')::jsonb;
	more jsonb := data->'additionalParameters';
BEGIN
	RETURN CASE
		WHEN data->>'algorithm' LIKE 'pbkdf2%' THEN
			format('$%s$i=%s$%s$%s', CASE data->>'algorithm' WHEN 'pbkdf2' THEN 'pbkdf2-sha1' ELSE data->>'algorithm' END,
				data->>'hashIterations', secret->>'salt', secret->>'value')
		WHEN data->>'algorithm' = 'argon2' THEN
			format('$argon2%s$v=19$m=%s,t=%s,p=%s$%s$%s', coalesce(more->'type'->>0, 'id'), more->'memory'->>0, data->>'hashIterations',
				more->'parallelism'->>0, rtrim(secret->>'salt', '='), rtrim(secret->>'value', '='))
		WHEN data IS NOT NULL THEN data->>'algorithm' || ' is not known'
	END;
END
$$;
COMMENT ON FUNCTION authz.import_keycloak_hash(jsonb) IS 'The password hash in the credentials of a Keycloak user';

CREATE FUNCTION authz.import_auth0_hash(u jsonb) RETURNS text
LANGUAGE plpgsql IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	custom jsonb := u->'custom_password_hash';
	salt bytea;
BEGIN
	IF custom->>'algorithm' = 'scrypt' THEN
		salt := CASE custom->'salt'->>'encoding' WHEN 'base64' THEN decode(custom->'salt'->>'value', 'base64')
			WHEN 'hex' THEN decode(custom->'salt'->>'value', 'hex') ELSE convert_to(custom->'salt'->>'value', 'UTF8') END;
		RETURN format('$scrypt$ln=%s,r=%s,p=%s$%s$%s', round(log(2, coalesce(custom->>'cost', '16384')::numeric)),
			coalesce(custom->>'blockSize', '8'), coalesce(custom->>'parallelization', '1'), translate(encode(salt, 'base64'), E'=\n', ''),
			translate(encode(decode(custom->'hash'->>'value', coalesce(nullif(custom->'hash'->>'encoding', 'utf8'), 'base64')), 'base64'), E'=\n', ''));
	END IF;
	RETURN coalesce(u->>'passwordHash', u->>'password_hash', custom->'hash'->>'value');
END
$$;
COMMENT ON FUNCTION authz.import_auth0_hash(jsonb) IS 'The password hash of an Auth0 user, exported or prepared for its import';

CREATE FUNCTION authz.import_user(source text, u jsonb, options jsonb)
RETURNS TABLE (source_key text, id uuid, email text, verified timestamptz, created timestamptz,
	last_login timestamptz, active boolean, attributes jsonb, hash text, groups jsonb)
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
	config jsonb := options->'hash_config';
BEGIN
	CASE source
		WHEN 'supabase' THEN
			RETURN QUERY SELECT u->>'id', (u->>'id')::uuid, u->>'email', authz.import_time(coalesce(u->>'email_confirmed_at', u->>'confirmed_at')),
				authz.import_time(u->>'created_at'), authz.import_time(u->>'last_sign_in_at'),
				u->>'deleted_at' IS NULL AND coalesce(authz.import_time(u->>'banned_until') <= now(), true),
				jsonb_build_object('user', u->'raw_user_meta_data', 'app', u->'raw_app_meta_data'), nullif(u->>'encrypted_password', ''), '[]'::jsonb;
		WHEN 'keycloak' THEN
			RETURN QUERY SELECT u->>'id', (u->>'id')::uuid, u->>'email',
				CASE WHEN (u->>'emailVerified')::boolean THEN coalesce(authz.import_time(u->>'createdTimestamp'), now()) END,
				authz.import_time(u->>'createdTimestamp'), NULL::timestamptz, coalesce((u->>'enabled')::boolean, false),
				coalesce(u->'attributes', '{}') || jsonb_build_object('username', u->'username', 'first_name', u->'firstName', 'last_name', u->'lastName'),
				authz.import_keycloak_hash(coalesce(u->'credentials', '[]')),
				(SELECT coalesce(jsonb_agg(jsonb_build_array(t, g)), '[]') FROM (
					SELECT 'Group', jsonb_array_elements_text(coalesce(u->'groups', '[]'))
					UNION ALL SELECT 'Role', jsonb_array_elements_text(coalesce(u->'realmRoles', '[]'))) x (t, g));
		WHEN 'auth0' THEN
			RETURN QUERY SELECT coalesce(u->>'user_id', u->'_id'->>'$oid'), NULL::uuid, u->>'email',
				CASE WHEN (u->>'email_verified')::boolean THEN coalesce(authz.import_time(u->>'created_at'), now()) END,
				authz.import_time(u->>'created_at'), authz.import_time(u->>'last_login'), NOT coalesce((u->>'blocked')::boolean, false),
				jsonb_build_object('user', u->'user_metadata', 'app', u->'app_metadata', 'name', u->'name'), authz.import_auth0_hash(u), '[]'::jsonb;
		WHEN 'firebase' THEN
			RETURN QUERY SELECT u->>'localId', NULL::uuid, u->>'email',
				CASE WHEN (u->>'emailVerified')::boolean THEN coalesce(authz.import_time(u->>'createdAt'), now()) END,
				authz.import_time(u->>'createdAt'), authz.import_time(u->>'lastSignedInAt'), NOT coalesce((u->>'disabled')::boolean, false),
				jsonb_build_object('name', u->'displayName', 'claims', (nullif(u->>'customAttributes', ''))::jsonb),
				CASE WHEN u->>'passwordHash' <> '' THEN coalesce(format('$fbscrypt$v=1,n=%s,r=%s,p=1,ss=%s,sk=%s$%s$%s', config->>'mem_cost', config->>'rounds',
					config->>'base64_salt_separator', config->>'base64_signer_key', u->>'salt', u->>'passwordHash'), '') END, '[]'::jsonb;
		WHEN 'django' THEN
			RETURN QUERY SELECT coalesce(u->>'pk', u->>'id'), NULL::uuid, f->>'email', NULL::timestamptz,
				authz.import_time(f->>'date_joined'), authz.import_time(f->>'last_login'), coalesce((f->>'is_active')::boolean, true),
				jsonb_build_object('username', f->'username', 'first_name', f->'first_name', 'last_name', f->'last_name',
					'is_staff', f->'is_staff', 'is_superuser', f->'is_superuser'),
				/* An unusable password begins with an exclamation mark. */
				CASE WHEN f->>'password' NOT LIKE '!%' THEN nullif(f->>'password', '') END,
				(SELECT coalesce(jsonb_agg(jsonb_build_array('Group', CASE jsonb_typeof(g) WHEN 'array' THEN g->>0 ELSE g #>> '{}' END)), '[]')
					FROM jsonb_array_elements(coalesce(f->'groups', '[]')) g)
			FROM (SELECT coalesce(u->'fields', u)) x (f)
			WHERE NOT u ? 'model' OR u->>'model' = coalesce(options->>'model', 'auth.user');
		WHEN 'devise' THEN
			RETURN QUERY SELECT u->>'id', NULL::uuid, u->>'email', authz.import_time(u->>'confirmed_at'),
				authz.import_time(u->>'created_at'), authz.import_time(coalesce(u->>'current_sign_in_at', u->>'last_sign_in_at')),
				u->>'locked_at' IS NULL, '{}'::jsonb, nullif(u->>'encrypted_password', ''), '[]'::jsonb;
	END CASE;
END
$$;
COMMENT ON FUNCTION authz.import_user(text, jsonb, jsonb) IS
	'For import_users: a user of an export, in one form; no row: it is none';

CREATE FUNCTION authz.import_users(source text, data jsonb, options jsonb DEFAULT '{}',
								   OUT imported bigint, OUT skipped bigint, OUT problems jsonb)
LANGUAGE plpgsql VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	list jsonb := CASE WHEN jsonb_typeof(data) = 'array' THEN data
		WHEN data ? 'users' THEN data->'users' ELSE jsonb_build_array(data) END;
	u jsonb;
	r record;
	key text;
	email text;
	new_id uuid;
BEGIN
	IF source IS NULL OR source NOT IN ('supabase', 'keycloak', 'auth0', 'firebase', 'django', 'devise') THEN
		RAISE EXCEPTION 'invalid source of users: "%"', source
			USING ERRCODE = 'invalid_parameter_value',
				HINT = 'The sources are supabase, keycloak, auth0, firebase, django and devise.';
	END IF;
	IF source = 'firebase' AND NOT coalesce(options->'hash_config' ?& '{mem_cost,rounds,base64_salt_separator,base64_signer_key}', false) THEN
		RAISE EXCEPTION 'Firebase''s hashes need the project''s hash parameters'
			USING ERRCODE = 'invalid_parameter_value',
				HINT = 'Pass them as options: {"hash_config": {"base64_signer_key", "base64_salt_separator", "rounds", "mem_cost"}}.';
	END IF;
	imported := 0;
	skipped := 0;
	problems := '[]';
	FOR u IN SELECT * FROM jsonb_array_elements(list) LOOP
		key := u->>'id';
		email := u->>'email';
		BEGIN
			SELECT * INTO r FROM authz.import_user(source, u, coalesce(options, '{}'));
			CONTINUE WHEN NOT FOUND;
			key := r.source_key;
			email := r.email;
			new_id := NULL;
			INSERT INTO authz.users (id, email, email_verified_at, created_at, last_login, active, attributes, source, source_key)
				VALUES (coalesce(r.id, gen_random_uuid()), btrim(r.email), r.verified, coalesce(r.created, now()), r.last_login, r.active,
						authz.import_attributes(r.attributes), import_users.source, r.source_key)
				ON CONFLICT DO NOTHING RETURNING users.id INTO new_id;
			IF new_id IS NULL THEN
				RAISE EXCEPTION 'the email or the id is known already' USING ERRCODE = 'unique_violation';
			END IF;
			IF r.hash IS NOT NULL THEN
				INSERT INTO authz.user_passwords (user_id, hash, changed_at)
					VALUES (new_id, authz.password_check_hash(r.hash), coalesce(r.created, now()));
			END IF;
			INSERT INTO authz.user_groups (user_id, group_type, group_id)
				SELECT DISTINCT new_id, g->>0, g->>1 FROM jsonb_array_elements(r.groups) g;
			imported := imported + 1;
		/* Whatever a user of the export has wrong: the others come. */
		EXCEPTION WHEN data_exception OR integrity_constraint_violation OR feature_not_supported OR program_limit_exceeded THEN
			skipped := skipped + 1;
			IF skipped <= 1000 THEN
				problems := problems || jsonb_build_object('key', key, 'email', email, 'problem', SQLERRM);
			END IF;
		END;
	END LOOP;
	PERFORM authz.audit_write(json_build_array(json_build_object('event', 'users_imported',
		'details', json_build_object('source', source, 'imported', imported, 'skipped', skipped))));
END
$$;
COMMENT ON FUNCTION authz.import_users(text, jsonb, jsonb) IS
	'Users of supabase (auth.users), keycloak (a realm export), auth0, firebase, django or devise, with their password hashes, which work and are replaced at the next login. Says how many came, how many did not, and why (the first 1000)';

/* ------------------------------------------- an application's own table */

CREATE FUNCTION authz.users_follow_row(relation text, args text[], old_row jsonb, new_row jsonb) RETURNS void
LANGUAGE plpgsql VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	key text := coalesce(new_row, old_row)->>args[1];
	email text := new_row->>args[2];
	new_hash text := nullif(new_row->>nullif(args[3], ''), '');
	is_active boolean := coalesce((new_row->>nullif(args[4], ''))::boolean, true);
	u authz.users;
	existed boolean;
	old_hash text;
BEGIN
	IF old_row IS NOT NULL AND (new_row IS NULL OR old_row->>args[1] IS DISTINCT FROM key) THEN
		DELETE FROM authz.users x WHERE x.source = relation AND x.source_key = old_row->>args[1];
	END IF;
	IF new_row IS NULL THEN
		RETURN;
	ELSIF key IS NULL THEN
		RAISE WARNING 'a user of % without a key cannot sign in', relation;
		RETURN;
	END IF;
	existed := EXISTS (SELECT FROM authz.users x WHERE x.source = relation AND x.source_key = key);
	BEGIN
		INSERT INTO authz.users AS x (id, email, active, attributes, source, source_key)
			VALUES (CASE WHEN key ~ '^[0-9a-f]{8}-([0-9a-f]{4}-){3}[0-9a-f]{12}$' THEN key::uuid ELSE gen_random_uuid() END,
					btrim(email), is_active, jsonb_build_object(args[1], new_row->args[1]), relation, key)
			ON CONFLICT ON CONSTRAINT users_source_key
			DO UPDATE SET email = excluded.email, active = excluded.active
				WHERE (x.email, x.active) IS DISTINCT FROM (excluded.email, excluded.active);
	EXCEPTION WHEN unique_violation OR invalid_parameter_value OR not_null_violation THEN
		/* The application's row stands; who has no address of their own cannot sign in. */
		UPDATE authz.users x SET active = false WHERE x.source = relation AND x.source_key = key AND x.active;
		RAISE WARNING 'user % of % cannot sign in', key, relation USING DETAIL = SQLERRM;
	END;
	/* The password of who cannot sign in now counts when they can again. */
	SELECT * INTO u FROM authz.users x WHERE x.source = relation AND x.source_key = key;
	IF args[3] = '' OR NOT FOUND THEN
		RETURN;
	END IF;
	SELECT p.hash INTO old_hash FROM authz.user_passwords p WHERE p.user_id = u.id;
	/* Unchanged, or written there by follow_password. */
	IF existed AND old_row->>args[1] = key AND new_hash IS NOT DISTINCT FROM nullif(old_row->>args[3], '')
		OR new_hash = 'argon2' || old_hash THEN
		RETURN;
	END IF;
	PERFORM authz.sessions_end(u.id, 'password');
	BEGIN
		/* Else there is none, or one that Django calls unusable. */
		IF new_hash NOT LIKE '!%' THEN
			INSERT INTO authz.user_passwords (user_id, hash) VALUES (u.id, authz.password_check_hash(new_hash))
				ON CONFLICT ON CONSTRAINT user_passwords_pkey DO UPDATE SET hash = excluded.hash, changed_at = now();
			RETURN;
		END IF;
	EXCEPTION WHEN invalid_parameter_value OR feature_not_supported OR program_limit_exceeded THEN
		RAISE WARNING 'user % of % has no password that can be verified', key, relation USING DETAIL = SQLERRM;
	END;
	DELETE FROM authz.user_passwords p WHERE p.user_id = u.id;
END
$$;
COMMENT ON FUNCTION authz.users_follow_row(text, text[], jsonb, jsonb) IS
	'For users_follow: makes a user as the row of the application''s table is';

CREATE FUNCTION authz.execute_as_owner(relation regclass, command text, a text, b text) RETURNS bigint
LANGUAGE c VOLATILE STRICT AS 'MODULE_PATHNAME', 'authz_execute_as_owner';
COMMENT ON FUNCTION authz.execute_as_owner(regclass, text, text, text) IS
	'Runs a command with two parameters with the rights of the table''s owner, whose triggers it may fire';

/* Turning a value into JSON can call a cast of its type: code of the type's owner. */
CREATE FUNCTION authz.users_follow_columns(relation regclass, columns text[], row_name text) RETURNS text
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	IF EXISTS (SELECT FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid JOIN pg_roles r ON r.oid = t.typowner
			   WHERE a.attrelid = relation AND a.attname = ANY (columns) AND a.attnum > 0 AND NOT r.rolsuper) THEN
		RAISE EXCEPTION 'a column of % that users are followed from has a type of an ordinary role', relation
			USING ERRCODE = 'insufficient_privilege', HINT = 'Use a type of PostgreSQL, or of an extension.';
	END IF;
	RETURN (SELECT string_agg(format('%L, (%s).%I', c, row_name, c), ', ') FROM unnest(columns) c WHERE c <> '');
END
$$;
COMMENT ON FUNCTION authz.users_follow_columns(regclass, text[], text) IS
	'For users_follow: the arguments of jsonb_build_object that give these columns of a row; refuses types whose owner is no superuser';

CREATE FUNCTION authz.users_followed() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	/* TG_ARGV counts from 0. */
	args text[] := (SELECT array_agg(a ORDER BY n) FROM unnest(TG_ARGV) WITH ORDINALITY x (a, n));
	/* What the table was called then, whatever it is called now. */
	relation text := TG_ARGV[4];
	pairs text := authz.users_follow_columns(TG_RELID, args[1:4], '$1');
	old_row jsonb;
	new_row jsonb;
BEGIN
	IF TG_OP = 'TRUNCATE' THEN
		/* Whoever has dropped the other trigger has ended this. */
		DELETE FROM authz.users x WHERE x.source = relation
			AND EXISTS (SELECT FROM authz.users_follow_triggers() t WHERE t.relation = TG_RELID);
		RETURN NULL;
	END IF;
	IF TG_OP <> 'INSERT' THEN
		EXECUTE format('SELECT jsonb_build_object(%s)', pairs) INTO old_row USING OLD;
	END IF;
	IF TG_OP <> 'DELETE' THEN
		EXECUTE format('SELECT jsonb_build_object(%s)', pairs) INTO new_row USING NEW;
	END IF;
	IF old_row IS DISTINCT FROM new_row THEN
		PERFORM authz.users_follow_row(relation, args, old_row, new_row);
	END IF;
	RETURN NULL;
END
$$;
COMMENT ON FUNCTION authz.users_followed() IS 'Trigger: users are as the rows of an application''s table';

CREATE FUNCTION authz.users_follow_triggers() RETURNS TABLE (relation regclass, source text, key text, password text)
LANGUAGE sql STABLE
BEGIN ATOMIC
	SELECT t.tgrelid, a.args[5], a.args[1], a.args[3]
	FROM pg_trigger t, LATERAL (
		SELECT array_agg(convert_from(decode(p, 'escape'), 'UTF8') ORDER BY n) AS args
		FROM unnest(string_to_array(encode(t.tgargs, 'escape'), '\000')) WITH ORDINALITY x (p, n)) a
	WHERE t.tgfoid = 'authz.users_followed'::regproc AND a.args[1] <> '';
END;
COMMENT ON FUNCTION authz.users_follow_triggers() IS
	'For users_follow: the tables that are followed, under which name, with the columns of key and password';

CREATE FUNCTION authz.users_follow(relation regclass, key text DEFAULT 'id', email text DEFAULT 'email',
								   password text DEFAULT NULL, active text DEFAULT NULL)
RETURNS bigint
LANGUAGE plpgsql VOLATILE
SET search_path = pg_catalog, pg_temp
SET quote_all_identifiers = off
AS $$
DECLARE
	name text := (SELECT format('%I.%I', n.nspname, c.relname) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.oid = relation);
	columns text[] := array_remove(ARRAY[key, email, password, active], NULL);
	missing text := (SELECT x FROM unnest(columns) x WHERE NOT EXISTS (SELECT FROM pg_attribute a
		WHERE a.attrelid = relation AND a.attname = x AND a.attnum > 0 AND NOT a.attisdropped) LIMIT 1);
	pairs text;
	former_role text := current_setting('role');
	rows refcursor;
	r jsonb;
	n bigint := 0;
BEGIN
	IF missing IS NOT NULL THEN
		RAISE EXCEPTION 'column "%" of relation "%" does not exist', missing, name
			USING ERRCODE = 'undefined_column';
	END IF;
	IF EXISTS (SELECT FROM authz.users_follow_triggers() t WHERE t.source = name) THEN
		RAISE EXCEPTION 'users are followed from "%" already', name
			USING ERRCODE = 'duplicate_object',
				DETAIL = format('By the trigger of %s.', (SELECT t.relation FROM authz.users_follow_triggers() t WHERE t.source = name LIMIT 1));
	END IF;
	/* A row that changes its partition is deleted and inserted: another user. */
	IF (SELECT c.relkind <> 'r' OR EXISTS (SELECT FROM pg_inherits i WHERE i.inhparent = c.oid) FROM pg_class c WHERE c.oid = relation) THEN
		RAISE EXCEPTION '"%" is not a plain table', name
			USING ERRCODE = 'wrong_object_type',
				DETAIL = 'Users are followed from tables without partitions or children.';
	END IF;
	/* Nobody writes between the rows that are there and those to come. */
	EXECUTE format('LOCK TABLE %s IN SHARE ROW EXCLUSIVE MODE', name);
	/* Another table may have got the name while this waited. */
	IF to_regclass(name) IS DISTINCT FROM relation THEN
		RAISE EXCEPTION 'table "%" was renamed meanwhile', name
			USING ERRCODE = 'object_in_use';
	END IF;
	EXECUTE format('CREATE TRIGGER authz_users_followed AFTER INSERT OR UPDATE OR DELETE ON %s'
				   ' FOR EACH ROW EXECUTE FUNCTION authz.users_followed(%L, %L, %L, %L, %L)',
				   name, key, email, coalesce(password, ''), coalesce(active, ''), name);
	EXECUTE format('CREATE TRIGGER authz_users_followed_truncate AFTER TRUNCATE ON %s'
				   ' FOR EACH STATEMENT EXECUTE FUNCTION authz.users_followed('''', '''', '''', '''', %L)', name, name);
	EXECUTE format('ALTER TABLE %s ENABLE ALWAYS TRIGGER authz_users_followed, ENABLE ALWAYS TRIGGER authz_users_followed_truncate', name);
	/* The planner calls functions that the owner has written into indexes and constraints. */
	pairs := authz.users_follow_columns(relation, columns, 't');
	PERFORM set_config('role', (SELECT pg_get_userbyid(c.relowner) FROM pg_class c WHERE c.oid = relation), true);
	OPEN rows FOR EXECUTE format('SELECT jsonb_build_object(%s) FROM %s t', pairs, name);
	PERFORM set_config('role', former_role, true);
	LOOP
		FETCH rows INTO r;
		EXIT WHEN NOT FOUND;
		PERFORM authz.users_follow_row(name, ARRAY[key, email, coalesce(password, ''), coalesce(active, '')], NULL, r);
		n := n + 1;
	END LOOP;
	RETURN n;
END
$$;
COMMENT ON FUNCTION authz.users_follow(regclass, text, text, text, text) IS
	'From now on the rows of this table of the application are users, in the transaction that writes them: columns with key, email, password hash, and whether active. Says how many rows there are';

CREATE FUNCTION authz.follow_password(u authz.users, new_hash text) RETURNS void
LANGUAGE plpgsql VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	t record;
BEGIN
	SELECT * INTO t FROM authz.users_follow_triggers() f WHERE f.source = u.source;
	/* Django reads this, and so may others: `argon2` and the PHC string. */
	IF t.password <> '' AND new_hash LIKE '$argon2%' THEN
		PERFORM authz.execute_as_owner(t.relation,
			format('UPDATE %s SET %I = $1 WHERE %I::text = $2', t.relation, t.password, t.key), 'argon2' || new_hash, u.source_key);
	END IF;
END
$$;
COMMENT ON FUNCTION authz.follow_password(authz.users, text) IS
	'Writes a password that was changed here to the application''s table that the user is followed from';

REVOKE ALL ON FUNCTION
	authz.users_follow_row(text, text[], jsonb, jsonb), authz.users_follow_columns(regclass, text[], text), authz.users_followed(),
	authz.users_follow_triggers(),
	authz.execute_as_owner(regclass, text, text, text),
	authz.users_follow(regclass, text, text, text, text), authz.follow_password(authz.users, text),
	authz.import_attributes(jsonb), authz.import_time(text), authz.import_keycloak_hash(jsonb),
	authz.import_auth0_hash(jsonb), authz.import_user(text, jsonb, jsonb),
	authz.import_users(text, jsonb, jsonb)
	FROM PUBLIC;
