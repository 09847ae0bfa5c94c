package secret_test

import (
	"bufio"
	"bytes"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"keyhole/integration/memory"
	"keyhole/internal/secret"
)

// asHolder makes the test binary a program that holds a secret and does with it
// what its input says.
const asHolder = "KEYHOLE_TEST_HOLDER"

func TestMain(m *testing.M) {
	if os.Getenv(asHolder) != "" {
		if err := hold(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

const (
	canarySize = 24
	mask       = 0x5a // what is sent is not the secret itself
)

// kept are the copies that the holder makes when it is told to be careless.
var kept []string

func hold() error {
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_CORE, &limit); err != nil {
		return err
	}
	limit.Cur = limit.Max
	if err := unix.Setrlimit(unix.RLIMIT_CORE, &limit); err != nil {
		return err
	}
	in := bufio.NewReader(os.Stdin)
	masked := make([]byte, canarySize)
	if _, err := io.ReadFull(in, masked); err != nil {
		return err
	}
	small, err := secret.Fill(canarySize, func(room []byte) (int, error) {
		for i, b := range masked {
			room[i] = b ^ mask
		}
		return len(masked), nil
	})
	if err != nil {
		return err
	}
	all := []secret.Value{small, small.Clone()}
	large, err := secret.Fill(100<<10, func(room []byte) (int, error) { return copy(room[50<<10:], small.Expose()) + 50<<10, nil })
	if err != nil {
		return err
	}
	all = append(all, large)
	for {
		if _, err := fmt.Println("done"); err != nil {
			return err
		}
		word, err := in.ReadString('\n')
		switch {
		case err == io.EOF:
			return nil
		case err != nil:
			return err
		case word == "copy\n":
			kept = append(kept, string(small.Expose()))
		case word == "wipe\n":
			for _, v := range all {
				v.Wipe()
			}
		case word == "forget\n":
			small, large, all = secret.Value{}, secret.Value{}, nil
		case word == "collect\n":
			runtime.GC()
		}
	}
}

type holder struct {
	t      *testing.T
	cmd    *exec.Cmd
	in     io.Writer
	out    *bufio.Reader
	canary []byte
	ended  bool
}

func startHolder(t *testing.T) *holder {
	t.Helper()
	h := &holder{t: t, cmd: exec.Command("/proc/self/exe"), canary: make([]byte, canarySize)}
	rand.Read(h.canary)
	h.cmd.Env = []string{asHolder + "=1", "GORACE=atexit_sleep_ms=0", "GOTRACEBACK=crash"}
	h.cmd.Dir = t.TempDir()
	in, err := h.cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := h.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	h.in, h.out = in, bufio.NewReader(out)
	if err := h.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if h.ended {
			return
		}
		if err := in.Close(); err != nil {
			t.Error(err)
		}
		if err := h.cmd.Wait(); err != nil {
			t.Error(err)
		}
	})
	masked := make([]byte, canarySize)
	for i, b := range h.canary {
		masked[i] = b ^ mask
	}
	h.tell(string(masked))
	return h
}

func (h *holder) tell(word string) {
	h.t.Helper()
	if _, err := io.WriteString(h.in, word); err != nil {
		h.t.Fatal(err)
	}
	if line, err := h.out.ReadString('\n'); line != "done\n" {
		h.t.Fatalf("the holder said %q, %v", line, err)
	}
}

func (h *holder) search() []memory.Find {
	h.t.Helper()
	found, err := memory.Search(h.cmd.Process.Pid, h.canary)
	if err != nil {
		h.t.Fatal(err)
	}
	return found
}

// inCore ends the holder by a signal and counts the secret in its core file;
// false where the system sends core files elsewhere.
func (h *holder) inCore() (int, bool) {
	h.t.Helper()
	pattern, err := os.ReadFile("/proc/sys/kernel/core_pattern")
	var limit unix.Rlimit
	err = errors.Join(err, unix.Getrlimit(unix.RLIMIT_CORE, &limit))
	if err != nil || limit.Max == 0 || strings.ContainsAny(string(pattern), "|/%") {
		h.t.Logf("no core file to look at: core_pattern is %q, the limit %d (%v)", pattern, limit.Max, err)
		return 0, false
	}
	h.ended = true
	if err := h.cmd.Process.Signal(unix.SIGABRT); err != nil {
		h.t.Fatal(err)
	}
	if err := h.cmd.Wait(); err == nil {
		h.t.Fatal("the holder outlived SIGABRT")
	}
	files, err := filepath.Glob(filepath.Join(h.cmd.Dir, "*"))
	if err != nil || len(files) != 1 {
		h.t.Fatalf("core files %v, %v", files, err)
	}
	f, err := os.Open(files[0])
	if err != nil {
		h.t.Fatal(err)
	}
	defer f.Close()
	return h.count(f), true
}

// count passes over the holes of a core file, of which it mostly consists.
func (h *holder) count(f *os.File) int {
	h.t.Helper()
	n := 0
	for at := int64(0); ; {
		start, err := unix.Seek(int(f.Fd()), at, unix.SEEK_DATA)
		if errors.Is(err, unix.ENXIO) && at > 0 {
			return n
		}
		if err == nil {
			at, err = unix.Seek(int(f.Fd()), start, unix.SEEK_HOLE)
		}
		if err != nil {
			h.t.Fatal(err)
		}
		b := make([]byte, at-start)
		if _, err := f.ReadAt(b, start); err != nil {
			h.t.Fatal(err)
		}
		n += bytes.Count(b, h.canary)
	}
}

// A secret is in locked mappings that no core dump and no fork takes along, and
// nowhere once it is wiped. A careless copy shows that the search would find it.
func TestValueIsInMemoryOfItsOwn(t *testing.T) {
	flags := []string{"dd", "dc"}
	if err := secret.MemoryProblem(); err == nil {
		flags = append(flags, "lo")
	} else {
		t.Logf("not all can be asked for here: %v", err)
	}
	h := startHolder(t)
	held := h.search()
	if len(held) != 3 {
		t.Errorf("held three times, found %d: %v", len(held), held)
	}
	for _, f := range held {
		if !f.Has(flags...) {
			t.Errorf("not protected: %v", f)
		}
	}
	h.tell("wipe\n")
	if found := h.search(); len(found) > 0 {
		t.Errorf("after the wipe: %v", found)
	}
}

func TestCoreHasOnlyTheCarelessCopy(t *testing.T) {
	h := startHolder(t)
	h.tell("copy\n")
	found := h.search()
	careless := slices.DeleteFunc(slices.Clone(found), func(f memory.Find) bool { return f.Has("dd") })
	if len(found) != 4 || len(careless) != 1 {
		t.Errorf("found %v, without protection %v", found, careless)
	}
	if n, ok := h.inCore(); ok && n != 1 {
		t.Errorf("in the core file %d times", n)
	}
}

// What is not wiped is, once nobody has it any more.
func TestForgottenValueIsWiped(t *testing.T) {
	h := startHolder(t)
	h.tell("forget\n")
	for len(h.search()) > 0 {
		h.tell("collect\n")
		if t.Context().Err() != nil {
			t.Fatal("it stays")
		}
	}
}
