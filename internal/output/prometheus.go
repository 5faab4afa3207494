package output

import (
	"fmt"
	"strings"

	"frontsockets/internal/tally"
)

// Prometheus renders the text exposition format, every metric a gauge
// frontsockets_METRIC with the labels service, name and ports. What is not known is left
// out. frontsockets_up is 0 and a comment says why if there was no look; then only the
// status is there too.
func Prometheus(r Report, _ Style) []byte {
	var b strings.Builder
	labels := fmt.Sprintf("service=%q,name=%q,ports=%q", strings.ToLower(r.Service), escape(r.Name), r.Ports)
	gauge := func(name, help, more, value string) {
		fmt.Fprintf(&b, "# HELP frontsockets_%[1]s %[2]s\n# TYPE frontsockets_%[1]s gauge\nfrontsockets_%[1]s{%[3]s%[4]s} %[5]s\n", name, help, labels, more, value)
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
	values := r.values()
	for m, v := range values[:r.metrics()] {
		if v.Known() {
			gauge(tally.Metric(m).String(), tally.Metric(m).Help(), "", v.String())
		}
	}
	return []byte(b.String())
}

// escape keeps of a name what a label value can have in %q: the format knows no escapes
// but for the backslash, the quote and the line feed.
func escape(name string) string { return line(name, maxText) }
