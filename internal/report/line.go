package report

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/tidwall/gjson"

	"frontsockets/internal/verdict"
)

// newestFormat is the newest format of a line that this program reads.
const newestFormat = 1

// Errors of a line.
var (
	errTorn       = errors.New("torn: its writer was killed, or is still writing")
	errForeign    = errors.New("not a line of --log")
	errNewer      = errors.New("written by a newer version: install its front_report")
	errTooLong    = fmt.Errorf("longer than %d bytes", maxLine)
	errRest       = errors.New("the rest of the file cannot be read")
	errCutShort   = errors.New("it is cut short, or other text follows its end: copy it again")
	errUnreadable = errors.New("the file cannot be read")
	errChanged    = errors.New("the file was changed while it was read; run front_report again")
)

// Errors of a line beyond a limit.
var (
	errFronts    = fmt.Errorf("a front beyond the first %d: give the logs of fewer fronts", allLimits.fronts)
	errLooks     = fmt.Errorf("a look beyond the first %d: use --from and --to", allLimits.looks)
	errListeners = fmt.Errorf("a restart beyond the first %d: use --from and --to", allLimits.listeners)
	errCodes     = fmt.Errorf("a diagnosis beyond the first %d: not a log of the checks", allLimits.codes)

	limitErrors = []error{errFronts, errLooks, errListeners, errCodes}
)

// Identity is what tells one front from another.
type Identity struct{ Host, Service, Name, Ports string }

func (i Identity) printable() Identity {
	return Identity{printable(i.Host), printable(i.Service), printable(i.Name), printable(i.Ports)}
}

// outline is what is kept of every line.
type outline struct {
	at     int64 // Unix time in seconds
	line   uint32
	file   uint16
	code   uint16 // index of the diagnosis in the reader's table
	closed bool   // out of every trading session
	status Status
	socket uint32 // index of the listeners in the reader's table, 0 is not known
	// trouble is the number of sockets that are not well: abnormal, unread or not accepted.
	trouble uint32
}

// Status is a verdict.Status in one byte, because there is one in each outline.
type Status uint8

// The statuses.
const (
	OK       = Status(verdict.OK)
	Warning  = Status(verdict.Warning)
	Critical = Status(verdict.Critical)
	Unknown  = Status(verdict.Unknown)
)

func (s Status) String() string { return strings.ToUpper(verdict.StatusNames[s]) }

// compare returns 1 if the checks rank s above other, -1 if below, and 0 if both are the same.
func (s Status) compare(other Status) int {
	switch worse := Status(verdict.Status(s).Or(verdict.Status(other))); {
	case s == other:
		return 0
	case worse == s:
		return 1
	}
	return -1
}

// glance is what the first reading takes from a line. It is valid as long as the line.
type glance struct {
	Identity
	status  Status
	code    string
	trouble uint64
	closed  bool
	time    time.Time
	inodes  []uint64 // of the listeners, sorted
	process gjson.Result
}

// start is how every line begins. Nothing else in a line can have these bytes: in a string the
// quotes are escaped.
var start = []byte(`{"name":`)

// whole returns what follows a torn line on the same line, and whether something was torn.
func whole(line []byte) (rest []byte, torn bool) {
	if i := bytes.LastIndex(line, start); i > 0 {
		return line[i:], true
	}
	return line, false
}

// firstYear and lastYear are those of the times that a line may have: a clock that was never set
// says 1970, and the nanoseconds of a time.Duration last for 292 years.
const firstYear, lastYear = 1970, 2199

// glanceAt reads what the first reading needs of a line. It does not look at the rest, which
// most lines are read for only once: the second reading finds out what is wrong there.
func glanceAt(line []byte) (glance, error) {
	var g glance
	reject := errForeign
	if bytes.HasPrefix(line, start) {
		reject = errTorn
	}
	if len(line) < 2 || line[0] != '{' || line[len(line)-1] != '}' {
		return g, reject
	}
	var status, format, at gjson.Result
	gjson.ParseBytes(line).ForEach(func(key, value gjson.Result) bool {
		switch key.Str {
		case "name":
			g.Name = value.Str
		case "ports":
			g.Ports = value.Str
		case "host":
			g.Host = value.Str
		case "service":
			g.Service = value.Str
		case "exit_code":
			status = value
		case "diagnosis":
			g.code = value.Get("code").Str
		case "metrics":
			for _, metric := range []string{"abnormal", "unread", "accept_queue"} {
				g.trouble += min(value.Get(metric).Uint(), math.MaxUint32)
			}
		case "out_of_session":
			g.closed = value.Bool()
		case "time":
			at = value
		case "format":
			format = value
		case "process":
			g.process = value
		case "listeners":
			value.ForEach(func(_, listener gjson.Result) bool {
				g.inodes = append(g.inodes, listener.Get("inode").Uint())
				return true
			})
		}
		return true
	})
	switch {
	case format.Num > newestFormat:
		return g, errNewer
	case len(status.Raw) != 1 || status.Raw[0] < '0' || status.Raw[0] > '0'+byte(Unknown):
		return g, reject
	case g.Ports == "" || g.Service == "" || at.Type != gjson.String:
		return g, reject
	}
	// As entryOf reads it, so that both accept the same times.
	if err := g.time.UnmarshalText([]byte(at.Str)); err != nil || g.time.Year() < firstYear || g.time.Year() > lastYear {
		return g, errForeign
	}
	g.status = Status(status.Raw[0] - '0')
	slices.Sort(g.inodes)
	return g, nil
}

// entry is what the second reading takes from a line.
type entry struct {
	Reason    string
	Metrics   map[string]*float64
	States    map[string]*int
	Clients   []clientEntry
	Omitted   *int `json:"clients_omitted"`
	Listeners []struct {
		AcceptQueue *uint32 `json:"accept_queue"`
		Backlog     *uint32
	}
}

// clientEntry is one client in a line.
type clientEntry struct {
	Address, Name      string
	Sessions, Abnormal int
	States             map[string]int
	UnreadBytes        *uint64 `json:"unread_bytes"`
	Stalled            *int
	ZeroWindow         *int `json:"zero_window"`
}

// entryOf reads a line in full.
func entryOf(line []byte) (entry, error) {
	var e entry
	if err := json.Unmarshal(line, &e); err != nil {
		return e, fmt.Errorf("%w: %w", errForeign, err)
	}
	return e, nil
}
