#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "baton/base/clock.h"
#include "baton/base/dtype.h"
#include "baton/base/logging.h"
#include "baton/base/role.h"
#include "baton/base/status.h"
#include "baton/base/units.h"

namespace baton::config {

/// The workers of one role.
struct WorkerGroup {
  int32_t count = 0;
  /// Per worker, or node of one; 0: the cores of this host divided by the workers on it.
  int32_t threads = 0;
  /// Per worker: ranks that share the model's heads and columns, each with memory and threads of
  /// its own.
  int32_t tensor_parallel = 1;
  /// Per worker: processes, on as many hosts, that have an equal part of its ranks each.
  int32_t nodes = 1;
  /// What it computes on: "cpu", "cuda" or "cuda:N"; rank r of worker i on
  /// cuda:N + i * tensor_parallel + r.
  std::string device = "cpu";
  /// Per worker, of all its ranks: memory for the KV cache.
  int64_t kv_memory_bytes = 256 * kMiB;
  /// Of its GPU's memory that is free once the weights are there, in place of kv_memory; 0: that.
  int32_t kv_percent = 0;
  /// Of its GPU's multiprocessors, where workers share one; 0: all.
  int32_t sm_percent = 0;
  /// Cores that the group is pinned to, e.g. "0-3,8"; each worker gets an equal part of them.
  /// Empty: not pinned.
  std::string cores;
  /// Worker i listens on port + i; 0: an ephemeral port each.
  int32_t port = 0;
};

struct Workers {
  std::string host = "127.0.0.1";
  /// Files in PEM: what router and workers show each other, and the authority of those who belong
  /// to the fleet. All three or none.
  std::string tls_certificate;
  std::string tls_key;
  std::string tls_authority;
  /// May listen where others reach it although no peer has to show a certificate.
  bool insecure = false;
  /// The prefill and the decode worker are one process.
  bool one_process = false;
  WorkerGroup prefill;
  WorkerGroup decode;
  WorkerGroup mixed;

