// What all readers of labelled texts ask of a label and a text.
#pragma once

#include <algorithm>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <unroll/core/error.h>
#include <unroll/data/labelled.h>
#include <unroll/data/text.h>

namespace unroll {

/// A text as errors show it: a long one by its first 60 characters.
std::string excerpt(std::string_view text);

/// Collects labelled texts and checks each.
class Collector {
 public:
  Collector(std::string name, std::vector<std::string> labels) : name_(std::move(name)), labels_(std::move(labels)) {}

  void add(std::string label, std::string text, Index line) {
    require<FileError>(!is_blank(label), "{}, line {}: the label is empty", name_, line);
    if (!labels_.empty() && std::ranges::find(labels_, label) == labels_.end())
      throw FileError(fmt::format("{}, line {}: label '{}' is none of {}", name_, line, excerpt(label), labels_));
    add_text(std::move(label), std::move(text), line);
  }
  void add_text(std::string label, std::string text, Index line) {
    require<FileError>(!is_blank(text), "{}, line {}: the text is empty", name_, line);
    rows_.push_back({std::move(label), std::move(text)});
  }

  std::vector<Labelled> take(std::string_view what = "labelled texts") {
    require<FileError>(!rows_.empty(), "{}: no {}", name_, what);
    return std::move(rows_);
  }

 private:
  std::string name_;
  std::vector<std::string> labels_;
  std::vector<Labelled> rows_;
};

/// Calls `f(content, line)` for each line of a text with unix line ends that is not blank, lines counted from 1; gives
/// the number of blank ones.
template <class F>
Index for_each_line(std::string_view text, F f) {
  Index blank = 0;
  for (Index begin = 0, line = 1; begin < text.size(); ++line) {
    const Index end = std::min(text.find('\n', begin), text.size());
    const std::string_view content = text.substr(begin, end - begin);
    if (is_blank(content)) {
      ++blank;
    } else {
      f(content, line);
    }
    begin = end + 1;
  }
  return blank;
}

}  // namespace unroll
