// Check_mdfront_sockets judges the client sockets of a market-data front.
package main

import (
	"os"

	"frontsockets/plugins"
)

func main() {
	os.Exit(plugins.MDFront.Run(os.Args[1:], os.Stdin, os.Stdout))
}
