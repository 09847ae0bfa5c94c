package cli_test

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"keyhole/internal/cli"
)

// logCommand runs one subcommand of log.
func logCommand(t *testing.T, env *cli.Env, out *buffer, args string) (code int, text string) {
	t.Helper()
	*out = buffer{got: make(chan struct{}, 1)}
	code = cli.Run(t.Context(), env, append([]string{"log"}, strings.Fields(args)...))
	return code, out.String()
}

// keep writes what a command printed into a file.
func keep(t *testing.T, env *cli.Env, name, text string) string {
	t.Helper()
	path := filepath.Join(env.Dir, name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// One person writes a log; another has the public key, what was exported and an
// older checkpoint, and nothing else.
func TestSecondPersonVerifies(t *testing.T) {
	env, out, errs, path := logEnv(t)
	writeLog(t, path)
	_, checkpoint := logCommand(t, env, out, "checkpoint")
	_, key := logCommand(t, env, out, "key")
	writeLog(t, path)
	_, export := logCommand(t, env, out, "export")
	_, late := logCommand(t, env, out, "export --since 10m")
	_, record := logCommand(t, env, out, "prove --record 3")
	_, growth := logCommand(t, env, out, "prove --since "+keep(t, env, "checkpoint", checkpoint))
	if errs.String() != "" {
		t.Fatal(errs)
	}

	second, out, errs, _ := logEnv(t)
	for name, text := range map[string]string{"checkpoint": checkpoint, "key": key, "export": export, "late": late, "record": record, "growth": growth,
		"changed": strings.Replace(export, "bank", "bonk", 1), "proof": strings.Replace(record, "bank", "bonk", 1),
		"cut": strings.Join(strings.SplitAfter(export, "\n")[:3], "")} {
		keep(t, second, name, text)
	}
	tests := []struct {
		args string
		code int
		want string
	}{
		{"export", 0, "proved up to record 10"},
		{"late", 0, "proved up to record 10"},
		{"--checkpoint checkpoint export", 0, "proved up to record 10"},
		{"--checkpoint checkpoint cut", 1, "cut: line 4 is missing"},
		{"changed", 1, "changed: line 3 was changed"},
		{"record", 0, "the record is number 3"},
		{"growth", 0, "the log only grew"},
		{"proof", 1, ""},
		{"cut", 0, "not proved"},
	}
	for _, tt := range tests {
		code, text := logCommand(t, second, out, "verify --key key "+tt.args)
		if code != tt.code || !strings.Contains(text, tt.want) {
			t.Errorf("%s: exit %d: %s%s", tt.args, code, text, errs)
		}
	}
	if code, _ := logCommand(t, second, out, "verify --checkpoint checkpoint export"); code != cli.ExitUsage {
		t.Errorf("a checkpoint without a key: exit %d", code)
	}
	if code, text := logCommand(t, second, out, "verify export"); code != 0 || !strings.Contains(text, "not checked, for want of a public key") || !strings.Contains(text, "not proved") {
		t.Errorf("without a key: exit %d: %s", code, text)
	}
}

func TestVerifyOwnLog(t *testing.T) {
	env, out, errs, path := logEnv(t)
	if code, _ := logCommand(t, env, out, "verify"); code != cli.ExitNo || !strings.Contains(errs.String(), "nothing has been recorded yet") {
		t.Errorf("no log: exit %d, %s", code, errs)
	}
	writeLog(t, path)
	if _, err := os.Stat(filepath.Join(env.Dir, ".local/share/keyhole/audit.key")); err == nil {
		t.Error("the key was made before it was needed")
	}
	_, checkpoint := logCommand(t, env, out, "checkpoint")
	keep(t, env, "c", checkpoint)
	if info, err := os.Stat(filepath.Join(env.Dir, ".local/share/keyhole/audit.key")); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("key: %v, %v", info, err)
	}
	var report struct {
		OK     bool
		Proved int
	}
	_, text := logCommand(t, env, out, "verify --json --checkpoint c")
	if err := json.Unmarshal([]byte(text), &report); err != nil || !report.OK || report.Proved != 5 {
		t.Errorf("%v: %s", err, text)
	}
	if code, text := logCommand(t, env, out, "prune --older-than 30m"); code != 0 || !strings.Contains(text, "pruned 2 records") {
		t.Errorf("exit %d: %s%s", code, text, errs)
	}
	if code, text := logCommand(t, env, out, "verify --checkpoint c"); code != 0 || !strings.Contains(text, "2 records were pruned") || !strings.Contains(text, "proved up to record 5") {
		t.Errorf("exit %d: %s%s", code, text, errs)
	}
}

func TestExportFormats(t *testing.T) {
	env, out, errs, path := logEnv(t)
	writeLog(t, path)
	_, text := logCommand(t, env, out, "export --format csv")
	rows, err := csv.NewReader(strings.NewReader(text)).ReadAll()
	if err != nil || len(rows) != 6 || rows[2][9] != `mail\x1b[2J` {
		t.Errorf("%v, %q%s", err, rows, errs)
	}
	_, text = logCommand(t, env, out, "export --format ocsf --since 10m")
	n := 0
	for line := range bytes.Lines([]byte(text)) {
		var e struct {
			ClassUID   int `json:"class_uid"`
			TypeUID    int `json:"type_uid"`
			ActivityID int `json:"activity_id"`
			Time       int64
			Metadata   struct{ Version string }
			Actor      struct {
				Process struct {
					Parent struct{ File struct{ Path string } } `json:"parent_process"`
				}
			}
		}
		if err := json.Unmarshal(line, &e); err != nil || e.ClassUID != 6003 || e.TypeUID != 600300+e.ActivityID || e.Time == 0 || e.Metadata.Version == "" {
			t.Errorf("%v: %s", err, line)
		}
		if n == 0 && e.Actor.Process.Parent.File.Path != "/bin/sh" {
			t.Errorf("parent process of %s", line)
		}
		n++
	}
	if n != 3 || strings.Contains(text, "\x1b") {
		t.Errorf("%d events%s", n, errs)
	}
	if code, _ := logCommand(t, env, out, "export --format xml"); code != cli.ExitUsage {
		t.Errorf("exit %d", code)
	}
}
