"""Seeds faults into a copy of the library, one at a time, and shows that the tests catch them.

    mutants.py ROOT [ID ...]    builds the copy with all faults in it, runs the tests with each of them (or with those
                                named), prints who caught it, and exits with 1 if fewer than 95 % are caught or if one
                                that is not caught has no explanation; also writes build/mutants/report.txt
    mutants.py ROOT --build     builds and stops
    mutants.py ROOT --check     the lists fit the sources: each original text stands in its file, once
    mutants.py --self-test      shows, on small lists of its own, that --check finds what does not fit

The faults stand in the *.txt beside this program. One of them:

    file optim/adam.cpp
    tests optimizers optim                  the test files that are tried first, for all faults of the file

    adam-epsilon: epsilon is added before the bias of the root is corrected
    in   w = keep * w - rate * m / (root *  where it is, if `from` stands in the file more than once
    from root * std::sqrt(square) + epsilon
    to   root * (std::sqrt(square) + epsilon)
    tests optim_golden                      tried before the others
    survives why no test can catch it       only where that is so

In the copy both stand side by side, (unroll_mutant(7) ? (faulty) : (original)), and the environment variable
UNROLL_MUTANT says which fault acts: so the tests are built once. What ends with a semicolon is a statement, an if or a
loop too, and what it becomes may be nothing. Line breaks and blanks of the sources do not matter. A line that begins
with a blank goes on with the line before it.
"""

import argparse
import concurrent.futures
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import time

LEAST_KILLED = 0.95
SECONDS_OF_A_FILE, SECONDS_OF_ALL = 60, 300
MEMORY_OF_A_RUN = 8 << 20  # in kilobytes; a fault may ask for any amount
PARTS = ["CMakeLists.txt", "CMakePresets.json", "unroll.h", "cmake", "core", "layers", "optim", "data", "io", "report",
         "tests", "examples/data"]
HEADER = """#pragma once
#include <cstdlib>

inline const int unroll_mutant_chosen = [] {
  const char* number = std::getenv("UNROLL_MUTANT");
  return number == nullptr ? 0 : std::atoi(number);
}();
inline bool unroll_mutant(int number) { return unroll_mutant_chosen == number; }
"""


class ListError(Exception):
    pass


class Mutant:
    def __init__(self, where, name, what, file, tests):
        self.where, self.name, self.what, self.file = where, name, what, file
        self.file_tests = tests
        self.tests, self.context, self.original, self.faulty, self.survives = [], "", "", None, ""

    def set(self, key, text):
        if key == "in":
            self.context = text
        elif key == "from":
            self.original = text
        elif key == "to":
            self.faulty = text
        elif key == "tests":
            self.tests = text.split()
        elif key == "survives":
            self.survives = text

    def is_statement(self):
        return self.original.endswith(";") or re.match(r"(if|for|while)\b", self.original) is not None

    def hints(self):
        return list(dict.fromkeys(self.tests + self.file_tests))

    def text(self, number, original):
        if self.is_statement():
            return f"{{ if (unroll_mutant({number})) {{ {self.faulty} }} else {{ {original} }} }}"
        return f"(unroll_mutant({number}) ? ({self.faulty}) : ({original}))"


def logical_lines(path):
    """(number, text) of each line, with what goes on after it."""
    lines = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        if line.startswith("#"):
            continue
        if line.startswith(" ") and line.strip() and lines:
            lines[-1] = (lines[-1][0], lines[-1][1] + " " + line.strip())
        else:
            lines.append((number, line.rstrip()))
    return lines


def read_list(path):
    mutants, file, tests, mutant = [], None, [], None
    for number, line in logical_lines(path):
        where = f"{path.name}:{number}"
        key, _, text = line.partition(" ")
        if not line:
            mutant = None
        elif mutant is not None:
            if key not in ("in", "from", "to", "tests", "survives"):
                raise ListError(f"{where}: '{key}' is none of in, from, to, tests and survives")
            mutant.set(key, text.strip())
        elif key == "file":
            file, tests = text.strip(), []
        elif key == "tests":
            tests = text.split()
        else:
            name, colon, what = line.partition(": ")
            if not colon or file is None or not re.fullmatch(r"[a-z0-9-]+", name):
                raise ListError(f"{where}: '{line}' is no 'id: what the fault is' below a file")
            mutant = Mutant(where, name, what, file, tests)
            mutants.append(mutant)
    for m in mutants:
        if not m.original or m.faulty is None:
            raise ListError(f"{m.where}: {m.name} needs both from and to")
        if not m.faulty and not m.is_statement():
            raise ListError(f"{m.where}: {m.name} leaves nothing of what is no statement")
    return mutants


def read_lists(folder):
    mutants = [mutant for path in sorted(folder.glob("*.txt")) for mutant in read_list(path)]
    names = set()
    for mutant in mutants:
        if mutant.name in names:
            raise ListError(f"{mutant.where}: there are two faults named {mutant.name}")
        names.add(mutant.name)
    return mutants


