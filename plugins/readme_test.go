package plugins

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write the option table of the README anew")

// TestReadmeOptions: the table of the README says what --help says.
func TestReadmeOptions(t *testing.T) {
	const file, begin, end = "../README.md", "<!-- options: made by go test ./plugins -update -->\n", "<!-- end of options -->\n"
	var mdfront, front options
	mdOptions := MDFront.newParser(&mdfront).Groups()[0].Options()
	frontOptions := Front.newParser(&front).Groups()[0].Options()

	var table strings.Builder
	table.WriteString(begin + "| option | meaning | default |\n| --- | --- | --- |\n")
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
	table.WriteString("| `-h, --help` | print help and exit 3 | |\n" + end)

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

	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, found := strings.Cut(string(text), begin)
	_, after, closed := strings.Cut(rest, end)
	if !found || !closed {
		t.Fatalf("%s has no option table", file)
	}
	if want := before + table.String() + after; want != string(text) {
		if *update {
			if err := os.WriteFile(file, []byte(want), 0o644); err != nil {
				t.Fatal(err)
			}
			return
		}
		t.Errorf("the option table of the README is not what --help says; it should be\n%s", table.String())
	}
}
