package wire

import (
	"bytes"
	"encoding/hex"
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/cssc-ha/cssc/serfcmm/election"
)

// full is a message with something in every field.
func full() Envelope {
	return Envelope{
		Origin: Origin{1, 2, 3, 4, 5, 6, 7, 8},
		Message: election.Message{
			Kind: election.KindRenew, From: "n1", To: "n2", Term: 7, Round: 300, Serial: 9, Hash: "abcd",
			Standing: election.Standing{Qualified: true, Up: true}, Refusal: election.RefusalPromised,
			Remaining: 1500 * time.Millisecond, MasterTerm: 6, Master: "n1", Fresh: true, Lease: 2 * time.Second,
			Released: 5, Target: "n3", Vice: "n2",
			Progress: election.Progress{Reached: 3, Started: true, Complete: true, Ready: true},
			Changes:  []time.Duration{time.Second, time.Minute},
		},
	}
}

func encode(t *testing.T, envelope Envelope) []byte {
	t.Helper()
	datagram, err := Append(nil, &envelope)
	if err != nil {
		t.Fatalf("Append(%+v) = %v", envelope, err)
	}

	return datagram
}

// Goal: nodes of different releases understand each other. Method: the bytes of two
// messages, one with every field and one with none, are written down here for ever; a
// change of them needs a new Version.
func TestTheBytesNeverChange(t *testing.T) {
	t.Parallel()
	cases := []struct {
		name     string
		envelope Envelope
		want     string
	}{
		{
			"every field", full(),
			"c501" + "0102030405060708" + "05" + "ffff" + "026e31" + "026e32" + "07" + "ac02" + "09" +
				"0461626364" + "01" + "80dea0cb05" + "06" + "026e31" + "80a8d6b907" + "05" + "026e33" + "026e32" + "06" +
				"02" + "8094ebdc03" + "80b09dc2df01",
		},
		{
			"no field",
			Envelope{
				Origin: Origin{255}, Message: election.Message{Kind: election.KindProbe, From: "a", To: "b"},
			},
			"c501" + "ff00000000000000" + "08" + "0000" + "0161" + "0162" + "00" + "00" + "00",
		},
	}
	for _, c := range cases {
		datagram := encode(t, c.envelope)
		if got := hex.EncodeToString(datagram); got != c.want {
			t.Errorf("%s: got\n%s, want\n%s", c.name, got, c.want)
		}
		got, err := Decode(datagram)
		if err != nil || !reflect.DeepEqual(got, c.envelope) {
			t.Errorf("%s: Decode = %+v, %v; want %+v", c.name, got, err, c.envelope)
		}
	}
}

// Goal: a field that the election adds is not forgotten here. Method: full() has something
// in every field of the message, by reflection.
func TestEveryFieldTravels(t *testing.T) {
	t.Parallel()
	message := reflect.ValueOf(full().Message)
	for i := range message.NumField() {
		if message.Field(i).IsZero() {
			t.Errorf("Message.%s: teach it to Append, Decode and full()", message.Type().Field(i).Name)
		}
	}
	for _, part := range []reflect.Value{reflect.ValueOf(full().Message.Progress), reflect.ValueOf(full().Message.Standing)} {
		for i := range part.NumField() {
			if part.Field(i).IsZero() {
				t.Errorf("%s.%s: teach it to Append, Decode and full()", part.Type(), part.Type().Field(i).Name)
			}
		}
	}
}

func drawName(t *rapid.T, label string, least int) election.NodeID {
	return election.NodeID(rapid.StringN(least, -1, election.MaxName).Draw(t, label))
}

func drawEnvelope(t *rapid.T) Envelope {
	age := rapid.Int64Range(0, int64(election.Endless))
	term := rapid.Uint64Range(0, uint64(MaxTerm))
	flag := rapid.Bool()
	envelope := Envelope{Message: election.Message{
		Kind:       election.Kind(rapid.IntRange(1, int(election.KindReport)).Draw(t, "kind")),
		From:       drawName(t, "from", 1),
		To:         drawName(t, "to", 1),
		Term:       election.Term(term.Draw(t, "term")),
		Round:      election.Round(rapid.Uint64Range(0, uint64(maxRound)).Draw(t, "round")),
		Serial:     rapid.Uint64Range(0, maxSerial).Draw(t, "serial"),
		Hash:       rapid.StringN(0, -1, election.MaxHash).Draw(t, "hash"),
		Standing:   election.Standing{Qualified: flag.Draw(t, "qualified"), Up: flag.Draw(t, "up")},
		Refusal:    election.Refusal(rapid.IntRange(0, int(election.RefusalUnsaved)).Draw(t, "refusal")),
		Remaining:  time.Duration(age.Draw(t, "remaining")),
		MasterTerm: election.Term(term.Draw(t, "master term")),
		Master:     drawName(t, "master", 0),
		Fresh:      flag.Draw(t, "fresh"),
		Lease:      time.Duration(age.Draw(t, "lease")),
		Released:   election.Term(term.Draw(t, "released")),
		Target:     drawName(t, "target", 0),
		Vice:       drawName(t, "vice", 0),
		Progress: election.Progress{
			Reached: rapid.Int16Range(lastLevel, MaxLevel).Draw(t, "reached"),
			Started: flag.Draw(t, "started"), Complete: flag.Draw(t, "complete"), Ready: flag.Draw(t, "ready"),
		},
	}}
	for i := range rapid.IntRange(0, election.MaxChanges).Draw(t, "changes") {
		envelope.Message.Changes = append(envelope.Message.Changes, time.Duration(age.Draw(t, "age"))*time.Duration(i%2))
	}
	copy(envelope.Origin[:], rapid.SliceOfN(rapid.Byte(), 8, 8).Draw(t, "origin"))
	envelope.Origin[7] |= 1

	return envelope
}

