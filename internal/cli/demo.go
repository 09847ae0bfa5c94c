package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"keyhole/internal/secret"
	"keyhole/internal/session"
	"keyhole/internal/signals"
)

const demoHelp = `Show what a sandboxed command can and cannot reach, with attempts that are
really made: a throw-away sealed file with example items, a profile that grants
some of them, and a confined program that tries the rest. Nothing of yours is
read or changed. Exit status 0 when every line is as expected, 1 when one is
not, 125 when this system cannot confine a command.`

func newDemoCommand(env *Env) *cobra.Command {
	var unconfined bool
	var hardening string
	c := &cobra.Command{
		Use:   "demo",
		Short: "Show what a sandboxed command can and cannot reach",
		Long:  demoHelp,
		Args:  takes(0, 0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return runDemo(cmd.Context(), env, unconfined, hardening)
		},
	}
	c.Flags().BoolVar(&unconfined, "unconfined", false, "show the broker alone, on a system that cannot confine; nothing is confined then")
	c.Flags().StringVar(&hardening, "hardening", "auto", "`WHEN` to put up the second layer, as 'keyhole run' has it: auto, require or off")
	return c
}

// demoPatience is how long an attempt that was asked to end may take to do so.
const demoPatience = 10 * time.Second

// demo is the stage set: folders, store, decoys.
type demo struct {
	env        *Env
	unconfined bool
	hardening  string
	dir        string
	scene      *scene
}

func runDemo(ctx context.Context, env *Env, unconfined bool, hardening string) (err error) {
	// Until the folder is gone again, a signal ends the attempts and not us.
	ctx, ended := endWithSignal(ctx)
	defer func() {
		if code := ended(); code != 0 {
			err = status(code)
		}
	}()
	dir, err := os.MkdirTemp("", "keyhole-demo-")
	if err != nil {
		return fail("free space in the temporary folder, or set TMPDIR", "making demo folder: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	d := &demo{env: env, unconfined: unconfined, hardening: hardening, dir: dir}
	fmt.Fprintf(env.Stdout, "Making a throw-away store, a profile and decoys in %s\n\n", dir)
	if err := d.prepare(); err != nil {
		return fail("", "preparing demo: %w", err)
	}
	if d.scene, err = openScene(ctx, env, dir); err != nil {
		return fail("", "starting decoys: %w", err)
	}
	defer d.scene.close()
	return d.play(ctx)
}

// play makes the attempts outside and inside and prints what came of them.
func (d *demo) play(ctx context.Context) error {
	rows := demoRows(d)
	outside, err := d.attemptOutside(ctx, rows)
	if err != nil {
		return fail("", "trying things unconfined: %w", err)
	}
	inside, err := d.attemptInside(ctx, rows)
	if err != nil {
		return err
	}
	bad := printDemo(d.env.Stdout, rows, outside, inside, d.unconfined)
	if bad > 0 {
		return &Failure{Code: ExitNo, Err: fmt.Errorf("%d of %d lines are not as expected", bad, len(rows)),
			Hint: "do not rely on the sandbox here; 'keyhole doctor' says what this system offers"}
	}
	return nil
}

// prepare makes the folders, the store and the profile.
func (d *demo) prepare() error {
	for _, sub := range []string{"home/.ssh", "home/.config/keyhole/profiles", "home/.local/share/keyhole", "home/.local/state", "project", "rt"} {
		if err := os.MkdirAll(filepath.Join(d.dir, sub), 0o700); err != nil {
			return err
		}
	}
	for path, text := range map[string]string{
		d.keyFile():        demoKeyText,
		d.passphraseFile(): "only for this demo",
		d.profileFile():    demoProfile,
	} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			return err
		}
	}
	return d.fillStore()
}

func (d *demo) fillStore() error {
	key := session.SealedKey{Passphrase: secret.NewValue([]byte("only for this demo"))}
	if err := session.InitSealed(d.storeFile(), key); err != nil {
		return err
	}
	s, err := session.OpenSealed(d.storeFile(), key)
	if err != nil {
		return err
	}
	defer s.Close()
	for _, it := range demoItems {
		info := secret.Info{Label: it.service, ContentType: "text/plain"}
		info.Attributes = map[string]string{"service": it.service, "username": it.account}
		if _, err := s.Create(context.Background(), info, secret.NewValue([]byte(it.value))); err != nil {
			return err
		}
	}
	return nil
}

