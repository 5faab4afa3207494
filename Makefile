# frontsockets. Needs Go and make; `make help` lists what it can do.

GO      ?= go
# PACKAGE_VERSION is what -V says in the programs of a package; dist.sh gives it.
LDFLAGS := -s -w $(if $(PACKAGE_VERSION),-X frontsockets/internal/version.packaged=$(PACKAGE_VERSION))
BUILD   := CGO_ENABLED=0 $(GO) build -buildvcs=auto -trimpath -tags forceposix -ldflags '$(LDFLAGS)'
PLUGINS := ./cmd/check_mdfront_sockets ./cmd/check_front_sockets
PROGRAMS := $(PLUGINS) ./cmd/front_drill ./cmd/front_report
PLATFORMS := linux/amd64 linux/arm64 linux/386 windows/amd64 darwin/arm64 freebsd/amd64
NFPM := github.com/goreleaser/nfpm/v2/cmd/nfpm@v2.45.2
CYCLONEDX := github.com/CycloneDX/cyclonedx-gomod/cmd/cyclonedx-gomod@v1.10.0
STATICCHECK := honnef.co/go/tools/cmd/staticcheck@v0.7.0
GOVULNCHECK := golang.org/x/vuln/cmd/govulncheck@v1.1.4
FUZZTIME ?= 60s
GONEEDED := $(shell awk '$$1 == "go" { print $$2 }' go.mod)

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z0-9]+:.*## / { printf "  %-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

build test race wine generate fuzz bench lab kernels readers e2e fleet picture lint demo cross man dist: | needgo

# Go 1.21 and later fetch a newer Go by themselves, if they may.
needgo:
	@found=$$($(GO) env GOVERSION 2>&1 | tail -n 1); \
	echo "$${found:-nothing} $(GONEEDED)" | awk '{ sub(/^go/, ""); split($$1, have, "."); split($$2, need, "."); \
		exit !(/^devel/ || have[1]+0 > need[1] || have[1] == need[1] && have[2]+0 >= need[2]+0) }' || { \
	echo "make: Go $(GONEEDED) or later is needed, and '$(GO) env GOVERSION' says: $${found:-nothing}" >&2; \
	echo "make: get it from https://go.dev/dl (inside China https://golang.google.cn/dl), and put it into PATH" >&2; \
	echo "make: or name it: make GO=/usr/local/go/bin/go" >&2; exit 1; }

build: ## build the programs into bin/
	$(BUILD) -o bin/ $(PROGRAMS)

test: ## run all tests; what the machine does not allow is skipped with a reason
	$(GO) test -count=1 -tags forceposix -timeout 600s ./...

test386: ## run all tests as a 32-bit program (x86)
	GOARCH=386 CGO_ENABLED=0 $(GO) test -count=1 -tags forceposix -timeout 600s ./...

race: ## run all tests under the race detector (needs a C compiler)
	CGO_ENABLED=1 $(GO) test -race -short -count=1 -tags forceposix -timeout 600s ./...

wine: ## run the Windows programs under wine (Debian: wine64 binutils-mingw-w64-x86-64)
	REQUIRE_KERNEL=1 $(GO) test -count=1 -tags forceposix,wine -timeout 120s -v ./internal/testkit/wine

generate: ## write every file that a program writes: goldens, tables of documents, templates
	$(GO) test -count=1 -tags forceposix -run '^TestGenerated' ./internal/output ./internal/report ./plugins -update

