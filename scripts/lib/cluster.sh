# A throw-away cluster: a temporary folder that only its owner may enter, a
# socket in that folder, no TCP.  Sets PGHOST, PGPORT and PGUSER.
#
# The server refuses to run as root; then it runs as the user postgres, whose
# folder root can still enter.

as_server() {
	if [ "$(id -u)" -eq 0 ]; then
		(cd / && runuser -u postgres -- "$@")
	else
		"$@"
	fi
}

# cluster_start [SETTING=VALUE...]
cluster_start() {
	local bindir setting
	bindir=$("$PG_CONFIG" --bindir)
	CLUSTER=$(mktemp -d /tmp/authz.XXXXXX)
	at_exit cluster_remove
	[ "$(id -u)" -ne 0 ] || chown postgres: "$CLUSTER"
	quietly as_server "$bindir/initdb" -D "$CLUSTER/data" -U postgres -A trust \
		-E UTF8 --locale=C.UTF-8 --no-sync || die "initdb failed"
	as_server tee -a "$CLUSTER/data/postgresql.conf" >/dev/null <<-CONF
		listen_addresses = ''
		unix_socket_directories = '$CLUSTER'
		port = 5432
		fsync = off
		synchronous_commit = off
		full_page_writes = off
		max_prepared_transactions = 10
		shared_buffers = 256MB
		max_wal_size = 4GB
		log_line_prefix = '%m [%p] %u '
	CONF
	for setting in "$@"; do
		echo "${setting%%=*} = '${setting#*=}'"
	done | as_server tee -a "$CLUSTER/data/postgresql.conf" >/dev/null
	if ! quietly as_server "$bindir/pg_ctl" -D "$CLUSTER/data" -l "$CLUSTER/log" -w -s start; then
		cat "$CLUSTER/log" >&2
		die "the cluster did not start"
	fi
	export PGHOST=$CLUSTER PGPORT=5432 PGUSER=postgres PGDATABASE=postgres
	export PATH=$bindir:$PATH
}

cluster_stop() {
	as_server "$("$PG_CONFIG" --bindir)/pg_ctl" -D "$CLUSTER/data" -m immediate -s stop
}

cluster_remove() {
	if [ -e "$CLUSTER/data/postmaster.pid" ]; then
		cluster_stop >/dev/null 2>&1
	fi
	rm -rf "$CLUSTER"
}
