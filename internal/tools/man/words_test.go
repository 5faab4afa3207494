package main

import (
	"strings"
	"testing"

	"frontsockets/plugins"
)

// TestWords: what completion offers as a value is one. A usage error has neither
// perfdata nor a front that cannot be judged.
func TestWords(t *testing.T) {
	offered := 0
	for _, o := range manualOf(plugins.MDFront).Options {
		for _, word := range o.Words {
			offered++
			value := word
			switch {
			case strings.HasSuffix(word, "="):
				value += "10"
			case strings.HasSuffix(word, ":"):
				value += "-"
			}
			args := []string{"--" + o.Long, value, "--sample", "1ms"}
			switch o.Long {
			case "source":
				args = args[:2] // a recording has one look only
			case "metric":
				args = append(args, "--format", "value")
			case "reply":
				args = append(args, "--format", "hostmonitor")
			}
			var out strings.Builder
			plugins.MDFront.Run(args, strings.NewReader(""), &out)
			text := out.String()
			answered := strings.Contains(text, " | ") || strings.Contains(text, "cannot be judged")
			isUsage := strings.Contains(text, "--metric") || strings.Contains(text, "--reply")
			if isUsage || strings.HasPrefix(text, "MDFRONT ") && !answered {
				t.Errorf("%v: %s", args, text)
			}
		}
	}
	if offered < 100 {
		t.Errorf("only %d words are offered", offered)
	}
}
