#include <algorithm>
#include <string>
#include <unordered_set>

#include <unroll/core/error.h>
#include <unroll/data/collector.h>
#include <unroll/data/json_cursor.h>
#include <unroll/data/labelled.h>
#include <unroll/data/text.h>

namespace unroll {
namespace {

/// The spelling of a string, a whole number or a truth value.
std::string label_at(JsonCursor& cursor, const std::string& key) {
  constexpr std::string_view expected = "a string, a whole number, true or false";
  const Index begin = cursor.byte();
  const std::string_view kind = cursor.kind();
  if (kind == "a string") return cursor.string();
  const std::string_view written = cursor.value();
  if (kind == "a number" && written.find_first_of(".eE") != std::string_view::npos)
    cursor.fail_at(begin, fmt::format("'{}' is {}, expected {}", key, excerpt(written), expected));
  if (kind != "a number" && kind != "a truth value")
    cursor.fail_at(begin, fmt::format("'{}' is {}, expected {}", key, kind, expected));
  return std::string(written);
}

std::string text_at(JsonCursor& cursor, const std::string& key) {
  const std::string_view kind = cursor.kind();
  const Index begin = cursor.byte();
  if (kind != "a string") {
    cursor.value();
    cursor.fail_at(begin, fmt::format("'{}' is {}, expected a string", key, kind));
  }
  return cursor.string();
}

Labelled object_of(JsonCursor& cursor, const JsonLinesOptions& options) {
  Labelled row;
  std::unordered_set<std::string> keys;
  const Index begin = cursor.byte();
  if (!cursor.take('{')) cursor.fail_expecting("an object, '{'");
  while (cursor.peek() != '}') {
    const Index key_begin = cursor.byte();
    const std::string key = cursor.key();
    if (!keys.insert(key).second) cursor.fail_at(key_begin, fmt::format("the key '{}' stands twice", excerpt(key)));
    if (key == options.text) {
      row.text = text_at(cursor, key);
    } else if (key == options.label && !key.empty()) {
      row.label = label_at(cursor, key);
    } else {
      cursor.value();
    }
    if (!cursor.take(',')) {
      if (cursor.peek() != '}') cursor.fail_expecting("',' or '}'");
    } else if (cursor.peek() == '}') {
      cursor.fail_expecting("a key in quotes");
    }
  }
  cursor.take('}');
  if (!cursor.at_end()) cursor.fail_expecting("the end behind the object");
  for (const std::string* key : {&options.text, &options.label}) {
    if (!key->empty() && !keys.contains(*key)) cursor.fail_at(begin, fmt::format("no key '{}' in the object", *key));
  }
  return row;
}

}  // namespace

std::vector<Labelled> read_json_lines(const std::filesystem::path& path, const JsonLinesOptions& options,
                                      ReadReport* report) {
  require<UsageError>(!options.text.empty() && options.text != options.label,
                      "read_json_lines: the keys are '{}' for the text and '{}' for the label, expected two of them",
                      options.text, options.label);
  const std::string name = path.string();
  Collector collector(name, options.labels);
  const std::string text = read_text(path);
  const Index blank_lines = for_each_line(text, [&](std::string_view content, Index line) {
    JsonCursor cursor(content, [&](Index byte, const std::string& message) {
      throw FileError(fmt::format("{}, line {}, column {}: {}", name, line,
                                  1 + count_characters(content.substr(0, byte)), message));
    });
    Labelled row = object_of(cursor, options);
    if (options.label.empty()) {
      collector.add_text({}, std::move(row.text), line);
    } else {
      collector.add(std::move(row.label), std::move(row.text), line);
    }
  });
  if (report) *report = {.latin1 = false, .blank_lines = blank_lines};
  return collector.take(options.label.empty() ? "texts" : "labelled texts");
}

}  // namespace unroll
