package output

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"frontsockets/internal/tally"
	"frontsockets/internal/tcp"
)

// JSON renders one object on one line. What is not known is null.
func JSON(r Report, style Style) []byte {
	doc := struct {
		Name       string            `json:"name"`
		Ports      string            `json:"ports"`
		Status     string            `json:"status"`
		ExitCode   int               `json:"exit_code"`
		Reason     string            `json:"reason"`
		Diagnosis  *jsonDiagnosis    `json:"diagnosis"`
		Metrics    object[*float64]  `json:"metrics"`
		Thresholds object[limitPair] `json:"thresholds"`
		AtLeast    []string          `json:"lower_bounds"`
		States     object[*int]      `json:"states"`
		ByPort     *object[jsonPort] `json:"by_port,omitempty"` // if several ports were asked for
		Excluded   *int              `json:"excluded"`          // sessions that --exclude left out
		Clients    []jsonClient      `json:"clients"`
		Listeners  []jsonListener    `json:"listeners"`
		Process    *jsonProcess      `json:"process"`
		NoProcess  string            `json:"process_unknown"`
		Source     string            `json:"source"`
		Host       string            `json:"host"`
		Time       string            `json:"time"`
	}{
		Name: r.Name, Ports: r.Ports.String(), Status: statusWord(r.Status()),
		ExitCode: int(r.Status()), Reason: line(r.Reason()+r.hint()+r.remark(), maxOutput),
		ByPort: r.jsonPorts(), Excluded: pointer(r.Excluded, r.Result != nil),
		Clients: []jsonClient{}, Listeners: []jsonListener{}, NoProcess: r.OwnerUnknown,
		Source: r.source(), Host: r.Look.Host, Time: r.Look.Time.Format(time.RFC3339),
	}
	doc.AtLeast, _ = r.lowerBounds()
	values := r.values()
	for m, v := range values[:r.metrics()] {
		m := tally.Metric(m)
		doc.Metrics = append(doc.Metrics, member[*float64]{m.String(), pointer(v.N, v.Known())})
		warn, hasWarn := r.Policy.Warning[m]
		crit, hasCrit := r.Policy.Critical[m]
		if hasWarn || hasCrit {
			pair := limitPair{pointer(warn.String(), hasWarn), pointer(crit.String(), hasCrit)}
			doc.Thresholds = append(doc.Thresholds, member[limitPair]{m.String(), pair})
		}
	}
	var counts [tcp.NumStates]int
	if r.Result != nil {
		counts = r.Result.States
	}
	doc.States = r.jsonStates(counts)
	if r.Result != nil {
		doc.Diagnosis = &jsonDiagnosis{Code: string(r.Diagnosis.Code), Text: strings.TrimPrefix(r.hint(), " - "), Evidence: []jsonEvidence{}}
		if doc.Diagnosis.Text == "" {
			doc.Diagnosis.Text = r.Diagnosis.Text
		}
		for _, e := range r.Diagnosis.Evidence {
			doc.Diagnosis.Evidence = append(doc.Diagnosis.Evidence, jsonEvidence(e))
		}
		if p := r.Owner; p != nil {
			doc.Process = &jsonProcess{p.PID, p.Name, p.State, p.CPU, p.Threads, p.Descriptors, p.DescriptorLimit, p.Started.Format(time.RFC3339)}
		}
		for _, c := range r.Result.Clients[:min(style.Top, len(r.Result.Clients))] {
			established := c.States[tcp.Established] > 0
			jc := jsonClient{
				Address: c.Addr.String(), Sessions: c.Sessions, Abnormal: c.Abnormal,
				Unread:         pointer(c.UnreadBytes, r.knows(tally.Unread)),
				Unsent:         pointer(c.UnsentBytes, r.knows(tally.Unsent)),
				Retransmitting: pointer(c.Retransmitting, r.knows(tally.Retransmitting)),
				ZeroWindow:     pointer(c.ZeroWindow, r.knows(tally.Retransmitting)),
				Stalled:        pointer(c.Stalled, r.knows(tally.Stalled)),
				SentAgo:        pointer(c.FeedAge.Seconds(), established && r.knows(tally.Stalled)),
				RequestAge:     pointer(c.RequestAge.Seconds(), established && r.knows(tally.RequestAge)),
				RTT:            pointer(c.RTT.Seconds(), c.RTT > 0 && r.knows(tally.RTT)),
			}
			if r.Names != nil {
				jc.Name = r.Names(c.Addr)
			}
			for s := tcp.Established; s < tcp.NumStates; s++ {
				if c.States[s] > 0 {
					jc.States = append(jc.States, member[int]{s.String(), c.States[s]})
				}
			}
			doc.Clients = append(doc.Clients, jc)
		}
		for _, l := range r.Result.Listeners {
			doc.Listeners = append(doc.Listeners, jsonListener{
				Address:     l.Local.Addr().String(),
				Port:        l.Local.Port(),
				AcceptQueue: pointer(l.Queue, l.Facts.Has(tcp.FactRecvQ)),
				Backlog:     pointer(l.Backlog, l.Facts.Has(tcp.FactBacklog)),
				Drops:       pointer(l.Drops, l.Facts.Has(tcp.FactDrops)),
			})
		}
	}
	b, err := json.Marshal(doc)
	if err != nil {
		panic(err) // only unsupported types fail, and the caller turns a panic into UNKNOWN
	}
	return append(b, '\n')
}

type limitPair struct {
	Warning  *string `json:"warning"`
	Critical *string `json:"critical"`
}

// knows tells whether a metric is known.
func (r Report) knows(m tally.Metric) bool { return r.Result.Values[m].Known() }

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

type jsonClient struct {
	Address        string      `json:"address"`
	Name           string      `json:"name"`
	Sessions       int         `json:"sessions"`
	Abnormal       int         `json:"abnormal"`
	States         object[int] `json:"states"`
	Unread         *uint64     `json:"unread_bytes"`
	Unsent         *uint64     `json:"unsent_bytes"`
	Retransmitting *int        `json:"retransmitting"`
	ZeroWindow     *int        `json:"zero_window"`
	Stalled        *int        `json:"stalled"`
	SentAgo        *float64    `json:"feed_age"` // seconds
	RequestAge     *float64    `json:"request_age"`
	RTT            *float64    `json:"rtt"`
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

type jsonListener struct {
	Address     string  `json:"address"`
	Port        uint16  `json:"port"`
	AcceptQueue *uint32 `json:"accept_queue"`
	Backlog     *uint32 `json:"backlog"`
	Drops       *uint32 `json:"drops"`
}

// object is a JSON object that keeps its order.
type object[T any] []member[T]

type member[T any] struct {
	name  string
	value T
}

// MarshalJSON writes the members in order; their names need no escapes.
func (o object[T]) MarshalJSON() ([]byte, error) {
	var b strings.Builder
	for i, m := range o {
		value, err := json.Marshal(m.value)
		if err != nil {
			return nil, err
		}
		if i > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, "%q:%s", m.name, value)
	}
	return []byte("{" + b.String() + "}"), nil
}

func pointer[T any](v T, known bool) *T {
	if !known {
		return nil
	}
	return &v
}
