#pragma once

// Barriers, shuffles, votes and reductions as CUDA C++ names them.

#include <cstring>

#include "simt/machine.h"

namespace baton::simt {

/// A lane's value, to whom it looks, and what it takes home.
struct Exchange {
  unsigned char value[16] = {};
  unsigned char taken[16] = {};
  int from = 0;
  int lane = 0;
};

inline void Shuffle(const char* what, Exchange& mine, uint32_t mask, Site site) {
  WarpCollective<Exchange>(
      what, mine,
      [](Exchange* const(&lanes)[32]) {
        for (Exchange* lane : lanes) {
          if (lane == nullptr) continue;
          // From a lane that takes no part the value is undefined: show it.
          if (lanes[lane->from] == nullptr) {
            std::memset(lane->taken, 0xff, sizeof lane->taken);
          } else {
            std::memcpy(lane->taken, lanes[lane->from]->value, sizeof lane->taken);
          }
        }
      },
      mask, site);
}

template <class T>
T ShuffleFrom(const char* what, uint32_t mask, T value, int from, Site site) {
  static_assert(sizeof(T) <= 16);
  Exchange mine{.from = from};
  std::memcpy(mine.value, &value, sizeof value);
  Shuffle(what, mine, mask, site);
  std::memcpy(&value, mine.taken, sizeof value);
  return value;
}

inline void CheckWidth(int width, Site site) {
  if (width <= 0 || width > 32 || (width & (width - 1)) != 0) Fail("a shuffle's width", site);
}

/// A lane's word and the combination of all.
struct Vote {
  uint64_t word = 0;
  uint64_t all = 0;
  int lane = 0;
};

template <class Combine>
uint64_t VoteAs(const char* what, uint64_t word, uint32_t mask, Combine, Site site) {
  Vote mine{.word = word};
  WarpCollective<Vote>(
      what, mine,
      [](Vote* const(&lanes)[32]) {
        for (int self = 0; self < 32; ++self) {
          if (lanes[self] == nullptr) continue;
          bool first = true;
          for (int i = 0; i < 32; ++i) {
            if (lanes[i] == nullptr) continue;
            lanes[self]->all =
                Combine{}(first, lanes[self]->all, lanes[i]->word, i, lanes[self]->word);
            first = false;
          }
        }
      },
      mask, site);
  return mine.all;
}

// What a vote makes of (first?, all so far, a lane's word, that lane, the asking lane's word).
struct Ballot {
  uint64_t operator()(bool first, uint64_t all, uint64_t word, int lane, uint64_t) const {
    return (first ? 0 : all) | (word != 0 ? uint64_t{1} << lane : 0);
  }
};
struct Match {
  uint64_t operator()(bool first, uint64_t all, uint64_t word, int lane, uint64_t mine) const {
    return (first ? 0 : all) | (word == mine ? uint64_t{1} << lane : 0);
  }
};
struct AddUp {
  uint64_t operator()(bool first, uint64_t all, uint64_t word, int, uint64_t) const {
    return first ? word : all + word;
  }
};
struct AndUp {
  uint64_t operator()(bool first, uint64_t all, uint64_t word, int, uint64_t) const {
    return first ? word : all & word;
  }
};
struct OrUp {
  uint64_t operator()(bool first, uint64_t all, uint64_t word, int, uint64_t) const {
    return first ? word : all | word;
  }
};
struct XorUp {
  uint64_t operator()(bool first, uint64_t all, uint64_t word, int, uint64_t) const {
    return first ? word : all ^ word;
  }
};
template <class T>
struct MaxUp {
  uint64_t operator()(bool first, uint64_t all, uint64_t word, int, uint64_t) const {
    return first || static_cast<T>(word) > static_cast<T>(all) ? word : all;
  }
};
template <class T>
struct MinUp {
  uint64_t operator()(bool first, uint64_t all, uint64_t word, int, uint64_t) const {
    return first || static_cast<T>(word) < static_cast<T>(all) ? word : all;
  }
};

struct BlockVote {
  int mine = 0;
  int count = 0;
  int threads = 0;
};

inline BlockVote VoteOfBlock(const char* what, int mine, Site site) {
  BlockVote vote{.mine = mine};
  MeetBlock(
      what, &vote,
      [](std::span<const Arrival> arrivals) {
        int count = 0;
        for (const Arrival& a : arrivals) count += static_cast<BlockVote*>(a.brought)->mine != 0;
        for (const Arrival& a : arrivals) {
          static_cast<BlockVote*>(a.brought)->count = count;
          static_cast<BlockVote*>(a.brought)->threads = static_cast<int>(arrivals.size());
        }
      },
      site);
  return vote;
}

}  // namespace baton::simt

using BatonSite = std::source_location;

inline void __syncthreads(BatonSite site = BatonSite::current()) {
  ::baton::simt::MeetBlock("__syncthreads", nullptr, nullptr, site);
}
inline int __syncthreads_count(int x, BatonSite site = BatonSite::current()) {
  return ::baton::simt::VoteOfBlock("__syncthreads_count", x, site).count;
}
inline int __syncthreads_or(int x, BatonSite site = BatonSite::current()) {
  return ::baton::simt::VoteOfBlock("__syncthreads_or", x, site).count != 0;
}
inline int __syncthreads_and(int x, BatonSite site = BatonSite::current()) {
  const auto vote = ::baton::simt::VoteOfBlock("__syncthreads_and", x, site);
  return vote.count == vote.threads;
}
inline void __syncwarp(unsigned mask = 0xffffffffu, BatonSite site = BatonSite::current()) {
  ::baton::simt::MeetLanes(mask, "__syncwarp", nullptr, nullptr, site);
}

