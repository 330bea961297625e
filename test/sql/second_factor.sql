-- One-time codes, recovery codes, step-up.
\pset null '(null)'
\pset format unaligned
\set SHOW_CONTEXT never
SET authz.argon2_memory = '1MB';
SET authz.scrypt_cost = 10;
SET authz.issuer = 'https://auth.example.com';
SET authz.audience = 'example';
SELECT authz.signing_key_create() IS NOT NULL AS key;

-- RFC 6238, appendix B: seed, time, code.
SELECT algorithm, t, code, authz.hotp(convert_to(left(repeat('1234567890', 7), len), 'UTF8'), t / 30, 8, algorithm) = code AS same
FROM (VALUES ('sha1', 20), ('sha256', 32), ('sha512', 64)) a (algorithm, len),
	(VALUES (59, '{94287082,46119246,90693936}'::text[]), (1111111109, '{07081804,68084774,25091201}'), (1111111111, '{14050471,67062674,99943326}'),
		(1234567890, '{89005924,91819424,93441116}'), (2000000000, '{69279037,90698825,38618901}'), (20000000000, '{65353130,77737706,47863826}')) v (t, codes),
	LATERAL (SELECT codes[array_position('{sha1,sha256,sha512}', algorithm)] AS code) c
ORDER BY t, algorithm;
-- RFC 4226, appendix D.
SELECT array_agg(authz.hotp('12345678901234567890', n) ORDER BY n) = '{755224,287082,359152,969429,338314,254676,287922,162583,399871,520489}' AS hotp FROM generate_series(0, 9) n;
-- RFC 4648, section 10, without padding.
SELECT array_agg(authz.base32(convert_to(p, 'UTF8')) ORDER BY length(p)) = '{"",MY,MZXQ,MZXW6,MZXW6YQ,MZXW6YTB,MZXW6YTBOI}' AS base32 FROM unnest('{"",f,fo,foo,foob,fooba,foobar}'::text[]) p;
SELECT authz.url_encode('a b/c:d@é~'), authz.url_encode('');

SELECT authz.user_create('alice@example.com', 'correct horse battery') AS alice \gset
SELECT authz.user_create('bob@example.com', 'correct horse battery') AS bob \gset
-- Ask as the one who has signed in.
CREATE FUNCTION ask(token text, query text) RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE
	answer jsonb;
BEGIN
	PERFORM authz.set_principal(token);
	EXECUTE 'SELECT ' || query INTO answer;
	RETURN answer;
EXCEPTION WHEN SQLSTATE 'PT401' THEN
	RETURN to_jsonb(SQLERRM);
END $$;
-- The code that the app shows, some steps from now.
CREATE FUNCTION code(id uuid, steps integer DEFAULT 0) RETURNS text LANGUAGE sql AS $$
	SELECT authz.hotp(authz.totp_open(user_id, seed), floor(extract(epoch FROM clock_timestamp()) / 30)::bigint + steps) FROM authz.user_totp WHERE user_id = id $$;
SELECT authz.login('alice@example.com', 'correct horse battery')::jsonb AS a \gset
SELECT authz.login('alice@example.com', 'correct horse battery')::jsonb AS other \gset

-- Enrolling: the seed is kept encrypted, for this user alone, and in force when a code has shown that the app has it.
SELECT ask(:'a'::jsonb->>'access_token', 'authz_api.totp_enroll()') AS enrolled \gset
SELECT regexp_replace(:'enrolled', '[A-Z2-7]{32}', 'SECRET', 'g');
SELECT authz.base32(authz.totp_open(user_id, seed)) = :'enrolled'::jsonb->>'secret' AS seed, position(authz.totp_open(user_id, seed) IN seed) = 0 AS encrypted, authz.totp_is_current(seed) AS current, confirmed_at FROM authz.user_totp;
\set VERBOSITY sqlstate
SELECT authz.totp_open(:'bob', seed) FROM authz.user_totp;
\set VERBOSITY default
SELECT authz.totp_seeds_reencrypt();
SELECT authz.login('alice@example.com', 'correct horse battery')::jsonb ? 'access_token' AS not_needed_yet;
SELECT ask(:'a'::jsonb->>'access_token', format('authz_api.totp_confirm(%L)', c)) FROM unnest(ARRAY['', '12345', 'abcdef', '１２３４５６', lpad(((code(:'alice')::integer + 1) % 1000000)::text, 6, '0')]) c;
SELECT ask(:'a'::jsonb->>'access_token', format('authz_api.totp_confirm(%L)', code(:'alice'))) AS confirmed \gset
SELECT key, jsonb_array_length(value) AS n, value->>0 ~ '^([A-Z2-7]{4}-){5}[A-Z2-7]{4}$' AS form FROM jsonb_each(:'confirmed');
SELECT ask(:'other'::jsonb->>'access_token', 'authz_api.me()') AS other_session;
SELECT amr FROM authz.sessions WHERE expires_at > now();
SELECT kind FROM authz.outbox_take();
SELECT ask(:'a'::jsonb->>'access_token', 'authz_api.totp_enroll()');

