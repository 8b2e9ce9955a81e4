#include "baton/app/model_folder.h"

#include "baton/model/shard.h"

namespace baton::app {

Status CheckModelFolder(const std::filesystem::path& folder, bool random_weights) {
  std::error_code error;
  if (!std::filesystem::is_directory(folder, error)) {
    return NotFound("model: there is no folder " + folder.string());
  }
  for (const char* name : {"config.json", "tokenizer.json"}) {
    if (!std::filesystem::exists(folder / name, error)) {
      return NotFound("model: " + folder.string() + " has no " + name);
    }
  }
  if (random_weights) return OkStatus();
  for (const auto& entry : std::filesystem::directory_iterator(folder, error)) {
    if (entry.path().extension() == ".safetensors") return OkStatus();
  }
  return NotFound("model: " + folder.string() + " has no .safetensors file");
}

Status CheckTensorParallelism(const config::Config& config) {
  for (const Role role : {Role::kPrefill, Role::kDecode, Role::kMixed}) {
    const config::WorkerGroup& group = config.workers.group(role);
    if (group.count == 0 || group.tensor_parallel == 1) continue;
    BATON_ASSIGN_OR_RETURN(const model::ModelConfig model, model::ModelConfig::Load(config.model));
    const auto shard = model::Shard::Of(model, 0, group.tensor_parallel);
    if (shard.ok()) continue;
    return shard.status().WithContext("workers." + std::string(RoleName(role)) +
                                      ".tensor_parallel");
  }
  return OkStatus();
}

}  // namespace baton::app
