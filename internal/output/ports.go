package output

import (
	"fmt"
	"slices"

	"frontsockets/internal/tally"
	"frontsockets/internal/tcp"
)

// Up to maxQuietPorts ports, the answer also lists those without a socket. Those of a wider range would
// fill it.
const maxQuietPorts = 100

// port is what there is to say of one of several ports.
type port struct {
	number    uint16
	states    tally.PortStates
	abnormal  tally.Value
	listeners int
	queue     tally.Value // the longest
}

// byPort returns the ports in ascending order if several were asked for.
func (r Report) byPort() []port {
	if r.Result == nil || r.Result.Ports == nil {
		return nil
	}
	var numbers []uint16
	for number := range r.Ports.All {
		if r.Ports.Len() <= maxQuietPorts || r.Result.Ports[number] != nil {
			numbers = append(numbers, number)
		}
	}
	list := make([]port, len(numbers))
	for i, number := range numbers {
		list[i] = port{number: number, abnormal: r.Result.Values[tally.Abnormal]}
		if counted := r.Result.Ports[number]; counted != nil {
			list[i].states = counted.States
		}
		if list[i].abnormal.Known() {
			list[i].abnormal = tally.Number(float64(list[i].states.Outside(r.Result.Rules.Normal)))
		}
		if r.Result.Values[tally.AcceptQueue].Known() {
			list[i].queue = tally.Number(0)
		}
	}
	for _, l := range r.Result.Listeners {
		i, found := slices.BinarySearch(numbers, l.Local.Port())
		if !found {
			continue
		}
		p := &list[i]
		p.listeners++
		switch {
		case !l.Facts.Has(tcp.FactRecvQ):
			p.queue = tally.Value{}
		case p.queue.Known():
			p.queue = tally.Number(max(p.queue.N, float64(l.Queue)))
		}
	}
	return list
}

// String returns the line of -v.
func (p port) String() string {
	text := fmt.Sprintf("port %d: %s abnormal", p.number, p.abnormal)
	if sessions := listStates(p.states, tcp.Set(tcp.Listen)); sessions != "" {
		text += " (" + sessions + ")"
	}
	text += ", " + plural(tally.Number(float64(p.listeners)), "listener")
	if p.queue.Known() {
		text += ", accept queue " + p.queue.String()
	}
	return text
}
