/* session: login, refresh, logout, revocation. */

CREATE FUNCTION authz.seal(key bytea, plain bytea, aad bytea) RETURNS bytea
LANGUAGE c VOLATILE STRICT AS 'MODULE_PATHNAME', 'authz_seal';
COMMENT ON FUNCTION authz.seal(bytea, bytea, bytea) IS
	'Encrypts by AES-256-GCM under a key of 32 bytes, with a random nonce, bound to aad';
CREATE FUNCTION authz.unseal(key bytea, sealed bytea, aad bytea) RETURNS bytea
LANGUAGE c IMMUTABLE STRICT AS 'MODULE_PATHNAME', 'authz_unseal';
COMMENT ON FUNCTION authz.unseal(bytea, bytea, bytea) IS
	'What seal encrypted; null when key, aad or any byte is another';

CREATE TABLE authz.sessions (
	id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
	user_id uuid NOT NULL REFERENCES authz.users ON DELETE CASCADE,
	created_at timestamptz NOT NULL DEFAULT now(),
	expires_at timestamptz NOT NULL,
	max_expires_at timestamptz NOT NULL,
	last_seen timestamptz NOT NULL DEFAULT now(),
	ended_at timestamptz,
	end_reason text,
	duration interval NOT NULL GENERATED ALWAYS AS (coalesce(ended_at, last_seen) - created_at) STORED,
	amr text[] NOT NULL,
	auth_time timestamptz NOT NULL DEFAULT now(),
	address inet,
	user_agent text,
	access_jtis uuid[] NOT NULL DEFAULT '{}',
	CONSTRAINT sessions_finite CHECK (isfinite(duration)),
	CONSTRAINT sessions_end CHECK ((ended_at IS NULL) = (end_reason IS NULL) AND (ended_at IS NULL OR expires_at <= ended_at))
) WITH (fillfactor = 80);
COMMENT ON TABLE authz.sessions IS 'Sign-ins; a session lives while expires_at is to come';
COMMENT ON COLUMN authz.sessions.id IS 'The claim sid of its access tokens';
COMMENT ON COLUMN authz.sessions.user_id IS 'Whose it is';
COMMENT ON COLUMN authz.sessions.created_at IS 'When the user signed in';
COMMENT ON COLUMN authz.sessions.expires_at IS
	'When it expires unless it is refreshed, or was ended: it lives exactly while this is to come';
COMMENT ON COLUMN authz.sessions.max_expires_at IS 'When it expires whatever happens';
COMMENT ON COLUMN authz.sessions.last_seen IS 'The last sign-in or refresh: coarse, not every request';
COMMENT ON COLUMN authz.sessions.ended_at IS 'When it was ended before its time; null: it was not';
COMMENT ON COLUMN authz.sessions.end_reason IS
	'logout, user, administrator, password, inactive, reuse (of a refresh token), limit (too many sessions)';
COMMENT ON COLUMN authz.sessions.duration IS 'From sign-in to end, or to last_seen while it has none';
COMMENT ON COLUMN authz.sessions.amr IS 'How the user authenticated (RFC 8176): pwd, otp, mfa';
COMMENT ON COLUMN authz.sessions.auth_time IS 'When the user last authenticated, by a step-up too';
COMMENT ON COLUMN authz.sessions.address IS 'The client''s address at sign-in, where it is known';
COMMENT ON COLUMN authz.sessions.user_agent IS 'The client''s User-Agent at sign-in, at most 200 characters';
COMMENT ON COLUMN authz.sessions.access_jtis IS 'The claims jti of its newest ten access tokens; no other one is good';
CREATE INDEX idx_sessions_user_id_expires ON authz.sessions (user_id, expires_at);
COMMENT ON INDEX authz.idx_sessions_user_id_expires IS 'Live sessions of a user: a range at the end of the user''s entries';
CREATE INDEX idx_sessions_expires_at ON authz.sessions (expires_at);
COMMENT ON INDEX authz.idx_sessions_expires_at IS 'What session_purge removes';
SELECT pg_extension_config_dump('authz.sessions', '');