// Goal: Decode is the inverse of Append for everything that may be sent, and every datagram
// cut short or followed by something is refused. Method: drawn messages, each cut at a
// drawn place.
func TestDecodeInvertsAppend(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		envelope := drawEnvelope(t)
		datagram, err := Append([]byte("before"), &envelope)
		if err != nil || !bytes.HasPrefix(datagram, []byte("before")) {
			t.Fatalf("Append(%+v) = %q, %v", envelope, datagram, err)
		}
		datagram = datagram[len("before"):]
		got, err := Decode(datagram)
		if err != nil || !reflect.DeepEqual(got, envelope) {
			t.Fatalf("Decode = %+v, %v; want %+v", got, err, envelope)
		}
		if cut := rapid.IntRange(0, len(datagram)-1).Draw(t, "cut"); true {
			if got, err := Decode(datagram[:cut]); err == nil {
				t.Fatalf("cut to %d of %d bytes: Decode = %+v, want an error", cut, len(datagram), got)
			}
		}
		if got, err := Decode(append(datagram, 0)); err == nil {
			t.Fatalf("with a byte more: Decode = %+v, want an error", got)
		}
	})
}

// Goal: the largest message there can be fits one datagram. Method: every field at its limit.
func TestTheLargestMessageFits(t *testing.T) {
	t.Parallel()
	name := election.NodeID(strings.Repeat("n", election.MaxName))
	envelope := full()
	m := &envelope.Message
	m.From, m.To, m.Master, m.Target, m.Vice = name, name, name, name, name
	m.Hash = strings.Repeat("h", election.MaxHash)
	m.Term, m.MasterTerm, m.Released, m.Round = MaxTerm, MaxTerm, MaxTerm, maxRound
	m.Serial = maxSerial
	m.Lease, m.Remaining, m.Progress.Reached = election.Endless, election.Endless, MaxLevel
	m.Changes = nil
	for range election.MaxChanges {
		m.Changes = append(m.Changes, election.Endless)
	}
	datagram := encode(t, envelope)
	if len(datagram) > MaxSize {
		t.Errorf("the largest message has %d bytes, want at most %d", len(datagram), MaxSize)
	}
	if got, err := Decode(datagram); err != nil || !reflect.DeepEqual(got, envelope) {
		t.Errorf("Decode = %+v, %v", got, err)
	}
}

// Goal: a value that no node can mean is neither sent nor believed. Method: one field out of
// range each; Append refuses it, and Decode does where the bytes can express it.
func TestValuesOutOfRangeAreRefused(t *testing.T) {
	t.Parallel()
	long := election.NodeID(strings.Repeat("n", election.MaxName+1))
	spoil := map[string]func(*Envelope){
		"no kind":           func(e *Envelope) { e.Message.Kind = 0 },
		"unknown kind":      func(e *Envelope) { e.Message.Kind = election.KindReport + 1 },
		"unknown refusal":   func(e *Envelope) { e.Message.Refusal = election.RefusalUnsaved + 1 },
		"no sender":         func(e *Envelope) { e.Message.From = "" },
		"no receiver":       func(e *Envelope) { e.Message.To = "" },
		"long sender":       func(e *Envelope) { e.Message.From = long },
		"long receiver":     func(e *Envelope) { e.Message.To = long },
		"long master":       func(e *Envelope) { e.Message.Master = long },
		"long target":       func(e *Envelope) { e.Message.Target = long },
		"long vice":         func(e *Envelope) { e.Message.Vice = long },
		"long hash":         func(e *Envelope) { e.Message.Hash = strings.Repeat("h", election.MaxHash+1) },
		"absurd term":       func(e *Envelope) { e.Message.Term = MaxTerm + 1 },
		"absurd master":     func(e *Envelope) { e.Message.MasterTerm = 1<<64 - 1 },
		"absurd release":    func(e *Envelope) { e.Message.Released = MaxTerm + 1 },
		"absurd round":      func(e *Envelope) { e.Message.Round = 1 << 63 },
		"absurd serial":     func(e *Envelope) { e.Message.Serial = 1 << 63 },
		"negative rest":     func(e *Envelope) { e.Message.Remaining = -1 },
		"negative lease":    func(e *Envelope) { e.Message.Lease = -time.Hour },
		"negative age":      func(e *Envelope) { e.Message.Changes = []time.Duration{1, -1} },
		"too many changes":  func(e *Envelope) { e.Message.Changes = make([]time.Duration, election.MaxChanges+1) },
		"level too high":    func(e *Envelope) { e.Message.Progress.Reached = MaxLevel + 1 },
		"level too low":     func(e *Envelope) { e.Message.Progress.Reached = lastLevel - 1 },
		"origin of no node": func(e *Envelope) { e.Origin = Origin{} },
	}
	for name, spoil := range spoil {
		envelope := full()
		spoil(&envelope)
		if datagram, err := Append(nil, &envelope); !errors.Is(err, ErrRange) || datagram != nil {
			t.Errorf("%s: Append = %x, %v; want nothing and ErrRange", name, datagram, err)
		}
	}
}

