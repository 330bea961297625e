/*
 * An organisation and its documents, the same ones each time: every choice is
 * taken from md5 of what is chosen for, so no row depends on another's order.
 *
 *   psql -f data.sql     in a database that has the extension authz
 *
 * About 10,000 users in teams in departments, 100,000 documents in folders
 * six deep.
 */
\set ON_ERROR_STOP on
BEGIN;
SET LOCAL client_min_messages = warning;

/* A number from 0 to n - 1 that belongs to this key. */
CREATE FUNCTION pg_temp.pick(key text, n int) RETURNS int
LANGUAGE sql IMMUTABLE
RETURN (('x' || substr(md5('documents:' || key), 1, 8))::bit(32)::bigint % n)::int;

CREATE FUNCTION pg_temp.ref(type text, id text) RETURNS jsonb
LANGUAGE sql IMMUTABLE
RETURN jsonb_build_object('__entity', jsonb_build_object('type', type, 'id', id));

CREATE FUNCTION pg_temp.day(d date) RETURNS jsonb
LANGUAGE sql IMMUTABLE
RETURN jsonb_build_object('__extn',
						  jsonb_build_object('fn', 'datetime', 'arg', d::text));

CREATE FUNCTION pg_temp.uid(type text, id text) RETURNS authz.entity_uid
LANGUAGE sql IMMUTABLE
RETURN authz.entity_uid(type, id);

CREATE TEMP TABLE department AS
SELECT n - 1 AS n, name
FROM unnest('{engineering,research,product,design,sales,marketing,support,finance,legal,people,operations,security}'::text[]) WITH ORDINALITY AS x(name, n);

/* 25 teams a department. */
CREATE TEMP TABLE team AS
SELECT d.n * 25 + t AS n, d.name AS department,
	   format('%s/team-%s', d.name, to_char(t + 1, 'FM00')) AS name,
	   format('/%s/%s/team-%s', d.name, (t / 5) + 1, to_char(t + 1, 'FM00')) AS folder
FROM department d, generate_series(0, 24) AS t;

/* 10,000 users: each first name with each last name. */
CREATE TEMP TABLE person AS
SELECT p.n, id, first, last, t.name AS team, t.department, t.folder,
	   pg_temp.pick('contractor:' || id, 12) = 0 AS contractor,
	   pg_temp.pick('manager:' || id, 100) < 3 AS manager,
	   pg_temp.pick('project?:' || id, 3) = 0 AS on_project
FROM (SELECT row_number() OVER (ORDER BY f COLLATE "C", l COLLATE "C") - 1 AS n, lower(f || '.' || l) AS id,
			 f AS first, l AS last
	  FROM unnest(string_to_array('Alice Bob Carol David Emma Frank Grace Henry Iris Jack Karen Liam Maria Noah Olivia Peter Quinn Rosa Samuel Tara Uma Victor Wendy Xavier Yara Zoe Aaron Bella Carlos Diana Ethan Fiona George Hannah Ivan Julia Kevin Laura Marcus Nina Oscar Paula Rafael Sofia Thomas Ursula Vera Walter Ximena Yusuf Zara Adam Bianca Cedric Dora Elias Farah Gavin Helen Igor Jana Kai Lena Milo Nora Omar Petra Ravi Sara Theo Ulrich Vivian Wyatt Yoko Zach Amara Boris Chloe Dmitri Elena Felix Gina Hugo Ines Jonas Kira Lars Mona Nils Ona Pablo Rita Stefan Tilda Viggo Wanda Yann Zelda Anton Britta', ' ')) AS f,
		   unnest(string_to_array('Adams Baker Clark Davis Evans Foster Garcia Hughes Ito Jensen Kim Lopez Meyer Novak Olsen Patel Quist Rossi Silva Tanaka Ueda Vargas Weber Xu Young Zhang Abbott Berg Costa Dubois Eriksson Fischer Gupta Haas Ivanov Jones Khan Larsen Moreau Nguyen Okafor Perez Ramos Schmidt Torres Ulman Vogel Wagner Yilmaz Zimmer Ahmed Brandt Castro Diaz Engel Ferrari Gomez Huber Iglesias Jansen Keller Lund Marino Nash Ortiz Park Reyes Santos Thomsen Unger Vidal Winter Yang Ziegler Andersen Bauer Conti Dahl Ellis Frank Grant Hansen Irving Jung Klein Lange Moser Nielsen Owens Pohl Roth Simon Turner Urban Vance Walsh York Zeller Aoki Blum', ' ')) AS l
	 ) p
