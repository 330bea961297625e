# pgbouncer in transaction mode beside the cluster, in its socket folder and, where
# PGBOUNCER_LISTEN is set, at that address.  Expects PGBOUNCER, CLUSTER and a
# running cluster.  PGBOUNCER_CLIENTS (100) may be connected.

# pgbouncer_start DATABASE CONNECTIONS [PORT]     (6432)
pgbouncer_start() {
	local port=${3:-6432}
	as_server tee "$CLUSTER/pgbouncer.$port" >/dev/null <<-INI
		[databases]
		$1 = host=$CLUSTER port=$PGPORT dbname=$1
		[pgbouncer]
		listen_port = $port
		unix_socket_dir = $CLUSTER
		listen_addr = ${PGBOUNCER_LISTEN:-}
		auth_type = trust
		auth_file = $CLUSTER/pgbouncer.users
		pool_mode = transaction
		default_pool_size = $2
		max_client_conn = ${PGBOUNCER_CLIENTS:-100}
		server_reset_query =
		ignore_startup_parameters = extra_float_digits,options
		logfile = $CLUSTER/pgbouncer.$port.log
		pidfile = $CLUSTER/pgbouncer.$port.pid
	INI
	psql -X -q -A -t -c "SELECT format('\"%s\" \"\"', rolname) FROM pg_roles WHERE rolcanlogin" \
		| as_server tee "$CLUSTER/pgbouncer.users" >/dev/null
	# A daemon: runuser would not pass on the signal that ends it.
	at_exit pgbouncer_stop "$CLUSTER/pgbouncer.$port.pid"
	# A descriptor for each client, and runuser has set the limit back.
	as_server sh -c 'ulimit -Sn "$(ulimit -Hn)"; exec "$0" "$@"' "$PGBOUNCER" -q -d "$CLUSTER/pgbouncer.$port" >/dev/null 2>&1 </dev/null
	for _ in $(seq 100); do
		[ ! -S "$CLUSTER/.s.PGSQL.$port" ] || return 0
		sleep 0.1
	done
	cat "$CLUSTER/pgbouncer.$port.log" >&2
	die "pgbouncer did not start"
}

# pgbouncer_stop PIDFILE
pgbouncer_stop() {
	local pid
	pid=$(cat "$1") && kill "$pid"
}
