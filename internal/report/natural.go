package report

import (
	"cmp"
	"strings"
)

// natural compares names by the numbers in them: front2 comes before front10.
func natural(a, b string) int {
	for a != "" && b != "" {
		textA, textB := untilDigit(a), untilDigit(b)
		if textA != textB {
			return strings.Compare(a, b)
		}
		a, b = a[len(textA):], b[len(textB):]
		numberA, numberB := digitsOf(a), digitsOf(b)
		a, b = a[len(numberA):], b[len(numberB):]
		numberA, numberB = strings.TrimLeft(numberA, "0"), strings.TrimLeft(numberB, "0")
		if order := cmp.Or(cmp.Compare(len(numberA), len(numberB)), strings.Compare(numberA, numberB)); order != 0 {
			return order
		}
	}
	return cmp.Compare(len(a), len(b))
}

const decimal = "0123456789"

// untilDigit returns what comes before the first digit, and digitsOf the digits at the beginning.
func untilDigit(s string) string {
	if i := strings.IndexAny(s, decimal); i >= 0 {
		return s[:i]
	}
	return s
}

func digitsOf(s string) string { return s[:len(s)-len(strings.TrimLeft(s, decimal))] }
