// What UCX transports tell each other: addresses, and messages in fragments.
#include <map>

#include "baton/base/check.h"
#include "fuzz_target.h"
#include "input_reader.h"
#include "ucx/message_assembler.h"
#include "ucx/ucx_address.h"

namespace baton::fuzz {
namespace {

using transport::FragmentHeader;
using transport::MessageAssembler;
using transport::UcxAddress;

constexpr uint8_t kAddress = 0;
constexpr uint8_t kFragments = 1;

void WriteFragment(InputWriter& writer, const FragmentHeader& header, std::string_view bytes) {
  writer.Number(static_cast<uint8_t>(header.connection))
      .Number(static_cast<uint16_t>(header.sequence))
      .Number(header.message_bytes)
      .Number(header.offset)
      .Text(bytes);
}

std::vector<std::string> Seeds() {
  UcxAddress address;
  address.tag = 77;
  address.worker_address = "worker address";
  address.regions = {{"remote key", 4096, 1 << 20}, {"another", 1 << 21, 4096}};
  address.shared_memory = true;
  address.process = transport::ProcessIdentity::Own();
  InputWriter fragments;
  fragments.Byte(kFragments);
  WriteFragment(fragments, {.sequence = 1, .connection = 1, .message_bytes = 3}, "two");
  WriteFragment(fragments, {.sequence = 0, .connection = 1, .message_bytes = 6, .offset = 2}, "le");
  WriteFragment(fragments, {.sequence = 0, .connection = 1, .message_bytes = 6, .offset = 4}, "ss");
  WriteFragment(fragments, {.sequence = 0, .connection = 1, .message_bytes = 6}, "un");
  WriteFragment(fragments, {.sequence = 0, .connection = 2, .message_bytes = 0}, "");
  WriteFragment(fragments, {.sequence = 0, .connection = 1, .message_bytes = 1}, "x");
  return {std::string(1, kAddress) + address.Encode(), fragments.bytes()};
}

void ReadAddress(std::string_view bytes) {
  const auto address = UcxAddress::Decode(std::string(bytes));
  if (!address.ok()) return;
  const std::string again = address->Encode();
  const auto decoded = UcxAddress::Decode(again);
  BATON_CHECK(decoded.ok()) << decoded.status();
  BATON_CHECK(decoded->Encode() == again) << "an address came back as another";
}

void Assemble(InputReader& reader) {
  MessageAssembler assembler;
  size_t given = 0;
  while (!reader.empty()) {
    FragmentHeader header;
    header.connection = reader.Byte();
    header.sequence = reader.Number<uint16_t>();
    header.message_bytes = reader.Number<uint32_t>();
    header.offset = reader.Number<uint32_t>();
    const std::string_view bytes = reader.Text();
    if (assembler.Add(header, std::as_bytes(std::span(bytes)))) given += bytes.size();
    while (const auto message = assembler.Next()) {
      BATON_CHECK(message->size() <= transport::Transport::kMaxMessageBytes);
    }
  }
  BATON_CHECK(given <= 65536);
}

void Run(std::string_view input) {
  InputReader reader(input);
  if (reader.Byte() == kAddress) return ReadAddress(reader.Rest());
  Assemble(reader);
}

}  // namespace

const FuzzTarget kTarget{.max_bytes = 1024,
                         .seeds = &Seeds,
                         .words = {std::string("\0baton-ucx-2", 12), std::string("\0\0\x10\0", 4),
                                   std::string("\0\0\x40\0", 4), "\xFF\xFF\xFF\xFF"},
                         .run = &Run};

}  // namespace baton::fuzz
