//go:build !linux

package main

import (
	"fmt"
	"os"
)

func main() {
	fmt.Fprintln(os.Stderr, "bench: measuring needs Linux: it starts a bus and a keyring of its own")
	os.Exit(1)
}
