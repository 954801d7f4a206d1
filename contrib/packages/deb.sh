#!/bin/bash
# Builds the Debian packages from this work tree as it is, commits or not, into FOLDER.
#
# usage: deb.sh VERSION FOLDER [source]
#
# The top level of the repository has no debian/: the sources are copied, and the folder beside
# this file becomes debian/ there. Modules come from Go's module cache, so that a build takes
# seconds. With "source" it is the source package that is made: with the modules beside it
# (vendor/, a tarball of its own), so that it builds without a network.
set -eu -o pipefail
version=${1:?usage: deb.sh VERSION FOLDER [source]}
folder=${2:?usage: deb.sh VERSION FOLDER [source]}
kind=${3:-binary}
here=$(cd "$(dirname "$0")" && pwd)
top=$(cd "$here/../.." && pwd)
. "$here/common.sh"

mkdir -p "$folder"
folder=$(cd "$folder" && pwd)
work=$folder/making tree=$folder/making/cssc-$version
rm -rf "$work"
mkdir -p "$tree"
copy_sources "$top" "$tree"

# One entry, about this build. The revision sorts before the one of a package that Debian
# itself makes of the same version.
debianise() {
	cp -a "$here/debian" "$tree/debian"
	printf 'cssc (%s-1~cssc1) unstable; urgency=medium\n\n  * Build of cssc %s; what is new is in CHANGELOG.md.\n\n -- %s  %s\n' \
		"$version" "$version" "$(sed -n 's/^Maintainer: //p' "$here/debian/control")" "$(date -R -u -d "@$SOURCE_DATE_EPOCH")" >"$tree/debian/changelog"
}

if test "$kind" = source; then
	archive() { tar --sort=name --owner=0 --group=0 --numeric-owner --mtime="@$SOURCE_DATE_EPOCH" -C "$1" -cJf "$2" "$3"; }
	(cd "$tree" && go mod vendor)
	mv "$tree/vendor" "$work/vendor"
	archive "$work" "$work/cssc_$version.orig.tar.xz" "cssc-$version"
	archive "$work" "$work/cssc_$version.orig-vendor.tar.xz" vendor
	mv "$work/vendor" "$tree/vendor"
	debianise
	(cd "$tree" && dpkg-buildpackage --build=source --no-check-builddeps --no-pre-clean -us -uc)
else
	debianise
	# A toolchain of one's own is as good as Debian's.
	if command -v go >/dev/null; then export DEB_BUILD_PROFILES="pkg.cssc.go${DEB_BUILD_PROFILES:+ $DEB_BUILD_PROFILES}"; fi
	# Debian's tools hide the caller's home folder from the build, and with it what Go is told.
	for name in GOCACHE GOMODCACHE GOPROXY GOSUMDB GOTOOLCHAIN; do export "$name=$(go env "$name")"; done
	(cd "$tree" && DEB_BUILD_OPTIONS="nocheck noautodbgsym${DEB_BUILD_OPTIONS:+ $DEB_BUILD_OPTIONS}" dpkg-buildpackage --build=binary --no-pre-clean -us -uc) ||
		{ echo "deb.sh: on a Debian machine, sudo make deps installs what is missing" >&2; exit 1; }
fi
rm -rf "$tree"
if test "$kind" = source; then rm -f "$folder"/*.dsc "$folder"/*.tar.* "$folder"/*_source.*; else rm -f "$folder"/*.deb "$folder"/*_"$(dpkg --print-architecture)".*; fi
find "$work" -maxdepth 1 -type f -exec mv -f -t "$folder" {} +
rmdir "$work"
