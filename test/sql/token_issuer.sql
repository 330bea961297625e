-- Issuers other than this database.
\pset null '(null)'
CREATE FUNCTION try(query text, VARIADIC arguments text[] DEFAULT '{}') RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	result text;
	detail text;
BEGIN
	EXECUTE query INTO result USING arguments;
	RETURN result;
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS detail = PG_EXCEPTION_DETAIL;
	RETURN regexp_replace(concat_ws(' ', SQLSTATE, SQLERRM) || CASE WHEN detail <> '' AND detail NOT LIKE 'Failing row%' THEN ' - ' || detail ELSE '' END,
		'now is \d+', 'now is NOW');
END $$;

-- What is no key set, and what is in one that is taken.
CREATE TABLE jwk (name text PRIMARY KEY, jwk jsonb);
INSERT INTO jwk VALUES
	('okp', '{"kty": "OKP", "crv": "Ed25519", "kid": "o", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}'),
	('rsa', '{"kty": "RSA", "kid": "r", "e": "AQAB", "n": "ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ"}'),
	('ec', '{"kty": "EC", "crv": "P-256", "kid": "e", "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU", "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}'),
	('p521', '{"kty": "EC", "crv": "P-521", "kid": "5", "x": "AekpBQ8ST8a8VcfVOTNl353vSrDCLLJXmPk06wTjxrrjcBpXp5EOnYG_NjFZ6OvLFV1jSfS9tsz4qUxcWceqwQGk", "y": "ADSmRA43Z1DSNx_RvcLI87cdL07l6jQyyBXMoxVg_l2Th-x3S1WDhjDly79ajL4Kkd0AZMaZmh9ubmf63e3kyMj2"}'),
	('enc', '{"kty": "RSA", "use": "enc", "alg": "RSA-OAEP", "n": "AQAB", "e": "AQAB"}'),
	('x25519', '{"kty": "OKP", "crv": "X25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}'),
	('unknown', '{"kty": "AKP", "alg": "ML-DSA-44", "pub": "AA"}');
SELECT name, authz.jwks_check(jsonb_build_object('keys', jsonb_build_array(jwk))) FROM jwk ORDER BY name;
SELECT authz.jwks_check(jsonb_build_object('keys', jsonb_agg(jwk))) FROM jwk;
SELECT what, try('SELECT authz.jwks_check($1[1]::jsonb)', jwks) FROM (VALUES
	('no object', '[]'), ('no keys', '{}'), ('a string', '"keys"'), ('keys no list', '{"keys": {}}'), ('a key no object', '{"keys": [7]}'), ('none', '{"keys": []}'),
	('private', '{"keys": [{"kty": "OKP", "crv": "Ed25519", "d": "nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}'),
	('secret', '{"keys": [{"kty": "oct", "k": "AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow"}]}'),
	('not on its curve', '{"keys": [{"kty": "EC", "crv": "P-256", "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU", "y": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU"}]}'),
	('weak', '{"keys": [{"kty": "RSA", "n": "wWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2E", "e": "AQAB"}]}')) v (what, jwks);

-- This database plays the issuer first: what it has signed is another's once its keys are in that one's row alone.
SET authz.audience = 'api';
SET authz.issuer = 'https://foreign.example.com';
SELECT authz.signing_key_create() IS NOT NULL AS eddsa, authz.signing_key_create('ES256') IS NOT NULL AS es256, authz.signing_key_create('HS256') IS NOT NULL AS hs256;
CREATE TABLE token AS SELECT name, authz.jwt_sign('{"role": "web"}' || claims, alg => alg) AS token FROM (VALUES
	('alice', '{"sub": "alice"}'::jsonb, 'EdDSA'), ('bob', '{"sub": "bob", "acr": "silver", "amr": ["pwd", "otp"], "auth_time": 1700000000}', 'ES256'), ('hmac', '{"sub": "alice"}', 'HS256'), ('no subject', '{}', 'EdDSA'),
	('principal', '{"sub": "carol", "principal": "User::\"admin\""}', 'EdDSA'), ('our name', '{"sub": "alice", "iss": "https://auth.example.com"}', 'EdDSA'),
	('no issuer', '{"sub": "alice", "iss": ""}', 'EdDSA'), ('another issuer', '{"sub": "alice", "iss": "https://else.example.com"}', 'EdDSA'),
	('another role', '{"sub": "alice", "role": "admin"}', 'EdDSA'), ('a role no string', '{"sub": "alice", "role": 7}', 'EdDSA'),
	('another audience', '{"sub": "alice", "aud": "else"}', 'EdDSA'), ('no audience', '{"sub": "alice", "aud": []}', 'EdDSA'), ('expired', '{"sub": "alice", "exp": 1}', 'EdDSA')) v (name, claims, alg);
