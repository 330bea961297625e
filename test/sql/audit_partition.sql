-- Audit by month: a default partition that has grown is emptied step by step;
-- every record is seen once at any time.
\pset null '(null)'
\set SHOW_CONTEXT never
\set VERBOSITY terse
SET timezone = 'UTC';
DELETE FROM authz.audit_logs;
SELECT count(*) >= 0 AS this_month_and_the_next FROM authz.maintain();
CREATE VIEW pg_temp.seen AS SELECT count(*) AS records, count(DISTINCT id) AS ids, sum((details->>'n')::integer) AS sum FROM authz.audit_logs WHERE event = 'test';
CREATE FUNCTION pg_temp.put(at timestamptz, n integer) RETURNS void LANGUAGE sql AS
	$$INSERT INTO authz.audit_logs (created_at, event, details) VALUES (at, 'test', jsonb_build_object('n', n))$$;

-- Two months, with many of one moment, and times that are in no month.
SELECT pg_temp.put(timestamptz '2001-02-01' + n * interval '1 day', n) FROM generate_series(0, 27) n \g /dev/null
SELECT pg_temp.put('2001-02-14', 100) FROM generate_series(1, 20) n \g /dev/null
SELECT pg_temp.put(t::timestamptz, 1000) FROM unnest('{2001-03-31 23:59:59.999999, infinity, -infinity, 0044-03-15 12:00:00 BC, 20000-01-01}'::text[]) t \g /dev/null
SELECT * FROM pg_temp.seen;
SELECT * FROM authz.audit_months_due();

-- An attempt that is rolled back was none.
BEGIN;
SELECT * FROM authz.audit_move();
ROLLBACK;
BEGIN ISOLATION LEVEL REPEATABLE READ;
SELECT * FROM authz.audit_move();
ROLLBACK;
SELECT * FROM authz.audit_move();
SHOW lock_timeout;
SELECT * FROM pg_temp.seen;

-- Records come meanwhile: of these months before and behind what is copied, of another, of none.
SELECT pg_temp.put('2001-02-02', 10000), pg_temp.put('2001-02-27', 10000), pg_temp.put('2001-05-01', 10000), pg_temp.put('infinity', 10000) \g /dev/null
SELECT * FROM authz.audit_move(10);
SELECT pg_temp.put('2001-02-02', 10000), pg_temp.put('2001-02-27', 10000), pg_temp.put('2001-03-01', 10000) \g /dev/null
BEGIN;
SELECT pg_temp.put('2001-02-02', 7), pg_temp.put('2001-05-02', 7) \g /dev/null
ROLLBACK;
SELECT * FROM pg_temp.seen;
BEGIN;
SELECT * FROM authz.audit_move(10);
ROLLBACK;
SELECT * FROM authz.audit_move(10);
SELECT * FROM authz.audit_move(10);
SELECT * FROM authz.audit_move(1000);
SELECT pg_temp.put('2001-02-14', 10000) \g /dev/null
SELECT * FROM pg_temp.seen;

-- They are not to be changed meanwhile, and the copies are nobody's.
UPDATE authz.audit_logs SET event = 'x' WHERE created_at = '2001-02-02';
DELETE FROM authz.audit_logs WHERE created_at = '2001-02-02';
TRUNCATE authz.audit_logs;
SELECT authz.audit_partition_create('2001-02-01');
SELECT state, ok FROM authz.doctor() WHERE subject = 'triggers';
SELECT c.relname, d.deptype FROM pg_class c JOIN pg_depend d ON d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.refclassid = 'pg_extension'::regclass
WHERE c.relname ~ '^audit_logs_moving_(y2001m0.|rest)$' ORDER BY 1;

-- Nor can who makes a view of them keep this from its end.
CREATE ROLE regress_authz_hoarder;
SET ROLE regress_authz_hoarder;
CREATE TEMP VIEW hoard AS SELECT * FROM authz.audit_logs_moving_rest;
RESET ROLE;
SET client_min_messages = warning;

