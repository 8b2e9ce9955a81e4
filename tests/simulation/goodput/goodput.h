#pragma once

#include <functional>
#include <string>
#include <vector>

#include "baton/base/random.h"
#include "baton/request/request.h"
#include "model_worker.h"

namespace baton::simulation {

/// A fleet and how its router decides.
struct Setting {
  std::string policy;
  int prefill = 0;
  int decode = 0;
  int mixed = 0;
};

struct Lengths {
  int64_t prompt = 0;
  int64_t output = 0;
};

struct Load {
  RequestSlo slo;
  std::function<Lengths(Random&)> lengths;
};

/// The part of `requests` requests, which come as a Poisson process, that keep their SLO.
double Attainment(const Setting& setting, const Machine& machine, const Load& load, double rate,
                  int requests);

/// The highest rate at which nine in ten requests keep their SLO, within 2 %.
/// REQUIRES: nine in ten do at a low enough rate.
double Goodput(const Setting& setting, const Machine& machine, const Load& load);

}  // namespace baton::simulation
