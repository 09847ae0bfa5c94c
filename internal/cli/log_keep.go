package cli

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"keyhole/internal/audit"
)

const logCheckpointHelp = `Print a signed checkpoint of the log as it is now: how many records it has, and
a hash of them all. Keep it where whoever might change the log cannot change it:
on another machine, in a mail, in a version control system. 'keyhole log verify
--checkpoint FILE' then proves that nothing up to it was changed.

The key that signs is made at the first use, and never seen inside of a run.
Nothing is signed for a log that is not intact.`

const logPruneHelp = `Remove the oldest records and leave a signed boundary in their place, so that
the rest can still be verified. Nothing is removed unless you say so; files of
16 MiB are put aside as the log grows, and removed by pruning too.`

const logProveHelp = `Print a proof for somebody who has the public key and not the log: that record N
is in it, or that it only grew since a checkpoint. 'keyhole log verify FILE
--key KEY' checks it.`

func newLogCheckpointCommand(env *Env) *cobra.Command {
	return &cobra.Command{
		Use:   "checkpoint",
		Short: "Print a signed checkpoint, to be kept elsewhere",
		Long:  logCheckpointHelp,
		Args:  takes(0, 0),
		RunE: func(*cobra.Command, []string) error {
			key, err := logKey(env)
			if err != nil {
				return err
			}
			c, err := audit.Sign(logPath(env), key, time.Now())
			if err != nil {
				return logFailure(env, "signing", err)
			}
			_, err = fmt.Fprint(env.Stdout, c.Text)
			return err
		},
	}
}

func newLogKeyCommand(env *Env) *cobra.Command {
	return &cobra.Command{
		Use:   "key",
		Short: "Print the public key that checks your checkpoints and exports",
		Args:  takes(0, 0),
		RunE: func(*cobra.Command, []string) error {
			key, err := logKey(env)
			if err != nil {
				return err
			}
			_, err = fmt.Fprintln(env.Stdout, key.Public())
			return err
		},
	}
}

// logKey is the signing key, which is made now if there is none.
func logKey(env *Env) (*audit.Key, error) {
	key, err := audit.OpenKey(keyPath(env))
	if err != nil {
		return nil, fail("", "opening the log's key: %w", err)
	}
	return key, nil
}

func newLogProveCommand(env *Env) *cobra.Command {
	var n int64
	var since string
	c := &cobra.Command{
		Use:   "prove {--record N | --since CHECKPOINT}",
		Short: "Print a proof about one record, or about growth",
		Long:  logProveHelp,
		Args:  takes(0, 0),
		RunE: func(*cobra.Command, []string) error {
			if (n == 0) == (since == "") {
				return errors.New("give --record or --since")
			}
			return proveLog(env, n, since)
		},
	}
	c.Flags().Int64Var(&n, "record", 0, "the `NUMBER` of a record, \"n\" in its line")
	c.Flags().StringVar(&since, "since", "", "`FILE` with an earlier checkpoint")
	return c
}

func proveLog(env *Env, n int64, since string) error {
	key, err := logKey(env)
	if err != nil {
		return err
	}
	var p audit.Proof
	if since == "" {
		p, err = audit.ProveRecord(logPath(env), key, n, time.Now())
	} else {
		var text []byte
		if text, err = readInput(env, since); err != nil {
			return err
		}
		public, parseErr := audit.ParsePublic(key.Public())
		if parseErr != nil {
			return parseErr
		}
		early, parseErr := audit.ParseCheckpoint(string(text), public)
		if parseErr != nil {
			return &Failure{Code: ExitUsage, Err: fmt.Errorf("--since: %w", parseErr)}
		}
		p, err = audit.ProveGrowth(logPath(env), key, early, time.Now())
	}
	if err != nil {
		return logFailure(env, "proving from", err)
	}
	text, err := json.Marshal(p)
	if err == nil {
		_, err = fmt.Fprintf(env.Stdout, "%s\n", asciiJSON(text))
	}
	return err
}

func newLogPruneCommand(env *Env) *cobra.Command {
	var older, size string
	c := &cobra.Command{
		Use:   "prune [--older-than TIME] [--keep-size SIZE]",
		Short: "Remove the oldest records, and leave a signed boundary",
		Long:  logPruneHelp,
		Example: `  keyhole log prune --older-than 90d
  keyhole log prune --keep-size 100M`,
		Args: takes(0, 0),
		RunE: func(*cobra.Command, []string) error {
			var keep audit.Keep
			var err error
			if keep.Since, err = parseTime("--older-than", older, time.Now()); err != nil {
				return err
			}
			if keep.Bytes, err = parseSize(size); err != nil {
				return err
			}
			if older == "" && size == "" {
				return errors.New("give --older-than or --keep-size")
			}
			return pruneLog(env, keep)
		},
	}
	c.Flags().StringVar(&older, "older-than", "", "remove what is older than `TIME`: 90d, 2006-01-02 or RFC 3339")
	c.Flags().StringVar(&size, "keep-size", "", "remove the oldest until about `SIZE` is left: 500K, 100M, 2G")
	return c
}

func pruneLog(env *Env, keep audit.Keep) error {
	if _, err := os.Lstat(logPath(env)); errors.Is(err, fs.ErrNotExist) {
		return logFailure(env, "pruning", err)
	}
	key, err := logKey(env)
	if err != nil {
		return err
	}
	p, err := audit.Prune(logPath(env), key, keep, time.Now())
	if err != nil {
		return logFailure(env, "pruning", err)
	}
	if p.Records == 0 {
		_, err = fmt.Fprintln(env.Stdout, "nothing to prune")
		return err
	}
	_, err = fmt.Fprintf(env.Stdout, "pruned %d records; the log begins with record %d now\n", p.Records, p.Size+1)
	return err
}

// parseSize reads a number of bytes.
func parseSize(s string) (int64, error) {
	if s == "" {
		return 0, nil
	}
	digits := strings.TrimRight(s, "KMG")
	shift := map[string]int{"": 0, "K": 10, "M": 20, "G": 30}
	by, ok := shift[s[len(digits):]]
	n, err := strconv.ParseInt(digits, 10, 32)
	if err != nil || !ok || n < 1 {
		return 0, fmt.Errorf("--keep-size %q is not a size: write 500K, 100M or 2G", s)
	}
	return n << by, nil
}
