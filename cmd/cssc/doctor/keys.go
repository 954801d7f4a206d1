package doctor

import (
	"fmt"
	"slices"
	"strings"

	"github.com/cssc-ha/cssc/levels"
)

// keys looks at this node's keyring, and at whether every node has the same keys.
func keys(f Facts) []Result {
	if !f.Config.ok() {
		return []Result{skip("the keys", noConfig(f))}
	}
	c := f.Config.Value
	if c.ClusterOfOne() {
		return []Result{pass("a cluster of one talks to nobody")}
	}
	if c.Security.Keyring == "" {
		return []Result{warn("the nodes talk in the clear (insecure = true): whoever reaches their port can join and vote",
			"cssc keys generate, copy the file to every node, set [security] keyring")}
	}
	var results []Result
	switch {
	case !f.Keyring.ok() && !f.Root:
		results = append(results, skip("the keyring file", "only root may read it"))
	case !f.Keyring.ok():
		results = append(results, fail("the agent cannot start the next time: "+f.Keyring.Why, "put the file right; it is the same on every node, mode 0600"))
	default:
		results = append(results, pass("%s can be read by the agent and by nobody else", c.Security.Keyring))
	}
	if !f.Keys.ok() {
		return append(results, skip("the keys of the other nodes", f.Keys.Why))
	}

	return append(results, sharedKeys(f, f.Keys.Value)...)
}

// sharedKeys finds nodes without the key in use, and a rotation that was half done.
func sharedKeys(f Facts, all []levels.KeyView) []Result {
	var primaries, old []string
	var results []Result
	for _, key := range all {
		if key.Primary {
			primaries = append(primaries, key.Key)
		} else {
			old = append(old, key.Key)
		}
		if key.Primary {
			results = append(results, without(f, key)...)
		}
	}
	switch {
	case len(primaries) > 1:
		results = append(results, warn("the nodes encrypt under different keys: "+strings.Join(primaries, ", ")+"; a rotation was not finished", "finish it: cssc keys rotate"))
	case len(old) > 0:
		do := make([]string, len(old))
		for i, key := range old {
			do[i] = "cssc keys remove " + key
		}
		results = append(results, warn("a rotation is half done: "+strings.Join(old, ", ")+" is still accepted beside the key in use", append([]string{"finish it: cssc keys rotate; or:"}, do...)...))
	}
	if len(results) > 0 {
		return results
	}

	return []Result{pass("every node encrypts under the same key, and knows no other")}
}

// without says which nodes lack the key in use. Those that answer no question have not told of
// their keys, and the check of the nodes tells of them.
func without(f Facts, key levels.KeyView) []Result {
	var lacking, mute []levels.NodeID
	for _, node := range key.Missing {
		if slices.ContainsFunc(f.Others, func(other Other) bool { return other.Node == node && other.Why == "" }) {
			lacking = append(lacking, node)
		} else {
			mute = append(mute, node)
		}
	}
	var results []Result
	if len(lacking) > 0 {
		results = append(results, fail(fmt.Sprintf("key %s encrypts, and these nodes do not have it: %s", key.Key, joined(lacking)),
			"finish the rotation: cssc keys rotate", "a node that was away during a rotation needs the keyring file of another, then: systemctl restart cssc-agent"))
	}
	if len(mute) > 0 {
		results = append(results, skip("the keys of "+joined(mute), "no answer from there"))
	}

	return results
}

func joined(nodes []levels.NodeID) string {
	names := make([]string, len(nodes))
	for i, node := range nodes {
		names[i] = string(node)
	}

	return strings.Join(names, ", ")
}
