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

// Ask asks on the controlling terminal. What is typed is not shown from before
// the prompt is.
func (s System) Ask(prompt string) ([]byte, bool) {
	tty, err := os.OpenFile("/dev/tty", os.O_RDWR, 0)
	if err != nil {
		return nil, false
	}
	defer tty.Close()
	show, err := hideInput(int(tty.Fd()))
	if err != nil {
		return nil, false
	}
	defer show()
	defer showAtSignal(show)()
	_, _ = io.WriteString(tty, prompt) // a terminal that is gone has no answer either
	answer := readAnswer(tty)
	_, _ = io.WriteString(tty, "\n")
	return answer, true
}

// showAtSignal makes whoever gives up at the prompt get a terminal that shows
// what is typed. The function it returns ends that.
func showAtSignal(show func()) func() {
	stop, done := make(chan os.Signal, 1), make(chan struct{})
	signal.Notify(stop, syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGQUIT)
	go func() {
		select {
		case got := <-stop:
			show()
			n, _ := got.(syscall.Signal)
			os.Exit(128 + int(n))
		case <-done:
		}
	}()
	return func() {
		signal.Stop(stop)
		close(done)
	}
}

func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}
