-- Entities and policies of a seed: variables seed, entities.
CREATE EXTENSION authz;
SELECT setseed(:seed / 10000.0);
CREATE FUNCTION pick(n bigint) RETURNS bigint LANGUAGE sql VOLATILE RETURN floor(random() * n)::bigint;
-- Distinct ids of different lengths, so that memory that is used again holds others.
CREATE FUNCTION name(n bigint) RETURNS text LANGUAGE sql IMMUTABLE RETURN n || repeat('x', (n * 7 % 41)::int);

-- Groups, each in up to three of those before it; folders likewise, some in groups' and mapped shelves'.
INSERT INTO authz.entities (uid, attrs, parents)
	SELECT authz.entity_uid('Group', name(n)), jsonb_build_object('level', pick(5)),
		ARRAY(SELECT DISTINCT authz.entity_uid('Group', name(n / 4 + pick(n - n / 4))) FROM generate_series(1, pick(3)) i WHERE n > 3)
	FROM generate_series(1, :entities / 3) n;
UPDATE authz.entities SET parents = array_remove(parents, uid);
CREATE TABLE shelf (id int PRIMARY KEY, level int, floor int);
INSERT INTO shelf SELECT n, pick(5), pick(12) FROM generate_series(1, :entities / 3) n;
INSERT INTO authz.entities (uid, parents) SELECT authz.entity_uid('Floor', n::text), '{"House::\"1\""}' FROM generate_series(0, 11) n;
INSERT INTO authz.entities (uid, attrs, tags, parents)
	SELECT authz.entity_uid('Folder', name(n)), jsonb_build_object('level', pick(5)), CASE WHEN pick(3) = 0 THEN jsonb_build_object('kind', 'k' || pick(3)) ELSE '{}' END,
		ARRAY(SELECT DISTINCT CASE pick(4) WHEN 0 THEN authz.entity_uid('Shelf', (1 + pick(:entities / 3))::text)
				ELSE authz.entity_uid('Folder', name(1 + pick(n - 1))) END
			FROM generate_series(1, 1 + pick(3)) i WHERE n > 5)
	FROM generate_series(1, :entities) n;
-- Users: some are in groups by a table of memberships, and have a manager.
CREATE TABLE person (id int PRIMARY KEY, level int, manager int);
CREATE TABLE member (person int, team text, PRIMARY KEY (person, team));
INSERT INTO person SELECT n, pick(5), nullif(pick(n), 0) FROM generate_series(1, :entities) n;
INSERT INTO member SELECT DISTINCT n, name(1 + pick(:entities / 3)) FROM generate_series(1, :entities) n, generate_series(1, 3) i WHERE pick(2) = 0;
-- Resources: stored with up to three parents, mapped with one.
INSERT INTO authz.entities (uid, attrs, tags, parents)
	SELECT authz.entity_uid('Document', name(n)), jsonb_strip_nulls(jsonb_build_object('level', pick(5),
			'owner', jsonb_build_object('__entity', jsonb_build_object('type', 'Person', 'id', (1 + pick(:entities))::text)),
			'team', CASE WHEN pick(2) = 0 THEN jsonb_build_object('__entity', jsonb_build_object('type', 'Group', 'id', name(1 + pick(:entities / 3)))) END)),
		CASE WHEN pick(3) = 0 THEN jsonb_build_object('kind', 'k' || pick(3)) ELSE '{}' END,
		ARRAY(SELECT DISTINCT authz.entity_uid('Folder', name(1 + pick(:entities))) FROM generate_series(1, pick(4)) i WHERE n > 0)
	FROM generate_series(1, :entities) n;
CREATE TABLE item (id int PRIMARY KEY, level int, owner int, folder text, gone boolean DEFAULT false) WITH (fillfactor = 60);
INSERT INTO item SELECT n, pick(5), 1 + pick(:entities), name(1 + pick(:entities)) FROM generate_series(1, :entities) n;
SELECT authz.map_entity_type('Shelf', 'shelf', 'id', '["level"]', '[{"type": "Floor", "column": "floor"}]');
SELECT authz.map_entity_type('Person', 'person', 'id', '{"level": "level", "manager": {"type": "Person", "column": "manager"}}',
	'[{"table": "member", "id": "person", "type": "Group", "column": "team"}]');
