#include <algorithm>
#include <cmath>
#include <map>
#include <utility>
#include <vector>

#include "baton/base/random.h"
#include "reference.h"

namespace baton::kernels::reference {
namespace {

/// A token and its logit, later its probability.
using Entry = std::pair<TokenId, double>;

/// Finite logits only, largest first, equal ones by token id.
std::vector<Entry> Sorted(const float* logits, int64_t V) {
  std::vector<Entry> entries;
  for (int64_t i = 0; i < V; ++i) {
    if (std::isfinite(logits[i])) entries.emplace_back(static_cast<TokenId>(i), logits[i]);
  }
  std::stable_sort(entries.begin(), entries.end(),
                   [](const Entry& a, const Entry& b) { return a.second > b.second; });
  return entries;
}

double LogSumExp(const std::vector<Entry>& sorted) {
  double sum = 0;
  for (const Entry& entry : sorted) sum += std::exp(entry.second - sorted[0].second);
  return sorted[0].second + std::log(sum);
}

void ApplyBiasesAndBans(const ops::SampleRow& row, float* logits, int64_t V) {
  for (int64_t i = 0; i < row.biased_tokens; ++i) {
    logits[row.biases[i].token] += row.biases[i].bias;
  }
  for (int64_t i = 0; row.mask != nullptr && i < V; ++i) {
    if ((row.mask[i / 32] >> (i % 32) & 1) == 0) logits[i] = -INFINITY;
  }
  for (int64_t i = 0; i < row.banned_tokens; ++i) logits[row.banned[i]] = -INFINITY;
}

void ApplyPenalties(const ops::SampleRow& row, float* logits) {
  std::map<TokenId, int> output;
  std::map<TokenId, int> all;
  for (int64_t i = 0; i < row.prompt_tokens; ++i) ++all[row.prompt[i]];
  for (int64_t i = 0; i < row.output_tokens; ++i) ++all[row.output[i]], ++output[row.output[i]];
  for (const auto& [token, count] : all) {
    float& logit = logits[token];
    logit = logit > 0 ? logit / row.repetition_penalty : logit * row.repetition_penalty;
  }
  for (const auto& [token, count] : output) {
    logits[token] -= static_cast<float>(count) * row.frequency_penalty;
    logits[token] -= row.presence_penalty;
  }
}

/// Cuts by top_k, top_p (of what top_k left) and min_p (of the most likely), `sorted` in place.
void Cut(const ops::SampleRow& row, std::vector<Entry>& sorted) {
  if (row.top_k > 0 && static_cast<size_t>(row.top_k) < sorted.size()) {
    sorted.resize(static_cast<size_t>(row.top_k));
  }
  const double largest = sorted[0].second;
  double mass = 0;
  for (Entry& entry : sorted) {
    entry.second = std::exp((entry.second - largest) / row.temperature);
    mass += entry.second;
  }
  if (row.top_p < 1) {
    size_t kept = 0;
    double sum = 0;
    while (kept < sorted.size() && sum < row.top_p * mass) sum += sorted[kept++].second;
    sorted.resize(std::max<size_t>(kept, 1));
  }
  std::erase_if(sorted, [&](const Entry& entry) { return entry.second < row.min_p; });
}

TokenId Draw(const ops::SampleRow& row, std::vector<Entry> sorted) {
  if (row.temperature == 0) return sorted[0].first;
  Cut(row, sorted);
  std::sort(sorted.begin(), sorted.end());
  double mass = 0;
  for (const Entry& entry : sorted) mass += entry.second;
  const double target = mass * double{UniformAt(row.seed, static_cast<uint64_t>(row.position))};
  double sum = 0;
  for (const Entry& entry : sorted) {
    sum += entry.second;
    if (sum > target) return entry.first;
  }
  return sorted.back().first;
}

void SampleRowReference(const ops::SampleParams& p, int64_t r) {
  const ops::SampleRow& row = p.rows[r];
  float* logits = p.logits + r * p.V;
  const std::vector<Entry> raw = Sorted(logits, p.V);
  const std::vector<float> raw_logits(logits, logits + p.V);
  if (row.given >= 0) {
    p.out[r] = {.token = row.given};
  } else {
    ApplyBiasesAndBans(row, logits, p.V);
    ApplyPenalties(row, logits);
    const std::vector<Entry> sorted = Sorted(logits, p.V);
    p.out[r] = {.token = sorted.empty() ? -1 : Draw(row, sorted)};
  }
  if (p.tokens != nullptr) p.tokens[r] = std::max(p.out[r].token, 0);
  if (row.logprobs < 0) return;
  const double log_sum = raw.empty() ? 0 : LogSumExp(raw);
  if (p.out[r].token >= 0) {
    const auto drawn = static_cast<size_t>(p.out[r].token);
    p.out[r].logprob = static_cast<float>(raw_logits[drawn] - log_sum);
    if (row.given >= 0) {
      const auto likelier = [&](const Entry& entry) { return entry.second > raw_logits[drawn]; };
      p.out[r].rank = 1 + static_cast<int32_t>(std::count_if(raw.begin(), raw.end(), likelier));
    }
  }
  for (int32_t i = 0; i < row.logprobs; ++i) {
    const auto rank = static_cast<size_t>(i);
    p.top[r * p.top_stride + i] =
        rank < raw.size()
            ? ops::SampledToken{.token = raw[rank].first,
                                .logprob = static_cast<float>(raw[rank].second - log_sum)}
            : ops::SampledToken{.token = -1, .logprob = -INFINITY};
  }
}

}  // namespace

void Sample(const ops::SampleParams& p, device::Stream&) {
  for (int64_t r = 0; r < p.R; ++r) SampleRowReference(p, r);
}

}  // namespace baton::kernels::reference
