#pragma once

#include <functional>
#include <string>
#include <vector>

#include "baton/api/scaling.h"
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
  /// The router changes the roles as the load does, at least so long after each change; zero: they
  /// stay.
  Duration ratio_dwell{};
};

struct Lengths {
  int64_t prompt = 0;
  int64_t output = 0;
};

struct Load {
  RequestSlo slo;
  std::function<Lengths(Random&)> lengths;
};

/// A time in which the load is of one kind.
struct Phase {
  const Load* load;
  /// A second; they come as a Poisson process.
  double rate = 0;
  int requests = 0;
  /// The first ones, during which roles may change: they are not counted.
  int warm_up = 0;
};

struct Course {
  /// Of each phase, the part of its requests that kept their SLO, and the roles at its end.
  std::vector<double> kept;
  std::vector<api::RoleCounts> roles;
  /// Workers that took another role, and changes of the ratio, each of which is some of those.
  int role_changes = 0;
  int ratio_changes = 0;
};

/// One phase after the other, without a pause.
Course Serve(const Setting& setting, const Machine& machine, const std::vector<Phase>& phases,
             uint64_t seed = 7);

/// The part of `requests` requests, which come as a Poisson process, that keep their SLO; the mean
/// of some histories.
double Attainment(const Setting& setting, const Machine& machine, const Load& load, double rate,
                  int requests);

/// The highest rate at which nine in ten requests keep their SLO, within 2 %.
/// REQUIRES: nine in ten do at a low enough rate.
double Goodput(const Setting& setting, const Machine& machine, const Load& load);

}  // namespace baton::simulation
