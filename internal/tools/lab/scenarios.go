package main

import (
	"strings"
	"time"
)

const (
	// calm is the time for which every scenario is healthy at first. It ends between two
	// questions, since these come once a second.
	calm = 6750 * time.Millisecond
	// trouble is the time for which the trouble is watched.
	trouble = 20 * time.Second
)

// scenario is a front with its clients, and the trouble that they get.
type scenario struct {
	name  string
	truth string // the right diagnosis
	means string // how it is acted, for docs/LAB.md
	trade bool   // it is a trade front, not a market-data front
	drill string // scenario and options of front_drill

	strike  string // commands that begin the trouble on the clients' host, or ""
	crowd   bool   // there are more clients, in three more subnets
	outside bool   // the time is outside the trading session
}

// fine reports whether nothing is wrong, so that every alarm is a false alarm.
func (s scenario) fine() bool { return s.truth == "healthy" || s.truth == "mass_logoff" }

// begins reports whether a change begins after the calm.
func (s scenario) begins() bool {
	steady := strings.HasPrefix(s.drill, "healthy ") || strings.HasPrefix(s.drill, "quiet ")
	return s.strike != "" || !steady
}

// The modes in which the program starts itself.
const (
	actMode   = "act"   // acts the scenario that the next argument names, in its network namespace
	crowdMode = "crowd" // connects more clients, on the clients' host
	floodMode = "flood" // sends SYNs, on the clients' host

	performMode = "perform" // acts the situation that the next argument names, and looks at it
	frontMode   = "front"   // plays the front of a situation
	clientsMode = "clients" // plays its clients
)

const (
	cutSubnet   = "10.42.1"      // one of the crowd's, which scenario network cuts off
	floodSubnet = "10.43.0.0/16" // the sources of the flood
)

// scenarios are all scenarios, in the order of the table.
var scenarios = []scenario{
	{name: "quiet", truth: "healthy", trade: true, drill: "quiet --clients 20",
		means: "20 clients, a heartbeat every 15 s, no feed"},
	{name: "healthy", truth: "healthy", drill: "healthy --clients 2000",
		means: "2,000 clients, a tick every 500 ms"},
	{name: "burst", truth: "healthy", drill: "burst --clients 500 --others 200 --over 1500ms",
		means: "200 clients, then 500 more log in within 1.5 s"},
	{name: "rush", truth: "healthy", trade: true, drill: "burst --clients 500 --others 200 --over 1500ms",
		means: "the same at a trade front"},
	{name: "hang", truth: "hung", drill: "hang --clients 60",
		means: "60 clients; the front is stopped (SIGSTOP), they give up and reconnect"},
	{name: "stuck", truth: "hung", drill: "stuck --clients 60",
		means: "the front stops accepting and still feeds 60 clients; 60 others try to connect"},
	{name: "frozen", truth: "feed_stalled", drill: "frozen --clients 60",
		means: "the ticks stop; 60 clients stay, and every 2 s one more logs in and gets an answer"},
	{name: "deaf", truth: "hung", trade: true, drill: "deaf --clients 60",
		means: "the front stops reading; it still accepts, and sends to 60 clients, which send requests"},
	{name: "nofile", truth: "out_of_descriptors", trade: true, drill: "nofile --clients 60",
		means: "RLIMIT_NOFILE is reached, accept fails over and over (EMFILE);" +
			" 60 clients are served, 60 others try to connect"},
	{name: "leak", truth: "not_closing", drill: "leak --clients 200 --others 50 --over 10s",
		means: "the front never closes: 20 clients a second come and go for 10 s; 50 are served"},
	{name: "loop", truth: "client_loop", drill: "loop --clients 300 --others 499 --over 15s",
		means: "the front disconnects one client of 500, which reconnects at once, 20 times a second"},
	{name: "slow", truth: "client_loop", drill: "slow --clients 50",
		means: "one client never reads (zero window), 50 others do; the front sends 32 KiB a second to each"},
	{name: "network", truth: "network", drill: "healthy --clients 60", crowd: true,
		strike: "ip route del local " + cutSubnet + ".0/24 dev lo; ip route add blackhole " + cutSubnet + ".0/24",
		means:  "one subnet of four is cut off without FIN: the packets of 20 clients of 120 are dropped both ways"},
	{name: "flood", truth: "syn_backlog", drill: "healthy --clients 60",
		strike: `"$LAB" ` + floodMode + ` &`,
		means:  "60 clients; 100 SYNs a second from random addresses, which do not answer the SYN-ACKs"},
	{name: "logoff", truth: "mass_logoff", drill: "logoff --clients 200 --over 3s",
		means: "200 clients log off normally within 3 s: TIME_WAIT from many addresses; nothing is wrong"},
	{name: "down", truth: "down", drill: "down --clients 60",
		means: "the front's process ends; 60 clients try to reconnect"},
	{name: "night", truth: "healthy", drill: "frozen --clients 60", outside: true,
		means: "the ticks stop as in frozen, but outside the trading session (`--session`)"},
}
