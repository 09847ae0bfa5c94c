package session

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"keyhole/internal/random"
)

const (
	// removeLimit ends the removal of a tree that somebody goes on filling: what
	// a killed run left can still be running.
	removeLimit = 2 * time.Minute
	// removeAtOnce bounds how many names are held in memory.
	removeAtOnce = 1024
)

// removeTree removes a folder that a confined command has written. It never
// follows a link, not even one in the place of the folder itself: the command may be
// allowed to write the folder above. The usual way gives up at a folder whose mode
// lets nobody in, and at great depth; the command decides both.
func removeTree(path string) error {
	if os.RemoveAll(path) == nil {
		return nil
	}
	if err := dismantle(path); err != nil {
		return fmt.Errorf("removing folder: %w", err)
	}
	return nil
}

// dismantle is the way for trees that the usual way does not remove.
func dismantle(path string) error {
	if err := openUp(path); err != nil {
		return err
	}
	root, err := openFolder(path)
	if err != nil {
		return err
	}
	d := dismantler{root: root, mark: random.Name(16), until: time.Now().Add(removeLimit)}
	if err := errors.Join(d.empty("."), root.Close()); err != nil {
		return err
	}
	return os.Remove(path)
}

// openUp gives a folder a mode that lets us in. A link in its place is not followed
// out of the folder above.
func openUp(path string) error {
	above, err := os.OpenRoot(filepath.Dir(path))
	if err != nil {
		return err
	}
	return errors.Join(above.Chmod(filepath.Base(path), 0o700), above.Close())
}

// openFolder opens a folder, and refuses what a link in its place leads to.
func openFolder(path string) (*os.Root, error) {
	root, err := os.OpenRoot(path)
	if err != nil {
		return nil, err
	}
	opened, err := root.Stat(".")
	named, lerr := os.Lstat(path)
	if err = errors.Join(err, lerr); err == nil && !os.SameFile(opened, named) {
		err = fmt.Errorf("%s is a link, or another folder by now", path)
	}
	if err != nil {
		return nil, errors.Join(err, root.Close())
	}
	return root, nil
}

// dismantler takes a tree apart without going down in it: folders found in a
// folder are moved to the top and have their turn there.
type dismantler struct {
	root  *os.Root
	mark  string // no name in the tree begins with it
	moved int
	until time.Time
}

// empty removes all that is in a folder at the top, or in the top itself.
func (d *dismantler) empty(folder string) error {
	for {
		names, err := d.names(folder)
		if err != nil || len(names) == 0 {
			return err
		}
		if time.Now().After(d.until) {
			return errors.New("it takes too long")
		}
		for _, name := range names {
			if err := d.take(folder, name); err != nil {
				return err
			}
		}
	}
}

func (d *dismantler) names(folder string) ([]string, error) {
	f, err := d.root.Open(folder)
	if err != nil {
		return nil, err
	}
	names, err := f.Readdirnames(removeAtOnce)
	if errors.Is(err, io.EOF) {
		err = nil
	}
	return names, errors.Join(err, f.Close())
}

func (d *dismantler) take(folder, name string) error {
	path := filepath.Join(folder, name)
	if d.root.Remove(path) == nil {
		return nil
	}
	// Left are folders that are not empty. Moving one changes it too.
	if err := d.root.Chmod(path, 0o700); err != nil {
		return err
	}
	if folder != "." {
		d.moved++
		return d.root.Rename(path, d.mark+strconv.Itoa(d.moved))
	}
	if err := d.empty(path); err != nil {
		return err
	}
	return d.root.Remove(path)
}
