package plugins

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"frontsockets/internal/logfile"
	"frontsockets/internal/testkit/population"
)

const (
	logFiles  = "../contrib/log"
	logFolder = "/var/log/frontsockets" // in these files, and in all other files of contrib
	logOwner  = "nagios"                // in these files, a user and a group
)

// TestLogrotate: logrotate with the shipped file rotates a log while checks of its user append
// to it. No line is lost or torn.
func TestLogrotate(t *testing.T) {
	logrotate, err := exec.LookPath("logrotate")
	if err != nil {
		population.Skip(t, "there is no logrotate")
	}
	nobody(t, exec.Command("true")) // skips where no one can become another user
	dir := programs(t)
	folder := filepath.Join(dir, "log")
	if err := os.Mkdir(folder, 0o750); err != nil {
		t.Fatal(err)
	}
	if err := os.Chown(folder, collectorID, collectorID); err != nil {
		t.Fatal(err)
	}
	config := filepath.Join(dir, "logrotate.conf")
	text := strings.Replace(readContrib(t, filepath.Join(logFiles, "frontsockets.logrotate")), logFolder, folder, 1)
	text = strings.Replace(text, "su "+logOwner+" "+logOwner, "su "+collectorNames(t), 1)
	if err := os.WriteFile(config, []byte("create\n"+text), 0o644); err != nil { // Debian's logrotate.conf says create
		t.Fatal(err)
	}

	// In a round, checks append to the log during one rotation. A day has one rotation, so no check
	// is still there at the next one.
	const rounds, parallel, each = 8, 6, 3
	log := filepath.Join(folder, "fronts.log")
	for round := range rounds {
		var all sync.WaitGroup
		for i := range parallel {
			all.Add(1)
			go func() {
				defer all.Done()
				for j := range each {
					name := fmt.Sprintf("n%d-%d-%d", round, i, j)
					appendAs(t, filepath.Join(dir, MDFront.Program), name, log)
				}
			}()
		}
		rotate := exec.Command(logrotate, "--force", "--state", filepath.Join(dir, "state"), config)
		if out, err := rotate.CombinedOutput(); err != nil || len(out) > 0 {
			t.Errorf("logrotate: %v, %s", err, out)
		}
		all.Wait()
	}

	lines, torn := linesOf(t, log)
	for name, n := range lines {
		if n != 1 {
			t.Errorf("check %s has %d lines", name, n)
		}
	}
	if want := rounds * parallel * each; len(lines) != want || torn != 0 {
		t.Errorf("%d checks have a line, and %d lines are torn; want %d and 0", len(lines), torn, want)
	}
	requireOwned(t, log+"*", rounds/2)
	if old, _ := filepath.Glob(log + ".*.gz"); len(old) == 0 {
		t.Error("no old log is compressed")
	}
}

// collectorNames returns the names of the collector's user and group.
func collectorNames(t *testing.T) string {
	t.Helper()
	owner, err := user.LookupId(strconv.Itoa(collectorID))
	if err != nil {
		population.Skip(t, err.Error())
	}
	group, err := user.LookupGroupId(strconv.Itoa(collectorID))
	if err != nil {
		population.Skip(t, err.Error())
	}
	return owner.Username + " " + group.Name
}

// appendAs runs a check as the user of the logs.
func appendAs(t *testing.T, check, name, log string) {
	cmd := nobody(t, exec.Command(check, "-s", "ss:-", "-n", name, "--log", log))
	cmd.Stdin = strings.NewReader("State Recv-Q Send-Q Local Address:Port Peer Address:Port\n" +
		"LISTEN 0 128 0.0.0.0:41213 0.0.0.0:*\nESTAB 0 0 10.1.0.7:41213 10.1.2.3:50000\n")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%s: %v, %s", name, err, out)
	}
}

// requireOwned requires that there are several logs, and that each belongs to the user of the
// logs, with mode 0640.
func requireOwned(t *testing.T, pattern string, atLeast int) {
	t.Helper()
	files, err := filepath.Glob(pattern)
	if err != nil || len(files) < atLeast {
		t.Errorf("%d logs, %v; want %d or more", len(files), err, atLeast)
	}
	for _, file := range files {
		info, err := os.Stat(file)
		if err != nil {
			t.Fatal(err)
		}
		if info.Mode() != 0o640 || info.Sys().(*syscall.Stat_t).Uid != collectorID {
			t.Errorf("%s has mode %s and owner %d", file, info.Mode(), info.Sys().(*syscall.Stat_t).Uid)
		}
	}
}

