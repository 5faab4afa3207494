// Check_front_sockets judges the client sockets of a trade front.
package main

import (
	"os"

	"frontsockets/plugins"
)

func main() {
	os.Exit(plugins.Front.Run(os.Args[1:], os.Stdin, os.Stdout))
}
