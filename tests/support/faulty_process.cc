#include <climits>
#include <string_view>
#include <thread>

/// Does wrong as its argument says, for a sanitizer to see.
namespace {

volatile int zero = 0;
int* volatile memory = nullptr;

void Race() {
  int shared = 0;
  std::thread other([&] { ++shared; });
  ++shared;
  other.join();
  zero = shared * zero;
}

void Overflow() {
  memory = new int[4];
  memory[4 + zero] = 1;
}

void Leak() {
  memory = new int[1000];
  memory = nullptr;
}

void Undefined() { zero = INT_MAX + (1 + zero); }

}  // namespace

int main(int, char** arguments) {
  const std::string_view fault = arguments[1];
  if (fault == "race") Race();
  if (fault == "overflow") Overflow();
  if (fault == "leak") Leak();
  if (fault == "undefined") Undefined();
}
