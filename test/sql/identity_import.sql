-- Users of other systems: an export of each comes in, and its users sign in with the password that they had there.
-- The hashes are those of test/identity/hashes.py; Keycloak's Argon2 and Auth0's scrypt by argon2-cffi and hashlib.
\pset null '(null)'
\pset format unaligned
\set SHOW_CONTEXT never
SET authz.argon2_memory = '1MB';
SET authz.scrypt_cost = 10;
SET authz.issuer = 'https://auth.example.com';
SET authz.audience = 'example';
SET timezone = 'UTC';
SELECT authz.signing_key_create() IS NOT NULL AS key;
SELECT * FROM authz.import_users('supabase', '[{"instance_id": "00000000-0000-0000-0000-000000000000", "id": "6a1d2f6e-0c5b-4a8e-9d0c-111111111111", "aud": "authenticated", "role": "authenticated", "email": "supabase@example.com", "encrypted_password": "$2a$05$Gflthiz/IgvqDFgHWhpxbOYAtsFh9g.SXP2M9.JsxoaAqhik1.02O", "email_confirmed_at": "2024-03-01T10:00:00.123456+00:00", "last_sign_in_at": "2025-01-02 03:04:05+00", "raw_app_meta_data": {"provider": "email", "providers": ["email"]}, "raw_user_meta_data": {"name": "Su", "age": 4.5, "nick": null}, "created_at": "2024-02-29T23:59:59+00:00", "phone": null, "banned_until": null, "deleted_at": null}, {"id": "6a1d2f6e-0c5b-4a8e-9d0c-222222222222", "email": null, "phone": "15550100", "encrypted_password": "", "created_at": "2024-02-29T23:59:59+00:00"}, {"id": "6a1d2f6e-0c5b-4a8e-9d0c-333333333333", "email": "banned@example.com", "encrypted_password": "$2a$05$Gflthiz/IgvqDFgHWhpxbOYAtsFh9g.SXP2M9.JsxoaAqhik1.02O", "created_at": "2024-02-29T23:59:59+00:00", "banned_until": "2999-01-01T00:00:00+00:00"}]');
SELECT * FROM authz.import_users('keycloak', '{"realm": "example", "enabled": true, "users": [{"id": "8f9e1a52-1111-4c3d-8e2f-444444444444", "createdTimestamp": 1709251199000, "username": "kc", "enabled": true, "totp": false, "emailVerified": true, "firstName": "Kay", "lastName": "See", "email": "keycloak@example.com", "attributes": {"locale": ["de"]}, "credentials": [{"id": "c1", "type": "password", "createdDate": 1709251199000, "secretData": "{\"value\": \"MU+PDyYp6qyuigtr5VjPxvSC4mfcCOzgPf5ZV9DukVfe8G4sEXbierOYBlN2AMsEG+svqAaCm+CWeL456Mojkg==\", \"salt\": \"MDEyMzQ1Njc4OWFiY2RlZg==\", \"additionalParameters\": {}}", "credentialData": "{\"hashIterations\": 2750, \"algorithm\": \"pbkdf2-sha256\", \"additionalParameters\": {}}"}], "disableableCredentialTypes": [], "requiredActions": [], "realmRoles": ["offline_access", "default-roles-example"], "groups": ["/staff/berlin"]}, {"id": "8f9e1a52-1111-4c3d-8e2f-555555555555", "createdTimestamp": 1709251199000, "username": "kc2", "enabled": true, "emailVerified": false, "email": "keycloak.argon2@example.com", "credentials": [{"type": "password", "secretData": "{\"value\": \"9osgF9Vj/OWKKHDH0I89IVwT2taN4B89WCPCiZ5aS1Q=\", \"salt\": \"MDEyMzQ1Njc4OWFiY2RlZg==\", \"additionalParameters\": {}}", "credentialData": "{\"hashIterations\": 2, \"algorithm\": \"argon2\", \"additionalParameters\": {\"hashLength\": [\"32\"], \"memory\": [\"1024\"], \"type\": [\"id\"], \"version\": [\"1.3\"], \"parallelism\": [\"1\"]}}"}]}]}');
SELECT * FROM authz.import_users('auth0', '[{"_id": {"$oid": "60425dc43519d90068f82973"}, "email": "auth0@example.com", "email_verified": false, "passwordHash": "$2b$05$nd5Pd1ZzWFNPIudZo6PPs.BoY6rzMh1/jjgkAwKJa21stACnJE1MG", "password_set_date": {"$date": "2021-03-05T16:34:44.489Z"}, "tenant": "dev", "connection": "Username-Password-Authentication", "created_at": "2021-03-05T16:34:44Z"}, {"email": "auth0.scrypt@example.com", "email_verified": true, "user_id": "u2", "user_metadata": {"theme": "light"}, "custom_password_hash": {"algorithm": "scrypt", "hash": {"value": "rRClB8gsZ2xhRPlDmJolJS9d07mJfOERQyBMor3K5epE0hvTadcLN9QEZGc+IQIWQV05iIfRx750w9X5GjqxlQ==", "encoding": "base64"}, "salt": {"value": "NaCl and pepper", "encoding": "utf8"}, "keylen": 64, "cost": 1024, "blockSize": 8, "parallelization": 1}}, {"email": "auth0.pbkdf2@example.com", "user_id": "u3", "custom_password_hash": {"algorithm": "pbkdf2", "hash": {"value": "$pbkdf2-sha512$2000$67137l2LEUJorbUWAsC4Vw$Mr93jnQGk8WLfvka1/6KNdMOOMTKjkN9mJ85vOFyK.zXWWSdcPBtU3hSY6zLXbKx0PPPdK8c16K1L3Le81/2jA", "encoding": "utf8"}}}]');
SELECT * FROM authz.import_users('firebase', '{"users": [{"localId": "sE5wyHbJqv", "email": "firebase@example.com", "emailVerified": true, "passwordHash": "RJkBVVJmq2D8z/P8tVAJsfbxFyFigzGZ/ZYbhXRpcO8eM8P7B9iMegRBywYXvJPgxpf783rPSVXOZ0CE5x+Q/g==", "salt": "42xEC+ixf3L2lw==", "displayName": "Fi", "lastSignedInAt": "1709251200000", "createdAt": "1709251199000", "disabled": false, "customAttributes": "{\"admin\":true}", "providerUserInfo": []}]}', '{"hash_config": {"algorithm": "SCRYPT", "base64_signer_key": "jxspr8Ki0RYycVU8zykbdLGjFQ3McFUH0uiiTvC8pVMXAn210wjLNmdZJzxUECKbm0QsEmYUSDzZvpjeJ9WmXA==", "base64_salt_separator": "Bw==", "rounds": 8, "mem_cost": 14}}');
SELECT * FROM authz.import_users('django', '[{"model": "auth.group", "pk": 1, "fields": {"name": "editors", "permissions": []}}, {"model": "auth.user", "pk": 7, "fields": {"password": "pbkdf2_sha256$2000$NaCl$/lkQeLR6vg9092s3Sugi+eCD4OT+H5BjqLu857vcntI=", "last_login": "2025-01-02T03:04:05.678Z", "is_superuser": false, "username": "dj", "first_name": "D", "last_name": "J", "email": "django@example.com", "is_staff": true, "is_active": true, "date_joined": "2020-05-06T07:08:09Z", "groups": [["editors"]], "user_permissions": []}}, {"model": "auth.user", "pk": 8, "fields": {"password": "!unusable", "username": "nopw", "email": "django.unusable@example.com", "is_active": true, "date_joined": "2020-05-06T07:08:09Z", "groups": [], "user_permissions": []}}, {"model": "auth.user", "pk": 9, "fields": {"password": "md5$salt$900150983cd24fb0d6963f7d28e17f72", "username": "old", "email": "django.md5@example.com", "is_active": true, "date_joined": "2020-05-06T07:08:09Z", "groups": [], "user_permissions": []}}]');
SELECT * FROM authz.import_users('devise', '[{"id": 3, "email": "devise@example.com", "encrypted_password": "$2a$05$Gflthiz/IgvqDFgHWhpxbOYAtsFh9g.SXP2M9.JsxoaAqhik1.02O", "reset_password_token": null, "remember_created_at": null, "sign_in_count": 4, "current_sign_in_at": "2025-01-02T03:04:05.000Z", "last_sign_in_at": "2024-01-02T03:04:05.000Z", "confirmed_at": "2023-04-05T06:07:08.000Z", "created_at": "2023-04-05T06:07:08.000Z", "updated_at": "2025-01-02T03:04:05.000Z", "locked_at": null}]');
SELECT email, source, source_key, nullif(email_verified_at, created_at) AS verified, CASE WHEN created_at < '2026-01-01' THEN created_at END AS created, last_login, active, attributes FROM authz.users ORDER BY email COLLATE "C";
SELECT email, group_type, group_id FROM authz.user_groups JOIN authz.users ON id = user_id ORDER BY 1, 2, 3;
SELECT id FROM authz.users WHERE email IN ('supabase@example.com', 'keycloak@example.com') ORDER BY email;
-- Each signs in; the hash is ours from then on, and the password the same.
SELECT email, authz.login(email, 'correct horse batterz')->>'error' AS wrong, authz.login(email, 'correct horse battery')->>'token_type' AS "right" FROM authz.users ORDER BY email COLLATE "C";
SELECT email FROM authz.users JOIN authz.user_passwords ON user_id = id WHERE active AND NOT authz.password_is_current(hash);
SELECT count(*) AS again FROM authz.users WHERE authz.login(email, 'correct horse battery')->>'token_type' = 'Bearer';
-- Twice changes nothing; what is no export says so.
SELECT * FROM authz.import_users('devise', '[{"id": 3, "email": "DEVISE@example.com", "encrypted_password": "x"}, {"id": 4, "email": "no address"}, {"id": 5, "email": "h@example.com", "encrypted_password": "x"}]');
SELECT authz.import_users('ldap', '[]');
SELECT authz.import_users('firebase', '{"users": []}');
SELECT * FROM authz.import_users('keycloak', '{"users": []}');
-- Whatever a user of an export has wrong, the others come; what users wrote about themselves may be nested deeply.
SELECT * FROM authz.import_users('keycloak', '[{"id": "no uuid", "email": "k1@example.com"}, {"email": "k2@example.com", "attributes": [1]}, null, 7,
	{"email": "k3@example.com", "credentials": [{"type": "password", "credentialData": "no json"}]}, {"email": "k4@example.com", "createdTimestamp": "long ago"}, {"email": "k5@example.com", "groups": [null]},
	{"email": "good@example.com"}]');
