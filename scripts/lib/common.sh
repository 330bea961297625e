# What the scripts share: messages, where things are, cleaning up.
# Sourced by bash with `set -euo pipefail`; expects ROOT, the checkout.

export LC_ALL=C.UTF-8
unset PGDATABASE PGUSER PGPASSWORD PGHOST PGPORT PGSERVICE PGOPTIONS PGSSLMODE CDPATH
unset MAKEFLAGS MFLAGS MAKELEVEL

PG_MAJOR=${PG_MAJOR:-15}
PG_CONFIG=${PG_CONFIG:-/usr/lib/postgresql/$PG_MAJOR/bin/pg_config}
export PG_CONFIG

if [ -t 1 ]; then
	bold=$'\e[1m' dim=$'\e[2m' red=$'\e[31m' plain=$'\e[0m'
else
	bold='' dim='' red='' plain=''
fi

started=$SECONDS

step() {
	printf '%s==> %s%s %s(%d s)%s\n' "$bold" "$*" "$plain" "$dim" $((SECONDS - started)) "$plain"
}

note() {
	printf '    %s\n' "$*"
}

die() {
	printf '%s%s: %s%s\n' "$red" "${0##*/}" "$1" "$plain" >&2
	shift
	[ $# -eq 0 ] || printf '    %s\n' "$@" >&2
	exit 1
}

# as_root COMMAND: for packages and for `make install` only.
as_root() {
	if [ "$(id -u)" -eq 0 ]; then
		"$@"
	elif command -v sudo >/dev/null; then
		sudo "$@"
	else
		die "$1 needs root" "Run this as root, or as a user with sudo."
	fi
}

# Run a command and show its output only when it fails.
quietly() {
	local log
	log=$(mktemp)
	if "$@" >"$log" 2>&1 </dev/null; then
		rm -f "$log"
		return 0
	fi
	cat "$log" >&2
	rm -f "$log"
	return 1
}

# at_exit COMMAND...: run it when the script ends, last one first.
exit_commands=()
at_exit() {
	exit_commands=("$(printf '%q ' "$@")" "${exit_commands[@]}")
}

run_exit_commands() {
	local status=$? command
	trap - EXIT
	set +e
	for command in "${exit_commands[@]}"; do
		eval "$command" 2>/dev/null
	done
	exit "$status"
}
trap run_exit_commands EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

# A checkout that cannot be written is built in a copy of it.
use_writable_root() {
	[ -w "$ROOT" ] && return 0
	local copy
	copy=$(mktemp -d /tmp/authz-build.XXXXXX)
	at_exit rm -rf "$copy"
	: "${CEDAR_INTEGRATION_TESTS:=$ROOT/../shared/conformance/cedar/cedar-integration-tests.tar.gz}"
	export CEDAR_INTEGRATION_TESTS
	note "$ROOT is not writable: building in a copy"
	tar -C "$ROOT" --exclude=./.git -cf - . | tar -C "$copy" -xf - --no-same-owner
	ROOT=$copy
}

# Build with warnings as errors, then install into the server of PG_CONFIG.
build_and_install() {
	step "Building the extension (warnings are errors)"
	quietly make -C "$ROOT" -j"$(nproc)" WERROR=1 PG_CONFIG="$PG_CONFIG" \
		|| die "the build failed"
	step "Installing it into PostgreSQL $("$PG_CONFIG" --version | cut -d' ' -f2)"
	quietly as_root make -C "$ROOT" WERROR=1 PG_CONFIG="$PG_CONFIG" install \
		|| die "make install failed"
}
