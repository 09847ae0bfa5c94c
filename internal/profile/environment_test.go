package profile_test

import (
	"os"
	"slices"
	"strings"
	"testing"

	"keyhole/internal/profile"
)

func nameList(t *testing.T, file string, least int) []string {
	t.Helper()
	b, err := os.ReadFile("testdata/environment/" + file)
	if err != nil {
		t.Fatal(err)
	}
	names := strings.Fields(string(b))
	if len(names) < least {
		t.Fatalf("%s has %d names only", file, len(names))
	}
	return names
}

// filterOne runs one variable through the filter.
func filterOne(e profile.Environment, entry string, pass ...string) (out string, passed, withheld bool) {
	env, held := e.Filter([]string{entry}, pass)
	if len(env) > 0 {
		return env[0], true, len(held) > 0
	}
	return "", false, len(held) > 0
}

func TestFilterHarmless(t *testing.T) {
	for _, name := range nameList(t, "harmless.txt", 100) {
		out, passed, withheld := filterOne(profile.Environment{}, name+"=value")
		if !passed || withheld || out != name+"=value" {
			t.Errorf("%s: passed %v, withheld %v, %q", name, passed, withheld, out)
		}
	}
}

// Names of secrets pass in no spelling and under no pattern, and are told.
func TestFilterSecretNames(t *testing.T) {
	all := profile.Environment{Pass: []string{"A*", "B*", "C*", "D*", "E*", "F*", "G*", "H*", "I*", "J*", "K*", "L*", "M*", "N*",
		"O*", "P*", "Q*", "R*", "S*", "T*", "U*", "V*", "W*", "X*", "Y*", "Z*", "a*", "g*", "i*"}}
	for _, name := range nameList(t, "secret.txt", 200) {
		for _, spelling := range []string{name, "INPUT_" + name, strings.ToLower(name)} {
			_, passed, withheld := filterOne(all, spelling+"=value")
			if passed || !withheld {
				t.Errorf("%s: passed %v, withheld %v", spelling, passed, withheld)
			}
		}
		if _, passed, _ := filterOne(profile.Environment{}, name+"=v", name); !passed {
			t.Errorf("%s does not pass when it is named", name)
		}
	}
}

func TestFilterNamesThatPointOut(t *testing.T) {
	all := profile.Environment{Pass: []string{"A*", "C*", "D*", "E*", "G*", "K*", "L*", "N*", "P*", "S*", "T*", "V*", "W*", "X*"}}
	for _, name := range nameList(t, "out.txt", 100) {
		if _, passed, _ := filterOne(all, name+"=value"); passed {
			t.Errorf("%s passes", name)
		}
	}
	for _, name := range []string{"GIT_CONFIG_KEY_0", "GIT_CONFIG_VALUE_0", "BASH_FUNC_ls%%", "ld_preload", "INPUT_KUBECONFIG"} {
		if _, passed, _ := filterOne(all, name+"=value"); passed {
			t.Errorf("%s passes", name)
		}
	}
	for _, name := range []string{"DBUS_SESSION_BUS_ADDRESS", "XDG_RUNTIME_DIR"} {
		if _, passed, _ := filterOne(all, name+"=value", name); passed {
			t.Errorf("%s passes when it is named, though every run has its own", name)
		}
	}
}

func TestFilterPatternsOfNames(t *testing.T) {
	all := profile.Environment{Pass: []string{"A*", "C*", "D*", "F*", "K*", "M*", "P*", "S*", "T*", "a*", "g*", "m*"}}
	for name, secret := range map[string]bool{
		"MY_TOKEN": true, "TOKEN": true, "MY_TOKENS": false, "MAX_TOKENS": false, "TOKENIZER": false, "githubToken": true,
		"apiKey": true, "APIKey": true, "myAPIToken": true, "SOME_SECRETS": true, "SECRETARY": false, "A_PASSWORD_FILE_X": true,
		"COMPASS": false, "MY_PASS": true, "MY_PASS2": true, "MY_PASS_2": true, "PASS": false, "A_KEY": true, "A_KEY1": true,
		"KEY": false, "KEYS": false, "MONKEY": false, "KEYBOARD": false, "AUTHOR": false, "MY_AUTH": true, "AUTH": false, "AUTHORITY": false,
		"PATH2": false, "MY_PAT": true, "PATTERN": false, "MYSQL_PWD": true, "PWD2": false, "A_PRIVATE_KEY_PATH": true,
		"A_KEY_NAME": false, "CONNECTION_STRING": true, "SENTRY_DSN": true, "A_COOKIE": true, "A_JWT_V2": true, "MY_CREDS": true,
		"SIGNING_KEY_ID": true, "TF_VAR_x": true, "PULUMI_CONFIG_x": true, "FOO_FILE_DESCRIPTOR": true,
	} {
		_, passed, withheld := filterOne(all, name+"=v")
		if withheld != secret || secret && passed {
			t.Errorf("%s: withheld %v, passed %v, want secret %v", name, withheld, passed, secret)
		}
	}
}

