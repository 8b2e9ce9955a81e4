#pragma once

#include <vector>

#include "baton/api/completion_backend.h"
#include "http_message.h"

namespace baton::http {

/// Whether a query asks for more words, as "verbose" and "verbose=true" do.
bool IsVerbose(std::string_view query);

/// What /readyz?verbose answers: a line for each check that decides, then for each of `more`, and
/// what came of it, in the words of Kubernetes' own servers.
HttpResponse ReadinessReport(const api::Readiness& readiness,
                             const std::vector<api::ReadinessCheck>& more);

}  // namespace baton::http
