#pragma once

#include <string>
#include <vector>

namespace baton::test {

/// The outcome of a program and what it printed.
struct ProgramOutcome {
  int exit_code = -1;
  std::string output;
};

/// Runs a script of tests/integration/clients in the environment that tools/python_clients makes,
/// with `words` on its command line and NAME=value settings of the environment. Exit code 77 where
/// PyPI cannot be reached: skip the test then.
ProgramOutcome RunPythonClient(const std::string& script, const std::vector<std::string>& words,
                               const std::vector<std::string>& settings = {});

/// Runs a script of tests/integration/manifests likewise, which finds the executable in BATON.
ProgramOutcome RunManifestTest(const std::string& script);

/// Runs tests/integration/otlp/check_spans.py likewise.
ProgramOutcome RunSpanTest();

/// Runs a script of tests/integration/page, which needs Python alone and Debian's Chromium. Exit
/// code 77 where that is not installed: skip the test then.
ProgramOutcome RunBrowser(const std::string& script, const std::vector<std::string>& words,
                          const std::vector<std::string>& settings = {});

}  // namespace baton::test
