/* token: signing keys, tokens, and who is asking. */

CREATE TABLE authz.gateway_roles (
	role_name name PRIMARY KEY
);
COMMENT ON TABLE authz.gateway_roles IS
	'Login roles whose sessions'' request.jwt.claims is believed, such as PostgREST''s authenticator';
COMMENT ON COLUMN authz.gateway_roles.role_name IS 'The role that opens the session (session_user)';
SELECT pg_extension_config_dump('authz.gateway_roles', '');

CREATE FUNCTION authz.gateway_register(role regrole) RETURNS void
LANGUAGE sql VOLATILE STRICT
BEGIN ATOMIC
	INSERT INTO authz.gateway_roles (role_name)
		SELECT rolname FROM pg_roles WHERE oid = role
		ON CONFLICT DO NOTHING;
END;
COMMENT ON FUNCTION authz.gateway_register(regrole) IS
	'From now on, believe request.jwt.claims in sessions that this role has opened';

CREATE FUNCTION authz.gateway_unregister(role regrole) RETURNS boolean
LANGUAGE sql VOLATILE STRICT
BEGIN ATOMIC
	WITH gone AS (
		DELETE FROM authz.gateway_roles
		WHERE role_name = (SELECT rolname FROM pg_roles WHERE oid = role)
		RETURNING 1)
	SELECT EXISTS (SELECT FROM gone);
END;
COMMENT ON FUNCTION authz.gateway_unregister(regrole) IS
	'Believe this role no longer; false when it was no gateway. Call it before dropping the role';

CREATE FUNCTION authz.token_setting(name text) RETURNS text
LANGUAGE c STABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'authz_token_setting';
COMMENT ON FUNCTION authz.token_setting(text) IS
	'The setting authz.<name> as of now, also where the library was not loaded yet';

/* ------------------------------------------------------------ signing keys */

CREATE TABLE authz.signing_keys (
	kid text COLLATE "C" PRIMARY KEY CHECK (kid ~ '^[A-Za-z0-9_-]{43}$'),
	alg text COLLATE "C" NOT NULL CHECK (alg IN (
		'EdDSA', 'ES256', 'ES384', 'ES512', 'RS256', 'RS384', 'RS512',
		'PS256', 'PS384', 'PS512', 'HS256', 'HS384', 'HS512')),
	purpose text COLLATE "C" NOT NULL DEFAULT 'access' CHECK (purpose <> ''),
	state text COLLATE "C" NOT NULL CHECK (state IN ('pending', 'active', 'retiring', 'retired')),
	public_jwk jsonb,
	private_key bytea,
	max_lifetime integer NOT NULL CHECK (max_lifetime > 0),
	created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
	activate_after timestamptz,
	activated_at timestamptz,
	verify_until timestamptz,
	retired_at timestamptz,
	CONSTRAINT public_unless_symmetric CHECK ((public_jwk IS NULL) = (alg LIKE 'HS%')),
	CONSTRAINT public_kid CHECK (public_jwk ->> 'kid' = kid),
	CONSTRAINT public_only CHECK (NOT public_jwk ?| ARRAY['d', 'k', 'p', 'q', 'dp', 'dq', 'qi', 'oth']),
	CONSTRAINT private_until_retired CHECK ((state = 'retired') = (private_key IS NULL)),
	CONSTRAINT pending_says_when CHECK (state <> 'pending' OR activate_after IS NOT NULL),
	CONSTRAINT active_says_when CHECK (state <> 'active' OR activated_at IS NOT NULL),
	CONSTRAINT retiring_says_when CHECK (state <> 'retiring' OR verify_until IS NOT NULL),
	CONSTRAINT retired_says_when CHECK ((state = 'retired') = (retired_at IS NOT NULL))
);
CREATE UNIQUE INDEX signing_keys_active_key ON authz.signing_keys (purpose, alg) WHERE state = 'active';
COMMENT ON TABLE authz.signing_keys IS
	'Keys that sign and verify tokens; use signing_key_create, _rotate and _retire';
