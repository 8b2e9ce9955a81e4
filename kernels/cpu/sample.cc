#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <vector>

#include "baton/base/check.h"
#include "baton/base/random.h"
#include "baton/base/units.h"
#include "drivers.h"

namespace baton::kernels::cpu {
namespace {

constexpr float kLowest = -std::numeric_limits<float>::infinity();

/// A token that may be drawn and its logit, later its weight.
struct Candidate {
  TokenId token = 0;
  float value = 0;
};

bool Likelier(const Candidate& a, const Candidate& b) {
  return a.value != b.value ? a.value > b.value : a.token < b.token;
}

/// One row after another, with memory that they share.
class RowSampler {
 public:
  RowSampler(const Isa& isa, const ops::SampleParams& p)
      : isa_(isa),
        p_(p),
        block_max_(static_cast<size_t>(CeilDiv(p.V, kMaxBlock))),
        sums_(static_cast<size_t>(CeilDiv(p.V, kSumBlock))) {}

  void SampleRow(int64_t r) {
    const ops::SampleRow& row = p_.rows[r];
    float* logits = p_.logits + r * p_.V;
    isa_.keep_finite(logits, p_.V);
    if (row.logprobs >= 0) raw_.assign(logits, logits + p_.V);
    ops::SampledToken& out = p_.out[r];
    if (row.given >= 0) {
      CheckToken(row.given);
      out = {.token = row.given};
    } else {
      ApplyBiases(row, logits);
      ApplyBans(row, logits);
      ApplyPenalties(row, logits);
      out = {.token = Draw(row, logits)};
    }
    if (p_.tokens != nullptr) p_.tokens[r] = std::max(out.token, 0);
    if (row.logprobs >= 0) WriteLogprobs(row, out, p_.top + r * p_.top_stride);
  }

 private:
  void ApplyBiases(const ops::SampleRow& row, float* logits) {
    for (int64_t i = 0; i < row.biased_tokens; ++i) {
      CheckToken(row.biases[i].token);
      logits[row.biases[i].token] += row.biases[i].bias;
    }
  }

  void ApplyBans(const ops::SampleRow& row, float* logits) {
    for (int64_t i = 0; i < row.banned_tokens; ++i) {
      CheckToken(row.banned[i]);
      logits[row.banned[i]] = kLowest;
    }
    if (row.mask != nullptr) isa_.keep_masked(logits, row.mask, p_.V);
  }

  void ApplyPenalties(const ops::SampleRow& row, float* logits) {
    const bool repetition = row.repetition_penalty != 1.0f;
    if (!repetition && row.frequency_penalty == 0 && row.presence_penalty == 0) return;
    counts_.resize(static_cast<size_t>(p_.V));
    seen_.clear();
    for (int64_t i = 0; repetition && i < row.prompt_tokens; ++i) Count(row.prompt[i], 0);
    for (int64_t i = 0; i < row.output_tokens; ++i) Count(row.output[i], 1);
    for (const TokenId token : seen_) {
      float& logit = logits[token];
      Tally& tally = counts_[static_cast<size_t>(token)];
      if (repetition) {
        logit = logit > 0 ? logit / row.repetition_penalty : logit * row.repetition_penalty;
      }
      if (tally.output > 0) {
        logit -= static_cast<float>(tally.output) * row.frequency_penalty;
        logit -= row.presence_penalty;
      }
      tally = {};
    }
  }

  void Count(TokenId token, int32_t output) {
    CheckToken(token);
    Tally& tally = counts_[static_cast<size_t>(token)];
    if (!tally.seen) seen_.push_back(token);
    tally.seen = true;
    tally.output += output;
  }

  void CheckToken(TokenId token) const {
    BATON_CHECK(token >= 0 && token < p_.V) << "token " << token << " of " << p_.V;
  }

  TokenId Draw(const ops::SampleRow& row, float* logits) {
    const float largest = FindBlockMax(logits);
    if (largest == kLowest) return -1;
    if (row.temperature == 0) return FirstEqual(logits, largest);
    const bool cut = (row.top_k > 0 && row.top_k < p_.V) || row.top_p < 1.0f;
    if (!cut) return DrawFromAll(row, logits, largest);
    Cut(row, logits, largest);
    return DrawFromCandidates(row);
  }

  float FindBlockMax(const float* logits) {
    isa_.block_max(logits, p_.V, block_max_.data());
    return *std::max_element(block_max_.begin(), block_max_.end());
  }

