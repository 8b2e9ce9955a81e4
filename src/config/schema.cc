#include "schema.h"

#include <algorithm>
#include <charconv>

#include "baton/base/ip_network.h"

namespace baton::config {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;

constexpr int64_t Ns(Duration duration) { return duration.count(); }

/// Adds keys of one section: add("name", &Section::member, "help", {.least = 1}).
template <typename Section>
auto Adder(std::vector<Key>& keys, const std::string& name, Section Config::*section) {
  return [&keys, name, section]<typename T>(const char* key_name, T Section::*member,
                                            std::string help, Key key = {}) {
    key.path = name + "." + key_name;
    key.slot = [=](Config& config) -> Slot { return &(config.*section.*member); };
    key.help = std::move(help);
    keys.push_back(std::move(key));
  };
}

Status CheckCores(const std::string& text) { return ParseCores(text).status(); }
Status CheckDevice(const std::string& text) { return ParseDevice(text).status(); }
Status CheckDnsName(const std::string& text) { return ParseDnsName(text); }
Status CheckNetwork(const std::string& text) { return IpNetwork::Parse(text).status(); }
Status CheckService(const std::string& text) { return ParseServiceName(text).status(); }
Status CheckWorker(const std::string& text) { return ParseWorkerAddress(text).status(); }
Status CheckEndpoint(const std::string& text) {
  return text.empty() ? OkStatus() : ParseHttpUrl(text).status();
}

Status CheckHeader(const std::string& text) {
  const size_t equals = text.find('=');
  const bool sane = std::ranges::all_of(text, [](char c) { return ' ' <= c && c <= '~'; });
  const bool named = equals != std::string::npos && equals > 0 &&
                     text.substr(0, equals).find_first_of(" :\"(),/;<>?@[]{}") == std::string::npos;
  return sane && named ? OkStatus() : InvalidArgument("no header");
}

Status CheckRatio(const std::string& text) {
  if (text.empty()) return OkStatus();
  double ratio = -1;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), ratio);
  const bool whole = error == std::errc() && end == text.data() + text.size();
  return whole && ratio >= 0 && ratio <= 1 ? OkStatus() : InvalidArgument("no ratio");
}

void AddGroup(std::vector<Key>& keys, const std::string& role, WorkerGroup Workers::*group) {
  const auto add = [&]<typename T>(const char* name, T WorkerGroup::*member, std::string help,
                                   Key key) {
    key.path = "workers." + role + "." + name;
    key.slot = [=](Config& config) -> Slot { return &(config.workers.*group.*member); };
    key.help = std::move(help);
    keys.push_back(std::move(key));
  };
  const std::string count = role == "mixed"
                                ? "workers that do both, each on its own"
                                : role + " workers; 1 where no count is given for any role";
  add("count", &WorkerGroup::count, count, {.greatest = 1024, .live = true});
  add("threads", &WorkerGroup::threads,
      "threads that compute, per worker or node of one and at least one per rank; 0: this host's "
      "cores divided by its workers",
      {.greatest = 1024});
  add("tensor_parallel", &WorkerGroup::tensor_parallel,
      "ranks of a worker, which share its model's heads and columns, its threads and its "
      "kv_memory; "
      "must divide the model's query heads and intermediate size, and its KV heads or be a "
      "multiple "
      "of them",
      {.least = 1, .greatest = 64});
  add("nodes", &WorkerGroup::nodes,
      "processes that are one worker, each on a node of its own with an equal part of the ranks; "
      "divides tensor_parallel",
      {.least = 1, .greatest = 64});
  add("device", &WorkerGroup::device,
      "what computes; rank r of worker i takes GPU N + i * tensor_parallel + r, on each of several "
      "nodes from N on, and cuda is cuda:0",
      {.check = CheckDevice, .form = "cpu, cuda or cuda:N"});
  add("kv_memory", &WorkerGroup::kv_memory_bytes, "memory for the KV cache, per worker",
      {.least = 4 * kKiB});
  add("kv_percent", &WorkerGroup::kv_percent,
      "in place of kv_memory, on a GPU: this part of what is free there once weights, steps and "
      "CUDA graphs have theirs; 0: kv_memory. Workers that share a GPU and start together see the "
      "same memory free: give them kv_memory",
      {.greatest = 99});
  add("sm_percent", &WorkerGroup::sm_percent,
      "most of a GPU's multiprocessors that a worker uses, beside other workers on that GPU; needs "
      "CUDA's Multi-Process Service, or workers.one_process; 0: all",
      {.greatest = 99});
  add("cores", &WorkerGroup::cores,
      "cores that the group is pinned to, an equal part for each worker; empty: not pinned",
      {.check = CheckCores, .form = "core numbers like 0-3,8"});
  add("port", &WorkerGroup::port, "worker i listens on this port + i; 0: an ephemeral port each",
      {.greatest = 65535});
}

