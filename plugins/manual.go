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
	Group       string // the title above it in the help
}

// HelpOption is the option that go-flags adds, the last of the help.
var HelpOption = Option{Short: "h", Long: "help", Help: "print help and exit 3", Group: helpGroup}

// Options returns the options of the check but HelpOption, in the order of the help.
func (p Profile) Options() []Option {
	var o options
	var list []Option
	parser := p.newParser(&o)
	for _, group := range optionGroups {
		for _, long := range group.Options {
			option := parser.FindOptionByLongName(long)
			short := ""
			if option.ShortName != 0 {
				short = string(option.ShortName)
			}
			list = append(list, Option{
				Short: short, Long: long, Value: option.ValueName, Help: option.Description, Group: group.Title,
				Default: defaultText(option), Repeatable: reflect.TypeOf(option.Value()).Kind() == reflect.Slice,
			})
		}
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
