#INCLUDE common.sh

#INCLUDE works.sh

if has_systemd; then
	works
	systemctl daemon-reload || true
	tell_logind
	# An upgrade. The guard first: there is always one of the two that knows of the lease.
	if test "$1" -ge 2; then
		systemctl try-restart cssc-guard.service || true
		systemctl try-restart cssc-agent.service || true
	fi
fi
journalctl --update-catalog >/dev/null 2>&1 || true
