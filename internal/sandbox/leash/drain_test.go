//go:build linux || darwin

package leash

import (
	"testing"
	"testing/synctest"
	"time"
)

// The last words are waited for as long as they come, on a slow screen too, and not
// for ever.
func TestDrain(t *testing.T) {
	for name, c := range map[string]struct {
		every       time.Duration // something is shown
		times       int
		end         bool // and then all is
		least, most time.Duration
	}{
		"a slow screen":    {900 * time.Millisecond, 5, true, 4500 * time.Millisecond, 4600 * time.Millisecond},
		"held open":        {0, 0, false, lastWords, lastWords + 200*time.Millisecond},
		"held, and silent": {900 * time.Millisecond, 2, false, 1800*time.Millisecond + lastWords, 2*time.Second + lastWords},
		"endless":          {100 * time.Millisecond, 1000, false, mostWords, mostWords + lastWords},
	} {
		synctest.Test(t, func(t *testing.T) {
			term := &Terminal{shown: make(chan struct{})}
			done := make(chan struct{})
			go func() {
				defer close(done)
				for range c.times {
					time.Sleep(c.every)
					term.news.Add(1)
				}
				if c.end {
					close(term.shown)
				}
			}()
			begun := time.Now()
			term.drain()
			if took := time.Since(begun); took < c.least || took > c.most {
				t.Errorf("%s: waited %v, want %v", name, took, c.least)
			}
			<-done
		})
	}
}
