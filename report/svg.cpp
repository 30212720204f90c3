#include <fmt/format.h>

#include <cerrno>
#include <fstream>
#include <system_error>

#include <unroll/core/error.h>
#include <unroll/report/svg.h>
#include <unroll/report/text_width.h>

namespace unroll {

std::string xml_escaped(std::string_view text) {
  std::string out;
  while (!text.empty()) {
    const CodePoint c = first_code_point(text);
    switch (c.value) {
      case '&':
        out += "&amp;";
        break;
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      case '"':
        out += "&quot;";
        break;
      case 0xFFFD:
      case 0xFFFE:
      case 0xFFFF:
        out += "\xEF\xBF\xBD";
        break;
      default:
        out += c.value < 0x20 ? std::string_view(" ") : text.substr(0, c.bytes);
    }
    text.remove_prefix(c.bytes);
  }
  return out;
}

void save_picture(const std::filesystem::path& path, std::string_view svg) {
  std::filesystem::path beside = path;
  beside += ".part";
  errno = 0;
  std::ofstream file(beside, std::ios::binary);
  file << svg;
  file.close();
  std::error_code error(file ? 0 : errno, std::generic_category());
  if (file) std::filesystem::rename(beside, path, error);
  if (!file || error) {
    std::error_code ignored;
    std::filesystem::remove(beside, ignored);
    throw FileError(fmt::format("{}: the plot cannot be written: {}", path.string(), error.message()));
  }
}

}  // namespace unroll
