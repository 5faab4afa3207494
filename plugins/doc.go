// Package plugins is what an operator sees: two checks and the options they share. The
// checks differ in their defaults, and only a market-data front is expected to feed its clients.
//
// Data flows in one direction, from left to right. A package imports only packages to its
// left or above it, and the shared types:
//
//	types      looks                    meaning                      people
//	tcp        source   (the kernel)    tally     sockets → metrics  output   answer → bytes
//	threshold  capture  (netstat, ss)   diagnosis metrics → trouble  plugins  options, Run
//	session    snapshot (our own)       verdict   metrics → status   cmd      the mains
//	textfile   process  (who listens)
//	logfile                                                   report   log → story
//	suggest
//
// Package source sees sockets in the kernel's tables, capture in the text of netstat and ss,
// snapshot in what --save wrote. Each hands them one by one to a visitor. Package tally counts
// them, diagnosis says what trouble the counts show, verdict compares them with the thresholds,
// and output renders the answer. Package logfile appends it to the log of --log, which package
// report reads for front_report. Package process finds who listens, session knows trading
// hours, and suggest finds what a mistyped word was meant to be. Package plugins reads the command
// line and the clock, and owns the time limit.
//
// A source visits each socket once and knows nothing of restarts. When an attempt fails, the
// next one gets a new visitor (source.First), so what was counted before is forgotten. So a
// retry or a fallback never adds to the counts of a failed attempt.
//
// The workshop (internal/testkit, internal/tools) makes sockets for the tests, measures speed,
// simulates failures and writes manuals. No check imports it; TestImports keeps it so.
package plugins
