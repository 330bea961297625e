-- Policies as code: a .cedar file applied, dumped, tested.
\pset null '(null)'
\set SHOW_CONTEXT never
SELECT E'// The policies of the shop.\n\n@id("owners")\npermit (principal, action, resource)\nwhen { resource.owner == principal }; // each their own\n\n// Staff.\n@id("staff")\npermit (principal in Group::"staff", action == Action::"view", resource);@id("no \\"x\\"") forbid (principal == User::"x", action, resource);\n\t// the end' AS file,
	'entity Group; entity User in Group; entity Doc { owner: User }; action view, edit appliesTo { principal: User, resource: Doc };' AS schema \gset
SELECT * FROM authz.policies_parse(:'file');

-- A dry run changes nothing.
SELECT authz.policy_version('shop') AS before \gset
SELECT action, id, old FROM authz.policies_apply(:'file', 'shop', dry_run => true);
SELECT count(*), authz.policy_version('shop') - :before AS steps FROM authz.policies WHERE policy_set = 'shop';
SELECT action, id, old, length(new) FROM authz.policies_apply(:'file', 'shop');
SELECT authz.policies_dump('shop') = :'file' AS same, authz.policy_version('shop') - :before AS steps;
SELECT action, id FROM authz.policies_apply(:'file', 'shop', :'schema');
SELECT authz.policies_dump('shop') = :'file' AS same, schema = :'schema' AS schema, authz.policy_version('shop') - :before AS steps FROM authz.schema WHERE policy_set = 'shop';
-- Nothing to do is done.
SELECT action, id FROM authz.policies_apply(:'file', 'shop', :'schema', prune => true);
SELECT authz.policies_dump('shop') = :'file' AS same, authz.policy_version('shop') - :before AS steps;
-- A change, without and with prune; another order is none.
SELECT E'@id("new")\nforbid (principal, action, resource) when { resource has owner && resource.owner == User::"y" };\n' || replace(:'file', 'Action::"view"', 'Action::"edit"') AS changed \gset
INSERT INTO authz.policies (policy_set, policy_id, policy) VALUES ('shop', 'by hand', 'permit (principal == User::"z", action, resource);');
SELECT action, id FROM authz.policies_apply(:'changed', 'shop', dry_run => true);
SELECT action, id FROM authz.policies_apply(:'changed', 'shop');
SELECT authz.policies_dump('shop') = :'changed' || E'\n@id("by hand")\npermit (principal == User::"z", action, resource);' AS same;
SELECT action, id, old FROM authz.policies_apply(:'changed', 'shop', prune => true) WHERE action <> 'unchanged';
SELECT authz.policies_dump('shop') = :'changed' AS same, authz.policy_version('shop') AS before \gset
SELECT :'same', action, id FROM authz.policies_apply(E'@id("a") permit (principal, action, resource);\n@id("b") permit (principal, action, resource);\n', 'order');
SELECT authz.policy_version('order') AS before \gset
SELECT action, id FROM authz.policies_apply(E'@id("b") permit (principal, action, resource);\n@id("a") permit (principal, action, resource);\n', 'order');
SELECT authz.policies_dump('order'), authz.policy_version('order') - :before AS steps;
-- What comes from a dump can be applied.
INSERT INTO authz.policies (policy_set, policy_id, policy) VALUES ('order', E'odd "id"\n\\', E'// first\n  permit (principal, action, resource); // no newline'), ('order', 'c', 'permit (principal, action, resource);');
SELECT action, id FROM authz.policies_apply(authz.policies_dump('order'), 'order2');
SELECT authz.policies_dump('order') = authz.policies_dump('order2') AS same;
SELECT action, id FROM authz.policies_apply(authz.policies_dump('order'), 'order', prune => true);
INSERT INTO authz.policies (policy_set, policy_id, policy) VALUES ('order', 'other', '@id("name") permit (principal, action, resource);');
SELECT authz.policies_dump('order');

-- Refused with the position in the file; nothing is changed then.
SELECT * FROM authz.policies_apply(E'@id("a") permit (principal, action, resource);\npermit (principal,\n action, resource);', 'shop');
SELECT * FROM authz.policies_apply(E'@id permit (principal, action, resource);', 'shop');
SELECT * FROM authz.policies_apply(E'@id("a") permit (principal, action, resource);\n@id("b") permit (principal, action, resource);\n@id("a") permit (principal, action, resource);', 'shop');
SELECT * FROM authz.policies_apply(E'@id("a") permit (principal, action, resource);\n@id("b") permit (principal, actio, resource);', 'shop');
SELECT * FROM authz.policies_apply(E'@id("a") permit (principal, action, resource);\n@id("b") permit (principal, action, resource) when { resource.ownr == principal && principal.x };', 'shop');
SELECT * FROM authz.policies_apply(:'changed', 'shop', 'entity User');
SELECT * FROM authz.policies_apply(:'changed', 'shop', replace(:'schema', 'owner:', 'by:'));
SELECT * FROM authz.policies_apply(NULL, 'shop');
SELECT * FROM authz.policies_apply('', '');
SELECT authz.policies_dump('shop') = :'changed' AS same;
-- Without prune, what stays has to validate, too.
SELECT * FROM authz.policies_apply('@id("one") permit (principal, action, resource) when { resource.by == principal };', 'shop', replace(:'schema', 'owner:', 'by:'));
SELECT action, id FROM authz.policies_apply('@id("one") permit (principal, action, resource) when { resource.by == principal };', 'shop', replace(:'schema', 'owner:', 'by:'), prune => true);
-- Templates keep their links.
SELECT action, id FROM authz.policies_apply('@id("t") permit (principal == ?principal, action, resource);', 'shop', prune => true);
INSERT INTO authz.policy_links (policy_set, link_id, template_id, principal) VALUES ('shop', 'l', 't', 'User::"a"');
SELECT * FROM authz.policies_apply(:'file', 'shop', :'schema', prune => true);
DELETE FROM authz.policy_links;
-- An empty file, pruned, empties the set.
SELECT action, id FROM authz.policies_apply('// nothing', 'shop', prune => true);
SELECT authz.policies_dump('shop'), authz.policies_dump('never');

