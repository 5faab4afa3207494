package report

import (
	"cmp"
	"math/bits"
	"slices"
	"strings"
	"time"

	"frontsockets/internal/diagnosis"
	"frontsockets/internal/tcp"
)

// Detail is what the lines of an incident tell in full.
type Detail struct {
	Reason string // the answer at the worst moment
	Code   string // the diagnosis then, or "" if there was none
	States []State
	Points []Point // what the charts show
	// First is the client that was affected first, of those that were affected much; nil if the log
	// names none.
	First   *Client
	Clients []*Client // those affected most
	More    int       // how many more clients were affected, at least
	Others  []*Other  // every other front at the worst moment

	here     clientsSeen // at the worst moment
	unwell   int         // clients that were affected much then
	affected map[string]*Client
}

// State is a number of sockets in one state.
type State struct {
	Name string
	N    int
}

// Point is one look of a chart.
type Point struct {
	At     time.Time
	Status Status
	States []State // nil if nothing was counted
	// Queue, Backlog and FeedAge are nil if they are not known.
	Queue, Backlog, FeedAge *float64
}

// Client is a client that was affected.
type Client struct {
	Address, Name string
	Since         time.Time // of the first look at which it had an eighth of its Peak
	Peak          int       // the most sockets that were affected at one time of the incident
	Here          Fare      // at the worst moment
	There         []Fare    // at every other front, in the order of Detail.Others
	Verdict       Verdict

	// since is when it had 1, 2, 4 … affected sockets first.
	since [maxPower]int64
}

// maxPower is enough for 65,535 sockets, the most that one client can have with a port.
const maxPower = 17

// Fare is how a client fared at one front.
type Fare struct {
	Front  *Front
	Seen   Seen
	States []State
	// Ill says that it had many abnormal sockets, compared with what it had at the front in trouble. Well
	// says that it was not ill, had established sessions, and that the front itself was OK.
	Well, Ill bool

	abnormal int
	served   bool // it had established sessions, and the front was OK
}

// judge decides whether the client was well or ill, by the most sockets that were affected at the
// front in trouble.
func (f Fare) judge(peak int) Fare {
	f.Ill = isMuch(f.abnormal, peak)
	f.Well = f.served && !f.Ill
	return f
}

// Seen is what the log tells of a client at a front.
type Seen int

// What the log tells of a client.
const (
	NoLook    Seen = iota // no look at that time
	NoSession             // the client had none
	NotListed             // the line leaves out some clients, and this may be one of them
	Listed
)

// Other is another front at the worst moment.
type Other struct {
	Front *Front
	// Looked says that there was a look at that time, with this Status. Closed says that it was out
	// of every trading session, so nobody judged the front.
	Looked bool
	Status Status
	Closed bool

	look    outline
	clients clientsSeen
}

// clientsSeen is what one line tells of some clients.
type clientsSeen struct {
	fares map[string]Fare
	all   bool // no client is left out
}

// Verdict is whose trouble it is, as the comparison with other fronts tells.
type Verdict int

// The verdicts.
const (
	NoVerdict Verdict = iota
	TheFront          // the client is well at other fronts
	TheClient         // it has trouble at other fronts too, and the other clients have little or none
)

// Numbers that bound what is read and shown.
const (
	// maxPoints is how many looks a chart has, and beginning how long after the begin of an
	// incident every look is read, to see who was affected first.
	maxPoints, beginning = 120, 2 * time.Minute
	// maxClients is how many affected clients of an incident are compared, and shownClients how
	// many of them are told.
	maxClients, shownClients = 5000, 10
	// reach is how far from the worst moment a look at another front may be, if looks there
	// are not further apart.
	reach = 90 * time.Second
)

// position is where a line is.
type position struct {
	file uint16
	line uint32
}

// wanted is a line that is read in full.
type wanted struct {
	Identity
	look outline
	take []func(entry)
}

// wantedLines are the lines that a reading reads in full.
type wantedLines map[position]*wanted

