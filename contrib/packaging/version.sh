#!/bin/sh
# Prints the version of a package of the last commit. The newest release in CHANGELOG.md decides:
# - The topmost heading is "## [1.0.0] - 2026-11-30": this commit is the release, 1.0.0.
# - The topmost heading is "## [Unreleased]": 1.0.0+git, the time of the commit, its hash. For dpkg
#   and rpm this is newer than 1.0.0 and than earlier commits, and older than 1.0.1.
# Usage: version.sh REPOSITORY
set -eu
changes=$(git -C "$1" show HEAD:CHANGELOG.md)
release=$(printf '%s\n' "$changes" | sed -n 's/^## \[\([0-9.]*\)\] - [0-9-]*$/\1/p' | head -n 1)
if [ -z "$release" ]; then
	echo "version: CHANGELOG.md has no heading such as '## [1.0.0] - 2026-11-30', so the package has no version" >&2
	exit 1
fi
if [ "$(printf '%s\n' "$changes" | sed -n '/^## /{p;q;}')" = "## [Unreleased]" ]; then
	release=$release+git$(TZ=UTC git -C "$1" log -1 --date=format-local:%Y%m%d%H%M%S --format=%cd.%h --abbrev=7)
fi
echo "$release"
