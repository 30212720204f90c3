// Tunes and frames for `music`, as sequences that a network reads.
#pragma once

#include <charconv>
#include <sstream>

#include <unroll/examples/program.h>

namespace music {

using namespace program;

constexpr Index keys = 88;      // of a piano
constexpr int lowest_key = 21;  // its pitch in MIDI

/// A piece for several voices: the keys that sound in each frame.
using Frames = std::vector<std::vector<int>>;

/// A frame is a line of pitches between blanks, or '.' for a silence; an empty line ends a piece.
/// Errors: FileError with the line for what is no pitch from 21 to 108.
inline std::vector<Frames> read_frames(const std::string& path) {
  std::vector<Frames> pieces;
  Frames piece;
  std::istringstream lines(read_text(path));
  Index number = 0;
  const auto finish = [&] {
    if (!piece.empty()) pieces.push_back(std::exchange(piece, {}));
  };
  for (std::string line; std::getline(lines, line);) {
    ++number;
    if (is_blank(line)) {
      finish();
      continue;
    }
    auto& frame = piece.emplace_back();
    for (const std::string& word : split_whitespace(line)) {
      if (word == ".") continue;
      int pitch = 0;
      const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), pitch);
      const bool good = error == std::errc() && end == word.data() + word.size() && pitch >= lowest_key &&
                        pitch < lowest_key + static_cast<int>(keys);
      require<FileError>(good, "{}: line {}: expected pitches from 21 to 108 or '.', found \"{}\"", path, number, word);
      frame.push_back(pitch);
    }
  }
  finish();
  require<FileError>(!pieces.empty(), "{}: there is no frame in it", path);
  return pieces;
}

/// Whether a file has frames, and not ABC notation: its first line that is not empty has digits, blanks and dots only.
inline bool has_frames(const std::string& path) {
  std::istringstream lines(read_text(path));
  for (std::string line; std::getline(lines, line);) {
    if (!is_blank(line)) return line.find_first_not_of("0123456789. ") == std::string::npos;
  }
  return false;
}

/// A batch of pieces [T, B, 88] of ones and zeros: `now` holds the frame before each of `next`, zeros before the first.
struct FrameBatch {
  Tensor now;
  Array next;
  std::vector<Index> lengths;
  Index frames = 0;
};
inline FrameBatch batch_of(const std::vector<const Frames*>& pieces) {
  FrameBatch batch;
  Index steps = 0;
  for (const Frames* piece : pieces) {
    batch.lengths.push_back(piece->size());
    batch.frames += piece->size();
    steps = std::max(steps, piece->size());
  }
  Array now = Array::zeros({steps, pieces.size(), keys}, f32);
  batch.next = now.copy();
  for (Index b = 0; b < pieces.size(); ++b) {
    for (Index t = 0; t < pieces[b]->size(); ++t) {
      for (const int pitch : (*pieces[b])[t]) {
        const auto at = [&](Index time) {
          return (time * pieces.size() + b) * keys + static_cast<Index>(pitch - lowest_key);
        };
        batch.next.set_flat(at(t), 1);
        if (t + 1 < pieces[b]->size()) now.set_flat(at(t + 1), 1);
      }
    }
  }
  batch.now = now;
  return batch;
}

/// Batches of pieces of like length, in an order that the random numbers choose.
inline std::vector<FrameBatch> batches_of(const std::vector<Frames>& pieces, Index size, Random& random) {
  std::vector<Index> order(pieces.size());
  std::iota(order.begin(), order.end(), Index{0});
  random.shuffle(order);
  std::stable_sort(order.begin(), order.end(), [&](Index a, Index b) { return pieces[a].size() > pieces[b].size(); });
  std::vector<FrameBatch> batches;
  for (Index begin = 0; begin < order.size(); begin += size) {
    std::vector<const Frames*> some;
    for (Index i = begin; i < std::min(order.size(), begin + size); ++i) some.push_back(&pieces[order[i]]);
    batches.push_back(batch_of(some));
  }
  random.shuffle(batches);
  return batches;
}

/// What each key does after having sounded or not, by counts (add-one): each key for itself. Mean nats per frame.
inline double nats_of_keys(const std::vector<Frames>& train, const std::vector<Frames>& test, bool see_before) {
  std::vector<std::array<double, 4>> counts(keys, {1, 1, 1, 1});  // [before][now]
  const auto each = [&](const std::vector<Frames>& pieces, auto f) {
    for (const Frames& piece : pieces) {
      std::vector<char> before(keys, 0);
      for (const auto& frame : piece) {
        std::vector<char> now(keys, 0);
        for (const int pitch : frame) now[static_cast<Index>(pitch - lowest_key)] = 1;
        for (Index k = 0; k < keys; ++k) f(k, see_before ? before[k] : 0, now[k]);
        before = now;
      }
    }
  };
  each(train, [&](Index k, int before, int now) { counts[k][static_cast<Index>(2 * before + now)] += 1; });
  double nats = 0, frames = 0;
  each(test, [&](Index k, int before, int now) {
    const auto at = static_cast<Index>(2 * before);
    nats -= std::log(counts[k][at + static_cast<Index>(now)] / (counts[k][at] + counts[k][at + 1]));
  });
  for (const Frames& piece : test) frames += static_cast<double>(piece.size());
  return nats / frames;
}

// ---- tunes

/// "M:3/4", then a token for each note: "67:12" is a g of an eighth, "r:24" a rest. In the key of C, so that all tunes
/// of one mode share their notes.
inline std::vector<std::string> tokens_of(const Tune& tune) {
  std::vector<std::string> tokens{"M:" + tune.meter};
  const int down = tune.tonic > 6 ? tune.tonic - 12 : tune.tonic;
  for (const Note& n : tune.notes) {
    tokens.push_back(n.pitch == rest ? fmt::format("r:{}", n.duration)
                                     : fmt::format("{}:{}", n.pitch - down, n.duration));
  }
  return tokens;
}
inline Tune tune_of(const std::vector<std::string>& tokens, const std::string& title) {
  Tune tune{title, "4/4", 0, {}};
  for (const std::string& token : tokens) {
    const Index colon = token.find(':');
    if (colon == std::string::npos) continue;
    if (token[0] == 'M') {
      tune.meter = token.substr(2);
    } else {
      const int pitch = token[0] == 'r' ? rest : std::atoi(token.c_str());
      tune.notes.push_back({pitch, static_cast<Index>(std::atoi(token.c_str() + colon + 1))});
    }
  }
  return tune;
}

}  // namespace music
