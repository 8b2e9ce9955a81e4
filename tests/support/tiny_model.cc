#include "support/tiny_model.h"

#include <cmath>
#include <cstdlib>
#include <cstring>
#include <fstream>

#include "baton/base/check.h"
#include "baton/base/random.h"

namespace baton::testing_support {
namespace {

using Fields = std::map<std::string, std::string>;

std::string ConfigJson(const TinyModelOptions& options) {
  const auto number = [](int32_t value) { return std::to_string(value); };
  Fields fields = {{"architectures", "[\"LlamaForCausalLM\"]"},
                   {"model_type", "\"llama\""},
                   {"hidden_act", "\"silu\""},
                   {"hidden_size", number(options.hidden)},
                   {"intermediate_size", number(options.intermediate)},
                   {"num_hidden_layers", number(options.layers)},
                   {"num_attention_heads", number(options.query_heads)},
                   {"num_key_value_heads", number(options.kv_heads)},
                   {"head_dim", number(options.head_dim)},
                   {"vocab_size", number(options.vocabulary)},
                   {"max_position_embeddings", number(options.context_tokens)},
                   {"rms_norm_eps", "1e-05"},
                   {"rope_theta", "10000.0"},
                   {"tie_word_embeddings", options.tied_embeddings ? "true" : "false"},
                   {"bos_token_id", "1"},
                   {"eos_token_id", number(options.eos_token)}};
  for (const auto& [name, value] : options.config_fields) fields[name] = value;
  std::string json;
  for (const auto& [name, value] : fields) {
    json += (json.empty() ? "{\"" : ",\n \"") + name + "\": " + value;
  }
  return json + "}\n";
}

void Append(float value, DType dtype, std::string& bytes) {
  const auto append = [&](auto element) {
    bytes.append(reinterpret_cast<const char*>(&element), sizeof(element));
  };
  switch (dtype) {
    case DType::kFloat32: return append(value);
    case DType::kFloat16: return append(ToFloat16(value).bits);
    default: return append(ToBFloat16(value).bits);
  }
}

class TensorMaker {
 public:
  explicit TensorMaker(const TinyModelOptions& options)
      : options_(options), random_(options.seed) {}

  void Matrix(const std::string& name, int64_t N, int64_t K) {
    const double bound = options_.scale / std::sqrt(static_cast<double>(K));
    Add(name, {N, K}, [&] { return (2 * random_.Uniform() - 1) * bound; });
  }
  void Norm(const std::string& name, int64_t E) {
    Add(name, {E}, [&] { return 0.75 + random_.Uniform() / 2; });
  }
  const std::vector<TensorToWrite>& tensors() const { return tensors_; }

 private:
  template <typename Draw>
  void Add(const std::string& name, std::vector<int64_t> shape, Draw&& draw) {
    const DType dtype = options_.dtype;
    const char* type = dtype == DType::kFloat32 ? "F32" : dtype == DType::kFloat16 ? "F16" : "BF16";
    TensorToWrite tensor{.name = name, .dtype = type, .shape = std::move(shape), .bytes = {}};
    int64_t elements = 1;
    for (const int64_t extent : tensor.shape) elements *= extent;
    for (int64_t i = 0; i < elements; ++i) Append(static_cast<float>(draw()), dtype, tensor.bytes);
    tensors_.push_back(std::move(tensor));
  }

  const TinyModelOptions& options_;
  Random random_;
  std::vector<TensorToWrite> tensors_;
};

}  // namespace

void WriteFile(const std::filesystem::path& path, const std::string& content) {
  std::ofstream file(path, std::ios::binary);
  file << content;
  file.close();
  BATON_CHECK(file.good()) << "cannot write " << path;
}

void WriteSafetensors(const std::filesystem::path& path,
                      const std::vector<TensorToWrite>& tensors) {
  std::string header;
  std::string data;
  for (const TensorToWrite& tensor : tensors) {
    std::string shape;
    for (const int64_t extent : tensor.shape) {
      shape += (shape.empty() ? "" : ",") + std::to_string(extent);
    }
    header += (header.empty() ? "{\"" : ",\"") + tensor.name + "\":{\"dtype\":\"" + tensor.dtype +
              "\",\"shape\":[" + shape + "],\"data_offsets\":[" + std::to_string(data.size()) +
              "," + std::to_string(data.size() + tensor.bytes.size()) + "]}";
    data += tensor.bytes;
  }
  header += header.empty() ? "{}" : "}";
  header.resize((header.size() + 7) / 8 * 8, ' ');
  const uint64_t header_bytes = header.size();
  std::string length(8, '\0');
  std::memcpy(length.data(), &header_bytes, 8);
  WriteFile(path, length + header + data);
}

void WriteTinyModel(const std::filesystem::path& folder, const TinyModelOptions& options) {
  std::filesystem::create_directories(folder);
  const int64_t E = options.hidden;
  const int64_t F = options.intermediate;
  const int64_t q_rows = int64_t{options.query_heads} * options.head_dim;
  const int64_t kv_rows = int64_t{options.kv_heads} * options.head_dim;
  TensorMaker maker(options);
  maker.Matrix("model.embed_tokens.weight", options.vocabulary, E);
  for (int32_t i = 0; i < options.layers; ++i) {
    const std::string layer = "model.layers." + std::to_string(i) + ".";
    maker.Norm(layer + "input_layernorm.weight", E);
    maker.Matrix(layer + "self_attn.q_proj.weight", q_rows, E);
    maker.Matrix(layer + "self_attn.k_proj.weight", kv_rows, E);
    maker.Matrix(layer + "self_attn.v_proj.weight", kv_rows, E);
    maker.Matrix(layer + "self_attn.o_proj.weight", E, q_rows);
    maker.Norm(layer + "post_attention_layernorm.weight", E);
    maker.Matrix(layer + "mlp.gate_proj.weight", F, E);
    maker.Matrix(layer + "mlp.up_proj.weight", F, E);
    maker.Matrix(layer + "mlp.down_proj.weight", E, F);
  }
  maker.Norm("model.norm.weight", E);
  if (!options.tied_embeddings) maker.Matrix("lm_head.weight", options.vocabulary, E);
  WriteSafetensors(folder / "model.safetensors", maker.tensors());
  WriteFile(folder / "config.json", ConfigJson(options));
}

TemporaryFolder::TemporaryFolder() {
  std::string name = (std::filesystem::temp_directory_path() / "baton-test-XXXXXX").string();
  BATON_CHECK(::mkdtemp(name.data()) != nullptr) << name;
  path_ = name;
}

TemporaryFolder::~TemporaryFolder() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

}  // namespace baton::testing_support
