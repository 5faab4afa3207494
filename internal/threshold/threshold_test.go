package threshold

import (
	"math"
	"strings"
	"testing"
)

// TestAlerts has the guideline's examples, and what strict readers ask.
func TestAlerts(t *testing.T) {
	inf := math.Inf(1)
	for _, test := range []struct {
		text, canonical string
		alerts, quiet   []float64
	}{
		{"10", "10", []float64{-1, -0.001, 10.001, 11}, []float64{0, 5, 10}},
		{"10:", "10:", []float64{-1, 0, 9.999}, []float64{10, 11, 1e15}},
		{"~:10", "~:10", []float64{10.001, 1e15}, []float64{-1e15, 0, 10}},
		{"10:20", "10:20", []float64{9.999, 20.001}, []float64{10, 15, 20}},
		{"@10:20", "@10:20", []float64{10, 15, 20}, []float64{9.999, 20.001}},
		{"@50:", "@50:", []float64{50, 51}, []float64{0, 49, 49.999}},
		{"@82:", "@82:", []float64{82}, []float64{81}},
		{"0", "0", []float64{-1, 1}, []float64{0}},
		{"0:10", "10", []float64{-1, 11}, []float64{0, 10}},
		{"0:", "0:", []float64{-1}, []float64{0, inf}},
		{"~:", "~:", nil, []float64{-inf, 0, inf}},
		{"@~:", "@~:", []float64{-inf, 0, inf}, nil},
		{"@~:5", "@~:5", []float64{-1e9, 0, 5}, []float64{5.1}},
		{"-5:5", "-5:5", []float64{-5.1, 5.1}, []float64{-5, 0, 5}},
		{"-10:-5", "-10:-5", []float64{-11, 0}, []float64{-7}},
		{"~:-5", "~:-5", []float64{0, -4.9}, []float64{-5, -6}},
		{"1.5:2.50", "1.5:2.5", []float64{1.4, 2.6}, []float64{2}},
		{"@5", "@5", []float64{0, 5}, []float64{-1, 6}},
		{"5:5", "5:5", []float64{4, 6}, []float64{5}},
		{".5", "0.5", []float64{0.6}, []float64{0.4}},
		{"-0", "0", []float64{1}, []float64{0}},
		{"999999999999999", "999999999999999", []float64{1e15}, []float64{1e14}},
		{".123456789012345", "0.123456789012345", []float64{0.2}, []float64{0.1}},
		{"0000000000000000000005", "5", []float64{6}, []float64{5}},
	} {
		r, err := Parse(test.text)
		if err != nil {
			t.Error(err)
			continue
		}
		for _, v := range test.alerts {
			if !r.Alerts(v) {
				t.Errorf("%s does not alert on %v", test.text, v)
			}
		}
		for _, v := range test.quiet {
			if r.Alerts(v) {
				t.Errorf("%s alerts on %v", test.text, v)
			}
		}
		if got := r.String(); got != test.canonical {
			t.Errorf("%s is written %s, want %s", test.text, got, test.canonical)
		}
	}
}

