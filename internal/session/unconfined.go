package session

import (
	"os/exec"
	"syscall"

	"keyhole/internal/sandbox"
)

// unconfined is a command started without a sandbox, for the demo that was
// asked by hand to show the broker alone.
type unconfined struct{ cmd *exec.Cmd }

func startUnconfined(cfg *Config, path string, env []string) (child, error) {
	cmd := &exec.Cmd{
		Path: path, Args: cfg.Argv, Env: env, Dir: cfg.Dir,
		Stdin: cfg.Streams.Stdin, Stdout: cfg.Streams.Stdout, Stderr: cfg.Streams.Stderr,
	}
	if err := cmd.Start(); err != nil {
		return nil, &sandbox.NotStarted{Path: path, Code: 126, Err: err}
	}
	return &unconfined{cmd}, nil
}

func (u *unconfined) PID() int { return u.cmd.Process.Pid }

// Kill ends the command; one that is gone already is no fault.
func (u *unconfined) Kill() { _ = u.cmd.Process.Kill() }

func (u *unconfined) Wait() (sandbox.Status, error) {
	err := u.cmd.Wait()
	state := u.cmd.ProcessState
	if state == nil {
		return sandbox.Status{}, err
	}
	if ws, ok := state.Sys().(syscall.WaitStatus); ok && ws.Signaled() {
		n := int(ws.Signal())
		return sandbox.Status{Code: 128 + n, Signal: n}, nil
	}
	return sandbox.Status{Code: state.ExitCode()}, nil
}
