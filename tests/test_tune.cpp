// ABC notation read and written, and MIDI files byte by byte.
#include <doctest/doctest.h>

#include <unroll/core/error.h>
#include <unroll/data/tune.h>

using namespace unroll;

namespace {

std::vector<Note> notes_of(const std::string& body, const std::string& head = "L:1/4\nK:C\n") {
  return parse_abc("X:1\nT:t\n" + head + body + "\n")[0].notes;
}
std::vector<int> pitches_of(const std::string& body, const std::string& key) {
  std::vector<int> all;
  for (const Note& n : notes_of(body, "K:" + key + "\n")) all.push_back(n.pitch);
  return all;
}
std::string refused(const std::string& text) {
  try {
    parse_abc(text, "t.abc");
  } catch (const FileError& error) { return error.what(); }
  return "nothing was refused";
}

}  // namespace

TEST_CASE("abc: pitches, octaves and lengths") {
  CHECK(notes_of("C D2 E/ F3/2 z c' C,, B") ==
        std::vector<Note>{{60, 24}, {62, 48}, {64, 12}, {65, 36}, {rest, 24}, {84, 24}, {36, 24}, {71, 24}});
  CHECK(notes_of("C//", "K:C\n") == std::vector<Note>{{60, 3}});  // an eighth where no L says otherwise
}

TEST_CASE("abc: broken rhythms, triplets and ties") {
  CHECK(notes_of("C>D E<F G>>A") == std::vector<Note>{{60, 36}, {62, 12}, {64, 12}, {65, 36}, {67, 42}, {69, 6}});
  CHECK(notes_of("(3CDE F") == std::vector<Note>{{60, 16}, {62, 16}, {64, 16}, {65, 24}});
  CHECK(notes_of("C-|C D-E") == std::vector<Note>{{60, 48}, {62, 24}, {64, 24}});
}

TEST_CASE("abc: key signatures of all modes, and accidentals that last to the end of the bar") {
  CHECK(pitches_of("FCGDAEB", "D") == std::vector<int>{66, 61, 67, 62, 69, 64, 71});
  CHECK(pitches_of("BEADGCF", "Eb") == std::vector<int>{70, 63, 68, 62, 67, 60, 65});
  CHECK(pitches_of("FB", "Am") == std::vector<int>{65, 71});
  CHECK(pitches_of("FB", "D dorian") == std::vector<int>{65, 71});
  CHECK(pitches_of("FC", "Amix") == std::vector<int>{66, 61});
  CHECK(pitches_of("F^FF|F_BB=B|B", "C") == std::vector<int>{65, 66, 66, 65, 70, 70, 71, 71});
  CHECK(parse_abc("X:1\nK:F#m\nF\n")[0].tonic == 6);
}

TEST_CASE("abc: the unit where no L says, by the meter; keys and units within a line; tuplets of compound meters") {
  for (const auto& [meter, unit] : std::vector<std::pair<std::string, Index>>{
           {"2/4", 6}, {"3/8", 6}, {"11/16", 6}, {"3/4", 12}, {"6/8", 12}, {"C|", 12}, {"none", 12}, {"0/4", 12}}) {
    CAPTURE(meter);
    CHECK(notes_of("C", "M:" + meter + "\nK:C\n") == std::vector<Note>{{60, unit}});
  }
  CHECK(notes_of("C[L:1/8]C [L: 1/16] C2") == std::vector<Note>{{60, 24}, {60, 12}, {60, 12}});
  CHECK(notes_of("F[K:D]F|[M:3/4][K: Bb]B") == std::vector<Note>{{65, 24}, {66, 24}, {70, 24}});
  CHECK(refused("X:1\nK:C\nC[K:H]C\n") == "t.abc: line 3, column 5: a key begins with a letter from A to G, not 'H'");
  CHECK(notes_of("(5CDEFG", "M:4/4\nL:1/4\nK:C\n")[0].duration == 10);  // 24 · 2 / 5
  CHECK(notes_of("(5CDEFG", "M:6/8\nL:1/4\nK:C\n")[0].duration == 14);  // 24 · 3 / 5
  CHECK(notes_of("(7CDEFGAB", "M:12/8\nL:1/4\nK:C\n")[0].duration == 10);
}

TEST_CASE("abc: what cannot be written") {
  CHECK_THROWS_WITH_AS(to_abc({.notes = {{-5, 12}}}), "to_abc: a pitch of -5; it must be 0 … 127", UsageError);
  CHECK_THROWS_WITH_AS(to_abc({.notes = {{128, 12}}}), "to_abc: a pitch of 128; it must be 0 … 127", UsageError);
  CHECK_THROWS_WITH_AS(to_abc({.notes = {{60, 0}}}), "to_abc: a duration of 0; it must be 1 … 9999", UsageError);
}

TEST_CASE("abc: what is passed over") {
  CHECK(notes_of("\"Am\"C{ab}D!trill!E .F ~G |: (AB) :|2 [CEG]2 % words") ==
        std::vector<Note>{{60, 24}, {62, 24}, {64, 24}, {65, 24}, {67, 24}, {69, 24}, {71, 24}, {67, 48}});
  const auto tunes = parse_abc("about this\n\nX:1\nT:one\nM:C|\nK:G\nG\nw:words\n\nX:2\nT:two\nK:C\n\nX:3\nK:C\nC\n");
  REQUIRE(tunes.size() == 2);  // the second has no note
  CHECK(tunes[0].title == "one");
  CHECK(tunes[0].meter == "2/2");
  CHECK(tunes[0].tonic == 7);
}

