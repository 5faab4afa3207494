package verdict

import (
	"net/netip"
	"strings"
	"testing"

	"frontsockets/internal/diagnosis"
	"frontsockets/internal/tally"
	"frontsockets/internal/tcp"
	"frontsockets/internal/threshold"
)

var ports = tcp.Ports{{Lo: 41213, Hi: 41213}}

func ranges(t *testing.T, words string) Thresholds {
	t.Helper()
	thresholds := Thresholds{}
	for _, w := range strings.Fields(words) {
		name, text, _ := strings.Cut(w, "=")
		m, err := tally.ParseMetric(name)
		if err != nil {
			t.Fatal(err)
		}
		if thresholds[m], err = threshold.Parse(text); err != nil {
			t.Fatal(err)
		}
	}
	return thresholds
}

func listener(port uint16, queue, backlog uint32) tally.Listener {
	return tally.Listener{
		Local: netip.AddrPortFrom(netip.IPv4Unspecified(), port), Facts: ^tcp.Facts(0), Queue: queue, Backlog: backlog,
	}
}

func withoutBacklog(queue, limit, before uint32, notEmptied bool) tally.Listener {
	l := listener(41213, queue, 0)
	l.Facts &^= tcp.FactBacklog
	l.MaxBacklog, l.Before, l.NotEmptied = limit, before, notEmptied
	return l
}

func atLeastN(n float64) tally.Value {
	v := tally.Number(n)
	v.LowerBound = "full"
	return v
}

