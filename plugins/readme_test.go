package plugins

import (
	"fmt"
	"frontsockets/internal/testkit/golden"
	"strings"
	"testing"
)

// TestGeneratedReadme: the table of the README says what --help says.
func TestGeneratedReadme(t *testing.T) {
	const file, begin, end = "../README.md", "<!-- options: made by make generate -->\n", "<!-- end of options -->\n"
	var mdfront, front options
	mdOptions := MDFront.newParser(&mdfront).Groups()[0].Options()
	frontOptions := Front.newParser(&front).Groups()[0].Options()

	var table strings.Builder
	table.WriteString("| option | meaning | default |\n| --- | --- | --- |\n")
	for i, option := range mdOptions {
		value := ""
		if option.ValueName != "" {
			value = " " + option.ValueName
		}
		spelling := "--" + option.LongName + value
		if option.ShortName != 0 {
			spelling = fmt.Sprintf("-%c, %s", option.ShortName, spelling)
		}
		def := defaultText(option)
		if other := defaultText(frontOptions[i]); other != def {
			def = fmt.Sprintf("%s (md front), %s (trade front)", def, other)
		}
		fmt.Fprintf(&table, "| `%s` | %s | %s |\n", strings.ReplaceAll(spelling, "|", `\|`), option.Description, def)
	}
	table.WriteString("| `-h, --help` | print help and exit 3 | |\n")

	// What the table is made of is what --help prints.
	help, _ := check(t, MDFront, "--help")
	plain := strings.Join(strings.Fields(help), " ")
	for _, option := range mdOptions {
		want := option.Description
		if def := defaultText(option); def != "" {
			want += " (default: " + def + ")"
		}
		if !strings.Contains(plain, want) {
			t.Errorf("--help does not say %q", want)
		}
	}

	golden.Part(t, file, begin, end, table.String())
}
