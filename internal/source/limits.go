package source

import (
	"bytes"
	"context"
	"strconv"

	"frontsockets/internal/tcp"
)

// The table of TIME_WAIT counts as full if one part in spareTimeWait is free, or less. Entries expire in
// bursts, and others take their place.
const spareTimeWait = 100

// limits reads the kernel's limits of one network namespace.
type limits struct {
	read func(name string) ([]byte, error) // "net/sockstat" or "sys/net/core/somaxconn", in /proc
}

// over returns the source. Its looks also tell what the kernel's limits hide.
func (l limits) over(s tcp.Source) tcp.Source {
	return tcp.Source{Name: s.Name, Look: func(ctx context.Context, q tcp.Query, visit tcp.Visit) (tcp.Look, error) {
		look, err := s.Look(ctx, q, visit)
		if err != nil {
			return look, err
		}
		if l.timeWaitFull() {
			// FIN_WAIT2 too: without an owner it lives in the same table (tcp_time_wait in
			// tcp_minisocks.c).
			look.LowerBound = tcp.Set(tcp.TimeWait, tcp.FinWait2)
		}
		if look.Provides.Has(tcp.FactRecvQ) && !look.Provides.Has(tcp.FactBacklog) {
			n, _ := l.number("sys/net/core/somaxconn")
			look.MaxBacklog = uint32(n)
		}
		return look, nil
	}}
}

// timeWaitFull reports whether the kernel keeps as many TIME_WAIT as it may: it closes the
// next ones at once (inet_twsk_alloc in inet_timewait_sock.c). What cannot be read counts as
// not full.
func (l limits) timeWaitFull() bool {
	limit, ok := l.number("sys/net/ipv4/tcp_max_tw_buckets")
	if !ok {
		return false
	}
	text, err := l.read("net/sockstat")
	if err != nil {
		return false
	}
	kept, ok := timeWaitIn(text)
	return ok && kept >= limit-limit/spareTimeWait
}

// timeWaitIn returns the number of TIME_WAIT in the text of /proc/net/sockstat:
//
//	TCP: inuse 5 orphan 0 tw 12 alloc 9 mem 1
func timeWaitIn(sockstat []byte) (n uint64, ok bool) {
	for line := range bytes.Lines(sockstat) {
		words := bytes.Fields(line)
		if len(words) == 0 || string(words[0]) != "TCP:" {
			continue
		}
		for i := 1; i+1 < len(words); i += 2 {
			if string(words[i]) == "tw" {
				n, err := strconv.ParseUint(string(words[i+1]), 10, 64)
				return n, err == nil
			}
		}
	}
	return 0, false
}

// number reads a file that holds one number, and drops its sign.
func (l limits) number(name string) (n uint64, ok bool) {
	text, err := l.read(name)
	if err != nil {
		return 0, false
	}
	n, err = strconv.ParseUint(string(bytes.TrimPrefix(bytes.TrimSpace(text), []byte("-"))), 10, 64)
	return n, err == nil
}
