# What deb.sh and rpm.sh have in common. Sourced by them.

# The same sources give the same packages, bit by bit.
SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git -C "$top" log -1 --format=%ct 2>/dev/null || date +%s)}
export SOURCE_DATE_EPOCH

# copy_sources FROM TO: what a commit of the work tree as it is would have.
copy_sources() {
	if test -e "$1/.git"; then
		(cd "$1" && git ls-files -z --cached --others --exclude-standard --deduplicate | while IFS= read -r -d '' file; do
			if test -e "$file"; then printf '%s\0' "$file"; fi
		done | tar --null -T - -cf -) | tar -C "$2" -xf -
	else
		tar -C "$1" --exclude=./build --exclude=./vendor --exclude=./debian -cf - . | tar -C "$2" -xf -
	fi
}
