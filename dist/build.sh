#!/bin/sh
# Packs the agent for handing out, into target/dist or the folder given with --out:
#
#   medusa-agent-VERSION-TARGET.tar.gz     the program, how each system starts it, licences
#   medusa-agent_VERSION_ARCH.deb          the same for Debian and Ubuntu, where dpkg-deb is
#   medusa-agent-VERSION-TARGET            the program alone, which self-updates download
#   SHA256SUMS
#
#   dist/build.sh                          builds the release first
#   dist/build.sh --binary PATH            packs this program instead
#   dist/build.sh --out DIR                writes there
#
# The same program gives the same bytes: times are those of the last commit (SOURCE_DATE_EPOCH),
# owners are root, names are sorted. MEDUSA_UPDATE_KEY and MEDUSA_UPDATE_FROM are built into the
# release; without a key it takes no updates (docs/operations.md). DIST_LEVEL is how hard it packs,
# from 0 to 9.
set -eu
cd "$(dirname "$0")/.."

say() { printf 'dist: %s\n' "$*" >&2; }
die() { say "$*"; exit 1; }

binary= out=
while [ $# -gt 0 ]; do
	case $1 in
		--binary) binary=${2:?--binary needs a path}; shift 2 ;;
		--out) out=${2:?--out needs a folder}; shift 2 ;;
		*) die "unknown: $1 (see the head of this file)" ;;
	esac
done

tar --version 2>/dev/null | grep -q GNU || die "GNU tar is needed for archives that can be made again"
version=$(sed -n '/^\[workspace.package\]/,/^\[/s/^version = "\(.*\)"/\1/p' Cargo.toml)
[ -n "$version" ] || die "no version in Cargo.toml"
system=$(uname -s | tr '[:upper:]' '[:lower:]' | sed 's/darwin/macos/')
target=$(uname -m | sed 's/arm64/aarch64/')-$system
name=medusa-agent-$version-$target
level=${DIST_LEVEL:-9}
: "${SOURCE_DATE_EPOCH:=$(git log -1 --format=%ct 2>/dev/null || echo 1600000000)}"
export SOURCE_DATE_EPOCH LC_ALL=C TZ=UTC
umask 022

if [ -z "$binary" ]; then
	say "building the release"
	cargo build --release --locked -p medusa-agent
	binary=${CARGO_TARGET_DIR:-target}/release/medusa-agent
fi
out=${out:-${CARGO_TARGET_DIR:-target}/dist}
mkdir -p "$out"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

strip -o "$work/medusa-agent" "$binary"
chmod 755 "$work/medusa-agent"
found=$("$work/medusa-agent" --version)
[ "$found" = "medusa-agent $version" ] || die "$binary says $found, Cargo.toml $version"

# Everything in a folder gets the same time, and its files the same rights.
settle() {
	find "$1" -type d -exec chmod 755 {} +
	find "$1" -type f ! -name medusa-agent -exec chmod 644 {} +
	find "$1" -exec touch -h -d "@$SOURCE_DATE_EPOCH" {} +
}

# --- the program alone, and the archive ------------------------------------------------------

cp "$work/medusa-agent" "$out/$name"

tree=$work/tar/$name
mkdir -p "$tree/dist/macos" "$tree/dist/windows"
cp "$work/medusa-agent" "$tree/"
cp dist/medusa-agent.service "$tree/dist/"
cp dist/macos/org.medusa.agent.plist "$tree/dist/macos/"
cp dist/windows/medusa-agent.xml "$tree/dist/windows/"
cp LICENSE-MIT LICENSE-APACHE "$tree/"
cp dist/README.md docs/agent.md "$tree/"
settle "$tree"
tar --create --sort=name --format=gnu --owner=0 --group=0 --numeric-owner \
	--mtime="@$SOURCE_DATE_EPOCH" -C "$work/tar" "$name" | gzip -n "-$((level > 0 ? level : 1))" > "$out/$name.tar.gz"
files="$name $name.tar.gz"

# --- the package for Debian ------------------------------------------------------------------

if command -v dpkg-deb >/dev/null; then
	arch=$(dpkg --print-architecture)
	deb=$work/deb
	doc=$deb/usr/share/doc/medusa-agent
	mkdir -p "$deb/DEBIAN" "$deb/usr/bin" "$deb/usr/lib/systemd/user" "$doc"
	cp "$work/medusa-agent" "$deb/usr/bin/"
	cp dist/medusa-agent.service "$deb/usr/lib/systemd/user/"
	cp dist/README.md docs/agent.md "$doc/"
	cat LICENSE-MIT LICENSE-APACHE > "$doc/copyright"
	# The newest version of the C library that the program asks for.
	libc=$(objdump -T "$work/medusa-agent" 2>/dev/null | grep -o 'GLIBC_[0-9.]*' | sort -Vu |
		tail -n 1 | sed 's/GLIBC_/ (>= /; s/$/)/')
	size=$(du -ks "$deb/usr" | cut -f1)
	cat > "$deb/DEBIAN/control" <<-END
	Package: medusa-agent
	Version: $version
	Architecture: $arch
	Maintainer: Medusa <no-reply@medusa.example>
	Installed-Size: $size
	Depends: libc6${libc:+$libc}, libgcc-s1
	Recommends: ca-certificates
	Section: misc
	Priority: optional
	Homepage: https://medusa.example
	Description: lends spare computing through a Medusa server
	 Runs programs of others in a sandbox without network, files or clock, keeps to
	 the limits that its owner sets, and is paid for every chunk that is verified.
	 Nothing starts by itself: each user turns it on with "medusa-agent install".
	END
	(cd "$deb" && find usr -type f | sort | xargs md5sum > DEBIAN/md5sums)
	settle "$deb"
	if [ "$level" = 0 ]; then pack=-Znone; else pack=-Zxz; fi
	dpkg-deb --root-owner-group "-z$level" "$pack" --build "$deb" \
		"$out/medusa-agent_${version}_$arch.deb" >/dev/null
	files="$files medusa-agent_${version}_$arch.deb"
else
	say "no dpkg-deb here: no .deb"
fi

# shellcheck disable=SC2086 -- names without spaces
(cd "$out" && sha256sum $files > SHA256SUMS && cat SHA256SUMS)
