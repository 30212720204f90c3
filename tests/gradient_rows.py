"""Checks that every op has a row in a gradient table: what core/ops.h declares and core/ops/ records, against what the
tests of op gradients call.

    gradient_rows.py ROOT          prints what is missing and exits with 1 if there is anything
    gradient_rows.py --self-test   shows that a missing row, an unknown op and an exemption without need are caught
"""

import pathlib
import re
import sys

TABLES = ["tests/op_gradients.h", "tests/test_op_gradients*.cpp", "tests/test_view_gradients.cpp",
          "tests/test_products.cpp"]

# Ops that have no gradient, and why.
EXEMPT = {
    "operator<": "a comparison is a constant",
    "operator>": "a comparison is a constant",
    "operator<=": "a comparison is a constant",
    "operator>=": "a comparison is a constant",
    "equal": "a comparison is a constant",
    "not_equal": "a comparison is a constant",
    "argmax": "ids have no gradient",
    "argmin": "ids have no gradient",
    "one_hot": "it depends on ids alone",
}

# What the operators are called on the tape.
OPERATORS = {"add": "operator+", "subtract": "operator-", "multiply": "operator*", "divide": "operator/"}

DECLARED = re.compile(r"^(?:Tensor|Ids|TopK|std::vector<Tensor>|std::array<Tensor, N>) (operator\S+?|\w+)\(([^)]*)",
                      re.MULTILINE)
RECORDED = re.compile(r'(?:\b(?:record|part)\(\s*|^\s+)"(\w+)", (?:\[|\w)|\bop = "(\w+)"', re.MULTILINE)


def code_of(text):
    """Without comments, what stands in quotes, and the lambdas of pointwise, whose functions are not these ops."""
    text = re.sub(r'"(?:[^"\\\n]|\\.)*"', '""', text)
    text = re.sub(r"//[^\n]*", "", text)
    while (call := text.find("pointwise(")) >= 0:
        end, depth = call + len("pointwise("), 1
        while depth > 0:
            depth += {"(": 1, ")": -1}.get(text[end], 0)
            end += 1
        text = text[:call] + text[end:]
    return text


def declared(header):
    """The ops, each operator in each of its forms: `operator+(T, d)` adds a number to a tensor."""
    for name, arguments in DECLARED.findall(re.sub(r"//[^\n]*", "", header)):
        if name.startswith("operator") and name not in EXEMPT:
            kinds = ["d" if argument.split()[0] == "double" else "T" for argument in arguments.split(",")]
            yield f"{name}({', '.join(kinds)})"
        else:
            yield name


def is_called(op, tables):
    form = re.match(r"operator(\S)\((.*)\)", op)
    if not form:
        return re.search(rf"\b{op}(?:<\d+>)?\(", tables) is not None
    sign, kinds = re.escape(form[1]), form[2].split(", ")
    operand = {"T": r"(?:[a-z]\w*|\))", "d": r"\d+\.\d+"}
    if len(kinds) == 1:
        return re.search(rf"return {sign}[a-z]\w*;", tables) is not None
    return re.search(rf"(?<![\w.]){operand[kinds[0]]} {sign} {operand[kinds[1]]}(?![\w.])", tables) is not None


def offences(header, sources, tables):
    tables = code_of(tables)
    ops = set(declared(header))
    names = {op.split("(")[0] for op in ops}
    for op in sorted(ops - EXEMPT.keys()):
        if not is_called(op, tables):
            yield f"{op}: declared in core/ops.h, but without a row in a gradient table"
    for name in sorted(EXEMPT.keys() - names):
        yield f"{name}: exempt, but not declared in core/ops.h"
    recorded = {first or second for first, second in RECORDED.findall(sources)}
    for name in sorted(recorded):
        if OPERATORS.get(name, name) not in names:
            yield f"{name}: recorded in core/ops/, but not declared in core/ops.h"


def self_test():
    header = "".join(f"Tensor {name}(const Tensor& a, double b);\n" for name in EXEMPT)
    header += "Tensor operator+(Tensor a, Tensor b);\nTensor operator+(Tensor a, double b);\nTensor tanh(const Tensor& x);\n"
    header += "Tensor operator-(Tensor a);\n"
    sources = 'return record("add", y);\nreturn record("tanh", y);\n'
    rows = "return a + b; return x + 2.0; return tanh(x); return -x;"
    found = {
        "complete": list(offences(header, sources, rows)),
        "no row": list(offences(header, sources, rows.replace("tanh(x)", "x"))),
        "in a comment only": list(offences(header, sources, rows.replace("return tanh(x);", "") + "// tanh(x)")),
        "in pointwise only": list(
            offences(header, sources, rows.replace("tanh(x)", "pointwise([](auto v) { return tanh(v); }, x)"))),
        "in quotes only": list(offences(header, sources, rows.replace("tanh(x)", '"tanh(x)"'))),
        "of another name": list(offences(header, sources, rows.replace("tanh", "atanh"))),
        "another form": list(offences(header, sources, rows.replace("x + 2.0", "x + y"))),
        "no sign": list(offences(header, sources, rows.replace("-x", "x"))),
        "unknown": list(offences(header, sources + 'return record("cosh", y);', rows)),
        "exempt": list(offences(header.replace("argmax", "arg"), sources, rows + " arg(x)")),
    }
    expected = {
        "complete": [],
        "no row": ["tanh: declared in core/ops.h, but without a row in a gradient table"],
        "in a comment only": ["tanh: declared in core/ops.h, but without a row in a gradient table"],
        "in pointwise only": ["tanh: declared in core/ops.h, but without a row in a gradient table"],
        "in quotes only": ["tanh: declared in core/ops.h, but without a row in a gradient table"],
        "of another name": ["tanh: declared in core/ops.h, but without a row in a gradient table"],
        "another form": ["operator+(T, d): declared in core/ops.h, but without a row in a gradient table"],
        "no sign": ["operator-(T): declared in core/ops.h, but without a row in a gradient table"],
        "unknown": ["cosh: recorded in core/ops/, but not declared in core/ops.h"],
        "exempt": ["argmax: exempt, but not declared in core/ops.h"],
    }
    for case in expected:
        if found[case] != expected[case]:
            print(f"{case}: {found[case]}")
    return found == expected


def main(root):
    header = (root / "core/ops.h").read_text(encoding="utf-8")
    sources = "\n".join(path.read_text(encoding="utf-8") for path in sorted((root / "core/ops").glob("*.cpp")))
    tables = "\n".join(path.read_text(encoding="utf-8") for table in TABLES for path in sorted(root.glob(table)))
    lines = list(offences(header, sources, tables))
    print("\n".join(lines) if lines else f"{len(set(declared(header)) - EXEMPT.keys())} ops, each with a row")
    return not lines


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    sys.exit(not (self_test() if sys.argv[1] == "--self-test" else main(pathlib.Path(sys.argv[1]))))
