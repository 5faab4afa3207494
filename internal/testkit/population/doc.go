// Package population makes real sockets in a known number and state, in a new network
// namespace, for tests and benchmarks. No shipped program imports it.
package population
