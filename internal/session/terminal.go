package session

import (
	"errors"
	"fmt"
	"io"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
	"golang.org/x/term"

	"keyhole/internal/secret"
	"keyhole/internal/signals"
)

// terminalPath is the terminal of the process, whatever its streams are.
const terminalPath = "/dev/tty"

// AskTerminal asks the person at the process's terminal, without echo. The
// answer is what was typed before Enter.
func AskTerminal(prompt string) (secret.Value, error) {
	tty, err := os.OpenFile(terminalPath, os.O_RDWR, 0)
	if err != nil {
		return secret.Value{}, &Hinted{errors.New("there is no terminal to ask at"),
			"set " + PassphraseFileVar + " or " + IdentityVar + " to a file only you can read"}
	}
	defer tty.Close()
	b, err := askUnseen(tty, prompt)
	if err != nil {
		clear(b)
		return secret.Value{}, fmt.Errorf("asking at the terminal: %w", err)
	}
	return secret.NewValue(b), nil
}

// askUnseen turns the echo off before the prompt is shown, so that a fast
// typist is not seen either, and back on whatever happens: a signal that ended
// us while it is off would leave the person's shell without echo.
func askUnseen(tty *os.File, prompt string) (answer []byte, err error) {
	fd := int(tty.Fd())
	before, err := hideInput(fd)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, setTermios(fd, before)) }()
	stop := make(chan os.Signal, 1)
	signals.Notify(stop, syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP)
	defer signals.Stop(stop)
	if _, err := io.WriteString(tty, prompt); err != nil {
		return nil, err
	}
	type line struct {
		b   []byte
		err error
	}
	read := make(chan line, 1)
	go func() {
		b, err := term.ReadPassword(fd)
		read <- line{b, err}
	}()
	var l line
	select {
	case l = <-read:
	case s := <-stop:
		l.err = fmt.Errorf("stopped by signal: %v", s)
	}
	_, err = io.WriteString(tty, "\n")
	return l.b, errors.Join(l.err, err)
}

// hideInput turns the echo off and returns the state before.
func hideInput(fd int) (*unix.Termios, error) {
	before, err := getTermios(fd)
	if err != nil {
		return nil, err
	}
	hidden := *before
	hidden.Lflag &^= unix.ECHO
	return before, setTermios(fd, &hidden)
}
