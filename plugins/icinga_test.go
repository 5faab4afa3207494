package plugins

import (
	"fmt"
	"frontsockets/internal/testkit/golden"
	"reflect"
	"strings"
	"testing"
)

// TestGeneratedIcinga: Icinga's check commands take every option of --help but those that
// make no check, and no other, with the description that --help gives. As in the Icinga Template
// Library, the variables begin with the name of the command.
func TestGeneratedIcinga(t *testing.T) {
	for command, check := range map[string]Profile{"mdfront_sockets": MDFront, "front_sockets": Front} {
		golden.Part(t, "../contrib/icinga2/frontsockets-commands.conf",
			"\t\t// arguments of "+command+": made by make generate\n", "\t\t// end of "+command+"\n",
			icingaArguments(check, command))
	}
}

// icingaArguments returns the options of a check as the arguments of an Icinga command.
func icingaArguments(check Profile, command string) string {
	var arguments strings.Builder
	var o options
	for _, option := range check.newParser(&o).Groups()[0].Options() {
		if option.LongName == "version" {
			continue
		}
		text := option.Description
		if def := defaultText(option); def != "" {
			text += fmt.Sprintf(" (default: %s)", def)
		}
		kind := option.Field().Type
		value := "value"
		if kind == reflect.TypeFor[[]bool]() {
			value = "set_if"
		}
		fmt.Fprintf(&arguments, "\t\t\"--%s\" = {\n\t\t\t%s = \"$%s_%s$\"\n",
			option.LongName, value, command, strings.ReplaceAll(option.LongName, "-", "_"))
		if kind == reflect.TypeFor[[]string]() {
			arguments.WriteString("\t\t\trepeat_key = true\n")
		}
		fmt.Fprintf(&arguments, "\t\t\tdescription = %q\n\t\t}\n", text)
	}
	return arguments.String()
}