template <class T>
T __shfl_sync(unsigned mask, T value, int from, int width = 32,
              BatonSite site = BatonSite::current()) {
  ::baton::simt::CheckWidth(width, site);
  const int lane = ::baton::simt::Self().lane;
  return ::baton::simt::ShuffleFrom("__shfl_sync", mask, value,
                                    (lane & -width) | (from & (width - 1)), site);
}
template <class T>
T __shfl_xor_sync(unsigned mask, T value, int lane_mask, int width = 32,
                  BatonSite site = BatonSite::current()) {
  ::baton::simt::CheckWidth(width, site);
  const int lane = ::baton::simt::Self().lane;
  const int from = lane ^ lane_mask;
  // A lane of a later group is not looked at.
  const bool reachable = from < (lane & -width) + width;
  return ::baton::simt::ShuffleFrom("__shfl_xor_sync", mask, value, reachable ? from : lane, site);
}
template <class T>
T __shfl_up_sync(unsigned mask, T value, unsigned delta, int width = 32,
                 BatonSite site = BatonSite::current()) {
  ::baton::simt::CheckWidth(width, site);
  const int lane = ::baton::simt::Self().lane;
  const int from = lane - static_cast<int>(delta);
  return ::baton::simt::ShuffleFrom("__shfl_up_sync", mask, value,
                                    from >= (lane & -width) ? from : lane, site);
}
template <class T>
T __shfl_down_sync(unsigned mask, T value, unsigned delta, int width = 32,
                   BatonSite site = BatonSite::current()) {
  ::baton::simt::CheckWidth(width, site);
  const int lane = ::baton::simt::Self().lane;
  const int from = lane + static_cast<int>(delta);
  return ::baton::simt::ShuffleFrom("__shfl_down_sync", mask, value,
                                    from < (lane & -width) + width ? from : lane, site);
}

inline unsigned __ballot_sync(unsigned mask, int x, BatonSite site = BatonSite::current()) {
  return static_cast<unsigned>(
      ::baton::simt::VoteAs("__ballot_sync", x != 0, mask, ::baton::simt::Ballot{}, site));
}
inline int __any_sync(unsigned mask, int x, BatonSite site = BatonSite::current()) {
  return ::baton::simt::VoteAs("__any_sync", x != 0, mask, ::baton::simt::OrUp{}, site) != 0;
}
inline int __all_sync(unsigned mask, int x, BatonSite site = BatonSite::current()) {
  return ::baton::simt::VoteAs("__all_sync", x != 0, mask, ::baton::simt::AndUp{}, site) != 0;
}
inline unsigned __activemask() { return 0xffffffffu; }

template <class T>
unsigned __match_any_sync(unsigned mask, T value, BatonSite site = BatonSite::current()) {
  uint64_t word = 0;
  std::memcpy(&word, &value, sizeof value);
  return static_cast<unsigned>(
      ::baton::simt::VoteAs("__match_any_sync", word, mask, ::baton::simt::Match{}, site));
}
template <class T>
T __reduce_add_sync(unsigned mask, T value, BatonSite site = BatonSite::current()) {
  return static_cast<T>(::baton::simt::VoteAs("__reduce_add_sync", static_cast<uint64_t>(value),
                                              mask, ::baton::simt::AddUp{}, site));
}
template <class T>
T __reduce_max_sync(unsigned mask, T value, BatonSite site = BatonSite::current()) {
  return static_cast<T>(::baton::simt::VoteAs("__reduce_max_sync", static_cast<uint64_t>(value),
                                              mask, ::baton::simt::MaxUp<T>{}, site));
}
template <class T>
T __reduce_min_sync(unsigned mask, T value, BatonSite site = BatonSite::current()) {
  return static_cast<T>(::baton::simt::VoteAs("__reduce_min_sync", static_cast<uint64_t>(value),
                                              mask, ::baton::simt::MinUp<T>{}, site));
}
inline unsigned __reduce_and_sync(unsigned mask, unsigned value,
                                  BatonSite site = BatonSite::current()) {
  return static_cast<unsigned>(
      ::baton::simt::VoteAs("__reduce_and_sync", value, mask, ::baton::simt::AndUp{}, site));
}
inline unsigned __reduce_or_sync(unsigned mask, unsigned value,
                                 BatonSite site = BatonSite::current()) {
  return static_cast<unsigned>(
      ::baton::simt::VoteAs("__reduce_or_sync", value, mask, ::baton::simt::OrUp{}, site));
}
inline unsigned __reduce_xor_sync(unsigned mask, unsigned value,
                                  BatonSite site = BatonSite::current()) {
  return static_cast<unsigned>(
      ::baton::simt::VoteAs("__reduce_xor_sync", value, mask, ::baton::simt::XorUp{}, site));
}
