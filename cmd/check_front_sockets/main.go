// Check_front_sockets judges the client sockets of a trade front.
package main

import (
	"os"

	"frontsockets/internal/guard"
	"frontsockets/plugins"
)

func main() {
	guard.Exit(plugins.Front.Run(os.Args[1:], os.Stdin, os.Stdout))
}
