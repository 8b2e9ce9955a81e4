#include "baton/app/command_line.h"

#include <sstream>

#include <CLI/CLI.hpp>

#include "baton/app/commands.h"
#include "bench/flags.h"

namespace baton::app {
namespace {

constexpr char kAbout[] =
    "Baton serves language models with prefill and decode in separate processes.";
constexpr char kExamples[] =
    "Examples:\n"
    "  baton serve --config configs/local.yaml\n"
    "  baton serve --model models/llama --set workers.decode.count=3\n"
    "  baton worker --role decode --name d0 --listen 127.0.0.1:7001 --config configs/local.yaml\n"
    "  baton key --name alice --requests-at-once 8 >> keys.txt\n"
    "  baton bench --rate 4 --prompt-tokens 256 --slo 500:50 --html report.html\n"
    "  baton doctor --config configs/local.yaml\n"
    "  baton scale prefill=3 decode=1 --dry-run\n"
    "  baton router --worker p0=10.0.0.1:7000 --worker d0=10.0.0.2:7001 --config ...\n"
    "Exit codes: 0 fine, 1 failed while running, 2 wrong arguments or configuration.";

/// Flags that are short for a key.
struct ShortFlag {
  const char* flag;
  const char* path;
  const char* help;
};
constexpr ShortFlag kModelFlag{"--model", "model", "Folder of the model"};
constexpr ShortFlag kLogLevelFlag{"--log-level", "log_level", "debug, info, warning or error"};
constexpr ShortFlag kHostFlag{"--host", "router.host", "Address of the HTTP server"};
constexpr ShortFlag kPortFlag{"--port", "router.port", "Port of the HTTP server; 0: any"};

/// The grammar, and where its values go.
class Parser {
 public:
  Parser() : app_(kAbout, "baton") {
    app_.require_subcommand(1);
    app_.footer(kExamples);
    app_.set_help_all_flag("--help-all", "Help for all commands");
    app_.set_version_flag("--version", std::string("baton ") + BATON_VERSION);
    AddServe();
    AddRouter();
    AddWorker();
    AddBench();
    AddDoctor();
    AddKey();
    AddScale();
    Add("keys", "Prints every key of the configuration as a table", Verb::kKeys);
    Add("version", "Prints the version", Verb::kVersion);
  }

  std::variant<CommandLine, Usage> Parse(std::vector<std::string> arguments) {
    // CLI11 takes them from the back.
    std::reverse(arguments.begin(), arguments.end());
    try {
      app_.parse(std::move(arguments));
      return Finish();
    } catch (const CLI::ParseError& error) {
      std::ostringstream out;
      const int code = app_.exit(error, out, out);
      return Usage{out.str(), code == 0 ? kExitOk : kExitUsage};
    }
  }

 private:
  CLI::App* Add(const char* name, const char* about, Verb verb) {
    CLI::App* command = app_.add_subcommand(name, about);
    command->callback([this, verb] { line_.verb = verb; });
    return command;
  }

  void AddShort(CLI::App& command, const ShortFlag& flag) {
    const auto take = [this, flag](const std::string& value) {
      short_.push_back({flag.path, value, flag.flag});
    };
    command.add_option_function<std::string>(flag.flag, take,
                                             std::string(flag.help) + " (" + flag.path + ")");
  }

  void AddConfigFlags(CLI::App& command) {
    command.add_option("--config", line_.sources.file, "YAML file; see configs/README.md")
        ->envname("BATON_CONFIG")
        ->type_name("FILE");
    command.add_option("--set", sets_, "Sets a key, e.g. workers.prefill.count=2; repeatable")
        ->type_name("KEY=VALUE")
        ->expected(1)
        ->take_all();
    AddShort(command, kModelFlag);
    AddShort(command, kLogLevelFlag);
    command.add_flag("--validate-config", line_.validate_config,
                     "Checks the configuration and ends");
    command.add_flag("--print-config", line_.print_config,
                     "Prints every value with its origin and ends");
  }

  void AddServe() {
    auto* serve = Add("serve",
                      "Runs a router and the configured workers on this host, restarts "
                      "what fails; Ctrl-C drains, a second one kills",
                      Verb::kServe);
    AddConfigFlags(*serve);
    AddShort(*serve, kHostFlag);
    AddShort(*serve, kPortFlag);
    AddInsecure(*serve, {"router.insecure", "workers.insecure"});
  }

