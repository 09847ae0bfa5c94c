package secretservice

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"math/big"
)

// The algorithm dh-ietf1024-sha256-aes128-cbc-pkcs7 of the Secret Service
// specification ("Algorithms"): Diffie-Hellman in the second Oakley group of
// RFC 2409 with generator 2; the shared secret, padded on the left to the
// length of the prime, goes through HKDF-SHA256 (RFC 5869) without salt and
// info to a key of 16 bytes; secrets are sealed with AES-128-CBC, a fresh IV
// each time, and PKCS#7 padding. It guards against those who watch the bus,
// not against those who speak on it.
const (
	algorithmDH    = "dh-ietf1024-sha256-aes128-cbc-pkcs7"
	algorithmPlain = "plain"

	primeLen = 128
	keyLen   = 16
	// exponentLen is twice the strength the group has at best.
	exponentLen = 32

	primeHex = "FFFFFFFFFFFFFFFFC90FDAA22168C234C4C6628B80DC1CD1" +
		"29024E088A67CC74020BBEA63B139B22514A08798E3404DD" +
		"EF9519B3CD3A431B302B0A6DF25F14374FE1356D6D51C245" +
		"E485B576625E7EC6F44C42E9A637ED6B0BFF5CB6F406B7ED" +
		"EE386BFB5A899FA5AE9F24117C4B1FE649286651ECE65381" +
		"FFFFFFFFFFFFFFFF"
)

// exchange is our half of one key agreement.
type exchange struct {
	prime, private *big.Int
}

func newExchange() *exchange {
	var secret [exponentLen]byte
	rand.Read(secret[:]) // never fails: crypto/rand ends the process first
	defer clear(secret[:])
	prime, _ := new(big.Int).SetString(primeHex, 16)
	return &exchange{prime, new(big.Int).SetBytes(secret[:])}
}

// public is the key to send, at full length.
func (e *exchange) public() []byte {
	return new(big.Int).Exp(big.NewInt(2), e.private, e.prime).FillBytes(make([]byte, primeLen))
}

// key agrees on the session's key. A public key may lack leading zeros or carry
// one too many; 0, 1, p-1 and what is not below p would fix the secret.
func (e *exchange) key(theirs []byte) ([]byte, error) {
	if len(theirs) > primeLen+1 {
		return nil, odd("a public key that is too long")
	}
	public := new(big.Int).SetBytes(theirs)
	last := new(big.Int).Sub(e.prime, big.NewInt(1))
	if public.Cmp(big.NewInt(1)) <= 0 || public.Cmp(last) >= 0 {
		return nil, odd("a public key out of range")
	}
	shared := new(big.Int).Exp(public, e.private, e.prime).FillBytes(make([]byte, primeLen))
	defer clear(shared)
	return hkdf.Key(sha256.New, shared, nil, "", keyLen)
}

// seal encrypts plain under a fresh IV and leaves plain as it is.
func seal(key, plain []byte) (iv, sealed []byte, err error) {
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, nil, err
	}
	iv = make([]byte, aes.BlockSize)
	rand.Read(iv) // never fails: crypto/rand ends the process first
	pad := aes.BlockSize - len(plain)%aes.BlockSize
	sealed = make([]byte, len(plain)+pad)
	whole := len(sealed) - aes.BlockSize
	// Only the last block is put together, which is overwritten by its cipher.
	last := sealed[whole:]
	for i := copy(last, plain[whole:]); i < len(last); i++ {
		last[i] = byte(pad)
	}
	encrypter := cipher.NewCBCEncrypter(block, iv)
	encrypter.CryptBlocks(sealed[:whole], plain[:whole])
	encrypter.CryptBlocks(last, last)
	return iv, sealed, nil
}

// unseal decrypts into room, which is as long as sealed, and returns how much of
// it is the secret.
func unseal(room, key, iv, sealed []byte) (int, error) {
	if len(iv) != aes.BlockSize || len(sealed) == 0 || len(sealed)%aes.BlockSize != 0 {
		return 0, odd("an encrypted secret of impossible length")
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return 0, err
	}
	cipher.NewCBCDecrypter(block, iv).CryptBlocks(room, sealed)
	pad := int(room[len(sealed)-1])
	if pad < 1 || pad > aes.BlockSize {
		return 0, odd("bad padding of an encrypted secret")
	}
	end := len(sealed) - pad
	want := make([]byte, pad)
	for i := range want {
		want[i] = byte(pad)
	}
	if subtle.ConstantTimeCompare(room[end:len(sealed)], want) != 1 {
		return 0, odd("bad padding of an encrypted secret")
	}
	return end, nil
}
