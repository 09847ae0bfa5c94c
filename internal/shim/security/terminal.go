package security

import (
	"io"
	"os"
	"os/signal"
	"syscall"

	"golang.org/x/term"
)

// System is the terminal of this process.
type System struct{ In *os.File }

// Input tells whether standard input is a terminal.
func (s System) Input() bool { return s.In != nil && term.IsTerminal(int(s.In.Fd())) }

// Ask asks on the controlling terminal.
func (s System) Ask(prompt string) ([]byte, bool) {
	tty, err := os.OpenFile("/dev/tty", os.O_RDWR, 0)
	if err != nil {
		return nil, false
	}
	defer tty.Close()
	fd := int(tty.Fd())
	before, err := term.GetState(fd)
	if err != nil {
		return nil, false
	}
	// Whoever gives up at the prompt gets a terminal that shows what is typed.
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGQUIT)
	done := make(chan struct{})
	defer func() {
		signal.Stop(stop)
		close(done)
	}()
	go func() {
		select {
		case got := <-stop:
			_ = term.Restore(fd, before) // best there is: the process ends
			os.Exit(128 + int(got.(syscall.Signal)))
		case <-done:
		}
	}()
	_, _ = io.WriteString(tty, prompt) // a terminal that is gone has no answer either
	answer, err := term.ReadPassword(fd)
	_, _ = io.WriteString(tty, "\n")
	if err != nil && err != io.EOF {
		return nil, true
	}
	return answer, true
}

func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}
