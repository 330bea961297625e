/* second_factor: one-time codes by an app (TOTP), recovery codes, step-up. */

CREATE FUNCTION authz.totp_seal(user_id uuid, seed bytea) RETURNS bytea
LANGUAGE c VOLATILE STRICT AS 'MODULE_PATHNAME', 'authz_totp_seal';
COMMENT ON FUNCTION authz.totp_seal(uuid, bytea) IS
	'Encrypts a seed under the first master key, for this user alone';
CREATE FUNCTION authz.totp_open(user_id uuid, sealed bytea) RETURNS bytea
LANGUAGE c VOLATILE STRICT AS 'MODULE_PATHNAME', 'authz_totp_open';
COMMENT ON FUNCTION authz.totp_open(uuid, bytea) IS
	'The seed that totp_seal encrypted; raises for another user''s, and without its master key';
CREATE FUNCTION authz.totp_is_current(sealed bytea) RETURNS boolean
LANGUAGE c VOLATILE STRICT AS 'MODULE_PATHNAME', 'authz_totp_is_current';
COMMENT ON FUNCTION authz.totp_is_current(bytea) IS 'Is it encrypted under the first master key?';

CREATE TABLE authz.user_totp (
	user_id uuid PRIMARY KEY REFERENCES authz.users ON DELETE CASCADE,
	seed bytea NOT NULL,
	created_at timestamptz NOT NULL DEFAULT now(),
	confirmed_at timestamptz,
	last_step bigint NOT NULL DEFAULT 0
) WITH (fillfactor = 85);
COMMENT ON TABLE authz.user_totp IS 'Apps that show one-time codes; for the owner alone';
COMMENT ON COLUMN authz.user_totp.user_id IS 'Whose it is';
COMMENT ON COLUMN authz.user_totp.seed IS 'The shared secret, encrypted under the master key';
COMMENT ON COLUMN authz.user_totp.created_at IS 'When enrolment began';
COMMENT ON COLUMN authz.user_totp.confirmed_at IS 'When a code showed that the app has it; null: not in force yet';
COMMENT ON COLUMN authz.user_totp.last_step IS 'The time step of the last code used; neither it nor an earlier one works again';
CREATE INDEX user_totp_unconfirmed ON authz.user_totp (created_at) WHERE confirmed_at IS NULL;
COMMENT ON INDEX authz.user_totp_unconfirmed IS 'What totp_purge removes';
SELECT pg_extension_config_dump('authz.user_totp', '');

CREATE TABLE authz.recovery_codes (
	user_id uuid REFERENCES authz.users ON DELETE CASCADE,
	code_hash bytea,
	created_at timestamptz NOT NULL DEFAULT now(),
	PRIMARY KEY (user_id, code_hash)
);
COMMENT ON TABLE authz.recovery_codes IS 'Codes that stand in for a lost app, each once; for the owner alone';
COMMENT ON COLUMN authz.recovery_codes.user_id IS 'Whose they are';
COMMENT ON COLUMN authz.recovery_codes.code_hash IS 'SHA-256 of the code (120 random bits)';
COMMENT ON COLUMN authz.recovery_codes.created_at IS 'When it was made';
SELECT pg_extension_config_dump('authz.recovery_codes', '');

CREATE FUNCTION authz.hotp(seed bytea, counter bigint, digits integer DEFAULT 6, algorithm text DEFAULT 'sha1')
RETURNS text
LANGUAGE plpgsql IMMUTABLE STRICT
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	mac bytea := authz.hmac(algorithm, seed, int8send(counter));
	at integer := get_byte(mac, length(mac) - 1) & 15;
	n bigint := ((get_byte(mac, at) & 127)::bigint << 24) | (get_byte(mac, at + 1) << 16)
		| (get_byte(mac, at + 2) << 8) | get_byte(mac, at + 3);
BEGIN
	RETURN lpad((n % (10 ^ digits)::bigint)::text, digits, '0');
END
$$;
COMMENT ON FUNCTION authz.hotp(bytea, bigint, integer, text) IS
	'The one-time code of RFC 4226; with counter = Unix time / 30 it is that of RFC 6238 (TOTP)';

CREATE FUNCTION authz.base32(bytes bytea) RETURNS text
LANGUAGE plpgsql IMMUTABLE STRICT
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	bits text := '';
	encoded text := '';
