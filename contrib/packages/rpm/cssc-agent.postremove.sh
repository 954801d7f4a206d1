#INCLUDE common.sh

#INCLUDE forget.sh

# /etc/cssc and /var/lib/cssc stay if they have something in them, as rpm does with
# configuration; there is no purge.
if test "$1" -eq 0; then
	if has_systemd; then
		forget_units
		tell_logind
	fi
	journalctl --update-catalog >/dev/null 2>&1 || true
fi
