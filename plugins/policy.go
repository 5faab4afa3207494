package plugins

import "strings"

// Policy is a set of ready-made thresholds, as after -w and -c.
type Policy struct{ warning, critical []string }

// PolicyNames are the names of the policies, the default first.
var PolicyNames = []string{"seed", "strict"}

// Policies returns those that --policy knows. The old script's rule is the default. The
// strict ones are what docs/LAB.md shows to be early without false alarms; their counts are
// one below the old limits, since that script counted the listener too.
func (p Profile) Policies() map[string]Policy {
	return map[string]Policy{"seed": {critical: []string{"abnormal=" + p.Critical}}, "strict": p.Strict}
}

// String returns the policy as one would write it.
func (p Policy) String() string {
	var words []string
	for _, w := range p.warning {
		words = append(words, "-w "+w)
	}
	for _, c := range p.critical {
		words = append(words, "-c "+c)
	}
	return strings.Join(words, " ")
}
