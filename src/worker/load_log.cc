#include "load_log.h"

#include "baton/base/units.h"

namespace baton::worker {
namespace {

constexpr int64_t kTenths = 10;
/// Less is loaded before anybody wonders.
constexpr int64_t kLeastTold = kGiB;

}  // namespace

std::string LoadLog::LineAt(int64_t done, int64_t total) {
  if (total < kLeastTold) return "";
  const int64_t tenths = kTenths * done / total;
  if (tenths == told_) return "";
  told_ = tenths;
  const auto filled = static_cast<size_t>(tenths);
  const double seconds = Seconds(clock_.Now() - begin_);
  std::string line = "weights on " + device_ + ": [" + std::string(filled, '#') +
                     std::string(static_cast<size_t>(kTenths) - filled, '.') + "] " +
                     FormatBytes(done) + " of " + FormatBytes(total);
  if (seconds > 0) {
    line += ", " + FormatBytes(static_cast<int64_t>(static_cast<double>(done) / seconds)) + "/s";
  }
  return line;
}

}  // namespace baton::worker
