package output

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"frontsockets/internal/diagnosis"
	"frontsockets/internal/tally"
	"frontsockets/internal/tcp"
	"frontsockets/internal/testkit/golden"
)

// answerMembers is the members of an answer, in its order. In a path, [] is the items of a list, and * the
// members of an object with names of metrics, states or ports. A kind that ends with ? may be null.
var answerMembers = []answerMember{
	{"name", "string", "The operator's name for the front (-n), or empty."},
	{"ports", "string", "The local ports of the front, such as 41213 or 41213,41223-41226."},
	{"status", "string", "The status."},
	{"exit_code", "integer", "The status as an exit code."},
	{"reason", "string", "The answer in one line, with the diagnosis."},
	{"diagnosis", "object?", "The kind of trouble, null without an answer."},
	{"diagnosis.code", "string", "The code of the reference."},
	{"diagnosis.text", "string", "The code in a few words, or empty."},
	{"diagnosis.evidence", "array", "The measurements that support it."},
	{"diagnosis.evidence[]", "object", ""},
	{"diagnosis.evidence[].metric", "string", "The metric's name, or what else was measured."},
	{"diagnosis.evidence[].value", "string", "Its value with the unit."},
	{"diagnosis.evidence[].why", "string", "What it means."},
	{"metrics", "object", "Every metric, null if it is not known; those of two looks with --sample only."},
	{"metrics.*", "number?", ""},
	{"thresholds", "object", "The ranges of the metrics that have one, as the operator wrote them."},
	{"thresholds.*", "object", ""},
	{"thresholds.*.warning", "string?", "The range for WARNING."},
	{"thresholds.*.critical", "string?", "The range for CRITICAL."},
	{"lower_bounds", "array", "The metrics whose true value may be larger than the number."},
	{"lower_bounds[]", "string", ""},
	{"states", "object", "The number of sockets in each state, null if it is not known."},
	{"states.*", "integer?", ""},
	{"by_port", "object?", "The same for each port, if -p has more than one. Over 200 are not in a --log."},
	{"by_port.*", "object", ""},
	{"by_port.*.states", "object", "The number of sockets in each state, null if it is not known."},
	{"by_port.*.states.*", "integer?", ""},
	{"by_port.*.abnormal", "integer?", "Sockets whose state is not normal, null if it is not known."},
	{"by_port.*.listeners", "integer", "The number of listening sockets."},
	{"by_port.*.accept_queue", "integer?", "Connections in the longest accept queue, null if it is not known."},
	{"excluded", "integer?", "Sessions left out by --exclude, null without an answer."},
	{"out_of_session", "boolean", "No trading session is open (--session), so the status is OK."},
	{"clients", "array", "The clients with most abnormal sockets, as many as --top says; 200 in a --log."},
	{"clients[]", "object", ""},
	{"clients[].address", "string", "The client's IP address."},
	{"clients[].name", "string", "Its name (--clients), or empty."},
	{"clients[].sessions", "integer", "Its sockets."},
	{"clients[].abnormal", "integer", "Its abnormal sockets."},
	{"clients[].states", "object", "The number of its sockets in each state in which it has one."},
	{"clients[].states.*", "integer", ""},
	{"clients[].unread_bytes", "integer?", "Bytes that the front has not read, of its ESTABLISHED sockets."},
	{"clients[].unsent_bytes", "integer?", "Bytes that it has not acknowledged, of its ESTABLISHED sockets."},
	{"clients[].retransmitting", "integer?", "Its sockets that send a segment again."},
	{"clients[].zero_window", "integer?", "Its sockets whose window is closed."},
	{"clients[].stalled", "integer?", "Its ESTABLISHED sockets that were sent nothing for --stalled-after."},
	{"clients[].feed_age", "number?", "Seconds since data was sent to it, null if that is not known."},
	{"clients[].request_age", "number?", "Seconds since it sent data, null if that is not known."},
	{"clients[].rtt", "number?", "Median smoothed round-trip time to it in seconds, null if that is not known."},
	{"clients_omitted", "integer?", "The number of clients that are not listed, null if not all clients are known."},
	{"listeners", "array", "The listening sockets, those with the lowest addresses first; 1000 in a --log."},
	{"listeners[]", "object", ""},
	{"listeners[].address", "string", "The local address."},
	{"listeners[].port", "integer", "The local port."},
	{"listeners[].accept_queue", "integer?", "Connections that the front has not accepted."},
	{"listeners[].backlog", "integer?", "The limit of the accept queue."},
	{"listeners[].drops", "integer?", "Connections dropped since it listens."},
	{"listeners[].inode", "integer?", "The inode of the socket: another one after a restart."},
	{"process", "object?", "The process that listens, null if it is not known."},
	{"process.pid", "integer", "Its number."},
	{"process.name", "string", "Its name."},
	{"process.state", "string", "Its state, such as sleep, stop or blocked."},
	{"process.cpu_pct", "number", "The share of one processor that it uses, in percent."},
	{"process.threads", "integer", "Its threads."},
	{"process.descriptors", "integer", "Its open descriptors."},
	{"process.descriptor_limit", "integer", "How many descriptors it may open."},
	{"process.started", "string", "When it started."},
	{"process_unknown", "string", "Why the process is not known, or empty."},
	{"source", "string", "The source of the sockets and, if it was not the first choice, why."},
	{"host", "string", "The host whose sockets these are."},
	{"time", "string", "When the sockets were seen."},
	{"service", "string", "The kind of front: MDFRONT or FRONT."},
	{"version", "string", "The version of the check."},
	{"format", "integer", "The number of this format."},
}

