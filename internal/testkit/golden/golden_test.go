package golden

import "testing"

func TestDifference(t *testing.T) {
	for _, test := range [][3]string{
		{"a\nb\n", "a\nc\n", "@@ line 2 @@\n-b\n+c"},
		{"a\n", "a\nb\n", "@@ line 2 @@\n-\n+b"},
		{"a\nb", "a", "@@ line 2 @@\n-b"},
		{"", "a", "@@ line 1 @@\n-\n+a"},
	} {
		if got := difference(test[0], test[1]); got != test[2] {
			t.Errorf("%q and %q differ as %q, want %q", test[0], test[1], got, test[2])
		}
	}
}