BEGIN
	FOR i IN 0 .. length(bytes) - 1 LOOP
		bits := bits || get_byte(bytes, i)::bit(8)::text;
	END LOOP;
	FOR i IN 0 .. (length(bits) + 4) / 5 - 1 LOOP
		encoded := encoded || substr('ABCDEFGHIJKLMNOPQRSTUVWXYZ234567',
			rpad(substr(bits, i * 5 + 1, 5), 5, '0')::bit(5)::integer + 1, 1);
	END LOOP;
	RETURN encoded;
END
$$;
COMMENT ON FUNCTION authz.base32(bytea) IS 'Base32 without padding (RFC 4648 section 6), as authenticator apps take it';

CREATE FUNCTION authz.url_encode(plain text) RETURNS text
LANGUAGE sql IMMUTABLE STRICT
BEGIN ATOMIC
	SELECT coalesce(string_agg(CASE WHEN c ~ '^[A-Za-z0-9._~-]$' THEN c
		ELSE regexp_replace(upper(encode(convert_to(c, 'UTF8'), 'hex')), '(..)', '%\1', 'g') END, '' ORDER BY n), '')
	FROM regexp_split_to_table(plain, '') WITH ORDINALITY AS x (c, n);
END;
COMMENT ON FUNCTION authz.url_encode(text) IS 'Percent-encoding (RFC 3986) of everything but unreserved characters';

/* ------------------------------------------------------------- enrolment */

CREATE FUNCTION authz.totp_enroll(user_id uuid) RETURNS jsonb
LANGUAGE plpgsql VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	new_seed bytea := authz.random_bytes(20);
	address text;
	service text := regexp_replace(authz.setting('authz.issuer'), '^https?://', '');
BEGIN
	SELECT email INTO STRICT address FROM authz.users u WHERE u.id = totp_enroll.user_id;
	INSERT INTO authz.user_totp AS t (user_id, seed)
		VALUES (totp_enroll.user_id, authz.totp_seal(totp_enroll.user_id, new_seed))
		ON CONFLICT ON CONSTRAINT user_totp_pkey
		DO UPDATE SET seed = excluded.seed, created_at = now(), last_step = 0 WHERE t.confirmed_at IS NULL;
	IF NOT FOUND THEN
		RETURN NULL;
	END IF;
	RETURN jsonb_build_object('secret', authz.base32(new_seed),
		'otpauth_uri', format('otpauth://totp/%s:%s?secret=%s&issuer=%s&algorithm=SHA1&digits=6&period=30',
			authz.url_encode(service), authz.url_encode(address), authz.base32(new_seed), authz.url_encode(service)));
END
$$;
COMMENT ON FUNCTION authz.totp_enroll(uuid) IS
	'Begins to enrol an app: {secret, otpauth_uri}, shown once; it is in force after totp_confirm. Null when there is one in force';

CREATE FUNCTION authz.totp_purge(max_rows integer DEFAULT 10000, retention interval DEFAULT '1 day') RETURNS bigint
LANGUAGE sql VOLATILE
BEGIN ATOMIC
	WITH gone AS (
		DELETE FROM authz.user_totp
		WHERE ctid = ANY (ARRAY(SELECT t.ctid FROM authz.user_totp t WHERE t.confirmed_at IS NULL AND t.created_at < now() - retention
								LIMIT max_rows FOR UPDATE SKIP LOCKED))
		RETURNING 1)
	SELECT count(*) FROM gone;
END;
COMMENT ON FUNCTION authz.totp_purge(integer, interval) IS
	'Removes at most max_rows enrolments that were begun longer than retention ago and never confirmed; says how many';

CREATE FUNCTION authz.totp_check(user_id uuid, code text, confirmed boolean DEFAULT true) RETURNS boolean
LANGUAGE plpgsql VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	t authz.user_totp;
	now_step bigint := floor(extract(epoch FROM clock_timestamp()) / 30);
	used bigint;
	seed bytea;
BEGIN
	SELECT * INTO t FROM authz.user_totp x
		WHERE x.user_id = totp_check.user_id AND (x.confirmed_at IS NOT NULL) = confirmed FOR UPDATE;
	IF NOT FOUND OR code !~ '^[0-9]{6}$' THEN
		RETURN false;
	END IF;
	seed := authz.totp_open(t.user_id, t.seed);
	FOR step IN now_step - 1 .. now_step + 1 LOOP
		IF step > t.last_step AND authz.bytes_equal(convert_to(authz.hotp(seed, step), 'UTF8'), convert_to(code, 'UTF8')) THEN
			used := step;
		END IF;
	END LOOP;
	IF used IS NULL THEN
		RETURN false;
	END IF;
	UPDATE authz.user_totp x SET last_step = used WHERE x.user_id = t.user_id;
	RETURN true;