  TokenId FirstEqual(const float* logits, float value) const {
    const auto block = std::find(block_max_.begin(), block_max_.end(), value) - block_max_.begin();
    const float* from = logits + block * kMaxBlock;
    return static_cast<TokenId>(std::find(from, logits + p_.V, value) - logits);
  }

  double Target(const ops::SampleRow& row, double mass) const {
    return mass * double{UniformAt(row.seed, static_cast<uint64_t>(row.position))};
  }

  /// No top_k or top_p: weights over the whole vocabulary, of which min_p may leave some.
  TokenId DrawFromAll(const ops::SampleRow& row, float* logits, float largest) {
    isa_.exp_sum(logits, p_.V, largest, row.temperature, logits, sums_.data());
    if (row.min_p > 0) {
      candidates_.clear();
      for (int64_t i = 0; i < p_.V; ++i) {
        if (logits[i] >= row.min_p) candidates_.push_back({static_cast<TokenId>(i), logits[i]});
      }
      return DrawFromCandidates(row);
    }
    const double target = Target(row, std::accumulate(sums_.begin(), sums_.end(), 0.0));
    double before = 0;
    size_t block = 0;
    while (block + 1 < sums_.size() && before + sums_[block] <= target) before += sums_[block++];
    return DrawFromBlock(logits, static_cast<int64_t>(block) * kSumBlock, target - before);
  }

  /// The first token of the block at which the weights add up to more than `target`. Rounding may
  /// leave none: then the block's last that has a weight, or the last before it.
  TokenId DrawFromBlock(const float* weights, int64_t begin, double target) const {
    const int64_t end = std::min(begin + kSumBlock, p_.V);
    double sum = 0;
    for (int64_t i = begin; i < end; ++i) {
      sum += weights[i];
      if (sum > target) return static_cast<TokenId>(i);
    }
    int64_t last = end - 1;
    while (weights[last] == 0) --last;
    return static_cast<TokenId>(last);
  }

  /// Leaves in candidates_ what top_k, top_p and min_p leave, with their weights.
  void Cut(const ops::SampleRow& row, const float* logits, float largest) {
    const bool limited = row.top_k > 0 && row.top_k < p_.V;
    FindLikeliest(logits, limited ? row.top_k : std::min(p_.V, kFirstCandidates));
    Weigh(row, largest);
    if (row.top_p < 1.0f) {
      const double mass =
          row.top_p * (limited ? MassOfCandidates() : MassOfAll(row, logits, largest));
      if (!limited && MassOfCandidates() < mass) {
        FindLikeliest(logits, p_.V);
        Weigh(row, largest);
      }
      KeepMass(mass);
    }
    std::erase_if(candidates_, [&](const Candidate& c) { return c.value < row.min_p; });
  }

  double MassOfAll(const ops::SampleRow& row, const float* logits, float largest) {
    isa_.exp_sum(logits, p_.V, largest, row.temperature, nullptr, sums_.data());
    return std::accumulate(sums_.begin(), sums_.end(), 0.0);
  }

  /// Keeps the fewest of candidates_, likeliest first, whose weights reach `mass`: halves the range
  /// in which the last of them lies until it is found.
  void KeepMass(double mass) {
    auto low = candidates_.begin();
    auto high = candidates_.end();
    while (high - low > 1) {
      const auto middle = low + (high - low) / 2;
      std::nth_element(low, middle, high, Likelier);
      double sum = 0;
      for (auto candidate = low; candidate != middle; ++candidate) sum += candidate->value;
      if (sum >= mass) {
        high = middle;
      } else {
        mass -= sum;
        low = middle;
      }
    }
    candidates_.erase(low + 1, candidates_.end());
  }

  double MassOfCandidates() const {
    double mass = 0;
    for (const Candidate& candidate : candidates_) mass += candidate.value;
    return mass;
  }

  /// Logits to weights, the likeliest having 1.
  void Weigh(const ops::SampleRow& row, float largest) {
    weights_.resize(candidates_.size());
    for (size_t i = 0; i < weights_.size(); ++i) weights_[i] = candidates_[i].value;
    std::vector<float> sums(CeilDiv(weights_.size(), static_cast<size_t>(kSumBlock)));
    isa_.exp_sum(weights_.data(), static_cast<int64_t>(weights_.size()), largest, row.temperature,
                 weights_.data(), sums.data());
    for (size_t i = 0; i < weights_.size(); ++i) candidates_[i].value = weights_[i];
  }