func TestFilterValues(t *testing.T) {
	long := strings.Repeat("a1", 20)
	for value, secret := range map[string]bool{
		"plain": false, "": false, "https://example.org/x?y=1": false, "ssh://git@example.org/x": false, "user@example.org": false,
		"https://u:p@example.org": true, "a,postgres://u:p@h/db": true, "https://u:@example.org": false,
		"https://h/?token=x": true, "https://h/?a=1&sig=x": true, "https://h/?key=": false, "https://h/?monkey=1": false,
		"-----BEGIN KEY": true, "ghp_" + long: true, "x ghp_" + long: true, "--token=ghp_" + long: true, "xghp_" + long: false, "ghp_short": false,
		"github_pat_" + long: true, "glpat-" + long: true, "sk-" + long: true, "sk-ant-" + long: true, "/src/sk-learn-pipeline-demo": false,
		"AKIA" + "ABCDEFGHIJKLMNOP": true, "AKIA": false, "AIza" + long: true, "ya29." + long: true, "xoxb-" + long: true, "npm_" + long: true,
		"npm_lifecycle_event_that_is_rather_long": false, "pypi-" + long: true, "hvs." + long: true, "dop_v1_" + long: true, "AGE-SECRET-KEY-1ABC": true,
		"eyJhbGciOi.eyJzdWIiOi.c2lnbmF0": true, "1.22.3": false, "go1.26.0": false,
	} {
		_, passed, withheld := filterOne(profile.Environment{}, "EDITOR="+value)
		if withheld != secret || passed == secret {
			t.Errorf("%q: withheld %v, passed %v, want secret %v", value, withheld, passed, secret)
		}
	}
	if _, passed, _ := filterOne(profile.Environment{}, "PATH=/x/ghp_"+long); !passed {
		t.Error("PATH is withheld for its value")
	}
}

// A secret among the options of a program has no shape of its own.
func TestFilterOptions(t *testing.T) {
	for entry, secret := range map[string]bool{
		"MAVEN_OPTS=-Xmx2g -Dpassword=hunter2": true, "JAVA_TOOL_OPTIONS=-Dhttp.proxyPassword=x": true, "GRADLE_OPTS='-Pmy.token=x'": true,
		"GOFLAGS=-ldflags=-X=main.apiToken=x": true, "TF_CLI_ARGS=-var=db_password=x": true, "CFLAGS=-DAPI_KEY=x": true, "MAKEFLAGS=V=1 TOKEN=x": true,
		"GOFLAGS=-mod=mod -tags=a,b": false, "CFLAGS=-O2 -DNDEBUG -std=c11": false, "JAVA_TOOL_OPTIONS=-Dfile.encoding=UTF-8": false,
		"MAVEN_OPTS=-Dpassword=": false, "MAKEFLAGS=--jobserver-auth=3,4": false, "RUSTFLAGS=-C target-cpu=native": false,
		"LS_COLORS=*.key=00;36": false, "MAVEN_OPTS=-Dmonkey=x": false,
	} {
		_, passed, withheld := filterOne(profile.Environment{}, entry)
		if withheld != secret || passed == secret {
			t.Errorf("%s: withheld %v, passed %v, want secret %v", entry, withheld, passed, secret)
		}
	}
}

func TestFilterCutsUsersFromURLs(t *testing.T) {
	for entry, want := range map[string]string{
		"http_proxy=http://u:p@proxy:3128":                    "http_proxy=http://proxy:3128",
		"HTTPS_PROXY=http://u@proxy:3128/":                    "HTTPS_PROXY=http://proxy:3128/",
		"ALL_PROXY=u:p@proxy:3128":                            "ALL_PROXY=proxy:3128",
		"GOPROXY=https://u:p@a.example,https://b.example|off": "GOPROXY=https://a.example,https://b.example|off",
		"PIP_EXTRA_INDEX_URL=https://u:p@q@a/x https://t@b/y": "PIP_EXTRA_INDEX_URL=https://a/x https://b/y",
		"npm_config_registry=https://registry.example/":       "npm_config_registry=https://registry.example/",
		"http_proxy=http://u:p/w@proxy:3128":                  "",
		"http_proxy=http://proxy:3128/?token=abc":             "",
		"EDITOR=http://u:p@proxy:3128":                        "",
	} {
		out, passed, withheld := filterOne(profile.Environment{}, entry)
		if out != want || withheld == passed {
			t.Errorf("%s: got %q, withheld %v, want %q", entry, out, withheld, want)
		}
	}
}

func TestFilterTogether(t *testing.T) {
	e := profile.Environment{Pass: []string{"MY_*", "MY_TOKEN", "TMUX"}}
	env, withheld := e.Filter([]string{
		"PATH=/bin", "UNKNOWN=1", "MY_X=1", "MY_TOKEN=t", "MY_SECRET=s", "GH_TOKEN=g", "EXTRA=1", "TMUX=1", "STY=1",
		"PATH=/evil", "broken", "=empty", "NPM_TOKEN=n",
	}, []string{"EXTRA", "GH_TOKEN"})
	if want := []string{"PATH=/bin", "MY_X=1", "MY_TOKEN=t", "GH_TOKEN=g", "EXTRA=1", "TMUX=1"}; !slices.Equal(env, want) {
		t.Errorf("got %q, want %q", env, want)
	}
	if want := []string{"MY_SECRET", "NPM_TOKEN"}; !slices.Equal(withheld, want) {
		t.Errorf("withheld %q, want %q", withheld, want)
	}
}
