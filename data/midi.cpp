#include <algorithm>
#include <cmath>

#include <unroll/core/error.h>
#include <unroll/data/tune.h>

namespace unroll {
namespace {

constexpr Index longest_wait = (Index{1} << 28) - 1;  // four groups of seven bits, as many as the format has

void put_big_endian(std::string& out, Index value, Index bytes) {
  for (Index k = bytes; k-- > 0;) out += static_cast<char>(value >> 8 * k & 0xFF);
}

/// A number in groups of seven bits, all but the last with the eighth bit set.
void put_variable(std::string& out, Index value) {
  std::string groups(1, static_cast<char>(value & 0x7F));
  while (value >>= 7) groups.insert(groups.begin(), static_cast<char>((value & 0x7F) | 0x80));
  out += groups;
}

}  // namespace

std::string to_midi(const std::vector<Chord>& chords, double tempo) {
  require<UsageError>(tempo >= 4 && tempo <= 10'000, "to_midi: a tempo of {}; it must be 4 … 10,000", tempo);
  constexpr Index quarter = whole_note / 4;
  constexpr int velocity = 80;
  std::string track;
  put_variable(track, 0);
  track += "\xFF\x51\x03";
  put_big_endian(track, static_cast<Index>(std::lround(60e6 / tempo)), 3);
  Index waited = 0;
  const auto put_wait = [&] {
    for (; waited > longest_wait; waited -= longest_wait) {
      put_variable(track, longest_wait);
      track += std::string("\xFF\x01\0", 3);  // a text that is empty: something must stand there
    }
    put_variable(track, std::exchange(waited, 0));
  };
  const auto event = [&](int status, int pitch, int strength) {
    put_wait();
    for (const int byte : {status, pitch, strength}) track += static_cast<char>(byte);
  };
  std::vector<int> sounding;
  for (const Chord& chord : chords) {
    for (const int pitch : chord.pitches) {
      require<UsageError>(pitch >= 0 && pitch <= 127, "to_midi: a pitch of {}; it must be 0 … 127", pitch);
    }
    const auto among = [](const std::vector<int>& all, int p) {
      return std::find(all.begin(), all.end(), p) != all.end();
    };
    for (const int pitch : sounding) {
      if (!among(chord.pitches, pitch)) event(0x80, pitch, 0);
    }
    std::vector<int> next;
    for (const int pitch : chord.pitches) {
      if (!among(sounding, pitch) && !among(next, pitch)) event(0x90, pitch, velocity);
      if (!among(next, pitch)) next.push_back(pitch);
    }
    sounding = std::move(next);
    waited += chord.duration;
  }
  for (const int pitch : sounding) event(0x80, pitch, 0);
  put_wait();
  track += std::string("\xFF\x2F\x00", 3);

  std::string file = "MThd";
  put_big_endian(file, 6, 4);
  put_big_endian(file, 0, 2);  // one track
  put_big_endian(file, 1, 2);
  put_big_endian(file, quarter, 2);
  file += "MTrk";
  put_big_endian(file, track.size(), 4);
  return file + track;
}

std::string to_midi(const std::vector<Note>& notes, double tempo) {
  std::vector<Chord> chords;
  for (const Note& n : notes) {
    // A breath between notes, so that one that is repeated is heard twice.
    const Index breath = n.pitch == rest ? 0 : std::min<Index>(2, n.duration / 4);
    chords.push_back({n.pitch == rest ? std::vector<int>() : std::vector<int>{n.pitch}, n.duration - breath});
    if (breath > 0) chords.push_back({{}, breath});
  }
  return to_midi(chords, tempo);
}

}  // namespace unroll
