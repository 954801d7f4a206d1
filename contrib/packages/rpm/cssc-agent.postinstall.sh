#INCLUDE common.sh

if has_systemd; then
	systemctl daemon-reload || true
	tell_logind
	# An upgrade: the agent asks the voters for a longer promise before it stops.
	if test "$1" -ge 2; then systemctl try-restart cssc-guard.service cssc-agent.service || true; fi
fi
journalctl --update-catalog >/dev/null 2>&1 || true
