-- Why a request is decided as it is.
\pset null '(null)'
INSERT INTO authz.policies (policy_id, policy) VALUES
	('staff', E'// Staff, by level: "é"\npermit (\n\tprincipal in Group::"staff",\n\taction in [Action::"view", Action::"edit"],\n\tresource is Document\n) when { resource.level <= principal.level };'),
	('owner', 'permit (principal, action, resource) when { resource has owner && resource.owner == principal };'),
	('frozen', 'forbid (principal, action == Action::"edit", resource) when { resource.hasTag("frozen") } unless { context has force && context.force };'),
	('dated', 'permit (principal, action == Action::"sign", resource) when { datetime(context.now) < datetime("2026-01-01") };'),
	('office', 'permit (principal, action == Action::"view", resource) when { ip(context.ip).isInRange(ip("10.0.0.0/8")) };'),
	('bob', 'permit (principal == User::"bob", action, resource == Document::"b");'),
	('shared', 'permit (principal == ?principal, action == Action::"view", resource in ?resource) when { resource.level < 2 };');
INSERT INTO authz.policy_links (link_id, template_id, principal, resource) VALUES
	('shared-alice', 'shared', 'User::"alice"', 'Folder::"f"'), ('shared-bob', 'shared', 'User::"bob"', 'Folder::"f"');
INSERT INTO authz.entities (uid, attrs, tags, parents) VALUES
	('User::"alice"', '{"level": 2}', DEFAULT, '{"Group::\"team\""}'),
	('User::"bob"', '{"level": 9}', DEFAULT, '{}'),
	('Group::"team"', DEFAULT, DEFAULT, '{"Group::\"staff\""}'),
	('Document::"a"', '{"level": 1, "owner": {"__entity": {"type": "User", "id": "bob"}}}', DEFAULT, '{"Folder::\"f\""}'),
	('Document::"b"', '{"level": 3}', '{"frozen": "yes"}', '{}');

-- Not permitted: the values that the condition saw.
SELECT policy_id, effect, status, part, expression, position, values, error, missed
FROM authz.authz_explain('User::"alice"', 'Action::"view"', 'Document::"b"', '{"ip": "192.168.1.1"}');
-- A failure, a link, a scope that does not match.
SELECT policy_id, effect, status, part, expression, position, values, error, missed
FROM authz.authz_explain('User::"alice"', 'Action::"view"', 'Document::"a"', '{"ip": "x"}', all_policies => true);
-- Forbidden, and what unless does.
SELECT policy_id, effect, status, part, expression, values FROM authz.authz_explain('User::"alice"', 'Action::"edit"', 'Document::"b"') WHERE policy_id = 'frozen';
SELECT policy_id, effect, status, part, expression, values FROM authz.authz_explain('User::"alice"', 'Action::"edit"', 'Document::"b"', '{"force": true}') WHERE policy_id = 'frozen';
SELECT policy_id, effect, status, part, expression, values FROM authz.authz_explain('User::"alice"', 'Action::"edit"', 'Document::"a"') WHERE policy_id = 'frozen';
-- What is handed in is seen as it is then.
SELECT policy_id, status, values FROM authz.authz_explain('User::"alice"', 'Action::"view"', 'Document::"b"', '{}',
	'[{"uid": {"type": "User", "id": "alice"}, "attrs": {"level": 7}, "parents": []}]'::jsonb) WHERE policy_id = 'staff';
-- To be read.
\t on
\pset format unaligned
SELECT regexp_replace(authz.authz_explain_text('User::"alice"', 'Action::"view"', 'Document::"b"', '{"ip": "192.168.1.1"}'), 'version \d+', 'version N');
SELECT regexp_replace(authz.authz_explain_text('User::"alice"', 'Action::"edit"', 'Document::"b"'), 'version \d+', 'version N');
SELECT regexp_replace(authz.authz_explain_text('User::"alice"', 'Action::"view"', 'Document::"a"'), 'version \d+', 'version N');
SELECT authz.authz_explain_text('User::"eve"', 'Action::"fly"', 'Plane::"x"', '{}', policy_set => 'none');
\t off
\pset format aligned

-- Rows agree with decisions: who counts, and where the expressions are.
CREATE TEMP TABLE request AS
	SELECT p::authz.entity_uid, a::authz.entity_uid, r::authz.entity_uid, c
	FROM unnest(ARRAY['User::"alice"', 'User::"bob"', 'User::"eve"']) p, unnest(ARRAY['Action::"view"', 'Action::"edit"', 'Action::"sign"', 'Action::"other"']) a,
		unnest(ARRAY['Document::"a"', 'Document::"b"', 'Document::"c"']) r,
		unnest(ARRAY['{}', '{"ip": "10.1.2.3", "now": "2025-01-01"}', '{"ip": "x", "now": "2027-01-01", "force": true}']::jsonb[]) c;
SELECT every_policy, count(*) AS requests, sum(satisfied) AS satisfied, sum(errors) AS errors, sum(unsatisfied) AS unsatisfied,
	count(*) FILTER (WHERE reasons IS DISTINCT FROM d_reasons OR decision IS DISTINCT FROM d_decision OR failed IS DISTINCT FROM d_failed) AS wrong
