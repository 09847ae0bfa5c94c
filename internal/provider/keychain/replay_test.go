package keychain

import (
	"bytes"
	"context"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"keyhole/internal/provider/providertest"
	"keyhole/internal/secret"
)

// What Apple's tool prints, by recorded cases. They are all that this file knows
// of the tool's output; how it reads lines and words is written here once more,
// from the same description and not from the shim.

type recorded struct {
	Name     string
	Keychain []map[string]any
	Argv     []string
	Stdin    string
	Stdout   recordedText
	Stderr   recordedText
	Exit     int

	Conditions map[string]json.RawMessage
}

type recordedText struct{ Exact, Regexp *string }

func (r recordedText) text() string {
	if r.Exact == nil {
		return ""
	}
	return *r.Exact
}

const recordedCases = 201

func recordings(t testing.TB) []recorded {
	t.Helper()
	b, err := os.ReadFile("../../../integration/security/testdata/cases.json")
	if err != nil {
		t.Fatal(err)
	}
	var all []recorded
	if err := json.Unmarshal(b, &all); err != nil {
		t.Fatal(err)
	}
	if len(all) != recordedCases {
		t.Fatalf("%d cases, want %d", len(all), recordedCases)
	}
	return all
}

// TestReadsRecordings reads every listing and every secret of the cases and
// compares them with the items that the cases say were there.
func TestReadsRecordings(t *testing.T) {
	listings, secrets := 0, 0
	for _, c := range recordings(t) {
		out := c.Stdout.text()
		dumpsData := len(c.Argv) > 1 && c.Argv[1] == "-d"
		if !strings.HasPrefix(out, "keychain: ") || dumpsData {
			continue
		}
		found, err := parseListing([]byte(out))
		if err != nil || len(found) == 0 {
			t.Errorf("%s: %d items, %v", c.Name, len(found), err)
			continue
		}
		listings++
		for n := range found {
			i := found[n].info("")
			if !slices.ContainsFunc(c.Keychain, func(m map[string]any) bool { return sameItem(m, i.Attributes, i.Label) }) {
				t.Errorf("%s: %q %v is none of the items", c.Name, i.Label, i.Attributes)
			}
			if i.Created.Year() != 2024 || i.Modified.Year() != 2024 {
				t.Errorf("%s: made %v, changed %v", c.Name, i.Created, i.Modified)
			}
		}
		if !strings.HasPrefix(c.Stderr.text(), "password: ") {
			continue
		}
		secrets++
		v, err := parseSecret([]byte(c.Stderr.text()))
		i := found[0].info("")
		if err != nil || !slices.ContainsFunc(c.Keychain, func(m map[string]any) bool {
			return sameItem(m, i.Attributes, i.Label) && bytes.Equal(data(m), v.Expose())
		}) {
			t.Errorf("%s: a secret of %d bytes is none of the items' (%v)", c.Name, v.Len(), err)
		}
	}
	if listings < 19 || secrets < 7 {
		t.Errorf("only %d listings and %d secrets", listings, secrets)
	}
}

func data(m map[string]any) []byte {
	if s, ok := m["data"].(string); ok {
		return []byte(s)
	}
	s, _ := m["data_hex"].(string)
	b, _ := hex.DecodeString(s)
	return b
}

var recordedNames = map[string]string{
	"account": keyAccount, "service": keyService, "server": keyServer, "security_domain": keyDomain, "path": keyPath, "auth_type": keyAuthType,
	"kind": secret.KeychainKind, "comment": secret.KeychainComment, "generic": secret.KeychainGeneric,
	"creator": secret.KeychainCreator, "type": secret.KeychainType, "keychain": secret.KeychainFile,
}

func sameItem(m map[string]any, have map[string]string, label string) bool {
	want := map[string]string{}
	for field, v := range m {
		s, _ := v.(string)
		switch {
		case recordedNames[field] != "":
			want[recordedNames[field]] = s
		case field == "port":
			want[keyPort] = strconv.Itoa(int(v.(float64)))
		case field == "protocol":
			want[keyProtocol] = map[string]string{"htps": "https", "http": "http"}[s]
		case field == "label" && s != label:
			return false
		}
	}
	for k := range have {
		if want[k] != have[k] {
			return false
		}
	}
	for k, v := range want {
		if v != "" && have[k] != v {
			return false
		}
	}
	return true
}

