-- Signing keys: their states, what may not be changed, what is encrypted.
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
	-- Kids, ids and paths differ.
	RETURN regexp_replace(regexp_replace(concat_ws(' ', SQLSTATE, SQLERRM) || CASE WHEN detail <> '' AND detail NOT LIKE 'Failing row%' THEN ' - ' || detail ELSE '' END,
		'[A-Za-z0-9_-]{43}', 'KID', 'g'), 'master key [0-9a-f]{16}', 'master key ID', 'g');
END $$;
CREATE VIEW keys AS SELECT alg, purpose, state, public_jwk IS NOT NULL AS public, private_key IS NOT NULL AS private,
	activate_after > now() AS "pending period", verify_until - now() > make_interval(secs => max_lifetime) AS "verifies until its last token expires",
	retired_at IS NOT NULL AS retired, max_lifetime
FROM authz.signing_keys ORDER BY created_at;

-- Rotation: published, then used, then verifying, then nothing.
SELECT authz.signing_key_create() AS first \gset
SELECT authz.jwt_sign('{"sub": "alice"}') AS token \gset
SELECT kid <> :'first' AS another, state, activate_after > now() + '299 s' AS pending FROM authz.signing_key_rotate();
SELECT kid <> :'first' AS another, state FROM authz.signing_key_rotate();
SELECT try('SELECT authz.signing_key_create()');
SELECT * FROM keys;
SELECT jsonb_array_length(authz.jwks() -> 'keys') AS published;
SELECT authz.jwt_decode(authz.jwt_sign('{}')) -> 'header' ->> 'kid' = :'first' AS "the first still signs";
SELECT count(*) FROM authz.signing_keys_maintain();
UPDATE authz.signing_keys SET activate_after = now() WHERE state = 'pending';
SELECT regexp_replace(m, '[A-Za-z0-9_-]{43}', 'KID') FROM authz.signing_keys_maintain() m;
SELECT * FROM keys;
SELECT authz.jwt_decode(authz.jwt_sign('{}')) -> 'header' ->> 'kid' = :'first' AS "the first signs no longer";
SELECT authz.jwt_verify(:'token') ->> 'sub' AS "but verifies";
SELECT jsonb_array_length(authz.jwks() -> 'keys') AS published;
UPDATE authz.signing_keys SET verify_until = now() WHERE state = 'retiring';
SELECT regexp_replace(m, '[A-Za-z0-9_-]{43}', 'KID') FROM authz.signing_keys_maintain() m;
SELECT * FROM keys;
SELECT try('SELECT authz.jwt_verify($1[1])', :'token'), authz.jwt_verify_or_null(:'token');
SELECT jsonb_array_length(authz.jwks() -> 'keys') AS published;
-- Rotated when it is old.
SET authz.key_rotation_period = '1 s';
UPDATE authz.signing_keys SET activated_at = now() - interval '2 s' WHERE state = 'active';
SELECT regexp_replace(m, '[A-Za-z0-9_-]{43}', 'KID') FROM authz.signing_keys_maintain() m;
SELECT regexp_replace(m, '[A-Za-z0-9_-]{43}', 'KID') FROM authz.signing_keys_maintain() m;
RESET authz.key_rotation_period;
-- For a key that has leaked.
SELECT state FROM authz.signing_key_rotate(immediately => true);
SELECT bool_and(authz.signing_key_retire(kid)) FROM authz.signing_keys WHERE state = 'retiring';
SELECT authz.signing_key_retire(:'first'), authz.signing_key_retire('no such key');
SELECT state, private FROM keys;
-- Without an active key nothing is signed; the next key is active at once.
SELECT count(authz.signing_key_retire(kid)) FROM authz.signing_keys WHERE state = 'active';
SELECT try('SELECT authz.jwt_sign(''{}'')');
SELECT authz.signing_key_create() IS NOT NULL, authz.jwt_sign('{}') IS NOT NULL;

