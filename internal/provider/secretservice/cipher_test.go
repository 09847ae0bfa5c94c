package secretservice

import (
	"bytes"
	"crypto/hkdf"
	"crypto/sha256"
	"math/big"
	"testing"
)

func prime() *big.Int {
	p, _ := new(big.Int).SetString(primeHex, 16)
	return p
}

// Both sides agree also when a number has leading zeros, which one in 256 has
// and libraries drop on the way.
func TestKeyAgreementWithLeadingZeros(t *testing.T) {
	short := map[string]int{}
	for i := 0; len(short) < 2; i++ {
		a, b := newExchange(), newExchange()
		shared := new(big.Int).Exp(new(big.Int).SetBytes(b.public()), a.private, a.prime)
		if len(a.public()) != primeLen {
			t.Fatalf("a public key of %d bytes", len(a.public()))
		}
		shortPublic, shortShared := a.public()[0] == 0, len(shared.Bytes()) < primeLen
		if !shortPublic && !shortShared {
			continue
		}
		if shortPublic {
			short["public"]++
		}
		if shortShared {
			short["shared"]++
		}
		one, err := a.key(b.public())
		if err != nil {
			t.Fatal(err)
		}
		other, err := b.key(bytes.TrimLeft(a.public(), "\x00"))
		if err != nil {
			t.Fatal(err)
		}
		padded := shared.FillBytes(make([]byte, primeLen))
		want, err := hkdf.Key(sha256.New, padded, nil, "", keyLen)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(one, other) || !bytes.Equal(one, want) {
			t.Fatalf("round %d: the keys differ", i)
		}
	}
}

func TestPublicKeys(t *testing.T) {
	p := prime()
	less := func(n int64) []byte { return new(big.Int).Sub(p, big.NewInt(n)).Bytes() }
	for name, c := range map[string]struct {
		key  []byte
		want bool
	}{
		"two":               {[]byte{2}, true},
		"two, padded":       {append(make([]byte, primeLen), 2), true},
		"p-2":               {less(2), true},
		"none":              {nil, false},
		"zero":              {make([]byte, primeLen), false},
		"one":               {[]byte{1}, false},
		"p-1":               {less(1), false},
		"p":                 {p.Bytes(), false},
		"p+1":               {less(-1), false},
		"all ones":          {bytes.Repeat([]byte{0xff}, primeLen), false},
		"too long":          {append(make([]byte, primeLen+1), 2), false},
		"a million numbers": {bytes.Repeat([]byte{3}, 1<<20), false},
	} {
		if _, err := newExchange().key(c.key); (err == nil) != c.want {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestSealing(t *testing.T) {
	key := bytes.Repeat([]byte{7}, keyLen)
	seen := map[string]bool{}
	for n := range 50 {
		plain := bytes.Repeat([]byte{16}, n)
		iv, sealed, err := seal(key, plain)
		if err != nil || seen[string(iv)] {
			t.Fatalf("%d bytes: %v, or an IV used twice", n, err)
		}
		seen[string(iv)] = true
		if n >= 8 && bytes.Contains(sealed, plain) || !bytes.Equal(plain, bytes.Repeat([]byte{16}, n)) {
			t.Errorf("%d bytes: not encrypted, or the caller's bytes are changed", n)
		}
		if got, err := opened(key, iv, sealed); err != nil || !bytes.Equal(got, plain) {
			t.Errorf("%d bytes: %x, %v", n, got, err)
		}
	}
}

func TestUnsealRefuses(t *testing.T) {
	key := bytes.Repeat([]byte{7}, keyLen)
	iv, sealed, err := seal(key, []byte("seventeen bytes!!"))
	if err != nil {
		t.Fatal(err)
	}
	spoil := func(at int, by byte) []byte {
		c := bytes.Clone(sealed)
		c[at] ^= by
		return c
	}
	for name, c := range map[string]struct{ iv, sealed []byte }{
		"no bytes":         {iv, nil},
		"part of a block":  {iv, sealed[:17]},
		"short IV":         {iv[:15], sealed},
		"no IV":            {nil, sealed},
		"padding of 0":     {iv, spoil(15, 15)},
		"padding of 17":    {iv, spoil(15, 15^17)},
		"one byte differs": {iv, spoil(8, 1)},
	} {
		if got, err := opened(key, c.iv, c.sealed); err == nil {
			t.Errorf("%s: %x", name, got)
		}
	}
}

func opened(key, iv, sealed []byte) ([]byte, error) {
	room := make([]byte, len(sealed))
	n, err := unseal(room, key, iv, sealed)
	return room[:n], err
}
