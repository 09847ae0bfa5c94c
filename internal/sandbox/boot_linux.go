package sandbox

import (
	"errors"
	"os"
	"runtime"

	"golang.org/x/sys/unix"
)

// way is how a command is started. The zero way is the usual one: in this process
// and, where that is not possible, by the stage.
type way uint8

const (
	byStageOnly way = iota + 1
	inProcessOnly
)

// booting is a run about to start, with its stage on its way if it needs one.
type booting struct {
	run       *run
	fds       [3]uintptr
	null      *os.File // opened for streams that are nil
	err       error
	used      *bool
	streams   Streams
	hardening Hardening
	plain     bool     // the base layer is the stage's as well
	staged    bool     // there is a stage, to begin with
	job       chan job // what to do where there cannot be one; closed when nothing is
}

// job is a command to be started in this process.
type job struct {
	spec   *Spec
	plan   plan
	forced forced
}

// boot has the stage come up on one processor while the caller goes on, where
// commands are not started in this process.
func boot(s Streams, h Hardening) booting { return bootWith(s, h, 0) }

func bootWith(s Streams, h Hardening, w way) booting {
	b := booting{run: newRun(), used: new(bool), streams: s, hardening: h, job: make(chan job, 1)}
	b.plain = w != inProcessOnly && (w == byStageOnly || !inProcess || yama() > yamaAncestors)
	b.staged = b.plain || h != Off
	b.fds, b.null, b.err = stdio(s)
	if b.err == nil && b.staged {
		go b.run.supervise(b.bring)
	}
	return b
}

// bring starts a stage in the layer asked for. Whether there is the hardening
// layer is found out by setting it up: no setting and no system's name tells.
func (b booting) bring() spawned {
	layer := Layer{}
	if b.hardening != Off {
		c, err := bringWalled(b.fds)
		if err == nil {
			return spawned{c, nil}
		}
		layer = reason(err)
		if b.hardening == Require {
			return spawned{err: &LayerError{layer}}
		}
	}
	if b.plain {
		c, err := spawn(b.fds)
		c.layer = layer
		return spawned{c, err}
	}
	j, ok := <-b.job
	if !ok {
		return spawned{err: errors.New("canceled")}
	}
	return b.launch(j, layer)
}

// launch starts the command in this process or, if that is not possible, a
// stage.
func (b booting) launch(j job, layer Layer) spawned {
	j.tellLayer(layer)
	pid, err := b.run.launch(b.fds, j.spec, j.plan, j.forced)
	if j.forced.way != inProcessOnly && byStage(err) {
		c, err := spawn(b.fds)
		return spawned{c, err}
	}
	if err != nil {
		err = explainLaunch(err, j.spec.Path)
	}
	return spawned{child{pid: pid, socket: -1}, err}
}

// begin starts the command, or what will be it. Without a stage all is done on
// this thread, which stays the run's: waking another one takes longer than the
// start.
func (b booting) begin(j job) spawned {
	if b.staged {
		b.job <- j
		return <-b.run.spawned
	}
	runtime.LockOSThread()
	b.run.here = true
	s := b.launch(j, Layer{})
	b.run.bear(s)
	return s
}

func (j job) tellLayer(l Layer) {
	if j.spec.OnLayer == nil {
		return
	}
	if l.Static = j.forced.static; l.Static != "" {
		l.TCP = j.spec.Network.Outbound
	}
	j.spec.OnLayer(l)
}

func (b booting) cancel() {
	if *b.used {
		return
	}
	*b.used = true
	if b.err != nil {
		return
	}
	close(b.job)
	if b.staged {
		b.end(<-b.run.spawned, errors.New("canceled"))
	} else {
		b.unborn(errors.New("canceled"))
	}
}

// unborn gives up a run for which nothing has been started.
func (b booting) unborn(err error) error {
	close(b.run.done)
	return errors.Join(b.run.abandon(err), b.closeNull())
}

// end gives up what a child that will not be a command holds.
func (b booting) end(c spawned, err error) error {
	err = b.run.abandon(err)
	if c.err == nil && c.socket >= 0 {
		err = errors.Join(err, unix.Close(c.socket), c.closeRoot())
	}
	return errors.Join(err, b.closeNull())
}

func (b booting) closeNull() error {
	if b.null == nil {
		return nil
	}
	return b.null.Close()
}
