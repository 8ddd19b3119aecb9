"""Build the environments of the tools that we are measured against, beside the benchmarks.

    python benchmarks/peers.py

makes benchmarks/.peers/datatrove: datatrove 0.10.1 with what its readers and filters need, every version pinned, so
that nothing heavy comes along; and benchmarks/.peers/flavours: dolma 1.2.1, and what DCLM's filters need. Run again, it
checks that the environments are complete and does nothing.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

PEERS = Path(__file__).resolve().parent / ".peers"

DATATROVE = """
annotated-doc==0.0.7 annotated-types==0.8.0 anyio==4.16.0 babel==2.18.0 blis==1.3.4 catalogue==2.0.10
certifi==2026.10.18 charset-normalizer==3.5.2 click==8.5.1 cloudpathlib==0.26.0 cloudpickle==3.1.2 confection==1.3.4
courlan==1.4.0 cymem==2.0.16 datasets==5.2.0 datatrove==0.10.1 dateparser==1.5.0 defusedxml==0.7.1 dill==0.4.1
fasteners==0.20 fasttext-numpy2-wheel==0.9.2 faust-cchardet==3.2.0 filelock==4.2.11 fsspec==2026.9.0 ftfy==6.3.1
h11==0.16.0 hf-xet==1.8.0 htmldate==1.11.0 httpcore==1.0.9 httpcore2==2.16.2 httpx==0.28.1 httpx2==2.16.2
huggingface_hub==2.4.0 humanize==4.17.0 idna==3.20 inscriptis==2.7.6 Jinja2==3.1.6 joblib==1.6.0 jusText==3.0.2
loguru==0.7.3 lxml==6.1.3 markdown-it-py==4.3.0 MarkupSafe==3.0.4 mdurl==0.1.2 multiprocess==0.70.19
murmurhash==1.0.16 nltk==3.10.4 numpy==2.4.6 orjson==3.13.0 packaging==26.3 pandas==3.1.1 preshed==3.0.15
pyahocorasick==2.3.1 pyarrow==26.0.1 pybind11==3.1.0 pydantic==2.14.3 pydantic_core==2.50.4 Pygments==2.21.0
python-dateutil==4.0.0 python-magic==0.4.27 pytz==2026.6 PyYAML==6.0.3 regex==2026.11.15 requests==2.34.2
requests-file==3.0.1 rich==15.0.0 shellingham==1.5.4 six==1.17.0 smart_open==9.0.2 spacy==3.8.18
spacy-legacy==3.0.12 spacy-loggers==1.0.5 srsly==2.5.6 thinc==8.3.14 tld==0.13.2 tldextract==5.4.0
tokenizers==0.23.3 tqdm==4.70.1 trafilatura==1.11.0 truststore==0.10.5 typer==0.29.2 typing-inspection==0.4.5
typing_extensions==4.16.0 tzdata==2026.6 tzlocal==5.4.5 urllib3==2.8.0 warcio==1.8.1 wasabi==1.1.3 wcwidth==0.9.4
weasel==1.0.1 wrapt==2.5.2 xxhash==3.8.2 zstandard==0.25.0
"""


FLAVOURS = """
click==8.5.1 dolma==1.2.1 fasttext-community==0.11.9 joblib==1.6.0 msgspec==0.22.0 necessary==0.4.3 nltk==3.10.4
numpy==2.4.6 omegaconf==2.4.0 regex==2026.11.15 smart_open==9.0.2 tqdm==4.70.1 typing_extensions==4.16.0
Unidecode==1.4.0 uniseg==0.10.1 wrapt==2.5.2
"""


def datatrove_python() -> Path:
    """The Python of datatrove's environment, which is built if it is not there."""
    return _python("datatrove", DATATROVE)


def flavours_python() -> Path:
    """The Python of dolma's and DCLM's environment, which is built if it is not there."""
    return _python("flavours", FLAVOURS)


def _python(name: str, packages: str) -> Path:
    python = PEERS / name / "bin" / "python"
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", str(PEERS / name)], check=True)
    found = subprocess.run(
        [str(python), "-m", "pip", "freeze"], check=True, capture_output=True, text=True
    ).stdout.split()
    if missing := sorted(set(packages.split()) - set(found)):
        print(f"installing {len(missing)} packages for {name}", file=sys.stderr)
        subprocess.run([str(python), "-m", "pip", "install", "--quiet", "--no-deps", *missing], check=True)
    return python


if __name__ == "__main__":
    print(datatrove_python(), flavours_python())
