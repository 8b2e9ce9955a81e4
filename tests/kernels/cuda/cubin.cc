#include "kernels/cuda/cubin.h"

#include <algorithm>
#include <cstring>
#include <fstream>
#include <iterator>
#include <map>
#include <memory>
#include <stdexcept>
#include <string_view>

#include <cxxabi.h>
#include <elf.h>

namespace baton::kernels::cuda {
namespace {

constexpr uint16_t kMachineCuda = 190;

// Of .nv.info: an attribute is a format, a number and a size or a value of 16 bits.
constexpr uint8_t kFormatSized = 4;
constexpr uint8_t kFrameSize = 0x11;
constexpr uint8_t kRegisterCount = 0x2f;

// The lowest nine bits of an instruction of sm_90, as nvdisasm names them.
constexpr int kInstructionBytes = 16;
constexpr uint64_t kOpcodeMask = 0x1ff;
constexpr uint64_t kHgmma = 0x1f0;
constexpr uint64_t kUtmaldg = 0x1b4;
constexpr uint64_t kHmma = 0x03c;
constexpr uint64_t kLdgsts = 0x1ae;
constexpr uint64_t kPreexit = 0x02d;
constexpr uint64_t kAcqbulk = 0x02e;
constexpr uint64_t kMufu = 0x108;
constexpr uint64_t kWarpgroup = 0x1c5;
constexpr uint64_t kWarpgroupWaits = uint64_t{1} << 47;
constexpr uint64_t kUsetmaxreg = 0x1c8;
constexpr uint64_t kLdl = 0x183;
constexpr uint64_t kStl = 0x187;

template <class T>
T Read(std::string_view bytes, size_t at) {
  T value;
  if (at > bytes.size() || bytes.size() - at < sizeof value) {
    throw std::runtime_error("a device image ends early");
  }
  std::memcpy(&value, bytes.data() + at, sizeof value);
  return value;
}

std::string_view Part(std::string_view bytes, size_t at, size_t size) {
  if (at > bytes.size() || bytes.size() - at < size) {
    throw std::runtime_error("a device image ends early");
  }
  return bytes.substr(at, size);
}

std::string Demangled(const std::string& name) {
  int status = 0;
  const std::unique_ptr<char, void (*)(void*)> text(
      abi::__cxa_demangle(name.c_str(), nullptr, nullptr, &status), std::free);
  return status == 0 ? text.get() : name;
}

void CountInstructions(std::string_view code, KernelCode& kernel) {
  bool waited = false;
  int special = 0;
  for (size_t at = 0; at + kInstructionBytes <= code.size(); at += kInstructionBytes) {
    const auto instruction = Read<uint64_t>(code, at);
    const uint64_t opcode = instruction & kOpcodeMask;
    kernel.hgmma += opcode == kHgmma;
    kernel.utmaldg += opcode == kUtmaldg;
    kernel.hmma += opcode == kHmma;
    kernel.ldgsts += opcode == kLdgsts;
    kernel.usetmaxreg += opcode == kUsetmaxreg;
    kernel.preexit += opcode == kPreexit;
    kernel.acqbulk += opcode == kAcqbulk;
    if (opcode == kHgmma) waited = false;
    special += opcode == kMufu;
    if (opcode == kWarpgroup && (instruction & kWarpgroupWaits) != 0) {
      if (waited) kernel.overlapped = std::max(kernel.overlapped, special);
      waited = true;
      special = 0;
    }
    kernel.local += opcode == kLdl || opcode == kStl;
  }
}

/// One image. Sections lie at offsets from its start.
class Image {
 public:
  explicit Image(std::string_view bytes) : bytes_(bytes), header_(Read<Elf64_Ehdr>(bytes, 0)) {}

  void AppendKernels(std::vector<KernelCode>& kernels) const {
    std::map<std::string, KernelCode> by_name;
    for (int i = 0; i < header_.e_shnum; ++i) {
      const std::string name = NameOf(i);
      if (!name.starts_with(".text.")) continue;
      KernelCode& kernel = by_name[name.substr(6)];
      kernel.name = Demangled(name.substr(6));
      CountInstructions(BytesOf(i), kernel);
    }
    for (int i = 0; i < header_.e_shnum; ++i) {
      if (NameOf(i) == ".nv.info") ReadInfo(BytesOf(i), by_name);
    }
    for (const auto& [name, kernel] : by_name) kernels.push_back(kernel);
  }

 private:
  Elf64_Shdr Section(int i) const {
    return Read<Elf64_Shdr>(bytes_, header_.e_shoff + static_cast<size_t>(i) * sizeof(Elf64_Shdr));
  }
  std::string_view BytesOf(int i) const {
    const Elf64_Shdr section = Section(i);
    return Part(bytes_, section.sh_offset, section.sh_size);
  }
  std::string NameOf(int i) const {
    return BytesOf(header_.e_shstrndx).substr(Section(i).sh_name).data();
  }

  std::string SymbolName(uint32_t index) const {
    for (int i = 0; i < header_.e_shnum; ++i) {
      if (Section(i).sh_type != SHT_SYMTAB) continue;
      const auto symbol = Read<Elf64_Sym>(BytesOf(i), index * sizeof(Elf64_Sym));
      return BytesOf(static_cast<int>(Section(i).sh_link)).substr(symbol.st_name).data();
    }
    throw std::runtime_error("a device image without symbols");
  }

  void ReadInfo(std::string_view info, std::map<std::string, KernelCode>& kernels) const {
    for (size_t at = 0; at < info.size();) {
      const auto format = Read<uint8_t>(info, at);
      const auto attribute = Read<uint8_t>(info, at + 1);
      const auto size = Read<uint16_t>(info, at + 2);
      at += 4;
      if (format != kFormatSized) continue;
      if (attribute == kFrameSize || attribute == kRegisterCount) {
        const auto found = kernels.find(SymbolName(Read<uint32_t>(info, at)));
        const auto value = Read<uint32_t>(info, at + 4);
        if (found != kernels.end() && attribute == kFrameSize) found->second.stack_bytes = value;
        if (found != kernels.end() && attribute == kRegisterCount) {
          found->second.registers = static_cast<int>(value);
        }
      }
      at += size;
    }
  }

  std::string_view bytes_;
  Elf64_Ehdr header_;
};

}  // namespace

std::vector<KernelCode> ReadKernelCode(const std::filesystem::path& file) {
  std::ifstream in(file, std::ios::binary);
  if (!in) throw std::runtime_error("cannot read " + file.string());
  const std::string bytes(std::istreambuf_iterator<char>(in), {});
  std::vector<KernelCode> kernels;
  for (size_t at = bytes.find(ELFMAG); at != std::string::npos; at = bytes.find(ELFMAG, at + 1)) {
    if (bytes.size() - at < sizeof(Elf64_Ehdr)) break;
    const auto header = Read<Elf64_Ehdr>(bytes, at);
    if (header.e_ident[EI_CLASS] != ELFCLASS64 || header.e_machine != kMachineCuda) continue;
    Image(std::string_view(bytes).substr(at)).AppendKernels(kernels);
  }
  return kernels;
}

}  // namespace baton::kernels::cuda
