# What Millrace is built and tested with, as Debian packages.

# suite  package  lowest version (as Debian writes it)
package_table='
trixie        g++-14                      14.2
trixie        cmake                       3.25
trixie        ninja-build                 1.11
trixie        ccache                      4.7
trixie        pkgconf                     1.8
trixie        librdkafka-dev              2.8
trixie        libpqxx-dev                 7.10
trixie        libpq-dev                   17
trixie        libhiredis-dev              1.2
trixie        libtomlplusplus-dev         3.4
trixie        libcatch2-dev               3.7
trixie        libcli11-dev                2.4
trixie        libspdlog-dev               1:1.15
trixie        libcpp-httplib-dev          0.18
trixie        libsimdjson-dev             3.12
trixie        libxxhash-dev               0.8.1
trixie        libssl-dev                  3.0
trixie        liblzma-dev                 5.4
trixie        libzstd-dev                 1.5
trixie        postgresql-17               17
trixie        postgresql-17-timescaledb   2.19
trixie        redis-server                5:7.0
trixie        clang-format                1:19
trixie        clang-tidy                  1:19
trixie        xz-utils                    5.4
trixie        nftables                    1.0
trixie        libfaketime                 0.9
trixie        python3                     3.11
experimental  libcaf-dev                  0.18.7
'

# Names of CAF's releases after this one must not satisfy the table.
caf_below=0.19

declare -A found_version=()

read_installed() {
  local package version status
  found_version=()
  while read -r status version package; do
    [[ $status == installed ]] && found_version[$package]=$version
  done < <(dpkg-query -W \
    -f '${db:Status-Status} ${Version} ${Package}\n' 2>/dev/null)
}

# good_version PACKAGE WANTED
good_version() {
  local found=${found_version[$1]:-}
  [[ -n $found ]] && dpkg --compare-versions "$found" ge "$2" || return 1
  [[ $1 != libcaf-dev ]] || dpkg --compare-versions "$found" lt "$caf_below"
}

# missing_packages SUITE: those of the table that are not there, or too old.
missing_packages() {
  local suite package wanted
  while read -r suite package wanted; do
    if [[ $suite == "$1" ]] && ! good_version "$package" "$wanted"; then
      printf '%s\n' "$package"
    fi
  done <<<"$package_table"
}

# Prints which package was found, which is wanted, and how to mend it. Fails
# when something is missing.
version_report() {
  local suite package wanted found mend code=0
  printf '  %-28s %-24s %-8s %s\n' package found wanted mend
  while read -r suite package wanted; do
    [[ -n $suite ]] || continue
    found=${found_version[$package]:-none}
    mend=
    if ! good_version "$package" "$wanted"; then
      mend="apt-get install -t $suite $package"
      code=1
    fi
    printf '  %-28s %-24s %-8s %s\n' "$package" "$found" "$wanted" "$mend"
  done <<<"$package_table"
  return "$code"
}

# The release of the Java that `java` starts, or 0.
java_release() {
  local text
  text=$(java -version 2>&1 | head -n 1) || true
  [[ $text =~ \"([0-9]+) ]] && printf '%s' "${BASH_REMATCH[1]}" || printf 0
}