  /// The n likeliest tokens into candidates_, in any order. The n-th largest block maximum
  /// bounds the n-th largest logit from below, so that few blocks need a closer look.
  /// REQUIRES: block_max_ belongs to `logits`.
  void FindLikeliest(const float* logits, int64_t n) {
    float bound = kLowest;
    if (n <= static_cast<int64_t>(block_max_.size())) {
      order_.assign(block_max_.begin(), block_max_.end());
      std::nth_element(order_.begin(), order_.begin() + (n - 1), order_.end(), std::greater<>());
      bound = order_[static_cast<size_t>(n - 1)];
    }
    candidates_.clear();
    for (size_t block = 0; block < block_max_.size(); ++block) {
      if (block_max_[block] < bound || block_max_[block] == kLowest) continue;
      const int64_t begin = static_cast<int64_t>(block) * kMaxBlock;
      for (int64_t i = begin; i < std::min(begin + kMaxBlock, p_.V); ++i) {
        if (logits[i] < bound || logits[i] == kLowest) continue;
        candidates_.push_back({static_cast<TokenId>(i), logits[i]});
      }
    }
    if (n >= static_cast<int64_t>(candidates_.size())) return;
    std::nth_element(candidates_.begin(), candidates_.begin() + n, candidates_.end(), Likelier);
    candidates_.resize(static_cast<size_t>(n));
  }

  TokenId DrawFromCandidates(const ops::SampleRow& row) {
    std::sort(candidates_.begin(), candidates_.end(),
              [](const Candidate& a, const Candidate& b) { return a.token < b.token; });
    const double target = Target(row, MassOfCandidates());
    double sum = 0;
    for (const Candidate& candidate : candidates_) {
      sum += candidate.value;
      if (sum > target) return candidate.token;
    }
    return candidates_.back().token;
  }

  void WriteLogprobs(const ops::SampleRow& row, ops::SampledToken& out, ops::SampledToken* top) {
    const float largest = FindBlockMax(raw_.data());
    double log_sum = 0;
    if (largest != kLowest) {
      isa_.exp_sum(raw_.data(), p_.V, largest, 1.0f, nullptr, sums_.data());
      log_sum = double{largest} + std::log(std::accumulate(sums_.begin(), sums_.end(), 0.0));
    }
    if (out.token >= 0) {
      const float logit = raw_[static_cast<size_t>(out.token)];
      out.logprob = static_cast<float>(logit - log_sum);
      if (row.given >= 0) out.rank = 1 + CountAbove(logit);
    }
    if (row.logprobs > 0) {
      FindLikeliest(raw_.data(), std::min<int64_t>(row.logprobs, p_.V));
      std::sort(candidates_.begin(), candidates_.end(), Likelier);
    }
    for (int32_t i = 0; i < row.logprobs; ++i) {
      const auto rank = static_cast<size_t>(i);
      top[i] = {.token = -1, .logprob = kLowest};
      if (rank >= candidates_.size()) continue;
      top[i] = {.token = candidates_[rank].token,
                .logprob = static_cast<float>(candidates_[rank].value - log_sum)};
    }
  }

  int32_t CountAbove(float logit) const {
    return static_cast<int32_t>(
        std::count_if(raw_.begin(), raw_.end(), [logit](float other) { return other > logit; }));
  }

  /// Candidates looked at first where only top_p limits them; all of them where these fall short.
  static constexpr int64_t kFirstCandidates = 1024;

  struct Tally {
    bool seen = false;
    int32_t output = 0;
  };

  const Isa& isa_;
  const ops::SampleParams& p_;
  std::vector<float> block_max_;
  std::vector<float> sums_;
  std::vector<float> order_;
  std::vector<float> weights_;
  std::vector<float> raw_;
  std::vector<Candidate> candidates_;
  std::vector<Tally> counts_;  ///< [V] where a row has penalties, all zero between rows.
  std::vector<TokenId> seen_;
};

}  // namespace

void Sample(const Isa& isa, const ops::SampleParams& p, device::HostStream& stream) {
  if (p.R == 0) return;
  BATON_CHECK(p.R > 0 && p.V > 0 && p.logits != nullptr && p.rows != nullptr && p.out != nullptr);
  for (int64_t r = 0; r < p.R; ++r) {
    BATON_CHECK(p.rows[r].temperature >= 0) << "row " << r;
    BATON_CHECK(p.rows[r].logprobs <= 0 || (p.top != nullptr && p.rows[r].logprobs <= p.top_stride))
        << "row " << r << " wants " << p.rows[r].logprobs << " log-probabilities";
  }
  stream.ParallelFor(p.R, GrainOf(p.V), [&](int64_t begin, int64_t end) {
    RowSampler sampler(isa, p);
    for (int64_t r = begin; r < end; ++r) sampler.SampleRow(r);
  });
}

}  // namespace baton::kernels::cpu