CREATE TABLE authz.session_tokens (
	session_id uuid PRIMARY KEY REFERENCES authz.sessions ON DELETE CASCADE,
	tag_key bytea NOT NULL,
	token_hash bytea NOT NULL,
	previous_hash bytea,
	answer bytea,
	grace_until timestamptz
) WITH (fillfactor = 60);
COMMENT ON TABLE authz.session_tokens IS 'Refresh tokens, as hashes; for the owner alone';
COMMENT ON COLUMN authz.session_tokens.session_id IS 'The session';
COMMENT ON COLUMN authz.session_tokens.tag_key IS
	'Key of the tags by which tokens of this session are told from made-up ones; opens nothing';
COMMENT ON COLUMN authz.session_tokens.token_hash IS 'SHA-256 of the token that is good now';
COMMENT ON COLUMN authz.session_tokens.previous_hash IS 'Of the one before it';
COMMENT ON COLUMN authz.session_tokens.answer IS
	'What the one before it was answered, encrypted under a key made from it; only for the grace';
COMMENT ON COLUMN authz.session_tokens.grace_until IS 'Until when it gets the same answer again';
CREATE INDEX session_tokens_grace ON authz.session_tokens (grace_until) WHERE answer IS NOT NULL;
COMMENT ON INDEX authz.session_tokens_grace IS 'What session_grace_purge clears';
SELECT pg_extension_config_dump('authz.session_tokens', '');

/* ---------------------------------------------------------------- ending */

CREATE FUNCTION authz.commit_durably() RETURNS void
LANGUAGE plpgsql VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	IF current_setting('synchronous_commit') = 'off' THEN
		PERFORM set_config('synchronous_commit', 'on', true);
	END IF;
END
$$;
COMMENT ON FUNCTION authz.commit_durably() IS
	'This transaction''s commit is to outlive a crash, also where synchronous_commit is off';

/*
 * Order of locks, everywhere: user, what hangs on the user, session_tokens,
 * sessions.
 */
CREATE FUNCTION authz.session_end(session_id uuid, reason text DEFAULT 'administrator') RETURNS boolean
LANGUAGE plpgsql VOLATILE STRICT
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	moment timestamptz;
BEGIN
	PERFORM authz.commit_durably();
	DELETE FROM authz.session_tokens t WHERE t.session_id = session_end.session_id;
	moment := clock_timestamp();
	UPDATE authz.sessions s
		SET ended_at = moment, end_reason = reason, expires_at = moment
		WHERE s.id = session_end.session_id AND s.ended_at IS NULL AND s.expires_at > moment;
	RETURN FOUND;
END
$$;
COMMENT ON FUNCTION authz.session_end(uuid, text) IS
	'Ends a session: its refresh token is void, and so are its access tokens from the next request on; false when it had ended';

CREATE FUNCTION authz.sessions_end(user_id uuid, reason text DEFAULT 'administrator',
								   keep_session uuid DEFAULT NULL)
RETURNS bigint
LANGUAGE plpgsql VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	ended bigint;
	moment timestamptz;
BEGIN
	PERFORM authz.commit_durably();
	/* Written, not only locked: a transaction with an older snapshot shall not sign in any more. */
	UPDATE authz.users u SET last_login = u.last_login WHERE u.id = sessions_end.user_id;
	DELETE FROM authz.session_tokens t USING authz.sessions s
		WHERE t.session_id = s.id AND s.user_id = sessions_end.user_id AND s.id IS DISTINCT FROM keep_session;
	moment := clock_timestamp();
	UPDATE authz.sessions s
		SET ended_at = moment, end_reason = reason, expires_at = moment
		WHERE s.user_id = sessions_end.user_id AND s.id IS DISTINCT FROM keep_session
			AND s.ended_at IS NULL AND s.expires_at > moment;
	GET DIAGNOSTICS ended = ROW_COUNT;
	RETURN ended;
END
$$;
COMMENT ON FUNCTION authz.sessions_end(uuid, text, uuid) IS
	'Ends all sessions of a user but one (null: all); says how many';

/*
 * Here and in all that removes in batches, rows are found and locked by an index
 * and then named by their place.  A join by key would be planned for a batch of
 * unknown size, and read the whole table for each.
 */
CREATE FUNCTION authz.session_purge(max_rows integer DEFAULT 10000,
									retention interval DEFAULT '30 days')
RETURNS bigint
LANGUAGE sql VOLATILE
BEGIN ATOMIC
	WITH gone AS (
		DELETE FROM authz.sessions
		WHERE ctid = ANY (ARRAY(SELECT s.ctid FROM authz.sessions s WHERE s.expires_at < now() - retention
								ORDER BY s.expires_at LIMIT max_rows FOR UPDATE SKIP LOCKED))
		RETURNING 1)
	SELECT count(*) FROM gone;
