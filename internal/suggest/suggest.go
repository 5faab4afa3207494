// Package suggest finds the word that was meant when an operator mistypes one.
package suggest

import "strings"

// A word is close to a choice if few letters differ, or if it is the beginning of the choice.
const (
	shortWord      = 5 // letters: in a word up to this length one letter may differ
	minWord        = 3 // letters: a shorter word is close to nothing
	shortTolerance = 1
	longTolerance  = 2
)

// DidYouMean returns " (did you mean CHOICE?)" for the choice that is closest to the word, or
// "" if none is close.
func DidYouMean(word string, choices []string) string {
	if choice := Closest(word, choices); choice != "" {
		return " (did you mean " + choice + "?)"
	}
	return ""
}

// Closest returns the choice that is closest to the word, or "" if none is close. Upper and
// lower case are equal, and so are '-' and '_'.
func Closest(word string, choices []string) string {
	word = fold(word)
	best, bestDistance := "", 0
	for _, choice := range choices {
		folded := fold(choice)
		tolerance := longTolerance
		if min(len(word), len(folded)) <= shortWord {
			tolerance = shortTolerance
		}
		if len(word) > len(folded)+tolerance { // it may be a long text
			continue
		}
		d := distance(word, folded)
		isClose := d == 0 || len(word) >= minWord && d <= tolerance
		if isClose && (best == "" || d < bestDistance) {
			best, bestDistance = choice, d
		}
	}
	if best != "" || len(word) < minWord {
		return best
	}
	for _, choice := range choices {
		if strings.HasPrefix(fold(choice), word) && (best == "" || len(choice) < len(best)) {
			best = choice
		}
	}
	return best
}

func fold(word string) string { return strings.ReplaceAll(strings.ToLower(word), "-", "_") }

// distance returns how many letters must be added, removed, replaced or swapped with their
// neighbour to make b of a (the optimal string alignment distance).
func distance(a, b string) int {
	var before []int // the row before the last
	last := make([]int, len(b)+1)
	for j := range last {
		last[j] = j
	}
	for i := 1; i <= len(a); i++ {
		row := make([]int, len(b)+1)
		row[0] = i
		for j := 1; j <= len(b); j++ {
			replaced := last[j-1]
			if a[i-1] != b[j-1] {
				replaced++
			}
			row[j] = min(replaced, last[j]+1, row[j-1]+1)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
		before, last = last, row
	}
	return last[len(b)]
}
