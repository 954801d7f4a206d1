// Package interfaces carries the introspection files of the bus interface, so
// that package dbusapi serves exactly the text that is installed and documented.
package interfaces

import "embed"

// Files returns the XML files, one interface a file, named after the interface.
func Files() embed.FS { return files }

//go:embed *.xml
var files embed.FS
