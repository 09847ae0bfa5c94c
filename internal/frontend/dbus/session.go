package dbus

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"math/big"
	"unicode/utf8"

	"keyhole/internal/secret"
)

// Sessions as in the Secret Service API Draft, "Transfer of Secrets". The socket
// is private, so the encryption of the second algorithm protects nothing; client
// libraries insist on it all the same.

const (
	algorithmPlain = "plain"
	algorithmDH    = "dh-ietf1024-sha256-aes128-cbc-pkcs7"
)

const (
	dhBytes     = 128 // length of a group element
	dhSecret    = 32  // bytes of our exponent, twice the strength of the cipher
	sessionKey  = 16  // AES-128
	maxDHPublic = dhBytes + 1
)

// The prime of RFC 2409, section 6.2 ("Second Oakley Group"); its generator is 2.
const dhPrimeHex = "FFFFFFFFFFFFFFFFC90FDAA22168C234C4C6628B80DC1CD129024E088A67CC74" +
	"020BBEA63B139B22514A08798E3404DDEF9519B3CD3A431B302B0A6DF25F1437" +
	"4FE1356D6D51C245E485B576625E7EC6F44C42E9A637ED6B0BFF5CB6F406B7ED" +
	"EE386BFB5A899FA5AE9F24117C4B1FE649286651ECE65381FFFFFFFFFFFFFFFF"

var (
	errPublicKey  = errors.New("public key is out of range")
	errCiphertext = errors.New("secret cannot be decrypted")
)

// session is how one client's secrets are encoded. A plain one has no block.
type session struct {
	block cipher.Block
}

// newDHSession agrees on a key with the client's public key and returns ours.
func newDHSession(theirs []byte) (*session, []byte, error) {
	exponent := make([]byte, dhSecret)
	rand.Read(exponent) // never fails, see crypto/rand
	defer clear(exponent)
	return agree(theirs, exponent)
}

func agree(theirs, exponent []byte) (*session, []byte, error) {
	prime, ok := new(big.Int).SetString(dhPrimeHex, 16)
	if !ok {
		return nil, nil, errors.New("internal error: prime")
	}
	one := big.NewInt(1)
	y := new(big.Int).SetBytes(theirs)
	// 0, 1 and p-1 would make the shared secret known to anybody.
	if len(theirs) > maxDHPublic || y.Cmp(one) <= 0 || y.Cmp(new(big.Int).Sub(prime, one)) >= 0 {
		return nil, nil, errPublicKey
	}
	x := new(big.Int).SetBytes(exponent)
	public := new(big.Int).Exp(big.NewInt(2), x, prime)
	shared := new(big.Int).Exp(y, x, prime)
	// One shared secret in 256 starts with a zero byte: both sides must hash it
	// at full length.
	padded := shared.FillBytes(make([]byte, dhBytes))
	defer clear(padded)
	key, err := hkdf.Key(sha256.New, padded, nil, "", sessionKey)
	if err != nil {
		return nil, nil, fmt.Errorf("deriving session key: %w", err)
	}
	defer clear(key)
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, nil, fmt.Errorf("making cipher: %w", err)
	}
	return &session{block: block}, public.FillBytes(make([]byte, dhBytes)), nil
}

// open turns what a client sent into a Value of its own.
func (s *session) open(in sealedSecret) (secret.Value, error) {
	if s.block == nil {
		if len(in.params) != 0 {
			return secret.Value{}, errCiphertext
		}
		return secret.Fill(len(in.value), func(room []byte) (int, error) { return copy(room, in.value), nil })
	}
	if len(in.params) != aes.BlockSize || len(in.value) == 0 || len(in.value)%aes.BlockSize != 0 {
		return secret.Value{}, errCiphertext
	}
	return secret.Fill(len(in.value), func(plain []byte) (int, error) {
		cipher.NewCBCDecrypter(s.block, in.params).CryptBlocks(plain, in.value)
		n := int(plain[len(plain)-1])
		ok := n >= 1 && n <= aes.BlockSize
		for i := 0; ok && i < n; i++ {
			ok = plain[len(plain)-1-i] == byte(n)
		}
		if !ok {
			return 0, errCiphertext
		}
		return len(plain) - n, nil
	})
}

// seal encodes a secret for the client, under the path of its session. This is
// the only place of the front end where a Value is exposed. The caller wipes v
// once the encoded value, which may be v's own bytes, is in the message.
func (s *session) seal(path string, v secret.Value, contentType string) sealedSecret {
	plain := v.Expose()
	out := sealedSecret{session: path, value: plain, contentType: contentType}
	if contentType == "" {
		out.contentType = "application/octet-stream"
		if utf8.Valid(plain) {
			out.contentType = "text/plain"
		}
	}
	if s.block == nil {
		return out
	}
	pad := aes.BlockSize - len(plain)%aes.BlockSize
	sealed := make([]byte, len(plain)+pad)
	whole := len(sealed) - aes.BlockSize
	// Only the last block is put together, which is overwritten by its cipher.
	last := sealed[whole:]
	for i := copy(last, plain[whole:]); i < len(last); i++ {
		last[i] = byte(pad)
	}
	out.params = make([]byte, aes.BlockSize)
	rand.Read(out.params) // never fails, see crypto/rand
	encrypter := cipher.NewCBCEncrypter(s.block, out.params)
	encrypter.CryptBlocks(sealed[:whole], plain[:whole])
	encrypter.CryptBlocks(last, last)
	out.value = sealed
	return out
}
