package output

import (
	"fmt"
	"math"
	"strconv"
	"strings"

	"frontsockets/internal/tally"
)

// Prometheus returns the text exposition format: a gauge for every known metric, with the
// labels service, name and ports. If the look failed, a comment says why, and there are
// frontsockets_up 0, the status and the version only.
func Prometheus(r Report, _ Style) []byte {
	// What line leaves, %q writes as it is, but for the backslash and the quote, which it escapes as
	// the format wants.
	e := exposition{labels: fmt.Sprintf("service=%q,name=%q,ports=%q",
		strings.ToLower(r.Service), line(r.Name, maxText), r.Ports)}
	if r.Result == nil { // A comment must not begin with HELP or TYPE, and a front may be called so.
		e.WriteString("# UNKNOWN: " + line(r.Reason(), maxText) + "\n")
	}
	if r.Usage {
		return []byte(e.String()) // nothing was asked, so nothing has labels
	}
	up := 0
	if r.Result != nil {
		up = 1
	}
	e.gauge("frontsockets_build_info", "The version of the check, as a label.", fmt.Sprintf(",version=%q", r.Version), 1)
	e.gauge("frontsockets_up", "Whether the sockets could be seen.", "", float64(up))
	e.gauge("frontsockets_status", "The answer: 0 OK, 1 WARNING, 2 CRITICAL, 3 UNKNOWN.", "", float64(r.Status()))
	if r.Result == nil {
		return []byte(e.String())
	}
	seen := float64(r.Look.Time.Unix())
	e.gauge("frontsockets_seen_timestamp_seconds", "When the sockets were seen, in Unix time.", "", seen)
	e.gauge("frontsockets_diagnosis", "The kind of trouble, as a label.", fmt.Sprintf(",code=%q", r.Diagnosis.Code), 1)
	e.metrics(r, true) // a family must stand together
	e.metrics(r, false)
	return []byte(e.String())
}

// exposition is the text of gauges that have labels in common.
type exposition struct {
	strings.Builder
	labels, family string
}

// gauge writes a sample with more labels, and before the first of a family its HELP and TYPE.
func (e *exposition) gauge(family, help, more string, value float64) {
	if e.family != family {
		fmt.Fprintf(e, "# HELP %[1]s %[2]s\n# TYPE %[1]s gauge\n", family, help)
		e.family = family
	}
	fmt.Fprintf(e, "%s{%s%s} %s\n", family, e.labels, more, strconv.FormatFloat(value, 'f', -1, 64))
}

// metrics writes the known metrics that count the sockets in one state, or the others.
func (e *exposition) metrics(r Report, ofState bool) {
	for m := range r.metricsEnd() {
		v := r.Result.Values[m]
		switch {
		case !v.Known() || ofState != (m.State() != 0):
		case ofState:
			e.gauge(family(m), "Sockets, by state.", fmt.Sprintf(",state=%q", m.State()), v.N)
		case m.Unit() == "%":
			ratio := math.Round(v.N*1e2) / 1e4 // a share has two decimals
			e.gauge(family(m), strings.Replace(m.Help(), ", in percent", "", 1), "", ratio)
		default:
			e.gauge(family(m), m.Help(), "", v.N)
		}
	}
}

// family returns the metric's name for Prometheus, with its base unit at the end.
func family(m tally.Metric) string {
	name := "frontsockets_" + m.String()
	switch {
	case m.State() != 0:
		return "frontsockets_sockets"
	case m.Unit() == "%":
		return strings.TrimSuffix(name, "_pct") + "_ratio"
	case m.Unit() == "s":
		return name + "_seconds"
	case !m.Whole():
		return name + "_per_second"
	}
	return name
}

// PrometheusName returns the metric's name for Prometheus, with the label of its state.
func PrometheusName(m tally.Metric) string {
	if m.State() == 0 {
		return family(m)
	}
	return fmt.Sprintf("%s{state=%q}", family(m), m.State())
}
