//go:build linux

package integration

import (
	"os"
	"path/filepath"
	"testing"
)

// What a name of a file says is no option of keyhole's, nor of a program that it
// starts: a program, a folder and a git branch are called like one.
func TestNamesAreNoOptions(t *testing.T) {
	d := newDesk(t)
	tools := filepath.Join(d.home, "project", "tools")
	odd := filepath.Join(d.home, "project", "--upload-pack=touch owned")
	for _, dir := range []string{tools, odd} {
		if err := os.Mkdir(dir, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	names := []string{"--version", "--help", "-p", "--read=service=x,account=*", "shell", "--"}
	for _, name := range names {
		if err := os.WriteFile(filepath.Join(tools, name), []byte("#!/bin/sh\nprintf 'ran:%s' \"$*\"\n"), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	d.env = append(d.env, "PATH="+tools+":"+os.Getenv("PATH"))
	for _, name := range names {
		cmd := d.inside(nil, name, "--quiet", "-p")
		cmd.Dir = odd
		cmd.Args = append(cmd.Args[:2:2], append([]string{"--workspace", filepath.Join(d.home, "project")}, cmd.Args[2:]...)...)
		if got := run(t, cmd); got.out != "ran:--quiet -p" || got.code != 0 {
			t.Errorf("%s: %+v", name, got)
		}
	}
	left, err := filepath.Glob(filepath.Join(d.home, "project", "*", "owned"))
	if err != nil || len(left) > 0 {
		t.Errorf("something was executed: %v, %v", left, err)
	}
}
