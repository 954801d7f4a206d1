# leave_cluster ends what cssc coordinates on this node, before its programs go: a role is
# handed over, the services stop in reverse order, the others know that the node has left.
# When that does not work nothing is removed: without agent and guard nobody would see to it
# that the services of a master end with its lease.
leave_cluster() {
	if systemctl --quiet is-active cssc-agent.service; then
		case $(busctl --timeout=5 get-property org.cssc.Agent1 /org/cssc/Agent1 org.cssc.Agent1.Manager State 2>/dev/null) in
		*'"down"'*) ;;
		*) timeout 600 cssc shutdown --noboot --yes --reason "the package cssc-agent is removed" || stays "cssc shutdown --noboot did not end well" ;;
		esac
	elif systemctl --quiet is-active cssc-guard.service; then
		# The agent was stopped: what its lease was for ends with the lease.
		tries=60
		while systemctl --quiet is-active 'cssc-master-*.target' cssc-master.target; do
			tries=$((tries - 1))
			test "$tries" -gt 0 || stays "services of the master run, and no agent does: systemctl start cssc-agent"
			sleep 1
		done
	fi
	systemctl --quiet stop cssc-agent.service cssc-guard.service || stays "cssc-agent.service does not stop"
}

stays() {
	echo "cssc-agent is not removed: $1." >&2
	echo "Look at \"cssc status\" and \"cssc explain\", then remove the package again." >&2
	exit 1
}
