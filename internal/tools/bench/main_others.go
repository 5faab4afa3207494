//go:build !linux

package main

import (
	"fmt"
	"os"
)

func main() {
	fmt.Fprintln(os.Stderr, "the benchmark makes its sockets in a network namespace: it needs Linux")
	os.Exit(1)
}
