"""Runs the program of language models as its users do: language_model_program.py PROGRAM TEXT"""

import re
import signal
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

program, text = Path(sys.argv[1]).resolve(), Path(sys.argv[2]).resolve()

# a few seconds of training, also under the sanitizers
small = ["--hidden", "16", "--embed", "8", "--lanes", "8", "--steps", "16", "--dropout", "0.1"]


class Program(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)
        self.book = self.folder / "book.txt"
        self.book.write_text(text.read_text()[:20000])

    def run_program(self, *arguments, status=0):
        done = subprocess.run([program, *arguments], cwd=self.folder, capture_output=True, text=True, timeout=300)
        self.assertEqual(done.returncode, status, done.stdout + done.stderr)
        return done

    def train(self, *arguments, name="model.safetensors"):
        return self.run_program("--data", "book.txt", "--save", name, *small, *arguments)

    def bytes_of(self, name):
        return (self.folder / name).read_bytes()

    def numbers(self, line, output):
        """The three numbers in the row of a table."""
        row = re.search(rf"^{line} +([\d.]+) +([\d.]+) +([\d.]+)$", output, re.M)
        self.assertIsNotNone(row, output)
        return [float(x) for x in row.groups()]

    def test_trains_and_uses_characters(self):
        done = self.train("--epochs", "3", "--rate", "0.02")
        self.assertEqual(len(re.findall(r"^epoch ", done.stderr, re.M)), 12, done.stderr)
        self.assertNotIn("\x1b", done.stdout + done.stderr)  # neither colours nor a progress line: no terminal
        unigram, bigram = self.numbers("unigram", done.stdout), self.numbers("bigram", done.stdout)
        ours = self.numbers("lstm, 1 × 16", done.stdout)
        self.assertLess(ours[0], unigram[0])  # three epochs teach more than frequencies
        self.assertLess(bigram[0], unigram[0])
        self.assertAlmostEqual(ours[2], ours[0] / 0.693147, places=3)  # a character is a token
        self.assertIn("5-gram, Kneser–Ney", done.stdout)
        self.assertIn("does not beat", done.stdout)
        self.assertTrue((self.folder / "model.svg").read_text().startswith("<svg"))

        sample = ["--model", "model.safetensors", "--sample", "40", "--prefix", "The harbour"]
        written = self.run_program(*sample).stdout
        self.assertTrue(written.startswith("The harbour"), written)
        self.assertEqual(len(written), len("The harbour") + 40 + 1)
        self.assertEqual(written, self.run_program(*sample).stdout)
        self.assertNotEqual(written, self.run_program(*sample, "--seed", "2").stdout)
        likeliest = self.run_program(*sample, "--temperature", "0").stdout
        self.assertEqual(likeliest, self.run_program(*sample, "--top-k", "1", "--seed", "5").stdout)
        self.assertEqual(likeliest, self.run_program(*sample, "--top-p", "0.000001", "--seed", "5").stdout)
        self.assertEqual(len(self.run_program("--model", "model.safetensors", "--sample").stdout), 301)

        held_out = self.book.read_text()[-1000:]
        (self.folder / "end.txt").write_text(held_out)
        score = self.run_program("--model", "model.safetensors", "--score", "end.txt").stdout
        self.assertAlmostEqual(self.numbers("end.txt", score)[0], ours[0], delta=0.1)  # other tokens before it
        self.assertIn("1,000 characters, of which 0.00 % are unknown", score)
        (self.folder / "odd.txt").write_text("¿" * 10 + "e" * 30)
        score = self.run_program("--model", "model.safetensors", "--score", "odd.txt").stdout
        self.assertIn("40 characters, of which 25.00 % are unknown", score)

        ranked = self.run_program("--model", "model.safetensors", "--rank", "qzxjqzxj", "the then").stdout
        self.assertRegex(ranked, r"(?s)the then.*qzxjqzxj")
        values = [float(x) for x in re.findall(r"^ *(-[\d.]+) ", ranked, re.M)]
        self.assertEqual(values, sorted(values, reverse=True))

    def test_words(self):
        done = self.run_program("--data", "book.txt", "--save", "model.safetensors", "--level", "word", "--embed", "16",
                                "--hidden", "16", "--tied", "--cell", "gru", "--layers", "2", "--epochs", "1")
        nats, perplexity, bits = self.numbers("gru, 2 × 16", done.stdout)
        self.assertAlmostEqual(perplexity / 2.718281828**nats, 1, places=3)
        self.assertLess(bits, nats / 0.693147)  # a word has several characters
        sample = self.run_program("--model", "model.safetensors", "--sample", "12", "--prefix", "the harbour").stdout
        self.assertTrue(sample.startswith("the harbour "))
        self.assertNotIn("<unk>", sample)
        self.assertIn("ln p", self.run_program("--model", "model.safetensors", "--rank", "the harbour", "of").stdout)

    def test_every_cell_and_the_recipe_of_zaremba(self):
        for cell in ["rnn", "simple-gru", "peephole-lstm"]:
            self.assertIn(f"{cell}, 1 × 16", self.train("--cell", cell, "--updates", "2").stdout)
        (self.folder / "valid.txt").write_text(text.read_text()[-5000:])
        done = self.run_program("--data", "book.txt", "--valid", "valid.txt", "--recipe", "zaremba-small", "--hidden",
                                "10", "--embed", "10", "--epochs", "1", "--quiet")
        self.numbers("lstm, 2 × 10", done.stdout)
        self.assertEqual(done.stderr, "")

    def test_same_seed_same_bytes(self):
        self.train("--updates", "15", "--threads", "1", name="a.safetensors")
        self.train("--updates", "15", "--threads", "2", "--quiet", name="b.safetensors")
        self.train("--updates", "15", "--seed", "2", name="c.safetensors")
        self.assertEqual(self.bytes_of("a.safetensors"), self.bytes_of("b.safetensors"))
        self.assertNotEqual(self.bytes_of("a.safetensors"), self.bytes_of("c.safetensors"))

    def test_interrupted_and_resumed_is_as_if_never_stopped(self):
        plan = ["--data", "book.txt", *small, "--epochs", "4"]
        self.run_program(*plan, "--save", "whole.safetensors")
        running = subprocess.Popen([program, *plan, "--save", "part.safetensors"], cwd=self.folder, text=True,
                                   stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        for line in running.stderr:
            if line.startswith("epoch"):
                running.send_signal(signal.SIGINT)
                break
        rest = running.stderr.read()
        self.assertEqual(running.wait(), 130, rest)
        running.stderr.close()
        self.assertRegex(rest, r"interrupted in epoch [\d.]+; go on with --resume part.safetensors\n$")
        self.assertNotEqual(self.bytes_of("part.safetensors"), self.bytes_of("whole.safetensors"))
        self.run_program("--resume", "part.safetensors", "--quiet")
        self.assertEqual(self.bytes_of("part.safetensors"), self.bytes_of("whole.safetensors"))

        longer = self.run_program("--resume", "part.safetensors", "--epochs", "5", "--save", "more.safetensors")
        self.assertIn("epoch  5.00", longer.stderr)
        self.assertEqual(self.bytes_of("part.safetensors"), self.bytes_of("whole.safetensors"))
        (self.folder / "other.txt").write_text(text.read_text()[1000:21000])
        done = self.run_program("--resume", "part.safetensors", "--data", "other.txt", status=2)
        self.assertRegex(done.stderr, "part.safetensors: was not trained on the text of .*other.txt; give the right one")

    def test_minutes(self):
        done = self.train("--minutes", "0.02", "--epochs", "1000")
        self.assertRegex(done.stderr, r"at [\d,.M]+ tokens/s, [\d,]+ updates, [\d.]+ epochs, fit into 1.2s")

    def test_wrong_command_lines(self):
        self.train("--updates", "1")
        for arguments, message in [
            ([], "there is no text to learn from: give one with --data FILE"),
            (["--data"], "--data"),
            (["--bogus"], "The following argument was not expected: --bogus"),
            (["--data", "book.txt", "--hidden", "0"], "--hidden: 0 is no number from 1 to 1000000"),
            (["--data", "book.txt", "--hidden", "much"], "--hidden"),
            (["--data", "book.txt", "--seed", "-1"], "--seed: -1 is no number from 0 to"),
            (["--data", "book.txt", "--cell", "rmn"], r"--cell: rmn not in \{gru,lstm,"),
            (["--data", "book.txt", "--level", "byte"], r"--level: byte not in \{char,word\}"),
            (["--data", "book.txt", "--dropout", "1"], "--dropout: 1 is no number from 0 to 0.99"),
            (["--data", "book.txt", "--tied"], r"tied weights need embed \(64\) equal to hidden \(512\)"),
            (["--data", "book.txt", "--lanes", "20000"], "stream: "),
            (["--data", "book.txt", "--resume", "model.safetensors", "--hidden", "3"],
             "--hidden has no meaning with --resume"),
            (["--data", "book.txt", "--sample"], "--data has no meaning with --sample"),
            (["--sample", "x", "--model", "model.safetensors"], "--sample"),
            (["--sample", "--top-p", "0", "--model", "model.safetensors"], "--top-p: 0 is no number from 1e-06 to 1"),
        ]:
            with self.subTest(arguments):
                error = self.run_program(*arguments, status=2).stderr
                self.assertRegex(error, rf"\Alanguage_model: .*({message})")
                self.assertEqual(error.count("\n"), 1, error)

    def test_bad_files(self):
        self.train("--updates", "1")
        model = self.bytes_of("model.safetensors")
        (self.folder / "short.safetensors").write_bytes(model[:-5])
        (self.folder / "latin.txt").write_bytes(b"caf\xe9 au lait\n" * 100)
        (self.folder / "blank.txt").write_text(" \n" * 100)
        use = ["--model", "model.safetensors"]
        for arguments, message in [
            (["--data", "nowhere.txt"], "nowhere.txt: cannot be opened"),
            (["--data", "latin.txt"], "latin.txt"),
            (["--data", "blank.txt"], "blank.txt: the text is too short to learn from"),
            (["--data", "book.txt", "--valid", "blank.txt"], "blank.txt"),
            (["--data", "book.txt", "--save", "no/where"], "no/where: there is no folder no"),
            (["--data", "book.txt", "--save", "book.txt"], "book.txt: exists and is no saved model; it stays as it is"),
            (["--sample", "--model", "nowhere"], "nowhere: there is no such model"),
            (["--sample", "--model", "book.txt"], "book.txt"),
            (["--sample", "--model", "short.safetensors"], "short.safetensors"),
            (["--resume", "nowhere"], "nowhere"),
            ([*use, "--score", "nowhere.txt"], "nowhere.txt: cannot be opened"),
            ([*use, "--score", "latin.txt"], "latin.txt"),
        ]:
            with self.subTest(arguments):
                error = self.run_program(*arguments, status=2).stderr
                self.assertIn("language_model: ", error.splitlines()[-1])
                self.assertRegex(error.splitlines()[-1], message)
        self.assertEqual(self.bytes_of("model.safetensors"), model)

    def test_help(self):
        help = self.run_program("--help").stdout
        for option in ["--data", "--level", "--cell", "--dropout", "--resume", "--rank", "--recipe", "--minutes"]:
            self.assertIn(option, help)
        self.assertIn("Examples:", help)


unittest.main(argv=sys.argv[:1])
