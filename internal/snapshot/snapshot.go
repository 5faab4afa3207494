// Package snapshot saves the sockets of one look, and reads them back.
package snapshot

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"slices"
	"strings"
	"time"

	"frontsockets/internal/tcp"
	"frontsockets/internal/textfile"
)

// A snapshot is a text of JSON lines: a header, a line for each socket, and a trailer. Without
// the trailer it is truncated.
//
//	{"frontsockets_snapshot":1,"time":"2026-11-23T09:30:00.12+08:00","host":"front7",…,"ports":"41213",…}
//	{"state":"time_wait","local":"10.1.0.7:41213","client":"10.1.2.3:50000","recv_q":0,…}
//	{"sockets":1}
//
// Some JSON names differ from the field names. They must stay: people have snapshots of version 1.
const formatVersion = 1

// DefaultMaxAge is the age that a snapshot may have: two rounds of a collector that cron
// starts each minute, and some time for them to run.
const DefaultMaxAge = 150 * time.Second

type header struct {
	Version      int            `json:"frontsockets_snapshot"`
	Time         time.Time      `json:"time"` // of the look
	Host         string         `json:"host"` // whose sockets these are, if that is known
	Source       string         `json:"source"`
	Skipped      []string       `json:"passed"` // why each better source was not used
	Ports        string         `json:"ports"`
	Addresses    []netip.Prefix `json:"addresses"`             // local ones that were asked for; none for any
	Provides     []string       `json:"tells"`                 // names of facts
	HiddenStates []string       `json:"blind"`                 // names of states
	LowerBound   []string       `json:"lower_bound,omitempty"` // names of states
	MaxBacklog   uint32         `json:"max_backlog,omitempty"` // 0 is not known
	// Compared says that the look was compared with one a moment earlier.
	Compared bool `json:"compared,omitempty"`
}

// row is one socket. It leaves out facts that are not known, and those that its kind of socket
// does not have: a session has no backlog, a listener no Send-Q.
type row struct {
	State        string          `json:"state"`
	Local        netip.AddrPort  `json:"local"`
	Remote       *netip.AddrPort `json:"client,omitempty"`
	RecvQ        *uint32         `json:"recv_q,omitempty"`
	SendQ        *uint32         `json:"send_q,omitempty"`
	Backlog      *uint32         `json:"backlog,omitempty"`
	Inode        *uint64         `json:"inode,omitempty"`
	Retransmits  *uint8          `json:"retransmits,omitempty"`
	ZeroWindow   bool            `json:"probing,omitempty"`            // known with retransmits
	LastDataSent *uint32         `json:"last_data_sent,omitempty"`     // ms
	LastDataRecv *uint32         `json:"last_data_received,omitempty"` // ms, known with last_data_sent
	Drops        *uint32         `json:"drops,omitempty"`
	BytesRead    *uint64         `json:"bytes_read,omitempty"`
	RTT          *uint32         `json:"rtt,omitempty"`      // µs
	Closed       *uint32         `json:"closed,omitempty"`   // ms since it entered TIME_WAIT
	Progress     string          `json:"progress,omitempty"` // since a moment earlier
	MPTCP        bool            `json:"mptcp,omitempty"`
}

type trailer struct {
	Sockets int `json:"sockets"`
}

// factNames has the name of each bit of tcp.Facts, in order: that of its member. The last bit,
// the uid, has none: it helps to find a live process, and is not recorded.
var factNames = []string{
	"client", "recv_q", "send_q", "backlog", "inode", "retransmits", "last_data_sent", "drops",
	"bytes_read", "rtt", "closed",
}

// Recording keeps the sockets of one look, so that they can be saved.
type Recording struct {
	rows bytes.Buffer
	n    int
}