-- The end: first rolled back.
BEGIN;
SELECT * FROM authz.audit_move();
SELECT * FROM pg_temp.seen;
ROLLBACK;
SELECT * FROM pg_temp.seen;
SELECT * FROM authz.audit_move();
SELECT * FROM pg_temp.seen;
SELECT tableoid::regclass, count(*), min(created_at), max(created_at) FROM authz.audit_logs WHERE event = 'test' GROUP BY 1 ORDER BY 3;
\d authz.audit_logs_y2001m02
SELECT relname FROM pg_class WHERE relname ~ '^audit_logs_moving';
SELECT to_regclass('hoard') AS hoard;
RESET client_min_messages;
DROP ROLE regress_authz_hoarder;
SELECT count(*) FROM pg_depend WHERE objid = 'authz.audit_logs_y2001m02'::regclass AND deptype = 'e';
SELECT tgname FROM pg_trigger WHERE tgrelid = 'authz.audit_logs_default'::regclass AND NOT tgisinternal;
TABLE authz.audit_moves;
-- What came of another month is next; what is in no month stays.
SELECT * FROM authz.maintain() WHERE task = 'audit_partitions';
SELECT * FROM authz.audit_months_due();
SELECT * FROM pg_temp.seen;

-- A copy that may miss records is made anew.
DROP TABLE authz.audit_logs_y2001m02, authz.audit_logs_y2001m03, authz.audit_logs_y2001m05;
SELECT pg_temp.put('2001-02-03', 1) \g /dev/null
SELECT * FROM authz.audit_move();
ALTER TABLE authz.audit_logs_default DISABLE TRIGGER moving;
SELECT pg_temp.put('2001-02-04', 1) \g /dev/null
SELECT * FROM authz.audit_move();
SELECT * FROM authz.audit_move();
SELECT * FROM authz.audit_move();
SELECT count(*) FROM authz.audit_logs_y2001m02;
-- And can be given up.
DROP TABLE authz.audit_logs_y2001m02;
SELECT pg_temp.put('2001-02-03', 1) \g /dev/null
SELECT * FROM authz.audit_move();
SELECT authz.audit_move_cancel();
SELECT count(*) FROM authz.audit_logs WHERE created_at = '2001-02-03';
SELECT relname FROM pg_class WHERE relname ~ '^audit_logs_moving';

-- Whatever names a session has for times, a month is UTC's. (IST is Israel's to who reads it.)
SET datestyle = 'SQL, DMY';
SET timezone = 'Asia/Kolkata';
SELECT authz.audit_partition_create(date '2002-03-10');
SET timezone = 'UTC';
RESET datestyle;
SELECT pg_get_expr(relpartbound, oid) FROM pg_class WHERE relname = 'audit_logs_y2002m03';
DROP TABLE authz.audit_logs_y2002m03;

-- A table of that name which is no partition is somebody's.
CREATE TABLE authz.audit_logs_y2001m02 (n integer);
SELECT * FROM authz.audit_move();
SELECT * FROM authz.maintain() WHERE task = 'audit_partitions';
DROP TABLE authz.audit_logs_y2001m02;

-- maintain() does so by itself where the default partition has grown.
INSERT INTO authz.audit_logs (created_at, event, details) SELECT timestamptz '2001-02-01' + n * interval '1 second', 'many', to_jsonb(repeat('x', 900)) FROM generate_series(1, 10000) n;
SELECT task, result, more FROM authz.maintain(6000) WHERE task = 'audit_partitions';
SELECT task, result, more FROM authz.maintain(6000) WHERE task = 'audit_partitions';
SELECT task, result, more FROM authz.maintain(6000) WHERE task = 'audit_partitions';
SELECT task, result, more FROM authz.maintain(6000) WHERE task = 'audit_partitions';
SELECT tableoid::regclass, count(*) FROM authz.audit_logs WHERE event = 'many' GROUP BY 1;
SELECT * FROM authz.maintain() WHERE task = 'audit_partitions';
SELECT * FROM authz.audit_move();
DROP TABLE authz.audit_logs_y2001m02;
DELETE FROM authz.audit_logs;
