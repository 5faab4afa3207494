package browser

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// The day: a look a minute at each front, with so many clients a line.
const (
	dayFronts, dayClients = 14, 50
	dayLooks              = 24 * 60
)

var (
	shanghai = time.FixedZone("+08:00", 8*60*60)
	day      = time.Date(2026, 11, 25, 0, 0, 0, 0, shanghai)
)

// clock returns a time of the day.
func clock(hour, minute int) time.Time {
	return day.Add(time.Duration(hour)*time.Hour + time.Duration(minute)*time.Minute)
}

// trouble is what a front has from a time to another.
type trouble struct {
	front    int
	from, to time.Time
	status   string
	code     string // of the diagnosis; "gap" if there are no looks
	state    string // of the abnormal sockets
	clients  int    // that have such sockets
	sockets  int    // each has so many of them
	restart  bool   // the front has another process and listener from the end on
}

// dayTroubles are the incidents and gaps of the day, by front and time.
var dayTroubles = []trouble{
	{front: 3, from: clock(9, 30), to: clock(9, 52), status: "CRITICAL", code: "client_loop", state: "time_wait",
		clients: 1, sockets: 140},
	{front: 5, from: clock(10, 40), to: clock(11, 25), status: "WARNING", code: "network", state: "fin_wait1",
		clients: 12, sockets: 2},
	{front: 7, from: clock(10, 14), to: clock(10, 21), status: "CRITICAL", code: "hung", state: "close_wait",
		clients: 45, sockets: 4, restart: true},
	{front: 9, from: clock(14, 0), to: clock(14, 10), status: "UNKNOWN", code: ""},
	{front: 11, from: clock(13, 10), to: clock(14, 0), code: "gap"},
	{front: 12, from: clock(22, 0), to: clock(23, 10), status: "CRITICAL", code: "crash_loop", state: "time_wait",
		clients: 40, sockets: 6, restart: true},
	{front: 13, from: clock(9, 31), to: clock(9, 50), status: "WARNING", code: "client_loop", state: "time_wait",
		clients: 1, sockets: 60},
	{front: 14, from: clock(14, 30), to: clock(14, 31), status: "CRITICAL", code: "feed_stalled"},
	{front: 14, from: clock(21, 30), to: clock(21, 40), status: "CRITICAL", code: "feed_stalled"},
	{front: 14, from: clock(21, 50), to: clock(21, 55), status: "WARNING", code: "not_closing", state: "close_wait",
		clients: 50, sockets: 1},
	{front: 14, from: clock(22, 5), to: clock(22, 15), status: "CRITICAL", code: "down"},
}

// dayClosed are the times without a trading session.
var dayClosed = [][2]time.Time{
	{clock(2, 30), clock(8, 55)}, {clock(11, 30), clock(13, 0)}, {clock(15, 15), clock(20, 55)},
}

// object is a JSON object. Its keys are written in the order of the alphabet.
type object = map[string]any

// line is a line of --log. Every line begins with the name.
type line struct {
	Name    string   `json:"name"`
	Ports   string   `json:"ports"`
	Status  string   `json:"status"`
	Code    int      `json:"exit_code"`
	Reason  string   `json:"reason"`
	Why     object   `json:"diagnosis"`
	Metrics object   `json:"metrics"`
	States  object   `json:"states"`
	Closed  bool     `json:"out_of_session"`
	Clients []client `json:"clients"`
	Omitted int      `json:"clients_omitted"`
	Listen  []any    `json:"listeners"`
	Process owner    `json:"process"`
	Source  string   `json:"source"`
	Host    string   `json:"host"`
	Time    string   `json:"time"`
	Service string   `json:"service"`
	Version string   `json:"version"`
	Format  int      `json:"format"`
}

// client is a client in a line, and owner the process that listens. As in a real line, neither
// begins with its name.
type client struct {
	Address       string         `json:"address"`
	Name          string         `json:"name"`
	Sessions      int            `json:"sessions"`
	Abnormal      int            `json:"abnormal"`
	States        map[string]int `json:"states"`
	UnreadBytes   int            `json:"unread_bytes"`
	UnsentBytes   int            `json:"unsent_bytes"`
	Retransmitted int            `json:"retransmitting"`
	ZeroWindow    int            `json:"zero_window"`
	Stalled       int            `json:"stalled"`
	FeedAge       float64        `json:"feed_age"`
	RequestAge    float64        `json:"request_age"`
	RTT           float64        `json:"rtt"`
}

type owner struct {
	PID     int       `json:"pid"`
	Name    string    `json:"name"`
	State   string    `json:"state"`
	Started time.Time `json:"started"`
}