COMMENT ON INDEX authz.signing_keys_active_key IS
	'Exactly one key signs for a purpose with an algorithm';
COMMENT ON COLUMN authz.signing_keys.kid IS 'The key''s thumbprint (RFC 7638), the kid of its tokens';
COMMENT ON COLUMN authz.signing_keys.alg IS 'The one algorithm that it is for (RFC 7518, RFC 8037)';
COMMENT ON COLUMN authz.signing_keys.purpose IS
	'What its tokens are for; keys for "access" are published to PostgREST';
COMMENT ON COLUMN authz.signing_keys.state IS
	'pending: published, does not sign yet; active: signs; retiring: verifies only; retired: does nothing';
COMMENT ON COLUMN authz.signing_keys.public_jwk IS 'The public key (RFC 7517); null for HS*';
COMMENT ON COLUMN authz.signing_keys.private_key IS
	'The private key or secret, encrypted with AES-256-GCM under the master key, for this kid, algorithm and purpose';
COMMENT ON COLUMN authz.signing_keys.max_lifetime IS 'The longest validity of a token, in seconds';
COMMENT ON COLUMN authz.signing_keys.created_at IS 'When it was made';
COMMENT ON COLUMN authz.signing_keys.activate_after IS 'A pending key: when it may begin to sign';
COMMENT ON COLUMN authz.signing_keys.activated_at IS 'When it began to sign';
COMMENT ON COLUMN authz.signing_keys.verify_until IS 'A retiring key: when its last token will have expired';
COMMENT ON COLUMN authz.signing_keys.retired_at IS 'When it ceased to verify';
REVOKE ALL ON TABLE authz.signing_keys FROM PUBLIC;
SELECT pg_extension_config_dump('authz.signing_keys', '');

CREATE FUNCTION authz.signing_key_generate(alg text, purpose text, bits integer,
	OUT kid text, OUT public_jwk jsonb, OUT private_key bytea)
LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'authz_signing_key_generate';
COMMENT ON FUNCTION authz.signing_key_generate(text, text, integer) IS
	'For signing_key_create: a new key, its private part encrypted under the master key';

CREATE FUNCTION authz.signing_key_reencrypt(kid text, alg text, purpose text, private_key bytea)
RETURNS bytea
LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'authz_signing_key_reencrypt';
COMMENT ON FUNCTION authz.signing_key_reencrypt(text, text, text, bytea) IS
	'For signing_keys_reencrypt: a private part under the first master key; null when it is already';

CREATE FUNCTION authz.signing_key_check(kid text, alg text, public_jwk jsonb) RETURNS boolean
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'authz_signing_key_check';
COMMENT ON FUNCTION authz.signing_key_check(text, text, jsonb) IS
	'Is this JWK the public key that the kid is the thumbprint of, sound and for the algorithm? Raises where it is no sound key';

/* A state only moves on; what a key is never changes. */
CREATE FUNCTION authz.signing_keys_before_row() RETURNS trigger
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	states text[] := ARRAY['pending', 'active', 'retiring', 'retired'];
BEGIN
	IF TG_OP = 'INSERT' THEN
		IF NEW.public_jwk IS NOT NULL
			AND NOT authz.signing_key_check(NEW.kid, NEW.alg, NEW.public_jwk) THEN
			RAISE EXCEPTION 'public_jwk is not the key of kid "%"', NEW.kid
				USING ERRCODE = 'check_violation';
		END IF;
		RETURN NEW;
	END IF;
	IF (NEW.kid, NEW.alg, NEW.purpose, NEW.max_lifetime, NEW.created_at)
		<> (OLD.kid, OLD.alg, OLD.purpose, OLD.max_lifetime, OLD.created_at)
		OR NEW.public_jwk IS DISTINCT FROM OLD.public_jwk THEN
		RAISE EXCEPTION 'signing key "%" cannot be changed', OLD.kid
			USING ERRCODE = 'check_violation',
				DETAIL = 'Of a signing key only the state changes.',
				HINT = 'Create another key.';
	END IF;
	IF array_position(states, NEW.state) < array_position(states, OLD.state) THEN
		RAISE EXCEPTION 'signing key "%" is % and cannot become % again', OLD.kid, OLD.state, NEW.state
			USING ERRCODE = 'check_violation',
				HINT = 'Create another key.';
	END IF;
	RETURN NEW;
