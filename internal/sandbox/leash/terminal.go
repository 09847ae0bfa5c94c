package leash

import (
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/creack/pty"
	"golang.org/x/sys/unix"
	"golang.org/x/term"
)

// Terminal is one of the command's own, and the person's, to which it is shown.
type Terminal struct {
	master, slave *os.File
	keys          *os.File // what the person types, or nil
	screen        *os.File // where the person sees it
	stop          [2]*os.File

	shown chan struct{} // closed when all that was written has been shown
	news  atomic.Int64  // bytes shown so far
	typed chan struct{} // closed when nothing more is typed

	mu     sync.Mutex // guards before
	before *term.State
}

// A process that got away may hold the command's terminal open for ever, and write
// to it. So after the command's end it is read while there is news, as there is for
// long on a slow screen, and not for ever.
const (
	lastWords   = time.Second // without news
	mostWords   = 30 * time.Second
	wordsLooked = 10 // times within lastWords
)

// OpenTerminal makes one if a stream is a terminal; else it returns nil.
func OpenTerminal(stdin, stdout, stderr *os.File) (*Terminal, error) {
	t := &Terminal{shown: make(chan struct{})}
	for _, f := range []*os.File{stderr, stdout, stdin} {
		if f != nil && isTerminal(f) {
			t.screen = f
		}
	}
	for _, f := range []*os.File{stderr, stdout} { // standard output before all
		if f != nil && isTerminal(f) {
			t.screen = f
		}
	}
	if t.screen == nil {
		return nil, nil
	}
	if stdin != nil && isTerminal(stdin) {
		t.keys = stdin
	}
	var err error
	if t.master, t.slave, err = pty.Open(); err != nil {
		return nil, err
	}
	if t.stop[0], t.stop[1], err = os.Pipe(); err != nil {
		t.Close()
		return nil, err
	}
	t.resize()
	return t, nil
}

// Name is its device.
func (t *Terminal) Name() string { return t.slave.Name() }

// Close is for one that no command was started at.
func (t *Terminal) Close() {
	for _, f := range []*os.File{t.master, t.slave, t.stop[0], t.stop[1]} {
		if f != nil {
			_ = f.Close() // nothing was written
		}
	}
}

func isTerminal(f *os.File) bool { return term.IsTerminal(int(f.Fd())) }

// begin shows what the command writes and passes on what is typed.
func (t *Terminal) begin() {
	_ = t.slave.Close()                        // the command has it
	away := t.keys != nil && elsewhere(t.keys) // asked first: it may become ours at any time
	t.raw()
	go func() {
		defer close(t.shown)
		t.pass()
	}()
	t.typed = make(chan struct{})
	go func() {
		defer close(t.typed)
		if t.keys != nil {
			t.typing(away)
		}
	}()
}

// pass shows what is written until the last holder of the terminal is gone, which
// reads as an error on some systems.
func (t *Terminal) pass() {
	buf := make([]byte, 1<<10) // little, so that a slow screen is seen to move
	for {
		n, err := t.master.Read(buf)
		if n > 0 {
			if _, err := t.screen.Write(buf[:n]); err != nil {
				return
			}
			t.news.Add(int64(n))
		}
		if err != nil {
			return
		}
	}
}

// typing passes keys on. It waits with select and not in read, so that it can be
// ended without taking a key that is not for the command. away says whether the
// terminal is another group's to begin with.
func (t *Terminal) typing(away bool) {
	in, stop := int(t.keys.Fd()), int(t.stop[0].Fd())
	buf := make([]byte, 4096)
	for {
		var ready unix.FdSet
		var until *unix.Timeval
		ready.Set(stop)
		if away {
			step := unix.NsecToTimeval(int64(elsewhereStep))
			until = &step
		} else {
			ready.Set(in)
		}
		_, err := unix.Select(max(in, stop)+1, &ready, nil, nil, until)
		if err == unix.EINTR {
			continue
		}
		if err != nil || ready.IsSet(stop) {
			return
		}
		before := away
		if away = elsewhere(t.keys); away {
			continue
		}
		if before { // "fg"
			t.raw()
			t.resize()
			continue
		}
		n, err := unix.Read(in, buf)
		if err == unix.EINTR || err == unix.EAGAIN {
			continue
		}
		if err != nil || n <= 0 {
			return
		}
		if _, err := t.master.Write(buf[:n]); err != nil {
			return
		}
	}
}

// end shows the last words and gives the person's terminal back.
func (t *Terminal) end() {
	_ = t.stop[1].Close() // ends typing
	late := time.NewTimer(lastWords)
	defer late.Stop()
	select {
	case <-t.typed:
	case <-late.C:
	}
	t.drain()
	t.cooked()
	_ = t.master.Close() // hangs up on who is left
	select {
	case <-t.typed:
		_ = t.stop[0].Close()
	default: // it may wait there yet
	}
}

// drain waits until all is shown, or nothing has been for a while.
func (t *Terminal) drain() {
	tick := time.NewTicker(lastWords / wordsLooked)
	defer tick.Stop()
	end := time.Now().Add(mostWords)
	for seen, quiet := t.news.Load(), 0; quiet < wordsLooked && time.Now().Before(end); {
		select {
		case <-t.shown:
			return
		case <-tick.C:
		}
		quiet++
		if n := t.news.Load(); n != seen {
			seen, quiet = n, 0
		}
	}
}

// raw gives the command every key, if we are who the person is talking to.
func (t *Terminal) raw() {
	if t.keys == nil || !foreground(t.keys) {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.before == nil {
		// A terminal that cannot be set is used as it is.
		t.before, _ = term.MakeRaw(int(t.keys.Fd()))
	}
}

// settle waits a moment for what the command has written to be shown: nothing is
// while we are stopped.
func (t *Terminal) settle() {
	const tries, step = 40, 5 * time.Millisecond
	master := int(t.master.Fd())
	for quiet, n := 0, 0; quiet < 2 && n < tries; n++ {
		var ready unix.FdSet
		ready.Set(master)
		found, err := unix.Select(master+1, &ready, nil, nil, &unix.Timeval{})
		if quiet++; err != nil || found > 0 {
			quiet = 0
		}
		time.Sleep(step)
	}
}

func (t *Terminal) cooked() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.before != nil {
		_ = term.Restore(int(t.keys.Fd()), t.before) // it may be gone
		t.before = nil
	}
}

// foreground tells whether the terminal sends its signals to our group. Setting
// one in the background would stop us.
func foreground(f *os.File) bool {
	group, err := unix.IoctlGetInt(int(f.Fd()), unix.TIOCGPGRP)
	return err == nil && group == unix.Getpgrp()
}

// elsewhere tells whether the terminal is known to be another group's for now, as
// after "keyhole run ... &": what is typed is not for us. A read would be answered by
// a signal to stop, which we catch, and begun anew, without end.
func elsewhere(f *os.File) bool {
	group, err := unix.IoctlGetInt(int(f.Fd()), unix.TIOCGPGRP)
	return err == nil && group != unix.Getpgrp()
}

// elsewhereStep is how often it is looked whether the terminal is ours again.
const elsewhereStep = 100 * time.Millisecond

func (t *Terminal) resize() {
	_ = pty.InheritSize(t.screen, t.master) // an odd size is no reason to end
}
