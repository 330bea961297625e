import java.sql.*;
import java.util.*;

import org.postgresql.util.PGobject;

/** pgJDBC: java WithPgJdbc direct|pooled PORT */
public class WithPgJdbc {
	static final String ALICE = "User::\"alice\"", BOB = "User::\"bob\"", VIEW = "Action::\"view\"";
	static final String A = "Document::\"a\"", B = "Document::\"b\"";
	static final String ASK = "SELECT authz.authz_check(?, ?, ?)";
	static final String ENTER = "SELECT authz.authz_check(?, ?, ?, ?)";
	static Connection connection;

	static void check(String name, Object got, Object wanted) {
		boolean ok = Objects.deepEquals(got, wanted);
		System.out.println((ok ? "ok - " : "not ok - ") + name);
		if (!ok)
			System.out.println("# wanted " + wanted + "; got " + got);
	}

	static PGobject json(String text) throws SQLException {
		PGobject object = new PGobject();
		object.setType("jsonb");
		object.setValue(text);
		return object;
	}

	static PreparedStatement bind(Connection c, String sql, Object... values) throws SQLException {
		PreparedStatement statement = c.prepareStatement(sql);
		for (int i = 0; i < values.length; i++) {
			if (values[i] instanceof String)
				statement.setString(i + 1, (String) values[i]);
			else if (values[i] instanceof String[])
				statement.setArray(i + 1, c.createArrayOf("text", (String[]) values[i]));
			else if (values[i] == null)
				statement.setNull(i + 1, Types.VARCHAR);
			else
				statement.setObject(i + 1, values[i]);
		}
		return statement;
	}

	/** All columns of all rows. */
	static List<Object> query(Connection c, String sql, Object... values) throws SQLException {
		List<Object> all = new ArrayList<>();
		try (PreparedStatement statement = bind(c, sql, values); ResultSet rows = statement.executeQuery()) {
			while (rows.next())
				for (int i = 1; i <= rows.getMetaData().getColumnCount(); i++) {
					Object value = rows.getObject(i);
					if (value instanceof java.sql.Array)
						value = Arrays.asList((Object[]) ((java.sql.Array) value).getArray());
					if (value instanceof PGobject)
						value = ((PGobject) value).getValue();
					all.add(value);
				}
		}
		return all;
	}

	static Object one(String sql, Object... values) throws SQLException {
		return query(connection, sql, values).get(0);
	}

	static String sqlstate(String sql, Object... values) {
		try {
			one(sql, values);
			return null;
		} catch (SQLException e) {
			return e.getSQLState();
		}
	}

	static Connection connect(String[] args, String more) throws SQLException {
		// 0: no statement is prepared under a name, which would not outlive a transaction in such a pool.
		String threshold = args[0].equals("pooled") ? "prepareThreshold=0" : "prepareThreshold=1";
		return DriverManager.getConnection("jdbc:postgresql://127.0.0.1:" + args[1] + "/authz_drivers?user=app&" + threshold + more);
	}