def find_once(mutant, what, within):
    """Where a text stands, whatever its line breaks."""
    found = list(re.finditer(r"\s+".join(map(re.escape, what.split())), within))
    if len(found) != 1:
        times = "not" if not found else f"{len(found)} times"
        raise ListError(f"{mutant.where}: {mutant.name}: '{what}' stands {times} in {mutant.file}")
    return found[0].span()


def place(mutant, source):
    """Where its original text begins and ends."""
    if not mutant.context:
        return find_once(mutant, mutant.original, source)
    begin, end = find_once(mutant, mutant.context, source)
    first, last = find_once(mutant, mutant.original, source[begin:end])
    return begin + first, begin + last


def changes(root, mutants):
    """For each file (begin, end, mutant, its number), the last first. Numbers are places in the list, from 1."""
    by_file = {}
    for number, mutant in enumerate(mutants, start=1):
        path = root / mutant.file
        if not path.is_file():
            raise ListError(f"{mutant.where}: there is no {mutant.file}")
        for test in mutant.hints():
            if not (root / "tests" / f"test_{test}.cpp").is_file():
                raise ListError(f"{mutant.where}: there is no tests/test_{test}.cpp")
        begin, end = place(mutant, path.read_text(encoding="utf-8"))
        by_file.setdefault(mutant.file, []).append((begin, end, mutant, number))
    for file, all_of_file in by_file.items():
        all_of_file.sort(key=lambda change: change[0], reverse=True)
        for later, earlier in zip(all_of_file, all_of_file[1:]):
            if earlier[1] > later[0]:
                raise ListError(f"{earlier[2].where}: {earlier[2].name} and {later[2].name} overlap in {file}")
    return by_file


def write_if_changed(path, text):
    """Leaves the time of what is built from it alone where nothing has changed."""
    if path.is_file() and path.read_text(encoding="utf-8") == text:
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def copy_with_faults(root, mutants, copy):
    by_file = changes(root, mutants)
    wanted = {copy / "mutant.h"}
    write_if_changed(copy / "mutant.h", HEADER)
    for part in PARTS:
        for path in [root / part] if (root / part).is_file() else sorted((root / part).rglob("*")):
            name = path.relative_to(root)
            if not path.is_file() or "__pycache__" in name.parts:
                continue
            wanted.add(copy / name)
            if path.suffix not in (".h", ".cpp", ".txt"):
                if not (copy / name).is_file() or (copy / name).read_bytes() != path.read_bytes():
                    (copy / name).parent.mkdir(parents=True, exist_ok=True)
                    shutil.copyfile(path, copy / name)
                continue
            text = path.read_text(encoding="utf-8")
            for begin, end, mutant, number in by_file.get(str(name), []):
                text = text[:begin] + mutant.text(number, text[begin:end]) + text[end:]
            write_if_changed(copy / name, text)
    for path in copy.rglob("*"):
        if path.is_file() and path not in wanted:
            path.unlink()


def build(copy, folder):
    if not (folder / "CMakeCache.txt").is_file():
        generator = ["-G", "Ninja"] if shutil.which("ninja") else []
        subprocess.run(["cmake", "-S", copy, "-B", folder, *generator, "-DCMAKE_BUILD_TYPE=Release",
                        "-DCMAKE_CXX_FLAGS_RELEASE=-O1 -DNDEBUG", "-DUNROLL_EXAMPLES=OFF", "-DUNROLL_BENCH=OFF",
                        f"-DCMAKE_CXX_FLAGS=-w -include {copy}/mutant.h"], check=True, stdout=subprocess.DEVNULL)
    subprocess.run(["cmake", "--build", folder, "--parallel", str(os.cpu_count()), "--target", "unroll_tests",
                    "unroll_agreement"], check=True)


