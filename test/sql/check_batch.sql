-- Many decisions in one call.
\pset null '(null)'
INSERT INTO authz.policies (policy_id, policy) VALUES
	('staff', 'permit (principal in Group::"staff", action in [Action::"view", Action::"edit"], resource is Document) when { resource.level <= principal.level };'),
	('owner', 'permit (principal, action, resource) when { resource has owner && resource.owner == principal };'),
	('frozen', 'forbid (principal, action == Action::"edit", resource) when { resource.hasTag("frozen") };'),
	('office', 'permit (principal, action == Action::"tag", resource) when { context.office };');
INSERT INTO authz.policies (policy_set, policy_id, policy) VALUES ('open', 'all', 'permit (principal, action, resource);');
INSERT INTO authz.entities (uid, attrs, parents)
	SELECT authz.entity_uid('User', 'u' || i), jsonb_build_object('level', i % 7),
		CASE WHEN i % 3 = 0 THEN ARRAY[authz.entity_uid('Group', 'staff')] ELSE '{}' END FROM generate_series(1, 60) i;
INSERT INTO authz.entities (uid, attrs, tags)
	SELECT authz.entity_uid('Document', 'd' || i), jsonb_build_object('level', i % 11) ||
		CASE WHEN i % 5 = 0 THEN jsonb_build_object('owner', jsonb_build_object('__entity', jsonb_build_object('type', 'User', 'id', 'u' || (i % 60 + 1)))) ELSE '{}' END,
		CASE WHEN i % 4 = 0 THEN '{"frozen": true}'::jsonb ELSE '{}' END
	FROM generate_series(1, 200) i;
CREATE TEMP TABLE request (n int PRIMARY KEY, p authz.entity_uid, a authz.entity_uid, r authz.entity_uid, c jsonb);
INSERT INTO request SELECT i + 1, authz.entity_uid('User', 'u' || (i % 61)), authz.entity_uid('Action', (ARRAY['view', 'edit', 'tag'])[1 + i % 3]),
	authz.entity_uid('Document', 'd' || (i * 7 % 201)), CASE WHEN i % 2 = 0 THEN '{"office": true}'::jsonb WHEN i % 6 = 5 THEN '{"office": false}' ELSE '{}' END
FROM generate_series(0, 9999) i;
-- Both forms say what single calls say, in order.
SELECT count(*) AS decisions, count(*) FILTER (WHERE allowed) AS allowed,
	count(*) FILTER (WHERE allowed <> authz.authz_check(p, a, r, c)) AS wrong, array_agg(b.n) = array_agg(q.n) AND min(b.n) = 1 AND max(b.n) = 10000 AS in_order
FROM (SELECT array_agg(p ORDER BY n) AS ps, array_agg(a ORDER BY n) AS actions, array_agg(r ORDER BY n) AS rs, array_agg(c ORDER BY n) AS cs FROM request) x,
	LATERAL authz.authz_check_batch(ps, actions, rs, cs) WITH ORDINALITY AS b (n, allowed, o) JOIN request q ON q.n = o;
SELECT count(*) AS decisions, count(*) FILTER (WHERE allowed) AS allowed, count(*) FILTER (WHERE allowed <> authz.authz_check(p, a, r, c)) AS wrong
FROM (SELECT jsonb_agg(jsonb_build_object('principal', p, 'action', a, 'resource', jsonb_build_object('type', authz.entity_uid_type(r), 'id', authz.entity_uid_id(r)), 'context', c) ORDER BY n) AS requests FROM request) x,
	LATERAL authz.authz_check_batch(requests) AS b JOIN request USING (n);
SELECT count(*) AS decisions, count(*) FILTER (WHERE b.decision = 'allow') AS allowed, count(*) FILTER (WHERE b.errors <> '[]') AS failed,
	count(*) FILTER (WHERE (b.decision, b.reasons, b.errors, b.policy_version) IS DISTINCT FROM (d.decision, d.reasons, d.errors, d.policy_version)) AS wrong
FROM (SELECT array_agg(p ORDER BY n) AS ps, array_agg(a ORDER BY n) AS actions, array_agg(r ORDER BY n) AS rs, array_agg(c ORDER BY n) AS cs FROM request) x,
	LATERAL authz.authz_decide_batch(ps, actions, rs, cs) AS b JOIN request USING (n), LATERAL authz.authz_decide(p, a, r, c) d;
-- So many requests of one principal and one action after another, as a list asks, and of more of them in turns than a batch keeps in mind.
-- Beside each, a decision alone: with entities handed in, if none, nothing is kept.
CREATE TEMP TABLE listed AS SELECT row_number() OVER (ORDER BY g, i, k) AS n, authz.entity_uid('User', 'u' || (g * 3 + k / 3)) AS p, authz.entity_uid('Action', (ARRAY['view', 'edit', 'tag'])[1 + k % 3]) AS a,
	authz.entity_uid('Document', 'd' || i) AS r, CASE WHEN i % 2 = 0 THEN '{"office": true}'::jsonb ELSE '{"office": false}' END AS c
