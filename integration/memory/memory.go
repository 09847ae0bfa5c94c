//go:build linux

// Package memory searches the memory of another process for a secret, as it is
// and in the forms that programs give it on the way. Who calls it must be allowed
// to read that process: its parent if it is dumpable, else root.
package memory

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// Find is one place where the secret is.
type Find struct {
	Address uint64
	Form    string   // plain, base64 or hex
	Mapping string   // its line in /proc/PID/maps, without the numbers
	Flags   []string // of the mapping, as VmFlags in /proc/PID/smaps
}

// Has tells whether the mapping has all the flags.
func (f Find) Has(flags ...string) bool {
	return !slices.ContainsFunc(flags, func(flag string) bool { return !slices.Contains(f.Flags, flag) })
}

// chunk is read at a time; an overlap keeps what lies across two.
const chunk = 1 << 20

// Search goes through all memory of a process that has pages. It fails when it
// could read none.
func Search(pid int, secret []byte) ([]Find, error) {
	list, err := mappings(pid)
	if err != nil {
		return nil, err
	}
	mem, err := os.Open(fmt.Sprintf("/proc/%d/mem", pid))
	if err != nil {
		return nil, err
	}
	defer mem.Close()
	var found []Find
	looked := 0
	for _, m := range list {
		n, err := m.search(mem, forms(secret), &found)
		if err != nil {
			return nil, err
		}
		looked += n
	}
	if looked == 0 {
		return nil, errors.New("nothing could be read")
	}
	return found, nil
}

type form struct {
	name  string
	bytes []byte
}

// forms are the secret as it is, in hex, and as the middle of base64 text that
// begins one, two or three bytes before.
func forms(secret []byte) []form {
	h := hex.EncodeToString(secret)
	all := []form{{"plain", secret}, {"hex", []byte(h)}, {"hex", []byte(strings.ToUpper(h))}}
	for before := range 3 {
		text := base64.RawStdEncoding.EncodeToString(append(make([]byte, before), secret...))
		first := (before*8 + 5) / 6
		last := (before + len(secret)) * 8 / 6
		all = append(all, form{"base64", []byte(text[first:last])})
	}
	return all
}

type mapping struct {
	start, end uint64
	name       string
	flags      []string
	resident   bool
}

// mappings reads smaps: a line of maps, then lines "Name: value", the last of
// which is VmFlags.
func mappings(pid int) ([]mapping, error) {
	f, err := os.Open(fmt.Sprintf("/proc/%d/smaps", pid))
	if err != nil {
		return nil, err
	}
	defer f.Close()
	var list []mapping
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		fields := strings.Fields(lines.Text())
		if key, ok := strings.CutSuffix(fields[0], ":"); ok {
			m := &list[len(list)-1]
			switch key {
			case "Rss", "Swap":
				m.resident = m.resident || fields[1] != "0"
			case "VmFlags":
				m.flags = fields[1:]
			}
			continue
		}
		var m mapping
		if _, err := fmt.Sscanf(fields[0], "%x-%x", &m.start, &m.end); err != nil {
			return nil, fmt.Errorf("smaps: %w", err)
		}
		m.name = strings.Join(fields[1:2], " ") + " " + strings.Join(fields[5:], " ")
		list = append(list, m)
	}
	return list, lines.Err()
}

func (m mapping) search(mem *os.File, forms []form, found *[]Find) (looked int, err error) {
	if !m.resident || slices.Contains(m.flags, "io") || m.name == "" || strings.Contains(m.name, "[v") {
		return 0, nil
	}
	longest := 0
	for _, f := range forms {
		longest = max(longest, len(f.bytes))
	}
	buf := make([]byte, chunk)
	for at := m.start; at < m.end; {
		n, err := mem.ReadAt(buf[:min(chunk, m.end-at)], int64(at))
		switch {
		case errors.Is(err, unix.EIO) || errors.Is(err, io.EOF): // a guard page, or no right to read
			return looked, nil
		case err != nil:
			return looked, err
		}
		for _, f := range forms {
			for i := 0; ; {
				j := bytes.Index(buf[i:n], f.bytes)
				if j < 0 {
					break
				}
				*found = append(*found, Find{at + uint64(i+j), f.name, m.name, m.flags})
				i += j + 1
			}
		}
		looked += n
		if at+uint64(n) >= m.end {
			break
		}
		at += uint64(n - longest + 1)
	}
	return looked, nil
}

// String says where it is.
func (f Find) String() string {
	return f.Form + " at 0x" + strconv.FormatUint(f.Address, 16) + " in " + f.Mapping + " (" + strings.Join(f.Flags, " ") + ")"
}
