#include "curl_library.h"

#include <string>

#include <dlfcn.h>

namespace baton::loadgen {
namespace {

constexpr char kFile[] = "libcurl.so.4";

/// Looks symbols up and remembers the first that is missing.
class Symbols {
 public:
  explicit Symbols(void* library) : library_(library) {}

  template <typename Function>
  void Find(Function& function, const char* name) {
    function = reinterpret_cast<Function>(dlsym(library_, name));
    if (function == nullptr && missing_.empty()) missing_ = name;
  }
  const std::string& missing() const { return missing_; }

 private:
  void* library_;
  std::string missing_;
};

Result<CurlLibrary> LoadLibrary() {
  void* library = dlopen(kFile, RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) {
    return FailedPrecondition(std::string(kFile) + " cannot be loaded (" + dlerror() +
                              "); install it: apt-get install libcurl4");
  }
  CurlLibrary curl{};
  Symbols symbols(library);
  symbols.Find(curl.global_init, "curl_global_init");
  symbols.Find(curl.easy_init, "curl_easy_init");
  symbols.Find(curl.easy_reset, "curl_easy_reset");
  symbols.Find(curl.easy_cleanup, "curl_easy_cleanup");
  symbols.Find(curl.easy_setopt, "curl_easy_setopt");
  symbols.Find(curl.easy_getinfo, "curl_easy_getinfo");
  symbols.Find(curl.easy_strerror, "curl_easy_strerror");
  symbols.Find(curl.multi_init, "curl_multi_init");
  symbols.Find(curl.multi_cleanup, "curl_multi_cleanup");
  symbols.Find(curl.multi_setopt, "curl_multi_setopt");
  symbols.Find(curl.multi_add_handle, "curl_multi_add_handle");
  symbols.Find(curl.multi_remove_handle, "curl_multi_remove_handle");
  symbols.Find(curl.multi_socket_action, "curl_multi_socket_action");
  symbols.Find(curl.multi_info_read, "curl_multi_info_read");
  symbols.Find(curl.multi_assign, "curl_multi_assign");
  symbols.Find(curl.slist_append, "curl_slist_append");
  symbols.Find(curl.slist_free_all, "curl_slist_free_all");
  if (!symbols.missing().empty()) {
    return FailedPrecondition(std::string(kFile) + " is too old: it lacks " + symbols.missing());
  }
  if (curl.global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) {
    return FailedPrecondition(std::string(kFile) + " cannot be set up");
  }
  return curl;
}

}  // namespace

Result<const CurlLibrary*> CurlLibrary::Load() {
  static const Result<CurlLibrary> library = LoadLibrary();
  if (!library.ok()) return library.status();
  return &*library;
}

}  // namespace baton::loadgen