// TestConformsWithReplayer runs the suite with a tool that is put together from
// the recorded bytes.
func TestConformsWithReplayer(t *testing.T) {
	providertest.Run(t, traits(), func(t *testing.T) providertest.Store {
		s, err := Open(Config{Home: home(t), run: newReplayer(t, home(t)).run})
		if err != nil {
			t.Fatal(err)
		}
		return s
	})
}

// replayer is a tool whose output is the recordings' with other values in it.
type replayer struct {
	listings map[string][]string // by class: lines of a recorded listing
	notFound string
	exists   string
	deleted  string
	login    string

	mu    sync.Mutex // guards all below
	items []*entry
	tick  int
	lines []string       // commands that came through standard input
	argvs [][]string     // and as arguments
	fail  map[string]int // exit statuses of commands, or of "secret"
}

// entry is an item: option letters and values.
type entry struct {
	class   string
	options map[byte]string
	secret  []byte
	made    time.Time
	changed time.Time

	// Who may read it: programs, and families of programs by their signatures. The
	// tool's own is apple-tool:.
	trusted    []string
	partitions []string
}

// Of what the system does with these lists: a new item has the writer in both; new
// bytes get the writer's partition alone, while the programs stay; and what is not
// written is left as it is.
var toolPartitions = []string{"apple-tool:"}

func newReplayer(t testing.TB, home string) *replayer {
	t.Helper()
	r := &replayer{listings: map[string][]string{}, login: keychainFile(home, "login"), fail: map[string]int{}}
	for _, c := range recordings(t) {
		switch c.Name {
		case "find-generic: attribute listing":
			r.listings["genp"] = strings.Split(strings.TrimSuffix(c.Stdout.text(), "\n"), "\n")
		case "find-internet: attribute listing":
			r.listings["inet"] = strings.Split(strings.TrimSuffix(c.Stdout.text(), "\n"), "\n")
		case "find-generic: not found with -g":
			r.notFound = c.Stderr.text()
		case "delete-generic: no criteria":
		default:
			if c.Exit == 45 && r.exists == "" && len(c.Argv) > 1 {
				r.exists = c.Stderr.text()
			}
			if strings.HasPrefix(c.Name, "delete-generic") && c.Exit == 0 {
				r.deleted = c.Stderr.text()
			}
		}
	}
	if len(r.listings) != 2 || r.notFound == "" || r.exists == "" || r.deleted == "" {
		t.Fatalf("recordings are missing: %d listings, %q, %q, %q", len(r.listings), r.notFound, r.exists, r.deleted)
	}
	return r
}

