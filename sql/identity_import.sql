/* identity: users of other systems, with the hashes of their passwords. */

CREATE FUNCTION authz.import_attributes(value jsonb) RETURNS jsonb
LANGUAGE plpgsql IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	copy jsonb;
BEGIN
	CASE jsonb_typeof(value)
		WHEN 'object' THEN
			SELECT coalesce(jsonb_object_agg(key, authz.import_attributes(v)), '{}') INTO copy
				FROM jsonb_each(value) e (key, v)
				WHERE authz.import_attributes(v) IS NOT NULL AND key NOT IN ('__entity', '__extn', '__expr');
		WHEN 'array' THEN
			SELECT coalesce(jsonb_agg(authz.import_attributes(v)) FILTER (WHERE authz.import_attributes(v) IS NOT NULL), '[]') INTO copy
				FROM jsonb_array_elements(value) v;
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

CREATE FUNCTION authz.import_rows(source text, data jsonb, options jsonb)
RETURNS TABLE (source_key text, id uuid, email text, verified timestamptz, created timestamptz,
	last_login timestamptz, active boolean, attributes jsonb, hash text, groups jsonb)
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
	config jsonb := options->'hash_config';
	list jsonb := CASE WHEN jsonb_typeof(data) = 'array' THEN data
		WHEN data ? 'users' THEN data->'users' ELSE jsonb_build_array(data) END;
