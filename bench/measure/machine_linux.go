package main

import (
	"fmt"
	"os"
	"runtime"
	"strings"

	"golang.org/x/sys/unix"
)

// machine says on what the figures were measured.
func (b *bench) machine() []string {
	var u unix.Utsname
	kernel := "unknown"
	if unix.Uname(&u) == nil {
		kernel = unix.ByteSliceToString(u.Release[:])
	}
	out := []string{
		fmt.Sprintf("CPU: %s, %d cores", cpuModel(), runtime.NumCPU()),
		"Kernel: Linux " + kernel + " " + runtime.GOARCH,
		"Go: " + runtime.Version(),
	}
	for _, v := range []struct {
		name string
		argv []string
	}{
		{"keyhole", []string{b.keyhole, "version"}},
		{"bubblewrap", []string{"bwrap", "--version"}},
		{"D-Bus", []string{"dbus-daemon", "--version"}},
		{"keyring", []string{"gnome-keyring-daemon", "--version"}},
	} {
		text, err := b.output(b.ctx, b.workspace, b.environ(""), v.argv...)
		line, _, _ := strings.Cut(strings.TrimSpace(text), "\n")
		if err != nil {
			line = "not there"
		}
		out = append(out, v.name+": "+line)
	}
	who := "an ordinary user"
	if os.Geteuid() == 0 {
		who = "root"
	}
	out = append(out, "Run as "+who)
	// Others at work on the machine lengthen what has to wake more processes.
	if text, err := os.ReadFile("/proc/loadavg"); err == nil {
		if f := strings.Fields(string(text)); len(f) > 1 {
			out = append(out, fmt.Sprintf("Load before: %s in the last minute, %s in the last five", f[0], f[1]))
		}
	}
	return out
}

func cpuModel() string {
	text, err := os.ReadFile("/proc/cpuinfo")
	if err != nil {
		return "unknown"
	}
	for line := range strings.Lines(string(text)) {
		if k, v, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(k) == "model name" {
			return strings.TrimSpace(v)
		}
	}
	return "unknown"
}