SELECT authz.jwks() AS jwks \gset
DELETE FROM authz.signing_keys;
SET authz.issuer = 'https://auth.example.com';
SELECT authz.signing_key_create() IS NOT NULL AS own;
SELECT authz.jwt_sign('{"sub": "alice"}') AS own \gset
-- A principal stays for its transaction: one statement each.
CREATE FUNCTION principal(token text) RETURNS text LANGUAGE sql AS $$ SELECT try('SELECT authz.set_principal($1[1])', token) $$;

SELECT principal(token) FROM token WHERE name = 'alice';
INSERT INTO authz.trusted_issuers (issuer, jwks, audience, roles) VALUES ('https://foreign.example.com', :'jwks', 'api', '{web}');
SELECT format('SELECT %L AS name, principal(token) FROM token WHERE name = %1$L', name) FROM token ORDER BY name \gexec
INSERT INTO authz.issuer_subjects VALUES ('https://foreign.example.com', 'alice', 'User::"a"');
SELECT principal(token) FROM token WHERE name = 'alice';
SELECT principal(token) FROM token WHERE name = 'bob';
UPDATE authz.trusted_issuers SET principal_type = 'Foreign::User';
-- How and when its issuer has authenticated the subject.
BEGIN;
SELECT authz.set_principal(token) FROM token WHERE name = 'bob';
SELECT claims->'acr' AS acr, claims->'amr' AS amr, claims->'auth_time' AS auth_time FROM authz.claims() claims;
ROLLBACK;
SELECT format('SELECT %L AS name, principal(token) FROM token WHERE name = %1$L', name) FROM token ORDER BY name \gexec
SELECT principal(:'own');

-- A subject that is a user here, who has to be active; one that is none need not be.
INSERT INTO authz.users (id, email) VALUES ('11111111-1111-4111-8111-111111111111', 'alice@example.com');
BEGIN;
UPDATE authz.issuer_subjects SET principal = 'User::"11111111-1111-4111-8111-111111111111"';
SELECT principal(token) FROM token WHERE name = 'alice';
UPDATE authz.users SET active = false;
SELECT principal(token) FROM token WHERE name = 'alice';
DELETE FROM authz.users;
SELECT principal(token) FROM token WHERE name = 'alice';
ROLLBACK;
DELETE FROM authz.users;
-- jwt_verify: the issuer that is asked for, and no other.
CREATE FUNCTION verified(name text, issuer text, audience text DEFAULT NULL) RETURNS text LANGUAGE sql AS $$
	SELECT try('SELECT authz.jwt_verify($1[1], issuer => $1[2], audience => $1[3]) ->> ''sub''', t.token, issuer, audience) FROM token t WHERE t.name = verified.name
$$;
INSERT INTO token VALUES ('own', :'own');
SELECT name, coalesce(issuer, '-') AS issuer, audience, verified(name, issuer, audience) FROM (VALUES ('alice', NULL, NULL), ('alice', 'https://foreign.example.com', NULL), ('alice', 'https://auth.example.com', NULL),
	('another audience', 'https://foreign.example.com', 'else'), ('our name', 'https://foreign.example.com', NULL), ('our name', 'https://auth.example.com', NULL), ('hmac', 'https://foreign.example.com', NULL),
	('own', 'https://foreign.example.com', NULL), ('own', 'https://auth.example.com', NULL), ('another issuer', 'https://else.example.com', NULL)) v (name, issuer, audience);

-- The kid of its P-256 key, with the algorithms of other keys of that kind.
SELECT alg, try('SELECT authz.jwt_verify_or_null($1[1], issuer => $1[2])', t, 'https://foreign.example.com') AS "null", try('SELECT authz.jwt_verify($1[1], issuer => $1[2])', t, 'https://foreign.example.com')
FROM unnest('{ES256,ES384,ES512,RS256,EdDSA}'::text[]) alg, authz.jwt_decode((SELECT token FROM token WHERE name = 'bob')) d,
	LATERAL (SELECT translate(encode(convert_to(jsonb_build_object('alg', alg, 'kid', d -> 'header' ->> 'kid')::text, 'UTF8'), 'base64'), E'+/=\n', '-_')) h (h),
	LATERAL (SELECT h || '.e30.AA') x (t);