BEGIN
	CASE source
		WHEN 'supabase' THEN
			RETURN QUERY SELECT u->>'id', (u->>'id')::uuid, u->>'email', authz.import_time(coalesce(u->>'email_confirmed_at', u->>'confirmed_at')),
				authz.import_time(u->>'created_at'), authz.import_time(u->>'last_sign_in_at'),
				u->>'deleted_at' IS NULL AND coalesce(authz.import_time(u->>'banned_until') <= now(), true),
				jsonb_build_object('user', u->'raw_user_meta_data', 'app', u->'raw_app_meta_data'), nullif(u->>'encrypted_password', ''), '[]'::jsonb
			FROM jsonb_array_elements(list) u;
		WHEN 'keycloak' THEN
			RETURN QUERY SELECT u->>'id', (u->>'id')::uuid, u->>'email',
				CASE WHEN (u->>'emailVerified')::boolean THEN coalesce(authz.import_time(u->>'createdTimestamp'), now()) END,
				authz.import_time(u->>'createdTimestamp'), NULL::timestamptz, coalesce((u->>'enabled')::boolean, false),
				coalesce(u->'attributes', '{}') || jsonb_build_object('username', u->'username', 'first_name', u->'firstName', 'last_name', u->'lastName'),
				authz.import_keycloak_hash(coalesce(u->'credentials', '[]')),
				(SELECT coalesce(jsonb_agg(jsonb_build_array(t, g)), '[]') FROM (
					SELECT 'Group', jsonb_array_elements_text(coalesce(u->'groups', '[]'))
					UNION ALL SELECT 'Role', jsonb_array_elements_text(coalesce(u->'realmRoles', '[]'))) x (t, g))
			FROM jsonb_array_elements(list) u;
		WHEN 'auth0' THEN
			RETURN QUERY SELECT coalesce(u->>'user_id', u->'_id'->>'$oid'), NULL::uuid, u->>'email',
				CASE WHEN (u->>'email_verified')::boolean THEN coalesce(authz.import_time(u->>'created_at'), now()) END,
				authz.import_time(u->>'created_at'), authz.import_time(u->>'last_login'), NOT coalesce((u->>'blocked')::boolean, false),
				jsonb_build_object('user', u->'user_metadata', 'app', u->'app_metadata', 'name', u->'name'), authz.import_auth0_hash(u), '[]'::jsonb
			FROM jsonb_array_elements(list) u;
		WHEN 'firebase' THEN
			RETURN QUERY SELECT u->>'localId', NULL::uuid, u->>'email',
				CASE WHEN (u->>'emailVerified')::boolean THEN coalesce(authz.import_time(u->>'createdAt'), now()) END,
				authz.import_time(u->>'createdAt'), authz.import_time(u->>'lastSignedInAt'), NOT coalesce((u->>'disabled')::boolean, false),
				jsonb_build_object('name', u->'displayName', 'claims', (nullif(u->>'customAttributes', ''))::jsonb),
				CASE WHEN u->>'passwordHash' <> '' THEN coalesce(format('$fbscrypt$v=1,n=%s,r=%s,p=1,ss=%s,sk=%s$%s$%s', config->>'mem_cost', config->>'rounds',
					config->>'base64_salt_separator', config->>'base64_signer_key', u->>'salt', u->>'passwordHash'), '') END, '[]'::jsonb
			FROM jsonb_array_elements(list) u;
		WHEN 'django' THEN
			RETURN QUERY SELECT coalesce(u->>'pk', u->>'id'), NULL::uuid, f->>'email', NULL::timestamptz,
				authz.import_time(f->>'date_joined'), authz.import_time(f->>'last_login'), coalesce((f->>'is_active')::boolean, true),
				jsonb_build_object('username', f->'username', 'first_name', f->'first_name', 'last_name', f->'last_name',
					'is_staff', f->'is_staff', 'is_superuser', f->'is_superuser'),
				/* An unusable password begins with an exclamation mark. */
				CASE WHEN f->>'password' NOT LIKE '!%' THEN nullif(f->>'password', '') END,
				(SELECT coalesce(jsonb_agg(jsonb_build_array('Group', CASE jsonb_typeof(g) WHEN 'array' THEN g->>0 ELSE g #>> '{}' END)), '[]')
					FROM jsonb_array_elements(coalesce(f->'groups', '[]')) g)
			FROM jsonb_array_elements(list) u, LATERAL (SELECT coalesce(u->'fields', u)) x (f)
			WHERE NOT u ? 'model' OR u->>'model' = coalesce(options->>'model', 'auth.user');
		WHEN 'devise' THEN
			RETURN QUERY SELECT u->>'id', NULL::uuid, u->>'email', authz.import_time(u->>'confirmed_at'),
				authz.import_time(u->>'created_at'), authz.import_time(coalesce(u->>'current_sign_in_at', u->>'last_sign_in_at')),
				u->>'locked_at' IS NULL, '{}'::jsonb, nullif(u->>'encrypted_password', ''), '[]'::jsonb
			FROM jsonb_array_elements(list) u;
		ELSE
			RAISE EXCEPTION 'invalid source of users: "%"', source
				USING ERRCODE = 'invalid_parameter_value',
					HINT = 'The sources are supabase, keycloak, auth0, firebase, django and devise.';
	END CASE;
END
$$;
COMMENT ON FUNCTION authz.import_rows(text, jsonb, jsonb) IS
	'For import_users: the users of an export, in one form';

CREATE FUNCTION authz.import_users(source text, data jsonb, options jsonb DEFAULT '{}',
								   OUT imported bigint, OUT skipped bigint, OUT problems jsonb)
LANGUAGE plpgsql VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	r record;
	new_id uuid;
BEGIN
	IF source = 'firebase' AND NOT coalesce(options->'hash_config' ?& '{mem_cost,rounds,base64_salt_separator,base64_signer_key}', false) THEN
		RAISE EXCEPTION 'Firebase''s hashes need the project''s hash parameters'
			USING ERRCODE = 'invalid_parameter_value',
				HINT = 'Pass them as options: {"hash_config": {"base64_signer_key", "base64_salt_separator", "rounds", "mem_cost"}}.';
	END IF;
	imported := 0;
	skipped := 0;
	problems := '[]';
	FOR r IN SELECT * FROM authz.import_rows(source, data, coalesce(options, '{}')) LOOP
		BEGIN
			new_id := NULL;
			INSERT INTO authz.users (id, email, email_verified_at, created_at, last_login, active, attributes, source, source_key)
				VALUES (coalesce(r.id, gen_random_uuid()), btrim(r.email), r.verified, coalesce(r.created, now()), r.last_login, r.active,
						authz.import_attributes(r.attributes), import_users.source, r.source_key)
				ON CONFLICT DO NOTHING RETURNING users.id INTO new_id;
			IF new_id IS NULL THEN
				RAISE EXCEPTION 'the email or the id is known already' USING ERRCODE = 'unique_violation';
			END IF;
			IF r.hash IS NOT NULL THEN
				INSERT INTO authz.user_passwords (user_id, hash) VALUES (new_id, authz.password_check_hash(r.hash));
			END IF;
			INSERT INTO authz.user_groups (user_id, group_type, group_id)
				SELECT DISTINCT new_id, g->>0, g->>1 FROM jsonb_array_elements(r.groups) g;
			imported := imported + 1;
		EXCEPTION WHEN unique_violation OR invalid_parameter_value OR feature_not_supported OR program_limit_exceeded OR not_null_violation THEN
			skipped := skipped + 1;
			IF jsonb_array_length(problems) < 1000 THEN
				problems := problems || jsonb_build_object('key', r.source_key, 'email', r.email, 'problem', SQLERRM);
			END IF;
		END;
	END LOOP;
END
$$;
COMMENT ON FUNCTION authz.import_users(text, jsonb, jsonb) IS
	'Users of supabase (auth.users), keycloak (a realm export), auth0, firebase, django or devise, with their password hashes, which work and are replaced at the next login. Says how many came, how many did not, and why (the first 1000)';

REVOKE ALL ON FUNCTION
	authz.import_attributes(jsonb), authz.import_time(text), authz.import_keycloak_hash(jsonb),
	authz.import_auth0_hash(jsonb), authz.import_rows(text, jsonb, jsonb),
	authz.import_users(text, jsonb, jsonb)
	FROM PUBLIC;
