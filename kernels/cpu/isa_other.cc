#include "isa.h"

namespace baton::kernels::cpu {

bool RunsAvx2() { return false; }
bool RunsAvxVnni() { return false; }
bool RunsAvx512() { return false; }
bool RunsAvx512Vnni() { return false; }
bool RunsAvx512Bf16() { return false; }
bool RunsAmx() { return false; }
const Isa& Avx2Isa() { return PortableIsa(); }
const Isa& AvxVnniIsa() { return PortableIsa(); }
const Isa& Avx512Isa() { return PortableIsa(); }
const Isa& Avx512VnniIsa() { return PortableIsa(); }
const Isa& Avx512Bf16Isa() { return PortableIsa(); }
const Isa& AmxIsa() { return PortableIsa(); }

}  // namespace baton::kernels::cpu