  const WorkerGroup& group(Role role) const;
  int32_t total() const { return prefill.count + decode.count + mixed.count; }
};

/// How the router finds workers that somebody else started.
struct Discovery {
  /// "static": those of router.workers alone; "file", "dns", "kubernetes": others too.
  std::string kind = "static";
  /// With "file".
  std::string file;
  /// With "dns": "host:port", or an SRV record.
  std::vector<std::string> names;
  /// "address:port" of the DNS server; empty: the system's.
  std::string dns_server;
  /// With "kubernetes": "service" or "service:port".
  std::vector<std::string> services;
  /// That of the services; empty: the service account's.
  std::string service_namespace;
  /// "https://host:port"; empty: as the pod's environment says.
  std::string api_server;
  /// A folder with token, ca.crt and namespace; empty: where pods have it.
  std::string service_account;
  /// How long one watch lasts at most.
  Duration watch = std::chrono::minutes(1);
  /// Between two looks at the file or questions for the names or the services.
  Duration interval = std::chrono::seconds(2);
};

struct Router {
  std::string host = "127.0.0.1";
  /// 0: an ephemeral port, named in the ready line.
  int32_t port = 8000;
  /// Threads that serve HTTP.
  int32_t threads = 2;
  /// How workers that generate are chosen, and those that prefill for them: "cost", "least_loaded",
  /// "power_of_two", "prefix_aware" or "round_robin".
  std::string policy = "cost";
  /// "same" is as `policy`.
  std::string prefill_policy = "same";
  /// Wishes of requests that have none of their own; 0: none.
  Duration slo_ttft{};
  Duration slo_tpot{};
  /// What becomes of requests that cannot have their first token in time: "refuse", "degrade",
  /// "queue".
  std::string overload = "degrade";
  /// Who chooses the workers' roles: "fixed": the operator, "auto": the router, by the load, and
  /// how long it leaves them at least after a change.
  std::string ratio = "fixed";
  Duration ratio_dwell = std::chrono::minutes(1);
  /// Work that a worker is given ahead; what is beyond that waits in the router.
  Duration worker_queue = std::chrono::milliseconds(50);
  /// How calls of tools are read from outputs: "auto", "none", "hermes", "llama3", "mistral".
  std::string tool_parser = "auto";
  /// How reasoning is: "auto", "none", "think".
  std::string reasoning_parser = "auto";
  /// Of the gRPC server, on `host`; 0: there is none.
  int32_t grpc_port = 0;
  /// Files in PEM: what the router shows its clients, over HTTP and gRPC. Both or none.
  std::string tls_certificate;
  std::string tls_key;
  /// A file with the keys of those who may ask; empty: everybody may.
  std::string api_keys;
  /// May listen where others reach it although nobody is asked for a key.
  bool insecure = false;
  /// Networks of gateways whose picks of prefill workers are followed.
  std::vector<std::string> trusted_peers;
  /// Where the operators' paths are; port 0: on the HTTP server.
  std::string admin_host = "127.0.0.1";
  int32_t admin_port = 0;
  /// How often in a row a request is begun, in vain, before its client is told so; and for how long
  /// it waits for a worker to come back.
  int32_t resume_attempts = 8;
  Duration resume_wait = std::chrono::seconds(15);
  /// Workers started by somebody else: "name=host:port". `baton serve` adds its own.
  std::vector<std::string> workers;
  Discovery discovery;
};

struct Engine {
  int32_t block_tokens = 16;
  int32_t step_tokens = 512;
  int32_t running_sequences = 64;
  int32_t waiting_sequences = 1024;
  DType kv_dtype = DType::kBFloat16;
  /// "auto": the model's weights; "random": made up from its config.json.
  std::string load = "auto";
  /// "auto": of the type that they have; "int8": rounded to it when they are loaded; "w8a8": so are
  /// activations, in every product; "w16a16": both, to bfloat16.
  std::string weights = "auto";
  /// Of the CPU: "auto", the fastest, or a name of kernels::CpuOpsFor.
  std::string instructions = "auto";
  bool deterministic = true;
  /// Programmatic dependent launch.
  bool early_launches = false;
  /// "auto" or "off".
  std::string overlap = "auto";
  std::string graphs = "auto";
  /// Most sequences of a step that is a graph.
  int32_t graph_sequences = 256;
  bool prefix_cache = true;
  /// 0: the model's.
  int32_t context_tokens = 0;
  /// Layers that one transfer of a hand-off carries; 0: chosen from the model.
  int32_t layer_group = 0;
  /// For how long a worker tries, before it is ready, what steps take; 0: not at all.
  Duration calibration = std::chrono::milliseconds(500);
};

struct Handoff {
  /// Between a decode worker's offer and the prefill worker's next sign of progress.
  Duration lease = std::chrono::seconds(10);
  /// A joined worker that says nothing for this long is taken for lost.
  Duration silence = std::chrono::milliseconds(750);
  /// What a block's bytes are checked by before its sequence may be scheduled: "off" or "crc32c".
  std::string checksum = "off";
  /// Most hand-offs under way per prefill worker.
  int32_t in_flight = 256;
  /// A decode worker prefills by itself when at most this many prompt tokens lack KV; -1: never.
  int32_t local_prefill_tokens = -1;
};

struct Transport {
  /// "ucx" or "nccl".
  std::string kind = "ucx";
  /// How UCX may move data, in the notation of UCX_TLS; empty: the best that UCX finds.
  std::string tls;
  /// What may carry KV: "any" alone, or some of "shm", "tcp", "rdma", "cuda_ipc".
  std::vector<std::string> required{"any"};
};

struct Limits {
  int64_t body_bytes = 8 * kMiB;
  int64_t header_bytes = 16 * kKiB;
  int32_t json_depth = 64;
  int32_t connections = 1024;
  /// HTTP requests under way at once; further ones get 429 with Retry-After.
  int32_t concurrent_requests = 256;
  /// Completions under way at once: a request has one for each choice of each prompt.
  int32_t concurrent_completions = 1024;
  /// Of those, how many may wait in the router for a worker.
  int32_t queued_completions = 1024;
  int32_t prompts_per_request = 64;
  int32_t choices_per_prompt = 16;
  int32_t stop_strings = 16;
  /// What a slow client may leave unread of a stream.
  int64_t write_backlog_bytes = kMiB;
};

struct Timeouts {
  /// The router takes a worker for lost that says nothing for this long.
  Duration worker_silence = std::chrono::milliseconds(900);
  /// In the router's queue, while workers have no room; and while no worker is ready at all.
  Duration queue = std::chrono::minutes(10);
  Duration no_worker = std::chrono::seconds(10);
  /// A worker that has work and gets no step done for this long is given up, and ends.
  Duration worker_progress = std::chrono::seconds(60);
  /// From a request's first byte to the end of its header.
  Duration header = std::chrono::seconds(10);
  /// From the end of the header to the end of the body.
  Duration body = std::chrono::seconds(60);
  /// For a client to take any byte of an answer.
  Duration write = std::chrono::seconds(30);
  /// Between two requests of a connection.
  Duration idle = std::chrono::seconds(75);
  /// Between comment lines in a stream that has nothing to say.
  Duration keep_alive = std::chrono::seconds(5);
  /// What running requests get to finish after SIGTERM or Ctrl-C.
  Duration drain = std::chrono::seconds(30);
  /// What a drained process gets to end before it is killed.
  Duration stop = std::chrono::seconds(5);
};

/// How `baton serve` restarts its processes.
struct Restart {
  Duration delay = std::chrono::milliseconds(200);
  Duration longest_delay = std::chrono::seconds(10);
  /// A process that was ready for this long starts again at the shortest delay.
  Duration healthy = std::chrono::seconds(30);
  /// A process that ends this often without ever having been ready ends the server.
  int32_t attempts = 3;
};

/// Spans of requests for OpenTelemetry. What is empty, "auto" or 0 s here, its variables may say.
struct Otlp {
  /// Of the receiver of OTLP over HTTP; empty: nothing is sent.
  std::string endpoint;
  /// "name=value" each.
  std::vector<std::string> headers;
  std::string authority;
  /// "auto", "none" or "gzip".
  std::string compression = "auto";
  Duration timeout{};
  Duration interval = std::chrono::seconds(1);
  int32_t batch_spans = 512;
  int32_t queue_spans = 8192;
  /// "auto", or as OTEL_TRACES_SAMPLER has it.
  std::string sampler = "auto";
  /// A number from 0 to 1.
  std::string sampler_arg;
  std::string service_name;
};

struct Telemetry {
  /// Where the router writes the traces of requests; empty: no request is traced.
  std::string trace_folder;
  /// Traces every nth request besides those that ask for it; 0: those only.
  int32_t trace_every = 0;
  /// Files that one router leaves in the folder at most; the oldest goes first.
  int32_t trace_files = 1000;
  /// "text" or "json".
  std::string log_format = "text";
  Otlp otlp;

