package main

import (
	"fmt"
	"slices"
	"strings"
)

// The addresses of the front. In the seed's story the host has two fronts, front1 and front7.
const (
	frontAddress  = "10.41.0.1"
	secondAddress = "10.41.0.7"
	frontAddress6 = "fd41::1"
)

// situation is a state of a front and its clients that lasts for some seconds. Every source is
// asked about it, with and without --sample, by both checks.
type situation struct {
	name   string
	acted  string   // the right diagnosis
	also   []string // other diagnoses that are right too
	script string   // what the front and the clients do before the looks: see steps

	network string // "ipv6", or "mapped" for IPv4 clients of an IPv6 listener; else IPv4
	trade   bool   // nothing is sent for long, so that only the trade front's check fits
	outside bool   // the time is outside the trading session
	address string // the front's address, where the host has two fronts
	urgent  bool   // --policy strict must be CRITICAL soon after the front stops: see urgentLimit
	hidden  bool   // even the best source cannot tell it from a healthy front
}

// fine reports whether nothing is wrong.
func (s situation) fine() bool { return s.acted == "healthy" || s.acted == "mass_logoff" }

// Who takes a step of a script.
const (
	director = "director"
	theFront = "front"
	clients  = "clients"
)

// steps has every word with which a step of a script can begin, and who takes the step. WHO is
// a group of clients, a letter, or "all". Each group has a subnet.
var steps = map[string]string{
	"wait": director, // wait TIME
	"stop": director, // stop the front (SIGSTOP)
	"end":  director, // end the front (SIGKILL)
	"cut":  director, // cut WHO off: all packets are dropped, both ways

	"backlog": theFront, // backlog N: limit the accept queue
	"feed":    theFront, // feed TIME [BYTES]: send to every session each TIME
	"freeze":  theFront, // send nothing more
	"answer":  theFront, // answer whatever a client sends
	"batches": theFront, // batches TIME: read all sessions together, each TIME
	"pace":    theFront, // pace TIME: need that long to accept a client
	"refuse":  theFront, // accept nobody more
	"deaf":    theFront, // read nothing more
	"ignore":  theFront, // neither read from, send to nor close the sessions there are
	"keep":    theFront, // keep the sessions open that their clients close
	"throw":   theFront, // throw WHO TIME [at7]: close their sessions so long after they began
	"close":   theFront, // close WHO: close their sessions
	"limit":   theFront, // have no descriptor left
	"syn":     theFront, // syn WHO N: begin N connections to WHO that nobody answers

	"connect": clients, // connect N WHO [one] [at7] [mute|slow] [hold] [return TIME]: see behaviour
	"send":    clients, // send WHO [TIME]: send a request once, or each TIME
	"leave":   clients, // leave WHO: close their sessions
	"reset":   clients, // reset WHO: abort their sessions
	"visit":   clients, // visit WHO TIME: one client connects and closes at once, each TIME
	"flood":   clients, // send SYNs from addresses that do not answer
}

// parseScript returns the steps of a script, as words.
func parseScript(script string) (parsed [][]string, err error) {
	for _, text := range strings.Split(script, "; ") {
		words := strings.Fields(text)
		if len(words) == 0 || steps[words[0]] == "" {
			return nil, fmt.Errorf("%q is not a step", text)
		}
		parsed = append(parsed, words)
	}
	return parsed, nil
}

// findSituation returns the situation with the name.
func findSituation(name string) (situation, bool) {
	i := slices.IndexFunc(situations, func(s situation) bool { return s.name == name })
	if i < 0 {
		return situation{}, false
	}
	return situations[i], true
}

