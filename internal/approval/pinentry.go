package approval

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"keyhole/internal/policy"
)

// Pinentry asks by the dialog that comes with GnuPG, on the person's desktop
// (the Assuan protocol, see the manual of pinentry). The answer is typed: with
// buttons, Enter would mean yes in some of these programs, and in others closing
// the dialog looks like pressing the second button.
type Pinentry struct {
	Programs []string // tried in turn until one shows a dialog
	Env      []string
	Run      Runner
	Now      func() time.Time // nil: time.Now
}

// gpgCanceled is the code of gpg-error, without its source, for a dialog that
// was closed.
const (
	gpgCanceled = 99
	gpgCodeMask = 0xffff
)

// Prompt implements Prompter: "yes", "session" or a time such as "15m" allow,
// "no" denies, anything else is no answer.
func (p *Pinentry) Prompt(ctx context.Context, q Question) (policy.Answer, error) {
	var in bytes.Buffer
	say := func(command, text string) { in.WriteString(command + " " + assuan(text) + "\n") }
	say("SETTITLE", "keyhole")
	say("SETDESC", "A confined command wants to "+q.Title()+"\n\n"+q.Text()+
		"\nType yes (once), session, a time such as 15m, or no.")
	say("SETPROMPT", "Answer:")
	in.WriteString("GETPIN\nBYE\n")
	var errs []error
	for _, program := range p.Programs {
		out, _, err := p.Run(ctx, []string{program}, p.Env, in.Bytes())
		if err == nil {
			var a policy.Answer
			if a, err = p.read(out); err == nil {
				return a, nil
			}
		}
		errs = append(errs, fmt.Errorf("%s: %w", program, err))
	}
	return policy.Answer{}, errors.Join(errs...)
}

// read takes the answer to GETPIN: one line of data and OK, or an error. The
// answers before are those of the greeting and the three texts.
func (p *Pinentry) read(out []byte) (policy.Answer, error) {
	const before = 4
	replies, typed := 0, ""
	for line := range strings.Lines(string(out)) {
		line = strings.TrimRight(line, "\r\n")
		switch {
		case strings.HasPrefix(line, "D ") && replies == before:
			typed += line[2:]
		case line == "OK" || strings.HasPrefix(line, "OK "):
			if replies++; replies > before {
				return p.understand(typed), nil
			}
		case strings.HasPrefix(line, "ERR "):
			if replies++; replies > before {
				return closed(line)
			}
		}
	}
	return policy.Answer{}, fmt.Errorf("%d answers, want %d", replies, before+1)
}

func (p *Pinentry) understand(typed string) policy.Answer {
	now := time.Now
	if p.Now != nil {
		now = p.Now
	}
	word := strings.ToLower(strings.TrimSpace(typed))
	switch word {
	case "yes":
		return policy.Answer{Effect: policy.Allow, Person: true, Via: "pinentry"}
	case "no":
		return policy.Answer{Person: true, Via: "pinentry"}
	case "", "once":
		return policy.Answer{Via: "pinentry: no answer"}
	}
	l, until, ok := ParseLifespan(word, now())
	if !ok {
		return policy.Answer{Via: "pinentry: an answer that means nothing"}
	}
	return policy.Answer{Effect: policy.Allow, Lifespan: l, Until: until, Person: true, Via: "pinentry"}
}

// closed tells a dialog that was closed from one that was never shown.
func closed(line string) (policy.Answer, error) {
	code := 0
	if _, err := fmt.Sscanf(line, "ERR %d", &code); err != nil || code&gpgCodeMask != gpgCanceled {
		return policy.Answer{}, fmt.Errorf("no dialog (code %d)", code&gpgCodeMask)
	}
	return policy.Answer{Via: "pinentry: closed"}, nil
}

// assuan escapes a text for one line of the protocol.
func assuan(s string) string {
	return strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A").Replace(s)
}