func TestJudge(t *testing.T) {
	healthy := []tally.Listener{listener(41213, 0, 128)}
	for _, test := range []struct {
		name              string
		warning, critical string
		noListener        Status
		abnormal, feedAge tally.Value
		listeners         []tally.Listener
		ports             tcp.Ports
		want              Status
		problems          string
	}{
		{name: "nothing wrong", critical: "abnormal=@50:", abnormal: tally.Number(49), want: OK},
		{name: "the limit itself", critical: "abnormal=@50:", abnormal: tally.Number(50), want: Critical,
			problems: "abnormal is 50 (critical @50:)"},
		{name: "no thresholds", abnormal: tally.Number(1e6), want: OK},
		{name: "both breached is critical", warning: "abnormal=10", critical: "abnormal=81", abnormal: tally.Number(82),
			want: Critical, problems: "abnormal is 82 (critical 81)"},
		{name: "warning only", warning: "abnormal=10", critical: "abnormal=81", abnormal: tally.Number(81), want: Warning,
			problems: "abnormal is 81 (warning 10)"},
		{name: "a warning hides no critical", warning: "abnormal=10", critical: "feed_age=30", abnormal: tally.Number(20),
			feedAge: tally.Number(42.5),
			want:    Critical, problems: "feed_age is 42.5s (critical 30); abnormal is 20 (warning 10)"},
		{name: "unknown is over warning", warning: "abnormal=10 feed_age=30", abnormal: tally.Number(20),
			feedAge: tally.Value{Unknown: "no client is established"},
			want:    Unknown, problems: "cannot judge feed_age: no client is established; abnormal is 20 (warning 10)"},
		{name: "unknown is under critical", critical: "abnormal=10 feed_age=30", abnormal: tally.Number(20),
			feedAge: tally.Value{Unknown: "no client is established"},
			want:    Critical, problems: "abnormal is 20 (critical 10); cannot judge feed_age: no client is established"},
		{name: "unknown without a threshold", critical: "abnormal=10", abnormal: tally.Number(0),
			feedAge: tally.Value{Unknown: "no client is established"}, want: OK},
		{name: "an unknown count is not OK", critical: "abnormal=@50:", abnormal: tally.Value{Unknown: "lsof"},
			want: Unknown, problems: "cannot judge abnormal: lsof"},
		{name: "nobody listens", noListener: Critical, listeners: []tally.Listener{}, want: Critical,
			problems: "nothing listens on port 41213"},
		{name: "nobody listens, and it is a warning", noListener: Warning, listeners: []tally.Listener{}, want: Warning,
			problems: "nothing listens on port 41213"},
		{name: "nobody listens, and it is unknown", noListener: Unknown, listeners: []tally.Listener{}, want: Unknown,
			problems: "nothing listens on port 41213"},
		{name: "nobody listens, and it is all right", noListener: OK, listeners: []tally.Listener{}, want: OK,
			problems: "nothing listens on port 41213"},
		{name: "nobody listens, and there is worse", noListener: Warning, critical: "abnormal=10",
			abnormal: tally.Number(11), listeners: []tally.Listener{},
			want: Critical, problems: "abnormal is 11 (critical 10); nothing listens on port 41213"},
		{name: "one port of several is silent", noListener: Critical, ports: tcp.Ports{{Lo: 41213, Hi: 41214}},
			want: Critical, problems: "nothing listens on port 41214"},
		{name: "many are", noListener: Critical, ports: tcp.Ports{{Lo: 41213, Hi: 41220}}, want: Critical,
			problems: "nothing listens on port 41214 and 6 more"},
		{name: "a full accept queue", listeners: []tally.Listener{listener(41213, 128, 128), listener(41213, 129, 128)},
			want: Critical, problems: "accept queue of port 41213 is full, 129 of 128"},
		{name: "two full queues", ports: tcp.Ports{{Lo: 41213, Hi: 41214}},
			listeners: []tally.Listener{listener(41213, 129, 128), listener(41214, 65, 64)}, want: Critical,
			problems: "accept queue of port 41213 is full, 129 of 128; accept queue of port 41214 is full, 65 of 64"},
		{name: "one port silent, another full", noListener: Critical, ports: tcp.Ports{{Lo: 41213, Hi: 41214}},
			listeners: []tally.Listener{listener(41213, 129, 128)},
			want:      Critical, problems: "nothing listens on port 41214; accept queue of port 41213 is full, 129 of 128"},
		{name: "a lower bound that breaches", critical: "abnormal=@50:", abnormal: atLeastN(60), want: Critical,
			problems: "abnormal is at least 60 (critical @50:)"},
		{name: "a lower bound that does not", critical: "abnormal=@50:", abnormal: atLeastN(49), want: Unknown,
			problems: "abnormal is at least 49: full"},
		{name: "a lower bound that nothing larger breaches", critical: "abnormal=10:", abnormal: atLeastN(10), want: OK},
		{name: "a lower bound that something larger does not breach", critical: "abnormal=10:", abnormal: atLeastN(9),
			want: Unknown, problems: "abnormal is at least 9: full"},
		{name: "a lower bound breaches the warning only", warning: "abnormal=10", critical: "abnormal=81",
			abnormal: atLeastN(20),
			want:     Unknown, problems: "abnormal is at least 20: full; abnormal is at least 20 (warning 10)"},
		{name: "a lower bound breaches neither", warning: "abnormal=30", critical: "abnormal=81", abnormal: atLeastN(20),
			want: Unknown, problems: "abnormal is at least 20: full"},
		{name: "a lower bound without a threshold", abnormal: atLeastN(20), want: OK},
		{name: "a queue of unknown backlog", listeners: []tally.Listener{withoutBacklog(17, 4096, 0, false)}, want: OK},
		{name: "a queue that does not empty", listeners: []tally.Listener{withoutBacklog(17, 4096, 16, true)},
			want: Unknown, problems: "accept queue of port 41213 does not empty (16, then 17) and may be full: its backlog" +
				" is not known"},
		{name: "a queue as long as any may be", listeners: []tally.Listener{withoutBacklog(17, 17, 17, true)},
			want: Critical, problems: "accept queue of port 41213 is full, 17 of at most 17 (somaxconn)"},
		{name: "a queue of a system without a limit", listeners: []tally.Listener{withoutBacklog(17, 0, 0, false)}, want: OK},
		{name: "an accept queue at its backlog", listeners: []tally.Listener{listener(41213, 128, 128)}, want: OK},
	} {
		t.Run(test.name, func(t *testing.T) {
			r := tally.Result{Listeners: test.listeners}
			if r.Listeners == nil {
				r.Listeners = healthy
			}
			r.Values[tally.Abnormal], r.Values[tally.FeedAge] = test.abnormal, test.feedAge
			asked := test.ports
			if asked == nil {
				asked = ports
			}
			v := Judge(Policy{Warning: ranges(t, test.warning), Critical: ranges(t, test.critical),
				NoListener: test.noListener}, asked, r, diagnosis.Diagnosis{})
			var texts []string
			for _, p := range v.Problems {
				texts = append(texts, p.Text)
			}
			if got := strings.Join(texts, "; "); v.Status != test.want || got != test.problems {
				t.Errorf("got %d %q, want %d %q", v.Status, got, test.want, test.problems)
			}
		})
	}
}