-- Tests.
SELECT action, id FROM authz.policies_apply(:'file', 'shop', :'schema', prune => true);
INSERT INTO authz.policy_tests (policy_set, name, principal, action, resource, entities, decision, reasons) VALUES
	('shop', 'owners edit', 'User::"a"', 'Action::"edit"', 'Doc::"1"', '[{"uid": {"type": "Doc", "id": "1"}, "attrs": {"owner": {"__entity": {"type": "User", "id": "a"}}}, "parents": []}]', 'allow', '{owners}'),
	('shop', 'staff views', 'User::"b"', 'Action::"view"', 'Doc::"1"', '[{"uid": {"type": "User", "id": "b"}, "attrs": {}, "parents": [{"type": "Group", "id": "staff"}]}]', 'allow', NULL),
	('shop', 'staff does not edit', 'User::"b"', 'Action::"edit"', 'Doc::"1"', '[{"uid": {"type": "User", "id": "b"}, "attrs": {}, "parents": [{"type": "Group", "id": "staff"}]}]', 'deny', '{}');
SELECT * FROM authz.policy_test('shop');
SELECT authz.policy_tests_apply('[{"name": "wrong #1", "principal": "User::\"a\"", "action": "Action::\"edit\"", "resource": "Doc::\"1\"", "decision": "allow"},
	{"name": "reasons", "principal": "User::\"x\"", "action": "Action::\"edit\"", "resource": "Doc::\"1\"", "decision": "deny", "reasons": ["owners"]},
	{"name": "no request", "principal": "Group::\"a\"", "action": "Action::\"edit\"", "resource": "Doc::\"1\"", "decision": "deny"}]', 'shop', prune => false);
SELECT * FROM authz.policy_test('shop');
SELECT authz.policy_tests_apply('[{"name": "bad", "principal": "User::\"a\"", "action": "Action::\"edit\"", "resource": "Doc::\"1\"", "decision": "maybe"}]', 'shop');
SELECT authz.policy_tests_apply('[{"principal": "User::\"a\""}]', 'shop');
DELETE FROM authz.policy_tests WHERE name IN ('wrong #1', 'reasons', 'no request');
SELECT * FROM authz.policy_test('never');

-- Enforced at COMMIT, whatever breaks them and whenever.
SET authz.enforce_policy_tests = on;
DELETE FROM authz.policies WHERE policy_id = 'owners';
UPDATE authz.policies SET policy = replace(policy, '== Action::"view"', '') WHERE policy_id = 'staff';
TRUNCATE authz.policies;
DELETE FROM authz.schema;
INSERT INTO authz.schema (policy_set, schema) VALUES ('shop', :'schema');
INSERT INTO authz.policy_tests (policy_set, name, principal, action, resource, decision) VALUES ('shop', 'fails', 'User::"x"', 'Action::"edit"', 'Doc::"1"', 'allow');
SELECT * FROM authz.policies_apply('// nothing', 'shop', prune => true);
BEGIN;
DELETE FROM authz.policies WHERE policy_id = 'owners';
SELECT * FROM authz.policy_test('shop') WHERE policy_test LIKE 'not%';
INSERT INTO authz.policies (policy_set, policy_id, policy) VALUES ('shop', 'owners', 'permit (principal, action, resource) when { resource.owner == principal };');
COMMIT;
BEGIN;
DELETE FROM authz.policies WHERE policy_id = 'owners';
DELETE FROM authz.policy_tests WHERE name = 'owners edit';
SET CONSTRAINTS ALL IMMEDIATE;
DELETE FROM authz.policies WHERE policy_id = 'staff';
COMMIT;
BEGIN;
SAVEPOINT s;
DELETE FROM authz.policies WHERE policy_id = 'staff';
ROLLBACK TO s;
COMMIT;
BEGIN;
DELETE FROM authz.policies WHERE policy_id = 'staff';
PREPARE TRANSACTION 'broken';
-- A trigger that fires at the very end is no way around.
CREATE TABLE late (id int);
CREATE FUNCTION late() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN DELETE FROM authz.policies WHERE policy_id = 'staff'; RETURN NULL; END $$;
CREATE CONSTRAINT TRIGGER late AFTER INSERT ON late DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION late();
INSERT INTO late VALUES (1);
DROP TABLE late;
DROP FUNCTION late;
RESET authz.enforce_policy_tests;
DELETE FROM authz.policies WHERE policy_id = 'staff';
-- A message that is cut is cut between characters.
DO $$
BEGIN
	FOR i IN 1 .. 2 LOOP
		BEGIN
			PERFORM authz.policies_parse(format('@id("%1$s%2$s") permit (principal, action, resource);@id("%1$s%2$s") permit (principal, action, resource);',
				repeat('a', i), repeat(U&'\00e9', 300)));
		EXCEPTION WHEN invalid_parameter_value THEN
			RAISE NOTICE '% bytes', length(convert_from(convert_to(SQLERRM, 'UTF8'), 'UTF8')::bytea);
		END;
	END LOOP;
END $$;
BEGIN;
CREATE ROLE regress_tests;
SET LOCAL ROLE regress_tests;
SET authz.enforce_policy_tests = on;
ROLLBACK;

TRUNCATE authz.policies, authz.policy_links, authz.schema, authz.policy_tests;
