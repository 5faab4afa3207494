package plugins

import "strings"

// policy is a set of ready-made thresholds, as after -w and -c.
type policy struct{ warning, critical []string }

// policyNames are the names of the policies, the default first.
var policyNames = []string{"seed", "strict"}

// policies returns those that --policy knows. The old script's rule is the default. The
// strict ones are what docs/LAB.md shows to be early without false alarms; their counts are
// one below the old limits, since that script counted the listener too.
func (p Profile) policies() map[string]policy {
	return map[string]policy{"seed": {critical: []string{"abnormal=" + p.Critical}}, "strict": p.Strict}
}

// String returns the policy as one would write it.
func (p policy) String() string {
	var words []string
	for _, w := range p.warning {
		words = append(words, "-w "+w)
	}
	for _, c := range p.critical {
		words = append(words, "-c "+c)
	}
	return strings.Join(words, " ")
}
