#!/usr/bin/env python3
"""Computes metrics with scikit-learn, sacrebleu and RapidFuzz and writes them to metric_values.h beside this script.

Needs `pip install scikit-learn sacrebleu rapidfuzz` (1.9.1, 2.6.0 and 3.14.6 made the file).
"""
import random
import warnings
from pathlib import Path

from rapidfuzz.distance import Levenshtein
from sacrebleu.metrics import BLEU
from sklearn import metrics

warnings.filterwarnings("ignore")
draw = random.Random(20260101)


def quoted(string):
    """A C++ literal of any UTF-8: octal escapes end after three digits, whatever follows."""
    plain = [chr(b) if 32 <= b < 127 and chr(b) not in '"\\?' else f"\\{b:03o}" for b in string.encode()]
    return '"' + "".join(plain) + '"'


def listed(values):
    return "{" + ", ".join(map(str, values)) + "}"


def number(value):
    return repr(float(value))


# ---- classes

def classification(classes, n, occur, predict):
    """n items; only classes below `occur` occur, only those of `predict` are predicted, half of them rightly."""
    actual = [draw.randrange(occur) for _ in range(n)]
    predicted = [a if a in predict and draw.random() < 0.5 else draw.choice(predict) for a in actual]
    scores = [[draw.uniform(-1, 1) for _ in range(classes)] for _ in range(n)]

    def average(kind):
        return listed(map(number, metrics.precision_recall_fscore_support(actual, predicted, average=kind)[:3]))

    def top(k):
        if k == classes:
            return 1.0
        if classes == 2:  # scikit-learn takes one score per item here
            return metrics.accuracy_score(actual, [row.index(max(row)) for row in scores])
        return metrics.top_k_accuracy_score(actual, scores, k=k, labels=range(classes))

    return (f"  {{{classes}, {listed(actual)}, {listed(predicted)},\n"
            f"   {average('micro')}, {average('macro')}, {average('weighted')},\n"
            f"   {number(metrics.matthews_corrcoef(actual, predicted))},\n"
            f"   {listed(number(s) for row in scores for s in row)},\n"
            f"   {listed(number(top(k)) for k in range(1, classes + 1))}}},")


CLASSIFICATIONS = [classification(2, 30, 2, [0, 1]), classification(3, 40, 3, [0, 1, 2]),
                   classification(5, 40, 4, [0, 1, 2]), classification(4, 25, 3, [1, 2, 3])]

ACTUAL = [draw.gauss(0, 3) for _ in range(20)]
PREDICTED = [a + draw.gauss(0.5, 1) for a in ACTUAL]

# ---- edits

ALPHABETS = ["ab", "abcdefgh", "aäöß東京\U0001f600"]


def text(alphabet, longest):
    return "".join(draw.choice(alphabet) for _ in range(draw.randint(0, longest)))


def edited(string, alphabet):
    out = []
    for c in string:
        roll = draw.random()
        if roll < 0.1:
            continue
        out.append(draw.choice(alphabet) if roll < 0.2 else c)
        if roll > 0.9:
            out.append(draw.choice(alphabet))
    return "".join(out)


EDITS = [("kitten", "sitting"), ("", ""), ("", "abc"), ("abc", ""), ("abc", "abc"), ("ab", "ba")]
for alphabet in ALPHABETS:
    for _ in range(12):
        a = text(alphabet, 24)
        EDITS.append((a, text(alphabet, 24) if draw.random() < 0.4 else edited(a, alphabet)))

# ---- BLEU

WORDS = "the a cat dog sat lay on under mat rug , .".split()


def sentence(shortest, longest):
    return [draw.choice(WORDS) for _ in range(draw.randint(shortest, longest))]


def close_to(words):
    return edited_words(words) or ["the"]


def edited_words(words):
    return [draw.choice(WORDS) if draw.random() < 0.2 else w for w in words if draw.random() > 0.08]


