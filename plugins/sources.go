package plugins

import (
	"fmt"
	"slices"
	"strings"

	"frontsockets/internal/capture"
	"frontsockets/internal/snapshot"
	"frontsockets/internal/source"
	"frontsockets/internal/suggest"
	"frontsockets/internal/tcp"
	"frontsockets/internal/textfile"
)

// SourceNames returns the values of -s: a live source, or a tool or snapshot with its FILE.
func SourceNames() []string {
	names := slices.Clone(source.Names)
	for _, tool := range capture.Names {
		names = append(names, tool+":FILE")
	}
	return append(names, "snapshot:FILE")
}

// sourcesByName returns the attempts to make for the value of -s, best first. netns is the namespace to
// look into, empty for our own. recorded has stdin and the time now; its Name is set here. A recording
// is never part of "auto": old data must not look live.
func sourcesByName(name, netns string, recorded textfile.File) ([]tcp.Source, error) {
	kind, file, _ := strings.Cut(name, ":")
	recorded.Name = file
	switch isCapture := slices.Contains(capture.Names, kind); {
	case file == "":
		if attempts := source.Live(name, netns); len(attempts) > 0 {
			return attempts, nil
		}
	case netns != "" && (isCapture || kind == "snapshot"):
		return nil, fmt.Errorf("'%s' is a recording, which --netns cannot look into", name)
	case isCapture:
		return []tcp.Source{capture.From(kind, recorded)}, nil
	case kind == "snapshot":
		return []tcp.Source{snapshot.From(recorded)}, nil
	}
	if strings.ContainsAny(kind, "./-") {
		return nil, fmt.Errorf("'%s' is not a source; for a file use netstat:%s, ss:%s or snapshot:%s", name, kind, kind,
			kind)
	}
	return nil, fmt.Errorf("'%s' is not a source%s; use one of %s", name, sourceMeant(name),
		strings.Join(SourceNames(), ", "))
}

// sourceMeant suggests the source that is closest to the name, or returns "".
func sourceMeant(name string) string {
	kind, file, _ := strings.Cut(name, ":")
	kinds := append(slices.Clone(source.Names), append(slices.Clone(capture.Names), "snapshot")...)
	kind = suggest.Closest(kind, kinds)
	switch {
	case kind == "":
		return ""
	case slices.Contains(source.Names, kind):
		return " (did you mean " + kind + "?)"
	case file == "":
		file = "FILE"
	}
	return " (did you mean " + kind + ":" + file + "?)"
}
