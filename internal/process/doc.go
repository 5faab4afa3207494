// Package process finds the process that listens on a front's port, and reads its state,
// processor time and descriptors from /proc.
package process
