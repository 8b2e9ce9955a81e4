#include "flags.h"

#include <CLI/CLI.hpp>

namespace baton::app {
namespace {

constexpr char kServer[] = "Server";
constexpr char kLoad[] = "Load";
constexpr char kPrompts[] = "Prompts";
constexpr char kSlo[] = "SLO";
constexpr char kOutput[] = "Output";

void AddServerFlags(CLI::App& command, BenchFlags& flags) {
  auto& server = flags.server;
  const auto option = [&](const char* name, auto& value, const char* help) {
    return command.add_option(name, value, help)->group(kServer);
  };
  option("--url", server.url, "Any OpenAI-compatible server; default: http://127.0.0.1:8000");
  option("--endpoint", flags.endpoint, "completions or chat; default: completions")
      ->check(CLI::IsMember({"completions", "chat"}));
  option("--model", flags.model, "Default: the first that the server lists");
  option("--api-key", server.api_key, "Sent as Authorization: Bearer")->envname("OPENAI_API_KEY");
  option("--header", server.headers, "More to send; repeatable")
      ->type_name("'NAME: VALUE'")
      ->expected(1)
      ->take_all();
  option("--ca-file", server.ca_file, "PEM of the authorities of an https server")
      ->type_name("FILE");
  command.add_flag("--insecure-tls", server.insecure_tls, "Takes any certificate")->group(kServer);
  option("--extra-body", flags.extra_body, "Fields for every body, e.g. {\"top_p\": 0.9}")
      ->type_name("JSON");
  option("--temperature", flags.temperature, "Default: 0")->check(CLI::NonNegativeNumber);
  command
      .add_flag("--no-ignore-eos", flags.no_ignore_eos,
                "Does not send ignore_eos, which some servers refuse; outputs may then be short")
      ->group(kServer);
  option("--timeout", flags.timeout_s, "Of a request; default: 600")
      ->type_name("SECONDS")
      ->check(CLI::PositiveNumber);
}

void AddLoadFlags(CLI::App& command, BenchFlags& flags) {
  const auto option = [&](const char* name, auto& value, const char* help) {
    return command.add_option(name, value, help)->group(kLoad);
  };
  auto* rate =
      option("--rate", flags.rate, "Open loop: so many requests a second, whatever the server does")
          ->check(CLI::PositiveNumber);
  option("--arrivals", flags.arrivals,
         "Of an open loop: poisson (default), gamma (with --cv), constant, or trace (with --trace)")
      ->check(CLI::IsMember({"poisson", "gamma", "constant", "trace"}));
  option("--cv", flags.cv,
         "Burstiness of gamma arrivals: the gaps' deviation over their mean; 1 is poisson")
      ->check(CLI::PositiveNumber);
  option("--concurrency", flags.concurrency, "Closed loop: so many requests at once")
      ->check(CLI::PositiveNumber)
      ->excludes(rate);
  option("--requests", flags.requests, "Ends after so many; default: 100 without a duration")
      ->check(CLI::PositiveNumber);
  option("--duration", flags.duration_s, "Sends for so long, and waits for the answers")
      ->type_name("SECONDS")
      ->check(CLI::PositiveNumber);
  option("--warmup", flags.warmup, "Requests sent before, one after the other, and not counted")
      ->check(CLI::NonNegativeNumber);
  option("--seed", flags.seed, "Of times, lengths and texts; default: 0");
}

void AddPromptFlags(CLI::App& command, BenchFlags& flags) {
  const auto option = [&](const char* name, auto& value, const char* help) {
    return command.add_option(name, value, help)->group(kPrompts);
  };
  const char* lengths = "N | A-B | lognormal:MEDIAN:SIGMA";
  option("--prompt-tokens", flags.prompt_tokens, "Of random prompts; default: 128")
      ->type_name(lengths);
  option("--output-tokens", flags.output_tokens, "Asked for; default: 64")->type_name(lengths);
  option("--prefix-tokens", flags.prefix_tokens,
         "Random prompts begin with a shared text of so many more tokens")
      ->check(CLI::NonNegativeNumber);
  option("--prefixes", flags.prefixes, "How many shared texts there are; default: 1")
      ->check(CLI::PositiveNumber);
  option("--prompts", flags.prompts, "Prompts from the lines of a text instead")->type_name("FILE");
  option("--trace", flags.trace,
         "Replays the times, lengths and shared prefixes of a trace: Azure 2023 (CSV) or Mooncake "
         "(JSON lines)")
      ->type_name("FILE");
  option("--time-scale", flags.time_scale,
         "Of the trace's times: 0.5 replays it in half the time; or say --rate")
      ->check(CLI::PositiveNumber);
  option("--length-scale", flags.length_scale, "Of the trace's lengths")
      ->check(CLI::PositiveNumber);
  option("--max-prompt-tokens", flags.max_prompt_tokens, "Cuts longer prompts of the trace to it")
      ->check(CLI::PositiveNumber);
  option("--max-output-tokens", flags.max_output_tokens, "Cuts longer outputs of the trace to it")
      ->check(CLI::PositiveNumber);
}

void AddSloFlags(CLI::App& command, BenchFlags& flags) {
  const auto option = [&](const char* name, auto& value, const char* help) {
    return command.add_option(name, value, help)->group(kSlo);
  };
  option("--slo", flags.slos, "TTFT and TPOT that a request is to keep; repeatable")
      ->type_name("TTFT_MS:TPOT_MS")
      ->expected(1)
      ->take_all();
  command
      .add_flag("--goodput", flags.goodput,
                "Searches the highest rate at which enough requests keep the SLO, from --rate on")
      ->group(kSlo);
  option("--goal", flags.goal, "The part of the requests that is enough; default: 0.9")
      ->check(CLI::Range(0.01, 1.0));
  option("--precision", flags.precision,
         "The search ends within this part of the rate; default: 0.05")
      ->check(CLI::Range(0.001, 1.0));
  option("--max-rate", flags.max_rate, "The search goes no higher; default: 10000")
      ->check(CLI::PositiveNumber);
}

void AddOutputFlags(CLI::App& command, BenchFlags& flags) {
  const auto option = [&](const char* name, auto& value, const char* help) {
    return command.add_option(name, value, help)->group(kOutput);
  };
  option("--json", flags.json, "Writes what was measured; src/loadgen/README.md has the schema")
      ->type_name("FILE");
  command.add_flag("--records", flags.records, "Puts every request's record into the JSON")
      ->group(kOutput);
  option("--html", flags.html, "Writes a page with plots")->type_name("FILE");
  option("--label", flags.label, "Names the run in its reports");
  command.add_flag("--quiet", flags.quiet, "Shows no progress")->group(kOutput);
  option("--compare", flags.compare, "Puts the JSON files of earlier runs on one page, --html")
      ->type_name("FILE...");
}

}  // namespace

void AddBenchFlags(CLI::App& command, BenchFlags& flags) {
  AddServerFlags(command, flags);
  AddLoadFlags(command, flags);
  AddPromptFlags(command, flags);
  AddSloFlags(command, flags);
  AddOutputFlags(command, flags);
}

}  // namespace baton::app
