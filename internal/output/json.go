package output

import (
	"cmp"
	"encoding/json"
	"slices"
	"strings"
	"time"

	"frontsockets/internal/tally"
	"frontsockets/internal/tcp"
)

// JSON returns the report as one object on one line. What is not known is null.
func JSON(r Report, style Style) []byte {
	clients := r.counted().Clients
	return encode(r.document(pointers(clients[:min(style.Top, len(clients))])))
}

// Limits of a line of the log. With them, and the longest names and port lists, a line is shorter than
// the 1 MiB that front_report reads.
const (
	maxLoggedClients = 200
	// maxLoggedPorts is how many ports ByPort may have. It is left out as a whole, because a part of it
	// does not add up.
	maxLoggedPorts = 200
	// maxLoggedListeners is more than the SO_REUSEPORT sockets of any front.
	maxLoggedListeners = 1000
)

// LogLine returns the report as JSON does, with at most maxLoggedClients clients: first those with most
// abnormal sockets, then those with most sessions. What a check of very many ports has more than
// front_report can read is left out: ByPort, and the listeners with the highest addresses. These are in
// the order of their addresses, so the same ones are in every line, and front_report sees a restart.
func LogLine(r Report) []byte {
	clients := pointers(r.counted().Clients)
	slices.SortStableFunc(clients, func(a, b *tally.Client) int {
		return cmp.Or(cmp.Compare(b.Abnormal, a.Abnormal), cmp.Compare(b.Sessions, a.Sessions))
	})
	doc := r.document(clients[:min(maxLoggedClients, len(clients))])
	if doc.ByPort != nil && len(*doc.ByPort) > maxLoggedPorts {
		doc.ByPort = nil
	}
	doc.Listeners = doc.Listeners[:min(maxLoggedListeners, len(doc.Listeners))]
	return encode(doc)
}

func pointers(clients []tally.Client) []*tally.Client {
	list := make([]*tally.Client, len(clients))
	for i := range clients {
		list[i] = &clients[i]
	}
	return list
}

// document returns the report with these clients of all.
func (r Report) document(clients []*tally.Client) document {
	doc := document{
		Name: r.Name, Ports: r.Ports.String(), Service: r.Service, Version: r.Version, Format: jsonFormat,
		Status: statusWord(r.Status()), ExitCode: int(r.Status()),
		Reason: line(r.Reason()+r.hint()+r.remark(), maxJSONReason),
		ByPort: r.jsonPorts(), Excluded: pointer(r.Excluded, r.Result != nil), OutOfSession: r.Outside != "",
		Clients: []jsonClient{}, Listeners: []jsonListener{}, NoProcess: r.OwnerUnknown,
		Source: r.source(), Host: r.Look.Host, Time: r.Look.Time.Format(time.RFC3339),
	}
	doc.LowerBounds, _ = r.lowerBounds()
	counted := r.counted()
	for m := range r.metricsEnd() {
		doc.Metrics.add(m.String(), pointer(counted.Values[m].N, counted.Values[m].Known()))
		warn, hasWarn := r.Policy.Warning[m]
		crit, hasCrit := r.Policy.Critical[m]
		if hasWarn || hasCrit {
			doc.Thresholds.add(m.String(), limitPair{pointer(warn.String(), hasWarn), pointer(crit.String(), hasCrit)})
		}
	}
	doc.States = r.jsonStates(counted.States)
	if r.Result != nil {
		doc.Diagnosis, doc.Process = r.jsonDiagnosis(), toJSON(r.Owner)
	}
	doc.ClientsOmitted = pointer(len(counted.Clients)-len(clients), counted.Values[tally.Clients].Known())
	for _, c := range clients {
		doc.Clients = append(doc.Clients, r.jsonClient(c))
	}
	for _, l := range counted.Listeners {
		doc.Listeners = append(doc.Listeners, jsonListener{
			Address: l.Local.Addr().String(), Port: l.Local.Port(),
			AcceptQueue: pointer(l.Queue, l.Facts.Has(tcp.FactRecvQ)),
			Backlog:     pointer(l.Backlog, l.Facts.Has(tcp.FactBacklog)),
			Drops:       pointer(l.Drops, l.Facts.Has(tcp.FactDrops)),
			Inode:       pointer(l.Inode, l.Facts.Has(tcp.FactInode)),
		})
	}
	return doc
}

// encode returns a document on one line.
func encode(doc document) []byte {
	b, err := json.Marshal(doc)
	if err != nil {
		panic(err) // only unsupported types fail, and the caller turns a panic into UNKNOWN
	}
	return append(b, '\n')
}

// maxJSONReason is how many characters of the reason and the remarks JSON has: far more than the
// other formats, so that nothing is cut in practice.
const maxJSONReason = 8 << 10

// jsonFormat is the number of the format. A change that would mislead older readers raises it.
const jsonFormat = 1

