// Kernels runs the programs and their tests on other kernels and processors, in virtual machines:
//
//	kernels [-o FILE] [-v] [MACHINE...]
//
// Without a machine it runs them all. It prints a table, and with -o writes their rows
// into the table of FILE. It ends with 1 if a machine cannot be had, does not end in time, or has a test
// that fails. It runs on Debian, whose kernels it downloads, and needs qemu-system-x86,
// qemu-system-arm, qemu-system-misc and cpio. The packages are kept in the folder
// FRONTSOCKETS_KERNELS, by default in the user's cache.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// machineLimit ends a machine that hangs. An emulated processor on a busy host needs 3 minutes.
const machineLimit = 12 * time.Minute

func main() {
	document := flag.String("o", "", "write the rows into the table of `FILE`")
	verbose := flag.Bool("v", false, "print what the machines print")
	flag.Parse()
	// An interrupt ends the running machine and removes its folder.
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, *document, *verbose, flag.Args()); err != nil {
		fmt.Fprintln(os.Stderr, "kernels:", err)
		os.Exit(1)
	}
}

// run runs the machines of those names and prints the table.
func run(ctx context.Context, document string, verbose bool, names []string) error {
	chosen := machines
	if len(names) > 0 {
		chosen = nil
		for _, name := range names {
			m, ok := find(name)
			if !ok {
				return fmt.Errorf("there is no machine %q", name)
			}
			chosen = append(chosen, m)
		}
	}
	cache := os.Getenv("FRONTSOCKETS_KERNELS")
	if cache == "" {
		user, err := os.UserCacheDir()
		if err != nil {
			return err
		}
		cache = filepath.Join(user, "frontsockets-kernels")
	}
	cache, err := filepath.Abs(cache)
	if err != nil {
		return err
	}
	var results []result
	failed := 0
	for _, m := range chosen {
		fmt.Fprintf(os.Stderr, "%s ...\n", m.name)
		r := try(ctx, m, cache, verbose)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if len(r.faults) > 0 {
			failed++
			fmt.Fprintf(os.Stderr, "%s: %s\n", m.name, strings.Join(r.faults, "\n"))
		}
		results = append(results, r)
	}
	fmt.Print(table(results, ""))
	if failed > 0 {
		err = fmt.Errorf("%d of %d machines failed", failed, len(chosen))
	}
	if document == "" {
		return err
	}
	return errors.Join(err, replaceTable(document, results))
}

// try makes a machine and runs it.
func try(ctx context.Context, m machine, cache string, verbose bool) result {
	folder, err := os.MkdirTemp("", "frontsockets-kernels")
	if err != nil {
		return result{machine: m, faults: []string{err.Error()}}
	}
	defer os.RemoveAll(folder)
	if err := makeImage(m, cache, folder); err != nil {
		return result{machine: m, faults: []string{err.Error()}}
	}
	start := time.Now()
	console, err := boot(ctx, m, folder, verbose)
	r := judge(m, console)
	r.time = time.Since(start)
	if err != nil {
		r.faults = append(r.faults, err.Error())
	}
	if len(r.faults) > 0 && !verbose {
		fmt.Fprintln(os.Stderr, console)
	}
	return r
}

// boot runs the machine until it ends and returns what it printed.
func boot(ctx context.Context, m machine, folder string, verbose bool) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, machineLimit)
	defer cancel()
	// KVM may be there and not work in a machine that is a virtual machine itself.
	args := append(m.qemu[1:len(m.qemu):len(m.qemu)], "-accel", "tcg", "-cpu", "max", "-smp", "2", "-m", "1536",
		"-nographic", "-nic", "none", "-no-reboot",
		"-kernel", filepath.Join(folder, "vmlinuz"), "-initrd", filepath.Join(folder, "initramfs"))
	cmd := exec.CommandContext(ctx, m.qemu[0], args...)
	var console strings.Builder
	cmd.Stdout = &console
	if verbose {
		cmd.Stdout = io.MultiWriter(&console, os.Stderr)
	}
	cmd.Stderr = cmd.Stdout
	err := cmd.Run()
	if ctx.Err() == context.DeadlineExceeded {
		err = fmt.Errorf("the machine did not end within %s", machineLimit)
	}
	return strings.ReplaceAll(console.String(), "\r", ""), err
}

// Marks of the table in the document.
const (
	beginTable = "<!-- table: written by make kernels -->\n"
	endTable   = "<!-- end of table -->\n"
)

// replaceTable writes the results into the table between the marks of the document.
func replaceTable(document string, results []result) error {
	text, err := os.ReadFile(document)
	if err != nil {
		return err
	}
	before, rest, begins := strings.Cut(string(text), beginTable)
	earlier, after, ends := strings.Cut(rest, endTable)
	if !begins || !ends {
		return fmt.Errorf("%s has no table to replace: it must have the line %s", document, strings.TrimSpace(beginTable))
	}
	return os.WriteFile(document, []byte(before+beginTable+"\n"+table(results, earlier)+"\n"+endTable+after), 0o644)
}
