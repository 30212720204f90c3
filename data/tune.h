// Tunes as notes: what ABC and MIDI files are read into and written from.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include <unroll/core/ids.h>

namespace unroll {

/// Durations are counted in 96ths of a whole note: an eighth is 12, an eighth of a triplet 8.
inline constexpr Index whole_note = 96;

struct Note {
  int pitch = 60;      ///< as in MIDI, where 60 is middle C; `rest` for a silence
  Index duration = 0;  ///< in 96ths of a whole note
  bool operator==(const Note&) const = default;
};
inline constexpr int rest = -1;

struct Tune {
  std::string title;
  std::string meter = "4/4";
  int tonic = 0;  ///< the key's first note, as semitones above C
  std::vector<Note> notes;
};

/// The tunes of a text in ABC notation (version 2.1): one voice, with the fields X, T, M, L and K (the last two also
/// within a line), notes, rests, broken rhythms, triplets and other tuplets of equal notes, ties, accidentals for the
/// rest of their bar and the key signatures of all modes. Repeats are read once; chord names, grace notes, decorations
/// and words are passed over, and of notes that sound together the highest is kept. `name` stands for the file in
/// errors. Errors: FileError with line and column for what is none of this and for a note of more than 104 whole notes;
/// and for a text without a tune.
std::vector<Tune> parse_abc(std::string_view text, std::string_view name = "abc");
/// Of a file. Errors: as `parse_abc` and `read_text`.
std::vector<Tune> read_abc(const std::filesystem::path& path);

/// The tune in ABC notation, in the key of C: accidentals are written out. Bars end where the meter says, if a note
/// does; a meter that is no fraction counts as 4/4. Errors: UsageError for a pitch outside 0 … 127 (and no rest), or a
/// duration of 0 or of more than 104 whole notes.
std::string to_abc(const Tune& tune);

/// Notes that sound together from `start` on, for `duration`: a chord of a piece for several voices.
struct Chord {
  std::vector<int> pitches;
  Index duration = 0;
};

/// The bytes of a Standard MIDI File (format 0) that plays the notes one after the other, at `tempo` quarter notes a
/// minute, on the piano. Errors: UsageError for a pitch outside 0 … 127 (and no rest), or a tempo outside 4 … 10,000.
std::string to_midi(const std::vector<Note>& notes, double tempo = 120);
/// The same for chords; one without pitches is a silence. A pitch that stands in the next chord too is held.
std::string to_midi(const std::vector<Chord>& chords, double tempo = 120);

}  // namespace unroll
