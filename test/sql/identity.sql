-- Users, passwords, one-time tokens, throttling.
SELECT count(*) AS default_accounts FROM authz.users;
\pset null '(null)'
\pset format unaligned
\set SHOW_CONTEXT never
SET authz.argon2_memory = '1MB';
SET authz.scrypt_cost = 10;
-- Where everything is slow (scripts/valgrind), what is done very often is done less often.
SELECT coalesce(nullif(current_setting('authz_test.slow', true), ''), '1') AS slow \gset

-- Hashes that others made (test/identity/hashes.py) of `correct horse battery`.
CREATE TEMP TABLE hashes (name text, hash text);
INSERT INTO hashes VALUES
	('bcrypt 2a', '$2a$05$Gflthiz/IgvqDFgHWhpxbOYAtsFh9g.SXP2M9.JsxoaAqhik1.02O'),
	('bcrypt 2b', '$2b$05$nd5Pd1ZzWFNPIudZo6PPs.BoY6rzMh1/jjgkAwKJa21stACnJE1MG'),
	('bcrypt 2y', '$2y$05$nd5Pd1ZzWFNPIudZo6PPs.BoY6rzMh1/jjgkAwKJa21stACnJE1MG'),
	('scrypt', '$scrypt$ln=10,r=8,p=2$iRFC6B0jxDjnnNPaG4NQSg$4tEEVVIpUhOgMp0h4rvqFEttDsvsaBkeDG1+jCP0MlQ'),
	('pbkdf2-sha256', '$pbkdf2-sha256$2000$1Jrz3pszBsDYG8PYuzfmvA$EjzJne8Y7rY.HW3uchVH9mHq41TIZcQUPn70i9N5ZnA'),
	('pbkdf2-sha512', '$pbkdf2-sha512$2000$67137l2LEUJorbUWAsC4Vw$Mr93jnQGk8WLfvka1/6KNdMOOMTKjkN9mJ85vOFyK.zXWWSdcPBtU3hSY6zLXbKx0PPPdK8c16K1L3Le81/2jA'),
	('pbkdf2-sha1', '$pbkdf2$2000$vNf6X8s5hxDiPOc8h9Da.w$.gEswRcz7ZK9WSBWbxbTVy5aCAM'),
	('sha256-crypt', '$5$rounds=2000$sG0bcHCUh.2hRtPe$ziWABUKVi/YorFIH0WDo/WGCn6aTg/Q1WuBKGV8aob8'),
	('sha512-crypt', '$6$9wljJxyotjL5vSYo$1UHm0b2vR5AOOi9bQYdjX8TZROpRr6pbGCtpxF1vjfUDNOZt7duIV2EeHuGXTruDkbSFiJqRRaCpd8NnMWOds1'),
	('Django pbkdf2_sha256', 'pbkdf2_sha256$2000$NaCl$/lkQeLR6vg9092s3Sugi+eCD4OT+H5BjqLu857vcntI='),
	('Django pbkdf2_sha1', 'pbkdf2_sha1$2000$NaCl$73n2KSHIXyAdL4A2pQSEEsVO81w='),
	('Django bcrypt', 'bcrypt$$2b$05$no0h7mvJmVeuZ.R1Vtq15.hXTXk0.5HCJczOmIocS09XzPgKaRM6u'),
	('Django bcrypt_sha256', 'bcrypt_sha256$$2b$05$k0IXSAPamnOw6qzY3ygpcO8plw65icbtu.7HD02STs9Y4CUnKo0lW'),
	('Django scrypt', 'scrypt$1024$NaCl$8$5$V+nCzp9HVvgr4NNpXkDn4jxoCepBrmkWuha50ucvrFkQYf1A6FksVa1AHM74F7iC3Sg3cqvf3555C22/4s80Dg=='),
	('Keycloak pbkdf2-sha256', '$pbkdf2-sha256$i=2750,l=64$MDEyMzQ1Njc4OWFiY2RlZg==$MU+PDyYp6qyuigtr5VjPxvSC4mfcCOzgPf5ZV9DukVfe8G4sEXbierOYBlN2AMsEG+svqAaCm+CWeL456Mojkg=='),
	('Keycloak pbkdf2-sha512', '$pbkdf2-sha512$i=2100,l=64$MDEyMzQ1Njc4OWFiY2RlZg==$I3Y7g3x5mLEvqBrZ7zd84Ns3nZRZbwaVO31P1+S1j6c+ro/coKGHVDrz9Gyh6lMKaO9s/v28+cTRxPWxXaYUGw=='),
	('Firebase', '$fbscrypt$v=1,n=14,r=8,p=1,ss=Bw==,sk=jxspr8Ki0RYycVU8zykbdLGjFQ3McFUH0uiiTvC8pVMXAn210wjLNmdZJzxUECKbm0QsEmYUSDzZvpjeJ9WmXA==$42xEC+ixf3L2lw==$RJkBVVJmq2D8z/P8tVAJsfbxFyFigzGZ/ZYbhXRpcO8eM8P7B9iMegRBywYXvJPgxpf783rPSVXOZ0CE5x+Q/g==');
