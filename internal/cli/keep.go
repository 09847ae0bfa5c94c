package cli

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"strings"

	"keyhole/internal/approval"
)

// askToKeep shows what a run has written in memory and has the person type a
// word nobody could have typed ahead. Without a terminal nothing is kept.
func askToKeep(env *Env, store string, writes []string) bool {
	tty, err := os.OpenFile("/dev/tty", os.O_RDWR, 0)
	if err != nil {
		fmt.Fprintf(env.Stderr, "keyhole: written in memory only, and forgotten, as there is no terminal to ask at: %s\n", strings.Join(writes, "; "))
		return false
	}
	defer tty.Close()
	word := approval.Word()
	text := "\nkeyhole: this run has written in memory only, which is forgotten now unless you keep it:\n"
	for _, line := range writes {
		text += "  " + line + "\n"
	}
	if _, err := fmt.Fprintf(tty, "%sType %s to keep it in the store %s: ", text, word, store); err != nil {
		return false
	}
	line, err := bufio.NewReader(io.LimitReader(tty, 1024)).ReadString('\n')
	return err == nil && strings.TrimSpace(line) == word
}
