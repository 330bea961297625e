# C source as one line a statement: its indentation, a bar, its words with one
# space between.  scripts/lint compares a file with what clang-format makes of
# it in this form, since pgindent's columns and line breaks are not to be had
# from clang-format.  Preprocessor lines are left out.
function emit()
{
	if (buf != "")
		print indent "|" buf
	buf = ""
}
# macros are written as they read best
macro || /^#/ {
	emit()
	macro = /\\$/
	next
}

{
	line = $0
	depth = 0
	while (line ~ /^[ \t]/)
	{
		depth += line ~ /^\t/ ? 4 - depth % 4 : 1
		line = substr(line, 2)
	}
	gsub(/[ \t]+/, " ", line)
	sub(/ $/, "", line)
	# where the two differ for good
	gsub(/\{ /, "{", line)
	gsub(/ \}/, "}", line)
	gsub(/\} \* ?/, "} *", line)
	gsub(/\) \{/, "){", line)
	gsub(/\) \(/, ")(", line)
	gsub(/\) \* ?/, ")*", line)
	gsub(/, ?\.\.\./, ", ...", line)
	gsub(/, ?\./, ", .", line)
	if (line == "")
		next
	if (line == "{" || line ~ /^}/ || line ~ /^\/\*/)
		emit()
	if (buf == "")
		indent = depth
	block = line == "do {"
	if (block)
		line = "do"
	buf = buf (buf == "" ? "" : " ") line
	if (line ~ /[;{}]$/ || line ~ /\*\/$/ || block || (line ~ /:$/ && buf !~ /\?/))
		emit()
	if (block)
		print depth "|{"
}
END { emit() }
