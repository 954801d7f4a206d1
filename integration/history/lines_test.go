package history

import (
	"strings"
	"testing"
)

func TestALineThatIsBeingWrittenIsNotThereYet(t *testing.T) {
	t.Parallel()
	const whole = "1000 a n1 lead start\n2000 a n1 lead alive\n"
	for _, part := range []string{"", "3", "3000 a ", "3000 a n1 lead alive"} {
		records, err := Read(strings.NewReader(whole + part))
		if err != nil || len(records) != 2 {
			t.Errorf("%q: %v, %v", part, records, err)
		}
	}
}
