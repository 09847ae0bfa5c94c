package sealedfile

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"filippo.io/age"

	"keyhole/internal/secret"
)

// writerEnv makes the test binary a writer that is to be killed.
const writerEnv = "KEYHOLE_TEST_SEALED_WRITER"

func TestMain(m *testing.M) {
	if path := os.Getenv(writerEnv); path != "" {
		os.Exit(writeUntilKilled(path))
	}
	os.Exit(m.Run())
}

func testKey(t *testing.T) Key {
	t.Helper()
	id, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	return Key{Identity: secret.NewValue([]byte(id.String()))}
}

var errCrash = errors.New("the machine stops here")

// crashDisk stops at the n-th step: nothing that comes later is done, as after
// a power cut. A write that is stopped leaves half of its bytes.
func crashDisk(n int) (disk, *int) {
	d, steps, real := disk{}, new(int), osDisk()
	stop := func() error {
		*steps++
		if *steps >= n {
			return errCrash
		}
		return nil
	}
	d.create = func(path string) (*os.File, error) {
		if err := stop(); err != nil {
			return nil, err
		}
		return real.create(path)
	}
	d.write = func(f *os.File, p []byte) error {
		if err := stop(); err != nil {
			return errors.Join(err, real.write(f, p[:len(p)/2]))
		}
		return real.write(f, p)
	}
	d.sync = func(f *os.File) error { return errors.Join(stop(), real.sync(f)) }
	d.rename = func(from, to string) error {
		if err := stop(); err != nil {
			return err
		}
		return real.rename(from, to)
	}
	d.syncDir = func(dir string) error { return errors.Join(stop(), real.syncDir(dir)) }
	d.remove = func(path string) error {
		if err := stop(); err != nil {
			return err
		}
		return real.remove(path)
	}
	return d, steps
}

