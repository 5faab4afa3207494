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

// The parties. Nobody is to blame where there is no trouble, or where it is not known.
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
	// Means is what the sockets show, in one sentence.
	Means string
	// Asks is what the operator is to do.
	Asks string
	// Restart answers whether a restart of the front helps.
	Restart string
}

// Kinds has every code once, in the order of the documents.
var Kinds = []Kind{
	{Healthy, Nobody, fmt.Sprintf("No trouble, or fewer than %d abnormal sockets.", minAbnormal),
		"nothing", "no"},
	{Down, Front, "Nothing listens on a port that was asked for.",
		"start it, and read in its log why it ended", "start it"},
	{Hung, Front, fmt.Sprintf("The accept queue overflows, or a connection has waited in it for %[1]s. Or the front"+
		" does not read: half of the clients have waited %[1]s for it, or most of them have closed and it has not"+
		" noticed.", tally.MinimumWait),
		"look at the process, save the evidence", "yes, after saving the evidence"},
	{OutOfDescriptors, Front, "As hung, and the process has as many descriptors open as it may. Without the right to" +
		" read the process's descriptors the diagnosis is hung.",
		"raise the limit, find the leak", "not if the limit can be raised"},
	{FeedStalled, Front, "The clients stay, and all or most were sent nothing for --stalled-after (market data only).",
		"compare with the other groups", "if only this group stalls"},
	{NotClosing, Front, "CLOSE_WAIT sockets pile up, and the front serves.",
		"watch its descriptors", "after the close of trading"},
	{ClientLoop, Client, fmt.Sprintf("One client has %d %% of at least %d abnormal sockets, or one client does not read.", dominantPct, minLoop),
		"call the client", "no"},
	{Network, Path, fmt.Sprintf("Segments to several clients are retransmitted, on %d %% of the sessions or more.", retransmittingPct),
		"ask the network team about that subnet", "no"},
	{SynBacklog, Path, "Half-open connections pile up, and half of them do not answer.",
		"look for a scan, a flood or lost answers", "no"},
	{MassLogoff, Nobody, "Many sessions of several clients were closed in order, and they do not come back.",
		"in a session, ask why they left", "no"},
	{Unclear, NotSure, "There is trouble, and the evidence fits no other diagnosis.",
		"ask again with --sample 1s", "decide by the evidence"},
}

// Phrase is what the first line can say of a diagnosis: N stands for a number.
type Phrase struct {
	Code Code
	Text string
}

// Phrases returns every phrase of every rule, in the order of Kinds.
func Phrases() []Phrase {
	var list []Phrase
	for _, k := range Kinds {
		if k.Code == OutOfDescriptors { // a rule's Hung becomes this: see addOwner
			list = append(list, Phrase{k.Code, phraseOutOfDescriptors})
		}
		said := map[string]bool{"": true}
		for _, r := range rules {
			if r.code == k.Code && !said[r.phrase] {
				said[r.phrase] = true
				list = append(list, Phrase{k.Code, r.phrase})
			}
		}
	}
	return list
}