	public static void main(String[] args) throws Exception {
		connection = connect(args, "");
		check("allow", one(ASK, ALICE, VIEW, A), true);
		check("deny", one(ASK, ALICE, VIEW, B), false);
		try (PreparedStatement statement = connection.prepareStatement(ASK)) {
			List<Object> answers = new ArrayList<>();
			for (int i = 0; i < 12; i++) {
				statement.setString(1, ALICE);
				statement.setString(2, VIEW);
				statement.setString(3, i % 2 == 0 ? A : B);
				try (ResultSet rows = statement.executeQuery()) {
					rows.next();
					answers.add(rows.getBoolean(1));
				}
			}
			check("many times, prepared where that is possible", answers,
				Arrays.asList(true, false, true, false, true, false, true, false, true, false, true, false));
		}
		check("parameters as text", one("SELECT authz.authz_check(?::text, ?::varchar, ?::text)", ALICE, VIEW, A), true);
		check("context as varchar", one(ENTER, BOB, "Action::\"enter\"", A, "{\"office\": true}"), true);
		check("context as jsonb", one(ENTER, BOB, "Action::\"enter\"", A, json("{\"office\": false}")), false);
		check("entities as varchar", one("SELECT authz.authz_check(?, ?, ?, '{}'::text, ?)", BOB, VIEW, B,
			"[{\"uid\": {\"type\": \"User\", \"id\": \"bob\"}, \"attrs\": {}, \"parents\": [{\"type\": \"Group\", \"id\": \"staff\"}]}]"), true);
		List<Object> decision = query(connection, "SELECT decision, reasons, errors, policy_version > 0, policy_version FROM authz.authz_decide(?, ?, ?)", ALICE, VIEW, A);
		check("a decision", decision.subList(0, 4), Arrays.asList("allow", Arrays.asList("staff"), "[]", true));
		check("its version", decision.get(4) instanceof Long, true);
		check("a batch of arrays", query(connection, "SELECT * FROM authz.authz_check_batch(?, ?, ?, NULL)",
			new String[] {ALICE}, new String[] {VIEW}, new String[] {A, B}), Arrays.asList(1, true, 2, false));
		check("a batch of JSON", query(connection, "SELECT * FROM authz.authz_check_batch(?)",
			"[{\"principal\": \"User::\\\"alice\\\"\", \"action\": \"Action::\\\"view\\\"\", \"resource\": \"Document::\\\"a\\\"\"}]"), Arrays.asList(1, true));
		check("why", query(connection, "SELECT policy_id, values ->> 'resource.level' FROM authz.authz_explain(?, ?, ?)", ALICE, VIEW, B),
			Arrays.asList("staff", "3"));

		check("look-up by uid", one("SELECT attrs FROM authz.entities WHERE uid = ?", ALICE), "{\"level\": 2}");
		check("look-up by uids", query(connection, "SELECT uid FROM authz.entities WHERE uid = ANY (?::authz.entity_uid[]) ORDER BY uid",
			(Object) new String[] {ALICE, BOB}), Arrays.asList(ALICE, BOB));
		connection.setAutoCommit(false);
		try (PreparedStatement insert = bind(connection, "INSERT INTO authz.entities (uid, attrs, parents) VALUES (?, ?, ?)",
			"User::\"new \\\"one\\\"\"", json("{\"level\": 5}"), new String[] {"Group::\"staff\"", "Group::\"other\""})) {
			check("a row is inserted", insert.executeUpdate(), 1);
		}
		List<Object> parents = new ArrayList<>();
		for (Object parent : (List<?>) one("SELECT parents FROM authz.entities WHERE uid = ?", "User::\"new \\\"one\\\"\""))
			parents.add(parent.toString());
		check("an array of uids comes back", parents, Arrays.asList("Group::\"staff\"", "Group::\"other\""));
		check("own changes count", one(ASK, "User::\"new \\\"one\\\"\"", VIEW, B), true);
		connection.rollback();
		connection.setAutoCommit(true);
		check("changes rolled back do not", one(ASK, "User::\"new \\\"one\\\"\"", VIEW, B), false);

		check("malformed uid", sqlstate(ASK, "alice", VIEW, A), "22P02");
		check("null", sqlstate(ASK, null, VIEW, A), "22004");
		check("malformed context", sqlstate(ENTER, ALICE, VIEW, A, "[]"), "22023");
		check("and on it goes", one(ASK, ALICE, VIEW, A), true);

		// Parameters without a type, as many set it.
		try (Connection other = connect(args, "&stringtype=unspecified")) {
			check("parameters of unknown type", query(other, ENTER, BOB, "Action::\"enter\"", A, "{\"office\": true}").get(0), true);
			check("an update by uid", bind(other, "UPDATE authz.entities SET attrs = ? WHERE uid = ?", "{\"level\": 9}", BOB).executeUpdate(), 1);
			connection.setAutoCommit(false);
			bind(connection, "DELETE FROM authz.policies WHERE policy_id = ?", "staff").executeUpdate();
			check("a policy deleted", one(ASK, ALICE, VIEW, A), false);
			connection.rollback();
			connection.setAutoCommit(true);
			check("not for others", query(other, ASK, ALICE, VIEW, A).get(0), true);
			List<Object> turns = new ArrayList<>();
			for (int i = 0; i < 5; i++) {
				turns.add(one(ASK, ALICE, VIEW, A));
				turns.add(query(other, ASK, BOB, VIEW, A).get(0));
			}
			check("in turns", turns, Arrays.asList(true, false, true, false, true, false, true, false, true, false));
		}
		try (PreparedStatement batch = connection.prepareStatement("UPDATE authz.entities SET attrs = attrs WHERE uid = ?")) {
			for (String uid : new String[] {ALICE, BOB, "User::\"none\""}) {
				batch.setString(1, uid);
				batch.addBatch();
			}
			check("a batch of updates", batch.executeBatch(), new int[] {1, 1, 0});
		}
		connection.close();
	}
}
