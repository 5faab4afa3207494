package suggest

import "testing"

func TestClosest(t *testing.T) {
	choices := []string{"close", "close_wait", "last_ack", "listeners", "listen_drops", "json", "critical", "rtt"}
	for word, want := range map[string]string{
		"close_wait": "close_wait", "CLOSE_WAIT": "close_wait", "close-wait": "close_wait", "closewait": "close_wait",
		"close_wiat": "close_wait", "clsoe": "close", "jsno": "json", "jsn": "json", "ciritcal": "critical",
		"crit": "critical", "listen": "listeners", "RTT": "rtt", "rt": "", "": "", "xml": "", "sockets": "", "jxxn": "",
		"lst_akc": "last_ack", "last": "last_ack", "la": "", "前置": "",
	} {
		if got := Closest(word, choices); got != want {
			t.Errorf("%q: %q, want %q", word, got, want)
		}
	}
	if got := DidYouMean("jsno", choices); got != " (did you mean json?)" {
		t.Error(got)
	}
	if got := DidYouMean("xml", choices) + DidYouMean("json", nil); got != "" {
		t.Error(got)
	}
}

func TestDistance(t *testing.T) {
	for _, test := range []struct {
		a, b string
		want int
	}{
		{"", "", 0}, {"", "abc", 3}, {"abc", "abc", 0}, {"abc", "acb", 1}, {"abc", "ab", 1}, {"abc", "xbc", 1},
		{"abc", "xabc", 1}, {"abcd", "badc", 2}, {"kitten", "sitting", 3},
	} {
		if got := distance(test.a, test.b); got != test.want || distance(test.b, test.a) != test.want {
			t.Errorf("%q and %q: %d, want %d", test.a, test.b, got, test.want)
		}
	}
}
