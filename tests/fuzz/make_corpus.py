#!/usr/bin/env python3
"""Writes the inputs that fuzzing begins with, tests/fuzz/corpus/HARNESS/NAME; run it after a change of a format.

Files beside them named by a hash were found by the fuzzers and kept because they reach what these do not: fuzz_NAME
-set_cover_merge=1 -use_counters=0 -use_cmp=0 tests/fuzz/corpus/NAME build/fuzz/kept/NAME adds some.
"""
import json
import struct
from pathlib import Path

CORPUS = Path(__file__).resolve().parent / "corpus"
BOM = b"\xef\xbb\xbf"
FORMATS = {"F32": ("f", 4), "F64": ("d", 8), "I64": ("q", 8), "I32": ("i", 4), "I16": ("h", 2), "I8": ("b", 1),
           "U32": ("I", 4), "U16": ("H", 2), "U8": ("B", 1), "BOOL": ("B", 1)}


def write(harness, seeds):
    folder = CORPUS / harness
    folder.mkdir(parents=True, exist_ok=True)
    for name, data in seeds.items():
        (folder / name).write_bytes(data if isinstance(data, bytes) else data.encode())


# ---- safetensors: a header, NUL, the elements (see safetensors_input.h) ------


def tensors(shapes, metadata=None, dtype="F32"):
    """A file in which tensor number k holds k, k + 1/4, …; a shape may come with a dtype of its own."""
    header, elements = {}, b""
    if metadata is not None:
        header["__metadata__"] = metadata
    for number, (name, shape) in enumerate(shapes.items()):
        kind, shape = shape if isinstance(shape, tuple) else (dtype, shape)
        code, _ = FORMATS[kind]
        count = 1
        for extent in shape:
            count *= extent
        values = [number + k / 4 if kind[0] == "F" else (number + k) % 2 for k in range(count)]
        data = struct.pack(f"<{count}{code}", *values)
        header[name] = {"dtype": kind, "shape": shape, "data_offsets": [len(elements), len(elements) + len(data)]}
        elements += data
    return json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode() + b"\0" + elements


def raw(header, elements=b"", length=None):
    header = header if isinstance(header, bytes) else header.encode()
    return struct.pack("<Q", len(header) if length is None else length) + header + elements


def entry(dtype='"F32"', shape="[2]", offsets="[0,8]", name='"a"', more=""):
    return f'{{{name}:{{"dtype":{dtype},"shape":{shape},"data_offsets":{offsets}{more}}}}}'


SAFETENSORS = {
    "empty": raw("{}"), "blanks": raw("{}      "), "nothing": b"", "short": b"\2\0\0\0", "length_only": raw(b"", length=16),
    "length_huge": raw("{}", length=2**64 - 1), "length_over": raw("{}", length=3),
    "all_dtypes": tensors({kind: (kind, [3]) for kind in FORMATS}),
    "axes": tensors({"scalar": [], "none": [0, 3], "six": [1, 2, 1, 2, 1, 2], "seven": [1] * 7}),
    "six_axes": tensors({"scalar": [], "none": [0, 3], "six": [1, 2, 1, 2, 1, 2]}),
    "metadata": tensors({"a": [1]}, {"plain": "text", "多": "字 ∂ 🙂", "quotes": '"\\\n', "": ""}),
    "metadata_null": raw('{"__metadata__":null}'), "metadata_number": raw('{"__metadata__":{"a":1}}'),
    "escaped": raw('{"\\u0061\\n\\u0000":{"dtype":"F32","shape":[],"data_offsets":[0,4]}}', b"\0" * 4),
    "surrogate": raw('{"\\ud800":{"dtype":"F32","shape":[],"data_offsets":[0,4]}}', b"\0" * 4),
    "invalid_utf8": raw(b'{"\xc0\x80":{"dtype":"F32","shape":[],"data_offsets":[0,4]}}', b"\0" * 4),
    "nul": raw("{}\0"), "list": raw("[]"), "blank_first": raw(" {}"), "bom": raw(BOM + b"{}"), "two": raw("{}{}"),
    "comma": raw('{"a":{},}'), "cut": raw('{"a":{"dtype":"F3'), "nested": raw('{"a":' * 40 + "1" + "}" * 40),
    "twice": raw('{"a":{"dtype":"F32","shape":[],"data_offsets":[0,4]},"a":{"dtype":"F32","shape":[],"data_offsets":[0,4]}}',
                 b"\0" * 4),
    "overlap": raw('{"a":{"dtype":"F32","shape":[],"data_offsets":[0,4]},"b":{"dtype":"F32","shape":[],"data_offsets":[2,6]}}',
                   b"\0" * 6),
    "hole": raw(entry(offsets="[4,12]"), b"\0" * 12), "trailing": raw(entry(), b"\0" * 9),
    "missing": raw(entry(), b"\0" * 7), "reversed": raw(entry(offsets="[8,0]"), b"\0" * 8),
    "beyond": raw(entry(offsets="[18446744073709551608,18446744073709551615]"), b"\0" * 8),
    "negative": raw(entry(offsets="[-1,7]"), b"\0" * 8), "one_offset": raw(entry(offsets="[8]"), b"\0" * 8),
    "fraction": raw(entry(shape="[2.0]"), b"\0" * 8), "exponent": raw(entry(shape="[2e0]"), b"\0" * 8),
    "minus_zero": raw(entry(shape="[-0]", offsets="[0,0]")), "wraps": raw(entry(shape="[4294967296,4294967296]", offsets="[0,0]")),
    "zero_times_huge": raw(entry(shape="[0,4294967295,4294967295]", offsets="[0,0]")),
    "too_long_axis": raw(entry(shape="[0,4294967296]", offsets="[0,0]")),
    "dtype_long": raw(entry(dtype='"' + "字" * 20 + '"'), b"\0" * 8), "dtype_half": raw(entry(dtype='"F16"', offsets="[0,4]"), b"\0" * 4),
    "unknown_field": raw(entry(more=',"more":{"x":[1e999]}'), b"\0" * 8), "more": raw(entry(more=',"more":null'), b"\0" * 8),
    "bool_bytes": raw(entry(dtype='"BOOL"', offsets="[0,2]"), b"\2\xff"),
}