// TestLogTmpfiles: systemd-tmpfiles makes the folder for the user of the logs, and removes the
// logs that are older than 30 days, also when somebody has just read them.
func TestLogTmpfiles(t *testing.T) {
	if _, err := exec.LookPath("systemd-tmpfiles"); err != nil {
		population.Skip(t, "there is no systemd-tmpfiles")
	}
	nobody(t, exec.Command("true")) // skips where files can have one owner only
	config, err := filepath.Abs(filepath.Join(logFiles, "frontsockets.tmpfiles"))
	if err != nil {
		t.Fatal(err)
	}
	root := t.TempDir()
	for file, text := range map[string]string{
		"passwd": "%s:x:%d:%[2]d::/:/usr/sbin/nologin\n",
		"group":  "%s:x:%d:\n",
	} {
		file = filepath.Join(root, "etc", file)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, fmt.Appendf(nil, text, logOwner, collectorID), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	tmpfiles := func(do string) {
		t.Helper()
		cmd := exec.Command("systemd-tmpfiles", do, "--root="+root, config)
		if out, err := cmd.CombinedOutput(); err != nil || len(out) > 0 {
			t.Fatalf("systemd-tmpfiles %s: %v, %s", do, err, out)
		}
	}
	tmpfiles("--create")
	folder := filepath.Join(root, logFolder)
	info, err := os.Stat(folder)
	if err != nil {
		t.Fatal(err)
	}
	if owner := info.Sys().(*syscall.Stat_t); info.Mode() != os.ModeDir|0o750 || owner.Uid != collectorID ||
		owner.Gid != collectorID {
		t.Errorf("%s has mode %s, owner %d and group %d", folder, info.Mode(), owner.Uid, owner.Gid)
	}

	now := time.Now()
	for _, days := range []int{0, 29, 31} {
		log := filepath.Join(folder, fmt.Sprintf("%d-days-old.log", days))
		if err := os.WriteFile(log, nil, 0o640); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(log, now, now.AddDate(0, 0, -days)); err != nil {
			t.Fatal(err)
		}
	}
	tmpfiles("--clean")
	left, err := filepath.Glob(folder + "/*")
	if err != nil || len(left) != 2 || !strings.HasSuffix(left[0], "/0-days-old.log") {
		t.Errorf("of logs that are 0, 29 and 31 days old these are left: %q, %v", left, err)
	}
}

// TestLogShown: each of these files shows --log once, switched off, with a name that the check
// takes, and says where more is written.
func TestLogShown(t *testing.T) {
	for _, file := range []string{
		"spool/crontab", "spool/frontsockets-spool@.service", "nagios/commands.cfg", "nrpe/frontsockets.cfg",
		"icinga2/frontsockets-services.conf", "zabbix/frontsockets.conf", "zabbix/nrpe-zabbix.cfg",
		"hostmonitor/checkMdfrontSocket", "hostmonitor/checkfrontSocket",
	} {
		text := readContrib(t, filepath.Join("../contrib", file))
		shown := regexp.MustCompile(`(?m)^.*`+logFolder+`/.*$`).FindAllString(text, -1)
		if len(shown) != 1 || !regexp.MustCompile(`^\s*(#|//|log= +#)`).MatchString(shown[0]) ||
			!strings.Contains(text, "contrib/log") || !strings.Contains(text, "front_report") {
			t.Errorf("%s shows %q; want one comment, and the words front_report and contrib/log", file, shown)
			continue
		}
		value := regexp.MustCompile(logFolder + `/[^" ]*`).FindString(shown[0])
		if strings.HasSuffix(file, ".service") { // systemd reads %% as %
			value = strings.ReplaceAll(value, "%%", "%")
		}
		day := time.Date(2026, 11, 25, 10, 20, 0, 0, time.UTC)
		if name, err := logfile.ParseName(value); err != nil || name.On(day) != logFolder+"/2026-11-25.log" {
			t.Errorf("%s shows %q, %v", file, value, err)
		}
	}
}

// TestSpoolLog: the jobs of cron and the scripts log when that is switched on, each into a folder
// of its user. A script whose user may not write there says so.
func TestSpoolLog(t *testing.T) {
	s := installSpool(t)
	logs := map[int]string{collectorID: filepath.Join(s.dir, "collected"), readerID: filepath.Join(s.dir, "asked")}
	for user, folder := range logs {
		if err := os.Mkdir(folder, 0o750); err != nil {
			t.Fatal(err)
		}
		if err := os.Chown(folder, user, collectorID); err != nil {
			t.Fatal(err)
		}
	}
	count := func(user int) int {
		t.Helper()
		lines, torn := linesOf(t, logs[user]+"/20")
		if torn > 0 {
			t.Errorf("%d lines in %s are torn", torn, logs[user])
		}
		n := 0
		for _, times := range lines {
			n += times
		}
		return n
	}
	variable := regexp.MustCompile(`(?m)^#(LOG=.*)$`).FindStringSubmatch(readSpoolFile(t, "crontab"))[1]
	s.collect(MDFront.Program)
	s.collect(MDFront.Program, strings.ReplaceAll(variable, logFolder, logs[collectorID]))
	s.collect(Front.Program, strings.ReplaceAll(variable, logFolder, logs[collectorID]))
	if n := count(collectorID); n != 4 {
		t.Errorf("4 jobs have logged %d lines", n)
	}
	for _, name := range []string{"checkMdfrontSocket", "checkfrontSocket"} {
		before := count(readerID)
		const answer = "ScriptRes:Bad:0 nothing listens on port 41[0-9]*"
		s.ask(s.script(name, "log= ", "log="+logs[readerID]+"/%Y-%m-%d.log "), answer, 0, "front7", "50")
		const shells = 5 // of ask
		if n := count(readerID) - before; n != shells {
			t.Errorf("%s has logged %d lines, want %d", name, n, shells)
		}
		s.ask(s.script(name, "log= ", "log="+logs[collectorID]+"/%Y-%m-%d.log "),
			answer+"; log not written, permission denied.*", 0, "front7", "50")
	}
}

func unzip(t *testing.T, zipped []byte) []byte {
	t.Helper()
	r, err := gzip.NewReader(bytes.NewReader(zipped))
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return text
}
