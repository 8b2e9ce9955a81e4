#include "baton/access/key_file.h"

#include <algorithm>
#include <charconv>
#include <set>

namespace baton::access {

namespace {

constexpr std::string_view kBlank = " \t\r";
constexpr std::string_view kDigestMark = "sha256:";
constexpr size_t kMostNameBytes = 64;
constexpr size_t kLeastSecretBytes = 16;
constexpr size_t kMostSecretBytes = 256;

std::vector<std::string_view> Words(std::string_view line) {
  std::vector<std::string_view> words;
  while (true) {
    const size_t begin = line.find_first_not_of(kBlank);
    if (begin == std::string_view::npos || line[begin] == '#') return words;
    line.remove_prefix(begin);
    const size_t end = std::min(line.find_first_of(kBlank), line.size());
    words.push_back(line.substr(0, end));
    line.remove_prefix(end);
  }
}

bool IsName(std::string_view text) {
  return !text.empty() && text.size() <= kMostNameBytes && std::ranges::all_of(text, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '_' || c == '.';
  });
}

bool ReadNumber(std::string_view text, int32_t& number) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  return error == std::errc() && end == text.data() + text.size();
}

Status ReadField(std::string_view word, ApiKey& key) {
  const size_t equals = std::min(word.find('='), word.size());
  const std::string field(word.substr(0, equals));
  const std::string_view value = word.substr(std::min(equals + 1, word.size()));
  if (field == "name" || field == "tenant") {
    std::string& slot = field == "name" ? key.name : key.tenant;
    if (!slot.empty()) return InvalidArgument("has two fields '" + field + "'");
    if (!IsName(value))
      return InvalidArgument("has a " + field +
                             " that is none: 1 to 64 letters, digits, dots, dashes, underscores");
    slot = value;
    return OkStatus();
  }
  if (field == "highest_priority") {
    if (key.limits.highest_priority != 0) return InvalidArgument("has two fields '" + field + "'");
    if (!ReadNumber(value, key.limits.highest_priority))
      return InvalidArgument("needs a whole number for " + field);
    return OkStatus();
  }
  const bool at_once = field == "requests_at_once";
  if (!at_once && field != "requests_per_minute")
    return InvalidArgument(
        "has an unknown field; there are name, tenant, requests_at_once, requests_per_minute, "
        "highest_priority");
  int32_t& slot = at_once ? key.limits.requests_at_once : key.limits.requests_per_minute;
  if (slot != 0) return InvalidArgument("has two fields '" + field + "'");
  if (!ReadNumber(value, slot) || slot < 1)
    return InvalidArgument("needs a number from 1 for " + field);
  return OkStatus();
}

Result<ApiKey> ReadKey(const std::vector<std::string_view>& words) {
  ApiKey key;
  const bool marked = words.size() > 1 && words[1].starts_with(kDigestMark);
  const auto digest = marked ? DigestFromHex(words[1].substr(kDigestMark.size())) : std::nullopt;
  if (!digest)
    return InvalidArgument("needs the key's SHA-256 first, sha256: and 64 hexadecimal digits");
  key.digest = *digest;
  for (size_t i = 2; i < words.size(); ++i) BATON_RETURN_IF_ERROR(ReadField(words[i], key));
  if (key.name.empty()) return InvalidArgument("needs a name=");
  if (key.tenant.empty()) key.tenant = key.name;
  return key;
}

Status ReadSecret(const std::vector<std::string_view>& words, KeyFile& file) {
  if (!file.salt_secret.empty()) return InvalidArgument("is a second salt_secret");
  if (words.size() != 2 || words[1].size() < kLeastSecretBytes ||
      words[1].size() > kMostSecretBytes)
    return InvalidArgument("needs a salt_secret of 16 to 256 characters");
  file.salt_secret = words[1];
  return OkStatus();
}

/// Reads line after line; knows what there was before.
class Reader {
 public:
  Status Read(std::string_view line) {
    const std::vector<std::string_view> words = Words(line);
    if (words.empty()) return OkStatus();
    if (words[0] == "salt_secret") return ReadSecret(words, file);
    if (words[0] != "key") return InvalidArgument("begins with neither 'key' nor 'salt_secret'");
    if (file.keys.size() == kMostKeys)
      return InvalidArgument("is one key too many; a file has at most " +
                             std::to_string(kMostKeys));
    BATON_ASSIGN_OR_RETURN(ApiKey key, ReadKey(words));
    if (!digests_.insert(key.digest).second) return InvalidArgument("has the key of another line");
    if (!names_.insert(key.name).second) return InvalidArgument("has the name of another line");
    file.keys.push_back(std::move(key));
    return OkStatus();
  }

  KeyFile file;

 private:
  std::set<Digest> digests_;
  std::set<std::string> names_;
};

}  // namespace

Result<KeyFile> ParseKeyFile(std::string_view text, const std::string& file) {
  if (text.size() > kMostKeyFileBytes)
    return InvalidArgument(file + ": is larger than " + std::to_string(kMostKeyFileBytes) +
                           " bytes");
  Reader reader;
  for (int number = 1; !text.empty(); ++number) {
    const size_t end = std::min(text.find('\n'), text.size());
    if (const Status status = reader.Read(text.substr(0, end)); !status.ok())
      return InvalidArgument(file + ":" + std::to_string(number) + ": the line " +
                             status.message());
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  if (reader.file.keys.empty())
    return InvalidArgument(file + ": holds no key; `baton key --name NAME` makes one");
  return std::move(reader.file);
}

std::string MakeKey() { return "bt-" + ToHex(RandomDigest()); }

Result<std::string> KeyLine(const ApiKey& key) {
  std::string line = "key " + std::string(kDigestMark) + ToHex(key.digest) + " name=" + key.name;
  if (!key.tenant.empty()) line += " tenant=" + key.tenant;
  const KeyLimits& limits = key.limits;
  if (limits.requests_at_once != 0)
    line += " requests_at_once=" + std::to_string(limits.requests_at_once);
  if (limits.requests_per_minute != 0)
    line += " requests_per_minute=" + std::to_string(limits.requests_per_minute);
  if (limits.highest_priority != 0)
    line += " highest_priority=" + std::to_string(limits.highest_priority);
  const Result<KeyFile> read = ParseKeyFile(line, "the key");
  if (!read.ok()) return read.status();
  return line;
}

}  // namespace baton::access
