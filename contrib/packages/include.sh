#!/bin/sh
# Prints a script with the parts that it names, so that .deb and .rpm do the same: a line
# "#INCLUDE common.sh" is replaced by scripts/common.sh beside this file.
#
# usage: include.sh SCRIPT
set -eu
awk -v folder="$(dirname "$0")/scripts/" '
	$1 != "#INCLUDE" { print; next }
	{
		part = folder $2; lines = 0
		while ((getline line < part) > 0) { print line; lines++ }
		if (!lines) { print "include.sh: " FILENAME ":" FNR ": no part " part > "/dev/stderr"; exit 1 }
	}' "${1:?usage: include.sh SCRIPT}"
