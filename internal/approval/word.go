package approval

import (
	"crypto/rand"
	"strings"
)

// Word is drawn at random for a person to type: three syllables. Where a
// confined command can write to the person's terminal, it cannot make the person
// type one that it does not know.
func Word() string {
	const consonants, vowels = "bdfgklmnprstvz", "aeiou"
	var b [6]byte
	rand.Read(b[:]) // never fails, see crypto/rand
	var w strings.Builder
	for i := 0; i < len(b); i += 2 {
		w.WriteByte(consonants[int(b[i])%len(consonants)])
		w.WriteByte(vowels[int(b[i+1])%len(vowels)])
	}
	return w.String()
}
