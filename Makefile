# keyhole: build, test, install. Everything that needs more than a line is in scripts/.

GO        ?= go
PREFIX    ?= /usr/local
DESTDIR   ?=
BINDIR    ?= $(PREFIX)/bin
DATADIR   ?= $(PREFIX)/share
# AppArmor reads profiles from here alone; a profile elsewhere is only kept for the administrator.
ifneq ($(filter /usr /usr/local,$(PREFIX)),)
APPARMORDIR ?= /etc/apparmor.d
else
APPARMORDIR ?= $(DATADIR)/keyhole/apparmor.d
endif

VERSION   ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo devel)
LDFLAGS   := -s -w -X keyhole/internal/cli.release=$(VERSION)
BUILD     := CGO_ENABLED=0 $(GO) build -trimpath -buildvcs=false -ldflags '$(LDFLAGS)'
PACKAGES  ?= ./...

.PHONY: build test bench install uninstall release fmt lint clean

build:
	$(BUILD) -o bin/keyhole ./cmd/keyhole

test:
	scripts/install-test-deps
	scripts/test $(PACKAGES)

bench: build
	scripts/fetch-sandboxes
	$(GO) run ./bench/measure $(BENCHFLAGS)

install:
	test -x bin/keyhole || $(MAKE) build
	install -d '$(DESTDIR)$(BINDIR)'
	install -m 0755 bin/keyhole '$(DESTDIR)$(BINDIR)/keyhole'
	scripts/install-extras bin/keyhole '$(DESTDIR)' '$(BINDIR)' '$(DATADIR)' '$(APPARMORDIR)'

uninstall:
	rm -f '$(DESTDIR)$(BINDIR)/keyhole' '$(DESTDIR)$(APPARMORDIR)/keyhole' \
	  '$(DESTDIR)$(DATADIR)'/man/man1/keyhole.1 '$(DESTDIR)$(DATADIR)'/man/man1/keyhole-*.1 \
	  '$(DESTDIR)$(DATADIR)/bash-completion/completions/keyhole' \
	  '$(DESTDIR)$(DATADIR)/zsh/site-functions/_keyhole' \
	  '$(DESTDIR)$(DATADIR)/fish/vendor_completions.d/keyhole.fish'

release:
	VERSION='$(VERSION)' scripts/release dist

fmt:
	git ls-files '*.go' | xargs gofmt -l -w

lint:
	scripts/lint

clean:
	rm -rf bin dist
