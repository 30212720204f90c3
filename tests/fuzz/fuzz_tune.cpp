// Tunes in ABC notation are notes that ABC and MIDI can hold: written as either, they are the same notes again.
#include <unroll/data/tune.h>

#include "fuzzing.h"

using namespace unroll;
using namespace unroll::fuzzing;

namespace {

/// Reads a Standard MIDI File as to_midi writes it: format 0, and three kinds of events.
class MidiReader {
 public:
  explicit MidiReader(std::string_view bytes) : bytes_(bytes) {}

  /// How long it lasts, in ticks; and whether every note ends.
  Index ticks() {
    promise(take(4) == "MThd" && number(4) == 6 && number(2) == 0 && number(2) == 1, "a MIDI file has its header");
    promise(number(2) == whole_note / 4, "ticks are 96ths of a whole note");
    promise(take(4) == "MTrk" && number(4) == bytes_.size(), "the track is as long as it says");
    Index ticks = 0;
    std::optional<Index> sounding;
    while (true) {
      ticks += variable();
      const Index status = number(1);
      if (status == 0xFF) {
        const Index kind = number(1);
        const auto data = take(variable());
        if (kind != 0x2F) continue;
        promise(data.empty() && bytes_.empty() && !sounding, "the track ends once, in silence");
        return ticks;
      }
      const Index pitch = number(1), strength = number(1);
      promise(pitch < 128 && strength < 128, "data bytes have seven bits");
      promise(status == (sounding ? 0x80 : 0x90) && pitch == sounding.value_or(pitch), "notes end before others begin");
      sounding = sounding ? std::nullopt : std::optional(pitch);
    }
  }

 private:
  std::string_view take(Index count) {
    promise(count <= bytes_.size(), "the file is whole");
    const auto taken = bytes_.substr(0, count);
    bytes_.remove_prefix(count);
    return taken;
  }
  Index number(Index count) {
    Index n = 0;
    for (const char byte : take(count)) n = n << 8 | static_cast<unsigned char>(byte);
    return n;
  }
  Index variable() {
    Index n = 0;
    for (int count = 1;; ++count) {
      promise(count <= 4, "a number has at most four groups of seven bits");
      const Index byte = number(1);
      n = n << 7 | (byte & 0x7F);
      if (byte < 0x80) return n;
    }
  }

  std::string_view bytes_;
};

}  // namespace

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto tunes = unless_refused<FileError>([&] { return read_abc(file("in.abc", view(data, size))); });
  if (!tunes) return 0;
  promise(!tunes->empty(), "there are tunes");
  for (const Tune& tune : *tunes) {
    promise(valid_utf8(tune.title) && valid_utf8(tune.meter), "texts are UTF-8");
    promise(tune.tonic >= 0 && tune.tonic < 12, "the tonic is within the octave");
    promise(!tune.notes.empty(), "a tune has notes");
    Index ticks = 0;
    for (const Note& note : tune.notes) {
      promise(note.pitch == rest || (note.pitch >= 0 && note.pitch < 128), "pitches are those of MIDI");
      promise(note.duration > 0, "a note lasts");
      ticks += note.duration;
    }
    promise(MidiReader(to_midi(tune.notes)).ticks() == ticks, "MIDI lasts as long as the notes");

    const auto again = parse_abc(to_abc(tune));
    promise(again.size() == 1, "what is written is one tune");
    promise(again[0].notes == tune.notes, "notes are read again");
    promise(again[0].title == tune.title && again[0].meter == tune.meter, "title and meter are read again");
  }
  return 0;
}
