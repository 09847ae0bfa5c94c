package sealedfile

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"keyhole/internal/secret"
)

// disk is the steps of a save, so that tests can stop after each of them.
type disk struct {
	create  func(path string) (*os.File, error)
	write   func(f *os.File, p []byte) error
	sync    func(f *os.File) error
	rename  func(from, to string) error
	syncDir func(dir string) error
	remove  func(path string) error
}

func osDisk() disk {
	return disk{
		create: func(path string) (*os.File, error) {
			return os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL|syscall.O_NOFOLLOW, 0o600)
		},
		write:  func(f *os.File, p []byte) error { _, err := f.Write(p); return err },
		sync:   (*os.File).Sync,
		rename: os.Rename,
		syncDir: func(dir string) error {
			d, err := os.Open(dir)
			if err != nil {
				return err
			}
			return errors.Join(d.Sync(), d.Close())
		},
		remove: os.Remove,
	}
}

// replace puts content in path's place and returns the new file, still open.
// Until the rename the old file stands, from then on the new one; the folder is
// synced so that a power cut keeps the new one once replace has returned. The
// lock must be held.
func (d disk) replace(path string, content []byte) (*os.File, error) {
	f, err := d.stage(path, content)
	if err != nil {
		return nil, fmt.Errorf("saving sealed file: %w", err)
	}
	if err := d.rename(f.Name(), path); err != nil {
		return nil, fmt.Errorf("saving sealed file: %w", errors.Join(err, f.Close(), d.remove(f.Name())))
	}
	if err := d.syncDir(filepath.Dir(path)); err != nil {
		return nil, fmt.Errorf("saving sealed file: syncing its folder: %w", errors.Join(err, f.Close()))
	}
	return f, nil
}

// stage writes content to a new file beside path and syncs it.
func (d disk) stage(path string, content []byte) (*os.File, error) {
	var n [8]byte
	rand.Read(n[:])
	f, err := d.create(tempPrefix(path) + hex.EncodeToString(n[:]) + tempSuffix)
	if err != nil {
		return nil, err
	}
	if err = d.write(f, content); err == nil {
		err = d.sync(f)
	}
	if err != nil {
		return nil, errors.Join(err, f.Close(), d.remove(f.Name()))
	}
	return f, nil
}

const tempSuffix = ".tmp"

func tempPrefix(path string) string {
	return filepath.Join(filepath.Dir(path), "."+filepath.Base(path)+".")
}

// sweep removes what a crash has left beside path. It does so under the lock
// only, or it would take away what another process is writing; when the lock is
// taken or cannot be made (a folder that is read-only), the next Open does it.
func sweep(path string) {
	left := leftovers(path)
	if len(left) == 0 {
		return
	}
	f, err := openLock(path)
	if err != nil {
		return
	}
	defer f.Close()
	if syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB) != nil {
		return
	}
	for _, p := range leftovers(path) {
		if os.Remove(p) != nil {
			return
		}
	}
}

func leftovers(path string) []string {
	entries, err := os.ReadDir(filepath.Dir(path))
	if err != nil {
		return nil
	}
	var out []string
	prefix := filepath.Base(tempPrefix(path))
	for _, e := range entries {
		middle, ok := strings.CutPrefix(e.Name(), prefix)
		middle, ok2 := strings.CutSuffix(middle, tempSuffix)
		if _, err := hex.DecodeString(middle); ok && ok2 && len(middle) == 16 && err == nil && e.Type().IsRegular() {
			out = append(out, filepath.Join(filepath.Dir(path), e.Name()))
		}
	}
	return out
}