SELECT * FROM authz.import_users('auth0', '[{"user_id": "a1", "email": "a1@example.com", "custom_password_hash": {"algorithm": "scrypt", "cost": -1, "salt": {"value": "x"}, "hash": {"value": "eA=="}}}]');
SELECT imported FROM authz.import_users('supabase', format('[{"id": "6a1d2f6e-0c5b-4a8e-9d0c-222222222222", "email": "deep@example.com", "raw_user_meta_data": %s}]', repeat('{"a": [', 30) || repeat(']}', 30))::jsonb);
SELECT length(attributes::text) FROM authz.users WHERE email = 'deep@example.com';
DELETE FROM authz.users;

-- A table of the application serves as it is: Django's, with an integer key; another one with a uuid and no password.
CREATE TABLE auth_user (id integer PRIMARY KEY GENERATED ALWAYS AS IDENTITY, password varchar(128) NOT NULL, is_active boolean NOT NULL DEFAULT true, username text, email text NOT NULL);
INSERT INTO auth_user (password, username, email) VALUES
	('pbkdf2_sha256$2000$NaCl$/lkQeLR6vg9092s3Sugi+eCD4OT+H5BjqLu857vcntI=', 'a', 'Anna@example.com'), ('!x', 'b', 'ben@example.com'), ('x', 'c', ''), ('md5$x$y', 'd', 'dora@example.com');