func (r *replayer) run(ctx context.Context, o order) (answer, error) {
	if ctx.Err() != nil {
		return answer{}, ctx.Err()
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	var out, errs bytes.Buffer
	code := 0
	if o.args[0] == "-i" {
		for _, line := range readAsTool(o.stdin) {
			r.lines = append(r.lines, string(line))
			code = 0
			if words := wordsAsTool(line); len(words) > 0 {
				code = r.command(words, &out, &errs)
			}
		}
	} else {
		r.argvs = append(r.argvs, o.args)
		code = r.command(o.args, &out, &errs)
	}
	return answer{out: out.Bytes(), err: errs.Bytes(), code: code}, nil
}

// readAsTool cuts input into lines: a buffer of 4095 bytes, and what comes after
// the last newline is lost.
func readAsTool(in []byte) (lines [][]byte) {
	const room = 4095
	for len(in) > 0 {
		head := in[:min(room, len(in))]
		n := bytes.IndexByte(head, '\n')
		switch {
		case n >= 0:
			lines, in = append(lines, in[:n]), in[n+1:]
		case len(head) == room:
			lines, in = append(lines, head), in[room:]
		default:
			return lines
		}
	}
	return lines
}

// toolWord is a word: bare up to white space, or in quotes up to the same one.
// Within it a backslash keeps the byte after it.
var toolWord = regexp.MustCompile(`(?s)[ \t\n\v\f\r]*(?:"((?:\\.|[^"\\])*)(?:"|\\?$)|'((?:\\.|[^'\\])*)(?:'|\\?$)|((?:\\.|[^ \t\n\v\f\r"'\\])(?:\\.|[^ \t\n\v\f\r\\])*)(?:\\?$|))`)

func wordsAsTool(line []byte) (words []string) {
	// The expression counts characters: one for each byte.
	wide := make([]rune, len(line))
	for i, c := range line {
		wide[i] = rune(c)
	}
	unescape := regexp.MustCompile(`(?s)\\(.)`)
	for _, m := range toolWord.FindAllStringSubmatch(string(wide), -1) {
		if len(words) == 32 {
			break
		}
		var b []byte
		for _, c := range unescape.ReplaceAllString(m[1]+m[2]+m[3], "$1") {
			b = append(b, byte(c))
		}
		words = append(words, string(b))
	}
	return words
}

// command runs one command. Only those that the provider uses are there.
func (r *replayer) command(words []string, out, errs *bytes.Buffer) int {
	if code, ok := r.fail[words[0]]; ok {
		return code
	}
	class := "genp"
	if strings.Contains(words[0], "internet") {
		class = "inet"
	}
	verb, _, _ := strings.Cut(words[0], "-")
	switch words[0] {
	case "default-keychain", "list-keychains":
		fmt.Fprintf(out, "    %q\n", r.login)
		return 0
	case "show-keychain-info":
		fmt.Fprintf(errs, "Keychain %q no-timeout\n", words[1])
		return 0
	case "dump-keychain":
		for _, e := range r.items {
			r.list(e, out)
		}
		return 0
	}
	options, flags, rest := optionsAsTool(words[1:], verb)
	if len(rest) != 1 || rest[0] != r.login {
		return 2
	}
	return r.act(verb, class, options, flags, out, errs)
}

// optionsAsTool reads options as getopt does.
func optionsAsTool(args []string, verb string) (options map[byte]string, flags string, rest []string) {
	options = map[byte]string{}
	for len(args) > 0 && strings.HasPrefix(args[0], "-") && len(args[0]) > 1 {
		letter := args[0][1]
		bare := letter == 'g' || letter == 'U' || letter == 'w' && verb == "find"
		if args = args[1:]; bare {
			flags += string(letter)
			continue
		}
		if len(args) == 0 {
			return nil, "?", nil
		}
		options[letter], args = args[0], args[1:]
	}
	return options, flags, args
}

// identities are the options that make an item what it is.
var identities = map[string]string{"genp": "as", "inet": "asdprtP"}

func (r *replayer) match(class string, options map[byte]string) *entry {
	whole := true
	for _, l := range []byte(identities[class]) {
		_, ok := options[l]
		whole = whole && ok
	}
	for _, e := range r.items {
		same := e.class == class
		for l, v := range options {
			if l != 'w' && l != 'X' && (!whole || strings.IndexByte(identities[class], l) >= 0) {
				same = same && e.options[l] == v
			}
		}
		if same {
			return e
		}
	}
	return nil
}

func (r *replayer) act(verb, class string, options map[byte]string, flags string, out, errs *bytes.Buffer) int {
	e := r.match(class, options)
	switch {
	case verb == "add":
		return r.add(class, options, strings.Contains(flags, "U"), errs)
	case e == nil:
		errs.WriteString(r.notFound)
		return 44
	case verb == "delete":
		r.list(e, out)
		errs.WriteString(r.deleted)
		r.items = slices.DeleteFunc(r.items, func(x *entry) bool { return x == e })
		return 0
	}
	if strings.Contains(flags, "g") {
		if code, ok := r.fail["secret"]; ok {
			return code
		}
		errs.WriteString("password: " + printed(e.secret) + "\n")
	}
	r.list(e, out)
	return 0
}

func (r *replayer) add(class string, options map[byte]string, update bool, errs *bytes.Buffer) int {
	secret, given := []byte(options['w']), false
	if x, ok := options['X']; ok {
		secret, _ = hex.DecodeString(x)
		given = true
	}
	if _, ok := options['w']; ok {
		given = true
	}
	if _, ok := options['l']; !ok {
		options['l'] = options['s']
	}
	if _, ok := options['t']; !ok && class == "inet" {
		options['t'] = "dflt"
	}
	delete(options, 'w')
	delete(options, 'X')
	r.tick++
	now := time.Now()
	if e := r.match(class, options); update && e != nil {
		for l, v := range options {
			e.options[l] = v
		}
		if e.changed = now; given {
			e.secret, e.partitions = secret, toolPartitions
		}
		return 0
	}
	key := map[byte]string{}
	for _, l := range []byte(identities[class]) {
		key[l] = options[l]
	}
	for _, e := range r.items {
		same := e.class == class
		for l, v := range key {
			same = same && e.options[l] == v
		}
		if same {
			errs.WriteString(r.exists)
			return 45
		}
	}
	r.items = append(r.items, &entry{class: class, options: options, secret: secret, made: now, changed: now,
		trusted: []string{Program}, partitions: toolPartitions})
	return 0
}

// list prints an item as the recorded one was printed, line by line.
func (r *replayer) list(e *entry, out *bytes.Buffer) {
	for _, line := range r.listings[e.class] {
		name, _, ok := strings.Cut(strings.TrimPrefix(line, "    "), "<")
		head, _, _ := strings.Cut(line, ">=")
		switch {
		case strings.HasPrefix(line, "keychain: "):
			line = "keychain: " + printed([]byte(r.login))
		case ok:
			line = head + ">=<NULL>"
			if v := e.printed(name); v != "" {
				line = head + ">=" + v
			}
		}
		out.WriteString(line + "\n")
	}
}

// listed are the options by the names of their lines.
var listed = map[string]byte{"0x00000007 ": 'l', `"acct"`: 'a', `"svce"`: 's', `"srvr"`: 's', `"desc"`: 'D', `"icmt"`: 'j', `"gena"`: 'G',
	`"crtr"`: 'c', `"type"`: 'C', `"sdmn"`: 'd', `"path"`: 'p', `"ptcl"`: 'r', `"atyp"`: 't'}

func (e *entry) printed(name string) string {
	v := e.options[listed[name]]
	switch name {
	case `"cdat"`:
		v = e.made.UTC().Format("20060102150405Z\x00")
	case `"mdat"`:
		v = e.changed.UTC().Format("20060102150405Z\x00")
	case `"port"`:
		n, _ := strconv.Atoi(e.options['P'])
		v = string([]byte{0, 0, byte(n >> 8), byte(n)})
	case `"ptcl"`:
		if v == "" {
			v = "\x00\x00\x00\x00"
		}
	}
	return printed([]byte(v))
}

// printed writes bytes as the recordings do.
func printed(b []byte) string {
	text, plain := "", true
	for _, c := range b {
		if c < 0x20 || c > 0x7e || c == '\\' {
			plain = false
			text += fmt.Sprintf("\\%03o", c)
		} else {
			text += string(rune(c))
		}
	}
	quoted := `"` + text + `"`
	switch shown := regexp.MustCompile(`\\[0-3][0-7][0-7]`).ReplaceAllString(text, ""); {
	case len(b) == 0:
		return ""
	case plain:
		return quoted
	case shown == "":
		return fmt.Sprintf("0x%X ", b)
	default:
		return fmt.Sprintf("0x%X  %s", b, quoted)
	}
}

// TestReplayerPrintsRecordings holds the replayer to the bytes that it was made
// from: what it prints of the items of a case is what the case says.
func TestReplayerPrintsRecordings(t *testing.T) {
	letters := map[string]byte{"account": 'a', "service": 's', "server": 's', "label": 'l', "kind": 'D', "comment": 'j', "generic": 'G', "creator": 'c',
		"type": 'C', "security_domain": 'd', "path": 'p', "protocol": 'r', "auth_type": 't'}
	seen := 0
	for _, c := range recordings(t) {
		if c.Exit != 0 || !strings.HasPrefix(c.Stdout.text(), "keychain: ") || !strings.HasPrefix(c.Argv[0], "find-") {
			continue
		}
		printedOne := slices.ContainsFunc(c.Keychain, func(m map[string]any) bool {
			r := newReplayer(t, "/Users/alice")
			e := &entry{class: m["class"].(string), options: map[byte]string{}, secret: data(m)}
			r.login = m["keychain"].(string)
			for field, v := range m {
				if l := letters[field]; l != 0 {
					e.options[l] = v.(string)
				}
			}
			if p, ok := m["port"].(float64); ok {
				e.options['P'] = strconv.Itoa(int(p))
			}
			e.made, _ = time.Parse("20060102150405Z", m["cdat"].(string))
			e.changed, _ = time.Parse("20060102150405Z", m["mdat"].(string))
			var out bytes.Buffer
			r.list(e, &out)
			password := "password: " + printed(e.secret) + "\n"
			return out.String() == c.Stdout.text() && (!slices.Contains(c.Argv, "-g") || password == c.Stderr.text())
		})
		if seen++; !printedOne {
			t.Errorf("%s: the replayer prints none of the items so", c.Name)
		}
	}
	if seen < 13 {
		t.Errorf("only %d cases", seen)
	}
}