  void AddRouter() {
    auto* router = Add("router", "Runs the HTTP server in front of workers", Verb::kRouter);
    AddConfigFlags(*router);
    AddShort(*router, kHostFlag);
    AddShort(*router, kPortFlag);
    AddInsecure(*router, {"router.insecure"});
    router->add_option("--worker", line_.router_workers, "A worker to use; repeatable")
        ->type_name("NAME=HOST:PORT")
        ->expected(1)
        ->take_all();
  }

  void AddWorker() {
    auto* worker = Add("worker", "Runs one worker", Verb::kWorker);
    AddConfigFlags(*worker);
    AddInsecure(*worker, {"workers.insecure"});
    worker
        ->add_option("--role", role_,
                     "prefill, decode or mixed; both: a prefill and a decode worker in one process "
                     "(workers.one_process), each other flag twice or not at all")
        ->required()
        ->check(CLI::IsMember({"prefill", "decode", "mixed", "both"}));
    const auto add = [&](const char* flag, std::vector<std::string>& values, const char* help) {
      return worker->add_option(flag, values, help)->expected(1)->take_all();
    };
    add("--name", names_, "Unique among the workers; default p0, d0 or m0");
    add("--listen", listens_, "Where to listen; port 0: any")->type_name("HOST:PORT");
    worker->add_option("--threads", threads_, "Threads that compute; default: all cores")
        ->expected(1)
        ->take_all()
        ->check(CLI::Range(1, 1024));
    add("--device", devices_, "What computes; default: its group's device")
        ->type_name("cpu|cuda|cuda:N");
    add("--cores", cores_, "Cores to pin to, e.g. 0-3,8");
    worker
        ->add_option("--node-rank", node_.node_rank,
                     "Of a worker over several nodes (workers.*.nodes): which one this is; 0 leads")
        ->check(CLI::Range(0, 63));
    worker
        ->add_option("--nodes-listen", node_.nodes_listen,
                     "Where node 0 listens for the others; port 0: any")
        ->type_name("HOST:PORT");
    worker->add_option("--leader", node_.leader, "Where the other nodes find node 0")
        ->type_name("HOST:PORT");
    worker
        ->add_option("--http", line_.worker_http,
                     "Where to answer clients, for gateways that pick workers themselves; others "
                     "are found as router.discovery says")
        ->type_name("HOST:PORT");
  }

  void AddBench() {
    auto* bench = Add("bench",
                      "Loads any OpenAI-compatible server and measures TTFT, TPOT, SLO attainment "
                      "and goodput; Ctrl-C ends it with what was measured",
                      Verb::kBench);
    AddBenchFlags(*bench, line_.bench);
  }

  void AddDoctor() {
    auto* doctor = Add("doctor",
                       "Examines this host, and what carries KV between two processes or hosts; "
                       "says what to do about what it finds",
                       Verb::kDoctor);
    AddConfigFlags(*doctor);
    DoctorFlags& flags = line_.doctor;
    doctor->add_flag("--json", flags.json, "Prints the findings as JSON");
    auto* peer = doctor
                     ->add_option("--peer", flags.peer,
                                  "Measures against `baton doctor --listen` on another host")
                     ->type_name("HOST:PORT");
    doctor->add_option("--listen", flags.listen, "Lets doctors on other hosts measure; port 0: any")
        ->type_name("[HOST:]PORT")
        ->excludes(peer);
  }

  void AddKey() {
    auto* key = Add("key",
                    "Makes an API key: its line for the file of router.api_keys on standard "
                    "output, the key itself on standard error",
                    Verb::kKey);
    KeyFlags& flags = line_.key;
    key->add_option("--name", flags.name, "Whose key it is")->required();
    key->add_option("--tenant", flags.tenant, "Whom the holder belongs to; default: the name");
    key->add_option("--requests-at-once", flags.requests_at_once, "Most requests under way")
        ->check(CLI::PositiveNumber);
    key->add_option("--requests-per-minute", flags.requests_per_minute, "Most requests a minute")
        ->check(CLI::PositiveNumber);
    key->add_option("--highest-priority", flags.highest_priority,
                    "The least number that its requests may have as their priority; default: 0");
  }

