package sealedfile

import (
	"errors"
	"testing"

	"keyhole/internal/secret"
)

// TestBodyKnowsItsEnvelope seals one data key twice, as nobody does, so that
// only the hash in the body can tell the files apart.
func TestBodyKnowsItsEnvelope(t *testing.T) {
	k := testKey(t)
	one, err := newBox(k)
	if err != nil {
		t.Fatal(err)
	}
	recipients, err := k.recipients()
	if err != nil {
		t.Fatal(err)
	}
	two := &box{data: one.data}
	if two.envelope, err = encrypt(nil, []byte(one.data.String()), recipients...); err != nil {
		t.Fatal(err)
	}
	a, err := one.seal(sampleBody())
	if err != nil {
		t.Fatal(err)
	}
	b, err := two.seal(sampleBody())
	if err != nil {
		t.Fatal(err)
	}
	headA, headB := len(magic)+4+len(one.envelope), len(magic)+4+len(two.envelope)
	swapped := append(b[:headB:headB], a[headA:]...)
	opened, err := openBox("x", swapped, k)
	if err != nil {
		t.Fatal(err)
	}
	var damaged *Damaged
	if _, err := opened.unseal("x", swapped); !errors.As(err, &damaged) {
		t.Errorf("the body of another envelope: %v, want Damaged", err)
	}
	if _, err := opened.unseal("x", b); err != nil {
		t.Errorf("its own body: %v", err)
	}
}

// TestWorkIsBounded: a file must not make us spend gigabytes.
func TestWorkIsBounded(t *testing.T) {
	k := Key{Passphrase: secret.NewValue([]byte("x"))}
	x, err := newBox(k)
	if err != nil {
		t.Fatal(err)
	}
	content, err := x.seal(body{})
	if err != nil {
		t.Fatal(err)
	}
	// The work factor ends the first line after age's own.
	for i := range content {
		if string(content[i:i+4]) == " 16\n" {
			copy(content[i:], " 21\n")
			break
		}
	}
	var damaged *Damaged
	if _, err := openBox("x", content, k); !errors.As(err, &damaged) {
		t.Errorf("a work factor of 21: %v, want Damaged", err)
	}
}

func TestSmallParts(t *testing.T) {
	for _, content := range []string{"", "\n", magic, magic + "\x00\x00\x00", magic + "\x00\x00\x00\x01", magic + "\xff\xff\xff\xff", magic + "\x00\x00\x00\x00"} {
		if _, err := openBox("x", []byte(content), testKey(t)); err == nil {
			t.Errorf("%q opens", content)
		}
	}
}
