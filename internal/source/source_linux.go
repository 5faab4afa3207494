package source

import (
	"slices"

	"frontsockets/internal/tcp"
)

// preferred returns the attempts of "auto". They leave out gopsutil, which on Linux reads the same table
// as procnet.
func preferred(root string) []tcp.Source {
	return slices.DeleteFunc(every(root), func(s tcp.Source) bool { return s.Name == "gopsutil" })
}