END;
COMMENT ON FUNCTION authz.session_purge(integer, interval) IS
	'Removes at most max_rows sessions that expired or ended longer than retention ago; says how many. In batches it never holds a lock that a login waits for';

CREATE FUNCTION authz.session_grace_purge(max_rows integer DEFAULT 10000) RETURNS bigint
LANGUAGE sql VOLATILE
BEGIN ATOMIC
	WITH cleared AS (
		UPDATE authz.session_tokens SET answer = NULL
		WHERE ctid = ANY (ARRAY(SELECT t.ctid FROM authz.session_tokens t
								WHERE t.answer IS NOT NULL AND t.grace_until < now()
								ORDER BY t.grace_until LIMIT max_rows FOR UPDATE SKIP LOCKED))
		RETURNING 1)
	SELECT count(*) FROM cleared;
END;
COMMENT ON FUNCTION authz.session_grace_purge(integer) IS
	'Clears answers to refreshes whose grace is over; every refresh clears a few';

/* --------------------------------------------------------------- starting */

/*
 * An access token counts once the transaction that issued it has committed, for
 * its jti is in the session's row.  Otherwise a refresh that is rolled back would
 * leave a good token and the refresh token as it was.
 */
CREATE FUNCTION authz.access_token(user_id uuid, session_id uuid, jti uuid, amr text[], auth_time timestamptz)
RETURNS text
LANGUAGE plpgsql VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	IF authz.setting('authz.issuer') = '' OR authz.setting('authz.audience') = '' THEN
		RAISE EXCEPTION 'access tokens need an issuer and an audience'
			USING ERRCODE = 'object_not_in_prerequisite_state',
				HINT = 'Set authz.issuer and authz.audience, as in ALTER DATABASE ... SET authz.issuer = ''https://auth.example.com''.';
	END IF;
	RETURN authz.jwt_sign(jsonb_build_object(
			'sub', user_id, 'sid', session_id, 'jti', jti, 'role', authz.setting('authz.access_token_role'),
			'client_id', authz.setting('authz.audience'),
			'amr', to_jsonb(amr), 'auth_time', floor(extract(epoch FROM auth_time))::bigint),
		expires_in => extract(epoch FROM authz.setting('authz.token_lifetime')::interval)::integer,
		typ => 'at+jwt');
END
$$;
COMMENT ON FUNCTION authz.access_token(uuid, uuid, uuid, text[], timestamptz) IS
	'A signed access token (RFC 9068) of a session, for authz.token_lifetime; its jti has to be in the session''s access_jtis';

/*
 * A refresh token is the session's id, 32 random bytes, and a tag of 16 bytes
 * over both.  What is not tagged was never ours, so nobody can end a session by
 * presenting made-up tokens for it.
 */
CREATE FUNCTION authz.refresh_token(session_id uuid, secret bytea, tag_key bytea) RETURNS bytea
LANGUAGE sql IMMUTABLE STRICT
BEGIN ATOMIC
	SELECT uuid_send(session_id) || secret
		|| substr(authz.hmac('sha256', tag_key, uuid_send(session_id) || secret), 1, 16);
END;
COMMENT ON FUNCTION authz.refresh_token(uuid, bytea, bytea) IS 'The bytes of a refresh token with this secret';

CREATE FUNCTION authz.session_start(user_id uuid, amr text[], address inet DEFAULT NULL,
									user_agent text DEFAULT NULL)
RETURNS json
LANGUAGE plpgsql VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	sid uuid := gen_random_uuid();
	jti uuid := gen_random_uuid();
	secret bytea := authz.random_bytes(32);
	tag_key bytea := authz.random_bytes(32);
	most integer := authz.setting('authz.max_sessions');
	lifetime interval := authz.setting('authz.session_lifetime');
	idle interval := authz.setting('authz.session_idle_timeout');
