// Package approval asks a person about a request that policy wants asked. It
// runs outside the sandbox and never on the confined command's terminal. What it
// shows is made by us from what the kernel and the store say, and escaped when
// shown; the answer is bound to the digest of what was shown. A timeout, a
// closed window or an answer it does not understand is a no that is not
// remembered.
package approval

import (
	"context"

	"keyhole/internal/policy"
)

// Nobody is the approver of a run in which nobody can be asked.
type Nobody struct{}

// Ask answers no at once.
func (Nobody) Ask(context.Context, policy.Request, policy.Decision) (policy.Answer, error) {
	return policy.Answer{Via: "nobody to ask"}, nil
}

// Prompter is one way to put a question before a person.
type Prompter interface {
	// Prompt shows q and waits for the answer. An Answer with Person settles
	// the question. One without says that the person turned away (closed the
	// window, gave an answer that means nothing): a no that is not remembered.
	// An error says that the question was not shown; other ways stay open.
	Prompt(ctx context.Context, q Question) (policy.Answer, error)
}

// Runner runs a program of the supervisor's own, outside of the sandbox, with
// the given environment alone, and returns its output and exit status.
type Runner func(ctx context.Context, argv, env []string, stdin []byte) (stdout []byte, code int, err error)
