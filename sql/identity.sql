/* identity: users, passwords, one-time tokens, messages to send. */

/* ------------------------------------------------------------ primitives */

CREATE FUNCTION authz.setting(name text) RETURNS text
LANGUAGE c STABLE STRICT AS 'MODULE_PATHNAME', 'authz_setting';
COMMENT ON FUNCTION authz.setting(text) IS
	'The value of a parameter, with its unit; loads the library first, so that those of authz are known';

CREATE FUNCTION authz.casefold(text) RETURNS text
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'authz_casefold';
COMMENT ON FUNCTION authz.casefold(text) IS
	'Unicode''s full case folding (CaseFolding.txt, C and F), the same whatever the collation';

CREATE FUNCTION authz.random_bytes(n integer) RETURNS bytea
LANGUAGE c VOLATILE STRICT AS 'MODULE_PATHNAME', 'authz_random_bytes';
COMMENT ON FUNCTION authz.random_bytes(integer) IS 'This many bytes (1 to 1024) from a cryptographic random generator';

CREATE FUNCTION authz.hmac(algorithm text, key bytea, data bytea) RETURNS bytea
LANGUAGE c IMMUTABLE STRICT AS 'MODULE_PATHNAME', 'authz_hmac';
COMMENT ON FUNCTION authz.hmac(text, bytea, bytea) IS 'HMAC (RFC 2104) by sha1, sha256 or sha512';

CREATE FUNCTION authz.bytes_equal(bytea, bytea) RETURNS boolean
LANGUAGE c IMMUTABLE STRICT AS 'MODULE_PATHNAME', 'authz_bytes_equal';
COMMENT ON FUNCTION authz.bytes_equal(bytea, bytea) IS
	'Equality of secrets: takes a time that depends on their lengths alone';

CREATE FUNCTION authz.base64url(bytes bytea) RETURNS text
LANGUAGE sql IMMUTABLE STRICT
BEGIN ATOMIC
	SELECT translate(encode(bytes, 'base64'), E'+/=\n', '-_');
END;
COMMENT ON FUNCTION authz.base64url(bytea) IS 'base64url without padding (RFC 4648 section 5)';

CREATE FUNCTION authz.base64url_decode(encoded text) RETURNS bytea
LANGUAGE plpgsql IMMUTABLE STRICT
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	IF encoded ~ '[^A-Za-z0-9_-]' OR length(encoded) % 4 = 1 THEN
		RETURN NULL;
	END IF;
	RETURN decode(rpad(translate(encoded, '-_', '+/'), (length(encoded) + 3) / 4 * 4, '='), 'base64');
END
$$;
COMMENT ON FUNCTION authz.base64url_decode(text) IS 'The bytes that base64url stands for; null when it is none';

CREATE FUNCTION authz.password_hash(password text) RETURNS text
LANGUAGE c VOLATILE STRICT AS 'MODULE_PATHNAME', 'authz_password_hash';
COMMENT ON FUNCTION authz.password_hash(text) IS
	'Hashes a password (its NFKC) with a new salt by authz.password_algorithm, as a PHC string; raises 53400 when authz.max_concurrent_hashes run';

CREATE FUNCTION authz.password_verify(password text, hash text) RETURNS boolean
LANGUAGE c VOLATILE STRICT AS 'MODULE_PATHNAME', 'authz_password_verify';
COMMENT ON FUNCTION authz.password_verify(text, text) IS
	'Is this the password of the hash? Counts nothing; signing in uses password_attempt';

CREATE FUNCTION authz.password_attempt(password text, hash text, account text, address text,
									   OUT result text, OUT retry_after integer)
LANGUAGE c VOLATILE AS 'MODULE_PATHNAME', 'authz_password_attempt';
COMMENT ON FUNCTION authz.password_attempt(text, text, text, text) IS
	'One attempt at a password, counted for account and address: right, wrong, throttled (wait retry_after seconds, null: until cleared) or busy. A null hash costs what a wrong password costs';

CREATE FUNCTION authz.password_is_current(hash text) RETURNS boolean
LANGUAGE c STABLE STRICT AS 'MODULE_PATHNAME', 'authz_password_is_current';
COMMENT ON FUNCTION authz.password_is_current(text) IS
	'Was this hash made by the algorithm and with the costs that are set now?';

CREATE FUNCTION authz.password_argon2() RETURNS text
LANGUAGE c STABLE AS 'MODULE_PATHNAME', 'authz_password_argon2';
COMMENT ON FUNCTION authz.password_argon2() IS
	'The library that computes Argon2 here: libsodium, OpenSSL (from 3.2 on); null: none, so that such hashes cannot be verified';

CREATE FUNCTION authz.password_check_hash(hash text) RETURNS text
LANGUAGE c IMMUTABLE STRICT AS 'MODULE_PATHNAME', 'authz_password_check_hash';
COMMENT ON FUNCTION authz.password_check_hash(text) IS
	'The hash itself when it is one that can be verified here; else raises';

CREATE FUNCTION authz.password_is_common(password text) RETURNS boolean
LANGUAGE c STABLE STRICT AS 'MODULE_PATHNAME', 'authz_password_is_common';
COMMENT ON FUNCTION authz.password_is_common(text) IS
	'Is it on the list of common passwords? Case and compatibility variants do not count';

/* ----------------------------------------------------------------- users */

/*
 * Two letters that case folding takes for others make another domain (IDNA 2008):
 * who has it would verify an address of somebody else's.
 */
CREATE FUNCTION authz.email_fold(email text) RETURNS text
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
BEGIN ATOMIC
	SELECT normalize(authz.casefold(left(n, at)) || CASE
			WHEN substr(n, at + 1) COLLATE "C" ~ '[\u00df\u1e9e\u03c2]' THEN (
				SELECT string_agg(CASE ascii(c) WHEN x'1e9e'::integer THEN chr(x'df'::integer) WHEN x'df'::integer THEN c WHEN x'3c2'::integer THEN c
					ELSE authz.casefold(c) END, '' ORDER BY i)
				FROM regexp_split_to_table(substr(n, at + 1), '') WITH ORDINALITY s (c, i))
			ELSE authz.casefold(substr(n, at + 1)) END, NFKC)
	FROM (SELECT n, CASE position('@' IN n) WHEN 0 THEN length(n) ELSE length(n) - position('@' IN reverse(n)) + 1 END AS at
		FROM (SELECT normalize(btrim(email), NFKC) AS n) x) y;
