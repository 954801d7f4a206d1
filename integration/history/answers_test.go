package history

import (
	"strings"
	"testing"
)

// TestAnswers plants each violation once among answers that are right.
func TestAnswers(t *testing.T) {
	t.Parallel()
	records, err := Read(strings.NewReader(strings.Join([]string{
		"1000000 a n1 lead start", "1001000 a n1 lead term 1 n1", "3000000 a n1 lead stop",
		"4000000 b n2 lead start", "4001000 b n2 lead term 2 n2", "9000000 b n2 lead beat", "",
	}, "\n")))
	if err != nil {
		t.Fatal(err)
	}
	cases := []struct {
		name, text, want string
	}{
		{"right", "1500000 1500100 n1 1\n1500000 1500100 n1 0\n4500000 4500100 n2 2\n4500000 4500100 n2 0", ""},
		{"before anybody led", "500000 500100 n1 0", ""},
		{"elected, and not yet running", "3900000 3900100 n2 2", ""},
		{"under way while the next began", "3900000 4500000 n1 0\n3950000 4500000 n2 0", ""},
		{"an old master's yes", "4100000 4100100 n1 1", "(term 1) to a question of 4.1000, heard at 4.1001 came while lead on n2"},
		{"an old master's service", "4100000 4100100 n1 0", "(term 0) to a question of 4.1000, heard at 4.1001 came while lead on n2"},
		{
			"a lower term", "3500000 3500100 n2 2\n3600000 3600100 n1 1",
			"the answer of n1 (term 1) to a question of 3.6000, heard at 3.6001 came after the answer of n2 (term 2)",
		},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			answers, err := ReadAnswers(strings.NewReader(c.text + "\n"))
			if err != nil {
				t.Fatal(err)
			}
			got := strings.Join(CheckAnswers(answers, records), "\n")
			if (got == "") != (c.want == "") || !strings.Contains(got, c.want) {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
	if _, err := ReadAnswers(strings.NewReader("1 2 n1\n")); err == nil {
		t.Error("a line without a term is taken")
	}
}
