#include "baton/outbound/gzip.h"

#include <boost/beast/zlib/deflate_stream.hpp>
#include <boost/crc.hpp>

#include "baton/base/check.h"

namespace baton::outbound {
namespace {

namespace zlib = boost::beast::zlib;

/// Of RFC 1952: deflated, no flags, no time, no file system that is known.
constexpr char kHeader[] = {'\x1f', '\x8b', 8, 0, 0, 0, 0, 0, 0, '\xff'};
constexpr int kFast = 1;
constexpr int kWindowBits = 15;
constexpr int kMemoryLevel = 8;

/// The lowest byte first.
void Append(std::string& out, uint32_t value) {
  for (int shift = 0; shift < 32; shift += 8) out += static_cast<char>(value >> shift);
}

}  // namespace

std::string Gzip(std::string_view bytes) {
  zlib::deflate_stream stream;
  stream.reset(kFast, kWindowBits, kMemoryLevel, zlib::Strategy::normal);
  std::string out(kHeader, sizeof(kHeader));
  out.resize(sizeof(kHeader) + stream.upper_bound(bytes.size()));
  zlib::z_params at;
  at.next_in = bytes.data();
  at.avail_in = bytes.size();
  at.next_out = out.data() + sizeof(kHeader);
  at.avail_out = out.size() - sizeof(kHeader);
  boost::beast::error_code error;
  stream.write(at, zlib::Flush::finish, error);
  BATON_CHECK(error == zlib::error::end_of_stream) << error.message();
  out.resize(sizeof(kHeader) + at.total_out);
  boost::crc_32_type checksum;
  checksum.process_bytes(bytes.data(), bytes.size());
  Append(out, checksum.checksum());
  Append(out, static_cast<uint32_t>(bytes.size()));
  return out;
}

}  // namespace baton::outbound
