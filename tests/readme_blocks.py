"""Compiles every C++ block of a Markdown file against the installed library, and runs those that are programs.

    readme_blocks.py README.md FOLDER_FOR_THE_BUILD CMAKE CMAKE_OPTIONS…

A ```cpp block with an `int main` is a program; it is run in an empty folder unless its fence says ```cpp no-run.
A block without one is compiled at namespace scope, after `#include <unroll/unroll.h>` and `using namespace unroll;`.
"""

import pathlib
import re
import shutil
import subprocess
import sys

FENCE = re.compile(r"^```(\S*)[ \t]*(.*)$")
SECONDS = 120  # the longest a program may run

PROJECT = """\
cmake_minimum_required(VERSION 3.25)
project(readme_blocks LANGUAGES CXX)
find_package(unroll REQUIRED)
link_libraries(unroll::unroll)
"""


def blocks(text):
    """(line of the first line of code, words after `cpp`, code) of every C++ block."""
    fence = None
    for number, line in enumerate(text.splitlines(), start=1):
        mark = FENCE.match(line)
        if fence is None and mark:
            fence, words, start, code = mark[1], mark[2].split(), number + 1, []
        elif fence is not None and line.startswith("```"):
            if fence == "cpp":
                yield start, words, "\n".join(code) + "\n"
            fence = None
        elif fence is not None:
            code.append(line)


def main(readme, work, cmake, *options):
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    project, programs = PROJECT, []
    for line, words, code in blocks(readme.read_text(encoding="utf-8")):
        name = f"line_{line}"
        place = f'#line {line} "{readme}"\n'
        if re.search(r"\bint main\b", code):
            (work / f"{name}.cpp").write_text(place + code, encoding="utf-8")
            project += f"add_executable({name} {name}.cpp)\n"
            if "no-run" not in words:
                programs.append(name)
        else:
            opening = "#include <unroll/unroll.h>\n\nusing namespace unroll;\n\n"
            (work / f"{name}.cpp").write_text(opening + place + code, encoding="utf-8")
            project += f"add_library({name} OBJECT {name}.cpp)\n"
    if project == PROJECT:
        print(f"{readme} has no C++ blocks")
        return

    (work / "CMakeLists.txt").write_text(project, encoding="utf-8")
    build = work / "build"
    subprocess.run([cmake, "-S", str(work), "-B", str(build), *options], check=True)
    subprocess.run([cmake, "--build", str(build)], check=True)
    for name in programs:
        print(f"running the program at {readme.name}:{name.removeprefix('line_')}", flush=True)
        folder = work / name
        folder.mkdir()
        subprocess.run([str(build / name)], cwd=folder, check=True, timeout=SECONDS)


if __name__ == "__main__":
    try:
        main(*(pathlib.Path(path).resolve() for path in sys.argv[1:3]), *sys.argv[3:])
    except (subprocess.SubprocessError, OSError) as error:
        sys.exit(f"readme_blocks: {error}")
