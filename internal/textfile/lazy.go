package textfile

import (
	"regexp"
	"sync"
)

// Lazy returns a function that returns the regular expression. It is compiled when it is used first: most checks
// use none, and all of them together are half a millisecond of their start.
func Lazy(expression string) func() *regexp.Regexp {
	return sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(expression) })
}
