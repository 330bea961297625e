-- Sessions: login, refresh, logout, revocation.
\pset null '(null)'
\pset format unaligned
\set SHOW_CONTEXT never
SET authz.argon2_memory = '1MB';
SET authz.scrypt_cost = 10;
SELECT authz.user_create('alice@example.com', 'correct horse battery') AS alice \gset
-- Tokens need a name for who makes them.
SELECT authz.login('alice@example.com', 'correct horse battery');
SET authz.issuer = 'https://auth.example.com';
SET authz.audience = 'example';
SELECT authz.signing_key_create() IS NOT NULL AS key;

-- What a login answers: OAuth's members, and an access token of RFC 9068.
SELECT authz.login('Alice@example.com', 'correct horse battery', '192.0.2.7', 'curl/8') AS a \gset
SELECT key, jsonb_typeof(value) FROM jsonb_each(:'a') ORDER BY key;
SELECT :'a'::jsonb->'token_type', :'a'::jsonb->'expires_in', length(:'a'::jsonb->>'refresh_token');
SELECT claims - 'jti' - 'sub' - 'sid' - 'iat' - 'exp' - 'auth_time' AS claims, claims->>'sub' = :'alice' AS sub,
	(claims->>'sid')::uuid = (SELECT id FROM authz.sessions) AS sid, (claims->>'exp')::bigint - (claims->>'iat')::bigint AS lifetime,
	abs(extract(epoch FROM now()) - (claims->>'auth_time')::bigint) < 60 AS auth_time, claims ? 'jti' AS jti
FROM authz.jwt_verify(:'a'::jsonb->>'access_token', issuer => 'https://auth.example.com', audience => 'example', typ => 'at+jwt') claims;
SELECT user_id = :'alice' AS alice, expires_at - created_at AS idle, max_expires_at - created_at AS lifetime, ended_at, end_reason, amr, address, user_agent FROM authz.sessions;
SELECT last_login > now() - interval '1 minute' AS last_login FROM authz.users WHERE id = :'alice';
-- Nothing is kept that could be used.
SELECT count(*) AS in_clear FROM authz.session_tokens t, (SELECT authz.base64url_decode(:'a'::jsonb->>'refresh_token')) x (token)
WHERE position(substr(token, 17, 32) IN convert_to(t::text, 'UTF8')) > 0 OR t::text LIKE '%' || encode(substr(token, 17, 32), 'hex') || '%';

-- What a login refuses.
SELECT authz.login('alice@example.com', 'wrong');
SELECT authz.login('nobody@example.com', 'wrong'), authz.login('no address', 'wrong');
SELECT authz.login(NULL, 'x'), authz.login('x', NULL);
BEGIN READ ONLY;
SELECT authz.login('alice@example.com', 'correct horse battery');
ROLLBACK;
BEGIN READ ONLY;
SELECT authz.login('alice@example.com', 'wrong');
ROLLBACK;
BEGIN READ ONLY;
SELECT authz.refresh(:'a'::jsonb->>'refresh_token');
ROLLBACK;
-- Hashes of others are replaced by the first login.
UPDATE authz.user_passwords SET hash = '$2b$05$nd5Pd1ZzWFNPIudZo6PPs.BoY6rzMh1/jjgkAwKJa21stACnJE1MG';
SELECT authz.login('alice@example.com', 'correct horse batterz');
SELECT left(hash, 7) FROM authz.user_passwords;
SELECT authz.login('alice@example.com', 'correct horse battery')::jsonb ? 'access_token' AS "right";
SELECT authz.password_is_current(hash) AS replaced FROM authz.user_passwords;
-- A verified email, where that is asked for.
SET authz.require_verified_email = on;
SELECT authz.login('alice@example.com', 'correct horse battery');
SELECT kind FROM authz.outbox_take();
RESET authz.require_verified_email;

-- Refresh: new tokens; the old one gets the same answer for a while; later it ends the session.
SELECT authz.refresh(:'a'::jsonb->>'refresh_token') AS b \gset
SELECT :'b'::jsonb->>'refresh_token' <> :'a'::jsonb->>'refresh_token' AS new, (SELECT array_agg(k ORDER BY k) FROM jsonb_object_keys(:'b') k) AS keys;
SELECT authz.jwt_decode(:'b'::jsonb->>'access_token')->'claims'->>'sid' = authz.jwt_decode(:'a'::jsonb->>'access_token')->'claims'->>'sid' AS same_session,
	authz.jwt_decode(:'b'::jsonb->>'access_token')->'claims'->>'jti' <> authz.jwt_decode(:'a'::jsonb->>'access_token')->'claims'->>'jti' AS another_token;