BEGIN
	/* Sign-ins of one user follow each other from here on. */
	UPDATE authz.users SET last_login = now() WHERE id = session_start.user_id AND active;
	IF NOT FOUND THEN
		RAISE EXCEPTION 'user "%" does not exist or is not active', user_id
			USING ERRCODE = 'no_data_found';
	END IF;
	PERFORM authz.session_end(s.id, 'limit')
		FROM (SELECT id FROM authz.sessions s
			  WHERE s.user_id = session_start.user_id AND s.expires_at > now() AND s.ended_at IS NULL
			  ORDER BY s.created_at DESC, s.id OFFSET most - 1) s;
	INSERT INTO authz.sessions (id, user_id, expires_at, max_expires_at, amr, address, user_agent, access_jtis)
		VALUES (sid, user_id, now() + least(idle, lifetime), now() + lifetime, amr, address, left(user_agent, 200), ARRAY[jti]);
	INSERT INTO authz.session_tokens (session_id, tag_key, token_hash)
		VALUES (sid, tag_key, sha256(secret));
	RETURN authz.http_answer(200, authz.token_answer(
		authz.access_token(user_id, sid, jti, amr, now()), authz.refresh_token(sid, secret, tag_key)));
END
$$;
COMMENT ON FUNCTION authz.session_start(uuid, text[], inet, text) IS
	'Starts a session for a user who has authenticated, and answers as RFC 6749 section 5.1 has it';

CREATE FUNCTION authz.token_answer(access_token text, refresh_token bytea) RETURNS jsonb
LANGUAGE sql STABLE
BEGIN ATOMIC
	SELECT jsonb_build_object('access_token', access_token, 'token_type', 'Bearer',
		'expires_in', extract(epoch FROM authz.setting('authz.token_lifetime')::interval)::integer,
		'refresh_token', authz.base64url(refresh_token));
END;
COMMENT ON FUNCTION authz.token_answer(text, bytea) IS 'The members of RFC 6749 section 5.1';

CREATE FUNCTION authz.login(email text, password text, address inet DEFAULT NULL,
							user_agent text DEFAULT NULL)
RETURNS json
LANGUAGE plpgsql VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	account text;
	u authz.users;
	known authz.user_passwords;
	attempt record;
BEGIN
	account := authz.email_fold(left(email, 1000));
	IF current_setting('transaction_read_only')::boolean THEN
		PERFORM authz.audit_keep(json_build_object('created_at', clock_timestamp(), 'event', 'login_failed',
			'role_name', session_user, 'account', left(account, 254), 'address', address,
			'details', json_build_object('result', 'read_only')));
		PERFORM authz.refuse_read_only();
	END IF;
	IF email IS NULL OR password IS NULL THEN
		RETURN authz.http_error(400, 'invalid_request', 'An email and a password are needed.');
	END IF;
	SELECT * INTO u FROM authz.users WHERE email_normalized = account AND active;
	SELECT * INTO known FROM authz.user_passwords p WHERE p.user_id = u.id;
	attempt := authz.password_attempt(password, known.hash, account, authz.address_subject(address));
	IF attempt.result <> 'right' THEN
		RETURN authz.attempt_refused(attempt.result, attempt.retry_after);
	END IF;
	IF NOT authz.password_holds(u.id, known.changed_at) THEN
		PERFORM authz.audit_failure('login_failed', u.id, json_build_object('result', 'wrong'));
		RETURN authz.attempt_refused('wrong', NULL);
	END IF;
	IF NOT authz.password_is_current(known.hash) THEN
		UPDATE authz.user_passwords p SET hash = authz.password_hash(password)
			WHERE p.user_id = u.id AND p.hash = known.hash;
	END IF;
	IF u.email_verified_at IS NULL AND authz.setting('authz.require_verified_email')::boolean THEN
		PERFORM authz.email_verification_send(u.id),
			authz.audit_write(json_build_array(json_build_object('event', 'login_failed', 'actor', authz.user_uid(u.id)::text,
				'user_id', u.id, 'account', account, 'address', address, 'user_agent', left(user_agent, 200),
				'details', json_build_object('result', 'email_not_verified'))));
		RETURN authz.http_error(403, 'email_not_verified', 'Verify the email address first.');
	END IF;
	IF authz.second_factor_in_force(u.id) THEN
		RETURN authz.second_factor_needed(u.id, address, user_agent);
	END IF;
	RETURN authz.session_start(u.id, '{pwd}', address, user_agent);
END
$$;
COMMENT ON FUNCTION authz.login(text, text, inet, text) IS
	'Signs in. Answers access_token, token_type, expires_in (seconds), refresh_token, or error, error_description, retry_after (seconds)';