// TestPlain: a plain range alerts on the same values of a metric as the range itself.
func TestPlain(t *testing.T) {
	for _, test := range []struct{ text, count, other string }{
		{"@50:", "49", "@50:"},
		{"@0.5:", "0", "@0.5:"},
		{"@1:", "0", "@1:"},
		{"~:10", "10", "10"},
		{"-5:10", "10", "10"},
		{"10", "10", "10"},
		{"10:", "10:", "10:"},
		{"10:20", "10:20", "10:20"},
		{"@5", "6:", "@5"},
		{"@~:5.5", "6:", "@~:5.5"},
		{"@10:20", "@10:20", "@10:20"},
		{"@10.2:10.8", "0:", "@10.2:10.8"},
		{"~:", "0:", "0:"},
		{"@~:", "~:-1", "~:-1"},
		{"@0:", "~:-1", "~:-1"},
		{"-10:-5", "~:-1", "~:-1"},
		{"@-10:-5", "0:", "0:"},
		{"@999999999999999", "@999999999999999", "@999999999999999"}, // one more has 16 digits
	} {
		r, err := Parse(test.text)
		if err != nil {
			t.Fatal(err)
		}
		if got := r.Plain(true).String(); got != test.count {
			t.Errorf("for a count %s is %s, want %s", test.text, got, test.count)
		}
		if got := r.Plain(false).String(); got != test.other {
			t.Errorf("%s is %s, want %s", test.text, got, test.other)
		}
	}
	ends := []float64{math.Inf(-1), -7, -2.5, -1, 0, 0.5, 1, 2.25, 2.75, 3, 8, math.Inf(1)}
	for _, start := range ends {
		for _, end := range ends {
			for _, inside := range []bool{false, true} {
				if start <= end && !math.IsInf(start, 1) && !math.IsInf(end, -1) {
					requirePlain(t, Range{start, end, inside})
				}
			}
		}
	}
}

// requirePlain requires of the plain range that it reads back, and alerts as the range does.
func requirePlain(t *testing.T, r Range) {
	t.Helper()
	for _, whole := range []bool{true, false} {
		plain, err := Parse(r.Plain(whole).String())
		if err != nil || plain != r.Plain(whole) {
			t.Fatalf("the plain range of %s reads back as %s, %v", r, plain, err)
		}
		values := []float64{1e9, 1e15}
		for n := range 41 {
			values = append(values, float64(n)/4)
		}
		for _, end := range []float64{r.start, r.end} {
			if math.Abs(end) < 1e12 {
				values = append(values, end-1, math.Nextafter(end, -1), math.Floor(end))
				values = append(values, end, math.Ceil(end), math.Nextafter(end, 1e13), end+1)
			}
		}
		for _, v := range values {
			if v >= 0 && (!whole || v == math.Trunc(v)) && plain.Alerts(v) != r.Alerts(v) {
				t.Fatalf("%s alerts on %v: %v, %s does not (integers: %v)", r, v, r.Alerts(v), plain, whole)
			}
		}
	}
}

func TestWrongRanges(t *testing.T) {
	for text, want := range map[string]string{
		"":             "'' is not a range: a number is missing",
		"@":            "'@' is not a range: a number is missing",
		":":            "':' is not a range: the start is missing",
		":10":          "':10' is not a range: the start is missing",
		"@:10":         "'@:10' is not a range: the start is missing",
		"~":            "'~' is not a range: the end '~' is not a number",
		"5:~":          "'5:~' is not a range: the end '~' is not a number",
		"5x":           "'5x' is not a range: the end '5x' is not a number",
		"50%":          "'50%' is not a range: the end '50%' is not a number",
		"30s":          "'30s' is not a range: the end '30s' is not a number",
		"10:5":         "'10:5' is not a range: the start 10 is above the end 5",
		"-5":           "'-5' is not a range: the start 0 is above the end -5",
		"1:2:3":        "'1:2:3' is not a range: the end '2:3' is not a number",
		"@@5":          "'@@5' is not a range: the end '@5' is not a number",
		"1e3":          "'1e3' is not a range: the end '1e3' is not a number",
		"0x10":         "'0x10' is not a range: the end '0x10' is not a number",
		"+5":           "'+5' is not a range: the end '+5' is not a number",
		"inf":          "'inf' is not a range: the end 'inf' is not a number",
		"nan":          "'nan' is not a range: the end 'nan' is not a number",
		"1_000":        "'1_000' is not a range: the end '1_000' is not a number",
		" 5":           "' 5' is not a range: the end ' 5' is not a number",
		"5 ":           "'5 ' is not a range: the end '5 ' is not a number",
		"1.2.3":        "'1.2.3' is not a range: the end '1.2.3' is not a number",
		".":            "'.' is not a range: the end '.' is not a number",
		"-":            "'-' is not a range: the end '-' is not a number",
		"5-":           "'5-' is not a range: the end '5-' is not a number",
		"\u0665":       "'\u0665' is not a range: the end '\u0665' is not a number",
		"x:5":          "'x:5' is not a range: the start 'x' is not a number",
		"10,5":         "'10,5' is not a range: the end '10,5' is not a number",
		"feed=3":       "'feed=3' is not a range: the end 'feed=3' is not a number",
		"5\x00":        "'5\x00' is not a range: the end '5\x00' is not a number",
		"~:10:":        "'~:10:' is not a range: the end '10:' is not a number",
		"\uff11\uff10": "'\uff11\uff10' is not a range: the end '\uff11\uff10' is not a number",
	} {
		if r, err := Parse(text); err == nil || err.Error() != want {
			t.Errorf("Parse(%q) = %v, %v; want the error %q", text, r, err, want)
		}
	}
	for _, text := range []string{strings.Repeat("9", 16), strings.Repeat("9", 300), "0." + strings.Repeat("0", 400)} {
		if _, err := Parse(text); err == nil || !strings.HasSuffix(err.Error(), "the end has more than 15 digits") {
			t.Errorf("%d characters: %v", len(text), err)
		}
	}
}

