#!/bin/bash
# Builds a qemu-aarch64 with plugin support, and the counting plugin, into .cache/arm/qemu (about 2.5 minutes
# on two cores, once): Debian's own binaries have no -plugin. Sources: Debian's qemu of its release "trixie".
# Needs root, a Debian archive and the Python package index; changes no system settings.
# usage: tools/arm/qemu-plugin.sh
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
target=$(cd "$here/../.." && pwd)/.cache/arm/qemu
work=$target/work
qemu=$target/qemu-aarch64
plugin=$target/instructions.so
if [ -x "$qemu" ] && [ "$plugin" -nt "$here/instructions.c" ]; then exit 0; fi
[ "$(id -u)" = 0 ] || { echo "qemu-plugin.sh: needs root for apt-get" >&2; exit 3; }

DEBIAN_FRONTEND=noninteractive apt-get install -qy --no-install-recommends \
  gcc libc6-dev libglib2.0-dev ninja-build pkg-config python3-venv flex bison xz-utils >/dev/null

build_qemu() { # in a subshell: it changes folder and environment
  rm -rf "$work"
  mkdir -p "$work"/lists/partial "$work"/archives/partial "$work"/source/build
  cd "$work"

  # A package list of its own, from the archive that this machine already uses.
  archive=$(apt-get indextargets --format '$(REPO_URI)' | grep -E '/debian/?$' | head -1)
  echo "deb-src [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $archive trixie main" >sources.list
  cat >apt.conf <<CONF
Dir::Etc::sourcelist "$work/sources.list";
Dir::Etc::sourceparts "/dev/null";
Dir::State::lists "$work/lists";
Dir::Cache "$work";
APT::Sandbox::User "root";
CONF
  APT_CONFIG=$work/apt.conf apt-get update -q >/dev/null
  APT_CONFIG=$work/apt.conf apt-get source -q --download-only qemu >/dev/null
  tar xf qemu_*.orig.tar.xz --strip-components=1 -C source

  python3 -m venv venv
  venv/bin/pip -q install 'meson==1.8.2' pycotap distlib tomli # not in Debian's source archive
  export PATH=$work/venv/bin:$PATH
  cd source/build
  ../configure --python="$work/venv/bin/python3" --target-list=aarch64-linux-user --enable-plugins \
    --disable-system --disable-tools --disable-docs --disable-install-blobs --disable-werror --disable-capstone >/dev/null
  nice ninja qemu-aarch64 >/dev/null

  rm -rf "$target/include"
  cp -r ../include "$target/include"
  strip -o "$qemu" qemu-aarch64
  rm -rf "$work"
}
if [ ! -x "$qemu" ]; then (build_qemu); fi

# shellcheck disable=SC2046 # pkg-config prints several words
gcc -O2 -Wall -shared -fPIC -I "$target/include/qemu" -I "$target/include" \
  $(pkg-config --cflags glib-2.0) "$here/instructions.c" -o "$plugin"
