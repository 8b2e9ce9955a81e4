#include "baton/base/check.h"
#include "baton/base/trace_context.h"
#include "fuzz_target.h"

namespace baton::fuzz {
namespace {

std::vector<std::string> Seeds() {
  const std::string ids = "-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-";
  return {"00" + ids + "01", "00" + ids + "00", "cc" + ids + "ff-later",
          "rojo=00f067aa0ba902b7, congo@a=t61rcWkgMzE"};
}

/// What was read can be written and read again.
void Run(std::string_view input) {
  const std::string state = ParseTracestate(input);
  BATON_CHECK(state.empty() || state == input) << state;
  const auto context = ParseTraceparent(input);
  if (!context) return;
  BATON_CHECK(context->valid());
  const std::string text = Traceparent(*context);
  BATON_CHECK(ParseTraceparent(text) == context) << text;
  BATON_CHECK(input.substr(2, 51) == std::string_view(text).substr(2, 51)) << text;
}

}  // namespace

const FuzzTarget kTarget{
    .max_bytes = 128, .seeds = &Seeds, .words = {"00-", "ff-", "-01", "-00"}, .run = &Run};

}  // namespace baton::fuzz
