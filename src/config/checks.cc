#include "checks.h"

#include <algorithm>
#include <array>
#include <bit>

namespace baton::config {
namespace {

constexpr std::array kRoles{Role::kPrefill, Role::kDecode, Role::kMixed};

std::string Path(Role role, const char* name) {
  return "workers." + std::string(RoleName(role)) + "." + name;
}

/// Ports [first, last] on which one process or group listens.
struct PortRange {
  std::string path;
  std::string host;
  int32_t first = 0;
  int32_t last = 0;
};

bool SameHost(const std::string& a, const std::string& b) {
  const auto any = [](const std::string& host) { return host == "0.0.0.0" || host == "::"; };
  return a == b || any(a) || any(b);
}

class Checker {
 public:
  explicit Checker(const Loaded& loaded) : loaded_(loaded), config_(loaded.config) {}

  std::vector<std::string> Run() {
    CheckModel();
    CheckGroups();
    CheckCoreCounts();
    CheckPorts();
    CheckHosts();
    CheckCertificates();
    CheckDelays();
    CheckNames();
    CheckDiscovery();
    CheckTransport();
    CheckDevices();
    CheckNodes();
    if (config_.workers.one_process) CheckOneProcess();
    return std::move(errors_);
  }

 private:
  void Fail(const std::string& path, const std::string& message) {
    const auto found = std::ranges::find(loaded_.settings, path, &Setting::path);
    const bool given = found != loaded_.settings.end() && found->origin != Origin::kDefault;
    errors_.push_back((given ? found->where + ": " : "") + path + message);
  }

  void CheckModel() {
    if (config_.model.empty()) Fail("model", " is not set; name the folder of a model");
  }

  void CheckGroups() {
    const Workers& workers = config_.workers;
    if (workers.total() == 0) {
      Fail("workers", " has no worker; set the count of prefill and decode, or of mixed");
    }
    if (workers.prefill.count > 0 && workers.decode.count == 0) {
      Fail(Path(Role::kPrefill, "count"),
           " is " + std::to_string(workers.prefill.count) +
               ", but workers.decode.count is 0; prefill workers need a decode worker");
    }
    if (workers.decode.count > 0 && workers.prefill.count == 0) {
      Fail(Path(Role::kDecode, "count"),
           " is " + std::to_string(workers.decode.count) +
               ", but workers.prefill.count is 0; decode workers need a prefill worker");
    }
  }

  void CheckCoreCounts() {
    for (const Role role : kRoles) {
      const WorkerGroup& group = config_.workers.group(role);
      const Result<std::vector<int32_t>> cores = ParseCores(group.cores);
      if (!cores.ok() || cores->empty()) continue;
      if (static_cast<int32_t>(cores->size()) < group.count) {
        Fail(Path(role, "cores"), " names " + std::to_string(cores->size()) + " cores for " +
                                      std::to_string(group.count) +
                                      " workers; each needs at least one");
      }
    }
  }

  void CheckPorts() {
    std::vector<PortRange> ranges;
    const Router& router = config_.router;
    ranges.push_back({"router.port", router.host, router.port, router.port});
    ranges.push_back({"router.grpc_port", router.host, router.grpc_port, router.grpc_port});
    ranges.push_back(
        {"router.admin_port", router.admin_host, router.admin_port, router.admin_port});
    for (const Role role : kRoles) {
      const WorkerGroup& group = config_.workers.group(role);
      if (group.count == 0) continue;
      ranges.push_back(
          {Path(role, "port"), config_.workers.host, group.port, group.port + group.count - 1});
    }
    std::erase_if(ranges, [](const PortRange& range) { return range.first == 0; });
    for (size_t i = 0; i < ranges.size(); ++i) {
      if (ranges[i].last > 65535) {
        Fail(ranges[i].path,
             " leads to port " + std::to_string(ranges[i].last) + "; the last port is 65535");
      }
      for (size_t j = 0; j < i; ++j) CheckApart(ranges[j], ranges[i]);
    }
  }

  void CheckApart(const PortRange& a, const PortRange& b) {
    if (a.last < b.first || b.last < a.first || !SameHost(a.host, b.host)) return;
    Fail(b.path, " takes port " + std::to_string(std::max(a.first, b.first)) + ", which " + a.path +
                     " also takes");
  }