class Tests:
    def __init__(self, copy, folder):
        self.copy, self.folder = copy, folder

    def run(self, number, program, arguments, seconds):
        """What ended badly, or None."""
        try:
            limited = ["sh", "-c", f'ulimit -v {MEMORY_OF_A_RUN}; ulimit -c 0; exec "$@"', "sh"]
            done = subprocess.run([*limited, self.folder / "tests" / program, *arguments], timeout=seconds,
                                  cwd=self.copy, env={**os.environ, "UNROLL_MUTANT": str(number)},
                                  stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        except subprocess.TimeoutExpired:
            return f"no end within {seconds} s"
        if done.returncode == 0:
            return None
        output = done.stdout.decode(errors="replace")
        failed = (re.search(r"(test_\w+\.cpp):(\d+): (FATAL )?ERROR", output)
                  or re.search(r"(test_\w+\.cpp):(\d+):", output))  # the case, where the check is another file's
        place = f"{failed.group(1)}:{failed.group(2)}" if failed else program
        return f"crash, {place}" if done.returncode < 0 or "test case CRASHED" in output else place

    def killer(self, number, hints):
        """Which test catches a fault, or None."""
        for hint in hints:
            found = self.run(number, "unroll_tests", [f"--source-file=*/test_{hint}.cpp", "--abort-after=1"],
                             SECONDS_OF_A_FILE)
            if found:
                return found
        return (self.run(number, "unroll_tests", ["--abort-after=1"], SECONDS_OF_ALL)
                or self.run(number, "unroll_agreement", [], SECONDS_OF_ALL))


def report(rows, root, complete):
    """Prints and writes the table; whether it is good enough."""
    width = max(len(mutant.name) for mutant, _ in rows)
    lines = [f"{m.name:{width}}  {m.file:28}  {found or ('survived' if m.survives else 'SURVIVED')}"
             for m, found in rows]
    survivors = [m for m, found in rows if not found]
    for m in survivors:
        lines.append(f"\n{m.name}: {m.what}\n  {m.survives or 'and nothing explains why no test catches it'}")
    for m, found in rows:
        if found and m.survives:
            lines.append(f"\n{m.name} was caught: what the list says about its survival can go")
    lines.append(f"\n{len(rows) - len(survivors)} killed, {len(survivors)} survived")
    text = "\n".join(lines) + "\n"
    print(text, end="")
    if complete:
        (root / "build" / "mutants" / "report.txt").write_text(text, encoding="utf-8")
    enough = not complete or len(rows) - len(survivors) >= LEAST_KILLED * len(rows)
    return enough and all(m.survives for m in survivors)


def hunt(root, mutants, names, jobs, only_build):
    copy, folder = root / "build" / "mutants" / "source", root / "build" / "mutants" / "build"
    copy_with_faults(root, mutants, copy)
    build(copy, folder)
    if only_build:
        return True
    tests = Tests(copy, folder)
    broken = tests.killer(0, [])
    if broken:
        sys.exit(f"mutants: without any fault the tests fail: {broken}")
    chosen = [(n, m) for n, m in enumerate(mutants, start=1) if not names or m.name in names]

    def try_one(numbered):
        number, mutant = numbered
        begin = time.monotonic()
        found = tests.killer(number, mutant.hints())
        print(f"{mutant.name}: {found or 'SURVIVED'} ({time.monotonic() - begin:.1f} s)", file=sys.stderr, flush=True)
        return mutant, found

    with concurrent.futures.ThreadPoolExecutor(jobs) as pool:
        rows = list(pool.map(try_one, chosen))
    return report(rows, root, complete=not names)


def self_test():
    source = "int f() {\n  return a +\n         b;\n}\nint g() { return a; }\n"
    good = "file f.cpp\n\nsum: a is left out\nfrom a + b\nto b\n"
    cases = [
        (good, ""),
        (good.replace("a + b", "a - b"), "stands not in f.cpp"),
        (good.replace("a + b", "return a"), "stands 2 times"),
        (good.replace("from a + b", "in   int g() { return a; }\nfrom return a;"), ""),
        (good.replace("from a + b", "in   int h()\nfrom return a;"), "stands not"),
        (good + "\nall: both\nfrom return a + b;\nto return 0;\n", "overlap"),
        (good + good.replace("file f.cpp\n", ""), "two faults named sum"),
        (good.replace("f.cpp", "h.cpp"), "there is no h.cpp"),
        (good.replace("to b", "to"), "leaves nothing"),
        (good.replace("to b\n", ""), "needs both"),
        (good.replace("to b", "into b"), "is none of"),
        (good.replace("sum: a", "sum a"), "is no 'id: what"),
        (good + "tests none\n", "there is no tests/test_none.cpp"),
    ]
    for text, expected in cases:
        said = ""
        with tempfile.TemporaryDirectory() as name:
            folder = pathlib.Path(name)
            (folder / "f.cpp").write_text(source, encoding="utf-8")
            (folder / "list.txt").write_text(text, encoding="utf-8")
            try:
                changes(folder, read_lists(folder))
            except ListError as error:
                said = str(error)
        if expected not in said or (said and not expected):
            sys.exit(f"self-test: expected '{expected}', got '{said}', of\n{text}")
    print(f"self-test: {len(cases)} lists judged rightly")


def main():
    parser = argparse.ArgumentParser(description="Seeds faults into a copy of the library; the tests catch them.")
    parser.add_argument("root", nargs="?", type=pathlib.Path, help="this project's folder")
    parser.add_argument("names", nargs="*", metavar="ID", help="faults; all if none is named")
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), help="faults tried at the same time")
    parser.add_argument("--build", action="store_true", help="build and stop")
    parser.add_argument("--check", action="store_true", help="only see whether the lists fit the sources")
    parser.add_argument("--self-test", action="store_true")
    arguments = parser.parse_args()
    if arguments.self_test:
        return self_test()
    if arguments.root is None:
        parser.error("the project's folder is missing")
    root = arguments.root.resolve()
    try:
        mutants = read_lists(pathlib.Path(__file__).parent)
        unknown = sorted(set(arguments.names) - {mutant.name for mutant in mutants})
        if unknown:
            sys.exit(f"mutants: there is no fault named {', '.join(unknown)}")
        if arguments.check:
            changes(root, mutants)
            print(f"{len(mutants)} faults fit the sources")
        elif not hunt(root, mutants, arguments.names, arguments.jobs, arguments.build):
            sys.exit(1)
    except ListError as error:
        sys.exit(f"mutants: {error}")


if __name__ == "__main__":
    main()