SELECT authz.users_follow('auth_user', email => 'mail');
SELECT authz.users_follow('auth_user', password => 'password', active => 'is_active');
SELECT email, active, attributes, source, source_key FROM authz.users ORDER BY source_key;
SELECT authz.login('anna@example.com', 'correct horse battery')->>'token_type' AS anna, authz.login('ben@example.com', 'correct horse battery')->>'error' AS ben;
SELECT left(password, 21) AS untouched FROM auth_user WHERE id = 1;
-- What the application writes counts in its transaction; sessions end with the password and with the user.
BEGIN;
UPDATE auth_user SET is_active = false WHERE id = 1;
SELECT authz.login('anna@example.com', 'correct horse battery')->>'error' AS inactive, (SELECT array_agg(end_reason) FROM authz.sessions) AS ended;
ROLLBACK;
UPDATE auth_user SET username = 'anna' WHERE id = 1;
SELECT count(*) FROM authz.sessions WHERE expires_at > now();
UPDATE auth_user SET password = 'argon2$argon2id$v=19$m=1024,t=2,p=8$KrlzM5LgvLcmj8LoDG2BJw$gdn34kg7r6Wd3+RXB8iiTY73HLuq3Uxg7ilYMhBd8jA', email = 'ann@example.com' WHERE id = 1;
SELECT end_reason FROM authz.sessions;
SELECT authz.login('anna@example.com', 'correct horse battery')->>'error' AS old_address, authz.login('ann@example.com', 'correct horse battery')->>'token_type' AS new_address;
-- The application says what the address is, not that it was verified.
SELECT id AS ann FROM authz.users WHERE email = 'ann@example.com' \gset
UPDATE authz.users SET email_verified_at = now() WHERE id = :'ann';
UPDATE auth_user SET email = 'boss@example.com' WHERE id = 1;
SELECT email, email_verified FROM authz.users WHERE id = :'ann';
UPDATE auth_user SET email = 'ann@example.com' WHERE id = 1;
-- A password that comes with an address of another user's counts when the address is put right; the former one does not.
BEGIN;
INSERT INTO auth_user (password, email) VALUES ('$2a$05$Gflthiz/IgvqDFgHWhpxbOYAtsFh9g.SXP2M9.JsxoaAqhik1.02O', 'ben@example.com');
UPDATE auth_user SET email = 'lea@example.com' WHERE email = 'ben@example.com' AND id > 4;
SELECT authz.login('lea@example.com', 'correct horse battery')->>'token_type' AS lea;
DELETE FROM auth_user WHERE email = 'lea@example.com';
INSERT INTO auth_user (password, email) VALUES ('$2a$05$Gflthiz/IgvqDFgHWhpxbOYAtsFh9g.SXP2M9.JsxoaAqhik1.02O', 'lea@example.com');
UPDATE auth_user SET email = 'ben@example.com', password = '$scrypt$ln=10,r=8,p=2$iRFC6B0jxDjnnNPaG4NQSg$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA' WHERE email = 'lea@example.com';
UPDATE auth_user SET email = 'lea@example.com' WHERE email = 'ben@example.com' AND id > 4;
SELECT active, authz.login('lea@example.com', 'correct horse battery')->>'error' AS former FROM authz.users WHERE email = 'lea@example.com';
-- Who loses the key is nobody's any more.
CREATE TABLE keyless (k int, mail text);
SELECT authz.users_follow('keyless', 'k', 'mail');
INSERT INTO keyless VALUES (1, 'mia@example.com'), (NULL, 'ned@example.com');
UPDATE keyless SET k = NULL WHERE k = 1;
SELECT count(*) FROM authz.users WHERE source = 'public.keyless';
ROLLBACK;
-- A password that is changed here is changed there, in Django's spelling.
SELECT authz.change_password(:'ann', 'correct horse battery', 'a quite new password', (SELECT id FROM authz.sessions WHERE expires_at > now()));
SELECT left(password, 30), authz.password_verify('a quite new password', password) FROM auth_user WHERE id = 1;
SELECT count(*) AS kept FROM authz.sessions WHERE expires_at > now();
INSERT INTO auth_user (password, email) VALUES ('x', 'ANN@example.com');
DELETE FROM auth_user WHERE id = 1;
SELECT count(*) FROM authz.users WHERE email = 'ann@example.com';
SELECT count(*) FROM authz.sessions;
CREATE TABLE member (uid uuid PRIMARY KEY, mail text);
SELECT authz.users_follow('member', 'uid', 'mail');
INSERT INTO member VALUES ('6a1d2f6e-0c5b-4a8e-9d0c-777777777777', 'gus@example.com');
SELECT authz.password_set('6a1d2f6e-0c5b-4a8e-9d0c-777777777777', 'correct horse battery');
SELECT authz.login('gus@example.com', 'correct horse battery')->>'token_type' AS gus;
UPDATE member SET uid = '6a1d2f6e-0c5b-4a8e-9d0c-888888888888';
SELECT id, source, source_key FROM authz.users WHERE email = 'gus@example.com';
-- Where rows are replicated, a deleted one takes the password along; TRUNCATE deletes all.
BEGIN;
SELECT authz.password_set('6a1d2f6e-0c5b-4a8e-9d0c-888888888888', 'correct horse battery');
SET LOCAL session_replication_role = replica;
DELETE FROM member;
SELECT count(*) AS passwords FROM authz.user_passwords WHERE user_id = '6a1d2f6e-0c5b-4a8e-9d0c-888888888888';
ROLLBACK;
BEGIN;
TRUNCATE member;
SELECT count(*) AS followed, (SELECT count(*) > 0 FROM authz.users WHERE source <> 'public.member') AS others FROM authz.users WHERE source = 'public.member';
ROLLBACK;
BEGIN;
DROP TRIGGER authz_users_followed ON member;
TRUNCATE member;
SELECT count(*) AS no_longer_followed FROM authz.users WHERE source = 'public.member';
ROLLBACK;
-- Renamed, it is the same table, and none of its former name is followed beside it.
BEGIN;
ALTER TABLE auth_user RENAME TO "Auth \Üser";
UPDATE "Auth \Üser" SET is_active = false WHERE email = 'ben@example.com';
SELECT source, active FROM authz.users WHERE email = 'ben@example.com';
SAVEPOINT s;
CREATE TABLE auth_user (id integer, email text);
SELECT authz.users_follow('auth_user');
ROLLBACK;
BEGIN;
ALTER TABLE auth_user RENAME TO "Auth \Üser";
SELECT authz.password_set(id, 'correct horse battery') FROM authz.users WHERE email = 'ben@example.com';
SELECT password LIKE 'argon2$argon2id$%' AS written FROM "Auth \Üser" WHERE email = 'ben@example.com';
DELETE FROM "Auth \Üser";
SELECT count(*) AS left_of_it FROM authz.users WHERE source = 'public.auth_user';
ROLLBACK;
BEGIN;
CREATE TABLE "Mitglieder" ("Schlüssel" int PRIMARY KEY, "Paß" text, mail text);
SELECT authz.users_follow('"Mitglieder"', 'Schlüssel', 'mail', 'Paß');
INSERT INTO "Mitglieder" VALUES (1, NULL, 'ute@example.com');
SELECT authz.password_set(id, 'correct horse battery') FROM authz.users WHERE email = 'ute@example.com';
SELECT "Paß" LIKE 'argon2$argon2id$%' AS written FROM "Mitglieder";
ROLLBACK;
-- However a session likes names to be quoted, a row is the same user's.
BEGIN;
SET LOCAL quote_all_identifiers = on;
INSERT INTO member VALUES ('6a1d2f6e-0c5b-4a8e-9d0c-999999999999', 'zoe@example.com');
SELECT source FROM authz.users WHERE email = 'zoe@example.com';
DELETE FROM member;
SELECT count(*) AS deleted_rows_users FROM authz.users WHERE email IN ('zoe@example.com', 'gus@example.com');
ROLLBACK;
-- Partitions and children are not followed: their rows would be others' users.
CREATE TABLE parted (id int, email text) PARTITION BY LIST (id);
SELECT authz.users_follow('parted');
CREATE TABLE child () INHERITS (member);
SELECT authz.users_follow('member', 'uid', 'mail');
DROP TABLE parted, child;
-- A table that is called like the source of an import gets no password.
SELECT imported FROM authz.import_users('devise', '[{"id": 3, "email": "kim@example.com"}]');
CREATE TEMP TABLE devise (id text, pw text);
INSERT INTO devise VALUES ('3');
CREATE FUNCTION pg_temp.nothing() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
CREATE TRIGGER authz_users_followed AFTER INSERT ON devise FOR EACH ROW EXECUTE FUNCTION pg_temp.nothing('id', 'mail', 'pw', '');
SELECT authz.password_set(id, 'correct horse battery') FROM authz.users WHERE email = 'kim@example.com';
SELECT pw FROM devise;
DROP TABLE devise;
-- Who may write the application's table needs no right here.
CREATE ROLE regress_authz_app;
GRANT INSERT ON auth_user TO regress_authz_app;
SET ROLE regress_authz_app;
INSERT INTO auth_user (password, email) VALUES ('!', 'hal@example.com');
CREATE TEMP TABLE mine (id int, email text);
CREATE TRIGGER mine AFTER INSERT ON mine FOR EACH ROW EXECUTE FUNCTION authz.users_followed('id', 'email', '', '');
RESET ROLE;
-- Code of the table's owner gets the owner's rights, whoever changes a password: a trigger, and the cast of a type.
CREATE ROLE regress_authz_owner;
GRANT CREATE ON SCHEMA public TO regress_authz_owner;
SET ROLE regress_authz_owner;
CREATE TABLE account (id int PRIMARY KEY, email text, password text);
CREATE TABLE seen (who text);
CREATE FUNCTION spy() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
	INSERT INTO public.seen VALUES (current_user);
	PERFORM set_config('search_path', 'lair', false), set_config('request.jwt.claims', '{"sub": "root"}', false);
	RETURN NEW;