-- Other algorithms and purposes.
SELECT alg, authz.jwt_verify(authz.jwt_sign('{"sub": "alice"}', kid => authz.signing_key_create(alg, 'test'), purpose => 'test'), purpose => 'test') ->> 'sub' AS sub
FROM unnest('{EdDSA,ES256,ES384,ES512,RS256,PS384,HS256,HS384,HS512}'::text[]) alg;
SELECT authz.jwt_decode(authz.jwt_sign('{}', purpose => 'test')) -> 'header' ->> 'alg' AS "by default";
SELECT alg, try('SELECT authz.jwt_verify(authz.jwt_sign(''{"sub": "alice"}'', alg => $1[1], purpose => ''test''))', alg) FROM unnest('{EdDSA,HS256}'::text[]) alg;
SELECT k ->> 'alg' AS "published for test" FROM jsonb_array_elements(authz.jwks('test') -> 'keys') k ORDER BY 1;
SELECT count(*) AS "with private members" FROM jsonb_array_elements(authz.jwks('test') -> 'keys') k WHERE k ?| ARRAY['d', 'k', 'p', 'q', 'dp', 'dq', 'qi'];
SELECT authz.signing_key_create('RS512', 'big', 2176, 3600) IS NOT NULL AS created;
SELECT state FROM authz.signing_key_rotate('RS512', 'big', true);
SELECT length(public_jwk ->> 'n'), max_lifetime FROM authz.signing_keys WHERE purpose = 'big' ORDER BY created_at;
SELECT authz.signing_key_retire(kid) FROM authz.signing_keys WHERE purpose = 'test' AND alg = 'EdDSA';
SELECT try('SELECT authz.jwt_sign(''{}'', purpose => ''test'')');
SELECT a, try('SELECT authz.signing_key_create($1[1], $1[2], $1[3]::int, $1[4]::int)', a, p, b, l) FROM (VALUES
	('none', 'access', NULL, NULL), ('eddsa', 'access', NULL, NULL), (NULL, 'access', NULL, NULL), ('RS256', NULL, NULL, NULL), ('RS256', '', NULL, NULL),
	('RS256', 'weak', '1024', NULL), ('RS256', 'odd', '2049', NULL), ('ES256', 'bits', '256', NULL), ('ES256', 'short', NULL, '0')) v (a, p, b, l);

-- Exactly one signs; what a key is does not change; a state does not go back.
SELECT kid AS active FROM authz.signing_keys WHERE state = 'active' AND purpose = 'access' AND alg = 'EdDSA' \gset
SELECT kid AS pending FROM authz.signing_key_rotate() \gset
CREATE FUNCTION change(kid text, VARIADIC changes text[]) RETURNS SETOF text LANGUAGE sql AS $$
	SELECT c || ': ' || coalesce(try(format('UPDATE authz.signing_keys SET %s WHERE kid = %L RETURNING ''done''', c, kid)), 'no row') FROM unnest(changes) c
$$;
BEGIN;
SELECT * FROM change(:'pending', $$state = 'active', activated_at = now()$$);
ROLLBACK;
SELECT * FROM change(:'active', $$kid = reverse(kid)$$, $$alg = 'HS256'$$, $$alg = 'ES256'$$, $$purpose = 'mail'$$, $$max_lifetime = 7$$, $$created_at = now()$$,
	$$public_jwk = NULL$$, $$public_jwk = public_jwk || '{"use": "enc"}'$$, $$state = 'pending'$$, $$state = 'retired'$$, $$state = 'gone'$$, $$private_key = NULL$$, $$state = 'retiring'$$);
