#!/bin/sh
# A plain command that knows nothing of the supervisor: looks at the disk, counts and sums files.
# It takes a few seconds of real work and exits 0. HEARTBEAT_ROOT is the folder it looks through
# (default /usr). With HEARTBEAT_FULL=95 it exits 1 when 95 percent of that disk are used.
set -eu

root=${HEARTBEAT_ROOT:-/usr}
limit_percent=${HEARTBEAT_FULL:-101}

echo "heartbeat: looking at $root"
used_percent=$(df -P "$root" | awk 'NR == 2 { sub("%", "", $5); print $5 }')
echo "disk: ${used_percent}% used"

files=$(find "$root" -xdev -type f 2>/dev/null | wc -l)
echo "files: $files"

# Reading shared libraries (at most 300 MB) shows bad sectors before something needs them.
read_bytes=$(find "$root" -xdev -type f -name '*.so*' -exec cat {} + 2>/dev/null |
    head -c 300000000 | wc -c)
echo "read: $read_bytes bytes of shared libraries"

if [ "$used_percent" -ge "$limit_percent" ]; then
    echo "the disk is nearly full: ${used_percent}% of it is used, the limit is ${limit_percent}%" >&2
    exit 1
fi
echo "heartbeat: all is well"
