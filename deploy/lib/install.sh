# Installs packages without starting a service or creating a database cluster
# on the user's machine.

new_cluster_file=/etc/postgresql-common/createcluster.d/millrace.conf
policy_file=/usr/sbin/policy-rc.d
temporary_files=()

remove_temporary_files() {
  local file
  for file in "${temporary_files[@]}"; do
    as_root rm -f "$file"
  done
  temporary_files=()
}

hold_services() {
  trap remove_temporary_files EXIT
  if [[ ! -e $policy_file ]]; then
    temporary_files+=("$policy_file")
    printf '#!/bin/sh\nexit 101\n' | as_root tee "$policy_file" >/dev/null
    as_root chmod 0755 "$policy_file"
  fi
  if [[ ! -e $new_cluster_file ]]; then
    temporary_files+=("$new_cluster_file")
    as_root mkdir -p "${new_cluster_file%/*}"
    as_root tee "$new_cluster_file" <<<'create_main_cluster = false' >/dev/null
  fi
}

progress_apt() {
  local total done_
  total=$(sed -n 's/^\([0-9]*\) upgraded, \([0-9]*\) newly.*/\1 \2/p' "$1" |
    awk '{print $1 + $2}')
  done_=$(grep -c '^Setting up ' "$1" || true)
  if [[ -z $total ]]; then
    printf 'reading'
  elif ((done_ == 0)); then
    printf 'fetching %s packages' "$total"
  else
    printf '%s of %s packages' "$done_" "$total"
  fi
}

apt_get() {
  as_root env DEBIAN_FRONTEND=noninteractive NEEDRESTART_MODE=l \
    UCF_FORCE_CONFFOLD=1 apt-get -q -y -o Dpkg::Use-Pty=0 \
    -o DPkg::Lock::Timeout=300 -o Dpkg::Options::=--force-confdef \
    -o Dpkg::Options::=--force-confold "$@"
}

# apt_knows SUITE
apt_knows() {
  apt-cache policy | grep -E "o=Debian,.*(a|n)=$1,.*c=main" >/dev/null
}

# apt reports a list that could not be read as a warning when it has an older
# one, so what counts is whether the packages can be found afterwards.
read_lists() {
  local suite
  step "apt-get update" progress_none apt_get update || true
  for suite in "$base_suite" $(added_suites); do
    apt_knows "$suite" ||
      die "the suite '$suite' could not be read from $mirror, where this \
machine has its packages from. See the messages above: the mirror has to carry \
the suite; if its lists are expired, the clock is wrong or the mirror stale \
(apt's Acquire::Check-Valid-Until tells it to take them nevertheless)"
  done
}

# install_from SUITE PACKAGE…
install_from() {
  local suite=$1
  shift
  (($#)) || return 0
  step "installing from $suite" progress_apt \
    apt_get install --no-install-recommends -t "$suite" "$@" ||
    die "apt could not install: $*"
}

# A package that is new here must not start with the next boot, either. Under
# systemd this disables the unit, too.
disable_new_service() {
  as_root update-rc.d "$1" disable >/dev/null 2>&1 || true
}
