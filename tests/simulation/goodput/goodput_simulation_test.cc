#include <chrono>
#include <cmath>
#include <cstdio>

#include <gtest/gtest.h>

#include "goodput.h"
#include "gpu_loads.h"
#include "machines.h"

namespace baton::simulation {
namespace {

using std::chrono::microseconds;
using std::chrono::milliseconds;
using std::chrono::seconds;

struct Case {
  const char* name;
  const Machine& machine;
  Setting mixed;
  Setting split;
  Setting cost;
  Load load;
};

/// Workers of these roles whose router decides by `policy`.
Setting Of(const char* policy, int prefill, int decode, int mixed = 0) {
  return {.policy = policy, .prefill = prefill, .decode = decode, .mixed = mixed};
}

const Case kChat{.name = "chat on two cores",
                 .machine = kCore,
                 .mixed = Of("least_loaded", 0, 0, 2),
                 .split = Of("least_loaded", 1, 1),
                 .cost = Of("cost", 1, 1),
                 .load = {Slo(seconds(1), milliseconds(100)), [](Random& random) {
                            return Lengths{Between(random, 16, 128), Between(random, 16, 128)};
                          }}};
/// Decodes only, nearly.
const Case kTinyChat{.name = "chat for a tiny model on two cores",
                     .machine = kTinyOnCore,
                     .mixed = Of("least_loaded", 0, 0, 2),
                     .split = Of("least_loaded", 1, 1),
                     .cost = Of("cost", 1, 1),
                     .load = {Slo(milliseconds(50), microseconds(900)), [](Random& random) {
                                return Lengths{Between(random, 16, 128), Between(random, 32, 128)};
                              }}};
const Case kSummaries{
    .name = "summaries on two cores",
    .machine = kCore,
    .mixed = Of("least_loaded", 0, 0, 2),
    .split = Of("least_loaded", 1, 1),
    .cost = Of("cost", 1, 1),
    .load = {Slo(seconds(10), milliseconds(60)), [](Random& random) {
               return Lengths{Between(random, 256, 1024), Between(random, 32, 64)};
             }}};
const Case kGpuChat{.name = "chat on four GPUs",
                    .machine = kGpu,
                    .mixed = Of("least_loaded", 0, 0, 4),
                    .split = Of("least_loaded", 2, 2),
                    .cost = Of("cost", 2, 2),
                    .load = kGpuChatLoad};
const Case kDocuments{.name = "documents on four GPUs",
                      .machine = kGpu,
                      .mixed = Of("least_loaded", 0, 0, 4),
                      .split = Of("least_loaded", 2, 2),
                      .cost = Of("cost", 2, 2),
                      .load = kGpuDocumentsLoad};

const Case kTinyDocuments{.name = "documents for a tiny model on two cores",
                          .machine = kTinyOnCore,
                          .mixed = Of("least_loaded", 0, 0, 2),
                          .split = Of("least_loaded", 1, 1),
                          .cost = Of("cost", 1, 1),
                          .load = {Slo(milliseconds(400), microseconds(500)), [](Random& random) {
                                     return Lengths{Between(random, 1200, 1800), 64};
                                   }}};

struct Figures {
  double mixed = 0;
  double split = 0;
  double cost = 0;
};

Figures Measure(const Case& it) {
  const Figures figures{.mixed = Goodput(it.mixed, it.machine, it.load),
                        .split = Goodput(it.split, it.machine, it.load),
                        .cost = Goodput(it.cost, it.machine, it.load)};
  std::printf("goodput of %s: mixed %.3f/s, split %.3f/s, cost %.3f/s\n", it.name, figures.mixed,
              figures.split, figures.cost);
  return figures;
}

// The bounds leave a few percent to what is seen, of which a search tells two.

TEST(Goodput, OfLongPromptsIsHighestWhereTheRouterWeighsWhatToSplit) {
  for (const Case* it : {&kSummaries, &kDocuments}) {
    const Figures figures = Measure(*it);
    EXPECT_GE(figures.cost, 1.06 * figures.split) << it->name;
    EXPECT_GE(figures.cost, 1.2 * figures.mixed) << it->name;
  }
}

/// Whoever decodes beside a prefill is late there, and a prompt that a worker keeps because nobody
/// decodes at the moment meets others before it is done.
TEST(Goodput, IsNotLostToPromptsThatStayWhereNobodyDecodesYet) {
  const Figures figures = Measure(kTinyDocuments);
  EXPECT_GE(figures.cost, 1.5 * figures.mixed);
  EXPECT_GE(figures.cost, 1.06 * figures.split);
}

/// Prefill workers have little to do then, and generate beside it.
TEST(Goodput, OfShortPromptsIsThatOfMixedWorkers) {
  for (const Case* it : {&kChat, &kTinyChat, &kGpuChat}) {
    const Figures figures = Measure(*it);
    EXPECT_GE(figures.cost, 1.05 * figures.split) << it->name;
    EXPECT_GE(figures.cost, 0.96 * figures.mixed) << it->name;
  }
}

/// Where a choice looks only at who decodes now, long prompts gather at few workers and make them
/// slow.
TEST(Goodput, OfMixedWorkersIsNotLostToWeighingTheirCosts) {
  const auto of = [](const char* policy) {
    return Goodput(Of(policy, 0, 0, 4), kGpuChat.machine, kGpuChat.load);
  };
  EXPECT_GE(of("cost"), 0.97 * of("least_loaded"));
}

}  // namespace
}  // namespace baton::simulation
