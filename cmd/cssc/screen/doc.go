// Package screen shows a cluster on the whole of a terminal, as it changes, and lets a person
// move about in it.
//
// # Model
//
// Whoever calls makes a Picture: a title, the nodes as rows, and sections of lines; what the
// words mean this package does not know. Pictures, lines of the log and answers come in by
// Show, Log and Tell at any time; keys and sizes come from the terminal. The model is the
// present picture, the log, the selected row and the lower pane; a frame is a pure function of
// it and of the size, see layout.go:
//
//	title
//	  NODE  ROLE …        the rows, moved so that the selected one is in view
//	▸ n1    master
//	section               run in progress, what needs attention; cut when there is no room
//	── events ─────       lower pane: the log, the explanation of the selected row, or the keys
//	…
//	keys
//
// # Guarantees
//
// No more is drawn than the window holds, whatever its size, and nothing in it is wrapped. The
// log is bounded (LogLines). Nothing is asked and nothing drawn when nothing changed. The
// terminal is given back as it was, after a panic too. The keys q, esc in the log, and Ctrl-C
// end it.
//
// # What is not guaranteed
//
// Texts are shown as they are, escape sequences for colours included: what others wrote must
// have been made printable before. A terminal that cannot move its cursor is not for this.
//
// # Concurrency
//
// Run blocks; Show, Log and Tell are safe for concurrent use and never block for long; after
// the end they do nothing. Ask is called on a goroutine of its own, one at a time.
package screen