CREATE FUNCTION authz.address_subject(address inet) RETURNS text
LANGUAGE sql IMMUTABLE STRICT
BEGIN ATOMIC
	SELECT CASE
		WHEN family(address) = 4 THEN host(address)
		WHEN address <<= '::ffff:0:0/96' THEN host('0.0.0.0'::inet + (set_masklen(address, 128) - '::ffff:0:0'::inet))
		ELSE text(network(set_masklen(address, 64))) END;
END;
COMMENT ON FUNCTION authz.address_subject(inet) IS
	'As what failures from an address are counted: IPv4 itself, also where it is written as IPv6 (RFC 4291 section 2.5.5.2), or the /64 that it is in';

CREATE FUNCTION authz.refresh(refresh_token text) RETURNS json
LANGUAGE plpgsql VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	/* One that is cut is still too long. */
	presented bytea := authz.base64url_decode(left(refresh_token, 100));
	secret bytea := substr(presented, 17, 32);
	sid uuid;
	t authz.session_tokens;
	s authz.sessions;
	plain bytea;
	new_jti uuid := gen_random_uuid();
	new_secret bytea;
	new_answer jsonb;
	grace interval := authz.setting('authz.refresh_grace');
	idle interval := authz.setting('authz.session_idle_timeout');
BEGIN
	PERFORM authz.refuse_read_only();
	IF octet_length(presented) IS DISTINCT FROM 64 THEN
		RETURN authz.refresh_refused();
	END IF;
	sid := encode(substr(presented, 1, 16), 'hex');

	/* One at a time; who waited sees what the one before has written. */
	SELECT * INTO t FROM authz.session_tokens WHERE session_id = sid FOR UPDATE;
	IF NOT FOUND OR NOT authz.bytes_equal(presented, authz.refresh_token(sid, secret, t.tag_key)) THEN
		RETURN authz.refresh_refused();
	END IF;
	IF NOT authz.bytes_equal(t.token_hash, sha256(secret)) THEN
		/* The one before, again: its answer may not have arrived. */
		IF authz.bytes_equal(t.previous_hash, sha256(secret)) AND clock_timestamp() < t.grace_until THEN
			SELECT * INTO s FROM authz.sessions WHERE id = sid AND ended_at IS NULL AND expires_at > clock_timestamp();
			plain := authz.unseal(authz.hmac('sha256', secret, 'refresh answer'), t.answer, uuid_send(sid));
			IF FOUND AND plain IS NOT NULL THEN
				RETURN authz.http_answer(200, convert_from(plain, 'UTF8')::jsonb);
			END IF;
			RETURN authz.refresh_refused();
		END IF;
		/* An old one: two have it, and nobody knows which of them is the user. */
		PERFORM authz.session_end(sid, 'reuse');
		RETURN authz.refresh_refused();
	END IF;

	UPDATE authz.sessions
		SET last_seen = now(), expires_at = least(now() + idle, max_expires_at), access_jtis = (new_jti || access_jtis)[1:10]
		WHERE id = sid AND ended_at IS NULL AND expires_at > clock_timestamp()
		RETURNING * INTO s;
	IF NOT FOUND THEN
		RETURN authz.refresh_refused();
	END IF;
	PERFORM authz.commit_durably();
	new_secret := authz.random_bytes(32);
	new_answer := authz.token_answer(authz.access_token(s.user_id, sid, new_jti, s.amr, s.auth_time),
									 authz.refresh_token(sid, new_secret, t.tag_key));
	UPDATE authz.session_tokens
		SET token_hash = sha256(new_secret), previous_hash = sha256(secret),
			answer = CASE WHEN grace > '0' THEN authz.seal(
				authz.hmac('sha256', secret, 'refresh answer'), convert_to(new_answer::text, 'UTF8'), uuid_send(sid)) END,
			grace_until = clock_timestamp() + grace
		WHERE session_id = sid;
	PERFORM authz.session_grace_purge(2);
	RETURN authz.http_answer(200, new_answer);
END
$$;
COMMENT ON FUNCTION authz.refresh(text) IS
	'Gives new tokens for a refresh token, which is used up. The same token within authz.refresh_grace gets the same answer; later it ends the session';

CREATE FUNCTION authz.refresh_refused() RETURNS json
LANGUAGE sql VOLATILE
BEGIN ATOMIC
	SELECT authz.http_error(400, 'invalid_grant', 'The refresh token is not valid: unknown, used, expired, or its session has ended.');
END;
COMMENT ON FUNCTION authz.refresh_refused() IS 'The answer to a refresh token that is not good';