func (w wantedLines) add(f *Front, o outline, take func(entry)) {
	at := position{o.file, o.line}
	if w[at] == nil {
		w[at] = &wanted{Identity: f.Identity, look: o}
	}
	w[at].take = append(w[at].take, take)
}

// readDetails reads the lines that are shown. Of the lines of other fronts it keeps the clients that are
// told, because all clients of 50 incidents at many fronts need too much memory.
func (r *reader) readDetails(s *Story) {
	want := wantedLines{}
	for _, n := range s.Incidents {
		n.affected = map[string]*Client{}
		for _, look := range n.sample() {
			want.add(n.Front, look, func(e entry) { n.take(r, look, e) })
		}
	}
	r.readLines(want)
	clear(want)
	for _, n := range s.Incidents {
		n.chooseClients(r)
		for _, f := range s.Fronts {
			if f != n.Front {
				n.Others = append(n.Others, nearest(f, n.worst.at))
			}
		}
		if len(n.Clients) == 0 {
			continue
		}
		want.add(n.Front, n.worst, func(e entry) { n.here = clientsOf(e, n.Clients, n.Front, false) })
		for _, o := range n.Others {
			if o.Looked {
				want.add(o.Front, o.look, func(e entry) { o.clients = clientsOf(e, n.Clients, o.Front, o.isWell()) })
			}
		}
	}
	r.readLines(want)
	for _, n := range s.Incidents {
		n.compareClients(r)
	}
}

// readLines reads the wanted lines in full. What went wrong in the first reading has been told; a
// file that cannot be read again, or has other lines now, is told here.
func (r *reader) readLines(want wantedLines) {
	left := map[uint16]int{} // wanted lines of a file
	for at := range want {
		left[at.file]++
	}
	for i, log := range r.logs {
		file := uint16(i)
		if left[file] == 0 {
			continue
		}
		// An error has been told, or leaves lines unread, which is told below.
		_, _ = eachLine(log, func(n uint32, line []byte, _ bool) {
			w := want[position{file, n}]
			if w == nil {
				return
			}
			left[file]--
			line, _ = whole(line)
			g, err := glanceAt(line)
			if err != nil || g.Identity.printable() != w.Identity || g.time.Unix() != w.look.at || g.status != w.look.status {
				r.skip(position{file, n}, errChanged)
				return
			}
			e, err := entryOf(line)
			if err != nil {
				r.skip(position{file, n}, err)
				return
			}
			for _, take := range w.take {
				take(e)
			}
		})
		if left[file] > 0 {
			r.skip(position{file, 0}, errChanged)
		}
	}
}

// skip tells what a later reading skips, once.
func (r *reader) skip(at position, why error) {
	if !r.told[at] {
		r.told[at] = true
		r.skipped.add(r.logs[at.file].Name, int(at.line), why)
	}
}

// sample returns the looks of an incident that are read in full: those at its beginning, and
// the worst one in each column of the charts.
func (n *Incident) sample() []outline {
	first, last := n.looks[0].at, n.looks[len(n.looks)-1].at
	column := max((last-first)/maxPoints, 1)
	var sample []outline
	kept := int64(-1) // the column of the last one
	for _, look := range n.looks {
		c := (look.at - first) / column
		beginning := look.at <= n.From.Add(beginning).Unix() && len(sample) < 3*maxPoints
		switch {
		case look == n.worst || beginning || c != kept:
			sample = append(sample, look)
		case sample[len(sample)-1] != n.worst && worse(look, sample[len(sample)-1]):
			sample[len(sample)-1] = look
		}
		kept = c
	}
	return sample
}

// nearest returns a front as it was at a time.
func nearest(f *Front, at int64) *Other {
	i, _ := slices.BinarySearchFunc(f.looks, at, byTime)
	other := &Other{Front: f}
	distance := int64(max(reach, 2*f.Interval)/time.Second) + 1
	for _, look := range f.looks[max(i-1, 0):min(i+1, len(f.looks))] {
		if d := max(look.at-at, at-look.at); d < distance {
			other.Looked, other.look, distance = true, look, d
		}
	}
	other.Status, other.Closed = other.look.status, other.look.closed
	return other
}

