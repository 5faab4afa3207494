#!/bin/sh
# Builds the packages of the last commit, without uncommitted changes. The same commit and
# the same Go give the same bytes, on any machine at any time. Needs GNU tar, find and sed.
# Usage: dist.sh FOLDER, with PLATFORMS, NFPM and CYCLONEDX from the Makefile.
set -eu
umask 022
LC_ALL=C TZ=UTC
export LC_ALL TZ
GO=${GO:-go}

mkdir -p "$1"
out=$(cd "$1" && pwd)
here=$(dirname "$0")/../..
if [ -n "$(git -C "$here" status --porcelain)" ]; then
	echo "dist: what is not committed is not packaged" >&2
fi
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM
src=$work/src
git clone -q --no-hardlinks "$here" "$src"

SOURCE_DATE_EPOCH=$(git -C "$src" log -1 --format=%ct)
MAINTAINER=${MAINTAINER:-$(git -C "$src" log -1 --format='%an <%ae>')}
VERSION=$("$src/contrib/packaging/version.sh" "$src")
case $VERSION in
*+git*) ;;
*) git -C "$src" -c tag.gpgSign=false tag -f "v$VERSION" >&2 ;; # the SBOM takes the version from there
esac
export SOURCE_DATE_EPOCH MAINTAINER VERSION

# Files of all packages.
make -s -C "$src" man
cp "$src/LICENSE" "$src/contrib/packaging/copyright" "$work"
cp "$(cd "$src" && "$GO" list -m -f '{{.Dir}}' github.com/google/renameio/v2)/LICENSE" "$work/Apache-2.0"
chmod 644 "$work/Apache-2.0" # the module cache is read-only

for platform in $PLATFORMS; do
	os=${platform%/*} arch=${platform#*/}
	name=frontsockets-$VERSION-$os-$arch
	echo "$name"
	GOOS=$os GOARCH=$arch make -s -C "$src" build PACKAGE_VERSION="$VERSION"
	mkdir "$work/$name"
	mv "$src"/bin/* "$work/$name"
	cp -R "$src/dist/man" "$src/dist/completion" "$src/contrib" "$src/docs" "$src"/*.md "$work/LICENSE" "$work/Apache-2.0" "$work/copyright" "$work/$name"
	rm -r "$work/$name/contrib/packaging"
	chmod -R u=rwX,go=rX "$work/$name"
	tar -C "$work" -c --format=ustar --sort=name --owner=0 --group=0 --numeric-owner --mtime="@$SOURCE_DATE_EPOCH" "$name" |
		gzip -n -9 >"$out/$name.tar.gz"

	case $platform in linux/amd64 | linux/arm64) ;; *) continue ;; esac
	stage=$work/stage-$arch
	mkdir -p "$stage/bin" "$stage/doc"
	cp "$work/$name"/check_* "$work/$name"/front_* "$stage/bin"
	cp -R "$work/$name/man" "$work/$name/completion" "$stage"
	cp -R "$work/$name/contrib" "$work/$name/docs" "$work/$name"/README*.md "$work/$name/CONTRIBUTING.md" \
		"$work/copyright" "$stage/doc"
	gzip -n -9 "$stage"/man/*
	gzip -n -9 <"$src/CHANGELOG.md" >"$stage/doc/changelog.gz"
	gzip -n -9 >"$stage/changelog.Debian.gz" <<-END
		frontsockets ($VERSION-1) unstable; urgency=medium

		  * Packaged. What has changed is in changelog.gz.

		 -- $MAINTAINER  $(date -R -d "@$SOURCE_DATE_EPOCH")
	END
	cp "$src/contrib/packaging/lintian-overrides" "$work/LICENSE" "$work/Apache-2.0" "$stage"
	cat >"$stage/changes.yaml" <<-END
		- semver: "$VERSION-1"
		  date: "$(date +%Y-%m-%dT%H:%M:%SZ -d "@$SOURCE_DATE_EPOCH")"
		  packager: "$MAINTAINER"
		  changes:
		    - note: "Packaged. What has changed is in /usr/share/doc/frontsockets/changelog.gz."
	END
	# The examples in the rpm have the folder of its distributions, so that they work as they are.
	cp -R "$stage/doc" "$stage/rpm-doc"
	find "$stage/rpm-doc/contrib" -type f -exec sed -i 's|/usr/lib/nagios/plugins|/usr/lib64/nagios/plugins|g' {} +
	cp "$src/contrib/packaging/nfpm.yaml" "$stage/deb.yaml"
	{
		echo 'changelog: changes.yaml'
		cat "$stage/deb.yaml"
		cd "$stage"
		{
			find rpm-doc -type d -printf '  - {dst: "/usr/share/doc/frontsockets/%P", type: dir, packager: rpm}\n'
			find rpm-doc -type f -printf '  - {src: "%p", dst: "/usr/share/doc/frontsockets/%P", type: doc, packager: rpm}\n'
			find man -type f -printf '  - {src: "%p", dst: "/usr/share/man/man1/%P", type: doc, packager: rpm}\n'
		} | sort
		cd "$work"
	} >"$stage/rpm.yaml"
	for packager in deb rpm; do
		(cd "$stage" && ARCH=$arch "$GO" run "$NFPM" package -f $packager.yaml -p $packager -t "$out/")
	done
done

# The modules of the programs, for all platforms, with the licences that copyright gives them.
"$GO" run -trimpath "$CYCLONEDX" mod -json -std -noserial -notimestamp -type application \
	-output "$work/sbom.json" "$src"
(cd "$src" && "$GO" run ./internal/tools/licences contrib/packaging/copyright) \
	<"$work/sbom.json" >"$out/frontsockets-$VERSION.cdx.json"

cd "$out"
sha256sum -- *"$VERSION"* >SHA256SUMS