END;
COMMENT ON FUNCTION authz.email_fold(text) IS
	'What makes two spellings of an address one: NFKC, case folding (in the domain but of sharp s and final sigma), no spaces around it';

CREATE FUNCTION authz.email_normalize(email text) RETURNS text
LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	/* One that is cut is still too long. */
	folded text := authz.email_fold(left(email, 1000));
	at integer := length(folded) - position('@' IN reverse(folded)) + 1;
	local text := left(folded, at - 1);
	domain text := substr(folded, at + 1);
BEGIN
	IF position('@' IN folded) = 0 OR local = '' OR domain = ''
		OR position('@' IN local) > 0
		OR octet_length(folded) > 254 OR octet_length(local) > 64
		OR folded COLLATE "C" ~ '[\u0001-\u0020"(),:;<>\\\[\]\u007f-\u009f\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u2028-\u202f\u2060-\u206f\ufe00-\ufe0f\ufeff\ufff9-\ufffb\U000e0000-\U000e0fff]'
		OR domain ~ '(^|\.)(\.|-|$)' OR domain ~ '-(\.|$)' OR local ~ '(^\.|\.\.|\.$)' THEN
		RAISE EXCEPTION 'invalid email address'
			USING ERRCODE = 'invalid_parameter_value',
				DETAIL = 'It needs one "@", a local part of at most 64 bytes, a domain, at most 254 bytes in all, and no spaces or quotes.';
	END IF;
	RETURN folded;
END
$$;
COMMENT ON FUNCTION authz.email_normalize(text) IS
	'The form in which emails are unique: email_fold of a well-formed address; raises 22023 for any other';

CREATE TABLE authz.users (
	id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
	email text NOT NULL,
	email_normalized text NOT NULL GENERATED ALWAYS AS (authz.email_normalize(email)) STORED
		CONSTRAINT users_email_key UNIQUE,
	email_verified_at timestamptz,
	email_verified boolean NOT NULL GENERATED ALWAYS AS (email_verified_at IS NOT NULL) STORED,
	created_at timestamptz NOT NULL DEFAULT now(),
	last_login timestamptz,
	active boolean NOT NULL DEFAULT true,
	attributes jsonb NOT NULL DEFAULT '{}' CHECK (jsonb_typeof(attributes) = 'object'),
	source text,
	source_key text,
	CONSTRAINT users_source_key UNIQUE (source, source_key)
) WITH (fillfactor = 85);
COMMENT ON TABLE authz.users IS 'Those who sign in; each is the principal User::"<id>"';
COMMENT ON COLUMN authz.users.id IS 'The claim sub of its tokens';
COMMENT ON COLUMN authz.users.email IS 'The address as it was given; messages go there';
COMMENT ON COLUMN authz.users.email_normalized IS 'The address in the form in which it is unique';
COMMENT ON COLUMN authz.users.email_verified_at IS 'When the user showed that the address is theirs; null: not yet';
COMMENT ON COLUMN authz.users.email_verified IS 'Whether the user did';
COMMENT ON COLUMN authz.users.created_at IS 'When the user registered, or was imported with that date';
COMMENT ON COLUMN authz.users.last_login IS 'The last sign-in; null: never';
COMMENT ON COLUMN authz.users.active IS 'False: cannot sign in, and all sessions are ended';
COMMENT ON COLUMN authz.users.attributes IS 'Attributes of the principal, a JSON object as in authz.entities.attrs';
COMMENT ON COLUMN authz.users.source IS 'Where the user came from: the name of an import, or of a table that is followed; null: from here';
COMMENT ON COLUMN authz.users.source_key IS 'The user''s key there';
CREATE INDEX idx_users_email_active ON authz.users (email_normalized) INCLUDE (id) WHERE active;
COMMENT ON INDEX authz.idx_users_email_active IS 'Active users by email';
/* Without last_login: then no sign-in's update could stay on its page. */
CREATE INDEX users_unverified ON authz.users (created_at) WHERE email_verified_at IS NULL AND source IS NULL;
COMMENT ON INDEX authz.users_unverified IS 'What user_purge looks at';
SELECT pg_extension_config_dump('authz.users', '');

CREATE TABLE authz.user_passwords (
	user_id uuid PRIMARY KEY REFERENCES authz.users ON DELETE CASCADE,
	hash text NOT NULL,
	changed_at timestamptz NOT NULL DEFAULT now()
) WITH (fillfactor = 85);
COMMENT ON TABLE authz.user_passwords IS 'Password hashes; for the owner alone';
COMMENT ON COLUMN authz.user_passwords.user_id IS 'Whose it is';
COMMENT ON COLUMN authz.user_passwords.hash IS 'A PHC string, or what another system wrote until the next sign-in';
COMMENT ON COLUMN authz.user_passwords.changed_at IS 'When the password, not only its hash, was last changed';
SELECT pg_extension_config_dump('authz.user_passwords', '');

CREATE TABLE authz.user_groups (
	user_id uuid NOT NULL REFERENCES authz.users ON DELETE CASCADE,
	group_type text COLLATE "C" NOT NULL DEFAULT 'Group'
		CHECK (authz.entity_uid_type(authz.entity_uid(group_type, '')) = group_type),
	group_id text COLLATE "C" NOT NULL,
	PRIMARY KEY (user_id, group_type, group_id)
);
COMMENT ON TABLE authz.user_groups IS 'What users are directly in: groups, roles, organisations';
COMMENT ON COLUMN authz.user_groups.user_id IS 'The member';
COMMENT ON COLUMN authz.user_groups.group_type IS 'The entity type of the group';
COMMENT ON COLUMN authz.user_groups.group_id IS 'The id of the group; with the type it is the entity Group::"staff"';
SELECT pg_extension_config_dump('authz.user_groups', '');

