package plugins

import (
	"fmt"
	"frontsockets/internal/testkit/golden"
	"reflect"
	"strings"
	"testing"
)

// TestGeneratedIcinga: Icinga's check commands take every option of --help but those that
// make no check, and no other, with the description that --help gives.
func TestGeneratedIcinga(t *testing.T) {
	const file, begin, end = "../contrib/icinga2/frontsockets-commands.conf",
		"\t\t// arguments: made by make generate\n", "\t\t// end of arguments\n"
	var mdfront, front options
	frontOptions := Front.newParser(&front).Groups()[0].Options()

	var arguments strings.Builder
	for i, option := range MDFront.newParser(&mdfront).Groups()[0].Options() {
		if option.LongName == "version" {
			continue
		}
		text := option.Description
		if def, other := defaultText(option), defaultText(frontOptions[i]); other != def {
			text += fmt.Sprintf(" (default: %s, of a trade front %s)", def, other)
		} else if def != "" {
			text += fmt.Sprintf(" (default: %s)", def)
		}
		kind := option.Field().Type
		value := "value"
		if kind == reflect.TypeFor[[]bool]() {
			value = "set_if"
		}
		fmt.Fprintf(&arguments, "\t\t\"--%s\" = {\n\t\t\t%s = \"$frontsockets_%s$\"\n",
			option.LongName, value, strings.ReplaceAll(option.LongName, "-", "_"))
		if kind == reflect.TypeFor[[]string]() {
			arguments.WriteString("\t\t\trepeat_key = true\n")
		}
		fmt.Fprintf(&arguments, "\t\t\tdescription = %q\n\t\t}\n", text)
	}

	golden.Part(t, file, begin, end, arguments.String())
}
