package source

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"slices"
	"time"

	"frontsockets/internal/tcp"
)

// A snapshot is a text of JSON lines: a header, a line for each socket, and a
// trailer without which it was cut short.
//
//	{"frontsockets_snapshot":1,"time":"2026-11-23T09:30:00.12+08:00","host":"front7","source":"sockdiag",…,"ports":"41213",…}
//	{"state":"time_wait","local":"10.1.0.7:41213","client":"10.1.2.3:50000","recv_q":0,…}
//	{"sockets":1}
const snapshotVersion = 1

// DefaultMaxAge is how old a snapshot may be: two rounds of a collector that cron
// starts each minute, and some time for them to run.
const DefaultMaxAge = 150 * time.Second

type snapshotHeader struct {
	Version   int            `json:"frontsockets_snapshot"`
	Time      time.Time      `json:"time"` // of the look
	Host      string         `json:"host"` // whose sockets these are, if that is known
	Source    string         `json:"source"`
	Passed    []string       `json:"passed"` // why each better source did not speak
	Ports     string         `json:"ports"`
	Addresses []netip.Prefix `json:"addresses"` // local ones that were asked for; none for any
	Tells     []string       `json:"tells"`     // names of facts
	Blind     []string       `json:"blind"`     // names of states
}

// snapshotRow is one socket. A fact that is not known is left out, and so is one that
// its kind of socket does not have: a session has no backlog, a listener no Send-Q.
type snapshotRow struct {
	State        string          `json:"state"`
	Local        netip.AddrPort  `json:"local"`
	Remote       *netip.AddrPort `json:"client,omitempty"`
	RecvQ        *uint32         `json:"recv_q,omitempty"`
	SendQ        *uint32         `json:"send_q,omitempty"`
	Backlog      *uint32         `json:"backlog,omitempty"`
	Inode        *uint64         `json:"inode,omitempty"`
	Retransmits  *uint8          `json:"retransmits,omitempty"`
	Probing      bool            `json:"probing,omitempty"`            // known with retransmits
	LastDataSent *uint32         `json:"last_data_sent,omitempty"`     // ms
	LastDataRecv *uint32         `json:"last_data_received,omitempty"` // ms, known with last_data_sent
	Drops        *uint32         `json:"drops,omitempty"`
	MPTCP        bool            `json:"mptcp,omitempty"`
}

type snapshotTrailer struct {
	Sockets int `json:"sockets"`
}

// factNames has the name of each bit of tcp.Facts, in order: that of its member.
var factNames = []string{"client", "recv_q", "send_q", "backlog", "inode", "retransmits", "last_data_sent", "drops"}

// Recording keeps the sockets of one look, so that they can be saved.
type Recording struct {
	rows bytes.Buffer
	n    int
}

// Add records one socket. It keeps nothing of s.
func (r *Recording) Add(s *tcp.Socket) {
	row := snapshotRow{State: s.State.String(), Local: s.Local, Probing: s.Probing, MPTCP: s.MPTCP}
	listener := s.State == tcp.Listen
	row.Remote = fact(s, tcp.KnowsClient, s.Remote)
	row.RecvQ = fact(s, tcp.KnowsRecvQ, s.RecvQ)
	if listener {
		row.Backlog = fact(s, tcp.KnowsBacklog, s.SendQ)
	} else {
		row.SendQ = fact(s, tcp.KnowsSendQ, s.SendQ)
	}
	row.Inode = fact(s, tcp.KnowsInode, s.Inode)
	row.Retransmits = fact(s, tcp.KnowsRetransmits, s.Retransmits)
	row.LastDataSent = fact(s, tcp.KnowsLastDataSent, uint32(s.LastDataSent.Milliseconds()))
	row.LastDataRecv = fact(s, tcp.KnowsLastDataSent, uint32(s.LastDataReceived.Milliseconds()))
	row.Drops = fact(s, tcp.KnowsDrops, s.Drops)
	r.rows.Write(jsonLine(row))
	r.n++
}

