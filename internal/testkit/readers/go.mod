module frontsockets/internal/testkit/readers

go 1.24.0

require (
	github.com/atc0005/go-nagios v0.20.0
	github.com/influxdata/telegraf v1.35.4
	github.com/prometheus/common v0.67.2
	github.com/santhosh-tekuri/jsonschema/v6 v6.0.2
)

require (
	github.com/kr/pretty v0.3.1 // indirect
	github.com/munnerz/goautoneg v0.0.0-20191010083416-a7dc8b61c822 // indirect
	github.com/prometheus/client_model v0.6.2 // indirect
	go.yaml.in/yaml/v2 v2.4.3 // indirect
	golang.org/x/text v0.30.0 // indirect
	google.golang.org/protobuf v1.36.10 // indirect
)
