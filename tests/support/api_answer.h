#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

namespace baton::test {

/// What a server answers: a body, or the events of a stream, without what no two answers share.
struct Answer {
  int status = 0;
  std::vector<nlohmann::json> parts;
  /// A stream came to its [DONE].
  bool done = false;
};

Answer Ask(uint16_t port, const std::string& path, const nlohmann::json& body);

/// The text of choice `index`, of a whole answer or a stream.
std::string TextOf(const Answer& answer, int index = 0);

inline constexpr char kText[] = "/v1/completions";
inline constexpr char kChat[] = "/v1/chat/completions";

/// `fields` over a body that is greedy and short.
nlohmann::json TextBody(const nlohmann::json& fields = nlohmann::json::object());
nlohmann::json ChatBody(const nlohmann::json& fields = nlohmann::json::object());

}  // namespace baton::test
