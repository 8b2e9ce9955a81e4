#include "baton/discovery/file_source.h"

#include <fstream>
#include <thread>
#include <utility>

#include <pthread.h>

#include "baton/base/file_watch.h"
#include "baton/base/gate.h"
#include "places.h"

namespace baton::discovery {
namespace {

constexpr size_t kMostBytes = 1 << 20;

Result<std::vector<Place>> Read(const std::string& file) {
  std::ifstream stream(file, std::ios::binary);
  std::string text(kMostBytes + 1, '\0');
  stream.read(text.data(), static_cast<std::streamsize>(text.size()));
  if (!stream.is_open() || stream.bad()) return InvalidArgument(file + ": cannot be read");
  text.resize(static_cast<size_t>(stream.gcount()));
  if (text.size() > kMostBytes) return InvalidArgument(file + ": is larger than 1 MiB");
  return ParsePlaces(text, file);
}

class WatchedFile final : public Source {
 public:
  WatchedFile(std::string file, Duration interval, const Clock& clock)
      : file_(std::move(file)), interval_(interval), watch_({file_}, Duration::zero(), clock) {}
  ~WatchedFile() override {
    if (!thread_.joinable()) return;
    stop_.Open();
    thread_.join();
  }

  Status ReadFirst() {
    BATON_ASSIGN_OR_RETURN(first_, Read(file_));
    return OkStatus();
  }
  void Start(Listener& listener) override {
    listener.OnPlaces(std::move(first_));
    thread_ = std::thread([this, &listener] {
      pthread_setname_np(pthread_self(), "discovery");
      while (!stop_.Wait(interval_)) Look(listener);
    });
  }
  std::string name() const override { return "the file " + file_; }

 private:
  void Look(Listener& listener) {
    if (!watch_.Changed()) return;
    Result<std::vector<Place>> places = Read(file_);
    listener.OnTrouble(places.status());
    if (places.ok()) listener.OnPlaces(*std::move(places));
  }

  const std::string file_;
  const Duration interval_;
  std::vector<Place> first_;
  FileWatch watch_;
  Gate stop_;
  std::thread thread_;
};

}  // namespace

Result<std::unique_ptr<Source>> FileSource(const std::string& file, Duration interval,
                                           const Clock& clock) {
  auto source = std::make_unique<WatchedFile>(file, interval, clock);
  BATON_RETURN_IF_ERROR(source->ReadFirst());
  return std::unique_ptr<Source>(std::move(source));
}

}  // namespace baton::discovery
