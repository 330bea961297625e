-- Entity types that are rows of the application's own tables.
\pset null '(null)'
SET client_min_messages = warning;
CREATE SCHEMA app;
SET search_path = app, public;
CREATE FUNCTION may(principal text, action text, resource text) RETURNS boolean LANGUAGE sql STABLE
	RETURN authz.authz_check(principal, 'Action::"' || action || '"', resource, '{}'::jsonb);

-- What each type of column is: a policy for each column says the value in Cedar's words.
CREATE TYPE mood AS ENUM ('glad', 'sad');
CREATE DOMAIN price AS numeric(12, 2) CHECK (value >= 0);
CREATE TABLE everything (
	id int PRIMARY KEY, c_text text, c_varchar varchar(10), c_char char(5), c_name name, c_uuid uuid, c_enum mood,
	c_int2 int2, c_int4 int4, c_int8 int8, c_oid oid, c_bool bool, c_numeric numeric, c_domain price,
	c_date date, c_timestamp timestamp, c_timestamptz timestamptz, c_interval interval, c_inet inet, c_cidr cidr, c_inet6 inet,
	c_mac macaddr, c_json json, c_jsonb jsonb, c_ints int[], c_texts text[], c_numerics numeric[], c_empty text[], c_null text,
	a_user int, users int[], kind text, kind_id text);
INSERT INTO everything VALUES (1, 'téxt"\', 'varchar', 'ch', 'nam', 'A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11', 'sad',
	-32768, 2147483647, -9223372036854775808, 4294967295, true, -922337203685477.5808, 12.50,
	'1969-12-31', '2024-10-15 11:35:00.123999', '2024-10-15 13:35:00.123+02', '-1 day 2 hours 3.0009 seconds', '10.0.0.1', '10.1.0.0/16', 'fe80::1/64',
	'08:00:2b:01:02:03', '{"a": [1, 1, "x"], "u": {"__entity": {"type": "User", "id": "7"}}}', '{"d": {"__extn": {"fn": "decimal", "arg": "0.5"}}, "t": true}',
	'{3,1,3}', '{b,a}', '{1.5,2}', '{}', NULL, 7, '{7,8}', 'Doc', 'x');
SELECT authz.map_entity_type('Thing', 'everything', 'id', '{"text": "c_text", "varchar": "c_varchar", "char": "c_char", "name": "c_name",
	"uuid": "c_uuid", "enum": "c_enum", "int2": "c_int2", "int4": "c_int4", "int8": "c_int8", "oid": "c_oid", "bool": "c_bool", "numeric": "c_numeric",
	"domain": "c_domain", "date": "c_date", "timestamp": "c_timestamp", "timestamptz": "c_timestamptz", "interval": "c_interval", "inet": "c_inet",
	"cidr": "c_cidr", "inet6": "c_inet6", "mac": "c_mac", "json": "c_json", "jsonb": "c_jsonb", "ints": "c_ints", "texts": "c_texts",
	"numerics": "c_numerics", "empty": "c_empty", "null": "c_null", "user": {"type": "User", "column": "a_user"}, "users": {"type": "User", "column": "users"},
	"any": {"type_column": "kind", "column": "kind_id"}, "chosen": {"type_column": "kind", "types": {"Doc": "App::Document", "Pic": "App::Picture"}, "column": "kind_id"}}');
CREATE TABLE says (attr text, cedar text);
INSERT INTO says VALUES ('text', '"téxt\"\\"'), ('varchar', '"varchar"'), ('char', '"ch"'), ('name', '"nam"'), ('uuid', '"a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"'),
	('enum', '"sad"'), ('int2', '-32768'), ('int4', '2147483647'), ('int8', '-9223372036854775808'), ('oid', '4294967295'), ('bool', 'true'),
	('numeric', 'decimal("-922337203685477.5808")'), ('domain', 'decimal("12.5")'), ('date', 'datetime("1969-12-31")'),
	('timestamp', 'datetime("2024-10-15T11:35:00.123Z")'), ('timestamptz', 'datetime("2024-10-15T11:35:00.123Z")'),
	('interval', 'duration("-21h59m57s")'), ('inet', 'ip("10.0.0.1")'), ('cidr', 'ip("10.1.0.0/16")'), ('inet6', 'ip("fe80::1/64")'),
	('mac', '"08:00:2b:01:02:03"'), ('json', '{"a": [1, "x"], "u": User::"7"}'), ('jsonb', '{"t": true, "d": decimal("0.5")}'), ('ints', '[1, 3]'),
	('texts', '["a", "b"]'), ('numerics', '[decimal("1.5"), decimal("2.0")]'), ('empty', '[]'), ('user', 'User::"7"'), ('users', '[User::"7", User::"8"]'),
	('any', 'Doc::"x"'), ('chosen', 'App::Document::"x"');
INSERT INTO authz.policies (policy_set, policy_id, policy)
	SELECT 'types', attr, format('permit (principal, action, resource) when { resource[%s] == %s };', to_json(attr), cedar) FROM says
	UNION ALL SELECT 'types', 'null', 'permit (principal, action, resource) when { !(resource has "null") };';
CREATE TABLE decided AS SELECT * FROM authz.authz_decide('User::"1"', 'Action::"view"', 'Thing::"1"', '{}'::jsonb, NULL, 'types');
SELECT decision, cardinality(reasons) AS satisfied, jsonb_pretty(errors) AS errors FROM decided;
SELECT attr, cedar FROM says WHERE attr <> ALL (SELECT unnest(reasons) FROM decided);
-- Each is what the stateless function makes of the same value, too.
SELECT cedar_authorize.value -> 'decision' AS reference FROM (SELECT authz.cedar_authorize(
	(SELECT string_agg(format('forbid (principal, action, resource) unless { resource[%s] == %s };', to_json(attr), cedar), ' ') FROM says WHERE attr IN ('interval', 'timestamp'))
	|| 'permit (principal, action, resource);',
	'[{"uid": {"type": "T", "id": "1"}, "attrs": {"interval": {"__extn": {"fn": "duration", "arg": "-79197s"}}, "timestamp": {"__extn": {"fn": "datetime", "arg": "2024-10-15T11:35:00.123Z"}}}, "parents": []}]',
	'{"principal": "User::\"1\"", "action": "Action::\"view\"", "resource": "T::\"1\"", "context": {}}')) AS cedar_authorize (value);

