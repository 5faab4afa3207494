package plugins

import (
	"reflect"
	"strings"

	"github.com/jessevdk/go-flags"
)

// Option is one option of the command line, for the man page and shell completion.
type Option struct {
	Short, Long string // without their dashes
	Value       string // what its value stands for, empty if it takes none
	Help        string
	Default     string
	Repeatable  bool
}

// Options returns the options of the check.
func (p Profile) Options() []Option {
	var o options
	var list []Option
	for _, option := range p.newParser(&o).Groups()[0].Options() {
		short := ""
		if option.ShortName != 0 {
			short = string(option.ShortName)
		}
		list = append(list, Option{
			Short: short, Long: option.LongName, Value: option.ValueName, Help: option.Description,
			Default: defaultText(option), Repeatable: reflect.TypeOf(option.Value()).Kind() == reflect.Slice,
		})
	}
	return list
}

// defaultText returns what the help says of the default.
func defaultText(o *flags.Option) string {
	if o.DefaultMask != "" {
		return o.DefaultMask
	}
	return strings.Join(o.Default, ", ")
}
