package dbus

import (
	"bytes"
	"crypto/aes"
	"crypto/hkdf"
	"crypto/sha256"
	"errors"
	"math/big"
	"testing"

	"keyhole/internal/secret"
)

func dhPrime(t *testing.T) *big.Int {
	t.Helper()
	p, ok := new(big.Int).SetString(dhPrimeHex, 16)
	if !ok || !p.ProbablyPrime(20) || p.BitLen() != 1024 {
		t.Fatal("the prime is not one")
	}
	return p
}

// TestDHZeroPadding finds a client key whose shared secret starts with a zero
// byte, and one of ours that does: both sides must pad.
func TestDHZeroPadding(t *testing.T) {
	p := dhPrime(t)
	exponent := bytes.Repeat([]byte{0x5a}, dhSecret)
	public := func(x *big.Int) *big.Int { return new(big.Int).Exp(big.NewInt(2), x, p) }
	for x := big.NewInt(1 << 60); ; x.Add(x, big.NewInt(1)) {
		shared := new(big.Int).Exp(public(new(big.Int).SetBytes(exponent)), x, p)
		if shared.BitLen() > 8*(dhBytes-1) {
			continue
		}
		s, _, err := agree(public(x).Bytes(), exponent)
		if err != nil {
			t.Fatal(err)
		}
		key, err := hkdf.Key(sha256.New, shared.FillBytes(make([]byte, dhBytes)), nil, "", sessionKey)
		if err != nil {
			t.Fatal(err)
		}
		want, err := aes.NewCipher(key)
		if err != nil {
			t.Fatal(err)
		}
		client := &session{block: want}
		v, err := s.open(client.seal("/", secret.NewValue([]byte("canary")), ""))
		if err != nil || string(v.Expose()) != "canary" {
			t.Fatalf("padded shared secret: %v", err)
		}
		break
	}
	for x := big.NewInt(2); ; x.Add(x, big.NewInt(1)) {
		if public(x).BitLen() > 8*(dhBytes-1) {
			continue
		}
		_, ours, err := agree(public(big.NewInt(1<<50)).Bytes(), x.FillBytes(make([]byte, dhSecret)))
		if err != nil || len(ours) != dhBytes || ours[0] != 0 {
			t.Fatalf("our key has %d bytes and starts with %x: %v", len(ours), ours[:1], err)
		}
		break
	}
}

func TestDHPublicKeys(t *testing.T) {
	p := dhPrime(t)
	add := func(n int64) []byte { return new(big.Int).Add(p, big.NewInt(n)).Bytes() }
	for _, tt := range []struct {
		name string
		key  []byte
		ok   bool
	}{
		{"2", []byte{2}, true},
		{"127 bytes", bytes.Repeat([]byte{7}, 127), true},
		{"128 bytes", bytes.Repeat([]byte{7}, 128), true},
		{"129 bytes with a leading zero", append([]byte{0}, bytes.Repeat([]byte{7}, 128)...), true},
		{"p-2", add(-2), true},
		{"empty", nil, false},
		{"0", []byte{0, 0}, false},
		{"1", []byte{0, 1}, false},
		{"p-1", add(-1), false},
		{"p", add(0), false},
		{"p+1", add(1), false},
		{"130 bytes", append([]byte{0, 0}, bytes.Repeat([]byte{7}, 128)...), false},
	} {
		if _, _, err := newDHSession(tt.key); (err == nil) != tt.ok {
			t.Errorf("%s: %v", tt.name, err)
		}
	}
}

func TestSeal(t *testing.T) {
	s, _, err := newDHSession([]byte{2})
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range []*session{s, {}} {
		for _, n := range []int{0, 1, 15, 16, 17, 1000} {
			want := bytes.Repeat([]byte{0xc3}, n)
			sealed := s.seal("/s", secret.NewValue(bytes.Clone(want)), "")
			v, err := s.open(sealed)
			if err != nil || !bytes.Equal(v.Expose(), want) {
				t.Errorf("%d bytes: %v", n, err)
			}
		}
	}
	if got := (&session{}).seal("/s", secret.NewValue([]byte{0xff}), "").contentType; got != "application/octet-stream" {
		t.Errorf("bytes are called %s", got)
	}
	if got := (&session{}).seal("/s", secret.NewValue([]byte("é")), "").contentType; got != "text/plain" {
		t.Errorf("text is called %s", got)
	}
}

func TestOpenRefuses(t *testing.T) {
	s, _, err := newDHSession([]byte{2})
	if err != nil {
		t.Fatal(err)
	}
	iv := make([]byte, aes.BlockSize)
	crypt := func(plain string) []byte {
		out := []byte(plain)
		for i := 0; i < len(out); i += aes.BlockSize {
			for j := range aes.BlockSize {
				if i > 0 {
					out[i+j] ^= out[i-aes.BlockSize+j]
				}
			}
			s.block.Encrypt(out[i:], out[i:])
		}
		return out
	}
	if _, err := s.open(sealedSecret{params: iv, value: crypt("abc\x0d\x0d\x0d\x0d\x0d\x0d\x0d\x0d\x0d\x0d\x0d\x0d\x0d")}); err != nil {
		t.Fatalf("good padding: %v", err)
	}
	for name, in := range map[string]sealedSecret{
		"empty":            {params: iv},
		"no IV":            {value: crypt("0123456789abcde\x01")},
		"short IV":         {params: iv[:15], value: crypt("0123456789abcde\x01")},
		"half a block":     {params: iv, value: make([]byte, 8)},
		"padding 0":        {params: iv, value: crypt("0123456789abcde\x00")},
		"padding 17":       {params: iv, value: crypt("0123456789abcde\x11")},
		"padding not even": {params: iv, value: crypt("0123456789abc\x01\x03\x03")},
	} {
		if _, err := s.open(in); !errors.Is(err, errCiphertext) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := (&session{}).open(sealedSecret{params: []byte{1}}); !errors.Is(err, errCiphertext) {
		t.Errorf("plain with parameters: %v", err)
	}
}
