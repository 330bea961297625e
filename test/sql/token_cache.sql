-- Verified tokens are remembered: what that saves, and what it does not.
\pset null '(null)'
SET authz.token_cache_entries = 1000;
CREATE FUNCTION try(query text, VARIADIC arguments text[] DEFAULT '{}') RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	result text;
BEGIN
	EXECUTE query INTO result USING arguments;
	RETURN result;
EXCEPTION WHEN OTHERS THEN
	RETURN concat_ws(' ', SQLSTATE, SQLERRM);
END $$;
-- Verify, and say how: from memory (hit) or by the signature (miss).
CREATE FUNCTION verified(token text, at integer DEFAULT 0, typ text DEFAULT NULL, issuer text DEFAULT NULL, audience text DEFAULT NULL) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	before record;
	after record;
	result text;
BEGIN
	PERFORM set_config('authz.token_clock_offset', at::text, false);
	before := authz.token_cache_stats();
	result := try('SELECT authz.jwt_verify($1[1], typ => $1[2], issuer => $1[3], audience => $1[4]) ->> ''sub''', token, typ, issuer, audience);
	after := authz.token_cache_stats();
	RETURN concat_ws(', ', CASE format('%s%s', after.hits - before.hits, after.misses - before.misses) WHEN '10' THEN 'hit' WHEN '01' THEN 'miss' WHEN '00' THEN 'not asked' END, result);
END $$;
SELECT authz.signing_key_create() AS kid \gset
SELECT authz.jwt_sign('{"sub": "alice"}', expires_in => 3600, typ => 'JWT') AS alice, authz.jwt_sign('{"sub": "bob"}', expires_in => 3600) AS bob,
	authz.jwt_sign('{"sub": "short"}', expires_in => 40) AS short, authz.jwt_sign('{"sub": "later", "nbf": 1}', expires_in => 3600) AS later \gset
SELECT hits, misses, entries FROM authz.token_cache_stats();
SELECT verified(:'alice'), verified(:'alice'), verified(:'bob'), verified(:'alice');

-- A hit is of this token, whole, and of no other.
SELECT verified(left(:'alice', -1)), verified(:'alice' || '='), verified(left(:'alice', -3) || 'AAA'), verified(left(:'alice', -3) || 'AAA');
SELECT verified(split_part(:'bob', '.', 1) || '.' || split_part(:'bob', '.', 2) || '.' || split_part(:'alice', '.', 3));
-- Everything else is checked each time.
SELECT verified(:'alice', typ => 'at+jwt'), verified(:'alice', issuer => 'https://else.example.com'), verified(:'alice', audience => 'api');
SET authz.audience = 'api';
SELECT verified(:'alice');
RESET authz.audience;
SET authz.issuer = 'https://auth.example.com';
SELECT verified(:'alice');
RESET authz.issuer;

-- Its age, its idleness, its exp; a clock that was set back.
SET authz.token_cache_idle = 60;
SELECT verified(:'alice', 20), verified(:'alice', 60), verified(:'alice', 125), verified(:'alice', 126);
SET authz.token_cache_idle = 1000;
SELECT verified(:'alice', 390), verified(:'alice', 400), verified(:'alice', 430), verified(:'alice', 735), verified(:'alice', 736);
SELECT verified(:'alice', 600), verified(:'alice', 601);
SET authz.token_cache_ttl = 100000;
SET authz.token_cache_idle = 100000;
SELECT verified(:'short', 0), verified(:'short', 10), verified(:'short', 41);
SELECT verified(:'alice', 3500), verified(:'alice', 3501), verified(:'alice', 3601);
SELECT verified(:'later', 0), verified(:'later', 1);

-- Rotated, it goes on; retired, it ends.
SELECT verified(:'bob', 2), verified(:'bob', 2);
SELECT state FROM authz.signing_key_rotate(immediately => true);
SELECT verified(:'bob', 2);
BEGIN;
SELECT authz.signing_key_retire(:'kid');
SELECT verified(:'bob', 2);
ROLLBACK;
SELECT verified(:'bob', 2);
SELECT authz.signing_key_retire(:'kid');
SELECT verified(:'bob', 2);

-- It is bounded, and can be off.
SET authz.token_clock_offset = 0;
SET authz.token_cache_entries = 16;
SELECT hits, misses, entries, capacity FROM authz.token_cache_stats();
SELECT count(authz.jwt_verify(authz.jwt_sign(jsonb_build_object('sub', 'u' || i)))) FROM generate_series(1, 100) i;
SELECT hits, misses, entries BETWEEN 14 AND 16 AS full, capacity FROM authz.token_cache_stats();
SET authz.token_cache_entries = 0;
SELECT count(authz.jwt_verify(token)) FROM (SELECT authz.jwt_sign('{}') AS token OFFSET 0) t, generate_series(1, 3);
SELECT hits, misses, entries, capacity FROM authz.token_cache_stats();
RESET authz.token_cache_entries;

DROP FUNCTION try, verified;
RESET authz.token_clock_offset;
RESET authz.token_cache_ttl;
RESET authz.token_cache_idle;
DELETE FROM authz.signing_keys;
