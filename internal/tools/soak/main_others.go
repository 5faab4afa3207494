//go:build !linux

package main

import (
	"fmt"
	"os"
)

func main() {
	fmt.Fprintln(os.Stderr, "soak: needs Linux, since it makes its sockets in a network namespace")
	os.Exit(1)
}