SELECT authz.map_entity_type('Item', 'item', 'id', '{"level": "level", "owner": {"type": "Person", "column": "owner"}}',
	'[{"type": "Folder", "column": "folder"}]', "where" => 'NOT gone');

-- What policies ask; n is a random one of each kind.
CREATE FUNCTION condition() RETURNS text LANGUAGE sql VOLATILE
RETURN (ARRAY[
	'resource in Folder::"' || name(1 + pick(30)) || '"', 'resource in Floor::"' || pick(12) || '"', 'resource in House::"1"',
	'resource in Shelf::"' || 1 + pick(30) || '"', 'principal in Group::"' || name(1 + pick(30)) || '"',
	'resource has owner && resource.owner in Group::"' || name(1 + pick(30)) || '"',
	'resource has owner && resource.owner == principal', 'resource.owner.level > ' || pick(5),
	'resource.owner.manager in Group::"' || name(1 + pick(30)) || '"', 'resource.owner.manager.manager.level == ' || pick(5),
	'resource has team && principal in resource.team', 'resource has team && resource.team in Group::"' || name(1 + pick(30)) || '"',
	'resource.hasTag("kind") && resource.getTag("kind") == "k' || pick(3) || '"', 'resource.level ' || (ARRAY['<', '==', '>='])[1 + pick(3)] || ' principal.level',
	'Folder::"' || name(1 + pick(300)) || '" in Folder::"' || name(1 + pick(30)) || '"',
	'resource in [Folder::"' || name(1 + pick(30)) || '", Shelf::"' || 1 + pick(30) || '"]',
	'context has n && context.n < ' || pick(1000)])[1 + pick(17)];
INSERT INTO authz.policies (policy_id, policy)
	SELECT 'policy' || n - 1, CASE WHEN pick(4) = 0 THEN 'forbid' ELSE 'permit' END || ' (principal'
		|| (ARRAY['', ' in Group::"' || name(1 + pick(20)) || '"', ' is Person'])[1 + pick(3)]
		|| ', action' || (ARRAY['', ' == Action::"view"', ' == Action::"edit"'])[1 + pick(3)]
		|| ', resource' || (ARRAY['', ' in Folder::"' || name(1 + pick(30)) || '"', ' in Floor::"' || pick(12) || '"', ' is Document', ' is Item in Folder::"' || name(1 + pick(20)) || '"'])[1 + pick(5)]
		|| ') when { ' || condition() || ' }' || CASE WHEN pick(2) = 0 THEN ' unless { ' || condition() || ' }' ELSE '' END || ';'
	FROM generate_series(1, 24) n;

-- Who asks for what: three persons, two actions, all resources.
CREATE VIEW asked AS
	SELECT kind, person, authz.entity_uid('Person', (1 + (person * 97) % (SELECT count(*) FROM person))::text) AS who, act, uid, n, jsonb_build_object('n', n) AS context
	FROM (SELECT authz.entity_uid_type(uid) AS kind, uid, (regexp_match(authz.entity_uid_id(uid), '^\d+'))[1]::int AS n FROM authz.entities
			WHERE authz.entity_uid_type(uid) IN ('Document', 'Folder')
		UNION ALL SELECT 'Item', authz.entity_uid('Item', id::text), id FROM item) r,
		generate_series(1, 3) person, unnest('{"Action::\"view\"", "Action::\"edit\""}'::authz.entity_uid[]) act;
CREATE FUNCTION said(who authz.entity_uid, act authz.entity_uid, uid authz.entity_uid, decision text, reasons text[], errors jsonb) RETURNS text LANGUAGE sql STABLE
RETURN who || ' ' || act || ' ' || uid || ' ' || decision || ' because ' || (SELECT coalesce(string_agg(r, ' ' ORDER BY r COLLATE "C"), '') FROM unnest(reasons) r)
	|| ' errors ' || (SELECT coalesce(string_agg(e->>'policyId', ' ' ORDER BY e->>'policyId' COLLATE "C"), '') FROM jsonb_array_elements(errors) e);