// Add records one socket. It keeps nothing of s.
func (r *Recording) Add(s *tcp.Socket) {
	row := row{State: s.State.String(), Local: s.Local, ZeroWindow: s.ZeroWindow, MPTCP: s.MPTCP}
	listener := s.State == tcp.Listen
	row.Remote = fact(s, tcp.FactClient, s.Remote)
	row.RecvQ = fact(s, tcp.FactRecvQ, s.RecvQ)
	if listener {
		row.Backlog = fact(s, tcp.FactBacklog, s.SendQ)
	} else {
		row.SendQ = fact(s, tcp.FactSendQ, s.SendQ)
	}
	row.Inode = fact(s, tcp.FactInode, s.Inode)
	row.Retransmits = fact(s, tcp.FactRetransmits, s.Retransmits)
	row.LastDataSent = fact(s, tcp.FactLastDataSent, uint32(s.LastDataSent.Milliseconds()))
	row.LastDataRecv = fact(s, tcp.FactLastDataSent, uint32(s.LastDataReceived.Milliseconds()))
	row.Drops = fact(s, tcp.FactDrops, s.Drops)
	row.BytesRead = fact(s, tcp.FactBytesRead, s.BytesRead)
	row.RTT = fact(s, tcp.FactRTT, uint32(s.RTT.Microseconds()))
	row.Closed = fact(s, tcp.FactClosed, uint32(s.Closed.Milliseconds()))
	row.Progress = s.Progress.String()
	r.rows.Write(jsonLine(row))
	r.n++
}

