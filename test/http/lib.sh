# What the HTTP tests share: requests, SQL, and what is expected of them.
# Sourced after common.sh, cluster.sh and postgrest.sh.

passed=0
failed=0

# result NAME STATUS [DETAILS]: STATUS 0 is a pass.
result() {
	if [ "$2" -eq 0 ]; then
		passed=$((passed + 1))
		echo "ok - $1"
	else
		failed=$((failed + 1))
		echo "not ok - $1"
		printf '%s\n' "${3:-}" | sed 's/^/#   /'
	fi
}

# request TOKEN PATH [CURL OPTION...]: sets $status and $answer.
request() {
	local token=$1 path=$2
	shift 2
	status=$(curl -s -m 20 -o "$HTTP_TEMP/answer" -w '%{http_code}' \
		${token:+-H "Authorization: Bearer $token"} "$@" "$HTTP_URL$path") || true
	answer=$(cat "$HTTP_TEMP/answer")
}

# post TOKEN PATH JSON
post() {
	request "$1" "$2" -H 'Content-Type: application/json' -d "$3"
}

# expect NAME STATUS [JQ]: the last request gave STATUS, and JQ holds for it.
expect() {
	local rc=1
	if [ "$status" = "$2" ] \
		&& { [ -z "${3:-}" ] || jq -e "$3" <<<"$answer" >/dev/null 2>&1; }; then
		rc=0
	fi
	result "$1" "$rc" "wanted $2 ${3:-}; got $status $answer"
}

# sql ROLE COMMAND...: as in psql -c, in one session.
sql() {
	local role=$1 command arguments=()
	shift
	for command in "$@"; do
		arguments+=(-c "$command")
	done
	psql -X -q -A -t -v ON_ERROR_STOP=1 -v VERBOSITY=verbose -U "$role" "${arguments[@]}" 2>&1
}

# expect_sql NAME WANTED ROLE COMMAND...: the output is WANTED.
expect_sql() {
	local name=$1 wanted=$2 output rc=0
	shift 2
	output=$(sql "$@") || true
	[ "$output" = "$wanted" ] || rc=1
	result "$name" "$rc" "wanted $wanted; got $output"
}

# expect_refused NAME PATTERN ROLE COMMAND...: it fails, saying PATTERN.
expect_refused() {
	local name=$1 pattern=$2 output rc=0
	shift 2
	if output=$(sql "$@"); then
		rc=1
	fi
	grep -q -- "$pattern" <<<"$output" || rc=1
	result "$name" "$rc" "wanted an error like $pattern; got $output"
}
