"""A language model of words in PyTorch, trained for some seconds: what ./run language-model --recipe zaremba-small is
measured beside.

It is the small model of "Recurrent neural network regularization" (Zaremba, Sutskever and Vinyals, 2014): two LSTM
layers of 200, embeddings of 200, 10,000 words; 20 lanes of the text in chunks of 20 steps, from one to the next of
which the state is carried; SGD at rate 1 on the loss summed over the steps and averaged over the lanes, the gradients
clipped at norm 5; all parameters uniform in ±0.1 at the start; no dropout.
"""
import argparse
import json
import time
from collections import Counter
from pathlib import Path

import common

VOCABULARY, WIDTH, LAYERS, LANES, STEPS = 10_000, 200, 2, 20, 20

parser = argparse.ArgumentParser(description="Tokens per second of a language model in PyTorch.")
parser.add_argument("--data", type=Path, required=True, metavar="FILE", help="the text: words between blanks")
parser.add_argument("--seconds", type=float, default=30, help="how long to train, after 10 chunks to warm up")
parser.add_argument("--threads", type=int, default=1)
args = parser.parse_args()
common.limit_threads(args.threads)

import torch
from torch import nn

torch.set_num_threads(args.threads)
torch.manual_seed(1)


class LanguageModel(nn.Module):
    def __init__(self, vocabulary):
        super().__init__()
        self.embedding = nn.Embedding(vocabulary, WIDTH)
        self.lstm = nn.LSTM(WIDTH, WIDTH, num_layers=LAYERS)
        self.head = nn.Linear(WIDTH, vocabulary)
        for parameter in self.parameters():
            nn.init.uniform_(parameter, -0.1, 0.1)

    def forward(self, ids, state):
        outputs, state = self.lstm(self.embedding(ids), state)
        return self.head(outputs), state


def read_ids(path):
    """The ids of all words, with <eos> for each line's end and <unk> for the words that do not fit."""
    with path.open(encoding="utf-8") as file:
        words = [word for line in file for word in (*line.split(), "<eos>")]
    counts = Counter(words)
    others = [word for word, _ in counts.most_common() if word not in ("<unk>", "<eos>")]
    vocabulary = {word: i for i, word in enumerate(["<unk>", "<eos>", *others[:VOCABULARY - 2]])}
    return torch.tensor([vocabulary.get(word, 0) for word in words]), len(vocabulary)


def chunks(ids):
    """Epoch after epoch of (inputs [T, B], targets [T, B], whether an epoch begins)."""
    length = (len(ids) - 1) // LANES
    inputs = ids[:LANES * length].view(LANES, length).T.contiguous()
    targets = ids[1:LANES * length + 1].view(LANES, length).T.contiguous()
    while True:
        for t in range(0, length, STEPS):
            yield inputs[t:t + STEPS], targets[t:t + STEPS], t == 0


ids, vocabulary = read_ids(args.data)
if len(ids) <= LANES:
    parser.error(f"{args.data}: {len(ids)} words are too few for {LANES} lanes")
model = LanguageModel(vocabulary)
optimizer = torch.optim.SGD(model.parameters(), lr=1)
text = chunks(ids)
state = None


def train():
    """One update; returns its loss, summed over the tokens, and their number."""
    global state
    inputs, targets, first = next(text)
    if first:
        state = None
    logits, state = model(inputs, state)
    state = tuple(s.detach() for s in state)
    loss = nn.functional.cross_entropy(logits.flatten(0, 1), targets.flatten(), reduction="sum")
    optimizer.zero_grad()
    (loss / LANES).backward()
    nn.utils.clip_grad_norm_(model.parameters(), 5)
    optimizer.step()
    return loss.item(), inputs.numel()


for _ in range(10):
    train()
losses, tokens, updates, begin = 0, 0, 0, time.perf_counter()
while (seconds := time.perf_counter() - begin) < args.seconds:
    loss, count = train()
    losses, tokens, updates = losses + loss, tokens + count, updates + 1
print(json.dumps({"peer": "torch-language-model", "version": torch.__version__, "threads": args.threads,
                  "tokens_per_s": round(tokens / seconds, 1), "updates": updates,
                  "nats_per_token": round(losses / tokens, 4), "peak_rss_mb": common.peak_rss_mb()}))
