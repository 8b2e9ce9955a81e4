#pragma once

#include <string>

#include <unistd.h>

namespace baton::transport {

/// Bytes as a line of hexadecimal digits on a pipe.
inline void WriteHexLine(int fd, const std::string& bytes) {
  std::string line;
  for (const char byte : bytes) {
    line.push_back("0123456789abcdef"[static_cast<unsigned char>(byte) >> 4]);
    line.push_back("0123456789abcdef"[static_cast<unsigned char>(byte) & 15]);
  }
  line.push_back('\n');
  (void)!write(fd, line.data(), line.size());
}

inline std::string ReadHexLine(int fd) {
  std::string digits, bytes;
  for (char digit = 0; read(fd, &digit, 1) == 1 && digit != '\n';) digits.push_back(digit);
  for (size_t i = 0; i + 1 < digits.size(); i += 2) {
    bytes.push_back(static_cast<char>(std::stoi(digits.substr(i, 2), nullptr, 16)));
  }
  return bytes;
}

}  // namespace baton::transport
