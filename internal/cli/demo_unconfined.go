package cli

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"

	"keyhole/internal/profile"
	"keyhole/internal/session"
)

// attemptBroker runs the program with the endpoint but without a sandbox.
func (d *demo) attemptBroker(ctx context.Context, rows []demoRow) (results, error) {
	in, err := d.planFile(insidePlan(d, rows))
	if err != nil {
		return nil, fail("", "writing plan: %w", err)
	}
	defer in.Close()
	out, err := os.Create(filepath.Join(d.dir, "results"))
	if err != nil {
		return nil, fail("", "making results file: %w", err)
	}
	defer out.Close()
	env := *d.env
	env.Environ = d.environ()
	env.Getenv = func(name string) string { return lookupVar(env.Environ, name) }
	env.Dir = filepath.Join(d.dir, "project")
	f := runFlags{profile: "demo", store: "sealed-file", quiet: true}
	cfg, err := f.config(&env, []string{d.env.Executable, "shim", "attempt"})
	if err != nil {
		return nil, err
	}
	cfg.Dirs = profile.UserDirs(env.Getenv, env.UID)
	cfg.Streams.Stdin, cfg.Streams.Stdout, cfg.Unconfined = in, out, true
	if _, err := session.Run(ctx, cfg); err != nil {
		return nil, runFailure(err)
	}
	if _, err := out.Seek(0, 0); err != nil {
		return nil, fail("", "reading results: %w", err)
	}
	return readResults(out)
}

func (d *demo) planFile(p *demoPlan) (*os.File, error) {
	path := filepath.Join(d.dir, "plan")
	b, err := json.Marshal(p)
	if err != nil {
		return nil, err
	}
	if err := os.WriteFile(path, b, 0o600); err != nil {
		return nil, err
	}
	return os.Open(path)
}

func lookupVar(environ []string, name string) string {
	for _, kv := range environ {
		if len(kv) > len(name) && kv[:len(name)] == name && kv[len(name)] == '=' {
			return kv[len(name)+1:]
		}
	}
	return ""
}
