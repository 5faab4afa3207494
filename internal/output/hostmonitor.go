package output

import (
	"strings"

	"frontsockets/internal/tally"
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
	case r.Status() == verdict.OK:
		status = "Ok"
	case !style.Number:
		reply += " " + r.trouble()
		if r.SaveError != "" {
			reply += "; " + r.SaveError
		}
	}
	return []byte("ScriptRes:" + status + ":" + ascii(line(reply, maxText)) + "\n")
}

// unknown returns the first problem that makes the status UNKNOWN.
func (r Report) unknown() string {
	if r.Result == nil {
		return r.Failure
	}
	if r.Verdict.Status != verdict.Unknown {
		return r.SaveError
	}
	return r.Verdict.Problems[0].Text
}

// trouble returns the worst problem, the count in the words of the old script.
func (r Report) trouble() string {
	if worst := r.Verdict.Problems[0]; worst.Metric != tally.Abnormal {
		return worst.Short
	}
	return "socket disconnect"
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
