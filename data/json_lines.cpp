#include <algorithm>
#include <nlohmann/json.hpp>
#include <string>
#include <unordered_set>

#include <unroll/core/error.h>
#include <unroll/data/collector.h>
#include <unroll/data/labelled.h>
#include <unroll/data/text.h>

namespace unroll {
namespace {

using nlohmann::json;

/// What the parser says, "[…] parse error at line 1, column 5: syntax error …; last read: '…'; expected …", without the
/// place in the line's JSON and without the token that was read: it may be long, end inside of a character, and imitate
/// any part of the message, so that only its length says where it ends.
std::string reason(std::string_view what, std::string_view token) {
  what.remove_prefix(what.find("] ") + 2);
  if (const auto column = what.find(", column "); column != what.npos) what.remove_prefix(what.find(": ", column) + 2);
  constexpr std::string_view last_read = "; last read: '";
  const auto read = what.find(last_read);
  if (read == what.npos) return std::string(what);
  const auto end = std::min(read + last_read.size() + token.size() + 1, what.size());  // behind the closing quote
  return std::string(what.substr(0, read)) + std::string(what.substr(end));
}

/// Takes text and label from the events of one object; the other values pass unbuilt, whatever their depth.
class LabelledObject : public nlohmann::json_sax<json> {
 public:
  LabelledObject(std::string_view line, std::string where, const JsonLinesOptions& options)
      : line_(line), where_(std::move(where)), options_(options) {}

  Labelled take() {
    for (const std::string* key : {&options_.text, &options_.label}) {
      if (!key->empty() && !keys_.contains(*key)) fail(fmt::format("no key '{}' in the object", *key));
    }
    return std::move(row_);
  }

  bool null() override { return other("null"); }
  bool boolean(bool value) override { return label(value ? "true" : "false", "a truth value"); }
  bool number_integer(number_integer_t value) override { return label(fmt::to_string(value), "a number"); }
  bool number_unsigned(number_unsigned_t value) override { return label(fmt::to_string(value), "a number"); }
  bool number_float(number_float_t, const string_t& written) override { return other(excerpt(written)); }
  bool string(string_t& value) override {
    if (awaited_ == &options_.text) {
      row_.text = std::move(value);
      awaited_ = nullptr;
      return true;
    }
    return label(value, "a string");
  }
  bool binary(binary_t&) override { return true; }  // not in JSON: GCOVR_EXCL_LINE

  bool start_object(std::size_t) override {
    if (depth_ > 0) other("an object");
    ++depth_;
    return true;
  }
  bool start_array(std::size_t) override {
    other("a list");
    ++depth_;
    return true;
  }
  bool end_object() override { return leave(); }
  bool end_array() override { return leave(); }

  bool key(string_t& name) override {
    if (depth_ > 1) return true;
    if (!keys_.insert(name).second) fail(fmt::format("the key '{}' stands twice", excerpt(name)));
    awaited_ = name == options_.text                     ? &options_.text
               : name == options_.label && !name.empty() ? &options_.label
                                                         : nullptr;
    return true;
  }

  /// `position` counts the bytes that were read, the offending one included.
  bool parse_error(std::size_t position, const std::string& token, const json::exception& error) override {
    const Index column = 1 + count_characters(line_.substr(0, position - 1));
    throw FileError(fmt::format("{}, column {}: {}", where_, column, reason(error.what(), token)));
  }

 private:
  [[noreturn]] void fail(const std::string& message) const { throw FileError(fmt::format("{}: {}", where_, message)); }

  bool leave() {
    --depth_;
    return true;
  }

  /// A value that can be a label, as it is spelt.
  bool label(std::string written, std::string_view kind) {
    if (awaited_ != &options_.label) return other(kind);
    row_.label = std::move(written);
    awaited_ = nullptr;
    return true;
  }

  /// A value that nobody asked for.
  bool other(std::string_view kind) {
    if (depth_ == 0) fail(fmt::format("the line is {}, expected an object", kind));
    if (awaited_ == &options_.text) fail(fmt::format("'{}' is {}, expected a string", *awaited_, kind));
    if (awaited_ == &options_.label)
      fail(fmt::format("'{}' is {}, expected a string, a whole number, true or false", *awaited_, kind));
    return true;
  }

  std::string_view line_;
  std::string where_;
  const JsonLinesOptions& options_;
  Labelled row_;
  std::unordered_set<std::string> keys_;
  const std::string* awaited_ = nullptr;  // the key whose value comes next, of those asked for
  std::size_t depth_ = 0;
};

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
    LabelledObject object(content, fmt::format("{}, line {}", name, line), options);
    json::sax_parse(content.begin(), content.end(), &object);
    Labelled row = object.take();
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