CREATE FUNCTION authz.revoke(refresh_token text) RETURNS boolean
LANGUAGE plpgsql VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	/* One that is cut is still too long. */
	presented bytea := authz.base64url_decode(left(refresh_token, 100));
	sid uuid;
	t authz.session_tokens;
BEGIN
	IF octet_length(presented) IS DISTINCT FROM 64 THEN
		RETURN false;
	END IF;
	sid := encode(substr(presented, 1, 16), 'hex');
	SELECT * INTO t FROM authz.session_tokens WHERE session_id = sid FOR UPDATE;
	IF NOT FOUND OR NOT authz.bytes_equal(presented,
			authz.refresh_token(sid, substr(presented, 17, 32), t.tag_key)) THEN
		RETURN false;
	END IF;
	RETURN authz.session_end(sid, 'logout');
END
$$;
COMMENT ON FUNCTION authz.revoke(text) IS
	'Ends the session of a refresh token, used or not (RFC 7009); false when there is none';

/* ------------------------------------------------------- the session at hand */

/*
 * A foreign issuer's token may have a sid of its own; it is not ours.
 */
CREATE FUNCTION authz.session_claims(OUT session_id uuid, OUT user_id text, OUT jti text)
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	claims jsonb := authz.claims();
BEGIN
	IF claims ? 'sid' AND NOT EXISTS (SELECT FROM authz.trusted_issuers i WHERE i.issuer = claims->>'iss') THEN
		session_id := claims->>'sid';
		user_id := claims->>'sub';
		jti := claims->>'jti';
	END IF;
END
$$;
COMMENT ON FUNCTION authz.session_claims() IS
	'The session that the request''s token of this database names, ended or not; nulls when it names none';

CREATE FUNCTION authz.current_session() RETURNS authz.sessions
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	s authz.sessions;
BEGIN
	SELECT x.* INTO s FROM authz.session_claims() c JOIN authz.sessions x ON x.id = c.session_id
		WHERE x.user_id::text = c.user_id AND c.jti = ANY (x.access_jtis::text[]) AND x.ended_at IS NULL AND x.expires_at > now();
	IF NOT FOUND THEN
		RAISE EXCEPTION 'the request has no session'
			USING ERRCODE = 'PT401',
				HINT = 'Sign in, and send the access token.';
	END IF;
	RETURN s;
END
$$;
COMMENT ON FUNCTION authz.current_session() IS
	'The live session of the request''s access token; raises PT401 (HTTP status 401) when there is none';

CREATE FUNCTION authz.session_hold(s authz.sessions) RETURNS void
LANGUAGE plpgsql VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	PERFORM FROM authz.users u WHERE u.id = s.user_id AND u.active FOR NO KEY UPDATE;
	PERFORM FROM authz.sessions x
		WHERE FOUND AND x.id = s.id AND x.ended_at IS NULL AND x.expires_at > clock_timestamp() FOR NO KEY UPDATE;
	IF NOT FOUND THEN
		RAISE EXCEPTION 'the session has ended'
			USING ERRCODE = 'PT401', HINT = 'Sign in again.';
	END IF;
END
$$;
COMMENT ON FUNCTION authz.session_hold(authz.sessions) IS
	'For what changes how a user signs in: nobody ends the session until the transaction ends; raises PT401 when somebody has';

CREATE FUNCTION authz.session_check() RETURNS void
LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'authz_session_check';
COMMENT ON FUNCTION authz.session_check() IS
	'Raises PT401 when the claims of the request name a session that has ended or expired, or has not issued this token';

REVOKE ALL ON FUNCTION
	authz.seal(bytea, bytea, bytea), authz.unseal(bytea, bytea, bytea),
	authz.commit_durably(), authz.session_end(uuid, text), authz.sessions_end(uuid, text, uuid),
	authz.session_purge(integer, interval), authz.session_grace_purge(integer),
	authz.access_token(uuid, uuid, uuid, text[], timestamptz), authz.refresh_token(uuid, bytea, bytea),
	authz.session_start(uuid, text[], inet, text), authz.token_answer(text, bytea),
	authz.login(text, text, inet, text), authz.address_subject(inet),
	authz.refresh(text), authz.refresh_refused(), authz.revoke(text),
	authz.session_claims(), authz.current_session(), authz.session_hold(authz.sessions), authz.session_check()
	FROM PUBLIC;
