//go:build e2e

package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// mailFolder has a file for each mail.
const mailFolder = "/var/tmp/mails"

// catchMails installs a program mail that writes its arguments and its input into a new file. It is what
// the rules of Debian's Icinga and Nagios call to notify somebody.
func catchMails(t *testing.T) {
	t.Helper()
	run(t, "install", "-d", "-m", "1777", mailFolder)
	write(t, "/usr/bin/mail", `#!/bin/sh
file=$(mktemp `+mailFolder+`/XXXXXX) && { printf '%s\n' "$*"; cat; } >"$file" && mv "$file" "$file.mail"
`)
	if err := os.Chmod("/usr/bin/mail", 0o755); err != nil {
		t.Fatal(err)
	}
}

// awaitMail waits for a mail that has all the words, and removes it.
func awaitMail(t *testing.T, words ...string) {
	t.Helper()
	await(t, time.Minute, fmt.Sprintf("a mail with %q", words), func() (bool, string) {
		files, err := filepath.Glob(mailFolder + "/*.mail")
		if err != nil {
			t.Fatal(err)
		}
		var subjects []string
		for _, file := range files {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if containsAll(string(text), words) {
				return os.Remove(file) == nil, file
			}
			subject, _, _ := strings.Cut(string(text), "\n")
			subjects = append(subjects, subject)
		}
		return false, strings.Join(subjects, "\n")
	})
}

// containsAll reports whether the text contains all the words.
func containsAll(text string, words []string) bool {
	for _, word := range words {
		if !strings.Contains(text, word) {
			return false
		}
	}
	return true
}