func TestShort(t *testing.T) {
	r := tally.Result{Listeners: []tally.Listener{listener(41213, 0, 128)}}
	r.Values[tally.FeedAge] = tally.Number(42)
	r.Values[tally.AcceptQueuePct] = tally.Number(93.75)
	r.Values[tally.Unread] = tally.Number(7)
	v := Judge(Policy{Critical: ranges(t, "feed_age=30 accept_queue_pct=80 unread=5")}, ports, r, diagnosis.Diagnosis{})
	var got []string
	for _, p := range v.Problems {
		got = append(got, p.Short)
	}
	if want := "accept queue pct 93.75 %, unread 7, feed stalled 42 s"; strings.Join(got, ", ") != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

// TestHiddenListeners: a source without listeners cannot say that the front listens.
func TestHiddenListeners(t *testing.T) {
	r := tally.Result{HiddenStates: tcp.Set(tcp.Listen), Values: tally.AllUnknown("not seen")}
	r.Values[tally.Abnormal] = tally.Number(0)
	for noListener, want := range map[Status]Status{Critical: Unknown, Warning: Unknown, Unknown: Unknown, OK: OK} {
		v := Judge(Policy{NoListener: noListener}, tcp.Ports{{Lo: 41213, Hi: 41213}}, r, diagnosis.Diagnosis{})
		if v.Status != want {
			t.Errorf("--no-listener %v: %v, want %v", noListener, v.Status, want)
		}
	}
}

func TestParseStatus(t *testing.T) {
	for text, want := range map[string]Status{"ok": OK, "Warning": Warning, "CRITICAL": Critical, "unknown": Unknown} {
		if got, err := ParseStatus(text); err != nil || got != want {
			t.Errorf("%s is %v, %v", text, got, err)
		}
	}
	if got, err := ParseStatus("fine"); err == nil || got == OK {
		t.Errorf("fine is %v, %v", got, err)
	}
}

// TestDiagnosisAlarms: a diagnosis is a problem if the policy says so, and hides no other.
func TestDiagnosisAlarms(t *testing.T) {
	alarms := map[diagnosis.Code]Status{diagnosis.Hung: Critical, diagnosis.NotClosing: Warning, diagnosis.Down: Critical}
	r := tally.Result{Listeners: []tally.Listener{listener(41213, 0, 128)}}
	r.Values[tally.Abnormal] = tally.Number(60)
	for _, test := range []struct {
		d          diagnosis.Diagnosis
		critical   string
		noListener Status
		listeners  []tally.Listener
		want       Status
		problems   string
	}{
		{d: diagnosis.Diagnosis{Code: diagnosis.Hung, Text: "the front does not read"}, want: Critical,
			problems: "the front does not read"},
		{d: diagnosis.Diagnosis{Code: diagnosis.NotClosing, Text: "the front does not close"}, critical: "abnormal=@50:",
			want:     Critical,
			problems: "abnormal is 60 (critical @50:); the front does not close"},
		{d: diagnosis.Diagnosis{Code: diagnosis.Network, Text: "network trouble"}, want: OK},
		{d: diagnosis.Diagnosis{Code: diagnosis.Down, Text: "nothing listens on port 41213"}, noListener: Warning,
			listeners: []tally.Listener{},
			want:      Critical, problems: "nothing listens on port 41213; nothing listens on port 41213"},
		{d: diagnosis.Diagnosis{Code: diagnosis.Down, Text: "nothing listens on port 41213"}, noListener: Critical,
			listeners: []tally.Listener{},
			want:      Critical, problems: "nothing listens on port 41213"},
	} {
		r := r
		if test.listeners != nil {
			r.Listeners = test.listeners
		}
		v := Judge(Policy{Critical: ranges(t, test.critical), NoListener: test.noListener, Diagnosis: alarms}, ports, r,
			test.d)
		var texts []string
		for _, p := range v.Problems {
			texts = append(texts, p.Text)
		}
		if got := strings.Join(texts, "; "); v.Status != test.want || got != test.problems {
			t.Errorf("%s: got %d %q, want %d %q", test.d.Code, v.Status, got, test.want, test.problems)
		}
	}
}
