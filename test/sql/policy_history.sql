-- What a policy set was before.
\pset null '(null)'
\set SHOW_CONTEXT never
SET authz.policy_set = 'past';
SELECT action, id FROM authz.policies_apply(E'@id("a") permit (principal == User::"a", action, resource);\n@id("t") permit (principal == ?principal, action, resource);');
SELECT authz.policy_version() AS first \gset
INSERT INTO authz.policy_links (policy_set, link_id, template_id, principal) VALUES ('past', 'l', 't', 'User::"b"');
INSERT INTO authz.schema (policy_set, schema, check_entities) VALUES ('past', 'entity User; action view appliesTo { principal: User, resource: User };', false);
SELECT authz.policy_version() AS second \gset
-- INSERT writes no history.
SELECT count(*) FROM authz.policy_history WHERE policy_set = 'past';
UPDATE authz.policies SET policy = '@id("a") forbid (principal == User::"a", action, resource);' WHERE policy_set = 'past' AND policy_id = 'a';
UPDATE authz.policies SET enabled = enabled WHERE policy_set = 'past';
UPDATE authz.policy_links SET principal = 'User::"c"' WHERE policy_set = 'past';
DELETE FROM authz.schema WHERE policy_set = 'past';
INSERT INTO authz.policies (policy_set, policy_id, policy, since) VALUES ('past', 'n', 'permit (principal == User::"n", action, resource);', 1);
SELECT authz.policy_version() AS third \gset
SELECT kind, id, policy, content - 'policy' - 'schema' AS content, valid_from - :first AS valid_from, valid_to - :first AS valid_to,
	author = session_user AS author, changed_at <= now() AS changed_at, transaction_id < pg_current_xact_id() AS xid
FROM authz.policy_history WHERE policy_set = 'past' ORDER BY valid_to, kind;
SELECT policy_id, since - :first AS since FROM authz.policies WHERE policy_set = 'past' ORDER BY 1;

-- The state of each version is what a copy of the rows taken then says.
SELECT * FROM authz.policy_state(:first) ORDER BY 1, 2;
SELECT * FROM authz.policy_diff(:first, :second);
SELECT action, kind, id FROM authz.policy_diff(:first, :third);
SELECT action, kind, id FROM authz.policy_diff(:third, :first);
SELECT * FROM authz.policy_diff(:third, :third);
SELECT * FROM authz.policy_diff(0, :third + 1);
SELECT * FROM authz.policy_diff(-1, :third);

-- Decisions as of then; nothing is changed by them.
SELECT v - :first AS version, u, d.decision, d.reasons, d.policy_version - v AS same
FROM unnest(ARRAY[:first, :second, :third]::bigint[]) v, unnest('{a,b,c,n}'::text[]) u,
	LATERAL authz.authz_decide(authz.entity_uid('User', u), 'Action::"view"', 'User::"x"', '{}', NULL, NULL, as_of => v) d
WHERE d.decision = 'allow' OR d.reasons <> '{}' ORDER BY 1, 2;
SELECT * FROM authz.authz_decide('User::"a"', 'Action::"other"', 'User::"x"', '{}', NULL, NULL, as_of => :second);
SELECT * FROM authz.authz_decide('User::"a"', 'Action::"view"', 'User::"x"', '{}', NULL, NULL, as_of => 1000000);
SELECT authz.policy_version() - :third AS steps, count(*) FROM authz.policy_history WHERE policy_set = 'past';

-- Restored: a new version that is as the old one.
BEGIN;
SELECT action, kind, id FROM authz.policy_restore(:second);
SELECT * FROM authz.policy_diff(:second, authz.policy_version());
SELECT decision, reasons FROM authz.authz_decide('User::"a"', 'Action::"view"', 'User::"x"');
SELECT action, kind, id FROM authz.policy_restore(0);
SELECT count(*) FROM authz.policies WHERE policy_set = 'past';
SELECT action, kind, id FROM authz.policy_restore(:third);
SELECT * FROM authz.policy_diff(:third, authz.policy_version());
ROLLBACK;
-- TRUNCATE is remembered.
BEGIN;
TRUNCATE authz.policies, authz.policy_links;
SELECT action, kind, id FROM authz.policy_diff(:third, authz.policy_version());
ROLLBACK;

