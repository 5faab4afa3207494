// Package version knows the version of this program.
package version

import "runtime/debug"

// packaged is the version of the package that contains the program, such as 1.0.0. The linker sets it:
// see BUILD in the Makefile. Programs that are not from a package leave it empty.
var packaged string

// String returns the version of the package. Without a package it is the version that the go command
// recorded, such as v1.0.1-0.20261130150341-7c0d2e5f1a2b, which names the commit.
func String() string {
	if packaged != "" {
		return packaged
	}
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" {
		return info.Main.Version
	}
	return "unknown version"
}