-- Signing in needs both, and the token in between is good for nothing else.
SELECT authz.login('alice@example.com', 'wrong');
SELECT authz.login('alice@example.com', 'correct horse battery', '192.0.2.9', 'app')::jsonb AS needed \gset
SELECT :'needed'::jsonb - 'mfa_token', length(:'needed'::jsonb->>'mfa_token') AS token;
SELECT count(*) AS in_clear FROM authz.one_time_tokens WHERE token_hash = convert_to(:'needed'::jsonb->>'mfa_token', 'UTF8');
SELECT authz.reset_password(:'needed'::jsonb->>'mfa_token', 'a quite new password')->>'error' AS reset, authz.refresh(:'needed'::jsonb->>'mfa_token')->>'error' AS refresh, authz.verify_email(:'needed'::jsonb->>'mfa_token')->>'error' AS verify;
SELECT authz.set_principal(:'needed'::jsonb->>'mfa_token');
-- The code that was used to enrol, and earlier ones, do not work again.
SELECT authz.second_factor(:'needed'::jsonb->>'mfa_token', authz.hotp(authz.totp_open(user_id, seed), last_step))->>'error' AS again,
	authz.second_factor(:'needed'::jsonb->>'mfa_token', authz.hotp(authz.totp_open(user_id, seed), last_step - 1))->>'error' AS earlier FROM authz.user_totp;
UPDATE authz.user_totp SET last_step = 0;
SELECT authz.second_factor(:'needed'::jsonb->>'mfa_token', code(:'alice', 3))->>'error' AS too_new, authz.second_factor(:'needed'::jsonb->>'mfa_token', code(:'alice', -3))->>'error' AS too_old;
SELECT authz.second_factor('x', code(:'alice'))->>'error' AS no_token, authz.second_factor(NULL, NULL)->>'error' AS nulls, authz.second_factor(:'needed'::jsonb->>'mfa_token', NULL)->>'error' AS no_code;
BEGIN READ ONLY;
SELECT authz.second_factor(:'needed'::jsonb->>'mfa_token', code(:'alice'));
ROLLBACK;
SELECT authz.second_factor(:'needed'::jsonb->>'mfa_token', code(:'alice'))::jsonb AS a \gset
SELECT jsonb_object_keys(:'a') ORDER BY 1;
SELECT authz.jwt_decode(:'a'::jsonb->>'access_token')->'claims'->'amr' AS amr;
SELECT address, user_agent FROM authz.sessions WHERE id = (authz.jwt_decode(:'a'::jsonb->>'access_token')->'claims'->>'sid')::uuid;
SELECT authz.second_factor(:'needed'::jsonb->>'mfa_token', code(:'alice', 1))->>'error' AS token_used;
-- Expired in between.
SELECT authz.login('alice@example.com', 'correct horse battery')::jsonb AS needed \gset
UPDATE authz.one_time_tokens SET expires_at = now() - interval '1 second' WHERE purpose = 'second_factor';
UPDATE authz.user_totp SET last_step = 0;
SELECT authz.second_factor(:'needed'::jsonb->>'mfa_token', code(:'alice'))->>'error' AS expired;
-- A recovery code, in any spelling, once.
SELECT authz.login('alice@example.com', 'correct horse battery')::jsonb AS needed \gset
SELECT authz.second_factor(:'needed'::jsonb->>'mfa_token', lower(replace(:'confirmed'::jsonb->'recovery_codes'->>3, '-', ' ')))::jsonb AS b \gset
SELECT authz.jwt_decode(:'b'::jsonb->>'access_token')->'claims'->'amr' AS amr;
SELECT authz.login('alice@example.com', 'correct horse battery')::jsonb AS needed \gset
SELECT authz.second_factor(:'needed'::jsonb->>'mfa_token', :'confirmed'::jsonb->'recovery_codes'->>3)->>'error' AS again, count(*) AS left FROM authz.recovery_codes;
SELECT kind FROM authz.outbox_take();
-- Guesses are counted for the user, whatever the token, and outlive a rollback.
SELECT authz.throttle_clear('second_factor', :'alice') AS cleared;
BEGIN;
SELECT authz.second_factor(:'needed'::jsonb->>'mfa_token', 'nonsense')->>'error';
SELECT authz.second_factor(authz.login('alice@example.com', 'correct horse battery')->>'mfa_token', 'nonsense')->>'error';
ROLLBACK;
SELECT DISTINCT authz.second_factor(:'needed'::jsonb->>'mfa_token', 'nonsense' || i)->>'error' FROM generate_series(1, 6) i;
SET authz.login_account_failures = 1;
SELECT authz.second_factor(:'needed'::jsonb->>'mfa_token', code(:'alice'))::jsonb - 'retry_after' AS throttled;
SELECT kind, failures, subject = :'alice' AS alice FROM authz.throttles() WHERE kind = 'second_factor';
SET authz.login_lock_failures = 8;
SELECT authz.second_factor(:'needed'::jsonb->>'mfa_token', code(:'alice')) AS locked;
SELECT authz.throttle_clear('second_factor', :'alice') AS cleared;
RESET authz.login_lock_failures;
RESET authz.login_account_failures;
SELECT authz.audit_drain() >= 0 AS drained;
SELECT DISTINCT details->>'result' AS audited FROM authz.audit_logs WHERE event = 'second_factor_failed' ORDER BY 1;

