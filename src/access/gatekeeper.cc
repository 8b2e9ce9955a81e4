#include "baton/access/gatekeeper.h"

#include <chrono>
#include <fstream>
#include <map>
#include <utility>

#include "baton/base/logging.h"

namespace baton::access {

namespace {

/// How long a key may still be taken after its line was removed.
constexpr Duration kLookInterval = std::chrono::seconds(1);

Result<std::string> ReadText(const std::string& file) {
  std::ifstream stream(file, std::ios::binary);
  std::string text(kMostKeyFileBytes + 1, '\0');
  stream.read(text.data(), static_cast<std::streamsize>(text.size()));
  if (!stream.is_open() || stream.bad()) return InvalidArgument(file + ": cannot be read");
  text.resize(static_cast<size_t>(stream.gcount()));
  return text;
}

}  // namespace

Gatekeeper::Gatekeeper(const std::string& file, const Clock& clock)
    : file_(file), clock_(clock), watch_({file}, kLookInterval, clock) {}

Result<std::unique_ptr<Gatekeeper>> Gatekeeper::Open(const std::string& file, const Clock& clock) {
  std::unique_ptr<Gatekeeper> gatekeeper(new Gatekeeper(file, clock));
  BATON_RETURN_IF_ERROR(gatekeeper->ReadLocked());
  return gatekeeper;
}

Status Gatekeeper::ReadLocked() {
  BATON_ASSIGN_OR_RETURN(const std::string text, ReadText(file_));
  BATON_ASSIGN_OR_RETURN(KeyFile file, ParseKeyFile(text, file_));
  std::map<Digest, std::shared_ptr<KeyUse>> uses;
  for (Holder& holder : holders_) uses[holder.key.digest] = std::move(holder.use);
  holders_.clear();
  for (ApiKey& key : file.keys) {
    std::shared_ptr<KeyUse>& use = uses[key.digest];
    if (!use) use = std::make_shared<KeyUse>();
    holders_.push_back({std::move(key), use});
  }
  salt_secret_ = std::move(file.salt_secret);
  return OkStatus();
}

std::optional<Caller> Gatekeeper::Identify(std::string_view key) {
  const Digest digest = Sha256(key);
  std::lock_guard lock(mutex_);
  if (watch_.Changed()) {
    const Status status = ReadLocked();
    if (status.ok()) {
      BATON_LOG(Info) << "read " << holders_.size() << " keys from " << file_;
    } else {
      BATON_LOG(Error) << "the keys stay as they were: " << status.message();
    }
  }
  const Holder* found = nullptr;
  for (const Holder& holder : holders_) {
    if (SameDigest(holder.key.digest, digest)) found = &holder;
  }
  if (found == nullptr) return std::nullopt;
  return Caller{.name = found->key.name,
                .tenant = found->key.tenant,
                .salt_secret = salt_secret_,
                .limits = found->key.limits,
                .use = found->use};
}

}  // namespace baton::access