END
$$;
COMMENT ON FUNCTION authz.totp_check(uuid, text, boolean) IS
	'Is this the app''s code, of now or one step (30 s) beside it? Then it is used up';

CREATE FUNCTION authz.recovery_codes_create(user_id uuid) RETURNS text[]
LANGUAGE plpgsql VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	codes text[];
BEGIN
	DELETE FROM authz.recovery_codes r WHERE r.user_id = recovery_codes_create.user_id;
	SELECT array_agg(authz.base32(authz.random_bytes(15))) INTO codes FROM generate_series(1, 10) i;
	INSERT INTO authz.recovery_codes (user_id, code_hash)
		SELECT recovery_codes_create.user_id, sha256(convert_to(c, 'UTF8')) FROM unnest(codes) c;
	RETURN (SELECT array_agg(regexp_replace(c, '(....)(?=.)', '\1-', 'g')) FROM unnest(codes) c);
END
$$;
COMMENT ON FUNCTION authz.recovery_codes_create(uuid) IS
	'Ten new recovery codes, shown once, in place of the earlier ones';

CREATE FUNCTION authz.recovery_code_use(user_id uuid, code text) RETURNS boolean
LANGUAGE plpgsql VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	DELETE FROM authz.recovery_codes r
		WHERE r.user_id = recovery_code_use.user_id
			AND r.code_hash = sha256(convert_to(upper(translate(code, '- ', '')), 'UTF8'));
	IF FOUND THEN
		PERFORM authz.outbox_put('recovery_code_used', recovery_code_use.user_id, '{}');
	END IF;
	RETURN FOUND;
END
$$;
COMMENT ON FUNCTION authz.recovery_code_use(uuid, text) IS 'Uses a recovery code up; the user gets a message';

CREATE FUNCTION authz.second_factor_attempt(user_id uuid, code text, OUT result text, OUT retry_after integer)
LANGUAGE plpgsql VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	PERFORM authz.refuse_read_only();
	retry_after := authz.throttle_reserve('second_factor', user_id::text);
	result := CASE WHEN retry_after <> 0 THEN 'throttled'
		WHEN code ~ '^[0-9]{6}$' THEN CASE WHEN authz.totp_check(user_id, code) THEN 'otp' ELSE 'wrong' END
		WHEN authz.recovery_code_use(user_id, code) THEN 'recovery'
		ELSE 'wrong' END;
	retry_after := CASE WHEN retry_after > 0 THEN retry_after END;
	IF result IN ('otp', 'recovery') THEN
		PERFORM authz.throttle_clear('second_factor', user_id::text);
	ELSE
		PERFORM authz.audit_failure('second_factor_failed', user_id, json_build_object('result', result));
	END IF;
END
$$;
COMMENT ON FUNCTION authz.second_factor_attempt(uuid, text) IS
	'One attempt at a second factor, counted before it is made: otp, recovery, wrong, or throttled (retry_after null: until cleared)';

CREATE FUNCTION authz.second_factor_refused(result text, retry_after integer) RETURNS json
LANGUAGE sql VOLATILE
BEGIN ATOMIC
	SELECT CASE WHEN result <> 'throttled' THEN authz.http_error(400, 'invalid_grant', 'The code is wrong, used or expired.')
		WHEN retry_after IS NULL THEN authz.http_error(429, 'too_many_attempts', 'The second factor is locked. Ask an administrator.')
		ELSE authz.http_error(429, 'too_many_attempts', 'Too many failed attempts.', retry_after) END;
END;
COMMENT ON FUNCTION authz.second_factor_refused(text, integer) IS 'The answer to a second factor that was not right';

CREATE FUNCTION authz.second_factor_in_force(user_id uuid) RETURNS boolean
LANGUAGE sql STABLE STRICT
BEGIN ATOMIC
	SELECT EXISTS (SELECT FROM authz.user_totp t WHERE t.user_id = second_factor_in_force.user_id AND t.confirmed_at IS NOT NULL);
