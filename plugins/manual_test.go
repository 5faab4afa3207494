package plugins

import (
	"strings"
	"testing"

	"frontsockets/internal/textfile"
)

// TestWords: what completion offers as a value is one.
func TestWords(t *testing.T) {
	offered := 0
	for _, option := range MDFront.Manual().Options {
		for _, word := range option.Words {
			offered++
			value := word
			switch {
			case strings.HasSuffix(word, "="):
				value += "10"
			case strings.HasSuffix(word, ":"):
				value += "-"
			}
			args := []string{"--" + option.Long, value, "--sample", "1s"}
			if option.Long == "source" {
				args = args[:2] // a recording has one look only
			}
			if _, err := MDFront.parse(args, textfile.File{}); err != nil {
				t.Errorf("%v: %v", args, err)
			}
		}
	}
	if offered < 100 {
		t.Errorf("only %d words are offered", offered)
	}
}
