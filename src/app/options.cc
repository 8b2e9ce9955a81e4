#include "baton/app/options.h"

#include <algorithm>

#include "baton/app/cores.h"
#include "baton/base/check.h"
#include "baton/discovery/dns_source.h"
#include "baton/discovery/file_source.h"
#include "baton/discovery/kubernetes_source.h"

namespace baton::app {
namespace {

std::chrono::milliseconds Ms(Duration duration) {
  return std::chrono::ceil<std::chrono::milliseconds>(duration);
}

Result<rpc::FleetTls> ToFleetTls(const config::Workers& workers) {
  if (workers.tls_authority.empty()) return rpc::FleetTls{};
  BATON_RETURN_IF_ERROR(access::CheckCertificate({workers.tls_certificate, workers.tls_key}));
  BATON_RETURN_IF_ERROR(access::CheckAuthority(workers.tls_authority));
  return rpc::FleetTls{.certificate = workers.tls_certificate,
                       .key = workers.tls_key,
                       .authority = workers.tls_authority};
}

/// Which of a worker's nodes the flags speak of.
Status TakeNode(const config::Workers& workers, const WorkerFlags& flags,
                worker::WorkerOptions& options) {
  const std::string key = "workers." + std::string(RoleName(flags.role)) + ".nodes";
  const std::string is = key + " is " + std::to_string(options.nodes);
  options.node_rank = flags.node_rank;
  options.nodes_listen = flags.nodes_listen;
  options.leader = flags.leader;
  if (flags.node_rank >= options.nodes) {
    return InvalidArgument("--node-rank is " + std::to_string(flags.node_rank) + ", but " + is +
                           ", numbered from 0");
  }
  if (options.nodes == 1) return OkStatus();
  if (flags.node_rank > 0) {
    return flags.leader.empty()
               ? InvalidArgument(is + "; say where node 0 is by --leader host:port")
               : OkStatus();
  }
  if (flags.nodes_listen.empty()) {
    return InvalidArgument(is +
                           "; say where node 0 listens for the others by --nodes-listen "
                           "host:port");
  }
  return config::CheckWorkerHost(workers,
                                 flags.nodes_listen.substr(0, flags.nodes_listen.rfind(':')));
}

router::Overload ToOverload(const std::string& name) {
  if (name == "refuse") return router::Overload::kRefuse;
  return name == "queue" ? router::Overload::kQueue : router::Overload::kDegrade;
}

}  // namespace

Result<worker::WorkerOptions> ToWorkerOptions(const config::Config& config,
                                              const WorkerFlags& flags, int32_t available_cores) {
  const config::WorkerGroup& group = config.workers.group(flags.role);
  worker::WorkerOptions options;
  options.role = flags.role;
  options.name =
      flags.name.empty() ? std::string(RoleName(flags.role).substr(0, 1)) + "0" : flags.name;
  options.listen =
      flags.listen.empty() ? config.workers.host + ":" + std::to_string(group.port) : flags.listen;
  BATON_RETURN_IF_ERROR(
      config::CheckWorkerHost(config.workers, options.listen.substr(0, options.listen.rfind(':'))));
  BATON_ASSIGN_OR_RETURN(options.tls, ToFleetTls(config.workers));
  options.model = config.model;
  BATON_ASSIGN_OR_RETURN(options.cores,
                         config::ParseCores(flags.cores.empty() ? group.cores : flags.cores));
  const auto pinned = static_cast<int32_t>(options.cores.size());
  options.tensor_parallel = group.tensor_parallel;
  options.threads = flags.threads.value_or(group.threads);
  if (options.threads == 0) options.threads = pinned > 0 ? pinned : available_cores;
  options.nodes = group.nodes;
  BATON_RETURN_IF_ERROR(TakeNode(config.workers, flags, options));
  options.threads = std::max(options.threads, options.ranks_per_node());
  BATON_ASSIGN_OR_RETURN(options.cuda,
                         config::ParseDevice(flags.device.empty() ? group.device : flags.device));
  options.sm_percent = group.sm_percent;
  options.random_weights = config.engine.load == "random";
  if (config.engine.weights == "int8") options.packing = ops::Packing::kInt8;
  if (config.engine.weights == "w8a8") options.packing = ops::Packing::kW8A8;
  if (config.engine.weights == "w16a16") options.packing = ops::Packing::kW16A16;
  options.instructions = config.engine.instructions;
  options.deterministic = config.engine.deterministic;
  options.early_launches = config.engine.early_launches;
  options.kv_bytes = group.kv_memory_bytes;
  options.kv_percent = group.kv_percent;
  options.block_tokens = config.engine.block_tokens;
  options.kv_dtype = config.engine.kv_dtype;
  options.engine = {.step_tokens = config.engine.step_tokens,
                    .running_sequences = config.engine.running_sequences,
                    .waiting_sequences = config.engine.waiting_sequences,
                    .context_tokens = config.engine.context_tokens,
                    .layer_group = config.engine.layer_group,
                    .prefix_cache = config.engine.prefix_cache,
                    .overlap = config.engine.overlap == "off" ? engine::Overlap::kNever
                                                              : engine::Overlap::kWhereItGains};
  // Recordings of several nodes would have to be made and given up together.
  const bool graphs = config.engine.graphs != "off" && options.nodes == 1;
  options.graph_sequences = graphs ? config.engine.graph_sequences : 0;
  options.local_prefill_max_tokens = config.handoff.local_prefill_tokens;
  options.transport_kind = config.transport.kind;
  options.transport_tls = config.transport.tls;
  BATON_ASSIGN_OR_RETURN(options.required_paths,
                         transport::ParseRequiredPaths(config.transport.required));
  options.lease = Ms(config.handoff.lease);
  options.silence = Ms(config.handoff.silence);
  options.checksum = config.handoff.checksum == "crc32c";
  options.handoffs = config.handoff.in_flight;
  options.drain = Ms(config.timeouts.drain);
  options.progress = Ms(config.timeouts.worker_progress);
  options.calibration = Ms(config.engine.calibration);
  return options;
}

Result<router::RouterOptions> ToRouterOptions(const config::Config& config,
                                              const std::vector<std::string>& workers) {
  router::RouterOptions options;
  std::vector<std::string> all = config.router.workers;
  all.insert(all.end(), workers.begin(), workers.end());
  for (const std::string& text : all) {
    BATON_ASSIGN_OR_RETURN(const config::WorkerAddress worker, config::ParseWorkerAddress(text));
    std::erase_if(options.workers, [&](const auto& peer) { return peer.name == worker.name; });
    options.workers.push_back({worker.name, worker.host + ":" + std::to_string(worker.port)});
  }
  if (options.workers.empty() && config.router.discovery.kind == "static") {
    return InvalidArgument(
        "the router knows no worker; name them with --worker name=host:port, or let it find them "
        "by router.discovery");
  }
  BATON_ASSIGN_OR_RETURN(options.tls, ToFleetTls(config.workers));
  options.policy = config.router.policy;
  if (config.router.prefill_policy != "same") options.prefill_policy = config.router.prefill_policy;
  options.requests = config.limits.concurrent_completions;
  options.queued = config.limits.queued_completions;
  options.queue_wait = config.timeouts.queue;
  options.no_worker_wait = config.timeouts.no_worker;
  options.worker_queue = config.router.worker_queue;
  options.slo = {.ttft = config.router.slo_ttft, .tpot = config.router.slo_tpot};
  options.overload = ToOverload(config.router.overload);
  options.auto_ratio = config.router.ratio == "auto";
  options.ratio_dwell = config.router.ratio_dwell;
  options.status_timeout = Ms(config.timeouts.worker_silence);
  options.progress_timeout = Ms(config.timeouts.worker_progress);
  options.retry = {.attempts = config.router.resume_attempts, .wait = config.router.resume_wait};
  options.trace = {.folder = config.telemetry.trace_folder, .files = config.telemetry.trace_files};
  options.trace_every = config.telemetry.trace_every;
  return options;
}

Result<std::unique_ptr<discovery::Source>> MakeSource(const config::Config& config,
                                                      const Clock& clock) {
  const config::Discovery& how = config.router.discovery;
  if (how.kind == "file") return discovery::FileSource(how.file, how.interval, clock);
  if (how.kind == "dns") {
    return discovery::DnsSource(
        {.names = how.names, .interval = how.interval, .server = how.dns_server}, clock);
  }
  if (how.kind == "kubernetes") {
    return discovery::KubernetesSource({.services = how.services,
                                        .service_namespace = how.service_namespace,
                                        .api_server = how.api_server,
                                        .service_account = how.service_account,
                                        .watch = how.watch,
                                        .interval = how.interval},
                                       clock);
  }
  return std::unique_ptr<discovery::Source>();
}

api::ApiOptions ToApiOptions(const config::Config& config) {
  const config::Limits& limits = config.limits;
  api::ApiOptions options;
  options.model = config.ModelName();
  options.context_tokens = config.engine.context_tokens;
  options.version = BATON_VERSION;
  options.tool_parser = config.router.tool_parser;
  options.reasoning_parser = config.router.reasoning_parser;
  options.limits.json_depth = limits.json_depth;
  options.limits.running_requests = limits.concurrent_requests;
  options.limits.prompts_per_request = limits.prompts_per_request;
  options.limits.choices_per_prompt = limits.choices_per_prompt;
  options.limits.stop_strings = limits.stop_strings;
  return options;
}

http::HttpOptions ToHttpOptions(const config::Config& config) {
  const config::Limits& limits = config.limits;
  const config::Timeouts& timeouts = config.timeouts;
  http::HttpOptions options;
  options.host = config.router.host;
  options.port = static_cast<uint16_t>(config.router.port);
  options.tls = {config.router.tls_certificate, config.router.tls_key};
  options.threads = config.router.threads;
  if (config.router.admin_port != 0) options.surface = http::HttpSurface::kClients;
  for (const std::string& text : config.router.trusted_peers) {
    const Result<IpNetwork> network = IpNetwork::Parse(text);
    BATON_CHECK(network.ok()) << network.status().message();
    options.trusted_peers.push_back(*network);
  }
  options.keep_alive_interval = timeouts.keep_alive;
  options.drain_grace = timeouts.drain;
  options.limits.header_bytes = static_cast<size_t>(limits.header_bytes);
  options.limits.body_bytes = static_cast<size_t>(limits.body_bytes);
  options.limits.connections = limits.connections;
  options.limits.write_backlog_bytes = static_cast<size_t>(limits.write_backlog_bytes);
  options.limits.idle_timeout = timeouts.idle;
  options.limits.header_timeout = timeouts.header;
  options.limits.body_timeout = timeouts.body;
  options.limits.write_timeout = timeouts.write;
  return options;
}

http::HttpOptions ToAdminOptions(const config::Config& config) {
  http::HttpOptions options = ToHttpOptions(config);
  options.surface = http::HttpSurface::kOperators;
  options.tls = {};
  options.host = config.router.admin_host;
  options.port = static_cast<uint16_t>(config.router.admin_port);
  options.threads = 1;
  return options;
}

grpc::GrpcOptions ToGrpcOptions(const config::Config& config) {
  grpc::GrpcOptions options;
  options.host = config.router.host;
  options.port = static_cast<uint16_t>(config.router.grpc_port);
  options.tls = {config.router.tls_certificate, config.router.tls_key};
  options.threads = config.router.threads;
  options.message_bytes = static_cast<size_t>(config.limits.body_bytes);
  options.write_backlog_bytes = static_cast<size_t>(config.limits.write_backlog_bytes);
  return options;
}

SamplingParams ToSamplingDefaults(const model::GenerationConfig& generation) {
  SamplingParams params;
  params.temperature = generation.temperature.value_or(params.temperature);
  if (generation.do_sample == false) params.temperature = 0;
  params.top_k = generation.top_k.value_or(params.top_k);
  params.top_p = generation.top_p.value_or(params.top_p);
  params.min_p = generation.min_p.value_or(params.min_p);
  params.repetition_penalty = generation.repetition_penalty.value_or(params.repetition_penalty);
  return params;
}

}  // namespace baton::app
