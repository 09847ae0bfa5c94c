//go:build !linux

package main

import (
	"fmt"
	"os"
)

func lacking() {
	fmt.Fprintln(os.Stderr, "lacking: only Linux can be imitated")
	os.Exit(99)
}
