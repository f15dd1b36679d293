# Functions that the scripts in deploy/ and tests/ share. To be sourced by
# bash with `set -euo pipefail`.

millrace_root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)

say() {
  printf '%s\n' "$*"
}

# die MESSAGE [EXIT CODE]
die() {
  printf '%s: %s\n' "${0##*/}" "$1" >&2
  exit "${2:-1}"
}

# as_root COMMAND…: directly, or through sudo.
as_root() {
  if ((EUID == 0)); then
    "$@"
  else
    sudo "$@"
  fi
}

# Asks for the password now: later commands run in the background.
require_root() {
  ((EUID != 0)) || return 0
  command -v sudo >/dev/null ||
    die "packages have to be installed: run this as root, or install sudo"
  sudo -v || die "packages have to be installed, and sudo refused"
}

# step TEXT PROGRESS COMMAND…: runs a command with its output in a log, and
# says how it goes: every second on a terminal, else every 15 s. PROGRESS is a
# function that turns the log into a few words. When the command fails, shows
# the end of the log (unless step_quiet is set) and returns its exit code.
step() {
  local text=$1 progress=$2 log began=$SECONDS pid code=0 every=15 shown=0
  local stopped=
  shift 2
  log=$(mktemp)
  [[ -t 1 ]] && every=1
  set -m # a process group of its own, so that Ctrl-C can end all of it
  "$@" >"$log" 2>&1 </dev/null &
  pid=$!
  set +m
  trap 'stopped=yes; kill -- "-$pid" 2>/dev/null || true' INT TERM
  while kill -0 "$pid" 2>/dev/null; do
    sleep 0.2
    if ((SECONDS - began - shown >= every)); then
      shown=$((SECONDS - began))
      if [[ -t 1 ]]; then
        printf '\r\033[K  %s: %s (%s s)' "$text" "$($progress "$log")" "$shown"
      else
        say "  $text: $($progress "$log") ($shown s)"
      fi
    fi
  done
  wait "$pid" || code=$?
  trap - INT TERM
  [[ -t 1 ]] && printf '\r\033[K'
  if [[ -n $stopped ]]; then
    rm -f "$log"
    die "stopped while $text" 130
  elif ((code == 0)); then
    say "  $text: done ($((SECONDS - began)) s)"
  elif [[ -n ${step_quiet:-} ]]; then
    say "  $text: failed ($((SECONDS - began)) s)"
  else
    say "  $text: failed ($((SECONDS - began)) s); the end of its output:"
    tail -n 25 "$log" | sed 's/^/    /'
  fi
  rm -f "$log"
  return "$code"
}

progress_none() {
  printf 'working'
}

# Where downloads are kept: outside the source tree.
cache_directory() {
  local home=${HOME:-$(getent passwd "$EUID" | cut -d: -f6)}
  printf '%s' "${MILLRACE_CACHE:-${XDG_CACHE_HOME:-$home/.cache}/millrace}"
}
