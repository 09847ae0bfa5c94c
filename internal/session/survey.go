package session

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"keyhole/internal/audit"
	"keyhole/internal/profile"
	"keyhole/internal/provider/secretservice"
	"keyhole/internal/sandbox"
	"keyhole/internal/secret"
)

// Survey is what a run would meet on this machine, for doctor.
type Survey struct {
	Sandbox sandbox.Report

	Bus           string // address of the session bus; empty: none
	Service       bool   // a Secret Service answers there
	ServiceLocked bool
	Display       bool  // there is a desktop to show its dialog on
	ServiceErr    error // it answers, and something is wrong with it

	KeychainLocked bool // of a Mac
	KeychainErr    error

	SealedFile    string
	SealedThere   bool
	SealedProblem string // why it cannot be used; empty when nothing is seen to be wrong

	AuditLog string
	AuditErr error

	RunFolder    string
	RunFolderErr error

	MemoryErr error // what the memory of secrets is not protected by
}

// Look surveys the machine. It unlocks nothing, reads no secret and leaves
// nothing behind but keyhole's own empty folders.
func Look(ctx context.Context, dirs profile.Dirs, environ []string, uid int) Survey {
	cfg := &Config{Dirs: dirs, Environ: environ, UID: uid}
	s := Survey{
		Sandbox:    sandbox.Inspect(),
		Bus:        sessionBus(cfg),
		Display:    lookup(environ, "DISPLAY") != "" || lookup(environ, "WAYLAND_DISPLAY") != "",
		SealedFile: filepath.Join(dirs.Data, SealedFileName),
		AuditLog:   audit.Path(dirs.State),
		RunFolder:  dirs.Runtime,
		MemoryErr:  secret.MemoryProblem(),
	}
	s.lookAtService(ctx)
	s.lookAtKeychain(ctx, cfg)
	s.lookAtSealedFile(uid)
	s.lookAtFolders(uid)
	return s
}

func (s *Survey) lookAtService(ctx context.Context) {
	if s.Bus == "" {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, answersLimit)
	defer cancel()
	if s.Service = secretservice.Answers(ctx, s.Bus); !s.Service {
		return
	}
	store, err := secretservice.Open(secretservice.Config{Address: s.Bus})
	if err != nil {
		s.ServiceErr = err
		return
	}
	status, err := store.Status(ctx)
	s.ServiceLocked, s.ServiceErr = status.Locked, errors.Join(err, store.Close())
}

func (s *Survey) lookAtKeychain(ctx context.Context, cfg *Config) {
	k, there, err := systemKeychain(cfg)
	if !there || err != nil {
		s.KeychainErr = err
		return
	}
	ctx, cancel := context.WithTimeout(ctx, answersLimit)
	defer cancel()
	st, err := k.provider.Status(ctx)
	if err == nil && st.Missing {
		err = errors.New("there is no default keychain")
	}
	s.KeychainLocked, s.KeychainErr = st.Locked, errors.Join(err, k.close())
}

func (s *Survey) lookAtSealedFile(uid int) {
	fi, err := os.Lstat(s.SealedFile)
	if errors.Is(err, fs.ErrNotExist) {
		return
	}
	s.SealedThere = true
	switch {
	case err != nil:
		s.SealedProblem = err.Error()
	case !fi.Mode().IsRegular():
		s.SealedProblem = "it is not a regular file"
	case ownerOf(fi) != uid:
		s.SealedProblem = "it belongs to somebody else"
	case fi.Mode().Perm()&0o077 != 0:
		s.SealedProblem = "others can open it"
	}
}

func (s *Survey) lookAtFolders(uid int) {
	log, err := audit.Open(s.AuditLog)
	if err == nil {
		err = errors.Join(log.Close(), roomIn(filepath.Dir(s.AuditLog)))
	}
	s.AuditErr = err
	d, err := makeRunDir(s.RunFolder, uid)
	if d != nil {
		err = errors.Join(err, d.remove())
	}
	s.RunFolderErr = err
}

// roomIn fails with ENOSPC where nothing more can be written.
func roomIn(dir string) error {
	var fs unix.Statfs_t
	if err := unix.Statfs(dir, &fs); err != nil {
		return err
	}
	if !full(fs, os.Geteuid() == 0) {
		return nil
	}
	return &os.PathError{Op: "writing to", Path: dir, Err: unix.ENOSPC}
}

// full tells whether a filesystem has no room, but for what is kept for root. One
// without blocks does not say.
func full(fs unix.Statfs_t, root bool) bool {
	return fs.Blocks > 0 && fs.Bavail == 0 && (fs.Bfree == 0 || !root)
}
