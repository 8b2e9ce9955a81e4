#include "python_clients.h"

#include <array>
#include <cstdio>

#include <sys/wait.h>

namespace baton::test {

namespace {

ProgramOutcome RunShell(const std::string& command) {
  ProgramOutcome outcome;
  FILE* const pipe = popen(command.c_str(), "r");
  if (pipe == nullptr) return outcome;
  std::array<char, 4096> buffer;
  for (size_t bytes = 0; (bytes = fread(buffer.data(), 1, buffer.size(), pipe)) > 0;)
    outcome.output.append(buffer.data(), bytes);
  const int status = pclose(pipe);
  outcome.exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  return outcome;
}

std::string PythonCommand(const std::string& python, const std::string& script,
                          const std::vector<std::string>& words,
                          const std::vector<std::string>& settings) {
  std::string command = "env PYTHONDONTWRITEBYTECODE=1";
  for (const std::string& setting : settings) command += " '" + setting + "'";
  command += " " + python + " " BATON_SOURCE_DIR "/tests/integration/" + script;
  for (const std::string& word : words) command += " '" + word + "'";
  return command + " 2>&1";
}

/// Runs a script of a folder of tests/integration in the environment that this folder asks for.
ProgramOutcome RunWithPackages(const std::string& tests, const std::string& script,
                               const std::vector<std::string>& words,
                               const std::vector<std::string>& settings) {
  // Standard error apart: pip explains itself there.
  ProgramOutcome folder = RunShell(BATON_SOURCE_DIR "/tools/python_clients " + tests);
  if (folder.exit_code != 0) return folder;
  folder.output.erase(folder.output.find_last_not_of('\n') + 1);
  // Where clients may leave files.
  return RunShell(
      "cd " + folder.output + " && " +
      PythonCommand(folder.output + "/bin/python", tests + "/" + script, words, settings));
}

}  // namespace

ProgramOutcome RunPythonClient(const std::string& script, const std::vector<std::string>& words,
                               const std::vector<std::string>& settings) {
  return RunWithPackages("clients", script, words, settings);
}

ProgramOutcome RunManifestTest(const std::string& script) {
  return RunWithPackages("manifests", script, {}, {"BATON=" BATON_BINARY_DIR "/bin/baton"});
}

ProgramOutcome RunSpanTest() {
  return RunWithPackages(
      "otlp", "check_spans.py", {},
      {"BATON=" BATON_BINARY_DIR "/bin/baton", "BATON_TREE=" BATON_SOURCE_DIR});
}

ProgramOutcome RunBrowser(const std::string& script, const std::vector<std::string>& words,
                          const std::vector<std::string>& settings) {
  return RunShell(PythonCommand("python3", "page/" + script, words, settings));
}

}  // namespace baton::test