# ---- the models of fuzz_checkpoint.cpp and fuzz_foreign.cpp ------------------

PARAMS = {"embedding.table": [3, 2], "rnn.wx": [2, 2], "rnn.wh": [2, 2], "rnn.b": [2], "linear.w": [2, 3], "linear.b": [3]}
STATE = {f"optimizer/{name}/{what}": ("F64", []) if what == "steps" else shape for name, shape in PARAMS.items()
         for what, shape in (("steps", []), ("first_moment", shape), ("second_moment", shape))}
TEXTS = {"vocab": '["a","<unk>","\\n 字"]', "merges": '["a b","ab c"]', "step": "12", "loss": "-1.5e-3", "lost": "nan",
         "random": "0123456789abcdef 0000000000000001 ffffffffffffffff 8000000000000000", "cell": "rnn", "deep": "[" * 500}
CHECKPOINT = {
    "params": tensors(PARAMS), "params_f64": tensors(PARAMS, dtype="F64"), "texts": tensors(PARAMS, TEXTS),
    "run": tensors({**PARAMS, **STATE}, {"step": "3"}), "run_f64": tensors({**PARAMS, **STATE}, dtype="F64"),
    "state": tensors(STATE), "missing": tensors(dict(list(PARAMS.items())[1:])),
    "more": tensors({**PARAMS, "extra": [1], "whole": ("I64", [2])}),
    "shape": tensors({**PARAMS, "rnn.b": [1, 2]}), "texts_only": tensors({}, TEXTS),
}

TORCH = {"emb.weight": [2, 1], "gru.weight_ih": [3, 1], "gru.weight_hh": [3, 1], "gru.bias_ih": [3], "gru.bias_hh": [3],
         "fc.weight": [1, 2]}
for layer, width in ((0, 1), (1, 2)):
    for way in ("", "_reverse"):
        for name, shape in (("weight_ih", [4, width]), ("weight_hh", [4, 1]), ("bias_ih", [4]), ("bias_hh", [4])):
            TORCH[f"rnn.lstm.{name}_l{layer}{way}"] = shape
KERAS = {"m/gru/gru_cell/kernel": [2, 3], "m/gru/gru_cell/recurrent_kernel": [1, 3], "m/dense/kernel": [1, 1],
         "m/dense/bias": [1]}
for path, gates, bias in (("m/bi/forward_gru/gru_cell", 3, [2, 3]), ("m/bi/backward_gru/gru_cell", 3, [2, 3]),
                          ("m/lstm/lstm_cell", 4, [4]), ("m/rnn", 1, [1])):
    KERAS |= {f"{path}/kernel": [1, gates], f"{path}/recurrent_kernel": [1, gates], f"{path}/bias": bias}
FOREIGN = {
    "torch": tensors(TORCH), "torch_f64": tensors(TORCH, {"format": "pt"}, "F64"),
    "torch_more": tensors({**TORCH, "fc.bias": [1]}), "torch_missing": tensors(dict(list(TORCH.items())[1:])),
    "torch_shape": tensors({**TORCH, "emb.weight": [1, 2]}), "torch_integers": tensors({**TORCH, "steps": ("I64", [])}),
    "keras": tensors(KERAS), "keras_f64": tensors(KERAS, None, "F64"),
    "keras_named": tensors({path.replace("forward_gru", "forward_mine"): shape for path, shape in KERAS.items()}),
    "keras_bias": tensors({**KERAS, "m/bi/forward_gru/gru_cell/bias": [3]}),
    "keras_missing": tensors(dict(list(KERAS.items())[3:])),
}

