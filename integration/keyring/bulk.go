//go:build linux

package keyring

import (
	"fmt"
	"strings"
	"testing"
)

// writeBulk writes the default keyring as a text file, which the daemon also
// reads: making the items over the bus would rewrite the file for each. Such a
// file is not encrypted.
func (k *Keyring) writeBulk(t testing.TB) {
	t.Helper()
	var b strings.Builder
	b.WriteString("[keyring]\ndisplay-name=bulk\nctime=1\nmtime=1\nlock-on-idle=false\nlock-after=false\n")
	for i := range k.cfg.Bulk {
		attrs := BulkAttributes(i)
		fmt.Fprintf(&b, "\n[%d]\nitem-type=0\ndisplay-name=bulk %d\nsecret=%s\nmtime=1\nctime=1\n", i+1, i, BulkSecret(i))
		for n, name := range []string{"service", "account"} {
			fmt.Fprintf(&b, "\n[%d:attribute%d]\nname=%s\ntype=string\nvalue=%s\n", i+1, n, name, attrs[name])
		}
	}
	k.write(t, "data/keyrings/bulk.keyring", b.String())
	k.write(t, "data/keyrings/default", "bulk")
}

// BulkAttributes are those of item i of a bulk keyring.
func BulkAttributes(i int) map[string]string {
	return map[string]string{"service": fmt.Sprintf("bulk-%d", i), "account": fmt.Sprintf("user-%d", i%7)}
}

// BulkSecret is the secret of item i of a bulk keyring.
func BulkSecret(i int) string { return fmt.Sprintf("secret-%d", i) }