END
$$;
COMMENT ON FUNCTION authz.signing_keys_before_row() IS
	'Trigger: a signing key is what its kid says, and its state only moves on';

/* PostgREST listens; so may others who keep a copy of the key set. */
CREATE FUNCTION authz.token_keys_notify() RETURNS trigger
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	PERFORM pg_notify('pgrst', 'reload config');
	RETURN NULL;
END
$$;
COMMENT ON FUNCTION authz.token_keys_notify() IS
	'Trigger: tells PostgREST to read its configuration again';

CREATE TRIGGER before_row BEFORE INSERT OR UPDATE ON authz.signing_keys
	FOR EACH ROW EXECUTE FUNCTION authz.signing_keys_before_row();
CREATE TRIGGER notify AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON authz.signing_keys
	FOR EACH STATEMENT EXECUTE FUNCTION authz.token_keys_notify();
ALTER TABLE authz.signing_keys ENABLE ALWAYS TRIGGER before_row;
ALTER TABLE authz.signing_keys ENABLE ALWAYS TRIGGER notify;

CREATE FUNCTION authz.signing_key_create(alg text DEFAULT 'EdDSA', purpose text DEFAULT 'access',
	bits integer DEFAULT NULL, max_lifetime integer DEFAULT NULL)
RETURNS text
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	new record;
	is_first boolean;
BEGIN
	IF alg IS NULL OR purpose IS NULL THEN
		RAISE EXCEPTION 'alg and purpose must not be null'
			USING ERRCODE = 'null_value_not_allowed';
	END IF;
	LOCK TABLE authz.signing_keys IN SHARE ROW EXCLUSIVE MODE;
	SELECT * INTO new FROM authz.signing_key_generate(alg, purpose, bits);
	is_first := NOT EXISTS (
		SELECT FROM authz.signing_keys k
		WHERE k.alg = signing_key_create.alg AND k.purpose = signing_key_create.purpose
			AND k.state IN ('pending', 'active'));
	IF NOT is_first AND EXISTS (
		SELECT FROM authz.signing_keys k
		WHERE k.alg = signing_key_create.alg AND k.purpose = signing_key_create.purpose
			AND k.state = 'pending') THEN
		RAISE EXCEPTION 'there is a pending % key for purpose "%" already', alg, purpose
			USING ERRCODE = 'object_not_in_prerequisite_state',
				HINT = 'Activate it with authz.signing_key_rotate(), or retire it.';
	END IF;
	INSERT INTO authz.signing_keys (kid, alg, purpose, state, public_jwk, private_key,
									max_lifetime, activate_after, activated_at)
	VALUES (new.kid, alg, purpose, CASE WHEN is_first THEN 'active' ELSE 'pending' END,
			new.public_jwk, new.private_key,
			coalesce(max_lifetime, extract(epoch FROM authz.token_setting('token_max_lifetime')::interval)::integer),
			CASE WHEN NOT is_first
				THEN clock_timestamp() + authz.token_setting('key_pending_period')::interval END,
			CASE WHEN is_first THEN clock_timestamp() END);
	RETURN new.kid;
END
$$;
COMMENT ON FUNCTION authz.signing_key_create(text, text, integer, integer) IS
	'A new signing key; gives its kid. The first of its algorithm and purpose is active at once, others are pending. bits is for RSA, max_lifetime in seconds';

