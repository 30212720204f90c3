#include <cmath>
#include <limits>

#include <unroll/layers/beam_search.h>

namespace unroll::detail {

Beams::Beams(Index batch, Id stop, const BeamOptions& options) : options_(options), stop_(stop), finished_(batch) {
  require<UsageError>(options.beam > 0, "beam_search: a beam of 0; at least one beginning must be kept");
  require<UsageError>(options.n_best > 0 && options.n_best <= options.beam,
                      "beam_search: the {} best of a beam of {}; n_best must be 1 … beam", options.n_best,
                      options.beam);
  require<UsageError>(options.length_penalty >= 0, "beam_search: a length penalty of {}; it must not be negative",
                      options.length_penalty);
  if (options.max_length == 0) {
    for (auto& of_source : finished_) of_source.emplace_back();
    return;
  }
  for (Index source = 0; source < batch; ++source) rows_.push_back({{}, source, source, true});
}

Ids Beams::tokens() const {
  std::vector<Id> ids;
  for (const Row& row : rows_) ids.push_back(row.so_far.ids.back());
  return ids;
}

Ids Beams::origins() const {
  std::vector<Id> ids;
  for (const Row& row : rows_) ids.push_back(static_cast<Id>(row.origin));
  return ids;
}

double Beams::score(const Hypothesis& h) const {
  const double length = static_cast<double>(h.ids.size()) + (h.stopped ? 1 : 0);
  return h.log_probability / std::pow((5 + length) / 6, options_.length_penalty);
}

void Beams::finish(Row row, bool stopped) {
  row.so_far.stopped = stopped;
  row.so_far.score = score(row.so_far);
  auto& all = finished_[row.source];
  const auto better = [](const Hypothesis& a, const Hypothesis& b) { return a.score > b.score; };
  all.insert(std::upper_bound(all.begin(), all.end(), row.so_far, better), std::move(row.so_far));
}

void Beams::extend(const Tensor& logits) {
  require(logits.ndim() == 2 && logits.dim(0) == rows_.size(),
          "beam_search: the step returned logits {} for {} tokens; they must be [tokens, V]", logits.shape(),
          rows_.size());
  const Array log_p = log_softmax(Tensor(logits.value().to(f64))).value();
  std::vector<Row> next;
  for (Index begin = 0; begin < rows_.size();) {
    Index end = begin;
    while (end < rows_.size() && rows_[end].source == rows_[begin].source) ++end;
    extend_source(std::span(rows_).subspan(begin, end - begin), begin, log_p, next);
    begin = end;
  }
  rows_ = std::move(next);
}

void Beams::extend_source(std::span<const Row> rows, Index first_row, const Array& log_p, std::vector<Row>& next) {
  const Index source = rows[0].source, classes = log_p.cols();
  struct Candidate {
    double log_probability;
    Index row;
    Id token;
    bool greedy;
  };
  std::vector<Candidate> candidates;
  for (Index r = 0; r < rows.size(); ++r) {
    const double* p = log_p.data<double>() + (first_row + r) * classes;
    const auto top = static_cast<Id>(std::max_element(p, p + classes) - p);
    for (Index token = 0; token < classes; ++token) {
      const auto id = static_cast<Id>(token);
      const double own = std::isnan(p[token]) ? -std::numeric_limits<double>::infinity() : p[token];
      candidates.push_back({rows[r].so_far.log_probability + own, r, id, rows[r].greedy && id == top});
    }
  }
  // Of two that are equally probable, the earlier beginning's, then the lower token: the same on every run.
  const auto better = [](const Candidate& a, const Candidate& b) {
    if (a.log_probability > b.log_probability) return true;
    if (b.log_probability > a.log_probability) return false;
    return std::pair(a.row, a.token) < std::pair(b.row, b.token);
  };
  const Index keep = std::min(options_.beam, candidates.size());
  std::partial_sort(candidates.begin(), candidates.begin() + static_cast<std::ptrdiff_t>(keep), candidates.end(),
                    better);
  const auto is_greedy = [](const Candidate& c) { return c.greedy; };
  const auto rest = candidates.begin() + static_cast<std::ptrdiff_t>(keep);
  const auto greedy = std::find_if(rest, candidates.end(), is_greedy);
  Index kept = keep;
  if (greedy != candidates.end()) std::iter_swap(rest, greedy), ++kept;

  std::vector<Row> live;
  for (Index i = 0; i < kept; ++i) {
    const Candidate& c = candidates[i];
    Row row{rows[c.row].so_far, source, first_row + c.row, c.greedy};
    row.so_far.log_probability = c.log_probability;
    if (c.token == stop_) {
      finish(std::move(row), true);
      continue;
    }
    row.so_far.ids.push_back(c.token);
    if (row.so_far.ids.size() == options_.max_length) {
      finish(std::move(row), false);
    } else {
      live.push_back(std::move(row));
    }
  }
  // Probabilities only fall: without a penalty, beginnings below the n-th finished hypothesis cannot reach it.
  const auto& ended = finished_[source];
  if (ended.size() >= options_.n_best) {
    const bool enough = options_.length_penalty > 0 && ended.size() >= options_.beam;
    const double bar = ended[options_.n_best - 1].log_probability;
    std::erase_if(live, [&](const Row& row) {
      return enough || (options_.length_penalty == 0 && row.so_far.log_probability <= bar);
    });
  }
  for (Row& row : live) next.push_back(std::move(row));
}

std::vector<std::vector<Hypothesis>> Beams::results() const {
  std::vector<std::vector<Hypothesis>> best = finished_;
  for (auto& of_source : best) {
    if (of_source.size() > options_.n_best) of_source.resize(options_.n_best);
  }
  return best;
}

}  // namespace unroll::detail
