# systemd is there and runs this system: not in a chroot, not while an image is made.
has_systemd() { test -z "${DPKG_ROOT:-}" && test -d /run/systemd/system; }

# logind reads its drop-ins, zz-cssc.conf among them, when it starts and at SIGHUP.
tell_logind() { systemctl --quiet kill --signal=HUP systemd-logind.service 2>/dev/null || true; }
