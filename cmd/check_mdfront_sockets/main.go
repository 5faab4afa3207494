// Check_mdfront_sockets judges the client sockets of a market-data front.
package main

import (
	"os"

	"frontsockets/internal/guard"
	"frontsockets/plugins"
)

func main() {
	guard.Exit(plugins.MDFront.Run(os.Args[1:], os.Stdin, os.Stdout))
}
