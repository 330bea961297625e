# psql sessions that a script talks to, several at once.

# session_start NAME COMMAND...: runs psql, which waits for commands
session_start() {
	local name=$1 pipes
	shift
	pipes=$(mktemp -d)
	mkfifo "$pipes/in" "$pipes/out"
	"$@" <"$pipes/in" >"$pipes/out" 2>&1 &
	eval "exec {to_$name}>'$pipes/in' {from_$name}<'$pipes/out'"
	rm -r "$pipes"
}

# send NAME COMMANDS: without waiting; receive NAME: what came of it, in one line
send() {
	local to=to_$1
	printf '%s\n\\echo -done-\n' "$2" >&"${!to}"
}

receive() {
	local from=from_$1 line answer=
	while IFS= read -r line <&"${!from}"; do
		[ "$line" != -done- ] || break
		answer+=${answer:+ }$line
	done
	echo "$answer"
}

ask_in() {
	send "$1" "$2"
	receive "$1"
}

end() {
	local name to from
	for name; do
		to=to_$name from=from_$name
		eval "exec ${!to}>&- ${!from}<&-"
	done
}