// situations are all situations, in the order of the tables.
var situations = []situation{
	{name: "three-clients", acted: "healthy", script: "feed 500ms; connect 3 a; wait 1s"},
	{name: "many-clients", acted: "healthy", script: "feed 1s; connect 5000 a; wait 2s"},
	{name: "clients-ipv6", acted: "healthy", network: "ipv6", script: "feed 500ms; connect 200 a; wait 1s"},
	{name: "clients-mapped", acted: "healthy", network: "mapped", script: "feed 500ms; connect 200 a; wait 1s"},
	{name: "behind-nat", acted: "healthy", script: "feed 500ms; connect 300 a one; wait 1s"},
	{name: "batches", acted: "healthy", script: "feed 500ms; batches 100ms; connect 10 a; send a 5ms; wait 1s"},
	{name: "batches-500", acted: "healthy", script: "feed 500ms; batches 100ms; connect 500 a; send a 50ms; wait 1s"},
	{name: "batches-3", acted: "healthy", trade: true,
		script: "answer; batches 100ms; connect 3 a; send a 5ms; wait 1s"},
	{name: "slow-feed", acted: "healthy", script: "feed 5s; connect 60 a; wait 2s"},
	{name: "slow-reader", acted: "healthy", script: "feed 200ms 65536; connect 50 a; connect 1 b slow; wait 3s"},
	{name: "slow-proxy", acted: "healthy", script: "feed 200ms 65536; connect 10 a; connect 30 b one slow; wait 3s"},
	{name: "few-log-off", acted: "healthy",
		script: "feed 500ms; connect 100 a; connect 5 b; wait 500ms; close b; wait 1s"},
	{name: "few-cut-off", acted: "healthy", script: "feed 200ms; connect 400 a; connect 4 b; wait 1s; cut b; wait 3s"},
	{name: "orders", acted: "healthy", trade: true, script: "answer; connect 50 a; send a 20ms; wait 1s"},
	{name: "heartbeats", acted: "healthy", trade: true, script: "feed 15s; connect 20 a; wait 3s"},
	{name: "nobody-trades", acted: "healthy", trade: true, script: "connect 3 a; wait 3s"},
	{name: "slow-accept", acted: "healthy", script: "feed 300ms; pace 100ms; connect 250 a; wait 2500ms"},
	{name: "slow-accept-long", acted: "healthy", script: "feed 300ms; pace 100ms; connect 350 a; wait 12s"},
	{name: "two-accepts-a-second", acted: "healthy", script: "feed 300ms; pace 500ms; connect 60 a; wait 2500ms"},
	{name: "batches-of-600ms", acted: "healthy",
		script: "feed 500ms; batches 600ms; connect 30 a; send a 5ms; wait 1s"},
	{name: "slow-logins", acted: "healthy", trade: true, script: "answer; pace 200ms; connect 90 a; send a 1s; wait 3s"},
	{name: "logins", acted: "healthy", script: "feed 500ms; connect 50 a; connect 400 b"},
	{name: "health-checks", acted: "healthy", script: "feed 500ms; connect 20 a; visit h 1s; wait 3s"},
	{name: "short-sessions", acted: "healthy", script: "feed 500ms; connect 20 a; visit h 50ms; wait 3s"},
	{name: "aborted", acted: "healthy", script: "feed 500ms; connect 20 a; connect 80 b; wait 500ms; reset b; wait 1s"},
	{name: "closed-for-the-night", acted: "healthy", outside: true,
		script: "feed 300ms; connect 60 a; freeze; wait 12s"},
	{name: "all-log-off", acted: "mass_logoff", script: "feed 500ms; connect 200 a; wait 500ms; close a; wait 1s"},
	{name: "log-off-behind-nat", acted: "mass_logoff",
		script: "feed 500ms; connect 20 a; connect 100 b one; wait 500ms; close b; wait 1s"},
	{name: "slow-log-off-behind-nat", acted: "mass_logoff", script: "feed 500ms; connect 20 a; throw b 4s;" +
		" connect 20 b one; wait 1s; connect 20 b one; wait 1s; connect 20 b one; wait 4s"},
	{name: "logged-off-behind-nat", acted: "mass_logoff", script: "feed 500ms; connect 20 a; throw b 2s;" +
		" connect 20 b one; wait 1s; connect 20 b one; wait 1s; connect 20 b one; wait 9s"},
	{name: "disconnects-idle-clients", acted: "unclear", script: "throw all 5s; connect 40 a return 1s; wait 16s"},
	{name: "two-sessions-log-off", acted: "mass_logoff",
		script: "feed 500ms; connect 100 a; connect 100 a; wait 500ms; close a; wait 1s"},
	{name: "log-off-ipv6", acted: "mass_logoff", network: "ipv6",
		script: "feed 500ms; connect 20 a; connect 60 b; wait 500ms; close b; wait 1s"},
	{name: "half-log-off", acted: "mass_logoff", trade: true,
		script: "connect 60 a; connect 60 b; wait 500ms; close b; wait 2s"},

	{name: "all-cut-off", acted: "network", script: "feed 500ms; connect 40 a; wait 1s; cut a; wait 25s"},
	{name: "all-cut-off-now", acted: "network", script: "feed 200ms; connect 200 a; wait 1s; cut a; wait 3s"},
	{name: "subnet-cut-off", acted: "network",
		script: "feed 200ms; connect 100 a; connect 20 b; wait 1s; cut b; wait 3s"},
	{name: "subnet-cut-off-ipv6", acted: "network", network: "ipv6",
		script: "feed 200ms; connect 60 a; connect 10 b; wait 1s; cut b; wait 3s"},
	{name: "nat-cut-off", acted: "network", script: "feed 200ms; connect 40 a one; wait 1s; cut a; wait 3s"},
	{name: "nat-cut-off-long", acted: "network", script: "feed 200ms; connect 40 a one; wait 1s; cut a; wait 14s"},
	{name: "dead-client", acted: "network",
		script: "feed 200ms; connect 20 a; connect 40 b one; wait 500ms; cut b; close b; wait 3s"},
	{name: "lost-closes", acted: "network",
		script: "feed 200ms; keep; connect 20 a; connect 40 b; wait 500ms; leave b; wait 300ms; cut b; close b; wait 3s"},
	{name: "answers-lost", acted: "network", trade: true,
		script: "answer; connect 30 a; send a 100ms; wait 1s; cut a; wait 500ms; feed 500ms; wait 3s"},

	{name: "client-loops", acted: "client_loop",
		script: "feed 300ms; connect 50 a; throw b 5ms; connect 1 b return 50ms; wait 5s"},
	{name: "client-loops-ipv6", acted: "client_loop", network: "ipv6",
		script: "feed 300ms; connect 200 a; throw b 5ms; connect 1 b return 30ms; wait 4s"},
	{name: "three-clients-loop", acted: "unclear",
		script: "feed 300ms; connect 50 a; throw b 5ms; connect 3 b return 100ms; wait 5s"},
	{name: "client-does-not-close", acted: "client_loop",
		script: "feed 300ms; connect 20 a; connect 40 b one hold; wait 500ms; close b; wait 3s"},
	{name: "nobody-closes", acted: "unclear", script: "feed 300ms; connect 40 a hold; wait 500ms; close a; wait 3s"},
	{name: "client-does-not-read", acted: "client_loop",
		script: "feed 200ms 16384; connect 50 a; connect 1 b mute; wait 5s"},
	{name: "client-of-three-does-not-read", acted: "client_loop",
		script: "feed 200ms 16384; connect 2 a; connect 1 b mute; wait 5s"},
	{name: "proxy-does-not-read", acted: "client_loop", script: "feed 200ms 16384; connect 30 a one mute; wait 5s"},
	{name: "proxy-does-not-read-long", acted: "client_loop",
		script: "feed 200ms 16384; connect 30 a one mute; wait 16s"},
	{name: "nobody-reads", acted: "unclear", script: "feed 200ms 16384; connect 30 a mute; wait 5s"},
	{name: "seed-story-front7", acted: "client_loop", address: secondAddress,
		script: "feed 300ms; connect 20 a; connect 5 b at7; throw c 5ms at7; syn c 5; connect 2 c one;" +
			" connect 1 c one at7 return 50ms; wait 6s"},
	{name: "seed-story-front1", acted: "healthy", address: frontAddress,
		script: "feed 300ms; connect 20 a; connect 5 b at7; throw c 5ms at7; syn c 5; connect 2 c one;" +
			" connect 1 c one at7 return 50ms; wait 6s"},

	{name: "stopped-3", acted: "hung", urgent: true, trade: true,
		script: "answer; connect 3 a; send a; wait 1s; stop; connect 3 b; send all"},
	{name: "stopped-23", acted: "hung", urgent: true, trade: true,
		script: "answer; connect 20 a; send a; wait 1s; stop; connect 3 b; send all"},
	{name: "stopped-500", acted: "hung", urgent: true, trade: true,
		script: "answer; connect 500 a; send a; wait 1s; stop; connect 3 b; send all"},
	{name: "stopped-5000", acted: "hung",
		script: "feed 1s; connect 5000 a; wait 2s; stop; connect 20 b; wait 3s"},
	{name: "stopped-and-visited", acted: "hung",
		script: "feed 300ms; connect 5 a; wait 500ms; stop; visit h 200ms; wait 5s"},
	{name: "stopped-feed", acted: "hung", script: "feed 300ms; connect 60 a; wait 500ms; stop; connect 10 b; wait 3s"},
	{name: "stopped-ipv6", acted: "hung", network: "ipv6",
		script: "feed 300ms; connect 30 a; wait 500ms; stop; connect 10 b; send all; wait 3s"},
	{name: "stopped-mapped", acted: "hung", network: "mapped",
		script: "feed 300ms; connect 30 a; wait 500ms; stop; connect 10 b; send all; wait 3s"},
	{name: "stopped-behind-nat", acted: "hung",
		script: "feed 300ms; connect 100 a one; wait 500ms; stop; connect 20 a one; send a; wait 3s"},
	{name: "stopped-and-left", acted: "hung",
		script: "feed 300ms; connect 40 a; wait 500ms; stop; leave a; connect 40 b; wait 3s"},
	{name: "stopped-at-its-limit", acted: "out_of_descriptors", also: []string{"hung"},
		script: "feed 300ms; connect 20 a; wait 500ms; limit; stop; connect 5 b; wait 3s"},
	{name: "descriptors-spent", acted: "out_of_descriptors", also: []string{"hung"}, // by a snapshot
		script: "feed 300ms; connect 20 a; wait 500ms; limit; connect 15 b; wait 3s"},
	{name: "accepts-no-more", acted: "hung",
		script: "feed 300ms; connect 60 a; wait 500ms; refuse; connect 10 b; wait 3s"},
	{name: "queue-full", acted: "hung",
		script: "backlog 16; feed 300ms; connect 20 a; wait 500ms; refuse; connect 40 b; wait 3s"},
	{name: "reads-no-more", acted: "hung", script: "feed 300ms; connect 60 a; wait 500ms; deaf; send a 20ms; wait 2s"},
	{name: "reads-no-more-3", acted: "hung", trade: true, script: "connect 3 a; wait 500ms; deaf; send a; wait 3s"},
	{name: "leak-served", acted: "not_closing",
		script: "feed 300ms; keep; connect 50 a; connect 100 b; wait 500ms; leave b; wait 2s"},
	{name: "leak-ipv6", acted: "not_closing", network: "ipv6",
		script: "feed 300ms; keep; connect 10 a; connect 30 b one; wait 500ms; leave b; wait 2s"},
	{name: "leak-unread", acted: "not_closing",
		script: "feed 300ms; connect 60 b; wait 500ms; ignore; connect 5 a; leave b; wait 4s"},
	{name: "leak-quiet", acted: "not_closing", trade: true,
		script: "answer; keep; connect 30 a; connect 40 b; wait 500ms; leave b; wait 2s"},
	{name: "crash-loop", acted: "crash_loop", script: "throw all 1ms; connect 10 a return 300ms; wait 5s"},
	{name: "crash-loop-3", acted: "crash_loop", trade: true, script: "throw all 1ms; connect 3 a return 200ms; wait 6s"},
	{name: "crash-loop-slow", acted: "crash_loop", script: "throw all 1ms; connect 30 a return 3s; wait 13s"},
	{name: "crash-loop-ipv6", acted: "crash_loop", network: "ipv6",
		script: "throw all 50ms; connect 60 a return 500ms; wait 5s"},
	{name: "frozen-feed", acted: "feed_stalled", script: "feed 300ms; connect 60 a; wait 500ms; freeze; wait 11s"},
	{name: "frozen-feed-3", acted: "feed_stalled", script: "feed 300ms; connect 3 a; wait 500ms; freeze; wait 11s"},
	{name: "frozen-feed-behind-nat", acted: "feed_stalled", network: "ipv6",
		script: "feed 300ms; connect 80 a one; wait 500ms; freeze; wait 11s"},
	{name: "ended", acted: "down", script: "feed 300ms; connect 30 a; wait 500ms; end; wait 1s"},
	{name: "syn-flood", acted: "syn_backlog", script: "feed 300ms; connect 20 a; flood; wait 4s"},
}