CREATE FUNCTION authz.signing_key_activate(kid text) RETURNS void
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	pending authz.signing_keys;
BEGIN
	LOCK TABLE authz.signing_keys IN SHARE ROW EXCLUSIVE MODE;
	SELECT * INTO pending FROM authz.signing_keys k
		WHERE k.kid = signing_key_activate.kid AND k.state = 'pending';
	IF NOT FOUND THEN
		RAISE EXCEPTION 'there is no pending signing key "%"', kid
			USING ERRCODE = 'object_not_in_prerequisite_state';
	END IF;
	/* Five minutes more for a transaction that takes its time to commit. */
	UPDATE authz.signing_keys k
		SET state = 'retiring',
			verify_until = clock_timestamp() + make_interval(secs => k.max_lifetime + 300)
		WHERE k.alg = pending.alg AND k.purpose = pending.purpose AND k.state = 'active';
	UPDATE authz.signing_keys k
		SET state = 'active', activated_at = clock_timestamp()
		WHERE k.kid = pending.kid;
END
$$;
COMMENT ON FUNCTION authz.signing_key_activate(text) IS
	'A pending key begins to sign now, whether its pending period is over or not; the one that did so is retiring';

CREATE FUNCTION authz.signing_key_rotate(alg text DEFAULT 'EdDSA', purpose text DEFAULT 'access',
	immediately boolean DEFAULT false,
	OUT kid text, OUT state text, OUT activate_after timestamptz)
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	next authz.signing_keys;
BEGIN
	LOCK TABLE authz.signing_keys IN SHARE ROW EXCLUSIVE MODE;
	SELECT * INTO next FROM authz.signing_keys k
		WHERE k.alg = signing_key_rotate.alg AND k.purpose = signing_key_rotate.purpose
			AND k.state = 'pending';
	IF NOT FOUND THEN
		kid := authz.signing_key_create(alg, purpose,
			(SELECT octet_length(decode(rpad(translate(k.public_jwk ->> 'n', '-_', '+/'),
											 (length(k.public_jwk ->> 'n') + 3) / 4 * 4, '='), 'base64')) * 8
			 FROM authz.signing_keys k
			 WHERE k.alg = signing_key_rotate.alg AND k.purpose = signing_key_rotate.purpose
				AND k.state = 'active'),
			(SELECT k.max_lifetime FROM authz.signing_keys k
			 WHERE k.alg = signing_key_rotate.alg AND k.purpose = signing_key_rotate.purpose
				AND k.state = 'active'));
		SELECT * INTO next FROM authz.signing_keys k WHERE k.kid = signing_key_rotate.kid;
	END IF;
	IF next.state = 'pending' AND (immediately OR next.activate_after <= clock_timestamp()) THEN
		PERFORM authz.signing_key_activate(next.kid);
	END IF;
	SELECT k.kid, k.state, k.activate_after INTO kid, state, activate_after
		FROM authz.signing_keys k WHERE k.kid = next.kid;
END
$$;
COMMENT ON FUNCTION authz.signing_key_rotate(text, text, boolean) IS
	'The next step of a rotation: makes a pending key, or activates it when its pending period is over; says which key is next and when. Immediately: both at once, for a key that has leaked';

CREATE FUNCTION authz.signing_key_retire(kid text) RETURNS boolean
LANGUAGE sql VOLATILE STRICT SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	WITH retired AS (
		UPDATE authz.signing_keys k
			SET state = 'retired', private_key = NULL, retired_at = clock_timestamp()
			WHERE k.kid = signing_key_retire.kid AND k.state <> 'retired'
			RETURNING 1)
	SELECT EXISTS (SELECT FROM retired);
END;
COMMENT ON FUNCTION authz.signing_key_retire(text) IS
	'From COMMIT on this key neither signs nor verifies, and its private part is gone; false when there is no such key';

CREATE FUNCTION authz.signing_keys_maintain() RETURNS SETOF text
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	key authz.signing_keys;
	period interval := authz.token_setting('key_rotation_period')::interval;
	next text;
