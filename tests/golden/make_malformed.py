#!/usr/bin/env python3
"""Packs the legal and malformed files of the reference generators into malformed.json.

usage: make_malformed.py FOLDER

FOLDER holds safetensors/ and text/, each with its files and a manifest.json. Written beside this script, the same bytes
for the same folder. Only Python's standard library is needed.
"""
import json
import re
import sys
from pathlib import Path

REPEATED = re.compile(rb"(.{1,40}?)\1{30,}", re.DOTALL)


def runs(data):
    """`data` as [piece, how often] pairs; a piece is a string whose characters are bytes."""
    all, at = [], 0
    for match in REPEATED.finditer(data):
        if match.start() > at:
            all.append([data[at : match.start()].decode("latin-1"), 1])
        all.append([match[1].decode("latin-1"), len(match[0]) // len(match[1])])
        at = match.end()
    if at < len(data):
        all.append([data[at:].decode("latin-1"), 1])
    return all


def cases(folder, verdict):
    for case in json.loads((folder / "manifest.json").read_text(encoding="utf-8"))["files"]:
        if "generate" in case:
            content = [[bytes.fromhex(piece).decode("latin-1"), count] for piece, count in case["generate"]["repeat"]]
        else:
            content = runs((folder / case["file"]).read_bytes())
        assert sum(len(piece) * count for piece, count in content) == case["bytes"], case["file"]
        packed = {"file": case["file"], "wanted": case[verdict], "why": case["why"], "content": content}
        if "rows" in case:
            packed["rows"] = case["rows"]
        yield packed


def main():
    folder = Path(sys.argv[1])
    lines = []
    for kind, verdict in [("safetensors", "unroll"), ("text", "expect")]:
        rows = ",\n".join(json.dumps(case) for case in cases(folder / kind, verdict))
        lines.append(f'"{kind}": [\n{rows}\n]')
    target = Path(__file__).resolve().parent / "malformed.json"
    target.write_text("{" + ",\n".join(lines) + "}\n", encoding="ascii")


main()
