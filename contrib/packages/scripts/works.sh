# works ends an installation whose programs do not run here, built for another processor for
# instance, while those of before still do.
works() {
	cssc-guard --version >/dev/null && cssc-agent --version >/dev/null && return
	echo "cssc-agent: the programs of this version do not run on this machine; nothing was restarted." >&2
	exit 1
}