BEGIN
	LOCK TABLE authz.signing_keys IN SHARE ROW EXCLUSIVE MODE;
	FOR key IN SELECT * FROM authz.signing_keys
		WHERE state = 'retiring' AND verify_until <= clock_timestamp() ORDER BY kid LOOP
		PERFORM authz.signing_key_retire(key.kid);
		RETURN NEXT format('retired %s', key.kid);
	END LOOP;
	FOR key IN SELECT * FROM authz.signing_keys
		WHERE state = 'pending' AND activate_after <= clock_timestamp() ORDER BY kid LOOP
		PERFORM authz.signing_key_activate(key.kid);
		RETURN NEXT format('activated %s', key.kid);
	END LOOP;
	IF period > '0' THEN
		FOR key IN SELECT * FROM authz.signing_keys a
			WHERE a.state = 'active' AND a.activated_at + period <= clock_timestamp()
				AND NOT EXISTS (SELECT FROM authz.signing_keys p
								WHERE p.state = 'pending' AND p.alg = a.alg AND p.purpose = a.purpose)
			ORDER BY kid LOOP
			SELECT r.kid INTO next FROM authz.signing_key_rotate(key.alg, key.purpose) r;
			RETURN NEXT format('created %s', next);
		END LOOP;
	END IF;
END
$$;
COMMENT ON FUNCTION authz.signing_keys_maintain() IS
	'Does what is due: retires keys whose tokens have all expired, activates pending keys, begins the rotation of old ones; says what it did. Call it every minute';

CREATE FUNCTION authz.signing_keys_reencrypt() RETURNS bigint
LANGUAGE sql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	WITH resealed AS MATERIALIZED (
		SELECT k.kid, authz.signing_key_reencrypt(k.kid, k.alg, k.purpose, k.private_key) AS private_key
		FROM authz.signing_keys k),
	changed AS (
		UPDATE authz.signing_keys k SET private_key = r.private_key
		FROM resealed r
		WHERE r.kid = k.kid AND r.private_key IS NOT NULL AND k.private_key IS NOT NULL
		RETURNING 1)
	SELECT count(*) FROM changed;
END;
COMMENT ON FUNCTION authz.signing_keys_reencrypt() IS
	'Encrypts private parts anew that are not under the first master key; gives how many';

CREATE FUNCTION authz.master_key_ids() RETURNS text[]
LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'authz_master_key_ids';
COMMENT ON FUNCTION authz.master_key_ids() IS
	'Which master keys there are, by their ids; the first one encrypts, all of them decrypt';

CREATE FUNCTION authz.master_key_add() RETURNS text
LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'authz_master_key_add';
COMMENT ON FUNCTION authz.master_key_add() IS
	'Puts a new master key in front of those in the master key file; gives its id. signing_keys_reencrypt() comes next';

/* ----------------------------------------------------------------- tokens */

CREATE FUNCTION authz.jwt_sign(claims jsonb, kid text DEFAULT NULL, alg text DEFAULT NULL,
	expires_in integer DEFAULT NULL, typ text DEFAULT 'JWT', purpose text DEFAULT 'access')
RETURNS text
LANGUAGE c VOLATILE PARALLEL RESTRICTED AS 'MODULE_PATHNAME', 'authz_jwt_sign';
COMMENT ON FUNCTION authz.jwt_sign(jsonb, text, text, integer, text, text) IS
	'A signed token (JWS compact, RFC 7515) with these claims. Adds iat, exp (expires_in seconds from now, or authz.token_lifetime), iss and aud (as set), and for typ at+jwt jti, where they are missing';

CREATE FUNCTION authz.jwt_verify(token text, issuer text DEFAULT NULL, audience text DEFAULT NULL,
	typ text DEFAULT NULL, leeway integer DEFAULT 0, purpose text DEFAULT 'access')
