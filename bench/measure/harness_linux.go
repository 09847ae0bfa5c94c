package main

import (
	"fmt"
	"testing"
)

// harness lets the keyring of the tests be used without a test. Methods of
// testing.TB that are not here are not called by it.
type harness struct {
	testing.TB
	cleanups []func()
	failed   []error
}

// stopped is what Fatal unwinds with.
type stopped struct{ error }

func (h *harness) Helper() {}

func (h *harness) Cleanup(f func()) { h.cleanups = append(h.cleanups, f) }

func (h *harness) Error(args ...any) {
	h.failed = append(h.failed, fmt.Errorf("%s", fmt.Sprint(args...)))
}

func (h *harness) Errorf(format string, args ...any) { h.Error(fmt.Sprintf(format, args...)) }

func (h *harness) Fatal(args ...any) { panic(stopped{fmt.Errorf("%s", fmt.Sprint(args...))}) }

func (h *harness) Fatalf(format string, args ...any) { h.Fatal(fmt.Sprintf(format, args...)) }

// Skipf is called for a missing program. Nothing is measured without it.
func (h *harness) Skipf(format string, args ...any) { h.Fatal(fmt.Sprintf(format, args...)) }

// with runs f, then what it registered, the last first; also when f panics.
func (h *harness) with(f func() error) (err error) {
	defer func() {
		for i := len(h.cleanups) - 1; i >= 0; i-- {
			h.cleanups[i]()
		}
		if err == nil && len(h.failed) > 0 {
			err = h.failed[0]
		}
	}()
	defer func() {
		switch p := recover().(type) {
		case nil:
		case stopped:
			err = p.error
		default:
			panic(p)
		}
	}()
	return f()
}
