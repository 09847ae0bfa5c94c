package cli

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"

	"keyhole/internal/secret"
)

// Example texts, so that a line of the table shows at once which item it came
// from. None of them opens anything.
const (
	demoToken   = "example-token-of-the-caller"
	demoKeyText = "example private key, not a real one\n"
	demoRobot   = "value-granted-for-reading"
	demoDraft   = "value-granted-for-writing"
	demoHuman   = "value-not-granted"
	demoBank    = "value-nobody-granted"
)

var demoItems = []struct{ service, account, value string }{
	{"demo:forge", "human", demoHuman},
	{"demo:forge", "robot", demoRobot},
	{"demo:notes", "robot", demoDraft},
	{"demo:bank", "human", demoBank},
}

const demoProfile = `{
  // The demo's profile: one item to read, one to read and write.
  "name": "demo",
  "extends": "default",
  "credential_access": [
    { "operations": ["read"], "services": ["demo:forge"], "accounts": ["robot"],
      "reason": "the robot's own login" },
    { "operations": ["read", "create", "update", "delete"],
      "services": ["demo:notes"], "accounts": ["*"],
      "reason": "the robot's own notes" },
  ],
}
`

// demoResult is one line printed by the program that makes the attempts.
type demoResult struct {
	Row  string
	Done bool
	Got  string
	Why  string
	Text string
}

type results map[string]demoResult

// demoRow is one line of the table.
type demoRow struct {
	name     string
	outside  string // what an unconfined program must get: "" not tried, "works", or said in words
	expect   string // in words
	expected func(inside, outside demoResult) bool
	broker   bool // also meaningful without a sandbox
	plan     func(p *demoPlan, row string, inside bool)
}

func gets(value string) func(in, _ demoResult) bool {
	return func(in, _ demoResult) bool { return in.Done && strings.HasPrefix(in.Got, value) }
}

func fails(why ...string) func(in, _ demoResult) bool {
	return func(in, _ demoResult) bool { return !in.Done && slices.Contains(why, in.Why) }
}

const accessDenied = "org.freedesktop.DBus.Error.AccessDenied"

// demoRows is the whole table.
func demoRows(d *demo) []demoRow {
	rows := append(itemRows(), systemRows(d)...)
	if _, err := exec.LookPath("secret-tool"); err != nil {
		rows = slices.DeleteFunc(rows, func(r demoRow) bool { return strings.Contains(r.name, "secret-tool") })
	}
	if d.unconfined {
		rows = slices.DeleteFunc(rows, func(r demoRow) bool { return !r.broker })
	}
	return rows
}

func itemRows() []demoRow {
	item := func(do, service, account, value string) func(*demoPlan, string, bool) {
		return func(p *demoPlan, row string, inside bool) {
			if inside {
				p.Items = append(p.Items, demoItem{row, do, service, account, value})
			}
		}
	}
	held := "stored"
	return []demoRow{
		{"read a granted item", held, "its value", gets(demoRobot), true, item("get", "demo:forge", "robot", "")},
		{"the same with secret-tool", held, "its value", gets(demoRobot), true, func(p *demoPlan, row string, inside bool) {
			if inside {
				p.SecretTool = map[string]demoItem{row: {Service: "demo:forge", Account: "robot"}}
			}
		}},
		{"look up without an account", held, "the granted one", gets(demoRobot), true, item("get", "demo:forge", "", "")},
		{"read an item outside the profile", held, "not found", fails("not found"), true, item("get", "demo:bank", "human", "")},
		{"read a neighbour of the granted item", held, "not found", fails("not found"), true, item("get", "demo:forge", "human", "")},
		{"write a granted item", held, "written", gets("written"), true, item("set", "demo:notes", "robot", "a new value")},
		{"write an item granted for reading", held, "AccessDenied", fails(accessDenied), true, item("set", "demo:forge", "robot", "overwritten")},
		{"delete an item granted for reading", held, "AccessDenied", fails(accessDenied), true, item("delete", "demo:forge", "robot", "")},
	}
}