// Goal: each way in which a datagram can be wrong has its sentinel, and bytes in a second
// form for the same message are refused. Method: bytes spoilt by hand.
func TestBadDatagramsAreRefused(t *testing.T) {
	t.Parallel()
	good := encode(t, Envelope{Origin: Origin{9}, Message: election.Message{Kind: election.KindProbe, From: "a", To: "b"}})
	flagged := func(high, low byte, more ...byte) []byte {
		bad := bytes.Clone(good)
		bad[11], bad[12] = high, low

		return append(bad, more...)
	}
	with := func(at int, value byte) []byte {
		bad := bytes.Clone(good)
		bad[at] = value

		return bad
	}
	cases := map[string]struct {
		datagram []byte
		want     error
	}{
		"nothing":             {nil, ErrSize},
		"one byte":            {[]byte{Mark}, ErrSize},
		"too long":            {append(bytes.Clone(good), make([]byte, MaxSize)...), ErrSize},
		"serf's":              {with(0, 3), ErrForeign},
		"a later version":     {with(1, Version+1), ErrVersion},
		"kind 0":              {with(10, 0), ErrRange},
		"kind 255":            {with(10, 255), ErrRange},
		"no origin":           {with(2, 0), ErrRange},
		"name past the end":   {with(13, 100), ErrMalformed},
		"name over the limit": {with(13, 200), ErrMalformed},
		"empty name":          {with(13, 0), ErrMalformed},
		"long form of zero":   {append(bytes.Clone(good[:len(good)-1]), 0x80, 0), ErrMalformed},
		"number of 11 bytes":  {append(bytes.Clone(good[:len(good)-1]), bytes.Repeat([]byte{0xff}, 11)...), ErrMalformed},
		"a byte to spare":     {append(bytes.Clone(good), 0), ErrMalformed},
		"empty hash":          {flagged(0, byte(flagHash), 0), ErrMalformed},
		"refusal of none":     {flagged(0, byte(flagRefusal), 0), ErrMalformed},
		"no remaining time":   {flagged(1, 0, 0), ErrMalformed},
		"endless and more":    {flagged(1, 0, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 1), ErrMalformed},
		"no heirs":            {flagged(byte(flagHeirs>>8), 0, 0, 0), ErrMalformed},
		"no changes":          {flagged(byte(flagChanges>>8), 0, 0), ErrMalformed},
		"17 changes":          {flagged(byte(flagChanges>>8), 0, append([]byte{17}, make([]byte, 17)...)...), ErrMalformed},
		"level 20000":         {flagged(byte(flagReached>>8), 0, 0xc0, 0xb8, 0x02), ErrRange},
		"level 100000":        {flagged(byte(flagReached>>8), 0, 0xc0, 0x9a, 0x0c), ErrMalformed},
	}
	for name, c := range cases {
		if got, err := Decode(c.datagram); !errors.Is(err, c.want) || !reflect.DeepEqual(got, Envelope{}) {
			t.Errorf("%s: Decode = %+v, %v; want nothing and %v", name, got, err, c.want)
		}
	}
}

// Goal: a renewal costs next to nothing on its way. Method: allocations of either direction.
func TestTheCodecHardlyAllocates(t *testing.T) {
	envelope := full()
	buffer := make([]byte, 0, MaxSize)
	datagram := encode(t, envelope)
	if got := testing.AllocsPerRun(100, func() { _, _ = Append(buffer, &envelope) }); got != 0 {
		t.Errorf("Append allocates %v times, want never", got)
	}
	if got := testing.AllocsPerRun(100, func() { _, _ = Decode(datagram) }); got > 2 {
		t.Errorf("Decode allocates %v times, want at most for the texts and the changes", got)
	}
}

func BenchmarkAppend(b *testing.B) {
	envelope := full()
	buffer := make([]byte, 0, MaxSize)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Append(buffer, &envelope); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkDecode(b *testing.B) {
	envelope := full()
	datagram, err := Append(nil, &envelope)
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Decode(datagram); err != nil {
			b.Fatal(err)
		}
	}
}
