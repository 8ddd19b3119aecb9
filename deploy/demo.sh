#!/usr/bin/env bash
# `make demo`: the embedded service from end to end, over REST: start it, submit, follow, report, stop it.
# Its data lies in corpora/.service; nobody's login and no CURATION_… of the environment is used or changed.
set -euo pipefail
cd "$(dirname "$0")/.."
curation=${CURATION_COMMAND:-.venv/bin/curation}
for name in "${!CURATION_@}"; do unset "$name"; done

data=corpora/.service
key=$data/first.key
said=$data/serve.out
log=$data/serve.log
mkdir -p "$data"
: > "$said"

stop() {
    status=$?
    trap - EXIT INT TERM
    if kill -TERM "$service" 2> /dev/null; then
        echo "demo: stopping the service"
    fi
    if ! wait "$service"; then
        echo "demo: the service did not end well; its log is $log" >&2
        [ "$status" -ne 0 ] || status=1
    fi
    exit "$status"
}

tonight=sample/documentation/tonight.jsonl.gz
rm -f "$tonight"
if [ -d sample ] && [ -e "$data/harvested" ]; then
    echo "demo: sample/ is there; to harvest again, remove it"
else
    echo "demo: harvesting text from this machine into sample/"
    "$curation" sample sample
    touch "$data/harvested"
fi

echo "demo: starting the service; its data lies in $data"
"$curation" serve --port 0 --data "$data" --root . --key-file "$key" > "$said" 2> "$log" &
service=$!
trap stop EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
until url=$(sed -n 's/^Serving .* at //p' "$said") && [ -n "$url" ] && grep -q '^Ctrl-C' "$said"; do
    if ! kill -0 "$service" 2> /dev/null; then
        tail -n 5 "$log" >&2
        exit 1
    fi
    sleep 0.2
done
if [ ! -s "$key" ]; then
    echo "demo: $key is gone, and the first key is made but once; remove $data and try again" >&2
    exit 1
fi
export CURATION_URL=$url
CURATION_KEY=$(< "$key")
export CURATION_KEY

echo "demo: submitting recipes/demo.yaml to $url"
"$curation" submit recipes/demo.yaml --follow
"$curation" corpora demo --report
document=$("$curation" corpora demo --samples minhash_dedup.duplicate --json 2> /dev/null \
    | sed -n 's/^ *"id": "\([A-Za-z0-9_.:/+-]*\)",*$/\1/p' | head -n 1) || document=

echo "demo: the next night: this project's own pages are new, and some licences come once more"
{
    for page in README.md docs/*.md; do # their prose, as JSON: paragraphs that need no escapes but of quotes
        awk 'BEGIN { RS = ""; ORS = "" } /^[A-Z*]/ && !/[{}|\\\t]/ { gsub(/\n/, " "); gsub(/[`*\[\]]/, ""); gsub(/"/, "\047"); print $0 "\\n\\n" }' \
            "$page" | sed "s|^|{\"id\": \"$page\", \"text\": \"|; s|\$|\"}\n|"
    done
    for file in sample/licences/*.jsonl.gz; do
        gzip -dc "$file" | sed -n 1,100p
        break
    done
} | gzip -n > "$tonight"
"$curation" submit recipes/demo.yaml --refresh --follow
"$curation" corpora diff demo --samples 2

cat << END

Look further, with . .venv/bin/activate:
  curation serve --data $data                              # start the service again
  curation login http://127.0.0.1:8321 --key-file $key     # in another terminal
  curation jobs
  curation corpora demo --reasons
  curation corpora demo --change
  curation corpora demo --explain '${document:-DOC_ID}'
END
