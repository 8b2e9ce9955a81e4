#include "baton/app/model_folder.h"

namespace baton::app {

Status CheckModelFolder(const std::filesystem::path& folder) {
  std::error_code error;
  if (!std::filesystem::is_directory(folder, error)) {
    return NotFound("model: there is no folder " + folder.string());
  }
  for (const char* name : {"config.json", "tokenizer.json"}) {
    if (!std::filesystem::exists(folder / name, error)) {
      return NotFound("model: " + folder.string() + " has no " + name);
    }
  }
  for (const auto& entry : std::filesystem::directory_iterator(folder, error)) {
    if (entry.path().extension() == ".safetensors") return OkStatus();
  }
  return NotFound("model: " + folder.string() + " has no .safetensors file");
}

}  // namespace baton::app