END;
COMMENT ON FUNCTION authz.second_factor_in_force(uuid) IS 'Does this user sign in with a second factor?';

CREATE FUNCTION authz.second_factor_needed(user_id uuid, address inet, user_agent text) RETURNS json
LANGUAGE plpgsql VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	lifetime interval := authz.setting('authz.second_factor_lifetime');
BEGIN
	PERFORM authz.audit_write(json_build_array(json_build_object('event', 'second_factor_needed', 'actor', authz.user_uid(user_id)::text,
		'user_id', user_id, 'address', address, 'user_agent', left(user_agent, 200))));
	RETURN authz.http_answer(403, jsonb_build_object('error', 'mfa_required',
		'error_description', 'A second factor is needed.',
		'mfa_token', authz.one_time_token_create(user_id, 'second_factor', lifetime,
			jsonb_build_object('address', address, 'user_agent', left(user_agent, 200))),
		'expires_in', extract(epoch FROM lifetime)::integer));
END
$$;
COMMENT ON FUNCTION authz.second_factor_needed(uuid, inet, text) IS
	'The answer to a right password that is not enough: mfa_token is good for second_factor alone';

CREATE FUNCTION authz.second_factor(mfa_token text, code text) RETURNS json
LANGUAGE plpgsql VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	t authz.one_time_tokens;
	attempt record;
BEGIN
	PERFORM authz.refuse_read_only();
	SELECT x.* INTO t FROM authz.one_time_tokens x JOIN authz.users u ON u.id = x.user_id AND u.active
		WHERE x.token_hash = sha256(convert_to(mfa_token, 'UTF8')) AND x.purpose = 'second_factor' AND x.expires_at > now();
	IF NOT FOUND OR code IS NULL THEN
		RETURN authz.http_error(400, 'invalid_grant', 'The token is not valid: unknown, used, or expired.');
	END IF;
	/* The user first, as everywhere. */
	PERFORM FROM authz.users u WHERE u.id = t.user_id FOR NO KEY UPDATE;
	attempt := authz.second_factor_attempt(t.user_id, code);
	IF attempt.result NOT IN ('otp', 'recovery') THEN
		RETURN authz.second_factor_refused(attempt.result, attempt.retry_after);
	END IF;
	t := authz.one_time_token_use(mfa_token, 'second_factor');
	IF t.user_id IS NULL THEN
		RETURN authz.http_error(400, 'invalid_grant', 'The token is not valid: unknown, used, or expired.');
	END IF;
	RETURN authz.session_start(t.user_id, CASE attempt.result WHEN 'otp' THEN '{pwd,otp,mfa}' ELSE '{pwd,mfa}' END::text[],
							   (t.payload->>'address')::inet, t.payload->>'user_agent');
END
$$;
COMMENT ON FUNCTION authz.second_factor(text, text) IS
	'Completes a login by a code of the app or a recovery code; answers as login does';

/* ---------------------------------------------------------------- step-up */

CREATE FUNCTION authz.session_is_fresh(s authz.sessions) RETURNS boolean
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	RETURN s.auth_time > clock_timestamp() - authz.setting('authz.step_up_max_age')::interval
		AND ('mfa' = ANY (s.amr) OR NOT authz.second_factor_in_force(s.user_id));
END
$$;
COMMENT ON FUNCTION authz.session_is_fresh(authz.sessions) IS
	'Has the user authenticated within authz.step_up_max_age, with the second factor where there is one?';

CREATE FUNCTION authz.step_up_needed() RETURNS json
LANGUAGE sql VOLATILE
BEGIN ATOMIC
	SELECT authz.http_error(403, 'insufficient_user_authentication', 'Authenticate again (step_up) first.');
END;
COMMENT ON FUNCTION authz.step_up_needed() IS 'The refusal of RFC 9470, for what needs a fresh authentication';

CREATE FUNCTION authz.step_up(session authz.sessions, password text, code text, address text DEFAULT NULL) RETURNS json
LANGUAGE plpgsql VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	u authz.users;
	known authz.user_passwords;
	attempt record;
	methods text[];
	new_jti uuid := gen_random_uuid();
	s authz.sessions;
