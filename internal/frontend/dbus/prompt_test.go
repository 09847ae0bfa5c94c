package dbus

import (
	"context"
	"fmt"
	"testing"
)

// What a prompt holds for its run is discarded once, whatever becomes of it, and
// never while the run needs it.
func TestPromptDiscards(t *testing.T) {
	e := start(t)
	for name, drive := range map[string]func(k *call){
		"run": func(k *call) {
			if err := k.prompt(t.Context()); err != nil {
				t.Fatal(err)
			}
			k.after[0]()
		},
		"dismissed": func(k *call) {
			if err := k.dismiss(t.Context()); err != nil {
				t.Fatal(err)
			}
			k.after[0]()
		},
		// The reply to Prompt could not be written.
		"asked for, and gone": func(k *call) {
			if err := k.prompt(t.Context()); err != nil {
				t.Fatal(err)
			}
		},
		"over before it ran": func(k *call) {
			if err := k.prompt(t.Context()); err != nil {
				t.Fatal(err)
			}
			k.c.prompts[k.obj.path].complete(promptResult{}, true)
			k.after[0]()
		},
	} {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			c := &conn{srv: e.srv, ctx: ctx, prompts: map[string]*prompt{}, closed: true}
			discarded := make(chan bool, 2)
			k := &call{c: c, srv: e.srv}
			var err error
			k.obj.path, err = k.openPrompt(resultPath, func(context.Context) (promptResult, error) {
				if len(discarded) > 0 {
					t.Error("discarded before it ran")
				}
				return promptResult{}, nil
			}, func() { discarded <- true })
			if err != nil {
				t.Fatal(err)
			}
			drive(k)
			cancel()
			<-discarded
			c.wg.Wait()
			if len(discarded) > 0 {
				t.Error("discarded twice")
			}
		})
	}
}

// A client cannot make a connection remember refusals without end.
func TestRefusalsAreBounded(t *testing.T) {
	c := &conn{refused: map[string]bool{}}
	for i := range 10 * maxPrompts {
		c.keepRefused([]string{fmt.Sprint("/p", i)})
	}
	if len(c.refused) != maxPrompts || !c.wasRefused("/p0") {
		t.Errorf("%d are remembered", len(c.refused))
	}
}
