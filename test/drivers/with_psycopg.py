"""psycopg 3: python3 with_psycopg.py direct|pooled PORT"""
import sys

import psycopg
from psycopg.types import TypeInfo
from psycopg.types.json import Jsonb

pooled = sys.argv[1] == "pooled"
dsn = f"host=127.0.0.1 port={sys.argv[2]} user=app dbname=authz_drivers"


def connect():
    # Prepared statements do not outlive a transaction in such a pool.
    return psycopg.connect(dsn, autocommit=True, prepare_threshold=None if pooled else 1)


def check(name, got, wanted):
    ok = got == wanted
    print(f"{'ok' if ok else 'not ok'} - {name}")
    if not ok:
        print(f"# wanted {wanted!r}; got {got!r}")


def sqlstate(conn, query, params):
    try:
        conn.execute(query, params)
    except psycopg.Error as e:
        return e.sqlstate
    return None


alice, bob, view = 'User::"alice"', 'User::"bob"', 'Action::"view"'
a, b = 'Document::"a"', 'Document::"b"'
ask = "SELECT authz.authz_check(%s, %s, %s)"

with connect() as conn:
    one = lambda *args, **kw: conn.execute(*args, **kw).fetchone()[0]

    check("allow", one(ask, (alice, view, a)), True)
    check("deny", one(ask, (alice, view, b)), False)
    check("many times, prepared where that is possible",
          [one(ask, (alice, view, d), prepare=None if pooled else True) for d in (a, b) * 6], [True, False] * 6)
    check("parameters as text", one("SELECT authz.authz_check(%s::text, %s::varchar, %s::text)", (alice, view, a)), True)
    check("parameters in binary", one("SELECT authz.authz_check(%b, %b, %b)", (alice, view, a)), True)
    enter = "SELECT authz.authz_check(%s, %s, %s, %s)"
    check("context as text", one(enter, (bob, 'Action::"enter"', a, '{"office": true}')), True)
    check("context as jsonb", one(enter, (bob, 'Action::"enter"', a, Jsonb({"office": False}))), False)
    check("entities as jsonb", one("SELECT authz.authz_check(%s, %s, %s, '{}', %s)", (bob, view, b, Jsonb(
        [{"uid": {"type": "User", "id": "bob"}, "attrs": {}, "parents": [{"type": "Group", "id": "staff"}]}]))), True)
    for binary in (False, True):
        with conn.cursor(binary=binary) as cur:
            row = cur.execute("SELECT * FROM authz.authz_decide(%s, %s, %s)", (alice, view, a)).fetchone()
            check(f"a decision, {'binary' if binary else 'text'} results", (row[0], row[1], row[2], row[3] > 0),
                  ("allow", ["staff"], [], True))
    check("a batch of arrays", conn.execute("SELECT * FROM authz.authz_check_batch(%s, %s, %s, NULL)",
                                            ([alice], [view], [a, b])).fetchall(), [(1, True), (2, False)])
    check("a batch of JSON", conn.execute("SELECT * FROM authz.authz_check_batch(%s)", (Jsonb(
        [{"principal": alice, "action": view, "resource": r} for r in (b, a)]),)).fetchall(), [(1, False), (2, True)])
    check("a batch of JSON as text", conn.execute("SELECT * FROM authz.authz_check_batch(%s)", (
        '[{"principal": "User::\\"alice\\"", "action": "Action::\\"view\\"", "resource": "Document::\\"a\\""}]',)).fetchall(), [(1, True)])
    check("why", conn.execute("SELECT policy_id, \"values\" FROM authz.authz_explain(%s, %s, %s)", (alice, view, b)).fetchall(),
          [("staff", {"principal.level": 2, "resource.level": 3})])

    check("look-up by uid", one("SELECT attrs FROM authz.entities WHERE uid = %s", (alice,)), {"level": 2})
    check("look-up by uids", conn.execute("SELECT uid FROM authz.entities WHERE uid = ANY (%s) ORDER BY uid",
                                          ([alice, bob],)).fetchall(), [(alice,), (bob,)])
    info = TypeInfo.fetch(conn, "authz.entity_uid")
    info.register(conn)
    with conn.transaction(force_rollback=True):
        conn.execute("INSERT INTO authz.entities (uid, attrs, parents) VALUES (%s, %s, %s)",
                     ('User::"new \\"one\\""', Jsonb({"level": 5}), ['Group::"staff"', 'Group::"other"']))
        check("an array of uids comes back", one("SELECT parents FROM authz.entities WHERE uid = %s", ('User::"new \\"one\\""',)),
              ['Group::"staff"', 'Group::"other"'])
        check("own changes count", one(ask, ('User::"new \\"one\\""', view, b)), True)
        conn.execute("CREATE TEMP TABLE copied ON COMMIT DROP AS SELECT * FROM authz.entities WITH NO DATA")
        with conn.cursor() as cur:
            with cur.copy("COPY authz.entities TO STDOUT (FORMAT binary)") as copy:
                data = b"".join(bytes(block) for block in copy)
            with cur.copy("COPY copied FROM STDIN (FORMAT binary)") as copy:
                copy.write(data)
        check("binary COPY", one("SELECT count(*) FROM (TABLE copied INTERSECT TABLE authz.entities) x"), 5)
    check("changes rolled back do not", one(ask, ('User::"new \\"one\\""', view, b)), False)

    check("malformed uid", sqlstate(conn, ask, ("alice", view, a)), "22P02")
    check("null", sqlstate(conn, ask, (None, view, a)), "22004")
    check("malformed context", sqlstate(conn, enter, (alice, view, a, "[]")), "22023")
    check("and on it goes", one(ask, (alice, view, a)), True)

    # Transactions of two clients in turns.
    with connect() as other:
        with conn.transaction(force_rollback=True):
            conn.execute("DELETE FROM authz.policies WHERE policy_id = 'staff'")
            check("a policy deleted", one(ask, (alice, view, a)), False)
        check("not for others", other.execute(ask, (alice, view, a)).fetchone()[0], True)
        check("in turns", [c.execute(ask, (u, view, a)).fetchone()[0]
                           for _ in range(5) for c, u in ((conn, alice), (other, bob))], [True, False] * 5)
    pipelined = []
    if psycopg.capabilities.has_pipeline() if hasattr(psycopg, "capabilities") else psycopg.Pipeline.is_supported():
        with conn.pipeline():
            cursors = [conn.execute(ask, (alice, view, d)) for d in (a, b, a)]
        pipelined = [c.fetchone()[0] for c in cursors]
        check("a pipeline", pipelined, [True, False, True])
