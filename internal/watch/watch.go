// Package watch is the full-screen view of what keyhole decides: decisions as
// they are recorded, the questions that wait for the person, the runs and their
// grants. It runs outside the sandbox, on a terminal of the person's own. What
// it shows comes from stores and from inside, and is escaped. A yes is given by
// two keys at least, and where the command can write to this terminal by a word
// drawn at random.
//
// It draws by itself rather than by a library: a library's tables would be set
// up at every start of keyhole, by each shim too.
package watch

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"keyhole/internal/approval"
	"keyhole/internal/audit"
	"keyhole/internal/control"
)

// Config is what a view needs.
type Config struct {
	In, Out *os.File // a terminal
	Colour  bool
	Runtime string // the folder that runs have theirs in
	Log     string // path of the audit log
}

// lookForRuns is how long a new run can go unseen.
const lookForRuns = 500 * time.Millisecond

// Run shows the view until the person quits or ctx ends.
func Run(ctx context.Context, c Config) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	s, err := openScreen(c.In, c.Out)
	if err != nil {
		return err
	}
	v := &viewer{cfg: c, ctx: ctx, events: make(chan any, 64)}
	v.start(s)
	err = v.loop(s)
	cancel()
	return errors.Join(err, s.close())
}

// viewer feeds the model.
type viewer struct {
	cfg    Config
	ctx    context.Context
	events chan any
}

func (v *viewer) start(s *screen) {
	go v.readKeys(s)
	go v.followRuns()
	go v.followLog()
}

func (v *viewer) send(event any) {
	select {
	case v.events <- event:
	case <-v.ctx.Done():
	}
}

func (v *viewer) loop(s *screen) error {
	m := &model{colour: v.cfg.Colour, runs: map[string]aRun{}, now: time.Now()}
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	m.width, m.height = s.size()
	for !m.quit {
		if err := s.draw(m.view()); err != nil {
			return err
		}
		var event any
		select {
		case <-v.ctx.Done():
			return nil
		case <-s.ended:
			return nil
		case event = <-v.events:
		case now := <-tick.C:
			event = now
		case <-s.resized:
			w, h := s.size()
			event = resized{w, h}
		}
		if err, ended := event.(error); ended {
			return err
		}
		if todo := m.update(event); todo != nil {
			go v.settle(*todo)
		}
	}
	return nil
}

func (v *viewer) readKeys(s *screen) {
	buf := make([]byte, 256)
	for {
		n, err := s.in.Read(buf)
		if err != nil {
			v.send(fmt.Errorf("reading the terminal: %w", err))
			return
		}
		for _, k := range keys(buf[:n]) {
			v.send(k)
		}
	}
}

func (v *viewer) settle(s settle) {
	err := control.Dial(s.dir).Settle(v.ctx, s.question.Digest, s.allow, s.lifespan)
	word := "Denied"
	if s.allow {
		word = "Allowed"
	}
	text := fmt.Sprintf("%s (%s): %s", word, s.lifespan, s.question.Title())
	if err != nil {
		text = "Not answered: the question is settled or has changed."
	}
	v.send(settled{text})
}

// followRuns looks for runs and follows each.
func (v *viewer) followRuns() {
	tick := time.NewTicker(lookForRuns)
	defer tick.Stop()
	known := map[string]bool{}
	ended := make(chan string)
	for {
		entries, err := os.ReadDir(v.cfg.Runtime)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			v.send(fmt.Errorf("looking for runs: %w", err))
			return
		}
		for _, e := range entries {
			dir := filepath.Join(v.cfg.Runtime, e.Name())
			if _, err := os.Lstat(filepath.Join(dir, control.SocketName)); err != nil || known[dir] {
				continue
			}
			known[dir] = true
			go v.followRun(dir, ended)
		}
		select {
		case <-v.ctx.Done():
			return
		case dir := <-ended:
			delete(known, dir)
			v.send(runChanged{dir: dir, gone: true})
			// One that hung up at once is not asked again at once.
			select {
			case <-tick.C:
			case <-v.ctx.Done():
				return
			}
		case <-tick.C:
		}
	}
}

func (v *viewer) followRun(dir string, ended chan<- string) {
	// Why it ended makes no difference: a run that is there is found again.
	_ = control.Dial(dir).Follow(v.ctx, func(r control.Run, q []approval.Question) error {
		v.send(runChanged{dir: dir, run: r, questions: q})
		return nil
	})
	select {
	case ended <- dir:
	case <-v.ctx.Done():
	}
}

// followLog sends every record, once there is a log.
func (v *viewer) followLog() {
	tick := time.NewTicker(lookForRuns)
	defer tick.Stop()
	for {
		err := audit.Follow(v.ctx, v.cfg.Log, func() {}, func(l audit.Line) error {
			if l.Err == nil {
				v.send(l.Record)
			}
			return nil
		})
		if v.ctx.Err() != nil {
			return
		}
		if !errors.Is(err, fs.ErrNotExist) {
			v.send(fmt.Errorf("following the audit log: %w", err))
			return
		}
		select {
		case <-tick.C:
		case <-v.ctx.Done():
			return
		}
	}
}