SELECT * FROM change(:'first', $$state = 'active'$$, $$state = 'retiring', verify_until = now()$$, $$private_key = 'x'$$);
CREATE FUNCTION add(kid text, alg text, jwk jsonb) RETURNS text LANGUAGE sql AS $$
	SELECT try('INSERT INTO authz.signing_keys (kid, alg, state, public_jwk, private_key, max_lifetime, activate_after)
		VALUES ($1[1], $1[2], ''pending'', $1[3]::jsonb, ''x'', 1, now()) RETURNING ''done''', kid, alg, jwk::text)
$$;
SELECT what, add(kid, alg, jwk) FROM (SELECT public_jwk AS k, authz.jwks('test') -> 'keys' -> 0 AS other FROM authz.signing_keys WHERE kid = :'active') x, LATERAL (VALUES
	('of another kid', repeat('A', 43), 'EdDSA', k || jsonb_build_object('kid', repeat('A', 43))), ('a kid that is no thumbprint', '../etc', 'EdDSA', k),
	('another algorithm', :'active', 'ES256', k), ('HS256 with a public key', :'active', 'HS256', k), ('no key', :'active', 'EdDSA', jsonb_build_object('kid', :'active')),
	('a private part', :'active', 'EdDSA', k || '{"d": "nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A"}'), ('nothing', :'active', 'EdDSA', NULL)) v (what, kid, alg, jwk);

-- The private part: encrypted, and bound to its row.
SELECT bool_and(position('"kty"' IN encode(private_key, 'escape')) = 0 AND length(private_key) > 100) AS encrypted FROM authz.signing_keys WHERE private_key IS NOT NULL;
SELECT authz.signing_key_retire(:'pending');
CREATE FUNCTION sealed(kid text, value bytea) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	result text;
BEGIN
	UPDATE authz.signing_keys k SET private_key = value WHERE k.kid = sealed.kid;
	result := try('SELECT authz.jwt_sign(''{}'', kid => $1[1], purpose => $1[2], alg => $1[3]) IS NOT NULL', k.kid, k.purpose, k.alg) FROM authz.signing_keys k WHERE k.kid = sealed.kid;
	RETURN result;
END $$;
-- In a session that has not decrypted it yet.
SELECT kid AS es FROM authz.signing_keys WHERE purpose = 'test' AND alg = 'ES384' \gset
SELECT private_key AS es_sealed, encode(private_key, 'hex') AS es_hex FROM authz.signing_keys WHERE kid = :'es' \gset
SELECT private_key AS hs_sealed FROM authz.signing_keys WHERE purpose = 'test' AND alg = 'HS512' \gset
\c -
\pset null '(null)'
SELECT what, sealed(:'es', value) FROM (SELECT :'es_sealed'::bytea AS s) x, LATERAL (VALUES
	('another row''s', :'hs_sealed'::bytea), ('tag cut by 1', substr(s, 1, length(s) - 1)), ('tag cut to 4', substr(s, 1, length(s) - 12)), ('no tag', substr(s, 1, length(s) - 16)),
	('a bit of the tag', set_byte(s, length(s) - 1, get_byte(s, length(s) - 1) # 1)), ('a bit of the text', set_byte(s, 40, get_byte(s, 40) # 128)),
	('a bit of the nonce', set_byte(s, 10, get_byte(s, 10) # 1)), ('another master key', set_byte(s, 3, get_byte(s, 3) # 1)), ('another format', set_byte(s, 0, 2)),
	('nothing', ''), ('37 bytes', substr(s, 1, 37)), ('as it was', s)) v (what, value);
-- Moved to a row of another purpose, under the same key.
BEGIN;
SET LOCAL session_replication_role = replica;
ALTER TABLE authz.signing_keys DISABLE TRIGGER before_row;
UPDATE authz.signing_keys SET purpose = 'moved' WHERE purpose = 'test' AND alg = 'ES512';
SELECT try('SELECT authz.jwt_sign(''{}'', purpose => ''moved'')');
-- A public key put into another's row.
UPDATE authz.signing_keys k SET public_jwk = o.public_jwk || jsonb_build_object('kid', k.kid) FROM authz.signing_keys o
	WHERE k.purpose = 'test' AND k.alg = 'ES256' AND o.purpose = 'test' AND o.alg = 'ES384';
UPDATE authz.signing_keys k SET public_jwk = o.public_jwk || jsonb_build_object('kid', k.kid) FROM authz.signing_keys o
	WHERE k.purpose = 'test' AND k.alg = 'PS384' AND o.purpose = 'big' AND o.state = 'active';
SELECT try('SELECT authz.jwt_verify(authz.jwt_sign(''{}'', alg => $1[1], purpose => ''test''), purpose => ''test'')', a) FROM unnest('{ES256,PS384}'::text[]) a;
ROLLBACK;
SELECT try('SELECT authz.jwt_verify(authz.jwt_sign(''{"sub": "x"}'', alg => ''ES256'', purpose => ''test''), purpose => ''test'') ->> ''sub''');

-- All are under the first master key; test/recovery/master_key adds another.
SELECT authz.signing_keys_reencrypt() AS reencrypted;
SELECT bool_and(encode(substr(private_key, 2, 8), 'hex') = authz.master_key_ids()[1]) AS "under the first" FROM authz.signing_keys WHERE private_key IS NOT NULL;

-- Rolled back, it was never there.
BEGIN;
SELECT authz.signing_key_create('ES256', 'rollback') AS kid \gset
SELECT authz.jwt_sign('{"sub": "x"}', purpose => 'rollback') AS token \gset
SELECT authz.jwt_verify(:'token', purpose => 'rollback') ->> 'sub' AS sub;
SAVEPOINT s;
SELECT authz.signing_key_retire(:'kid');
SELECT authz.jwt_verify_or_null(:'token', purpose => 'rollback') AS retired;
ROLLBACK TO s;
SELECT authz.jwt_verify(:'token', purpose => 'rollback') ->> 'sub' AS sub;
ROLLBACK;
SELECT try('SELECT authz.jwt_verify($1[1], purpose => ''rollback'')', :'token');

DROP FUNCTION try, change, add, sealed;
DROP VIEW keys;
DELETE FROM authz.signing_keys;
