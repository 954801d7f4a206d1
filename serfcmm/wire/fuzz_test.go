package wire

import (
	"bytes"
	"testing"

	"github.com/cssc-ha/cssc/serfcmm/election"
)

// FuzzDecode: whatever the network brings, Decode refuses it or understands it in its one
// form: what it accepts passes Check and is written again byte for byte.
func FuzzDecode(f *testing.F) {
	everything := full()
	for _, envelope := range []Envelope{
		everything,
		{Origin: Origin{9}, Message: election.Message{Kind: election.KindProbe, From: "a", To: "b"}},
		{Origin: Origin{9}, Message: election.Message{Kind: election.KindVote, From: "a", To: "b", Term: 9, Lease: election.Endless}},
	} {
		datagram, err := Append(nil, &envelope)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(datagram)
		f.Add(datagram[:len(datagram)/2])
	}
	f.Add([]byte{})
	f.Add([]byte{Mark, Version})
	f.Add([]byte{3, 1, 2})
	f.Fuzz(func(t *testing.T, datagram []byte) {
		envelope, err := Decode(datagram)
		if err != nil {
			return
		}
		if err := Check(&envelope.Message); err != nil {
			t.Errorf("Decode(%x) accepts what Check refuses: %v", datagram, err)
		}
		again, err := Append(nil, &envelope)
		if err != nil || !bytes.Equal(again, datagram) {
			t.Errorf("Decode(%x) = %+v, which Append writes as %x, %v", datagram, envelope, again, err)
		}
	})
}

// FuzzNote: whatever comes over a stream, DecodeNote refuses it or understands it in its one
// form: what it accepts is written again byte for byte.
func FuzzNote(f *testing.F) {
	for _, note := range notes() {
		text, err := AppendNote(nil, &note)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text)
		f.Add(text[:len(text)/2])
	}
	f.Add([]byte{})
	f.Add([]byte{NoteMark, Version})
	f.Fuzz(func(t *testing.T, text []byte) {
		note, err := DecodeNote(text)
		if err != nil {
			return
		}
		again, err := AppendNote(nil, &note)
		if err != nil || !bytes.Equal(again, text) {
			t.Errorf("DecodeNote(%x) = %+v, which AppendNote writes as %x, %v", text, note, again, err)
		}
	})
}