BEGIN
	PERFORM authz.refuse_read_only();
	SELECT * INTO u FROM authz.users WHERE id = session.user_id AND active;
	IF NOT FOUND THEN
		RETURN authz.refresh_refused();
	END IF;
	IF authz.second_factor_in_force(u.id) THEN
		IF code IS NULL THEN
			RETURN authz.http_error(400, 'invalid_request', 'A code of the second factor is needed.');
		END IF;
		PERFORM authz.session_hold(session);
		attempt := authz.second_factor_attempt(u.id, code);
		IF attempt.result NOT IN ('otp', 'recovery') THEN
			RETURN authz.second_factor_refused(attempt.result, attempt.retry_after);
		END IF;
		methods := CASE attempt.result WHEN 'otp' THEN '{pwd,otp,mfa}' ELSE '{pwd,mfa}' END;
	ELSE
		IF password IS NULL THEN
			RETURN authz.http_error(400, 'invalid_request', 'The password is needed.');
		END IF;
		SELECT * INTO known FROM authz.user_passwords p WHERE p.user_id = u.id;
		attempt := authz.password_attempt(password, known.hash, u.email_normalized, address);
		IF attempt.result <> 'right' THEN
			RETURN authz.attempt_refused(attempt.result, attempt.retry_after);
		END IF;
		IF NOT authz.password_holds(u.id, known.changed_at) THEN
			RETURN authz.attempt_refused('wrong', NULL);
		END IF;
		methods := '{pwd}';
	END IF;
	UPDATE authz.sessions x SET auth_time = now(), amr = methods, access_jtis = (new_jti || x.access_jtis)[1:10]
		WHERE x.id = session.id AND x.ended_at IS NULL AND x.expires_at > clock_timestamp()
		RETURNING * INTO s;
	IF NOT FOUND THEN
		RETURN authz.refresh_refused();
	END IF;
	RETURN authz.http_answer(200, authz.token_answer(authz.access_token(s.user_id, s.id, new_jti, s.amr, s.auth_time), NULL) - 'refresh_token');
END
$$;
COMMENT ON FUNCTION authz.step_up(authz.sessions, text, text, text) IS
	'Authenticates again within a session, by the second factor where there is one, else by the password; answers a new access token with auth_time and amr';

CREATE FUNCTION authz.second_factor_remove(user_id uuid) RETURNS boolean
LANGUAGE plpgsql VOLATILE STRICT
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	removed boolean;
BEGIN
	DELETE FROM authz.user_totp t WHERE t.user_id = second_factor_remove.user_id;
	removed := FOUND;
	DELETE FROM authz.recovery_codes r WHERE r.user_id = second_factor_remove.user_id;
	PERFORM authz.throttle_clear('second_factor', second_factor_remove.user_id::text);
	IF removed THEN
		PERFORM authz.outbox_put('second_factor_removed', second_factor_remove.user_id, '{}');
	END IF;
	RETURN removed;
END
$$;
COMMENT ON FUNCTION authz.second_factor_remove(uuid) IS
	'Removes app and recovery codes, for a user who has lost both; the user gets a message; false when there was none';

CREATE FUNCTION authz.totp_seeds_reencrypt() RETURNS bigint
LANGUAGE sql VOLATILE
BEGIN ATOMIC
	WITH changed AS (
		UPDATE authz.user_totp SET seed = authz.totp_seal(user_id, authz.totp_open(user_id, seed))
		WHERE NOT authz.totp_is_current(seed)
		RETURNING 1)
	SELECT count(*) FROM changed;
END;
COMMENT ON FUNCTION authz.totp_seeds_reencrypt() IS
	'Encrypts seeds anew that are not under the first master key; gives how many';

REVOKE ALL ON FUNCTION
	authz.totp_seal(uuid, bytea), authz.totp_open(uuid, bytea), authz.totp_is_current(bytea),
	authz.hotp(bytea, bigint, integer, text), authz.base32(bytea), authz.url_encode(text),
	authz.totp_enroll(uuid), authz.totp_purge(integer, interval), authz.totp_check(uuid, text, boolean),
	authz.recovery_codes_create(uuid), authz.recovery_code_use(uuid, text),
	authz.second_factor_attempt(uuid, text), authz.second_factor_refused(text, integer),
	authz.second_factor_in_force(uuid), authz.second_factor_needed(uuid, inet, text),
	authz.second_factor(text, text), authz.session_is_fresh(authz.sessions), authz.step_up_needed(),
	authz.step_up(authz.sessions, text, text, text), authz.second_factor_remove(uuid),
	authz.totp_seeds_reencrypt()
	FROM PUBLIC;
