package peer_test

import (
	"bufio"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"

	"keyhole/internal/peer"
)

// TestMain is a stage when it is called one.
func TestMain(m *testing.M) {
	if os.Args[0] == peer.StageName {
		cmd := exec.Command("/bin/sh", "-c", "echo $$; read x; :")
		cmd.Stdin, cmd.Stdout = os.Stdin, os.Stdout
		if err := cmd.Run(); err != nil {
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// The stage is left out of what a person is shown, and no program that calls
// itself so.
func TestChainWithoutItsStage(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		program, script string
		want            int
	}{
		"the stage":       {self, "", 1},
		"another program": {"/bin/sh", "/bin/sh -c 'echo $$; read x; :'\n", 2},
	} {
		t.Run(name, func(t *testing.T) {
			cmd := &exec.Cmd{Path: c.program, Args: []string{peer.StageName}}
			in, err := cmd.StdinPipe()
			if err != nil {
				t.Fatal(err)
			}
			out, err := cmd.StdoutPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			defer func() {
				in.Close()
				if err := cmd.Wait(); err != nil {
					t.Error(err)
				}
			}()
			if _, err := io.WriteString(in, c.script); err != nil {
				t.Fatal(err)
			}
			line, err := bufio.NewReader(out).ReadString('\n')
			if err != nil {
				t.Fatal(err)
			}
			pid, err := strconv.Atoi(strings.TrimSpace(line))
			if err != nil {
				t.Fatal(err)
			}
			if got := peer.Chain(pid, os.Getpid()); len(got) != c.want || got[0].PID != pid {
				t.Errorf("%+v, want %d processes", got, c.want)
			}
			if got := peer.Chain(cmd.Process.Pid, os.Getpid()); len(got) != 1 {
				t.Errorf("who asks is always shown: %+v", got)
			}
		})
	}
}