func fact[T any](s *tcp.Socket, f tcp.Facts, v T) *T {
	if !s.Facts.Has(f) {
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

// Save writes the snapshot of a look, whose sockets q asked for. Readers see the old
// file or the new one, whole. After an error the old one is still there. Save returns shortly
// after ctx ends, and leaves no temporary file then.
func (r *Recording) Save(ctx context.Context, file string, q tcp.Query, look tcp.Look) error {
	text := r.encode(q, look)
	if header, _, _ := bytes.Cut(text, []byte("\n")); len(header) > textfile.MaxLine {
		return errors.New("too many ranges of ports (-p) or addresses (-a)")
	}
	return replaceFile(ctx, file, text)
}

func (r *Recording) encode(q tcp.Query, look tcp.Look) []byte {
	h := header{
		Version: formatVersion, Time: look.Time, Host: look.Host, Source: look.Source, Compared: look.Compared,
		Skipped: append([]string{}, look.Skipped...), Ports: q.Ports.String(),
		Addresses: append([]netip.Prefix{}, q.Addresses...), Provides: []string{}, HiddenStates: []string{},
	}
	for i, name := range factNames {
		if look.Provides.Has(1 << i) {
			h.Provides = append(h.Provides, name)
		}
	}
	h.HiddenStates = append(h.HiddenStates, stateNames(look.HiddenStates)...)
	h.LowerBound, h.MaxBacklog = stateNames(look.LowerBound), look.MaxBacklog
	return slices.Concat(jsonLine(h), r.rows.Bytes(), jsonLine(trailer{r.n}))
}

func stateNames(set tcp.StateSet) []string {
	var names []string
	for state := tcp.Established; state < tcp.NumStates; state++ {
		if set.Has(state) {
			names = append(names, state.String())
		}
	}
	return names
}

func parseStates(names []string) (set tcp.StateSet, err error) {
	for _, name := range names {
		state, err := tcp.ParseState(name)
		if err != nil {
			return 0, errUnknownState
		}
		set |= tcp.Set(state)
	}
	return set, nil
}

// From returns the source that reads what Save wrote.
func From(file textfile.File) tcp.Source {
	look := func(ctx context.Context, q tcp.Query, visit tcp.Visit) (look tcp.Look, err error) {
		_, err = file.Read(func(r io.Reader) error {
			lines := textfile.NewLines(ctx, r)
			lines.Private = true
			look, err = read(lines, file, q, visit)
			return err
		})
		return look, err
	}
	return tcp.Source{Name: "snapshot:" + file.Name, Look: look}
}

func read(text *textfile.Lines, file textfile.File, q tcp.Query, visit tcp.Visit) (tcp.Look, error) {
	h, look, err := readHeader(text)
	if err != nil {
		return tcp.Look{}, err
	}
	recorded, err := h.answers(q, file)
	if err != nil {
		return tcp.Look{}, err
	}
	for n := 0; ; n++ {
		line, err := text.Next()
		switch {
		case err == io.EOF:
			return tcp.Look{}, fmt.Errorf("cut short after line %d: copy it again, or save it again", text.N)
		case errors.Is(err, textfile.ErrNoNewline):
			return tcp.Look{}, fmt.Errorf("%w: copy it again, or save it again", err)
		case err != nil:
			return tcp.Look{}, err
		}
		if bytes.HasPrefix(line, []byte(`{"sockets":`)) {
			var t trailer
			if err := strictJSON(line, &t); err != nil {
				return tcp.Look{}, text.Wrong(err, line)
			}
			if t.Sockets != n {
				return tcp.Look{}, text.Wrong(fmt.Errorf("%d rows came before, and it counts %d: the file was changed;"+
					" copy it again, or save it again", n, t.Sockets), line)
			}
			break
		}
		s, err := parseSnapshotRow(line)
		if err != nil {
			return tcp.Look{}, text.Wrong(err, line)
		}
		if !recorded.Has(s.Local.Port()) {
			return tcp.Look{}, text.Wrong(changed(fmt.Sprintf("port %d is not in line 1", s.Local.Port())), line)
		}
		if q.Wants(&s) {
			visit(&s)
		}
	}
	if line, err := text.Next(); err != io.EOF {
		return tcp.Look{}, text.Wrong(errTwoSnapshots, line)
	}
	return look, nil
}

// readHeader returns the header, and the look that was recorded.
func readHeader(text *textfile.Lines) (h header, look tcp.Look, err error) {
	line, err := text.Next()
	if err == io.EOF {
		return h, look, errors.New("empty: save it again (--save)")
	}
	if err != nil {
		return h, look, err
	}
	var version struct {
		Version int `json:"frontsockets_snapshot"`
	}
	if err := json.Unmarshal(line, &version); err != nil || version.Version == 0 {
		return h, look, text.Wrong(errors.New(otherFile(line)), line)
	}
	if version.Version != formatVersion {
		return h, look, fmt.Errorf("a snapshot of version %d, and this check reads version %d: a newer check saved it;"+
			" install that version here, too", version.Version, formatVersion)
	}
	if err := strictJSON(line, &h); err != nil {
		return h, look, text.Wrong(err, line)
	}
	if look, err = h.look(); err != nil {
		return h, look, text.Wrong(err, line)
	}
	return h, look, nil
}

// otherFile says of a file that is no snapshot, by its first line, how to read it.
func otherFile(line []byte) string {
	word, _, _ := bytes.Cut(bytes.TrimSpace(line), []byte(" "))
	switch strings.ToLower(string(word)) {
	case "state", "netid", "listen", "estab":
		return "this looks like the output of ss: write ss instead of snapshot after -s"
	case "active", "aktive", "proto", "tcp", "tcp4", "tcp6":
		return "this looks like the output of netstat: write netstat instead of snapshot after -s"
	}
	return "not the header of a snapshot: save it again, or leave out what was put before it; for the output of" +
		" netstat or ss write that word instead of snapshot after -s"
}

// look returns the look that was recorded.
func (h header) look() (tcp.Look, error) {
	look := tcp.Look{Source: h.Source, Recorded: true, Host: h.Host, Time: h.Time,
		Skipped: h.Skipped, Compared: h.Compared, MaxBacklog: h.MaxBacklog}
	if h.Time.IsZero() || h.Source == "" || h.Addresses == nil || h.Provides == nil || h.HiddenStates == nil {
		return look, changed("the header is incomplete")
	}
	for _, name := range h.Provides {
		i := slices.Index(factNames, name)
		if i < 0 {
			return look, changed("an unknown fact")
		}
		look.Provides |= 1 << i
	}
	var err error
	if look.HiddenStates, err = parseStates(h.HiddenStates); err != nil {
		return look, err
	}
	look.LowerBound, err = parseStates(h.LowerBound)
	return look, err
}

// answers returns the ports that were recorded, or why the snapshot cannot answer.
func (h header) answers(q tcp.Query, file textfile.File) (tcp.Ports, error) {
	if err := file.CheckAge(h.Time, cmp.Or(file.MaxAge, DefaultMaxAge)); err != nil {
		return nil, err
	}
	recorded, err := tcp.ParsePorts(h.Ports)
	if err != nil {
		return nil, fmt.Errorf("line 1: %w", changed("not a list of ports"))
	}
	for port := range q.Ports.All {
		if !recorded.Has(port) {
			return nil, fmt.Errorf("port %d was not recorded, only %s: give these as -p, or save it with -p %d, too", port,
				recorded, port)
		}
	}
	if len(h.Addresses) == 0 {
		return recorded, nil
	}
	if len(q.Addresses) == 0 {
		return nil, fmt.Errorf("it was saved with -a %s: give that here, too, or save it without -a", list(h.Addresses))
	}
	for _, asked := range q.Addresses {
		covers := func(p netip.Prefix) bool { return p.Bits() <= asked.Bits() && p.Contains(asked.Addr()) }
		if !slices.ContainsFunc(h.Addresses, covers) {
			return nil, fmt.Errorf("%s was not recorded: it was saved with -a %s; give that here, or save it without -a", asked,
				list(h.Addresses))
		}
	}
	return recorded, nil
}

func parseSnapshotRow(line []byte) (s tcp.Socket, err error) {
	var row row
	if err := strictJSON(line, &row); err != nil {
		return s, err
	}
	if s.State, err = tcp.ParseState(row.State); err != nil {
		return s, errUnknownState
	}
	if s.Local = row.Local; s.Local.Port() == 0 {
		return s, changed("no local port")
	}
	s.MPTCP, s.ZeroWindow = row.MPTCP, row.ZeroWindow
	known(&s, tcp.FactClient, row.Remote, &s.Remote)
	known(&s, tcp.FactRecvQ, row.RecvQ, &s.RecvQ)
	known(&s, tcp.FactSendQ, row.SendQ, &s.SendQ)
	known(&s, tcp.FactBacklog, row.Backlog, &s.SendQ)
	known(&s, tcp.FactInode, row.Inode, &s.Inode)
	known(&s, tcp.FactRetransmits, row.Retransmits, &s.Retransmits)
	known(&s, tcp.FactDrops, row.Drops, &s.Drops)
	known(&s, tcp.FactBytesRead, row.BytesRead, &s.BytesRead)
	knownTime(&s, tcp.FactLastDataSent, row.LastDataSent, time.Millisecond, &s.LastDataSent)
	knownTime(&s, 0, row.LastDataRecv, time.Millisecond, &s.LastDataReceived)
	knownTime(&s, tcp.FactRTT, row.RTT, time.Microsecond, &s.RTT)
	knownTime(&s, tcp.FactClosed, row.Closed, time.Millisecond, &s.Closed)
	if s.Progress, err = tcp.ParseProgress(row.Progress); err != nil {
		return s, changed("an unknown progress")
	}
	return s, nil
}

func knownTime(s *tcp.Socket, f tcp.Facts, from *uint32, unit time.Duration, to *time.Duration) {
	if from != nil {
		*to = time.Duration(*from) * unit
		s.Facts |= f
	}
}

func known[T any](s *tcp.Socket, f tcp.Facts, from, to *T) {
	if from != nil {
		*to = *from
		s.Facts |= f
	}
}

// errUnknownState does not say which: no error quotes the file.
var errUnknownState = changed("an unknown TCP state")

var errTwoSnapshots = errors.New("text after the end of the snapshot: perhaps two in one file; give one")

// changed returns an error for a line that no --save of this version wrote.
func changed(how string) error {
	return fmt.Errorf("not as --save wrote it (%s): it was changed, or a newer check wrote it (-V); save it again", how)
}

// list joins the prefixes with commas. One that is a single address has no length.
func list(prefixes []netip.Prefix) string {
	var words []string
	for _, p := range prefixes {
		words = append(words, strings.TrimSuffix(p.String(), fmt.Sprintf("/%d", p.Addr().BitLen())))
	}
	return strings.Join(words, " -a ")
}

// strictJSON reads a line that has one value and no member that v does not know. Its errors do
// not quote the line, as those of encoding/json do.
func strictJSON(line []byte, v any) error {
	d := json.NewDecoder(bytes.NewReader(line))
	d.DisallowUnknownFields()
	err := d.Decode(v)
	var syntax *json.SyntaxError
	var kind *json.UnmarshalTypeError
	switch {
	case err == nil:
	case errors.As(err, &syntax), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.EOF):
		return changed("not a line of JSON")
	case errors.As(err, &kind):
		return changed(cmp.Or(kind.Field, "the line") + " has a wrong value")
	default: // an address or a time, or a member that v does not know
		return changed("an unknown member, or a value that cannot be read")
	}
	if _, err := d.Token(); err != io.EOF {
		return changed("more than one value")
	}
	return nil
}