void AddTop(std::vector<Key>& keys) {
  const auto add = [&]<typename T>(const char* name, T Config::*member, std::string help,
                                   Key key = {}) {
    key.path = name;
    key.slot = [=](Config& config) -> Slot { return &(config.*member); };
    key.help = std::move(help);
    keys.push_back(std::move(key));
  };
  add("model", &Config::model,
      "folder of the model in Hugging Face layout; in a file relative to the file's folder, "
      "elsewhere to the working directory",
      {.is_file = true});
  add("served_model_name", &Config::served_model_name,
      "the model's name in the API; empty: the last part of its path");
  add("log_level", &Config::log_level, "least level that is logged",
      {.choices = {"debug", "info", "warning", "error"}, .live = true});
}

void AddWorkers(std::vector<Key>& keys) {
  const auto add = Adder(keys, "workers", &Config::workers);
  add("host", &Workers::host, "address on which workers listen");
  add("tls_certificate", &Workers::tls_certificate,
      "file in PEM: what the router and each worker show each other; empty: nothing, and workers "
      "listen on this host only",
      {.is_file = true});
  add("tls_key", &Workers::tls_key, "file in PEM: the key of workers.tls_certificate",
      {.is_file = true});
  add("tls_authority", &Workers::tls_authority,
      "file in PEM: whoever has a certificate of this authority belongs to the fleet",
      {.is_file = true});
  add("insecure", &Workers::insecure,
      "workers may listen beyond this host although nobody has to show who they are");
  add("one_process", &Workers::one_process,
      "the prefill and the decode worker, one of each, are one process, which holds the weights "
      "once; on a GPU, which must be the same, each computes on its own sm_percent of it, without "
      "CUDA's Multi-Process Service");
  AddGroup(keys, "prefill", &Workers::prefill);
  AddGroup(keys, "decode", &Workers::decode);
  AddGroup(keys, "mixed", &Workers::mixed);
}

