package act

import (
	"os"

	"keyhole/internal/wire"
)

// askActs ask at the descriptor that a command is given where it can make no
// sockets.
func askActs() map[string]act {
	return map[string]act{
		// ask gets a connection and reads what its other side says at once.
		"ask": func([]string) (string, error) {
			c, err := wire.Dial(os.Getenv(wire.SocketVar))
			if err != nil {
				return "", err
			}
			defer c.Close()
			k, err := c.Receive()
			if err != nil {
				return "", err
			}
			return string(k.Data), nil
		},
	}
}
