module frontsockets

go 1.24.0

require (
	github.com/atc0005/go-nagios v0.20.0
	github.com/google/renameio/v2 v2.0.1
	github.com/jessevdk/go-flags v1.6.1
	github.com/rogpeppe/go-internal v1.14.1
	github.com/shirou/gopsutil/v3 v3.24.5
	github.com/tidwall/gjson v1.18.0
	golang.org/x/sys v0.37.0
	golang.org/x/text v0.31.0
)

require (
	github.com/go-ole/go-ole v1.2.6 // indirect
	github.com/power-devops/perfstat v0.0.0-20210106213030-5aafc221ea8c // indirect
	github.com/tidwall/match v1.1.1 // indirect
	github.com/tidwall/pretty v1.2.0 // indirect
	github.com/yusufpapurcu/wmi v1.2.4 // indirect
	golang.org/x/tools v0.38.0 // indirect
)