type answerMember struct{ path, kind, description string }

// parent returns the path of the object or list that has the member.
func (m answerMember) parent() string {
	if list, ok := strings.CutSuffix(m.path, "[]"); ok {
		return list
	}
	return m.path[:max(strings.LastIndexByte(m.path, '.'), 0)]
}

// TestGeneratedSchema: docs/answer.schema.json is written from answerMembers.
func TestGeneratedSchema(t *testing.T) {
	schema := append(object{
		{"$schema", "https://json-schema.org/draft/2020-12/schema"},
		{"title", "The answer of check_mdfront_sockets and check_front_sockets with -f json"},
	}, schemaOf(answerMember{kind: "object"})...)
	golden.File(t, "../../docs/answer.schema.json", pretty(t, schema, "")+"\n")
}

// TestAnswerMembers: the golden answers have the members of answerMembers and no others, each of its kind, and
// together all of them.
func TestAnswerMembers(t *testing.T) {
	files, err := filepath.Glob("../../testdata/output/*.json")
	if err != nil || len(files) == 0 {
		t.Fatal("no golden answers", err)
	}
	seen := map[string]bool{}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var answer any
		line, _, _ := strings.Cut(string(text), "\n") // the exit code follows
		if err := json.Unmarshal([]byte(line), &answer); err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		for path, kinds := range kindsOf(answer, "", map[string][]string{}) {
			i := slices.IndexFunc(answerMembers, func(m answerMember) bool { return m.path == path })
			if i < 0 {
				t.Errorf("%s: %s is not in answerMembers", file, path)
				continue
			}
			for _, kind := range kinds {
				want, nullable := strings.CutSuffix(answerMembers[i].kind, "?")
				switch {
				case kind == "null" && nullable:
				case kind == want, kind == "integer" && want == "number":
					seen[path] = true
				default:
					t.Errorf("%s: %s is %s, want %s", file, path, kind, answerMembers[i].kind)
				}
			}
		}
	}
	for _, m := range answerMembers {
		if !seen[m.path] {
			t.Errorf("no golden answer has %s", m.path)
		}
	}
}