func fact[T any](s *tcp.Socket, f tcp.Facts, v T) *T {
	if !s.Known.Has(f) {
		return nil
	}
	return &v
}

func jsonLine(v any) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err) // only unsupported types fail, and the caller turns a panic into UNKNOWN
	}
	return append(b, '\n')
}

// Save writes the snapshot of a look, its sockets asked for by q. Readers see the old
// file or the new one, whole. After an error the old one is still there.
func (r *Recording) Save(file string, q Query, seen Seen) error {
	return replaceFile(file, r.text(q, seen))
}

func (r *Recording) text(q Query, seen Seen) []byte {
	h := snapshotHeader{
		Version: snapshotVersion, Time: seen.Time, Host: seen.Host, Source: seen.Source,
		Passed: []string{}, Ports: q.Ports.String(), Addresses: append([]netip.Prefix{}, q.Addresses...), Tells: []string{}, Blind: []string{},
	}
	for _, err := range seen.Passed {
		h.Passed = append(h.Passed, err.Error())
	}
	for i, name := range factNames {
		if seen.Tells.Has(1 << i) {
			h.Tells = append(h.Tells, name)
		}
	}
	for state := tcp.Established; state < tcp.NumStates; state++ {
		if seen.Blind.Has(state) {
			h.Blind = append(h.Blind, state.String())
		}
	}
	return slices.Concat(jsonLine(h), r.rows.Bytes(), jsonLine(snapshotTrailer{r.n}))
}

// snapshot reads what Save wrote.
func snapshot(file string, w World) Source {
	return Source{"snapshot:" + file, func(ctx context.Context, q Query, begin func() Visit) (seen Seen, err error) {
		_, err = readFile(file, w, func(r io.Reader) error {
			seen, err = readSnapshot(newLines(ctx, r), w, q, begin())
			return err
		})
		return seen, err
	}}
}

func readSnapshot(text *lines, w World, q Query, visit Visit) (Seen, error) {
	line, err := text.next()
	switch {
	case err == io.EOF:
		return Seen{}, errors.New("empty")
	case err != nil:
		return Seen{}, err
	}
	var version struct {
		Version int `json:"frontsockets_snapshot"`
	}
	if err := json.Unmarshal(line, &version); err != nil || version.Version == 0 {
		return Seen{}, text.wrong(errors.New("not the header of a snapshot"), line)
	}
	if version.Version != snapshotVersion {
		return Seen{}, fmt.Errorf("a snapshot of version %d, and this program reads version %d", version.Version, snapshotVersion)
	}
	var h snapshotHeader
	if err := strictJSON(line, &h); err != nil {
		return Seen{}, text.wrong(err, line)
	}
	seen, err := h.seen()
	if err != nil {
		return Seen{}, text.wrong(err, line)
	}
	recorded, err := h.answers(q, w)
	if err != nil {
		return Seen{}, err
	}
	for n := 0; ; n++ {
		line, err := text.next()
		switch {
		case err == io.EOF:
			return Seen{}, fmt.Errorf("cut short behind line %d, it has no trailer", text.n)
		case err != nil:
			return Seen{}, err
		}
		if bytes.HasPrefix(line, []byte(`{"sockets":`)) {
			var t snapshotTrailer
			if err := strictJSON(line, &t); err != nil {
				return Seen{}, text.wrong(err, line)
			}
			if t.Sockets != n {
				return Seen{}, text.wrong(fmt.Errorf("%d sockets came before", n), line)
			}
			break
		}
		s, err := parseSnapshotRow(line)
		if err != nil {
			return Seen{}, text.wrong(err, line)
		}
		if !recorded.Has(s.Local.Port()) {
			return Seen{}, text.wrong(fmt.Errorf("port %d was not recorded", s.Local.Port()), line)
		}
		if q.wants(&s) {
			visit(&s)
		}
	}
	if line, err := text.next(); err != io.EOF {
		return Seen{}, text.wrong(errors.New("more behind the trailer"), line)
	}
	return seen, nil
}