-- The same by cedar_authorize, of a random few: all entities as JSON.
CREATE FUNCTION uid_json(uid authz.entity_uid) RETURNS json LANGUAGE sql IMMUTABLE STRICT
RETURN json_build_object('type', authz.entity_uid_type(uid), 'id', authz.entity_uid_id(uid));
CREATE FUNCTION entities_json() RETURNS json LANGUAGE sql STABLE AS $$
	SELECT json_agg(json_build_object('uid', uid_json(uid), 'attrs', coalesce(attrs, '{}'), 'tags', coalesce(tags, '{}'),
		'parents', (SELECT coalesce(json_agg(uid_json(p)), '[]') FROM unnest(parents) p)))
	FROM (SELECT uid, attrs, tags, parents FROM authz.entities
		UNION ALL SELECT authz.entity_uid('Shelf', id::text), jsonb_build_object('level', level), NULL, ARRAY[authz.entity_uid('Floor', floor::text)] FROM shelf
		UNION ALL SELECT authz.entity_uid('Person', id::text), jsonb_strip_nulls(jsonb_build_object('level', level,
				'manager', CASE WHEN manager IS NOT NULL THEN jsonb_build_object('__entity', jsonb_build_object('type', 'Person', 'id', manager::text)) END)), NULL,
			(SELECT array_agg(authz.entity_uid('Group', team)) FROM member WHERE person = id) FROM person
		UNION ALL SELECT authz.entity_uid('Item', id::text), jsonb_build_object('level', level, 'owner', jsonb_build_object('__entity', jsonb_build_object('type', 'Person', 'id', owner::text))),
			NULL, ARRAY[authz.entity_uid('Folder', folder)] FROM item WHERE NOT gone) e
$$;
CREATE TYPE decision AS (decision text, reasons text[], errors jsonb);
CREATE FUNCTION stateless(most int) RETURNS TABLE (who authz.entity_uid, act authz.entity_uid, uid authz.entity_uid, d decision) LANGUAGE sql VOLATILE AS $$
	SELECT a.who, a.act, a.uid, ROW(c->>'decision', ARRAY(SELECT jsonb_array_elements_text(c->'diagnostics'->'reason')), c->'diagnostics'->'errors')::decision
	FROM (SELECT * FROM asked ORDER BY random() LIMIT most) a, (SELECT entities_json() AS entities OFFSET 0) e,
		(SELECT string_agg(policy, E'\n' ORDER BY substr(policy_id, 7)::int) AS policies FROM authz.policies OFFSET 0) p,
		LATERAL (SELECT authz.cedar_authorize(policies, entities, json_build_object('principal', uid_json(a.who), 'action', uid_json(a.act), 'resource', uid_json(a.uid), 'context', a.context))::jsonb AS c OFFSET 0) c
$$;

-- Between two rounds: rows of all kinds move, change, go and come.
CREATE PROCEDURE change(turn int) LANGUAGE plpgsql AS $$
BEGIN
	UPDATE item SET level = pick(5) WHERE id % 7 = turn % 7;
	UPDATE item SET gone = NOT gone WHERE id % 31 = turn % 31;
	DELETE FROM member WHERE person % 17 = turn % 17;
	UPDATE person SET manager = NULL WHERE id % 23 = turn % 23;
	UPDATE shelf SET floor = pick(12) WHERE id % 11 = turn % 11;
	/* Only upwards: no cycles. */
	UPDATE authz.entities SET parents = parents[2:] WHERE uid IN (SELECT uid FROM authz.entities WHERE authz.entity_uid_type(uid) = 'Folder' AND cardinality(parents) > 1 ORDER BY random() LIMIT 40);
	DELETE FROM authz.entities WHERE uid IN (SELECT uid FROM authz.entities WHERE authz.entity_uid_type(uid) IN ('Folder', 'Document') ORDER BY random() LIMIT 20);
END $$;
