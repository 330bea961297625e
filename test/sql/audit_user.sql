-- Audit: what becomes of users, and of whom is believed.
\pset null '(null)'
\set VERBOSITY terse
SET timezone = 'UTC';
SET authz.argon2_memory = '1MB';
SET authz.argon2_iterations = 1;
SET authz.scrypt_cost = 10;
SET authz.issuer = 'https://auth.example.com';
SET authz.audience = 'example';
SELECT authz.signing_key_create() IS NOT NULL AS key;
DELETE FROM authz.audit_logs;
DELETE FROM authz.audit_personal;
-- Takes what has been recorded away: event, whom it is about, who did it.
CREATE FUNCTION recorded() RETURNS TABLE (event text, about text, by text, personal boolean, details jsonb) LANGUAGE sql AS $$
	WITH gone AS (DELETE FROM authz.audit_logs RETURNING *),
	personal AS (DELETE FROM authz.audit_personal RETURNING *)
	SELECT g.event, coalesce(u.email, CASE WHEN g.target LIKE 'User::%' THEN 'nobody' ELSE g.target END), a.email, p.user_id IS NOT NULL, g.details
	FROM gone g LEFT JOIN personal p USING (id) LEFT JOIN authz.users u ON g.target = 'User::"' || u.id || '"' LEFT JOIN authz.users a ON g.actor = 'User::"' || a.id || '"'
	ORDER BY g.created_at, g.event $$;

-- One comes, by an administrator, by registering, by invitation.
SELECT authz.user_create('alice@example.com', 'correct horse battery') AS alice \gset
SELECT authz.register('bob@example.com', 'correct horse battery');
SELECT authz.register('bob@example.com', 'correct horse battery');
SELECT authz.invite('carol@example.com') AS carol \gset
SELECT * FROM recorded();
SELECT payload->>'token' AS verification FROM authz.outbox WHERE kind = 'email_verification' \gset
SELECT payload->>'token' AS invitation FROM authz.outbox WHERE kind = 'invitation' \gset
SELECT authz.verify_email(:'verification'), authz.reset_password(:'invitation', 'correct horse battery');
SELECT * FROM recorded();
-- A password: changed, not only hashed anew; an address; a second factor.
SELECT authz.change_password(:'alice', 'correct horse battery', 'another long password')::jsonb->>'password' AS password;
SELECT authz.change_password(:'alice', 'correct horse battery', 'yet another password')::jsonb->>'error' AS error;
SELECT event, about, by FROM recorded() WHERE event <> 'login_failed';
SET authz.argon2_iterations = 2;
SET authz.scrypt_cost = 11;
SELECT authz.login('alice@example.com', 'another long password')::jsonb ? 'access_token' AS "right", authz.password_is_current(hash) FROM authz.user_passwords WHERE user_id = :'alice';
SELECT event FROM recorded() WHERE event <> 'login_failed';
UPDATE authz.users SET email = 'ALICE@example.com' WHERE id = :'alice';
UPDATE authz.users SET attributes = '{"level": 1}' WHERE id = :'alice';
SELECT * FROM recorded();
UPDATE authz.users SET email = 'alicia@example.com' WHERE id = :'alice';
UPDATE authz.users SET active = false WHERE id = :'alice';
UPDATE authz.users SET active = false WHERE id = :'alice';
UPDATE authz.users SET active = true WHERE id = :'alice';
SELECT event, about, by FROM recorded();
INSERT INTO authz.user_totp (user_id, seed) VALUES (:'alice', '\x00');
DELETE FROM authz.user_totp;
SELECT * FROM recorded();
INSERT INTO authz.user_totp (user_id, seed) VALUES (:'alice', '\x00');
UPDATE authz.user_totp SET confirmed_at = now();
UPDATE authz.user_totp SET last_step = 1;
SELECT * FROM recorded();
-- A right password is not enough, and does not go unseen.
SELECT authz.login('alicia@example.com', 'another long password', '192.0.2.7', 'curl/8')::jsonb->>'error' AS error;
SELECT event, actor = 'User::"' || :'alice' || '"' AS alice, user_id = :'alice' AS personal, address, user_agent FROM authz.audit_logs JOIN authz.audit_personal USING (id);
DELETE FROM authz.user_totp;
SET authz.require_verified_email = on;
SELECT authz.login('alicia@example.com', 'another long password', '192.0.2.7', 'curl/8')::jsonb->>'error' AS error;
RESET authz.require_verified_email;
SELECT event, actor = 'User::"' || :'alice' || '"' AS alice, user_id = :'alice' AS personal, account, address, details FROM authz.audit_logs JOIN authz.audit_personal USING (id) WHERE event = 'login_failed';
SELECT event, about FROM recorded();