TEST_CASE("abc: errors name line and column") {
  CHECK(refused("") == "t.abc: there is no tune in ABC notation in it");
  CHECK(refused("X:1\nK:C\nCD&E\n") == "t.abc: line 3, column 3: '&' is no part of a tune");
  CHECK(refused("X:1\nK:H\nC\n") == "t.abc: line 2, column 3: a key begins with a letter from A to G, not 'H'");
  CHECK(refused("X:1\nCDE\n") == "t.abc: line 2, column 1: notes before the key: a tune's head ends with K:");
  CHECK(refused("X:1\nK:C\n\"Am CDE\n") == "t.abc: line 3, column 8: there is no second \"");
  CHECK(refused("X:1\nK:C\n^|\n") == "t.abc: line 3, column 2: expected a note after the accidental");
  CHECK(refused("X:1\nK:C\nC é\n") == "t.abc: line 3, column 3: 'é' is no part of a tune");
  CHECK(refused("X:1\nK:C\nC \xE9\n") == "t.abc: line 3, column 3: '\\xE9' is no part of a tune");
  CHECK(refused("X:1\nK:É\n") == "t.abc: line 2, column 3: a key begins with a letter from A to G, not 'É'");
}

TEST_CASE("abc: a note of more than 104 whole notes is refused, however it came to be so long") {
  CHECK(notes_of("C104", "L:1\nK:C\n") == std::vector<Note>{{60, 9984}});
  CHECK(refused("X:1\nL:1\nK:C\nC105\n") == "t.abc: line 4, column 5: a note cannot be so long");
  CHECK(refused("X:1\nL:9999\nK:C\n(9:9999:9C\n") == "t.abc: line 4, column 11: a note cannot be so long");
  CHECK(refused("X:1\nL:1\nK:C\n[C99]99\n") == "t.abc: line 4, column 8: a note cannot be so long");
  CHECK(refused("X:1\nL:1\nK:C\nC99-C99\n") == "t.abc: line 4, column 8: a note cannot be so long");
  std::string growing = "X:1\nK:C\nC";
  for (int k = 0; k < 200; ++k) growing += "> ";  // each makes it longer by half
  CHECK(refused(growing) == "t.abc: line 3, column 35: a note cannot be so long");
}

TEST_CASE("abc: octaves and accidentals without an end are refused") {
  CHECK(notes_of("C,,,,,,'''''',") == std::vector<Note>{{48, 24}});
  CHECK(refused("X:1\nK:C\nC" + std::string(1000, ',')).ends_with(": a note beyond MIDI's range"));
  CHECK(refused("X:1\nK:C\n" + std::string(1000, '^') + "C").ends_with(": a note beyond MIDI's range"));
}

TEST_CASE("abc: a tune of any meter can be written") {
  for (const char* meter : {"99999/4", "0/4", "4/0", "2+3/8", "none", "18446744073709551615/1", "/", "4/", ""}) {
    CAPTURE(meter);
    const auto tune = parse_abc(fmt::format("X:1\nM:{}\nK:C\nC8 D8\n", meter))[0];
    CHECK(tune.meter == meter);
    CHECK(to_abc(tune) == fmt::format("X:1\nT:\nM:{}\nL:1/8\nK:C\nC8|D8||\n", meter));
  }
}

TEST_CASE("abc: what is written is read back") {
  Tune tune{"air", "3/4", 0, {{60, 24}, {61, 12}, {61, 12}, {60, 24}, {rest, 8}, {96, 64}, {40, 16}, {66, 56}}};
  const auto back = parse_abc(to_abc(tune))[0];
  CHECK(back.notes == tune.notes);
  CHECK(back.title == "air");
  CHECK(back.meter == "3/4");
}

TEST_CASE("midi: the bytes of two notes and a rest") {
  // Format 0, one track, 24 ticks a quarter; tempo 500,000 µs; on 60, off after 22, silence, on 62, …
  const std::string bytes(
      "MThd\0\0\0\x06\0\0\0\x01\0\x18MTrk\0\0\0\x1B"
      "\0\xFF\x51\x03\x07\xA1\x20"
      "\0\x90\x3C\x50\x16\x80\x3C\0"
      "\x1A\x90\x3E\x50\x16\x80\x3E\0"
      "\x02\xFF\x2F\0",
      14 + 8 + 27);
  CHECK(to_midi(std::vector<Note>{{60, 24}, {rest, 24}, {62, 24}}) == bytes);
}

TEST_CASE("midi: chords hold what the next one has too; long times take several bytes") {
  const std::string midi = to_midi(std::vector<Chord>{{{60, 64}, 200}, {{64, 67}, 24}});
  const std::string events("\0\x90\x3C\x50\0\x90\x40\x50\x81\x48\x80\x3C\0\0\x90\x43\x50\x18\x80\x40\0\0\x80\x43\0",
                           25);
  CHECK(midi.find(events) != std::string::npos);
  CHECK_THROWS_WITH_AS(to_midi(std::vector<Note>{{128, 1}}), "to_midi: a pitch of 128; it must be 0 … 127", UsageError);
}

TEST_CASE("midi: a wait too long for one number is cut by empty texts") {
  constexpr Index longest = (Index{1} << 28) - 1;
  const std::string cut("\xFF\xFF\xFF\x7F\xFF\x01\0", 7);
  CHECK(to_midi(std::vector<Note>{{rest, 2 * longest + 5}, {60, 4}}).find(cut + cut + "\x05\x90") != std::string::npos);
  CHECK(to_midi(std::vector<Note>{{rest, longest + 3}}).ends_with(cut + std::string("\x03\xFF\x2F\0", 4)));
}