void AddRouter(std::vector<Key>& keys) {
  const auto add = Adder(keys, "router", &Config::router);
  add("host", &Router::host, "address of the HTTP server");
  add("port", &Router::port,
      "port of the HTTP server; 0: an ephemeral one, named in the ready line", {.greatest = 65535});
  add("threads", &Router::threads, "threads that serve HTTP, and as many that serve gRPC",
      {.least = 1, .greatest = 256});
  add("policy", &Router::policy,
      "how workers that generate are chosen; cost: by what steps, hand-offs and queues take there, "
      "and it is weighed for each request whether to hand it over at all",
      {.choices = {"cost", "least_loaded", "power_of_two", "prefix_aware", "round_robin"},
       .live = true});
  add("prefill_policy", &Router::prefill_policy,
      "how workers that prefill for them are; same: as router.policy says",
      {.choices = {"same", "cost", "least_loaded", "power_of_two", "prefix_aware", "round_robin"},
       .live = true});
  add("slo_ttft", &Router::slo_ttft,
      "within what requests without a ttft_slo_ms of their own should have their first token; 0s: "
      "they have no wish",
      {.least = 0, .greatest = Ns(hours(1)), .live = true});
  add("slo_tpot", &Router::slo_tpot, "likewise per token after it, for those without a tpot_slo_ms",
      {.least = 0, .greatest = Ns(hours(1)), .live = true});
  add("overload", &Router::overload,
      "what becomes of a request that can no longer have its first token as wished; refuse: it is "
      "answered 429 with Retry-After; degrade: it goes behind those of its priority that still "
      "can; queue: it waits like any other",
      {.choices = {"refuse", "degrade", "queue"}, .live = true});
  add("ratio", &Router::ratio,
      "who chooses the workers' roles; fixed: they are as configured, until `baton scale` or an "
      "edit changes them; auto: the router changes them to those with which it expects to serve "
      "most requests like those of late within their SLOs",
      {.choices = {"fixed", "auto"}, .live = true});
  add("ratio_dwell", &Router::ratio_dwell,
      "with ratio: auto, least time between two changes; other roles must promise more for a sixth "
      "of it before",
      {.least = Ns(milliseconds(100)), .greatest = Ns(hours(24)), .live = true});
  add("worker_queue", &Router::worker_queue,
      "prompts that a worker computes within this, or in two steps, or two prompts, may wait "
      "there; what is more waits in the router, where the order can still change",
      {.least = 0, .greatest = Ns(hours(1)), .live = true});
  add("tool_parser", &Router::tool_parser,
      "how calls of tools are read from the model's output; auto: as its chat template shows them",
      {.choices = {"auto", "none", "hermes", "llama3", "mistral"}});
  add("reasoning_parser", &Router::reasoning_parser,
      "how reasoning is told from the answer in the model's output; auto: as its chat template "
      "marks it",
      {.choices = {"auto", "none", "think"}});
  add("grpc_port", &Router::grpc_port, "port of the gRPC server, on router.host; 0: there is none",
      {.greatest = 65535});
  add("tls_certificate", &Router::tls_certificate,
      "file in PEM: what router.port and router.grpc_port show their clients; empty: no TLS",
      {.is_file = true});
  add("tls_key", &Router::tls_key, "file in PEM: the key of router.tls_certificate",
      {.is_file = true});
  add("api_keys", &Router::api_keys,
      "file with the keys of those who may ask, see below; empty: everybody may, and the router "
      "listens on this host only",
      {.is_file = true});
  add("insecure", &Router::insecure,
      "the router may listen beyond this host although it asks nobody for a key");
  add("trusted_peers", &Router::trusted_peers,
      "networks of the gateways whose header x-prefiller-host-port is followed, with which llm-d's "
      "endpoint picker names the prefill worker of a request; from others, and where it names none "
      "that can prefill it, the router decides as ever",
      {.check = CheckNetwork, .form = "networks like 10.0.0.0/8"});
  add("admin_host", &Router::admin_host, "address of admin_port");
  add("admin_port", &Router::admin_port,
      "port for the live page, /fleet, /metrics, /scale, /health, /livez, /readyz and /version, "
      "without keys and TLS; router.port then has only the last four; 0: none",
      {.greatest = 65535});
  add("resume_attempts", &Router::resume_attempts,
      "most attempts at a request, one after the other, at workers that do not get ahead with it; "
      "1: the first failure is the client's",
      {.least = 1, .greatest = 1000, .live = true});
  add("resume_wait", &Router::resume_wait,
      "for how long, in all, a request waits between two attempts for a worker to come back",
      {.least = 0, .greatest = Ns(hours(1)), .live = true});
  add("workers", &Router::workers, "workers started elsewhere; `baton serve` adds its own",
      {.check = CheckWorker, .form = "name=host:port"});
}

