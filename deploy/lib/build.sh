# Configures and builds, quietly. To be sourced after common.sh.

# A compiler under way takes up to 2 GiB.
sensible_jobs() {
  local cores gib
  cores=$(nproc)
  gib=$(awk '/^MemAvailable:/ {print int($2 / 1048576 / 2)}' /proc/meminfo)
  printf '%s' "$((gib < 1 ? 1 : gib < cores ? gib : cores))"
}

progress_ninja() {
  local last
  last=$(tail -c 4000 "$1" | grep -o '^\[[0-9]*/[0-9]*\]' | tail -n 1)
  printf '%s' "${last:-starting}"
}

# build_preset PRESET JOBS TARGET [CMAKE OPTION…]: into build/PRESET.
build_preset() {
  local preset=$1 jobs=$2 target=$3 options=(-DMILLRACE_PRECOMPILE=ON -DMILLRACE_UNITY=ON)
  shift 3
  if command -v ccache >/dev/null; then
    options+=(-DCMAKE_CXX_COMPILER_LAUNCHER=ccache)
    # It takes the list of headers from the compiler, which does without a run
    # of the preprocessor, and knows precompiled headers by their content and
    # sources by their place in the tree, wherever that stands.
    export CCACHE_DEPEND=1 CCACHE_SLOPPINESS=pch_defines,time_macros
    export CCACHE_NOHASHDIR=1 CCACHE_BASEDIR=$millrace_root
  fi
  cd "$millrace_root"
  step "configuring $preset" progress_none \
    cmake --preset "$preset" "${options[@]}" "$@"
  step "building $preset" progress_ninja \
    cmake --build "build/$preset" --parallel "$jobs" --target "$target"
}

# Why there is no real Kafka here; empty when there is.
why_no_kafka() {
  python3 -B -c '
import sys
sys.path.insert(0, sys.argv[1])
import millrace_kinds
print(millrace_kinds.why_no_kafka() or "")' "$millrace_root/deploy/lib"
}