// take adds a line to the incident.
func (n *Incident) take(r *reader, look outline, e entry) {
	if look == n.worst {
		n.Reason, n.States = printable(e.Reason), statesOf(e.States)
		n.unwell = n.countUnwell(r, e.Clients)
	}
	p := Point{At: r.at(look.at), Status: look.status, States: statesOf(e.States), FeedAge: e.Metrics["feed_age"]}
	for _, l := range e.Listeners { // the fullest
		if queue := number(l.AcceptQueue); queue != nil && (p.Queue == nil || *queue >= *p.Queue) {
			p.Queue, p.Backlog = queue, number(l.Backlog)
		}
	}
	// The log may leave out the listener with the longest queue.
	if longest := e.Metrics["accept_queue"]; longest != nil && (p.Queue == nil || *longest > *p.Queue) {
		p.Queue, p.Backlog = longest, nil
	}
	n.Points = append(n.Points, p)
	if look.at > n.LastTrouble.Unix() {
		return // the chart goes on, but nobody is affected any more
	}
	for _, c := range e.Clients {
		affected := n.sockets(r, c)
		if affected <= 0 {
			continue
		}
		address := short(c.Address)
		client, known := n.affected[address]
		if !known {
			if len(n.affected) == maxClients {
				continue
			}
			client = &Client{Address: address}
			n.affected[address] = client
		}
		client.Name = cmp.Or(short(c.Name), client.Name)
		if look.at >= n.From.Unix() {
			client.Peak = max(client.Peak, affected)
		}
		for power := range bits.Len(uint(affected)) {
			if power < maxPower && (client.since[power] == 0 || look.at < client.since[power]) {
				client.since[power] = look.at
			}
		}
	}
}

// isMuch reports whether a client has many affected sockets: an eighth or more of what the most affected
// client has. A healthy client has a few in TIME_WAIT at times.
func isMuch(affected, most int) bool { return affected >= max(most/8, 1) }

// countUnwell returns how many clients are affected much (isMuch).
func (n *Incident) countUnwell(r *reader, clients []clientEntry) int {
	most, unwell := 0, 0
	for _, c := range clients {
		most = max(most, n.sockets(r, c))
	}
	for _, c := range clients {
		if isMuch(n.sockets(r, c), most) {
			unwell++
		}
	}
	return unwell
}

func number(n *uint32) *float64 {
	if n == nil {
		return nil
	}
	f := float64(*n)
	return &f
}

// sockets returns how many sockets of a client are affected by the kind of trouble.
func (n *Incident) sockets(r *reader, c clientEntry) int {
	code := diagnosis.Code(r.code(n.worst))
	affected := c.Abnormal
	switch {
	case code == diagnosis.FeedStalled && c.Stalled != nil:
		affected = max(affected, *c.Stalled)
	case code == diagnosis.ClientLoop && c.ZeroWindow != nil:
		affected = max(affected, *c.ZeroWindow)
	case code.BlamesFront() && c.UnreadBytes != nil && *c.UnreadBytes > 0:
		affected = max(affected, 1) // how many is not told
	}
	return affected
}

// statesOf returns the states of sessions that have a socket, in the order of the kernel's numbers.
func statesOf[N int | *int](counts map[string]N) []State {
	var states []State
	for s := tcp.Established; s < tcp.NumStates; s++ {
		if s == tcp.Listen {
			continue
		}
		switch n := any(counts[s.String()]).(type) {
		case int:
			if n > 0 {
				states = append(states, State{s.String(), n})
			}
		case *int:
			if n != nil && *n > 0 {
				states = append(states, State{s.String(), *n})
			}
		}
	}
	return states
}

