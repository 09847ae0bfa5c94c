package cli

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/mod/sumdb/note"

	"keyhole/internal/audit"
	"keyhole/internal/profile"
	"keyhole/internal/secret"
)

const logVerifyHelp = `Check that the log, or FILE, is what was written: no line changed, removed,
added or moved. Each line names the hash of the one before it, so damage is
found where it is. Who can write the file could make all later lines fit again;
a checkpoint that was kept elsewhere shows that too, for all that had been
written when it was made. What came after the newest checkpoint cannot be
proved.

FILE is a log, its parts in order, what 'keyhole log export' wrote, or a proof
of 'keyhole log prove'. '-' is standard input. Somebody else needs the public
key that 'keyhole log key' prints; for one's own log it is at hand.

Exit status 0: nothing is wrong. 1: something is; where is printed.`

const logVerifyExample = `  keyhole log checkpoint > /mnt/stick/checkpoint
  keyhole log verify --checkpoint /mnt/stick/checkpoint
  keyhole log verify --key public-key export.jsonl`

type verifyFlags struct {
	checkpoints []string
	key         string
	json        bool
}

func newLogVerifyCommand(env *Env) *cobra.Command {
	var f verifyFlags
	c := &cobra.Command{
		Use:     "verify [flags] [FILE...]",
		Short:   "Check that nothing in the log was changed since a checkpoint",
		Long:    logVerifyHelp,
		Example: logVerifyExample,
		RunE:    func(_ *cobra.Command, args []string) error { return verifyLog(env, &f, args) },
	}
	c.Flags().StringArrayVar(&f.checkpoints, "checkpoint", nil, "a checkpoint that was kept elsewhere: `FILE`; may be given again")
	c.Flags().StringVar(&f.key, "key", "", "the public `KEY`, or a file that holds it (default: your own)")
	c.Flags().BoolVar(&f.json, "json", false, "print one JSON object")
	return c
}

func verifyLog(env *Env, f *verifyFlags, args []string) error {
	key, err := f.public(env)
	if err != nil {
		return err
	}
	var checks []audit.Checkpoint
	for _, name := range f.checkpoints {
		text, err := readInput(env, name)
		if err != nil {
			return err
		}
		if key == nil {
			return &Failure{Code: ExitUsage, Err: errors.New("a checkpoint is checked with a public key"), Hint: "give --key; 'keyhole log key' prints it where the log was written"}
		}
		c, err := audit.ParseCheckpoint(string(text), key)
		if err != nil {
			return &Failure{Code: ExitNo, Err: fmt.Errorf("checkpoint %s: %w", secret.Printable(name), err)}
		}
		checks = append(checks, c)
	}
	if len(args) == 0 {
		report, err := audit.Verify(logPath(env), key, checks...)
		if err != nil {
			return logFailure(env, "verifying", err)
		}
		return printReport(env, f.json, &report)
	}
	return verifyFiles(env, f.json, key, checks, args)
}

// public is the key to check with: the one given, else one's own, else none.
func (f *verifyFlags) public(env *Env) (note.Verifier, error) {
	text := f.key
	switch {
	case text == "":
		path := keyPath(env)
		if _, err := os.Lstat(path); errors.Is(err, fs.ErrNotExist) {
			return nil, nil
		}
		key, err := audit.OpenKey(path)
		if err != nil {
			return nil, fail("", "opening the log's key: %w", err)
		}
		text = key.Public()
	case !strings.Contains(text, "+"):
		b, err := readInput(env, text)
		if err != nil {
			return nil, err
		}
		text = string(b)
	}
	v, err := audit.ParsePublic(text)
	if err != nil {
		return nil, &Failure{Code: ExitUsage, Err: fmt.Errorf("--key: %w", err), Hint: "'keyhole log key' prints it where the log was written"}
	}
	return v, nil
}

func verifyFiles(env *Env, asJSON bool, key note.Verifier, checks []audit.Checkpoint, args []string) error {
	v := audit.NewVerifier(key, checks...)
	for i, name := range args {
		r, err := openInput(env, name)
		if err != nil {
			return err
		}
		first, err := io.ReadAll(io.LimitReader(r, 64))
		if err == nil && i == 0 && len(args) == 1 && audit.LooksLikeProof(first) {
			text, err := io.ReadAll(io.LimitReader(r, maxInput))
			return errors.Join(err, r.Close(), verifyProof(env, key, append(first, text...)))
		}
		if err == nil {
			err = v.File(filepath.Base(name), io.MultiReader(bytes.NewReader(first), r))
		}
		if err := errors.Join(err, r.Close()); err != nil {
			return fail("", "%w", err)
		}
	}
	report := v.Report()
	return printReport(env, asJSON, &report)
}

