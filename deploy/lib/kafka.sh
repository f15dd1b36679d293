# Fetches the jars of Apache Kafka that deploy/kafka/pom.xml pins.

kafka_pom=$millrace_root/deploy/kafka/pom.xml
kafka_version=$(sed -n '/<artifactId>kafka_/{n;s/.*<version>\(.*\)<.*/\1/p}' \
  "$kafka_pom")
kafka_home=$(cache_directory)/kafka-$kafka_version
kafka_unavailable=$(cache_directory)/kafka-unavailable

kafka_complete() {
  local sum
  [[ -f $kafka_home/complete ]] || return 1
  sum=$(sha256sum <"$kafka_pom")
  [[ $(<"$kafka_home/complete") == "$sum" ]]
}

# A failure is not repeated in every run.
kafka_given_up() {
  [[ -n $(find "$kafka_unavailable" -mmin -1440 2>/dev/null) ]]
}

copy_kafka() {
  timeout 240 mvn -q -B -f "$kafka_pom" dependency:copy-dependencies \
    -DincludeScope=runtime -DoutputDirectory="$1"
}

# Never fails: what needs real Kafka does without.
fetch_kafka() {
  local new reason
  mkdir -p "$(cache_directory)"
  new=$(mktemp -d "$(cache_directory)/kafka.XXXXXX")
  chmod 755 "$new"
  reason="Apache Kafka could not be fetched from Maven Central"
  if step_quiet=yes step "fetching Apache Kafka $kafka_version" progress_none \
    copy_kafka "$new/libs"; then
    sha256sum <"$kafka_pom" >"$new/complete"
    rm -rf "$kafka_home" "$kafka_unavailable"
    mv "$new" "$kafka_home"
  else
    rm -rf "$new"
    printf '%s\n' "$reason" >"$kafka_unavailable"
    say "$reason: the embedded broker takes its place, and tests that need" \
      "real Kafka are skipped (deploy/setup --retry-kafka tries again)."
  fi
}
