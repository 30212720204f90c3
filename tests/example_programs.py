"""Runs the examples as their users do, and holds the numbers that take no longer than seconds.

    example_programs.py FOLDER

FOLDER is where the programs were built. The slow numbers are held by acceptance.py.
"""

import pathlib
import re
import subprocess
import sys
import tempfile
import unittest
import xml.etree.ElementTree as xml

FOLDER = pathlib.Path(sys.argv[1]).resolve()


def numbers(line):
    return [float(number) for number in re.findall(r"(?<![\w.])-?\d+\.\d+(?:e[+-]\d+)?", line)]


def row(output, name):
    """The numbers in the row of a table that begins with `name`."""
    lines = [line for line in output.splitlines() if line.startswith(name)]
    assert lines, f"no row {name!r} in\n{output}"
    return numbers(lines[-1][len(name):])


class Programs(unittest.TestCase):
    def setUp(self):
        self.temporary = tempfile.TemporaryDirectory()
        self.folder = pathlib.Path(self.temporary.name)
        self.addCleanup(self.temporary.cleanup)

    def run_program(self, name, *arguments, status=0):
        done = subprocess.run([str(FOLDER / name), *arguments], cwd=self.folder, capture_output=True, text=True,
                              timeout=1400, check=False)  # sanitizers are slow
        self.assertEqual(done.returncode, status, f"{name} {arguments}: {done.stdout}{done.stderr}")
        return done

    def check_picture(self, name):
        self.assertTrue(xml.parse(self.folder / name).getroot().tag.endswith("svg"))

    def test_by_hand(self):
        for name in ["forward_by_hand", "bptt_by_hand"]:
            output = self.run_program(name).stdout
            differences = re.findall(r"largest difference (\S+)\)", output)
            self.assertGreaterEqual(len(differences), 5, output)
            for difference in differences:
                self.assertLessEqual(float(difference), 1e-12, output)

    def test_window_vs_rnn(self):
        output = self.run_program("window_vs_rnn", "--picture", "w.svg").stdout
        found = re.search(r"elsewhere than in training: standard network (\S+); gru at any position (\S+), in texts "
                          r"twice as long (\S+)", output)
        window, network, longer = map(float, found.groups())
        self.assertLessEqual(window, 0.6)
        self.assertGreaterEqual(network, 0.99)
        self.assertGreaterEqual(longer, 0.99)
        self.check_picture("w.svg")

    def test_vanishing(self):
        output = self.run_program("vanishing", "--task", "gradients", "--seeds", "1", "--picture", "v").stdout
        before = output[output.index("before training"):output.index("and after it")]
        rnn, lstm = row(before, "rnn"), row(before, "lstm")
        self.assertLess(rnn[-1] / rnn[0], 1e-9)  # 50 steps before the end
        self.assertGreater(lstm[-1] / lstm[0], 1e-6)
        for cell in ["gru", "lstm"]:
            self.assertGreaterEqual(min(row(output, cell)), 0.95, output)  # right answers at every distance
        self.check_picture("v-gradients.svg")

    def test_clipping(self):
        output = self.run_program("vanishing", "--task", "clipping", "--picture", "c").stdout
        self.assertRegex(output, r"as they are .*not a number after \d+ updates")
        self.assertLess(row(output, "clipped to a norm of 1")[-1], 0.1667, output)

    def test_music(self):
        output = self.run_program("music").stdout
        self.assertLess(row(output, "lstm")[0], row(output, "note bigram, Kneser–Ney")[0], output)
        self.check_picture("music.svg")
        for name in ["tune", "another"]:
            if name == "another":
                self.run_program("music", "--sample", "--seed", "7", "--tune", name)
            self.assertEqual((self.folder / f"{name}.mid").read_bytes()[:4], b"MThd")
            abc = (self.folder / f"{name}.abc").read_text(encoding="utf-8")
            self.assertRegex(abc, r"\AX:1\nT:.*\n(.:.*\n)*K:C\n(.*\|\s*\n)+\Z")
        self.assertNotEqual((self.folder / "tune.mid").read_bytes(), (self.folder / "another.mid").read_bytes())

    def test_names(self):
        output = self.run_program("names").stdout
        self.assertLess(row(output, "lstm, given the class")[0], row(output, "4-gram, Kneser–Ney, all classes")[0])
        self.assertGreater(row(output, "bidirectional lstm")[0],
                           row(output, "naive Bayes of characters and bigrams")[0], output)
        self.assertRegex(self.run_program("names", "--classify", "Lorenzetti").stdout, r"\ALorenzetti: Italian 0\.\d+")
        written = self.run_program("names", "--generate", "Italian", "--count", "5").stdout.split("\n")
        self.assertEqual(len([name for name in written if name]), 5, written)

    def test_dates(self):
        output = self.run_program("translate").stdout
        self.assertGreaterEqual(row(output, "beam of 4")[0], 0.995, output)
        self.check_picture("translate-attention.svg")
        output = self.run_program("translate", "--translate", "3rd of May 1999", "--picture", "a.svg").stdout
        self.assertRegex(output, r"-0\.\d+  1999-05-03\n")
        self.check_picture("a.svg")

    def test_kinds_of_attention(self):
        for kind in ["dot", "general", "none"]:
            output = self.run_program("translate", "--attention", kind, "--pairs", "300", "--epochs", "1", "--hidden",
                                      "8", "--save", f"{kind}.safetensors", "--quiet").stdout
            self.assertEqual(len(row(output, "beam of 4")), 2, output)
            self.run_program("translate", "--translate", "1 May 2001", "--model", f"{kind}.safetensors")

    def test_tagger(self):
        words = ["ran", "sat", "slept", "sang"], ["dog", "cat", "hen", "ox"], ["slowly", "gladly", "sadly"]
        sentences = []
        for k in range(240):
            noun, verb, adverb = words[1][k % 4], words[0][k // 4 % 4], words[2][k // 16 % 3]
            sentence = [("the", "D"), (noun, "N"), (verb, "V"), (adverb, "R")]
            sentences.append("".join(f"{word}\t{tag}\n" for word, tag in sentence[: 3 + k % 2]))
        (self.folder / "tagged.tsv").write_text("\n".join(sentences), encoding="utf-8")
        small = ["--hidden", "16", "--words", "16", "--letters", "8", "--spelling", "8", "--epochs", "20"]
        output = self.run_program("tagger", "--data", "tagged.tsv", "--test", "tagged.tsv", *small).stdout
        self.assertGreaterEqual(row(output, "bidirectional lstm, words and letters")[0], 0.99, output)
        tagged = self.run_program("tagger", "--tag", "the ox slept badly").stdout  # a word it has not seen
        self.assertRegex(tagged, r"\Athe +ox +slept +badly *\nD +N +V +R *\n\Z")

    def test_gru_vs_lstm(self):
        output = self.run_program("gru_vs_lstm", "--updates", "12", "--seeds", "2", "--hidden", "32").stdout
        counts = [int(re.search(rf"^{cell} +\d+ +([\d,]+)", output, re.M)[1].replace(",", ""))
                  for cell in ["rnn", "gru", "lstm"]]
        self.assertLess(max(counts) / min(counts), 1.03)
        self.check_picture("gru_vs_lstm.svg")

    def test_wrong_use(self):
        (self.folder / "text.txt").write_text("no model\n", encoding="utf-8")
        for name, use in [("music", ["--sample"]), ("names", ["--classify", "x"]), ("tagger", ["--tag", "x"]),
                          ("translate", ["--translate", "x"])]:
            for arguments, status, message in [
                (["--cell", "rmn"], 2, r"--cell: rmn not in \{gru,"),
                (["--data", "nowhere"], 2, "nowhere"),
                ([*use, "--model", "nowhere"], 2, "nowhere: there is no such model"),
                ([*use, "--model", "text.txt"], 2, "text.txt"),
                ([*use, "--hidden", "3"], 2, "--hidden has no meaning with"),
                (["--save", "text.txt", "--data", "nowhere"], 2, "text.txt: exists and is no saved model"),
                (["--hello"], 2, "--hello"),
            ]:
                with self.subTest(name=name, arguments=arguments):
                    error = self.run_program(name, *arguments, status=status).stderr
                    self.assertRegex(error, rf"\A{name}: .*({message})")
                    self.assertEqual(error.count("\n"), 1, error)
        self.assertEqual((self.folder / "text.txt").read_text(encoding="utf-8"), "no model\n")


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1], verbosity=1)