  bool json_logs() const { return log_format == "json"; }
};

/// Everything that a deployment may set. The table of keys in src/config/schema.cc gives each
/// member its name in YAML, its accepted values and its help; the defaults are those above.
struct Config {
  /// A Hugging Face folder. In a file it is relative to the file's folder, elsewhere to the working
  /// directory; loaded configurations carry an absolute path.
  std::string model;
  /// Empty: the last part of the model's path.
  std::string served_model_name;
  LogLevel log_level = LogLevel::kInfo;
  Workers workers;
  Router router;
  Engine engine;
  Handoff handoff;
  Transport transport;
  Limits limits;
  Timeouts timeouts;
  Restart restart;
  Telemetry telemetry;

  /// served_model_name, or what it defaults to.
  std::string ModelName() const;
};

/// "0-3,8" -> 0, 1, 2, 3, 8. Fails with InvalidArgument on anything but ascending core numbers.
Result<std::vector<int32_t>> ParseCores(const std::string& text);

/// "cpu" -> none, "cuda" -> 0, "cuda:3" -> 3. Fails with InvalidArgument on anything else.
Result<std::optional<int32_t>> ParseDevice(const std::string& text);

/// Whether `host` is reached from this host alone. A name other than localhost may be anything.
bool IsLoopback(std::string_view host);

/// Fails with InvalidArgument where a worker may not listen on `host`: others would reach it, and
/// it could not tell who they are.
Status CheckWorkerHost(const Workers& workers, std::string_view host);

/// Fails with InvalidArgument where clients may not be answered on `host`: others would reach it,
/// and nobody is asked for a key.
Status CheckClientHost(const Router& router, std::string_view host);

/// A process on the network: "p0=127.0.0.1:7000".
struct WorkerAddress {
  std::string name;
  std::string host;
  int32_t port = 0;
};
/// Fails with InvalidArgument unless `text` is name=host:port.
Result<WorkerAddress> ParseWorkerAddress(const std::string& text);

/// Fails with InvalidArgument unless `text` is host:port, or _service._proto.domain for an SRV
/// record.
Status ParseDnsName(const std::string& text);

/// A Service of Kubernetes: "baton-decode:grpc".
struct ServiceName {
  std::string name;
  /// The name or the number of its port; empty: it has one.
  std::string port;
};
/// Fails with InvalidArgument unless `text` is service or service:port.
Result<ServiceName> ParseServiceName(const std::string& text);

struct HttpsServer {
  /// Without brackets.
  std::string host;
  int32_t port = 0;
};
/// Fails with InvalidArgument unless `text` is https://host:port, or without a port, which is 443.
Result<HttpsServer> ParseHttpsServer(const std::string& text);

struct HttpUrl {
  bool tls = false;
  /// Without brackets.
  std::string host;
  int32_t port = 0;
  /// With what comes behind it; "/" where there is none.
  std::string path = "/";
};
/// Fails with InvalidArgument unless `text` is such as http://host:4318/path, of which port and
/// path may be left out.
Result<HttpUrl> ParseHttpUrl(const std::string& text);

}  // namespace baton::config
