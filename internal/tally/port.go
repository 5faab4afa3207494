package tally

import "frontsockets/internal/tcp"

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
	port := s.Local.Port()
	p := t.ports[port]
	if p == nil {
		p = new(PortStates)
		t.ports[port] = p
	}
	p[s.State]++
}
