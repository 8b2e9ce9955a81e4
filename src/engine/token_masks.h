#pragma once

#include <cstdint>
#include <memory>
#include <thread>
#include <vector>

#include "baton/base/mailbox.h"
#include "baton/request/token_constraint.h"
#include "baton/scheduler/scheduler.h"

namespace baton::engine {

/// Says which tokens the sequences with a grammar may draw, worked out on a thread of its own while
/// the step computes.
/// *Threads*: lives on the engine thread. From Begin() to Wait() the other thread reads the tokens
/// and parameters of the plan's sequences and owns their grammars. It starts with the first one.
class TokenMasks {
 public:
  /// `factory`, which may be null, and `eos` outlive this.
  TokenMasks(int32_t sequences, int32_t vocabulary, const std::vector<TokenId>& eos,
             TokenConstraintFactory* factory);
  ~TokenMasks();

  /// Starts on the sequences of `plan` that draw and have a grammar: compiles it if that was not
  /// done yet, takes the tokens that came since, fills the mask.
  void Begin(const scheduler::StepPlan& plan);
  /// Waits until that is done. True when there was anything to wait for.
  bool Wait();

  /// Of the i-th sequence of the plan that draws; null without a grammar or with a failed one.
  const uint32_t* mask(size_t i) const;
  /// Why the i-th one cannot go on.
  Status status(size_t i) const;

  int64_t masks() const { return masks_; }
  double cpu_seconds() const { return cpu_seconds_; }

 private:
  struct Job {
    scheduler::Sequence* sequence = nullptr;
    std::vector<uint32_t> mask;
    Status status;
  };

  void Run();
  Status Fill(Job& job) const;
  /// The sequence's constraint, having taken all of its tokens.
  Status Follow(scheduler::Sequence& sequence) const;
  /// Lets the output end where it may, and nothing that is banned be drawn if there is a choice.
  void ApplyEnds(const scheduler::Sequence& sequence, std::vector<uint32_t>& mask) const;

  const size_t words_;
  const int32_t vocabulary_;
  const std::vector<TokenId>& eos_;
  TokenConstraintFactory* const factory_;
  std::vector<Job> jobs_;  ///< The first `used_` are this step's; all keep their memory.
  size_t used_ = 0;
  std::vector<int> job_of_;  ///< By row that draws; -1 without a grammar.
  int64_t masks_ = 0;
  double cpu_seconds_ = 0;

  struct Turn {};
  Mailbox<Turn> begun_{1};
  Mailbox<Turn> done_{1};
  std::jthread thread_;
};

}  // namespace baton::engine
