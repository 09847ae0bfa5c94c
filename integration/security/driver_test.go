//go:build linux

package security

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"syscall"
)

// order tells the driver what to run inside.
type order struct {
	Argv  []string
	Stdin []byte
	Env   []string // further variables
}

// outcome is how it went.
type outcome struct {
	Stdout, Stderr []byte
	Exit           int
	Fault          string // it was not run
}

// drive runs inside: it takes orders from standard input, one JSON object each,
// until that ends, and answers each with an outcome.
func drive() int {
	in, out := json.NewDecoder(os.Stdin), json.NewEncoder(os.Stdout)
	for {
		var o order
		if err := in.Decode(&o); err != nil {
			return 0
		}
		if err := out.Encode(o.run()); err != nil {
			return 1
		}
	}
}

// run runs a command with a pipe as standard input and without a controlling
// terminal.
func (o *order) run() outcome {
	var stdout, stderr bytes.Buffer
	cmd := exec.Command(o.Argv[0], o.Argv[1:]...)
	cmd.Env = append(os.Environ(), o.Env...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = bytes.NewReader(o.Stdin), &stdout, &stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		return outcome{Fault: err.Error()}
	}
	return outcome{Stdout: stdout.Bytes(), Stderr: stderr.Bytes(), Exit: cmd.ProcessState.ExitCode()}
}
