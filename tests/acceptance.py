"""Holds the slow figures of the examples, each printing PASS or the value that fell short.

    acceptance.py EXAMPLES [NAME ...] [--data FOLDER]

EXAMPLES is the folder of the built programs; FOLDER holds the data sets that the figures are about, which are not part
of this project. Without NAMEs all figures are held whose data are there; `--list` names them.
"""

import argparse
import pathlib
import re
import subprocess
import sys
import tempfile


def number_after(pattern, text):
    found = re.search(pattern, text)
    return float(found.group(1).replace(",", "")) if found else None


def last_cell(row, text, column=-1):
    """A number in the row of a table that begins with `row`."""
    for line in text.splitlines():
        plain = re.sub(r"\x1b\[[0-9;]*m", "", line)
        if plain.startswith(row):
            numbers = re.findall(r"(?<![\w.])\d+\.\d+", plain[len(row) :])
            return float(numbers[column]) if numbers else None
    return None


# name: (program, arguments, what is read from the output, which way, the bound, what it is)
FIGURES = {
    "dates": ("translate", [], lambda t: last_cell("beam of 4", t, 0), ">=", 0.995, "dates exact, held out"),
    "addition": ("translate", ["--data", "{data}/addition/addition.txt", "--epochs", "10"],
                 lambda t: last_cell("beam of 4", t, 0), ">=", 0.95, "sums exact, held out"),
    "tagger": ("tagger", ["--data", "{data}/ud-ewt/train.tsv", "--test", "{data}/ud-ewt/dev.tsv", "--epochs", "8"],
               lambda t: last_cell("bidirectional lstm", t, 0), ">=", 0.93, "UD EWT dev, UPOS"),
    "chorales": ("music", ["--data", "{data}/music/jsb.train.txt", "--valid", "{data}/music/jsb.valid.txt"],
                 lambda t: last_cell("lstm", t), "<=", 8.6, "JSB chorales, validation, nats a frame"),
    "nottingham": ("music", ["--data", "{data}/music/nottingham.train.txt", "--valid",
                             "{data}/music/nottingham.valid.txt", "--epochs", "60", "--dropout", "0.2"],
                   lambda t: last_cell("lstm", t), "<=", 3.5, "Nottingham, validation, nats a frame"),
    "adding": ("vanishing", ["--task", "adding", "--cell", "gru", "--data", "{data}/adding/test.T100.tsv"],
               lambda t: last_cell("gru", t), "<=", 0.001, "adding problem over 100 steps, GRU, squared error"),
    "adding-lstm": ("vanishing", ["--task", "adding", "--cell", "lstm", "--data", "{data}/adding/test.T100.tsv"],
                    lambda t: last_cell("lstm", t), "<=", 0.001, "adding problem over 100 steps, LSTM, squared error"),
    "copy": ("vanishing", ["--task", "copy", "--cell", "gru", "--updates", "4000", "--data",
                           "{data}/copy-memory/test.T100.txt"],
             lambda t: last_cell("gru", t, 1), "<=", 0.5, "copy memory over 100 blanks, GRU, share of chance"),
    "names": ("names", ["--data", "{data}/names", "--dropout", "0.2"],
              lambda t: last_cell("bidirectional lstm", t), ">=", 0.76, "names of 18 languages, accuracy (naive Bayes 0.748)"),
    "penn-treebank": ("language_model", ["--data", "{data}/ptb/ptb.train.txt", "--valid", "{data}/ptb/ptb.valid.txt",
                                         "--recipe", "tied-small"],
                      lambda t: last_cell("lstm, 2 × 200", t, 1), "<=", 105, "Penn Treebank, 2 × 200 tied, perplexity"),
}


def hold(name, programs, data, folder):
    program, arguments, read, way, bound, what = FIGURES[name]
    arguments = [argument.replace("{data}", str(data)) for argument in arguments]
    missing = [a for a in arguments if a.startswith(str(data)) and not pathlib.Path(a).exists()]
    if data is None and any("{data}" in a for a in FIGURES[name][1]):
        print(f"skipped {name}: {what}; it needs --data")
        return None
    if missing:
        print(f"skipped {name}: there is no {missing[0]}")
        return None
    save = [] if program == "vanishing" else ["--save", str(pathlib.Path(folder) / f"{name}.safetensors")]
    command = [str(pathlib.Path(programs) / program), *arguments, *save, "--quiet"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=folder, check=False)
    value = read(done.stdout) if done.returncode == 0 else None
    if value is None:
        print(f"FAILED  {name}: {what}; {' '.join(command)} ended with {done.returncode}: {done.stderr.strip()[-300:]}")
        return False
    good = value >= bound if way == ">=" else value <= bound
    print(f"{'PASS' if good else 'FELL SHORT'}  {name}: {what}: {value} (must be {way} {bound})", flush=True)
    return good


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("programs")
    parser.add_argument("names", nargs="*")
    parser.add_argument("--data", type=pathlib.Path)
    parser.add_argument("--list", action="store_true")
    options = parser.parse_args()
    if options.list:
        for name, figure in FIGURES.items():
            print(f"{name:14} {figure[5]} {figure[3]} {figure[4]}")
        return 0
    unknown = [name for name in options.names if name not in FIGURES]
    if unknown:
        print(f"there is no figure {unknown[0]}; --list names them", file=sys.stderr)
        return 2
    programs = pathlib.Path(options.programs).absolute()
    data = options.data.absolute() if options.data else None
    with tempfile.TemporaryDirectory() as folder:
        held = [hold(name, programs, data, folder) for name in options.names or FIGURES]
    passed, failed = held.count(True), held.count(False)
    print(f"{passed} passed, {failed} failed, {held.count(None)} skipped")
    return 1 if failed or passed == 0 else 0


if __name__ == "__main__":
    sys.exit(main())
