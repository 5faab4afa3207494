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
		Metrics    object[*float64]  `json:"metrics"`
		Thresholds object[limitPair] `json:"thresholds"`
		States     object[*int]      `json:"states"`
		Clients    []jsonClient      `json:"clients"`
		Listeners  []jsonListener    `json:"listeners"`
		Source     string            `json:"source"`
		Host       string            `json:"host"`
		Time       string            `json:"time"`
	}{
		Name: r.Name, Ports: r.Ports.String(), Status: statusWord(r.Status()),
		ExitCode: int(r.Status()), Reason: line(r.Reason()+r.remark(), maxOutput),
		Clients: []jsonClient{}, Listeners: []jsonListener{},
		Source: r.source(), Host: r.Host, Time: r.Time.Format(time.RFC3339),
	}
	for m, v := range r.values() {
		m := tally.Metric(m)
		doc.Metrics = append(doc.Metrics, member[*float64]{m.String(), pointer(v.N, v.Known())})
		warn, hasWarn := r.Policy.Warning[m]
		crit, hasCrit := r.Policy.Critical[m]
		if hasWarn || hasCrit {
			pair := limitPair{pointer(warn.String(), hasWarn), pointer(crit.String(), hasCrit)}
			doc.Thresholds = append(doc.Thresholds, member[limitPair]{m.String(), pair})
		}
	}
	for s := tcp.Established; s < tcp.NumStates; s++ {
		var n int
		known := r.Result != nil
		if known {
			n, known = r.Result.States[s], !r.Result.Blind.Has(s)
		}
		doc.States = append(doc.States, member[*int]{s.String(), pointer(n, known)})
	}
	if r.Result != nil {
		for _, c := range r.Result.Clients[:min(style.Top, len(r.Result.Clients))] {
			jc := jsonClient{Address: c.Addr.String(), Sessions: c.Sessions, Abnormal: c.Abnormal}
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
				AcceptQueue: pointer(l.Queue, l.Known.Has(tcp.KnowsRecvQ)),
				Backlog:     pointer(l.Backlog, l.Known.Has(tcp.KnowsBacklog)),
				Drops:       pointer(l.Drops, l.Known.Has(tcp.KnowsDrops)),
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

type jsonClient struct {
	Address  string      `json:"address"`
	Sessions int         `json:"sessions"`
	Abnormal int         `json:"abnormal"`
	States   object[int] `json:"states"`
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