CREATE FUNCTION authz.users_map() RETURNS void
LANGUAGE plpgsql VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	PERFORM authz.map_entity_type(authz.setting('authz.principal_type'), 'authz.users', 'id',
		attrs => '{"email": "email_normalized", "email_verified": "email_verified", "attributes": "attributes"}',
		parents => '[{"table": "authz.user_groups", "id": "user_id", "type_column": "group_type", "column": "group_id"}]',
		"where" => 'active');
END
$$;
COMMENT ON FUNCTION authz.users_map() IS
	'From now on the entities of authz.principal_type are the active users: attributes email, email_verified and attributes (a record), parents by user_groups. unmap_entity_type ends it';

CREATE FUNCTION authz.get_user(id uuid) RETURNS authz.users
LANGUAGE sql STABLE STRICT SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	SELECT u FROM authz.users u WHERE u.id = get_user.id;
END;
COMMENT ON FUNCTION authz.get_user(uuid) IS 'The user of this id, active or not; null when there is none';

CREATE FUNCTION authz.get_users_batch(ids uuid[]) RETURNS SETOF authz.users
LANGUAGE sql STABLE STRICT SECURITY DEFINER ROWS 100
SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	SELECT u.* FROM authz.users u WHERE u.id = ANY (ids) AND u.active;
END;
COMMENT ON FUNCTION authz.get_users_batch(uuid[]) IS
	'The active users of these ids, each once, in no order; an id of none is simply absent';

/* ------------------------------------------------- one-time tokens, outbox */

CREATE TABLE authz.one_time_tokens (
	token_hash bytea PRIMARY KEY,
	user_id uuid NOT NULL REFERENCES authz.users ON DELETE CASCADE,
	purpose text NOT NULL CHECK (purpose IN ('email_verification', 'password_reset', 'invitation', 'second_factor', 'notice')),
	payload jsonb NOT NULL DEFAULT '{}',
	created_at timestamptz NOT NULL DEFAULT now(),
	expires_at timestamptz NOT NULL
);
CREATE INDEX one_time_tokens_user_id ON authz.one_time_tokens (user_id, purpose);
CREATE INDEX one_time_tokens_expires_at ON authz.one_time_tokens (expires_at);
COMMENT ON TABLE authz.one_time_tokens IS 'Tokens that work once; for the owner alone';
COMMENT ON COLUMN authz.one_time_tokens.token_hash IS 'SHA-256 of the token';
COMMENT ON COLUMN authz.one_time_tokens.user_id IS 'Whose it is';
COMMENT ON COLUMN authz.one_time_tokens.purpose IS 'The one thing that it is good for';
COMMENT ON COLUMN authz.one_time_tokens.payload IS 'What its use needs, such as the address that it verifies';
COMMENT ON COLUMN authz.one_time_tokens.created_at IS 'When it was made';
COMMENT ON COLUMN authz.one_time_tokens.expires_at IS 'From when on it is void';
SELECT pg_extension_config_dump('authz.one_time_tokens', '');

