package session

import (
	"cmp"
	"context"
	"fmt"
	"path/filepath"

	"keyhole/internal/sandbox"
)

// serve starts the command and stays until its last process is gone.
func (r *run) serve(ctx context.Context, held heldSignals) (Result, error) {
	step("answering")
	env, err := r.environment(ctx)
	if err != nil {
		return Result{}, err
	}
	step("environment made")
	child, err := r.start(ctx, env)
	if err != nil {
		return Result{}, err
	}
	if p, ok := child.(*sandbox.Process); ok {
		r.running <- p
	}
	step("command started")
	early := held.leave(child)
	status, err := r.attend(ctx, child)
	if err != nil {
		return Result{}, err
	}
	return Result{Code: cmp.Or(early, status.Code)}, nil
}

// attend does what there is to do while the command runs, and takes its
// surroundings down when it has ended.
func (r *run) attend(ctx context.Context, command child) (sandbox.Status, error) {
	begun := make(chan error, 1)
	go func() { begun <- r.begin(command) }()
	go sweep(r.cfg.Dirs.Runtime, filepath.Dir(r.dir.tmp), r.id, r.cfg.Log)
	stop := context.AfterFunc(ctx, command.Kill)
	defer stop()
	ctl := make(chan *controlled, 1)
	go func() { ctl <- r.control(ctx, command) }()
	status, err := command.Wait()
	step("command ended")
	changed := r.takeDown(ctl)
	if recordErr := <-begun; recordErr != nil {
		return status, &Hinted{fmt.Errorf("recording start of run: %w", recordErr),
			"the command was ended: nothing runs without a record; free the disk or mend the folder it is kept in"}
	}
	if err != nil {
		return status, fmt.Errorf("waiting for command: %w", err)
	}
	return status, r.conclude(ctx, command, status, changed)
}

// begin records that the command runs. The log may be gone or full: without a
// record there may be no run.
func (r *run) begin(command child) error {
	err := r.recordStart(command.PID())
	if err != nil {
		command.Kill()
	}
	step("start recorded")
	return err
}

// takeDown removes what the command had, while others are told what it changed.
func (r *run) takeDown(ctl <-chan *controlled) (changed <-chan [2]string) {
	if r.cfg.Learn == nil {
		r.dir.removeTmp()
	}
	reports := make(chan [2]string, 1)
	go func() { reports <- [2]string{r.later.report(), r.later.cachesReport()} }()
	if c := <-ctl; c != nil {
		c.close()
	}
	step("control closed")
	r.silence()
	step("silent")
	if r.cfg.Learn == nil && len(r.wrapped) == 0 {
		r.dir.removeRest()
	}
	return reports
}

// conclude says and records what became of the run.
func (r *run) conclude(ctx context.Context, command child, status sandbox.Status, changed <-chan [2]string) error {
	if r.cfg.Learn != nil {
		if err := r.broker.Close(); err != nil { // writes what it has noted
			return fmt.Errorf("recording what was refused: %w", err)
		}
		r.learn(ctx, command)
	}
	r.keepWrites(ctx)
	r.recordEnd(status)
	step("end recorded")
	for _, line := range <-changed {
		if line != "" {
			r.cfg.Notice(line)
		}
	}
	r.summarise()
	return nil
}
