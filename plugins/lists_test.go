package plugins

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"
)

// TestErrorsQuoteNoFile: whoever runs the check may not be allowed to read the file that an option
// names (sudo, NRPE), so no answer quotes it. The rows of a capture are an exception.
func TestErrorsQuoteNoFile(t *testing.T) {
	const secret = "S3CR3T"
	header := `{"frontsockets_snapshot":1,"time":"2026-11-23T12:00:00Z","host":"f","source":"sockdiag","passed":[],` +
		`"ports":"41213","addresses":[],"tells":["client"],"blind":[]}` + "\n"
	const row = `{"state":"listen","local":"10.1.0.7:41213"}` + "\n"
	texts := []string{
		"root:" + secret + ":19000:0:99999:7:::\n", secret, secret + "\n\n\n", "\n# x\n" + secret + " " + secret + "\n",
		"password=" + secret, "-A INPUT -p tcp -s " + secret + " --dport 22 -j ACCEPT\n", secret + " tcp 0 0\n",
		"10.1.2.3\n" + secret + "\n", "10.1.2.3 <" + secret + ">\n", "10.1.2.3 A\n10.1.2.3 " + secret + "\n",
		"2026-10-01\n2026-10-02 " + secret + "\n", "2026-10-01.." + secret + "\n",
		secret + "\x00\n", strings.Repeat(secret, 1<<15), `{"` + secret + `":1}` + "\n",
		`{"frontsockets_snapshot":"` + secret,
		`{"frontsockets_snapshot":1,"` + secret + `":1}` + "\n", strings.Replace(header, "sockdiag", secret, 1),
		strings.Replace(header, `"41213"`, `"`+secret+`"`, 1), strings.Replace(header, `"client"`, `"`+secret+`"`, 1),
		strings.Replace(header, `"blind":[]`, `"blind":["`+secret+`"]`, 1), header + secret + "\n",
		header + strings.Replace(row, "listen", secret, 1), header + strings.Replace(row, "10.1.0.7:41213", secret, 1),
		header + strings.Replace(row, `{`, `{"`+secret+`":1,`, 1),
		header + strings.Replace(row, `}`, `,"progress":"`+secret+`"}`, 1),
		header + row + `{"sockets":"` + secret + `"}` + "\n", header + row + `{"sockets":7} ` + secret + "\n",
		header + row + `{"sockets":1}` + "\n" + secret + "\n",
	}
	options := []string{"-s snapshot:", "-s netstat:", "-s ss:", "--clients=", "--session cn-futures --holidays="}
	for _, text := range texts {
		name := file(t, text)
		for _, option := range options {
			for _, format := range formatNames() {
				out, code := at(noon, front0(option), append(strings.Fields(option+name), "-vv", "-f", format)...)
				if strings.Contains(out, secret) || strings.Contains(out, " UNKNOWN: ") && code != 3 {
					t.Errorf("%s%.60q as %s: exit %d, %s", option, text, format, code, out)
				}
			}
		}
	}
}

// front0 is a healthy front, unless the option names another source.
func front0(option string) Profile {
	if strings.HasPrefix(option, "-s") {
		return MDFront
	}
	return front(0)
}

// TestLargeLists: a file that an option names is read in a moment and in little memory, or refused
// with the limit.
func TestLargeLists(t *testing.T) {
	limit, memory := 2*time.Second, uint64(64)
	if testing.Short() { // under the race detector
		limit, memory = 20*time.Second, 1024
	}
	var clients, holidays strings.Builder
	for i := range 20_000 {
		fmt.Fprintf(&clients, "10.%d.%d.%d Broker %d, trading desk in Shanghai\n", i>>16, i>>8&255, i&255, i)
	}
	for day := range 10_000 {
		fmt.Fprintln(&holidays, noon.AddDate(0, 0, -day).Format(time.DateOnly))
	}
	const unnamed = "MDFRONT OK: :41213 has 0 abnormal sockets, 0 established from 0 clients; clients not named: "
	large := file(t, strings.Repeat("10.1.2.3 Client A\n", 64<<20/18))
	for _, test := range []struct{ args, want string }{
		{"--clients " + file(t, clients.String()), "MDFRONT OK: "},
		{"--session cn-futures --holidays " + file(t, holidays.String()), "MDFRONT OK: "},
		{"--clients " + large, unnamed + "over 50000 lines, in "},
		{"--session cn-futures --holidays " + large, "MDFRONT UNKNOWN: --holidays: line 1: not a holiday: "},
		{"--clients " + file(t, strings.Repeat(strings.Repeat("#", 1000)+"\n", 5000)),
			unnamed + "over 4 MiB long, in "},
	} {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		start := time.Now()
		out, _ := at(noon, front(0), append(strings.Fields(test.args), "-t", "60")...)
		took := time.Since(start)
		runtime.ReadMemStats(&after)
		if grown := (after.TotalAlloc - before.TotalAlloc) >> 20; took > limit || grown > memory ||
			!strings.HasPrefix(out, test.want) {
			t.Errorf("%s: %s, %d MiB, %s", test.args, took, grown, out)
		}
	}
}

// TestSlowLists: -t covers the files that options name. The answer does without the names of
// clients, but not without the holidays.
func TestSlowLists(t *testing.T) {
	const reads = 3
	hang, waiting := make(chan bool), make(chan bool, reads)
	statList = func(name string) (fs.FileInfo, error) {
		waiting <- true
		<-hang
		return os.Stat(name)
	}
	t.Cleanup(func() {
		for range reads {
			<-waiting // then nobody reads statList
		}
		statList = os.Stat
		close(hang)
	})
	slow := front(0)
	name := file(t, "")
	start := time.Now()
	out, code := at(noon, slow, "-t", "400ms", "--clients", name)
	if code != 0 || !strings.Contains(out, "; names not read within 100ms (--clients) | ") {
		t.Errorf("exit %d, %s", code, out)
	}
	out, code = at(noon, slow, "-t", "400ms", "--session", "cn-futures", "--holidays", name)
	if want := "MDFRONT UNKNOWN: :41213 cannot be judged: --holidays: not read within 400ms (-t): "; code != 3 ||
		!strings.HasPrefix(out, want) {
		t.Errorf("exit %d, %s", code, out)
	}
	out, code = at(noon, slow, "-t", "400ms", "--session", "cn-futures", "--holidays", name, "-f", "hostmonitor")
	if code != 0 || !strings.HasPrefix(out, "ScriptRes:Unknown:") {
		t.Errorf("exit %d, %s", code, out)
	}
	if took := time.Since(start); took > 5*time.Second {
		t.Errorf("it took %s", took)
	}
}

// TestListsThatAreNoFiles: a device or a folder is refused, and nothing waits for it.
func TestListsThatAreNoFiles(t *testing.T) {
	dir := t.TempDir()
	link := filepath.Join(dir, "link")
	if err := os.Symlink(os.DevNull, link); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{dir, os.DevNull, link} {
		for option, args := range map[string]string{"--clients": "", "--holidays": "--session cn-futures "} {
			out, code := at(noon, front(0), strings.Fields(args+option+" "+name)...)
			if code != 3 || !strings.HasPrefix(out, "MDFRONT UNKNOWN: "+option+": not a regular file: ") {
				t.Errorf("%s %s: exit %d, %s", option, name, code, out)
			}
		}
	}
}
