//go:build linux

package integration

import (
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// canaryItems are the services and accounts of logins that people have.
var canaryItems = [][2]string{
	{"gh:github.com", "me"}, {"gh:github.com", ""}, {"glab", "me"}, {"aws-vault", "prod"}, {"docker", "registry"},
	{"Claude Code-credentials", "else"}, {"Codex Auth", "other"}, {"gemini-cli-api-key", "other"}, {"cursor-access-token", "cursor-user"},
	{"opencode", "me"}, {"vault", "root"}, {"npm", "publish"}, {"pypi", "upload"}, {"bank", "me"}, {"mail", "me@example.org"},
	{"Chrome Safe Storage", "Chrome"}, {"slack", "xoxp"}, {"kube", "admin"}, {"terraform", "cloud"}, {"signing", "release"},
}

// canaryFiles lie in the home folder, where tools keep secrets in plain files.
var canaryFiles = []string{
	".ssh/id_ed25519", ".aws/credentials", ".config/gh/hosts.yml", ".docker/config.json", ".netrc", ".npmrc", ".pypirc",
	".git-credentials", ".kube/config", ".gnupg/private-keys-v1.d/a.key", ".password-store/bank.gpg",
	".config/gcloud/application_default_credentials.json", ".azure/msal_token_cache.json", ".cargo/credentials.toml",
	".pgpass", ".vault-token", ".bash_history", ".config/google-chrome/Default/Cookies", ".terraform.d/credentials.tfrc.json",
	".config/rclone/rclone.conf",
}

var canaryVariables = []string{
	"GH_TOKEN", "GITLAB_TOKEN", "AWS_SECRET_ACCESS_KEY", "NPM_TOKEN", "HF_TOKEN", "VAULT_TOKEN", "SLACK_BOT_TOKEN",
	"DATABASE_URL", "STRIPE_SECRET_KEY", "DIGITALOCEAN_ACCESS_TOKEN",
}

// canaries are secrets that were put everywhere, each with a value of its own.
type canaries map[string]string

// plant puts canaries into the desk's keyring, home and environment.
func plant(t *testing.T, d *desk) canaries {
	t.Helper()
	c := canaries{}
	value := func(where string) string {
		b := make([]byte, 16)
		_, _ = rand.Read(b) // never fails
		c[where] = "canary?" + hex.EncodeToString(b)
		return c[where]
	}
	for _, it := range canaryItems {
		d.store(it[0], it[1], value("item "+it[0]+" of "+it[1]))
	}
	for _, f := range canaryFiles {
		path := filepath.Join(d.home, f)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(value("file "+f)), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, v := range canaryVariables {
		d.env = append(d.env, v+"="+value("variable "+v))
	}
	if len(canaryItems) < 20 || len(canaryFiles) < 20 || len(canaryVariables) < 10 {
		t.Fatal("too few canaries")
	}
	return c
}

// sweepItems is a script that reads every item the way its owner would.
func sweepItems() string {
	var b strings.Builder
	for _, it := range canaryItems {
		fmt.Fprintf(&b, "secret-tool lookup service '%s' username '%s'; echo\n", it[0], it[1])
	}
	b.WriteString("secret-tool search --all --unlock xdg:schema org.freedesktop.Secret.Generic 2>&1 | grep secret; true\n")
	return b.String()
}

// sweepRest reads every file and the environment.
func sweepRest() string {
	var b strings.Builder
	for _, f := range canaryFiles {
		fmt.Fprintf(&b, "cat \"$HOME/%s\"; echo\n", f)
	}
	b.WriteString("env | grep canary; true\n")
	return b.String()
}

// forms are the shapes in which a value is looked for. Its halves are for what
// was written in two parts.
func forms(value string) []string {
	half := len(value) / 2
	out := []string{value[:half], value[half:], hex.EncodeToString([]byte(value)), strings.ToUpper(hex.EncodeToString([]byte(value))), url.QueryEscape(value)}
	// Base64 of a text depends on what comes before it: three ways, without the ends.
	for shift := range 3 {
		text := base64.StdEncoding.EncodeToString([]byte(strings.Repeat("x", shift) + value))
		out = append(out, text[4:len(text)-4])
		out = append(out, base64.URLEncoding.EncodeToString([]byte(strings.Repeat("x", shift) + value))[4:len(text)-4])
	}
	return out
}

// in lists the canaries that the texts show.
func (c canaries) in(texts ...string) []string {
	var found []string
	for where, value := range c {
		if slices.ContainsFunc(forms(value), func(f string) bool {
			return slices.ContainsFunc(texts, func(text string) bool { return strings.Contains(text, f) })
		}) {
			found = append(found, where)
		}
	}
	slices.Sort(found)
	return found
}

// A canary is found in every form it may take; else finding none means nothing.
func TestCanariesAreFound(t *testing.T) {
	c := canaries{"here": "canary?0123456789abcdef", "there": "canary?fedcba9876543210"}
	v := c["here"]
	for _, text := range []string{
		v, hex.EncodeToString([]byte(v)), url.QueryEscape(v), base64.StdEncoding.EncodeToString([]byte("token: " + v + "\n")),
		base64.StdEncoding.EncodeToString([]byte("user:" + v)), base64.URLEncoding.EncodeToString([]byte(v)),
		v[:11] + `"}, {"text": "` + v[11:],
	} {
		if got := c.in("before", text); !slices.Equal(got, []string{"here"}) {
			t.Errorf("in %q: %q", text, got)
		}
	}
	if got := c.in("canary?"); got != nil {
		t.Errorf("found %q in nothing", got)
	}
}