// TestAlertsFrom: what a lower bound says of a range.
func TestAlertsFrom(t *testing.T) {
	for _, test := range []struct {
		text               string
		v                  float64
		breached, harmless bool
	}{
		{"50", 51, true, false}, {"50", 50, false, false}, {"@50:", 50, true, false}, {"@50:", 49, false, false},
		{"10:", 10, false, true}, {"10:", 9, false, false}, {"10:20", 21, true, false}, {"10:20", 15, false, false},
		{"@10:20", 15, false, false}, {"@10:20", 21, false, true}, {"~:", 0, false, true}, {"@~:", 0, true, false},
	} {
		r, err := Parse(test.text)
		if err != nil {
			t.Fatal(err)
		}
		if breached, harmless := r.AlertsFrom(test.v); breached != test.breached || harmless != test.harmless {
			t.Errorf("%s of %v or more: %v, %v", test.text, test.v, breached, harmless)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, text := range []string{"10", "10:", "~:10", "10:20", "@10:20", "@~:", "-5:5", "1.5:2.5", "@", "", "10:5",
		"0.000000001", "~:-0"} {
		f.Add(text, 10.0)
	}
	f.Fuzz(func(t *testing.T, text string, v float64) {
		r, err := Parse(text)
		if err != nil {
			if !strings.Contains(err.Error(), text) {
				t.Fatalf("the error %q does not quote %q", err, text)
			}
			return
		}
		again, err := Parse(r.String())
		if err != nil || again != r {
			t.Fatalf("%q is written %q, which reads %+v, %v; want %+v", text, r, again, err, r)
		}
		requirePlain(t, r)
		if opposite, err := Parse("@" + text); err == nil && !math.IsNaN(v) && opposite.Alerts(v) == r.Alerts(v) {
			t.Fatalf("%q and its opposite agree on %v", text, v)
		}
	})
}

func TestUpperBound(t *testing.T) {
	none := math.Inf(1)
	for _, test := range []struct {
		text         string
		count, other float64
	}{
		{"10", 10, 10}, {"~:10", 10, 10}, {"-5:10", 10, 10}, {"@50:", 49, none}, {"@0.5:", 0, none}, {"0", 0, 0},
		{"10:", none, none}, {"10:20", none, none}, {"@10:20", none, none}, {"@5", none, none}, {"~:", none, none},
		{"@~:", none, none},
	} {
		r, err := Parse(test.text)
		if err != nil {
			t.Fatal(err)
		}
		if count, other := r.UpperBound(true), r.UpperBound(false); count != test.count || other != test.other {
			t.Errorf("%s: %v and %v, want %v and %v", test.text, count, other, test.count, test.other)
		}
	}
}
