package source

import (
	"slices"

	"frontsockets/internal/tcp"
)

// preferred returns the attempts of "auto". gopsutil is none of them: on Linux it reads the
// table that procnet has read.
func preferred(root string) []tcp.Source {
	return slices.DeleteFunc(every(root), func(s tcp.Source) bool { return s.Name == "gopsutil" })
}
