package tally

import "frontsockets/internal/tcp"

// Port is the sockets of one local port.
type Port struct {
	States PortStates
	// Unread counts the ESTABLISHED sockets with bytes that the front has not read, UnreadBytes these bytes.
	Unread      int
	UnreadBytes uint64
	Signs       Signs
	Listeners   []Listener
}

// PortStates counts the sockets of one local port in each state.
type PortStates [tcp.NumStates]int

// Outside returns how many sockets are in another state than those of the set.
func (p *PortStates) Outside(set tcp.StateSet) int {
	n := 0
	for s, sockets := range p {
		if !set.Has(tcp.State(s)) {
			n += sockets
		}
	}
	return n
}

func (t *Tally) addToPort(s *tcp.Socket) {
	number := s.Local.Port()
	p := t.ports[number]
	if p == nil {
		p = new(Port)
		t.ports[number] = p
	}
	p.States[s.State]++
	if s.State == tcp.Listen {
		return
	}
	if s.State == tcp.Established && s.RecvQ > 0 {
		p.Unread++
		p.UnreadBytes += uint64(s.RecvQ)
	}
	p.Signs.add(s)
}

// OnePort returns the result as it is for one of several local ports: its listeners, its signs, and
// the metrics that show whether its front hangs. The other metrics stay those of all ports.
func (r Result) OnePort(number uint16) Result {
	p := r.Ports[number]
	one := r
	one.Ports, one.Listeners, one.Signs = nil, p.Listeners, p.Signs
	one.HasTimes, one.HasBytesRead, one.Compared, one.Interval = r.HasTimes, r.HasBytesRead, r.Compared, r.Interval

	queues := &Tally{listeners: one.Listeners}
	for m, v := range map[Metric]Value{
		AcceptQueue: longestQueue(queues, nil), AcceptQueuePct: fullestQueue(queues, nil),
		Unread: count(p.Unread), UnreadBytes: Number(float64(p.UnreadBytes)),
		Abnormal:    count(p.States.Outside(r.Rules.Normal)),
		Established: count(p.States[tcp.Established]), CloseWait: count(p.States[tcp.CloseWait]),
	} {
		if old := one.Values[m]; old.Known() {
			v.LowerBound = old.LowerBound
			one.Values[m] = v
		}
	}
	return one
}
