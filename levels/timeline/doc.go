// Package timeline puts the recorded runs of several nodes together: which of them belong
// to one transition of the cluster, and how that is drawn. It is pure: records go in, texts
// come out.
//
// # Model
//
// A [Run] is a record of package levels with times of its node's calendar clock. A
// [Transition] is a run and every run that is linked to it, directly or by way of others.
// Two runs are linked
//
//   - on one node and in one boot, when they belong to the same operation and no more than
//     [Patience] lies between them;
//   - on one node and in one boot, when the second is the node's next run, no more than [Slack]
//     after the first, and the first did not complete (the second came instead), or is a
//     demote and the second under its term or the next, or is init or qualify and the second a
//     promote to vice under the same term;
//   - on any nodes, when one is the demote of a master and the other brings up its successor:
//     the first init or promote to master within Patience of the demote, under its term on
//     another node or else under the next term of which any node has a run. A demote that
//     failed kept the role and has no successor;
//   - on two nodes, when both are init of the same term, no more than Slack apart;
//   - on two nodes, when neither is init, both are of the same term and no more than Slack
//     apart, and either both belong to a shutdown of their node, or at most one belongs to an
//     operation and neither is the demote of a master, which belongs to the mastership that comes;
//   - on two nodes, when both belong to a shutdown of the cluster and are no more than Patience
//     apart. In a rolling reboot each node is a transition of its own.
//
// So a switchover is one transition: the demote, the promote elsewhere, and whatever makes
// a new vice; and so are the init of a whole cluster, a failover, and a shutdown with all that
// it entails. A node that comes back after it was rebooted is a transition of its own.
//
// A [Chart] is a transition laid out: a band for each node, in it a row for each run, wait
// and participant. [Chart.SVG] and [Chart.Text] draw it.
//
// # Guarantees
//
// Linking does not depend on the order of the runs, and is mutual: from every run of a
// transition the same transition is found. Equal charts give equal texts. Whatever a record
// says, the SVG is well-formed, and no label covers another: each stands on a row of its own.
//
// # What is not guaranteed
//
// Nodes' clocks differ; the picture shows each node by its own. Runs further apart than
// Patience are not linked, and two that have nothing to do with each other are, when they
// run under one term within Slack. What a node no longer keeps, or kept only in outline, is
// not shown.
//
// # Concurrency
//
// Everything is a plain value or a function of such.
//
// # Testing
//
// Read testdata first: each case there is a list of runs and what was made of it, and every
// SVG beside it is one to look at with a browser.
package timeline