-- Who did it, where somebody signed in did.
SELECT authz.login('bob@example.com', 'correct horse battery')::jsonb->>'access_token' AS token \gset
SELECT event FROM recorded();
BEGIN;
SELECT authz.set_principal(:'token') IS NOT NULL AS bob;
UPDATE authz.users SET active = false WHERE id = :'alice';
COMMIT;
SELECT * FROM recorded();

-- Where that is not certain, nobody: claims of a gateway while issuers are trusted, claims that are none.
CREATE ROLE regress_authz_gateway SUPERUSER LOGIN;
SELECT authz.gateway_register('regress_authz_gateway');
INSERT INTO authz.trusted_issuers (issuer, audience, jwks) VALUES ('https://idp.example.com', 'example', '{"keys": []}');
SET SESSION AUTHORIZATION regress_authz_gateway;
SET request.jwt.claims = '{"sub": "x"}';
SELECT authz.current_principal();
UPDATE authz.users SET active = true WHERE id = :'alice';
SET request.jwt.claims = 'no json';
UPDATE authz.users SET active = false WHERE id = :'alice';
RESET request.jwt.claims;
RESET SESSION AUTHORIZATION;
DELETE FROM authz.trusted_issuers;
SELECT authz.gateway_unregister('regress_authz_gateway');
DROP ROLE regress_authz_gateway;
SELECT event, about, by FROM recorded() WHERE event <> 'configuration_change';

-- What an import brings is one record; what is followed is the application's, but for what changes.
SELECT imported, skipped FROM authz.import_users('supabase', '[{"id": "11111111-1111-4111-8111-111111111111", "email": "dave@example.com", "encrypted_password": "$2b$04$abcdefghijklmnopqrstuuZFCIPKTMPqa2TVCwbpOlyhpGIHgJKJu", "created_at": "2024-01-01T00:00:00Z"}, {"email": "nobody"}]');
SELECT * FROM recorded();
SELECT changed_at FROM authz.user_passwords WHERE user_id = '11111111-1111-4111-8111-111111111111';
CREATE TABLE people (id integer PRIMARY KEY, email text, password text, is_active boolean);
SELECT authz.users_follow('people', key => 'id', email => 'email', password => 'password', active => 'is_active') IS NOT NULL AS follows;
INSERT INTO people SELECT 1, 'erin@example.com', hash, true FROM authz.user_passwords WHERE user_id = :'carol';
SELECT * FROM recorded();
UPDATE people SET password = (SELECT hash FROM authz.user_passwords JOIN authz.users ON id = user_id WHERE email = 'bob@example.com');
UPDATE people SET password = '!';
UPDATE people SET is_active = false;
SELECT event, about FROM recorded();
DELETE FROM people;
SELECT event, about, personal FROM recorded();
DROP TABLE people;

-- Gone, and nothing of the person left.
SELECT count(*) FROM authz.user_forget(:'alice');
SELECT event, about, personal FROM recorded() WHERE event <> 'login_failed';

-- Who is believed, and what an entity is.
CREATE ROLE regress_authz_gateway;
SELECT authz.gateway_register('regress_authz_gateway');
SELECT authz.gateway_unregister('regress_authz_gateway');
DROP ROLE regress_authz_gateway;
INSERT INTO authz.trusted_issuers (issuer, audience, jwks) VALUES ('https://idp.example.com', 'example', '{"keys": []}');
UPDATE authz.trusted_issuers SET audience = 'other';
DELETE FROM authz.trusted_issuers;
SELECT authz.users_map();
SELECT authz.unmap_entity_type('User');
SELECT action, target, details FROM authz.audit_logs WHERE event = 'configuration_change' ORDER BY created_at;

-- Many in one statement.
DELETE FROM authz.audit_logs;
BEGIN;
INSERT INTO authz.users (email) SELECT 'user' || n || '@example.com' FROM generate_series(1, 10001) n;
SELECT event, count(*), count(DISTINCT about), bool_and(personal) AS personal FROM recorded() GROUP BY 1;
DELETE FROM authz.users WHERE email LIKE 'user1__@%';
SELECT event, count(*), bool_or(personal) AS personal FROM recorded() GROUP BY 1;
ROLLBACK;

DELETE FROM authz.users;
DELETE FROM authz.signing_keys;
DELETE FROM authz.outbox;
DELETE FROM authz.audit_logs;
DELETE FROM authz.audit_personal;
DROP FUNCTION recorded;
