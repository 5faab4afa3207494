package readers

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
	"github.com/santhosh-tekuri/jsonschema/v6"
)

// TestExpfmt: Prometheus' own parser reads every golden, and gets a sample for each metric
// that is known.
func TestExpfmt(t *testing.T) {
	about := map[string]bool{
		"frontsockets_build_info": true, "frontsockets_up": true, "frontsockets_status": true,
		"frontsockets_seen_timestamp_seconds": true, "frontsockets_diagnosis": true,
	}
	for name, golden := range read(t, "prometheus") {
		parser := expfmt.NewTextParser(model.LegacyValidation)
		families, err := parser.TextToMetricFamilies(strings.NewReader(golden))
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		samples := 0
		for family, f := range families {
			if f.GetHelp() == "" || f.GetType().String() != "GAUGE" {
				t.Errorf("%s: %s is a %s with the help %q", name, family, f.GetType(), f.GetHelp())
			}
			if !about[family] {
				samples += len(f.GetMetric())
			}
		}
		if want, _ := wanted(t, name, ""); samples != len(want) {
			t.Errorf("%s: %d samples, want %d", name, samples, len(want))
		}
	}
}

// TestSchema: the published schema holds for every golden, and not for every object.
func TestSchema(t *testing.T) {
	compiler := jsonschema.NewCompiler()
	compiler.AssertFormat()
	schema, err := compiler.Compile("../../../docs/answer.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	for name, golden := range read(t, "json") {
		answer, err := jsonschema.UnmarshalJSON(strings.NewReader(golden))
		if err != nil {
			t.Fatal(err)
		}
		if err := schema.Validate(answer); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		// Every member counts: without it, or with another type, the answer is refused.
		members := answer.(map[string]any)
		for member, value := range members {
			delete(members, member)
			if schema.Validate(members) == nil && member != "by_port" { // for several ports only
				t.Errorf("%s: %s may be missing", name, member)
			}
			members[member] = json.Number("-1")
			if schema.Validate(members) == nil {
				t.Errorf("%s: %s may be -1", name, member)
			}
			members[member] = value
		}
	}
}
