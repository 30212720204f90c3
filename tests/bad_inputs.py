"""The main programs refuse what is no input with exit status 2 and one line that names the file, and write nothing.

    bad_inputs.py SENTIMENT LANGUAGE_MODEL malformed.json
"""

import json
import os
import pathlib
import subprocess
import sys
import tempfile
import unittest

SENTIMENT, LANGUAGE_MODEL, CASES = (pathlib.Path(argument).resolve() for argument in sys.argv[1:4])
CASES = json.loads(CASES.read_text(encoding="ascii"))
LARGE = 50_000_000


def content_of(case):
    return b"".join(piece.encode("latin-1") * count for piece, count in case["content"])


class BadInputs(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        self.folder.chmod(0o755)

    def write(self, name, content):
        (self.folder / name).write_bytes(content)
        return name

    def refused(self, program, name, *arguments, message="", **options):
        """The program, with the file among its arguments."""
        before = {path.name: path.stat().st_mtime_ns for path in self.folder.iterdir()}
        with self.subTest(program=program.name, arguments=arguments):
            done = subprocess.run([program, *arguments], cwd=self.folder, capture_output=True, timeout=120, **options)
            told = done.stderr.decode("utf-8", "replace")
            self.assertEqual(done.returncode, 2, told[:500])
            self.assertEqual(done.stdout, b"")
            self.assertEqual(told.count("\n"), 1 + told.count("\n  '"), told[:500])  # the misfits of a model are listed
            self.assertLess(len(told), 2000)
            self.assertTrue(told.startswith(f"{program.name}: "), told[:500])
            self.assertIn(name, told)
            self.assertIn(message, told)
            self.assertEqual({path.name: path.stat().st_mtime_ns for path in self.folder.iterdir()}, before)

    def both_refuse(self, name, message="", **options):
        self.refused(SENTIMENT, name, "--data", name, message=message, **options)
        self.refused(LANGUAGE_MODEL, name, "--data", name, message=message, **options)

    def test_texts_of_the_collection(self):
        refused = 0
        for case in CASES["text"]:
            if case["wanted"] != "reject":
                continue
            kind = case["file"].rsplit(".", 1)[1]
            name = self.write(case["file"], content_of(case))
            if kind in ("csv", "jsonl"):
                self.refused(SENTIMENT, name, "--data", name)
                refused += 1
            elif kind == "txt":
                self.both_refuse(name)
                refused += 2
            os.remove(self.folder / name)
        self.assertGreaterEqual(refused, 25)

    def test_texts_with_nothing_to_learn(self):
        for case in CASES["text"]:
            if case["file"] in ("ok_one_char.txt", "bad_only_space.txt"):
                self.both_refuse(self.write(case["file"], content_of(case)))
            if case["file"] == "big_single_line_50MB.csv":
                name = self.write(case["file"], content_of(case))
                self.refused(SENTIMENT, name, "--data", name, message="all 1 texts have the label 'pos'")

    def test_large_and_broken(self):
        large = b"a" * LARGE
        for name, content, message in [
            ("quote.csv", b'label,text\n1,"' + large, "line 2, column 3: the quote that opens here is never closed"),
            ("line.txt", large + b"\xff", f"line 1, column {LARGE + 1}: 0xFF (byte {LARGE}) is not valid UTF-8"),
            ("nul.txt", large + b"\0", f"line 1: a NUL byte (byte {LARGE})"),
        ]:
            self.write(name, content)
            if name != "quote.csv":
                self.refused(LANGUAGE_MODEL, name, "--data", name, message=message)
            if name != "line.txt":  # which is read as Latin-1
                self.refused(SENTIMENT, name, "--data", name, message=message)
            os.remove(self.folder / name)

    def test_no_files(self):
        self.both_refuse("missing.txt", message="No such file or directory")
        (self.folder / "folder").mkdir()
        self.both_refuse("folder", message="a directory, not a file")
        self.write("secret.txt", b"1 a\n0 b\n" * 100)
        (self.folder / "secret.txt").chmod(0o200)
        (self.folder).chmod(0o777)
        as_somebody = {"user": 65534, "group": 65534, "extra_groups": []} if os.geteuid() == 0 else {}
        if not as_somebody or os.access(SENTIMENT, os.X_OK):
            try:
                subprocess.run([SENTIMENT, "--help"], capture_output=True, check=True, **as_somebody)
            except (PermissionError, subprocess.CalledProcessError):
                self.skipTest("the programs lie where nobody else may run them")
        self.both_refuse("secret.txt", message="Permission denied", **as_somebody)

    def test_models(self):
        for case in CASES["safetensors"]:
            name = self.write(case["file"], content_of(case))
            self.refused(SENTIMENT, name, "--classify", "x", "--model", name)
            self.refused(SENTIMENT, name, "--resume", name)
            self.refused(LANGUAGE_MODEL, name, "--sample", "--model", name)
            self.refused(LANGUAGE_MODEL, name, "--resume", name)
            os.remove(self.folder / name)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
