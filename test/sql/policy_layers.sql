-- A version is compiled from one before it and what has changed since: random
-- changes, and after each the decision next to what plain SQL makes of the
-- rows.  In a server that preloads the library the versions are shared.
CREATE VIEW wanted AS
	WITH asked AS (
		SELECT policy_id AS id, policy, substring(policy FROM 'User::"(u\d+)"') AS who
		FROM authz.policies WHERE enabled AND policy NOT LIKE '%?principal%'
		UNION ALL
		SELECT l.link_id, t.policy, authz.entity_uid_id(l.principal)
		FROM authz.policy_links l JOIN authz.policies t ON t.policy_set = l.policy_set AND t.policy_id = l.template_id
		WHERE l.enabled AND t.enabled
	), marked AS (
		SELECT *, policy LIKE 'forbid%' AS forbid, bool_or(policy LIKE 'forbid%') OVER (PARTITION BY who) AS forbidden FROM asked
	)
	SELECT who, CASE WHEN bool_or(forbid) THEN 'deny' ELSE 'allow' END AS decision,
		array_agg(id ORDER BY id COLLATE "C") FILTER (WHERE forbid = forbidden) AS reasons
	FROM marked GROUP BY who;

CREATE FUNCTION text_of(template boolean) RETURNS text LANGUAGE sql VOLATILE RETURN
	CASE WHEN random() < 0.3 THEN 'forbid' ELSE 'permit' END || ' (principal == ' ||
	CASE WHEN template THEN '?principal' ELSE format('User::"u%s"', (random() * 40)::int) END || ', action, resource);';

-- One change, or a few; about n policies and links are there.
CREATE PROCEDURE change(n int) LANGUAGE plpgsql AS $$
DECLARE
	any_id text := 'p' || (random() * n)::int;
	what int := (random() * 13)::int;
BEGIN
	CASE what
		WHEN 0, 1, 2 THEN
			INSERT INTO authz.policies (policy_id, policy) VALUES (any_id, text_of(false))
			ON CONFLICT (policy_set, policy_id) DO UPDATE SET policy = EXCLUDED.policy WHERE policies.policy NOT LIKE '%?%';
		WHEN 3 THEN
			UPDATE authz.policies SET enabled = NOT enabled WHERE policy_id = any_id;
		WHEN 4 THEN
			DELETE FROM authz.policies WHERE policy_id = any_id;
		WHEN 5, 6 THEN
			INSERT INTO authz.policy_links (link_id, template_id, principal)
			VALUES ('l' || any_id, 't' || (random() * 3)::int, authz.entity_uid('User', 'u' || (random() * 40)::int))
			ON CONFLICT (policy_set, link_id) DO UPDATE SET principal = EXCLUDED.principal, template_id = EXCLUDED.template_id;
		WHEN 7 THEN
			UPDATE authz.policy_links SET enabled = NOT enabled WHERE link_id = 'l' || any_id;
		WHEN 8 THEN
			DELETE FROM authz.policy_links WHERE link_id = 'l' || any_id;
		WHEN 9 THEN
			UPDATE authz.policies SET policy = text_of(true) WHERE policy_id = 't' || (random() * 3)::int;
		WHEN 10 THEN
			UPDATE authz.policies SET enabled = random() < 0.7 WHERE policy_id = 't' || (random() * 3)::int;
		WHEN 11 THEN
			UPDATE authz.policies SET policy_id = 'p' || (n + (random() * n)::int) WHERE policy_id = any_id
				AND NOT EXISTS (SELECT FROM authz.policies WHERE policy_id > 'p' || n);
		WHEN 12 THEN
			UPDATE authz.policies SET policy = text_of(false) WHERE policy_id LIKE any_id || '_' AND policy NOT LIKE '%?%';
		WHEN 13 THEN
			DELETE FROM authz.policies WHERE policy_id LIKE 'p' || (random() * 9)::int || (random() * 9)::int || '_' AND random() < 0.5;
	END CASE;
END $$;

CREATE FUNCTION compare() RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	name text := 'u' || (random() * 40)::int;
	is_ record;
	w record;
BEGIN
	SELECT * INTO is_ FROM authz.authz_decide(authz.entity_uid('User', name), 'Action::"a"', 'Thing::"t"');
	SELECT * INTO w FROM wanted WHERE who = name;
	IF is_.decision <> coalesce(w.decision, 'deny') OR is_.reasons <> coalesce(w.reasons, '{}') OR
		is_.policy_version <> authz.policy_version() THEN
		RETURN format('%s: %s %s, but wanted %s %s', name, is_.decision, is_.reasons, w.decision, w.reasons);
	END IF;
	RETURN NULL;
END $$;

CREATE PROCEDURE run(rounds int, n int) LANGUAGE plpgsql AS $$
DECLARE
	different text;
BEGIN
	FOR i IN 1..rounds LOOP
		CALL change(n);
		IF random() < 0.2 THEN			-- in the transaction that made it
			different := compare();
		END IF;
		IF random() < 0.1 THEN
			BEGIN
				CALL change(n);
				different := coalesce(different, compare());
				RAISE EXCEPTION USING ERRCODE = 'ZZ001';
			EXCEPTION WHEN SQLSTATE 'ZZ001' THEN
				different := coalesce(different, compare());
			END;
		END IF;
		IF random() < 0.1 THEN
			ROLLBACK;
		ELSE
			COMMIT;
		END IF;
		different := coalesce(different, compare());
		IF different IS NOT NULL THEN
			RAISE EXCEPTION 'round %: %', i, different;
		END IF;
		COMMIT;
	END LOOP;
END $$;

SELECT setseed(0.25);
INSERT INTO authz.policies (policy_id, policy) SELECT 't' || i, text_of(true) FROM generate_series(0, 3) i;
CALL run(300, 30);
-- Enough of them for layers that are not taken in at once.
INSERT INTO authz.policies (policy_id, policy) SELECT 'p' || i, text_of(false) FROM generate_series(1, 500) i ON CONFLICT DO NOTHING;
CALL run(200, 500);
-- What is not in the chain: many at once, touched, all at once.
UPDATE authz.policies SET policy = text_of(false) WHERE policy_id LIKE 'p%';
SELECT compare();
INSERT INTO authz.policies (policy_id, policy) VALUES ('q', text_of(false));
SELECT compare();
SELECT max(layers) AS layers FROM authz.policy_images;
CALL run(20, 500);
ALTER TABLE authz.policies DISABLE TRIGGER ALL;
UPDATE authz.policies SET policy = text_of(false) WHERE policy_id LIKE 'p1%';
ALTER TABLE authz.policies ENABLE ALWAYS TRIGGER before_statement, ENABLE ALWAYS TRIGGER before_row, ENABLE ALWAYS TRIGGER after_row, ENABLE ALWAYS TRIGGER after_statement;
SELECT authz.policy_touch() > 300 AS touched;
SELECT compare() FROM generate_series(1, 20) GROUP BY 1;
CALL run(20, 500);
TRUNCATE authz.policies, authz.policy_links;
SELECT compare();
INSERT INTO authz.policies (policy_id, policy) SELECT 't' || i, text_of(true) FROM generate_series(0, 3) i;
CALL run(100, 30);
-- Nobody else writes the chain; without it, all is compiled.
INSERT INTO authz.policy_changes VALUES ('default', authz.policy_version() + 1, '1', '{}') RETURNING *;
DELETE FROM authz.policy_changes;
CALL run(50, 30);
TRUNCATE authz.policies, authz.policy_links;
DROP PROCEDURE run, change;
DROP FUNCTION compare, text_of;
DROP VIEW wanted;
