package act

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"maps"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// Environment, set to anything, is how a program that can act is asked to: it
// then calls Serve first thing.
const Environment = "KEYHOLE_ACTS"

// Serve does the acts named on in, one a line with arguments, and answers each
// with one line on out: ok, what it read, or the error's name. "exit N" ends it
// with that status, which it returns.
func Serve(in io.Reader, out io.Writer) int {
	known := acts()
	lines := bufio.NewScanner(in)
	for lines.Scan() {
		words := strings.Fields(lines.Text())
		if len(words) == 0 {
			continue
		}
		if words[0] == "exit" {
			return int(words[1][0] - '0')
		}
		// One line, whatever was read.
		fmt.Fprintln(out, strings.Join(strings.Fields(answer(known, words)), " "))
	}
	return 0
}

func answer(known map[string]act, words []string) string {
	act, ok := known[words[0]]
	if !ok {
		return "no such act"
	}
	said, err := act(words[1:])
	switch {
	case err != nil:
		return name(err)
	case said != "":
		return said
	default:
		return "ok"
	}
}

func name(err error) string {
	var e syscall.Errno
	if errors.As(err, &e) {
		return unix.ErrnoName(e)
	}
	return err.Error()
}

type act func(args []string) (string, error)

func acts() map[string]act {
	all := map[string]act{}
	for _, m := range []map[string]act{
		fileActs(), attributeActs(), socketActs(), datagramActs(), inetActs(), udpActs(), fastOpenActs(),
		kernelActs(), keyActs(), foreignActs(), processActs(), reachActs(), ipcActs(), raceActs(), pathRaceActs(),
		stackActs(), programActs(), approveActs(), floodActs(), askActs(),
	} {
		maps.Copy(all, m)
	}
	return all
}

func call(nr uintptr, a ...uintptr) error {
	var v [6]uintptr
	copy(v[:], a)
	_, _, errno := unix.Syscall6(nr, v[0], v[1], v[2], v[3], v[4], v[5])
	if errno != 0 {
		return errno
	}
	return nil
}