JOIN team t ON t.n = pg_temp.pick('team:' || id, 300);
CREATE UNIQUE INDEX ON person (n);

/*
 * Folders: / department / area 1-5 / team / year / topic / part.  The tree of
 * the company stands beside the departments'.
 */
CREATE TEMP TABLE folder AS
WITH roots AS (
	SELECT '/' || name AS path FROM department
	UNION ALL SELECT '/company'
), team_folders AS (
	SELECT folder AS path FROM team
	UNION ALL SELECT format('/company/%s/part-%s', a, p)
	FROM generate_series(1, 5) a, generate_series(1, 4) p
), years AS (
	SELECT path || '/' || y AS path FROM team_folders, generate_series(2024, 2026) y
), topics AS (
	SELECT path || '/' || t AS path FROM years, unnest('{plans,notes,reports}'::text[]) t
), parts AS (
	SELECT path || '/' || p AS path FROM topics, unnest('{draft,final}'::text[]) p
), every AS (
	SELECT path FROM roots
	UNION SELECT regexp_replace(path, '/[^/]+$', '') FROM team_folders
	UNION SELECT path FROM team_folders
	UNION SELECT path FROM years
	UNION SELECT path FROM topics
	UNION SELECT path FROM parts
)
SELECT path, nullif(regexp_replace(path, '/[^/]+$', ''), '') AS above,
	   length(path) - length(replace(path, '/', '')) AS depth,
	   row_number() OVER (ORDER BY path COLLATE "C") - 1 AS n
FROM every;
CREATE UNIQUE INDEX ON folder (n);

/* The organisation, departments, teams, and groups that cut across them. */
INSERT INTO authz.entities (uid, attrs, parents)
SELECT pg_temp.uid('Group', 'acme'), '{"title": "Acme"}'::jsonb, '{}'::authz.entity_uid[]
UNION ALL
SELECT pg_temp.uid('Group', name), jsonb_build_object('title', initcap(name)),
	   '{}'::authz.entity_uid[]
FROM unnest('{contractors,managers,auditors,records}'::text[]) AS name
UNION ALL
SELECT pg_temp.uid('Group', name), jsonb_build_object('title', initcap(name)),
	   ARRAY[pg_temp.uid('Group', 'acme')]
FROM department
UNION ALL
SELECT pg_temp.uid('Group', 'project-' || to_char(p, 'FM000')),
	   jsonb_build_object('title', 'Project ' || p), '{}'::authz.entity_uid[]
FROM generate_series(0, 199) p;

/* Each team is in its department; some teams are on a project as a whole. */
INSERT INTO authz.entities (uid, attrs, parents)
SELECT pg_temp.uid('Group', name), jsonb_build_object('title', name),
	   pg_temp.uid('Group', department)
	   || CASE WHEN pg_temp.pick('joint:' || name, 4) = 0
		  THEN ARRAY[pg_temp.uid('Group', 'project-' || to_char(pg_temp.pick('which:' || name, 200), 'FM000'))]
		  ELSE '{}' END
FROM team;

INSERT INTO authz.entities (uid, attrs, parents)
SELECT pg_temp.uid('Folder', path), jsonb_build_object('depth', depth),
	   CASE WHEN above IS NULL THEN '{}'
	   ELSE ARRAY[pg_temp.uid('Folder', above)] END
FROM folder
ORDER BY depth;

