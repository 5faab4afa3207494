package output

// Value renders the bare number of one metric, or "U". Where there is no answer
// or no snapshot as asked for, it renders the reason, which nobody can take for a number.
func Value(r Report, style Style) []byte {
	if r.Result == nil {
		return []byte(line("UNKNOWN: "+r.Reason(), maxText) + "\n")
	}
	if r.SaveError != "" { // nobody looks at the exit code
		return []byte(line("UNKNOWN: "+r.SaveError, maxText) + "\n")
	}
	return []byte(r.Result.Values[style.Metric].String() + "\n")
}
