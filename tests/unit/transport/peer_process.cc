#include "peer_process.h"

#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include "hex_line.h"

extern char** environ;

namespace baton::transport {

std::unique_ptr<PeerProcess> PeerProcess::Start(const std::string& transports,
                                                const std::string& behaviour) {
  int in[2], out[2];
  if (pipe(in) != 0 || pipe(out) != 0) return nullptr;
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, in[0], 0);
  posix_spawn_file_actions_adddup2(&actions, out[1], 1);
  for (int fd : {in[0], in[1], out[0], out[1]}) posix_spawn_file_actions_addclose(&actions, fd);
  std::string program = std::string(BATON_BINARY_DIR) + "/bin/transport_peer";
  std::string tls = transports, what = behaviour;
  char* arguments[] = {program.data(), tls.data(), what.data(), nullptr};
  std::unique_ptr<PeerProcess> peer(new PeerProcess);
  const int error =
      posix_spawn(&peer->pid_, program.c_str(), &actions, nullptr, arguments, environ);
  posix_spawn_file_actions_destroy(&actions);
  close(in[0]);
  close(out[1]);
  peer->to_peer_ = in[1];
  peer->from_peer_ = out[0];
  if (error != 0) peer->pid_ = -1;
  if (error == 0) peer->address_ = ReadHexLine(peer->from_peer_);
  return peer->address_.empty() ? nullptr : std::move(peer);
}

PeerProcess::~PeerProcess() {
  Kill();
  close(to_peer_);
  close(from_peer_);
}

void PeerProcess::Meet(const std::string& our_address) {
  WriteHexLine(to_peer_, our_address);
  (void)ReadHexLine(from_peer_);  // It answers when it is connected.
}

void PeerProcess::Kill() {
  if (pid_ <= 0) return;
  kill(pid_, SIGKILL);
  waitpid(pid_, nullptr, 0);
  pid_ = -1;
}

}  // namespace baton::transport
