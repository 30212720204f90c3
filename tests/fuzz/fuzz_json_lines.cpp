// Labels and texts of JSON lines are those that the parser finds when it builds each line's object.
#include <nlohmann/json.hpp>

#include <unroll/data/labelled.h>

#include "fuzzing.h"

using namespace unroll;
using namespace unroll::fuzzing;
using nlohmann::json;

namespace {

std::string spelt(const json& label) { return label.is_string() ? label.get<std::string>() : label.dump(); }

std::vector<json> objects_of(const std::filesystem::path& path) {
  std::vector<json> objects;
  const std::string text = read_text(path);
  for (Index begin = 0; begin < text.size();) {
    const Index end = std::min(text.find('\n', begin), text.size());
    const std::string line = text.substr(begin, end - begin);
    if (!is_blank(line)) objects.push_back(json::parse(line));
    begin = end + 1;
  }
  return objects;
}

}  // namespace

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto path = file("in.jsonl", view(data, size));
  for (const std::string label : {"label", ""}) {
    const JsonLinesOptions options{.label = label};
    const auto rows = unless_refused<FileError>([&] { return read_json_lines(path, options); });
    if (!rows) continue;
    const std::vector<json> objects = objects_of(path);
    promise(!rows->empty() && rows->size() == objects.size(), "every line has its object");
    std::string written;
    for (Index i = 0; i < rows->size(); ++i) {
      const auto& row = (*rows)[i];
      promise(row.text == objects[i].at("text").get<std::string>(), "the text is the parser's");
      promise(row.label == (label.empty() ? "" : spelt(objects[i].at(label))), "the label is the parser's");
      promise(valid_utf8(row.text) && valid_utf8(row.label), "labels and texts are UTF-8");
      promise(!is_blank(row.text) && (label.empty() || !is_blank(row.label)), "no label or text is blank");
      written += json{{"text", row.text}, {"label", row.label}}.dump() + "\n";
    }
    const auto again = read_json_lines(file("again.jsonl", written), options);
    for (Index i = 0; i < rows->size(); ++i) {
      promise(again.at(i).text == (*rows)[i].text && again[i].label == (*rows)[i].label,
              "what is written is read again");
    }
  }
  return 0;
}
