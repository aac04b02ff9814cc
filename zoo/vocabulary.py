"""Byte-pair merges: a word of a world is one token, other text still has tokens."""

import gzip
from collections.abc import Iterable
from itertools import pairwise
from pathlib import Path

from open_clip.tokenizer import bytes_to_unicode
from transformers import CLIPTokenizer

CAPTION_TOKENS = 24  # the longest caption has 18 tokens, start and end included
_START, _END = "<|startoftext|>", "<|endoftext|>"


def merges(words: Iterable[str]) -> list[tuple[str, str]]:
    """Merges in order of priority. A later merge never applies before an earlier one, so adding a
    word's missing merges leaves the words before it whole."""
    pairs: list[tuple[str, str]] = []
    for word in words:
        tokens = _apply([*word[:-1], word[-1] + "</w>"], pairs)
        while len(tokens) > 1:
            pairs.append((tokens[0], tokens[1]))
            tokens = [tokens[0] + tokens[1], *tokens[2:]]
    return pairs


def tokenizer(words: Iterable[str]) -> CLIPTokenizer:
    """The tokenizer of the generators' text encoder."""
    pairs, letters = merges(words), list(bytes_to_unicode().values())
    pieces = [*letters, *(letter + "</w>" for letter in letters)]
    pieces += ["".join(pair) for pair in pairs] + [_START, _END]
    vocabulary = {piece: index for index, piece in enumerate(dict.fromkeys(pieces))}
    return CLIPTokenizer(vocab=vocabulary, merges=pairs, model_max_length=CAPTION_TOKENS)


def save_bpe(pairs: list[tuple[str, str]], path: Path) -> None:
    """Writes merges in the gzip form that open_clip reads: a header, then one a line."""
    lines = ["# denoisebench shapes", *(" ".join(pair) for pair in pairs)]
    path.write_bytes(gzip.compress("\n".join(lines).encode(), mtime=0))


def _apply(tokens: list[str], ranked: list[tuple[str, str]]) -> list[str]:
    """Byte-pair encoding: always the pair of the highest priority first."""
    rank = {pair: index for index, pair in enumerate(ranked)}
    while len(tokens) > 1:
        pair = min(pairwise(tokens), key=lambda p: rank.get(p, len(rank)))
        if pair not in rank:
            break
        merged, i = [], 0
        while i < len(tokens):
            joined = i + 1 < len(tokens) and (tokens[i], tokens[i + 1]) == pair
            merged.append(tokens[i] + tokens[i + 1] if joined else tokens[i])
            i += 2 if joined else 1
        tokens = merged
    return tokens
