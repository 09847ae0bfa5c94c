package audit_test

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"keyhole/internal/audit"
	"keyhole/internal/policy"
)

func recorder(m *memory) *audit.Recorder {
	return audit.NewTestLog(m.disk()).NewRecorder("s", nil)
}

// pass moves the bubble's clock and lets what is due be done.
func pass(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

func TestRepeatsAreCounted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &memory{}
		r := recorder(m)
		for range 5 {
			record(t, r, entry(audit.Allowed, "a"))
		}
		record(t, r, entry(audit.Denied, "a"))
		if got := m.records(t); len(got) != 2 || m.synced() != 1 {
			t.Fatalf("%d syncs, records %+v", m.synced(), got)
		}
		pass(11 * time.Second)
		got := m.records(t)
		if len(got) != 3 || got[2].Kind != audit.Repeats || got[2].Count != 4 || got[2].Of != 1 || *got[2].Item.Account != "ann" {
			t.Fatalf("after 10 s: %+v", got)
		}
		record(t, r, entry(audit.Denied, "a"))
		if err := r.Close(); err != nil {
			t.Fatal(err)
		}
		got = m.records(t)
		if len(got) != 4 || got[3].Count != 1 || got[3].Of != 2 {
			t.Fatalf("after Close: %+v", got)
		}
	})
}

func TestWhatIsNotFolded(t *testing.T) {
	base := entry(audit.Allowed, "a")
	change := func(f func(*audit.Entry)) audit.Entry { e := base; f(&e); return e }
	answered := change(func(e *audit.Entry) { e.Kind = audit.Answered })
	tests := map[string][2]audit.Entry{
		"kind":      {base, change(func(e *audit.Entry) { e.Kind = audit.Denied })},
		"operation": {base, change(func(e *audit.Entry) { e.Request.Operation = policy.List })},
		"rule":      {base, change(func(e *audit.Entry) { e.Rule = "other" })},
		"item":      {base, entry(audit.Allowed, "b")},
		"target":    {base, change(func(e *audit.Entry) { e.Target = "overlay" })},
		"long item": {entry(audit.Denied, fmt.Sprintf("%300d", 1)), entry(audit.Denied, fmt.Sprintf("%300d", 2))},
		"shifted":   {change(func(e *audit.Entry) { e.Rule, e.Target = "ab", "c" }), change(func(e *audit.Entry) { e.Rule, e.Target = "a", "bc" })},
		"detail":    {change(func(e *audit.Entry) { e.Detail = "tool gh auth status" }), change(func(e *audit.Entry) { e.Detail = "tool gh repo delete" })},
		"start":     {audit.Entry{Kind: audit.Start}, audit.Entry{Kind: audit.Start}},
		"answer":    {answered, change(func(e *audit.Entry) { e.Kind = audit.Answered; e.Answer = policy.Allow })},
	}
	for name, pair := range tests {
		t.Run(name, func(t *testing.T) {
			m := &memory{}
			r := recorder(m)
			record(t, r, pair[0])
			record(t, r, pair[1])
			if got := m.records(t); len(got) != 2 {
				t.Errorf("%d records", len(got))
			}
		})
	}
}

// An equal record that comes while the first is being written must not be
// answered before that one is on disk, nor when it fails.
func TestRepeatWaitsForFirst(t *testing.T) {
	for name, failure := range map[string]error{"written": nil, "failed": syscall.ENOSPC} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				hold := make(chan struct{})
				m := &memory{failAppend: failure, beforeAppend: func() { <-hold }}
				r := recorder(m)
				results := make(chan error, 2)
				for range 2 {
					go func() { results <- r.Record(entry(audit.Allowed, "a")) }()
				}
				synctest.Wait()
				select {
				case err := <-results:
					t.Errorf("answered early: %v", err)
				default:
				}
				close(hold)
				for range 2 {
					if err := <-results; !errors.Is(err, failure) {
						t.Errorf("got %v, want %v", err, failure)
					}
				}
				if err := r.Close(); !errors.Is(err, nil) {
					t.Errorf("closing: %v", err)
				}
			})
		})
	}
}

