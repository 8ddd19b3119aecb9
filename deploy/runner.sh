#!/bin/sh
# A runner on a Ray cluster: Ray's drivers need a node of the cluster on their own machine, here one that runs no tasks.
set -eu
ray stop --force
ray start --address="$CURATION_RAY_ADDRESS" --num-cpus=0 --disable-usage-stats
exec curation serve --only runner