  void AddScale() {
    auto* scale = Add("scale",
                      "Changes the roles of a running server's workers, without reloading weights "
                      "or dropping a request, and says how it goes; refuses what cannot be",
                      Verb::kScale);
    ScaleFlags& flags = line_.scale;
    scale->add_option("counts", flags.counts, "e.g. prefill=3 decode=1; others have 0")
        ->type_name("ROLE=COUNT")
        ->required();
    auto* url = scale
                    ->add_option("--url", flags.url,
                                 "The router's admin port, or its port where it has none")
                    ->type_name("URL")
                    ->capture_default_str();
    scale
        ->add_option("--config", line_.sources.file,
                     "In place of --url: the server's YAML file, on its own host")
        ->type_name("FILE")
        ->excludes(url);
    scale->add_flag("--dry-run", flags.dry_run, "Only says what would be done");
    scale
        ->add_option("--drain", flags.drain_s,
                     "Seconds that a worker's running requests get to finish before it changes "
                     "while they go on")
        ->check(CLI::Range(0, 86400))
        ->capture_default_str();
    scale->add_option("--timeout", flags.timeout_s, "Seconds for all of it")
        ->check(CLI::Range(1, 86400))
        ->capture_default_str();
  }

  /// --insecure, short for each of `paths` being true.
  void AddInsecure(CLI::App& command, const std::vector<std::string>& paths) {
    const auto take = [this, paths](int64_t) {
      for (const std::string& path : paths) short_.push_back({path, "true", "--insecure"});
    };
    std::string names;
    for (const std::string& path : paths) names += (names.empty() ? "" : ", ") + path;
    command.add_flag_function(
        "--insecure", take,
        "Lets it listen beyond this host without asking who comes (" + names + ")");
  }

  std::variant<CommandLine, Usage> Finish() {
    for (const std::string& set : sets_) {
      const size_t equals = set.find('=');
      if (equals == std::string::npos) {
        return Usage{"--set " + set + ": write KEY=VALUE, e.g. workers.prefill.count=2\n",
                     kExitUsage};
      }
      const std::string path = set.substr(0, equals);
      line_.sources.command_line.push_back({path, set.substr(equals + 1), "--set " + path});
    }
    for (config::Override& override : short_) {
      line_.sources.command_line.push_back(std::move(override));
    }
    if (line_.verb == Verb::kWorker) {
      if (const std::string wrong = FinishWorkers(); !wrong.empty()) {
        return Usage{wrong, kExitUsage};
      }
    }
    return std::move(line_);
  }

  /// What is wrong with the flags; empty where nothing is.
  std::string FinishWorkers() {
    if (role_ == "both" && !line_.worker_http.empty()) {
      return "--http is for one worker in a process; with --role both start a router\n";
    }
    const bool of_nodes =
        node_.node_rank > 0 || !node_.nodes_listen.empty() || !node_.leader.empty();
    if (role_ == "both" && of_nodes) {
      return "--role both is one process; workers over several nodes are started one by one\n";
    }
    if (node_.node_rank > 0 && !line_.worker_http.empty()) {
      return "--http is for node 0, which serves\n";
    }
    if (role_ == "both") {
      line_.workers = {{.role = Role::kPrefill}, {.role = Role::kDecode}};
    } else {
      line_.workers = {{.role = *ParseRole(role_)}};
    }
    std::string wrong;
    const auto deal = [&](const char* flag, const auto& values, auto WorkerFlags::*member) {
      const size_t count = line_.workers.size();
      if (values.empty()) return;
      if (values.size() != count) {
        wrong = std::string(flag) + " is given " + std::to_string(values.size()) +
                " times; with --role " + role_ + " give it " + (count == 2 ? "twice" : "once") +
                " or not at all\n";
        return;
      }
      for (size_t i = 0; i < count; ++i) line_.workers[i].*member = values[i];
    };
    deal("--name", names_, &WorkerFlags::name);
    deal("--listen", listens_, &WorkerFlags::listen);
    deal("--threads", threads_, &WorkerFlags::threads);
    deal("--device", devices_, &WorkerFlags::device);
    deal("--cores", cores_, &WorkerFlags::cores);
    line_.workers.front().node_rank = node_.node_rank;
    line_.workers.front().nodes_listen = node_.nodes_listen;
    line_.workers.front().leader = node_.leader;
    return wrong;
  }

  CLI::App app_;
  CommandLine line_;
  std::string role_;
  /// By worker.
  std::vector<std::string> names_;
  std::vector<std::string> listens_;
  std::vector<int32_t> threads_;
  std::vector<std::string> devices_;
  std::vector<std::string> cores_;
  /// Of one worker alone.
  WorkerFlags node_;
  std::vector<std::string> sets_;
  std::vector<config::Override> short_;
};

}  // namespace

std::variant<CommandLine, Usage> ParseCommandLine(const std::vector<std::string>& arguments) {
  return Parser().Parse(arguments);
}

}  // namespace baton::app
