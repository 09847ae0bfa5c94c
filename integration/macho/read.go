// Package macho reads what the macOS programs of the agents say about themselves,
// without running them: who signed them, what they are entitled to, and which
// calls of the keychain they are linked with. By it docs/macos.md says how each
// gets its login; the day one of them changes its ways a test fails.
package macho

import (
	"bytes"
	"debug/macho"
	"encoding/binary"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// Facts are what is known of one program, for one processor.
type Facts struct {
	Team         string
	Hardened     bool // its runtime takes no library from the environment
	Entitlements []string
	Calls        []string // of the keychain
	Framework    bool     // linked with Security.framework
	Opens        bool     // names Security.framework without being linked with it
	Tool         bool     // holds the words of the security tool
}

// keychainCalls are the names of calls by which a program reaches a keychain.
var keychainCalls = regexp.MustCompile(`^_(SecItem|SecKeychain|SecAccess|SecTrustedApplication|SecTrustSettings)[A-Za-z]+$`)

// Read reads one program of one processor.
func Read(file string) (*Facts, error) {
	b, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	return parse(b)
}

func parse(b []byte) (*Facts, error) {
	f, err := macho.NewFile(bytes.NewReader(b))
	if err != nil {
		return nil, err
	}
	defer f.Close()
	facts := &Facts{Tool: bytes.Contains(b, []byte("find-generic-password"))}
	libraries, err := f.ImportedLibraries()
	if err != nil {
		return nil, err
	}
	const framework = "/Security.framework/"
	facts.Framework = slices.ContainsFunc(libraries, func(l string) bool { return strings.Contains(l, framework) })
	facts.Opens = !facts.Framework && bytes.Contains(b, []byte(framework))
	if facts.Calls, err = calls(f); err != nil {
		return nil, err
	}
	return facts, facts.signature(f, b)
}

// calls looks at all names that the linker has left, not only at the symbol table:
// newer programs keep their imports elsewhere.
func calls(f *macho.File) ([]string, error) {
	linkedit := f.Segment("__LINKEDIT")
	if linkedit == nil {
		return nil, errors.New("no linker's segment")
	}
	names, err := io.ReadAll(linkedit.Open())
	if err != nil {
		return nil, err
	}
	var all []string
	for _, name := range bytes.Split(names, []byte{0}) {
		if s := string(name); len(s) < 100 && keychainCalls.MatchString(s) && !slices.Contains(all, s[1:]) {
			all = append(all, s[1:])
		}
	}
	slices.Sort(all)
	return all, nil
}

// Magic numbers of a signature (xnu, cs_blobs.h).
const (
	loadSignature   = 0x1d
	magicSuper      = 0xfade0cc0
	magicDirectory  = 0xfade0c02
	magicEntitled   = 0xfade7171
	flagRuntime     = 0x10000
	versionWithTeam = 0x20200
)

var errSignature = errors.New("a signature of another form")

func (facts *Facts) signature(f *macho.File, b []byte) error {
	for _, l := range f.Loads {
		raw := l.Raw()
		if len(raw) < 16 || f.ByteOrder.Uint32(raw) != loadSignature {
			continue
		}
		blob, err := cut(b, f.ByteOrder.Uint32(raw[8:]), f.ByteOrder.Uint32(raw[12:]))
		if err != nil {
			return err
		}
		return facts.super(blob)
	}
	return nil // unsigned
}

func cut(b []byte, from, size uint32) ([]byte, error) {
	end := uint64(from) + uint64(size)
	if end > uint64(len(b)) {
		return nil, errSignature
	}
	return b[from:end], nil
}

func (facts *Facts) super(blob []byte) error {
	be := binary.BigEndian
	if len(blob) < 12 || be.Uint32(blob) != magicSuper {
		return errSignature
	}
	for n := range be.Uint32(blob[8:]) {
		at, err := cut(blob, 12+8*n, 8)
		if err != nil {
			return err
		}
		from := be.Uint32(at[4:])
		head, err := cut(blob, from, 8)
		if err != nil {
			return err
		}
		part, err := cut(blob, from, be.Uint32(head[4:]))
		if err != nil || len(part) < 8 {
			return errSignature
		}
		switch be.Uint32(part) {
		case magicDirectory:
			err = facts.directory(part)
		case magicEntitled:
			facts.Entitlements, err = keys(part[8:])
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (facts *Facts) directory(part []byte) error {
	be := binary.BigEndian
	if len(part) < 52 {
		return errSignature
	}
	facts.Hardened = be.Uint32(part[12:])&flagRuntime != 0
	if team := be.Uint32(part[48:]); be.Uint32(part[8:]) >= versionWithTeam && team != 0 {
		if team > uint32(len(part)) {
			return errSignature
		}
		name, _, _ := bytes.Cut(part[team:], []byte{0})
		facts.Team = string(name)
	}
	return nil
}

// keys are the names in a property list of entitlements.
func keys(list []byte) ([]string, error) {
	var all []string
	for dec := xml.NewDecoder(bytes.NewReader(list)); ; {
		t, err := dec.Token()
		if errors.Is(err, io.EOF) {
			slices.Sort(all)
			return all, nil
		}
		if err != nil {
			return nil, err
		}
		if start, ok := t.(xml.StartElement); ok && start.Name.Local == "key" {
			var name string
			if err := dec.DecodeElement(&name, &start); err != nil {
				return nil, err
			}
			all = append(all, name)
		}
	}
}

// plain tells that there is nothing of interest: a library that links no keychain
// and is entitled to nothing.
func (facts *Facts) plain() bool {
	return len(facts.Entitlements)+len(facts.Calls) == 0 && !facts.Framework && !facts.Opens && !facts.Tool
}

// Survey writes what is known of every program below a folder, sorted by name.
// One of several processors in one file is an error: it is not read.
func Survey(dir string) (string, error) {
	var out strings.Builder
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() || !isProgram(path) {
			return err
		}
		facts, err := Read(path)
		if err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
		if facts.plain() {
			return nil
		}
		name, err := filepath.Rel(dir, path)
		if err != nil {
			return err
		}
		out.WriteString(name + "\n" + facts.text())
		return nil
	})
	return out.String(), err
}

func isProgram(path string) bool {
	f, err := os.Open(path)
	if err != nil {
		return false
	}
	defer f.Close()
	var magic [4]byte
	_, err = io.ReadFull(f, magic[:])
	thin := binary.LittleEndian.Uint32(magic[:]) == macho.Magic64
	return err == nil && (thin || binary.BigEndian.Uint32(magic[:]) == macho.MagicFat)
}

func (facts *Facts) text() string {
	list := func(l []string) string {
		if len(l) == 0 {
			return "none"
		}
		return strings.Join(l, " ")
	}
	security := "not linked"
	switch {
	case facts.Framework:
		security = "linked"
	case facts.Opens:
		security = "not linked, named"
	}
	team := facts.Team
	if team == "" {
		team = "none"
	}
	return fmt.Sprintf("  team %s, hardened runtime %v\n  entitlements: %s\n  Security.framework: %s\n  keychain calls: %s\n  words of the security tool: %v\n",
		team, facts.Hardened, list(facts.Entitlements), security, list(facts.Calls), facts.Tool)
}
