// The legal and malformed files of tests/golden/malformed.json.
#pragma once

#include <fstream>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

namespace unroll::testing {

struct FileCase {
  std::string file, wanted, why;
  nlohmann::json content;  // [piece, how often] pairs; the characters of a piece are bytes
  nlohmann::json rows;     // [text, label] pairs where they are known, else null

  std::string bytes() const {
    std::string all;
    for (const auto& run : content) {
      const std::string piece = latin1(run[0].get<std::string>());
      const auto count = run[1].get<std::size_t>();
      all.reserve(all.size() + piece.size() * count);
      for (std::size_t i = 0; i < count; ++i) all += piece;
    }
    return all;
  }

 private:
  /// Code points below 256, which take at most two bytes in UTF-8, as bytes.
  static std::string latin1(const std::string& text) {
    std::string bytes;
    for (std::size_t i = 0; i < text.size(); ++i) {
      const auto first = static_cast<unsigned char>(text[i]);
      bytes += first < 0x80 ? text[i] : static_cast<char>((first & 3) << 6 | (text[++i] & 0x3f));
    }
    return bytes;
  }
};

/// The cases of a kind, "safetensors" or "text".
inline std::vector<FileCase> file_cases(const std::string& kind) {
  std::ifstream file("tests/golden/malformed.json");
  std::vector<FileCase> all;
  const auto cases = nlohmann::json::parse(file);
  for (const auto& found : cases.at(kind)) {
    all.push_back({found.at("file"), found.at("wanted"), found.at("why"), found.at("content"),
                   found.value("rows", nlohmann::json())});
  }
  return all;
}

}  // namespace unroll::testing
