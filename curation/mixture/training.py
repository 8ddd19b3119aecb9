"""Train a tokenizer on a corpus: byte-level BPE, as GPT-2's, by Hugging Face's `tokenizers`."""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator

import pyarrow.parquet as pq

from curation.document import ID, TEXT
from curation.manifest import Manifest
from curation.storage import Storage

LEAST_VOCABULARY = 257
"""256 bytes and the end of a text."""
END_OF_TEXT = "<|endoftext|>"

SPLIT = (
    r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?"
    r"|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?"
    r"|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
"""What a token stays within: o200k_base's pattern (tiktoken 0.9), which knows the marks of Indic scripts."""


def train_tokenizer(texts: Iterable[str], vocabulary: int) -> str:
    """The tokenizer.json of a byte-level BPE with so many tokens (fewer where the texts have no more pairs), a function
    of the texts and their order. Raises ValueError for a vocabulary below 257."""
    from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers

    if vocabulary < LEAST_VOCABULARY:
        raise ValueError(f"a vocabulary of {vocabulary} tokens has no room for 256 bytes and {END_OF_TEXT}")
    tokenizer = Tokenizer(models.BPE())
    bytes_alone = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.Split(Regex(SPLIT), "isolated"), bytes_alone])
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary,
        special_tokens=[END_OF_TEXT],
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    tokenizer.train_from_iterator(iter(texts), trainer)
    described: str = tokenizer.to_str(pretty=False)
    return described


def sampled_texts(storage: Storage, manifest: Manifest, most_bytes: int) -> Iterator[str]:
    """Texts of a version of about `most_bytes` in all, chosen evenly by a hash of their ids, in the order of its files;
    all of them where it has no more."""
    chosen = (1 << 32) * most_bytes // max(manifest.bytes, 1)
    for part in manifest.shards:
        with storage.open_seekable(part.path) as file, pq.ParquetFile(file) as documents:
            for batch in documents.iter_batches(1024, columns=[ID, TEXT], use_threads=False):
                for document_id, text in zip(batch[ID].to_pylist(), batch[TEXT].to_pylist(), strict=True):
                    if zlib.crc32(document_id.encode()) < chosen:
                        yield text