// writeDay writes the log of a day, and returns its name. What a check of a front logs at a time is
// what lookAt returns.
func writeDay(t *testing.T, lookAt func(front int, at time.Time) (l line, looked bool)) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "day.log")
	f, err := os.Create(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	w := bufio.NewWriterSize(f, 1<<20)
	encoder := json.NewEncoder(w)
	for minute := range dayLooks {
		for front := 1; front <= dayFronts; front++ {
			l, looked := lookAt(front, day.Add(time.Duration(minute)*time.Minute))
			if !looked {
				continue
			}
			if err := encoder.Encode(l); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := w.Flush(); err != nil {
		t.Fatal(err)
	}
	return file
}

// flappingAt returns what a check logs of a front that is CRITICAL once in five minutes, all day.
func flappingAt(front int, at time.Time) (l line, looked bool) {
	now := trouble{status: "OK", code: "healthy"}
	if minute := int(at.Sub(day) / time.Minute); (minute+front)%5 == 0 {
		now = trouble{status: "CRITICAL", code: "hung", state: "close_wait", from: at, clients: 20, sockets: 3}
	}
	return logLine(fmt.Sprintf("front%d", front), at, now, day, false), true
}

// lineAt returns what a check of the front logs at a time.
func lineAt(front int, at time.Time) (l line, looked bool) {
	now, started := trouble{code: "healthy", status: "OK"}, day.Add(-12*time.Hour)
	for _, t := range dayTroubles {
		if t.front != front {
			continue
		}
		if !at.Before(t.from) && at.Before(t.to) {
			now = t
		}
		if t.restart && !at.Before(t.to) {
			started = t.to
		}
	}
	closed := isClosed(at)
	if closed {
		now = trouble{code: "healthy", status: "OK"}
	}
	return logLine(fmt.Sprintf("front%d", front), at, now, started, closed), now.code != "gap"
}

func isClosed(at time.Time) bool {
	for _, span := range dayClosed {
		if !at.Before(span[0]) && at.Before(span[1]) {
			return true
		}
	}
	return false
}

// logLine returns the line of a front that has a trouble.
func logLine(front string, at time.Time, now trouble, started time.Time, closed bool) line {
	l := line{
		Name: front, Ports: "41213", Status: now.status, Reason: front + " :41213 has a state: " + now.code,
		Code:   map[string]int{"OK": 0, "WARNING": 1, "CRITICAL": 2, "UNKNOWN": 3}[now.status],
		Why:    object{"code": now.code, "text": now.code, "evidence": []any{}},
		Closed: closed, Process: process(started), Source: "sockdiag", Host: "host-" + front,
		Time: at.Format(time.RFC3339), Service: "MDFRONT", Version: "1.0.0", Format: 1,
	}
	abnormal := now.clients * now.sockets
	queue, age, stalled := 0, 0.2+float64(at.Minute()%7)/20, 0
	switch now.code {
	case "hung":
		queue = min(129, 30*(1+int(at.Sub(now.from)/time.Minute)))
	case "feed_stalled":
		age, stalled = at.Sub(now.from).Seconds()+30, 3
	}
	established := 0
	for i := range dayClients {
		c := client{Address: fmt.Sprintf("10.20.0.%d", i+1), Name: clientName(i), Sessions: 3, Stalled: stalled,
			States: map[string]int{"established": 3}, FeedAge: age, RequestAge: 0.484, RTT: 0.000019}
		if i < now.clients {
			c.Abnormal = now.sockets
			c.Sessions += now.sockets
			c.States[now.state] = now.sockets
		}
		established += 3
		l.Clients = append(l.Clients, c)
	}
	l.States = object{"established": established, "listen": 1}
	if now.state != "" {
		l.States[now.state] = abnormal
	}
	l.Metrics = object{"abnormal": abnormal, "established": established, "clients": dayClients, "listeners": 1,
		"accept_queue": queue, "unread": 0, "stalled": stalled, "feed_age": age}
	l.Listen = []any{object{"address": "0.0.0.0", "port": 41213, "accept_queue": queue, "backlog": 128, "drops": 0,
		"inode": started.Unix()}}
	if now.code == "" || now.code == "down" {
		l.Metrics, l.States, l.Clients, l.Listen = object{}, object{}, []client{}, []any{}
	}
	return l
}

// process returns the process of a front that was started at a time.
func process(started time.Time) owner {
	return owner{4000 + int(started.Sub(day)/time.Minute), "mdfront", "sleep", started}
}

// clientName returns the name of a client; some have none.
func clientName(i int) string {
	if i%3 == 2 {
		return ""
	}
	return fmt.Sprintf("broker-%02d", i+1)
}
