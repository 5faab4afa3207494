package output

import (
	"strings"

	"frontsockets/internal/tally"
	"frontsockets/internal/verdict"
)

// HostMonitor renders the one line that KS-Soft HostMonitor reads from a script,
// "ScriptRes:status:reply", in ASCII. WARNING is Bad: the product has no such
// status, it derives its own from expressions on the reply.
func HostMonitor(r Report, style Style) []byte {
	count := r.values()[tally.Abnormal]
	var status, reply string
	switch {
	case r.Status() == verdict.Unknown:
		status, reply = "Unknown", r.unknown()
	case r.Status() == verdict.OK:
		status, reply = "Ok", count.String()
	default:
		status, reply = "Bad", count.String()
		if !style.Number {
			reply += " " + r.trouble()
			if r.SaveError != "" {
				reply += "; " + r.SaveError
			}
		}
	}
	return []byte("ScriptRes:" + status + ":" + ascii(line(reply, maxText)) + "\n")
}

// unknown is the first problem that makes the status UNKNOWN.
func (r Report) unknown() string {
	if r.Result == nil {
		return r.Failure
	}
	if r.Verdict.Status != verdict.Unknown {
		return r.SaveError
	}
	return r.Verdict.Problems[0].Text
}

// trouble is the old script's words if the count is the worst problem, and else what is.
func (r Report) trouble() string {
	worst := r.Verdict.Problems[0]
	if worst.Metric == tally.Abnormal {
		return "socket disconnect"
	}
	return worst.Short
}

// ascii replaces ':', at which HostMonitor may cut the reply, and what is not ASCII.
func ascii(s string) string {
	s = strings.ReplaceAll(s, ": ", ", ")
	return strings.Map(func(r rune) rune {
		switch {
		case r == ':':
			return ' '
		case r > '~':
			return '?'
		}
		return r
	}, s)
}