RETURNS jsonb
LANGUAGE c STABLE PARALLEL RESTRICTED AS 'MODULE_PATHNAME', 'authz_jwt_verify';
COMMENT ON FUNCTION authz.jwt_verify(text, text, text, text, integer, text) IS
	'The claims of a token that is good: of this database, or of the trusted issuer that is named; raises SQLSTATE JW001 to JW012 otherwise. leeway in seconds';

CREATE FUNCTION authz.jwt_verify_or_null(token text, issuer text DEFAULT NULL, audience text DEFAULT NULL,
	typ text DEFAULT NULL, leeway integer DEFAULT 0, purpose text DEFAULT 'access')
RETURNS jsonb
LANGUAGE c STABLE PARALLEL RESTRICTED AS 'MODULE_PATHNAME', 'authz_jwt_verify_or_null';
COMMENT ON FUNCTION authz.jwt_verify_or_null(text, text, text, text, integer, text) IS
	'As jwt_verify, but null for a token that is not good';

CREATE FUNCTION authz.jwt_decode(token text) RETURNS jsonb
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'authz_jwt_decode';
COMMENT ON FUNCTION authz.jwt_decode(text) IS
	'What a token says: {"verified": false, "header", "claims"}. NOTHING IS VERIFIED: anybody can write such a token. To look at, never to decide by';

CREATE FUNCTION authz.jwks(purpose text DEFAULT 'access') RETURNS jsonb
LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	SELECT jsonb_build_object('keys', coalesce(jsonb_agg(k.public_jwk ORDER BY k.created_at DESC, k.kid), '[]'))
	FROM authz.signing_keys k
	WHERE k.purpose = jwks.purpose AND k.state <> 'retired' AND k.public_jwk IS NOT NULL;
END;
COMMENT ON FUNCTION authz.jwks(text) IS
	'The public keys that tokens of this purpose may be verified with, as a JWK set (RFC 7517)';

CREATE FUNCTION authz.token_cache_stats(OUT hits bigint, OUT misses bigint, OUT entries bigint,
	OUT capacity bigint, OUT shared boolean)
LANGUAGE c VOLATILE PARALLEL RESTRICTED AS 'MODULE_PATHNAME', 'authz_token_cache_stats';
COMMENT ON FUNCTION authz.token_cache_stats() IS
	'Verified tokens that are remembered: of all backends where shared, else of this one, since its start';

/* --------------------------------------------------------- foreign issuers */

CREATE FUNCTION authz.jwks_check(jwks jsonb) RETURNS integer
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'authz_jwks_check';
COMMENT ON FUNCTION authz.jwks_check(jsonb) IS
	'How many keys of a JWK set tokens can be verified with; raises for what is no JWK set, for unsound, private and secret keys';

CREATE TABLE authz.trusted_issuers (
	issuer text COLLATE "C" PRIMARY KEY CHECK (issuer <> ''),
	jwks jsonb NOT NULL CHECK (authz.jwks_check(jwks) >= 0),
	audience text NOT NULL CHECK (audience <> ''),
	principal_type text CHECK (authz.entity_uid_type(authz.entity_uid(principal_type, '')) = principal_type),
	roles name[] NOT NULL DEFAULT '{}',
	enabled boolean NOT NULL DEFAULT true
);
COMMENT ON TABLE authz.trusted_issuers IS
	'Issuers other than this database whose tokens are believed';
COMMENT ON COLUMN authz.trusted_issuers.issuer IS 'The claim iss of its tokens, to the letter';
COMMENT ON COLUMN authz.trusted_issuers.jwks IS
	'Its keys (RFC 7517 section 5), as it publishes them; whoever fetches them writes them here';
COMMENT ON COLUMN authz.trusted_issuers.audience IS 'What its tokens must have in aud';
COMMENT ON COLUMN authz.trusted_issuers.principal_type IS
	'Entity type of its subjects that authz.issuer_subjects does not map; null: these are nobody';
