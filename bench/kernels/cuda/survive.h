#pragma once

#include <cstddef>
#include <functional>
#include <string>

namespace baton::bench {

/// Memory that processes which were forked since share, zeroed. *Ownership*: to the process's end.
std::byte* SharedBytes(size_t bytes);

/// A device that failed once fails everything a process asks of it. So `work` goes through
/// [from, count) in a process of its own, setting `under_way` to what it is about to do, and after
/// a crash in another one from there on; `on_crash` is told, in this process, what crashed and how.
/// Gives what `work` gave where it returned, or 1 after so many crashes that it is not worth it.
/// REQUIRES: this process has not touched the device, and has no other thread.
int Survive(size_t count, const std::function<int(size_t from, size_t& under_way)>& work,
            const std::function<void(size_t which, const std::string& how)>& on_crash);

}  // namespace baton::bench
