// Package bundle writes a support bundle: an archive of what was collected, with a manifest that
// says of each part where it is from, when it was read, and what could not be had.
//
// # Model
//
// A Bundle is a tar archive in gzip. Parts are added one after the other; each is collected by a
// function that is given a time limit, has its secrets taken out, is cut to what is allowed, and is
// written with its entry in the manifest, which is the last part.
//
// # Guarantees
//
// A part that fails, hangs or is too large costs itself, never the bundle: the manifest says so.
// No part is larger than Limits.Part, all together no larger than Limits.Total, before they are
// compressed. Nothing that Secrets knows gets into the archive: keys in any of their forms are
// replaced, and so are values behind words such as "password".
//
// # What is not guaranteed
//
// A secret that nothing marks as one cannot be known; whoever sends a bundle looks into it first.
// What hangs in the kernel keeps its goroutine until the process ends.
//
// # Concurrency
//
// A Bundle belongs to one goroutine. Collecting functions run on one of their own.
package bundle