COMMENT ON COLUMN authz.trusted_issuers.roles IS 'What its tokens may have in the claim role';
COMMENT ON COLUMN authz.trusted_issuers.enabled IS 'Whether it is trusted now';
SELECT pg_extension_config_dump('authz.trusted_issuers', '');

CREATE TRIGGER notify AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON authz.trusted_issuers
	FOR EACH STATEMENT EXECUTE FUNCTION authz.token_keys_notify();
ALTER TABLE authz.trusted_issuers ENABLE ALWAYS TRIGGER notify;

/* No foreign key: a restore may bring these before their issuers. */
CREATE TABLE authz.issuer_subjects (
	issuer text COLLATE "C" NOT NULL,
	subject text COLLATE "C" NOT NULL,
	principal authz.entity_uid NOT NULL,
	PRIMARY KEY (issuer, subject)
);
COMMENT ON TABLE authz.issuer_subjects IS
	'Who the subjects of trusted issuers are here';
COMMENT ON COLUMN authz.issuer_subjects.issuer IS 'As in authz.trusted_issuers';
COMMENT ON COLUMN authz.issuer_subjects.subject IS 'The claim sub of its tokens';
COMMENT ON COLUMN authz.issuer_subjects.principal IS 'The principal that this is';
SELECT pg_extension_config_dump('authz.issuer_subjects', '');

/* ------------------------------------------------------------ who is asking */

CREATE FUNCTION authz.set_principal(token text) RETURNS authz.entity_uid
LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'authz_set_principal';
COMMENT ON FUNCTION authz.set_principal(text) IS
	'Verifies a token, of this database or of a trusted issuer; until the transaction ends current_principal() and claims() answer with what it says';

CREATE FUNCTION authz.http_pre_request() RETURNS void
LANGUAGE c VOLATILE SECURITY DEFINER PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'authz_http_pre_request';
COMMENT ON FUNCTION authz.http_pre_request() IS
	'For PostgREST''s db-pre-request: set_principal() with the request''s bearer token, or PT401 where it is not good';

CREATE FUNCTION authz.current_principal() RETURNS authz.entity_uid
LANGUAGE c STABLE PARALLEL RESTRICTED AS 'MODULE_PATHNAME', 'authz_current_principal';
COMMENT ON FUNCTION authz.current_principal() IS
	'The principal that set_principal has set, else the one that the claims of a registered gateway name (claim principal, else sub); null when there is none';

CREATE FUNCTION authz.claims() RETURNS jsonb
LANGUAGE c STABLE PARALLEL RESTRICTED AS 'MODULE_PATHNAME', 'authz_claims';
COMMENT ON FUNCTION authz.claims() IS
	'The claims of the token that set_principal was given, else those of a registered gateway; null when there are none';

REVOKE ALL ON FUNCTION authz.gateway_register(regrole), authz.gateway_unregister(regrole),
	authz.current_principal(), authz.claims(), authz.set_principal(text), authz.http_pre_request(),
	authz.token_setting(text),
	authz.signing_key_generate(text, text, integer), authz.signing_key_check(text, text, jsonb),
	authz.signing_key_reencrypt(text, text, text, bytea), authz.signing_keys_before_row(),
	authz.token_keys_notify(), authz.signing_key_create(text, text, integer, integer),
	authz.signing_key_activate(text), authz.signing_key_rotate(text, text, boolean),
	authz.signing_key_retire(text), authz.signing_keys_maintain(), authz.signing_keys_reencrypt(),
	authz.master_key_ids(), authz.master_key_add(),
	authz.jwt_sign(jsonb, text, text, integer, text, text),
	authz.jwt_verify(text, text, text, text, integer, text),
	authz.jwt_verify_or_null(text, text, text, text, integer, text),
	authz.jwt_decode(text), authz.jwks(text), authz.jwks_check(jsonb), authz.token_cache_stats()
	FROM PUBLIC;