CREATE FUNCTION verify(password text, hash text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	RETURN authz.password_verify(password, hash);
EXCEPTION WHEN OTHERS THEN
	RETURN SQLSTATE || ' ' || SQLERRM;
END $$;
SELECT name, verify('correct horse battery', hash) AS "right", verify('correct horse batterz', hash) AS "wrong", authz.password_is_current(hash) AS current
FROM hashes;
-- A password that libcrypt does not take is wrong, as with other hashes; bcrypt looks at 72 bytes.
SELECT DISTINCT verify(repeat('x', 600), hash) AS long FROM hashes;
SELECT authz.password_verify(repeat('x', 600), h) AS "right", authz.password_verify(repeat('y', 600), h) AS "wrong"
FROM (VALUES ('$2b$04$abcdefghijklmnopqrstuubzadhGtS2zEF.gu0yd0opP6cVzb.e0i')) x (h);
-- Any bit of a hash that is another makes it another password's, or no hash.
SELECT name, count(*) FILTER (WHERE verify('correct horse battery', overlay(hash PLACING c FROM at)) = 'true') AS still_right
FROM hashes, (SELECT hash AS h, length(hash) - 8 AS at FROM hashes) p, unnest('{A,b}'::text[]) c
WHERE h = hash AND substr(hash, at, 1) <> c GROUP BY name HAVING count(*) FILTER (WHERE verify('correct horse battery', overlay(hash PLACING c FROM at)) = 'true') > 0;
-- What is no hash, and what asks for too much.
SELECT h, verify('x', h) FROM unnest(ARRAY['', '$', 'plain', '$1$salt$hash', '$2a$', '$2b$05$abc', '$2b$31$wcqT8zjYM3PxflkROzFUjuKGz8w4yr9WqrMep/HL2/cP4TN9kzFUq',
	'$argon2d$v=19$m=1024,t=1,p=1$MDEyMzQ1Njc4OWFiY2RlZg$MDEyMzQ1Njc4OWFiY2RlZg', '$argon2id$v=16$m=1024,t=1,p=1$MDEyMzQ1Njc4OWFiY2RlZg$MDEyMzQ1Njc4OWFiY2RlZg',
	'$argon2id$v=19$m=99999999,t=1,p=1$MDEyMzQ1Njc4OWFiY2RlZg$MDEyMzQ1Njc4OWFiY2RlZg', '$argon2id$v=19$m=1024,t=99999,p=1$MDEyMzQ1Njc4OWFiY2RlZg$MDEyMzQ1Njc4OWFiY2RlZg',
	'$argon2id$v=19$m=1024,t=1,p=1$MDEyMzQ1Njc4OWFiY2RlZg$', '$scrypt$ln=30,r=8,p=1$MDEyMzQ1Njc4OWFiY2RlZg$MDEyMzQ1Njc4OWFiY2RlZg', '$scrypt$ln=99999999999,r=8,p=1$MDEy$MDEy',
	'$pbkdf2-sha256$i=0,l=32$MDEy$MDEyMzQ1Njc4OWFiY2RlZg', '$pbkdf2-sha256$i=999999999,l=16$MDEy$MDEyMzQ1Njc4OWFiY2RlZg', '$pbkdf2-sha256$i=1000,l=17$MDEy$MDEyMzQ1Njc4OWFiY2RlZg',
	'$pbkdf2-sha256$1000$MDEy$MDEyMzQ1Njc4OWFiY2RlZh', 'pbkdf2_sha256$1000$salt', '$5$rounds=999999999$salt$hash', repeat('x', 2000)]) h;

-- Our own (Argon2id: identity_argon2), scrypt where that is chosen; an NFKC variant is the same password.
SELECT authz.password_hash('x') <> authz.password_hash('x') AS salted;
SELECT authz.password_verify(U&'\FB01sch und A\030Angstr\00F6m', authz.password_hash(U&'fisch und \00C5ngstro\0308m')) AS nfkc;
SELECT authz.password_verify('Fisch', authz.password_hash('fisch')) AS case_matters;
SET authz.password_algorithm = 'scrypt';
SELECT h LIKE '$scrypt$ln=10,r=8,p=3$%' AS scrypt, authz.password_verify('x', h) AS "right", authz.password_verify('y', h) AS "wrong", authz.password_is_current(h) AS current
FROM authz.password_hash('x') h;
RESET authz.password_algorithm;
SELECT authz.password_hash(repeat('x', 5000));

-- The list of common passwords: those on it, in any case and width, and how many that are not.
SELECT p, authz.password_is_common(p) FROM unnest(ARRAY['password', 'PassWord1', U&'\FF50\FF41\FF53\FF53\FF57\FF4F\FF52\FF441', '123456789', 'qwertyuiop', 'iloveyou',
	'correct horse battery', 'sehr-geheim-und-lang', '']) p;
SELECT count(*) FILTER (WHERE authz.password_is_common(md5(i::text))) AS false_positives FROM generate_series(1, 200000 / :slow) i;

-- Emails: unique after NFKC and case folding, whatever the collation.
SELECT authz.casefold(U&'STRASSE Stra\00DFe \1E9E \03A3\03C3\03C2 \0130 \0390 \FB03 \+010400 \AB70') AS folded;
CREATE FUNCTION email(email text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	RETURN authz.email_normalize(email);
EXCEPTION WHEN OTHERS THEN
	RETURN SQLSTATE || ' ' || SQLERRM;
END $$;
SELECT e, email(e) FROM unnest(ARRAY['alice@example.com', ' Alice@EXAMPLE.com ', U&'\FF21lice\FF20example.com', U&'\00E9@x.de', U&'E\0301@X.DE', U&'Stra\00DFe@x.de', 'STRASSE@x.de', 'a+b.c@x.y', 'a@localhost',
	'', '@', 'a@', '@b', 'a', 'a@b@c', 'a b@c', E'a\tb@c', E'a\n@c', U&'a\200B@c', U&'a\202E@c', U&'a\FE0F@c', U&'a\+0E0041@c', U&'a\034F@c', 'a@b..c', 'a@.b', 'a@b.', 'a@-b', '.a@b', 'a..b@c', '"a"@b', 'a,b@c', repeat('a', 65) || '@b', 'a@' || repeat('b', 255)]) e;

-- Of domains that are not one, two letters are not folded: who has the one would verify an address of the other.
SELECT e, email(e) FROM unnest(ARRAY['ceo@fussball.de', 'CEO@FUSSBALL.de', U&'ceo@fu\00DFball.de', U&'CEO@FU\1E9EBALL.DE', U&'\00DF@x.de', U&'a@\03A3\03C3\03C2.gr', U&'a@\212A\017F.de', U&'\FF20\00DF']) e;

-- Users.
SELECT authz.user_create('Alice@Example.com', 'correct horse battery', '{"level": 3}') AS alice \gset
SELECT email, email_normalized, active, attributes, last_login, email_verified_at, created_at > now() - interval '1 minute' AS created_now FROM authz.get_user(:'alice');
SELECT authz.user_create('alice@example.COM');
SELECT authz.user_create('no address');
\set VERBOSITY terse
SELECT authz.user_create('bob@example.com', attributes => '[]');
\set VERBOSITY default
SELECT authz.user_create('bob@example.com', 'short');
SELECT authz.user_create('bob@example.com') AS bob \gset
SELECT authz.user_create('carol@example.com', email_verified => true) AS carol \gset
UPDATE authz.users SET active = false WHERE id = :'carol';
SELECT email FROM authz.get_users_batch(ARRAY[:'alice', :'bob', :'carol', :'alice', '00000000-0000-0000-0000-000000000000', NULL]::uuid[]) ORDER BY email;
SELECT authz.get_user('00000000-0000-0000-0000-000000000000') IS NULL AS none;
EXPLAIN (COSTS OFF) SELECT id FROM authz.users WHERE email_normalized = 'alice@example.com' AND active;

-- Which passwords can be used: length in characters after NFKC, the list, the email; no other rule.
SELECT p, authz.password_problem(p, 'alice.liddell@example.com') FROM unnest(ARRAY['elevenchars', 'twelve chars', U&'\4E00\4E01\4E02\4E03\4E04\4E05\4E06\4E07\4E08\4E09\4E0A', U&'\4E00\4E01\4E02\4E03\4E04\4E05\4E06\4E07\4E08\4E09\4E0A\4E0B',
	U&'e\0301e\0301e\0301e\0301e\0301e\0301', 'Alice.Liddell', 'ALICE.LIDDELL@example.com', 'aaaaaaaaaaaaaa', 'abababababababab', 'abcabcabcabc', repeat('long and longer ', 8)]) p;
SELECT authz.password_problem(NULL, 'a@b');
SET authz.password_min_length = 7;
SET authz.password_min_length = 8;
SELECT p, authz.password_problem(p, 'a@b') FROM unnest(ARRAY['sunshine', 'xk7!wq2m', 'xk7!wq2']) p;
RESET authz.password_min_length;
-- Words that are known here: what is left without them has to be a password.
SELECT p, authz.password_problem(p, 'alice.liddell@example.com') FROM unnest(ARRAY['Alice.Liddell1865', 'alice.liddell@example.com!', 'alice.liddell, correct horse', 'ACMErocket2026']) p;
SET authz.password_words = 'Acme, Rocket ,abc';
SELECT p, authz.password_problem(p, 'a@b') FROM unnest(ARRAY['ACMErocket2026', U&'\FF21\FF23\FF2D\FF25acmeacme2026', 'RocketRocket1', 'acme correct horse', 'abcabcxk7!wq2']) p;
RESET authz.password_words;
SELECT authz.password_problem(repeat('ab1', 1400), 'a@b');
SELECT authz.password_problem(repeat(U&'\FDFA', 20000000), 'a@b');

-- Registering answers the same for a known email; its owner gets a message, one an hour.
SELECT authz.register('Dave@example.com', 'correct horse battery');
SELECT authz.register('dave@EXAMPLE.com', 'another long password');
SELECT authz.register('dave@example.com', 'another long password');
SELECT authz.register('eve@example.com', 'iloveyou1234');
SELECT authz.register('eve@example.com', 'short'), authz.register(NULL, 'x'), authz.register('x', NULL);
SELECT authz.register('no address', 'correct horse battery');
SELECT kind, recipient, payload->>'expires_at' IS NOT NULL AS expires, length(payload->>'token') AS token FROM authz.outbox ORDER BY id;
SELECT count(*) FROM authz.users WHERE email_normalized = 'dave@example.com';
SELECT authz.password_verify('correct horse battery', hash) FROM authz.user_passwords p JOIN authz.users u ON u.id = user_id WHERE email_normalized = 'dave@example.com';

-- One-time tokens: hashed, for one purpose, once, for a time, void when the address changes.
SELECT payload->>'token' AS token FROM authz.outbox_take() WHERE kind = 'email_verification' \gset
SELECT count(*) AS left FROM authz.outbox;
SELECT count(*) AS in_clear FROM authz.one_time_tokens WHERE token_hash = convert_to(:'token', 'UTF8');
SELECT authz.reset_password(:'token', 'yet another password');
SELECT authz.verify_email(:'token');
SELECT authz.verify_email(:'token'), authz.verify_email(''), authz.verify_email(NULL);
SELECT email_verified_at IS NOT NULL AS verified FROM authz.users WHERE email_normalized = 'dave@example.com';
SELECT authz.request_password_reset('DAVE@example.com'), authz.request_password_reset('nobody@example.com'), authz.request_password_reset('carol@example.com'), authz.request_password_reset('bad');
SELECT authz.request_password_reset('dave@example.com');
-- In a read-only transaction nothing tells whether it is known.
BEGIN READ ONLY;
SAVEPOINT s;
SELECT authz.request_password_reset('dave@example.com');
ROLLBACK TO s;
SELECT authz.request_password_reset('nobody@example.com');
ROLLBACK;
SELECT kind, recipient FROM authz.outbox;
SELECT payload->>'token' AS token FROM authz.outbox_take() \gset
SELECT authz.reset_password(:'token', 'short');
UPDATE authz.one_time_tokens SET expires_at = now() - interval '1 second' WHERE purpose = 'password_reset';
SELECT authz.reset_password(:'token', 'yet another password');
UPDATE authz.one_time_tokens SET expires_at = now() + interval '1 minute' WHERE purpose = 'password_reset';
SELECT authz.reset_password(:'token', 'yet another password');
SELECT authz.reset_password(:'token', 'yet another password');
SELECT authz.password_verify('yet another password', hash) FROM authz.user_passwords p JOIN authz.users u ON u.id = user_id WHERE email_normalized = 'dave@example.com';
SELECT id AS dave FROM authz.users WHERE email_normalized = 'dave@example.com' \gset
SELECT authz.email_verification_send(:'dave');
UPDATE authz.users SET email = 'David@example.com' WHERE id = :'dave';
SELECT recipient, user_id = :'dave' AS dave FROM authz.outbox WHERE kind = 'email_changed';
SELECT count(*) FROM authz.one_time_tokens WHERE user_id = :'dave' AND purpose = 'email_verification';
-- Nobody has shown that the new one is theirs; another spelling of the same one is no new one.
SELECT email_verified_at, email_verified FROM authz.users WHERE id = :'dave';
UPDATE authz.users SET email_verified_at = now() WHERE id = :'dave';
UPDATE authz.users SET email = 'DAVID@example.com' WHERE id = :'dave';
SELECT email_verified FROM authz.users WHERE id = :'dave';
UPDATE authz.users SET email = 'dave.jones@example.com', email_verified_at = now() + interval '1 second' WHERE id = :'dave';
SELECT email_verified AS verified_as_it_says FROM authz.users WHERE id = :'dave';
-- The newest token counts, and none for a password that was changed since.
SELECT authz.email_verification_send(:'dave');
UPDATE authz.one_time_tokens SET created_at = now() - interval '2 minutes' WHERE user_id = :'dave' AND purpose = 'email_verification';
SELECT authz.email_verification_send(:'dave');
SELECT array_agg(payload->>'token' ORDER BY id) AS tokens FROM authz.outbox_take() WHERE kind = 'email_verification' \gset
SELECT authz.verify_email((:'tokens'::text[])[1])->>'error' AS other_address, authz.verify_email((:'tokens'::text[])[2])->>'error' AS former, authz.verify_email((:'tokens'::text[])[3]) AS newest, authz.verify_email((:'tokens'::text[])[2])->>'error' AS former_again;
SELECT authz.one_time_token_create(:'dave', 'password_reset', '1 hour') AS token \gset
UPDATE authz.user_passwords SET changed_at = now() WHERE user_id = :'dave';
SELECT authz.reset_password(:'token', 'a quite new password')->>'error' AS changed_since;
-- With a user goes what hangs on it, also where foreign keys do nothing.
BEGIN;
SELECT authz.invite('hugo@example.com', groups => ARRAY['Group::"staff"']::authz.entity_uid[]) AS hugo \gset
SELECT authz.password_set(:'hugo', 'correct horse battery');
SELECT authz.email_verification_send(:'hugo');
INSERT INTO authz.sessions (user_id, expires_at, max_expires_at, amr) VALUES (:'hugo', now() + interval '1 day', now() + interval '1 day', '{pwd}') RETURNING id AS session \gset
INSERT INTO authz.session_tokens (session_id, tag_key, token_hash) VALUES (:'session', '', '');
INSERT INTO authz.user_totp (user_id, seed) VALUES (:'hugo', '');
INSERT INTO authz.recovery_codes (user_id, code_hash) VALUES (:'hugo', '');
SET LOCAL session_replication_role = replica;
DELETE FROM authz.users WHERE id = :'hugo';
SELECT r.conrelid::regclass AS hangs_on_it FROM pg_constraint r WHERE r.contype = 'f' AND r.confrelid IN ('authz.users'::regclass, 'authz.sessions'::regclass) ORDER BY 1;
SELECT (SELECT count(*) FROM authz.session_tokens WHERE session_id = :'session') AS session_tokens, (SELECT count(*) FROM authz.sessions WHERE user_id = :'hugo') AS sessions,
	(SELECT count(*) FROM authz.one_time_tokens WHERE user_id = :'hugo') AS one_time_tokens, (SELECT count(*) FROM authz.outbox WHERE user_id = :'hugo') AS outbox,
	(SELECT count(*) FROM authz.user_passwords WHERE user_id = :'hugo') AS passwords, (SELECT count(*) FROM authz.user_groups WHERE user_id = :'hugo') AS groups,
	(SELECT count(*) FROM authz.user_totp WHERE user_id = :'hugo') AS totp, (SELECT count(*) FROM authz.recovery_codes WHERE user_id = :'hugo') AS recovery_codes;
ROLLBACK;
SELECT authz.invite('frank@example.com', '{"level": 1}', ARRAY['Group::"staff"', 'Group::"staff"']::authz.entity_uid[]) AS frank \gset
SELECT group_type, group_id FROM authz.user_groups WHERE user_id = :'frank';
SELECT payload->>'token' AS token FROM authz.outbox_take() WHERE kind = 'invitation' \gset
SELECT authz.reset_password(:'token', 'correct horse battery');
SELECT email_verified_at IS NOT NULL AS verified FROM authz.users WHERE id = :'frank';
SELECT authz.change_password(:'frank', 'wrong', 'a quite new password');
SELECT authz.change_password(:'frank', 'correct horse battery', 'short');
SELECT authz.change_password(:'frank', 'correct horse battery', 'a quite new password');
SELECT authz.password_verify('a quite new password', hash) FROM authz.user_passwords WHERE user_id = :'frank';
SELECT kind FROM authz.outbox_take();
-- An invitation is void once there is a password.
SELECT authz.invite('gina@example.com') AS gina \gset
SELECT payload->>'token' AS token FROM authz.outbox_take() WHERE kind = 'invitation' \gset
SELECT authz.password_set(:'gina', 'correct horse battery');
SELECT authz.reset_password(:'token', 'a quite new password');
DELETE FROM authz.users WHERE id = :'gina';

-- Users are principals, with groups and attributes, as long as they are active.
SELECT authz.users_map();
INSERT INTO authz.policies (policy_id, policy) VALUES ('staff', 'permit (principal in Group::"all", action, resource) when { principal.attributes.level >= 1 && principal.email like "*@example.com" && principal.email_verified };');
INSERT INTO authz.entities (uid, parents) VALUES ('Group::"staff"', ARRAY['Group::"all"']::authz.entity_uid[]);
SELECT authz.authz_check(authz.entity_uid('User', :'frank'), 'Action::"view"', 'Doc::"1"') AS frank, authz.authz_check(authz.entity_uid('User', :'alice'), 'Action::"view"', 'Doc::"1"') AS alice;
BEGIN;
UPDATE authz.users SET active = false WHERE id = :'frank';
SELECT authz.authz_check(authz.entity_uid('User', :'frank'), 'Action::"view"', 'Doc::"1"') AS inactive;
ROLLBACK;
BEGIN;
UPDATE authz.users SET email_verified_at = NULL WHERE id = :'frank';
SELECT authz.authz_check(authz.entity_uid('User', :'frank'), 'Action::"view"', 'Doc::"1"') AS not_verified;
ROLLBACK;
BEGIN;
DELETE FROM authz.user_groups WHERE user_id = :'frank';
SELECT authz.authz_check(authz.entity_uid('User', :'frank'), 'Action::"view"', 'Doc::"1"') AS left_the_group;
ROLLBACK;
\set VERBOSITY terse
INSERT INTO authz.user_groups VALUES (:'frank', 'no type', 'x');
\set VERBOSITY default
SELECT authz.unmap_entity_type('User');
DELETE FROM authz.policies;
DELETE FROM authz.entities;

-- Throttling: ROLLBACK takes nothing back, subtransactions neither.
CREATE FUNCTION attempt(password text, account text, address text DEFAULT NULL) RETURNS text LANGUAGE sql
	AS $$ SELECT result || CASE WHEN result = 'throttled' THEN CASE WHEN retry_after IS NULL THEN ' for ever' WHEN retry_after BETWEEN 1 AND 900 THEN ' for a while' ELSE ' ' || retry_after END ELSE '' END
		FROM authz.password_attempt(password, (SELECT hash FROM authz.user_passwords p JOIN authz.users u ON u.id = user_id WHERE email_normalized = account), account, address) $$;
SET authz.login_account_failures = 5;
BEGIN;
SELECT attempt('wrong', 'alice@example.com') FROM generate_series(1, 2);
SAVEPOINT s;
SELECT attempt('wrong', 'alice@example.com') FROM generate_series(1, 2);
ROLLBACK TO s;
ROLLBACK;
BEGIN READ ONLY;
SELECT attempt('wrong', 'alice@example.com');
COMMIT;
SELECT kind, failures FROM authz.throttles() WHERE subject = 'alice@example.com';
-- Even the right one has to wait now, and waiting is not counted.  (With fewer free ones the wait is longer than this test.)
SET authz.login_account_failures = 1;
SELECT attempt('correct horse battery', 'alice@example.com');
SELECT failures, blocked_until > now() AS blocked FROM authz.throttles() WHERE subject = 'alice@example.com';
SELECT authz.throttle_clear('account', 'alice@example.com'), authz.throttle_clear('account', 'alice@example.com');
SET authz.login_account_failures = 5;
SELECT attempt('wrong', 'alice@example.com'), attempt('correct horse battery', 'alice@example.com');
SELECT count(*) AS forgotten FROM authz.throttles() WHERE subject = 'alice@example.com';
-- Unknown accounts are counted alike.
SELECT attempt('wrong', 'ghost@example.com') FROM generate_series(1, 5);
SET authz.login_account_failures = 1;
SELECT attempt('wrong', 'ghost@example.com');
SET authz.login_account_failures = 5;
-- An address: signing in oneself does not free it.
SELECT count(*) FROM generate_series(1, 8) i WHERE attempt('wrong', 'a' || i || '@example.com', '192.0.2.1') = 'wrong';
SELECT attempt('correct horse battery', 'alice@example.com', '192.0.2.1');
SET authz.login_address_failures = 1;
SELECT attempt('wrong', 'a9@example.com', '192.0.2.1');
SELECT attempt('correct horse battery', 'alice@example.com', '192.0.2.1'), attempt('correct horse battery', 'alice@example.com', '192.0.2.2');
SELECT failures FROM authz.throttles() WHERE subject IN ('192.0.2.1', 'a9@example.com') ORDER BY subject;
RESET authz.login_address_failures;
-- So are registrations and resets, known or not, from an address; where it is not known they are not.
SET authz.login_address_failures = 2;
SELECT authz.register('frank@example.com', 'correct horse battery', '192.0.2.3')::jsonb->>'email' AS email,
	authz.request_password_reset('nobody@example.com', '192.0.2.3')::jsonb->>'password_reset' AS reset;
-- (Some more, so that the wait is longer than this test.)
SET authz.login_address_failures = 1000;
SELECT count(*) FROM generate_series(1, 10) WHERE authz.throttle_reserve('request', '192.0.2.3') = 0;
SET authz.login_address_failures = 2;
SELECT authz.register('gina@example.com', 'correct horse battery', '192.0.2.3')::jsonb - 'error_description' - 'retry_after' AS refused,
	authz.request_password_reset('frank@example.com', '192.0.2.3')::jsonb - 'error_description' - 'retry_after' AS refused;
SELECT authz.register('gina@example.com', 'correct horse battery', '192.0.2.4')::jsonb->>'email' AS email,
	authz.request_password_reset('frank@example.com')::jsonb->>'password_reset' AS reset;
SELECT subject, failures, blocked_until > now() AS blocked FROM authz.throttles() WHERE kind = 'request' ORDER BY subject;
SELECT attempt('right', 'frank@example.com', '192.0.2.3') AS not_counted_with_failures;
DELETE FROM authz.users WHERE email ~ '^(frank|gina)';
RESET authz.login_address_failures;
SELECT a, authz.address_subject(a) FROM unnest('{192.0.2.1,192.0.2.1/8,::ffff:192.0.2.1,::ffff:255.255.255.255,::ffff:0:0/96,2001:db8::1,2001:db8:0:1::/32,::}'::inet[]) a;
-- A lock, until it is cleared or the password is reset.
SET authz.login_lock_failures = 5;
SELECT attempt('wrong', 'alice@example.com') FROM generate_series(1, 6);
SELECT blocked_until FROM authz.throttles() WHERE subject = 'alice@example.com';
SELECT authz.password_set(:'alice', 'a quite new password');
SELECT attempt('a quite new password', 'alice@example.com');
-- Administrators clear them.
SELECT bool_and(authz.throttle_clear(kind, subject)) AS cleared FROM authz.throttles();
SELECT count(*) FROM authz.throttles();
SELECT authz.throttle_reserve('second_factor', 'x'), authz.throttle_reserve('nonsense', 'x');
SELECT authz.throttle_clear('second_factor', 'x');

RESET authz.login_lock_failures;
-- A flood of other accounts neither blocks one that is new, nor frees one that waits.
SET authz.login_account_failures = 1000;
SELECT count(*) FROM generate_series(1, 12) WHERE authz.throttle_reserve('account', 'target') = 0;
RESET authz.login_account_failures;
SELECT max(authz.throttle_reserve('account', 'flood ' || i)) AS blocked FROM generate_series(1, 250000 / least(:slow, 5)) i;
SELECT failures FROM authz.throttles() WHERE subject = 'target';
-- Nor does one of requests, which cost nothing, however many there are of each.
SELECT count(*) AS counted_before FROM authz.throttles() WHERE kind = 'account' \gset
SELECT count(authz.throttle_reserve('request', 'flood ' || i)) > 0 AS flooded FROM generate_series(1, 20) n, generate_series(1, 16000 / least(:slow, 5)) i;
SELECT failures FROM authz.throttles() WHERE subject = 'target';
SELECT count(*) > :counted_before - 2100 AS one_of_a_bucket_at_most FROM authz.throttles() WHERE kind = 'account';
-- Nor does it lock who is not counted yet, where few failures lock.
SET authz.login_lock_failures = 4;
SELECT authz.throttle_reserve('account', 'newcomer'), authz.throttle_reserve('account', 'newcomer'), authz.throttle_reserve('account', 'newcomer');
RESET authz.login_lock_failures;
SELECT count(*) > 10000 AS table_full, bool_and(authz.throttle_clear(kind, subject)) AS cleared FROM authz.throttles();
DROP FUNCTION attempt, email, verify;
DELETE FROM authz.users;
DELETE FROM authz.outbox;