void AddDiscovery(std::vector<Key>& keys) {
  const auto add = [&]<typename T>(const char* name, T Discovery::*member, std::string help,
                                   Key key = {}) {
    key.path = std::string("router.discovery.") + name;
    key.slot = [=](Config& config) -> Slot { return &(config.router.discovery.*member); };
    key.help = std::move(help);
    keys.push_back(std::move(key));
  };
  add("kind", &Discovery::kind,
      "how workers are found that others started, besides those of router.workers; see below",
      {.choices = {"static", "file", "dns", "kubernetes"}});
  add("file", &Discovery::file, "with kind: file, the file that lists them", {.is_file = true});
  add("names", &Discovery::names, "with kind: dns, the names whose addresses are those of workers",
      {.check = CheckDnsName, .form = "host:port or _service._tcp.domain"});
  add("dns_server", &Discovery::dns_server,
      "with kind: dns, address:port of whom to ask; empty: those of /etc/resolv.conf");
  add("services", &Discovery::services,
      "with kind: kubernetes, the Services whose pods are workers; the port, by name or number, "
      "may "
      "be left out where the Service has one only",
      {.check = CheckService, .form = "service or service:port"});
  add("namespace", &Discovery::service_namespace,
      "with kind: kubernetes, the namespace of these Services; empty: the router's own");
  add("api_server", &Discovery::api_server,
      "with kind: kubernetes, https://host:port of the API server; empty: as a pod's environment "
      "says");
  add("service_account", &Discovery::service_account,
      "with kind: kubernetes, the folder with token, ca.crt and namespace; empty: "
      "/var/run/secrets/kubernetes.io/serviceaccount",
      {.is_file = true});
  add("watch", &Discovery::watch,
      "with kind: kubernetes, how long one watch lasts at most; within it is noticed that a server "
      "has gone without a word",
      {.least = Ns(std::chrono::seconds(1)), .greatest = Ns(hours(1))});
  add("interval", &Discovery::interval,
      "least time between two looks at the file, questions for the names or watches of the "
      "services; for how long an answer of DNS holds, up to 30 s, may make it more, and so do "
      "failures of the API server",
      {.least = Ns(milliseconds(10)), .greatest = Ns(hours(1))});
}

void AddEngine(std::vector<Key>& keys) {
  const auto add = Adder(keys, "engine", &Config::engine);
  add("block_tokens", &Engine::block_tokens, "tokens per KV block", {.least = 1, .greatest = 1024});
  add("step_tokens", &Engine::step_tokens,
      "most tokens in one step; longer prompts are prefilled in chunks",
      {.least = 1, .greatest = 1 << 20});
  add("running_sequences", &Engine::running_sequences,
      "most sequences that run at once, per worker", {.least = 1, .greatest = 1 << 16});
  add("waiting_sequences", &Engine::waiting_sequences,
      "most sequences that wait, per worker; further ones are refused",
      {.least = 1, .greatest = 1 << 20});
  add("kv_dtype", &Engine::kv_dtype,
      "type of the KV cache; int8: on the CPU, with a scale for each token and head, in about half "
      "the memory of bfloat16",
      {.choices = {"bfloat16", "float16", "float32", "int8"}});
  add("weights", &Engine::weights,
      "auto: of the type that they have in the model's folder; int8: on the CPU, rounded to eight "
      "bits when they are loaded, which halves what a decode step reads; w8a8: activations too, "
      "before each product, which makes prefill faster; w16a16: both to bfloat16, which does so on "
      "processors that multiply it (AMX, AVX512_BF16). All workers need the same",
      {.choices = {"auto", "int8", "w8a8", "w16a16"}});
  add("instructions", &Engine::instructions,
      "on the CPU: auto: the fastest set of instructions that the host has. amx has other sums "
      "than the others, and so may have other tokens: workers with it and workers without it do "
      "not serve together. Where only some hosts have it, name a set that all have",
      {.choices = {"auto", "amx", "avx512bf16", "avx512vnni", "avx512", "avxvnni", "avx2",
                   "portable"}});
  add("deterministic", &Engine::deterministic,
      "on a GPU: the same tokens alone, in any batch, split or resumed; false: as fast as can be. "
      "On "
      "the CPU it is always so");
  add("early_launches", &Engine::early_launches,
      "on a GPU small kernels begin before those before them have ended, and load their first "
      "weights "
      "meanwhile (programmatic dependent launch). The tokens are the same");
  add("overlap", &Engine::overlap,
      "auto: on a GPU the next step is planned and begun while one computes; off: once it has been "
      "computed. The tokens are the same",
      {.choices = {"auto", "off"}});
  add("graphs", &Engine::graphs,
      "auto: on a GPU steps of nothing but decodes are recorded at the start, as CUDA graphs of "
      "some "
      "sizes, and repeated; off: their kernels are launched one by one. The tokens are the same",
      {.choices = {"auto", "off"}});
  add("graph_sequences", &Engine::graph_sequences,
      "most sequences in a step that is a graph; fewer take less memory and less time at the start",
      {.least = 1, .greatest = 1 << 16});
  add("load", &Engine::load,
      "random: weights are made up, the same in every worker, and the model's folder needs none of "
      "its own; for measuring",
      {.choices = {"auto", "random"}});
  add("prefix_cache", &Engine::prefix_cache, "reuse the KV blocks of equal prefixes");
  add("context_tokens", &Engine::context_tokens,
      "longest prompt and output together; 0: the model's. It also chooses between the two lists "
      "of "
      "frequencies of a LongRoPE model (Phi-3/4): the one for short contexts where this is at most "
      "the length that the model was first trained on",
      {.greatest = 1 << 24});
  add("layer_group", &Engine::layer_group,
      "layers after which finished KV is sent; 0: as many as are worth it by what puts cost, and "
      "all until that is known",
      {.greatest = 1024});
  add("calibration", &Engine::calibration,
      "most time in which a worker tries, before it is ready, what steps take there, so that the "
      "router decides well from the first request on; 0s: none",
      {.least = 0, .greatest = Ns(std::chrono::minutes(1))});
}

