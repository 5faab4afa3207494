//go:build !linux

package main

import (
	"fmt"
	"os"
)

func main() {
	fmt.Fprintln(os.Stderr, "lab: needs Linux, since it acts its scenarios in network namespaces")
	os.Exit(1)
}
