package output

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"testing"

	"frontsockets/internal/diagnosis"
	"frontsockets/internal/tally"
	"frontsockets/internal/tcp"
	"frontsockets/internal/testkit/golden"
)

// descriptions says what each member of an answer is, by its path.
var descriptions = map[string]string{
	"version":                     "The version of the check.",
	"service":                     "The kind of front: MDFRONT or FRONT.",
	"name":                        "The operator's name for the front (-n), or empty.",
	"ports":                       "The local ports of the front, such as 41213 or 41213,41223-41226.",
	"status":                      "The status.",
	"exit_code":                   "The status as an exit code.",
	"reason":                      "The answer in one line, with the diagnosis.",
	"diagnosis":                   "The kind of trouble, null without an answer.",
	"diagnosis.code":              "The code of the reference.",
	"diagnosis.text":              "The code in a few words, or empty.",
	"diagnosis.evidence":          "The measurements that support it.",
	"diagnosis.evidence[].metric": "The metric's name, or what else was measured.",
	"diagnosis.evidence[].value":  "Its value with the unit.",
	"diagnosis.evidence[].why":    "What it means.",
	"metrics":                     "Every metric, null if it is not known; those of two looks with --sample only.",
	"thresholds":                  "The ranges of the metrics that have one, as the operator wrote them.",
	"thresholds.*.warning":        "The range for WARNING.",
	"thresholds.*.critical":       "The range for CRITICAL.",
	"lower_bounds":                "The metrics whose true value may be larger than the number.",
	"by_port":                     "The same for each port, if -p has more than one. Over 200 are not in a --log.",
	"by_port.*.states":            "The number of sockets in each state, null if it is not known.",
	"by_port.*.abnormal":          "Sockets whose state is not normal, null if it is not known.",
	"by_port.*.listeners":         "The number of listening sockets.",
	"by_port.*.accept_queue":      "Connections in the longest accept queue, null if it is not known.",
	"excluded":                    "Sessions left out by --exclude, null without an answer.",
	"states":                      "The number of sockets in each state, null if it is not known.",
	"out_of_session":              "No trading session is open (--session), so the status is OK.",
	"clients_omitted":             "The number of clients that are not listed, null if not all clients are known.",
	"format":                      "The number of this format.",
	"clients":                     "The clients with most abnormal sockets, as many as --top says; 200 in a --log.",
	"clients[].address":           "The client's IP address.",
	"clients[].name":              "Its name (--clients), or empty.",
	"clients[].sessions":          "Its sockets.",
	"clients[].abnormal":          "Its abnormal sockets.",
	"clients[].states":            "The number of its sockets in each state in which it has one.",
	"clients[].unread_bytes":      "Bytes that the front has not read, of its ESTABLISHED sockets.",
	"clients[].unsent_bytes":      "Bytes that it has not acknowledged, of its ESTABLISHED sockets.",
	"clients[].retransmitting":    "Its sockets that send a segment again.",
	"clients[].zero_window":       "Its sockets whose window is closed.",
	"clients[].stalled":           "Its ESTABLISHED sockets that were sent nothing for --stalled-after.",
	"clients[].feed_age":          "Seconds since data was sent to it, null if that is not known.",
	"clients[].request_age":       "Seconds since it sent data, null if that is not known.",
	"clients[].rtt":               "Median smoothed round-trip time to it in seconds, null if that is not known.",
	"listeners":                   "The listening sockets, those with the lowest addresses first; 1000 in a --log.",
	"listeners[].address":         "The local address.",
	"listeners[].port":            "The local port.",
	"listeners[].accept_queue":    "Connections that the front has not accepted.",
	"listeners[].backlog":         "The limit of the accept queue.",
	"listeners[].drops":           "Connections dropped since it listens.",
	"listeners[].inode":           "The inode of the socket: another one after a restart.",
	"process":                     "The process that listens, null if it is not known.",
	"process.pid":                 "Its number.",
	"process.name":                "Its name.",
	"process.state":               "Its state, such as sleep, stop or blocked.",
	"process.cpu_pct":             "The share of one processor that it uses, in percent.",
	"process.threads":             "Its threads.",
	"process.descriptors":         "Its open descriptors.",
	"process.descriptor_limit":    "How many descriptors it may open.",
	"process.started":             "When it started.",
	"process_unknown":             "Why the process is not known, or empty.",
	"source":                      "The source of the sockets and, if it was not the first choice, why.",
	"host":                        "The host whose sockets these are.",
	"time":                        "When the sockets were seen.",
}