SELECT authz.refresh(:'a'::jsonb->>'refresh_token')::jsonb = :'b'::jsonb AS same_answer FROM generate_series(1, 2);
SELECT count(*) AS answers, count(*) FILTER (WHERE position(convert_to('access_token', 'UTF8') IN answer) > 0) AS in_clear FROM authz.session_tokens WHERE answer IS NOT NULL;
UPDATE authz.session_tokens SET grace_until = now() - interval '1 second' WHERE answer IS NOT NULL;
BEGIN;
SELECT authz.session_grace_purge(), authz.session_grace_purge();
SELECT count(*) AS answers FROM authz.session_tokens WHERE answer IS NOT NULL;
ROLLBACK;
-- The chain goes on, twice.
SELECT authz.refresh(:'b'::jsonb->>'refresh_token') AS c \gset
SELECT authz.refresh(:'c'::jsonb->>'refresh_token') AS d \gset
-- Made-up tokens for this session end nothing: a byte of secret, tag or id that is another, and other lengths.
CREATE FUNCTION refresh_changed(token text, at integer) RETURNS text LANGUAGE sql AS $$
	SELECT authz.refresh(authz.base64url(set_byte(b, at, get_byte(b, at) # 1)))->>'error' FROM authz.base64url_decode(token) b $$;
SELECT DISTINCT refresh_changed(:'d'::jsonb->>'refresh_token', at) FROM generate_series(0, 63) at;
SELECT DISTINCT authz.refresh(t)->>'error' FROM unnest(ARRAY['', 'x', '*', repeat('A', 86), :'d'::jsonb->>'refresh_token' || '=', (:'d'::jsonb->>'refresh_token') || 'AA', left(:'d'::jsonb->>'refresh_token', 84), NULL]) t;
SELECT end_reason FROM authz.sessions WHERE id = (authz.jwt_decode(:'d'::jsonb->>'access_token')->'claims'->>'sid')::uuid;
SELECT authz.refresh(:'d'::jsonb->>'refresh_token') AS e \gset
-- One that was used three refreshes ago.
SELECT authz.refresh(:'b'::jsonb->>'refresh_token');
SELECT end_reason, expires_at = ended_at AS over, duration = ended_at - created_at AS duration FROM authz.sessions WHERE id = (authz.jwt_decode(:'d'::jsonb->>'access_token')->'claims'->>'sid')::uuid;
SELECT authz.refresh(:'e'::jsonb->>'refresh_token'), authz.refresh(:'d'::jsonb->>'refresh_token');
-- Without a grace, the second use ends it.
SET authz.refresh_grace = 0;
SELECT authz.login('alice@example.com', 'correct horse battery') AS a \gset
SELECT authz.refresh(:'a'::jsonb->>'refresh_token')::jsonb ? 'access_token' AS first;
SELECT authz.refresh(:'a'::jsonb->>'refresh_token')->>'error' AS second;
SELECT count(*) FROM authz.sessions WHERE end_reason = 'reuse';
RESET authz.refresh_grace;
-- A refresh that is rolled back was none.
SELECT authz.login('alice@example.com', 'correct horse battery') AS a \gset
BEGIN;
SELECT authz.refresh(:'a'::jsonb->>'refresh_token')::jsonb ? 'access_token' AS first;
ROLLBACK;
SELECT authz.refresh(:'a'::jsonb->>'refresh_token')::jsonb ? 'access_token' AS again;

-- Expiry: idle, and whatever happens.
SET authz.session_idle_timeout = '1h';
SET authz.session_lifetime = '90min';
SELECT authz.login('alice@example.com', 'correct horse battery') AS a \gset
SELECT (authz.jwt_decode(:'a'::jsonb->>'access_token')->'claims'->>'sid') AS sid \gset
UPDATE authz.sessions SET created_at = now() - interval '1 hour', expires_at = now() + interval '20 minutes', max_expires_at = now() + interval '30 minutes' WHERE id = :'sid';
SELECT authz.refresh(:'a'::jsonb->>'refresh_token') AS b \gset
SELECT expires_at = max_expires_at AS no_longer_than_that FROM authz.sessions WHERE id = :'sid';
UPDATE authz.sessions SET expires_at = now() - interval '1 second' WHERE id = :'sid';
SELECT authz.refresh(:'b'::jsonb->>'refresh_token');
SELECT authz.refresh(:'a'::jsonb->>'refresh_token')->>'error' AS in_the_grace;
SELECT ended_at, end_reason FROM authz.sessions WHERE id = :'sid';
RESET authz.session_idle_timeout;
RESET authz.session_lifetime;

-- Ending: one, all, all but one; by a refresh token, used or not; with the password; with the user.
SELECT authz.sessions_end(:'alice');
CREATE TEMP TABLE s AS SELECT n, authz.login('alice@example.com', 'correct horse battery')::jsonb AS answer FROM generate_series(1, 7) n;
ALTER TABLE s ADD sid uuid;
UPDATE s SET sid = (authz.jwt_decode(answer->>'access_token')->'claims'->>'sid')::uuid;
ALTER TABLE s RENAME sid TO id;
CREATE FUNCTION live() RETURNS text LANGUAGE sql AS $$ SELECT string_agg(n::text, ' ' ORDER BY n) FROM s JOIN authz.sessions USING (id) WHERE expires_at > clock_timestamp() $$;
SELECT live();
SELECT authz.session_end(id), authz.session_end(id) FROM s WHERE n = 1;
SELECT authz.session_end('00000000-0000-0000-0000-000000000000');
SELECT authz.refresh(answer->>'refresh_token')->>'error' FROM s WHERE n = 1;
SELECT authz.refresh(answer->>'refresh_token')::jsonb ? 'access_token' FROM s WHERE n = 2;
SELECT authz.revoke(answer->>'refresh_token'), authz.revoke(answer->>'refresh_token') FROM s WHERE n = 2;
SELECT authz.revoke('x'), authz.revoke(NULL), authz.revoke(repeat('A', 86)), authz.revoke(authz.base64url(set_byte(authz.base64url_decode(answer->>'refresh_token'), 20, 7))) FROM s WHERE n = 3;
SELECT live();
SELECT authz.change_password(:'alice', 'correct horse battery', 'a quite new password', id) FROM s WHERE n = 3;
SELECT live();
SELECT authz.refresh(answer->>'refresh_token')::jsonb ? 'access_token' FROM s WHERE n = 3;
SELECT authz.password_set(:'alice', 'correct horse battery');
SELECT live();
INSERT INTO s SELECT 8, a, (authz.jwt_decode(a->>'access_token')->'claims'->>'sid')::uuid FROM (SELECT authz.login('alice@example.com', 'correct horse battery')::jsonb) x (a);
SELECT live();
UPDATE authz.users SET active = false WHERE id = :'alice';
SELECT live();
SELECT authz.login('alice@example.com', 'correct horse battery');
SELECT authz.session_start('00000000-0000-0000-0000-000000000000', '{pwd}');
UPDATE authz.users SET active = true WHERE id = :'alice';
SELECT n, end_reason, (SELECT count(*) FROM authz.session_tokens WHERE session_id = s.id) AS tokens FROM s JOIN authz.sessions USING (id) ORDER BY n;

-- No more sessions than that; the oldest goes.
SET authz.max_sessions = 2;
TRUNCATE s;
INSERT INTO s SELECT n, a, (authz.jwt_decode(a->>'access_token')->'claims'->>'sid')::uuid FROM generate_series(1, 4) n, LATERAL (SELECT authz.login('alice@example.com', 'correct horse battery' || left(n::text, 0))::jsonb) x (a);
SELECT count(*) FILTER (WHERE expires_at > now()) AS live, count(*) FILTER (WHERE end_reason = 'limit') AS ended FROM s JOIN authz.sessions USING (id);
RESET authz.max_sessions;

-- Whose session a request is in, by the claims of its token.
SELECT authz.sessions_end(:'alice') > 0 AS ended;
SELECT authz.login('alice@example.com', 'correct horse battery') AS a \gset
SELECT authz.session_check();
SELECT authz.current_session();
BEGIN;
SELECT authz.entity_uid_id(authz.set_principal(:'a'::jsonb->>'access_token')) = :'alice' AS alice;
SELECT user_id = :'alice' AS alice FROM authz.current_session();
SELECT authz.session_check();
SAVEPOINT s;
SELECT authz.session_end((authz.claims()->>'sid')::uuid, 'logout');
SELECT authz.session_check();
ROLLBACK TO s;
SELECT id = (authz.claims()->>'sid')::uuid AS session FROM authz.current_session();
DELETE FROM authz.users;
SELECT authz.session_check();
ROLLBACK;
-- A token counts once the transaction that issued it has committed: a refresh that is rolled back gives none.
BEGIN;
SELECT authz.refresh(:'a'::jsonb->>'refresh_token') AS b \gset
SELECT authz.set_principal(:'b'::jsonb->>'access_token') IS NOT NULL AS so_far;
ROLLBACK;
SELECT authz.set_principal(:'b'::jsonb->>'access_token');
SELECT authz.refresh(:'a'::jsonb->>'refresh_token') AS a2 \gset
SELECT authz.set_principal(:'b'::jsonb->>'access_token');
SELECT authz.set_principal(:'a'::jsonb->>'access_token') = authz.set_principal(:'a2'::jsonb->>'access_token') AS both_good;
-- The newest ten do.
SELECT authz.step_up(authz.current_session(), 'correct horse battery', NULL) IS NOT NULL AS stepped_up
FROM generate_series(1, 9), authz.set_principal(:'a2'::jsonb->>'access_token');
SELECT authz.set_principal(:'a2'::jsonb->>'access_token') IS NOT NULL AS tenth;
SELECT authz.set_principal(:'a'::jsonb->>'access_token');
-- A token of an ended session makes nobody a principal.
SELECT authz.session_end((authz.jwt_decode(:'a'::jsonb->>'access_token')->'claims'->>'sid')::uuid) AS ended;
SELECT authz.set_principal(:'a'::jsonb->>'access_token');
SELECT authz.set_principal(authz.jwt_sign(jsonb_build_object('sub', :'alice', 'sid', '00000000-0000-0000-0000-000000000000')));
SELECT authz.set_principal(authz.jwt_sign('{"sub": "x", "sid": "no uuid"}'));
SELECT authz.set_principal(authz.jwt_sign('{"sub": "service"}'));
EXPLAIN (COSTS OFF) SELECT FROM authz.sessions s WHERE s.user_id = '00000000-0000-0000-0000-000000000000' AND s.expires_at > now();

-- Purging takes what is long over.
UPDATE authz.sessions SET expires_at = now() - interval '31 days', created_at = now() - interval '40 days', ended_at = NULL, end_reason = NULL WHERE expires_at < now();
SELECT count(*) > 5 AS over FROM authz.sessions WHERE expires_at < now();
SELECT authz.session_purge(3);
SELECT authz.session_purge() > 0 AS purged, authz.session_purge() AS more;
-- A batch reads what it removes, not the table.
BEGIN;
INSERT INTO authz.sessions (user_id, created_at, last_seen, expires_at, max_expires_at, amr)
	SELECT :'alice', now() - interval '60 days', now() - interval '60 days', now() - interval '40 days', now(), '{pwd}' FROM generate_series(1, 3000);
ANALYZE authz.sessions;
SELECT coalesce(seq_scan, 0) AS before FROM pg_stat_xact_user_tables WHERE relid = 'authz.sessions'::regclass \gset
SELECT authz.session_purge(10);
SELECT coalesce(seq_scan, 0) - :before AS whole_reads FROM pg_stat_xact_user_tables WHERE relid = 'authz.sessions'::regclass;
ROLLBACK;
SELECT count(*) FROM authz.sessions;

-- Sealing: another key, another context or another byte opens nothing.
SELECT authz.unseal(k, authz.seal(k, p, 'x'), 'x') = p AS opens, authz.unseal(set_byte(k, 3, 9), authz.seal(k, p, 'x'), 'x') AS key,
	authz.unseal(k, authz.seal(k, p, 'x'), 'y') AS context, authz.unseal(k, set_byte(c, 5, get_byte(c, 5) # 1), 'x') AS nonce,
	authz.unseal(k, set_byte(c, 14, get_byte(c, 14) # 1), 'x') AS byte, authz.unseal(k, set_byte(c, length(c) - 1, get_byte(c, length(c) - 1) # 1), 'x') AS tag,
	authz.unseal(k, left(c::text, -2)::bytea, 'x') AS shorter, authz.unseal(k, '', 'x') AS empty, authz.seal(k, p, 'x') = c AS same
FROM (SELECT sha256('k') AS k, '\x616263'::bytea AS p) v, LATERAL (SELECT authz.seal(k, p, 'x') AS c) w;
SELECT authz.seal('short', 'x', 'x');
-- RFC 4231, test case 2; RFC 2202, test case 2.
SELECT authz.hmac('sha256', 'Jefe', 'what do ya want for nothing?'), authz.hmac('sha1', 'Jefe', 'what do ya want for nothing?');
SELECT authz.hmac('md5', 'x', 'x');
SELECT authz.base64url('\xfbff'), authz.base64url_decode('-_8'), authz.base64url_decode('+/8'), authz.base64url_decode('A');

DROP FUNCTION live, refresh_changed;
DELETE FROM authz.users;
DELETE FROM authz.outbox;
DELETE FROM authz.signing_keys;
