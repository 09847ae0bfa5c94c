// Package attempt makes the demo's attempts, for real, wherever it is run: once
// outside the sandbox to show that they work there, and once inside. It prints
// one JSON object a line and judges nothing.
package attempt

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Plan says what to try. Empty fields are not tried.
type Plan struct {
	Items      []Item
	Files      map[string]string // row → path to read
	Sockets    map[string]string // row → Unix socket to connect to
	Buses      map[string]string // row → Unix socket of a message bus
	Trace      map[string]int    // row → process to attach to; -1: our parent
	Environ    map[string]int    // row → process whose environment to read; -1: our parent
	OwnVar     map[string]string // row → variable to look for in our own environment
	SecretTool map[string]Item   // row → item to look up with the real secret-tool
}

// Item is one thing to do at the Secret Service.
type Item struct {
	Row     string
	Do      string // get, set, delete
	Service string
	Account string // empty: not given
	Value   string // for set: example text, never a real secret
}

// Result is one line of output.
type Result struct {
	Row  string
	Done bool   // the act succeeded
	Got  string // what it gave, if anything
	Why  string // errno name or D-Bus error name, when it failed
	Text string // the error's text
}

// timeout bounds each single attempt: none waits for what will not come.
const timeout = 30 * time.Second

// Run reads a Plan from in, tries everything in it and prints Results. With
// "bystander" it instead waits, as a process for others to look at, until in
// ends.
func Run(in io.Reader, out, errw io.Writer, args []string) int {
	if len(args) > 0 && args[0] == "bystander" {
		return bystander(in, out)
	}
	var p Plan
	if err := json.NewDecoder(io.LimitReader(in, 1<<20)).Decode(&p); err != nil {
		fmt.Fprintln(errw, "keyhole: shim attempt: reading plan:", err)
		return 2
	}
	enc := json.NewEncoder(out)
	for _, r := range p.try() {
		if err := enc.Encode(r); err != nil {
			return 1
		}
	}
	return 0
}

func (p Plan) try() []Result {
	results := tryItems(p.Items)
	for row, it := range p.SecretTool {
		results = append(results, secretTool(row, it))
	}
	for row, path := range p.Files {
		results = append(results, readFile(row, path))
	}
	for row, path := range p.Sockets {
		results = append(results, connect(row, path))
	}
	for row, path := range p.Buses {
		results = append(results, busID(row, path))
	}
	for row, pid := range p.Environ {
		results = append(results, readEnviron(row, pid))
	}
	for row, name := range p.OwnVar {
		results = append(results, ownVar(row, name))
	}
	for row, pid := range p.Trace {
		results = append(results, trace(row, pid))
	}
	return results
}

// failed names the error: the errno where there is one.
func failed(row string, err error) Result {
	why := ""
	var errno syscall.Errno
	if errors.As(err, &errno) {
		why = unix.ErrnoName(errno)
	}
	return Result{Row: row, Why: why, Text: err.Error()}
}
