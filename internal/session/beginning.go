package session

import (
	"fmt"

	"keyhole/internal/audit"
	"keyhole/internal/profile"
	"keyhole/internal/socket"
)

// Beginning is what every run has, whatever its profile says: the log, the run's
// folder with its sockets, and no signal that ends it without taking them away.
// They are made on another processor while the caller reads the profile.
type Beginning struct {
	run     *run
	signals heldSignals
	made    chan error // nil is sent when the run's own files are there
	taken   bool
}

// Begin begins a run with its files in dirs, which must be uid's. Whoever does not
// hand it to Run has to call Cancel.
func Begin(dirs profile.Dirs, uid int) *Beginning {
	b := &Beginning{run: newRunOf(Config{}), signals: holdSignals(), made: make(chan error, 1)}
	go func() { b.made <- b.run.makeOwnFiles(dirs, uid, b.signals.held) }()
	return b
}

// take makes it the run of cfg.
func (b *Beginning) take(cfg Config) *run {
	b.taken = true
	b.run.configure(cfg)
	return b.run
}

// Cancel takes everything away again, unless it has become a run.
func (b *Beginning) Cancel() {
	if b.taken {
		return
	}
	b.taken = true
	<-b.made // what could not be made is not there, and nobody wants it now
	b.run.close()
	b.signals.release()
}

// makeOwnFiles opens the audit log and makes the run directory with its sockets,
// on which nobody answers yet: those once held is closed, so that no signal leaves
// them behind. A nil held is not waited for.
func (r *run) makeOwnFiles(dirs profile.Dirs, uid int, held <-chan struct{}) (err error) {
	if r.log, err = audit.Open(audit.Path(dirs.State)); err != nil {
		return &Hinted{fmt.Errorf("opening audit log: %w", err),
			"nothing runs without a record of what was released; free the disk or mend the path"}
	}
	step("log open")
	if held != nil {
		<-held
	}
	if r.dir, err = makeRunDir(dirs.Runtime, uid); err != nil {
		return fmt.Errorf("making run directory: %w", err)
	}
	r.id = r.dir.id
	step("folder made")
	for _, path := range []string{r.dir.bus(), r.dir.wire()} {
		l, err := socket.Listen(path)
		if err != nil {
			return fmt.Errorf("listening on endpoint: %w", err)
		}
		r.sockets = append(r.sockets, l)
	}
	step("listening")
	return nil
}