END $$;
CREATE TRIGGER spy BEFORE UPDATE ON account FOR EACH ROW EXECUTE FUNCTION spy();
CREATE FUNCTION is_mine(int) RETURNS boolean LANGUAGE plpgsql IMMUTABLE AS $$ BEGIN IF current_user <> 'regress_authz_owner' THEN RAISE EXCEPTION 'called by another'; END IF; RETURN true; END $$;
CREATE INDEX account_index ON account (email) WHERE is_mine(1);
RESET ROLE;
SELECT authz.users_follow('account', password => 'password'), current_user = session_user AS myself;
DROP INDEX account_index;
INSERT INTO account VALUES (1, 'ida@example.com');
SELECT authz.password_set(id, 'correct horse battery') FROM authz.users WHERE email = 'ida@example.com';
SELECT current_setting('search_path') LIKE '%lair%' AS path, current_setting('request.jwt.claims', true) LIKE '%root%' AS claims;
SELECT who, current_user = who AS mine FROM seen;
SELECT password LIKE 'argon2$argon2id$%' AS written FROM account;
SET ROLE regress_authz_owner;
CREATE TYPE trap AS ENUM ('x');
CREATE FUNCTION trap_json(trap) RETURNS json LANGUAGE plpgsql AS $$ BEGIN INSERT INTO public.seen VALUES ('cast ' || current_user); RETURN '1'; END $$;
CREATE CAST (trap AS json) WITH FUNCTION trap_json(trap);
ALTER TABLE account ALTER email TYPE trap USING 'x';
INSERT INTO account VALUES (2, 'x');
CREATE TABLE member2 (id integer, email text, active trap, other trap);
INSERT INTO member2 VALUES (7, 'jo@example.com', 'x', 'x');
RESET ROLE;
SELECT authz.users_follow('member2', active => 'active');
SELECT authz.users_follow('member2');
DROP TABLE member2;
SELECT count(*) AS casts FROM seen WHERE who LIKE 'cast%';
DROP TABLE account;
SELECT source FROM authz.users WHERE email = 'hal@example.com';
DROP TABLE auth_user, member;
SET client_min_messages = warning;
DROP OWNED BY regress_authz_app, regress_authz_owner CASCADE;
DROP ROLE regress_authz_app, regress_authz_owner;
DELETE FROM authz.users;
DELETE FROM authz.outbox;
DELETE FROM authz.signing_keys;