// chooseClients chooses the clients that are told, when the lines of the incident have been read.
func (n *Incident) chooseClients(r *reader) {
	n.Code = r.code(n.worst)
	slices.SortFunc(n.Points, func(a, b Point) int { return a.At.Compare(b.At) })
	for _, c := range n.affected {
		if c.Peak == 0 {
			continue // it had trouble only before the incident
		}
		eighth := max(bits.Len(uint(c.Peak))-1-3, 0)
		c.Since = r.at(c.since[min(eighth, maxPower-1)])
		n.Clients = append(n.Clients, c)
	}
	slices.SortFunc(n.Clients, func(a, b *Client) int {
		return cmp.Or(cmp.Compare(b.Peak, a.Peak), a.Since.Compare(b.Since), strings.Compare(a.Address, b.Address))
	})
	for _, c := range n.Clients {
		if isMuch(c.Peak, n.Clients[0].Peak) && (n.First == nil || c.Since.Before(n.First.Since)) {
			n.First = c
		}
	}
	if n.More = len(n.Clients) - shownClients; n.More > 0 {
		n.Clients = n.Clients[:shownClients]
	} else {
		n.More = 0
	}
	n.Clients, n.affected = slices.Clone(n.Clients), nil // the others need memory no longer
}

// compareClients compares the clients with how they fared at other fronts, when the lines of these have
// been read.
func (n *Incident) compareClients(r *reader) {
	for _, c := range n.Clients {
		c.Here = n.here.fare(n.Front, c.Address).judge(c.Peak)
		for _, o := range n.Others {
			c.There = append(c.There, o.clients.fare(o.Front, c.Address).judge(c.Peak))
		}
		c.Verdict = c.verdict(diagnosis.Code(r.code(n.worst)), n.unwell)
	}
}

// isWell reports whether somebody has judged the front, and it was OK.
func (o *Other) isWell() bool { return o.Looked && o.Status == OK && !o.Closed }

// clientsOf returns what a line of a front tells of some clients.
func clientsOf(e entry, clients []*Client, f *Front, isWell bool) clientsSeen {
	seen := clientsSeen{fares: map[string]Fare{}, all: e.Omitted != nil && *e.Omitted == 0}
	for _, c := range e.Clients {
		address := short(c.Address)
		if !slices.ContainsFunc(clients, func(told *Client) bool { return told.Address == address }) {
			continue
		}
		seen.fares[address] = Fare{
			Front: f, Seen: Listed, States: statesOf(c.States), abnormal: c.Abnormal,
			served: isWell && c.States[tcp.Established.String()] > 0,
		}
	}
	return seen
}

// fare returns how a client fared at a front.
func (s clientsSeen) fare(f *Front, address string) Fare {
	fare, listed := s.fares[address]
	switch {
	case listed:
		return fare
	case s.fares == nil:
		return Fare{Front: f, Seen: NoLook}
	case s.all:
		return Fare{Front: f, Seen: NoSession}
	}
	return Fare{Front: f, Seen: NotListed}
}

// Disagrees reports whether the diagnosis names one client, and the comparison with other fronts
// speaks against that.
func (n *Incident) Disagrees() bool {
	return diagnosis.Code(n.Code) == diagnosis.ClientLoop && len(n.Clients) > 0 && n.Clients[0].Verdict == TheFront
}

// verdict says whose trouble it is, where the comparison with other fronts decides. Unwell is
// the number of clients that are affected much (isMuch) here.
func (c *Client) verdict(code diagnosis.Code, unwell int) Verdict {
	well, ill := false, false
	for _, f := range c.There {
		well = well || f.Well
		ill = ill || f.Ill
	}
	const several = 2 // clients that are affected at once
	loops := code == diagnosis.ClientLoop
	switch {
	case (loops || code.BlamesFront()) && well && !ill:
		return TheFront
	case loops && ill && !well && unwell < several:
		return TheClient
	}
	return NoVerdict
}