INSERT INTO authz.entities (uid, attrs, tags, parents)
SELECT pg_temp.uid('User', id),
	   jsonb_build_object('name', first || ' ' || last,
						  'department', department,
						  'clearance', pg_temp.pick('clearance:' || id, 5),
						  'home', pg_temp.ref('Folder', folder)),
	   CASE WHEN on_project
	   THEN jsonb_build_object('project', 'project-' || to_char(pg_temp.pick('project:' || id, 200), 'FM000'))
	   ELSE '{}'::jsonb END,
	   pg_temp.uid('Group', team)
	   || CASE WHEN contractor THEN ARRAY[pg_temp.uid('Group', 'contractors')] ELSE '{}' END
	   || CASE WHEN manager AND NOT contractor THEN ARRAY[pg_temp.uid('Group', 'managers')] ELSE '{}' END
	   || CASE WHEN department = 'finance' AND NOT contractor AND pg_temp.pick('auditor:' || id, 20) = 0
		  THEN ARRAY[pg_temp.uid('Group', 'auditors')] ELSE '{}' END
	   || CASE WHEN department = 'legal' AND NOT contractor AND pg_temp.pick('records:' || id, 20) = 0
		  THEN ARRAY[pg_temp.uid('Group', 'records')] ELSE '{}' END
FROM person;

/* Documents; the owner is of any team, the folder any of depth three to six. */
INSERT INTO authz.entities (uid, attrs, tags, parents)
SELECT pg_temp.uid('Document', 'doc-' || to_char(d, 'FM000000')),
	   jsonb_build_object(
		   'title', format('%s %s %s',
						   (ARRAY['Budget','Roadmap','Minutes','Contract','Review','Design','Survey','Forecast'])[1 + pg_temp.pick('title:' || d, 8)],
						   2024 + pg_temp.pick('year:' || d, 3), '#' || d),
		   'owner', pg_temp.ref('User', p.id),
		   'classification', (ARRAY['public','internal','internal','internal','internal','internal','confidential','confidential','confidential','secret'])[1 + level],
		   'level', level / 2)
	   || CASE WHEN pg_temp.pick('shared:' || d, 5) < 2
		  THEN jsonb_build_object('shared_with',
			   jsonb_build_array(
				   pg_temp.ref('Group', 'project-' || to_char(pg_temp.pick('with:' || d, 200), 'FM000')),
				   pg_temp.ref('Group', t.name)))
		  ELSE '{}' END
	   || CASE WHEN pg_temp.pick('embargo:' || d, 50) = 0
		  THEN jsonb_build_object('embargo_until',
			   pg_temp.day(date '2026-01-01' + pg_temp.pick('until:' || d, 700)))
		  ELSE '{}' END
	   || CASE WHEN pg_temp.pick('keep:' || d, 10) < 7
		  THEN jsonb_build_object('keep_until',
			   pg_temp.day(date '2025-01-01' + pg_temp.pick('kept:' || d, 1500)))
		  ELSE '{}' END,
	   CASE WHEN pg_temp.pick('tagged:' || d, 4) = 0
	   THEN jsonb_build_object('project', 'project-' || to_char(pg_temp.pick('tag:' || d, 200), 'FM000'))
	   ELSE '{}'::jsonb END
	   || CASE WHEN pg_temp.pick('hold:' || d, 200) = 0
		  THEN '{"legal-hold": "case-17"}'::jsonb ELSE '{}' END,
	   ARRAY[pg_temp.uid('Folder', f.path)]
FROM (SELECT d, pg_temp.pick('level:' || d, 10) AS level,
			 pg_temp.pick('owner:' || d, 10000) AS owner,
			 pg_temp.pick('folder:' || d, (SELECT count(*)::int FROM folder WHERE depth >= 3)) AS place,
			 pg_temp.pick('group:' || d, 300) AS party
	  FROM generate_series(0, 99999) d) x
JOIN person p ON p.n = x.owner
JOIN team t ON t.n = x.party
JOIN (SELECT path, row_number() OVER (ORDER BY path COLLATE "C") - 1 AS n
	  FROM folder WHERE depth >= 3) f ON f.n = x.place;

COMMIT;
ANALYZE authz.entities;
DROP FUNCTION pg_temp.pick, pg_temp.ref, pg_temp.day, pg_temp.uid;
DROP TABLE department, team, person, folder;