FROM generate_series(1, 4) g, generate_series(1, 60) i, LATERAL generate_series(0, g * 3 - 1) k;
INSERT INTO authz.policies (policy_set, policy_id, policy) SELECT 'listed', 'p' || i, format('permit (principal in Group::"staff", action in [Action::"view", Action::"edit"], resource == Document::"d%s") when { resource.level <= principal.level };', i * 2) FROM generate_series(1, 30) i;
INSERT INTO authz.policies (policy_set, policy_id, policy) SELECT 'listed', 'own ' || i, format('permit (principal == User::"u%s", action == Action::"%s", resource) when { resource.level > 5 };', i, CASE WHEN i % 2 = 0 THEN 'tag' ELSE 'view' END) FROM generate_series(1, 20) i;
SELECT which, count(*) AS decisions, count(*) FILTER (WHERE b.decision = 'allow') AS allowed,
	count(*) FILTER (WHERE (b.decision, b.reasons, b.errors, b.policy_version) IS DISTINCT FROM (d.decision, d.reasons, d.errors, d.policy_version)) AS wrong
FROM (SELECT array_agg(p ORDER BY n) AS ps, array_agg(a ORDER BY n) AS actions, array_agg(r ORDER BY n) AS rs, array_agg(c ORDER BY n) AS cs FROM listed) x, unnest(ARRAY['default', 'listed']) which,
	LATERAL authz.authz_decide_batch(ps, actions, rs, cs, policy_set => which) AS b JOIN listed USING (n), LATERAL authz.authz_decide(p, a, r, c, '[]', which) d GROUP BY which ORDER BY which;
SELECT count(*) FILTER (WHERE allowed) AS allowed, count(*) FILTER (WHERE allowed <> authz.authz_check(p, a, r, c, '[{"uid": {"type": "User", "id": "u4"}, "attrs": {"level": 6}, "parents": [{"type": "Group", "id": "staff"}]}]')) AS wrong
FROM (SELECT array_agg(p ORDER BY n) AS ps, array_agg(a ORDER BY n) AS actions, array_agg(r ORDER BY n) AS rs, array_agg(c ORDER BY n) AS cs FROM listed) x,
	LATERAL authz.authz_check_batch(ps, actions, rs, cs, '[{"uid": {"type": "User", "id": "u4"}, "attrs": {"level": 6}, "parents": [{"type": "Group", "id": "staff"}]}]') AS b JOIN listed USING (n);
-- An array of one element counts for all, contexts may be left empty.
SELECT * FROM authz.authz_check_batch('{"User::\"u3\""}', '{"Action::\"view\""}', ARRAY['Document::"d1"', 'Document::"d10"', 'Document::"d15"']::authz.entity_uid[], NULL);
SELECT * FROM authz.authz_check_batch('{"User::\"u3\""}', '{"Action::\"tag\"", "Action::\"view\""}', '{"Document::\"d1\""}', '{"{\"office\": true}"}');
SELECT * FROM authz.authz_check_batch('{"User::\"u3\"", "User::\"u4\""}', '{"Action::\"view\""}', '{"Document::\"d1\""}', '{}');
SELECT * FROM authz.authz_check_batch('{"User::\"u3\""}', '{"Action::\"view\""}', '{}', NULL);
SELECT n, decision, reasons, errors #>> '{0,error,message}' AS error, version = authz.policy_version() AS current
FROM authz.authz_decide_batch('[{"principal": "User::\"u3\"", "action": "Action::\"view\"", "resource": "Document::\"d1\""}, {"principal": {"type": "User", "id": "u3"}, "action": "Action::\"tag\"", "resource": {"__entity": {"type": "Document", "id": "d1"}}}]')
	AS d (n, decision, reasons, errors, version);
SELECT * FROM authz.authz_check_batch('[]');
-- Entities handed in count for all of them, the policy set too.
SELECT * FROM authz.authz_check_batch('{"User::\"u1\"", "User::\"new\"", "User::\"u3\""}', '{"Action::\"view\""}', '{"Document::\"d1\""}', NULL,
	'[{"uid": {"type": "User", "id": "new"}, "attrs": {"level": 1}, "parents": [{"type": "Group", "id": "staff"}]}, {"uid": {"type": "User", "id": "u3"}, "attrs": {"level": 0}, "parents": []}]');
