#include "tests/fuzz/json_mutator.h"

#include <algorithm>
#include <iterator>
#include <limits>
#include <utility>

namespace attune::fuzz {
namespace {

// Keys and words of every format that attune reads.
constexpr const char* kWords[] = {
    // safetensors, checkpoints, stored data sets
    "__metadata__", "dtype", "shape", "data_offsets", "weight_map", "F32", "F64", "BF16", "F16", "I64", "I32", "I16",
    "I8", "U8", "BOOL", "F4", "F8_E4M3", "format", "attune_files", "attune_checkpoint", "run", "run_sha256", "labels",
    "labels_sha256", "sha256", "ids", "starts", "type_ids", "step", "epoch", "batch", "pass_seed", "optimizer_steps",
    "group_open", "finished", "generator", "best_step", "best_validation_loss", "seconds", "log_offset", "log_digest",
    "history", "rank", "world", "version", "options", "parameters", "tensors", "kind", "column", "known", "count",
    "names", "delimiter", "columns",
    // config.json
    "model_type", "gpt2", "bert", "distilbert", "roberta", "modernbert", "bag_of_words", "vocab_size", "n_positions",
    "n_embd", "n_layer", "n_head", "n_inner", "layer_norm_epsilon", "initializer_range", "embd_pdrop", "attn_pdrop",
    "resid_pdrop", "activation_function", "gelu", "gelu_new", "gelu_pytorch_tanh", "relu", "scale_attn_weights",
    "add_cross_attention", "num_labels", "id2label", "label2id", "problem_type", "single_label_classification",
    "multi_label_classification", "regression", "attune_head_position", "first", "last", "flexible", "mean",
    "attune_causal", "attune_max_length", "attune_fill", "attune_mask_padding", "attune_pad_id", "attune_thresholds",
    "attune_temperature", "attune_save", "attune_window_overlap", "attune_window_pooling", "max", "hidden_size",
    "num_hidden_layers", "num_attention_heads", "intermediate_size", "hidden_act", "dim", "n_layers", "n_heads",
    "hidden_dim", "activation", "dropout", "max_position_embeddings", "type_vocab_size", "pad_token_id",
    "layer_norm_eps", "position_embedding_type", "absolute", "is_decoder", "layer_types", "full_attention",
    "sliding_attention", "global_attn_every_n_layers", "local_attention", "rope_parameters", "rope_theta", "rope_type",
    "rope_scaling", "global_rope_theta", "local_rope_theta", "norm_eps", "classifier_pooling", "cls",
    "hidden_activation", "attention_bias", "classes", "label_names", "0", "1", "2",
    // tokenizers
    "added_tokens", "added_tokens_decoder", "id", "content", "special", "lstrip", "rstrip", "single_word", "normalized",
    "normalizer", "normalizers", "pre_tokenizer", "pretokenizers", "post_processor", "processors", "model", "vocab",
    "merges", "decoder", "type", "BPE", "WordPiece", "ByteLevel", "NFC", "Sequence", "BertNormalizer",
    "BertPreTokenizer", "TemplateProcessing", "BertProcessing", "RobertaProcessing", "single", "pair", "special_tokens",
    "SpecialToken", "A", "B", "type_id", "tokens", "sep", "unk_token", "pad_token", "cls_token", "sep_token",
    "mask_token", "bos_token", "eos_token", "tokenizer_class", "GPT2Tokenizer", "RobertaTokenizerFast", "BertTokenizer",
    "do_lower_case", "strip_accents", "tokenize_chinese_chars", "add_prefix_space", "use_regex", "ignore_merges",
    "fuse_unk", "byte_fallback", "continuing_subword_prefix", "end_of_word_suffix", "max_input_chars_per_word",
    "cleanup", "prefix", "clean_text", "handle_chinese_chars", "lowercase", "[UNK]", "[CLS]", "[SEP]", "[PAD]",
    "[MASK]", "<s>", "</s>", "<unk>", "<pad>", "<mask>", "<|endoftext|>", "##", "text", "label"};

constexpr const char* kTexts[] = {"",           " ",       "a",  "\u0120", "\u00e9", "e\u0301", "\u4e2d",
                                  "\U0001F600", "\u0000x", "-1", "1e5",    "/",      "..",      "\n"};

constexpr std::int64_t kIntegers[] = {0,
                                      1,
                                      2,
                                      3,
                                      7,
                                      8,
                                      16,
                                      64,
                                      255,
                                      256,
                                      -1,
                                      -2,
                                      65535,
                                      65536,
                                      1 << 20,
                                      1 << 24,
                                      (1 << 24) + 1,
                                      2147483647,
                                      2147483648,
                                      -2147483648,
                                      std::int64_t{1} << 40,
                                      std::numeric_limits<std::int64_t>::max(),
                                      std::numeric_limits<std::int64_t>::min()};
constexpr double kReals[] = {0.5, -0.5, 1.0, -0.0, 1e-5, 1e-300, 1e300, 0.999999999, 1e18, 3.4e38, 5e-324};

Json* pick(Json& root, Random& random) {
  Json* value = &root;
  while (value->is_structured() && !value->empty() && (value == &root || !random.one_in(4))) {
    auto child = value->begin();
    std::advance(child, random.below(static_cast<std::uint32_t>(value->size())));
    value = &*child;
  }
  return value;
}

std::string some_text(Random& random) {
  return random.one_in(3) ? random.of(kTexts) : random.of(kWords);
}

Json some_value(Random& random) {
  switch (random.below(8)) {
    case 0:
      return nullptr;
    case 1:
      return random.one_in(2);
    case 2:
      return random.of(kReals);
    case 3:
      return random.one_in(2) ? Json::array() : Json::object();
    case 4:
    case 5:
      return some_text(random);
    case 6:
      return random.below(12);
    default:
      return random.of(kIntegers);
  }
}

// A value close to the one there.
void nudge(Json& value, Random& random) {
  if (value.is_number_integer()) {
    const auto near = static_cast<std::int64_t>(random.below(5)) - 2;
    value = static_cast<std::int64_t>(static_cast<std::uint64_t>(value.get<std::int64_t>()) +
                                      static_cast<std::uint64_t>(near));
  } else if (value.is_number()) {
    value = value.get<double>() * (random.one_in(2) ? 2 : -0.5);
  } else if (value.is_boolean()) {
    value = !value.get<bool>();
  } else if (value.is_string()) {
    value = changed_bytes(value.get<std::string>(), value.get_ref<const std::string&>().size() + 20, random);
  } else {
    value = some_value(random);
  }
}

void change_members(Json& value, Random& random) {
  auto child = value.begin();
  if (!value.empty()) std::advance(child, random.below(static_cast<std::uint32_t>(value.size())));
  switch (random.below(4)) {
    case 0:
      if (!value.empty()) value.erase(child);
      break;
    case 1:
      if (value.is_object())
        value[some_text(random)] = value.empty() ? some_value(random) : Json(*child);
      else
        value.push_back(value.empty() ? some_value(random) : Json(*child));
      break;
    case 2:
      if (value.is_object())
        value[some_text(random)] = some_value(random);
      else
        value.push_back(some_value(random));
      break;
    default:
      if (value.empty()) break;
      auto other = value.begin();
      std::advance(other, random.below(static_cast<std::uint32_t>(value.size())));
      std::swap(*child, *other);
  }
}

}  // namespace

void change(Json& root, Random& random) {
  for (std::uint32_t changes = 1 + random.below(3); changes > 0; --changes) {
    Json* const target = pick(root, random);
    switch (random.below(7)) {
      case 0:
        *target = some_value(random);
        break;
      case 1:
        *target = Json(*pick(root, random));
        break;
      case 2:
        if (random.one_in(20))
          for (std::uint32_t depth = random.below(150); depth > 0; --depth) *target = Json::array({*target});
        break;
      case 3:
      case 4:
        nudge(*target, random);
        break;
      default:
        if (target->is_structured())
          change_members(*target, random);
        else
          nudge(*target, random);
    }
  }
}

std::string changed_json(const std::string& text, std::size_t max_size, Random& random) {
  Json root = Json::parse(text, nullptr, false);
  if (root.is_discarded()) return changed_bytes(text, max_size, random);
  change(root, random);
  std::string out = root.dump(random.one_in(8) ? 1 : -1, ' ', false, Json::error_handler_t::ignore);
  return out.size() <= max_size ? out : text;
}

std::string changed_bytes(std::string bytes, std::size_t max_size, Random& random) {
  static constexpr const char* kPieces[] = {"\n",         "\r\n",    "\"",      "{",
                                            "}",          "[",       "]",       ":",
                                            ",",          "null",    "-1",      "1e99",
                                            "\"\"",       "\xFF",    "\xC3",    "\xED\xA0\x80",
                                            "\\ud800",    "\\u0000", "\t",      "\xEF\xBB\xBF",
                                            " ",          "\u00e9",  "e\u0301", "\u4e2d\u6587",
                                            "\U0001F600", "\u0130",  "\u03a3",  "\u2028",
                                            "\u0120",     "'s",      "  ",      "1",
                                            "a",          "##",      "true"};
  if (random.one_in(4)) {
    const std::string piece = random.one_in(3) ? random.of(kWords) : random.of(kPieces);
    bytes.insert(random.below(static_cast<std::uint32_t>(bytes.size()) + 1), piece);
    if (bytes.size() > max_size) bytes.resize(max_size);
    return bytes;
  }
  const std::size_t size = std::min(bytes.size(), max_size), room = std::min(max_size, size + 64);
  if (room == 0) return bytes;
  bytes.resize(room);
  bytes.resize(LLVMFuzzerMutate(reinterpret_cast<std::uint8_t*>(bytes.data()), size, room));
  return bytes;
}

}  // namespace attune::fuzz