// Only what is on disk is counted without being recorded.
func TestRepeat(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &memory{}
		r := recorder(m)
		e := entry(audit.Denied, "a")
		if r.Repeat(e) {
			t.Error("counted before it was recorded")
		}
		record(t, r, e)
		if r.Repeat(entry(audit.Denied, "b")) || r.Repeat(audit.Entry{Kind: audit.Start}) {
			t.Error("counted something else")
		}
		for range 3 {
			if !r.Repeat(e) {
				t.Error("not counted")
			}
		}
		pass(11 * time.Second)
		got := m.records(t)
		if len(got) != 2 || got[1].Kind != audit.Repeats || got[1].Count != 3 {
			t.Errorf("%+v", got)
		}
		if err := r.Close(); err != nil {
			t.Fatal(err)
		}
		if r.Repeat(e) {
			t.Error("counted after the end of the run")
		}
	})
}

func TestUnwrittenCountsStopRepeats(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &memory{}
		r := recorder(m)
		record(t, r, entry(audit.Allowed, "a"))
		record(t, r, entry(audit.Allowed, "a"))
		m.set(syscall.ENOSPC, nil)
		pass(11 * time.Second)
		if err := r.Record(entry(audit.Allowed, "a")); !errors.Is(err, syscall.ENOSPC) {
			t.Fatalf("released although counts cannot be written: %v", err)
		}
		if r.Repeat(entry(audit.Allowed, "a")) {
			t.Error("counted although counts cannot be written")
		}
		m.set(nil, nil)
		record(t, r, entry(audit.Allowed, "a"))
		if err := r.Close(); err != nil {
			t.Fatal(err)
		}
		total := 0
		for _, rec := range m.records(t) {
			total += rec.Count
		}
		if total != 2 {
			t.Errorf("counted %d repeats, want 2", total)
		}
	})
}

// manySeries is a recorder that remembers no more.
func manySeries(t *testing.T) (*memory, *audit.Recorder) {
	t.Helper()
	m := &memory{}
	r := recorder(m)
	for i := range audit.MaxFolds {
		record(t, r, entry(audit.Denied, fmt.Sprint(i)))
	}
	return m, r
}

// A client that asks for ever new items must not fill the disk.
func TestManySeries(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { // counts are written when 10 s are over
		m, r := manySeries(t)
		list := func(service string) audit.Entry {
			e := entry(audit.Allowed, service)
			e.Request.Operation = policy.List
			return e
		}
		for i := range 100 {
			record(t, r, entry(audit.Denied, fmt.Sprint("more", i)))
			record(t, r, entry(audit.Failed, fmt.Sprint("more", i)))
			record(t, r, list(fmt.Sprint("more", i)))
		}
		record(t, r, entry(audit.Denied, "0"))
		got := m.records(t)[audit.MaxFolds:]
		if len(got) != 3 {
			t.Fatalf("%d records, want 3", len(got))
		}
		if i := got[0].Item; i.Store != "sealed-file" || i.Service != nil || got[0].Detail == "" || got[0].Effect != "deny" {
			t.Errorf("%+v", got[0])
		}
		if err := r.Close(); err != nil {
			t.Fatal(err)
		}
		counts := map[int64]int{}
		for _, rec := range m.records(t)[audit.MaxFolds+3:] {
			counts[rec.Of] = rec.Count
		}
		if first := got[0].Seq; len(counts) != 4 || counts[1] != 1 || counts[first] != 99 || counts[first+1] != 99 || counts[first+2] != 99 {
			t.Errorf("counts %v", counts)
		}
	})
}

