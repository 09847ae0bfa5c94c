// Command gen writes the filter tables of the package above.
package main

import (
	"fmt"
	"os"

	"keyhole/internal/sandbox/filter/program"
)

func main() {
	for _, arch := range []program.Arch{program.AMD64(), program.ARM64()} {
		src, err := program.Source(arch)
		if err == nil {
			err = os.WriteFile("table_"+arch.Name+".go", []byte(src), 0o644)
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, "gen:", err)
			os.Exit(1)
		}
	}
}
