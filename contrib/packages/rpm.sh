#!/bin/bash
# Builds the same packages as .rpm, by nfpm, into FOLDER.
#
# usage: rpm.sh VERSION FOLDER
#
# What is in a package is said once, for both kinds: names, summaries and descriptions in
# debian/control, files in debian/PACKAGE.install. Here are only the folders that those
# distributions call otherwise, and in rpm/PACKAGE.yaml dependencies and scripts.
set -eu -o pipefail
version=${1:?usage: rpm.sh VERSION FOLDER}
folder=${2:?usage: rpm.sh VERSION FOLDER}
here=$(cd "$(dirname "$0")" && pwd)
top=$(cd "$here/../.." && pwd)
. "$here/common.sh"

mkdir -p "$folder"
folder=$(cd "$folder" && pwd)
work=$folder/making tree=$folder/making/tree
rm -rf "$work" "$folder"/*.rpm
mkdir -p "$tree"

# Of the distribution that the packages are for; they install on no other.
python=${RPM_PYTHON:-3.12}

# Debian's names of folders, on standard input, into those of the others.
translate() {
	sed -e 's|usr/share/zsh/vendor-completions|usr/share/zsh/site-functions|' -e 's|usr/lib/\*/|usr/lib64/|' \
		-e "s|usr/lib/python3/dist-packages|usr/lib/python$python/site-packages|"
}

where=(BUILD="$work/build" VERSION="$version" PREFIX=/usr LIBDIR=/usr/lib64 ZSHDIR=/usr/share/zsh/site-functions
	PYTHONDIR="/usr/lib/python$python/site-packages")
make -s -C "$top" build docs libcssc "${where[@]}"
make -s -C "$top" install install-python "${where[@]}" DESTDIR="$tree"
strip --strip-unneeded "$tree"/usr/lib64/libcssc.so.*.*
find "$tree/usr/share/man" -type f -exec gzip -9n {} +

# field PACKAGE NAME: of the package's paragraph in debian/control.
field() {
	awk -v package="$1" -v name="$2" '
		/^Package: / { inside = $2 == package }
		inside && index($0, name ": ") == 1 { print substr($0, length(name) + 3) }' "$here/debian/control"
}

# The long description, as a YAML block.
description() {
	awk -v package="$1" '
		/^Package: / { inside = $2 == package; long = 0 }
		inside && long && /^ / { line = substr($0, 2); print "  " (line == "." ? "" : line) }
		inside && /^Description: / { long = 1 }' "$here/debian/control"
}

# The files of a package, as nfpm wants them.
contents() {
	printf 'contents:\n'
	while read -r pattern; do
		(cd "$tree" && compgen -G "$pattern") || { echo "rpm.sh: debian/$1.install: nothing is called $pattern" >&2; return 1; }
	done < <(translate <"$here/debian/$1.install") | while read -r path; do
		(cd "$tree" && find "$path" ! -type d -printf '%p %m file\n' -o -type d -path '*cssc*' -printf '%p %m dir\n')
	done | sort -u | while read -r path mode type; do
		case $type in
		dir) printf '  - {dst: "/%s", type: dir, file_info: {mode: 0%s}}\n' "$path" "$mode" ;;
		*)
			case $path in usr/share/doc/*) type=doc ;; esac
			printf '  - {src: "%s/%s", dst: "/%s", type: %s, file_info: {mode: 0%s, mtime: "%s"}}\n' \
				"$tree" "$path" "$path" "${type/#file/\"\"}" "$mode" "$(date -u -d "@$SOURCE_DATE_EPOCH" +%FT%TZ)"
			;;
		esac
	done
	printf '  - {dst: "/usr/share/licenses/%s", type: dir, file_info: {mode: 0755}}\n' "$2"
	printf '  - {src: "%s/LICENSE", dst: "/usr/share/licenses/%s/LICENSE", type: license}\n' "$top" "$2"
}

# The scripts, with the parts in them that Debian's have.
scripts() {
	printf 'scripts:\n'
	find "$here/rpm" -name "$1.*.sh" -printf '%f\n' | sort | while read -r script; do
		"$here/include.sh" "$here/rpm/$script" >"$work/$script"
		kind=${script#"$1".}
		printf '  %s: "%s"\n' "${kind%.sh}" "$work/$script"
	done
}

pack() {
	local name arch
	name=$(sed -n 's/^name: //p' "$here/rpm/$1.yaml")
	name=${name:-$1}
	arch=$(field "$1" Architecture)
	{
		sed -e '/^name: /d' -e "s/@VERSION@/$version-1/; s/@PYTHON@/$python/" "$here/rpm/$1.yaml"
		printf 'name: %s\narch: %s\nplatform: linux\nversion: "%s"\nversion_schema: none\nrelease: "1"\nlicense: Apache-2.0\n' \
			"$name" "$(if test "$arch" = all; then echo all; else go env GOARCH; fi)" "$version"
		sed -n 's/^Maintainer: \(.*\)/maintainer: "\1"/p; s/^Homepage: /homepage: /p' "$here/debian/control"
		printf 'mtime: "%s"\ndescription: |\n' "$(date -u -d "@$SOURCE_DATE_EPOCH" +%FT%TZ)"
		description "$1"
		printf 'rpm:\n  summary: "%s"\n  compression: zstd\n  buildhost: cssc\n' "$(field "$1" Description)"
		scripts "$1"
		contents "$1" "$name"
	} >"$work/$1.yaml"
	(cd "$top" && go tool -modfile=contrib/packages/go.mod nfpm package --config "$work/$1.yaml" --packager rpm --target "$folder/")
}

while read -r package; do pack "$package"; done < <(sed -n 's/^Package: //p' "$here/debian/control")
rm -rf "$work"