-- What is kept is what the SQL of policy_state says of a row, however odd; not the owner's doing, nor in the order of triggers.
CREATE ROLE history_editor;
GRANT USAGE ON SCHEMA authz TO history_editor;
GRANT SELECT, INSERT, UPDATE, DELETE, TRUNCATE ON authz.policies, authz.policy_links, authz.schema TO history_editor;
CREATE SCHEMA evil;
CREATE FUNCTION evil.raises(bigint, bigint) RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN RAISE 'ran with the rights of %', current_user; END $$;
CREATE OPERATOR evil.<= (FUNCTION = evil.raises, LEFTARG = bigint, RIGHTARG = bigint);
CREATE FUNCTION evil.now() RETURNS timestamptz LANGUAGE sql AS $$ SELECT '-infinity'::timestamptz $$;
GRANT USAGE ON SCHEMA evil TO history_editor;
BEGIN;
INSERT INTO authz.policies (policy_set, policy_id, policy, enabled) VALUES ('odd', E'q"\\ü\n', E'permit (principal == User::"\\u{1}", action, resource); // "ü" \\ \t', false),
	('odd', 't', 'permit (principal == ?principal, action, resource == ?resource);', true), ('odd', 'long', 'permit (principal, action, resource); // ' || repeat(md5('1'), 1000), true);
INSERT INTO authz.policy_links (policy_set, link_id, template_id, principal, resource) VALUES ('odd', 'l', 't', E'User::"\\"x\\u{1}"', 'Doc::"1"');
INSERT INTO authz.schema (policy_set, schema, check_entities) VALUES ('odd', 'entity User, Doc; action view appliesTo { principal: User, resource: Doc };', false);
CREATE TEMP TABLE state AS SELECT * FROM authz.policy_state(authz.policy_version('odd'), 'odd');
SELECT authz.policy_version('odd') AS odd \gset
SET LOCAL search_path = evil, pg_catalog;
SET LOCAL ROLE history_editor;
SAVEPOINT s;
UPDATE authz.policies SET policy = replace(policy, ';', ' ;') WHERE policy_set = 'odd';
UPDATE authz.policy_links SET resource = 'Doc::"2"' WHERE policy_set = 'odd';
UPDATE authz.schema SET check_entities = true, schema = schema || ' ' WHERE policy_set = 'odd';
RESET ROLE;
SELECT count(*) AS n, count(*) FILTER (WHERE h.content = s.content AND h.valid_from <= :odd AND h.valid_to > :odd AND h.author = session_user AND h.changed_at = pg_catalog.now()
	AND h.transaction_id = pg_current_xact_id()) AS same FROM authz.policy_history h JOIN pg_temp.state s USING (kind, id) WHERE policy_set = 'odd';
