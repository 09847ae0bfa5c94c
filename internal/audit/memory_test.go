package audit_test

import (
	"bytes"
	"errors"
	"fmt"
	"keyhole/internal/audit"
	"sync"
	"syscall"
	"testing"
)

// memory is a disk whose faults can be switched on.
type memory struct {
	mu           sync.Mutex
	buf          bytes.Buffer
	syncs        int
	failAppend   error
	failSync     error
	beforeAppend func()
}

func (m *memory) disk() audit.TestDisk {
	return audit.TestDisk{
		OnAppend: func(b []byte) error {
			if m.beforeAppend != nil {
				m.beforeAppend()
			}
			m.mu.Lock()
			defer m.mu.Unlock()
			if m.failAppend != nil {
				return m.failAppend
			}
			m.buf.Write(b)
			return nil
		},
		OnSync: func() error {
			m.mu.Lock()
			defer m.mu.Unlock()
			m.syncs++
			return m.failSync
		},
	}
}

func (m *memory) set(appendErr, syncErr error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.failAppend, m.failSync = appendErr, syncErr
}

func (m *memory) synced() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.syncs
}

func (m *memory) records(t *testing.T) []audit.Record {
	t.Helper()
	m.mu.Lock()
	defer m.mu.Unlock()
	var out []audit.Record
	err := audit.Lines(bytes.NewReader(m.buf.Bytes()), func(l audit.Line) error {
		out = append(out, l.Record)
		return l.Err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func TestFailedWriteLeavesNoGap(t *testing.T) {
	m := &memory{}
	r := audit.NewTestLog(m.disk()).NewRecorder("s", nil)
	record(t, r, entry(audit.Allowed, "a"))
	m.set(syscall.ENOSPC, nil)
	if err := r.Record(entry(audit.Allowed, "b")); !errors.Is(err, syscall.ENOSPC) {
		t.Fatalf("got %v", err)
	}
	m.set(nil, nil)
	record(t, r, entry(audit.Allowed, "b"))
	got := m.records(t)
	if len(got) != 2 || got[1].Seq != 2 || *got[1].Item.Service != "b" {
		t.Fatalf("got %+v", got)
	}
}

func TestFailedSyncIsFinal(t *testing.T) {
	m := &memory{failSync: syscall.EIO}
	r := audit.NewTestLog(m.disk()).NewRecorder("s", nil)
	if err := r.Record(entry(audit.Allowed, "a")); !errors.Is(err, syscall.EIO) {
		t.Fatalf("got %v", err)
	}
	m.set(nil, nil)
	if err := r.Record(entry(audit.Allowed, "a")); !errors.Is(err, syscall.EIO) {
		t.Fatalf("after a failed sync: %v", err)
	}
}

func TestGroupCommit(t *testing.T) {
	entered, release := make(chan struct{}), make(chan struct{})
	var once sync.Once
	m := &memory{beforeAppend: func() {
		once.Do(func() { close(entered); <-release })
	}}
	l := audit.NewTestLog(m.disk())
	r := l.NewRecorder("s", nil)
	var wg sync.WaitGroup
	wg.Go(func() { record(t, r, entry(audit.Allowed, "first")) })
	<-entered
	for i := range 20 {
		wg.Go(func() { record(t, r, entry(audit.Allowed, fmt.Sprint(i))) })
	}
	for l.Queued() < 20 {
		// The queue fills on its own; nothing else can move before release.
	}
	close(release)
	wg.Wait()
	if m.synced() != 2 || len(m.records(t)) != 21 {
		t.Errorf("%d syncs for %d records, want 2 for 21", m.synced(), len(m.records(t)))
	}
}

// What decides nothing does not wait for the disk, and goes there with the next
// record that does.
func TestWhatIsSynced(t *testing.T) {
	tests := map[audit.Kind]int{
		audit.Start: 0, audit.End: 0,
		audit.Allowed: 1, audit.Denied: 1, audit.Failed: 1, audit.Asked: 1, audit.Answered: 1,
	}
	for kind, want := range tests {
		m := &memory{}
		record(t, audit.NewTestLog(m.disk()).NewRecorder("s", nil), entry(kind, "a"))
		if m.synced() != want || len(m.records(t)) != 1 {
			t.Errorf("%s: %d syncs, want %d", kind, m.synced(), want)
		}
	}
}
