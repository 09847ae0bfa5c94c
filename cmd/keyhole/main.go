// Command keyhole runs a command in a sandbox and lets it use exactly the
// keyring items its profile grants. The name it is called by selects what it
// does; it never authorises anything.
package main

import (
	"context"
	"os"

	"keyhole/internal/cli"
)

func main() {
	dir, err := os.Getwd()
	if err != nil {
		dir = "/"
	}
	exe, err := os.Executable()
	if err != nil {
		exe = os.Args[0]
	}
	os.Exit(cli.Run(context.Background(), &cli.Env{
		Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr,
		Environ: os.Environ(), Getenv: os.Getenv, Dir: dir,
		UID: os.Getuid(), Executable: exe,
	}, os.Args[1:]))
}