def corpus(n, references, shortest=4, longest=14):
    rows = []
    for _ in range(n):
        first = sentence(shortest, longest)
        rows.append((close_to(first), [first] + [close_to(first) for _ in range(references - 1)]))
    return rows


BLEU_CORPORA = [corpus(5, 1), corpus(6, 3), corpus(4, 2, 1, 3), corpus(1, 2, 6, 8),
                [("the the the the the the the".split(), ["the cat is on the mat".split()])],
                [("a b c d e f".split(), ["a b c d e f".split()])],
                [("x y".split(), ["a b".split()])]]
# The hypothesis is as far from one reference as from the other: the shorter one counts.
BLEU_CORPORA.append([("a b c d e f".split(), ["a b c d e f g h".split(), "a b c d".split()])])


def bleu(rows, **options):
    streams = [[" ".join(refs[r]) for _, refs in rows] for r in range(len(rows[0][1]))]
    hypotheses = [" ".join(h) for h, _ in rows]
    score = BLEU(tokenize="none", effective_order=False, **options).corpus_score(hypotheses, streams)
    return (f"{{{number(score.score / 100)}, {listed(number(p / 100) for p in score.precisions)}, {number(score.bp)}, "
            f"{score.sys_len}, {score.ref_len}}}")


def words(line):
    return "{" + ", ".join(map(quoted, line)) + "}"


def bleu_case(rows):
    lines = ",\n    ".join(f"{{{words(h)}, {{{', '.join(map(words, refs))}}},\n     "
                           f"{bleu([(h, refs)], smooth_method='add-k', smooth_value=1)}}}" for h, refs in rows)
    return f"  {{{{\n    {lines}}},\n   {bleu(rows, smooth_method='none')}}},"


newline = "\n"
(Path(__file__).resolve().parent / "metric_values.h").write_text(f"""\
#pragma once

// Metrics by scikit-learn (classes, errors), RapidFuzz (edits) and sacrebleu (BLEU, with tokenize="none").
// Made by make_metrics.py; do not edit.

#include <string>
#include <vector>

// clang-format off
namespace unroll::golden {{

struct Classification {{
  int classes;
  std::vector<int> actual, predicted;
  std::vector<double> micro, macro, weighted;  // precision, recall, F1
  double matthews;
  std::vector<double> scores;  // [N, classes]
  std::vector<double> top;     // element k - 1: top-k accuracy of the scores
}};
inline const std::vector<Classification> classifications{{
{newline.join(CLASSIFICATIONS)}
}};

inline const std::vector<double> error_actual{listed(map(number, ACTUAL))};
inline const std::vector<double> error_predicted{listed(map(number, PREDICTED))};
inline constexpr double mean_absolute_error = {number(metrics.mean_absolute_error(ACTUAL, PREDICTED))};
inline constexpr double mean_squared_error = {number(metrics.mean_squared_error(ACTUAL, PREDICTED))};

struct Edits {{
  std::string a, b;
  std::size_t distance;
}};
inline const std::vector<Edits> edits{{
{newline.join(f"  {{{quoted(a)}, {quoted(b)}, {Levenshtein.distance(a, b)}}}," for a, b in EDITS)}
}};

struct BleuValue {{
  double score;
  std::vector<double> precisions;
  double brevity_penalty;
  std::size_t length, reference_length;
}};
struct BleuSentence {{
  std::vector<std::string> hypothesis;
  std::vector<std::vector<std::string>> references;
  BleuValue smoothed;  // smooth_method="add-k", smooth_value=1
}};
struct BleuCorpus {{
  std::vector<BleuSentence> sentences;
  BleuValue value;  // smooth_method="none"
}};
inline const std::vector<BleuCorpus> bleu_corpora{{
{newline.join(map(bleu_case, BLEU_CORPORA))}
}};

}}  // namespace unroll::golden
// clang-format on
""", encoding="utf-8")
