package cli

import (
	"bufio"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"keyhole/internal/audit"
	"keyhole/internal/secret"
)

const logExportHelp = `Write the log for somebody else, or for another program.

jsonl  the lines as they are, between a signed boundary and a signed checkpoint:
       'keyhole log verify FILE --key KEY' checks it with the public key alone
ocsf   one event of the Open Cybersecurity Schema Framework a line (class API
       Activity), for log collectors; it cannot be verified
csv    a table with a header, for spreadsheets; it cannot be verified`

func newLogExportCommand(env *Env) *cobra.Command {
	var since, format string
	c := &cobra.Command{
		Use:     "export",
		Short:   "Write the log for somebody else to verify, or for another program",
		Long:    logExportHelp,
		Example: "  keyhole log export --since 30d > log.jsonl\n  keyhole log export --format ocsf",
		Args:    takes(0, 0),
		RunE: func(*cobra.Command, []string) error {
			from, err := parseTime("--since", since, time.Now())
			if err != nil {
				return err
			}
			return exportLog(env, from, format)
		},
	}
	c.Flags().StringVar(&since, "since", "", "begin with the first record after `TIME`: 90m, 2d, 2006-01-02 or RFC 3339")
	c.Flags().StringVar(&format, "format", "jsonl", "`FORMAT` to write: jsonl, ocsf or csv")
	return c
}

func exportLog(env *Env, since time.Time, format string) error {
	out := bufio.NewWriter(env.Stdout)
	var err error
	switch format {
	case "jsonl":
		key, keyErr := logKey(env)
		if keyErr != nil {
			return keyErr
		}
		_, err = audit.Export(logPath(env), key, since, time.Now(), out)
	case "ocsf":
		enc := json.NewEncoder(out)
		enc.SetEscapeHTML(false)
		err = exportEach(env, since, func(r audit.Record) error { return enc.Encode(ocsfEvent(r)) })
	case "csv":
		err = exportCSV(env, since, out)
	default:
		return &Failure{Code: ExitUsage, Err: fmt.Errorf("--format: unknown word %q", secret.Printable(format)), Hint: "one of jsonl, ocsf, csv"}
	}
	if err := errors.Join(err, out.Flush()); err != nil {
		return logFailure(env, "exporting", err)
	}
	return nil
}

// exportEach calls each for every record, and says how many lines are none.
func exportEach(env *Env, since time.Time, each func(audit.Record) error) error {
	damaged := 0
	err := audit.ReadSince(logPath(env), since, func(l audit.Line) error {
		switch {
		case l.Err != nil:
			damaged++
			return nil
		case l.Record.Kind == audit.Boundary:
			return nil
		}
		return each(l.Record)
	})
	if damaged > 0 {
		fmt.Fprintf(env.Stderr, "%d damaged lines were left out; 'keyhole log verify' says where they are\n", damaged)
	}
	return err
}

func csvColumns() []string {
	return []string{"n", "time", "session", "kind", "operation", "effect", "store", "collection", "class",
		"service", "account", "rule", "target", "front_end", "pid", "processes", "count", "of", "detail"}
}

func exportCSV(env *Env, since time.Time, out io.Writer) error {
	w := csv.NewWriter(out)
	if err := w.Write(csvColumns()); err != nil {
		return err
	}
	err := exportEach(env, since, func(r audit.Record) error { return w.Write(csvRow(r)) })
	w.Flush()
	return errors.Join(err, w.Error())
}

func csvRow(r audit.Record) []string {
	var i audit.Item
	if r.Item != nil {
		i = *r.Item
	}
	var p audit.Principal
	if r.Principal != nil {
		p = *r.Principal
	}
	row := []string{strconv.FormatInt(r.N, 10), r.Time.Format(time.RFC3339Nano), r.Session, string(r.Kind), r.Operation, r.Effect,
		i.Store, i.Collection, i.Class, deref(i.Service), deref(i.Account), r.Rule, r.Target, p.FrontEnd,
		number(int64(p.PID)), chainText(&p), number(int64(r.Count)), number(r.Of), r.Detail}
	for n, cell := range row {
		row[n] = csvCell(cell)
	}
	return row
}

// csvCell shows a text escaped, and keeps a spreadsheet from taking a name that
// a command has chosen for a formula.
func csvCell(s string) string {
	s = secret.Printable(s)
	if s != "" && (s[0] == '=' || s[0] == '+' || s[0] == '-' || s[0] == '@') {
		return "'" + s
	}
	return s
}

func deref(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

func number(n int64) string {
	if n == 0 {
		return ""
	}
	return strconv.FormatInt(n, 10)
}