  /// What others reach must know who they are, or be told that it need not.
  void CheckHosts() {
    const Router& router = config_.router;
    const Status clients = CheckClientHost(router, router.host);
    if (!clients.ok()) Fail("router.host", " is " + clients.message());
    if (router.admin_port != 0 && !IsLoopback(router.admin_host) && !router.insecure) {
      Fail("router.admin_host", " is " + router.admin_host +
                                    ", where others reach it, but nobody is asked for a key "
                                    "there; set router.insecure: true (or --insecure)");
    }
    const Status status = CheckWorkerHost(config_.workers, config_.workers.host);
    if (!status.ok()) Fail("workers.host", ": " + status.message());
  }

  void CheckCertificates() {
    const Router& router = config_.router;
    if (router.tls_certificate.empty() != router.tls_key.empty()) {
      Fail(router.tls_key.empty() ? "router.tls_certificate" : "router.tls_key",
           " is set alone; a certificate and its key go together");
    }
    const Workers& workers = config_.workers;
    const bool none = workers.tls_certificate.empty();
    if (none != workers.tls_key.empty() || none != workers.tls_authority.empty()) {
      Fail(none ? (workers.tls_key.empty() ? "workers.tls_authority" : "workers.tls_key")
                : "workers.tls_certificate",
           " is not set with its two others; workers.tls_certificate, tls_key and tls_authority go "
           "together");
    }
  }

  void CheckDelays() {
    const Restart& restart = config_.restart;
    if (restart.longest_delay < restart.delay) {
      Fail("restart.longest_delay", " is less than restart.delay");
    }
  }

  void CheckNames() {
    std::vector<std::string> names;
    for (const std::string& text : config_.router.workers) {
      const Result<WorkerAddress> worker = ParseWorkerAddress(text);
      if (!worker.ok()) continue;
      if (std::ranges::find(names, worker->name) != names.end()) {
        Fail("router.workers", " names '" + worker->name + "' twice");
      }
      names.push_back(worker->name);
    }
  }

  void CheckDiscovery() {
    const Discovery& discovery = config_.router.discovery;
    const auto goes_with = [&](const char* key, bool set, const std::string& kind, bool needed) {
      if (!set && needed && discovery.kind == kind) {
        Fail("router.discovery.kind", " is " + kind + ", which needs router.discovery." + key);
      }
      if (set && discovery.kind != kind) {
        Fail("router.discovery." + std::string(key),
             " is for router.discovery.kind: " + kind + ", but that is " + discovery.kind);
      }
    };
    goes_with("file", !discovery.file.empty(), "file", true);
    goes_with("names", !discovery.names.empty(), "dns", true);
    goes_with("dns_server", !discovery.dns_server.empty(), "dns", false);
    goes_with("services", !discovery.services.empty(), "kubernetes", true);
    goes_with("namespace", !discovery.service_namespace.empty(), "kubernetes", false);
    goes_with("api_server", !discovery.api_server.empty(), "kubernetes", false);
    goes_with("service_account", !discovery.service_account.empty(), "kubernetes", false);
    CheckServices();
  }

  void CheckServices() {
    const Discovery& discovery = config_.router.discovery;
    std::vector<std::string> names;
    for (const std::string& text : discovery.services) {
      const Result<ServiceName> service = ParseServiceName(text);
      if (!service.ok()) continue;
      if (std::ranges::find(names, service->name) != names.end()) {
        Fail("router.discovery.services", " names '" + service->name + "' twice");
      }
      names.push_back(service->name);
    }
    if (discovery.api_server.empty()) return;
    const Status server = ParseHttpsServer(discovery.api_server).status();
    if (!server.ok()) Fail("router.discovery.api_server", ": " + server.message());
  }

  void CheckTransport() {
    const std::vector<std::string>& required = config_.transport.required;
    if (required.empty()) Fail("transport.required", " is an empty list; any accepts every path");
    if (required.size() > 1 && std::ranges::find(required, "any") != required.end()) {
      Fail("transport.required", " names any beside others; any stands alone");
    }
    if (config_.transport.kind == "nccl" && required != std::vector<std::string>{"any"}) {
      Fail("transport.required",
           " cannot be had of nccl, which does not tell what carries its data");
    }
  }