// TestGeneratedSchema: docs/answer.schema.json describes every member of JSON's answer.
func TestGeneratedSchema(t *testing.T) {
	schema := append(object[any]{
		{"$schema", "https://json-schema.org/draft/2020-12/schema"},
		{"title", "The answer of check_mdfront_sockets and check_front_sockets with -f json"},
	}, schemaOf(t, reflect.TypeFor[document](), "")...)
	golden.File(t, "../../docs/answer.schema.json", pretty(t, schema, "")+"\n")
}

// pretty returns v as JSON, on one line if it is short and else one line for each member.
func pretty(t *testing.T, v any, indent string) string {
	t.Helper()
	const width = 120
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	members, isObject := v.(object[any])
	if !isObject || len(indent)+len(text) < width {
		return string(text)
	}
	var lines []string
	for _, m := range members {
		lines = append(lines, fmt.Sprintf("%s  %q: %s", indent, m.name, pretty(t, m.value, indent+"  ")))
	}
	return "{\n" + strings.Join(lines, ",\n") + "\n" + indent + "}"
}

// schemaOf returns the schema of a type that stands at a path of the answer: [] is the items
// of a list, * the members of an object with names of metrics or states.
func schemaOf(t *testing.T, of reflect.Type, path string) object[any] {
	t.Helper()
	var s object[any]
	if path != "" && !strings.HasSuffix(path, "*") && !strings.HasSuffix(path, "[]") {
		if descriptions[path] == "" {
			t.Errorf("%s has no description", path)
		}
		s.add("description", descriptions[path])
	}
	if of.Kind() == reflect.Pointer {
		of = of.Elem()
		s.add("type", []string{jsonType(of), "null"})
	} else {
		s.add("type", jsonType(of))
	}
	switch jsonType(of) {
	case "object":
		list := structMembers
		if of.Kind() == reflect.Slice {
			list = namedMembers
		}
		if path == "by_port" {
			// The names are numbers of ports.
			return append(s, member[any]{"additionalProperties", schemaOf(t, of.Elem().Field(1).Type, path+".*")})
		}
		members, required := list(t, of, path)
		s.add("properties", members)
		if required != nil {
			s.add("required", required)
		}
		s.add("additionalProperties", false)
	case "array":
		s.add("items", schemaOf(t, of.Elem(), path+"[]"))
	case "integer", "number":
		s.add("minimum", 0)
	}
	return append(s, limits(path)...)
}

// limits returns what else a schema says of some values.
func limits(path string) (s object[any]) {
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

// structMembers returns the members of a struct, and the names that are always there.
func structMembers(t *testing.T, of reflect.Type, path string) (members object[any], required []string) {
	for i := range of.NumField() {
		name, option, _ := strings.Cut(of.Field(i).Tag.Get("json"), ",")
		members.add(name, schemaOf(t, of.Field(i).Type, strings.TrimPrefix(path+"."+name, ".")))
		if option != "omitempty" {
			required = append(required, name)
		}
	}
	return members, required
}

// namedMembers returns the members of an object whose names are metrics or states, and the
// names that are always there.
func namedMembers(t *testing.T, of reflect.Type, path string) (members object[any], required []string) {
	value, _ := of.Elem().FieldByName("value")
	if strings.HasSuffix(path, "states") {
		for s := tcp.Established; s < tcp.NumStates; s++ {
			members.add(s.String(), schemaOf(t, value.Type, path+".*"))
			if path == "states" {
				required = append(required, s.String())
			}
		}
		return members, required
	}
	for m := range tally.NumMetrics {
		help := object[any]{{"description", m.Help()}}
		members.add(m.String(), append(help, schemaOf(t, value.Type, path+".*")...))
		if path == "metrics" && m < tally.OneLook {
			required = append(required, m.String())
		}
	}
	return members, required
}

// jsonType returns the word of JSON Schema for a type.
func jsonType(of reflect.Type) string {
	switch {
	case of.Kind() == reflect.String:
		return "string"
	case of.Kind() == reflect.Bool:
		return "boolean"
	case of.Kind() == reflect.Float64:
		return "number"
	case of.Kind() == reflect.Struct || of.Implements(reflect.TypeFor[json.Marshaler]()):
		return "object"
	case of.Kind() == reflect.Slice:
		return "array"
	}
	return "integer"
}