// document is described in docs/answer.schema.json, which is made from it.
type document struct {
	Name       string            `json:"name"`
	Ports      string            `json:"ports"`
	Status     string            `json:"status"`
	ExitCode   int               `json:"exit_code"`
	Reason     string            `json:"reason"`
	Diagnosis  *jsonDiagnosis    `json:"diagnosis"`
	Metrics    object[*float64]  `json:"metrics"`
	Thresholds object[limitPair] `json:"thresholds"`
	// LowerBounds are the metrics whose value may be larger than the number.
	LowerBounds []string          `json:"lower_bounds"`
	States      object[*int]      `json:"states"`
	ByPort      *object[jsonPort] `json:"by_port,omitempty"` // if several ports were asked for
	Excluded    *int              `json:"excluded"`          // sessions that --exclude left out
	// OutOfSession says that nobody trades now, so the status is OK.
	OutOfSession bool         `json:"out_of_session"`
	Clients      []jsonClient `json:"clients"`
	// ClientsOmitted counts the clients that Clients leaves out, if the source knows all clients.
	ClientsOmitted *int           `json:"clients_omitted"`
	Listeners      []jsonListener `json:"listeners"`
	Process        *jsonProcess   `json:"process"`
	NoProcess      string         `json:"process_unknown"`
	Source         string         `json:"source"`
	Host           string         `json:"host"`
	Time           string         `json:"time"`
	Service        string         `json:"service"`
	Version        string         `json:"version"`
	Format         int            `json:"format"`
}

type limitPair struct {
	Warning  *string `json:"warning"`
	Critical *string `json:"critical"`
}

type jsonDiagnosis struct {
	Code     string         `json:"code"`
	Text     string         `json:"text"`
	Evidence []jsonEvidence `json:"evidence"`
}

type jsonEvidence struct {
	Metric string `json:"metric"`
	Value  string `json:"value"`
	Why    string `json:"why"`
}

func (r Report) jsonDiagnosis() *jsonDiagnosis {
	text := cmp.Or(strings.TrimPrefix(r.hint(), " - "), r.Diagnosis.Text)
	d := &jsonDiagnosis{Code: string(r.Diagnosis.Code), Text: text, Evidence: []jsonEvidence{}}
	for _, e := range r.Diagnosis.Evidence {
		d.Evidence = append(d.Evidence, jsonEvidence(e))
	}
	return d
}

type jsonProcess struct {
	PID             int32   `json:"pid"`
	Name            string  `json:"name"`
	State           string  `json:"state"`
	CPU             float64 `json:"cpu_pct"`
	Threads         int32   `json:"threads"`
	Descriptors     uint64  `json:"descriptors"`
	DescriptorLimit uint64  `json:"descriptor_limit"`
	Started         string  `json:"started"`
}

func toJSON(p *tcp.Process) *jsonProcess {
	if p == nil {
		return nil
	}
	return &jsonProcess{
		PID: p.PID, Name: p.Name, State: p.State, CPU: p.CPU, Threads: p.Threads,
		Descriptors: p.Descriptors, DescriptorLimit: p.DescriptorLimit, Started: p.Started.Format(time.RFC3339),
	}
}

type jsonClient struct {
	Address        string      `json:"address"`
	Name           string      `json:"name"`
	Sessions       int         `json:"sessions"`
	Abnormal       int         `json:"abnormal"`
	States         object[int] `json:"states"`
	UnreadBytes    *uint64     `json:"unread_bytes"`
	UnsentBytes    *uint64     `json:"unsent_bytes"`
	Retransmitting *int        `json:"retransmitting"`
	ZeroWindow     *int        `json:"zero_window"`
	Stalled        *int        `json:"stalled"`
	FeedAge        *float64    `json:"feed_age"`    // seconds
	RequestAge     *float64    `json:"request_age"` // seconds
	RTT            *float64    `json:"rtt"`         // seconds
}

func (r Report) jsonClient(c *tally.Client) jsonClient {
	knows := func(m tally.Metric) bool { return r.Result.Values[m].Known() }
	established := c.States[tcp.Established] > 0
	client := jsonClient{
		Address: c.Addr.String(), Name: r.nameOf(c.Addr), Sessions: c.Sessions, Abnormal: c.Abnormal,
		UnreadBytes:    pointer(c.UnreadBytes, knows(tally.Unread)),
		UnsentBytes:    pointer(c.UnsentBytes, knows(tally.Unsent)),
		Retransmitting: pointer(c.Retransmitting, knows(tally.Retransmitting)),
		ZeroWindow:     pointer(c.ZeroWindow, knows(tally.Retransmitting)),
		Stalled:        pointer(c.Stalled, knows(tally.Stalled)),
		FeedAge:        pointer(c.FeedAge.Seconds(), established && knows(tally.Stalled)),
		RequestAge:     pointer(c.RequestAge.Seconds(), established && knows(tally.RequestAge)),
		RTT:            pointer(c.RTT.Seconds(), c.RTT > 0 && knows(tally.RTT)),
	}
	for s, n := range c.States {
		if n > 0 {
			client.States.add(tcp.State(s).String(), n)
		}
	}
	return client
}

type jsonListener struct {
	Address     string  `json:"address"`
	Port        uint16  `json:"port"`
	AcceptQueue *uint32 `json:"accept_queue"`
	Backlog     *uint32 `json:"backlog"`
	Drops       *uint32 `json:"drops"`
	Inode       *uint64 `json:"inode"`
}

// object is a JSON object whose members keep their order.
type object[T any] []member[T]

type member[T any] struct {
	name  string
	value T
}

func (o *object[T]) add(name string, value T) { *o = append(*o, member[T]{name, value}) }

// MarshalJSON returns the members in order. Their names need no escapes.
func (o object[T]) MarshalJSON() ([]byte, error) {
	b := []byte{'{'}
	for i, m := range o {
		value, err := json.Marshal(m.value)
		if err != nil {
			return nil, err
		}
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, '"')
		b = append(b, m.name...)
		b = append(b, `":`...)
		b = append(b, value...)
	}
	return append(b, '}'), nil
}

// pointer returns &v, or nil if v is not known.
func pointer[T any](v T, known bool) *T {
	if !known {
		return nil
	}
	return &v
}
