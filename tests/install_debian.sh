#!/usr/bin/env bash
# Installs what some tests run against: Ceph's S3 gateway and the browser Chromium, downloads of about 64 and 90 MB. On
# Debian or Ubuntu, as root. `make test` calls this; where it cannot be done those tests are skipped, and say so.
# The packages enable no cluster: the tests start a monitor, a store and a gateway of their own, and stop them.
set -euo pipefail

packages=(ceph-mon ceph-osd radosgw chromium)

installed() {
	for program in ceph ceph-mon ceph-osd ceph-authtool monmaptool radosgw radosgw-admin chromium; do
		command -v "$program" > /dev/null || return 1
	done
}

installed && exit 0
if [ "$(id -u)" != 0 ] || ! command -v apt-get > /dev/null; then
	echo "NOT INSTALLED: ${packages[*]}; they need apt-get and root. The tests of Ceph and of the dashboard in a browser" \
		"are skipped without them" >&2
	exit 1
fi
export DEBIAN_FRONTEND=noninteractive
apt-get update -qq
apt-get install -y -qq --no-install-recommends "${packages[@]}" > /dev/null
installed
