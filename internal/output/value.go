package output

// Value returns the bare number of one metric, or "U". Its readers do not look at the exit code. So
// without an answer, or if a file was not written, it returns the reason, which nobody can take for a
// number.
func Value(r Report, style Style) []byte {
	text := r.counted().Values[style.Metric].String()
	if r.Result == nil {
		text = line("UNKNOWN: "+r.Reason(), maxText)
	} else if r.WriteError != "" {
		text = line("UNKNOWN: "+r.WriteError, maxText)
	}
	return []byte(text + "\n")
}
