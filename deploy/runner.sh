#!/bin/bash
# A runner on a Ray cluster: Ray's drivers need a node of the cluster on their own machine, here one that runs no tasks.
# When either ends, the other is stopped and this ends too: whoever started it starts both again.
set -u

folder=$(mktemp -d) || exit 1
mkfifo "$folder/said" || exit 1
PYTHONUNBUFFERED=1 ray start --block --address="$CURATION_RAY_ADDRESS" --num-cpus=0 --disable-usage-stats \
    > "$folder/said" 2>&1 &
node=$!
exec {said}< "$folder/said"
rm -r "$folder"
trap 'kill -TERM "$node"; wait "$node"; exit 143' TERM INT
until [[ ${line-} == *"Ray runtime started"* ]]; do
    if ! read -r line <&"$said"; then
        echo "curation-runner: Ray's node did not start at $CURATION_RAY_ADDRESS" >&2
        exit 1
    fi
    echo "$line" >&2
done
cat <&"$said" >&2 &

curation serve --only runner &
runner=$!
trap 'kill -TERM "$runner" 2> /dev/null' TERM INT
wait -n "$node" "$runner"
lost=0
kill -0 "$node" 2> /dev/null || lost=1

kill -TERM "$runner" 2> /dev/null
while kill -0 "$runner" 2> /dev/null; do wait "$runner"; done
wait "$runner"
status=$?
kill -TERM "$node" 2> /dev/null
wait "$node"
if [ "$lost" -eq 1 ]; then
    echo "curation-runner: Ray's node has ended; its head is down, or cannot be reached" >&2
    exit 1
fi
exit "$status"