// TestCrashAtEachStep shows that after a stop anywhere in a save the file holds
// the old items or the new ones, opens, and the folder is clean again.
func TestCrashAtEachStep(t *testing.T) {
	k := testKey(t)
	const stepsOfASave = 5
	for n := 1; n <= stepsOfASave+1; n++ {
		path := filepath.Join(t.TempDir(), "store.age")
		if err := Init(path, k); err != nil {
			t.Fatal(err)
		}
		s, err := Open(path, k)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := s.Create(t.Context(), secret.Info{Label: "old"}, secret.NewValue([]byte("1"))); err != nil {
			t.Fatal(err)
		}
		d, steps := crashDisk(n)
		s.disk = d
		_, err = s.Create(t.Context(), secret.Info{Label: "new"}, secret.NewValue([]byte("2")))
		if n <= stepsOfASave && !errors.Is(err, errCrash) {
			t.Errorf("step %d: %v, want a crash", n, err)
		}
		if n > stepsOfASave && (err != nil || *steps != stepsOfASave) {
			t.Errorf("whole save: %d steps, %v; want %d", *steps, err, stepsOfASave)
		}
		want := "old"
		if n >= stepsOfASave {
			want = "old new"
		}
		// The store that has failed reads again and says what is there.
		mustHold(t, s, want)
		if err := s.Close(); err != nil {
			t.Error(err)
		}
		if s, err = Open(path, k); err != nil {
			t.Fatalf("step %d: opening afterwards: %v", n, err)
		}
		mustHold(t, s, want)
		if left := leftovers(path); len(left) != 0 {
			t.Errorf("step %d: left %v", n, left)
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}
}

// TestFailureKeepsTheFile is a full disk: the save fails, its temporary file is
// gone at once, and the store works on.
func TestFailureKeepsTheFile(t *testing.T) {
	k := testKey(t)
	path := filepath.Join(t.TempDir(), "store.age")
	if err := Init(path, k); err != nil {
		t.Fatal(err)
	}
	s, err := Open(path, k)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	real, full := s.disk.write, errors.New("no space left")
	made, err := s.Create(t.Context(), secret.Info{Label: "a"}, secret.NewValue([]byte("1")))
	if err != nil {
		t.Fatal(err)
	}
	s.disk.write = func(f *os.File, p []byte) error { return errors.Join(full, real(f, p[:1])) }
	v := secret.NewValue([]byte("2"))
	_, createErr := s.Create(t.Context(), secret.Info{Label: "b"}, v)
	for what, err := range map[string]error{
		"Create": createErr, "Update": s.Update(t.Context(), made.ID, secret.Change{Value: &v}),
		"Delete": s.Delete(t.Context(), made.ID), "Rekey": s.Rekey(testKey(t)),
	} {
		if !errors.Is(err, full) {
			t.Errorf("%s on a full disk: %v", what, err)
		}
	}
	if left := leftovers(path); len(left) != 0 {
		t.Errorf("left %v", left)
	}
	mustHold(t, s, "a")
	s.disk.write = real
	if err := s.Update(t.Context(), made.ID, secret.Change{Value: &v}); err != nil {
		t.Errorf("with space again: %v", err)
	}
	if _, got, err := s.Get(t.Context(), made.ID); err != nil || string(got.Expose()) != "2" {
		t.Errorf("with space again: %v", err)
	}
}

// TestWiping shows that memory is wiped when an item is replaced, deleted,
// re-read or closed, and not before.
func TestWiping(t *testing.T) {
	k := testKey(t)
	path := filepath.Join(t.TempDir(), "store.age")
	if err := Init(path, k); err != nil {
		t.Fatal(err)
	}
	s, err := Open(path, k)
	if err != nil {
		t.Fatal(err)
	}
	held := func() []byte { return s.snap.body.items[0].value.Expose() }
	made, err := s.Create(t.Context(), secret.Info{}, secret.NewValue([]byte("abc")))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Create(t.Context(), secret.Info{}, secret.NewValue([]byte("x"))); err != nil || string(held()) != "abc" {
		t.Errorf("after another Create: %q, %v", held(), err)
	}
	first := held()
	v := secret.NewValue([]byte("def"))
	if err := s.Update(t.Context(), made.ID, secret.Change{Value: &v}); err != nil || string(held()) != "def" {
		t.Errorf("after Update: %q, %v", held(), err)
	}
	second := held()
	s.mu.Lock()
	err = s.dropLocked()
	s.mu.Unlock()
	if err != nil {
		t.Error(err)
	}
	mustHold(t, s, " ")
	third := held()
	if err := s.Delete(t.Context(), made.ID); err != nil {
		t.Error(err)
	}
	fourth := held()
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	for i, b := range [][]byte{first, second, third, fourth} {
		if strings.Trim(string(b), "\x00") != "" {
			t.Errorf("copy %d still holds %q", i, b)
		}
	}
}

func mustHold(t *testing.T, s *Store, want string) {
	t.Helper()
	infos, err := s.List(t.Context(), secret.Query{})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, info := range infos {
		got = append(got, info.Label)
	}
	if strings.Join(got, " ") != want {
		t.Errorf("items %q, want %q", strings.Join(got, " "), want)
	}
}

// TestKilledWriter kills a process that saves again and again: everything it
// reported as done must be there, at most one save more, and never a file that
// does not open.
func TestKilledWriter(t *testing.T) {
	k := testKey(t)
	path := filepath.Join(t.TempDir(), "store.age")
	if err := Init(path, k); err != nil {
		t.Fatal(err)
	}
	total := 0
	for round := range 12 {
		reported := killAfter(t, path, k, 1+round)
		s, err := Open(path, k)
		if err != nil {
			t.Fatalf("round %d: %v", round, err)
		}
		infos, err := s.List(t.Context(), secret.Query{})
		if err != nil {
			t.Fatal(err)
		}
		if n := len(infos) - total; n < reported || n > reported+1 {
			t.Errorf("round %d: %d new items, %d reported", round, n, reported)
		}
		total = len(infos)
		for _, info := range infos {
			if _, v, err := s.Get(t.Context(), info.ID); err != nil || string(v.Expose()) != strings.Repeat(info.Label, 1000) {
				t.Errorf("round %d: item %s is not whole: %v", round, info.Label, err)
			}
		}
		if left := leftovers(path); len(left) != 0 {
			t.Errorf("round %d: left %v", round, left)
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}
}

// killAfter starts a writer, kills it once it has reported n saves, and returns
// how many it reported before it died.
func killAfter(t *testing.T, path string, k Key, n int) int {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), writerEnv+"="+path)
	cmd.Stdin = strings.NewReader(string(k.Identity.Expose()))
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	reported := 0
	for lines := bufio.NewScanner(out); lines.Scan(); {
		if reported++; reported == n {
			if err := cmd.Process.Kill(); err != nil {
				t.Error(err)
			}
		}
	}
	if err := cmd.Wait(); err == nil || reported < n {
		t.Fatalf("the writer ended by itself after %d saves: %v", reported, err)
	}
	return reported
}

func writeUntilKilled(path string) int {
	id, err := bufio.NewReader(os.Stdin).ReadString('\n')
	if id == "" {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	s, err := Open(path, Key{Identity: secret.NewValue([]byte(id))})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	// Bounded, should nobody come to kill us.
	for i := range 10_000 {
		label := fmt.Sprintf("%d-%d", os.Getpid(), i)
		v := secret.NewValue([]byte(strings.Repeat(label, 1000)))
		if _, err := s.Create(context.Background(), secret.Info{Label: label}, v); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		fmt.Println("saved")
	}
	return 0
}
