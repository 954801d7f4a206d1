package agent

import (
	"context"
	"log/slog"
	"slices"
	"strings"
)

// messageIDKey is the attribute that becomes the field MESSAGE_ID.
const messageIDKey = "message_id"

// The priorities of syslog that journald knows.
const (
	priorityError   = 3
	priorityWarning = 4
	priorityInfo    = 6
	priorityDebug   = 7
)

// JournalHandler turns slog records into journal entries: every attribute is a
// field CSSC_NAME, and the message reads "text: name=value …". It is safe for
// concurrent use when send is.
type JournalHandler struct {
	level slog.Leveler
	send  func(priority int, message string, fields map[string]string) error
	attrs []slog.Attr
	group string
}

// NewJournalHandler returns a handler that hands entries of at least level to send.
func NewJournalHandler(level slog.Leveler, send func(priority int, message string, fields map[string]string) error) *JournalHandler {
	return &JournalHandler{level: level, send: send}
}

// Enabled says whether entries of this level are wanted.
func (h *JournalHandler) Enabled(_ context.Context, level slog.Level) bool {
	return level >= h.level.Level()
}

// WithAttrs returns a handler that adds attrs to each entry.
func (h *JournalHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	next := *h
	next.attrs = slices.Clone(h.attrs)
	for _, attr := range attrs { // groups opened later are not theirs
		next.attrs = append(next.attrs, slog.Attr{Key: h.group + attr.Key, Value: attr.Value})
	}

	return &next
}

// WithGroup returns a handler that puts name before the names of attributes.
func (h *JournalHandler) WithGroup(name string) slog.Handler {
	next := *h
	next.group = h.group + name + "_"

	return &next
}

// Handle sends one entry.
func (h *JournalHandler) Handle(_ context.Context, record slog.Record) error {
	fields := map[string]string{"SYSLOG_IDENTIFIER": "cssc-agent"}
	var text strings.Builder
	text.WriteString(record.Message)
	separator := ": "
	add := func(attr slog.Attr, group string) {
		value := attr.Value.Resolve().String()
		if attr.Key == messageIDKey {
			fields["MESSAGE_ID"] = value

			return
		}
		fields["CSSC_"+fieldName(group+attr.Key)] = value // empty or not: the catalogue refers to it
		if value != "" {
			text.WriteString(separator + group + attr.Key + "=" + quoteWhenNeeded(value))
			separator = " "
		}
	}
	for _, attr := range h.attrs {
		add(attr, "")
	}
	record.Attrs(func(attr slog.Attr) bool {
		add(attr, h.group)

		return true
	})

	return h.send(priority(record.Level), text.String(), fields)
}

// TellEnded writes why the process ends although nobody asked it to.
func TellEnded(ctx context.Context, handler slog.Handler, cause error) {
	journal{handler}.tell(ctx, msgAgentEnded, "cause", cause.Error())
}

// TellLost writes how many messages went by a handler that could not hand them on.
func TellLost(ctx context.Context, handler slog.Handler, count int64) {
	journal{handler}.tell(ctx, msgJournalLost, "count", count)
}

func quoteWhenNeeded(value string) string {
	if strings.ContainsAny(value, " \t\n\"=") {
		return `"` + strings.NewReplacer(`"`, `'`, "\n", "; ").Replace(value) + `"`
	}

	return value
}

// fieldName is what journald accepts: capitals, digits and underscores.
func fieldName(key string) string {
	return strings.Map(func(c rune) rune {
		switch {
		case c >= 'a' && c <= 'z':
			return c - 'a' + 'A'
		case c >= 'A' && c <= 'Z', c >= '0' && c <= '9':
			return c
		default:
			return '_'
		}
	}, key)
}

func priority(level slog.Level) int {
	switch {
	case level >= slog.LevelError:
		return priorityError
	case level >= slog.LevelWarn:
		return priorityWarning
	case level >= slog.LevelInfo:
		return priorityInfo
	default:
		return priorityDebug
	}
}
