package security

import "strconv"

// interact runs the lines of standard input. The last one's result is the exit
// status, whatever came before.
func (t *tool) interact(prompt string) int32 {
	typed := t.env.Terminal.Input()
	result := int32(resultOK)
	for {
		if typed {
			t.printErr(prompt)
		}
		line, ok := readLine(t.lines)
		if !ok {
			return result
		}
		words := split(line)
		clear(line)
		if len(words) == 0 {
			result = resultOK
			continue
		}
		result = t.run(words)
		if result == resultEnd {
			return resultOK
		}
		if result != resultOK && !t.quiet {
			t.printErr(words[0], ": returned ", strconv.Itoa(int(result)), "\n")
		}
	}
}

// run runs one command.
func (t *tool) run(words []string) int32 {
	cmd := lookup(words[0])
	if cmd == nil || cmd.run == nil {
		return t.unknown(words[0])
	}
	if t.verbose {
		t.echo(cmd.name, words[1:])
	}
	c := &call{tool: t, cmd: cmd, word: words[0], args: words[1:]}
	result := cmd.run(c)
	if result == resultUsage {
		t.printErr("Usage: ", cmd.usage())
	}
	if t.live || t.out.Len() > outputHeld {
		t.flush()
	}
	return result
}

// unknown refuses a word: no command of Apple's, or one that has no place here.
func (t *tool) unknown(word string) int32 {
	t.complain(`unknown command "`, word, `"`)
	return resultError
}

func (t *tool) echo(name string, args []string) {
	t.printErr(name)
	for _, a := range args {
		t.printErr(` "`, a, `"`)
	}
	t.printErr("\n")
}

// call is one command while it runs.
type call struct {
	*tool
	cmd  *command
	word string // as typed
	args []string
}

func (c *call) getopt() *getopt {
	return &getopt{name: c.word, options: c.cmd.options, args: c.args, err: c.env.Err}
}

// status complains about a failure of the framework and returns its status.
func (c *call) status(step string, s int32) int32 {
	c.complain(step, ": ", statusText(s))
	return s
}
