// Package plugins is what an operator sees: two checks that differ in nothing but
// their defaults, and the options they share.
//
// The way of the data has no way back:
//
//	argv ─▶ options ─▶ source ─▶ tally ─▶ verdict ─▶ output ─▶ stdout, exit code
//
// package plugins reads argv and the clock and owns the time limit; package source
// sees sockets, package tally counts them, package verdict judges the counts and says
// what kind of trouble they show, and package output renders that. Package session knows
// trading hours. Packages tcp and threshold are the words that they share. The test of
// the import rules keeps it so. Packages population, bench and lab make real sockets for
// the tests, make bench and make lab; no check imports them.
//
// A source starts over by asking for a new visitor, and the tally behind the old one
// is forgotten. That is simpler than a source that collects rows until it is sure:
// nothing is held twice, and a retry or a fallback can never add to what failed.
package plugins
