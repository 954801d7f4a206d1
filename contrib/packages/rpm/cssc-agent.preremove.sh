#INCLUDE common.sh

#INCLUDE leave.sh

# An upgrade stops nothing.
if test "$1" -eq 0; then
	if has_systemd; then leave_cluster; fi
	systemctl --quiet --no-reload disable cssc-agent.service 2>/dev/null || true
fi