# ---- texts ------------------------------------------------------------------

TEXT = {
    "plain": "The harbour was quiet.\nNobody came, not even the gulls.\n", "line_ends": "a\r\nb\rc\n\nd", "bom": BOM + b"a\n",
    "two_boms": BOM + BOM + b"a\n", "nothing": "", "blank": " \t\n\u3000\n", "nul": "a\0b", "gzip": b"\x1f\x8b\x08\0abc",
    "utf16": "a b".encode("utf-16"), "latin1": "pos\tcafé au lait\n".encode("latin-1"), "cut": b"ab\xe2\x82",
    "overlong": b"a\xc0\xafb", "surrogate": b"a\xed\xa0\x80b", "beyond": b"a\xf4\x90\x80\x80b",
    "tokenised": "it 's no <unk> , he said .\nyes ; no ! -lrb- 1 -rrb-\n",
    "words": "Don't say e.g. 3.14, 10:30 or 1,000... -- it’s well-known!!! <unk> snake_case\n",
    "graphemes": "e\u0301 🇳🇴🇸🇪 👩‍👩‍👧‍👦 \u1100\u1161\u11a8 क्षि a\u200db\n", "scripts": "日本語 ไทย Ελλάς ΣΊΣΥΦΟΣ İstanbul ǅ\n",
    "marks": "\u0301 \u0301a !\u0301! a\u0301-\u0301b '' a'\u0301b\n", "spaces": "a\u00a0b\u0085c\u2028d\u3000e\n",
}
CSV = {
    "plain": "label,text\npos,good\nneg,bad\n", "quotes": 'label,text\npos,"a ""b"", c"\nneg,"two\r\nlines"\n', "no_end": "a,b",
    "cr": "label,text\rpos,good\r", "mixed": "a,b\r\nc,d\re,f\n\n\ng,h", "semicolons": "a;b\n1;2\n", "tabs": "a\tb\n1\t2\n",
    "empty_fields": ",,\n,,\n", "one_column": "a\nb\n", "bare_quote": 'a"b,c"\n', "open_quote": 'a,"b\nc', "after_quote": '"a"b,c\n',
    "narrow": "a,b\nc\n", "wide": "a,b\nc,d,e\n", "bom": BOM + b'"a",b\n', "blank_lines": "\n\na,b\n\n", "invalid": b"a,b\n\xff,c\n",
    "quoted_blank": '""\n""\n', "text_first": "text,label\ngood,pos\n", "twice": "label,text,label\na,b,c\n",
}
NUMERIC = {
    "plain": "a,b\n1,-2.5\n+1e-3,4\n", "no_header": "1,2\n3,4\n", "semicolons": "a;b\n1;2\n3;4\n", "blanks": "a , b\n 1 ,\t2 \n",
    "special": "a\nnan\n", "infinite": "a\ninf\n1e999\n", "tiny": "a\n4.9e-324\n-0\n1.7976931348623157e308\n", "hex": "a\n0x10\n",
    "signs": "a\n+-1\n", "words": "a,b\n1,x\n", "quoted": '"a ""b"" ",c\n"1","2"\n', "twice": "a,a\n1,2\n", "header_only": "a,b\n",
    "constant": "a\n3\n3\n3\n", "large": "a\n1.7e308\n1.7e308\n",
}
LABELLED = {
    **{f"csv_{name}": data for name, data in CSV.items()}, "tabs": "pos\ta good one\nneg\ta bad one\n",
    "blanks": "pos a good one\n\nneg a bad one\n", "bars": "a good one ||| pos\na ||| b ||| neg\n", "latin1": TEXT["latin1"],
    "no_text": "pos\n", "blank_label": "\tgood\n", "blank_text": "pos\t \n", "bom": BOM + b"pos\tgood\n",
}
JSON_LINES = {
    "plain": '{"text":"good","label":"pos"}\n{"label":0,"text":"bad"}\n', "labels": '{"text":"a","label":true}\n{"text":"b","label":-12}\n',
    "other_keys": '{"id":[1,{"a":null}],"text":"a","label":"b","x":{"text":"c","label":1.5}}\n',
    "escapes": '{"text":"\\u00e9\\n\\ud83d\\ude00\\u0000","label":"\\"\\\\"}\n', "blank_lines": '\n {"text":"a","label":"b"} \n\n',
    "minus_zero": '{"text":"a","label":-0}\n', "large": '{"text":"a","label":18446744073709551615}\n{"text":"a","label":-9223372036854775808}\n',
    "too_large": '{"text":"a","label":18446744073709551616}\n', "fraction": '{"text":"a","label":1.0}\n', "overflow": '{"text":"a","label":"b","c":1e999}\n',
    "null": '{"text":null,"label":"b"}\n', "twice": '{"text":"a","text":"b","label":"c"}\n', "missing": '{"text":"a"}\n', "list": "[1]\n",
    "number": "12\n", "cut": '{"text":"a","lab', "after": '{"text":"a","label":"b"} x\n', "surrogate": '{"text":"\\ud800","label":"b"}\n',
    "invalid": b'{"text":"\xff","label":"b"}\n', "deep": '{"text":"a","label":"b","c":' + "[" * 300 + "]" * 300 + "}\n",
    "bom": BOM + b'{"text":"a","label":"b"}\n', "inner_bom": b'{"text":"a","label":"b"}\n' + BOM + b'{"text":"a","label":"b"}\n',
    "imitation": b'{"; expected ":' + BOM, "control": '{"text":"a\tb","label":"c"}\n', "no_label": '{"text":"a"}\n{"text":"b"}\n', "unquoted": "{text:'a'}\n",
}
VOCAB = {
    **TEXT, "tokens": "<pad>\n<unk>\n<eos>\nthe\nharbour\n", "letters": "a\nb\né\n", "clusters": "e\u0301\n🇳🇴\na\n", "twice": "a\nb\na\n",
    "blank_line": "a\n\nb\n", "bytes": "".join(f"<0x{b:02X}>\n" for b in range(128, 256)) + "".join(map(chr, range(1, 128))),
}
BYTE_PAIRS = {
    "merges": "t h\nth e\nĠ the\n\nthe other, then the third", "none": "\nabc abc abc abc", "two_ways": "a b\nab c\nb c\na bc\n\nabc",
    "unknown": "ab c\n\n", "twice": "a b\na b\n\n", "blank": "a  b\n\n", "no_blank": "ab\n\n", "invisible": "\u0141 a\n\n",
    "train": "\n" + "low lower lowest newer newest wider " * 8, "contractions": "' s\n\nit's we've I'll don't", "digits": "1 2\n\n12 1212 ²½ 12a",
    "spaces": "Ġ Ġ\n\n  a   b\n\n c\t\td", "invalid": b"a b\n\nab\xff", "bytes": "Ã ©\n\ncafé", "runs": "a a\naa aa\n\n" + "a" * 40,
}
TUNE = {
    "plain": "X:1\nT:A tune\nM:6/8\nL:1/8\nK:G\nGAB c2d|e>f g2 z|(3abc [CEG]2 A-|A4 |]\n",
    "keys": "X:1\nK:F#m\nFGA|\nK:Bb dor\nBcd|[K:none]c\n\nX:2\nK:Eb lyd\nE^F_G=A__B^^c|\n", "octaves": "X:1\nK:C\nC,,,,,c'''''|\n",
    "decorated": "X:1\nM:C|\nK:D\n\"Am\"!trill!{gab}.A ~B (cd) |1 u:|2 v||% words\nw:la la\n", "lengths": "X:1\nL:1/16\nK:C\nA3/2 B/ c// d3/4 z8|\n",
    "tuplets": "X:1\nK:C\n(2ab (3:2:4abcd (9ABCDEFGAB (5:4:3abc|\n", "broken": "X:1\nK:C\na>b c<<d e>>>f|\n", "no_tune": "only words\n",
    "before": "words\n\nX:1\nT:\nK:C\nA\n\nmore words\n\nX:2\nM:none\nK:\nB\n", "no_key": "X:1\nABC\n", "bad_note": "X:1\nK:C\nA é\n",
    "bad_key": "X:1\nK:H\nA\n", "open_chord": "X:1\nK:C\n[CE\n", "open_quote": "X:1\nK:C\n\"A\n", "long": "X:1\nL:9999\nK:C\n(9:9999:9A9999\n",
    "crlf": "X:1\r\nK:C\r\nA B\r\n", "meter": "X:1\nM:2+3/8\nK:C\nA4|\n", "meter_long": "X:1\nM:99999/4\nK:C\nA4|\n", "meter_none": "X:1\nM:0/4\nK:C\nA|\n",
    "unit_none": "X:1\nL:1/256\nK:C\nA\n", "continued": "X:1\nK:C\nA2\\\nB2 `c y|$\n+:more\n",
}


def main():
    write("safetensors", SAFETENSORS)
    write("checkpoint", CHECKPOINT)
    write("foreign", FOREIGN)
    write("text", TEXT)
    write("csv", CSV)
    write("numeric", NUMERIC)
    write("labelled", LABELLED)
    write("json_lines", JSON_LINES)
    write("vocab", VOCAB)
    write("byte_pairs", BYTE_PAIRS)
    write("tune", TUNE)


if __name__ == "__main__":
    main()
