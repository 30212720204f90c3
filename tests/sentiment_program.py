"""Runs the program `sentiment` as its users do, on the bundled reviews and with tiny models.

    sentiment_program.py PROGRAM reviews.csv
"""

import collections
import csv
import hashlib
import json
import math
import os
import pathlib
import pty
import random
import re
import signal
import struct
import subprocess
import sys
import tempfile
import unittest

PROGRAM = pathlib.Path(sys.argv[1]).resolve()
REVIEWS = pathlib.Path(sys.argv[2]).resolve()
TINY = ["--hidden", "4", "--embed", "4"]
RESULT = re.compile(r"test accuracy (\d\.\d{3}) \((\d+) texts\); naive Bayes (\d\.\d{3}), most frequent class (\d\.\d{3})")


def parts(path, bucket=0):
    """The rows for training, validation and testing, by the definition in data/split.h."""
    chosen = {"train": [], "valid": [], "test": []}
    with open(path, encoding="utf-8", newline="") as file:
        for label, text in csv.reader(file):
            clean = " ".join(text.lower().split())
            number = int(hashlib.md5(clean.encode()).hexdigest()[:8], 16) % 10
            chosen["test" if number == bucket else "valid" if number == (bucket + 1) % 10 else "train"].append((label, text))
    return chosen


def features(words):
    marked = ["<s>", *words, "</s>"]
    return set(words) | {" ".join(pair) for pair in zip(marked, marked[1:])}


def log_ratios(rows):
    """Binarised naive Bayes with α = 1 (Wang and Manning, 2012): ln P(f | 1) / P(f | 0), and ln P(1) / P(0)."""
    counts = {label: collections.Counter(f for own, text in rows if own == label for f in features(text.split())) for label in "01"}
    known = set(counts["0"]) | set(counts["1"])
    total = {label: sum(counts[label].values()) + len(known) for label in "01"}
    ratios = {f: math.log((counts["1"][f] + 1) / total["1"]) - math.log((counts["0"][f] + 1) / total["0"]) for f in known}
    share = sum(label == "1" for label, _ in rows) / len(rows)
    return ratios, math.log(share / (1 - share))


def header_of(model):
    """The JSON header of a .safetensors file."""
    data = model.read_bytes()
    return json.loads(data[8 : 8 + struct.unpack("<Q", data[:8])[0]])