// seen is the look that was recorded.
func (h snapshotHeader) seen() (Seen, error) {
	seen := Seen{Source: h.Source, Recorded: true, Host: h.Host, Time: h.Time}
	if h.Time.IsZero() || h.Source == "" || h.Addresses == nil || h.Tells == nil || h.Blind == nil {
		return seen, errors.New("not the whole header of a snapshot")
	}
	for _, why := range h.Passed {
		seen.Passed = append(seen.Passed, errors.New(why))
	}
	for _, name := range h.Tells {
		i := slices.Index(factNames, name)
		if i < 0 {
			return seen, fmt.Errorf("'%s' is not a fact", name)
		}
		seen.Tells |= 1 << i
	}
	for _, name := range h.Blind {
		state, err := tcp.ParseState(name)
		if err != nil {
			return seen, err
		}
		seen.Blind |= tcp.Set(state)
	}
	return seen, nil
}

// answers gives the ports that were recorded, or why the snapshot cannot answer.
func (h snapshotHeader) answers(q Query, w World) (tcp.Ports, error) {
	if w.MaxAge == 0 {
		w.MaxAge = DefaultMaxAge
	}
	if err := fresh(w.Now.Sub(h.Time), w.MaxAge); err != nil {
		return nil, err
	}
	recorded, err := tcp.ParsePorts(h.Ports)
	if err != nil {
		return nil, fmt.Errorf("line 1: ports: %w", err)
	}
	for port := range q.Ports.All {
		if !recorded.Has(port) {
			return nil, fmt.Errorf("port %d was not recorded, only %s", port, recorded)
		}
	}
	if len(h.Addresses) == 0 {
		return recorded, nil
	}
	if len(q.Addresses) == 0 {
		return nil, fmt.Errorf("not all addresses were recorded, only %v (-a)", h.Addresses)
	}
	for _, asked := range q.Addresses {
		covers := func(p netip.Prefix) bool { return p.Bits() <= asked.Bits() && p.Contains(asked.Addr()) }
		if !slices.ContainsFunc(h.Addresses, covers) {
			return nil, fmt.Errorf("address %s was not recorded, only %v (-a)", asked, h.Addresses)
		}
	}
	return recorded, nil
}

func parseSnapshotRow(line []byte) (s tcp.Socket, err error) {
	var row snapshotRow
	if err := strictJSON(line, &row); err != nil {
		return s, err
	}
	if s.State, err = tcp.ParseState(row.State); err != nil {
		return s, err
	}
	if s.Local = row.Local; s.Local.Port() == 0 {
		return s, errors.New("no local port")
	}
	s.MPTCP, s.Probing = row.MPTCP, row.Probing
	known(&s, tcp.KnowsClient, row.Remote, &s.Remote)
	known(&s, tcp.KnowsRecvQ, row.RecvQ, &s.RecvQ)
	known(&s, tcp.KnowsSendQ, row.SendQ, &s.SendQ)
	known(&s, tcp.KnowsBacklog, row.Backlog, &s.SendQ)
	known(&s, tcp.KnowsInode, row.Inode, &s.Inode)
	known(&s, tcp.KnowsRetransmits, row.Retransmits, &s.Retransmits)
	known(&s, tcp.KnowsDrops, row.Drops, &s.Drops)
	var ms uint32
	known(&s, tcp.KnowsLastDataSent, row.LastDataSent, &ms)
	s.LastDataSent = time.Duration(ms) * time.Millisecond
	if row.LastDataRecv != nil {
		s.LastDataReceived = time.Duration(*row.LastDataRecv) * time.Millisecond
	}
	return s, nil
}

func known[T any](s *tcp.Socket, f tcp.Facts, from, to *T) {
	if from != nil {
		*to = *from
		s.Known |= f
	}
}

// strictJSON reads a line that has one value and no member that v does not know.
func strictJSON(line []byte, v any) error {
	d := json.NewDecoder(bytes.NewReader(line))
	d.DisallowUnknownFields()
	if err := d.Decode(v); err != nil {
		return err
	}
	if _, err := d.Token(); err != io.EOF {
		return errors.New("more than one value")
	}
	return nil
}
