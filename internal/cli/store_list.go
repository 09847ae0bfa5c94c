package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"keyhole/internal/secret"
	"keyhole/internal/session"
)

func newStoreList(env *Env, f *storeFlags) *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use:   "list [ATTR=VALUE...]",
		Short: "List items, without their secrets",
		RunE: func(cmd *cobra.Command, args []string) error {
			attributes, err := parseAttributes(args)
			if err != nil {
				return err
			}
			return withStore(env, f, func(s *session.Sealed) error {
				return listItems(cmd.Context(), env, s, attributes, asJSON)
			})
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "print a JSON array, for programs")
	return c
}

func listItems(ctx context.Context, env *Env, s *session.Sealed, attributes map[string]string, asJSON bool) error {
	infos, err := s.List(ctx, secret.Query{Attributes: attributes})
	if err != nil {
		return runFailure(err)
	}
	if asJSON {
		err = printJSON(env, infos)
	} else {
		err = printTable(env, infos)
	}
	if err != nil {
		return fail("", "writing to standard output: %w", err)
	}
	return nil
}

// storedItem is an item as --json shows it.
type storedItem struct {
	ID          string            `json:"id"`
	Label       string            `json:"label"`
	Attributes  map[string]string `json:"attributes"`
	ContentType string            `json:"content_type"`
	Created     time.Time         `json:"created"`
	Modified    time.Time         `json:"modified"`
}

func printJSON(env *Env, infos []secret.Info) error {
	items := make([]storedItem, 0, len(infos))
	for _, i := range infos {
		items = append(items, storedItem{i.ID, i.Label, i.Attributes, i.ContentType, i.Created, i.Modified})
	}
	e := json.NewEncoder(env.Stdout)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	return e.Encode(items)
}

func printTable(env *Env, infos []secret.Info) error {
	if len(infos) == 0 {
		_, err := fmt.Fprintln(env.Stderr, "keyhole: there is no such item")
		return err
	}
	t := table{cuttable: []int{0, 1}}
	t.add("LABEL", "ATTRIBUTES", "MODIFIED")
	for _, i := range infos {
		t.add(secret.Printable(i.Label), attributeText(i.Attributes), i.Modified.Local().Format("2006-01-02 15:04"))
	}
	return t.print(env.Stdout)
}

// attributeText shows attributes as they are written on the command line.
func attributeText(attributes map[string]string) string {
	var out []string
	for _, k := range slices.Sorted(maps.Keys(attributes)) {
		out = append(out, quoted(k)+"="+quoted(attributes[k]))
	}
	return strings.Join(out, " ")
}

func quoted(s string) string {
	if strings.ContainsAny(s, " ;\"'\\") {
		s = strconv.Quote(s)
	}
	return secret.Printable(s)
}

// parseAttributes reads ATTR=VALUE arguments. A value may be empty.
func parseAttributes(args []string) (map[string]string, error) {
	attributes := make(map[string]string, len(args))
	for _, arg := range args {
		k, v, ok := strings.Cut(arg, "=")
		if !ok || k == "" {
			// The argument itself is not shown: it may be a secret that was
			// meant for standard input.
			return nil, fmt.Errorf("an argument is not ATTR=VALUE")
		}
		if _, twice := attributes[k]; twice {
			return nil, fmt.Errorf("attribute %s is given twice", secret.Printable(k))
		}
		attributes[k] = v
	}
	return attributes, nil
}