func systemRows(d *demo) []demoRow {
	s := d.scene
	// In the hardening layer what is refused in the other is not there.
	shut := []string{"EACCES", "EPERM", "ENOENT", "ESRCH"}
	return []demoRow{
		{"read a private key file", "works", "refused", fails(shut...), false, func(p *demoPlan, row string, _ bool) { put(&p.Files, row, d.keyFile()) }},
		{"read the sealed file itself", "works", "refused", fails(shut...), false, func(p *demoPlan, row string, _ bool) { put(&p.Files, row, d.storeFile()) }},
		{"connect to the session bus", "works", "keyhole's own bus", otherBus, false, func(p *demoPlan, row string, _ bool) { put(&p.Buses, row, s.bus) }},
		{"connect to the ssh-agent", "works", "refused", fails(shut...), false, func(p *demoPlan, row string, _ bool) { put(&p.Sockets, row, s.agent) }},
		{"attach to another program (ptrace)", attachOutside(), "refused", fails(shut...), false, func(p *demoPlan, row string, _ bool) { put(&p.Trace, row, s.bystander) }},
		{"attach to the supervisor (ptrace)", "", "refused", fails(shut...), false, func(p *demoPlan, row string, inside bool) {
			if inside {
				put(&p.Trace, row, -1)
			}
		}},
		{"read another program's environment", "works", "refused", fails(shut...), false, func(p *demoPlan, row string, _ bool) { put(&p.Environ, row, s.bystander) }},
		{"read the supervisor's environment", "", "refused", fails(shut...), false, func(p *demoPlan, row string, inside bool) {
			if inside {
				put(&p.Environ, row, -1)
			}
		}},
		{"find the caller's GH_TOKEN", "works", "unset", fails("unset"), false, func(p *demoPlan, row string, _ bool) { put(&p.OwnVar, row, "GH_TOKEN") }},
	}
}

// attachOutside is what attaching to another program comes to unconfined: on some
// systems nobody may, and the row says nothing there.
func attachOutside() string {
	b, err := os.ReadFile("/proc/sys/kernel/yama/ptrace_scope")
	if scope := strings.TrimSpace(string(b)); err == nil && (scope == "2" || scope == "3") {
		return "(closed by Yama to all)"
	}
	return "works"
}

// otherBus: the connection succeeds and ends at a bus that is not the real one.
func otherBus(in, out demoResult) bool {
	return in.Done && out.Done && in.Got != "" && in.Got != out.Got
}

func put[V any](m *map[string]V, k string, v V) {
	if *m == nil {
		*m = make(map[string]V)
	}
	(*m)[k] = v
}

// demoPlan and demoItem are the attempts to make, as the shim reads them.
type demoPlan struct {
	Items      []demoItem
	Files      map[string]string
	Sockets    map[string]string
	Buses      map[string]string
	Trace      map[string]int
	Environ    map[string]int
	OwnVar     map[string]string
	SecretTool map[string]demoItem
}

type demoItem struct{ Row, Do, Service, Account, Value string }

func outsidePlan(d *demo, rows []demoRow) *demoPlan { return planOf(rows, false) }
func insidePlan(d *demo, rows []demoRow) *demoPlan  { return planOf(rows, true) }

func planOf(rows []demoRow, inside bool) *demoPlan {
	p := &demoPlan{}
	for _, r := range rows {
		r.plan(p, r.name, inside)
	}
	return p
}

// printDemo prints the table and returns how many lines are not as expected.
func printDemo(w io.Writer, rows []demoRow, outside, inside results, unconfined bool) int {
	bad := 0
	where := "inside"
	if unconfined {
		where = "NOT CONFINED"
	}
	all := [][]string{{"", "attempt", "unconfined", "expected inside", where}}
	for _, r := range rows {
		in, tried := inside[r.name]
		out := outside[r.name]
		mark := "ok"
		meaningful := r.outside != "works" || out.Done
		if !tried || !meaningful || !r.expected(in, out) {
			mark = demoBad
			bad++
		}
		got := outcome(in, tried)
		if unconfined {
			got = "NOT CONFINED: " + got
		}
		all = append(all, []string{mark, r.name, outsideText(r, out), r.expect, got})
	}
	if err := demoTable(all, terminalColumns(w)).print(w); err != nil {
		return bad + 1
	}
	fmt.Fprintf(w, "\n%d of %d lines as expected.\n", len(rows)-bad, len(rows))
	return bad
}

const (
	demoBad     = "BAD"
	demoColumns = 120 // a terminal's, on which there is room for what is expected
)

// demoTable leaves out what is expected where there is no room for it: then only
// the lines that are otherwise say it.
func demoTable(all [][]string, columns int) *table {
	t := &table{cuttable: []int{2, 3}}
	for _, row := range all {
		mark, name, outside, expect, got := row[0], row[1], row[2], row[3], row[4]
		if columns == 0 || columns >= demoColumns {
			t.add(row...)
			continue
		}
		t.add(mark, name, outside, got)
		if mark == demoBad {
			t.add("", "  expected inside", "", expect)
		}
	}
	return t
}

func outsideText(r demoRow, out demoResult) string {
	switch r.outside {
	case "works":
		return outcome(out, true)
	case "":
		return "(closed to others too)"
	default:
		return r.outside
	}
}

func outcome(r demoResult, tried bool) string {
	switch {
	case !tried:
		return "not tried"
	case r.Done && len(r.Got) > 32:
		return secret.Printable(r.Got[:32])
	case r.Done:
		return secret.Printable(r.Got)
	case r.Why != "":
		return secret.Printable(strings.TrimPrefix(r.Why, "org.freedesktop."))
	default:
		return secret.Printable(r.Text)
	}
}
