// Package plugins is what an operator sees: two checks that differ in nothing but
// their defaults, and the options they share.
//
// The way of the data has no way back:
//
//	argv ─▶ options ─▶ source ─▶ tally ─▶ verdict ─▶ output ─▶ stdout, exit code
//
// package plugins reads argv and the clock and owns the time limit; package source
// sees sockets, package tally counts them, package verdict judges the counts and
// package output renders the judgement. Packages tcp and threshold are the words
// that they share. The test of the import rules keeps it so.
package plugins
