package attempt

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"strings"
	"time"
)

// bystander stands for another program of the user: it says that it is there
// and waits until in ends.
func bystander(in io.Reader, out io.Writer) int {
	if err := allowTracing(); err != nil {
		return 1
	}
	fmt.Fprintln(out, "ready")
	if _, err := io.Copy(io.Discard, in); err != nil {
		return 1
	}
	return 0
}

func readFile(row, path string) Result {
	b, err := os.ReadFile(path)
	if err != nil {
		return failed(row, err)
	}
	return Result{Row: row, Done: true, Got: cut(b)}
}

func connect(row, path string) Result {
	c, err := net.DialTimeout("unix", path, timeout)
	if err != nil {
		return failed(row, err)
	}
	c.Close()
	return Result{Row: row, Done: true, Got: "connected"}
}

// busID authenticates at a message bus and gives the id it answers with, which
// tells one bus from another.
func busID(row, path string) Result {
	c, err := net.DialTimeout("unix", path, timeout)
	if err != nil {
		return failed(row, err)
	}
	defer c.Close()
	if err := c.SetDeadline(time.Now().Add(timeout)); err != nil {
		return failed(row, err)
	}
	if _, err := fmt.Fprintf(c, "\x00AUTH EXTERNAL %x\r\n", fmt.Sprint(os.Getuid())); err != nil {
		return failed(row, err)
	}
	line, err := bufio.NewReader(io.LimitReader(c, 1024)).ReadString('\n')
	if err != nil {
		return failed(row, err)
	}
	id, ok := strings.CutPrefix(strings.TrimSpace(line), "OK ")
	if !ok {
		return Result{Row: row, Why: "REJECTED", Text: strings.TrimSpace(line)}
	}
	return Result{Row: row, Done: true, Got: id}
}

func readEnviron(row string, pid int) Result {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/environ", process(pid)))
	if err != nil {
		return failed(row, err)
	}
	for kv := range bytes.SplitSeq(b, []byte{0}) {
		if bytes.HasPrefix(kv, []byte("GH_TOKEN=")) {
			return Result{Row: row, Done: true, Got: string(kv)}
		}
	}
	return Result{Row: row, Done: true, Got: fmt.Sprintf("%d bytes", len(b))}
}

func ownVar(row, name string) Result {
	v, ok := os.LookupEnv(name)
	if !ok {
		return Result{Row: row, Why: "unset", Text: "no such variable"}
	}
	return Result{Row: row, Done: true, Got: v}
}

func secretTool(row string, it Item) Result {
	args := []string{"lookup", "service", it.Service}
	if it.Account != "" {
		args = append(args, "username", it.Account)
	}
	var stderr bytes.Buffer
	cmd := exec.Command("secret-tool", args...)
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return Result{Row: row, Why: "exit 1", Text: strings.TrimSpace(stderr.String())}
	}
	return Result{Row: row, Done: true, Got: cut(out)}
}

func process(pid int) int {
	if pid == -1 {
		return os.Getppid()
	}
	return pid
}

func cut(b []byte) string {
	return strings.TrimSpace(string(b[:min(len(b), 64)]))
}