class SentimentProgram(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)

    def run_program(self, *arguments, status=0, typed=""):
        done = subprocess.run([PROGRAM, *map(str, arguments)], cwd=self.folder, input=typed, capture_output=True, text=True)
        self.assertEqual(done.returncode, status, done.stdout + done.stderr)
        return done

    def train(self, *arguments):
        return self.run_program("--data", REVIEWS, *TINY, *arguments).stdout

    def refused(self, status, message, *arguments):
        done = self.run_program(*arguments, status=status)
        self.assertEqual(done.stdout, "")
        first = done.stderr.splitlines()[0]
        self.assertEqual(first, message)
        self.assertLessEqual(set(done.stderr.splitlines()[1:]), {"Run with --help for more information."})

    # ---- training

    def test_tells_all_about_a_training(self):
        done = self.run_program("--data", REVIEWS, *TINY, "--epochs", 3)
        out = done.stdout
        self.assertEqual(done.stderr, "")  # no bar where stderr is no terminal
        self.assertNotIn("\x1b", out)
        part = parts(REVIEWS)
        self.assertIn(f"{len(part['train'])} for training, {len(part['valid'])} for validation, {len(part['test'])} for testing", out)
        self.assertEqual(re.findall(r"^ +(\d)  +\d\.\d{4}  +\d\.\d{4}  +\d\.\d{3} ", out, re.M), ["1", "2", "3"])
        self.assertRegex(out, r"embedding\.table +\[\d+, 4\]")

        accuracy, texts, _, majority = map(float, RESULT.fullmatch(out.splitlines()[-1]).groups())
        labels = [label for label, _ in part["test"]]
        most = collections.Counter(label for label, _ in part["train"]).most_common(1)[0][0]
        self.assertEqual(texts, len(labels))
        self.assertAlmostEqual(majority, labels.count(most) / len(labels), delta=0.0005)
        matrix = [list(map(int, row)) for row in re.findall(r"^ +-?1 +(\d+) +(\d+) +\d\.\d{3}$", out, re.M)]
        self.assertEqual([sum(row) for row in matrix], [labels.count("-1"), labels.count("1")])
        self.assertAlmostEqual(accuracy, (matrix[0][0] + matrix[1][1]) / len(labels), delta=0.0005)

        mistakes = out[out.index("The surest mistakes") : out.index("What decisions rested on")]
        said = re.findall(r"said (-?1) \((\d\.\d{3})\), is (-?1)\n    (.+)\n", mistakes)
        self.assertEqual(len(said), min(10, matrix[0][1] + matrix[1][0]))
        self.assertEqual([p for _, p, _, _ in said], sorted((p for _, p, _, _ in said), reverse=True))
        known = {(label, " ".join(text.split())) for label, text in part["test"]}
        for chosen, _, label, text in said:
            self.assertNotEqual(chosen, label)
            self.assertIn((label, text), known)
        self.assertRegex(out[out.index("What decisions rested on") :], r"\w+\([+-]\d\.\d\)")
        self.assertIn("sentiment.svg", out)
        self.assertTrue((self.folder / "sentiment.svg").read_text(encoding="utf-8").startswith("<svg"))

    def test_bars_and_colours_in_a_terminal(self):
        parent, child = pty.openpty()
        running = subprocess.Popen([PROGRAM, "--data", REVIEWS, *TINY, "--epochs", "3"], cwd=self.folder, stdout=child, stderr=child,
                                   env={**os.environ, "TERM": "xterm", "NO_COLOR": ""})
        os.close(child)
        shown = b""
        try:
            while piece := os.read(parent, 65536):
                shown += piece
        except OSError:  # how Linux tells the end of a terminal
            pass
        os.close(parent)
        self.assertEqual(running.wait(), 0)
        self.assertRegex(shown.decode(), r"\r +\d+% .* left +epoch 1/3 +loss \d\.\d{3} +[\d,.MB]+ tokens/s")
        self.assertRegex(shown.decode(), "\x1b\\[38;5;16;48;5;\\d+m")

    def test_quiet_prints_the_result_alone(self):
        self.assertEqual(self.train("--epochs", 2, "--quiet"), self.train("--epochs", 2).splitlines()[-1] + "\n")

    def test_same_seed_same_model_whatever_the_threads(self):
        for name, *arguments in [["a"], ["b", "--threads", 2], ["c", "--seed", 2]]:
            self.train("--epochs", 2, "--quiet", "--save", name, *arguments)
        a, b, c = ((self.folder / name).read_bytes() for name in "abc")
        self.assertEqual(a, b)
        self.assertNotEqual(a, c)

    def test_every_cell(self):
        for cell in ["rnn", "simple-gru", "gru", "lstm", "peephole-lstm"]:
            for ways in ["--bidirectional", "--no-bidirectional"]:
                with self.subTest(cell=cell, ways=ways):
                    self.train("--cell", cell, ways, "--layers", 2, "--epochs", 1, "--quiet", "--save", "model")
                    self.run_program("--model", "model", "--classify", "a fine book")
                    shapes = header_of(self.folder / "model")
                    self.assertEqual("layer2.backward.wx" in shapes, ways == "--bidirectional")

    def test_counts_are_an_option(self):
        self.train("--epochs", 1, "--quiet", "--no-counts")
        self.assertNotIn("counts/features", header_of(self.folder / "sentiment.safetensors"))

    def test_naive_bayes_and_its_counts(self):
        random.seed(1)
        letters = "abcdefghijklmnopqrst"
        rows = []
        for _ in range(300):
            label = random.choice("01")
            text = " ".join(2 * random.choice(letters[:14] if label == "0" else letters[6:]) for _ in range(random.randint(1, 6)))
            rows.append((label, text))
        (self.folder / "letters.csv").write_text("".join(f"{label},{text}\n" for label, text in rows))
        out = self.run_program("--data", "letters.csv", *TINY, "--epochs", 1).stdout
        part = parts(self.folder / "letters.csv")
        ratios, prior = log_ratios(part["train"])
        right = [(prior + sum(ratios.get(f, 0) for f in features(text.split())) > 0) == (label == "1") for label, text in part["test"]]
        self.assertEqual(RESULT.fullmatch(out.splitlines()[-1])[3], f"{sum(right) / len(right):.3f}")

        # Without its last layer the network is silent: the counts decide, with three tenths of the sum of their ratios.
        model = self.folder / "sentiment.safetensors"
        content = bytearray(model.read_bytes())
        elements = 8 + struct.unpack("<Q", content[:8])[0]
        for name in ["head.w", "head.b"]:
            begin, end = header_of(model)[name]["data_offsets"]
            content[elements + begin : elements + end] = bytes(end - begin)
        model.write_bytes(content)
        words = ["aa", "kk", "bb", "kk", "unseen", "tt"]
        log_odds = 0.3 * sum(ratios.get(f, 0) for f in features(words))
        p = 1 / (1 + math.exp(-abs(log_odds)))
        told = self.run_program("--classify", " ".join(words)).stdout.splitlines()
        self.assertEqual(told[1], f"{int(log_odds > 0)} {p:.3f}")
        weights = [0.0] * len(words)
        seen = set()
        for f, *places in [(w, i, i) for i, w in enumerate(words)] + [("<s> aa", 0, 0), ("tt </s>", 5, 5)] + [
            (f"{a} {b}", i, i + 1) for i, (a, b) in enumerate(zip(words, words[1:]))
        ]:
            for i in places if f not in seen else []:
                weights[i] += ratios.get(f, 0) / 2
            seen.add(f)
        strongest = max(map(abs, weights))
        shown = [f"{w}({x / strongest:+.1f})" if abs(x / strongest) >= 0.05 else w for w, x in zip(words, weights)]
        self.assertEqual(told[2].split(), shown)

    def test_several_seeds(self):
        out = self.train("--epochs", 1, "--seeds", 2)
        each = [float(x) for x in re.findall(r"^ +[12]  +\d\.\d{3}  +(\d\.\d{3}) ", out, re.M)]
        self.assertEqual(len(each), 2)
        self.assertIn(f"test accuracy {sum(each) / 2:.3f} ± {abs(each[0] - each[1]) / 2**0.5:.3f} (", out)
        self.assertEqual(list(self.folder.iterdir()), [])

    def test_another_file_for_testing(self):
        (self.folder / "test.txt").write_text("1 a good book\n-1 a bad book\n")
        out = self.train("--epochs", 1, "--test", "test.txt")
        self.assertIn("all for training; 2 from test.txt", out)
        self.assertEqual(RESULT.fullmatch(out.splitlines()[-1])[2], "2")

    def test_more_than_two_classes(self):
        rows = [(label, f"{word} {other}") for label, word in [("LOC", "where"), ("NUM", "many"), ("HUM", "who")]
                for other in "is are was were has have did do can will of at by for to in on".split()]
        (self.folder / "questions.txt").write_text("".join(f"{label} {text}\n" for label, text in rows))
        out = self.run_program("--data", "questions.txt", *TINY, "--epochs", 2, "--batch", 8).stdout
        self.assertIn("51 texts with the labels HUM, LOC, NUM", out)
        self.assertIn("speaks for the class it chose", out)
        self.assertRegex(self.run_program("--classify", "where is it").stdout, r"\n(HUM|LOC|NUM) \d\.\d{3}\n    where")
        self.refused(2, "sentiment: --with-counts needs two classes; questions.txt has 3", "--data", "questions.txt", "--with-counts")

    # ---- going on

    def test_interrupted_and_resumed_is_uninterrupted(self):
        epochs = ["--epochs", "60"]
        last_line = self.train(*epochs, "--save", "whole").splitlines()[-1]
        for how, status in [(signal.SIGINT, 130), (signal.SIGKILL, -signal.SIGKILL)]:
            with self.subTest(how=how):
                running = subprocess.Popen([PROGRAM, "--data", REVIEWS, *TINY, *epochs, "--save", "part"], cwd=self.folder,
                                           stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
                while not running.stdout.readline().lstrip().startswith("3 "):
                    pass
                running.send_signal(how)
                errors = running.communicate()[1]
                self.assertEqual(running.returncode, status)
                if how == signal.SIGINT:
                    self.assertRegex(errors, r"interrupted in epoch \d+; go on with --resume part\n")
                self.assertNotEqual((self.folder / "part").read_bytes(), (self.folder / "whole").read_bytes())
                out = self.run_program("--resume", "part").stdout
                self.assertRegex(out, r"going on after epoch \d+ of 60\n")
                self.assertEqual((self.folder / "part").read_bytes(), (self.folder / "whole").read_bytes())
                self.assertEqual(out.splitlines()[-1], last_line)

    def test_more_epochs(self):
        self.train("--epochs", 1, "--quiet")
        out = self.run_program("--resume", "sentiment.safetensors", "--epochs", 3).stdout
        self.assertEqual(re.findall(r"^ +(\d)  +\d\.\d{4}  +\d\.\d{4}  ", out, re.M), ["2", "3"])

    def test_resumes_with_the_same_texts_only(self):
        self.train("--epochs", 1, "--quiet", "--save", "model")
        (self.folder / "other.csv").write_bytes(REVIEWS.read_bytes() + b'1,"a wholly new text, wholly new"\n1,"another wholly new text"\n')
        before = (self.folder / "model").read_bytes()
        self.refused(2, "sentiment: model: was not trained on the texts of other.csv; give the right ones with --data",
                     "--resume", "model", "--data", "other.csv", "--epochs", 2)
        self.assertEqual((self.folder / "model").read_bytes(), before)

    # ---- using a saved model

    def test_a_saved_model_decides_as_before(self):
        out = self.train("--epochs", 3, "--save", "model")
        mistakes = re.findall(r"said (-?1) \((\d\.\d{3})\), is -?1\n    (.+)\n", out[out.index("The surest mistakes") :])
        texts = [text for _, _, text in mistakes if "(" not in text]
        self.assertGreater(len(texts), 3)
        told = self.run_program("--model", "model", "--quiet", *(x for text in texts for x in ("--classify", text))).stdout
        for line, (label, p, _) in zip(told.splitlines(), mistakes, strict=False):
            self.assertEqual(line.split()[0], label)
            self.assertAlmostEqual(float(line.split()[1]), float(p), delta=0.0011)
        typed = self.run_program("--model", "model", "--quiet", "--interactive", typed="\n".join(texts) + "\n\n  \n").stdout
        self.assertEqual(typed, told)

    def test_classify_shows_what_each_word_says(self):
        self.train("--epochs", 1, "--quiet")
        out = self.run_program("--classify", "An EXCELLENT [book]").stdout
        self.assertRegex(out, r'^\(\+\) speaks for "1"')
        self.assertRegex(out, r"\n-?1 \d\.\d{3}\n    an(\(.+\))? excellent(\(.+\))? \[(\(.+\))? book")

    # ---- wrong use

    def test_wrong_command_lines(self):
        for message, *arguments in [
            ["sentiment: there are no texts to train on: give some with --data FILE"],
            ["The following argument was not expected: --nonsense", "--nonsense"],
            ["The following argument was not expected: reviews.csv", "reviews.csv"],
            ["--cell: elman not in {gru,lstm,peephole-lstm,rnn,simple-gru}", "--cell", "elman"],
            ["--hidden: Value 0 not in range 1 to 1048576", "--hidden", "0"],
            ["--hidden: Value many not in range 1 to 1048576", "--hidden", "many"],
            ["--epochs: Value -1 not in range 1 to 1048576", "--epochs", "-1"],
            ["--bucket: Value 10 not in range 0 to 9", "--bucket", "10"],
            ["--dropout: Value 1 not in range 0.000000 to 0.990000", "--dropout", "1"],
            ["--data: 1 required FILE missing", "--data"],
            ["sentiment: --bidirectional has no meaning with --no-bidirectional", "--bidirectional", "--no-bidirectional"],
            ["sentiment: --with-counts has no meaning with --no-counts", "--with-counts", "--no-counts"],
            ["sentiment: --classify: the text is empty", "--classify", " "],
            ["sentiment: --data has no meaning with --classify", "--classify", "a book", "--data", REVIEWS],
            ["sentiment: --hidden has no meaning with --interactive", "--interactive", "--hidden", "4"],
            ["sentiment: --cell has no meaning with --resume", "--resume", "model", "--cell", "gru"],
            ["sentiment: --save has no meaning with --seeds", "--data", REVIEWS, "--seeds", "2", "--save", "model"],
        ]:
            with self.subTest(arguments=arguments):
                self.refused(2, message, *arguments)

    def test_help_tells_every_option(self):
        out = self.run_program("--help").stdout
        for option in ("--data --test --bucket --cell --bidirectional --no-bidirectional --hidden --layers --embed --dropout "
                       "--word-dropout --with-counts --no-counts --epochs --batch --rate --seed --seeds --threads --save "
                       "--model --classify --interactive --resume --quiet").split():
            self.assertRegex(out, rf"(?s)\n  (-\S+,)?{option}\b((?!\n  -).)* [A-Z]((?!\n  -).)*\.\n")
        self.assertIn("\nExamples:\n", out)

    def test_bad_files(self):
        def write(name, content):
            (self.folder / name).write_bytes(content)
            return name

        self.train("--epochs", 1, "--quiet")
        model = self.folder / "sentiment.safetensors"
        whole = model.read_bytes()
        train = ["--epochs", "1", "--data"]
        for message, *arguments in [
            ["missing.csv: cannot be opened: No such file or directory", *train, "missing.csv"],
            [f"{self.folder}: a directory, not a file", *train, self.folder],
            ["one.txt: all 2 texts have the label '1', expected two labels or more", *train, write("one.txt", b"1 good\n1 fine\n")],
            ["bare.txt, line 2: '1' without a text, expected 'label text'", *train, write("bare.txt", b"1 good\n1\n")],
            ["prose.txt: 3 labels for 3 texts, expected a label and then its text on each line", *train,
             write("prose.txt", b"We came late\nIt was closed\nNobody told us\n")],
            ["distinct.txt: no word occurs twice in the texts for training", *train,
             write("distinct.txt", b"".join(b"%d word%d\n" % (i % 2, i) for i in range(100)))],
            ["few.txt: of 4 texts 4 are for training, 0 for validation and 0 for testing; each needs some", *train,
             write("few.txt", b"1 good\n0 bad\n1 good\n0 bad\n")],
            ["test.txt, line 2: label '3' is none of [\"-1\", \"1\"]", *train, REVIEWS, "--test", write("test.txt", b"1 good\n3 so so\n")],
            ["none/model: there is no folder none", *train, REVIEWS, "--save", "none/model"],
            ["notes.txt: exists and is no saved model; it stays as it is", *train, REVIEWS, "--save", write("notes.txt", b"precious")],
            ["missing: there is no such model; train one first, or name one with --model", "--classify", "x", "--model", "missing"],
            ["missing: cannot be opened: No such file or directory", "--resume", "missing"],
            ["empty: this is not a model of `sentiment`", "--classify", "x", "--model", write("empty", struct.pack("<Q", 2) + b"{}")],
        ]:
            with self.subTest(arguments=arguments):
                self.refused(2, f"sentiment: {message}", *arguments)
        self.assertEqual((self.folder / "notes.txt").read_bytes(), b"precious")
        for length in [0, 7, 100, len(whole) // 2, len(whole) - 1]:
            write("cut", whole[:length])
            done = self.run_program("--classify", "x", "--model", "cut", status=2)
            self.assertRegex(done.stderr, r"^sentiment: cut: .+\n$")
        self.assertEqual(model.read_bytes(), whole)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
