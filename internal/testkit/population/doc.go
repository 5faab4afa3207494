// Package population makes real sockets of known number and state, in a network
// namespace of its own, for tests and benchmarks. No program imports it.
package population