void AddHandoff(std::vector<Key>& keys) {
  const auto add = Adder(keys, "handoff", &Config::handoff);
  add("lease", &Handoff::lease,
      "between a decode worker's offer and the prefill worker's next sign of progress",
      {.least = Ns(milliseconds(10)), .greatest = Ns(hours(1))});
  add("silence", &Handoff::silence,
      "a worker that says nothing to a joined one for this long is taken for lost; workers give "
      "signs of life three times as often",
      {.least = Ns(milliseconds(60)), .greatest = Ns(hours(1))});
  add("checksum", &Handoff::checksum,
      "what every block is checked by before its sequence may run; a damaged hand-off is redone",
      {.choices = {"off", "crc32c"}});
  add("in_flight", &Handoff::in_flight, "most hand-offs under way per prefill worker",
      {.least = 1, .greatest = 1 << 16});
  add("local_prefill_tokens", &Handoff::local_prefill_tokens,
      "a decode worker prefills by itself when at most this many prompt tokens lack KV; -1: never",
      {.least = -1, .greatest = 1 << 24});
}

void AddTransport(std::vector<Key>& keys) {
  const auto add = Adder(keys, "transport", &Config::transport);
  add("kind", &Transport::kind,
      "what carries KV blocks between workers; nccl: between CUDA devices, messages stay on ucx",
      {.choices = {"ucx", "nccl"}});
  add("tls", &Transport::tls,
      "how UCX may move data, in the notation of UCX_TLS, e.g. tcp; empty: the best that it finds");
  add("required", &Transport::required,
      "the only paths that may carry KV; a worker that finds another refuses to serve, and names "
      "it",
      {.choices = {"any", "shm", "tcp", "rdma", "cuda_ipc"}});
}

void AddLimits(std::vector<Key>& keys) {
  const auto add = Adder(keys, "limits", &Config::limits);
  add("body_bytes", &Limits::body_bytes, "largest body of a request",
      {.least = kKiB, .greatest = kGiB});
  add("header_bytes", &Limits::header_bytes, "largest header of an HTTP request",
      {.least = kKiB, .greatest = 16 * kMiB});
  add("json_depth", &Limits::json_depth, "deepest nesting of a JSON body",
      {.least = 1, .greatest = 1000});
  add("connections", &Limits::connections, "most HTTP connections at once",
      {.least = 1, .greatest = 1 << 20});
  add("concurrent_requests", &Limits::concurrent_requests,
      "most requests for completions under way; further ones get 429 with Retry-After",
      {.least = 1, .greatest = 1 << 20, .live = true});
  add("concurrent_completions", &Limits::concurrent_completions,
      "most completions under way; a request has one for each choice of each prompt",
      {.least = 1, .greatest = 1 << 20, .live = true});
  add("queued_completions", &Limits::queued_completions,
      "how many of them may wait in the router for a worker; further ones get 429 with "
      "Retry-After, "
      "or take the place of one of less priority, or of a tenant that has more there",
      {.least = 1, .greatest = 1 << 20, .live = true});
  add("prompts_per_request", &Limits::prompts_per_request, "most prompts in one request",
      {.least = 1, .greatest = 1 << 16});
  add("choices_per_prompt", &Limits::choices_per_prompt, "most choices (n) for one prompt",
      {.least = 1, .greatest = 1 << 10});
  add("stop_strings", &Limits::stop_strings, "most stop strings of a request",
      {.least = 1, .greatest = 1 << 10});
  add("write_backlog_bytes", &Limits::write_backlog_bytes,
      "what a slow client may leave unread of a stream", {.least = kKiB, .greatest = kGiB});
}

