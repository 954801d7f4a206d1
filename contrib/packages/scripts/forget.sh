# forget_units ends what systemd still knows of after the files have gone: targets that the
# generator made, and the two services that stay active without a process.
forget_units() {
	systemctl daemon-reload || true
	systemctl --quiet stop cssc-leave.service cssc-standalone.service 'cssc-*.target' 2>/dev/null || true
	systemctl --quiet reset-failed 'cssc-*' 2>/dev/null || true
}

# forget_everything removes what the agent and "cssc attach" have written: keys, state, and
# the drop-ins by which units of others take part.
forget_everything() {
	for file in /etc/systemd/system/*.d/50-cssc.conf; do
		if grep -qs '^# Made by cssc attach' "$file"; then
			folder=${file%/*}
			unit=${folder##*/}
			rm -f "$file" /etc/systemd/system/cssc-*.target.wants/"${unit%.d}" /etc/systemd/system/cssc-*.target.requires/"${unit%.d}"
			rmdir --ignore-fail-on-non-empty "$folder"
		fi
	done
	for folder in /etc/systemd/system/cssc-*.target.wants /etc/systemd/system/cssc-*.target.requires; do
		rmdir --ignore-fail-on-non-empty "$folder" 2>/dev/null || true
	done
	rm -rf /etc/cssc /var/lib/cssc /run/cssc
}