fuzz: ## run every fuzz target for FUZZTIME (60s)
	@for f in source/FuzzDiag source/FuzzProc capture/FuzzNetstat capture/FuzzSS capture/FuzzMangled snapshot/FuzzSnapshot \
		threshold/FuzzParse tcp/FuzzParsePorts session/FuzzAt session/FuzzParseHolidays report/FuzzGlance \
		report/FuzzFile ../plugins/FuzzParseClients; do \
		echo "$$f"; \
		$(GO) test -run '^$$' -fuzz "^$${f##*/}$$" -fuzztime $(FUZZTIME) -fuzzminimizetime 10x ./internal/$${f%/*} || exit 1; \
	done

bench: ## compare the check with what one would run instead; time the decoders
	$(GO) test -run '^$$' -bench . ./internal/source ./internal/capture ./internal/output
	$(GO) run -tags forceposix ./internal/tools/bench

lab: ## act every kind of trouble in network namespaces and judge the diagnosis (root): docs/LAB.md
	$(GO) run -tags forceposix ./internal/tools/lab -o docs/LAB.md

faults: ## let each system call of the check fail in turn (amd64, root): docs/FAULTS.md
	$(GO) run -tags forceposix ./internal/tools/faults -o docs/FAULTS.md

soak: ## look a million times at a known population beside churn (Linux 6.1, root; 50 minutes): docs/SOAK.md
	$(GO) run -tags forceposix ./internal/tools/soak

readers: ## have the parsers of monitoring systems read the goldens (Debian: libmonitoring-plugin-perl)
	cd internal/testkit/readers && $(GO) test -count=1 -v .

.PHONY: browser story
browser: ## open the page of front_report in a headless browser (Debian: chromium fonts-noto-cjk)
	cd internal/testkit/browser && $(GO) test -count=1 -timeout 300s -v .

kernels: ## run the checks on other kernels in virtual machines (KERNELS: which; Debian): docs/KERNELS.md
	$(GO) run ./internal/testkit/kernels $(or $(KERNELS),-o docs/KERNELS.md)

e2e: readers dist ## run the checks inside real monitoring systems (root; Debian 12)
	$(GO) test -count=1 -tags forceposix,e2e -timeout 1500s -v -skip '^TestFleet' ./internal/testkit/e2e # these: make fleet

fleet: dist ## 1,000 results a minute through real Icinga and Zabbix, the playbook of docs/FLEET.md (root; Debian 12; 50 minutes)
	REQUIRE_KERNEL=1 FRONTSOCKETS_FLEET=1 $(GO) test -count=1 -tags forceposix,e2e -timeout 7200s -parallel 1 -v -run '^TestFleet' ./internal/testkit/e2e

picture: dist ## take the picture of Zabbix' dashboard in docs/ anew (root; Debian 12)
	FRONTSOCKETS_PICTURE=docs/zabbix-dashboard.png $(GO) test -count=1 -tags forceposix,e2e -timeout 1500s -v -run 'TestZabbix$$' ./internal/testkit/e2e

story: ## take the pictures of front_report's page in docs/ anew, of a real drill (Debian: chromium fonts-noto-cjk)
	cd internal/testkit/browser && FRONTSOCKETS_STORY=../../../docs $(GO) test -count=1 -timeout 300s -v -run TestPicture .

lint: ## gofmt, lengths of lines and functions, go vet, staticcheck, a tidy go.mod, unchanged modules
	@test -z "$$(gofmt -l .)" || { gofmt -d .; exit 1; }
	$(GO) run ./internal/tools/lint
	$(GO) mod tidy -diff
	$(GO) mod verify
	$(GO) vet -tags forceposix,wine,e2e ./...
	$(GO) run $(STATICCHECK) -tags forceposix,wine,e2e ./...
	@for m in readers browser; do \
		(cd internal/testkit/$$m && $(GO) mod tidy -diff && $(GO) vet . && $(GO) run $(STATICCHECK) .) || exit 1; \
	done

vuln: ## known vulnerabilities in what the programs call (asks vuln.go.dev)
	$(GO) run $(GOVULNCHECK) -tags forceposix ./cmd/...

demo: build ## show a healthy front, a hung one and a looping client (under a minute)
	@./cmd/front_drill/demo.sh bin

cross: ## build for every platform into dist/
	@for p in $(PLATFORMS); do \
		echo "$$p"; \
		GOOS=$${p%/*} GOARCH=$${p#*/} $(BUILD) -o dist/$${p%/*}-$${p#*/}/ $(PROGRAMS) || exit 1; \
		GOOS=$${p%/*} GOARCH=$${p#*/} CGO_ENABLED=0 $(GO) vet -tags forceposix ./... || exit 1; \
	done

man: ## write man pages and shell completion into dist/man/ and dist/completion/
	@mkdir -p dist/help
	for p in front_drill front_report; do $(GO) run -tags forceposix ./cmd/$$p --help >dist/help/$$p || exit 1; done
	$(GO) run -tags forceposix ./internal/tools/man dist dist/help/front_drill dist/help/front_report

dist: ## package the last commit into dist/packages/: tar.gz, deb, rpm, SBOM, SHA256SUMS
	rm -rf dist/packages
	@GO='$(GO)' PLATFORMS='$(PLATFORMS)' NFPM=$(NFPM) CYCLONEDX=$(CYCLONEDX) contrib/packaging/dist.sh dist/packages

clean: ## remove what was built
	rm -rf bin dist

.PHONY: vuln faults soak help needgo build test test386 race wine readers generate fuzz bench lab kernels e2e fleet picture lint demo cross man dist clean
