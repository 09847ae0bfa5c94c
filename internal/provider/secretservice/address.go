package secretservice

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"strings"
)

// address is one Unix socket a bus listens on, as net names it.
type address string

// parseAddress reads a server address list (D-Bus specification, "Server
// Addresses"): transports separated by semicolons, each with key=value pairs
// whose values are percent-escaped. Only unix sockets are taken: the other
// transports leave the machine, or start programs.
func parseAddress(list string) ([]address, error) {
	var out []address
	for entry := range strings.SplitSeq(list, ";") {
		keys, ok := strings.CutPrefix(entry, "unix:")
		if !ok {
			continue
		}
		a, err := parseUnix(keys)
		if err != nil {
			return nil, fmt.Errorf("bus address %q: %w", list, err)
		}
		out = append(out, a)
	}
	if len(out) == 0 {
		return nil, fmt.Errorf("bus address %q: no unix socket in it", list)
	}
	return out, nil
}

func parseUnix(keys string) (address, error) {
	var found []address
	for pair := range strings.SplitSeq(keys, ",") {
		key, escaped, ok := strings.Cut(pair, "=")
		if !ok {
			return "", errors.New("a key without a value")
		}
		value, err := unescape(escaped)
		if err != nil {
			return "", err
		}
		switch {
		case key == "path" && value != "":
			found = append(found, address(value))
		case key == "abstract" && value != "":
			found = append(found, address("@"+value))
		}
	}
	if len(found) != 1 {
		return "", errors.New("it needs a path or an abstract name, and one only")
	}
	return found[0], nil
}

// unescape decodes %XX.
func unescape(s string) (string, error) {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] != '%' {
			b.WriteByte(s[i])
			continue
		}
		if i+2 >= len(s) {
			return "", errors.New("an escape is cut short")
		}
		raw, err := hex.DecodeString(s[i+1 : i+3])
		if err != nil {
			return "", errors.New("an escape is not hexadecimal")
		}
		b.Write(raw)
		i += 2
	}
	if strings.ContainsRune(b.String(), 0) {
		return "", errors.New("a NUL byte")
	}
	return b.String(), nil
}

// dialAny connects to the first address that takes a connection.
func dialAny(ctx context.Context, addrs []address) (net.Conn, error) {
	var d net.Dialer
	var last error
	for _, a := range addrs {
		c, err := d.DialContext(ctx, "unix", string(a))
		if err == nil {
			return c, nil
		}
		last = err
	}
	return nil, last
}