-- Values that Cedar does not have: the error names the row and the column.
CREATE FUNCTION try(change text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE message text; detail text; state text; answer boolean;
BEGIN
	EXECUTE 'UPDATE everything SET ' || change;
	SELECT authz.authz_check('User::"1"', 'Action::"view"', 'Thing::"1"', '{}'::jsonb, NULL, 'types') INTO answer;
	RAISE EXCEPTION 'no error';
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS message = MESSAGE_TEXT, detail = PG_EXCEPTION_DETAIL, state = RETURNED_SQLSTATE;
	RETURN concat_ws(' | ', state, message, detail);
END $$;
SELECT try(change) FROM (VALUES ('c_numeric = 1.00001'), ('c_numeric = ''NaN'''), ('c_numeric = ''-Infinity'''), ('c_numeric = 922337203685477.5808'), ('c_numeric = 1e30'),
	('c_timestamp = ''infinity'''), ('c_date = ''-infinity'''), ('c_interval = ''1 month'''), ('c_jsonb = ''{"a": null}'''), ('c_jsonb = ''1.5'''), ('c_json = ''{"a": 1, "a": 2}'''),
	('c_json = ''null'''), ('c_ints = ''{1,null}'''), ('c_ints = ''{{1},{2}}'''), ('kind = ''Film'''), ('kind = ''no type''')) v (change);
-- The edges that it does have.
SELECT try(change) FROM (VALUES ('c_numeric = 1.500000'), ('c_numeric = 922337203685477.5807'), ('c_interval = ''100000 days'''), ('c_timestamp = ''4713-01-01 BC'''),
	('kind = NULL'), ('c_jsonb = ''[[], {}]'''), ('c_jsonb = ''"x"''')) v (change);

-- Types that cannot be mapped, and mappings that make no sense.
CREATE TABLE bad (id int PRIMARY KEY, f4 float4, f8 float8, b bytea, r int4range, t time, j jsonb, a int[], ts timestamptz);
\set VERBOSITY default
SELECT authz.map_entity_type('Bad', 'bad', 'id', '["f4"]');
SELECT authz.map_entity_type('Bad', 'bad', 'id', '["f8"]');
SELECT authz.map_entity_type('Bad', 'bad', 'id', '["b"]');
SELECT authz.map_entity_type('Bad', 'bad', 'id', '["r"]');
SELECT authz.map_entity_type('Bad', 'bad', 'id', '["t"]');
SELECT authz.map_entity_type('Bad', 'bad', 'ts');
SELECT authz.map_entity_type('Bad', 'bad', 'a');
SELECT authz.map_entity_type('Bad', 'bad', 'nosuch');
SELECT authz.map_entity_type('Bad', 'bad', 'id,');
SELECT authz.map_entity_type('Bad', 'bad', 'id', '["j", "j"]');
SELECT authz.map_entity_type('Bad', 'bad', 'id', '{"x": 1}');
SELECT authz.map_entity_type('Bad', 'bad', 'id', '"j"');
SELECT authz.map_entity_type('Bad', 'bad', 'id', '{"x": {"type": "User"}}');
SELECT authz.map_entity_type('Bad', 'bad', 'id', '{"x": {"column": "id"}}');
SELECT authz.map_entity_type('Bad', 'bad', 'id', '{"x": {"type": "no type", "column": "id"}}');
SELECT authz.map_entity_type('Bad', 'bad', 'id', '{"x": {"type": "User", "column": "id", "tipe": 1}}');
SELECT authz.map_entity_type('Bad', 'bad', 'id', '{"x": {"type": "User", "column": "ts"}}');
SELECT authz.map_entity_type('Bad', 'bad', 'id', '{"x": {"type": "User", "columns": ["id", "a"]}}');
SELECT authz.map_entity_type('Bad', 'bad', 'id', parents => '{}');
SELECT authz.map_entity_type('Bad', 'bad', 'id', parents => '["id"]');
SELECT authz.map_entity_type('Bad', 'bad', 'id', parents => '[{"table": "bad", "type": "User", "column": "id"}]');
SELECT authz.map_entity_type('Bad', 'bad', 'id', parents => '[{"table": "bad", "id": "id, j", "type": "User", "column": "id"}]');
SELECT authz.map_entity_type('Bad', 'bad', 'id', tags => '{"column": "id"}');
SELECT authz.map_entity_type('Bad', 'bad', 'id', tags => '{"table": "bad", "id": "id"}');
SELECT authz.map_entity_type('Bad', 'bad', 'id', security => 'none');
SELECT authz.map_entity_type('Bad', 'bad', 'id', "where" => 'nosuch');
SELECT authz.map_entity_type('no type', 'bad', 'id');
SELECT authz.map_entity_type('App::Action', 'bad', 'id');
SELECT authz.map_entity_type('Thing', 'bad', 'id');
SELECT authz.unmap_entity_type('Bad');
SELECT authz.entity_mapping_check('Bad');
SELECT count(*) AS views_left FROM pg_class WHERE relnamespace = 'authz_mapping'::regnamespace AND relname LIKE 'Bad%';

-- Ids: the text that the server writes, and no other spelling of the value.
CREATE TABLE by_uuid (id uuid PRIMARY KEY);
INSERT INTO by_uuid VALUES ('a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11');
CREATE TABLE by_char (id char(4) PRIMARY KEY);
INSERT INTO by_char VALUES ('ab');
CREATE TABLE by_two (a text, b int8, PRIMARY KEY (b, a));
INSERT INTO by_two VALUES ('x', 1), ('a/b', 2), ('~0', 3), ('', 4);
CREATE TABLE by_enum (id mood PRIMARY KEY);
INSERT INTO by_enum VALUES ('sad');
CREATE COLLATION insensitive (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
CREATE TABLE by_text (id text COLLATE insensitive PRIMARY KEY);
INSERT INTO by_text VALUES ('Bob');
SELECT authz.map_entity_type('ByUuid', 'by_uuid', 'id'), authz.map_entity_type('ByChar', 'by_char', 'id'), authz.map_entity_type('ByTwo', 'by_two', 'a, b'),
	authz.map_entity_type('ByEnum', 'by_enum', 'id'), authz.map_entity_type('ByText', 'by_text', 'id');
INSERT INTO authz.policies (policy_set, policy_id, policy) VALUES ('there', 'there', 'permit (principal, action, resource) when { principal.nothing };');
-- Asked for an attribute that there is none: an entity that is there says so, one that is not says that.
CREATE FUNCTION is_there(uid authz.entity_uid) RETURNS boolean LANGUAGE sql STABLE
	RETURN (SELECT errors #>> '{0,error,message}' !~ 'does not exist' FROM authz.authz_decide(uid, 'Action::"view"', 'Doc::"1"', '{}'::jsonb, NULL, 'there'));
SELECT uid, is_there(uid) FROM (VALUES (authz.entity_uid('Thing', '1')), (authz.entity_uid('Thing', '01')), (authz.entity_uid('Thing', '+1')), (authz.entity_uid('Thing', ' 1')),
	(authz.entity_uid('Thing', '-0')), (authz.entity_uid('Thing', '')), (authz.entity_uid('Thing', '2147483648')), (authz.entity_uid('Thing', '99999999999999999999')), (authz.entity_uid('Thing', '1.0')),
	(authz.entity_uid('ByUuid', 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11')), (authz.entity_uid('ByUuid', 'A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11')),
	(authz.entity_uid('ByUuid', '{a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11}')), (authz.entity_uid('ByUuid', 'a0eebc999c0b4ef8bb6d6bb9bd380a11')),
	(authz.entity_uid('ByChar', 'ab')), (authz.entity_uid('ByChar', 'ab  ')), (authz.entity_uid('ByChar', 'a')),
	(authz.entity_uid('ByTwo', 'x/1')), (authz.entity_uid('ByTwo', 'a~1b/2')), (authz.entity_uid('ByTwo', 'a/b/2')), (authz.entity_uid('ByTwo', '~00/3')), (authz.entity_uid('ByTwo', '~0/3')),
	(authz.entity_uid('ByTwo', '/4')), (authz.entity_uid('ByTwo', 'x/01')), (authz.entity_uid('ByTwo', 'x')), (authz.entity_uid('ByTwo', 'x~2/1')), (authz.entity_uid('ByTwo', 'x/1/')),
	(authz.entity_uid('ByEnum', 'sad')), (authz.entity_uid('ByEnum', 'glad')), (authz.entity_uid('ByEnum', 'nosuch')), (authz.entity_uid('ByEnum', repeat('x', 80))),
	(authz.entity_uid('ByText', 'Bob')), (authz.entity_uid('ByText', 'bob'))) v (uid);

-- An unmodified Django schema.
CREATE TABLE auth_user (id serial PRIMARY KEY, password varchar(128) NOT NULL, last_login timestamptz, is_superuser boolean NOT NULL, username varchar(150) NOT NULL UNIQUE,
	first_name varchar(150) NOT NULL, last_name varchar(150) NOT NULL, email varchar(254) NOT NULL, is_staff boolean NOT NULL, is_active boolean NOT NULL, date_joined timestamptz NOT NULL);
CREATE TABLE auth_group (id serial PRIMARY KEY, name varchar(150) NOT NULL UNIQUE);
CREATE TABLE auth_user_groups (id bigserial PRIMARY KEY, user_id integer NOT NULL REFERENCES auth_user DEFERRABLE INITIALLY DEFERRED,
	group_id integer NOT NULL REFERENCES auth_group DEFERRABLE INITIALLY DEFERRED, UNIQUE (user_id, group_id));
CREATE INDEX auth_user_groups_user_id ON auth_user_groups (user_id);
CREATE INDEX auth_user_groups_group_id ON auth_user_groups (group_id);
CREATE TABLE django_content_type (id serial PRIMARY KEY, app_label varchar(100) NOT NULL, model varchar(100) NOT NULL, UNIQUE (app_label, model));
CREATE TABLE blog_post (id bigserial PRIMARY KEY, title varchar(200) NOT NULL, author_id integer NOT NULL REFERENCES auth_user, deleted_at timestamptz);
CREATE TABLE comments (id bigserial PRIMARY KEY, content_type_id integer NOT NULL REFERENCES django_content_type, object_id text NOT NULL, author_id integer REFERENCES auth_user);
INSERT INTO auth_user (password, is_superuser, username, first_name, last_name, email, is_staff, is_active, date_joined)
	SELECT 'pbkdf2', i = 1, 'user' || i, 'F', 'L', 'u' || i || '@example.org', i <= 2, i <> 6, '2024-01-01' FROM generate_series(1, 6) i;
INSERT INTO auth_group (name) VALUES ('editors'), ('readers');
INSERT INTO auth_user_groups (user_id, group_id) VALUES (2, 1), (3, 2), (6, 1);
INSERT INTO django_content_type (app_label, model) VALUES ('blog', 'post'), ('auth', 'user');
INSERT INTO blog_post (title, author_id, deleted_at) VALUES ('first', 3, NULL), ('gone', 3, now());
INSERT INTO comments (content_type_id, object_id, author_id) VALUES (1, '1', 4), (2, '3', NULL);
SELECT authz.map_entity_type('User', 'auth_user', id => 'id',
	attrs => '["username", "is_superuser", "is_staff", "last_login"]',
	parents => '[{"table": "auth_user_groups", "id": "user_id", "type": "Group", "column": "group_id"}]',
	"where" => 'is_active');
SELECT authz.map_entity_type('Group', 'auth_group', id => 'id', attrs => '["name"]');
SELECT authz.map_entity_type('Post', 'blog_post', id => 'id',
	attrs => '{"title": "title", "author": {"type": "User", "column": "author_id"}}', "where" => 'deleted_at IS NULL');
SELECT authz.map_entity_type('Comment', 'comments', id => 'id',
	attrs => '{"author": {"type": "User", "column": "author_id"}}',
	parents => '[{"type_column": "content_type_id", "types": {"1": "Post", "2": "User"}, "column": "object_id"}]');
SELECT entity_type, authz.entity_mapping_check(entity_type) FROM authz.entity_mappings ORDER BY 1;
INSERT INTO authz.policies (policy_id, policy) VALUES
	('superuser', 'permit (principal, action, resource) when { principal has is_superuser && principal.is_superuser };'),
	('editors', 'permit (principal in Group::"1", action == Action::"edit", resource is Post) when { resource has title };'),
	('authors', 'permit (principal, action == Action::"edit", resource) when { resource has author && resource.author == principal };'),
	('thread', 'permit (principal, action == Action::"reply", resource in Post::"1");'),
	('stored', 'permit (principal in Team::"all", action == Action::"join", resource);');
-- Beside each decision what the tables say.
SELECT u.id, p.id AS post, may('User::"' || u.id || '"', 'edit', 'Post::"' || p.id || '"') AS edit,
	u.is_active AND u.is_superuser OR p.deleted_at IS NULL
		AND (u.is_active AND EXISTS (SELECT FROM auth_user_groups g WHERE g.user_id = u.id AND g.group_id = 1) OR p.author_id = u.id) AS plain
FROM auth_user u, blog_post p ORDER BY 1, 2;
SELECT may('User::"5"', 'reply', 'Comment::"1"') AS in_post, may('User::"5"', 'reply', 'Comment::"2"') AS not_in_post, may('User::"4"', 'edit', 'Comment::"1"') AS own;
-- Mapped and stored entities are in one hierarchy: a group of the application in a stored team, and the other way round.
UPDATE auth_user_groups SET group_id = 2 WHERE user_id = 2;
SELECT authz.unmap_entity_type('Group');
INSERT INTO authz.entities (uid, parents) VALUES ('Group::"2"', '{"Team::\"readers\""}'), ('Team::"readers"', '{"Team::\"all\""}');
SELECT may('User::"3"', 'join', 'Doc::"1"') AS through_stored_group, may('User::"4"', 'join', 'Doc::"1"') AS not_a_member;
CREATE TABLE team (name text PRIMARY KEY, above text);
INSERT INTO team VALUES ('readers', 'all');
SELECT authz.map_entity_type('Team', 'team', 'name', parents => '[{"type": "Team", "column": "above"}]');
SELECT may('User::"3"', 'join', 'Doc::"1"') AS through_mapped_team;
UPDATE team SET above = NULL;
SELECT may('User::"3"', 'join', 'Doc::"1"') AS team_has_left;
-- A cycle is met on the way and raised: there is no trigger on the application's tables.
INSERT INTO team VALUES ('a', 'b'), ('b', 'a');
INSERT INTO authz.entities (uid, parents) VALUES ('Doc::"looped"', '{"Team::\"a\""}');
SELECT may('Doc::"looped"', 'join', 'Doc::"1"');

-- A membership's rows, arrays and several columns as parents; tags in a column and in a table; a partitioned table; a view.
CREATE TABLE part (tenant text, n int, boss int, labels jsonb, groups text[], PRIMARY KEY (tenant, n)) PARTITION BY LIST (tenant);
CREATE TABLE part_a PARTITION OF part FOR VALUES IN ('a');
CREATE TABLE part_b PARTITION OF part FOR VALUES IN ('b');
CREATE TABLE part_tag (tenant text, n int, key text, value numeric, PRIMARY KEY (tenant, n, key));
INSERT INTO part VALUES ('a', 1, 2, '{"env": "prod"}', '{x,y}'), ('a', 2, NULL, NULL, NULL), ('b', 1, NULL, '{}', '{}');
INSERT INTO part_tag VALUES ('a', 1, 'cost', 1.5), ('a', 1, 'tax', 2), ('b', 1, 'cost', 9);
SELECT authz.map_entity_type('Part', 'part', 'tenant, n', parents => '[{"type": "Part", "columns": ["tenant", "boss"]}, {"type": "Group", "column": "groups"}]', tags => '{"column": "labels"}');
CREATE VIEW parts AS SELECT tenant || '-' || n AS id, tenant, n FROM part WHERE tenant <> 'b';
SELECT authz.map_entity_type('PartView', 'parts', 'id', attrs => '["tenant"]');
SELECT authz.map_entity_type('Tagged', 'part_tag', 'tenant, n, key', tags => '{"table": "part_tag", "id": "tenant, n, key", "key": "key", "value": "value"}');
INSERT INTO authz.policies (policy_set, policy_id, policy) VALUES
	('part', 'boss', 'permit (principal in Part::"a/2", action, resource);'), ('part', 'group', 'permit (principal in Group::"y", action, resource);'),
	('part', 'tag', 'permit (principal, action, resource) when { principal.hasTag("env") && principal.getTag("env") == "prod" };'),
	('part', 'cost', 'permit (principal, action, resource) when { principal.hasTag("cost") && principal.getTag("cost").greaterThan(decimal("1.0")) };'),
	('part', 'view', 'permit (principal, action, resource) when { principal has tenant && principal.tenant == "a" };');
SELECT uid, reasons, errors FROM (VALUES ('Part::"a/1"'), ('Part::"b/1"'), ('Part::"a/2"'), ('PartView::"a-1"'), ('PartView::"b-1"'), ('Tagged::"a/1/cost"'), ('Tagged::"a/1/tax"')) v (uid),
	LATERAL authz.authz_decide(uid, 'Action::"view"', 'Doc::"1"', '{}'::jsonb, NULL, 'part');
SELECT entity_type, authz.entity_mapping_check(entity_type) FROM authz.entity_mappings WHERE entity_type LIKE '%art%' OR entity_type = 'Tagged' ORDER BY 1;
-- A partition that is detached takes its rows along; attached, it brings them.
ALTER TABLE part DETACH PARTITION part_a;
SELECT reasons FROM authz.authz_decide('Part::"a/1"', 'Action::"view"', 'Doc::"1"', '{}'::jsonb, NULL, 'part');
ALTER TABLE part ATTACH PARTITION part_a FOR VALUES IN ('a');
SELECT reasons FROM authz.authz_decide('Part::"a/1"', 'Action::"view"', 'Doc::"1"', '{}'::jsonb, NULL, 'part');

-- However the same rows are reached, they decide the same; entities => lays itself over each for one decision.
CREATE TABLE same (id int, level int, above int, PRIMARY KEY (id));
INSERT INTO same SELECT i, i % 5, nullif(i / 3, 0) FROM generate_series(1, 30) i;
CREATE TABLE same_parted (id int PRIMARY KEY, level int, above int) PARTITION BY HASH (id);
CREATE TABLE same_parted_0 PARTITION OF same_parted FOR VALUES WITH (MODULUS 2, REMAINDER 0);
CREATE TABLE same_parted_1 PARTITION OF same_parted FOR VALUES WITH (MODULUS 2, REMAINDER 1);
INSERT INTO same_parted TABLE same;
CREATE VIEW same_view AS TABLE same;
SELECT count(authz.map_entity_type(t, r::regclass, 'id', '["level"]', format('[{"type": "%s", "column": "above"}]', t)::jsonb, security => CASE t WHEN 'SameInvoker' THEN 'invoker' ELSE 'owner' END)::text) AS mapped
	FROM (VALUES ('Same', 'same'), ('SameParted', 'same_parted'), ('SameView', 'same_view'), ('SameInvoker', 'same')) v (t, r);
INSERT INTO authz.policies (policy_set, policy_id, policy) VALUES ('same', 'level', 'permit (principal, action == Action::"view", resource) when { resource.level > principal.level };'),
	('same', 'extra', 'permit (principal, action == Action::"view", resource) when { principal has extra && principal.extra };');
INSERT INTO authz.policies (policy_set, policy_id, policy) SELECT 'same', 'in ' || t, format('permit (principal in %s::"2", action == Action::"in", resource);', t) FROM unnest('{Same,SameParted,SameView,SameInvoker}'::text[]) t;
CREATE VIEW same_decisions AS
	WITH RECURSIVE up AS (SELECT id, id AS at FROM same UNION SELECT up.id, same.above FROM up JOIN same ON same.id = up.at WHERE above IS NOT NULL)
	SELECT t, o AS overlaid, count(*) AS asked, count(*) FILTER (WHERE p.level < r.level OR o) AS may,
		count(*) FILTER (WHERE authz.authz_check(authz.entity_uid(t, p.id::text), 'Action::"view"', authz.entity_uid(t, r.id::text), '{}', given, 'same') <> (p.level < r.level OR o)) AS view_differs,
		count(*) FILTER (WHERE authz.authz_check(authz.entity_uid(t, p.id::text), 'Action::"in"', authz.entity_uid(t, r.id::text), '{}', given, 'same')
			<> EXISTS (SELECT FROM up WHERE up.id = p.id AND (up.at = 2 OR o AND p.id = 29))) AS in_differs
	FROM unnest('{Same,SameParted,SameView,SameInvoker}'::text[]) t, (VALUES (false), (true)) v (o), same p, same r,
		LATERAL (SELECT CASE WHEN o THEN jsonb_build_array(jsonb_build_object('uid', jsonb_build_object('type', t, 'id', p.id::text), 'attrs', '{"extra": true}'::jsonb,
			'parents', CASE WHEN p.id = 29 THEN jsonb_build_array(jsonb_build_object('type', t, 'id', '2')) ELSE '[]' END)) END AS given) g
	WHERE r.id <= 10 GROUP BY 1, 2 ORDER BY 1, 2;
SELECT * FROM same_decisions;
-- It was for one decision: what is kept of the row has none of it.
SELECT t, authz.authz_check(authz.entity_uid(t, '29'), 'Action::"in"', 'Doc::"1"', '{}', NULL, 'same') AS "in",
	authz.authz_check(authz.entity_uid(t, '29'), 'Action::"view"', authz.entity_uid(t, '1'), '{}', NULL, 'same') AS view FROM unnest('{Same,SameParted,SameView,SameInvoker}'::text[]) t;
DELETE FROM authz.policies WHERE policy_set = 'same';
SELECT count(authz.unmap_entity_type(t)::text) AS unmapped FROM unnest('{Same,SameParted,SameView,SameInvoker}'::text[]) t;
DROP VIEW same_decisions, same_view;
DROP TABLE same, same_parted;

-- What a mapping depends on stays as it is.
ALTER TABLE auth_user DROP COLUMN username;
ALTER TABLE auth_user ALTER COLUMN is_staff TYPE int USING is_staff::int;
DROP TABLE auth_user_groups;
-- Names may change.
ALTER TABLE auth_user RENAME COLUMN is_superuser TO super;
ALTER TABLE auth_user RENAME TO account;
ALTER TABLE account SET SCHEMA public;
SELECT may('User::"1"', 'delete', 'Doc::"1"') AS still_mapped, may('User::"2"', 'delete', 'Doc::"1"') AS no_superuser;
-- Others' mappings work on when one is gone with its table; that one raises.
DROP TABLE blog_post CASCADE;
SELECT may('User::"1"', 'delete', 'Doc::"1"') AS works;
SELECT may('User::"2"', 'edit', 'Post::"1"');
SELECT authz.unmap_entity_type('Post');
SELECT may('User::"2"', 'edit', 'Post::"1"') AS not_mapped;

-- Rights: the mapper's, checked when it maps and when it is used; or the caller's, with row-level security.
CREATE ROLE regress_mapper;
CREATE ROLE regress_caller;
GRANT USAGE ON SCHEMA app TO regress_mapper, regress_caller;
GRANT EXECUTE ON FUNCTION authz.authz_check(authz.entity_uid, authz.entity_uid, authz.entity_uid, jsonb, jsonb, text) TO regress_caller;
CREATE TABLE secret (id int PRIMARY KEY, owner name, hidden text);
INSERT INTO secret VALUES (1, 'regress_caller', 'x'), (2, 'somebody', 'y');
ALTER TABLE secret ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON secret USING (owner = current_user);
INSERT INTO authz.policies (policy_set, policy_id, policy) VALUES ('secret', 'there', 'permit (principal, action, resource) when { resource has owner };');
SET ROLE regress_mapper;
SELECT authz.map_entity_type('Secret', 'app.secret', 'id', '["owner"]');
RESET ROLE;
SELECT authz.entity_mapper_grant('regress_mapper');
SET ROLE regress_mapper;
SELECT authz.map_entity_type('Secret', 'app.secret', 'id', '["owner"]');
RESET ROLE;
GRANT SELECT (id, owner) ON secret TO regress_mapper;
SET ROLE regress_mapper;
SELECT authz.map_entity_type('Secret', 'app.secret', 'id', '["owner", "hidden"]');
SELECT authz.map_entity_type('Secret', 'app.secret', 'id', '["owner"]');
SET ROLE regress_caller;
SELECT id, authz.authz_check('User::"1"', 'Action::"view"', authz.entity_uid('Secret', id::text), '{}', NULL, 'secret') FROM generate_series(1, 3) id;
SELECT * FROM authz_mapping."Secret";
RESET ROLE;
REVOKE SELECT (owner) ON secret FROM regress_mapper;
SET ROLE regress_caller;
SELECT authz.authz_check('User::"1"', 'Action::"view"', 'Secret::"1"', '{}', NULL, 'secret');
RESET ROLE;
SELECT authz.unmap_entity_type('Secret');
SELECT authz.map_entity_type('Secret', 'app.secret', 'id', '["owner"]', security => 'invoker');
SET ROLE regress_caller;
SELECT authz.authz_check('User::"1"', 'Action::"view"', 'Secret::"1"', '{}', NULL, 'secret');
RESET ROLE;
GRANT SELECT ON secret TO regress_caller;
SET ROLE regress_caller;
SELECT id, authz.authz_check('User::"1"', 'Action::"view"', authz.entity_uid('Secret', id::text), '{}', NULL, 'secret') FROM generate_series(1, 3) id;
RESET ROLE;
-- What a mapper's view calls does not run with a superuser's rights.
CREATE SCHEMA lair AUTHORIZATION regress_mapper;
SET ROLE regress_mapper;
CREATE TABLE lair.trap AS SELECT 1 AS id;
CREATE FUNCTION lair.spring(id int) RETURNS boolean LANGUAGE plpgsql AS
	$$ BEGIN RAISE WARNING 'sprung by %', current_user; RETURN true; END $$;
SELECT authz.map_entity_type('Trap', 'lair.trap', 'id', "where" => 'lair.spring(id)', security => 'invoker');
RESET ROLE;
SELECT authz.authz_check('User::"1"', 'Action::"view"', 'Trap::"1"', '{}', NULL, 'secret');
INSERT INTO authz.policies (policy_set, policy_id, policy) VALUES ('trap', 'all', 'permit (principal, action, resource);');
SELECT authz.authz_resources('User::"1"', 'Action::"view"', 'Trap', policy_set => 'trap');
DELETE FROM authz.policies WHERE policy_set = 'trap';
SET ROLE regress_mapper;
CREATE VIEW lair.bait AS SELECT id FROM lair.trap WHERE lair.spring(id);
RESET ROLE;
-- By a name that is the same wherever this runs.
CREATE ROLE regress_admin SUPERUSER;
SET ROLE regress_admin;
CREATE VIEW lair.over AS SELECT id FROM (SELECT b.id FROM lair.bait b) x;
\set SHOW_CONTEXT never
SELECT authz.map_entity_type('Bait', 'lair.bait', 'id');
SELECT authz.map_entity_type('Bait', 'lair.over', 'id');
SELECT authz.map_entity_type('Bait', 'lair.trap', 'id', "where" => 'id IN (SELECT id FROM lair.bait)', security => 'invoker');
-- Nor what a function of others does, in the mapping's own condition or in a superuser's view.
SELECT authz.map_entity_type('Bait', 'lair.trap', 'id', "where" => 'lair.spring(id)');
CREATE VIEW lair.under AS SELECT id FROM lair.trap WHERE (SELECT lair.spring(id)) ORDER BY lair.spring(id);
SELECT authz.map_entity_type('Bait', 'lair.under', 'id');
\set SHOW_CONTEXT errors
-- Nor a foreign table of others, which a wrapper reads as who has mapped it.
RESET ROLE;
CREATE FOREIGN DATA WRAPPER regress_wrapper;
CREATE SERVER regress_server FOREIGN DATA WRAPPER regress_wrapper;
GRANT USAGE ON FOREIGN SERVER regress_server TO regress_mapper;
SET ROLE regress_mapper;
CREATE FOREIGN TABLE lair.abroad (id int) SERVER regress_server;
CREATE TABLE lair.whole (id int) PARTITION BY LIST (id);
CREATE FOREIGN TABLE lair.part PARTITION OF lair.whole FOR VALUES IN (1) SERVER regress_server;
CREATE TABLE lair.parent (id int);
CREATE FOREIGN TABLE lair.child () INHERITS (lair.parent) SERVER regress_server;
SELECT authz.map_entity_type('Abroad', 'lair.abroad', 'id');
SELECT authz.unmap_entity_type('Abroad');
SET ROLE regress_admin;
\set SHOW_CONTEXT never
SELECT authz.map_entity_type('Bait', 'lair.abroad', 'id');
SELECT authz.map_entity_type('Bait', 'lair.whole', 'id');
SELECT authz.map_entity_type('Bait', 'lair.parent', 'id');
SELECT authz.map_entity_type('Bait', 'lair.trap', 'id', "where" => 'id IN (SELECT id FROM lair.whole)');
\set SHOW_CONTEXT errors
-- Nor one that changes hands later.
ALTER FOREIGN TABLE lair.part OWNER TO CURRENT_USER;
SELECT authz.map_entity_type('Bait', 'lair.trap', 'id', "where" => 'id IN (SELECT id FROM lair.whole)');
SELECT authz.authz_check('User::"1"', 'Action::"view"', 'Bait::"1"', '{}', NULL, 'secret');
ALTER FOREIGN TABLE lair.part OWNER TO regress_mapper;
SELECT authz.authz_check('User::"1"', 'Action::"view"', 'Bait::"1"', '{}', NULL, 'secret');
SELECT authz.unmap_entity_type('Bait');
-- A view that changes hands after it was mapped.
ALTER VIEW lair.bait OWNER TO CURRENT_USER;
ALTER FUNCTION lair.spring(int) OWNER TO CURRENT_USER;
SELECT authz.map_entity_type('Bait', 'lair.over', 'id');
SELECT authz.authz_check('User::"1"', 'Action::"view"', 'Bait::"1"', '{}', NULL, 'secret');
ALTER VIEW lair.bait OWNER TO regress_mapper;
SELECT authz.authz_check('User::"1"', 'Action::"view"', 'Bait::"1"', '{}', NULL, 'secret');
SELECT authz.unmap_entity_type('Bait');
SELECT authz.unmap_entity_type('Trap');
-- The planner calls what the owner of a table has written into an index, and a table can become a view (until
-- PostgreSQL 15): neither gets the rights of a superuser who has mapped it.
SET ROLE regress_mapper;
CREATE FUNCTION lair.is_mine(int) RETURNS boolean LANGUAGE plpgsql IMMUTABLE AS $$
BEGIN
	IF current_user <> 'regress_mapper' THEN
		RAISE EXCEPTION 'sprung by another';
	END IF;
	RETURN true;
END $$;
CREATE TABLE lair.planned (id int NOT NULL, n int);
INSERT INTO lair.planned VALUES (1, 2);
CREATE INDEX planned_index ON lair.planned (id) WHERE lair.is_mine(1);
CREATE TABLE lair.parted (id int NOT NULL, n int) PARTITION BY LIST (id);
CREATE TABLE lair.parted_1 PARTITION OF lair.parted FOR VALUES IN (1);
INSERT INTO lair.parted VALUES (1, 2);
CREATE INDEX ON lair.parted (n) WHERE lair.is_mine(2);
CREATE TABLE lair.turned (id int NOT NULL, n int);
RESET ROLE;
SELECT authz.map_entity_type('Planned', 'lair.planned', 'id', attrs => '["n"]'), authz.map_entity_type('Parted', 'lair.parted', 'id', attrs => '["n"]'),
	authz.map_entity_type('Asked', 'lair.planned', 'id', attrs => '["n"]', security => 'invoker'), authz.map_entity_type('Turned', 'lair.turned', 'id', attrs => '["n"]');
INSERT INTO authz.policies (policy_set, policy_id, policy) VALUES ('planned', 'two', 'permit (principal, action, resource) when { resource.n == 2 };');
SELECT t, authz.authz_check('User::"1"', 'Action::"view"', authz.entity_uid(t, '1'), '{}', NULL, 'planned') FROM unnest('{Planned,Parted,Asked}'::text[]) t;
SELECT t, authz.authz_resources('User::"1"', 'Action::"view"', t, policy_set => 'planned') FROM unnest('{Planned,Parted}'::text[]) t;
SET ROLE regress_mapper;
DO $$ BEGIN
	CREATE RULE "_RETURN" AS ON SELECT TO lair.turned DO INSTEAD SELECT 1 AS id, 2 AS n WHERE lair.is_mine(1 + length(current_setting('search_path')));
EXCEPTION WHEN wrong_object_type THEN
	NULL;
END $$;
RESET ROLE;
DO $$ BEGIN
	PERFORM authz.authz_check('User::"1"', 'Action::"view"', 'Turned::"1"', '{}', NULL, 'planned');
	RAISE NOTICE 'not sprung';
EXCEPTION WHEN insufficient_privilege THEN
	RAISE NOTICE 'not sprung';
END $$;
DO $$ BEGIN
	PERFORM authz.authz_resources('User::"1"', 'Action::"view"', 'Turned', policy_set => 'planned');
	RAISE NOTICE 'not sprung';
EXCEPTION WHEN insufficient_privilege THEN
	RAISE NOTICE 'not sprung';
END $$;
-- Nor does what a mapping calls find the caller's objects, or set anything for who asks.
CREATE FUNCTION app.helper(int) RETURNS boolean LANGUAGE sql AS 'SELECT true';
CREATE FUNCTION app.calls(int) RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN RETURN helper($1); END $$;
SELECT authz.map_entity_type('Calling', 'lair.planned', 'id', attrs => '["n"]', "where" => 'app.calls(id)');
SET ROLE regress_mapper;
CREATE FUNCTION lair.helper(int) RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN RETURN lair.is_mine($1); END $$;
CREATE FUNCTION lair.poison(int) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
	PERFORM set_config('search_path', 'lair', false), set_config('request.jwt.claims', '{"sub": "root"}', false);
	RETURN true;
END $$;
CREATE VIEW lair.poisonous AS SELECT * FROM lair.planned WHERE lair.poison(id);
SELECT authz.map_entity_type('Poisonous', 'lair.poisonous', 'id', attrs => '["n"]');
RESET ROLE;
BEGIN;
SET LOCAL search_path = lair, app;
DO $$ BEGIN
	PERFORM authz.authz_check('User::"1"', 'Action::"view"', 'Calling::"1"', '{}', NULL, 'planned');
	RAISE WARNING 'found the caller''s';
EXCEPTION WHEN undefined_function THEN
	RAISE WARNING 'found none';
END $$;
ROLLBACK;
SELECT authz.authz_check('User::"1"', 'Action::"view"', 'Poisonous::"1"', '{}', NULL, 'planned');
SELECT authz.authz_resources('User::"1"', 'Action::"view"', 'Poisonous', policy_set => 'planned');
SELECT current_setting('search_path') LIKE '%lair%' AS path, current_setting('request.jwt.claims', true) LIKE '%root%' AS claims;
SELECT authz.unmap_entity_type('Calling'), authz.unmap_entity_type('Poisonous');
DELETE FROM authz.policies WHERE policy_set = 'planned';
SELECT authz.unmap_entity_type('Planned'), authz.unmap_entity_type('Parted'), authz.unmap_entity_type('Asked'), authz.unmap_entity_type('Turned');
DROP SCHEMA lair CASCADE;
RESET ROLE;
DROP FOREIGN DATA WRAPPER regress_wrapper CASCADE;
DROP ROLE regress_admin;

-- A view that asks for a decision while one is being made.
CREATE FUNCTION asks(id int) RETURNS boolean LANGUAGE plpgsql STABLE AS $$
BEGIN
	RETURN authz.authz_check('User::"1"', 'Action::"delete"', authz.entity_uid('Doc', id::text), '{"n": 1}'::jsonb);
END $$;
CREATE VIEW asking AS SELECT id, owner FROM secret WHERE asks(id);
SELECT authz.map_entity_type('Asking', 'asking', 'id', '["owner"]');
SELECT authz.authz_check(authz.entity_uid('Asking', i::text), 'Action::"view"', authz.entity_uid('Asking', i::text), '{"m": 2}', NULL, 'secret') FROM generate_series(1, 3) i;
CREATE VIEW endless AS SELECT id FROM secret WHERE authz.authz_check(authz.entity_uid('Endless', id::text), 'Action::"view"', authz.entity_uid('Endless', id::text), '{}', NULL, 'there');
SELECT authz.map_entity_type('Endless', 'endless', 'id');
\set SHOW_CONTEXT never
SET max_stack_depth = '300kB';
SELECT authz.authz_check('Endless::"1"', 'Action::"view"', 'Endless::"1"', '{}', NULL, 'there');
RESET max_stack_depth;
\set SHOW_CONTEXT errors

-- A mapping that is rolled back never was.
BEGIN;
SELECT authz.unmap_entity_type('Secret');
SELECT authz.authz_check('User::"1"', 'Action::"view"', 'Secret::"1"', '{}', NULL, 'secret') AS unmapped;
ROLLBACK;
SELECT authz.authz_check('User::"1"', 'Action::"view"', 'Secret::"1"', '{}', NULL, 'secret') AS mapped_again;
BEGIN;
SAVEPOINT s;
SELECT authz.map_entity_type('Late', 'secret', 'id', '["owner"]');
SELECT authz.authz_check('User::"1"', 'Action::"view"', 'Late::"1"', '{}', NULL, 'secret') AS mapped;
ROLLBACK TO s;
SELECT authz.authz_check('User::"1"', 'Action::"view"', 'Late::"1"', '{}', NULL, 'secret') AS not_mapped;
COMMIT;

-- An inner statement of a command that is writing sees the rows so far, each time more of them.
CREATE TABLE counted (id int PRIMARY KEY, n int);
SELECT authz.map_entity_type('Counted', 'counted', 'id', '["n"]');
CREATE TABLE seen (n int, was boolean, plain boolean);
CREATE FUNCTION look() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	INSERT INTO seen SELECT NEW.n, authz.authz_check('User::"1"', 'Action::"view"', 'Counted::"2"', '{}'::jsonb, NULL, 'counted'),
		EXISTS (SELECT FROM counted WHERE id = 2);
	RETURN NEW;
END $$;
CREATE FUNCTION look_only() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE was boolean; plain boolean;
BEGIN
	was := authz.authz_check('User::"1"', 'Action::"view"', 'Counted::"2"', '{}'::jsonb, NULL, 'counted');
	plain := EXISTS (SELECT FROM counted WHERE id = 2);
	IF was <> plain THEN
		RAISE EXCEPTION 'row %: authz_check says %', NEW.n, was;
	END IF;
	RETURN NEW;
END $$;
INSERT INTO authz.policies (policy_set, policy_id, policy) VALUES ('counted', 'there', 'permit (principal, action, resource) when { resource has n };');
CREATE TRIGGER look BEFORE INSERT ON counted FOR EACH ROW EXECUTE FUNCTION look();
CREATE TRIGGER look_only BEFORE INSERT ON counted FOR EACH ROW EXECUTE FUNCTION look_only();
INSERT INTO counted SELECT i, i FROM generate_series(1, 4) i;
SELECT * FROM seen ORDER BY n;
DELETE FROM counted;
DROP TRIGGER look ON counted;
BEGIN;
INSERT INTO counted SELECT i, i FROM generate_series(1, 4) i;
SELECT authz.authz_check('User::"1"', 'Action::"view"', 'Counted::"2"', '{}'::jsonb, NULL, 'counted') AS "after";
COMMIT;

SELECT authz.unmap_entity_type(entity_type) FROM authz.entity_mappings ORDER BY entity_type COLLATE "C";
SELECT count(*) AS views_left FROM pg_class WHERE relnamespace = 'authz_mapping'::regnamespace;
DROP OWNED BY regress_mapper, regress_caller;
DROP ROLE regress_mapper, regress_caller;
DELETE FROM authz.policies;
DELETE FROM authz.policy_versions;
DELETE FROM authz.entities;
SET client_min_messages = error;
DROP SCHEMA app CASCADE;
DROP TABLE public.account CASCADE;
