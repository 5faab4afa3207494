package snapshot

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"frontsockets/internal/tcp"
	"frontsockets/internal/testkit/population"
	"frontsockets/internal/textfile"
)

// writerVar makes the test binary a program that saves snapshots in a file without
// end, and writes a byte to stdout for each.
const writerVar = "FRONTSOCKETS_WRITER"

func TestMain(m *testing.M) {
	if file := os.Getenv(writerVar); file != "" {
		saveForEver(file)
	}
	population.Main(m)
}

// saveForEver saves snapshots of 0 to 199 sockets, and says in each how many it has.
func saveForEver(file string) {
	for n := 0; ; n = (n + 37) % 200 {
		var r Recording
		for i := range n {
			r.Add(&tcp.Socket{
				State: tcp.TimeWait, Facts: tcp.FactClient, Local: netip.MustParseAddrPort("10.1.0.7:41213"),
				Remote: netip.AddrPortFrom(netip.MustParseAddr("10.1.2.3"), uint16(1+i)),
			})
		}
		if err := r.Save(context.Background(), file, front, tcp.Look{Source: fmt.Sprint(n), Time: time.Now()}); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		if _, err := os.Stdout.Write([]byte{'.'}); err != nil {
			os.Exit(0)
		}
	}
}

// TestTornSnapshots: in 20,000 rounds of a writer that is killed at random, 8 readers
// see whole snapshots only.
func TestTornSnapshots(t *testing.T) {
	const readers = 8
	rounds := 20_000
	if testing.Short() { // under the race detector each takes ten times as long
		rounds = 2_000
	}
	// In memory, if there is such a place: syncing 20,000 files to disk takes minutes.
	dir, err := os.MkdirTemp("/dev/shm", "frontsockets")
	if err != nil {
		dir = t.TempDir()
	}
	defer os.RemoveAll(dir)
	file := filepath.Join(dir, "mdfront")
	if err := new(Recording).Save(context.Background(), file, front, tcp.Look{Source: "0", Time: time.Now()}); err != nil {
		t.Fatal(err)
	}

	var done atomic.Bool
	var reads atomic.Int64
	var group sync.WaitGroup
	for range readers {
		group.Add(1)
		go func() {
			defer group.Done()
			for !done.Load() {
				n := 0
				s := From(textfile.File{Name: file, Now: time.Now(), MaxAge: time.Hour})
				seen, err := s.Look(context.Background(), front, func(*tcp.Socket) { n++ })
				if err != nil || seen.Source != fmt.Sprint(n) {
					t.Errorf("%d sockets of %s, %v", n, seen.Source, err)
					return
				}
				reads.Add(1)
			}
		}()
	}
	saved, killed := 0, 0
	for until := time.Now().Add(2 * time.Minute); (saved < rounds || reads.Load() < int64(rounds)) &&
		!t.Failed(); killed++ {
		if time.Now().After(until) {
			t.Errorf("%d rounds and %d reads in two minutes", saved, reads.Load())
			break
		}
		writer := exec.Command("/proc/self/exe")
		writer.Env = append(os.Environ(), writerVar+"="+file)
		writer.Stderr = os.Stderr
		out, err := writer.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := writer.Start(); err != nil {
			t.Fatal(err)
		}
		kill := time.AfterFunc(time.Duration(50+rand.IntN(400))*time.Millisecond, func() { writer.Process.Kill() })
		n, err := io.Copy(io.Discard, bufio.NewReader(out))
		if err != nil {
			t.Error(err)
		}
		kill.Stop()
		if err := writer.Wait(); err == nil || writer.ProcessState.ExitCode() > 0 {
			t.Errorf("the writer ended by itself: %v", err)
		}
		saved += int(n)
	}
	done.Store(true)
	group.Wait()
	t.Logf("%d snapshots saved by %d writers, %d read", saved, killed, reads.Load())
}
