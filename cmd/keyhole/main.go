// Command keyhole runs a command in a sandbox and lets it use exactly the
// keyring items its profile grants. The name it is called by selects what it
// does; it never authorises anything.
package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"keyhole/internal/cli"
	"keyhole/internal/sandbox"
	"keyhole/internal/shim"
)

func main() {
	if code, played := sandbox.Play(os.Args); played {
		os.Exit(code)
	}
	if shim.Linked(filepath.Base(os.Args[0])) {
		os.Exit(shim.Run(shim.Streams{In: os.Stdin, Out: os.Stdout, Err: os.Stderr}, os.Args))
	}
	if len(os.Args) > 1 && os.Args[1] == "shim" {
		os.Exit(shim.Run(shim.Streams{In: os.Stdin, Out: os.Stdout, Err: os.Stderr}, os.Args[2:]))
	}
	// get runs inside, where the supervisor must be able to look into whoever
	// connects.
	if inside := len(os.Args) > 1 && os.Args[1] == "get"; !inside {
		if err := sandbox.Harden(); err != nil {
			fmt.Fprintln(os.Stderr, "keyhole: closing this process to others:", err)
			os.Exit(cli.ExitFailure)
		}
	}
	deepen(0)
	os.Exit(cli.Run(context.Background(), surroundings(), os.Args[1:]))
}

// deepen has the stack grow once, while there is nothing on it. A run that comes
// to need this much by doubling copies it five times.
//
//go:noinline
func deepen(i byte) byte {
	var room [48 << 10]byte
	room[i] = 1
	return room[i+1]
}

func surroundings() *cli.Env {
	dir, err := os.Getwd()
	if err != nil {
		dir = "" // it was removed
	}
	exe, err := os.Executable()
	if err != nil {
		exe = os.Args[0]
	}
	return &cli.Env{
		Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr,
		Environ: os.Environ(), Getenv: os.Getenv, Dir: dir,
		UID: os.Getuid(), Executable: exe,
	}
}
