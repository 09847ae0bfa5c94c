package audit_test

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"keyhole/internal/audit"
)

// bigLog has n records, put into the file without a sync each.
func bigLog(b *testing.B, n int) (path string) {
	b.Helper()
	seed := writtenLog(b, 1)
	line, err := os.ReadFile(seed)
	if err != nil {
		b.Fatal(err)
	}
	many := make([][]byte, n)
	for i := range many {
		many[i] = bytes.Replace(line, []byte("svc0"), fmt.Appendf(nil, "svc%d", i), 1)
	}
	path = filepath.Join(b.TempDir(), "audit.jsonl")
	if err := os.WriteFile(path, bytes.Join(audit.Relink(many), nil), 0o600); err != nil {
		b.Fatal(err)
	}
	return path
}

func BenchmarkVerify100000(b *testing.B) {
	path := bigLog(b, 100_000)
	if info, err := os.Stat(path); err == nil {
		b.SetBytes(info.Size())
	}
	for b.Loop() {
		if r, err := audit.Verify(path, nil); err != nil || !r.OK() || r.Last != 100_000 {
			b.Fatalf("%+v, %v", r, err)
		}
	}
}

func BenchmarkOpen(b *testing.B) {
	for _, n := range []int{1, 30_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			path := bigLog(b, n)
			for b.Loop() {
				l, err := audit.Open(path)
				if err != nil {
					b.Fatal(err)
				}
				if err := l.Close(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkAppend(b *testing.B) {
	l, err := audit.Open(bigLog(b, 1000))
	if err != nil {
		b.Fatal(err)
	}
	r := l.NewRecorder("s", nil)
	i := 0
	for b.Loop() {
		i++
		if err := r.Record(audit.Entry{Kind: audit.Start, Detail: fmt.Sprint(i)}); err != nil { // is not synced
			b.Fatal(err)
		}
	}
}
