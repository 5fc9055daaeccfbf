#!/usr/bin/env bash
# SHA-256 of every file in a folder, one at a time; asks before it publishes the list.
set -euo pipefail
run=${LONGWATCH_RUN_DIR:?start it with longwatch}
folder=${1:-docs}

put() { # put FILE: standard input becomes FILE, as a whole or not at all
  cat > "$1.tmp-$$-1"
  sync "$1.tmp-$$-1"
  mv -f "$1.tmp-$$-1" "$1"
}

progress() { # progress STATUS STAGE INDEX COMPLETED
  jq -n --arg status "$1" --arg stage "$2" --argjson index "$3" --argjson completed "$4" \
    --argjson total "${#files[@]}" \
    '{status: $status, stage: {name: $stage, index: $index, total: 2},
      step: {completed: $completed, total: $total, unit: "files"}}' | put "$run/progress.json"
}

sums='{}' # the state: file → checksum. Only the supervisor says what to resume from.
if [ -n "${LONGWATCH_RESUME_FROM:-}" ]; then sums=$(cat "$LONGWATCH_RESUME_FROM"); fi

files=("$folder"/*)
completed=0
for file in "${files[@]}"; do
  progress running hash 1 "$completed"
  if ! jq -e --arg file "$file" 'has($file)' <<< "$sums" > /dev/null; then
    sum=$(sha256sum < "$file")
    sums=$(jq -c --arg file "$file" --arg sum "${sum%% *}" '.[$file] = $sum' <<< "$sums")
    put "$run/checkpoint.json" <<< "$sums"
  fi
  completed=$((completed + 1))
done

text=$(jq -r 'to_entries | sort_by(.key)[] | "\(.value)  \(.key)"' <<< "$sums")
digest=$(sha256sum <<< "$text")
question=$(jq -n --arg digest "${digest%% *}" --arg n "${#files[@]}" \
  '{kind: "approve", title: "Publish \($n) checksums?",
    action: {write: "SHA256SUMS", sha256: $digest}}')
# The hash of what is asked: canonical JSON, which `jq -cS` writes for text and whole numbers.
hash=$(jq -cSj '{kind, title, action, options: (.options // [])}' <<< "$question" | sha256sum)
hash=${hash%% *}
id=publish-${hash:0:12} # the same in every attempt, another one for another action

mkdir -p "$run/requests"
[ -e "$run/requests/$id.json" ] || put "$run/requests/$id.json" <<< "$question"
answer=$run/answers/$id.json
if [ ! -e "$answer" ]; then
  progress parked publish 2 "$completed"
  exit 75 # parked: started again when there is an answer, nothing runs until then
fi
if [ "$(jq -r .request_sha256 "$answer")" != "$hash" ]; then
  echo "$answer is for another question" >&2
  exit 65 # permanent
fi
progress running publish 2 "$completed"
if [ "$(jq -r .allow "$answer")" = true ]; then put SHA256SUMS <<< "$text"; fi
progress done publish 2 "$completed"
