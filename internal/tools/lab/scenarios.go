package main

import (
	"strings"
	"time"
)

const (
	calm    = 6750 * time.Millisecond // that every scenario is healthy before something begins; between two questions
	trouble = 20 * time.Second        // that the trouble is watched
)

// scenario is a front, its clients and what befalls them.
type scenario struct {
	name  string
	truth string // the diagnosis that is right
	means string // how it is acted
	trade bool   // a trade front, else a market-data front
	drill string // what front_drill acts

	strike  string // with it: what the clients' host does when the trouble begins
	crowd   bool   // clients in three subnets more
	outside bool   // of the trading session

	unalarmed bool // no threshold of the policy is for it, the diagnosis alone tells
}

// fine tells that nothing is wrong, so that every alarm is a false one.
func (s scenario) fine() bool { return s.truth == "healthy" || s.truth == "mass_logoff" }

// begins tells that something begins after the calm.
func (s scenario) begins() bool {
	steady := strings.HasPrefix(s.drill, "healthy ") || strings.HasPrefix(s.drill, "quiet ")
	return s.strike != "" || !steady
}

// The program starts itself in these modes too.
const (
	actMode   = "act"   // NAME: a scenario, in its network namespace
	crowdMode = "crowd" // on the clients' host
	floodMode = "flood"
)

// The clients' subnets, beside that of front_drill; the last one is the flood's.
const (
	cutSubnet   = "10.42.1"
	floodSubnet = "10.43.0.0/16"
)

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
		means: "the front accepts no more and goes on to feed 60 clients; 60 others try to connect"},
	{name: "frozen", truth: "feed_stalled", drill: "frozen --clients 60",
		means: "no more ticks; 60 clients stay, every 2 s one more logs in and is answered"},
	{name: "deaf", truth: "hung", trade: true, drill: "deaf --clients 60",
		means: "the front reads no more; it accepts, and sends to 60 clients, who send requests"},
	{name: "nofile", truth: "out_of_descriptors", trade: true, drill: "nofile --clients 60",
		means: "RLIMIT_NOFILE is reached, accept fails over and over (EMFILE); 60 clients are served, 60 others try to connect"},
	{name: "leak", truth: "not_closing", drill: "leak --clients 200 --others 50 --over 10s",
		means: "the front never closes: 20 clients a second come and go for 10 s; 50 are served"},
	{name: "loop", truth: "client_loop", drill: "loop --clients 300 --others 499 --over 15s",
		means: "one client of 500 is thrown out 20 times a second and reconnects at once"},
	{name: "slow", truth: "client_loop", drill: "slow --clients 50",
		means: "one client never reads (zero window), 50 are well; 32 KiB a second to each"},
	{name: "network", truth: "network", drill: "healthy --clients 60", crowd: true, unalarmed: true,
		strike: "ip route del local " + cutSubnet + ".0/24 dev lo; ip route add blackhole " + cutSubnet + ".0/24",
		means:  "one subnet of four is cut off without FIN: the packets of 20 clients of 120 are dropped both ways"},
	{name: "flood", truth: "syn_backlog", drill: "healthy --clients 60",
		strike: `"$LAB" ` + floodMode + ` &`,
		means:  "60 clients; 100 SYNs a second from everywhere, and nobody answers the SYN-ACKs"},
	{name: "logoff", truth: "mass_logoff", drill: "logoff --clients 200 --over 3s",
		means: "200 clients log off in order within 3 s: TIME_WAIT from many addresses; nothing is wrong"},
	{name: "down", truth: "down", drill: "down --clients 60",
		means: "the front's process ends; 60 clients reconnect in vain"},
	{name: "night", truth: "healthy", drill: "frozen --clients 60", outside: true,
		means: "no more ticks as in frozen, but outside the trading session (`--session`)"},
}
