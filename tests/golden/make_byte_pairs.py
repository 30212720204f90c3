#!/usr/bin/env python3
"""Trains a byte-pair encoder with Hugging Face's tokenizers and writes what it does to byte_pair_values.h.

Needs `pip install tokenizers` (0.23.3 made the file). The text is examples/data/harbour.txt of this repository.
"""
import json
from pathlib import Path

from tokenizers import Tokenizer, models, pre_tokenizers, trainers

here = Path(__file__).resolve().parent
text = (here / "../../examples/data/harbour.txt").read_text(encoding="utf-8")

SIZE = 600
SAMPLES = [
    "The ferry was late, and Nell's box wasn't there. It'll come; they're sure, I'd say we've 'moored'.",
    "  two blanks,\tone tab\n\n  and   then\r\n 3.14 kg — 1,000\u00a0% of ½ Ⅷ \u2003x",
    "Ein Mädchen, naïve cafe\u0301, Привет мир, 東京タワー, مرحبا, हिन्दी, \U0001f468\u200d\U0001f469\u200d\U0001f467!! ",
    "don'T DON'S 'sixty'll'd'' s",
    "a\u0085b\u2028c\u3000 d \u200b e\x1cf\x00g\x7f",
    "   ",
    "\n",
    " x",
    "aaaaaaaaaa bbbbbbb",
]

tokenizer = Tokenizer(models.BPE())
tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
tokenizer.train_from_iterator(
    [text],
    trainers.BpeTrainer(vocab_size=SIZE, min_frequency=2, show_progress=False,
                        initial_alphabet=pre_tokenizers.ByteLevel.alphabet()))
model = json.loads(tokenizer.to_str())["model"]


def quoted(string):
    """A C++ literal of any UTF-8: octal escapes end after three digits, whatever follows."""
    plain = [chr(b) if 32 <= b < 127 and chr(b) not in '"\\?' else f"\\{b:03o}" for b in string.encode()]
    return '"' + "".join(plain) + '"'


def wrapped(items, indent="    "):
    lines, line = [], indent
    for item in items:
        if len(line) + len(item) + 2 > 118:
            lines.append(line.rstrip())
            line = indent
        line += item + ", "
    return "\n".join(lines + [line.rstrip()])


def sample(string):
    pieces = [string.encode()[a:b].decode() for a, b in byte_spans(string)]
    assert "".join(pieces) == string
    return (f"  {{std::string({quoted(string)}, {len(string.encode())}),\n   {{\n"
            + wrapped([f"std::string({quoted(p)}, {len(p.encode())})" for p in pieces]) + "},\n   {\n"
            + wrapped(map(str, tokenizer.encode(string).ids)) + "}},")


def byte_spans(string):
    for _, (a, b) in tokenizer.pre_tokenizer.pre_tokenize_str(string):
        yield len(string[:a].encode()), len(string[:b].encode())


(here / "byte_pair_values.h").write_text(f"""\
#pragma once

// What Hugging Face's tokenizers learn from examples/data/harbour.txt, and how they encode.
// Made by make_byte_pairs.py; do not edit.

#include <string>
#include <vector>

// clang-format off
namespace unroll::golden {{

inline constexpr std::size_t byte_pair_size = {SIZE};
inline const std::vector<std::string> byte_pair_merges{{
{wrapped(quoted(" ".join(m) if isinstance(m, list) else m) for m in model["merges"])}
}};

struct BytePairSample {{
  std::string text;
  std::vector<std::string> pieces;
  std::vector<int> ids;
}};
inline const std::vector<BytePairSample> byte_pair_samples{{
{chr(10).join(map(sample, SAMPLES))}
}};

}}  // namespace unroll::golden
// clang-format on
""", encoding="utf-8")