void AddTimeouts(std::vector<Key>& keys) {
  const auto add = Adder(keys, "timeouts", &Config::timeouts);
  const Key range{.least = Ns(milliseconds(1)), .greatest = Ns(hours(24))};
  add("worker_silence", &Timeouts::worker_silence,
      "the router takes a worker for lost that says nothing for this long; workers send their "
      "status "
      "every 100 ms",
      range);
  add("queue", &Timeouts::queue, "in the router's queue, while workers have no room; then 429",
      {.least = range.least, .greatest = range.greatest, .live = true});
  add("no_worker", &Timeouts::no_worker,
      "since a worker was ready, or the router started: until then requests wait for one, from "
      "then "
      "on they get 503",
      {.least = 0, .greatest = range.greatest, .live = true});
  add("worker_progress", &Timeouts::worker_progress,
      "a worker that has work and gets no step done for this long is stuck: the router goes on "
      "with "
      "its requests elsewhere, and it ends with an error. Must exceed the longest step: seconds on "
      "a GPU, minutes for long chunks of a large model on few cores",
      range);
  add("header", &Timeouts::header, "from a request's first byte to the end of its header", range);
  add("body", &Timeouts::body, "from the end of the header to the end of the body", range);
  add("write", &Timeouts::write, "for a client to take any byte of an answer", range);
  add("idle", &Timeouts::idle, "between two requests of a connection", range);
  add("keep_alive", &Timeouts::keep_alive,
      "between comment lines in a stream that has nothing to say", range);
  add("drain", &Timeouts::drain, "what running requests get to finish after SIGTERM or Ctrl-C",
      range);
  add("stop", &Timeouts::stop, "what a drained process gets to end before it is killed", range);
}

void AddRestart(std::vector<Key>& keys) {
  const auto add = Adder(keys, "restart", &Config::restart);
  const Key range{.least = Ns(milliseconds(1)), .greatest = Ns(hours(1))};
  add("delay", &Restart::delay, "before a process that ended is started again; doubles each time",
      range);
  add("longest_delay", &Restart::longest_delay, "where the doubling ends", range);
  add("healthy", &Restart::healthy,
      "a process that was ready for this long starts again after the shortest delay", range);
  add("attempts", &Restart::attempts,
      "a process that ends this often without ever having been ready ends the server",
      {.least = 1, .greatest = 1000});
}

void AddTelemetry(std::vector<Key>& keys) {
  const auto add = Adder(keys, "telemetry", &Config::telemetry);
  add("trace_folder", &Telemetry::trace_folder,
      "where the router writes a trace of each request that is traced, for Perfetto; relative to "
      "the working directory; empty: none is");
  add("trace_every", &Telemetry::trace_every,
      "every nth request is traced, besides those with \"baton\": {\"trace\": true}; 0: those only",
      {.greatest = 1 << 24, .live = true});
  add("trace_files", &Telemetry::trace_files,
      "most traces that a router leaves in the folder; the oldest goes first",
      {.least = 1, .greatest = 1 << 20});
  add("log_format", &Telemetry::log_format,
      "how lines of the log are written: text for people, or json, an object a line with time, "
      "level, process, message and, where it is about one, request, and trace_id where the request "
      "came with a traceparent",
      {.choices = {"text", "json"}});
}

