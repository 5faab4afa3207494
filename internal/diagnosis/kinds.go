package diagnosis

import (
	"fmt"

	"frontsockets/internal/tally"
)

// Code names a kind of trouble.
type Code string

// The codes.
const (
	Healthy          Code = "healthy"
	Down             Code = "down"
	Hung             Code = "hung"
	OutOfDescriptors Code = "out_of_descriptors"
	CrashLoop        Code = "crash_loop"
	FeedStalled      Code = "feed_stalled"
	NotClosing       Code = "not_closing"
	ClientLoop       Code = "client_loop"
	Network          Code = "network"
	SynBacklog       Code = "syn_backlog"
	MassLogoff       Code = "mass_logoff"
	Unclear          Code = "unclear"
)

// Blame says whose trouble it is.
type Blame string

// The parties. Nobody is to blame where there is no trouble.
const (
	Front   Blame = "the front"
	Client  Blame = "a client"
	Path    Blame = "the network"
	Nobody  Blame = "nobody"
	NotSure Blame = "not known"
)

// Kind explains one code.
type Kind struct {
	Code  Code
	Blame Blame
	// Means is what the sockets show.
	Means string
	// Restart answers whether a restart of the front helps.
	Restart string
}

// Kinds has every code once, in the order of the documents.
var Kinds = []Kind{
	{Healthy, Nobody, fmt.Sprintf("No trouble, or fewer than %d abnormal sockets.", minAbnormal),
		"no"},
	{Down, Front, "Nothing listens on a port that was asked for.",
		"start it"},
	{Hung, Front, fmt.Sprintf("The front accepts nothing while the accept queue overflows or a connection has waited in"+
		" it for %s. Or it reads nothing while most clients have sent data, or have closed. Another look, %s"+
		" later, finds the same.", tally.MinimumWait, MinimumInterval),
		"yes, after saving the evidence"},
	{OutOfDescriptors, Front, "As hung, and the process has as many descriptors open as it may. Without the right to" +
		" read the process's descriptors the diagnosis is hung.",
		"not if the limit can be raised"},
	{CrashLoop, Front, "The front closes every session soon after the login, and the clients come back. Or the" +
		" listener belongs to a service manager, and no process serves it.",
		"only after the cause is known"},
	{FeedStalled, Front, "The clients stay and can be sent data, and all or most were sent nothing for" +
		" --stalled-after (market data only).",
		"if only this group stalls"},
	{NotClosing, Front, "CLOSE_WAIT sockets pile up and stay, and the front serves.",
		"after the close of trading"},
	{ClientLoop, Client, fmt.Sprintf("One client has %d %% of at least %d abnormal sockets and comes back again and"+
		" again. Or one client does not read, or does not close.", dominantPct, minLoop),
		"no"},
	{Network, Path, fmt.Sprintf("Segments to several clients are retransmitted, on %d %% of the sessions or more; or to"+
		" one client, on most of all sessions.", retransmittingPct),
		"no"},
	{SynBacklog, Path, "Half-open connections pile up, and half of them do not answer.",
		"no"},
	{MassLogoff, Nobody, "Many sessions of several clients were closed in order, and they do not come back.",
		"no"},
	{Unclear, NotSure, "There is trouble, and the evidence fits no other diagnosis, or a source does not tell what" +
		" would decide. -v says what is missing.",
		"decide by the evidence"},
}

// BlamesFront reports whether the code blames the front.
func (c Code) BlamesFront() bool {
	for _, k := range Kinds {
		if k.Code == c {
			return k.Blame == Front
		}
	}
	return false
}

// Phrase is what the first line can say of a diagnosis: N stands for a number.
type Phrase struct {
	Code Code
	Text string
}

// Phrases returns every phrase of every rule, in the order of Kinds.
func Phrases() []Phrase {
	byOwner := map[Code]string{OutOfDescriptors: phraseOutOfDescriptors, CrashLoop: phraseServiceManager}
	var list []Phrase
	for _, k := range Kinds {
		said := map[string]bool{"": true}
		if text := byOwner[k.Code]; text != "" { // addOwner makes it of Hung
			list = append(list, Phrase{k.Code, text})
		}
		for _, r := range rules {
			if r.code == k.Code && !said[r.phrase] {
				said[r.phrase] = true
				list = append(list, Phrase{k.Code, r.phrase})
			}
		}
	}
	return list
}
