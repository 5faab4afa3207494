package browser

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"
)

// picturesVar names the folder for the pictures of the documents: make story.
const picturesVar = "FRONTSOCKETS_STORY"

// mostPicture is how many bytes a picture of the documents may have.
const mostPicture = 300 << 10

// The drill of the documents: three fronts, a look a second at each. One front hangs and is
// restarted, another one has a client that reconnects in a loop.
const (
	drillLooks = 40
	wellPort   = "48101"
	hungPort   = "48102"
	loopPort   = "48103"
)

const drillClients = `127.0.0.11 broker-a
127.0.0.12 broker-b
127.0.0.13 broker-c
127.0.0.14 broker-d
127.0.0.66 broker-x
`

// TestPicture acts a real drill, and takes the pictures of its page.
func TestPicture(t *testing.T) {
	folder := os.Getenv(picturesVar)
	if folder == "" {
		t.Skip("takes the pictures of the documents only for make story")
	}
	log := actDrill(t)
	if text, err := exec.Command(filepath.Join(programs, "front_report"), log).CombinedOutput(); err == nil {
		t.Logf("%s", text)
	}
	for lang, name := range map[string]string{"en": "report.png", "zh": "report.zh-CN.png"} {
		p := open(t, report(t, log, lang), look{name: lang, lang: lang, width: 1120})
		const end = `document.querySelector("#incident-1 figure > .legend").getBoundingClientRect().bottom`
		height := ask[float64](t, p, end)
		var png []byte
		p.do(t, chromedp.ActionFunc(func(ctx context.Context) (err error) {
			png, err = page.CaptureScreenshot().WithCaptureBeyondViewport(true).
				WithClip(&page.Viewport{Width: float64(p.width), Height: height + 4, Scale: 1}).Do(ctx)
			return err
		}))
		if len(png) > mostPicture {
			t.Errorf("%s: %d bytes, want at most %d", name, len(png), mostPicture)
		}
		save(t, filepath.Join(folder, name), png)
	}
}

// actDrill acts the drill, and returns the log.
func actDrill(t *testing.T) string {
	t.Helper()
	if out, err := build(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	folder := t.TempDir()
	log, names := filepath.Join(folder, "fronts.log"), filepath.Join(folder, "clients")
	save(t, names, []byte(drillClients))
	// Both fronts that get into trouble are well for some looks before.
	well := startDrill(t, "healthy", "--port", wellPort, "--for", "2m")
	hung := startDrill(t, "hang", "--port", hungPort, "--after", "8s", "--for", "10s")
	loop := startDrill(t, "loop", "--port", loopPort, "--clients", "80", "--others", "20", "--after", "18s", "--over",
		"10s", "--for", "2m")
	var all sync.WaitGroup
	all.Add(1)
	go func() {
		defer all.Done()
		_ = hung.Wait()
		hung = startDrill(t, "healthy", "--port", hungPort, "--for", "2m")
	}()
	time.Sleep(2 * time.Second)
	for i, port := range []string{wellPort, hungPort, loopPort} {
		all.Add(1)
		go func() {
			defer all.Done()
			checkEachSecond(t, "-n", "front"+strconv.Itoa(6+i), "-p", port, "--clients", names, "--log", log)
		}()
	}
	all.Wait()
	for _, drill := range []*exec.Cmd{well, hung, loop} {
		_ = drill.Process.Signal(os.Interrupt)
		_ = drill.Wait()
	}
	return log
}

// checkEachSecond runs a check drillLooks times.
func checkEachSecond(t *testing.T, args ...string) {
	second := time.NewTicker(time.Second)
	defer second.Stop()
	for range drillLooks {
		check := exec.Command(filepath.Join(programs, "check_mdfront_sockets"), args...)
		const critical = 2
		if out, err := check.CombinedOutput(); check.ProcessState == nil || check.ProcessState.ExitCode() > critical {
			t.Errorf("%v\n%s", err, out)
			return
		}
		<-second.C
	}
}

// startDrill starts a drill, whose messages are in the way.
func startDrill(t *testing.T, args ...string) *exec.Cmd {
	drill := exec.Command(filepath.Join(programs, "front_drill"), args...)
	if err := drill.Start(); err != nil {
		t.Error(err)
	}
	return drill
}
