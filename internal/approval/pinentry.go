package approval

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"

	"keyhole/internal/policy"
)

// Pinentry asks by the dialog that comes with GnuPG, on the person's desktop
// (the Assuan protocol, see the manual of pinentry). Its first button, which
// Enter presses, is the no.
type Pinentry struct {
	Program string
	Env     []string
	Run     Runner
}

// Codes of gpg-error, without their source: the person closed the dialog, or
// pressed the second button.
const (
	gpgCanceled     = 99
	gpgNotConfirmed = 114
	gpgCodeMask     = 0xffff
)

// Prompt implements Prompter. The dialog's buttons: OK is the no, the other is a
// yes for once; closing it is neither.
func (p *Pinentry) Prompt(ctx context.Context, q Question) (policy.Answer, error) {
	var in bytes.Buffer
	say := func(command, text string) { in.WriteString(command + " " + assuan(text) + "\n") }
	say("SETTITLE", "keyhole")
	say("SETDESC", "A confined command wants to "+q.Title()+"\n\n"+q.Text())
	say("SETOK", "Deny")
	say("SETNOTOK", "Allow once")
	say("SETCANCEL", "Not now")
	in.WriteString("CONFIRM\nBYE\n")
	out, _, err := p.Run(ctx, []string{p.Program}, p.Env, in.Bytes())
	if err != nil {
		return policy.Answer{}, err
	}
	return readConfirm(out)
}

// readConfirm looks at the last answer but one: that of CONFIRM, before BYE's.
func readConfirm(out []byte) (policy.Answer, error) {
	var replies []string
	for line := range strings.Lines(string(out)) {
		line = strings.TrimRight(line, "\r\n")
		if line == "OK" || strings.HasPrefix(line, "OK ") || strings.HasPrefix(line, "ERR ") {
			replies = append(replies, line)
		}
	}
	// One for the greeting, five for the texts, one for CONFIRM, one for BYE.
	const confirm = 6
	if len(replies) <= confirm {
		return policy.Answer{}, fmt.Errorf("pinentry: %d answers, want %d", len(replies), confirm+2)
	}
	reply := replies[confirm]
	if reply == "OK" || strings.HasPrefix(reply, "OK ") {
		return policy.Answer{Person: true, Via: "pinentry"}, nil // the no
	}
	code := 0
	if _, err := fmt.Sscanf(reply, "ERR %d", &code); err != nil {
		return policy.Answer{}, errors.New("pinentry: an answer that means nothing")
	}
	switch code & gpgCodeMask {
	case gpgNotConfirmed:
		return policy.Answer{Effect: policy.Allow, Person: true, Via: "pinentry"}, nil
	case gpgCanceled:
		return policy.Answer{Via: "pinentry: closed"}, nil
	default:
		return policy.Answer{}, fmt.Errorf("pinentry: no dialog (code %d)", code&gpgCodeMask)
	}
}

// assuan escapes a text for one line of the protocol.
func assuan(s string) string {
	return strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A").Replace(s)
}