  /// What the host cannot do with memory of a GPU, and a GPU not at all.
  void CheckDevices() {
    for (const Role role : kRoles) {
      const WorkerGroup& group = config_.workers.group(role);
      const Result<std::optional<int32_t>> device = ParseDevice(group.device);
      if (!device.ok() || group.count == 0) continue;
      if (!*device) {
        if (group.kv_percent != 0) {
          Fail(Path(role, "kv_percent"), " is for GPUs; with device: cpu set kv_memory");
        }
        if (group.sm_percent != 0) {
          Fail(Path(role, "sm_percent"), " is for GPUs; with device: cpu set threads or cores");
        }
        continue;
      }
      CheckRanksOnGpus(role);
      const std::string on = ", but " + Path(role, "device") + " is " + group.device;
      if (config_.engine.kv_dtype != DType::kBFloat16) {
        Fail("engine.kv_dtype", " is " + std::string(DTypeName(config_.engine.kv_dtype)) + on +
                                    ", which computes in bfloat16; set bfloat16");
      }
      if (config_.engine.weights != "auto") {
        Fail("engine.weights",
             " is " + config_.engine.weights + on + ", where weights are bfloat16; set auto");
      }
      if (role != Role::kMixed && config_.handoff.checksum != "off") {
        Fail("handoff.checksum",
             " is " + config_.handoff.checksum + on + ", whose KV the host cannot read; set off");
      }
    }
  }

  void CheckNodes() {
    for (const Role role : kRoles) {
      const WorkerGroup& group = config_.workers.group(role);
      if (group.count == 0 || group.nodes == 1) continue;
      const auto fail = [&](const std::string& why) {
        Fail(Path(role, "nodes"), " is " + std::to_string(group.nodes) + ", but " + why);
      };
      if (group.tensor_parallel % group.nodes != 0) {
        fail(Path(role, "tensor_parallel") + " is " + std::to_string(group.tensor_parallel) +
             ", which it does not divide; set a multiple, since each node has as many ranks");
      }
      if (config_.handoff.checksum != "off") {
        fail("handoff.checksum is " + config_.handoff.checksum +
             ", which one node cannot reckon for the KV of another; set off");
      }
      if (config_.transport.kind == "nccl") {
        fail("transport.kind is nccl, which hands on the KV of one process; set ucx");
      }
    }
  }

  void CheckOneProcess() {
    const WorkerGroup& prefill = config_.workers.prefill;
    const WorkerGroup& decode = config_.workers.decode;
    const auto fail = [&](const std::string& why) {
      Fail("workers.one_process", " is true, but " + why);
    };
    if (prefill.count != 1 || decode.count != 1) {
      fail("workers.prefill.count is " + std::to_string(prefill.count) +
           " and workers.decode.count " + std::to_string(decode.count) + "; set both to 1");
    }
    if (prefill.tensor_parallel != 1 || decode.tensor_parallel != 1) {
      fail("a worker has several ranks; set workers.*.tensor_parallel to 1");
    }
    if (config_.transport.kind == "nccl") {
      fail("transport.kind is nccl, which joins processes; set ucx");
    }
    const auto first = ParseDevice(prefill.device);
    const auto second = ParseDevice(decode.device);
    if (!first.ok() || !second.ok()) return;
    if (*first != *second) {
      fail("workers.prefill.device is " + prefill.device + " and workers.decode.device " +
           decode.device + "; set the same device");
    } else if (*first && (prefill.sm_percent == 0 || decode.sm_percent == 0 ||
                          prefill.sm_percent + decode.sm_percent > 100)) {
      fail("workers.prefill.sm_percent is " + std::to_string(prefill.sm_percent) +
           " and workers.decode.sm_percent " + std::to_string(decode.sm_percent) +
           "; set both, to at most 100 together, e.g. 60 and 40");
    }
  }

  void CheckRanksOnGpus(Role role) {
    const int32_t ranks = config_.workers.group(role).tensor_parallel;
    if (ranks == 1) return;
    const std::string is = " is " + std::to_string(ranks) + " on GPUs, ";
    if (config_.engine.deterministic && !std::has_single_bit(static_cast<uint32_t>(ranks))) {
      Fail(Path(role, "tensor_parallel"),
           is + "whose sums are in one order for powers of two only; set one of 2, 4, 8, or "
                "engine.deterministic: false");
    }
    if (role != Role::kMixed && config_.transport.kind == "nccl") {
      Fail(Path(role, "tensor_parallel"),
           is + "but transport.kind is nccl, which hands on the KV of one GPU; set ucx");
    }
  }

  const Loaded& loaded_;
  const Config& config_;
  std::vector<std::string> errors_;
};

}  // namespace

std::vector<std::string> CheckWhole(const Loaded& loaded) { return Checker(loaded).Run(); }

}  // namespace baton::config