void AddOtlp(std::vector<Key>& keys) {
  const auto add = [&]<typename T>(const char* name, T Otlp::*member, std::string help,
                                   Key key = {}) {
    key.path = std::string("telemetry.otlp.") + name;
    key.slot = [=](Config& config) -> Slot { return &(config.telemetry.otlp.*member); };
    key.help = std::move(help);
    keys.push_back(std::move(key));
  };
  add("endpoint", &Otlp::endpoint,
      "where the router sends spans of requests by OTLP over HTTP, e.g. http://collector:4318; "
      "/v1/traces stands for no path; empty: as OTEL_EXPORTER_OTLP_TRACES_ENDPOINT or "
      "OTEL_EXPORTER_OTLP_ENDPOINT says, else nowhere",
      {.check = CheckEndpoint, .form = "URL"});
  add("headers", &Otlp::headers,
      "headers that go with them; none: those of OTEL_EXPORTER_OTLP_HEADERS, where secrets are "
      "better kept",
      {.check = CheckHeader, .form = "name=value"});
  add("authority", &Otlp::authority,
      "file in PEM: of those that sign the certificate at an https:// endpoint; empty: as "
      "OTEL_EXPORTER_OTLP_CERTIFICATE says, else those that the system trusts",
      {.is_file = true});
  add("compression", &Otlp::compression, "auto: as OTEL_EXPORTER_OTLP_COMPRESSION says, else none",
      {.choices = {"auto", "none", "gzip"}});
  add("timeout", &Otlp::timeout,
      "to be reached, to take a batch and to answer, for each; 0s: as OTEL_EXPORTER_OTLP_TIMEOUT "
      "says, else 10s",
      {.least = 0, .greatest = Ns(hours(1))});
  add("interval", &Otlp::interval, "how long a span waits for others to go with it",
      {.least = Ns(milliseconds(1)), .greatest = Ns(hours(1))});
  add("batch_spans", &Otlp::batch_spans, "a batch of so many goes at once",
      {.least = 1, .greatest = 1 << 16});
  add("queue_spans", &Otlp::queue_spans,
      "most spans that wait while the receiver is slow or away; further ones are dropped and "
      "counted",
      {.least = 1, .greatest = 1 << 24});
  add("sampler", &Otlp::sampler,
      "which requests have spans; parentbased_...: where a client sends a traceparent, those that "
      "it says are sampled, and of the others as ... says; auto: as OTEL_TRACES_SAMPLER says, else "
      "parentbased_always_on",
      {.choices = {"auto", "always_on", "always_off", "traceidratio", "parentbased_always_on",
                   "parentbased_always_off", "parentbased_traceidratio"}});
  add("sampler_arg", &Otlp::sampler_arg,
      "with a traceidratio of sampler, the part of all requests; empty: as OTEL_TRACES_SAMPLER_ARG "
      "says, else 1",
      {.check = CheckRatio, .form = "number from 0 to 1"});
  add("service_name", &Otlp::service_name,
      "service.name of the router's spans, and before -prefill and the like that of the workers'; "
      "empty: as OTEL_SERVICE_NAME says, else baton");
}

std::vector<Key> MakeKeys() {
  std::vector<Key> keys;
  AddTop(keys);
  AddWorkers(keys);
  AddRouter(keys);
  AddDiscovery(keys);
  AddEngine(keys);
  AddHandoff(keys);
  AddTransport(keys);
  AddLimits(keys);
  AddTimeouts(keys);
  AddRestart(keys);
  AddTelemetry(keys);
  AddOtlp(keys);
  return keys;
}

}  // namespace

bool Key::is_list() const {
  Config config;
  return std::holds_alternative<std::vector<std::string>*>(slot(config));
}

const std::vector<Key>& Keys() {
  static const std::vector<Key> keys = MakeKeys();
  return keys;
}

const Key* FindKey(std::string_view path) {
  const auto found = std::ranges::find(Keys(), path, &Key::path);
  return found == Keys().end() ? nullptr : &*found;
}

std::vector<std::string> NamesIn(const std::string& section) {
  const std::string prefix = section.empty() ? "" : section + ".";
  std::vector<std::string> names;
  for (const Key& key : Keys()) {
    if (!key.path.starts_with(prefix)) continue;
    const std::string rest = key.path.substr(prefix.size());
    std::string name = rest.substr(0, rest.find('.'));
    if (std::ranges::find(names, name) == names.end()) names.push_back(std::move(name));
  }
  return names;
}

}  // namespace baton::config
