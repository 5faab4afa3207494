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
	frontOptions := Front.Options()
	var table strings.Builder
	table.WriteString("| option | meaning | default |\n| --- | --- | --- |\n")
	group := ""
	for i, option := range append(MDFront.Options(), HelpOption) {
		if option.Group != group {
			group = option.Group
			fmt.Fprintf(&table, "| **%s** | | |\n", group)
		}
		value := ""
		if option.Value != "" {
			value = " " + option.Value
		}
		spelling := "--" + option.Long + value
		if option.Short != "" {
			spelling = "-" + option.Short + ", " + spelling
		}
		def := option.Default
		if i < len(frontOptions) && frontOptions[i].Default != def {
			def = fmt.Sprintf("%s (md front), %s (trade front)", def, frontOptions[i].Default)
		}
		fmt.Fprintf(&table, "| `%s` | %s | %s |\n", strings.ReplaceAll(spelling, "|", `\|`), option.Help, def)
	}

	// What the table is made of is what --help prints.
	help, _ := check(t, MDFront, "--help")
	plain := strings.Join(strings.Fields(help), " ")
	for _, option := range MDFront.Options() {
		want := option.Help
		if option.Default != "" {
			want += " (default: " + option.Default + ")"
		}
		if !strings.Contains(plain, want) {
			t.Errorf("--help does not say %q", want)
		}
	}

	golden.Part(t, file, begin, end, table.String())
}