// openLock opens the file that is locked. It stands beside the sealed file,
// because that one is replaced: a lock on it would be a lock on a file that is
// gone by the time the next writer has it.
func openLock(path string) (*os.File, error) {
	f, err := os.OpenFile(path+".lock", os.O_RDWR|os.O_CREATE|syscall.O_NOFOLLOW, 0o600)
	if err != nil {
		return nil, fmt.Errorf("opening lock of sealed file: %w", err)
	}
	fi, err := f.Stat()
	if err == nil {
		err = ownedByUs(path+".lock", fi)
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// lockFile waits for the lock. It asks again and again and does not block in
// the kernel, where nothing could call it back.
func lockFile(ctx context.Context, path string) (unlock func(), err error) {
	f, err := openLock(path)
	if err != nil {
		return nil, err
	}
	for wait := time.Millisecond; ; wait = min(2*wait, 20*time.Millisecond) {
		err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if err == nil {
			// Closing is what unlocks; that can only fail for a descriptor that is gone.
			return func() { f.Close() }, nil
		}
		if !errors.Is(err, syscall.EWOULDBLOCK) && !errors.Is(err, syscall.EINTR) {
			return nil, errors.Join(fmt.Errorf("locking sealed file: %w", err), f.Close())
		}
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			err := fmt.Errorf("%w: sealed file %s is being written by another process: %w", secret.ErrUnavailable, path, ctx.Err())
			return nil, errors.Join(err, f.Close())
		}
	}
}

// rawFile is a file as read. It is kept open as long as its content is used:
// then its inode cannot be given to another file, and a changed file always
// shows in stat.
type rawFile struct {
	file    *os.File
	stat    fs.FileInfo
	content []byte
}

// readFile reads a file that belongs to us and nobody else can read or write.
func readFile(path string) (rawFile, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NOFOLLOW|syscall.O_NONBLOCK, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return rawFile{}, &missing{path}
	}
	if err != nil {
		return rawFile{}, fmt.Errorf("opening sealed file: %w", err)
	}
	raw := rawFile{file: f}
	if err := raw.read(path); err != nil {
		return rawFile{}, errors.Join(err, f.Close())
	}
	return raw, nil
}

func (r *rawFile) read(path string) (err error) {
	if r.stat, err = r.file.Stat(); err != nil {
		return err
	}
	if !r.stat.Mode().IsRegular() {
		return &Damaged{path, errors.New("not a regular file")}
	}
	if err := ownedByUs(path, r.stat); err != nil {
		return err
	}
	if r.stat.Mode().Perm()&0o077 != 0 {
		return &Exposed{Path: path, Err: errors.New("others can read or write it"), Fix: "chmod 600"}
	}
	if r.stat.Size() > maxFile {
		return &Damaged{path, fmt.Errorf("%d bytes, %d fit", r.stat.Size(), maxFile)}
	}
	r.content = make([]byte, r.stat.Size())
	_, err = io.ReadFull(r.file, r.content)
	return err
}

// same tells whether fi is the file that was read, unchanged.
func (r *rawFile) same(fi fs.FileInfo) bool {
	return os.SameFile(r.stat, fi) && r.stat.Size() == fi.Size() && r.stat.ModTime().Equal(fi.ModTime())
}

// Exposed says that others could read or swap a file. Nothing was read from it.
type Exposed struct {
	Path string
	Err  error
	Fix  string // command that mends it, to be followed by the path; may be empty
}

// Error names the file and who could do what.
func (e *Exposed) Error() string { return fmt.Sprintf("%s: %v", e.Path, e.Err) }

// Unwrap returns who could do what.
func (e *Exposed) Unwrap() error { return e.Err }

// Hint says what the person can do.
func (e *Exposed) Hint() string {
	if e.Fix == "" {
		return "keep sealed files in a folder of your own"
	}
	return "if you trust what is there: " + e.Fix + " '" + e.Path + "'"
}

func ownedByUs(path string, fi fs.FileInfo) error {
	st, ok := fi.Sys().(*syscall.Stat_t)
	if !ok {
		return fmt.Errorf("internal error: no owner of %s", path)
	}
	if int(st.Uid) != os.Geteuid() {
		return &Exposed{Path: path, Err: fmt.Errorf("belongs to user %d, not to you", st.Uid)}
	}
	return nil
}

// checkFolder refuses a folder in which somebody else could swap our file: one
// that belongs to neither us nor root, or that others can write, unless it is
// sticky like /tmp.
func checkFolder(dir string) error {
	fi, err := os.Stat(dir)
	if err != nil {
		return fmt.Errorf("opening folder of sealed file: %w", err)
	}
	if st, ok := fi.Sys().(*syscall.Stat_t); !ok || st.Uid != 0 {
		if err := ownedByUs(dir, fi); err != nil {
			return err
		}
	}
	if fi.Mode().Perm()&0o022 != 0 && fi.Mode()&fs.ModeSticky == 0 {
		return &Exposed{Path: dir, Err: errors.New("others can write this folder"), Fix: "chmod go-w"}
	}
	return nil
}
