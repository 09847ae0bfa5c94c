package cli

import (
	"bytes"
	"errors"
	"fmt"
	"path"
	"path/filepath"
	"strconv"

	"github.com/spf13/pflag"

	"keyhole/internal/profile"
	"keyhole/internal/sandbox"
	"keyhole/internal/secret"
	"keyhole/internal/session"
)

// macFlags say for which Mac a profile is shown.
type macFlags struct {
	platform       string
	seatbelt       bool
	home, tmp, cwd string
}

func (f *macFlags) add(fl *pflag.FlagSet) {
	fl.StringVar(&f.platform, "platform", "", "show it for another `system`: darwin, with --seatbelt")
	fl.BoolVar(&f.seatbelt, "seatbelt", false, "print the sandbox profile that macOS gets, and its parameters")
	fl.StringVar(&f.home, "home", "", "the home `folder` on that Mac")
	fl.StringVar(&f.tmp, "tmp", "", "its `folder` for temporary files (what getconf DARWIN_USER_TEMP_DIR prints)")
	fl.StringVar(&f.cwd, "cwd", "", "the `folder` in which keyhole is started there")
}

// What is not known of a Mac that is only thought of.
const (
	macUser    = "user"
	macUID     = 501
	macSession = "0000000000"
	macTTY     = "/dev/ttys000"
	macProgram = "/usr/local/bin/keyhole"
	macTmp     = "/private/var/folders/zz/zyxvpxvq6csfxvn_n0000000000000/T"
)

// check tells whether the flags go together, and whether they ask for anything.
func (f *macFlags) check() (asked bool, err error) {
	others := f.home+f.tmp+f.cwd != ""
	switch {
	case f.platform == "" && !f.seatbelt && !others:
		return false, nil
	case f.platform != "darwin" || !f.seatbelt:
		return false, errors.New("--platform darwin and --seatbelt go together: that is the one thing that can be shown for another system")
	}
	for name, p := range map[string]string{"--home": f.home, "--tmp": f.tmp, "--cwd": f.cwd} {
		if p != "" && (!path.IsAbs(p) || path.Clean(p) != p) {
			return false, fmt.Errorf("%s %s is not an absolute path in its shortest form", name, p)
		}
	}
	return true, nil
}

// showForMac prints the profile, with all that was assumed.
func showForMac(env *Env, name string, f macFlags) error {
	at := session.MacPlace{Home: f.home, Tmp: f.tmp, Dir: f.cwd, UID: macUID, Session: macSession, TTY: macTTY, Executable: macProgram}
	user := env.Getenv("USER")
	if user == "" {
		user = macUser
	}
	at.Home = orElse(at.Home, "/Users/"+user)
	at.Tmp = orElse(at.Tmp, macTmp)
	at.Dir = orElse(at.Dir, path.Join(at.Home, "project"))
	vars := profile.Vars{Home: at.Home, User: filepath.Base(at.Home), Workspace: at.Dir, FoldCase: true}
	if f.home == "" {
		vars.User = user
	}
	own := func(name string) string { return map[string]string{"HOME": at.Home}[name] }
	dirs := profile.UserDirs(own, macUID)
	p, err := loadProfileFor(env, name, vars)
	if err != nil {
		return err
	}
	if err := p.Check(dirs, vars); err != nil {
		return &Failure{Code: ExitUsage, Err: err, Hint: "a Mac refuses this profile, too"}
	}
	text, err := session.MacProfile(p, dirs, vars, at)
	if err != nil {
		return &Failure{Code: ExitUsage, Err: err}
	}
	_, err = env.Stdout.Write(macText(p.Name, text, at))
	return err
}

func orElse(s, assumed string) string {
	if s == "" {
		return assumed
	}
	return s
}

// macText is the profile with comments around it, so that it can be given to
// sandbox-exec as it is.
func macText(name string, text *sandbox.MacProfile, at session.MacPlace) []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "; profile %s, as macOS gets it. It has not been tried on a Mac; see docs/macos.md.\n", secret.Printable(name))
	for _, a := range [][2]string{
		{"--home", at.Home}, {"--tmp", at.Tmp}, {"--cwd", at.Dir}, {"user id", strconv.Itoa(at.UID)}, {"run", at.Session},
		{"terminal", at.TTY}, {"keyhole", at.Executable},
	} {
		fmt.Fprintf(&b, "; assumed: %s %s\n", a[0], secret.Printable(a[1]))
	}
	b.WriteString("; assumed: no links but those every Mac has (/tmp, /var, /etc)\n\n")
	b.WriteString(text.Text + "\n; parameters:\n")
	for _, d := range text.Params {
		fmt.Fprintf(&b, "; -D %s=%s\n", d.Key, secret.Printable(d.Value))
	}
	return b.Bytes()
}
