"""`make demo`: the service from end to end, over REST. Start it, submit, follow, ask why, a second night, stop it.

    .venv/bin/python -m deploy.demo

Its data lies in corpora/.service; nobody's login and no CURATION_… of the environment is used or changed.
"""

from __future__ import annotations

import gzip
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pyarrow.compute as pc

from curation.corpus import Corpus

ROOT = Path(__file__).resolve().parent.parent
CURATION = Path(sys.executable).with_name("curation")
DATA = Path("corpora/.service")
KEY_FILE = DATA / "first.key"
LOG = DATA / "serve.log"
TONIGHT = Path("sample/documentation/tonight.jsonl.gz")
MAIL, HOMEWORK = "mail/order", "forum/homework"
"""Of recipes/demo/notes.jsonl: one holds personal data, the other a question of the benchmark with other numbers."""

FURTHER = """
Look further, with . .venv/bin/activate:
  curation serve --data {data}                              # start the service again
  http://127.0.0.1:8321/ui/                                 # in a browser, with the key that is in {key}
  curation login http://127.0.0.1:8321 --key-file {key}     # in another terminal
  curation jobs
  curation corpora demo --report
  curation corpora demo --explain '{document}'"""


def main() -> int:
    """Run the demo in the repository's root; the exit code is that of the first command that fails."""
    os.chdir(ROOT)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    for name in [name for name in os.environ if name.startswith("CURATION_")]:
        del os.environ[name]
    try:
        harvest()
        with service() as url:
            os.environ.update(CURATION_URL=url, CURATION_KEY=KEY_FILE.read_text().strip())
            first_night()
            document = why()
            second_night()
    except subprocess.CalledProcessError as error:
        return error.returncode
    except KeyboardInterrupt:
        return 130
    print(FURTHER.format(data=DATA, key=KEY_FILE, document=document))
    return 0


def harvest() -> None:
    """Real text of this machine, once."""
    TONIGHT.unlink(missing_ok=True)
    harvested = DATA / "harvested"
    if harvested.exists() and Path("sample").is_dir():
        tell("sample/ is there; to harvest again, remove it")
        return
    tell("harvesting text from this machine into sample/")
    run("sample", "sample")
    DATA.mkdir(parents=True, exist_ok=True)
    harvested.touch()


@contextmanager
def service() -> Iterator[str]:
    """The URL of a service that stops at the end."""
    tell(f"starting the service; its data lies in {DATA}")
    options = ["--port", "0", "--data", str(DATA), "--root", ".", "--key-file", str(KEY_FILE)]
    with (
        LOG.open("w") as log,
        subprocess.Popen([CURATION, "serve", *options], stdout=subprocess.PIPE, stderr=log, text=True) as process,
    ):
        try:
            yield _url(process)
        finally:
            tell("stopping the service")
            process.send_signal(signal.SIGTERM)
            if process.wait():
                tell(f"the service did not end well; its log is {LOG}")


def _url(process: subprocess.Popen[str]) -> str:
    """Where the service answers, from what it says when it is ready."""
    url = None
    for line in process.stdout or ():
        if found := re.match(r"Serving .* at (\S+)", line):
            url = str(found[1])
        if url and line.startswith("Ctrl-C"):
            break
    else:
        sys.stderr.write("".join(LOG.read_text().splitlines(keepends=True)[-5:]))
        raise subprocess.CalledProcessError(process.wait() or 1, "serve")
    if not KEY_FILE.exists():
        tell(f"{KEY_FILE} is gone, and the first key is made but once; remove {DATA} and try again")
        raise subprocess.CalledProcessError(1, "serve")
    return url


def first_night() -> None:
    """Everything is read; what became of it."""
    tell("the first run of an installation compiles for a minute or two before it reads")
    run("submit", "recipes/demo.yaml", "--follow")
    run("corpora", "demo", "--funnel")


def why() -> str:
    """What was redacted, why documents were dropped, and what else the version can tell; the id of one dropped."""
    corpus = Corpus("corpora/demo")
    kept, decisions = corpus.documents(), corpus.decisions()
    tell(f"what was redacted: {MAIL} of recipes/demo/notes.jsonl as it is in the corpus, and all finds")
    print(kept.to_table(columns=["text"], filter=pc.field("id") == MAIL)["text"][0])
    counts = [name for name in decisions.schema.names if re.fullmatch(r"(pii|secrets)\.(?!total|spans)\w+", name)]
    sums = {name: pc.sum(decisions.to_table(columns=[name])[name]).as_py() for name in counts}
    print(", ".join(f"{name} {count:,}" for name, count in sums.items() if count))

    tell("why was this dropped: a question of the benchmark with other numbers, and a copy")
    copies = decisions.to_table(columns=["id"], filter=pc.field("reason") == "minhash_dedup.duplicate")
    dropped: list[str] = [HOMEWORK, *copies["id"].drop_null().to_pylist()[:1]]
    for document in dropped:
        run("explain", "corpora/demo", document, blocks=1, lines=1)

    tell("which share of training each source would have")
    run("mixture", "corpora/demo")
    tell("what another threshold would keep, by what was measured: no text is read")
    run("corpora", "what-if", "demo", "--sweep", "stages.gopher_quality.min_alpha_words_ratio=0.7:0.9:0.05", blocks=1)
    return dropped[-1]


def second_night() -> None:
    """This project's own pages are new, and some licences come once more; only these are read."""
    tell("the next night: this project's own pages are new, and some licences come once more")
    with gzip.open(TONIGHT, "wt") as file:
        for page in [Path("README.md"), *sorted(Path("docs").glob("*.md"))]:
            file.write(json.dumps({"id": str(page), "text": prose(page.read_text())}) + "\n")
        with gzip.open(min(Path("sample/licences").glob("*.jsonl.gz")), "rt") as licences:
            file.writelines(line for line, _ in zip(licences, range(100), strict=False))
    run("submit", "recipes/demo.yaml", "--refresh", "--follow")
    run("corpora", "diff", "demo", blocks=5)


def prose(page: str) -> str:
    """The paragraphs of a page in Markdown, without its marks."""
    paragraphs = (" ".join(part.split()) for part in page.split("\n\n") if re.match(r"[A-Z*]", part))
    return "\n\n".join(re.sub(r"[`*\[\]]", "", part) for part in paragraphs)


def run(*arguments: str, blocks: int | None = None, lines: int | None = None) -> None:
    """Run a command as one would type it, and show what it prints, or the first of it. Raises CalledProcessError."""
    print(f"\n$ curation {' '.join(arguments)}", flush=True)
    is_cut = blocks is not None
    done = subprocess.run([CURATION, *arguments], check=True, text=True, stdout=subprocess.PIPE if is_cut else None)
    if is_cut:
        shown = "\n\n".join(done.stdout.strip().split("\n\n")[:blocks])
        print("\n".join(shown.splitlines()[:lines]), "…", sep="\n")


def tell(sentence: str) -> None:
    """Say what comes next."""
    print(f"\ndemo: {sentence}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
