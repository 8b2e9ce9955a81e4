#pragma once

// Else curl_easy_setopt is a macro.
#define CURL_DISABLE_TYPECHECK
#include <curl/curl.h>

#include "baton/base/status.h"

namespace baton::loadgen {

/// libcurl, loaded on demand: its two dozen libraries are nothing that a server should load.
/// *Threads*: immutable.
struct CurlLibrary {
  decltype(&::curl_global_init) global_init;
  decltype(&::curl_easy_init) easy_init;
  decltype(&::curl_easy_reset) easy_reset;
  decltype(&::curl_easy_cleanup) easy_cleanup;
  decltype(&::curl_easy_setopt) easy_setopt;
  decltype(&::curl_easy_getinfo) easy_getinfo;
  decltype(&::curl_easy_strerror) easy_strerror;
  decltype(&::curl_multi_init) multi_init;
  decltype(&::curl_multi_cleanup) multi_cleanup;
  decltype(&::curl_multi_setopt) multi_setopt;
  decltype(&::curl_multi_add_handle) multi_add_handle;
  decltype(&::curl_multi_remove_handle) multi_remove_handle;
  decltype(&::curl_multi_socket_action) multi_socket_action;
  decltype(&::curl_multi_info_read) multi_info_read;
  decltype(&::curl_multi_assign) multi_assign;
  decltype(&::curl_slist_append) slist_append;
  decltype(&::curl_slist_free_all) slist_free_all;

  /// Loads it once; it stays until the process ends. Fails with FailedPrecondition naming the
  /// package.
  static Result<const CurlLibrary*> Load();
};

}  // namespace baton::loadgen
