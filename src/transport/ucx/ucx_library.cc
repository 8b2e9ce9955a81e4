#include "ucx_library.h"

#include <csignal>
#include <cstdarg>
#include <cstdio>
#include <mutex>

#include <ucs/debug/debug.h>
#include <ucs/debug/log_def.h>

#include "baton/base/logging.h"
#include "ucx_print.h"

namespace baton::transport {
namespace {

/// UCX calls every lost connection an error; for us it is a peer's, and reported by status.
ucs_log_func_rc_t ForwardLog(const char*, unsigned, const char*, ucs_log_level_t level,
                             const ucs_log_component_config_t*, const char* format, va_list args) {
  char text[512];
  std::vsnprintf(text, sizeof(text), format, args);
  if (level == UCS_LOG_LEVEL_FATAL) {
    BATON_LOG(Error) << "ucx: " << text;
  } else if (level <= UCS_LOG_LEVEL_WARN) {
    BATON_LOG(Debug) << "ucx: " << text;
  }
  return UCS_LOG_FUNC_RC_STOP;
}

void TameOnce() {
  for (int signal : {SIGILL, SIGSEGV, SIGBUS, SIGFPE, SIGHUP}) ucs_debug_disable_signal(signal);
  (void)ucs_global_opts_set_value("HANDLE_ERRORS", "none");
  BATON_CHECK(!UcxHooksMemory()) << "ucx has patched the process's memory functions";
  ucs_log_push_handler(ForwardLog);
}

struct ConfigRelease {
  void operator()(ucp_config_t* config) const { ucp_config_release(config); }
};

Status Modify(ucp_config_t* config, const char* name, const std::string& value) {
  if (value.empty()) return OkStatus();
  if (ucp_config_modify(config, name, value.c_str()) == UCS_OK) return OkStatus();
  return InvalidArgument(std::string("ucx takes no ") + name + "=" + value);
}

}  // namespace

void TameUcx() {
  static std::once_flag once;
  std::call_once(once, TameOnce);
}

Status ToStatus(ucs_status_t status, const std::string& what) {
  const std::string text = what + ": " + ucs_status_string(status);
  switch (status) {
    case UCS_OK:
    case UCS_INPROGRESS: return OkStatus();
    case UCS_ERR_NO_MEMORY:
    case UCS_ERR_NO_RESOURCE:
    case UCS_ERR_EXCEEDS_LIMIT: return ResourceExhausted(text);
    case UCS_ERR_INVALID_PARAM:
    case UCS_ERR_INVALID_ADDR: return InvalidArgument(text);
    default: return Unavailable(text);
  }
}

Status CheckRelease(unsigned major, unsigned minor) {
  if (major == UCP_API_MAJOR && minor == UCP_API_MINOR) return OkStatus();
  const auto name = [](unsigned a, unsigned b) {
    return std::to_string(a) + "." + std::to_string(b);
  };
  return Unavailable(
      "this baton was built with ucx " + name(UCP_API_MAJOR, UCP_API_MINOR) + ", but " +
      name(major, minor) +
      " was loaded; look at LD_LIBRARY_PATH, or build baton with that one's headers");
}

Result<ucp_context_h> MakeContext(const UcxOptions& options) {
  // UCX does not say that several threads may do so at once.
  static std::mutex mutex;
  const std::lock_guard lock(mutex);
  unsigned major = 0, minor = 0, release = 0;
  ucp_get_version(&major, &minor, &release);
  BATON_RETURN_IF_ERROR(CheckRelease(major, minor));
  ucp_config_t* read = nullptr;
  BATON_RETURN_IF_ERROR(ToStatus(ucp_config_read(nullptr, nullptr, &read), "ucx configuration"));
  const std::unique_ptr<ucp_config_t, ConfigRelease> config(read);
  BATON_RETURN_IF_ERROR(Modify(config.get(), "TLS", options.transports));
  BATON_RETURN_IF_ERROR(Modify(config.get(), "NET_DEVICES", options.net_devices));
  ucp_params_t params{};
  params.field_mask = UCP_PARAM_FIELD_FEATURES | UCP_PARAM_FIELD_NAME;
  params.features = UCP_FEATURE_RMA | UCP_FEATURE_AM | UCP_FEATURE_WAKEUP;
  params.name = "baton";
  ucp_context_h context = nullptr;
  const ucs_status_t status = ucp_init(&params, config.get(), &context);
  if (status != UCS_OK) {
    return Unavailable(std::string("ucx finds no usable transport: ") + ucs_status_string(status));
  }
  return context;
}

/// Before 1.16 UCX put memory of devices as if it were the host's, unless told otherwise.
std::string WhyNoCuda(ucp_context_h context) {
  ucp_context_attr_t attributes{};
  attributes.field_mask = UCP_ATTR_FIELD_MEMORY_TYPES;
  const ucs_status_t status = ucp_context_query(context, &attributes);
  if (status != UCS_OK || (attributes.memory_types & UCS_BIT(UCS_MEMORY_TYPE_CUDA)) == 0) {
    return "ucx here was built without CUDA";
  }
  unsigned major = 0, minor = 0, release = 0;
  ucp_get_version(&major, &minor, &release);
  if (major > 1 || minor >= 16) return "";
  return "ucx " + std::to_string(major) + "." + std::to_string(minor) +
         " does not put memory of devices reliably";
}

bool HasSharedMemory(ucp_context_h context) {
  const std::string resources = Printed([&](FILE* out) { ucp_context_print_info(context, out); });
  return resources.find("posix/") != std::string::npos ||
         resources.find("sysv/") != std::string::npos;
}

}  // namespace baton::transport
