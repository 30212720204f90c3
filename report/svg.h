// What all pictures share: text in XML, and files that never hold half a picture.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>

namespace unroll {

/// Text as XML content: markup escaped, and what XML cannot hold (control characters, broken UTF-8) replaced.
std::string xml_escaped(std::string_view text);

/// Writes the document beside `path` and then renames it. Errors: FileError when it cannot be written.
void save_picture(const std::filesystem::path& path, std::string_view svg);

}  // namespace unroll
