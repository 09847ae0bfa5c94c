package act

import (
	"errors"
	"os"
	"strconv"
	"sync"
	"sync/atomic"

	"golang.org/x/sys/unix"
)

// pathRaceActs change what a path means while it is connected to or opened.
func pathRaceActs() map[string]act {
	return map[string]act{"flipfolder": flipFolder, "flipown": flipOwn, "fliplinkread": flipLinkRead}
}

// during runs change over and over in another thread while do runs.
func during(change func(i int) error, do func() error) error {
	var stop atomic.Bool
	var wg sync.WaitGroup
	var failed error
	wg.Go(func() {
		for i := 0; !stop.Load() && failed == nil; i++ {
			failed = change(i)
		}
	})
	err := do()
	stop.Store(true)
	wg.Wait()
	return errors.Join(err, failed)
}

// contest connects to path over and over and counts who answers.
func contest(rounds int, path string) (*tally, error) {
	var t tally
	for i, r := 0, newRace(rounds); r.more(i, t.both()); i++ {
		fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			return nil, err
		}
		t.add(fd, rawConnect(fd, rawUnix(path)))
		if err := unix.Close(fd); err != nil {
			return nil, err
		}
	}
	return &t, nil
}

// flipFolder: the working directory of all threads changes between a folder
// whose socket is allowed and one whose socket is not.
func flipFolder(a []string) (string, error) {
	rounds, err := strconv.Atoi(a[0])
	if err != nil {
		return "", err
	}
	if err := unix.Access(a[2], unix.X_OK); err != nil { // hidden: there is no race
		return "", err
	}
	return inFolder(a[1], func() (string, error) {
		var t *tally
		err := during(func(i int) error { return unix.Chdir(a[1+i%2]) }, func() (err error) {
			t, err = contest(rounds, "s")
			return err
		})
		return t.String(), err
	})
}

// flipOwn: our own listener and somebody else's change names in one step, in a
// folder in which only our own may be reached.
func flipOwn(a []string) (string, error) {
	rounds, err := strconv.Atoi(a[0])
	if err != nil {
		return "", err
	}
	l, err := answering("own-listener", "E")
	if err != nil {
		return "", err
	}
	var t *tally
	err = during(func(int) error {
		return unix.Renameat2(unix.AT_FDCWD, "own-listener", unix.AT_FDCWD, a[1], unix.RENAME_EXCHANGE)
	}, func() (err error) {
		t, err = contest(rounds, "own-listener")
		return err
	})
	return t.String(), errors.Join(err, l.Close())
}

// flipLinkRead: a link changes between a file of ours and one that is not
// granted while it is read. It answers how often each was read, and refusals.
func flipLinkRead(a []string) (string, error) {
	rounds, err := strconv.Atoi(a[0])
	if err != nil {
		return "", err
	}
	if err := os.WriteFile("harmless", []byte("E"), 0o600); err != nil {
		return "", err
	}
	targets := []string{"harmless", a[1]}
	var t tally
	if err := os.Symlink(targets[0], "readlink"); err != nil {
		return "", err
	}
	err = during(func(i int) error {
		next := "readlink." + strconv.Itoa(i%2)
		return errors.Join(os.Symlink(targets[i%2], next), os.Rename(next, "readlink"))
	}, func() error {
		for i, r := 0, newRace(rounds); r.more(i, t.both()); i++ {
			switch b, err := os.ReadFile("readlink"); {
			case err == nil && string(b) == "E":
				t.endpoint++
			case err == nil:
				t.bus++
			case errors.Is(err, unix.EACCES):
				t.refused++
			case errors.Is(err, unix.ENOENT): // hidden
				t.refused++
			default:
				t.other++
			}
		}
		return nil
	})
	return t.String(), err
}
