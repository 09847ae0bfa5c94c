package secret

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"errors"
)

// Prefixes that the library go-keyring puts before what it has encoded.
const (
	base64Prefix = "go-keyring-base64:"
	hexPrefix    = "go-keyring-encoded:"
)

// UndoGoKeyring undoes go-keyring's prefixes, for programs that want what was
// put in and not what is kept. Bytes without one of the prefixes come back as
// they are. Errors hold nothing of the bytes.
func UndoGoKeyring(b []byte) ([]byte, error) {
	if rest, ok := bytes.CutPrefix(b, []byte(base64Prefix)); ok {
		out := make([]byte, base64.StdEncoding.DecodedLen(len(rest)))
		n, err := base64.StdEncoding.Decode(out, rest)
		if err != nil {
			return nil, errors.New("the value has go-keyring's base64 prefix and is not base64")
		}
		return out[:n], nil
	}
	if rest, ok := bytes.CutPrefix(b, []byte(hexPrefix)); ok {
		out := make([]byte, hex.DecodedLen(len(rest)))
		if _, err := hex.Decode(out, rest); err != nil {
			return nil, errors.New("the value has go-keyring's hex prefix and is not hex")
		}
		return out, nil
	}
	return b, nil
}