// kindsOf adds the kinds of what is in a value to those at each path.
func kindsOf(value any, path string, kinds map[string][]string) map[string][]string {
	at := func(child string) string {
		named := path == "metrics" || path == "thresholds" || path == "by_port" || strings.HasSuffix(path, "states")
		if named {
			child = "*"
		}
		return strings.TrimPrefix(path+"."+child, ".")
	}
	kind := "null"
	switch v := value.(type) {
	case map[string]any:
		kind = "object"
		for name, child := range v {
			kindsOf(child, at(name), kinds)
		}
	case []any:
		kind = "array"
		for _, item := range v {
			kindsOf(item, path+"[]", kinds)
		}
	case string:
		kind = "string"
	case bool:
		kind = "boolean"
	case float64:
		kind = "number"
		if v == float64(int64(v)) {
			kind = "integer"
		}
	}
	if path != "" {
		kinds[path] = append(kinds[path], kind)
	}
	return kinds
}

// object is a JSON object whose members keep their order.
type object []member

type member struct {
	name  string
	value any
}

func (o *object) add(name string, value any) { *o = append(*o, member{name, value}) }

// pretty returns v as JSON, on one line if it is short and else one line for each member.
func pretty(t *testing.T, v any, indent string) string {
	t.Helper()
	const width = 120
	o, isObject := v.(object)
	if !isObject {
		text, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	var short, lines []string
	for _, m := range o {
		short = append(short, fmt.Sprintf("%q:%s", m.name, strings.TrimSpace(pretty(t, m.value, ""))))
		lines = append(lines, fmt.Sprintf("%s  %q: %s", indent, m.name, pretty(t, m.value, indent+"  ")))
	}
	if text := "{" + strings.Join(short, ",") + "}"; !strings.Contains(text, "\n") && len(indent)+len(text) < width {
		return text
	}
	return "{\n" + strings.Join(lines, ",\n") + "\n" + indent + "}"
}

// schemaOf returns the schema of a member and of what is in it.
func schemaOf(of answerMember) object {
	var s object
	if of.description != "" {
		s.add("description", of.description)
	}
	kind, nullable := strings.CutSuffix(of.kind, "?")
	if nullable {
		s.add("type", []string{kind, "null"})
	} else {
		s.add("type", kind)
	}
	switch kind {
	case "object":
		s = append(s, contents(of.path)...)
	case "array":
		s.add("items", schemaOf(children(of.path)[0]))
	case "integer", "number":
		s.add("minimum", 0)
	}
	return append(s, limits(of.path)...)
}

func children(path string) (list []answerMember) {
	for _, m := range answerMembers {
		if m.parent() == path {
			list = append(list, m)
		}
	}
	return list
}

// contents returns what a schema says of the members of an object, and of those that are always there.
func contents(path string) (s object) {
	var members object
	var required []string
	list := children(path)
	switch {
	case path == "by_port":
		return object{{"additionalProperties", schemaOf(list[0])}} // the names are numbers of ports
	case strings.HasSuffix(path, "states"):
		for state := tcp.Established; state < tcp.NumStates; state++ {
			members.add(state.String(), schemaOf(list[0]))
			if path == "states" {
				required = append(required, state.String())
			}
		}
	case path == "metrics", path == "thresholds":
		for m := range tally.NumMetrics {
			members.add(m.String(), append(object{{"description", m.Help()}}, schemaOf(list[0])...))
			if path == "metrics" && m < tally.OneLook {
				required = append(required, m.String())
			}
		}
	default:
		for _, m := range list {
			name := m.path[strings.LastIndexByte(m.path, '.')+1:]
			members.add(name, schemaOf(m))
			if m.path != "by_port" { // for several ports only
				required = append(required, name)
			}
		}
	}
	s.add("properties", members)
	if required != nil {
		s.add("required", required)
	}
	s.add("additionalProperties", false)
	return s
}

// limits returns what else a schema says of some values.
func limits(path string) (s object) {
	switch path {
	case "status":
		s.add("enum", []string{"OK", "WARNING", "CRITICAL", "UNKNOWN"})
	case "exit_code":
		s.add("maximum", 3)
	case "time", "process.started":
		s.add("format", "date-time")
	case "diagnosis.code":
		var codes []diagnosis.Code
		for _, k := range diagnosis.Kinds {
			codes = append(codes, k.Code)
		}
		s.add("enum", codes)
	}
	return s
}
