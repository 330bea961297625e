# PostgREST on a free port of 127.0.0.1, and tokens for it.
# Expects POSTGREST (the binary) and a reachable cluster.

# Prints a port that nobody listens on.
free_port() {
	local port
	for _ in $(seq 50); do
		port=$((20000 + RANDOM % 12000))
		if ! (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; then
			echo "$port"
			return 0
		fi
	done
	return 1
}

base64url() {
	openssl base64 -A | tr '+/' '-_' | tr -d '='
}

# token CLAIMS [SECRET]: an HS256 token.
token() {
	local input
	input=$(printf '{"alg":"HS256","typ":"JWT"}' | base64url).$(printf '%s' "$1" | base64url)
	printf '%s.%s' "$input" \
		"$(printf '%s' "$input" | openssl dgst -sha256 -hmac "${2:-$HTTP_SECRET}" -binary | base64url)"
}

# postgrest_start DATABASE [AUTHENTICATOR]: sets HTTP_URL, HTTP_SECRET, HTTP_PID
# and HTTP_TEMP, a folder.  HTTP_CONFIG, lines of its configuration, says how
# tokens are verified; default: with HTTP_SECRET.
postgrest_start() {
	local port config pid verify
	HTTP_SECRET=$(openssl rand -hex 32)
	verify=${HTTP_CONFIG:-"jwt-secret = \"$HTTP_SECRET\""}
	HTTP_TEMP=$(mktemp -d /tmp/authz-http.XXXXXX)
	at_exit rm -rf "$HTTP_TEMP"
	for _ in 1 2 3; do
		port=$(free_port)
		config=$HTTP_TEMP/postgrest.conf
		cat >"$config" <<-CONF
			db-uri = "postgresql:///$1?host=$PGHOST&port=$PGPORT&user=${2:-authz_authenticator}"
			db-schemas = "authz_api"
			db-pool = 4
			$verify
			server-host = "127.0.0.1"
			server-port = $port
		CONF
		"$POSTGREST" "$config" >"$HTTP_TEMP/log" 2>&1 </dev/null &
		pid=$!
		disown "$pid"
		at_exit kill "$pid"
		HTTP_PID=$pid
		HTTP_URL=http://127.0.0.1:$port
		for _ in $(seq 100); do
			kill -0 "$pid" 2>/dev/null || break
			# Without a token the answer is 401, or 200 for an anonymous role, once the schema is loaded.
			if curl -s -o "$HTTP_TEMP/answer" -w '%{http_code}' "$HTTP_URL/" | grep -qE '^(401|200)$' \
				&& grep -q 'Schema cache loaded' "$HTTP_TEMP/log"; then
				return 0
			fi
			sleep 0.1
		done
		kill "$pid" 2>/dev/null || true
	done
	cat "$HTTP_TEMP/log" >&2
	die "PostgREST did not start"
}