FROM (SELECT every_policy, d.decision AS d_decision, d.reasons AS d_reasons,
		ARRAY(SELECT e ->> 'policyId' FROM jsonb_array_elements(d.errors) e) AS d_failed,
		CASE WHEN bool_or(status = 'satisfied' AND effect = 'forbid') THEN 'deny' WHEN bool_or(status = 'satisfied') THEN 'allow' ELSE 'deny' END AS decision,
		coalesce(array_agg(policy_id ORDER BY policy_id COLLATE "C") FILTER (WHERE status = 'satisfied' AND effect = CASE d.decision WHEN 'allow' THEN 'permit' ELSE 'forbid' END), '{}') AS reasons,
		coalesce(array_agg(policy_id ORDER BY policy_id COLLATE "C") FILTER (WHERE status = 'error'), '{}') AS failed,
		count(*) FILTER (WHERE status = 'satisfied') AS satisfied, count(*) FILTER (WHERE status = 'error') AS errors, count(*) FILTER (WHERE status = 'unsatisfied') AS unsatisfied
	FROM request, (VALUES (false), (true)) AS v (every_policy), LATERAL authz.authz_decide(p, a, r, c) d, LATERAL authz.authz_explain(p, a, r, c, NULL, NULL, every_policy) x
	GROUP BY every_policy, p, a, r, c, d.decision, d.reasons, d.errors) y
GROUP BY every_policy ORDER BY 1;
SELECT count(*) > 500 AS many, count(*) FILTER (WHERE expression IS NULL) AS without_expression, bool_and(substr(policy, position, length(expression)) = expression) AS right_place
FROM request, authz.authz_explain(p, a, r, c, all_policies => true) x LEFT JOIN authz.policy_links l ON l.link_id = x.policy_id
	JOIN authz.policies s ON s.policy_id = coalesce(l.template_id, x.policy_id);
-- A text that is not the one asked any more has no expression.
BEGIN;
CREATE FUNCTION pg_temp.change() RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
	UPDATE authz.policies SET policy = 'permit (principal, action, resource) when { resource.level == 1 };' WHERE policy_id = 'owner';
	RETURN true;
END $$;
SELECT policy_id, status, expression, position, values FROM (SELECT authz.authz_check('User::"alice"', 'Action::"view"', 'Document::"b"') AS pinned OFFSET 0) a,
	LATERAL (SELECT pg_temp.change() AS done WHERE pinned IS NOT NULL OFFSET 0) b,
	LATERAL authz.authz_explain('User::"alice"', 'Action::"view"', CASE WHEN done THEN 'Document::"b"' END::authz.entity_uid) WHERE policy_id IN ('owner', 'staff');
ROLLBACK;
-- Strings that jsonb cannot hold, long ones, many elements.
BEGIN;
INSERT INTO authz.policies (policy_set, policy_id, policy) VALUES ('odd', 'nul', E'permit (principal, action, resource) when { {x: "a\\0b"}.x == context.s || {y: "\\\\u0000"}.y == context.s };'),
	('odd', 'long', 'permit (principal, action, resource) when { context.s == "" || context.n == [] };');
SELECT policy_id, length(values ->> 'context.s') AS long, jsonb_array_length(values -> 'context.n') AS many, values ->> '{x: "a\0b"}.x' AS nul, values ->> '{y: "\\u0000"}.y' AS no_nul
FROM authz.authz_explain('User::"x"', 'Action::"view"', 'Document::"a"', jsonb_build_object('b', true, 's', repeat('é', 5000), 'n', (SELECT jsonb_agg(i) FROM generate_series(1, 1000) i)), policy_set => 'odd');
ROLLBACK;
-- As drivers bind them; refused arguments.
PREPARE x (text, varchar, text, text) AS SELECT policy_id, status FROM authz.authz_explain($1, $2, $3, $4) ORDER BY 1;
EXECUTE x ('User::"alice"', 'Action::"view"', 'Document::"a"', '{}');
PREPARE t (text, varchar, text, text) AS SELECT split_part(authz.authz_explain_text($1, $2, $3, $4), E'\n', 1) AS first_line;
EXECUTE t ('User::"alice"', 'Action::"view"', 'Document::"a"', '{}');
SELECT * FROM authz.authz_explain(NULL, 'Action::"view"', 'Document::"a"');
SELECT * FROM authz.authz_explain('User::"alice"', 'Action::"view"', 'Document::"a"', '[]');
SELECT authz.authz_explain_text('User::"alice"', 'Action::"view"', 'Document::"a"', NULL::jsonb);
-- Not even who may ask for decisions.
CREATE ROLE regress_authz_user;
GRANT EXECUTE ON FUNCTION authz.authz_check(authz.entity_uid, authz.entity_uid, authz.entity_uid, jsonb, jsonb, text) TO regress_authz_user;
SET ROLE regress_authz_user;
SELECT authz.authz_check('User::"alice"', 'Action::"view"', 'Document::"a"');
SELECT * FROM authz.authz_explain('User::"alice"', 'Action::"view"', 'Document::"a"');
SELECT * FROM authz.authz_explain('User::"alice"', 'Action::"view"', 'Document::"a"', '{}'::text);
SELECT authz.authz_explain_text('User::"alice"', 'Action::"view"', 'Document::"a"');
SELECT authz.authz_explain_text('User::"alice"', 'Action::"view"', 'Document::"a"', '{}'::text);
RESET ROLE;
REVOKE EXECUTE ON FUNCTION authz.authz_check(authz.entity_uid, authz.entity_uid, authz.entity_uid, jsonb, jsonb, text) FROM regress_authz_user;
DROP ROLE regress_authz_user;
DELETE FROM authz.policy_links;
DELETE FROM authz.policies;
DELETE FROM authz.entities;
