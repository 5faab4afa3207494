//go:build !linux

package main

import (
	"fmt"
	"os"
)

func main() {
	fmt.Fprintln(os.Stderr, "the lab acts its scenarios in network namespaces: it needs Linux")
	os.Exit(1)
}