func verifyProof(env *Env, key note.Verifier, text []byte) error {
	p, ok := audit.ParseProof(text)
	if !ok {
		return &Failure{Code: ExitNo, Err: errors.New("it is not a proof")}
	}
	if key == nil {
		return &Failure{Code: ExitUsage, Err: errors.New("a proof is checked with a public key"), Hint: "give --key; 'keyhole log key' prints it where the log was written"}
	}
	c, err := p.Check(key)
	if err != nil {
		return &Failure{Code: ExitNo, Err: err}
	}
	what := "the log only grew since the earlier checkpoint"
	if p.Kind == audit.ProofOfRecord {
		what = fmt.Sprintf("the record is number %d of the log", p.N)
	}
	_, err = fmt.Fprintf(env.Stdout, "proved: %s, as of %s (%d records)\n", what, c.Time.Format(time.RFC3339), c.Size)
	return err
}

// shownReport is a report as --json prints it.
type shownReport struct {
	OK       bool            `json:"ok"`
	First    int64           `json:"first"`
	Last     int64           `json:"last"`
	Proved   int64           `json:"proved"` // up to this record; 0: nothing is
	Problems []audit.Problem `json:"problems,omitempty"`
	Left     int             `json:"more_problems,omitempty"`
	Notes    []string        `json:"notes,omitempty"`
}

func printReport(env *Env, asJSON bool, r *audit.Report) error {
	proved := int64(0)
	if r.Proved != nil {
		proved = r.Proved.Size
	}
	var err error
	if asJSON {
		err = encodeJSON(env, shownReport{r.OK(), r.First, r.Last, proved, r.Problems, r.Left, r.Notes})
	} else {
		_, err = io.WriteString(env.Stdout, reportText(r, proved))
	}
	if err == nil && !r.OK() {
		err = status(ExitNo)
	}
	return err
}

func reportText(r *audit.Report, proved int64) string {
	var b strings.Builder
	for _, p := range r.Problems {
		fmt.Fprintf(&b, "%s: line %d %s\n", secret.Printable(p.File), p.Line, p.Text)
	}
	if r.Left > 0 {
		fmt.Fprintf(&b, "and %d more like these\n", r.Left)
	}
	for _, n := range r.Notes {
		fmt.Fprintf(&b, "note: %s\n", n)
	}
	switch {
	case !r.OK():
		b.WriteString("not intact\n")
		return b.String()
	case r.Last < r.First:
		b.WriteString("intact: there are no records\n")
	default:
		fmt.Fprintf(&b, "intact: records %d to %d follow one another\n", r.First, r.Last)
	}
	switch {
	case proved == 0:
		b.WriteString("not proved: without a checkpoint that was kept elsewhere, whoever can write the log could have rewritten all of it\n")
	case proved < r.Last:
		fmt.Fprintf(&b, "proved up to record %d by the checkpoint of %s; what came after it is not\n", proved, r.Proved.Time.Format(time.RFC3339))
	default:
		fmt.Fprintf(&b, "proved up to record %d by the checkpoint of %s\n", proved, r.Proved.Time.Format(time.RFC3339))
	}
	return b.String()
}

// maxInput bounds what is read of a small file.
const maxInput = 4 << 20

func openInput(env *Env, name string) (io.ReadCloser, error) {
	if name == "-" {
		return io.NopCloser(env.Stdin), nil
	}
	f, err := os.Open(inDir(env, name))
	if err != nil {
		return nil, fail("", "%w", err)
	}
	return f, nil
}

func readInput(env *Env, name string) ([]byte, error) {
	r, err := openInput(env, name)
	if err != nil {
		return nil, err
	}
	text, err := io.ReadAll(io.LimitReader(r, maxInput))
	if err := errors.Join(err, r.Close()); err != nil {
		return nil, fail("", "reading %s: %w", secret.Printable(name), err)
	}
	return text, nil
}

func keyPath(env *Env) string {
	return audit.KeyPath(profile.UserDirs(env.Getenv, env.UID).Data)
}

// logFailure says why something could not be done with one's own log.
func logFailure(env *Env, act string, err error) error {
	var damaged *audit.DamagedError
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return &Failure{Code: ExitNo, Err: errors.New("nothing has been recorded yet: there is no " + logPath(env))}
	case errors.As(err, &damaged):
		return &Failure{Code: ExitNo, Err: fmt.Errorf("the log is not what was written: %w", damaged), Hint: "'keyhole log verify' lists all of it; to begin a new one, move the files of the log to another folder"}
	}
	return fail("", "%s audit log: %w", act, err)
}
