// Package browser opens the page of front_report in a headless Chromium, as an operator does. It also
// runs the script of a Zabbix template there. It is a module of its own, so that what drives the browser
// is no part of the programs' go.mod.
package browser

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
)

const (
	repository = "../../.."
	// stepLimit is for each step of the browser, also on a slow machine.
	stepLimit = time.Minute
	// looksVar names a folder for a picture of every page that a test opens, to look at.
	looksVar = "FRONTSOCKETS_LOOKS"
)

var (
	programs string // the folder of the programs under test
	chromium context.Context
)

func TestMain(m *testing.M) {
	os.Exit(run(m))
}

// run builds the programs, starts a browser if there is one, and runs the tests.
func run(m *testing.M) int {
	var err error
	if programs, err = os.MkdirTemp("", "frontsockets-browser"); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(programs)
	if file := findChromium(); file != "" {
		options := append(slices.Clone(chromedp.DefaultExecAllocatorOptions[:]), chromedp.ExecPath(file),
			chromedp.NoSandbox,                     // root may not have one, and the pages are ours
			chromedp.WSURLReadTimeout(time.Minute), // a busy host
			chromedp.WindowSize(1240, 900))
		allocator, cancel := chromedp.NewExecAllocator(context.Background(), options...)
		defer cancel()
		chromium, cancel = chromedp.NewContext(allocator)
		defer cancel()
	}
	return m.Run()
}

func findChromium() string {
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if file, err := exec.LookPath(name); err == nil {
			return file
		}
	}
	return ""
}

// build builds the programs of the main module once.
var build = sync.OnceValues(func() (string, error) {
	cmd := exec.Command("go", "build", "-tags", "forceposix", "-o", programs+string(filepath.Separator),
		"./cmd/front_report", "./cmd/front_drill", "./cmd/check_mdfront_sockets")
	cmd.Dir = repository
	out, err := cmd.CombinedOutput()
	return string(out), err
})

// report writes the page of a log, and returns the file's name.
func report(t *testing.T, log, lang string) string {
	t.Helper()
	if out, err := build(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	html := filepath.Join(t.TempDir(), "page.html")
	out, err := exec.Command(filepath.Join(programs, "front_report"), "--lang", lang, "--html", html, log).CombinedOutput()
	if err != nil || len(out) > 0 {
		t.Fatalf("front_report: %v\n%s", err, out)
	}
	return html
}

// look is how a reader sees the page.
type look struct {
	name, lang    string
	media, colour string // of CSS: print; dark
	width         int64
}

var light = look{name: "light", lang: "en", width: 1240}

// tab is an open page, and what it did that it should not do.
type tab struct {
	context.Context
	look
	file string

	mu       sync.Mutex
	requests []string
	faults   []string // errors of the console, exceptions, dialogs
	loaded   time.Duration
}

// open opens a page. At the end of the test it complains of every request, error and dialog.
func open(t *testing.T, file string, as look) *tab {
	t.Helper()
	if chromium == nil {
		const why = "no chromium here (Debian: chromium)"
		if os.Getenv("REQUIRE_KERNEL") == "1" {
			t.Fatalf("REQUIRE_KERNEL=1, but %s", why)
		}
		t.Skip(why)
	}
	// The first run of a context starts the browser, which lives as long as that context.
	if err := chromedp.Run(chromium); err != nil {
		t.Fatal(err)
	}
	ctx, closeTab := chromedp.NewContext(chromium)
	t.Cleanup(closeTab)
	ctx, cancel := context.WithTimeout(ctx, stepLimit)
	t.Cleanup(cancel)
	p := &tab{Context: ctx, look: as, file: file}
	chromedp.ListenTarget(ctx, p.hear)
	media := emulation.SetEmulatedMedia().WithMedia(as.media)
	if as.colour != "" {
		media = media.WithFeatures([]*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: as.colour}})
	}
	p.do(t, network.Enable(), log.Enable(), media, emulation.SetDeviceMetricsOverride(as.width, 900, 1, false))
	start := time.Now()
	p.do(t, chromedp.Navigate("file://"+file))
	p.loaded = time.Since(start)
	t.Cleanup(func() { p.judge(t) })
	return p
}

// hear keeps what the page does.
func (p *tab) hear(event any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch e := event.(type) {
	case *network.EventRequestWillBeSent:
		p.requests = append(p.requests, e.Request.URL)
	case *runtime.EventExceptionThrown:
		p.faults = append(p.faults, "exception: "+e.ExceptionDetails.Error())
	case *runtime.EventConsoleAPICalled:
		p.faults = append(p.faults, "console: "+string(e.Type))
	case *log.EventEntryAdded:
		p.faults = append(p.faults, "log: "+e.Entry.Text)
	case *page.EventJavascriptDialogOpening:
		p.faults = append(p.faults, "dialog: "+e.Message)
	}
}

// judge complains of what the page did. The only request is for the page itself; its icon, which is
// empty, is in the page.
func (p *tab) judge(t *testing.T) {
	t.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	own := 0
	for _, url := range p.requests {
		switch {
		case url == "file://"+p.file:
			own++
		case url != "data:,":
			t.Errorf("%s: the page requests %s", p.name, url)
		}
	}
	if own == 0 {
		t.Errorf("%s: the test did not see the request for the page itself", p.name)
	}
	for _, fault := range p.faults {
		t.Errorf("%s: %s", p.name, fault)
	}
}

// do runs actions.
func (p *tab) do(t *testing.T, actions ...chromedp.Action) {
	t.Helper()
	if err := chromedp.Run(p, actions...); err != nil {
		t.Fatalf("%s: %v", p.name, err)
	}
}

// ask evaluates an expression in the page.
func ask[T any](t *testing.T, p *tab, expression string) (answer T) {
	t.Helper()
	p.do(t, chromedp.Evaluate(expression, &answer))
	return answer
}

// picture saves the whole page as a picture in the folder of looksVar, if that is set.
func (p *tab) picture(t *testing.T, name string) {
	t.Helper()
	folder := os.Getenv(looksVar)
	if folder == "" {
		return
	}
	var png []byte
	p.do(t, chromedp.FullScreenshot(&png, 100))
	save(t, filepath.Join(folder, strings.ReplaceAll(name, " ", "-")+".png"), png)
	if p.media == "print" {
		var pdf []byte
		p.do(t, chromedp.ActionFunc(func(ctx context.Context) (err error) {
			pdf, _, err = page.PrintToPDF().WithPreferCSSPageSize(true).Do(ctx)
			return err
		}))
		save(t, filepath.Join(folder, name+".pdf"), pdf)
	}
}

func save(t *testing.T, file string, content []byte) {
	t.Helper()
	if err := os.WriteFile(file, content, 0o644); err != nil {
		t.Fatal(err)
	}
}
