#pragma once

#include <cstdint>
#include <limits>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "baton/base/clock.h"
#include "baton/base/ids.h"
#include "baton/base/role.h"
#include "baton/cost/step_model.h"
#include "baton/request/request.h"
#include "baton/rpc/messages.h"

namespace baton::router {

/// What can be foretold of a worker. *Ownership*: points at what the fleet has learnt, valid until
/// its next change.
struct Forecast {
  /// Null where too little is known.
  const cost::StepModel* steps = nullptr;
  /// Prompts that it is to prefill before whatever comes now, and for how long it has been at it.
  cost::StepShape ahead;
  Duration at_it{};
  /// Sequences that draw a token in each step, and those that will once their prompts are computed,
  /// wherever that happens.
  cost::StepShape decoding;
  cost::StepShape coming;
  /// Prefills that were begun there of late, and what one adds to the steps that decode beside it.
  double prefills_per_s = 0;
  Duration mean_prefill{};
  int32_t step_tokens = std::numeric_limits<int32_t>::max();
  /// Tokens whose KV it can still hold.
  int64_t free_tokens = std::numeric_limits<int64_t>::max();
  int64_t bytes_per_token = 0;
  /// Decode workers: what hand-offs from a prefill worker take; null where none was seen.
  const std::map<std::string, cost::TransferModel>* transfers = nullptr;
};

/// A worker that can take requests, as a policy sees it. *Ownership*: as of Forecast.
struct WorkerView {
  std::string name;
  Role role = Role::kMixed;
  /// Requests of ours that it prefills or decodes now.
  int32_t load = 0;
  /// Decode workers: the prefill workers it is joined with.
  std::vector<std::string> joined_peers;
  /// Decode workers: why they are not joined with others.
  std::vector<rpc::JoinProblem> join_problems;
  /// Leading tokens of the prompt at hand whose KV it has.
  int32_t cached_tokens = 0;
  /// It runs as many sequences as it can, or has enough to prefill: what more it gets will wait.
  bool full = false;
  bool busy = false;
  Forecast forecast = {};
  /// Which incarnation it is.
  Epoch epoch = {};
  /// Of its model, weights and arithmetic: others may draw other tokens, and read no KV of its own.
  std::string_view fingerprint = {};
  /// "host:port", where it is asked.
  std::string_view address = {};
};

/// What a policy must know of a request.
struct Query {
  /// Requests of one session, unless empty, go to the same workers, which have cached what they
  /// share, as long as those have not much more to do than others.
  std::string session = {};
  int32_t prompt_tokens = 1;
  /// As many as are to be expected.
  int64_t output_tokens = 1;
  /// `ttft` from now on.
  RequestSlo slo = {};
  /// What its SLO gives it from its arrival to its last token.
  Duration wish = {};
  /// Of all requests of this router, of late.
  double arrivals_per_s = 0;
};

/// What a prompt takes from now on until its first token, on a worker that has so much of it
/// cached.
Duration QueueTime(const Forecast& worker);
Duration PrefillTime(const Forecast& worker, int64_t cached_tokens, int64_t prompt_tokens);
/// What a prompt takes at least until its first token, with the queue of whoever is done soonest
/// and without any; zero where nothing is known.
struct Outlook {
  Duration ttft{};
  Duration prefill{};
};
Outlook OutlookOf(const std::vector<WorkerView>& workers, int64_t prompt_tokens);
/// By how much that delays each sequence that decodes there.
Duration PrefillDelay(const Forecast& worker, int64_t cached_tokens, int64_t prompt_tokens);
/// Which parts, of those that decode now and of those that are coming, decode at some time.
struct Beside {
  double decoding = 1;
  double coming = 1;
};
/// Then, if each decodes for so long: those here end one after the other, and those who come do so
/// one after the other until then.
Beside BesideAfter(Duration passed, Duration lasts);
/// Per token, for one sequence more, beside those and while nobody prefills.
Duration DecodeTime(const Forecast& worker, int64_t context, Beside beside = {});
/// Until the next of the sequences there ends, when each draws so many tokens in all.
Duration RoomTime(const Forecast& worker, int64_t output_tokens);
/// From the end of a prefill on `peer` until `decode` has the KV of so many tokens.
Duration TransferTime(const Forecast& decode, const std::string& peer, int64_t tokens);

}  // namespace baton::router
