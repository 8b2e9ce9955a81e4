#include "service_account.h"

#include <algorithm>
#include <fstream>

namespace baton::discovery {
namespace {

constexpr size_t kMostBytes = 64 << 10;

/// Of one word.
Result<std::string> ReadWord(const std::string& file) {
  std::ifstream stream(file, std::ios::binary);
  std::string text(kMostBytes + 1, '\0');
  stream.read(text.data(), static_cast<std::streamsize>(text.size()));
  if (!stream.is_open() || stream.bad()) {
    return FailedPrecondition(file +
                              ": cannot be read; give the pod a service account and do not set "
                              "automountServiceAccountToken: false, or name a folder in "
                              "router.discovery.service_account");
  }
  text.resize(static_cast<size_t>(stream.gcount()));
  while (!text.empty() && (text.back() == '\n' || text.back() == '\r')) text.pop_back();
  const bool word =
      std::all_of(text.begin(), text.end(), [](char c) { return c > ' ' && c < 127; });
  if (text.empty() || text.size() > kMostBytes || !word) {
    return FailedPrecondition(file + ": is not one word");
  }
  return text;
}

}  // namespace

ServiceAccount::ServiceAccount(std::string folder)
    : folder_(folder.empty() ? "/var/run/secrets/kubernetes.io/serviceaccount"
                             : std::move(folder)) {}

Result<std::string> ServiceAccount::Token() const { return ReadWord(token_file()); }

Result<std::string> ServiceAccount::Namespace() const { return ReadWord(folder_ + "/namespace"); }

}  // namespace baton::discovery
