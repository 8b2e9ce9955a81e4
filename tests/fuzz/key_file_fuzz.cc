#include "baton/access/key_file.h"
#include "baton/base/check.h"
#include "fuzz_target.h"

namespace baton::fuzz {
namespace {

std::vector<std::string> Seeds() {
  const std::string hash(64, 'a');
  return {"# keys\nsalt_secret 0123456789abcdef\nkey sha256:" + hash +
              " name=alice tenant=acme requests_at_once=8 requests_per_minute=600\n",
          "key sha256:" + hash + " name=a\r\nkey sha256:" + std::string(64, 'B') + "\tname=b # c"};
}

/// What was read can be written and read again.
void Run(std::string_view input) {
  const Result<access::KeyFile> file = access::ParseKeyFile(input, "FILE");
  if (!file.ok()) {
    BATON_CHECK(file.status().code() == StatusCode::kInvalidArgument) << file.status();
    return;
  }
  BATON_CHECK(!file->keys.empty() && file->keys.size() <= access::kMostKeys);
  for (const access::ApiKey& key : file->keys) {
    const Result<std::string> line = access::KeyLine(key);
    BATON_CHECK(line.ok()) << line.status();
    const Result<access::KeyFile> again = access::ParseKeyFile(*line, "FILE");
    BATON_CHECK(again.ok() && again->keys.size() == 1) << *line;
    BATON_CHECK(again->keys[0].digest == key.digest && again->keys[0].name == key.name &&
                again->keys[0].tenant == key.tenant)
        << *line;
  }
}

}  // namespace

const FuzzTarget kTarget{.max_bytes = 4096,
                         .seeds = &Seeds,
                         .words = {"key ", "salt_secret ", "sha256:", " name=", " tenant=",
                                   " requests_at_once=", " requests_per_minute=", "#", "\r\n"},
                         .run = &Run};

}  // namespace baton::fuzz
