package output

import (
	"fmt"
	"strings"
)

// Prometheus returns the text exposition format: a gauge frontsockets_METRIC for every
// known metric, with the labels service, name and ports. If the look failed, a comment
// says why, and there are frontsockets_up 0 and the status only.
func Prometheus(r Report, _ Style) []byte {
	var b strings.Builder
	// After line, %q escapes what the format knows: the backslash and the quote.
	labels := fmt.Sprintf("service=%q,name=%q,ports=%q", strings.ToLower(r.Service), line(r.Name, maxText), r.Ports)
	gauge := func(name, help, more, value string) {
		fmt.Fprintf(&b, "# HELP frontsockets_%[1]s %[2]s\n# TYPE frontsockets_%[1]s gauge\n", name, help)
		fmt.Fprintf(&b, "frontsockets_%s{%s%s} %s\n", name, labels, more, value)
	}
	up := "1"
	if r.Result == nil {
		up = "0"
		b.WriteString("# " + line(r.Reason(), maxText) + "\n")
	}
	if r.Usage {
		return []byte(b.String()) // nothing was asked, so nothing has labels
	}
	gauge("up", "Whether the sockets could be seen.", "", up)
	gauge("status", "The answer: 0 OK, 1 WARNING, 2 CRITICAL, 3 UNKNOWN.", "", fmt.Sprint(int(r.Status())))
	if r.Result == nil {
		return []byte(b.String())
	}
	gauge("seen_timestamp_seconds", "When the sockets were seen, in Unix time.", "", fmt.Sprint(r.Look.Time.Unix()))
	gauge("diagnosis", "The kind of trouble, as the label code.", fmt.Sprintf(",code=%q", r.Diagnosis.Code), "1")
	for m := range r.metrics() {
		if v := r.Result.Values[m]; v.Known() {
			gauge(m.String(), m.Help(), "", v.String())
		}
	}
	return []byte(b.String())
}