CREATE TABLE authz.outbox (
	id bigint PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
	kind text NOT NULL,
	recipient text NOT NULL,
	user_id uuid REFERENCES authz.users ON DELETE CASCADE,
	payload jsonb NOT NULL DEFAULT '{}',
	created_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX outbox_user_id ON authz.outbox (user_id);
COMMENT ON TABLE authz.outbox IS
	'Messages to send, in the transaction that asks for them; NOTIFY authz_outbox says that there are some; taken by outbox_take';
COMMENT ON SEQUENCE authz.outbox_id_seq IS 'Of authz.outbox.id';
COMMENT ON COLUMN authz.outbox.id IS 'Order of arrival';
COMMENT ON COLUMN authz.outbox.kind IS 'email_verification, password_reset, invitation, already_registered, password_changed, email_changed (to the old address), second_factor_added, second_factor_removed, recovery_code_used';
COMMENT ON COLUMN authz.outbox.recipient IS 'The email address';
COMMENT ON COLUMN authz.outbox.user_id IS 'The user whom it is about';
COMMENT ON COLUMN authz.outbox.payload IS 'What the message says: token, expires_at';
COMMENT ON COLUMN authz.outbox.created_at IS 'When it was asked for';
SELECT pg_extension_config_dump('authz.outbox', '');
SELECT pg_extension_config_dump('authz.outbox_id_seq', '');

CREATE FUNCTION authz.outbox_put(kind text, user_id uuid, payload jsonb) RETURNS void
LANGUAGE sql VOLATILE
BEGIN ATOMIC
	INSERT INTO authz.outbox (kind, recipient, user_id, payload)
		SELECT outbox_put.kind, u.email, u.id, outbox_put.payload FROM authz.users u WHERE u.id = outbox_put.user_id;
	SELECT pg_notify('authz_outbox', '');
END;
COMMENT ON FUNCTION authz.outbox_put(text, uuid, jsonb) IS 'A message to the user, sent after this transaction commits';

CREATE FUNCTION authz.outbox_take(max_messages integer DEFAULT 10) RETURNS SETOF authz.outbox
LANGUAGE sql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	DELETE FROM authz.outbox o
		WHERE o.ctid = ANY (ARRAY(SELECT n.ctid FROM authz.outbox n ORDER BY n.id LIMIT max_messages FOR UPDATE SKIP LOCKED))
		RETURNING o.*;
END;
COMMENT ON FUNCTION authz.outbox_take(integer) IS
	'Takes the oldest messages away: send them, then commit; a rollback puts them back. Several senders do not get in each other''s way';

CREATE FUNCTION authz.outbox_purge(max_rows integer DEFAULT 10000, retention interval DEFAULT '30 days') RETURNS bigint
LANGUAGE sql VOLATILE
BEGIN ATOMIC
	WITH gone AS (
		DELETE FROM authz.outbox
		WHERE ctid = ANY (ARRAY(SELECT o.ctid FROM authz.outbox o
								WHERE o.created_at < now() - retention OR (o.payload->>'expires_at')::timestamptz < now()
								ORDER BY o.id LIMIT max_rows FOR UPDATE SKIP LOCKED))
		RETURNING 1)
	SELECT count(*) FROM gone;
END;
COMMENT ON FUNCTION authz.outbox_purge(integer, interval) IS
	'Removes at most max_rows messages that nobody took while they were of use: until their token expired, or for so long; says how many';

CREATE FUNCTION authz.user_purge(max_rows integer DEFAULT 10000, retention interval DEFAULT '30 days') RETURNS bigint
LANGUAGE sql VOLATILE
BEGIN ATOMIC
	WITH gone AS (
		DELETE FROM authz.users
		WHERE ctid = ANY (ARRAY(SELECT u.ctid FROM authz.users u
								WHERE u.email_verified_at IS NULL AND u.source IS NULL AND u.created_at < now() - retention
									AND u.last_login IS NULL
									AND EXISTS (SELECT FROM authz.user_passwords p WHERE p.user_id = u.id)
								ORDER BY u.created_at LIMIT max_rows FOR UPDATE SKIP LOCKED))
		RETURNING 1)
	SELECT count(*) FROM gone;
END;
COMMENT ON FUNCTION authz.user_purge(integer, interval) IS
	'Removes at most max_rows users who registered longer than retention ago and have neither verified the address nor ever signed in; says how many. Who was invited, imported or is followed stays';

CREATE FUNCTION authz.one_time_token_purge(max_rows integer DEFAULT 10000, retention interval DEFAULT '1 day') RETURNS bigint
LANGUAGE sql VOLATILE
BEGIN ATOMIC
	WITH gone AS (
		DELETE FROM authz.one_time_tokens
		WHERE ctid = ANY (ARRAY(SELECT o.ctid FROM authz.one_time_tokens o WHERE o.expires_at < now() - retention
								ORDER BY o.expires_at LIMIT max_rows FOR UPDATE SKIP LOCKED))
		RETURNING 1)
	SELECT count(*) FROM gone;
END;
COMMENT ON FUNCTION authz.one_time_token_purge(integer, interval) IS
	'Removes at most max_rows tokens that expired longer than retention ago; says how many';

CREATE FUNCTION authz.one_time_token_create(user_id uuid, purpose text, lifetime interval,
											payload jsonb DEFAULT '{}')
RETURNS text
LANGUAGE plpgsql VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	token text := authz.base64url(authz.random_bytes(32));
BEGIN
	INSERT INTO authz.one_time_tokens (token_hash, user_id, purpose, payload, expires_at)
		VALUES (sha256(convert_to(token, 'UTF8')), user_id, purpose, payload, now() + lifetime);
	RETURN token;
END
$$;
COMMENT ON FUNCTION authz.one_time_token_create(uuid, text, interval, jsonb) IS
	'A token of 256 random bits for one use within this time; only its hash is kept';

CREATE FUNCTION authz.one_time_token_use(token text, purpose text) RETURNS authz.one_time_tokens
LANGUAGE sql VOLATILE
BEGIN ATOMIC
	DELETE FROM authz.one_time_tokens t
		WHERE t.token_hash = sha256(convert_to(one_time_token_use.token, 'UTF8'))
			AND t.purpose = one_time_token_use.purpose AND t.expires_at > now()
			AND (t.purpose = 'second_factor' OR NOT EXISTS (
				SELECT FROM authz.one_time_tokens n
				WHERE n.user_id = t.user_id AND n.purpose = t.purpose AND n.created_at > t.created_at))
			AND NOT (t.purpose IN ('password_reset', 'invitation') AND EXISTS (
				SELECT FROM authz.user_passwords p WHERE p.user_id = t.user_id AND p.changed_at > t.created_at))
		RETURNING t;
END;
COMMENT ON FUNCTION authz.one_time_token_use(text, text) IS
	'Uses the token up; null when there is none for this purpose, it has expired, or another one was sent since, or the password was changed that it was to set';

/* ------------------------------------------------------------- passwords */

CREATE FUNCTION authz.password_problem(password text, email text) RETURNS text
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	least integer := authz.setting('authz.password_min_length');
	folded text;
	left_over text;
	word text;
BEGIN
	IF octet_length(password) > 4096 THEN
		RETURN 'The password must not be longer than 4096 bytes.';
	END IF;
	IF password IS NULL OR char_length(normalize(password, NFKC)) < least THEN
		RETURN format('The password must have at least %s characters.', least);
	END IF;
	IF authz.password_is_common(password) THEN
		RETURN 'The password is one of the most common ones.';
	END IF;
	folded := authz.email_fold(password);
	IF folded IN (authz.email_fold(email), split_part(authz.email_fold(email), '@', 1)) THEN
		RETURN 'The password is the email address.';
	END IF;
	/* What is known here is no secret: what is left has to be a password. */
	left_over := folded;
	FOREACH word IN ARRAY ARRAY[authz.email_fold(email), split_part(authz.email_fold(email), '@', 1)]
		|| string_to_array(authz.email_fold(authz.setting('authz.password_words')), ',') LOOP
		IF length(btrim(word)) >= 4 THEN
			left_over := replace(left_over, btrim(word), '');
		END IF;
	END LOOP;
	IF left_over <> folded AND length(left_over) < 8 THEN
		RETURN 'The password is little more than the email address or words that are easy to guess here.';
	END IF;
	/* One character, or two in turns, as long as it may be. */
	IF length(translate(folded, substr(folded, 1, 2), '')) = 0 THEN
		RETURN 'The password repeats one or two characters.';
	END IF;
	RETURN NULL;
END
$$;
COMMENT ON FUNCTION authz.password_problem(text, text) IS
	'Why this cannot be the password of this email (NIST SP 800-63B-4 section 3.1.1), one sentence; null when it can';

CREATE FUNCTION authz.password_set(user_id uuid, password text, keep_session uuid DEFAULT NULL)
RETURNS void
LANGUAGE plpgsql VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	u authz.users;
	problem text;
	new_hash text;
BEGIN
	SELECT * INTO u FROM authz.users WHERE id = password_set.user_id FOR NO KEY UPDATE;
	IF NOT FOUND THEN
		RAISE EXCEPTION 'user "%" does not exist', user_id
			USING ERRCODE = 'no_data_found';
	END IF;
	problem := authz.password_problem(password, u.email);
	IF problem IS NOT NULL THEN
		RAISE EXCEPTION 'this password cannot be used'
			USING ERRCODE = 'invalid_password', DETAIL = problem;
	END IF;
	new_hash := authz.password_hash(password);
	INSERT INTO authz.user_passwords AS p (user_id, hash)
		VALUES (u.id, new_hash)
		ON CONFLICT ON CONSTRAINT user_passwords_pkey
		DO UPDATE SET hash = excluded.hash, changed_at = now();
	IF u.source IS NOT NULL THEN
		PERFORM authz.follow_password(u, new_hash);
	END IF;
	DELETE FROM authz.one_time_tokens t
		WHERE t.user_id = u.id AND t.purpose IN ('password_reset', 'invitation', 'second_factor');
	PERFORM authz.sessions_end(u.id, 'password', keep_session);
	PERFORM authz.throttle_clear('account', u.email_normalized);
END
$$;
COMMENT ON FUNCTION authz.password_set(uuid, text, uuid) IS
	'Gives the user this password and ends the sessions but one; raises 28P01 with the reason in DETAIL when it cannot be used';

/*
 * Between reading a hash and acting on it lies the time of a verification.  Who
 * changes a password, deactivates a user, ends sessions or puts a second factor
 * in force writes the user's row first: from here on they wait, or have been.
 */
CREATE FUNCTION authz.password_holds(user_id uuid, since timestamptz) RETURNS boolean
LANGUAGE plpgsql VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	PERFORM FROM authz.users u WHERE u.id = password_holds.user_id AND u.active FOR NO KEY UPDATE;
	RETURN FOUND AND EXISTS (SELECT FROM authz.user_passwords p
							 WHERE p.user_id = password_holds.user_id AND p.changed_at = since);
END
$$;
COMMENT ON FUNCTION authz.password_holds(uuid, timestamptz) IS
	'Is the user active, and the password the one that was set then? Stays so until the transaction ends';

CREATE FUNCTION authz.user_create(email text, password text DEFAULT NULL,
								  attributes jsonb DEFAULT '{}', email_verified boolean DEFAULT false)
RETURNS uuid
LANGUAGE plpgsql VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	new_id uuid;
BEGIN
	INSERT INTO authz.users (email, attributes, email_verified_at)
		VALUES (btrim(email), attributes, CASE WHEN email_verified THEN now() END)
		RETURNING users.id INTO new_id;
	IF password IS NOT NULL THEN
		PERFORM authz.password_set(new_id, password);
	END IF;
	RETURN new_id;
END
$$;
COMMENT ON FUNCTION authz.user_create(text, text, jsonb, boolean) IS
	'Makes a user, with a password or without (who is to come by invitation); for administrators: says when the email is taken';

/* By foreign keys alone they would go after their sessions, against the order of locks. */
CREATE FUNCTION authz.users_before_delete() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	DELETE FROM authz.session_tokens t USING authz.sessions s WHERE t.session_id = s.id AND s.user_id = OLD.id;
	RETURN OLD;
END
$$;
COMMENT ON FUNCTION authz.users_before_delete() IS 'Trigger: refresh tokens go first';
CREATE TRIGGER before_delete BEFORE DELETE ON authz.users
	FOR EACH ROW EXECUTE FUNCTION authz.users_before_delete();
ALTER TABLE authz.users ENABLE ALWAYS TRIGGER before_delete;

/* Foreign keys have done that, but not in a session that replicates. */
CREATE FUNCTION authz.users_after_delete() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	DELETE FROM authz.session_tokens t USING authz.sessions s WHERE t.session_id = s.id AND s.user_id = OLD.id;
	DELETE FROM authz.sessions s WHERE s.user_id = OLD.id;
	DELETE FROM authz.one_time_tokens t WHERE t.user_id = OLD.id;
	DELETE FROM authz.user_passwords p WHERE p.user_id = OLD.id;
	DELETE FROM authz.user_totp t WHERE t.user_id = OLD.id;
	DELETE FROM authz.recovery_codes r WHERE r.user_id = OLD.id;
	DELETE FROM authz.user_groups g WHERE g.user_id = OLD.id;
	DELETE FROM authz.outbox o WHERE o.user_id = OLD.id;
	RETURN NULL;
END
$$;
COMMENT ON FUNCTION authz.users_after_delete() IS
	'Trigger: with a user goes what hangs on it, also where rows are replicated';
CREATE TRIGGER after_delete AFTER DELETE ON authz.users
	FOR EACH ROW WHEN (current_setting('session_replication_role') = 'replica') EXECUTE FUNCTION authz.users_after_delete();
ALTER TABLE authz.users ENABLE ALWAYS TRIGGER after_delete;

/* Leaves nothing usable behind when a user may no longer sign in. */
CREATE FUNCTION authz.users_after_update() RETURNS trigger
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	IF NOT NEW.active THEN
		PERFORM authz.sessions_end(NEW.id, 'inactive');
		DELETE FROM authz.one_time_tokens t WHERE t.user_id = NEW.id;
	END IF;
	IF NEW.email_normalized <> OLD.email_normalized THEN
		DELETE FROM authz.one_time_tokens t WHERE t.user_id = NEW.id;
		/*
		 * Nobody has shown yet that the new one is theirs.  Not by a BEFORE trigger:
		 * with one, every sign-in would compute email_normalized anew.
		 */
		UPDATE authz.users u SET email_verified_at = NULL
			WHERE u.id = NEW.id AND NEW.email_verified_at = OLD.email_verified_at;
		/* Whoever reads the old address only may be the user. */
		IF current_setting('session_replication_role') <> 'replica' THEN
			INSERT INTO authz.outbox (kind, recipient, user_id) VALUES ('email_changed', OLD.email, NEW.id);
			NOTIFY authz_outbox;
		END IF;
	END IF;
	RETURN NULL;
END
$$;
COMMENT ON FUNCTION authz.users_after_update() IS
	'Trigger: an inactive user has no session; a new address is not verified, unless the same command says when it was, a token sent to the old one is void, and the old one gets a message';
CREATE TRIGGER after_update AFTER UPDATE OF active, email ON authz.users
	FOR EACH ROW EXECUTE FUNCTION authz.users_after_update();
ALTER TABLE authz.users ENABLE ALWAYS TRIGGER after_update;

/* ------------------------------------------------------------- throttling */

CREATE FUNCTION authz.throttle_reserve(kind text, subject text) RETURNS integer
LANGUAGE c VOLATILE STRICT AS 'MODULE_PATHNAME', 'authz_throttle_reserve_sql';
COMMENT ON FUNCTION authz.throttle_reserve(text, text) IS
	'Counts an attempt as failed before it is made and answers 0, or the seconds to wait; -1: locked';

CREATE FUNCTION authz.throttle_release(kind text, subject text) RETURNS void
LANGUAGE c VOLATILE STRICT AS 'MODULE_PATHNAME', 'authz_throttle_release_sql';
COMMENT ON FUNCTION authz.throttle_release(text, text) IS 'Takes one counted attempt back';

CREATE FUNCTION authz.throttle_clear(kind text, subject text) RETURNS boolean
LANGUAGE c VOLATILE STRICT AS 'MODULE_PATHNAME', 'authz_throttle_clear_sql';
COMMENT ON FUNCTION authz.throttle_clear(text, text) IS
	'Forgets the failures of an account (its normalised email), an address, or a second_factor (user id), or the requests of an address (request); false when there were none';

CREATE FUNCTION authz.throttles(OUT kind text, OUT subject text, OUT failures bigint,
								OUT last_failure timestamptz, OUT blocked_until timestamptz)
RETURNS SETOF record
LANGUAGE c VOLATILE AS 'MODULE_PATHNAME', 'authz_throttles';
COMMENT ON FUNCTION authz.throttles() IS
	'Failed attempts of this database, and registrations and resets asked for from an address (request), that still count; blocked_until infinity: locked until cleared; subject is null when it is longer than 100 bytes';

/* ------------------------------------------------------- answers over HTTP */

CREATE FUNCTION authz.http_answer(status integer, answer jsonb, headers jsonb DEFAULT '[]')
RETURNS json
LANGUAGE plpgsql VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	PERFORM set_config('response.status', status::text, true),
		set_config('response.headers', (headers || '[{"Cache-Control": "no-store"}]')::text, true);
	RETURN answer;
END
$$;
COMMENT ON FUNCTION authz.http_answer(integer, jsonb, jsonb) IS
	'The answer as json; through PostgREST with this HTTP status and these headers';

CREATE FUNCTION authz.http_error(status integer, error text, description text,
								 retry_after integer DEFAULT NULL)
RETURNS json
LANGUAGE sql VOLATILE
BEGIN ATOMIC
	SELECT authz.http_answer(status,
		jsonb_build_object('error', error, 'error_description', description)
			|| CASE WHEN retry_after IS NULL THEN '{}' ELSE jsonb_build_object('retry_after', retry_after) END,
		CASE WHEN retry_after IS NULL THEN '[]'
		ELSE jsonb_build_array(jsonb_build_object('Retry-After', retry_after::text)) END);
END;
COMMENT ON FUNCTION authz.http_error(integer, text, text, integer) IS
	'A refusal in the form of RFC 6749 section 5.2. It is returned, not raised, so that what the transaction wrote about it is kept';

/* ------------------------------------------------------------------ flows */

CREATE FUNCTION authz.register(email text, password text, address inet DEFAULT NULL) RETURNS json
LANGUAGE plpgsql VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	normal text;
	problem text;
	new_hash text;
	new_id uuid;
	wait integer;
BEGIN
	PERFORM authz.refuse_read_only();
	IF email IS NULL OR password IS NULL THEN
		RETURN authz.http_error(400, 'invalid_request', 'An email and a password are needed.');
	END IF;
	normal := authz.email_normalize(email);
	problem := authz.password_problem(password, email);
	IF problem IS NOT NULL THEN
		RETURN authz.http_error(422, 'weak_password', problem);
	END IF;
	wait := authz.throttle_reserve('request', authz.address_subject(address));
	IF wait > 0 THEN
		RETURN authz.http_error(429, 'too_many_attempts', 'Too many requests from this address.', wait);
	END IF;
	/* Whether the email is known shows neither in the answer nor in the time. */
	new_hash := authz.password_hash(password);
	INSERT INTO authz.users (email) VALUES (btrim(register.email))
		ON CONFLICT ON CONSTRAINT users_email_key DO NOTHING
		RETURNING id INTO new_id;
	IF FOUND THEN
		INSERT INTO authz.user_passwords (user_id, hash) VALUES (new_id, new_hash);
		PERFORM authz.email_verification_send(new_id);
	ELSE
		SELECT id INTO new_id FROM authz.users WHERE email_normalized = normal;
		PERFORM authz.notice_send(new_id, 'already_registered');
	END IF;
	RETURN authz.http_answer(200, jsonb_build_object('email', btrim(email), 'email_verification', 'sent'));
END
$$;
COMMENT ON FUNCTION authz.register(text, text, inet) IS
	'Makes a user, unless the email is known: the answer is the same, and the message in the outbox tells the owner of the address. Counted for the client''s address, where that is known';

CREATE FUNCTION authz.notice_send(user_id uuid, kind text) RETURNS void
LANGUAGE plpgsql VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	/* One an hour, whoever asks for more. */
	IF NOT EXISTS (SELECT FROM authz.one_time_tokens t
				   WHERE t.user_id = notice_send.user_id AND t.purpose = 'notice'
					   AND t.payload->>'kind' = kind AND t.expires_at > now()) THEN
		PERFORM authz.one_time_token_create(user_id, 'notice', '1 hour', jsonb_build_object('kind', kind)),
			authz.outbox_put(kind, user_id, '{}');
	END IF;
END
$$;
COMMENT ON FUNCTION authz.notice_send(uuid, text) IS 'A message without a token, at most one of its kind an hour';

CREATE FUNCTION authz.token_send(user_id uuid, purpose text, lifetime interval) RETURNS void
LANGUAGE plpgsql VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	address text;
BEGIN
	/*
	 * One a minute, and the last one counts.  Earlier ones stay: to delete them
	 * here would let who asks and does not commit hold up who uses or voids them.
	 */
	IF EXISTS (SELECT FROM authz.one_time_tokens t
			   WHERE t.user_id = token_send.user_id AND t.purpose = token_send.purpose
				   AND t.created_at > now() - interval '1 minute') THEN
		RETURN;
	END IF;
	SELECT email INTO address FROM authz.users WHERE id = token_send.user_id;
	PERFORM authz.outbox_put(purpose, user_id, jsonb_build_object(
		'token', authz.one_time_token_create(user_id, purpose, lifetime, jsonb_build_object('email', address)),
		'expires_at', now() + lifetime));
END
$$;
COMMENT ON FUNCTION authz.token_send(uuid, text, interval) IS
	'Sends the user a one-time token for this purpose, in place of an earlier one; at most one a minute';

CREATE FUNCTION authz.email_verification_send(user_id uuid) RETURNS void
LANGUAGE sql VOLATILE
BEGIN ATOMIC
	SELECT authz.token_send(user_id, 'email_verification', authz.setting('authz.email_verification_lifetime')::interval);
END;
COMMENT ON FUNCTION authz.email_verification_send(uuid) IS 'Sends the user a token for verify_email';

CREATE FUNCTION authz.verify_email(token text) RETURNS json
LANGUAGE plpgsql VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	used authz.one_time_tokens;
BEGIN
	PERFORM authz.refuse_read_only();
	used := authz.one_time_token_use(token, 'email_verification');
	IF used.user_id IS NULL THEN
		RETURN authz.http_error(400, 'invalid_grant', 'The token is not valid: unknown, used, or expired.');
	END IF;
	UPDATE authz.users SET email_verified_at = now()
		WHERE id = used.user_id AND email = used.payload->>'email' AND active;
	DELETE FROM authz.one_time_tokens t WHERE t.user_id = used.user_id AND t.purpose = 'email_verification';
	RETURN authz.http_answer(200, jsonb_build_object('email_verified', true));
END
$$;
COMMENT ON FUNCTION authz.verify_email(text) IS 'Uses the token of an email verification';

CREATE FUNCTION authz.request_password_reset(email text, address inet DEFAULT NULL) RETURNS json
LANGUAGE plpgsql VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	known uuid;
	wait integer;
BEGIN
	PERFORM authz.refuse_read_only();
	wait := authz.throttle_reserve('request', authz.address_subject(address));
	IF wait > 0 THEN
		RETURN authz.http_error(429, 'too_many_attempts', 'Too many requests from this address.', wait);
	END IF;
	SELECT id INTO known FROM authz.users u
		WHERE u.email_normalized = authz.email_fold(left(request_password_reset.email, 1000)) AND u.active;
	IF FOUND THEN
		PERFORM authz.token_send(known, 'password_reset', authz.setting('authz.password_reset_lifetime')::interval);
	END IF;
	/* Unknown or not, the sender is told, and the commit waits for the disk. */
	PERFORM pg_notify('authz_outbox', ''), pg_logical_emit_message(true, 'authz', '');
	RETURN authz.http_answer(200, jsonb_build_object('password_reset', 'sent'));
END
$$;
COMMENT ON FUNCTION authz.request_password_reset(text, inet) IS
	'Sends a token for reset_password where the email is an active user''s; the answer is the same for any. Counted for the client''s address, where that is known';

CREATE FUNCTION authz.reset_password(token text, password text) RETURNS json
LANGUAGE plpgsql VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	owner authz.users;
	used authz.one_time_tokens;
	problem text;
BEGIN
	PERFORM authz.refuse_read_only();
	/* A password that cannot be used leaves the token usable. */
	SELECT u.* INTO owner FROM authz.one_time_tokens t JOIN authz.users u ON u.id = t.user_id
		WHERE t.token_hash = sha256(convert_to(reset_password.token, 'UTF8'))
			AND t.purpose IN ('password_reset', 'invitation') AND t.expires_at > now() AND u.active;
	IF NOT FOUND THEN
		RETURN authz.http_error(400, 'invalid_grant', 'The token is not valid: unknown, used, or expired.');
	END IF;
	problem := authz.password_problem(password, owner.email);
	IF problem IS NOT NULL THEN
		RETURN authz.http_error(422, 'weak_password', problem);
	END IF;
	/* The user first, as everywhere. */
	PERFORM FROM authz.users u WHERE u.id = owner.id FOR NO KEY UPDATE;
	used := authz.one_time_token_use(token, 'password_reset');
	IF used.user_id IS NULL THEN
		used := authz.one_time_token_use(token, 'invitation');
	END IF;
	IF used.user_id IS NULL THEN
		RETURN authz.http_error(400, 'invalid_grant', 'The token is not valid: unknown, used, or expired.');
	END IF;
	PERFORM authz.password_set(used.user_id, password);
	/* Whoever has the token reads that address. */
	UPDATE authz.users SET email_verified_at = coalesce(email_verified_at, now())
		WHERE id = used.user_id AND email = used.payload->>'email';
	IF used.purpose = 'password_reset' THEN
		PERFORM authz.notice_send(used.user_id, 'password_changed');
	END IF;
	RETURN authz.http_answer(200, jsonb_build_object('password', 'changed'));
END
$$;
COMMENT ON FUNCTION authz.reset_password(text, text) IS
	'Uses the token of a password reset or an invitation: sets the password and ends all sessions. A second factor stays as it is';

CREATE FUNCTION authz.change_password(user_id uuid, current_password text, new_password text,
									  keep_session uuid DEFAULT NULL, address text DEFAULT NULL)
RETURNS json
LANGUAGE plpgsql VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	u authz.users;
	known authz.user_passwords;
	attempt record;
	problem text;
BEGIN
	PERFORM authz.refuse_read_only();
	IF current_password IS NULL OR new_password IS NULL THEN
		RETURN authz.http_error(400, 'invalid_request', 'The current and the new password are needed.');
	END IF;
	SELECT * INTO u FROM authz.users WHERE id = change_password.user_id AND active;
	SELECT * INTO known FROM authz.user_passwords p WHERE p.user_id = u.id;
	attempt := authz.password_attempt(current_password, known.hash, coalesce(u.email_normalized, ''), address);
	IF attempt.result <> 'right' THEN
		RETURN authz.attempt_refused(attempt.result, attempt.retry_after);
	END IF;
	IF NOT authz.password_holds(u.id, known.changed_at) THEN
		RETURN authz.attempt_refused('wrong', NULL);
	END IF;
	problem := authz.password_problem(new_password, u.email);
	IF problem IS NOT NULL THEN
		RETURN authz.http_error(422, 'weak_password', problem);
	END IF;
	PERFORM authz.password_set(u.id, new_password, keep_session);
	PERFORM authz.notice_send(u.id, 'password_changed');
	RETURN authz.http_answer(200, jsonb_build_object('password', 'changed'));
END
$$;
COMMENT ON FUNCTION authz.change_password(uuid, text, text, uuid, text) IS
	'Changes the password of a user who knows it, and ends the other sessions';

CREATE FUNCTION authz.invite(email text, attributes jsonb DEFAULT '{}', groups authz.entity_uid[] DEFAULT '{}')
RETURNS uuid
LANGUAGE plpgsql VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	new_id uuid := authz.user_create(email, NULL, attributes);
BEGIN
	INSERT INTO authz.user_groups (user_id, group_type, group_id)
		SELECT DISTINCT new_id, authz.entity_uid_type(g), authz.entity_uid_id(g) FROM unnest(groups) g;
	PERFORM authz.token_send(new_id, 'invitation', authz.setting('authz.invitation_lifetime')::interval);
	RETURN new_id;
END
$$;
COMMENT ON FUNCTION authz.invite(text, jsonb, authz.entity_uid[]) IS
	'Makes a user without a password and sends a token with which to choose one (reset_password)';

CREATE FUNCTION authz.refuse_read_only() RETURNS void
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	IF current_setting('transaction_read_only')::boolean THEN
		RAISE EXCEPTION 'cannot do this in a read-only transaction'
			USING ERRCODE = 'read_only_sql_transaction',
				HINT = 'Over HTTP, use POST; on a standby, ask the primary.';
	END IF;
END
$$;
COMMENT ON FUNCTION authz.refuse_read_only() IS
	'Raises 25006 in a read-only transaction, before a password, a token or an email is looked at: how far one gets would tell';

CREATE FUNCTION authz.attempt_refused(result text, retry_after integer) RETURNS json
LANGUAGE sql VOLATILE
BEGIN ATOMIC
	SELECT CASE result
		WHEN 'busy' THEN authz.http_error(503, 'temporarily_unavailable', 'Too many sign-ins at once. Try again in a moment.', 1)
		WHEN 'throttled' THEN
			CASE WHEN retry_after IS NULL
				THEN authz.http_error(429, 'too_many_attempts', 'The account is locked. Reset the password.')
				ELSE authz.http_error(429, 'too_many_attempts', 'Too many failed attempts.', retry_after)
			END
		ELSE authz.http_error(400, 'invalid_grant', 'The email or the password is wrong.')
	END;
END;
COMMENT ON FUNCTION authz.attempt_refused(text, integer) IS 'The answer to an attempt that was not right';

REVOKE ALL ON FUNCTION
	authz.setting(text), authz.casefold(text), authz.random_bytes(integer), authz.hmac(text, bytea, bytea),
	authz.bytes_equal(bytea, bytea), authz.base64url(bytea), authz.base64url_decode(text),
	authz.password_hash(text), authz.password_verify(text, text),
	authz.password_attempt(text, text, text, text), authz.password_is_current(text),
	authz.password_argon2(), authz.password_check_hash(text), authz.password_is_common(text),
	authz.email_fold(text), authz.email_normalize(text),
	authz.users_map(), authz.get_user(uuid), authz.get_users_batch(uuid[]),
	authz.outbox_put(text, uuid, jsonb), authz.outbox_take(integer),
	authz.outbox_purge(integer, interval), authz.user_purge(integer, interval), authz.one_time_token_purge(integer, interval),
	authz.one_time_token_create(uuid, text, interval, jsonb), authz.one_time_token_use(text, text),
	authz.password_problem(text, text), authz.password_set(uuid, text, uuid),
	authz.user_create(text, text, jsonb, boolean), authz.users_before_delete(), authz.users_after_delete(),
	authz.users_after_update(), authz.password_holds(uuid, timestamptz),
	authz.throttle_reserve(text, text), authz.throttle_release(text, text),
	authz.throttle_clear(text, text), authz.throttles(),
	authz.http_answer(integer, jsonb, jsonb), authz.http_error(integer, text, text, integer),
	authz.register(text, text, inet), authz.notice_send(uuid, text), authz.token_send(uuid, text, interval),
	authz.email_verification_send(uuid), authz.verify_email(text),
	authz.request_password_reset(text, inet), authz.reset_password(text, text),
	authz.change_password(uuid, text, text, uuid, text),
	authz.invite(text, jsonb, authz.entity_uid[]), authz.refuse_read_only(),
	authz.attempt_refused(text, integer)
	FROM PUBLIC;
