#include "baton/app/notify.h"

#include <cstdlib>

#include <unistd.h>

#include "baton/base/logging.h"

namespace baton::app {

void NotifyReady(const std::string& url) {
  const char* variable = std::getenv(kNotifyVariable);
  if (variable == nullptr) return;
  const std::string message = "URL=" + url + "\nREADY=1\n";
  const ssize_t written = write(std::atoi(variable), message.data(), message.size());
  if (written != static_cast<ssize_t>(message.size())) {
    BATON_LOG(Warning) << "nobody takes the word that this process is ready";
  }
}

bool IsSupervised() { return std::getenv(kNotifyVariable) != nullptr; }

}  // namespace baton::app