func (d *demo) keyFile() string { return filepath.Join(d.dir, "home/.ssh/id_ed25519") }
func (d *demo) profileFile() string {
	return filepath.Join(d.dir, "home/.config/keyhole/profiles/demo.jsonc")
}
func (d *demo) storeFile() string      { return filepath.Join(d.dir, "home/.local/share/keyhole/store.age") }
func (d *demo) passphraseFile() string { return filepath.Join(d.dir, "home/passphrase") }

// environ is the environment of the person in the demo, with a token that no
// confined command may see.
func (d *demo) environ() []string {
	return []string{
		"HOME=" + filepath.Join(d.dir, "home"),
		"USER=demo",
		"PATH=" + d.env.Getenv("PATH"),
		"XDG_RUNTIME_DIR=" + filepath.Join(d.dir, "rt"),
		"DBUS_SESSION_BUS_ADDRESS=unix:path=" + d.scene.bus,
		"SSH_AUTH_SOCK=" + d.scene.agent,
		"GH_TOKEN=" + demoToken,
		"KEYHOLE_STORE_PASSPHRASE_FILE=" + d.passphraseFile(),
	}
}

// attemptOutside shows that what is refused inside works for any program of the
// user.
func (d *demo) attemptOutside(ctx context.Context, rows []demoRow) (results, error) {
	cmd := exec.CommandContext(ctx, d.env.Executable, "shim", "attempt")
	cmd.Env = d.environ()
	return d.attempt(cmd, outsidePlan(d, rows))
}

// attemptInside runs the same program confined, under a supervisor of its own.
func (d *demo) attemptInside(ctx context.Context, rows []demoRow) (results, error) {
	if d.unconfined {
		return d.attemptBroker(ctx, rows)
	}
	cmd := exec.CommandContext(ctx, d.env.Executable, "run", "--quiet", "--hardening="+d.hardening,
		"-p", "demo", "--store", "sealed-file", "--read-path", d.env.Executable,
		"--", d.env.Executable, "shim", "attempt")
	cmd.Env = d.environ()
	cmd.Dir = filepath.Join(d.dir, "project")
	res, err := d.attempt(cmd, insidePlan(d, rows))
	var exit *exec.ExitError
	if errors.As(err, &exit) && exit.ExitCode() == ExitFailure {
		return nil, status(ExitFailure) // the run has said why
	}
	if err != nil {
		return nil, fail("'keyhole doctor' says what is missing", "running the confined program: %w", err)
	}
	return res, nil
}

func (d *demo) attempt(cmd *exec.Cmd, plan any) (results, error) {
	in, err := json.Marshal(plan)
	if err != nil {
		return nil, err
	}
	cmd.Stdin = bytes.NewReader(in)
	cmd.Stderr = d.env.Stderr
	// A run that is killed leaves folders; one that is asked to end does not.
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = demoPatience
	out, err := cmd.Output()
	if err != nil {
		return nil, err
	}
	return readResults(bytes.NewReader(out))
}

// endWithSignal returns a context that ends with the first signal that asks us to
// end. All of them are caught until ended is called, which gives the exit status
// that such an end has, or 0.
func endWithSignal(ctx context.Context) (_ context.Context, ended func() int) {
	ctx, cancel := context.WithCancel(ctx)
	caught := make(chan os.Signal, 1)
	signals.Notify(caught, syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP)
	code := make(chan int, 1)
	go func() {
		select {
		case s := <-caught:
			n, _ := s.(syscall.Signal) // the signals of a system are
			code <- ExitSignal + int(n)
			cancel()
		case <-ctx.Done():
			code <- 0
		}
	}()
	return ctx, func() int {
		cancel()
		defer signals.Stop(caught)
		return <-code
	}
}

func readResults(r io.Reader) (results, error) {
	all := make(results)
	dec := json.NewDecoder(r)
	for {
		var one demoResult
		err := dec.Decode(&one)
		if errors.Is(err, io.EOF) {
			return all, nil
		}
		if err != nil {
			return nil, fmt.Errorf("reading results: %w", err)
		}
		all[one.Row] = one
	}
}