// What is released is recorded one by one for ever, only slowly.
func TestReleasesPastManySeries(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, r := manySeries(t)
		start := time.Now()
		for i := range 40 {
			record(t, r, entry(audit.Allowed, fmt.Sprint("more", i)))
		}
		if took := time.Since(start); took < time.Second || took > 10*time.Second {
			t.Errorf("40 records took %v", took)
		}
		for i, rec := range m.records(t)[audit.MaxFolds:] {
			if want := fmt.Sprint("more", i); *rec.Item.Service != want {
				t.Errorf("record of %q, want %q", *rec.Item.Service, want)
			}
		}
		results := make(chan error)
		for i := range 100 {
			go func() { results <- r.Record(entry(audit.Allowed, fmt.Sprint("late", i))) }()
		}
		synctest.Wait()
		start = time.Now()
		if err := r.Close(); err != nil {
			t.Error(err)
		}
		for range 100 {
			if err := <-results; err == nil {
				t.Error("recorded after Close")
			}
		}
		if took := time.Since(start); took > time.Second {
			t.Errorf("the end took %v", took)
		}
	})
}

// A run for days does not write ten times as much as one for hours.
func TestReleasesPastManySeriesSlowDown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &memory{}
		r := recorder(m)
		began := time.Now()
		for n := 0; time.Since(began) < 24*time.Hour; n++ {
			if n > 100_000 {
				t.Fatal("more than 100,000 records in a day")
			}
			record(t, r, entry(audit.Allowed, fmt.Sprint("more", n)))
		}
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	})
}

// At the end of a run nobody waits for the turns of those that are still waiting,
// and all of them are recorded.
func TestHasten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, r := manySeries(t)
		results := make(chan error)
		for i := range 400 {
			go func() { results <- r.Record(entry(audit.Allowed, fmt.Sprint("late", i))) }()
		}
		synctest.Wait()
		start := time.Now()
		r.Hasten()
		r.Hasten()
		for range 400 {
			if err := <-results; err != nil {
				t.Error(err)
			}
		}
		if took := time.Since(start); took > time.Second {
			t.Errorf("the end took %v", took)
		}
		if n := len(m.records(t)) - audit.MaxFolds; n != 400 {
			t.Errorf("%d records, want 400", n)
		}
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	})
}

func TestAfterClose(t *testing.T) {
	r := recorder(&memory{})
	record(t, r, entry(audit.Allowed, "a"))
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	for _, e := range []audit.Entry{entry(audit.Allowed, "a"), entry(audit.Allowed, "b"), {Kind: audit.End}} {
		if err := r.Record(e); err == nil {
			t.Errorf("%s recorded after Close", e.Kind)
		}
	}
}

func TestConcurrentRepeats(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &memory{}
		r := recorder(m)
		var wg sync.WaitGroup
		for range 16 {
			wg.Go(func() {
				for i := range 100 {
					record(t, r, entry(audit.Allowed, fmt.Sprint(i%3)))
				}
			})
		}
		wg.Wait()
		if err := r.Close(); err != nil {
			t.Fatal(err)
		}
		got, total := m.records(t), 0
		for _, rec := range got {
			total += max(rec.Count, 1)
			if rec.Kind != audit.Repeats && rec.Count != 0 {
				t.Errorf("count in %+v", rec)
			}
		}
		if len(got) != 6 || total != 1600 {
			t.Errorf("%d records for %d, want 6 for 1600", len(got), total)
		}
	})
}

func TestDenied(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := recorder(&memory{})
		record(t, r, entry(audit.Allowed, "a"))
		record(t, r, entry(audit.Denied, "b"))
		for range 3 {
			record(t, r, entry(audit.Denied, "c"))
		}
		if !r.Repeat(entry(audit.Denied, "c")) {
			t.Error("not a repeat")
		}
		if err := r.Close(); err != nil {
			t.Fatal(err)
		}
		got := r.Denied()
		want := []audit.DeniedItem{{Operation: "read", Name: "b (ann)", Rule: "p.jsonc:7", Count: 1}, {Operation: "read", Name: "c (ann)", Rule: "p.jsonc:7", Count: 4}}
		if !slices.Equal(got, want) {
			t.Errorf("got %+v, want %+v", got, want)
		}
	})
}