-- Changed rules hold at once, remembered token or not.
SELECT (authz.token_cache_stats()).entries > 0 AS remembered;
UPDATE authz.trusted_issuers SET audience = 'else';
SELECT principal(token) FROM token WHERE name = 'alice';
UPDATE authz.trusted_issuers SET audience = 'api', roles = '{}';
SELECT principal(token) FROM token WHERE name = 'alice';
UPDATE authz.trusted_issuers SET roles = '{web}', enabled = false;
SELECT principal(token) FROM token WHERE name = 'alice';
UPDATE authz.trusted_issuers SET enabled = true, jwks = '{"keys": []}';
SELECT principal(token) FROM token WHERE name = 'alice';
UPDATE authz.trusted_issuers SET jwks = :'jwks';
SELECT principal(token) FROM token WHERE name = 'alice';
-- Another key under the kid of its own.
SELECT authz.jwt_decode(token) -> 'header' ->> 'kid' AS kid FROM token WHERE name = 'alice' \gset
UPDATE authz.trusted_issuers SET jwks = (SELECT jsonb_build_object('keys', jsonb_agg(jwk || jsonb_build_object('kid', :'kid'))) FROM jwk WHERE name IN ('okp', 'ec'));
SELECT principal(token) FROM token WHERE name = 'alice';
-- Twice under one kid, and without kids.
UPDATE authz.trusted_issuers SET jwks = jsonb_build_object('keys', (:'jwks'::jsonb -> 'keys') || (:'jwks'::jsonb -> 'keys'));
SELECT principal(token) FROM token WHERE name = 'alice';
UPDATE authz.trusted_issuers SET jwks = (SELECT jsonb_build_object('keys', jsonb_agg(k - 'kid')) FROM jsonb_array_elements(:'jwks'::jsonb -> 'keys') k);
SELECT principal(token) FROM token WHERE name = 'alice';
DELETE FROM authz.trusted_issuers;
SELECT principal(token) FROM token WHERE name = 'alice';
SELECT principal(:'own');

-- Where foreign issuers are trusted, a gateway's claims are not enough.
CREATE ROLE regress_authz_gateway LOGIN;
GRANT EXECUTE ON FUNCTION authz.current_principal() TO regress_authz_gateway;
SELECT authz.gateway_register('regress_authz_gateway');
SET SESSION AUTHORIZATION regress_authz_gateway;
SET request.jwt.claims = '{"sub": "alice"}';
SELECT authz.current_principal();
RESET SESSION AUTHORIZATION;
INSERT INTO authz.trusted_issuers (issuer, jwks, audience) VALUES ('https://foreign.example.com', :'jwks', 'api');
SET SESSION AUTHORIZATION regress_authz_gateway;
SELECT authz.current_principal();
-- Without a token there is only a role, and nobody.
SET request.jwt.claims = '{"role": "regress_authz_gateway"}';
SELECT authz.current_principal();
RESET request.jwt.claims;
SELECT authz.current_principal();
RESET SESSION AUTHORIZATION;
SELECT authz.gateway_unregister('regress_authz_gateway');
DROP OWNED BY regress_authz_gateway;
DROP ROLE regress_authz_gateway;

-- What PostgREST is told.
SELECT count(*) AS keys, bool_or(k ? 'x5c' OR k ? 'd' OR k ? 'k') AS more FROM jsonb_array_elements(authz.postgrest_jwks() -> 'keys') k;
BEGIN;
SELECT authz.postgrest_config();
SELECT current_setting('pgrst.jwt_secret')::jsonb = authz.postgrest_jwks() AS keys, current_setting('pgrst.jwt_aud', true) AS aud, current_setting('pgrst.db_pre_request') AS pre_request;
ROLLBACK;
BEGIN;
UPDATE authz.trusted_issuers SET audience = 'else';
SELECT authz.postgrest_config();
SELECT coalesce(current_setting('pgrst.jwt_aud', true), '') AS aud;
ROLLBACK;
-- What is no issuer.
SELECT i, try('INSERT INTO authz.trusted_issuers (issuer, jwks, audience, principal_type) VALUES ($1[1], $1[2]::jsonb, $1[3], $1[4])', i, j, a, t) FROM (VALUES
	('', '{"keys": []}', 'api', NULL), ('a', '[]', 'api', NULL), ('b', '{"keys": []}', '', NULL), ('c', '{"keys": []}', NULL, NULL), ('d', '{"keys": []}', 'api', 'no type')) v (i, j, a, t);

DROP FUNCTION try, principal, verified;
DROP TABLE jwk, token;
DELETE FROM authz.trusted_issuers;
DELETE FROM authz.issuer_subjects;
DELETE FROM authz.signing_keys;
