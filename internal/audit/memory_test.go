package audit_test

import (
	"bytes"
	"errors"
	"fmt"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"keyhole/internal/audit"
	"keyhole/internal/policy"
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

// What something is done on the strength of is on disk at once, what else is
// decided soon, and what only follows others with the next record that has to.
func TestWhatIsSynced(t *testing.T) {
	of := func(kind audit.Kind, op policy.Operation) audit.Entry {
		e := entry(kind, "a")
		e.Request.Operation = op
		return e
	}
	for _, c := range []struct {
		entry     audit.Entry
		now, soon int
	}{
		{of(audit.Start, policy.Read), 0, 0},
		{of(audit.End, policy.Read), 0, 0},
		{of(audit.Allowed, policy.Read), 1, 1},
		{of(audit.Allowed, policy.Create), 1, 1},
		{of(audit.Asked, policy.Read), 1, 1},
		{of(audit.Answered, policy.Read), 1, 1},
		{of(audit.Allowed, policy.List), 0, 1},
		{of(audit.Allowed, policy.Status), 0, 1},
		{of(audit.Denied, policy.Read), 0, 1},
		{of(audit.Failed, policy.Delete), 0, 1},
	} {
		synctest.Test(t, func(t *testing.T) {
			m := &memory{}
			l := audit.NewTestLog(m.disk())
			what := fmt.Sprint(c.entry.Kind, " ", c.entry.Request.Operation)
			record(t, l.NewRecorder("s", nil), c.entry)
			if m.synced() != c.now || len(m.records(t)) != 1 {
				t.Errorf("%s: %d syncs, want %d", what, m.synced(), c.now)
			}
			pass(50 * time.Millisecond)
			if m.synced() != c.soon {
				t.Errorf("%s: %d syncs after a moment, want %d", what, m.synced(), c.soon)
			}
			if err := l.Close(); err != nil || m.synced() != c.soon {
				t.Errorf("%s: %d syncs at the end, want %d; %v", what, m.synced(), c.soon, err)
			}
		})
	}
}

// Records that have a moment go to disk together with the next one that has not,
// and at the end of the log.
func TestOneSyncForSeveral(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &memory{}
		l := audit.NewTestLog(m.disk())
		r := l.NewRecorder("s", nil)
		record(t, r, entry(audit.Denied, "a"))
		record(t, r, entry(audit.Denied, "b"))
		record(t, r, entry(audit.Allowed, "c"))
		pass(time.Second)
		if m.synced() != 1 {
			t.Errorf("%d syncs, want 1", m.synced())
		}
		record(t, r, entry(audit.Denied, "d"))
		if err := l.Close(); err != nil || m.synced() != 2 {
			t.Errorf("%d syncs at the end, want 2; %v", m.synced(), err)
		}
		pass(time.Second)
		if m.synced() != 2 {
			t.Errorf("%d syncs of a closed log", m.synced()-2)
		}
	})
}

// A sync that fails later stops what comes after it, like one that is waited for.
func TestSyncFailsLater(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &memory{}
		r := recorder(m)
		m.set(nil, syscall.EIO)
		record(t, r, entry(audit.Denied, "a"))
		pass(time.Second)
		m.set(nil, nil)
		if err := r.Record(entry(audit.Allowed, "b")); !errors.Is(err, syscall.EIO) {
			t.Errorf("recorded after a failed sync: %v", err)
		}
	})
}
