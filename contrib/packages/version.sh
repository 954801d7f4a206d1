#!/bin/sh
# The version of the packages, from what "git describe --tags --always --dirty" says:
#
#   v1.2.0            1.2.0
#   v1.2.0-3-gabc     1.2.0+3.gabc         after 1.2.0
#   abc               0.0~DATE.abc         before the first release; DATE in UTC, of the commit
#   …-dirty           ….dirty              a work tree with changes
#
# usage: version.sh DESCRIPTION
set -eu
described=${1:?usage: version.sh DESCRIPTION}
dirty=
case $described in *-dirty) dirty=.dirty ;; esac
clean=$(printf %s "${described%-dirty}" | sed -E 's/^v([0-9])/\1/; s/-([0-9]+)-(g[0-9a-f]+)$/+\1.\2/; s/-/~/g')
case $clean in
[0-9]*.*) ;;
*)
	date=$(TZ=UTC git log -1 --format=%cd --date=format-local:%Y%m%d.%H%M%S 2>/dev/null || echo 0)
	clean="0.0~$date.$clean" ;;
esac
printf '%s\n' "$clean$dirty"
