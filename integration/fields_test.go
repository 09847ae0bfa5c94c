//go:build linux

package integration

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"keyhole/integration/keyring"
)

const blobProfile = `{"extends": "default", "credential_access": [{"services": ["it:blob"], "accounts": ["me"],
	"operations": ["read", "upsert", "delete"], "fields": ["login"]}]}`

// blobDesk has an item that holds two logins, of which the profile grants one.
func blobDesk(t *testing.T) (d *desk, flags []string) {
	t.Helper()
	keyring.Need(t, "secret-tool", "python3")
	d = newDesk(t)
	profile := filepath.Join(d.home, "blob.jsonc")
	if err := os.WriteFile(profile, []byte(blobProfile), 0o600); err != nil {
		t.Fatal(err)
	}
	d.store("it:blob", "me", `{"login":{"token":0},"other":{"token":"other-login-3c"}}`)
	return d, []string{"-p", profile}
}

// blob is what the keyring holds.
func (d *desk) blob() (all map[string]map[string]any) {
	d.t.Helper()
	text, err := d.outside("", "secret-tool", "lookup", "service", "it:blob", "username", "me")
	if err != nil || json.Unmarshal([]byte(text), &all) != nil {
		d.t.Fatalf("the keyring holds %q, %v", text, err)
	}
	return all
}

// Of an item with two logins a program inside gets and writes the one that is
// granted.
func TestFieldsInARealKeyring(t *testing.T) {
	d, flags := blobDesk(t)
	const readBlob = `secret-tool lookup service it:blob username me`
	const writeBlob = `secret-tool store --label=b service it:blob username me`
	got := run(t, d.inside(flags, "sh", "-c", readBlob+`; echo; printf '{"login":{"token":1},"other":"stolen"}' | `+writeBlob+` && `+readBlob))
	if got.out != "{\"login\":{\"token\":0}}\n{\"login\":{\"token\":1}}" || got.code != 0 {
		t.Errorf("inside: %+v", got)
	}
	if all := d.blob(); all["login"]["token"] != 1.0 || all["other"]["token"] != "other-login-3c" {
		t.Errorf("the keyring holds %v", all)
	}
	// Somebody else logs in anew while the program has the old login in hand.
	s := d.shell(flags)
	s.do(readBlob + ` >was`)
	d.store("it:blob", "me", `{"login":{"token":"newer"},"other":{"token":"other-login-4d"}}`)
	if got := s.do(writeBlob + ` <was`); got != "secret-tool: keyhole: changing \"it:blob\" is refused: another program has changed it since it was read here; read it again\n[1]" {
		t.Errorf("a stale write: %q", got)
	}
	if got := s.do(`secret-tool clear service it:blob username me 2>/dev/null; ` + readBlob); got != "{\"login\":{\"token\":\"newer\"}}[0]" {
		t.Errorf("deleting what was not read: %q", got)
	}
	if got := s.do(`secret-tool clear service it:blob username me; ` + readBlob); got != "{}[0]" {
		t.Errorf("deleting: %q", got)
	}
	if all := d.blob(); len(all) != 1 || all["other"]["token"] != "other-login-4d" {
		t.Errorf("the keyring holds %v", all)
	}
}

// A run that is killed while it writes leaves the other login, and either the
// old or the new one of its own.
func TestFieldsCrashInBetween(t *testing.T) {
	d, flags := blobDesk(t)
	const script = `import subprocess, sys, json
keys = ["service", "it:blob", "username", "me"]
n = json.loads(subprocess.check_output(["secret-tool", "lookup", *keys]))["login"]["token"]
while True:
    n += 1
    subprocess.run(["secret-tool", "store", "--label=b", *keys], input=json.dumps({"login": {"token": n}}).encode(), check=True)
    print(n, flush=True)
`
	last := 0
	for round := range 6 {
		cmd := d.inside(flags, "/usr/bin/python3", "-c", script)
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewScanner(out)
		for range round + 2 {
			if !lines.Scan() {
				t.Fatalf("round %d ended by itself", round)
			}
			if _, err := fmt.Sscan(lines.Text(), &last); err != nil {
				t.Fatal(err)
			}
		}
		if err := cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		if err := cmd.Wait(); err == nil {
			t.Fatal("it was not killed")
		}
		all := d.blob()
		if n, ok := all["login"]["token"].(float64); !ok || int(n) < last {
			t.Errorf("round %d: token %v after %d was written", round, all["login"], last)
		}
		if all["other"]["token"] != "other-login-3c" {
			t.Errorf("round %d: the other login is %v", round, all["other"])
		}
	}
}
