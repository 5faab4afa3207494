package plugins

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"frontsockets/internal/diagnosis"
	"frontsockets/internal/suggest"
	"frontsockets/internal/tally"
	"frontsockets/internal/threshold"
	"frontsockets/internal/verdict"
)

// Policy is a set of ready-made thresholds, as after -w and -c.
type Policy struct{ warning, critical []string }

// PolicyNames are the names of the policies, the default first.
var PolicyNames = []string{"standard", "seed", "strict"}

// Policies returns the policies by name. Seed is the rule of the operators' old script. Standard adds
// the diagnoses that blame the front, so that no answer is OK while its text blames the front. Strict
// alarms on every diagnosis that blames the front, a client or the network. It limits no count, so it
// suits a front of three clients as well as one of 10,000. None of them has Down: --no-listener
// decides on that.
func (p Profile) Policies() map[string]Policy {
	seed := "abnormal=" + p.Critical
	// A front that does not close can wait for its restart until the close of trading.
	mild := func(k diagnosis.Kind) bool { return k.Code == diagnosis.NotClosing }
	blamesFront := func(k diagnosis.Kind) bool { return k.Blame == diagnosis.Front && k.Code != diagnosis.Down }
	return map[string]Policy{
		"seed": {critical: []string{seed}},
		"standard": {
			warning: []string{codes(func(k diagnosis.Kind) bool { return mild(k) || k.Code == diagnosis.FeedStalled })},
			critical: []string{seed, codes(func(k diagnosis.Kind) bool {
				return blamesFront(k) && !mild(k) && k.Code != diagnosis.FeedStalled
			})},
		},
		"strict": {
			warning: []string{codes(func(k diagnosis.Kind) bool {
				return mild(k) || k.Blame == diagnosis.Client || k.Blame == diagnosis.Path
			})},
			critical: []string{codes(func(k diagnosis.Kind) bool { return blamesFront(k) && !mild(k) })},
		},
	}
}

// codes returns the diagnoses that are in a set, as after -w and -c.
func codes(in func(diagnosis.Kind) bool) string {
	var list []string
	for _, k := range diagnosis.Kinds {
		if in(k) {
			list = append(list, string(k.Code))
		}
	}
	return "diagnosis=" + strings.Join(list, ",")
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

// level is the thresholds of one status.
type level struct {
	ranges verdict.Thresholds
	// codes are the diagnoses that alarm; nil if none is named, empty if "none" is.
	codes []diagnosis.Code
}

// parseLevel reads [METRIC=]RANGE and diagnosis=CODE[,CODE…] words.
func parseLevel(words []string) (level, error) {
	l := level{ranges: verdict.Thresholds{}}
	for _, word := range words {
		if strings.ContainsAny(word, "<>") { // the output cannot quote them
			return l, errors.New("a range has no sign of comparison: write 50 for more than 50, @50: for 50 and more, 5: for" +
				" less than 5")
		}
		name, text, named := strings.Cut(word, "=")
		if !named {
			name, text = tally.Abnormal.String(), word
		}
		if name == "" {
			return l, fmt.Errorf("'%s' has no metric before '='", word)
		}
		if name == "diagnosis" {
			codes, err := parseCodes(text)
			if err != nil {
				return l, err
			}
			l.codes = append(codes, l.codes...) // not nil, even for none
			continue
		}
		metric, err := metricNamed(name, "diagnosis")
		if err != nil {
			return l, err
		}
		limit, err := threshold.Parse(text)
		if err != nil {
			return l, rangeError(metric, text, err)
		}
		if other, twice := l.ranges[metric]; twice {
			return l, fmt.Errorf("'%s' is a second range for %s, which has %s; give one range for each metric", word, metric,
				other)
		}
		l.ranges[metric] = limit
	}
	return l, nil
}

// parseCodes reads codes of diagnoses separated by commas; "front" stands for all that blame
// the front, "none" for none.
func parseCodes(text string) ([]diagnosis.Code, error) {
	known := []string{"front", "none"}
	front := []diagnosis.Code{}
	for _, k := range diagnosis.Kinds {
		known = append(known, string(k.Code))
		if k.Blame == diagnosis.Front {
			front = append(front, k.Code)
		}
	}
	codes := []diagnosis.Code{}
	for _, word := range strings.Split(text, ",") {
		switch {
		case !slices.Contains(known, word):
			return nil, fmt.Errorf("'%s' is not a diagnosis%s; use %s", word, suggest.DidYouMean(word, known), list(known))
		case word == "front":
			codes = append(codes, front...)
		case word != "none":
			codes = append(codes, diagnosis.Code(word))
		}
	}
	return codes, nil
}

// policy returns the operator's thresholds. At each level, the ready-made policy adds what the operator
// did not set: the range of a metric, or the diagnoses.
func (p Profile) policy(name string, warning, critical level) (verdict.Policy, error) {
	ready, known := p.Policies()[name]
	if !known {
		return verdict.Policy{}, fmt.Errorf("'%s' is not a policy%s; use %s", name,
			suggest.DidYouMean(name, PolicyNames), list(PolicyNames))
	}
	v := verdict.Policy{
		Warning: warning.ranges, Critical: critical.ranges, Diagnosis: map[diagnosis.Code]verdict.Status{},
		FromPreset: map[verdict.Status]map[tally.Metric]bool{verdict.Warning: {}, verdict.Critical: {}},
	}
	for _, level := range []struct {
		status verdict.Status
		words  []string
		own    level
	}{{verdict.Warning, ready.warning, warning}, {verdict.Critical, ready.critical, critical}} {
		preset, err := parseLevel(level.words)
		if err != nil {
			return v, err
		}
		for m, limit := range preset.ranges {
			if _, set := level.own.ranges[m]; !set {
				level.own.ranges[m] = limit
				v.FromPreset[level.status][m] = true
			}
		}
		codes := level.own.codes
		if codes == nil {
			codes = preset.codes
		}
		for _, code := range codes { // CRITICAL comes last and wins
			v.Diagnosis[code] = level.status
		}
	}
	return v, nil
}