-- A password reset leaves the second factor in force.
SELECT authz.request_password_reset('alice@example.com');
SELECT payload->>'token' AS token FROM authz.outbox_take() WHERE kind = 'password_reset' \gset
BEGIN;
SELECT authz.reset_password(:'token', 'a quite new password');
SELECT authz.login('alice@example.com', 'a quite new password')::jsonb - 'mfa_token' AS needed;
ROLLBACK;

-- Step-up: a fresh authentication in auth_time and amr, which some things need.
UPDATE authz.sessions SET auth_time = now() - interval '1 hour', created_at = now() - interval '1 hour';
SELECT ask(:'a'::jsonb->>'access_token', q) FROM unnest('{authz_api.totp_remove(),authz_api.recovery_codes(),authz_api.totp_enroll(),authz_api.totp_confirm(''1'')}'::text[]) q;
SELECT ask(:'a'::jsonb->>'access_token', q) FROM unnest(ARRAY['authz_api.step_up()', 'authz_api.step_up(password => ''correct horse battery'')', 'authz_api.step_up(code => ''000'')']) q;
UPDATE authz.user_totp SET last_step = 0;
SELECT ask(:'a'::jsonb->>'access_token', format('authz_api.step_up(code => %L)', code(:'alice'))) AS stepped \gset
SELECT jsonb_object_keys(:'stepped') ORDER BY 1;
SELECT to_timestamp((authz.jwt_decode(:'stepped'::jsonb->>'access_token')->'claims'->>'auth_time')::bigint) > now() - interval '1 minute' AS fresh,
	authz.jwt_decode(:'stepped'::jsonb->>'access_token')->'claims'->'sid' = authz.jwt_decode(:'a'::jsonb->>'access_token')->'claims'->'sid' AS same_session;
SELECT jsonb_array_length(ask(:'stepped'::jsonb->>'access_token', 'authz_api.recovery_codes()')->'recovery_codes') AS new_codes;
SELECT authz.second_factor(:'needed'::jsonb->>'mfa_token', :'confirmed'::jsonb->'recovery_codes'->>4)->>'error' AS old_code;
SELECT ask(:'stepped'::jsonb->>'access_token', 'authz_api.totp_remove()'), ask(:'stepped'::jsonb->>'access_token', 'authz_api.totp_remove()');
SELECT count(*) FROM authz.recovery_codes;
SELECT authz.login('alice@example.com', 'correct horse battery')::jsonb ? 'access_token' AS password_is_enough;
-- Without a second factor the password is the step-up.
UPDATE authz.sessions SET auth_time = now() - interval '1 hour';
SELECT ask(:'stepped'::jsonb->>'access_token', 'authz_api.step_up(password => ''wrong'')');
SELECT authz.jwt_decode(ask(:'stepped'::jsonb->>'access_token', 'authz_api.step_up(password => ''correct horse battery'')')->>'access_token')->'claims'->'amr' AS amr;
-- An administrator removes what was lost.
SELECT authz.totp_enroll(:'bob') IS NOT NULL AS enrolled;
SELECT authz.second_factor_remove(:'bob'), authz.second_factor_remove(:'bob');

DROP FUNCTION ask, code;
DELETE FROM authz.users;
DELETE FROM authz.outbox;
DELETE FROM authz.signing_keys;