ROLLBACK TO s;
DELETE FROM authz.policy_links WHERE policy_set = 'odd';
DELETE FROM authz.policies WHERE policy_set = 'odd';
DELETE FROM authz.schema WHERE policy_set = 'odd';
RESET ROLE;
SELECT count(*) AS n, count(*) FILTER (WHERE h.content = s.content) AS same FROM authz.policy_history h JOIN pg_temp.state s USING (kind, id) WHERE policy_set = 'odd';
ROLLBACK TO s;
TRUNCATE authz.policies, authz.policy_links, authz.schema;
RESET ROLE;
SELECT count(*) AS n, count(*) FILTER (WHERE h.content = s.content AND h.changed_at = pg_catalog.now()) AS same FROM authz.policy_history h JOIN pg_temp.state s USING (kind, id) WHERE policy_set = 'odd';
ROLLBACK;
DROP SCHEMA evil CASCADE;
DROP OWNED BY history_editor;
DROP ROLE history_editor;
-- Since when a row holds is for a restore to say, not for whoever turns off what a restore turns off.
BEGIN;
CREATE ROLE history_forger;
GRANT USAGE ON SCHEMA authz TO history_forger;
GRANT SELECT, INSERT, UPDATE ON authz.policies, authz.policy_links TO history_forger;
SET LOCAL ROLE history_forger;
SET LOCAL check_function_bodies = off;
INSERT INTO authz.policies (policy_set, policy_id, policy, since) VALUES ('forged', 'p', 'permit (principal, action, resource);', 1000);
UPDATE authz.policies SET policy = 'forbid (principal, action, resource);' WHERE policy_set = 'forged';
SAVEPOINT s;
INSERT INTO authz.policy_links (policy_set, link_id, template_id, principal) VALUES ('forged', 'l', 'none', 'User::"a"');
ROLLBACK TO s;
RESET ROLE;
SELECT since FROM authz.policies WHERE policy_set = 'forged';
SELECT id, valid_from, valid_to FROM authz.policy_history WHERE policy_set = 'forged';
ROLLBACK;
-- Nor is a function with the owner's rights a restore because its caller turns that off.
BEGIN;
CREATE ROLE restore_forger;
CREATE FUNCTION public.owner_policy() RETURNS bigint LANGUAGE sql SECURITY DEFINER AS
	$$INSERT INTO authz.policies (policy_set, policy_id, policy, since) VALUES ('forged', 'p', 'permit (principal, action, resource);', 1000) RETURNING since$$;
CREATE FUNCTION public.owner_session() RETURNS void LANGUAGE sql SECURITY DEFINER AS
	$$INSERT INTO authz.sessions (user_id, expires_at, max_expires_at, amr) VALUES ('00000000-0000-4000-8000-000000000000', now() + interval '1 hour', now() + interval '1 hour', '{pwd}')$$;
SET LOCAL ROLE restore_forger;
SET LOCAL check_function_bodies = off;
SELECT public.owner_policy() < 1000 AS own_version;
SELECT public.owner_session();
ROLLBACK;
-- Who plays a replica by hand makes history, too; what a row says is its own again has none.
BEGIN;
SET LOCAL session_replication_role = replica;
UPDATE authz.policies SET policy = 'permit (principal == User::"z", action, resource);' WHERE policy_set = 'past' AND policy_id = 'n';
UPDATE authz.policies SET since = 1, ordinal = 7 WHERE policy_set = 'past' AND policy_id = 'n';
SELECT h.policy, h.valid_to - p.since AS gap FROM authz.policies p JOIN authz.policy_history h ON h.policy_set = p.policy_set AND h.id = p.policy_id AND h.valid_to > :third WHERE p.policy_set = 'past';
ROLLBACK;

-- What would change.
SELECT * FROM authz.policy_what_if('@id("a") permit (principal == User::"a", action, resource);', '[{"principal": "User::\"a\"", "action": "Action::\"view\"", "resource": "User::\"x\""},
	{"principal": "User::\"n\"", "action": "Action::\"view\"", "resource": "User::\"x\"", "context": {"k": 1}}]');
SELECT n, principal, decision, new_decision FROM authz.policy_what_if('', '[{"principal": "User::\"a\"", "action": "Action::\"view\"", "resource": "User::\"x\""},
	{"principal": "User::\"n\"", "action": "Action::\"view\"", "resource": "User::\"x\""}]');
INSERT INTO authz.policy_tests (policy_set, name, principal, action, resource, decision) VALUES ('past', 'n', 'User::"n"', 'Action::"view"', 'User::"x"', 'allow');
DELETE FROM authz.policy_links WHERE policy_set = 'past';
SELECT n, principal, decision, reasons, new_decision, new_reasons FROM authz.policy_what_if('', prune => true);
SELECT authz.policies_dump();

RESET authz.policy_set;
TRUNCATE authz.policies, authz.policy_links, authz.schema, authz.policy_tests, authz.policy_history;
