//go:build linux

package security

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"syscall"
	"time"

	"keyhole/internal/broker"
	"keyhole/internal/policy"
	"keyhole/internal/profile"
	"keyhole/internal/provider/providertest"
	"keyhole/internal/sandbox"
	"keyhole/internal/secret"
	"keyhole/internal/session"
)

// setup is what a supervisor is told at its start.
type setup struct {
	Home      string // and all its folders are below
	Binary    string // keyhole
	Kind      string // of the store
	Bus       string
	File      string // the sealed file
	Identity  string
	Rules     []policy.Rule
	Workspace string
	ReadPaths []string // further paths that may be read inside
	Ask       string   // a program that answers for the person; empty: none
}

// setupVar holds a setup as JSON.
const setupVar = "KEYHOLE_TEST_SETUP"

// item is an item of the store, as the tests write and compare them.
type item struct {
	Label      string
	Attributes map[string]string
	Secret     []byte
}

// command is what the test tells the supervisor to do with its own store.
type command struct {
	Replace  bool // the items of the store by Items
	Items    []item
	List     bool             // all items
	Failures map[string]int32 // by method: how it fails, as an OSStatus
	State    *secret.Status   // what Status tells
	Mode     providertest.Mode
}

// answer answers a command.
type answer struct {
	Items []item
	Fault string
}

// supervise is a supervisor: one run of keyhole whose command is the driver. It
// takes commands about its store from descriptor 3 and answers on 4.
func supervise() int {
	for _, fd := range []int{3, 4} {
		syscall.CloseOnExec(fd)
	}
	var s setup
	if err := json.Unmarshal([]byte(os.Getenv(setupVar)), &s); err != nil {
		fmt.Fprintln(os.Stderr, "supervisor:", err)
		return 125
	}
	res, err := s.run()
	if err != nil {
		fmt.Fprintln(os.Stderr, "supervisor:", err)
		return 125
	}
	return res.Code
}

func (s *setup) run() (session.Result, error) {
	uid := os.Getuid()
	dirs := profile.UserDirs(os.Getenv, uid)
	vars := profile.UserVars(os.Getenv, uid, s.Workspace)
	p, err := profile.Load("default", dirs, vars)
	if err != nil {
		return session.Result{}, err
	}
	p.Rules = s.Rules
	if err := p.AddShim("security"); err != nil {
		return session.Result{}, err
	}
	exe, err := os.Executable()
	if err != nil {
		return session.Result{}, err
	}
	return session.Run(context.Background(), session.Config{
		Profile: p, Vars: vars, Dirs: dirs, Argv: []string{exe}, Dir: s.Workspace,
		Environ: os.Environ(), SetEnv: []string{partVar + "=driver"},
		ReadPaths: append(s.ReadPaths, exe), Executable: s.Binary, UID: uid,
		Ask:     session.AskConfig{Command: s.Ask},
		Streams: sandbox.Streams{Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr},
		Store: session.StoreConfig{
			Kind: s.Kind, BusAddress: s.Bus, SealedFile: s.File,
			Key: func(string) (passphrase, identity secret.Value, err error) {
				b, err := os.ReadFile(s.Identity)
				return secret.Value{}, secret.NewValue(b), err
			},
			Wrap: func(p broker.Provider) broker.Provider {
				f := providertest.NewFault(p.(providertest.Store))
				go obey(f, p.(providertest.Store))
				return f
			},
		},
	})
}

// obey takes commands until there are none.
func obey(f *providertest.Fault, store providertest.Store) {
	in, out := json.NewDecoder(os.NewFile(3, "commands")), json.NewEncoder(os.NewFile(4, "answers"))
	for {
		var c command
		if in.Decode(&c) != nil {
			return
		}
		ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
		a, err := c.do(ctx, f, store)
		cancel()
		if err != nil {
			a.Fault = err.Error()
		}
		if out.Encode(a) != nil {
			return
		}
	}
}

func (c *command) do(ctx context.Context, f *providertest.Fault, store providertest.Store) (answer, error) {
	f.Set(c.Mode)
	for _, method := range []string{"Get", "Create", "Update", "Delete", "Status"} {
		f.Fail(method, failure(c.Failures[method]))
	}
	f.SetStatus(c.State)
	if c.Replace {
		if err := replace(ctx, store, c.Items); err != nil {
			return answer{}, err
		}
	}
	if !c.List {
		return answer{}, nil
	}
	infos, err := store.List(ctx, secret.Query{})
	if err != nil {
		return answer{}, err
	}
	var a answer
	for _, info := range infos {
		_, v, err := store.Get(ctx, info.ID)
		if err != nil {
			return a, err
		}
		a.Items = append(a.Items, item{info.Label, info.Attributes, append([]byte{}, v.Expose()...)})
	}
	return a, nil
}

func replace(ctx context.Context, store providertest.Store, items []item) error {
	old, err := store.List(ctx, secret.Query{})
	if err != nil {
		return err
	}
	for _, info := range old {
		if err := store.Delete(ctx, info.ID); err != nil {
			return err
		}
	}
	for _, it := range items {
		info := secret.Info{Ref: secret.Ref{Attributes: it.Attributes}, Label: it.Label}
		if _, err := store.Create(ctx, info, secret.NewValue(it.Secret)); err != nil {
			return err
		}
	}
	return nil
}

// failure is a store's error for a status that Apple's store would give.
func failure(status int32) error {
	switch status {
	case 0:
		return nil
	case -25308:
		return secret.ErrLocked
	case -128:
		return secret.ErrDismissed
	case -25293:
		return secret.ErrForbidden
	case 100001:
		return syscall.EPERM
	}
	return fmt.Errorf("no error stands for status %d", status)
}
