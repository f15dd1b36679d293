#!/usr/bin/env bash
# The set-up takes mirror and key from the machine's own sources, in both
# notations, and adds only the suites that are not there.
set -euo pipefail
top=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
MILLRACE_APT_DIRECTORY=$(mktemp -d)
trap 'rm -rf "$MILLRACE_APT_DIRECTORY"' EXIT
# shellcheck source=/dev/null
source "$top/deploy/lib/common.sh"
# shellcheck source=/dev/null
source "$top/deploy/lib/suites.sh"
mkdir -p "$apt_directory"/{sources.list.d,preferences.d}

expect() {
  local name=$1 wanted=$2 found
  found=$(find_base && suites_text | tail -n +2)
  if [[ $found != "$wanted" ]]; then
    printf 'failed: %s\n--- wanted\n%s\n--- found\n%s\n' \
      "$name" "$wanted" "$found"
    exit 1
  fi
  rm -f "$apt_directory"/sources.list{,.d/*}
}

cat >"$apt_directory/sources.list" <<'TEXT'
# deb http://commented.example/debian trixie main
deb [arch=amd64 signed-by=/k.gpg] http://mirror.example/debian bookworm main
deb http://mirror.example/debian-security bookworm-security main
deb-src http://other.example/debian trixie main
TEXT
expect "one line, with options" "Types: deb
URIs: http://mirror.example/debian
Suites: trixie experimental
Components: main
Signed-By: /k.gpg"

printf 'deb cdrom:[x]/ bookworm main\ndeb http://m.example/debian trixie main\n' \
  >"$apt_directory/sources.list"
expect "trixie itself is there, a CD is passed over" "Types: deb
URIs: http://m.example/debian
Suites: experimental
Components: main"

cat >"$apt_directory/sources.list.d/debian.sources" <<'TEXT'
# A remark.
Types: deb deb-src
URIs: http://m.example/debian
# Another one.
Suites: bookworm bookworm-updates
Components: main
Signed-By:
 -----BEGIN PGP PUBLIC KEY BLOCK-----
 .
 abc
 -----END PGP PUBLIC KEY BLOCK-----

Types: deb
URIs: http://s.example/debian-security
Suites: bookworm-security
Components: main
Signed-By: /other.gpg
TEXT
cat >"$apt_directory/sources.list.d/disabled.sources" <<'TEXT'
Enabled: no
Types: deb
URIs: http://no.example/debian
Suites: trixie
Components: main
TEXT
expect "fields over several lines, an embedded key" "Types: deb
URIs: http://m.example/debian
Suites: trixie experimental
Components: main
Signed-By:
 -----BEGIN PGP PUBLIC KEY BLOCK-----
 .
 abc
 -----END PGP PUBLIC KEY BLOCK-----"

printf 'deb http://m.example/ubuntu noble main\n' >"$apt_directory/sources.list"
if (find_base) 2>/dev/null; then
  echo "failed: a machine that is neither Debian 12 nor 13 is refused"
  exit 1
fi
