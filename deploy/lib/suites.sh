# Adds the Debian suites that have our packages. Address and key come from the
# machine's own list of sources; only the name of the suite is ours.

apt_directory=${MILLRACE_APT_DIRECTORY:-/etc/apt} # another one in tests
suites_file=$apt_directory/sources.list.d/millrace.sources
pins_file=$apt_directory/preferences.d/millrace

# Every source of binary packages of this machine except our own, one a line:
# address, tab, suite, tab, further fields joined by a vertical tab.
machine_sources() {
  local file
  for file in "$apt_directory"/sources.list.d/*.sources; do
    [[ -f $file && $file != "$suites_file" ]] || continue
    # A field can go on in lines that begin with a space (a key, often).
    awk '
      function flush_entry(   i, j, n, m, us, ss) {
        if (types ~ /(^|[ \t])deb([ \t]|$)/ && tolower(enabled) != "no") {
          n = split(uris, us, /[ \t]+/); m = split(suites, ss, /[ \t]+/)
          for (i = 1; i <= n; i++) for (j = 1; j <= m; j++)
            if (us[i] != "" && ss[j] != "")
              printf "%s\t%s\t%s\n", us[i], ss[j], extra
        }
        types = uris = suites = extra = enabled = field = ""
      }
      /^[ \t]*$/ { flush_entry(); next }
      /^#/ { next }
      /^[ \t]/ {
        if (field == "uris") uris = uris " " $0
        else if (field == "suites") suites = suites " " $0
        else if (field == "types") types = types " " $0
        else if (kept) extra = extra "\v" $0
        next
      }
      {
        field = tolower($0); sub(/:.*/, "", field)
        value = $0; sub(/^[^:]*:[ \t]*/, "", value); kept = 0
        if (field == "types") types = value
        else if (field == "uris") uris = value
        else if (field == "suites") suites = value
        else if (field == "enabled") enabled = value
        else if (field ~ /^(signed-by|trusted|check-valid-until)$/) {
          kept = 1; extra = extra (extra == "" ? "" : "\v") $0
        }
      }
      END { flush_entry() }' "$file"
  done
  for file in "$apt_directory"/sources.list "$apt_directory"/sources.list.d/*.list; do
    [[ -f $file ]] || continue
    awk '
      { sub(/#.*/, "") }
      $1 == "deb" {
        extra = ""; line = $0; sub(/^[ \t]*deb[ \t]+/, "", line)
        if (line ~ /^\[/) {
          options = line; sub(/^\[[ \t]*/, "", options)
          sub(/[ \t]*\].*/, "", options); sub(/^\[[^]]*\][ \t]*/, "", line)
          n = split(options, pairs, /[ \t]+/)
          for (i = 1; i <= n; i++) {
            split(pairs[i], pair, "=")
            name = tolower(pair[1])
            if (name == "signed-by") label = "Signed-By"
            else if (name == "trusted") label = "Trusted"
            else if (name == "check-valid-until") label = "Check-Valid-Until"
            else continue
            extra = extra (extra == "" ? "" : "\v") label ": " pair[2]
          }
        }
        split(line, words, /[ \t]+/)
        printf "%s\t%s\t%s\n", words[1], words[2], extra
      }' "$file"
  done
}

# The name behind an alias such as `stable`, as apt knows it.
suite_name() {
  case $1 in
  stable | oldstable | testing | unstable | experimental)
    apt-cache policy 2>/dev/null |
      sed -n "s/.*o=Debian,a=$1,n=\([a-z-]*\),.*/\1/p" | sort -u
    ;;
  *) printf '%s\n' "$1" ;;
  esac
}

# Sets base_suite (bookworm or trixie), mirror and mirror_fields.
find_base() {
  local address suite fields
  base_suite='' mirror='' mirror_fields='' have_experimental=''
  while IFS=$'\t' read -r address suite fields; do
    [[ $address == cdrom:* ]] && continue
    suite=$(suite_name "$suite")
    case $suite in
    bookworm | trixie)
      # A machine in the middle of an upgrade counts as the newer one.
      if [[ -z $base_suite || ($base_suite == bookworm && $suite == trixie) ]]
      then
        base_suite=$suite mirror=$address mirror_fields=$fields
      fi
      ;;
    experimental | rc-buggy) have_experimental=yes ;;
    esac
  done < <(machine_sources)
  [[ -n $base_suite ]] ||
    die "found neither bookworm nor trixie in apt's list of sources: set-up \
knows Debian 12 and 13. Elsewhere install the packages that \
\`deploy/setup --no-install\` lists by hand"
}

# Which suites have to be added to this machine's own.
added_suites() {
  local added=()
  [[ $base_suite == trixie ]] || added+=(trixie)
  [[ -n $have_experimental ]] || added+=(experimental)
  printf '%s' "${added[*]}"
}

suites_text() {
  say "# Written by Millrace's deploy/setup; pinned low by $pins_file."
  say "Types: deb"
  say "URIs: $mirror"
  say "Suites: $(added_suites)"
  say "Components: main"
  [[ -z $mirror_fields ]] || tr '\v' '\n' <<<"$mirror_fields"
}

# Only what we add is pinned: a machine's own suites keep their rank.
pins_text() {
  say "Explanation: Written by Millrace's deploy/setup."
  if [[ $base_suite != trixie ]]; then
    printf 'Package: *\nPin: release n=trixie\nPin-Priority: 100\n\n'
  fi
  if [[ -z $have_experimental ]]; then
    printf 'Package: *\nPin: release a=experimental\nPin-Priority: 50\n'
  fi
}

# write_as_root FILE TEXT: fails with 1 when it was like this already.
write_as_root() {
  [[ ! -f $1 || $(<"$1") != "$2" ]] || return 1
  as_root tee "$1" <<<"$2" >/dev/null
  as_root chmod 0644 "$1"
}

# Returns 0 when apt has to read its lists (again).
add_suites() {
  local changed=1
  if [[ -n $(added_suites) ]]; then
    write_as_root "$pins_file" "$(pins_text)" && changed=0
    write_as_root "$suites_file" "$(suites_text)" && changed=0
  fi
  return "$changed"
}