SELECT * FROM authz.authz_check_batch('{"User::\"u1\""}', '{"Action::\"view\""}', '{"Document::\"d1\"", "Document::\"d2\""}', NULL, policy_set => 'open');
SELECT * FROM authz.authz_check_batch('[{"principal": "User::\"u1\"", "action": "Action::\"view\"", "resource": "Document::\"d1\""}]', NULL, 'open');
-- As drivers bind them.
PREPARE arrays (text[], varchar[], text[]) AS SELECT * FROM authz.authz_check_batch($1, $2, $3, NULL);
EXECUTE arrays ('{"User::\"u3\""}', '{"Action::\"view\""}', '{"Document::\"d1\"", "Document::\"d10\""}');
PREPARE requests (varchar) AS SELECT * FROM authz.authz_check_batch($1);
EXECUTE requests ('[{"principal": "User::\"u3\"", "action": "Action::\"view\"", "resource": "Document::\"d1\""}]');
PREPARE decisions (text, text, text) AS SELECT n, decision, reasons FROM authz.authz_decide_batch($1, $2, $3);
EXECUTE decisions ('[{"principal": "User::\"u3\"", "action": "Action::\"view\"", "resource": "Document::\"d1\""}]', NULL, NULL);
-- One statement is one version and one snapshot, also where it writes.
WITH w AS (INSERT INTO authz.entities (uid, attrs, parents) VALUES ('User::"written"', '{"level": 9}', '{"Group::\"staff\""}') RETURNING uid)
SELECT allowed FROM w, authz.authz_check_batch(ARRAY[uid], '{"Action::\"view\""}', '{"Document::\"d1\""}', NULL);
SELECT allowed FROM authz.authz_check_batch('{"User::\"written\""}', '{"Action::\"view\""}', '{"Document::\"d1\""}', NULL);

-- Refused, and by number.
SELECT * FROM authz.authz_check_batch(NULL, '{"Action::\"view\""}', '{"Document::\"d1\""}', NULL);
SELECT * FROM authz.authz_check_batch('{"User::\"u3\"", "User::\"u4\""}', '{"Action::\"view\""}', '{"Document::\"d1\"", "Document::\"d2\"", "Document::\"d3\""}', NULL);
SELECT * FROM authz.authz_check_batch('{"User::\"u3\""}', '{"Action::\"view\""}', '{"Document::\"d1\"", NULL}', NULL);
SELECT * FROM authz.authz_check_batch('{"User::\"u3\""}', '{"Action::\"view\""}', '{{"Document::\"d1\""},{"Document::\"d2\""}}', NULL);
SELECT * FROM authz.authz_check_batch('{"User::\"u3\""}', '{"Action::\"view\""}', '{"Document::\"d1\"", "Document::\"d2\""}', ARRAY['{}', '[]']::jsonb[]);
SELECT * FROM authz.authz_check_batch('{"User::\"u3\""}', '{"Action::\"view\""}', '{"Document::\"d1\"", "Document::\"d2\""}', ARRAY['{}', NULL]::jsonb[]);
SELECT * FROM authz.authz_check_batch(NULL::jsonb);
SELECT * FROM authz.authz_check_batch('{"principal": 1}');
SELECT * FROM authz.authz_check_batch('[{"principal": "User::\"u3\"", "action": "Action::\"view\"", "resource": "Document::\"d1\""}, {"principal": "u3", "action": "Action::\"view\"", "resource": "Document::\"d1\""}]');
SELECT * FROM authz.authz_check_batch('[{"principal": "User::\"u3\"", "action": "Action::\"view\"", "resource": "Document::\"d1\"", "context": {"x": null}}]');
SELECT * FROM authz.authz_check_batch((SELECT array_agg(authz.entity_uid('User', 'u' || i)) FROM generate_series(1, 10001) i), '{"Action::\"view\""}', '{"Document::\"d1\""}', NULL);
SELECT * FROM authz.authz_check_batch((SELECT jsonb_agg('{}'::jsonb) FROM generate_series(1, 10001)));
-- A cycle met by the second one.
SELECT * FROM authz.authz_check_batch('{"User::\"u1\"", "User::\"u3\""}', '{"Action::\"view\""}', '{"Document::\"d1\""}', NULL,
	'[{"uid": {"type": "Group", "id": "staff"}, "attrs": {}, "parents": [{"type": "User", "id": "u3"}]}]');
-- Nobody but those who are granted them.
CREATE ROLE regress_authz_user;
SET ROLE regress_authz_user;
SELECT * FROM authz.authz_check_batch('{"User::\"u3\""}', '{"Action::\"view\""}', '{"Document::\"d1\""}', NULL);
SELECT * FROM authz.authz_check_batch('[]'::jsonb);
SELECT * FROM authz.authz_check_batch('[]'::text);
SELECT * FROM authz.authz_decide_batch('{"User::\"u3\""}', '{"Action::\"view\""}', '{"Document::\"d1\""}', NULL);
SELECT * FROM authz.authz_decide_batch('[]'::jsonb);
SELECT * FROM authz.authz_decide_batch('[]'::text);
RESET ROLE;
DROP ROLE regress_authz_user;
DELETE FROM authz.policies;
DELETE FROM authz.entities;
