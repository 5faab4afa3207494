//go:build e2e

package e2e

import (
	"net/http"
	"net/http/cookiejar"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// pictureVar names the file for a picture of the dashboard during a drill, relative to the root of the
// repository: make picture.
const pictureVar = "FRONTSOCKETS_PICTURE"

// takePicture lets a front hang for one minute, restarts it, and takes the picture with a browser.
func (z *zabbix) takePicture(t *testing.T, md *front, host string) {
	t.Helper()
	time.Sleep(time.Minute)
	md.act("hang")
	time.Sleep(time.Minute)
	md.act("healthy")
	time.Sleep(30 * time.Second)

	// A headless browser cannot log in. Its requests go through this proxy, which adds the session.
	target := &url.URL{Scheme: "http", Host: zabbixFrontend}
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	session := http.Client{Jar: jar, Timeout: time.Minute}
	form := url.Values{"name": {"Admin"}, "password": {"zabbix"}, "enter": {"Sign in"}}
	r, err := session.PostForm(target.String()+"/index.php", form)
	if err != nil {
		t.Fatal(err)
	}
	r.Body.Close()
	proxy := &http.Server{Addr: "127.0.0.1:8081", Handler: &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) {
		r.SetURL(target)
		r.Out.Header.Del("Cookie")
		for _, cookie := range jar.Cookies(target) {
			r.Out.AddCookie(cookie)
		}
	}}}
	go func() { _ = proxy.ListenAndServe() }()
	defer proxy.Close()

	query := url.Values{
		"action": {"host.dashboard.view"}, "hostid": {host},
		"from": {"now-3m"}, "to": {"now"}, "kiosk": {"1"},
	}
	run(t, "chromium", "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--user-data-dir="+t.TempDir(),
		"--window-size=1400,1420", "--virtual-time-budget=60000", "--screenshot="+filepath.Join(repo, os.Getenv(pictureVar)),
		"http://"+proxy.Addr+"/zabbix.php?"+query.Encode())
}
