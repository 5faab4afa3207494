package output

import (
	"fmt"
	"strings"

	"frontsockets/internal/diagnosis"
	"frontsockets/internal/tally"
	"frontsockets/internal/textfile"
	"frontsockets/internal/verdict"
)

// HostMonitor returns the one line that KS-Soft HostMonitor reads from a script,
// "ScriptRes:status:reply", in ASCII. WARNING is Bad: the product has no such status and
// derives its own from expressions on the reply.
func HostMonitor(r Report, style Style) []byte {
	count := r.counted().Values[tally.Abnormal]
	status, reply := "Bad", count.String()
	switch {
	case r.Status() == verdict.Unknown:
		status, reply = "Unknown", r.unknown()
		if r.Usage && hasColon().MatchString(reply) { // without it a range says something else
			reply = advice().ReplaceAllString(reply, "") + "; -f nagios says what to write"
		}
	case r.Status() == verdict.OK:
		status = "Ok"
	case !style.Number:
		reply += " " + r.trouble()
		if r.WriteError != "" {
			reply += "; " + r.WriteError
		}
	}
	if style.Long && status != "Unknown" {
		reply += r.long()
	}
	return []byte("ScriptRes:" + status + ":" + ascii(line(reply, maxText)) + "\n")
}

// hasColon finds a colon that somebody may want to copy: in a word, or at the end of a range.
var hasColon = textfile.Lazy(`\S:\S|@[0-9.]+:|~:`)

// advice finds the end of a usage error, which says what to write.
var advice = textfile.Lazy(`( \(did you mean|[;:] (use|write|for a file use) ).*`)

// unknown returns the first problem that makes the status UNKNOWN.
func (r Report) unknown() string {
	if r.Result == nil {
		return r.Failure
	}
	if r.Verdict.Status != verdict.Unknown {
		return r.WriteError
	}
	return r.Verdict.Problems[0].Text
}

// countedWords are what the number counts, in the words of the old script.
const countedWords = "socket disconnect"

// trouble returns the words after the number. If the count is the worst problem, they are the old
// script's; otherwise they name the worst problem. A metric and the diagnosis come after the old words,
// or they could be read as the number's unit: "63 clients is 6".
func (r Report) trouble() string {
	isDiagnosis := func(p verdict.Problem) bool {
		return p.Text == r.Diagnosis.Text && r.Diagnosis.Code != diagnosis.Down
	}
	worst := r.Verdict.Problems[0]
	for _, p := range r.Verdict.Problems { // the diagnosis comes last: it explains the others
		if p.Status == worst.Status && !isDiagnosis(p) {
			worst = p
			break
		}
	}
	switch {
	case worst.Metric == tally.Abnormal:
		return countedWords
	case worst.Text == worst.Short && !isDiagnosis(worst): // a sentence of its own: it has no threshold
		return worst.Short
	case worst.Metric == tally.FeedAge: // its short text is a sentence too
		return countedWords + "; " + worst.Short
	}
	words, _, _ := strings.Cut(worst.Text, " (") // "clients is 6 (critical 5)"
	return countedWords + "; " + words
}

// long returns what --reply long adds: the states, the top client and the diagnosis.
func (r Report) long() string {
	var parts []string
	if list := listStates(r.Result.States, r.Result.Rules.Normal); list != "" {
		parts = append(parts, list)
	}
	if len(r.Result.Clients) > 0 && r.Result.Clients[0].Abnormal > 0 {
		top := r.Result.Clients[0]
		parts = append(parts, fmt.Sprintf("%d from %s", top.Abnormal, r.who(top.Addr)))
	} else if !r.Result.Values[tally.AbnormalClients].Known() {
		parts = append(parts, "from unknown clients")
	}
	if r.Excluded > 0 {
		parts = append(parts, r.excluded())
	}
	if r.Outside != "" {
		parts = append(parts, r.Outside)
	}
	parts = append(parts, r.Notes...)
	said := len(r.Verdict.Problems) > 0 && r.Verdict.Problems[0].Text == r.Diagnosis.Text
	if hint := strings.TrimPrefix(r.hint(), " - "); hint != "" && !said {
		parts = append(parts, hint)
	}
	var text string
	for _, part := range parts {
		text += "; " + part
	}
	return text
}

// ascii returns s without ':', at which HostMonitor may cut the reply, and in ASCII.
func ascii(s string) string {
	s = strings.NewReplacer(": ", ", ", ":", " ").Replace(s)
	return strings.Map(func(r rune) rune {
		if r > '~' {
			return '?'
		}
		return r
	}, s)
}
